"""Told to leave, a server answers first; a lost connection is replaced; ready means it can read."""

import asyncio
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from subprocess import DEVNULL

import anyio
import httpx
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from api.routes.health import Readiness
from api.runtime.settings import new_data_key
from api.security.crypto import KeyEncryptionKeys, new_key
from api.storage import questions, revisions
from api.storage.autocommit import Autocommit
from api.storage.database import Database
from api.storage.models.access import Supervision
from api.storage.transaction import Transaction
from tests.support.checkout import ROOT
from tests.support.patience import PATIENCE
from tests.support.postgres import Server
from tests.support.processes import READY_WITHIN, environment
from tests.support.world import NOON, SETTINGS, Urls, World, incident, ok, open_world

# ----------------------------------------------------------------------------- lost connections


def restart(server: Server) -> None:
    """Restart the server while the program has no chance to notice."""
    server.stop(signal.SIGQUIT)
    server.start()


@pytest.mark.parametrize("is_noticed", [False, True])
async def test_postgresql_may_restart_between_two_requests(
    is_noticed: bool, own_server: Server, own_urls: Urls
) -> None:
    async with open_world(own_urls, NOON) as world:
        case = await world.clinician.case()
        await _read_at_once(world, case["id"])
        restart(own_server)
        if is_noticed:
            await anyio.sleep(0.1)
        assert await _read_at_once(world, case["id"]) == {200}
        assert ok(await world.http.get("/readyz"))["status"] == "ok"


async def _read_at_once(world: World, case_id: str) -> set[int]:
    path = f"/v1/cases/{case_id}"
    answers = await asyncio.gather(*(world.clinician.get(path) for _ in range(5)))
    return {answer.status_code for answer in answers}


async def test_without_a_second_try_they_fail(
    own_server: Server, own_urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def once(tx: Transaction, ask):  # type: ignore[no-untyped-def]
        return await ask()

    async with open_world(own_urls, NOON) as world:
        case = await world.clinician.case()
        restart(own_server)
        monkeypatch.setattr(Transaction, "_begin_with", once)
        late = await world.clinician.post(
            f"/v1/cases/{case['id']}/incidents", incident("crossing", world, area="time")
        )
        assert late.status_code == 503


async def test_what_only_looks_is_asked_again_by_itself(
    own_server: Server, own_urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lets_it_out(*_: object) -> ExitStack:
        return ExitStack()

    async with open_world(own_urls, NOON) as world:
        path = f"/v1/cases/{(await world.clinician.case())['id']}"
        assert (await world.clinician.get(path)).is_success
        restart(own_server)
        assert (await world.clinician.get(path)).is_success
        restart(own_server)
        monkeypatch.setattr(questions, "suppress", lets_it_out)
        assert (await world.clinician.get(path)).status_code == 500


async def test_who_is_let_in_no_more_is_told_as_any_failure_of_the_database(
    own_server: Server, own_urls: Urls
) -> None:
    owner = Database(own_urls.owner, walled=False)
    serving = Database(own_urls.runtime)
    role = make_url(own_urls.runtime).username
    try:
        async with owner.engine.begin() as connection:
            await connection.execute(text(f"ALTER ROLE {role} CONNECTION LIMIT 0"))
        with pytest.raises(DBAPIError):
            await Autocommit(serving.engine).fetch("SELECT 1", [])
    finally:
        async with owner.engine.begin() as connection:
            await connection.execute(text(f"ALTER ROLE {role} CONNECTION LIMIT -1"))
        await serving.dispose()
        await owner.dispose()


async def test_what_has_begun_is_not_tried_again(own_server: Server, own_urls: Urls) -> None:
    async with open_world(own_urls, NOON) as world:
        asked = text("SELECT 1")
        async with world.database.transaction() as tx:
            await (await tx.connection()).execute(asked)
        with pytest.raises(DBAPIError):  # noqa: PT012 - raised by the last, let through by the block
            async with world.database.transaction() as tx:
                connection = await tx.connection()
                await connection.execute(asked)
                restart(own_server)
                await connection.execute(asked)


async def test_rows_that_were_to_be_written_are_not_dropped_by_a_second_try(
    own_server: Server, own_urls: Urls
) -> None:
    async with open_world(own_urls, NOON) as world:
        await world.clinician.case()
        restart(own_server)
        # beginning again would forget the row, and commit without it
        with pytest.raises(DBAPIError):  # noqa: PT012 - raised by the last, let through by the block
            async with world.database.transaction() as tx:
                await tx.enter(world.clinician.clinic_id)
                tx.add(
                    Supervision(
                        clinic_id=world.clinician.clinic_id,
                        supervisor_id=world.stranger.id,
                        clinician_id=world.colleague.id,
                        starts_on=NOON.date(),
                        created_at=tx.now,
                        updated_at=tx.now,
                    )
                )
                await tx.exec(select(Supervision))


async def test_a_transaction_that_sits_idle_is_ended(own_urls: Urls) -> None:
    async with open_world(own_urls, NOON) as world, world.database.transaction() as tx:
        shown = await (await tx.connection()).execute(
            text("SHOW idle_in_transaction_session_timeout")
        )
        assert shown.scalar() == "1min"


# ------------------------------------------------------------------------------------ readiness


@pytest.fixture(params=["new_urls", "own_urls"])
def unshared_urls(request: pytest.FixtureRequest) -> Urls:
    """Addresses of a database that no other test fills with keys of its own."""
    found: Urls = request.getfixturevalue(request.param)
    return found


async def test_a_server_is_ready_only_with_the_data_keys_in_use(unshared_urls: Urls) -> None:
    with_ours = Readiness(SETTINGS.data_keys, revisions.head())
    async with open_world(unshared_urls, NOON) as world:
        for readiness, status in (
            (Readiness(None, revisions.head()), 503),
            (Readiness(KeyEncryptionKeys([new_key()]), revisions.head()), 503),
            (Readiness(SETTINGS.data_keys, "0000"), 503),
            (with_ours, 200),
            (with_ours, 200),
        ):
            world.app.state.readiness = readiness
            assert (await world.http.get("/readyz")).status_code == status


# -------------------------------------------------------------------------------------- leaving


@pytest.fixture
def settings(new_urls: Urls) -> dict[str, str]:
    """Settings of a server that nobody signs in to."""
    return {
        "database_url": new_urls.runtime,
        "secret_key": secrets.token_urlsafe(48),
        "data_key": new_data_key(),
    }


class Served:
    """A server of its own process, and one connection to it that is kept open."""

    def __init__(self, settings: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "api", "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(settings),
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE)
        deadline = time.monotonic() + READY_WITHIN
        while not self._is_ready():
            if time.monotonic() > deadline:
                self.close()
                raise AssertionError("the server did not become ready")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def tell_to_leave(self) -> None:
        """SIGTERM, and wait until it has arrived."""
        self.process.terminate()
        deadline = time.monotonic() + READY_WITHIN
        while self._is_ready():
            assert time.monotonic() < deadline

    def close(self) -> None:
        """Leave nothing behind."""
        self.http.close()
        self.process.kill()
        self.process.wait()


def test_a_server_told_to_leave_says_so_before_it_closes(settings: dict[str, str]) -> None:
    with closing(Served({**settings, "drain_seconds": "60"})) as served:
        assert "connection" not in served.http.get("/healthz").headers
        served.tell_to_leave()
        not_ready = served.http.get("/readyz")
        assert (not_ready.status_code, not_ready.headers["connection"]) == (503, "close")
        # on a new connection: whoever has not noticed yet is answered
        answered = served.http.get("/healthz")
        assert (answered.status_code, answered.headers["connection"]) == (200, "close")
        assert served.process.poll() is None
        # told again, it does not wait
        served.tell_to_leave()
        served.process.wait(READY_WITHIN)


def test_a_request_that_came_before_is_answered_first(settings: dict[str, str]) -> None:
    body = b"grant_type=password&username=somebody@notes.test"
    head = (
        "POST /v1/auth/token HTTP/1.1\r\nHost: notes.test\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with (
        closing(Served(settings)) as served,
        closing(socket.create_connection(("127.0.0.1", served.port))) as slow,
    ):
        slow.settimeout(5)
        slow.sendall(head.encode() + body[:5])
        # the server reads in turn: once these are answered, it has read the head above
        for _ in range(2):
            served.http.get("/healthz")
        served.tell_to_leave()
        assert served.http.get("/readyz").status_code == 503
        assert served.process.poll() is None
        slow.sendall(body[5:])
        answer = slow.recv(65536).decode()
        assert answer.startswith("HTTP/1.1 4")
        assert "connection: close" in answer.lower()
        served.process.wait(READY_WITHIN)
