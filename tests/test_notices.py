"""Nobody gains sight of a clinician's work unseen: it is told at /v1/me."""

from typing import Any

from tests.world import Person, World, made, ok


async def told(person: Person) -> list[tuple[str, str]]:
    """Give kind and person of each notice, newest first."""
    notices: list[dict[str, Any]] = ok(await person.get("/v1/me"))["notices"]
    return [(notice["kind"], notice["user_id"]) for notice in notices]


async def test_a_new_link_is_told_to_the_clinician_and_the_privacy_officer(world: World) -> None:
    link = {
        "supervisor_id": str(world.stranger.id),
        "clinician_id": str(world.colleague.id),
        "starts_on": world.day(),
    }
    made(await world.admin.post("/v1/supervisions", link))
    notice = ("supervision", str(world.stranger.id))
    assert await told(world.colleague) == [notice]
    assert notice in await told(world.here["privacy_officer"])
    for other in (world.clinician, world.stranger, world.admin, world.here["consultant"]):
        assert notice not in await told(other)
    assert notice not in await told(world.there["privacy_officer"])
    world.clock.forward(days=31)
    assert await told(world.colleague) == []


async def test_a_new_supervisor_is_told_to_the_privacy_officer(world: World) -> None:
    officer = world.here["privacy_officer"]
    ok(await world.admin.patch(f"/v1/users/{world.colleague.id}", {"name": "Another"}))
    assert await told(officer) == [("supervision", str(world.supervisor.id))]
    ok(await world.admin.patch(f"/v1/users/{world.colleague.id}", {"role": "supervisor"}))
    assert ("supervisor", str(world.colleague.id)) in await told(officer)
    assert ("supervisor", str(world.colleague.id)) not in await told(world.clinician)


async def test_an_emergency_and_a_cover_are_told_to_the_cases_clinician(world: World) -> None:
    case = await world.clinician.case()
    emergency = {"case_id": case["id"], "reason": "Nobody could be reached."}
    made(await world.stranger.post("/v1/break-glass", emergency))
    cover = {
        "case_id": case["id"],
        "user_id": str(world.colleague.id),
        "starts_on": world.day(),
        "ends_on": world.day(3),
    }
    made(await world.supervisor.post("/v1/covers", cover))
    new = [("cover", str(world.colleague.id)), ("break_glass", str(world.stranger.id))]
    linked = ("supervision", str(world.supervisor.id))
    assert sorted(await told(world.clinician)) == sorted([*new, linked])
    assert set(new) <= set(await told(world.here["privacy_officer"]))
    assert not set(new) & set(await told(world.there["privacy_officer"]))
    # who arranged it knows it
    assert ("cover", str(world.colleague.id)) not in await told(world.supervisor)
