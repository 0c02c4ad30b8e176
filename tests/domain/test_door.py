"""What came by a client's door: what asks for a look, when, how gravely; and what never does."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from api.domain.rules.door import OF_ACCOUNTS
from api.domain.rules.facts import Facts
from api.domain.rules.findings import Finding
from api.domain.rules.modes import RuleModes, monitored_rules
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import AccountStatus, AccountWant, RuleName, SafeNow
from tests.domain.builders import (
    NOW,
    TODAY,
    account,
    ago,
    facts,
    findings,
    flags,
    next_change,
    offer,
    prompts,
    response,
    restricted_flags,
)
from tests.domain.strategies import cases


def days_ago(days: int, hour: int = 12) -> datetime:
    """Give an hour of the day that many days before today, in UTC."""
    return NOW.replace(hour=hour) - timedelta(days=days)


def raised(*records: Any, now: datetime = NOW, **case: Any) -> dict[str, str]:
    """Give what is raised, all of which the case's clinician does not see."""
    told = facts(*records, **case)
    assert flags(told, now) == {}
    assert prompts(told, now) == []
    return restricted_flags(told, now)


def of_rule(case: Facts, rule: str) -> list[Finding]:
    return [found for found in findings(case) if found.rule == rule]


# -------------------------------------------------------------------------------- not being safe


@pytest.mark.parametrize(
    ("safe_now", "expected"),
    [
        ("no", {"client_not_safe": "critical"}),
        ("unsure", {"client_not_safe": "high"}),
        ("yes", {}),
        ("not_said", {}),
    ],
)
def test_whoever_is_not_safe_is_looked_after_at_once(
    safe_now: str, expected: dict[str, str]
) -> None:
    assert {safe_now} < set(SafeNow)
    assert raised(account(safe_now=safe_now)) == expected
    assert raised(account(safe_now=safe_now, wants=["nothing_more"])) == expected
    assert next_change(facts(account(safe_now=safe_now))) is None


@pytest.mark.parametrize("status", AccountStatus)
def test_only_closing_an_account_ends_the_question_whether_somebody_is_safe(status: str) -> None:
    expected = {} if status == "closed" else {"client_not_safe": "critical"}
    assert raised(account(safe_now="no", status=status)) == expected


def test_not_being_safe_does_not_pass_by_waiting() -> None:
    told = account(safe_now="no", sent_at=days_ago(3_000), status="answered")
    assert raised(told) == {"client_not_safe": "critical"}


# -------------------------------------------------------------------------------- asking for a look


@pytest.mark.parametrize("want", AccountWant)
def test_of_all_that_may_be_wanted_one_asks_somebody_else_to_look(want: str) -> None:
    expected = {"client_asks_to_look": "moderate"} if want == "somebody_looks" else {}
    assert raised(account(wants=[want])) == expected


@pytest.mark.parametrize("status", AccountStatus)
def test_whoever_asks_for_a_look_is_answered_by_one_that_was_taken(status: str) -> None:
    settled = status in {"closed", "taken_back"}
    told = account(wants=["somebody_looks", "an_answer"], status=status)
    assert raised(told) == ({} if settled else {"client_asks_to_look": "moderate"})


# --------------------------------------------------------------------------- waiting for an answer


@pytest.mark.parametrize(
    ("days", "severity"), [(0, None), (13, None), (14, "moderate"), (29, "moderate"), (30, "high")]
)
@pytest.mark.parametrize("hour", [0, 23])
def test_an_account_waits_two_weeks_and_then_a_month(
    days: int, severity: str | None, hour: int
) -> None:
    told = account(sent_at=days_ago(days, hour), wants=["an_answer"])
    assert raised(told) == ({} if severity is None else {"account_unanswered": severity})


def test_it_begins_to_wait_anew_with_the_latest_words() -> None:
    told = account(sent_at=days_ago(60), words_at=days_ago(13), wants=["a_copy"])
    assert raised(told) == {}
    (found,) = of_rule(facts(account(sent_at=days_ago(60), wants=["a_copy"])), "account_unanswered")
    assert found.because == (
        "No answer is recorded to what was last written at the door on 16 April 2026, 30 days ago "
        "or more."
    )


def test_the_days_are_those_of_the_clinics_calendar() -> None:
    """Sent at half past eleven in the evening in Los Angeles, which is the next day in UTC."""
    told = account(sent_at=datetime.fromisoformat("2026-06-01T06:30:00Z"), wants=["an_answer"])
    west, utc = facts(told, zone="America/Los_Angeles"), facts(told)
    before = days_ago(5)
    assert next_change(west, before) == datetime.fromisoformat("2026-06-14T07:00:00Z")
    assert next_change(utc, before) == datetime.fromisoformat("2026-06-15T00:00:00Z")
    assert restricted_flags(west, days_ago(1)) == {"account_unanswered": "moderate"}
    assert restricted_flags(utc, days_ago(1)) == {}


@pytest.mark.parametrize("status", AccountStatus)
def test_what_was_answered_closed_or_taken_back_waits_no_more(status: str) -> None:
    told = account(sent_at=days_ago(99), wants=["an_answer"], status=status)
    waits = status in {"received", "read"}
    assert raised(told) == ({"account_unanswered": "high"} if waits else {})
    assert next_change(facts(told)) is None


@pytest.mark.parametrize(
    ("wants", "waits"),
    [
        ([], False),
        (["nothing_more"], False),
        (["an_answer"], True),
        (["a_copy"], True),
        (["a_correction"], True),
        (["nothing_more", "a_correction"], True),
    ],
)
def test_who_wants_nothing_more_waits_for_nothing(wants: list[str], waits: bool) -> None:
    told = account(sent_at=days_ago(14), wants=wants)
    assert raised(told) == ({"account_unanswered": "moderate"} if waits else {})


def test_two_weeks_and_a_month_may_be_shortened_and_not_made_longer() -> None:
    sooner = Thresholds(door_unanswered_days=3, door_long_unanswered_days=5)
    expected: dict[int, dict[str, str]] = {
        2: {},
        3: {"account_unanswered": "moderate"},
        4: {"account_unanswered": "moderate"},
        5: {"account_unanswered": "high"},
    }
    for days, said in expected.items():
        told = account(sent_at=days_ago(days), wants=["an_answer"])
        assert raised(told, thresholds=sooner) == said
    assert Thresholds(door_unanswered_days=1, door_long_unanswered_days=1)
    for longer in ({"door_unanswered_days": 15}, {"door_long_unanswered_days": 31}):
        with pytest.raises(ValidationError):
            Thresholds.model_validate(longer)


def test_where_only_the_month_is_shortened_it_is_high_from_then_on() -> None:
    sooner = Thresholds(door_long_unanswered_days=10)
    told = account(sent_at=days_ago(10), wants=["an_answer"])
    assert raised(told, thresholds=sooner) == {"account_unanswered": "high"}


# ------------------------------------------------------------------------------- each by itself


def test_two_accounts_are_two_questions_for_not_all_have_the_same_readers() -> None:
    first = account(number=1, safe_now="unsure", wants=["somebody_looks"], sent_at=days_ago(14))
    second = account(number=2, safe_now="no", wants=["somebody_looks"], sent_at=days_ago(30))
    case = facts(second, first)
    assert {each.rule for each in findings(case)} == OF_ACCOUNTS
    for rule, (one, other) in {
        "client_not_safe": ("high", "critical"),
        "client_asks_to_look": ("moderate", "moderate"),
        "account_unanswered": ("moderate", "high"),
    }.items():
        told = [(found.about, found.severity, found.evidence) for found in of_rule(case, rule)]
        assert told == [
            (first.id, one, frozenset({("account", first.id)})),
            (second.id, other, frozenset({("account", second.id)})),
        ]


@given(cases())
def test_a_finding_is_about_an_account_where_it_rests_on_one_and_on_no_other(case: Facts) -> None:
    for found in findings(case):
        named = {row_id for kind, row_id in found.evidence if kind == "account"}
        assert named == (set() if found.about is None else {found.about})
        assert (found.about is not None) == (found.rule in OF_ACCOUNTS)


def test_whose_account_it_is_stands_before_what_they_said() -> None:
    sent: dict[str, Any] = {"sent_at": days_ago(1), "safe_now": "no"}
    by_client, by_guardian = (
        of_rule(facts(account(by=by, **sent)), "client_not_safe")[0].because
        for by in ("client", "guardian")
    )
    said = "the client is not safe now (told at the door on 14 June 2026)."
    assert by_client == f"By the client's account, {said}"
    assert by_guardian == f"By someone else's account, {said}"


# ---------------------------------------------------------------------------------- looking back


@pytest.mark.parametrize(("concerns", "asks"), [(0, False), (1, False), (2, True), (7, True)])
def test_two_concerns_together_ask_for_a_look(concerns: int, asks: bool) -> None:
    expected = {"look_back_concern": "moderate"} if asks else {}
    assert raised(response(concerns)) == expected


def test_one_concern_each_of_two_times_asks_for_none() -> None:
    assert raised(response(1), response(1)) == {}


@pytest.mark.parametrize(("days", "asks"), [(0, True), (365, True), (366, False)])
def test_a_look_back_counts_for_a_year(days: int, asks: bool) -> None:
    told = response(2, answered_on=ago(days))
    assert raised(told) == ({"look_back_concern": "moderate"} if asks else {})
    assert (next_change(facts(told)) is not None) == asks


def test_no_later_look_back_takes_an_earlier_one_away() -> None:
    earlier, later = response(3, answered_on=ago(90)), response(0, answered_on=TODAY)
    (found,) = of_rule(facts(earlier, later), "look_back_concern")
    assert found.evidence == {("response", earlier.id)}
    assert found.because == (
        "By the client's account, 3 answers about what was done, given on 17 March 2026, ask for a "
        "look."
    )


def test_what_a_guardian_notes_is_no_look_back_of_the_clients() -> None:
    assert raised(response(9, by="guardian")) == {}


# --------------------------------------------------------------------------- offering the door


@pytest.mark.parametrize("at_ending", [False, True])
def test_the_door_is_to_be_offered_by_the_clinician_and_is_no_flag(at_ending: bool) -> None:
    case = facts(offer(at_ending=at_ending))
    assert (flags(case), restricted_flags(case), prompts(case)) == ({}, {}, ["offer_door"])
    assert prompts(facts(offer(), account(safe_now="no"))) == ["offer_door"]


def test_using_the_door_or_not_using_it_is_no_flag() -> None:
    assert findings(facts()) == ()
    assert findings(facts(account(), account(wants=["nothing_more"]), response(0))) == ()


# ---------------------------------------------------------------------------------- always active


@pytest.mark.parametrize(
    "rule", ["client_not_safe", "client_asks_to_look", "account_unanswered", "look_back_concern"]
)
def test_a_rule_of_the_door_is_never_only_counted(rule: RuleName) -> None:
    assert RuleModes.model_validate({rule: "active"}).monitored == frozenset()
    # not even where it stands so in the database
    assert monitored_rules({rule: "monitor", "frame_drift": "monitor"}) == {"frame_drift"}
    with pytest.raises(ValidationError, match="leave it active"):
        RuleModes.model_validate({rule: "monitor"})
