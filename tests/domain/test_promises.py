"""Promises: whether they can be kept, were kept, and were talked over."""

from datetime import date
from typing import Any

import pytest

from api.domain.vocabulary import ClientImpact, PromiseKeepable, PromiseKind, PromiseState
from tests.domain.builders import (
    ago,
    ahead,
    consultation,
    evidence,
    facts,
    flags,
    ids,
    promise,
    prompts,
)

NOT_BROKEN = [state for state in PromiseState if state != "broken"]


@pytest.mark.parametrize("state", ["open", "disputed"])
@pytest.mark.parametrize(
    ("keepable", "expected"),
    [
        ("no", {"promise_unkeepable": "high"}),
        ("doubtful", {"promise_unkeepable": "moderate"}),
        ("yes", {}),
        ("unknown", {}),
    ],
)
def test_a_standing_promise_is_looked_at_by_whether_it_can_be_kept(
    state: str, keepable: str, expected: dict[str, str]
) -> None:
    case = facts(promise(state=state, keepable=keepable))
    assert flags(case) == expected
    assert prompts(case) == []


@pytest.mark.parametrize(
    "state", ["kept", "broken", "renegotiated", "withdrawn_with_repair", "superseded"]
)
@pytest.mark.parametrize("keepable", PromiseKeepable)
def test_a_settled_promise_is_no_longer_one_that_may_not_be_kept(state: str, keepable: str) -> None:
    assert "promise_unkeepable" not in flags(facts(promise(state=state, keepable=keepable)))


@pytest.mark.parametrize("state", ["open", "disputed"])
@pytest.mark.parametrize("keepable", PromiseKeepable)
def test_availability_as_a_therapist_is_never_an_unkeepable_promise(
    state: str, keepable: str
) -> None:
    kept_open = promise(
        "professional_availability",
        scope="within_frame",
        state=state,
        keepable=keepable,
        made_on=ago(400),
        discussed_with_client=False,
    )
    assert flags(facts(kept_open)) == {}


@pytest.mark.parametrize("kind", PromiseKind)
def test_every_kind_of_promise_outside_the_frame_counts(kind: str) -> None:
    case = facts(promise(kind, scope="outside_frame", keepable="no"))
    assert flags(case) == {"promise_unkeepable": "high"}


@pytest.mark.parametrize("kind", [k for k in PromiseKind if k != "professional_availability"])
def test_other_promises_within_the_frame_count_when_they_cannot_be_kept(kind: str) -> None:
    case = facts(promise(kind, scope="within_frame", keepable="doubtful"))
    assert flags(case) == {"promise_unkeepable": "moderate"}


def test_the_gravest_of_several_promises_sets_the_severity_and_all_are_evidence() -> None:
    no, doubtful, yes = (promise(keepable=word) for word in ("no", "doubtful", "yes"))
    case = facts(doubtful, no, yes)
    assert flags(case) == {"promise_unkeepable": "high"}
    assert evidence(case, "promise_unkeepable") == ids(no, doubtful)


def test_a_crisis_does_not_make_an_unkeepable_promise_critical() -> None:
    case = facts(promise(keepable="no", client_impact="crisis"))
    assert flags(case) == {"promise_unkeepable": "high"}


def test_a_consultation_does_not_answer_for_a_promise() -> None:
    case = facts(promise(keepable="no"), consultation())
    assert flags(case) == {"promise_unkeepable": "high"}


@pytest.mark.parametrize("impact", ClientImpact)
def test_a_weighty_broken_promise_is_high_and_critical_in_a_crisis(impact: str) -> None:
    expected = "critical" if impact == "crisis" else "high"
    broken = promise(state="broken", significance="major", client_impact=impact)
    assert flags(facts(broken)) == {"promise_broken": expected}


@pytest.mark.parametrize("impact", ClientImpact)
def test_a_small_broken_promise_is_moderate_even_in_a_crisis(impact: str) -> None:
    broken = promise(state="broken", significance="minor", client_impact=impact)
    assert flags(facts(broken)) == {"promise_broken": "moderate"}


@pytest.mark.parametrize(
    ("due_on", "expected"),
    [
        (ahead(1), {}),
        (ago(0), {}),
        (ago(6), {}),
        (ago(7), {}),
        (ago(8), {"promise_broken": "moderate"}),
        (ago(400), {"promise_broken": "moderate"}),
    ],
)
def test_an_open_promise_is_overdue_when_a_week_after_its_day_has_passed(
    due_on: date, expected: dict[str, str]
) -> None:
    for impact in ("unknown", "crisis"):
        for significance in ("major", "minor"):
            late = promise(
                due_on=due_on,
                made_on=ago(500),
                significance=significance,
                client_impact=impact,
            )
            assert flags(facts(late)) == expected


@pytest.mark.parametrize("state", [state for state in NOT_BROKEN if state != "open"])
def test_only_an_open_promise_can_be_overdue(state: str) -> None:
    assert flags(facts(promise(state=state, due_on=ago(100), made_on=ago(200)))) == {}


def test_a_promise_without_a_day_is_never_overdue() -> None:
    assert flags(facts(promise(made_on=ago(2000)))) == {}


def test_even_a_promise_of_availability_can_be_broken() -> None:
    kept_open: dict[str, Any] = {"kind": "professional_availability", "scope": "within_frame"}
    assert flags(facts(promise(**kept_open, state="broken"))) == {"promise_broken": "high"}
    late = promise(**kept_open, due_on=ago(8), made_on=ago(20))
    assert flags(facts(late)) == {"promise_broken": "moderate"}


def test_each_broken_promise_is_evidence_and_the_gravest_sets_the_severity() -> None:
    late = promise(due_on=ago(8), made_on=ago(20))
    minor = promise(state="broken", significance="minor")
    weighty = promise(state="broken")
    fine = promise(due_on=ago(7), made_on=ago(20))
    case = facts(late, minor, weighty, fine)
    assert flags(case) == {"promise_broken": "high"}
    assert evidence(case, "promise_broken") == ids(late, minor, weighty)


@pytest.mark.parametrize("keepable", ["no", "doubtful"])
@pytest.mark.parametrize("state", ["open", "disputed", "renegotiated", "withdrawn_with_repair"])
@pytest.mark.parametrize(("days", "raised"), [(30, False), (31, True)])
def test_a_promise_not_talked_over_counts_after_thirty_days(
    keepable: str, state: str, days: int, raised: bool
) -> None:
    told = promise(state=state, keepable=keepable, made_on=ago(days), discussed_with_client=False)
    found = flags(facts(told)).get("promise_unexamined")
    assert found == ("moderate" if raised else None)


@pytest.mark.parametrize("state", ["kept", "broken", "superseded"])
def test_a_promise_that_is_done_with_need_not_be_talked_over(state: str) -> None:
    told = promise(state=state, keepable="no", made_on=ago(90), discussed_with_client=False)
    assert "promise_unexamined" not in flags(facts(told))


@pytest.mark.parametrize("discussed", [True, None])
def test_only_a_promise_known_not_to_be_talked_over_counts(discussed: bool | None) -> None:
    told = promise(keepable="no", made_on=ago(90), discussed_with_client=discussed)
    assert flags(facts(told)) == {"promise_unkeepable": "high"}


@pytest.mark.parametrize("keepable", ["yes", "unknown"])
def test_a_promise_that_may_be_kept_need_not_be_talked_over(keepable: str) -> None:
    told = promise(keepable=keepable, made_on=ago(90), discussed_with_client=False)
    assert flags(facts(told)) == {}


@pytest.mark.parametrize("state", ["renegotiated", "withdrawn_with_repair"])
def test_availability_as_a_therapist_is_never_an_unexamined_promise(state: str) -> None:
    told = promise(
        "professional_availability",
        scope="within_frame",
        state=state,
        keepable="doubtful",
        made_on=ago(90),
        discussed_with_client=False,
    )
    assert flags(facts(told)) == {}


@pytest.mark.parametrize("keepable", PromiseKeepable)
@pytest.mark.parametrize("state", PromiseState)
def test_an_open_ended_promise_of_availability_asks_to_be_made_clear(
    state: str, keepable: str
) -> None:
    told = promise(
        "professional_availability",
        scope="within_frame",
        state=state,
        keepable=keepable,
        open_ended=True,
    )
    expected = ["clarify_open_promise"] if state in ("open", "disputed") else []
    assert prompts(facts(told)) == expected


@pytest.mark.parametrize(
    ("kind", "scope", "open_ended"),
    [
        ("professional_availability", "within_frame", False),
        ("professional_availability", "outside_frame", True),
        ("contact_or_scheduling", "within_frame", True),
        ("personal_relationship", "outside_frame", True),
    ],
)
def test_other_promises_need_not_be_made_clear(kind: str, scope: str, open_ended: bool) -> None:
    assert prompts(facts(promise(kind, scope=scope, open_ended=open_ended))) == []
