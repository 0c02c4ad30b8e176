"""Whether an ending was prepared: notice and closing sessions, by how long therapy had lasted."""

from datetime import date
from typing import Any

import pytest

from api.domain.rules.facts import Facts, IncidentFact
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import ClientImpact, Determination, EndingWay, Initiator
from tests.domain.builders import CARE_SIDE, consultation, evidence, facts, flags, incident, prompts

UNPREPARED: dict[str, Any] = {"planned_at_outset": False, "abrupt": True}
RECORD = ["complete_record"]
THE_DAY = date(2026, 6, 5)
HIGH, MODERATE = {"ending_unprepared": "high"}, {"ending_unprepared": "moderate"}


def _ended(initiator: str = "therapist", **said: Any) -> IncidentFact:
    return incident(
        "ending",
        initiator=initiator,
        **{
            "stage": "ended",
            "ending": "therapist_initiated",
            "occurred_on": THE_DAY,
            **said,
        },
    )


def _short(**said: Any) -> IncidentFact:
    return _ended(**{"planned_at_outset": False, "abrupt": False, **said})


def _after(begun: date | None, sessions_per_week: float | None = None, **said: Any) -> Facts:
    return facts(_short(**said), started_on=begun, sessions_per_week=sessions_per_week)


@pytest.mark.parametrize("initiator", Initiator)
def test_an_abrupt_ending_counts_when_the_care_side_ended(initiator: str) -> None:
    case = facts(_ended(initiator, **UNPREPARED))
    assert flags(case) == (HIGH if initiator in CARE_SIDE else {})
    assert prompts(case) == []


@pytest.mark.parametrize("planned", [True, False, None])
@pytest.mark.parametrize("impact", ClientImpact)
def test_an_abrupt_ending_counts_unless_it_was_planned_at_the_outset(
    impact: str, planned: bool | None
) -> None:
    told = _ended(abrupt=True, planned_at_outset=planned, client_impact=impact)
    severity = "critical" if impact == "crisis" else "high"
    case = facts(told, consultation(about=[told]))
    assert flags(case) == ({} if planned is True else {"ending_unprepared": severity})
    assert prompts(case) == (RECORD if planned is None else [])


@pytest.mark.parametrize(
    ("abrupt", "notice", "sessions", "short"),
    [
        (False, 29, 10, True),
        (False, 30, 10, False),
        (False, 0, 10, True),
        (None, 29, None, True),
        (None, 30, None, False),
        (False, 90, 2, True),
        (False, 90, 3, False),
        (False, 90, 0, True),
        (None, None, 2, True),
        (None, None, 3, False),
        (None, None, None, False),
        (False, None, None, False),
        (False, 30, 3, False),
    ],
)
@pytest.mark.parametrize("planned", [True, False, None])
def test_of_a_therapy_of_unknown_length_thirty_days_and_three_sessions_are_asked(
    planned: bool | None,
    abrupt: bool | None,
    notice: int | None,
    sessions: int | None,
    short: bool,
) -> None:
    case = facts(
        _ended(
            planned_at_outset=planned,
            abrupt=abrupt,
            notice_days=notice,
            closing_sessions=sessions,
        )
    )
    assert flags(case) == (HIGH if short and planned is False else {})
    assert prompts(case) == (RECORD if short and planned is None else [])


SIX_WEEKS = date(2026, 4, 24)
A_YEAR = date(2025, 6, 5)
THREE_YEARS = date(2023, 6, 5)

LENGTHS: dict[str, tuple[date | None, tuple[int, int] | None]] = {
    "not known": (None, (30, 3)),
    "begun that day": (THE_DAY, None),
    "one day short of six weeks": (date(2026, 4, 25), None),
    "six weeks to the day": (SIX_WEEKS, (30, 3)),
    "one day short of a year": (date(2025, 6, 6), (30, 3)),
    "a year to the day": (A_YEAR, (60, 6)),
    "three years to the day": (THREE_YEARS, (60, 6)),
    "three years and a day": (date(2023, 6, 4), (90, 8)),
    "thirty years": (date(1996, 6, 5), (90, 8)),
}
"""When therapy began, and the days of notice and closing sessions that it asks for then."""


@pytest.mark.parametrize("length", LENGTHS)
def test_the_notice_asked_grows_with_the_length_of_the_therapy(length: str) -> None:
    begun, asked = LENGTHS[length]
    if asked is None:
        assert flags(_after(begun, notice_days=0)) == {}
        return
    days, _ = asked
    assert flags(_after(begun, notice_days=days)) == {}
    assert flags(_after(begun, notice_days=days - 1)) == (HIGH if days == 30 else MODERATE)
    assert flags(_after(begun, notice_days=29)) == HIGH
    assert flags(_after(begun, notice_days=None)) == {}


@pytest.mark.parametrize("length", LENGTHS)
def test_the_closing_sessions_asked_grow_with_the_length_of_the_therapy(length: str) -> None:
    begun, asked = LENGTHS[length]
    if asked is None:
        assert flags(_after(begun, closing_sessions=0)) == {}
        return
    _, sessions = asked
    assert flags(_after(begun, closing_sessions=sessions)) == {}
    assert flags(_after(begun, closing_sessions=sessions - 1)) == (
        HIGH if sessions == 3 else MODERATE
    )
    assert flags(_after(begun, closing_sessions=2)) == HIGH
    assert flags(_after(begun, closing_sessions=None)) == {}


@pytest.mark.parametrize("begun", [date(2026, 4, 25), THE_DAY])
def test_an_abrupt_ending_counts_however_short_the_therapy(begun: date) -> None:
    assert flags(facts(_ended(**UNPREPARED), started_on=begun)) == HIGH
    crisis = _ended(**UNPREPARED, client_impact="crisis")
    assert flags(facts(crisis, started_on=begun)) == {"ending_unprepared": "critical"}


@pytest.mark.parametrize(
    ("a_week", "begun", "enough", "grave_below"),
    [
        (0.25, SIX_WEEKS, 1, 1),
        (0.25, A_YEAR, 2, 1),
        (0.25, THREE_YEARS, 2, 1),
        (0.25, date(2023, 6, 4), 3, 1),
        (0.5, SIX_WEEKS, 2, 2),
        (0.5, A_YEAR, 4, 2),
        (0.5, date(2023, 6, 4), 6, 2),
        (1, SIX_WEEKS, 3, 3),
        (1, A_YEAR, 6, 3),
        (1, date(2023, 6, 4), 8, 3),
        (None, A_YEAR, 6, 3),
        (4, A_YEAR, 6, 3),
    ],
)
def test_no_more_sessions_are_asked_than_the_time_of_notice_holds(
    a_week: float | None, begun: date, enough: int, grave_below: int
) -> None:
    for sessions in range(9):
        case = _after(begun, a_week, notice_days=90, closing_sessions=sessions)
        expected = {} if sessions >= enough else HIGH if sessions < grave_below else MODERATE
        assert flags(case) == expected, sessions


def test_once_in_thirty_days_asks_for_one_session_and_less_often_for_none() -> None:
    once = 7 / 30
    assert flags(_after(SIX_WEEKS, once, notice_days=30, closing_sessions=0)) == HIGH
    assert flags(_after(SIX_WEEKS, once, notice_days=30, closing_sessions=1)) == {}
    assert flags(_after(SIX_WEEKS, 0.2, notice_days=30, closing_sessions=0)) == {}


@pytest.mark.parametrize(
    ("precision", "occurred_on", "begun", "expected"),
    [
        ("month", THE_DAY, date(2025, 6, 15), MODERATE),
        ("month", THE_DAY, date(2025, 6, 16), {}),
        ("year", date(2026, 2, 1), date(2025, 6, 15), MODERATE),
        ("year", date(2026, 2, 1), date(2025, 6, 16), {}),
        ("month", date(2026, 4, 2), date(2025, 4, 30), MODERATE),
        ("month", date(2026, 4, 2), date(2025, 5, 1), {}),
    ],
)
def test_an_ending_known_to_the_month_counts_at_its_end_but_not_after_today(
    precision: str, occurred_on: date, begun: date, expected: dict[str, str]
) -> None:
    """Today is the fifteenth of June: of this month and year it is the last day so far."""
    told = _short(notice_days=59, occurred_on=occurred_on, precision=precision)
    assert flags(facts(told, started_on=begun)) == expected


def test_a_therapy_that_began_after_its_ending_is_of_unknown_length() -> None:
    assert flags(_after(date(2026, 6, 6), notice_days=29)) == HIGH
    assert flags(_after(date(2026, 6, 6), notice_days=30)) == {}


@pytest.mark.parametrize(
    ("day", "expected"), [(date(2025, 2, 27), {}), (date(2025, 3, 1), MODERATE)]
)
def test_a_year_from_the_last_of_february_is_over_by_march(
    day: date, expected: dict[str, str]
) -> None:
    told = _short(notice_days=59, occurred_on=day)
    assert flags(facts(told, started_on=date(2024, 2, 29))) == expected


@pytest.mark.parametrize("way", EndingWay)
def test_who_began_decides_save_where_the_therapist_was_unavailable(way: str) -> None:
    ended = "ending_unprepared"
    assert flags(facts(_ended("institution", ending=way, **UNPREPARED)))[ended] == "high"
    by_the_client = flags(facts(_ended("client", ending=way, **UNPREPARED)))
    assert by_the_client.get(ended) == ("high" if way == "therapist_unavailable" else None)


# -------------------------------------------------------------------------------- agreed contact


@pytest.mark.parametrize("impact", ClientImpact)
@pytest.mark.parametrize("abrupt", [True, False, None])
@pytest.mark.parametrize("notice", [None, 0, 29, 30])
def test_of_agreed_contact_only_an_abrupt_end_or_short_notice_is_asked_about(
    notice: int | None, abrupt: bool | None, impact: str
) -> None:
    told = _short(
        applies_to="agreed_contact",
        abrupt=abrupt,
        notice_days=notice,
        closing_sessions=0,
        client_impact=impact,
    )
    case = facts(told, started_on=date(1996, 6, 5))
    counts = abrupt is True or (notice is not None and notice < 30)
    graver = abrupt is True and impact == "crisis"
    assert flags(case) == ((HIGH if graver else MODERATE) if counts else {})


def test_of_agreed_contact_the_outset_is_asked_for_where_it_decides() -> None:
    told = _ended(applies_to="agreed_contact", notice_days=29)
    assert flags(facts(told)) == {}
    assert prompts(facts(told)) == RECORD
    planned = _ended(applies_to="agreed_contact", abrupt=True, planned_at_outset=True)
    assert flags(facts(planned)) == {}


# ---------------------------------------------------------------------------------------- reviews


@pytest.mark.parametrize("impact", ClientImpact)
@pytest.mark.parametrize("determination", [None, *Determination])
def test_an_unprepared_ending_is_moderate_after_a_real_danger(
    determination: str | None, impact: str
) -> None:
    told = _ended(**UNPREPARED, client_impact=impact, determination=determination)
    graver = "critical" if impact == "crisis" else "high"
    expected = "moderate" if determination == "real_danger" else graver
    assert flags(facts(told, consultation(about=[told]))) == {"ending_unprepared": expected}


def test_danger_named_as_the_reason_is_not_yet_a_review() -> None:
    told = _ended(reason="danger_to_therapist", **UNPREPARED)
    assert flags(facts(told)) == {**HIGH, "danger_review_required": "high"}


def test_a_clinic_that_asks_for_less_after_a_year_weighs_no_more_than_it_asks() -> None:
    lenient = Thresholds.model_validate({"ending_notice_days_from_one_year": 20})

    def after_a_year(notice: int, sessions: int) -> dict[str, str]:
        told = _short(notice_days=notice, closing_sessions=sessions)
        return flags(facts(told, started_on=A_YEAR, sessions_per_week=2, thresholds=lenient))

    assert after_a_year(20, 5) == {}
    assert after_a_year(25, 4) == MODERATE
    assert after_a_year(19, 5) == HIGH
    assert after_a_year(20, 2) == HIGH


def test_the_ending_that_was_prepared_is_no_evidence() -> None:
    prepared = _short(notice_days=60, closing_sessions=6)
    sudden = _ended(**UNPREPARED)
    case = facts(prepared, sudden, started_on=A_YEAR)
    assert evidence(case, "ending_unprepared") == {sudden.id}
