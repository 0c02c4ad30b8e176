"""Cases: what one keeps, who may change it, how it is handed over, and how it is voided."""

from typing import Any
from uuid import UUID

from tests.support.world import World, incident, made, ok, promise

EVERYTHING: dict[str, Any] = {
    "client_ref": "ref-everything",
    "status": "ended",
    "setting": "private_practice",
    "started_on": "2024-01-15",
    "ended_on": "2026-02-27",
    "phase": "post_termination",
    "attachment_roles": ["mother", "romantic_love"],
    "sessions_per_week": 1.5,
    "agreed_sessions": 80,
    "is_minor": False,
}
DEFAULTS: dict[str, Any] = {
    "status": "active",
    "setting": None,
    "started_on": None,
    "ended_on": None,
    "phase": "unknown",
    "attachment_roles": [],
    "sessions_per_week": None,
    "agreed_sessions": None,
    "is_minor": None,
    "voided_at": None,
    "void_reason": None,
    "flags": {"open": 0, "top_severity": None, "next_due_at": None},
}
NO_FLAGS = DEFAULTS["flags"]
SENSELESS: list[dict[str, Any]] = [
    {"client_ref": "  "},
    {"client_ref": None},
    {"client_ref": "x" * 201},
    {"status": "voided"},
    {"status": None},
    {"phase": None},
    {"setting": "at home"},
    {"attachment_roles": ["sister"]},
    {"attachment_roles": None},
    {"sessions_per_week": -1},
    {"sessions_per_week": "2"},
    {"agreed_sessions": 1.5},
    {"agreed_sessions": True},
    {"is_minor": "no"},
    {"is_minor": 0},
    {"started_on": "2026-03-02T00:00:00Z"},
    {"started_on": "2026-3-2"},
    {"started_on": 1},
    {"started_on": "2026-03-03"},
    {"ended_on": "2026-03-03"},
    {"started_on": "2026-02-02", "ended_on": "2026-02-01"},
    {"flags": {}},
    {"version": 3},
    {"recorded_by_id": None},
    {"voided_at": None},
    {"surprise": 1},
]


def told(case: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a write says beside the case itself."""
    return {name: value for name, value in case.items() if name != "flags_raised"}


async def test_a_case_keeps_every_field(world: World) -> None:
    answer = await world.clinician.post("/v1/cases", EVERYTHING)
    case = made(answer)
    assert {name: case[name] for name in EVERYTHING} == EVERYTHING
    assert answer.headers["location"] == f"/v1/cases/{case['id']}"
    assert answer.headers["etag"] == '"1"'
    assert UUID(case["id"]).version == 7
    assert case["clinician_id"] == case["recorded_by_id"] == str(world.clinician.id)
    assert case["created_at"] == case["updated_at"] == "2026-03-02T12:00:00Z"
    assert (case["version"], case["flags_raised"]) == (1, [])
    read = await world.clinician.get(answer.headers["location"])
    assert (ok(read), read.headers["etag"]) == (told(case), '"1"')


async def test_a_case_needs_its_reference_and_has_a_default_for_all_else(world: World) -> None:
    case = made(await world.clinician.post("/v1/cases", {"client_ref": "only-this"}))
    assert {name: case[name] for name in DEFAULTS} == DEFAULTS
    refused = ok(await world.clinician.post("/v1/cases", {}), 422)
    assert [error["pointer"] for error in refused["errors"]] == ["/client_ref"]


async def test_yes_no_and_not_known_are_three_answers(world: World) -> None:
    for known in (True, False, None):
        case = await world.clinician.case(is_minor=known)
        assert case["is_minor"] is known
        changed = ok(await world.clinician.patch(f"/v1/cases/{case['id']}", {"is_minor": None}))
        assert changed["is_minor"] is None


async def test_history_is_entered_late_so_any_status_may_come_first(world: World) -> None:
    for status in ("active", "paused", "ended"):
        assert (await world.clinician.case(status=status))["status"] == status


async def test_what_makes_no_sense_is_refused_at_once_and_in_a_change(world: World) -> None:
    case = await world.clinician.case()
    for refused in SENSELESS:
        opened = await world.clinician.post("/v1/cases", {"client_ref": "sense", **refused})
        assert ok(opened, 422)["errors"], refused
        changed = await world.clinician.patch(f"/v1/cases/{case['id']}", refused, 1)
        assert ok(changed, 422)["errors"], refused
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}"))["version"] == 1
    assert len(ok(await world.clinician.get("/v1/cases"))["items"]) == 1


async def test_dates_make_sense_together_with_those_already_kept(world: World) -> None:
    case = await world.clinician.case(started_on="2026-01-10", ended_on="2026-02-10")
    path = f"/v1/cases/{case['id']}"
    for change in ({"ended_on": "2026-01-09"}, {"started_on": "2026-02-11"}):
        assert ok(await world.clinician.patch(path, change), 422)["errors"]
    same_day = {"started_on": "2026-02-10"}
    assert ok(await world.clinician.patch(path, same_day))["started_on"] == "2026-02-10"
    today = {"ended_on": world.day()}
    assert ok(await world.clinician.patch(path, today))["ended_on"] == world.day()


async def test_today_is_the_clinics_own_day(world: World) -> None:
    there = await world.clinic("Pacific/Auckland")  # already tomorrow at noon UTC
    await there["clinician"].case(started_on=world.day(1))
    late = await world.clinic("Pacific/Pago_Pago")
    world.clock.forward(hours=-8)  # still yesterday there
    answer = await late["clinician"].post(
        "/v1/cases", {"client_ref": "early", "started_on": world.day()}
    )
    assert answer.status_code == 422


async def test_a_change_names_the_version_it_changes(world: World) -> None:
    case = await world.clinician.case()
    path, body = f"/v1/cases/{case['id']}", {"phase": "acceptance"}
    assert (await world.clinician.send("PATCH", path, json=body)).status_code == 428
    assert (await world.clinician.send("DELETE", path)).status_code == 428
    for tag, status in {'"0"': 412, '"2"': 412, "1": 428, 'W/"1"': 428, "*": 428, "": 428}.items():
        for method, options in (("PATCH", {"json": body}), ("DELETE", {})):
            answer = await world.clinician.send(method, path, headers={"If-Match": tag}, **options)
            assert answer.status_code == status, (method, tag)
    assert ok(await world.clinician.get(path)) == told(case)


async def test_each_change_counts_one_version(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}"
    for version, phase in enumerate(("beginning", "acceptance", "outward_turn"), start=1):
        world.clock.forward(minutes=1)
        answer = await world.clinician.patch(path, {"phase": phase}, version)
        assert ok(answer)["version"] == version + 1
        assert answer.headers["etag"] == f'"{version + 1}"'
        read = await world.clinician.get(path)
        assert (ok(read), read.headers["etag"]) == (told(answer.json()), f'"{version + 1}"')
        assert read.json()["updated_at"] == f"2026-03-02T12:0{version}:00Z"
        assert read.json()["created_at"] == case["created_at"]
        assert (await world.clinician.patch(path, {"phase": "hope_awakened"}, version)).is_error


async def test_a_change_leaves_alone_what_it_does_not_name(world: World) -> None:
    case = made(await world.clinician.post("/v1/cases", EVERYTHING))
    path = f"/v1/cases/{case['id']}"
    changed = ok(await world.clinician.patch(path, {"phase": "acceptance"}))
    assert {name: changed[name] for name in EVERYTHING} == {**EVERYTHING, "phase": "acceptance"}
    optional = (
        "setting",
        "ended_on",
        "started_on",
        "sessions_per_week",
        "agreed_sessions",
        "is_minor",
    )
    emptied = ok(await world.clinician.patch(path, dict.fromkeys(optional)))
    assert {name: emptied[name] for name in optional} == dict.fromkeys(optional)
    assert emptied["client_ref"] == EVERYTHING["client_ref"]
    assert emptied["attachment_roles"] == EVERYTHING["attachment_roles"]


async def test_every_field_of_a_case_can_be_changed_but_its_clinician(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}"
    changed = ok(await world.clinician.patch(path, EVERYTHING))
    assert {name: changed[name] for name in EVERYTHING} == EVERYTHING
    assert ok(await world.clinician.get(path)) == told(changed)
    for person in (world.clinician, world.supervisor):
        answer = await person.patch(path, {"clinician_id": str(world.colleague.id)})
        assert answer.status_code == 422


async def test_reference_and_start_are_unique_in_a_clinic(world: World) -> None:
    first = {"client_ref": "A-1", "started_on": "2026-01-01"}
    unknown = {"client_ref": "A-1"}
    for body in (first, unknown, {"client_ref": "A-1", "started_on": "2026-01-02"}):
        made(await world.clinician.post("/v1/cases", body))
        for person in (world.clinician, world.colleague):
            assert (await person.post("/v1/cases", body)).status_code == 409
        made(await world.there["clinician"].post("/v1/cases", body))
    other = made(await world.clinician.post("/v1/cases", {"client_ref": "A-2"}))
    for change in (unknown, first):
        answer = await world.clinician.patch(f"/v1/cases/{other['id']}", change)
        assert answer.status_code == 409
    assert ok(await world.clinician.get(f"/v1/cases/{other['id']}"))["client_ref"] == "A-2"


async def test_a_case_entered_in_error_does_not_keep_its_reference(world: World) -> None:
    for body in ({"client_ref": "A-1"}, {"client_ref": "A-2", "started_on": "2026-01-01"}):
        case = made(await world.clinician.post("/v1/cases", body))
        assert (await world.clinician.delete(f"/v1/cases/{case['id']}")).status_code == 204
        again = made(await world.clinician.post("/v1/cases", body))
        assert (await world.clinician.post("/v1/cases", body)).status_code == 409
        found = ok(await world.clinician.get("/v1/cases", client_ref=body["client_ref"]))
        assert [item["id"] for item in found["items"]] == [again["id"]]


async def test_a_case_is_found_by_its_exact_reference(world: World) -> None:
    wanted = [
        await world.clinician.case(client_ref="A-1", started_on=started_on)
        for started_on in (None, "2025-01-01")
    ]
    for other in ("a-1", "A-10", "A-", "%"):
        await world.clinician.case(client_ref=other)
    await world.colleague.case(client_ref="A-1", started_on="2025-01-02")
    await world.there["clinician"].case(client_ref="A-1")
    for person in (world.clinician, world.supervisor):
        found = ok(await person.get("/v1/cases", client_ref="A-1"))["items"]
        assert [item["id"] for item in found] == [case["id"] for case in reversed(wanted)]
    assert ok(await world.clinician.get("/v1/cases", client_ref="B"))["items"] == []
    assert len(ok(await world.clinician.get("/v1/cases", client_ref="%"))["items"]) == 1


async def test_a_clinician_opens_cases_for_herself_alone(world: World) -> None:
    own = {"client_ref": "own", "clinician_id": str(world.clinician.id)}
    assert made(await world.clinician.post("/v1/cases", own))["clinician_id"] == str(
        world.clinician.id
    )
    for other in (world.colleague, world.supervisor, world.there["clinician"]):
        body = {"client_ref": "other", "clinician_id": str(other.id)}
        assert (await world.clinician.post("/v1/cases", body)).status_code == 403


async def test_a_supervisor_opens_cases_for_whom_she_answers_and_for_herself(world: World) -> None:
    body = {"client_ref": "for-her", "clinician_id": str(world.clinician.id)}
    opened = made(await world.supervisor.post("/v1/cases", body))
    assert opened["recorded_by_id"] == str(world.supervisor.id)
    assert ok(await world.clinician.get(f"/v1/cases/{opened['id']}"))["client_ref"] == "for-her"
    body = {"client_ref": "not-for-him", "clinician_id": str(world.colleague.id)}
    assert (await world.supervisor.post("/v1/cases", body)).status_code == 403
    assert (await world.stranger.post("/v1/cases", body)).status_code == 403
    own = await world.supervisor.case()
    assert own["clinician_id"] == str(world.supervisor.id)
    assert (await world.clinician.get(f"/v1/cases/{own['id']}")).status_code == 404


async def test_flags_are_summed_up_on_the_case_and_in_the_list(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "competence_gap", reported_by="client")
    world.clock.forward(days=1)
    await world.clinician.incident(case, "hurtful_words", repeated=True)
    await world.clinician.incident(case, "cotreatment", coordinated=False)
    expected = {"open": 3, "top_severity": "high", "next_due_at": "2026-03-05T12:00:00Z"}
    shown = ok(await world.clinician.get(f"/v1/cases/{case['id']}"))
    assert shown["flags"] == expected
    (listed,) = ok(await world.clinician.get("/v1/cases"))["items"]
    assert listed == shown
    # prompts are the clinician's alone
    read = ok(await world.supervisor.get(f"/v1/cases/{case['id']}"))
    assert read["flags"] == {**expected, "open": 2}
    for flag in await world.supervisor.flag_list(case):
        note = {"determination": "normal_process", "resolution_note": "looked at together"}
        ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", note))
    shown = ok(await world.clinician.get(f"/v1/cases/{case['id']}"))
    assert shown["flags"] == {"open": 1, "top_severity": "info", "next_due_at": None}
    assert ok(await world.supervisor.get(f"/v1/cases/{case['id']}"))["flags"] == NO_FLAGS


async def test_a_voided_case_leaves_the_lists_and_the_rules_and_is_kept(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words")
    pledge = await world.clinician.promise(case)
    path = f"/v1/cases/{case['id']}"
    world.clock.forward(minutes=5)
    answer = await world.clinician.delete(path, reason="duplicate")
    assert (answer.status_code, answer.content) == (204, b"")
    for person in (world.clinician, world.supervisor):
        shown = ok(await person.get(path))
        assert shown["voided_at"] == "2026-03-02T12:05:00Z"
        assert (shown["void_reason"], shown["version"]) == ("duplicate", 2)
        for listing in ("cases", "incidents", "promises", "consultations"):
            assert ok(await person.get(f"/v1/{listing}"))["items"] == [], listing
        assert ok(await person.get("/v1/cases", client_ref=case["client_ref"]))["items"] == []
        assert ok(await person.get(f"/v1/incidents/{report['id']}"))["id"] == report["id"]
        assert ok(await person.get(f"/v1/promises/{pledge['id']}"))["id"] == pledge["id"]
        assert await person.flags(case) == {}
    (waiting,) = await world.supervisor.flag_list(case, live=False)
    assert (waiting["status"], waiting["condition_holds"]) == ("open", False)


async def test_a_void_says_why(world: World) -> None:
    for reason in (None, "entered_in_error", "duplicate", "wrong_case"):
        case = await world.clinician.case()
        path = f"/v1/cases/{case['id']}"
        assert (await world.clinician.delete(path, reason="because")).status_code == 422
        given: dict[str, Any] = {} if reason is None else {"reason": reason}
        assert (await world.clinician.delete(path, **given)).status_code == 204
        assert ok(await world.clinician.get(path))["void_reason"] == (reason or "entered_in_error")


async def test_nothing_more_is_written_to_a_voided_case(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words")
    pledge = await world.clinician.promise(case)
    asked = {"kind": "ethics", "urgency": "routine", "question": "what now"}
    path = f"/v1/cases/{case['id']}"
    draft = made(await world.clinician.post(f"{path}/consultations", asked))
    assert (await world.clinician.delete(path)).status_code == 204
    clinician, supervisor = world.clinician, world.supervisor
    transfer = {"clinician_id": str(world.colleague.id), "reason": "a move"}
    review = {"determination": "real_danger", "review_note": "seen"}
    by_hand = {"severity": "low", "title": "look", "because": "of this"}
    answers = [
        await clinician.patch(path, {"phase": "acceptance"}),
        await clinician.delete(path),
        await supervisor.post(f"{path}/transfer", transfer),
        await clinician.post(f"{path}/incidents", incident("consent", world)),
        await clinician.post(f"{path}/promises", promise(world)),
        await clinician.post(f"{path}/consultations", asked),
        await supervisor.post(f"{path}/flags", by_hand),
        await clinician.patch(f"/v1/incidents/{report['id']}", {"repair": "failed"}),
        await clinician.delete(f"/v1/incidents/{report['id']}"),
        await supervisor.post(f"/v1/incidents/{report['id']}/review", review),
        await clinician.patch(f"/v1/promises/{pledge['id']}", {"state": "kept"}),
        await clinician.delete(f"/v1/promises/{pledge['id']}"),
        await clinician.patch(f"/v1/consultations/{draft['id']}", {"urgency": "urgent"}),
        await clinician.post(f"/v1/consultations/{draft['id']}/request"),
    ]
    assert [answer.status_code for answer in answers] == [409] * len(answers)
    # a person still settles what it left in the queue
    (flag,) = await supervisor.flag_list(case, live=False)
    note = {"determination": "duplicate", "resolution_note": "entered twice"}
    settled = await supervisor.post(f"/v1/flags/{flag['id']}/resolve", note)
    assert ok(settled)["status"] == "resolved"
    assert await supervisor.queue() == []


async def test_a_clinician_voids_only_the_case_she_opened_and_nobody_reviewed(world: World) -> None:
    body = {"client_ref": "for-her", "clinician_id": str(world.clinician.id)}
    opened = made(await world.supervisor.post("/v1/cases", body))
    ok(await world.clinician.patch(f"/v1/cases/{opened['id']}", {"phase": "acceptance"}))
    assert (await world.clinician.delete(f"/v1/cases/{opened['id']}")).status_code == 403
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words")
    review = {"determination": "normal_process", "review_note": "seen"}
    ok(await world.supervisor.post(f"/v1/incidents/{report['id']}/review", review))
    assert (await world.clinician.delete(f"/v1/cases/{case['id']}")).status_code == 403
    ok(await world.clinician.patch(f"/v1/cases/{case['id']}", {"phase": "acceptance"}))
    for left in (opened, case):
        assert (await world.supervisor.delete(f"/v1/cases/{left['id']}")).status_code == 204


async def test_a_case_handed_over_is_the_new_clinicians_alone(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words")
    pledge = await world.clinician.promise(case)
    asked = {"kind": "ethics", "urgency": "routine", "question": "what now"}
    draft = made(await world.clinician.post(f"/v1/cases/{case['id']}/consultations", asked))
    (flag,) = report["flags_raised"]
    paths = [
        f"/v1/cases/{case['id']}",
        f"/v1/cases/{case['id']}/timeline",
        f"/v1/incidents/{report['id']}",
        f"/v1/promises/{pledge['id']}",
        f"/v1/consultations/{draft['id']}",
        f"/v1/flags/{flag['id']}",
    ]
    transfer = {"clinician_id": str(world.colleague.id), "reason": "parental leave"}
    answer = await world.supervisor.post(f"{paths[0]}/transfer", transfer)
    handed = ok(answer)
    assert handed["clinician_id"] == str(world.colleague.id)
    assert (handed["version"], answer.headers["etag"]) == (2, '"2"')
    for path in paths:
        ok(await world.colleague.get(path))
        for former in (world.clinician, world.supervisor):
            assert (await former.get(path)).status_code == 404, path
    for listing in ("cases", "incidents", "promises", "consultations", "flags"):
        assert len(ok(await world.colleague.get(f"/v1/{listing}"))["items"]) == 1
        for former in (world.clinician, world.supervisor):
            assert ok(await former.get(f"/v1/{listing}"))["items"] == [], listing
    assert await world.supervisor.queue() == []
    # whose conduct it is about was fixed when it was recorded, and so was who recorded it
    moved = ok(await world.colleague.get(f"/v1/incidents/{report['id']}"))
    assert moved["about_user_id"] == moved["recorded_by_id"] == str(world.clinician.id)
    refused = await world.colleague.patch(f"/v1/incidents/{report['id']}", {"repair": "failed"})
    assert refused.status_code == 403
    ok(await world.colleague.patch(f"/v1/promises/{pledge['id']}", {"state": "kept"}))


async def test_a_case_is_handed_to_somebody_who_treats_here(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/transfer"

    async def hand(person_id: UUID, reason: str | None = "a move") -> int:
        body = {"clinician_id": str(person_id), "reason": reason}
        return (await world.supervisor.post(path, body)).status_code

    for part in ("consultant", "privacy_officer", "admin"):
        assert await hand(world.here[part].id) == 422
    assert await hand(world.there["clinician"].id) == 422
    assert await hand(UUID(case["id"])) == 422
    assert await hand(world.colleague.id, None) == 422
    assert await hand(world.colleague.id, " ") == 422
    assert await hand(world.clinician.id) == 409
    gone = {"is_active": False}
    ok(await world.admin.patch(f"/v1/users/{world.colleague.id}", gone))
    assert await hand(world.colleague.id) == 422
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}"))["version"] == 1
    # a supervisor treats, too, and is then the case's own clinician
    assert await hand(world.supervisor.id) == 200
    ok(await world.supervisor.get(f"/v1/cases/{case['id']}"))
    assert (await world.supervisor.post(path, {})).status_code in {403, 422}
    assert await hand(world.colleague.id) == 403


async def test_whoever_is_a_cases_clinician_has_that_column_whatever_their_role(
    world: World,
) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words")
    await world.clinician.incident(case, "cotreatment", coordinated=False)
    path = f"/v1/cases/{case['id']}"
    for role in ("consultant", "privacy_officer", "admin"):
        ok(await world.admin.patch(f"/v1/users/{world.clinician.id}", {"role": role}))
        for own in (path, f"{path}/incidents", f"{path}/timeline", f"/v1/incidents/{report['id']}"):
            ok(await world.clinician.get(own))
        for listing in ("cases", "incidents", "promises", "consultations", "flags"):
            ok(await world.clinician.get(f"/v1/{listing}"))
        ok(await world.clinician.patch(path, {"phase": "acceptance"}))
        await world.clinician.incident(case, "consent")
        assert set(await world.clinician.flags(case)) == {"hurtful_words", "clarify_roles"}
        new = await world.clinician.post("/v1/cases", {"client_ref": role})
        assert new.status_code == 403, role
