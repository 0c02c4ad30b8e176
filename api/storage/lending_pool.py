"""The pool of PostgreSQL's connections, which also lends one for single statements."""

from typing import Any

from sqlalchemy import AsyncAdaptedQueuePool
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.concurrency import greenlet_spawn
from sqlalchemy.util.queue import Empty

from api.runtime import metrics


class LendingPool(AsyncAdaptedQueuePool):
    """A pool whose connections are also lent bare, to whoever leaves nothing behind on them.

    What the library gives out is watched over: it ends a transaction that was left open, and is
    waited for in a greenlet. A statement that is a transaction of its own needs neither, where a
    connection lies idle; and that costs as much as to ask it.
    """

    async def lend(self) -> ConnectionPoolEntry:
        """Give a connection, which may be waited for. Raises what connecting raises."""
        entry = self._idle()
        if entry is None:
            entry = await greenlet_spawn(self._waited_for)
        metrics.connections_in_use.set(self.checkedout())
        return entry

    def take_back(self, entry: ConnectionPoolEntry) -> None:
        """Take a connection back that was lent; one that was invalidated is opened anew."""
        self._do_return_conn(entry)
        metrics.connections_in_use.set(self.checkedout())

    def _idle(self) -> ConnectionPoolEntry | None:
        """Give what can be used as it is, without waiting or connecting."""
        try:
            entry: Any = self._pool.get_nowait()
        except Empty:
            return None
        if entry._is_hard_or_soft_invalidated():
            self._do_return_conn(entry)
            return None
        found: ConnectionPoolEntry = entry
        return found

    def _waited_for(self) -> ConnectionPoolEntry:
        entry: Any = self._do_get()
        try:
            entry.get_connection()
        except BaseException:
            self.take_back(entry)
            raise
        found: ConnectionPoolEntry = entry
        return found
