"""Clinical notes: who reads which, and what a signature holds fast."""

import asyncio
import base64
import hashlib
import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
import rfc8785
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from api.access import guards
from api.access.visibility import records
from api.access.visibility.records import may_keep_note, may_read_note
from api.domain.permissions.case_rules import Standing
from api.domain.permissions.table import Actor
from api.domain.vocabulary import NoteClass, NoteStatus, Role, Scope
from api.routes import notes, timeline
from api.storage.models.clinical import Case
from api.storage.models.journal import JournalEntry
from tests.support.guards import unwalled
from tests.support.notes import WORDS, drafted, listed, path_of, refused_note, signed
from tests.support.readings import happenings
from tests.support.world import Person, World, made, ok, software

CLASSES = ("progress", "psychotherapy", "supervision")


async def stand_in(world: World, case: dict[str, Any], who: Person, days: int = 5) -> None:
    """Let somebody stand in for the clinician."""
    span = {"starts_on": world.day(), "ends_on": world.day(days)}
    cover = {"case_id": case["id"], "user_id": str(who.id), **span}
    made(await world.clinician.post("/v1/covers", cover))


async def open_in_an_emergency(world: World, case: dict[str, Any]) -> None:
    """Let the supervisor who is linked to nobody open a case."""
    emergency = {"case_id": case["id"], "reason": "Nobody could be reached."}
    made(await world.stranger.post("/v1/break-glass", emergency))


async def hand_over(world: World, case: dict[str, Any], to: Person) -> None:
    """Hand a case to another clinician."""
    transfer = {"clinician_id": str(to.id), "reason": "on leave"}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", transfer))


async def test_a_note_is_drafted_reworded_and_signed(world: World) -> None:
    author, case = world.clinician, await world.clinician.case()
    answer = await author.post(
        f"/v1/cases/{case['id']}/notes", {"note_class": "supervision", "body": f"  {WORDS}\n"}
    )
    note = made(answer)
    assert answer.headers["location"] == path_of(note)
    assert answer.headers["etag"] == '"1"'
    nothing = dict.fromkeys(
        ("signed_at", "amends_id", "content_hash", "content_salt", "voided_at", "void_reason")
    )
    assert note == note | nothing | {
        "note_class": "supervision",
        "body": WORDS,
        "status": "draft",
        "case_id": case["id"],
        "recorded_by_id": str(author.id),
        "cosignatures": [],
        "version": 1,
    }
    world.clock.forward(minutes=5)
    changed = ok(await author.patch(path_of(note), {"note_class": "progress", "body": "shorter"}))
    assert (changed["note_class"], changed["body"], changed["version"]) == (
        "progress",
        "shorter",
        2,
    )
    assert ok(await author.patch(path_of(note), {}))["version"] == 2
    refused_note(await author.patch(path_of(note), {"body": "late"}, 1), 412)
    refused_note(await author.send("PATCH", path_of(note), json={"body": "x"}), 428)
    refused_note(await author.patch(path_of(note), {"body": None}), 422)
    world.clock.forward(minutes=5)
    final = ok(await author.post(f"{path_of(note)}/sign"))
    assert (final["status"], final["version"]) == ("signed", 3)
    assert final["signed_at"] == final["updated_at"] == "2026-03-02T12:10:00Z"
    assert ok(await author.get(path_of(note))) == final


async def test_a_long_note_is_taken_and_an_endless_one_is_not(world: World) -> None:
    case = await world.clinician.case()
    body = {"note_class": "progress", "body": "ü" * 40_000}
    # written out in the longest way that JSON has
    escaped = {"content": json.dumps(body), "headers": {"Content-Type": "application/json"}}
    path = f"/v1/cases/{case['id']}/notes"
    note = made(await world.clinician.send("POST", path, **escaped))
    assert ok(await world.clinician.get(path_of(note)))["body"] == body["body"]
    refused_note(await world.clinician.post(path, {**body, "body": "x" * 40_001}), 422)


async def test_a_voided_draft_leaves_the_lists_and_is_kept(world: World) -> None:
    author, case = world.clinician, await world.clinician.case()
    note, other = await drafted(author, case), await drafted(author, case)
    refused_note(await author.delete(path_of(note), 9), 412)
    gone = await author.delete(path_of(note), reason="duplicate")
    assert gone.status_code == 204
    assert await listed(author, case) == [other["id"]]
    kept = ok(await author.get(path_of(note)))
    assert (kept["body"], kept["void_reason"]) == (WORDS, "duplicate")
    for attempt in (
        author.patch(path_of(note), {"body": "x"}),
        author.delete(path_of(note)),
        author.post(f"{path_of(note)}/sign"),
        author.post(f"{path_of(note)}/amendments", {"body": "x"}),
    ):
        assert "voided" in refused_note(await attempt, 409)


async def test_a_signed_note_is_never_changed_voided_or_signed_again(world: World) -> None:
    author, case = world.clinician, await world.clinician.case()
    note = await signed(author, case)
    for attempt in (
        author.patch(path_of(note), {"body": "x"}),
        author.patch(path_of(note), {"body": "x"}, 1),
        author.delete(path_of(note)),
        author.post(f"{path_of(note)}/sign"),
    ):
        assert "already signed" in refused_note(await attempt, 409)
    assert ok(await author.get(path_of(note))) == note


async def test_two_who_sign_at_once_sign_once(world: World) -> None:
    author, case = world.clinician, await world.clinician.case()
    note = await drafted(author, case)
    answers = await asyncio.gather(*(author.post(f"{path_of(note)}/sign") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    answers = await asyncio.gather(
        *(world.supervisor.post(f"{path_of(note)}/cosign") for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert len(ok(await author.get(path_of(note)))["cosignatures"]) == 1


async def test_nothing_is_written_on_a_voided_case(world: World) -> None:
    author, case = world.clinician, await world.clinician.case()
    draft, note = await drafted(author, case), await signed(author, case)
    assert (await author.delete(f"/v1/cases/{case['id']}")).status_code == 204
    for attempt in (
        author.post(f"/v1/cases/{case['id']}/notes", {"note_class": "progress", "body": "x"}),
        author.post(f"{path_of(draft)}/sign"),
        author.post(f"{path_of(note)}/amendments", {"body": "x"}),
        world.supervisor.post(f"{path_of(note)}/cosign"),
    ):
        assert "voided" in refused_note(await attempt, 409)
    assert ok(await author.get(path_of(note))) == note


async def test_a_draft_does_not_exist_for_anybody_but_its_author(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await world.clinician.case()
    await stand_in(world, case, world.colleague)
    await open_in_an_emergency(world, case)
    authors = {world.clinician.id: await drafted(world.clinician, case)}
    authors[world.colleague.id] = await drafted(world.colleague, case)
    people = (world.clinician, world.colleague, world.supervisor, world.stranger)
    for person in people:
        hers = authors.get(person.id)
        assert await listed(person, case) == ([hers["id"]] if hers else [])
        for note in authors.values():
            if note is hers:
                assert ok(await person.get(path_of(note))) == note
                continue
            unknown = await person.get(f"/v1/notes/{uuid4()}")
            answers = [
                await person.get(path_of(note)),
                await person.patch(path_of(note), {"body": "x"}, 1),
                await person.delete(path_of(note), 1),
                await person.post(f"{path_of(note)}/sign"),
                await person.post(f"{path_of(note)}/amendments", {"body": "x"}),
            ]
            cosigning = await person.post(f"{path_of(note)}/cosign")
            if person.role == Role.supervisor:
                answers.append(cosigning)
            else:
                refused_note(cosigning, 403)
            for answer in answers:
                refused_note(answer, 404)
                assert {**answer.json(), "request_id": 0} == {**unknown.json(), "request_id": 0}
    # and were either guard away, it would be seen
    monkeypatch.setattr(records, "may_read_note", lambda *_: True)
    monkeypatch.setattr(notes, "visible_notes", lambda *_: sa.true())
    with unwalled(monkeypatch):
        ok(await world.supervisor.get(path_of(authors[world.clinician.id])))
    assert len(await listed(world.supervisor, case)) == 2


READERS = {
    "progress": {"clinician", "colleague", "supervisor", "stranger"},
    "supervision": {"clinician", "colleague", "supervisor"},
    "psychotherapy": {"clinician"},
}
"""Who reads a signed note of the clinician's: `colleague` stands in, `stranger` opened the case."""


async def test_a_signed_note_is_read_by_those_it_is_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await world.clinician.case()
    written = {each: await signed(world.clinician, case, each) for each in CLASSES}
    for outsider in (world.colleague, world.stranger, world.there["supervisor"]):
        refused_note(await outsider.get(f"/v1/cases/{case['id']}/notes"), 404)
        for note in written.values():
            refused_note(await outsider.get(path_of(note)), 404)
    await stand_in(world, case, world.colleague)
    await open_in_an_emergency(world, case)
    parts = ("clinician", "colleague", "supervisor", "stranger")
    assert await _read(world, case, written, parts) == READERS
    for part in ("consultant", "privacy_officer", "admin"):
        refused_note(await world.here[part].get(f"/v1/cases/{case['id']}/notes"), 403)
        refused_note(await world.here[part].get(path_of(written["progress"])), 403)
    diary = await software(world, *Scope)
    refused_note(await diary.get(f"/v1/cases/{case['id']}/notes"), 403)
    refused_note(await diary.get(path_of(written["progress"])), 403)
    monkeypatch.setattr(records, "may_read_note", lambda *_: True)
    with unwalled(monkeypatch):
        assert ok(await world.stranger.get(path_of(written["psychotherapy"])))["body"] == WORDS


async def _read(
    world: World, case: dict[str, Any], written: dict[str, dict[str, Any]], parts: tuple[str, ...]
) -> dict[str, set[str]]:
    """Say who reads which note: one by one, and in the list, which must agree."""
    readers: dict[str, set[str]] = {each: set() for each in written}
    for part in parts:
        seen = await listed(world.here[part], case)
        for each, note in written.items():
            answer = await world.here[part].get(path_of(note))
            assert (answer.status_code == 200) is (note["id"] in seen), (part, each)
            assert answer.status_code in {200, 404}
            if answer.status_code == 200:
                readers[each].add(part)
    return readers


async def test_a_note_of_who_stands_in_is_read_alike(world: World) -> None:
    case = await world.clinician.case()
    await stand_in(world, case, world.colleague)
    written = {each: await signed(world.colleague, case, each) for each in CLASSES}
    parts = ("clinician", "colleague", "supervisor")
    readers = await _read(world, case, written, parts)
    assert readers.pop("psychotherapy") == {"colleague"}
    assert list(readers.values()) == [set(parts)] * 2
    # the case's clinician reads it, and does not write in it
    note = written["progress"]
    author_only = "A note is changed, signed and amended by its author only."
    for answer in (
        await world.clinician.patch(path_of(note), {"body": "x"}),
        await world.clinician.delete(path_of(note)),
        await world.clinician.post(f"{path_of(note)}/sign"),
        await world.clinician.post(f"{path_of(note)}/amendments", {"body": "x"}),
    ):
        assert refused_note(answer, 403) == author_only
    hers = await signed(world.clinician, case)
    ok(await world.colleague.get(path_of(hers)))
    world.clock.forward(days=6)
    # what somebody wrote is not lost to them
    for each in written.values():
        ok(await world.colleague.get(path_of(each)))
    refused_note(await world.colleague.get(path_of(hers)), 404)


async def test_a_supervisor_who_keeps_away_reads_nothing(world: World) -> None:
    case = await world.clinician.case()
    note = await signed(world.clinician, case)
    ok(await world.supervisor.get(path_of(note)))
    made(await world.supervisor.post(f"/v1/cases/{case['id']}/recusals"))
    refused_note(await world.supervisor.get(f"/v1/cases/{case['id']}/notes"), 404)
    for answer in (
        await world.supervisor.get(path_of(note)),
        await world.supervisor.post(f"{path_of(note)}/cosign"),
    ):
        refused_note(answer, 404)


async def test_psychotherapy_notes_stay_their_authors_when_the_case_goes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    author, heir = world.clinician, world.colleague
    case = await author.case()
    written = {each: await signed(author, case, each) for each in CLASSES}
    draft = await drafted(author, case, "psychotherapy")
    await hand_over(world, case, heir)
    assert await listed(heir, case) == [written["supervision"]["id"], written["progress"]["id"]]
    for note in (written["psychotherapy"], draft):
        refused_note(await heir.get(path_of(note)), 404)
        refused_note(await world.supervisor.get(path_of(note)), 404)
        assert ok(await author.get(path_of(note))) == note
    # nothing else of the case comes with it
    for path in ("", "/notes", "/timeline", "/incidents"):
        refused_note(await author.get(f"/v1/cases/{case['id']}{path}"), 404)
    # who no longer treats anybody is refused_note like their whole role
    role = {"role": "privacy_officer"}
    ok(await world.admin.patch(f"/v1/users/{author.id}", role))
    refused_note(await author.get(path_of(draft)), 403)
    ok(await world.admin.patch(f"/v1/users/{author.id}", {"role": "clinician"}))
    monkeypatch.setattr(guards, "may_keep_note", lambda *_: False)
    refused_note(await author.get(path_of(draft)), 404)


async def test_a_conflict_of_interest_is_not_told_by_a_missing_note(world: World) -> None:
    author, case = world.clinician, await world.clinician.case()
    note = await signed(author, case, "psychotherapy")
    await world.supervisor.incident(case, "hurtful_words", about_user_id=str(author.id))
    await hand_over(world, case, world.colleague)
    assert ok(await author.get(path_of(note))) == note


def test_what_may_be_read_is_decided_by_one_pure_rule() -> None:
    author, reader = (Actor(uuid4(), Role.supervisor, uuid4()) for _ in range(2))
    names = ("own", "linked", "covering", "opened", "consulting", "service")
    for flags in itertools.product((False, True), repeat=len(names)):
        standing = Standing(**dict(zip(names, flags, strict=True)))
        for note_class, status in itertools.product(NoteClass, NoteStatus):
            about = (standing, note_class, status, author.id)
            assert may_read_note(author, *about) is not standing.service
            seen = may_read_note(reader, *about)
            if status == NoteStatus.draft or note_class == NoteClass.psychotherapy:
                assert not seen
            elif not standing.service and (standing.own or standing.linked or standing.covering):
                assert seen
            else:
                progress = note_class == NoteClass.progress
                assert seen is (standing.opened and progress and not standing.service)
    assert may_keep_note(author, author.id)
    assert not may_keep_note(reader, author.id)
    for role in set(Role) - {Role.clinician, Role.supervisor}:
        assert not may_keep_note(Actor(author.id, role, uuid4()), author.id)


def hash_of(note: dict[str, Any]) -> str:
    """Compute the hash of a note from what its reader was given, and nothing else."""
    names = ("amends_id", "body", "case_id", "id", "note_class", "signed_at")
    whole = {name: note[name] for name in names}
    whole |= {"author_id": note["recorded_by_id"], "salt": note["content_salt"]}
    return hashlib.sha256(rfc8785.dumps(whole)).hexdigest()


async def test_a_reader_can_compute_the_hash_again(world: World) -> None:
    case = await world.clinician.case()
    salts = set()
    for microseconds in (0, 1_000, 123_450, 1):
        world.clock.now = world.clock.now.replace(microsecond=microseconds)
        note = await signed(world.clinician, case, body='Ä "word"\n\u2028 and \U0001f33f')
        amendment = made(
            await world.clinician.post(f"{path_of(note)}/amendments", {"body": "more"})
        )
        for each in (note, amendment):
            read = ok(await world.supervisor.get(path_of(each)))
            assert read["content_hash"] == hash_of(read) == each["content_hash"]
            assert len(base64.urlsafe_b64decode(read["content_salt"] + "==")) >= 16
            salts.add(read["content_salt"])
        # each part of it counts
        for name in ("body", "note_class", "signed_at", "recorded_by_id", "content_salt", "id"):
            assert hash_of({**read, name: f"{read[name]}x"}) != read["content_hash"]
    assert len(salts) == 8


async def test_what_is_signed_is_sealed_with_its_salt(world: World) -> None:
    note = await signed(world.clinician, await world.clinician.case())
    async with world.owner.transaction() as tx:
        connection = await tx.connection()
        kept = await connection.execute(
            sa.text("SELECT body, content_salt FROM notes WHERE id = :id").bindparams(_id(note))
        )
        for stored in kept.one():
            assert stored.startswith("1.")
            assert WORDS not in stored
            assert note["content_salt"] not in stored


async def test_an_amendment_is_a_signed_note_that_points_at_the_first(world: World) -> None:
    author, case = world.clinician, await world.clinician.case()
    first = await signed(author, case, "supervision")
    world.clock.forward(hours=1)
    answer = await author.post(f"{path_of(first)}/amendments", {"body": "It was Tuesday."})
    second = made(answer)
    assert answer.headers["location"] == path_of(second)
    assert second == second | {
        "status": "signed",
        "signed_at": "2026-03-02T13:00:00Z",
        "note_class": "supervision",
        "amends_id": first["id"],
        "body": "It was Tuesday.",
        "version": 1,
    }
    third = made(await author.post(f"{path_of(second)}/amendments", {"body": "No, Monday."}))
    assert third["amends_id"] == first["id"]
    assert ok(await author.get(path_of(first))) == first
    assert "already signed" in refused_note(await author.patch(path_of(third), {"body": "x"}), 409)
    assert await listed(world.supervisor, case) == [third["id"], second["id"], first["id"]]
    draft = await drafted(author, case)
    assert "draft" in refused_note(
        await author.post(f"{path_of(draft)}/amendments", {"body": "x"}), 409
    )
    refused_note(await world.supervisor.post(f"{path_of(first)}/amendments", {"body": "x"}), 403)


async def test_a_linked_supervisor_co_signs_once_and_nobody_else_does(world: World) -> None:
    author, supervisor, case = world.clinician, world.supervisor, await world.clinician.case()
    await stand_in(world, case, world.colleague)
    await open_in_an_emergency(world, case)
    note = await signed(author, case)
    path = f"{path_of(note)}/cosign"
    world.clock.forward(minutes=1)
    cosigned = ok(await supervisor.post(path))
    assert cosigned["cosignatures"] == [
        {"user_id": str(supervisor.id), "at": "2026-03-02T12:01:00Z"}
    ]
    assert {**cosigned, "cosignatures": []} == note
    assert "already co-signed" in refused_note(await supervisor.post(path), 409)
    # its author, whoever stands in, and a supervisor who only opened the case
    refused_note(await author.post(path), 403)
    refused_note(await world.colleague.post(path), 403)
    refused_note(await world.stranger.post(path), 403)
    for person in (author, supervisor):
        page = ok(await person.get(f"/v1/cases/{case['id']}/notes"))
        assert page["items"] == [cosigned]
    ok(await supervisor.post(f"{path_of(await signed(author, case, 'supervision'))}/cosign"))
    refused_note(
        await supervisor.post(f"{path_of(await signed(author, case, 'psychotherapy'))}/cosign"), 404
    )


async def test_nobody_co_signs_a_note_of_their_own(world: World) -> None:
    supervisor, case = world.supervisor, await world.clinician.case()
    await stand_in(world, case, supervisor)
    note = await signed(supervisor, case)
    sentence = refused_note(await supervisor.post(f"{path_of(note)}/cosign"), 403)
    assert sentence == "Your own note is co-signed by somebody else."
    # and the clinician, who could read it, is no supervisor
    refused_note(await world.clinician.post(f"{path_of(note)}/cosign"), 403)


class _UndoneError(Exception):
    """The end of a trial: nothing of it is kept."""


def _id(note: dict[str, Any]) -> Any:
    return sa.bindparam("id", UUID(note["id"]), sa.Uuid())


TAMPERING = {
    "another text": "UPDATE notes SET body = 'x' WHERE id = :id",
    "a draft again": "UPDATE notes SET status = 'draft' WHERE id = :id",
    "voided": "UPDATE notes SET voided_at = updated_at WHERE id = :id",
    "the same": "UPDATE notes SET version = version WHERE id = :id",
    "deleted": "DELETE FROM notes WHERE id = :id",
}


async def _tampered(world: World, note: dict[str, Any], statement: str, *before: str) -> int:
    """Run a statement on a note as the owner of the tables; say how many rows it reached."""
    reached = 0
    with suppress(_UndoneError):
        async with world.owner.transaction() as tx:
            connection = await tx.connection()
            for each in before:
                await connection.exec_driver_sql(each)
            done = await connection.execute(sa.text(statement).bindparams(_id(note)))
            reached = done.rowcount
            raise _UndoneError
    return reached


async def test_the_database_refuses_every_change_of_a_signed_note(world: World) -> None:
    case = await world.clinician.case()
    draft, note = await drafted(world.clinician, case), await signed(world.clinician, case)
    for what, statement in TAMPERING.items():
        with pytest.raises(DBAPIError, match="a signed note does not change"):
            await _tampered(world, note, statement)
        assert await _tampered(world, draft, statement) == 1, what
    assert ok(await world.clinician.get(path_of(note))) == note


async def test_without_its_trigger_the_database_would_let_it_through(world: World) -> None:
    note = await signed(world.clinician, await world.clinician.case())
    drops = ["DROP TRIGGER signed_notes_stand ON notes"]
    if world.owner.engine.dialect.name == "sqlite":
        drops = [f"DROP TRIGGER signed_notes_stand_{each}" for each in ("update", "delete")]
    for what, statement in TAMPERING.items():
        assert await _tampered(world, note, statement, *drops) == 1, what
    # and it stands again
    with pytest.raises(DBAPIError, match="a signed note does not change"):
        await _tampered(world, note, TAMPERING["deleted"])


async def test_notes_are_listed_newest_first_by_class_status_and_day(world: World) -> None:
    author, case = world.clinician, await world.clinician.case()
    other = await signed(author, await author.case())
    one = await signed(author, case)
    world.clock.forward(days=1)
    two = await drafted(author, case, "psychotherapy")
    world.clock.forward(days=1)
    three = await signed(author, case, "supervision")
    everything = [three["id"], two["id"], one["id"]]
    assert other["id"] not in everything
    wanted: list[tuple[dict[str, Any], list[str]]] = [
        ({}, everything),
        ({"note_class": "progress"}, [one["id"]]),
        ({"status": "draft"}, [two["id"]]),
        ({"status": "signed"}, [three["id"], one["id"]]),
        ({"from": world.day(-1)}, everything[:2]),
        ({"to": world.day(-1)}, everything[1:]),
        ({"from": world.day(-1), "to": world.day(-1)}, [two["id"]]),
        ({"updated_since": three["updated_at"]}, [three["id"]]),
    ]
    for filters, expected in wanted:
        assert await listed(author, case, **filters) == expected, filters
    path, found = f"/v1/cases/{case['id']}/notes", []
    cursor: dict[str, str] = {}
    while True:
        page = ok(await author.get(path, limit=1, **cursor))
        found += [note["id"] for note in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == everything
    assert (await author.get(path, note_class="letter")).status_code == 422
    assert (await author.get(path, body=WORDS)).status_code == 422


async def test_the_timeline_tells_of_a_note_who_may_read_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await world.clinician.case()
    await stand_in(world, case, world.colleague)
    for by in (world.clinician, world.colleague):
        ok(await by.patch(path_of(await drafted(by, case)), {"body": "x"}))
        await world.clinician.delete(path_of(await drafted(by, case)))
        ok(await by.get(path_of(await signed(by, case, "psychotherapy"))))
        note = await signed(by, case)
        made(await by.post(f"{path_of(note)}/amendments", {"body": "more"}))
        ok(await world.supervisor.post(f"{path_of(note)}/cosign"))
    shared = ["note.signed", "note.amended", "note.cosigned"]
    hidden = [
        "note.drafted",
        "note.changed",
        "note.drafted",
        "note.voided",
        "note.drafted",
        "note.signed",
        "note.drafted",
    ]
    first, rest = ["case.opened", "cover.arranged"], list(hidden)
    # only the author voids: the colleague's second draft still stands
    rest.remove("note.voided")
    diary = await software(world, *Scope)
    told = {
        world.clinician.id: first + hidden + shared + shared,
        world.colleague.id: first + shared + rest + shared,
        world.supervisor.id: first + shared + shared,
        diary.id: first,
    }
    for person in (world.clinician, world.colleague, world.supervisor, diary):
        assert await happenings(person, case) == told[person.id], person.role
    answer = await world.clinician.get(f"/v1/cases/{case['id']}/timeline", limit=100)
    assert WORDS not in answer.text
    # whoever has the case next, and its supervisor, is told no more
    await hand_over(world, case, world.stranger)
    last = ["case.transferred", "cover.ended"]
    assert await happenings(world.stranger, case) == [*first, *shared, *shared, *last]
    monkeypatch.setattr(timeline, "_told_to", lambda *_: sa.true())
    assert "note.drafted" in await happenings(world.stranger, case)


async def test_every_reading_of_a_note_is_journalled(world: World) -> None:
    author, case = world.clinician, await world.clinician.case()
    secret, note = await signed(author, case, "psychotherapy"), await signed(author, case)
    reads: list[tuple[Callable[[], Any], list[tuple[UUID, bool, list[str]]]]] = [
        (lambda: author.get(path_of(secret)), [(author.id, True, [secret["id"]])]),
        (lambda: world.supervisor.get(path_of(secret)), []),
        (
            lambda: world.supervisor.get(path_of(note)),
            [(world.supervisor.id, False, [note["id"]])],
        ),
        (
            lambda: author.get(f"/v1/cases/{case['id']}/notes"),
            [(author.id, False, [note["id"]]), (author.id, True, [secret["id"]])],
        ),
        (lambda: author.get(f"/v1/cases/{case['id']}/notes", status="draft"), []),
    ]
    told: list[tuple[UUID, bool, list[str]]] = []
    for read, expected in reads:
        await read()
        told += expected
        async with world.owner.transaction() as tx:
            rows = await tx.exec(
                select(JournalEntry)
                .where(JournalEntry.case_id == UUID(case["id"]))
                .where(JournalEntry.happening == "note.read", col(JournalEntry.is_read))
                .order_by(col(JournalEntry.id))
            )
            found = [(row.actor_id, row.restricted, row.record_ids) for row in rows]
        assert found == told


async def test_no_rule_looks_at_a_note(world: World) -> None:
    case = await world.clinician.case()
    async with world.owner.transaction() as tx:
        statement = select(Case).where(col(Case.id) == UUID(case["id"]))
        before = (await tx.exec(statement)).one().updated_at
    note = await signed(world.clinician, case, body="They want to die, and I promised to stay.")
    ok(await world.supervisor.post(f"{path_of(note)}/cosign"))
    assert await world.supervisor.flag_list(case, live=False) == []
    async with world.owner.transaction() as tx:
        assert (await tx.exec(statement)).one().updated_at == before
