"""Endings: onward care, what else was lost, and the way back."""

from typing import Any

import pytest

from api.domain.rules.facts import IncidentFact
from api.domain.vocabulary import (
    ClientImpact,
    CollateralLoss,
    Determination,
    Initiator,
    ReturnCondition,
)
from tests.domain.builders import (
    CARE_SIDE,
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


def test_medical_care_outweighs_the_other_losses() -> None:
    told = _ended(collateral_loss=["work_community", "medical_care", "group_therapy"])
    assert flags(facts(told)) == {"collateral_care_loss": "critical"}
    assert flags(facts(_ended(collateral_loss=[]))) == {}


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


@pytest.mark.parametrize("stage", ["raised", "ended"])
@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("loss", CollateralLoss)
def test_medicine_lost_counts_whoever_ended_and_other_losses_by_who_began(
    loss: str, initiator: str, stage: str
) -> None:
    told = incident(
        "ending",
        stage=stage,
        ending="disputed",
        initiator=initiator,
        collateral_loss=[loss],
        client_impact="crisis",
        sealed=True,
    )
    expected = {}
    if loss in ("medical_care", "medication"):
        expected = {"collateral_care_loss": "critical"}
    elif initiator in (*CARE_SIDE, "mutual"):
        expected = {"collateral_care_loss": "high"}
    assert flags(facts(told)) == (expected if stage == "ended" else {})


@pytest.mark.parametrize("stage", ["raised", "ended"])
@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("condition", [None, *ReturnCondition])
def test_the_way_back_counts_when_it_was_closed(
    condition: str | None, initiator: str, stage: str
) -> None:
    told = incident(
        "ending",
        stage=stage,
        ending="disputed",
        initiator=initiator,
        return_condition=condition,
        client_impact="crisis",
        sealed=True,
    )
    closed = condition == "only_if_crisis" or (
        condition == "never" and initiator in (*CARE_SIDE, "mutual")
    )
    assert flags(facts(told)) == (
        {"way_back_closed": "high"} if closed and stage == "ended" else {}
    )


def test_a_client_who_leaves_for_good_has_lost_no_way_back() -> None:
    left = _ended("client", ending="client_initiated", return_condition="never")
    assert flags(facts(left)) == {}


@pytest.mark.parametrize("initiator", Initiator)
def test_a_therapist_who_is_unavailable_ended_it_whoever_is_named(initiator: str) -> None:
    told = _ended(
        initiator,
        ending="therapist_unavailable",
        **UNREFERRED,
        collateral_loss=["group_therapy"],
        return_condition="never",
    )
    assert flags(facts(told)) == {
        "no_referral": "high",
        "collateral_care_loss": "high",
        "way_back_closed": "high",
    }
