"""Guessing at the door: no answer tells one wrong secret from another, and no right one waits."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from httpx import ASGITransport, AsyncClient

from api.access.door_guesses import WRONG
from tests.support.door import enter, invite, knock, open_door
from tests.support.signing_in import plainly, sign_in
from tests.support.world import World, ok

pytestmark = pytest.mark.both_databases

NEVER_MADE = "0123-4567-89AB-CDEF"


async def wrong_secrets(world: World) -> dict[str, dict[str, str]]:
    """Give what opens nothing any more, or never did: by what became of it."""
    await open_door(world)
    case = await world.clinician.case()
    revoked = await invite(world.clinician, case)
    expired = await invite(world.clinician, case, expires_on=world.day())
    client = await enter(world, code=revoked["code"])
    receipt = (await client.says())["receipt"]
    gone = await enter(world, receipt=receipt)
    assert (await gone.send("POST", "/throw-away")).status_code == 204
    ok(await world.clinician.post(f"/v1/invitations/{revoked['id']}/revoke"))
    world.clock.forward(days=1)
    return {
        "never made": {"code": NEVER_MADE},
        "no receipt": {"receipt": NEVER_MADE},
        "too short": {"code": "0"},
        "none": {"code": ""},
        "no letters": {"code": "%%%%"},
        "expired": {"code": expired["code"]},
        "revoked": {"code": revoked["code"]},
        "thrown away": {"receipt": receipt},
        "as the other": {"code": receipt},
    }


async def test_no_wrong_secret_is_told_from_another(world: World) -> None:
    secrets = await wrong_secrets(world)
    answers = {name: plainly(await knock(world, **each)) for name, each in secrets.items()}
    assert answers["never made"][0] == 401
    assert {name: each == answers["never made"] for name, each in answers.items()} == (
        dict.fromkeys(secrets, True)
    )


async def test_a_wrong_secret_costs_as_many_statements_as_another(world: World) -> None:
    secrets = await wrong_secrets(world)
    # the first of all finds out what the others need not
    await knock(world, code=NEVER_MADE)
    counts = {name: await _statements(world, each) for name, each in secrets.items()}
    assert len(set(counts.values())) == 1, counts


async def _statements(world: World, secret: dict[str, str]) -> int:
    counted = 0

    def spy(*_: Any) -> None:
        nonlocal counted
        counted += 1

    engine = world.database.engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", spy)
    try:
        assert (await knock(world, **secret)).status_code == 401
    finally:
        sa.event.remove(engine, "before_cursor_execute", spy)
    return counted


async def test_sixty_wrong_ones_of_one_network_are_enough_and_right_ones_enter(
    world: World,
) -> None:
    await open_door(world)
    case = await world.clinician.case()
    code = (await invite(world.clinician, case))["code"]
    receipt = (await (await enter(world, code=code)).says())["receipt"]
    statuses = []
    for _ in range(60):
        statuses.append((await knock(world, code=NEVER_MADE)).status_code)
        # whoever holds a right one never waits for who guesses
        assert (await knock(world, code=code)).status_code == 201
    assert statuses == [401] * WRONG.amount + [429] * (60 - WRONG.amount)
    assert (await knock(world, receipt=receipt)).status_code == 201
    refused = await knock(world, receipt=NEVER_MADE)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    # another network has its own count
    transport = ASGITransport(app=world.app, client=("192.0.2.77", 4711))
    async with AsyncClient(transport=transport, base_url="http://notes.test") as elsewhere:
        other = await elsewhere.post("/door/v1/session", json={"code": NEVER_MADE})
        assert other.status_code == 401


async def test_guesses_at_the_door_count_for_nobody_of_the_staff(world: World) -> None:
    for _ in range(60):
        await knock(world, code=NEVER_MADE)
    assert (await knock(world, code=NEVER_MADE)).status_code == 429
    assert (await sign_in(world, world.clinician.email)).status_code == 200
    assert (await sign_in(world, world.clinician.email, "wrong")).status_code in (400, 401)


async def test_guesses_of_staff_count_for_nobody_at_the_door(world: World) -> None:
    await open_door(world)
    for number in range(60):
        await sign_in(world, f"nobody-{number}@clinic.example", "wrong")
    assert (await knock(world, code=NEVER_MADE)).status_code == 401
    case = await world.clinician.case()
    code = (await invite(world.clinician, case))["code"]
    assert (await knock(world, code=code)).status_code == 201


async def test_a_secret_stands_in_no_address_and_no_entry(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    code = (await invite(world.clinician, case))["code"]
    receipt = (await (await enter(world, code=code)).says())["receipt"]
    for person in world.here.values():
        told = (await person.get("/v1/journal", limit=100)).text
        assert code not in told
        assert receipt not in told
    for path in (f"/door/v1/session?code={code}", f"/door?code={code}", f"/door/{code}"):
        assert (await world.http.get(path)).status_code != 201


TRIES, ROUNDS = 40, 5


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_no_wrong_secret_takes_longer_than_another(
    world: World, monkeypatch: pytest.MonkeyPatch, say: Callable[[str], None]
) -> None:
    secrets = await wrong_secrets(world)
    names = ["never made", "expired", "revoked", "thrown away"]
    monkeypatch.setattr(type(world.app.state.guesses_at_door), "count_wrong", _count_nothing)
    took: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(TRIES * ROUNDS):
        for name in names:
            since = time.process_time()
            await knock(world, **secrets[name])
            took[name].append(time.process_time() - since)
    medians = {name: statistics.median(each) for name, each in took.items()}
    least, most = min(medians.values()), max(medians.values())
    say(f"wrong secrets at the door take {least * 1000:.2f} to {most * 1000:.2f} ms of processor")
    assert most < least * 1.15, medians


async def _count_nothing(*_: object) -> None:
    return None
