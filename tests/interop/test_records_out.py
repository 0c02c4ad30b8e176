"""A clinic's records written out, and read in again elsewhere: the same to the byte."""

import asyncio
import io
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, update
from typer.testing import CliRunner

from api.commands import import_export
from api.commands.cli import app
from api.commands.import_export import Form, _writer
from api.http.field_errors import NOT_JSON
from api.interop.bulk import run_import
from api.interop.bulk.columns import flatten, line_columns, nest
from api.interop.bulk.export import records_of
from api.interop.bulk.lines import LINE, LINE_OF
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.flags import Flag
from api.storage.models.integration import Import, ImportedRecord
from api.storage.models.journal import JournalEntry
from tests.support.imports import (
    COMPLETED,
    REVIEW,
    SECRET,
    a_file,
    as_operator,
    case_line,
    entries,
    line,
    ndjson,
    question,
    rows,
)
from tests.support.incidents import COMMON, KINDS, NEEDED
from tests.support.processes import environment
from tests.support.world import (
    DATA_KEY,
    NOON,
    SETTINGS_SECRET,
    Person,
    Urls,
    World,
    incident,
    made,
    ok,
    open_world,
    promise,
    software,
)

Record = dict[str, Any]
ANSWER = {"outcome": "mixed", "advice": "talk it over"}
EARLY, LATE = "2024-01-01T00:00:00Z", "2026-03-03T00:00:00Z"
TOLD = 'first line\r\nsecond; "quoted"\tand \\ more, =1+1 \u2028 ü'


async def written(world: World, of: Person, form: Form = Form.ndjson) -> bytes:
    """Write the records of somebody's clinic out, as the command does."""
    async with world.database.transaction() as tx:
        await tx.enter_for_work(of.clinic_id)
        clinic = tx.clinic
    out = io.StringIO()
    write = _writer(out, form, None)
    async for some in records_of(world.database, clinic, actor_id=of.id):
        for each in some.lines:
            write(each)
    return out.getvalue().encode()


async def a_full_life(world: World) -> None:
    """Play cases with every kind of record, and all that becomes of them."""
    me, above = world.clinician, world.supervisor
    case = await me.case(started_on="2025-01-01", sessions_per_week=1.5, is_minor=False)
    path = f"/v1/cases/{case['id']}"
    told = [
        made(await me.post(f"{path}/incidents", {**COMMON, "details": {"kind": kind, **said}}))
        for kind, said in KINDS.items()
    ]
    reviewed, changed, voided, nobodys, *_ = (each for each in told if each["about_user_id"])
    for each in (reviewed, changed):
        said = {"determination": "normal_process", "review_note": TOLD}
        ok(await above.post(f"/v1/incidents/{each['id']}/review", said))
    ok(await above.patch(f"/v1/incidents/{changed['id']}", {"narrative": TOLD}))
    gone = await me.delete(f"/v1/incidents/{voided['id']}", reason="duplicate")
    assert gone.status_code == 204
    ok(await above.patch(f"/v1/incidents/{nobodys['id']}", {"initiator": "client"}))
    await above.incident(case, "hurtful_words", narrative="'=and so")
    pledge = await me.promise(case, wording=TOLD, open_ended=True)
    await me.promise(case, due_on="2026-09-01", state="broken")
    hidden = await me.promise(case)
    async with world.owner.transaction() as tx:
        await tx.enter(me.clinic_id)
        is_it = col(Promise.id) == UUID(hidden["id"])
        await tx.exec(update(Promise).where(is_it).values(restricted=True))
    asked = question(incident_ids=[reviewed["id"], voided["id"]][:1], promise_ids=[pledge["id"]])
    for moves in range(6):
        drafted = made(await me.post(f"{path}/consultations", {**asked, "summary": "in short"}))
        consultation = f"/v1/consultations/{drafted['id']}"
        for by, move, body in (
            (me, "request", {}),
            (above, "accept", {}),
            (above, "start", {}),
            (above, "complete", ANSWER),
            (me, "respond", {"response": "not_followed", "reason": "because"}),
        )[:moves]:
            ok(await by.post(f"{consultation}/{move}", body))
    for move, by in (("decline", above), ("cancel", me)):
        drafted = made(await me.post(f"{path}/consultations", asked))
        ok(await me.post(f"/v1/consultations/{drafted['id']}/request"))
        ok(await by.post(f"/v1/consultations/{drafted['id']}/{move}", {"reason": "no time"}))
    handed = {"clinician_id": str(world.colleague.id), "reason": "leave"}
    ok(await above.post(f"{path}/transfer", handed))
    other = await me.case()
    await me.incident(other, "gift", direction="both", item="favour")
    assert (await me.delete(f"/v1/cases/{other['id']}")).status_code == 204


async def test_what_is_written_out_and_read_in_elsewhere_is_written_out_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_import, "BATCH_LINES", 20)
    await a_full_life(world)
    first = await written(world, world.clinician)
    lines = [json.loads(each) for each in first.splitlines()]
    assert {each["type"] for each in lines} == set(LINE_OF)
    assert TOLD in [each["data"].get("narrative") for each in lines]

    def moved(body: bytes, there: Person) -> bytes:
        here = world.clinician.clinic_id.hex.encode()
        return body.replace(here, there.clinic_id.hex.encode())

    theirs = world.there["supervisor"]
    done = await as_operator(world, theirs, moved(first, theirs))
    assert (done.created, done.refusals) == (len(lines), [])
    assert await written(world, theirs) == moved(first, theirs)
    # and so through CSV, whatever the words are
    third = (await world.clinic())["supervisor"]
    sheet = moved(await written(world, world.clinician, Form.csv), third)
    done = await as_operator(world, third, sheet, "csv")
    assert (done.created, done.refusals) == (len(lines), [])
    assert await written(world, third) == moved(first, third)
    assert await written(world, third, Form.csv) == sheet
    # what it reads in where it came from is known there, by its id
    back = await as_operator(world, world.clinician, first)
    assert (back.created, back.unchanged, back.refused) == (0, 0, len(lines))
    exported = [
        each
        for each in await rows(world, JournalEntry, world.clinician)
        if each.happening == "records.exported"
    ]
    assert all(each.is_read for each in exported)
    for model in (Case, Incident, Promise, Consultation):
        here = {str(row.id) for row in await rows(world, model, world.clinician)}
        kind = model.__name__.lower()
        of_kind = [each for each in exported if each.record_type == kind]
        assert {record_id for each in of_kind for record_id in each.record_ids} == here
    hidden = [each for each in exported if each.restricted]
    of_hidden = [
        *await rows(world, Incident, world.clinician),
        *await rows(world, Promise, world.clinician),
    ]
    assert {each for entry in hidden for each in entry.record_ids} == {
        str(row.id) for row in of_hidden if row.restricted
    }


def test_columns_say_all_that_a_line_can_and_each_one_thing() -> None:
    for kind in LINE_OF:
        assert "key" in line_columns(kind)
    for said_of in (KINDS, NEEDED):
        for kind, said in said_of.items():
            told = line("incident", "'k;1", "c\\", {**COMMON, "details": {"kind": kind, **said}})
            asked = LINE.validate_python(told).model_dump(mode="json", exclude_defaults=True)
            assert LINE.validate_python(nest("incident", flatten(asked))) == LINE.validate_python(
                told
            )
    links = line("consultation", "q", "c", question(), incidents=["a;b", "c\\", "'", ";"])
    assert nest("consultation", flatten(links))["incidents"] == links["incidents"]
    with pytest.raises(KeyError):
        nest("case", {"wording": "x"})


# ------------------------------------------------------------------------------------------ history


async def test_history_comes_in_as_it_stood_and_asks_nothing_that_was_settled(
    world: World,
) -> None:
    by, above = world.clinician, world.supervisor
    reviewed = {**REVIEW, "determination": "real_danger", "reviewed_by": above.email}
    measure = incident("coercive_measure", world, on=-400, measures=["police_called"])
    lines = [
        case_line("c", by),
        line("incident", "i", "c", measure, history={"review": reviewed}),
        line("incident", "v", "c", measure, history={"voided": {"reason": "duplicate"}}),
        line("incident", "u", "c", measure, history={"review": {**reviewed, "stands": False}}),
        line("promise", "p", "c", promise(world), history={"voided": {"on": "2025-01-01"}}),
        line("consultation", "q", "c", question(), consultant=above.email, history=COMPLETED),
    ]
    done = await as_operator(world, by, ndjson(lines))
    assert (done.created, done.refusals) == (6, [])
    told = {row.status: row for row in await rows(world, Incident, by)}
    assert sorted(told) == ["reported", "reviewed", "voided"]
    assert (told["reviewed"].reviewed_by_id, told["reviewed"].determination) == (
        above.id,
        "real_danger",
    )
    assert str(told["reviewed"].reviewed_at) == "2025-05-05 00:00:00+00:00"
    assert told["voided"].void_reason == "duplicate"
    (asked,) = await rows(world, Consultation, by)
    assert asked.due_at.isoformat() == "2025-03-31T09:00:00+00:00"
    # only the one that was changed since its review waits for another
    found = {flag.rule: flag for flag in await rows(world, Flag, by)}
    assert {each["id"] for each in found["danger_review_required"].evidence} == {
        str(told["reported"].id)
    }
    happened = [each[0] for each in await entries(world, by)]
    assert happened.count("incident.reviewed") == 2
    assert happened.count("incident.voided") == 1
    assert happened.count("consultation.completed") == 1


def _history(**said: Any) -> Record:
    return line("consultation", "q", "c", question(), history=said)


BAD_HISTORY: list[tuple[str, Callable[[World], Record]]] = [
    ("/history/review/reviewed_on", lambda w: _reviewed(w, reviewed_on="2026-03-03")),
    ("/history/review/reviewed_by", lambda w: _reviewed(w, reviewed_by="nobody@x")),
    ("/history/review/determination", lambda w: _reviewed(w, determination=SECRET)),
    (
        "/history/voided/on",
        lambda w: line("promise", "p", "c", promise(w), history={"voided": {"on": "2026-03-03"}}),
    ),
    ("/history/requested_at", lambda _: _history(requested_at="2025-01-01T00:00:00Z")),
    ("/history/requested_at", lambda _: _history(status="declined", reason="x")),
    ("/history/reason", lambda _: _history(status="cancelled")),
    ("/history/advice", lambda _: _history(**{**COMPLETED, "advice": None})),
    ("/history/advice", lambda _: _history(**{**COMPLETED, "status": "accepted"})),
    ("/history/accepted_at", lambda _: _history(**{**COMPLETED, "accepted_at": EARLY})),
    ("/history/completed_at", lambda _: _history(**{**COMPLETED, "completed_at": LATE})),
    ("/history/response_reason", lambda _: _history(**COMPLETED, response="not_followed")),
    ("/history/status", lambda _: _history(status=SECRET)),
    ("/history", lambda _: _history(**{SECRET: 1})),
    ("/data", lambda w: case_line("d", w.clinician, client_ref="ref c")),
    ("/clinician", lambda w: case_line("d", w.admin)),
    ("/consultant", lambda w: {**_history(), "consultant": w.stranger.email}),
    ("/consultant", lambda w: {**_history(), "consultant": w.admin.email}),
]


def _reviewed(world: World, **said: Any) -> Record:
    told = incident("hurtful_words", world)
    return line("incident", "i", "c", told, history={"review": {**REVIEW, **said}})


async def test_history_that_cannot_be_is_refused(world: World) -> None:
    lines = [case_line("c", world.clinician), *(make(world) for _, make in BAD_HISTORY)]
    done = await as_operator(world, world.clinician, ndjson(lines))
    assert (done.created, done.refused) == (1, len(BAD_HISTORY))
    assert [(number, why.pointer) for number, why in done.refusals] == [
        (number, pointer) for number, (pointer, _) in enumerate(BAD_HISTORY, 2)
    ]
    assert SECRET not in str(done.refusals)


class _BrokenError(Exception):
    """The program broke off in the midst of a batch."""


async def test_a_batch_that_fails_leaves_nothing_and_may_be_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_import, "BATCH_LINES", 4)
    body = ndjson(a_file(world.clinician, world, 3))
    note, noted = run_import._Importer._note, list[int]()

    async def fail_once(self: Any, *args: Any, **how: Any) -> None:
        await note(self, *args, **how)
        noted.append(1)
        if len(noted) == 2:
            raise _BrokenError

    monkeypatch.setattr(run_import._Importer, "_note", fail_once)
    with pytest.raises(_BrokenError):
        await as_operator(world, world.clinician, body)
    assert len(await rows(world, ImportedRecord, world.clinician)) == 4
    assert len(await rows(world, Flag, world.clinician)) == 1
    done = await as_operator(world, world.clinician, body)
    assert (done.created, done.unchanged) == (8, 4)
    first, _ = sorted(await rows(world, Import, world.clinician), key=lambda row: row.id)
    assert (first.status, first.lines) == ("broken_off", 4)


# -------------------------------------------------------------------------- on the command line


@pytest.fixture
def settings(new_urls: Urls) -> dict[str, str]:
    return {
        "database_url": new_urls.runtime,
        "secret_key": SETTINGS_SECRET.get_secret_value(),
        "data_key": DATA_KEY.get_secret_value(),
    }


def run(settings: dict[str, str], *arguments: object) -> Any:
    named = {f"BN_{name.upper()}": value for name, value in settings.items()}
    return CliRunner().invoke(app, [str(each) for each in arguments], env=named)


async def _a_clinic(urls: Urls) -> tuple[str, Person, bytes]:
    async with open_world(urls, NOON) as world:
        world.here["software"] = await software(world)
        return str(world.admin.clinic_id), world.clinician, ndjson(a_file(world.clinician, world))


def test_the_command_says_what_it_took_in_and_what_not(
    new_urls: Urls, settings: dict[str, str], tmp_path: Path
) -> None:
    clinic, who, body = asyncio.run(_a_clinic(new_urls))
    file, told = tmp_path / "old.ndjson", tmp_path / "refused.csv"
    file.write_bytes(body + SECRET.encode())
    command = ("import", file, "--clinic", clinic, "--as", who.email)
    looked = run(settings, *command, "--dry-run")
    assert (looked.exit_code, "no record was kept" in looked.stdout) == (1, True)
    done = run(settings, *command, "--refusals", told)
    assert done.exit_code == 1
    assert "Created: 16. Unchanged: 0. Refused: 1." in done.stdout
    assert "hurtful_words" in done.stdout
    assert told.read_text().splitlines() == ["line,pointer,message", f'17,,"{NOT_JSON}"']
    assert SECRET not in done.output
    file.write_bytes(body)
    again = run(settings, *command)
    assert (again.exit_code, "Unchanged: 16." in again.stdout) == (0, True)
    for wrong in (
        ("import", file, "--clinic", clinic, "--as", "nobody@x"),
        ("import", file, "--clinic", who.id, "--as", who.email),
        ("import", tmp_path / "nothing", "--clinic", clinic, "--as", who.email),
        (*command, "--format", "csv", "--type", "case"),
    ):
        assert run(settings, *wrong).exit_code == 2
    out = tmp_path / "out.ndjson"
    exported = run(settings, "export", out, "--clinic", clinic)
    assert (exported.exit_code, "can be read" in exported.output) == (0, True)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert len(out.read_text().splitlines()) == 16
    assert run(settings, "export", out, "--clinic", clinic).exit_code == 2
    account = who.world.here["software"].id
    # whose text was destroyed has nothing left to write
    with closing(sqlite3.connect(new_urls.owner.partition("///")[2])) as connection, connection:
        one = "(SELECT min(id) FROM cases)"
        connection.execute(f"UPDATE cases SET purged_at = created_at WHERE id = {one}")
    left = run(settings, "export", tmp_path / "less.csv", "--clinic", clinic, "--as", account)
    assert (left.exit_code, "Records written: 12." in left.output) == (0, True)
    assert "left out, because their texts were destroyed: 1." in left.output
    shown = run(settings, "export", "--clinic", clinic, "--format", "csv", "--type", "case")
    assert shown.stdout.startswith("type,key,clinician,client_ref,")


def test_the_command_reads_what_a_spreadsheet_wrote(
    new_urls: Urls, settings: dict[str, str], tmp_path: Path
) -> None:
    clinic, who, _ = asyncio.run(_a_clinic(new_urls))
    file, to = tmp_path / "old.csv", ("--clinic", clinic, "--as", who.email, "--type", "case")
    sheet = f"key;clinician;client_ref\r\nß1;{who.email};Bäumler\r\n;;\r\n"
    file.write_bytes(sheet.encode("cp1252"))
    unclear = run(settings, "import", file, *to)
    assert unclear.exit_code == 1
    assert "Refused: 1." in unclear.stdout
    done = run(settings, "import", file, *to, "--charset", "windows-1252")
    assert (done.exit_code, "Created: 1. Unchanged: 0. Refused: 0." in done.stdout) == (0, True)
    file.write_text(sheet, encoding="utf-16")
    again = run(settings, "import", file, *to)
    assert (again.exit_code, "Unchanged: 1." in again.stdout) == (0, True)
    for charset in ("base64", SECRET):
        other = run(settings, "import", file, *to, "--charset", charset)
        assert (other.exit_code, "CSV UTF-8" in " ".join(other.output.split())) == (2, True)
        assert SECRET not in other.output


def test_told_to_stop_the_command_ends_with_a_whole_batch(
    new_urls: Urls,
    settings: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clinic, who, body = asyncio.run(_a_clinic(new_urls))
    file = tmp_path / "old.ndjson"
    file.write_bytes(body)
    monkeypatch.setattr(run_import, "BATCH_LINES", 4)
    note = run_import._Importer._note

    async def then_stop(self: Any, *args: Any, **how: Any) -> None:
        await note(self, *args, **how)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(run_import._Importer, "_note", then_stop)
    command = ("import", file, "--clinic", clinic, "--as", who.email)
    stopped = run(settings, *command)
    assert (stopped.exit_code, "Broken off." in stopped.output) == (2, True)
    assert _cases(new_urls) == 1
    monkeypatch.undo()
    monkeypatch.setattr(run_import, "MOST_LINES", 8)
    too_many = run(settings, *command)
    assert (too_many.exit_code, "split the rest" in too_many.output) == (2, True)
    assert _cases(new_urls) == 2

    async def fail(*_: object, **__: object) -> None:
        raise SQLAlchemyError(SECRET)

    monkeypatch.setattr(import_export, "take_in", fail)
    failed = run(settings, *command)
    assert (failed.exit_code, SECRET in failed.output) == (2, False)


def test_a_killed_import_goes_on_where_it_was(
    new_urls: Urls, settings: dict[str, str], tmp_path: Path
) -> None:
    clinic, who, _ = asyncio.run(_a_clinic(new_urls))
    file = tmp_path / "old.ndjson"
    lines = 2_000
    file.write_bytes(ndjson(case_line(f"c{number}", who) for number in range(lines)))
    command = ["import", str(file), "--clinic", clinic, "--as", who.email]
    with subprocess.Popen(
        [sys.executable, "-m", "api", *command],
        env=environment(settings),
        stdout=subprocess.DEVNULL,
    ) as killed:
        while not _cases(new_urls) and killed.poll() is None:
            time.sleep(0.02)
        os.kill(killed.pid, signal.SIGKILL)
    before = _cases(new_urls)
    assert 0 < before < lines
    assert before % run_import.BATCH_LINES == 0
    done = run(settings, *command)
    assert f"Created: {lines - before}. Unchanged: {before}." in done.stdout
    assert _cases(new_urls) == lines


def _cases(urls: Urls) -> int:
    with closing(sqlite3.connect(urls.owner.partition("///")[2])) as connection:
        count: int = connection.execute("SELECT count(*) FROM cases").fetchone()[0]
        return count
