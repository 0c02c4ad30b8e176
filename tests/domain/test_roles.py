"""A second role beside therapy: when it is looked at, and when it only asks to be clarified."""

import pytest

from api.domain.vocabulary import EndingWay, Initiator, Interaction, RoleTiming, SecondRole
from tests.domain.builders import consultation, evidence, facts, flags, ids, incident, prompts

EASED = ("neighbour_or_community", "recovery_peer", "institution_employee")
HELD = ("during_therapy", "after_therapy")
CLARIFY = ["clarify_roles"]


def _expected(role: str, interaction: str, precautions: bool) -> str | None:
    """Read the row from its first case to its last."""
    if role == "former_partner":
        return "high"
    if interaction == "incidental":
        return None if precautions else "moderate"
    if role == "related_cotreater":
        return "moderate"
    if role in EASED and interaction == "regular" and precautions:
        return "moderate"
    return "high"


@pytest.mark.parametrize("precautions", [True, False])
@pytest.mark.parametrize("interaction", Interaction)
@pytest.mark.parametrize("timing", HELD)
@pytest.mark.parametrize("role", SecondRole)
def test_a_second_role_held_during_or_after_therapy(
    role: str, timing: str, interaction: str, precautions: bool
) -> None:
    case = facts(
        incident(
            "second_role", role=role, timing=timing, interaction=interaction, sealed=precautions
        )
    )
    severity = _expected(role, interaction, precautions)
    assert flags(case) == ({} if severity is None else {"dual_relationship": severity})
    assert prompts(case) == (CLARIFY if interaction == "incidental" and precautions else [])


@pytest.mark.parametrize("precautions", [True, False])
@pytest.mark.parametrize("interaction", Interaction)
@pytest.mark.parametrize("timing", RoleTiming)
def test_a_former_partner_is_high_at_any_time_and_however_met(
    timing: str, interaction: str, precautions: bool
) -> None:
    told = incident(
        "second_role",
        role="former_partner",
        timing=timing,
        interaction=interaction,
        sealed=precautions,
    )
    case = facts(told, consultation(about=[told]))
    assert flags(case) == {"dual_relationship": "high"}
    asked = timing in ("before_therapy", "unknown") or (interaction == "incidental" and precautions)
    assert prompts(case) == (CLARIFY if asked else [])


CONVERSION = "conversion_to_other_relationship"


@pytest.mark.parametrize("initiator", Initiator)
def test_a_therapy_that_became_another_relationship_is_high_whoever_began(initiator: str) -> None:
    told = incident("ending", stage="ended", ending=CONVERSION, initiator=initiator)
    assert flags(facts(told)) == {"dual_relationship": "high"}


@pytest.mark.parametrize("initiator", Initiator)
def test_a_wish_for_another_relationship_counts_only_where_the_care_side_had_a_part(
    initiator: str,
) -> None:
    told = incident(
        "ending", stage="raised", ending=CONVERSION, initiator=initiator, client_impact="crisis"
    )
    counts = initiator in ("therapist", "mutual", "supervisor", "institution")
    assert flags(facts(told)) == ({"dual_relationship": "high"} if counts else {})


@pytest.mark.parametrize("way", [way for way in EndingWay if way != CONVERSION])
@pytest.mark.parametrize("stage", ["raised", "ended"])
def test_no_other_way_of_ending_is_a_second_role(stage: str, way: str) -> None:
    assert flags(facts(incident("ending", stage=stage, ending=way))) == {}


@pytest.mark.parametrize(
    ("role", "interaction", "precautions", "severity"),
    [
        ("friend", "incidental", False, "moderate"),
        ("friend", "regular", True, "high"),
        ("friend", "close", True, "high"),
        ("related_cotreater", "close", False, "moderate"),
        ("related_cotreater", "regular", False, "moderate"),
        ("neighbour_or_community", "regular", True, "moderate"),
        ("neighbour_or_community", "regular", False, "high"),
        ("recovery_peer", "regular", True, "moderate"),
        ("recovery_peer", "close", True, "high"),
        ("institution_employee", "regular", True, "moderate"),
        ("institution_employee", "close", True, "high"),
        ("teacher", "regular", True, "high"),
        ("therapist_spouse_involved", "incidental", False, "moderate"),
    ],
)
def test_some_second_roles_by_name(
    role: str, interaction: str, precautions: bool, severity: str
) -> None:
    told = incident(
        "second_role",
        role=role,
        timing="during_therapy",
        interaction=interaction,
        sealed=precautions,
    )
    assert flags(facts(told)) == {"dual_relationship": severity}


@pytest.mark.parametrize("precautions", [True, False])
@pytest.mark.parametrize("interaction", Interaction)
@pytest.mark.parametrize("timing", ["before_therapy", "unknown"])
def test_a_role_before_therapy_or_of_unknown_timing_only_asks_to_be_clarified(
    timing: str, interaction: str, precautions: bool
) -> None:
    case = facts(
        incident(
            "second_role",
            role="business",
            timing=timing,
            interaction=interaction,
            sealed=precautions,
        )
    )
    assert flags(case) == {}
    assert prompts(case) == CLARIFY


@pytest.mark.parametrize("initiator", Initiator)
def test_a_second_role_counts_whoever_began_it(initiator: str) -> None:
    told = incident(
        "second_role",
        role="friend",
        timing="during_therapy",
        interaction="close",
        initiator=initiator,
        client_impact="crisis",
    )
    assert flags(facts(told)) == {"dual_relationship": "high"}


def test_a_written_reason_is_not_a_written_precaution() -> None:
    told = incident(
        "second_role",
        role="friend",
        timing="during_therapy",
        interaction="incidental",
        documented=True,
    )
    assert flags(facts(told)) == {"dual_relationship": "moderate"}


def test_a_consultation_does_not_undo_a_second_role() -> None:
    told = incident("second_role", role="friend", timing="during_therapy", interaction="close")
    assert flags(facts(told, consultation(about=[told]))) == {"dual_relationship": "high"}


def test_the_gravest_of_several_roles_counts_and_the_clarified_ones_are_no_evidence() -> None:
    passing = incident(
        "second_role", role="friend", timing="during_therapy", interaction="incidental"
    )
    close = incident("second_role", role="family", timing="after_therapy", interaction="close")
    noted = incident(
        "second_role", role="friend", timing="during_therapy", interaction="incidental", sealed=True
    )
    case = facts(passing, close, noted)
    assert flags(case) == {"dual_relationship": "high"}
    assert evidence(case, "dual_relationship") == ids(passing, close)
    assert prompts(case) == CLARIFY
    assert evidence(case, "clarify_roles") == ids(noted)


@pytest.mark.parametrize(("coordinated", "expected"), [(False, CLARIFY), (True, []), (None, [])])
def test_treaters_who_do_not_coordinate_are_asked_to_clarify_their_roles(
    coordinated: bool | None, expected: list[str]
) -> None:
    case = facts(incident("cotreatment", coordinated=coordinated))
    assert flags(case) == {}
    assert prompts(case) == expected


def test_every_timing_is_answered_for() -> None:
    assert set(RoleTiming) == {*HELD, "before_therapy", "unknown"}
