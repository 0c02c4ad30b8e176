"""Legal holds: while one lasts, nothing of a case is destroyed. For privacy officers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlmodel import col, select

from api.access.case_relationship import load_case, refuse_purged
from api.access.guards import may
from api.domain.errors import Conflict
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.values import Input, Text
from api.http.entity_tags import etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row, record_shown
from api.records.read_models import RecordRead
from api.storage.loading import load_or_404
from api.storage.models.clinical import LegalHold

router = APIRouter(prefix="/v1/legal-holds", tags=["retention"], route_class=StrictRoute)


class HoldCreate(Input):
    """Which case is kept, and why: a lawsuit, an investigation, an open request."""

    case_id: UUID
    reason: Text


class HoldRead(RecordRead):
    """A hold on a case, until `released_at`, null while it lasts.

    `reason` is null once the texts of the case were destroyed.
    """

    case_id: UUID
    reason: str | None
    released_at: datetime | None
    released_by_id: UUID | None


class HoldQuery(PageQuery):
    """Which holds."""

    case_id: UUID | None = None
    active: bool | None = None


@router.get("")
async def list_holds(
    query: Annotated[HoldQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.hold_list))],
    marks: Marks,
    tx: Tx,
) -> Page[HoldRead]:
    """List legal holds, newest first."""
    statement = select(LegalHold)
    if query.case_id is not None:
        statement = statement.where(LegalHold.case_id == query.case_id)
    if query.active is not None:
        active = col(LegalHold.released_at).is_(None)
        statement = statement.where(active if query.active else ~active)
    rows, following = await newest_first(tx, marks, "legal-holds", query, statement, LegalHold)
    record_shown(tx, Happening.hold_read, rows, actor_id=me.id)
    return Page(items=[HoldRead.model_validate(row) for row in rows], next=following)


@router.post("", status_code=201)
async def place_hold(
    body: HoldCreate,
    me: Annotated[Actor, Depends(may(Action.hold_place))],
    tx: Tx,
    response: Response,
) -> HoldRead:
    """Place a hold on a case. There may be several at once: each is released by itself."""
    # under the lock, so that nothing is destroyed between the look at the case and the hold
    refuse_purged(await load_case(tx, body.case_id, lock=True))
    hold = LegalHold(
        clinic_id=tx.clinic.id,
        case_id=body.case_id,
        reason=body.reason,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )
    tx.add(hold)
    record_row(tx, Happening.hold_placed, hold, actor_id=me.id)
    response.headers["Location"] = f"/v1/legal-holds/{hold.id}"
    response.headers["ETag"] = etag(hold.version)
    return HoldRead.model_validate(hold)


@router.get("/{hold_id}")
async def read_hold(
    hold_id: UUID,
    me: Annotated[Actor, Depends(may(Action.hold_list))],
    tx: Tx,
    response: Response,
) -> HoldRead:
    """Read one legal hold."""
    hold = await load_or_404(tx, select(LegalHold).where(LegalHold.id == hold_id))
    record_shown(tx, Happening.hold_read, [hold], actor_id=me.id)
    response.headers["ETag"] = etag(hold.version)
    return HoldRead.model_validate(hold)


@router.post("/{hold_id}/release")
async def release_hold(
    hold_id: UUID,
    me: Annotated[Actor, Depends(may(Action.hold_release))],
    tx: Tx,
    response: Response,
) -> HoldRead:
    """Release a hold; that it held is kept."""
    hold = await load_or_404(tx, select(LegalHold).where(LegalHold.id == hold_id), lock=True)
    if hold.released_at is not None:
        raise Conflict("This hold was released already.")
    hold.change({"released_at": tx.now, "released_by_id": me.id}, tx.now)
    record_row(tx, Happening.hold_released, hold, actor_id=me.id)
    response.headers["ETag"] = etag(hold.version)
    return HoldRead.model_validate(hold)
