"""Who is written to at once where a client says at their door that they are not safe."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, exists
from sqlalchemy import select as sa_select
from sqlmodel import col, or_, select

from api.access.visibility.accounts import is_left_out, not_concerned, seen_accounts
from api.access.visibility.cases import on_its_case
from api.access.visibility.reader import Reader
from api.domain.door import ENDANGERED
from api.domain.permissions.table import OFFICERS, SUPERVISING
from api.domain.vocabulary import AccountStatus, Role
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case
from api.storage.models.mails import Mail, MailKind
from api.storage.models.people import Clinic, User
from api.storage.transaction import Transaction

UNREAD_AFTER = timedelta(hours=4)
"""How long what is to be read at once may be unread before the privacy officers are told."""
ONE_AN_HOUR = timedelta(hours=1)
"""How soon after one notice of a case a reader is sent another."""


class Danger(NamedTuple):
    """The little that is asked of an account by which somebody says that they may not be safe."""

    id: UUID
    case_id: UUID
    status: AccountStatus
    read_at: datetime | None


_DANGER = (col(Account.id), col(Account.case_id), col(Account.status), col(Account.read_at))


async def accounts_of_danger(tx: Transaction, since: datetime, until: datetime) -> list[Danger]:
    """Give the accounts that came in a time, by which somebody says that they may not be safe."""
    statement = sa_select(*_DANGER).where(
        col(Account.clinic_id) == tx.clinic.id,
        col(Account.words_at) > since,
        col(Account.words_at) <= until,
        or_(*(col(Account.safe_now) == each for each in ENDANGERED)),
        # not what was taken back: that does not say that they are safe
        col(Account.status) != AccountStatus.closed,
    )
    return [Danger(*row) for row in await tx.exec(statement.order_by(col(Account.id)))]


def unread_danger() -> ColumnElement[bool]:
    """Say in SQL that something of the sort is unread in a clinic, and no officer was told yet."""
    told = exists().where(
        col(Mail.clinic_id) == Clinic.id,
        col(Mail.kind) == MailKind.not_safe_unread,
        col(Mail.source_id) == Account.id,
    )
    return exists().where(
        col(Clinic.mailed_until) <= bindparam("present"),
        col(Account.clinic_id) == Clinic.id,
        col(Account.read_at).is_(None),
        or_(*(col(Account.safe_now) == each for each in ENDANGERED)),
        # not what was taken back: that does not say that they are safe
        col(Account.status) != AccountStatus.closed,
        ~told.correlate(Clinic, Account),
    )


async def readers_to_tell(tx: Transaction, account: Danger) -> list[User]:
    """Give who reads an account, whatever they set; not who was told within the hour."""
    return [
        user
        for user in await _active(tx, SUPERVISING | OFFICERS)
        if await reads(tx, user, account) and not await _was_told(tx, user, account)
    ]


async def officers_to_tell(tx: Transaction, account: Danger) -> list[User]:
    """Give the privacy officers who are told that nobody has read an account yet."""
    return [user for user in await _active(tx, OFFICERS) if await _may_be_told(tx, user, account)]


async def still_to_read(tx: Transaction, mail: Mail, user: User) -> bool:
    """Tell whether what an e-mail is of still waits to be read by somebody, or to be told."""
    here = col(Account.clinic_id) == tx.clinic.id
    found = await tx.exec(sa_select(*_DANGER).where(here, col(Account.id) == mail.source_id))
    account = Danger(*found.one())
    if account.status == AccountStatus.closed:
        return False
    if mail.kind == MailKind.not_safe_unread:
        return account.read_at is None and await _may_be_told(tx, user, account)
    return await reads(tx, user, account)


async def reads(tx: Transaction, user: User, account: Danger) -> bool:
    """Tell whether an account exists for somebody."""
    statement = (
        select(col(Account.id))
        .join(Case, on_its_case(Account))
        .where(
            Account.clinic_id == tx.clinic.id,
            Account.id == account.id,
            seen_accounts(_as_reader(tx, user)),
        )
    )
    return (await tx.exec(statement)).first() is not None


async def _may_be_told(tx: Transaction, user: User, account: Danger) -> bool:
    """Tell whether nothing keeps a privacy officer from knowing that something is unread."""
    statement = (
        select(col(Account.id))
        .join(Case, on_its_case(Account))
        .where(
            Account.clinic_id == tx.clinic.id,
            Account.id == account.id,
            not_concerned(_as_reader(tx, user), user.id),
            ~is_left_out(tx.clinic.id, user.id, Account),
        )
    )
    return user.role in OFFICERS and (await tx.exec(statement)).first() is not None


async def _was_told(tx: Transaction, user: User, account: Danger) -> bool:
    """Tell whether somebody was told of the same case within the hour."""
    same_case = select(col(Account.id)).where(
        Account.clinic_id == tx.clinic.id, Account.case_id == account.case_id
    )
    told = select(col(Mail.id)).where(
        Mail.clinic_id == tx.clinic.id,
        Mail.user_id == user.id,
        Mail.kind == MailKind.not_safe,
        Mail.created_at > tx.now - ONE_AN_HOUR,
        col(Mail.source_id).in_(same_case),
    )
    return (await tx.exec(told.limit(1))).first() is not None


async def _active(tx: Transaction, roles: frozenset[Role]) -> list[User]:
    everybody = await tx.exec(
        select(User)
        .where(User.clinic_id == tx.clinic.id, col(User.is_active))
        .order_by(col(User.id))
    )
    return [user for user in everybody if user.role in roles]


def _as_reader(tx: Transaction, user: User) -> Reader:
    return Reader(tx.clinic.id, user.id, user.role, tx.now, tx.today)
