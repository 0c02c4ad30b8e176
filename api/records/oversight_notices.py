"""What somebody is told of: who has come to see their work, or to sign in as them.

Nobody gains sight of a client's records unseen. Whatever gives it, or gives it back, is told from
what happened: a notice is made with its entry of the journal, in the same transaction, and no later
change of the rows takes it away. Those concerned are told, and all privacy officers.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import and_, or_
from sqlmodel import SQLModel, col, select, update
from uuid_utils.compat import uuid7

from api.access.actor_names import Known, known_by
from api.access.visibility.cases import on_its_case
from api.domain.errors import NotFound
from api.domain.permissions.actions import Action
from api.domain.permissions.table import SUPERVISING, TREATING, Actor, may_ever, opens_others_work
from api.domain.rules.moment import midnight
from api.domain.values import Output
from api.domain.vocabulary import Role
from api.journal.entries import Happening, Row, record_row
from api.storage.models.access import (
    AccessGrant,
    AccessNotice,
    AccessNoticeReader,
    GrantKind,
    NoticeKind,
    Supervision,
)
from api.storage.models.clinical import Case
from api.storage.models.people import ServiceAccount, User
from api.storage.transaction import Transaction

KEPT_FOR = timedelta(days=90)
"""How long a notice that was read is shown; one that was not is shown for ever."""
MOST = 100
"""Notices that somebody is told at once, the newest."""

_READERS = SQLModel.metadata.tables[AccessNoticeReader.__tablename__]


class Notice(Output):
    """Somebody has come to see a clinician's work, or could sign in as somebody else.

    `user_id` is who: a person, or software; `record_id` is by what, and `actor_id` is who brought
    it about. `read_at` is when you said that you had read it.
    """

    id: UUID
    kind: NoticeKind
    at: datetime
    user_id: UUID
    user_name: str | None
    record_id: UUID
    actor_id: UUID | None
    actor_name: str | None
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class News:
    """Something that is told: the entry of the journal that it is told from, and whose deed."""

    entry_id: UUID
    actor_id: UUID | None


def news_of(
    tx: Transaction,
    happening: Happening,
    row: Row,
    *,
    actor_id: UUID,
    changed: Iterable[str] = (),
) -> News:
    """Journal what was written to a row, so that it can be told of."""
    return News(record_row(tx, happening, row, actor_id=actor_id, changed=changed), actor_id)


@dataclass(frozen=True, slots=True)
class Admitted:
    """As whom somebody may sign in."""

    role: Role
    is_active: bool
    email: str

    @classmethod
    def as_is(cls, user: User) -> "Admitted":
        """Say how it is now, before or after a change."""
        return cls(user.role, user.is_active, user.email)

    @property
    def supervises(self) -> bool:
        """Tell whether their links and their emergency openings count."""
        return self.is_active and self.role in SUPERVISING

    @property
    def treats(self) -> bool:
        """Tell whether their covers count."""
        return self.is_active and self.role in TREATING


# ----------------------------------------------------------------------------- making them


async def tell(
    tx: Transaction,
    news: News,
    kind: NoticeKind,
    *,
    of: UUID,
    record_id: UUID,
    concerned: Collection[UUID] = (),
    at: datetime | None = None,
) -> None:
    """Tell those concerned, and all privacy officers, that somebody sees more than before.

    `of` is who does; `at` is when, if that lies ahead. The people concerned must be written.
    """
    # ids grow with time, and so do notices in their lists
    ahead = None if at is None else int(at.timestamp() * 1_000_000_000)
    notice = AccessNotice(
        clinic_id=tx.clinic.id,
        id=uuid7(nanoseconds=ahead),
        at=at or tx.now,
        kind=kind,
        actor_id=news.actor_id,
        user_id=of,
        record_id=record_id,
        entry_id=news.entry_id,
    )
    tx.add(notice)
    # its readers' rows point at it
    await tx.flush()
    for user_id in concerned:
        tx.add(AccessNoticeReader(clinic_id=tx.clinic.id, user_id=user_id, notice_id=notice.id))


async def tell_of_link(tx: Transaction, news: News, link: Supervision) -> None:
    """Tell of a link that gives sight, today or from a day to come; then on that day again."""
    told: Any = {
        "of": link.supervisor_id,
        "record_id": link.id,
        "concerned": {link.clinician_id},
    }
    await tell(tx, news, NoticeKind.supervision, **told)
    await _withdraw(tx, [link.id])
    if link.starts_on > tx.today and _holds_some_day(link):
        begins = midnight(link.starts_on, tx.clinic.zone)
        await tell(tx, news, NoticeKind.supervision_begins, **told, at=begins)


async def tell_of_new_end(
    tx: Transaction, news: News, link: Supervision, former: date | None
) -> None:
    """Tell of a link that holds again or for longer; no more of one that now never will."""
    if _after(link.ends_on, tx.today) and _after(link.ends_on, former or date.max):
        await tell_of_link(tx, news, link)
    elif not _holds_some_day(link):
        await _withdraw(tx, [link.id])


async def tell_of_new_user(tx: Transaction, news: News, user: User) -> None:
    """Tell of a user that an admin made: of their role, and that somebody knows their password."""
    told: Any = {"of": user.id, "record_id": user.id, "concerned": {user.id}}
    if opens_others_work(user.role):
        await tell(tx, news, NoticeKind(user.role), **told)
    await tell(tx, news, NoticeKind.first_password, **told)


async def tell_of_changed_user(tx: Transaction, news: News, user: User, before: Admitted) -> None:
    """Tell of another role or address, of who is let in again, and what sight came back by it."""
    told: Any = {"of": user.id, "record_id": user.id, "concerned": {user.id}}
    now = Admitted.as_is(user)
    for kind, is_so in (
        (NoticeKind(user.role), now.role != before.role),
        (NoticeKind.let_in_again, now.is_active and not before.is_active),
        (NoticeKind.email_changed, now.email != before.email),
    ):
        if is_so:
            await tell(tx, news, kind, **told)
    if now.supervises and not before.supervises:
        for link in await _links_of(tx, user):
            await tell_of_link(tx, news, link)
        await _tell_of_grants(tx, news, user, GrantKind.break_glass)
    elif before.supervises and not now.supervises:
        await _withdraw(tx, [link.id for link in await _links_of(tx, user)])
    if now.treats and not before.treats:
        await _tell_of_grants(tx, news, user, GrantKind.cover)


async def tell_of_grant(tx: Transaction, news: News, grant: AccessGrant, clinician: UUID) -> None:
    """Tell the clinician of a case who sees it by an exception, unless it was they who made it."""
    concerned = {clinician} - {news.actor_id}
    kind = _BY_GRANT[grant.kind]
    await tell(tx, news, kind, of=grant.user_id, record_id=grant.id, concerned=concerned)


async def tell_of_transfer(tx: Transaction, news: News, case: Case, before: UUID) -> None:
    """Tell the clinicians of a case, former and new, that it was handed over."""
    concerned = {before, case.clinician_id} - {news.actor_id}
    now = case.clinician_id
    await tell(tx, news, NoticeKind.transfer, of=now, record_id=case.id, concerned=concerned)


async def tell_of_software(tx: Transaction, news: News, account: ServiceAccount) -> None:
    """Tell everybody who keeps a case of software that reads what was said on it."""
    keepers = await tx.exec(select(col(Case.clinician_id)).distinct())
    concerned = set(keepers) - {news.actor_id}
    kind = NoticeKind.software
    await tell(tx, news, kind, of=account.id, record_id=account.id, concerned=concerned)


async def _links_of(tx: Transaction, user: User) -> Sequence[Supervision]:
    ends_on = col(Supervision.ends_on)
    links = select(Supervision).where(
        Supervision.clinic_id == tx.clinic.id,
        Supervision.supervisor_id == user.id,
        or_(ends_on.is_(None), ends_on > tx.today),
    )
    found: Sequence[Supervision] = (await tx.exec(links.order_by(col(Supervision.id)))).all()
    return found


async def _tell_of_grants(tx: Transaction, news: News, user: User, kind: GrantKind) -> None:
    """Tell of the exceptions that hold, or will, and that count again for somebody."""
    grants = select(AccessGrant, col(Case.clinician_id)).join(Case, on_its_case(AccessGrant))
    held = grants.where(
        AccessGrant.clinic_id == tx.clinic.id,
        AccessGrant.user_id == user.id,
        AccessGrant.kind == kind,
        col(AccessGrant.ends_at) > tx.now,
    )
    for grant, clinician in await tx.exec(held.order_by(col(AccessGrant.id))):
        await tell_of_grant(tx, news, grant, clinician)


async def _withdraw(tx: Transaction, links: Collection[UUID]) -> None:
    """Take back what a day to come would have brought about."""
    if links:
        ahead = update(AccessNotice).where(
            col(AccessNotice.clinic_id) == tx.clinic.id,
            col(AccessNotice.record_id).in_(links),
            col(AccessNotice.at) > tx.now,
        )
        await tx.exec(ahead.values(withdrawn_at=tx.now))


def _holds_some_day(link: Supervision) -> bool:
    return _after(link.ends_on, link.starts_on)


def _after(end: date | None, day: date) -> bool:
    return (end or date.max) > day


# ---------------------------------------------------------------------------- showing them


def notices_told(tx: Transaction, me: Actor, *, read: bool | None = None) -> Any:
    """Select what somebody is told of: all that is unread, and 90 days of what was read.

    `read`: only what was, or was not.
    """
    read_at = col(AccessNoticeReader.read_at)
    by_me = and_(
        col(AccessNoticeReader.clinic_id) == AccessNotice.clinic_id,
        col(AccessNoticeReader.user_id) == me.id,
        col(AccessNoticeReader.notice_id) == AccessNotice.id,
    )
    wanted = [] if read is None else [read_at.is_not(None) if read else read_at.is_(None)]
    # privacy officers hear of everybody's
    statement: Any = (
        sa.select(*_SHOWN, read_at)
        .select_from(AccessNotice)
        .join(AccessNoticeReader, by_me, isouter=may_ever(me, Action.notice_read_all))
    )
    return statement.where(
        col(AccessNotice.clinic_id) == tx.clinic.id,
        col(AccessNotice.at) <= tx.now,
        col(AccessNotice.withdrawn_at).is_(None),
        or_(read_at.is_(None), col(AccessNotice.at) > tx.now - KEPT_FOR),
        *wanted,
    )


async def notices_for(tx: Transaction, me: Actor) -> list[Notice]:
    """Tell somebody the newest hundred, newest first."""
    newest = notices_told(tx, me).order_by(col(AccessNotice.id).desc()).limit(MOST)
    shown = await show_notices(tx, (await tx.exec(newest)).all())
    return sorted(shown, key=lambda notice: (notice.at, notice.id), reverse=True)


async def show_notices(tx: Transaction, rows: Sequence[Any]) -> list[Notice]:
    """Show notices with the names of whom they tell."""
    known = await known_by(tx, (each for row in rows for each in (row.user_id, row.actor_id)))
    return [
        Notice.model_validate(
            {
                **row._mapping,
                "user_name": _name(known, row.user_id),
                "actor_name": _name(known, row.actor_id),
            }
        )
        for row in rows
    ]


async def mark_as_read(tx: Transaction, me: Actor, ids: Collection[UUID]) -> None:
    """Keep that somebody has read these notices. Raises 404 for one that is not told to them."""
    told = (await tx.exec(notices_told(tx, me).where(col(AccessNotice.id).in_(ids)))).all()
    if {row.id for row in told} != set(ids):
        raise NotFound
    for notice_id in sorted(ids):
        # of a privacy officer nothing is kept before; twice at once is once
        row = {"clinic_id": tx.clinic.id, "user_id": me.id, "notice_id": notice_id}
        await tx.insert_unless_there(_READERS, row)
    unread = update(AccessNoticeReader).where(
        col(AccessNoticeReader.clinic_id) == tx.clinic.id,
        col(AccessNoticeReader.user_id) == me.id,
        col(AccessNoticeReader.notice_id).in_(ids),
        col(AccessNoticeReader.read_at).is_(None),
    )
    await tx.exec(unread.values(read_at=tx.now))


_SHOWN = (
    col(AccessNotice.id),
    col(AccessNotice.kind),
    col(AccessNotice.at),
    col(AccessNotice.user_id),
    col(AccessNotice.record_id),
    col(AccessNotice.actor_id),
)
_BY_GRANT = {
    GrantKind.cover: NoticeKind.cover,
    GrantKind.break_glass: NoticeKind.break_glass,
    GrantKind.recusal: NoticeKind.recusal_ended,
}
"""What is told of an exception that counts, or in the last case counts no more."""


def _name(known: dict[UUID, Known], row_id: UUID | None) -> str | None:
    somebody = known.get(row_id) if row_id else None
    return None if somebody is None else somebody.name
