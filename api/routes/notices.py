"""Notices: who has come to see your work, or could sign in as you; told until you have read it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.access.guards import may
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.values import Input
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record
from api.records.oversight_notices import MOST, Notice, mark_as_read, notices_told, show_notices
from api.storage.models.access import AccessNotice, NoticeKind

router = APIRouter(prefix="/v1/me/notices", tags=["people"], route_class=StrictRoute)


class NoticeQuery(PageQuery):
    """Which notices."""

    kind: NoticeKind | None = None
    read: bool | None = Field(default=None, description="Only those you have read, or have not.")


class NoticesRead(Input):
    """Which notices you have read."""

    ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST)]


@router.get("")
async def list_notices(
    query: Annotated[NoticeQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.notice_list))],
    marks: Marks,
    tx: Tx,
) -> Page[Notice]:
    """List what you are told of, newest first: all you have not read, and the last 90 days.

    Privacy officers are told of everybody's.
    """
    statement = notices_told(tx, me, read=query.read)
    if query.kind is not None:
        statement = statement.where(AccessNotice.kind == query.kind)
    rows, following = await newest_first(tx, marks, "notices", query, statement, AccessNotice)
    record(
        tx,
        Happening.notices_shown,
        actor_id=me.id,
        record_type="notice",
        record_ids=[row.id for row in rows],
        is_read=True,
    )
    return Page(items=await show_notices(tx, rows), next=following)


@router.post("/read", status_code=204)
async def read_notices(
    body: NoticesRead, me: Annotated[Actor, Depends(may(Action.notice_read))], tx: Tx
) -> None:
    """Say that you have read these. They are shown as read for 90 days from when they came.

    404 where one of them is not told to you: then none is kept as read.
    """
    ids = set(body.ids)
    await mark_as_read(tx, me, ids)
    record(
        tx,
        Happening.notices_read,
        actor_id=me.id,
        record_type="notice",
        record_ids=sorted(ids),
    )
