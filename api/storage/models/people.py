"""The clinic, who works there, its software, and how they sign in."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlmodel import Field
from uuid_utils.compat import uuid7

from api.domain.vocabulary import EmailNotices, Role
from api.storage.models.columns import (
    JSON,
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
    taken together, so that a write need not look at each. `mailed_until`: up to when what happened
    was looked through for e-mails; `digest_due_at`: when the next daily ones are owed. What begins
    with `door_` is told at the clients' door, texts by the language that they are in.
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
    language: str | None = Field(default=None, sa_type=sa.String(16))
    mailed_until: datetime | None = None
    digest_due_at: datetime | None = None
    door_emergency_text: dict[str, str | None] = json_column(dict)
    door_duty_text: dict[str, str | None] = json_column(dict)
    door_elsewhere_text: dict[str, str | None] = json_column(dict)
    door_leave_to: str | None = Field(default=None, sa_type=sa.String(500))
    door_read_within_days: int = 7
    door_languages: list[str] = Field(default_factory=lambda: ["en"], sa_type=JSON)
    door_offer: list[str] = json_column(list)


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
    language: str | None = Field(default=None, sa_type=sa.String(16))
    email_notices: EmailNotices = word(EmailNotices, default=EmailNotices.daily)


class SignIn(Record, table=True):
    """A session: what an access token stands for, read on each request.

    It is a user's or a service account's. It ends at `expires_at` whatever happens, and before
    that at `idle_at` where nobody refreshes it. `refresh_hash` is of the one refresh token that
    may be used, `former_refresh_hash` of the one it replaced; `network` is where the session
    began, as a keyed hash; `device_hash` is of the token by which its device is known again.
    `cookie_hash` is of what a browser shows at the desk: such a session has no tokens.
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
    cookie_hash: str | None = Field(default=None, max_length=64)
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
