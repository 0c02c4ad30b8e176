"""What is restricted later is hidden with its history, and told again with it."""

import json
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from api.interop.webhooks.deliveries import Deliveries
from api.security.outbound_addresses import Destinations
from api.storage.models.integration import DeliveryStatus, WebhookDelivery, WebhookEvent
from tests.support.receivers import forget_what_is_owed
from tests.support.world import Person, World, made, ok, software

pytestmark = pytest.mark.both_databases

NOTE = {"determination": "normal_process", "resolution_note": "looked at together"}
REVIEW = {"determination": "boundary_violation", "review_note": "seen"}


async def turn(world: World, incident: dict[str, Any], *, hidden: bool) -> dict[str, Any]:
    """Let the supervisor hide an incident from the case's clinician, or show it."""
    path = f"/v1/incidents/{incident['id']}"
    return ok(await world.supervisor.patch(path, {"restricted": hidden}))


async def hide(world: World, incident: dict[str, Any]) -> dict[str, Any]:
    """Let the supervisor hide an incident."""
    return await turn(world, incident, hidden=True)


async def show(world: World, incident: dict[str, Any]) -> dict[str, Any]:
    """Let the supervisor show an incident again."""
    return await turn(world, incident, hidden=False)


async def openly(world: World, case: dict[str, Any], kind: str, **said: Any) -> dict[str, Any]:
    """Let the supervisor report an incident that everybody may see."""
    return await world.supervisor.incident(case, kind, restricted=False, **said)


async def flags_of(person: Person, case: dict[str, Any], rule: str) -> list[dict[str, Any]]:
    """Give the flags of one rule that somebody sees, resolved and withdrawn ones too."""
    shown = ok(await person.get(f"/v1/cases/{case['id']}/flags", limit=100, rule=rule))
    return [*shown["items"]]


def named(flag: dict[str, Any]) -> set[str]:
    """Give the ids of a flag's evidence."""
    return {each["id"] for each in flag["evidence"]}


async def read_everything(person: Person, case: dict[str, Any]) -> dict[str, str]:
    """Read all doors that tell of a case: path → the text of the answer."""
    on, path = case["id"], f"/v1/cases/{case['id']}"
    paths = [
        path,
        "/v1/cases",
        f"{path}/timeline?limit=100",
        f"{path}/flags?limit=100",
        "/v1/flags?limit=100",
        "/v1/incidents",
        "/v1/summary",
        "/v1/patterns",
        "/v1/rules/monitored",
        "/v1/journal?limit=100",
        f"/v1/journal?limit=100&case_id={on}",
        *(
            f"/fhir/{kind}?patient={on}&_count=100"
            for kind in ("DetectedIssue", "Flag", "Observation", "Provenance", "AuditEvent")
        ),
    ]
    answers = {each: (await person.send("GET", each)).text for each in paths}
    csv = {"Accept": "text/csv"}
    for each in (f"{path}/timeline?limit=100", "/v1/journal?limit=100", f"{path}/flags"):
        answers[f"csv {each}"] = (await person.send("GET", each, headers=csv)).text
    return answers


def told_of(answers: dict[str, str], *ids: str) -> list[str]:
    """Give the doors whose answer names one of these ids."""
    return [path for path, text in answers.items() if any(each in text for each in ids)]


async def test_a_flag_goes_with_what_alone_holds_it_up_and_comes_back_with_it(
    world: World,
) -> None:
    case = await world.clinician.case()
    report = await openly(world, case, "hurtful_words", repeated=True)
    (flag,) = report["flags_raised"]
    ok(await world.clinician.get(f"/v1/flags/{flag['id']}"))
    ok(await world.clinician.get(f"/v1/incidents/{report['id']}"))
    before = await read_everything(world.clinician, case)
    assert len(told_of(before, flag["id"])) >= 8
    await hide(world, report)
    hidden = await read_everything(world.clinician, case)
    assert told_of(hidden, flag["id"], report["id"]) == []
    assert (await world.clinician.get(f"/v1/flags/{flag['id']}")).status_code == 404
    shown = ok(await world.clinician.get(f"/v1/cases/{case['id']}"))["flags"]
    assert shown == {"open": 0, "top_severity": None, "next_due_at": None}
    assert ok(await world.clinician.get("/v1/patterns"))["months"] == []
    (kept,) = await flags_of(world.supervisor, case, "hurtful_words")
    assert (kept["id"], kept["restricted"], kept["status"]) == (flag["id"], True, "open")
    assert (kept["due_at"], kept["effective_at"]) == (flag["due_at"], flag["effective_at"])
    await show(world, report)
    again = await read_everything(world.clinician, case)
    assert set(told_of(before, flag["id"])) <= set(told_of(again, flag["id"]))
    (told,) = await flags_of(world.clinician, case, "hurtful_words")
    assert {**told, "version": 0, "updated_at": 0} == {**flag, "version": 0, "updated_at": 0}


async def test_what_others_hold_up_too_is_told_without_it(world: World) -> None:
    case = await world.clinician.case()
    hers = await world.clinician.incident(case, "hurtful_words")
    (first,) = hers["flags_raised"]
    other = await openly(world, case, "hurtful_words", on=-3)
    (both,) = await flags_of(world.clinician, case, "hurtful_words")
    assert (both["severity"], named(both)) == ("high", {hers["id"], other["id"]})
    raised = (await hide(world, other))["flags_raised"]
    (told,) = await flags_of(world.clinician, case, "hurtful_words")
    assert (told["id"], told["severity"], named(told)) == (first["id"], "moderate", {hers["id"]})
    assert told["because"] == first["because"]
    (apart,) = [f for f in await world.supervisor.flag_list(case) if f["restricted"]]
    assert [each["id"] for each in raised] == [apart["id"]]
    for said in ("severity", "because", "evidence", "effective_at", "due_at", "status"):
        assert apart[said] == both[said], said
    await show(world, other)
    (told,) = await flags_of(world.clinician, case, "hurtful_words")
    assert (told["id"], told["severity"], told["because"]) == (
        first["id"],
        "high",
        both["because"],
    )
    assert (told["evidence"], told["due_at"]) == (both["evidence"], both["due_at"])
    waiting = [f for f in await world.supervisor.flag_list(case, live=False) if f["status"] in LIVE]
    assert [flag["id"] for flag in waiting] == [first["id"]]
    counted = ok(await world.supervisor.get("/v1/patterns", clinician_id=str(world.clinician.id)))
    assert [rule["flags"] for month in counted["months"] for rule in month["rules"]] == [1]
    # hidden once more, the same flag stands beside it as before
    await hide(world, other)
    (again,) = [f for f in await world.supervisor.flag_list(case) if f["restricted"]]
    assert (again["id"], again["due_at"]) == (apart["id"], both["due_at"])


LIVE = {"open", "acknowledged"}
LIFE = (
    "because",
    "severity",
    "status",
    "due_at",
    "acknowledged_at",
    "assigned_to_id",
    "determination",
    "resolution_note",
    "resolved_at",
    "reopen_reason",
)
"""What hiding and showing a record leave as it was."""


async def test_what_it_did_to_a_flag_goes_with_it(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    app = await software(world, "cases:read", "flags:read")
    readers = (
        (world.clinician, f"/v1/cases/{case['id']}/timeline"),
        (world.clinician, "/v1/journal"),
        (app, f"/v1/cases/{case['id']}/timeline"),
        (world.supervisor, f"/v1/cases/{case['id']}/timeline"),
    )

    async def moved() -> list[list[str]]:
        return [await _flags_moved(reader, path) for reader, path in readers]

    before = await moved()
    other = await openly(world, case, "hurtful_words", on=-3)
    after = await moved()
    assert all(len(now) == len(then) + 1 for now, then in zip(after, before, strict=True))
    await hide(world, other)
    *kept, told = await moved()
    assert kept == before[:-1]
    assert len(told) > len(after[-1])
    await show(world, other)
    again = await moved()
    assert all(set(now) <= set(then) for now, then in zip(after, again, strict=True))


async def _flags_moved(reader: Person, path: str) -> list[str]:
    items = ok(await reader.get(path, limit=100))["items"]
    return [
        each["id"]
        for each in items
        if each["record_type"] == "flag"
        and each["happening"].startswith("flag.")
        and each["happening"] not in {"flag.opened", "flag.read", "flag.listed", "flag.shown"}
        and not each.get("is_read")
    ]


async def test_what_she_may_not_see_is_not_told_to_be_hidden(world: World) -> None:
    """Her own journal says of what she read before it was hidden what it said then."""
    case = await world.clinician.case()
    other = await openly(world, case, "hurtful_words")
    ok(await world.clinician.get(f"/v1/incidents/{other['id']}"))
    shown = ok(await world.clinician.get("/v1/journal", happening="incident.read"))["items"]
    await hide(world, other)
    now = ok(await world.clinician.get("/v1/journal", happening="incident.read"))["items"]
    ids = {each["id"] for each in shown}
    assert [each["restricted"] for each in now if each["id"] in ids] == [False] * len(shown)


async def test_the_queue_loses_no_urgency(world: World) -> None:
    """What was to be looked at by tomorrow is to be so by tomorrow, hidden or not."""
    mixed, alone = await world.clinician.case(), await world.clinician.case()
    both = [await openly(world, mixed, "hurtful_words") for _ in range(2)]
    only = await openly(world, alone, "sexual_conduct", conduct="contact")
    before = [
        (i["case"]["id"], i["top_severity"], i["next_due_at"])
        for i in await world.supervisor.queue()
    ]
    world.clock.forward(hours=3)
    for each in (both[0], only):
        await hide(world, each)
    after = [
        (i["case"]["id"], i["top_severity"], i["next_due_at"])
        for i in await world.supervisor.queue()
    ]
    assert after == before
    for each in (both[0], only):
        await show(world, each)
    after = [
        (i["case"]["id"], i["top_severity"], i["next_due_at"])
        for i in await world.supervisor.queue()
    ]
    assert after == before
    assert [len(i["flags"]) for i in await world.supervisor.queue()] == [1, 1]


async def test_where_a_restricted_flag_stands_already_it_asks_for_both(world: World) -> None:
    case = await world.clinician.case()
    secret = await world.supervisor.incident(case, "hurtful_words")
    (standing,) = await flags_of(world.supervisor, case, "hurtful_words")
    ok(await world.supervisor.post(f"/v1/flags/{standing['id']}/acknowledge"))
    world.clock.forward(hours=1)
    report = await openly(world, case, "hurtful_words", repeated=True)
    (flag,) = [f for f in report["flags_raised"] if not f["restricted"]]
    await hide(world, report)
    assert await flags_of(world.clinician, case, "hurtful_words") == []
    (waiting,) = await world.supervisor.flag_list(case)
    assert (waiting["id"], waiting["severity"]) == (standing["id"], "high")
    assert named(waiting) == {secret["id"], report["id"]}
    assert waiting["due_at"] <= flag["due_at"]
    # shown again, it asks in the open as it did before
    await show(world, report)
    (told,) = [f for f in await world.clinician.flag_list(case) if f["rule"] == "hurtful_words"]
    assert (told["id"], told["severity"], named(told)) == (flag["id"], "high", {report["id"]})


@pytest.mark.parametrize("state", ["open", "acknowledged", "resolved", "reopened"])
@pytest.mark.parametrize("mixed", [False, True], ids=["alone", "beside another"])
async def test_each_state_of_a_flag(world: World, state: str, mixed: bool) -> None:
    """Nothing that a person settled is asked again, and nothing that is open is closed."""
    case = await world.clinician.case()
    hers = await world.clinician.incident(case, "hurtful_words") if mixed else None
    report = await openly(world, case, "hurtful_words", repeated=True)
    (flag,) = await flags_of(world.supervisor, case, "hurtful_words")
    path = f"/v1/flags/{flag['id']}"
    if state == "acknowledged":
        ok(await world.supervisor.post(f"{path}/acknowledge"))
    if state in {"resolved", "reopened"}:
        ok(await world.supervisor.post(f"{path}/resolve", NOTE))
    if state == "reopened":
        ok(await world.supervisor.post(f"{path}/reopen", {"reason": "again"}))
    (before,) = await flags_of(world.supervisor, case, "hurtful_words")
    seen = {"open": "open", "reopened": "open"}.get(state, state)
    assert before["status"] == seen
    for _ in range(2):
        await hide(world, report)
        told = await flags_of(world.clinician, case, "hurtful_words")
        assert [(f["id"], f["status"], named(f)) for f in told] == (
            [(flag["id"], seen, {hers["id"]})] if hers else []
        )
        assert all(f["severity"] == "moderate" for f in told)
        kept = await flags_of(world.supervisor, case, "hurtful_words")
        full = [f for f in kept if f["restricted"] and f["status"] != "withdrawn"]
        assert [[f[each] for each in LIFE] for f in full] == [[before[each] for each in LIFE]]
        # the next write asks nothing again
        ok(await world.clinician.patch(f"/v1/cases/{case['id']}", {"phase": "acceptance"}))
        assert len(await flags_of(world.clinician, case, "hurtful_words")) == len(told)
        await show(world, report)
        (again,) = await flags_of(world.clinician, case, "hurtful_words")
        assert [again[each] for each in ("id", *LIFE)] == [before[each] for each in ("id", *LIFE)]
        live = [
            f
            for f in await flags_of(world.supervisor, case, "hurtful_words")
            if f["status"] in LIVE
        ]
        assert len(live) == (seen in LIVE)


async def test_prompts_go_with_what_they_are_about(world: World) -> None:
    case = await world.clinician.case()
    raised = await openly(world, case, "ending", stage="raised")
    (prompt,) = await world.clinician.flag_list(case)
    assert prompt["rule"] == "plan_ending"
    await hide(world, raised)
    assert await flags_of(world.clinician, case, "plan_ending") == []
    assert told_of(await read_everything(world.clinician, case), prompt["id"]) == []
    await show(world, raised)
    assert await world.clinician.flags(case) == {"plan_ending": "info"}
    # a prompt that was withdrawn long ago, and one that she has answered
    ok(
        await world.supervisor.patch(
            f"/v1/incidents/{raised['id']}", {"details": {**raised["details"], "plan": "slowly"}}
        )
    )
    assert {f["status"] for f in await flags_of(world.clinician, case, "plan_ending")} == {
        "withdrawn"
    }
    asked = await openly(world, case, "cotreatment", coordinated=False)
    (other,) = await flags_of(world.clinician, case, "clarify_roles")
    ok(await world.clinician.post(f"/v1/flags/{other['id']}/resolve", NOTE))
    for each in (raised, asked):
        await hide(world, each)
    assert await world.clinician.flag_list(case, live=False) == []
    for each in (raised, asked):
        await show(world, each)
    statuses = {f["id"]: f["status"] for f in await world.clinician.flag_list(case, live=False)}
    assert (statuses[prompt["id"]], statuses[other["id"]]) == ("withdrawn", "resolved")
    assert "open" not in statuses.values()


async def test_a_flag_about_a_flag_goes_with_it(world: World) -> None:
    """That nobody looks at a grave flag tells of that flag."""
    case = await world.clinician.case()
    report = await openly(world, case, "sexual_conduct", conduct="contact")
    world.clock.forward(days=15)
    assert set(await world.clinician.flags(case)) == {"sexual_conduct", "no_oversight"}
    await hide(world, report)
    assert await world.clinician.flag_list(case, live=False) == []
    assert set(await world.supervisor.flags(case)) == {"sexual_conduct", "no_oversight"}
    await show(world, report)
    assert set(await world.clinician.flags(case)) == {"sexual_conduct", "no_oversight"}
    waiting = [f for f in await world.supervisor.flag_list(case, live=False) if f["status"] in LIVE]
    assert len(waiting) == 2


async def test_a_risk_that_is_in_no_evidence_takes_what_rests_on_it(world: World) -> None:
    case = await world.clinician.case()
    away = {"absence": "illness", "days": 9, "coverage": False}
    await world.clinician.incident(case, "absence", **away)
    risk = await openly(world, case, "risk", indicator="self_harm")
    assert set(await world.clinician.flags(case)) == {"client_safety", "absence_uncovered"}
    await hide(world, risk)
    assert await world.clinician.flag_list(case, live=False) == []
    assert set(await world.supervisor.flags(case)) == {"client_safety", "absence_uncovered"}
    await show(world, risk)
    assert set(await world.clinician.flags(case)) == {"client_safety", "absence_uncovered"}


@pytest.mark.parametrize("what", ["review", "void", "edit"])
async def test_what_is_done_with_it_while_it_is_hidden_tells_nothing(
    world: World, what: str
) -> None:
    case = await world.clinician.case()
    report = await openly(world, case, "hurtful_words", repeated=True)
    await hide(world, report)
    before = await read_everything(world.clinician, case)
    path = f"/v1/incidents/{report['id']}"
    if what == "review":
        ok(await world.supervisor.post(f"{path}/review", REVIEW))
    elif what == "void":
        assert (await world.supervisor.delete(path)).status_code == 204
    else:
        ok(await world.supervisor.patch(path, {"narrative": "in other words"}))
    after = await read_everything(world.clinician, case)
    quiet = [each for each in before if "ournal" not in each and "AuditEvent" not in each]
    assert [each for each in quiet if _still(before[each]) != _still(after[each])] == []
    assert told_of(after, report["id"]) == []
    waiting = await flags_of(world.supervisor, case, "hurtful_words")
    assert [(f["restricted"], f["status"], f["condition_holds"]) for f in waiting] == [
        (True, "open", what != "void")
    ]


def _still(text: str) -> Any:
    """Give an answer without the instant at which it was asked."""
    try:
        body = json.loads(text)
    except ValueError:
        return text
    body.pop("as_of", None)
    (body.get("meta") or {}).pop("lastUpdated", None)
    return body


async def test_an_edit_may_hide_and_change_at_once(world: World) -> None:
    case = await world.clinician.case()
    report = await openly(world, case, "hurtful_words", repeated=True)
    path = f"/v1/incidents/{report['id']}"
    both = {"restricted": True, "details": {"kind": "hurtful_words", "repeated": False}}
    ok(await world.supervisor.patch(path, both))
    assert await world.clinician.flag_list(case, live=False) == []
    assert await world.supervisor.flags(case) == {"hurtful_words": "moderate"}


async def test_the_clinicians_own_write_moves_nothing_of_it(world: World) -> None:
    """A record of hers that would do without the hidden one raises a flag as if there were none."""
    case = await world.clinician.case()
    report = await openly(world, case, "hurtful_words", repeated=True)
    await hide(world, report)
    world.clock.forward(days=1)
    own = await world.clinician.incident(case, "hurtful_words")
    (raised,) = own["flags_raised"]
    assert (raised["severity"], named(raised)) == ("moderate", {own["id"]})
    assert raised["effective_at"] > report["created_at"]
    assert (await world.clinician.delete(f"/v1/incidents/{own['id']}")).status_code == 204
    (lapsed,) = await flags_of(world.clinician, case, "hurtful_words")
    assert (lapsed["id"], lapsed["condition_holds"]) == (raised["id"], False)


async def test_who_read_my_case_stays_answerable(world: World) -> None:
    case = await world.clinician.case()
    report = await openly(world, case, "hurtful_words")
    hers = await world.clinician.incident(case, "exception", exception="home_visit")
    listed = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/incidents"))["items"]
    assert {each["id"] for each in listed} == {report["id"], hers["id"]}
    ok(await world.clinician.get(f"/v1/cases/{case['id']}/incidents"))

    async def read_by(person: Person) -> list[dict[str, Any]]:
        entries = ok(await world.clinician.get("/v1/journal", limit=100, case_id=case["id"]))
        by = [each for each in entries["items"] if each["actor_id"] == str(person.id)]
        return [each for each in by if each["happening"] == "incident.read"]

    (before,) = await read_by(world.supervisor)
    assert set(before["record_ids"]) == {report["id"], hers["id"]}
    await hide(world, report)
    (after,) = await read_by(world.supervisor)
    assert after == {**before, "record_ids": [hers["id"]]}
    (own,) = await read_by(world.clinician)
    assert own["record_ids"] == [hers["id"]]
    officer = world.here["privacy_officer"]
    everything = ok(await officer.get("/v1/journal", limit=100, case_id=case["id"]))["items"]
    whole = next(each for each in everything if each["id"] == before["id"])
    assert set(whole["record_ids"]) == {report["id"], hers["id"]}
    # what was hashed names the hidden one, so it is not shown as it was hashed
    assert (await world.clinician.get(f"/v1/journal/{before['id']}/proof")).status_code == 404
    audit = ok(await world.clinician.get(f"/fhir/AuditEvent/{before['id']}"))
    assert report["id"] not in json.dumps(audit)
    await show(world, report)
    again = next(e for e in await read_by(world.supervisor) if e["id"] == before["id"])
    assert again == before


async def test_a_case_whose_incident_was_reviewed_is_not_voided_once_that_is_hidden(
    world: World,
) -> None:
    case = await world.clinician.case()
    told = await world.clinician.incident(case, "hurtful_words")
    review = {"determination": "boundary_violation", "review_note": "It hurt."}
    path = f"/v1/cases/{case['id']}"
    reviewed = await world.supervisor.post(f"/v1/incidents/{told['id']}/review", review)
    assert reviewed.is_success, reviewed.text
    assert (await world.clinician.delete(path)).status_code == 403
    await hide(world, told)
    # she recorded it, so she sees it and its review still
    assert (await world.clinician.delete(f"/v1/incidents/{told['id']}")).status_code == 403
    assert (await world.clinician.delete(path)).status_code == 403


async def test_what_she_recorded_herself_stays_hers(world: World) -> None:
    case = await world.clinician.case()
    own = await world.clinician.incident(case, "hurtful_words", repeated=True)
    (flag,) = own["flags_raised"]
    await hide(world, own)
    assert (await world.clinician.get(f"/v1/incidents/{own['id']}")).status_code == 200
    assert await world.clinician.flag_list(case, live=False) == []
    told = ok(await world.clinician.get(f"/v1/cases/{case['id']}/timeline", limit=100))["items"]
    reported = [each for each in told if own["id"] in each["record_ids"]]
    assert "incident.reported" in {each["happening"] for each in reported}
    assert flag["id"] not in json.dumps(told)
    journal = ok(await world.clinician.get("/v1/journal", limit=100))["items"]
    assert flag["id"] not in json.dumps(journal)


async def test_the_timeline_turns_its_pages_past_what_is_hidden(world: World) -> None:
    case = await world.clinician.case()
    reports = [await openly(world, case, "consent") for _ in range(6)]
    for each in reports[1::2]:
        await hide(world, each)
    path, seen, cursor = f"/v1/cases/{case['id']}/timeline", [], None
    while True:
        page = ok(
            await world.clinician.get(path, limit=2, **({"cursor": cursor} if cursor else {}))
        )
        assert len(page["items"]) == 2 or page["next"] is None
        seen += [each for item in page["items"] for each in item["record_ids"]]
        if (cursor := page["next"]) is None:
            break
    assert [each for each in seen if each != case["id"]] == [
        r["id"] for r in reversed(reports[::2])
    ]


async def test_software_is_told_nothing_that_was_hidden_meanwhile(world: World) -> None:
    await forget_what_is_owed(world)
    hook = made(
        await world.admin.post(
            "/v1/webhooks",
            {
                "name": "EHR",
                "url": "https://ehr.clinic.example/hook",
                "events": ["flag.*", "incident.*"],
            },
        )
    )
    case = await world.clinician.case()
    report = await openly(world, case, "hurtful_words")
    (flag,) = report["flags_raised"]
    await hide(world, report)
    owed = {str(event.record_id): (event.event, delivery) for delivery, event in await _owed(world)}
    assert set(owed) == {report["id"], flag["id"]}
    await Deliveries(world.database, Destinations()).begin()
    for delivery, event in await _owed(world):
        assert delivery.status == DeliveryStatus.failed, event.event
        assert delivery.attempts == 0
        path = f"/v1/webhooks/{hook['id']}/deliveries/{delivery.id}/resend"
        assert (await world.admin.post(path)).status_code == 409
    reader = await software(world, "cases:read", "flags:read")
    assert told_of(await read_everything(reader, case), flag["id"], report["id"]) == []
    await show(world, report)
    events = [(event.event, str(event.record_id)) for _, event in await _owed(world)]
    assert events[2:] == [("incident.changed", report["id"]), ("flag.opened", flag["id"])]


async def test_software_is_not_told_what_a_hidden_record_did_to_a_flag(world: World) -> None:
    await forget_what_is_owed(world)
    body = {"name": "EHR", "url": "https://ehr.clinic.example/hook", "events": ["flag.*"]}
    hook = made(await world.admin.post("/v1/webhooks", body))
    path = f"/v1/webhooks/{hook['id']}/deliveries"
    case = await world.clinician.case()
    await openly(world, case, "hurtful_words", on=-9)
    other = await openly(world, case, "hurtful_words", on=-3)

    async def owed() -> dict[str, tuple[DeliveryStatus, UUID]]:
        return {event.event: (row.status, row.id) for row, event in await _owed(world)}

    assert {event: status for event, (status, _) in (await owed()).items()} == {
        "flag.opened": DeliveryStatus.pending,
        "flag.escalated": DeliveryStatus.pending,
    }
    await hide(world, other)
    await Deliveries(world.database, Destinations()).begin()
    # the flag itself is there for all
    assert (await owed())["flag.opened"][0] == DeliveryStatus.pending
    status, delivery = (await owed())["flag.escalated"]
    assert status == DeliveryStatus.failed
    assert (await world.admin.post(f"{path}/{delivery}/resend")).status_code == 409
    since = world.clock.now.replace(hour=0).isoformat()
    assert (await world.admin.post(f"{path}/replay", {"since": since})).status_code == 204
    assert (await owed())["flag.escalated"][0] == DeliveryStatus.failed
    await show(world, other)
    assert (await world.admin.post(f"{path}/replay", {"since": since})).status_code == 204
    assert (await owed())["flag.escalated"][0] == DeliveryStatus.pending


async def _owed(world: World) -> list[tuple[WebhookDelivery, WebhookEvent]]:
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.admin.clinic_id)
        found = await tx.exec(
            select(WebhookDelivery, WebhookEvent)
            .join(WebhookEvent, col(WebhookEvent.id) == WebhookDelivery.event_id)
            .order_by(col(WebhookEvent.id))
        )
        return [(delivery, event) for delivery, event in found.all()]


async def test_a_request_sent_again_shows_no_more_than_is_told_now(world: World) -> None:
    case = await world.clinician.case()
    body = {
        "occurred_on": world.day(-1),
        "initiator": "therapist",
        "reported_by": "client",
        "details": {"kind": "hurtful_words", "repeated": True},
    }
    key = {"headers": {"Idempotency-Key": "once"}}
    path = f"/v1/cases/{case['id']}/incidents"
    own = made(await world.clinician.post(path, body, **key))
    assert len(own["flags_raised"]) == 1
    await hide(world, own)
    assert made(await world.clinician.post(path, body, **key))["flags_raised"] == []
    await show(world, own)
    assert len(made(await world.clinician.post(path, body, **key))["flags_raised"]) == 1


async def test_the_clients_copy_holds_nothing_of_it(world: World) -> None:
    case = await world.clinician.case()
    report = await openly(world, case, "hurtful_words")
    await hide(world, report)
    to = {"purpose": "other"}
    copy = await world.clinician.get(f"/v1/cases/{case['id']}/export", **to)
    assert report["id"] not in copy.text
    await show(world, report)
    copy = await world.clinician.get(f"/v1/cases/{case['id']}/export", **to)
    assert report["id"] in copy.text


async def test_what_is_only_counted_is_counted_apart(world: World) -> None:
    ok(await world.admin.send("PUT", "/v1/rules/modes", json={"hurtful_words": "monitor"}))
    case = await world.clinician.case()
    hers = await world.clinician.incident(case, "hurtful_words")
    report = await openly(world, case, "hurtful_words", repeated=True)

    async def counted(person: Person) -> list[tuple[int, int, int]]:
        rows = ok(await person.get("/v1/rules/monitored"))["items"]
        return [(row["findings"], row["moderate"], row["high"]) for row in rows]

    assert await counted(world.colleague) == [(1, 0, 1)]
    await hide(world, report)
    assert await counted(world.colleague) == [(1, 1, 0)]
    assert await counted(world.admin) == [(2, 1, 1)]
    await hide(world, hers)
    assert await counted(world.colleague) == []
    for each in (hers, report):
        await show(world, each)
    assert await counted(world.colleague) == [(1, 0, 1)]
    # what has ended is hidden with what it was about
    gone = await world.supervisor.delete(f"/v1/incidents/{hers['id']}")
    assert gone.status_code == 204
    ok(await world.admin.send("PUT", "/v1/rules/modes", json={}))
    await hide(world, report)
    assert await counted(world.colleague) == []


async def test_software_that_hides_loses_no_word_of_a_resolution(world: World) -> None:
    """It reads no words itself, and the flag that keeps them for supervisors has them all."""
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    ehr = await software(world, "cases:read", "cases:write", "restricted:write")
    report = await ehr.incident(case, "hurtful_words")
    (flag,) = await flags_of(world.supervisor, case, "hurtful_words")
    ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", NOTE))
    ok(await ehr.patch(f"/v1/incidents/{report['id']}", {"restricted": True}))
    kept = await flags_of(world.supervisor, case, "hurtful_words")
    assert [f["resolution_note"] for f in kept] == [NOTE["resolution_note"]] * 2
    assert {f["restricted"] for f in kept} == {True, False}
    assert {UUID(f["id"]) for f in kept} > {UUID(flag["id"])}


async def test_what_was_written_of_a_hidden_flag_is_not_told_with_the_part_shown_again(
    world: World,
) -> None:
    case = await world.clinician.case()
    one = await openly(world, case, "hurtful_words", on=-9)
    other = await openly(world, case, "hurtful_words", on=-3)
    await hide(world, one)
    await hide(world, other)
    (flag,) = await world.supervisor.flag_list(case)
    note = "Both were talked over, the second with her sister."
    looked = {"determination": "normal_process", "resolution_note": note}
    ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", looked))
    await show(world, one)
    (seen,) = await flags_of(world.clinician, case, "hurtful_words")
    assert (seen["determination"], seen["resolution_note"]) == ("normal_process", None)
    kept = await flags_of(world.supervisor, case, "hurtful_words")
    assert {each["resolution_note"] for each in kept} == {note, None}


@pytest.mark.parametrize("resolved", [False, True])
async def test_an_ending_hidden_later_speaks_no_more_through_the_clients_safety(
    world: World, resolved: bool
) -> None:
    case, like = await world.clinician.case(), await world.clinician.case()
    for each in (case, like):
        await world.clinician.incident(
            each, "risk", on=-200, initiator="client", indicator="suicidal_ideation_conditional"
        )
    ending = await openly(world, case, "ending", on=-20, initiator="client", stage="raised")
    (seen,) = await flags_of(world.clinician, case, "client_safety")
    assert seen["severity"] == "high"
    if resolved:
        looked = {"determination": "normal_process", "resolution_note": "Talked over."}
        ok(await world.supervisor.post(f"/v1/flags/{seen['id']}/resolve", looked))
    await hide(world, ending)
    (seen,) = await flags_of(world.clinician, case, "client_safety")
    (plain,) = await flags_of(world.clinician, like, "client_safety")
    for name in ("severity", "because", "due_at"):
        assert seen[name] == plain[name], name
    assert ending["occurred_on"] not in str(seen)
    await show(world, ending)
    (seen,) = await flags_of(world.clinician, case, "client_safety")
    assert seen["severity"] == "high"
