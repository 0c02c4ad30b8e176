"""What is said and told at the door as JSON, for portals that run on a server, and for tests."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, SecretStr, model_validator

from api.domain.door import ToldAtDoor
from api.domain.questionnaires import Part, QuestionnaireTexts
from api.domain.values import Input, Output
from api.domain.vocabulary import (
    AccountStatus,
    AccountTo,
    AccountTopic,
    AccountWant,
    CameBy,
    DatePrecision,
    ResponseBy,
    Role,
    SafeNow,
    Sharing,
)

_Secret = Annotated[SecretStr, Field(max_length=64)]


class Knock(Input):
    """An invitation's code or a receipt: one of the two."""

    code: _Secret | None = None
    receipt: _Secret | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.code is None) == (self.receipt is None):
            raise ValueError("Send a code or a receipt, and not both.")
        return self

    @property
    def typed(self) -> str:
        """What was typed, whichever it is."""
        shown = self.code if self.receipt is None else self.receipt
        return "" if shown is None else shown.get_secret_value()


class VisitRead(Output):
    """A visit: its `token` opens nothing but the door, until thirty minutes after its last use."""

    token: str
    came_by: CameBy
    by: ResponseBy
    languages: list[str]
    ends_at: datetime


class NamedReader(Output):
    """Somebody by name; `role` is null where it is not told any more."""

    id: UUID
    name: str
    role: Role


class WhoReads(Output):
    """Who reads what is sent, by when, and who does not; told before anything is asked.

    Privacy officers read what is sent to them, and whatever no supervisor can read. `nobody`: there
    is none of either; then `elsewhere` says who else can be asked.
    """

    supervisors: list[NamedReader]
    privacy_officers: list[NamedReader]
    not_among_them: list[NamedReader]
    nobody: bool
    read_within_days: int
    anonymous: bool
    watched_now: bool
    guardian_may_ask: bool
    emergency: ToldAtDoor
    duty: ToldAtDoor
    elsewhere: ToldAtDoor
    leave_to: str | None


class AskedRead(Output):
    """What is asked at this door, in each language that it is offered in.

    Nobody reads the answers by a set day: whoever wants somebody to look, or is not safe, says what
    happened.
    """

    id: UUID
    version: int
    languages: list[str]
    parts: list[Part]
    texts: QuestionnaireTexts


class AnsweredRead(Output):
    """Answers were kept; the receipt is there the first time, and is shown this once."""

    receipt: str | None


class AnswerMine(Output):
    """One's own answer to one item; null: none was given, or it was destroyed."""

    link_id: str
    value: bool | int | str | None


class ResponseMine(Output):
    """What somebody answered themselves."""

    questionnaire_id: UUID
    version: int
    sent_on: date
    shared: Sharing
    shared_from: date | None
    answers: list[AnswerMine]


class SentRead(Output):
    """What was sent: its number, and the first time the receipt, which is shown this once.

    `emergency` says what to do now where they are not safe, or not sure; else it is null.
    """

    n: int
    receipt: str | None
    emergency: ToldAtDoor | None


class WordsMine(Output):
    """Further words, and the day they were sent."""

    on: date
    words: str | None


class ReaderMine(Output):
    """Who has read it, and on which day."""

    name: str
    role: Role
    on: date


class ReplyMine(Output):
    """An answer, who gave it, and on which day."""

    name: str
    role: Role
    on: date
    reply: str | None


class AccountMine(Output):
    """One's own account, and what became of it; texts are null where they were destroyed.

    `told_on`: the days on which somebody spoke of it with the therapist, because the law or a
    danger to life compelled them.
    """

    n: int
    sent_on: date
    status: AccountStatus
    happened: str | None
    further_words: list[WordsMine]
    topics: list[AccountTopic]
    when: date | None
    date_precision: DatePrecision
    wants: list[AccountWant]
    safe_now: SafeNow
    reach: str | None
    to: AccountTo
    shared: Sharing
    shared_from: date | None
    read_by: list[ReaderMine]
    replies: list[ReplyMine]
    told_on: list[date]
    closed_on: date | None
