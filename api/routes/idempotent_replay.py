"""Shows again what a request made that was carried out before: the record, as it is now."""

import json
from collections.abc import Iterable
from typing import Any, get_args

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select
from starlette.types import Message

from api.access.case_relationship import find_case
from api.access.visibility.cases import may_see_case
from api.domain.vocabulary import Scope
from api.http.idempotency import DoneBefore
from api.http.problem_details import database_failed
from api.journal.entries import Happening, record_shown
from api.records.handover import drafts_waiting
from api.records.read_models import flags_raised_before
from api.storage.database import Database
from api.storage.models.flags import Flag

_SAID_AGAIN = {b"authorization", b"accept-language"}
"""The headers with which a record is asked for: who asks, and in which language."""
_FLAGS = "flags_raised"
_DRAFTS = "drafts_waiting"


async def show_again(request: Request, done: Exception) -> Response:
    """Answer by asking for the record as its own GET does, with the rights of today.

    A refusal of that GET is the answer: whoever made a record may no longer see it.
    """
    assert isinstance(done, DoneBefore)  # noqa: S101 - the handler is registered for this class
    if done.status == 204:
        return Response(status_code=204)
    answer = await _read(request, done.path)
    if answer.status_code != 200:
        return answer
    shown = json.loads(bytes(answer.body))
    beside = _told_beside(request.scope["route"].response_model, shown)
    try:
        if _FLAGS in beside:
            shown[_FLAGS] = await _flags(request, done)
        if _DRAFTS in beside:
            shown[_DRAFTS] = await _drafts(request, done)
    except (SQLAlchemyError, OSError) as error:
        return await database_failed(request, error)
    # what changes by itself alone has no version to send back
    headers = {name: value for name, value in answer.headers.items() if name == "etag"}
    if done.status == 201:
        headers["Location"] = done.path
    return JSONResponse(shown, done.status, headers)


async def _read(request: Request, path: str) -> Response:
    """GET a record of this very application, as whoever asks."""
    started: Message = {}
    body = bytearray()

    async def nothing() -> Message:
        return {"type": "http.request"}

    async def take(message: Message) -> None:
        started.update(message)
        body.extend(message.get("body", b""))

    scope = {
        **request.scope,
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "path_params": {},
        "headers": [pair for pair in request.scope["headers"] if pair[0] in _SAID_AGAIN],
        "state": dict(request.scope["state"]),
    }
    await request.app.router(scope, nothing, take)
    answer = Response(bytes(body), started["status"])
    answer.raw_headers = started["headers"]
    return answer


def _told_beside(model: Any, shown: dict[str, Any]) -> set[str]:
    """Name what a write answers with beside what is shown: flags it raised, drafts that wait."""
    models: Iterable[Any] = get_args(model) or (model,)
    for each in models:
        beside = set(getattr(each, "model_fields", ())) - shown.keys()
        if shown.keys() <= set(getattr(each, "model_fields", ())) and beside <= {_FLAGS, _DRAFTS}:
            return beside
    return set()


async def _drafts(request: Request, done: DoneBefore) -> list[Any]:
    """Give how many drafts wait on a case that was handed over; the case was just shown."""
    if done.case_id is None:
        return []
    clinic, _ = request.state.signed_in
    database: Database = request.app.state.database
    async with database.transaction(request.state.request_id) as tx:
        await tx.enter_again(clinic)
        return [each.model_dump(mode="json") for each in await drafts_waiting(tx, done.case_id)]


async def _flags(request: Request, done: DoneBefore) -> list[Any]:
    """Give the flags that were raised, as far as whoever asks may see them now."""
    if done.case_id is None or not done.flag_ids:
        return []
    clinic, me = request.state.signed_in
    database: Database = request.app.state.database
    async with database.transaction(request.state.request_id) as tx:
        await tx.enter_again(clinic)
        tx.withhold_sealed_text(unless=not me.is_software or Scope.narrative_read in me.scopes)
        found = await find_case(tx, me, done.case_id)
        if found is None or not may_see_case(found.standing):
            return []
        wanted = select(Flag).where(col(Flag.id).in_(done.flag_ids))
        rows = {row.id: row for row in await tx.exec(wanted)}
        seen = await flags_raised_before(tx, me, rows.values(), found.standing)
        shown = [rows[flag.id] for flag in seen]
        record_shown(tx, Happening.flag_read, shown, actor_id=me.id)
        return [flag.model_dump(mode="json") for flag in seen]
