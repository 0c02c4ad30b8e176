"""Rules about care as a whole: outcome, consent, oversight, competence, and the record."""

from collections.abc import Iterator
from datetime import timedelta

from api.domain.details import (
    CompetenceGapDetails,
    ConsentDetails,
    FitnessDetails,
    OutcomeDetails,
    OversightDetails,
    RecordConflictDetails,
    RecordingDetails,
    RecordRequestDetails,
    ThirdPartyContactDetails,
)
from api.domain.rules.facts import Facts, FlagFact, IncidentFact, consulted
from api.domain.rules.findings import (
    CRITICAL,
    GRAVE,
    HIGH,
    LOW,
    MODERATE,
    Hit,
    flag_hit,
    graver_in_crisis,
    incident_hit,
)
from api.domain.rules.moment import Moment
from api.domain.rules.said import Said, When
from api.domain.vocabulary import (
    CaseStatus,
    ContactBasis,
    FitnessSign,
    FlagStatus,
    Initiator,
    OutcomeTrend,
    RecordIssue,
    RecordRequest,
    ReportedBy,
)


def is_unreviewed_outcome(incident: IncidentFact, outcome: OutcomeDetails, facts: Facts) -> bool:
    """Tell whether an outcome asks to be looked at together, and was not yet."""
    no_better = outcome.trend in {OutcomeTrend.worse, OutcomeTrend.no_benefit}
    long_enough = outcome.months is not None and outcome.months >= facts.thresholds.outcome_months
    wished = outcome.times_wished_to_stop
    often = wished is not None and wished >= facts.thresholds.wished_to_stop
    return (
        (no_better and (long_enough or facts.case.status == CaseStatus.ended))
        or (often and incident.discussed_with_client is not True)
    ) and not consulted(facts, incident)


def outcome_unreviewed(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask whether an outcome was looked at together. APA 10.10(a); NASW 1.16.

    An outcome that nobody was consulted about, and of which either `trend` is `worse` or
    `no_benefit` (of one that is `unknown` nothing is asked), for `outcome_months` or more or in a
    case whose status is `ended`; or `times_wished_to_stop` is `wished_to_stop` or more and
    `discussed_with_client` is not true.

    Severity: moderate.
    """
    for incident, outcome in facts.of(OutcomeDetails):
        if is_unreviewed_outcome(incident, outcome, facts):
            said = Said("outcome", how=_told_of_outcome(outcome))
            yield incident_hit(incident, at, MODERATE, said, "no_consultation")


def _told_of_outcome(outcome: OutcomeDetails) -> tuple[Said, ...]:
    told = []
    if outcome.trend != OutcomeTrend.unknown:
        told.append(Said("trend", trend=outcome.trend))
    if outcome.months is not None:
        told.append(Said("months", n=outcome.months))
    if outcome.times_wished_to_stop is not None:
        told.append(Said("wished_to_stop", n=outcome.times_wished_to_stop))
    return tuple(told)


def consent_gap(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask what was explained at the start. APA 3.10, 10.01; ACA A.2.

    A record of consent whose `process_explained` or `goals_known` is false.

    Severity: moderate where `process_explained` is false and `harm_reported` or `questions_refused`
    is true; else low.
    """
    for incident, consent in facts.of(ConsentDetails):
        if consent.process_explained is False:
            hurt = consent.harm_reported is True or consent.questions_refused is True
            yield incident_hit(incident, at, MODERATE if hurt else LOW, Said("not_explained"))
        if consent.goals_known is False:
            yield incident_hit(incident, at, LOW, Said("goals_not_known"))


def no_oversight(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask who looks: nobody answers for the work, or a grave flag waits unseen. APA 2.05.

    A record of oversight whose `available` is false. And a flag that is high or critical, still
    `open` and its condition still holding `oversight_days` after its `effective_at`; since when
    none of the incidents it rests on was reviewed, and no consultation on the case requested that
    was neither `cancelled` nor `declined`.

    Severity: moderate.
    """
    for incident, oversight in facts.of(OversightDetails):
        if oversight.available is False:
            yield incident_hit(incident, at, MODERATE, Said("nobody_available"))
    waited = timedelta(days=facts.thresholds.oversight_days)
    for flag in facts.flags:
        if _waits_unseen(flag, facts) and at.reached_instant(flag.effective_at + waited):
            day = at.date_of(flag.effective_at)
            said = Said("flag_waits", severity=flag.severity, since=day)
            yield flag_hit(flag, day, MODERATE, said)


def _waits_unseen(flag: FlagFact, facts: Facts) -> bool:
    seen = (facts.last_requested_at, flag.reviewed_at)
    return (
        flag.severity in GRAVE
        and flag.status == FlagStatus.open
        and flag.holds
        and not any(each is not None and each >= flag.effective_at for each in seen)
    )


def competence_gap(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about skills and support; honesty is not taxed. APA 2.01; ACA A.11.a.

    A competence gap that nobody was consulted about.

    Severity: low where `reported_by` is `therapist`, else moderate.
    """
    for incident, _ in facts.of(CompetenceGapDetails):
        if not consulted(facts, incident):
            own_word = incident.reported_by == ReportedBy.therapist
            severity, said = LOW if own_word else MODERATE, Said("competence_gap")
            yield incident_hit(incident, at, severity, said, "no_consultation")


def fitness_to_practise(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask whether the therapist was well enough to work. APA 2.06; ACA C.2.g; NASW 4.05.

    A sign of fitness that is `intoxicated` and whose `in_session` is true; any other that nobody
    was consulted about.

    Severity: critical under the influence in a session; else low where `reported_by` is
    `therapist`, and moderate where it is anyone else.
    """
    for incident, fitness in facts.of(FitnessDetails):
        name = "fitness_in_session" if fitness.in_session is True else "fitness"
        said = Said(name, sign=fitness.sign)
        if fitness.sign == FitnessSign.intoxicated and fitness.in_session is True:
            yield incident_hit(incident, at, CRITICAL, said)
        elif not consulted(facts, incident):
            own_word = incident.reported_by == ReportedBy.therapist
            severity = LOW if own_word else MODERATE
            yield incident_hit(incident, at, severity, said, "no_consultation")


def recording_without_consent(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask whether the client agreed to be recorded, and could refuse. APA 4.03; ACA B.6.c.

    A recording whose `consent` or `may_refuse` is false.

    Severity: high where `consent` is false, else moderate.
    """
    for incident, recording in facts.of(RecordingDetails):
        if recording.consent is not False and recording.may_refuse is not False:
            continue
        name, severity = "recorded_without_choice", MODERATE
        if recording.consent is False:
            either = recording.may_refuse is False
            name = "recorded_without_consent_or_choice" if either else "recorded_without_consent"
            severity = HIGH
        yield incident_hit(incident, at, severity, Said(name, means=recording.means))


def record_conflict(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about two versions in the record. 45 CFR 164.526; APA 6.01.

    A conflict in the record whose `issue` is `account_conflict` or `unsupported_label`.

    Severity: high.
    """
    for incident, conflict in facts.of(RecordConflictDetails):
        if conflict.issue in {RecordIssue.account_conflict, RecordIssue.unsupported_label}:
            yield incident_hit(incident, at, HIGH, Said("record_conflict", issue=conflict.issue))


def _may_have_only_listened(incident: IncidentFact, contact: ThirdPartyContactDetails) -> bool:
    """Tell whether it is not known otherwise than that someone else spoke, and was told nothing."""
    others = {Initiator.third_party, Initiator.unknown}
    return incident.initiator in others and contact.content_shared is not True


def third_party_contact(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about contact with someone else without a basis. 45 CFR 164.404, .508; APA 4.05.

    Contact with a third party whose `basis` is `none`, save where a `third_party` began it, or who
    did is `unknown`, and `content_shared` is false or not known. And contact whose `basis` is not
    known, `content_shared` true and `client_informed` false, more than `informed_days` ago.

    Severity: high; critical in a crisis.
    """
    for incident, contact in facts.of(ThirdPartyContactDetails):
        severity = graver_in_crisis(HIGH, incident.client_impact)
        if contact.basis == ContactBasis.none and not _may_have_only_listened(incident, contact):
            yield incident_hit(
                incident, at, severity, Said("contact_without_basis", party=contact.party)
            )
        elif (
            contact.basis is None
            and contact.content_shared is True
            and contact.client_informed is False
            and at.passed(facts.thresholds.informed_days, at.day_of(incident))
        ):
            said = Said("shared_untold", party=contact.party)
            yield incident_hit(incident, at, severity, said, "no_basis")


def record_request_overdue(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a record request waiting. 45 CFR 164.524 (30 days), .526 and .528 (60 days).

    A record request without `answered_on`, asked more than `record_access_days` ago where `request`
    is `access` or `release`, more than `record_amendment_days` ago where it is `amendment` or
    `accounting`. It was asked on `requested_on`; where that names no other day than `occurred_on`,
    on the incident's day.

    Severity: moderate.
    """
    for incident, request in facts.of(RecordRequestDetails):
        asked, said = request.requested_on, Said("request", request=request.request)
        if asked is None or asked == incident.occurred_on:
            # nobody said another day than the incident's, which may be known to the month only
            asked = at.day_of(incident)
        else:
            said = Said("request_on_another_day", request=request.request, asked=When(asked))
        quick = request.request in {RecordRequest.access, RecordRequest.release}
        limit = (
            facts.thresholds.record_access_days if quick else facts.thresholds.record_amendment_days
        )
        if request.answered_on is None and at.passed(limit, asked):
            yield incident_hit(incident, at, MODERATE, said, "no_answer")
