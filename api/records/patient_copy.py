"""The copy of a case that is given to a client: what it holds, from an allowed list of fields.

For a client's right of access (45 CFR 164.524). It holds nothing that is restricted, no flags and
no reviews, which are about how clinicians work, and no psychotherapy or supervision notes
(45 CFR 164.501). Nothing is taken away from a fuller view: what is not named here is never there.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal, TypeVar
from uuid import UUID

from sqlmodel import col, select

from api.domain.details import Details, put_together
from api.domain.values import Output
from api.domain.vocabulary import (
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
from api.storage.models.clinical import (
    Case,
    Consultation,
    Disclosure,
    Incident,
    Note,
    Promise,
    RecordVersion,
)
from api.storage.models.people import Clinic, ServiceAccount, User
from api.storage.record_versions import TYPES, as_it_stood
from api.storage.transaction import Transaction

S = TypeVar("S", bound=Output)
B = TypeVar("B", bound=Output)


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


class CaseSaid(Output):
    """What a copy says of a case."""

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


class CaseBefore(CaseSaid):
    """The case as it stood until it was corrected, at `corrected_at`."""

    corrected_at: datetime


class CaseCopied(CaseSaid):
    """The case itself."""

    earlier: list[CaseBefore]


class IncidentSaid(Output):
    """What a copy says of an incident."""

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


class IncidentBefore(IncidentSaid):
    """An incident as it stood until it was corrected, at `corrected_at`."""

    corrected_at: datetime


class IncidentCopied(IncidentSaid):
    """Something that touched the frame."""

    earlier: list[IncidentBefore]


class PromiseSaid(Output):
    """What a copy says of a promise."""

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


class PromiseBefore(PromiseSaid):
    """A promise as it stood until it was corrected, at `corrected_at`."""

    corrected_at: datetime


class PromiseCopied(PromiseSaid):
    """A promise, and what became of it."""

    earlier: list[PromiseBefore]


class ConsultationSaid(Output):
    """What a copy says of a consultation."""

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


class ConsultationBefore(ConsultationSaid):
    """A consultation as it stood until it was corrected, at `corrected_at`."""

    corrected_at: datetime


class ConsultationCopied(ConsultationSaid):
    """A question to another clinician, and the answer."""

    earlier: list[ConsultationBefore]


class AmendmentCopied(Output):
    """What was added to a signed note later."""

    id: UUID
    signed_at: datetime
    author: NamedPerson | None
    body: str | None


class NoteCopied(AmendmentCopied):
    """A signed progress note, with its amendments."""

    amendments: list[AmendmentCopied]


_Record = Literal["note", "incident", "promise", "consultation", "case"]


class Correction(Output):
    """A record was amended, changed, or voided as entered in error.

    `why` is known of what was voided. What stood before a change is in the record's `earlier`.
    """

    kind: Literal["amended", "changed", "voided"]
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

    def without(self, hidden: Collection[UUID]) -> "CaseCopy":
        """Leave out some incidents, and that they were corrected."""
        incidents = [each for each in self.incidents if each.id not in hidden]
        corrections = [each for each in self.corrections if each.id not in hidden]
        return self.model_copy(update={"incidents": incidents, "corrections": corrections})


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
    before = await _before(tx, case)
    people = await _people(tx, case, incidents, promises, consultations, notes, given, *before)
    clinic = (await tx.exec(select(col(Clinic.name)).where(Clinic.id == tx.clinic.id))).one()
    history = History(before, people)
    copy = CaseCopy(
        clinic=clinic,
        exported_at=tx.now,
        case=history.case(case),
        incidents=[history.incident(row) for row in _standing(incidents, "occurred_on")],
        promises=[history.promise(row) for row in _standing(promises, "made_on")],
        consultations=[history.consultation(row) for row in consultations],
        notes=_notes(notes, people),
        corrections=[],
        disclosures=[_disclosure(row, people) for row in given],
    )
    corrections = [*_changed(copy), *_corrections(incidents, promises, notes)]
    corrections.sort(key=lambda each: (each.at, each.id))
    return copy.model_copy(update={"corrections": corrections})


async def _of_case(tx: Transaction, model: Any, case_id: UUID, *wanted: Any) -> list[Any]:
    """Give the records of a case, the oldest first."""
    statement = select(model).where(model.case_id == case_id, *wanted).order_by(model.id)
    return list(await tx.exec(statement))


People = dict[UUID | None, NamedPerson]


async def _people(tx: Transaction, case: Case, *records: list[Any]) -> People:
    """Give everybody who is named in these records, by id."""
    rows = [case, *(row for several in records for row in several)]
    names = ("recorded_by_id", "about_user_id", "consultant_id", "clinician_id")
    ids = {getattr(row, name, None) for row in rows for name in names}
    people: People = {}
    for model in (User, ServiceAccount):
        statement = select(col(model.id), col(model.name)).where(col(model.id).in_(ids - {None}))
        for row_id, name in await tx.exec(statement):
            people[row_id] = NamedPerson(id=row_id, name=name)
    return people


async def _before(tx: Transaction, case: Case) -> list[list[Any]]:
    """Give the earlier versions of a case's records, each record's together, the oldest first.

    What was restricted then, or a draft, would not have been given, and is left out.
    """
    statement = (
        select(RecordVersion)
        .where(RecordVersion.case_id == case.id)
        .order_by(col(RecordVersion.record_id), col(RecordVersion.version))
    )
    before: dict[UUID, list[Any]] = {}
    for kept in await tx.exec(statement):
        stood = as_it_stood(_MODELS[kept.record_type], kept, case.created_at)
        if stood is not None and _was_told(stood):
            before.setdefault(kept.record_id, []).append(stood)
    return list(before.values())


_MODELS = {name: model for model, name in TYPES.items()}


def _was_told(stood: Any) -> bool:
    is_draft = isinstance(stood, Consultation) and stood.status == ConsultationStatus.draft
    return not (is_draft or getattr(stood, "restricted", False))


_PROGRESS = frozenset({"status", "requested_at", "completed_at", "consultant"})
"""How far a consultation has come: that it goes on corrects nothing."""


class History:
    """Shows records, each with what stood in it before it was corrected."""

    def __init__(self, before: Iterable[list[Any]], people: People) -> None:
        self._before = {rows[0].id: rows for rows in before}
        self._people = people

    def case(self, row: Case) -> CaseCopied:
        """Show the case."""
        earlier = self._earlier(row, CaseSaid, CaseBefore)
        return CaseCopied.model_validate({**self._said(row), "earlier": earlier})

    def incident(self, row: Incident) -> IncidentCopied:
        """Show an incident."""
        earlier = self._earlier(row, IncidentSaid, IncidentBefore)
        return IncidentCopied.model_validate({**self._said(row), "earlier": earlier})

    def promise(self, row: Promise) -> PromiseCopied:
        """Show a promise."""
        earlier = self._earlier(row, PromiseSaid, PromiseBefore)
        return PromiseCopied.model_validate({**self._said(row), "earlier": earlier})

    def consultation(self, row: Consultation) -> ConsultationCopied:
        """Show a consultation."""
        earlier = self._earlier(row, ConsultationSaid, ConsultationBefore, _PROGRESS)
        return ConsultationCopied.model_validate({**self._said(row), "earlier": earlier})

    def _said(self, row: Any) -> dict[str, Any]:
        """Give the fields of a row, with people by name."""
        named: dict[str, Any] = {
            name: self._people.get(getattr(row, column, None)) for name, column in _NAMED.items()
        }
        if isinstance(row, Incident):
            named["details"] = put_together(row.details, row.sealed_detail)
        return {**row.__dict__, **named}

    def _earlier(
        self, row: Any, said: type[S], before: type[B], progress: Collection[str] = ()
    ) -> list[B]:
        """Give what stood there, wherever something that was known was changed."""
        rows = [*self._before.get(row.id, ()), row]
        told = [
            said.model_validate({**self._said(each), "created_at": row.created_at}) for each in rows
        ]
        return [
            before.model_validate({**dict(old), "corrected_at": after.updated_at})
            for old, new, after in zip(told, told[1:], rows[1:], strict=False)
            if _corrects(old, new, {"updated_at", *progress})
        ]


_NAMED = {
    "clinician": "clinician_id",
    "recorded_by": "recorded_by_id",
    "asked_by": "recorded_by_id",
    "about": "about_user_id",
    "consultant": "consultant_id",
}
"""Who is named in a copy, by the column that has their id."""


def _corrects(old: Output, new: Output, ignored: Collection[str]) -> bool:
    """Tell whether something known was changed; what was only added corrects nothing."""
    return any(
        value not in (None, []) and value != getattr(new, name)
        for name, value in dict(old).items()
        if name not in ignored
    )


def _standing(rows: Iterable[Any], day: str) -> list[Any]:
    """Leave out what was voided; the rest in the order in which it happened."""
    stand = [row for row in rows if row.voided_at is None]
    return sorted(stand, key=lambda row: (getattr(row, day), row.id))


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


def _changed(copy: CaseCopy) -> Iterator[Correction]:
    """Tell what was changed; what stood before is with the record itself."""
    shown: list[tuple[_Record, Any]] = [("case", copy.case)]
    shown += [("incident", each) for each in copy.incidents]
    shown += [("promise", each) for each in copy.promises]
    shown += [("consultation", each) for each in copy.consultations]
    for record, row in shown:
        for each in row.earlier:
            yield Correction(
                kind="changed", record=record, id=row.id, at=each.corrected_at, why=None
            )


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
    return [*voided, *amended]


def _disclosure(row: Disclosure, people: People) -> DisclosureCopied:
    return DisclosureCopied.model_validate(
        {**row.__dict__, "at": row.created_at, "given_by": people.get(row.recorded_by_id)}
    )
