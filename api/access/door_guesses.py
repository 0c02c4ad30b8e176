"""How often wrong codes and receipts may be tried at the door: counted by network, for an hour."""

import secrets
import time
from math import ceil

from fastapi import Request
from limits import RateLimitItemPerHour
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from api.access.rate_limits import hashed_network
from api.domain.errors import TooMany

WRONG = RateLimitItemPerHour(50, namespace="wrong at the door")
"""Wrong codes and receipts of one network in an hour. They are random enough not to be guessed:
this spares the server, and refuses nobody who has a right one."""

MOST_IN_ALL = "Too many codes and receipts from this network were wrong. Try again in an hour."


class GuessesAtDoor:
    """Counts wrong codes and receipts apart from what staff get wrong, in this process alone.

    Of a network a keyed hash is kept for an hour, and the key until the process ends: nobody can
    tell from it later who was at the door.
    """

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._key = secrets.token_bytes(32)

    async def count_wrong(self, request: Request) -> None:
        """Count a wrong one. Raises 429 past what a network may get wrong in an hour."""
        network = hashed_network(request, self._key)
        if not await self._limiter.hit(WRONG, network):
            window = await self._limiter.get_window_stats(WRONG, network)
            raise TooMany(ceil(window.reset_time - time.time()), MOST_IN_ALL)
