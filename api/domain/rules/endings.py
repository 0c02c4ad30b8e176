"""Rules about being told, and about endings: how they came, and what they left."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from api.domain.details import DisclosureDetails, EndingDetails, FrameChangeDetails
from api.domain.rules.facts import Facts, IncidentFact, Moment, on_the_care_side
from api.domain.rules.findings import (
    CRITICAL,
    HIGH,
    LOW,
    MODERATE,
    MOST_SENTENCES,
    Hit,
    counted,
    graver_in_crisis,
    incident_hit,
    listed,
    spoken,
)
from api.domain.rules.frame import (
    ended_by_the_care_side,
    is_unprepared_tightening,
    left_little_time,
)
from api.domain.vocabulary import (
    CollateralLoss,
    Determination,
    DisclosureResponse,
    EndingReason,
    EndingStage,
    Initiator,
    ReturnCondition,
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
    """Ask how a disclosure was met. APA 3.04, 10.10; ACA A.11.

    A disclosure among whose `responses` is `hostile`, `shaming`, `punitive_measure`,
    `threatened_termination` or `withdrawal_or_termination`; or `refusal_to_discuss` or
    `access_withdrawn`, where `responded_on` is no more than `disclosure_window_days` after it, or
    not known. And an ending, raised or ended, by the care side whose `reason` is
    `attachment_disclosed` or `disclosure_of_difficulty`.

    Severity: high; critical in a crisis.
    """
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
    """Ask about a disclosure that nobody has come back to.

    A disclosure whose `taken_up` is false, and which was not met in a way that
    `disclosure_response` asks about.

    Severity: low.
    """
    for incident, told in facts.of(DisclosureDetails):
        met_so = telling_was_answered_by_loss(incident, told, facts, at)
        if told.taken_up is False and not met_so:
            said = f"the disclosure {{when}} ({spoken(told.of)}) is recorded as not taken up"
            yield incident_hit(incident, at, LOW, said)


def ending_unprepared(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about an ending without preparation. APA 10.09, 10.10; ACA A.11, A.12; NASW 1.17.

    An ending whose `stage` is `ended`, by the care side; whose `planned_at_outset` is false; and
    which left little time: `abrupt` is true, or `notice_days` are known and fewer than
    `ending_notice_days`, or the closing sessions are known and fewer than `closing_sessions`.

    Severity: high; critical in a crisis; moderate where a review of it found `real_danger`.
    """
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
    """Ask about a client leaving soon after a rupture.

    An ending whose `stage` is `ended` and whose `initiator` is `client`, on the day of a rupture or
    no more than `rupture_days` after it; and the rupture. A rupture is a disclosure that was met in
    a way that `disclosure_response` asks about, or a frame change that `frame_tightened_unprepared`
    asks about.

    Severity: moderate.
    """
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
    """Ask about onward care after an ending. APA 10.10(c); ACA A.11.c; NASW 1.17.

    An ending whose `stage` is `ended`, by the care side; whose `needs_ongoing_care` is true and
    whose `referral_offered` is false.

    Severity: high; critical in a crisis.
    """
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
    """Ask what else was lost with an ending. NASW 1.17; 45 CFR 164.508.

    An ending whose `stage` is `ended`, whoever began it, with any `collateral_loss`.

    Severity: critical where `medical_care` or `medication` is among what was lost, else high.
    """
    vital = {CollateralLoss.medical_care, CollateralLoss.medication}
    for incident, ending in facts.of(EndingDetails):
        if ending.stage == EndingStage.ended and ending.collateral_loss:
            severity = HIGH if vital.isdisjoint(ending.collateral_loss) else CRITICAL
            said = f"with the ending {{when}} was also lost: {listed(ending.collateral_loss)}"
            yield incident_hit(incident, at, severity, said)


def way_back_closed(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a way back that is closed or open only in a crisis. ACA A.12; APA 10.10.

    An ending whose `stage` is `ended`, whoever began it, and whose `return_condition` is
    `only_if_crisis` or `never`; but not where a review of it found `real_danger`.

    Severity: high.
    """
    for incident, ending in facts.of(EndingDetails):
        if (
            ending.stage == EndingStage.ended
            and ending.return_condition in {ReturnCondition.only_if_crisis, ReturnCondition.never}
            and incident.determination != Determination.real_danger
        ):
            said = f"after the ending {{when}} the way back is: {spoken(ending.return_condition)}"
            yield incident_hit(incident, at, HIGH, said)
