"""Guessing: few guesses are looked at, nobody is locked out by strangers, and no answer tells."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import sqlalchemy as sa
import time_machine
from fastapi import Request
from httpx import ASGITransport, AsyncClient, Response
from limits import RateLimitItemPerHour
from limits.aio.storage import MemoryStorage
from limits.errors import StorageError
from pwdlib.hashers.argon2 import Argon2Hasher
from uuid_utils.compat import uuid7

import api.access.rate_limits
from api.access.rate_limits import STRANGER, Known, Throttle
from api.domain.errors import TooMany, Unauthorized
from api.runtime.settings import Settings
from api.security.opaque_tokens import RefreshTokens, hash_of
from api.storage.models.people import SignIn
from tests.support.requests import refused, tolerant
from tests.support.signing_in import (
    Asked,
    Checks,
    asked,
    checks,
    enrol,
    me_with,
    refresh,
    same_body,
)
from tests.support.world import PASSWORD, SETTINGS_SECRET, Person, World, ok

__all__ = ["asked", "checks"]

MOST = 100
"""How many of so many guesses may be looked at."""

HOME = "192.0.2.10"

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("impatient")]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse at once where a network's limit is reached: hundreds of refusals come here."""
    monkeypatch.setattr(api.access.rate_limits, "PATIENCE", 0)


def a_throttle() -> Throttle:
    return Throttle("async+memory://", "x" * 40, 2)


def from_address(address: str) -> Request:
    return Request({"type": "http", "client": (address, 4711)})


async def guess(throttle: Throttle, network: str, account: str, known: Known = STRANGER) -> bool:
    """Guess wrong once; tell whether it was looked at."""
    try:
        async with throttle.guess(network, account, known) as made:
            # as a real check does, let others run meanwhile
            await anyio.lowlevel.checkpoint()
            raise Unauthorized
    except Unauthorized:
        return made.is_weighed
    except TooMany:
        return False


Plan = Callable[[int], tuple[str, str]]
PLANS: dict[str, Plan] = {
    "one network, one account": lambda number: ("n", "a"),
    "one network, many accounts": lambda number: ("n", f"a{number}"),
    "one network, a few accounts": lambda number: ("n", f"a{number % 7}"),
    "many networks, one account": lambda number: (f"n{number}", "a"),
    "a few networks, one account": lambda number: (f"n{number % 7}", "a"),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("guesses", [2_000, pytest.param(10_000, marks=pytest.mark.long)])
async def test_of_thousands_of_guesses_few_are_looked_at(plan: Plan, guesses: int) -> None:
    throttle = a_throttle()
    looked_at = [await guess(throttle, *plan(number)) for number in range(guesses)]
    assert 0 < sum(looked_at) <= MOST


async def test_of_guesses_made_all_at_once_no_more_are_looked_at() -> None:
    throttle, looked_at = a_throttle(), list[bool]()

    async def one(account: str) -> None:
        looked_at.append(await guess(throttle, "n", account))

    async with anyio.create_task_group() as tasks:
        for number in range(1_000):
            tasks.start_soon(one, f"a{number}")
    assert sum(looked_at) == 50


async def test_without_its_limits_every_guess_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OF_A_NETWORK", "OF_AN_ACCOUNT_HERE", "OF_AN_ACCOUNT", "FAILURES"):
        limit = getattr(api.access.rate_limits, name)
        monkeypatch.setattr(
            api.access.rate_limits, name, type(limit)(10**9, namespace=limit.namespace)
        )
    throttle = a_throttle()
    for number in range(2 * MOST):
        assert await guess(throttle, "n", f"a{number % 7}")


def test_a_network_is_an_ipv4_address_or_the_64_bits_that_a_subscriber_has() -> None:
    network_of = a_throttle().network_of
    same = [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("fe80::1%eth0", "fe80::1%eth1"),
    ]
    other = [("192.0.2.1", "192.0.2.2"), ("2001:db8:1:2::1", "2001:db8:1:3::1"), ("a", "b")]
    for one, another in same:
        assert network_of(from_address(one)) == network_of(from_address(another))
    for one, another in other:
        assert network_of(from_address(one)) != network_of(from_address(another))
    assert network_of(Request({"type": "http", "client": None}))
    assert "192.0.2.1" not in network_of(from_address("192.0.2.1"))


async def test_a_failure_of_ours_counts_against_nobody() -> None:
    throttle = a_throttle()

    async def break_down() -> None:
        async with throttle.guess("n", "a", STRANGER) as made:
            assert made.is_weighed
            raise OSError("lost")

    for _ in range(MOST):
        with pytest.raises(OSError, match="lost"):
            await break_down()


def test_counting_is_in_memory_unless_set_otherwise() -> None:
    assert Settings(secret_key=SETTINGS_SECRET).throttle_storage_url == "async+memory://"


# ------------------------------------------------------------------------------- over HTTP


@asynccontextmanager
async def client_at(world: World, address: str) -> AsyncIterator[AsyncClient]:
    transport = ASGITransport(app=world.app, client=(address, 4711))
    async with AsyncClient(transport=transport, base_url="http://notes.test") as http:
        yield http


async def sign_in_from(world: World, address: str, email: str, password: str) -> Response:
    form = {"grant_type": "password", "username": email, "password": password}
    async with client_at(world, address) as http:
        return await http.post("/v1/auth/token", data=form)


async def is_let_in(world: World, address: str, person: Person) -> bool:
    return (await sign_in_from(world, address, person.email, PASSWORD)).status_code == 200


WRONG = "not the password of anybody"


async def besiege(world: World, person: Person, networks: int = 60) -> None:
    """Guess at one account from many networks."""
    for number in range(networks):
        await sign_in_from(world, f"198.51.100.{number}", person.email, WRONG)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> Checks:
    """Count the passwords compared with a real user's hash, and make comparing cheap."""
    counted, verify = Checks(), Argon2Hasher.verify

    def compare(hasher: Argon2Hasher, password: str, password_hash: str) -> bool:
        # the world's people have hashes of few rounds; nobody's has the full number
        if "m=8," not in password_hash:
            return False
        counted.done += 1
        return verify(hasher, password, password_hash)

    monkeypatch.setattr(Argon2Hasher, "verify", compare)
    return counted


def mixes(world: World) -> Iterator[tuple[str, str]]:
    """Say from where and at whom to guess: one network at all, then many networks at one."""
    people = [person.email for person in world.here.values()]
    for number in range(500):
        yield "203.0.113.1", people[number % len(people)]
    for number in range(500):
        yield f"2001:db8:{number:x}::1", world.clinician.email


async def test_of_a_thousand_requests_few_reach_a_real_password(
    world: World, cheap: Checks
) -> None:
    for address, email in mixes(world):
        answer = await sign_in_from(world, address, email, WRONG)
        assert answer.status_code in {400, 429}
    assert 50 <= cheap.done <= MOST


async def test_a_locked_account_gets_the_same_answer_for_the_same_work(
    world: World, checks: Checks
) -> None:
    me = tolerant(world).clinician
    await sign_in_from(world, "198.51.100.200", me.email, WRONG)
    bodies = set()
    for _ in range(12):
        checks.since()
        answer = await sign_in_from(world, HOME, me.email, WRONG)
        refused(answer, 400)
        assert checks.since() == 1
        bodies.add(same_body(answer))
    answers = [
        await sign_in_from(world, HOME, me.email, PASSWORD),
        await sign_in_from(world, "192.0.2.77", f"nobody-{me.email}", WRONG),
    ]
    assert checks.since() == 2
    bodies |= {same_body(refused_answer) for refused_answer in answers}
    assert {answer.status_code for answer in answers} == {400}
    assert len(bodies) == 1


@pytest.mark.usefixtures("cheap")
async def test_a_lock_opens_after_an_hour(world: World) -> None:
    me = tolerant(world).clinician
    with time_machine.travel(datetime(2026, 3, 2, 12, tzinfo=UTC), tick=False) as moved:
        for _ in range(10):
            await sign_in_from(world, HOME, me.email, WRONG)
        assert not await is_let_in(world, HOME, me)
        moved.shift(3_599)
        assert not await is_let_in(world, HOME, me)
        moved.shift(1)
        assert await is_let_in(world, HOME, me)


async def test_where_a_network_is_used_up_a_stranger_there_is_refused_before_any_work(
    world: World, checks: Checks
) -> None:
    tolerant(world)
    for number in range(50):
        answer = await sign_in_from(world, HOME, f"{number}-{uuid7().hex}@clinic.example", WRONG)
        refused(answer, 400)
    checks.since()
    answer = await sign_in_from(world, HOME, world.clinician.email, PASSWORD)
    assert refused(answer, 429)["type"].endswith("too-many-requests")
    assert 3_500 < int(answer.headers["retry-after"]) <= 3_600
    assert checks.since() == 0
    assert await is_let_in(world, "192.0.2.99", world.clinician)


async def use_up(world: World, address: str) -> None:
    """Guess from a network until nothing more is looked at there."""
    for number in range(50):
        await sign_in_from(world, address, f"{number}-{uuid7().hex}@x.example", WRONG)


@pytest.mark.usefixtures("cheap")
async def test_strangers_on_the_same_network_lock_nobody_out_who_signed_in_there(
    world: World,
) -> None:
    familiar = [tolerant(world).clinician, world.supervisor, world.here["consultant"]]
    for person in familiar:
        assert await is_let_in(world, HOME, person)
    await use_up(world, HOME)
    for person in familiar:
        assert await is_let_in(world, HOME, person)
    # who never signed in there waits, and is told how long
    answer = await sign_in_from(world, HOME, world.colleague.email, PASSWORD)
    assert refused(answer, 429)["type"].endswith("too-many-requests")
    assert 3_000 < int(answer.headers["retry-after"]) <= 3_600


async def test_where_a_network_is_used_up_few_guesses_at_a_familiar_account_are_looked_at(
    world: World, cheap: Checks
) -> None:
    me = tolerant(world).clinician
    assert await is_let_in(world, HOME, me)
    await use_up(world, HOME)
    cheap.since()
    for _ in range(40):
        refused(await sign_in_from(world, HOME, me.email, WRONG), 429)
    assert cheap.since() == 5
    # then a right one is not looked at either
    refused(await sign_in_from(world, HOME, me.email, PASSWORD), 429)
    assert cheap.since() == 0


async def test_a_stranger_learns_nothing_of_who_signed_in_from_a_network(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, other = tolerant(world).clinician, world.colleague
    assert await is_let_in(world, HOME, me)
    await use_up(world, HOME)
    monkeypatch.setattr(api.access.rate_limits, "PATIENCE", 3)
    answers, took = set(), dict[str, float]()

    async def guess(email: str) -> None:
        began = anyio.current_time()
        answer = await sign_in_from(world, HOME, email, WRONG)
        took[email] = anyio.current_time() - began
        refused(answer, 429)
        answers.add(same_body(answer))

    async with anyio.create_task_group() as guessing:
        for email in (me.email, other.email, f"{uuid7().hex}@x.example"):
            guessing.start_soon(guess, email)
    assert len(answers) == 1
    # each after the same while, whether a password was looked at or not
    assert min(took.values()) >= 3, took
    assert max(took.values()) - min(took.values()) < 2


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("whose", ["familiar", "unfamiliar", "besieged", "nobody"])
async def test_how_many_guesses_are_left_tells_nothing_of_an_account_either(
    world: World, whose: str
) -> None:
    me = tolerant(world).clinician
    email = f"{uuid7().hex}@x.example" if whose == "nobody" else me.email
    if whose == "familiar":
        assert await is_let_in(world, HOME, me)
    if whose == "besieged":
        await besiege(world, me)
    statuses = []
    for number in range(70):
        other = f"{number}-{uuid7().hex}@x.example"
        answer = await sign_in_from(world, HOME, email if number < 15 else other, WRONG)
        statuses.append(answer.status_code)
    # ten of the fifteen count: the others met an account that was locked
    assert statuses == [400] * 55 + [429] * 15


# ------------------------------------------------------------------- devices known again


async def sign_in_with(
    world: World, address: str, person: Person, password: str, token: str, **more: str
) -> Response:
    form = {"grant_type": "password", "username": person.email, "password": password}
    async with client_at(world, address) as http:
        return await http.post("/v1/auth/token", data={**form, "device_token": token, **more})


async def device_of(world: World, address: str, person: Person) -> str:
    token: str = ok(await sign_in_from(world, address, person.email, PASSWORD))["device_token"]
    return token


@pytest.mark.usefixtures("cheap")
async def test_a_device_known_again_is_let_in_wherever_others_guessed(world: World) -> None:
    me = tolerant(world).clinician
    device = await device_of(world, HOME, me)
    await use_up(world, "192.0.2.70")
    await besiege(world, me)
    for _ in range(20):
        await sign_in_from(world, HOME, me.email, WRONG)
    for address in (HOME, "192.0.2.70", "192.0.2.71"):
        assert not await is_let_in(world, address, me)
        again = ok(await sign_in_with(world, address, me, PASSWORD, device))
        assert again["device_token"] == device


async def test_a_device_has_few_guesses_and_nobody_elses(world: World, cheap: Checks) -> None:
    me = tolerant(world).clinician
    mine, theirs = await device_of(world, HOME, me), await device_of(world, HOME, world.colleague)
    cheap.since()
    statuses = [(await sign_in_with(world, HOME, me, WRONG, mine)).status_code for _ in range(12)]
    assert statuses == [400] * 10 + [429] * 2
    assert cheap.since() == 10
    # it locked itself, not its person
    assert await is_let_in(world, HOME, me)
    await use_up(world, "192.0.2.70")
    cheap.since()
    for token in (theirs, "", "x" * 43, hash_of(mine)):
        refused(await sign_in_with(world, "192.0.2.70", me, PASSWORD, token), 429)
    assert cheap.since() == 0


@pytest.mark.usefixtures("cheap")
async def test_a_device_token_opens_nothing_lasts_ninety_days_and_is_kept_as_a_hash(
    world: World,
) -> None:
    me = tolerant(world).clinician
    device = await device_of(world, HOME, me)
    refused(await sign_in_with(world, HOME, me, WRONG, device), 400)
    refused(await me_with(world, device), 401)
    refused(await refresh(world, device), 400)
    assert ok(await sign_in_with(world, HOME, me, PASSWORD, "of somebody else"))["device_token"]
    async with world.database.transaction() as tx:
        await tx.enter(me.clinic_id)
        rows = str((await (await tx.connection()).execute(sa.select(SignIn))).all())
    assert hash_of(device) in rows
    assert device not in rows
    await use_up(world, "192.0.2.70")
    world.clock.forward(days=89)
    ok(await sign_in_with(world, "192.0.2.70", me, PASSWORD, device))
    world.clock.forward(days=89)
    ok(await sign_in_with(world, "192.0.2.70", me, PASSWORD, device))
    world.clock.forward(days=90)
    refused(await sign_in_with(world, "192.0.2.70", me, PASSWORD, device), 429)


@pytest.mark.usefixtures("cheap")
async def test_who_shows_a_recovery_code_is_let_in_from_a_network_that_is_used_up(
    world: World,
) -> None:
    me = tolerant(world).clinician
    _, codes = await enrol(world, me)
    await use_up(world, HOME)
    for otp, status in (("A" * 16, 429), (codes[0], 200), (codes[0], 429), (codes[1], 200)):
        answer = await sign_in_with(world, HOME, me, PASSWORD, "", otp=otp)
        assert answer.status_code == status, otp


# ---------------------------------------------------- what is looked up proves itself


@pytest.mark.usefixtures("cheap")
async def test_strangers_lock_nobody_out_of_a_network_they_sign_in_from(world: World) -> None:
    me = tolerant(world).clinician
    assert await is_let_in(world, HOME, me)
    await besiege(world, me)
    assert not await is_let_in(world, "192.0.2.50", me)
    assert await is_let_in(world, HOME, me)
    # a slip of one's own is not added to theirs
    refused(await sign_in_from(world, HOME, me.email, WRONG), 400)
    assert await is_let_in(world, HOME, me)
    # and somebody else of the same network is not let past by it
    await besiege(world, world.colleague)
    assert not await is_let_in(world, HOME, world.colleague)


@pytest.mark.usefixtures("cheap")
async def test_a_network_is_familiar_for_ninety_days(world: World) -> None:
    me = tolerant(world).clinician
    assert await is_let_in(world, HOME, me)
    await besiege(world, me)
    world.clock.forward(days=89)
    assert await is_let_in(world, HOME, me)
    world.clock.forward(days=91)
    assert not await is_let_in(world, HOME, me)


@pytest.mark.usefixtures("cheap")
async def test_a_right_password_forgives_the_wrong_ones_before_it(world: World) -> None:
    me = world.clinician
    for _ in range(3):
        for _ in range(9):
            await sign_in_from(world, HOME, me.email, WRONG)
        assert await is_let_in(world, HOME, me)


@pytest.mark.usefixtures("cheap")
async def test_signing_in_forgives_no_guesses_at_others(world: World) -> None:
    me = world.clinician
    statuses = []
    for number in count():
        if number == 60:
            break
        answer = await sign_in_from(world, HOME, f"{number}-{uuid7().hex}@x.example", WRONG)
        statuses.append(answer.status_code)
        if number % 10 == 0:
            await is_let_in(world, HOME, me)
    assert statuses == [400] * 50 + [429] * 10


async def test_a_hundred_people_behind_one_address_sign_in_at_nine(
    world: World, cheap: Checks
) -> None:
    people = [person.email for person in world.here.values()] * 15
    statuses: list[int] = []

    # no more at once than a slow machine opens connections for in time
    at_once = anyio.CapacityLimiter(16)

    async def one(email: str, slips: int) -> None:
        async with at_once:
            for password in [WRONG] * slips + [PASSWORD]:
                answer = await sign_in_from(world, HOME, email, password)
        statuses.append(answer.status_code)

    async with anyio.create_task_group() as tasks:
        for number, email in enumerate(people):
            tasks.start_soon(one, email, int(number % 3 == 0))
    assert statuses == [200] * len(people)


async def refresh_at(world: World, address: str, token: str) -> Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    async with client_at(world, address) as http:
        return await http.post("/v1/auth/token", data=form)


async def test_senseless_tokens_are_refused_and_hold_up_nobody_who_has_a_right_one(
    world: World,
) -> None:
    me = tolerant(world).clinician
    pair = ok(await sign_in_from(world, HOME, me.email, PASSWORD))
    statuses = [(await refresh_at(world, HOME, "x" * 86)).status_code for _ in range(1_001)]
    assert statuses == [400] * 1_000 + [429]
    unknown = RefreshTokens("another").new(me.clinic_id, uuid7()).text
    answer = await refresh_at(world, HOME, unknown)
    refused(answer, 429)
    assert 0 < int(answer.headers["retry-after"]) <= 3_600
    ok(await refresh_at(world, HOME, pair["refresh_token"]))
    # and they are no guesses at a password: who was never there signs in
    assert await is_let_in(world, HOME, world.colleague)


@pytest.mark.usefixtures("cheap")
async def test_guesses_at_passwords_hold_up_no_token(world: World) -> None:
    me = tolerant(world).clinician
    pair = ok(await sign_in_from(world, "192.0.2.99", me.email, PASSWORD))
    await use_up(world, HOME)
    ok(await refresh_at(world, HOME, pair["refresh_token"]))


async def test_a_senseless_token_costs_one_look_up_and_writes_nothing(
    world: World, asked: Asked
) -> None:
    me = tolerant(world).clinician
    # the last instant of a clinic is asked for once
    ok(await me.get("/v1/me"))
    for token, most in (
        ("x" * 86, 0),
        (RefreshTokens("another").new(me.clinic_id, uuid7()).text, 1),
    ):
        asked.statements = 0
        refused(await refresh(world, token), 400)
        # and, on SQLite, the statement that begins
        assert asked.statements <= most + 1


async def test_from_a_network_that_floods_one_look_up_is_made_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    none = RateLimitItemPerHour(0, namespace="none")
    throttle, inside, most = a_throttle(), 0, 0

    async def look() -> None:
        nonlocal inside, most
        async with throttle.look_up("n"):
            inside += 1
            most = max(most, inside)
            await anyio.lowlevel.checkpoint()
            inside -= 1

    for limit, at_once in ((api.access.rate_limits.SENSELESS, 20), (none, 1)):
        monkeypatch.setattr(api.access.rate_limits, "SENSELESS", limit)
        most = 0
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(look)
        assert most == at_once


async def test_where_failures_cannot_be_counted_nobody_signs_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tolerant(world)

    async def lost(storage: MemoryStorage, *_: Any, **__: Any) -> int:
        raise StorageError(OSError("lost"))

    monkeypatch.setattr(MemoryStorage, "get", lost)
    answer = await sign_in_from(world, HOME, world.clinician.email, PASSWORD)
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("unavailable")


@pytest.mark.usefixtures("cheap")
async def test_the_address_is_the_connections_whatever_a_header_says(world: World) -> None:
    form = {"grant_type": "password", "password": WRONG}
    statuses = []
    for number in range(51):
        headers = dict.fromkeys(("X-Forwarded-For", "Forwarded", "X-Real-IP"), f"10.0.0.{number}")
        data = {**form, "username": f"{number}-{uuid7().hex}@x.example"}
        answer = await world.http.post("/v1/auth/token", data=data, headers=headers)
        statuses.append(answer.status_code)
    assert statuses == [400] * 50 + [429]
