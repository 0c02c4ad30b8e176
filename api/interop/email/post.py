"""Carries what is owed by e-mail: claimed, handed to the mail server, and written down.

No transaction is open while the mail server is spoken to. Who dies before the words of an e-mail
are under way leaves it to be tried again; from then on it is not tried again, whatever happens
(decision 0046): nobody is written to twice.
"""

import asyncio
import random
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlmodel import col, select

from api.domain.vocabulary import Severity
from api.interop.email.concerned import SENT_TO_ALL, Waiting, still_concerns, wants_mail, what_waits
from api.interop.email.handing_over import Letter, PostOffice, Result, hand_over
from api.interop.email.letters import is_plain, what_is_said, write_letter
from api.interop.email.not_safe import unread_danger
from api.interop.email.owed import owe_what_is_new
from api.interop.webhooks.deliveries import CLAIMED_FOR, JITTER, WAITS
from api.languages.choosing import choose
from api.languages.spoken import language_of
from api.storage.database import Database
from api.storage.instants import never_back
from api.storage.models.journal import WHAT_HAPPENED, JournalEntry
from api.storage.models.mails import Mail, MailKind, MailStatus
from api.storage.models.people import Clinic, User
from api.storage.questions import AcrossClinics
from api.storage.transaction import Transaction

AT_ONCE = 8
"""E-mails under way: as many connections as most mail servers let one sender have."""
GIVEN_UP_AFTER = timedelta(days=1)

_present: Any = sa.bindparam("present")
_CLINICS_WITH_MAIL_TO_DO = AcrossClinics(
    plain=sa.select(col(Clinic.id)).where(
        sa.or_(
            col(Clinic.mailed_until).is_(None),
            col(Clinic.digest_due_at) <= _present,
            sa.exists().where(
                col(Mail.clinic_id) == Clinic.id, col(Mail.next_attempt_at) <= _present
            ),
            sa.exists().where(
                col(JournalEntry.clinic_id) == Clinic.id,
                col(JournalEntry.at) > Clinic.mailed_until,
                WHAT_HAPPENED,
            ),
            # looked at anew until it is late: a few, and seldom
            unread_danger(),
        )
    ),
    guarded=sa.text("SELECT id FROM clinics_with_mail_to_do(:present)"),
)

log = structlog.get_logger("worker")


class Post:
    """Looks after what is owed by e-mail in every clinic, a few e-mails at a time."""

    def __init__(self, database: Database, office: PostOffice) -> None:
        self._database = database
        self._office = office

    async def go_round(self) -> int:
        """Owe what is new, and carry what is due, as far as there is room; count the e-mails."""
        async with self._database.transaction() as tx:
            found = (await tx.ask_everywhere(_CLINICS_WITH_MAIL_TO_DO, present=tx.now)).all()
        letters: list[Letter] = []
        # no clinic is always the last one
        for (clinic_id,) in random.sample(found, len(found)):
            try:
                letters += await self._from(clinic_id, AT_ONCE - len(letters))
            except Exception as error:
                # never its text, and the other clinics' turn all the same
                log.error("work failed", work="mail", kind=type(error).__name__)
        await asyncio.gather(*map(self._carry, letters))
        return len(letters)

    async def _from(self, clinic_id: UUID, room: int) -> list[Letter]:
        async with self._database.transaction() as tx:
            await tx.enter_for_work(clinic_id)
            await owe_what_is_new(tx)
        if room <= 0:
            return []
        async with self._database.transaction() as tx:
            await tx.enter_for_work(clinic_id)
            return await self._claim(tx, room)

    async def _claim(self, tx: Transaction, room: int) -> list[Letter]:
        due = (
            select(Mail)
            .where(Mail.clinic_id == tx.clinic.id, col(Mail.next_attempt_at) <= tx.now)
            .order_by(col(Mail.next_attempt_at), col(Mail.id))
            .limit(room)
            .with_for_update(skip_locked=True)
        )
        letters = [await self._prepare(tx, mail) for mail in await tx.exec(due)]
        return [letter for letter in letters if letter is not None]

    async def _prepare(self, tx: Transaction, mail: Mail) -> Letter | None:
        """Write a letter as things stand now. None: it is over, or there is nothing to tell."""
        user: User = (await tx.exec(select(User).where(User.id == mail.user_id))).one()
        waiting = await _what_is_left_to_tell(tx, mail, user)
        if (over := _why_over(tx, mail, user, waiting)) is not None:
            mail.change({"status": over, "next_attempt_at": None}, tx.now)
            log.info("mail", mail=str(mail.id), outcome=str(over))
            return None
        liked = (await tx.exec(select(col(Clinic.language)))).one()
        language = language_of(choose((), user.language, liked))
        head, now = self._office.head, tx.now.astimezone(tx.clinic.zone)
        says = what_is_said(mail.kind, waiting or {}, language, now, head)
        mail.change({"next_attempt_at": tx.now + CLAIMED_FOR}, tx.now)
        message = write_letter(head, user.email, mail.id, says, now)
        return Letter(tx.clinic.id, mail.id, mail.version, user.email, message)

    async def _carry(self, letter: Letter) -> None:
        try:
            begin = partial(begin_to_hand_over, self._database, letter)
            result = await hand_over(letter, self._office, begin)
            await write_down(self._database, letter, result)
        except Exception as error:
            # it stays as it was kept last: claimed, or handed over
            log.error("work failed", work="mail", kind=type(error).__name__)


async def _what_is_left_to_tell(tx: Transaction, mail: Mail, user: User) -> Waiting | None:
    """Look once more, at the moment of sending. None: nobody is to be told anything any more."""
    if mail.kind not in SENT_TO_ALL and not wants_mail(user):
        return None
    if mail.kind not in {MailKind.daily, MailKind.critical}:
        return {} if await still_concerns(tx, mail, user) else None
    waiting = await what_waits(tx, user)
    if mail.kind == MailKind.critical and Severity.critical not in waiting:
        return None
    return waiting or None


def _why_over(
    tx: Transaction, mail: Mail, user: User, waiting: Waiting | None
) -> MailStatus | None:
    """Say why an e-mail is not tried any more. None: it is."""
    if mail.status == MailStatus.handed_over:
        # who handed it over died before the answer was written down
        return MailStatus.uncertain
    if tx.now - mail.created_at >= GIVEN_UP_AFTER or not is_plain(user.email):
        return MailStatus.given_up
    return MailStatus.needless if waiting is None else None


async def begin_to_hand_over(database: Database, letter: Letter) -> bool:
    """Keep that the words are under way; False where it is not ours to send them any more.

    Committed before the first word leaves: whoever finds it so never sends them again.
    """
    async with database.transaction() as tx:
        await tx.enter_for_work(letter.clinic_id)
        ours = sa.update(Mail).where(
            col(Mail.clinic_id) == letter.clinic_id,
            col(Mail.id) == letter.mail_id,
            col(Mail.version) == letter.version,
            col(Mail.status) == MailStatus.owed,
        )
        begun = await tx.exec(
            ours.values(
                status=MailStatus.handed_over,
                version=letter.version + 1,
                next_attempt_at=tx.now + CLAIMED_FOR,
                updated_at=never_back(col(Mail.updated_at), tx.instant),
            )
        )
        return bool(begun.rowcount)


async def write_down(database: Database, letter: Letter, result: Result) -> None:
    """Keep what came of a try, and say when it is tried again, if it is."""
    if result == Result.not_ours:
        return
    async with database.transaction() as tx:
        await tx.enter_for_work(letter.clinic_id)
        found = await tx.exec(select(Mail).where(Mail.id == letter.mail_id).with_for_update())
        mail: Mail = found.one()
        if mail.version > letter.version + 1 and result != Result.sent:
            # it took too long, and somebody else has decided meanwhile
            return
        mail.change(_after(mail, result, tx), tx.now)
        outcome = result if mail.status == MailStatus.owed else mail.status
        log.info("mail", mail=str(mail.id), outcome=str(outcome))


def _after(mail: Mail, result: Result, tx: Transaction) -> dict[str, Any]:
    """Say what a try changes on its e-mail."""
    if result == Result.sent:
        return {"status": MailStatus.sent, "next_attempt_at": None}
    if result == Result.uncertain:
        return {"status": MailStatus.uncertain, "next_attempt_at": None}
    tried = {"attempts": mail.attempts + 1}
    if result == Result.refused or mail.attempts >= len(WAITS):
        return {**tried, "status": MailStatus.given_up, "next_attempt_at": None}
    wait = WAITS[mail.attempts] * (1 + JITTER * random.random())  # noqa: S311 - no secret
    return {**tried, "status": MailStatus.owed, "next_attempt_at": tx.now + wait}
