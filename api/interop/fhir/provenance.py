"""Who recorded what as Provenance, and the journal as AuditEvent."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from api.domain.vocabulary import Role
from api.interop.fhir.codes import HAPPENING, OURS, PURPOSE, coded, record_of, recorder
from api.interop.fhir.elements import (
    CodeableConcept,
    Coding,
    Element,
    Identifier,
    Instant,
    Meta,
    Reference,
    Resource,
)
from api.storage.models import journal

_REST = Coding(system="http://terminology.hl7.org/CodeSystem/audit-event-type", code="rest")
_AUTHOR = Coding(
    system="http://terminology.hl7.org/CodeSystem/provenance-participant-type", code="author"
)
_BEGINNINGS = frozenset(
    {
        "arranged",
        "begun",
        "created",
        "drafted",
        "founded",
        "opened",
        "placed",
        "raised",
        "recorded",
        "reported",
    }
)
"""How a happening's name ends that made a record."""


class Recorded(NamedTuple):
    """Who wrote a record down, and when: what Provenance tells of any of three sorts."""

    noun: str
    id: UUID
    case_id: UUID
    restricted: bool
    recorded_by_id: UUID | None
    created_at: datetime


class ProvenanceAgent(Element):
    """Who wrote a record down."""

    type: CodeableConcept
    who: Reference


class Provenance(Resource):
    """Who wrote a case, an incident or a promise down, and when. Its id is that record's."""

    resource_type: Literal["Provenance"] = "Provenance"
    target: list[Reference]
    recorded: Instant
    agent: list[ProvenanceAgent]


class AuditEventAgent(Element):
    """Who did something; a person's `role` is that of today."""

    role: list[CodeableConcept] | None = None
    who: Reference
    name: str | None = None
    requestor: bool


class AuditEventSource(Element):
    """Where it was written down: in this clinic's journal."""

    observer: Reference


class AuditEventEntity(Element):
    """A record that was shown or written."""

    what: Reference


class AuditEvent(Resource):
    """Something happened, or somebody was shown records; `outcomeDesc` is why one was refused."""

    resource_type: Literal["AuditEvent"] = "AuditEvent"
    type: Coding
    subtype: list[Coding]
    action: Literal["C", "R", "U", "E"]
    recorded: Instant
    outcome: Literal["0", "4"]
    outcome_desc: str | None = None
    purpose_of_event: list[CodeableConcept] | None = None
    agent: list[AuditEventAgent]
    source: AuditEventSource
    entity: list[AuditEventEntity] | None = None


def show_provenance(record: Recorded) -> Provenance:
    """Show who recorded something."""
    who = recorder(record.recorded_by_id) or _ourselves("server")
    return Provenance(
        id=str(record.id),
        meta=Meta(version_id="1", last_updated=record.created_at),
        target=[record_of(record.noun, record.id)],
        recorded=record.created_at,
        agent=[ProvenanceAgent(type=CodeableConcept(coding=[_AUTHOR]), who=who)],
    )


def show_entry(entry: journal.JournalEntry, name: str | None, role: Role | None) -> AuditEvent:
    """Show an entry of the journal, with the name of the person or software behind it."""
    journal = Identifier(system=f"{OURS}journal", value=str(entry.clinic_id))
    is_refusal = entry.happening == "request.refused"
    purpose = None if entry.purpose is None or is_refusal else [_purpose(entry.purpose)]
    actor = recorder(entry.actor_id)
    itself = "operator" if entry.happening in _OF_THE_OPERATOR else "time"
    return AuditEvent(
        id=str(entry.id),
        meta=Meta(version_id="1", last_updated=entry.at),
        type=_REST,
        subtype=[Coding(system=HAPPENING, code=entry.happening)],
        action=action_of(entry.happening, is_read=entry.is_read),
        recorded=entry.at,
        outcome="4" if is_refusal else "0",
        outcome_desc=entry.purpose if is_refusal else None,
        purpose_of_event=purpose,
        agent=[
            AuditEventAgent(
                role=None if role is None else [coded(role)],
                who=actor or _ourselves(itself),
                name=name,
                requestor=actor is not None,
            )
        ],
        source=AuditEventSource(observer=Reference(type="Device", identifier=journal)),
        entity=list(_entities(entry)) or None,
    )


_OF_THE_OPERATOR = frozenset(
    {"case.purged", "clinic.founded", "clinic.keys_rotated", "records.exported"}
)
"""What nobody signed in does, on the command line; the rest that nobody does is time's."""


def action_of(happening: str, *, is_read: bool) -> Literal["C", "R", "U", "E"]:
    """Say in one letter what somebody did to a record; `E`: something else was carried out."""
    noun, _, verb = happening.partition(".")
    if is_read or verb == "exported":
        return "R"
    if noun in {"session", "request"}:
        return "E"
    return "C" if verb in _BEGINNINGS else "U"


def _entities(entry: journal.JournalEntry) -> Iterator[AuditEventEntity]:
    record_type = entry.record_type or "record"
    if entry.happening == "case.exported":
        # early entries name all that was given, of whatever type, as if it were cases
        record_type = "record"
    named = {(record_type, record_id) for record_id in entry.record_ids}
    if entry.case_id is not None:
        named.add(("case", str(entry.case_id)))
    for record_type, record_id in sorted(named):
        # a refusal names what was asked for by the action, as in `case:read`
        noun = record_type.partition(":")[0]
        yield AuditEventEntity(what=record_of(noun, record_id))


def _purpose(purpose: str) -> CodeableConcept:
    return CodeableConcept(coding=[Coding(system=PURPOSE, code=purpose)])


def _ourselves(part: str) -> Reference:
    """Refer to what acts and is nobody who signed in: the server, its operator, or time."""
    return Reference(type="Device", identifier=Identifier(system=f"{OURS}part", value=part))
