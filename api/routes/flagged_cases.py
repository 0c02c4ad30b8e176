"""The supervisor's queue: the cases that ask for a look, the gravest and most urgent first."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy import ColumnElement, and_, case, func, or_
from sqlmodel import col, select

from api.access import may_one_of, refuse_role
from api.db import Transaction, Tx
from api.domain.permissions import Action, Actor, Standing, may_ever
from api.domain.values import Output
from api.errors import Invalid
from api.flagging import catch_up_due
from api.intake import StrictRoute
from api.journal import Happening, record_shown
from api.models import IS_UNRESOLVED, Case, Flag
from api.pages import Marks, Page, PageQuery
from api.sight import on_its_case, queued_cases, unwatched_cases, unwatched_flags
from api.standing import WaitingFlag
from api.views import CaseRead, FlagRead, FlagRule, show_case, show_flags
from api.vocabulary import (
    SEVERITY_ORDER,
    Audience,
    FlagStatus,
    Severity,
    severity_rank,
)

router = APIRouter(prefix="/v1/flagged-cases", tags=["queue"], route_class=StrictRoute)

_rank = case(
    {severity: rank for rank, severity in enumerate(SEVERITY_ORDER)}, value=col(Flag.severity)
)
_top: ColumnElement[Any] = func.max(_rank)
_next_due: ColumnElement[Any] = func.min(col(Flag.due_at))
_hidden: ColumnElement[Any] = func.min(case((col(Flag.restricted), 1), else_=0))
"""Whether all that waits is hidden from the case's clinician; that it was looked at is then too."""


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


@router.get("")
async def read_queue(
    query: Annotated[QueueQuery, Query()],
    me: Annotated[Actor, Depends(may_one_of(Action.queue_read, Action.queue_unwatched))],
    marks: Marks,
    tx: Tx,
) -> Page[FlaggedCase] | Page[UnwatchedCase]:
    """Read the queue of flagged cases: most severe first, then soonest due.

    For supervisors, and for software that may read flags. With `unwatched`, privacy officers read
    which cases no supervisor sees; they learn nothing of a case but that it waits.
    """
    if query.unwatched:
        return await _read_unwatched(query, me, marks, tx)
    refuse_role(me, Action.queue_read)
    await catch_up_due(tx, queued_cases(tx, me))
    statement = _grouped(query, tx).where(*_in_queue(me), queued_cases(tx, me))
    page, following = await _page(statement, "queue", query, marks, tx)
    _tell_of_cases(tx, me, page)
    return Page(items=await _items(tx, me, [row[0] for row in page]), next=following)


async def _read_unwatched(
    query: QueueQuery, me: Actor, marks: Marks, tx: Transaction
) -> Page[UnwatchedCase]:
    refuse_role(me, Action.queue_unwatched)
    _refuse_to_tell_more(query)
    await catch_up_due(tx, unwatched_cases(tx))
    statement = _grouped(query, tx).where(unwatched_flags(tx, me))
    page, following = await _page(statement, "unwatched", query, marks, tx)
    _tell_of_cases(tx, me, page)
    items = [
        UnwatchedCase(id=case_id, severity=SEVERITY_ORDER[top], due_at=due)
        for case_id, top, due, _ in page
    ]
    return Page(items=items, next=following)


def _tell_of_cases(tx: Transaction, me: Actor, page: Iterable[Any]) -> None:
    """Journal which cases were shown, so that nobody learns from it of a flag they may not see."""
    shown = [SimpleNamespace(id=row[0], restricted=bool(row[-1])) for row in page]
    record_shown(tx, Happening.case_read, shown, actor_id=me.id, record_type="case")


def _refuse_to_tell_more(query: QueueQuery) -> None:
    """Raise 422 for a filter by what is not told: whose case it is would show by trying."""
    for name in ("rule", "clinician_id", "acknowledged", "assigned_to_id"):
        if getattr(query, name) is not None:
            raise Invalid(f"/query/{name}", "Unwatched cases are not chosen by this.")


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


async def _page(
    statement: Any, name: str, query: QueueQuery, marks: Marks, tx: Transaction
) -> tuple[Sequence[Any], str | None]:
    """Give a page of grouped rows, and the cursor of what follows."""
    listing = f"{tx.clinic.id}/{name}"
    if (last := marks.read(listing, query)) is not None:
        statement = statement.having(_after(*last))
    return marks.cut(listing, query, (await tx.exec(statement)).all(), _key)


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


def _key(row: Sequence[Any]) -> list[Any]:
    case_id, top, due, _ = row
    return [top, due, case_id]


def _after(top: int, due: str, case_id: str) -> ColumnElement[bool]:
    """Say in SQL what comes after a row of the queue."""
    due_at = datetime.fromisoformat(due)
    return or_(
        _top < top,
        and_(_top == top, _next_due > due_at),
        and_(_top == top, _next_due == due_at, col(Flag.case_id) > UUID(case_id)),
    )


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
    record_shown(tx, Happening.flag_read, shown, actor_id=me.id, record_type="flag")
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
