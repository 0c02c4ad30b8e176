"""What rules and people ask to be looked at, and what became of it."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlmodel import Field

from api.domain.vocabulary import UNRESOLVED, Audience, Determination, FlagStatus, Severity
from api.storage.models.clinical import Incident, Promise
from api.storage.models.columns import (
    JSON_OR_NULL,
    Named,
    Record,
    json_column,
    points_at,
    sealed_text,
    short_text,
    what_is_restricted,
    word,
)

_UNRESOLVED = f"status IN {tuple(map(str, UNRESOLVED))}"
_ONE_OF_A_RULE = f"{_UNRESOLVED} AND rule <> 'manual' AND account_id IS NULL"
_ONE_OF_AN_ACCOUNT = f"{_UNRESOLVED} AND account_id IS NOT NULL"
IS_UNRESOLVED = sa.text(f"flags.{_UNRESOLVED}")
"""The flag still waits for a person; spelled as the partial indexes are, so that they serve."""


class Flag(Record, table=True):
    """A rule, or a person, asks somebody to look at a case.

    `account_id`: what a client said at their door, where it asks for that to be looked at; to whom
    the account does not exist, the flag does not either.
    """

    __tablename__ = "flags"
    noun: ClassVar[str] = "flag"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("assigned_to_id", "users"),
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
            postgresql_where=sa.text(_ONE_OF_A_RULE),
            sqlite_where=sa.text(_ONE_OF_A_RULE),
        ),
        Index(
            "uq_flags_one_unresolved_of_an_account",
            "clinic_id",
            "account_id",
            "rule",
            unique=True,
            postgresql_where=sa.text(_ONE_OF_AN_ACCOUNT),
            sqlite_where=sa.text(_ONE_OF_AN_ACCOUNT),
        ),
        Index(None, "clinic_id", "updated_at"),
        what_is_restricted("flags"),
    )

    case_id: UUID
    account_id: UUID | None = None
    rule: str = short_text(40)
    title: str = short_text(200)
    severity: Severity = word(Severity)
    audience: Audience = word(Audience)
    because: str = Field(sa_type=sa.Text)
    says: list[dict[str, Any]] | None = Field(default=None, sa_type=JSON_OR_NULL)
    """What `because` tells, to be told in other languages; None where a person wrote it, or an
    earlier version of the rules did."""
    evidence: list[dict[str, str]] = json_column(list)
    restricted: bool = False
    effective_at: datetime
    due_at: datetime | None = None
    status: FlagStatus = word(FlagStatus, default=FlagStatus.open)
    condition_holds: bool = True
    assigned_to_id: UUID | None = None
    acknowledged_at: datetime | None = None
    determination: Determination | None = word(Determination, default=None)
    resolution_note: str | None = sealed_text()
    resolved_by_id: UUID | None = None
    resolved_at: datetime | None = None
    reopen_reason: str | None = sealed_text()
    rule_version: int

    @property
    def prompt(self) -> bool:
        """Whether it is for the case's clinician and whoever stands in, and so are its entries."""
        return self.audience == Audience.clinician

    def named_records(self) -> list[Named]:
        """Give the records that are its evidence."""
        return [(each["type"], UUID(each["id"])) for each in self.evidence]


class EarlierResolution(Record, table=True):
    """A resolution that stands no more: `recorded_by_id` opened the flag again at `created_at`."""

    __tablename__ = "flag_resolutions"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("flag_id", "flags"),
        Index(None, "clinic_id", "flag_id", "id"),
        Index(None, "clinic_id", "case_id"),
    )

    case_id: UUID
    flag_id: UUID
    determination: Determination = word(Determination)
    resolution_note: str | None = sealed_text()
    resolved_by_id: UUID | None = None
    resolved_at: datetime
    reopen_reason: str | None = sealed_text()


class MonitoredFinding(Record, table=True):
    """What a rule that is only monitored would have raised on a case, from when until when.

    It is counted by rule and month, and shown to nobody as a case's.
    """

    __tablename__ = "monitored_findings"
    __table_args__ = (
        points_at("case_id", "cases"),
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
    rule: str = short_text(40)
    severity: Severity = word(Severity)
    restricted: bool = False
    evidence: list[dict[str, str]] = json_column(list)
    effective_at: datetime
    ended_at: datetime | None = None


IS_RESTRICTED: dict[type[Incident | Promise | Flag], sa.TextClause] = {
    Incident: sa.text("incidents.restricted"),
    Promise: sa.text("promises.restricted"),
    Flag: sa.text("flags.restricted"),
}
"""It is hidden from the case's clinician; spelled as the partial indexes are."""
