"""The supervisor's queue: the cases that ask for a look, the gravest and most urgent first."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy import ColumnElement, and_, case, func, or_
from sqlmodel import col, select

from api.access.case_relationship import WaitingFlag
from api.access.guards import may_one_of, refuse_role
from api.access.visibility.cases import on_its_case, queued_cases
from api.access.visibility.oversight import open_to_its_clinician, unwatched_cases, unwatched_flags
from api.domain.errors import Invalid
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import Standing
from api.domain.permissions.table import Actor, may_ever
from api.domain.values import Output
from api.domain.vocabulary import SEVERITY_ORDER, Audience, FlagStatus, Severity, severity_rank
from api.flags.catching_up import catch_up_due
from api.http.pagination import Marks, Page, PageQuery
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_shown
from api.records.read_models import CaseRead, FlagRead, FlagRule, show_case, show_flags
from api.storage.models.clinical import Case
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.models.journal import JournalEntry
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/flagged-cases", tags=["queue"], route_class=StrictRoute)

_rank = case(
    {severity: rank for rank, severity in enumerate(SEVERITY_ORDER)}, value=col(Flag.severity)
)
_top: ColumnElement[Any] = func.max(_rank)
_next_due: ColumnElement[Any] = func.min(col(Flag.due_at))
_hidden: ColumnElement[Any] = func.min(case((col(Flag.restricted), 1), else_=0))
"""Whether all that waits is hidden from the case's clinician; that it was looked at is then too."""

_MOVES_UP = (
    Happening.flag_opened,
    Happening.flag_raised,
    Happening.flag_escalated,
    Happening.flag_reopened,
    Happening.case_transferred,
)
"""What may let a case stand further up, or stand in the queue where it did not before."""


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
    """A case that waits for a look and that no supervisor sees; nothing else is told of it."""

    id: UUID
    severity: Severity
    due_at: datetime


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
    await catch_up_due(tx, queued_cases(tx, me))
    statement = _grouped(query, tx).where(*_in_queue(me), queued_cases(tx, me))
    page, moved, following = await _page(statement, query, marks, tx, me)
    _tell_of_cases(tx, me, page)
    items = await _items(tx, me, [row[0] for row in page])
    return FlaggedCasePage(items=items, next=following, moved=moved)


async def _read_unwatched(
    query: QueueQuery, me: Actor, marks: Marks, tx: Transaction
) -> UnwatchedCasePage:
    refuse_role(me, Action.queue_unwatched)
    _refuse_to_tell_more(query)
    await catch_up_due(tx, unwatched_cases(tx))
    statement = _grouped(query, tx).where(unwatched_flags(tx, me))
    page, moved, following = await _page(statement, query, marks, tx, me)
    _tell_of_cases(tx, me, page)
    items = [
        UnwatchedCase(id=case_id, severity=SEVERITY_ORDER[top], due_at=due)
        for case_id, top, due, _ in page
    ]
    return UnwatchedCasePage(items=items, next=following, moved=moved)


def _tell_of_cases(tx: Transaction, me: Actor, page: Iterable[Any]) -> None:
    """Journal which cases were shown, so that nobody learns from it of a flag they may not see."""
    shown = [SimpleNamespace(noun=Case.noun, id=row[0], restricted=bool(row[-1])) for row in page]
    record_shown(tx, Happening.case_read, shown, actor_id=me.id)


def _refuse_to_tell_more(query: QueueQuery) -> None:
    """Raise 422 for a filter by what is not told: whose case it is would show by trying."""
    for name in ("rule", "clinician_id", "acknowledged", "assigned_to_id"):
        if getattr(query, name) is not None:
            raise Invalid(f"/query/{name}", "Unwatched cases are not chosen by this; leave it out.")


def _in_queue(me: Actor) -> Iterator[Any]:
    """Say in SQL which flags stand in the queue."""
    yield IS_UNRESOLVED
    yield col(Flag.audience) == Audience.supervisor
    if me.is_software:
        yield col(Flag.restricted).is_(False)


def _grouped(query: QueueQuery, tx: Transaction) -> Any:
    """Select cases by their flags, the gravest and most urgent first."""
    statement = (
        select(col(Flag.case_id), _top, _next_due, _hidden)
        .join(Case, on_its_case(Flag))
        .where(col(Flag.clinic_id) == tx.clinic.id)
        .group_by(col(Flag.case_id))
        .having(*_filters(tx, query))
        .order_by(_top.desc(), _next_due, col(Flag.case_id))
        .limit(query.limit + 1)
    )
    if query.clinician_id is not None:
        statement = statement.where(col(Case.clinician_id) == query.clinician_id)
    return statement


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in the queue, as its order has it."""

    top: int
    due: datetime
    case_id: UUID

    @property
    def order(self) -> tuple[int, datetime, str]:
        """What comes first has the least."""
        return -self.top, self.due, self.case_id.hex

    @property
    def following(self) -> ColumnElement[bool]:
        """Say in SQL what comes after this place."""
        return or_(
            _top < self.top,
            and_(_top == self.top, _next_due > self.due),
            and_(_top == self.top, _next_due == self.due, col(Flag.case_id) > self.case_id),
        )

    def as_key(self, at: datetime) -> list[Any]:
        """Write it into a cursor, with an instant."""
        return [self.top, self.due, self.case_id, at]


def _read_key(top: int, due: str, case_id: str, at: str) -> tuple[_Place, datetime]:
    """Read what `as_key` wrote."""
    place = _Place(top, datetime.fromisoformat(due), UUID(case_id))
    return place, datetime.fromisoformat(at)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How far somebody has read the queue, which moves meanwhile.

    Up to `place` they were shown all there was at `at`. A case that has got worse since may stand
    before it now, so it comes first on the next page. Where a page has no room for all of these,
    they were shown up to `again` only, as they stood at `again_at`.
    """

    place: _Place
    at: datetime
    again: _Place | None = None
    again_at: datetime | None = None

    @classmethod
    def opened(cls, key: Sequence[Any]) -> "_Reading":
        """Open a cursor."""
        return cls(*_read_key(*key[:4]), *(_read_key(*key[4:]) if key[4:] else ()))

    @property
    def key(self) -> list[Any]:
        """What a cursor keeps of it."""
        key = self.place.as_key(self.at)
        if self.again is not None and self.again_at is not None:
            key += self.again.as_key(self.again_at)
        return key

    def unread(self, worse_since: Callable[[datetime], ColumnElement[bool]]) -> Any:
        """Say in SQL which cases are still to be shown."""
        if self.again is None or self.again_at is None:
            return or_(self.place.following, worse_since(self.at))
        late = and_(self.again.following, worse_since(self.at))
        return or_(self.place.following, late, worse_since(self.again_at))

    def read_on(self, last: _Place, at: datetime) -> "_Reading":
        """Give how far they have read after a page that was read at an instant."""
        if last.order > self.place.order:
            return _Reading(last, at)
        return _Reading(self.place, self.at, last, at)


async def _page(
    statement: Any, query: QueueQuery, marks: Marks, tx: Transaction, me: Actor
) -> tuple[Sequence[Any], list[UUID], str | None]:
    """Give a page of grouped rows, those among them that moved, and the cursor of what follows."""
    listing = f"{tx.clinic.id}/{'unwatched' if query.unwatched else 'queue'}/readings"
    known, present = marks.decode_cursor(listing, query), await tx.listing_until()
    before = None if known is None else _Reading.opened(known)
    if before is not None:
        statement = statement.having(before.unread(partial(_got_worse, tx, me, query)))
    found = (await tx.exec(statement)).all()

    def key(row: Sequence[Any]) -> list[Any]:
        last = _place_of(row)
        following = _Reading(last, present) if before is None else before.read_on(last, present)
        return following.key

    rows, following = marks.cut(listing, query, found, key)
    moved = [
        row[0] for row in rows if before is not None and _place_of(row).order <= before.place.order
    ]
    return rows, moved, following


def _place_of(row: Sequence[Any]) -> _Place:
    case_id, top, due, _ = row
    return _Place(top, due, case_id)


def _got_worse(
    tx: Transaction, me: Actor, query: QueueQuery, since: datetime
) -> ColumnElement[bool]:
    """Say in SQL which cases may have moved up since an instant, as the journal tells it."""
    told = select(col(JournalEntry.case_id)).where(
        col(JournalEntry.clinic_id) == tx.clinic.id,
        col(JournalEntry.at) > since,
        col(JournalEntry.happening).in_(_MOVES_UP),
        col(JournalEntry.prompt).is_(False),
        # a hidden flag that got worse is not told of by where its case stands
        *([col(JournalEntry.restricted).is_(False)] if me.is_software else []),
        *([open_to_its_clinician(tx, me, JournalEntry)] if query.unwatched else []),
    )
    worse: ColumnElement[bool] = col(Flag.case_id).in_(told)
    if query.overdue:
        worse = or_(worse, _some(and_(col(Flag.due_at) >= since, col(Flag.due_at) < tx.now)))
    return worse


def _filters(tx: Transaction, query: QueueQuery) -> Iterator[ColumnElement[bool]]:
    if query.min_severity is not None:
        yield severity_rank(query.min_severity) <= _top
    if query.rule is not None:
        yield _some(col(Flag.rule) == query.rule)
    if query.overdue is not None:
        overdue = _some(col(Flag.due_at) < tx.now)
        yield overdue if query.overdue else ~overdue
    if query.acknowledged is not None:
        wanted = FlagStatus.acknowledged if query.acknowledged else FlagStatus.open
        yield _some(col(Flag.status) == wanted)
    if query.assigned_to_id is not None:
        yield _some(col(Flag.assigned_to_id) == query.assigned_to_id)


def _some(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Ask for at least one flag of the group."""
    return func.sum(case((condition, 1), else_=0)) > 0


async def _items(tx: Transaction, me: Actor, case_ids: list[UUID]) -> list[FlaggedCase]:
    if not case_ids:
        return []
    rows = await tx.exec(
        select(Case, Flag)
        .join(Flag, on_its_case(Flag))
        .where(col(Case.clinic_id) == tx.clinic.id, col(Case.id).in_(case_ids), *_in_queue(me))
        .order_by(col(Flag.id))
    )
    cases: dict[UUID, Case] = {}
    flags: defaultdict[UUID, list[Flag]] = defaultdict(list)
    for row, flag in rows:
        cases[row.id] = row
        flags[row.id].append(flag)
    shown = chain.from_iterable(flags.values())
    record_shown(tx, Happening.flag_read, shown, actor_id=me.id)
    service = me.is_software
    standing = Standing(linked=not service, service=service)
    every = list(chain.from_iterable(flags.values()))
    told = {flag.id: flag for flag in await show_flags(tx, me, every)}
    items = [_item(cases[case_id], flags[case_id], standing, told) for case_id in case_ids]
    if service and not may_ever(me, Action.case_read):
        # it learns which cases wait, and not whose they are
        for item in items:
            item.case.client_ref = None
    return items


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
