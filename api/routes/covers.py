"""Covers: a colleague stands in for a case's clinician, from one day to another."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement, or_, true
from sqlmodel import col, select

from api.access.case_relationship import load_seen_case, refuse_purged
from api.access.guards import may
from api.access.visibility.cases import on_its_case, supervised_cases
from api.access.visibility.colleagues import refuse_who_keeps_away
from api.domain.errors import Forbidden, Invalid
from api.domain.permissions.actions import Action
from api.domain.permissions.table import TREATING, Actor, may_ever
from api.domain.rules.moment import midnight
from api.domain.values import Day, Input, Text
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_shown
from api.records.handover import end_cover_now
from api.records.oversight_notices import news_of, tell_of_grant
from api.records.read_models import RecordRead
from api.storage.loading import load_or_404
from api.storage.models.access import AccessGrant, GrantKind
from api.storage.models.clinical import Case
from api.storage.models.people import User
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/covers", tags=["who sees a case"], route_class=StrictRoute)

LONGEST = timedelta(days=366)


class CoverCreate(Input):
    """Who stands in, on which case, and when: from `starts_on` until the day before `ends_on`."""

    case_id: UUID
    user_id: UUID
    starts_on: Day
    ends_on: Day = Field(description="The first day it no longer holds; at most a year on.")
    reason: Text | None = None


class CoverRead(RecordRead):
    """A colleague sees a case, and works on it, while its clinician is away."""

    case_id: UUID
    user_id: UUID
    starts_on: date
    ends_on: date
    starts_at: datetime
    ends_at: datetime
    reason: str | None


class CoverQuery(PageQuery):
    """Which covers."""

    case_id: UUID | None = None
    user_id: UUID | None = None


@router.get("")
async def list_covers(
    query: Annotated[CoverQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.cover_list))],
    marks: Marks,
    tx: Tx,
) -> Page[CoverRead]:
    """List covers, newest first: your own, those on your cases and those of whom you supervise."""
    statement = _covers(tx, me)
    if query.case_id is not None:
        statement = statement.where(AccessGrant.case_id == query.case_id)
    if query.user_id is not None:
        statement = statement.where(AccessGrant.user_id == query.user_id)
    rows, following = await newest_first(tx, marks, "covers", query, statement, AccessGrant)
    record_shown(tx, Happening.cover_read, rows, actor_id=me.id)
    return Page(items=[_shown(tx, row) for row in rows], next=following)


@router.post("", status_code=201)
async def arrange_cover(
    body: CoverCreate,
    me: Annotated[Actor, Depends(may(Action.cover_create))],
    tx: Tx,
    response: Response,
) -> CoverRead:
    """Let a colleague stand in. For a case's clinician, and for a linked supervisor."""
    # its lock: a transfer at the same time would leave a cover of somebody else's arranging
    found = await load_seen_case(tx, me, body.case_id, lock=True)
    if not (found.standing.own or found.standing.linked):
        raise Forbidden("A cover is arranged by the case's clinician or a linked supervisor.")
    refuse_purged(found.row)
    _make_sense(tx, body)
    await _refuse_who_cannot_stand_in(tx, body.user_id, found.row)
    await refuse_who_keeps_away(tx, me, found.row, body.user_id)
    row = AccessGrant(
        clinic_id=tx.clinic.id,
        kind=GrantKind.cover,
        case_id=body.case_id,
        user_id=body.user_id,
        starts_at=midnight(body.starts_on, tx.clinic.zone),
        ends_at=midnight(body.ends_on, tx.clinic.zone),
        reason=body.reason,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )
    tx.add(row)
    news = news_of(tx, Happening.cover_arranged, row, actor_id=me.id)
    await tell_of_grant(tx, news, row, found.row.clinician_id)
    response.headers["Location"] = f"/v1/covers/{row.id}"
    response.headers["ETag"] = etag(row.version)
    return _shown(tx, row)


@router.get("/{cover_id}")
async def read_cover(
    cover_id: UUID,
    me: Annotated[Actor, Depends(may(Action.cover_list))],
    tx: Tx,
    response: Response,
) -> CoverRead:
    """Read one cover."""
    row = await load_or_404(tx, _covers(tx, me).where(AccessGrant.id == cover_id))
    response.headers["ETag"] = etag(row.version)
    record_shown(tx, Happening.cover_read, [row], actor_id=me.id)
    return _shown(tx, row)


@router.delete("/{cover_id}", status_code=204)
async def end_cover(
    cover_id: UUID,
    me: Annotated[Actor, Depends(may(Action.cover_end))],
    tx: Tx,
    if_match: IfMatch = None,
) -> None:
    """End a cover at once: the case's clinician, a linked supervisor, or who stands in."""
    row = await load_or_404(tx, _covers(tx, me).where(AccessGrant.id == cover_id), lock=True)
    check_version(row.version, if_match)
    if row.ends_at is None or row.ends_at > tx.now:
        end_cover_now(tx, row, actor_id=me.id)


def _covers(tx: Transaction, me: Actor) -> Any:
    """Select the covers somebody may know of."""
    return (
        select(AccessGrant)
        .join(Case, on_its_case(AccessGrant))
        .where(AccessGrant.kind == GrantKind.cover, _known_to(tx, me))
    )


def _known_to(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    if not may_ever(me, Action.cover_create):
        return true()
    known = or_(col(AccessGrant.user_id) == me.id, col(Case.clinician_id) == me.id)
    return or_(known, supervised_cases(tx, me))


def _make_sense(tx: Transaction, body: CoverCreate) -> None:
    if body.starts_on < tx.today:
        raise Invalid("/starts_on", "A cover begins today or later.")
    if not body.starts_on < body.ends_on <= body.starts_on + LONGEST:
        raise Invalid("/ends_on", "A cover lasts at least a day and at most a year.")


async def _refuse_who_cannot_stand_in(tx: Transaction, user_id: UUID, case: Case) -> None:
    known = await tx.exec(
        select(col(User.id)).where(
            User.id == user_id, col(User.is_active), col(User.role).in_(TREATING)
        )
    )
    if user_id == case.clinician_id or known.first() is None:
        raise Invalid("/user_id", "This is not a colleague who can stand in; name another.")


def _shown(tx: Transaction, row: AccessGrant) -> CoverRead:
    ends_at = row.ends_at or row.starts_at
    zone = tx.clinic.zone
    # one that was ended early held in part of the day it ended on
    ended = ends_at.astimezone(zone)
    through = ended.date() if midnight(ended.date(), zone) == ends_at else None
    return CoverRead.model_validate(
        {
            **row.__dict__,
            "starts_on": row.starts_at.astimezone(zone).date(),
            "ends_on": through or ended.date() + timedelta(days=1),
        }
    )
