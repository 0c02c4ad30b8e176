"""The prompts: quiet hints for the case's clinician alone, in the rulebook's order."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from api.domain.details import (
    AbsenceDetails,
    ContactDetails,
    CotreatmentDetails,
    EndingDetails,
    OutcomeDetails,
    RecordingDetails,
    RiskDetails,
    SafeguardingDetails,
    SecondRoleDetails,
    SexualConductDetails,
    ThirdPartyContactDetails,
    TouchDetails,
)
from api.domain.rules.care import is_unreviewed_outcome
from api.domain.rules.conduct import (
    FROM_OUTSIDE,
    in_passing_with_precautions,
    is_sexual_word,
    was_declined,
)
from api.domain.rules.door import offer_door
from api.domain.rules.endings import ended_by_the_care_side, left_little_time, left_unplanned
from api.domain.rules.facts import Facts, IncidentFact, consulted, within_the_frame
from api.domain.rules.findings import INFO, Hit, Rule, incident_hit, promise_hit, record_hit
from api.domain.rules.frame import frequent_and_lasting, is_out_of_frame
from api.domain.rules.moment import Moment
from api.domain.rules.safety import is_unscreened, old_enough_to_have_asked
from api.domain.rules.said import Said
from api.domain.rules.touch import is_holding
from api.domain.vocabulary import (
    Initiator,
    PromiseState,
    PromptName,
    RoleTiming,
    SexualConduct,
)


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
            yield promise_hit(promise, INFO, Said("promise_without_end"))


def plan_ending(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Suggest a plan where an ending was spoken of and none has happened since.

    An ending whose `stage` is `raised`, without a `plan`, since which no ending has the `stage`
    `ended`.
    """
    for incident in left_unplanned(facts, at):
        yield incident_hit(incident, at, INFO, Said("ending_spoken_of"), "no_plan")


def offer_consultation(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Suggest another view where the outcome is in doubt, or an advance was declined.

    An outcome whose `doubt` is true, that nobody was consulted about, and of which
    `outcome_unreviewed` does not ask. And sexual conduct, that nobody was consulted about, other
    than a `relationship`, whose `initiator` is `client`, `client_side` or `third_party` and whose
    `declined` is true.
    """
    for incident, outcome in facts.of(OutcomeDetails):
        if (
            outcome.doubt is True
            and not consulted(facts, incident)
            and not is_unreviewed_outcome(incident, outcome, facts)
        ):
            said = Said("outcome_in_doubt")
            yield incident_hit(incident, at, INFO, said, "no_consultation")
    for incident, conduct in facts.of(SexualConductDetails):
        if was_declined(incident, conduct) and not consulted(facts, incident):
            said = Said("sexual_conduct_declined", conduct=conduct.conduct)
            yield incident_hit(incident, at, INFO, said, "no_consultation")


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
        if (many or mutual) and not is_out_of_frame(incident, contact, facts):
            said = Said("contact_between_sessions")
            yield incident_hit(incident, at, INFO, said, "no_limits")


def screen_distress(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Suggest asking what ambiguous words meant, while they are fresh.

    A risk whose `indicator` is `ambiguous_statement`, less than `screen_days` old, and whose
    `screened` is not true. Later `risk_unscreened` asks.
    """
    for incident, risk in facts.of(RiskDetails):
        if is_unscreened(risk) and not old_enough_to_have_asked(incident, facts, at):
            yield incident_hit(incident, at, INFO, Said("ambiguous_words"))


def clarify_roles(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Suggest making roles clear: an earlier or passing second role, or several treaters.

    A second role whose `timing` is `before_therapy` or `unknown`, or which is met in passing
    (`interaction` is `incidental`) with its `precautions` written down. And treatment by several
    clinicians whose `coordinated` is false.
    """
    for incident, role in facts.of(SecondRoleDetails):
        before_or_unknown = {RoleTiming.before_therapy, RoleTiming.unknown}
        if role.timing in before_or_unknown or in_passing_with_precautions(incident, role):
            yield incident_hit(incident, at, INFO, Said("clarify_role", role=role.role))
    for incident, cotreatment in facts.of(CotreatmentDetails):
        if cotreatment.coordinated is False:
            yield incident_hit(incident, at, INFO, Said("not_coordinated"))


def complete_record(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Suggest filling in what is not known and would decide a rule.

    Cover (`coverage`) of an absence of `absence_with_safety_days` or more whose `returned` is not
    known either; the return itself, from `absence_grace_days` after `return_due_on` on. `present`
    of a concern for somebody's safety that is no more than `safeguarding_known_days` old, and
    `duty` of one that is present. `consent` to a recording. `basis` of a contact with a third
    party. `declined` of sexual `contact` whose `initiator` is `client`, `client_side` or
    `third_party`. Who began (`initiator` is `unknown`) a sexual `remark` or `proposal`. Of an
    ending by the care side, `stage` `ended`: `planned_at_outset` where it left little time, as
    `ending_unprepared` has it, and `referral_offered` if `needs_ongoing_care` is true.
    `planned_method` of `holding` or `hair_stroking` that nobody was consulted about, and whose
    `consent` is not false.
    """
    asked: tuple[tuple[type[Any], Callable[..., Iterator[str]]], ...] = (
        (AbsenceDetails, _of_absence),
        (SafeguardingDetails, _of_concern),
        (RecordingDetails, _of_recording),
        (ThirdPartyContactDetails, _of_contact),
        (SexualConductDetails, _of_conduct),
        (EndingDetails, _of_ending),
        (TouchDetails, _of_touch),
    )
    for kind, unknowns in asked:
        for incident, details in facts.of(kind):
            missing = tuple(Said(name) for name in unknowns(incident, details, facts, at))
            if missing:
                said = Said("record_to_complete", missing=missing)
                yield record_hit(incident, at, INFO, said)


def _of_absence(
    _incident: IncidentFact, absence: AbsenceDetails, facts: Facts, at: Moment
) -> Iterator[str]:
    if absence.returned is not None:
        return
    thresholds = facts.thresholds
    if absence.coverage is None and absence.days >= thresholds.absence_with_safety_days:
        yield "missing_cover"
    grace = timedelta(days=thresholds.absence_grace_days)
    if absence.return_due_on is not None and at.reached(absence.return_due_on + grace):
        yield "missing_return"


def _of_concern(
    incident: IncidentFact, concern: SafeguardingDetails, facts: Facts, at: Moment
) -> Iterator[str]:
    days = facts.thresholds.safeguarding_known_days
    if concern.present is None and not at.passed(days, at.day_of(incident)):
        yield "missing_present"
    if concern.present is True and concern.duty is None:
        yield "missing_duty"


def _of_recording(
    _incident: IncidentFact, recording: RecordingDetails, _facts: Facts, _at: Moment
) -> Iterator[str]:
    if recording.consent is None:
        yield "missing_consent"


def _of_contact(
    _incident: IncidentFact, contact: ThirdPartyContactDetails, _facts: Facts, _at: Moment
) -> Iterator[str]:
    if contact.basis is None:
        yield "missing_basis"


def _of_conduct(
    incident: IncidentFact, conduct: SexualConductDetails, _facts: Facts, _at: Moment
) -> Iterator[str]:
    if is_sexual_word(conduct) and incident.initiator == Initiator.unknown:
        yield "missing_initiator"
    if (
        conduct.conduct == SexualConduct.contact
        and conduct.declined is None
        and incident.initiator in FROM_OUTSIDE
    ):
        yield "missing_declined"


def _of_ending(
    incident: IncidentFact, ending: EndingDetails, facts: Facts, at: Moment
) -> Iterator[str]:
    if not ended_by_the_care_side(incident, ending):
        return
    if ending.planned_at_outset is None and left_little_time(incident, ending, facts, at):
        yield "missing_outset"
    if ending.needs_ongoing_care is True and ending.referral_offered is None:
        yield "missing_referral"


def _of_touch(
    incident: IncidentFact, touch: TouchDetails, facts: Facts, _at: Moment
) -> Iterator[str]:
    unclear = touch.planned_method is None and is_holding(touch) and touch.consent is not False
    if unclear and not consulted(facts, incident):
        yield "missing_method"


PROMPTS: dict[PromptName, Rule] = {
    PromptName.clarify_open_promise: clarify_open_promise,
    PromptName.plan_ending: plan_ending,
    PromptName.offer_consultation: offer_consultation,
    PromptName.agree_contact_limits: agree_contact_limits,
    PromptName.screen_distress: screen_distress,
    PromptName.clarify_roles: clarify_roles,
    PromptName.complete_record: complete_record,
    PromptName.offer_door: offer_door,
}
