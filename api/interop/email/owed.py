"""What is owed by e-mail: derived from what was journalled, and from the hour of the day.

Each clinic keeps up to when this was done, in the transaction that owes. So nothing is passed over,
and nothing is owed twice: not by two workers at once, and not after one was killed.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import SQLModel, col, select
from uuid_utils.compat import uuid7

from api.domain.vocabulary import EmailNotices
from api.interop.email.concerned import (
    MAILED,
    asked_of,
    is_asked,
    mail_of,
    sees_critical,
    told_of,
    wants_mail,
    what_waits,
)
from api.interop.email.not_safe import (
    UNREAD_AFTER,
    accounts_of_danger,
    officers_to_tell,
    readers_to_tell,
)
from api.journal.entries import Happening
from api.storage.models.access import AccessNotice
from api.storage.models.columns import new_row
from api.storage.models.journal import WHAT_HAPPENED, JournalEntry
from api.storage.models.mails import Mail, MailKind
from api.storage.models.people import Clinic, User
from api.storage.transaction import Transaction

DIGEST_AT = time(7)
"""When the daily e-mail is owed, as clocks in the clinic show it."""
LOOKED_BACK = timedelta(days=1)
"""How long ago something may have happened that is still told, after a pause of the worker."""
_SETTLED = timedelta(seconds=2)
"""By how much another server's clock may be behind, and what happened there is still seen."""
_LATE = timedelta(minutes=2)
"""How much later a notice may be seen than it says; what was owed already is not owed again."""

_RISES = (
    Happening.flag_opened,
    Happening.flag_raised,
    Happening.flag_escalated,
    Happening.flag_revived,
    Happening.flag_reopened,
)
"""What may let something critical wait that did not before."""
_ASKS = (Happening.consultation_requested, Happening.consultation_changed)
_NAMES_SOMEBODY = {"consultant_id", "released"}
"""What a request is changed by where somebody is asked who was not, or could not read it."""

_MAILS = SQLModel.metadata.tables[Mail.__tablename__]


class _Entry(NamedTuple):
    """What is read of an entry of the journal."""

    id: UUID
    happening: str
    record_ids: list[str]
    changed: list[str]


async def owe_what_is_new(tx: Transaction) -> None:
    """Owe what was not owed yet in the clinic entered; a second worker waits, and finds nothing."""
    here = col(Clinic.id) == tx.clinic.id
    kept = select(col(Clinic.mailed_until), col(Clinic.digest_due_at)).where(here)
    # not FOR UPDATE: whoever writes a record meanwhile only needs the clinic to be there
    since, digest_due_at = (await tx.exec(kept.with_for_update(key_share=True))).one()
    until = min(await tx.listing_until(), tx.now - _SETTLED)
    if since is None:
        # nobody is written to of what was there before
        since, digest_due_at = until, next_digest(tx.now, tx.clinic.zone)
    if until > since:
        earliest = max(since, until - LOOKED_BACK)
        await _owe_of_danger(tx, earliest, until)
        await _owe_what_happened(tx, earliest, until)
    if digest_due_at <= tx.now:
        await _owe_digests(tx)
        digest_due_at = next_digest(tx.now, tx.clinic.zone)
    reached = {"mailed_until": max(since, until), "digest_due_at": digest_due_at}
    await tx.exec(sa.update(Clinic).where(here).values(reached))


def next_digest(now: datetime, zone: ZoneInfo) -> datetime:
    """Give the next instant at which clocks in a place show the hour of daily e-mails."""
    today = now.astimezone(zone).date()
    mornings = (datetime.combine(today + timedelta(days=n), DIGEST_AT, zone) for n in (0, 1))
    return next(each.astimezone(now.tzinfo) for each in mornings if each > now)


async def _owe_digests(tx: Transaction) -> None:
    """Owe everybody their daily e-mail for whom something waits."""
    day = tx.today.isoformat()
    for user in await _who_wants_mail(tx):
        if await what_waits(tx, user):
            await _owe(tx, user.id, MailKind.daily, uuid5(user.id, day))


async def _owe_what_happened(tx: Transaction, since: datetime, until: datetime) -> None:
    entries = await _entries(tx, since, until)
    notices = await _notices(tx, since - _LATE, until)
    if not entries and not notices:
        return
    people = {user.id: user for user in await _who_wants_mail(tx)}
    await _owe_of_rises(tx, people.values(), [e for e in entries if e.happening in _RISES])
    for entry in filter(_asks_somebody, entries):
        await _owe_who_is_asked(tx, people, entry)
    for notice in notices:
        for user_id in sorted(people.keys() & await told_of(tx, notice)):
            await _owe(tx, user_id, mail_of(notice.kind), notice.id)


async def _owe_of_danger(tx: Transaction, since: datetime, until: datetime) -> None:
    """Owe it to every reader where somebody may not be safe, whatever they have set.

    And to the privacy officers what nobody has read for hours.
    """
    for account in await accounts_of_danger(tx, since, until):
        for user in await readers_to_tell(tx, account):
            await _owe(tx, user.id, MailKind.not_safe, account.id)
    late = since - UNREAD_AFTER, until - UNREAD_AFTER
    for account in await accounts_of_danger(tx, *late):
        if account.read_at is None:
            for user in await officers_to_tell(tx, account):
                await _owe(tx, user.id, MailKind.not_safe_unread, account.id)


async def _owe_of_rises(tx: Transaction, people: Iterable[User], rises: Sequence[_Entry]) -> None:
    """Owe one e-mail, however much that is critical came at once, to who wants it at once."""
    flag_ids = {UUID(each) for entry in rises for each in entry.record_ids}
    for user in people if rises else ():
        if user.email_notices == EmailNotices.at_once and await sees_critical(tx, user, flag_ids):
            await _owe(tx, user.id, MailKind.critical, rises[-1].id)


async def _owe_who_is_asked(tx: Transaction, people: Mapping[UUID, User], entry: _Entry) -> None:
    for consultation_id in map(UUID, entry.record_ids):
        asked = await asked_of(tx, consultation_id)
        user = None if asked is None else people.get(asked)
        if user is not None and await is_asked(tx, user, consultation_id):
            await _owe(tx, user.id, MailKind.consultation, entry.id)


def _asks_somebody(entry: _Entry) -> bool:
    return entry.happening == Happening.consultation_requested or (
        entry.happening == Happening.consultation_changed
        and not _NAMES_SOMEBODY.isdisjoint(entry.changed)
    )


async def _entries(tx: Transaction, since: datetime, until: datetime) -> list[_Entry]:
    entry = JournalEntry
    columns = (entry.id, entry.happening, entry.record_ids, entry.changed)
    found: Any = sa.select(*map(col, columns)).where(
        col(entry.clinic_id) == tx.clinic.id,
        col(entry.at) > since,
        col(entry.at) <= until,
        col(entry.happening).in_([str(each) for each in (*_RISES, *_ASKS)]),
        WHAT_HAPPENED,
    )
    return [_Entry(*row) for row in await tx.exec(found.order_by(col(entry.at), col(entry.id)))]


async def _notices(tx: Transaction, since: datetime, until: datetime) -> Sequence[AccessNotice]:
    found = select(AccessNotice).where(
        AccessNotice.clinic_id == tx.clinic.id,
        col(AccessNotice.at) > since,
        col(AccessNotice.at) <= until,
        col(AccessNotice.withdrawn_at).is_(None),
        col(AccessNotice.kind).in_(MAILED),
    )
    notices: Sequence[AccessNotice] = (await tx.exec(found.order_by(col(AccessNotice.id)))).all()
    return notices


async def _who_wants_mail(tx: Transaction) -> list[User]:
    everybody = await tx.exec(
        select(User).where(User.clinic_id == tx.clinic.id).order_by(col(User.id))
    )
    return [user for user in everybody if wants_mail(user)]


async def _owe(tx: Transaction, user_id: UUID, kind: MailKind, source_id: UUID) -> None:
    mail = new_row(
        Mail,
        clinic_id=tx.clinic.id,
        id=uuid7(),
        user_id=user_id,
        kind=kind,
        source_id=source_id,
        created_at=tx.now,
        updated_at=tx.now,
        next_attempt_at=tx.now,
    )
    await tx.insert_unless_there(_MAILS, mail.model_dump())
