"""Many at once: nothing is doubled, and nothing is lost."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlmodel import col, select

from api.storage.models.clinical import Incident
from api.storage.models.journal import JournalEntry
from tests.support.world import Person, World, incident, made, ok, promise

pytestmark = pytest.mark.both_databases

AT_ONCE = 50
EDITS = 20


async def test_fifty_reports_at_once_leave_one_flag_a_rule_and_every_record(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/incidents"
    bodies = [
        incident("hurtful_words", world) if number % 2 else incident("crossing", world, area="time")
        for number in range(AT_ONCE)
    ]
    answers = await asyncio.gather(*(world.clinician.post(path, body) for body in bodies))
    reported = {made(answer)["id"] for answer in answers}
    assert len(reported) == AT_ONCE
    flags = await world.supervisor.flag_list(case)
    assert {flag["rule"]: flag["severity"] for flag in flags} == {
        "hurtful_words": "high",
        "crossing_undocumented": "low",
        "frame_drift": "moderate",
    }
    assert len(flags) == 3, "one unresolved flag for each rule"
    evidence = {item["id"] for flag in flags for item in flag["evidence"]}
    assert evidence == reported
    assert await _count_entries(world, reported) == AT_ONCE


async def test_writers_and_readers_at_once_agree_on_what_time_changed(world: World) -> None:
    case = await world.clinician.case()
    for day in range(10):
        made(
            await world.clinician.post(
                f"/v1/cases/{case['id']}/promises", promise(world, due_on=world.day(day))
            )
        )
    world.clock.forward(days=30)
    reads = [world.supervisor.get("/v1/flagged-cases") for _ in range(10)]
    writes = [
        world.clinician.post(
            f"/v1/cases/{case['id']}/incidents", incident("crossing", world, area="time")
        )
        for _ in range(10)
    ]
    answers = await asyncio.gather(*reads, *writes)
    assert {answer.status_code for answer in answers} == {200, 201}
    overdue = [
        flag for flag in await world.supervisor.flag_list(case) if flag["rule"] == "promise_broken"
    ]
    assert len(overdue) == 1
    assert len(overdue[0]["evidence"]) == 10


async def test_of_many_changes_to_one_version_exactly_one_succeeds(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words")
    path = f"/v1/incidents/{report['id']}"
    answers = await asyncio.gather(
        *(
            world.clinician.patch(path, {"narrative": f"telling {number}"}, version=1)
            for number in range(20)
        )
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [412] * 19
    async with world.owner.transaction() as tx:
        found = await tx.exec(
            select(col(Incident.version)).where(
                col(Incident.kind) == "hurtful_words", col(Incident.case_id) == UUID(case["id"])
            )
        )
        assert found.one() == 2


async def test_fifty_clients_change_one_case_and_lose_nothing(
    world: World, say: Callable[[str], None]
) -> None:
    case = await world.clinician.case(agreed_sessions=1)
    statuses = await _count_up(world.clinician, case, EDITS)
    done = statuses[200]
    shown = ok(await world.clinician.get(f"/v1/cases/{case['id']}"))
    steps, lost = shown["version"] - 1, done - (shown["agreed_sessions"] - 1)
    say(
        f"edits of one record: {AT_ONCE} clients, {EDITS} tries each: {done} succeeded, "
        f"{statuses[412]} came too late; {steps} version steps, {lost} lost updates"
    )
    assert (lost, steps) == (0, done)
    assert done >= EDITS


async def test_without_versions_updates_would_be_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.cases.check_version", lambda *_: None)
    case = await world.clinician.case(agreed_sessions=1)
    done = (await _count_up(world.clinician, case, 2))[200]
    shown = ok(await world.clinician.get(f"/v1/cases/{case['id']}"))
    assert shown["version"] - 1 == done
    assert shown["agreed_sessions"] - 1 < done


async def _count_up(person: Person, case: dict[str, str], edits: int) -> Counter[int]:
    """Let many clients read a number and write the next one; count what they are answered."""
    path, chance = f"/v1/cases/{case['id']}", random.Random(20260302)
    statuses: Counter[int] = Counter()

    async def client() -> None:
        for _ in range(edits):
            read = await person.get(path)
            # somebody thinks before they write, and others do not wait for them
            await asyncio.sleep(chance.random() / 20)
            if read.is_success:
                body = {"agreed_sessions": read.json()["agreed_sessions"] + 1}
                answer = await person.patch(path, body, int(read.headers["etag"].strip('"')))
                statuses[answer.status_code] += 1
            else:
                statuses[read.status_code] += 1

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    # whoever came too late, or waited too long for their turn, is told so
    assert statuses.keys() <= {200, 412, 503}
    return statuses


async def test_fifty_cases_opened_at_once_with_one_reference_become_one(world: World) -> None:
    body = {"client_ref": f"one-{world.clinician.id}", "started_on": world.day(-10)}
    answers = await asyncio.gather(
        *(world.clinician.post("/v1/cases", body) for _ in range(AT_ONCE))
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] + [409] * (AT_ONCE - 1)


async def _count_entries(world: World, ids: set[str]) -> int:
    async with world.owner.transaction() as tx:
        entries = await tx.exec(
            select(col(JournalEntry.record_ids)).where(
                col(JournalEntry.happening) == "incident.reported",
                col(JournalEntry.actor_id) == world.clinician.id,
            )
        )
        return sum(1 for row in entries if set(row) <= ids)
