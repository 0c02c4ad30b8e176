"""What a copy of a case holds of what was said at its door, and answered there or on paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import col, or_, select

from api.access.visibility.accounts import seen_accounts, shared_with
from api.access.visibility.cases import on_its_case
from api.access.visibility.reader import reader
from api.access.visibility.records import visible_disclosures, visible_incidents, visible_responses
from api.domain.permissions.case_rules import Standing
from api.domain.permissions.table import Actor
from api.domain.vocabulary import AccountStatus, ResponseBy
from api.records.client_account_views import Surroundings, surroundings_of
from api.records.client_accounts_shown import show_shared
from api.records.patient_copy_schemas import (
    AccountCopied,
    AnswerToAccount,
    CaseCopy,
    People,
    Recipient,
    WordsCopied,
)
from api.storage.models.accounts import Account, AccountReply
from api.storage.models.clinical import Case, Incident
from api.storage.models.disclosures import Disclosure
from api.storage.models.door import Response
from api.storage.transaction import Transaction

_RECORD_REQUEST = "record_request"
_WRITTEN_BY = {
    Recipient.client: ResponseBy.client,
    Recipient.representative: ResponseBy.guardian,
}
"""Whose words each is given: neither a client nor a guardian learns of the other's door."""


@dataclass(frozen=True, slots=True)
class SaidAtDoor:
    """What a copy holds of accounts and responses.

    `whole`: it is given by those to whom that is addressed; else by the therapist with whom some of
    it is shared.
    """

    accounts: Sequence[Account]
    responses: Sequence[Response]
    around: dict[Any, Surroundings]
    whole: bool
    is_kept: bool
    """Whether it is hidden whatever it holds: it lists a hidden copy, or one was asked for so."""

    @property
    def is_hidden(self) -> bool:
        """Whether the therapist is not to know that a copy was given with this in it."""
        by_door = [*self.accounts, *(each for each in self.responses if each.restricted)]
        return self.whole and (self.is_kept or bool(by_door))

    def ids(self) -> set[UUID]:
        """Give the ids of all that is in it, as the copy has them."""
        called = [each.id if self.whole else each.shared_as for each in self.accounts]
        responses = (each.id for each in self.responses)
        return {*(each for each in called if each is not None), *responses}

    def replies(self) -> list[AccountReply]:
        """Give the answers that are in it."""
        return [each for account in self.accounts for each in self._around(account).replies]

    def accounts_copied(self, people: People) -> list[AccountCopied]:
        """Show the accounts that are in it."""
        return [
            self._whole_account(account, people) if self.whole else _as_shared(account)
            for account in self.accounts
        ]

    def _around(self, account: Account) -> Surroundings:
        return self.around.get(account.id) or Surroundings()

    def _whole_account(self, account: Account, people: People) -> AccountCopied:
        around = self._around(account)
        said = {
            **account.__dict__,
            "when": account.happened_on,
            "shared_on": account.shared_from,
            "sent_at": account.created_at,
            "further_words": [
                WordsCopied(at=each.created_at, words=each.words) for each in around.words
            ],
            "replies": [
                AnswerToAccount(
                    at=each.created_at, by=people.get(each.recorded_by_id), reply=each.reply
                )
                for each in around.replies
            ],
        }
        return AccountCopied.model_validate(said)


def _as_shared(account: Account) -> AccountCopied:
    unknown = dict.fromkeys(("sent_at", "safe_now", "reach", "closed_at"))
    nothing: dict[str, Any] = {"wants": [], "further_words": [], "replies": []}
    return AccountCopied.model_validate({**dict(show_shared(account)), **unknown, **nothing})


async def said_at_door(
    tx: Transaction, me: Actor, case: Case, standing: Standing, recipient: Recipient
) -> SaidAtDoor:
    """Gather what somebody who gives a copy of a case gives of it to whom the copy is for.

    The case's clinician gives what is shared with them, a linked supervisor what is addressed to
    them; what was taken back is given to nobody.
    """
    whole, who, by = not standing.own, reader(tx, me), _WRITTEN_BY[recipient]
    on_case = (
        col(Account.case_id) == case.id,
        col(Account.by) == by,
        col(Account.status) != AccountStatus.taken_back,
    )
    accounts = await _seen(tx, Account, seen_accounts(who) if whole else shared_with(who), *on_case)
    responses = await _seen(
        tx,
        Response,
        visible_responses(tx, me),
        col(Response.case_id) == case.id,
        or_(col(Response.box_id).is_(None), col(Response.by) == by),
        col(Response.voided_at).is_(None),
    )
    around = await surroundings_of(tx, accounts) if whole and accounts else {}
    is_kept = whole and await _is_kept(tx, me, case.id)
    return SaidAtDoor(accounts, responses, around, whole, is_kept)


async def still_seen(tx: Transaction, me: Actor, copy: CaseCopy, *, is_hidden: bool) -> SaidAtDoor:
    """Find what a copy held, when it was given, that somebody who reads it now may know of.

    One that is hidden was given by those to whom what it holds is addressed.
    """
    whole, who = is_hidden, reader(tx, me)
    called = Account.id if whole else Account.shared_as
    seen = seen_accounts(who) if whole else or_(seen_accounts(who), shared_with(who))
    ids = [each.id for each in copy.accounts]
    accounts = await _seen(tx, Account, seen, col(called).in_(ids)) if ids else []
    ids = [each.id for each in copy.responses]
    among = col(Response.id).in_(ids)
    responses = await _seen(tx, Response, visible_responses(tx, me), among) if ids else []
    return SaidAtDoor(accounts, responses, {}, whole, is_hidden)


async def _is_kept(tx: Transaction, me: Actor, case_id: UUID) -> bool:
    given = (Disclosure.case_id == case_id, col(Disclosure.restricted))
    asked = (
        Incident.case_id == case_id,
        Incident.kind == _RECORD_REQUEST,
        col(Incident.account_id).is_not(None),
        col(Incident.restricted),
        col(Incident.voided_at).is_(None),
    )
    return bool(
        await _seen(tx, Disclosure, visible_disclosures(tx, me), *given)
        or await _seen(tx, Incident, visible_incidents(tx, me), *asked)
    )


async def _seen(tx: Transaction, model: Any, seen: Any, *wanted: Any) -> list[Any]:
    statement = (
        select(model)
        .join(Case, on_its_case(model))
        .where(model.clinic_id == tx.clinic.id, seen, *wanted)
    )
    return list(await tx.exec(statement.order_by(model.id)))
