"""What the bench says is what it measured, and it measures what it says."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from api.security.crypto import KeyEncryptionKeys, new_key
from api.security.tokens import Claims
from api.storage.keyring import Keyring
from api.storage.migrations import migrate
from bench.__main__ import main
from bench.load import Outcome, Plan, send_plan, unanswered
from bench.operations import LISTS, NAMES, Signer
from bench.processes import PROC, Used, processor_time
from bench.report import Key, Report, Spent
from bench.seed import CLINICIANS, FEW, OWN, Seeded, Worker, open_connection, seed_clinic
from bench.servers import Server, database_pid
from bench.tasks import FOR_REPORTS, Clinics, Wanted, tasks_of
from tests.support.checkout import DOCS, ROOT
from tests.support.postgres import create_database
from tests.support.world import Urls


def outcome(per_second: float = 100, p50: float = 10, **failed: int) -> Outcome:
    """Come out of a round of a hundred requests."""
    return Outcome(
        sent=100,
        per_second=per_second,
        p50=p50,
        p99=2 * p50,
        failed=failed,
        error="GET / was answered thus" if failed else None,
    )


def report_of(*rounds: tuple[Key, Outcome, Spent]) -> Report:
    report = Report("2 cores", {"clients": 16})
    for each in rounds:
        report.add(*each)
    return report


READ = Key("read one case", 1_000, "ours")
LIST, LARGE_LIST = (Key("list 50 incidents", cases, "ours") for cases in (1_000, 1_000_000))


def shown(report: Report) -> str:
    console = Console(width=100, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as said:
        report.show(console)
    return said.get()


def test_a_ratio_is_above_one_where_ours_is_better() -> None:
    plain = READ._replace(app="plain")
    report = report_of(
        (READ, outcome(300), Spent(0.1, 0.1)), (plain, outcome(200), Spent(0.2, 0.4))
    )
    ratios = report.ratios()[plain]
    assert ratios["per_second"] == pytest.approx(300 / 200)
    # app and database together: 6 ms a request of its, 2 ms of ours
    assert ratios["cpu"] == pytest.approx(3)
    assert READ not in report.ratios()
    assert report.as_json()["ratios"] == {"read one case": {"1000": {"plain": ratios}}}


def test_a_figure_is_the_median_of_its_rounds() -> None:
    spent = [(0.1, 0.3), (0.2, 0.1), (0.9, 0.2)]
    report = report_of(*((READ, outcome(100 * app), Spent(app, db)) for app, db in spent))
    figures = report.figures()[READ]
    assert (figures.per_second, figures.app, figures.database) == (20, 2, 2)
    # of the sums, which is no sum of medians
    assert figures.both == pytest.approx(4)
    assert replace(figures, both=None) != figures


def test_what_no_system_tells_is_no_figure() -> None:
    report = report_of((READ, outcome(), Spent(0.1, None)), (READ, outcome(), Spent(0.1, 0.1)))
    figures = report.figures()[READ]
    assert (figures.app, figures.database, figures.both) == (1, None, None)
    assert Spent(None, 3).since(Spent(1, 1)) == Spent(None, 2)


def test_growth_is_told_from_the_smallest_clinic() -> None:
    report = report_of(
        (LARGE_LIST, outcome(p50=30), Spent(0.1, 0.9)), (LIST, outcome(p50=10), Spent(0.1, 0.1))
    )
    assert report.growth() == {LARGE_LIST: {"p50": pytest.approx(3), "cpu": pytest.approx(5)}}


def test_a_longer_queue_is_told_from_the_short_one() -> None:
    short = Key("queue, 200 flagged", 1_000, "ours")
    long = Key("queue, 20,000 flagged", 40_000, "ours")
    report = report_of((short, outcome(), Spent(0.1, 0.1)), (long, outcome(), Spent(0.1, 0.3)))
    report.compared_to = Wanted((1_000,), (200, 20_000), frozenset(), peers=False).compared_to
    assert report.growth()[long]["cpu"] == pytest.approx(2)


def test_what_was_refused_is_shown_by_its_status_and_in_no_ratio() -> None:
    refused = outcome(503, p50=503.3, **{"503": 7})
    report = report_of((LIST, outcome(), Spent(1, 1)), (LARGE_LIST, refused, Spent(1, 1)))
    assert report.growth() == {LARGE_LIST: {"p50": None, "cpu": None}}
    (row,) = (line for line in shown(report).splitlines() if line.strip().startswith("1,000,000"))
    assert row.split() == ["1,000,000", "503", *"-----"]
    said = " ".join(shown(report).split())
    assert "list 50 incidents, 1,000,000 cases (ours): not answered with 2xx: 7 of 100." in said
    assert len(report.as_json()["failures"]) == 1


def test_tables_are_readable_at_a_hundred_columns() -> None:
    asked = Wanted((1_000, 100_000, 1_000_000), (200, 20_000), frozenset(NAMES), peers=True)
    report = Report("2 cores, Python 3.11.7, PostgreSQL 18.6", compared_to=asked.compared_to)
    for task in tasks_of_all(asked):
        report.add(task, outcome(9_999, 9_999), Spent(99.999, 99.999))
    lines = shown(report).splitlines()
    assert max(map(len, lines)) <= 100
    assert "…" not in "".join(lines)
    for task in report.rounds:
        assert any(line.split("  ")[0].strip() == task.operation for line in lines), task


def tasks_of_all(wanted: Wanted) -> Iterator[Key]:
    nobody = Worker(Claims(uuid4(), uuid4(), uuid4()))
    seeded = Seeded(nobody, nobody, ())
    clinics = {
        size: Clinics(seeded, None, {20_000: seeded} if size == wanted.sizes[0] else {})
        for size in wanted.sizes
    }
    clinics[wanted.sizes[0]] = replace(clinics[wanted.sizes[0]], for_reports=seeded)
    ours = {size: Server("ours", 1, 1) for size in wanted.sizes}
    peers = {app: Server(app, 1, 1) for app in wanted.apps}
    return (task.key for task in tasks_of(wanted, clinics, ours, peers, Signer("")))


def test_each_question_is_put_to_whom_it_can_be_put() -> None:
    asked = Wanted((1_000, 100_000), (200, 20_000), frozenset(NAMES), peers=True)
    keys = list(tasks_of_all(asked))
    assert len(keys) == len(set(keys))
    read = [key.app for key in keys if key.operation == "read one case"]
    assert read == ["ours", "plain", "template", "raw"]
    assert [key for key in keys if key.operation == "report an incident"] == [
        Key("report an incident", FOR_REPORTS, app) for app in ("ours", "plain")
    ]
    # those that grow: four lists for two readers each, and the queue
    assert len([key for key in keys if key.cases == 100_000]) == 2 * len(LISTS) + 3
    assert Key("queue, 20,000 flagged", 40_000, "ours") in keys
    alone = Wanted((1_000,), (200,), frozenset({"flags"}), peers=True)
    assert alone.apps == ()


def test_every_list_is_one_of_the_api() -> None:
    paths = json.loads((DOCS / "openapi.json").read_text())["paths"]
    for _, address in LISTS.values():
        path = urlsplit(address).path
        assert (path if path.startswith("/fhir") else f"/v1{path}") in paths


def test_what_the_system_says_of_a_process_is_read_whatever_its_name() -> None:
    line = "17 (a (wrong) name) S 4 17 17 0 -1 0 9 9 9 9 30 12 5 2 20 0 1 0 77"
    assert Used.read(line) == Used(parent=4, own=42, of_ended=7)


def test_processor_time_is_that_of_all_below_even_where_they_ended() -> None:
    work = "import time\nwhile time.process_time() < 0.4: pass"
    both = (
        f"import subprocess, sys\nwork = [sys.executable, '-c', {work!r}]\n"
        "subprocess.run(work); process = subprocess.Popen([*work[:2], work[2] + '\\ninput()'],"
        "stdin=subprocess.PIPE); input(); process.communicate(b'\\n')"
    )
    with subprocess.Popen([sys.executable, "-c", both], stdin=subprocess.PIPE) as process:
        until = time.monotonic() + 60
        while (spent := processor_time(process.pid) or 0) < 0.8 and time.monotonic() < until:
            time.sleep(0.05)
        process.communicate(b"\n")
    assert 0.8 <= spent < 1.6
    assert processor_time(process.pid) is None


class Answering(asyncio.Protocol):
    """Answers with these statuses in turn; the last one goes on."""

    def __init__(self, left: list[int]) -> None:
        self.left = left

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert data.endswith(b"\r\n\r\n")
        status = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        self.transport.write(f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\n{{}}".encode())


async def test_a_refusal_is_counted_and_the_load_goes_on() -> None:
    request = "GET /here HTTP/1.1\r\n\r\n"
    left = [200, 503, 503, 404, 200]
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Answering(left), "127.0.0.1", 0) as server:
        port: int = server.sockets[0].getsockname()[1]
        came = await send_plan(Plan(port=port, clients=2, seconds=0.2, requests=[request]))
    assert came["failed"] == {"503": 2, "404": 1}
    assert came["sent"] > 5
    assert came["error"] == "GET /here HTTP/1.1 was answered HTTP/1.1 503 X {}"


def test_no_answer_at_all_is_a_failure_too() -> None:
    report = report_of((LIST, unanswered(30), Spent(1, 1)))
    assert "none" in shown(report)
    assert [said for _, said in report.failures()] == ["1 of 1. no answer for 30 seconds"]


async def test_those_measured_have_the_oldest_cases_and_all_that_is_flagged(
    postgresql_urls: Urls,
) -> None:
    url = await create_database(postgresql_urls.owner)
    await asyncio.to_thread(migrate, url)
    connection = await open_connection(url)
    keyring = Keyring(KeyEncryptionKeys([new_key()]))
    cases = CLINICIANS * OWN + 150
    seeded = await seed_clinic(connection, keyring, cases=cases, flagged=30)
    theirs = [case_id for worker in seeded.clinicians for case_id in worker.cases]
    assert {len(worker.cases) for worker in seeded.clinicians} == {OWN}
    rows = await connection.fetch("SELECT id, clinician_id FROM cases ORDER BY id")
    assert len(rows) == cases
    assert {row["id"] for row in rows[: len(theirs)]} == set(theirs)
    assert {row["id"]: row["clinician_id"] for row in rows}.items() >= {
        case_id: worker.claims.user_id for worker in seeded.clinicians for case_id in worker.cases
    }.items()
    measured = {worker.claims.user_id for worker in seeded.clinicians}
    assert {row["clinician_id"] for row in rows[len(theirs) :]}.isdisjoint(measured)
    for table in ("incidents", "flags"):
        newest = await connection.fetchval(
            f"SELECT max(id::text) FROM {table} WHERE case_id = ANY($1)", theirs
        )
        oldest = await connection.fetchval(
            f"SELECT min(id::text) FROM {table} WHERE case_id <> ALL($1)", theirs
        )
        assert newest < oldest, table
    waiting = await connection.fetch("SELECT case_id FROM flags WHERE status = 'open'")
    assert len({row["case_id"] for row in waiting}) == 30
    assert {row["case_id"] for row in waiting} <= set(theirs)
    assert await answered_for(connection, seeded.of_a_few) == FEW
    assert await answered_for(connection, seeded.supervisor) == CLINICIANS + 2
    assert await without_what_they_point_at(connection) == []
    await connection.close()


async def answered_for(connection: asyncpg.Connection, supervisor: Worker) -> int:
    found: int = await connection.fetchval(
        "SELECT count(*) FROM supervisions WHERE supervisor_id = $1", supervisor.claims.user_id
    )
    return found


async def without_what_they_point_at(connection: asyncpg.Connection) -> list[str]:
    """Name the references that are wrong: while clinics are filled nothing else looks at them."""
    references = await connection.fetch(
        "SELECT conrelid::regclass::text AS which, conname AS name, "
        "pg_get_constraintdef(oid) AS rule FROM pg_constraint WHERE contype = 'f'"
    )
    wrong = []
    for each in references:
        which, name, rule = each["which"], each["name"], each["rule"]
        await connection.execute(f'ALTER TABLE {which} DROP CONSTRAINT "{name}"')
        try:
            await connection.execute(f'ALTER TABLE {which} ADD CONSTRAINT "{name}" {rule}')
        except asyncpg.ForeignKeyViolationError as error:
            wrong.append(str(error))
    return wrong


async def test_more_is_flagged_than_they_have_where_that_is_asked(postgresql_urls: Urls) -> None:
    url = await create_database(postgresql_urls.owner)
    await asyncio.to_thread(migrate, url)
    connection = await open_connection(url)
    keyring = Keyring(KeyEncryptionKeys([new_key()]))
    await seed_clinic(connection, keyring, cases=60, flagged=40, own=2)
    found = "SELECT count(DISTINCT case_id) FROM flags WHERE status = 'open'"
    assert await connection.fetchval(found) == 40
    assert await without_what_they_point_at(connection) == []
    await connection.close()


def test_the_database_is_found_where_it_is_ours(postgresql_urls: Urls) -> None:
    pid = database_pid(postgresql_urls.owner)
    if pid is not None and processor_time(pid) is not None:
        assert "postgres" in (PROC / str(pid) / "cmdline").read_text()
    assert database_pid("postgresql+asyncpg://somebody@elsewhere/notes") is None


def test_it_runs_and_leaves_nothing_behind(tmp_path: Path) -> None:
    file, mark = tmp_path / "figures.json", f"MARK={uuid4()}"
    how = "--seconds 0.1 --rounds 1 --sizes 200 --flagged 20 --only read"
    done = subprocess.run(
        [sys.executable, "-m", "bench", *how.split(), "--json", file],
        cwd=ROOT,
        env={**os.environ, "MARK": mark},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())["operations"]["read one case"]["200"]
    assert set(figures) == {"ours", "plain", "template", "raw"}
    for each in figures.values():
        assert each["failed"] == {}
        assert each["per_second"] > 0
        assert each["p50"] <= each["p99"]
        assert each["both"] > each["app"] > 0
    assert not [path for path in PROC.glob("[0-9]*/environ") if mark in _read(path)]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


@pytest.mark.parametrize(
    "wrong", ["--only nothing", "--sizes many", "--sizes 0", "--sizes 100 --flagged 200"]
)
def test_what_it_cannot_measure_it_says_at_once(wrong: str) -> None:
    command = typer.Typer()
    command.command()(main)
    done = CliRunner().invoke(command, wrong.split())
    assert done.exit_code == 2
    assert "filling" not in done.output
