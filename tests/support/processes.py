"""The command line and its servers, as processes of their own."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.runtime.settings import new_data_key
from tests.support.checkout import ROOT
from tests.support.patience import PATIENCE

PASSWORD = "a password only for this test"
READY_WITHIN = 90


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m api …` with these settings and nobody to ask."""
    return _run(arguments, environment(settings, measured=False))


def _run(arguments: Sequence[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE,
        stdin=subprocess.DEVNULL,
    )


def environment(settings: dict[str, str], *, measured: bool = True) -> dict[str, str]:
    """Give the surrounding environment with no settings but these; `measured` for coverage."""
    left_out = ("BN_",) if measured else ("BN_", "COVERAGE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return inherited | {f"BN_{name.upper()}": value for name, value in settings.items()}


@contextmanager
def serving(
    settings: dict[str, str], *more: str, until: str = "/readyz", measured: bool = True
) -> Iterator[str]:
    """Serve on a free port until the block ends; give the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "api", "serve", "--port", str(port), *more]
    # into a pipe that nobody reads it could write only so much
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(settings, measured=measured), stdout=quiet, stderr=quiet
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
