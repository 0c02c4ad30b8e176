"""A case is handed over: what goes with it, what stays, and at whose door its past is laid."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from api.access import case_tenures, guards
from api.access.visibility.colleagues import sees_case
from api.domain.tenures import who_had_it
from api.domain.vocabulary import Scope
from api.records import handover
from api.routes import notes, patterns
from api.storage.models.clinical import Case, CaseTenure
from api.storage.models.journal import JournalEntry
from tests.support.cases import link
from tests.support.guards import unwalled
from tests.support.imports import case_line, counts, line, read_in
from tests.support.matrix import ASKED
from tests.support.notes import drafted, listed, path_of, refused_note, signed
from tests.support.readings import happenings, months
from tests.support.world import Person, World, incident, made, ok, software

CLASSES = ("progress", "supervision", "psychotherapy")


async def hand_over(
    world: World, case: dict[str, Any], to: Person, by: Person | None = None, **more: Any
) -> dict[str, Any]:
    """Hand a case over; by default the clinician's supervisor does."""
    body = {"clinician_id": str(to.id), "reason": "leave", **more}
    return ok(await (by or world.supervisor).post(f"/v1/cases/{case['id']}/transfer", body))


async def cover(by: Person, case: dict[str, Any], whom: Person, first: int = 0) -> dict[str, Any]:
    """Let somebody stand in for ten days."""
    days = {"starts_on": by.world.day(first), "ends_on": by.world.day(first + 10)}
    body = {"case_id": case["id"], "user_id": str(whom.id), **days}
    return made(await by.post("/v1/covers", body))


async def told(world: World, happening: str) -> list[JournalEntry]:
    """Give the entries of one sort, the oldest first."""
    statement = select(JournalEntry).where(
        JournalEntry.happening == happening,
        col(JournalEntry.clinic_id) == world.clinician.clinic_id,
    )
    async with world.owner.transaction() as tx:
        return list(await tx.exec(statement.order_by(col(JournalEntry.id))))


async def test_a_case_is_not_handed_to_who_keeps_away_from_it(world: World) -> None:
    case = await world.clinician.case()
    path, to = f"/v1/cases/{case['id']}", {"clinician_id": str(world.colleague.id), "reason": "x"}
    her = {"user_id": str(world.colleague.id)}
    recusal = made(await world.admin.post(f"{path}/recusals", her))
    assert "keeps away" in refused_note(await world.supervisor.post(f"{path}/transfer", to), 409)
    assert (await world.admin.delete(f"{path}/recusals/{recusal['id']}")).status_code == 204
    for restricted in (False, True):
        about = {"about_user_id": str(world.colleague.id), "restricted": restricted}
        row = await world.supervisor.incident(case, "hurtful_words", **about)
        sentence = refused_note(await world.supervisor.post(f"{path}/transfer", to), 409)
        assert "is about this colleague" in sentence
        assert (await world.supervisor.delete(f"/v1/incidents/{row['id']}")).status_code == 204
    refused_note(await world.colleague.get(path), 404)
    await hand_over(world, case, world.colleague)
    ok(await world.colleague.get(path))


async def test_a_cover_is_refused_as_far_as_the_asker_may_know(world: World) -> None:
    case = await world.clinician.case()
    her = {"user_id": str(world.colleague.id)}
    days = {"starts_on": world.day(), "ends_on": world.day(1)}
    body = {"case_id": case["id"], **her, **days}
    hidden = {"about_user_id": str(world.colleague.id), "restricted": True}
    row = await world.supervisor.incident(case, "hurtful_words", **hidden)
    # nothing tells her of what she may not see: the cover will show the colleague nothing
    made(await world.clinician.post("/v1/covers", body))
    refused_note(await world.colleague.get(f"/v1/cases/{case['id']}"), 404)
    assert "about this colleague" in refused_note(
        await world.supervisor.post("/v1/covers", body), 409
    )
    ok(await world.supervisor.patch(f"/v1/incidents/{row['id']}", {"restricted": False}))
    assert "about this colleague" in refused_note(
        await world.clinician.post("/v1/covers", body), 409
    )
    other = await world.clinician.case()
    made(await world.admin.post(f"/v1/cases/{other['id']}/recusals", her))
    body["case_id"] = other["id"]
    assert "keeps away" in refused_note(await world.clinician.post("/v1/covers", body), 409)


async def test_nobody_is_given_a_case_and_kept_away_from_it_at_once(world: World) -> None:
    for _ in range(5):
        case = await world.clinician.case()
        path = f"/v1/cases/{case['id']}"
        to = {"clinician_id": str(world.colleague.id), "reason": "leave"}
        transfer, recusal = await asyncio.gather(
            world.supervisor.post(f"{path}/transfer", to),
            world.admin.post(f"{path}/recusals", {"user_id": str(world.colleague.id)}),
        )
        statuses = (transfer.status_code, recusal.status_code)
        assert statuses in {(200, 409), (409, 201)}


async def _end_of_a_cover(world: World, case: dict[str, Any]) -> None:
    world.clock.forward(days=11)


async def _a_recusal(world: World, case: dict[str, Any]) -> None:
    made(await world.colleague.post(f"/v1/cases/{case['id']}/recusals"))


async def _an_open_conflict(world: World, case: dict[str, Any]) -> None:
    about = {"about_user_id": str(world.colleague.id)}
    await world.supervisor.incident(case, "hurtful_words", **about)


async def _a_hidden_conflict(world: World, case: dict[str, Any]) -> None:
    about = {"about_user_id": str(world.colleague.id), "restricted": True}
    await world.supervisor.incident(case, "hurtful_words", **about)


async def _a_transfer(world: World, case: dict[str, Any]) -> None:
    await hand_over(world, case, world.stranger)


WAYS: dict[str, Callable[[World, dict[str, Any]], Awaitable[None]]] = {
    "the end of a cover": _end_of_a_cover,
    "a recusal": _a_recusal,
    "a conflict": _an_open_conflict,
    "a hidden conflict": _a_hidden_conflict,
    "a transfer": _a_transfer,
}


@pytest.mark.parametrize("way", WAYS)
async def test_an_author_keeps_drafts_and_nothing_else_by(world: World, way: str) -> None:
    case, author = await world.clinician.case(), world.colleague
    await cover(world.clinician, case, author)
    drafts = [await drafted(author, case, each) for each in CLASSES for _ in range(2)]
    done = await signed(author, case)
    hers = await signed(world.clinician, case)
    report = await world.clinician.incident(case, "hurtful_words")
    await WAYS[way](world, case)
    for draft in drafts:
        assert ok(await author.get(path_of(draft))) == draft
        assert ok(await author.patch(path_of(draft), {"body": "finished"}))["body"] == "finished"
    for draft in drafts[::2]:
        assert ok(await author.post(f"{path_of(draft)}/sign"))["status"] == "signed"
    for draft in drafts[1::2]:
        assert (await author.delete(path_of(draft))).status_code == 204
    added = made(await author.post(f"{path_of(done)}/amendments", {"body": "and more"}))
    assert (added["amends_id"], added["status"]) == (done["id"], "signed")
    # of these notes alone: the case and all else on it is gone
    for path in ("", "/notes", "/timeline", "/incidents", "/flags", "/covers"):
        assert (await author.get(f"/v1/cases/{case['id']}{path}")).status_code == 404
    note = {"note_class": "progress", "body": "one more"}
    refused_note(await author.post(f"/v1/cases/{case['id']}/notes", note), 404)
    refused_note(await author.get(path_of(hers)), 404)
    refused_note(await author.get(f"/v1/incidents/{report['id']}"), 404)
    assert case["id"] not in (await author.get("/v1/cases")).text
    # nobody else was given anything by it
    for other in (world.there["clinician"], await _another(world)):
        refused_note(await other.get(path_of(done)), 404)


async def _another(world: World) -> Person:
    body = {"name": "Somebody", "email": "s@clinic.example", "role": "clinician"}
    user = made(
        await world.admin.post("/v1/users", {**body, "password": "a long and fictional password"})
    )
    return Person(world, world.admin.clinic_id, UUID(user["id"]), world.clinician.role, "")


async def test_what_is_signed_after_leaving_is_told_to_who_has_the_case(world: World) -> None:
    case, author, heir = await world.clinician.case(), world.clinician, world.colleague
    draft, first = await drafted(author, case), await signed(author, case)
    secret = await drafted(author, case, "psychotherapy")
    await hand_over(world, case, heir)
    refused_note(await heir.get(path_of(draft)), 404)
    ok(await author.patch(path_of(draft), {"body": "as it was, in full"}))
    ok(await author.post(f"{path_of(draft)}/sign"))
    ok(await author.post(f"{path_of(secret)}/sign"))
    added = made(await author.post(f"{path_of(first)}/amendments", {"body": "more"}))
    assert ok(await heir.get(path_of(draft)))["body"] == "as it was, in full"
    assert await listed(heir, case) == [added["id"], first["id"], draft["id"]]
    refused_note(await heir.get(path_of(secret)), 404)
    assert (await happenings(heir, case))[-3:] == [
        "case.transferred",
        "note.signed",
        "note.amended",
    ]
    entries = [each for each in await told(world, "note.signed") if str(each.case_id) == case["id"]]
    assert [(each.actor_id, each.restricted) for each in entries] == [
        (author.id, False),
        (author.id, False),
        (author.id, True),
    ]
    # and who was let out does nothing more, nor who treats nobody any more
    ok(await world.admin.patch(f"/v1/users/{author.id}", {"role": "consultant"}))
    refused_note(await author.post(f"{path_of(first)}/amendments", {"body": "x"}), 403)
    refused_note(await author.get("/v1/notes"), 403)


async def test_an_author_signs_who_now_sees_the_case_in_another_way(world: World) -> None:
    case, author = await world.supervisor.case(), world.supervisor
    draft, other = await drafted(author, case), await drafted(author, case, "supervision")
    await link(world, world.stranger, author)
    await link(world, author, world.colleague)
    await hand_over(world, case, world.colleague, by=world.stranger)
    ok(await author.post(f"{path_of(draft)}/sign"))
    # the note of another is still not hers to write in
    hers = await signed(world.colleague, case)
    refused_note(await author.post(f"{path_of(hers)}/amendments", {"body": "x"}), 403)
    ok(await author.post(f"{path_of(hers)}/cosign"))
    (row,) = ok(await world.admin.get("/v1/supervisions", supervisor_id=str(author.id)))["items"][
        :1
    ]
    assert (await world.admin.delete(f"/v1/supervisions/{row['id']}")).status_code == 204
    emergency = {"case_id": case["id"], "reason": "Nobody can be reached."}
    made(await author.post("/v1/break-glass", emergency))
    ok(await author.get(f"/v1/cases/{case['id']}"))
    ok(await author.post(f"{path_of(other)}/sign"))


async def test_a_transfer_says_how_many_drafts_wait_and_whose(world: World) -> None:
    case = await world.clinician.case()
    await cover(world.clinician, case, world.stranger)
    for note_class in (*CLASSES, "psychotherapy"):
        await drafted(world.clinician, case, note_class)
    await drafted(world.stranger, case)
    await signed(world.clinician, case)
    voided = await drafted(world.clinician, case)
    assert (await world.clinician.delete(path_of(voided))).status_code == 204
    await link(world, world.supervisor, world.colleague)
    body = {"clinician_id": str(world.colleague.id), "reason": "leave"}
    key = {"headers": {"Idempotency-Key": "once"}}
    path = f"/v1/cases/{case['id']}/transfer"
    moved = ok(await world.supervisor.post(path, body, **key))
    expected = [
        {"author_id": str(world.clinician.id), "drafts": 2},
        {"author_id": str(world.stranger.id), "drafts": 1},
    ]
    assert sorted(moved["drafts_waiting"], key=lambda each: -each["drafts"]) == expected
    again = ok(await world.supervisor.post(path, body, **key))
    assert again == moved
    assert (await hand_over(world, await world.clinician.case(), world.colleague))[
        "drafts_waiting"
    ] == []


async def test_an_author_finds_all_that_they_wrote(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = world.clinician
    gone, here, voided = [await author.case() for _ in range(3)]
    await signed(world.supervisor, await world.supervisor.case())
    one = await signed(author, gone)
    two = await drafted(author, gone, "psychotherapy")
    three = await drafted(author, here)
    await drafted(author, voided)
    assert (await author.delete(f"/v1/cases/{voided['id']}")).status_code == 204
    await hand_over(world, gone, world.colleague)
    theirs = await signed(world.colleague, gone)

    async def found(who: Person, **filters: Any) -> list[str]:
        page = ok(await who.get("/v1/notes", **filters))
        return [note["id"] for note in page["items"]]

    assert await found(author) == [three["id"], two["id"], one["id"]]
    assert await found(author, kept=True) == [two["id"], one["id"]]
    assert await found(author, kept=False) == [three["id"]]
    assert await found(author, kept=True, status="draft") == [two["id"]]
    assert await found(author, note_class="progress") == [three["id"], one["id"]]
    assert await found(world.colleague) == [theirs["id"]]
    assert await found(world.there["clinician"]) == []
    assert (await author.get("/v1/notes", clinician_id=str(author.id))).status_code == 422
    first = ok(await author.get("/v1/notes", limit=2))
    second = ok(await author.get("/v1/notes", limit=2, cursor=first["next"]))
    assert [each["id"] for each in (*first["items"], *second["items"])] == await found(author)
    reads = [each for each in await told(world, "note.read") if each.actor_id == author.id]
    assert {row for each in reads for row in each.record_ids} == {
        one["id"],
        two["id"],
        three["id"],
    }
    for person in (world.admin, world.here["privacy_officer"], await software(world, *Scope)):
        refused_note(await person.get("/v1/notes"), 403)
    # of a case of an earlier role, and of no other
    ok(await world.admin.patch(f"/v1/users/{author.id}", {"role": "admin"}))
    assert await found(author) == [three["id"]]
    monkeypatch.setattr(notes, "own_notes", lambda *_: sa.true())
    assert theirs["id"] in await found(author)


@pytest.mark.parametrize("guard", ["may_keep_note"])
async def test_without_its_rule_a_draft_would_be_lost(
    world: World, monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    case = await world.clinician.case()
    draft = await drafted(world.clinician, case)
    await hand_over(world, case, world.colleague)
    ok(await world.clinician.get(path_of(draft)))
    monkeypatch.setattr(guards, guard, lambda *_: False)
    refused_note(await world.clinician.get(path_of(draft)), 404)
    # and were it too kind, and the statement as well that loads it, others would find it
    monkeypatch.setattr(guards, guard, lambda *_: True)
    refused_note(await world.stranger.get(path_of(draft)), 404)
    with unwalled(monkeypatch):
        ok(await world.stranger.get(path_of(draft)))


async def test_covers_end_with_a_transfer_those_to_come_too(world: World) -> None:
    case = await world.clinician.case()
    now, ahead = (
        await cover(world.clinician, case, world.stranger),
        await cover(world.clinician, case, world.stranger, first=20),
    )
    own = await cover(world.clinician, case, world.colleague)
    other = await cover(world.clinician, await world.clinician.case(), world.stranger)
    ok(await world.stranger.get(f"/v1/cases/{case['id']}"))
    await hand_over(world, case, world.colleague)
    refused_note(await world.stranger.get(f"/v1/cases/{case['id']}"), 404)
    entries = await told(world, "cover.ended")
    ended = {row for each in entries for row in each.record_ids}
    assert ended == {now["id"], ahead["id"], own["id"]}
    assert {each.actor_id for each in entries} == {world.supervisor.id}
    world.clock.forward(days=21)
    refused_note(await world.stranger.get(f"/v1/cases/{case['id']}"), 404)
    assert ok(await world.clinician.get(f"/v1/covers/{other['id']}"))["version"] == 1
    # the new clinician arranges it anew
    await cover(world.colleague, case, world.stranger)
    ok(await world.stranger.get(f"/v1/cases/{case['id']}"))


async def test_the_new_clinician_may_keep_covers_and_covers_for_nobody(world: World) -> None:
    case = await world.clinician.case()
    kept = await cover(world.clinician, case, world.stranger)
    own = await cover(world.clinician, case, world.colleague)
    await hand_over(world, case, world.colleague, keep_covers=True)
    ok(await world.stranger.get(f"/v1/cases/{case['id']}"))
    assert ok(await world.colleague.get(f"/v1/covers/{kept['id']}"))["version"] == 1
    (entry,) = await told(world, "cover.ended")
    assert entry.record_ids == [own["id"]]
    # handed on again, she does not come back by her old cover
    await link(world, world.supervisor, world.colleague)
    await hand_over(world, case, world.clinician)
    refused_note(await world.colleague.get(f"/v1/cases/{case['id']}"), 404)


async def test_a_late_report_is_about_whoever_had_the_case_then(world: World) -> None:
    case = await world.clinician.case()
    await link(world, world.supervisor, world.colleague)
    world.clock.forward(days=100)
    await hand_over(world, case, world.colleague)
    world.clock.forward(days=10)
    await link(world, world.stranger, world.colleague)
    await hand_over(world, case, world.stranger, by=world.supervisor)
    world.clock.forward(days=10)
    for ago, whose in (
        (90, world.clinician),
        (21, world.clinician),
        (20, world.colleague),
        (11, world.colleague),
        (10, world.stranger),
        (0, world.stranger),
    ):
        row = await world.stranger.incident(case, "hurtful_words", on=-ago)
        assert row["about_user_id"] == str(whose.id), ago
        assert row["restricted"] is False
    row = await world.stranger.incident(case, "absence", on=5, absence="illness", days=3)
    assert row["about_user_id"] == str(world.stranger.id)
    # that it is hers hides the case from her as a supervisor would not see it either
    refused_note(await world.colleague.get(f"/v1/cases/{case['id']}"), 404)


async def test_a_month_in_which_it_changed_hands_is_nobodys_and_kept_from_the_clinician(
    world: World,
) -> None:
    case = await world.clinician.case()
    await link(world, world.supervisor, world.colleague)
    world.clock.forward(days=5)
    await hand_over(world, case, world.colleague)
    for precision in ("month", "year"):
        row = await world.supervisor.incident(case, "hurtful_words", date_precision=precision)
        assert (row["about_user_id"], row["restricted"]) == (None, True)
        refused_note(await world.colleague.get(f"/v1/incidents/{row['id']}"), 404)
    before = await world.supervisor.incident(case, "hurtful_words", date_precision="month", on=-40)
    assert (before["about_user_id"], before["restricted"]) == (str(world.clinician.id), False)
    world.clock.forward(days=40)
    after = await world.supervisor.incident(case, "hurtful_words", date_precision="month", on=0)
    assert (after["about_user_id"], after["restricted"]) == (str(world.colleague.id), True)


async def test_what_is_read_in_late_is_about_whoever_had_the_case_then(world: World) -> None:
    made(await read_in(world, [case_line("c", world.clinician)]))
    (case,) = ok(await world.clinician.get("/v1/cases"))["items"]
    world.clock.forward(days=30)
    await hand_over(world, case, world.colleague)
    lines = [
        line("incident", key, case_key, incident("hurtful_words", world, on=-ago))
        for key, case_key, ago in (("i1", "c", 10), ("i2", case["id"], 10), ("i3", "c", 0))
    ]
    assert counts(made(await read_in(world, lines))) == (3, 0, 0)
    rows = ok(await world.colleague.get(f"/v1/cases/{case['id']}/incidents"))["items"]
    assert [row["about_user_id"] for row in rows] == [
        str(world.colleague.id),
        str(world.clinician.id),
        str(world.clinician.id),
    ]


async def test_two_readings_of_who_had_a_case_agree(world: World) -> None:
    people = [world.clinician, world.colleague, world.stranger]
    case = await world.clinician.case()
    day = world.clock.now.date()
    steps = [(0, None, 3), (0, 3, 3), (1, 3, 9), (None, 9, 12)]
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        for whose, since, until in steps:
            tx.add(
                CaseTenure(
                    clinic_id=world.clinician.clinic_id,
                    case_id=UUID(case["id"]),
                    clinician_id=None if whose is None else people[whose].id,
                    since_on=None if since is None else day + timedelta(days=since),
                    until_on=day + timedelta(days=until),
                    created_at=tx.now + timedelta(days=until),
                    updated_at=tx.now,
                )
            )
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.clinician.clinic_id)
        former = (await case_tenures.former_clinicians(tx, [UUID(case["id"])]))[UUID(case["id"])]
        for offset in range(-2, 15):
            then = day + timedelta(days=offset)
            expected = who_had_it(former, world.clinician.id, then, then)
            for person in people:
                for said in (
                    case_tenures.had_case_on(person.id, sa.literal(then, sa.Date())),
                    case_tenures.had_case_at(person.id, tx.now + timedelta(days=offset)),
                ):
                    asked = select(col(Case.id)).where(Case.id == UUID(case["id"]), said)
                    found = (await tx.exec(asked)).first() is not None
                    assert found is (person.id in expected), (offset, person.email)


async def test_a_supervisor_puts_right_whose_conduct_it_is(world: World) -> None:
    case, path = await world.clinician.case(), "/v1/incidents"
    row = await world.clinician.incident(case, "hurtful_words")
    hers, theirs = str(world.clinician.id), str(world.colleague.id)
    assert row["about_user_id"] == hers
    await cover(world.clinician, case, world.colleague)
    her_own = await world.colleague.incident(case, "hurtful_words", about_user_id=theirs)
    refused_note(await world.colleague.get(f"{path}/{her_own['id']}"), 404)
    # nobody else may, not even who recorded it
    diary = await software(world, *Scope)
    said = incident("hurtful_words", world)
    typed = made(await diary.post(f"/v1/cases/{case['id']}/incidents", said))
    for person, which in ((world.clinician, row), (diary, typed)):
        answer = await person.patch(f"{path}/{which['id']}", {"about_user_id": theirs}, 1)
        assert "put right by a supervisor" in refused_note(answer, 403)
        ok(await person.patch(f"{path}/{which['id']}", {"about_user_id": which["about_user_id"]}))
    refused_note(await world.stranger.patch(f"{path}/{row['id']}", {"about_user_id": None}, 1), 404)
    nobody = {"about_user_id": str(world.there["clinician"].id)}
    refused_note(await world.supervisor.patch(f"{path}/{row['id']}", nobody), 422)
    # it is another's: their conflict begins at once, and ends as soon
    third = str(world.stranger.id)
    await link(world, world.stranger, world.clinician)
    for about, status in ((third, 404), (None, 200)):
        ok(await world.supervisor.patch(f"{path}/{row['id']}", {"about_user_id": about}))
        assert (await world.stranger.get(f"/v1/cases/{case['id']}")).status_code == status
    entry = (await told(world, "incident.changed"))[-1]
    assert (entry.actor_id, entry.changed) == (world.supervisor.id, ["about_user_id"])
    # of who has the case it is hidden, as if it had been recorded so; hers stays open
    shown = ok(await world.supervisor.patch(f"{path}/{row['id']}", {"about_user_id": hers}))
    assert (shown["about_user_id"], shown["restricted"]) == (hers, False)
    shown = ok(await world.supervisor.patch(f"{path}/{her_own['id']}", {"about_user_id": hers}))
    assert (shown["about_user_id"], shown["restricted"]) == (hers, True)
    refused_note(await world.clinician.get(f"{path}/{her_own['id']}"), 404)
    entry = (await told(world, "incident.changed"))[-1]
    assert (entry.changed, entry.restricted) == (["about_user_id", "restricted"], True)
    both: dict[str, Any] = {"about_user_id": None, "restricted": False}
    ok(await world.supervisor.patch(f"{path}/{her_own['id']}", both))
    both["about_user_id"] = hers
    assert not ok(await world.supervisor.patch(f"{path}/{her_own['id']}", both))["restricted"]


async def test_no_supervisor_sheds_a_conflict(world: World) -> None:
    case = await world.clinician.case()
    await link(world, world.stranger, world.clinician)
    about = {"about_user_id": str(world.supervisor.id)}
    row = await world.stranger.incident(case, "hurtful_words", **about)
    path = f"/v1/incidents/{row['id']}"
    refused_note(await world.supervisor.patch(path, {"about_user_id": None}, 1), 404)
    # whoever says that it was they themselves does not see it from then on
    ok(await world.stranger.patch(path, {"about_user_id": str(world.stranger.id)}))
    refused_note(await world.stranger.patch(path, {"about_user_id": None}, 2), 404)
    ok(await world.supervisor.patch(path, {"about_user_id": None}))
    # and with a case of her own she has the clinician's rights only
    await hand_over(world, case, world.supervisor)
    mine = await world.supervisor.incident(case, "hurtful_words", on=0)
    answer = await world.supervisor.patch(f"/v1/incidents/{mine['id']}", {"about_user_id": None})
    assert "put right by a supervisor" in refused_note(answer, 403)


async def test_patterns_count_by_whose_conduct_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await world.clinician.case()
    await link(world, world.supervisor, world.colleague)
    world.clock.forward(days=20)
    await hand_over(world, case, world.colleague)
    world.clock.forward(days=10)
    heir, boss = world.colleague, world.supervisor
    await heir.incident(case, "hurtful_words", on=-15)
    await heir.incident(case, "crossing", area="time", on=-1)
    await heir.promise(case, made_on=world.day(-14), keepable="no")
    # about nobody: whoever had the case then
    await heir.incident(case, "risk", indicator="suicidal_ideation_active", on=-16)
    by_hand = {"severity": "low", "title": "A look", "because": "It seems wise."}
    made(await boss.post(f"/v1/cases/{case['id']}/flags", by_hand))
    raised = {flag["rule"] for flag in await boss.flag_list(case)}
    earlier = raised - {"crossing_undocumented", "manual"}
    assert {"hurtful_words", "promise_unkeepable"} < earlier

    async def rules(reader: Person, whose: Person) -> set[str]:
        found = await months(reader, clinician_id=str(whose.id))
        return {rule for month in found.values() for rule in month}

    assert await rules(boss, world.clinician) == earlier
    assert await rules(boss, heir) == {"crossing_undocumented", "manual"}
    assert await rules(heir, heir) == {"crossing_undocumented", "manual"}
    # she does not see the case any more, nor who answers for her alone
    assert await rules(world.clinician, world.clinician) == set()
    other = await _supervisor_of(world, world.clinician)
    assert await rules(other, world.clinician) == set()
    # put right, it counts for whom it is about
    (row,) = [
        each
        for each in ok(await boss.get(f"/v1/cases/{case['id']}/incidents"))["items"]
        if each["details"]["kind"] == "hurtful_words"
    ]
    said = {"about_user_id": str(heir.id), "restricted": False}
    ok(await boss.patch(f"/v1/incidents/{row['id']}", said))
    assert "hurtful_words" in await rules(boss, heir)
    assert "hurtful_words" not in await rules(boss, world.clinician)
    monkeypatch.setattr(patterns, "asks_about", lambda *_: sa.true())
    assert await rules(boss, heir) == raised


async def _supervisor_of(world: World, clinician: Person) -> Person:
    await link(world, world.stranger, clinician)
    return world.stranger


async def taken_on(world: World, case: dict[str, Any], by: Person) -> str:
    """Let somebody look at the flag of a case; give its path."""
    (flag, *_) = await by.flag_list(case)
    ok(await by.post(f"/v1/flags/{flag['id']}/acknowledge"))
    return f"/v1/flags/{flag['id']}"


async def _let_out(world: World, case: dict[str, Any]) -> Person:
    ok(await world.admin.patch(f"/v1/users/{world.stranger.id}", {"is_active": False}))
    return world.admin


async def _another_role(world: World, case: dict[str, Any]) -> Person:
    ok(await world.admin.patch(f"/v1/users/{world.stranger.id}", {"role": "clinician"}))
    return world.admin


async def _its_link_ended(world: World, case: dict[str, Any]) -> Person:
    who = str(world.stranger.id)
    (row,) = ok(await world.admin.get("/v1/supervisions", supervisor_id=who))["items"]
    assert (await world.admin.delete(f"/v1/supervisions/{row['id']}")).status_code == 204
    return world.admin


async def _its_link_changed(world: World, case: dict[str, Any]) -> Person:
    who = str(world.stranger.id)
    (row,) = ok(await world.admin.get("/v1/supervisions", supervisor_id=who))["items"]
    ok(await world.admin.patch(f"/v1/supervisions/{row['id']}", {"ends_on": world.day()}))
    return world.admin


async def _handed_over(world: World, case: dict[str, Any]) -> Person:
    await link(world, world.supervisor, world.colleague)
    await hand_over(world, case, world.colleague)
    return world.supervisor


async def _handed_to_who_looked(world: World, case: dict[str, Any]) -> Person:
    await link(world, world.supervisor, world.stranger)
    await hand_over(world, case, world.stranger)
    return world.supervisor


async def _kept_away(world: World, case: dict[str, Any]) -> Person:
    made(await world.stranger.post(f"/v1/cases/{case['id']}/recusals"))
    return world.stranger


async def _in_conflict(world: World, case: dict[str, Any]) -> Person:
    about = {"about_user_id": str(world.stranger.id)}
    await world.clinician.incident(case, "consent", **about)
    return world.clinician


GONE = {
    each.__name__.strip("_").replace("_", " "): each
    for each in (
        _let_out,
        _another_role,
        _its_link_ended,
        _its_link_changed,
        _handed_over,
        _handed_to_who_looked,
        _kept_away,
        _in_conflict,
    )
}


@pytest.mark.parametrize("way", GONE)
async def test_what_somebody_looked_at_who_is_gone_is_open_again(world: World, way: str) -> None:
    await link(world, world.stranger, world.clinician)
    case, other = await world.clinician.case(), await world.clinician.case()
    for each in (case, other):
        await world.clinician.incident(each, "hurtful_words")
    path = await taken_on(world, case, world.stranger)
    stays = await taken_on(world, other, world.supervisor)
    before = ok(await world.supervisor.get(path))
    assert (before["status"], before["assigned_to_id"]) == ("acknowledged", str(world.stranger.id))
    by = await GONE[way](world, case)
    after = ok(await world.supervisor.get(path))
    assert (after["status"], after["assigned_to_id"], after["acknowledged_at"]) == (
        "open",
        None,
        None,
    )
    assert (after["version"], after["due_at"]) == (before["version"] + 1, before["due_at"])
    (entry,) = await told(world, "flag.unassigned")
    assert (entry.actor_id, str(entry.case_id), entry.restricted) == (by.id, case["id"], False)
    assert entry.record_ids == [before["id"]]
    assert "flag.unassigned" in await happenings(world.supervisor, case)
    assert ok(await world.supervisor.get(stays))["status"] == "acknowledged"
    # and somebody else may look at it
    assert ok(await world.supervisor.post(f"{path}/acknowledge"))["status"] == "acknowledged"


async def test_a_grave_flag_that_is_open_again_is_a_fact_for_the_rules(world: World) -> None:
    await link(world, world.stranger, world.clinician)
    case = await world.clinician.case()
    await world.clinician.incident(case, "sexual_conduct", conduct="proposal")
    for flag in await world.stranger.flag_list(case):
        ok(await world.stranger.post(f"/v1/flags/{flag['id']}/acknowledge"))
    world.clock.forward(days=60)
    assert "no_oversight" not in await world.supervisor.flags(case)
    ok(await world.admin.patch(f"/v1/users/{world.stranger.id}", {"is_active": False}))
    assert "no_oversight" in await world.supervisor.flags(case)


async def test_a_hidden_conflict_is_not_told_by_a_flag(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await link(world, world.stranger, world.clinician)
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    path = await taken_on(world, case, world.stranger)
    hidden = {"about_user_id": str(world.stranger.id), "restricted": True}

    async def views() -> list[Any]:
        paths = (path, f"/v1/cases/{case['id']}/flags", f"/v1/cases/{case['id']}/timeline")
        return [ok(await world.clinician.get(each)) for each in paths]

    before = await views()
    await world.supervisor.incident(case, "sexual_conduct", conduct="contact", **hidden)
    refused_note(await world.stranger.get(path), 404)
    assert await views() == before
    # what she does herself does not tell her of it either
    about = {"about_user_id": str(world.colleague.id)}
    await world.clinician.incident(case, "consent", **about)
    assert ok(await world.clinician.get(path)) == before[0]

    async def careless(*args: Any, told: object) -> bool:
        return await sees_case(*args, told=None)

    monkeypatch.setattr(handover, "sees_case", careless)
    await world.clinician.incident(case, "consent", **about)
    assert ok(await world.clinician.get(path)) != before[0]


async def test_a_hidden_flag_is_open_again_by_a_hidden_conflict(world: World) -> None:
    await link(world, world.stranger, world.clinician)
    case = await world.clinician.case()
    await world.supervisor.incident(case, "hurtful_words")
    path = await taken_on(world, case, world.stranger)
    assert ok(await world.supervisor.get(path))["restricted"]
    hidden = {"about_user_id": str(world.stranger.id), "restricted": True}
    await world.supervisor.incident(case, "consent", **hidden)
    assert ok(await world.supervisor.get(path))["assigned_to_id"] is None
    (entry,) = await told(world, "flag.unassigned")
    assert entry.restricted


async def test_nobody_responds_to_their_own_advice(world: World) -> None:
    case = await world.clinician.case()
    whose = {**ASKED, "consultant_id": str(world.supervisor.id)}
    asked = made(await world.clinician.post(f"/v1/cases/{case['id']}/consultations", whose))
    path = f"/v1/consultations/{asked['id']}"
    ok(await world.clinician.post(f"{path}/request"))
    for move in ("accept", "start"):
        ok(await world.supervisor.post(f"{path}/{move}"))
    advice = {"outcome": "mixed", "advice": "talk it over"}
    ok(await world.supervisor.post(f"{path}/complete", advice))
    await hand_over(world, case, world.supervisor)
    answer = await world.supervisor.post(f"{path}/respond", {"response": "accepted"})
    assert "advice that they gave themselves" in refused_note(answer, 403)
    # whoever has the case answers for it, and who asked has left it
    refused_note(await world.clinician.post(f"{path}/respond", {"response": "accepted"}), 404)
    await link(world, world.stranger, world.supervisor)
    await hand_over(world, case, world.colleague, by=world.stranger)
    ok(await world.colleague.post(f"{path}/respond", {"response": "accepted"}))


async def test_what_a_transfer_kept_is_read_by_its_own_clinic_only(world: World) -> None:
    case = await world.clinician.case()
    await hand_over(world, case, world.colleague)
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.there["clinician"].clinic_id)
        assert (await tx.exec(select(CaseTenure))).all() == []
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.clinician.clinic_id)
        (tenure,) = (await tx.exec(select(CaseTenure))).all()
    assert (tenure.clinician_id, tenure.since_on, tenure.until_on, tenure.recorded_by_id) == (
        world.clinician.id,
        None,
        date.fromisoformat(world.day()),
        world.supervisor.id,
    )
