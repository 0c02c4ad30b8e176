"""What a rule answers: a hit for each record that speaks, told as somebody's account."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any, Literal, NamedTuple
from uuid import UUID

from api.domain.rules.door_facts import AccountFact, OfferFact, ResponseFact
from api.domain.rules.english import ENGLISH
from api.domain.rules.facts import Facts, FlagFact, IncidentFact, PromiseFact
from api.domain.rules.moment import Moment
from api.domain.rules.said import Language, Place, Said, Told, When, sentence_of
from api.domain.vocabulary import (
    ClientImpact,
    Initiator,
    PromiseState,
    PromptName,
    ReportedBy,
    ResponseBy,
    RuleName,
    Severity,
    severity_rank,
)

EvidenceType = Literal["incident", "promise", "flag", "account", "response", "case"]
Evidence = tuple[EvidenceType, UUID]

MOST_SENTENCES = 6
"""A `because` names this many records; the evidence names them all."""

Says = list[dict[str, Any]]
"""What a finding says, as a flag keeps it: whose account, and what it tells; then how many more."""


class Hit(NamedTuple):
    """One record that makes a rule speak. `said` continues the words of `account`, if it is one.

    `places` fills what `said` leaves open. `missing` names a sentence about what the record does
    not hold: that is nobody's account. `since`: what was settled before then is asked about anew.
    """

    severity: Severity
    evidence: Evidence
    day: date
    account: str | None
    said: Said
    places: Mapping[str, Place]
    missing: str | Said | None = None
    since: datetime | None = None

    @property
    def told(self) -> Told:
        """Write what is said as a flag keeps it: of many records that is done for a few alone."""
        return self.said.told(**self.places)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found on one case: what a flag will say."""

    rule: RuleName | PromptName
    severity: Severity
    says: Says
    evidence: frozenset[Evidence]
    restricted: bool = False
    about: UUID | None = None
    """The account that it is about alone: what a client said, or what is recorded of it."""
    since: datetime | None = None
    """From when on it is asked about anew, whatever a person has settled before."""

    listed: tuple[dict[str, str], ...] = field(default=(), compare=False, repr=False)
    """The evidence in order, as it is stored."""

    @property
    def because(self) -> str:
        """Tell it in English."""
        return because_of(self.says, ENGLISH)


Rule = Callable[[Facts, Moment], Iterable[Hit]]


def incident_hit(
    incident: IncidentFact,
    at: Moment,
    severity: Severity,
    said: Said,
    missing: str | Said | None = None,
) -> Hit:
    """Let an incident speak; its date fills the place `when`."""
    return Hit(
        severity,
        ("incident", incident.id),
        at.day_of(incident),
        _account(incident.reported_by, incident.initiator == Initiator.disputed),
        said,
        {"when": When(incident.occurred_on, incident.date_precision)},
        missing,
    )


def record_hit(incident: IncidentFact, at: Moment, severity: Severity, said: Said) -> Hit:
    """Say something of the record itself, which is nobody's account; `when` as above."""
    return incident_hit(incident, at, severity, said)._replace(account=None)


def promise_hit(promise: PromiseFact, severity: Severity, said: Said) -> Hit:
    """Let a promise speak; its date and kind fill the places `when` and `kind`."""
    return Hit(
        severity,
        ("promise", promise.id),
        promise.made_on,
        _account(promise.reported_by, promise.state == PromiseState.disputed),
        said,
        {"when": When(promise.made_on), "kind": promise.kind},
    )


def flag_hit(flag: FlagFact, day: date, severity: Severity, said: Said) -> Hit:
    """Let a waiting flag speak."""
    return Hit(severity, ("flag", flag.id), day, "in_the_queue", said, {})


def account_hit(
    account: AccountFact,
    at: Moment,
    severity: Severity,
    said: Said,
    *,
    in_the_record: bool = False,
) -> Hit:
    """Let an account speak; the day it came fills the place `when`, or that of the latest words.

    `in_the_record`: it is said of the record, as nobody's account, and anew with each further word.
    """
    instant = account.words_at if in_the_record else account.sent_at
    day = at.date_of(instant)
    return Hit(
        severity,
        ("account", account.id),
        day,
        None if in_the_record else _BY[_REPORTED[account.by]],
        said,
        {"when": When(day)},
        since=instant if in_the_record else None,
    )


def response_hit(response: ResponseFact, severity: Severity, said: Said) -> Hit:
    """Let answers speak; the day they were given fills the place `when`."""
    day, account = response.answered_on, _BY[_REPORTED[response.by]]
    return Hit(severity, ("response", response.id), day, account, said, {"when": When(day)})


def offer_hit(offer: OfferFact, severity: Severity, said: Said) -> Hit:
    """Say something of the case itself."""
    return Hit(severity, ("case", offer.case_id), offer.on, None, said, {})


def findings_apart(rule: RuleName | PromptName, hits: Iterable[Hit]) -> tuple[Finding, ...]:
    """Bring the hits of one rule together by the account that each is about."""
    by_account: dict[UUID, list[Hit]] = {}
    for hit in hits:
        by_account.setdefault(hit.evidence[1], []).append(hit)
    found = ((account, finding(rule, theirs)) for account, theirs in sorted(by_account.items()))
    return tuple(replace(each, about=account) for account, each in found if each is not None)


def finding(rule: RuleName | PromptName, hits: Iterable[Hit]) -> Finding | None:
    """Bring the hits of one rule together: the gravest severity, all the evidence, one text.

    A case has one finding of a rule, as grave as the gravest of the records that raise it. The
    order in which they came changes nothing.
    """
    ordered = [*hits]
    if not ordered:
        return None
    ordered.sort(key=lambda hit: (hit.day, hit.account or "", hit.said.name, hit.evidence))
    evidence = frozenset(hit.evidence for hit in ordered)
    return Finding(
        rule,
        max((hit.severity for hit in ordered), key=severity_rank),
        _says(ordered),
        evidence,
        since=max((hit.since for hit in ordered if hit.since is not None), default=None),
        # ids in words: they have the same order, and are compared many times as fast
        listed=tuple(
            {"type": kind, "id": name}
            for kind, name in sorted((kind, str(row_id)) for kind, row_id in evidence)
        ),
    )


def because_of(says: Says, language: Language) -> str:
    """Tell in one language what a finding says. Raises KeyError for a sentence it has not."""
    return " ".join(_in_words(part, language) for part in says)


def graver_in_crisis(severity: Severity, impact: ClientImpact) -> Severity:
    """Make high critical where that record's impact on the client was a crisis.

    Its `client_impact` is `crisis`. Where a rule says so, high is critical then; nothing else
    changes.
    """
    if severity == Severity.high and impact == ClientImpact.crisis:
        return Severity.critical
    return severity


def _account(reported_by: ReportedBy, is_disputed: bool) -> str:  # noqa: FBT001
    return (_DISPUTED if is_disputed else _BY)[reported_by]


_REPORTED = {
    ResponseBy.client: ReportedBy.client,
    ResponseBy.guardian: ReportedBy.third_party,
}
_BY = {who: f"by_{who}" for who in ReportedBy}
_DISPUTED = {who: f"disputed_{who}" for who in ReportedBy}


def _says(hits: list[Hit]) -> Says:
    says: Says = []
    for account, same in groupby(hits[:MOST_SENTENCES], key=lambda hit: hit.account):
        told = [hit.told for hit in same]
        says += told if account is None else [{"account": account, "told": told}]
    says += _of_the_record(hits)
    named = {hit.evidence for hit in hits[:MOST_SENTENCES]}
    if left := len({hit.evidence for hit in hits} - named):
        says.append(Said("more", n=left).told())
    return says


def _of_the_record(hits: list[Hit]) -> list[Told]:
    """Say once what no account says: what is missing, and what is asked for."""
    plain = sorted({hit.missing for hit in hits if isinstance(hit.missing, str)})
    told = [Said(name).told() for name in plain]
    for hit in hits:
        if isinstance(hit.missing, Said) and (more := hit.missing.told()) not in told:
            told.append(more)
    return told


def _in_words(part: dict[str, Any], language: Language) -> str:
    if "account" not in part:
        return sentence_of(part, language)
    told = "; ".join(sentence_of(each, language) for each in part["told"])
    return f"{language.sentence(part['account'], None)}, {told}."


INFO, LOW, MODERATE = Severity.info, Severity.low, Severity.moderate
HIGH, CRITICAL = Severity.high, Severity.critical

GRAVE = frozenset({HIGH, CRITICAL})
"""The severities of a flag that should not wait unseen for long."""
