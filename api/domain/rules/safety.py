"""Rules about safety: risks, absences without cover, and what protects somebody."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from api.domain.details import (
    AbsenceDetails,
    CoerciveMeasureDetails,
    EndingDetails,
    RiskDetails,
    SafeguardingDetails,
)
from api.domain.rules.facts import Facts, IncidentFact, on_the_care_side
from api.domain.rules.findings import (
    CRITICAL,
    HIGH,
    LOW,
    MODERATE,
    Hit,
    graver_in_crisis,
    incident_hit,
)
from api.domain.rules.moment import Moment
from api.domain.rules.said import Said, words_of
from api.domain.vocabulary import (
    Determination,
    EndingReason,
    EndingStage,
    EndingWay,
    RiskIndicator,
    RiskResponse,
    Severity,
    severity_rank,
)


def absence_uncovered(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about an absence without cover or return. APA 3.12, 10.09; NASW 1.15; ACA A.12.

    An absence whose `returned` is false and whose `return_due_on` is more than `absence_grace_days`
    ago, or whose `returned` is not known and whose `return_due_on` is more than
    `return_unknown_days` ago. Any other absence whose `coverage` is false and whose `days` are
    `absence_days` or more; while `client_safety` asks about anything on the case,
    `absence_with_safety_days` or more, if those are fewer.

    Severity: critical where it is recorded that there was no return; moderate where no return is
    recorded, and where there is no cover.
    """
    endangered = any(client_safety(facts, at))
    thresholds = facts.thresholds
    # a risk may shorten the time without cover, and never lengthens it
    shorter = min(thresholds.absence_days, thresholds.absence_with_safety_days)
    least = shorter if endangered else thresholds.absence_days
    for incident, absence in facts.of(AbsenceDetails):
        due = absence.return_due_on
        if (
            due is not None
            and absence.returned is False
            and (at.passed(thresholds.absence_grace_days, due))
        ):
            yield incident_hit(incident, at, CRITICAL, Said("not_returned", due=due))
        elif (
            due is not None
            and absence.returned is None
            and (at.passed(thresholds.return_unknown_days, due))
        ):
            said = Said("absence_to_end", due=due)
            yield incident_hit(incident, at, MODERATE, said, "no_return")
        elif absence.coverage is False and absence.days >= least:
            yield incident_hit(incident, at, MODERATE, Said("not_covered", n=absence.days))


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

    A risk that is no more than `risk_distant_days` old, whoever began it. One whose `indicator` is
    `suicidal_ideation_conditional` is as old as the later of its own day and that of the latest
    ending (its `stage` is `raised` or `ended`), whoever began it. Endings that make a risk newer or
    graver are named with it. An ambiguous statement is left to `risk_unscreened`.

    Severity: by its age, up to `risk_recent_days`, up to `risk_past_days`, and older. Critical,
    high, moderate: `suicide_attempt`, `hospitalisation`, `emergency_visits`,
    `suicidal_ideation_active`, `essential_medication_stopped`, `concern_for_others`. High, high,
    moderate: `suicidal_ideation`, `suicidal_ideation_conditional`, `self_harm`,
    `substance_relapse`. Moderate, moderate, low: `suicidal_ideation_passive`,
    `considering_stopping_medication`. A `response` that is known and other than `none` or `unknown`
    makes it one step milder, and never less than low, or for a minor than moderate. It does not
    where it is older (`responded_on`, else the day of the risk) than the ending that the risk is as
    old as; nor where an ending whose `ending` is `ended_without_word` came on the day of the
    response or later.
    """
    risks = list(facts.of(RiskDetails))
    endings = _latest_endings(facts, at) if risks else _Endings([], [])
    spoke: dict[UUID, Hit] = {}
    for incident, risk in risks:
        redating = _redating(incident, risk, endings, at)
        severity = _by_age(risk, _latest(redating, at) or at.day_of(incident), facts, at)
        if severity is None:
            continue
        unsettling = [*redating]
        if risk.response not in {None, RiskResponse.none, RiskResponse.unknown}:
            unsettling = _unsettling(incident, risk, redating, endings, at)
            severity = severity if unsettling else _milder(severity, facts)
        yield incident_hit(incident, at, severity, Said("risk", indicator=risk.indicator))
        # so that whoever may not see them is not told of what they changed
        spoke |= {each.id: _ending_hit(each, at) for each in (*redating, *unsettling)}
    yield from spoke.values()


class _Endings(NamedTuple):
    """The latest endings, raised or ended, and of those without a word the latest: one, mostly."""

    last: list[IncidentFact]
    without_word: list[IncidentFact]


def _latest_endings(facts: Facts, at: Moment) -> _Endings:
    told = list(facts.of(EndingDetails))
    without_word = [i for i, ending in told if ending.ending == EndingWay.ended_without_word]
    return _Endings(_on_last_day([i for i, _ in told], at), _on_last_day(without_word, at))


def _on_last_day(incidents: list[IncidentFact], at: Moment) -> list[IncidentFact]:
    last = _latest(incidents, at)
    return [incident for incident in incidents if at.day_of(incident) == last]


def _latest(incidents: list[IncidentFact], at: Moment) -> date | None:
    return max((at.day_of(incident) for incident in incidents), default=None)


def _redating(
    incident: IncidentFact, risk: RiskDetails, endings: _Endings, at: Moment
) -> list[IncidentFact]:
    """Give the endings that bring back thoughts which were tied to one, if any did."""
    if risk.indicator != RiskIndicator.suicidal_ideation_conditional:
        return []
    return [each for each in endings.last if at.day_of(each) > at.day_of(incident)]


def _unsettling(
    incident: IncidentFact,
    risk: RiskDetails,
    redating: list[IncidentFact],
    endings: _Endings,
    at: Moment,
) -> list[IncidentFact]:
    """Give the endings that call in question what was done about a risk."""
    answered_on = risk.responded_on or at.day_of(incident)
    return [each for each in redating if at.day_of(each) > answered_on] + [
        each for each in endings.without_word if at.day_of(each) >= answered_on
    ]


def _ending_hit(incident: IncidentFact, at: Moment) -> Hit:
    ending = incident.details
    was_done = isinstance(ending, EndingDetails) and ending.stage == EndingStage.ended
    said = Said("ending_recorded" if was_done else "ending_spoken_of")
    return incident_hit(incident, at, LOW, said)


def _by_age(risk: RiskDetails, day: date, facts: Facts, at: Moment) -> Severity | None:
    thresholds = facts.thresholds
    ages = (thresholds.risk_recent_days, thresholds.risk_past_days, thresholds.risk_distant_days)
    for indicators, by_age in _RISK_BY_AGE:
        if risk.indicator in indicators:
            for days, severity in zip(ages, by_age, strict=True):
                if not at.passed(days, day):
                    return severity
    return None


def _milder(severity: Severity, facts: Facts) -> Severity:
    milder = _ONE_STEP_DOWN[severity]
    if facts.case.is_minor is True and severity_rank(milder) < severity_rank(MODERATE):
        return min(severity, MODERATE, key=severity_rank)
    return milder


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
            said = Said("ambiguous_words")
            yield incident_hit(incident, at, MODERATE, said, "no_question")


def safeguarding_unanswered(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a concern for somebody's safety. APA 4.02; ACA B.2.a; NASW 1.07.

    A concern for somebody's safety whose `present` is true. Without `reported_on`, where it became
    known `safeguarding_days` ago or more, and `duty` is true or not known. Where it was reported,
    `duty` is true and `client_told` is false, without a `rationale`.

    Severity: high where it was not reported though `duty` is true; else moderate.
    """
    days = timedelta(days=facts.thresholds.safeguarding_days)
    for incident, concern in facts.of(SafeguardingDetails):
        if concern.present is not True or concern.duty is False:
            continue
        if concern.reported_on is None:
            if at.reached(at.day_of(incident) + days):
                known, said = concern.duty is True, Said("concern", concern=concern.concern)
                missing = "no_report" if known else "no_report_nor_duty"
                yield incident_hit(incident, at, HIGH if known else MODERATE, said, missing)
        elif concern.duty is True and concern.client_told is False and not incident.documented:
            said = Said("reported_untold", concern=concern.concern, reported=concern.reported_on)
            yield incident_hit(incident, at, MODERATE, said, "no_reason")


def _for_danger(ending: EndingDetails) -> str:
    was_done = ending.stage == EndingStage.ended
    return "ending_for_danger" if was_done else "ending_raised_for_danger"


def danger_review_required(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask whether the danger that was acted on was real or mistaken. APA 10.10(b).

    A coercive measure, or an ending (its `stage` is `raised` or `ended`) by the care side whose
    `reason` is `danger_to_therapist`, of which no review found `real_danger` or
    `mistaken_for_danger`.

    Severity: high; critical in a crisis.
    """
    settled = {Determination.real_danger, Determination.mistaken_for_danger}
    told = [
        (incident, Said("measure", measures=words_of(measure.measures)))
        for incident, measure in facts.of(CoerciveMeasureDetails)
    ] + [
        (incident, Said(_for_danger(ending)))
        for incident, ending in facts.of(EndingDetails)
        if on_the_care_side(incident) and ending.reason == EndingReason.danger_to_therapist
    ]
    for incident, said in told:
        if incident.determination not in settled:
            severity = graver_in_crisis(HIGH, incident.client_impact)
            yield incident_hit(incident, at, severity, said, "no_settling_review")
