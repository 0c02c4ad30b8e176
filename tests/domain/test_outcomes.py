"""Outcomes looked at together, and what was explained at the start."""

import pytest

from api.domain.vocabulary import Initiator, OutcomeTrend
from tests.domain.builders import (
    ago,
    consultation,
    evidence,
    facts,
    flags,
    ids,
    incident,
    noon,
    prompts,
)

UNREVIEWED = {"outcome_unreviewed": "moderate"}
OFFER = ["offer_consultation"]
POOR = ("worse", "no_benefit")


@pytest.mark.parametrize("trend", OutcomeTrend)
@pytest.mark.parametrize("months", [None, 0, 2, 3, 24])
@pytest.mark.parametrize("status", ["active", "paused", "ended"])
def test_a_poor_outcome_counts_after_three_months_or_once_therapy_has_ended(
    status: str, months: int | None, trend: str
) -> None:
    case = facts(incident("outcome", trend=trend, months=months), status=status)
    long_enough = (months is not None and months >= 3) or status == "ended"
    assert flags(case) == (UNREVIEWED if trend in POOR and long_enough else {})
    assert prompts(case) == []


@pytest.mark.parametrize("trend", OutcomeTrend)
@pytest.mark.parametrize(
    ("times", "counts"), [(None, False), (0, False), (1, False), (2, True), (30, True)]
)
def test_wishing_to_stop_twice_asks_whether_it_was_looked_at_together(
    times: int | None, counts: bool, trend: str
) -> None:
    for discussed in (True, False, None):
        told = incident(
            "outcome", trend=trend, times_wished_to_stop=times, discussed_with_client=discussed
        )
        assert flags(facts(told)) == (UNREVIEWED if counts and discussed is not True else {})


def test_talking_it_over_does_not_answer_for_months_without_benefit() -> None:
    told = incident("outcome", trend="worse", months=3, discussed_with_client=True)
    assert flags(facts(told)) == UNREVIEWED


def test_doubt_about_wishes_to_stop_that_were_talked_over_still_suggests_a_consultation() -> None:
    told = incident("outcome", times_wished_to_stop=5, discussed_with_client=True, doubt=True)
    assert flags(facts(told)) == {}
    assert prompts(facts(told)) == OFFER


def test_two_records_of_wishing_to_stop_once_are_not_one_of_twice() -> None:
    once = [incident("outcome", times_wished_to_stop=1) for _ in range(2)]
    assert flags(facts(*once)) == {}


@pytest.mark.parametrize("initiator", Initiator)
def test_an_outcome_counts_whoever_is_named(initiator: str) -> None:
    told = incident("outcome", trend="worse", months=3, initiator=initiator, client_impact="crisis")
    assert flags(facts(told)) == UNREVIEWED


@pytest.mark.parametrize("doubt", [True, False, None])
def test_a_consulted_outcome_asks_nothing(doubt: bool | None) -> None:
    told = incident("outcome", trend="no_benefit", months=12, times_wished_to_stop=4, doubt=doubt)
    case = facts(told, consultation(about=[told]))
    assert flags(case) == {}
    assert prompts(case) == []


@pytest.mark.parametrize("doubt", [True, False, None])
@pytest.mark.parametrize("trend", OutcomeTrend)
def test_doubt_alone_suggests_a_consultation(trend: str, doubt: bool | None) -> None:
    case = facts(incident("outcome", trend=trend, months=2, doubt=doubt))
    assert flags(case) == {}
    assert prompts(case) == (OFFER if doubt else [])


def test_doubt_about_an_outcome_already_flagged_asks_nothing_more() -> None:
    told = incident("outcome", trend="worse", months=3, doubt=True)
    assert flags(facts(told)) == UNREVIEWED
    assert prompts(facts(told)) == []


def test_the_flag_of_one_outcome_does_not_hide_the_doubt_about_another() -> None:
    flagged = incident("outcome", trend="worse", months=3, doubt=True)
    doubted = incident("outcome", trend="mixed", doubt=True)
    case = facts(flagged, doubted)
    assert evidence(case, "outcome_unreviewed") == ids(flagged)
    assert evidence(case, "offer_consultation") == ids(doubted)


def test_an_outcome_recorded_after_the_consultation_counts_anew() -> None:
    before = incident("outcome", trend="worse", months=3, doubt=True, occurred_on=ago(20))
    asked = consultation(completed_at=noon(ago(10)))
    assert flags(facts(before, asked)) == {}
    after = incident("outcome", trend="worse", months=4, doubt=True, occurred_on=ago(9))
    case = facts(before, after, asked)
    assert flags(case) == UNREVIEWED
    assert evidence(case, "outcome_unreviewed") == ids(after)


@pytest.mark.parametrize("explained", [True, False, None])
@pytest.mark.parametrize("goals", [True, False, None])
@pytest.mark.parametrize("refused", [True, False, None])
@pytest.mark.parametrize("harm", [True, False, None])
def test_what_was_explained_at_the_start(
    harm: bool | None, refused: bool | None, goals: bool | None, explained: bool | None
) -> None:
    told = incident(
        "consent",
        process_explained=explained,
        goals_known=goals,
        questions_refused=refused,
        harm_reported=harm,
        client_impact="crisis",
    )
    if explained is False and (harm is True or refused is True):
        expected = {"consent_gap": "moderate"}
    elif explained is False or goals is False:
        expected = {"consent_gap": "low"}
    else:
        expected = {}
    assert flags(facts(told)) == expected
    assert prompts(facts(told)) == []


def test_harm_in_one_record_does_not_weigh_on_another() -> None:
    unexplained = incident("consent", process_explained=False)
    harm = incident("consent", process_explained=True, harm_reported=True, questions_refused=True)
    case = facts(unexplained, harm)
    assert flags(case) == {"consent_gap": "low"}
    assert evidence(case, "consent_gap") == ids(unexplained)


def test_a_consultation_does_not_explain_the_process_to_the_client() -> None:
    told = incident("consent", process_explained=False, harm_reported=True)
    assert flags(facts(told, consultation(about=[told]))) == {"consent_gap": "moderate"}
