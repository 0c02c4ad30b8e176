"""Rules about being told: how it was met, and whether the client left soon after."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

from api.domain.details import (
    Details,
    DisclosureDetails,
    EndingDetails,
    FrameChangeDetails,
    HurtfulWordsDetails,
    RoleReversalDetails,
)
from api.domain.rules.conduct import reversed_by_the_therapist, said_on_the_care_side
from api.domain.rules.facts import Facts, IncidentFact, on_the_care_side
from api.domain.rules.findings import HIGH, LOW, MODERATE, Hit, graver_in_crisis, incident_hit
from api.domain.rules.frame import is_unprepared_tightening
from api.domain.rules.moment import Moment
from api.domain.rules.said import Said, words_of
from api.domain.vocabulary import (
    DisclosureOf,
    DisclosureResponse,
    EndingReason,
    EndingStage,
    Initiator,
    Severity,
)

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
    """Ask how a disclosure was met. APA 3.01, 3.04, 10.10; ACA A.11.

    A disclosure among whose `responses` is `hostile`, `shaming`, `punitive_measure`,
    `threatened_termination` or `withdrawal_or_termination`; or `refusal_to_discuss` or
    `access_withdrawn`, where `responded_on` is no more than `disclosure_window_days` after it, or
    not known. And an ending, whether its `stage` is `raised` or `ended`, by the care side whose
    `reason` is `attachment_disclosed`, `disclosure_of_difficulty` or `client_trait`; or by the
    client's side (`initiator` is `client_side`) for one of the first two.

    Severity: moderate for an ending by the client's side; else high, and critical in a crisis.
    """
    for incident, told in facts.of(DisclosureDetails):
        if telling_was_answered_by_loss(incident, told, facts, at):
            severity = graver_in_crisis(HIGH, incident.client_impact)
            yield incident_hit(incident, at, severity, _met(told))
    for incident, ending in facts.of(EndingDetails):
        severity_of_ending = _weight_of_reason(incident, ending)
        if severity_of_ending is not None:
            was_done = ending.stage == EndingStage.ended
            name = "ending_because" if was_done else "ending_raised_because"
            said = Said(name, reason=ending.reason)
            yield incident_hit(incident, at, severity_of_ending, said)


def _met(told: DisclosureDetails) -> Said:
    return Said("disclosure_met", responses=words_of(told.responses))


def _weight_of_reason(incident: IncidentFact, ending: EndingDetails) -> Severity | None:
    """Grade an ending that answers what the client told, or is."""
    told = {EndingReason.attachment_disclosed, EndingReason.disclosure_of_difficulty}
    if on_the_care_side(incident):
        answers = ending.reason in told or ending.reason == EndingReason.client_trait
        return graver_in_crisis(HIGH, incident.client_impact) if answers else None
    by_the_clients_side = incident.initiator == Initiator.client_side
    return MODERATE if by_the_clients_side and ending.reason in told else None


def disclosure_not_taken_up(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a disclosure that nobody has come back to.

    A disclosure whose `taken_up` is false, and which was not met in a way that
    `disclosure_response` asks about.

    Severity: moderate where it is `of` a `complaint` or `followup_request`, more than
    `complaint_days` ago, and neither `responses` nor `responded_on` are recorded; else low.
    """
    waiting = {DisclosureOf.complaint, DisclosureOf.followup_request}
    for incident, told in facts.of(DisclosureDetails):
        if told.taken_up is not False or telling_was_answered_by_loss(incident, told, facts, at):
            continue
        unanswered = (
            told.of in waiting
            and not told.responses
            and told.responded_on is None
            and at.passed(facts.thresholds.complaint_days, at.day_of(incident))
        )
        severity, missing = (MODERATE, "no_answer") if unanswered else (LOW, None)
        said = Said("disclosure_not_taken_up", of=told.of)
        yield incident_hit(incident, at, severity, said, missing)


def left_after_rupture(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a client leaving soon after a strain.

    An ending whose `stage` is `ended` and whose `initiator` is `client`, or in the case of a minor
    `client_side`, on the day of a strain or no more than `rupture_days` after it; and the strain. A
    strain is a disclosure that was met in a way that `disclosure_response` asks about (the day it
    was told or the day it was answered, either), a frame change that `frame_tightened_unprepared`
    asks about, or a record that `hurtful_words` or `role_reversal` asks about.

    Severity: moderate.
    """
    leaving = {Initiator.client}
    if facts.case.is_minor is True:
        leaving.add(Initiator.client_side)
    left = [
        incident
        for incident, ending in facts.of(EndingDetails)
        if ending.stage == EndingStage.ended
        and incident.initiator in leaving
        and not on_the_care_side(incident)
    ]
    if left:
        yield from _left_soon_after(left, _strains(facts, at), facts, at)


def _strains(facts: Facts, at: Moment) -> dict[date, list[IncidentFact]]:
    """Give what strained the work, by each day on which it may be said to have."""
    on_day: dict[date, list[IncidentFact]] = defaultdict(list)
    for incident, told in facts.of(DisclosureDetails):
        if telling_was_answered_by_loss(incident, told, facts, at):
            for day in {at.day_of(incident), told.responded_on or at.day_of(incident)}:
                on_day[day].append(incident)
    for incident, change in facts.of(FrameChangeDetails):
        if is_unprepared_tightening(incident, change, facts.thresholds):
            on_day[at.day_of(incident)].append(incident)
    for incident, _ in facts.of(HurtfulWordsDetails):
        if said_on_the_care_side(incident) or incident.initiator == Initiator.disputed:
            on_day[at.day_of(incident)].append(incident)
    for incident, _ in facts.of(RoleReversalDetails):
        if reversed_by_the_therapist(incident) or incident.initiator == Initiator.disputed:
            on_day[at.day_of(incident)].append(incident)
    return on_day


def _strain(details: Details) -> Said:
    match details:
        case DisclosureDetails():
            return _met(details)
        case FrameChangeDetails(elements=elements):
            return Said("before_leaving_limit", elements=words_of(elements))
        case HurtfulWordsDetails(repeated=repeated):
            return Said("hurtful_words_repeated" if repeated else "hurtful_words_once")
        case RoleReversalDetails(form=form):
            return Said("role_reversal", form=form)
    raise ValueError("no strain")


def _left_soon_after(
    left: list[IncidentFact], strains: dict[date, list[IncidentFact]], facts: Facts, at: Moment
) -> Iterator[Hit]:
    """Say each thing once: with many of both, their pairs would be more than anybody reads."""
    days, before = sorted(strains), set[date]()
    window = timedelta(days=facts.thresholds.rupture_days)
    for incident in left:
        day = at.day_of(incident)
        soon = days[bisect_left(days, day - window) : bisect_right(days, day)]
        if soon:
            after = (day - soon[-1]).days
            said = Said("left_after", n=after) if after else Said("left_same_day")
            yield incident_hit(incident, at, MODERATE, said)
        before.update(soon)
    told = {incident.id: incident for day in before for incident in strains[day]}
    for incident in told.values():
        yield incident_hit(incident, at, MODERATE, _strain(incident.details))
