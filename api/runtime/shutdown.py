"""Whether this process still takes requests, and how it leaves when it is told to."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

PATIENCE = 5
"""Seconds that a process which leaves waits for the requests it was answering when it was told."""


class Gate:
    """Counts the requests that are being answered. `closing`: the process was told to leave."""

    def __init__(self, drain_seconds: float = 0) -> None:
        self.closing = False
        self._drain_seconds = drain_seconds
        self._answering: set[asyncio.Task[Any]] = set()
        self._leaving: asyncio.Task[None] | None = None

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Count the request of the present task for as long as the block lasts."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - whoever answers is a task
        self._answering.add(task)
        try:
            yield
        finally:
            self._answering.discard(task)

    def close_at_sigterm(self) -> None:
        """On SIGTERM: say so first, answer what was asked, and only then let the server stop.

        A load balancer that asks `/readyz` meanwhile sends no more requests here. Nothing changes
        where no server has asked to be told of the signal.
        """
        stop = signal.getsignal(signal.SIGTERM)
        if not callable(stop):
            return
        loop = asyncio.get_running_loop()

        def told(sign: int, frame: FrameType | None) -> None:
            # told again: at once
            if self.closing:
                stop(sign, frame)
                return
            self.closing = True
            loop.call_soon_threadsafe(leave, sign)

        def leave(sign: int) -> None:
            self._leaving = loop.create_task(self._leave())
            self._leaving.add_done_callback(lambda _: stop(sign, None))

        signal.signal(signal.SIGTERM, told)

    async def _leave(self) -> None:
        asked_before = set(self._answering)
        await asyncio.sleep(self._drain_seconds)
        if asked_before:
            await asyncio.wait(asked_before, timeout=PATIENCE)
