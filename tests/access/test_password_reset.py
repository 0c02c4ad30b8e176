"""A forgotten password: an admin hands over a code that works once, for an hour, for one person."""

from typing import Any
from uuid import uuid4

import anyio
import pytest
from limits import RateLimitItemPerHour
from pwdlib.hashers.argon2 import Argon2Hasher

from tests.support.canary import CANARY
from tests.support.requests import refused, tolerant
from tests.support.signing_in import (
    NEW,
    Asked,
    asked,
    begin,
    entries_of,
    me_with,
    offer,
    refresh,
    reset,
    same_body,
    sign_in,
)
from tests.support.world import PASSWORD, World, ok

__all__ = ["asked"]


async def test_a_code_sets_a_new_password_and_ends_every_session(world: World) -> None:
    me = tolerant(world).clinician
    pair, bystander = await begin(world), await begin(world, world.colleague)
    code = (await offer(world, me))["code"]
    ok(await sign_in(world, me.email, PASSWORD))
    answer = await reset(world, me, code)
    assert (answer.status_code, answer.content) == (204, b"")
    refused(await me_with(world, pair["access_token"]), 401)
    refused(await refresh(world, pair["refresh_token"]), 400)
    refused(await sign_in(world, me.email, PASSWORD), 400)
    ok(await sign_in(world, me.email, NEW))
    ok(await me_with(world, bystander["access_token"]))
    assert "user.password_reset" in await entries_of(world, me)
    assert "user.password_reset_offered" in await entries_of(world, world.admin)


async def test_a_code_works_once(world: World) -> None:
    me = tolerant(world).clinician
    code = (await offer(world, me))["code"]
    assert (await reset(world, me, code.lower())).status_code == 204
    refused(await reset(world, me, code, password=PASSWORD), 401)
    ok(await sign_in(world, me.email, NEW))


async def test_of_many_at_once_with_one_code_one_counts(world: World) -> None:
    me = tolerant(world).clinician
    code = (await offer(world, me))["code"]
    statuses: list[int] = []

    async def one(number: int) -> None:
        answer = await reset(world, me, code, password=f"{NEW} {number}")
        statuses.append(answer.status_code)

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(one, number)
    assert sorted(statuses) == [204] + [401] * 7


async def test_a_code_lasts_an_hour(world: World) -> None:
    me = tolerant(world).clinician
    first = await offer(world, me)
    world.clock.forward(minutes=59, seconds=59)
    assert (await reset(world, me, first["code"])).status_code == 204
    second = await offer(world, me)
    world.clock.forward(hours=1)
    refused(await reset(world, me, second["code"]), 401)


async def test_a_newer_code_ends_the_older_one(world: World) -> None:
    me = tolerant(world).clinician
    older, newer = [(await offer(world, me))["code"] for _ in range(2)]
    refused(await reset(world, me, older), 401)
    assert (await reset(world, me, newer)).status_code == 204


async def test_only_an_admin_here_offers_one_and_never_to_themselves(world: World) -> None:
    me = tolerant(world).clinician
    path = f"/v1/users/{me.id}/password-reset"
    for part, person in world.here.items():
        if part != "admin":
            refused(await person.post(path), 403, why=part)
    refused(await world.there["admin"].post(path), 404)
    refused(await world.admin.post(f"/v1/users/{uuid4()}/password-reset"), 404)
    refused(await world.admin.post(f"/v1/users/{world.admin.id}/password-reset"), 403)


class Work:
    """Counts the Argon2 computations of both kinds."""

    def __init__(self) -> None:
        self.done = 0


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    counted, real = Work(), Argon2Hasher.hash

    def spy(hasher: Argon2Hasher, *arguments: Any, **named: Any) -> str:
        counted.done += 1
        return real(hasher, *arguments, **named)

    monkeypatch.setattr(Argon2Hasher, "hash", spy)
    return counted


async def test_every_failure_gets_the_same_answer_for_the_same_work(
    world: World, work: Work, asked: Asked
) -> None:
    me, there = tolerant(world).clinician, world.there["clinician"]
    # the last instant of a clinic, and of none, is asked for once in a process
    ok(await there.get("/v1/me"))
    refused(await reset(world, me, "", username="nobody@clinic.example"), 401)
    code = (await offer(world, me))["code"]
    gone = world.here["consultant"]
    code_of_gone = (await offer(world, gone))["code"]
    ok(await world.admin.patch(f"/v1/users/{gone.id}", {"is_active": False}))
    bodies, statements = set(), set()
    for why, person, tried, fields in (
        ("nobody has this address", me, code, {"username": f"{CANARY}@clinic.example"}),
        ("a wrong code", me, "AAAA-AAAA-AAAA-AAAA", {}),
        ("no code", me, "", {}),
        ("somebody else's code", world.colleague, code, {}),
        ("in another clinic", there, code, {}),
        ("with another clinic named", me, code, {"clinic": str(there.clinic_id)}),
        ("somebody shut out", gone, code_of_gone, {}),
        ("a long code", me, "é" * 64, {}),
    ):
        asked.statements, work.done = 0, 0
        answer = await reset(world, person, tried, **fields)
        refused(answer, 401, why=why)
        assert work.done == 0, why
        bodies.add(same_body(answer))
        statements.add(asked.statements)
    assert len(bodies) == 1
    assert len(statements) == 1
    assert (await reset(world, me, code)).status_code == 204
    assert work.done == 1


async def test_a_password_too_short_is_said_so_and_uses_up_no_code(world: World) -> None:
    me = tolerant(world).clinician
    code = (await offer(world, me))["code"]
    answer = await reset(world, me, code, password="too short")
    refused(answer, 422)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/password"]
    assert (await reset(world, me, code)).status_code == 204


async def test_a_right_code_is_taken_whatever_was_guessed_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = RateLimitItemPerHour(10, namespace="few senseless codes")
    monkeypatch.setattr("api.access.rate_limits.SENSELESS", few)
    me = tolerant(world).clinician
    code = (await offer(world, me))["code"]
    statuses = [(await reset(world, me, f"guess {number}")).status_code for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert (await reset(world, me, code)).status_code == 204
    # what was guessed there locks nobody out of signing in
    ok(await sign_in(world, me.email, NEW))
