"""Every sentence that rules say: reached by a situation, and read for what must not stand there."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given

from api.domain.rules.english import ENGLISH, SENTENCES
from api.domain.rules.facts import Facts
from api.domain.rules.findings import MOST_SENTENCES, Says, because_of
from api.domain.vocabulary import VOCABULARY, Initiator, PromptName, ReportedBy
from tests.domain.builders import (
    Record,
    account,
    ago,
    consultation,
    facts,
    findings,
    incident,
    offer,
    promise,
)
from tests.domain.strategies import cases
from tests.domain.two_situations import PLAYED
from tests.domain.verdicts import VERDICTS
from tests.support.stories import STORIES

CODES = {str(word) for words in VOCABULARY.values() for word in words if "_" in word}
ONE_OF_SEVERAL = re.compile(r"\b1 (days|weeks|months|times|sessions|records|departures)\b")
SEVERAL_OF_ONE = re.compile(
    r"\b(0|[2-9]|\d\d+) (day|week|month|time|session|record|departure)\b(?! of)"
)
WHAT_IS_MISSING = re.compile(r"\b(no|neither|nor) [^.;]*\b(is|are) recorded\b")
A_WORDS_MEANING = re.compile(r"\(.*?\)")

ended: dict[str, Any] = {"stage": "ended", "ending": "therapist_initiated"}
short: dict[str, Any] = {**ended, "planned_at_outset": False}
unclear: dict[str, Any] = {"kind": "absence", "absence": "illness", "days": 9}

TOWARDS_A_RELATIVE: dict[str, Any] = {"with": "clients_relative"}

SAID_IN: dict[str, list[Record]] = {
    **{f"by_{who}": [incident("competence_gap", reported_by=who)] for who in ReportedBy},
    **{
        f"disputed_{who}": [incident("hurtful_words", initiator="disputed", reported_by=who)]
        for who in ReportedBy
    },
    "became_other": [incident("ending", stage="ended", ending="conversion_to_other_relationship")],
    "to_become_other": [
        incident("ending", stage="raised", ending="conversion_to_other_relationship")
    ],
    "door_at_ending": [offer(at_ending=True)],
    "ending_raised_because": [incident("ending", stage="raised", reason="client_trait")],
    "goals_not_known": [incident("consent", goals_known=False)],
    "ending_raised_for_danger": [incident("ending", stage="raised", reason="danger_to_therapist")],
    "recorded_without_choice": [incident("recording", means="video", may_refuse=False)],
    "recorded_without_consent_or_choice": [
        incident("recording", means="video", consent=False, may_refuse=False)
    ],
    "hurtful_words_repeated": [incident("hurtful_words", repeated=True)],
    "left_same_day": [
        incident("hurtful_words"),
        incident("ending", stage="ended", ending="client_initiated", initiator="client"),
    ],
    "missing_cover": [incident(**unclear)],
    "missing_declined": [incident("sexual_conduct", conduct="contact", initiator="client")],
    "missing_duty": [incident("safeguarding", concern="child", present=True)],
    "missing_present": [incident("safeguarding", concern="child")],
    "missing_method": [incident("touch", touch="holding")],
    "missing_outset": [incident("ending", **ended, abrupt=True)],
    "missing_referral": [incident("ending", **ended, needs_ongoing_care=True)],
    "more": [incident("crossing", area="time", occurred_on=ago(n)) for n in range(9)],
    "no_report_nor_duty": [incident("safeguarding", concern="child", present=True)],
    "not_coordinated": [incident("cotreatment", coordinated=False)],
    "not_returned": [incident(**unclear, returned=False, return_due_on=ago(8))],
    "promise_overdue": [promise(due_on=ago(8))],
    "reported_untold": [
        incident(
            "safeguarding",
            concern="child",
            present=True,
            duty=True,
            reported_on=ago(3),
            client_told=False,
        )
    ],
    "request_on_another_day": [
        incident("record_request", request="access", requested_on=ago(40), occurred_on=ago(41))
    ],
    "sexual_conduct_with_relative": [
        incident("sexual_conduct", conduct="remark", **TOWARDS_A_RELATIVE)
    ],
    "told_unsure_of_safety": [account(safe_now="unsure")],
    "touch": [incident("touch", touch="holding")],
    "touch_often": [incident("touch", touch="hug", times=3)],
    "touch_without_consent": [incident("touch", touch="hug", consent=False)],
    "when_month": [incident("competence_gap", precision="month")],
    "when_year": [incident("competence_gap", precision="year")],
}
"""What no story tells, and the records that bring it up."""

OF_A_MINOR: dict[str, list[Record]] = {
    "touch_of_minor": [
        incident("touch", touch="holding", consent=True, times=3),
        consultation("supervision"),
    ],
    "contact_of_minor": [
        incident(
            "contact", therapist_participates=True, days_per_week=4, weeks=9, limits_agreed=True
        )
    ],
}


def names_in(told: Any) -> Iterator[str]:
    """Give the name of each sentence in what a flag keeps."""
    if isinstance(told, list):
        for each in told:
            yield from names_in(each)
    elif isinstance(told, dict):
        if "args" in told:
            yield told["id"]
        if "known_to" in told:
            yield f"when_{told['known_to']}"
        if "account" in told:
            yield told["account"]
        yield from names_in(list(told.values()))


def said_in(case: Facts) -> set[str]:
    return {name for found in findings(case) for name in names_in(found.says)}


@pytest.mark.parametrize("name", SAID_IN)
def test_these_records_bring_this_sentence_up(name: str) -> None:
    assert name in said_in(facts(*SAID_IN[name]))


def test_every_sentence_is_said_in_some_situation_and_no_situation_says_another() -> None:
    told = [story.told() for story in STORIES.values()]
    told += [case for played in PLAYED.values() for case in (played.asks, played.leaves_alone)]
    told += [facts(*records) for records in SAID_IN.values()]
    told += [facts(*records, is_minor=True) for records in OF_A_MINOR.values()]
    assert {name for case in told for name in said_in(case)} == SENTENCES.keys()


# --------------------------------------------------------------------------------- read aloud


def read(because: str) -> None:
    """Find what must not stand in any sentence."""
    assert not re.search(r"[{}_\n]|  |\(\)|; ?\)|None|True|False", because), because
    assert not VERDICTS.search(because), because
    assert CODES.isdisjoint(re.findall(r"\w+", because)), because
    assert not ONE_OF_SEVERAL.search(because), because
    assert not SEVERAL_OF_ONE.search(because), because
    assert not re.search(r"\d{4}-\d{2}", because), because
    assert because.endswith("."), because


def accounts_and_the_record(says: Says) -> tuple[list[str], list[str]]:
    """Part what somebody told from what is said of the record."""
    told = [because_of([part], ENGLISH) for part in says if "account" in part]
    return told, [because_of([part], ENGLISH) for part in says if "account" not in part]


@given(cases())
def test_every_finding_reads_as_an_account_with_its_day_and_without_a_verdict(case: Facts) -> None:
    for found in findings(case):
        read(found.because)
        accounts, of_the_record = accounts_and_the_record(found.says)
        # of what is to be offered nothing has a day yet
        is_dated = found.rule != PromptName.offer_door
        assert bool(re.search(r"\b20\d\d\b", found.because)) == is_dated, found.because
        for told in accounts:
            assert re.match(r"(By |Accounts differ: by |In the queue, )", told), told
            assert not WHAT_IS_MISSING.search(A_WORDS_MEANING.sub("", told)), told
        for said in of_the_record:
            assert re.match(
                r"(No |Neither |And |Asked about |The record of what happened )", said
            ), said


@given(cases())
def test_nobody_is_said_to_have_told_what_another_told(case: Facts) -> None:
    """Whose account it is stands before what they told; accounts differ only where it is so."""
    named = {record.id: record for record in case.incidents}
    for found in findings(case):
        told_of = [named[row_id] for _, row_id in found.evidence if row_id in named]
        if len(found.evidence) > MOST_SENTENCES or len(told_of) < len(found.evidence):
            continue
        said = {part["account"] for part in found.says if "account" in part}
        accounts = {
            f"{'disputed' if record.initiator == Initiator.disputed else 'by'}_{record.reported_by}"
            for record in told_of
        }
        assert said in (accounts, set())


def test_one_of_a_thing_and_several_are_told_apart() -> None:
    case = facts(
        incident("ending", **short, notice_days=0, closing_sessions=0),
        started_on=date(2026, 1, 1),
        sessions_per_week=0.25,
    )
    (found,) = findings(case)
    assert "0 days of notice, 0 closing sessions," in found.because
    with pytest.raises(AssertionError):
        read("By the client's account, an absence of 1 days is recorded.")
    with pytest.raises(AssertionError):
        read("By the client's account, an absence of 3 day is recorded.")


@pytest.mark.parametrize("name", [name for name in SENTENCES if name.startswith("no")])
def test_what_is_missing_is_a_sentence_of_its_own(name: str) -> None:
    said = SENTENCES[name]
    if isinstance(said, str) and said.endswith("."):
        assert re.match(r"(No|Neither) .* recorded", said)


def test_a_limit_and_leaving_are_told_with_their_days_and_no_verdict() -> None:
    limit = incident(
        "frame_change",
        direction="tighten",
        elements=["fee", "phone_contact"],
        discussed=False,
        occurred_on=date(2026, 4, 29),
    )
    left = incident(
        "ending",
        stage="ended",
        ending="client_initiated",
        initiator="client",
        occurred_on=date(2026, 5, 29),
    )
    (leaving,) = [f for f in findings(facts(limit, left)) if f.rule == "left_after_rupture"]
    assert leaving.because == (
        "By the client's account, a limit was drawn on 29 April 2026 (price · calls and texts); "
        "the client left on 29 May 2026, 30 days after."
    )
