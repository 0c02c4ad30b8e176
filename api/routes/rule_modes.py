"""Measuring before acting: rules that only count, what they counted, and what settings would do."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy import ColumnElement, distinct, exists, func
from sqlmodel import col

from api.access.authentication import require_recent_sign_in
from api.access.case_relationship import load_clinic
from api.access.guards import may
from api.access.visibility.links_and_grants import conflicted
from api.access.visibility.oversight import open_to_its_clinician
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import may_count_restricted
from api.domain.permissions.table import Actor
from api.domain.rules.modes import RuleModes
from api.domain.rules.thresholds import Thresholds
from api.domain.values import Input, Output
from api.domain.vocabulary import PromptName, RuleMode, RuleName
from api.flags.catching_up import ask_every_rule_again
from api.flags.monitored import count_no_longer
from api.flags.preview import RuleSettings, rehearse, settings_of
from api.http.pagination import Page
from api.http.request_transaction import Tx
from api.http.strict_route import LookingRoute
from api.journal.entries import Happening, record_row
from api.records.monthly_counts import MonthsQuery, by_severity, months_asked
from api.storage.models.clinical import Case
from api.storage.models.flags import MonitoredFinding
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/rules", tags=["clinic"], route_class=LookingRoute)

Looks = Literal[100, 1_000, 5_000]
"""At how many cases one may look. Numbers of a few cases would tell of one, and so would the
difference of two looks, at a few cases more; for more cases than these a reader would not wait."""


class MonitoredMonth(Output):
    """What a rule that only counts would have raised in one month of the clinic's time zone.

    `findings` counts each one once, in the month it began; `cases` is on how many cases. The four
    severities are the gravest that each has reached.
    """

    rule: RuleName
    month: str = Field(description="Year and month, as in `2026-03`.")
    findings: int
    cases: int
    low: int
    moderate: int
    high: int
    critical: int


class RulesProposal(Input):
    """Settings to look at before they are saved; what is left out stays as it is now."""

    thresholds: Thresholds | None = Field(
        default=None, description="As they would be put: one left out here is at its default."
    )
    modes: RuleModes | None = Field(
        default=None, description="As they would be put: a rule left out here is active."
    )
    rule_version: Literal[2] | None = Field(
        default=None,
        description="Compare with flags as they stand, and not as these rules would have them now: "
        "what this version of the rules does to flags that were raised by an earlier one, before "
        "anybody looks at their cases.",
    )
    limit: Looks = Field(
        default=1_000,
        description="At most so many cases are looked at, the most recently changed first.",
    )


class RuleEffect(Output):
    """What would become of one rule's flags, as soon as each case is looked at again.

    `raised`: new flags · `lapsed`: flags whose condition would hold no more · `revived`: flags
    whose condition would hold again · `graver`, `milder`: flags whose severity would change; what
    nobody has acknowledged is not made milder · `counted`: findings that would begin to be
    counted only · `counted_no_longer`: findings that would cease to be.
    """

    rule: RuleName | PromptName
    mode: RuleMode
    raised: int
    lapsed: int
    revived: int
    graver: int
    milder: int
    counted: int
    counted_no_longer: int


class RulesPreview(Output):
    """What settings would do to the cases looked at, in numbers; nothing of it was kept.

    Where `cases_looked_at` is less than `cases_in_all`, the numbers are of those cases alone.
    """

    cases_in_all: int
    cases_looked_at: int
    rules: list[RuleEffect]


@router.get("/modes")
async def read_modes(
    me: Annotated[Actor, Depends(may(Action.thresholds_read))],  # noqa: ARG001 - the guard
    tx: Tx,
) -> RuleModes:
    """Read which rules raise flags, and which only count what they would have raised."""
    return RuleModes.model_validate((await load_clinic(tx)).rule_modes)


@router.put("/modes")
async def set_modes(
    body: RuleModes, me: Annotated[Actor, Depends(may(Action.thresholds_change))], tx: Tx
) -> RuleModes:
    """Set each rule's mode; one left out is active. For admins who have signed in recently.

    Flags that wait go on to follow their records until a person resolves them. A rule that is
    active again raises what holds now. 422 where a rule about safety would only count.
    """
    require_recent_sign_in(me, tx.now)
    clinic = await load_clinic(tx, lock=True)
    own = body.model_dump(mode="json", exclude_defaults=True)
    changed = own.keys() ^ clinic.rule_modes.keys()
    if changed:
        clinic.change({"rule_modes": own}, tx.now)
        record_row(tx, Happening.modes_changed, clinic, actor_id=me.id, changed=changed)
        await ask_every_rule_again(tx)
        if again := changed - own.keys():
            await count_no_longer(tx, again)
    return body


@router.get("/monitored")
async def count_monitored(
    query: Annotated[MonthsQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.thresholds_read))],
    tx: Tx,
) -> Page[MonitoredMonth]:
    """Count what rules that only count would have raised, by month and rule; no case is shown.

    For those who read the clinic's thresholds. What is restricted is in the numbers of admins and
    privacy officers only; cases that concern you are not in yours. 422 for more than five years.
    """
    months = months_asked(tx, query)
    began = col(MonitoredFinding.effective_at)
    wanted = [months.hold(began), ~_is_kept_away_from(tx, me)]
    if may_count_restricted(me):
        wanted.append(open_to_its_clinician(tx, me, MonitoredFinding))
    else:
        wanted.append(col(MonitoredFinding.restricted).is_(False))
    statement: Any = sa.select(
        col(MonitoredFinding.rule),
        months.of(began).label("month"),
        func.count().label("findings"),
        func.count(distinct(col(MonitoredFinding.case_id))).label("cases"),
        *by_severity(col(MonitoredFinding.severity)),
    )
    rows = await tx.exec(statement.where(*wanted).group_by("rule", "month"))
    shown = [MonitoredMonth.model_validate(row) for row in rows]
    order = list(RuleName)
    shown.sort(key=lambda each: (each.month, order.index(each.rule)))
    return Page(items=shown, next=None)


def _is_kept_away_from(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL whether a finding is on a case that somebody must not see."""
    return exists().where(
        col(Case.clinic_id) == tx.clinic.id,
        col(Case.id) == MonitoredFinding.case_id,
        conflicted(tx.clinic.id, me.id, tx.now),
    )


@router.post("/preview")
async def preview_rules(
    body: RulesProposal,
    me: Annotated[Actor, Depends(may(Action.thresholds_change))],
    tx: Tx,
) -> RulesPreview:
    """Look at what new thresholds and modes would do, before they are saved. For admins.

    Each case is looked at with the settings of now and with those proposed, but for your own. It
    shows numbers, and no case; nothing is kept or changed. How many cases were looked at stands
    beside how many there are. With `rule_version`, what this version of the rules will do to flags
    that an earlier one raised: after an upgrade, before anybody reads them and the worker runs.
    """
    now = settings_of(await load_clinic(tx))
    proposed = RuleSettings(
        now.thresholds if body.thresholds is None else body.thresholds,
        now.monitored if body.modes is None else body.modes.monitored,
    )
    # in numbers of her own cases somebody would see what is hidden from their clinician
    of_others = col(Case.clinician_id) != me.id
    as_it_stands = body.rule_version is not None
    outcome = await rehearse(tx, now, proposed, of_others, body.limit, as_it_stands=as_it_stands)
    return RulesPreview(
        cases_in_all=outcome.cases_in_all,
        cases_looked_at=outcome.cases_looked_at,
        rules=[
            RuleEffect(
                rule=rule,
                mode=RuleMode.monitor if rule in proposed.monitored else RuleMode.active,
                **asdict(outcome.of(rule)),
            )
            for rule in (*RuleName, *PromptName)
        ],
    )
