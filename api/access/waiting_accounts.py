"""How many accounts wait at the door until somebody reads them: their number, and nothing else."""

from sqlmodel import col, func, select

from api.access.visibility.accounts import seen_accounts
from api.access.visibility.cases import on_its_case
from api.access.visibility.reader import reader
from api.domain.permissions.table import Actor
from api.domain.vocabulary import AccountStatus
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case
from api.storage.transaction import Transaction


async def count_unread(tx: Transaction, me: Actor) -> int:
    """Count what is addressed to somebody and was read by nobody yet."""
    waiting = (
        select(func.count())
        .select_from(Account)
        .join(Case, on_its_case(Account))
        .where(
            col(Account.clinic_id) == tx.clinic.id,
            col(Account.status) == AccountStatus.received,
            seen_accounts(reader(tx, me)),
        )
    )
    number: int = (await tx.exec(waiting)).one()
    return number
