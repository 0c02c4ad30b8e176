"""The clinic, who works there, how they sign in, and what they may see beside their role."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from api.domain.vocabulary import Role
from api.storage.models.columns import (
    JSON_OR_NULL,
    Record,
    Versioned,
    in_clinic,
    json_column,
    points_at,
    sealed_text,
    short_text,
    word,
)


class Clinic(Versioned, table=True):
    """A clinic: its name, its time zone, and what it has set for itself.

    `retention_years`: how long a case's text is kept after the case ended; None: for ever.
    `rule_modes` names the rules that are not active. `watched_events`: what its webhooks ask for,
    taken together, so that a write need not look at each.
    """

    __tablename__ = "clinics"
    noun: ClassVar[str] = "clinic"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str = short_text(200)
    time_zone: str = Field(default="UTC", max_length=64)
    thresholds: dict[str, int] = json_column(dict)
    requires_totp: bool = False
    retention_years: int | None = None
    rule_modes: dict[str, str] = json_column(dict)
    watched_events: list[str] = json_column(list)


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
    __table_args__ = (in_clinic(), sa.UniqueConstraint("clinic_id", "purpose", "number"))

    purpose: KeyPurpose = word(KeyPurpose)
    number: int = 1
    wrapped: str = short_text(200)
    wrapped_by: str = short_text(16)


class User(Record, table=True):
    """A person of a clinic. `email` is kept in lower case."""

    __tablename__ = "users"
    noun: ClassVar[str] = "user"
    __table_args__ = (
        in_clinic(),
        sa.UniqueConstraint("clinic_id", "email"),
        Index(None, "email"),
    )

    name: str = short_text(200)
    email: str = short_text(254)
    role: Role = word(Role)
    is_active: bool = True
    password_hash: str = short_text(200)
    totp_secret: str | None = sealed_text()
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
    noun: ClassVar[str] = "session"
    __table_args__ = (
        points_at("user_id", "users"),
        points_at("account_id", "service_accounts"),
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
    __table_args__ = (points_at("user_id", "users"), Index(None, "clinic_id", "user_id"))

    user_id: UUID
    purpose: str = short_text(20)
    code_hash: str = short_text(64)
    expires_at: datetime | None = None
    used_at: datetime | None = None


class ServiceAccount(Record, table=True):
    """Clinic software that signs in by itself, and may do what its scopes say."""

    __tablename__ = "service_accounts"
    noun: ClassVar[str] = "service_account"
    __table_args__ = (in_clinic(),)

    name: str = short_text(200)
    scopes: list[str] = json_column(list)
    is_active: bool = True
    last_used_at: datetime | None = None


class ServiceSecret(Record, table=True):
    """A secret of a service account; two may overlap while one replaces the other."""

    __tablename__ = "service_secrets"
    __table_args__ = (
        points_at("account_id", "service_accounts"),
        Index(None, "clinic_id", "account_id"),
    )

    account_id: UUID
    secret_hash: str = short_text(64)
    expires_at: datetime
    last_used_at: datetime | None = None


class Supervision(Record, table=True):
    """A supervisor answers for a clinician's work from `starts_on` to the day before `ends_on`."""

    __tablename__ = "supervisions"
    noun: ClassVar[str] = "supervision"
    __table_args__ = (
        points_at("supervisor_id", "users"),
        points_at("clinician_id", "users"),
        Index(None, "clinic_id", "supervisor_id", "clinician_id"),
        Index(None, "clinic_id", "clinician_id"),
    )

    supervisor_id: UUID
    clinician_id: UUID
    starts_on: date
    ends_on: date | None = None


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
        points_at("case_id", "cases"),
        points_at("user_id", "users"),
        Index(None, "clinic_id", "case_id", "user_id"),
        Index(None, "clinic_id", "user_id", "case_id"),
    )

    kind: GrantKind = word(GrantKind)
    case_id: UUID
    user_id: UUID
    starts_at: datetime
    ends_at: datetime | None = None
    reason: str | None = sealed_text()
    review_due_at: datetime | None = None
    reviewed_by_id: UUID | None = None
    reviewed_at: datetime | None = None
    review_note: str | None = sealed_text()

    @property
    def noun(self) -> str:
        """What the journal calls it: a cover, a recusal, a break-glass."""
        return str(self.kind)


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
    __table_args__ = (in_clinic(), Index(None, "clinic_id", "record_id"))

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    at: datetime
    kind: NoticeKind = word(NoticeKind)
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
    __table_args__ = (points_at("user_id", "users"), points_at("notice_id", "access_notices"))

    clinic_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)
    notice_id: UUID = Field(primary_key=True)
    read_at: datetime | None = None
