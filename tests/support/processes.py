"""The command line and its servers, as processes of their own."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from api.commands.cli import app
from api.runtime.settings import new_data_key
from tests.support.checkout import ROOT

PASSWORD = "a password only for this test"
READY_WITHIN = 90


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command as `python -m api …` does, with these settings and nobody to ask.

    In this process: nothing of a command but its signals, its port and its death needs another.
    """
    given = {name: None for name in os.environ if name.startswith("BN_")}
    env = given | {f"BN_{name.upper()}": value for name, value in settings.items()}
    # a command begins a loop of its own, which a thread with a running one cannot
    with ThreadPoolExecutor(1) as beside:
        ended = beside.submit(CliRunner().invoke, app, list(arguments), env=env).result()
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return subprocess.CompletedProcess(arguments, ended.exit_code, ended.stdout, ended.stderr)


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Give the surrounding environment with no settings but these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BN_")}
    return inherited | {f"BN_{name.upper()}": value for name, value in settings.items()}


@contextmanager
def serving(settings: dict[str, str], *more: str, until: str = "/readyz") -> Iterator[str]:
    """Serve on a free port until the block ends; give the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "api", "serve", "--port", str(port), *more]
    # into a pipe that nobody reads it could write only so much
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(settings), stdout=quiet, stderr=quiet
    ) as server:
        try:
            yield once_answering(f"http://127.0.0.1:{port}", until)
        finally:
            server.terminate()
            server.wait(READY_WITHIN)


def once_answering(url: str, path: str) -> str:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}{path}", timeout=2).status_code == 200:
                return url
        except httpx.TransportError:
            # not listening yet
            time.sleep(0.1)
    raise AssertionError("the server did not become ready")


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Settings of a small clinic's server."""
    return {
        "database_url": f"sqlite+aiosqlite:///{tmp_path / 'clinic.db'}",
        "secret_key": secrets.token_urlsafe(48),
        "data_key": new_data_key(),
        "bootstrap_password": PASSWORD,
    }
