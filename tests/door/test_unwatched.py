"""A case whose client is invited, and of whom nobody would read: the privacy officers are told."""

import pytest

from tests.support.door import enter, invite, open_door
from tests.support.world import World, made, ok

pytestmark = pytest.mark.both_databases


async def test_a_case_with_a_live_invitation_and_no_supervisor_is_told_of_last(
    world: World,
) -> None:
    await open_door(world)
    officer, alone = world.here["privacy_officer"], world.colleague
    cases = [await alone.case() for _ in range(3)]
    await alone.incident(cases[0], "sexual_conduct", conduct="relationship")
    await invite(alone, cases[1])
    watched = await world.clinician.case()
    await invite(world.clinician, watched)
    asked = {"unwatched": "true", "limit": 1}
    first = ok(await officer.get("/v1/flagged-cases", **asked))
    assert [each["id"] for each in first["items"]] == [cases[0]["id"]]
    assert first["items"][0]["severity"] == "critical"
    second = ok(await officer.get("/v1/flagged-cases", **asked, cursor=first["next"]))
    told = {"id": cases[1]["id"], "severity": None, "due_at": None}
    assert second == {"items": [told], "next": None, "moved": []}
    assert ok(await officer.get("/v1/flagged-cases", **asked, min_severity="low"))["next"] is None
    # the other clinic's privacy officer is told of none
    theirs = world.there["privacy_officer"]
    assert ok(await theirs.get("/v1/flagged-cases", unwatched="true"))["items"] == []


async def test_once_it_is_revoked_or_has_expired_there_is_nothing_to_tell(world: World) -> None:
    await open_door(world)
    officer, alone = world.here["privacy_officer"], world.colleague
    one, other = await alone.case(), await alone.case()
    invited = await invite(alone, one)
    await invite(alone, other, expires_on=world.day(1))

    async def told() -> set[str]:
        items = ok(await officer.get("/v1/flagged-cases", unwatched="true"))["items"]
        return {each["id"] for each in items}

    assert await told() == {one["id"], other["id"]}
    ok(await alone.post(f"/v1/invitations/{invited['id']}/revoke"))
    assert await told() == {other["id"]}
    world.clock.forward(days=2)
    assert await told() == set()


async def test_what_was_said_where_nobody_sees_the_case_any_more_waits_for_its_officers(
    world: World,
) -> None:
    await open_door(world)
    officer, alone = world.here["privacy_officer"], world.colleague
    asked = {"unwatched": "true"}
    case, other = await alone.case(), await alone.case()
    client = await enter(world, code=(await invite(alone, case))["code"])
    await client.says(safe_now="no")
    # the client of the other does not want that officer to read it
    left_out = await enter(world, code=(await invite(alone, other))["code"])
    await left_out.says(safe_now="no", not_to=[str(officer.id)])
    items = ok(await officer.get("/v1/flagged-cases", **asked))["items"]
    assert [(each["id"], each["severity"]) for each in items] == [
        (case["id"], "critical"),
        (other["id"], None),
    ]
    summary = ok(await officer.get("/v1/summary"))
    assert (summary["unwatched_cases"], summary["flags"]["unresolved"]) == (1, 1)
    link = {"supervisor_id": str(world.supervisor.id), "clinician_id": str(alone.id)}
    made(await world.admin.post("/v1/supervisions", {**link, "starts_on": world.day()}))
    assert ok(await officer.get("/v1/flagged-cases", **asked))["items"] == []
    assert ok(await officer.get("/v1/summary"))["unwatched_cases"] == 0
    queued = {each["case"]["id"]: each["top_severity"] for each in await world.supervisor.queue()}
    assert queued == dict.fromkeys([case["id"], other["id"]], "critical")
