"""What a clinic sets for its clients' door."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Protocol

from pydantic import AfterValidator, StringConstraints

from api.domain.in_each_language import InEach, ToldInEach
from api.domain.values import without_nul
from api.domain.vocabulary import SafeNow

ENDANGERED = (SafeNow.no, SafeNow.unsure)
"""What somebody answers who is not safe, or does not know."""

DoorOffer = Literal["at_opening", "at_ending"]
"""When clinicians are asked to offer the door."""

_trimmed = StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)
DoorText = Annotated[str, _trimmed, AfterValidator(without_nul)]
"""What a clinic says at its door: at most 2,000 characters."""


class DoorTexts(InEach[DoorText]):
    """What a clinic says at its door, by the code of the language."""


class ToldAtDoor(ToldInEach[str]):
    """What a clinic says at its door, by the code of the language; null where it says nothing."""


TEXTS = ("door_emergency_text", "door_duty_text", "door_elsewhere_text")
"""The settings that are said in each language of the door."""


class Unsaid(NamedTuple):
    """A setting without which the door is not opened; `language`: in which it is not said."""

    setting: str
    language: str | None = None


def unsaid(clinic: Mapping[str, Any]) -> Iterator[Unsaid]:
    """Give what a clinic, by its settings, has not said yet, language by language."""
    for language in clinic["door_languages"]:
        for setting in TEXTS:
            if clinic[setting].get(language) is None:
                yield Unsaid(setting, language)
    if clinic["door_leave_to"] is None:
        yield Unsaid("door_leave_to")


class AtItsDoor(Protocol):
    """What a clinic has set for its door."""

    door_emergency_text: dict[str, str | None]
    door_duty_text: dict[str, str | None]
    door_elsewhere_text: dict[str, str | None]
    door_leave_to: str | None
    door_languages: list[str]


def still_missing(clinic: AtItsDoor) -> list[str]:
    """Name what a clinic has yet to set before anybody is invited, each text with its language."""
    stands = {name: getattr(clinic, name) for name in ("door_languages", "door_leave_to", *TEXTS)}
    return [
        each.setting if each.language is None else f"{each.setting} ({each.language})"
        for each in unsaid(stands)
    ]
