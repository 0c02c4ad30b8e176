"""A database as a process holds it: its engine, keys and clock; where transactions come from."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime

from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from api.security.crypto import KeyEncryptionKeys
from api.storage.engine import open_engine
from api.storage.instants import Instants
from api.storage.keyring import Keyring
from api.storage.tenancy import WalledSession
from api.storage.transaction import Transaction

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Give the present instant."""
    return datetime.now(UTC)


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
        self.instants = Instants(self._time)
        self.keyring = Keyring(keys)
        self.engine = open_engine(url, pool_size)
        self.traced: Callable[[], AbstractContextManager[None]] = nullcontext
        self._session = WalledSession if walled else Session
        self._walled = walled

    @asynccontextmanager
    async def transaction(self, request_id: str | None = None) -> AsyncIterator[Transaction]:
        """Open a transaction; commit at the end, or roll back when something was raised."""
        session = AsyncSession(
            self.engine, expire_on_commit=False, sync_session_class=self._session
        )
        with self.traced():
            try:
                tx = Transaction(
                    session, self.instants, self.keyring, request_id, walled=self._walled
                )
                yield tx
                await tx.end()
                await session.commit()
            except BaseException:
                # also when whoever asked is gone: nothing may stop it halfway
                await asyncio.shield(asyncio.create_task(session.close()))
                raise
        # the commit gave the connection back: nothing is left to wait for
        session.sync_session.close()

    def _time(self) -> datetime:
        """Read whichever clock is set by now."""
        return self.clock()

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
