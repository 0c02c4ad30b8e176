"""Plays a clinic's new settings on copies of its cases: what would be raised, and what not."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement
from sqlmodel import col, func, select

from api.domain.rules.modes import monitored_rules
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import severity_rank
from api.flags.case_facts import CaseFile
from api.flags.catching_up import is_due
from api.flags.evidence import Key
from api.flags.lifecycle import unresolved_by_rule
from api.flags.reconcile import move_on_paper
from api.flags.several_files import copy_files
from api.storage.models.clinical import Case
from api.storage.models.flags import Flag
from api.storage.models.people import Clinic
from api.storage.transaction import Transaction

T = TypeVar("T")

BATCH = 50
"""Cases that are read at once; the connection is given back before their rules are asked."""


@dataclass(slots=True)
class Effect:
    """What would become of one rule's flags, in numbers."""

    raised: int = 0
    revived: int = 0
    lapsed: int = 0
    graver: int = 0
    milder: int = 0
    counted: int = 0
    counted_no_longer: int = 0


@dataclass(slots=True)
class Outcome:
    """What new settings would do: to each rule, on how many of the clinic's cases."""

    cases_in_all: int
    cases_looked_at: int = 0
    effects: dict[str, Effect] = field(default_factory=dict)

    def of(self, rule: str) -> Effect:
        """Give what would become of a rule's flags."""
        return self.effects.setdefault(rule, Effect())


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """What a clinic sets of its rules."""

    thresholds: Thresholds
    monitored: frozenset[str]


def settings_of(clinic: Clinic) -> RuleSettings:
    """Give what a clinic has set."""
    return RuleSettings(Thresholds(**clinic.thresholds), monitored_rules(clinic.rule_modes))


async def rehearse(
    tx: Transaction,
    present: RuleSettings,
    proposed: RuleSettings,
    which: ColumnElement[bool],
    limit: int,
    *,
    as_it_stands: bool = False,
) -> Outcome:
    """Compare on at most `limit` of some cases, the newest first, what is with what would be.

    Nothing is locked or changed, and no connection is held while rules are asked: what changes
    meanwhile may be seen or not. `as_it_stands`: what is, is what anybody saw last, also on cases
    that are to be looked at again.
    """
    standing = (which, col(Case.voided_at).is_(None), col(Case.purged_at).is_(None))
    in_all = (await tx.exec(select(func.count(col(Case.id))).where(*standing))).one()
    newest = col(Case.updated_at).desc(), col(Case.id).desc()
    asked = select(col(Case.id)).where(*standing).order_by(*newest).limit(limit)
    case_ids = list((await tx.exec(asked)).all())
    outcome = Outcome(in_all)
    for batch in _in_parts(case_ids, BATCH):
        files = await copy_files(tx, batch, present.thresholds, present.monitored)
        await tx.pause()
        for file in files:
            await _compare(file, proposed, tx.now, outcome, as_it_stands=as_it_stands)
            # others have their turn
            await asyncio.sleep(0)
    return outcome


async def _compare(
    file: CaseFile,
    proposed: RuleSettings,
    now: datetime,
    outcome: Outcome,
    *,
    as_it_stands: bool,
) -> None:
    outcome.cases_looked_at += 1
    facts = file.facts
    by_door = facts.accounts or facts.responses or facts.offers
    if not (facts.incidents or facts.promises or by_door or file.flags or file.monitored):
        return
    then = _copied(file, proposed)
    await move_on_paper(then, now)
    # what time alone has brought about is no effect of the settings
    if is_due(file.case, now) and not as_it_stands:
        await move_on_paper(file, now)
    _tell_flags_apart(unresolved_by_rule(file), unresolved_by_rule(then), outcome)
    before, after = _counted_of(file), _counted_of(then)
    for rule, _ in after - before:
        outcome.of(rule).counted += 1
    for rule, _ in before - after:
        outcome.of(rule).counted_no_longer += 1


def _tell_flags_apart(
    before: Mapping[Key, Flag], after: Mapping[Key, Flag], outcome: Outcome
) -> None:
    for key in before.keys() | after.keys():
        effect = outcome.of(key[0])
        if key not in before:
            effect.raised += 1
        elif key not in after:
            effect.lapsed += 1
        else:
            was, would_be = before[key], after[key]
            effect.lapsed += was.condition_holds and not would_be.condition_holds
            effect.revived += would_be.condition_holds and not was.condition_holds
            change = severity_rank(would_be.severity) - severity_rank(was.severity)
            effect.graver += change > 0
            effect.milder += change < 0


def _copied(file: CaseFile, proposed: RuleSettings) -> CaseFile:
    return CaseFile(
        copy(file.case),
        replace(file.facts, thresholds=proposed.thresholds),
        [copy(flag) for flag in file.flags],
        proposed.monitored,
        [copy(row) for row in file.monitored],
    )


def _counted_of(file: CaseFile) -> set[tuple[str, bool]]:
    return {(row.rule, row.restricted) for row in file.monitored if row.ended_at is None}


def _in_parts(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
