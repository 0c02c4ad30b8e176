"""How often somebody may guess: limits on failed attempts, by network and by account."""

import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import NamedTuple

import anyio
from fastapi import Request
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter
from limits.storage import storage_from_string

from api.errors import TooMany, Unauthorized

# Windows stand still, so at the seam of two of them twice the number may be tried within an hour.

OF_A_NETWORK = RateLimitItemPerHour(50, namespace="guesses of a network")
"""Guesses from one network, at whatever accounts: a clinic of a hundred mistypes less than this."""

OF_AN_ACCOUNT_HERE = RateLimitItemPerHour(10, namespace="guesses at an account from a network")
"""Guesses at one account from one network: somebody who forgot which password it was."""

OF_AN_ACCOUNT = RateLimitItemPerHour(30, namespace="guesses at an account")
"""Guesses at one account from all networks its user is not known to sign in from."""

FAILURES = RateLimitItemPerHour(1_000, namespace="failures of a network")
"""Anything refused to one network, also what is not looked at: sessions that ended are tried again
by many programs at once, and each refused password costs a computation."""

OF_SOFTWARE = "requests of software"
"""Requests of one service account in a minute. By default twenty a second, which keep a diary in
step and leave room for the people of the clinic."""

_UNKNOWN = "0.0.0.0"  # noqa: S104 - stands for a caller without an address, as on a socket
_NEIGHBOURS = 64
"""Bits of an IPv6 address that one subscriber shares."""


_Count = tuple[RateLimitItem, tuple[str, ...]]
"""A limit, and of whom."""


class Guess(NamedTuple):
    """One attempt. Where it is not weighed, what was sent must not be compared with anything."""

    is_weighed: bool


class Throttle:
    """Counts failed attempts.

    An attempt is counted before it is made, and forgiven if it was right: however many are made
    at once, no more than the limit are looked at.
    """

    def __init__(
        self, storage_url: str, secret: str, at_once: int, software_a_minute: int = 1_200
    ) -> None:
        storage = storage_from_string(storage_url, wrap_exceptions=True)
        self._limiter = FixedWindowRateLimiter(storage)
        self._storage = self._limiter.storage
        self._key = hashlib.sha256(b"network:" + secret.encode()).digest()
        self.of_software = RateLimitItemPerMinute(software_a_minute, namespace=OF_SOFTWARE)
        # Without it, a hundred people who sign in at nine o'clock would be counted all at once.
        self._turns = anyio.CapacityLimiter(at_once)

    def network_of(self, request: Request) -> str:
        """Give a keyed hash of where a request comes from: an IPv4 address, or an IPv6 /64."""
        address = request.client.host if request.client else _UNKNOWN
        return self._hash(_network(address))

    async def refuse_flood(self, network: str) -> None:
        """Raise 429 where far too much failed from this network."""
        await self._refuse(FAILURES, network)

    async def refuse_guesses(self, network: str) -> None:
        """Raise 429 where too many guesses came from this network, before any work is done."""
        await self._refuse(FAILURES, network)
        await self._refuse(OF_A_NETWORK, network)

    async def count_failure(self, network: str) -> None:
        """Count a failure that was no guess at a person's secret."""
        await self._limiter.hit(FAILURES, network)

    async def pace(self, account: str) -> None:
        """Count a request of clinic software. Raises 429 where it asks too much in a minute."""
        if not await self._limiter.hit(self.of_software, account):
            window = await self._limiter.get_window_stats(self.of_software, account)
            raise TooMany(ceil(window.reset_time - time.time()))

    @asynccontextmanager
    async def guess(self, network: str, address: str, *, is_familiar: bool) -> AsyncIterator[Guess]:
        """Let one attempt at the account of an address be made; it fails by raising Unauthorized.

        `address` is what was typed, known or not: an account that does not exist is locked like
        one that does. `is_familiar`: the user has signed in from this network before, and no
        stranger's guesses from elsewhere count against them. Raises 429 as `refuse_guesses` does.
        """
        account = self._hash(address)
        async with self._turns:
            await self.refuse_guesses(network)
            taken, is_weighed = await self._take(network, account, is_familiar=is_familiar)
            try:
                yield Guess(is_weighed)
            except Unauthorized:
                raise
            except Exception:
                # The attempt came to nothing, for a reason of ours. Whoever hangs up in the midst
                # of one has had it.
                await self._give_back(taken)
                raise
            await self._give_back(taken)
            await self._limiter.clear(OF_AN_ACCOUNT_HERE, account, network)

    async def _take(
        self, network: str, account: str, *, is_familiar: bool
    ) -> tuple[list[_Count], bool]:
        """Count an attempt; give what was counted, and whether it may be looked at."""
        of_account: list[_Count] = [(OF_AN_ACCOUNT_HERE, (account, network))]
        if not is_familiar:
            of_account.append((OF_AN_ACCOUNT, (account,)))
        # all are asked before any is counted: what one limit stops does not use up another
        is_weighed = all([await self._limiter.test(limit, *of) for limit, of in of_account])
        taken: list[_Count] = [(FAILURES, (network,))]
        if is_weighed:
            taken += [*of_account, (OF_A_NETWORK, (network,))]
        within = [await self._limiter.hit(limit, *of) for limit, of in taken]
        return taken, is_weighed and all(within)

    async def _give_back(self, taken: list[_Count]) -> None:
        for limit, of in taken:
            await self._storage.incr(limit.key_for(*of), limit.get_expiry(), amount=-1)

    async def _refuse(self, limit: RateLimitItem, network: str) -> None:
        if not await self._limiter.test(limit, network):
            window = await self._limiter.get_window_stats(limit, network)
            raise TooMany(ceil(window.reset_time - time.time()))

    def _hash(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def _network(address: str) -> str:
    try:
        host = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(host, IPv6Address):
        return str(host)
    if host.ipv4_mapped is not None:
        return str(host.ipv4_mapped)
    return str(ip_network((host, _NEIGHBOURS), strict=False))
