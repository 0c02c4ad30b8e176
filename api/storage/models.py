"""Every table, on one page.

Each key begins with `clinic_id`, so that no row can point into another clinic and every table can
be spread over machines by clinic. Without `relationship()`, SQLAlchemy does not order inserts of
different tables by their foreign keys: flush the parent before its children.
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Dialect, ForeignKeyConstraint, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from api.domain.vocabulary import (
    UNRESOLVED,
    AdviceResponse,
    Audience,
    CaseStatus,
    Classification,
    ClientImpact,
    ConsultationKind,
    ConsultationOutcome,
    ConsultationStatus,
    ConsultationUrgency,
    DatePrecision,
    Determination,
    FlagStatus,
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
    Role,
    Setting,
    Severity,
    Significance,
    VoidReason,
)
from api.security.crypto import SealedText
from api.storage.instants import TICK

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

E = TypeVar("E", bound=Enum)


class Spelled(TypeDecorator[E]):
    """A word of the vocabulary, stored as it is spelled (never as a native enum type)."""

    impl = sa.String(40)
    cache_ok = True

    def __init__(self, words: type[E]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Give the spelling."""
        return None if value is None else str(self.words(value))

    def process_result_value(self, value: Any | None, dialect: Dialect) -> E | None:  # noqa: ARG002
        """Give the word."""
        return None if value is None else self.words(value)


JSON = sa.JSON().with_variant(JSONB(), "postgresql")
JSON_OR_NULL = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _word(words: type[Enum], **options: Any) -> Any:
    return Field(sa_type=Spelled(words), **options)


def _sealed() -> Any:
    return Field(default=None, sa_type=SealedText)


def _json(factory: type[list[Any]] | type[dict[str, Any]]) -> Any:
    return Field(default_factory=factory, sa_type=JSON)


def _text(length: int) -> Any:
    return Field(sa_type=sa.String(length))


class Versioned(SQLModel):
    """A row that counts its changes."""

    created_at: datetime
    updated_at: datetime
    version: int = 1

    def change(self, changes: Mapping[str, Any], now: datetime) -> None:
        """Change fields, and count one version up; a later version is never the older one."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.updated_at = now if now >= self.updated_at else self.updated_at + TICK
        self.version += 1


class Clinic(Versioned, table=True):
    """A clinic: its name, its time zone, and what it has set for itself.

    `retention_years`: how long a case's text is kept after the case ended; None: for ever.
    `rule_modes` names the rules that are not active. `watched_events`: what its webhooks ask for,
    taken together, so that a write need not look at each.
    """

    __tablename__ = "clinics"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str = _text(200)
    time_zone: str = Field(default="UTC", max_length=64)
    thresholds: dict[str, int] = _json(dict)
    requires_totp: bool = False
    retention_years: int | None = None
    rule_modes: dict[str, str] = _json(dict)
    watched_events: list[str] = _json(list)


class Record(Versioned):
    """What every row of a clinic has."""

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    recorded_by_id: UUID | None = None


def _in_clinic() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["clinic_id"], ["clinics.id"])


def _points_at(column: str, table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["clinic_id", column], [f"{table}.clinic_id", f"{table}.id"])


class KeyPurpose(StrEnum):
    """What a key of a clinic is for."""

    text = "text"
    """Wraps the keys of its cases, and seals what belongs to no case."""
    lookup = "lookup"
    """Finds a client's reference without reading it."""
    seal = "seal"
    """Signs the heads of its sealed journal."""


class ClinicKey(Record, table=True):
    """A key of a clinic, wrapped by the key-encryption key that `wrapped_by` is the name of.

    The one with the highest `number` is in use; of `text` there may be several, each needed for as
    long as it wraps the key of a case.
    """

    __tablename__ = "clinic_keys"
    __table_args__ = (_in_clinic(), sa.UniqueConstraint("clinic_id", "purpose", "number"))

    purpose: KeyPurpose = _word(KeyPurpose)
    number: int = 1
    wrapped: str = _text(200)
    wrapped_by: str = _text(16)


class User(Record, table=True):
    """A person of a clinic. `email` is kept in lower case."""

    __tablename__ = "users"
    __table_args__ = (
        _in_clinic(),
        sa.UniqueConstraint("clinic_id", "email"),
        Index(None, "email"),
    )

    name: str = _text(200)
    email: str = _text(254)
    role: Role = _word(Role)
    is_active: bool = True
    password_hash: str = _text(200)
    totp_secret: str | None = _sealed()
    totp_confirmed_at: datetime | None = None
    totp_last_step: int | None = None


class SignIn(Record, table=True):
    """A session: what an access token stands for, read on each request.

    It is a user's or a service account's. It ends at `expires_at` whatever happens, and before
    that at `idle_at` where nobody refreshes it. `refresh_hash` is of the one refresh token that
    may be used, `former_refresh_hash` of the one it replaced; `network` is where the session
    began, as a keyed hash; `device_hash` is of the token by which its device is known again.
    `scopes` are those that software asked for; None, where it asked for all that it has.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        _points_at("user_id", "users"),
        _points_at("account_id", "service_accounts"),
        Index(None, "clinic_id", "user_id"),
        Index(None, "clinic_id", "account_id"),
    )

    user_id: UUID | None = None
    account_id: UUID | None = None
    authenticated_at: datetime
    expires_at: datetime
    idle_at: datetime
    refresh_hash: str | None = Field(default=None, max_length=64)
    former_refresh_hash: str | None = Field(default=None, max_length=64)
    refreshed_at: datetime | None = None
    network: str | None = Field(default=None, max_length=64)
    device_hash: str | None = Field(default=None, max_length=64)
    scopes: list[str] | None = Field(default=None, sa_type=JSON_OR_NULL)
    revoked_at: datetime | None = None


class CodePurpose(StrEnum):
    """What a one-time code opens."""

    recovery = "recovery"
    """The door, in place of a second factor that was lost."""
    reset = "reset"
    """A new password."""


class OneTimeCode(Record, table=True):
    """A code that opens the door once: to recover from a lost device, or to set a new password."""

    __tablename__ = "one_time_codes"
    __table_args__ = (_points_at("user_id", "users"), Index(None, "clinic_id", "user_id"))

    user_id: UUID
    purpose: str = _text(20)
    code_hash: str = _text(64)
    expires_at: datetime | None = None
    used_at: datetime | None = None


class ServiceAccount(Record, table=True):
    """Clinic software that signs in by itself, and may do what its scopes say."""

    __tablename__ = "service_accounts"
    __table_args__ = (_in_clinic(),)

    name: str = _text(200)
    scopes: list[str] = _json(list)
    is_active: bool = True
    last_used_at: datetime | None = None


class ServiceSecret(Record, table=True):
    """A secret of a service account; two may overlap while one replaces the other."""

    __tablename__ = "service_secrets"
    __table_args__ = (
        _points_at("account_id", "service_accounts"),
        Index(None, "clinic_id", "account_id"),
    )

    account_id: UUID
    secret_hash: str = _text(64)
    expires_at: datetime
    last_used_at: datetime | None = None


class Supervision(Record, table=True):
    """A supervisor answers for a clinician's work from `starts_on` to the day before `ends_on`."""

    __tablename__ = "supervisions"
    __table_args__ = (
        _points_at("supervisor_id", "users"),
        _points_at("clinician_id", "users"),
        Index(None, "clinic_id", "supervisor_id", "clinician_id"),
        Index(None, "clinic_id", "clinician_id"),
    )

    supervisor_id: UUID
    clinician_id: UUID
    starts_on: date
    ends_on: date | None = None


class Voidable(Record):
    """A record that is voided, never deleted."""

    voided_at: datetime | None = None
    void_reason: VoidReason | None = _word(VoidReason, default=None)


class Recorded(SQLModel):
    """A record of which every version is kept: `RecordVersion` has the earlier ones.

    `written_by_id` is who wrote the present version; None for the first, which who recorded it
    wrote, for what was brought about by nobody, and where it is not known any more.
    """

    written_by_id: UUID | None = None


class Case(Recorded, Voidable, table=True):
    """A client's therapy with one clinician. `recheck_at`: when time alone may move its flags.

    `text_key` is the wrapped key of all that is sealed on this case: once it is gone, so is every
    word of it. `client_ref_hash` finds a reference without reading it.
    """

    __tablename__ = "cases"
    __table_args__ = (
        _points_at("clinician_id", "users"),
        Index(None, "clinic_id", "clinician_id", "id"),
        Index(None, "clinic_id", "updated_at"),
        Index(
            "ix_cases_clinic_id_recheck_at",
            "clinic_id",
            "recheck_at",
            postgresql_where=sa.text("recheck_at IS NOT NULL"),
            sqlite_where=sa.text("recheck_at IS NOT NULL"),
        ),
        # a case whose start is not known counts as starting on one and the same unknown day
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
    status: CaseStatus = _word(CaseStatus)
    setting: Setting | None = _word(Setting, default=None)
    started_on: date | None = None
    ended_on: date | None = None
    phase: Phase = _word(Phase)
    attachment_roles: list[str] = _json(list)
    sessions_per_week: float | None = None
    agreed_sessions: int | None = None
    is_minor: bool | None = None
    transfer_reason: str | None = _sealed()
    recheck_at: datetime | None = None
    purged_at: datetime | None = None


class CaseTenure(Record, table=True):
    """Somebody had a case before its present clinician, from `since_on` until before `until_on`.

    `since_on` is None for whoever had it first. The tenures of a case follow one another without
    a gap; `clinician_id` is None where nobody knows any more who it was.
    """

    __tablename__ = "case_tenures"
    __table_args__ = (
        _points_at("case_id", "cases"),
        _points_at("clinician_id", "users"),
        Index(None, "clinic_id", "case_id", "until_on"),
    )

    case_id: UUID
    clinician_id: UUID | None = None
    since_on: date | None = None
    until_on: date


class GrantKind(StrEnum):
    """Why somebody sees one case, or does not, beside role and supervision."""

    cover = "cover"
    """A colleague stands in for the case's clinician."""
    recusal = "recusal"
    """Somebody keeps away from the case."""
    break_glass = "break_glass"
    """A supervisor opened the case in an emergency."""


class AccessGrant(Record, table=True):
    """A dated exception for one person on one case, from `starts_at` until before `ends_at`."""

    __tablename__ = "access_grants"
    __table_args__ = (
        _points_at("case_id", "cases"),
        _points_at("user_id", "users"),
        Index(None, "clinic_id", "case_id", "user_id"),
        Index(None, "clinic_id", "user_id", "case_id"),
    )

    kind: GrantKind = _word(GrantKind)
    case_id: UUID
    user_id: UUID
    starts_at: datetime
    ends_at: datetime | None = None
    reason: str | None = _sealed()
    review_due_at: datetime | None = None
    reviewed_by_id: UUID | None = None
    reviewed_at: datetime | None = None
    review_note: str | None = _sealed()


def _what_is_restricted(table: str) -> Index:
    restricted = sa.text("restricted")
    return Index(
        f"ix_{table}_restricted",
        "clinic_id",
        "case_id",
        postgresql_where=restricted,
        sqlite_where=restricted,
    )


class Incident(Recorded, Voidable, table=True):
    """One dated thing that touches the frame.

    `details` holds everything but the kind's one sealed text, which is in `sealed_detail`.
    """

    __tablename__ = "incidents"
    __table_args__ = (
        _points_at("case_id", "cases"),
        _points_at("about_user_id", "users"),
        Index(None, "clinic_id", "case_id", "id"),
        Index(None, "clinic_id", "about_user_id", "case_id"),
        Index(None, "clinic_id", "updated_at"),
        _what_is_restricted("incidents"),
    )

    case_id: UUID
    kind: str = _text(40)
    occurred_on: date
    date_precision: DatePrecision = _word(DatePrecision)
    initiator: Initiator = _word(Initiator)
    reported_by: ReportedBy = _word(ReportedBy)
    classification: Classification = _word(Classification)
    client_impact: ClientImpact = _word(ClientImpact)
    rationale: str | None = _sealed()
    narrative: str | None = _sealed()
    discussed_with_client: bool | None = None
    repair: Repair = _word(Repair)
    about_user_id: UUID | None = None
    restricted: bool = False
    details: dict[str, Any] = _json(dict)
    sealed_detail: str | None = _sealed()
    status: IncidentStatus = _word(IncidentStatus, default=IncidentStatus.reported)
    determination: Determination | None = _word(Determination, default=None)
    review_note: str | None = _sealed()
    reviewed_by_id: UUID | None = None
    reviewed_at: datetime | None = None


_OPEN = "state = 'open' AND {0}voided_at IS NULL"
IS_OPEN = sa.text(f"promises.{_OPEN.format('promises.')}")
"""The promise stands, and is neither kept nor broken; spelled as the partial index is."""


class Promise(Recorded, Voidable, table=True):
    """A promise made to a client, and what became of it."""

    __tablename__ = "promises"
    __table_args__ = (
        _points_at("case_id", "cases"),
        Index(None, "clinic_id", "case_id", "id"),
        Index(None, "clinic_id", "updated_at"),
        Index(
            "ix_promises_open",
            "clinic_id",
            "case_id",
            postgresql_where=sa.text(_OPEN.format("")),
            sqlite_where=sa.text(_OPEN.format("")),
        ),
    )

    case_id: UUID
    wording: str = Field(sa_type=SealedText)
    made_by: PromiseMadeBy = _word(PromiseMadeBy)
    source: PromiseSource = _word(PromiseSource)
    kind: PromiseKind = _word(PromiseKind)
    scope: PromiseScope = _word(PromiseScope)
    keepable: PromiseKeepable = _word(PromiseKeepable)
    significance: Significance = _word(Significance)
    made_on: date
    due_on: date | None = None
    open_ended: bool = False
    discussed_with_client: bool | None = None
    discussed_on: date | None = None
    state: PromiseState = _word(PromiseState)
    client_impact: ClientImpact = _word(ClientImpact)
    reported_by: ReportedBy = _word(ReportedBy)


_WAITING = "status IN ('requested', 'accepted', 'in_progress')"
IS_WAITING = sa.text(f"consultations.{_WAITING}")
"""The request waits for whoever answers it; spelled as the partial index is."""


Named = tuple[str, UUID]
"""A record that a row of another names: its type and its id."""


class Consultation(Recorded, Record, table=True):
    """A request to another clinician for a view of the work."""

    __tablename__ = "consultations"
    __table_args__ = (
        _points_at("case_id", "cases"),
        _points_at("consultant_id", "users"),
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
    kind: ConsultationKind = _word(ConsultationKind)
    urgency: ConsultationUrgency = _word(ConsultationUrgency)
    question: str = Field(sa_type=SealedText)
    summary: str | None = _sealed()
    released: bool = False
    incident_ids: list[str] = _json(list)
    promise_ids: list[str] = _json(list)
    consultant_id: UUID | None = None
    status: ConsultationStatus = _word(ConsultationStatus)
    requested_at: datetime | None = None
    due_at: datetime | None = None
    accepted_at: datetime | None = None
    completed_at: datetime | None = None
    reason: str | None = _sealed()
    outcome: ConsultationOutcome | None = _word(ConsultationOutcome, default=None)
    advice: str | None = _sealed()
    response: AdviceResponse | None = _word(AdviceResponse, default=None)
    response_reason: str | None = _sealed()

    def links(self) -> list[Named]:
        """Give the records that it is about."""
        incidents = [("incident", UUID(row_id)) for row_id in self.incident_ids]
        return [*incidents, *(("promise", UUID(row_id)) for row_id in self.promise_ids)]


class Decline(Record, table=True):
    """One of those who were asked together does not answer; the others still may."""

    __tablename__ = "declines"
    __table_args__ = (
        _points_at("case_id", "cases"),
        _points_at("consultation_id", "consultations"),
        _points_at("user_id", "users"),
        sa.UniqueConstraint("clinic_id", "consultation_id", "user_id"),
    )

    case_id: UUID
    consultation_id: UUID
    user_id: UUID
    reason: str | None = _sealed()


class Note(Voidable, table=True):
    """A clinician's note. Once signed, its row refuses every change, in the database too.

    `recorded_by_id` is its author; an amendment is a signed note of its own that `amends_id` names
    the first of. `content_hash` is cited by whoever cites the note; `content_salt` keeps a short
    text from being guessed by it.
    """

    __tablename__ = "notes"
    __table_args__ = (
        _points_at("case_id", "cases"),
        _points_at("amends_id", "notes"),
        Index(None, "clinic_id", "case_id", "id"),
        Index(None, "clinic_id", "amends_id"),
        Index(None, "clinic_id", "recorded_by_id", "id"),
    )

    case_id: UUID
    note_class: NoteClass = _word(NoteClass)
    body: str = Field(sa_type=SealedText)
    status: NoteStatus = _word(NoteStatus, default=NoteStatus.draft)
    signed_at: datetime | None = None
    amends_id: UUID | None = None
    content_hash: str | None = Field(default=None, max_length=64)
    content_salt: str | None = _sealed()

    @property
    def restricted(self) -> bool:
        """It is its author's alone, and so are the journal's entries about it as it is now."""
        return self.status == NoteStatus.draft or self.note_class == NoteClass.psychotherapy


class Cosignature(Record, table=True):
    """A supervisor, `recorded_by_id`, has read a signed note and stands by it."""

    __tablename__ = "cosignatures"
    __table_args__ = (
        _points_at("note_id", "notes"),
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
        _points_at("case_id", "cases"),
        sa.UniqueConstraint("clinic_id", "record_type", "record_id", "version"),
        Index(None, "clinic_id", "case_id", "record_type"),
    )

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    case_id: UUID
    record_type: str = _text(40)
    record_id: UUID
    version: int
    written_at: datetime
    written_by_id: UUID | None = None
    fields: dict[str, Any] | None = Field(default=None, sa_type=JSON_OR_NULL)
    texts: str | None = _sealed()
    changed: list[str] | None = Field(default=None, sa_type=JSON_OR_NULL)


class Disclosure(Record, table=True):
    """What of a case was given to whom, when and what for (45 CFR 164.528).

    `is_kept`: the document is kept, as it was given, in a `DisclosedDocument`.
    """

    __tablename__ = "disclosures"
    __table_args__ = (_points_at("case_id", "cases"), Index(None, "clinic_id", "case_id", "id"))

    case_id: UUID
    recipient: str = _text(40)
    purpose: str = _text(40)
    form: str = _text(40)
    is_kept: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})


class DisclosedDocument(Record, table=True):
    """The copy of a case as it was given: a `CaseCopy` as JSON. Its page is written from it."""

    __tablename__ = "disclosed_documents"
    __table_args__ = (
        _points_at("case_id", "cases"),
        _points_at("disclosure_id", "disclosures"),
        sa.UniqueConstraint("clinic_id", "disclosure_id"),
        Index(None, "clinic_id", "case_id"),
    )

    case_id: UUID
    disclosure_id: UUID
    document: str | None = _sealed()


class LegalHold(Record, table=True):
    """While it lasts, nothing of a case is destroyed, however long ago the case ended."""

    __tablename__ = "legal_holds"
    __table_args__ = (_points_at("case_id", "cases"), Index(None, "clinic_id", "case_id", "id"))

    case_id: UUID
    reason: str = Field(sa_type=SealedText)
    released_at: datetime | None = None
    released_by_id: UUID | None = None


class RepeatableRequest(Record, table=True):
    """A request that was sent with an idempotency key, and what it made; never its answer.

    `recorded_by_id` is who sent it. `flag_ids` are of the flags it raised.
    """

    __tablename__ = "repeatable_requests"
    __table_args__ = (
        _in_clinic(),
        sa.UniqueConstraint("clinic_id", "recorded_by_id", "key_hash"),
    )

    key_hash: str = _text(64)
    body_hash: str = _text(64)
    status: int | None = None
    record_type: str | None = Field(default=None, max_length=40)
    record_id: UUID | None = None
    case_id: UUID | None = None
    flag_ids: list[str] = _json(list)


def sealed_columns(model: Any) -> tuple[str, ...]:
    """Name the columns that hold clinicians' words."""
    known = _sealed_columns.get(model)
    if known is None:
        columns = sa.inspect(model).column_attrs
        sealed = (each.key for each in columns if isinstance(each.columns[0].type, SealedText))
        known = _sealed_columns[model] = tuple(sealed)
    return known


_sealed_columns: dict[Any, tuple[str, ...]] = {}

_UNRESOLVED = f"status IN {tuple(map(str, UNRESOLVED))}"
IS_UNRESOLVED = sa.text(f"flags.{_UNRESOLVED}")
"""The flag still waits for a person; spelled as the partial indexes are, so that they serve."""


class Flag(Record, table=True):
    """A rule, or a person, asks somebody to look at a case."""

    __tablename__ = "flags"
    __table_args__ = (
        _points_at("case_id", "cases"),
        _points_at("assigned_to_id", "users"),
        Index(None, "clinic_id", "case_id", "id"),
        Index(
            "ix_flags_unresolved",
            "clinic_id",
            "case_id",
            postgresql_where=sa.text(_UNRESOLVED),
            sqlite_where=sa.text(_UNRESOLVED),
        ),
        Index(
            "uq_flags_one_unresolved",
            "clinic_id",
            "case_id",
            "rule",
            "restricted",
            unique=True,
            postgresql_where=sa.text(f"{_UNRESOLVED} AND rule <> 'manual'"),
            sqlite_where=sa.text(f"{_UNRESOLVED} AND rule <> 'manual'"),
        ),
        Index(None, "clinic_id", "updated_at"),
        _what_is_restricted("flags"),
    )

    case_id: UUID
    rule: str = _text(40)
    title: str = _text(200)
    severity: Severity = _word(Severity)
    audience: Audience = _word(Audience)
    because: str = Field(sa_type=sa.Text)
    evidence: list[dict[str, str]] = _json(list)
    restricted: bool = False
    effective_at: datetime
    due_at: datetime | None = None
    status: FlagStatus = _word(FlagStatus, default=FlagStatus.open)
    condition_holds: bool = True
    assigned_to_id: UUID | None = None
    acknowledged_at: datetime | None = None
    determination: Determination | None = _word(Determination, default=None)
    resolution_note: str | None = _sealed()
    resolved_by_id: UUID | None = None
    resolved_at: datetime | None = None
    reopen_reason: str | None = _sealed()
    rule_version: int

    def points_at(self) -> list[Named]:
        """Give the records that are its evidence."""
        return [(each["type"], UUID(each["id"])) for each in self.evidence]


class EarlierResolution(Record, table=True):
    """A resolution that stands no more: `recorded_by_id` opened the flag again at `created_at`."""

    __tablename__ = "flag_resolutions"
    __table_args__ = (
        _points_at("case_id", "cases"),
        _points_at("flag_id", "flags"),
        Index(None, "clinic_id", "flag_id", "id"),
        Index(None, "clinic_id", "case_id"),
    )

    case_id: UUID
    flag_id: UUID
    determination: Determination = _word(Determination)
    resolution_note: str | None = _sealed()
    resolved_by_id: UUID | None = None
    resolved_at: datetime
    reopen_reason: str | None = _sealed()


IS_RESTRICTED: dict[type[Incident | Flag], sa.TextClause] = {
    Incident: sa.text("incidents.restricted"),
    Flag: sa.text("flags.restricted"),
}
"""It is hidden from the case's clinician; spelled as the partial indexes are."""


class MonitoredFinding(Record, table=True):
    """What a rule that is only monitored would have raised on a case, from when until when.

    It is counted by rule and month, and shown to nobody as a case's.
    """

    __tablename__ = "monitored_findings"
    __table_args__ = (
        _points_at("case_id", "cases"),
        Index(
            "uq_monitored_findings_one_standing",
            "clinic_id",
            "case_id",
            "rule",
            "restricted",
            unique=True,
            postgresql_where=sa.text("ended_at IS NULL"),
            sqlite_where=sa.text("ended_at IS NULL"),
        ),
        Index(None, "clinic_id", "effective_at"),
        Index(None, "clinic_id", "case_id", "id"),
    )

    case_id: UUID
    rule: str = _text(40)
    severity: Severity = _word(Severity)
    restricted: bool = False
    evidence: list[dict[str, str]] = _json(list)
    effective_at: datetime
    ended_at: datetime | None = None


_CHANGES = "NOT is_read"
WHAT_HAPPENED = sa.text("NOT journal_entries.is_read")
"""The entry tells of more than of a read; spelled as the partial index is, so that it serves."""


class JournalEntry(SQLModel, table=True):
    """Something happened: who, what, which rows, when; never any content. Only ever appended.

    `is_read`: somebody was shown the rows, and nothing changed. `purpose` is what for, where it is
    out of the ordinary; of a refusal, the code of its problem.
    """

    __tablename__ = "journal_entries"
    # no foreign key: checking one would lock the clinic's row for every write of the clinic
    __table_args__ = (
        Index(None, "clinic_id", "case_id", "id"),
        Index(None, "clinic_id", "actor_id", "id"),
        Index(None, "clinic_id", "happening", "id"),
        Index(None, "clinic_id", "at"),
        Index(
            "ix_journal_entries_what_happened",
            "clinic_id",
            "case_id",
            "id",
            postgresql_where=sa.text(_CHANGES),
            sqlite_where=sa.text(_CHANGES),
        ),
    )

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    at: datetime
    actor_id: UUID | None = None
    happening: str = _text(60)
    case_id: UUID | None = None
    record_type: str | None = Field(default=None, max_length=40)
    record_ids: list[str] = _json(list)
    changed: list[str] = _json(list)
    restricted: bool = False
    prompt: bool = False
    is_read: bool = False
    purpose: str | None = Field(default=None, max_length=40)
    request_id: str | None = Field(default=None, max_length=64)


class NoticeKind(StrEnum):
    """What somebody is told of: who came to see work that is theirs, or to sign in as them."""

    clinician = "clinician"
    """Somebody's role became this one."""
    supervisor = "supervisor"
    """Somebody was given this role, and may answer for the work of those they are linked to."""
    consultant = "consultant"
    """Somebody was given this role, and may read the requests that are released to any."""
    privacy_officer = "privacy_officer"
    """Somebody was given this role, and reads the whole journal."""
    admin = "admin"
    """Somebody was given this role, and may let others in."""
    supervision = "supervision"
    """A supervisor was linked to a clinician, or a link holds again, or for longer."""
    supervision_begins = "supervision_begins"
    """The day has come from which a link holds that was made for later."""
    cover = "cover"
    """A colleague stands in on a case, or does so again."""
    break_glass = "break_glass"
    """A supervisor opened a case in an emergency, or sees it again while it is open."""
    recusal_ended = "recusal_ended"
    """Somebody need not keep away from a case any more."""
    transfer = "transfer"
    """A case was handed over to another clinician."""
    software = "software"
    """Software reads what was said on every case, or may do so again or in more places."""
    let_in_again = "let_in_again"
    """Somebody who was let in no more may sign in again."""
    first_password = "first_password"  # noqa: S105 - the name of a notice
    """An admin made a user, and chose their first password."""
    password_reset_offered = "password_reset_offered"  # noqa: S105 - as above
    """An admin was shown a code by which somebody's password can be set."""
    password_reset = "password_reset"  # noqa: S105 - as above
    """Somebody's password was set by the code that an admin was shown."""
    second_factor_removed = "second_factor_removed"
    """A password alone signs somebody in again."""
    email_changed = "email_changed"
    """The address by which somebody signs in was changed."""


class AccessNotice(SQLModel, table=True):
    """Something that gives sight, or lets somebody sign in, as it is told to those concerned.

    It is made with its entry of the journal, and stays as it is whatever becomes of the rows.
    `user_id` is who sees more, a person or software; `record_id` is by what. `at` lies ahead where
    a day to come will bring it about; `withdrawn_at`: it will not come about after all.
    """

    __tablename__ = "access_notices"
    __table_args__ = (_in_clinic(), Index(None, "clinic_id", "record_id"))

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    at: datetime
    kind: NoticeKind = _word(NoticeKind)
    actor_id: UUID | None = None
    user_id: UUID
    record_id: UUID
    entry_id: UUID
    withdrawn_at: datetime | None = None


class AccessNoticeReader(SQLModel, table=True):
    """Whom a notice concerns, and when they read it.

    Privacy officers are told of every notice; one of theirs is here once they have read it.
    """

    __tablename__ = "access_notice_readers"
    __table_args__ = (_points_at("user_id", "users"), _points_at("notice_id", "access_notices"))

    clinic_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)
    notice_id: UUID = Field(primary_key=True)
    read_at: datetime | None = None


class SealHead(SQLModel, table=True):
    """The signed head of a Merkle tree (RFC 6962) over some entries of a clinic's journal.

    Heads are counted from 1 and chained: each signs the hash of the one before. `size` is how many
    entries its tree has; `floor_id` is the id from which on an entry may still come late.
    """

    __tablename__ = "seal_heads"

    clinic_id: UUID = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime
    size: int
    root: str = _text(64)
    previous: str = _text(64)
    floor_id: UUID
    public_key: str = _text(64)
    signature: str = _text(128)


class SealLeaf(SQLModel, table=True):
    """Where an entry of the journal was sealed: under which head, and as which leaf."""

    __tablename__ = "seal_leaves"
    __table_args__ = (sa.UniqueConstraint("clinic_id", "head_number", "position"),)

    clinic_id: UUID = Field(primary_key=True)
    entry_id: UUID = Field(primary_key=True)
    head_number: int
    position: int
    leaf_hash: str = _text(64)


class Webhook(Record, table=True):
    """An address of the clinic's software, told of some events; `deleted_at`: no more."""

    __tablename__ = "webhooks"
    __table_args__ = (_in_clinic(),)

    name: str = _text(200)
    url: str = _text(2_000)
    events: list[str] = _json(list)
    is_active: bool = True
    deleted_at: datetime | None = None


class WebhookSecret(Record, table=True):
    """A secret that signs what a webhook is sent; two may overlap while one replaces the other."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (
        _points_at("webhook_id", "webhooks"),
        Index(None, "clinic_id", "webhook_id"),
    )

    webhook_id: UUID
    secret: str | None = _sealed()
    expires_at: datetime | None = None


class WebhookEvent(SQLModel, table=True):
    """Something that happened and that webhooks are told of: ids only, never any content."""

    __tablename__ = "webhook_events"
    __table_args__ = (_in_clinic(),)

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    at: datetime
    event: str = _text(60)
    record_type: str | None = Field(default=None, max_length=40)
    record_id: UUID | None = None
    case_id: UUID | None = None


class DeliveryStatus(StrEnum):
    """How far the telling of an event to a webhook has come."""

    pending = "pending"
    """It is to be tried, for the first time or again."""
    delivered = "delivered"
    """The receiver said that it has it."""
    failed = "failed"
    """It was tried as often as it is tried, or the webhook was taken away."""


class WebhookDelivery(Record, table=True):
    """An event is owed to a webhook. `next_attempt_at`: when it is tried again; None: not."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        _points_at("webhook_id", "webhooks"),
        _points_at("event_id", "webhook_events"),
        Index(None, "clinic_id", "webhook_id", "id"),
        Index(
            "ix_webhook_deliveries_due",
            "clinic_id",
            "next_attempt_at",
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
            sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        ),
        Index(
            "ix_webhook_deliveries_due_to_one",
            "clinic_id",
            "webhook_id",
            "next_attempt_at",
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
            sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        ),
    )

    webhook_id: UUID
    event_id: UUID
    status: DeliveryStatus = _word(DeliveryStatus, default=DeliveryStatus.pending)
    attempts: int = 0
    next_attempt_at: datetime | None = None


class Outcome(StrEnum):
    """What came of one try to deliver an event."""

    delivered = "delivered"
    """It was answered with a 2xx."""
    redirected = "redirected"
    """It was answered with a 3xx, which is not followed."""
    gone = "gone"
    """It was answered with a 410: the receiver wants no more, and the webhook is switched off."""
    not_accepted = "not_accepted"
    """It was answered with any other status."""
    timed_out = "timed_out"
    """It was not answered in time."""
    not_resolved = "not_resolved"
    """Its host has no address."""
    not_public = "not_public"
    """Its host has an address that is not a public one: nothing was sent."""
    not_connected = "not_connected"
    """Nobody answers at its address, or the connection broke."""
    not_trusted = "not_trusted"
    """Its certificate is not one to trust for its host: nothing was sent."""
    not_http = "not_http"
    """What came back is no answer of HTTP."""


class WebhookAttempt(SQLModel, table=True):
    """One try to deliver: what came of it, never a word of the receiver's answer.

    `http_status` is there where an answer came.
    """

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        _points_at("delivery_id", "webhook_deliveries"),
        Index(None, "clinic_id", "delivery_id", "id"),
    )

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    delivery_id: UUID
    at: datetime
    outcome: Outcome = _word(Outcome)
    http_status: int | None = None
    milliseconds: int


class ImportStatus(StrEnum):
    """How far an import has come."""

    running = "running"
    """Lines are being read; or the process that read them was killed, and can say nothing more."""
    broken_off = "broken_off"
    """Some lines were not looked at: the connection broke, or something stood in the way."""
    finished = "finished"
    """Every line was looked at."""


class Import(Record, table=True):
    """A file of records that was read in, or only looked at (`dry_run`). Counts are of lines."""

    __tablename__ = "imports"
    __table_args__ = (_in_clinic(),)

    form: str = _text(10)
    dry_run: bool = False
    status: ImportStatus = _word(ImportStatus, default=ImportStatus.running)
    lines: int = 0
    created: int = 0
    unchanged: int = 0
    refused: int = 0
    finished_at: datetime | None = None


class ImportRefusal(SQLModel, table=True):
    """A line that could not be read in, and why; it repeats nothing of the line."""

    __tablename__ = "import_refusals"
    __table_args__ = (
        _points_at("import_id", "imports"),
        Index(None, "clinic_id", "import_id", "id"),
    )

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    import_id: UUID
    line: int
    pointer: str = _text(200)
    message: str = _text(400)


class ImportedRecord(Record, table=True):
    """What a record was called where it came from, so that it is read in once.

    `source_hash` finds it without reading it; `body_hash` tells whether the line is the same.
    """

    __tablename__ = "imported_records"
    __table_args__ = (
        _points_at("import_id", "imports"),
        _points_at("case_id", "cases"),
        sa.UniqueConstraint("clinic_id", "record_type", "source_hash"),
        Index(None, "clinic_id", "case_id"),
    )

    import_id: UUID
    case_id: UUID
    record_type: str = _text(40)
    record_id: UUID
    source_key: str | None = _sealed()
    source_hash: str = _text(64)
    body_hash: str = _text(64)
