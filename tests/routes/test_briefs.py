"""Briefs: what a consultant outside the case reads, which is a list of fields and nothing else."""

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from api.records.deidentified_brief import whole_months
from tests.support.world import Person, World, incident, made, ok, software

FIELDS = {
    "id",
    "version",
    "kind",
    "urgency",
    "status",
    "due_at",
    "question",
    "summary",
    "phase",
    "setting",
    "therapy_months",
    "records",
    "outcome",
    "advice",
}
QUESTION = {
    "kind": "ethics",
    "urgency": "routine",
    "question": "what do you see",
    "summary": "a wish to be seen outside the hour",
    "released": True,
}
ADVICE = {"outcome": "frame_plan_agreed", "advice": "agree limits together"}
NO = {"reason": "not now"}


async def hired(world: World, **clinic: Any) -> Person:
    """Hire a further consultant."""
    email = f"further-{uuid4().hex}@clinic.example"
    body = {"name": "Further", "email": email, "role": "consultant", "password": "a" * 20}
    user = made(await world.admin.post("/v1/users", body))
    kind = world.here["consultant"]
    return Person(world, kind.clinic_id, type(kind.id)(user["id"]), kind.role, email)


async def draft(world: World, case: dict[str, Any] | None = None, **fields: Any) -> str:
    """Draft a released request on a new case, changed by `fields`; give its path."""
    case = case or await world.clinician.case()
    path = f"/v1/cases/{case['id']}/consultations"
    asked = made(await world.clinician.post(path, {**QUESTION, **fields}))
    return f"/v1/consultations/{asked['id']}"


async def request(world: World, case: dict[str, Any] | None = None, **fields: Any) -> str:
    """Draft and send a released request; give its path."""
    path = await draft(world, case, **fields)
    ok(await world.clinician.post(f"{path}/request"))
    return path


async def reached(person: Person, path: str) -> bool:
    """Tell whether a request reaches a consultant: by its id and in the list, or not at all."""
    answer = await person.get(path)
    listed = path.rpartition("/")[2] in (await person.get("/v1/consultations", limit=100)).text
    assert answer.status_code == (200 if listed else 404), (answer.status_code, listed)
    return listed


async def moves(person: Person, path: str) -> set[int]:
    """Try every move of who is asked; the statuses."""
    bodies: dict[str, Any] = {"accept": {}, "decline": NO, "start": {}, "complete": ADVICE}
    return {
        (await person.post(f"{path}/{move}", body)).status_code for move, body in bodies.items()
    }


@pytest.fixture
def consultant(world: World) -> Person:
    """The consultant here."""
    return world.here["consultant"]


def record(type_: str, kind: str, months: int) -> dict[str, Any]:
    """Write a record as a brief shows it whose day is known."""
    return {"type": type_, "kind": kind, "months_before": months, "date_precision": "day"}


# ------------------------------------------------------------------------------- what it says


async def test_it_has_the_allowed_fields_and_no_other(world: World, consultant: Person) -> None:
    case = await world.clinician.case(started_on="2024-01-15", phase="acceptance", setting="clinic")
    gift = await world.clinician.incident(
        case, "gift", on=-40, direction="from_client", item="gift"
    )
    words = await world.clinician.incident(case, "hurtful_words", on=-1)
    pledge = await world.clinician.promise(case, made_on="2025-06-02")
    linked = {"incident_ids": [gift["id"], words["id"]], "promise_ids": [pledge["id"]]}
    path = await request(world, case, **linked)
    answer = await consultant.get(path)
    shown = ok(answer)
    assert answer.headers["etag"] == '"2"'
    assert shown == {
        "id": path.rpartition("/")[2],
        "version": 2,
        "kind": "ethics",
        "urgency": "routine",
        "status": "requested",
        "due_at": "2026-04-01T12:00:00Z",
        "question": QUESTION["question"],
        "summary": QUESTION["summary"],
        "phase": "acceptance",
        "setting": "clinic",
        "therapy_months": 25,
        "records": [
            {
                "type": "incident",
                "kind": "hurtful_words",
                "months_before": 0,
                "date_precision": "day",
            },
            {"type": "incident", "kind": "gift", "months_before": 1, "date_precision": "day"},
            {"type": "promise", "kind": "other", "months_before": 9, "date_precision": "day"},
        ],
        "outcome": None,
        "advice": None,
    }
    assert set(shown) == FIELDS
    assert ok(await consultant.get("/v1/consultations"))["items"] == [shown]


async def test_no_other_word_of_the_case_is_in_any_answer(world: World, consultant: Person) -> None:
    """A canary in each text, and each id, day and name beside them."""
    canaries = {
        name: f"canary-{name}-{uuid4().hex}" for name in ("ref", "why", "what", "words", "plan")
    }
    ok(await world.admin.patch(f"/v1/users/{world.clinician.id}", {"name": "Canary Clinician"}))
    case = await world.clinician.case(
        client_ref=canaries["ref"],
        started_on="2023-07-07",
        attachment_roles=["mother"],
        sessions_per_week=3.25,
        agreed_sessions=4711,
        is_minor=False,
    )
    incident = await world.clinician.incident(
        case,
        "ending",
        on=-77,
        stage="raised",
        rationale=canaries["why"],
        narrative=canaries["what"],
        plan=canaries["plan"],
    )
    pledge = await world.clinician.promise(case, wording=canaries["words"], made_on="2024-08-08")
    linked = {"incident_ids": [incident["id"]], "promise_ids": [pledge["id"]]}
    ok(
        await world.supervisor.post(
            f"/v1/incidents/{incident['id']}/review",
            {"determination": "normal_process", "review_note": "canary-review"},
        )
    )
    path = await request(world, case, **linked)
    answers = [await consultant.get(path), await consultant.get("/v1/consultations")]
    answers += [await consultant.get(path, client_ref=canaries["ref"])]
    for move, body in (("accept", {}), ("start", {}), ("complete", ADVICE)):
        answers.append(await consultant.post(f"{path}/{move}", body))
        answers.append(await consultant.get("/v1/consultations"))
    declined = await request(world, case, consultant_id=str(consultant.id), **linked)
    answers.append(await consultant.post(f"{declined}/decline", NO))
    pooled = await request(world, case, **linked)
    answers.append(await consultant.post(f"{pooled}/decline", NO))
    answers += [
        await consultant.get(each)
        for each in (
            f"/v1/cases/{case['id']}",
            f"/v1/cases/{case['id']}/timeline",
            f"/v1/incidents/{incident['id']}",
            f"/v1/promises/{pledge['id']}",
            f"/v1/cases/{case['id']}/consultations",
            "/v1/incidents",
            "/v1/flags",
        )
    ]
    assert [answer.status_code for answer in answers if answer.is_success] == [200] * 10
    hidden = [*canaries.values(), "canary", "Canary", "mother", "4711", "3.25"]
    hidden += ["2023-07-07", "2024-08-08", world.day(-77), "canary-review", "normal_process"]
    hidden += [case["id"], incident["id"], pledge["id"], str(world.clinician.id)]
    hidden += [str(world.supervisor.id), world.clinician.email, "flags_raised", "case_id"]
    for answer in answers:
        told = answer.text + str(dict(answer.headers))
        assert not [word for word in hidden if word in told], answer.request.url
    for answer in answers:
        if answer.is_success and "items" not in answer.json():
            assert set(answer.json()) == FIELDS
        for item in answer.json().get("items", ()):
            assert set(item) == FIELDS


async def test_voided_and_undated_things_are_left_out(world: World, consultant: Person) -> None:
    case = await world.clinician.case()
    kept = await world.clinician.incident(case, "consent")
    gone = await world.clinician.incident(case, "hurtful_words")
    pledge = await world.clinician.promise(case)
    linked = {"incident_ids": [kept["id"], gone["id"]], "promise_ids": [pledge["id"]]}
    path = await request(world, case, **linked)
    assert (await world.clinician.delete(f"/v1/incidents/{gone['id']}")).status_code == 204
    assert (await world.clinician.delete(f"/v1/promises/{pledge['id']}")).status_code == 204
    shown = ok(await consultant.get(path))
    assert shown["records"] == [
        {"type": "incident", "kind": "consent", "months_before": 0, "date_precision": "day"}
    ]
    assert shown["therapy_months"] is None


@pytest.mark.parametrize(
    ("precision", "day", "months"),
    [
        ("year", "2024-01-01", 14),
        ("year", "2024-12-31", 14),
        ("month", "2025-11-01", 3),
        ("month", "2025-11-30", 3),
        ("month", "2026-01-05", 1),
        # it may have been yesterday
        ("year", "2026-01-01", 0),
        ("month", "2026-03-01", 0),
        ("day", "2024-01-01", 26),
    ],
)
async def test_where_only_the_month_or_year_is_known_it_is_counted_from_its_end(
    world: World, consultant: Person, precision: str, day: str, months: int
) -> None:
    case = await world.clinician.case()
    told = incident("consent", world, date_precision=precision)
    told["occurred_on"] = day
    seen = made(await world.clinician.post(f"/v1/cases/{case['id']}/incidents", told))
    path = await request(world, case, incident_ids=[seen["id"]])
    (shown,) = ok(await consultant.get(path))["records"]
    assert (shown["months_before"], shown["date_precision"]) == (months, precision)


async def test_months_are_counted_to_the_request_and_to_the_end(
    world: World, consultant: Person
) -> None:
    """The therapy's length is up to its end; records are before the day of asking."""
    case = await world.clinician.case(started_on="2025-01-31", ended_on="2025-12-30")
    report = await world.clinician.incident(case, "consent", on=0)
    ahead = await world.clinician.incident(case, "absence", on=20, absence="vacation", days=2)
    path = await request(world, case, incident_ids=[report["id"], ahead["id"]])
    shown = ok(await consultant.get(path))
    assert shown["therapy_months"] == 10
    assert {each["months_before"] for each in shown["records"]} == {0}
    # the offset does not grow while somebody thinks about it
    ok(await consultant.post(f"{path}/accept"))
    world.clock.forward(days=29)
    shown = ok(await consultant.get(path))
    assert {each["months_before"] for each in shown["records"]} == {0}


@pytest.mark.parametrize(
    ("since", "until", "months"),
    [
        ("2026-03-02", "2026-03-02", 0),
        ("2026-02-03", "2026-03-02", 0),
        ("2026-02-02", "2026-03-02", 1),
        ("2025-03-03", "2026-03-02", 11),
        ("2025-03-02", "2026-03-02", 12),
        ("2024-02-29", "2025-02-28", 11),
        ("2024-02-29", "2025-03-01", 12),
        ("2026-01-31", "2026-02-28", 0),
        ("2026-01-31", "2026-03-31", 2),
        ("1990-01-01", "2026-01-01", 432),
        ("2026-03-03", "2026-03-02", -1),
    ],
)
def test_only_whole_months_count(since: str, until: str, months: int) -> None:
    assert whole_months(date.fromisoformat(since), date.fromisoformat(until)) == months


def test_months_never_shrink_as_days_pass() -> None:
    since = date(2023, 10, 31)
    counted = [whole_months(since, since + timedelta(days=day)) for day in range(1500)]
    assert counted == sorted(counted)
    assert (counted[0], counted[-1]) == (0, 49)


# ------------------------------------------------------------------------------ when it is there


async def test_only_what_was_requested_and_released_reaches_them(
    world: World, consultant: Person
) -> None:
    path = await draft(world)
    assert not await reached(consultant, path)
    ok(await world.clinician.post(f"{path}/request"))
    assert await reached(consultant, path)
    ok(await world.clinician.patch(path, {"released": False}))
    assert not await reached(consultant, path)
    assert await moves(consultant, path) == {404}
    ok(await world.clinician.patch(path, {"released": True}))
    assert await reached(consultant, path)
    assert not await reached(consultant, await request(world, released=False))
    # others who have no part in it
    for part in ("consultant", "supervisor", "clinician"):
        assert not await reached(world.there[part], path), part
    assert not await reached(world.stranger, path)
    assert not await reached(world.colleague, path)


async def test_what_is_for_another_does_not_reach_them(world: World, consultant: Person) -> None:
    other = await hired(world)
    path = await request(world, consultant_id=str(other.id))
    assert await reached(other, path)
    assert not await reached(consultant, path)
    assert await moves(consultant, path) == {404}
    ok(await world.clinician.patch(path, {"consultant_id": None}))
    assert await reached(consultant, path)
    ok(await world.clinician.patch(path, {"consultant_id": str(world.supervisor.id)}))
    assert not await reached(consultant, path)
    assert not await reached(other, path)


async def test_what_is_over_does_not_reach_them(world: World, consultant: Person) -> None:
    cancelled = await request(world)
    ok(await world.clinician.post(f"{cancelled}/cancel", NO))
    by_supervisor = await request(world)
    ok(await world.supervisor.post(f"{by_supervisor}/decline", NO))
    taken = await request(world)
    ok(await world.supervisor.post(f"{taken}/accept"))
    case = await world.clinician.case()
    voided = await request(world, case)
    held = await request(world, case)
    ok(await consultant.post(f"{held}/accept"))
    assert await reached(consultant, held)
    assert (await world.clinician.delete(f"/v1/cases/{case['id']}")).status_code == 204
    for path in (cancelled, by_supervisor, taken, voided, held):
        assert not await reached(consultant, path)
        assert await moves(consultant, path) == {404}


async def test_an_offer_expires_after_thirty_days(world: World, consultant: Person) -> None:
    path = await request(world)
    world.clock.forward(days=30, microseconds=-1)
    assert await reached(consultant, path)
    world.clock.forward(microseconds=1)
    assert not await reached(consultant, path)
    assert await moves(consultant, path) == {404}
    # it still is the requester's, who may ask anew
    assert ok(await world.clinician.get(path))["status"] == "requested"
    ok(await world.clinician.post(f"{path}/cancel", NO))


async def test_what_was_accepted_is_open_for_thirty_days_more(
    world: World, consultant: Person
) -> None:
    path = await request(world)
    world.clock.forward(days=29)
    ok(await consultant.post(f"{path}/accept"))
    world.clock.forward(days=20)
    ok(await consultant.post(f"{path}/start"))
    world.clock.forward(days=10, microseconds=-1)
    assert await reached(consultant, path)
    world.clock.forward(microseconds=1)
    assert not await reached(consultant, path)
    assert (await consultant.post(f"{path}/complete", ADVICE)).status_code == 404
    assert ok(await world.clinician.get(path))["status"] == "in_progress"


async def test_a_hidden_request_is_as_one_that_does_not_exist(
    world: World, consultant: Person
) -> None:
    nowhere = f"/v1/consultations/{uuid4()}"
    for path in (await draft(world), await request(world, released=False)):
        one, other = await consultant.get(path), await consultant.get(nowhere)
        assert {**one.json(), "request_id": 0} == {**other.json(), "request_id": 0}
        one = await consultant.post(f"{path}/accept")
        other = await consultant.post(f"{nowhere}/accept")
        assert {**one.json(), "request_id": 0} == {**other.json(), "request_id": 0}


# ------------------------------------------------------------------------------- what they may do


async def test_a_consultant_answers_to_the_end(world: World, consultant: Person) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "competence_gap")
    path = await request(world, case, incident_ids=[report["id"]])
    assert (await consultant.post(f"{path}/start")).status_code == 409
    accepted = await consultant.post(f"{path}/accept")
    assert (ok(accepted)["status"], accepted.headers["etag"]) == ("accepted", '"3"')
    assert ok(await world.clinician.get(path))["consultant_id"] == str(consultant.id)
    assert (await consultant.post(f"{path}/complete", ADVICE)).status_code == 409
    assert ok(await consultant.post(f"{path}/start"))["status"] == "in_progress"
    assert "competence_gap" in await world.supervisor.flags(case)
    completed = ok(await consultant.post(f"{path}/complete", ADVICE))
    assert {name: completed[name] for name in ADVICE} == ADVICE
    assert completed["status"] == "completed"
    # it clears what it is meant to clear
    assert "competence_gap" not in await world.supervisor.flags(case)
    # from then on it is read by those of the case alone
    assert not await reached(consultant, path)
    assert await moves(consultant, path) == {404}
    for person in (world.clinician, world.supervisor):
        read = ok(await person.get(path))
        assert {name: read[name] for name in ADVICE} == ADVICE
    answer = {"response": "accepted"}
    assert ok(await world.clinician.post(f"{path}/respond", answer))["response"] == "accepted"


async def test_what_is_the_requesters_stays_the_requesters(
    world: World, consultant: Person
) -> None:
    path = await request(world)
    ok(await consultant.post(f"{path}/accept"))
    for answer in (
        await consultant.patch(path, {"question": "another"}),
        await consultant.post(f"{path}/cancel", NO),
        await consultant.post(f"{path}/request"),
        await consultant.post(f"{path}/respond", {"response": "accepted"}),
    ):
        assert answer.status_code == 403
    assert ok(await world.clinician.get(path))["question"] == QUESTION["question"]


async def test_of_two_who_accept_at_once_one_has_it(world: World, consultant: Person) -> None:
    other = await hired(world)
    for _ in range(3):
        path = await request(world)
        both = (consultant, other)
        answers = await asyncio.gather(*(person.post(f"{path}/accept") for person in both))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses[0] == 200
        assert statuses[1] in {404, 409}
        winner = both[[answer.status_code for answer in answers].index(200)]
        loser = both[winner is consultant]
        assert ok(await world.clinician.get(path))["consultant_id"] == str(winner.id)
        assert await reached(winner, path)
        assert not await reached(loser, path)
        assert await moves(loser, path) == {404}


async def test_a_member_of_the_pool_declines_for_themselves(
    world: World, consultant: Person
) -> None:
    other = await hired(world)
    path = await request(world)
    answer = ok(await consultant.post(f"{path}/decline", {"reason": "I know them both"}))
    assert (set(answer), answer["status"]) == (FIELDS, "requested")
    assert not await reached(consultant, path)
    assert await moves(consultant, path) == {404}
    # for the others nothing changed, and nobody is told why
    assert await reached(other, path)
    for person in (world.clinician, world.supervisor, other):
        read = await person.get(path)
        assert ok(read)["status"] == "requested"
        assert "I know them both" not in read.text
    ok(await other.post(f"{path}/accept"))
    assert not await reached(consultant, path)


async def test_two_members_may_decline_at_once(world: World, consultant: Person) -> None:
    other = await hired(world)
    path = await request(world)
    pair = (consultant, other, consultant)
    answers = await asyncio.gather(*(person.post(f"{path}/decline", NO) for person in pair))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 404]
    assert ok(await world.clinician.get(path))["status"] == "requested"
    ok(await world.supervisor.post(f"{path}/accept"))


async def test_who_was_asked_alone_declines_for_all(world: World, consultant: Person) -> None:
    other = await hired(world)
    path = await request(world, consultant_id=str(consultant.id))
    answer = ok(await consultant.post(f"{path}/decline", NO))
    assert (set(answer), answer["status"]) == (FIELDS, "declined")
    assert not await reached(consultant, path)
    read = ok(await world.clinician.get(path))
    assert (read["status"], read["reason"]) == ("declined", NO["reason"])
    # it may be asked of another, or of the same person again
    ok(await world.clinician.patch(path, {"consultant_id": str(other.id)}))
    ok(await world.clinician.post(f"{path}/request"))
    assert await reached(other, path)
    assert not await reached(consultant, path)


async def test_a_supervisor_of_the_case_reads_it_in_full(world: World) -> None:
    path = await request(world)
    shown = ok(await world.supervisor.get(path))
    assert {"case_id", "recorded_by_id", "incident_ids"} <= shown.keys()
    assert "flags_raised" in ok(await world.supervisor.post(f"{path}/accept"))


# --------------------------------------------------------------------------- conflict of interest


async def test_whom_it_concerns_is_not_asked(world: World, consultant: Person) -> None:
    case = await world.clinician.case()
    about = {"initiator": "third_party", "about_user_id": str(consultant.id)}
    open_, assigned = await request(world, case), await request(world, case)
    ok(await consultant.post(f"{assigned}/accept"))
    report = await world.clinician.incident(case, "consent", **about)
    for path in (open_, assigned):
        assert not await reached(consultant, path)
        assert await moves(consultant, path) == {404}
    assert (await world.clinician.delete(f"/v1/incidents/{report['id']}")).status_code == 204
    assert await reached(consultant, open_)
    # and who keeps away
    body = {"user_id": str(consultant.id)}
    row = made(await world.admin.post(f"/v1/cases/{case['id']}/recusals", body))
    for path in (open_, assigned):
        assert not await reached(consultant, path)
    recusal = f"/v1/cases/{case['id']}/recusals/{row['id']}"
    assert (await world.admin.delete(recusal)).status_code == 204
    assert await reached(consultant, assigned)


async def test_a_conflict_that_is_restricted_counts(world: World, consultant: Person) -> None:
    case = await world.clinician.case()
    path = await request(world, case)
    about = {"initiator": "third_party", "about_user_id": str(consultant.id)}
    await world.supervisor.incident(case, "consent", restricted=True, **about)
    assert not await reached(consultant, path)


async def test_who_became_a_consultant_does_not_answer_themselves(
    world: World, consultant: Person
) -> None:
    path = await request(world)
    ok(await world.admin.patch(f"/v1/users/{world.clinician.id}", {"role": "consultant"}))
    # the case is hers still, and she reads her own request in full
    assert "case_id" in ok(await world.clinician.get(path))
    (own,) = ok(await world.clinician.get("/v1/consultations"))["items"]
    assert "case_id" in own
    assert await moves(world.clinician, path) == {403}
    # and a brief that is not hers is a brief
    other = await world.colleague.case()
    asked = f"/v1/cases/{other['id']}/consultations"
    theirs = made(await world.colleague.post(asked, QUESTION))
    ok(await world.colleague.post(f"/v1/consultations/{theirs['id']}/request"))
    assert set(ok(await world.clinician.get(f"/v1/consultations/{theirs['id']}"))) == FIELDS
    shown = ok(await world.clinician.get("/v1/consultations"))["items"]
    assert sorted("case_id" in item for item in shown) == [False, True]


async def test_who_stops_being_a_consultant_reads_no_brief(
    world: World, consultant: Person
) -> None:
    path = await request(world)
    ok(await consultant.post(f"{path}/accept"))
    her = f"/v1/users/{consultant.id}"
    for role, status in (("clinician", 404), ("supervisor", 404), ("admin", 403)):
        ok(await world.admin.patch(her, {"role": role}))
        assert (await consultant.get(path)).status_code == status, role
        assert path.rpartition("/")[2] not in (await consultant.get("/v1/consultations")).text


# ------------------------------------------------------------------------------------- the list


async def test_no_filter_tells_whose_client_it_is(world: World, consultant: Person) -> None:
    path = await request(world)
    held = await request(world)
    ok(await consultant.post(f"{held}/accept"))
    for person in (world.clinician, world.colleague, world.supervisor):
        shown = await consultant.get("/v1/consultations", clinician_id=str(person.id))
        assert ok(shown) == {"items": [], "next": None}
    for wrong in ({"case_id": str(uuid4())}, {"client_ref": "x"}, {"recorded_by_id": str(uuid4())}):
        assert (await consultant.get("/v1/consultations", **wrong)).status_code == 422

    async def listed(**wanted: Any) -> list[str]:
        items = ok(await consultant.get("/v1/consultations", **wanted))["items"]
        return [f"/v1/consultations/{item['id']}" for item in items]

    assert await listed() == [held, path]
    assert await listed(status="requested") == [path]
    assert await listed(kind="ethics") == [held, path]
    assert await listed(kind="specialist") == []
    assert await listed(consultant_id=str(consultant.id)) == [held]
    assert await listed(**{"from": world.day(), "to": world.day()}) == [held, path]
    assert await listed(**{"from": world.day(1)}) == []


async def test_the_list_is_paged(world: World, consultant: Person) -> None:
    paths = [await request(world) for _ in range(3)]
    hidden = await request(world, released=False)
    page = ok(await consultant.get("/v1/consultations", limit=2))
    rest = ok(await consultant.get("/v1/consultations", limit=2, cursor=page["next"]))
    ids = [f"/v1/consultations/{item['id']}" for item in (*page["items"], *rest["items"])]
    assert ids == paths[::-1]
    assert hidden not in ids
    assert rest["next"] is None


# ------------------------------------------------------------------------------ only by a person


async def test_software_does_not_release(world: World, consultant: Person) -> None:
    app = await software(world, "consultations:create", "consultations:read", "cases:read")
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/consultations"
    assert (await app.post(path, QUESTION)).status_code == 403
    asked = made(await app.post(path, {**QUESTION, "released": False}))
    at = f"/v1/consultations/{asked['id']}"
    ok(await app.post(f"{at}/request"))
    assert not await reached(consultant, at)
    assert (await app.patch(at, {"released": True})).status_code == 403
    assert not await reached(consultant, at)
    # a person of the case does, and what software writes then is looked at anew
    ok(await world.clinician.patch(at, {"released": True}))
    assert await reached(consultant, at)
    ok(await app.patch(at, {"urgency": "priority"}))
    assert await reached(consultant, at)
    assert ok(await app.patch(at, {"question": "in other words"}))["released"] is False
    assert not await reached(consultant, at)
