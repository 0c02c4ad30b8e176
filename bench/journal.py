"""`python -m bench.journal`: how fast a journal is sealed and verified, and in what memory."""

import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer
from pydantic import SecretStr

from api.commands.verifying import verify_clinic
from api.commands.worker import seal
from api.runtime.settings import Settings, new_data_key, random_secret
from api.security.crypto import KeyEncryptionKeys
from api.storage.database import Database
from api.storage.models.journal import JournalEntry
from api.storage.models.people import Clinic, ClinicKey
from bench.seed import NOW, copy_rows, open_connection
from bench.servers import ROOT, make_database, settle
from tests.support.postgres import postgres, runtime_url

SEAL, VERIFY = "seal", "verify"


def main(
    entries: Annotated[int, typer.Option(min=1, help="In the journal of one clinic.")] = 100_000,
) -> None:
    """Fill a journal, seal it as the worker does, and verify it, each in a process of its own."""
    key = new_data_key()
    with postgres(durable=True) as server_url:
        url = make_database(server_url, "bench_journal")
        clinic_id = asyncio.run(_fill(url, key, entries))
        serving = runtime_url(url)
        typer.echo(f"{entries:,} entries")
        for work, as_whom in ((SEAL, serving), (VERIFY, url)):
            _run(work, as_whom, key, clinic_id)
            asyncio.run(_settle(url))


def _run(work: str, url: str, key: str, clinic_id: UUID) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.journal", work, url, str(clinic_id)],
        cwd=ROOT,
        env={**os.environ, "BN_DATA_KEY": key},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    typer.echo(
        "{work}: {seconds:.1f} s, {processor:.1f} s of processor time of ours, "
        "{memory:.0f} MB at most; {result}".format(work=work, **said)
    )


async def _work(work: str, url: str, clinic_id: UUID) -> str:
    settings = Settings(secret_key=random_secret())
    database = Database(url, keys=settings.data_keys, pool_size=2)
    try:
        if work == SEAL:
            return f"{await seal(database, clinic_id):,} sealed"
        found = await verify_clinic(database, clinic_id)
        return f"{found.entries:,} under {found.heads} heads, {found.difference or 'no difference'}"
    finally:
        await database.dispose()


def _measured(work: str, url: str, clinic_id: str) -> None:
    start, spent = time.perf_counter(), time.process_time()
    result = asyncio.run(_work(work, url, UUID(clinic_id)))
    figures = {
        "result": result,
        "seconds": time.perf_counter() - start,
        "processor": time.process_time() - spent,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    sys.stdout.write(json.dumps(figures))


async def _fill(url: str, key: str, entries: int) -> UUID:
    connection = await open_connection(url)
    clinic = Clinic(name="Fictional Clinic", created_at=NOW, updated_at=NOW)
    await copy_rows(connection, Clinic, [clinic.model_dump()])
    data_keys = Settings(secret_key=random_secret(), data_key=SecretStr(key)).data_keys
    assert isinstance(data_keys, KeyEncryptionKeys)
    forged = Database(url, keys=data_keys).keyring.forge(clinic.id, NOW)
    await copy_rows(connection, ClinicKey, (each.model_dump() for each in forged))
    await copy_rows(connection, JournalEntry, _entries(clinic.id, entries))
    await settle(connection)
    await connection.close()
    return clinic.id


def _entries(clinic_id: UUID, count: int) -> Iterator[dict[str, Any]]:
    """Write the entries of the last days: mostly that a case or its records were read."""
    chance = random.Random(3)
    people, cases = ([uuid4() for _ in range(number)] for number in (30, 3_000))
    # some may still come late to the newest tree, as in a clinic at work
    first = int(NOW.timestamp() * 1000) - count * 100
    for number in range(count):
        at = NOW - timedelta(milliseconds=(count - number) * 100)
        yield {
            "clinic_id": clinic_id,
            "id": UUID(int=((first + number * 100) << 80) | (7 << 76) | chance.getrandbits(76)),
            "at": at,
            "actor_id": chance.choice(people),
            "happening": "case.read",
            "case_id": chance.choice(cases),
            "record_type": "case",
            "record_ids": [str(chance.choice(cases)) for _ in range(1 + number % 3)],
            "changed": [],
            "restricted": False,
            "prompt": False,
            "is_read": True,
            "purpose": None,
            "request_id": f"{chance.getrandbits(128):032x}",
        }


async def _settle(url: str) -> None:
    connection = await open_connection(url)
    await settle(connection)
    await connection.close()


if __name__ == "__main__":
    if sys.argv[1:2] in ([SEAL], [VERIFY]):
        _measured(*sys.argv[1:])
    else:
        command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        command.command()(main)
        command()
