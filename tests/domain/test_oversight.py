"""Whether anyone is looking, gaps in skill that were named, and being well enough to work."""

from datetime import datetime, timedelta

import pytest

from api.domain.vocabulary import (
    ConsultationKind,
    ConsultationStatus,
    FitnessSign,
    Initiator,
    ReportedBy,
)
from tests.domain.builders import (
    NOW,
    ago,
    consultation,
    evidence,
    facts,
    findings,
    flag,
    flags,
    ids,
    incident,
    next_change,
    prompts,
)

NOBODY = {"no_oversight": "moderate"}
FORTNIGHT = timedelta(days=14)
A_MOMENT = timedelta(microseconds=1)
CALLED_OFF = ("cancelled", "declined")


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize(("available", "expected"), [(False, NOBODY), (True, {}), (None, {})])
def test_oversight_known_to_be_missing_counts(
    available: bool | None, expected: dict[str, str], initiator: str
) -> None:
    told = incident("oversight", available=available, initiator=initiator, client_impact="crisis")
    assert flags(facts(told)) == expected
    assert prompts(facts(told)) == []


def test_a_consultation_does_not_make_oversight_available() -> None:
    told = incident("oversight", available=False)
    assert flags(facts(told, consultation(about=[told]))) == NOBODY


@pytest.mark.parametrize("severity", ["high", "critical"])
@pytest.mark.parametrize(
    ("waited", "expected"),
    [
        (timedelta(0), {}),
        (FORTNIGHT - A_MOMENT, {}),
        (FORTNIGHT, NOBODY),
        (FORTNIGHT + A_MOMENT, NOBODY),
        (timedelta(days=800), NOBODY),
    ],
)
def test_a_grave_flag_left_open_for_a_fortnight_counts_to_the_moment(
    severity: str, waited: timedelta, expected: dict[str, str]
) -> None:
    case = facts(flag(severity, effective_at=NOW - waited))
    assert flags(case) == expected


def test_the_waiting_flag_itself_is_the_evidence() -> None:
    waiting = flag(effective_at=NOW - FORTNIGHT)
    fresh = flag(effective_at=NOW)
    case = facts(waiting, fresh)
    (found,) = findings(case)
    assert found.evidence == frozenset({("flag", waiting.id)})


@pytest.mark.parametrize("severity", ["info", "low", "moderate"])
def test_a_lesser_flag_may_wait(severity: str) -> None:
    assert flags(facts(flag(severity, effective_at=NOW - FORTNIGHT * 9))) == {}


@pytest.mark.parametrize("severity", ["high", "critical"])
def test_a_flag_someone_is_looking_at_is_not_waiting(severity: str) -> None:
    case = facts(flag(severity, status="acknowledged", effective_at=NOW - FORTNIGHT * 9))
    assert flags(case) == {}
    assert next_change(case) is None


@pytest.mark.parametrize("kind", ConsultationKind)
@pytest.mark.parametrize(
    "status", [word for word in ConsultationStatus if word not in ("draft", *CALLED_OFF)]
)
def test_any_consultation_requested_since_answers_for_the_waiting(kind: str, status: str) -> None:
    waiting = flag(effective_at=NOW - FORTNIGHT * 2)
    for requested_at in (NOW - FORTNIGHT * 2, NOW - FORTNIGHT, NOW):
        asked = consultation(
            kind, status=status, requested_at=requested_at, response="not_followed"
        )
        assert flags(facts(waiting, asked)) == {}


@pytest.mark.parametrize("kind", ConsultationKind)
def test_a_consultation_requested_before_or_never_sent_does_not_answer(kind: str) -> None:
    waiting = flag(effective_at=NOW - FORTNIGHT)
    before = consultation(kind, requested_at=NOW - FORTNIGHT - A_MOMENT, completed_at=NOW)
    assert flags(facts(waiting, before)) == NOBODY
    assert flags(facts(waiting, consultation(kind, status="draft"))) == NOBODY


@pytest.mark.parametrize("status", CALLED_OFF)
@pytest.mark.parametrize("kind", ConsultationKind)
def test_a_consultation_that_came_to_nothing_answers_for_nothing(kind: str, status: str) -> None:
    waiting = flag(effective_at=NOW - FORTNIGHT)
    called_off = consultation(kind, status=status, requested_at=NOW)
    assert flags(facts(waiting, called_off)) == NOBODY
    asked = consultation("legal_risk", status="requested", requested_at=NOW - FORTNIGHT)
    assert flags(facts(waiting, called_off, asked)) == {}


@pytest.mark.parametrize("severity", ["high", "critical"])
def test_a_flag_whose_reason_is_gone_is_not_waiting(severity: str) -> None:
    gone = flag(severity, holds=False, effective_at=NOW - FORTNIGHT * 9)
    assert flags(facts(gone)) == {}
    assert next_change(facts(gone)) is None


@pytest.mark.parametrize(
    ("reviewed_at", "expected"),
    [
        (None, NOBODY),
        (NOW - FORTNIGHT - A_MOMENT, NOBODY),
        (NOW - FORTNIGHT, {}),
        (NOW, {}),
    ],
)
def test_a_review_since_of_what_a_flag_rests_on_is_a_look(
    reviewed_at: datetime | None, expected: dict[str, str]
) -> None:
    waiting = flag(effective_at=NOW - FORTNIGHT, reviewed_at=reviewed_at)
    assert flags(facts(waiting)) == expected


def test_a_review_answers_only_for_the_flag_that_rests_on_what_was_reviewed() -> None:
    seen = flag(effective_at=NOW - FORTNIGHT * 2, reviewed_at=NOW)
    unseen = flag(effective_at=NOW - FORTNIGHT * 2)
    assert evidence(facts(seen, unseen), "no_oversight") == ids(unseen)


def test_one_request_answers_only_for_the_flags_before_it() -> None:
    first = flag(effective_at=NOW - timedelta(days=40))
    second = flag(effective_at=NOW - timedelta(days=20))
    asked = consultation(status="requested", requested_at=NOW - timedelta(days=30))
    case = facts(first, second, asked)
    assert flags(case) == NOBODY
    assert evidence(case, "no_oversight") == ids(second)


def test_missing_oversight_and_a_waiting_flag_are_both_evidence() -> None:
    told = incident("oversight", available=False)
    waiting = flag("critical", effective_at=NOW - FORTNIGHT)
    assert evidence(facts(told, waiting), "no_oversight") == ids(told, waiting)


@pytest.mark.parametrize("reported_by", ReportedBy)
@pytest.mark.parametrize("initiator", Initiator)
def test_a_gap_in_skill_is_low_when_the_therapist_says_so(initiator: str, reported_by: str) -> None:
    told = incident(
        "competence_gap", initiator=initiator, reported_by=reported_by, client_impact="crisis"
    )
    severity = "low" if reported_by == "therapist" else "moderate"
    assert flags(facts(told)) == {"competence_gap": severity}


@pytest.mark.parametrize("reported_by", ReportedBy)
def test_a_gap_in_skill_that_was_consulted_asks_nothing(reported_by: str) -> None:
    told = incident("competence_gap", reported_by=reported_by, occurred_on=ago(90))
    assert flags(facts(told, consultation())) == {}


def test_the_gravest_account_of_a_gap_in_skill_sets_the_severity() -> None:
    own = incident("competence_gap", reported_by="therapist")
    other = incident("competence_gap", reported_by="colleague")
    case = facts(own, other)
    assert flags(case) == {"competence_gap": "moderate"}
    assert evidence(case, "competence_gap") == ids(own, other)
    linked = consultation(about=[other], completed_at=NOW - timedelta(days=300))
    assert flags(facts(own, other, linked)) == {"competence_gap": "low"}


FITNESS = "fitness_to_practise"


@pytest.mark.parametrize("reported_by", ReportedBy)
@pytest.mark.parametrize("in_session", [True, False, None])
@pytest.mark.parametrize("sign", FitnessSign)
def test_a_sign_of_not_being_well_is_low_when_the_therapist_says_so(
    sign: str, in_session: bool | None, reported_by: str
) -> None:
    told = incident(
        "fitness",
        sign=sign,
        in_session=in_session,
        reported_by=reported_by,
        client_impact="crisis",
    )
    severity = "low" if reported_by == "therapist" else "moderate"
    drunk = sign == "intoxicated" and in_session is True
    assert flags(facts(told)) == {FITNESS: "critical" if drunk else severity}
    answered = {FITNESS: "critical"} if drunk else {}
    assert flags(facts(told, consultation(about=[told]))) == answered
    assert prompts(facts(told)) == []


def test_the_gravest_sign_sets_the_severity_and_consulted_ones_are_no_evidence() -> None:
    own = incident("fitness", sign="overwhelmed", reported_by="therapist", occurred_on=ago(5))
    seen = incident("fitness", sign="asleep", reported_by="colleague", occurred_on=ago(90))
    case = facts(own, seen)
    assert flags(case) == {FITNESS: "moderate"}
    linked = consultation(about=[seen], completed_at=NOW - timedelta(days=300))
    assert flags(facts(own, seen, linked)) == {FITNESS: "low"}
    assert evidence(facts(own, seen, linked), FITNESS) == ids(own)
