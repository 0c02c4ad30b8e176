"""The rules: what asks a supervisor to look, one short function each, in the rulebook's order.

Sources: Gutheil & Gabbard 1993 and 1998 (nine areas; crossing and violation); APA Ethics Code
3.05, 3.10, 3.12, 10.01, 10.05-10.10; ACA 2014 A.5, A.6, A.11, A.12; NASW 1.10, 1.15-1.17;
AAMFT 1.3; 45 CFR 164.501, .508, .524-.528. Not legal advice.

A rule asks "please look"; it never finds fault. Not known never counts against anyone, so every
yes-or-no is compared with `is True` or `is False`.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from api.domain.details import (
    AbsenceDetails,
    CoerciveMeasureDetails,
    CompetenceGapDetails,
    ConsentDetails,
    ContactDetails,
    CrossingDetails,
    DisclosureDetails,
    EndingDetails,
    ExceptionDetails,
    FrameChangeDetails,
    GiftDetails,
    HurtfulWordsDetails,
    OutcomeDetails,
    OversightDetails,
    RecordConflictDetails,
    RecordRequestDetails,
    RiskDetails,
    RoleReversalDetails,
    SecondRoleDetails,
    SexualConductDetails,
    ThirdPartyContactDetails,
    TouchDetails,
)
from api.domain.rules.facts import (
    Facts,
    IncidentFact,
    Moment,
    PromiseFact,
    consulted,
    on_the_care_side,
    within_the_frame,
)
from api.domain.rules.findings import (
    MOST_SENTENCES,
    Hit,
    Rule,
    counted,
    flag_hit,
    graver_in_crisis,
    incident_hit,
    listed,
    promise_hit,
    spoken,
)
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import (
    CaseStatus,
    CollateralLoss,
    ContactBasis,
    Determination,
    DisclosureResponse,
    EndingReason,
    EndingStage,
    FlagStatus,
    FrameDirection,
    GiftDirection,
    GiftItem,
    Initiator,
    Interaction,
    OutcomeTrend,
    PromiseKeepable,
    PromiseState,
    RecordIssue,
    RecordRequest,
    ReportedBy,
    ReturnCondition,
    RiskIndicator,
    RiskResponse,
    RoleReversalForm,
    RoleTiming,
    RuleName,
    SecondRole,
    Severity,
    SexualConduct,
    Significance,
    TouchKind,
)

LOW, MODERATE, HIGH, CRITICAL = Severity.low, Severity.moderate, Severity.high, Severity.critical

GRAVE = frozenset({HIGH, CRITICAL})
"""The severities of a flag that should not wait unseen for long."""

RULEBOOK_VERSION = 1
"""Raised whenever a rule's meaning changes; each flag keeps the version that raised it."""


def hard_to_keep(promise: PromiseFact) -> bool:
    """Tell whether a promise may not be kept; a therapist's door kept open is none such."""
    return promise.keepable in {PromiseKeepable.no, PromiseKeepable.doubtful} and (
        not within_the_frame(promise)
    )


def promise_unkeepable(facts: Facts, _at: Moment) -> Iterator[Hit]:
    """Ask about a promise outside the therapist's role or power. APA 3.05; NASW 1.16."""
    for promise in facts.promises:
        if promise.state in {PromiseState.open, PromiseState.disputed} and hard_to_keep(promise):
            severity = HIGH if promise.keepable == PromiseKeepable.no else MODERATE
            judged = "not keepable" if promise.keepable == PromiseKeepable.no else "hard to keep"
            yield promise_hit(promise, severity, f"{{promise}} is recorded as {judged}")


def promise_broken(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a promise not kept, or long overdue. APA 10.09; NASW 1.16."""
    for promise in facts.promises:
        if promise.state == PromiseState.broken:
            severity = HIGH if promise.significance == Significance.major else MODERATE
            severity = graver_in_crisis(severity, promise.client_impact)
            yield promise_hit(promise, severity, "{promise} is recorded as not kept")
        elif (
            promise.state == PromiseState.open
            and promise.due_on is not None
            and at.passed(facts.thresholds.overdue_grace_days, promise.due_on)
        ):
            said = f"{{promise}} was due on {promise.due_on} and is still open"
            yield promise_hit(promise, MODERATE, said)


def promise_unexamined(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a promise that may not be kept and was not talked over with the client."""
    still_felt = {
        PromiseState.open,
        PromiseState.disputed,
        PromiseState.renegotiated,
        PromiseState.withdrawn_with_repair,
    }
    for promise in facts.promises:
        if (
            hard_to_keep(promise)
            and promise.state in still_felt
            and promise.discussed_with_client is False
            and at.passed(facts.thresholds.unexamined_days, promise.made_on)
        ):
            said = "{promise} is recorded as not yet talked over with the client"
            yield promise_hit(promise, MODERATE, said)


_LESSER_ROLES = frozenset(
    {
        SecondRole.neighbour_or_community,
        SecondRole.recovery_peer,
        SecondRole.institution_employee,
    }
)


def beside_therapy(role: SecondRoleDetails) -> bool:
    """Tell whether a second role was held during therapy or begun after it."""
    return role.timing in {RoleTiming.during_therapy, RoleTiming.after_therapy}


def in_passing_with_precautions(incident: IncidentFact, role: SecondRoleDetails) -> bool:
    """Tell whether a second role was seldom met, and its precautions were written down."""
    return role.interaction == Interaction.incidental and incident.has_sealed_detail


def dual_relationship(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a second role beside therapy. APA 3.05; ACA A.5, A.6; NASW 1.06; AAMFT 1.3."""
    for incident, role in facts.of(SecondRoleDetails):
        if not beside_therapy(role) or in_passing_with_precautions(incident, role):
            continue
        lesser = (
            role.interaction == Interaction.incidental
            or role.role == SecondRole.related_cotreater
            or (
                role.role in _LESSER_ROLES
                and role.interaction == Interaction.regular
                and incident.has_sealed_detail
            )
        )
        said = (
            f"a second role ({spoken(role.role)}, {spoken(role.interaction)}) is recorded {{when}}"
        )
        yield incident_hit(incident, at, MODERATE if lesser else HIGH, said)


def is_sexual_word(conduct: SexualConductDetails) -> bool:
    """Tell a remark or proposal from contact or a relationship."""
    return conduct.conduct in {SexualConduct.remark, SexualConduct.proposal}


def sexual_conduct(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about sexual conduct; abstaining is the clinician's duty. APA 10.05-10.08; ACA A.5."""
    graded = {
        Initiator.therapist: CRITICAL,
        Initiator.mutual: CRITICAL,
        Initiator.supervisor: CRITICAL,
        Initiator.institution: CRITICAL,
        Initiator.disputed: HIGH,
    }
    for incident, conduct in facts.of(SexualConductDetails):
        severity = graded.get(incident.initiator) if is_sexual_word(conduct) else CRITICAL
        if severity is not None:
            said = f"sexual or romantic conduct ({spoken(conduct.conduct)}) is recorded {{when}}"
            yield incident_hit(incident, at, severity, said)


def frequent_and_lasting(contact: ContactDetails, thresholds: Thresholds) -> bool:
    """Tell whether contact is frequent in the week and has gone on for weeks."""
    return (
        contact.days_per_week is not None
        and contact.weeks is not None
        and contact.days_per_week >= thresholds.contact_days_per_week
        and contact.weeks >= thresholds.contact_weeks
    )


def is_out_of_frame(contact: ContactDetails, thresholds: Thresholds) -> bool:
    """Tell whether the therapist takes part in contact that the frame does not hold."""
    return contact.therapist_participates is True and (
        contact.social_meetings is True
        or (frequent_and_lasting(contact, thresholds) and contact.limits_agreed is False)
    )


def contact_out_of_frame(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about contact outside sessions in which the therapist takes part. Gutheil & Gabbard."""
    for incident, contact in facts.of(ContactDetails):
        if is_out_of_frame(contact, facts.thresholds):
            said = f"{_contact(contact)} with the therapist taking part, recorded {{when}}"
            yield incident_hit(incident, at, MODERATE, said)


def _contact(contact: ContactDetails) -> str:
    counts = counted((contact.days_per_week, "days a week"), (contact.weeks, "weeks"))
    what = "meetings outside sessions" if contact.social_meetings else "frequent contact"
    return f"{what} ({', '.join(counts)})" if counts else what


def special_exceptions(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about several running exceptions without a written reason. Gutheil & Gabbard."""
    running = [
        (incident, terms)
        for incident, terms in facts.of(ExceptionDetails)
        if not incident.documented and not (terms.ends_on and at.reached(terms.ends_on))
    ]
    if len(running) >= facts.thresholds.exceptions:
        for incident, terms in running:
            said = f"an exception ({spoken(terms.exception)}) {{when}} has no written reason"
            yield incident_hit(incident, at, MODERATE, said)


def gifts_or_money(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about loans, money, barter, and undocumented giving both ways. NASW 1.13; ACA A.10."""
    given = [
        (incident, gift)
        for incident, gift in facts.of(GiftDetails)
        if gift.item in {GiftItem.gift, GiftItem.favour} and not incident.documented
    ]
    ways = {gift.direction for _, gift in given}
    both_ways = GiftDirection.both in ways or (
        {GiftDirection.to_client, GiftDirection.from_client} <= ways
    )
    for incident, gift in facts.of(GiftDetails):
        said = f"{spoken(gift.item)} ({spoken(gift.direction)}) is recorded {{when}}"
        if gift.item == GiftItem.loan:
            yield incident_hit(incident, at, HIGH, said)
        elif gift.item in {GiftItem.money, GiftItem.barter}:
            yield incident_hit(incident, at, MODERATE, said)
        elif both_ways and not incident.documented:
            yield incident_hit(incident, at, MODERATE, f"{said} without a written reason")


def is_holding(touch: TouchDetails) -> bool:
    """Tell the touches that are used as comfort from all the others."""
    return touch.touch in {TouchKind.holding, TouchKind.hair_stroking}


def physical_contact(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about touch; a handshake is courtesy. APA 3.05; Gutheil & Gabbard (nine areas)."""
    touches = [(i, t) for i, t in facts.of(TouchDetails) if t.touch != TouchKind.handshake]
    alone = [(i, t) for i, t in touches if not consulted(facts, i, at)]
    held = sum(t.times or 1 for _, t in alone if is_holding(t) and t.planned_method is False)
    others = [(i, t) for i, t in alone if not is_holding(t) and t.consent is not False]
    often = facts.thresholds.touch_times
    otherwise = sum(t.times or 1 for _, t in others)
    for incident, touch in touches:
        if touch.consent is False:
            yield incident_hit(incident, at, HIGH, _touched(touch, "without consent"))
    for incident, touch in alone:
        if is_holding(touch) and touch.consent is not False and touch.planned_method is not None:
            unplanned = touch.planned_method is False
            how = "not part of a planned method" if unplanned else "as a planned method"
            severity = HIGH if unplanned and held >= often else MODERATE
            yield incident_hit(incident, at, severity, _touched(touch, how))
    if otherwise >= often:
        for incident, touch in others:
            yield incident_hit(incident, at, MODERATE, _touched(touch, f"{otherwise} in all"))


def _touched(touch: TouchDetails, how: str) -> str:
    times = f", {touch.times} times" if touch.times else ""
    return f"touch ({spoken(touch.touch)}{times}; {how}) is recorded {{when}}"


def role_reversal(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask whose needs were met. APA 3.05; Gutheil & Gabbard (self-disclosure)."""
    begun = [
        (incident, reversal)
        for incident, reversal in facts.of(RoleReversalDetails)
        if incident.initiator in {Initiator.therapist, Initiator.mutual}
    ]
    lesser = {RoleReversalForm.own_distress_disclosed, RoleReversalForm.caretaking_worry}
    for incident, reversal in begun:
        severity = MODERATE if reversal.form in lesser and len(begun) == 1 else HIGH
        said = f"the client meeting the therapist's needs ({spoken(reversal.form)}) is recorded"
        yield incident_hit(incident, at, severity, f"{said} {{when}}")


def is_unprepared_tightening(
    incident: IncidentFact, change: FrameChangeDetails, thresholds: Thresholds
) -> bool:
    """Tell whether a limit was drawn, not by the client, without talk or notice beforehand."""
    return (
        change.direction == FrameDirection.tighten
        # who began it must be known: not known never counts against anyone
        and incident.initiator not in {Initiator.client, Initiator.unknown}
        and (
            change.discussed is False
            or (
                change.notice_days is not None
                and change.notice_days < thresholds.tightening_notice_days
            )
        )
    )


def frame_tightened_unprepared(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask how a limit was drawn; drawing it is never the fault. Gutheil & Gabbard 1998."""
    for incident, change in facts.of(FrameChangeDetails):
        if is_unprepared_tightening(incident, change, facts.thresholds):
            weighty = len(set(change.elements)) >= facts.thresholds.tightening_elements
            severity = graver_in_crisis(HIGH if weighty else MODERATE, incident.client_impact)
            notice = "" if change.notice_days is None else f", {change.notice_days} days of notice"
            said = f"a tighter frame {{when}} ({listed(change.elements)}{notice}) came unprepared"
            yield incident_hit(incident, at, severity, said)


def frame_drift(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about many departures in a short time. Gutheil & Gabbard 1993 (the slippery slope)."""
    recent = [
        incident
        for incident in facts.incidents
        if _is_departure(incident)
        and not at.passed(facts.thresholds.drift_days, at.day_of(incident))
    ]
    if len(recent) < facts.thresholds.drift_departures:
        return
    latest = max(at.day_of(incident) for incident in recent)
    if any(at.day_of(i) == latest and not consulted(facts, i, at) for i in recent):
        for incident in recent:
            kind = incident.details.kind.replace("_", " ")
            said = f"{kind} {{when}}, one of {len(recent)} departures"
            yield incident_hit(incident, at, MODERATE, said)


def _is_departure(incident: IncidentFact) -> bool:
    match incident.details:
        case FrameChangeDetails(direction=direction):
            return direction == FrameDirection.loosen
        case CrossingDetails() | ExceptionDetails():
            return True
        case _:
            return False


_HARSH_RESPONSES = frozenset(
    {
        DisclosureResponse.hostile,
        DisclosureResponse.shaming,
        DisclosureResponse.punitive_measure,
        DisclosureResponse.threatened_termination,
        DisclosureResponse.withdrawal_or_termination,
    }
)
_CLOSED_DOORS = frozenset(
    {DisclosureResponse.refusal_to_discuss, DisclosureResponse.access_withdrawn}
)
_TOLD_REASONS = frozenset(
    {EndingReason.attachment_disclosed, EndingReason.disclosure_of_difficulty}
)


def telling_was_answered_by_loss(
    incident: IncidentFact, told: DisclosureDetails, facts: Facts, at: Moment
) -> bool:
    """Tell whether a disclosure was met harshly, or by a closed door soon after it."""
    if _HARSH_RESPONSES.intersection(told.responses):
        return True
    window = timedelta(days=facts.thresholds.disclosure_window_days)
    soon = told.responded_on is None or told.responded_on - at.day_of(incident) <= window
    return soon and not _CLOSED_DOORS.isdisjoint(told.responses)


def disclosure_response(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask how a disclosure was met. APA 3.04, 10.10; ACA A.11."""
    for incident, told in facts.of(DisclosureDetails):
        if telling_was_answered_by_loss(incident, told, facts, at):
            severity = graver_in_crisis(HIGH, incident.client_impact)
            said = f"the disclosure {{when}} was answered with: {listed(told.responses)}"
            yield incident_hit(incident, at, severity, said)
    for incident, ending in facts.of(EndingDetails):
        if on_the_care_side(incident) and ending.reason in _TOLD_REASONS:
            severity = graver_in_crisis(HIGH, incident.client_impact)
            said = f"the ending {ending.stage} {{when}} has as its reason: {spoken(ending.reason)}"
            yield incident_hit(incident, at, severity, said)


def disclosure_not_taken_up(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a disclosure that nobody has come back to."""
    for incident, told in facts.of(DisclosureDetails):
        met_so = telling_was_answered_by_loss(incident, told, facts, at)
        if told.taken_up is False and not met_so:
            said = f"the disclosure {{when}} ({spoken(told.of)}) is recorded as not taken up"
            yield incident_hit(incident, at, LOW, said)


def ended_by_the_care_side(incident: IncidentFact, ending: EndingDetails) -> bool:
    """Tell whether therapy, or agreed contact, was ended by those who gave it."""
    return ending.stage == EndingStage.ended and on_the_care_side(incident)


def left_little_time(ending: EndingDetails, thresholds: Thresholds) -> bool:
    """Tell whether an ending is known to have been abrupt, short of notice or of sessions."""
    return (
        ending.abrupt is True
        or (ending.notice_days is not None and ending.notice_days < thresholds.ending_notice_days)
        or (
            ending.closing_sessions is not None
            and ending.closing_sessions < thresholds.closing_sessions
        )
    )


def ending_unprepared(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about an ending without preparation. APA 10.09, 10.10; ACA A.11, A.12; NASW 1.17."""
    for incident, ending in facts.of(EndingDetails):
        if (
            ended_by_the_care_side(incident, ending)
            and ending.planned_at_outset is False
            and left_little_time(ending, facts.thresholds)
        ):
            severity = graver_in_crisis(HIGH, incident.client_impact)
            if incident.determination == Determination.real_danger:
                severity = MODERATE
            said = f"the ending {{when}} was not planned at the outset ({_time_left(ending)})"
            yield incident_hit(incident, at, severity, said)


def _time_left(ending: EndingDetails) -> str:
    counts = counted(
        (ending.notice_days, "days of notice"), (ending.closing_sessions, "closing sessions")
    )
    return ", ".join((["abrupt"] if ending.abrupt else []) + counts)


def left_after_rupture(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a client leaving soon after a rupture."""
    ruptures = [
        incident
        for incident, told in facts.of(DisclosureDetails)
        if telling_was_answered_by_loss(incident, told, facts, at)
    ] + [
        incident
        for incident, change in facts.of(FrameChangeDetails)
        if is_unprepared_tightening(incident, change, facts.thresholds)
    ]
    left = [
        incident
        for incident, ending in facts.of(EndingDetails)
        if ending.stage == EndingStage.ended and incident.initiator == Initiator.client
    ]
    if left:
        yield from _left_soon_after(ruptures, left, facts, at)


def _left_soon_after(
    ruptures: Iterable[IncidentFact], left: Iterable[IncidentFact], facts: Facts, at: Moment
) -> Iterator[Hit]:
    """Say each thing once: with many of both, their pairs would be more than anybody reads."""
    on_day: dict[date, list[IncidentFact]] = defaultdict(list)
    for rupture in ruptures:
        on_day[at.day_of(rupture)].append(rupture)
    days, before = sorted(on_day), set[date]()
    window = timedelta(days=facts.thresholds.rupture_days)
    for incident in left:
        day = at.day_of(incident)
        soon = days[bisect_left(days, day - window) : bisect_right(days, day)]
        # the nearest are said, and no more than anybody is told of; the evidence names all
        for of_rupture in soon[-MOST_SENTENCES:]:
            after = (day - of_rupture).days
            said = f"the client left {{when}}, {after} days after a rupture"
            yield incident_hit(incident, at, MODERATE, said)
        before.update(soon)
    for rupture in (each for day in before for each in on_day[day]):
        yield incident_hit(rupture, at, MODERATE, "there was a rupture {when}")


def no_referral(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about onward care after an ending. APA 10.10(c); ACA A.11.c; NASW 1.17."""
    for incident, ending in facts.of(EndingDetails):
        if (
            ended_by_the_care_side(incident, ending)
            and ending.needs_ongoing_care is True
            and ending.referral_offered is False
        ):
            severity = graver_in_crisis(HIGH, incident.client_impact)
            said = "the ending {when} left a need for care, and no referral was offered"
            yield incident_hit(incident, at, severity, said)


def collateral_care_loss(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask what else was lost with an ending. NASW 1.17; 45 CFR 164.508."""
    vital = {CollateralLoss.medical_care, CollateralLoss.medication}
    for incident, ending in facts.of(EndingDetails):
        if ending.stage == EndingStage.ended and ending.collateral_loss:
            severity = HIGH if vital.isdisjoint(ending.collateral_loss) else CRITICAL
            said = f"with the ending {{when}} was also lost: {listed(ending.collateral_loss)}"
            yield incident_hit(incident, at, severity, said)


def way_back_closed(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a way back that is closed or open only in a crisis. ACA A.12; APA 10.10."""
    for incident, ending in facts.of(EndingDetails):
        if (
            ending.stage == EndingStage.ended
            and ending.return_condition in {ReturnCondition.only_if_crisis, ReturnCondition.never}
            and incident.determination != Determination.real_danger
        ):
            said = f"after the ending {{when}} the way back is: {spoken(ending.return_condition)}"
            yield incident_hit(incident, at, HIGH, said)


def absence_uncovered(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about an absence without cover or return. APA 3.12, 10.09; NASW 1.15; ACA A.12."""
    endangered = any(client_safety(facts, at))
    thresholds = facts.thresholds
    # a risk may shorten the time without cover, and never lengthens it
    shorter = min(thresholds.absence_days, thresholds.absence_with_safety_days)
    least = shorter if endangered else thresholds.absence_days
    for incident, absence in facts.of(AbsenceDetails):
        due = absence.return_due_on
        if (
            absence.returned is False
            and due is not None
            and at.passed(thresholds.absence_grace_days, due)
        ):
            said = f"the absence {{when}} was to end on {due}, and there has been no return"
            yield incident_hit(incident, at, CRITICAL, said)
        elif absence.coverage is False and absence.days >= least:
            said = f"the absence of {absence.days} days {{when}} has no cover"
            yield incident_hit(incident, at, MODERATE, said)


_GRAVE_RISKS = frozenset(
    {
        RiskIndicator.suicide_attempt,
        RiskIndicator.hospitalisation,
        RiskIndicator.emergency_visits,
        RiskIndicator.suicidal_ideation_active,
        RiskIndicator.essential_medication_stopped,
        RiskIndicator.concern_for_others,
    }
)
_SERIOUS_RISKS = frozenset(
    {
        RiskIndicator.suicidal_ideation,
        RiskIndicator.suicidal_ideation_conditional,
        RiskIndicator.self_harm,
        RiskIndicator.substance_relapse,
    }
)
_EARLY_RISKS = frozenset(
    {RiskIndicator.suicidal_ideation_passive, RiskIndicator.considering_stopping_medication}
)
_RISK_BY_AGE = (
    (_GRAVE_RISKS, (CRITICAL, HIGH, MODERATE)),
    (_SERIOUS_RISKS, (HIGH, HIGH, MODERATE)),
    (_EARLY_RISKS, (MODERATE, MODERATE, LOW)),
)
_ONE_STEP_DOWN = {CRITICAL: HIGH, HIGH: MODERATE, MODERATE: LOW, LOW: LOW}


def client_safety(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about the client's safety; never grounds for ending care. Graded by age and answer."""
    for incident, risk in facts.of(RiskDetails):
        severity = _risk_severity(incident, risk, facts.thresholds, at)
        if severity is not None:
            said = f"a risk ({spoken(risk.indicator)}) is recorded {{when}}"
            yield incident_hit(incident, at, severity, said)


def _risk_severity(
    incident: IncidentFact, risk: RiskDetails, thresholds: Thresholds, at: Moment
) -> Severity | None:
    ages = (thresholds.risk_recent_days, thresholds.risk_past_days, thresholds.risk_distant_days)
    answered = risk.response not in {None, RiskResponse.none, RiskResponse.unknown}
    for indicators, by_age in _RISK_BY_AGE:
        if risk.indicator in indicators:
            for days, severity in zip(ages, by_age, strict=True):
                if not at.passed(days, at.day_of(incident)):
                    return _ONE_STEP_DOWN[severity] if answered else severity
    return None


def is_unscreened(risk: RiskDetails) -> bool:
    """Tell whether nobody has yet asked what ambiguous words meant."""
    return risk.indicator == RiskIndicator.ambiguous_statement and risk.screened is not True


def old_enough_to_have_asked(incident: IncidentFact, facts: Facts, at: Moment) -> bool:
    """Tell whether there was time to ask about ambiguous words."""
    return at.reached(at.day_of(incident) + timedelta(days=facts.thresholds.screen_days))


def risk_unscreened(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about words that may or may not mean danger, not yet asked about."""
    for incident, risk in facts.of(RiskDetails):
        if is_unscreened(risk) and old_enough_to_have_asked(incident, facts, at):
            said = "words that may or may not mean danger are recorded {when}, not yet asked about"
            yield incident_hit(incident, at, MODERATE, said)


def is_unreviewed_outcome(
    incident: IncidentFact, outcome: OutcomeDetails, facts: Facts, at: Moment
) -> bool:
    """Tell whether an outcome asks to be looked at together, and was not yet."""
    no_better = outcome.trend in {OutcomeTrend.worse, OutcomeTrend.no_benefit}
    long_enough = outcome.months is not None and outcome.months >= facts.thresholds.outcome_months
    wished = outcome.times_wished_to_stop
    return (
        (no_better and (long_enough or facts.case_status == CaseStatus.ended))
        or (wished is not None and wished >= facts.thresholds.wished_to_stop)
    ) and not consulted(facts, incident, at)


def outcome_unreviewed(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask whether an outcome was looked at together. APA 10.10(a); NASW 1.17."""
    for incident, outcome in facts.of(OutcomeDetails):
        if is_unreviewed_outcome(incident, outcome, facts, at):
            counts = counted(
                (outcome.months, "months"), (outcome.times_wished_to_stop, "times wished to stop")
            )
            how = ", ".join([spoken(outcome.trend), *counts])
            said = f"the outcome recorded {{when}} ({how}) was not yet looked at together"
            yield incident_hit(incident, at, MODERATE, said)


def consent_gap(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask what was explained at the start. APA 3.10, 10.01; ACA A.2."""
    for incident, consent in facts.of(ConsentDetails):
        if consent.process_explained is False:
            hurt = consent.harm_reported is True or consent.questions_refused is True
            said = "the process was not explained, as recorded {when}"
            yield incident_hit(incident, at, MODERATE if hurt else LOW, said)
        elif consent.goals_known is False:
            yield incident_hit(incident, at, LOW, "the goals were not known, as recorded {when}")


def no_oversight(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask who looks: nobody answers for the work, or a grave flag waits unseen."""
    for incident, oversight in facts.of(OversightDetails):
        if oversight.available is False:
            said = "oversight is recorded {when} as not available"
            yield incident_hit(incident, at, MODERATE, said)
    waited = timedelta(days=facts.thresholds.oversight_days)
    asked = facts.last_requested_at
    for flag in facts.flags:
        if (
            flag.severity in GRAVE
            and flag.status == FlagStatus.open
            and not (asked is not None and asked >= flag.effective_at)
            and at.reached_instant(flag.effective_at + waited)
        ):
            day = at.date_of(flag.effective_at)
            said = f"a flag of severity {flag.severity} has been open since {day}"
            yield flag_hit(flag, day, MODERATE, said)


def competence_gap(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about skills and support; honesty is not taxed. APA 2.01; ACA A.11.a."""
    for incident, _ in facts.of(CompetenceGapDetails):
        if not consulted(facts, incident, at):
            own_word = incident.reported_by == ReportedBy.therapist
            said = "work beyond present skill or support is recorded {when}"
            yield incident_hit(incident, at, LOW if own_word else MODERATE, said)


def record_conflict(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about two versions in the record. 45 CFR 164.526; APA 6.01."""
    for incident, conflict in facts.of(RecordConflictDetails):
        if conflict.issue in {RecordIssue.account_conflict, RecordIssue.unsupported_label}:
            said = f"a conflict in the record ({spoken(conflict.issue)}) is noted {{when}}"
            yield incident_hit(incident, at, HIGH, said)


def third_party_contact(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about contact with someone else without a basis. 45 CFR 164.508; APA 4.05."""
    for incident, contact in facts.of(ThirdPartyContactDetails):
        if contact.basis == ContactBasis.none:
            said = f"contact with someone else ({spoken(contact.party)}) without a basis"
            yield incident_hit(incident, at, HIGH, f"{said} is recorded {{when}}")


def danger_review_required(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask whether the danger behind a protective measure was real or mistaken."""
    settled = {Determination.real_danger, Determination.mistaken_for_danger}
    for incident, measure in facts.of(CoerciveMeasureDetails):
        if incident.determination not in settled:
            severity = graver_in_crisis(HIGH, incident.client_impact)
            said = f"a measure {{when}} ({listed(measure.measures)}) awaits a review of the danger"
            yield incident_hit(incident, at, severity, said)


def crossing_undocumented(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask for the written reason of a departure. Gutheil & Gabbard 1993."""
    for incident, crossing in facts.of(CrossingDetails):
        if not incident.documented:
            said = f"a departure {{when}} ({spoken(crossing.area)}) has no written reason"
            yield incident_hit(incident, at, LOW, said)


def hurtful_words(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about words reported as hurtful. APA 3.04."""
    speakers = {Initiator.therapist, Initiator.supervisor, Initiator.institution}
    spoken_words = [
        (incident, words)
        for incident, words in facts.of(HurtfulWordsDetails)
        if incident.initiator in speakers
    ]
    for incident, words in spoken_words:
        severity = HIGH if words.repeated or len(spoken_words) > 1 else MODERATE
        how = "repeatedly" if words.repeated else "once"
        said = f"words that hurt the client are recorded {{when}} ({how})"
        yield incident_hit(incident, at, severity, said)


def record_request_overdue(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a record request waiting. 45 CFR 164.524 (30 days), .526 and .528 (60 days)."""
    for incident, request in facts.of(RecordRequestDetails):
        asked, when = request.requested_on, f"on {request.requested_on}"
        if asked is None or asked == incident.occurred_on:
            # nobody said another day than the incident's, which may be known to the month only
            asked, when = at.day_of(incident), "{when}"
        quick = request.request in {RecordRequest.access, RecordRequest.release}
        limit = (
            facts.thresholds.record_access_days if quick else facts.thresholds.record_amendment_days
        )
        if request.answered_on is None and at.passed(limit, asked):
            said = f"a request ({spoken(request.request)}) asked {when} has no answer yet"
            yield incident_hit(incident, at, MODERATE, said)


RULES: dict[RuleName, Rule] = {
    RuleName.promise_unkeepable: promise_unkeepable,
    RuleName.promise_broken: promise_broken,
    RuleName.promise_unexamined: promise_unexamined,
    RuleName.dual_relationship: dual_relationship,
    RuleName.sexual_conduct: sexual_conduct,
    RuleName.contact_out_of_frame: contact_out_of_frame,
    RuleName.special_exceptions: special_exceptions,
    RuleName.gifts_or_money: gifts_or_money,
    RuleName.physical_contact: physical_contact,
    RuleName.role_reversal: role_reversal,
    RuleName.frame_tightened_unprepared: frame_tightened_unprepared,
    RuleName.frame_drift: frame_drift,
    RuleName.disclosure_response: disclosure_response,
    RuleName.disclosure_not_taken_up: disclosure_not_taken_up,
    RuleName.ending_unprepared: ending_unprepared,
    RuleName.left_after_rupture: left_after_rupture,
    RuleName.no_referral: no_referral,
    RuleName.collateral_care_loss: collateral_care_loss,
    RuleName.way_back_closed: way_back_closed,
    RuleName.absence_uncovered: absence_uncovered,
    RuleName.client_safety: client_safety,
    RuleName.risk_unscreened: risk_unscreened,
    RuleName.outcome_unreviewed: outcome_unreviewed,
    RuleName.consent_gap: consent_gap,
    RuleName.no_oversight: no_oversight,
    RuleName.competence_gap: competence_gap,
    RuleName.record_conflict: record_conflict,
    RuleName.third_party_contact: third_party_contact,
    RuleName.danger_review_required: danger_review_required,
    RuleName.crossing_undocumented: crossing_undocumented,
    RuleName.hurtful_words: hurtful_words,
    RuleName.record_request_overdue: record_request_overdue,
}
