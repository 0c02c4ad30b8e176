"""What is not known never counts against anyone: it is as good as the best that might be known."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.domain.details import DETAILS
from api.domain.rules.facts import Facts, IncidentFact, PromiseFact
from api.domain.vocabulary import (
    ClientImpact,
    ContactBasis,
    EndingReason,
    Initiator,
    OutcomeTrend,
    PromiseKeepable,
    ReturnCondition,
    RiskResponse,
    RoleTiming,
    Word,
)
from tests.domain.builders import facts, grades, incident
from tests.domain.strategies import DETAILS_BY_KIND, cases

YES_OR_NO = (True, False)
NUMBERS = (0, 1, 2, 3, 5, 6, 7, 8, 10, 13, 14, 29, 30, 59, 60, 89, 90, 300)
A_WEEK = (0.25, 0.5, 1.0, 2.0, 4.0)


def _known(words: type[Word]) -> tuple[str, ...]:
    return tuple(str(word) for word in words if word != "unknown")


OF_A_RECORD: dict[str, Sequence[Any]] = {
    "initiator": tuple(Initiator[word] for word in _known(Initiator)),
    "client_impact": tuple(ClientImpact[word] for word in _known(ClientImpact)),
    "discussed_with_client": YES_OR_NO,
}
"""What every incident answers, and what may be known of it."""

OF_A_KIND: dict[str, Sequence[Any]] = {
    **dict.fromkeys(
        (
            *("taken_up", "therapist_participates", "social_meetings", "limits_agreed", "consent"),
            *("planned_method", "declined", "discussed", "planned_at_outset", "abrupt"),
            *("needs_ongoing_care", "referral_offered", "planned", "returned", "coverage"),
            *("screened", "content_shared", "client_informed", "about_trait", "doubt", "duty"),
            *("process_explained", "goals_known", "questions_refused", "harm_reported"),
            *("available", "coordinated", "present", "client_told", "in_session", "may_refuse"),
        ),
        YES_OR_NO,
    ),
    "days_per_week": range(8),
    "times": NUMBERS[1:],
    **dict.fromkeys(
        (
            *("weeks", "client_messages_30d", "notice_days", "closing_sessions", "count"),
            *("months", "times_wished_to_stop"),
        ),
        NUMBERS,
    ),
    "return_condition": _known(ReturnCondition),
    "response": _known(RiskResponse),
    "basis": _known(ContactBasis),
    "timing": _known(RoleTiming),
    "reason": _known(EndingReason),
    "trend": _known(OutcomeTrend),
}
"""What one kind of incident answers, and what may be known of it."""

SAID_WITH_A_WORD = {"timing", "reason", "trend"}
"""Not known is a word here, and not nothing."""

NO_ANSWER = {
    *("responded_on", "requested_on", "answered_on", "ends_on", "return_due_on", "reported_on"),
    *("by", "feelings", "of", "responses", "area", "role", "interaction", "exception", "with"),
    *("direction", "item", "touch", "conduct", "form", "elements", "stage", "ending"),
    *("applies_to", "collateral_loss", "absence", "days", "indicator", "measures", "issue"),
    *("request", "party", "repeated", "concern", "sign", "means"),
}
"""Dates, of which each rule says what their absence means, and what is always known."""

ITSELF_THE_POINT = {("returned", "absence_uncovered"), ("screened", "risk_unscreened")}
"""Where the absence of a return or a screen is what the rule asks about."""

RELIEF_FOR_WHAT_IS_KNOWN = {
    ("response", "client_safety"),
    ("declined", "sexual_conduct"),
    ("initiator", "sexual_conduct"),
    ("discussed_with_client", "outcome_unreviewed"),
    ("sessions_per_week", "ending_unprepared"),
    ("is_minor", "physical_contact"),
    ("consent", "physical_contact"),
    ("initiator", "physical_contact"),
    ("basis", "third_party_contact"),
    ("planned_at_outset", "ending_unprepared"),
    ("duty", "safeguarding_unanswered"),
}
"""Where a row grants relief for a known answer only."""

EXCUSED = ITSELF_THE_POINT | RELIEF_FOR_WHAT_IS_KNOWN


def hold_to_the_law(name: str, unknown: Facts, known: Sequence[Facts]) -> None:
    """Not worse than the worst that may be known, and as good as the best."""
    weights, weights_known = grades(unknown), [grades(each) for each in known]
    for rule, weight in weights.items():
        might_be = [each.get(rule, 0) for each in weights_known]
        assert weight <= max(might_be), f"{rule}: worse than any answer to {name}"
        if (name, rule) not in EXCUSED:
            assert weight <= min(might_be), f"{rule}: worse than the best answer to {name}"


def _with(case: Facts, told: IncidentFact) -> Facts:
    return replace(case, incidents=tuple(told if i.id == told.id else i for i in case.incidents))


def _answered(told: IncidentFact, name: str, answer: object) -> IncidentFact:
    if name in OF_A_RECORD:
        changed: dict[str, Any] = {name: answer}
        return replace(told, **changed)
    said = told.details.model_dump(by_alias=True)
    return replace(told, details=DETAILS.validate_python({**said, name: answer}))


def _not_known(told: IncidentFact, name: str) -> Iterator[IncidentFact]:
    match name:
        case "initiator":
            yield replace(told, initiator=Initiator.unknown)
        case "client_impact":
            yield replace(told, client_impact=ClientImpact.unknown)
        case "response":
            yield _answered(told, name, None)
            yield _answered(told, name, "unknown")
        case _:
            yield _answered(told, name, "unknown" if name in SAID_WITH_A_WORD else None)


def answers_of(told: IncidentFact) -> list[str]:
    """Name what an incident may answer."""
    return [*OF_A_RECORD, *(n for n in DETAILS_BY_KIND[told.details.kind] if n in OF_A_KIND)]


@given(cases().filter(lambda case: bool(case.incidents)), st.data())
def test_an_answer_that_is_not_known_is_as_good_as_the_best(
    case: Facts, data: st.DataObject
) -> None:
    told = data.draw(st.sampled_from(case.incidents))
    for name in answers_of(told):
        answers = OF_A_RECORD.get(name) or OF_A_KIND[name]
        known = [_with(case, _answered(told, name, answer)) for answer in answers]
        for unknown in _not_known(told, name):
            hold_to_the_law(name, _with(case, unknown), known)


@given(cases())
def test_what_is_not_known_of_the_therapy_is_as_good_as_the_best(case: Facts) -> None:
    for name, answers in {"is_minor": YES_OR_NO, "sessions_per_week": A_WEEK}.items():
        known = [_of_the_therapy(case, name, answer) for answer in answers]
        hold_to_the_law(name, _of_the_therapy(case, name, None), known)


def _of_the_therapy(case: Facts, name: str, answer: Any) -> Facts:
    return replace(case, case=replace(case.case, **{name: answer}))


OF_A_PROMISE: dict[str, tuple[Any, Sequence[Any]]] = {
    "keepable": (PromiseKeepable.unknown, [PromiseKeepable[w] for w in _known(PromiseKeepable)]),
    "client_impact": (ClientImpact.unknown, OF_A_RECORD["client_impact"]),
    "discussed_with_client": (None, YES_OR_NO),
}


@given(cases())
def test_what_is_not_known_of_a_promise_is_as_good_as_the_best(case: Facts) -> None:
    for promised in case.promises:
        for name, (unknown, known) in OF_A_PROMISE.items():
            hold_to_the_law(
                name,
                _promising(case, promised, {name: unknown}),
                [_promising(case, promised, {name: answer}) for answer in known],
            )


def _promising(case: Facts, promised: PromiseFact, said: dict[str, Any]) -> Facts:
    other = replace(promised, **said)
    return replace(case, promises=tuple(other if p.id == other.id else p for p in case.promises))


@given(cases())
def test_everything_unknown_at_once_raises_no_more_than_what_was_told(case: Facts) -> None:
    blank = replace(
        case,
        case=replace(case.case, is_minor=None, sessions_per_week=None),
        incidents=tuple(map(_blank, case.incidents)),
    )
    told, nothing_known = grades(case), grades(blank)
    worse = {rule for rule, weight in nothing_known.items() if weight > told.get(rule, 0)}
    assert worse <= {rule for _, rule in EXCUSED}


def _blank(told: IncidentFact) -> IncidentFact:
    for name in answers_of(told):
        told = next(_not_known(told, name))
    return told


def test_every_answer_is_known_to_this_law() -> None:
    answers = {name for fields in DETAILS_BY_KIND.values() for name in fields}
    assert answers == OF_A_KIND.keys() | NO_ANSWER


def test_a_rule_that_held_silence_against_somebody_would_be_found() -> None:
    unknown, known = _ambiguous(None)
    hold_to_the_law("screened", unknown, known)
    with pytest.raises(AssertionError, match="risk_unscreened: worse than the best answer"):
        hold_to_the_law("duty", unknown, known)


def _ambiguous(screened: bool | None) -> tuple[Facts, list[Facts]]:
    def told(answer: bool | None) -> Facts:
        return facts(incident("risk", indicator="ambiguous_statement", screened=answer))

    return told(screened), [told(True), told(False)]
