"""The demo, running."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.commands.demo import PASSWORD
from api.commands.demo_cases import Person
from tests.support.checkout import ROOT
from tests.support.patience import PATIENCE, get, post, worked

# those of a real clinic, and wrong ones: the demo must not even look at them
SETTINGS = {
    "BN_DATABASE_URL": "sqlite+aiosqlite:////nowhere/clinic.db",
    "BN_MIGRATE_DATABASE_URL": "sqlite+aiosqlite:////nowhere/clinic.db",
    "BN_SECRET_KEY": "weak",
    "BN_ACCESS_TOKEN_MINUTES": "never",
}


@dataclass
class Demo:
    """A running demo."""

    port: int
    folder: Path
    process: subprocess.Popen[str]
    ready_after: float = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def printed(self) -> str:
        return (self.folder / "printed").read_text()

    @property
    def left_behind(self) -> list[Path]:
        return list(self.folder.glob("boundary-notes-demo-*"))

    def get(self, who: Person, path: str, **params: Any) -> Any:
        """Read as somebody."""
        form = {"grant_type": "password", "username": who.email, "password": PASSWORD}
        token = post(f"{self.url}/v1/auth/token", data=form).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = get(f"{self.url}/v1/{path}", params=params, headers=headers)
        return answer.raise_for_status().json()

    def stop(self, sign: signal.Signals) -> None:
        self.process.send_signal(sign)
        self.process.wait(PATIENCE)


@contextmanager
def running(folder: Path) -> Iterator[Demo]:
    """Run a demo that keeps its temporary files in this folder, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "api", "demo", "--port", str(port)]
    environment = os.environ | SETTINGS | {"TMPDIR": str(folder)}
    with (
        (folder / "printed").open("w") as printed,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=printed, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        demo = Demo(port, folder, process)
        try:
            _wait_until_ready(demo)
            demo.ready_after = worked(process.pid)
            yield demo
        finally:
            if process.poll() is None:
                demo.stop(signal.SIGTERM)


def _wait_until_ready(demo: Demo) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and demo.process.poll() is None:
        try:
            if get(f"{demo.url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            # not listening yet
            time.sleep(0.05)
    raise AssertionError(demo.printed)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for all that only look at it."""
    with running(tmp_path_factory.mktemp("demo")) as started:
        yield started
