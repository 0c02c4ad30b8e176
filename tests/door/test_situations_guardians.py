"""A minor's guardian has a door of their own, and neither learns of the other."""

from typing import Any

from tests.support.door import AtDoor, account, enter, invite, open_door
from tests.support.door_scene import answered, lines, opened, who_reads
from tests.support.world import World, made, ok


async def both(world: World) -> tuple[dict[str, Any], AtDoor, AtDoor]:
    """Give a minor's case, with the minor and a guardian at their doors."""
    await open_door(world)
    case = await world.clinician.case(is_minor=True)
    minor = await enter(world, code=(await invite(world.clinician, case))["code"])
    invited = await invite(world.clinician, case, **{"for": "guardian"})
    return case, minor, await enter(world, code=invited["code"])


async def test_a_guardian_is_invited_only_where_the_client_is_a_minor(world: World) -> None:
    await open_door(world)
    for is_minor in (None, False):
        case = await world.clinician.case(is_minor=is_minor)
        path = f"/v1/cases/{case['id']}/invitations"
        refused = await world.clinician.post(path, {"for": "guardian"})
        assert ok(refused, 422)["errors"][0]["pointer"] == "/for"
        asked = {"client_ref": case["client_ref"], "for": "guardian"}
        officer = world.here["privacy_officer"]
        assert (await officer.post("/v1/invitations", asked)).status_code == 422
    case = await world.clinician.case(is_minor=True)
    assert (await invite(world.clinician, case, **{"for": "guardian"}))["for"] == "guardian"


async def test_a_minor_is_told_that_a_guardian_may_ask_and_nobody_else_is(world: World) -> None:
    _, minor, guardian = await both(world)
    assert (await who_reads(minor))["guardian_may_ask"] is True
    assert (await who_reads(guardian))["guardian_may_ask"] is False
    grown = await world.clinician.case(is_minor=False)
    client = await enter(world, code=(await invite(world.clinician, grown))["code"])
    assert (await who_reads(client))["guardian_may_ask"] is False


async def test_neither_learns_of_the_other(world: World) -> None:
    case, minor, guardian = await both(world)
    before = [(await who_reads(each), await each.mine()) for each in (minor, guardian)]
    hers = await minor.says(happened="by the minor")
    theirs = await guardian.says(happened="by the guardian")
    # each counts in a box of their own
    assert hers["n"] == theirs["n"] == 1
    for sent, told in ((hers, "by the minor"), (theirs, "by the guardian")):
        (mine,) = await (await enter(world, receipt=sent["receipt"])).mine()
        assert mine["happened"] == told
    assert [(await who_reads(each), await each.mine()) for each in (minor, guardian)] == before
    found = await lines(world.supervisor, case)
    assert {each["by"] for each in found} == {"client", "guardian"}
    again = await enter(world, receipt=theirs["receipt"])
    assert (await again.says(happened="by the receipt"))["n"] == 2
    newest = (await lines(world.supervisor, case))[0]
    assert (newest["by"], newest["came_by"]) == ("guardian", "receipt")


async def test_a_guardian_asks_for_no_copy_at_this_door(world: World) -> None:
    case, minor, guardian = await both(world)
    refused = await guardian.send("POST", "/accounts", account(wants=["a_copy"]))
    assert ok(refused, 422)["errors"][0]["pointer"] == "/wants"
    await guardian.says(wants=["a_correction"])
    await minor.says(wants=["a_copy"])
    path = f"/v1/cases/{case['id']}/incidents"
    found = ok(await world.supervisor.get(path))["items"]
    asked = {(each["details"]["request"], each["reported_by"]) for each in found}
    assert asked == {("amendment", "third_party"), ("access", "client")}


async def test_what_is_recorded_of_a_guardian_is_a_third_partys(world: World) -> None:
    case, _, guardian = await both(world)
    await guardian.says(topics=["words"])
    (line,) = await lines(world.supervisor, case)
    incident = {
        "occurred_on": world.day(-1),
        "initiator": "therapist",
        "reported_by": "client",
        "about_user_id": None,
        "details": {"kind": "hurtful_words"},
    }
    path = f"/v1/accounts/{line['id']}/incidents"
    recorded = made(await world.supervisor.post(path, incident))
    shown = ok(await world.supervisor.get(f"/v1/incidents/{recorded['id']}"))
    assert (shown["reported_by"], shown["restricted"]) == ("third_party", True)
    assert (await opened(world.supervisor, line["id"]))["by"] == "guardian"


async def test_a_guardian_is_asked_nothing_that_clients_are_asked(world: World) -> None:
    _, minor, guardian = await both(world)
    assert ok(await minor.send("GET", "/questionnaire"))["version"] == 1
    assert (await guardian.send("GET", "/questionnaire")).status_code == 404
    await answered(guardian, {"listened_to": 3}, 404)
