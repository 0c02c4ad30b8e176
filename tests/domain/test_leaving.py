"""Leaving soon after a strain: what counts as one, who left, and how soon."""

from typing import Any

import pytest

from api.domain.vocabulary import Initiator
from tests.domain.builders import ago, evidence, facts, flags, ids, incident

MET = {"disclosure_response": "high"}

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
    "words that hurt": {"kind": "hurtful_words"},
    "words that hurt, of which accounts differ": {
        "kind": "hurtful_words",
        "initiator": "disputed",
    },
    "comforting the therapist": {"kind": "role_reversal", "form": "own_distress_disclosed"},
    "comforting the therapist, of which accounts differ": {
        "kind": "role_reversal",
        "form": "parental_care",
        "initiator": "disputed",
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


@pytest.mark.parametrize(
    ("left", "linked"),
    [(69, True), (70, True), (71, True), (99, True), (100, True), (101, False)],
)
def test_a_disclosure_strains_on_the_day_it_was_told_and_the_day_it_was_answered(
    left: int, linked: bool
) -> None:
    """Told 100 days ago and answered 71 days ago: thirty days after either."""
    strain = incident(
        "disclosure",
        of="love",
        responses=["hostile"],
        occurred_on=ago(100),
        responded_on=ago(71),
    )
    gone = _left(occurred_on=ago(left))
    assert flags(facts(strain, gone)).get("left_after_rupture") == ("moderate" if linked else None)


@pytest.mark.parametrize(("left", "linked"), [(41, True), (40, False), (39, False)])
def test_thirty_days_after_the_answer_are_counted_too(left: int, linked: bool) -> None:
    strain = incident(
        "disclosure", of="love", responses=["hostile"], occurred_on=ago(200), responded_on=ago(71)
    )
    gone = _left(occurred_on=ago(left))
    assert flags(facts(strain, gone)).get("left_after_rupture") == ("moderate" if linked else None)


@pytest.mark.parametrize("is_minor", [True, False, None])
@pytest.mark.parametrize("initiator", Initiator)
def test_of_a_minor_the_clients_side_may_leave_too(initiator: str, is_minor: bool | None) -> None:
    strain = incident("hurtful_words", occurred_on=ago(20))
    gone = _left(initiator=initiator, ending="disputed")
    case = facts(strain, gone, is_minor=is_minor)
    leaves = initiator == "client" or (initiator == "client_side" and is_minor is True)
    assert ("left_after_rupture" in flags(case)) is leaves


def test_a_therapist_who_was_unavailable_is_not_a_client_who_left() -> None:
    strain = incident("hurtful_words", occurred_on=ago(20))
    gone = _left(ending="therapist_unavailable")
    assert "left_after_rupture" not in flags(facts(strain, gone))


@pytest.mark.parametrize("initiator", ["client", "client_side", "third_party", "mutual", "unknown"])
def test_words_and_care_that_raised_no_flag_are_no_strain(initiator: str) -> None:
    words = incident("hurtful_words", initiator=initiator, occurred_on=ago(20))
    assert flags(facts(words, _left())) == {}


def test_the_strain_and_the_leaving_are_both_evidence() -> None:
    strain = incident("role_reversal", form="caretaking_worry", occurred_on=ago(20))
    earlier = incident("hurtful_words", occurred_on=ago(200))
    gone = _left()
    case = facts(strain, earlier, gone)
    assert evidence(case, "left_after_rupture") == ids(strain, gone)


def _left(**said: Any) -> Any:
    return incident(
        "ending",
        **{"stage": "ended", "ending": "client_initiated", "initiator": "client", **said},
    )
