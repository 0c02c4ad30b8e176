"""A clinic's old records, read in: the same rows, entries and flags as if they were typed."""

import asyncio
import csv
import gzip
import io
import json
import random
from collections.abc import AsyncIterator, Iterable
from math import inf
from typing import Any
from uuid import UUID

import pytest
from httpx import ASGITransport
from sqlalchemy.exc import IntegrityError

from api.domain.vocabulary import Scope
from api.flags.reconcile import WritesInARow
from api.http import middleware
from api.interop.bulk import parse, run_import
from api.interop.bulk.batch_lookup import BatchLookup
from api.interop.bulk.columns import all_columns, flatten
from api.interop.bulk.parse import read_csv, read_ndjson
from api.interop.bulk.refusals import Refused
from api.interop.bulk.run_import import Order, take_in
from api.interop.bulk.sender import EVERYTHING
from api.routes import imports
from api.storage.models.clinical import Case, Incident, Promise
from api.storage.models.flags import Flag, MonitoredFinding
from api.storage.models.integration import ImportedRecord
from api.storage.models.journal import JournalEntry
from tests.support.imports import (
    COMPLETED,
    CSV,
    NDJSON,
    REVIEW,
    SECRET,
    Record,
    a_file,
    as_operator,
    case_line,
    counts,
    diary_of,
    entries,
    line,
    ndjson,
    question,
    rows,
    send,
)
from tests.support.world import Person, World, incident, made, ok, promise, software

pytestmark = pytest.mark.both_databases


def as_csv(lines: Iterable[Record]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, all_columns())
    writer.writeheader()
    writer.writerows(map(flatten, lines))
    return out.getvalue().encode()


KINDS: list[tuple[str, Record]] = [
    ("expression", {"by": "client", "feelings": ["longing"]}),
    ("hurtful_words", {}),
    ("hurtful_words", {"repeated": True, "client_impact": "crisis"}),
    ("ending", {"stage": "ended", "ending": "therapist_initiated", "abrupt": True}),
    ("frame_change", {"direction": "tighten", "elements": ["email_replies"], "discussed": False}),
    ("risk", {"indicator": "ambiguous_statement", "on": -9}),
    ("cotreatment", {"coordinated": False}),
    ("oversight", {"available": False}),
    ("coercive_measure", {"measures": ["police_called"]}),
    ("absence", {"absence": "vacation", "days": 20, "on": -30}),
    ("contact", {"client_messages_30d": 20}),
    ("crossing", {"area": "time", "rationale": "it was late"}),
    ("record_request", {"request": "access", "on": -40}),
]
PROMISES: list[Record] = [
    {"keepable": "no"},
    {"keepable": "no", "kind": "personal_relationship", "scope": "outside_frame"},
    {"kind": "professional_availability", "open_ended": True, "keepable": "unknown"},
    {"state": "broken", "client_impact": "crisis"},
]


def several(world: World, seed: int) -> list[tuple[str, Record]]:
    """Write some records of one case, in an order of their own."""
    chance = random.Random(seed)
    kinds = [(kind, dict(details)) for kind, details in chance.sample(KINDS, 6)]
    told = [
        ("incident", incident(kind, world, restricted=chance.random() < 0.3, **details))
        for kind, details in kinds
    ]
    told += [("promise", promise(world, **each)) for each in chance.sample(PROMISES, 2)]
    told.append(("consultation", question()))
    chance.shuffle(told)
    # what a prompt asks of a clinician may be answered by what comes later
    raised, ended = (
        incident("ending", world, stage=stage, ending=ending)
        for stage, ending in (("raised", None), ("ended", "planned_mutual"))
    )
    return [("incident", raised), *told, ("incident", ended)]


async def typed(by: Person, case: Record, told: list[tuple[str, Record]]) -> None:
    for kind, body in told:
        made(await by.post(f"/v1/cases/{case['id']}/{kind}s", body))


async def flags_by_case(world: World, of: Person) -> dict[str, list[Record]]:
    """Give what the flags of each client say, but for the ids."""
    cases = {case.id: case.client_ref for case in await rows(world, Case, of)}
    found: dict[str, list[Record]] = {}
    for flag in await rows(world, Flag, of):
        said = flag.model_dump(exclude={"id", "clinic_id", "case_id", "evidence"})
        said["evidence"] = sorted(each["type"] for each in flag.evidence)
        del said["recorded_by_id"]
        found.setdefault(cases[flag.case_id], []).append(said)
    return {
        client: sorted(flags, key=lambda flag: (flag["rule"], flag["restricted"], flag["status"]))
        for client, flags in found.items()
    }


async def type_and_read_in(world: World, cases: int = 8) -> None:
    """Let the same be typed here and read in there."""
    here, there = world.clinician, world.there["clinician"]
    typing, reading_in = await diary_of(world, here), await diary_of(world, there)
    lines = []
    for number in range(cases):
        told = several(world, number)
        case = made(
            await typing.post(
                "/v1/cases", {"client_ref": f"ref c{number}", "clinician_id": str(here.id)}
            )
        )
        await typed(typing, case, told)
        lines.append(case_line(f"c{number}", there))
        lines += [
            line(kind, f"c{number}/{place}", f"c{number}", body)
            for place, (kind, body) in enumerate(told)
        ]
    done = made(await send(reading_in, ndjson(lines)))
    assert counts(done) == (12 * cases, 0, 0), done["refusals"]


async def test_records_read_in_are_those_that_typing_makes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # so that batches end in the midst of cases
    monkeypatch.setattr(run_import, "BATCH_LINES", 17)
    await type_and_read_in(world)
    here, there = world.clinician, world.there["clinician"]
    flags = await flags_by_case(world, here)
    assert flags == await flags_by_case(world, there)
    assert {flag["status"] for each in flags.values() for flag in each} == {"open", "withdrawn"}
    assert {flag["restricted"] for each in flags.values() for flag in each} == {True, False}
    assert await entries(world, here) == await entries(world, there)
    left_out = {"id", "clinic_id", "case_id", "recorded_by_id", "clinician_id", "text_key"}
    left_out |= {"client_ref_hash", "about_user_id"}
    for model in (Case, Incident, Promise):
        # names of people and rows differ, and nothing else does
        kept = [
            sorted(str(row.model_dump(exclude=left_out)) for row in await rows(world, model, of))
            for of in (here, there)
        ]
        assert kept[0] == kept[1]
    theirs = [row.about_user_id for row in await rows(world, Incident, there)]
    assert theirs.count(there.id) == [
        row.about_user_id for row in await rows(world, Incident, here)
    ].count(here.id)


async def test_what_the_clinic_has_set_holds_for_cases_read_in(world: World) -> None:
    for admin in (world.admin, world.there["admin"]):
        only_counted = {"hurtful_words": "monitor"}
        ok(await admin.send("PUT", "/v1/rules/modes", json=only_counted))
        ok(await admin.send("PUT", "/v1/rules/thresholds", json={"absence_days": 5}))
    await type_and_read_in(world, 4)
    here, there = world.clinician, world.there["clinician"]
    assert await flags_by_case(world, here) == await flags_by_case(world, there)
    one, other = [
        sorted((row.rule, row.severity, row.restricted) for row in found)
        for found in [await rows(world, MonitoredFinding, of) for of in (here, there)]
    ]
    assert one == other
    assert {rule for rule, *_ in one} == {"hurtful_words"}


async def test_rules_that_are_not_asked_after_each_record_are_found_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def add(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr(WritesInARow, "add", add)
    await type_and_read_in(world, 2)
    here, there = world.clinician, world.there["clinician"]
    assert await flags_by_case(world, here) != await flags_by_case(world, there)


async def test_a_file_sent_twice_changes_nothing_and_other_content_under_a_key_is_refused(
    world: World,
) -> None:
    diary = await diary_of(world, world.clinician)
    lines = a_file(world.clinician, world)
    first = await send(diary, ndjson(lines))
    assert counts(made(first)) == (16, 0, 0)
    assert first.json()["flags"] == {"hurtful_words": 4}
    assert first.headers["location"] == f"/v1/imports/{first.json()['id']}"
    assert first.headers["etag"] == f'"{first.json()["version"]}"'
    told = len(await entries(world, diary))
    # as CSV, or with what goes without saying, it is the same
    lines[0]["data"]["status"] = "active"
    again = made(await send(diary, as_csv(lines), CSV))
    assert counts(again) == (0, 16, 0)
    assert len(await entries(world, diary)) == told
    lines[1]["data"]["narrative"] = "other words"
    lines[2]["data"]["kind"] = "zz"
    other = made(await send(diary, ndjson(lines)))
    assert counts(other) == (0, 14, 2)
    assert other["refusals"] == [
        {
            "line": 2,
            "pointer": "/key",
            "message": "This key came before, with other content: an import changes no record; "
            "take another key.",
        },
        {
            "line": 3,
            "pointer": "/data/kind",
            "message": "This is not one of the known words; `GET /v1/vocabulary` lists them as "
            "`promise_kind`.",
        },
    ]
    read = await diary.get(f"/v1/imports/{other['id']}")
    shown = ok(read)
    assert shown == {name: other[name] for name in shown}
    assert read.headers["etag"] == f'"{other["version"]}"'
    path = f"/v1/imports/{other['id']}/refusals"
    page = ok(await diary.get(path, limit=1))
    rest = ok(await diary.get(path, limit=1, cursor=page["next"]))
    assert page["items"] + rest["items"] == other["refusals"]
    assert rest["next"] is None
    assert [each["id"] for each in ok(await diary.get("/v1/imports"))["items"]] == [
        other["id"],
        again["id"],
        first.json()["id"],
    ]


async def test_the_same_keys_in_two_clinics_are_two_records(world: World) -> None:
    for of in (world.clinician, world.there["clinician"]):
        lines = a_file(of, world, 1)
        done = made(await send(await diary_of(world, of), ndjson(lines)))
        assert counts(done) == (4, 0, 0)
    hashes = {
        name: {row.source_hash for row in await rows(world, ImportedRecord, of)}
        for name, of in (("here", world.clinician), ("there", world.there["clinician"]))
    }
    assert hashes["here"].isdisjoint(hashes["there"])


async def test_two_who_send_the_same_at_once_take_each_line_in_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_import, "BATCH_LINES", 5)
    diary = await diary_of(world, world.clinician)
    body = ndjson(a_file(world.clinician, world, 8))
    answers = await asyncio.gather(*(send(diary, body) for _ in range(3)))
    done = [counts(made(answer)) for answer in answers]
    assert [sum(each) for each in zip(*done, strict=True)] == [32, 64, 0]
    assert len(await rows(world, ImportedRecord, diary)) == 32
    assert len(await rows(world, Incident, diary)) == 8


async def test_a_key_that_was_not_looked_up_still_makes_no_second_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary = await diary_of(world, world.clinician)
    body = ndjson([case_line("c", world.clinician)])
    assert counts(made(await send(diary, body))) == (1, 0, 0)

    async def forget(*_: object) -> None:
        """Know nothing."""

    monkeypatch.setattr(BatchLookup, "_find_known", forget)
    monkeypatch.setattr(run_import, "_PAUSES", ())
    transport = world.http._transport
    assert isinstance(transport, ASGITransport)
    transport.raise_app_exceptions = False
    other = ndjson([case_line("c", world.clinician, client_ref="another")])
    assert (await send(diary, other)).status_code == 500
    assert len(await rows(world, Case, diary)) == 1


async def test_what_somebody_holds_just_now_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary = await diary_of(world, world.clinician)
    first, tries = run_import._Importer._try, list[int]()

    async def held(self: Any, lines: Any, **how: Any) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise IntegrityError(None, None, Exception())
        return await first(self, lines, **how)

    monkeypatch.setattr(run_import._Importer, "_try", held)
    monkeypatch.setattr(run_import, "_PAUSES", (0, 0))
    body = ndjson(a_file(world.clinician, world, 1))
    assert counts(made(await send(diary, body))) == (4, 0, 0)
    assert len(tries) == 3


async def test_records_may_come_to_a_case_that_was_typed(world: World) -> None:
    case, other = await world.clinician.case(), await world.clinician.case()
    diary = await diary_of(world, world.clinician)
    assert (await world.clinician.delete(f"/v1/cases/{other['id']}")).status_code == 204
    theirs = await world.there["clinician"].case()
    told = promise(world, keepable="no")
    lines = [line("promise", f"p/{each['id']}", each["id"], told) for each in (case, other, theirs)]
    done = made(await send(diary, ndjson(lines)))
    assert [(each["line"], each["pointer"]) for each in done["refusals"]] == [
        (2, "/case"),
        (3, "/case"),
    ]
    assert await world.supervisor.flags(case)


async def cut_off(world: World, by: Person, body: bytes) -> list[Record]:
    """Send a part of a file, and be gone; give what was answered to nobody."""
    token = await world.token_of(by)
    messages: list[Record] = [
        {"type": "http.request", "body": body, "more_body": True},
        {"type": "http.disconnect"},
    ]
    answered: list[Record] = []

    async def receive() -> Record:
        return messages.pop(0)

    async def take(message: Any) -> None:
        answered.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/imports",
        "raw_path": b"/v1/imports",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "server": ("notes.test", 80),
        "headers": [
            (b"authorization", f"Bearer {token}".encode()),
            (b"content-type", NDJSON.encode()),
        ],
    }
    await world.app(scope, receive, take)
    return answered


async def test_a_broken_connection_keeps_whole_batches_and_the_file_is_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_import, "BATCH_LINES", 6)
    diary = await diary_of(world, world.clinician)
    body = ndjson(a_file(world.clinician, world, 5))
    answered = await cut_off(world, diary, body[: len(body) * 3 // 4])
    assert answered[0]["status"] == 400
    (broken,) = ok(await diary.get("/v1/imports"))["items"]
    assert (broken["status"], counts(broken)) == ("broken_off", (12, 0, 0))
    assert broken["finished_at"] is None
    done = made(await send(diary, body))
    assert counts(done) == (8, 12, 0)
    assert len(await rows(world, Flag, diary)) == 5
    told = [row.happening for row in await rows(world, JournalEntry, diary)]
    of_imports = [told.count(f"import.{each}") for each in ("begun", "broken_off", "finished")]
    assert of_imports == [2, 1, 1]


async def test_an_import_that_is_being_read_is_running_and_one_that_ended_early_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_import, "BATCH_LINES", 1)
    diary = await diary_of(world, world.clinician)
    body = ndjson(a_file(world.clinician, world, 1))
    meanwhile, read = list[Record](), run_import._Importer.take

    async def looked_at(self: Any, lines: Any, **how: Any) -> Any:
        done = await read(self, lines, **how)
        meanwhile.append(ok(await diary.get("/v1/imports"))["items"][0])
        return done

    with monkeypatch.context() as patch:
        patch.setattr(run_import._Importer, "take", looked_at)
        whole = made(await send(diary, body))
    assert [each["status"] for each in meanwhile] == ["running"] * 3 + ["finished"]
    ended = list[Record]()
    monkeypatch.setattr(run_import, "MOST_LINES", 2)
    for _ in range(2):
        world.clock.forward(hours=1)
        assert (await send(diary, body)).status_code == 413
        ended.insert(0, ok(await diary.get("/v1/imports"))["items"][0])
    assert {each["status"] for each in ended} == {"broken_off"}

    async def listed(**filters: str) -> list[str]:
        return [each["id"] for each in ok(await diary.get("/v1/imports", **filters))["items"]]

    broken = [each["id"] for each in ended]
    assert await listed() == [*broken, whole["id"]]
    assert await listed(status="broken_off") == broken
    assert await listed(status="finished") == [whole["id"]]
    assert await listed(status="running") == []
    assert await listed(updated_since=ended[0]["updated_at"]) == broken[:1]
    assert await listed(updated_since=whole["updated_at"]) == [*broken, whole["id"]]
    assert (await diary.get("/v1/imports", status="over")).status_code == 422
    assert (await diary.get("/v1/imports", updated_since="today")).status_code == 422


async def test_an_import_whose_end_was_kept_is_finished_whatever_comes_after(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary = await diary_of(world, world.clinician)
    read = run_import._Importer.take

    async def lost(self: Any, lines: Any, **how: Any) -> Any:
        await read(self, lines, **how)
        raise OSError

    monkeypatch.setattr(run_import._Importer, "take", lost)
    body = ndjson(a_file(world.clinician, world, 1))
    assert (await send(diary, body)).status_code == 503
    (shown,) = ok(await diary.get("/v1/imports"))["items"]
    assert shown["status"] == "finished"


async def test_an_import_that_is_cancelled_is_broken_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_import, "BATCH_LINES", 1)
    diary = await diary_of(world, world.clinician)
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield ndjson(a_file(world.clinician, world, 1))
        begun.set()
        await asyncio.Event().wait()

    async with world.database.transaction() as tx:
        await tx.enter_for_work(diary.clinic_id)
        order = Order(tx.clinic, diary.id, "ndjson")
    reading_in = asyncio.create_task(take_in(world.database, order, read_ndjson(endless())))
    await begun.wait()
    reading_in.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading_in
    (shown,) = ok(await diary.get("/v1/imports"))["items"]
    assert shown["status"] == "broken_off"


async def test_where_nothing_can_be_kept_an_import_cannot_say_that_it_was_broken_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_import, "BATCH_LINES", 1)
    diary = await diary_of(world, world.clinician)
    begin, begun = run_import._Importer._begin, list[int]()

    async def twice(self: Any, tx: Any) -> Any:
        begun.append(1)
        if len(begun) > 1:
            raise OSError
        return await begin(self, tx)

    monkeypatch.setattr(run_import._Importer, "_begin", twice)
    monkeypatch.setattr(run_import, "MOST_LINES", 1)
    body = ndjson(a_file(world.clinician, world, 1))
    # what ended it is answered, not what came after
    assert (await send(diary, body)).status_code == 413
    assert len(begun) == 2
    (shown,) = ok(await diary.get("/v1/imports"))["items"]
    assert (shown["status"], shown["lines"]) == ("running", 1)


async def test_a_dry_run_finds_the_same_and_keeps_none_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a line may name what an earlier batch would have taken in
    monkeypatch.setattr(run_import, "BATCH_LINES", 3)
    # on a busy machine, too: each batch is a version
    monkeypatch.setattr(run_import, "BATCH_SECONDS", inf)
    diary = await diary_of(world, world.clinician)
    lines = sorted(a_file(world.clinician, world), key=lambda each: str(each["type"]))
    cases = [each for each in lines if each["type"] == "case"]
    others = [each for each in lines if each["type"] not in {"case", "consultation"}]
    asked = [each for each in lines if each["type"] == "consultation"]
    body = ndjson([*cases, *others, *asked, lines[0], {"type": "case", "key": 1}])
    looked = made(await send(diary, body, dry_run="true"))
    assert looked["dry_run"]
    kept = [await rows(world, model, diary) for model in (Case, Incident, ImportedRecord, Flag)]
    assert kept == [[], [], [], []]
    assert not await entries(world, diary)
    done = made(await send(diary, body))
    differing = {"id", "dry_run"}
    assert {name for name in done if done[name] != looked[name]} == differing
    assert counts(done) == (16, 1, 1)
    # and of what is in already it says so
    assert counts(made(await send(diary, body, dry_run="true"))) == (0, 17, 1)


async def test_batches_that_take_long_become_smaller_and_grow_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_import, "BATCH_LINES", 8)
    now, sizes, first = [0.0], list[int](), run_import._Importer._try
    monkeypatch.setattr(run_import, "monotonic", lambda: now[0])

    async def timed(self: Any, lines: Any, **how: Any) -> Any:
        sizes.append(len(lines))
        now[0] += 2 if len(sizes) < 5 else 0
        return await first(self, lines, **how)

    monkeypatch.setattr(run_import._Importer, "_try", timed)
    lines = [case_line(str(number), world.clinician) for number in range(31)]
    done = made(await send(await diary_of(world, world.clinician), ndjson(lines)))
    assert counts(done) == (31, 0, 0)
    assert sizes == [8, 4, 2, 1, 1, 2, 4, 8, 1]


async def test_a_dry_run_refuses_what_speaks_of_something_hidden_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_import, "BATCH_LINES", 2)
    diary = await diary_of(world, world.clinician)
    hidden = line("incident", "1/i", "1", incident("hurtful_words", world, restricted=True))
    asked = line("consultation", "1/q", "1", question(), incidents=["1/i"])
    body = ndjson([case_line("1", world.clinician), hidden, asked])
    looked = made(await send(diary, body, dry_run="true"))
    done = made(await send(diary, body))
    assert counts(looked) == counts(done) == (2, 0, 1)
    assert looked["refusals"] == done["refusals"]


async def test_a_promise_is_hidden_from_whom_its_line_says(world: World) -> None:
    """As of an incident: it takes a scope, is seen by few, and no request names it."""
    of = world.clinician
    hidden = line("promise", "1/p", "1", promise(world, keepable="no"), restricted=True)
    body = ndjson([case_line("1", of), hidden])
    plain = await diary_of(world, of, Scope.restricted_write)
    (refusal,) = made(await send(plain, body))["refusals"]
    assert (refusal["line"], refusal["pointer"]) == (2, "/restricted")
    diary = await diary_of(world, of)
    assert counts(made(await send(diary, body))) == (1, 1, 0)
    assert counts(made(await send(diary, body))) == (0, 2, 0)
    (row,) = await rows(world, Promise, of)
    assert row.restricted
    path = f"/v1/promises/{row.id}"
    assert (await of.get(path)).status_code == 404
    assert (await diary.get(path)).status_code == 404
    assert ok(await world.supervisor.get(path))["restricted"] is True
    (case,) = ok(await of.get("/v1/cases"))["items"]
    assert await world.supervisor.flags(case) != {}
    assert await of.flags(case, live=False) == {}
    # software brought it in under this key: what others call it tells them nothing of it
    other = await diary_of(world, of)
    assert counts(made(await send(other, ndjson([{**hidden, "case": str(case["id"])}])))) == (
        1,
        0,
        0,
    )
    asked = line("consultation", "1/q", "1", question(), promises=["1/p"])
    assert counts(made(await send(diary, ndjson([asked])))) == (0, 0, 1)


def bad_lines(world: World, of: Person) -> list[tuple[bytes, str]]:
    """Give hostile and mistaken lines, each with the pointer of its refusal."""

    def said(*changes: Record, kind: str = "promise", **more: Any) -> bytes:
        data = {**promise(world), **(changes[0] if changes else {})}
        return json.dumps(line(kind, f"k{SECRET}", "c0", data, **more)).encode()

    def told(kind: str, **fields: Any) -> bytes:
        return json.dumps(line("incident", "i", "c0", incident(kind, world, **fields))).encode()

    def asked(**more: Any) -> bytes:
        return json.dumps(line("consultation", "q", "c0", question(), **more)).encode()

    deep = b'{"type":' + b"[" * 40 + b"]" * 40 + b"}"
    return [
        (b"not json " + SECRET.encode(), ""),
        (b"[]", ""),
        (b'"' + SECRET.encode() + b'"', ""),
        (b"\xff\xfe" + SECRET.encode(), ""),
        (deep, ""),
        (b'{"type":"case","type":"case"}', ""),
        (said({"wording": "half \ud800 a character"}), ""),
        (said({"wording": "a nul \x00"}), ""),
        (said().replace(b'"made_by"', b'"x":NaN,"made_by"'), ""),
        (said().replace(b'"made_by"', b'"x":1e999,"made_by"'), ""),
        (b'{"type":"' + SECRET.encode() + b'"}', "/type"),
        (b"{}", "/type"),
        (json.dumps({"type": "case", "data": {"client_ref": "x"}}).encode(), "/key"),
        (json.dumps({**case_line("n", of), "key": " "}).encode(), "/key"),
        (json.dumps({**case_line("n", of), "key": "k" * 201}).encode(), "/key"),
        (json.dumps({**case_line("n", of), "clinician": f"{SECRET}@x"}).encode(), "/clinician"),
        (json.dumps({**case_line("n", of), "clinician": None}).encode(), "/clinician"),
        (json.dumps(case_line("n", of, clinician_id=str(of.id))).encode(), "/clinician"),
        (json.dumps(case_line("n", of, client_ref="ref c0")).encode(), "/data"),
        (json.dumps(case_line("n", of, started_on="2999-01-01")).encode(), "/data/started_on"),
        (json.dumps(case_line("n", of, **{SECRET: 1})).encode(), "/data"),
        (said().replace(b'"case": "c0"', b'"case": "nowhere"'), "/case"),
        (said({"made_on": "2026-03-03"}), "/data/made_on"),
        (said({"open_ended": "yes"}), "/data/open_ended"),
        (said({SECRET: 1}), "/data"),
        (said(history={"voided": {}}), "/history"),
        (said(kind="incident"), "/data/occurred_on"),
        (told("gift", direction="to_client", item=SECRET), "/data/details/item"),
        (told("hurtful_words", about_user_id=str(UUID(int=5))), "/about"),
        (told("disclosure", of="love", responded_on="2000-01-01"), "/data/details/responded_on"),
        (asked(incidents=["nothing"]), "/incidents"),
        (asked(promises=["c1/p"]), "/promises"),
        (asked(consultant="nobody@x"), "/consultant"),
        (asked(history=COMPLETED), "/history"),
        (
            asked(history={"requested_at": "2025-01-01T00:00:00Z"}),
            "/history",
        ),
        (
            json.dumps(line("consultation", "q", "c0", question(released=True))).encode(),
            "/data/released",
        ),
        (b'{"type":"case","key":"' + b"x" * 3_000 + b'"}', ""),
    ]


async def test_a_bad_line_is_told_by_number_and_field_and_repeats_nothing_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parse, "LONGEST_LINE", 2_000)
    diary = await diary_of(world, world.clinician)
    good = [json.dumps(each).encode() for each in a_file(world.clinician, world, 2)]
    bad = bad_lines(world, world.clinician)
    body = b"\xef\xbb\xbf" + b"\r\n".join([*good[:4], b"", *(raw for raw, _ in bad), *good[4:]])
    # the second case comes after: what names it is refused, and may be sent again
    done = made(await send(diary, body))
    assert counts(done) == (8, 0, len(bad))
    found = [(each["line"], each["pointer"]) for each in done["refusals"]]
    assert found == [(number, pointer) for number, (_, pointer) in enumerate(bad, 6)]
    assert SECRET not in json.dumps(done)
    assert all(each["message"] for each in done["refusals"])


async def test_csv_rows_are_refused_by_the_line_they_begin_on(world: World) -> None:
    diary = await diary_of(world, world.clinician)
    head = ["type", "key", "clinician", "case", "client_ref", "wording", *list(promise(world))[1:]]
    rows = [
        ["case", "c0", world.clinician.email, "", "ref c0"],
        [
            "promise",
            "p0",
            "",
            "c0",
            "",
            'one line\nand another; "quoted", =so',
            *list(promise(world).values())[1:],
        ],
        ["promise", "p1", "", "c0", "x", "words", *list(promise(world).values())[1:]],
        ["diary", "p2"],
        ["case", "c1", world.clinician.email, "", "'=ref"],
    ]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([*row, *[""] * (len(head) - len(row))] for row in rows)
    body = out.getvalue().encode() + b"too,few\r\n" + b"\xff" + b"," * (len(head) - 1) + b"\n"
    done = made(await send(diary, body, CSV))
    assert counts(done) == (3, 0, 4)
    assert [each["line"] for each in done["refusals"]] == [5, 6, 8, 9]
    (shown,) = ok(await world.clinician.get("/v1/promises"))["items"]
    assert shown["wording"] == 'one line\nand another; "quoted", =so'
    cases = ok(await world.clinician.get("/v1/cases"))["items"]
    assert {case["client_ref"] for case in cases} == {"ref c0", "=ref"}
    # one type a file needs no column of it
    plain = f"key,clinician,client_ref\nc9,{world.clinician.email},nine\n".encode()
    assert counts(made(await send(diary, plain, CSV, type="case"))) == (1, 0, 0)
    for header in (b"key,key\n", b"key,zz\n", b'"key\n'):
        assert ok(await send(diary, header, CSV, type="case"), 422)["errors"][0]["pointer"] == ""
    assert (await send(diary, plain, CSV)).status_code == 422


def as_sheet(of: Person, *keys: str, mark: str = ",", end: str = "\r\n") -> str:
    """Write cases as a spreadsheet does."""
    rows = [["key", "clinician", "client_ref", "setting"]]
    rows += [[key, of.email, f"Bäumler {key}", "clinic"] for key in keys]
    return "".join(mark.join(row) + end for row in rows)


async def references(world: World, of: Person) -> set[str]:
    return {case.client_ref for case in await rows(world, Case, of)}


async def test_rows_that_were_emptied_are_none(world: World) -> None:
    diary = await diary_of(world, world.clinician)
    mail = world.clinician.email
    for key, sheet in enumerate(
        (
            f"key,clinician,client_ref\r\nK,{mail},C\r\n,,\r\n,,\r\n",
            f"key,clinician,client_ref\r\n,,\r\n\r\nK,{mail},C\r\n \t, ,\xa0\r\n,,,,,\r\n,\r\n",
            f'\r\nkey,clinician,client_ref,,\r\n"","",\r\nK,{mail},C,,\r\n,,',
            # blanks around cells and names, and cells beyond the last name
            f" key , clinician\t,client_ref\r\nK ,  {mail} , C\t,,,\r\n",
        )
    ):
        body = sheet.replace("K,", f"K{key},").replace("K ", f"K{key} ").replace("C", f"C{key}")
        done = made(await send(diary, body.encode(), CSV, type="case"))
        assert counts(done) == (1, 0, 0), (body, done["refusals"])
        assert (done["lines"], len(await references(world, diary))) == (1, key + 1)
    assert await references(world, diary) == {"C0", "C1", "C2", "C3"}
    # what means nothing makes no other content of the same line
    again = f"key,clinician,client_ref\nK3,{mail},C3\n".encode()
    assert counts(made(await send(diary, again, CSV, type="case"))) == (0, 1, 0)


@pytest.mark.parametrize(
    ("charset", "declared", "mark", "end"),
    [
        ("utf-8", "", ";", "\r\n"),
        ("utf-8-sig", "", ";", "\r"),
        ("utf-8", "; charset=UTF-8; header=present", "\t", "\n"),
        ("utf-8", '; charset="utf-8"', ",", "\r"),
        # as spreadsheets save "Unicode text"
        ("utf-16", "", "\t", "\r\n"),
        ("utf-16", "; charset=utf-16", ",", "\r\n"),
        ("utf-16-be", "; charset=UTF-16BE", ",", "\n"),
        ("utf-16-le", "; charset=utf-16le", ";", "\r"),
        ("cp1252", "; charset=windows-1252", ";", "\r\n"),
        ("latin-1", "; charset=ISO-8859-1", ",", "\n"),
        # its own beginning goes before what is declared
        ("utf-16", "; charset=iso-8859-1", ",", "\n"),
        ("utf-8-sig", "; charset=windows-1252", ",", "\n"),
    ],
)
async def test_a_spreadsheet_is_read_as_it_says_that_it_is_written(
    world: World, charset: str, declared: str, mark: str, end: str
) -> None:
    diary = await diary_of(world, world.clinician)
    keys = [f"{charset}{declared[:14]}{ord(mark)}{ord(end[0])}/{number}" for number in range(2)]
    keys = [key.replace(";", "").replace(",", "") for key in keys]
    body = as_sheet(world.clinician, *keys, mark=mark, end=end).encode(charset)

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 3):
            yield body[start : start + 3]

    done = made(await send(diary, in_pieces(), CSV + declared, type="case"))
    assert counts(done) == (2, 0, 0), done["refusals"]
    assert {f"Bäumler {key}" for key in keys} <= await references(world, diary)
    assert counts(made(await send(diary, body, CSV + declared, type="case"))) == (0, 2, 0)
    # lines of JSON alike, and blank ones between
    said = json.dumps(case_line(f"é{keys[0]}", world.clinician), ensure_ascii=False)
    sent = f"{said}{end}{end}{said}{end}".encode(charset)
    done = made(await send(diary, sent, NDJSON + declared))
    # in one file the same key twice is the same line
    assert counts(done) == (1, 1, 0), done["refusals"]


async def test_a_first_line_may_say_the_mark_between_cells(world: World) -> None:
    diary = await diary_of(world, world.clinician)
    sheet = as_sheet(world.clinician, "s1", mark=";")
    for first in ("sep=;\r\n", '"sep=;"\r\n', "sep=;\n"):
        done = made(await send(diary, (first + sheet).encode(), CSV, type="case"))
        assert counts(done) in {(1, 0, 0), (0, 1, 0)}, done["refusals"]
    barred = "sep=|\n" + as_sheet(world.clinician, "s2", mark="|") + "s3|x\n"
    done = made(await send(diary, barred.encode(), CSV, type="case"))
    assert counts(done) == (1, 0, 1)
    assert done["refusals"][0]["line"] == 4
    assert "which has 4" in done["refusals"][0]["message"]


async def test_a_text_of_several_lines_stays_one_whatever_ends_a_line(world: World) -> None:
    diary = await diary_of(world, world.clinician)
    head = ["type", "key", "clinician", "case", "client_ref", "narrative", "occurred_on"]
    head += ["initiator", "reported_by", "details.kind"]
    for number, (end, inner) in enumerate((("\r", "\n"), ("\n", "\r"), ("\r\n", "\n"))):
        told = f'"one{inner}two; ""three"", four"'
        of_case = ["case", f"m{number}", world.clinician.email, "", f"m{number}", *[""] * 5]
        gap = ["2026-01-01", "client", "client", "competence_gap"]
        body = end.join(
            ",".join(row)
            for row in (
                head,
                of_case,
                ["incident", f"m{number}/i", "", f"m{number}", "", told, *gap],
                ["incident", "", "", "", "", told, *gap],
            )
        )
        done = made(await send(diary, body.encode(), CSV))
        assert counts(done) == (2, 0, 1), done["refusals"]
        # a line ends within a text only where that end is the file's own
        assert done["refusals"][0]["line"] == (5 if end == "\r\n" else 4)
    shown = ok(await world.clinician.get("/v1/incidents"))["items"]
    assert {each["narrative"] for each in shown} >= {'one\ntwo; "three", four'}


@pytest.mark.parametrize(
    ("body", "media", "status", "sentence"),
    [
        (b"key,clinician,client_reff\n", CSV, 422, "at place 3. Did you mean `client_ref`?"),
        (b"key,clinician,zqsecretwords\n", CSV, 422, "called as fields are: type, key, clinician"),
        (b"\nkey,clinician, key ,client_ref\n", CSV, 422, "Line 2, which names the columns, has"),
        (b"key,clinician\n1,2\n", CSV, 422, "no column `client_ref`, which every row needs."),
        (b"clinician,client_ref\n", CSV, 422, "no column `key`, which every row needs."),
        (b'"key\n', CSV, 422, "not a row of CSV"),
        ("key,client_ref,bäumler\n".encode("latin-1"), CSV, 422, "save the file as UTF-8."),
        ("key,client_ref\n".encode("utf-16-le"), CSV, 422, "save the file as UTF-8."),
        ("key,client_ref\n".encode("utf-16-le"), f"{CSV}; charset=utf-16", 422, "byte order mark"),
        (b"key,client_ref\n", f"{CSV}; charset=zqsecretwords", 415, "CSV UTF-8"),
        (b"key,client_ref\n", f"{CSV}; charset=utf-7", 415, "CSV UTF-8"),
        (b"clinician\n", f"{CSV}; charset=", 422, "no column `key`"),
        (b"{}\n", f"{NDJSON}; charset=rot13", 415, "CSV UTF-8"),
        (b"key,client_ref\n", f"{CSV}; charset=unicode_escape", 415, "CSV UTF-8"),
        (b"x" * 600_000, CSV, 422, "is too long. A line has at most 512 KiB."),
    ],
)  # fmt: skip
async def test_a_file_that_cannot_be_read_is_told_why_and_how_it_could(
    world: World, body: bytes, media: str, status: int, sentence: str
) -> None:
    answer = await send(await diary_of(world, world.clinician), body, media, type="case")
    assert answer.status_code == status, answer.text
    told = answer.json()["errors"][0]["message"] if status == 422 else answer.json()["detail"]
    assert sentence in told
    assert SECRET not in answer.text


async def test_others_have_their_turn_while_empty_rows_are_read() -> None:
    async def empty() -> AsyncIterator[bytes]:
        yield b"key,client_ref\n" + b",\n" * 5_000

    async def read() -> list[Any]:
        return [each async for each in read_csv(empty(), "case")]

    reading_them, turns = asyncio.create_task(read()), 0
    while not reading_them.done():
        await asyncio.sleep(0)
        turns += 1
    assert await reading_them == []
    assert turns >= 10


async def test_without_a_type_the_file_is_told_where_to_say_it(world: World) -> None:
    diary = await diary_of(world, world.clinician)
    answer = await send(diary, as_sheet(world.clinician, "1").encode(), CSV)
    assert "`?type=case` of a request" in ok(answer, 422)["errors"][0]["message"]
    answer = await send(diary, b"type,clinician\n", CSV)
    assert "no column `key`" in ok(answer, 422)["errors"][0]["message"]


async def test_a_line_is_refused_with_what_would_be_taken(world: World) -> None:
    diary = await diary_of(world, world.clinician)
    mail = world.clinician.email
    good = json.dumps(case_line("dup", world.clinician)).encode()
    twice = good.replace(b'"key": "dup"', b'"key": "dup", "key": "' + SECRET.encode() + b'"')
    unknown = good.replace(b'"key"', b'"clinicain": "x", "key"')
    wide = good.decode().encode("utf-16-le")
    done = made(await send(diary, b"\n".join([b"", twice, unknown, wide, b"\xe4"]), NDJSON))
    told = {each["line"]: each["message"] for each in done["refusals"]}
    assert told[2] == "A name stands twice in one object; say it once."
    assert told[3] == "A field here is not known. Did you mean `clinician`?"
    assert told[4].endswith("save the file as UTF-8.")
    assert told[5] == "This is not text in UTF-8; save or write it as UTF-8, and send it again."
    sheet = (
        f"type,key,clinician,client_ref,wording,setting,\n"
        f"case,k1,{mail},r1,{SECRET},clinic,\n"
        f"case,k2,{mail},r2,,{SECRET},\n"
        f"case,k3,{mail},r3,,clinic,{SECRET}\n"
        f"{SECRET},k4,{mail},r4,,clinic,\n"
        f"case,k5,{mail},r5\n"
        f'case,k6,{mail},"r"6,,clinic,\n'
    ).encode()
    done = made(await send(diary, sheet + b"case,k7,x,\xe4,,,\n", CSV))
    told = {each["line"]: each["message"] for each in done["refusals"]}
    assert told[2] == "A case has no column `wording`; leave this cell empty."
    assert told[3].startswith("This is not one of the known words: private_practice, clinic,")
    assert told[4] == "A cell stands under no name; name its column, or empty it."
    assert told[5].endswith("known words: case, incident, promise, consultation.")
    assert "which has 7; quote those" in told[6]
    assert "each quote twice" in told[7]
    assert told[8].endswith("save the file as UTF-8.")
    assert SECRET not in json.dumps(done)
    of_other = f"type,key,clinician,client_ref\npromise,k8,{mail},r8\n".encode()
    done = made(await send(diary, of_other, CSV, type="case"))
    assert done["refusals"][0]["message"] == "Each row is to be a case, as was asked for."
    # no letter of a text is another than was meant
    latin = f"key,clinician,client_ref\nk9,{mail},10 \x80\n".encode("latin-1")
    done = made(await send(diary, latin, f"{CSV}; charset=iso-8859-1", type="case"))
    assert counts(done) == (0, 0, 1)
    done = made(await send(diary, latin, f"{CSV}; charset=windows-1252", type="case"))
    assert counts(done) == (1, 0, 0)
    assert "10 €" in await references(world, diary)


async def test_a_file_in_utf_16_that_is_cut_off_or_has_half_a_character(world: World) -> None:
    diary = await diary_of(world, world.clinician)
    mail = world.clinician.email
    sheet = f"key,clinician,client_ref\nu1,{mail},whole\nu2,{mail},B\ud800\nu3,{mail},cut off"
    half = sheet.encode("utf-16-le", "surrogatepass")[:-1]
    done = made(await send(diary, b"\xff\xfe" + half, CSV, type="case"))
    assert [each["line"] for each in done["refusals"]] == [3, 4]
    assert done["created"] == 1


async def test_software_brings_in_what_its_scopes_say_for_as_long_as_they_say_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = world.clinician
    plain = await diary_of(world, of, Scope.restricted_write, Scope.consultations_create)
    lines = a_file(of, world, 1)
    lines[1]["data"]["restricted"] = True
    done = made(await send(plain, ndjson(lines)))
    assert [(each["line"], each["pointer"]) for each in done["refusals"]] == [
        (2, "/data/restricted"),
        (4, "/type"),
    ]
    reader = await software(world, Scope.cases_read)
    assert (await send(reader, b"")).status_code == 403
    # switched off while its file is read, it is not listened to any more
    monkeypatch.setattr(run_import, "BATCH_LINES", 4)
    body = ndjson([case_line(f"n{number}", of) for number in range(12)])
    began = run_import._Importer.take

    async def switched_off(self: Any, lines: Any, **how: Any) -> Any:
        taken = await began(self, lines, **how)
        ok(await world.admin.patch(f"/v1/service-accounts/{plain.id}", {"is_active": False}))
        return taken

    monkeypatch.setattr(run_import._Importer, "take", switched_off)
    assert (await send(plain, body)).status_code == 401
    assert len(await rows(world, Case, of)) == 1 + 4
    monkeypatch.undo()

    # and what keeps history out is this one guard
    async def everything(*_: Any, **__: Any) -> Any:
        return EVERYTHING

    monkeypatch.setattr(imports, "_rights", everything)
    told = line(
        "incident",
        "old",
        "c0",
        incident("gift", world, on=-400, direction="to_client", item="gift"),
    )
    diary = await diary_of(world, of)
    done = made(await send(diary, ndjson([{**told, "history": {"review": REVIEW}}])))
    assert counts(done) == (1, 0, 0)


async def test_a_file_has_its_limits_and_other_bodies_keep_theirs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary = await diary_of(world, world.clinician)
    large = ndjson(a_file(world.clinician, world, 1)) + b" " * 400_000
    assert counts(made(await send(diary, large))) == (4, 0, 0)
    refused = await diary.send("POST", "/v1/cases", content=large)
    assert refused.status_code == 413
    assert (await send(diary, b"{}", "application/json")).status_code == 415
    packed = {"Content-Type": NDJSON, "Content-Encoding": "gzip"}
    zipped = gzip.compress(ndjson(a_file(world.clinician, world, 1)))
    refused = await diary.send("POST", "/v1/imports", content=zipped, headers=packed)
    assert (refused.status_code, refused.headers["accept-encoding"]) == (415, "identity")
    assert len(ok(await diary.get("/v1/imports"))["items"]) == 1
    keyed = {"Content-Type": NDJSON, "Idempotency-Key": "one"}
    assert (await diary.send("POST", "/v1/imports", content=b"", headers=keyed)).status_code == 422
    many = ndjson(a_file(world.clinician, world, 2))
    monkeypatch.setattr(run_import, "MOST_LINES_REHEARSED", 3)
    assert (await send(diary, many, dry_run="true")).status_code == 413
    monkeypatch.setattr(run_import, "MOST_LINES", 6)
    assert (await send(diary, many)).status_code == 413
    assert len(await rows(world, ImportedRecord, diary)) == 6
    monkeypatch.setattr(middleware, "LARGEST_IMPORT", 1_000)
    assert (await send(diary, many)).status_code == 413

    async def unannounced() -> AsyncIterator[bytes]:
        for start in range(0, len(many), 500):
            yield many[start : start + 500]

    assert (await send(diary, unannounced())).status_code == 413


async def test_a_quoted_text_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "LONGEST_LINE", 1_000)

    async def body() -> AsyncIterator[bytes]:
        yield b'type,key\n"'
        for _ in range(3):
            yield b"\n" * parse.LONGEST_LINE

    (told,) = [each async for each in read_csv(body(), None)]
    assert isinstance(told.line, Refused)
    assert (told.number, told.line.message) == (2, "A line has at most 512 KiB.")


async def test_others_have_their_turn_while_a_long_file_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one connection, and a file that has come whole is waited for no more."""
    monkeypatch.setattr(run_import, "BATCH_LINES", 5)
    body = ndjson(a_file(world.clinician, world, 30))
    reading_in = asyncio.create_task(as_operator(world, world.clinician, body))
    turns = 0
    while not reading_in.done():
        async with world.database.transaction() as tx:
            await tx.enter_for_work(world.clinician.clinic_id)
        turns += 1
        await asyncio.sleep(0.001)
    assert (await reading_in).created == len(body.splitlines())
    assert turns >= len(body.splitlines()) / run_import.BATCH_LINES


async def test_a_quote_that_is_never_closed_says_which_rows_it_took_along(world: World) -> None:
    diary = await diary_of(world, world.clinician)
    rows = [f"q{number},{world.clinician.email},ref q{number}" for number in range(9)]
    rows[3] = f'q3,{world.clinician.email},"ref q3'
    body = "\r\n".join(["Key,Clinician,CLIENT_REF", *rows, ""]).encode()
    done = made(await send(diary, body, CSV, type="case"))
    assert counts(done) == (3, 0, 1)
    (refused,) = done["refusals"]
    assert refused["line"] == 5
    assert "lines 5 to 10 were read as one row, and none of them was taken" in refused["message"]


async def test_an_empty_sheet_is_no_finished_import(world: World) -> None:
    diary = await diary_of(world, world.clinician)
    for body in (b"", b"\r\n\r\n", b"sep=;\r\n"):
        answer = await send(diary, body, CSV, type="case")
        assert "its first line names the columns" in ok(answer, 422)["errors"][0]["message"]


async def test_a_misspelt_field_is_told_before_the_one_that_is_missing(world: World) -> None:
    diary = await diary_of(world, world.clinician)
    told = incident("crossing", world, area="role")
    told["occured_on"] = told.pop("occurred_on")
    lines = [case_line("c", world.clinician), line("incident", "i", "c", told)]
    (refused,) = made(await send(diary, ndjson(lines)))["refusals"]
    assert "Did you mean `occurred_on`?" in refused["message"]


async def test_what_a_charset_does_not_have_is_no_character(world: World) -> None:
    diary = await diary_of(world, world.clinician)
    for charset, none in (("windows-1253", b"\xd2\xaa"), ("iso-8859-8", b"\xc3\xa1")):
        row = b"key,clinician,client_ref\r\n1," + world.clinician.email.encode() + b"," + none
        done = made(await send(diary, row, f"text/csv; charset={charset}", type="case"))
        assert counts(done) == (0, 0, 1), charset


async def test_a_cell_may_be_as_long_as_its_line(world: World) -> None:
    diary = await diary_of(world, world.clinician)
    row = f'key,clinician,client_ref\r\n1,{world.clinician.email},"{"x" * 200_000}"\r\n'
    (refused,) = made(await send(diary, row.encode(), CSV, type="case"))["refusals"]
    assert refused["pointer"] == "/data/client_ref"
    assert "too long: the most is 200 characters" in refused["message"]


async def test_what_lines_raised_is_told_to_software_that_may_read_flags(world: World) -> None:
    told = incident("hurtful_words", world, repeated=True)
    for left_out, flags in (((), {"hurtful_words": 1}), ((Scope.flags_read,), {})):
        diary = await diary_of(world, world.clinician, *left_out)
        key = f"case {len(left_out)}"
        lines = [case_line(key, world.clinician), line("incident", key, key, told)]
        assert made(await send(diary, ndjson(lines)))["flags"] == flags
