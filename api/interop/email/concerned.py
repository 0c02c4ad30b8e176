"""Whom something concerns that is told by e-mail, and what waits for somebody, as they see it."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import func
from sqlmodel import col, select

from api.access.visibility.cases import on_its_case, visible_cases
from api.access.visibility.reader import reader
from api.access.visibility.records import existing_record, visible_flags
from api.domain.lifecycles import BRIEF_LASTS
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor, roles_that_may
from api.domain.vocabulary import ConsultationStatus, EmailNotices, Severity
from api.interop.email.not_safe import still_to_read
from api.storage.models.access import AccessNotice, AccessNoticeReader, NoticeKind
from api.storage.models.clinical import Case, Consultation
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.models.journal import JournalEntry
from api.storage.models.mails import Mail, MailKind
from api.storage.models.people import User
from api.storage.transaction import Transaction

Waiting = Mapping[Severity, int]
"""How many flags wait for somebody, of each severity that there is."""

_NOTICES: tuple[tuple[MailKind, frozenset[NoticeKind]], ...] = (
    (MailKind.linked, frozenset({NoticeKind.supervision, NoticeKind.supervision_begins})),
    (
        MailKind.password,
        frozenset(
            {
                NoticeKind.first_password,
                NoticeKind.password_reset_offered,
                NoticeKind.password_reset,
            }
        ),
    ),
    (MailKind.emergency, frozenset({NoticeKind.break_glass})),
)
SENT_TO_ALL = frozenset({MailKind.not_safe, MailKind.not_safe_unread})
"""What is sent at once, whatever somebody has set: who is not safe cannot wait for a wish."""
MAILED = frozenset().union(*(kinds for _, kinds in _NOTICES))
"""The notices that are told by e-mail too; all are told at `/v1/me/notices`."""


def mail_of(kind: NoticeKind) -> MailKind:
    """Give the sort of e-mail that tells of a notice. Raises StopIteration for one of no sort."""
    return next(mail for mail, kinds in _NOTICES if kind in kinds)


def wants_mail(user: User) -> bool:
    """Tell whether somebody is written to at all."""
    return user.is_active and user.email_notices != EmailNotices.never


async def what_waits(tx: Transaction, user: User) -> Waiting:
    """Count the unresolved flags that somebody is shown at `/v1/flags`, by severity."""
    counted: Any = sa.select(col(Flag.severity), func.count())
    found = await tx.exec(_seen(tx, user, counted).group_by(Flag.severity))
    return dict(iter(found))


async def sees_critical(tx: Transaction, user: User, flag_ids: Collection[UUID]) -> bool:
    """Tell whether one of some flags is critical, and waits for somebody."""
    critical = _seen(tx, user, sa.select(col(Flag.id))).where(
        col(Flag.id).in_(flag_ids), col(Flag.severity) == Severity.critical
    )
    return (await tx.exec(critical.limit(1))).first() is not None


def _seen(tx: Transaction, user: User, selected: Any) -> Any:
    # by the same words as the lists ask: what is hidden from somebody is counted nowhere
    me = _as_who_asks(user)
    return (
        selected.select_from(Flag)
        .join(Case, on_its_case(Flag))
        .where(
            col(Flag.clinic_id) == tx.clinic.id,
            IS_UNRESOLVED,
            visible_cases(tx, me),
            visible_flags(tx, me),
        )
    )


async def told_of(tx: Transaction, notice: AccessNotice) -> set[UUID]:
    """Give whom a notice is told to by e-mail: those concerned, and who has something to do."""
    concerned = select(col(AccessNoticeReader.user_id)).where(
        AccessNoticeReader.clinic_id == tx.clinic.id, AccessNoticeReader.notice_id == notice.id
    )
    told = set(await tx.exec(concerned))
    match mail_of(notice.kind):
        case MailKind.linked:
            # the supervisor, who is told nothing at /v1/me/notices: it is their own link
            told.add(notice.user_id)
        case MailKind.emergency:
            may_review = col(User.role).in_(roles_that_may(Action.glass_review))
            told |= set(await tx.exec(select(col(User.id)).where(may_review)))
    return told


async def asked_of(tx: Transaction, consultation_id: UUID) -> UUID | None:
    """Give whom a request is put to by name. None: to nobody, or it waits no more."""
    found = select(col(Consultation.consultant_id)).where(
        Consultation.id == consultation_id, Consultation.status == ConsultationStatus.requested
    )
    asked: UUID | None = (await tx.exec(found)).first()
    return asked


async def still_concerns(tx: Transaction, mail: Mail, user: User) -> bool:
    """Tell whether what a single e-mail is of is still told to somebody."""
    if mail.kind in SENT_TO_ALL:
        return await still_to_read(tx, mail, user)
    if mail.kind == MailKind.consultation:
        entry = await tx.exec(
            select(col(JournalEntry.record_ids)).where(JournalEntry.id == mail.source_id)
        )
        return any([await is_asked(tx, user, UUID(each)) for each in entry.one()])
    found = await tx.exec(select(AccessNotice).where(AccessNotice.id == mail.source_id))
    notice: AccessNotice = found.one()
    return user.id in await told_of(tx, notice)


async def is_asked(tx: Transaction, user: User, consultation_id: UUID) -> bool:
    """Tell whether a request waits for somebody's answer, and exists for them."""
    who = reader(tx, _as_who_asks(user))
    waits = (
        select(col(Consultation.id))
        .join(Case, on_its_case(Consultation))
        .where(
            Consultation.clinic_id == tx.clinic.id,
            Consultation.id == consultation_id,
            Consultation.consultant_id == user.id,
            Consultation.status == ConsultationStatus.requested,
            existing_record(Consultation, who, tx.now - BRIEF_LASTS),
            col(Case.voided_at).is_(None),
        )
    )
    return (await tx.exec(waits)).first() is not None


def _as_who_asks(user: User) -> Actor:
    return Actor(user.id, user.role, user.id)
