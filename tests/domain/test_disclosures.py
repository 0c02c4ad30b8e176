"""How a disclosure was met, whether it was taken up, and leaving after a rupture."""

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
    counts = initiator in CARE_SIDE and reason in TOLD_TOO_MUCH
    assert flags(facts(told)) == (MET if counts else {})
    assert prompts(facts(told)) == []


def test_an_ending_because_of_what_was_told_is_critical_in_a_crisis() -> None:
    told = incident("ending", stage="raised", reason="attachment_disclosed", client_impact="crisis")
    assert flags(facts(told)) == {"disclosure_response": "critical"}


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


RUPTURES: dict[str, dict[str, Any]] = {
    "a disclosure met badly": {"kind": "disclosure", "of": "love", "responses": ["hostile"]},
    "a weighty limit": {
        "kind": "frame_change",
        "direction": "tighten",
        "elements": ["fee", "place"],
        "discussed": False,
    },
    "a small limit": {
        "kind": "frame_change",
        "direction": "tighten",
        "elements": ["fee"],
        "notice_days": 13,
    },
}


@pytest.mark.parametrize("rupture", RUPTURES)
@pytest.mark.parametrize(
    ("days", "linked"), [(-1, False), (0, True), (1, True), (30, True), (31, False)]
)
def test_leaving_within_thirty_days_of_a_rupture(rupture: str, days: int, linked: bool) -> None:
    strain = incident(**RUPTURES[rupture], occurred_on=ago(50))
    left = incident(
        "ending",
        stage="ended",
        ending="ended_without_word",
        initiator="client",
        occurred_on=ago(50 - days),
        client_impact="crisis",
    )
    case = facts(strain, left)
    assert flags(case).get("left_after_rupture") == ("moderate" if linked else None)
    assert left.id in evidence(case, "left_after_rupture") or not linked


@pytest.mark.parametrize("initiator", [word for word in Initiator if word != "client"])
def test_only_the_clients_leaving_is_leaving_after_a_rupture(initiator: str) -> None:
    strain = incident("disclosure", of="love", responses=["shaming"], occurred_on=ago(20))
    left = incident("ending", stage="ended", ending="disputed", initiator=initiator)
    assert flags(facts(strain, left)) == MET


def test_speaking_of_leaving_is_not_leaving() -> None:
    strain = incident("disclosure", of="love", responses=["shaming"], occurred_on=ago(20))
    raised = incident("ending", stage="raised", initiator="client")
    assert flags(facts(strain, raised)) == MET


def test_leaving_after_what_raised_no_flag_is_never_a_flag() -> None:
    strains = [
        incident("disclosure", of="love", responses=["dismissed"], occurred_on=ago(20)),
        incident(
            "frame_change",
            direction="tighten",
            elements=["fee", "touch"],
            discussed=True,
            notice_days=14,
            occurred_on=ago(20),
        ),
        incident(
            "frame_change",
            direction="tighten",
            elements=["fee"],
            discussed=False,
            initiator="client",
            occurred_on=ago(20),
        ),
    ]
    left = incident("ending", stage="ended", ending="client_initiated", initiator="client")
    assert flags(facts(*strains, left)) == {}


def test_leaving_after_an_ending_was_raised_is_not_leaving_after_a_rupture() -> None:
    raised = incident("ending", stage="raised", reason="attachment_disclosed")
    left = incident("ending", stage="ended", ending="client_initiated", initiator="client")
    assert flags(facts(raised, left)) == MET
