"""Who reads accounts: kept for the client, who is told by name and day."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from sqlmodel import col, select

from api.domain.permissions.case_rules import OVERSIGHT
from api.domain.permissions.table import Actor
from api.domain.vocabulary import AccountStatus
from api.journal.entries import Happening, record_shown
from api.records.client_accounts import new_move
from api.records.client_accounts_shown import AccountRead, show_account
from api.storage.models.accounts import Account, AccountMove, MoveKind
from api.storage.transaction import Transaction


async def open_account(
    tx: Transaction, me: Actor, account: Account, *, reads: bool = True
) -> AccountRead:
    """Show an account to one of its readers: whoever is shown its words has read it."""
    await note_opened(tx, me, account, reads=reads)
    return await show_account(tx, account)


async def note_opened(tx: Transaction, me: Actor, *accounts: Account, reads: bool = True) -> None:
    """Keep that somebody to whom accounts are addressed has read them.

    `reads`: not who asks only what an answer would look like, who is shown no word of it.
    """
    read = accounts if reads else ()
    await note_readers(tx, me, *read)
    for account in read:
        if account.read_at is None:
            waited = account.status == AccountStatus.received
            status = AccountStatus.read if waited else account.status
            account.change({"status": status, "read_at": tx.now}, tx.now)
    record_shown(tx, Happening.account_read, accounts, actor_id=me.id, purpose=OVERSIGHT)


@dataclass(frozen=True, slots=True)
class Shared:
    """An account as it is shared: by its own id, and of nobody's box."""

    id: UUID
    account: Account

    noun: ClassVar[str] = Account.noun
    restricted: ClassVar[bool] = False

    @property
    def case_id(self) -> UUID:
        """The case that it is about."""
        return self.account.case_id


async def note_shared_opened(
    tx: Transaction,
    me: Actor,
    *accounts: Account,
    purpose: str | None = None,
    reads: bool = True,
) -> None:
    """Keep that somebody with whom accounts are shared has read what is shared of them."""
    await note_readers(tx, me, *(accounts if reads else ()))
    shared = [Shared(row.shared_as, row) for row in accounts if row.shared_as is not None]
    record_shown(tx, Happening.account_read, shared, actor_id=me.id, purpose=purpose)


async def note_readers(tx: Transaction, me: Actor, *accounts: Account) -> None:
    """Keep who reads accounts for the first time, the therapist with whom one is shared, too."""
    if not accounts:
        return
    mine = select(col(AccountMove.account_id)).where(
        AccountMove.clinic_id == tx.clinic.id,
        col(AccountMove.account_id).in_([each.id for each in accounts]),
        AccountMove.kind == MoveKind.read,
        AccountMove.recorded_by_id == me.id,
    )
    read = set(await tx.exec(mine))
    for account in accounts:
        if account.id not in read:
            tx.add(new_move(tx, account, MoveKind.read, me.id))
