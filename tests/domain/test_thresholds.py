"""Each number a clinic may set for itself moves the rule that reads it, by its own step."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from api.domain.rules.facts import Facts, IncidentFact
from api.domain.rules.thresholds import Thresholds
from tests.domain.after_so_long import LONGER
from tests.domain.builders import (
    NOW,
    Record,
    ago,
    consultation,
    facts,
    flag,
    flags,
    incident,
    promise,
    prompts,
)

contact = partial(incident, "contact", therapist_participates=True, limits_agreed=False)
tighten = partial(incident, "frame_change", direction="tighten")
ending = partial(
    incident, "ending", stage="ended", ending="therapist_initiated", planned_at_outset=False
)
uncovered = partial(incident, "absence", absence="illness", coverage=False)
risk = partial(incident, "risk", indicator="suicide_attempt")
rupture = incident("disclosure", of="love", responses=["shaming"], occurred_on=ago(50))


def _left(days: int) -> IncidentFact:
    return incident(
        "ending",
        stage="ended",
        ending="client_initiated",
        initiator="client",
        occurred_on=ago(50 - days),
    )


def _crossings(how_many: int, days: int = 5) -> list[Record]:
    return [
        incident("crossing", area="time", documented=True, occurred_on=ago(days))
        for _ in range(how_many)
    ]


def _terms(how_many: int) -> list[Record]:
    return [incident("exception", exception="other") for _ in range(how_many)]


def _withdrawn(days: int) -> IncidentFact:
    return incident(
        "disclosure",
        of="love",
        responses=["access_withdrawn"],
        occurred_on=ago(100),
        responded_on=ago(100 - days),
    )


def _gifts(how_many: int) -> list[Record]:
    return [incident("gift", item="gift", direction="from_client") for _ in range(how_many)]


def _concern(days: int) -> IncidentFact:
    return incident("safeguarding", concern="child", present=True, duty=True, occurred_on=ago(days))


def _shared(days: int) -> IncidentFact:
    return incident(
        "third_party_contact",
        party="other",
        content_shared=True,
        client_informed=False,
        occurred_on=ago(days),
    )


SAFE = incident("risk", indicator="self_harm", occurred_on=ago(5))

# A threshold, its new value, the rule that reads it, records on the quiet side of the new value,
# records on the loud side, and the severity there.
MOVED: list[tuple[str, int, str, list[Record], list[Record], str]] = [
    (
        "unexamined_days",
        10,
        "promise_unexamined",
        [promise(keepable="no", discussed_with_client=False, made_on=ago(10))],
        [promise(keepable="no", discussed_with_client=False, made_on=ago(11))],
        "moderate",
    ),
    (
        "overdue_grace_days",
        2,
        "promise_broken",
        [promise(due_on=ago(2))],
        [promise(due_on=ago(3))],
        "moderate",
    ),
    (
        "contact_days_per_week",
        5,
        "contact_out_of_frame",
        [contact(days_per_week=4, weeks=9)],
        [contact(days_per_week=5, weeks=9)],
        "moderate",
    ),
    (
        "contact_weeks",
        8,
        "contact_out_of_frame",
        [contact(days_per_week=6, weeks=7)],
        [contact(days_per_week=6, weeks=8)],
        "moderate",
    ),
    ("exceptions", 4, "special_exceptions", _terms(3), _terms(4), "moderate"),
    (
        "touch_times",
        5,
        "physical_contact",
        [incident("touch", touch="hug", times=4)],
        [incident("touch", touch="hug", times=5)],
        "moderate",
    ),
    (
        "tightening_notice_days",
        20,
        "frame_tightened_unprepared",
        [tighten(elements=["fee"], notice_days=20)],
        [tighten(elements=["fee"], notice_days=19)],
        "moderate",
    ),
    ("drift_departures", 6, "frame_drift", _crossings(5), _crossings(6), "moderate"),
    ("drift_days", 20, "frame_drift", _crossings(4, 21), _crossings(4, 20), "moderate"),
    (
        "disclosure_window_days",
        10,
        "disclosure_response",
        [_withdrawn(11)],
        [_withdrawn(10)],
        "high",
    ),
    (
        "ending_notice_days",
        60,
        "ending_unprepared",
        [ending(notice_days=60)],
        [ending(notice_days=59)],
        "high",
    ),
    (
        "closing_sessions",
        4,
        "ending_unprepared",
        [ending(closing_sessions=4)],
        [ending(closing_sessions=3)],
        "high",
    ),
    (
        "touch_days",
        100,
        "physical_contact",
        [incident("touch", touch="hug", times=3, occurred_on=ago(101))],
        [incident("touch", touch="hug", times=3, occurred_on=ago(100))],
        "moderate",
    ),
    (
        "gift_days",
        100,
        "gifts_or_money",
        [incident("gift", item="gift", direction="both", occurred_on=ago(101))],
        [incident("gift", item="gift", direction="both", occurred_on=ago(100))],
        "moderate",
    ),
    ("gifts_one_way", 7, "gifts_or_money", _gifts(6), _gifts(7), "low"),
    (
        "ending_left_open_days",
        12,
        "ending_left_open",
        [incident("ending", stage="raised", occurred_on=ago(11))],
        [incident("ending", stage="raised", occurred_on=ago(12))],
        "moderate",
    ),
    (
        "return_unknown_days",
        12,
        "absence_uncovered",
        [incident("absence", absence="other", days=2, return_due_on=ago(12))],
        [incident("absence", absence="other", days=2, return_due_on=ago(13))],
        "moderate",
    ),
    (
        "safeguarding_days",
        5,
        "safeguarding_unanswered",
        [_concern(4)],
        [_concern(5)],
        "high",
    ),
    (
        "informed_days",
        20,
        "third_party_contact",
        [_shared(20)],
        [_shared(21)],
        "high",
    ),
    (
        "rupture_days",
        5,
        "left_after_rupture",
        [rupture, _left(6)],
        [rupture, _left(5)],
        "moderate",
    ),
    (
        "absence_days",
        21,
        "absence_uncovered",
        [uncovered(days=20)],
        [uncovered(days=21)],
        "moderate",
    ),
    (
        "absence_with_safety_days",
        10,
        "absence_uncovered",
        [SAFE, uncovered(days=9)],
        [SAFE, uncovered(days=10)],
        "moderate",
    ),
    (
        "absence_grace_days",
        3,
        "absence_uncovered",
        [incident("absence", absence="other", days=2, returned=False, return_due_on=ago(3))],
        [incident("absence", absence="other", days=2, returned=False, return_due_on=ago(4))],
        "critical",
    ),
    (
        "risk_distant_days",
        100,
        "client_safety",
        [risk(occurred_on=ago(101))],
        [risk(occurred_on=ago(100))],
        "moderate",
    ),
    (
        "screen_days",
        3,
        "risk_unscreened",
        [incident("risk", indicator="ambiguous_statement", occurred_on=ago(2))],
        [incident("risk", indicator="ambiguous_statement", occurred_on=ago(3))],
        "moderate",
    ),
    (
        "outcome_months",
        6,
        "outcome_unreviewed",
        [incident("outcome", trend="worse", months=5)],
        [incident("outcome", trend="worse", months=6)],
        "moderate",
    ),
    (
        "wished_to_stop",
        4,
        "outcome_unreviewed",
        [incident("outcome", times_wished_to_stop=3)],
        [incident("outcome", times_wished_to_stop=4)],
        "moderate",
    ),
    (
        "oversight_days",
        5,
        "no_oversight",
        [flag(effective_at=NOW - timedelta(days=5, microseconds=-1))],
        [flag(effective_at=NOW - timedelta(days=5))],
        "moderate",
    ),
    (
        "record_access_days",
        10,
        "record_request_overdue",
        [incident("record_request", request="access", occurred_on=ago(10))],
        [incident("record_request", request="release", occurred_on=ago(11))],
        "moderate",
    ),
    (
        "record_amendment_days",
        20,
        "record_request_overdue",
        [incident("record_request", request="amendment", occurred_on=ago(20))],
        [incident("record_request", request="accounting", occurred_on=ago(21))],
        "moderate",
    ),
]


def _set(case: Facts, **numbers: int) -> Facts:
    return replace(case, thresholds=Thresholds.model_validate(numbers))


@pytest.mark.parametrize(
    ("name", "value", "rule", "quiet", "loud", "severity"), MOVED, ids=[row[0] for row in MOVED]
)
def test_a_clinics_own_number_moves_its_rule(
    name: str, value: int, rule: str, quiet: list[Record], loud: list[Record], severity: str
) -> None:
    assert rule not in flags(_set(facts(*quiet), **{name: value}))
    assert flags(_set(facts(*loud), **{name: value})).get(rule) == severity
    default = flags(facts(*loud)), flags(facts(*quiet))
    assert default[0].get(rule) == default[1].get(rule), "the default does not part the two"


@pytest.mark.parametrize(("elements", "severity"), [(2, "moderate"), (3, "high")])
def test_the_number_of_elements_that_weigh_is_the_clinics_own(elements: int, severity: str) -> None:
    told = tighten(elements=["fee", "place", "touch"][:elements], discussed=False)
    case = _set(facts(told), tightening_elements=3)
    assert flags(case) == {"frame_tightened_unprepared": severity}


@pytest.mark.parametrize(("times", "severity"), [(4, "moderate"), (5, "high")])
def test_the_number_of_touches_also_weighs_unplanned_holding(times: int, severity: str) -> None:
    told = incident("touch", touch="holding", planned_method=False, times=times)
    assert flags(_set(facts(told), touch_times=5)) == {"physical_contact": severity}


@pytest.mark.parametrize(
    ("days", "severity"), [(10, "critical"), (11, "high"), (20, "high"), (21, "moderate")]
)
def test_the_ages_of_a_risk_are_the_clinics_own(days: int, severity: str) -> None:
    case = _set(facts(risk(occurred_on=ago(days))), risk_recent_days=10, risk_past_days=20)
    assert flags(case) == {"client_safety": severity}


@pytest.mark.parametrize(("messages", "expected"), [(19, []), (20, ["agree_contact_limits"])])
def test_the_number_of_client_messages_is_the_clinics_own(
    messages: int, expected: list[str]
) -> None:
    case = facts(incident("contact", client_messages_30d=messages))
    assert prompts(_set(case, client_messages=20)) == expected


@pytest.mark.parametrize(
    ("days", "weeks", "expected"),
    [(4, 8, []), (5, 7, []), (5, 8, ["agree_contact_limits"])],
)
def test_the_contact_prompt_follows_the_numbers_of_its_rule(
    days: int, weeks: int, expected: list[str]
) -> None:
    case = facts(incident("contact", therapist_participates=True, days_per_week=days, weeks=weeks))
    assert prompts(_set(case, contact_days_per_week=5, contact_weeks=8)) == expected


@pytest.mark.parametrize(("days", "expected"), [(2, ["screen_distress"]), (3, [])])
def test_the_screening_prompt_ends_where_its_rule_begins(days: int, expected: list[str]) -> None:
    case = facts(incident("risk", indicator="ambiguous_statement", occurred_on=ago(days)))
    assert prompts(_set(case, screen_days=3)) == expected


@pytest.mark.parametrize(("days", "expected"), [(9, []), (10, ["complete_record"])])
def test_unknown_cover_is_asked_for_from_the_length_that_could_decide(
    days: int, expected: list[str]
) -> None:
    case = facts(incident("absence", absence="illness", days=days))
    assert prompts(_set(case, absence_with_safety_days=10)) == expected


def test_unknown_preparation_is_asked_for_by_the_clinics_own_numbers() -> None:
    told = incident("ending", stage="ended", ending="transferred", closing_sessions=3)
    assert prompts(facts(told)) == []
    assert prompts(_set(facts(told), closing_sessions=4)) == ["complete_record"]


def test_the_clinics_numbers_do_not_change_what_a_consultation_answers() -> None:
    told = incident("touch", touch="hug", times=9)
    assert flags(_set(facts(told, consultation(about=[told])), touch_times=1)) == {}


def test_every_number_is_tried_here() -> None:
    elsewhere = {
        "tightening_elements",
        "risk_recent_days",
        "risk_past_days",
        "client_messages",
        "safeguarding_known_days",
        "complaint_days",
        # in test_door.py: they may only be shortened
        "door_unanswered_days",
        "door_long_unanswered_days",
    }
    assert {row[0] for row in (*MOVED, *LONGER)} | elsewhere == set(Thresholds.model_fields)
