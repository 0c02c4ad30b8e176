"""Supervision links: who answers for whose work, from when, until when."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select

from api.access import IfMatch, check_version, etag, may
from api.db import Transaction, Tx
from api.domain.permissions import TREATING, Action, Actor, may_ever
from api.domain.values import Day, Input, Instant
from api.errors import Conflict, Invalid, NotFound
from api.intake import StrictRoute
from api.journal import Happening, record
from api.models import Supervision, User
from api.pages import Marks, Page, PageQuery, newest_first
from api.sense import in_order
from api.views import SupervisionRead
from api.vocabulary import Role

router = APIRouter(prefix="/v1/supervisions", tags=["people"], route_class=StrictRoute)


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
    in_order("/ends_on", body.starts_on, body.ends_on)
    if body.supervisor_id == body.clinician_id:
        raise Invalid("/clinician_id", "Nobody supervises themselves.")
    await _refuse_other_roles(tx, "/supervisor_id", body.supervisor_id, {Role.supervisor})
    await _refuse_other_roles(tx, "/clinician_id", body.clinician_id, TREATING)
    await _refuse_overlap(tx, body)
    row = Supervision(
        **body.model_dump(),
        clinic_id=tx.clinic.id,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )
    tx.add(row)
    _record(tx, Happening.supervision_began, me, row)
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
    """Set or lift the end of a link. For admins."""
    row = await _load(tx, me, supervision_id, lock=True)
    check_version(row.version, if_match)
    in_order("/ends_on", row.starts_on, body.ends_on)
    row.change({"ends_on": body.ends_on}, tx.now)
    _record(tx, Happening.supervision_changed, me, row, changed=["ends_on"])
    response.headers["ETag"] = etag(row.version)
    return SupervisionRead.model_validate(row)


@router.delete("/{supervision_id}", status_code=204)
async def end_link(
    supervision_id: UUID,
    me: Annotated[Actor, Depends(may(Action.supervision_change))],
    tx: Tx,
    if_match: IfMatch = None,
) -> None:
    """End a link today; that it held is kept. For admins."""
    row = await _load(tx, me, supervision_id, lock=True)
    check_version(row.version, if_match)
    if row.ends_on is None or row.ends_on > tx.today:
        row.change({"ends_on": max(row.starts_on, tx.today)}, tx.now)
        _record(tx, Happening.supervision_ended, me, row, changed=["ends_on"])


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
    if lock:
        statement = statement.with_for_update()
    row: Supervision | None = (await tx.exec(statement)).first()
    if row is None:
        raise NotFound
    return row


async def _refuse_other_roles(
    tx: Transaction, pointer: str, user_id: UUID, roles: Iterable[Role]
) -> None:
    known = await tx.exec(
        select(col(User.id)).where(
            User.clinic_id == tx.clinic.id,
            User.id == user_id,
            col(User.is_active).is_(True),
            col(User.role).in_(roles),
        )
    )
    if known.first() is None:
        raise Invalid(pointer, "This is not a person of this clinic in a fitting role.")


async def _refuse_overlap(tx: Transaction, body: SupervisionCreate) -> None:
    ends_on = body.ends_on or date.max
    overlapping = await tx.exec(
        select(col(Supervision.id)).where(
            Supervision.clinic_id == tx.clinic.id,
            Supervision.supervisor_id == body.supervisor_id,
            Supervision.clinician_id == body.clinician_id,
            Supervision.starts_on < ends_on,
            or_(col(Supervision.ends_on).is_(None), col(Supervision.ends_on) > body.starts_on),
        )
    )
    if overlapping.first() is not None:
        raise Conflict("These two are already linked in this time.")


def _record(
    tx: Transaction, happening: Happening, me: Actor, row: Supervision, changed: Iterable[str] = ()
) -> None:
    record(
        tx,
        happening,
        actor_id=me.id,
        record_type="supervision",
        record_ids=[row.id],
        changed=changed,
    )
