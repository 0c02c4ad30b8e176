"""Which account a record was made of: named to whoever reads that account, and to nobody else."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, or_, select

from api.access.visibility.accounts import seen_accounts, shared_with
from api.access.visibility.cases import on_its_case
from api.access.visibility.reader import reader
from api.domain.permissions.table import Actor
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case, Incident, Promise
from api.storage.transaction import Transaction


async def accounts_named(
    tx: Transaction, me: Actor, records: Sequence[Incident | Promise]
) -> dict[UUID, UUID]:
    """Give the account of each record, by the record's id, as somebody may ask for it.

    A hidden record exists for its account's readers alone. One that is not hidden is seen by others
    too, and the therapist knows an account by the id under which it was shared.
    """
    named = {row.id: row.account_id for row in records if row.account_id is not None}
    told = {row.id: named[row.id] for row in records if row.restricted and row.id in named}
    open_to_all = {each for id_, each in named.items() if id_ not in told}
    if open_to_all:
        known = await _known(tx, me, open_to_all)
        told |= {id_: known[each] for id_, each in named.items() if each in known}
    return told


async def _known(tx: Transaction, me: Actor, accounts: set[UUID]) -> dict[UUID, UUID]:
    who = reader(tx, me)
    reads = seen_accounts(who)
    statement = (
        select(Account.id, Account.shared_as, reads.label("reads"))
        .join(Case, on_its_case(Account))
        .where(
            Account.clinic_id == tx.clinic.id,
            col(Account.id).in_(accounts),
            or_(reads, shared_with(who)),
        )
    )
    return {row.id: row.id if row.reads else row.shared_as for row in await tx.exec(statement)}
