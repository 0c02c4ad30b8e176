"""What people see beside their role: supervision, dated exceptions, and who is told of them."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from api.storage.models.columns import Record, in_clinic, points_at, sealed_text, word


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
    __table_args__ = (
        in_clinic(),
        Index(None, "clinic_id", "record_id"),
        Index(None, "clinic_id", "at"),
    )

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
