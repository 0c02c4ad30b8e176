"""Recusals: who keeps away from a case sees nothing of it, from that moment on."""

import asyncio
from typing import Any
from uuid import uuid4

from sqlmodel import col, select

from api.storage.models.journal import JournalEntry
from tests.support.cases import full_case, linked, reads, writes
from tests.support.world import Person, World, made, ok, software


async def recuse(by: Person, at: dict[str, str], whom: Person | None = None) -> dict[str, Any]:
    """Keep somebody away from a case, by default oneself."""
    body = {"user_id": str(whom.id)} if whom else {}
    return made(await by.post(f"{at['case']}/recusals", body))


def id_of(at: dict[str, str]) -> str:
    """Give the id of a full case."""
    return at["case"].rpartition("/")[2]


async def cover(world: World, at: dict[str, str], whom: Person) -> None:
    """Let somebody stand in on a case, from today for ten days."""
    days = {"starts_on": world.day(), "ends_on": world.day(10)}
    body = {"case_id": id_of(at), "user_id": str(whom.id), **days}
    made(await world.clinician.post("/v1/covers", body))


async def test_who_keeps_away_loses_the_case_everywhere_at_once(world: World) -> None:
    await linked(world, world.stranger)
    at, other = await full_case(world), await full_case(world)
    assert await reads(world.supervisor, at) == {200}
    row = await recuse(world.supervisor, at)
    assert row["user_id"] == row["recorded_by_id"] == str(world.supervisor.id)
    assert (row["case_id"], row["ends_at"]) == (id_of(at), None)
    assert await reads(world.supervisor, at) == {404}
    assert await writes(world, world.supervisor, at) == {404}
    # everyone else sees it as before, and she sees what else she answers for
    assert await reads(world.stranger, at) == {200}
    ok(await world.clinician.get(at["case"]))
    assert await reads(world.supervisor, other) == {200}


async def test_a_cover_does_not_open_what_somebody_keeps_away_from(world: World) -> None:
    at = await full_case(world)
    await cover(world, at, world.supervisor)
    await cover(world, at, world.colleague)
    ok(await world.colleague.get(at["case"]))
    await recuse(world.supervisor, at)
    await recuse(world.colleague, at)
    assert await reads(world.supervisor, at) == {404}
    assert await reads(world.colleague, at) == {404}


async def test_what_is_hidden_is_as_what_does_not_exist(world: World) -> None:
    at = await full_case(world)
    row = await recuse(world.supervisor, at)
    for path in (*at.values(), f"{at['case']}/recusals", f"{at['case']}/recusals/{row['id']}"):
        nowhere = path.replace(path.split("/")[3], str(uuid4()))
        one, other = await world.supervisor.get(path), await world.supervisor.get(nowhere)
        assert (one.status_code, other.status_code) == (404, 404), path
        assert {**one.json(), "request_id": 0} == {**other.json(), "request_id": 0}


async def test_a_recused_supervisor_is_given_nothing_of_the_case(world: World) -> None:
    await linked(world, world.stranger)
    at = await full_case(world)
    await recuse(world.supervisor, at)
    to_her = {"assigned_to_id": str(world.supervisor.id)}
    ok(await world.stranger.post(f"{at['flag']}/acknowledge", to_her), 422)
    asked = {"kind": "ethics", "urgency": "routine", "question": "what do you see"}
    body = {**asked, "consultant_id": str(world.supervisor.id)}
    ok(await world.clinician.post(f"{at['case']}/consultations", body), 422)


async def test_a_cases_own_clinician_hands_it_over_instead(world: World) -> None:
    at = await full_case(world)
    path = f"{at['case']}/recusals"
    assert (await world.clinician.post(path, {})).status_code == 409
    her = {"user_id": str(world.clinician.id)}
    assert (await world.clinician.post(path, her)).status_code == 409
    assert (await world.admin.post(path, her)).status_code == 409
    ok(await world.clinician.get(at["case"]))
    # whoever keeps away is not given it; whoever once kept away may be, and sees it then
    await linked(world, world.stranger)
    recusal = await recuse(world.admin, at, world.supervisor)
    hand_over = {"clinician_id": str(world.supervisor.id), "reason": "leave"}
    assert (await world.stranger.post(f"{at['case']}/transfer", hand_over)).status_code == 409
    ended = await world.admin.delete(f"{at['case']}/recusals/{recusal['id']}")
    assert ended.status_code == 204
    ok(await world.stranger.post(f"{at['case']}/transfer", hand_over))
    ok(await world.supervisor.get(at["case"]))
    assert id_of(at) in (await world.supervisor.get("/v1/cases")).text


async def test_an_admin_keeps_somebody_away_and_ends_it(world: World) -> None:
    at = await full_case(world)
    row = await recuse(world.admin, at, world.supervisor)
    assert row["recorded_by_id"] == str(world.admin.id)
    path = f"{at['case']}/recusals/{row['id']}"
    world.clock.forward(days=3)
    assert (await world.admin.send("DELETE", path)).status_code == 428
    assert (await world.admin.delete(path, 2)).status_code == 412
    assert await reads(world.supervisor, at) == {404}
    assert (await world.admin.delete(path)).status_code == 204
    assert await reads(world.supervisor, at) == {200}
    # that it held is kept, and ending it once more changes nothing
    ended = ok(await world.admin.get(path))
    assert (ended["ends_at"], ended["version"]) == ("2026-03-05T12:00:00Z", 2)
    world.clock.forward(days=1)
    assert (await world.admin.delete(path)).status_code == 204
    assert ok(await world.admin.get(path)) == ended
    # and she may be kept away anew
    again = await recuse(world.admin, at, world.supervisor)
    assert again["id"] != row["id"]
    shown = ok(await world.admin.get(f"{at['case']}/recusals"))["items"]
    assert [each["id"] for each in shown] == [again["id"], row["id"]]
    assert (await world.supervisor.get(at["case"])).status_code == 404


async def test_who_may_keep_whom_away(world: World) -> None:
    await linked(world, world.stranger)
    at = await full_case(world)
    path = f"{at['case']}/recusals"
    other = {"user_id": str(world.stranger.id)}
    # nobody but an admin decides it for others
    for person in (world.clinician, world.supervisor):
        assert (await person.post(path, other)).status_code == 403
    for part in ("consultant", "privacy_officer"):
        for body in ({}, other):
            assert (await world.here[part].post(path, body)).status_code == 403
    # who does not see the case learns nothing of it
    for person in (world.colleague, *map(world.there.__getitem__, ("supervisor", "admin"))):
        for body in ({}, other):
            assert (await person.post(path, body)).status_code == 404
    assert (await world.admin.post(f"/v1/cases/{uuid4()}/recusals", other)).status_code == 404
    assert ok(await world.admin.get(path))["items"] == []
    assert (await world.stranger.get(at["case"])).status_code == 200


async def test_only_an_admin_ends_a_recusal(world: World) -> None:
    await linked(world, world.stranger)
    at = await full_case(world)
    row = await recuse(world.supervisor, at)
    path = f"{at['case']}/recusals/{row['id']}"
    others = [world.clinician, world.supervisor, world.stranger, world.colleague]
    for person in (*others, world.here["consultant"], world.here["privacy_officer"]):
        assert (await person.delete(path, 1)).status_code == 403, person.role
    assert (await world.there["admin"].delete(path, 1)).status_code == 404
    # only where it belongs
    elsewhere = await full_case(world)
    for wrong in (f"{elsewhere['case']}/recusals/{row['id']}", f"{at['case']}/recusals/{uuid4()}"):
        assert (await world.admin.get(wrong)).status_code == 404
        assert (await world.admin.delete(wrong, 1)).status_code == 404
    assert (await world.supervisor.get(at["case"])).status_code == 404


async def test_a_second_recusal_is_refused_while_the_first_holds(world: World) -> None:
    at = await full_case(world)
    await recuse(world.admin, at, world.supervisor)
    path = f"{at['case']}/recusals"
    again = {"user_id": str(world.supervisor.id)}
    assert (await world.admin.post(path, again)).status_code == 409
    assert (await world.supervisor.post(path, {})).status_code == 404
    # somebody else, and the same person elsewhere, are another matter
    await recuse(world.admin, at, world.stranger)
    await recuse(world.supervisor, await full_case(world))


async def test_of_two_at_once_one_is_kept(world: World) -> None:
    at = await full_case(world)
    path = f"{at['case']}/recusals"
    her = {"user_id": str(world.supervisor.id)}
    answers = await asyncio.gather(*(world.admin.post(path, her) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_what_does_not_make_sense_is_refused(world: World) -> None:
    at = await full_case(world)
    path = f"{at['case']}/recusals"
    for wrong in (
        {"user_id": str(uuid4())},
        {"user_id": str(world.there["supervisor"].id)},
        {"user_id": "everyone"},
        {"case_id": id_of(at)},
        {"starts_at": "2026-01-01T00:00:00Z"},
    ):
        assert ok(await world.admin.post(path, wrong), 422)["errors"], wrong
    assert ok(await world.admin.get(path))["items"] == []


async def test_who_may_know_of_it(world: World) -> None:
    await linked(world, world.stranger)
    at = await full_case(world)
    row = await recuse(world.supervisor, at)
    path = f"{at['case']}/recusals"
    told = [world.clinician, world.stranger, world.admin, world.here["privacy_officer"]]
    for person in told:
        assert ok(await person.get(path))["items"] == [row]
        answer = await person.get(f"{path}/{row['id']}")
        assert (ok(answer), answer.headers["etag"]) == (row, '"1"')
    for person in (world.supervisor, world.colleague, *world.there.values()):
        assert (await person.get(path)).status_code in {403, 404}
        assert (await person.get(f"{path}/{row['id']}")).status_code in {403, 404}
    assert (await world.here["consultant"].get(path)).status_code == 403
    app = await software(world, "cases:read", "cases:write")
    assert (await app.get(path)).status_code == 403
    assert (await app.post(path, {})).status_code == 403


async def test_it_is_journalled_and_in_the_timeline(world: World) -> None:
    at = await full_case(world)
    row = await recuse(world.supervisor, at)
    ended = f"{at['case']}/recusals/{row['id']}"
    assert (await world.admin.delete(ended)).status_code == 204
    timeline = ok(await world.clinician.get(f"{at['case']}/timeline"))["items"]
    told = [(each["happening"], each["actor_id"], each["record_ids"]) for each in timeline[:2]]
    assert told == [
        ("recusal.ended", str(world.admin.id), [row["id"]]),
        ("recusal.created", str(world.supervisor.id), [row["id"]]),
    ]
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        kept = await tx.exec(
            select(JournalEntry)
            .where(col(JournalEntry.record_type) == "recusal", ~col(JournalEntry.is_read))
            .order_by(col(JournalEntry.id))
        )
        entries = [entry for entry in kept if str(entry.case_id) == id_of(at)]
    assert [entry.happening for entry in entries] == ["recusal.created", "recusal.ended"]


async def test_they_are_listed_page_by_page(world: World) -> None:
    at = await full_case(world)
    path = f"{at['case']}/recusals"
    people = (world.supervisor, world.stranger, world.colleague)
    rows = [await recuse(world.admin, at, person) for person in people]
    page = ok(await world.admin.get(path, limit=2))
    shown = page["items"]
    while page["next"]:
        page = ok(await world.admin.get(path, limit=2, cursor=page["next"]))
        shown += page["items"]
    assert [row["id"] for row in shown] == [row["id"] for row in reversed(rows)]


async def test_an_admin_reads_nothing_clinical(world: World) -> None:
    at = await full_case(world)
    await recuse(world.admin, at, world.supervisor)
    assert await reads(world.admin, at) == {403, 404}  # 404: a list that lacks it
    assert await writes(world, world.admin, at) == {403}
    for path in at.values():
        assert (await world.admin.get(path)).status_code == 403
    her = f"/v1/users/{world.admin.id}"
    for role in ("supervisor", "clinician"):
        assert (await world.admin.patch(her, {"role": role})).status_code == 403
    assert ok(await world.admin.get(her))["role"] == "admin"
