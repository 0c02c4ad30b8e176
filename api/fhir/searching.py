"""What can be searched for: the parameters, and the codes and ids that stand in them."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, or_

from api.errors import Invalid
from api.pages import PageQuery

Several = Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=4)]
Tokens = Annotated[str | None, Field(max_length=500)]
_DATES = (
    "A day, a month, a year or a time with its offset; before it eq, ge, gt, le or lt. May be "
    "sent several times, for a span."
)
_PATIENT = (
    "The id of a case, or the clinic's reference for the client, found exactly; several with "
    "commas between them."
)
_IDENTIFIER = "As `patient`, with the system of the identifier before it: `system|value`."


class EverySearch(PageQuery):
    """What can be asked of every type."""

    limit: Annotated[int, Field(ge=1, le=100, alias="_count", description="Entries on a page.")] = (
        50
    )
    cursor: Annotated[
        str | None,
        Field(max_length=1024, alias="_cursor", description="As in the `next` link."),
    ] = None
    ids: Tokens = Field(default=None, alias="_id", description="Ids, with commas between them.")
    updated: Several = Field(default=[], alias="_lastUpdated", description=_DATES)
    format: Annotated[str | None, Field(max_length=80)] = Field(
        default=None, alias="_format", description="`json`, and nothing else."
    )


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


class SearchObservations(SearchByStatus):
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


PARAMETERS = {
    "_id": "token",
    "_lastUpdated": "date",
    "patient": "reference",
    "status": "token",
    "code": "token",
    "date": "date",
    "target": "reference",
}
"""Each search parameter, and what FHIR calls its type; the others are about the answer."""


def codes_in(text: str) -> list[str]:
    """Give the codes of a token parameter, whatever system stands before them."""
    return [token.rpartition("|")[2].strip() for token in text.split(",")]


def one_of(
    text: str, pointer: str, known: Mapping[str, ColumnElement[bool]]
) -> ColumnElement[bool]:
    """Say in SQL that one of the codes holds. Raises 400 for a code that is not known."""
    codes = codes_in(text)
    if not known.keys() >= set(codes):
        raise Invalid(pointer, "This is not one of the known codes.")
    return or_(*(known[code] for code in codes))


def ids_in(text: str, pointer: str) -> list[UUID]:
    """Give the ids of a parameter. Raises 400 for what is none."""
    try:
        return [UUID(each.strip()) for each in text.split(",")]
    except ValueError:
        raise Invalid(pointer, "This must be an id, or several with commas between.") from None
