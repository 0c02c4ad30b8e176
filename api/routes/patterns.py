"""One clinician's conduct over time: what was flagged, by month and rule."""

from collections import defaultdict
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy import ColumnElement, and_, distinct, func
from sqlmodel import col

from api.access.case_tenures import asks_about
from api.access.guards import may_on_cases
from api.access.visibility.cases import on_its_case, supervised_cases
from api.access.visibility.links_and_grants import supervised_clinicians
from api.access.visibility.records import visible_flags
from api.domain.errors import NotFound
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.values import Output
from api.domain.vocabulary import Audience, FlagStatus, RuleName
from api.flags.catching_up import catch_up_due
from api.flags.lifecycle import MANUAL
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record
from api.records.monthly_counts import (
    WHICH_FLAGS,
    Months,
    MonthsQuery,
    by_severity,
    months_asked,
)
from api.storage.models.clinical import Case
from api.storage.models.flags import Flag
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/patterns", tags=["queue"], route_class=StrictRoute)

_RULES = [*map(str, RuleName), MANUAL]
_MEANING = (
    "Counts of requests to look. They say nothing of how well somebody works: whoever reports more "
    "is asked to look more often. They are no score, and compare nobody with anybody."
)


class PatternsQuery(MonthsQuery):
    """Whose cases, and from when until when: at most five years."""

    clinician_id: UUID | None = Field(default=None, description="Default: yourself.")
    restricted: bool | None = WHICH_FLAGS


class RulePattern(Output):
    """How often one rule asked for a look in a month: `flags` raised, and on how many `cases`.

    The four severities are of those flags, as each is now or was when it was resolved.
    """

    rule: str
    flags: int
    cases: int
    low: int
    moderate: int
    high: int
    critical: int


class MonthPattern(Output):
    """What was flagged in one month of the clinic's time zone, by rule in the rulebook's order."""

    month: str = Field(description="Year and month, as in `2026-03`.")
    rules: list[RulePattern]


class PatternsRead(Output):
    """What was flagged about a clinician's conduct, by month and rule, on the cases that you see.

    A flag counts for whom the incidents are about that hold it up; where they are about nobody, and
    for a promise, for whoever had the case on that day; one raised by hand for whoever had it then.
    What an earlier clinician did counts for them, whose case it is now notwithstanding.

    Months in which nothing was flagged are left out, and so are prompts, voided cases, and
    whatever you may not see. `meaning` says what such counts can tell.
    """

    clinician_id: UUID
    from_: date = Field(serialization_alias="from")
    to: date
    meaning: str
    months: list[MonthPattern]


# that nobody may be found is not told by a parameter's name
@router.get("", responses={404: {}})
async def read_patterns(
    query: Annotated[PatternsQuery, Query()],
    me: Annotated[Actor, Depends(may_on_cases(Action.patterns_read))],
    tx: Tx,
) -> PatternsRead:
    """Read what was flagged about one clinician's conduct, by month and rule: no score.

    For clinicians about themselves on the cases that they have, without what is restricted, and for
    the supervisors who answer for them, on all cases that these see. 404 for any other clinician,
    422 for more than five years.
    """
    clinician_id = query.clinician_id or me.id
    await _refuse_others(tx, me, clinician_id)
    months = months_asked(tx, query)
    cases = _cases_seen(tx, me, clinician_id)
    await catch_up_due(tx, cases)
    seen = visible_flags(tx, me)
    if query.restricted is not None:
        seen = and_(seen, col(Flag.restricted).is_(query.restricted))
    counted = await _counted(tx, months, cases, seen, asks_about(tx, me, clinician_id))
    record(
        tx,
        Happening.patterns_read,
        actor_id=me.id,
        record_type="user",
        record_ids=[clinician_id],
        is_read=True,
    )
    return PatternsRead(
        clinician_id=clinician_id,
        from_=months.first,
        to=months.last,
        meaning=_MEANING,
        months=counted,
    )


async def _refuse_others(tx: Transaction, me: Actor, clinician_id: UUID) -> None:
    if clinician_id == me.id:
        return
    linked = supervised_clinicians(tx, me)
    if clinician_id not in (await tx.exec(linked)).all():
        raise NotFound


def _cases_seen(tx: Transaction, me: Actor, clinician_id: UUID) -> ColumnElement[bool]:
    """Say in SQL on which cases flags count: one's own, or those of whom one answers for."""
    return col(Case.clinician_id) == me.id if clinician_id == me.id else supervised_cases(tx, me)


async def _counted(
    tx: Transaction, months: Months, *which: ColumnElement[bool]
) -> list[MonthPattern]:
    """Count by month and rule what was flagged about their conduct on these cases."""
    raised = col(Flag.effective_at)
    chosen: Any = sa.select(
        months.of(raised).label("month"),
        col(Flag.rule),
        func.count().label("flags"),
        func.count(distinct(col(Flag.case_id))).label("cases"),
        *by_severity(col(Flag.severity)),
    )
    statement = (
        chosen.join(Case, on_its_case(Flag))
        .where(
            col(Flag.clinic_id) == tx.clinic.id,
            col(Flag.audience) == Audience.supervisor,
            # another flag has taken over what it asked, and is counted
            col(Flag.status) != FlagStatus.withdrawn,
            col(Case.voided_at).is_(None),
            months.hold(raised),
            *which,
        )
        .group_by("month", "rule")
    )
    counted: defaultdict[str, list[RulePattern]] = defaultdict(list)
    for row in await tx.exec(statement):
        counted[row.month].append(RulePattern.model_validate(row))
    return [
        MonthPattern(month=month, rules=sorted(rules, key=lambda each: _RULES.index(each.rule)))
        for month, rules in sorted(counted.items())
    ]
