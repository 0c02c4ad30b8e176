"""Takes records into a clinic, batch by batch, each in a transaction of its own.

What is in stays in when a file breaks off; sent again, its lines are known by their keys. Each
record becomes the row it would have become at its door, with the same entries and the same flags.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from api.domain.permissions.case_rules import Standing, may_see_flag
from api.domain.vocabulary import ConsultationStatus
from api.flags.case_facts import Room
from api.flags.reconcile import WritesInARow, catch_up
from api.interop.bulk.parse import Read, Refused
from api.interop.bulk.take_line import (
    EVERYTHING,
    Known,
    Memory,
    NotTaken,
    Rights,
    Taken,
    Taking,
    is_hidden,
)
from api.journal.entries import Happening, record
from api.storage.database import Database
from api.storage.engine import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE, SERIALIZATION_FAILURE
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.integration import Import, ImportedRecord, ImportRefusal, ImportStatus
from api.storage.models.people import Clinic
from api.storage.transaction import ClinicContext, Transaction

BATCH_LINES = 250
BATCH_BYTES = 1024 * 1024
"""A batch is so small that others who write meanwhile hardly wait for it."""
BATCH_SECONDS = 1.0
"""Where one took longer, because rules look at a case with many records, the next is smaller."""

MOST_LINES = 500_000
MOST_LINES_REHEARSED = 50_000
"""Of a dry run that software asks for: nothing of it is in the database, so all of it is kept in
memory meanwhile, about 5 KB a case."""
SHOWN_REFUSALS = 100
_FILES_KEPT = 2_000
"""Cases whose facts a dry run remembers."""

_BETWEEN_BATCHES = 0.01
"""Seconds in which whoever waits for the database has their turn; SQLite has one connection."""

_PASSING = {SERIALIZATION_FAILURE, DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE}
_PAUSES = (0.1, 0.3, 1.0, 2.0)
"""Seconds to wait where somebody else holds what a batch needs."""

# clinic software sees no restricted flags, and no prompts: a number is not for it either
_TOLD_TO = Standing(service=True)


class TooManyLinesError(Exception):
    """The file has more lines than one import may have; those before are in."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who takes records into which clinic, and how; `rights` are asked anew for each batch."""

    clinic: ClinicContext
    actor_id: UUID
    form: str
    dry_run: bool = False
    request_id: str | None = None
    rights: Callable[[Transaction], Awaitable[Rights]] | None = None

    @property
    def most_lines(self) -> int:
        """How many lines may come; an operator's own process may rehearse as many as it takes."""
        asked_for = self.rights is not None
        return MOST_LINES_REHEARSED if self.dry_run and asked_for else MOST_LINES


@dataclass(slots=True)
class Done:
    """How far an import has come. `flags`: how many were opened, by rule."""

    row: Import | None = None
    lines: int = 0
    created: int = 0
    unchanged: int = 0
    refused: int = 0
    refusals: list[tuple[int, Refused]] = field(default_factory=list)
    flags: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Done") -> None:
        """Count a batch."""
        self.row = other.row
        self.lines += other.lines
        self.created += other.created
        self.unchanged += other.unchanged
        self.refused += other.refused
        self.refusals += other.refusals[: max(0, SHOWN_REFUSALS - len(self.refusals))]
        self.flags += other.flags


async def take_in(
    database: Database,
    order: Order,
    lines: AsyncIterator[Read],
    tell: Callable[[Done, Done], None] | None = None,
) -> Done:
    """Take every line in, or look at it only; `tell` hears of all so far, and of each batch.

    Raises TooManyLinesError, and what the lines and the database raise: then the batches before
    are in, and the import is marked as broken off.
    """
    importer = _Importer(database, order)
    try:
        return await _take_all(importer, order, lines, tell)
    except (Exception, asyncio.CancelledError):
        # a process that is killed says nothing: its import stays as one that is running
        await asyncio.shield(asyncio.create_task(importer.break_off()))
        raise


async def _take_all(
    importer: "_Importer",
    order: Order,
    lines: AsyncIterator[Read],
    tell: Callable[[Done, Done], None] | None,
) -> Done:
    done, batch, size = Done(), list[Read](), 0
    async for line in lines:
        if len(batch) >= importer.room or size >= BATCH_BYTES:
            _count(done, await importer.take(batch, is_last=False), tell)
            batch, size = [], 0
        if done.lines + len(batch) >= order.most_lines:
            _count(done, await importer.take(batch, is_last=False), tell)
            raise TooManyLinesError
        batch.append(line)
        size += line.size
    _count(done, await importer.take(batch, is_last=True), tell)
    return done


def _count(done: Done, batch: Done, tell: Callable[[Done, Done], None] | None) -> None:
    done.add(batch)
    if tell is not None:
        tell(done, batch)


class _Undo(Exception):
    """A dry run keeps nothing of what it did."""


class _Importer:
    """One import, from its first batch to its last."""

    def __init__(self, database: Database, order: Order) -> None:
        self._database, self._order = database, order
        self._id = uuid7()
        self._has_begun = False
        self.room = BATCH_LINES
        """How many lines the next batch may have."""
        self._memory = Memory()
        self._files: OrderedDict[UUID, WritesInARow] = OrderedDict()

    async def take(self, lines: Sequence[Read], *, is_last: bool) -> Done:
        """Take one batch; where somebody else holds what it needs, try again a little later."""
        if self._has_begun:
            await asyncio.sleep(_BETWEEN_BATCHES)
        for pause in (*_PAUSES, None):
            began = monotonic()
            try:
                batch = await self._try(lines, is_last=is_last)
            except DBAPIError as error:
                # what a dry run remembers of these cases may be half a batch ahead
                self._files.clear()
                if pause is None or not _may_pass(error):
                    raise
                await asyncio.sleep(pause)
            else:
                break
        self._has_begun = True
        is_slow = monotonic() - began > BATCH_SECONDS
        self.room = max(1, self.room // 2) if is_slow else min(BATCH_LINES, self.room * 2)
        return batch

    async def break_off(self) -> None:
        """Mark the import as one that nobody reads on; where that fails, it still says running."""
        if not self._has_begun:
            return
        with suppress(SQLAlchemyError, OSError):
            async with self._database.transaction(self._order.request_id) as tx:
                row = await self._begin(tx)
                # the last batch may have come through, and only its answer been lost
                if row.status is ImportStatus.running:
                    row.change({"status": ImportStatus.broken_off}, tx.now)
                    self._tell(tx, Happening.import_broken_off)

    async def _try(self, lines: Sequence[Read], *, is_last: bool) -> Done:
        dry = self._order.dry_run
        try:
            async with self._database.transaction(self._order.request_id) as tx:
                row = await self._begin(tx)
                done, taken = await self._work(tx, lines)
                if dry:
                    await tx.write_kept_back()
                    raise _Undo
                await self._note(tx, row, done, is_last=is_last)
        except _Undo:
            self._remember(taken)
            async with self._database.transaction(self._order.request_id) as tx:
                await self._note(tx, await self._begin(tx), done, is_last=is_last)
        return done

    async def _begin(self, tx: Transaction) -> Import:
        """Enter the clinic; give the import's row, which the first batch makes."""
        order = self._order
        await tx.enter_again(order.clinic)
        # nothing of what is sealed is read here
        tx.withhold_sealed_text(unless=False)
        if self._has_begun:
            found: Import = (await tx.exec(select(Import).where(Import.id == self._id))).one()
            return found
        row = Import(
            id=self._id,
            clinic_id=order.clinic.id,
            form=order.form,
            dry_run=order.dry_run,
            created_at=tx.now,
            updated_at=tx.now,
            recorded_by_id=order.actor_id,
        )
        tx.add(row)
        await tx.flush()
        self._tell(tx, Happening.import_begun)
        return row

    async def _note(self, tx: Transaction, row: Import, done: Done, *, is_last: bool) -> None:
        """Write down what came of a batch."""
        counts = {
            name: getattr(row, name) + getattr(done, name)
            for name in ("lines", "created", "unchanged", "refused")
        }
        row.change(counts, tx.now)
        for number, refused in done.refusals:
            tx.add(
                ImportRefusal(
                    clinic_id=tx.clinic.id,
                    import_id=row.id,
                    line=number,
                    pointer=refused.pointer,
                    message=refused.message,
                )
            )
        if is_last:
            row.status, row.finished_at = ImportStatus.finished, tx.now
            self._tell(tx, Happening.import_finished)
        done.row = row

    async def _work(self, tx: Transaction, lines: Sequence[Read]) -> tuple[Done, list[Taken]]:
        order, done = self._order, Done(lines=len(lines))
        rights = EVERYTHING if order.rights is None else await order.rights(tx)
        await _take_turns(tx)
        taking = Taking(tx, order.actor_id, rights, self._memory)
        good = [line for line in lines if not isinstance(line.line, Refused)]
        items = iter(await taking.prepare([each.line for each in good]))  # type: ignore[misc]
        for case in list(taking.cases):
            await catch_up(tx, case)
        taken = []
        for number, _, line in lines:
            if isinstance(line, Refused):
                done.refusals.append((number, line))
                continue
            if number % 20 == 0:
                # others who are served by this process have their turn
                await asyncio.sleep(0)
            try:
                made = await taking.take(next(items))
            except NotTaken as error:
                done.refusals.append((number, error.refused))
                continue
            if made is None:
                done.unchanged += 1
            else:
                taken.append(made)
        done.created, done.refused = len(taken), len(done.refusals)
        await self._write(tx, taken, done)
        return done, taken

    async def _write(self, tx: Transaction, taken: Sequence[Taken], done: Done) -> None:
        """Write the rows, each with its entries, and ask the rules after each."""
        # the parents first
        await tx.flush()
        for made in taken:
            if made.is_here:
                tx.add(self._name_of(tx, made))
        new = [made for made in taken if not made.is_here]
        files = await self._open_files(tx, new)
        for made in new:
            self._journal(tx, made)
            if not isinstance(made.row, Case):
                tx.add(made.row)
                file = files[made.case.id]
                opened = await file.add(tx, made.row, actor_id=self._order.actor_id)
                done.flags.update(
                    flag.rule
                    for flag in opened
                    if may_see_flag(_TOLD_TO, flag.audience, restricted=flag.restricted)
                )
            tx.add(self._name_of(tx, made))
            # the rules may have taken long: others have their turn after each
            await asyncio.sleep(0)
        await tx.flush()

    async def _open_files(
        self, tx: Transaction, taken: Sequence[Taken]
    ) -> dict[UUID, WritesInARow]:
        files: dict[UUID, WritesInARow] = {}
        new = {made.row.id for made in taken}
        read: WritesInARow | None = None
        for case in {made.case.id: made.case for made in taken}.values():
            if (known := self._files.get(case.id)) is not None:
                files[case.id] = known
            elif case.id in new and read is not None:
                files[case.id] = read.on_new(case)
            else:
                read = files[case.id] = await WritesInARow.on(tx, case)
        if self._order.dry_run:
            self._files |= files
            while len(self._files) > _FILES_KEPT:
                self._files.popitem(last=False)
        return files

    def _name_of(self, tx: Transaction, made: Taken) -> ImportedRecord:
        return ImportedRecord(
            clinic_id=tx.clinic.id,
            import_id=self._id,
            case_id=made.case.id,
            record_type=made.name.record_type,
            record_id=made.row.id,
            source_key=made.key,
            source_hash=made.name.source_hash,
            body_hash=made.body_hash,
            created_at=tx.now,
            updated_at=tx.now,
            recorded_by_id=self._order.actor_id,
        )

    def _journal(self, tx: Transaction, made: Taken) -> None:
        for happening in _happenings(made):
            record(
                tx,
                happening,
                actor_id=self._order.actor_id,
                record_type=made.line.type,
                record_ids=[made.row.id],
                case_id=made.case.id,
                restricted=getattr(made.row, "restricted", False),
            )

    def _tell(self, tx: Transaction, happening: Happening) -> None:
        record(
            tx,
            happening,
            actor_id=self._order.actor_id,
            record_type="import",
            record_ids=[self._id],
        )

    def _remember(self, taken: Sequence[Taken]) -> None:
        """Keep of a dry run's batch, which is undone, what later lines may name."""
        memory = self._memory
        for made in taken:
            memory.known[made.name] = Known(made.row.id, made.case.id, made.body_hash)
            if isinstance(made.row, Incident | Promise) and is_hidden(made.row):
                memory.hidden.add(made.row.id)
            if not isinstance(made.row, Case):
                memory.rooms.setdefault(made.case.id, Room()).take(made.row)
            if isinstance(made.row, Case):
                memory.cases[made.row.id] = made.row.model_dump()
                if made.row.voided_at is None:
                    reference = (made.row.client_ref_hash, made.row.started_on)
                    memory.references.add(reference)  # type: ignore[arg-type]


def _may_pass(error: DBAPIError) -> bool:
    """Tell whether a failure was somebody else's being just there."""
    state = getattr(error.orig, "sqlstate", None)
    return isinstance(error, IntegrityError) or state in _PASSING


async def _take_turns(tx: Transaction) -> None:
    """Let the batches of one clinic come one after the other: no key is taken twice.

    What the clinic has set is read anew: a long import outlasts a change of it.
    """
    mine = select(col(Clinic.time_zone), col(Clinic.watched_events))
    mine = mine.where(Clinic.id == tx.clinic.id)
    # whoever adds rows to the clinic meanwhile need not wait
    time_zone, watched = (await tx.exec(mine.with_for_update(key_share=True))).one()
    tx.know_zone(ZoneInfo(time_zone), watched)


_OF_STATUS = {
    ConsultationStatus.requested: (Happening.consultation_requested,),
    ConsultationStatus.declined: (
        Happening.consultation_requested,
        Happening.consultation_declined,
    ),
    ConsultationStatus.accepted: (
        Happening.consultation_requested,
        Happening.consultation_accepted,
    ),
    ConsultationStatus.in_progress: (
        Happening.consultation_requested,
        Happening.consultation_accepted,
        Happening.consultation_started,
    ),
    ConsultationStatus.completed: (
        Happening.consultation_requested,
        Happening.consultation_accepted,
        Happening.consultation_started,
        Happening.consultation_completed,
    ),
    ConsultationStatus.cancelled: (Happening.consultation_cancelled,),
}
_FIRST = {
    "case": Happening.case_opened,
    "incident": Happening.incident_reported,
    "promise": Happening.promise_recorded,
    "consultation": Happening.consultation_drafted,
}
_VOIDED = {
    "case": Happening.case_voided,
    "incident": Happening.incident_voided,
    "promise": Happening.promise_voided,
}


def _happenings(made: Taken) -> list[Happening]:
    """Name what a line tells of, as the doors would have journalled it one by one."""
    row, kind = made.row, made.line.type
    told = [_FIRST[kind]]
    if isinstance(row, Consultation):
        told += _OF_STATUS.get(row.status, ())
        if row.response is not None:
            told.append(Happening.consultation_answered)
        return told
    if isinstance(row, Incident) and row.reviewed_at is not None:
        told.append(Happening.incident_reviewed)
    if row.voided_at is not None:
        told.append(_VOIDED[kind])
    return told
