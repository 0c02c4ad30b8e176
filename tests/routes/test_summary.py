"""Supervision at a glance: the numbers are those of the lists, for each as far as they see."""

from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from api.routes import summary
from tests.support.cases import linked
from tests.support.world import NOON, Person, Urls, World, made, ok, open_world, software

pytestmark = pytest.mark.both_databases

NOTE = {"determination": "normal_process", "resolution_note": "looked at together"}
GRAVEST_FIRST = ("critical", "high", "moderate", "low")


async def glance(person: Person, **filters: Any) -> dict[str, Any]:
    """Read what waits."""
    return ok(await person.get("/v1/summary", **filters))


async def waiting(person: Person, **filters: Any) -> list[dict[str, Any]]:
    """Give the unresolved flags that a person's list shows."""
    shown = ok(await person.get("/v1/flags", limit=100, **filters))["items"]
    return [flag for flag in shown if flag["status"] in {"open", "acknowledged"}]


def counted(flags: list[dict[str, Any]], now: str) -> dict[str, Any]:
    """Count flags as a summary does, by hand."""
    flags = [flag for flag in flags if flag["audience"] == "supervisor"]
    by = Counter((flag["severity"], flag["status"]) for flag in flags)
    late = Counter(flag["severity"] for flag in flags if flag["due_at"] < now)
    return {
        "unresolved": len(flags),
        "overdue": late.total(),
        "by_severity": [
            {
                "severity": severity,
                "open": by[severity, "open"],
                "acknowledged": by[severity, "acknowledged"],
                "overdue": late[severity],
            }
            for severity in GRAVEST_FIRST
        ],
    }


async def agrees(person: Person, flags: list[dict[str, Any]], **filters: Any) -> dict[str, Any]:
    """Check that a summary counts just these flags."""
    shown = await glance(person, **filters)
    ages = shown["flags"].pop("by_age")
    assert shown["flags"] == counted(flags, person.world.clock.now.isoformat())
    assert sum(ages.values()) == shown["flags"]["unresolved"]
    return {**shown, "ages": ages}


async def begun(world: World) -> dict[str, Any]:
    """Open a case with flags of several severities, prompts, and one that she may not know of."""
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words", repeated=True)
    await world.clinician.incident(case, "crossing", area="time")
    await world.clinician.incident(case, "ending", stage="raised", initiator="client")
    await world.supervisor.incident(case, "sexual_conduct", conduct="contact")
    await world.clinician.promise(case, keepable="doubtful", due_on=world.day(3))
    return case


async def test_each_counts_what_their_lists_show(world: World) -> None:
    case = await begun(world)
    alone = await world.colleague.case()
    await world.colleague.incident(alone, "hurtful_words", repeated=True)
    # the other clinic's
    await world.there["clinician"].incident(
        await world.there["clinician"].case(), "hurtful_words", repeated=True
    )
    (flag, *_) = [f for f in await world.supervisor.flag_list(case) if f["severity"] == "high"]
    ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/acknowledge"))
    world.clock.forward(days=2, hours=1)
    mine = await agrees(world.clinician, await waiting(world.clinician))
    assert (mine["scope"], mine["prompts"]) == ("own", 1)
    hers = await agrees(world.supervisor, await waiting(world.supervisor))
    assert (hers["scope"], hers["prompts"]) == ("supervised", None)
    assert hers["flags"]["by_severity"][0] == {
        "severity": "critical",
        "open": 1,
        "acknowledged": 0,
        "overdue": 1,
    }
    assert mine["flags"]["by_severity"][0]["open"] == 0
    assert hers["ages"]["from_1_to_7_days"] == hers["flags"]["unresolved"]
    app = await software(world, "flags:read")
    other = await agrees(app, await waiting(app))
    assert (other["scope"], other["prompts"]) == ("clinic", None)
    assert (other["consultations"], other["promises"]) == (None, None)
    # the privacy officer's has all of it, and of no record but flags
    officer = world.here["privacy_officer"]
    everything = await waiting(world.supervisor) + await waiting(world.colleague)
    whole = await agrees(officer, everything)
    assert (whole["consultations"], whole["promises"], whole["prompts"]) == (None, None, None)
    assert whole["unwatched_cases"] == 1
    assert (await glance(world.stranger))["flags"]["unresolved"] == 0
    assert (await glance(world.there["privacy_officer"]))["flags"]["unresolved"] == 1


async def test_flags_are_counted_by_age_and_what_time_has_raised_is_counted(world: World) -> None:
    case = await begun(world)
    for days, name in (
        (0, "under_1_day"),
        (1, "from_1_to_7_days"),
        (6.9, "from_1_to_7_days"),
        (0.2, "from_8_to_30_days"),
        (22.8, "from_8_to_30_days"),
        (0.2, "over_30_days"),
    ):
        world.clock.forward(days=days)
        ages = (await glance(world.clinician))["flags"]["by_age"]
        # the oldest ones were raised at the beginning; time raises more
        assert ages[name] >= 2, (world.clock.now, ages)
        older = list(ages)[list(ages).index(name) + 1 :]
        assert [ages[each] for each in older] == [0] * len(older)
    # the promise was due long ago, and nobody has read its case since
    rules = {flag["rule"] for flag in await waiting(world.supervisor)}
    assert "promise_broken" in rules
    assert (await glance(world.supervisor))["promises"] == {"open": 1, "overdue": 1}
    ok(await world.clinician.patch(f"/v1/cases/{case['id']}", {"status": "ended"}))
    await agrees(world.supervisor, await waiting(world.supervisor))


async def test_consultations_and_promises_are_counted_while_they_wait(world: World) -> None:
    case, voided = await world.clinician.case(), await world.clinician.case()
    path = f"/v1/cases/{case['id']}"
    asked = {}
    for urgency in ("routine", "priority", "urgent", "emergency"):
        body = {"kind": "supervision", "urgency": urgency, "question": "What do you see?"}
        asked[urgency] = made(await world.clinician.post(f"{path}/consultations", body))["id"]
        if urgency != "routine":
            ok(await world.clinician.post(f"/v1/consultations/{asked[urgency]}/request"))
    for urgency, move in (("urgent", "accept"), ("emergency", "accept"), ("emergency", "start")):
        ok(await world.supervisor.post(f"/v1/consultations/{asked[urgency]}/{move}"))
    await world.clinician.promise(case, due_on=world.day(0))
    await world.clinician.promise(case, state="kept")
    for each in (case, voided):
        await world.clinician.promise(each)
    assert (await world.clinician.delete(f"/v1/cases/{voided['id']}")).status_code == 204
    world.clock.forward(hours=30)
    for person in (world.clinician, world.supervisor):
        shown = await glance(person)
        assert shown["promises"] == {"open": 2, "overdue": 1}
        waits = shown["consultations"]
        assert (waits["waiting"], waits["overdue"]) == (3, 1)
        assert [tuple(each.values()) for each in waits["by_urgency"]] == [
            ("emergency", 0, 0, 1, 1),
            ("urgent", 0, 1, 0, 0),
            ("priority", 1, 0, 0, 0),
            ("routine", 0, 0, 0, 0),
        ]
    app = await software(world, "flags:read", "consultations:read", "cases:read")
    shown = await glance(app)
    assert (shown["consultations"]["waiting"], shown["promises"]["open"]) == (3, 2)
    assert (await glance(world.colleague))["promises"]["open"] == 0


async def test_a_supervisor_counts_one_clinicians_and_a_conflict_hides(world: World) -> None:
    case = await begun(world)
    own = await world.supervisor.case()
    await world.supervisor.incident(own, "hurtful_words", repeated=True)
    hers = await waiting(world.supervisor, clinician_id=str(world.clinician.id))
    assert len(hers) > 1
    await agrees(world.supervisor, hers)
    await agrees(world.supervisor, hers, clinician_id=str(world.clinician.id))
    mine = await waiting(world.supervisor, clinician_id=str(world.supervisor.id))
    shown = await agrees(world.supervisor, mine, clinician_id=str(world.supervisor.id))
    assert (shown["scope"], shown["flags"]["unresolved"]) == ("own", 1)
    await agrees(world.supervisor, [], clinician_id=str(world.colleague.id))
    refused = await world.here["privacy_officer"].get(
        "/v1/summary", clinician_id=str(world.clinician.id)
    )
    assert refused.status_code == 422
    # a second supervisor sees the same, until it concerns her
    other = await linked(world, world.stranger)
    await agrees(other, hers)
    about = {"initiator": "supervisor", "about_user_id": str(other.id)}
    await world.supervisor.incident(case, "consent", **about)
    shown = await agrees(other, [])
    assert (shown["promises"], shown["unwatched_cases"]) == ({"open": 0, "overdue": 0}, None)


@pytest.mark.parametrize("guard", ["queued_cases", "visible_flags", "visible_cases"])
async def test_without_its_wall_a_number_would_tell(
    world: World, monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    await begun(world)
    asks = {"queued_cases": world.stranger}.get(guard, world.clinician)
    if guard == "visible_cases":
        asks = world.colleague
    before = await glance(asks)
    monkeypatch.setattr(summary, guard, lambda *_: sa.true())
    assert await glance(asks) != before


async def test_who_only_administers_counts_their_own_cases_and_no_others(world: World) -> None:
    await begun(world)
    assert (await world.admin.get("/v1/summary")).status_code == 403
    assert (await world.here["consultant"].get("/v1/summary")).status_code == 403
    ok(await world.admin.patch(f"/v1/users/{world.clinician.id}", {"role": "consultant"}))
    await agrees(world.clinician, await waiting(world.clinician))


async def test_a_number_costs_by_what_waits_and_not_by_what_was_ever_kept(new_urls: Urls) -> None:
    """Each count begins with an index of what is open."""
    asked: list[tuple[str, Any]] = []
    async with open_world(new_urls, NOON) as world:
        await begun(world)
        engine = world.database.engine

        @sa.event.listens_for(engine.sync_engine, "before_cursor_execute")
        def _note(*told: Any) -> None:
            asked.append((told[2], told[3]))

        for person in (world.clinician, world.supervisor, world.here["privacy_officer"]):
            await glance(person)
        counts = [each for each in asked if "count(" in each[0]]
        first = Counter[str]()
        async with engine.connect() as connection:
            for statement, values in counts:
                plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                (*_, detail), *_ = plan.all()
                first[detail.split(" (")[0]] += 1
    assert first == {
        "SEARCH flags USING INDEX ix_flags_unresolved": 4,
        "SEARCH consultations USING INDEX ix_consultations_waiting": 2,
        "SEARCH promises USING INDEX ix_promises_open": 2,
    }
