"""What somebody may see of a clinic, said by pure functions alone from the rows there are.

It is the other way round from the program, which asks in SQL for what somebody sees: here every row
is read by the owner of the tables, and the pure functions are asked about each of them in Python.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from api.access.visibility.cases import may_see_case
from api.access.visibility.records import (
    may_keep_note,
    may_read_note,
    may_see_flag,
    may_see_restricted,
)
from api.domain.lifecycles import BRIEF_LASTS, is_unresolved
from api.domain.permissions.case_rules import Standing
from api.domain.permissions.table import TREATING, Actor
from api.domain.vocabulary import ConsultationStatus, Role, Scope
from api.storage.models.access import (
    AccessGrant,
    AccessNotice,
    AccessNoticeReader,
    GrantKind,
    Supervision,
)
from api.storage.models.accounts import Account
from api.storage.models.clinical import (
    Case,
    Consultation,
    Decline,
    Incident,
    LegalHold,
    Note,
    Promise,
    RecordVersion,
)
from api.storage.models.columns import sealed_columns
from api.storage.models.disclosures import Disclosure
from api.storage.models.door import Invitation
from api.storage.models.door import Response as Answered
from api.storage.models.flags import Flag
from api.storage.models.journal import JournalEntry
from api.storage.models.people import User
from api.storage.transaction import Transaction
from tests.support.world import Person, World

TABLES = (
    Case,
    Incident,
    Promise,
    Consultation,
    Flag,
    Note,
    AccessGrant,
    Supervision,
    Decline,
    Disclosure,
    LegalHold,
    User,
    Answered,
    Invitation,
)
"""The tables whose rows are not for everybody, and of which each row by itself tells for whom.

Not accounts: who reads one depends on who else does, which `ReadersAtDoor` knows.
"""

WORD = re.compile(r"zq[0-9a-f]{12}")
"""A word that stands in one text only."""

_OPEN = {ConsultationStatus.accepted, ConsultationStatus.in_progress}


@dataclass
class Rows:
    """Every row of a clinic at one moment, and in which record each word ever stood."""

    now: datetime
    by_table: dict[Any, list[Any]]
    words: dict[str, tuple[Any, UUID]] = field(default_factory=dict)
    noticed: dict[UUID, set[Any]] = field(default_factory=dict)
    """By person, the ids of records that notices to them name, and the instants."""
    stood: dict[UUID, set[datetime]] = field(default_factory=dict)
    """By record, the instants at which its earlier versions were written."""

    @classmethod
    async def read(
        cls, world: World, clinic_id: UUID, words: dict[str, tuple[Any, UUID]]
    ) -> "Rows":
        """Read the rows of a clinic as their owner; `words` are those known before, which grow."""
        async with world.owner.transaction() as tx:
            await tx.enter(clinic_id)
            found = {
                table: list(await tx.exec(select(table).where(table.clinic_id == clinic_id)))
                for table in (*TABLES, Account)
            }
            noticed = await _noticed(tx, clinic_id)
            stood = await _stood(tx, clinic_id)
        for table, rows in found.items():
            for row in rows:
                for word in _words_of(table, row):
                    words.setdefault(word, (table, row.id))
        return cls(world.clock.now, found, words, noticed, stood)

    def __getitem__(self, table: Any) -> list[Any]:
        """Give the rows of a table."""
        return self.by_table[table]

    def unsealed_words(self) -> set[str]:
        """Give the words of texts that are not sealed."""
        return {word for flag in self[Flag] for word in _unsealed_words_of(flag)}

    def case(self, case_id: UUID) -> Case:
        """Give a case."""
        found: Case = next(row for row in self[Case] if row.id == case_id)
        return found


async def _noticed(tx: Transaction, clinic_id: UUID) -> dict[UUID, set[Any]]:
    to_whom = col(AccessNotice.id) == AccessNoticeReader.notice_id
    told = select(AccessNotice, col(AccessNoticeReader.user_id)).join(AccessNoticeReader, to_whom)
    noticed: dict[UUID, set[Any]] = defaultdict(set)
    for notice, user_id in await tx.exec(told.where(AccessNotice.clinic_id == clinic_id)):
        noticed[user_id] |= {str(notice.record_id), notice.at}
    return noticed


async def _stood(tx: Transaction, clinic_id: UUID) -> dict[UUID, set[datetime]]:
    columns = col(RecordVersion.record_id), col(RecordVersion.written_at)
    stood: dict[UUID, set[datetime]] = defaultdict(set)
    for record_id, at in await tx.exec(
        select(*columns).where(RecordVersion.clinic_id == clinic_id)
    ):
        stood[record_id].add(at)
    return stood


def _words_of(table: Any, row: Any) -> Iterator[str]:
    for column in sealed_columns(table):
        text = getattr(row, column)
        if text:
            yield from WORD.findall(text)
    if table is Flag:
        yield from _unsealed_words_of(row)


def _unsealed_words_of(flag: Flag) -> list[str]:
    """Give what a flag is called and why it was raised: no sealed text, though said by hand."""
    return WORD.findall(f"{flag.title} {flag.because}")


@dataclass
class Eyes:
    """One reader: how they stand to each case, and which rows exist for them."""

    person: Person
    scopes: frozenset[Scope]
    rows: Rows

    def __post_init__(self) -> None:
        """Look at every row once."""
        self.actor = Actor(self.person.id, self._role(), self.person.id, scopes=self.scopes)
        self.standings = {case.id: self._standing(case) for case in self.rows[Case]}
        self.seen: dict[Any, set[UUID]] = defaultdict(set)
        for table in TABLES:
            self.seen[table] = {row.id for row in self.rows[table] if self._sees(table, row)}

    @property
    def ids(self) -> set[str]:
        """Every id of a row that exists for them."""
        return {str(row_id) for ids in self.seen.values() for row_id in ids}

    @property
    def hidden(self) -> set[str]:
        """Every id of a row that does not."""
        return {
            str(row.id)
            for table in TABLES
            for row in self.rows[table]
            if row.id not in self.seen[table]
        }

    def hidden_words(self) -> set[str]:
        """Every word that stands, or ever stood, in a text they may not read."""
        hidden = {
            word
            for word, (table, row_id) in self.rows.words.items()
            if not self._reads(table, row_id)
        }
        if self.actor.is_software and Scope.narrative_read not in self.scopes:
            hidden |= self.rows.words.keys() - self.rows.unsealed_words()
        return hidden

    def hidden_days(self) -> set[str]:
        """The days that only hidden incidents happened on: a flag's words would tell them."""
        days: dict[str, bool] = {}
        for row in self.rows[Incident]:
            day = row.occurred_on.isoformat()
            days[day] = days.get(day, False) or row.id in self.seen[Incident]
        for row in self.rows[Promise]:
            day = row.made_on.isoformat()
            days[day] = days.get(day, False) or row.id in self.seen[Promise]
        for row in self.rows[Answered]:
            days[row.answered_on.isoformat()] = True
        # an exception is told with its days to those it concerns, and so is a link
        spans = [
            *((row.id, row.starts_at, row.ends_at) for row in self.rows[AccessGrant]),
            *((row.id, row.starts_on, row.ends_on) for row in self.rows[Supervision]),
        ]
        known = self.seen[AccessGrant] | self.seen[Supervision]
        for row_id, *ends in spans:
            if row_id in known:
                days |= {each.isoformat()[:10]: True for each in ends if each is not None}
        return {day for day, is_known in days.items() if not is_known}

    def hidden_instants(self) -> set[datetime]:
        """The instants at which only hidden rows were written, or are due."""
        hidden: set[datetime] = set()
        known: set[datetime] = set()
        for table in TABLES:
            for row in self.rows[table]:
                # what stood in a record is told to whoever sees it as it is now
                instants = {*_instants(row), *self.rows.stood.get(row.id, ())}
                (known if row.id in self.seen[table] else hidden).update(instants)
        # that a copy was given out is told with what happened on the case
        known |= {
            row.created_at
            for row in self.rows[Disclosure]
            if not row.restricted and self._sees_case(row.case_id)
        }
        return hidden - known

    def waiting_on(self, case_id: UUID) -> list[Flag]:
        """Give the unresolved flags of a case that exist for them."""
        return [
            flag
            for flag in self.rows[Flag]
            if flag.case_id == case_id and is_unresolved(flag.status) and flag.id in self.seen[Flag]
        ]

    def _role(self) -> Role:
        mine = (row.role for row in self.rows[User] if row.id == self.person.id)
        return next(mine, Role.service)

    def _standing(self, case: Case) -> Standing:
        if self.actor.is_software:
            return Standing(service=True)
        if case.clinician_id == self.actor.id:
            return Standing(own=True)
        supervises = self.actor.role == Role.supervisor
        return Standing(
            linked=supervises and self._is_linked(case),
            covering=self.actor.role in TREATING and self._granted(case, GrantKind.cover),
            opened=supervises and self._granted(case, GrantKind.break_glass),
            conflicted=self._is_conflicted(case),
        )

    def _is_linked(self, case: Case) -> bool:
        today = self.rows.now.date()
        return any(
            link.supervisor_id == self.actor.id
            and link.clinician_id == case.clinician_id
            and link.starts_on <= today
            and (link.ends_on is None or link.ends_on > today)
            for link in self.rows[Supervision]
        )

    def _granted(self, case: Case, kind: GrantKind) -> bool:
        return any(
            grant.kind == kind
            and (grant.case_id, grant.user_id) == (case.id, self.actor.id)
            and grant.starts_at <= self.rows.now
            and (grant.ends_at is None or grant.ends_at > self.rows.now)
            for grant in self.rows[AccessGrant]
        )

    def _is_conflicted(self, case: Case) -> bool:
        about_them = any(
            row.case_id == case.id and row.about_user_id == self.actor.id and row.voided_at is None
            for row in self.rows[Incident]
        )
        return about_them or self._granted(case, GrantKind.recusal)

    def _sees(self, table: Any, row: Any) -> bool:
        if table is Case:
            return self._sees_case(row.id)
        if table in (User, Supervision):
            return True
        standing = self.standings[row.case_id]
        if table is Consultation and not may_see_case(standing):
            return self._reads_brief(row)
        if table is Note and self._keeps(row):
            return True
        if table is Invitation and row.recorded_by_id == self.actor.id:
            return True
        if table is AccessGrant:
            return self._knows_of(row)
        if table is LegalHold:
            return self.actor.role == Role.privacy_officer
        if table is Decline:
            return False
        return self._sees_case(row.case_id) and self._sees_record(table, row, standing)

    def _sees_case(self, case_id: UUID) -> bool:
        return may_see_case(self.standings[case_id])

    def _sees_record(self, table: Any, row: Any, standing: Standing) -> bool:
        if table in (Incident, Promise) and row.restricted:
            return may_see_restricted(self.actor, standing, row.recorded_by_id)
        if table is Flag:
            return may_see_flag(standing, row.audience, restricted=row.restricted)
        if table is Disclosure and row.restricted:
            return standing.linked
        if table in (Disclosure, Answered):
            return standing.own or standing.linked
        if table is Invitation:
            return standing.linked
        if table is Note:
            return may_read_note(
                self.actor, standing, row.note_class, row.status, row.recorded_by_id
            )
        return True

    def _keeps(self, note: Note) -> bool:
        return may_keep_note(self.actor, note.recorded_by_id)

    def _knows_of(self, grant: AccessGrant) -> bool:
        """Who keeps the clinic's privacy knows of each exception, others where it concerns them."""
        if self.actor.role in (Role.privacy_officer, Role.admin):
            return True
        return grant.user_id == self.actor.id or self._sees_case(grant.case_id)

    def _reads_brief(self, asked: Consultation) -> bool:
        if self.actor.role != Role.consultant or not asked.released:
            return False
        case = self.rows.case(asked.case_id)
        kept_away = case.voided_at is not None or self._is_conflicted(case)
        if kept_away or asked.recorded_by_id == self.actor.id:
            return False
        since = self.rows.now - BRIEF_LASTS
        if asked.status == ConsultationStatus.requested:
            declined = any(
                (row.consultation_id, row.user_id) == (asked.id, self.actor.id)
                for row in self.rows[Decline]
            )
            reaches_me = asked.consultant_id in (None, self.actor.id)
            return reaches_me and not declined and _since(asked.requested_at, since)
        held = asked.status in _OPEN and asked.consultant_id == self.actor.id
        return held and _since(asked.accepted_at, since)

    def _reads(self, table: Any, row_id: UUID) -> bool:
        if row_id not in self.seen[table]:
            return False
        if self.actor.role == Role.privacy_officer:
            return table is AccessGrant or table is LegalHold
        return True


def _since(instant: datetime | None, since: datetime) -> bool:
    return instant is not None and instant > since


def _instants(row: Any) -> Iterable[datetime]:
    """Give every instant that stands in a row."""
    return (value for value in row.model_dump().values() if isinstance(value, datetime))


async def own_refusals(world: World, person: Person) -> set[str]:
    """Give the entries of what somebody asked for and was refused: they hold what was asked."""
    async with world.owner.transaction() as tx:
        await tx.enter(person.clinic_id)
        asked = select(JournalEntry.id).where(
            JournalEntry.actor_id == person.id, JournalEntry.happening == "request.refused"
        )
        return {str(entry_id) for entry_id in await tx.exec(asked)}
