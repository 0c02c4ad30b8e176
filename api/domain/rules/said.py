"""What a rule says: a sentence's name and what fills its places, to be told in any language."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, NamedTuple, Protocol

from api.domain.vocabulary import VOCABULARY, DatePrecision, Word

_LIST_OF: dict[type[Word], str] = {words: name for name, words in VOCABULARY.items()}

Told = dict[str, Any]
"""A sentence, or what fills a place of one, as a flag keeps it (JSON)."""

COUNTED = "n"
"""The place whose number decides between one and several."""


class When(NamedTuple):
    """A day, as closely as it is known."""

    day: date
    precision: DatePrecision = DatePrecision.day


Place = int | date | When | Word | tuple[Word, ...] | tuple["Said", ...]


@dataclass(frozen=True, slots=True, init=False)
class Said:
    """A sentence by its name, and what stands in its places."""

    name: str
    places: Mapping[str, Place]

    def __init__(self, name: str, **places: Place) -> None:
        """Say the sentence of this name."""
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "places", places)

    def told(self, **more: Place) -> Told:
        """Write it as a flag keeps it; `more`: places that are filled later."""
        filled = {**self.places, **more}
        return {"id": self.name, "args": {name: _written(filled[name]) for name in sorted(filled)}}


def words_of(words: Iterable[Word]) -> tuple[Word, ...]:
    """Put several words in their own order, whatever order they came in."""
    return tuple(sorted(set(words)))


def _written(place: Place) -> Any:
    match place:
        case int():
            return place
        case When(day, precision):
            return {"when": day.isoformat(), "known_to": _KNOWN_TO[precision]}
        case date():
            return {"day": place.isoformat()}
        case Word():
            return {"words": [_named(place)]}
        case _:
            parts = [each.told() for each in place if isinstance(each, Said)]
            words = [_named(each) for each in place if isinstance(each, Word)]
            return {"parts": parts} if parts else {"words": words}


_KNOWN_TO = {precision: str(precision) for precision in DatePrecision}


@cache
def _named(word: Word) -> str:
    return f"{_LIST_OF[type(word)]}.{word}"


class Language(Protocol):
    """How something is said in one language."""

    def sentence(self, name: str, number: int | None) -> str:
        """Give a sentence with its places in braces; `number` decides between one and several."""

    def word(self, words: str, word: str) -> str:
        """Give what a word of a list of the vocabulary means."""

    def day(self, day: date, precision: DatePrecision) -> str:
        """Write a day, a month or a year."""


def sentence_of(told: Told, language: Language) -> str:
    """Tell a sentence. Raises KeyError for one that the language has not."""
    args: Told = told["args"]
    places = {name: _in_words(place, language) for name, place in args.items()}
    return language.sentence(told["id"], args.get(COUNTED)).format(**places)


def _in_words(place: Any, language: Language) -> str:
    match place:
        case int():
            return str(place)
        case {"when": day, "known_to": precision}:
            known_to = DatePrecision[precision]
            said = language.day(date.fromisoformat(day), known_to)
            return language.sentence(f"when_{known_to}", None).format(day=said)
        case {"day": day}:
            return language.day(date.fromisoformat(day), DatePrecision.day)
        case {"words": words}:
            # what a word means may itself hold commas
            return " · ".join(language.word(*word.split(".", 1)) for word in words)
        case {"parts": parts}:
            return ", ".join(sentence_of(part, language) for part in parts)
    raise ValueError("not what a flag keeps")
