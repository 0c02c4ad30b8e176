"""Break-glass: a supervisor opens one case in an emergency; everyone concerned sees it."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import ColumnElement, or_, true
from sqlmodel import col, select

from api.access.authentication import require_recent_sign_in
from api.access.case_relationship import find_case_to_open, load_case, refuse_purged
from api.access.guards import may
from api.access.visibility.cases import may_see_case, on_its_case
from api.domain.errors import Conflict, NotFound
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor, may_ever
from api.domain.values import Input, Text
from api.http.entity_tags import etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row, record_shown
from api.records.oversight_notices import news_of, tell_of_grant
from api.records.read_models import RecordRead
from api.storage.loading import load_or_404
from api.storage.models.access import AccessGrant, GrantKind
from api.storage.models.clinical import Case

router = APIRouter(prefix="/v1/break-glass", tags=["who sees a case"], route_class=StrictRoute)

OPEN_FOR = timedelta(minutes=30)
REVIEW_WITHIN = timedelta(hours=72)


class GlassBreak(Input):
    """Which case, and the emergency in words."""

    case_id: UUID
    reason: Text


class GlassReview(Input):
    """What the privacy officer found."""

    review_note: Text


class GlassBreakRead(RecordRead):
    """An emergency opening of a case, for reading, until `ends_at`.

    `review_note` is shown to privacy officers. Both texts are null once those of the case were
    destroyed.
    """

    case_id: UUID
    user_id: UUID
    starts_at: datetime
    ends_at: datetime
    reason: str | None
    review_due_at: datetime
    reviewed_by_id: UUID | None
    reviewed_at: datetime | None
    review_note: str | None


class GlassQuery(PageQuery):
    """Which openings."""

    case_id: UUID | None = None
    user_id: UUID | None = None
    reviewed: bool | None = None


@router.get("")
async def list_glass_breaks(
    query: Annotated[GlassQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.glass_list))],
    marks: Marks,
    tx: Tx,
) -> Page[GlassBreakRead]:
    """List emergency openings, newest first: of your cases, and your own; privacy officers all."""
    statement = _openings(me)
    if query.case_id is not None:
        statement = statement.where(AccessGrant.case_id == query.case_id)
    if query.user_id is not None:
        statement = statement.where(AccessGrant.user_id == query.user_id)
    if query.reviewed is not None:
        reviewed = col(AccessGrant.reviewed_at).is_not(None)
        statement = statement.where(reviewed if query.reviewed else ~reviewed)
    rows, following = await newest_first(tx, marks, "break-glass", query, statement, AccessGrant)
    record_shown(tx, Happening.glass_read, rows, actor_id=me.id)
    return Page(items=[_shown(me, row) for row in rows], next=following)


@router.post("", status_code=201)
async def break_glass(
    body: GlassBreak,
    me: Annotated[Actor, Depends(may(Action.glass_break))],
    tx: Tx,
    response: Response,
) -> GlassBreakRead:
    """Open one case of an unlinked clinician for reading, for 30 minutes. For supervisors.

    Its clinician and the privacy officer see it at once; the privacy officer reviews it within
    72 hours.
    """
    require_recent_sign_in(me, tx.now)
    # whom the case concerns learns no more of it this way either
    found = await find_case_to_open(tx, me, body.case_id)
    if found is None:
        raise NotFound
    if may_see_case(found.standing):
        raise Conflict("You see this case already.")
    refuse_purged(found.row)
    row = AccessGrant(
        clinic_id=tx.clinic.id,
        kind=GrantKind.break_glass,
        case_id=body.case_id,
        user_id=me.id,
        starts_at=tx.now,
        ends_at=tx.now + OPEN_FOR,
        reason=body.reason,
        review_due_at=tx.now + REVIEW_WITHIN,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )
    tx.add(row)
    news = news_of(tx, Happening.glass_broken, row, actor_id=me.id)
    await tell_of_grant(tx, news, row, found.row.clinician_id)
    response.headers["Location"] = f"/v1/break-glass/{row.id}"
    response.headers["ETag"] = etag(row.version)
    return _shown(me, row)


@router.get("/{opening_id}")
async def read_glass_break(
    opening_id: UUID,
    me: Annotated[Actor, Depends(may(Action.glass_list))],
    tx: Tx,
    response: Response,
) -> GlassBreakRead:
    """Read one emergency opening."""
    row = await load_or_404(tx, _openings(me).where(AccessGrant.id == opening_id))
    response.headers["ETag"] = etag(row.version)
    record_shown(tx, Happening.glass_read, [row], actor_id=me.id)
    return _shown(me, row)


@router.post("/{opening_id}/review")
async def review_glass_break(
    opening_id: UUID,
    body: GlassReview,
    me: Annotated[Actor, Depends(may(Action.glass_review))],
    tx: Tx,
    response: Response,
) -> GlassBreakRead:
    """Review an emergency opening. For privacy officers."""
    row = await load_or_404(tx, _openings(me).where(AccessGrant.id == opening_id), lock=True)
    if row.reviewed_at is not None:
        raise Conflict("This was reviewed already.")
    refuse_purged(await load_case(tx, row.case_id))
    row.change(
        {"reviewed_by_id": me.id, "reviewed_at": tx.now, "review_note": body.review_note}, tx.now
    )
    record_row(tx, Happening.glass_reviewed, row, actor_id=me.id)
    response.headers["ETag"] = etag(row.version)
    return _shown(me, row)


def _openings(me: Actor) -> Any:
    """Select the openings somebody may know of."""
    return (
        select(AccessGrant)
        .join(Case, on_its_case(AccessGrant))
        .where(AccessGrant.kind == GrantKind.break_glass, _known_to(me))
    )


def _known_to(me: Actor) -> ColumnElement[bool]:
    if may_ever(me, Action.glass_read_all):
        return true()
    return or_(col(AccessGrant.user_id) == me.id, col(Case.clinician_id) == me.id)


def _shown(me: Actor, row: AccessGrant) -> GlassBreakRead:
    shown = GlassBreakRead.model_validate(row)
    if may_ever(me, Action.glass_read_all):
        return shown
    return shown.model_copy(update={"review_note": None})
