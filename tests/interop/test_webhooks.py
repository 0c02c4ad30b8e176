"""Webhooks: who is told what, signed how, how often, and what becomes of it."""

import asyncio
import itertools
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlmodel import select
from standardwebhooks import WebhookVerificationError

from api.access.case_relationship import load_case
from api.commands.worker import catch_up_once, deliver_until
from api.domain.vocabulary import Event
from api.http.strict_route import KEY
from api.interop.bulk import run_import
from api.interop.webhooks import deliveries, signed_request
from api.interop.webhooks.deliveries import TRIES, Deliveries
from api.journal import entries as journal
from api.journal import outbox
from api.storage.models.integration import Webhook, WebhookDelivery, WebhookEvent
from tests.support.checkout import ROOT
from tests.support.flags import RESOLUTION, the_flag
from tests.support.imports import case_line, line, read_in
from tests.support.receivers import (
    allow,
    deliver,
    forget_what_is_owed,
    in_drops,
    log_of,
    never,
    promising_without_end,
    raw,
    receiver,
    status,
    subscribe,
    waiting,
    without_end,
)
from tests.support.requests import document, tolerant
from tests.support.world import (
    DATA_KEY,
    NOON,
    SETTINGS_SECRET,
    Person,
    Urls,
    World,
    made,
    ok,
    open_world,
    promise,
)

pytestmark = pytest.mark.both_databases

FAMILIES = ("case.*", "incident.*", "promise.*", "consultation.*", "flag.*")


@pytest.fixture
async def world(world: World) -> World:
    """A world where nothing is owed to anybody; other tests may have left something."""
    await forget_what_is_owed(world)
    return world


async def count(world: World, model: type[WebhookEvent] | type[WebhookDelivery]) -> int:
    """Count the rows of a table that are of the clinic here."""
    here = model.clinic_id == world.admin.clinic_id
    async with world.owner.transaction() as tx:
        found: int = (await tx.exec(select(sa.func.count()).where(here))).one()
        return found


async def try_out(world: World, hook: dict[str, Any]) -> dict[str, Any]:
    """Send a test to a webhook, and let it be delivered."""
    sent = ok(await world.admin.post(f"/v1/webhooks/{hook['id']}/test"))
    await deliver(world)
    return sent


# ------------------------------------------------------------------------------------- signed


async def test_a_receiver_verifies_what_it_is_sent_and_learns_ids_only(world: World) -> None:
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.opened")
        assert hook["secret"].startswith("whsec_")
        case = await world.clinician.case(client_ref="zqcanary4kestrel")
        assert await deliver(world) == 1
        (sent,) = to.received
        (shown,) = await log_of(world.admin, hook)
    assert sent.target == "/events"
    assert sent.verify(hook["secret"], world) == {
        "type": "case.opened",
        "timestamp": "2026-03-02T12:00:00Z",
        "data": {
            "event_id": sent.headers["webhook-id"],
            "clinic_id": str(world.admin.clinic_id),
            "record_type": "case",
            "record_id": case["id"],
            "case_id": case["id"],
        },
    }
    assert sent.headers["content-type"] == "application/json"
    assert (shown["status"], shown["event"]) == ("delivered", "case.opened")
    assert shown["event_id"] == sent.headers["webhook-id"]
    (tried,) = shown["attempts"]
    assert (tried["outcome"], tried["http_status"]) == ("delivered", 204)
    # and what was tampered with is not
    for name, value in (
        ("webhook-id", str(uuid4())),
        ("webhook-timestamp", str(int(sent.headers["webhook-timestamp"]) + 1)),
        ("webhook-signature", f"v1,{'A' * 43}="),
    ):
        kept = sent.headers[name]
        sent.headers[name] = value
        with pytest.raises(WebhookVerificationError):
            sent.verify(hook["secret"], world)
        sent.headers[name] = kept
    with pytest.raises(WebhookVerificationError):
        sent.verify(f"whsec_{'A' * 43}=", world)
    world.clock.forward(minutes=6)
    with pytest.raises(WebhookVerificationError, match="too old"):
        sent.verify(hook["secret"], world)
    world.clock.forward(minutes=-6)
    sent.body = sent.body.replace("case.opened", "case.closed")
    with pytest.raises(WebhookVerificationError):
        sent.verify(hook["secret"], world)


async def test_two_secrets_sign_while_one_replaces_the_other(world: World) -> None:
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.*")
        path = f"/v1/webhooks/{hook['id']}"
        (first,) = hook["secrets"]
        assert (await world.admin.delete(f"{path}/secrets/{first['id']}", 1)).status_code == 409
        second = made(await world.admin.post(f"{path}/secrets", {"overlap_hours": 2}))
        assert (await world.admin.post(f"{path}/secrets")).status_code == 409
        await try_out(world, hook)
        for secret in (hook["secret"], second["secret"]):
            assert to.received[-1].verify(secret, world)["type"] == "webhook.test"
        # the older one ends at its time
        world.clock.forward(hours=2)
        await try_out(world, hook)
        assert to.received[-1].verify(second["secret"], world)
        with pytest.raises(WebhookVerificationError):
            to.received[-1].verify(hook["secret"], world)
        # or when it is told to
        third = made(await world.admin.post(f"{path}/secrets"))
        shown = ok(await world.admin.get(path))["secrets"]
        assert [each["id"] for each in shown] == [second["id"], third["id"]]
        assert shown[0]["expires_at"] == "2026-03-03T14:00:00Z"
        gone = await world.admin.delete(f"{path}/secrets/{second['id']}", shown[0]["version"])
        assert gone.status_code == 204
        await try_out(world, hook)
        assert to.received[-1].verify(third["secret"], world)
        with pytest.raises(WebhookVerificationError):
            to.received[-1].verify(second["secret"], world)
        # the one that is left stays, even where it was to end
        fourth = made(await world.admin.post(f"{path}/secrets", {"overlap_hours": 1}))
        assert (await world.admin.delete(f"{path}/secrets/{fourth['id']}", 1)).status_code == 204
        world.clock.forward(hours=2)
        await try_out(world, hook)
        assert to.received[-1].verify(third["secret"], world)
    assert "secret" not in ok(await world.admin.get(path))


# ------------------------------------------------------------------------------- who is told what


async def _everything_happens(world: World) -> None:
    """Let everything happen once that software may be told of."""
    me, supervisor = world.clinician, world.supervisor
    consultant = world.here["consultant"]
    case = await me.case()
    path = f"/v1/cases/{case['id']}"
    ok(await me.patch(path, {"phase": "acceptance"}))
    told = await me.incident(case, "hurtful_words")
    ok(await me.patch(f"/v1/incidents/{told['id']}", {"repair": "attempted"}))
    world.clock.forward(days=1)
    # it gets worse
    await me.incident(case, "hurtful_words")
    review = {"determination": "normal_process", "review_note": "seen"}
    ok(await supervisor.post(f"/v1/incidents/{told['id']}/review", review))
    spare = await supervisor.incident(case, "consent", initiator="client")
    gone = await supervisor.delete(f"/v1/incidents/{spare['id']}")
    assert gone.status_code == 204
    pledge = await me.promise(case)
    ok(await me.patch(f"/v1/promises/{pledge['id']}", {"state": "kept"}))
    assert (await me.delete(f"/v1/promises/{pledge['id']}")).status_code == 204
    asked = {"kind": "ethics", "urgency": "routine", "question": "?", "summary": "?"}
    for end in ("cancel", "complete"):
        made_one = made(await me.post(f"{path}/consultations", {**asked, "released": True}))
        at = f"/v1/consultations/{made_one['id']}"
        ok(await me.post(f"{at}/request"))
        if end == "cancel":
            ok(await consultant.post(f"{at}/decline", {"reason": "no time"}))
            ok(await me.post(f"{at}/cancel", {"reason": "settled"}))
            continue
        ok(await consultant.post(f"{at}/accept"))
        ok(await consultant.post(f"{at}/start"))
        ok(await consultant.post(f"{at}/complete", {"outcome": "mixed", "advice": "talk"}))
        ok(await me.post(f"{at}/respond", {"response": "accepted"}))
    by_hand = {"severity": "low", "title": "Look", "because": "It was told."}
    flag = made(await supervisor.post(f"{path}/flags", by_hand))
    ok(await supervisor.post(f"/v1/flags/{flag['id']}/acknowledge"))
    ok(await supervisor.post(f"/v1/flags/{flag['id']}/resolve", RESOLUTION))
    ok(await supervisor.post(f"/v1/flags/{flag['id']}/reopen", {"reason": "again"}))
    to = {"clinician_id": str(world.colleague.id), "reason": "leave"}
    ok(await supervisor.post(f"{path}/transfer", to))
    other = await me.case()
    assert (await me.delete(f"/v1/cases/{other['id']}")).status_code == 204


async def _drain(world: World) -> None:
    while await deliver(world):
        pass


async def test_every_event_arrives_where_it_was_asked_for_and_nowhere_else(world: World) -> None:
    them = world.there
    async with receiver() as all_of_it, receiver() as some, receiver() as elsewhere:
        allow(world, all_of_it, some, elsewhere)
        hook = await subscribe(world.admin, all_of_it, *FAMILIES)
        await subscribe(world.admin, some, "consultation.*", "case.voided", "case.voided")
        await subscribe(them["admin"], elsewhere, *FAMILIES)
        await try_out(world, hook)
        await _everything_happens(tolerant(world))
        await them["clinician"].case()
        await _drain(world)
        clinics = [
            {json.loads(each.body)["data"]["clinic_id"] for each in to.received}
            for to in (all_of_it, some, elsewhere)
        ]
        for each in all_of_it.received:
            _tells_ids_only(json.loads(each.body))
    here, there = str(world.admin.clinic_id), str(them["admin"].clinic_id)
    assert clinics == [{here}, {here}, {there}]
    assert set(all_of_it.events) == set(map(str, Event))
    kinds = set(some.events)
    assert kinds == {str(e) for e in Event if e.startswith("consultation.")} | {"case.voided"}
    assert elsewhere.events == ["case.opened"]
    # one message for each, whatever is tried again
    assert len({each.headers["webhook-id"] for each in all_of_it.received}) == len(
        all_of_it.received
    )
    assert len(await log_of(world.admin, hook, event="flag.escalated")) == 1
    assert await log_of(world.admin, hook, status="failed") == []


def _tells_ids_only(told: dict[str, Any]) -> None:
    ids = told["data"]
    assert told.keys() == {"type", "timestamp", "data"}
    assert ids.keys() == {"event_id", "clinic_id", "record_type", "record_id", "case_id"}
    assert ids.pop("record_type") in {"case", "incident", "promise", "consultation", "flag"} | {
        "webhook"
    }
    assert all(value is None or str(UUID(value)) == value for value in ids.values())


async def test_what_comes_in_from_a_file_is_told_as_if_typed(world: World) -> None:
    async with receiver() as to:
        allow(world, to)
        await subscribe(world.admin, to, "case.opened", "promise.*", "flag.opened")
        unkeepable = line("promise", "1/1", "1", promise(world, keepable="no"))
        made(await read_in(world, [case_line("1", world.clinician), unkeepable]))
        assert await deliver(world) == 3
    told = sorted(json.loads(each.body)["type"] for each in to.received)
    assert told == ["case.opened", "flag.opened", "promise.recorded"]


async def test_who_asks_while_a_long_file_is_read_is_told_of_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, batches = run_import._Importer.take, list[int]()

    async def asked_for_meanwhile(self: Any, lines: Any, **how: Any) -> Any:
        batches.append(1)
        if len(batches) == 2:
            body = {"name": "Diary", "url": "https://diary.example/events", "events": ["case.*"]}
            made(await world.admin.post("/v1/webhooks", body))
        return await began(self, lines, **how)

    monkeypatch.setattr(run_import, "BATCH_LINES", 1)
    monkeypatch.setattr(run_import._Importer, "take", asked_for_meanwhile)
    lines = [case_line(f"meanwhile {number}", world.clinician) for number in range(4)]
    made(await read_in(world, lines))
    assert await count(world, WebhookEvent) == 3


async def test_who_changes_what_is_told_and_who_tells_wait_for_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"name": "Diary", "url": "https://diary.example/events", "events": ["case.*"]}
    path = f"/v1/webhooks/{made(await world.admin.post('/v1/webhooks', body))['id']}"
    case = await world.clinician.case()
    # a write holds its case, and owes an event; the clinic's rules are set, which asks every case
    holds = asyncio.Event()

    async def change() -> None:
        async with world.database.transaction() as tx:
            await tx.enter_for_work(world.clinician.clinic_id)
            await load_case(tx, UUID(case["id"]), lock=True)
            holds.set()
            await asyncio.sleep(0.3)
            about: dict[str, Any] = {"record_type": "case", "record_ids": [UUID(case["id"])]}
            journal.record(tx, journal.Happening.case_changed, actor_id=None, **about)

    changing = asyncio.create_task(change())
    await holds.wait()
    ok(await world.admin.send("PUT", "/v1/rules/modes", json={"hurtful_words": "monitor"}))
    await changing
    # a batch of a file holds the clinic, and owes an event; a webhook is changed
    holds.clear()
    first = run_import._take_turns

    async def slowly(tx: Any) -> None:
        await first(tx)
        holds.set()
        await asyncio.sleep(0.3)

    monkeypatch.setattr(run_import, "_take_turns", slowly)
    reading = asyncio.create_task(read_in(world, [case_line("slow", world.clinician)]))
    await holds.wait()
    ok(await world.admin.patch(path, {"events": ["case.opened"]}))
    assert made(await reading)["created"] == 1
    assert await count(world, WebhookEvent) == 3


async def test_where_nobody_asks_nothing_is_owed(world: World) -> None:
    async with receiver() as to:
        allow(world, to)
        await world.clinician.case()
        hook = await subscribe(world.admin, to, "promise.*")
        await world.clinician.case()
        assert await count(world, WebhookEvent) == 0
        await world.clinician.promise(await world.clinician.case())
        assert await count(world, WebhookEvent) == 1
        ok(await world.admin.patch(f"/v1/webhooks/{hook['id']}", {"events": ["flag.*"]}))
        await world.clinician.promise(await world.clinician.case())
        assert await count(world, WebhookEvent) == 1


async def test_of_what_is_hidden_from_somebody_nobody_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hidden_things() -> None:
        case = await world.clinician.case()
        told = await world.supervisor.incident(
            case, "sexual_conduct", conduct="contact", about_user_id=str(world.clinician.id)
        )
        assert told["restricted"] is True
        assert told["flags_raised"][0]["restricted"] is True
        flag = told["flags_raised"][0]
        ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/acknowledge"))
        # a prompt, for the clinician alone
        other = await world.clinician.case()
        prompt = await world.clinician.incident(other, "cotreatment", coordinated=False)
        assert prompt["flags_raised"][0]["severity"] == "info"

    async with receiver() as to:
        allow(world, to)
        await subscribe(world.admin, to, "incident.*", "flag.*")
        await hidden_things()
        await _drain(world)
        assert to.events == ["incident.reported"], "of the second case, which hides nothing"
        # the twin: were it not asked whether it is hidden, it would be told
        really = outbox.owe
        monkeypatch.setattr("api.journal.entries.owe", lambda *_, **__: None)

        def careless(tx: Any, happening: Any, **options: Any) -> None:
            about = {key: options.get(key) for key in ("record_type", "case_id")}
            really(tx, str(happening), record_ids=options["record_ids"], **about)
            recorded(tx, happening, **options)

        recorded = journal.record
        monkeypatch.setattr(journal, "record", careless)
        monkeypatch.setattr(deliveries, "hidden_since", _nothing_is_hidden)
        await hidden_things()
        await _drain(world)
        assert to.events.count("flag.opened") == 2
        assert "flag.acknowledged" in to.events


async def _nothing_is_hidden(*_: object) -> set[UUID]:
    return set()


async def test_what_was_hidden_before_it_was_sent_is_told_no_more(world: World) -> None:
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "incident.*", "flag.*")
        case = await world.clinician.case()
        told = await world.supervisor.incident(case, "hurtful_words", restricted=False)
        await _drain(world)
        assert sorted(to.events) == ["flag.opened", "incident.reported"]
        more = await world.supervisor.incident(case, "touch", touch="handshake", restricted=False)
        for each in (told, more):
            ok(await world.supervisor.patch(f"/v1/incidents/{each['id']}", {"restricted": True}))
        await _drain(world)
        log = await log_of(world.admin, hook)
        hidden = {told["id"], more["id"]}
        late = [each for each in log if each["record_id"] in hidden and not each["attempts"]]
        assert late
        assert {each["status"] for each in late} == {"failed"}
        assert not [each for each in to.received if more["id"] in each.body]
        for each in log:
            if each["record_id"] in hidden:
                path = f"/v1/webhooks/{hook['id']}/deliveries/{each['id']}/resend"
                assert (await world.admin.post(path)).status_code == 409


async def test_a_flag_that_time_alone_opens_is_told_whoever_finds_it_first(world: World) -> None:
    async def worker(case: dict[str, Any]) -> None:
        await catch_up_once(world.database)

    async def reader(case: dict[str, Any]) -> None:
        await world.supervisor.flags(case)

    async with receiver() as to:
        allow(world, to)
        await subscribe(world.admin, to, "flag.*")
        for find in (worker, reader):
            case = await world.clinician.case()
            await world.clinician.incident(case, "hurtful_words", repeated=True)
            await _drain(world)
            before = len(to.received)
            world.clock.forward(days=14)
            await find(case)
            await _drain(world)
            told = [json.loads(each.body) for each in to.received[before:]]
            assert [(each["type"], each["data"]["case_id"]) for each in told] == [
                ("flag.opened", case["id"])
            ]
            flag = await the_flag(world.supervisor, case, "no_oversight")
            assert told[0]["data"]["record_id"] == flag["id"]


async def test_what_was_not_kept_is_not_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_entry(*_: object) -> None:
        raise OSError

    async with receiver() as to:
        allow(world, to)
        await subscribe(world.admin, to, "case.*")
        with monkeypatch.context() as patch:
            patch.setattr("api.storage.transaction.Transaction.insert", no_entry)
            refused = await tolerant(world).clinician.post("/v1/cases", {"client_ref": "B-17"})
        assert refused.status_code == 503
        assert await count(world, WebhookEvent) == 0
        assert await deliver(world) == 0
        await world.clinician.case()
        assert await deliver(world) == 1


# --------------------------------------------------------------------------- tried, and tried again


async def test_it_is_tried_eight_times_within_about_a_day_and_then_given_up(world: World) -> None:
    began = world.clock.now
    async with receiver(status(500, body="zqcanary4kestrel")) as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.*")
        await world.clinician.case()
        waits = []
        for tries in range(1, TRIES + 1):
            assert await deliver(world) == 1
            assert len(to.received) == tries
            (shown,) = await log_of(world.admin, hook)
            assert shown["attempts"][-1]["outcome"] == "not_accepted"
            assert shown["attempts"][-1]["http_status"] == 500
            if tries < TRIES:
                assert shown["status"] == "pending"
                due = _instant(world, shown["next_attempt_at"])
                waits.append(due - world.clock.now)
                world.clock.now = due - timedelta(microseconds=1)
                assert await deliver(world) == 0, "too early"
                world.clock.now = due
        assert (shown["status"], shown["next_attempt_at"]) == ("failed", None)
        world.clock.forward(days=3)
        assert await deliver(world) == 0
        assert all(one < other for one, other in itertools.pairwise(waits))
        assert timedelta(hours=23) < sum(waits, timedelta()) < timedelta(hours=29)
        assert len({each.headers["webhook-id"] for each in to.received}) == 1
        assert len({each.body for each in to.received}) == 1
        assert len({each.headers["webhook-timestamp"] for each in to.received}) == TRIES
        # sent again by hand: as if for the first time, and known by its id
        to.behave = status(200)
        path = f"/v1/webhooks/{hook['id']}/deliveries/{shown['id']}/resend"
        assert ok(await world.admin.post(path))["status"] == "pending"
        assert await deliver(world) == 1
        (shown,) = await log_of(world.admin, hook)
        assert (shown["status"], len(shown["attempts"])) == ("delivered", TRIES + 1)
        assert to.received[-1].headers["webhook-id"] == shown["event_id"]
        assert to.received[-1].verify(hook["secret"], world)
        assert world.clock.now > began


def _instant(world: World, text: str) -> Any:
    return type(world.clock.now).fromisoformat(text)


BEHAVIOURS = {
    "an error": (status(503), "not_accepted", 503),
    "a refusal": (status(404), "not_accepted", 404),
    "a redirect": (status(302, "Location: http://169.254.169.254/"), "redirected", 302),
    "another redirect": (status(308, "Location: /elsewhere"), "redirected", 308),
    "silence": (never, "timed_out", None),
    "a slow drip": (in_drops, "timed_out", None),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "not_http", None),
    "a closed door": (raw(b""), "not_http", None),
    "an endless head": (raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000), "not_http", None),
    "only promises": (raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "not_http", None),
    "endless promises": (promising_without_end, "not_http", None),
    "an endless body": (without_end, "delivered", 200),
    "a yes": (status(202, body="zqcanary4kestrel"), "delivered", 202),
}


async def test_whatever_a_receiver_does_has_its_word_and_hurts_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.*")
        for name, (behave, outcome, code) in BEHAVIOURS.items():
            to.behave, before = behave, to.connections
            patience = 0.3 if outcome == "timed_out" else 10
            monkeypatch.setattr(signed_request, "TIME_LIMIT", patience)
            await try_out(world, hook)
            tried = (await log_of(world.admin, hook))[0]["attempts"]
            assert [each["outcome"] for each in tried] == [outcome], name
            assert tried[0]["http_status"] == code, name
            assert tried[0]["milliseconds"] < 5_000, name
            assert to.connections == before + 1, name
            ok(await world.admin.patch(f"/v1/webhooks/{hook['id']}", {"is_active": False}))
            ok(await world.admin.patch(f"/v1/webhooks/{hook['id']}", {"is_active": True}))


async def test_a_receiver_that_wants_no_more_is_switched_off(world: World) -> None:
    async with receiver(status(410)) as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.*")
        for _ in range(2):
            await world.clinician.case()
        await deliver(world)
        shown = ok(await world.admin.get(f"/v1/webhooks/{hook['id']}"))
        assert shown["is_active"] is False
        assert {each["status"] for each in await log_of(world.admin, hook)} == {"failed"}
        before = await count(world, WebhookEvent)
        await world.clinician.case()
        assert await count(world, WebhookEvent) == before
        assert (await world.admin.post(f"/v1/webhooks/{hook['id']}/test")).status_code == 409
    entries = ok(await world.here["privacy_officer"].get("/v1/journal", limit=100))["items"]
    (entry,) = [each for each in entries if each["happening"] == "webhook.changed"]
    assert (entry["actor_id"], entry["changed"]) == (None, ["is_active"])


async def test_who_switches_off_and_who_wants_no_more_wait_for_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gives_up, holds = outbox.stop_deliveries, asyncio.Event()

    async def slowly(tx: Any, webhook_id: UUID) -> None:
        holds.set()
        await asyncio.sleep(0.3)
        await gives_up(tx, webhook_id)

    monkeypatch.setattr("api.routes.webhooks.stop_deliveries", slowly)
    async with receiver(status(410)) as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.*")
        await world.clinician.case()
        path = f"/v1/webhooks/{hook['id']}"
        change = asyncio.create_task(world.admin.patch(path, {"is_active": False}))
        await holds.wait()
        sent = await deliver(world)
        ok(await change)
        (shown,) = await log_of(world.admin, hook)
    assert shown["status"] == "failed"
    # where they could not meet, because one waited for the database, nothing was sent
    assert [each["outcome"] for each in shown["attempts"]] == ["gone"] * sent


async def test_a_webhook_that_was_taken_away_is_told_nothing(world: World) -> None:
    async with receiver() as to:
        allow(world, to)
        for end in ("switched off", "deleted"):
            hook = await subscribe(world.admin, to, "case.*")
            path = f"/v1/webhooks/{hook['id']}"
            await world.clinician.case()
            if end == "deleted":
                assert (await world.admin.delete(path)).status_code == 204
                assert (await world.admin.get(path)).status_code == 404
                assert (await world.admin.get(f"{path}/deliveries")).status_code == 404
            else:
                ok(await world.admin.patch(path, {"is_active": False}))
                (shown,) = await log_of(world.admin, hook)
                resend = f"{path}/deliveries/{shown['id']}/resend"
                assert (await world.admin.post(resend)).status_code == 409
            await world.clinician.case()
            assert await deliver(world) == 0
            # nor where a write that did not know it yet has owed it something
            await _owe_late(world, hook)
            assert await deliver(world) == 0
        assert to.connections == 0
        assert ok(await world.admin.get("/v1/webhooks"))["items"][0]["is_active"] is False


async def _owe_late(world: World, hook: dict[str, Any]) -> None:
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id, ZoneInfo("UTC"))
        rows = await tx.exec(select(Webhook))
        (row,) = [each for each in rows if str(each.id) == hook["id"]]
        await outbox.owe_a_test(tx, row)


async def test_a_slow_receiver_does_not_hold_up_another(world: World) -> None:
    late, may_answer = waiting()
    async with receiver(late) as slow, receiver() as quick:
        destinations = allow(world, slow, quick)
        await subscribe(world.admin, slow, "case.*")
        await subscribe(world.admin, quick, "case.*")
        for _ in range(8):
            await world.clinician.case()
        told_to_stop = asyncio.Event()
        working = asyncio.create_task(deliver_until(told_to_stop, world.database, destinations))
        await quick.has_received(8)
        assert slow.connections == deliveries.AT_ONCE_TO_ONE
        told_to_stop.set()
        await asyncio.sleep(0.1)
        assert not working.done(), "what is under way is finished first"
        may_answer.set()
        await working
        assert slow.connections == deliveries.AT_ONCE_TO_ONE


async def test_who_dies_before_the_answer_leaves_it_to_be_sent_again(world: World) -> None:
    async with receiver(never) as to:
        destinations = allow(world, to)
        hook = await subscribe(world.admin, to, "case.*")
        await world.clinician.case()
        dying = Deliveries(world.database, destinations)
        assert await dying.begin() == 1
        await to.has_received(1)
        for task in list(dying._under_way):
            task.cancel()
        await dying.finish()
        (shown,) = await log_of(world.admin, hook)
        assert (shown["status"], shown["attempts"]) == ("pending", [])
        to.behave = status(204)
        assert await deliver(world) == 0, "it is still claimed"
        world.clock.forward(seconds=deliveries.CLAIMED_FOR.total_seconds())
        assert await deliver(world) == 1
        first, second = to.received
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert (await log_of(world.admin, hook))[0]["status"] == "delivered"


async def test_a_worker_that_is_killed_has_told_nobody_that_it_is_done(new_urls: Urls) -> None:
    async with open_world(new_urls, NOON) as world, receiver(never) as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.*")
        await world.clinician.case()
        settings = {
            "BN_DATABASE_URL": new_urls.runtime,
            "BN_SECRET_KEY": SETTINGS_SECRET.get_secret_value(),
            "BN_DATA_KEY": DATA_KEY.get_secret_value(),
            "BN_WEBHOOK_TEST_ADDRESSES": to.address,
        }
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api", "worker"),
            cwd=ROOT,
            env=os.environ | settings,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            await to.has_received(1)
        finally:
            worker.kill()
            await worker.wait()
        to.behave = status(204)
        # the worker's clock is the real one
        world.clock.now = datetime.now(UTC)
        assert await deliver(world) == 0, "it is still claimed"
        world.clock.now += deliveries.CLAIMED_FOR
        assert await deliver(world) == 1
        first, second = to.received
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        (shown,) = await log_of(world.admin, hook)
        assert (shown["status"], len(shown["attempts"])) == ("delivered", 1)


@pytest.mark.parametrize("claimed_for", [deliveries.CLAIMED_FOR, timedelta(0)])
async def test_two_workers_send_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, claimed_for: timedelta
) -> None:
    """And without the claim, the twin of it, they would."""
    monkeypatch.setattr(deliveries, "CLAIMED_FOR", claimed_for)
    late, may_answer = waiting()
    async with receiver(late) as to:
        destinations = allow(world, to)
        await subscribe(world.admin, to, "case.*")
        for _ in range(6):
            await world.clinician.case()
        workers = [Deliveries(world.database, destinations) for _ in range(2)]
        # they knock at the same moment, and one after the other
        begun = await asyncio.gather(*(each.begin() for each in workers))
        begun += [await each.begin() for each in workers]
        may_answer.set()
        await asyncio.gather(*(each.finish() for each in workers))
        ids = [each.headers["webhook-id"] for each in to.received]
    assert len(ids) == sum(begun)
    assert len(set(ids)) == 6 or not claimed_for
    assert (len(ids) == len(set(ids))) == bool(claimed_for)


# -------------------------------------------------------------------------------- by hand, once


async def test_a_test_with_a_key_is_sent_once_and_shown_as_it_is_now(world: World) -> None:
    admin = world.admin
    async with receiver() as to:
        allow(world, to)
        hook, other = [await subscribe(admin, to, "case.*") for _ in range(2)]
        path = f"/v1/webhooks/{hook['id']}"
        keyed = {"headers": {KEY: "by-hand"}}
        first = ok(await admin.post(f"{path}/test", **keyed))
        assert ok(await admin.post(f"{path}/test", **keyed)) == first
        assert await deliver(world) == 1
        again = ok(await admin.post(f"{path}/test", **keyed))
        assert again == ok(await admin.get(f"{path}/deliveries/{first['id']}"))
        assert (again["id"], again["status"], len(again["attempts"])) == (
            first["id"],
            "delivered",
            1,
        )
        resend = f"{path}/deliveries/{first['id']}/resend"
        world.clock.forward(minutes=1)
        sent = ok(await admin.post(resend, **keyed))
        assert (sent["id"], sent["status"]) == (first["id"], "pending")
        assert await deliver(world) == 1
        assert ok(await admin.post(resend, **keyed))["status"] == "delivered"
        assert await deliver(world) == 0
        assert to.events == ["webhook.test"] * 2
        # without a key, or to another webhook, it is another one
        for each in (
            await admin.post(f"{path}/test"),
            await admin.post(f"/v1/webhooks/{other['id']}/test", **keyed),
        ):
            assert ok(each)["id"] != first["id"]
        told = {"content": b'{"a": 1}', "headers": {KEY: "by-hand", "Content-Type": "text/plain"}}
        assert (await admin.send("POST", f"{path}/test", **told)).status_code == 422
        # and who may not see it any more is told no more
        assert (await admin.delete(path)).status_code == 204
        for gone in (f"{path}/test", resend):
            assert (await admin.post(gone, **keyed)).status_code == 404


async def test_a_delivery_is_read_under_its_own_webhook_only(world: World) -> None:
    admin, path = world.admin, "/v1/webhooks"
    body = {"name": "Diary", "url": "https://diary.example/events", "events": ["case.*"]}
    hook, other = [made(await admin.post(path, body)) for _ in range(2)]
    sent = ok(await admin.post(f"{path}/{hook['id']}/test"))
    officer = world.here["privacy_officer"]
    assert ok(await officer.get(f"{path}/{hook['id']}/deliveries/{sent['id']}")) == sent
    unknown = await admin.get(f"{path}/{other['id']}/deliveries/{sent['id']}")
    assert unknown.status_code == 404


async def test_deliveries_that_changed_since_are_found(world: World) -> None:
    async with receiver() as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, "case.*")
        first = await try_out(world, hook)
        world.clock.forward(hours=1)
        second = await try_out(world, hook)
        since = world.clock.now.isoformat()
        assert [each["id"] for each in await log_of(world.admin, hook, updated_since=since)] == [
            second["id"]
        ]
        world.clock.forward(hours=1)
        path = f"/v1/webhooks/{hook['id']}/deliveries"
        ok(await world.admin.post(f"{path}/{first['id']}/resend"))
        since = world.clock.now.isoformat()
        (found,) = await log_of(world.admin, hook, updated_since=since)
        assert (found["id"], found["updated_at"]) == (first["id"], "2026-03-02T14:00:00Z")
        world.clock.forward(hours=1)
        await deliver(world)
        since = world.clock.now.isoformat()
        (found,) = await log_of(world.admin, hook, updated_since=since)
        assert (found["id"], found["status"]) == (first["id"], "delivered")
        assert (await world.admin.get(path, updated_since="2026-03-02")).status_code == 422


# ------------------------------------------------------------------------------------ the door


async def test_what_is_asked_for_must_be_known(world: World) -> None:
    body = {"name": "Diary", "url": "https://diary.example/events", "events": ["flag.*"]}
    for events, pointer in (
        ([], "/events"),
        (["flag.eased"], "/events/0"),
        (["flag.*", "*"], "/events/1"),
        (["webhook.test"], "/events/0"),
        (["note.*"], "/events/0"),
    ):
        refused = ok(await world.admin.post("/v1/webhooks", {**body, "events": events}), 422)
        assert [each["pointer"] for each in refused["errors"]] == [pointer], events
    hook = made(await world.admin.post("/v1/webhooks", body))
    path = f"/v1/webhooks/{hook['id']}"
    for url in ("http://diary.example/", "https://127.0.0.1/", "https://diary.example:22/"):
        refused = ok(await world.admin.post("/v1/webhooks", {**body, "url": url}), 422)
        assert [each["pointer"] for each in refused["errors"]] == ["/url"]
        refused = ok(await world.admin.patch(path, {"url": url}), 422)
        assert "diary" not in json.dumps(refused)
    changed = ok(await world.admin.patch(path, {"name": "Other", "events": list(FAMILIES)}))
    assert (changed["version"], changed["events"]) == (2, sorted(FAMILIES))
    assert (await world.admin.patch(path, {"name": "Late"}, 1)).status_code == 412


async def test_a_recent_sign_in_is_asked_for_what_moves_an_address_or_a_secret(
    world: World,
) -> None:
    body = {"name": "Diary", "url": "https://diary.example/events", "events": ["flag.*"]}
    hook = made(await world.admin.post("/v1/webhooks", body))
    path, secret_id = f"/v1/webhooks/{hook['id']}", hook["secrets"][0]["id"]
    stale = await _signed_in_an_hour_ago(world)
    for answer in (
        await stale.post("/v1/webhooks", body),
        await stale.patch(path, {"url": "https://other.example/"}),
        await stale.post(f"{path}/secrets"),
        await stale.delete(f"{path}/secrets/{secret_id}", 1),
    ):
        assert ok(answer, 403)["type"].endswith(":sign-in-again")
    ok(await stale.patch(path, {"name": "Other"}))
    ok(await stale.post(f"{path}/test"))


async def _signed_in_an_hour_ago(world: World) -> Person:
    admin = world.admin
    stale = Person(world, admin.clinic_id, admin.id, admin.role, admin.email)
    await world.token_of(stale)
    table = sa.table("sessions", sa.column("id"), sa.column("authenticated_at"))
    an_hour_ago = world.clock.now - timedelta(hours=1)
    async with world.owner.transaction() as tx:
        moved = sa.update(table).where(table.c.id == sa.bindparam("it", type_=sa.Uuid()))
        at = sa.bindparam("at", type_=sa.DateTime(timezone=True))
        values = {"it": stale.session_id, "at": an_hour_ago}
        await (await tx.connection()).execute(moved.values(authenticated_at=at), values)
    return stale


async def test_two_admins_at_once_lose_no_wish(world: World) -> None:
    body = {"name": "Diary", "url": "https://diary.example/events"}
    wishes = sorted(str(event) for event in Event if event in outbox.TELLABLE)[:6]
    hooks = [
        made(answer)
        for answer in await asyncio.gather(
            *(world.admin.post("/v1/webhooks", {**body, "events": [each]}) for each in wishes)
        )
    ]
    watched = sa.text("SELECT watched_events FROM clinics WHERE id = :here").bindparams(
        sa.bindparam("here", world.admin.clinic_id, sa.Uuid())
    )
    async with world.owner.transaction() as tx:
        found = (await (await tx.connection()).execute(watched)).scalar_one()
    assert (json.loads(found) if isinstance(found, str) else found) == wishes
    for hook in hooks:
        assert (await world.admin.delete(f"/v1/webhooks/{hook['id']}")).status_code == 204
    async with world.owner.transaction() as tx:
        found = (await (await tx.connection()).execute(watched)).scalar_one()
    assert (json.loads(found) if isinstance(found, str) else found) == []


async def test_a_clinic_has_fifty_webhooks_at_most(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.webhooks.AT_MOST", 1)
    body = {"name": "Diary", "url": "https://diary.example/events", "events": ["flag.*"]}
    hook = made(await world.admin.post("/v1/webhooks", body))
    assert (await world.admin.post("/v1/webhooks", body)).status_code == 409
    assert (await world.admin.delete(f"/v1/webhooks/{hook['id']}")).status_code == 204
    made(await world.admin.post("/v1/webhooks", body))


def test_the_document_describes_every_event() -> None:
    assert set(document()["webhooks"]) == set(map(str, Event))
    for of_event in document()["webhooks"].values():
        described = of_event["post"]
        names = {each["name"] for each in described["parameters"]}
        assert names == {"webhook-id", "webhook-timestamp", "webhook-signature"}
        reference = described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert reference.endswith("/EventNotice")
        assert {"204", "3XX", "410"} <= described["responses"].keys()
        assert described["summary"]
    (wanted,) = [
        document()["components"]["schemas"]["WebhookCreate"]["properties"]["events"]["items"][
            "enum"
        ]
    ]
    assert set(wanted) == outbox.TELLABLE | set(FAMILIES)
