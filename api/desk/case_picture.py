"""A case as a picture: time from left to right, a lane for each kind of record. Pure geometry."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from api.desk.marked import N_
from api.domain.vocabulary import DatePrecision, FlagStatus, PromiseState

WIDTH = 704
"""Units of the picture, which is never shown smaller than a pixel each."""
LEFT, RIGHT = 96, 8
ROW = 28
"""A row's height: marks are pressed with a finger, too."""
MOST_ROWS = 8
_MARK = 13
_TOP = 36
_LABELLED = 56
_ROOM_FOR_A_WORD = 6
"""Which part of the width is free to the right of what is latest."""
"""How wide a bar's word is."""

SPANS: dict[str, timedelta | None] = {
    N_("all"): None,
    N_("year"): timedelta(days=366),
    N_("quarter"): timedelta(days=92),
    N_("month"): timedelta(days=31),
}
"""How much of a case is looked at."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A record in its lane: from `x` to `to`, in a row; of an instant both are the same."""

    path: str
    kind: str
    word: str
    """What stands in or beside it: a severity, a state, or what it is, in code words."""
    began: date
    ended: date | None
    x: float
    to: float
    row: int
    shape: str
    """`dot`, `hollow` where the day is not known, or `bar`."""
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """A kind of record, with what of it fits; `left_out` are too many to be told apart."""

    name: str
    top: float
    height: float
    marks: list[Mark] = field(default_factory=list)
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Tick:
    """A day that is written at the top."""

    day: date
    x: float


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn."""

    lanes: list[Lane]
    ticks: list[Tick]
    today: float | None
    height: float
    since: date
    until: date


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A record before it has its place."""

    path: str
    kind: str
    word: str
    began: date
    ended: date | None
    shape: str
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Records:
    """All that is drawn of a case, as the API tells it."""

    incidents: Sequence[Mapping[str, Any]]
    promises: Sequence[Mapping[str, Any]]
    consultations: Sequence[Mapping[str, Any]]
    notes: Sequence[Mapping[str, Any]]
    flags: Sequence[Mapping[str, Any]]


def draw(records: Records, zone: ZoneInfo, today: date, span: str, until: date | None) -> Picture:
    """Give every record its place; `until` is the last day shown, as a rule today."""
    lanes = _stretches(records, zone, today)
    since, last = _range(lanes.values(), today, SPANS[span], until)
    placed, top = [], float(_TOP)
    for name, stretches in lanes.items():
        lane = _lane(name, top, _within(stretches, since, last), since, last)
        placed.append(lane)
        top += lane.height
    is_shown = since <= today <= last
    return Picture(
        placed,
        _ticks(since, last),
        _x(today, since, last) if is_shown else None,
        top,
        since,
        last,
    )


def _stretches(records: Records, zone: ZoneInfo, today: date) -> dict[str, list[_Stretch]]:
    def day(at: str) -> date:
        return datetime.fromisoformat(at).astimezone(zone).date()

    return {
        N_("flags"): [_flag(each, day, today) for each in records.flags],
        N_("incidents"): [_incident(each) for each in records.incidents],
        N_("promises"): [_promise(each, day, today) for each in records.promises],
        N_("consultations"): [_consultation(each, day) for each in records.consultations],
        N_("notes"): [_note(each, day) for each in records.notes],
    }


_Day = Callable[[str], date]
"""Gives the day that an instant has at the clinic."""


def _flag(each: Mapping[str, Any], day: _Day, today: date) -> _Stretch:
    waits, due = each["status"] in _WAITING, each["due_at"]
    return _Stretch(
        f"/desk/flags/{each['id']}",
        each["rule"],
        each["severity"],
        day(each["effective_at"]),
        day(each["resolved_at"]) if each["resolved_at"] else today,
        "bar",
        is_late=waits and due is not None and day(due) < today,
    )


def _incident(each: Mapping[str, Any]) -> _Stretch:
    return _Stretch(
        f"/desk/incidents/{each['id']}",
        each["details"]["kind"],
        each["details"]["kind"],
        date.fromisoformat(each["occurred_on"]),
        None,
        "dot" if each["date_precision"] == DatePrecision.day else "hollow",
    )


def _consultation(each: Mapping[str, Any], day: _Day) -> _Stretch:
    completed = each["completed_at"]
    return _Stretch(
        f"/desk/consultations/{each['id']}",
        each["kind"],
        each["status"],
        day(each["requested_at"] or each["created_at"]),
        day(completed) if completed else None,
        "bar" if completed else "dot",
    )


def _note(each: Mapping[str, Any], day: _Day) -> _Stretch:
    return _Stretch(
        f"/desk/notes/{each['id']}",
        each["note_class"],
        each["status"],
        day(each["created_at"]),
        None,
        "dot",
    )


_WAITING = {FlagStatus.open, FlagStatus.acknowledged}


def _promise(each: Mapping[str, Any], day: _Day, today: date) -> _Stretch:
    """Draw a promise from when it was made to when it was settled, or else is due."""
    due = None if each["due_on"] is None else date.fromisoformat(each["due_on"])
    is_open = each["state"] == PromiseState.open
    ended = (due or today) if is_open else day(each["updated_at"])
    made = date.fromisoformat(each["made_on"])
    return _Stretch(
        f"/desk/promises/{each['id']}",
        each["kind"],
        each["state"],
        made,
        max(made, ended),
        "bar",
        is_late=is_open and due is not None and due < today,
    )


def _range(
    lanes: Iterable[Sequence[_Stretch]], today: date, span: timedelta | None, until: date | None
) -> tuple[date, date]:
    days = [each for lane in lanes for one in lane for each in (one.began, one.ended) if each]
    if span is None:
        first, last = min([*days, today]), max([*days, today])
        whole = max(timedelta(days=30), last - first)
        # words stand beside what begins late
        return first - whole / 20, last + whole / _ROOM_FOR_A_WORD
    last = until or today + span / _ROOM_FOR_A_WORD
    return last - span, last


def _within(stretches: Iterable[_Stretch], since: date, until: date) -> list[_Stretch]:
    found = [
        each for each in stretches if each.began <= until and (each.ended or each.began) >= since
    ]
    return sorted(found, key=lambda each: (each.began, each.path))


def _lane(name: str, top: float, stretches: Sequence[_Stretch], since: date, until: date) -> Lane:
    marks, left_out, taken = [], 0, [-1.0] * MOST_ROWS
    for each in stretches:
        x = max(_x(each.began, since, until), LEFT)
        to = min(_x(each.ended or each.began, since, until), WIDTH - RIGHT)
        is_bar = each.shape == "bar"
        begins, ends = (x, max(to, x + _LABELLED)) if is_bar else (x - _MARK, x + _MARK)
        row = next((at for at, end in enumerate(taken) if end < begins), None)
        if row is None:
            left_out += 1
            continue
        taken[row] = ends + 1
        marks.append(
            Mark(
                each.path,
                each.kind,
                each.word,
                each.began,
                each.ended,
                x,
                max(to, x + (_MARK if is_bar else 0)),
                row,
                each.shape,
                each.is_late,
            )
        )
    rows = max((mark.row + 1 for mark in marks), default=1)
    return Lane(name, top, rows * ROW + (ROW if left_out else 0) + 8, marks, left_out)


def _x(day: date, since: date, until: date) -> float:
    whole = max(1, (until - since).days)
    return round(LEFT + (WIDTH - LEFT - RIGHT) * (day - since).days / whole, 1)


def _ticks(since: date, until: date) -> list[Tick]:
    """Write the beginnings of years, quarters, months or weeks: whichever there is room for."""
    for days in (_weeks, _months, _quarters, _years):
        found = [day for day in days(since, until) if since <= day <= until]
        if len(found) <= _ROOM:
            break
    else:
        found = found[:: len(found) // _ROOM + 1]
    return [Tick(day, _x(day, since, until)) for day in found]


_ROOM = 7


def _weeks(since: date, until: date) -> Iterator[date]:
    day = since - timedelta(days=since.weekday())
    while day <= until:
        yield day
        day += timedelta(days=7)


def _months(since: date, until: date, step: int = 1) -> Iterator[date]:
    month = since.year * 12
    while (day := date(month // 12, month % 12 + 1, 1)) <= until:
        yield day
        month += step


def _quarters(since: date, until: date) -> Iterator[date]:
    return _months(since, until, 3)


def _years(since: date, until: date) -> Iterator[date]:
    return _months(since, until, 12)
