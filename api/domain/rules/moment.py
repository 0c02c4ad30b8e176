"""When rules are asked, and what a day is: no clock but the instant that is given."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from api.domain.vocabulary import DatePrecision


class Dated(Protocol):
    """Something that happened on a day, or in a month or year known no closer."""

    @property
    def occurred_on(self) -> date:
        """A day of that period."""

    @property
    def date_precision(self) -> DatePrecision:
        """How closely it is known."""


class Moment:
    """The instant of asking, which remembers when the same question may next be answered anew."""

    def __init__(self, now: datetime, zone: ZoneInfo) -> None:
        self.now = now
        self.zone = zone
        self.today = now.astimezone(zone).date()
        self.next_change: datetime | None = None

    def reached(self, day: date) -> bool:
        """Tell whether `day` has begun in the clinic; if not, its midnight is worth waiting for."""
        return self.today >= day or self._wait_for(midnight(day, self.zone))

    def reached_instant(self, instant: datetime) -> bool:
        """Tell whether `instant` has come; if not, it is worth waiting for."""
        return self.now >= instant or self._wait_for(instant)

    def passed(self, days: int, since: date) -> bool:
        """Tell whether more than `days` days lie between `since` and today.

        On the day that is just so many days later it is not yet so, and on the next it is. Days
        begin at the clinic's midnight.
        """
        return self.reached(since + timedelta(days=days + 1))

    def day_of(self, incident: Dated) -> date:
        """Give the day an incident counts for.

        A date known to the month or year counts as that period's last day, not after today;
        while the period runs, that answer changes each midnight.
        """
        last = last_day(incident.occurred_on, incident.date_precision)
        if incident.date_precision == DatePrecision.day or self.reached(last):
            return last
        self.reached(self.today + timedelta(days=1))
        return self.today

    def date_of(self, instant: datetime) -> date:
        """Give the clinic's calendar day at `instant`."""
        return instant.astimezone(self.zone).date()

    def _wait_for(self, instant: datetime) -> bool:
        if self.next_change is None or instant < self.next_change:
            self.next_change = instant
        return False


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Give the first instant of `day` in a time zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def first_day(day: date, precision: DatePrecision) -> date:
    """Give the first day of the period a date stands for."""
    match precision:
        case DatePrecision.month:
            return day.replace(day=1)
        case DatePrecision.year:
            return day.replace(month=1, day=1)
        case _:
            return day


def last_day(day: date, precision: DatePrecision) -> date:
    """Give the last day of the period a date stands for."""
    match precision:
        case DatePrecision.month:
            return day.replace(day=monthrange(day.year, day.month)[1])
        case DatePrecision.year:
            return day.replace(month=12, day=31)
        case _:
            return day
