"""A case whose client is invited, and of whom nobody would read: the privacy officers are told."""

import pytest

from tests.support.door import invite, open_door
from tests.support.world import World, ok

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
    made = await invite(alone, one)
    await invite(alone, other, expires_on=world.day(1))

    async def told() -> set[str]:
        items = ok(await officer.get("/v1/flagged-cases", unwatched="true"))["items"]
        return {each["id"] for each in items}

    assert await told() == {one["id"], other["id"]}
    ok(await alone.post(f"/v1/invitations/{made['id']}/revoke"))
    assert await told() == {other["id"]}
    world.clock.forward(days=2)
    assert await told() == set()
