"""A batch is asked about and written at once, and is what it was line by line and row by row."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from api.domain.details import AbsenceDetails
from api.domain.rules import evaluate as rules
from api.domain.rules.facts import Facts
from api.domain.rules.reads import READS
from api.domain.vocabulary import RuleName
from api.flags import lifecycle, reconcile
from api.flags.case_facts import open_file
from api.flags.several_files import open_files
from api.interop.bulk import run_import, take_batch
from api.journal import outbox
from api.journal.outbox import watch_anew
from api.records import create
from api.storage import transaction
from api.storage.models.clinical import Case, Consultation, Incident, Promise, RecordVersion
from api.storage.models.flags import Flag, MonitoredFinding
from api.storage.models.integration import (
    ImportedRecord,
    ImportRefusal,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
)
from api.storage.models.journal import JournalEntry
from api.storage.models.people import User
from api.storage.tenancy import date_new
from api.storage.transaction import Transaction
from tests.support.imports import (
    COMPLETED,
    REVIEW,
    Record,
    as_operator,
    case_line,
    line,
    ndjson,
    question,
    rows,
)
from tests.support.slow_rules import evaluate_slowly
from tests.support.world import Person, World, incident, made, ok, promise

pytestmark = pytest.mark.both_databases

MODELS: Sequence[Any] = (
    Case,
    Incident,
    Promise,
    Consultation,
    Flag,
    MonitoredFinding,
    RecordVersion,
    ImportedRecord,
    ImportRefusal,
    JournalEntry,
    WebhookEvent,
    WebhookDelivery,
)
OF_THE_CLINICS_KEYS = {"text_key", "client_ref_hash", "source_hash", "body_hash", "request_id"}
"""What is made with keys of the clinic's own, or of the case's; and which request it was."""

KINDS: list[tuple[str, Record]] = [
    ("expression", {"by": "client", "feelings": ["longing"]}),
    ("hurtful_words", {"repeated": True, "client_impact": "crisis"}),
    ("hurtful_words", {}),
    ("ending", {"stage": "ended", "ending": "therapist_initiated", "abrupt": True}),
    ("frame_change", {"direction": "tighten", "elements": ["fee"], "discussed": False}),
    ("frame_change", {"direction": "loosen", "elements": ["fee"]}),
    ("risk", {"indicator": "suicide_attempt", "on": -9}),
    ("risk", {"indicator": "ambiguous_statement", "on": -9}),
    ("absence", {"absence": "vacation", "days": 8, "coverage": False, "on": -30}),
    ("touch", {"touch": "holding", "planned_method": False, "times": 3}),
    ("crossing", {"area": "time", "on": -3}),
    ("exception", {"exception": "reduced_fee"}),
    ("gift", {"direction": "to_client", "item": "gift"}),
    ("gift", {"direction": "from_client", "item": "gift"}),
    ("outcome", {"trend": "worse", "months": 9}),
    ("competence_gap", {}),
    ("oversight", {"available": False}),
    ("disclosure", {"of": "feelings", "responses": ["shaming"]}),
]


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ask every rule about everything after each line, and write row by row."""
    move = reconcile._move

    async def ask(facts: Facts, now: Any, _last: Any = None) -> Any:
        return evaluate_slowly(facts, now)

    async def move_all(file: Any, run: Any, _last: Any = None) -> Any:
        return await move(file, run)

    async def write(self: Transaction, those: Sequence[Any]) -> None:
        await self.begin()
        with self._session.no_autoflush:
            await self._safe.prepare(self._ask, those)
        for row in those:
            date_new(row, self.instant)
            self._safe.seal(row)
            values = {name: getattr(row, name) for name in row.__table__.columns.keys()}  # noqa: SIM118 - of columns
            connection = await self._session.connection()
            await connection.execute(sa.insert(row.__table__), values)

    async def insert(connection: Any, table: Any, values: Any) -> None:
        for row in values:
            await connection.execute(sa.insert(table), row)

    with monkeypatch.context() as patched:
        patched.setattr(reconcile, "ask_rules", ask)
        patched.setattr(reconcile, "_move", move_all)
        patched.setattr(Transaction, "write_rows", write)
        patched.setattr(transaction, "insert_many", insert)
        for room in (create, lifecycle, outbox, take_batch):
            patched.setattr(room, "new_row", lambda model, **values: model(**values))
        yield


def a_file(world: World, of: Person, standing: Record, seed: int) -> bytes:
    """Write cases with much of everything, and more to a case that stood there before."""
    chance = random.Random(seed)
    lines = []
    for number in range(6):
        key = f"c{number}"
        lines += [case_line(key, of), *_records(world, chance, key, key)]
    lines.append(case_line("c1", of, client_ref="another"))
    lines.append(line("promise", "p/none", "nobody", promise(world)))
    lines += _records(world, chance, standing["id"], "standing")
    # records of cases that came in other batches
    lines += _records(world, chance, "c0", "again")
    return ndjson(lines)


def _records(world: World, chance: random.Random, case: str, name: str) -> list[Record]:
    told = []
    for place, (kind, details) in enumerate(chance.sample(KINDS, 9)):
        body = incident(
            kind, world, restricted=chance.random() < 0.25, narrative="the same words", **details
        )
        more: Record = {}
        if chance.random() < 0.3:
            more = {"history": chance.choice(({"review": REVIEW}, {"voided": {}}))}
        told.append(line("incident", f"{name}/{place}", case, body, **more))
    told += [
        line("promise", f"{name}/p{each}", case, promise(world, keepable="no", state=state))
        for each, state in enumerate(("open", "broken"))
    ]
    chance.shuffle(told)
    before = next(each["key"] for each in told if each["type"] == "incident")
    asked = line("consultation", f"{name}/q", case, question(), history=COMPLETED)
    told.append({**asked, "incidents": [before]})
    told += [line("promise", f"{name}/late", case, promise(world, keepable="doubtful"))]
    # what a prompt asks may be answered by what comes later
    raised, ended = (
        line(
            "incident", f"{name}/{stage}", case, incident("ending", world, stage=stage, ending=how)
        )
        for stage, how in (("raised", None), ("ended", "planned_mutual"))
    )
    return [raised, *told, ended]


async def read_in(world: World, people: dict[str, Person], seed: int) -> None:
    clinician = people["clinician"]
    standing = made(
        await clinician.post(
            "/v1/cases", {"client_ref": "stood before", "clinician_id": str(clinician.id)}
        )
    )
    await clinician.incident(standing, "hurtful_words")
    await clinician.promise(standing, keepable="no")
    ok(await people["admin"].send("PUT", "/v1/rules/modes", json={"consent_gap": "monitor"}))
    ok(await people["admin"].send("PUT", "/v1/rules/modes", json={"hurtful_words": "monitor"}))
    async with world.owner.transaction() as tx:
        await tx.enter(clinician.clinic_id, ZoneInfo("UTC"))
        for events in (["case.*", "flag.*"], ["flag.*", "incident.*"]):
            tx.add(
                Webhook(
                    clinic_id=clinician.clinic_id,
                    created_at=tx.now,
                    updated_at=tx.now,
                    name="ours",
                    url="https://hooks.example/",
                    events=events,
                )
            )
        await watch_anew(tx)
    done = await as_operator(world, clinician, a_file(world, clinician, standing, seed))
    assert (done.refused, done.created > 100) == (2, True)


async def everything(world: World, of: Person) -> dict[str, list[Record]]:
    """Give all rows, with names in place of ids: who or what, and the how manieth."""
    kept = {model: sorted(await rows(world, model, of), key=_place) for model in MODELS}
    names = {str(of.clinic_id): "here"}
    for model, found in (
        (User, sorted(await rows(world, User, of), key=lambda user: user.email)),
        *kept.items(),
    ):
        for place, row in enumerate(found):
            names[str(row.id)] = f"{model.__name__} {place}"
    return {
        model.__tablename__: [
            {
                name: _named(value, names)
                for name, value in row.model_dump(exclude=OF_THE_CLINICS_KEYS).items()
            }
            for row in found
        ]
        for model, found in kept.items()
    }


def _place(row: Any) -> Any:
    return row.id


def _named(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_named(each, names) for each in value]
    if isinstance(value, dict):
        return {name: _named(each, names) for name, each in value.items()}
    if isinstance(value, UUID | str):
        # ids of the import and of webhooks are told by nothing else
        return names.get(str(value), "an id" if isinstance(value, UUID) else value)
    return value


def of_there(world: World) -> dict[str, Person]:
    return {"clinician": world.there["clinician"], "admin": world.there["admin"]}


def of_here(world: World) -> dict[str, Person]:
    return {"clinician": world.clinician, "admin": world.admin}


def without_ids(kept: dict[str, list[Record]]) -> dict[str, list[Record]]:
    """Leave out what names the import, whose id is in a list as text, and the order of evidence."""
    for entry in kept["journal_entries"]:
        if entry["record_type"] in {"import", "webhook", "session", "user"}:
            entry["record_ids"] = len(entry["record_ids"])
    for name in ("flags", "monitored_findings"):
        for row in kept[name]:
            # it is ordered by ids, which are made by chance
            row["evidence"] = sorted(map(str, row["evidence"]))
    for row in kept["consultations"]:
        row["incident_ids"], row["promise_ids"] = (
            sorted(row["incident_ids"]),
            sorted(row["promise_ids"]),
        )
    return kept


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_import, "BATCH_LINES", 31)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_all_rows_are_what_every_rule_and_row_by_row_make(
    world: World, seed: int, request: pytest.FixtureRequest
) -> None:
    await read_in(world, of_here(world), seed)
    at_once = without_ids(await everything(world, world.clinician))
    request.getfixturevalue("one_by_one")
    await read_in(world, of_there(world), seed)
    slowly = without_ids(await everything(world, world.there["clinician"]))
    for table, found in at_once.items():
        assert found == slowly[table], table
    # and there was something to compare
    assert {flag["status"] for flag in at_once["flags"]} >= {"open", "withdrawn"}
    assert {flag["restricted"] for flag in at_once["flags"]} == {True, False}
    assert all(found for table, found in at_once.items() if table != "record_versions")


@pytest.mark.usefixtures("small_batches")
async def test_a_rule_that_reads_more_than_it_declares_is_found_out_by_its_flags(
    world: World, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """An absence of eight days is uncovered once a risk is known, whose line comes later."""
    monkeypatch.setitem(READS, RuleName.absence_uncovered, (AbsenceDetails,))
    monkeypatch.setattr(rules, "_READERS", rules._by_source(READS))
    told = [
        incident("absence", world, absence="vacation", days=8, coverage=False, on=-30),
        incident("risk", world, indicator="suicide_attempt", on=-9),
    ]
    found = []
    for of in (world.clinician, world.there["clinician"]):
        lines = [case_line("c", of)]
        lines += [line("incident", str(place), "c", body) for place, body in enumerate(told)]
        await as_operator(world, of, ndjson(lines))
        found.append({flag.rule for flag in await rows(world, Flag, of)})
        request.getfixturevalue("one_by_one")
    assert found[1] - found[0] == {"absence_uncovered"}


async def test_files_opened_together_are_those_opened_one_by_one(world: World) -> None:
    """Also of cases that were voided, or have hidden records and flags."""
    clinician = world.clinician
    await read_in(world, of_here(world), 4)
    cases = await rows(world, Case, clinician)
    voided = await clinician.case()
    await clinician.promise(voided, keepable="no")
    assert (await clinician.delete(f"/v1/cases/{voided['id']}")).status_code == 204
    async with world.database.transaction() as tx:
        await tx.enter_for_work(clinician.clinic_id)
        cases = list(await tx.exec(select(Case).order_by(col(Case.id))))
        together = await open_files(tx, cases)
        for case in cases:
            alone = await open_file(tx, case)
            file = together[case.id]
            assert (file.case, file.facts, file.hidden) == (alone.case, alone.facts, alone.hidden)
            assert file.facts.by_source == alone.facts.by_source
            assert file.flags == alone.flags
            assert file.monitored_rules == alone.monitored_rules
            assert file.monitored == alone.monitored
    kept = together.values()
    assert any(file.hidden for file in kept)
    assert any(file.monitored for file in kept)
    assert any(file.case.voided_at for file in kept)


async def test_others_have_their_turn_within_a_batch(
    world: World, monkeypatch: pytest.MonkeyPatch, say: Callable[[str], None]
) -> None:
    """Where each piece counts as too long, there is a turn for each line read, taken and asked."""
    standing = await world.clinician.case()
    body = a_file(world, world.clinician, standing, 5)
    turns, stalls = 0, list[float]()

    async def beat() -> None:
        nonlocal turns
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            stalls.append(time.thread_time() - began)
            turns += 1

    monkeypatch.setattr("api.interop.bulk.turns.LONGEST_TURN", -1.0)
    beating = asyncio.create_task(beat())
    done = await as_operator(world, world.clinician, body)
    beating.cancel()
    assert turns >= 3 * done.created
    assert done.created > 100
    say(f"an import of {done.lines} lines held the loop for {max(stalls) * 1000:.0f} ms at most")
