"""The audit log, and the signed tree heads that prove it whole."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from api.storage.models.columns import json_column, short_text

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
        # entries lie as they came: a range of pages is told by its first instant and its last
        Index(
            None,
            "clinic_id",
            "at",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "true"},
        ),
        Index(
            "ix_journal_entries_changes_at",
            "clinic_id",
            "at",
            postgresql_where=sa.text(_CHANGES),
            sqlite_where=sa.text(_CHANGES),
        ),
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
    happening: str = short_text(60)
    case_id: UUID | None = None
    record_type: str | None = Field(default=None, max_length=40)
    record_ids: list[str] = json_column(list)
    changed: list[str] = json_column(list)
    restricted: bool = False
    prompt: bool = False
    is_read: bool = False
    purpose: str | None = Field(default=None, max_length=40)
    request_id: str | None = Field(default=None, max_length=64)


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
    root: str = short_text(64)
    previous: str = short_text(64)
    floor_id: UUID
    public_key: str = short_text(64)
    signature: str = short_text(128)


class SealLeaf(SQLModel, table=True):
    """Where an entry of the journal was sealed: under which head, and as which leaf."""

    __tablename__ = "seal_leaves"
    __table_args__ = (sa.UniqueConstraint("clinic_id", "head_number", "position"),)

    clinic_id: UUID = Field(primary_key=True)
    entry_id: UUID = Field(primary_key=True)
    head_number: int
    position: int
    leaf_hash: str = short_text(64)
