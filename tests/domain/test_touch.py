"""Touch: whether it was wanted, planned, talked over with a colleague, and how often it was."""

from typing import Any

import pytest

from api.domain.vocabulary import Initiator, TouchKind
from tests.domain.builders import (
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

CARE_TOUCH = ("holding", "hair_stroking")
OTHER_TOUCH = ("hug", "hand_holding", "sitting_close", "other")
MODERATE = {"physical_contact": "moderate"}
HIGH = {"physical_contact": "high"}
RECORD = ["complete_record"]


@pytest.mark.parametrize("consent", [True, False, None])
@pytest.mark.parametrize("planned", [True, False, None])
def test_a_handshake_is_never_a_flag(consent: bool | None, planned: bool | None) -> None:
    told = incident("touch", touch="handshake", consent=consent, planned_method=planned, times=500)
    case = facts(told, told)
    assert flags(case) == {}
    assert prompts(case) == []


@pytest.mark.parametrize("touch", [touch for touch in TouchKind if touch != "handshake"])
@pytest.mark.parametrize("initiator", Initiator)
def test_touch_without_consent_is_high_even_when_consulted(touch: str, initiator: str) -> None:
    told = incident(
        "touch", touch=touch, consent=False, initiator=initiator, client_impact="crisis"
    )
    for case in (facts(told), facts(told, consultation(about=[told]))):
        assert flags(case) == HIGH
        assert prompts(case) == []


@pytest.mark.parametrize("touch", CARE_TOUCH)
@pytest.mark.parametrize("consent", [True, None])
@pytest.mark.parametrize(
    ("planned", "times", "expected"),
    [
        (True, None, MODERATE),
        (True, 2, MODERATE),
        (True, 3, MODERATE),
        (True, 400, MODERATE),
        (False, None, MODERATE),
        (False, 1, MODERATE),
        (False, 2, MODERATE),
        (False, 3, HIGH),
        (False, 40, HIGH),
        (None, None, MODERATE),
        (None, 40, MODERATE),
    ],
)
def test_holding_and_hair_stroking(
    touch: str,
    consent: bool | None,
    planned: bool | None,
    times: int | None,
    expected: dict[str, str],
) -> None:
    case = facts(
        incident("touch", touch=touch, consent=consent, planned_method=planned, times=times)
    )
    assert flags(case) == expected
    assert prompts(case) == (RECORD if planned is None else [])


def test_unplanned_holding_and_hair_stroking_are_counted_together() -> None:
    held = incident("touch", touch="holding", planned_method=False, times=2)
    stroked = incident("touch", touch="hair_stroking", planned_method=False, occurred_on=ago(365))
    assert flags(facts(held)) == MODERATE
    assert flags(facts(held, stroked)) == HIGH
    assert evidence(facts(held, stroked), "physical_contact") == ids(held, stroked)


@pytest.mark.parametrize("planned", [True, None])
def test_planned_or_unknown_method_is_not_counted_with_unplanned(planned: bool | None) -> None:
    held = incident("touch", touch="holding", planned_method=False, times=2)
    other = incident("touch", touch="holding", planned_method=planned, times=50)
    assert flags(facts(held, other)) == MODERATE


def test_records_without_a_number_count_once_each() -> None:
    def records(how_many: int) -> list[Any]:
        return [incident("touch", touch="holding", planned_method=False) for _ in range(how_many)]

    assert flags(facts(*records(2))) == MODERATE
    assert flags(facts(*records(3))) == HIGH


@pytest.mark.parametrize("touch", OTHER_TOUCH)
@pytest.mark.parametrize("consent", [True, None])
@pytest.mark.parametrize("planned", [True, False, None])
@pytest.mark.parametrize(("times", "expected"), [(None, {}), (2, {}), (3, MODERATE)])
def test_other_touch_counts_from_the_third_time(
    touch: str,
    consent: bool | None,
    planned: bool | None,
    times: int | None,
    expected: dict[str, str],
) -> None:
    case = facts(
        incident("touch", touch=touch, consent=consent, planned_method=planned, times=times)
    )
    assert flags(case) == expected
    assert prompts(case) == []


def test_all_other_touch_is_counted_together() -> None:
    touches = [incident("touch", touch=touch) for touch in ("hug", "hand_holding", "other")]
    assert flags(facts(*touches[:2])) == {}
    assert flags(facts(*touches)) == MODERATE
    assert evidence(facts(*touches), "physical_contact") == ids(*touches)


def test_handshakes_are_left_out_of_the_count() -> None:
    hugs = incident("touch", touch="hug", times=2)
    assert flags(facts(hugs, incident("touch", touch="handshake", times=9))) == {}


def test_touch_without_consent_is_left_out_of_the_count_of_other_touch() -> None:
    hugs = incident("touch", touch="hug", times=2)
    unwanted = incident("touch", touch="hug", consent=False, times=5)
    case = facts(hugs, unwanted)
    assert flags(case) == HIGH
    assert evidence(case, "physical_contact") == ids(unwanted)


@pytest.mark.parametrize("planned", [True, False])
def test_holding_is_left_out_of_the_count_of_other_touch(planned: bool) -> None:
    hugs = incident("touch", touch="hug", times=2)
    held = incident("touch", touch="holding", planned_method=planned, times=2)
    case = facts(hugs, held)
    assert flags(case) == MODERATE
    assert evidence(case, "physical_contact") == ids(held)


@pytest.mark.parametrize("touch", OTHER_TOUCH)
def test_other_touch_is_left_out_of_the_count_of_unplanned_holding(touch: str) -> None:
    held = incident("touch", touch="holding", planned_method=False, times=2)
    others = incident("touch", touch=touch, planned_method=False, times=9)
    case = facts(held, others)
    assert flags(case) == MODERATE
    assert evidence(case, "physical_contact") == ids(held, others)


@pytest.mark.parametrize("planned", [True, False, None])
@pytest.mark.parametrize("touch", CARE_TOUCH)
def test_consulted_holding_asks_nothing(touch: str, planned: bool | None) -> None:
    told = incident("touch", touch=touch, planned_method=planned, times=40)
    case = facts(told, consultation(about=[told], completed_at=noon(ago(300))))
    assert flags(case) == {}
    assert prompts(case) == []


def test_holding_of_unknown_method_without_consent_is_a_flag_and_no_prompt() -> None:
    told = incident("touch", touch="holding", consent=False)
    assert flags(facts(told)) == HIGH
    assert prompts(facts(told)) == []


def test_consulted_records_are_left_out_of_both_counts() -> None:
    early = noon(ago(300))
    hugs = [incident("touch", touch="hug", times=2) for _ in range(2)]
    assert flags(facts(*hugs)) == MODERATE
    assert flags(facts(*hugs, consultation(about=hugs[:1], completed_at=early))) == {}
    held = [incident("touch", touch="holding", planned_method=False, times=2) for _ in range(2)]
    assert flags(facts(*held)) == HIGH
    assert flags(facts(*held, consultation(about=held[:1], completed_at=early))) == MODERATE


def test_touch_after_the_consultation_is_counted_anew() -> None:
    before = incident("touch", touch="hug", times=9, occurred_on=ago(20))
    after = incident("touch", touch="hug", times=2, occurred_on=ago(5))
    asked = consultation(completed_at=noon(ago(10)))
    assert flags(facts(before, after, asked)) == {}
    third = incident("touch", touch="hug", occurred_on=ago(9))
    case = facts(before, after, third, asked)
    assert flags(case) == MODERATE
    assert evidence(case, "physical_contact") == ids(after, third)


def test_planned_holding_is_evidence_beside_frequent_unplanned_holding() -> None:
    often = incident("touch", touch="holding", planned_method=False, times=3)
    planned = incident("touch", touch="holding", planned_method=True)
    case = facts(often, planned)
    assert flags(case) == HIGH
    assert evidence(case, "physical_contact") == ids(often, planned)


def test_a_written_reason_does_not_stand_in_for_a_consultation() -> None:
    told = incident("touch", touch="holding", planned_method=True, documented=True)
    assert flags(facts(told)) == MODERATE
