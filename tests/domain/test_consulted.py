"""What counts as having asked another clinician: which kinds, when, and with which answer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from api.domain.rules.facts import Facts, IncidentFact
from api.domain.vocabulary import ConsultationKind, ConsultationStatus
from tests.domain.builders import (
    LATELY,
    NOW,
    Record,
    ago,
    consultation,
    evidence,
    facts,
    flags,
    ids,
    incident,
    noon,
    prompts,
)

COUNTS = (
    "peer_consultation",
    "supervision",
    "second_opinion_for_client",
    "ethics",
    "specialist",
)
OTHERS = ("legal_risk", "danger_review", "facilitated_repair")
LONG_AGO = NOW - timedelta(days=700)
GAP = {"competence_gap": "moderate"}


def _gap(occurred_on: date = LATELY, **said: Any) -> IncidentFact:
    return incident("competence_gap", occurred_on=occurred_on, **said)


def test_every_kind_is_answered_for() -> None:
    assert {*COUNTS, *OTHERS} == set(ConsultationKind)


@pytest.mark.parametrize("kind", COUNTS)
def test_five_kinds_of_consultation_count_linked_or_later(kind: str) -> None:
    gap = _gap()
    assert flags(facts(gap, consultation(kind, about=[gap], completed_at=LONG_AGO))) == {}
    assert flags(facts(gap, consultation(kind))) == {}


@pytest.mark.parametrize("kind", OTHERS)
def test_three_kinds_of_consultation_do_not_count(kind: str) -> None:
    gap = _gap()
    assert flags(facts(gap, consultation(kind, about=[gap]))) == GAP


@pytest.mark.parametrize("status", [word for word in ConsultationStatus if word != "completed"])
def test_a_consultation_counts_only_once_it_is_completed(status: str) -> None:
    gap = _gap()
    assert flags(facts(gap, consultation(status=status, about=[gap]))) == GAP


def test_only_a_completed_consultation_counts_whatever_day_it_carries() -> None:
    gap = _gap()
    answered = consultation(about=[gap])
    for status in ConsultationStatus:
        expected = {} if status == "completed" else GAP
        assert flags(facts(gap, replace(answered, status=status))) == expected


@pytest.mark.parametrize(
    ("response", "expected"), [(None, {}), ("accepted", {}), ("partly", {}), ("not_followed", GAP)]
)
def test_advice_that_was_not_followed_does_not_count(
    response: str | None, expected: dict[str, str]
) -> None:
    gap = _gap()
    for asked in (consultation(response=response), consultation(response=response, about=[gap])):
        assert flags(facts(gap, asked)) == expected


def test_advice_not_followed_does_not_undo_advice_that_was() -> None:
    gap = _gap()
    ignored = consultation("ethics", response="not_followed", about=[gap])
    assert flags(facts(gap, ignored, consultation("ethics"))) == {}


@pytest.mark.parametrize(
    ("completed_at", "expected"),
    [
        (datetime(2026, 6, 4, 23, 59, 59, tzinfo=UTC), GAP),
        (datetime(2026, 6, 5, tzinfo=UTC), {}),
        (datetime(2026, 6, 5, 23, 59, 59, tzinfo=UTC), {}),
        (datetime(2026, 6, 6, tzinfo=UTC), {}),
    ],
)
def test_a_consultation_counts_from_the_day_of_the_incident(
    completed_at: datetime, expected: dict[str, str]
) -> None:
    assert flags(facts(_gap(date(2026, 6, 5)), consultation(completed_at=completed_at))) == expected


@pytest.mark.parametrize(
    ("zone", "hour", "expected"),
    [
        ("Asia/Tokyo", 14, GAP),
        ("Asia/Tokyo", 15, {}),
        ("America/Los_Angeles", 6, GAP),
        ("America/Los_Angeles", 7, {}),
    ],
)
def test_the_day_of_a_consultation_is_the_clinics_own(
    zone: str, hour: int, expected: dict[str, str]
) -> None:
    day = date(2026, 6, 5) if zone == "Asia/Tokyo" else date(2026, 6, 4)
    asked = consultation(completed_at=datetime(2026, 6, 4, hour, tzinfo=UTC))
    assert flags(facts(_gap(day), asked, zone=zone)) == expected


def test_a_link_to_another_incident_counts_only_by_its_day() -> None:
    gap, other = _gap(ago(5)), _gap(ago(50))
    early = consultation(about=[other], completed_at=noon(ago(20)))
    case = facts(gap, other, early)
    assert flags(case) == GAP
    assert evidence(case, "competence_gap") == ids(gap)


@pytest.mark.parametrize(
    ("precision", "completed_on", "expected"),
    [
        ("day", date(2026, 5, 12), GAP),
        ("day", date(2026, 5, 13), {}),
        ("month", date(2026, 4, 30), GAP),
        ("month", date(2026, 5, 1), {}),
        ("month", date(2026, 5, 12), {}),
        ("year", date(2025, 12, 31), GAP),
        ("year", date(2026, 1, 1), {}),
    ],
)
def test_an_incident_known_to_the_month_or_year_is_consulted_from_its_first_day(
    precision: str, completed_on: date, expected: dict[str, str]
) -> None:
    gap = _gap(date(2026, 5, 13), precision=precision)
    asked = consultation(completed_at=noon(completed_on))
    assert flags(facts(gap, asked)) == expected


@pytest.mark.parametrize("precision", ["day", "month", "year"])
def test_a_consultation_that_counts_today_counts_ever_after(precision: str) -> None:
    """While the month or the year runs, and when it is over."""
    gap = _gap(date(2026, 6, 1), precision=precision)
    case = facts(gap, consultation(completed_at=noon(date(2026, 6, 1))))
    for days in range(0, 800, 5):
        assert flags(case, NOW + timedelta(days=days)) == {}


def _touch(about: Callable[[list[IncidentFact]], Record] | None) -> Facts:
    return _with(about, incident("touch", touch="holding", planned_method=False, times=9))


def _drift(about: Callable[[list[IncidentFact]], Record] | None) -> Facts:
    return _with(about, *(incident("crossing", area="time", documented=True) for _ in range(4)))


def _outcome(about: Callable[[list[IncidentFact]], Record] | None) -> Facts:
    return _with(about, incident("outcome", trend="worse", months=9, doubt=True))


def _doubt(about: Callable[[list[IncidentFact]], Record] | None) -> Facts:
    return _with(about, incident("outcome", doubt=True))


def _method(about: Callable[[list[IncidentFact]], Record] | None) -> Facts:
    return _with(about, incident("touch", touch="hair_stroking"))


def _not_well(about: Callable[[list[IncidentFact]], Record] | None) -> Facts:
    return _with(about, incident("fitness", sign="confused", in_session=True))


def _declined(about: Callable[[list[IncidentFact]], Record] | None) -> Facts:
    return _with(
        about,
        incident("sexual_conduct", conduct="proposal", initiator="client", declined=True),
    )


def _with(about: Callable[[list[IncidentFact]], Record] | None, *records: IncidentFact) -> Facts:
    return facts(*records, *([] if about is None else [about(list(records))]))


CONSULTED: list[Callable[[list[IncidentFact]], Record]] = [
    lambda told: consultation("supervision"),
    lambda told: consultation("specialist", about=told, completed_at=LONG_AGO),
    lambda told: consultation("ethics", response="partly"),
]
NOT_CONSULTED: list[Callable[[list[IncidentFact]], Record]] = [
    lambda told: consultation("supervision", completed_at=LONG_AGO),
    lambda told: consultation("legal_risk", about=told),
    lambda told: consultation("ethics", response="not_followed", about=told),
    lambda told: consultation("peer_consultation", status="in_progress", about=told),
]


@pytest.mark.parametrize("case", [_touch, _drift, _outcome, _doubt, _method, _not_well, _declined])
def test_every_rule_that_asks_for_a_consultation_reads_it_the_same_way(
    case: Callable[[Callable[[list[IncidentFact]], Record] | None], Facts],
) -> None:
    raised = (flags(case(None)), prompts(case(None)))
    assert raised != ({}, [])
    for asked in CONSULTED:
        assert (flags(case(asked)), prompts(case(asked))) == ({}, [])
    for asked in NOT_CONSULTED:
        assert (flags(case(asked)), prompts(case(asked))) == raised
