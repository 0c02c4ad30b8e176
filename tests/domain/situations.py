"""Short fictional situations, as the rules are told of them."""

from api.domain.rules.facts import Facts
from tests.domain.builders import ago, ahead, consultation, facts, incident, promise


def a_warm_and_steady_therapy() -> Facts:
    """She thinks of him all week, tells him so, and he is glad she can say it."""
    return facts(
        incident(
            "expression",
            by="client",
            feelings=["love", "longing", "preoccupation", "dependence"],
            initiator="client",
            client_impact="sustained_distress",
        ),
        incident(
            "disclosure",
            of="love",
            responses=["explored", "affirmed_caring", "boundary_explained"],
            taken_up=True,
            initiator="client",
        ),
        incident("expression", by="therapist", feelings=["warmth"]),
        incident("touch", touch="handshake", times=80, initiator="mutual"),
        incident("exception", exception="reduced_fee"),
        incident("outcome", trend="improving", months=50, times_wished_to_stop=1),
        promise(
            "professional_availability",
            scope="within_frame",
            keepable="yes",
            open_ended=True,
            discussed_with_client=True,
            made_on=ago(200),
        ),
    )


def ended_the_week_after_she_told_him() -> Facts:
    """He fell silent, wrote that it was over, and named nobody else to see."""
    return facts(
        incident(
            "disclosure",
            of="attachment",
            responses=["refusal_to_discuss"],
            taken_up=False,
            responded_on=ago(88),
            occurred_on=ago(95),
            initiator="client",
            client_impact="severe",
        ),
        incident(
            "ending",
            stage="ended",
            ending="therapist_initiated",
            reason="attachment_disclosed",
            planned_at_outset=False,
            notice_days=0,
            closing_sessions=0,
            needs_ongoing_care=True,
            referral_offered=False,
            return_condition="never",
            occurred_on=ago(88),
            client_impact="crisis",
        ),
        incident(
            "risk", indicator="emergency_visits", count=2, occurred_on=ago(40), initiator="client"
        ),
        status="ended",
    )


def a_leave_without_a_deputy() -> Facts:
    """The leave was announced months ahead; who would answer the telephone was not."""
    return facts(
        incident(
            "absence",
            absence="parental_leave",
            days=120,
            planned=True,
            coverage=False,
            return_due_on=ahead(60),
            returned=False,
            occurred_on=ago(60),
        ),
        incident(
            "risk",
            indicator="suicidal_ideation_passive",
            response="safety_plan",
            occurred_on=ago(20),
            initiator="client",
        ),
        promise(
            "return_from_absence",
            scope="within_frame",
            keepable="yes",
            due_on=ahead(60),
            made_on=ago(90),
        ),
    )


def a_guard_at_the_door(determination: str | None) -> Facts:
    """A letter full of rage was read as a threat; the building was closed to her."""
    return facts(
        incident("expression", by="client", feelings=["rage", "hate"], initiator="client"),
        incident(
            "coercive_measure",
            measures=["security_called", "site_ban"],
            initiator="institution",
            determination=determination,
            sealed=True,
        ),
        incident(
            "ending",
            stage="ended",
            ending="institution_initiated",
            reason="danger_to_therapist",
            initiator="institution",
            planned_at_outset=False,
            abrupt=True,
            needs_ongoing_care=True,
            referral_offered=True,
            return_condition="never",
            determination=determination,
        ),
        status="ended",
    )


def friends_of_a_kind() -> Facts:
    """Suppers, presents both ways, a lent sum, and a promise to be family one day."""
    return facts(
        incident(
            "second_role",
            role="friend",
            timing="during_therapy",
            interaction="close",
            initiator="mutual",
        ),
        incident(
            "contact",
            therapist_participates=True,
            social_meetings=True,
            days_per_week=2,
            weeks=100,
            initiator="mutual",
        ),
        incident("gift", item="gift", direction="both", initiator="mutual"),
        incident("gift", item="loan", direction="from_client", initiator="therapist"),
        incident("role_reversal", form="own_distress_disclosed"),
        promise(
            "family_role",
            keepable="no",
            open_ended=True,
            made_on=ago(31),
            discussed_with_client=False,
        ),
    )


def a_small_island() -> Facts:
    """They meet at the harbour; it was written down how they greet each other there."""
    return facts(
        incident(
            "second_role",
            role="neighbour_or_community",
            timing="during_therapy",
            interaction="incidental",
            sealed=True,
            initiator="unknown",
        ),
        incident("cotreatment", coordinated=True),
        incident("contact", client_messages_30d=40, initiator="client"),
    )


def the_frame_that_gave_way_and_was_pulled_tight() -> Facts:
    """Longer hours, a walk, a text at night; then all of it stopped in one sentence."""
    return facts(
        *(
            incident("crossing", area=area, documented=True, occurred_on=ago(days))
            for area, days in (("time", 80), ("place_space", 70), ("language", 60))
        ),
        incident(
            "frame_change", direction="loosen", elements=["phone_contact"], occurred_on=ago(55)
        ),
        incident(
            "frame_change",
            direction="tighten",
            elements=["phone_contact", "warmth", "session_length"],
            discussed=False,
            notice_days=0,
            occurred_on=ago(25),
            client_impact="sustained_distress",
        ),
        incident(
            "ending",
            stage="ended",
            ending="ended_without_word",
            initiator="client",
            occurred_on=ago(4),
        ),
        status="ended",
    )


def the_same_frame_looked_at_together() -> Facts:
    """A colleague was asked, and the limits were agreed a month before they began."""
    return facts(
        *(
            incident("crossing", area="time", documented=True, occurred_on=ago(days))
            for days in (80, 70, 60, 55)
        ),
        incident(
            "frame_change",
            direction="tighten",
            elements=["phone_contact", "warmth", "session_length"],
            discussed=True,
            notice_days=30,
            occurred_on=ago(25),
        ),
        consultation("supervision"),
    )


def held_as_a_method_nobody_was_asked_about() -> Facts:
    """Holding was part of the method from the first; stroking her hair was not."""
    return facts(
        incident("touch", touch="holding", consent=True, planned_method=True, times=30),
        incident("touch", touch="hair_stroking", consent=True, planned_method=False, times=2),
        incident("touch", touch="hug", times=2),
    )


def words_that_were_let_pass() -> Facts:
    """Eight days ago she said she could not go on; yesterday she said it again."""
    return facts(
        incident("risk", indicator="ambiguous_statement", occurred_on=ago(8), initiator="client"),
        incident(
            "risk",
            indicator="ambiguous_statement",
            screened=False,
            occurred_on=ago(1),
            initiator="client",
        ),
        incident("oversight", available=False, initiator="institution"),
        incident("competence_gap", reported_by="therapist"),
    )


def a_record_she_may_not_see() -> Facts:
    """The file names an illness nobody tested for, and her copy has not come."""
    return facts(
        incident("record_conflict", issue="unsupported_label", initiator="institution"),
        incident("record_request", request="access", occurred_on=ago(31), initiator="client"),
        incident("record_request", request="amendment", occurred_on=ago(31), initiator="client"),
        incident("third_party_contact", party="employer", basis="none"),
        incident("third_party_contact", party="relative", basis="consent"),
        incident("consent", process_explained=False, questions_refused=True),
        status="ended",
    )


def five_years_and_no_change() -> Facts:
    """He doubts it helps; twice he nearly stopped; an ending was named and never planned."""
    return facts(
        incident(
            "outcome",
            trend="no_benefit",
            months=60,
            times_wished_to_stop=2,
            doubt=True,
            initiator="client",
        ),
        incident("outcome", trend="unknown", doubt=True, initiator="client"),
        incident("ending", stage="raised", initiator="client"),
        promise("outcome_guarantee", keepable="doubtful", discussed_with_client=True),
    )


def a_remark_told_by_a_colleague() -> Facts:
    """What a colleague overheard is kept from the clinician; who spoke first is not known."""
    return facts(
        incident("sexual_conduct", conduct="remark", initiator="unknown"),
        incident("sexual_conduct", conduct="remark", reported_by="colleague", restricted=True),
    )
