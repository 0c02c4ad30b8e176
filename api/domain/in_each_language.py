"""What is said in several languages: a field for each that is known, empty where nobody said it."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from api.domain.values import Input, Output

T = TypeVar("T")


class InEach(Input, Generic[T]):
    """What is sent in one language or several; what is left out is not said."""

    en: T | None = None
    es: T | None = None

    def said(self) -> Mapping[str, T]:
        """Give what is said, by the code of its language."""
        return {code: said for code, said in self.__dict__.items() if said is not None}


class ToldInEach(Output, Generic[T]):
    """What is told in each language; null where nobody said it."""

    en: T | None = None
    es: T | None = None
