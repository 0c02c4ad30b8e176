"""The prompts: quiet hints for the case's clinician alone, in the rulebook's order."""

from collections.abc import Iterator

from api.domain.details import (
    AbsenceDetails,
    ContactDetails,
    CotreatmentDetails,
    EndingDetails,
    OutcomeDetails,
    RiskDetails,
    SecondRoleDetails,
    SexualConductDetails,
    TouchDetails,
)
from api.domain.rules.care import is_unreviewed_outcome
from api.domain.rules.conduct import (
    beside_therapy,
    in_passing_with_precautions,
    is_holding,
    is_sexual_word,
)
from api.domain.rules.facts import Facts, IncidentFact, Moment, consulted, within_the_frame
from api.domain.rules.findings import Hit, Rule, incident_hit, promise_hit
from api.domain.rules.frame import (
    ended_by_the_care_side,
    frequent_and_lasting,
    is_out_of_frame,
    left_little_time,
)
from api.domain.rules.safety import is_unscreened, old_enough_to_have_asked
from api.domain.vocabulary import (
    EndingStage,
    Initiator,
    PromiseState,
    PromptName,
    RoleTiming,
    Severity,
)

INFO = Severity.info


def clarify_open_promise(facts: Facts, _at: Moment) -> Iterator[Hit]:
    """Suggest saying what an open-ended promise to stay available means.

    A promise within the frame that is `open_ended`, and whose `state` is `open` or `disputed`.
    """
    for promise in facts.promises:
        if (
            promise.state in {PromiseState.open, PromiseState.disputed}
            and promise.open_ended
            and within_the_frame(promise)
        ):
            yield promise_hit(promise, INFO, "{promise} has no end")


def plan_ending(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Suggest a plan where an ending was spoken of and none has happened.

    An ending without a `plan`, in a case where no ending has the `stage` `ended`.
    """
    endings = list(facts.of(EndingDetails))
    if any(ending.stage == EndingStage.ended for _, ending in endings):
        return
    for incident, _ in endings:
        if not incident.has_sealed_detail:
            yield incident_hit(incident, at, INFO, "an ending was raised {when}, without a plan")


def offer_consultation(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Suggest another view where the outcome is in doubt.

    An outcome whose `doubt` is true, that nobody was consulted about, and of which
    `outcome_unreviewed` does not ask.
    """
    for incident, outcome in facts.of(OutcomeDetails):
        if (
            outcome.doubt is True
            and not consulted(facts, incident, at)
            and not is_unreviewed_outcome(incident, outcome, facts, at)
        ):
            yield incident_hit(incident, at, INFO, "the outcome recorded {when} is in doubt")


def agree_contact_limits(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Suggest limits for contact between sessions, where none are known.

    Contact where `client_messages_30d` is `client_messages` or more, and neither
    `therapist_participates` nor `limits_agreed` is true; or where `therapist_participates` is true,
    `limits_agreed` is not known, and the contact is frequent and lasting (`days_per_week` is
    `contact_days_per_week` or more, and `weeks` is `contact_weeks` or more). Not where
    `contact_out_of_frame` asks about it.
    """
    thresholds = facts.thresholds
    for incident, contact in facts.of(ContactDetails):
        messages = contact.client_messages_30d
        many = (
            messages is not None
            and messages >= thresholds.client_messages
            and contact.therapist_participates is not True
            and contact.limits_agreed is not True
        )
        mutual = (
            contact.therapist_participates is True
            and frequent_and_lasting(contact, thresholds)
            and contact.limits_agreed is None
        )
        if (many or mutual) and not is_out_of_frame(contact, thresholds):
            said = "frequent contact between sessions is recorded {when}, without agreed limits"
            yield incident_hit(incident, at, INFO, said)


def screen_distress(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Suggest asking what ambiguous words meant, while they are fresh.

    A risk whose `indicator` is `ambiguous_statement`, less than `screen_days` old, and whose
    `screened` is not true. Later `risk_unscreened` asks.
    """
    for incident, risk in facts.of(RiskDetails):
        if is_unscreened(risk) and not old_enough_to_have_asked(incident, facts, at):
            said = "words that may or may not mean danger are recorded {when}"
            yield incident_hit(incident, at, INFO, said)


def clarify_roles(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Suggest making roles clear: an earlier or passing second role, or several treaters.

    A second role whose `timing` is `before_therapy` or `unknown`, or which is met in passing
    (`interaction` is `incidental`) with its `precautions` written down, so that `dual_relationship`
    does not ask about it. And treatment by several clinicians whose `coordinated` is false.
    """
    for incident, role in facts.of(SecondRoleDetails):
        if role.timing in {RoleTiming.before_therapy, RoleTiming.unknown} or (
            beside_therapy(role) and in_passing_with_precautions(incident, role)
        ):
            yield incident_hit(incident, at, INFO, "a second role is recorded {when}")
    for incident, cotreatment in facts.of(CotreatmentDetails):
        if cotreatment.coordinated is False:
            said = "treatment by several clinicians, not yet coordinated, is recorded {when}"
            yield incident_hit(incident, at, INFO, said)


def complete_record(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Suggest filling in what is not known and would decide a rule.

    Cover (`coverage`) of an absence of `absence_with_safety_days` or more whose `returned` is not
    known either. Who began (`initiator` is `unknown`) a sexual `remark` or `proposal`.
    `planned_at_outset` of an ending by the care side, `stage` `ended`, that left little time, as
    `ending_unprepared` has it; where that is not asked, `referral_offered`, if `needs_ongoing_care`
    is true. `planned_method` of `holding` or `hair_stroking` that nobody was consulted about, and
    whose `consent` is not false.
    """
    for incident in facts.incidents:
        missing = _deciding_unknown(incident, facts, at)
        if missing is not None:
            said = f"the record of what happened {{when}} does not yet say {missing}"
            yield incident_hit(incident, at, INFO, said)


def _deciding_unknown(incident: IncidentFact, facts: Facts, at: Moment) -> str | None:
    """Name the unknown that would decide a rule, or give None."""
    match incident.details:
        case AbsenceDetails(returned=None, coverage=None, days=days) if (
            days >= facts.thresholds.absence_with_safety_days
        ):
            return "whether the absence was covered"
        case SexualConductDetails() as conduct if (
            is_sexual_word(conduct) and incident.initiator == Initiator.unknown
        ):
            return "who began it"
        case EndingDetails() as ending if ended_by_the_care_side(incident, ending):
            if ending.planned_at_outset is None and left_little_time(ending, facts.thresholds):
                return "whether the ending was planned at the outset"
            if ending.needs_ongoing_care is True and ending.referral_offered is None:
                return "whether a referral was offered"
        case TouchDetails(planned_method=None) as touch if (
            is_holding(touch) and touch.consent is not False
        ):
            if not consulted(facts, incident, at):
                return "whether the touch was part of a planned method"
    return None


PROMPTS: dict[PromptName, Rule] = {
    PromptName.clarify_open_promise: clarify_open_promise,
    PromptName.plan_ending: plan_ending,
    PromptName.offer_consultation: offer_consultation,
    PromptName.agree_contact_limits: agree_contact_limits,
    PromptName.screen_distress: screen_distress,
    PromptName.clarify_roles: clarify_roles,
    PromptName.complete_record: complete_record,
}
