"""How a disclosure was met, and whether it was taken up."""

from datetime import date
from typing import Any

import pytest

from api.domain.vocabulary import (
    ClientImpact,
    DisclosureOf,
    DisclosureResponse,
    EndingReason,
    Initiator,
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
    prompts,
)

ALWAYS = (
    "hostile",
    "shaming",
    "punitive_measure",
    "threatened_termination",
    "withdrawal_or_termination",
)
WITHIN_A_MONTH = ("refusal_to_discuss", "access_withdrawn")
HARMLESS = ("explored", "normalised", "affirmed_caring", "boundary_explained", "dismissed")
MET = {"disclosure_response": "high"}
TOLD_TOO_MUCH = ("attachment_disclosed", "disclosure_of_difficulty")


@pytest.mark.parametrize("of", DisclosureOf)
@pytest.mark.parametrize("response", DisclosureResponse)
def test_a_disclosure_is_judged_by_how_it_was_met_not_by_what_was_told(
    of: str, response: str
) -> None:
    case = facts(incident("disclosure", of=of, responses=[response], initiator="client"))
    assert flags(case) == ({} if response in HARMLESS else MET)
    assert prompts(case) == []


@pytest.mark.parametrize("response", ALWAYS)
@pytest.mark.parametrize("days", [0, 30, 31, 700])
def test_some_answers_count_however_late(response: str, days: int) -> None:
    told = incident(
        "disclosure",
        of="love",
        responses=["explored", response],
        occurred_on=ago(800),
        responded_on=ago(800 - days),
    )
    assert flags(facts(told)) == MET


@pytest.mark.parametrize("response", WITHIN_A_MONTH)
@pytest.mark.parametrize(
    ("days", "expected"), [(0, MET), (29, MET), (30, MET), (31, {}), (700, {})]
)
def test_refusal_and_withdrawn_access_count_within_thirty_days(
    response: str, days: int, expected: dict[str, str]
) -> None:
    told = incident(
        "disclosure",
        of="love",
        responses=[response],
        occurred_on=ago(800),
        responded_on=ago(800 - days),
    )
    assert flags(facts(told)) == expected


@pytest.mark.parametrize("response", WITHIN_A_MONTH)
def test_refusal_and_withdrawn_access_of_unknown_date_count(response: str) -> None:
    told = incident("disclosure", of="love", responses=[response], occurred_on=ago(800))
    assert flags(facts(told)) == MET


@pytest.mark.parametrize(("responded", "expected"), [(30, MET), (1, {})])
def test_a_disclosure_known_to_the_month_counts_from_that_months_last_day(
    responded: int, expected: dict[str, str]
) -> None:
    told = incident(
        "disclosure",
        of="love",
        responses=["access_withdrawn"],
        occurred_on=date(2026, 3, 2),
        precision="month",
        responded_on=date(2026, 4 if responded == 30 else 5, responded),
    )
    assert flags(facts(told)) == expected


@pytest.mark.parametrize("impact", ClientImpact)
def test_a_disclosure_met_badly_is_critical_in_a_crisis(impact: str) -> None:
    told = incident("disclosure", of="love", responses=["shaming"], client_impact=impact)
    severity = "critical" if impact == "crisis" else "high"
    assert flags(facts(told, consultation(about=[told]))) == {"disclosure_response": severity}


@pytest.mark.parametrize("stage", ["raised", "ended"])
@pytest.mark.parametrize("reason", EndingReason)
@pytest.mark.parametrize("initiator", Initiator)
def test_an_ending_because_of_what_was_told_counts_when_the_care_side_began_it(
    stage: str, reason: str, initiator: str
) -> None:
    told = incident(
        "ending",
        stage=stage,
        ending="therapist_initiated",
        reason=reason,
        initiator=initiator,
        sealed=True,
    )
    expected = {}
    if initiator in CARE_SIDE and reason in (*TOLD_TOO_MUCH, "client_trait"):
        expected = MET
    elif initiator in CARE_SIDE and reason == "danger_to_therapist":
        expected = {"danger_review_required": "high"}
    elif initiator == "client_side" and reason in TOLD_TOO_MUCH:
        expected = {"disclosure_response": "moderate"}
    assert flags(facts(told)) == expected
    assert prompts(facts(told)) == []


@pytest.mark.parametrize("reason", [*TOLD_TOO_MUCH, "client_trait"])
def test_an_ending_because_of_what_was_told_or_who_told_it_is_critical_in_a_crisis(
    reason: str,
) -> None:
    told = incident("ending", stage="raised", reason=reason, client_impact="crisis")
    assert flags(facts(told)) == {"disclosure_response": "critical"}


@pytest.mark.parametrize("reason", TOLD_TOO_MUCH)
def test_a_parent_who_ends_it_for_what_was_told_is_moderate_even_in_a_crisis(reason: str) -> None:
    told = incident(
        "ending",
        stage="ended",
        ending="client_side_initiated",
        reason=reason,
        initiator="client_side",
        client_impact="crisis",
    )
    assert flags(facts(told)) == {"disclosure_response": "moderate"}


@pytest.mark.parametrize("initiator", Initiator)
def test_a_therapist_who_is_unavailable_ended_it_whoever_began(initiator: str) -> None:
    told = incident(
        "ending",
        stage="ended",
        ending="therapist_unavailable",
        reason="attachment_disclosed",
        initiator=initiator,
    )
    assert flags(facts(told)) == MET


def test_the_disclosure_and_the_ending_are_both_evidence() -> None:
    told = incident("disclosure", of="difficulty", responses=["hostile"])
    ended = incident(
        "ending", stage="ended", ending="therapist_initiated", reason="disclosure_of_difficulty"
    )
    assert evidence(facts(told, ended), "disclosure_response") == ids(told, ended)


@pytest.mark.parametrize(("taken_up", "severity"), [(False, "low"), (True, None), (None, None)])
@pytest.mark.parametrize("responses", [[], ["dismissed"], ["explored", "normalised"]])
def test_a_disclosure_not_taken_up_is_low(
    responses: list[str], taken_up: bool | None, severity: str | None
) -> None:
    told = incident(
        "disclosure", of="feelings", responses=responses, taken_up=taken_up, client_impact="crisis"
    )
    expected = {} if severity is None else {"disclosure_not_taken_up": severity}
    assert flags(facts(told)) == expected


@pytest.mark.parametrize("response", [*ALWAYS, *WITHIN_A_MONTH])
def test_a_disclosure_met_badly_is_not_also_one_not_taken_up(response: str) -> None:
    told = incident("disclosure", of="feelings", responses=[response], taken_up=False)
    assert flags(facts(told)) == MET


def test_a_late_refusal_leaves_a_disclosure_not_taken_up() -> None:
    told = incident(
        "disclosure",
        of="feelings",
        responses=["refusal_to_discuss"],
        taken_up=False,
        occurred_on=ago(60),
        responded_on=ago(29),
    )
    assert flags(facts(told)) == {"disclosure_not_taken_up": "low"}


def test_one_disclosure_met_badly_does_not_hide_another_not_taken_up() -> None:
    met = incident("disclosure", of="love", responses=["hostile"], taken_up=False)
    left = incident("disclosure", of="love", responses=["dismissed"], taken_up=False)
    case = facts(met, left)
    assert flags(case) == {**MET, "disclosure_not_taken_up": "low"}
    assert evidence(case, "disclosure_not_taken_up") == ids(left)


WAITING = ("complaint", "followup_request")


@pytest.mark.parametrize("of", DisclosureOf)
@pytest.mark.parametrize(("days", "late"), [(0, False), (30, False), (31, True), (400, True)])
def test_a_complaint_or_a_wish_to_be_seen_is_moderate_after_thirty_days_of_silence(
    days: int, late: bool, of: str
) -> None:
    told = incident("disclosure", of=of, taken_up=False, occurred_on=ago(days))
    severity = "moderate" if late and of in WAITING else "low"
    assert flags(facts(told)) == {"disclosure_not_taken_up": severity}


@pytest.mark.parametrize("of", WAITING)
@pytest.mark.parametrize(
    "said",
    [
        {"responses": ["dismissed"]},
        {"responses": ["boundary_explained"]},
        {"responded_on": ago(35)},
        {"responses": ["explored"], "responded_on": ago(35)},
    ],
)
def test_a_complaint_that_was_answered_in_any_way_is_low(of: str, said: dict[str, Any]) -> None:
    told = incident("disclosure", of=of, taken_up=False, occurred_on=ago(40), **said)
    assert flags(facts(told)) == {"disclosure_not_taken_up": "low"}


@pytest.mark.parametrize("of", WAITING)
@pytest.mark.parametrize("taken_up", [True, None])
def test_silence_after_a_complaint_counts_only_where_it_is_known(
    of: str, taken_up: bool | None
) -> None:
    told = incident("disclosure", of=of, taken_up=taken_up, occurred_on=ago(400))
    assert flags(facts(told)) == {}


@pytest.mark.parametrize("response", ["refusal_to_discuss", "hostile"])
def test_a_complaint_met_badly_is_told_once(response: str) -> None:
    told = incident(
        "disclosure", of="complaint", responses=[response], taken_up=False, occurred_on=ago(400)
    )
    assert flags(facts(told)) == MET


def test_a_complaint_known_to_the_month_waits_from_that_months_end() -> None:
    told = incident(
        "disclosure",
        of="complaint",
        taken_up=False,
        occurred_on=date(2026, 5, 2),
        precision="month",
    )
    assert flags(facts(told)) == {"disclosure_not_taken_up": "low"}
