"""A webhook that was off, gave up, or was not there yet is told what it missed, and in order."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from httpx import Response
from sqlmodel import col, select

from api.http.strict_route import KEY
from api.journal import outbox
from api.storage.models.clinical import Incident
from api.storage.models.flags import Flag
from api.storage.models.integration import WebhookDelivery
from api.storage.models.journal import JournalEntry
from tests.support.flags import RESOLUTION
from tests.support.receivers import (
    allow,
    deliver,
    forget_what_is_owed,
    log_of,
    receiver,
    status,
    subscribe,
)
from tests.support.world import World, ok, software

pytestmark = pytest.mark.both_databases

MORNING = "2026-03-02T00:00:00Z"


@pytest.fixture
async def world(world: World) -> World:
    """A world where nothing is owed to anybody; other tests may have left something."""
    await forget_what_is_owed(world)
    return world


async def replay(world: World, hook: dict[str, Any], since: str = MORNING, **how: Any) -> Response:
    return await world.admin.post(
        f"/v1/webhooks/{hook['id']}/deliveries/replay", {"since": since}, **how
    )


async def switch(world: World, hook: dict[str, Any], *, on: bool) -> None:
    ok(await world.admin.patch(f"/v1/webhooks/{hook['id']}", {"is_active": on}))


async def some_work(world: World) -> dict[str, Any]:
    """Let things happen, a minute after each other; give the case."""
    case = await world.clinician.case()
    world.clock.forward(minutes=1)
    await world.clinician.incident(case, "hurtful_words")
    world.clock.forward(minutes=1)
    (flag,) = await world.supervisor.flag_list(case)
    ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", RESOLUTION))
    world.clock.forward(minutes=1)
    return case


async def all_of(world: World, hook: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Give what a webhook is or was told, the oldest first: event, record, id."""
    log = await log_of(world.admin, hook)
    return [(each["event"], each["record_id"], each["event_id"]) for each in reversed(log)]


TOLD = ["case.opened", "incident.reported", "flag.opened", "flag.resolved"]


async def test_what_happened_while_it_was_off_is_sent_in_order_and_known_again(
    world: World,
) -> None:
    async with receiver() as to, receiver() as other:
        allow(world, to, other)
        hook = await subscribe(world.admin, to, "case.*", "incident.*", "flag.*")
        witness = await subscribe(world.admin, other, "case.*", "incident.*", "flag.*")
        await switch(world, hook, on=False)
        await some_work(world)
        await switch(world, hook, on=True)
        assert await log_of(world.admin, hook) == []
        assert (await replay(world, hook)).status_code == 204
        told = await all_of(world, hook)
        assert [event for event, _, _ in told] == TOLD
        assert told == await all_of(world, witness), "with the ids that others were told"
        while await deliver(world):
            pass
        assert {each.headers["webhook-id"] for each in to.received} == {each[2] for each in told}
        assert all(each.verify(hook["secret"], world) for each in to.received)
        # and what arrived is not sent again
        ok204 = await replay(world, hook)
        assert ok204.status_code == 204
        assert await all_of(world, hook) == told
        assert await deliver(world) == 0


async def test_what_nobody_was_told_of_has_the_same_id_however_often_it_is_asked_for(
    world: World,
) -> None:
    await some_work(world)
    async with receiver() as to:
        allow(world, to)
        first, second = [await subscribe(world.admin, to, "flag.*", "case.*") for _ in range(2)]
        for hook in (first, second, first):
            assert (await replay(world, hook)).status_code == 204
    told = await all_of(world, first)
    assert [event for event, _, _ in told] == ["case.opened", "flag.opened", "flag.resolved"]
    assert told == await all_of(world, second)
    assert len({event_id for _, _, event_id in told}) == 3
    # each in its order, and at the instant at which it happened
    assert told == sorted(told, key=lambda each: TOLD.index(each[0]))


async def test_what_was_given_up_is_tried_again_and_what_waits_is_left_as_it_is(
    world: World,
) -> None:
    async with receiver(status(500)) as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.opened")
        await world.clinician.case()
        await deliver(world)
        (before,) = await log_of(world.admin, hook)
        assert before["status"] == "pending"
        await replay(world, hook)
        (same,) = await log_of(world.admin, hook)
        assert same == before
        await switch(world, hook, on=False)
        (given_up,) = await log_of(world.admin, hook)
        assert given_up["status"] == "failed"
        await switch(world, hook, on=True)
        await replay(world, hook)
        (again,) = await log_of(world.admin, hook)
        assert (again["id"], again["status"]) == (before["id"], "pending")
        assert await deliver(world) == 1


async def test_it_tells_nothing_of_what_was_or_is_now_hidden_and_of_no_prompt(
    world: World,
) -> None:
    case = await world.clinician.case()
    hidden = await world.supervisor.incident(case, "hurtful_words", restricted=True)
    later = await world.clinician.incident(case, "crossing", area="time")
    await world.clinician.incident(case, "cotreatment", coordinated=False)
    plain = await world.clinician.incident(case, "risk", indicator="self_harm")
    shown = await world.supervisor.incident(
        case, "gift", direction="both", item="loan", restricted=True
    )
    ok(await world.supervisor.patch(f"/v1/incidents/{shown['id']}", {"restricted": False}))
    ok(await world.supervisor.patch(f"/v1/incidents/{later['id']}", {"restricted": True}))
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "incident.*", "flag.*", "case.*")
        await replay(world, hook)
    events = await all_of(world, hook)
    told = {record_id for _, record_id, _ in events}
    assert plain["id"] in told
    # what was hidden then is told from the write on that showed it
    assert [each[0] for each in events if each[1] == shown["id"]] == ["incident.changed"]
    assert not told & {hidden["id"], later["id"]}
    async with world.owner.transaction() as tx:
        of_case = col(Flag.case_id) == UUID(case["id"])
        flags = (await tx.exec(select(Flag).where(of_case))).all()
    kept = {str(each.id) for each in flags if each.restricted or each.audience == "clinician"}
    assert kept
    assert not told & kept


async def test_only_what_it_asks_for_and_only_since_then(world: World) -> None:
    await some_work(world)
    since = world.clock.now.isoformat().replace("+00:00", "Z")
    await some_work(world)
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "flag.resolved")
        await replay(world, hook, since)
        assert [event for event, _, _ in await all_of(world, hook)] == ["flag.resolved"]
        await replay(world, hook)
        assert len(await all_of(world, hook)) == 2


async def test_a_neighbours_events_are_not_told(world: World) -> None:
    await world.there["clinician"].case()
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.*")
        await replay(world, hook)
    assert await all_of(world, hook) == []


async def test_it_is_refused_where_nothing_can_be_sent_or_too_much(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_work(world)
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.*", "flag.*")
        monkeypatch.setattr(outbox, "MOST_AGAIN", 2)
        (wrong,) = ok(await replay(world, hook), 422)["errors"]
        assert wrong["pointer"] == "/since"
        assert "updated_since" in wrong["message"]
        assert await all_of(world, hook) == [], "all or nothing"
        monkeypatch.setattr(outbox, "MOST_AGAIN", 3)
        assert (await replay(world, hook)).status_code == 204
        ok(await replay(world, hook, world.day(2) + "T00:00:00Z"), 422)
        await switch(world, hook, on=False)
        assert "switched off" in ok(await replay(world, hook), 409)["detail"]
        await world.admin.delete(f"/v1/webhooks/{hook['id']}")
        ok(await replay(world, hook), 404)


async def test_it_is_an_entry_and_is_done_once_for_each_key(world: World) -> None:
    await world.clinician.case()
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.*")
        for _ in range(2):
            answer = await replay(world, hook, headers={KEY: "again"})
            assert (answer.status_code, answer.content) == (204, b"")
    async with world.owner.transaction() as tx:
        here = col(JournalEntry.clinic_id) == world.admin.clinic_id
        asked = select(JournalEntry).where(here, col(JournalEntry.happening) == "webhook.replayed")
        (entry,) = (await tx.exec(asked)).all()
    assert entry.actor_id == world.admin.id
    assert entry.record_ids == [hook["id"]]


async def test_many_events_are_owed_in_parts_and_in_their_order(
    world: World, monkeypatch: pytest.MonkeyPatch, say: Callable[[str], None]
) -> None:
    monkeypatch.setattr(outbox, "_TOGETHER", 3)
    cases = []
    for _ in range(10):
        cases.append((await world.clinician.case())["id"])
        world.clock.forward(seconds=1)
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.opened")
        await replay(world, hook)
    assert [record_id for _, record_id, _ in await all_of(world, hook)] == cases
    async with world.owner.transaction() as tx:
        mine = col(WebhookDelivery.webhook_id) == UUID(hook["id"])
        due = select(WebhookDelivery).where(mine).order_by(col(WebhookDelivery.id))
        times = [each.next_attempt_at for each in (await tx.exec(due)).all()]
    assert all(times)
    assert times == sorted(times, key=str)
    assert max(map(str, times)) < str(world.clock.now)


async def test_a_replay_that_forgot_what_is_hidden_is_found_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> set[UUID]:
        return set()

    case = await world.clinician.case()
    told = await world.clinician.incident(case, "risk", indicator="self_harm")
    async with world.owner.transaction() as tx:
        of_it = col(Incident.id) == UUID(told["id"])
        await tx.exec(sa.update(Incident).where(of_it).values(restricted=True))
    monkeypatch.setattr(outbox, "hidden_since", nothing)
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "incident.*")
        await replay(world, hook)
    assert told["id"] in {record_id for _, record_id, _ in await all_of(world, hook)}


async def test_it_is_for_admins(world: World) -> None:
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.*")
    path, body = f"/v1/webhooks/{hook['id']}/deliveries/replay", {"since": MORNING}
    for part in ("clinician", "supervisor", "consultant", "privacy_officer"):
        ok(await world.here[part].post(path, body), 403)
    ok(await (await software(world, "cases:read")).post(path, body), 403)
    ok(await world.there["admin"].post(path, body), 404)
