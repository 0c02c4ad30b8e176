"""The engine, and one transaction for each request."""

from collections.abc import AsyncIterator, Callable
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

STATEMENT_TIMEOUT = 5_000
LOCK_TIMEOUT = 2_000
SQLITE_BUSY_TIMEOUT = 5_000
CONNECT_TIMEOUT = 2


def utc_now() -> datetime:
    """Give the present instant."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ClinicContext:
    """The clinic a transaction works in, and its time zone."""

    id: UUID
    zone: ZoneInfo


class Transaction:
    """One transaction at one instant, within one clinic once it is entered."""

    def __init__(self, session: AsyncSession, now: datetime, request_id: str | None = None) -> None:
        self.session = session
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

    def add(self, row: Any) -> None:
        """Keep a new row; it is written at the next flush."""
        self.session.add(row)

    async def flush(self) -> None:
        """Write what is pending, so that later statements of this transaction see it."""
        await self.session.flush()


class Database:
    """The engine and the clock: where transactions come from."""

    def __init__(self, url: str, *, pool_size: int = 10, clock: Clock = utc_now) -> None:
        self.clock = clock
        self.engine = _engine(url, pool_size)

    @asynccontextmanager
    async def transaction(self, request_id: str | None = None) -> AsyncIterator[Transaction]:
        """Open a transaction; commit at the end, or roll back when something was raised."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            yield Transaction(session, self.clock(), request_id)

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


async def _transaction(request: Request) -> AsyncIterator[Transaction]:
    database: Database = request.app.state.database
    async with database.transaction(request.state.request_id) as tx:
        yield tx


# scope="function": the commit comes before the answer is sent, so a failed commit is never a 201
Tx = Annotated[Transaction, Depends(_transaction, scope="function")]


def _engine(url: str, pool_size: int) -> AsyncEngine:
    # errors would otherwise print the parameters: clients' words
    if url.startswith("sqlite"):
        # One writer at a time is SQLite's rule. One connection makes the requests of a process
        # wait their turn in order, instead of polling for the lock.
        engine = create_async_engine(
            url, hide_parameters=True, pool_size=1, max_overflow=0, pool_timeout=5
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
        pool_timeout=CONNECT_TIMEOUT,
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
