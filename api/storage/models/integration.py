"""Other software: what it is told, what it sends in, and requests it may repeat."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from api.storage.models.columns import (
    Record,
    in_clinic,
    json_column,
    points_at,
    sealed_text,
    short_text,
    word,
)


class Webhook(Record, table=True):
    """An address of the clinic's software, told of some events; `deleted_at`: no more."""

    __tablename__ = "webhooks"
    noun: ClassVar[str] = "webhook"
    __table_args__ = (in_clinic(),)

    name: str = short_text(200)
    url: str = short_text(2_000)
    events: list[str] = json_column(list)
    is_active: bool = True
    deleted_at: datetime | None = None


class WebhookSecret(Record, table=True):
    """A secret that signs what a webhook is sent; two may overlap while one replaces the other."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (
        points_at("webhook_id", "webhooks"),
        Index(None, "clinic_id", "webhook_id"),
    )

    webhook_id: UUID
    secret: str | None = sealed_text()
    expires_at: datetime | None = None


class WebhookEvent(SQLModel, table=True):
    """Something that happened and that webhooks are told of: ids only, never any content."""

    __tablename__ = "webhook_events"
    __table_args__ = (in_clinic(),)

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    at: datetime
    event: str = short_text(60)
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
        points_at("webhook_id", "webhooks"),
        points_at("event_id", "webhook_events"),
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
    status: DeliveryStatus = word(DeliveryStatus, default=DeliveryStatus.pending)
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
        points_at("delivery_id", "webhook_deliveries"),
        Index(None, "clinic_id", "delivery_id", "id"),
    )

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    delivery_id: UUID
    at: datetime
    outcome: Outcome = word(Outcome)
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
    noun: ClassVar[str] = "import"
    __table_args__ = (in_clinic(),)

    form: str = short_text(10)
    dry_run: bool = False
    status: ImportStatus = word(ImportStatus, default=ImportStatus.running)
    lines: int = 0
    created: int = 0
    unchanged: int = 0
    refused: int = 0
    finished_at: datetime | None = None


class ImportRefusal(SQLModel, table=True):
    """A line that could not be read in, and why; it repeats nothing of the line."""

    __tablename__ = "import_refusals"
    __table_args__ = (
        points_at("import_id", "imports"),
        Index(None, "clinic_id", "import_id", "id"),
    )

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    import_id: UUID
    line: int
    pointer: str = short_text(200)
    message: str = short_text(400)


class ImportedRecord(Record, table=True):
    """What a record was called where it came from, so that it is read in once.

    `source_hash` finds it without reading it; `body_hash` tells whether the line is the same.
    """

    __tablename__ = "imported_records"
    __table_args__ = (
        points_at("import_id", "imports"),
        points_at("case_id", "cases"),
        sa.UniqueConstraint("clinic_id", "record_type", "source_hash"),
        Index(None, "clinic_id", "case_id"),
    )

    import_id: UUID
    case_id: UUID
    record_type: str = short_text(40)
    record_id: UUID
    source_key: str | None = sealed_text()
    source_hash: str = short_text(64)
    body_hash: str = short_text(64)


class RepeatableRequest(Record, table=True):
    """A request that was sent with an idempotency key, and what it made; never its answer.

    `recorded_by_id` is who sent it. `flag_ids` are of the flags it raised.
    """

    __tablename__ = "repeatable_requests"
    __table_args__ = (
        in_clinic(),
        sa.UniqueConstraint("clinic_id", "recorded_by_id", "key_hash"),
    )

    key_hash: str = short_text(64)
    body_hash: str = short_text(64)
    status: int | None = None
    record_type: str | None = Field(default=None, max_length=40)
    record_id: UUID | None = None
    case_id: UUID | None = None
    flag_ids: list[str] = json_column(list)
