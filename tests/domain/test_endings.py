"""Endings: preparation, onward care, what else was lost, and the way back."""

from typing import Any

import pytest

from api.domain.rules.facts import IncidentFact
from api.domain.vocabulary import (
    ClientImpact,
    CollateralLoss,
    Determination,
    EndingReason,
    EndingWay,
    Initiator,
    ReturnCondition,
)
from tests.domain.builders import (
    CARE_SIDE,
    ago,
    consultation,
    evidence,
    facts,
    flags,
    ids,
    incident,
    prompts,
)

UNPREPARED: dict[str, Any] = {"planned_at_outset": False, "abrupt": True}
UNREFERRED: dict[str, Any] = {"needs_ongoing_care": True, "referral_offered": False}
RECORD = ["complete_record"]


def _ended(initiator: str = "therapist", **said: Any) -> IncidentFact:
    return incident(
        "ending",
        initiator=initiator,
        **{"stage": "ended", "ending": "therapist_initiated", **said},
    )


@pytest.mark.parametrize("initiator", Initiator)
def test_an_abrupt_ending_counts_when_the_care_side_ended(initiator: str) -> None:
    case = facts(_ended(initiator, **UNPREPARED))
    assert flags(case) == ({"ending_unprepared": "high"} if initiator in CARE_SIDE else {})
    assert prompts(case) == []


@pytest.mark.parametrize(
    ("abrupt", "notice", "sessions", "unprepared"),
    [
        (True, None, None, True),
        (True, 90, 10, True),
        (False, 29, 10, True),
        (False, 30, 10, False),
        (False, 0, 10, True),
        (None, 29, None, True),
        (None, 30, None, False),
        (False, 90, 2, True),
        (False, 90, 3, False),
        (False, 90, 0, True),
        (None, None, 2, True),
        (None, None, 3, False),
        (None, None, None, False),
        (False, None, None, False),
        (False, 30, 3, False),
    ],
)
@pytest.mark.parametrize("planned", [True, False, None])
def test_what_makes_an_ending_unprepared(
    planned: bool | None,
    abrupt: bool | None,
    notice: int | None,
    sessions: int | None,
    unprepared: bool,
) -> None:
    case = facts(
        _ended(
            planned_at_outset=planned,
            abrupt=abrupt,
            notice_days=notice,
            closing_sessions=sessions,
        )
    )
    assert flags(case) == ({"ending_unprepared": "high"} if unprepared and planned is False else {})
    assert prompts(case) == (RECORD if unprepared and planned is None else [])


@pytest.mark.parametrize("way", EndingWay)
def test_who_began_decides_not_the_name_of_the_ending(way: str) -> None:
    assert flags(facts(_ended("institution", ending=way, **UNPREPARED))) == {
        "ending_unprepared": "high"
    }
    assert flags(facts(_ended("client", ending=way, **UNPREPARED))) == {}


def test_an_ending_of_agreed_contact_counts_like_one_of_therapy() -> None:
    told = _ended(applies_to="agreed_contact", **UNPREPARED, **UNREFERRED)
    assert flags(facts(told)) == {"ending_unprepared": "high", "no_referral": "high"}


def test_an_ending_that_was_only_raised_is_not_yet_unprepared() -> None:
    told = incident(
        "ending",
        stage="raised",
        **UNPREPARED,
        **UNREFERRED,
        collateral_loss=["medication"],
        return_condition="never",
        sealed=True,
    )
    assert flags(facts(told)) == {}
    assert prompts(facts(told)) == []


@pytest.mark.parametrize("impact", ClientImpact)
@pytest.mark.parametrize("determination", [None, *Determination])
def test_an_unprepared_ending_is_moderate_after_a_real_danger(
    determination: str | None, impact: str
) -> None:
    told = incident(
        "ending",
        stage="ended",
        ending="therapist_initiated",
        **UNPREPARED,
        client_impact=impact,
        determination=determination,
    )
    graver = "critical" if impact == "crisis" else "high"
    expected = "moderate" if determination == "real_danger" else graver
    assert flags(facts(told, consultation(about=[told]))) == {"ending_unprepared": expected}


def test_danger_named_as_the_reason_is_not_yet_a_review() -> None:
    told = _ended(reason="danger_to_therapist", **UNPREPARED)
    assert flags(facts(told)) == {"ending_unprepared": "high"}


@pytest.mark.parametrize("needs", [True, False, None])
@pytest.mark.parametrize("offered", [True, False, None])
@pytest.mark.parametrize("initiator", Initiator)
def test_onward_care_is_asked_about_when_the_care_side_ended_and_care_is_needed(
    initiator: str, offered: bool | None, needs: bool | None
) -> None:
    case = facts(_ended(initiator, needs_ongoing_care=needs, referral_offered=offered))
    asked = initiator in CARE_SIDE and needs is True
    assert flags(case) == ({"no_referral": "high"} if asked and offered is False else {})
    assert prompts(case) == (RECORD if asked and offered is None else [])


@pytest.mark.parametrize("determination", [None, "real_danger"])
@pytest.mark.parametrize("impact", ClientImpact)
def test_no_referral_is_critical_in_a_crisis(impact: str, determination: str | None) -> None:
    told = incident(
        "ending",
        stage="ended",
        ending="therapist_initiated",
        **UNREFERRED,
        client_impact=impact,
        determination=determination,
    )
    assert flags(facts(told)) == {"no_referral": "critical" if impact == "crisis" else "high"}


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("loss", CollateralLoss)
def test_other_care_lost_counts_whoever_ended(loss: str, initiator: str) -> None:
    told = incident(
        "ending",
        stage="ended",
        ending="disputed",
        initiator=initiator,
        collateral_loss=[loss],
        client_impact="crisis",
    )
    severity = "critical" if loss in ("medical_care", "medication") else "high"
    assert flags(facts(told)) == {"collateral_care_loss": severity}


def test_medical_care_outweighs_the_other_losses() -> None:
    told = _ended(collateral_loss=["work_community", "medical_care", "group_therapy"])
    assert flags(facts(told)) == {"collateral_care_loss": "critical"}
    assert flags(facts(_ended(collateral_loss=[]))) == {}


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("condition", [None, *ReturnCondition])
def test_the_way_back_counts_when_it_was_closed(condition: str | None, initiator: str) -> None:
    told = incident(
        "ending",
        stage="ended",
        ending="disputed",
        initiator=initiator,
        return_condition=condition,
        client_impact="crisis",
    )
    closed = condition in ("only_if_crisis", "never")
    assert flags(facts(told)) == ({"way_back_closed": "high"} if closed else {})


@pytest.mark.parametrize("determination", [None, *Determination])
@pytest.mark.parametrize("condition", ["only_if_crisis", "never"])
def test_a_closed_way_back_is_answered_by_a_review_of_real_danger(
    condition: str, determination: str | None
) -> None:
    told = incident(
        "ending",
        stage="ended",
        ending="therapist_initiated",
        return_condition=condition,
        determination=determination,
    )
    answered = determination == "real_danger"
    assert flags(facts(told)) == ({} if answered else {"way_back_closed": "high"})


def test_a_review_of_one_ending_does_not_answer_for_another() -> None:
    reviewed = incident(
        "ending",
        stage="ended",
        ending="therapist_initiated",
        return_condition="never",
        determination="real_danger",
        **UNPREPARED,
    )
    plain = _ended(return_condition="never", **UNPREPARED)
    case = facts(reviewed, plain)
    assert flags(case) == {"ending_unprepared": "high", "way_back_closed": "high"}
    assert evidence(case, "ending_unprepared") == ids(reviewed, plain)
    assert evidence(case, "way_back_closed") == ids(plain)


def test_no_finding_about_an_ending_hides_another() -> None:
    told = incident(
        "ending",
        stage="ended",
        ending="therapist_initiated",
        reason="attachment_disclosed",
        **UNPREPARED,
        **UNREFERRED,
        collateral_loss=["group_therapy"],
        return_condition="only_if_crisis",
        client_impact="crisis",
    )
    assert flags(facts(told)) == {
        "disclosure_response": "critical",
        "ending_unprepared": "critical",
        "no_referral": "critical",
        "collateral_care_loss": "high",
        "way_back_closed": "high",
    }


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize(
    "reason",
    [r for r in EndingReason if r not in ("attachment_disclosed", "disclosure_of_difficulty")],
)
def test_an_ending_that_was_raised_asks_to_be_planned(reason: str, initiator: str) -> None:
    told = incident("ending", stage="raised", reason=reason, initiator=initiator)
    assert flags(facts(told)) == {}
    assert prompts(facts(told)) == ["plan_ending"]


def test_an_ending_with_a_written_plan_asks_nothing() -> None:
    assert prompts(facts(incident("ending", stage="raised", sealed=True))) == []


def test_a_written_reason_is_not_a_plan() -> None:
    assert prompts(facts(incident("ending", stage="raised", documented=True))) == ["plan_ending"]


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("days", [0, 400])
def test_nothing_is_left_to_plan_once_an_ending_has_happened(initiator: str, days: int) -> None:
    raised = incident("ending", stage="raised", occurred_on=ago(200))
    ended = incident(
        "ending",
        stage="ended",
        ending="client_initiated",
        initiator=initiator,
        occurred_on=ago(days),
    )
    assert prompts(facts(raised, ended)) == []


def test_a_case_that_has_ended_without_a_recorded_ending_still_asks() -> None:
    case = facts(incident("ending", stage="raised"), status="ended")
    assert prompts(case) == ["plan_ending"]
