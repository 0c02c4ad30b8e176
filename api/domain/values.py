"""The plain values that fields hold (days, texts, counts), and what all schemas are made of."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
)

from api.domain.time_zones import NAMES
from api.security.normalization import one_address, one_password, one_text

EARLIEST_DAY = date(1900, 1, 1)
LATEST_DAY = date(2199, 12, 31)
_LONGEST_LINE = 200
_LONGEST_ADDRESS = 254
_LONGEST_TYPED = 1_024
"""Characters of a password that are looked at, in whatever form: more are too many in any."""
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_A_DAY = "A date is written YYYY-MM-DD, as in 2026-03-02, without a time of day."
_PART_OF_A_DATE = re.compile(r"\d{4}(-\d{2})?", re.ASCII)
_A_WHOLE_DAY = (
    "A date is written YYYY-MM-DD; where only the month or year is known, as any day of it, and "
    "`date_precision` says so where the record has that."
)
_A_TIME = "A time is written with its day and its offset, as in 2026-03-02T09:00:00Z."
_LOST_A_PLUS = re.compile(r"\d{4}-\d\d-\d\d[Tt ][\d:.]{5,} \d\d:?\d\d$", re.ASCII)
"""A time whose offset lost its plus: in an address, that stands for a blank."""
_PAGE = re.compile(
    r"https://(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,63}(?::\d{2,5})?"
    r"(?:[/?#][!#-;=?-\[\]_a-z~]*)?",
    re.ASCII | re.IGNORECASE,
)
_ADDRESS = re.compile(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+")


LOST_A_PLUS = (
    "A blank stands where the + of the offset should: in an address write the + of an offset as "
    "%2B, or use Z."
)


class Input(BaseModel):
    """What a caller sends: nothing unknown is let in, and no error's text repeats any of it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def sent_as(model: type[BaseModel], name: str) -> str:
    """Give the name by which a field is sent, where Python could not call it so."""
    return model.model_fields[name].alias or name


class Output(BaseModel):
    """What a caller gets: every field is always there."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_serialization_defaults_required=True
    )


def absent() -> Any:
    """Mark a field of a PATCH that may be left out, but may not be null."""
    return Field(default_factory=lambda: None)


def _written_as_a_day(value: object) -> object:
    """Refuse numbers and date-times, which a lenient parser would read as days."""
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError(_A_WHOLE_DAY if _PART_OF_A_DATE.fullmatch(value) else _A_DAY)
    if not isinstance(value, str | date) or isinstance(value, datetime):
        raise ValueError(_A_DAY)
    return value


def _within_living_memory(value: date) -> date:
    if not EARLIEST_DAY <= value <= LATEST_DAY:
        raise ValueError(f"A date lies between {EARLIEST_DAY} and {LATEST_DAY}.")
    return value


def _with_an_offset(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(_A_TIME)
    if not EARLIEST_DAY <= value.date() <= LATEST_DAY:
        raise ValueError(f"A time lies between {EARLIEST_DAY} and {LATEST_DAY}.")
    return value.astimezone(UTC)


def has_lost_a_plus(text: str) -> bool:
    """Tell whether a time would be one, with a plus where a blank stands."""
    return _LOST_A_PLUS.search(text) is not None


def _written_as_a_time(value: object) -> object:
    if not isinstance(value, str | datetime) or (isinstance(value, str) and not _TIME.match(value)):
        raise ValueError(_A_TIME)
    if isinstance(value, str) and has_lost_a_plus(value):
        raise ValueError(LOST_A_PLUS)
    return value


def without_nul(value: str) -> str:
    """PostgreSQL cannot store NUL, and no clinician ever types one."""
    if "\x00" in value:
        raise ValueError("A text may not contain a NUL character; send it without.")
    return value


def _address(value: str) -> str:
    spelled = one_address(value)
    if not _ADDRESS.fullmatch(spelled) or len(spelled) > _LONGEST_ADDRESS:
        raise ValueError("This is not an e-mail address, as in name@clinic.example.")
    return spelled


def _as_it_is_hashed(password: object) -> object:
    if isinstance(password, str) and len(password) <= _LONGEST_TYPED:
        return one_password(password)
    return password


def _short_as_it_is_kept(value: str) -> str:
    """Some characters are two or three where they are spelled in one form."""
    if len(one_text(value)) > _LONGEST_LINE:
        raise ValueError(f"This text is too long: the most is {_LONGEST_LINE} characters in NFC.")
    return value


def _web_address(value: str) -> str:
    if not _PAGE.fullmatch(value):
        raise ValueError("This is not the address of a page, as in https://weather.example/.")
    return value


def _known_zone(name: str) -> str:
    if name not in NAMES:
        raise ValueError("This is not a time zone of the IANA database, such as Europe/Berlin.")
    return name


Day = Annotated[
    date,
    BeforeValidator(_written_as_a_day),
    AfterValidator(_within_living_memory),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-03-02"]}),
]
"""A calendar day, `YYYY-MM-DD`."""

Instant = Annotated[datetime, BeforeValidator(_written_as_a_time), AfterValidator(_with_an_offset)]
"""A point in time with its offset (RFC 3339)."""

YesNo = StrictBool
"""True or false, and nothing that merely looks like it."""

_trimmed = StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)
Text = Annotated[str, _trimmed, AfterValidator(without_nul)]
"""A clinician's words: not blank, at most 20,000 characters."""

LongText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=40_000),
    AfterValidator(without_nul),
]
"""A clinical note: not blank, at most 40,000 characters.

In any script, and escaped as JSON may be, so many still fit into a body of 256 KiB.
"""

Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=_LONGEST_LINE),
    AfterValidator(without_nul),
]
"""A single short line, such as a name: at most 200 characters."""

Reference = Annotated[Line, AfterValidator(_short_as_it_is_kept)]
"""A clinic's name for a client: a line, which is found in whichever Unicode form it comes."""

Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=_LONGEST_ADDRESS),
    AfterValidator(_address),
]
"""An e-mail address, in small letters: what a user signs in with."""

WebAddress = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    AfterValidator(_web_address),
]
"""The address of a page: https, of a public name."""

TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_known_zone)]
"""The name of a time zone in the IANA database, such as `Europe/Berlin`."""

Password = Annotated[
    SecretStr, Field(min_length=15, max_length=128), BeforeValidator(_as_it_is_hashed)
]
"""15 to 128 characters; no rules of composition (NIST SP 800-63B-4)."""


def whole(least: int, most: int) -> Any:
    """Describe a whole number between two bounds; `true` is not a number here."""
    return Field(strict=True, ge=least, le=most)
