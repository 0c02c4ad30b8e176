"""Cases as EpisodeOfCare, incidents as Observation."""

from collections.abc import Iterator
from datetime import date
from typing import Literal

from api.domain.details import Details, put_together
from api.domain.values import sent_as
from api.domain.vocabulary import CaseStatus, DatePrecision, IncidentStatus, Word
from api.interop.fhir.codes import (
    KIND,
    VOIDED,
    Client,
    coded,
    field_named,
    ours,
    patient,
    period,
    practitioner,
)
from api.interop.fhir.elements import (
    Annotation,
    CodeableConcept,
    Coding,
    Element,
    Instant,
    Meta,
    PartialDate,
    Period,
    Reference,
    Resource,
)
from api.interop.fhir.extensions import of_episode
from api.storage.models import clinical

EpisodeStatus = Literal["active", "onhold", "finished", "entered-in-error"]
ObservationStatus = Literal["preliminary", "final", "entered-in-error"]

EPISODE_STATUS: dict[CaseStatus, EpisodeStatus] = {
    CaseStatus.active: "active",
    CaseStatus.paused: "onhold",
    CaseStatus.ended: "finished",
}
OBSERVATION_STATUS: dict[IncidentStatus, ObservationStatus] = {
    # one person's account, at which nobody else has looked yet
    IncidentStatus.reported: "preliminary",
    IncidentStatus.reviewed: "final",
    IncidentStatus.voided: "entered-in-error",
}
_THERAPY = Coding(
    system="http://terminology.hl7.org/CodeSystem/observation-category", code="therapy"
)
TOLD_OF_ALL = (
    "initiator",
    "reported_by",
    "classification",
    "client_impact",
    "repair",
    "discussed_with_client",
    "determination",
)
"""The fields that are told of every incident, as far as they are known."""
_LENGTH = {DatePrecision.day: 10, DatePrecision.month: 7, DatePrecision.year: 4}


class EpisodeOfCare(Resource):
    """A client's therapy with one clinician."""

    resource_type: Literal["EpisodeOfCare"] = "EpisodeOfCare"
    status: EpisodeStatus
    type: list[CodeableConcept] | None = None
    patient: Reference
    managing_organization: Reference
    period: Period | None = None
    care_manager: Reference | None = None


class ObservationComponent(Element):
    """One field of an incident: a word, yes or no, a number or a day."""

    code: CodeableConcept
    value_codeable_concept: CodeableConcept | None = None
    value_boolean: bool | None = None
    value_integer: int | None = None
    value_date_time: PartialDate | None = None


class Observation(Resource):
    """One dated thing that touches the frame, by one person's account.

    `focus` is whose conduct it is about. `note` is left out for who may not read sealed text.
    """

    resource_type: Literal["Observation"] = "Observation"
    status: ObservationStatus
    category: list[CodeableConcept]
    code: CodeableConcept
    subject: Reference
    focus: list[Reference] | None = None
    effective_date_time: PartialDate
    issued: Instant
    note: list[Annotation] | None = None
    component: list[ObservationComponent]


def show_case(case: clinical.Case, client: Client) -> EpisodeOfCare:
    """Show a case."""
    return EpisodeOfCare(
        id=str(case.id),
        meta=Meta(version_id=str(case.version), last_updated=case.updated_at),
        status=VOIDED if case.voided_at else EPISODE_STATUS[case.status],
        type=None if case.setting is None else [coded(case.setting)],
        patient=patient(client),
        managing_organization=ours(case.clinic_id),
        period=period(case.started_on, case.ended_on),
        care_manager=practitioner(case.clinician_id),
    )


def show_incident(incident: clinical.Incident, client: Client) -> Observation:
    """Show an incident."""
    about = practitioner(incident.about_user_id)
    return Observation(
        id=str(incident.id),
        meta=Meta(version_id=str(incident.version), last_updated=incident.updated_at),
        extension=[of_episode(incident.case_id, "Observation")],
        status=VOIDED if client.entered_in_error else OBSERVATION_STATUS[incident.status],
        category=[CodeableConcept(coding=[_THERAPY])],
        code=CodeableConcept(coding=[Coding(system=KIND, code=incident.kind)]),
        subject=patient(client),
        focus=None if about is None else [about],
        effective_date_time=partial_date(incident.occurred_on, incident.date_precision),
        issued=incident.updated_at,
        note=None if incident.narrative is None else [Annotation(text=incident.narrative)],
        component=list(_components(incident)),
    )


def partial_date(day: date, precision: DatePrecision) -> str:
    """Write as much of a day as is known."""
    return day.isoformat()[: _LENGTH[precision]]


def _components(incident: clinical.Incident) -> Iterator[ObservationComponent]:
    for name in TOLD_OF_ALL:
        yield from _component(name, getattr(incident, name))
    details = put_together(incident.details, None)
    for name in told_of(type(details)):
        value = getattr(details, name)
        for each in value if isinstance(value, list) else [value]:
            # a day that nobody said is the incident's, and no better known
            is_its_own = each == incident.occurred_on
            precision = incident.date_precision if is_its_own else _EXACT
            yield from _component(sent_as(type(details), name), each, precision)


def told_of(details: type[Details]) -> list[str]:
    """Name the fields that are told of a kind of incident: all but the kind and the sealed text."""
    return [name for name in details.model_fields if name not in {"kind", details.sealed_field}]


_EXACT = DatePrecision.day


def _component(
    name: str, value: object, precision: DatePrecision = _EXACT
) -> Iterator[ObservationComponent]:
    """Tell a field by the type of its value: what is not known is left out, and so is any text."""
    code = field_named(name, "incident")
    if isinstance(value, Word):
        yield ObservationComponent(code=code, value_codeable_concept=coded(value))
    elif isinstance(value, bool):
        yield ObservationComponent(code=code, value_boolean=value)
    elif isinstance(value, int):
        yield ObservationComponent(code=code, value_integer=value)
    elif isinstance(value, date):
        yield ObservationComponent(code=code, value_date_time=partial_date(value, precision))
