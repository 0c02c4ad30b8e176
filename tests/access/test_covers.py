"""Covers: a colleague's case from a date to a date, and not a second before or after."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from api.storage.models.journal import JournalEntry
from tests.support.cases import full_case, linked, reads
from tests.support.world import NOON, Person, Urls, World, incident, made, ok, open_world, promise

BY_HAND = {"severity": "low", "title": "look", "because": "of this"}
NOTE = {"determination": "normal_process", "resolution_note": "looked at together"}


def asked(world: World, at: dict[str, str], whom: Person, **fields: Any) -> dict[str, Any]:
    """Write the body of a cover: from today for ten days, changed by `fields`."""
    days = {"starts_on": world.day(), "ends_on": world.day(10)}
    return {"case_id": id_of(at), "user_id": str(whom.id), **days, **fields}


async def cover(
    world: World, at: dict[str, str], whom: Person | None = None, **fields: Any
) -> dict[str, Any]:
    """Let somebody, by default the colleague, stand in."""
    body = asked(world, at, whom or world.colleague, **fields)
    return made(await world.clinician.post("/v1/covers", body))


def id_of(at: dict[str, str]) -> str:
    """Give the id of a full case."""
    return at["case"].rpartition("/")[2]


async def lists(person: Person, at: dict[str, str]) -> set[str]:
    """Say in which lists the case shows."""
    shown = set()
    for listing in ("cases", "incidents", "promises", "consultations", "flags"):
        if id_of(at) in (await person.get(f"/v1/{listing}")).text:
            shown.add(listing)
    return shown


EVERYWHERE = {"cases", "incidents", "promises", "consultations", "flags"}


async def sight(person: Person, at: dict[str, str]) -> bool:
    """Tell whether somebody sees the case: all of it, or nothing."""
    shown = await lists(person, at)
    statuses = {(await person.get(path)).status_code for path in at.values()}
    assert (shown, statuses) in ((EVERYWHERE, {200}), (set(), {404})), (shown, statuses)
    return bool(shown)


@pytest.fixture
async def far_west(urls: Urls) -> AsyncIterator[World]:
    """A world whose clinic here keeps the time of New York, just before summer time begins."""
    async with open_world(urls, NOON) as world:
        world.here = await world.clinic("America/New_York")
        yield world


async def test_a_case_is_seen_from_its_first_midnight_to_its_last(far_west: World) -> None:
    """Summer time begins within the cover, so that its midnights differ."""
    world = far_west
    at, other = await full_case(world), await full_case(world)
    row = await cover(world, at, starts_on="2026-03-07", ends_on="2026-03-09")
    assert (row["starts_on"], row["ends_on"]) == ("2026-03-07", "2026-03-09")
    first = datetime(2026, 3, 7, 5, tzinfo=UTC)
    last = datetime(2026, 3, 9, 4, tzinfo=UTC)
    assert (row["starts_at"], row["ends_at"]) == ("2026-03-07T05:00:00Z", "2026-03-09T04:00:00Z")
    second = timedelta(microseconds=1)
    assert not await sight(world.colleague, at)
    for now, seen in (
        (first - second, False),
        (first, True),
        (last - second, True),
        (last, False),
        (last + timedelta(days=300), False),
    ):
        world.clock.now = now
        assert await sight(world.colleague, at) is seen, now
    # nothing else ever opened, to nobody else
    world.clock.now = first
    assert not await sight(world.colleague, other)
    for person in (world.stranger, *(world.there[part] for part in ("clinician", "supervisor"))):
        assert not await sight(person, at)
    await sight(world.clinician, at)


async def test_a_stranger_who_is_a_supervisor_may_stand_in(world: World) -> None:
    at = await full_case(world)
    await cover(world, at, world.stranger)
    assert await sight(world.stranger, at)
    # it is work with the client, not the supervision of it
    assert await world.stranger.queue() == []
    assert (await world.stranger.post(f"{at['flag']}/acknowledge")).status_code == 403
    assert (await world.stranger.post(f"{at['case']}/flags", BY_HAND)).status_code == 403
    review = {"determination": "normal_process", "review_note": "seen"}
    assert (await world.stranger.post(f"{at['incident']}/review", review)).status_code == 403


async def test_who_stands_in_works_on_the_case(world: World) -> None:
    at = await full_case(world)
    case = {"id": id_of(at)}
    await cover(world, at)
    mine = await world.colleague.incident(case, "gift", direction="to_client", item="gift")
    pledge = await world.colleague.promise(case)
    assert mine["recorded_by_id"] == str(world.colleague.id)
    ok(await world.colleague.patch(f"/v1/incidents/{mine['id']}", {"repair": "attempted"}))
    ok(await world.colleague.patch(at["case"], {"phase": "acceptance"}))
    # what others recorded changes as it does for the clinician herself
    ok(await world.colleague.patch(at["promise"], {"state": "kept"}))
    assert (await world.colleague.patch(at["promise"], {"wording": "other"})).status_code == 403
    assert (await world.colleague.patch(at["incident"], {"repair": "failed"})).status_code == 403
    assert (await world.colleague.delete(at["incident"])).status_code == 403
    assert (await world.colleague.delete(f"/v1/promises/{pledge['id']}")).status_code == 204
    question = {"kind": "ethics", "urgency": "routine", "question": "what now"}
    drafted = made(await world.colleague.post(f"{at['case']}/consultations", question))
    ok(await world.colleague.post(f"/v1/consultations/{drafted['id']}/request"))


async def test_who_stands_in_settles_prompts(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "ending", stage="raised", initiator="client")
    prompts = [f for f in await world.clinician.flag_list(case) if f["severity"] == "info"]
    assert prompts
    path = f"/v1/flags/{prompts[0]['id']}"
    assert (await world.colleague.get(path)).status_code == 404
    await cover(world, {"case": f"/v1/cases/{case['id']}"})
    seen = {flag["id"] for flag in await world.colleague.flag_list(case)}
    assert prompts[0]["id"] in seen
    assert ok(await world.colleague.post(f"{path}/resolve", NOTE))["status"] == "resolved"


async def test_what_is_the_clinicians_or_the_supervisors_stays_theirs(world: World) -> None:
    at = await full_case(world)
    await cover(world, at)
    for answer in (
        await world.colleague.delete(at["case"]),
        await world.colleague.post(f"{at['flag']}/resolve", NOTE),
        await world.colleague.post(f"{at['flag']}/acknowledge"),
        await world.colleague.post(f"{at['case']}/flags", BY_HAND),
        await world.colleague.post(
            f"{at['case']}/transfer", {"clinician_id": str(world.colleague.id), "reason": "now"}
        ),
        await world.colleague.post(
            f"{at['incident']}/review", {"determination": "normal_process", "review_note": "s"}
        ),
        await world.colleague.post(f"{at['consultation']}/accept"),
        await world.colleague.post("/v1/covers", asked(world, at, world.stranger)),
    ):
        assert answer.status_code == 403, answer.text
    # neither does it open a case for the clinician who is away
    body = {"client_ref": "new", "clinician_id": str(world.clinician.id)}
    assert (await world.colleague.post("/v1/cases", body)).status_code == 403


async def test_who_stands_in_sees_nothing_restricted(world: World) -> None:
    at = await full_case(world)
    case = {"id": id_of(at)}
    await cover(world, at)
    before = {flag["id"] for flag in await world.colleague.flag_list(case, live=False)}
    told = ok(await world.colleague.get(f"{at['case']}/timeline", limit=100))
    hidden = await world.supervisor.incident(case, "sexual_conduct", conduct="contact")
    assert hidden["restricted"]
    flags = [flag for flag in await world.supervisor.flag_list(case) if flag["restricted"]]
    assert flags
    assert (await world.colleague.get(f"/v1/incidents/{hidden['id']}")).status_code == 404
    for flag in flags:
        assert (await world.colleague.get(f"/v1/flags/{flag['id']}")).status_code == 404
    for path in ("/v1/incidents", f"{at['case']}/incidents"):
        assert hidden["id"] not in (await world.colleague.get(path)).text
    assert {f["id"] for f in await world.colleague.flag_list(case, live=False)} == before
    assert ok(await world.colleague.get(f"{at['case']}/timeline", limit=100)) == told
    # what she records about the clinician is hidden from the clinician, and hers to read
    own = await world.colleague.incident(case, "hurtful_words")
    assert own["restricted"]
    ok(await world.colleague.get(f"/v1/incidents/{own['id']}"))
    assert (await world.clinician.get(f"/v1/incidents/{own['id']}")).status_code == 404
    assert own["flags_raised"] == []


async def test_what_she_wrote_stays_when_the_cover_ends(world: World) -> None:
    at = await full_case(world)
    await cover(world, at, ends_on=world.day(1))
    mine = await world.colleague.incident({"id": id_of(at)}, "consent", initiator="client")
    world.clock.forward(days=1)
    path = f"/v1/incidents/{mine['id']}"
    assert (await world.colleague.get(path)).status_code == 404
    assert (await world.colleague.patch(path, {"repair": "failed"}, 1)).status_code == 404
    report = await world.colleague.post(
        f"{at['case']}/incidents", incident("consent", world, initiator="client")
    )
    pledge = await world.colleague.post(f"{at['case']}/promises", promise(world))
    assert (report.status_code, pledge.status_code) == (404, 404)
    ok(await world.clinician.get(path))


async def test_conflict_of_interest_beats_a_cover(world: World) -> None:
    await linked(world, world.stranger)
    at = await full_case(world)
    row = await cover(world, at)
    assert await sight(world.colleague, at)
    about = {"initiator": "third_party", "about_user_id": str(world.colleague.id)}
    report = await world.supervisor.incident({"id": id_of(at)}, "consent", **about, restricted=True)
    assert await reads(world.colleague, at) == {404}
    # one arranged meanwhile opens nothing either, and does not say why
    assert (await cover(world, at, ends_on=world.day(3)))["user_id"] == row["user_id"]
    assert await reads(world.colleague, at) == {404}
    assert (await world.supervisor.delete(f"/v1/incidents/{report['id']}")).status_code == 204
    assert await sight(world.colleague, at)
    made(await world.colleague.post(f"{at['case']}/recusals"))
    assert await reads(world.colleague, at) == {404}


async def test_a_supervisor_in_conflict_arranges_no_cover(world: World) -> None:
    at = await full_case(world)
    row = await cover(world, at)
    made(await world.supervisor.post(f"{at['case']}/recusals"))
    body = asked(world, at, world.stranger)
    assert (await world.supervisor.post("/v1/covers", body)).status_code == 404
    assert (await world.supervisor.delete(f"/v1/covers/{row['id']}", 1)).status_code == 404
    assert ok(await world.supervisor.get("/v1/covers"))["items"] == []


async def test_it_ends_early_by_whom_it_concerns(world: World) -> None:
    at = await full_case(world)
    for person in (world.clinician, world.supervisor, world.colleague):
        row = await cover(world, at, ends_on=world.day(30))
        path = f"/v1/covers/{row['id']}"
        ok(await world.colleague.get(at["case"]))
        assert (await person.send("DELETE", path)).status_code == 428
        assert (await person.delete(path, 7)).status_code == 412
        assert (await person.delete(path)).status_code == 204
        assert not await sight(world.colleague, at)
        ended = ok(await world.clinician.get(path))
        assert (ended["version"], ended["ends_at"]) == (2, f"{world.day()}T12:00:00Z")
        # it held on part of today: tomorrow is the first day without
        assert (ended["starts_on"], ended["ends_on"]) == (world.day(), world.day(1))
        # once more changes nothing, not even later
        world.clock.forward(days=1)
        assert (await person.delete(path)).status_code == 204
        assert ok(await world.clinician.get(path)) == ended


async def test_one_that_has_not_begun_never_begins_once_ended(world: World) -> None:
    at = await full_case(world)
    row = await cover(world, at, starts_on=world.day(5), ends_on=world.day(9))
    path = f"/v1/covers/{row['id']}"
    assert (await world.clinician.delete(path)).status_code == 204
    ended = ok(await world.clinician.get(path))
    assert ended["starts_at"] == ended["ends_at"]
    assert ended["starts_on"] == ended["ends_on"] == world.day(5)
    world.clock.forward(days=6)
    assert not await sight(world.colleague, at)


async def test_others_do_not_end_it(world: World) -> None:
    at = await full_case(world)
    path = f"/v1/covers/{(await cover(world, at))['id']}"
    for person, status in (
        (world.stranger, 404),
        (world.there["clinician"], 404),
        (world.there["supervisor"], 404),
        (world.here["privacy_officer"], 403),
        (world.admin, 403),
        (world.here["consultant"], 403),
    ):
        assert (await person.delete(path, 1)).status_code == status, person.role
    assert (await world.clinician.delete(f"/v1/covers/{uuid4()}", 1)).status_code == 404
    ok(await world.colleague.get(at["case"]))


async def test_whom_it_is_told_to(world: World) -> None:
    at = await full_case(world)
    row = await cover(world, at, reason="parental leave")
    path = f"/v1/covers/{row['id']}"
    assert (row["reason"], row["recorded_by_id"]) == ("parental leave", str(world.clinician.id))
    told = (world.clinician, world.supervisor, world.colleague, world.here["privacy_officer"])
    for person in told:
        assert ok(await person.get("/v1/covers"))["items"] == [row]
        answer = await person.get(path)
        assert (ok(answer), answer.headers["etag"]) == (row, '"1"')
    for person in (world.stranger, world.there["clinician"], world.there["privacy_officer"]):
        assert ok(await person.get("/v1/covers"))["items"] == []
        assert (await person.get(path)).status_code == 404
    for person in (world.admin, world.here["consultant"]):
        assert (await person.get("/v1/covers")).status_code == 403
        assert (await person.get(path)).status_code == 403


async def test_the_list_is_filtered_and_paged(world: World) -> None:
    at, other = await full_case(world), await full_case(world)
    rows = [
        await cover(world, at),
        await cover(world, at, world.stranger),
        await cover(world, other),
    ]
    ids = [row["id"] for row in reversed(rows)]

    async def listed(**wanted: Any) -> list[str]:
        return [row["id"] for row in ok(await world.clinician.get("/v1/covers", **wanted))["items"]]

    assert await listed() == ids
    assert await listed(case_id=id_of(at)) == ids[1:]
    assert await listed(user_id=str(world.stranger.id)) == [ids[1]]
    assert await listed(case_id=id_of(other), user_id=str(world.stranger.id)) == []
    first = ok(await world.clinician.get("/v1/covers", limit=2))
    rest = ok(await world.clinician.get("/v1/covers", limit=2, cursor=first["next"]))
    assert [row["id"] for row in (*first["items"], *rest["items"])] == ids
    assert rest["next"] is None
    for wrong in ({"reason": "x"}, {"case_id": "all"}, {"limit": 0}):
        assert (await world.clinician.get("/v1/covers", **wrong)).status_code == 422


async def test_who_arranges_one(world: World) -> None:
    at = await full_case(world)
    body = asked(world, at, world.stranger)
    for person in (world.clinician, world.supervisor):
        answer = await person.post("/v1/covers", body)
        row = made(answer)
        assert answer.headers["location"] == f"/v1/covers/{row['id']}"
        assert (await person.delete(answer.headers["location"])).status_code == 204
    for person, status in (
        (world.colleague, 404),
        (world.there["clinician"], 404),
        (world.there["supervisor"], 404),
        (world.here["privacy_officer"], 403),
        (world.here["consultant"], 403),
        (world.admin, 403),
    ):
        assert (await person.post("/v1/covers", body)).status_code == status, person.role
    # nor with a case that was opened in an emergency
    made(await world.stranger.post("/v1/break-glass", {"case_id": id_of(at), "reason": "now"}))
    own = asked(world, at, world.colleague)
    assert (await world.stranger.post("/v1/covers", own)).status_code == 403
    assert not await sight(world.colleague, at)


async def test_what_does_not_make_sense_is_refused(world: World) -> None:
    at = await full_case(world)
    shut_out = f"/v1/users/{world.stranger.id}"
    ok(await world.admin.patch(shut_out, {"is_active": False}))
    people = [world.clinician, world.stranger, world.there["colleague"]]
    people += [world.here[part] for part in ("consultant", "privacy_officer", "admin")]
    for pointer, wrong in (
        ("/starts_on", {"starts_on": world.day(-1)}),
        ("/starts_on", {"starts_on": "tomorrow"}),
        ("/ends_on", {"ends_on": world.day()}),
        ("/ends_on", {"ends_on": world.day(-1)}),
        ("/ends_on", {"ends_on": world.day(367)}),
        ("/user_id", {"user_id": str(uuid4())}),
        ("/reason", {"reason": " "}),
        ("", {"ends_at": "2027-01-01T00:00:00Z"}),
        *(("/user_id", {"user_id": str(person.id)}) for person in people),
    ):
        answer = await world.clinician.post(
            "/v1/covers", {**asked(world, at, world.colleague), **wrong}
        )
        assert [error["pointer"] for error in ok(answer, 422)["errors"]] == [pointer], wrong
    for needed in ("case_id", "user_id", "starts_on", "ends_on"):
        body = asked(world, at, world.colleague)
        del body[needed]
        assert ok(await world.clinician.post("/v1/covers", body), 422)["errors"]
    nowhere = asked(world, at, world.colleague, case_id=str(uuid4()))
    assert (await world.clinician.post("/v1/covers", nowhere)).status_code == 404
    assert ok(await world.clinician.get("/v1/covers"))["items"] == []
    # the longest there is
    await cover(world, at, ends_on=world.day(366))


async def test_today_is_the_clinics(far_west: World) -> None:
    """At three in the morning in London it is still yesterday in New York."""
    world = far_west
    at = await full_case(world)
    world.clock.now = datetime(2026, 3, 4, 3, tzinfo=UTC)
    await cover(world, at, starts_on="2026-03-03", ends_on="2026-03-04")
    ok(await world.colleague.get(at["case"]))
    body = asked(world, at, world.colleague, starts_on="2026-03-02", ends_on="2026-03-04")
    assert (await world.clinician.post("/v1/covers", body)).status_code == 422


async def test_it_is_journalled_and_in_the_timeline(world: World) -> None:
    at = await full_case(world)
    row = await cover(world, at, reason="a word nobody else reads")
    assert (await world.colleague.delete(f"/v1/covers/{row['id']}")).status_code == 204
    items = ok(await world.clinician.get(f"{at['case']}/timeline"))["items"][:2]
    assert [(each["happening"], each["actor_id"], each["record_ids"]) for each in items] == [
        ("cover.ended", str(world.colleague.id), [row["id"]]),
        ("cover.arranged", str(world.clinician.id), [row["id"]]),
    ]
    async with world.owner.transaction() as tx:
        kept = select(JournalEntry).where(col(JournalEntry.case_id) == UUID(id_of(at)))
        changes = [entry for entry in await tx.exec(kept) if not entry.is_read]
        entries = [str(entry.model_dump()) for entry in changes]
    assert sum("'cover." in entry for entry in entries) == 2
    assert not any("a word nobody else reads" in entry for entry in entries)


async def test_a_case_may_come_to_who_stood_in(world: World) -> None:
    at = await full_case(world)
    row = await cover(world, at)
    await linked(world, world.stranger)
    hand_over = {"clinician_id": str(world.colleague.id), "reason": "leave"}
    ok(await world.supervisor.post(f"{at['case']}/transfer", hand_over))
    assert (await world.colleague.get(at["case"])).status_code == 200
    assert (await world.colleague.delete(f"/v1/covers/{row['id']}")).status_code == 204
    ok(await world.colleague.get(at["case"]))


async def test_who_is_no_longer_a_clinician_stands_in_for_nobody(world: World) -> None:
    at = await full_case(world)
    await cover(world, at)
    her = f"/v1/users/{world.colleague.id}"
    ok(await world.admin.patch(her, {"role": "admin"}))
    assert (await world.colleague.get(at["case"])).status_code == 403
    assert id_of(at) not in (await world.colleague.get("/v1/cases")).text
    ok(await world.admin.patch(her, {"role": "consultant"}))
    assert (await world.colleague.get(at["case"])).is_client_error
    assert id_of(at) not in (await world.colleague.get("/v1/consultations")).text
