"""Evaluates a case: facts and an instant in; findings, and when to ask again, out."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from uuid import UUID

from api.domain.rules.door import OF_ACCOUNTS
from api.domain.rules.facts import Facts, Source
from api.domain.rules.findings import Evidence, Finding, Hit, Rule, finding, findings_apart
from api.domain.rules.moment import Moment
from api.domain.rules.prompts import PROMPTS
from api.domain.rules.reads import READS
from api.domain.rules.rulebook import RULES
from api.domain.vocabulary import PromptName, RuleName, Severity, severity_rank

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
class _Answer:
    """What one rule found, and when time alone may change that."""

    found: tuple[Finding, ...]
    next_change: datetime | None


Name = RuleName | PromptName
_Answers = dict[Name, _Answer]
"""By rule; one that found nothing, and waits for nothing, is left out."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was told of a case, when, and what came of it: in the open, and of all there is."""

    facts: Facts | None
    now: datetime | None
    in_the_open: _Answers = field(default_factory=dict)
    of_all: _Answers = field(default_factory=dict)
    of_accounts: dict[UUID, _Answers] = field(default_factory=dict)


_NOTHING = _Asked(None, None)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What holds at one instant, and the next instant at which time alone may change it.

    Given to the next evaluation of the same case, it spares asking most rules once more.
    """

    findings: tuple[Finding, ...]
    next_change: datetime | None
    _asked: _Asked = field(compare=False, repr=False)


def evaluate(facts: Facts, now: datetime, before: Evaluation | None = None) -> Evaluation:
    """Run every rule and prompt over the facts of one case, as of `now`.

    What only restricted records raise or worsen comes back as findings of their own, marked
    `restricted`. Those are for supervisors. A prompt is its clinician's, who could not see such a
    one: it is low then, so that it reaches somebody. What is recorded of an account, and as hidden
    as that, comes back by account, for its readers: not all who see the case are told of it.
    """
    every, facts = facts, facts.of_no_account()
    # of one as of the same instant those answers stand that rest on nothing which is told otherwise
    asked = _NOTHING if before is None or before._asked.now != now else before._asked
    if asked.facts is not None and not facts.frames_as(asked.facts):
        asked = _NOTHING
    open_facts, was_open = facts.unrestricted(), asked.facts and asked.facts.unrestricted()
    in_the_open = _ask(open_facts, now, was_open, asked.in_the_open)
    of_all: _Answers = {}
    if open_facts is not facts:
        # where nothing was restricted before, nobody was asked about all there was
        were_asked = asked.facts is not was_open
        of_all = _ask(facts, now, asked.facts if were_asked else None, asked.of_all)
    of_accounts = {} if every is facts else _ask_by_account(every, now)
    told = _Asked(facts, now, in_the_open, of_all, of_accounts)
    stands = asked is not _NOTHING and in_the_open is asked.in_the_open
    hidden = of_all, of_accounts
    if before is not None and stands and hidden == (asked.of_all, asked.of_accounts):
        # whoever sees that these are the very same need not look at them again
        return replace(before, _asked=told)
    answers = chain(*(each.values() for each in (in_the_open, of_all, *of_accounts.values())))
    waits = (each.next_change for each in answers)
    next_change = min((each for each in waits if each is not None), default=None)
    return Evaluation(_findings(in_the_open, of_all, of_accounts), next_change, told)


def _ask_by_account(facts: Facts, now: datetime) -> dict[UUID, _Answers]:
    """Ask all rules once more for each account of which something hidden is recorded: of few."""
    return {account: _ask(told, now, None, {}) for account, told in facts.of_accounts().items()}


def narrowed(name: str, facts: Facts, now: datetime, to: Collection[Evidence]) -> Finding | None:
    """Give what one rule or prompt says, among all the facts, of some of the records alone.

    None where it says nothing of these, or where no rule has this name.
    """
    for known, rule in _EVERY.items():
        if known == name:
            hits = rule(facts, Moment(now, facts.zone))
            return finding(known, [hit for hit in hits if hit.evidence in to])
    return None


_EVERY: dict[Name, Rule] = dict([*RULES.items(), *PROMPTS.items()])
_PLACE = {name: place for place, name in enumerate(_EVERY)}
"""Findings come in the rulebook's order."""


def _by_source(reads: Mapping[Name, tuple[Source, ...]]) -> dict[Source, list[Name]]:
    """Give by what they read who reads it."""
    readers: dict[Source, list[Name]] = {}
    for name, sources in reads.items():
        for source in sources:
            readers.setdefault(source, []).append(name)
    return readers


_READERS = _by_source(READS)


def _ask(facts: Facts, now: datetime, before: Facts | None, known: _Answers) -> _Answers:
    """Ask the rules that read what is told otherwise than before; the others say what they said.

    Before anything was told no rule had anything to say.
    """
    told = facts.by_source if before is None else facts.told_otherwise(before)
    answers = known
    for name in {name for source in told for name in _READERS.get(source, ())}:
        at = Moment(now, facts.zone)
        found = _found_by(name, _EVERY[name](facts, at))
        is_silent = not found and at.next_change is None
        answer = None if is_silent else _Answer(found, at.next_change)
        if answer == known.get(name):
            continue
        if answers is known:
            answers = dict(known)
        if answer is None:
            del answers[name]
        else:
            answers[name] = answer
    return answers


def _found_by(name: Name, hits: Iterable[Hit]) -> tuple[Finding, ...]:
    if name in OF_ACCOUNTS:
        return findings_apart(name, hits)
    found = finding(name, hits)
    return () if found is None else (found,)


def _findings(
    in_the_open: _Answers, of_all: _Answers, of_accounts: Mapping[UUID, _Answers]
) -> tuple[Finding, ...]:
    found = _found(in_the_open)
    plainly = {plain.rule: plain for plain in found}
    hidden = [full for full in _found(of_all) if adds_to(full, plainly.get(full.rule))]
    widely = {full.rule: full for full in hidden}
    narrow = (
        replace(for_supervisors(full), about=account)
        for account, answers in of_accounts.items()
        for full in _found(answers)
        if adds_to(full, plainly.get(full.rule)) and adds_to(full, widely.get(full.rule))
    )
    return (*found, *map(for_supervisors, hidden), *narrow)


def for_supervisors(full: Finding) -> Finding:
    """Mark what only restricted records raise; the hint of a prompt is low, so that it is seen."""
    severity = Severity.low if full.severity == Severity.info else full.severity
    return replace(full, restricted=True, severity=severity)


def _found(answers: _Answers) -> list[Finding]:
    ordered = sorted(answers.items(), key=lambda each: _PLACE[each[0]])
    return [found for _, answer in ordered for found in answer.found]


def adds_to(full: Finding, plain: Finding | None) -> bool:
    """Tell whether restricted records raise this finding, worsen it, or bring new evidence."""
    return (
        plain is None
        or severity_rank(full.severity) > severity_rank(plain.severity)
        or not full.evidence <= plain.evidence
    )
