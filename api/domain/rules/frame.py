"""Rules about the frame: contact, exceptions, limits drawn, drift, and too little notice."""

from collections.abc import Iterator

from api.domain.details import (
    ContactDetails,
    CrossingDetails,
    EndingDetails,
    ExceptionDetails,
    FrameChangeDetails,
)
from api.domain.rules.facts import Facts, IncidentFact, Moment, consulted, on_the_care_side
from api.domain.rules.findings import (
    HIGH,
    LOW,
    MODERATE,
    Hit,
    counted,
    graver_in_crisis,
    incident_hit,
    listed,
    spoken,
)
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import EndingStage, FrameDirection, Initiator


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
    """Ask about contact outside sessions in which the therapist takes part. Gutheil & Gabbard.

    Contact where `therapist_participates` is true and either `social_meetings` is true, or
    `limits_agreed` is false and the contact is frequent and lasting: `days_per_week` is
    `contact_days_per_week` or more, and `weeks` is `contact_weeks` or more.

    Severity: moderate.
    """
    for incident, contact in facts.of(ContactDetails):
        if is_out_of_frame(contact, facts.thresholds):
            said = f"{_contact(contact)} with the therapist taking part, recorded {{when}}"
            yield incident_hit(incident, at, MODERATE, said)


def _contact(contact: ContactDetails) -> str:
    counts = counted((contact.days_per_week, "days a week"), (contact.weeks, "weeks"))
    what = "meetings outside sessions" if contact.social_meetings else "frequent contact"
    return f"{what} ({', '.join(counts)})" if counts else what


def special_exceptions(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about several running exceptions without a written reason. Gutheil & Gabbard.

    Exceptions without a `rationale` whose `ends_on` has not come (or is not known), where there are
    `exceptions` of them or more.

    Severity: moderate.
    """
    running = [
        (incident, terms)
        for incident, terms in facts.of(ExceptionDetails)
        if not incident.documented and not (terms.ends_on and at.reached(terms.ends_on))
    ]
    if len(running) >= facts.thresholds.exceptions:
        for incident, terms in running:
            said = f"an exception ({spoken(terms.exception)}) {{when}} has no written reason"
            yield incident_hit(incident, at, MODERATE, said)


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
    """Ask how a limit was drawn; drawing it is never the fault. Gutheil & Gabbard 1998.

    A frame change whose `direction` is `tighten` and whose `initiator` is anybody but `client` and
    `unknown`; and whose `discussed` is false, or whose `notice_days` are known and fewer than
    `tightening_notice_days`.

    Severity: high where it has `tightening_elements` different `elements` or more, and then
    critical in a crisis; else moderate.
    """
    for incident, change in facts.of(FrameChangeDetails):
        if is_unprepared_tightening(incident, change, facts.thresholds):
            weighty = len(set(change.elements)) >= facts.thresholds.tightening_elements
            severity = graver_in_crisis(HIGH if weighty else MODERATE, incident.client_impact)
            notice = "" if change.notice_days is None else f", {change.notice_days} days of notice"
            said = f"a tighter frame {{when}} ({listed(change.elements)}{notice}) came unprepared"
            yield incident_hit(incident, at, severity, said)


def frame_drift(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about many departures in a short time. Gutheil & Gabbard 1993 (the slippery slope).

    Departures are crossings, exceptions, and frame changes whose `direction` is `loosen`, with a
    `rationale` or without. Where there are `drift_departures` or more that are no more than
    `drift_days` old, and of the latest (of several on one day: of any) nobody was consulted about,
    all of them.

    Severity: moderate.
    """
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


def crossing_undocumented(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask for the written reason of a departure. Gutheil & Gabbard 1993.

    A crossing without a `rationale`.

    Severity: low.
    """
    for incident, crossing in facts.of(CrossingDetails):
        if not incident.documented:
            said = f"a departure {{when}} ({spoken(crossing.area)}) has no written reason"
            yield incident_hit(incident, at, LOW, said)
