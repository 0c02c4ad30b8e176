"""`python -m bench.imports`: how fast a file of records is taken in, and in what memory."""

import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from api.runtime.settings import new_data_key, random_secret
from api.security.base64url import decode
from api.security.crypto import KeyEncryptionKeys
from api.storage.keyring import Keyring
from bench.seed import NOW, WORDS, open_connection, seed_clinic
from bench.servers import ROOT, make_database, settle
from tests.support.postgres import postgres, runtime_url

RECORDS_OF_A_CASE = 9


def main(
    records: Annotated[int, typer.Option(min=10, help="In the file, cases among them.")] = 10_000,
    again: Annotated[bool, typer.Option(help="Send the same file a second time.")] = True,
) -> None:
    """Take a file in by the command, on a PostgreSQL whose commits wait for the disk."""
    key = new_data_key()
    with postgres(durable=True) as server_url, tempfile.TemporaryDirectory() as folder:
        url = make_database(server_url, "bench_imports")
        clinic_id, people = asyncio.run(_clinic(url, key))
        file = Path(folder) / "records.ndjson"
        with file.open("w") as out:
            for line in _lines(records, people):
                out.write(json.dumps(line) + "\n")
        typer.echo(f"{records:,} records, {file.stat().st_size / 1_000_000:.0f} MB")
        for _ in range(1 + again):
            _run(file, runtime_url(url), key, clinic_id, people[0], records)
            typer.echo(asyncio.run(_kept(url)))


def _run(file: Path, url: str, key: str, clinic_id: UUID, who: str, records: int) -> None:
    environment = {
        **os.environ,
        "BN_DATABASE_URL": url,
        "BN_DATA_KEY": key,
        "BN_SECRET_KEY": random_secret().get_secret_value(),
    }
    command = [sys.executable, "-m", "api", "import", str(file), "--clinic", str(clinic_id)]
    start, before = time.perf_counter(), _spent()
    done = subprocess.run(
        [*command, "--as", who],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds, spent = time.perf_counter() - start, _spent() - before
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    (counts,) = (each for each in done.stdout.splitlines() if each.startswith("Lines:"))
    typer.echo(
        f"{counts} {seconds:.1f} s, {records / seconds:,.0f} records/s; "
        f"{spent:.1f} s of processor time of ours, {memory:.0f} MB at most"
    )


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _clinic(url: str, key: str) -> tuple[UUID, list[str]]:
    connection = await open_connection(url)
    keyring = Keyring(KeyEncryptionKeys([decode(key)]))
    seeded = await seed_clinic(connection, keyring, cases=1, flagged=0)
    clinic_id = seeded.supervisor.claims.clinic_id
    rows = await connection.fetch("SELECT email FROM users WHERE role = 'clinician' ORDER BY email")
    await settle(connection)
    await connection.close()
    return clinic_id, [row["email"] for row in rows]


async def _kept(url: str) -> str:
    connection = await open_connection(url)
    flags = await connection.fetchval("SELECT count(*) FROM flags")
    entries = await connection.fetchval("SELECT count(*) FROM journal_entries")
    await connection.close()
    return f"in all {flags:,} flags, {entries:,} entries"


def _lines(records: int, people: list[str]) -> Iterator[dict[str, Any]]:
    chance = random.Random(7)
    for number in range(records // (RECORDS_OF_A_CASE + 1)):
        case = f"case-{number}"
        yield {
            "type": "case",
            "key": case,
            "clinician": people[number % len(people)],
            "data": {"client_ref": f"client-{number}", "started_on": _day(900, chance)},
        }
        for place, (kind, data, more) in enumerate(_records(chance)):
            yield {"type": kind, "key": f"{case}/{place}", "case": case, "data": data, **more}


def _records(chance: random.Random) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Six incidents of which some raise flags, two promises and a consultation."""
    for details in chance.sample(_DETAILS, 6):
        yield (
            "incident",
            {
                "occurred_on": _day(800, chance),
                "initiator": chance.choice(("therapist", "client", "client")),
                "reported_by": "therapist",
                "rationale": "A written reason.",
                "narrative": WORDS,
                "details": details,
            },
            {},
        )
    for keepable in ("yes", chance.choice(("yes", "no"))):
        yield (
            "promise",
            {
                "wording": "A fictional promise.",
                "made_by": "therapist",
                "source": "explicit",
                "kind": "professional_availability",
                "scope": "within_frame",
                "keepable": keepable,
                "significance": "major",
                "made_on": _day(700, chance),
                "reported_by": "therapist",
            },
            {},
        )
    asked = (NOW - timedelta(days=chance.randrange(30, 600))).isoformat()
    yield (
        "consultation",
        {"kind": "peer_consultation", "urgency": "routine", "question": WORDS},
        {
            "history": {
                "status": "completed",
                "requested_at": asked,
                "accepted_at": asked,
                "completed_at": asked,
                "outcome": "mixed",
                "advice": "Talk it over.",
            }
        },
    )


def _day(back: int, chance: random.Random) -> str:
    return (NOW.date() - timedelta(days=chance.randrange(1, back))).isoformat()


_DETAILS: list[dict[str, Any]] = [
    {"kind": "expression", "by": "client", "feelings": ["longing", "anger"]},
    {"kind": "expression", "by": "client", "feelings": ["grief"]},
    {"kind": "crossing", "area": "time"},
    {"kind": "gift", "direction": "to_client", "item": "gift"},
    {"kind": "contact", "client_messages_30d": 12},
    {"kind": "frame_change", "direction": "tighten", "elements": ["email_replies"]},
    {"kind": "absence", "absence": "vacation", "days": 14, "planned": True, "returned": True},
    {"kind": "hurtful_words"},
    {"kind": "consent", "process_explained": True},
    {"kind": "outcome", "trend": "improving", "months": 3},
]


if __name__ == "__main__":
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(main)
    command()
