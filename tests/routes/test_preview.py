"""What settings would do, before they are saved: the numbers of what then really happens."""

from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from api.access.case_relationship import load_clinic
from api.commands.worker import catch_up_once
from api.domain.vocabulary import severity_rank
from api.flags import preview as rehearsal
from api.storage.models.flags import Flag, MonitoredFinding
from api.storage.transaction import Transaction
from tests.support.matrix import kept
from tests.support.world import World, ok

PATH = "/v1/rules/preview"
Key = tuple[str, str, bool]
NUMBERS = ("raised", "lapsed", "revived", "graver", "milder", "counted", "counted_no_longer")
NOTE = {"determination": "normal_process", "resolution_note": "looked at together"}


async def preview(world: World, **body: Any) -> dict[str, dict[str, int]]:
    """Look at settings; give rule → what would happen, where anything would."""
    shown = ok(await world.admin.post(PATH, body))
    assert shown["cases_looked_at"] == shown["cases_in_all"]
    numbers = {each["rule"]: {name: each[name] for name in NUMBERS} for each in shown["rules"]}
    return {rule: found for rule, found in numbers.items() if any(found.values())}


async def flags(world: World) -> dict[Key, Flag]:
    """Give the unresolved flags of the clinic here, as they are kept."""
    async with world.owner.transaction() as tx:
        rows = await tx.exec(
            select(Flag).where(
                Flag.clinic_id == world.admin.clinic_id,
                col(Flag.status).in_(("open", "acknowledged")),
            )
        )
        return {(str(row.case_id), row.rule, row.restricted): row for row in rows}


async def counted(world: World) -> set[Key]:
    """Give what is counted and stands."""
    async with world.owner.transaction() as tx:
        rows = await tx.exec(
            select(MonitoredFinding).where(
                MonitoredFinding.clinic_id == world.admin.clinic_id,
                col(MonitoredFinding.ended_at).is_(None),
            )
        )
        return {(str(row.case_id), row.rule, row.restricted) for row in rows}


async def what_happens(world: World, **body: Any) -> dict[str, dict[str, int]]:
    """Save the settings, let the worker run, and count what came of it."""
    before, counted_before = await flags(world), await counted(world)
    for what, path in (("thresholds", "thresholds"), ("modes", "modes")):
        if what in body:
            ok(await world.admin.send("PUT", f"/v1/rules/{path}", json=body[what]))
    await catch_up_once(world.database)
    after, counted_after = await flags(world), await counted(world)
    found: dict[str, Counter[str]] = {}

    def note(key: Key, name: str, *, happened: bool = True) -> None:
        found.setdefault(key[1], Counter())[name] += happened

    for key in after.keys() - before.keys():
        note(key, "raised")
    for key in before.keys() - after.keys():
        note(key, "lapsed")
    for key in before.keys() & after.keys():
        old, new = before[key], after[key]
        change = severity_rank(new.severity) - severity_rank(old.severity)
        note(key, "lapsed", happened=old.condition_holds and not new.condition_holds)
        note(key, "revived", happened=new.condition_holds and not old.condition_holds)
        note(key, "graver", happened=change > 0)
        note(key, "milder", happened=change < 0)
    for key in counted_after - counted_before:
        note(key, "counted")
    for key in counted_before - counted_after:
        note(key, "counted_no_longer")
    numbers = {rule: {name: counts[name] for name in NUMBERS} for rule, counts in found.items()}
    return {rule: counts for rule, counts in numbers.items() if any(counts.values())}


async def a_busy_clinic(world: World) -> dict[str, Any]:
    """Play cases on which new settings move flags every way."""
    me, reviewer = world.clinician, world.supervisor
    plain, acknowledged, secret, voided = [await me.case() for _ in range(4)]
    for case in (plain, acknowledged, voided):
        await me.incident(case, "exception", exception="home_visit")
        await me.incident(case, "crossing", area="time", on=-100)
        await me.incident(case, "contact", client_messages_30d=8)
        await me.incident(case, "risk", initiator="client", indicator="suicide_attempt", on=-40)
        await me.incident(case, "risk", initiator="client", indicator="self_harm", on=-200)
        await me.promise(
            case, keepable="doubtful", discussed_with_client=False, made_on="2026-01-20"
        )
        await me.promise(case, due_on=world.day(-3))
    await reviewer.incident(secret, "exception", exception="special_status")
    await reviewer.incident(secret, "hurtful_words", repeated=True)
    for flag in await reviewer.flag_list(acknowledged):
        ok(await reviewer.post(f"/v1/flags/{flag['id']}/acknowledge"))
    (done, *_) = [each for each in await reviewer.flag_list(plain) if each["severity"] == "low"]
    ok(await reviewer.post(f"/v1/flags/{done['id']}/resolve", NOTE))
    assert (await me.delete(f"/v1/cases/{voided['id']}")).status_code == 204
    await world.there["clinician"].incident(
        await world.there["clinician"].case(), "exception", exception="home_visit"
    )
    return plain


LOWER = {"exceptions": 1, "overdue_grace_days": 1, "client_messages": 5, "risk_recent_days": 60}
HIGHER = {"unexamined_days": 365, "client_messages": 100}
OLDER = {"risk_recent_days": 10, "risk_past_days": 20, "risk_distant_days": 150}
COUNTING = {
    "special_exceptions": "monitor",
    "hurtful_words": "monitor",
    "promise_broken": "monitor",
}


async def test_what_was_previewed_is_what_then_happens(world: World) -> None:
    case = await a_busy_clinic(world)
    steps: list[dict[str, Any]] = [
        {"thresholds": LOWER},
        {"thresholds": HIGHER},
        {"thresholds": OLDER},
        {},
        {"modes": COUNTING},
        {"thresholds": LOWER},
        {"thresholds": {}},
        {"thresholds": LOWER, "modes": {"crossing_undocumented": "monitor"}},
        {"modes": {}, "thresholds": {}},
    ]
    seen: Counter[str] = Counter()
    for turn, step in enumerate(steps):
        shown = await preview(world, **step)
        for each in shown.values():
            seen.update(each)
        assert await what_happens(world, **step) == shown, (turn, step)
        if turn == 1:
            # what somebody has looked at may become milder by time and settings alone
            for flag in (await flags(world)).values():
                if flag.rule == "client_safety":
                    ok(await world.supervisor.post(f"/v1/flags/{flag.id}/acknowledge"))
        if turn == 4:
            fresh = await world.clinician.case()
            await world.clinician.incident(fresh, "exception", exception="home_visit")
            await world.clinician.incident(case, "hurtful_words")
    assert all(seen[name] for name in NUMBERS), seen


async def test_a_look_keeps_nothing_and_shows_no_case(world: World) -> None:
    case = await a_busy_clinic(world)
    await world.token_of(world.admin)
    before = await kept(world)
    answer = await world.admin.post(PATH, {"thresholds": LOWER, "modes": COUNTING})
    assert ok(answer)["cases_in_all"] == 3
    assert case["id"] not in answer.text
    assert await kept(world) == before
    assert await preview(world) == {}
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.admin.clinic_id)
        now = rehearsal.settings_of(await load_clinic(tx))
        some = await rehearsal.rehearse(tx, now, now, sa.true(), 2)
    assert (some.cases_in_all, some.cases_looked_at) == (3, 2)
    # numbers of a few cases would tell of one, and so would their difference
    for limit in (0, 1, 99, 101, 5_001, "100", True, None):
        assert (await world.admin.post(PATH, {"limit": limit})).status_code == 422
    again = await world.admin.post(PATH, {}, headers={"Idempotency-Key": "once"})
    assert again.status_code == 422
    assert ok(await world.there["admin"].post(PATH, {"thresholds": LOWER}))["cases_in_all"] == 1


async def test_what_is_hidden_on_ones_own_case_is_not_looked_at(world: World) -> None:
    case = await world.clinician.case()
    await world.supervisor.incident(case, "hurtful_words", repeated=True)
    proposed = {"modes": COUNTING}
    await a_busy_clinic(world)
    ok(await world.admin.patch(f"/v1/users/{world.clinician.id}", {"role": "admin"}))
    hers = ok(await world.clinician.post(PATH, proposed))
    assert ok(await world.admin.post(PATH, proposed))["cases_in_all"] > hers["cases_in_all"]
    assert hers["cases_in_all"] == len(
        {item["id"] for item in ok(await world.colleague.get("/v1/cases"))["items"]}
    )


async def test_time_that_has_passed_is_no_effect_of_the_settings(world: World) -> None:
    await a_busy_clinic(world)
    world.clock.forward(days=40)
    assert await preview(world) == {}
    assert "promise_broken" not in await preview(world, thresholds={"exceptions": 1})


async def test_it_holds_no_connection_while_it_thinks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one: others would wait for it."""
    await a_busy_clinic(world)
    held: list[int] = []
    really = rehearsal._compare

    async def compare(*told: Any, **how: Any) -> None:
        held.append(world.database.engine.pool.checkedout())  # type: ignore[attr-defined]
        await really(*told, **how)

    monkeypatch.setattr(rehearsal, "_compare", compare)
    await preview(world, thresholds=LOWER)
    assert held == [0, 0, 0]
    monkeypatch.setattr(Transaction, "pause", _not_at_all)
    await preview(world, thresholds=LOWER)
    assert held[3:] == [1, 1, 1]


async def _not_at_all(*_: object) -> None:
    """Go on without a pause."""


async def test_a_pause_is_refused_where_something_is_to_be_written(world: World) -> None:
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.admin.clinic_id)
        await tx.exec(sa.select(col(Flag.id)))
        await tx.pause()
        assert world.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        clinic = await load_clinic(tx)
        clinic.name = "Another"
        with pytest.raises(RuntimeError):
            await tx.pause()
