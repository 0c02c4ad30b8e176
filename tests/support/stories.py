"""The stories that this project keeps for itself."""

from collections.abc import Callable
from dataclasses import dataclass, field

from api.domain.rules.facts import Facts
from tests.domain.situations import (
    a_guard_at_the_door,
    a_leave_without_a_deputy,
    a_record_she_may_not_see,
    a_remark_told_by_a_colleague,
    a_small_island,
    a_warm_and_steady_therapy,
    ended_the_week_after_she_told_him,
    five_years_and_no_change,
    friends_of_a_kind,
    held_as_a_method_nobody_was_asked_about,
    the_frame_that_gave_way_and_was_pulled_tight,
    the_same_frame_looked_at_together,
    words_that_were_let_pass,
)
from tests.domain.situations_of_frame import (
    a_boy_who_climbs_onto_every_lap,
    a_dance_at_the_village_feast,
    a_desk_that_stayed_empty,
    a_machine_that_listens,
    a_roof_that_fell_in,
    four_meetings_a_year,
)


@dataclass(frozen=True)
class Story:
    """A situation, and all that the supervisor and the clinician are asked to look at."""

    told: Callable[[], Facts]
    flags: dict[str, str] = field(default_factory=dict)
    prompts: list[str] = field(default_factory=list)


STORIES = {
    "a warm and steady therapy": Story(a_warm_and_steady_therapy, prompts=["clarify_open_promise"]),
    "ended the week after she told him": Story(
        ended_the_week_after_she_told_him,
        {
            "disclosure_response": "critical",
            "ending_unprepared": "critical",
            "no_referral": "critical",
            "way_back_closed": "high",
            "client_safety": "high",
        },
    ),
    "a leave without a deputy": Story(
        a_leave_without_a_deputy,
        {"absence_uncovered": "moderate", "client_safety": "low"},
    ),
    "a guard at the door": Story(
        lambda: a_guard_at_the_door(None),
        {
            "danger_review_required": "high",
            "ending_unprepared": "high",
            "way_back_closed": "high",
        },
    ),
    "a guard at the door, and the danger was real": Story(
        lambda: a_guard_at_the_door("real_danger"), {"ending_unprepared": "moderate"}
    ),
    "a guard at the door, and feelings were mistaken for danger": Story(
        lambda: a_guard_at_the_door("mistaken_for_danger"),
        {"ending_unprepared": "high", "way_back_closed": "high"},
    ),
    "friends of a kind": Story(
        friends_of_a_kind,
        {
            "dual_relationship": "high",
            "contact_out_of_frame": "moderate",
            "gifts_or_money": "high",
            "role_reversal": "moderate",
            "promise_unkeepable": "high",
            "promise_unexamined": "moderate",
        },
    ),
    "a small island": Story(a_small_island, prompts=["agree_contact_limits", "clarify_roles"]),
    "the frame that gave way and was pulled tight": Story(
        the_frame_that_gave_way_and_was_pulled_tight,
        {
            "frame_drift": "moderate",
            "frame_tightened_unprepared": "high",
            "left_after_rupture": "moderate",
        },
    ),
    "the same frame looked at together": Story(the_same_frame_looked_at_together),
    "held as a method nobody was asked about": Story(
        held_as_a_method_nobody_was_asked_about, {"physical_contact": "moderate"}
    ),
    "words that were let pass": Story(
        words_that_were_let_pass,
        {"risk_unscreened": "moderate", "no_oversight": "moderate", "competence_gap": "low"},
        ["screen_distress"],
    ),
    "a record she may not see": Story(
        a_record_she_may_not_see,
        {
            "record_conflict": "high",
            "record_request_overdue": "moderate",
            "third_party_contact": "high",
            "consent_gap": "moderate",
        },
    ),
    "five years and no change": Story(
        five_years_and_no_change,
        {"outcome_unreviewed": "moderate", "promise_unkeepable": "moderate"},
        ["offer_consultation", "plan_ending"],
    ),
    "a remark told by a colleague": Story(
        a_remark_told_by_a_colleague, prompts=["complete_record"]
    ),
    "a roof that fell in": Story(a_roof_that_fell_in, {"frame_tightened_unprepared": "moderate"}),
    "a boy who climbs onto every lap": Story(
        a_boy_who_climbs_onto_every_lap,
        {
            "hurtful_words": "moderate",
            "left_after_rupture": "moderate",
        },
    ),
    "a dance at the village feast": Story(
        a_dance_at_the_village_feast,
        {"dual_relationship": "high"},
        ["clarify_roles", "offer_consultation", "plan_ending"],
    ),
    "four meetings a year": Story(four_meetings_a_year),
    "a desk that stayed empty": Story(
        a_desk_that_stayed_empty,
        {
            "absence_uncovered": "moderate",
            "fitness_to_practise": "moderate",
            "client_safety": "high",
        },
        ["complete_record"],
    ),
    "a machine that listens": Story(
        a_machine_that_listens,
        {
            "recording_without_consent": "high",
            "third_party_contact": "high",
            "disclosure_not_taken_up": "moderate",
        },
        ["complete_record"],
    ),
}
