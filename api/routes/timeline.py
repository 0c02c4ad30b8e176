"""The timeline of a case: what happened on it, in order, as the journal tells it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy import ColumnElement, and_, func, or_
from sqlmodel import col, select

from api.access.actor_names import ActorKind, Known, actor_named, known_by
from api.access.authentication import Me
from api.access.case_relationship import OpenCase
from api.access.guards import case_for, record_opened
from api.access.journal_reading import Ids, hidden_on, told_of_records, told_of_the_door, without
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import Standing
from api.domain.permissions.table import Actor
from api.domain.values import Output
from api.domain.vocabulary import Role
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening
from api.storage.hidden_entries import ABOUT_ROWS
from api.storage.models.door import Response as Answered
from api.storage.models.journal import WHAT_HAPPENED, JournalEntry

router = APIRouter(prefix="/v1/cases", tags=["cases"], route_class=StrictRoute)


class TimelineItem(Output):
    """Something that happened on a case. `actor_id` is null for what time brought about.

    `actor_name` and `actor_role` are those of today.
    """

    id: UUID
    at: datetime
    actor_id: UUID | None
    actor_name: str | None
    actor_kind: ActorKind | None
    actor_role: Role | None
    happening: str
    record_type: str | None
    record_ids: list[UUID]
    changed: list[str]


@router.get("/{case_id}/timeline")
async def read_timeline(
    query: Annotated[PageQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.timeline_read))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[TimelineItem]:
    """Read what happened on a case, newest first, from the journal."""
    hidden = await hidden_on(tx, me, found.row.id, found.standing)
    statement = select(JournalEntry).where(
        JournalEntry.clinic_id == tx.clinic.id,
        JournalEntry.case_id == found.row.id,
        WHAT_HAPPENED,
        # what was refused has not happened
        col(JournalEntry.happening) != Happening.refused,
        _told_to(me, found.standing, hidden),
        told_of_the_door(hidden),
    )
    listing = f"timeline/{found.row.id}"
    entries, following = await newest_first(tx, marks, listing, query, statement, JournalEntry)
    record_opened(tx, Happening.timeline_read, found, actor_id=me.id)
    known = await known_by(tx, (entry.actor_id for entry in entries))
    items = [_item(entry, hidden, known) for entry in entries]
    return Page(items=items, next=following)


_ITS_AUTHORS = ("note", "case")
"""Of what is hidden of these whoever did it is told: a draft, a copy with what the client said."""


def _told_to(me: Actor, standing: Standing, hidden: Ids) -> ColumnElement[bool]:
    """Hide an entry from whom its record is hidden now."""
    told: list[ColumnElement[bool]] = []
    if not (standing.own or standing.covering):
        told.append(col(JournalEntry.prompt).is_(False))
    of, restricted = col(JournalEntry.record_type), col(JournalEntry.restricted)
    by_author = func.coalesce(of, "").in_(_ITS_AUTHORS)
    of_others = [of.is_distinct_from(each) for each in ABOUT_ROWS]
    mine = and_(by_author, col(JournalEntry.actor_id) == me.id)
    if not (standing.own or standing.linked):
        # nor does anybody else read what a client answered
        of_others.append(of.is_distinct_from(Answered.noun))
    if standing.service:
        of_others += [restricted.is_(False), of.is_distinct_from("note")]
    elif standing.own or not standing.linked:
        of_others.append(or_(restricted.is_(False), mine))
    else:
        # of a note that is its author's alone, or a hidden copy, no other supervisor is told here
        of_others.append(or_(restricted.is_(False), ~by_author, mine))
    return and_(*told, or_(told_of_records(hidden), and_(*of_others)))


def _item(entry: JournalEntry, hidden: Ids, known: dict[UUID, Known]) -> TimelineItem:
    record_ids = without(entry.record_ids, hidden)
    named = actor_named(known, entry.actor_id)
    return TimelineItem.model_validate({**dict(entry), **named, "record_ids": record_ids})
