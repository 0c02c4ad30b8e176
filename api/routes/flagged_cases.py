"""The supervisor's queue: the cases that ask for a look, the gravest and most urgent first."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy import ColumnElement, and_, case, func, or_
from sqlmodel import col, select

from api.access import WaitingFlag, may
from api.db import Transaction, Tx
from api.domain.permissions import Action, Actor, Standing
from api.domain.values import Output
from api.flagging import catch_up_due
from api.intake import StrictRoute
from api.models import IS_UNRESOLVED, Case, Flag
from api.pages import Marks, Page, PageQuery
from api.sight import supervised_cases
from api.views import CaseRead, FlagRead, FlagRule, show_case, show_flag
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


class QueueQuery(PageQuery):
    """Which cases: each filter asks for a case with at least one such flag."""

    min_severity: Severity | None = None
    rule: FlagRule | None = None
    clinician_id: UUID | None = None
    overdue: bool | None = None
    acknowledged: bool | None = None
    assigned_to_id: UUID | None = None


class FlaggedCase(Output):
    """A case in the queue, with every unresolved flag on it."""

    case: CaseRead
    flags: list[FlagRead]
    top_severity: Severity
    next_due_at: datetime


@router.get("")
async def read_queue(
    query: Annotated[QueueQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.queue_read))],
    marks: Marks,
    tx: Tx,
) -> Page[FlaggedCase]:
    """Read the queue of flagged cases: most severe first, then soonest due. For supervisors."""
    await catch_up_due(tx, supervised_cases(tx, me))
    statement = (
        select(col(Flag.case_id), _top, _next_due)
        .join(Case, and_(col(Case.clinic_id) == Flag.clinic_id, col(Case.id) == Flag.case_id))
        .where(
            col(Flag.clinic_id) == tx.clinic.id,
            IS_UNRESOLVED,
            col(Flag.audience) == Audience.supervisor,
            supervised_cases(tx, me),
        )
        .group_by(col(Flag.case_id))
        .having(*_filters(tx, query))
        .order_by(_top.desc(), _next_due, col(Flag.case_id))
        .limit(query.limit + 1)
    )
    if query.clinician_id is not None:
        statement = statement.where(col(Case.clinician_id) == query.clinician_id)
    listing = f"{tx.clinic.id}/queue"
    if (last := marks.read(listing, query)) is not None:
        statement = statement.having(_after(*last))
    rows = (await tx.exec(statement)).all()
    page = rows[: query.limit]
    following = marks.write(listing, query, _key(page[-1])) if len(rows) > query.limit else None
    return Page(items=await _items(tx, [row[0] for row in page]), next=following)


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
    case_id, top, due = row
    return [top, due, case_id]


def _after(top: int, due: str, case_id: str) -> ColumnElement[bool]:
    """Say in SQL what comes after a row of the queue."""
    due_at = datetime.fromisoformat(due)
    return or_(
        _top < top,
        and_(_top == top, _next_due > due_at),
        and_(_top == top, _next_due == due_at, col(Flag.case_id) > UUID(case_id)),
    )


async def _items(tx: Transaction, case_ids: list[UUID]) -> list[FlaggedCase]:
    if not case_ids:
        return []
    rows = await tx.exec(
        select(Case, Flag)
        .join(Flag, and_(col(Flag.clinic_id) == Case.clinic_id, col(Flag.case_id) == Case.id))
        .where(
            col(Case.clinic_id) == tx.clinic.id,
            col(Case.id).in_(case_ids),
            IS_UNRESOLVED,
            col(Flag.audience) == Audience.supervisor,
        )
    )
    cases: dict[UUID, Case] = {}
    flags: defaultdict[UUID, list[Flag]] = defaultdict(list)
    for row, flag in rows:
        cases[row.id] = row
        flags[row.id].append(flag)
    return [_item(cases[case_id], flags[case_id]) for case_id in case_ids]


def _item(row: Case, flags: list[Flag]) -> FlaggedCase:
    ordered = sorted(flags, key=lambda flag: (-severity_rank(flag.severity), flag.due_at, flag.id))
    waiting = [WaitingFlag(f.severity, f.due_at, f.audience, f.restricted) for f in ordered]
    shown = show_case(row, Standing(linked=True), waiting)
    return FlaggedCase.model_validate(
        {
            "case": shown,
            "flags": [show_flag(flag) for flag in ordered],
            "top_severity": shown.flags.top_severity,
            "next_due_at": shown.flags.next_due_at,
        }
    )
