"""The sessions somebody is signed in with, and how they are ended from elsewhere."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlmodel import col, select

from api.access.guards import may
from api.access.sessions import live
from api.domain.errors import Conflict, Forbidden
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor, may_ever
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row
from api.records.read_models import RecordRead
from api.storage.loading import load_or_404
from api.storage.models.people import SignIn
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/sessions", tags=["sign-in"], route_class=StrictRoute)


class SessionQuery(PageQuery):
    """Whose sessions: your own, or for admins another user's."""

    user_id: UUID | None = None


class SessionRead(RecordRead):
    """A session. It ends at `expires_at`, and at `idle_at` already unless it is refreshed."""

    user_id: UUID
    authenticated_at: datetime
    refreshed_at: datetime | None
    expires_at: datetime
    idle_at: datetime
    revoked_at: datetime | None
    is_current: bool


@router.get("")
async def list_sessions(
    query: Annotated[SessionQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.session_list))],
    marks: Marks,
    tx: Tx,
) -> Page[SessionRead]:
    """List the sessions that still hold, newest first: your own, or for admins another user's."""
    user_id = query.user_id or me.id
    if user_id != me.id and not _administers(me):
        raise Forbidden("You may list your own sessions only.")
    statement = select(SignIn).where(SignIn.user_id == user_id, *live(tx.now))
    sessions, following = await newest_first(tx, marks, "sessions", query, statement, SignIn)
    return Page(items=[_show(session, me) for session in sessions], next=following)


@router.get("/{session_id}")
async def read_session(
    session_id: UUID,
    me: Annotated[Actor, Depends(may(Action.session_list))],
    tx: Tx,
    response: Response,
) -> SessionRead:
    """Read a session: your own, or for admins any user's."""
    session = await _load(tx, me, session_id)
    response.headers["ETag"] = etag(session.version)
    return _show(session, me)


@router.delete("/{session_id}", status_code=204)
async def end_session(
    session_id: UUID,
    me: Annotated[Actor, Depends(may(Action.session_close))],
    tx: Tx,
    if_match: IfMatch = None,
) -> None:
    """End a session at once: your own, or for admins any user's."""
    session = await _load(tx, me, session_id, lock=True)
    check_version(session.version, if_match)
    if session.revoked_at is not None:
        raise Conflict("This session has already ended.")
    session.change({"revoked_at": tx.now}, tx.now)
    record_row(tx, Happening.session_ended, session, actor_id=me.id)


async def _load(tx: Transaction, me: Actor, session_id: UUID, *, lock: bool = False) -> SignIn:
    statement = select(SignIn).where(SignIn.id == session_id, col(SignIn.user_id).is_not(None))
    if not _administers(me):
        statement = statement.where(SignIn.user_id == me.id)
    return await load_or_404(tx, statement, lock=lock)


def _administers(me: Actor) -> bool:
    return may_ever(me, Action.user_change)


def _show(session: SignIn, me: Actor) -> SessionRead:
    return SessionRead.model_validate(
        {**session.model_dump(), "is_current": session.id == me.session_id}
    )
