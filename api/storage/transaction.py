"""One transaction, within the walls of one clinic: what it asks, writes, and tells at its end."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel.ext.asyncio.session import AsyncSession

from api.storage.adopted_rows import adopt
from api.storage.instants import Instants
from api.storage.keyring import Keyring
from api.storage.many_rows import MOST_WITH_COMMIT, by_table, insert_many
from api.storage.questions import Questions
from api.storage.tenancy import DRIVER, INSTANT, date_new, insert_with_commit

Writer = Callable[["Transaction", list[dict[str, Any]]], Awaitable[None]]
"""Writes rows of one kind, all at once."""
Step = Callable[["Transaction"], Awaitable[None]]
"""What is done once all else is, and may look back at it."""


class Transaction(Questions):
    """One transaction at one instant, within one clinic once it is entered."""

    def __init__(
        self,
        open_session: Callable[[], AsyncSession],
        instants: Instants,
        keyring: Keyring,
        request_id: str | None = None,
        **how: Any,
    ) -> None:
        super().__init__(open_session, instants, keyring, **how)
        self._at_commit: dict[Writer, list[dict[str, Any]]] = {}
        self._ever_at_commit: dict[Writer, list[dict[str, Any]]] = {}
        self._before_commit: dict[Writer, list[dict[str, Any]]] = {}
        self._steps_before_commit: list[Step] = []
        self._is_ending = False
        self.listed_until: datetime | None = None
        """Up to when the list that is being shown is whole; None: nobody asked."""
        self.request_id = request_id

    def add(self, row: Any) -> None:
        """Keep a new row; it is written at the next flush, and must be of the clinic entered."""
        self._session.add(row)

    def date(self, row: Any) -> None:
        """Let a new row carry already the instant that it is going to be written with."""
        date_new(row, self.instant)

    async def adopt(
        self, model: Any, found: Iterable[Sequence[Any]], *, anew: bool = False
    ) -> list[Any]:
        """Give rows that were read as plain columns as if they had been loaded, opened too."""
        await self.begin()
        rows, read = adopt(self._session.sync_session, model, found, anew=anew)
        for row in read:
            self._safe.take(row)
        await self._safe.open_loaded(self._ask)
        return rows

    def write_at_commit(self, write: Writer, *rows: dict[str, Any]) -> None:
        """Keep rows that are written just before the commit, in one go with others of their kind.

        Where there are none, nothing is left to the writer.
        """
        if rows:
            self._at_commit.setdefault(write, []).extend(rows)
            self._ever_at_commit.setdefault(write, []).extend(rows)

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
        dialect = postgresql if self.is_postgresql else sqlite
        await connection.execute(dialect.insert(table).values(row).on_conflict_do_nothing())

    async def insert(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        """Insert rows of the clinic entered; RuntimeError for a row of another."""
        for row in rows:
            # mostly it is the very same
            if row["clinic_id"] is not self._entered:
                self._refuse_elsewhere(row["clinic_id"])
        if self._alone is not None and self._tells_alone:
            await self._alone.insert(table, self._here, rows)
            return
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
        self._tells_alone = self._is_ending and self.asks_alone
        await self.write_early()

    async def write_early(self) -> None:
        """Write already now what was left to the commit so far."""
        await self.flush()
        left, self._at_commit = self._at_commit, {}
        for write, rows in left.items():
            await write(self, rows)

    async def commit(self) -> None:
        """Commit, where anything began."""
        if self._opened is not None:
            await self._opened.commit()

    async def close(self) -> None:
        """Roll back what was not committed."""
        if self._opened is not None:
            await self._opened.close()

    def let_go(self) -> None:
        """Give back what a commit left: nothing is waited for."""
        if self._opened is not None:
            self._opened.sync_session.close()
        self._give_back()

    async def pause(self) -> None:
        """Give the connection back until the next statement, and let go of what was read.

        For a long look at many cases, so that others need not wait. Raises RuntimeError where
        something is still to be written: that belongs into one transaction.
        """
        if self._is_pending or self._at_commit or self._steps_before_commit:
            raise RuntimeError("what is to be written cannot wait")
        await self._session.commit()
        self._has_begun = False
        self._session.info.pop(INSTANT, None)

    def _refuse_elsewhere(self, clinic_id: UUID) -> None:
        if self._walled and clinic_id != self._here:
            raise RuntimeError("a row of another clinic")
