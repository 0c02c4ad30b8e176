"""The rule about touch: what was agreed to, talked over with somebody, and how often it was."""

from collections.abc import Iterator

from api.domain.details import TouchDetails
from api.domain.rules.facts import Facts, IncidentFact, consulted
from api.domain.rules.findings import HIGH, MODERATE, Hit, incident_hit
from api.domain.rules.moment import Moment
from api.domain.rules.said import Said
from api.domain.vocabulary import Initiator, TouchKind

_Touches = list[tuple[IncidentFact, TouchDetails]]


def is_holding(touch: TouchDetails) -> bool:
    """Tell the touches that are used as comfort from all the others."""
    return touch.touch in {TouchKind.holding, TouchKind.hair_stroking}


def physical_contact(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about touch; a handshake is courtesy. APA 3.05; Gutheil & Gabbard (nine areas).

    A touch other than a `handshake` whose `consent` is false. And of touch whose `consent` is not
    false: `holding` or `hair_stroking` that nobody was consulted about; any other touch that nobody
    was consulted about, where that comes to `touch_times` in all, but in the case of a minor not
    what the `client` began with `consent`; and, in the case of a minor, `holding` or
    `hair_stroking` that somebody was consulted about, where all of it comes to `touch_times`. "In
    all" is the sum of `times` over such records no more than `touch_days` old; where that is not
    known, a record counts once.

    Severity: high without consent. Holding and hair stroking that nobody was consulted about: high
    for a minor, and where `planned_method` is false and all such comes to `touch_times`; else
    moderate. Any other: moderate.
    """
    touches = [(i, t) for i, t in facts.of(TouchDetails) if t.touch != TouchKind.handshake]
    for incident, touch in touches:
        if touch.consent is False:
            yield incident_hit(incident, at, HIGH, Said("touch_without_consent", touch=touch.touch))
    agreed = [(i, t) for i, t in touches if t.consent is not False]
    yield from _held([(i, t) for i, t in agreed if is_holding(t)], facts, at)
    yield from _other([(i, t) for i, t in agreed if not is_holding(t)], facts, at)


def _held(held: _Touches, facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about each holding that nobody was consulted about, and of a minor about many."""
    alone = [(i, t) for i, t in held if not consulted(facts, i)]
    often = facts.thresholds.touch_times
    unplanned = _in_all([(i, t) for i, t in alone if t.planned_method is False], facts, at)
    for incident, touch in alone:
        grave = facts.case.is_minor is True or (
            touch.planned_method is False and unplanned >= often
        )
        name = {True: "touch_as_planned", False: "touch_not_planned", None: "touch"}
        said = Said(name[touch.planned_method], touch=touch.touch)
        severity = HIGH if grave else MODERATE
        yield incident_hit(incident, at, severity, said, "no_consultation")
    total = _in_all(held, facts, at)
    if facts.case.is_minor is True and total >= often:
        for incident, touch in held:
            if consulted(facts, incident) and _is_recent(incident, facts, at):
                said = Said("touch_of_minor", touch=touch.touch, n=total)
                yield incident_hit(incident, at, MODERATE, said)


def _other(touches: _Touches, facts: Facts, at: Moment) -> Iterator[Hit]:
    alone = [
        (incident, touch)
        for incident, touch in touches
        if not consulted(facts, incident)
        and _is_recent(incident, facts, at)
        and not _a_childs_own(incident, touch, facts)
    ]
    total = _in_all(alone, facts, at)
    if total >= facts.thresholds.touch_times:
        for incident, touch in alone:
            said = Said("touch_often", touch=touch.touch, n=total)
            yield incident_hit(incident, at, MODERATE, said, "no_consultation")


def _a_childs_own(incident: IncidentFact, touch: TouchDetails, facts: Facts) -> bool:
    """Tell whether a child ran up to them, as children do."""
    return (
        facts.case.is_minor is True
        and incident.initiator == Initiator.client
        and touch.consent is True
    )


def _in_all(touches: _Touches, facts: Facts, at: Moment) -> int:
    return sum(t.times or 1 for i, t in touches if _is_recent(i, facts, at))


def _is_recent(incident: IncidentFact, facts: Facts, at: Moment) -> bool:
    return not at.passed(facts.thresholds.touch_days, at.day_of(incident))
