"""How a flag lives: opened, worsened, eased, lapsed, looked at, and back again."""

from typing import Any
from uuid import UUID

from sqlmodel import col, select, update

from api.storage.models.clinical import Case
from api.storage.models.flags import Flag
from api.storage.models.journal import JournalEntry
from tests.support.flags import RESOLUTION, acknowledge, resolve, the_flag
from tests.support.world import World, incident, made, ok, software


async def test_more_evidence_goes_to_the_flag_that_is_there(world: World) -> None:
    case = await world.clinician.case()
    first = await world.clinician.incident(case, "crossing", area="time")
    second = await world.clinician.incident(case, "crossing", area="place_space")
    assert [flag["rule"] for flag in first["flags_raised"]] == ["crossing_undocumented"]
    assert second["flags_raised"] == []
    (flag,) = await world.supervisor.flag_list(case)
    assert {item["id"] for item in flag["evidence"]} == {first["id"], second["id"]}


async def test_a_worse_finding_escalates_and_brings_the_due_time_forward(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    before = await acknowledge(world, case, "hurtful_words")
    world.clock.forward(days=1)
    report = await world.clinician.incident(case, "hurtful_words")
    (after,) = report["flags_raised"]
    assert (before["severity"], after["severity"]) == ("moderate", "high")
    assert after["id"] == before["id"]
    assert after["status"] == "open", "an acknowledged flag that got worse asks again"
    assert after["acknowledged_at"] is None
    assert after["due_at"] == "2026-03-05T12:00:00Z", "48 hours from now, sooner than before"
    assert after["effective_at"] == before["effective_at"]


async def test_escalating_never_pushes_the_due_time_back(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    world.clock.forward(days=6, hours=23)
    report = await world.clinician.incident(case, "hurtful_words")
    assert report["flags_raised"][0]["due_at"] == "2026-03-09T12:00:00Z"


async def test_an_edit_that_eases_a_finding_lowers_its_flag_and_keeps_its_due_time(
    world: World,
) -> None:
    case = await world.clinician.case()
    words = await world.clinician.incident(case, "hurtful_words", repeated=True)
    before = await the_flag(world.supervisor, case, "hurtful_words")
    details = {"details": {"kind": "hurtful_words", "repeated": False}}
    changed = ok(await world.clinician.patch(f"/v1/incidents/{words['id']}", details))
    assert changed["flags_raised"] == []
    after = await the_flag(world.supervisor, case, "hurtful_words")
    assert (before["severity"], after["severity"]) == ("high", "moderate")
    assert after["due_at"] == before["due_at"]


async def test_a_finding_that_vanishes_leaves_its_flag_for_a_person(world: World) -> None:
    case = await world.clinician.case()
    words = await world.clinician.incident(case, "hurtful_words")
    await world.clinician.delete(f"/v1/incidents/{words['id']}")
    flag = await the_flag(world.supervisor, case, "hurtful_words")
    assert (flag["status"], flag["condition_holds"]) == ("open", False)
    assert len(await world.supervisor.queue()) == 1
    await resolve(world, case, "hurtful_words")
    assert await world.supervisor.queue() == []


async def test_a_prompt_whose_reason_is_gone_withdraws_itself_and_may_come_back(
    world: World,
) -> None:
    case = await world.clinician.case()
    ending = await world.clinician.incident(case, "ending", initiator="client", stage="raised")
    assert await world.clinician.flags(case) == {"plan_ending": "info"}
    path = f"/v1/incidents/{ending['id']}"
    with_plan = {"details": {"kind": "ending", "stage": "raised", "plan": "six more sessions"}}
    ok(await world.clinician.patch(path, with_plan))
    assert await world.clinician.flags(case) == {}
    assert (await the_flag(world.clinician, case, "plan_ending"))["status"] == "withdrawn"
    ok(await world.clinician.patch(path, {"details": {"kind": "ending", "stage": "raised"}}))
    assert await world.clinician.flags(case) == {"plan_ending": "info"}


async def test_the_same_facts_told_twice_raise_nothing_new(world: World) -> None:
    case = await world.clinician.case()
    words = await world.clinician.incident(case, "hurtful_words")
    await resolve(world, case, "hurtful_words")
    for note in ("one wording", "another wording"):
        changed = await world.clinician.patch(f"/v1/incidents/{words['id']}", {"narrative": note})
        assert ok(changed)["flags_raised"] == []
    await world.clinician.incident(case, "expression", by="client", feelings=["rage"])
    assert await world.supervisor.flags(case) == {}


async def test_a_resolved_flag_comes_back_on_new_evidence_as_a_new_flag(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "crossing", area="time")
    old = await resolve(world, case, "crossing_undocumented")
    report = await world.clinician.incident(case, "crossing", area="money")
    (new,) = report["flags_raised"]
    assert new["rule"] == "crossing_undocumented"
    assert new["id"] != old["id"]


async def test_a_resolved_flag_comes_back_when_the_same_evidence_weighs_more(world: World) -> None:
    case = await world.clinician.case()
    words = await world.clinician.incident(case, "hurtful_words")
    await resolve(world, case, "hurtful_words")
    details = {"details": {"kind": "hurtful_words", "repeated": True}}
    changed = ok(await world.clinician.patch(f"/v1/incidents/{words['id']}", details))
    assert [flag["severity"] for flag in changed["flags_raised"]] == ["high"]


async def test_a_flag_that_was_settled_while_grave_stays_settled_when_it_eases(
    world: World,
) -> None:
    case = await world.clinician.case()
    words = await world.clinician.incident(case, "hurtful_words", repeated=True)
    await resolve(world, case, "hurtful_words")
    details = {"details": {"kind": "hurtful_words", "repeated": False}}
    ok(await world.clinician.patch(f"/v1/incidents/{words['id']}", details))
    assert await world.supervisor.flags(case) == {}


async def test_reopening_asks_again_and_is_refused_beside_a_newer_flag(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "crossing", area="time")
    old = await resolve(world, case, "crossing_undocumented")
    path = f"/v1/flags/{old['id']}/reopen"
    world.clock.forward(days=40)
    reopened = ok(await world.supervisor.post(path, {"reason": "there is more to it"}))
    assert reopened["status"] == "open"
    assert reopened["due_at"] == "2026-05-11T12:00:00Z"
    again = await world.supervisor.post(path, {"reason": "once more"})
    assert again.status_code == 409
    await resolve(world, case, "crossing_undocumented")
    await world.clinician.incident(case, "crossing", area="money")
    beside_newer = await world.supervisor.post(path, {"reason": "the older one"})
    assert beside_newer.status_code == 409


async def test_a_flag_by_hand_is_never_moved_by_rules_and_may_stand_beside_another(
    world: World,
) -> None:
    case = await world.clinician.case()
    body = {"severity": "high", "title": "A pattern across sessions", "because": "As discussed."}
    first = made(await world.supervisor.post(f"/v1/cases/{case['id']}/flags", body))
    second = made(await world.supervisor.post(f"/v1/cases/{case['id']}/flags", body))
    assert first["rule"] == second["rule"] == "manual"
    assert first["due_at"] == "2026-03-04T12:00:00Z"
    await world.clinician.incident(case, "expression", by="client")
    flags = await world.supervisor.flag_list(case)
    assert {flag["id"] for flag in flags} == {first["id"], second["id"]}
    by_clinician = await world.clinician.post(f"/v1/cases/{case['id']}/flags", body)
    assert by_clinician.status_code == 403


async def test_a_restricted_flag_by_hand_is_hidden_from_the_clinician(world: World) -> None:
    case = await world.clinician.case()
    body = {"severity": "low", "title": "A worry", "because": "As told.", "restricted": True}
    flag = made(await world.supervisor.post(f"/v1/cases/{case['id']}/flags", body))
    assert (await world.clinician.get(f"/v1/flags/{flag['id']}")).status_code == 404
    assert (await world.clinician.get(f"/v1/cases/{case['id']}")).json()["flags"]["open"] == 0
    assert (await world.supervisor.get(f"/v1/cases/{case['id']}")).json()["flags"]["open"] == 1


async def test_a_clinician_resolves_prompts_only_and_a_supervisor_never_sees_them(
    world: World,
) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "ending", initiator="client", stage="raised")
    await world.clinician.incident(case, "hurtful_words")
    prompt = await the_flag(world.clinician, case, "plan_ending")
    flag = await the_flag(world.clinician, case, "hurtful_words")
    assert prompt["due_at"] is None
    assert (await world.supervisor.get(f"/v1/flags/{prompt['id']}")).status_code == 404
    of_a_flag = await world.clinician.post(f"/v1/flags/{flag['id']}/resolve", RESOLUTION)
    assert of_a_flag.status_code == 403
    of_a_prompt = await world.clinician.post(f"/v1/flags/{prompt['id']}/resolve", RESOLUTION)
    assert ok(of_a_prompt)["resolved_by_id"] == str(world.clinician.id)
    assert await world.supervisor.flags(case) == {"hurtful_words": "moderate"}


async def test_a_look_may_be_given_to_another_supervisor_who_sees_the_case(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    flag = await the_flag(world.supervisor, case, "hurtful_words")
    path = f"/v1/flags/{flag['id']}/acknowledge"
    to_a_stranger = await world.supervisor.post(path, {"assigned_to_id": str(world.stranger.id)})
    assert to_a_stranger.status_code == 422
    link = {
        "supervisor_id": str(world.stranger.id),
        "clinician_id": str(world.clinician.id),
        "starts_on": world.day(),
    }
    made(await world.admin.post("/v1/supervisions", link))
    given = await world.supervisor.post(path, {"assigned_to_id": str(world.stranger.id)})
    assert ok(given)["assigned_to_id"] == str(world.stranger.id)
    assert len(await world.stranger.queue(assigned_to_id=str(world.stranger.id))) == 1
    assert await world.stranger.queue(assigned_to_id=str(world.supervisor.id)) == []


async def test_a_closed_flag_is_not_closed_twice(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    flag = await resolve(world, case, "hurtful_words")
    for move, body in (("resolve", RESOLUTION), ("acknowledge", {})):
        answer = await world.supervisor.post(f"/v1/flags/{flag['id']}/{move}", body)
        assert answer.status_code == 409


async def test_voiding_a_case_lets_its_findings_go_but_not_its_flags(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    await world.clinician.incident(case, "ending", initiator="client", stage="raised")
    assert (await world.clinician.delete(f"/v1/cases/{case['id']}")).status_code == 204
    (item,) = await world.supervisor.queue()
    (flag,) = item["flags"]
    assert (flag["rule"], flag["condition_holds"]) == ("hurtful_words", False)
    assert (await the_flag(world.clinician, case, "plan_ending"))["status"] == "withdrawn"
    await resolve(world, case, "hurtful_words")
    assert await world.supervisor.queue() == []


async def test_rules_see_what_restricted_records_add_and_keep_it_apart(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    body = incident("hurtful_words", world)
    report = made(await world.supervisor.post(f"/v1/cases/{case['id']}/incidents", body))
    assert report["restricted"] is True
    seen = await world.supervisor.flag_list(case)
    assert {(flag["severity"], flag["restricted"]) for flag in seen} == {
        ("moderate", False),
        ("high", True),
    }
    assert await world.clinician.flags(case) == {"hurtful_words": "moderate"}


async def test_every_move_of_a_flag_is_journalled(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    await acknowledge(world, case, "hurtful_words")
    await world.clinician.incident(case, "hurtful_words")
    await resolve(world, case, "hurtful_words")
    timeline = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/timeline"))["items"]
    assert [item["happening"] for item in reversed(timeline)] == [
        "case.opened",
        "incident.reported",
        "flag.opened",
        "flag.acknowledged",
        "incident.reported",
        "flag.escalated",
        "flag.resolved",
    ]


async def test_a_case_without_anything_pending_is_never_rechecked(world: World) -> None:
    case = await world.clinician.case()
    async with world.owner.transaction() as tx:
        found = await tx.exec(select(col(Case.recheck_at)).where(col(Case.id) == UUID(case["id"])))
        assert found.one() is None
        entries = await tx.exec(
            select(JournalEntry).where(col(JournalEntry.happening) == "case.opened")
        )
        assert entries.first() is not None


async def test_a_reopened_flag_does_not_say_who_resolved_it_and_its_history_does(
    world: World,
) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words", repeated=True)
    (flag,) = await world.supervisor.flag_list(case)
    path = f"/v1/flags/{flag['id']}"
    for number, determination in enumerate(("normal_process", "boundary_violation"), 1):
        seen = {"determination": determination, "resolution_note": f"look {number}"}
        resolved = ok(await world.supervisor.post(f"{path}/resolve", seen))
        assert resolved["resolution_note"] == f"look {number}"
        world.clock.forward(hours=1)
        again = {"reason": f"doubt {number}"}
        reopened = ok(await world.supervisor.post(f"{path}/reopen", again))
        gone = ("determination", "resolution_note", "resolved_by_id", "resolved_at")
        assert [reopened[name] for name in (*gone, "acknowledged_at")] == [None] * 5
        world.clock.forward(hours=1)
    for person in (world.clinician, world.supervisor):
        (shown,) = await person.flag_list(case)
        assert (shown["determination"], shown["resolved_by_id"]) == (None, None)
        earlier = ok(await person.get(f"{path}/resolutions"))["items"]
        assert [
            (each["determination"], each["resolution_note"], each["reopen_reason"])
            for each in earlier
        ] == [
            ("boundary_violation", "look 2", "doubt 2"),
            ("normal_process", "look 1", "doubt 1"),
        ]
        assert [each["resolved_at"][11:16] for each in earlier] == ["14:00", "12:00"]
        assert [each["created_at"][11:16] for each in earlier] == ["15:00", "13:00"]
        assert {each["resolved_by_id"] for each in earlier} == {str(world.supervisor.id)}
    diary = await software(world, "flags:read")
    told = ok(await diary.get(f"{path}/resolutions"))["items"]
    assert [each["resolution_note"] for each in told] == [None, None]
    assert (await world.colleague.get(f"{path}/resolutions")).status_code == 404


async def test_how_a_hidden_flag_was_resolved_is_hidden_too(world: World) -> None:
    case = await world.clinician.case()
    by_hand = {"severity": "low", "title": "Look", "because": "It was told.", "restricted": True}
    flag = made(await world.supervisor.post(f"/v1/cases/{case['id']}/flags", by_hand))
    path = f"/v1/flags/{flag['id']}"
    seen = {"determination": "normal_process", "resolution_note": "kept apart"}
    ok(await world.supervisor.post(f"{path}/resolve", seen))
    ok(await world.supervisor.post(f"{path}/reopen", {"reason": "again"}))
    assert (await world.clinician.get(f"{path}/resolutions")).status_code == 404
    assert len(ok(await world.supervisor.get(f"{path}/resolutions"))["items"]) == 1


async def test_what_an_earlier_version_told_stands_until_its_record_is_another(
    world: World,
) -> None:
    case = await world.clinician.case()
    words = await world.clinician.incident(case, "hurtful_words")
    (flag,) = words["flags_raised"]
    earlier = "By the client's account, words that hurt the client were recorded (once)."
    as_it_was: dict[str, Any] = {"says": None, "because": earlier, "rule_version": 1}
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id)
        await tx.exec(update(Flag).where(col(Flag.id) == UUID(flag["id"])).values(**as_it_was))
    await world.clinician.incident(case, "expression", by="client")
    after = await the_flag(world.supervisor, case, "hurtful_words")
    assert (after["because"], after["rule_version"]) == (earlier, 1)
    details = {"details": {"kind": "hurtful_words", "repeated": True}}
    ok(await world.clinician.patch(f"/v1/incidents/{words['id']}", details))
    after = await the_flag(world.supervisor, case, "hurtful_words")
    assert after["severity"] == "high"
    assert "as said repeatedly" in after["because"]
    assert after["rule_version"] == 1
