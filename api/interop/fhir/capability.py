"""What this façade can do, told from the table that it serves by."""

from typing import Literal

from api.interop.fhir.definitions import DEFINING, SINCE, Defining
from api.interop.fhir.elements import FHIR_JSON, FHIR_VERSION, CodeableConcept, Coding, Element
from api.interop.fhir.questionnaires import Questionnaire
from api.interop.fhir.resource_types import KINDS, Kind
from api.interop.fhir.searching import PARAMETERS, OfPages, SearchQuestionnaires

_OAUTH = Coding(
    system="http://terminology.hl7.org/CodeSystem/restful-security-service", code="OAuth"
)
_SECURITY = "A bearer token from POST /v1/auth/token: a person's, or a service account's by scope."
_STRICT = (
    "Read only. Unknown parameters, modifiers and sort orders are refused, whatever `Prefer` says. "
    "What is found is ordered by when it was recorded, the latest first. All types are searched by "
    "POST to [type]/_search too, so that no reference to a client stands in an address."
)


class CapabilityStatementSoftware(Element):
    """What answers."""

    name: str
    version: str


class CapabilityStatementImplementation(Element):
    """Where it answers."""

    description: str
    url: str


class CapabilityStatementSecurity(Element):
    """How somebody signs in."""

    service: list[CodeableConcept]
    description: str


class CapabilityStatementInteraction(Element):
    """What can be done with a type."""

    code: Literal["read", "vread", "history-instance", "search-type"]


class CapabilityStatementSearchParam(Element):
    """A parameter of a search."""

    name: str
    type: str
    documentation: str | None = None


class CapabilityStatementResource(Element):
    """A type that is served."""

    type: str
    documentation: str
    interaction: list[CapabilityStatementInteraction]
    versioning: Literal["versioned", "no-version"] = "versioned"
    read_history: bool = False
    update_create: bool = False
    reference_policy: list[Literal["literal", "logical"]] | None = None
    search_param: list[CapabilityStatementSearchParam]


class CapabilityStatementRest(Element):
    """What is served, and how."""

    mode: Literal["server"] = "server"
    documentation: str
    security: CapabilityStatementSecurity
    resource: list[CapabilityStatementResource]


class CapabilityStatement(Element):
    """What this server can do."""

    resource_type: Literal["CapabilityStatement"] = "CapabilityStatement"
    status: Literal["active"] = "active"
    date: str
    kind: Literal["instance"] = "instance"
    software: CapabilityStatementSoftware
    implementation: CapabilityStatementImplementation
    fhir_version: Literal["4.0.1"] = FHIR_VERSION
    format: list[str]
    rest: list[CapabilityStatementRest]


def capabilities(base: str, version: str) -> CapabilityStatement:
    """Say what is served under `base` by this version of the program."""
    return CapabilityStatement(
        date=SINCE,
        software=CapabilityStatementSoftware(name="Boundary Notes", version=version),
        implementation=CapabilityStatementImplementation(
            description="What a clinic's record system may read of boundary notes.", url=base
        ),
        format=["json", FHIR_JSON],
        rest=[
            CapabilityStatementRest(
                documentation=_STRICT,
                security=CapabilityStatementSecurity(
                    service=[CodeableConcept(coding=[_OAUTH])], description=_SECURITY
                ),
                resource=[
                    *map(_resource, KINDS),
                    _questionnaires(),
                    *map(_definitions, DEFINING),
                ],
            )
        ],
    )


def _definitions(kind: Defining) -> CapabilityStatementResource:
    return CapabilityStatementResource(
        type=kind.name,
        documentation=f"What our {kind.rows} mean, by the addresses that records name them by.",
        interaction=[
            CapabilityStatementInteraction(code="read"),
            CapabilityStatementInteraction(code="search-type"),
        ],
        versioning="no-version",
        search_param=_parameters(kind.query),
    )


def _questionnaires() -> CapabilityStatementResource:
    return CapabilityStatementResource(
        type=Questionnaire.__name__,
        documentation="What clients are asked, in one language; each of its versions is read by "
        "its number.",
        interaction=[
            CapabilityStatementInteraction(code="read"),
            CapabilityStatementInteraction(code="vread"),
            CapabilityStatementInteraction(code="search-type"),
        ],
        search_param=_parameters(SearchQuestionnaires),
    )


def _parameters(query: type[OfPages]) -> list[CapabilityStatementSearchParam]:
    named = {field.alias or name: field for name, field in query.model_fields.items()}
    return [
        CapabilityStatementSearchParam(name=name, type=of, documentation=named[name].description)
        for name, of in PARAMETERS.items()
        if name in named
    ]


def _resource(kind: Kind) -> CapabilityStatementResource:
    return CapabilityStatementResource(
        type=kind.name,
        documentation=f"Our {kind.rows}." if kind.names_clients else f"Tells of {kind.rows}.",
        interaction=[
            CapabilityStatementInteraction(code="read"),
            CapabilityStatementInteraction(code="vread"),
            *([CapabilityStatementInteraction(code="history-instance")] if kind.kept else []),
            CapabilityStatementInteraction(code="search-type"),
        ],
        read_history=kind.kept is not None,
        reference_policy=["literal", "logical"],
        search_param=_parameters(kind.query),
    )
