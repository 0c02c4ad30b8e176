"""What only restricted records raise or worsen stands apart, and is hidden from the clinician."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from api.domain.rules.evaluate import RESTS_ON_MORE, evaluate, narrowed
from api.domain.rules.facts import Facts, IncidentFact
from api.domain.vocabulary import RuleName, Severity, severity_rank
from tests.domain.builders import (
    NOW,
    ago,
    consultation,
    evidence,
    facts,
    findings,
    flag,
    flags,
    ids,
    incident,
    next_change,
    prompts,
    restricted_flags,
)
from tests.domain.strategies import cases

FORTNIGHT = timedelta(days=14)


def _hidden(kind: str, **said: Any) -> IncidentFact:
    return incident(kind, restricted=True, **said)


def _restricted_evidence(case: Facts, rule: str) -> set[object]:
    return {
        row_id
        for found in findings(case)
        if found.rule == rule and found.restricted
        for _, row_id in found.evidence
    }


def test_what_only_a_restricted_record_raises_is_a_restricted_finding() -> None:
    told = _hidden("sexual_conduct", conduct="contact")
    assert flags(facts(told)) == {}
    assert restricted_flags(facts(told)) == {"sexual_conduct": "critical"}
    assert _restricted_evidence(facts(told), "sexual_conduct") == ids(told)


def test_what_a_restricted_record_worsens_stands_beside_the_milder_finding() -> None:
    plain = incident("hurtful_words")
    hidden = _hidden("hurtful_words")
    case = facts(plain, hidden)
    assert flags(case) == {"hurtful_words": "moderate"}
    assert evidence(case, "hurtful_words") == ids(plain)
    assert restricted_flags(case) == {"hurtful_words": "high"}
    assert _restricted_evidence(case, "hurtful_words") == ids(plain, hidden)


def test_a_milder_restricted_record_does_not_touch_what_everyone_sees() -> None:
    plain = incident("gift", item="loan", direction="to_client")
    hidden = _hidden("gift", item="money", direction="to_client")
    case = facts(plain, hidden)
    assert flags(case) == {"gifts_or_money": "high"}
    assert evidence(case, "gifts_or_money") == ids(plain)
    for found in findings(case):
        assert found.restricted or ("incident", hidden.id) not in found.evidence


def test_an_equally_grave_restricted_record_is_shown_to_those_who_may_see_it() -> None:
    plain = incident("sexual_conduct", conduct="contact")
    hidden = _hidden("sexual_conduct", conduct="relationship")
    case = facts(plain, hidden)
    assert flags(case) == {"sexual_conduct": "critical"}
    assert evidence(case, "sexual_conduct") == ids(plain)
    assert hidden.id in _restricted_evidence(case, "sexual_conduct")


def test_a_restricted_record_that_raises_nothing_leaves_no_trace() -> None:
    plain = incident("crossing", area="time")
    quiet = [
        _hidden("expression", by="client", feelings=["hate"]),
        _hidden("touch", touch="handshake"),
        _hidden("disclosure", of="complaint", responses=["explored"], taken_up=True),
    ]
    assert findings(facts(plain, *quiet)) == findings(facts(plain))


def test_a_restricted_record_may_complete_a_count_only_among_those_who_see_it() -> None:
    hugs = [incident("touch", touch="hug", restricted=hidden) for hidden in (True, False, False)]
    assert flags(facts(*hugs)) == {}
    assert restricted_flags(facts(*hugs)) == {"physical_contact": "moderate"}


def test_a_restricted_risk_shortens_the_time_without_cover_only_for_those_who_see_it() -> None:
    away = incident("absence", absence="illness", days=9, coverage=False)
    risk = _hidden("risk", indicator="self_harm")
    assert flags(facts(away, risk)) == {}
    assert restricted_flags(facts(away, risk)) == {
        "client_safety": "high",
        "absence_uncovered": "moderate",
    }


def test_a_restricted_rupture_explains_leaving_only_to_those_who_see_it() -> None:
    rupture = _hidden("disclosure", of="love", responses=["hostile"], occurred_on=ago(12))
    left = incident("ending", stage="ended", ending="client_initiated", initiator="client")
    assert flags(facts(rupture, left)) == {}
    assert restricted_flags(facts(rupture, left)) == {
        "disclosure_response": "high",
        "left_after_rupture": "moderate",
    }


def test_a_restricted_departure_that_was_talked_over_does_not_answer_for_the_others() -> None:
    plain = [
        incident("crossing", area="time", documented=True, occurred_on=ago(20)) for _ in "1234"
    ]
    hidden = _hidden("crossing", area="time", documented=True, occurred_on=ago(2))
    asked = consultation(about=[hidden], completed_at=NOW - timedelta(days=200))
    assert flags(facts(*plain, hidden, asked)) == {"frame_drift": "moderate"}


@pytest.mark.parametrize(
    ("told", "prompt"),
    [
        (_hidden("ending", stage="raised"), "plan_ending"),
        (_hidden("outcome", doubt=True), "offer_consultation"),
        (_hidden("contact", client_messages_30d=50), "agree_contact_limits"),
        (
            _hidden("risk", indicator="ambiguous_statement", occurred_on=ago(1)),
            "screen_distress",
        ),
        (_hidden("cotreatment", coordinated=False), "clarify_roles"),
        (_hidden("second_role", role="friend", interaction="incidental"), "clarify_roles"),
        (_hidden("sexual_conduct", conduct="remark", initiator="unknown"), "complete_record"),
        (
            _hidden("sexual_conduct", conduct="contact", initiator="client", declined=True),
            "offer_consultation",
        ),
        (_hidden("absence", absence="illness", days=30), "complete_record"),
        (_hidden("recording", means="observer"), "complete_record"),
        (_hidden("safeguarding", concern="child"), "complete_record"),
    ],
    ids=lambda said: said if isinstance(said, str) else str(said.details.kind),
)
def test_what_a_restricted_record_would_ask_the_clinician_is_low_for_supervisors(
    told: IncidentFact, prompt: str
) -> None:
    (found,) = findings(facts(told))
    assert (found.rule, found.severity, found.restricted) == (prompt, "low", True)
    assert prompts(facts(told)) == []
    (plain,) = findings(facts(replace(told, restricted=False)))
    assert (plain.rule, plain.severity, plain.restricted) == (prompt, "info", False)
    assert found.because == plain.because


def test_a_prompt_of_records_both_seen_and_hidden_stands_for_each_who_may_see_them() -> None:
    plain, hidden = incident("outcome", doubt=True), _hidden("outcome", doubt=True)
    case = facts(plain, hidden)
    assert prompts(case) == ["offer_consultation"]
    assert evidence(case, "offer_consultation") == ids(plain)
    assert _restricted_evidence(case, "offer_consultation") == ids(plain, hidden)


def test_a_restricted_ending_does_not_take_the_prompt_to_plan_away() -> None:
    raised = incident("ending", stage="raised")
    ended = _hidden("ending", stage="ended", ending="therapist_initiated")
    assert prompts(facts(raised, ended)) == ["plan_ending"]


def test_a_restricted_record_does_not_take_a_prompt_away_by_raising_its_flag() -> None:
    doubt = incident("outcome", trend="mixed", doubt=True)
    worse = _hidden("outcome", trend="worse", months=9)
    case = facts(doubt, worse)
    assert prompts(case) == ["offer_consultation"]
    assert flags(case) == {}
    assert restricted_flags(case) == {"outcome_unreviewed": "moderate"}


def test_a_restricted_flag_left_waiting_is_told_only_to_those_who_see_it() -> None:
    waiting = flag("critical", effective_at=NOW - FORTNIGHT, restricted=True)
    case = facts(waiting)
    assert flags(case) == {}
    assert restricted_flags(case) == {"no_oversight": "moderate"}
    assert _restricted_evidence(case, "no_oversight") == ids(waiting)


def test_the_next_change_also_waits_for_restricted_records() -> None:
    hidden = _hidden("risk", indicator="self_harm", occurred_on=ago(85))
    plain = incident("risk", indicator="self_harm", occurred_on=ago(50))
    change = next_change(facts(plain, hidden))
    assert change is not None
    assert change.date() == ago(85) + timedelta(days=91)
    assert next_change(facts(flag(effective_at=NOW, restricted=True))) == NOW + FORTNIGHT


def _without_restricted(case: Facts) -> Facts:
    return replace(
        case,
        incidents=tuple(i for i in case.incidents if not i.restricted),
        flags=tuple(f for f in case.flags if not f.restricted),
        accounts=(),
        responses=(),
    )


def _all_shown(case: Facts) -> Facts:
    return replace(
        case,
        incidents=tuple(replace(i, restricted=False) for i in case.incidents),
        flags=tuple(replace(f, restricted=False) for f in case.flags),
    )


@given(cases())
def test_what_everyone_sees_is_as_if_restricted_records_did_not_exist(case: Facts) -> None:
    seen = tuple(found for found in findings(case) if not found.restricted)
    assert seen == evaluate(_without_restricted(case), NOW).findings


@given(cases())
def test_those_who_see_all_miss_nothing(case: Facts) -> None:
    seen = {f.rule: f for f in findings(case) if not f.restricted}
    apart = {(f.rule, f.about): f for f in findings(case) if f.restricted}
    for full in findings(_all_shown(case)):
        plain = seen.get(full.rule)
        stands_for = Severity.low if full.severity == Severity.info else full.severity
        if plain is None or severity_rank(full.severity) > severity_rank(plain.severity):
            expected = replace(full, restricted=True, severity=stands_for)
            assert apart[full.rule, full.about] == expected
        elif full.evidence == plain.evidence:
            assert (full.rule, None) not in apart


@given(cases())
def test_a_prompt_is_never_graver_than_a_hint_to_the_clinician_or_low_for_supervisors(
    case: Facts,
) -> None:
    for found in findings(case):
        if not isinstance(found.rule, RuleName):
            assert found.severity == (Severity.low if found.restricted else Severity.info)


@given(cases(restricted=False))
def test_without_restricted_records_nothing_is_kept_apart(case: Facts) -> None:
    assert not any(found.restricted for found in findings(case))


@given(cases())
def test_there_is_one_finding_for_each_rule_in_each_view(case: Facts) -> None:
    """And one for each account, of the rules that ask about each by itself."""
    names = [(found.rule, found.restricted, found.about) for found in findings(case)]
    assert len(names) == len(set(names))
    assert all(not f.restricted for f in findings(case) if f.severity == Severity.info)


@given(cases())
def test_what_a_rule_rests_on_is_in_its_evidence(case: Facts) -> None:
    """So whoever hides what a flag names hides all that it tells."""
    whole = replace(case, incidents=tuple(replace(i, restricted=False) for i in case.incidents))
    for found in findings(whole):
        if found.restricted or found.rule in RESTS_ON_MORE:
            continue
        named = {row_id for _, row_id in found.evidence}
        alone = replace(whole, incidents=tuple(i for i in whole.incidents if i.id in named))
        said = narrowed(found.rule, alone.unrestricted(), NOW, found.evidence)
        assert said is not None
        assert (said.severity, said.evidence) == (found.severity, found.evidence), found.rule


def test_an_absence_rests_on_a_risk_that_it_does_not_name() -> None:
    away = incident("absence", absence="illness", days=9, coverage=False)
    risk = incident("risk", indicator="self_harm")
    case = facts(away, risk)
    (found,) = [f for f in findings(case) if f.rule == RuleName.absence_uncovered]
    assert found.evidence == {("incident", away.id)}
    assert narrowed(found.rule, facts(away), NOW, found.evidence) is None


def test_thoughts_tied_to_an_ending_name_the_ending_that_brought_them_back() -> None:
    risk = incident(
        "risk", indicator="suicidal_ideation_conditional", occurred_on=ago(900), initiator="client"
    )
    ending = incident("ending", stage="raised", initiator="client", sealed=True)
    (found,) = findings(facts(risk, ending))
    assert found.evidence == {("incident", risk.id), ("incident", ending.id)}


def test_an_ending_without_a_word_is_named_where_an_answer_no_longer_counts() -> None:
    risk = incident("risk", indicator="self_harm", response="safety_plan", occurred_on=ago(20))
    gone = incident("ending", stage="ended", ending="ended_without_word", initiator="client")
    (answered,) = findings(facts(risk))
    (found,) = findings(facts(risk, gone))
    assert (answered.severity, found.severity) == ("moderate", "high")
    assert answered.evidence == {("incident", risk.id)}
    assert found.evidence == {("incident", risk.id), ("incident", gone.id)}


def test_a_restricted_ending_brings_thoughts_back_only_for_those_who_see_it() -> None:
    risk = incident("risk", indicator="suicidal_ideation_conditional", occurred_on=ago(100))
    ending = _hidden("ending", stage="raised", initiator="client", sealed=True)
    assert flags(facts(risk, ending)) == {"client_safety": "moderate"}
    assert restricted_flags(facts(risk, ending)) == {"client_safety": "high"}


def test_a_rule_is_asked_about_some_records_among_all() -> None:
    one, other = incident("hurtful_words"), incident("hurtful_words")
    said = narrowed("hurtful_words", facts(one, other), NOW, {("incident", one.id)})
    assert said is not None
    assert said.evidence == {("incident", one.id)}
    assert said.severity == Severity.high
    assert narrowed("hurtful_words", facts(one, other), NOW, ()) is None
    assert narrowed("a rule of yesterday", facts(one), NOW, {("incident", one.id)}) is None
