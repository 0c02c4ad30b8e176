"""What an ending asks after so long a therapy, and how long some may wait, is each clinic's own."""

from dataclasses import replace
from typing import Any

import pytest

from api.domain.rules.facts import Facts, IncidentFact
from api.domain.rules.thresholds import Thresholds
from tests.domain.builders import ago, facts, flags, incident, prompts


def _with(case: Facts, **numbers: int) -> Facts:
    return replace(case, thresholds=Thresholds.model_validate(numbers))


def _ended(**said: Any) -> IncidentFact:
    return incident(
        "ending",
        stage="ended",
        ending="therapist_initiated",
        planned_at_outset=False,
        occurred_on=ago(0),
        **said,
    )


def _after(begun: int, **said: int) -> Facts:
    """Tell of an ending that many days after therapy began; there were many hours a week."""
    return facts(_ended(**said), started_on=ago(begun), sessions_per_week=7)


LONGER = [
    ("ending_asked_days", 100, _after(99, notice_days=0), _after(100, notice_days=0)),
    (
        "ending_notice_days_from_one_year",
        80,
        _after(500, notice_days=80),
        _after(500, notice_days=79),
    ),
    (
        "closing_sessions_from_one_year",
        10,
        _after(500, closing_sessions=10),
        _after(500, closing_sessions=9),
    ),
    (
        "ending_notice_days_after_three_years",
        200,
        _after(1500, notice_days=200),
        _after(1500, notice_days=199),
    ),
    (
        "closing_sessions_after_three_years",
        20,
        _after(1500, closing_sessions=20),
        _after(1500, closing_sessions=19),
    ),
]


@pytest.mark.parametrize(("name", "value", "quiet", "loud"), LONGER, ids=[row[0] for row in LONGER])
def test_what_an_ending_asks_after_so_long_a_therapy_is_the_clinics_own(
    name: str, value: int, quiet: Facts, loud: Facts
) -> None:
    assert flags(_with(quiet, **{name: value})) == {}
    severity = "high" if name == "ending_asked_days" else "moderate"
    assert flags(_with(loud, **{name: value})) == {"ending_unprepared": severity}
    assert flags(quiet) == flags(loud), "the default does not part the two"


@pytest.mark.parametrize(("days", "severity"), [(10, "low"), (11, "moderate")])
def test_how_long_a_complaint_may_wait_is_the_clinics_own(days: int, severity: str) -> None:
    case = facts(incident("disclosure", of="complaint", taken_up=False, occurred_on=ago(days)))
    assert flags(_with(case, complaint_days=10)) == {"disclosure_not_taken_up": severity}
    assert flags(case) == {"disclosure_not_taken_up": "low"}


@pytest.mark.parametrize(("days", "expected"), [(10, ["complete_record"]), (11, [])])
def test_how_long_a_danger_may_be_unclear_is_the_clinics_own(
    days: int, expected: list[str]
) -> None:
    case = facts(incident("safeguarding", concern="child", occurred_on=ago(days)))
    assert prompts(_with(case, safeguarding_known_days=10)) == expected
