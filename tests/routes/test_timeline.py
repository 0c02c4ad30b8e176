"""The timeline: what happened on a case, in order, told to each as far as they may know."""

from typing import Any

from tests.support.readings import happenings, timeline
from tests.support.world import Person, World, made, ok

ASKED = {"kind": "ethics", "urgency": "urgent", "question": "a question of my own"}
NOTE = {"determination": "normal_process", "resolution_note": "a note of my own"}
REVIEW = {"determination": "real_danger", "review_note": "a review of my own"}


async def test_every_write_is_told_by_whom_when_and_of_what(world: World) -> None:
    clinician, supervisor = world.clinician, world.supervisor
    expected: list[tuple[str, str, Person, str]] = []

    def then(happening: str, row: dict[str, Any], by: Person) -> str:
        expected.append((happening, row["id"], by, world.clock.now.strftime("%H:%M")))
        world.clock.forward(minutes=1)
        return str(row["id"])

    case = await clinician.case()
    path = f"/v1/cases/{then('case.opened', case, clinician)}"
    ok(await clinician.patch(path, {"phase": "acceptance"}))
    then("case.changed", case, clinician)
    report = await clinician.incident(case, "consent")
    incident = f"/v1/incidents/{then('incident.reported', report, clinician)}"
    ok(await clinician.patch(incident, {"narrative": "a story of my own"}))
    then("incident.changed", report, clinician)
    ok(await supervisor.post(f"{incident}/review", REVIEW))
    then("incident.reviewed", report, supervisor)
    assert (await supervisor.delete(incident)).status_code == 204
    then("incident.voided", report, supervisor)
    pledge = await clinician.promise(case, wording="words of my own")
    promise = f"/v1/promises/{then('promise.recorded', pledge, clinician)}"
    ok(await clinician.patch(promise, {"state": "kept"}))
    then("promise.changed", pledge, clinician)
    assert (await clinician.delete(promise)).status_code == 204
    then("promise.voided", pledge, clinician)
    asked = made(await clinician.post(f"{path}/consultations", ASKED))
    consultation = f"/v1/consultations/{then('consultation.drafted', asked, clinician)}"
    ok(await clinician.patch(consultation, {"urgency": "routine"}))
    then("consultation.changed", asked, clinician)
    advice = {"outcome": "mixed", "advice": "advice of my own"}
    moves: list[tuple[str, str, Person, dict[str, Any]]] = [
        ("request", "requested", clinician, {}),
        ("decline", "declined", supervisor, {"reason": "a reason of my own"}),
        ("request", "requested", clinician, {}),
        ("accept", "accepted", supervisor, {}),
        ("start", "started", supervisor, {}),
        ("complete", "completed", supervisor, advice),
        ("respond", "answered", clinician, {"response": "accepted"}),
    ]
    for move, told, by, body in moves:
        ok(await by.post(f"{consultation}/{move}", body))
        then(f"consultation.{told}", asked, by)
    by_hand = {"severity": "low", "title": "a title of my own", "because": "a cause of my own"}
    flag = made(await supervisor.post(f"{path}/flags", by_hand))
    then("flag.raised", flag, supervisor)
    for move, told, body in (
        ("acknowledge", "acknowledged", {}),
        ("resolve", "resolved", NOTE),
        ("reopen", "reopened", {"reason": "a reason of my own"}),
    ):
        ok(await supervisor.post(f"/v1/flags/{flag['id']}/{move}", body))
        then(f"flag.{told}", flag, supervisor)
    assert (await clinician.patch(path, {"phase": "beginning"}, 1)).status_code == 412
    assert (await clinician.patch(path, {"phase": "nowhere"})).status_code == 422
    assert (await clinician.post(f"/v1/flags/{flag['id']}/acknowledge")).status_code == 403
    for person in (clinician, supervisor):
        items = await timeline(person, case)
        assert [
            (item["happening"], item["record_ids"], item["actor_id"], item["at"]) for item in items
        ] == [
            (told, [row_id], str(by.id), f"2026-03-02T{at}:00Z")
            for told, row_id, by, at in expected
        ]
        answer = await person.get(f"{path}/timeline", limit=100)
        assert "of my own" not in answer.text
    changed = {item["happening"]: item["changed"] for item in items}
    assert changed["case.changed"] == ["phase"]
    assert changed["incident.changed"] == ["narrative"]
    assert changed["promise.changed"] == ["state"]


async def test_flags_are_told_after_what_raised_them(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words")
    await world.clinician.incident(case, "hurtful_words", repeated=True)
    assert (await world.clinician.delete(f"/v1/incidents/{report['id']}")).status_code == 204
    assert await happenings(world.supervisor, case) == [
        "case.opened",
        "incident.reported",
        "flag.opened",
        "incident.reported",
        "flag.escalated",
        "incident.voided",
        "flag.updated",
    ]
    (flag,) = await world.supervisor.flag_list(case)
    told = [item for item in await timeline(world.supervisor, case) if "flag" in item["happening"]]
    assert {item["record_type"] for item in told} == {"flag"}
    assert {tuple(item["record_ids"]) for item in told} == {(flag["id"],)}


async def test_prompts_are_told_to_the_clinician_alone(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "cotreatment", coordinated=False)
    hers = ["case.opened", "incident.reported", "flag.opened"]
    assert await happenings(world.clinician, case) == hers
    assert await happenings(world.supervisor, case) == hers[:2]


async def test_what_time_brought_about_was_nobodys_doing(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.promise(case, due_on=world.day(3))
    assert await happenings(world.supervisor, case) == ["case.opened", "promise.recorded"]
    world.clock.forward(days=11)
    items = await timeline(world.supervisor, case)
    assert items[-1]["happening"] == "flag.opened"
    assert items[-1]["actor_id"] is None
    (flag,) = await world.supervisor.flag_list(case)
    assert items[-1]["record_ids"] == [flag["id"]]
    # looking again adds nothing
    assert await timeline(world.supervisor, case) == items


async def test_the_timeline_goes_with_the_case(world: World) -> None:
    case = await world.clinician.case()
    transfer = {"clinician_id": str(world.colleague.id), "reason": "a reason of my own"}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", transfer))
    items = await timeline(world.colleague, case)
    assert [item["happening"] for item in items] == ["case.opened", "case.transferred"]
    assert items[1]["actor_id"] == str(world.supervisor.id)
    path = f"/v1/cases/{case['id']}/timeline"
    assert "of my own" not in (await world.colleague.get(path)).text
    assert (await world.clinician.get(path)).status_code == 404
    ok(await world.colleague.get(path))


async def test_a_voided_cases_timeline_is_kept(world: World) -> None:
    case = await world.clinician.case()
    assert (await world.clinician.delete(f"/v1/cases/{case['id']}")).status_code == 204
    for person in (world.clinician, world.supervisor):
        assert await happenings(person, case) == ["case.opened", "case.voided"]


async def test_one_cases_timeline_is_not_anothers(world: World) -> None:
    one, other = await world.clinician.case(), await world.clinician.case()
    await world.clinician.incident(one, "consent")
    await world.supervisor.case()
    ok(await world.admin.patch("/v1/clinic", {"name": "Other"}))
    assert await happenings(world.clinician, other) == ["case.opened"]
    assert len(await happenings(world.clinician, one)) == 2


async def test_the_timeline_is_paged_newest_first(world: World) -> None:
    case, other = await world.clinician.case(), await world.clinician.case()
    path = f"/v1/cases/{case['id']}/timeline"
    for _ in range(4):
        await world.clinician.incident(case, "cotreatment", coordinated=False)
    for person in (world.clinician, world.supervisor):
        whole = list(reversed(await timeline(person, case)))
        for limit in (1, 2, 3):
            items: list[dict[str, Any]] = []
            page = ok(await person.get(path, limit=limit))
            while True:
                items += page["items"]
                if page["next"] is None:
                    break
                page = ok(await person.get(path, limit=limit, cursor=page["next"]))
            assert items == whole
    cursor = ok(await world.clinician.get(path, limit=1))["next"]
    elsewhere = f"/v1/cases/{other['id']}/timeline"
    assert (await world.clinician.get(elsewhere, cursor=cursor)).status_code == 422
    assert (await world.clinician.get(path, kind="consent")).status_code == 422
