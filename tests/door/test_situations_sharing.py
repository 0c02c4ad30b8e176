"""What a client shares with their therapist: from midnight on, and no more than it says."""

from datetime import UTC, datetime
from uuid import UUID

from tests.support.cases import link
from tests.support.desk import seated
from tests.support.door import at_the_door, enter
from tests.support.door_pages import MINE, Caller, form_of
from tests.support.door_scene import (
    account_id_of,
    by_receipt,
    is_nothing_to,
    lines,
    opened,
    reads,
    replies,
)
from tests.support.world import World, made, ok

SHARED = {"shared": "with_therapist"}
TOLD = {
    "happened": "It was too much for me.",
    "topics": ["touch"],
    "when": "2026-03-01",
    "wants": ["somebody_looks", "an_answer"],
    "safe_now": "no",
    "reach": "By letter.",
}


async def test_the_therapist_reads_what_is_shared_from_midnight_on_and_no_more(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    client, receipt = await by_receipt(client, **TOLD)
    hidden = await account_id_of(world.supervisor, case)
    assert ok(await client.send("PATCH", "/accounts/1", SHARED))["shared_from"] == world.day(1)
    assert await lines(world.clinician, case) == []
    world.clock.forward(hours=11, minutes=59)
    assert await lines(world.clinician, case) == []
    world.clock.forward(minutes=1)
    (shared,) = await lines(world.clinician, case)
    assert shared == {
        "id": shared["id"],
        "case_id": case["id"],
        "happened": TOLD["happened"],
        "topics": ["touch"],
        "when": "2026-03-01",
        "date_precision": "day",
        "shared_on": "2026-03-03",
    }
    assert await opened(world.clinician, shared["id"]) == shared
    # its id was made at midnight, and tells of no other time
    made_at = datetime.fromtimestamp((UUID(shared["id"]).int >> 80) / 1000, UTC)
    assert made_at == datetime(2026, 3, 3, tzinfo=UTC)
    assert await is_nothing_to(world.clinician, hidden)
    assert (await world.supervisor.get(f"/v1/accounts/{shared['id']}")).status_code == 404
    # and it stays with its readers what it was
    assert set(await world.supervisor.flags(case)) == {"client_not_safe", "client_asks_to_look"}
    assert await world.clinician.flags(case, live=False) == {}
    assert (await replies(world.clinician, shared["id"])).status_code in (403, 404)
    (mine,) = await (await enter(world, receipt=receipt)).mine()
    assert [(each["role"], each["on"]) for each in mine["read_by"]] == [("clinician", "2026-03-03")]
    assert mine["status"] == "received"


async def test_until_midnight_sharing_is_taken_back_and_then_no_more(world: World) -> None:
    case, client = await at_the_door(world)
    client, receipt = await by_receipt(client, **SHARED)
    back = ok(await client.send("PATCH", "/accounts/1", {"shared": "not_with_therapist"}))
    assert (back["shared"], back["shared_from"]) == ("not_with_therapist", None)
    world.clock.forward(days=1)
    assert await lines(world.clinician, case) == []
    client = await enter(world, receipt=receipt)
    ok(await client.send("PATCH", "/accounts/1", SHARED))
    world.clock.forward(days=1)
    assert len(await lines(world.clinician, case)) == 1
    client = await enter(world, receipt=receipt)
    late = await client.send("PATCH", "/accounts/1", {"shared": "not_yet"})
    assert (late.status_code, "by now" in late.json()["detail"]) == (409, True)


async def test_what_is_taken_back_before_midnight_is_never_shared(world: World) -> None:
    case, client = await at_the_door(world)
    client, _ = await by_receipt(client, **SHARED)
    ok(await client.send("POST", "/accounts/1/take-back"))
    world.clock.forward(days=1)
    assert await lines(world.clinician, case) == []
    shown = await reads(world.supervisor, case)
    assert (shown["status"], shown["happened"]) == ("taken_back", None)


async def test_what_the_therapist_has_read_is_read_and_not_destroyed(world: World) -> None:
    case, client = await at_the_door(world)
    _, receipt = await by_receipt(client, **TOLD, **SHARED)
    world.clock.forward(days=1)
    (shared,) = await lines(world.clinician, case)
    client = await enter(world, receipt=receipt)
    back = ok(await client.send("POST", "/accounts/1/take-back"))
    assert (back["status"], back["happened"]) == ("taken_back", TOLD["happened"])
    assert await opened(world.clinician, shared["id"]) == shared


async def test_a_transfer_shares_nothing(world: World) -> None:
    await link(world, world.supervisor, world.colleague)
    case, client = await at_the_door(world)
    _, receipt = await by_receipt(client, **SHARED)
    world.clock.forward(days=1)
    (shared,) = await lines(world.clinician, case)
    told = await reads(world.supervisor, case)
    assert told["therapist_reads_from"] == told["shared_from"] == world.day()
    handed = {"clinician_id": str(world.colleague.id), "reason": "leave"}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", handed))
    told = await reads(world.supervisor, case)
    # what was shared with the one is not with the other
    assert (told["therapist_reads_from"], told["shared_from"]) == (None, world.day())
    seat = await seated(world, world.supervisor)
    page = await seat.open(f"/desk/accounts/{told['id']}")
    assert "This is hidden from the therapist." in page.text
    page = await (await Caller(world).come_in(receipt)).open(f"{MINE}/1")
    assert form_of(page, "share")["shared"].options
    assert await lines(world.colleague, case) == []
    for person in (world.colleague, world.clinician):
        assert (await person.get(f"/v1/accounts/{shared['id']}")).status_code == 404
    assert len(await lines(world.supervisor, case)) == 1
    # the client may share it with who has the case now
    client = await enter(world, receipt=receipt)
    assert ok(await client.send("PATCH", "/accounts/1", SHARED))["shared_from"] == world.day(1)
    world.clock.forward(days=1)
    (anew,) = await lines(world.colleague, case)
    assert anew["shared_on"] == world.day()
    assert anew["id"] != shared["id"]


async def test_a_transfer_before_midnight_shares_with_nobody(world: World) -> None:
    await link(world, world.supervisor, world.colleague)
    case, client = await at_the_door(world)
    await client.says(**SHARED)
    handed = {"clinician_id": str(world.colleague.id), "reason": "leave"}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", handed))
    world.clock.forward(days=1)
    assert await lines(world.colleague, case) == []
    answer = await world.clinician.get(f"/v1/cases/{case['id']}/accounts")
    assert answer.status_code == 404


async def test_who_stands_in_reads_what_is_shared_and_only_that(world: World) -> None:
    case, client = await at_the_door(world)
    await client.says(**TOLD, **SHARED)
    await client.says(happened="This is for nobody but the supervisors.")
    span = {"starts_on": world.day(), "ends_on": world.day(9)}
    cover = {"case_id": case["id"], "user_id": str(world.colleague.id), **span}
    made(await world.clinician.post("/v1/covers", cover))
    path = f"/v1/cases/{case['id']}/accounts"
    assert ok(await world.colleague.get(path))["items"] == []
    world.clock.forward(days=1)
    (shared,) = ok(await world.colleague.get(path))["items"]
    assert shared["happened"] == TOLD["happened"]
    assert not {"wants", "safe_now", "reach", "to", "status"} & shared.keys()
