"""Time alone: when an answer changes, and that no change comes before it was said to."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.domain.rules.facts import Facts
from api.domain.rules.findings import Finding
from tests.domain.builders import (
    NOW,
    TODAY,
    Record,
    ago,
    ahead,
    consultation,
    facts,
    findings,
    flag,
    flags,
    incident,
    next_change,
    promise,
    prompts,
)
from tests.domain.strategies import cases

ZONES = ("UTC", "Asia/Tokyo", "America/Los_Angeles")
A_MOMENT = timedelta(microseconds=1)
FORTNIGHT = timedelta(days=14)

ambiguous = partial(incident, "risk", indicator="ambiguous_statement")
unkept = partial(promise, keepable="no", discussed_with_client=False)
away = partial(incident, "absence", absence="illness")


@cache
def _first_instant(day: date, zone: str) -> datetime:
    """Find the first instant of a day by walking through the quarters of an hour around it."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    while moment.astimezone(ZoneInfo(zone)).date() < day:
        moment += timedelta(minutes=15)
    return moment


def _stops(case: Facts, until: datetime) -> list[datetime]:
    """Follow the chain of announced changes."""
    stops: list[datetime] = []
    stop = next_change(case)
    while stop is not None and stop <= until:
        assert stop > (stops[-1] if stops else NOW)
        stops.append(stop)
        stop = next_change(case, stop)
    return stops


def _crossings() -> list[Record]:
    return [incident("crossing", area="time", documented=True, occurred_on=TODAY) for _ in "1234"]


TURNS: dict[str, tuple[Callable[[], list[Record]], list[int]]] = {
    "a promise not talked over": (lambda: [unkept(made_on=TODAY)], [31]),
    "a promise with a day": (lambda: [promise(due_on=ahead(5))], [13]),
    "a special term that ends": (
        lambda: [
            incident("exception", exception="other"),
            incident("exception", exception="other", ends_on=ahead(9)),
        ],
        [10],
    ),
    "gifts both ways that grow old": (
        lambda: [incident("gift", item="gift", direction="both", occurred_on=ago(300))],
        [66],
    ),
    "many touches that grow old": (
        lambda: [incident("touch", touch="hug", times=3, occurred_on=ago(300))],
        [66],
    ),
    "a complaint that nobody answers": (
        lambda: [incident("disclosure", of="complaint", taken_up=False, occurred_on=TODAY)],
        [31],
    ),
    "an ending that is left open": (
        lambda: [incident("ending", stage="raised", occurred_on=TODAY)],
        [30],
    ),
    "a return that nobody records": (
        lambda: [away(days=3, coverage=True, return_due_on=ahead(3))],
        [10, 34],
    ),
    "a danger that is to be reported": (
        lambda: [
            incident("safeguarding", concern="child", present=True, duty=True, occurred_on=TODAY)
        ],
        [2],
    ),
    "a danger that is not yet clear": (
        lambda: [incident("safeguarding", concern="child", occurred_on=TODAY)],
        [31],
    ),
    "what was shared, untold": (
        lambda: [
            incident(
                "third_party_contact",
                party="other",
                content_shared=True,
                client_informed=False,
                occurred_on=TODAY,
            )
        ],
        [61],
    ),
    "thoughts that an ending brought back": (
        lambda: [
            incident("risk", indicator="suicidal_ideation_conditional", occurred_on=ago(900)),
            incident("ending", stage="raised", initiator="client", sealed=True, occurred_on=TODAY),
        ],
        [91, 366],
    ),
    "a drift that grows old": (_crossings, [91]),
    "a return that is due": (lambda: [away(days=3, returned=False, return_due_on=ahead(3))], [11]),
    "a return that was due": (lambda: [away(days=3, returned=False, return_due_on=ago(3))], [5]),
    "a risk of last month": (
        lambda: [incident("risk", indicator="self_harm", occurred_on=ago(31))],
        [60, 335],
    ),
    "a recent attempt": (
        lambda: [incident("risk", indicator="suicide_attempt", occurred_on=TODAY)],
        [31, 91, 366],
    ),
    "words that may mean danger": (lambda: [ambiguous(occurred_on=TODAY)], [7]),
    "words of days ago": (lambda: [ambiguous(occurred_on=ago(6))], [1]),
    "cover that a risk makes needed": (
        lambda: [
            away(days=9, coverage=False),
            incident("risk", indicator="self_harm", occurred_on=ago(360)),
        ],
        [6],
    ),
    "a request for a copy": (
        lambda: [incident("record_request", request="access", occurred_on=TODAY)],
        [31],
    ),
    "a request for a correction": (
        lambda: [
            incident("record_request", request="amendment", occurred_on=ago(9), requested_on=ago(3))
        ],
        [58],
    ),
}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", TURNS)
def test_an_answer_changes_at_the_clinics_midnight_and_is_announced(name: str, zone: str) -> None:
    records, days = TURNS[name]
    case = facts(*records(), zone=zone)
    expected = [_first_instant(ahead(day), zone) for day in days]
    stops = _stops(case, NOW + timedelta(days=500))
    for turn in expected:
        assert findings(case, turn - A_MOMENT) != findings(case, turn)
    assert [s for s in stops if findings(case, s - A_MOMENT) != findings(case, s)] == expected
    assert next_change(case, NOW + timedelta(days=500)) is None


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", TURNS)
def test_day_by_day_nothing_changes_between_two_announced_instants(name: str, zone: str) -> None:
    case = facts(*TURNS[name][0](), zone=zone)
    stops = set(_stops(case, NOW + timedelta(days=420)))
    held = None
    for day in range(400):
        midnight = _first_instant(ahead(day + 1), zone)
        before, after = findings(case, midnight - A_MOMENT), findings(case, midnight)
        assert before == after or midnight in stops
        # and all day long since the last one
        assert before == held or held is None
        held = after


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/Los_Angeles", date(2026, 3, 8)),
        ("America/Los_Angeles", date(2026, 3, 9)),
        ("America/Los_Angeles", date(2026, 11, 1)),
        ("America/Los_Angeles", date(2026, 11, 2)),
        ("Europe/Berlin", date(2026, 3, 29)),
        ("Europe/Berlin", date(2026, 10, 25)),
        ("Africa/Cairo", date(2026, 4, 24)),
        ("Africa/Cairo", date(2026, 10, 30)),
        ("America/Santiago", date(2026, 9, 6)),
        ("America/Santiago", date(2026, 4, 5)),
        ("America/Havana", date(2026, 3, 8)),
        ("America/Havana", date(2026, 11, 1)),
        ("Asia/Tokyo", date(2026, 1, 1)),
        ("Pacific/Kiritimati", date(2026, 2, 28)),
        ("Pacific/Niue", date(2028, 2, 29)),
    ],
)
def test_the_clock_may_change_that_night_and_the_day_still_begins_once(
    zone: str, day: date
) -> None:
    case = facts(ambiguous(occurred_on=day - timedelta(days=7)), zone=zone)
    turn = _first_instant(day, zone)
    for hours in (1, 12, 36):
        assert next_change(case, turn - timedelta(hours=hours)) == turn
    assert flags(case, turn - A_MOMENT) == {}
    assert prompts(case, turn - A_MOMENT) == ["screen_distress"]
    for later in (timedelta(0), timedelta(hours=1), timedelta(hours=2), timedelta(days=1)):
        assert flags(case, turn + later) == {"risk_unscreened": "moderate"}
        assert next_change(case, turn + later) is None


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        ("UTC", datetime(2026, 6, 15, 23, 59, tzinfo=UTC), {}),
        ("Asia/Tokyo", datetime(2026, 6, 15, 15, tzinfo=UTC), {"risk_unscreened": "moderate"}),
        ("Asia/Tokyo", datetime(2026, 6, 15, 14, 59, tzinfo=UTC), {}),
        ("America/Los_Angeles", datetime(2026, 6, 16, 6, 59, tzinfo=UTC), {}),
        (
            "America/Los_Angeles",
            datetime(2026, 6, 16, 7, tzinfo=UTC),
            {"risk_unscreened": "moderate"},
        ),
    ],
)
def test_today_is_the_clinics_own_day(zone: str, now: datetime, expected: dict[str, str]) -> None:
    assert flags(facts(ambiguous(occurred_on=date(2026, 6, 9)), zone=zone), now) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_a_waiting_flag_is_counted_by_the_instant_not_by_the_day(zone: str) -> None:
    since = NOW - timedelta(days=2, hours=5, microseconds=7)
    case = facts(flag(effective_at=since), zone=zone)
    assert _stops(case, NOW + timedelta(days=90)) == [since + FORTNIGHT]
    assert flags(case, since + FORTNIGHT - A_MOMENT) == {}
    assert flags(case, since + FORTNIGHT) == {"no_oversight": "moderate"}


def test_a_fortnight_is_fourteen_times_24_hours_when_the_clocks_change() -> None:
    since = datetime(2026, 10, 25, 8, 30, tzinfo=UTC)
    case = facts(flag(effective_at=since), zone="America/Los_Angeles")
    assert next_change(case, since) == datetime(2026, 11, 8, 8, 30, tzinfo=UTC)


def test_several_waiting_flags_are_announced_one_after_the_other() -> None:
    starts = [NOW - timedelta(days=days) for days in (13, 9, 1)]
    case = facts(*(flag(effective_at=start) for start in starts), flag("low"))
    assert _stops(case, NOW + timedelta(days=90)) == [start + FORTNIGHT for start in starts]


def test_a_flag_that_was_asked_about_is_not_waited_for() -> None:
    asked = consultation("legal_risk", status="requested", requested_at=NOW)
    assert next_change(facts(flag(effective_at=NOW - timedelta(days=1)), asked)) is None


def test_a_settled_case_has_nothing_to_wait_for() -> None:
    case = facts(
        promise(state="kept", due_on=ahead(5)),
        promise(state="broken", due_on=ahead(5)),
        incident("touch", touch="holding", planned_method=False),
        incident("record_request", request="access", answered_on=ago(1)),
        ambiguous(screened=True),
        away(days=3, returned=True, return_due_on=ahead(5)),
        incident("risk", indicator="self_harm", occurred_on=ago(366)),
        incident("exception", exception="other", documented=True, ends_on=ahead(9)),
        incident("exception", exception="other", documented=True, ends_on=ahead(9)),
    )
    later = NOW + timedelta(days=400)
    assert findings(case, later) == findings(case)


@pytest.mark.parametrize(
    ("occurred_on", "precision", "last"),
    [
        (date(2026, 4, 1), "month", date(2026, 4, 30)),
        (date(2026, 4, 30), "month", date(2026, 4, 30)),
        (date(2024, 2, 3), "month", date(2024, 2, 29)),
        (date(2025, 12, 9), "month", date(2025, 12, 31)),
        (date(2025, 1, 1), "year", date(2025, 12, 31)),
        (date(2025, 12, 31), "year", date(2025, 12, 31)),
        (date(2026, 4, 5), "day", date(2026, 4, 5)),
    ],
)
def test_a_day_known_to_the_month_or_year_counts_as_its_last(
    occurred_on: date, precision: str, last: date
) -> None:
    case = facts(
        incident("risk", indicator="suicide_attempt", occurred_on=occurred_on, precision=precision)
    )
    for days, severity in ((30, "critical"), (31, "high"), (90, "high"), (91, "moderate")):
        asked_at = _first_instant(last + timedelta(days=days), "UTC")
        assert flags(case, asked_at) == {"client_safety": severity}
    assert flags(case, _first_instant(last + timedelta(days=366), "UTC")) == {}


@pytest.mark.parametrize(("precision", "last"), [("month", ahead(15)), ("year", ahead(199))])
def test_while_the_period_runs_its_day_is_never_after_today(precision: str, last: date) -> None:
    case = facts(
        incident(
            "risk",
            indicator="suicide_attempt",
            occurred_on=date(2026, 6, 1) if precision == "month" else date(2026, 1, 1),
            precision=precision,
        )
    )
    for day in range((last - TODAY).days + 31):
        assert flags(case, NOW + timedelta(days=day)) == {"client_safety": "critical"}
    assert flags(case, NOW + timedelta(days=(last - TODAY).days + 31)) == {"client_safety": "high"}


@pytest.mark.parametrize(
    ("precision", "turn"),
    [
        ("day", datetime(2026, 6, 8, tzinfo=UTC)),
        ("month", datetime(2026, 7, 7, tzinfo=UTC)),
        ("year", datetime(2027, 1, 7, tzinfo=UTC)),
    ],
)
def test_the_week_for_ambiguous_words_begins_when_the_period_has_ended(
    precision: str, turn: datetime
) -> None:
    case = facts(ambiguous(occurred_on=date(2026, 6, 1), precision=precision))
    assert flags(case, turn - A_MOMENT) == {}
    assert flags(case, turn) == {"risk_unscreened": "moderate"}


@pytest.mark.parametrize(("precision", "day"), [("month", 8), ("month", 28), ("year", 8)])
def test_a_request_known_to_the_month_is_overdue_after_that_months_end(
    precision: str, day: int
) -> None:
    last = date(2026, 2, 28) if precision == "month" else date(2026, 12, 31)
    turn = _first_instant(last + timedelta(days=31), "UTC")
    for requested_on in (None, date(2026, 2, day)):
        case = facts(
            incident(
                "record_request",
                request="access",
                occurred_on=date(2026, 2, day),
                precision=precision,
                requested_on=requested_on,
            )
        )
        assert flags(case, turn - A_MOMENT) == {}
        assert flags(case, turn) == {"record_request_overdue": "moderate"}


def _moment(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


@given(cases(), st.integers(0, 900 * 24 * 60).map(_moment), st.lists(st.floats(0, 1), max_size=4))
def test_between_any_moment_and_the_announced_one_nothing_changes(
    case: Facts, now: datetime, parts: list[float]
) -> None:
    answers = findings(case, now)
    change = next_change(case, now)
    assert change is None or change > now
    end = change or now + timedelta(days=2000)
    for probe in [now + (end - A_MOMENT - now) * part for part in [*parts, 1.0]]:
        assert findings(case, probe) == answers, probe


@given(cases(), st.integers(0, 420))
def test_whatever_midnight_changes_was_announced(case: Facts, days: int) -> None:
    midnight = _first_instant(ahead(days + 1), case.zone.key)
    before: tuple[Finding, ...] = findings(case, midnight - A_MOMENT)
    if findings(case, midnight) != before:
        assert next_change(case, midnight - A_MOMENT) == midnight
        assert (next_change(case) or midnight + A_MOMENT) <= midnight
