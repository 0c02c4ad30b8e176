"""What a rule answers: a hit for each record that speaks, worded as somebody's account."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Literal
from uuid import UUID

from api.domain.rules.facts import Facts, FlagFact, IncidentFact, Moment, PromiseFact
from api.domain.vocabulary import (
    ClientImpact,
    DatePrecision,
    Initiator,
    PromiseState,
    PromptName,
    ReportedBy,
    RuleName,
    Severity,
    Word,
    severity_rank,
)

EvidenceType = Literal["incident", "promise", "flag"]
Evidence = tuple[EvidenceType, UUID]

MOST_SENTENCES = 6
"""A `because` names this many records; the evidence names them all."""

_ACCOUNTS = {
    ReportedBy.client: "By the client's account",
    ReportedBy.therapist: "By the therapist's account",
    ReportedBy.supervisor: "By the supervisor's account",
    ReportedBy.colleague: "By a colleague's account",
    ReportedBy.record_review: "By the records",
    ReportedBy.third_party: "By someone else's account",
}


@dataclass(frozen=True, slots=True)
class Hit:
    """One record that makes a rule speak. `said` continues the words of `account`."""

    severity: Severity
    evidence: Evidence
    day: date
    account: str
    said: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found on one case: what a flag will say."""

    rule: RuleName | PromptName
    severity: Severity
    because: str
    evidence: frozenset[Evidence]
    restricted: bool = False

    listed: tuple[dict[str, str], ...] = field(default=(), compare=False, repr=False)
    """The evidence in order, as it is stored."""


Rule = Callable[[Facts, Moment], Iterable[Hit]]


def incident_hit(incident: IncidentFact, at: Moment, severity: Severity, said: str) -> Hit:
    """Let an incident speak; `{when}` in `said` becomes its date."""
    disputed = incident.initiator == Initiator.disputed
    return Hit(
        severity,
        ("incident", incident.id),
        at.day_of(incident),
        _account(incident.reported_by, disputed=disputed),
        said.format(when=_when(incident)),
    )


def promise_hit(promise: PromiseFact, severity: Severity, said: str) -> Hit:
    """Let a promise speak; `{promise}` in `said` becomes its kind and date."""
    disputed = promise.state == PromiseState.disputed
    return Hit(
        severity,
        ("promise", promise.id),
        promise.made_on,
        _account(promise.reported_by, disputed=disputed),
        said.format(promise=f"the promise made on {promise.made_on} ({spoken(promise.kind)})"),
    )


def flag_hit(flag: FlagFact, day: date, severity: Severity, said: str) -> Hit:
    """Let a waiting flag speak."""
    return Hit(severity, ("flag", flag.id), day, "In the queue", said)


def finding(rule: RuleName | PromptName, hits: Iterable[Hit]) -> Finding | None:
    """Bring the hits of one rule together: the gravest severity, all the evidence, one text.

    A case has one finding of a rule, as grave as the gravest of the records that raise it. The
    order in which they came changes nothing.
    """
    ordered = [*hits]
    if not ordered:
        return None
    ordered.sort(key=lambda hit: (hit.day, hit.account, hit.said, hit.evidence))
    evidence = frozenset(hit.evidence for hit in ordered)
    return Finding(
        rule,
        max((hit.severity for hit in ordered), key=severity_rank),
        _because(ordered),
        evidence,
        # ids in words: they have the same order, and are compared many times as fast
        listed=tuple(
            {"type": kind, "id": name}
            for kind, name in sorted((kind, str(row_id)) for kind, row_id in evidence)
        ),
    )


def graver_in_crisis(severity: Severity, impact: ClientImpact) -> Severity:
    """Make high critical where that record's impact on the client was a crisis.

    Its `client_impact` is `crisis`. Where a rule says so, high is critical then; nothing else
    changes.
    """
    if severity == Severity.high and impact == ClientImpact.crisis:
        return Severity.critical
    return severity


def spoken(word: Word) -> str:
    """Write a word of the vocabulary as one says it."""
    return word.replace("_", " ")


def listed(words: Iterable[Word]) -> str:
    """Write several words in the vocabulary's own order, whatever order they came in."""
    return ", ".join(spoken(word) for word in sorted(set(words)))


def counted(*counts: tuple[int | None, str]) -> list[str]:
    """Write the numbers that are known, each with what it counts."""
    return [f"{number} {unit}" for number, unit in counts if number is not None]


def _account(reported_by: ReportedBy, *, disputed: bool) -> str:
    whose = _ACCOUNTS[reported_by]
    return f"Accounts differ: b{whose[1:]}" if disputed else whose


def _when(incident: IncidentFact) -> str:
    match incident.date_precision:
        case DatePrecision.year:
            return f"in {incident.occurred_on:%Y}"
        case DatePrecision.month:
            return f"in {incident.occurred_on:%Y-%m}"
        case _:
            return f"on {incident.occurred_on}"


def _because(hits: list[Hit]) -> str:
    parts = [
        f"{account}, {'; '.join(hit.said for hit in same)}."
        for account, same in groupby(hits[:MOST_SENTENCES], key=lambda hit: hit.account)
    ]
    named = {hit.evidence for hit in hits[:MOST_SENTENCES]}
    if left := len({hit.evidence for hit in hits} - named):
        parts.append(f"And {left} more in the evidence.")
    return " ".join(parts)


LOW, MODERATE, HIGH, CRITICAL = Severity.low, Severity.moderate, Severity.high, Severity.critical

GRAVE = frozenset({HIGH, CRITICAL})
"""The severities of a flag that should not wait unseen for long."""
