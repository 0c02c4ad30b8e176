"""Evaluates a case: facts and an instant in; findings, and when to ask again, out."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from api.domain.rules.facts import Facts, Moment
from api.domain.rules.findings import Evidence, Finding, Rule, finding
from api.domain.rules.prompts import PROMPTS
from api.domain.rules.rulebook import RULES
from api.domain.vocabulary import PromptName, RuleName, severity_rank

RESTS_ON_MORE = frozenset({RuleName.absence_uncovered})
"""The rules that may rest on a record which is not in their evidence: a risk shortens the time that
an absence may go without cover."""

MOST_RECORDS = 5_000
"""Incidents, promises and consultations of a case, without what was voided.

Every write asks all rules about all of them, so this bounds how long a write may take.
"""
MOST_RESTRICTED = 1_000
"""Restricted incidents beside them: counted apart, so that no refusal tells of what is hidden."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What holds at one instant, and the next instant at which time alone may change it."""

    findings: tuple[Finding, ...]
    next_change: datetime | None


def evaluate(facts: Facts, now: datetime) -> Evaluation:
    """Run every rule and prompt over the facts of one case, as of `now`.

    What only restricted records raise or worsen comes back as findings of their own, marked
    `restricted`. Those are for supervisors: a prompt is never restricted, because the clinician
    it is meant for could not see it.
    """
    at = Moment(now, facts.zone)
    open_facts = facts.unrestricted()
    found = _run(open_facts, at) + [
        hit
        for name, prompt in PROMPTS.items()
        if (hit := finding(name, prompt(open_facts, at))) is not None
    ]
    if open_facts != facts:
        known = {plain.rule: plain for plain in found}
        found += [
            replace(full, restricted=True)
            for full in _run(facts, at)
            if _adds_to(full, known.get(full.rule))
        ]
    return Evaluation(tuple(found), at.next_change)


def narrowed(name: str, facts: Facts, now: datetime, to: Collection[Evidence]) -> Finding | None:
    """Give what one rule or prompt says, among all the facts, of some of the records alone.

    None where it says nothing of these, or where no rule has this name.
    """
    at = Moment(now, facts.zone)
    asked: list[tuple[RuleName | PromptName, Rule]] = [*RULES.items(), *PROMPTS.items()]
    for known, rule in asked:
        if known == name:
            return finding(known, [hit for hit in rule(facts, at) if hit.evidence in to])
    return None


def _run(facts: Facts, at: Moment) -> list[Finding]:
    return [
        hit for name, rule in RULES.items() if (hit := finding(name, rule(facts, at))) is not None
    ]


def _adds_to(full: Finding, plain: Finding | None) -> bool:
    """Tell whether restricted records raise this finding, worsen it, or bring new evidence."""
    return (
        plain is None
        or severity_rank(full.severity) > severity_rank(plain.severity)
        or not full.evidence <= plain.evidence
    )
