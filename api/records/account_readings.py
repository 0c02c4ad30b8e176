"""Who reads accounts: kept for the client, who is told by name and day."""

from sqlmodel import col, select

from api.domain.permissions.case_rules import OVERSIGHT
from api.domain.permissions.table import Actor
from api.domain.vocabulary import AccountStatus
from api.journal.entries import Happening, record_shown
from api.records.client_accounts import new_move
from api.records.client_accounts_shown import AccountRead, show_account
from api.storage.models.accounts import Account, AccountMove, MoveKind
from api.storage.transaction import Transaction


async def open_account(tx: Transaction, me: Actor, account: Account) -> AccountRead:
    """Show an account to one of its readers: whoever is shown its words has read it."""
    await note_readers(tx, me, account)
    if account.read_at is None:
        waited = account.status == AccountStatus.received
        status = AccountStatus.read if waited else account.status
        account.change({"status": status, "read_at": tx.now}, tx.now)
    record_shown(tx, Happening.account_read, [account], actor_id=me.id, purpose=OVERSIGHT)
    return await show_account(tx, account)


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
