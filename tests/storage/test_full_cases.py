"""A case with many records stops nobody, and takes as many records as is written down."""

import asyncio
import gc
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from api.domain.bodies import ConsultationCreate, IncidentCreate, PromiseCreate
from api.domain.rules import evaluate as rules
from api.domain.rules.evaluate import MOST_RECORDS, MOST_RESTRICTED
from api.domain.rules.facts import Facts
from api.domain.vocabulary import ConsultationStatus
from api.flags import case_facts, rule_runs
from api.records.create import new_consultation, new_incident, new_promise
from api.storage.models.clinical import Consultation, Incident, Promise
from api.storage.transaction import Transaction
from tests.domain import builders
from tests.support.checkout import DOCS
from tests.support.imports import case_line, counts, diary_of, line, ndjson, question, rows, send
from tests.support.world import Person, World, incident, made, ok, promise

pytestmark = pytest.mark.both_databases

FULL = "urn:boundary-notes:case-full"


TOLD: list[tuple[str, dict[str, Any]]] = [
    ("hurtful_words", {"repeated": True}),
    ("crossing", {"area": "time"}),
    ("gift", {"direction": "to_client", "item": "loan"}),
    ("risk", {"indicator": "suicidal_ideation"}),
    ("expression", {"by": "client", "feelings": ["love"]}),
    ("contact", {"therapist_participates": True, "social_meetings": True}),
    ("touch", {"touch": "holding", "planned_method": False, "times": 1}),
    ("frame_change", {"direction": "tighten", "elements": ["fee"], "discussed": False}),
]
"""What rules look at, of eight sorts; a promise and a consultation come to each."""


def records(tx: Transaction, world: World, case_id: UUID, number: int) -> Iterator[Any]:
    """Write rows of every sort, as they would stand after years."""
    here = case_id, world.clinician.id
    asked = tx.now - timedelta(days=2000)
    for each in range(number):
        back, sort = -(each % 900) - 1, each % (len(TOLD) + 2)
        if sort < len(TOLD):
            kind, details = TOLD[sort]
            body = IncidentCreate.model_validate(incident(kind, world, on=back, **details))
            yield new_incident(tx, body, *here, about=None, restricted=each % 50 == 0)
        elif sort == len(TOLD):
            said = promise(world, made_on=world.day(back), keepable="no", scope="outside_frame")
            yield new_promise(tx, PromiseCreate.model_validate(said), *here)
        else:
            row = new_consultation(tx, ConsultationCreate.model_validate(question()), *here)
            row.status, row.requested_at = ConsultationStatus.completed, asked
            row.completed_at = asked
            yield row


async def a_case_with(world: World, number: int) -> dict[str, Any]:
    """Open a case on which much is recorded."""
    case = await world.clinician.case()
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id, ZoneInfo("UTC"))
        for row in records(tx, world, UUID(case["id"]), number):
            tx.add(row)
    return case


async def report(by: Person, case: dict[str, Any], **fields: Any) -> Any:
    body = incident("hurtful_words", by.world, **fields)
    return await by.post(f"/v1/cases/{case['id']}/incidents", body)


# ------------------------------------------------------------------------------- beside the loop


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Where rules were run: each time, whether it was in the thread of the event loop."""
    seen: list[bool] = []
    really = rules.evaluate

    def evaluate(*told: Any) -> Any:
        seen.append(threading.current_thread() is threading.main_thread())
        return really(*told)

    monkeypatch.setattr(rule_runs, "evaluate", evaluate)
    return seen


async def test_rules_over_many_records_run_in_a_thread_and_over_few_at_once(
    world: World, threads: list[bool]
) -> None:
    made(await report(world.clinician, await world.clinician.case()))
    assert {*threads} == {True}, "a thread would cost a small case more"
    threads.clear()
    case = await a_case_with(world, rule_runs.ASKED_AT_ONCE + 1)
    threads.clear()
    made(await report(world.clinician, case))
    assert {*threads} == {False}


async def test_time_imports_and_previews_run_them_in_a_thread_too(
    world: World, threads: list[bool]
) -> None:
    case = await a_case_with(world, rule_runs.ASKED_AT_ONCE + 1)
    threads.clear()
    told = line("incident", "late", case["id"], incident("hurtful_words", world))
    done = ok(await send(await diary_of(world, world.clinician), ndjson([told])), 201)
    assert counts(done) == (1, 0, 0)
    assert {*threads} == {False}, "an import"
    threads.clear()
    world.clock.forward(days=400)
    assert await world.supervisor.queue()
    assert {*threads} == {False}, "time"
    threads.clear()
    body = {"thresholds": {"exceptions": 1}}
    ok(await world.admin.post("/v1/rules/preview", body))
    assert {*threads} == {False}, "a preview"


async def test_nobody_waits_for_the_rules_of_a_large_case(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stand still here until somebody else was served."""
    case = await a_case_with(world, rule_runs.ASKED_AT_ONCE + 1)
    others_were_served = threading.Event()
    really = rules.evaluate

    def evaluate(*told: Any) -> Any:
        assert others_were_served.wait(60), "the event loop was held"
        return really(*told)

    monkeypatch.setattr(rule_runs, "evaluate", evaluate)
    writing = asyncio.create_task(report(world.clinician, case))
    ok(await world.http.get("/healthz"))
    others_were_served.set()
    made(await writing)


async def test_a_case_is_read_in_pages_and_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await a_case_with(world, 3 * case_facts.PAGE + 30)
    lengths: list[int] = []
    read: list[Facts] = []
    really, run = case_facts._records, rules.evaluate

    async def records(*asked: Any) -> AsyncIterator[Any]:
        lengths.append(0)
        async for known in really(*asked):
            lengths[-1] += 1
            yield known

    def evaluate(told: Facts, now: Any, *before: Any) -> Any:
        read.append(told)
        return run(told, now, *before)

    monkeypatch.setattr(case_facts, "_records", records)
    monkeypatch.setattr(rule_runs, "evaluate", evaluate)
    made(await report(world.clinician, whole))
    mine = world.clinician
    there = {model: await rows(world, model, mine) for model in (Incident, Promise, Consultation)}
    (case, *_) = read
    assert [each.id for each in case.incidents] == sorted(each.id for each in there[Incident])
    assert [each.id for each in case.promises] == sorted(each.id for each in there[Promise])
    assert len(case.consultations) == len(there[Consultation])
    assert max(lengths) > 2 * case_facts.PAGE


@pytest.mark.parametrize("number", [2_000, MOST_RECORDS - 10])
async def test_how_long_a_write_to_a_large_case_takes(
    world: World, say: Callable[[str], None], request: pytest.FixtureRequest, number: int
) -> None:
    """A figure, and no bar: how busy the machine is decides it as much."""
    case = await a_case_with(world, number)
    made(await report(world.clinician, case))
    # as a server does when it starts: the collector need not walk all that the tests hold
    gc.collect()
    gc.freeze()
    request.addfinalizer(gc.unfreeze)
    stalls: list[float] = []
    beat = asyncio.create_task(_beat(stalls))
    wall, loop, process = time.perf_counter(), time.thread_time(), time.process_time()
    for back in range(3):
        made(await report(world.clinician, case, on=-back))
    beat.cancel()
    say(
        f"a write to a case of {number} records: {(time.perf_counter() - wall) / 3 * 1000:.0f} ms, "
        f"of processor {(time.process_time() - process) / 3 * 1000:.0f} ms, "
        f"{(time.thread_time() - loop) / 3 * 1000:.0f} ms of these in the event loop, which was "
        f"held for {max(stalls) * 1000:.0f} ms of processor at most"
    )


async def _beat(stalls: list[float]) -> None:
    while True:
        began = time.thread_time()
        await asyncio.sleep(0.001)
        stalls.append(time.thread_time() - began)


# ------------------------------------------------------------------------------- how many it takes


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a case take three records, and one restricted incident."""
    monkeypatch.setattr(case_facts, "MOST_RECORDS", 3)
    monkeypatch.setattr(case_facts, "MOST_RESTRICTED", 1)


async def _fill(world: World) -> dict[str, Any]:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    await world.clinician.promise(case)
    body = {"kind": "peer_consultation", "urgency": "routine", "question": "what now"}
    made(await world.clinician.post(f"/v1/cases/{case['id']}/consultations", body))
    return case


@pytest.mark.usefixtures("small")
async def test_a_full_case_takes_no_further_record_from_anybody_at_any_door(world: World) -> None:
    case = await _fill(world)
    diary = await diary_of(world, world.clinician)
    doors = {
        "incidents": incident("hurtful_words", world, restricted=False),
        "promises": promise(world),
        "consultations": question(),
    }
    for door, body in doors.items():
        for by in (world.clinician, world.supervisor, diary):
            answer = await by.post(f"/v1/cases/{case['id']}/{door}", body)
            if answer.status_code == 403:
                continue
            assert ok(answer, 409)["type"] == FULL, (door, by.role)
    for model in (Incident, Promise, Consultation):
        assert len(await rows(world, model, world.clinician)) == 1
    page = (await world.http.get("/problems/case-full")).text
    assert f"{MOST_RECORDS:,}" in page


@pytest.mark.usefixtures("small")
async def test_a_full_case_can_be_read_changed_reviewed_and_made_room_on(world: World) -> None:
    case = await _fill(world)
    told = ok(await world.clinician.get(f"/v1/cases/{case['id']}/incidents"))["items"][0]
    path = f"/v1/incidents/{told['id']}"
    ok(await world.clinician.patch(path, {"narrative": "told again"}))
    ok(
        await world.supervisor.post(
            f"{path}/review", {"determination": "normal_process", "review_note": "seen"}
        )
    )
    assert (await world.supervisor.delete(path)).status_code == 204
    made(await report(world.clinician, case))
    ok(await report(world.clinician, case), 409)


@pytest.mark.usefixtures("small")
async def test_what_is_hidden_takes_no_room_that_its_clinician_could_miss(world: World) -> None:
    case = await world.clinician.case()
    made(await report(world.supervisor, case, restricted=True))
    ok(await report(world.supervisor, case, restricted=True), 409)
    for _ in range(3):
        made(await report(world.clinician, case))
    ok(await report(world.clinician, case), 409)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("room", [1, 100])
async def test_an_import_refuses_the_lines_a_case_has_no_room_for(
    world: World, monkeypatch: pytest.MonkeyPatch, room: int, *, dry_run: bool
) -> None:
    """Batch by batch, also where a dry run keeps nothing of the batches before."""
    monkeypatch.setattr("api.interop.bulk.run_import.BATCH_LINES", room)
    lines = [case_line("c", world.clinician)]
    lines += [
        line("incident", f"i{each}", "c", incident("risk", world, indicator="self_harm"))
        for each in range(2)
    ]
    lines += [line("promise", f"p{each}", "c", promise(world)) for each in range(2)]
    lines += [line("consultation", "q", "c", question())]
    lines += [case_line("d", world.clinician), line("promise", "other", "d", promise(world))]
    answer = await send(
        await diary_of(world, world.clinician), ndjson(lines), dry_run=str(dry_run).lower()
    )
    done = ok(answer, 201 if not dry_run else answer.status_code)
    assert counts(done) == (6, 0, 2)
    assert [(each["line"], each["pointer"]) for each in done["refusals"]] == [
        (5, "/case"),
        (6, "/case"),
    ]
    assert all("This case is full" in each["message"] for each in done["refusals"])


def test_what_a_case_takes_stands_in_the_documents() -> None:
    for name in ("production.md", "import.md"):
        text = re.sub(r"\s+", " ", (DOCS / name).read_text())
        assert {f"{MOST_RECORDS:,}", f"{MOST_RESTRICTED:,}"} <= set(text.split()), name
    told = (DOCS / "openapi.json").read_text()
    assert told.count(f"A case takes {MOST_RECORDS:,} records") == 3


# ----------------------------------------------------------------------- each record looked at once


def _steps(case: Facts) -> int:
    """Count the lines of code that the rules take: no clock, so no busy machine matters."""
    taken = 0

    def count(*_: Any) -> Any:
        nonlocal taken
        taken += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        builders.findings(case)
    finally:
        sys.settrace(before)
    return taken


TOUCH: dict[str, Any] = {"touch": "holding", "planned_method": False, "times": 1}
FEE: dict[str, Any] = {"direction": "tighten", "elements": ["fee"], "discussed": False}
LEFT: dict[str, Any] = {"stage": "ended", "ending": "planned_mutual"}


@pytest.mark.parametrize("of", ["consultations", "ruptures", "departures"])
def test_twice_as_many_records_take_twice_as_long_and_not_four_times(of: str) -> None:
    def case(number: int) -> Facts:
        told: list[Any] = []
        for each in range(number):
            day = builders.ago(each % 20 + 1)
            if of == "consultations":
                told += [
                    builders.incident("touch", occurred_on=day, **TOUCH),
                    builders.consultation(completed_at=builders.noon(builders.ago(900))),
                ]
            elif of == "ruptures":
                told += [
                    builders.incident("frame_change", occurred_on=day, **FEE),
                    builders.incident("ending", occurred_on=day, initiator="client", **LEFT),
                ]
            else:
                told += [builders.incident("crossing", occurred_on=day, area="time")]
        return builders.facts(*told)

    few, many = _steps(case(100)), _steps(case(200))
    assert many < 2.5 * few
