"""The languages that are known, and what is told in each: sentences, titles, the vocabulary.

English is the code. Each other language is a catalogue beside this file, `es.po` for Spanish, and
is read when somebody first asks for it: a server starts without, and holds none that nobody reads.
"""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import AfterValidator, StringConstraints

from api.domain.rules.english import ENGLISH
from api.domain.rules.said import Language
from api.domain.vocabulary import VOCABULARY, DatePrecision, RuleName
from api.languages.messages import messages

IN_ENGLISH = "en"
CATALOGUES = Path(__file__).parent

KNOWN = (IN_ENGLISH, *sorted(file.stem for file in CATALOGUES.glob("*.po")))
"""The codes of all languages (BCP 47), English first."""


class Spoken(Language, Protocol):
    """A language, with all that is told in it."""

    @property
    def code(self) -> str:
        """Its code, such as `es`."""

    def text(self, message: str, number: int | None = None) -> str:
        """Give a text by its id; `number` decides between one and several.

        Raises KeyError for a text that the language has not.
        """

    def short(self, day: date, precision: DatePrecision) -> str:
        """Write a day without its year, or a month with its own, where there is little room."""


class _AsWritten:
    """English, as it stands in the code."""

    code = IN_ENGLISH
    sentence = staticmethod(ENGLISH.sentence)
    word = staticmethod(ENGLISH.word)
    day = staticmethod(ENGLISH.day)

    def text(self, message: str, number: int | None = None) -> str:
        said = messages()[message]
        if isinstance(said, str):
            return said
        return said[0] if number == 1 else said[1]

    def short(self, day: date, precision: DatePrecision) -> str:
        month, _, year = self.day(day, DatePrecision.month).partition(" ")
        return (
            f"{month[:3]} {year}" if precision == DatePrecision.month else f"{day.day} {month[:3]}"
        )


@cache
def language_of(code: str) -> Spoken:
    """Give a language by its code. Raises KeyError for one that is not known."""
    if code == IN_ENGLISH:
        return _AsWritten()
    if code not in KNOWN:
        raise KeyError(code)
    # what reads it is large, and a server whose people read English needs none of it
    from api.languages.catalogue import Catalogue  # noqa: PLC0415

    return Catalogue(code, (CATALOGUES / f"{code}.po").read_bytes())


def title_of(rule: str, language: Language) -> str:
    """Give the title of a rule or prompt."""
    return language.word("rule" if rule in RuleName.__members__ else "prompt", rule)


def vocabulary_in(language: Language) -> dict[str, dict[str, str]]:
    """Give every list of the vocabulary as the API serves it: name → word → definition."""
    return {
        name: {str(word): language.word(name, word) for word in words}
        for name, words in VOCABULARY.items()
    }


def _known(code: str) -> str:
    if code not in KNOWN:
        raise ValueError(f"This language is not known here; known are {', '.join(KNOWN)}.")
    return code


LanguageCode = Annotated[str, StringConstraints(max_length=16), AfterValidator(_known)]
"""The code of a language that is known."""
