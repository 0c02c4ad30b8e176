"""Supervision links: who answers for whose work, from when, until when."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select

from api.access.guards import may
from api.domain.days import LinkDays, days_of
from api.domain.errors import Conflict, Invalid
from api.domain.permissions.actions import Action
from api.domain.permissions.table import SUPERVISING, TREATING, Actor, may_ever
from api.domain.values import Day, Input, Instant
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening
from api.records.create import refuse_impossible_days
from api.records.handover import let_go_of_work
from api.records.oversight_notices import news_of, tell_of_link, tell_of_new_end
from api.records.read_models import SupervisionRead
from api.storage.loading import load_or_404
from api.storage.models.access import Supervision
from api.storage.models.people import User
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/supervisions", tags=["people"], route_class=StrictRoute)

_BOTH = ("supervisor_id", "clinician_id")


class SupervisionCreate(Input):
    """A new link. It holds from `starts_on` until the day before `ends_on`."""

    supervisor_id: UUID
    clinician_id: UUID
    starts_on: Day
    ends_on: Day | None = Field(default=None, description="The first day it no longer holds.")


class SupervisionPatch(Input):
    """A new end for a link; today ends it at once."""

    ends_on: Day | None


class SupervisionQuery(PageQuery):
    """Which links."""

    supervisor_id: UUID | None = None
    clinician_id: UUID | None = None
    updated_since: Instant | None = None


@router.get("")
async def list_supervisions(
    query: Annotated[SupervisionQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.supervision_list))],
    marks: Marks,
    tx: Tx,
) -> Page[SupervisionRead]:
    """List supervision links, newest first: all for admins and privacy officers, else your own."""
    statement = select(Supervision).where(Supervision.clinic_id == tx.clinic.id)
    if not _sees_all(me):
        statement = statement.where(_own(me))
    if query.supervisor_id is not None:
        statement = statement.where(Supervision.supervisor_id == query.supervisor_id)
    if query.clinician_id is not None:
        statement = statement.where(Supervision.clinician_id == query.clinician_id)
    if query.updated_since is not None:
        statement = statement.where(Supervision.updated_at >= query.updated_since)
    rows, following = await newest_first(tx, marks, "supervisions", query, statement, Supervision)
    return Page(items=[SupervisionRead.model_validate(row) for row in rows], next=following)


@router.post("", status_code=201)
async def link(
    body: SupervisionCreate,
    me: Annotated[Actor, Depends(may(Action.supervision_create))],
    tx: Tx,
    response: Response,
) -> SupervisionRead:
    """Let a supervisor answer for a clinician's work. For admins."""
    refuse_impossible_days(tx, days_of(LinkDays, body))
    if body.supervisor_id == body.clinician_id:
        raise Invalid("/clinician_id", "Nobody supervises themselves; name two people.")
    fitting = await _fitting(tx, body.supervisor_id, body.clinician_id)
    for name in _BOTH:
        if getattr(body, name) not in fitting:
            raise Invalid(
                f"/{name}", "This is nobody of this clinic in a fitting role; name one who is."
            )
    await _refuse_overlap(tx, body, body.ends_on)
    row = Supervision(
        **body.model_dump(),
        clinic_id=tx.clinic.id,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )
    tx.add(row)
    news = news_of(tx, Happening.supervision_began, row, actor_id=me.id)
    await tell_of_link(tx, news, row)
    response.headers["Location"] = f"/v1/supervisions/{row.id}"
    response.headers["ETag"] = etag(row.version)
    return SupervisionRead.model_validate(row)


@router.get("/{supervision_id}")
async def read_supervision(
    supervision_id: UUID,
    me: Annotated[Actor, Depends(may(Action.supervision_read))],
    tx: Tx,
    response: Response,
) -> SupervisionRead:
    """Read a link: your own, or any for admins and privacy officers."""
    row = await _load(tx, me, supervision_id)
    response.headers["ETag"] = etag(row.version)
    return SupervisionRead.model_validate(row)


@router.patch("/{supervision_id}")
async def change_link(
    supervision_id: UUID,
    body: SupervisionPatch,
    me: Annotated[Actor, Depends(may(Action.supervision_change))],
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> SupervisionRead:
    """Set or lift the end of a link. For admins.

    A later end is refused where such a link could not be made: 409 where the two are linked
    otherwise in that time, or where one of them is let in no more or has another role by now.
    Where it ends today, flags that the supervisor had taken on by it are open again.
    """
    row = await _load(tx, me, supervision_id, lock=True)
    check_version(row.version, if_match)
    refuse_impossible_days(tx, LinkDays(row.starts_on, body.ends_on))
    await _refuse_a_longer_one(tx, row, body.ends_on)
    former = row.ends_on
    row.change({"ends_on": body.ends_on}, tx.now)
    news = news_of(tx, Happening.supervision_changed, row, actor_id=me.id, changed=["ends_on"])
    await tell_of_new_end(tx, news, row, former)
    await let_go_of_work(tx, row.supervisor_id, actor_id=me.id)
    response.headers["ETag"] = etag(row.version)
    return SupervisionRead.model_validate(row)


@router.delete("/{supervision_id}", status_code=204)
async def end_link(
    supervision_id: UUID,
    me: Annotated[Actor, Depends(may(Action.supervision_change))],
    tx: Tx,
    if_match: IfMatch = None,
) -> None:
    """End a link today; that it held is kept. For admins.

    Flags that the supervisor had taken on by it are open again.
    """
    row = await _load(tx, me, supervision_id, lock=True)
    check_version(row.version, if_match)
    if row.ends_on is None or row.ends_on > tx.today:
        former = row.ends_on
        row.change({"ends_on": max(row.starts_on, tx.today)}, tx.now)
        news = news_of(tx, Happening.supervision_ended, row, actor_id=me.id, changed=["ends_on"])
        await tell_of_new_end(tx, news, row, former)
        await let_go_of_work(tx, row.supervisor_id, actor_id=me.id)


def _sees_all(me: Actor) -> bool:
    return may_ever(me, Action.user_list)


def _own(me: Actor) -> ColumnElement[bool]:
    return or_(col(Supervision.supervisor_id) == me.id, col(Supervision.clinician_id) == me.id)


async def _load(
    tx: Transaction, me: Actor, supervision_id: UUID, *, lock: bool = False
) -> Supervision:
    statement = select(Supervision).where(
        Supervision.clinic_id == tx.clinic.id, Supervision.id == supervision_id
    )
    if not _sees_all(me):
        statement = statement.where(_own(me))
    return await load_or_404(tx, statement, lock=lock)


async def _fitting(tx: Transaction, supervisor_id: UUID, clinician_id: UUID) -> set[UUID]:
    """Say which of the two may be linked so, and let nobody link them or change them meanwhile."""
    both = select(col(User.id), col(User.role)).where(
        User.clinic_id == tx.clinic.id,
        col(User.id).in_((supervisor_id, clinician_id)),
        col(User.is_active).is_(True),
    )
    # in one order, or two who link the same people would wait for each other
    locked = both.order_by(col(User.id)).with_for_update(key_share=True)
    roles = dict((await tx.exec(locked)).all())
    return {
        user_id
        for user_id, fitting in ((supervisor_id, SUPERVISING), (clinician_id, TREATING))
        if roles.get(user_id) in fitting
    }


async def _refuse_a_longer_one(tx: Transaction, row: Supervision, ends_on: date | None) -> None:
    """Raise 409 where a link could not be made today as it would become."""
    if (ends_on or date.max) <= (row.ends_on or date.max):
        return
    if len(await _fitting(tx, row.supervisor_id, row.clinician_id)) < len(_BOTH):
        raise Conflict(
            "One of the two is let in no more, or has another role by now: this link can end "
            "sooner, and not later."
        )
    await _refuse_overlap(tx, row, ends_on)


async def _refuse_overlap(
    tx: Transaction, link: SupervisionCreate | Supervision, ends_on: date | None
) -> None:
    """Raise 409 where another link of the same two holds on a day that this one would."""
    others = select(col(Supervision.id)).where(
        Supervision.clinic_id == tx.clinic.id,
        Supervision.supervisor_id == link.supervisor_id,
        Supervision.clinician_id == link.clinician_id,
        Supervision.starts_on < (ends_on or date.max),
        or_(col(Supervision.ends_on).is_(None), col(Supervision.ends_on) > link.starts_on),
        # one that ends on its first day holds on none
        or_(col(Supervision.ends_on).is_(None), col(Supervision.ends_on) > Supervision.starts_on),
    )
    if isinstance(link, Supervision):
        others = others.where(Supervision.id != link.id)
    if (await tx.exec(others)).first() is not None:
        raise Conflict("These two are already linked in this time: end that link first.")
