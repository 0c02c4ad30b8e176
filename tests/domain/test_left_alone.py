"""What is never a flag either: leaving, short or seldom therapy, long ago, and agreement."""

import pytest

from api.domain.vocabulary import RecordingMeans, RecordRequest
from tests.domain.builders import Record, ago, facts, findings, flags, incident, prompts


def silent(*records: Record, status: str = "active") -> bool:
    return findings(facts(*records, status=status)) == ()


def test_wanting_to_stop_again_and_again_is_never_a_flag_once_it_was_looked_at_together() -> None:
    assert silent(incident("outcome", times_wished_to_stop=40, discussed_with_client=True))


@pytest.mark.parametrize("kind", RecordRequest)
def test_a_complaint_beside_a_record_request_is_never_a_flag(kind: str) -> None:
    assert silent(
        incident("disclosure", of="complaint", initiator="client", occurred_on=ago(900)),
        incident("record_request", request=kind, initiator="client"),
    )


def test_two_assessment_meetings_and_a_referral_are_never_a_flag() -> None:
    told = incident(
        "ending",
        stage="ended",
        ending="transferred",
        reason="competence_mismatch",
        planned_at_outset=False,
        abrupt=False,
        notice_days=0,
        closing_sessions=0,
        needs_ongoing_care=True,
        referral_offered=True,
        return_condition="by_appointment",
    )
    case = facts(told, status="ended", started_on=ago(24))
    assert findings(case) == ()


@pytest.mark.parametrize("reason", ["client_choice", "client_finances_or_move"])
@pytest.mark.parametrize("condition", ["never", "none", "by_appointment"])
def test_a_client_who_leaves_for_good_or_moves_away_is_never_a_flag(
    condition: str, reason: str
) -> None:
    left = incident(
        "ending",
        stage="ended",
        ending="client_initiated",
        reason=reason,
        initiator="client",
        abrupt=True,
        notice_days=0,
        closing_sessions=0,
        needs_ongoing_care=True,
        return_condition=condition,
        collateral_loss=["group_therapy", "work_community"],
    )
    assert silent(left, status="ended")


@pytest.mark.parametrize("element", ["touch", "warmth", "self_disclosure"])
def test_touch_or_warmth_taken_back_kindly_is_never_a_flag(element: str) -> None:
    assert silent(
        incident(
            "frame_change",
            direction="tighten",
            elements=[element],
            discussed=True,
            notice_days=0,
            client_impact="crisis",
        ),
        incident(
            "ending",
            stage="ended",
            ending="client_initiated",
            initiator="client",
            occurred_on=ago(2),
        ),
    )


@pytest.mark.parametrize("days", [370, 800, 1_090])
def test_a_monthly_clients_two_closing_hours_in_the_first_three_years_are_never_a_flag(
    days: int,
) -> None:
    told = incident(
        "ending",
        stage="ended",
        ending="therapist_initiated",
        planned_at_outset=False,
        abrupt=False,
        notice_days=60,
        closing_sessions=2,
        needs_ongoing_care=False,
        occurred_on=ago(0),
    )
    case = facts(told, status="ended", started_on=ago(days), sessions_per_week=0.25)
    assert findings(case) == ()


@pytest.mark.parametrize("duty", [True, False, None])
def test_an_adult_telling_of_their_own_childhood_is_never_a_flag(duty: bool | None) -> None:
    assert silent(
        incident(
            "safeguarding",
            concern="child",
            present=False,
            duty=duty,
            initiator="client",
            occurred_on=ago(400),
        )
    )


@pytest.mark.parametrize("means", RecordingMeans)
def test_an_agreed_recording_for_supervision_is_never_a_flag(means: str) -> None:
    assert silent(incident("recording", means=means, consent=True, may_refuse=True))


def test_a_therapists_illness_with_cover_and_back_is_never_a_flag() -> None:
    assert silent(
        incident(
            "absence",
            absence="illness",
            days=40,
            planned=False,
            coverage=True,
            occurred_on=ago(90),
            return_due_on=ago(50),
            returned=True,
        )
    )


def test_the_clients_wish_to_be_friends_is_never_a_flag() -> None:
    wished = incident(
        "ending",
        stage="raised",
        ending="conversion_to_other_relationship",
        initiator="client",
        occurred_on=ago(300),
        client_impact="crisis",
        sealed=True,
    )
    assert silent(wished, incident("disclosure", of="confusion_about_relationship"))


def test_contact_and_a_role_before_therapy_ask_the_clinician_alone() -> None:
    case = facts(
        incident("second_role", role="teacher", timing="before_therapy", interaction="close")
    )
    assert flags(case) == {}
    assert prompts(case) == ["clarify_roles"]
