"""The journal: who did and who read what, when; never any content."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy import ColumnElement
from sqlmodel import col, select

from api.access.actor_names import ActorKind, actor_named, known_by
from api.access.guards import may_on_cases
from api.access.journal_reading import as_told, entries_for
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.rules.moment import midnight
from api.domain.values import Day, Output
from api.domain.vocabulary import Role
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record
from api.storage.models.journal import JournalEntry
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/journal", tags=["journal"], route_class=StrictRoute)


class EntryRead(Output):
    """Something happened, or somebody was shown records (`is_read`).

    `actor_id` is null for what time brought about. `record_ids` names every record that was
    written or shown; `changed` names fields, never their values. `purpose` says what for, where it
    is out of the ordinary; of a refusal (`request.refused`) it is the code of its problem, and
    `record_ids` are the ids in the path, whether or not there is such a record. `request_id` is
    that of the answer's `X-Request-Id`. Incidents and flags that you may not see now are left out
    of `record_ids`; `restricted` says whether all that the entry is about is hidden from the case's
    clinician. `actor_name` and `actor_role` are those of today.
    """

    id: UUID
    at: datetime
    actor_id: UUID | None
    actor_name: str | None
    actor_kind: ActorKind | None
    actor_role: Role | None
    happening: str
    case_id: UUID | None
    record_type: str | None
    record_ids: list[UUID]
    changed: list[str]
    restricted: bool
    is_read: bool
    purpose: str | None
    request_id: str | None


class JournalQuery(PageQuery):
    """Which entries."""

    actor_id: UUID | None = None
    case_id: UUID | None = None
    happening: Happening | None = None
    is_read: bool | None = None
    from_: Day | None = Field(default=None, alias="from", description="On or after this day.")
    to: Day | None = Field(default=None, description="On or before this day.")


@router.get("")
async def read_journal(
    query: Annotated[JournalQuery, Query()],
    me: Annotated[Actor, Depends(may_on_cases(Action.journal_read))],
    marks: Marks,
    tx: Tx,
) -> Page[EntryRead]:
    """Read the journal, newest first.

    Privacy officers read all of it; everyone else what they did themselves, and who did and who
    read what on their own cases, but for what is restricted now.
    """
    statement = select(JournalEntry).where(await entries_for(tx, me), *_filters(tx, query))
    entries, following = await newest_first(tx, marks, "journal", query, statement, JournalEntry)
    record(
        tx,
        Happening.journal_read,
        actor_id=me.id,
        record_type="journal",
        is_read=True,
    )
    told = await as_told(tx, me, entries)
    known = await known_by(tx, (entry.actor_id for entry in told))
    items = [
        EntryRead.model_validate({**dict(entry), **actor_named(known, entry.actor_id)})
        for entry in told
    ]
    return Page(items=items, next=following)


def _filters(tx: Transaction, query: JournalQuery) -> Iterator[ColumnElement[bool]]:
    if query.actor_id is not None:
        yield col(JournalEntry.actor_id) == query.actor_id
    if query.case_id is not None:
        yield col(JournalEntry.case_id) == query.case_id
    if query.happening is not None:
        yield col(JournalEntry.happening) == query.happening
    if query.is_read is not None:
        yield col(JournalEntry.is_read).is_(query.is_read)
    if query.from_ is not None:
        yield col(JournalEntry.at) >= midnight(query.from_, tx.clinic.zone)
    if query.to is not None:
        yield col(JournalEntry.at) < midnight(query.to + timedelta(days=1), tx.clinic.zone)
