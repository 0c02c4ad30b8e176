"""Recusals: who keeps away from a case, and so does not see it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from api.access.case_relationship import load_case, load_seen_case, refuse_purged
from api.access.guards import may
from api.access.visibility.links_and_grants import in_force
from api.domain.errors import Conflict, Forbidden, Invalid
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor, may_ever
from api.domain.values import Input
from api.flags.catching_up import catch_up
from api.flags.reconcile import reconcile_flags
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row, record_shown
from api.records.handover import let_go_of_flags
from api.records.oversight_notices import news_of, tell_of_grant
from api.records.read_models import RecordRead
from api.storage.loading import load_or_404
from api.storage.models.access import AccessGrant, GrantKind
from api.storage.models.clinical import Case
from api.storage.models.people import User
from api.storage.transaction import Transaction

router = APIRouter(
    prefix="/v1/cases/{case_id}/recusals", tags=["who sees a case"], route_class=StrictRoute
)


class RecusalCreate(Input):
    """Who keeps away from the case."""

    user_id: UUID | None = Field(
        default=None, description="Default: yourself. An admin may name anyone but its clinician."
    )


class RecusalRead(RecordRead):
    """Somebody does not see the case, from `starts_at` until `ends_at`, null while it lasts."""

    case_id: UUID
    user_id: UUID
    starts_at: datetime
    ends_at: datetime | None


@router.get("")
async def list_recusals(
    case_id: UUID,
    query: Annotated[PageQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.recusal_list))],
    marks: Marks,
    tx: Tx,
) -> Page[RecusalRead]:
    """List who keeps away from a case, newest first."""
    await _case(tx, me, case_id)
    statement = _of(case_id)
    rows, following = await newest_first(
        tx, marks, f"recusals/{case_id}", query, statement, AccessGrant
    )
    record_shown(tx, Happening.recusal_read, rows, actor_id=me.id)
    return Page(items=[RecusalRead.model_validate(row) for row in rows], next=following)


@router.post("", status_code=201)
async def recuse(
    case_id: UUID,
    body: RecusalCreate,
    me: Annotated[Actor, Depends(may(Action.recusal_create))],
    tx: Tx,
    response: Response,
) -> RecusalRead:
    """Keep away from a case, or as an admin keep somebody away: it is gone for them at once."""
    # its lock: of two who ask at once the second finds what the first has written, and whoever
    # is just being given the case does not keep away from it
    case = await _case(tx, me, case_id, lock=True)
    refuse_purged(case)
    user_id = body.user_id or me.id
    if user_id != me.id and not may_ever(me, Action.recusal_end):
        raise Forbidden("Only an admin keeps somebody else away from a case.")
    await _refuse_who_cannot_keep_away(tx, case, user_id)
    row = AccessGrant(
        clinic_id=tx.clinic.id,
        kind=GrantKind.recusal,
        case_id=case.id,
        user_id=user_id,
        starts_at=tx.now,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )
    tx.add(row)
    record_row(tx, Happening.recused, row, actor_id=me.id)
    await catch_up(tx, case)
    if await let_go_of_flags(tx, case, actor_id=me.id):
        await reconcile_flags(tx, case, actor_id=me.id)
    response.headers["Location"] = f"/v1/cases/{case_id}/recusals/{row.id}"
    response.headers["ETag"] = etag(row.version)
    return RecusalRead.model_validate(row)


@router.get("/{recusal_id}")
async def read_recusal(
    case_id: UUID,
    recusal_id: UUID,
    me: Annotated[Actor, Depends(may(Action.recusal_list))],
    tx: Tx,
    response: Response,
) -> RecusalRead:
    """Read one recusal."""
    row = await _load(tx, me, case_id, recusal_id)
    response.headers["ETag"] = etag(row.version)
    record_shown(tx, Happening.recusal_read, [row], actor_id=me.id)
    return RecusalRead.model_validate(row)


@router.delete("/{recusal_id}", status_code=204)
async def end_recusal(
    case_id: UUID,
    recusal_id: UUID,
    me: Annotated[Actor, Depends(may(Action.recusal_end))],
    tx: Tx,
    if_match: IfMatch = None,
) -> None:
    """End a recusal; that it held is kept. For admins."""
    row = await _load(tx, me, case_id, recusal_id, lock=True)
    check_version(row.version, if_match)
    if row.ends_at is None:
        row.change({"ends_at": tx.now}, tx.now)
        news = news_of(tx, Happening.recusal_ended, row, actor_id=me.id)
        case = await load_case(tx, row.case_id)
        await tell_of_grant(tx, news, row, case.clinician_id)


def _of(case_id: UUID) -> SelectOfScalar[AccessGrant]:
    return select(AccessGrant).where(
        AccessGrant.case_id == case_id, AccessGrant.kind == GrantKind.recusal
    )


async def _case(tx: Transaction, me: Actor, case_id: UUID, *, lock: bool = False) -> Case:
    """Give a case somebody may see; admins and privacy officers may name any by its id."""
    if may_ever(me, Action.case_read):
        return (await load_seen_case(tx, me, case_id, lock=lock)).row
    return await load_case(tx, case_id, lock=lock)


async def _load(
    tx: Transaction, me: Actor, case_id: UUID, recusal_id: UUID, *, lock: bool = False
) -> AccessGrant:
    await _case(tx, me, case_id)
    wanted = _of(case_id).where(AccessGrant.id == recusal_id)
    return await load_or_404(tx, wanted, lock=lock)


async def _refuse_who_cannot_keep_away(tx: Transaction, case: Case, user_id: UUID) -> None:
    if user_id == case.clinician_id:
        raise Conflict("A case's own clinician hands it over instead.")
    if (await tx.exec(select(col(User.id)).where(User.id == user_id))).first() is None:
        raise Invalid("/user_id", "This is not a person of this clinic; name one who is.")
    held = await tx.exec(
        select(col(AccessGrant.id)).where(
            AccessGrant.case_id == case.id,
            AccessGrant.user_id == user_id,
            AccessGrant.kind == GrantKind.recusal,
            *in_force(AccessGrant, tx.now),
        )
    )
    if held.first() is not None:
        raise Conflict("This person keeps away from the case already.")
