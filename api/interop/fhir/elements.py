"""The elements that FHIR R4 resources are made of: only those that are used here."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

FHIR_VERSION: Literal["4.0.1"] = "4.0.1"
FHIR_JSON = "application/fhir+json"

PartialDate = Annotated[
    str, Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$", examples=["2026-03", "2026-03-02"])
]
"""A day, or as much of it as is known."""


def in_milliseconds(instant: datetime) -> str:
    """Write an instant as FHIR's clients read it: many keep three digits of a second, no more.

    What is finer is cut off, never rounded up: nothing is said to be later than it was.
    """
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Instant = Annotated[
    datetime,
    PlainSerializer(in_milliseconds, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A point in time, written to the millisecond."""


def _camel(name: str) -> str:
    """Spell a name as FHIR does; `for_` is `for`, which Python keeps for itself."""
    return to_camel(name.rstrip("_"))


def _never_null(schema: dict[str, Any]) -> None:
    """Say that what is not known is left out, FHIR knows no null; and that a type always stands."""
    if "resourceType" in schema.get("properties", {}):
        schema["required"] = ["resourceType", *schema.get("required", ())]
    for about in schema.get("properties", {}).values():
        said = [each for each in about.get("anyOf", ()) if each != {"type": "null"}]
        if len(said) == 1:
            del about["anyOf"]
            about.update(said[0])
            about.pop("default", None)


class Element(BaseModel):
    """A part of a resource. What is None is left out, and no list is empty."""

    model_config = ConfigDict(
        alias_generator=_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        json_schema_extra=_never_null,
    )


class Coding(Element):
    """A code, and the system it is of."""

    system: str | None = None
    code: str
    display: str | None = None


class CodeableConcept(Element):
    """What is meant, as a code, as words, or both."""

    coding: list[Coding] | None = None
    text: str | None = None


class Identifier(Element):
    """A name for something that another system may know."""

    system: str
    value: str


class Reference(Element):
    """Another resource: its address here, or an identifier of what is not served here.

    `display`: who it is, of somebody who is known by no identifier.
    """

    reference: str | None = None
    type: str | None = None
    identifier: Identifier | None = None
    display: str | None = None


class Period(Element):
    """From when until when, each a day or a time."""

    start: Instant | PartialDate | None = None
    end: Instant | PartialDate | None = None


class Annotation(Element):
    """A text that belongs to a record."""

    text: str


class Extension(Element):
    """What FHIR has no place for; `url` says what it is."""

    url: str
    value_boolean: bool | None = None
    value_code: str | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_date_time: Instant | None = None
    value_integer: int | None = None
    value_reference: Reference | None = None
    value_url: str | None = None


class Meta(Element):
    """Which version of a record this is, and since when it is so."""

    version_id: str | None = None
    last_updated: Instant


class Identified(Element):
    """What is found here by an id."""

    id: str


class Resource(Identified):
    """What every record says of itself."""

    meta: Meta
    extension: list[Extension] | None = None
