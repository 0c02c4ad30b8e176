"""E-mails that people are owed: of what sort, and of what; neither their words nor an address."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index

from api.storage.models.columns import Record, points_at, word


class MailKind(StrEnum):
    """What an e-mail is about."""

    daily = "daily"
    """How much waits for somebody, once a day."""
    critical = "critical"
    """Something critical has come to wait."""
    linked = "linked"
    """A supervision link with them was made, or holds again, or for longer."""
    password = "password"  # noqa: S105 - the name of a sort of mail
    """An admin chose their password, or let it be chosen."""
    consultation = "consultation"
    """A consultation is asked of them."""
    emergency = "emergency"
    """A case was opened in an emergency: theirs, or to be reviewed by them."""
    not_safe = "not_safe"
    """Somebody says at their door that they are not safe, or not sure, and it is to be read."""
    not_safe_unread = "not_safe_unread"
    """That has not been read for hours."""


class MailStatus(StrEnum):
    """How far an e-mail has come."""

    owed = "owed"
    """It is to be tried, for the first time or again."""
    handed_over = "handed_over"
    """Its words are being given to the mail server, whose answer is not written down yet."""
    sent = "sent"
    """The mail server took it."""
    given_up = "given_up"
    """The mail server refused it for good, or did not take it within a day."""
    uncertain = "uncertain"
    """The mail server may have taken it, and nobody knows: it is not tried again."""
    needless = "needless"
    """When its turn came, there was nothing left to tell, or nobody to tell it to."""


class Mail(Record, table=True):
    """An e-mail owed to a person, once for each source.

    `source_id` is what it is of: a notice, an entry of the journal, a day's number. `attempts`
    counts tries that failed; `next_attempt_at`: when it is somebody's turn again; None: it is over.
    """

    __tablename__ = "mails"
    __table_args__ = (
        points_at("user_id", "users"),
        sa.UniqueConstraint("clinic_id", "user_id", "kind", "source_id"),
        Index(None, "clinic_id", "status"),
        Index(
            "ix_mails_due",
            "clinic_id",
            "next_attempt_at",
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
            sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        ),
    )

    user_id: UUID
    kind: MailKind = word(MailKind)
    source_id: UUID
    status: MailStatus = word(MailStatus, default=MailStatus.owed)
    attempts: int = 0
    next_attempt_at: datetime | None = None
