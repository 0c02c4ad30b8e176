"""One transaction, within the walls of one clinic: what it asks, writes, and tells at its end."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.security.normalization import spellings
from api.storage.compiled_queries import Prepared
from api.storage.encryption import SAFE, Safe, shows_sealed_text
from api.storage.instants import Instants, oldest, told
from api.storage.keyring import ClinicKeys, Keyring
from api.storage.many_rows import MOST_WITH_COMMIT, by_table, insert_many
from api.storage.models.journal import JournalEntry
from api.storage.models.people import Clinic
from api.storage.record_versions import ACTOR, keep_versions
from api.storage.tenancy import (
    DRIVER,
    ENTERED,
    HERE,
    INSTANT,
    INSTANTS,
    OPEN_IN_CLINIC,
    LostBeforeBeginning,
    confined,
    enter_on_postgresql,
    insert_with_commit,
)

Writer = Callable[["Transaction", list[dict[str, Any]]], Awaitable[None]]
"""Writes rows of one kind, all at once."""
Step = Callable[["Transaction"], Awaitable[None]]
"""What is done once all else is, and may look back at it."""

T = TypeVar("T")

_LATEST = select(sa.func.max(col(JournalEntry.at))).where(
    col(JournalEntry.clinic_id) == sa.bindparam(HERE)
)
"""When the last entry of a clinic says that something happened: no row carries a later instant."""

_WHERE_WORK_IS = select(col(Clinic.time_zone), col(Clinic.watched_events)).where(
    col(Clinic.id) == sa.bindparam(HERE)
)


class Rows(list[Any]):
    """What a statement found, read to the end and opened."""

    def all(self) -> list[Any]:
        """Give all rows."""
        return self

    def first(self) -> Any | None:
        """Give the first row; None where there is none."""
        return self[0] if self else None

    def one(self) -> Any:
        """Give the only row. Raises ValueError where there is not exactly one."""
        (row,) = self
        return row


class AcrossClinics(NamedTuple):
    """A question that is asked before a clinic is known: who signs in, and who has work to do.

    `plain` is for SQLite; PostgreSQL answers by a function of the owner's, named in `guarded`,
    because the role that serves sees no clinic's rows before it has entered one.
    """

    plain: Any
    guarded: sa.TextClause


@dataclass(frozen=True, slots=True)
class ClinicContext:
    """The clinic a transaction works in, its time zone, and what its software is told of."""

    id: UUID
    zone: ZoneInfo
    watched: Sequence[str] = ()


class Transaction:
    """One transaction at one instant, within one clinic once it is entered."""

    def __init__(
        self,
        session: AsyncSession,
        instants: Instants,
        keyring: Keyring,
        request_id: str | None = None,
        *,
        walled: bool = True,
    ) -> None:
        self._session = session
        self._safe = session.info[SAFE] = Safe(keyring)
        self._walled = walled
        self._at_commit: dict[Writer, list[dict[str, Any]]] = {}
        self._ever_at_commit: dict[Writer, list[dict[str, Any]]] = {}
        self._before_commit: dict[Writer, list[dict[str, Any]]] = {}
        self._steps_before_commit: list[Step] = []
        self._entered: UUID | None = None
        self._has_begun = False
        self._is_ending = False
        self._clinic: ClinicContext | None = None
        self._instants = session.info[INSTANTS] = instants
        self.listed_until: datetime | None = None
        """Up to when the list that is being shown is whole; None: nobody asked."""
        self.now, self.instant = instants.read_clock()
        self.request_id = request_id

    async def enter(self, clinic_id: UUID, zone: ZoneInfo | None = None) -> None:
        """Work in this clinic from here on, and see no other; `zone`, where it is known already."""
        self._entered = clinic_id
        self._session.info[ENTERED] = clinic_id
        if zone is not None:
            self.know_zone(zone)
        if not self._has_begun:
            return
        if self._is_postgresql:
            await self._session.run_sync(enter_on_postgresql, clinic_id)
        await self._read_clock()

    async def enter_again(self, clinic: ClinicContext) -> None:
        """Enter a clinic that another transaction was in, with all that was known of it there."""
        await self.enter(clinic.id)
        self._clinic = clinic

    async def enter_for_work(self, clinic_id: UUID) -> None:
        """Enter a clinic where nobody signed in, and so nobody has read its time zone yet."""
        await self.enter(clinic_id)
        time_zone, watched = (await self.exec(_WHERE_WORK_IS)).one()
        self.know_zone(ZoneInfo(time_zone), watched)

    def know_zone(self, zone: ZoneInfo, watched: Sequence[str] = ()) -> None:
        """Count days as the entered clinic does; `watched`: what its software is told of."""
        self._clinic = ClinicContext(self._here, zone, watched)

    @property
    def clinic(self) -> ClinicContext:
        """The clinic entered. Raises RuntimeError before that: nothing is read from everywhere."""
        if self._clinic is None:
            raise RuntimeError("no clinic was entered, or not its zone is known")
        return self._clinic

    @property
    def today(self) -> date:
        """The calendar day in the clinic."""
        return self.now.astimezone(self.clinic.zone).date()

    def know_actor(self, actor_id: UUID) -> None:
        """Keep who writes from here on, for the versions of records that they write."""
        self._session.info[ACTOR] = actor_id

    def withhold_sealed_text(self, *, unless: bool) -> None:
        """From here on, load rows without the texts that are sealed."""
        self._safe.withholds = not unless

    @property
    def withholds_sealed_text(self) -> bool:
        """Tell whether rows are loaded without the texts that are sealed."""
        return self._safe.withholds

    async def exec(self, statement: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Run a statement, confined to the clinic entered; RuntimeError before one is."""
        await self._prepare_to_seal()
        if isinstance(statement, Prepared):
            return await self._run(statement, params)
        if not shows_sealed_text(statement):
            return await self._ask(statement, params)
        rows = Rows((await self._ask(statement, params)).all())
        await self._safe.open_loaded(self._ask)
        return rows

    async def open(self, model: Any, row: Any) -> None:
        """Open the sealed texts of a row that was read as plain columns of a model."""
        await self._safe.open(self._ask, [row], model)

    async def lookup_hashes(self, text: str) -> list[str]:
        """Hash a text as the column does that finds rows by it.

        After the first there are those of the text's other Unicode forms, which an earlier release
        told apart.
        """
        await self._safe.unlock(self._ask, self._here)
        return [self._safe.lookup(self._here, each) for each in spellings(text)]

    async def clinic_keys(self, *, anew: bool = False) -> ClinicKeys:
        """Give the keys of the clinic entered; `anew`: as the database has them now."""
        return await self._safe.unlock(self._ask, self._here, anew=anew)

    async def _ask(self, statement: Any, params: Mapping[str, Any] | None = None) -> Any:
        if self._walled:
            params = {**(params or {}), HERE: self._here}
            statement = confined(statement)
        if self._has_begun:
            return await self._session.exec(statement, params=params)
        return await self._begin_with(lambda: self._session.exec(statement, params=params))

    async def begin(self) -> None:
        """Begin now, where nothing was asked yet: what is written needs this one's instant."""
        if not self._has_begun:
            connection = await self._session.connection()
            await self._begin_with(lambda: connection.exec_driver_sql("SELECT 1"))

    async def _begin_with(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask for the first time; where the connection was lost before that, on a fresh one."""
        self._has_begun = True
        # a session whose transaction failed forgets the rows it was to write
        may_begin_again = not self._session.new
        try:
            found = await ask()
        except DBAPIError as error:
            lost = isinstance(getattr(error.orig, "__cause__", None), LostBeforeBeginning)
            if not (lost and may_begin_again):
                raise
            await self._session.rollback()
            found = await ask()
        await self._read_clock()
        return found

    async def _read_clock(self) -> None:
        """Read the instant of this transaction, now that others can know that it is open."""
        self.now, self.instant = self._instants.read_clock()
        if self._entered is None:
            return
        if self._instants.went_back or self._entered not in self._instants.followed:
            with self._session.no_autoflush:
                latest = (await self._ask(_LATEST, {HERE: self._entered})).one()
            self._instants.followed.add(self._entered)
            if latest is not None:
                self._instants.follow(latest)
            self.now, self.instant = self._instants.read_clock()
        self._session.info[INSTANT] = self.instant

    async def listing_until(self) -> datetime:
        """Give an instant up to which the statements that follow see every row of the clinic.

        Nothing that is still to be committed will carry it, or one before it. It is asked in a
        statement of its own: one that is just committed would neither be open nor be seen.
        """
        present = self._instants.read_clock().instant
        if not self._is_postgresql:
            # whoever writes to the file waits until this transaction has ended
            return present
        clinic, _ = told(self._here, present)
        connection = await self._session.connection()
        since = await connection.execute(OPEN_IN_CLINIC, {"clinic": clinic % (1 << 32)})
        return oldest(since.scalars(), present)

    async def _run(self, prepared: Prepared, params: Mapping[str, Any] | None) -> Rows:
        """Run what was compiled before, on the bare connection."""
        if not self._walled:
            return Rows((await self._ask(prepared.statement, params)).all())
        await self.flush()
        filled = {**(params or {}), HERE: self._here}
        statement = confined(prepared.statement)

        async def ask() -> list[Any]:
            return await self._session.run_sync(prepared.run, statement, filled)

        return Rows(await (ask() if self._has_begun else self._begin_with(ask)))

    async def _prepare_to_seal(self) -> None:
        session = self._session
        if session.new or session.dirty:
            await self.begin()
            with session.no_autoflush:
                await keep_versions(self._ask, self._safe, session.sync_session)
                await self._safe.prepare(self._ask, (*session.new, *session.dirty))

    async def ask_everywhere(self, question: AcrossClinics, **params: Any) -> Any:
        """Ask what must be asked before a clinic is known."""

        async def ask() -> Any:
            if not self._is_postgresql:
                return await self._session.exec(question.plain, params=params)
            connection = await self._session.connection()
            return await connection.execute(question.guarded, params)

        return await (ask() if self._has_begun else self._begin_with(ask))

    async def connection(self) -> AsyncConnection:
        """Give the bare connection, which has only the database's own wall."""
        await self.begin()
        return await self._session.connection()

    def add(self, row: Any) -> None:
        """Keep a new row; it is written at the next flush, and must be of the clinic entered."""
        self._session.add(row)

    def write_at_commit(self, write: Writer, row: dict[str, Any]) -> None:
        """Keep a row that is written just before the commit, in one go with others of its kind."""
        self._at_commit.setdefault(write, []).append(row)
        self._ever_at_commit.setdefault(write, []).append(row)

    def write_before_commit(self, write: Writer, row: dict[str, Any]) -> None:
        """Keep a row that is written at the end too, but not in the message that commits."""
        self._before_commit.setdefault(write, []).append(row)

    def rows_at_commit(self, write: Writer) -> Sequence[dict[str, Any]]:
        """Give all rows that were left to one writer, in their order, written already or not."""
        return self._ever_at_commit.get(write, ())

    def run_before_commit(self, step: Step) -> None:
        """Do this just before the commit; never, where something was raised before."""
        self._steps_before_commit.append(step)

    async def insert_unless_there(self, table: sa.Table, row: dict[str, Any]) -> None:
        """Insert a row of the clinic entered, unless a unique one like it is there.

        Where another transaction is just writing one, wait for its end.
        """
        self._refuse_elsewhere(row["clinic_id"])
        connection = await self.connection()
        dialect = postgresql if self._is_postgresql else sqlite
        await connection.execute(dialect.insert(table).values(row).on_conflict_do_nothing())

    async def insert(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        """Insert rows of the clinic entered; RuntimeError for a row of another."""
        for row in rows:
            self._refuse_elsewhere(row["clinic_id"])
        await self.begin()
        connection, driver = await self._session.connection(), self._session.info.get(DRIVER)
        if driver is not None and len(rows) > (MOST_WITH_COMMIT if self._is_ending else 1):
            await insert_many(connection, table, rows)
        elif driver is not None and self._is_ending:
            insert_with_commit(driver, table, rows)
        else:
            # a list of one would take the driver's slower way of many
            await connection.execute(sa.insert(table), rows if len(rows) > 1 else rows[0])

    async def write_rows(self, rows: Sequence[Any]) -> None:
        """Write new rows that no session knows of as a flush would; those pointed at come first."""
        await self.begin()
        with self._session.no_autoflush:
            await self._safe.prepare(self._ask, rows)
        async for table, values in by_table(rows, self._safe.seal, self.instant):
            await self.insert(table, values)

    async def end(self) -> None:
        """Run what was left to the end, and write what was left to the commit with it."""
        for step in self._steps_before_commit:
            await step(self)
        for write, rows in self._before_commit.items():
            await write(self, rows)
        await self.flush()
        self._is_ending = len(self._at_commit) == 1
        await self.write_early()

    async def write_early(self) -> None:
        """Write already now what was left to the commit so far."""
        await self.flush()
        left, self._at_commit = self._at_commit, {}
        for write, rows in left.items():
            await write(self, rows)

    async def flush(self) -> None:
        """Write what is pending, so that later statements of this transaction see it."""
        await self._prepare_to_seal()
        if self._session.new or self._session.dirty:
            await self._session.flush()

    async def pause(self) -> None:
        """Give the connection back until the next statement, and let go of what was read.

        For a long look at many cases, so that others need not wait. Raises RuntimeError where
        something is still to be written: that belongs into one transaction.
        """
        if self._session.new or self._session.dirty or self._at_commit or self._steps_before_commit:
            raise RuntimeError("what is to be written cannot wait")
        await self._session.commit()
        self._has_begun = False
        self._session.info.pop(INSTANT, None)

    @property
    def _is_postgresql(self) -> bool:
        bind: Any = self._session.bind
        return bool(bind.dialect.name == "postgresql")

    @property
    def _here(self) -> UUID:
        if self._entered is None:
            raise RuntimeError("no clinic was entered")
        return self._entered

    def _refuse_elsewhere(self, clinic_id: UUID) -> None:
        if self._walled and clinic_id != self._here:
            raise RuntimeError("a row of another clinic")
