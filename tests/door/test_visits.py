"""A code opens an empty door; what was sent is read again by its receipt alone."""

from tests.support.door import at_the_door, enter
from tests.support.world import World, made, ok


async def test_what_is_sent_by_a_code_is_read_by_its_receipt(world: World) -> None:
    case, client = await at_the_door(world)
    sent = await client.says(wants=["somebody_looks", "an_answer"], topics=["promise"])
    assert sent["n"] == 1
    assert await client.mine() == []
    again = await enter(world, receipt=sent["receipt"])
    (mine,) = await again.mine()
    assert (mine["status"], mine["happened"]) == (
        "received",
        "He said that he would always be there.",
    )
    supervisor = world.supervisor
    (line,) = ok(await supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    read = ok(await supervisor.get(f"/v1/accounts/{line['id']}"))
    assert read["happened"] == mine["happened"]
    (mine,) = await again.mine()
    assert mine["status"] == "read"
    assert [each["role"] for each in mine["read_by"]] == ["supervisor"]
    made(
        await supervisor.post(f"/v1/accounts/{line['id']}/reply", {"reply": "Thank you for this."})
    )
    (mine,) = await again.mine()
    assert [each["reply"] for each in mine["replies"]] == ["Thank you for this."]
    assert set(await supervisor.flags(case)) == {"client_asks_to_look"}
    assert await world.clinician.flags(case) == {}
    assert [each["case"]["id"] for each in await supervisor.queue()] == [case["id"]]


async def test_an_officer_finds_no_list_on_a_case_where_nothing_is_addressed_to_them(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    await client.says()
    officer, path = world.here["privacy_officer"], f"/v1/cases/{case['id']}/accounts"
    assert (await officer.get(path)).status_code == 404
    await client.says(happened="Not for the supervisor.", to="privacy_officers")
    (line,) = ok(await officer.get(path))["items"]
    assert line["to"] == "privacy_officers"


async def test_a_supervisor_who_covers_for_the_clinician_reads_what_is_addressed_to_them(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    await client.says()
    cover = {"case_id": case["id"], "user_id": str(world.supervisor.id)}
    span = {"starts_on": world.day(), "ends_on": world.day(3)}
    made(await world.clinician.post("/v1/covers", {**cover, **span}))
    (line,) = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    assert line["status"] == "received"


async def test_a_visit_goes_on_for_half_an_hour_from_what_was_asked_last(world: World) -> None:
    _, client = await at_the_door(world)
    # reading carries it on, as sending does
    for _ in range(8):
        world.clock.forward(minutes=29)
        ok(await client.send("GET", "/who-reads"))
    # but not for ever
    world.clock.forward(minutes=9)
    assert (await client.send("GET", "/who-reads")).status_code == 401
