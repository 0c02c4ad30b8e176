"""Journals who was refused what, and of whom that is hidden."""

from uuid import UUID

from fastapi import Request

from api.access.authentication import who_is_refused
from api.domain.errors import MethodNotAllowed, Refusal, TooMany, Unauthorized, Unavailable
from api.journal.entries import Happening, record
from api.storage.database import Database


async def journal_refusal(request: Request, refusal: Refusal) -> None:
    """Journal that somebody signed in was refused, and how, in a transaction of its own.

    It names what was asked for, whether or not that exists. Of a restricted record it is hidden
    from whom that is hidden; of others no case is named, so that it is its actor's and the privacy
    officer's to read.
    """
    if not _may_be_signed_in(request, refusal):
        return
    database: Database = request.app.state.database
    async with database.transaction(request.state.request_id) as tx:
        actor = await who_is_refused(request, tx)
        if actor is None:
            return
        hidden_on = getattr(request.state, "hidden_on", None)
        record(
            tx,
            Happening.refused,
            actor_id=actor.id,
            record_type=_action(request, refusal),
            record_ids=_asked_for(request),
            case_id=hidden_on,
            restricted=hidden_on is not None,
            purpose=refusal.code,
        )


def _may_be_signed_in(request: Request, refusal: Refusal) -> bool:
    """Tell whether it is worth asking who was refused.

    Software that asks too fast is turned away before anything is looked at: an entry for each
    would cost what its pace is to save.
    """
    if refusal.status >= Unavailable.status:
        return False
    if getattr(request.state, "signed_in", None) is not None:
        return True
    return not isinstance(refusal, Unauthorized | TooMany) and "authorization" in request.headers


def _action(request: Request, refusal: Refusal) -> str | None:
    """Name the action that was asked for, also where no guard came to look at it."""
    if refusal.status == MethodNotAllowed.status:
        # the path was known, and nothing on it was asked for
        return None
    known = getattr(request.state, "action", None)
    waiting = [getattr(request.scope.get("route"), "dependant", None)]
    while known is None and waiting:
        dependant = waiting.pop()
        if dependant is not None:
            known = getattr(dependant.call, "action", None)
            waiting += dependant.dependencies
    return known


def _asked_for(request: Request) -> list[UUID]:
    try:
        return [UUID(value) for value in map(str, request.path_params.values())]
    except ValueError:
        return []
