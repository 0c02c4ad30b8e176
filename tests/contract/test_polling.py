"""Whoever asks for what changed since the latest they saw misses nothing, whoever writes beside."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import Response
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from api.commands.worker import catch_up_once
from api.interop.bulk.parse import read_ndjson
from api.interop.bulk.run_import import Order, take_in
from api.interop.fhir import search_answers
from api.interop.fhir.elements import in_milliseconds
from api.journal.outbox import stop_deliveries
from api.storage.database import Database
from api.storage.instants import TICK, Instants, last_ended, oldest, told
from api.storage.models.clinical import Case, Incident
from api.storage.models.integration import WebhookDelivery
from api.storage.tenancy import INSTANT
from api.storage.transaction import Transaction
from tests.support.world import NOON, SETTINGS, Clock, Person, Urls, World, made, ok, open_world

pytestmark = pytest.mark.both_databases

Record = dict[str, Any]
ROUND = 1 << 32
MILLISECOND = timedelta(milliseconds=1)


# ------------------------------------------------------------------------- how long it is open


def shown(instant: datetime) -> int:
    """Give when a transaction began as PostgreSQL shows it: without a sign."""
    return told(uuid4(), instant)[1] % ROUND


def test_what_began_when_is_read_back_wherever_the_count_begins_anew() -> None:
    chance = random.Random(7)
    around_each_end = [datetime(1970, 1, 1, tzinfo=UTC) + n * ROUND * MILLISECOND for n in range(9)]
    for _ in range(2000):
        present = chance.choice([NOON, *around_each_end[1:]]) + timedelta(
            microseconds=chance.randrange(-(10**6), 10**6)
        )
        ages = [timedelta(microseconds=chance.randrange(10**10)) for _ in range(3)]
        began = [present - age for age in ages]
        until = oldest(map(shown, began), present)
        assert until < min(began)
        assert min(began) - until <= MILLISECOND + TICK


def test_where_nothing_is_open_a_list_is_whole_up_to_now() -> None:
    assert oldest([], NOON) == NOON


def test_what_is_ahead_by_another_clock_holds_nothing_back() -> None:
    assert oldest([shown(NOON + timedelta(seconds=3))], NOON) == NOON


def test_what_cannot_be_believed_is_older_than_everything() -> None:
    for days in (2, 20, 24, -2, -20):
        assert oldest([shown(NOON - timedelta(days=days))], NOON) < NOON - timedelta(days=365)


def test_the_numbers_of_a_key_fit_where_postgresql_keeps_them() -> None:
    for _ in range(1000):
        assert all(-(1 << 31) <= number < 1 << 31 for number in told(uuid4(), datetime.now(UTC)))


# --------------------------------------------------------------------------- a clock goes back


def test_instants_go_on_where_the_clock_goes_back_and_follow_it_again() -> None:
    clock = Clock(NOON)
    instants = Instants(clock)
    assert instants.read_clock() == (NOON, NOON)
    clock.forward(hours=-1)
    assert instants.read_clock() == (NOON - timedelta(hours=1), NOON + TICK)
    assert instants.read_clock().instant == NOON + 2 * TICK
    clock.forward(hours=2)
    assert instants.read_clock() == (clock.now, clock.now)


def test_a_clock_that_was_years_ahead_is_not_waited_for() -> None:
    clock = Clock(NOON)
    instants = Instants(clock)
    instants.read_clock()
    clock.forward(days=-400)
    assert instants.read_clock() == (clock.now, clock.now)


async def test_no_record_moves_back_with_the_clock_and_whoever_polls_sees_it(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words")
    mark = report["updated_at"]
    world.clock.forward(hours=-1)
    path = f"/v1/incidents/{report['id']}"
    changed = ok(await world.clinician.patch(path, {"narrative": "told again"}))
    assert instant(changed["updated_at"]) > instant(mark)
    assert instant(ok(await world.clinician.get(path))["updated_at"]) > instant(mark)
    await world.clinician.incident(case, "hurtful_words")
    polled = await rest_rows(world.clinician, "/v1/incidents", mark)
    assert len(polled) == 2
    assert all(instant(row["updated_at"]) > instant(mark) for row in polled)
    flags = await rest_rows(world.supervisor, "/v1/flags", mark)
    assert [(flag["rule"], flag["version"]) for flag in flags] == [("hurtful_words", 2)]


@pytest.mark.parametrize("hours", [1, 50])
async def test_a_later_version_is_never_the_older_one(world: World, hours: int) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words", on=-5)
    world.clock.forward(hours=-hours)
    for path in (f"/v1/incidents/{report['id']}", f"/v1/cases/{case['id']}"):
        before = ok(await world.clinician.get(path))
        said = {"client_impact": "severe"} if "incidents" in path else {"status": "paused"}
        changed = ok(await world.clinician.patch(path, said))
        after = ok(await world.clinician.get(path))
        for later in (changed, after):
            assert instant(later["updated_at"]) > instant(before["updated_at"])


async def test_a_server_that_begins_anew_follows_what_stands_in_the_database(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words")
    world.clock.forward(hours=-1)
    world.database.instants = Instants(world.clock)
    later = await world.clinician.incident(case, "hurtful_words")
    polled = await rest_rows(world.clinician, "/v1/incidents", report["updated_at"])
    news = [row for row in polled if instant(row["updated_at"]) > instant(report["updated_at"])]
    assert [row["id"] for row in news] == [later["id"]]


async def test_what_is_changed_by_statement_does_not_move_back_either(world: World) -> None:
    world.clock.forward(days=5)
    hook = made(
        await world.admin.post(
            "/v1/webhooks",
            {"name": "n", "url": "https://r.example/", "events": ["case.opened"]},
        )
    )
    await world.clinician.case()
    world.clock.forward(days=-3)
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.clinician.clinic_id)
        before = (await tx.exec(select(col(WebhookDelivery.updated_at)))).one()
        await stop_deliveries(tx, UUID(hook["id"]))
        assert (await tx.exec(select(col(WebhookDelivery.updated_at)))).one() >= before


# ----------------------------------------------------------------------- one instant each time


async def test_a_row_carries_no_instant_from_before_its_transaction_began(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words")
    async with world.database.transaction() as tx:
        before = tx.now
        world.clock.forward(seconds=3)
        await tx.enter_for_work(world.clinician.clinic_id)
        assert tx.now == tx.instant == before + timedelta(seconds=3)
        row = (await tx.exec(select(Incident).where(Incident.id == UUID(report["id"])))).one()
        row.change({}, before)
        await tx.flush()
        assert row.updated_at == tx.instant


async def test_a_transaction_that_nobody_was_told_of_writes_nothing(world: World) -> None:
    case = await world.clinician.case()
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.clinician.clinic_id)
        row = (await tx.exec(select(Case).where(Case.id == UUID(case["id"])))).one()
        del tx._session.info[INSTANT]
        row.change({}, tx.now)
        with pytest.raises(RuntimeError, match="nobody was told of"):
            await tx.flush()
        tx._session.sync_session.expunge_all()


async def test_on_one_file_rows_carry_instants_in_the_order_of_their_commits(
    new_urls: Urls,
) -> None:
    async with open_world(new_urls, NOON) as world:
        other = Database(new_urls.runtime, keys=SETTINGS.data_keys, clock=world.clock)
        clinic_id, began = world.clinician.clinic_id, asyncio.Event()

        async def wait_and_write() -> datetime:
            async with other.transaction() as tx:
                began.set()
                await tx.enter_for_work(clinic_id)
                return tx.instant

        async with world.database.transaction() as tx:
            await tx.enter_for_work(clinic_id)
            waiting = asyncio.create_task(wait_and_write())
            await began.wait()
            await asyncio.sleep(0.05)
            world.clock.forward(seconds=3)
        assert await waiting == world.clock.now
        await other.dispose()


# ------------------------------------------------------------------------- a write that is open


class Ticking(Clock):
    """A clock that goes as ours does, from a given instant on."""

    def __init__(self, now: datetime) -> None:
        self.ahead = now - datetime.now(UTC)

    @property
    def now(self) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) + self.ahead

    def __call__(self) -> datetime:
        return self.now


def start_clock(world: World, now: datetime) -> None:
    """Let a world's time pass as ours does."""
    world.clock = Ticking(now)
    world.database.clock = world.clock
    world.database.instants = Instants(world.clock)


@pytest.fixture
async def beside(busy: World, postgresql_urls: Urls) -> AsyncIterator[Database]:
    """The database as another process of the same clinics reaches it."""
    database = Database(postgresql_urls.runtime, keys=SETTINGS.data_keys, clock=busy.clock)
    yield database
    await database.dispose()


@pytest.fixture
async def busy(postgresql_urls: Urls) -> AsyncIterator[World]:
    """A world on PostgreSQL where time passes."""
    async with open_world(postgresql_urls, NOON) as world:
        start_clock(world, NOON.replace(hour=23))
        yield world


async def answered(ask: Callable[..., Awaitable[Response]], *about: Any, **how: Any) -> Response:
    """Ask again where a busy machine had no time for an answer."""
    for _ in range(20):
        answer = await ask(*about, **how)
        if answer.status_code != 503:
            break
    return answer


async def rest_rows(by: Person, path: str, since: str | None, limit: int = 100) -> list[Record]:
    """Give all rows of a list that changed since an instant, page by page."""
    found: list[Record] = []
    asked: Record = {"limit": limit} | ({"updated_since": since} if since else {})
    while True:
        page = ok(await answered(by.get, path, **asked))
        found += page["items"]
        if page["next"] is None:
            return found
        asked["cursor"] = page["next"]


async def fhir_rows(by: Person, path: str, since: str | None, limit: int = 100) -> list[Record]:
    """Give all resources of a type that changed after an instant, page by page."""
    found: list[Record] = []
    asked: Record = {"_count": limit} | ({"_lastUpdated": f"gt{since}"} if since else {})
    while True:
        page = ok(await answered(by.get, path, **asked))
        found += [entry["resource"] for entry in page.get("entry", [])]
        links = {link["relation"]: link["url"] for link in page["link"]}
        if "next" not in links:
            return found
        asked["_cursor"] = links["next"].partition("_cursor=")[2].partition("&")[0]


@dataclass
class Poller:
    """Somebody who asks a list again and again, from the latest instant they saw."""

    by: Person
    path: str
    mark: str | None = None
    seen: set[str] = field(default_factory=set)

    @property
    def is_fhir(self) -> bool:
        return self.path.startswith("/fhir")

    async def rows(self, since: str | None) -> list[Record]:
        return await (fhir_rows if self.is_fhir else rest_rows)(self.by, self.path, since)

    async def poll(self) -> None:
        since = self.mark
        for row in await self.rows(since):
            self.seen.add(self.named(row))
            changed = row["meta"]["lastUpdated"] if self.is_fhir else row["updated_at"]
            assert since is None or instant(changed) >= instant(since)
            self.mark = changed if self.mark is None else max(self.mark, changed, key=instant)

    def named(self, row: Record) -> str:
        """Name a row in its version."""
        version = row["meta"]["versionId"] if self.is_fhir else row.get("version", "")
        return f"{row['id']} {version}"

    async def missed(self) -> tuple[int, int]:
        """Count what is there, and what of it was never seen."""
        await self.poll()
        there = {self.named(row) for row in await self.rows(None)}
        return len(there), len(there - self.seen)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


LISTS = ("/v1/incidents", "/v1/flags", "/v1/cases")
TYPES = ("/fhir/Flag", "/fhir/Observation", "/fhir/EpisodeOfCare")


async def test_a_row_that_is_committed_late_is_not_missed(busy: World) -> None:
    case = await busy.clinician.case()
    early = await busy.clinician.incident(case, "hurtful_words")
    pollers = [Poller(busy.clinician, path) for path in ("/v1/incidents", "/fhir/Observation")]
    async with busy.database.transaction() as tx:
        await tx.enter_for_work(busy.clinician.clinic_id)
        late = (await tx.exec(select(Incident).where(Incident.id == UUID(early["id"])))).one()
        other = await busy.clinician.case()
        reported = await busy.clinician.incident(other, "hurtful_words")
        for poller in pollers:
            await poller.poll()
            assert poller.mark is not None
            assert instant(poller.mark) < tx.instant
            assert any(each.startswith(reported["id"]) for each in poller.seen), (
                "their own is shown"
            )
        late.change({"client_impact": "severe"}, tx.now)
    for poller in pollers:
        assert await poller.missed() == (2, 0)
        assert f"{early['id']} 2" in poller.seen


async def test_what_is_told_again_carries_its_own_instant(busy: World) -> None:
    case = await busy.clinician.case()
    async with busy.database.transaction() as tx:
        await tx.enter_for_work(busy.clinician.clinic_id)
        reported = await busy.clinician.incident(case, "hurtful_words")
        (before,) = await rest_rows(busy.clinician, "/v1/incidents", None)
        assert instant(before["updated_at"]) < instant(reported["updated_at"])
        assert await rest_rows(busy.clinician, "/v1/incidents", reported["updated_at"]) == []
        beyond = await fhir_rows(busy.clinician, "/fhir/Observation", before["updated_at"])
        assert beyond == []
    (after,) = await rest_rows(busy.clinician, "/v1/incidents", reported["updated_at"])
    assert after["updated_at"] == reported["updated_at"]
    assert {**before, "updated_at": after["updated_at"]} == after
    (resource,) = await fhir_rows(busy.clinician, "/fhir/Observation", before["updated_at"])
    assert resource["meta"]["lastUpdated"] == in_milliseconds(instant(reported["updated_at"]))


async def test_what_only_ever_comes_is_not_missed_either(busy: World) -> None:
    case = await busy.clinician.case()
    officer, clinician = busy.here["privacy_officer"], busy.clinician
    async with busy.database.transaction() as tx:
        await tx.enter_for_work(clinician.clinic_id)
        await clinician.incident(case, "hurtful_words")
        for by, path in ((officer, "/fhir/AuditEvent"), (clinician, "/fhir/Provenance")):
            told_of = await fhir_rows(by, path, None)
            assert max(instant(each["meta"]["lastUpdated"]) for each in told_of) < tx.instant
            assert max(instant(each["recorded"]) for each in told_of) > tx.instant


@pytest.mark.parametrize("path", [*TYPES[1:], "/fhir/Provenance", "/fhir/AuditEvent"])
@pytest.mark.parametrize("whole", [True, False])
async def test_none_of_one_millisecond_is_missed(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str, *, whole: bool
) -> None:
    if not whole:
        # the twin: told as of a millisecond that has not ended, what comes in it is never seen
        monkeypatch.setattr(search_answers, "last_ended", lambda until: until)
    by = world.here["privacy_officer"] if "Audit" in path else world.clinician
    poller = Poller(by, path)
    world.clock.forward(milliseconds=123, microseconds=700)
    for _ in range(2):
        await world.clinician.incident(await world.clinician.case(), "consent")
        await poller.poll()
        assert any(row_id for row_id in poller.seen), "their own is shown at once"
        world.clock.forward(microseconds=200)
    mark = poller.mark or ""
    world.clock.forward(seconds=1)
    await poller.poll()
    # that somebody reads the journal is in it too
    rows = [row for row in await poller.rows(None) if row.get("action") != "R"]
    missed = {poller.named(row) for row in rows} - poller.seen
    assert (missed == set()) is whole, missed
    if whole and "Audit" not in path:
        assert instant(mark) < instant(poller.mark or "")
        # and once it has ended, none comes again
        assert await fhir_rows(by, path, poller.mark) == []


def test_a_millisecond_has_ended_once_nothing_can_come_in_it() -> None:
    assert last_ended(NOON) == NOON - MILLISECOND
    assert last_ended(NOON + MILLISECOND - 2 * TICK) == NOON - MILLISECOND
    assert last_ended(NOON + MILLISECOND - TICK) == NOON
    assert last_ended(NOON + MILLISECOND) == NOON


async def test_another_clinic_holds_nothing_back(busy: World) -> None:
    case = await busy.clinician.case()
    async with busy.database.transaction() as tx:
        await tx.enter_for_work(busy.there["clinician"].clinic_id)
        reported = await busy.clinician.incident(case, "hurtful_words")
        (row,) = await rest_rows(busy.clinician, "/v1/incidents", None)
        assert row["updated_at"] == reported["updated_at"]


async def test_whoever_signs_in_tells_of_it_once_the_clinic_is_known(busy: World) -> None:
    async with busy.database.transaction() as tx:
        await tx.connection()
        await asyncio.sleep(0.01)
        await tx.enter(busy.clinician.clinic_id)
        async with busy.database.transaction() as reader:
            await reader.enter_for_work(busy.clinician.clinic_id)
            assert await reader.listing_until() < tx.instant
    async with busy.database.transaction() as reader:
        await reader.enter_for_work(busy.clinician.clinic_id)
        assert await reader.listing_until() > reader.instant


async def test_all_pages_of_one_reading_tell_of_changes_up_to_one_instant(world: World) -> None:
    case = await world.clinician.case()
    reports = [await world.clinician.incident(case, "hurtful_words") for _ in range(4)]
    world.clock.forward(seconds=1)
    first = ok(await world.clinician.get("/v1/incidents", limit=2))
    for number in (3, 0):
        world.clock.forward(seconds=1)
        path = f"/v1/incidents/{reports[number]['id']}"
        ok(await world.clinician.patch(path, {"narrative": "told again"}))
    second = ok(await world.clinician.get("/v1/incidents", limit=2, cursor=first["next"]))
    shown_rows = first["items"] + second["items"]
    assert [row["id"] for row in shown_rows] == [each["id"] for each in reversed(reports)]
    mark = max((row["updated_at"] for row in shown_rows), key=instant)
    again = await rest_rows(world.clinician, "/v1/incidents", mark)
    assert {row["id"] for row in again} >= {reports[3]["id"], reports[0]["id"]}


async def test_a_cosigned_note_is_told_again(world: World) -> None:
    case = await world.clinician.case()
    body = {"note_class": "progress", "body": "as it was"}
    note = made(await world.clinician.post(f"/v1/cases/{case['id']}/notes", body))
    signed = ok(await world.clinician.post(f"/v1/notes/{note['id']}/sign"))
    world.clock.forward(minutes=1)
    later = world.clock.now.isoformat()
    path = f"/v1/cases/{case['id']}/notes"
    assert await rest_rows(world.supervisor, path, later) == []
    ok(await world.supervisor.post(f"/v1/notes/{note['id']}/cosign"))
    (told_again,) = await rest_rows(world.supervisor, path, later)
    assert (told_again["id"], len(told_again["cosignatures"])) == (signed["id"], 1)


# ------------------------------------------------------------------------------- many at once

WRITERS = 4
MIDNIGHT = datetime(2026, 3, 3, tzinfo=UTC)
RISK = {"kind": "risk", "indicator": "suicide_attempt"}


@dataclass
class Throng:
    """An importer, four who write, and the worker at midnight: all at once, in one clinic."""

    world: World
    beside: Database
    """The worker's and the importer's own connections, and their own clock."""
    writes: int
    """Cases that each of the four opens, with a report and an edit of it."""
    lines: int
    """Cases that are read in, with five reports each."""
    overdue: int
    """Cases that midnight has something to say of."""
    midnight: datetime = MIDNIGHT

    async def prepare(self) -> None:
        """Have what falls due at midnight read in."""
        due = {
            "wording": "a letter",
            "made_by": "therapist",
            "source": "explicit",
            "kind": "other",
            "scope": "within_frame",
            "keepable": "yes",
            "significance": "major",
            "made_on": self.world.day(-9),
            # and seven days of grace, of which this is the last
            "due_on": self.world.day(-7),
            "reported_by": "client",
        }
        await self._read_in(
            line
            for number in range(self.overdue)
            for line in (
                self._case(f"due{number}"),
                {"type": "promise", "key": f"p{number}", "case": f"due{number}", "data": due},
            )
        )

    async def write(self) -> None:
        """Write all there is to write, with the worker beside; soon it is midnight."""
        start_clock(self.world, self.midnight - timedelta(seconds=3))
        self.beside.instants = Instants(self.world.clock)
        done = asyncio.Event()
        working = asyncio.create_task(self._work_until(done))
        await asyncio.gather(self._import(), *(self._type_in() for _ in range(WRITERS)))
        until_midnight = self.midnight - self.world.clock.now
        await asyncio.sleep(max(0, until_midnight.total_seconds()))
        done.set()
        await working
        await catch_up_once(self.beside)

    async def _work_until(self, done: asyncio.Event) -> None:
        while not done.is_set():
            await catch_up_once(self.beside)
            await asyncio.sleep(0.2)

    async def _import(self) -> None:
        report = {
            "occurred_on": self.world.day(-3),
            "initiator": "client",
            "reported_by": "client",
            "details": RISK,
        }
        await self._read_in(
            line
            for number in range(self.lines)
            for line in (
                self._case(f"c{number}"),
                *(
                    {"type": "incident", "key": f"i{number}/{each}", "case": f"c{number}"}
                    | {"data": report}
                    for each in range(5)
                ),
            )
        )

    def _case(self, key: str) -> Record:
        return {
            "type": "case",
            "key": key,
            "clinician": self.world.clinician.email,
            "data": {"client_ref": f"ref {key}"},
        }

    async def _read_in(self, lines: Any) -> None:
        """Read a file in as the command line does, in what stands for a process of its own."""

        async def written() -> AsyncIterator[bytes]:
            for each in lines:
                yield json.dumps(each).encode() + b"\n"

        by = self.world.clinician
        async with self.beside.transaction() as tx:
            await tx.enter_for_work(by.clinic_id)
            order = Order(tx.clinic, by.id, "ndjson")
        lines = list(lines)
        while True:
            with suppress(DBAPIError, OSError):
                done = await take_in(self.beside, order, read_ndjson(written()))
                assert done.refused == 0
                return

    async def _type_in(self) -> None:
        clinician = self.world.clinician
        for _ in range(self.writes):
            opened = {"client_ref": f"ref {uuid4()}"}
            case = made(await answered(clinician.post, "/v1/cases", opened))
            details = {"kind": "risk", "indicator": "self_harm"}
            body = {
                "occurred_on": self.world.day(-1),
                "initiator": "client",
                "reported_by": "client",
                "details": details,
            }
            path = f"/v1/cases/{case['id']}/incidents"
            path = f"/v1/incidents/{made(await answered(clinician.post, path, body))['id']}"
            await answered(clinician.patch, path, {"narrative": "told again"}, 1)


async def poll_beside(throng: Throng) -> list[Poller]:
    """Poll three lists and three types while all is written; give who polled."""
    world = throng.world
    pollers = [Poller(world.supervisor, path) for path in (*LISTS, *TYPES)]
    await throng.prepare()
    for person in (world.clinician, world.supervisor):
        ok(await answered(person.get, "/v1/me"))
    written = asyncio.Event()

    async def go_on(poller: Poller) -> None:
        while not written.is_set():
            await poller.poll()
            await asyncio.sleep(0.02)

    polling = [asyncio.create_task(go_on(poller)) for poller in pollers]
    try:
        await throng.write()
    finally:
        written.set()
        await asyncio.gather(*polling)
    return pollers


@pytest.mark.timeout(300)
async def test_whoever_polls_beside_many_who_write_misses_nothing(
    busy: World, beside: Database
) -> None:
    pollers = await poll_beside(Throng(busy, beside, writes=6, lines=100, overdue=60))
    found = {poller.path: await poller.missed() for poller in pollers}
    assert {path: missed for path, (_, missed) in found.items()} == dict.fromkeys(found, 0)
    assert sum(there for there, _ in found.values()) > 1500
    assert found["/v1/flags"][0] >= 60 + 100 + 4 * 6


@pytest.mark.timeout(300)
async def test_lists_that_end_where_the_clock_stands_would_miss_some(
    busy: World, beside: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def whatever_is_open(tx: Transaction) -> datetime:
        return tx._instants.read_clock().instant

    monkeypatch.setattr(Transaction, "listing_until", whatever_is_open)
    pollers = await poll_beside(Throng(busy, beside, writes=4, lines=60, overdue=10))
    assert sum([(await poller.missed())[1] for poller in pollers]) > 0


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_of_ten_thousand_rows_none_is_missed(
    busy: World, beside: Database, say: Callable[[str], None]
) -> None:
    pollers = await poll_beside(Throng(busy, beside, writes=50, lines=600, overdue=250))
    found = {poller.path: await poller.missed() for poller in pollers}
    rows = sum(there for there, _ in found.values())
    say(f"polling: {sum(missed for _, missed in found.values())} of {rows:,} rows missed")
    assert {path: missed for path, (_, missed) in found.items()} == dict.fromkeys(found, 0)
    assert rows > 10_000
