"""The one column type that every clinician's words go through, on their way in and out."""

from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator


class SealedText(TypeDecorator[str]):
    """A text that is never logged, searched or read by a rule.

    Every such column has this type, so that sealing them at rest needs one change, here.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Give what is stored."""
        return value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Give back what was written."""
        return value
