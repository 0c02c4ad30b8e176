"""Clinical records: cases, incidents, promises, consultations, notes, and what becomes of them."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from api.domain.vocabulary import (
    AdviceResponse,
    CaseStatus,
    Classification,
    ClientImpact,
    ConsultationKind,
    ConsultationOutcome,
    ConsultationStatus,
    ConsultationUrgency,
    DatePrecision,
    Determination,
    IncidentStatus,
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
)
from api.storage.models.columns import (
    JSON_OR_NULL,
    KeepsVersions,
    Named,
    Record,
    SealedText,
    Voidable,
    by_triage,
    json_column,
    points_at,
    sealed_text,
    short_text,
    what_is_restricted,
    word,
)


class Case(KeepsVersions, Voidable, table=True):
    """A client's therapy with one clinician. `recheck_at`: when time alone may move its flags.

    `text_key` wraps the key of all its sealed words: once it is gone, so are they. By the hash a
    reference is found unread. By `triage_level` (1: the gravest) and `triage_due_at` it stands in
    the queue; by the unrestricted ones for who sees no more. `door_used`: something came by it.
    """

    __tablename__ = "cases"
    noun: ClassVar[str] = "case"
    __table_args__ = (
        points_at("clinician_id", "users"),
        Index(None, "clinic_id", "clinician_id", "id"),
        Index(None, "clinic_id", "updated_at"),
        Index(
            "ix_cases_clinic_id_recheck_at",
            "clinic_id",
            "recheck_at",
            postgresql_where=sa.text("recheck_at IS NOT NULL"),
            sqlite_where=sa.text("recheck_at IS NOT NULL"),
        ),
        by_triage("cases", "triage"),
        by_triage("cases", "triage", "clinician_id"),
        by_triage("cases", "unrestricted_triage"),
        # an unknown start counts as one and the same day
        Index(
            "uq_cases_clinic_id_client_ref_hash_started_on",
            "clinic_id",
            "client_ref_hash",
            sa.text("coalesce(started_on, '0001-01-01')"),
            unique=True,
            postgresql_where=sa.text("voided_at IS NULL"),
            sqlite_where=sa.text("voided_at IS NULL"),
        ),
    )

    client_ref: str = Field(sa_type=SealedText(found_by="client_ref_hash"))
    client_ref_hash: str | None = Field(default=None, max_length=64)
    text_key: str | None = Field(default=None, max_length=200)
    clinician_id: UUID
    status: CaseStatus = word(CaseStatus)
    setting: Setting | None = word(Setting, default=None)
    started_on: date | None = None
    ended_on: date | None = None
    phase: Phase = word(Phase)
    attachment_roles: list[str] = json_column(list)
    sessions_per_week: float | None = None
    agreed_sessions: int | None = None
    is_minor: bool | None = None
    transfer_reason: str | None = sealed_text()
    recheck_at: datetime | None = None
    triage_level: int | None = None
    triage_due_at: datetime | None = None
    unrestricted_triage_level: int | None = None
    unrestricted_triage_due_at: datetime | None = None
    purged_at: datetime | None = None
    door_used: bool = False


class CaseTenure(Record, table=True):
    """Somebody had a case before its present clinician, from `since_on` until before `until_on`.

    `since_on` is None for whoever had it first; `clinician_id`, where nobody knows who it was.
    """

    __tablename__ = "case_tenures"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("clinician_id", "users"),
        Index(None, "clinic_id", "case_id", "until_on"),
    )

    case_id: UUID
    clinician_id: UUID | None = None
    since_on: date | None = None
    until_on: date


class Incident(KeepsVersions, Voidable, table=True):
    """One dated thing that touches the frame.

    `details` holds everything but the kind's one sealed text, which is in `sealed_detail`. While
    it is restricted, one from the account `account_id` exists for those alone who read that.
    """

    __tablename__ = "incidents"
    noun: ClassVar[str] = "incident"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("about_user_id", "users"),
        Index(None, "clinic_id", "case_id", "id"),
        Index(None, "clinic_id", "about_user_id", "case_id"),
        Index(None, "clinic_id", "updated_at"),
        what_is_restricted("incidents"),
    )

    case_id: UUID
    account_id: UUID | None = None
    kind: str = short_text(40)
    occurred_on: date
    date_precision: DatePrecision = word(DatePrecision)
    initiator: Initiator = word(Initiator)
    reported_by: ReportedBy = word(ReportedBy)
    classification: Classification = word(Classification)
    client_impact: ClientImpact = word(ClientImpact)
    rationale: str | None = sealed_text()
    narrative: str | None = sealed_text()
    discussed_with_client: bool | None = None
    repair: Repair = word(Repair)
    about_user_id: UUID | None = None
    restricted: bool = False
    details: dict[str, Any] = json_column(dict)
    sealed_detail: str | None = sealed_text()
    status: IncidentStatus = word(IncidentStatus, default=IncidentStatus.reported)
    determination: Determination | None = word(Determination, default=None)
    review_note: str | None = sealed_text()
    reviewed_by_id: UUID | None = None
    reviewed_at: datetime | None = None


_OPEN = "state = 'open' AND {0}voided_at IS NULL"
IS_OPEN = sa.text(f"promises.{_OPEN.format('promises.')}")
"""The promise stands, and is neither kept nor broken; spelled as the partial index is."""


class Promise(KeepsVersions, Voidable, table=True):
    """A promise made to a client, and what became of it.

    It is restricted where it was recorded of an account that is not shared: as an incident is.
    """

    __tablename__ = "promises"
    noun: ClassVar[str] = "promise"
    __table_args__ = (
        points_at("case_id", "cases"),
        Index(None, "clinic_id", "case_id", "id"),
        Index(None, "clinic_id", "updated_at"),
        what_is_restricted("promises"),
        Index(
            "ix_promises_open",
            "clinic_id",
            "case_id",
            postgresql_where=sa.text(_OPEN.format("")),
            sqlite_where=sa.text(_OPEN.format("")),
        ),
    )

    case_id: UUID
    account_id: UUID | None = None
    wording: str = Field(sa_type=SealedText)
    made_by: PromiseMadeBy = word(PromiseMadeBy)
    source: PromiseSource = word(PromiseSource)
    kind: PromiseKind = word(PromiseKind)
    scope: PromiseScope = word(PromiseScope)
    keepable: PromiseKeepable = word(PromiseKeepable)
    significance: Significance = word(Significance)
    made_on: date
    due_on: date | None = None
    open_ended: bool = False
    discussed_with_client: bool | None = None
    discussed_on: date | None = None
    state: PromiseState = word(PromiseState)
    client_impact: ClientImpact = word(ClientImpact)
    reported_by: ReportedBy = word(ReportedBy)
    restricted: bool = False


_WAITING = "status IN ('requested', 'accepted', 'in_progress')"
IS_WAITING = sa.text(f"consultations.{_WAITING}")
"""The request waits for whoever answers it; spelled as the partial index is."""


class Consultation(KeepsVersions, Record, table=True):
    """A request to another clinician for a view of the work."""

    __tablename__ = "consultations"
    noun: ClassVar[str] = "consultation"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("consultant_id", "users"),
        Index(None, "clinic_id", "case_id", "id"),
        Index(None, "clinic_id", "consultant_id"),
        Index(None, "clinic_id", "updated_at"),
        Index(
            "ix_consultations_waiting",
            "clinic_id",
            "case_id",
            postgresql_where=sa.text(_WAITING),
            sqlite_where=sa.text(_WAITING),
        ),
    )

    case_id: UUID
    kind: ConsultationKind = word(ConsultationKind)
    urgency: ConsultationUrgency = word(ConsultationUrgency)
    question: str = Field(sa_type=SealedText)
    summary: str | None = sealed_text()
    released: bool = False
    incident_ids: list[str] = json_column(list)
    promise_ids: list[str] = json_column(list)
    consultant_id: UUID | None = None
    status: ConsultationStatus = word(ConsultationStatus)
    requested_at: datetime | None = None
    due_at: datetime | None = None
    accepted_at: datetime | None = None
    completed_at: datetime | None = None
    reason: str | None = sealed_text()
    outcome: ConsultationOutcome | None = word(ConsultationOutcome, default=None)
    advice: str | None = sealed_text()
    response: AdviceResponse | None = word(AdviceResponse, default=None)
    response_reason: str | None = sealed_text()

    def named_records(self) -> list[Named]:
        """Give the records that it is about."""
        incidents = [("incident", UUID(row_id)) for row_id in self.incident_ids]
        return [*incidents, *(("promise", UUID(row_id)) for row_id in self.promise_ids)]


class Decline(Record, table=True):
    """One of those who were asked together does not answer; the others still may."""

    __tablename__ = "declines"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("consultation_id", "consultations"),
        points_at("user_id", "users"),
        sa.UniqueConstraint("clinic_id", "consultation_id", "user_id"),
    )

    case_id: UUID
    consultation_id: UUID
    user_id: UUID
    reason: str | None = sealed_text()


class Note(Voidable, table=True):
    """A clinician's note. Once signed, its row refuses every change, in the database too.

    `recorded_by_id` is its author; an amendment is a signed note of its own, of `amends_id`.
    Who cites a note cites its `content_hash`, salted so that no short text is guessed by it.
    """

    __tablename__ = "notes"
    noun: ClassVar[str] = "note"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("amends_id", "notes"),
        Index(None, "clinic_id", "case_id", "id"),
        Index(None, "clinic_id", "amends_id"),
        Index(None, "clinic_id", "recorded_by_id", "id"),
    )

    case_id: UUID
    note_class: NoteClass = word(NoteClass)
    body: str = Field(sa_type=SealedText)
    status: NoteStatus = word(NoteStatus, default=NoteStatus.draft)
    signed_at: datetime | None = None
    amends_id: UUID | None = None
    content_hash: str | None = Field(default=None, max_length=64)
    content_salt: str | None = sealed_text()

    @property
    def restricted(self) -> bool:
        """It is its author's alone, and so are the journal's entries about it as it is now."""
        return self.status == NoteStatus.draft or self.note_class == NoteClass.psychotherapy


class Cosignature(Record, table=True):
    """A supervisor, `recorded_by_id`, has read a signed note and stands by it."""

    __tablename__ = "cosignatures"
    __table_args__ = (
        points_at("note_id", "notes"),
        sa.UniqueConstraint("clinic_id", "note_id", "recorded_by_id"),
    )

    note_id: UUID


class RecordVersion(SQLModel, table=True):
    """What stood in a record from `written_at` until it was changed. Only ever appended.

    `fields` holds the plain columns, `texts` all that was sealed, as JSON, sealed with the key of
    the case and bound to this very row. Of a version from before versions were kept, both are None
    and `changed` names the fields that it changed, as the journal does.
    """

    __tablename__ = "record_versions"
    __table_args__ = (
        points_at("case_id", "cases"),
        sa.UniqueConstraint("clinic_id", "record_type", "record_id", "version"),
        Index(None, "clinic_id", "case_id", "record_type"),
    )

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    case_id: UUID
    record_type: str = short_text(40)
    record_id: UUID
    version: int
    written_at: datetime
    written_by_id: UUID | None = None
    fields: dict[str, Any] | None = Field(default=None, sa_type=JSON_OR_NULL)
    texts: str | None = sealed_text()
    changed: list[str] | None = Field(default=None, sa_type=JSON_OR_NULL)


class LegalHold(Record, table=True):
    """While it lasts, nothing of a case is destroyed, however long ago the case ended."""

    __tablename__ = "legal_holds"
    noun: ClassVar[str] = "legal_hold"
    __table_args__ = (points_at("case_id", "cases"), Index(None, "clinic_id", "case_id", "id"))

    case_id: UUID
    reason: str = Field(sa_type=SealedText)
    released_at: datetime | None = None
    released_by_id: UUID | None = None
