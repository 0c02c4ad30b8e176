"""Rules about care as a whole: outcome, consent, oversight, competence, and the record."""

from collections.abc import Iterator
from datetime import timedelta

from api.domain.details import (
    CompetenceGapDetails,
    ConsentDetails,
    OutcomeDetails,
    OversightDetails,
    RecordConflictDetails,
    RecordRequestDetails,
    ThirdPartyContactDetails,
)
from api.domain.rules.facts import Facts, IncidentFact, Moment, consulted
from api.domain.rules.findings import (
    GRAVE,
    HIGH,
    LOW,
    MODERATE,
    Hit,
    counted,
    flag_hit,
    incident_hit,
    spoken,
)
from api.domain.vocabulary import (
    CaseStatus,
    ContactBasis,
    FlagStatus,
    OutcomeTrend,
    RecordIssue,
    RecordRequest,
    ReportedBy,
)


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
    """Ask whether an outcome was looked at together. APA 10.10(a); NASW 1.17.

    An outcome that nobody was consulted about, and of which either `trend` is `worse` or
    `no_benefit`, for `outcome_months` or more or in a case whose status is `ended`; or
    `times_wished_to_stop` is `wished_to_stop` or more.

    Severity: moderate.
    """
    for incident, outcome in facts.of(OutcomeDetails):
        if is_unreviewed_outcome(incident, outcome, facts, at):
            counts = counted(
                (outcome.months, "months"), (outcome.times_wished_to_stop, "times wished to stop")
            )
            how = ", ".join([spoken(outcome.trend), *counts])
            said = f"the outcome recorded {{when}} ({how}) was not yet looked at together"
            yield incident_hit(incident, at, MODERATE, said)


def consent_gap(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask what was explained at the start. APA 3.10, 10.01; ACA A.2.

    A record of consent whose `process_explained` or `goals_known` is false.

    Severity: moderate where `process_explained` is false and `harm_reported` or `questions_refused`
    is true; else low.
    """
    for incident, consent in facts.of(ConsentDetails):
        if consent.process_explained is False:
            hurt = consent.harm_reported is True or consent.questions_refused is True
            said = "the process was not explained, as recorded {when}"
            yield incident_hit(incident, at, MODERATE if hurt else LOW, said)
        elif consent.goals_known is False:
            yield incident_hit(incident, at, LOW, "the goals were not known, as recorded {when}")


def no_oversight(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask who looks: nobody answers for the work, or a grave flag waits unseen.

    A record of oversight whose `available` is false. And a flag that is high or critical, still
    `open` `oversight_days` after its `effective_at`, with no consultation on the case requested
    since then, whatever became of it.

    Severity: moderate.
    """
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
    """Ask about skills and support; honesty is not taxed. APA 2.01; ACA A.11.a.

    A competence gap that nobody was consulted about.

    Severity: low where `reported_by` is `therapist`, else moderate.
    """
    for incident, _ in facts.of(CompetenceGapDetails):
        if not consulted(facts, incident, at):
            own_word = incident.reported_by == ReportedBy.therapist
            said = "work beyond present skill or support is recorded {when}"
            yield incident_hit(incident, at, LOW if own_word else MODERATE, said)


def record_conflict(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about two versions in the record. 45 CFR 164.526; APA 6.01.

    A conflict in the record whose `issue` is `account_conflict` or `unsupported_label`.

    Severity: high.
    """
    for incident, conflict in facts.of(RecordConflictDetails):
        if conflict.issue in {RecordIssue.account_conflict, RecordIssue.unsupported_label}:
            said = f"a conflict in the record ({spoken(conflict.issue)}) is noted {{when}}"
            yield incident_hit(incident, at, HIGH, said)


def third_party_contact(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about contact with someone else without a basis. 45 CFR 164.508; APA 4.05.

    Contact with a third party whose `basis` is `none`; a basis that is not known is no such.

    Severity: high.
    """
    for incident, contact in facts.of(ThirdPartyContactDetails):
        if contact.basis == ContactBasis.none:
            said = f"contact with someone else ({spoken(contact.party)}) without a basis"
            yield incident_hit(incident, at, HIGH, f"{said} is recorded {{when}}")


def record_request_overdue(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a record request waiting. 45 CFR 164.524 (30 days), .526 and .528 (60 days).

    A record request without `answered_on`, asked more than `record_access_days` ago where `request`
    is `access` or `release`, more than `record_amendment_days` ago where it is `amendment` or
    `accounting`. It was asked on `requested_on`; where that names no other day than `occurred_on`,
    on the incident's day.

    Severity: moderate.
    """
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
