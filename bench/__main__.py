"""`python -m bench`: start, fill, load in turn, show."""

import asyncio
import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from api.runtime.settings import new_data_key
from api.security.base64url import decode
from api.security.crypto import KeyEncryptionKeys
from api.storage.keyring import Keyring
from bench import operations
from bench.load import Outcome, Plan
from bench.report import Report, describe_machine
from bench.seed import FLAGGED, Seeded, open_connection, seed_clinic
from bench.servers import ROOT, BenchError, Server, make_database, our_app, plain_app, settle
from tests.support.postgres import postgres, runtime_url

WARM_UP = 1.0  # seconds
SMALL, LARGE = 1_000, 100_000
# so many that a run brings each case hardly more than one new incident
FOR_REPORTS = 10_000


@dataclass(frozen=True, slots=True)
class Task:
    """One operation on one server; `requests` writes them with fresh tokens."""

    name: str
    server: Server
    requests: Callable[[], list[str]]


def main(
    seconds: Annotated[float, typer.Option(min=0.1, help="Each measurement.")] = 3.0,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each operation.")] = 5,
    clients: Annotated[int, typer.Option(min=1, help="At the same time.")] = 16,
    file: Annotated[Path | None, typer.Option("--json", help="Also write the figures.")] = None,
) -> None:
    """Measure the API against a plain app of the same stack."""
    console = Console()
    if not console.is_terminal:
        console.width = 100
    # being told to stop also tidies up
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with ExitStack() as running:
            report = _measure(running, console, rounds, clients, seconds)
    except BenchError as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    report.show(console)
    if file is not None:
        file.write_text(json.dumps(report.as_json(), indent=2) + "\n")


def _measure(
    running: ExitStack, console: Console, rounds: int, clients: int, seconds: float
) -> Report:
    secret, data_key = secrets.token_urlsafe(48), new_data_key()
    keyring = Keyring(KeyEncryptionKeys([decode(data_key)]))
    # commits wait for the disk, as in production, for both apps alike
    server_url = running.enter_context(postgres(durable=True))
    console.print("PostgreSQL runs; filling the clinics ...")
    small_url, large_url = (make_database(server_url, f"bench_{size}") for size in (SMALL, LARGE))
    small, reports, version = asyncio.run(_fill_small(small_url, keyring))
    large = asyncio.run(_fill_large(large_url, keyring))
    ours = running.enter_context(our_app(runtime_url(small_url), secret, data_key))
    plain = running.enter_context(plain_app(small_url, secret))
    ours_large = running.enter_context(our_app(runtime_url(large_url), secret, data_key))
    signer = operations.Signer(secret)
    tasks = [
        *_tasks("ours", ours, signer, small, reports),
        *_tasks("plain", plain, signer, small, reports),
        Task(f"queue, {SMALL:,} cases", ours, lambda: operations.queue(signer, small)),
        Task(f"queue, {LARGE:,} cases", ours_large, lambda: operations.queue(signer, large)),
    ]
    # ours and plain take turns operation by operation
    order = [task.name for task in tasks]
    tasks.sort(key=lambda task: order.index(task.name))
    report = Report(describe_machine(version))
    for number in range(rounds + 1):
        for task in tasks:
            before = task.server.processor_time()
            outcome = _run(task, clients, seconds if number else WARM_UP)
            after = task.server.processor_time()
            if number:
                spent = None if before is None or after is None else after - before
                report.add(task.name, task.server.name, outcome, spent)
        console.print(f"round {number} of {rounds}" if number else "warmed up")
    report.peak_memory = max(
        (peak for server in (ours, ours_large) if (peak := server.peak_memory()) is not None),
        default=None,
    )
    return report


def _tasks(
    app: operations.App, server: Server, signer: operations.Signer, seeded: Seeded, more: Seeded
) -> list[Task]:
    reports = operations.Reports(app, more)
    return [
        Task("read one case", server, lambda: operations.reads(app, signer, seeded)),
        Task("list 50 cases", server, lambda: operations.lists(app, signer, seeded)),
        Task("report an incident", server, lambda: reports(signer)),
    ]


def _run(task: Task, clients: int, seconds: float) -> Outcome:
    plan = Plan(port=task.server.port, clients=clients, seconds=seconds, requests=task.requests())
    what = f"{task.name} ({task.server.name})"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.load"],
            cwd=ROOT,
            input=json.dumps(plan),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 30,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{what}: no answer for 30 seconds") from error
    if done.returncode:
        raise BenchError(f"{what}: {done.stderr.strip()[-1_000:]}")
    outcome: Outcome = json.loads(done.stdout)
    if outcome["error"]:
        raise BenchError(f"{what}: {outcome['error']}")
    return outcome


async def _fill_small(url: str, keyring: Keyring) -> tuple[Seeded, Seeded, str]:
    connection = await open_connection(url)
    seeded = await seed_clinic(connection, keyring, cases=SMALL, flagged=FLAGGED)
    # a clinic of its own for what is written: the flags that follow must not fill the queue
    reports = await seed_clinic(connection, keyring, cases=FOR_REPORTS, flagged=0)
    await settle(connection)
    version: str = await connection.fetchval("SHOW server_version")
    await connection.close()
    return seeded, reports, version


async def _fill_large(url: str, keyring: Keyring) -> Seeded:
    connection = await open_connection(url)
    seeded = await seed_clinic(connection, keyring, cases=LARGE, flagged=FLAGGED)
    await settle(connection)
    await connection.close()
    return seeded


if __name__ == "__main__":
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(main)
    command()
