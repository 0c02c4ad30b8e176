"""What can be searched for: the parameters, and the codes and ids that stand in them."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field
from sqlalchemy import ColumnElement, and_, false, or_

from api.domain.errors import Invalid
from api.http.pagination import PageQuery
from api.interop.fhir.dates import each_span

Several = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=4)]
Tokens = Annotated[str | None, Field(min_length=1, max_length=500)]
_DATES = (
    "A day, a month, a year or a time; before it eq, ne, ge, gt, le, lt, sa or eb. May be sent "
    "several times, for a span; of several with commas between them one must hold."
)
_PATIENT = (
    "The id of a case, or the clinic's reference for the client, found exactly; several with "
    "commas between them."
)
PRETTY = "Write lines and indents, for somebody who reads it."
_MOST = 100
_IDENTIFIER = "As `patient`, with the system of the identifier before it: `system|value`."


class OfPages(PageQuery):
    """How much is answered, and how it is written."""

    limit: Annotated[
        int,
        # asked for more, FHIR has fewer come instead of a refusal
        AfterValidator(lambda wanted: min(wanted, _MOST)),
        Field(ge=1, alias="_count", description=f"Entries on a page; {_MOST} come at most."),
    ] = 50
    cursor: Annotated[
        str | None,
        Field(max_length=1024, alias="_cursor", description="As in the `next` link."),
    ] = None
    format: Annotated[str | None, Field(max_length=80)] = Field(
        default=None, alias="_format", description="`json`, and nothing else."
    )
    pretty: bool | None = Field(default=None, alias="_pretty", description=PRETTY)


class EverySearch(OfPages):
    """What can be asked of every type."""

    ids: Tokens = Field(default=None, alias="_id", description="Ids, with commas between them.")
    updated: Several = Field(default=[], alias="_lastUpdated", description=_DATES)

    def asks_for_changes(self) -> bool:
        """Tell that what changed since an instant can be asked for, of every type."""
        return True

    def begins_after(self, until: datetime, zone: ZoneInfo) -> bool:
        """Tell whether only what changed after an instant is asked for."""
        asked = each_span(self.updated, "/query/_lastUpdated", zone)
        return any(all(span.begins_after(until) for span in spans) for spans in asked)


class SearchOfPatients(EverySearch):
    """What can be asked of every type that is about a client."""

    patient: Tokens = Field(default=None, description=_PATIENT)
    patient_identifier: Tokens = Field(
        default=None, alias="patient:identifier", description=_IDENTIFIER
    )


class SearchByStatus(SearchOfPatients):
    """What can be asked of every type that has a status."""

    status: Tokens = Field(
        default=None, description="Codes of the resource's status, with commas between them."
    )


class SearchOfSubjects(SearchByStatus):
    """What can be asked of the types whose client is called `subject`."""

    subject: Tokens = Field(default=None, description="As `patient`.")


class SearchObservations(SearchOfSubjects):
    """Which incidents."""

    code: Tokens = Field(default=None, description="Kinds, with commas between them.")
    date: Several = Field(default=[], description="When it happened. " + _DATES)


class SearchIssues(SearchByStatus):
    """Which flags about conduct."""

    code: Tokens = Field(default=None, description="Rules, with commas between them.")


class SearchProvenance(SearchOfPatients):
    """Who recorded what."""

    target: Tokens = Field(
        default=None, description="Records, as in `Observation/<id>`, with commas between them."
    )


class SearchEntries(SearchOfPatients):
    """Which entries of the journal."""

    date: Several = Field(default=[], description="When it happened. " + _DATES)


class SearchDefinitions(OfPages):
    """Which definitions."""

    ids: Tokens = Field(default=None, alias="_id", description="Ids, with commas between them.")
    url: Tokens = Field(
        default=None, description="What it is called by in records, with commas between them."
    )


class SearchQuestionnaires(SearchDefinitions):
    """Which questionnaires: by default the newest version of each that is still asked."""

    status: Tokens = Field(
        default=None, description="`active` and `retired`, with commas between them."
    )
    version: Tokens = Field(
        default=None,
        description="Numbers of versions, with commas between them: of each questionnaire the "
        "newest of these, whether or not it is still asked.",
    )


PARAMETERS = {
    "_id": "token",
    "_lastUpdated": "date",
    "patient": "reference",
    "subject": "reference",
    "status": "token",
    "code": "token",
    "date": "date",
    "target": "reference",
    "url": "uri",
    "version": "token",
}
"""Each search parameter, and what FHIR calls its type; the others are about the answer."""


class Token(NamedTuple):
    """A code as it is searched for; `system` is None where none was said."""

    system: str | None
    code: str


def values_in(text: str) -> list[str]:
    """Give the values of a parameter, that are parted by commas, as they were meant."""
    return [_meant(each).strip() for each in _parted(text, ",")]


def tokens_in(text: str) -> list[Token]:
    """Give the codes of a token parameter: what stands before the first bar is the system."""
    return [_token(each) for each in _parted(text, ",")]


def one_of(text: str, system: str, known: Mapping[str, ColumnElement[bool]]) -> ColumnElement[bool]:
    """Say in SQL that a status is one of these. No row is of a code that is not known.

    A status has no system of its own in a resource, so that none is as good as the right one.
    """
    found: list[ColumnElement[bool]] = []
    for token in tokens_in(text):
        if token.system and token.system != system:
            continue
        if token.system and not token.code:
            found += known.values()
        elif token.code in known:
            found.append(known[token.code])
    return or_(false(), *found)


def is_among(code: str, text: str, system: str = "") -> bool:
    """Tell whether a code is one of those searched for: as `one_of`, of what no table has."""
    return any(
        token.system in (None, "", system)
        and (token.code == code or bool(token.system and not token.code))
        for token in tokens_in(text)
    )


def code_is(
    column: Any, text: str, systems: Mapping[str, ColumnElement[bool]]
) -> ColumnElement[bool]:
    """Say in SQL that a column has one of these codes; `systems`: which codes are of each."""
    found: list[ColumnElement[bool]] = []
    for token in tokens_in(text):
        if token.system is None:
            found.append(column == token.code)
        elif token.system in systems:
            of_system = systems[token.system]
            found.append(and_(of_system, column == token.code) if token.code else of_system)
    return or_(false(), *found)


def ids_in(text: str, pointer: str) -> list[UUID]:
    """Give the ids of a parameter that a record here may have. Raises 400 for what is no id."""
    found = (_id_in(each, pointer) for each in values_in(text))
    return [each for each in found if each is not None]


def references_in(text: str, pointer: str) -> Iterator[tuple[str | None, UUID]]:
    """Give the type, where it is said, and the id of each record that may be one of ours.

    Records of other servers and single versions are well said, and none of ours. Raises 400 for
    what is no reference.
    """
    for each in values_in(text):
        found = _REFERENCE.fullmatch(each)
        if found is None:
            raise Invalid(pointer, "This must be a record, as in Observation/<id>.")
        row_id = _id_in(found["id"], pointer)
        if row_id is not None and not found["elsewhere"] and not found["version"]:
            yield found["type"], row_id


def is_id(text: str) -> bool:
    """Tell whether a text may be the id of a resource, on whatever server."""
    return _IS_ID(text) is not None


_IS_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII).fullmatch
_REFERENCE = re.compile(
    r"(?P<elsewhere>https?://[^\s*]+/)?((?P<type>[A-Z][A-Za-z]*)/)?"
    r"(?P<id>(urn:uuid:)?[A-Za-z0-9.-]{1,64})(?P<version>/_history/[A-Za-z0-9.-]{1,64})?",
    re.ASCII,
)


def _id_in(sent: str, pointer: str) -> UUID | None:
    """Give an id as ours are; None for the id of nothing here. Raises 400 for what is none."""
    value = sent.removeprefix("urn:uuid:")
    if not is_id(value):
        raise Invalid(pointer, "This must be an id, or several with commas between.")
    try:
        return UUID(value)
    except ValueError:
        return None


def _token(sent: str) -> Token:
    first, *rest = _parted(sent, "|")
    if not rest:
        return Token(None, _meant(first).strip())
    return Token(_meant(first).strip(), _meant("|".join(rest)).strip())


_PAIR = re.compile(r"\\[,|$\\]|.", re.DOTALL)


def _parted(text: str, mark: str) -> list[str]:
    """Part a text at a mark, but where a backslash says that it is meant as it stands."""
    parts = [""]
    for each in _PAIR.findall(text):
        if each == mark:
            parts.append("")
        else:
            parts[-1] += each
    return parts


def _meant(text: str) -> str:
    return "".join(each[-1] for each in _PAIR.findall(text))
