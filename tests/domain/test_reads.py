"""A rule is asked anew where something has come of what it reads, and it reads nothing else."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.domain import details
from api.domain.rules import evaluate as rules
from api.domain.rules import rulebook
from api.domain.rules.door_facts import AccountFact, OfferFact, ResponseFact
from api.domain.rules.evaluate import Evaluation, evaluate
from api.domain.rules.facts import ConsultationFact, Facts, FlagFact, PromiseFact, Source
from api.domain.rules.findings import Finding, Hit
from api.domain.rules.moment import Moment
from api.domain.rules.prompts import PROMPTS
from api.domain.rules.reads import READS
from api.domain.rules.rulebook import RULES
from api.domain.vocabulary import RuleName
from tests.domain import builders
from tests.domain.builders import NOW
from tests.domain.strategies import cases
from tests.support.slow_rules import every_rule

EVERY: dict[Any, Any] = {**RULES, **PROMPTS}
Told = tuple[list[Finding], list[tuple[dict[str, str], ...]], datetime | None]


def told(evaluation: Evaluation) -> Told:
    """Give all that an evaluation says, the evidence in its order too."""
    found = list(evaluation.findings)
    return found, [each.listed for each in found], evaluation.next_change


# --------------------------------------------------------------------------------- what is declared


def test_every_rule_says_what_it_reads_in_the_rulebooks_order() -> None:
    assert list(READS) == list(EVERY)
    for name, sources in READS.items():
        assert len(set(sources)) == len(sources) > 0, name


def narrowed_to(facts: Facts, sources: tuple[Source, ...]) -> Facts:
    """Tell of these alone."""
    return replace(
        facts,
        incidents=tuple(each for each in facts.incidents if type(each.details) in sources),
        promises=facts.promises if PromiseFact in sources else (),
        consultations=facts.consultations if ConsultationFact in sources else (),
        flags=facts.flags if FlagFact in sources else (),
        accounts=facts.accounts if AccountFact in sources else (),
        responses=facts.responses if ResponseFact in sources else (),
        offers=facts.offers if OfferFact in sources else (),
    )


def answer(rule: Any, facts: Facts) -> tuple[list[Hit], datetime | None]:
    at = Moment(NOW, facts.zone)
    return list(rule(facts, at)), at.next_change


@given(cases())
def test_a_rule_reads_nothing_but_what_it_declares(facts: Facts) -> None:
    for name, rule in EVERY.items():
        assert answer(rule, facts) == answer(rule, narrowed_to(facts, READS[name])), name


@given(cases())
def test_a_rule_has_nothing_to_say_where_there_is_nothing_that_it_reads(facts: Facts) -> None:
    for name, rule in EVERY.items():
        if facts.by_source.keys().isdisjoint(READS[name]):
            assert answer(rule, facts) == ([], None), name


CODE: dict[str, ast.AST] = {
    node.name if isinstance(node, ast.FunctionDef) else "": node
    for path in Path(rulebook.__file__).parent.glob("*.py")
    for node in ast.parse(path.read_text()).body
    if isinstance(node, ast.FunctionDef)
}
SAID_AS = {
    "promises": PromiseFact,
    "flags": FlagFact,
    "consulting": ConsultationFact,
    "last_requested_at": ConsultationFact,
    "accounts": AccountFact,
    "responses": ResponseFact,
    "offers": OfferFact,
}
"""What of the facts is no incident, by how a rule asks for it."""


def code_of(name: str) -> Iterator[ast.AST]:
    """Give the code of a function and of all that it calls."""
    waiting, seen = [name], {name}
    while waiting:
        for node in ast.walk(CODE[waiting.pop()]):
            yield node
            if isinstance(node, ast.Name) and node.id in CODE.keys() - seen:
                seen.add(node.id)
                waiting.append(node.id)


def named_in(name: str) -> set[Source]:
    """Give what the code of a rule names of the facts."""
    found: set[Source] = set()
    for node in code_of(name):
        if isinstance(node, ast.Name) and node.id.endswith("Details") and node.id != "Details":
            found.add(getattr(details, node.id))
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "facts":
            found |= {SAID_AS[node.attr]} if node.attr in SAID_AS else set()
    return found


@pytest.mark.parametrize("name", list(READS))
def test_a_rule_declares_just_what_its_code_names(name: Any) -> None:
    assert named_in(EVERY[name].__name__) == set(READS[name])


# ------------------------------------------------------------------------------- record by record


@st.composite
def files(draw: st.DrawFn) -> list[Facts]:
    """Give a case as it grew: one record more each time; its flags, and now and then more, differ.

    Each step is told as the step before with what is new, as a file of records is read.
    """
    whole = draw(cases())
    written: list[Any] = [*whole.incidents, *whole.promises, *whole.consultations]
    records = draw(st.permutations(written))
    grown = replace(whole, incidents=(), promises=(), consultations=(), flags=())
    steps = [grown]
    for record in records:
        grown = grown.with_one_more(record)
        steps.append(grown)
        if draw(st.booleans()):
            grown = grown.with_flags(tuple(flag for flag in whole.flags if draw(st.booleans())))
            steps.append(grown)
    return steps


def play(steps: list[Facts], instants: list[datetime]) -> None:
    """Evaluate step by step, and as if nothing had been asked before: it is the same."""
    before = None
    for facts, now in zip(steps, instants, strict=True):
        before = evaluate(facts, now, before)
        assert told(before) == every_rule(facts, now)
        assert told(evaluate(facts, now)) == told(before)


@given(files(), st.data())
def test_asking_only_who_reads_what_has_come_finds_what_asking_everybody_does(
    steps: list[Facts], data: st.DataObject
) -> None:
    instants, now = [], NOW
    for _ in steps:
        if data.draw(st.sampled_from([False, False, True])):
            now += timedelta(days=data.draw(st.integers(0, 40)))
        instants.append(now)
    play(steps, instants)


def test_what_time_alone_takes_away_is_not_said_once_more() -> None:
    due = builders.promise(state="open", keepable="unknown", due_on=builders.ahead(20))
    facts = builders.facts(due)
    before = evaluate(facts, NOW)
    assert told(before) != ([], [], None)
    settled = builders.facts()
    for now in (NOW, NOW + timedelta(days=1)):
        assert told(evaluate(settled, now, before)) == ([], [], None)


@given(files())
def test_a_case_that_grew_is_told_as_one_that_is_read(steps: list[Facts]) -> None:
    for grown in steps:
        read = replace(grown)
        assert grown == read
        assert grown.by_source == read.by_source
        assert grown.consulting == read.consulting
        assert grown.last_requested_at == read.last_requested_at
        assert grown.unrestricted() == read.unrestricted()
        assert grown.unrestricted().by_source == read.unrestricted().by_source


@given(cases(), cases())
def test_other_settings_are_asked_about_anew(one: Facts, other: Facts) -> None:
    settings: dict[str, Any] = {
        "case": other.case,
        "zone": other.zone,
        "thresholds": other.thresholds,
    }
    then = replace(one, **settings)
    assert told(evaluate(then, NOW, evaluate(one, NOW))) == every_rule(then, NOW)


# --------------------------------------------------------------------------------------- the twins

ABSENT = builders.incident("absence", absence="vacation", days=8, coverage=False)
AT_RISK = builders.incident("risk", indicator="suicide_attempt", occurred_on=builders.ago(1))


@pytest.fixture
def undeclared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one rule say less than it reads: a risk shortens the time without cover."""
    monkeypatch.setitem(READS, RuleName.absence_uncovered, (details.AbsenceDetails,))
    monkeypatch.setattr(rules, "_READERS", rules._by_source(READS))


def the_absence_then_the_risk() -> list[Facts]:
    begun = builders.facts().with_one_more(ABSENT)
    return [begun, begun.with_one_more(AT_RISK)]


def test_an_absence_and_then_a_risk_are_told_as_everybody_would() -> None:
    play(the_absence_then_the_risk(), [NOW, NOW])


@pytest.mark.usefixtures("undeclared")
def test_a_rule_that_declares_less_than_it_reads_is_found_out() -> None:
    with pytest.raises(AssertionError):
        play(the_absence_then_the_risk(), [NOW, NOW])
    facts = builders.facts(ABSENT, AT_RISK)
    rule = EVERY[RuleName.absence_uncovered]
    assert answer(rule, facts) != answer(
        rule, narrowed_to(facts, READS[RuleName.absence_uncovered])
    )
    with pytest.raises(AssertionError):
        test_a_rule_declares_just_what_its_code_names(RuleName.absence_uncovered)
