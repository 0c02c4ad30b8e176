"""What is never a flag, however strong or often: feeling, telling, asking, a frame well kept."""

import pytest

from api.domain.rules.facts import IncidentFact
from api.domain.vocabulary import (
    ConsultationKind,
    ConsultationStatus,
    DisclosureOf,
    ExpressedBy,
    Feeling,
    Initiator,
    RecordRequest,
)
from tests.domain.builders import (
    Record,
    ago,
    ahead,
    consultation,
    facts,
    findings,
    flags,
    incident,
    next_change,
    promise,
    prompts,
)


def _silent(*records: Record, status: str = "active") -> bool:
    case = facts(*records, status=status)
    return findings(case) == ()


@pytest.mark.parametrize("by", ExpressedBy)
@pytest.mark.parametrize("feeling", Feeling)
def test_no_feeling_is_ever_a_flag(feeling: str, by: str) -> None:
    """Love, desire, hate, grief, jealousy, longing, dependence, shame, constant thoughts."""
    told = [
        incident(
            "expression",
            by=by,
            feelings=[feeling],
            initiator=initiator,
            client_impact="crisis",
            occurred_on=ago(days),
        )
        for initiator in Initiator
        for days in (0, 5, 400)
    ]
    assert _silent(*told)


def test_all_feelings_at_once_and_every_day_are_never_a_flag() -> None:
    told = [
        incident("expression", by="client", feelings=list(Feeling), occurred_on=ago(days))
        for days in range(60)
    ]
    assert _silent(*told)
    assert next_change(facts(*told)) is None


def test_a_case_without_any_record_is_quiet() -> None:
    for status in ("active", "paused", "ended"):
        assert _silent(status=status)


@pytest.mark.parametrize("of", DisclosureOf)
@pytest.mark.parametrize(
    "response", ["explored", "normalised", "affirmed_caring", "boundary_explained"]
)
@pytest.mark.parametrize("taken_up", [True, None])
def test_telling_the_therapist_anything_is_never_a_flag(
    of: str, response: str, taken_up: bool | None
) -> None:
    """Love told, a complaint, fear of ending; a warm answer, a feeling called normal, a limit."""
    told = [
        incident(
            "disclosure",
            of=of,
            responses=[response],
            taken_up=taken_up,
            initiator=initiator,
            client_impact="severe",
        )
        for initiator in Initiator
    ]
    assert _silent(*told)


def test_a_warm_therapist_who_says_the_client_matters_is_never_a_flag() -> None:
    assert _silent(
        incident("expression", by="therapist", feelings=["warmth", "trust", "hope"]),
        incident(
            "disclosure",
            of="love",
            responses=["affirmed_caring", "normalised", "explored"],
            taken_up=True,
        ),
    )


def test_a_boundary_kept_kindly_is_never_a_flag() -> None:
    assert _silent(
        incident("disclosure", of="love", responses=["boundary_explained"], taken_up=True),
        incident(
            "frame_change",
            direction="tighten",
            elements=["phone_contact", "touch", "warmth"],
            discussed=True,
            notice_days=14,
            client_impact="crisis",
        ),
    )


@pytest.mark.parametrize("repeated", [True, False])
def test_a_clients_shouting_is_never_a_flag(repeated: bool) -> None:
    assert _silent(
        *(incident("hurtful_words", initiator="client", repeated=repeated) for _ in range(6))
    )


@pytest.mark.parametrize(
    "form", ["own_distress_disclosed", "caretaking_worry", "parental_care", "other"]
)
def test_the_client_caring_for_the_therapist_is_never_a_flag(form: str) -> None:
    assert _silent(*(incident("role_reversal", initiator="client", form=form) for _ in range(4)))


@pytest.mark.parametrize("conduct", ["remark", "proposal"])
def test_a_client_who_speaks_of_desire_is_never_a_flag(conduct: str) -> None:
    assert _silent(
        *(incident("sexual_conduct", conduct=conduct, initiator="client") for _ in range(4))
    )


@pytest.mark.parametrize("way", ["client_initiated", "ended_without_word", "planned_mutual"])
@pytest.mark.parametrize("initiator", ["client", "mutual"])
def test_ending_by_choice_is_never_a_flag(initiator: str, way: str) -> None:
    left = incident(
        "ending",
        stage="ended",
        ending=way,
        reason="client_choice",
        initiator=initiator,
        planned_at_outset=False,
        abrupt=True,
        notice_days=0,
        closing_sessions=0,
        needs_ongoing_care=True,
        referral_offered=False,
        return_condition="by_appointment",
    )
    assert _silent(left, status="ended")


def test_wanting_to_stop_once_is_never_a_flag() -> None:
    assert _silent(incident("outcome", trend="mixed", times_wished_to_stop=1))


def test_long_and_frequent_therapy_is_never_a_flag() -> None:
    for trend in ("improving", "mixed", "unknown"):
        assert _silent(incident("outcome", trend=trend, months=400))


@pytest.mark.parametrize("days", [1, 14, 200])
def test_a_planned_covered_absence_is_never_a_flag(days: int) -> None:
    for returned in (True, False, None):
        away = incident(
            "absence",
            absence="parental_leave",
            days=days,
            planned=True,
            coverage=True,
            returned=returned,
            return_due_on=ahead(days),
        )
        risk = incident("risk", indicator="suicide_attempt")
        assert _silent(away)
        assert set(flags(facts(away, risk))) == {"client_safety"}


def test_an_agreed_limit_is_never_a_flag() -> None:
    assert _silent(
        incident(
            "contact",
            therapist_participates=True,
            social_meetings=False,
            days_per_week=7,
            weeks=500,
            client_messages_30d=900,
            limits_agreed=True,
        )
    )


def test_a_figure_of_speech_that_was_asked_about_is_never_a_flag() -> None:
    assert _silent(
        *(
            incident("risk", indicator="ambiguous_statement", screened=True, occurred_on=ago(days))
            for days in (0, 7, 90)
        )
    )


def test_a_reduced_fee_alone_is_never_a_flag() -> None:
    assert _silent(incident("exception", exception="reduced_fee", occurred_on=ago(2000)))


@pytest.mark.parametrize("messages", [10, 100_000])
def test_many_client_messages_alone_are_never_a_flag(messages: int) -> None:
    case = facts(
        incident("contact", initiator="client", client_messages_30d=messages, limits_agreed=False)
    )
    assert flags(case) == {}
    assert prompts(case) == ["agree_contact_limits"]


def test_several_treaters_with_clear_roles_are_never_a_flag() -> None:
    assert _silent(*(incident("cotreatment", coordinated=True) for _ in range(4)))


def test_a_small_communitys_chance_meetings_written_down_are_never_a_flag() -> None:
    meetings = [
        incident(
            "second_role",
            role="neighbour_or_community",
            timing="during_therapy",
            interaction="incidental",
            sealed=True,
            initiator=initiator,
        )
        for initiator in Initiator
    ]
    assert flags(facts(*meetings)) == {}


def test_a_complaint_is_never_a_flag() -> None:
    assert _silent(incident("disclosure", of="complaint", initiator="client"))


@pytest.mark.parametrize("request_kind", RecordRequest)
def test_asking_for_the_record_is_never_a_flag(request_kind: str) -> None:
    asked = incident("record_request", request=request_kind, initiator="client")
    answered = incident(
        "record_request", request=request_kind, occurred_on=ago(90), answered_on=ago(1)
    )
    assert _silent(asked, answered)


def test_a_handshake_is_never_a_flag_however_often() -> None:
    assert _silent(
        *(incident("touch", touch="handshake", consent=word) for word in (True, False, None)),
        incident("touch", touch="handshake", times=10_000, planned_method=False),
    )


def test_asking_for_consultation_is_never_a_flag() -> None:
    """Every kind, at every stage, followed or not, on a case where nothing else happened."""
    felt = incident("expression", by="client", feelings=["love"])
    assert _silent(
        felt,
        *(
            consultation(kind, status=status, response=response, about=[felt])
            for kind in ConsultationKind
            for status in ConsultationStatus
            for response in (None, "accepted", "partly", "not_followed")
        ),
    )


@pytest.mark.parametrize("kind", ["professional_availability", "return_from_absence"])
def test_a_promise_a_therapist_can_keep_is_never_a_flag(kind: str) -> None:
    for state in ("open", "kept", "renegotiated", "superseded"):
        told = promise(kind, scope="within_frame", keepable="yes", state=state, made_on=ago(900))
        assert _silent(told)


def test_a_planned_ending_with_onward_care_is_never_a_flag() -> None:
    ended: IncidentFact = incident(
        "ending",
        stage="ended",
        ending="time_limited_completed",
        reason="contract_limit_reached",
        planned_at_outset=True,
        abrupt=False,
        notice_days=90,
        closing_sessions=6,
        needs_ongoing_care=True,
        referral_offered=True,
        return_condition="by_appointment",
    )
    assert _silent(ended, status="ended")
