"""What an ending asks after so long a therapy: a clinic's own number, and two cases about it."""

from typing import Any

from api.domain.rules.facts import Facts, IncidentFact
from tests.domain.builders import ago, facts, incident


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
