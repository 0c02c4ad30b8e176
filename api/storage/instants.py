"""`created_at` and `updated_at` of rows, such that who polls for changes misses none.

A row is seen by others when its transaction commits, and carries an instant from before that. So a
transaction first tells that it is open, and reads its instant after that; a list that is asked
again and again tells of nothing later than the oldest that is open.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement

TICK = timedelta(microseconds=1)
"""No instant here is finer."""
WAITED_FOR = timedelta(days=1)
"""How far a clock may go back and instants still go on: by a tick each, until it has caught up."""

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROUND = 1 << 32
"""Milliseconds after which a number of 32 bits begins anew: 49 days."""
_BELIEVED = 24 * 60 * 60 * 1000
"""Milliseconds that a transaction may be old, or ahead by another machine's clock."""


class Reading(NamedTuple):
    """What a clock says, and the instant that rows written now carry: later where it went back."""

    now: datetime
    instant: datetime


class Instants:
    """A clock of which each reading is later than the one before, or the same."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)
        self.followed = set[UUID]()
        """The clinics whose last instant was asked for, since this process began."""
        self.went_back = False
        """Whether the clock stood behind an instant that was given before, when last read."""

    def read_clock(self) -> Reading:
        """Read the clock."""
        now = self._clock()
        self.went_back = timedelta() < self._last - now <= WAITED_FOR
        self._last = self._last + TICK if self.went_back else now
        return Reading(now, self._last)

    def follow(self, instant: datetime) -> None:
        """Give later instants than this from here on: a row carries it already."""
        if timedelta() < instant - self._last <= WAITED_FOR:
            self._last = instant


def never_back(column: Any, instant: datetime) -> ColumnElement[Any]:
    """Say in SQL that a column moves on to an instant, and never back."""
    return sa.case((column < instant, sa.literal(instant, column.type)), else_=column)


def told(clinic_id: UUID, instant: datetime) -> tuple[int, int]:
    """Give the key of the lock by which a transaction tells that it is open in a clinic.

    Two signed numbers of 32 bits: of which clinic, and since which millisecond. Another clinic may
    have the same number: then lists wait for more than they must, never for less.
    """
    return _signed(clinic_id.int % _ROUND), _signed(_milliseconds(instant) % _ROUND)


def oldest(open_since: Iterable[int], instant: datetime) -> datetime:
    """Give the last instant that nothing which is open can still write.

    `open_since` are second halves of `told` keys, as PostgreSQL shows them: unsigned. `instant` was
    read before them. What lies further away than a day is not believed, and so holds for older than
    everything.
    """
    present = _milliseconds(instant)
    until = instant
    for number in open_since:
        age = _signed((present - number) % _ROUND)
        if abs(age) > _BELIEVED:
            return _EPOCH
        until = min(until, _EPOCH + (present - age) * _MILLISECOND - TICK)
    return until


def last_ended(instant: datetime) -> datetime:
    """Give the last millisecond that was over by an instant, by where it began.

    Whoever is told no more than milliseconds goes on after the one they saw last. So none is told
    that may still get rows.
    """
    return _EPOCH + (_milliseconds(instant + TICK) - 1) * _MILLISECOND


def _milliseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MILLISECOND


def _signed(number: int) -> int:
    return number - _ROUND if number >= _ROUND // 2 else number
