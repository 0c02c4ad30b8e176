"""Counts by calendar month of the clinic, and by severity: which span, which month, how many."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field
from sqlalchemy import ColumnElement, and_, case, func, literal

from api.domain.errors import Invalid
from api.domain.rules.moment import midnight
from api.domain.values import Day, Input
from api.domain.vocabulary import Severity
from api.storage.transaction import Transaction

WHICH_FLAGS: Any = Field(
    default=None,
    description="False: without the flags that are kept from the case's clinician, for what others "
    "may come to read; true: these alone.",
)
"""Which flags are counted, where that is asked for."""
MOST_MONTHS = 60
YEAR = 12


class MonthsQuery(Input):
    """From when until when: at most five years."""

    from_: Day | None = Field(
        default=None,
        alias="from",
        description="On or after. Default: the first day of the month eleven months before `to`.",
    )
    to: Day | None = Field(default=None, description="On or before. Default: today.")


@dataclass(frozen=True, slots=True)
class Months:
    """A span of days in a clinic, counted by month."""

    first: date
    last: date
    zone: ZoneInfo

    def hold(self, instant: Any) -> ColumnElement[bool]:
        """Say in SQL that an instant is of this span."""
        begins = midnight(self.first, self.zone)
        ends = midnight(self.last + timedelta(days=1), self.zone)
        return and_(instant >= begins, instant < ends)

    def of(self, instant: Any) -> ColumnElement[str]:
        """Name in SQL the month of an instant of this span: SQLite knows no time zones."""
        months = list(_months_of(self.first, self.last))
        earlier = [(instant < ends, literal(name)) for name, ends in self._ends(months[:-1])]
        last = literal(f"{months[-1]:%Y-%m}")
        return case(*earlier, else_=last) if earlier else last

    def _ends(self, months: list[date]) -> Iterator[tuple[str, datetime]]:
        for month in months:
            yield f"{month:%Y-%m}", midnight(_month_on(month, 1), self.zone)


def by_severity(severity: Any) -> Iterator[ColumnElement[int]]:
    """Count in SQL the rows of each severity, under its name; prompts are not counted so."""
    for each in (Severity.low, Severity.moderate, Severity.high, Severity.critical):
        yield func.sum(case((severity == each, 1), else_=0)).label(str(each))


def months_asked(tx: Transaction, query: MonthsQuery) -> Months:
    """Give the span that is asked for. Raises 422 where it is none, or too long."""
    last = query.to or tx.today
    first = query.from_ or _month_on(last, 1 - YEAR)
    if first > last:
        raise Invalid("/query/from", "This lies after `to`, which is today where it is not sent.")
    if _count(first, last) > MOST_MONTHS:
        raise Invalid(
            "/query/from", "At most five years are counted at once; ask for fewer months."
        )
    return Months(first, last, tx.clinic.zone)


def _months_of(first: date, last: date) -> Iterator[date]:
    for ahead in range(_count(first, last)):
        yield _month_on(first, ahead)


def _count(first: date, last: date) -> int:
    return (last.year - first.year) * YEAR + last.month - first.month + 1


def _month_on(day: date, ahead: int) -> date:
    """Give the first day of the month that lies some months ahead."""
    years, month = divmod(day.month - 1 + ahead, YEAR)
    return date(day.year + years, month + 1, 1)
