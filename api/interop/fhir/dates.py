"""Dates as a search gives them: a day, a month, a year or a time, and how rows are held to them."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, not_, or_, true

from api.domain.errors import Invalid
from api.domain.rules.moment import first_day, last_day, midnight
from api.domain.values import LOST_A_PLUS, has_lost_a_plus
from api.domain.vocabulary import DatePrecision


class Span(NamedTuple):
    """What a date says: a stretch of time from `start` until before `end`."""

    prefix: str
    start: datetime
    end: datetime
    days: tuple[date, date] | None
    """The same in days; None where it says a time."""

    def begins_after(self, instant: datetime) -> bool:
        """Tell whether an instant lies before all that this says, and all before it, too."""
        first = {"eq": self.start, "ge": self.start, "gt": self.end, "sa": self.end}
        return first.get(self.prefix, instant) > instant


_NO_DATE = (
    "This is not a date as a search takes it: write 2026, 2026-03, 2026-03-02 or "
    "2026-03-02T09:00:00Z, where wanted with ge, lt or the like before it."
)
_PREFIXES = ("eq", "ne", "ge", "gt", "le", "lt", "sa", "eb")
_DATE = re.compile(
    r"(?P<prefix>[a-z]{2})?(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d)(:(?P<second>\d\d)(\.(?P<fraction>\d{1,6})\d*)?)?"
    r"(?P<zone>Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00)?)?)?)?",
    re.ASCII,
)
_BEFORE_ALL, _AFTER_ALL = date(1800, 1, 1), date(2300, 1, 1)
"""All that is recorded lies between these. FHIR's calendar goes from 0001 to 9999, where by some
clock the first day and the last are in no year that we or a database could count."""


def read_span(text: str, pointer: str, zone: ZoneInfo) -> Span:
    """Read a date of a search, in the clinic's zone where it says none. Raises 400 for others.

    No clock here is finer than a microsecond; what comes after is left out.
    """
    found = _DATE.fullmatch(text)
    try:
        if found is None or (found["prefix"] or "eq") not in _PREFIXES:
            raise ValueError(text)
        return _span(found, zone)
    except (ValueError, OverflowError):
        raise Invalid(pointer, LOST_A_PLUS if has_lost_a_plus(text) else _NO_DATE) from None


def read_days(text: str, pointer: str, zone: ZoneInfo) -> Span:
    """Read a date of a search among days. Of a day it falls into, a time knows no more than that.

    Such a day began before it, ended after it, and is not within it: so its span ends, in days,
    before it starts.
    """
    span = read_span(text, pointer, zone)
    if span.days is not None:
        return span
    day = span.start.astimezone(zone).date()
    at_midnight = midnight(day, zone) == span.start
    return span._replace(days=(day if at_midnight else day + timedelta(days=1), day))


Reading = Callable[[str, str, ZoneInfo], Span]


def each_span(
    texts: Iterable[str], pointer: str, zone: ZoneInfo, read: Reading = read_span
) -> list[list[Span]]:
    """Read a date that is sent several times: each must hold, of those parted by commas one."""
    return [[read(one.strip(), pointer, zone) for one in text.split(",")] for text in texts]


def _span(found: re.Match[str], zone: ZoneInfo) -> Span:
    prefix = found["prefix"] or "eq"
    said = _said(found)
    if not _BEFORE_ALL <= said.date() < _AFTER_ALL:
        # before all that is recorded, or after it: where exactly makes no difference
        edge = _BEFORE_ALL if said.date() < _BEFORE_ALL else _AFTER_ALL
        at = midnight(edge, zone)
        return Span(prefix, at, at, (edge, edge))
    if found["hour"] is None:
        first = said.date()
        after = _after(first, next(each for each, part in _PARTS.items() if found[part]))
        return Span(prefix, midnight(first, zone), midnight(after, zone), (first, after))
    start = said.replace(tzinfo=_offset(found["zone"], zone)).astimezone(UTC)
    return Span(prefix, start, start + _exact_to(found), None)


def _said(found: re.Match[str]) -> datetime:
    """Give where a date begins, by its own clock. Raises ValueError for what is no date."""
    year, month, day = (int(found[part] or 1) for part in ("year", "month", "day"))
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    # a leap second has no number on our clocks: it is taken with the one before it
    second = min(second, 59) if second == _LEAP else second
    fraction = int((found["fraction"] or "").ljust(6, "0"))
    return datetime(year, month, day, hour, minute, second, fraction)  # noqa: DTZ001 - see above


_LEAP = 60


def _exact_to(found: re.Match[str]) -> timedelta:
    """Give how long a time is, as it is written: a minute, a second, or a part of one."""
    if not found["second"]:
        return timedelta(minutes=1)
    return timedelta(microseconds=10 ** (6 - len(found["fraction"] or "")))


_PARTS = {
    DatePrecision.day: "day",
    DatePrecision.month: "month",
    DatePrecision.year: "year",
}


def _offset(sent: str | None, zone: ZoneInfo) -> tzinfo:
    """Give the zone of a time: that of the clinic where it says none."""
    if sent is None:
        return zone
    if sent == "Z":
        return UTC
    ahead = timedelta(hours=int(sent[1:3]), minutes=int(sent[4:]))
    return timezone(-ahead if sent[0] == "-" else ahead)


def _not_before(day: date, precision: DatePrecision) -> date:
    """Give the first day of a day, month or year that begins then or later."""
    return day if first_day(day, precision) == day else _after(day, precision)


def _after(day: date, precision: DatePrecision) -> date:
    """Give the day after the day, month or year that a day is in."""
    return last_day(day, precision) + timedelta(days=1)


def in_spans(column: Any, asked: list[list[Span]]) -> ColumnElement[bool]:
    """Say in SQL that a time is as one span of each list says."""
    return and_(
        true(),
        *(
            or_(*(_compared(column, span.prefix, span.start, span.end) for span in spans))
            for spans in asked
        ),
    )


def days_in_spans(day: Any, precision: Any, asked: list[list[Span]]) -> ColumnElement[bool]:
    """Say in SQL that a day of which perhaps only the month or year is known is as spans say.

    Such a day lies before or after a span as soon as some of its month does, and within it only
    with its whole month.
    """
    return and_(
        true(),
        *(
            or_(
                *(
                    and_(precision == each, _known_to(each, day, span))
                    for span in spans
                    for each in DatePrecision
                )
            )
            for spans in asked
        ),
    )


def _known_to(precision: DatePrecision, day: Any, span: Span) -> ColumnElement[bool]:
    first, after = span.days or (_BEFORE_ALL, _AFTER_ALL)
    start = _not_before(first, precision)
    end = first_day(after, precision)
    within = and_(day >= start, day < end)
    sooner, later = min(first, after), max(first, after)
    compared: dict[str, ColumnElement[bool]] = {
        "eq": within,
        "ne": not_(within),
        "sa": day >= _not_before(later, precision),
        "eb": day < first_day(sooner, precision),
        "gt": day >= end,
        "lt": day < start,
        "ge": or_(day >= end, within),
        "le": or_(day < start, within),
    }
    return compared[span.prefix]


def _compared(column: Any, prefix: str, start: datetime, end: datetime) -> ColumnElement[bool]:
    compared: dict[str, ColumnElement[bool]] = {
        "eq": and_(column >= start, column < end),
        "ne": or_(column < start, column >= end),
        "sa": column >= end,
        "eb": column < start,
        "gt": column >= end,
        "lt": column < start,
        "ge": column >= start,
        "le": column < end,
    }
    return compared[prefix]
