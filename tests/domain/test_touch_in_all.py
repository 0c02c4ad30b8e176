"""Touch in all: what is counted, for how long, and what else is asked of a minor's therapist."""

from datetime import date

import pytest

from api.domain.vocabulary import Initiator
from tests.domain.builders import (
    TODAY,
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

MODERATE = {"physical_contact": "moderate"}
HIGH = {"physical_contact": "high"}


def test_holding_of_unknown_method_is_not_other_touch() -> None:
    hugs = incident("touch", touch="hug", times=2)
    held = incident("touch", touch="holding", times=9)
    case = facts(hugs, held)
    assert flags(case) == MODERATE
    assert evidence(case, "physical_contact") == ids(held)
    assert prompts(case) == ["complete_record"]


@pytest.mark.parametrize(("days", "counted"), [(0, True), (365, True), (366, False), (900, False)])
def test_other_touch_is_counted_for_a_year(days: int, counted: bool) -> None:
    lately = incident("touch", touch="hug", times=2)
    older = incident("touch", touch="hand_holding", occurred_on=ago(days))
    case = facts(lately, older)
    assert flags(case) == (MODERATE if counted else {})
    assert evidence(case, "physical_contact") == (ids(lately, older) if counted else set())


@pytest.mark.parametrize(("days", "counted"), [(365, True), (366, False)])
def test_many_touches_of_one_record_are_counted_for_a_year(days: int, counted: bool) -> None:
    told = incident("touch", touch="hug", times=40, occurred_on=ago(days))
    assert flags(facts(told)) == (MODERATE if counted else {})


@pytest.mark.parametrize(("days", "expected"), [(365, HIGH), (366, MODERATE)])
def test_unplanned_holding_is_counted_for_a_year_and_asked_about_for_good(
    days: int, expected: dict[str, str]
) -> None:
    lately = incident("touch", touch="holding", planned_method=False, times=2)
    older = incident("touch", touch="holding", planned_method=False, occurred_on=ago(days))
    case = facts(lately, older)
    assert flags(case) == expected
    assert evidence(case, "physical_contact") == ids(lately, older)


@pytest.mark.parametrize("touch", ["hug", "holding", "hair_stroking"])
def test_touch_without_consent_is_asked_about_for_good_and_left_out_of_both_sums(
    touch: str,
) -> None:
    unwanted = incident("touch", touch=touch, consent=False, planned_method=False, times=9)
    old = incident("touch", touch=touch, consent=False, occurred_on=ago(4000))
    held = incident("touch", touch="holding", planned_method=False, times=2)
    hugs = incident("touch", touch="hug", times=2)
    assert flags(facts(old)) == HIGH
    assert flags(facts(held, hugs)) == MODERATE
    case = facts(unwanted, held, hugs)
    assert evidence(case, "physical_contact") == ids(unwanted, held)


def test_a_month_counts_as_its_last_day() -> None:
    told = incident("touch", touch="hug", times=3, occurred_on=date(2025, 6, 1), precision="month")
    assert flags(facts(told)) == MODERATE
    assert flags(facts(told), noon(date(2026, 6, 30))) == MODERATE
    assert flags(facts(told), noon(date(2026, 7, 1))) == {}


# ----------------------------------------------------------------------------------------- minors


@pytest.mark.parametrize("touch", ["holding", "hair_stroking"])
@pytest.mark.parametrize("planned", [True, False, None])
@pytest.mark.parametrize("is_minor", [True, False, None])
def test_holding_a_minor_that_nobody_was_asked_about_is_high(
    is_minor: bool | None, planned: bool | None, touch: str
) -> None:
    told = incident("touch", touch=touch, consent=True, planned_method=planned)
    assert flags(facts(told, is_minor=is_minor)) == (HIGH if is_minor is True else MODERATE)


@pytest.mark.parametrize("is_minor", [True, False, None])
@pytest.mark.parametrize(("times", "often"), [(None, False), (2, False), (3, True), (40, True)])
def test_holding_a_minor_often_is_moderate_though_somebody_was_asked(
    times: int | None, often: bool, is_minor: bool | None
) -> None:
    told = incident("touch", touch="holding", planned_method=True, times=times)
    case = facts(told, consultation(about=[told]), is_minor=is_minor)
    assert flags(case) == (MODERATE if often and is_minor is True else {})


@pytest.mark.parametrize(("days", "counted"), [(365, True), (366, False)])
def test_holding_of_a_minor_is_counted_for_a_year_too(days: int, counted: bool) -> None:
    lately = incident("touch", touch="holding", times=2)
    older = incident("touch", touch="hair_stroking", occurred_on=ago(days))
    case = facts(lately, older, consultation(about=[lately, older]), is_minor=True)
    assert flags(case) == (MODERATE if counted else {})


def test_what_is_not_counted_is_not_told_as_counted() -> None:
    often = incident("touch", touch="holding", times=3)
    older = incident("touch", touch="holding", occurred_on=ago(800))
    case = facts(often, older, consultation(about=[often, older]), is_minor=True)
    assert evidence(case, "physical_contact") == ids(often)


def test_one_holding_that_nobody_was_asked_about_outweighs_many_that_were_talked_over() -> None:
    often = incident("touch", touch="holding", times=3, occurred_on=ago(30))
    once = incident("touch", touch="holding", occurred_on=ago(3))
    case = facts(often, once, consultation(completed_at=noon(ago(20))), is_minor=True)
    assert flags(case) == HIGH
    assert evidence(case, "physical_contact") == ids(often, once)


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("consent", [True, None])
@pytest.mark.parametrize("is_minor", [True, False, None])
def test_only_what_a_child_began_and_wanted_is_left_out(
    is_minor: bool | None, consent: bool | None, initiator: str
) -> None:
    told = incident("touch", touch="hug", consent=consent, times=30, initiator=initiator)
    left_out = is_minor is True and initiator == "client" and consent is True
    assert flags(facts(told, is_minor=is_minor)) == ({} if left_out else MODERATE)


def test_a_childs_own_touch_adds_nothing_to_the_count_of_others() -> None:
    own = incident("touch", touch="hug", consent=True, times=30, initiator="client")
    others = incident("touch", touch="hug", consent=True, times=2)
    third = incident("touch", touch="sitting_close", occurred_on=TODAY)
    assert flags(facts(own, others, is_minor=True)) == {}
    case = facts(own, others, third, is_minor=True)
    assert evidence(case, "physical_contact") == ids(others, third)


def test_a_child_who_asked_to_be_held_is_still_a_child_who_was_held() -> None:
    told: Record = incident("touch", touch="holding", consent=True, initiator="client")
    assert flags(facts(told, is_minor=True)) == HIGH
