"""Databases, and the processes that serve them: whatever starts here is ended here."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from api.storage.migrations import migrate
from bench.seed import open_connection

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 30.0  # seconds


class BenchError(Exception):
    """The bench cannot go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server process and the port it answers on; its workers are processes below it."""

    name: str
    port: int
    pid: int


def database_pid(server_url: str) -> int | None:
    """Give the process that all others of the database are below; None for one not of ours."""
    (folder,) = parse_qs(urlsplit(server_url).query).get("host", [""])
    state = Path(folder) / "data" / "postmaster.pid"
    return int(state.read_text().splitlines()[0]) if state.exists() else None


def make_database(server_url: str, name: str) -> str:
    """Make a migrated database beside the one of `server_url`; give its URL."""

    async def create() -> None:
        connection = await open_connection(server_url)
        await connection.execute(f"DROP DATABASE IF EXISTS {name}")
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(create())
    url = re.sub(r"/[^/?]*(?=\?|$)", f"/{name}", server_url, count=1)
    migrate(url)
    return url


async def settle(connection: Any) -> None:
    """Bring statistics and visibility up to date, as a database that has run for a while."""
    await connection.execute("VACUUM ANALYZE", timeout=300)
    await connection.execute("CHECKPOINT", timeout=300)


@contextmanager
def our_app(url: str, secret: str, data_key: str, workers: int = 1) -> Iterator[Server]:
    """Serve our app by the command that serves it in production."""
    environment = {"BN_DATABASE_URL": url, "BN_SECRET_KEY": secret, "BN_DATA_KEY": data_key}
    how = ["-m", "api", "serve", "--workers", str(workers)]
    with _served("ours", how, environment) as server:
        yield server


@contextmanager
def peer(name: str, url: str, secret: str, workers: int = 1) -> Iterator[Server]:
    """Serve the app of this name beside this file."""
    quiet = ["--no-access-log", "--log-level", "warning", "--workers", str(workers)]
    environment = {"BN_DATABASE_URL": url, "BN_SECRET_KEY": secret}
    with _served(name, ["-m", "uvicorn", f"bench.{name}:app", *quiet], environment) as server:
        yield server


@contextmanager
def _served(name: str, command: list[str], environment: dict[str, str]) -> Iterator[Server]:
    port = _free_port()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, *command, "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # Ctrl-C is for us, who then end the process
        )
        try:
            if not _answers(process, port):
                said.seek(0)
                raise BenchError(f"The {name} app does not start. {said.read().decode()}")
            yield Server(name, port, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                # its workers too
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
