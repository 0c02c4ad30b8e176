"""Lists: paged to the end in a stable order, filtered, with a cursor that fits only its list."""

from typing import Any

import pytest

from tests.support.world import Person, World, made, ok

pytestmark = pytest.mark.both_databases

ASKED = {"kind": "ethics", "urgency": "routine", "question": "what do you see"}
NOTE = {"determination": "normal_process", "resolution_note": "looked at together"}


async def pages(person: Person, path: str, limit: int, **filters: Any) -> list[dict[str, Any]]:
    """Read a list page by page, to its end."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = ok(await person.get(path, limit=limit, **filters, **cursor))
        assert set(page) - {"moved"} == {"items", "next"}
        items += page["items"]
        if page["next"] is None:
            return items
        assert len(page["items"]) == limit
        cursor = {"cursor": page["next"]}


async def ids(person: Person, path: str, **filters: Any) -> list[str]:
    """Give the ids a filtered list shows."""
    return [item["id"] for item in await pages(person, path, 100, **filters)]


async def furnish(world: World, count: int) -> dict[str, list[str]]:
    """Make `count` of everything that is listed; path → ids, newest first."""
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}"
    listed: dict[str, list[str]] = {"/v1/cases": [case["id"]]}
    for number in range(count):
        world.clock.forward(minutes=1)
        other = await world.clinician.case()
        report = await world.clinician.incident(case, "consent", on=-number)
        pledge = await world.clinician.promise(case)
        asked = made(await world.clinician.post(f"{path}/consultations", ASKED))
        flag = made(
            await world.supervisor.post(
                f"{path}/flags", {"severity": "low", "title": "look", "because": "of this"}
            )
        )
        listed["/v1/cases"].insert(0, other["id"])
        for name, row in (
            ("incidents", report),
            ("promises", pledge),
            ("consultations", asked),
            ("flags", flag),
        ):
            for each in (f"/v1/{name}", f"{path}/{name}"):
                listed.setdefault(each, []).insert(0, row["id"])
    return listed


async def test_each_list_is_paged_to_its_end_newest_first(world: World) -> None:
    listed = await furnish(world, 4)
    for person in (world.clinician, world.supervisor):
        for path, expected in listed.items():
            for limit in (1, 3, len(expected), 100):
                assert [row["id"] for row in await pages(person, path, limit)] == expected, path
            assert await ids(person, path) == expected


async def test_people_and_links_are_paged_too(world: World) -> None:
    links = ok(await world.admin.get("/v1/supervisions"))["items"]
    body = {"clinician_id": str(world.colleague.id), "starts_on": world.day()}
    for supervisor in (world.supervisor, world.stranger):
        body["supervisor_id"] = str(supervisor.id)
        links.insert(0, made(await world.admin.post("/v1/supervisions", body)))
    assert await pages(world.admin, "/v1/supervisions", 1) == links
    users = await pages(world.admin, "/v1/users", 2)
    assert [user["id"] for user in users] == [str(p.id) for p in reversed(world.here.values())]
    assert await pages(world.admin, "/v1/users", 1) == users


async def test_what_comes_while_one_reads_moves_nothing(world: World) -> None:
    listed = await furnish(world, 3)
    before = {path: ok(await world.clinician.get(path, limit=2)) for path in listed}
    case_id = listed["/v1/cases"][-1]
    case = {"id": case_id}
    new = await world.clinician.incident(case, "consent")
    await world.clinician.promise(case)
    await world.clinician.case()
    made(await world.clinician.post(f"/v1/cases/{case_id}/consultations", ASKED))
    gone = listed["/v1/incidents"][1]  # the cursor's own row
    assert (await world.clinician.delete(f"/v1/incidents/{gone}")).status_code == 204
    for path, page in before.items():
        rest = ok(await world.clinician.get(path, limit=100, cursor=page["next"]))
        assert [row["id"] for row in rest["items"]] == listed[path][2:], path
        assert rest["next"] is None
    assert (await ids(world.clinician, "/v1/incidents"))[0] == new["id"]


async def test_a_cursor_fits_only_its_own_list_and_filters(world: World) -> None:
    listed = await furnish(world, 3)
    cursors = {path: ok(await world.clinician.get(path, limit=1))["next"] for path in listed}
    for path in listed:
        for other, cursor in cursors.items():
            answer = await world.clinician.get(path, cursor=cursor)
            assert answer.status_code == (200 if path == other else 422), (path, other)
        for wrong in ("", "x", "%", "é", cursors[path][:-2], f"{cursors[path]}AA"):
            assert (await world.clinician.get(path, cursor=wrong)).status_code == 422, wrong
    since = "2026-03-02T12:00:00Z"
    for path, cursor in cursors.items():
        answer = await world.clinician.get(path, cursor=cursor, updated_since=since)
        assert answer.status_code == 422, path
        page = ok(await world.clinician.get(path, limit=1, updated_since=since))
        options = {"cursor": page["next"], "updated_since": since}
        ok(await world.clinician.get(path, limit=2, **options))
        assert (await world.clinician.get(path, cursor=page["next"])).status_code == 422


async def test_a_list_refuses_what_it_does_not_know(world: World) -> None:
    listed = await furnish(world, 1)
    paths = [*listed, f"/v1/cases/{listed['/v1/cases'][-1]}/timeline"]
    everyones = [(world.clinician, path) for path in paths]
    everyones += [(world.supervisor, "/v1/flagged-cases"), (world.admin, "/v1/users")]
    everyones += [(world.admin, "/v1/supervisions")]
    for person, path in everyones:
        for wrong in (
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=x",
            "limit=1.5",
            "limit=",
            "surprise=1",
            "Limit=1",
            "limit=1&limit=2",
            "offset=1",
        ):
            answer = await person.send("GET", f"{path}?{wrong}")
            assert answer.status_code == 422, (path, wrong)
        ok(await person.get(path, limit=1))
        ok(await person.get(path, limit=100))


async def test_fifty_are_shown_unless_asked_otherwise(world: World) -> None:
    case = await world.clinician.case()
    for _ in range(51):
        made(await world.clinician.post(f"/v1/cases/{case['id']}/consultations", ASKED))
    page = ok(await world.clinician.get("/v1/consultations"))
    assert len(page["items"]) == 50
    rest = ok(await world.clinician.get("/v1/consultations", cursor=page["next"]))
    assert (len(rest["items"]), rest["next"]) == (1, None)


async def test_cases_are_filtered(world: World) -> None:
    me, path = world.clinician, "/v1/cases"
    early = await me.case(started_on="2025-01-01", status="paused")
    late = await me.case(started_on="2026-01-01", status="ended")
    world.clock.forward(hours=1)
    unknown = await me.case()
    own = await world.supervisor.case(started_on="2025-06-01")
    assert await ids(me, path, status="paused") == [early["id"]]
    assert await ids(me, path, status="active") == [unknown["id"]]
    assert await ids(me, path, **{"from": "2025-01-02"}) == [late["id"]]
    assert await ids(me, path, **{"from": "2025-01-01"}) == [late["id"], early["id"]]
    assert await ids(me, path, to="2026-01-01") == [late["id"], early["id"]]
    assert await ids(me, path, to="2025-12-31") == [early["id"]]
    both = {"from": "2025-01-01", "to": "2025-12-31"}
    assert await ids(world.supervisor, path, **both) == [own["id"], early["id"]]
    hers = str(world.supervisor.id)
    assert await ids(world.supervisor, path, clinician_id=hers) == [own["id"]]
    assert await ids(me, path, clinician_id=hers) == []
    since = "2026-03-02T13:00:00Z"
    assert await ids(me, path, updated_since=since) == [unknown["id"]]
    ok(await me.patch(f"/v1/cases/{early['id']}", {"phase": "acceptance"}))
    assert await ids(me, path, updated_since=since) == [unknown["id"], early["id"]]
    assert await ids(me, path, updated_since="2026-03-02T15:00:00+02:00") != []
    assert await ids(me, path, updated_since="2026-03-02T13:00:01Z") == []
    for wrong in ({"status": "voided"}, {"from": "x"}, {"updated_since": "2026-03-02T13:00:00"}):
        assert (await me.get(path, **wrong)).status_code == 422, wrong


async def test_incidents_are_filtered(world: World) -> None:
    me, supervisor = world.clinician, world.supervisor
    case = await me.case()
    old = await me.incident(case, "consent", on=-10)
    middle = await me.incident(case, "expression", on=-5, by="client")
    world.clock.forward(hours=1)
    new = await me.incident(case, "consent", on=-1)
    own = await supervisor.case()
    other = await supervisor.incident(own, "consent", on=-3)
    review = {"determination": "normal_process", "review_note": "seen"}
    for path in ("/v1/incidents", f"/v1/cases/{case['id']}/incidents"):
        assert await ids(me, path, kind="consent") == [new["id"], old["id"]]
        assert await ids(me, path, **{"from": world.day(-5)}) == [new["id"], middle["id"]]
        assert await ids(me, path, to=world.day(-5)) == [middle["id"], old["id"]]
        both = {"from": world.day(-10), "to": world.day(-2), "kind": "consent"}
        assert await ids(me, path, **both) == [old["id"]]
        assert await ids(me, path, updated_since="2026-03-02T13:00:00Z") == [new["id"]]
        assert await ids(me, path, status="reviewed") == []
    ok(await supervisor.post(f"/v1/incidents/{old['id']}/review", review))
    for path in ("/v1/incidents", f"/v1/cases/{case['id']}/incidents"):
        assert await ids(me, path, status="reviewed") == [old["id"]]
        assert await ids(me, path, status="reported") == [new["id"], middle["id"]]
        assert await ids(me, path, updated_since="2026-03-02T13:00:00Z") == [new["id"], old["id"]]
        assert (await me.get(path, kind="love")).status_code == 422
    hers = str(world.clinician.id)
    path = "/v1/incidents"
    assert await ids(supervisor, path, kind="consent") == [other["id"], new["id"], old["id"]]
    assert await ids(supervisor, path, kind="consent", clinician_id=hers) == [new["id"], old["id"]]


async def test_promises_are_filtered(world: World) -> None:
    me, supervisor = world.clinician, world.supervisor
    case, own = await me.case(), await supervisor.case()
    kept = await me.promise(case, state="kept", kind="special_status", made_on="2026-01-01")
    world.clock.forward(hours=1)
    made_later = await me.promise(case, made_on="2026-02-01")
    other = await supervisor.promise(own)
    for path in ("/v1/promises", f"/v1/cases/{case['id']}/promises"):
        assert await ids(me, path, state="kept") == [kept["id"]]
        assert await ids(me, path, state="open") == [made_later["id"]]
        assert await ids(me, path, kind="special_status") == [kept["id"]]
        assert await ids(me, path, **{"from": "2026-01-02"}) == [made_later["id"]]
        assert await ids(me, path, to="2026-01-01") == [kept["id"]]
        assert await ids(me, path, updated_since="2026-03-02T13:00:00Z") == [made_later["id"]]
    hers = str(supervisor.id)
    assert await ids(supervisor, "/v1/promises", clinician_id=hers) == [other["id"]]


async def test_consultations_are_filtered(world: World) -> None:
    me, supervisor = world.clinician, world.supervisor
    case, own = await me.case(), await supervisor.case()
    consultant = str(world.here["consultant"].id)
    path = f"/v1/cases/{case['id']}/consultations"
    draft = made(await me.post(path, {**ASKED, "consultant_id": consultant}))
    world.clock.forward(days=1)
    asked = made(await me.post(path, {**ASKED, "kind": "specialist"}))
    ok(await me.post(f"/v1/consultations/{asked['id']}/request"))
    other = made(await supervisor.post(f"/v1/cases/{own['id']}/consultations", ASKED))
    at, day = "2026-03-03T12:00:00Z", "2026-03-03"
    for each in ("/v1/consultations", path):
        assert await ids(me, each, status="draft") == [draft["id"]]
        assert await ids(me, each, status="requested") == [asked["id"]]
        assert await ids(me, each, kind="specialist") == [asked["id"]]
        assert await ids(me, each, updated_since=at) == [asked["id"]]
        assert await ids(me, each, **{"from": day}) == [asked["id"]]
        assert await ids(me, each, **{"from": day, "to": day}) == [asked["id"]]
        assert await ids(me, each, **{"from": "2026-03-04"}) == []
        assert await ids(me, each, to="2026-03-02") == []
    assert await ids(me, "/v1/consultations", consultant_id=consultant) == [draft["id"]]
    hers = str(supervisor.id)
    assert await ids(supervisor, "/v1/consultations", clinician_id=hers) == [other["id"]]


async def test_flags_are_filtered(world: World) -> None:
    me, supervisor = world.clinician, world.supervisor
    case, own = await me.case(), await supervisor.case()
    await me.incident(case, "hurtful_words", repeated=True)
    await me.incident(case, "cotreatment", coordinated=False)
    world.clock.forward(days=1)
    await me.incident(case, "competence_gap", reported_by="therapist")
    await supervisor.incident(own, "hurtful_words")
    flag = {each["rule"]: each["id"] for each in await me.flag_list(case)}
    words, gap, roles = flag["hurtful_words"], flag["competence_gap"], flag["clarify_roles"]
    at, day = "2026-03-03T12:00:00Z", "2026-03-03"
    for path in ("/v1/flags", f"/v1/cases/{case['id']}/flags"):
        assert await ids(me, path) == [gap, roles, words]
        assert await ids(me, path, rule="clarify_roles") == [roles]
        assert await ids(me, path, min_severity="info") == [gap, roles, words]
        assert await ids(me, path, min_severity="low") == [gap, words]
        assert await ids(me, path, min_severity="high") == [words]
        assert await ids(me, path, min_severity="critical") == []
        assert await ids(me, path, audience="clinician") == [roles]
        assert await ids(me, path, audience="supervisor") == [gap, words]
        assert await ids(me, path, **{"from": day}) == [gap]
        assert await ids(me, path, to="2026-03-02") == [roles, words]
        assert await ids(me, path, updated_since=at) == [gap]
        assert await ids(me, path, status="acknowledged") == []
        assert await ids(me, path, overdue="true") == []
        assert (await me.get(path, rule="gossip")).status_code == 422
    ok(await supervisor.post(f"/v1/flags/{words}/acknowledge"))
    ok(await supervisor.post(f"/v1/flags/{gap}/resolve", NOTE))
    world.clock.forward(hours=48)
    hers = str(supervisor.id)
    for path in ("/v1/flags", f"/v1/cases/{case['id']}/flags"):
        assert await ids(me, path, status="acknowledged") == [words]
        assert await ids(me, path, status="resolved") == [gap]
        assert await ids(me, path, assigned_to_id=hers) == [words]
        assert await ids(me, path, overdue="true") == [words]
        assert await ids(me, path, overdue="false") == [gap, roles]
        assert await ids(me, path, condition_holds="false") == []
    assert len(await ids(supervisor, "/v1/flags", clinician_id=hers)) == 1
    assert len(await ids(supervisor, "/v1/flags", rule="hurtful_words")) == 2


async def test_users_and_links_are_filtered(world: World) -> None:
    admin = world.admin
    colleague, stranger = str(world.colleague.id), str(world.stranger.id)
    assert await ids(admin, "/v1/users", role="consultant") == [str(world.here["consultant"].id)]
    assert await ids(admin, "/v1/users", is_active="false") == []
    world.clock.forward(hours=1)
    ok(await admin.patch(f"/v1/users/{colleague}", {"is_active": False}))
    assert await ids(admin, "/v1/users", is_active="false") == [colleague]
    assert await ids(admin, "/v1/users", updated_since="2026-03-02T13:00:00Z") == [colleague]
    body = {"supervisor_id": stranger, "starts_on": world.day()}
    row = made(
        await admin.post("/v1/supervisions", {**body, "clinician_id": str(world.clinician.id)})
    )
    path = "/v1/supervisions"
    assert await ids(admin, path, supervisor_id=stranger) == [row["id"]]
    assert len(await ids(admin, path, clinician_id=str(world.clinician.id))) == 2
    assert await ids(admin, path, clinician_id=colleague) == []
    assert await ids(admin, path, updated_since="2026-03-02T13:00:00Z") == [row["id"]]


async def lined_up(world: World) -> list[str]:
    """Make cases of every severity; their ids, as the queue should give them."""
    told: list[tuple[str, dict[str, Any]]] = [
        ("crossing", {"area": "time"}),  # low
        ("hurtful_words", {}),  # moderate
        ("hurtful_words", {"repeated": True}),  # high
        ("hurtful_words", {"repeated": True}),  # high, an hour later
        ("sexual_conduct", {"conduct": "contact"}),  # critical
        ("cotreatment", {"coordinated": False}),  # a prompt only
        ("consent", {}),  # nothing
    ]
    cases = []
    for kind, details in told:
        case = await world.clinician.case()
        await world.clinician.incident(case, kind, **details)
        cases.append(case["id"])
        world.clock.forward(hours=1)
    low, moderate, high, higher_later, critical, *_ = cases
    return [critical, high, higher_later, moderate, low]


async def test_the_queue_gives_the_gravest_first_then_the_soonest_due(world: World) -> None:
    expected = await lined_up(world)
    queue = await world.supervisor.queue()
    assert [item["case"]["id"] for item in queue] == expected
    tops = ["critical", "high", "high", "moderate", "low"]
    assert [item["top_severity"] for item in queue] == tops
    for item in queue:
        (flag,) = item["flags"]
        assert flag == ok(await world.supervisor.get(f"/v1/flags/{flag['id']}"))
        assert item["next_due_at"] == flag["due_at"]
        assert item["case"] == ok(await world.supervisor.get(f"/v1/cases/{item['case']['id']}"))
    for limit in (1, 2, 4, 5):
        paged = await pages(world.supervisor, "/v1/flagged-cases", limit)
        assert paged == queue
    assert await world.stranger.queue() == []
    assert await world.there["supervisor"].queue() == []


async def test_one_item_a_case_holds_all_its_flags(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "crossing", area="time")
    world.clock.forward(hours=1)
    await world.clinician.incident(case, "hurtful_words", repeated=True)
    await world.clinician.incident(case, "cotreatment", coordinated=False)
    (item,) = await world.supervisor.queue()
    assert [flag["rule"] for flag in item["flags"]] == ["hurtful_words", "crossing_undocumented"]
    assert item["next_due_at"] == "2026-03-04T13:00:00Z"
    # a filter chooses cases; a chosen case shows all that is unresolved
    (chosen,) = await world.supervisor.queue(rule="crossing_undocumented")
    assert chosen == item
    ok(await world.supervisor.post(f"/v1/flags/{item['flags'][0]['id']}/resolve", NOTE))
    (left,) = await world.supervisor.queue()
    assert [flag["rule"] for flag in left["flags"]] == ["crossing_undocumented"]
    assert (left["top_severity"], left["next_due_at"]) == ("low", "2026-04-01T12:00:00Z")


async def test_the_queue_is_filtered(world: World) -> None:
    critical, high, later, moderate, low = await lined_up(world)
    supervisor = world.supervisor

    async def chosen(**filters: Any) -> list[str]:
        paged = await pages(supervisor, "/v1/flagged-cases", 1, **filters)
        assert paged == await supervisor.queue(**filters)
        return [item["case"]["id"] for item in paged]

    everything = [critical, high, later, moderate, low]
    for count, severity in enumerate(("critical", "high", "moderate", "low", "info")):
        wanted = everything[: (1, 3, 4, 5, 5)[count]]
        assert await chosen(min_severity=severity) == wanted, severity
    assert await chosen(rule="hurtful_words") == [high, later, moderate]
    assert await chosen(rule="hurtful_words", min_severity="high") == [high, later]
    assert await chosen(rule="manual") == []
    assert await chosen(clinician_id=str(world.clinician.id)) == everything
    assert await chosen(clinician_id=str(world.colleague.id)) == []
    assert await chosen(acknowledged="false") == everything
    assert await chosen(acknowledged="true") == []
    assert await chosen(overdue="true") == []
    (flag,) = (await supervisor.queue(rule="sexual_conduct"))[0]["flags"]
    ok(await supervisor.post(f"/v1/flags/{flag['id']}/acknowledge"))
    assert await chosen(acknowledged="true") == [critical]
    assert await chosen(acknowledged="false") == everything[1:]
    assert await chosen(assigned_to_id=str(supervisor.id)) == [critical]
    assert await chosen(assigned_to_id=str(world.stranger.id)) == []
    # told at 16:00, due a day later; that very instant is not yet too late
    world.clock.now = world.clock.now.replace(day=3, hour=16)
    assert await chosen(overdue="true") == []
    world.clock.forward(seconds=1)
    assert await chosen(overdue="true") == [critical]
    assert await chosen(overdue="false") == everything[1:]
    for wrong in (
        {"min_severity": "grave"},
        {"rule": "x"},
        {"overdue": "soon"},
        {"status": "open"},
    ):
        answer = await supervisor.get("/v1/flagged-cases", **wrong)
        assert answer.status_code == 422, wrong


async def test_the_queues_cursor_fits_only_its_filters(world: World) -> None:
    await lined_up(world)
    cursor = ok(await world.supervisor.get("/v1/flagged-cases", limit=1))["next"]
    ok(await world.supervisor.get("/v1/flagged-cases", cursor=cursor, limit=3))
    for filters in ({"min_severity": "low"}, {"overdue": "false"}, {"rule": "hurtful_words"}):
        answer = await world.supervisor.get("/v1/flagged-cases", cursor=cursor, **filters)
        assert answer.status_code == 422, filters
    assert (await world.supervisor.get("/v1/cases", cursor=cursor)).status_code == 422
    other = ok(await world.supervisor.get("/v1/cases", limit=1))["next"]
    assert (await world.supervisor.get("/v1/flagged-cases", cursor=other)).status_code == 422
