"""What was acknowledged is kept: the server is killed, and PostgreSQL stopped, in mid-sentence."""

import asyncio
import random
import secrets
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGKILL, SIGQUIT
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import col

from api.commands.founding import found_clinic
from api.domain.vocabulary import Role
from api.journal.entries import Happening
from api.runtime.settings import Settings, new_data_key, random_secret
from api.storage.database import Database
from api.storage.migrations import migrate
from api.storage.models.clinical import Case, Incident, Promise
from api.storage.models.journal import JournalEntry
from api.storage.models.people import User
from tests.support.checkout import ROOT
from tests.support.patience import PATIENCE, Stopwatch, slowness
from tests.support.postgres import Server, runtime_url, server_of_our_own
from tests.support.processes import environment
from tests.support.world import PASSWORD, Urls, cheap_password_hash

READS_ARE_JOURNALLED = True
"""Whether a case that was shown has an entry, as it must."""

READY_WITHIN = 10
"""Seconds, without those for which the server was kept waiting for a processor by others."""
CLIENTS = 8
REFRESHED_AFTER = 240
"""Seconds after which a token, which lives for ten minutes, is replaced."""
EMAIL = "ada@harbour.example"

FIRST: dict[Any, Happening] = {
    Case: Happening.case_opened,
    Incident: Happening.incident_reported,
    Promise: Happening.promise_recorded,
}
"""The entry that each row of a table begins with."""
CHANGED: dict[Any, Happening] = {
    Case: Happening.case_changed,
    Incident: Happening.incident_changed,
    Promise: Happening.promise_changed,
}


class Acknowledged(NamedTuple):
    """An answer that somebody relies on."""

    happening: str
    record_id: UUID
    version: int


@dataclass
class Ledger:
    """Every answer that was given, by the id of its request."""

    answers: dict[str, Acknowledged] = field(default_factory=dict)
    unavailable: int = 0

    @property
    def writes(self) -> int:
        """Count what was acknowledged as written."""
        return sum(each.happening != Happening.case_read for each in self.answers.values())


class Known(NamedTuple):
    """A record as a client knows it."""

    path: str
    version: int


@dataclass
class Writer:
    """One client, who opens cases and writes on those: no other client changes them."""

    http: httpx.AsyncClient
    token: str
    ledger: Ledger
    luck: random.Random
    cases: list[str] = field(default_factory=list)
    known: dict[str, Known] = field(default_factory=dict)

    async def write_on(self, until: asyncio.Event) -> None:
        """Write until told to stop, or until nobody answers any more."""
        while not until.is_set():
            try:
                await self._do_something()
            except httpx.TransportError:
                return

    async def _do_something(self) -> None:
        case = self.luck.choice(self.cases[-10:]) if self.cases else None
        what = self.luck.random()
        if case is None or what < 0.15:
            body = {"client_ref": f"ref-{secrets.token_hex(8)}"}
            made = await self._make("/v1/cases", body, Happening.case_opened)
            self.cases += [made] if made else []
        elif what < 0.45:
            await self._make(f"/v1/cases/{case}/incidents", INCIDENT, Happening.incident_reported)
        elif what < 0.7:
            await self._make(f"/v1/cases/{case}/promises", PROMISE, Happening.promise_recorded)
        elif what < 0.9 and self.known:
            await self._change(self.luck.choice(list(self.known)))
        else:
            shown = await self._ask("GET", f"/v1/cases/{case}")
            if shown is not None:
                self._keep(shown, Happening.case_read, case)

    async def _make(self, path: str, body: dict[str, Any], happening: Happening) -> str | None:
        answer = await self._ask("POST", path, json=body)
        if answer is None:
            return None
        record_id: str = answer.json()["id"]
        self.known[record_id] = Known(answer.headers["location"], 1)
        self._keep(answer, happening, record_id)
        return record_id

    async def _change(self, record_id: str) -> None:
        # whoever gets no answer does not know which version there is now
        path, version = self.known.pop(record_id)
        kind = path.split("/")[2]
        answer = await self._ask(
            "PATCH", path, json=PATCH[kind], headers={"If-Match": f'"{version}"'}
        )
        if answer is not None:
            self.known[record_id] = Known(path, version + 1)
            self._keep(answer, CHANGE[kind], record_id)

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """Ask; None where the database could not be reached."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        answer = await self.http.request(method, path, headers=headers, **options)
        if answer.status_code == 503:
            self.ledger.unavailable += 1
            await asyncio.sleep(0.05)
            return None
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer

    def _keep(self, answer: httpx.Response, happening: Happening, record_id: str) -> None:
        version = int(answer.headers["etag"].strip('"'))
        said = Acknowledged(str(happening), UUID(record_id), version)
        self.ledger.answers[answer.headers["x-request-id"]] = said


TODAY = datetime.now(UTC).date()
INCIDENT = {
    "occurred_on": (TODAY - timedelta(days=1)).isoformat(),
    "initiator": "therapist",
    "reported_by": "client",
    "narrative": "words that must not be lost",
    "details": {"kind": "hurtful_words", "repeated": False},
}
PROMISE = {
    "wording": "as it was told",
    "made_by": "therapist",
    "source": "explicit",
    "kind": "other",
    "scope": "within_frame",
    "keepable": "yes",
    "significance": "major",
    "made_on": (TODAY - timedelta(days=2)).isoformat(),
    "reported_by": "client",
}
PATCH: dict[str, dict[str, Any]] = {
    "cases": {"sessions_per_week": 2},
    "incidents": {"narrative": "other words that must not be lost"},
    "promises": {"wording": "as it was told again"},
}
CHANGE = {
    "cases": Happening.case_changed,
    "incidents": Happening.incident_changed,
    "promises": Happening.promise_changed,
}


@dataclass
class Clinic:
    """A clinic on a server that is killed and started again, at one address."""

    settings: dict[str, str]
    urls: Urls
    log: Path
    port: int
    ledger: Ledger = field(default_factory=Ledger)
    ready_after: list[float] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None
    _tokens: dict[str, Any] = field(default_factory=dict)
    _signed_in_at: float = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the server, and wait until it is ready."""
        command = [sys.executable, "-m", "api", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
                command,
                cwd=ROOT,
                env=environment(self.settings),
                stdout=log,
                stderr=log,
            )
        await self.until_ready()

    async def until_ready(self) -> None:
        """Wait until it is ready; that may take ten seconds."""
        assert self._process is not None
        watch = Stopwatch(self._process.pid)
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE) as http:
            while True:
                try:
                    answer = await http.get("/readyz")
                    if answer.status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                assert watch.waited < PATIENCE, self.log.read_text()[-2000:]
                await asyncio.sleep(0.02)
        took = watch.took
        assert took < READY_WITHIN * slowness()
        self.ready_after.append(took)

    def kill(self) -> None:
        """Kill the server, without a word to it."""
        if self._process is not None:
            self._process.send_signal(SIGKILL)
            self._process.wait()

    async def sign_in(self) -> str:
        """Give a token that lives for longer than a round."""
        if time.monotonic() - self._signed_in_at > REFRESHED_AFTER:
            form = {"grant_type": "password", "username": EMAIL, "password": PASSWORD}
            if self._tokens:
                refresh = self._tokens["refresh_token"]
                form = {"grant_type": "refresh_token", "refresh_token": refresh}
            async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE) as http:
                answer = await http.post("/v1/auth/token", data=form)
            assert answer.status_code == 200, answer.text
            self._tokens, self._signed_in_at = answer.json(), time.monotonic()
        token: str = self._tokens["access_token"]
        return token

    @asynccontextmanager
    async def written_to(self, luck: random.Random) -> AsyncIterator[None]:
        """Let several clients write for as long as the block lasts."""
        token, told = await self.sign_in(), asyncio.Event()
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE) as http:
            writers = [Writer(http, token, self.ledger, luck) for _ in range(CLIENTS)]
            work = [asyncio.create_task(writer.write_on(told)) for writer in writers]
            try:
                yield
            finally:
                told.set()
                await asyncio.gather(*work)

    async def written(self, more: int, luck: random.Random, seconds: float) -> None:
        """Wait until so much more was written, and then for a random moment."""
        goal = self.ledger.writes + more
        async with asyncio.timeout(90):
            while self.ledger.writes < goal:  # noqa: ASYNC110 - the writers know of no goal
                await asyncio.sleep(0.02)
        await asyncio.sleep(luck.uniform(0, seconds))

    async def why_wrong(self) -> list[str]:
        """Say what was lost, and what stands there without its other half."""
        engine = create_async_engine(self.urls.owner, poolclass=NullPool)
        async with engine.connect() as connection:
            entries = (await connection.execute(_ENTRIES)).all()
            rows = {
                model: dict((await connection.execute(_versions(model))).all()) for model in FIRST
            }
        await engine.dispose()
        return why_wrong(self.ledger, rows, [Entry(*each) for each in entries])


class Entry(NamedTuple):
    """An entry of the journal."""

    happening: str
    record_ids: list[str]
    request_id: str | None


_ENTRIES = sa.select(
    col(JournalEntry.happening), col(JournalEntry.record_ids), col(JournalEntry.request_id)
)


def _versions(model: Any) -> Any:
    return sa.select(model.id, model.version)


def why_wrong(
    ledger: Ledger, rows: dict[Any, dict[UUID, int]], entries: Iterable[Entry]
) -> list[str]:
    """Compare what was said with what is kept, and rows with entries, both ways."""
    happened = Counter(
        (entry.happening, UUID(record_id)) for entry in entries for record_id in entry.record_ids
    )
    told = {
        (entry.request_id, entry.happening, UUID(record_id))
        for entry in entries
        for record_id in entry.record_ids
    }
    versions = {record_id: version for of in rows.values() for record_id, version in of.items()}
    wrong = []
    for request_id, said in ledger.answers.items():
        if said.version > versions.get(said.record_id, 0):
            wrong.append(f"lost: {said}")
        is_journalled = READS_ARE_JOURNALLED or said.happening != Happening.case_read
        if is_journalled and (request_id, said.happening, said.record_id) not in told:
            wrong.append(f"answered without an entry: {said}")
    for model, of in rows.items():
        first, changed = str(FIRST[model]), str(CHANGED[model])
        begun = {record_id for happening, record_id in happened if happening == first}
        wrong += [f"a row without its entry: {each}" for each in of.keys() - begun]
        wrong += [f"an entry without its row: {each}" for each in begun - of.keys()]
        wrong += [
            f"version {version} after {happened[changed, record_id]} changes: {record_id}"
            for record_id, version in of.items()
            if version != 1 + happened[changed, record_id]
        ]
    return wrong


@contextmanager
def _clinic(urls: Urls, folder: Path) -> Iterator[Clinic]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data_key = new_data_key()
    settings = {
        "database_url": urls.runtime,
        "secret_key": secrets.token_urlsafe(48),
        "data_key": data_key,
    }
    asyncio.run(_found(urls.owner, data_key))
    clinic = Clinic(settings, urls, folder / "log", port)
    try:
        yield clinic
    finally:
        clinic.kill()


async def _found(owner_url: str, data_key: str) -> None:
    settings = Settings(secret_key=random_secret(), data_key=SecretStr(data_key))
    owner = Database(owner_url, keys=settings.data_keys, pool_size=1, walled=False)
    async with owner.transaction() as tx:
        clinic_id, _ = await found_clinic(
            tx,
            owner.keyring,
            name="Harbour",
            admin_email="admin@harbour.example",
            password_hash=cheap_password_hash(),
        )
        await tx.enter(clinic_id, ZoneInfo("UTC"))
        ada = User(
            clinic_id=clinic_id,
            name="Ada",
            email=EMAIL,
            role=Role.clinician,
            password_hash=cheap_password_hash(),
            created_at=tx.now,
            updated_at=tx.now,
        )
        tx.add(ada)
    await owner.dispose()


def _sqlite(folder: Path) -> Urls:
    url = f"sqlite+aiosqlite:///{folder / 'clinic.db'}"
    migrate(url)
    return Urls(url, url)


def _postgresql(server: Server) -> Urls:
    migrate(server.url)
    return Urls(runtime_url(server.url), server.url)


async def _killed(clinic: Clinic, times: int, writes: int, luck: random.Random) -> None:
    for _ in range(times):
        async with clinic.written_to(luck):
            await clinic.written(writes, luck, 1.5)
            clinic.kill()
        await clinic.start()
        assert await clinic.why_wrong() == []


async def _stopped(
    clinic: Clinic, server: Server, times: int, writes: int, luck: random.Random
) -> None:
    for _ in range(times):
        async with clinic.written_to(luck):
            await clinic.written(writes, luck, 1)
            server.stop(SIGQUIT)
            await asyncio.sleep(luck.uniform(0, 0.3))
            server.start()
            await clinic.until_ready()
            # those who wrote go on, on the server that was never restarted
            await clinic.written(20, luck, 0.1)
        assert await clinic.why_wrong() == []


LONG = (pytest.mark.long, pytest.mark.timeout(900))


@pytest.mark.parametrize(
    ("kills", "writes"), [(3, 40), pytest.param(10, 400, marks=LONG)], ids=["short", "long"]
)
def test_nothing_is_lost_when_the_server_is_killed_on_sqlite(
    kills: int, writes: int, tmp_path: Path, say: Callable[[str], None]
) -> None:
    luck = random.Random()

    async def play(clinic: Clinic) -> None:
        await clinic.start()
        await _killed(clinic, kills, writes, luck)

    with _clinic(_sqlite(tmp_path), tmp_path) as clinic:
        asyncio.run(play(clinic))
    assert clinic.ledger.writes >= kills * writes
    say(_figures(clinic, f"SQLite: {kills} kills"))


@pytest.mark.parametrize(
    ("kills", "stops", "writes"),
    [(3, 2, 40), pytest.param(10, 5, 400, marks=LONG)],
    ids=["short", "long"],
)
def test_nothing_is_lost_when_the_server_is_killed_or_postgresql_stops(
    kills: int, stops: int, writes: int, tmp_path: Path, say: Callable[[str], None]
) -> None:
    luck = random.Random()

    async def play(clinic: Clinic, server: Server) -> None:
        await clinic.start()
        await _stopped(clinic, server, stops, writes, luck)
        await _killed(clinic, kills, writes, luck)

    with (
        server_of_our_own(durable=True) as server,
        _clinic(_postgresql(server), tmp_path) as clinic,
    ):
        asyncio.run(play(clinic, server))
    assert clinic.ledger.writes >= (kills + stops) * writes
    say(_figures(clinic, f"PostgreSQL: {kills} kills and {stops} immediate stops of it"))


def test_a_server_that_does_not_wait_for_the_disk_is_found_out(tmp_path: Path) -> None:
    luck = random.Random()

    async def play(clinic: Clinic, server: Server) -> list[str]:
        await clinic.start()
        async with clinic.written_to(luck):
            await clinic.written(40, luck, 0)
            server.stop(SIGQUIT)
        server.start()
        return await clinic.why_wrong()

    with (
        server_of_our_own(durable=False) as server,
        _clinic(_postgresql(server), tmp_path) as clinic,
    ):
        wrong = asyncio.run(play(clinic, server))
    assert any(each.startswith("lost") for each in wrong)


def _figures(clinic: Clinic, what: str) -> str:
    ledger = clinic.ledger
    reads = len(ledger.answers) - ledger.writes
    return (
        f"crashes on {what}: 0 of {ledger.writes} acknowledged writes lost, {reads} answered "
        f"reads, {ledger.unavailable} answers of 503, ready after {max(clinic.ready_after):.1f} s "
        "at most"
    )


CASE_ID = UUID(int=1)
OPENED = Acknowledged(str(Happening.case_opened), CASE_ID, 1)
CHANGED_ONCE = Acknowledged(str(Happening.case_changed), CASE_ID, 2)
KEPT = [
    Entry(OPENED.happening, [str(CASE_ID)], "a"),
    Entry(CHANGED_ONCE.happening, [str(CASE_ID)], "b"),
]
SAID = Ledger({"a": OPENED, "b": CHANGED_ONCE})


@pytest.mark.parametrize(
    ("rows", "entries", "found"),
    [
        ({CASE_ID: 2}, KEPT, set()),
        ({}, KEPT, {"lost", "an entry without its row"}),
        ({CASE_ID: 1}, KEPT[:1], {"lost", "answered without an entry"}),
        ({CASE_ID: 2}, KEPT[:1], {"version 2 after 0 changes", "answered without an entry"}),
        ({CASE_ID: 2}, KEPT[1:], {"a row without its entry", "answered without an entry"}),
    ],
    ids=["all is there", "no row", "an older row", "no entry of a change", "no first entry"],
)
def test_what_was_lost_is_found(
    rows: dict[UUID, int], entries: list[Entry], found: set[str]
) -> None:
    wrong = why_wrong(SAID, {Case: rows, Incident: {}, Promise: {}}, entries)
    assert {each.split(":")[0] for each in wrong} == found
