"""What an ending asks after so long a therapy, and how long some may wait, is each clinic's own."""

from dataclasses import replace

import pytest

from api.domain.rules.facts import Facts
from api.domain.rules.thresholds import Thresholds
from tests.domain.after_so_long import LONGER
from tests.domain.builders import ago, facts, flags, incident, prompts


def _with(case: Facts, **numbers: int) -> Facts:
    return replace(case, thresholds=Thresholds.model_validate(numbers))


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
