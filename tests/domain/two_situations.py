"""The records of the two situations of each rule and prompt."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from api.domain.rules.facts import Facts
from api.domain.vocabulary import PromptName, RuleName
from tests.domain.builders import (
    NOW,
    Record,
    account,
    ago,
    ahead,
    consultation,
    facts,
    flag,
    incident,
    offer,
    promise,
    response,
)

R, P = RuleName, PromptName


@dataclass(frozen=True, slots=True)
class Played:
    """The records of a rule's two situations."""

    asks: Facts
    leaves_alone: Facts


def played(asks: list[Record] | Record, leaves_alone: list[Record] | Record, **case: Any) -> Played:
    """Give two cases of which both say the same of the therapy."""

    def of(told: list[Record] | Record) -> Facts:
        records = told if isinstance(told, list) else [told]
        return facts(*records, **case)

    return Played(of(asks), of(leaves_alone))


def ending(**said: Any) -> Record:
    said = {"stage": "ended", "ending": "therapist_initiated", **said}
    return incident("ending", **said)


def drift() -> list[Record]:
    return [
        incident("crossing", area="place_space", documented=True, occurred_on=ago(40)),
        incident("exception", exception="extended_sessions", documented=True, occurred_on=ago(30)),
        incident("exception", exception="reduced_fee", documented=True, occurred_on=ago(20)),
        incident("crossing", area="self_disclosure", documented=True, occurred_on=ago(10)),
    ]


def limit(**said: Any) -> Record:
    elements = ["session_frequency", "email_replies"]
    said = {"direction": "tighten", "elements": elements, "occurred_on": ago(31), **said}
    return incident("frame_change", **said)


HELD = incident("touch", touch="holding", consent=True, planned_method=True)
LEFT = ending(initiator="client", ending="client_initiated", occurred_on=ago(10))
DOUBTED = incident("competence_gap", reported_by="therapist")
ILL = incident("fitness", sign="ill", reported_by="colleague")
AFRAID = {"reason": "danger_to_therapist", "planned_at_outset": True}
TWO_WEEKS_AGO = NOW - timedelta(days=14)

PLAYED: dict[RuleName | PromptName, Played] = {
    R.promise_unkeepable: played(
        promise("personal_relationship", keepable="no"),
        promise("professional_availability", scope="within_frame", keepable="no"),
    ),
    R.promise_broken: played(
        promise("contact_or_scheduling", state="broken", significance="minor"),
        promise("information_or_explanation", due_on=ago(5), made_on=ago(20)),
    ),
    R.promise_unexamined: played(
        promise("outcome_guarantee", keepable="no", discussed_with_client=False, made_on=ago(42)),
        promise(
            "outcome_guarantee",
            keepable="no",
            discussed_with_client=True,
            state="withdrawn_with_repair",
            made_on=ago(42),
        ),
    ),
    R.dual_relationship: played(
        incident("second_role", role="business", timing="during_therapy", interaction="regular"),
        incident(
            "second_role",
            role="neighbour_or_community",
            timing="during_therapy",
            interaction="incidental",
            sealed=True,
        ),
    ),
    R.sexual_conduct: played(
        incident("sexual_conduct", conduct="remark"),
        incident("sexual_conduct", conduct="proposal", initiator="client"),
    ),
    R.contact_out_of_frame: played(
        incident(
            "contact",
            therapist_participates=True,
            days_per_week=5,
            weeks=8,
            limits_agreed=False,
        ),
        incident(
            "contact", therapist_participates=True, days_per_week=5, weeks=8, limits_agreed=True
        ),
    ),
    R.special_exceptions: played(
        [
            incident("exception", exception="email_between_sessions"),
            incident("exception", exception="extended_sessions"),
        ],
        incident("exception", exception="reduced_fee"),
    ),
    R.gifts_or_money: played(
        incident("gift", item="loan", direction="from_client", initiator="client"),
        incident("gift", item="gift", direction="from_client", initiator="client"),
    ),
    R.physical_contact: played(HELD, [HELD, consultation("supervision", about=[HELD])]),
    R.role_reversal: played(
        incident("role_reversal", form="own_distress_disclosed"),
        incident("role_reversal", form="caretaking_worry", initiator="client"),
    ),
    R.frame_tightened_unprepared: played(
        limit(discussed=False, notice_days=0),
        limit(elements=["touch"], discussed=True, notice_days=0),
    ),
    R.frame_drift: played(drift(), [*drift(), consultation(completed_at=NOW - timedelta(days=9))]),
    R.disclosure_response: played(
        incident("disclosure", of="love", responses=["shaming"], initiator="client"),
        incident(
            "disclosure",
            of="love",
            responses=["explored", "boundary_explained"],
            initiator="client",
        ),
    ),
    R.disclosure_not_taken_up: played(
        incident("disclosure", of="difficulty", responses=["dismissed"], taken_up=False),
        incident("disclosure", of="difficulty", responses=["dismissed"], taken_up=True),
    ),
    R.ending_unprepared: Played(
        facts(
            ending(planned_at_outset=False, notice_days=21, closing_sessions=6),
            started_on=ago(740),
        ),
        facts(
            ending(planned_at_outset=False, notice_days=0, referral_offered=True),
            started_on=ago(20),
        ),
    ),
    R.ending_left_open: played(
        incident("ending", stage="raised", occurred_on=ago(30)),
        incident("ending", stage="raised", occurred_on=ago(30), initiator="client"),
    ),
    R.left_after_rupture: played(
        [limit(discussed=False), LEFT], [limit(discussed=True, notice_days=30), LEFT]
    ),
    R.no_referral: played(
        ending(
            initiator="institution",
            planned_at_outset=True,
            needs_ongoing_care=True,
            referral_offered=False,
        ),
        ending(
            initiator="client",
            ending="client_initiated",
            reason="client_finances_or_move",
            needs_ongoing_care=True,
            referral_offered=False,
        ),
    ),
    R.collateral_care_loss: played(
        ending(planned_at_outset=True, collateral_loss=["medication"]),
        ending(initiator="client", ending="client_initiated", collateral_loss=["group_therapy"]),
    ),
    R.way_back_closed: played(
        ending(planned_at_outset=True, return_condition="only_if_crisis"),
        ending(initiator="client", ending="client_initiated", return_condition="never"),
    ),
    R.absence_uncovered: played(
        incident(
            "absence",
            absence="parental_leave",
            days=60,
            coverage=True,
            return_due_on=ago(42),
            occurred_on=ago(102),
        ),
        incident("absence", absence="vacation", days=30, coverage=True, return_due_on=ahead(10)),
    ),
    R.client_safety: played(
        incident("risk", indicator="suicide_attempt", initiator="client", occurred_on=ago(6)),
        incident("risk", indicator="hospitalisation", initiator="client", occurred_on=ago(730)),
    ),
    R.risk_unscreened: played(
        incident("risk", indicator="ambiguous_statement", screened=False, occurred_on=ago(7)),
        incident("risk", indicator="ambiguous_statement", screened=True, occurred_on=ago(7)),
    ),
    R.outcome_unreviewed: played(
        incident("outcome", trend="worse", months=6, initiator="client"),
        incident("outcome", trend="worse", months=1, initiator="client"),
    ),
    R.consent_gap: played(
        incident("consent", process_explained=False, questions_refused=True),
        incident("consent"),
    ),
    R.no_oversight: played(
        flag("critical", effective_at=TWO_WEEKS_AGO),
        [
            flag("critical", effective_at=TWO_WEEKS_AGO),
            consultation(status="requested", requested_at=NOW),
        ],
    ),
    R.competence_gap: played(DOUBTED, [DOUBTED, consultation("specialist")]),
    R.fitness_to_practise: played(
        incident("fitness", sign="asleep", in_session=True), [ILL, consultation("supervision")]
    ),
    R.safeguarding_unanswered: played(
        incident("safeguarding", concern="child", present=True, duty=True, occurred_on=ago(2)),
        incident("safeguarding", concern="child", present=False, occurred_on=ago(2)),
    ),
    R.recording_without_consent: played(
        incident("recording", means="video", consent=False),
        incident("recording", means="video", consent=True, may_refuse=True),
    ),
    R.record_conflict: played(
        incident("record_conflict", issue="unsupported_label"),
        incident("record_conflict", issue="other"),
    ),
    R.third_party_contact: played(
        incident("third_party_contact", party="employer", basis="none", content_shared=True),
        incident(
            "third_party_contact",
            party="relative",
            basis="none",
            content_shared=False,
            initiator="third_party",
        ),
    ),
    R.danger_review_required: played(
        ending(**AFRAID), ending(**AFRAID, determination="real_danger")
    ),
    R.crossing_undocumented: played(
        incident("crossing", area="place_space"),
        incident("crossing", area="place_space", documented=True),
    ),
    R.hurtful_words: played(
        incident("hurtful_words", about_trait=True),
        incident("hurtful_words", repeated=True, initiator="client"),
    ),
    R.record_request_overdue: played(
        incident("record_request", request="access", occurred_on=ago(35), initiator="client"),
        incident("record_request", request="amendment", occurred_on=ago(35), initiator="client"),
    ),
    R.client_not_safe: played(account(safe_now="no"), account(safe_now="yes")),
    R.client_asks_to_look: played(
        account(wants=["somebody_looks"]), account(wants=["nothing_more"])
    ),
    R.account_unanswered: played(
        account(sent_at=TWO_WEEKS_AGO, wants=["an_answer"]),
        account(sent_at=TWO_WEEKS_AGO, wants=["an_answer"], status="answered"),
    ),
    R.look_back_concern: played(response(2), response(0)),
    P.clarify_open_promise: played(
        promise("professional_availability", scope="within_frame", keepable="yes", open_ended=True),
        promise(
            "professional_availability", scope="within_frame", keepable="yes", due_on=ahead(300)
        ),
    ),
    P.plan_ending: played(
        incident("ending", stage="raised", initiator="client"),
        incident("ending", stage="raised", initiator="client", sealed=True),
    ),
    P.offer_consultation: played(
        incident("outcome", trend="mixed", doubt=True, initiator="client"),
        incident("outcome", trend="mixed", doubt=False, initiator="client"),
    ),
    P.agree_contact_limits: played(
        incident("contact", client_messages_30d=30, limits_agreed=False, initiator="client"),
        incident("contact", client_messages_30d=30, limits_agreed=True, initiator="client"),
    ),
    P.screen_distress: played(
        incident("risk", indicator="ambiguous_statement", occurred_on=ago(1)),
        incident("risk", indicator="ambiguous_statement", occurred_on=ago(1), screened=True),
    ),
    P.clarify_roles: played(
        incident("second_role", role="other", timing="before_therapy", interaction="regular"), []
    ),
    P.complete_record: played(
        ending(planned_at_outset=True, needs_ongoing_care=True),
        ending(planned_at_outset=True, needs_ongoing_care=True, referral_offered=True),
    ),
    P.offer_door: played(offer(), []),
}
