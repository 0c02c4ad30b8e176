"""The engine, and one transaction for each request, within the walls of one clinic."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from fastapi import Depends, Request
from pydantic_core import from_json
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from api.crypto import KeyEncryptionKeys
from api.keyring import ClinicKeys, Keyring
from api.sealing import SAFE, Safe, shows_sealed_text
from api.walls import (
    ENTERED,
    HERE,
    WalledConnection,
    WalledSession,
    confined,
    enter_on_postgresql,
    leave,
)

Clock = Callable[[], datetime]
Writer = Callable[["Transaction", list[dict[str, Any]]], Awaitable[None]]
"""Writes rows of one kind, all at once."""

STATEMENT_TIMEOUT = 5_000
LOCK_TIMEOUT = 2_000
SQLITE_BUSY_TIMEOUT = 5_000
CONNECT_TIMEOUT = 2
QUEUE_TIMEOUT = 5
"""Seconds a request waits for its turn at the database when many come at once."""


def utc_now() -> datetime:
    """Give the present instant."""
    return datetime.now(UTC)


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
    """The clinic a transaction works in, and its time zone."""

    id: UUID
    zone: ZoneInfo


class Transaction:
    """One transaction at one instant, within one clinic once it is entered."""

    def __init__(
        self,
        session: AsyncSession,
        now: datetime,
        keyring: Keyring,
        request_id: str | None = None,
        *,
        walled: bool = True,
    ) -> None:
        self._session = session
        self._safe = session.info[SAFE] = Safe(keyring)
        self._walled = walled
        self._last: dict[Writer, list[dict[str, Any]]] = {}
        self._entered: UUID | None = None
        self._has_begun = False
        self._clinic: ClinicContext | None = None
        self.now = now
        self.request_id = request_id

    async def enter(self, clinic_id: UUID, zone: ZoneInfo | None = None) -> None:
        """Work in this clinic from here on, and see no other; `zone`, where it is known already."""
        self._entered = clinic_id
        self._session.info[ENTERED] = clinic_id
        if zone is not None:
            self.know_zone(zone)
        if self._has_begun and self._is_postgresql:
            await self._session.run_sync(enter_on_postgresql, clinic_id)

    def know_zone(self, zone: ZoneInfo) -> None:
        """Count days as the entered clinic does."""
        self._clinic = ClinicContext(self._here, zone)

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
        if not shows_sealed_text(statement):
            return await self._ask(statement, params)
        rows = Rows((await self._ask(statement, params)).all())
        await self._safe.open_loaded(self._ask)
        return rows

    async def open(self, model: Any, row: Any) -> None:
        """Open the sealed texts of a row that was read as plain columns of a model."""
        await self._safe.open(self._ask, [row], model)

    async def lookup_hash(self, text: str) -> str:
        """Hash a text as the column does that finds rows by it."""
        await self._safe.unlock(self._ask, self._here)
        return self._safe.lookup(self._here, text)

    async def clinic_keys(self, *, anew: bool = False) -> ClinicKeys:
        """Give the keys of the clinic entered; `anew`: as the database has them now."""
        return await self._safe.unlock(self._ask, self._here, anew=anew)

    async def _ask(self, statement: Any, params: Mapping[str, Any] | None = None) -> Any:
        self._has_begun = True
        if self._walled:
            params = {**(params or {}), HERE: self._here}
            statement = confined(statement)
        return await self._session.exec(statement, params=params)

    async def _prepare_to_seal(self) -> None:
        session = self._session
        if session.new or session.dirty:
            with session.no_autoflush:
                await self._safe.prepare(self._ask, (*session.new, *session.dirty))

    async def ask_everywhere(self, question: AcrossClinics, **params: Any) -> Any:
        """Ask what must be asked before a clinic is known."""
        self._has_begun = True
        if self._is_postgresql:
            connection = await self.connection()
            return await connection.execute(question.guarded, params)
        return await self._session.exec(question.plain, params=params)

    async def connection(self) -> AsyncConnection:
        """Give the bare connection, which has only the database's own wall."""
        self._has_begun = True
        return await self._session.connection()

    def add(self, row: Any) -> None:
        """Keep a new row; it is written at the next flush, and must be of the clinic entered."""
        self._session.add(row)

    def write_last(self, write: Writer, row: dict[str, Any]) -> None:
        """Keep a row that is written just before the commit, in one go with others of its kind."""
        self._last.setdefault(write, []).append(row)

    async def insert(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        """Insert rows of the clinic entered; RuntimeError for a row of another."""
        for row in rows:
            self._refuse_elsewhere(row["clinic_id"])
        connection = await self._session.connection()
        # a list of one would take the driver's slower way of many
        await connection.execute(sa.insert(table), rows if len(rows) > 1 else rows[0])

    async def finish(self) -> None:
        """Write all that was kept back, at the latest before the commit."""
        await self.flush()
        kept, self._last = self._last, {}
        for write, rows in kept.items():
            await write(self, rows)

    async def flush(self) -> None:
        """Write what is pending, so that later statements of this transaction see it."""
        await self._prepare_to_seal()
        if self._session.new or self._session.dirty:
            await self._session.flush()

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


class Database:
    """The engine and the clock: where transactions come from."""

    def __init__(
        self,
        url: str,
        *,
        keys: KeyEncryptionKeys | None = None,
        pool_size: int = 10,
        clock: Clock = utc_now,
        walled: bool = True,
    ) -> None:
        self.clock = clock
        self.keyring = Keyring(keys)
        self.engine = _engine(url, pool_size)
        self._session = WalledSession if walled else Session
        self._walled = walled

    @asynccontextmanager
    async def transaction(self, request_id: str | None = None) -> AsyncIterator[Transaction]:
        """Open a transaction; commit at the end, or roll back when something was raised."""
        session = AsyncSession(
            self.engine, expire_on_commit=False, sync_session_class=self._session
        )
        try:
            tx = Transaction(session, self.clock(), self.keyring, request_id, walled=self._walled)
            yield tx
            await tx.finish()
            await session.commit()
        except BaseException:
            # also when whoever asked is gone: nothing may stop it halfway
            await asyncio.shield(asyncio.create_task(session.close()))
            raise
        # the commit gave the connection back: nothing is left to wait for
        session.sync_session.close()

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
            url,
            hide_parameters=True,
            json_deserializer=from_json,
            pool_size=1,
            max_overflow=0,
            pool_timeout=QUEUE_TIMEOUT,
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
    engine = create_async_engine(
        url,
        hide_parameters=True,
        # several times as fast as the standard library's
        json_deserializer=from_json,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=False,
        pool_timeout=QUEUE_TIMEOUT,
        connect_args={
            "server_settings": settings,
            "timeout": CONNECT_TIMEOUT,
            "connection_class": WalledConnection,
        },
    )
    event.listen(engine.sync_engine, "checkin", leave)
    return engine


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
