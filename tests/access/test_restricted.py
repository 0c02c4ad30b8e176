"""What is restricted does not exist for the case's clinician, however she looks."""

from typing import Any
from uuid import uuid4

from tests.support.world import Person, World, incident, made, ok, software

NOTE = {"determination": "normal_process", "resolution_note": "looked at together"}
REVIEW = {"determination": "boundary_violation", "review_note": "seen"}
ASKED = {"kind": "peer_consultation", "urgency": "routine", "question": "what do you see"}


async def seen(person: Person, case: dict[str, Any]) -> dict[str, Any]:
    """Read all that somebody can of a case: path → answer."""
    path = f"/v1/cases/{case['id']}"
    paths = [path, "/v1/cases", f"{path}/timeline?limit=100"]
    for each in ("incidents", "promises", "consultations", "flags"):
        paths += [f"{path}/{each}", f"/v1/{each}", f"/v1/{each}?limit=1"]
    paths += [f"{path}/incidents?kind={kind}" for kind in ("hurtful_words", "exception")]
    paths += [f"/v1/incidents?status={status}" for status in ("reported", "reviewed")]
    paths += [
        f"/v1/incidents?clinician_id={case['clinician_id']}",
        "/v1/incidents?from=2020-01-01&to=2030-01-01&updated_since=2020-01-01T00:00:00Z",
        "/v1/flags?min_severity=high",
        "/v1/flags?rule=hurtful_words",
        f"{path}/flags?rule=special_exceptions",
        "/v1/flags?overdue=true",
        "/v1/flags?condition_holds=true&status=open",
        "/v1/summary",
        "/v1/patterns",
        "/v1/rules/monitored",
    ]
    answers = {}
    for each in paths:
        answer = await person.send("GET", each)
        answers[each] = (answer.json(), answer.headers.get("etag"))
    return answers


async def report_in_secret(world: World, case: dict[str, Any]) -> list[dict[str, Any]]:
    """Let the supervisor record what worsens one rule, completes another, and raises a third."""
    return [
        await world.supervisor.incident(case, "hurtful_words", repeated=True),
        await world.supervisor.incident(case, "exception", exception="special_status"),
        await world.supervisor.incident(case, "sexual_conduct", conduct="contact"),
        # nothing speaks of it, but it is about her all the same
        await world.supervisor.incident(case, "touch", touch="handshake"),
    ]


async def begun(world: World) -> dict[str, Any]:
    """Open a case of which the clinician has told a little herself."""
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    await world.clinician.incident(case, "exception", exception="home_visit")
    await world.clinician.promise(case, keepable="doubtful")
    return case


async def test_nothing_the_clinician_can_read_changes(world: World) -> None:
    case = await begun(world)
    before = await seen(world.clinician, case)
    reports = await report_in_secret(world, case)
    assert [report["restricted"] for report in reports] == [True] * 4
    assert await seen(world.clinician, case) == before
    # nor by what supervisors go on to do with it
    hidden = [flag for flag in await world.supervisor.flag_list(case) if flag["restricted"]]
    ok(await world.supervisor.post(f"/v1/flags/{hidden[0]['id']}/acknowledge"))
    ok(await world.supervisor.post(f"/v1/flags/{hidden[1]['id']}/resolve", NOTE))
    ok(await world.supervisor.post(f"/v1/flags/{hidden[1]['id']}/reopen", {"reason": "again"}))
    ok(await world.supervisor.post(f"/v1/incidents/{reports[0]['id']}/review", REVIEW))
    path = f"/v1/incidents/{reports[1]['id']}"
    ok(await world.supervisor.patch(path, {"narrative": "in other words"}))
    assert (await world.supervisor.delete(path)).status_code == 204
    by_hand = {"severity": "critical", "title": "look", "because": "of this", "restricted": True}
    made(await world.supervisor.post(f"/v1/cases/{case['id']}/flags", by_hand))
    assert await seen(world.clinician, case) == before


async def test_the_supervisor_sees_all_of_it(world: World) -> None:
    case = await begun(world)
    reports = await report_in_secret(world, case)
    flags = await world.supervisor.flag_list(case)
    assert {(flag["rule"], flag["severity"], flag["restricted"]) for flag in flags} == {
        ("hurtful_words", "moderate", False),
        ("promise_unkeepable", "moderate", False),
        ("hurtful_words", "high", True),
        ("special_exceptions", "moderate", True),
        ("sexual_conduct", "critical", True),
    }
    shown = ok(await world.supervisor.get(f"/v1/cases/{case['id']}"))
    assert (shown["flags"]["open"], shown["flags"]["top_severity"]) == (5, "critical")
    for listing in ("/v1/incidents", f"/v1/cases/{case['id']}/incidents"):
        assert len(ok(await world.supervisor.get(listing))["items"]) == 6
    for report in reports:
        assert ok(await world.supervisor.get(f"/v1/incidents/{report['id']}"))["restricted"]
    (item,) = await world.supervisor.queue()
    assert (item["top_severity"], len(item["flags"])) == ("critical", 5)
    told = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/timeline", limit=100))
    named = {each for item in told["items"] for each in item["record_ids"]}
    assert {report["id"] for report in reports} <= named


async def test_what_is_hidden_answers_like_what_does_not_exist(world: World) -> None:
    case = await begun(world)
    reports = await report_in_secret(world, case)
    hidden = [f["id"] for f in await world.supervisor.flag_list(case) if f["restricted"]]

    async def same(method: str, there: str, nowhere: str, **options: Any) -> int:
        one = await world.clinician.send(method, there, **options)
        other = await world.clinician.send(method, nowhere, **options)
        assert {**one.json(), "request_id": 0} == {**other.json(), "request_id": 0}
        return one.status_code

    nowhere = f"/v1/incidents/{uuid4()}"
    match = {"If-Match": '"1"'}
    for report in reports:
        path = f"/v1/incidents/{report['id']}"
        assert await same("GET", path, nowhere) == 404
        change = {"repair": "failed"}
        assert await same("PATCH", path, nowhere, json=change, headers=match) == 404
        assert await same("PATCH", path, nowhere, json=change) == 404
        assert await same("DELETE", path, nowhere, headers=match) == 404
        assert await same("POST", f"{path}/review", f"{nowhere}/review", json=REVIEW) == 403
    nowhere = f"/v1/flags/{uuid4()}"
    for flag in hidden:
        path = f"/v1/flags/{flag}"
        assert await same("GET", path, nowhere) == 404
        assert await same("POST", f"{path}/resolve", f"{nowhere}/resolve", json=NOTE) == 404
        for move in ("acknowledge", "reopen"):
            body = {"reason": "x"} if move == "reopen" else {}
            assert await same("POST", f"{path}/{move}", f"{nowhere}/{move}", json=body) == 403


async def test_a_consultation_cannot_be_linked_to_what_is_hidden(world: World) -> None:
    case = await begun(world)
    (hidden, *_) = await report_in_secret(world, case)
    path = f"/v1/cases/{case['id']}/consultations"
    draft = made(await world.clinician.post(path, ASKED))
    refusals = []
    for incident_id in (hidden["id"], str(uuid4())):
        linked = {"incident_ids": [incident_id]}
        refusals += [
            ok(await world.clinician.post(path, {**ASKED, **linked}), 422)["errors"],
            ok(await world.clinician.patch(f"/v1/consultations/{draft['id']}", linked), 422)[
                "errors"
            ],
        ]
    assert all(each == refusals[0] for each in refusals)


async def test_her_own_next_write_raises_only_what_is_hers_to_know(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "exception", exception="home_visit")
    await report_in_secret(world, case)
    for kind, fields in (("consent", {}), ("expression", {"by": "client"})):
        assert (await world.clinician.incident(case, kind, **fields))["flags_raised"] == []
    assert (await world.clinician.promise(case))["flags_raised"] == []
    changed = ok(await world.clinician.patch(f"/v1/cases/{case['id']}", {"status": "paused"}))
    assert changed["flags_raised"] == []
    assert changed["flags"] == {"open": 0, "top_severity": None, "next_due_at": None}
    own = await world.clinician.incident(case, "exception", exception="reduced_fee")
    (flag,) = own["flags_raised"]
    assert (flag["rule"], flag["restricted"]) == ("special_exceptions", False)
    mine = ok(await world.clinician.get("/v1/incidents"))["items"]
    assert {each["id"] for each in flag["evidence"]} <= {each["id"] for each in mine}


async def test_no_status_code_tells_of_it(world: World) -> None:
    plain, watched = await begun(world), await begun(world)
    (hidden, *_) = await report_in_secret(world, watched)
    ok(await world.supervisor.post(f"/v1/incidents/{hidden['id']}/review", REVIEW))
    world.clock.forward(days=20)  # long enough for what nobody looked at to speak

    async def told(case: dict[str, Any]) -> list[Any]:
        clinician, path = world.clinician, f"/v1/cases/{case['id']}"
        shown = ok(await clinician.get(path))
        flags = await clinician.flag_list(case)
        answers: list[Any] = [
            shown["flags"],
            sorted((flag["rule"], flag["severity"], flag["because"]) for flag in flags),
            (await clinician.post(f"{path}/incidents", incident("consent", world))).status_code,
            (await clinician.patch(path, {"phase": "acceptance"})).json()["version"],
            (await clinician.post(f"{path}/transfer", {})).status_code,
            (await clinician.delete(path, 1)).status_code,
            (await clinician.delete(path)).status_code,
            (await clinician.delete(path)).status_code,
        ]
        shown = ok(await clinician.get(path))
        return [*answers, shown["version"], shown["flags"], shown["void_reason"]]

    assert await told(watched) == await told(plain)


async def test_time_alone_shows_her_nothing_of_it(world: World) -> None:
    plain, watched = await begun(world), await begun(world)
    await report_in_secret(world, watched)
    told = ("rule", "severity", "because", "status", "effective_at", "due_at")

    async def shown(case: dict[str, Any]) -> list[Any]:
        path = f"/v1/cases/{case['id']}"
        flags = await world.clinician.flag_list(case, live=False)
        happened = ok(await world.clinician.get(f"{path}/timeline", limit=100))["items"]
        return [
            ok(await world.clinician.get(path))["flags"],
            sorted([str(flag[name]) for name in told] for flag in flags),
            [(item["happening"], item["at"]) for item in happened],
        ]

    for days in (8, 15, 31, 92):
        world.clock.forward(days=days)
        assert await shown(watched) == await shown(plain), days


async def test_what_was_restricted_may_be_opened_to_her_again(world: World) -> None:
    case = await world.clinician.case()
    report = await world.supervisor.incident(case, "hurtful_words", repeated=True)
    path = f"/v1/incidents/{report['id']}"
    assert (await world.clinician.get(path)).status_code == 404
    assert await world.clinician.flags(case) == {}
    ok(await world.supervisor.patch(path, {"restricted": False}))
    assert ok(await world.clinician.get(path))["restricted"] is False
    assert await world.clinician.flags(case) == {"hurtful_words": "high"}
    ok(await world.supervisor.patch(path, {"restricted": True}))
    assert (await world.clinician.get(path)).status_code == 404
    assert await world.clinician.flags(case) == {}


async def test_it_stays_hidden_from_whoever_the_case_is_handed_to(world: World) -> None:
    case = await world.clinician.case()
    report = await world.supervisor.incident(case, "hurtful_words", repeated=True)
    transfer = {"clinician_id": str(world.colleague.id), "reason": "leave"}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", transfer))
    assert (await world.colleague.get(f"/v1/incidents/{report['id']}")).status_code == 404
    assert ok(await world.colleague.get("/v1/incidents"))["items"] == []
    assert await world.colleague.flags(case) == {}


async def test_a_consultation_settles_it_without_a_word(world: World) -> None:
    case = await world.clinician.case()
    report = await world.supervisor.incident(case, "competence_gap", reported_by="client")
    assert report["restricted"] is True
    asked = made(await world.clinician.post(f"/v1/cases/{case['id']}/consultations", ASKED))
    path = f"/v1/consultations/{asked['id']}"
    assert ok(await world.clinician.post(f"{path}/request"))["flags_raised"] == []
    for move in ("accept", "start"):
        ok(await world.supervisor.post(f"{path}/{move}"))
    assert await world.supervisor.flags(case) == {"competence_gap": "moderate"}
    advice = {"outcome": "mixed", "advice": "talk it over"}
    ok(await world.supervisor.post(f"{path}/complete", advice))
    assert await world.supervisor.flags(case) == {}
    declined = {"response": "not_followed", "reason": "it was declined"}
    answered = ok(await world.clinician.post(f"{path}/respond", declined))
    assert answered["flags_raised"] == []
    assert await world.supervisor.flags(case) == {"competence_gap": "moderate"}
    assert await world.clinician.flags(case) == {}


async def test_the_journal_does_not_tell_that_it_waits_in_a_queue(world: World) -> None:
    """Who reads a queue reads cases because of their flags."""
    cases = [await world.clinician.case() for _ in range(2)]
    for case in cases:
        await world.supervisor.incident(case, "hurtful_words")
    await world.clinician.incident(cases[1], "hurtful_words")
    (alone,) = [await world.colleague.case()]
    recorder = await software(world, "cases:write", "restricted:write")
    await recorder.incident(alone, "hurtful_words", restricted=True)
    assert len(await world.supervisor.queue()) == 2
    officer = world.here["privacy_officer"]
    assert len(ok(await officer.get("/v1/flagged-cases", unwatched="true"))["items"]) == 1

    async def read_of(case: dict[str, Any], person: Person) -> list[str]:
        entries = ok(await person.get("/v1/journal", case_id=case["id"], limit=100))["items"]
        others = [each for each in entries if each["actor_id"] != str(person.id)]
        return [each["happening"] for each in others if each["happening"].endswith(".read")]

    assert await read_of(cases[0], world.clinician) == []
    assert set(await read_of(cases[1], world.clinician)) == {"case.read", "flag.read"}
    assert await read_of(alone, world.colleague) == []
    for case in (*cases, alone):
        assert "case.read" in await read_of(case, officer) or case is alone
    mine = ok(await officer.get("/v1/journal", actor_id=str(officer.id), limit=100))["items"]
    read = [each["case_id"] for each in mine if each["happening"] == "case.read"]
    assert read == [alone["id"]]


async def test_a_privacy_officer_is_not_told_it_of_a_case_of_their_own(world: World) -> None:
    case = await world.clinician.case()
    await world.supervisor.incident(case, "hurtful_words")
    other = await world.colleague.case()
    await world.colleague.incident(other, "hurtful_words")
    people = (world.clinician, world.here["privacy_officer"])
    ok(await world.admin.patch(f"/v1/users/{world.clinician.id}", {"role": "privacy_officer"}))
    (link,) = ok(await world.supervisor.get("/v1/supervisions"))["items"]
    ok(await world.admin.patch(f"/v1/supervisions/{link['id']}", {"ends_on": world.day()}))
    seen = []
    for person in people:
        unwatched = ok(await person.get("/v1/flagged-cases", unwatched="true"))["items"]
        numbers = ok(await person.get("/v1/summary"))
        entries = ok(await person.get("/v1/journal", case_id=case["id"], limit=100))["items"]
        seen.append(
            (
                {item["id"] for item in unwatched},
                (numbers["flags"]["unresolved"], numbers["unwatched_cases"]),
                any(entry["restricted"] for entry in entries),
            )
        )
    assert seen == [
        ({other["id"]}, (1, 1), False),
        ({case["id"], other["id"]}, (2, 2), True),
    ]
