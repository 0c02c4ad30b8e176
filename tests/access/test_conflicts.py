"""Conflict of interest: whose own conduct is in question sees nothing of the case."""

from typing import Any
from uuid import uuid4

import pytest

from tests.support.cases import NOTE, full_case, linked, reads, writes
from tests.support.world import World, ok


@pytest.mark.parametrize("by", ["clinician", "stranger"])
async def test_a_supervisor_whose_conduct_it_is_sees_nothing_of_the_case(
    world: World, by: str
) -> None:
    await linked(world, world.stranger)
    at, other = await full_case(world), await full_case(world)
    assert await reads(world.supervisor, at) == {200}
    case = {"id": at["case"].rpartition("/")[2]}
    about = {"initiator": "supervisor", "about_user_id": str(world.supervisor.id)}
    report = await world.here[by].incident(case, "hurtful_words", **about)
    assert await reads(world.supervisor, at) == {404}
    assert await writes(world, world.supervisor, at) == {404}
    # others see it as before, and she sees what else she answers for
    assert await reads(world.stranger, at) == {200}
    ok(await world.clinician.get(at["case"]))
    assert await reads(world.supervisor, other) == {200}
    assert (await world.stranger.delete(f"/v1/incidents/{report['id']}")).status_code == 204
    assert await reads(world.supervisor, at) == {200}


async def test_the_conflict_lasts_while_any_such_incident_stands(world: World) -> None:
    await linked(world, world.stranger)
    at = await full_case(world)
    case = {"id": at["case"].rpartition("/")[2]}
    about = {"initiator": "supervisor", "about_user_id": str(world.supervisor.id)}
    first = await world.clinician.incident(case, "consent", **about)
    second = await world.stranger.incident(case, "consent", restricted=True, **about)
    # a review settles what it was, not whose conduct it was
    review = {"determination": "normal_process", "review_note": "seen"}
    ok(await world.stranger.post(f"/v1/incidents/{first['id']}/review", review))
    assert await reads(world.supervisor, at) == {404}
    assert (await world.stranger.delete(f"/v1/incidents/{first['id']}")).status_code == 204
    assert await reads(world.supervisor, at) == {404}
    assert (await world.stranger.delete(f"/v1/incidents/{second['id']}")).status_code == 204
    assert await reads(world.supervisor, at) == {200}


async def test_a_hidden_case_is_as_one_that_does_not_exist(world: World) -> None:
    at = await full_case(world)
    case = {"id": at["case"].rpartition("/")[2]}
    await world.clinician.incident(
        case, "consent", initiator="supervisor", about_user_id=str(world.supervisor.id)
    )
    for path in at.values():
        nowhere = f"{path.rpartition('/')[0]}/{uuid4()}"
        one, other = await world.supervisor.get(path), await world.supervisor.get(nowhere)
        assert {**one.json(), "request_id": 0} == {**other.json(), "request_id": 0}


async def test_no_flag_is_given_to_whom_it_concerns(world: World) -> None:
    await linked(world, world.stranger)
    at = await full_case(world)
    case = {"id": at["case"].rpartition("/")[2]}
    path = f"{at['flag']}/acknowledge"
    to_her = {"assigned_to_id": str(world.supervisor.id)}
    given = ok(await world.stranger.post(path, to_her))
    assert given["assigned_to_id"] == str(world.supervisor.id)
    await world.clinician.incident(
        case, "consent", initiator="supervisor", about_user_id=str(world.supervisor.id)
    )
    refused = ok(await world.stranger.post(path, to_her), 422)
    assert refused["errors"][0]["pointer"] == "/assigned_to_id"
    for other in (world.clinician, world.colleague, world.admin, world.there["supervisor"]):
        assert (await world.stranger.post(path, {"assigned_to_id": str(other.id)})).is_error


async def test_a_consultation_is_not_finished_by_whom_it_came_to_concern(world: World) -> None:
    at = await full_case(world)
    case = {"id": at["case"].rpartition("/")[2]}
    ok(await world.supervisor.post(f"{at['consultation']}/accept"))
    await world.clinician.incident(
        case, "consent", initiator="supervisor", about_user_id=str(world.supervisor.id)
    )
    assert (await world.supervisor.post(f"{at['consultation']}/start")).status_code == 404
    ok(await world.clinician.post(f"{at['consultation']}/cancel", {"reason": "ask another"}))


async def test_a_case_is_never_hidden_from_its_own_clinician(world: World) -> None:
    """Not even when she is a supervisor, and the incident is about her."""
    case = await world.supervisor.case()
    report = await world.supervisor.incident(case, "hurtful_words", repeated=True)
    assert report["about_user_id"] == str(world.supervisor.id)
    path = f"/v1/cases/{case['id']}"
    for each in (path, f"/v1/incidents/{report['id']}", f"{path}/timeline", f"{path}/flags"):
        ok(await world.supervisor.get(each))
    for listing in ("cases", "incidents", "flags"):
        assert len(ok(await world.supervisor.get(f"/v1/{listing}"))["items"]) == 1
    ok(await world.supervisor.patch(path, {"phase": "acceptance"}))
    # but she is not her own supervisor
    assert await world.supervisor.queue() == []
    (flag,) = await world.supervisor.flag_list(case)
    for move, body in (("acknowledge", {}), ("resolve", NOTE), ("reopen", {"reason": "x"})):
        answer = await world.supervisor.post(f"/v1/flags/{flag['id']}/{move}", body)
        assert answer.status_code == 403, move
    review: dict[str, Any] = {"determination": "normal_process", "review_note": "seen"}
    answer = await world.supervisor.post(f"/v1/incidents/{report['id']}/review", review)
    assert answer.status_code == 403


async def test_who_reports_herself_lets_go_of_the_case(world: World) -> None:
    at = await full_case(world)
    case = {"id": at["case"].rpartition("/")[2]}
    about = {"initiator": "supervisor", "about_user_id": str(world.supervisor.id)}
    report = await world.supervisor.incident(case, "consent", **about)
    assert report["about_user_id"] == str(world.supervisor.id)
    assert await reads(world.supervisor, at) == {404}
