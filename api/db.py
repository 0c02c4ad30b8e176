"""The engine, and one transaction for each request."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

Clock = Callable[[], datetime]
Writer = Callable[["Transaction", list[dict[str, Any]]], Awaitable[None]]
"""Writes rows of one kind, all at once."""

STATEMENT_TIMEOUT = 5_000
LOCK_TIMEOUT = 2_000
SQLITE_BUSY_TIMEOUT = 5_000
CONNECT_TIMEOUT = 2
READS = frozenset({"GET", "HEAD"})
QUEUE_TIMEOUT = 5
"""Seconds a request waits for its turn at the database when many come at once."""


def utc_now() -> datetime:
    """Give the present instant."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ClinicContext:
    """The clinic a transaction works in, and its time zone."""

    id: UUID
    zone: ZoneInfo


class Transaction:
    """One transaction at one instant, within one clinic once it is entered.

    A request that only reads runs each statement by itself, without BEGIN and COMMIT around them;
    where it finds something to write, `begin_writing` opens the one transaction for all of it.
    """

    def __init__(
        self,
        session: AsyncSession,
        now: datetime,
        request_id: str | None = None,
        *,
        writing: bool = True,
    ) -> None:
        self.session = session
        self._writing = writing
        self._last: dict[Writer, list[dict[str, Any]]] = {}
        self.now = now
        self.request_id = request_id
        self._clinic: ClinicContext | None = None

    def enter(self, clinic: ClinicContext) -> None:
        """Work in this clinic from here on."""
        self._clinic = clinic

    @property
    def clinic(self) -> ClinicContext:
        """The clinic entered. Raises RuntimeError before that: nothing is read from everywhere."""
        if self._clinic is None:
            raise RuntimeError("no clinic was entered")
        return self._clinic

    @property
    def today(self) -> date:
        """The calendar day in the clinic."""
        return self.now.astimezone(self.clinic.zone).date()

    @property
    def exec(self) -> Any:
        """Run a statement; the session's own `exec`."""
        return self.session.exec

    async def begin_writing(self) -> None:
        """Go on in a transaction, where a request that reads found something to write."""
        if not self._writing:
            await self.session.commit()
            await self.session.connection(execution_options={"isolation_level": "READ COMMITTED"})
            self._writing = True

    def add(self, row: Any) -> None:
        """Keep a new row; it is written at the next flush. RuntimeError in a request that reads."""
        if not self._writing:
            raise RuntimeError("begin_writing() comes before a write")
        self.session.add(row)

    def write_last(self, write: Writer, row: dict[str, Any]) -> None:
        """Keep a row that is written just before the commit, in one go with others of its kind."""
        if not self._writing:
            raise RuntimeError("begin_writing() comes before a write")
        self._last.setdefault(write, []).append(row)

    async def finish(self) -> None:
        """Write all that was kept back, at the latest before the commit."""
        await self.flush()
        kept, self._last = self._last, {}
        for write, rows in kept.items():
            await write(self, rows)

    async def flush(self) -> None:
        """Write what is pending, so that later statements of this transaction see it."""
        await self.session.flush()


class Database:
    """The engine and the clock: where transactions come from."""

    def __init__(self, url: str, *, pool_size: int = 10, clock: Clock = utc_now) -> None:
        self.clock = clock
        self.engine = _engine(url, pool_size)
        self._each_by_itself = (
            None
            if self.engine.dialect.name == "sqlite"
            else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        )

    @asynccontextmanager
    async def transaction(self, request_id: str | None = None) -> AsyncIterator[Transaction]:
        """Open a transaction; commit at the end, or roll back when something was raised."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            tx = Transaction(session, self.clock(), request_id)
            yield tx
            await tx.finish()

    @asynccontextmanager
    async def reading(self, request_id: str | None = None) -> AsyncIterator[Transaction]:
        """Open what a request that reads needs: a transaction only if it comes to write."""
        if self._each_by_itself is None:
            # SQLite's readers wait their turn like its writers
            async with self.transaction(request_id) as tx:
                yield tx
            return
        async with AsyncSession(self._each_by_itself, expire_on_commit=False) as session:
            tx = Transaction(session, self.clock(), request_id, writing=False)
            yield tx
            await tx.finish()
            await session.commit()

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


async def _transaction(request: Request) -> AsyncIterator[Transaction]:
    database: Database = request.app.state.database
    opened = database.reading if request.method in READS else database.transaction
    async with opened(request.state.request_id) as tx:
        yield tx


# scope="function": the commit comes before the answer is sent, so a failed commit is never a 201
Tx = Annotated[Transaction, Depends(_transaction, scope="function")]


def _engine(url: str, pool_size: int) -> AsyncEngine:
    # errors would otherwise print the parameters: clients' words
    if url.startswith("sqlite"):
        # One writer at a time is SQLite's rule. One connection makes the requests of a process
        # wait their turn in order, instead of polling for the lock.
        engine = create_async_engine(
            url, hide_parameters=True, pool_size=1, max_overflow=0, pool_timeout=QUEUE_TIMEOUT
        )
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_immediately)
        return engine
    settings = {
        "statement_timeout": str(STATEMENT_TIMEOUT),
        "lock_timeout": str(LOCK_TIMEOUT),
        "timezone": "UTC",
        # short statements: compiling them costs more than it saves
        "jit": "off",
    }
    return create_async_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=False,
        pool_timeout=QUEUE_TIMEOUT,
        connect_args={"server_settings": settings, "timeout": CONNECT_TIMEOUT},
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # the driver's own transactions begin too late and lose updates: BEGIN is ours
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "foreign_keys=ON",
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={SQLITE_BUSY_TIMEOUT}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediately(connection: Any) -> None:
    # reading first and writing later would fail when another writer came between
    connection.exec_driver_sql("BEGIN IMMEDIATE")
