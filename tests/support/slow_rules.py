"""Every rule asked about everything, however little has come: to compare asking fewer with."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from api.domain.rules.evaluate import Evaluation, _Asked, adds_to, for_supervisors
from api.domain.rules.facts import Facts
from api.domain.rules.findings import Finding, Hit, finding
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
        accounts=(),
        responses=(),
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


ONE_BY_ONE = {"client_not_safe", "client_asks_to_look", "account_unanswered"}
"""Of these there is a finding for each account."""


def _run(rules: Mapping[Any, Any], facts: Facts, at: Moment) -> Iterator[Finding]:
    for name, rule in rules.items():
        hits = list(rule(facts, at))
        for about, theirs in _apart(name, hits):
            if (found := finding(name, theirs)) is not None:
                yield replace(found, about=about)


def _apart(name: str, hits: list[Hit]) -> Iterable[tuple[Any, list[Hit]]]:
    if name not in ONE_BY_ONE:
        return [(None, hits)]
    accounts = sorted({row_id for _, row_id in (hit.evidence for hit in hits)})
    return [(each, [hit for hit in hits if hit.evidence == ("account", each)]) for each in accounts]


def evaluate_slowly(facts: Facts, now: datetime, _before: Evaluation | None = None) -> Evaluation:
    """Evaluate a case by asking every rule, as `evaluate` answers."""
    found, _, next_change = every_rule(facts, now)
    return Evaluation(tuple(found), next_change, _Asked(facts, now, {}, {}))
