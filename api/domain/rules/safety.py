"""Rules about safety: risks, absences without cover, and measures of protection."""

from collections.abc import Iterator
from datetime import timedelta

from api.domain.details import AbsenceDetails, CoerciveMeasureDetails, RiskDetails
from api.domain.rules.facts import Facts, IncidentFact, Moment
from api.domain.rules.findings import (
    CRITICAL,
    HIGH,
    LOW,
    MODERATE,
    Hit,
    graver_in_crisis,
    incident_hit,
    listed,
    spoken,
)
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import Determination, RiskIndicator, RiskResponse, Severity


def absence_uncovered(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about an absence without cover or return. APA 3.12, 10.09; NASW 1.15; ACA A.12.

    An absence whose `returned` is false and whose `return_due_on` is more than `absence_grace_days`
    ago. Any other absence whose `coverage` is false and whose `days` are `absence_days` or more;
    while `client_safety` asks about anything on the case, `absence_with_safety_days` or more, if
    those are fewer.

    Severity: critical where there was to be a return, moderate where there is no cover.
    """
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
    """Ask about the client's safety; never grounds for ending care. Graded by age and answer.

    A risk that is no more than `risk_distant_days` old, whoever began it. An ambiguous statement is
    left to `risk_unscreened`.

    Severity: by its age, up to `risk_recent_days`, up to `risk_past_days`, and older. Critical,
    high, moderate: `suicide_attempt`, `hospitalisation`, `emergency_visits`,
    `suicidal_ideation_active`, `essential_medication_stopped`, `concern_for_others`. High, high,
    moderate: `suicidal_ideation`, `suicidal_ideation_conditional`, `self_harm`,
    `substance_relapse`. Moderate, moderate, low: `suicidal_ideation_passive`,
    `considering_stopping_medication`. A `response` that is known and other than `none` or `unknown`
    makes it one step milder, and never less than low.
    """
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
    """Ask about words that may or may not mean danger, not yet asked about.

    A risk whose `indicator` is `ambiguous_statement`, `screen_days` old or older, and whose
    `screened` is not true.

    Severity: moderate.
    """
    for incident, risk in facts.of(RiskDetails):
        if is_unscreened(risk) and old_enough_to_have_asked(incident, facts, at):
            said = "words that may or may not mean danger are recorded {when}, not yet asked about"
            yield incident_hit(incident, at, MODERATE, said)


def danger_review_required(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask whether the danger behind a protective measure was real or mistaken.

    A coercive measure of which no review found `real_danger` or `mistaken_for_danger`.

    Severity: high; critical in a crisis.
    """
    settled = {Determination.real_danger, Determination.mistaken_for_danger}
    for incident, measure in facts.of(CoerciveMeasureDetails):
        if incident.determination not in settled:
            severity = graver_in_crisis(HIGH, incident.client_impact)
            said = f"a measure {{when}} ({listed(measure.measures)}) awaits a review of the danger"
            yield incident_hit(incident, at, severity, said)
