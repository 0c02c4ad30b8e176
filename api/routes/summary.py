"""Supervision at a glance: what waits, in numbers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy import ColumnElement, and_, case, distinct, func, true
from sqlmodel import col, select

from api.access.guards import may_on_cases
from api.access.visibility.accounts import from_kept_account
from api.access.visibility.cases import on_its_case, queued_cases, visible_cases
from api.access.visibility.oversight import open_to_its_clinician, unwatched_flags
from api.access.visibility.reader import reader
from api.access.visibility.records import visible_flags, visible_promises
from api.domain.errors import Invalid
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor, may_ever
from api.domain.values import Input, Output
from api.domain.vocabulary import (
    Audience,
    ConsultationStatus,
    ConsultationUrgency,
    FlagStatus,
    Severity,
)
from api.flags.catching_up import catch_up_due
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.records.monthly_counts import WHICH_FLAGS
from api.storage.models.clinical import IS_OPEN, IS_WAITING, Case, Consultation, Promise
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/summary", tags=["queue"], route_class=StrictRoute)

_DAYS = {"under_1_day": 1, "from_1_to_7_days": 8, "from_8_to_30_days": 31}
"""Up to which age, in days, a flag counts under a name; older ones are over 30 days."""


class SummaryScope(StrEnum):
    """Whose cases the numbers are of."""

    own = "own"
    """Your own, and those in which you stand in for a colleague."""
    supervised = "supervised"
    """Those of the clinicians you answer for, but for cases that concern you."""
    clinic = "clinic"
    """All of the clinic's."""


class SummaryQuery(Input):
    """Of which cases."""

    clinician_id: UUID | None = Field(
        default=None,
        description="Of one clinician's cases, as far as you see them. Not for privacy officers.",
    )
    restricted: bool | None = WHICH_FLAGS


class SeverityCount(Output):
    """Flags of one severity that wait, and how many of them are past their due time."""

    severity: Severity
    open: int
    acknowledged: int
    overdue: int


class AgeCount(Output):
    """Flags that wait, by the whole days since they took effect."""

    under_1_day: int
    from_1_to_7_days: int
    from_8_to_30_days: int
    over_30_days: int


class WaitingFlags(Output):
    """Unresolved flags for supervisors, the most severe first; each waits for a person."""

    unresolved: int
    overdue: int
    by_severity: list[SeverityCount]
    by_age: AgeCount


class UrgencyCount(Output):
    """Consultations of one urgency that wait, by status, and how many are past their due time."""

    urgency: ConsultationUrgency
    requested: int
    accepted: int
    in_progress: int
    overdue: int


class WaitingConsultations(Output):
    """Consultations that were requested and not yet completed, the most urgent first."""

    waiting: int
    overdue: int
    by_urgency: list[UrgencyCount]


class OpenPromises(Output):
    """Promises that are open, and how many of them were due before today."""

    open: int
    overdue: int


class SummaryRead(Output):
    """What waits, in numbers, as of an instant. What you may not count is null.

    `prompts`: what only the cases' own clinician is asked. `unwatched_cases`: how many flagged
    cases no supervisor sees; for privacy officers.
    """

    as_of: datetime
    scope: SummaryScope
    flags: WaitingFlags
    prompts: int | None
    consultations: WaitingConsultations | None
    promises: OpenPromises | None
    unwatched_cases: int | None


@router.get("")
async def read_summary(
    query: Annotated[SummaryQuery, Query()],
    me: Annotated[Actor, Depends(may_on_cases(Action.summary_read))],
    tx: Tx,
) -> SummaryRead:
    """Read how much waits: flags by severity and age, consultations, promises; numbers only.

    For clinicians of their own cases, for supervisors of those they answer for, for privacy
    officers (flags only) and software of all the clinic's. 422 where a privacy officer
    asks for one clinician's.
    """
    scope = _scope(me, query)
    cases = _cases(tx, me, query, scope)
    await catch_up_due(tx, cases)
    watches = may_ever(me, Action.summary_read_all)
    # what a client said is counted for nobody to whom it is not addressed
    told = ~from_kept_account(reader(tx, me), Flag)
    seen = and_(open_to_its_clinician(tx, me, Flag), told) if watches else visible_flags(tx, me)
    if query.restricted is not None:
        seen = and_(seen, col(Flag.restricted).is_(query.restricted))
    flags = await _count_flags(tx, cases, seen)
    counts_asked = not watches and _may_count(me, Action.consultation_list)
    counts_promises = not watches and _may_count(me, Action.promise_list)
    return SummaryRead(
        as_of=tx.now,
        scope=scope,
        flags=_waiting([row for row in flags if row.audience == Audience.supervisor]),
        prompts=_number(row for row in flags if row.audience == Audience.clinician)
        if scope == SummaryScope.own
        else None,
        consultations=await _count_consultations(tx, cases) if counts_asked else None,
        promises=await _count_promises(tx, me, cases) if counts_promises else None,
        unwatched_cases=await _count_unwatched(tx, me, told) if watches else None,
    )


def _scope(me: Actor, query: SummaryQuery) -> SummaryScope:
    if may_ever(me, Action.summary_read_all):
        if query.clinician_id is not None:
            # whose case it is would show by trying
            raise Invalid(
                "/query/clinician_id",
                "The clinic's numbers are not split by person; leave this out.",
            )
        return SummaryScope.clinic
    if me.is_software:
        return SummaryScope.clinic
    if may_ever(me, Action.queue_read) and query.clinician_id != me.id:
        return SummaryScope.supervised
    return SummaryScope.own


def _cases(
    tx: Transaction, me: Actor, query: SummaryQuery, scope: SummaryScope
) -> ColumnElement[bool]:
    """Say in SQL whose cases count."""
    of_whom = true() if query.clinician_id is None else col(Case.clinician_id) == query.clinician_id
    match scope:
        case SummaryScope.supervised:
            return and_(queued_cases(tx, me), of_whom)
        case SummaryScope.own:
            return and_(visible_cases(tx, me), of_whom)
        case SummaryScope.clinic:
            return and_(col(Case.clinic_id) == tx.clinic.id, of_whom)


def _may_count(me: Actor, action: Action) -> bool:
    """Tell whether a sort of record is counted: a person counts those of their own cases."""
    return not me.is_software or may_ever(me, action)


async def _count_flags(
    tx: Transaction, cases: ColumnElement[bool], seen: ColumnElement[bool]
) -> Sequence[Any]:
    since = col(Flag.effective_at)
    younger = {name: since > tx.now - timedelta(days=days) for name, days in _DAYS.items()}
    statement: Any = sa.select(
        col(Flag.audience),
        col(Flag.severity),
        col(Flag.status),
        func.count().label("number"),
        _how_many(col(Flag.due_at) < tx.now).label("overdue"),
        *(_how_many(condition).label(name) for name, condition in younger.items()),
    )
    statement = _of_cases(statement, Flag).where(IS_UNRESOLVED, cases, seen)
    found = await tx.exec(statement.group_by(Flag.audience, Flag.severity, Flag.status))
    return list(found)


def _waiting(rows: Sequence[Any]) -> WaitingFlags:
    number, overdue = _number(rows), sum(row.overdue for row in rows)
    younger = [sum(getattr(row, name) for row in rows) for name in _DAYS]
    ages = [upto - below for upto, below in zip(younger, [0, *younger], strict=False)]
    return WaitingFlags(
        unresolved=number,
        overdue=overdue,
        by_severity=[_of_severity(rows, severity) for severity in _GRAVEST_FIRST],
        by_age=AgeCount(**dict(zip(_DAYS, ages, strict=True)), over_30_days=number - younger[-1]),
    )


_GRAVEST_FIRST = (Severity.critical, Severity.high, Severity.moderate, Severity.low)


def _of_severity(rows: Sequence[Any], severity: Severity) -> SeverityCount:
    own = [row for row in rows if row.severity == severity]
    return SeverityCount(
        severity=severity,
        open=_number(row for row in own if row.status == FlagStatus.open),
        acknowledged=_number(row for row in own if row.status == FlagStatus.acknowledged),
        overdue=sum(row.overdue for row in own),
    )


async def _count_consultations(tx: Transaction, cases: ColumnElement[bool]) -> WaitingConsultations:
    statement: Any = sa.select(
        col(Consultation.urgency),
        col(Consultation.status),
        func.count().label("number"),
        _how_many(col(Consultation.due_at) < tx.now).label("overdue"),
    )
    statement = _of_cases(statement, Consultation).where(
        IS_WAITING, cases, col(Case.voided_at).is_(None)
    )
    found = await tx.exec(statement.group_by(Consultation.urgency, Consultation.status))
    rows = list(found)
    return WaitingConsultations(
        waiting=_number(rows),
        overdue=sum(row.overdue for row in rows),
        by_urgency=[
            _of_urgency([row for row in rows if row.urgency == urgency], urgency)
            for urgency in reversed(ConsultationUrgency)
        ],
    )


def _of_urgency(rows: Sequence[Any], urgency: ConsultationUrgency) -> UrgencyCount:
    by_status = {row.status: row.number for row in rows}
    return UrgencyCount(
        urgency=urgency,
        requested=by_status.get(ConsultationStatus.requested, 0),
        accepted=by_status.get(ConsultationStatus.accepted, 0),
        in_progress=by_status.get(ConsultationStatus.in_progress, 0),
        overdue=sum(row.overdue for row in rows),
    )


async def _count_promises(tx: Transaction, me: Actor, cases: ColumnElement[bool]) -> OpenPromises:
    statement: Any = sa.select(
        func.count(col(Promise.id)), _how_many(col(Promise.due_on) < tx.today)
    )
    statement = _of_cases(statement, Promise).where(
        IS_OPEN, cases, col(Case.voided_at).is_(None), visible_promises(tx, me)
    )
    number, overdue = (await tx.exec(statement)).one()
    return OpenPromises(open=number, overdue=overdue or 0)


async def _count_unwatched(tx: Transaction, me: Actor, told: ColumnElement[bool]) -> int:
    counted = select(func.count(distinct(col(Flag.case_id))))
    statement = _of_cases(counted, Flag).where(unwatched_flags(tx, me), told)
    number: int = (await tx.exec(statement)).one()
    return number


def _of_cases(statement: Any, model: Any) -> Any:
    """Join the records with their cases."""
    return statement.select_from(model).join(Case, on_its_case(model))


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _number(rows: Any) -> int:
    return sum(row.number for row in rows)
