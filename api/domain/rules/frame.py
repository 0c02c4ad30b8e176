"""Rules about the frame: contact, exceptions, limits drawn, and drift."""

from collections.abc import Iterator

from api.domain.details import (
    ContactDetails,
    CrossingDetails,
    Details,
    ExceptionDetails,
    FrameChangeDetails,
)
from api.domain.rules.facts import CARE_SIDE, Facts, IncidentFact, consulted
from api.domain.rules.findings import HIGH, LOW, MODERATE, Hit, graver_in_crisis, incident_hit
from api.domain.rules.moment import Moment
from api.domain.rules.said import Said, words_of
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import FrameDirection, FrameElement, Initiator, Severity


def frequent_and_lasting(contact: ContactDetails, thresholds: Thresholds) -> bool:
    """Tell whether contact is frequent in the week and has gone on for weeks."""
    return (
        contact.days_per_week is not None
        and contact.weeks is not None
        and contact.days_per_week >= thresholds.contact_days_per_week
        and contact.weeks >= thresholds.contact_weeks
    )


def is_out_of_frame(incident: IncidentFact, contact: ContactDetails, facts: Facts) -> bool:
    """Tell whether the therapist takes part in contact that the frame does not hold."""
    if contact.therapist_participates is not True:
        return False
    if contact.social_meetings is True:
        return True
    if not frequent_and_lasting(contact, facts.thresholds):
        return False
    return contact.limits_agreed is False or (
        facts.case.is_minor is True and not consulted(facts, incident)
    )


def contact_out_of_frame(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about contact outside sessions in which the therapist takes part. Gutheil & Gabbard.

    Contact where `therapist_participates` is true and either `social_meetings` is true, or the
    contact is frequent and lasting (`days_per_week` is `contact_days_per_week` or more, and `weeks`
    is `contact_weeks` or more) and `limits_agreed` is false; in the case of a minor, whatever was
    agreed, unless somebody was consulted about it.

    Severity: moderate.
    """
    for incident, contact in facts.of(ContactDetails):
        if is_out_of_frame(incident, contact, facts):
            said = _contact(contact)
            missing = "no_consultation" if said.name == "contact_of_minor" else None
            yield incident_hit(incident, at, MODERATE, said, missing)


def _contact(contact: ContactDetails) -> Said:
    if contact.social_meetings is True:
        return Said("contact_meetings")
    how = (
        Said("days_a_week", n=contact.days_per_week or 0),
        Said("weeks", n=contact.weeks or 0),
    )
    return Said(
        "contact_frequent" if contact.limits_agreed is False else "contact_of_minor", how=how
    )


def special_exceptions(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about several running exceptions without a written reason. Gutheil & Gabbard.

    Exceptions without a `rationale` whose `ends_on` has not passed (or is not known), where there
    are `exceptions` of them or more.

    Severity: moderate.
    """
    running = [
        (incident, terms)
        for incident, terms in facts.of(ExceptionDetails)
        if not incident.documented and not (terms.ends_on and at.passed(0, terms.ends_on))
    ]
    if len(running) >= facts.thresholds.exceptions:
        for incident, terms in running:
            said = Said("special_terms", exception=terms.exception)
            yield incident_hit(incident, at, MODERATE, said, "no_reason")


_NEED_NOTICE = frozenset(
    {
        FrameElement.session_frequency,
        FrameElement.session_length,
        FrameElement.fee,
        FrameElement.place,
        FrameElement.phone_contact,
        FrameElement.email_replies,
        FrameElement.other,
    }
)
"""What a client has to prepare for; touch and warmth may be taken back at once, if talked over."""


def is_unprepared_tightening(
    incident: IncidentFact, change: FrameChangeDetails, thresholds: Thresholds
) -> bool:
    """Tell whether a limit was drawn by the care side without talk or notice beforehand."""
    return (
        change.direction == FrameDirection.tighten
        and incident.initiator in CARE_SIDE
        and (change.discussed is False or _came_at_short_notice(change, thresholds))
    )


def _came_at_short_notice(change: FrameChangeDetails, thresholds: Thresholds) -> bool:
    return (
        change.notice_days is not None
        and change.notice_days < thresholds.tightening_notice_days
        and not _NEED_NOTICE.isdisjoint(change.elements)
    )


def frame_tightened_unprepared(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask how a limit was drawn; drawing it is never the fault. Gutheil & Gabbard 1998.

    A frame change by the care side whose `direction` is `tighten`; and whose `discussed` is false,
    or whose `notice_days` are known and fewer than `tightening_notice_days`, where one of its
    `elements` is `session_frequency`, `session_length`, `fee`, `place`, `phone_contact`,
    `email_replies` or `other`.

    Severity: moderate where the `institution` began it and `place` is among its elements; else high
    where it has `tightening_elements` different `elements` or more, and then critical in a crisis;
    else moderate.
    """
    for incident, change in facts.of(FrameChangeDetails):
        if is_unprepared_tightening(incident, change, facts.thresholds):
            severity = _weight_of_limit(incident, change, facts.thresholds)
            elements = words_of(change.elements)
            said = Said(
                "limit_drawn", elements=elements, how=_told_of_limit(change, facts.thresholds)
            )
            yield incident_hit(incident, at, severity, said)


def _weight_of_limit(
    incident: IncidentFact, change: FrameChangeDetails, thresholds: Thresholds
) -> Severity:
    if incident.initiator == Initiator.institution and FrameElement.place in change.elements:
        # a flood or a fire gives nobody notice
        return MODERATE
    weighty = len(set(change.elements)) >= thresholds.tightening_elements
    return graver_in_crisis(HIGH if weighty else MODERATE, incident.client_impact)


def _told_of_limit(change: FrameChangeDetails, thresholds: Thresholds) -> tuple[Said, ...]:
    told = [Said("not_talked_over_before")] if change.discussed is False else []
    if change.notice_days is not None and change.notice_days < thresholds.tightening_notice_days:
        told.append(Said("days_of_notice", n=change.notice_days))
    return tuple(told)


def frame_drift(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about many departures in a short time. Gutheil & Gabbard 1993 (the slippery slope).

    Departures are crossings, exceptions, and frame changes whose `direction` is `loosen`, with a
    `rationale` or without. Where there are `drift_departures` or more that are no more than
    `drift_days` old, and of the latest (of several on one day: of any) nobody was consulted about,
    all of them.

    Severity: moderate.
    """
    days = facts.thresholds.drift_days
    dated = ((incident, at.day_of(incident)) for incident in _departures(facts))
    recent = [(incident, day) for incident, day in dated if not at.passed(days, day)]
    if len(recent) < facts.thresholds.drift_departures:
        return
    latest = max(day for _, day in recent)
    if any(day == latest and not consulted(facts, incident) for incident, day in recent):
        for incident, _ in recent:
            said = _departed(incident.details, len(recent))
            yield incident_hit(incident, at, MODERATE, said)


def _departures(facts: Facts) -> Iterator[IncidentFact]:
    """Give what departed from the frame as it was."""
    yield from (incident for incident, _ in facts.of(CrossingDetails))
    yield from (incident for incident, _ in facts.of(ExceptionDetails))
    for incident, change in facts.of(FrameChangeDetails):
        if change.direction == FrameDirection.loosen:
            yield incident


def _departed(details: Details, n: int) -> Said:
    """Say what one of so many departures departed from."""
    match details:
        case CrossingDetails(area=area):
            return Said("departure_one_of", area=area, n=n)
        case ExceptionDetails(exception=terms):
            return Said("terms_one_of", exception=terms, n=n)
        case FrameChangeDetails(elements=elements):
            return Said("loosening_one_of", elements=words_of(elements), n=n)
    raise ValueError("no departure")


def crossing_undocumented(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask for the written reason of a departure. Gutheil & Gabbard 1993.

    A crossing without a `rationale`.

    Severity: low.
    """
    for incident, crossing in facts.of(CrossingDetails):
        if not incident.documented:
            said = Said("departure", area=crossing.area)
            yield incident_hit(incident, at, LOW, said, "no_reason")
