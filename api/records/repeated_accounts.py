"""Tells what is sent twice at the door from what is said anew."""

from uuid import UUID

from sqlmodel import col, select

from api.access.at_door import Visit
from api.domain.vocabulary import AccountStatus
from api.records.door_bodies import AccountCreate
from api.storage.models.accounts import Account, AccountExclusion
from api.storage.transaction import Transaction


async def sent_already(tx: Transaction, visit: Visit, body: AccountCreate) -> Account | None:
    """Find what was sent in this visit that says the very same, to the same readers.

    What was taken back since is said anew.
    """
    if visit.box is None:
        return None
    sent = select(Account).where(
        Account.clinic_id == tx.clinic.id,
        Account.box_id == visit.box.id,
        Account.created_at >= visit.session.created_at,
        Account.status != AccountStatus.taken_back,
    )
    for account in await tx.exec(sent):
        is_the_same = _told(account, account.happened_on, account.addressed_to) == _told(
            body, body.when, body.to
        )
        if is_the_same and await _left_out(tx, account) == {*body.not_to}:
            found: Account = account
            return found
    return None


def _told(said: AccountCreate | Account, when: object, to: object) -> tuple[object, ...]:
    what = (said.happened, said.topics, said.wants, said.safe_now, said.reach)
    return (*what, said.date_precision, said.shared, when, to)


async def _left_out(tx: Transaction, account: Account) -> set[UUID]:
    named = select(col(AccountExclusion.user_id)).where(
        AccountExclusion.clinic_id == tx.clinic.id,
        AccountExclusion.account_id == account.id,
        col(AccountExclusion.by_client),
    )
    return set(await tx.exec(named))
