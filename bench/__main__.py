"""`python -m bench`: start, fill, load in turn, show."""

import asyncio
import json
import secrets
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from api.runtime.settings import new_data_key
from api.security.base64url import decode
from api.security.crypto import KeyEncryptionKeys
from api.storage.keyring import Keyring
from bench.load import Outcome, Plan, unanswered
from bench.operations import NAMES, Signer
from bench.processes import peak_memory, processor_time
from bench.report import Report, Spent, describe_machine
from bench.seed import open_connection
from bench.servers import (
    PATIENCE,
    ROOT,
    BenchError,
    Server,
    database_pid,
    make_database,
    our_app,
    peer,
)
from bench.tasks import Task, Wanted, fill, tasks_of
from tests.support.postgres import postgres, runtime_url

WARM_UP = 1.0  # seconds at most
PAUSE = 0.3  # seconds, for what the last measurement left to do
NEVER_TOO_MUCH = 10_000
"""Cases; a clinic of no more must be served, a larger one may be too much."""


def main(
    seconds: Annotated[float, typer.Option(min=0.1, help="Each measurement.")] = 3.0,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each operation.")] = 5,
    clients: Annotated[int, typer.Option(min=1, help="At the same time.")] = 16,
    workers: Annotated[int, typer.Option(min=1, help="Processes of each app.")] = 1,
    sizes: Annotated[
        str, typer.Option(help="Cases of the clinics to compare, as in 1000,100000,1000000.")
    ] = "1000,100000",
    flagged: Annotated[
        str, typer.Option(help="Flagged cases: in each clinic; then in clinics of their own.")
    ] = "200,20000",
    only: Annotated[str, typer.Option(help=f"Some of {','.join(NAMES)}.")] = ",".join(NAMES),
    peers: Annotated[bool, typer.Option(help="Measure other apps beside ours.")] = True,
    file: Annotated[Path | None, typer.Option("--json", help="Also write the figures.")] = None,
) -> None:
    """Measure the API, beside other apps of the same stack and as a clinic grows."""
    wanted = Wanted(
        tuple(sorted(_numbers("--sizes", sizes))),
        _numbers("--flagged", flagged),
        _names(only),
        peers,
    )
    if wanted.flagged[0] > wanted.sizes[0]:
        raise typer.BadParameter("no clinic has more flagged cases than cases")
    console = Console()
    if not console.is_terminal:
        console.width = 100
    # being told to stop also tidies up
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with ExitStack() as running:
            report = _measure(running, console, wanted, rounds, clients, seconds, workers)
    except BenchError as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    report.show(console)
    if file is not None:
        file.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    if any(key.cases <= NEVER_TOO_MUCH for key, _ in report.failures()):
        raise typer.Exit(1)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(dict.fromkeys(int(each.replace("_", "")) for each in text.split(",")))
    except ValueError as error:
        raise typer.BadParameter(f"{option} takes numbers, separated by commas") from error
    if min(numbers) < 1:
        raise typer.BadParameter(f"{option} takes numbers above 0")
    return numbers


def _names(text: str) -> frozenset[str]:
    names = frozenset(text.split(","))
    if unknown := names - set(NAMES):
        raise typer.BadParameter(f"not known: {', '.join(sorted(unknown))}; {', '.join(NAMES)} are")
    return names


def _measure(
    running: ExitStack,
    console: Console,
    wanted: Wanted,
    rounds: int,
    clients: int,
    seconds: float,
    workers: int,
) -> Report:
    secret, data_key = secrets.token_urlsafe(48), new_data_key()
    # commits wait for the disk, as in production, for all apps alike
    server_url = running.enter_context(postgres(durable=True))
    console.print("PostgreSQL runs; filling the clinics ...")
    urls = {size: make_database(server_url, f"bench_{size}") for size in wanted.sizes}
    clinics = {}
    for size, url in urls.items():
        began = time.monotonic()
        keyring = Keyring(KeyEncryptionKeys([decode(data_key)]))
        clinics[size] = fill(url, keyring, wanted, size, secret)
        console.print(f"{size:,} cases: {time.monotonic() - began:.0f} s")
    ours = {
        size: running.enter_context(our_app(runtime_url(url), secret, data_key, workers))
        for size, url in urls.items()
    }
    peers = {
        app: running.enter_context(peer(app, urls[wanted.sizes[0]], secret, workers))
        for app in wanted.apps
    }
    tasks = list(tasks_of(wanted, clinics, ours, peers, Signer(secret)))
    report = Report(
        describe_machine(asyncio.run(_version(server_url))),
        {"clients": clients, "workers": workers, "seconds": seconds, "rounds": rounds},
        compared_to=wanted.compared_to,
    )
    database = database_pid(server_url)
    for number in range(rounds + 1):
        for task in tasks:
            time.sleep(PAUSE)
            before = _spent(task.server, database)
            outcome = _run(task, clients, seconds if number else min(seconds, WARM_UP))
            if number:
                report.add(task.key, outcome, _spent(task.server, database).since(before))
        console.print(f"round {number} of {rounds}" if number else "warmed up")
    for server in (*ours.values(), *peers.values()):
        if (peak := peak_memory(server.pid)) is not None:
            known = report.peak_memory.get(server.name, 0)
            report.peak_memory[server.name] = max(peak, known)
    return report


def _spent(server: Server, database: int | None) -> Spent:
    return Spent(processor_time(server.pid), None if database is None else processor_time(database))


def _run(task: Task, clients: int, seconds: float) -> Outcome:
    plan = Plan(port=task.server.port, clients=clients, seconds=seconds, requests=task.requests())
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.load"],
            cwd=ROOT,
            input=json.dumps(plan),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return unanswered(PATIENCE)
    if done.returncode:
        raise BenchError(f"{task.key}: {done.stderr.strip()[-1_000:]}")
    outcome: Outcome = json.loads(done.stdout)
    return outcome


async def _version(server_url: str) -> str:
    connection = await open_connection(server_url)
    version: str = await connection.fetchval("SHOW server_version")
    await connection.close()
    return version


if __name__ == "__main__":
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(main)
    command()
