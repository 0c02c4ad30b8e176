"""What a finding says: whose account it is, with its date, and no verdict."""

import re
from datetime import UTC, date, datetime

import pytest

from api.domain.vocabulary import PromptName, RuleName
from tests.domain.builders import Record, ago, facts, findings, flag, incident, promise
from tests.domain.verdicts import VERDICTS

ACCOUNTS = {
    "client": "client's account",
    "therapist": "therapist's account",
    "supervisor": "supervisor's account",
    "colleague": "colleague's account",
    "record_review": "records",
    "third_party": "someone else's account",
}


def _because(*records: Record) -> str:
    (found,) = findings(facts(*records))
    return found.because


@pytest.mark.parametrize("reported_by", ACCOUNTS)
def test_a_finding_says_whose_account_it_is_and_when(reported_by: str) -> None:
    said = _because(
        incident("crossing", area="time", reported_by=reported_by, occurred_on=date(2026, 3, 2))
    )
    assert said.startswith("By ")
    assert ACCOUNTS[reported_by] in said.split(",")[0]
    assert "on 2 March 2026" in said


@pytest.mark.parametrize("reported_by", ACCOUNTS)
def test_a_promise_is_somebodys_account_too(reported_by: str) -> None:
    said = _because(promise(keepable="no", reported_by=reported_by, made_on=date(2026, 3, 2)))
    assert said.startswith("By ")
    assert ACCOUNTS[reported_by] in said.split(",")[0]
    assert "on 2 March 2026" in said


def test_a_disputed_record_says_that_accounts_differ() -> None:
    conduct = incident("sexual_conduct", conduct="remark", initiator="disputed")
    assert _because(conduct).startswith("Accounts differ: ")
    assert _because(promise(keepable="no", state="disputed")).startswith("Accounts differ: ")


def test_an_undisputed_record_does_not_say_that_accounts_differ() -> None:
    assert "differ" not in _because(incident("sexual_conduct", conduct="contact"))


@pytest.mark.parametrize(
    ("precision", "expected", "never"),
    [("month", "in March 2026", "2 March"), ("year", "in 2026", "March")],
)
def test_a_date_is_not_said_more_exactly_than_it_is_known(
    precision: str, expected: str, never: str
) -> None:
    said = _because(
        incident("crossing", area="time", occurred_on=date(2026, 3, 2), precision=precision)
    )
    assert expected in said
    assert never not in said


def test_two_accounts_of_one_rule_are_both_named() -> None:
    said = _because(
        incident("competence_gap", reported_by="client", occurred_on=ago(40)),
        incident("competence_gap", reported_by="colleague", occurred_on=ago(30)),
    )
    assert "client's account" in said
    assert "colleague's account" in said
    assert said.index("client's") < said.index("colleague's")


COUNTED: dict[str, tuple[Record, list[str]]] = {
    "the notice of a limit": (
        incident("frame_change", direction="tighten", elements=["fee"], notice_days=11),
        ["11"],
    ),
    "the days of an absence": (
        incident("absence", absence="illness", days=41, coverage=False),
        ["41"],
    ),
    "the times of a touch": (incident("touch", touch="hug", times=41), ["41"]),
    "the days and weeks of contact": (
        incident(
            "contact",
            therapist_participates=True,
            days_per_week=5,
            weeks=41,
            limits_agreed=False,
        ),
        ["5", "41"],
    ),
    "the notice of an ending": (
        incident(
            "ending",
            stage="ended",
            ending="therapist_initiated",
            planned_at_outset=False,
            notice_days=11,
        ),
        ["11"],
    ),
    "the closing sessions of an ending": (
        incident(
            "ending",
            stage="ended",
            ending="therapist_initiated",
            planned_at_outset=False,
            closing_sessions=1,
        ),
        ["1"],
    ),
    "the months of an outcome": (incident("outcome", trend="worse", months=41), ["41"]),
    "the wishes to stop": (incident("outcome", times_wished_to_stop=41), ["41"]),
}


@pytest.mark.parametrize("name", COUNTED)
def test_a_finding_says_the_counts_it_rests_on(name: str) -> None:
    record, counts = COUNTED[name]
    numbers = re.findall(r"\d+", re.sub(r"\d+ [A-Z][a-z]+ \d{4}", "", _because(record)))
    assert set(counts) <= set(numbers)


@pytest.mark.parametrize(
    ("record", "said", "unsaid"),
    [
        (promise(keepable="no"), "not keepable", "hard to keep"),
        (promise(keepable="doubtful"), "hard to keep", "not keepable"),
        (incident("hurtful_words", repeated=True), "repeatedly", "who the client"),
        (incident("hurtful_words"), "reported as hurtful", "repeatedly"),
        (incident("touch", touch="holding", planned_method=True), "as a planned", "not part of"),
        (incident("touch", touch="holding", planned_method=False), "not part of", "as a planned"),
        (incident("touch", touch="hug", consent=False), "did not consent", "planned"),
        (
            incident("contact", therapist_participates=True, social_meetings=True),
            "meetings",
            "frequent",
        ),
        (
            incident(
                "contact",
                therapist_participates=True,
                days_per_week=3,
                weeks=4,
                limits_agreed=False,
            ),
            "frequent",
            "meetings",
        ),
    ],
)
def test_a_finding_says_what_was_recorded_and_not_its_opposite(
    record: Record, said: str, unsaid: str
) -> None:
    because = _because(record)
    assert said in because
    assert unsaid not in because


def test_one_record_is_told_once() -> None:
    told = incident("touch", touch="holding", consent=False, planned_method=False, times=9)
    assert _because(told).count("is recorded") == 1


def test_of_many_records_the_text_names_some_and_the_evidence_all() -> None:
    told = [incident("crossing", area="time", occurred_on=ago(100 + n)) for n in range(9)]
    (found,) = findings(facts(*told))
    assert len(found.evidence) == 9
    assert found.because.count("departure from usual practice") == 6
    assert found.because.count("No written reason is recorded.") == 1
    assert found.because.endswith("And 3 more records in the evidence.")
    (seven,) = findings(facts(*told[:7]))
    assert seven.because.endswith("And one more record in the evidence.")
    (six,) = findings(facts(*told[:6]))
    assert "more" not in six.because


def test_a_waiting_flag_is_told_with_its_day() -> None:
    waiting = flag(effective_at=datetime(2026, 5, 1, 9, tzinfo=UTC))
    assert "1 May 2026" in _because(waiting)


@pytest.mark.parametrize("name", [*RuleName, *PromptName])
def test_every_title_is_neutral(name: RuleName | PromptName) -> None:
    assert name.definition
    assert not VERDICTS.search(name.definition.replace("Leaving after a rupture", "Leaving"))
