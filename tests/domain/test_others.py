"""What concerns others: contact with somebody else, somebody in danger, and recordings."""

from datetime import date
from typing import Any

import pytest

from api.domain.rules.facts import IncidentFact
from api.domain.vocabulary import (
    ClientImpact,
    ContactBasis,
    Initiator,
    RecordingMeans,
    SafeguardingConcern,
    ThirdParty,
)
from tests.domain.builders import (
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

RECORD = ["complete_record"]
CONTACT = {"third_party_contact": "high"}
YES_NO = (True, False, None)


def _contact(**said: Any) -> IncidentFact:
    return incident("third_party_contact", **{"party": "employer", **said})


@pytest.mark.parametrize("party", ThirdParty)
@pytest.mark.parametrize("basis", ContactBasis)
@pytest.mark.parametrize("shared", YES_NO)
def test_contact_with_someone_else_counts_where_it_is_known_to_lack_a_basis(
    shared: bool | None, basis: str, party: str
) -> None:
    told = _contact(party=party, basis=basis, content_shared=shared, occurred_on=ago(400))
    assert flags(facts(told, consultation(about=[told]))) == (CONTACT if basis == "none" else {})
    assert prompts(facts(told)) == []


@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("shared", YES_NO)
def test_whoever_only_listened_to_somebody_who_rang_is_left_alone(
    shared: bool | None, initiator: str
) -> None:
    """Not known who rang, or whether anything was told, is as good as the best."""
    told = _contact(basis="none", content_shared=shared, initiator=initiator)
    listened = initiator in ("third_party", "unknown") and shared is not True
    assert flags(facts(told)) == ({} if listened else CONTACT)


@pytest.mark.parametrize("basis", [None, "none"])
@pytest.mark.parametrize("impact", ClientImpact)
def test_contact_without_a_basis_is_critical_in_a_crisis(impact: str, basis: str | None) -> None:
    told = _contact(
        basis=basis,
        content_shared=True,
        client_informed=False,
        occurred_on=ago(61),
        client_impact=impact,
    )
    assert flags(facts(told)) == {
        "third_party_contact": "critical" if impact == "crisis" else "high"
    }


@pytest.mark.parametrize("shared", YES_NO)
@pytest.mark.parametrize("informed", YES_NO)
@pytest.mark.parametrize("initiator", ["therapist", "third_party", "unknown"])
@pytest.mark.parametrize(("days", "late"), [(0, False), (60, False), (61, True), (900, True)])
def test_what_was_shared_on_a_basis_nobody_knows_counts_after_sixty_days_untold(
    days: int, late: bool, initiator: str, informed: bool | None, shared: bool | None
) -> None:
    told = _contact(
        content_shared=shared,
        client_informed=informed,
        initiator=initiator,
        occurred_on=ago(days),
    )
    counts = shared is True and informed is False and late
    assert flags(facts(told)) == (CONTACT if counts else {})
    assert prompts(facts(told)) == RECORD


# -------------------------------------------------------------------------------- safeguarding

ANSWER = "safeguarding_unanswered"


def _concern(**said: Any) -> IncidentFact:
    return incident("safeguarding", **{"concern": "child", "initiator": "client", **said})


@pytest.mark.parametrize("concern", SafeguardingConcern)
@pytest.mark.parametrize("present", YES_NO)
@pytest.mark.parametrize(("duty", "severity"), [(True, "high"), (None, "moderate"), (False, None)])
@pytest.mark.parametrize(("days", "late"), [(0, False), (1, False), (2, True), (900, True)])
def test_a_present_danger_is_reported_within_two_days_where_that_is_a_duty(
    days: int,
    late: bool,
    duty: bool | None,
    severity: str | None,
    present: bool | None,
    concern: str,
) -> None:
    told = _concern(
        concern=concern, present=present, duty=duty, occurred_on=ago(days), client_impact="crisis"
    )
    counts = present is True and late and severity is not None
    case = facts(told, consultation(about=[told]))
    assert flags(case) == ({ANSWER: severity} if counts else {})
    asked = (present is None and days <= 30) or (present is True and duty is None)
    assert prompts(case) == (RECORD if asked else [])


@pytest.mark.parametrize(("days", "asked"), [(0, True), (30, True), (31, False)])
def test_whether_somebody_is_in_danger_now_is_asked_for_a_month(days: int, asked: bool) -> None:
    told = _concern(occurred_on=ago(days))
    assert flags(facts(told)) == {}
    assert prompts(facts(told)) == (RECORD if asked else [])


@pytest.mark.parametrize("duty", YES_NO)
@pytest.mark.parametrize("client_told", YES_NO)
@pytest.mark.parametrize("documented", [True, False])
def test_a_report_behind_the_clients_back_asks_for_its_reason(
    documented: bool, client_told: bool | None, duty: bool | None
) -> None:
    told = _concern(
        present=True,
        duty=duty,
        reported_on=ago(8),
        client_told=client_told,
        documented=documented,
    )
    counts = duty is True and client_told is False and not documented
    assert flags(facts(told)) == ({ANSWER: "moderate"} if counts else {})


@pytest.mark.parametrize("days", [0, 300])
def test_a_report_is_an_answer_however_late(days: int) -> None:
    told = _concern(present=True, duty=True, occurred_on=ago(300), reported_on=ago(days))
    assert flags(facts(told)) == {}


def test_a_danger_that_became_known_in_a_month_is_reported_after_its_end() -> None:
    told = _concern(present=True, duty=True, occurred_on=date(2026, 6, 2), precision="month")
    assert flags(facts(told)) == {}
    assert flags(facts(told), noon(date(2026, 7, 1))) == {}
    assert flags(facts(told), noon(date(2026, 7, 2))) == {ANSWER: "high"}


def test_each_concern_is_answered_by_itself() -> None:
    answered = _concern(present=True, duty=True, reported_on=ago(9))
    waiting = _concern(present=True, duty=True)
    unclear = _concern(concern="adult_at_risk", present=True)
    case = facts(answered, waiting, unclear)
    assert flags(case) == {ANSWER: "high"}
    assert evidence(case, ANSWER) == ids(waiting, unclear)
    assert evidence(case, "complete_record") == ids(unclear)


# ------------------------------------------------------------------------------------- recordings

RECORDED = "recording_without_consent"


@pytest.mark.parametrize("means", RecordingMeans)
@pytest.mark.parametrize("initiator", Initiator)
def test_a_recording_the_client_did_not_agree_to_is_high_and_one_not_to_be_refused_moderate(
    initiator: str, means: str
) -> None:
    for consent in YES_NO:
        for may_refuse in YES_NO:
            told = incident(
                "recording",
                means=means,
                consent=consent,
                may_refuse=may_refuse,
                initiator=initiator,
                client_impact="crisis",
            )
            weaker = {RECORDED: "moderate"} if may_refuse is False else {}
            expected = {RECORDED: "high"} if consent is False else weaker
            case = facts(told, consultation(about=[told]))
            assert flags(case) == expected
            assert prompts(case) == (RECORD if consent is None else [])
