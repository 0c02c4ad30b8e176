"""A clinic's old records, read in: the same rows, entries and flags as if they were typed."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import SQLModel, col, select

from api import importing
from api.models import Case, ImportedRecord, Incident, JournalEntry
from api.vocabulary import Scope
from tests.world import Person, World, incident, made, ok, promise, software

Record = dict[str, Any]


def case_line(key: str, clinician: Person, **data: Any) -> Record:
    return {
        "type": "case",
        "key": key,
        "clinician": clinician.email,
        "data": {"client_ref": f"ref {key}", **data},
    }


def line(kind: str, key: str, case: str, data: Record, **more: Any) -> Record:
    return {"type": kind, "key": key, "case": case, "data": data, **more}


def ndjson(lines: Iterable[Record]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


async def send(
    by: Person,
    body: bytes | AsyncIterator[bytes],
    media: str = "application/x-ndjson",
    **query: Any,
) -> Any:
    return await by.send(
        "POST", "/v1/imports", content=body, headers={"Content-Type": media}, params=query
    )


async def importer(world: World, of: Person | None = None) -> Person:
    scopes = [scope for scope in Scope if scope != Scope.narrative_read]
    return await software(world, *scopes, of=of)


async def test_smoke(world: World) -> None:
    diary = await importer(world)
    lines = [
        case_line("c1", world.clinician),
        line("incident", "i1", "c1", incident("hurtful_words", world, narrative="what was said")),
        line("promise", "p1", "c1", promise(world)),
        line(
            "consultation",
            "q1",
            "c1",
            {"kind": "peer_consultation", "urgency": "routine", "question": "?"},
            incidents=["i1"],
            promises=["p1"],
            history={"status": "requested"},
        ),
        line("promise", "p2", "c2", promise(world)),
    ]
    for dry in ("true", "false"):
        done = made(await send(diary, ndjson(lines), dry_run=dry))
        print(json.dumps(done, indent=1))
    done = made(await send(diary, ndjson(lines)))
    print(done)
    print(ok(await world.supervisor.get("/v1/flagged-cases")))
    print((await diary.get("/v1/imports/" + done["id"] + "/refusals")).text)
    print((await diary.get("/v1/imports")).text)
