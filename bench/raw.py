"""A raw limit: what this server, this driver and this database cost, and hardly anything else.

No framework and no objects: the token is checked, one prepared statement makes the JSON, and it is
sent as it comes.
"""

import os
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import asyncpg
from jose import JWTError, jwt

SECRET = os.environ["BN_SECRET_KEY"]

COLUMNS = """id, created_at, updated_at, recorded_by_id, version, client_ref, clinician_id, status,
    setting, started_on, ended_on, phase, attachment_roles, sessions_per_week, agreed_sessions,
    is_minor, voided_at, void_reason"""
ONE = f"""SELECT row_to_json(found)::text FROM (
    SELECT {COLUMNS} FROM cases WHERE clinic_id = $1 AND clinician_id = $2 AND id = $3) found"""
LIST = f"""SELECT coalesce(json_agg(row_to_json(found)), '[]')::text FROM (
    SELECT {COLUMNS} FROM cases WHERE clinic_id = $1 AND clinician_id = $2
    ORDER BY id DESC LIMIT $3) found"""


class _Pool:
    connections: Any = None


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    status, body = await _answer(scope)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _answer(scope: Any) -> tuple[int, bytes]:
    try:
        token = dict(scope["headers"])[b"authorization"].removeprefix(b"Bearer ").decode()
        payload = jwt.decode(token, SECRET, algorithms=["HS256"])
        who = UUID(payload["cid"]), UUID(payload["sub"])
    except (JWTError, KeyError, ValueError):
        return 401, b"{}"
    _, _, asked = scope["path"].partition("/cases")
    if asked:
        found = await _Pool.connections.fetchval(ONE, *who, UUID(asked[1:]))
    else:
        limit = int(parse_qs(scope["query_string"])[b"limit"][0])
        found = await _Pool.connections.fetchval(LIST, *who, limit)
    return (200, found.encode()) if found else (404, b"{}")


async def _live(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            url = os.environ["BN_DATABASE_URL"].replace("+asyncpg", "")
            _Pool.connections = await asyncpg.create_pool(
                url, min_size=1, max_size=10, reset=_as_it_is
            )
            await send({"type": "lifespan.startup.complete"})
        else:
            await _Pool.connections.close()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _as_it_is(connection: Any) -> None:
    """Hand a connection back without asking the database to forget what nobody has set."""
