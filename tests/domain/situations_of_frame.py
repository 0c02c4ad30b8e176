"""More short fictional situations: limits and roles, children, and days that nobody wrote down."""

from api.domain.rules.facts import Facts
from tests.domain.builders import ago, consultation, facts, incident


def a_roof_that_fell_in() -> Facts:
    """The ceiling came down on a Sunday; from Monday they met in a borrowed room, and shorter."""
    return facts(
        incident(
            "frame_change",
            direction="tighten",
            elements=["place", "session_length"],
            discussed=False,
            notice_days=0,
            initiator="institution",
            client_impact="crisis",
        ),
        incident(
            "frame_change",
            direction="tighten",
            elements=["touch"],
            discussed=True,
            notice_days=0,
            initiator="therapist",
        ),
    )


def a_boy_who_climbs_onto_every_lap() -> Facts:
    """He is six. She carries him when he is beside himself, and her supervisor knows of it."""
    return facts(
        incident("touch", touch="sitting_close", consent=True, times=20, initiator="client"),
        incident(
            "touch", touch="holding", consent=True, planned_method=True, times=2, initiator="mutual"
        ),
        incident(
            "safeguarding",
            concern="child",
            present=True,
            duty=True,
            occurred_on=ago(60),
            reported_on=ago(59),
            client_told=False,
            documented=True,
        ),
        incident(
            "ending",
            stage="ended",
            ending="client_side_initiated",
            initiator="client_side",
            occurred_on=ago(2),
        ),
        incident("hurtful_words", occurred_on=ago(32), initiator="disputed"),
        consultation("supervision"),
        status="ended",
        is_minor=True,
    )


def a_dance_at_the_village_feast() -> Facts:
    """She asked him to dance and later to be her friend; he said no, and nobody was asked yet."""
    return facts(
        incident("sexual_conduct", conduct="proposal", initiator="client", declined=True),
        incident(
            "ending",
            stage="raised",
            ending="conversion_to_other_relationship",
            initiator="client",
            occurred_on=ago(40),
        ),
        incident(
            "second_role",
            role="former_partner",
            timing="before_therapy",
            interaction="incidental",
            initiator="mutual",
        ),
    )


def four_meetings_a_year() -> Facts:
    """Once a season for six years; she said in spring that summer would be the last time."""
    return facts(
        incident(
            "ending",
            stage="ended",
            ending="therapist_initiated",
            reason="therapist_life_event",
            planned_at_outset=False,
            abrupt=False,
            notice_days=92,
            closing_sessions=1,
            needs_ongoing_care=False,
            return_condition="by_appointment",
        ),
        status="ended",
        started_on=ago(2_200),
        sessions_per_week=0.08,
    )


def a_desk_that_stayed_empty() -> Facts:
    """He was to be back in spring. Before he went he had twice been seen asleep in sessions."""
    return facts(
        incident(
            "absence",
            absence="illness",
            days=30,
            coverage=False,
            return_due_on=ago(40),
            occurred_on=ago(70),
        ),
        incident("fitness", sign="asleep", in_session=True, reported_by="client"),
        incident("fitness", sign="ill", reported_by="therapist"),
        incident(
            "risk",
            indicator="suicidal_ideation_conditional",
            response="safety_plan",
            occurred_on=ago(300),
            initiator="client",
        ),
        incident(
            "ending",
            stage="ended",
            ending="ended_without_word",
            initiator="client",
            occurred_on=ago(3),
        ),
    )


def a_machine_that_listens() -> Facts:
    """It writes the notes; she was told, but not asked. What it wrote went to the insurer."""
    return facts(
        incident("recording", means="ai_scribe", consent=False, may_refuse=False),
        incident("recording", means="observer"),
        incident(
            "third_party_contact",
            party="other",
            content_shared=True,
            client_informed=False,
            occurred_on=ago(61),
        ),
        incident(
            "disclosure", of="complaint", taken_up=False, initiator="client", occurred_on=ago(31)
        ),
    )
