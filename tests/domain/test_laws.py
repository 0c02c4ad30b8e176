"""The laws of the rulebook, tried on made-up cases of every shape."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from api.domain.details import DETAILS
from api.domain.rules.evaluate import evaluate
from api.domain.rules.facts import Facts, IncidentFact, PromiseFact
from api.domain.vocabulary import ClientImpact, Initiator, PromiseKeepable, Severity, severity_rank
from tests.domain.builders import NOW, findings
from tests.domain.strategies import DETAILS_BY_KIND, cases, consultations, incidents, promises

ABSENT_REASON_OR_SCREEN = {
    "special_exceptions",
    "gifts_or_money",
    "risk_unscreened",
    "crossing_undocumented",
}
"""Where the absence of a written reason or a screen is itself the point."""

GRAVER_IN_A_CRISIS = {
    "promise_broken",
    "frame_tightened_unprepared",
    "disclosure_response",
    "ending_unprepared",
    "no_referral",
    "danger_review_required",
}

SAID_WITH_A_WORD_FOR_UNKNOWN = {"timing", "reason", "trend"}
NOT_AN_ANSWER = {"days", "repeated", "responded_on", "requested_on", "answered_on"} | {
    "ends_on",
    "return_due_on",
}
"""Dates, and what is always known."""
MAY_BE_NULL = {
    "taken_up",
    "therapist_participates",
    "social_meetings",
    "days_per_week",
    "weeks",
    "client_messages_30d",
    "limits_agreed",
    "consent",
    "planned_method",
    "times",
    "discussed",
    "notice_days",
    "planned_at_outset",
    "abrupt",
    "closing_sessions",
    "needs_ongoing_care",
    "referral_offered",
    "return_condition",
    "planned",
    "returned",
    "coverage",
    "count",
    "screened",
    "response",
    "basis",
    "process_explained",
    "goals_known",
    "questions_refused",
    "harm_reported",
    "months",
    "times_wished_to_stop",
    "doubt",
    "available",
    "coordinated",
}

Graded = dict[str, int]


def _grades(case: Facts, *, restricted_too: bool = True) -> Graded:
    """Give every flag's weight, prompts apart: the graver of its two findings if there are two."""
    grades: Graded = {}
    for found in findings(case):
        if found.severity != Severity.info and (restricted_too or not found.restricted):
            grade = severity_rank(found.severity)
            grades[str(found.rule)] = max(grade, grades.get(str(found.rule), 0))
    return grades


def _never_worse(before: Facts, after: Facts, excused: frozenset[str] = frozenset()) -> None:
    for restricted_too in (True, False):
        old = _grades(before, restricted_too=restricted_too)
        new = _grades(after, restricted_too=restricted_too)
        worse = {rule for rule, grade in new.items() if grade > old.get(rule, 0)}
        assert worse <= excused


def _replaced(case: Facts, old: IncidentFact, new: IncidentFact) -> Facts:
    return replace(case, incidents=tuple(new if i.id == old.id else i for i in case.incidents))


@given(cases())
def test_removing_what_was_felt_or_wished_changes_nothing(case: Facts) -> None:
    without = replace(
        case, incidents=tuple(i for i in case.incidents if i.details.kind != "expression")
    )
    assert evaluate(case, NOW) == evaluate(without, NOW)


@given(cases(), st.data())
def test_adding_what_was_felt_or_wished_changes_nothing(case: Facts, data: st.DataObject) -> None:
    felt = data.draw(incidents(st.just("expression"), 50))
    assert evaluate(replace(case, incidents=(*case.incidents, felt)), NOW) == evaluate(case, NOW)


@given(cases(), st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_the_words_of_a_text_are_never_read(case: Facts, words: str, others: str) -> None:
    def reworded(text: str) -> Facts:
        return replace(
            case,
            incidents=tuple(
                replace(
                    told,
                    has_sealed_detail=True,
                    details=told.details.model_copy(update={told.details.sealed_field: text}),
                )
                if told.details.sealed_field
                else told
                for told in case.incidents
            ),
        )

    assert evaluate(reworded(words), NOW) == evaluate(reworded(others), NOW)


def _made_unknown(told: IncidentFact) -> Iterator[tuple[str, IncidentFact]]:
    """Give the incident again and again, each time with one answer turned into not-known."""
    if told.initiator != "unknown":
        yield "initiator", replace(told, initiator=Initiator.unknown)
    if told.client_impact != "unknown":
        yield "client_impact", replace(told, client_impact=ClientImpact.unknown)
    said = told.details.model_dump()
    for name in DETAILS_BY_KIND[told.details.kind]:
        if name in MAY_BE_NULL and said[name] is not None:
            yield name, _with_answer(told, said, name, None)
        if name in SAID_WITH_A_WORD_FOR_UNKNOWN or name == "response":
            yield name, _with_answer(told, said, name, "unknown")


def _blank(told: IncidentFact) -> IncidentFact:
    for name, less_known in list(_made_unknown(told)):
        if name in ("initiator", "client_impact"):
            told = replace(told, **{name: getattr(less_known, name)})
        else:
            answer = getattr(less_known.details, name)
            told = replace(told, details=told.details.model_copy(update={name: answer}))
    return told


def _with_answer(
    told: IncidentFact, said: dict[str, Any], name: str, answer: object
) -> IncidentFact:
    return replace(told, details=DETAILS.validate_python({**said, name: answer}))


def _promise_unknown(told: PromiseFact) -> Iterator[PromiseFact]:
    yield replace(told, keepable=PromiseKeepable.unknown)
    yield replace(told, discussed_with_client=None)
    yield replace(told, client_impact=ClientImpact.unknown)


@given(cases())
def test_not_known_never_counts_against_anyone(case: Facts) -> None:
    for told in case.incidents:
        for name, less_known in _made_unknown(told):
            excused = ABSENT_REASON_OR_SCREEN | ({"client_safety"} if name == "response" else set())
            _never_worse(case, _replaced(case, told, less_known), frozenset(excused))
    for number, promised in enumerate(case.promises):
        for unclear in _promise_unknown(promised):
            others = (*case.promises[:number], unclear, *case.promises[number + 1 :])
            _never_worse(case, replace(case, promises=others))


@given(cases())
def test_everything_unknown_at_once_raises_no_more_than_what_was_told(case: Facts) -> None:
    told = replace(case, incidents=tuple(_blank(known) for known in case.incidents))
    excused = frozenset(ABSENT_REASON_OR_SCREEN | {"client_safety"})
    _never_worse(case, told, excused)


@given(cases(), st.data())
def test_adding_a_consultation_never_adds_or_worsens_a_flag(
    case: Facts, data: st.DataObject
) -> None:
    asked = data.draw(consultations(case.incidents))
    with_advice = replace(case, consultations=(*case.consultations, asked))
    _never_worse(case, with_advice)
    prompts = {f.rule for f in findings(case) if f.severity == Severity.info}
    assert {f.rule for f in findings(with_advice) if f.severity == Severity.info} <= prompts


@given(cases(), st.data())
def test_advice_that_was_put_aside_never_adds_a_flag_either(
    case: Facts, data: st.DataObject
) -> None:
    asked = data.draw(consultations(case.incidents, ["not_followed"]))
    _never_worse(case, replace(case, consultations=(*case.consultations, asked)))


@given(cases(), st.sampled_from([word for word in ClientImpact if word != "crisis"]))
def test_a_crisis_makes_high_critical_where_marked_and_changes_nothing_else(
    case: Facts, calm: ClientImpact
) -> None:
    def with_impact(impact: ClientImpact) -> Graded:
        return _grades(
            replace(
                case,
                incidents=tuple(replace(i, client_impact=impact) for i in case.incidents),
                promises=tuple(replace(p, client_impact=impact) for p in case.promises),
            )
        )

    high, critical = severity_rank(Severity.high), severity_rank(Severity.critical)
    expected = {
        rule: critical if rule in GRAVER_IN_A_CRISIS and grade == high else grade
        for rule, grade in with_impact(calm).items()
    }
    assert with_impact(ClientImpact.crisis) == expected


@given(cases(), st.data())
def test_the_order_in_which_things_were_told_changes_nothing(
    case: Facts, data: st.DataObject
) -> None:
    shuffled = replace(
        case,
        incidents=tuple(
            _shuffled_lists(told, data) for told in data.draw(st.permutations(case.incidents))
        ),
        promises=tuple(data.draw(st.permutations(case.promises))),
        consultations=tuple(data.draw(st.permutations(case.consultations))),
        flags=tuple(data.draw(st.permutations(case.flags))),
    )
    assert evaluate(shuffled, NOW) == evaluate(case, NOW)


def _shuffled_lists(told: IncidentFact, data: st.DataObject) -> IncidentFact:
    lists = {name: said for name, said in told.details if isinstance(said, list)}
    update = {name: data.draw(st.permutations(said)) for name, said in lists.items()}
    return replace(told, details=told.details.model_copy(update=update))


@given(cases(), st.data())
def test_another_record_never_takes_a_flag_away_save_a_drift_talked_over(
    case: Facts, data: st.DataObject
) -> None:
    kind = st.sampled_from(list(DETAILS_BY_KIND))
    more = replace(
        case,
        incidents=(*case.incidents, data.draw(incidents(kind, 60, restricted=False))),
        promises=(*case.promises, data.draw(promises(160))),
    )
    before, after = _grades(case), _grades(more)
    lost = {rule for rule, grade in before.items() if after.get(rule, 0) < grade}
    assert lost <= {"frame_drift"}


@given(cases())
def test_every_finding_rests_on_records_of_the_case(case: Facts) -> None:
    known: set[tuple[str, UUID]] = {
        *(("incident", i.id) for i in case.incidents),
        *(("promise", p.id) for p in case.promises),
        *(("flag", f.id) for f in case.flags),
    }
    for found in findings(case):
        assert found.evidence
        assert found.evidence <= known


def test_every_answer_is_known_to_the_law_of_the_unknown() -> None:
    answers = {name for fields in DETAILS_BY_KIND.values() for name in fields}
    always_said = {"by", "feelings", "of", "responses", "area", "role", "interaction"} | {
        *("exception", "direction", "item", "touch", "conduct", "form", "elements", "stage"),
        *("ending", "applies_to", "collateral_loss", "absence", "indicator", "measures"),
        *("issue", "request", "party"),
    }
    assert answers == MAY_BE_NULL | SAID_WITH_A_WORD_FOR_UNKNOWN | NOT_AN_ANSWER | always_said
