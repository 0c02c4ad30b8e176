"""Who had a case on which days, and whose conduct an incident of those days is about."""

from datetime import date
from typing import Any
from uuid import uuid4

from api.domain.bodies import IncidentCreate
from api.domain.tenures import Tenure, who_had_it, whom_it_is_about, whom_it_may_be_about

FIRST, SECOND, NOW = uuid4(), uuid4(), uuid4()
MARCH, MAY = date(2026, 3, 10), date(2026, 5, 20)
HANDED_ON = [Tenure(FIRST, None, MARCH), Tenure(SECOND, MARCH, MAY)]


def test_on_the_day_of_a_transfer_a_case_is_the_new_clinicians() -> None:
    for day, whose in (
        (date(2020, 1, 1), FIRST),
        (date(2026, 3, 9), FIRST),
        (MARCH, SECOND),
        (date(2026, 5, 19), SECOND),
        (MAY, NOW),
        (date(2030, 1, 1), NOW),
    ):
        assert who_had_it(HANDED_ON, NOW, day, day) == {whose}, day
        assert who_had_it([], NOW, day, day) == {NOW}


def test_who_had_it_for_less_than_a_day_had_it_on_none() -> None:
    by_mistake = [Tenure(FIRST, None, MARCH), Tenure(SECOND, MARCH, MARCH)]
    days = (date(2026, 3, 9), FIRST), (MARCH, NOW), (MAY, NOW)
    for day, whose in days:
        assert who_had_it(by_mistake, NOW, day, day) == {whose}
    assert who_had_it(by_mistake, NOW, date(2026, 3, 1), date(2026, 3, 31)) == {FIRST, NOW}


def test_several_may_have_had_it_in_a_month_or_a_year() -> None:
    for span, whose in (
        ((date(2026, 2, 1), date(2026, 2, 28)), {FIRST}),
        ((date(2026, 3, 1), date(2026, 3, 31)), {FIRST, SECOND}),
        ((date(2026, 4, 1), date(2026, 4, 30)), {SECOND}),
        ((date(2026, 5, 1), date(2026, 5, 31)), {SECOND, NOW}),
        ((date(2026, 6, 1), date(2026, 6, 30)), {NOW}),
        ((date(2026, 1, 1), date(2026, 12, 31)), {FIRST, SECOND, NOW}),
        ((date(2025, 1, 1), date(2025, 12, 31)), {FIRST}),
    ):
        assert who_had_it(HANDED_ON, NOW, *span) == whose, span


def told(**fields: Any) -> IncidentCreate:
    """Tell an incident."""
    said = {
        "occurred_on": "2026-03-09",
        "initiator": "therapist",
        "reported_by": "client",
        "details": {"kind": "hurtful_words"},
        **fields,
    }
    return IncidentCreate.model_validate(said)


def test_it_is_about_whoever_had_the_case_and_about_nobody_where_several_may() -> None:
    def about(**fields: Any) -> Any:
        return whom_it_is_about(whom_it_may_be_about(HANDED_ON, NOW, told(**fields)))

    assert about() == FIRST
    assert about(occurred_on="2026-03-10", initiator="mutual") == SECOND
    assert about(occurred_on="2026-05-20", initiator="disputed") == NOW
    assert about(date_precision="month") is None
    assert about(date_precision="year") is None
    assert about(date_precision="month", occurred_on="2026-04-01") == SECOND
    assert about(initiator="client") is None
    assert about(details={"kind": "outcome"}) is None


def test_what_nobody_knows_is_about_nobody() -> None:
    forgotten = [Tenure(None, None, MARCH)]
    assert whom_it_is_about(whom_it_may_be_about(forgotten, NOW, told())) is None
    later = told(occurred_on="2026-03-10")
    assert whom_it_is_about(whom_it_may_be_about(forgotten, NOW, later)) == NOW
