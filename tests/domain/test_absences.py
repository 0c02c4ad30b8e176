"""Absences: cover while the clinician is away, and coming back."""

from datetime import date
from typing import Any

import pytest

from api.domain.rules.facts import IncidentFact
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import AbsenceReason, Initiator, RiskIndicator
from tests.domain.builders import (
    ago,
    ahead,
    consultation,
    evidence,
    facts,
    flags,
    ids,
    incident,
    prompts,
)

MODERATE = {"absence_uncovered": "moderate"}
CRITICAL = {"absence_uncovered": "critical"}
RECORD = ["complete_record"]


def _absence(days: int = 5, **said: Any) -> IncidentFact:
    return incident("absence", **{"absence": "vacation", "days": days, **said})


def _risk(days_ago: int, indicator: str = "considering_stopping_medication") -> IncidentFact:
    return incident("risk", indicator=indicator, occurred_on=ago(days_ago), initiator="client")


@pytest.mark.parametrize("coverage", [True, False, None])
@pytest.mark.parametrize("days", [1, 6, 100])
@pytest.mark.parametrize(
    ("due", "late"), [(ago(0), False), (ago(7), False), (ago(8), True), (ago(900), True)]
)
def test_not_coming_back_is_critical_when_a_week_after_the_day_has_passed(
    due: date, late: bool, days: int, coverage: bool | None
) -> None:
    told = _absence(
        days, occurred_on=ago(1000), return_due_on=due, returned=False, coverage=coverage
    )
    uncovered = coverage is False and days >= 14
    assert flags(facts(told)) == (CRITICAL if late else MODERATE if uncovered else {})


def test_whoever_came_back_is_never_overdue() -> None:
    told = _absence(occurred_on=ago(300), return_due_on=ago(200), returned=True)
    assert flags(facts(told)) == {}
    assert prompts(facts(told)) == []


@pytest.mark.parametrize("coverage", [True, None])
@pytest.mark.parametrize(
    ("due", "asked", "late"),
    [
        (0, False, False),
        (6, False, False),
        (7, True, False),
        (30, True, False),
        (31, True, True),
        (400, True, True),
    ],
)
def test_a_return_that_nobody_recorded_is_asked_for_and_after_a_month_looked_at(
    due: int, asked: bool, late: bool, coverage: bool | None
) -> None:
    told = _absence(5, occurred_on=ago(500), return_due_on=ago(due), coverage=coverage)
    assert flags(facts(told)) == (MODERATE if late else {})
    assert prompts(facts(told)) == (RECORD if asked else [])


@pytest.mark.parametrize("returned", [False, None])
def test_a_day_of_return_that_nobody_named_is_neither_asked_for_nor_late(
    returned: bool | None,
) -> None:
    told = _absence(6, occurred_on=ago(1000), returned=returned, coverage=True)
    assert flags(facts(told)) == {}
    assert prompts(facts(told)) == []


def test_an_unrecorded_return_is_no_more_than_moderate_and_a_known_one_critical() -> None:
    unknown = _absence(5, occurred_on=ago(100), return_due_on=ago(60))
    never = _absence(5, occurred_on=ago(100), return_due_on=ago(60), returned=False)
    assert flags(facts(unknown)) == MODERATE
    assert flags(facts(unknown, never)) == CRITICAL
    assert evidence(facts(unknown, never), "absence_uncovered") == ids(unknown, never)


def test_an_ending_that_brings_back_a_risk_shortens_the_time_without_cover() -> None:
    told = _absence(9, coverage=False)
    risk = _risk(500, "suicidal_ideation_conditional")
    assert flags(facts(told, risk)) == {}
    ending = incident("ending", stage="raised", initiator="client", occurred_on=ago(5), sealed=True)
    assert flags(facts(told, risk, ending)) == {**MODERATE, "client_safety": "high"}


def test_an_absence_without_a_day_of_return_is_never_overdue() -> None:
    told = _absence(occurred_on=ago(1000), returned=False, coverage=True)
    assert flags(facts(told)) == {}


@pytest.mark.parametrize("reason", AbsenceReason)
@pytest.mark.parametrize("planned", [True, False, None])
@pytest.mark.parametrize("returned", [True, False, None])
@pytest.mark.parametrize(("days", "expected"), [(13, {}), (14, MODERATE), (300, MODERATE)])
def test_an_absence_of_two_weeks_without_cover_counts(
    days: int, expected: dict[str, str], returned: bool | None, planned: bool | None, reason: str
) -> None:
    told = _absence(days, absence=reason, planned=planned, returned=returned, coverage=False)
    assert flags(facts(told)) == expected
    assert prompts(facts(told)) == []


@pytest.mark.parametrize("coverage", [True, None])
def test_an_absence_counts_only_when_it_is_known_to_be_uncovered(coverage: bool | None) -> None:
    told = _absence(90, returned=True, coverage=coverage)
    assert flags(facts(told, _risk(1, "suicide_attempt"))) == {"client_safety": "critical"}


@pytest.mark.parametrize(("days", "uncovered"), [(6, False), (7, True), (13, True), (14, True)])
def test_a_week_without_cover_counts_while_the_client_is_at_risk(
    days: int, uncovered: bool
) -> None:
    told = _absence(days, coverage=False)
    expected = {"client_safety": "moderate", **(MODERATE if uncovered else {})}
    assert flags(facts(told, _risk(3))) == expected


@pytest.mark.parametrize("response", [None, "none", "unknown", "safety_plan", "admitted"])
@pytest.mark.parametrize(
    "indicator", [word for word in RiskIndicator if word != "ambiguous_statement"]
)
def test_any_sign_of_risk_however_mild_and_answered_counts(
    indicator: str, response: str | None
) -> None:
    risk = incident(
        "risk", indicator=indicator, response=response, occurred_on=ago(365), initiator="client"
    )
    assert flags(facts(_absence(7, coverage=False), risk))["absence_uncovered"] == "moderate"


@pytest.mark.parametrize(("days", "uncovered"), [(4, False), (5, True), (6, True), (7, True)])
def test_a_risk_never_lengthens_the_time_a_clinic_allows_without_cover(
    days: int, uncovered: bool
) -> None:
    strict = Thresholds.model_validate({"absence_days": 5, "absence_with_safety_days": 7})
    told = _absence(days, coverage=False)
    calm, at_risk = facts(told, thresholds=strict), facts(told, _risk(3), thresholds=strict)
    expected = "moderate" if uncovered else None
    assert flags(calm).get("absence_uncovered") == expected
    assert flags(at_risk).get("absence_uncovered") == expected


def test_a_risk_that_is_history_does_not_shorten_the_time_without_cover() -> None:
    assert flags(facts(_absence(13, coverage=False), _risk(366, "suicide_attempt"))) == {}
    assert flags(facts(_absence(13, coverage=False), _risk(365))) == {
        **MODERATE,
        "client_safety": "low",
    }


def test_ambiguous_words_do_not_shorten_the_time_without_cover() -> None:
    assert flags(facts(_absence(13, coverage=False), _risk(2, "ambiguous_statement"))) == {}


def test_an_absence_that_lies_ahead_counts_already() -> None:
    told = _absence(14, occurred_on=ahead(60), coverage=False, returned=False)
    assert flags(facts(told)) == MODERATE


@pytest.mark.parametrize("initiator", Initiator)
def test_an_absence_counts_whoever_it_is_recorded_of(initiator: str) -> None:
    told = incident(
        "absence",
        absence="illness",
        days=20,
        coverage=False,
        initiator=initiator,
        client_impact="crisis",
    )
    assert flags(facts(told, consultation(about=[told]))) == MODERATE


def test_overdue_and_uncovered_absences_stand_together() -> None:
    late = _absence(5, occurred_on=ago(60), return_due_on=ago(50), returned=False, coverage=True)
    uncovered = _absence(20, coverage=False, returned=True)
    covered = _absence(40, coverage=True)
    case = facts(late, uncovered, covered)
    assert flags(case) == CRITICAL
    assert evidence(case, "absence_uncovered") == ids(late, uncovered)


@pytest.mark.parametrize("coverage", [True, False, None])
@pytest.mark.parametrize("returned", [True, False, None])
@pytest.mark.parametrize("days", [6, 7, 13, 90])
def test_unknown_cover_of_a_week_is_asked_for_while_the_return_is_unknown(
    days: int, returned: bool | None, coverage: bool | None
) -> None:
    told = _absence(days, returned=returned, coverage=coverage)
    asked = days >= 7 and returned is None and coverage is None
    assert prompts(facts(told)) == (RECORD if asked else [])
