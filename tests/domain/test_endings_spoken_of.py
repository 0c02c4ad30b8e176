"""An ending that was spoken of: whether it is planned, looked at, or left hanging."""

from datetime import date
from typing import Any

import pytest

from api.domain.rules.facts import IncidentFact
from api.domain.vocabulary import ConsultationKind, EndingReason, EndingWay, Initiator
from tests.domain.builders import (
    CARE_SIDE,
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

LEFT_OPEN = {"ending_left_open": "moderate"}
PLAN = ["plan_ending"]
SPEAKS_OF_MORE = ("attachment_disclosed", "disclosure_of_difficulty", "client_trait")


def _raised(days: int = 10, **said: Any) -> IncidentFact:
    return incident("ending", **{"stage": "raised", "occurred_on": ago(days), **said})


def _ended(days: int, **said: Any) -> IncidentFact:
    return incident(
        "ending",
        **{
            "stage": "ended",
            "ending": "client_initiated",
            "initiator": "client",
            "occurred_on": ago(days),
            **said,
        },
    )


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("reason", [r for r in EndingReason if r not in SPEAKS_OF_MORE])
def test_an_ending_that_was_raised_asks_to_be_planned(reason: str, initiator: str) -> None:
    told = _raised(reason=reason, initiator=initiator)
    afraid = initiator in CARE_SIDE and reason == "danger_to_therapist"
    assert flags(facts(told)) == ({"danger_review_required": "high"} if afraid else {})
    assert prompts(facts(told)) == PLAN


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize(("days", "late"), [(0, False), (29, False), (30, True), (900, True)])
def test_an_ending_that_the_care_side_spoke_of_is_left_open_from_the_thirtieth_day(
    days: int, late: bool, initiator: str
) -> None:
    case = facts(_raised(days, initiator=initiator))
    assert flags(case) == (LEFT_OPEN if late and initiator in CARE_SIDE else {})
    assert prompts(case) == PLAN


@pytest.mark.parametrize("way", EndingWay)
def test_a_therapist_who_will_be_unavailable_spoke_of_it_whoever_began(way: str) -> None:
    case = facts(_raised(30, initiator="client", ending=way))
    assert flags(case) == (LEFT_OPEN if way == "therapist_unavailable" else {})


@pytest.mark.parametrize("impact", ["crisis", "none"])
def test_an_ending_left_open_is_moderate_whatever_its_impact(impact: str) -> None:
    assert flags(facts(_raised(30, client_impact=impact))) == LEFT_OPEN


def test_a_written_plan_answers_both() -> None:
    case = facts(_raised(400, sealed=True))
    assert flags(case) == {}
    assert prompts(case) == []


def test_a_written_reason_is_not_a_plan() -> None:
    case = facts(_raised(400, documented=True))
    assert flags(case) == LEFT_OPEN
    assert prompts(case) == PLAN


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize(("ended", "answers"), [(201, False), (200, True), (0, True)])
def test_an_ending_that_happened_on_that_day_or_since_answers_both(
    ended: int, answers: bool, initiator: str
) -> None:
    case = facts(_raised(200), _ended(ended, initiator=initiator))
    assert flags(case) == ({} if answers else LEFT_OPEN)
    assert prompts(case) == ([] if answers else PLAN)


def test_an_ending_of_long_ago_does_not_answer_for_one_spoken_of_since() -> None:
    """They parted, began again, and now an ending is in the air once more."""
    before, now = _raised(900), _raised(40)
    case = facts(before, _ended(850), now)
    assert evidence(case, "ending_left_open") == ids(now)
    assert evidence(case, "plan_ending") == ids(now)


def test_a_case_that_has_ended_without_a_recorded_ending_still_asks() -> None:
    case = facts(_raised(40), status="ended")
    assert flags(case) == LEFT_OPEN
    assert prompts(case) == PLAN


@pytest.mark.parametrize("kind", ConsultationKind)
def test_whoever_asked_somebody_has_not_left_it_hanging(kind: str) -> None:
    told = _raised(60)
    answered = kind not in ("legal_risk", "danger_review", "facilitated_repair")
    for asked in (
        consultation(kind, about=[told], completed_at=noon(ago(300))),
        consultation(kind, completed_at=noon(ago(60))),
    ):
        assert flags(facts(told, asked)) == ({} if answered else LEFT_OPEN)
        assert prompts(facts(told, asked)) == PLAN
    before = consultation(kind, completed_at=noon(ago(61)))
    assert flags(facts(told, before)) == LEFT_OPEN


def test_an_ending_spoken_of_in_a_month_is_as_old_as_that_months_end() -> None:
    case = facts(_raised(occurred_on=date(2026, 5, 2), precision="month"))
    assert flags(case) == {}
    assert flags(case, noon(date(2026, 6, 29))) == {}
    assert flags(case, noon(date(2026, 6, 30))) == LEFT_OPEN


def test_an_ending_left_open_stands_beside_what_its_reason_asks() -> None:
    told = _raised(30, reason="attachment_disclosed")
    assert flags(facts(told)) == {**LEFT_OPEN, "disclosure_response": "high"}
