"""Whoever is not safe: their readers are written to at once, whatever they have set."""

import pytest

from api.domain.vocabulary import EmailNotices
from tests.support.door import at_the_door, enter, invite, open_door
from tests.support.mail import choose, forget_mail, go_round, mail_server
from tests.support.world import World, ok

pytestmark = pytest.mark.both_databases


@pytest.fixture
async def world(world: World) -> World:
    """A world where nobody is owed a mail, and what happens from now on is told."""
    await forget_mail(world)
    async with mail_server() as box:
        assert await go_round(world, box) == 0
    world.clock.forward(seconds=5)
    return world


@pytest.mark.parametrize("safe_now", ["no", "unsure"])
async def test_every_reader_is_written_to_at_once_whatever_they_have_set(
    world: World, safe_now: str
) -> None:
    await choose(world.supervisor, EmailNotices.never)
    await open_door(world)
    case = await world.clinician.case()
    code = (await invite(world.clinician, case))["code"]
    client = await enter(world, code=code)
    await client.says(happened="CANARY-words", safe_now=safe_now, wants=["nothing_more"])
    async with mail_server() as box:
        assert await go_round(world, box) == 1
        ((to, content),) = box.received
        assert to == [world.supervisor.email]
        said = content.decode()
        assert "Something has come that is to be read at once." in said
        assert "CANARY" not in said
        assert case["client_ref"] not in said
        # and no other goes out for it, nor for the next within the hour
        await client.says(happened="It is still so.", safe_now=safe_now)
        assert await go_round(world, box) == 0
        world.clock.forward(minutes=61)
        client = await enter(world, code=code)
        await client.says(happened="And now, too.", safe_now=safe_now)
        assert await go_round(world, box) == 1


async def test_the_privacy_officers_are_told_of_what_nobody_has_read_for_four_hours(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    await client.says(safe_now="no")
    officer = world.here["privacy_officer"]
    async with mail_server() as box:
        assert await go_round(world, box) == 1
        world.clock.forward(hours=3, minutes=58)
        assert await go_round(world, box) == 0
        world.clock.forward(minutes=3)
        assert await go_round(world, box) == 1
        (_, (to, content)) = box.received
        assert to == [officer.email]
        assert "has not been read by anybody for four hours" in " ".join(content.decode().split())
        world.clock.forward(hours=5)
        assert await go_round(world, box) == 0
    assert ok(await officer.get("/v1/accounts"))["items"] == []
    assert case["id"]


async def test_what_was_read_in_time_is_told_to_nobody_else(world: World) -> None:
    case, client = await at_the_door(world)
    await client.says(safe_now="no")
    (line,) = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    ok(await world.supervisor.get(f"/v1/accounts/{line['id']}"))
    async with mail_server() as box:
        await go_round(world, box)
        world.clock.forward(hours=4, minutes=1)
        assert await go_round(world, box) == 0


@pytest.mark.parametrize("read", [False, True])
async def test_what_was_taken_back_does_not_say_that_they_are_safe(
    world: World, *, read: bool
) -> None:
    case, client = await at_the_door(world)
    again = await enter(world, receipt=(await client.says(safe_now="no"))["receipt"])
    ok(await again.send("POST", "/accounts/1/take-back"))
    async with mail_server() as box:
        assert await go_round(world, box) == 1
        (line,) = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
        if read:
            ok(await world.supervisor.get(f"/v1/accounts/{line['id']}"))
        world.clock.forward(hours=4, minutes=1)
        # nobody has to look twice at what is gone
        assert await go_round(world, box) == (0 if read else 1)


async def test_who_is_safe_or_does_not_say_lets_nobody_be_woken(world: World) -> None:
    _, client = await at_the_door(world)
    for safe_now in ("yes", "not_said"):
        await client.says(happened=f"I love her ({safe_now}).", safe_now=safe_now)
    async with mail_server() as box:
        assert await go_round(world, box) == 0
