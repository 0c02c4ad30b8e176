"""Reads the lines of the next batch while the database is busy with those before."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import NamedTuple

from api.interop.bulk.parse import FileLine
from api.interop.bulk.turns import Turns

BATCH_BYTES = 1024 * 1024
"""A batch ends where it has as many."""


class Batch(NamedTuple):
    """Lines that are taken in together; `is_last`: none come after them."""

    lines: list[FileLine]
    is_last: bool


class ReadAhead:
    """The lines of a file, of which one batch and one line more are read at most."""

    def __init__(self, lines: AsyncIterator[FileLine]) -> None:
        self._lines = lines
        self._read = deque[FileLine]()
        self._size = 0
        self._has_ended = False
        self._reading: asyncio.Task[None] | None = None

    async def take(self, room: int) -> Batch:
        """Give the next lines, as many as there is room for. Raises what reading them raises."""
        if self._reading is not None:
            await self._reading
        # by now there may be room for more
        await self._fill(room)
        batch, size = list[FileLine](), 0
        while self._read and len(batch) < room and size < BATCH_BYTES:
            batch.append(self._read.popleft())
            size += batch[-1].size
        self._size -= size
        is_last = self._has_ended and not self._read
        self._reading = None if is_last else asyncio.create_task(self._fill(room))
        return Batch(batch, is_last)

    async def close(self) -> None:
        """Read no further; what that would have raised concerns lines that nobody takes."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _fill(self, room: int) -> None:
        """Read until a batch is there, and one line more: then it is not the last."""
        turns = Turns()
        while not self._has_ended and len(self._read) <= room:
            if self._read and self._size - self._read[-1].size >= BATCH_BYTES:
                return
            line = await anext(self._lines, None)
            if line is None:
                self._has_ended = True
                return
            self._read.append(line)
            self._size += line.size
            await turns.give()
