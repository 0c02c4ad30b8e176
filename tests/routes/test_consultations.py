"""Consultations: every field, every move from every status, who may make it, and what it does."""

from typing import Any
from uuid import uuid4

from tests.support.world import Person, World, made, ok

NEEDED: dict[str, Any] = {"kind": "ethics", "urgency": "routine", "question": "what do you see"}
DEFAULTS: dict[str, Any] = {
    "summary": None,
    "released": False,
    "incident_ids": [],
    "promise_ids": [],
    "consultant_id": None,
    "status": "draft",
    "due_at": None,
    "outcome": None,
    "advice": None,
    "response": None,
}
ADVICE = {"outcome": "frame_plan_agreed", "advice": "agree limits together"}
REASON = {"reason": "not now"}
BODIES: dict[str, dict[str, Any]] = {
    "request": {},
    "accept": {},
    "decline": REASON,
    "start": {},
    "complete": ADVICE,
    "cancel": REASON,
    "respond": {"response": "accepted"},
}
STATUSES = (
    "draft",
    "requested",
    "accepted",
    "declined",
    "in_progress",
    "completed",
    "cancelled",
)
ROADS: dict[str, tuple[str, ...]] = {
    "draft": (),
    "requested": ("request",),
    "accepted": ("request", "accept"),
    "declined": ("request", "decline"),
    "in_progress": ("request", "accept", "start"),
    "completed": ("request", "accept", "start", "complete"),
    "cancelled": ("cancel",),
}
ALLOWED: dict[tuple[str, str], str] = {
    ("draft", "request"): "requested",
    ("requested", "accept"): "accepted",
    ("requested", "decline"): "declined",
    ("declined", "request"): "requested",
    ("accepted", "start"): "in_progress",
    ("in_progress", "complete"): "completed",
    ("completed", "respond"): "completed",
    ("draft", "cancel"): "cancelled",
    ("requested", "cancel"): "cancelled",
    ("accepted", "cancel"): "cancelled",
    ("declined", "cancel"): "cancelled",
    ("in_progress", "cancel"): "cancelled",
}
OF_THE_REQUESTER = {"request", "cancel", "respond"}


def told(asked: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a write says beside the consultation itself."""
    return {name: value for name, value in asked.items() if name != "flags_raised"}


def mover(world: World, move: str) -> Person:
    """Give the person whose move it is."""
    return world.clinician if move in OF_THE_REQUESTER else world.supervisor


async def draft(world: World, case: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Draft a request on the clinician's case."""
    path = f"/v1/cases/{case['id']}/consultations"
    return made(await world.clinician.post(path, {**NEEDED, **fields}))


async def brought_to(
    world: World, case: dict[str, Any], status: str, **fields: Any
) -> dict[str, Any]:
    """Bring a new request to a status, each move by whom it belongs to."""
    asked = await draft(world, case, **fields)
    for move in ROADS[status]:
        asked = ok(await moved(world, asked, move))
    assert asked["status"] == status
    return asked


async def moved(
    world: World, asked: dict[str, Any], move: str, by: Person | None = None, **body: Any
) -> Any:
    """Make one move."""
    person = by or mover(world, move)
    return await person.post(f"/v1/consultations/{asked['id']}/{move}", body or BODIES[move])


async def second_supervisor(world: World) -> Person:
    """Link the supervisor who was linked to nobody."""
    link = {
        "supervisor_id": str(world.stranger.id),
        "clinician_id": str(world.clinician.id),
        "starts_on": world.day(),
    }
    made(await world.admin.post("/v1/supervisions", link))
    return world.stranger


async def test_a_request_keeps_every_field(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "consent")
    pledge = await world.clinician.promise(case)
    everything = {
        "kind": "second_opinion_for_client",
        "urgency": "urgent",
        "question": "is this usual",
        "summary": "a long therapy",
        "released": True,
        "incident_ids": [report["id"]],
        "promise_ids": [pledge["id"]],
        "consultant_id": str(world.here["consultant"].id),
    }
    answer = await world.clinician.post(f"/v1/cases/{case['id']}/consultations", everything)
    asked = made(answer)
    assert {name: asked[name] for name in everything} == everything
    assert answer.headers["location"] == f"/v1/consultations/{asked['id']}"
    assert (answer.headers["etag"], asked["version"]) == ('"1"', 1)
    assert (asked["case_id"], asked["status"]) == (case["id"], "draft")
    assert asked["recorded_by_id"] == str(world.clinician.id)
    for person in (world.clinician, world.supervisor):
        read = await person.get(f"/v1/consultations/{asked['id']}")
        assert (ok(read), read.headers["etag"]) == (told(asked), '"1"')


async def test_a_request_has_a_default_for_what_it_can_do_without(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/consultations"
    asked = await draft(world, case)
    assert {name: asked[name] for name in DEFAULTS} == DEFAULTS
    for missing in NEEDED:
        body = {name: value for name, value in NEEDED.items() if name != missing}
        refused = ok(await world.clinician.post(path, body), 422)
        assert [each["pointer"] for each in refused["errors"]] == [f"/{missing}"]


async def test_what_makes_no_sense_is_refused_at_once_and_in_a_change(world: World) -> None:
    case, other = await world.clinician.case(), await world.clinician.case()
    asked = await draft(world, case)
    elsewhere = await world.clinician.incident(other, "consent")
    voided = await world.clinician.incident(case, "consent")
    assert (await world.clinician.delete(f"/v1/incidents/{voided['id']}")).status_code == 204
    pledge = await world.clinician.promise(case)
    for wrong in (
        {"kind": "gossip"},
        {"kind": None},
        {"urgency": None},
        {"question": None},
        {"question": " "},
        {"summary": ""},
        {"released": None},
        {"released": "true"},
        {"incident_ids": None},
        {"incident_ids": [elsewhere["id"]]},
        {"incident_ids": [voided["id"]]},
        {"incident_ids": [pledge["id"]]},
        {"incident_ids": [str(uuid4())]},
        {"promise_ids": [elsewhere["id"]]},
        {"promise_ids": "all"},
        {"consultant_id": str(world.clinician.id)},
        {"consultant_id": str(world.colleague.id)},
        {"consultant_id": str(world.admin.id)},
        {"consultant_id": str(world.there["consultant"].id)},
        {"consultant_id": str(uuid4())},
        {"status": "requested"},
        {"due_at": world.day(3)},
        {"advice": "mine"},
        {"surprise": 1},
    ):
        body = {**NEEDED, **wrong}
        posted = await world.clinician.post(f"/v1/cases/{case['id']}/consultations", body)
        assert ok(posted, 422)["errors"], wrong
        patched = await world.clinician.patch(f"/v1/consultations/{asked['id']}", wrong, 1)
        assert ok(patched, 422)["errors"], wrong
    assert ok(await world.clinician.get(f"/v1/consultations/{asked['id']}")) == told(asked)


async def test_a_change_names_its_version_and_leaves_alone_what_it_does_not_name(
    world: World,
) -> None:
    case = await world.clinician.case()
    consultant = str(world.here["consultant"].id)
    asked = await draft(world, case, summary="in short", consultant_id=consultant)
    path = f"/v1/consultations/{asked['id']}"
    change = {"question": "in other words"}
    assert (await world.clinician.send("PATCH", path, json=change)).status_code == 428
    assert (await world.clinician.patch(path, change, 2)).status_code == 412
    answer = await world.clinician.patch(path, change, 1)
    assert (ok(answer)["version"], answer.headers["etag"]) == (2, '"2"')
    kept = {"summary": "in short", "consultant_id": consultant, **change}
    assert {name: answer.json()[name] for name in kept} == kept
    emptied = ok(await world.clinician.patch(path, {"summary": None, "consultant_id": None}))
    assert (emptied["summary"], emptied["consultant_id"]) == (None, None)
    assert emptied["question"] == change["question"]
    assert (await world.supervisor.patch(path, change)).status_code == 403
    assert ok(await world.clinician.get(path)) == told(emptied)


async def test_a_request_is_changed_until_somebody_accepts_it(world: World) -> None:
    case = await world.clinician.case()
    for status in STATUSES:
        asked = await brought_to(world, case, status)
        answer = await world.clinician.patch(
            f"/v1/consultations/{asked['id']}", {"question": "in other words"}
        )
        editable = status in {"draft", "requested", "declined"}
        assert answer.status_code == (200 if editable else 409), status


async def test_every_move_from_every_status(world: World) -> None:
    case = await world.clinician.case()
    for status in STATUSES:
        waiting: dict[str, Any] | None = None
        for move in BODIES:
            asked = waiting or await brought_to(world, case, status)
            waiting = None
            answer = await moved(world, asked, move)
            reached = ALLOWED.get((status, move))
            assert answer.status_code == (200 if reached else 409), (status, move)
            read = await world.clinician.get(f"/v1/consultations/{asked['id']}")
            if reached:
                assert answer.json()["status"] == reached
                assert answer.json()["version"] == asked["version"] + 1
                assert answer.headers["etag"] == read.headers["etag"]
                assert ok(read) == told(answer.json())
            else:
                assert ok(read) == told(asked)
                waiting = asked


async def test_each_move_belongs_to_the_requester_or_to_the_one_who_answers(world: World) -> None:
    case = await world.clinician.case()
    outsiders = [world.colleague, *(world.here[p] for p in ("privacy_officer", "admin"))]
    outsiders += [world.there["clinician"], world.there["supervisor"]]
    for (status, move), reached in ALLOWED.items():
        asked = await brought_to(world, case, status)
        rightful = mover(world, move)
        wrong = world.supervisor if rightful is world.clinician else world.clinician
        assert (await moved(world, asked, move, by=wrong)).status_code == 403, (status, move)
        for person in (world.stranger, *outsiders):
            answer = await moved(world, asked, move, by=person)
            assert answer.status_code in {403, 404}, (status, move, person.role)
        assert ok(await world.clinician.get(f"/v1/consultations/{asked['id']}")) == told(asked)
        assert ok(await moved(world, asked, move))["status"] == reached


async def test_it_is_due_by_its_urgency_from_the_request(world: World) -> None:
    case = await world.clinician.case()
    due = {
        "routine": "2026-04-01T12:00:00Z",
        "priority": "2026-03-09T12:00:00Z",
        "urgent": "2026-03-04T12:00:00Z",
        "emergency": "2026-03-03T12:00:00Z",
    }
    for urgency, due_at in due.items():
        asked = await draft(world, case, urgency=urgency)
        assert asked["due_at"] is None
        asked = ok(await moved(world, asked, "request"))
        assert asked["due_at"] == due_at
        for move in ("accept", "start", "complete", "respond"):
            assert ok(await moved(world, asked, move))["due_at"] == due_at
    asked = await brought_to(world, case, "requested")
    path = f"/v1/consultations/{asked['id']}"
    sooner = ok(await world.clinician.patch(path, {"urgency": "emergency"}))
    assert sooner["due_at"] == due["emergency"]


async def test_a_declined_request_is_sent_again_and_due_anew(world: World) -> None:
    case = await world.clinician.case()
    asked = await brought_to(world, case, "declined", urgency="priority")
    assert asked["reason"] == "not now"
    world.clock.forward(days=1)
    again = ok(await moved(world, asked, "request"))
    assert (again["status"], again["due_at"]) == ("requested", "2026-03-10T12:00:00Z")
    assert ok(await moved(world, again, "accept"))["status"] == "accepted"


async def test_a_move_that_needs_words_is_refused_without_them(world: World) -> None:
    case = await world.clinician.case()
    for status, move, wrong in (
        ("requested", "decline", {"because": "no"}),
        ("requested", "decline", {"reason": " "}),
        ("requested", "cancel", {"reason": None}),
        ("in_progress", "complete", {"outcome": "mixed"}),
        ("in_progress", "complete", {"advice": "rest"}),
        ("in_progress", "complete", {"outcome": "good", "advice": "rest"}),
        ("completed", "respond", {"reason": "why"}),
        ("completed", "respond", {"response": "ignored"}),
        ("completed", "respond", {"response": "not_followed"}),
        ("completed", "respond", {"response": "not_followed", "reason": " "}),
        ("draft", "request", {"now": True}),
        ("requested", "accept", {"now": True}),
        ("accepted", "start", {"now": True}),
    ):
        asked = await brought_to(world, case, status)
        ok(await moved(world, asked, move, **wrong), 422)
        assert ok(await world.clinician.get(f"/v1/consultations/{asked['id']}")) == told(asked)


async def test_advice_and_the_answer_to_it_are_kept(world: World) -> None:
    case = await world.clinician.case()
    answers: list[dict[str, Any]] = [
        {"response": "accepted"},
        {"response": "partly", "reason": "one point is open"},
        {"response": "not_followed", "reason": "the client declined"},
    ]
    for answer in answers:
        asked = await brought_to(world, case, "completed")
        assert {name: asked[name] for name in ADVICE} == ADVICE
        answered = ok(await moved(world, asked, "respond", **answer))
        assert answered["response"] == answer["response"]
        assert answered["response_reason"] == answer.get("reason")
        assert answered["status"] == "completed"
        read = ok(await world.supervisor.get(f"/v1/consultations/{asked['id']}"))
        assert read == told(answered)


async def test_who_accepts_is_the_consultant_and_goes_on_alone(world: World) -> None:
    other = await second_supervisor(world)
    case = await world.clinician.case()
    asked = await brought_to(world, case, "accepted")
    assert asked["consultant_id"] == str(world.supervisor.id)
    assert (await moved(world, asked, "start", by=other)).status_code == 403
    asked = ok(await moved(world, asked, "start"))
    assert (await moved(world, asked, "complete", by=other)).status_code == 403
    ok(await moved(world, asked, "complete"))


async def test_only_the_one_who_was_asked_may_answer(world: World) -> None:
    other = await second_supervisor(world)
    case = await world.clinician.case()
    asked = await brought_to(world, case, "requested", consultant_id=str(other.id))
    for move in ("accept", "decline"):
        assert (await moved(world, asked, move, by=world.supervisor)).status_code == 403
    accepted = ok(await moved(world, asked, "accept", by=other))
    assert accepted["consultant_id"] == str(other.id)


async def test_nobody_answers_what_they_asked_themselves(world: World) -> None:
    link = {
        "supervisor_id": str(world.stranger.id),
        "clinician_id": str(world.supervisor.id),
        "starts_on": world.day(),
    }
    made(await world.admin.post("/v1/supervisions", link))
    case = await world.supervisor.case()
    body = {**NEEDED, "consultant_id": str(world.supervisor.id)}
    path = f"/v1/cases/{case['id']}/consultations"
    assert (await world.supervisor.post(path, body)).status_code == 422
    asked = made(await world.supervisor.post(path, NEEDED))
    ok(await moved(world, asked, "request", by=world.supervisor))
    for move in ("accept", "decline", "start", "complete"):
        assert (await moved(world, asked, move, by=world.supervisor)).status_code == 403
    ok(await moved(world, asked, "accept", by=world.stranger))
    for move in ("start", "complete"):
        assert (await moved(world, asked, move, by=world.supervisor)).status_code == 403


async def test_a_case_that_came_to_its_supervisor_is_not_answered_by_her(world: World) -> None:
    """She asks for nothing, but is the case's clinician now: it concerns her own work."""
    case = await world.clinician.case()
    asked = await brought_to(world, case, "requested")
    hand_over = {"clinician_id": str(world.supervisor.id), "reason": "leave"}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", hand_over))
    for move in ("accept", "decline", "start", "complete"):
        answer = await moved(world, asked, move, by=world.supervisor)
        assert answer.status_code == 403, move


async def test_consulted_clears_and_not_followed_brings_back(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "competence_gap", reported_by="client")
    outcome = await world.clinician.incident(
        case, "outcome", on=0, trend="worse", months=3, doubt=True
    )
    both = {"competence_gap": "moderate", "outcome_unreviewed": "moderate"}
    assert await world.supervisor.flags(case) == both
    linked = [report["id"], outcome["id"]]
    asked = await draft(world, case, kind="peer_consultation", incident_ids=linked)
    for move in ("request", "accept", "start"):
        asked = ok(await moved(world, asked, move))
        assert await world.supervisor.flags(case) == both
        assert asked["flags_raised"] == []
    asked = ok(await moved(world, asked, "complete"))
    assert asked["flags_raised"] == []
    assert await world.supervisor.flags(case) == {}
    assert ok(await moved(world, asked, "respond"))["response"] == "accepted"
    assert await world.supervisor.flags(case) == {}
    ok(await moved(world, asked, "respond", response="not_followed", reason="it was declined"))
    assert await world.supervisor.flags(case) == both
    ok(await moved(world, asked, "respond", response="partly"))
    assert await world.supervisor.flags(case) == {}


async def test_only_some_kinds_of_advice_count_as_consulted(world: World) -> None:
    counted = {"peer_consultation", "supervision", "second_opinion_for_client", "ethics"}
    counted |= {"specialist"}
    for kind in (*sorted(counted), "legal_risk", "danger_review", "facilitated_repair"):
        case = await world.clinician.case()
        await world.clinician.incident(case, "competence_gap")
        await brought_to(world, case, "completed", kind=kind)
        left = {} if kind in counted else {"competence_gap": "moderate"}
        assert await world.supervisor.flags(case) == left, kind


async def test_drafts_and_unreleased_requests_are_hidden_from_consultants(world: World) -> None:
    consultant = world.here["consultant"]
    case = await world.clinician.case()
    for status, released in (("draft", True), ("draft", False), ("requested", False)):
        asked = await brought_to(
            world, case, status, released=released, consultant_id=str(consultant.id)
        )
        assert (await consultant.get(f"/v1/consultations/{asked['id']}")).status_code == 404
        for move in ("accept", "decline", "start", "complete"):
            assert (await moved(world, asked, move, by=consultant)).status_code == 404, move
        for move in ("request", "cancel", "respond"):
            assert (await moved(world, asked, move, by=consultant)).status_code == 403, move
    assert ok(await consultant.get("/v1/consultations"))["items"] == []
