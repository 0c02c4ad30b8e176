"""Unwatched cases: what no supervisor sees is known to the privacy officer, and no more of it."""

from typing import Any

import pytest

from tests.support.cases import linked
from tests.support.flags import CANARY, flagged
from tests.support.world import World, made, ok, software

pytestmark = pytest.mark.both_databases


async def unwatched(world: World, part: str = "here", **filters: Any) -> list[str]:
    """Give the ids of the unwatched cases, as a privacy officer reads them."""
    officer = (world.here if part == "here" else world.there)["privacy_officer"]
    shown = ok(await officer.get("/v1/flagged-cases", unwatched="true", **filters))
    return [item["id"] for item in shown["items"]]


async def test_it_says_that_a_case_waits_and_nothing_more(world: World) -> None:
    alone = await flagged(world.colleague)
    watched = await flagged(world.clinician)
    officer = world.here["privacy_officer"]
    answer = await officer.get("/v1/flagged-cases", unwatched="true")
    (item,) = ok(answer)["items"]
    assert set(item) == {"id", "severity", "due_at"}
    assert item["id"] == alone
    (flag,) = await world.colleague.flag_list({"id": alone})
    assert (item["severity"], item["due_at"]) == (flag["severity"], flag["due_at"])
    told = answer.text
    assert CANARY not in told
    assert watched not in told
    assert str(world.colleague.id) not in told


async def test_it_is_for_privacy_officers(world: World) -> None:
    await flagged(world.colleague)
    for part in ("clinician", "colleague", "supervisor", "stranger", "consultant", "admin"):
        answer = await world.here[part].get("/v1/flagged-cases", unwatched="true")
        assert answer.status_code == 403, part
    app = await software(world, "flags:read", "cases:read")
    assert (await app.get("/v1/flagged-cases", unwatched="true")).status_code == 403
    # and the queue itself is not for them
    officer = world.here["privacy_officer"]
    assert (await officer.get("/v1/flagged-cases")).status_code == 403
    assert (await officer.get("/v1/flagged-cases", unwatched="false")).status_code == 403
    # for a supervisor not to ask is to ask for the queue
    assert ok(await world.supervisor.get("/v1/flagged-cases", unwatched="false"))["items"] == []


async def test_a_case_with_prompts_only_waits_for_nobody_else(world: World) -> None:
    case = await world.colleague.case()
    await world.colleague.incident(case, "ending", stage="raised", initiator="client")
    assert await world.colleague.flags(case) == {"plan_ending": "info"}
    assert await unwatched(world) == []


async def test_a_settled_case_is_gone(world: World) -> None:
    case_id = await flagged(world.colleague)
    link = {"supervisor_id": str(world.stranger.id), "clinician_id": str(world.colleague.id)}
    made(await world.admin.post("/v1/supervisions", {**link, "starts_on": world.day()}))
    (flag,) = await world.stranger.flag_list({"id": case_id})
    note = {"determination": "normal_process", "resolution_note": "looked at together"}
    ok(await world.stranger.post(f"/v1/flags/{flag['id']}/resolve", note))
    ok(await world.admin.patch(f"/v1/users/{world.stranger.id}", {"is_active": False}))
    assert await unwatched(world) == []


async def end_link(world: World, _case_id: str) -> None:
    """End the link to the only supervisor."""
    (link,) = ok(await world.supervisor.get("/v1/supervisions"))["items"]
    ok(await world.admin.patch(f"/v1/supervisions/{link['id']}", {"ends_on": world.day()}))


async def shut_out(world: World, _case_id: str) -> None:
    """Let the only supervisor in no more."""
    ok(await world.admin.patch(f"/v1/users/{world.supervisor.id}", {"is_active": False}))


async def change_role(world: World, _case_id: str) -> None:
    """Make the only supervisor a clinician."""
    ok(await world.admin.patch(f"/v1/users/{world.supervisor.id}", {"role": "clinician"}))


async def concern(world: World, case_id: str) -> None:
    """Report something about the only supervisor."""
    about = {"initiator": "supervisor", "about_user_id": str(world.supervisor.id)}
    await world.clinician.incident({"id": case_id}, "consent", **about)


async def keep_away(world: World, case_id: str) -> None:
    """Let the only supervisor keep away from the case."""
    made(await world.supervisor.post(f"/v1/cases/{case_id}/recusals"))


async def hand_over(world: World, case_id: str) -> None:
    """Hand the case to whom nobody supervises."""
    body = {"clinician_id": str(world.colleague.id), "reason": "leave"}
    ok(await world.supervisor.post(f"/v1/cases/{case_id}/transfer", body))


async def take_over(world: World, case_id: str) -> None:
    """Hand the case to the supervisor herself, who is not her own."""
    body = {"clinician_id": str(world.supervisor.id), "reason": "leave"}
    ok(await world.supervisor.post(f"/v1/cases/{case_id}/transfer", body))


@pytest.mark.parametrize(
    "lose", [end_link, shut_out, change_role, concern, keep_away, hand_over, take_over]
)
async def test_a_case_becomes_unwatched(world: World, lose: Any) -> None:
    case_id = await flagged(world.clinician)
    assert await unwatched(world) == []
    await lose(world, case_id)
    assert await unwatched(world) == [case_id]


@pytest.mark.parametrize("lose", [concern, keep_away, take_over])
async def test_who_does_not_watch_one_case_still_watches_the_others(
    world: World, lose: Any
) -> None:
    watched, case_id = await flagged(world.clinician), await flagged(world.clinician)
    await lose(world, case_id)
    assert await unwatched(world) == [case_id]
    assert [item["case"]["id"] for item in await world.supervisor.queue()] == [watched]


@pytest.mark.parametrize("lose", [end_link, shut_out, change_role, concern, keep_away])
async def test_a_second_supervisor_still_watches(world: World, lose: Any) -> None:
    await linked(world, world.stranger)
    case_id = await flagged(world.clinician)
    await lose(world, case_id)
    assert await unwatched(world) == []


async def test_a_link_that_ends_by_itself_leaves_its_cases_unwatched(world: World) -> None:
    case_id = await flagged(world.clinician)
    (link,) = ok(await world.supervisor.get("/v1/supervisions"))["items"]
    ok(await world.admin.patch(f"/v1/supervisions/{link['id']}", {"ends_on": world.day(2)}))
    world.clock.forward(days=2, hours=-12, microseconds=-1)
    assert await unwatched(world) == []
    world.clock.forward(microseconds=1)
    assert await unwatched(world) == [case_id]
    # and one that begins later watches from then on
    body = {"supervisor_id": str(world.stranger.id), "clinician_id": str(world.clinician.id)}
    made(await world.admin.post("/v1/supervisions", {**body, "starts_on": world.day(1)}))
    assert await unwatched(world) == [case_id]
    world.clock.forward(days=1)
    assert await unwatched(world) == []


async def test_neither_a_cover_nor_broken_glass_is_a_watch(world: World) -> None:
    case_id = await flagged(world.colleague)
    days = {"starts_on": world.day(), "ends_on": world.day(5)}
    cover = {"case_id": case_id, "user_id": str(world.supervisor.id), **days}
    made(await world.colleague.post("/v1/covers", cover))
    made(await world.stranger.post("/v1/break-glass", {"case_id": case_id, "reason": "now"}))
    assert await unwatched(world) == [case_id]


async def test_what_is_restricted_counts(world: World) -> None:
    """No supervisor sees it, so somebody must know that it waits."""
    case = await world.clinician.case()
    hidden = await world.supervisor.incident(case, "sexual_conduct", conduct="contact")
    assert hidden["restricted"]
    await end_link(world, case["id"])
    assert await unwatched(world) == [case["id"]]


async def test_time_alone_brings_one_up(world: World) -> None:
    case = await world.colleague.case()
    await world.colleague.promise(case, due_on=world.day(1))
    assert await unwatched(world) == []
    world.clock.forward(days=40)
    assert await unwatched(world) == [case["id"]]


async def test_two_clinics_know_nothing_of_each_other(world: World) -> None:
    here, there = await flagged(world.colleague), await flagged(world.there["colleague"])
    assert await unwatched(world) == [here]
    assert await unwatched(world, "there") == [there]


async def test_the_gravest_and_most_urgent_come_first_page_by_page(world: World) -> None:
    ids = []
    for repeated in (False, True, False):
        ids.append(await flagged(world.colleague, repeated=repeated))
        world.clock.forward(hours=1)
    critical = await world.colleague.case()
    await world.colleague.incident(critical, "sexual_conduct", conduct="contact")
    expected = [critical["id"], *ids]
    officer = world.here["privacy_officer"]
    whole = ok(await officer.get("/v1/flagged-cases", unwatched="true"))["items"]
    assert {item["id"] for item in whole} == set(expected)
    order = ["critical", "high", "moderate", "low"]
    keys = [(order.index(item["severity"]), item["due_at"]) for item in whole]
    assert keys == sorted(keys)
    assert len({severity for severity, _ in keys}) > 1
    page = ok(await officer.get("/v1/flagged-cases", unwatched="true", limit=1))
    paged = page["items"]
    while page["next"]:
        more = {"unwatched": "true", "limit": 1, "cursor": page["next"]}
        page = ok(await officer.get("/v1/flagged-cases", **more))
        paged += page["items"]
    assert paged == whole
    assert await unwatched(world, min_severity="critical") == [critical["id"]]
    world.clock.forward(days=400)
    assert set(await unwatched(world, overdue="true")) == set(expected)
    assert await unwatched(world, overdue="false") == []


async def test_no_filter_tells_more_than_the_answer(world: World) -> None:
    """Asking for one clinician after the other would tell whose case it is."""
    await flagged(world.colleague)
    officer = world.here["privacy_officer"]
    for wrong in (
        {"clinician_id": str(world.colleague.id)},
        {"clinician_id": str(world.clinician.id)},
        {"rule": "hurtful_words"},
        {"assigned_to_id": str(world.supervisor.id)},
        {"acknowledged": "false"},
    ):
        answer = await officer.get("/v1/flagged-cases", unwatched="true", **wrong)
        (error,) = ok(answer, 422)["errors"]
        assert error["pointer"] == f"/query/{next(iter(wrong))}"
