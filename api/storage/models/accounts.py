"""What clients said at their door, who reads it, and what was answered."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index

from api.domain.vocabulary import (
    AccountStatus,
    AccountTo,
    CameBy,
    DatePrecision,
    Determination,
    ResponseBy,
    SafeNow,
    Sharing,
)
from api.storage.models.columns import (
    Record,
    json_column,
    points_at,
    sealed_text,
    short_text,
    word,
)

_UNREAD = "status = 'received'"
"""What nobody has read yet: few at a time, and counted for many pages."""


class Account(Record, table=True):
    """What a client, or a guardian, said happened: hidden from the therapist until it is shared.

    `number` counts those of its box. `words_at`: when they last wrote of it. From `shared_from` on
    it is shared with `shared_with_id`, who had the case then, under the id `shared_as`.
    """

    __tablename__ = "accounts"
    noun: ClassVar[str] = "account"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("box_id", "boxes"),
        points_at("shared_with_id", "users"),
        sa.UniqueConstraint("clinic_id", "box_id", "number"),
        Index(None, "clinic_id", "case_id", "id"),
        Index(None, "clinic_id", "shared_as"),
        Index(
            None,
            "clinic_id",
            "status",
            postgresql_where=sa.text(_UNREAD),
            sqlite_where=sa.text(_UNREAD),
        ),
    )

    restricted: ClassVar[bool] = True
    """Its entries are hidden from the case's clinician, shared or not."""

    case_id: UUID
    box_id: UUID
    number: int
    by: ResponseBy = word(ResponseBy)
    came_by: CameBy = word(CameBy)
    language: str = short_text(16)
    happened: str | None = sealed_text()
    topics: list[str] = json_column(list)
    happened_on: date | None = None
    date_precision: DatePrecision = word(DatePrecision)
    wants: list[str] = json_column(list)
    safe_now: SafeNow = word(SafeNow)
    reach: str | None = sealed_text()
    addressed_to: AccountTo = word(AccountTo)
    status: AccountStatus = word(AccountStatus, default=AccountStatus.received)
    words_at: datetime
    answered_at: datetime | None = None
    read_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by_id: UUID | None = None
    determination: Determination | None = word(Determination, default=None)
    closing_note: str | None = sealed_text()
    taken_back_at: datetime | None = None
    shared: Sharing = word(Sharing, default=Sharing.not_yet)
    shared_from: date | None = None
    shared_with_id: UUID | None = None
    shared_as: UUID | None = None


class AccountWords(Record, table=True):
    """Further words of who wrote an account."""

    __tablename__ = "account_words"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("account_id", "accounts"),
        Index(None, "clinic_id", "account_id", "id"),
    )

    case_id: UUID
    account_id: UUID
    words: str | None = sealed_text()


class AccountReply(Record, table=True):
    """An answer to an account, by the reader who recorded it."""

    __tablename__ = "account_replies"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("account_id", "accounts"),
        Index(None, "clinic_id", "account_id", "id"),
    )

    case_id: UUID
    account_id: UUID
    reply: str | None = sealed_text()


class MoveKind(StrEnum):
    """What a reader did with an account, beside answering it."""

    read = "read"
    """They were shown it, for the first time."""
    stepped_out = "stepped_out"
    """They know too much, and read it no more."""
    told = "told"
    """They spoke of it with the therapist, as law or danger to life compelled them."""


class AccountMove(Record, table=True):
    """What a reader, `recorded_by_id`, did with an account, and why where a reason is asked for."""

    __tablename__ = "account_moves"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("account_id", "accounts"),
        Index(None, "clinic_id", "account_id", "id"),
    )

    case_id: UUID
    account_id: UUID
    kind: MoveKind = word(MoveKind)
    reason: str | None = sealed_text()


class AccountExclusion(Record, table=True):
    """Somebody to whom an account does not exist.

    The client named them, they stepped out, or they had the case when it, or further words, came.
    """

    __tablename__ = "account_exclusions"
    __table_args__ = (
        points_at("account_id", "accounts"),
        points_at("user_id", "users"),
        sa.UniqueConstraint("clinic_id", "account_id", "user_id"),
    )

    account_id: UUID
    user_id: UUID
    by_client: bool = True
    """The client named them."""
