"""One clinician's months: counts for themself and for who answers for them, for nobody else."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlmodel import select

from api.routes import patterns
from api.storage.models.journal import JournalEntry
from tests.support.cases import linked
from tests.support.readings import months
from tests.support.world import World, ok

pytestmark = pytest.mark.both_databases


async def two_months(world: World) -> dict[str, Any]:
    """Let March bring one flag on each of two cases, and April another, and one in secret."""
    case, other = await world.clinician.case(), await world.clinician.case()
    for each in (case, other):
        await world.clinician.incident(each, "hurtful_words")
    world.clock.forward(days=30)
    await world.clinician.incident(case, "crossing", area="time")
    await world.clinician.incident(case, "ending", stage="raised", initiator="client")
    await world.supervisor.incident(case, "sexual_conduct", conduct="contact")
    return case


async def test_flags_are_counted_by_month_and_rule(world: World) -> None:
    case = await two_months(world)
    march = {"hurtful_words": (2, 2)}
    assert await months(world.clinician) == {
        "2026-03": march,
        "2026-04": {"crossing_undocumented": (1, 1)},
    }
    hers = {"clinician_id": str(world.clinician.id)}
    assert await months(world.supervisor, **hers) == {
        "2026-03": march,
        "2026-04": {"sexual_conduct": (1, 1), "crossing_undocumented": (1, 1)},
    }
    span = {"from": "2026-03-02", "to": "2026-03-31"}
    shown = ok(await world.clinician.get("/v1/patterns", **span))
    assert (shown["from"], shown["to"]) == ("2026-03-02", "2026-03-31")
    (rule,) = shown["months"][0]["rules"]
    assert {name: rule[name] for name in ("low", "moderate", "high", "critical")} == {
        "low": 0,
        "moderate": 2,
        "high": 0,
        "critical": 0,
    }
    assert "no score" in shown["meaning"]
    assert await months(world.clinician, **{"from": "2026-03-03", "to": "2026-03-31"}) == {}
    by_hand = {"severity": "low", "title": "A look", "because": "It seems wise."}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/flags", by_hand), 201)
    assert (await months(world.clinician))["2026-04"]["manual"] == (1, 1)
    assert (await world.clinician.delete(f"/v1/cases/{case['id']}")).status_code == 204
    assert await months(world.clinician) == {"2026-03": {"hurtful_words": (1, 1)}}


async def test_a_month_begins_at_the_clinics_midnight(world: World) -> None:
    world.clock.now = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
    people = await world.clinic("Europe/Athens")
    for person in (world.clinician, people["clinician"]):
        await person.incident(await person.case(), "hurtful_words")
    assert list(await months(world.clinician)) == ["2026-03"]
    assert list(await months(people["clinician"])) == ["2026-04"]
    one = {"from": "2026-04-01", "to": "2026-04-01"}
    assert list(await months(people["clinician"], **one)) == ["2026-04"]


async def test_it_is_for_the_clinician_and_who_answers_for_them(world: World) -> None:
    case = await two_months(world)
    hers = {"clinician_id": str(world.clinician.id)}
    for person in (world.colleague, world.stranger, world.there["supervisor"]):
        assert (await person.get("/v1/patterns", **hers)).status_code == 404
    assert (await world.clinician.get("/v1/patterns", clinician_id=uuid4())).status_code == 404
    assert await months(world.stranger) == {}
    # whom a case concerns sees its other months only
    other = await linked(world, world.stranger)
    assert set(await months(other, **hers)) == {"2026-03", "2026-04"}
    about = {"initiator": "supervisor", "about_user_id": str(other.id)}
    await world.supervisor.incident(case, "consent", **about)
    assert await months(other, **hers) == {"2026-03": {"hurtful_words": (1, 1)}}


async def test_a_span_has_bounds_and_what_is_read_is_journalled(world: World) -> None:
    for wrong in (
        {"from": "2026-03-02", "to": "2026-03-01"},
        {"from": "2020-01-01"},
        {"from": "soon"},
        {"to": "2026-02-30"},
        {"clinician_id": "me"},
    ):
        assert (await world.clinician.get("/v1/patterns", **wrong)).status_code == 422, wrong
    ok(await world.clinician.get("/v1/patterns", **{"from": "1900-01-01", "to": "1900-01-01"}))
    hers = {"clinician_id": str(world.clinician.id)}
    answer = await world.supervisor.get("/v1/patterns", **hers)
    asked = select(JournalEntry).where(JournalEntry.request_id == answer.headers["x-request-id"])
    async with world.owner.transaction() as tx:
        (entry,) = await tx.exec(asked)
    assert (entry.happening, entry.record_type, entry.record_ids, entry.is_read) == (
        "patterns.read",
        "user",
        [hers["clinician_id"]],
        True,
    )


@pytest.mark.parametrize("guard", ["visible_flags", "supervised_cases", "_refuse_others"])
async def test_without_its_wall_a_month_would_tell(
    world: World, monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    case = await two_months(world)
    hers = {"clinician_id": str(world.clinician.id)}
    asks = world.clinician
    if guard == "supervised_cases":
        asks = await linked(world, world.stranger)
        about = {"initiator": "supervisor", "about_user_id": str(asks.id)}
        await world.supervisor.incident(case, "consent", **about)
    if guard == "_refuse_others":
        monkeypatch.setattr(patterns, guard, _whoever)
        assert (await world.colleague.get("/v1/patterns", **hers)).status_code == 200
        return
    before = await months(asks, **hers)
    monkeypatch.setattr(patterns, guard, lambda *_: sa.true())
    assert await months(asks, **hers) != before


async def _whoever(*_: object) -> None:
    """Let everybody."""
