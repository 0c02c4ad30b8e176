"""Records that differ, protective measures, written reasons, words, and requests."""

from typing import Any

import pytest

from api.domain.rules.facts import IncidentFact
from api.domain.vocabulary import (
    BoundaryArea,
    ClientImpact,
    CoerciveMeasure,
    Determination,
    Initiator,
    RecordIssue,
)
from tests.domain.builders import (
    CARE_SIDE,
    ago,
    consultation,
    evidence,
    facts,
    flags,
    ids,
    incident,
)

OVERDUE = {"record_request_overdue": "moderate"}


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("issue", RecordIssue)
def test_two_versions_in_the_record_are_high(issue: str, initiator: str) -> None:
    told = incident("record_conflict", issue=issue, initiator=initiator, client_impact="crisis")
    expected = {} if issue == "other" else {"record_conflict": "high"}
    assert flags(facts(told, consultation(about=[told]))) == expected


@pytest.mark.parametrize("impact", ClientImpact)
@pytest.mark.parametrize("determination", [None, *Determination])
def test_a_protective_measure_is_looked_at_until_its_danger_was_reviewed(
    determination: str | None, impact: str
) -> None:
    told = incident(
        "coercive_measure",
        measures=["police_called"],
        initiator="institution",
        determination=determination,
        client_impact=impact,
        sealed=True,
        documented=True,
    )
    settled = determination in ("real_danger", "mistaken_for_danger")
    severity = "critical" if impact == "crisis" else "high"
    expected = {} if settled else {"danger_review_required": severity}
    assert flags(facts(told)) == expected


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("measure", CoerciveMeasure)
def test_every_protective_measure_asks_for_a_review(measure: str, initiator: str) -> None:
    told = incident("coercive_measure", measures=[measure], initiator=initiator)
    assert flags(facts(told)) == {"danger_review_required": "high"}


def test_a_consultation_on_danger_is_not_the_review_of_the_measure() -> None:
    told = incident("coercive_measure", measures=["site_ban"])
    case = facts(told, consultation("danger_review", about=[told]))
    assert flags(case) == {"danger_review_required": "high"}


def test_each_protective_measure_needs_its_own_review() -> None:
    settled = incident("coercive_measure", measures=["seclusion"], determination="real_danger")
    waiting = incident("coercive_measure", measures=["seclusion"])
    case = facts(settled, waiting)
    assert evidence(case, "danger_review_required") == ids(waiting)


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("area", BoundaryArea)
def test_a_departure_without_a_written_reason_is_low(area: str, initiator: str) -> None:
    told = incident(
        "crossing", area=area, initiator=initiator, client_impact="crisis", occurred_on=ago(4000)
    )
    assert flags(facts(told, consultation(about=[told]))) == {"crossing_undocumented": "low"}


@pytest.mark.parametrize("area", BoundaryArea)
def test_a_departure_with_a_written_reason_asks_nothing(area: str) -> None:
    assert flags(facts(incident("crossing", area=area, documented=True))) == {}


def test_many_departures_without_a_reason_remain_low() -> None:
    told = [incident("crossing", area="time", occurred_on=ago(1000)) for _ in range(9)]
    assert flags(facts(*told)) == {"crossing_undocumented": "low"}
    assert evidence(facts(*told), "crossing_undocumented") == ids(*told)


@pytest.mark.parametrize("second", ["therapist", "supervisor", "institution"])
def test_two_records_of_hurtful_words_are_high(second: str) -> None:
    first = incident("hurtful_words", initiator="therapist", occurred_on=ago(3000))
    again = incident("hurtful_words", initiator=second)
    assert flags(facts(first, again)) == {"hurtful_words": "high"}
    assert evidence(facts(first, again), "hurtful_words") == ids(first, again)


@pytest.mark.parametrize("second", ["client", "client_side", "mutual", "third_party", "unknown"])
def test_hurtful_words_of_others_are_no_second_record(second: str) -> None:
    first = incident("hurtful_words")
    other = incident("hurtful_words", initiator=second, repeated=True)
    assert flags(facts(first, other)) == {"hurtful_words": "moderate"}
    assert evidence(facts(first, other), "hurtful_words") == ids(first)


@pytest.mark.parametrize("about_trait", [True, False, None])
@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("repeated", [True, False])
def test_hurtful_words_count_when_they_came_from_the_clinical_side(
    repeated: bool, initiator: str, about_trait: bool | None
) -> None:
    told = incident(
        "hurtful_words",
        repeated=repeated,
        about_trait=about_trait,
        initiator=initiator,
        client_impact="crisis",
    )
    expected = {}
    if initiator in ("therapist", "supervisor", "institution"):
        grave = repeated or about_trait is True
        expected = {"hurtful_words": "high" if grave else "moderate"}
    elif initiator == "disputed":
        expected = {"hurtful_words": "moderate"}
    assert flags(facts(told, consultation(about=[told]))) == expected


def test_disputed_words_are_evidence_and_no_second_record() -> None:
    first = incident("hurtful_words")
    disputed = [incident("hurtful_words", initiator="disputed", repeated=True) for _ in range(2)]
    assert flags(facts(*disputed)) == {"hurtful_words": "moderate"}
    assert flags(facts(first, *disputed)) == {"hurtful_words": "moderate"}
    assert evidence(facts(first, *disputed), "hurtful_words") == ids(first, *disputed)


@pytest.mark.parametrize("stage", ["raised", "ended"])
@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("determination", [None, *Determination])
def test_an_ending_for_danger_is_looked_at_until_its_danger_was_reviewed(
    determination: str | None, initiator: str, stage: str
) -> None:
    told = incident(
        "ending",
        stage=stage,
        ending="therapist_initiated",
        reason="danger_to_therapist",
        initiator=initiator,
        determination=determination,
        sealed=True,
        documented=True,
    )
    settled = determination in ("real_danger", "mistaken_for_danger")
    counts = initiator in CARE_SIDE and not settled
    assert flags(facts(told)) == ({"danger_review_required": "high"} if counts else {})


@pytest.mark.parametrize("impact", ClientImpact)
def test_an_ending_for_danger_is_critical_in_a_crisis(impact: str) -> None:
    told = incident(
        "ending", stage="raised", reason="danger_to_therapist", client_impact=impact, sealed=True
    )
    severity = "critical" if impact == "crisis" else "high"
    assert flags(facts(told)) == {"danger_review_required": severity}


def test_the_review_of_a_measure_is_not_that_of_the_ending() -> None:
    measure = incident("coercive_measure", measures=["site_ban"], determination="real_danger")
    ended = incident("ending", stage="raised", reason="danger_to_therapist", sealed=True)
    assert evidence(facts(measure, ended), "danger_review_required") == ids(ended)


def _request(request: str, **said: Any) -> IncidentFact:
    return incident("record_request", request=request, initiator="client", **said)


@pytest.mark.parametrize(
    ("request_kind", "limit"),
    [("access", 30), ("release", 30), ("amendment", 60), ("accounting", 60)],
)
def test_a_record_request_is_overdue_after_its_time(request_kind: str, limit: int) -> None:
    for days, expected in ((0, {}), (limit, {}), (limit + 1, OVERDUE), (3000, OVERDUE)):
        asked = _request(request_kind, occurred_on=ago(3000), requested_on=ago(days))
        assert flags(facts(asked)) == expected
        undated = _request(request_kind, occurred_on=ago(days))
        assert flags(facts(undated)) == expected


def test_the_day_of_the_request_counts_not_the_day_it_was_told_of() -> None:
    told_later = _request("access", occurred_on=ago(1), requested_on=ago(31))
    assert flags(facts(told_later)) == OVERDUE


@pytest.mark.parametrize("answered", [0, 299])
def test_an_answered_request_asks_nothing_however_late_the_answer(answered: int) -> None:
    asked = _request("access", occurred_on=ago(300), answered_on=ago(answered))
    assert flags(facts(asked)) == {}


@pytest.mark.parametrize("initiator", Initiator)
def test_a_request_is_overdue_whoever_made_it(initiator: str) -> None:
    asked = incident(
        "record_request",
        request="release",
        occurred_on=ago(31),
        initiator=initiator,
        client_impact="crisis",
    )
    assert flags(facts(asked, consultation(about=[asked]))) == OVERDUE
