"""The supervisor's queue: the cases that ask for a look, the gravest and most urgent first."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from itertools import chain
from types import SimpleNamespace
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy import select as sa_select
from sqlmodel import col, select

from api.access.case_relationship import WaitingFlag
from api.access.due_cases import catch_up_what_is_shown
from api.access.guards import may_one_of, refuse_role
from api.access.listed_cases import cases_named
from api.access.visibility.accounts import reads_its_account
from api.access.visibility.cases import on_its_case, seen_in_queue
from api.access.visibility.oversight import open_to_its_clinician, unwatched_by_anyone
from api.access.visibility.reader import Reader, asked_by, asker, placeholder, reader
from api.access.visibility.triaged import Triaged, Wanted, first_in_queue, first_unwatched
from api.domain.errors import Invalid
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import Standing
from api.domain.permissions.table import Actor, may_ever
from api.domain.values import Output
from api.domain.vocabulary import Audience, FlagStatus, Role, Severity, severity_rank
from api.flags.triage import level_of, severity_of
from api.http.pagination import Marks, Page, PageQuery
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_shown
from api.records.queue_readings import Place, Reading
from api.records.read_models import CaseRead, FlagRead, FlagRule, show_case, show_flags
from api.storage.compiled_queries import Prepared, about_several, one_of, plainly
from api.storage.models.clinical import Case
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.models.journal import WHAT_HAPPENED, JournalEntry
from api.storage.plain_rows import columns_of, plain_row
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/flagged-cases", tags=["queue"], route_class=StrictRoute)

_MOVES_UP = (
    Happening.flag_opened,
    Happening.flag_raised,
    Happening.flag_escalated,
    Happening.flag_reopened,
    Happening.case_transferred,
)
"""What may let a case stand further up, or stand in the queue where it did not before."""


class _Row(NamedTuple):
    """A case in its place; `hidden`: all that waits is kept from the case's clinician."""

    case_id: UUID
    level: int
    due_at: datetime
    hidden: bool

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.level, self.due_at, self.case_id)


class QueueQuery(PageQuery):
    """Which cases: each filter asks for a case with at least one such flag."""

    min_severity: Severity | None = None
    rule: FlagRule | None = None
    clinician_id: UUID | None = None
    overdue: bool | None = None
    acknowledged: bool | None = None
    assigned_to_id: UUID | None = None
    unwatched: bool | None = Field(
        default=None, description="For privacy officers: the cases that no supervisor sees."
    )


class UnwatchedCase(Output):
    """A case that waits for a look and that no supervisor sees; nothing else is told of it.

    `severity` and `due_at` are null where nothing waits yet, and its client is invited to their
    door: nobody but privacy officers would read what is sent.
    """

    id: UUID
    severity: Severity | None
    due_at: datetime | None


class FlaggedCase(Output):
    """A case in the queue, with every unresolved flag on it."""

    case: CaseRead
    flags: list[FlagRead]
    top_severity: Severity
    next_due_at: datetime


Moved = Annotated[
    list[UUID],
    Field(
        description="Cases of this page that got worse while the pages before were read, and now "
        "stand where these were; they come first. One that was shown before is shown again."
    ),
]


class FlaggedCasePage(Page[FlaggedCase]):
    """One page of the queue; `next` is the cursor of the following page, null at the end."""

    moved: Moved


class UnwatchedCasePage(Page[UnwatchedCase]):
    """One page of unwatched cases; `next` is the cursor of the following page, null at the end."""

    moved: Moved


@router.get("")
async def read_queue(
    query: Annotated[QueueQuery, Query()],
    me: Annotated[Actor, Depends(may_one_of(Action.queue_read, Action.queue_unwatched))],
    marks: Marks,
    tx: Tx,
) -> FlaggedCasePage | UnwatchedCasePage:
    """Read the queue of flagged cases: most severe first, then soonest due.

    The queue moves while its pages are read. A case that got worse meanwhile comes first on the
    next page, and `moved` names it: whoever reads to the end was shown every case that waited all
    the time, and each as grave as it became.

    For supervisors, and for software that may read flags. With `unwatched`, privacy officers read
    which cases no supervisor sees; they learn nothing of a case but that it waits.
    """
    if query.unwatched:
        return await _read_unwatched(query, me, marks, tx)
    refuse_role(me, Action.queue_read)
    await catch_up_what_is_shown(tx, me, seen_in_queue)
    page, moved, following = await _page(query, marks, tx, me)
    _tell_of_cases(tx, me, page)
    return FlaggedCasePage(items=await _items(tx, me, page), next=following, moved=moved)


async def _read_unwatched(
    query: QueueQuery, me: Actor, marks: Marks, tx: Transaction
) -> UnwatchedCasePage:
    refuse_role(me, Action.queue_unwatched)
    _refuse_to_tell_more(query)
    await catch_up_what_is_shown(tx, me, unwatched_by_anyone)
    page, moved, following = await _page(query, marks, tx, me)
    _tell_of_cases(tx, me, page)
    items = [_unwatched(row) for row in page]
    return UnwatchedCasePage(items=items, next=following, moved=moved)


def _unwatched(row: _Row) -> UnwatchedCase:
    severity = severity_of(row.level)
    due_at = None if severity is None else row.due_at
    return UnwatchedCase(id=row.case_id, severity=severity, due_at=due_at)


def _tell_of_cases(tx: Transaction, me: Actor, page: Iterable[_Row]) -> None:
    """Journal which cases were shown, so that nobody learns from it of a flag they may not see."""
    shown = [SimpleNamespace(noun=Case.noun, id=row.case_id, restricted=row.hidden) for row in page]
    record_shown(tx, Happening.case_read, shown, actor_id=me.id)


def _refuse_to_tell_more(query: QueueQuery) -> None:
    """Raise 422 for a filter by what is not told: whose case it is would show by trying."""
    for name in ("rule", "clinician_id", "acknowledged", "assigned_to_id"):
        if getattr(query, name) is not None:
            raise Invalid(f"/query/{name}", "Unwatched cases are not chosen by this; leave it out.")


def _in_queue(who: Reader) -> Iterator[Any]:
    """Say in SQL which flags stand in somebody's queue; for software the unrestricted ones."""
    yield IS_UNRESOLVED
    yield col(Flag.audience) == Audience.supervisor
    yield col(Flag.restricted).is_(False) if who.is_software else reads_its_account(who)


async def _page(
    query: QueueQuery, marks: Marks, tx: Transaction, me: Actor
) -> tuple[list[_Row], list[UUID], str | None]:
    """Give a page of cases in their places, those among them that moved, and the next cursor."""
    listing = f"{tx.clinic.id}/{'unwatched' if query.unwatched else 'queue'}/readings"
    known, present = marks.decode_cursor(listing, query), await tx.listing_until()
    before = None if known is None else Reading.opened(known)
    found = [_Row(*row) for row in await _find(query, before, tx, me)]

    def key(row: _Row) -> list[Any]:
        following = Reading(row.place, present)
        return (following if before is None else before.read_on(row.place, present)).key

    rows, following = marks.cut(listing, query, found, key)
    moved = [
        row.case_id for row in rows if before is not None and row.place.order <= before.place.order
    ]
    return rows, moved, following


async def _find(query: QueueQuery, before: Reading | None, tx: Transaction, me: Actor) -> Any:
    """Find the cases of a page, and one more where there is one."""
    most = query.limit + 1
    asks = query.model_fields_set - {"limit", "cursor", "unwatched"}
    if before is None and not asks:
        first = _first_of_all(me.role, most, tx.is_postgresql, bool(query.unwatched))
        return await tx.exec(first, asked_by(tx, me))
    worse = partial(_got_worse, tx, me, query)
    wanted = Wanted(
        partial(_filters, tx, me, query),
        lambda by: [] if before is None else before.unread(by, worse),
        most,
    )
    return await tx.exec(_first(reader(tx, me), wanted, tx.is_postgresql, bool(query.unwatched)))


def _first(who: Reader, wanted: Wanted, laterally: bool, unwatched: bool) -> Any:  # noqa: FBT001 - as asked below
    if unwatched:
        return first_unwatched(who, wanted)
    return first_in_queue(who, wanted, laterally=laterally)


@cache
def _first_of_all(role: Role, most: int, laterally: bool, unwatched: bool) -> Prepared:  # noqa: FBT001 - they are the cache's key
    wanted = Wanted(lambda _: [], lambda _: [], plainly(most))
    return Prepared(_first(asker(role), wanted, laterally, unwatched))


def _got_worse(
    tx: Transaction, me: Actor, query: QueueQuery, by: Triaged, since: datetime
) -> ColumnElement[bool]:
    """Say in SQL which cases may have moved up since an instant, as the journal tells it."""
    told = select(col(JournalEntry.case_id)).where(
        col(JournalEntry.clinic_id) == tx.clinic.id,
        col(JournalEntry.at) > since,
        col(JournalEntry.happening).in_(_MOVES_UP),
        WHAT_HAPPENED,
        col(JournalEntry.prompt).is_(False),
        # a hidden flag that got worse is not told of by where its case stands
        *([col(JournalEntry.restricted).is_(False)] if me.is_software else []),
        *([open_to_its_clinician(tx, me, JournalEntry)] if query.unwatched else []),
    )
    worse: ColumnElement[bool] = col(Case.id).in_(told)
    if query.overdue:
        worse = or_(worse, and_(by.due_at >= since, by.due_at < tx.now))
    return worse


def _filters(
    tx: Transaction, me: Actor, query: QueueQuery, by: Triaged
) -> list[ColumnElement[bool]]:
    wanted = []
    if query.min_severity is not None:
        wanted.append(by.level <= level_of(query.min_severity))
    if query.clinician_id is not None:
        wanted.append(col(Case.clinician_id) == query.clinician_id)
    if query.overdue is not None:
        overdue = by.due_at < tx.now
        wanted.append(overdue if query.overdue else ~overdue)
    of_flags = []
    if query.rule is not None:
        of_flags.append(col(Flag.rule) == query.rule)
    if query.acknowledged is not None:
        status = FlagStatus.acknowledged if query.acknowledged else FlagStatus.open
        of_flags.append(col(Flag.status) == status)
    if query.assigned_to_id is not None:
        of_flags.append(col(Flag.assigned_to_id) == query.assigned_to_id)
    return wanted + [_some(reader(tx, me), each) for each in of_flags]


def _some(who: Reader, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Ask for at least one flag of the case that stands in the queue."""
    return exists().where(on_its_case(Flag), condition, *_in_queue(who)).correlate(Case)


async def _items(tx: Transaction, me: Actor, page: Sequence[_Row]) -> list[FlaggedCase]:
    if not page:
        return []
    case_ids = [row.case_id for row in page]
    cases = await cases_named(tx, case_ids)
    flags = await _flags(tx, me, cases)
    every = list(chain.from_iterable(flags.values()))
    record_shown(tx, Happening.flag_read, every, actor_id=me.id)
    service = me.is_software
    standing = Standing(linked=not service, service=service)
    told = {flag.id: flag for flag in await show_flags(tx, me, every)}
    items = [_item(cases[case_id], flags[case_id], standing, told) for case_id in case_ids]
    if service and not may_ever(me, Action.case_read):
        # it learns which cases wait, and not whose they are
        for item in items:
            item.case.client_ref = None
    return items


async def _flags(
    tx: Transaction, me: Actor, cases: Mapping[UUID, Case]
) -> defaultdict[UUID, list[Flag]]:
    """Give the flags of some cases that stand in the queue, as plain rows."""
    statement = _queued(tx.withholds_sealed_text, tx.is_postgresql, me.role)
    found = (await tx.exec(statement, {**asked_by(tx, me), "ids": list(cases)})).all()
    rows = [plain_row(Flag, each) for each in found]
    await tx.open_several(Flag, rows, {case_id: row.text_key for case_id, row in cases.items()})
    flags: defaultdict[UUID, list[Flag]] = defaultdict(list)
    for row in rows:
        flags[row.case_id].append(row)
    return flags


@cache
def _queued(withheld: bool, is_postgresql: bool, role: Role) -> Any:  # noqa: FBT001 - they are the cache's key
    statement = (
        sa_select(*columns_of(Flag, withheld=withheld))
        .where(
            col(Flag.clinic_id) == placeholder("clinic"),
            one_of(Flag.case_id, "ids", is_postgresql=is_postgresql),
            *_in_queue(asker(role)),
        )
        .order_by(col(Flag.id))
    )
    return about_several(statement, is_postgresql=is_postgresql)


def _item(
    row: Case, flags: list[Flag], standing: Standing, told: Mapping[UUID, FlagRead]
) -> FlaggedCase:
    ordered = sorted(flags, key=lambda flag: (-severity_rank(flag.severity), flag.due_at, flag.id))
    waiting = [WaitingFlag(f.severity, f.due_at, f.audience, f.restricted) for f in ordered]
    shown = show_case(row, standing, waiting)
    return FlaggedCase.model_validate(
        {
            "case": shown,
            "flags": [told[flag.id] for flag in ordered],
            "top_severity": shown.flags.top_severity,
            "next_due_at": shown.flags.next_due_at,
        }
    )
