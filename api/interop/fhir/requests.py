"""Promises as Task, requests for consultation as ServiceRequest."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Literal

from api.domain.vocabulary import ConsultationStatus, ConsultationUrgency, PromiseState, Word
from api.interop.fhir.codes import (
    VOIDED,
    Client,
    coded,
    field_named,
    patient,
    period,
    practitioner,
    record_of,
    recorder,
)
from api.interop.fhir.elements import (
    Annotation,
    CodeableConcept,
    Element,
    Instant,
    Meta,
    PartialDate,
    Period,
    Reference,
    Resource,
)
from api.interop.fhir.extensions import CONSULTATION_STATUS, of_episode
from api.storage.models import clinical, columns

TaskStatus = Literal["accepted", "on-hold", "completed", "failed", "cancelled", "entered-in-error"]
RequestStatus = Literal["draft", "active", "on-hold", "completed", "revoked", "entered-in-error"]
Priority = Literal["routine", "urgent", "asap", "stat"]

TASK_STATUS: dict[PromiseState, TaskStatus] = {
    PromiseState.open: "accepted",
    PromiseState.disputed: "on-hold",
    PromiseState.kept: "completed",
    PromiseState.broken: "failed",
    PromiseState.renegotiated: "cancelled",
    PromiseState.withdrawn_with_repair: "cancelled",
    PromiseState.superseded: "cancelled",
}
REQUEST_STATUS: dict[ConsultationStatus, RequestStatus] = {
    ConsultationStatus.draft: "draft",
    ConsultationStatus.requested: "active",
    ConsultationStatus.accepted: "active",
    ConsultationStatus.in_progress: "active",
    # it may be requested again
    ConsultationStatus.declined: "on-hold",
    ConsultationStatus.completed: "completed",
    ConsultationStatus.cancelled: "revoked",
}
PRIORITY: dict[ConsultationUrgency, Priority] = {
    ConsultationUrgency.routine: "routine",
    ConsultationUrgency.priority: "urgent",
    ConsultationUrgency.urgent: "asap",
    ConsultationUrgency.emergency: "stat",
}
TOLD = (
    "made_by",
    "source",
    "scope",
    "keepable",
    "significance",
    "client_impact",
    "reported_by",
    "open_ended",
    "discussed_with_client",
    "discussed_on",
)
"""The fields that are told of a promise, as far as they are known."""


class TaskRestriction(Element):
    """By when a promise is due."""

    period: Period


class TaskInput(Element):
    """One field of a promise."""

    type: CodeableConcept
    value_codeable_concept: CodeableConcept | None = None
    value_boolean: bool | None = None
    value_date: PartialDate | None = None


class Task(Resource):
    """A promise made to the client, and what became of it.

    `description` is its wording, left out for who may not read sealed text; `businessStatus` is
    our own word for its state.
    """

    resource_type: Literal["Task"] = "Task"
    status: TaskStatus
    business_status: CodeableConcept
    intent: Literal["plan"] = "plan"
    code: CodeableConcept
    description: str | None = None
    for_: Reference
    authored_on: PartialDate
    last_modified: Instant
    restriction: TaskRestriction | None = None
    input: list[TaskInput]


class ServiceRequest(Resource):
    """A request for another clinician's view.

    `note` is the question, left out for who may not read sealed text; `occurrencePeriod` ends when
    the answer is due.
    """

    resource_type: Literal["ServiceRequest"] = "ServiceRequest"
    status: RequestStatus
    intent: Literal["order"] = "order"
    priority: Priority
    code: CodeableConcept
    subject: Reference
    occurrence_period: Period | None = None
    authored_on: Instant | None = None
    requester: Reference | None = None
    performer: list[Reference] | None = None
    supporting_info: list[Reference] | None = None
    note: list[Annotation] | None = None


def show_promise(promise: clinical.Promise, client: Client) -> Task:
    """Show a promise."""
    due = period(None, promise.due_on)
    is_voided = client.entered_in_error or promise.voided_at is not None
    return Task(
        id=str(promise.id),
        meta=Meta(version_id=str(promise.version), last_updated=promise.updated_at),
        extension=[of_episode(promise.case_id, "Task")],
        status=VOIDED if is_voided else TASK_STATUS[promise.state],
        business_status=coded(promise.state),
        code=coded(promise.kind),
        description=promise.wording,
        for_=patient(client),
        authored_on=promise.made_on.isoformat(),
        last_modified=promise.updated_at,
        restriction=None if due is None else TaskRestriction(period=due),
        input=[each for name in TOLD for each in _input(name, getattr(promise, name))],
    )


def show_consultation(
    consultation: clinical.Consultation, client: Client, seen: Collection[columns.Named]
) -> ServiceRequest:
    """Show a request for consultation; `seen`: the records it is about that its reader sees."""
    asked = practitioner(consultation.consultant_id)
    linked = [record_of(*named) for named in consultation.named_records() if named in seen]
    return ServiceRequest(
        id=str(consultation.id),
        meta=Meta(version_id=str(consultation.version), last_updated=consultation.updated_at),
        extension=[
            of_episode(consultation.case_id, "ServiceRequest"),
            CONSULTATION_STATUS.saying(consultation.status),
        ],
        status=VOIDED if client.entered_in_error else REQUEST_STATUS[consultation.status],
        priority=PRIORITY[consultation.urgency],
        code=coded(consultation.kind),
        subject=patient(client),
        occurrence_period=period(None, consultation.due_at),
        authored_on=consultation.requested_at,
        requester=recorder(consultation.recorded_by_id),
        performer=None if asked is None else [asked],
        supporting_info=linked or None,
        note=None if consultation.question is None else [Annotation(text=consultation.question)],
    )


def _input(name: str, value: object) -> Iterator[TaskInput]:
    """Tell a field by the type of its value; what is not known is left out."""
    said = field_named(name, "promise")
    if isinstance(value, Word):
        yield TaskInput(type=said, value_codeable_concept=coded(value))
    elif isinstance(value, bool):
        yield TaskInput(type=said, value_boolean=value)
    elif isinstance(value, date):
        yield TaskInput(type=said, value_date=value.isoformat())
