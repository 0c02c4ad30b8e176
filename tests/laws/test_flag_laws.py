"""The laws by which flags live, tried on made-up cases of every shape."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from api.domain.rules.door import OF_ACCOUNTS, OF_THE_DOOR
from api.domain.rules.evaluate import evaluate
from api.domain.rules.facts import Facts
from api.domain.vocabulary import CaseStatus, FlagStatus, Phase, RuleName, severity_rank
from api.flags.case_facts import CaseFile
from api.flags.evidence import key_of_flag
from api.flags.hidden_evidence import hidden_in
from api.flags.lifecycle import key_of
from api.flags.reconcile import grave_flags, settle
from api.flags.rule_runs import Run
from api.storage.instants import Instants
from api.storage.keyring import Keyring
from api.storage.models.clinical import Case
from api.storage.models.flags import Flag, MonitoredFinding
from api.storage.transaction import Transaction
from tests.domain.builders import NOW
from tests.domain.strategies import cases

T = TypeVar("T")

SOMEBODY = UUID(int=7)
UNRESOLVED = {FlagStatus.open, FlagStatus.acknowledged}


def _at_once(run: Coroutine[Any, Any, T]) -> T:
    """Run the rules on a small case: nothing of it waits for anything."""
    try:
        run.send(None)
    except StopIteration as done:
        told: T = done.value
        return told
    raise AssertionError("a small case was not looked at at once")


class Pad:
    """Takes what a session would take, and keeps it in a list."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.info: dict[str, Any] = {}
        self.bind = SimpleNamespace(dialect=SimpleNamespace(name="sqlite"))
        self.sync_session = self

    def add(self, row: Any) -> None:
        self.rows.append(row)


class Desk:
    """One case on a supervisor's desk: its rules run, its flags live, without a database."""

    def __init__(self, facts: Facts, monitored: frozenset[str] = frozenset()) -> None:
        clinic = uuid4()
        self.now = NOW
        self.tx = Transaction(cast("Any", Pad), Instants(lambda: NOW), Keyring(None))
        asyncio.run(self.tx.enter(clinic, ZoneInfo("UTC")))
        case = Case(
            clinic_id=clinic,
            client_ref="made up",
            clinician_id=SOMEBODY,
            status=CaseStatus.active,
            phase=Phase.unknown,
            created_at=NOW,
            updated_at=NOW,
        )
        self.file = CaseFile(case, replace(facts, flags=()), [], monitored)
        self.file.hidden = frozenset(each.id for each in facts.incidents if each.restricted)

    def write(self, facts: Facts | None = None) -> list[Flag]:
        """Run the rules as after a write; give what was opened or got worse."""
        if facts is not None:
            self.file.facts = replace(facts, flags=())
        return _at_once(settle(self.tx, self.file, Run(self.now, SOMEBODY)))

    def turn(self, incident_id: UUID) -> list[Flag]:
        """Hide an incident, or show it; give what was opened or got worse by it."""
        self.file.facts = replace(
            self.file.facts,
            incidents=tuple(
                replace(each, restricted=not each.restricted) if each.id == incident_id else each
                for each in self.file.facts.incidents
            ),
        )
        self.file.hidden ^= {incident_id}
        return _at_once(settle(self.tx, self.file, Run(self.now, SOMEBODY, turned=incident_id)))

    def wait(self) -> datetime | None:
        """Go to the next instant at which time may change an answer, and run the rules."""
        instant = self.file.case.recheck_at
        if instant is not None:
            self.now = self.tx.now = instant
            _at_once(settle(self.tx, self.file, Run(instant, None)))
        return instant

    def resolve(self, flags: list[Flag]) -> None:
        """Let a person resolve flags."""
        for flag in flags:
            flag.status, flag.resolved_at = FlagStatus.resolved, self.now

    @property
    def unresolved(self) -> list[Flag]:
        """The flags that wait."""
        return [flag for flag in self.file.flags if flag.status in UNRESOLVED]

    @property
    def standing(self) -> list[MonitoredFinding]:
        """What is only counted, and stands."""
        return [row for row in self.file.monitored if row.ended_at is None]

    def pictures(self) -> list[tuple[Any, ...]]:
        """Give everything the flags say, to compare."""
        return [
            (f.id, f.severity, f.because, f.evidence, f.status, f.condition_holds, f.due_at)
            for f in self.file.flags
        ]


@given(cases())
def test_the_same_facts_twice_raise_nothing_new(facts: Facts) -> None:
    desk = Desk(facts)
    desk.write()
    before = desk.pictures()
    assert desk.write() == []
    assert desk.pictures() == before


@given(cases(), st.data())
def test_what_was_resolved_stays_so_while_the_facts_stay(facts: Facts, data: st.DataObject) -> None:
    desk = Desk(facts)
    desk.write()
    waiting = desk.unresolved
    settled = data.draw(st.lists(st.sampled_from(waiting), unique_by=id)) if waiting else []
    desk.resolve(settled)
    opened = desk.write()
    keys = {key_of_flag(flag) for flag in settled}
    assert not [flag for flag in opened if key_of_flag(flag) in keys]


@given(cases(), st.data())
def test_a_resolved_flag_returns_just_on_new_evidence_or_higher_severity(
    facts: Facts, data: st.DataObject
) -> None:
    fewer = replace(
        facts,
        incidents=tuple(i for i in facts.incidents if data.draw(st.booleans())),
        promises=tuple(p for p in facts.promises if data.draw(st.booleans())),
        accounts=tuple(a for a in facts.accounts if data.draw(st.booleans())),
        responses=tuple(r for r in facts.responses if data.draw(st.booleans())),
    )
    desk = Desk(fewer)
    desk.write()
    last = {key_of_flag(flag): flag for flag in desk.unresolved}
    desk.resolve(list(last.values()))
    desk.write(facts)
    there = {key_of_flag(flag) for flag in desk.unresolved}
    for found in evaluate(replace(facts, flags=()), desk.now).findings:
        key = key_of(found)
        if key not in last:
            continue
        known = {(item["type"], UUID(item["id"])) for item in last[key].evidence}
        graver = severity_rank(found.severity) > severity_rank(last[key].severity)
        assert (key in there) == (graver or not found.evidence <= known)


@given(cases(), st.data())
def test_time_alone_never_lowers_what_nobody_has_acknowledged_and_rests_on_the_same(
    facts: Facts, data: st.DataObject
) -> None:
    desk = Desk(facts)
    desk.write()
    for flag in desk.unresolved:
        if data.draw(st.booleans()):
            flag.status, flag.acknowledged_at = FlagStatus.acknowledged, desk.now
    for _ in range(12):
        before = {
            flag.id: (severity_rank(flag.severity), flag.evidence) for flag in _unlooked_at(desk)
        }
        if desk.wait() is None:
            return
        for flag in desk.unresolved:
            rank, evidence = before.get(flag.id, (0, flag.evidence))
            if flag.evidence == evidence:
                assert severity_rank(flag.severity) >= rank


@given(cases(), st.integers(1, 12))
def test_there_is_never_more_than_one_unresolved_flag_a_rule(facts: Facts, steps: int) -> None:
    """Nor more than one a rule and account, of those that ask about each by itself."""
    desk = Desk(facts)
    desk.write()
    for _ in range(steps):
        desk.wait()
        many = Counter(key_of_flag(flag) for flag in desk.unresolved)
        assert all(count == 1 for count in many.values())
        apart = {flag.rule for flag in desk.unresolved if flag.account_id is not None}
        assert apart <= OF_ACCOUNTS


@given(cases(), st.integers(0, 400))
def test_a_long_wait_ends_where_many_short_ones_do(facts: Facts, days: int) -> None:
    """Who looks, and when, changes nothing: each step runs as of its own instant."""
    until = NOW + timedelta(days=days)
    often, once = Desk(facts), Desk(facts)
    for desk in (often, once):
        desk.write()
        while desk.file.case.recheck_at is not None and desk.file.case.recheck_at <= until:
            desk.wait()
            if desk is often:
                # a look between two steps finds nothing to do
                assert desk.file.case.recheck_at is None or desk.file.case.recheck_at > desk.now
                _at_once(settle(desk.tx, desk.file, Run(desk.now, None)))
    assert _told(often) == _told(once)


# what came by the door is never only counted
ALL = frozenset(map(str, frozenset(RuleName) - OF_THE_DOOR))
SOME = st.frozensets(st.sampled_from(sorted(ALL)))


@given(cases(), SOME)
def test_a_mode_changes_what_is_done_with_a_finding_and_never_the_finding(
    facts: Facts, monitored: frozenset[str]
) -> None:
    """What is counted and what is raised are together what all rules would have raised."""
    before = evaluate(replace(facts, flags=()), NOW).findings
    desk, plain = Desk(facts, monitored), Desk(facts)
    opened, all_opened = desk.write(), plain.write()
    assert evaluate(replace(facts, flags=()), NOW).findings == before
    # that nobody looked at a flag is a finding only where there is a flag
    raised, would_be = (_kept_apart(flags, "no_oversight") for flags in (opened, all_opened))
    assert raised == {each for each in would_be if each[0] not in monitored}
    counted = _kept_apart(desk.standing, "no_oversight")
    assert counted == {each for each in would_be if each[0] in monitored}


@given(cases(), SOME, st.integers(0, 400))
def test_what_is_counted_does_not_depend_on_who_looks_and_when(
    facts: Facts, monitored: frozenset[str], days: int
) -> None:
    until = NOW + timedelta(days=days)
    often, once = Desk(facts, monitored), Desk(facts, monitored)
    for desk in (often, once):
        desk.write()
        while desk.file.case.recheck_at is not None and desk.file.case.recheck_at <= until:
            desk.wait()
            if desk is often:
                _at_once(settle(desk.tx, desk.file, Run(desk.now, None)))
        keys = Counter((row.rule, row.restricted) for row in desk.standing)
        assert all(count == 1 for count in keys.values())
    assert _told(often) == _told(once)
    assert _counted(often) == _counted(once)


@given(cases(), SOME)
def test_a_rule_that_is_active_again_raises_what_stands_and_counts_no_more(
    facts: Facts, monitored: frozenset[str]
) -> None:
    desk, plain = Desk(facts, monitored), Desk(facts)
    for each in (desk, plain):
        each.write()
    desk.file.monitored_rules = frozenset()
    desk.write()
    assert _kept_apart(desk.unresolved) == _kept_apart(plain.unresolved)
    assert desk.standing == []
    # and counting again closes nothing: a flag is closed by a person
    desk.file.monitored_rules = ALL
    assert desk.write() == []
    assert _kept_apart(desk.unresolved) == _kept_apart(plain.unresolved)
    assert desk.standing == []


def _kept_apart(rows: Sequence[Any], leaving_out: str = "") -> set[tuple[Any, ...]]:
    return {
        (row.rule, row.restricted, row.severity, str(row.evidence))
        for row in rows
        if row.rule != leaving_out
    }


def _counted(desk: Desk) -> set[tuple[Any, ...]]:
    return {
        (row.rule, row.restricted, row.severity, row.effective_at, row.ended_at)
        for row in desk.file.monitored
    }


def _unlooked_at(desk: Desk) -> list[Flag]:
    return [flag for flag in desk.file.flags if flag.status == FlagStatus.open]


def _told(desk: Desk) -> set[tuple[Any, ...]]:
    return {
        (*key_of_flag(f), f.severity, f.status, f.condition_holds, f.effective_at, f.due_at)
        for f in desk.file.flags
    }


@given(cases(), st.data())
def test_hiding_and_telling_again_keep_the_laws(facts: Facts, data: st.DataObject) -> None:
    """Nothing hidden is told, nothing open is closed or less urgent, nothing settled comes back."""
    if not facts.incidents:
        return
    monitored = data.draw(SOME)
    shown = tuple(replace(each, restricted=False) for each in facts.incidents)
    desk = Desk(replace(facts, incidents=shown), monitored)
    desk.write()
    waiting = desk.unresolved
    settled = data.draw(st.lists(st.sampled_from(waiting), unique_by=id)) if waiting else []
    desk.resolve(settled)
    desk.write()
    closed = [(flag.rule, severity_rank(flag.severity), list(flag.evidence)) for flag in settled]
    for _ in range(data.draw(st.integers(1, 4))):
        if data.draw(st.booleans()):
            desk.wait()
            # what time has made milder becomes so with the next write, whatever that is
            desk.write()
        before, open_before = _urgency(desk), {flag.id for flag in desk.unresolved}
        desk.turn(data.draw(st.sampled_from([each.id for each in shown])))
        _tells_nothing_hidden(desk)
        after = _urgency(desk)
        for rule, (severity, due) in before.items():
            assert after[rule][0] >= severity
            assert after[rule][1] <= due
        for flag in desk.unresolved:
            for rule, severity, evidence in closed:
                same = flag.rule == rule and severity_rank(flag.severity) <= severity
                again = same and all(item in evidence for item in flag.evidence)
                assert not again or flag.id in open_before
        pictures = desk.pictures()
        assert desk.write() == []
        assert desk.pictures() == pictures


def _tells_nothing_hidden(desk: Desk) -> None:
    hidden = hidden_in(desk.file)
    rows: list[Flag | MonitoredFinding] = [*desk.file.flags, *desk.file.monitored]
    for row in rows:
        named = {UUID(item["id"]) for item in row.evidence}
        assert row.restricted or named.isdisjoint(hidden), row.rule
    many = Counter(key_of_flag(flag) for flag in desk.unresolved)
    assert all(count == 1 for count in many.values())
    grave = grave_flags(desk.file)
    found = evaluate(replace(desk.file.facts, flags=grave), desk.now).findings
    said = {str(each.rule): each.because for each in found if not each.restricted}
    for flag in desk.unresolved:
        if not flag.restricted and flag.condition_holds:
            assert flag.because == said[flag.rule]


def _urgency(desk: Desk) -> dict[str, tuple[int, datetime]]:
    """Give how severe, and due by when, what waits for supervisors is, by rule."""
    waiting: dict[str, tuple[int, datetime]] = {}
    for flag in desk.unresolved:
        if flag.due_at is not None:
            severity, due = waiting.get(flag.rule, (0, flag.due_at))
            gravest = max(severity, severity_rank(flag.severity))
            waiting[flag.rule] = gravest, min(due, flag.due_at)
    return waiting
