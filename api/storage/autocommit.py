"""Statements that are transactions of their own, on PostgreSQL: a read asks and tells by them.

What only looks needs no BEGIN and no COMMIT: under READ COMMITTED each of its statements sees what
is committed when it begins, within a transaction as without. So each enters the clinic by itself,
in the message that asks, and leaves with its end. That costs a third of the same in a transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

from api.domain.errors import Unavailable
from api.storage.lending_pool import LendingPool
from api.storage.many_rows import given_at_once
from api.storage.tenancy import ENTER, OPEN_IN_CLINIC


def entering_first(place: int, *queries: str) -> str:
    """Let one or two queries enter the clinic before they look at anything.

    The clinic's id stands at a placeholder. A query can be run only for the row of the gate,
    because it asks what the gate gave: no plan looks at a table first. If one did, the policies
    would show it nothing. Of two, the first finds one row at most; without it the second tells
    nothing. A last column then says whether the second found a row.
    """
    first, *second = queries
    selected, joined = "first.*", f"CROSS JOIN {_behind_the_gate(place, first, 'first')}"
    for query in second:
        selected += ", second.*"
        marked = f"SELECT followed.*, true FROM ({query}) AS followed"  # noqa: S608 - as below
        joined += f" LEFT JOIN {_behind_the_gate(place, marked, 'second')} ON true"
    return f"{_gate(place)} SELECT {selected} FROM gate {joined}"  # noqa: S608 - as below


def _gate(place: int) -> str:
    entered = f"set_config('{ENTER}', ${place}::text, true)"
    return f"WITH gate AS MATERIALIZED (SELECT {entered} AS entered)"


def _behind_the_gate(place: int, query: str, name: str) -> str:
    # what is put together here was compiled from statements of ours: values are placeholders
    asked = f"SELECT asked.* FROM ({query}) AS asked WHERE gate.entered = ${place}::text"  # noqa: S608
    # OFFSET keeps the query apart: else it could be moved before the gate
    return f"LATERAL ({asked} OFFSET 0) AS {name}"


_OPEN_IN_CLINIC = str(OPEN_IN_CLINIC).replace(":clinic", "$1")


_OF_THE_DRIVER = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


class Lost(Exception):
    """The connection was gone: whoever only asked may ask again on another."""


class Autocommit:
    """A connection of the pool for one request that only looks, from its first question on."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.dialect: Any = engine.dialect
        """In whose words statements are written."""
        self._pool = cast("LendingPool", engine.pool)
        self._lent: ConnectionPoolEntry | None = None

    async def fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """Run a statement that enters its clinic itself.

        Raises Lost where nobody was there to ask, and else DBAPIError, as a session does.
        """
        try:
            if self._lent is None:
                self._lent = await self._pool.lend()
            driver: Any = self._lent.driver_connection
            found: list[Any] = await driver.fetch(sql, *values)
        except (*_OF_THE_DRIVER, self.dialect.loaded_dbapi.Error) as error:
            if self._is_lost():
                self._discard()
                raise Lost from error
            raise self._translated(error) from error
        except BaseException:
            # nobody waits for the answer any more, which may still be on its way
            self._discard()
            raise
        return found

    async def open_since(self, clinic: int) -> list[int]:
        """Give since when transactions are open in a clinic, as `OPEN_IN_CLINIC` does."""
        return [row[0] for row in await self.fetch(_OPEN_IN_CLINIC, [clinic])]

    async def insert(
        self, table: sa.Table, clinic_id: UUID, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert rows of one clinic, all or none. Raises Unavailable where nobody was there."""
        (into, source), given = given_at_once(table, self.dialect, rows)
        place = len(given) + 1
        entered = f"gate.entered = ${place}::text"
        sql = f"{_gate(place)} {into} FROM gate CROSS JOIN {source} WHERE {entered}"
        try:
            await self.fetch(sql, [*given, str(clinic_id)])
        except Lost as lost:
            # it may have been kept, and is not told twice
            raise Unavailable from lost

    def give_back(self) -> None:
        """Give the connection back to the pool."""
        lent, self._lent = self._lent, None
        if lent is not None:
            self._pool.take_back(lent)

    def _is_lost(self) -> bool:
        driver: Any = None if self._lent is None else self._lent.driver_connection
        return driver is not None and bool(driver.is_closed())

    def _discard(self) -> None:
        if self._lent is not None:
            driver: Any = self._lent.driver_connection
            driver.terminate()
            self._lent.invalidate()
        self.give_back()

    def _translated(self, error: Exception) -> BaseException:
        """Give an error of the driver as any other statement would raise it, without values."""
        adapted = self.dialect.loaded_dbapi
        known = adapted._asyncpg_error_translate
        kind = next((known[each] for each in type(error).__mro__ if each in known), adapted.Error)
        is_one = isinstance(error, adapted.Error)
        raised: BaseException = DBAPIError.instance(
            None,
            None,
            error if is_one else kind(type(error).__name__, error),
            adapted.Error,
            hide_parameters=True,
            dialect=self.dialect,
        )
        return raised
