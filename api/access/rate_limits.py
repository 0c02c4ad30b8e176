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

from api.domain.errors import Forbidden, Invalid, TooMany, Unauthorized

# Windows stand still, so at the seam of two of them twice the number may be tried within an hour.

OF_A_NETWORK = RateLimitItemPerHour(50, namespace="guesses of a network")
"""Guesses from one network, at whatever accounts: a clinic of a hundred mistypes less than this."""

OF_AN_ACCOUNT_HERE = RateLimitItemPerHour(10, namespace="guesses at an account from a network")
"""Guesses at one account from one network: somebody who forgot which password it was."""

OF_AN_ACCOUNT = RateLimitItemPerHour(30, namespace="guesses at an account")
"""Guesses at one account from all networks its user is not known to sign in from."""

OF_A_FAMILIAR = RateLimitItemPerHour(5, namespace="guesses at a familiar account from a network")
"""Guesses at an account where its user has signed in before, once a limit above is reached: what
strangers on the same network did is not held against them."""

OF_A_PROOF = RateLimitItemPerHour(10, namespace="guesses beside a proof")
"""Guesses at an account by whoever shows something of its user's that cannot be guessed: a device's
token, a recovery code, a session. Nobody else can use these up."""

FAILURES = RateLimitItemPerHour(1_000, namespace="failures of a network")
"""Guesses from one network, also those that are not looked at: each costs a computation."""

SENSELESS = RateLimitItemPerHour(1_000, namespace="senseless tokens of a network")
"""Tokens, client secrets and codes from one network that a look-up did not find. They are random
enough not to be guessed; sessions that ended are tried again by many programs at once."""

OF_SOFTWARE = "requests of software"
"""Requests of one service account in a minute. By default twenty a second, which keep a diary in
step and leave room for the people of the clinic."""

_UNKNOWN = "0.0.0.0"  # noqa: S104 - stands for a caller without an address, as on a socket
_NEIGHBOURS = 64
"""Bits of an IPv6 address that one subscriber shares."""


PATIENCE = 0.5
"""Seconds until a refusal where a network's limit is reached, whatever was looked at meanwhile."""

_Count = tuple[RateLimitItem, tuple[str, ...]]
"""A limit, and of whom."""

_WRONG = (Unauthorized, Forbidden, Invalid)
"""How an attempt is refused that was a wrong one."""

_USED_UP = (
    "Too many attempts from your network failed. Wait as long as Retry-After says. Where you have "
    "signed in from here before, a right password is taken even now, a few times an hour."
)


class Known(NamedTuple):
    """How the user of an account is known where somebody tries to sign in.

    `here`: they have signed in from this network before. `proof`: what was shown that only they can
    have, as a name to count under; None where nothing was.
    """

    here: bool = False
    proof: str | None = None


STRANGER = Known()


class Guess(NamedTuple):
    """One attempt. Where it is not weighed, what was sent must not be compared with anything."""

    is_weighed: bool
    is_hurried: bool = False
    """Whether its answer must not take longer than any other's here: one comparison, no more."""


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
        self._one_at_a_time = anyio.CapacityLimiter(1)

    def network_of(self, request: Request) -> str:
        """Give a keyed hash of where a request comes from: an IPv4 address, or an IPv6 /64."""
        return hashed_network(request, self._key)

    @asynccontextmanager
    async def look_up(self, network: str) -> AsyncIterator[None]:
        """Let something be looked up, whatever came from this network before.

        From networks whose limit is reached one look-up is made at a time: a flood of them keeps
        one connection busy, and a right token among them waits its turn.
        """
        limits = (SENSELESS, OF_A_NETWORK, FAILURES)
        if all([await self._limiter.test(limit, network) for limit in limits]):
            yield
            return
        async with self._one_at_a_time:
            yield

    async def count_senseless(self, network: str) -> None:
        """Count what a look-up did not find. Raises 429 where there was far too much of it."""
        if not await self._limiter.hit(SENSELESS, network):
            raise TooMany(await self._seconds_of((SENSELESS, (network,))))

    async def pace(self, account: str) -> None:
        """Count a request of clinic software. Raises 429 where it asks too much in a minute."""
        if not await self._limiter.hit(self.of_software, account):
            raise TooMany(await self._seconds_of((self.of_software, (account,))))

    @asynccontextmanager
    async def guess(self, network: str, address: str, known: Known) -> AsyncIterator[Guess]:
        """Let one attempt at the account of an address be made; it fails by raising Unauthorized.

        `address` is what was typed, known or not: an account that does not exist is locked like
        one that does. Raises 429 in place of any failure where the network's limit is reached, as
        long after as the weighing of an account that is known here takes.
        """
        if known.proof is not None:
            async with self.guess_beside(known.proof, address):
                yield Guess(is_weighed=True)
            return
        came, account = anyio.current_time(), self._hash(address)
        async with self._turns:
            used_up = await self._used_up(network)
            taken, is_weighed = await self._take(
                network, account, here=known.here, is_open=used_up is None
            )
            if is_weighed or used_up is None:
                try:
                    async with self._forgiven(taken, *_of_an_account_here(account, network)):
                        yield Guess(is_weighed, is_hurried=used_up is not None)
                except Unauthorized:
                    if used_up is None:
                        raise
                else:
                    return
        assert used_up is not None  # noqa: S101 - else it was looked at, and has ended above
        await anyio.sleep_until(came + PATIENCE)
        raise TooMany(await self._seconds_of(used_up), _USED_UP)

    @asynccontextmanager
    async def guess_beside(self, proof: str, address: str) -> AsyncIterator[None]:
        """Let an attempt at an account be made by who has proved to be its user in another way.

        It fails by a refusal of what was sent. Raises 429 where too many did: to such a one that
        tells nothing, and nobody else is near these counts. `address`: as typed, or an id.
        """
        taken = (OF_A_PROOF, (self._hash(address), self._hash(proof)))
        if not await self._hit([taken]):
            raise TooMany(await self._seconds_of(taken))
        async with self._forgiven([taken], taken):
            yield

    @asynccontextmanager
    async def _forgiven(self, taken: list[_Count], *cleared: _Count) -> AsyncIterator[None]:
        """Give back what an attempt was counted as, unless it was wrong; clear some if right."""
        try:
            yield
        except _WRONG:
            raise
        except Exception:
            # The attempt came to nothing, for a reason of ours. Whoever hangs up in the midst
            # of one has had it.
            await self._give_back(taken)
            raise
        await self._give_back(taken)
        for limit, of in cleared:
            await self._limiter.clear(limit, *of)

    async def _take(
        self, network: str, account: str, *, here: bool, is_open: bool
    ) -> tuple[list[_Count], bool]:
        """Count an attempt; give what was counted, and whether it may be looked at.

        What is counted of a network must not depend on whether the account is known: whoever counts
        their own attempts until they are refused would learn it.
        """
        taken: list[_Count] = [(FAILURES, (network,))]
        of_account, reserve = _of_an_account_here(account, network)
        ours: list[_Count] = [of_account, (OF_A_NETWORK, (network,))]
        anywhere: list[_Count] = [] if here else [(OF_AN_ACCOUNT, (account,))]
        # all are asked before any is counted: what one limit stops does not use up another
        is_open = is_open and await self._have_room([of_account])
        is_weighed = is_open and await self._have_room(anywhere)
        if is_open:
            taken += ours
        if is_weighed:
            taken += anywhere
        within = await self._hit(taken)
        if not here:
            return taken, is_weighed and within
        if is_weighed and within:
            return taken, True
        return [*taken, reserve], await self._hit([reserve])

    async def _have_room(self, counts: list[_Count]) -> bool:
        return all([await self._limiter.test(limit, *of) for limit, of in counts])

    async def _hit(self, counts: list[_Count]) -> bool:
        return all([await self._limiter.hit(limit, *of) for limit, of in counts])

    async def _give_back(self, taken: list[_Count]) -> None:
        for limit, of in taken:
            await self._storage.incr(limit.key_for(*of), limit.get_expiry(), amount=-1)

    async def _used_up(self, network: str) -> _Count | None:
        """Give the limit that a network has reached, if any."""
        for limit in (FAILURES, OF_A_NETWORK):
            if not await self._limiter.test(limit, network):
                return limit, (network,)
        return None

    async def _seconds_of(self, count: _Count) -> int:
        """Give in how many seconds a count begins anew."""
        limit, of = count
        window = await self._limiter.get_window_stats(limit, *of)
        return ceil(window.reset_time - time.time())

    def _hash(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def hashed_network(request: Request, key: bytes) -> str:
    """Hash where a request comes from, an IPv4 address or an IPv6 /64, with a key."""
    address = request.client.host if request.client else _UNKNOWN
    return hmac.new(key, _network(address).encode(), hashlib.sha256).hexdigest()


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


def _of_an_account_here(account: str, network: str) -> tuple[_Count, _Count]:
    """Give what is counted of an account in one network: first of all, and in reserve."""
    return (OF_AN_ACCOUNT_HERE, (account, network)), (OF_A_FAMILIAR, (account, network))
