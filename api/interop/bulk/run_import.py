"""Takes records into a clinic, batch by batch, each in a transaction of its own.

What is in stays in when a file breaks off; sent again, its lines are known by their keys. Each
record becomes the row it would have become at its door, with the same entries and the same flags.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from api.interop.bulk.journalled import record_import
from api.interop.bulk.parse import FileLine
from api.interop.bulk.read_ahead import ReadAhead
from api.interop.bulk.sender import EVERYTHING, Rights, Sender
from api.interop.bulk.take_batch import Done, Intake
from api.journal.entries import Happening
from api.storage.database import Database
from api.storage.engine import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE, SERIALIZATION_FAILURE
from api.storage.models.integration import Import, ImportRefusal, ImportStatus
from api.storage.models.people import Clinic
from api.storage.questions import ClinicContext
from api.storage.transaction import Transaction

BATCH_LINES = 500
"""A batch is so small that others who write meanwhile hardly wait for it."""
BATCH_SECONDS = 1.0
"""Where one took longer, because rules look at a case with many records, the next is smaller."""

MOST_LINES = 500_000
MOST_LINES_REHEARSED = 50_000
"""Of a dry run that software asks for: nothing of it is in the database, so all of it is kept in
memory meanwhile, about 5 KB a case."""

_BETWEEN_BATCHES = 0.01
"""Seconds in which whoever waits for SQLite has their turn: it has one connection."""

_PASSING = {SERIALIZATION_FAILURE, DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE}
_PAUSES = (0.1, 0.3, 1.0, 2.0)
"""Seconds to wait where somebody else holds what a batch needs."""


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


async def take_in(
    database: Database,
    order: Order,
    lines: AsyncIterator[FileLine],
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
    lines: AsyncIterator[FileLine],
    tell: Callable[[Done, Done], None] | None,
) -> Done:
    done, ahead, is_last = Done(), ReadAhead(lines), False
    try:
        while not is_last:
            left = order.most_lines - done.lines
            if left == 0:
                raise TooManyLinesError
            batch, is_last = await ahead.take(min(importer.room, left))
            _count(done, await importer.take(batch, is_last=is_last), tell)
    finally:
        await ahead.close()
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
        self._intake = Intake(self._id, dry_run=order.dry_run)

    async def take(self, lines: Sequence[FileLine], *, is_last: bool) -> Done:
        """Take one batch; where somebody else holds what it needs, try again a little later."""
        if self._has_begun and self._database.engine.dialect.name == "sqlite":
            await asyncio.sleep(_BETWEEN_BATCHES)
        for pause in (*_PAUSES, None):
            began = monotonic()
            try:
                batch = await self._try(lines, is_last=is_last)
            except DBAPIError as error:
                self._intake.forget_case_files()
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

    async def _try(self, lines: Sequence[FileLine], *, is_last: bool) -> Done:
        dry = self._order.dry_run
        try:
            async with self._database.transaction(self._order.request_id) as tx:
                row = await self._begin(tx)
                sender = await self._sender(tx)
                await _take_turns(tx)
                done, taken = await self._intake.take(tx, sender, lines)
                if dry:
                    await tx.write_early()
                    raise _Undo
                await self._note(tx, row, done, is_last=is_last)
        except _Undo:
            self._intake.remember(taken)
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

    async def _sender(self, tx: Transaction) -> Sender:
        order = self._order
        rights = EVERYTHING if order.rights is None else await order.rights(tx)
        return Sender(order.actor_id, rights)

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

    def _tell(self, tx: Transaction, happening: Happening) -> None:
        record_import(tx, happening, self._id, actor_id=self._order.actor_id)


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
