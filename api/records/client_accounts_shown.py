"""Accounts as their readers are shown them, and as the therapist is what was shared."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import Field
from sqlmodel import select

from api.domain.values import Output
from api.domain.vocabulary import (
    AccountStatus,
    AccountTo,
    AccountTopic,
    AccountWant,
    CameBy,
    DatePrecision,
    Determination,
    ResponseBy,
    SafeNow,
    Sharing,
)
from api.records.client_account_views import Surroundings, changed_since, surroundings_of
from api.records.from_accounts import read_from
from api.records.read_models import RecordRead
from api.storage.models.accounts import Account, AccountMove, AccountReply, MoveKind
from api.storage.models.clinical import Case
from api.storage.transaction import Transaction


class AccountLine(RecordRead):
    """An account in a list, without what was said: that is read one by one, and the client is told.

    `words_at`: when they last wrote of it.
    """

    case_id: UUID
    by: ResponseBy
    came_by: CameBy
    language: str
    topics: list[AccountTopic]
    wants: list[AccountWant]
    safe_now: SafeNow
    to: AccountTo = Field(validation_alias="addressed_to")
    status: AccountStatus
    words_at: datetime
    answered_at: datetime | None


class WordsRead(Output):
    """Further words of the client; null where they were destroyed."""

    at: datetime
    words: str | None


class ReplyRead(Output):
    """An answer that was given."""

    id: UUID
    at: datetime
    by_id: UUID
    reply: str | None


class MoveRead(Output):
    """What a reader did: that they read it, stepped out, or told the therapist of it, and why."""

    at: datetime
    by_id: UUID
    reason: str | None


class ChangedSince(Output):
    """Something that changed on the case since the account came: a list, and no rule."""

    at: datetime
    happening: str
    record_type: str | None
    record_id: UUID | None


class AccountRead(AccountLine):
    """What a client said, and what became of it. Texts are null where they were destroyed.

    `reach` is for a person, who heeds what is not to be done. `not_to`: whom the client named as
    nobody to read it. `therapist_reads_from`: the day from which who has the case by now reads what
    is shared of it. Until then nobody speaks of it with them, save where the law or a danger to
    life compels.
    """

    happened: str | None
    further_words: list[WordsRead]
    when: date | None
    date_precision: DatePrecision
    reach: str | None
    not_to: list[UUID]
    shared: Sharing
    shared_from: date | None
    therapist_reads_from: date | None
    read_by: list[MoveRead]
    stepped_out: list[MoveRead]
    told: list[MoveRead]
    replies: list[ReplyRead]
    closed_at: datetime | None
    closed_by_id: UUID | None
    determination: Determination | None
    closing_note: str | None
    taken_back_at: datetime | None
    since: list[ChangedSince]


class SharedAccount(Output):
    """What a client shared with their therapist, under an id of its own, from `shared_on` on."""

    id: UUID
    case_id: UUID
    happened: str | None
    topics: list[AccountTopic]
    when: date | None
    date_precision: DatePrecision
    shared_on: date


async def show_account(tx: Transaction, account: Account) -> AccountRead:
    """Show an account to one of its readers."""
    await tx.flush()
    around = (await surroundings_of(tx, [account]))[account.id]
    case = (await tx.exec(select(Case).where(Case.id == account.case_id))).one()
    return AccountRead.model_validate(
        {
            **account.__dict__,
            "when": account.happened_on,
            "therapist_reads_from": read_from(account, case),
            "further_words": [{"at": row.created_at, "words": row.words} for row in around.words],
            "not_to": [each.user_id for each in around.left_out if each.by_client],
            "read_by": _moves(around, MoveKind.read),
            "stepped_out": _moves(around, MoveKind.stepped_out),
            "told": _moves(around, MoveKind.told),
            "replies": [
                {
                    "id": row.id,
                    "at": row.created_at,
                    "by_id": row.recorded_by_id,
                    "reply": row.reply,
                }
                for row in around.replies
            ],
            "since": await changed_since(tx, account),
        }
    )


def _moves(around: Surroundings, kind: MoveKind) -> list[dict[str, Any]]:
    return [{**_by(row), "reason": row.reason} for row in around.of(kind)]


def _by(row: AccountReply | AccountMove) -> dict[str, Any]:
    return {"at": row.created_at, "by_id": row.recorded_by_id}


def show_shared(account: Account) -> SharedAccount:
    """Show what is shared of an account."""
    return SharedAccount.model_validate(
        {
            **account.__dict__,
            "id": account.shared_as,
            "when": account.happened_on,
            "shared_on": account.shared_from,
        }
    )
