"""Who had a case on which days, and so whose conduct an incident of those days is about."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple
from uuid import UUID

from api.domain.bodies import IncidentCreate
from api.domain.incident_kinds import ABOUT_NOBODY
from api.domain.rules.moment import first_day, last_day
from api.domain.vocabulary import Initiator

_ABOUT_THE_CLINICIAN = frozenset({Initiator.therapist, Initiator.mutual, Initiator.disputed})


class Tenure(NamedTuple):
    """Somebody (None: nobody knows who) had a case from a day (None: the first) until before one.

    On the day of a transfer the case is the new clinician's: `until` is that day, as the end of
    a supervision link is the first day on which it no longer holds.
    """

    clinician_id: UUID | None
    since: date | None
    until: date


def who_had_it(
    former: Iterable[Tenure], present: UUID, first: date, last: date
) -> frozenset[UUID | None]:
    """Name all who had a case on some day of a span; with None among them, not all are known."""
    past = list(former)
    then = {
        each.clinician_id
        for each in past
        if first < each.until
        and (each.since is None or each.since <= last)
        # who had it for less than a day had it on none
        and each.since != each.until
    }
    if all(each.until <= last for each in past):
        then.add(present)
    return frozenset(then)


def whom_it_may_be_about(
    former: Iterable[Tenure], present: UUID, body: IncidentCreate
) -> frozenset[UUID | None]:
    """Name those whose conduct an incident may be about, where nobody said whose it is."""
    if body.initiator not in _ABOUT_THE_CLINICIAN or body.details.kind in ABOUT_NOBODY:
        return frozenset()
    day, precision = body.occurred_on, body.date_precision
    return who_had_it(former, present, first_day(day, precision), last_day(day, precision))


def whom_it_is_about(maybe: frozenset[UUID | None]) -> UUID | None:
    """Name the one whose conduct it is about, by default.

    Where a date is known to the month or year only, and the case changed hands within, it is not
    known whose it is, and so nobody's: what is not known counts against nobody.
    """
    return next(iter(maybe)) if len(maybe) == 1 else None
