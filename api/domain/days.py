"""Which days a record may say: none ahead of time, before what it follows, or beside a "no"."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Literal, NamedTuple, TypeVar

from api.domain.details import AbsenceDetails, Details, RecordRequestDetails
from api.domain.rules.moment import first_day
from api.domain.vocabulary import DatePrecision

AFTER_TODAY = "What has happened cannot be dated after today, as the clinic's time zone has it."
AFTER_NOW = "What has happened cannot be dated after now."


def out_of_order(other: str) -> str:
    """Say that something lies before what it follows."""
    return f"This lies before `{other}`, which it follows; put right whichever of the two is wrong."


class Claim(NamedTuple):
    """What a record says of one day, where it is said, and what it is held to.

    `happened`: it lies no later than today. `follows`: no earlier than `after`. `agrees`: a day is
    only there where its yes or no does not say no.
    """

    kind: Literal["happened", "follows", "agrees"]
    pointer: str
    day: date | None
    other: str = ""
    """The field that it follows, or that says yes or no."""
    after: date | None = None
    said: bool | None = None

    def why_not(self, today: date) -> str | None:
        """Say why this cannot be; None where it can."""
        if self.day is None:
            return None
        if self.kind == "happened" and self.day > today:
            return AFTER_TODAY
        if self.kind == "follows" and self.after is not None and self.day < self.after:
            return out_of_order(self.other)
        if self.kind == "agrees" and self.said is False:
            return f"A day is given here, while `{self.other}` says no. Put one of them right."
        return None


def _happened(pointer: str, day: date | None) -> Claim:
    return Claim("happened", pointer, day)


def _follows(pointer: str, day: date | None, other: str, after: date | None) -> Claim:
    return Claim("follows", pointer, day, other, after=after)


class CaseDays(NamedTuple):
    """What a case says of its days."""

    started_on: date | None
    ended_on: date | None

    def claims(self) -> Iterator[Claim]:
        """Give all that its days are held to."""
        yield _happened("/started_on", self.started_on)
        yield _happened("/ended_on", self.ended_on)
        yield _follows("/ended_on", self.ended_on, "started_on", self.started_on)


class IncidentDays(NamedTuple):
    """What an incident says of its days."""

    occurred_on: date
    date_precision: DatePrecision
    details: Details

    def claims(self) -> Iterator[Claim]:
        """Give all that its days are held to; an absence may lie ahead."""
        details = self.details
        if not isinstance(details, AbsenceDetails):
            # a month or year that has begun is not after today, whichever day of it is sent
            yield _happened("/occurred_on", first_day(self.occurred_on, self.date_precision))
        for name in details.past_days:
            yield _happened(f"/details/{name}", getattr(details, name))
        other, begun = self._begun()
        for name in details.following_days:
            yield _follows(f"/details/{name}", getattr(details, name), other, begun)

    def _begun(self) -> tuple[str, date]:
        """Give the first day that it can have been on; a request says of itself when it was."""
        if isinstance(self.details, RecordRequestDetails):
            requested = self.details.requested_on
            # where nothing was said it is kept as the day of the incident, and no better known
            if requested is not None and requested != self.occurred_on:
                return "requested_on", requested
        return "occurred_on", first_day(self.occurred_on, self.date_precision)


class PromiseDays(NamedTuple):
    """What a promise says of its days."""

    made_on: date
    due_on: date | None
    discussed_on: date | None
    discussed_with_client: bool | None

    def claims(self) -> Iterator[Claim]:
        """Give all that its days are held to."""
        yield _happened("/made_on", self.made_on)
        yield _happened("/discussed_on", self.discussed_on)
        yield _follows("/due_on", self.due_on, "made_on", self.made_on)
        yield _follows("/discussed_on", self.discussed_on, "made_on", self.made_on)
        said = self.discussed_with_client
        yield Claim(
            "agrees", "/discussed_on", self.discussed_on, "discussed_with_client", said=said
        )


class ResponseDays(NamedTuple):
    """What answers on paper say of their day."""

    answered_on: date

    def claims(self) -> Iterator[Claim]:
        """Give all that it is held to."""
        yield _happened("/answered_on", self.answered_on)


class LinkDays(NamedTuple):
    """From when until when somebody answers for a clinician's work."""

    starts_on: date
    ends_on: date | None

    def claims(self) -> Iterator[Claim]:
        """Give all that its days are held to."""
        yield _follows("/ends_on", self.ends_on, "starts_on", self.starts_on)


Days = CaseDays | IncidentDays | PromiseDays | ResponseDays | LinkDays
D = TypeVar("D", CaseDays, IncidentDays, PromiseDays, ResponseDays, LinkDays)


def days_of(kind: type[D], record: object, changes: Mapping[str, Any] | None = None) -> D:
    """Give what a record says of its days, as it is or with some changes."""
    changed = changes or {}
    return kind(*(changed.get(name, getattr(record, name)) for name in kind._fields))


def impossible_days(told: Days, standing: Days | None, today: date) -> Iterator[tuple[str, str]]:
    """Give where something cannot be, and why: but what stood there already, which is kept."""
    stood = set() if standing is None else set(standing.claims())
    for claim in told.claims():
        why = claim.why_not(today)
        if why is not None and claim not in stood:
            yield claim.pointer, why
