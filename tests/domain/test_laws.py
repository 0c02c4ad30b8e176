"""The laws of the rulebook, tried on made-up cases of every shape."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from typing import Any, get_type_hints
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.domain.rules.door import OF_THE_DOOR
from api.domain.rules.door_facts import AccountFact, OfferFact, ResponseFact
from api.domain.rules.evaluate import evaluate
from api.domain.rules.facts import (
    CaseFact,
    ConsultationFact,
    Facts,
    FlagFact,
    IncidentFact,
    PromiseFact,
    consulted,
)
from api.domain.rules.findings import Finding, finding
from api.domain.rules.moment import Moment
from api.domain.rules.prompts import PROMPTS
from api.domain.rules.reads import READS
from api.domain.rules.rulebook import RULES
from api.domain.vocabulary import (
    AccountStatus,
    ClientImpact,
    EndingAppliesTo,
    ResponseBy,
    RuleName,
    SafeNow,
    Severity,
    severity_rank,
)
from tests.domain.builders import NOW, findings, grades
from tests.domain.strategies import (
    DETAILS_BY_KIND,
    by_door,
    cases,
    consultations,
    incidents,
    promises,
)

EVERY: dict[Any, Any] = {**RULES, **PROMPTS}

GRAVER_IN_A_CRISIS = {
    "promise_broken",
    "frame_tightened_unprepared",
    "disclosure_response",
    "ending_unprepared",
    "no_referral",
    "third_party_contact",
    "danger_review_required",
}

NEVER_READ = {
    *("expression", "attachment_roles", "phase", "setting", "classification", "repair"),
    *("diagnosis", "topics", "experience", "narrative", "rationale", "wording", "question"),
    *("summary", "advice", "body", "client_ref", "about_user_id", "agreed_sessions", "ended_on"),
    *("happened", "words", "reach", "answers", "sealed_answers", "frame_answers", "reply"),
}
"""What a record may hold, and what stays outside the facts."""


def test_the_facts_have_no_place_for_what_no_rule_reads() -> None:
    told = (CaseFact, IncidentFact, PromiseFact, ConsultationFact, FlagFact)
    by_their_door = (AccountFact, ResponseFact, OfferFact)
    names = {place.name for kind in (*told, *by_their_door) for place in fields(kind)}
    assert names.isdisjoint(NEVER_READ)


def test_of_what_a_client_said_the_facts_hold_what_the_doors_rules_compare_and_no_more() -> None:
    """No words, no topics, no answer about what was felt: there is no place for any."""
    assert get_type_hints(AccountFact) == {
        "id": UUID,
        "by": ResponseBy,
        "sent_at": datetime,
        "words_at": datetime,
        "safe_now": SafeNow,
        "wants": frozenset[str],
        "status": AccountStatus,
    }
    assert get_type_hints(ResponseFact) == {
        "id": UUID,
        "by": ResponseBy,
        "answered_on": date,
        "concerns": int,
    }
    assert get_type_hints(OfferFact) == {"case_id": UUID, "on": date, "at_ending": bool}


def of_other_rules(case: Facts) -> list[Finding]:
    return [found for found in evaluate(case, NOW).findings if found.rule not in OF_THE_DOOR]


@given(cases(), by_door())
def test_what_came_by_the_door_changes_nothing_that_another_rule_finds(
    case: Facts, others: list[AccountFact | ResponseFact]
) -> None:
    """No rule but the door's reads it, whatever it is, nor hides anything because of it."""
    told = replace(
        case,
        accounts=tuple(each for each in others if isinstance(each, AccountFact)),
        responses=tuple(each for each in others if isinstance(each, ResponseFact)),
    )
    assert of_other_rules(told) == of_other_rules(case)
    assert of_other_rules(replace(case, accounts=(), responses=())) == of_other_rules(case)


@given(cases(), cases())
def test_the_doors_rules_read_nothing_but_what_came_by_it(case: Facts, other: Facts) -> None:
    def of_the_door(facts: Facts) -> list[Finding]:
        return [found for found in evaluate(facts, NOW).findings if found.rule in OF_THE_DOOR]

    elsewhere = replace(
        other,
        zone=case.zone,
        thresholds=case.thresholds,
        accounts=case.accounts,
        responses=case.responses,
    )
    assert of_the_door(elsewhere) == of_the_door(case)
    assert all(found.restricted for found in of_the_door(case))


@given(cases())
def test_removing_what_was_felt_or_wished_changes_nothing(case: Facts) -> None:
    without = replace(
        case, incidents=tuple(i for i in case.incidents if i.details.kind != "expression")
    )
    assert evaluate(case, NOW) == evaluate(without, NOW)


@given(cases(), st.data())
def test_adding_what_was_felt_or_wished_changes_nothing(case: Facts, data: st.DataObject) -> None:
    felt = data.draw(incidents(st.just("expression"), 50))
    assert evaluate(replace(case, incidents=(*case.incidents, felt)), NOW) == evaluate(case, NOW)


@given(cases(), st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_the_words_of_a_text_are_never_read(case: Facts, words: str, others: str) -> None:
    def reworded(text: str) -> Facts:
        return replace(
            case,
            incidents=tuple(
                replace(
                    told,
                    has_sealed_detail=True,
                    details=told.details.model_copy(update={told.details.sealed_field: text}),
                )
                if told.details.sealed_field
                else told
                for told in case.incidents
            ),
        )

    assert evaluate(reworded(words), NOW) == evaluate(reworded(others), NOW)


# --------------------------------------------------------------------------------- consultations


def never_worse(before: Facts, after: Facts) -> None:
    for restricted_too in (True, False):
        old = grades(before, restricted_too=restricted_too)
        new = grades(after, restricted_too=restricted_too)
        assert {rule for rule, grade in new.items() if grade > old.get(rule, 0)} == set()


@given(cases(), st.data())
def test_adding_a_consultation_never_adds_or_worsens_a_flag(
    case: Facts, data: st.DataObject
) -> None:
    asked = data.draw(consultations(case.incidents))
    with_advice = replace(case, consultations=(*case.consultations, asked))
    never_worse(case, with_advice)


@given(cases(), st.data())
def test_advice_that_was_put_aside_never_adds_a_flag_either(
    case: Facts, data: st.DataObject
) -> None:
    asked = data.draw(consultations(case.incidents, ["not_followed"]))
    never_worse(case, replace(case, consultations=(*case.consultations, asked)))


ASKS_FOR_A_CONSULTATION = [
    name
    for name, sources in READS.items()
    if ConsultationFact in sources and name != RuleName.no_oversight
]
RECORD_BY_RECORD = {
    *("competence_gap", "fitness_to_practise", "outcome_unreviewed", "ending_left_open"),
    *("offer_consultation", "contact_out_of_frame"),
}
"""Where a consultation about one record answers for that record, and for no other."""

Cleared = set[tuple[str, UUID]]


@given(cases(restricted=False), st.data())
def test_day_by_day_over_a_year_a_consultation_never_counts_against_and_never_stops_counting(
    case: Facts, data: st.DataObject
) -> None:
    alone = replace(case, consultations=())
    asked = replace(case, consultations=(data.draw(consultations(case.incidents)),))
    told = {incident.id: incident for incident in case.incidents}
    answered = {each for each, incident in told.items() if consulted(asked, incident)}
    for days in range(366):
        now = NOW + timedelta(days=days)
        for name in ASKS_FOR_A_CONSULTATION:
            before = finding(name, EVERY[name](alone, Moment(now, case.zone)))
            after = finding(name, EVERY[name](asked, Moment(now, case.zone)))
            if before is None or after is None:
                assert after is None or name == "agree_contact_limits"
                continue
            assert severity_rank(after.severity) <= severity_rank(before.severity)
            assert after.evidence <= before.evidence or name == "agree_contact_limits"
            if name in RECORD_BY_RECORD:
                assert answered.isdisjoint(_asked_for_want_of_advice(after.evidence, told))


def _asked_for_want_of_advice(
    evidence: frozenset[Any], told: dict[UUID, IncidentFact]
) -> set[UUID]:
    return {
        row_id
        for _, row_id in evidence
        if getattr(told[row_id].details, "sign", None) != "intoxicated"
        and getattr(told[row_id].details, "social_meetings", None) is not True
        and getattr(told[row_id].details, "limits_agreed", None) is not False
    }


# ------------------------------------------------------------------------------- the other laws


@given(cases(), st.sampled_from([word for word in ClientImpact if word != "crisis"]))
def test_a_crisis_makes_high_critical_where_marked_and_changes_nothing_else(
    case: Facts, calm: ClientImpact
) -> None:
    case = replace(case, incidents=tuple(i for i in case.incidents if not _of_agreed_contact(i)))

    def with_impact(impact: ClientImpact) -> dict[str, int]:
        return grades(
            replace(
                case,
                incidents=tuple(replace(i, client_impact=impact) for i in case.incidents),
                promises=tuple(replace(p, client_impact=impact) for p in case.promises),
            )
        )

    high, critical = severity_rank(Severity.high), severity_rank(Severity.critical)
    expected = {
        rule: critical if rule in GRAVER_IN_A_CRISIS and grade == high else grade
        for rule, grade in with_impact(calm).items()
    }
    assert with_impact(ClientImpact.crisis) == expected


def _of_agreed_contact(told: IncidentFact) -> bool:
    """Its row says by itself what a crisis does."""
    return getattr(told.details, "applies_to", None) == EndingAppliesTo.agreed_contact


ORDERS: dict[str, Callable[[st.DataObject, Any], Any]] = {
    "the other way round": lambda data, told: list(reversed(told)),
    "by their ids": lambda data, told: sorted(told, key=repr),
    "in any order": lambda data, told: data.draw(st.permutations(told)),
}


@pytest.mark.parametrize("order", ORDERS)
@given(case=cases(), data=st.data())
def test_the_order_in_which_things_were_told_changes_nothing(
    order: str, case: Facts, data: st.DataObject
) -> None:
    def in_order(told: Any) -> Any:
        return ORDERS[order](data, list(told))

    def lists_too(told: IncidentFact) -> IncidentFact:
        lists = {name: in_order(said) for name, said in told.details if isinstance(said, list)}
        return replace(told, details=told.details.model_copy(update=lists))

    shuffled = replace(
        case,
        incidents=tuple(map(lists_too, in_order(case.incidents))),
        promises=tuple(in_order(case.promises)),
        consultations=tuple(in_order(case.consultations)),
        flags=tuple(in_order(case.flags)),
        accounts=tuple(in_order(case.accounts)),
        responses=tuple(in_order(case.responses)),
    )
    assert evaluate(shuffled, NOW) == evaluate(case, NOW)


ANSWERED_BY_ANOTHER_RECORD = {
    RuleName.frame_drift: "the latest departure was talked over",
    RuleName.ending_left_open: "an ending has happened since",
}


@given(cases(), st.data())
def test_another_record_takes_no_flag_away_save_where_its_row_says_so(
    case: Facts, data: st.DataObject
) -> None:
    kind = st.sampled_from(list(DETAILS_BY_KIND))
    more = replace(
        case,
        incidents=(*case.incidents, data.draw(incidents(kind, 60, restricted=False))),
        promises=(*case.promises, data.draw(promises(160))),
    )
    before, after = grades(case), grades(more)
    lost = {rule for rule, grade in before.items() if after.get(rule, 0) < grade}
    assert lost <= ANSWERED_BY_ANOTHER_RECORD.keys()


@given(cases(restricted=False), cases(restricted=False))
def test_each_rule_says_among_all_what_it_says_alone(case: Facts, other: Facts) -> None:
    """No finding hides another: two therapies told as one raise what each of them raises."""
    elsewhere = tuple(replace(i, id=UUID(int=i.id.int + 1_000)) for i in other.incidents)
    kinds = {type(told.details) for told in case.incidents}
    beside = tuple(told for told in elsewhere if type(told.details) not in kinds)
    both = replace(case, incidents=(*case.incidents, *beside), flags=())
    alone = {found.rule: found for found in findings(replace(case, flags=()))}
    among = {found.rule: found for found in findings(both)}
    answered = {*ANSWERED_BY_ANOTHER_RECORD, "plan_ending"}
    for rule, found in alone.items():
        if rule not in answered:
            assert among[rule].evidence >= found.evidence, rule
            assert severity_rank(among[rule].severity) >= severity_rank(found.severity), rule


@given(cases())
def test_every_finding_rests_on_records_of_the_case(case: Facts) -> None:
    known: set[tuple[str, UUID]] = {
        *(("incident", i.id) for i in case.incidents),
        *(("promise", p.id) for p in case.promises),
        *(("flag", f.id) for f in case.flags),
        *(("account", a.id) for a in case.accounts),
        *(("response", r.id) for r in case.responses),
        *(("case", o.case_id) for o in case.offers),
    }
    for found in findings(case):
        assert found.evidence
        assert found.evidence <= known
