"""The engine of either database: its connections, time limits and counters."""

from typing import Any

from pydantic_core import from_json
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api.runtime import metrics
from api.storage.lending_pool import LendingPool
from api.storage.tenancy import WalledConnection, leave

STATEMENT_TIMEOUT = 5_000
"""Milliseconds that PostgreSQL gives one statement."""
LOCK_TIMEOUT = 2_000
"""Milliseconds that a statement waits there for a lock."""
IDLE_IN_TRANSACTION_TIMEOUT = 60_000
"""Milliseconds after which PostgreSQL ends a transaction that asks nothing."""
SQLITE_BUSY_TIMEOUT = 5_000
"""Milliseconds that SQLite waits for another process to let go of the file."""
CONNECT_TIMEOUT = 2
"""Seconds that opening a connection to PostgreSQL may take."""
QUEUE_TIMEOUT = 5
"""Seconds a request waits for its turn at the database when many come at once."""

LOCK_NOT_AVAILABLE = "55P03"
SERIALIZATION_FAILURE, DEADLOCK_DETECTED = "40001", "40P01"
"""SQLSTATEs of what passes: somebody else was there first."""

_FOR_BOTH: dict[str, Any] = {
    # errors would otherwise print the parameters: clients' words
    "hide_parameters": True,
    # several times as fast as the standard library's
    "json_deserializer": from_json,
    "max_overflow": 0,
    "pool_timeout": QUEUE_TIMEOUT,
}
"""How either database's engine is opened."""


def open_engine(url: str, pool_size: int) -> AsyncEngine:
    """Open the engine of an address, with as many connections as its database can use."""
    if url.startswith("sqlite"):
        return _open_sqlite(url)
    return _open_postgresql(url, pool_size)


def _open_sqlite(url: str) -> AsyncEngine:
    # One writer at a time is SQLite's rule. One connection makes the requests of a process
    # wait their turn in order, instead of polling for the lock.
    engine = create_async_engine(url, pool_size=1, **_FOR_BOTH)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_immediately)
    _count_connections(engine, 1)
    return engine


def _open_postgresql(url: str, pool_size: int) -> AsyncEngine:
    settings = {
        "statement_timeout": str(STATEMENT_TIMEOUT),
        "lock_timeout": str(LOCK_TIMEOUT),
        # a process that was cut off keeps no lock for ever
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT),
        "timezone": "UTC",
        # short statements: compiling them costs more than it saves
        "jit": "off",
        # what is asked alone is planned once: each time anew costs more than it takes to run; in a
        # transaction it is left to the database
        "plan_cache_mode": "force_generic_plan",
    }
    engine = create_async_engine(
        url,
        poolclass=LendingPool,
        pool_size=pool_size,
        pool_pre_ping=False,
        connect_args={
            "server_settings": settings,
            "timeout": CONNECT_TIMEOUT,
            "connection_class": WalledConnection,
        },
        **_FOR_BOTH,
    )
    event.listen(engine.sync_engine, "checkin", leave)
    _count_connections(engine, pool_size)
    return engine


def _count_connections(engine: AsyncEngine, size: int) -> None:
    """Keep the numbers of connections as they are, whatever became of single ones."""

    def taken(*_: object) -> None:
        metrics.connections_in_use.set(engine.pool.checkedout())  # type: ignore[attr-defined]

    def given_back(*_: object) -> None:
        # told just before
        metrics.connections_in_use.set(engine.pool.checkedout() - 1)  # type: ignore[attr-defined]

    metrics.connections.set(size)
    event.listen(engine.sync_engine, "checkout", taken)
    event.listen(engine.sync_engine, "checkin", given_back)


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
