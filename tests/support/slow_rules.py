"""Every rule asked about everything, however little has come: to compare asking fewer with."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from api.domain.rules.evaluate import Evaluation, _Asked, adds_to, for_supervisors
from api.domain.rules.facts import Facts
from api.domain.rules.findings import Finding, finding
from api.domain.rules.moment import Moment
from api.domain.rules.prompts import PROMPTS
from api.domain.rules.rulebook import RULES

Told = tuple[list[Finding], list[tuple[dict[str, str], ...]], datetime | None]


def every_rule(facts: Facts, now: datetime) -> Told:
    """Give the findings, their evidence in order, and when to ask again."""
    # nothing that was found out before is made use of
    facts = replace(facts)
    at = Moment(now, facts.zone)
    shown = replace(
        facts,
        incidents=tuple(each for each in facts.incidents if not each.restricted),
        flags=tuple(each for each in facts.flags if not each.restricted),
    )
    found = [*_run(RULES, shown, at), *_run(PROMPTS, shown, at)]
    if shown != facts:
        known = {plain.rule: plain for plain in found}
        found += [
            for_supervisors(full)
            for full in (*_run(RULES, facts, at), *_run(PROMPTS, facts, at))
            if adds_to(full, known.get(full.rule))
        ]
    return found, [each.listed for each in found], at.next_change


def _run(rules: Mapping[Any, Any], facts: Facts, at: Moment) -> Iterable[Finding]:
    asked = [finding(name, rule(facts, at)) for name, rule in rules.items()]
    return [found for found in asked if found is not None]


def evaluate_slowly(facts: Facts, now: datetime, _before: Evaluation | None = None) -> Evaluation:
    """Evaluate a case by asking every rule, as `evaluate` answers."""
    found, _, next_change = every_rule(facts, now)
    return Evaluation(tuple(found), next_change, _Asked(facts, now, {}, {}))
