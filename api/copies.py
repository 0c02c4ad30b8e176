"""The copy of a case that is given to a client: what it holds, from an allowed list of fields.

For a client's right of access (45 CFR 164.524). It holds nothing that is restricted, no flags and
no reviews, which are about how clinicians work, and no psychotherapy or supervision notes
(45 CFR 164.501). Nothing is taken away from a fuller view: what is not named here is never there.
"""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from sqlmodel import col, select

from api.db import Transaction
from api.domain.details import Details, put_together
from api.domain.values import Output
from api.models import (
    Case,
    Clinic,
    Consultation,
    Disclosure,
    Incident,
    Note,
    Promise,
    ServiceAccount,
    User,
)
from api.vocabulary import (
    AdviceResponse,
    AttachmentRole,
    CaseStatus,
    Classification,
    ClientImpact,
    ConsultationKind,
    ConsultationOutcome,
    ConsultationStatus,
    ConsultationUrgency,
    DatePrecision,
    Initiator,
    NoteClass,
    NoteStatus,
    Phase,
    PromiseKeepable,
    PromiseKind,
    PromiseMadeBy,
    PromiseScope,
    PromiseSource,
    PromiseState,
    Repair,
    ReportedBy,
    Setting,
    Significance,
    VoidReason,
)


class Form(StrEnum):
    """How a copy is written."""

    json = "json"
    html = "html"


class Recipient(StrEnum):
    """To whom a copy is given."""

    client = "client"
    representative = "representative"


class Purpose(StrEnum):
    """What a copy is given for."""

    access_request = "access_request"
    continuity_of_care = "continuity_of_care"
    other = "other"


class NamedPerson(Output):
    """Somebody of the clinic, or its software."""

    id: UUID
    name: str


class CaseCopied(Output):
    """The case itself."""

    id: UUID
    client_ref: str | None
    clinician: NamedPerson | None
    status: CaseStatus
    setting: Setting | None
    started_on: date | None
    ended_on: date | None
    phase: Phase
    attachment_roles: list[AttachmentRole]
    sessions_per_week: float | None
    agreed_sessions: int | None
    is_minor: bool | None
    created_at: datetime
    updated_at: datetime
    voided_at: datetime | None
    void_reason: VoidReason | None
    purged_at: datetime | None


class IncidentCopied(Output):
    """Something that touched the frame."""

    id: UUID
    occurred_on: date
    date_precision: DatePrecision
    initiator: Initiator
    reported_by: ReportedBy
    about: NamedPerson | None
    classification: Classification
    client_impact: ClientImpact
    narrative: str | None
    rationale: str | None
    discussed_with_client: bool | None
    repair: Repair
    details: Details
    recorded_by: NamedPerson | None
    created_at: datetime
    updated_at: datetime


class PromiseCopied(Output):
    """A promise, and what became of it."""

    id: UUID
    wording: str | None
    made_by: PromiseMadeBy
    source: PromiseSource
    kind: PromiseKind
    scope: PromiseScope
    keepable: PromiseKeepable
    significance: Significance
    made_on: date
    due_on: date | None
    open_ended: bool
    discussed_with_client: bool | None
    discussed_on: date | None
    state: PromiseState
    client_impact: ClientImpact
    reported_by: ReportedBy
    recorded_by: NamedPerson | None
    created_at: datetime
    updated_at: datetime


class ConsultationCopied(Output):
    """A question to another clinician, and the answer."""

    id: UUID
    kind: ConsultationKind
    urgency: ConsultationUrgency
    status: ConsultationStatus
    requested_at: datetime | None
    completed_at: datetime | None
    asked_by: NamedPerson | None
    consultant: NamedPerson | None
    question: str | None
    summary: str | None
    outcome: ConsultationOutcome | None
    advice: str | None
    response: AdviceResponse | None


class AmendmentCopied(Output):
    """What was added to a signed note later."""

    id: UUID
    signed_at: datetime
    author: NamedPerson | None
    body: str | None


class NoteCopied(AmendmentCopied):
    """A signed progress note, with its amendments."""

    amendments: list[AmendmentCopied]


_Record = Literal["note", "incident", "promise"]


class Correction(Output):
    """A record was amended, or voided as entered in error; `why` is known of what was voided."""

    kind: Literal["amended", "voided"]
    record: _Record
    id: UUID
    at: datetime
    why: VoidReason | None


class DisclosureCopied(Output):
    """A copy of this record was given to somebody."""

    id: UUID
    at: datetime
    recipient: Recipient
    purpose: Purpose
    form: Form
    given_by: NamedPerson | None


class CaseCopy(Output):
    """All that a client is given of their record. `disclosures` names this copy, too."""

    clinic: str
    exported_at: datetime
    case: CaseCopied
    incidents: list[IncidentCopied]
    promises: list[PromiseCopied]
    consultations: list[ConsultationCopied]
    notes: list[NoteCopied]
    corrections: list[Correction]
    disclosures: list[DisclosureCopied]

    def record_ids(self) -> dict[str, list[UUID]]:
        """Give the ids of all records that are shown, by the type of record."""
        amendments = [amendment for note in self.notes for amendment in note.amendments]
        shown: dict[str, list[Any]] = {
            "case": [self.case],
            "incident": [*self.incidents],
            "promise": [*self.promises],
            "consultation": [*self.consultations],
            "note": [*self.notes, *amendments],
            "disclosure": [*self.disclosures],
        }
        for correction in self.corrections:
            if correction.kind == "voided":
                shown[correction.record].append(correction)
        return {record_type: [each.id for each in rows] for record_type, rows in shown.items()}


async def copy_of(tx: Transaction, case: Case) -> CaseCopy:
    """Gather what a client is given of a case, as it is at this moment."""
    incidents = await _of_case(tx, Incident, case.id, col(Incident.restricted).is_(False))
    promises = await _of_case(tx, Promise, case.id)
    # what was never asked of anybody is a draft
    asked = col(Consultation.status) != ConsultationStatus.draft
    consultations = await _of_case(tx, Consultation, case.id, asked)
    progress = (
        col(Note.note_class) == NoteClass.progress,
        col(Note.status) == NoteStatus.signed,
    )
    notes = await _of_case(tx, Note, case.id, *progress)
    given = await _of_case(tx, Disclosure, case.id)
    people = await _people(tx, case, incidents, promises, consultations, notes, given)
    clinic = (await tx.exec(select(col(Clinic.name)).where(Clinic.id == tx.clinic.id))).one()
    return CaseCopy(
        clinic=clinic,
        exported_at=tx.now,
        case=CaseCopied.model_validate(
            {**case.__dict__, "clinician": people.get(case.clinician_id)}
        ),
        incidents=[_incident(row, people) for row in _standing(incidents, "occurred_on")],
        promises=[
            PromiseCopied.model_validate({**row.__dict__, **_recorded_by(row, people)})
            for row in _standing(promises, "made_on")
        ],
        consultations=[_consultation(row, people) for row in consultations],
        notes=_notes(notes, people),
        corrections=_corrections(incidents, promises, notes),
        disclosures=[_disclosure(row, people) for row in given],
    )


async def _of_case(tx: Transaction, model: Any, case_id: UUID, *wanted: Any) -> list[Any]:
    """Give the records of a case, the oldest first."""
    statement = select(model).where(model.case_id == case_id, *wanted).order_by(model.id)
    return list(await tx.exec(statement))


People = dict[UUID | None, NamedPerson]


async def _people(tx: Transaction, case: Case, *records: list[Any]) -> People:
    """Give everybody who is named in these records, by id."""
    rows = [row for several in records for row in several]
    names = ("recorded_by_id", "about_user_id", "consultant_id")
    ids = {getattr(row, name, None) for row in rows for name in names} | {case.clinician_id}
    people: People = {}
    for model in (User, ServiceAccount):
        statement = select(col(model.id), col(model.name)).where(col(model.id).in_(ids - {None}))
        for row_id, name in await tx.exec(statement):
            people[row_id] = NamedPerson(id=row_id, name=name)
    return people


def _recorded_by(row: Any, people: People) -> dict[str, NamedPerson | None]:
    return {"recorded_by": people.get(row.recorded_by_id)}


def _standing(rows: Iterable[Any], day: str) -> list[Any]:
    """Leave out what was voided; the rest in the order in which it happened."""
    stand = [row for row in rows if row.voided_at is None]
    return sorted(stand, key=lambda row: (getattr(row, day), row.id))


def _incident(row: Incident, people: People) -> IncidentCopied:
    return IncidentCopied.model_validate(
        {
            **row.__dict__,
            **_recorded_by(row, people),
            "about": people.get(row.about_user_id),
            "details": put_together(row.details, row.sealed_detail),
        }
    )


def _consultation(row: Consultation, people: People) -> ConsultationCopied:
    asked_by, consultant = people.get(row.recorded_by_id), people.get(row.consultant_id)
    return ConsultationCopied.model_validate(
        {**row.__dict__, "asked_by": asked_by, "consultant": consultant}
    )


def _notes(rows: list[Note], people: People) -> list[NoteCopied]:
    """Show signed notes, each with what was added to it later."""
    shown: dict[UUID, NoteCopied] = {}
    for row in _standing(rows, "signed_at"):
        author = people.get(row.recorded_by_id)
        fields = {"id": row.id, "signed_at": row.signed_at, "author": author, "body": row.body}
        if row.amends_id is None:
            shown[row.id] = NoteCopied(**fields, amendments=[])
        elif row.amends_id in shown:
            shown[row.amends_id].amendments.append(AmendmentCopied(**fields))
    return list(shown.values())


def _corrections(
    incidents: list[Incident], promises: list[Promise], notes: list[Note]
) -> list[Correction]:
    """Tell what was amended or voided, and never what it said."""
    rows: list[tuple[_Record, Any]] = [("incident", row) for row in incidents]
    rows += [("promise", row) for row in promises]
    rows += [("note", row) for row in notes]
    voided = [
        Correction(kind="voided", record=record, id=row.id, at=row.voided_at, why=row.void_reason)
        for record, row in rows
        if row.voided_at is not None
    ]
    known = {row.id for row in notes}
    amended = [
        Correction(kind="amended", record="note", id=row.amends_id, at=row.signed_at, why=None)
        for row in notes
        if row.amends_id in known and row.signed_at is not None and row.voided_at is None
    ]
    return sorted([*voided, *amended], key=lambda each: (each.at, each.id))


def _disclosure(row: Disclosure, people: People) -> DisclosureCopied:
    return DisclosureCopied.model_validate(
        {**row.__dict__, "at": row.created_at, "given_by": people.get(row.recorded_by_id)}
    )
