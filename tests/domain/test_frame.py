"""Whose needs were met, limits drawn without preparation, and the frame loosening step by step."""

from typing import Any

import pytest

from api.domain.vocabulary import ClientImpact, FrameElement, Initiator, RoleReversalForm
from tests.domain.builders import (
    CARE_SIDE,
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

MILD = ("own_distress_disclosed", "caretaking_worry")
TIGHTENED = "frame_tightened_unprepared"
DRIFT = {"frame_drift": "moderate"}


@pytest.mark.parametrize("initiator", ["therapist", "mutual"])
@pytest.mark.parametrize("form", RoleReversalForm)
def test_role_reversal_is_graded_by_its_form(form: str, initiator: str) -> None:
    told = incident("role_reversal", form=form, initiator=initiator, client_impact="crisis")
    assert flags(facts(told)) == {"role_reversal": "moderate" if form in MILD else "high"}


@pytest.mark.parametrize("form", RoleReversalForm)
def test_a_role_reversal_of_which_accounts_differ_is_moderate_however_often(form: str) -> None:
    told = [incident("role_reversal", form=form, initiator="disputed") for _ in range(3)]
    assert flags(facts(*told)) == {"role_reversal": "moderate"}


@pytest.mark.parametrize(
    "initiator", [word for word in Initiator if word not in ("therapist", "mutual", "disputed")]
)
@pytest.mark.parametrize("form", RoleReversalForm)
def test_role_reversal_begun_by_another_is_never_a_flag(form: str, initiator: str) -> None:
    told = [incident("role_reversal", form=form, initiator=initiator) for _ in range(3)]
    assert flags(facts(*told)) == {}


def test_two_mild_role_reversals_are_high() -> None:
    first = incident("role_reversal", form="caretaking_worry", occurred_on=ago(3000))
    second = incident("role_reversal", form="own_distress_disclosed", initiator="mutual")
    assert flags(facts(first, second)) == {"role_reversal": "high"}
    assert evidence(facts(first, second), "role_reversal") == ids(first, second)


@pytest.mark.parametrize("initiator", ["client", "unknown", "institution"])
def test_a_role_reversal_that_does_not_count_is_no_second_record(initiator: str) -> None:
    first = incident("role_reversal", form="caretaking_worry")
    theirs = incident("role_reversal", form="parental_care", initiator=initiator)
    assert flags(facts(first, theirs)) == {"role_reversal": "moderate"}
    assert evidence(facts(first, theirs), "role_reversal") == ids(first)


def test_a_disputed_role_reversal_is_no_second_record_either() -> None:
    first = incident("role_reversal", form="caretaking_worry")
    disputed = incident("role_reversal", form="parental_care", initiator="disputed")
    assert flags(facts(first, disputed)) == {"role_reversal": "moderate"}
    assert evidence(facts(first, disputed), "role_reversal") == ids(first, disputed)


@pytest.mark.parametrize(
    ("discussed", "notice", "raised"),
    [
        (False, None, True),
        (False, 14, True),
        (False, 300, True),
        (True, 13, True),
        (None, 13, True),
        (None, 0, True),
        (False, 0, True),
        (True, 14, False),
        (None, 14, False),
        (True, None, False),
        (None, None, False),
    ],
)
@pytest.mark.parametrize(
    ("elements", "severity"),
    [(["fee"], "moderate"), (["warmth", "fee"], "high"), (list(FrameElement), "high")],
)
def test_a_limit_drawn_without_talk_or_notice(
    elements: list[str], severity: str, discussed: bool | None, notice: int | None, raised: bool
) -> None:
    told = incident(
        "frame_change",
        direction="tighten",
        elements=elements,
        discussed=discussed,
        notice_days=notice,
    )
    assert flags(facts(told)) == ({TIGHTENED: severity} if raised else {})
    assert prompts(facts(told)) == []


@pytest.mark.parametrize("initiator", Initiator)
def test_a_limit_counts_where_the_care_side_drew_it(initiator: str) -> None:
    told = incident(
        "frame_change",
        direction="tighten",
        elements=["fee"],
        discussed=False,
        initiator=initiator,
    )
    counts = initiator in CARE_SIDE
    assert flags(facts(told)) == ({TIGHTENED: "moderate"} if counts else {})


NEEDS_NOTICE = (
    *("session_frequency", "session_length", "fee", "place", "phone_contact", "email_replies"),
    "other",
)


@pytest.mark.parametrize("element", FrameElement)
@pytest.mark.parametrize(("notice", "short"), [(None, False), (0, True), (13, True), (14, False)])
@pytest.mark.parametrize("discussed", [True, None])
def test_short_notice_counts_for_what_a_client_has_to_prepare_for(
    discussed: bool | None, notice: int | None, short: bool, element: str
) -> None:
    told = incident(
        "frame_change",
        direction="tighten",
        elements=[element],
        discussed=discussed,
        notice_days=notice,
    )
    counts = short and element in NEEDS_NOTICE
    assert flags(facts(told)) == ({TIGHTENED: "moderate"} if counts else {})


@pytest.mark.parametrize("element", FrameElement)
@pytest.mark.parametrize("notice", [None, 0, 400])
def test_a_limit_that_was_not_talked_over_counts_whatever_it_is(
    notice: int | None, element: str
) -> None:
    told = incident(
        "frame_change",
        direction="tighten",
        elements=[element],
        discussed=False,
        notice_days=notice,
    )
    assert flags(facts(told)) == {TIGHTENED: "moderate"}


def test_one_element_that_needs_notice_makes_it_short_for_all() -> None:
    told = incident(
        "frame_change",
        direction="tighten",
        elements=["touch", "warmth", "phone_contact"],
        discussed=True,
        notice_days=13,
    )
    assert flags(facts(told)) == {TIGHTENED: "high"}


@pytest.mark.parametrize("impact", ClientImpact)
@pytest.mark.parametrize("initiator", CARE_SIDE)
def test_a_place_that_the_institution_took_away_is_moderate(initiator: str, impact: str) -> None:
    """A flood, a fire: nobody can give notice of it."""
    told = incident(
        "frame_change",
        direction="tighten",
        elements=["place", "session_length"],
        discussed=False,
        notice_days=0,
        initiator=initiator,
        client_impact=impact,
    )
    graver = "critical" if impact == "crisis" else "high"
    severity = "moderate" if initiator == "institution" else graver
    assert flags(facts(told)) == {TIGHTENED: severity}


def test_what_else_an_institution_takes_away_weighs_as_it_does() -> None:
    told = incident(
        "frame_change",
        direction="tighten",
        elements=["fee", "session_length"],
        discussed=False,
        initiator="institution",
    )
    assert flags(facts(told)) == {TIGHTENED: "high"}


@pytest.mark.parametrize("impact", ClientImpact)
def test_only_a_weighty_limit_becomes_critical_in_a_crisis(impact: str) -> None:
    def limit(*elements: str) -> dict[str, str]:
        return flags(
            facts(
                incident(
                    "frame_change",
                    direction="tighten",
                    elements=list(elements),
                    discussed=False,
                    client_impact=impact,
                )
            )
        )

    assert limit("fee") == {TIGHTENED: "moderate"}
    assert limit("fee", "place") == {TIGHTENED: "critical" if impact == "crisis" else "high"}


def test_the_same_element_named_twice_is_one_element() -> None:
    told = incident(
        "frame_change", direction="tighten", elements=["warmth", "warmth"], discussed=False
    )
    assert flags(facts(told)) == {TIGHTENED: "moderate"}


def test_two_limits_of_one_element_each_are_not_one_limit_of_two() -> None:
    told = [
        incident("frame_change", direction="tighten", elements=[element], discussed=False)
        for element in ("fee", "place")
    ]
    assert flags(facts(*told, consultation(about=told))) == {TIGHTENED: "moderate"}
    assert evidence(facts(*told), TIGHTENED) == ids(*told)


def test_loosening_the_frame_once_is_never_a_flag() -> None:
    told = incident(
        "frame_change", direction="loosen", elements=["touch", "warmth"], discussed=False
    )
    assert flags(facts(told)) == {}


def _departure(kind: str, days: int, *, documented: bool = True) -> dict[str, Any]:
    details: dict[str, dict[str, Any]] = {
        "crossing": {"area": "time"},
        "exception": {"exception": "extra_sessions"},
        "frame_change": {"direction": "loosen", "elements": ["session_length"]},
    }
    return {
        "kind": kind,
        "occurred_on": ago(days),
        "documented": documented,
        **details[kind],
    }


def _crossings(*days: int) -> list[Any]:
    return [incident(**_departure("crossing", day)) for day in days]


@pytest.mark.parametrize("kind", ["crossing", "exception", "frame_change"])
def test_four_departures_in_ninety_days_are_a_drift(kind: str) -> None:
    told = [incident(**_departure(kind, days)) for days in (1, 30, 60, 90)]
    assert flags(facts(*told)) == DRIFT
    assert evidence(facts(*told), "frame_drift") == ids(*told)
    assert flags(facts(*told[:3])) == {}


@pytest.mark.parametrize(("oldest", "expected"), [(90, DRIFT), (91, {})])
def test_a_departure_is_counted_until_its_ninetieth_day(
    oldest: int, expected: dict[str, str]
) -> None:
    assert flags(facts(*_crossings(5, 5, 5, oldest))) == expected


def test_the_three_kinds_of_departure_are_counted_together_written_down_or_not() -> None:
    told = [
        incident(**_departure("crossing", 5, documented=False)),
        incident(**_departure("exception", 6, documented=False)),
        incident(**_departure("frame_change", 7, documented=False)),
        incident(**_departure("crossing", 8)),
    ]
    assert flags(facts(*told)) == {**DRIFT, "crossing_undocumented": "low"}


def test_a_special_term_that_has_ended_still_was_a_departure() -> None:
    ended = incident(
        "exception", exception="other", occurred_on=ago(40), ends_on=ago(20), documented=True
    )
    assert flags(facts(ended, *_crossings(1, 2, 3))) == DRIFT


def test_tightening_and_other_kinds_are_no_departures() -> None:
    prepared = incident(
        "frame_change", direction="tighten", elements=["fee"], discussed=True, notice_days=30
    )
    hug = incident("touch", touch="hug")
    gift = incident("gift", item="gift", direction="to_client")
    assert flags(facts(prepared, hug, gift, *_crossings(1, 2, 3))) == {}


@pytest.mark.parametrize("initiator", Initiator)
def test_departures_are_counted_whoever_began_them(initiator: str) -> None:
    told = [
        incident("crossing", area="time", documented=True, initiator=initiator) for _ in range(4)
    ]
    assert flags(facts(*told)) == DRIFT


def test_a_consultation_about_the_latest_departure_answers_for_the_drift() -> None:
    told = [incident(**_departure("crossing", days)) for days in (1, 2, 3, 4)]
    early = noon(ago(200))
    assert flags(facts(*told, consultation(about=told[:1], completed_at=early))) == {}
    assert flags(facts(*told, consultation(about=told[1:], completed_at=early))) == DRIFT


def test_of_several_departures_on_the_latest_day_any_unconsulted_one_counts() -> None:
    told = [incident(**_departure("crossing", days)) for days in (2, 2, 3, 4)]
    early = noon(ago(200))
    for one in told[:2]:
        assert flags(facts(*told, consultation(about=[one], completed_at=early))) == DRIFT
    assert flags(facts(*told, consultation(about=told[:2], completed_at=early))) == {}


@pytest.mark.parametrize(("asked", "expected"), [(6, DRIFT), (5, {}), (4, {})])
def test_a_drift_is_answered_by_a_consultation_on_or_after_its_latest_day(
    asked: int, expected: dict[str, str]
) -> None:
    told = _crossings(5, 6, 7, 8)
    case = facts(*told, consultation(completed_at=noon(ago(asked))))
    assert flags(case) == expected


def test_an_older_departure_outside_the_window_is_not_the_latest() -> None:
    told = _crossings(5, 6, 7, 8, 200)
    case = facts(*told)
    assert flags(case) == DRIFT
    assert evidence(case, "frame_drift") == {i.id for i in case.incidents[:4]}
