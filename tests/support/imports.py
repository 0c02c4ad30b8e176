"""Lines of a file of records, and how it is read in."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from httpx import Response
from sqlmodel import select

from api.domain.vocabulary import Scope
from api.interop.bulk.parse import read_csv, read_ndjson
from api.interop.bulk.run_import import Order, take_in
from api.interop.bulk.take_batch import Done
from api.storage.models.journal import JournalEntry
from tests.support.world import Person, World, incident, promise, software

Record = dict[str, Any]
NDJSON, CSV = "application/x-ndjson", "text/csv"
SECRET = "zqsecretwords"
REVIEW = {
    "determination": "normal_process",
    "review_note": "as it was",
    "reviewed_on": "2025-05-05",
}
COMPLETED = {
    "status": "completed",
    "requested_at": "2025-03-01T09:00:00Z",
    "accepted_at": "2025-03-02T09:00:00Z",
    "completed_at": "2025-03-03T09:00:00Z",
    "outcome": "mixed",
    "advice": "talk it over",
}


def case_line(key: str, clinician: Person, **data: Any) -> Record:
    said = {"client_ref": f"ref {key}", **data}
    return {"type": "case", "key": key, "clinician": clinician.email, "data": said}


def line(kind: str, key: str, case: str, data: Record, **more: Any) -> Record:
    return {"type": kind, "key": key, "case": case, "data": data, **more}


def question(**data: Any) -> Record:
    return {"kind": "peer_consultation", "urgency": "routine", "question": "what now", **data}


def ndjson(lines: Iterable[Record]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


async def send(
    by: Person, body: bytes | AsyncIterator[bytes], media: str = NDJSON, **query: Any
) -> Response:
    headers = {"Content-Type": media}
    return await by.send("POST", "/v1/imports", content=body, headers=headers, params=query)


async def diary_of(world: World, person: Person, *left_out: Scope) -> Person:
    """Let clinic software sign in that may do anything but read words."""
    scopes = set(Scope) - {Scope.narrative_read, *left_out}
    return await software(world, *scopes, of=person)


async def read_in(world: World, lines: Iterable[Record]) -> Response:
    """Let software read a file into the clinic here."""
    return await send(await diary_of(world, world.clinician), ndjson(lines))


def counts(done: Record) -> tuple[int, int, int]:
    return done["created"], done["unchanged"], done["refused"]


async def rows(world: World, model: Any, of: Person) -> list[Any]:
    async with world.owner.transaction() as tx:
        return list(await tx.exec(select(model).where(model.clinic_id == of.clinic_id)))


async def as_operator(
    world: World, of: Person, body: bytes, form: str = "ndjson", **options: Any
) -> Done:
    """Take a file in as the command line does."""

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 5_000):
            yield body[start : start + 5_000]

    read = read_ndjson(chunks()) if form == "ndjson" else read_csv(chunks(), None)
    async with world.database.transaction() as tx:
        await tx.enter_for_work(of.clinic_id)
        order = Order(tx.clinic, of.id, form, **options)
    return await take_in(world.database, order, read)


async def entries(world: World, of: Person) -> list[tuple[str, ...]]:
    """Give what the journal tells of records and flags, in its order."""
    told = sorted(await rows(world, JournalEntry, of), key=lambda entry: entry.id)
    return [
        (each.happening, str(each.restricted), str(each.prompt))
        for each in told
        if each.record_type in {"case", "incident", "promise", "consultation", "flag"}
    ]


def a_file(of: Person, world: World, cases: int = 4) -> list[Record]:
    """Write cases, each with an incident that raises a flag, a promise, and a draft about both."""
    lines = []
    for number in range(cases):
        key = f"c{number}"
        told = incident("hurtful_words", world, narrative=f"{SECRET} {number}")
        lines += [
            case_line(key, of),
            line("incident", f"{key}/i", key, told),
            line("promise", f"{key}/p", key, promise(world)),
            line("consultation", f"{key}/q", key, question(), incidents=[f"{key}/i"]),
        ]
    return lines
