"""The client's safety, and words that may or may not mean danger."""

from datetime import date
from typing import Any

import pytest

from api.domain.rules.facts import IncidentFact
from api.domain.vocabulary import (
    ClientImpact,
    EndingWay,
    Initiator,
    RiskIndicator,
    RiskResponse,
)
from tests.domain.builders import (
    ago,
    consultation,
    evidence,
    facts,
    findings,
    flags,
    ids,
    incident,
    prompts,
)

GRAVE = (
    "suicide_attempt",
    "hospitalisation",
    "emergency_visits",
    "suicidal_ideation_active",
    "essential_medication_stopped",
    "concern_for_others",
)
SERIOUS = (
    "suicidal_ideation",
    "suicidal_ideation_conditional",
    "self_harm",
    "substance_relapse",
)
MILD = ("suicidal_ideation_passive", "considering_stopping_medication")
BY_AGE = {
    **dict.fromkeys(GRAVE, ("critical", "high", "moderate")),
    **dict.fromkeys(SERIOUS, ("high", "high", "moderate")),
    **dict.fromkeys(MILD, ("moderate", "moderate", "low")),
}
ONE_STEP_LOWER = {"critical": "high", "high": "moderate", "moderate": "low", "low": "low"}
SAFETY = "client_safety"


@pytest.mark.parametrize("indicator", BY_AGE)
@pytest.mark.parametrize(
    ("days", "age"),
    [(0, 0), (29, 0), (30, 0), (31, 1), (89, 1), (90, 1), (91, 2), (364, 2), (365, 2)],
)
def test_a_sign_of_risk_weighs_less_as_it_grows_older(indicator: str, days: int, age: int) -> None:
    case = facts(incident("risk", indicator=indicator, occurred_on=ago(days)))
    assert flags(case) == {SAFETY: BY_AGE[indicator][age]}
    assert prompts(case) == []


@pytest.mark.parametrize("indicator", BY_AGE)
@pytest.mark.parametrize("days", [366, 5000])
def test_a_sign_of_risk_older_than_a_year_is_history(indicator: str, days: int) -> None:
    assert flags(facts(incident("risk", indicator=indicator, occurred_on=ago(days)))) == {}


@pytest.mark.parametrize("indicator", BY_AGE)
@pytest.mark.parametrize("response", [None, *RiskResponse])
@pytest.mark.parametrize(("days", "age"), [(30, 0), (90, 1), (365, 2)])
def test_an_answer_lowers_one_step_and_never_clears(
    indicator: str, response: str | None, days: int, age: int
) -> None:
    told = incident("risk", indicator=indicator, response=response, occurred_on=ago(days))
    severity = BY_AGE[indicator][age]
    answered = response not in (None, "none", "unknown")
    assert flags(facts(told)) == {SAFETY: ONE_STEP_LOWER[severity] if answered else severity}


@pytest.mark.parametrize("count", [None, 1, 40])
@pytest.mark.parametrize("screened", [True, False, None])
@pytest.mark.parametrize("impact", ClientImpact)
def test_neither_counts_nor_screening_nor_impact_change_the_weight(
    impact: str, screened: bool | None, count: int | None
) -> None:
    told = incident(
        "risk", indicator="self_harm", count=count, screened=screened, client_impact=impact
    )
    assert flags(facts(told)) == {SAFETY: "high"}


@pytest.mark.parametrize("initiator", Initiator)
def test_safety_speaks_of_the_client_whoever_is_named(initiator: str) -> None:
    told = incident("risk", indicator="suicide_attempt", initiator=initiator)
    assert flags(facts(told, consultation(about=[told]))) == {SAFETY: "critical"}


@pytest.mark.parametrize("status", ["active", "paused", "ended"])
def test_safety_holds_whether_or_not_therapy_goes_on(status: str) -> None:
    told = incident("risk", indicator="suicidal_ideation_active")
    assert flags(facts(told, status=status)) == {SAFETY: "critical"}


def test_the_gravest_sign_sets_the_severity_and_all_that_count_are_evidence() -> None:
    recent = incident("risk", indicator="suicidal_ideation_passive", occurred_on=ago(2))
    older = incident("risk", indicator="hospitalisation", occurred_on=ago(80))
    history = incident("risk", indicator="suicide_attempt", occurred_on=ago(500))
    case = facts(recent, older, history)
    assert flags(case) == {SAFETY: "high"}
    assert evidence(case, SAFETY) == ids(recent, older)


def test_an_answer_to_one_sign_does_not_lower_another() -> None:
    answered = incident("risk", indicator="suicide_attempt", response="crisis_team")
    open_one = incident("risk", indicator="emergency_visits")
    assert flags(facts(answered, open_one)) == {SAFETY: "critical"}


def test_every_indicator_is_answered_for() -> None:
    assert set(RiskIndicator) == {*BY_AGE, "ambiguous_statement"}


@pytest.mark.parametrize("screened", [False, None])
@pytest.mark.parametrize("days", [0, 1, 6, 7, 8, 4000])
def test_ambiguous_words_first_ask_the_clinician_and_after_a_week_the_supervisor(
    days: int, screened: bool | None
) -> None:
    told = incident(
        "risk", indicator="ambiguous_statement", screened=screened, occurred_on=ago(days)
    )
    case = facts(told)
    assert flags(case) == ({"risk_unscreened": "moderate"} if days >= 7 else {})
    assert prompts(case) == ([] if days >= 7 else ["screen_distress"])


@pytest.mark.parametrize("days", [0, 6, 7, 400])
def test_ambiguous_words_that_were_asked_about_ask_nothing(days: int) -> None:
    told = incident("risk", indicator="ambiguous_statement", screened=True, occurred_on=ago(days))
    assert flags(facts(told)) == {}
    assert prompts(facts(told)) == []


@pytest.mark.parametrize("response", [None, *RiskResponse])
def test_an_answer_is_not_a_screen(response: str | None) -> None:
    told = incident("risk", indicator="ambiguous_statement", response=response)
    assert flags(facts(told, consultation(about=[told]))) == {"risk_unscreened": "moderate"}


@pytest.mark.parametrize("indicator", BY_AGE)
def test_only_ambiguous_words_ask_for_a_screen(indicator: str) -> None:
    told = incident("risk", indicator=indicator, screened=False, occurred_on=ago(3))
    assert set(flags(facts(told))) == {SAFETY}
    assert prompts(facts(told)) == []


def test_earlier_and_later_ambiguous_words_are_each_asked_about() -> None:
    early = incident("risk", indicator="ambiguous_statement", occurred_on=ago(7))
    late = incident("risk", indicator="ambiguous_statement", occurred_on=ago(6))
    case = facts(early, late)
    assert flags(case) == {"risk_unscreened": "moderate"}
    assert prompts(case) == ["screen_distress"]
    assert evidence(case, "risk_unscreened") == ids(early)
    assert evidence(case, "screen_distress") == ids(late)


# ------------------------------------------------------------- thoughts that are tied to an ending

CONDITIONAL = "suicidal_ideation_conditional"
AGES = [(0, "high"), (90, "high"), (91, "moderate"), (365, "moderate"), (366, None)]


@pytest.mark.parametrize("stage", ["raised", "ended"])
@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize(("days", "severity"), AGES)
def test_thoughts_tied_to_an_ending_are_as_old_as_the_latest_ending(
    days: int, severity: str | None, initiator: str, stage: str
) -> None:
    told = incident("risk", indicator=CONDITIONAL, occurred_on=ago(2000))
    earlier = _ending("ended", 1500)
    ending = _ending(stage, days, initiator=initiator)
    assert flags(facts(told)).get(SAFETY) is None
    case = facts(told, earlier, ending)
    assert flags(case).get(SAFETY) == severity
    assert evidence(case, SAFETY) == (ids(told, ending) if severity else set())


@pytest.mark.parametrize("days", [10, 400])
def test_an_ending_before_the_thoughts_leaves_their_age(days: int) -> None:
    told = incident("risk", indicator=CONDITIONAL, occurred_on=ago(days))
    expected = "high" if days == 10 else None
    assert flags(facts(told, _ending("ended", days + 1))).get(SAFETY) == expected
    assert flags(facts(told, _ending("ended", days))).get(SAFETY) == expected


@pytest.mark.parametrize("indicator", [word for word in BY_AGE if word != CONDITIONAL])
def test_no_other_sign_is_brought_back_by_an_ending(indicator: str) -> None:
    told = incident("risk", indicator=indicator, occurred_on=ago(366))
    assert SAFETY not in flags(facts(told, _ending("raised", 1)))


@pytest.mark.parametrize(
    ("responded", "severity"),
    [(None, "high"), (41, "high"), (40, "moderate"), (1, "moderate")],
)
def test_an_answer_older_than_the_ending_no_longer_lowers_what_it_brought_back(
    responded: int | None, severity: str
) -> None:
    told = incident(
        "risk",
        indicator=CONDITIONAL,
        response="safety_plan",
        responded_on=None if responded is None else ago(responded),
        occurred_on=ago(80),
    )
    assert flags(facts(told))[SAFETY] == "moderate"
    assert flags(facts(told, _ending("raised", 40)))[SAFETY] == severity


def test_an_answer_to_another_sign_is_lowered_though_an_ending_followed() -> None:
    told = incident("risk", indicator="self_harm", response="crisis_team", occurred_on=ago(80))
    assert flags(facts(told, _ending("ended", 40))) == {SAFETY: "moderate"}


@pytest.mark.parametrize("indicator", ["suicide_attempt", "self_harm", CONDITIONAL])
@pytest.mark.parametrize(
    ("responded", "answers"), [(None, False), (21, False), (20, False), (19, True)]
)
def test_no_answer_lowers_where_the_client_left_without_a_word_that_day_or_later(
    responded: int | None, answers: bool, indicator: str
) -> None:
    told = incident(
        "risk",
        indicator=indicator,
        response="admitted",
        responded_on=None if responded is None else ago(responded),
        occurred_on=ago(25),
    )
    gone = _ending("ended", 20, ending="ended_without_word", initiator="client")
    severity = BY_AGE[indicator][0]
    assert flags(facts(told, gone)) == {SAFETY: ONE_STEP_LOWER[severity] if answers else severity}


@pytest.mark.parametrize("way", [way for way in EndingWay if way != "ended_without_word"])
def test_an_ending_with_a_word_leaves_the_answer_to_a_sign(way: str) -> None:
    told = incident("risk", indicator="self_harm", response="admitted", occurred_on=ago(25))
    assert flags(facts(told, _ending("ended", 20, ending=way, initiator="client")))[SAFETY] == (
        "moderate"
    )


def test_leaving_without_a_word_before_the_answer_does_not_undo_it() -> None:
    told = incident("risk", indicator="self_harm", response="admitted", occurred_on=ago(25))
    before = _ending("ended", 26, ending="ended_without_word", initiator="client")
    assert flags(facts(told, before)) == {SAFETY: "moderate"}


@pytest.mark.parametrize("indicator", BY_AGE)
@pytest.mark.parametrize(("days", "age"), [(30, 0), (90, 1), (365, 2)])
@pytest.mark.parametrize("is_minor", [True, False, None])
def test_of_a_minor_no_answer_lowers_below_moderate(
    is_minor: bool | None, days: int, age: int, indicator: str
) -> None:
    told = incident("risk", indicator=indicator, response="safety_plan", occurred_on=ago(days))
    severity = BY_AGE[indicator][age]
    lowered = ONE_STEP_LOWER[severity]
    if is_minor is True and lowered == "low":
        lowered = severity
    assert flags(facts(told, is_minor=is_minor)) == {SAFETY: lowered}


def test_a_mild_sign_of_long_ago_is_low_for_a_minor_too() -> None:
    for response in (None, "safety_plan"):
        told = incident("risk", indicator=MILD[0], response=response, occurred_on=ago(365))
        assert flags(facts(told, is_minor=True)) == {SAFETY: "low"}


def test_thoughts_tied_to_an_ending_are_told_with_its_day() -> None:
    told = incident("risk", indicator=CONDITIONAL, occurred_on=date(2025, 1, 5))
    (found,) = findings(facts(told, incident("ending", stage="raised", sealed=True)))
    assert "5 January 2025" in found.because
    assert "5 June 2026" in found.because


def _ending(stage: str, days: int, **said: Any) -> IncidentFact:
    """Tell of an ending that asks nothing by itself."""
    return incident(
        "ending",
        **{
            "stage": stage,
            "ending": "planned_mutual",
            "initiator": "unknown",
            "sealed": True,
            "occurred_on": ago(days),
            **said,
        },
    )
