"""Break-glass: thirty minutes of one case for reading, with a reason, in sight of everyone."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlmodel import col, select

from api.storage.models.journal import JournalEntry
from api.storage.models.people import SignIn
from tests.support.cases import full_case, linked, writes
from tests.support.world import PASSWORD, Person, World, made, ok, software

REASON = "she has not answered since this morning, and the client called"
NOTE = {"review_note": "a word for privacy officers"}


def id_of(at: dict[str, str]) -> str:
    """Give the id of a full case."""
    return at["case"].rpartition("/")[2]


def asked(at: dict[str, str], **fields: Any) -> dict[str, Any]:
    """Write the body of an emergency opening."""
    return {"case_id": id_of(at), "reason": REASON, **fields}


async def opened(world: World, at: dict[str, str], by: Person | None = None) -> dict[str, Any]:
    """Open a case in an emergency, by default as the supervisor who is linked to nobody."""
    return made(await (by or world.stranger).post("/v1/break-glass", asked(at)))


def readable(at: dict[str, str]) -> list[str]:
    """Give every path of a case that is read by its id."""
    below = ("incidents", "promises", "consultations", "flags", "timeline")
    return [*at.values(), *(f"{at['case']}/{each}" for each in below)]


async def statuses(person: Person, at: dict[str, str]) -> set[int]:
    """Read all of a case by its id."""
    return {(await person.get(path)).status_code for path in readable(at)}


async def test_a_case_opens_for_thirty_minutes_to_the_second(world: World) -> None:
    at, other = await full_case(world), await full_case(world)
    assert await statuses(world.stranger, at) == {404}
    row = await opened(world, at)
    assert (row["starts_at"], row["ends_at"]) == ("2026-03-02T12:00:00Z", "2026-03-02T12:30:00Z")
    assert row["user_id"] == row["recorded_by_id"] == str(world.stranger.id)
    assert (row["case_id"], row["reason"]) == (id_of(at), REASON)
    assert await statuses(world.stranger, at) == {200}
    world.clock.forward(minutes=30, microseconds=-1)
    assert await statuses(world.stranger, at) == {200}
    # one case only, and for one person only
    assert await statuses(world.stranger, other) == {404}
    assert await statuses(world.colleague, at) == {404}
    assert await statuses(world.there["supervisor"], at) == {404}
    world.clock.forward(microseconds=1)
    assert await statuses(world.stranger, at) == {404}
    # a further emergency is opened and told anew
    again = await opened(world, at)
    assert again["id"] != row["id"]
    assert await statuses(world.stranger, at) == {200}


async def test_it_stands_in_no_list_and_no_queue(world: World) -> None:
    at = await full_case(world)
    await opened(world, at)
    for listing in ("cases", "incidents", "promises", "consultations", "flags", "flagged-cases"):
        assert ok(await world.stranger.get(f"/v1/{listing}"))["items"] == [], listing
    assert ok(await world.stranger.get("/v1/covers"))["items"] == []


async def test_it_is_for_reading_only(world: World) -> None:
    at = await full_case(world)
    await opened(world, at)
    before = await world.clinician.get(at["case"])
    assert await writes(world, world.stranger, at) == {403}
    asking = {"kind": "ethics", "urgency": "routine", "question": "what do you see"}
    refused = await world.stranger.post(f"{at['case']}/consultations", asking)
    assert (refused.status_code, "reading" in refused.json()["detail"]) == (403, True)
    for move in ("request", "start", "cancel"):
        answer = await world.stranger.post(
            f"{at['consultation']}/{move}", {"reason": "x"} if move == "cancel" else {}
        )
        assert answer.status_code == 403, move
    cover = {"case_id": id_of(at), "user_id": str(world.colleague.id)}
    days = {"starts_on": world.day(), "ends_on": world.day(1)}
    assert (await world.stranger.post("/v1/covers", {**cover, **days})).status_code == 403
    assert ok(await world.clinician.get(at["case"])) == ok(before)


async def test_nothing_restricted_is_shown(world: World) -> None:
    at = await full_case(world)
    case = {"id": id_of(at)}
    hidden = await world.supervisor.incident(case, "sexual_conduct", conduct="contact")
    flags = await world.supervisor.flag_list(case)
    secret = [flag for flag in flags if flag["restricted"]]
    assert hidden["restricted"]
    assert secret
    await opened(world, at)
    assert (await world.stranger.get(f"/v1/incidents/{hidden['id']}")).status_code == 404
    for flag in secret:
        assert (await world.stranger.get(f"/v1/flags/{flag['id']}")).status_code == 404
    hides = [hidden["id"], *(flag["id"] for flag in secret)]
    for path in readable(at):
        text = (await world.stranger.get(path)).text
        assert not [each for each in hides if each in text], path
    shown = ok(await world.stranger.get(at["case"]))["flags"]
    assert shown["open"] == len(flags) - len(secret)
    assert shown["top_severity"] != "critical"


async def test_prompts_stay_with_the_clinician(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "ending", stage="raised", initiator="client")
    (prompt,) = await world.clinician.flag_list(case)
    at = {"case": f"/v1/cases/{case['id']}"}
    await opened(world, at)
    assert await world.stranger.flag_list(case) == []
    assert (await world.stranger.get(f"/v1/flags/{prompt['id']}")).status_code == 404
    assert ok(await world.stranger.get(at["case"]))["flags"]["open"] == 0


async def test_a_conflict_leaves_a_case_shut(world: World) -> None:
    """Like one that does not exist; and what opened is shut when a conflict comes."""
    at, other = await full_case(world), await full_case(world)
    about = {"initiator": "third_party", "about_user_id": str(world.stranger.id)}
    await world.clinician.incident({"id": id_of(at)}, "consent", **about)
    await opened(world, other)
    made(await world.admin.post(f"{other['case']}/recusals", {"user_id": str(world.stranger.id)}))
    nowhere = await world.stranger.post("/v1/break-glass", asked(at, case_id=str(uuid4())))
    for each in (at, other):
        answer = await world.stranger.post("/v1/break-glass", asked(each))
        assert answer.status_code == 404
        assert {**answer.json(), "request_id": 0} == {**nowhere.json(), "request_id": 0}
        assert await statuses(world.stranger, each) == {404}
    # a link and a conflict: no other door either
    await linked(world, world.stranger)
    assert (await world.stranger.post("/v1/break-glass", asked(at))).status_code == 404


async def test_a_restricted_conflict_is_not_told_by_it_either(world: World) -> None:
    at = await full_case(world)
    about = {"initiator": "third_party", "about_user_id": str(world.stranger.id)}
    await world.supervisor.incident({"id": id_of(at)}, "consent", restricted=True, **about)
    assert (await world.stranger.post("/v1/break-glass", asked(at))).status_code == 404


async def test_what_is_seen_anyway_is_not_broken_into(world: World) -> None:
    at = await full_case(world)
    assert (await world.supervisor.post("/v1/break-glass", asked(at))).status_code == 409
    own = await world.stranger.case()
    body = {"case_id": own["id"], "reason": REASON}
    assert (await world.stranger.post("/v1/break-glass", body)).status_code == 409
    days = {"starts_on": world.day(), "ends_on": world.day(1)}
    cover = {"case_id": id_of(at), "user_id": str(world.stranger.id), **days}
    made(await world.clinician.post("/v1/covers", cover))
    assert (await world.stranger.post("/v1/break-glass", asked(at))).status_code == 409
    # nor a second time while it is open
    world.clock.forward(days=2)
    await opened(world, at)
    assert (await world.stranger.post("/v1/break-glass", asked(at))).status_code == 409
    assert len(ok(await world.stranger.get("/v1/break-glass"))["items"]) == 1


async def test_only_supervisors_break_glass(world: World) -> None:
    at = await full_case(world)
    parts = ("clinician", "colleague", "consultant", "privacy_officer", "admin")
    for part in parts:
        answer = await world.here[part].post("/v1/break-glass", asked(at))
        assert answer.status_code == 403, part
    app = await software(world, "cases:read", "cases:write", "narrative:read")
    assert (await app.post("/v1/break-glass", asked(at))).status_code == 403
    for part in ("supervisor", "stranger"):
        answer = await world.there[part].post("/v1/break-glass", asked(at))
        assert answer.status_code == 404, part
    assert ok(await world.here["privacy_officer"].get("/v1/break-glass"))["items"] == []


async def test_a_reason_is_needed(world: World) -> None:
    at = await full_case(world)
    for wrong in (
        {"reason": " "},
        {"reason": None},
        {"case_id": "any"},
        {"ends_at": "2027-01-01T00:00:00Z"},
        {"user_id": str(world.stranger.id)},
    ):
        answer = await world.stranger.post("/v1/break-glass", asked(at, **wrong))
        assert ok(answer, 422)["errors"], wrong
    assert (await world.stranger.post("/v1/break-glass", {"case_id": id_of(at)})).is_error
    assert await statuses(world.stranger, at) == {404}


async def test_it_needs_a_sign_in_of_the_last_fifteen_minutes(world: World) -> None:
    at = await full_case(world)
    form = {
        "grant_type": "password",
        "username": world.stranger.email,
        "password": PASSWORD,
    }
    signed_in = ok(await world.http.post("/v1/auth/token", data=form))
    world.clock.forward(minutes=15)
    form = {"grant_type": "refresh_token", "refresh_token": signed_in["refresh_token"]}
    renewed = ok(await world.http.post("/v1/auth/token", data=form))
    bearer = {"Authorization": f"Bearer {renewed['access_token']}"}

    async def tries(case_id: str) -> tuple[int, str | None]:
        body = {"case_id": case_id, "reason": REASON}
        answer = await world.http.post("/v1/break-glass", json=body, headers=bearer)
        return answer.status_code, answer.json().get("type")

    again = (403, "urn:boundary-notes:sign-in-again")
    world.clock.forward(seconds=1)
    # the same for what does not exist
    assert await tries(id_of(at)) == again
    assert await tries(str(uuid4())) == again
    world.clock.forward(seconds=-1)
    assert await tries(id_of(at)) == (201, None)


async def test_a_session_that_was_carried_on_for_hours_is_not_recent(world: World) -> None:
    at = await full_case(world)
    await world.token_of(world.stranger)
    async with world.owner.transaction() as tx:
        await tx.enter(world.stranger.clinic_id)
        found = await tx.exec(select(SignIn).where(col(SignIn.id) == world.stranger.session_id))
        found.one().authenticated_at = tx.now - timedelta(hours=2)
    refused = ok(await world.stranger.post("/v1/break-glass", asked(at)), 403)
    assert refused["type"] == "urn:boundary-notes:sign-in-again"
    # reading who did needs none
    ok(await world.stranger.get("/v1/break-glass"))


async def test_everyone_concerned_sees_it_at_once(world: World) -> None:
    at, other = await full_case(world), await full_case(world)
    answer = await world.stranger.post("/v1/break-glass", asked(at))
    row = made(answer)
    path = f"/v1/break-glass/{row['id']}"
    assert (answer.headers["location"], answer.headers["etag"]) == (path, '"1"')
    officer = world.here["privacy_officer"]
    for person in (world.clinician, officer, world.stranger):
        assert ok(await person.get("/v1/break-glass"))["items"] == [row]
        assert ok(await person.get(path)) == row
    # those it does not concern do not
    others = (world.colleague, world.supervisor, *map(world.there.get, ("clinician", "supervisor")))
    for outsider in (*others, world.there["privacy_officer"]):
        assert outsider is not None
        assert ok(await outsider.get("/v1/break-glass"))["items"] == []
        assert (await outsider.get(path)).status_code == 404
    for part in ("admin", "consultant"):
        assert (await world.here[part].get("/v1/break-glass")).status_code == 403
        assert (await world.here[part].get(path)).status_code == 403
    (newest, *_) = ok(await world.clinician.get(f"{at['case']}/timeline"))["items"]
    told = (newest["happening"], newest["actor_id"], newest["record_ids"])
    assert told == ("break_glass.opened", str(world.stranger.id), [row["id"]])
    assert "break_glass" not in (await world.clinician.get(f"{other['case']}/timeline")).text


async def test_the_privacy_officer_reviews_it_once(world: World) -> None:
    at = await full_case(world)
    row = await opened(world, at)
    assert row["review_due_at"] == "2026-03-05T12:00:00Z"
    nobody_yet = {"reviewed_by_id": None, "reviewed_at": None, "review_note": None}
    assert {name: row[name] for name in nobody_yet} == nobody_yet
    officer = world.here["privacy_officer"]
    path = f"/v1/break-glass/{row['id']}"
    for person in (world.clinician, world.supervisor, world.stranger, world.admin):
        assert (await person.post(f"{path}/review", NOTE)).status_code == 403
    there = world.there["privacy_officer"]
    assert (await there.post(f"{path}/review", NOTE)).status_code == 404
    for wrong in ({}, {"review_note": " "}, {**NOTE, "reviewed_at": row["starts_at"]}):
        assert (await officer.post(f"{path}/review", wrong)).status_code == 422
    assert (await officer.post(f"/v1/break-glass/{uuid4()}/review", NOTE)).status_code == 404
    world.clock.forward(hours=2)
    answer = await officer.post(f"{path}/review", NOTE)
    reviewed = ok(answer)
    assert (reviewed["version"], answer.headers["etag"]) == (2, '"2"')
    assert reviewed["reviewed_by_id"] == str(officer.id)
    assert reviewed["reviewed_at"] == "2026-03-02T14:00:00Z"
    assert reviewed["review_note"] == NOTE["review_note"]
    assert (await officer.post(f"{path}/review", NOTE)).status_code == 409
    assert ok(await officer.get(path)) == reviewed
    # the others see that it was reviewed, not what was noted
    for person in (world.clinician, world.stranger):
        assert ok(await person.get(path)) == {**reviewed, "review_note": None}
        listed = await person.get("/v1/break-glass")
        assert NOTE["review_note"] not in listed.text
        assert ok(listed)["items"][0]["reviewed_at"] == reviewed["reviewed_at"]
    (newest, *_) = ok(await world.clinician.get(f"{at['case']}/timeline"))["items"]
    assert newest["happening"] == "break_glass.reviewed"


async def test_a_review_does_not_shut_or_lengthen_it(world: World) -> None:
    at = await full_case(world)
    row = await opened(world, at)
    officer = world.here["privacy_officer"]
    ok(await officer.post(f"/v1/break-glass/{row['id']}/review", NOTE))
    assert await statuses(world.stranger, at) == {200}
    world.clock.forward(minutes=30)
    assert await statuses(world.stranger, at) == {404}
    # nor does the privacy officer read the case
    assert await statuses(officer, at) <= {403, 404}


async def test_the_list_is_filtered_and_paged(world: World) -> None:
    at, other = await full_case(world), await full_case(world)
    first = await opened(world, at)
    second = await opened(world, other)
    officer = world.here["privacy_officer"]
    ok(await officer.post(f"/v1/break-glass/{first['id']}/review", NOTE))
    both = [second["id"], first["id"]]

    async def listed(by: Person = officer, **wanted: Any) -> list[str]:
        return [row["id"] for row in ok(await by.get("/v1/break-glass", **wanted))["items"]]

    for person in (officer, world.clinician, world.stranger):
        assert await listed(person) == both
        assert await listed(person, case_id=id_of(at)) == [first["id"]]
        assert await listed(person, user_id=str(world.stranger.id)) == both
        assert await listed(person, user_id=str(world.supervisor.id)) == []
        assert await listed(person, reviewed="true") == [first["id"]]
        assert await listed(person, reviewed="false") == [second["id"]]
        page = ok(await person.get("/v1/break-glass", limit=1))
        rest = ok(await person.get("/v1/break-glass", limit=1, cursor=page["next"]))
        assert [row["id"] for row in (*page["items"], *rest["items"])] == both
        assert rest["next"] is None
    for wrong in ({"reason": "x"}, {"reviewed": "perhaps"}, {"case_id": "all"}):
        assert (await officer.get("/v1/break-glass", **wrong)).status_code == 422


async def test_the_journal_says_who_and_what_never_why(world: World) -> None:
    at = await full_case(world)
    row = await opened(world, at)
    officer = world.here["privacy_officer"]
    ok(await officer.post(f"/v1/break-glass/{row['id']}/review", NOTE))
    async with world.owner.transaction() as tx:
        kept = select(JournalEntry).where(col(JournalEntry.case_id) == UUID(id_of(at)))
        entries = list(await tx.exec(kept))
    told = [(e.happening, e.actor_id) for e in entries if e.record_type == "break_glass"]
    assert sorted(told) == [
        ("break_glass.opened", world.stranger.id),
        ("break_glass.reviewed", officer.id),
    ]
    text = str([entry.model_dump() for entry in entries])
    assert REASON not in text
    assert NOTE["review_note"] not in text


async def test_who_stops_being_a_supervisor_loses_it_at_once(world: World) -> None:
    at = await full_case(world)
    await opened(world, at)
    her = f"/v1/users/{world.stranger.id}"
    ok(await world.admin.patch(her, {"role": "clinician"}))
    assert await statuses(world.stranger, at) == {404}
    ok(await world.admin.patch(her, {"is_active": False}))
    assert await statuses(world.stranger, at) == {401}
