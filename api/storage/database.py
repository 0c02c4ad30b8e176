"""A database as a process holds it: its engine, keys and clock; where transactions come from."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from datetime import UTC, datetime

from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from api.security.crypto import KeyEncryptionKeys
from api.storage.autocommit import Autocommit
from api.storage.engine import open_engine
from api.storage.instants import Instants
from api.storage.keyring import Keyring
from api.storage.transaction import Transaction
from api.storage.written_at_once import SessionAtOnce

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
        self._session = SessionAtOnce if walled else Session
        self._walled = walled
        self._is_postgresql = self.engine.dialect.name == "postgresql"

    def transaction(
        self, request_id: str | None = None, *, looks: bool = False
    ) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction; commit at the end, or roll back when something was raised.

        `looks`: it is for somebody who only looks. On PostgreSQL nothing then begins for as long as
        each of its statements can stand for itself.
        """
        alone = Autocommit(self.engine) if looks and self._is_postgresql else None
        tx = Transaction(
            self._open_session,
            self.instants,
            self.keyring,
            request_id,
            walled=self._walled,
            is_postgresql=self._is_postgresql,
            alone=alone,
        )
        return _FromBeginningToEnd(tx, self.traced())

    def _open_session(self) -> AsyncSession:
        return AsyncSession(self.engine, expire_on_commit=False, sync_session_class=self._session)

    def _time(self) -> datetime:
        """Read whichever clock is set by now."""
        return self.clock()

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


class _FromBeginningToEnd(AbstractAsyncContextManager[Transaction]):
    """The block that a transaction lasts for.

    Written out, because each request has one: as a generator it would cost several times as much.
    """

    def __init__(self, tx: Transaction, span: AbstractContextManager[None]) -> None:
        self._tx, self._span = tx, span

    async def __aenter__(self) -> Transaction:
        self._span.__enter__()
        return self._tx

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        is_kept = False
        try:
            if error is None:
                await self._tx.end()
                await self._tx.commit()
                is_kept = True
        finally:
            try:
                if not is_kept:
                    # also when whoever asked is gone: nothing may stop it halfway
                    await asyncio.shield(asyncio.create_task(self._tx.close()))
            finally:
                self._tx.let_go()
                self._span.__exit__(None, None, None)
