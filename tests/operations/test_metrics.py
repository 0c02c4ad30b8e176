"""The metrics: what is counted, for whom, and that no label tells of anybody."""

import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr, ValidationError
from sqlmodel import SQLModel, func, select
from starlette.routing import Route
from uuid_utils.compat import uuid7

from api.commands.worker import seal
from api.domain.vocabulary import Severity
from api.journal.entries import Happening
from api.runtime import metrics
from api.runtime.settings import Settings, new_data_key, random_secret
from api.storage import revisions
from api.storage.database import Database
from api.storage.models.integration import Webhook, WebhookDelivery, WebhookEvent
from api.storage.models.journal import JournalEntry
from api.storage.models.mails import Mail, MailKind, MailStatus
from tests.support import processes
from tests.support.checkout import ROOT
from tests.support.patience import PATIENCE, get
from tests.support.processes import serving
from tests.support.world import NOON, Urls, World, ok, open_world

TOKEN = secrets.token_urlsafe(32)
Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scraper:
    """Reads the metrics of a world, as somebody who knows the token."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.app.state.metrics_token = TOKEN.encode()

    async def text(self) -> str:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        answer = await self.world.http.get("/metrics", headers=bearer)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return answer.text

    async def numbers(self) -> Numbers:
        return read(await self.text())


def read(text: str) -> Numbers:
    """Parse what Prometheus would, each number under its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(numbers: Numbers, name: str, **labels: str) -> float:
    return numbers.get((name, frozenset(labels.items())), 0)


@pytest.fixture
def scraper(world: World) -> Iterator[Scraper]:
    yield Scraper(world)
    world.app.state.metrics_token = None


# ------------------------------------------------------------------------------------- the token


async def test_without_the_setting_there_is_no_such_path(world: World) -> None:
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}"}):
        answer = await world.http.get("/metrics", headers=headers)
        nowhere = await world.http.get("/nowhere", headers=headers)
        assert answer.status_code == 404
        assert _told(answer) == _told(nowhere)


def _told(answer: httpx.Response) -> dict[str, object]:
    return {key: value for key, value in answer.json().items() if key != "request_id"}


async def test_only_the_token_opens_them(scraper: Scraper) -> None:
    signed_in = await scraper.world.token_of(scraper.world.admin)
    tried = ("", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x")
    for header in (*tried, f"Bearer {signed_in}", "Bearer é"):
        answer = await scraper.world.http.get(
            "/metrics", headers=[(b"authorization", header.encode())]
        )
        assert answer.status_code == 401, header
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] == "Bearer"
    assert (await scraper.world.http.get("/metrics")).status_code == 401
    assert "bn_build_info" in await scraper.text()


@pytest.mark.parametrize("token", ["", "short", "a" * 64])
def test_a_weak_token_refuses_to_start(token: str) -> None:
    with pytest.raises(ValidationError, match="BN_METRICS_TOKEN"):
        Settings(secret_key=random_secret(), metrics_token=SecretStr(token))


# -------------------------------------------------------------------------------------- requests


async def test_requests_are_counted_by_template_method_and_status(scraper: Scraper) -> None:
    case = await scraper.world.clinician.case()
    asked = {"method": "GET", "route": "/v1/cases/{case_id}", "status": "200"}
    before = await scraper.numbers()
    for _ in range(3):
        ok(await scraper.world.clinician.get(f"/v1/cases/{case['id']}"))
    after = await scraper.numbers()
    for name, labels, more in (
        ("bn_requests_total", asked, 3),
        ("bn_request_seconds_count", {"route": asked["route"]}, 3),
        ("bn_request_seconds_bucket", {"route": asked["route"], "le": "+Inf"}, 3),
        ("bn_journal_entries_total", {}, 3),
    ):
        assert of(after, name, **labels) - of(before, name, **labels) == more, name
    # the scrape itself
    assert of(after, "bn_requests_in_progress") == 1
    assert of(after, "bn_database_connections_in_use") == 0
    assert of(after, "bn_database_connections") >= 1


async def test_refusals_of_strangers_are_counted_and_others_are_not(scraper: Scraper) -> None:
    world = scraper.world
    before = await scraper.numbers()
    await world.http.get("/v1/cases")
    await world.http.get("/v1/cases", headers={"Authorization": "Bearer nobody"})
    refused = await world.http.post(
        "/v1/auth/token",
        data={"grant_type": "password", "username": "n@clinic.example", "password": "x" * 20},
    )
    assert refused.status_code == 400
    assert (await world.admin.get("/v1/cases")).status_code == 403
    after = await scraper.numbers()
    counted = {
        status: of(after, "bn_anonymous_refusals_total", status=status)
        - of(before, "bn_anonymous_refusals_total", status=status)
        for status in ("400", "401", "403")
    }
    assert counted == {"400": 1, "401": 2, "403": 0}


def unknown_labels(world: World, numbers: Numbers) -> set[tuple[str, str]]:
    """Name the labels that are none of the few words there may be."""
    routes = {
        context.path or context.original_route.path
        for context in iter_route_contexts(world.app.routes)
        if isinstance(context.original_route, Route)
    }
    known = {
        "method": {*metrics.METHODS, metrics.OTHER},
        "route": {*routes, metrics.OTHER},
        "severity": set(map(str, Severity)),
        "outcome": set(map(str, MailStatus)),
        "version": {world.app.version},
        "migration": {revisions.head()},
    }
    number = re.compile(r"\d{3}|\d+\.\d+|\+Inf")
    return {
        (name, value)
        for _, labels in numbers
        for name, value in labels
        if not (number.fullmatch(value) if name in {"status", "le"} else value in known[name])
    }


async def test_labels_are_words_of_ours_whatever_is_sent(
    scraper: Scraper, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = scraper.world

    async def send() -> Numbers:
        case = await world.clinician.case(client_ref=f"zq-in-a-label-{uuid7()}")
        await world.clinician.get(f"/v1/cases/{case['id']}", client_ref="zq-in-a-label")
        await world.clinician.get("/v1/zq-in-a-label/{case_id}")
        await world.http.get("/static-offline-docs/zq-in-a-label")
        await world.http.request("ZQ-IN-A-LABEL", "/v1/cases")
        return await scraper.numbers()

    before = await scraper.numbers()
    numbers = await send()
    assert unknown_labels(world, numbers) == set()
    elsewhere = {"method": "GET", "route": "other", "status": "404"}
    lost = of(numbers, "bn_requests_total", **elsewhere)
    assert lost - of(before, "bn_requests_total", **elsewhere) == 2
    series = len(numbers)
    assert len(await send()) <= series + 2
    # the twin: a method as it was sent would be seen
    monkeypatch.setattr(metrics, "word_for", lambda method: method)
    try:
        assert unknown_labels(world, await send()) == {("method", "ZQ-IN-A-LABEL")}
    finally:
        metrics._requests.remove("ZQ-IN-A-LABEL", "/v1/cases", "405")
        del metrics._counted["ZQ-IN-A-LABEL", "/v1/cases", 405]


# ------------------------------------------------------------------------- what the database says


async def test_what_waits_is_counted_for_all_clinics_together(scraper: Scraper) -> None:
    world = scraper.world
    before = await scraper.numbers()
    entries_before = await _entries(world)
    case = await world.clinician.case()
    told = {"severity": "high", "title": "Look", "because": "It was told."}
    for supervisor, place in ((world.supervisor, case), (world.there["supervisor"], None)):
        of_case = place or await world.there["clinician"].case()
        ok(await supervisor.post(f"/v1/cases/{of_case['id']}/flags", told), 201)
    await _owe_a_delivery(world)
    await _owe_mails(world)
    world.clock.forward(hours=1)
    after = await scraper.numbers()

    def more(name: str, numbers: Numbers, **labels: str) -> float:
        return of(numbers, name, **labels) - of(before, name, **labels)

    assert more("bn_flags_unresolved", after, severity="high") == 2
    assert more("bn_deliveries_pending", after) == 1
    assert more("bn_mails_pending", after) == 2
    assert more("bn_mails_failing", after) == 1
    assert more("bn_mails_total", after, outcome="sent") == 3
    assert more("bn_mails_total", after, outcome="given_up") == 1
    assert of(after, "bn_mails_overdue_seconds") >= 3600 + 90
    assert more("bn_journal_unsealed_entries", after) == await _entries(world) - entries_before
    assert of(after, "bn_journal_unsealed_seconds") >= 3600
    assert of(after, "bn_deliveries_overdue_seconds") >= 3600 + 90
    assert of(after, "bn_database_up") == 1
    for clinic in (world.clinician.clinic_id, world.there["clinician"].clinic_id):
        await seal(world.database, clinic)
    sealed = await scraper.numbers()
    assert more("bn_journal_unsealed_entries", sealed) == 0
    # a case that time alone may move waits for the rules until somebody looks
    at_risk = await world.clinician.case()
    await world.clinician.promise(at_risk, due_on=world.day(2))
    world.clock.forward(days=30)
    assert of(await scraper.numbers(), "bn_cases_overdue_seconds") >= 86400


async def _entries(world: World) -> int:
    async with world.owner.transaction() as tx:
        found = await tx.exec(select(func.count()).select_from(JournalEntry))
        return int(found.one())


async def _owe_mails(world: World) -> None:
    """Leave a clinic with mails that were sent, given up, handed over, and tried in vain."""
    me = world.clinician
    async with world.owner.transaction() as tx:
        await tx.enter(me.clinic_id)
        of: dict[str, Any] = {"clinic_id": me.clinic_id, "user_id": me.id, "kind": MailKind.daily}
        dated: dict[str, Any] = {"created_at": tx.now, "updated_at": tx.now}
        due = tx.now - timedelta(seconds=90)
        for status, attempts, at in (
            *[(MailStatus.sent, 0, None)] * 3,
            (MailStatus.given_up, 8, None),
            (MailStatus.handed_over, 0, due),
            (MailStatus.owed, 1, due),
        ):
            how: dict[str, Any] = {"status": status, "attempts": attempts, "next_attempt_at": at}
            tx.add(Mail(**of, **dated, **how, source_id=uuid7()))


async def _owe_a_delivery(world: World) -> None:
    clinic = world.clinician.clinic_id
    async with world.owner.transaction() as tx:
        await tx.enter(clinic)
        made: dict[str, Any] = {"clinic_id": clinic, "created_at": tx.now, "updated_at": tx.now}
        hook = Webhook(**made, name="x", url="https://x.example/", events=["case.opened"])
        event = WebhookEvent(
            clinic_id=clinic, id=uuid7(), at=tx.now, event=str(Happening.case_opened)
        )
        tx.add(hook)
        tx.add(event)
        await tx.flush()
        due = tx.now - timedelta(seconds=90)
        tx.add(WebhookDelivery(**made, webhook_id=hook.id, event_id=event.id, next_attempt_at=due))


@pytest.mark.parametrize(
    "nowhere",
    ["sqlite+aiosqlite:////nowhere/notes.db", "postgresql+asyncpg://nobody@/notes?host=/nowhere"],
)
async def test_without_a_database_the_process_still_tells_of_itself(
    scraper: Scraper, nowhere: str
) -> None:
    reachable = scraper.world.app.state.database
    scraper.world.app.state.database = Database(nowhere)
    try:
        numbers = await scraper.numbers()
    finally:
        await scraper.world.app.state.database.dispose()
        scraper.world.app.state.database = reachable
    names = {name for name, _ in numbers}
    assert of(numbers, "bn_database_up") == 0
    assert {"bn_requests_total", "bn_build_info"} <= names
    assert "bn_flags_unresolved" not in names
    assert of(await scraper.numbers(), "bn_database_up") == 1


async def test_old_entries_of_the_journal_are_not_read_for_a_scrape(postgresql_urls: Urls) -> None:
    """A scrape must cost by what waits, not by what a clinic ever wrote."""
    async with open_world(postgresql_urls, NOON) as world, world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        connection = await tx.connection()
        body = (await connection.exec_driver_sql(_BODY)).scalar_one()
        # as among many rows: few are read whole, or by whichever index, which is as fast
        await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        # of which index it is read is what is asked, not by which kind of scan
        await connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        async with connection.begin_nested() as as_among_many:
            for index in SQLModel.metadata.tables["journal_entries"].indexes:
                await connection.exec_driver_sql(f"DROP INDEX {index.name}")
            explained = await connection.exec_driver_sql(f"EXPLAIN {body}")
            plan = "\n".join(line for (line,) in explained)
            await as_among_many.rollback()
    found = re.search(r"Scan using pk_journal_entries.*\n.*Index Cond: (.*)", plan)
    assert found is not None, plan
    assert "id >= COALESCE" in found[1], plan


_BODY = "SELECT prosrc FROM pg_proc WHERE proname = 'standing_counts'"


# ------------------------------------------------------------------------------ several processes


def test_one_scrape_shows_every_process(
    tmp_path: Path, new_urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # three processes come up
    monkeypatch.setattr(processes, "READY_WITHIN", PATIENCE)
    settings = {
        "database_url": new_urls.runtime,
        "secret_key": secrets.token_urlsafe(48),
        "data_key": new_data_key(),
        "metrics_token": TOKEN,
    }
    with serving(settings, "--workers", "2", until="/readyz") as url:
        (folder,) = tmp_path.glob("bn-metrics-*")
        assert folder.stat().st_mode & 0o077 == 0
        _wait_until(lambda: _scrape(url)[1] == 2)
        for _ in range(40):
            get(f"{url}/healthz")
        # each process alone would have answered some of them
        assert {_scrape(url) for _ in range(6)} == {(40, 2, 1)}
    assert list(tmp_path.glob("bn-metrics-*")) == []


def _wait_until(comes_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not comes_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _scrape(url: str) -> tuple[float, float, float]:
    answer = get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    numbers = read(answer.text)
    asked = {"method": "GET", "route": "/healthz", "status": "200"}
    return (
        of(numbers, "bn_requests_total", **asked),
        of(numbers, "bn_database_connections"),
        of(numbers, "bn_requests_in_progress"),
    )


LIVES = """
import sys
from api.runtime import metrics
metrics.connections.set(3)
metrics.count_request("GET", "/healthz", 200, 0.01, signed_in=True)
print(flush=True)
sys.stdin.read()
"""


def test_a_dead_process_leaves_what_it_counted_and_nothing_it_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(metrics.FOLDER, str(tmp_path))
    (tmp_path / "counter_1.db").touch()  # one that was only just made
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", LIVES],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    assert _together() == (2, 6)
    processes[0].kill()
    processes[0].communicate()
    assert _together() == (2, 3)
    processes[1].communicate()
    assert _together() == (2, 0)


def _together() -> tuple[float, float]:
    numbers = read(metrics.write_all().decode())
    asked = {"method": "GET", "route": "/healthz", "status": "200"}
    return of(numbers, "bn_requests_total", **asked), of(numbers, "bn_database_connections")
