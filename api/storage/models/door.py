"""The clients' door: what is asked there, who is invited, and what was answered."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlmodel import Field

from api.domain.vocabulary import CameBy, InvitationFor, ResponseBy, Sharing
from api.storage.models.columns import (
    Record,
    Voidable,
    in_clinic,
    json_column,
    points_at,
    sealed_text,
    short_text,
    word,
)


class Questionnaire(Record, table=True):
    """One version of a questionnaire, which never changes; `number` counts the versions.

    `content` is what it asks and says. One that is `retired_at` is asked no more, in any version.
    What every clinic has stands in the program; it has a row here only where a clinic retired it.
    """

    __tablename__ = "questionnaires"
    noun: ClassVar[str] = "questionnaire"
    __table_args__ = (
        in_clinic(),
        sa.UniqueConstraint("clinic_id", "questionnaire_id", "number"),
    )

    questionnaire_id: UUID
    number: int
    content: dict[str, Any] = json_column(dict)
    retired_at: datetime | None = Field(default=None)


class Response(Voidable, table=True):
    """What somebody answered to one version of a questionnaire.

    `frame_answers` are those to what somebody did, by item; all others are in `sealed_answers`, as
    JSON: what was felt is as guarded as words are. `concerns`: how many of the former are one;
    `by_therapist`: the case's clinician typed them in, and no rule reads them. What came by the
    door is in a box, and from `shared_from` on, if ever, the clinician `shared_with_id` reads it.
    """

    __tablename__ = "responses"
    noun: ClassVar[str] = "response"
    __table_args__ = (points_at("case_id", "cases"), Index(None, "clinic_id", "case_id", "id"))

    case_id: UUID
    questionnaire_id: UUID
    number: int
    by: ResponseBy = word(ResponseBy)
    came_by: CameBy = word(CameBy)
    answered_on: date
    box_id: UUID | None = None
    shared: Sharing = word(Sharing, default=Sharing.with_therapist)
    shared_from: date | None = None
    shared_with_id: UUID | None = None
    concerns: int = 0
    by_therapist: bool = True
    frame_answers: dict[str, Any] = json_column(dict)
    sealed_answers: str | None = sealed_text()

    @property
    def restricted(self) -> bool:
        """Whether its entries are hidden from the case's clinician, shared or not."""
        return self.box_id is not None


class Invitation(Record, table=True):
    """An invitation to the door of a case: whoever holds its code may write, and reads nothing.

    `code_hash` is a keyed hash. Nothing here ever tells whether it was used.
    """

    __tablename__ = "invitations"
    noun: ClassVar[str] = "invitation"
    __table_args__ = (
        points_at("case_id", "cases"),
        Index(None, "clinic_id", "case_id", "id"),
        Index(None, "code_hash"),
    )

    case_id: UUID
    for_whom: InvitationFor = word(InvitationFor)
    questionnaire_id: UUID | None = None
    expires_on: date
    revoked_at: datetime | None = None
    code_hash: str = short_text(64)
    restricted: bool = False
    """Somebody else than the case's clinician made it: the clinician does not know of it."""


class Box(Record, table=True):
    """What one person sent at the door, which only its receipt opens.

    `receipt_hash` is None where they wanted no receipt, or threw it away: what they sent stays for
    its readers. `last_sent_at`: when something came last.
    """

    __tablename__ = "boxes"
    noun: ClassVar[str] = "box"
    __table_args__ = (
        points_at("case_id", "cases"),
        Index(None, "clinic_id", "case_id"),
        Index(None, "receipt_hash"),
    )

    restricted: ClassVar[bool] = True
    """Its entries are hidden from the case's clinician."""

    case_id: UUID
    by: ResponseBy = word(ResponseBy)
    receipt_hash: str | None = Field(default=None, sa_type=sa.String(64))
    last_sent_at: datetime


class DoorSession(Record, table=True):
    """A visit at the door, by an invitation's code or by a receipt; nothing of a network is kept.

    One by a code has its `box_id` once something was sent, and shows nothing of it. `updated_at`:
    when it was last seen.
    """

    __tablename__ = "door_sessions"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("invitation_id", "invitations"),
        points_at("box_id", "boxes"),
        Index(None, "clinic_id", "updated_at"),
    )

    case_id: UUID
    invitation_id: UUID | None = None
    box_id: UUID | None = None
    token_hash: str = short_text(64)
