"""What is recorded of an account, and as hidden as that, is told by account and not otherwise."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from api.domain.rules.evaluate import evaluate
from api.domain.rules.facts import Facts, IncidentFact, PromiseFact
from tests.domain.builders import NOW, facts, findings, ids, incident, promise, restricted_flags
from tests.domain.strategies import cases

ONE, OTHER = UUID(int=71), UUID(int=72)


def _of(account: UUID, kind: str, **said: Any) -> IncidentFact:
    return replace(incident(kind, **said), restricted=True, account_id=account)


def _said(case: Facts) -> dict[tuple[str, bool, UUID | None], str]:
    return {(f.rule, f.restricted, f.about): str(f.severity) for f in findings(case)}


def test_each_account_is_asked_about_by_itself() -> None:
    case = facts(
        _of(ONE, "sexual_conduct", conduct="contact"),
        replace(promise(keepable="no"), restricted=True, account_id=OTHER),
    )
    assert _said(case) == {
        ("sexual_conduct", True, ONE): "critical",
        ("promise_unkeepable", True, OTHER): "high",
    }


def test_what_others_are_told_is_not_asked_again_unless_it_is_graver() -> None:
    plain = incident("hurtful_words")
    hers = _of(ONE, "hurtful_words")
    case = facts(plain, hers)
    assert _said(case) == {
        ("hurtful_words", False, None): "moderate",
        ("hurtful_words", True, ONE): "high",
    }
    (narrow,) = (found for found in findings(case) if found.about == ONE)
    assert {row_id for _, row_id in narrow.evidence} == ids(plain, hers)


def test_what_is_hidden_from_the_therapist_alone_is_told_to_all_supervisors() -> None:
    wide = replace(incident("hurtful_words"), restricted=True)
    narrow = _of(ONE, "sexual_conduct", conduct="contact")
    assert _said(facts(wide, narrow)) == {
        ("hurtful_words", True, None): "moderate",
        ("sexual_conduct", True, ONE): "critical",
    }


def test_once_it_is_shown_it_is_told_as_any_other() -> None:
    shown = replace(_of(ONE, "sexual_conduct", conduct="contact"), restricted=False)
    assert _said(facts(shown)) == {("sexual_conduct", False, None): "critical"}
    assert restricted_flags(facts(shown)) == {}


@given(cases(), st.data())
def test_nothing_else_changes_by_what_is_recorded_of_accounts(case: Facts, data: Any) -> None:
    """Whatever is recorded of accounts: all others are told just what they were told without it."""
    chosen = st.sampled_from([None, ONE, OTHER])

    def kept(each: Any) -> Any:
        account = data.draw(chosen)
        return each if account is None else replace(each, restricted=True, account_id=account)

    told = replace(
        case,
        incidents=tuple(map(kept, case.incidents)),
        promises=tuple(map(kept, case.promises)),
    )
    without = replace(
        told,
        incidents=tuple(each for each in told.incidents if each.kept_with is None),
        promises=tuple(each for each in told.promises if each.kept_with is None),
    )
    assert [f for f in findings(told) if f.about is None] == [
        f for f in findings(without) if f.about is None
    ]
    for found in findings(told):
        if found.about is not None:
            of_others = {
                each.id for each in _records(told) if each.kept_with not in (None, found.about)
            }
            assert found.restricted
            assert of_others.isdisjoint(row_id for _, row_id in found.evidence)


def _records(case: Facts) -> list[IncidentFact | PromiseFact]:
    return [*case.incidents, *case.promises]


@given(cases())
def test_asking_once_more_says_the_same(case: Facts) -> None:
    told = replace(
        case,
        incidents=tuple(replace(i, restricted=True, account_id=ONE) for i in case.incidents),
    )
    first = evaluate(told, NOW)
    assert evaluate(told, NOW, first).findings == first.findings
    assert evaluate(case, NOW, first).findings == evaluate(case, NOW).findings
