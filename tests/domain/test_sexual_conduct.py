"""Sexual or romantic conduct: abstaining is the clinician's duty, feeling is nobody's fault."""

import pytest

from api.domain.vocabulary import ClientImpact, Initiator, SexualConduct
from tests.domain.builders import ago, consultation, evidence, facts, flags, ids, incident, prompts

WORDS_ONLY = ("remark", "proposal")
CRITICAL = {"sexual_conduct": "critical"}


@pytest.mark.parametrize("conduct", ["contact", "relationship"])
@pytest.mark.parametrize("initiator", Initiator)
def test_contact_and_relationship_are_critical_whoever_began(conduct: str, initiator: str) -> None:
    case = facts(incident("sexual_conduct", conduct=conduct, initiator=initiator))
    assert flags(case) == CRITICAL
    assert prompts(case) == []


@pytest.mark.parametrize("conduct", ["contact", "relationship"])
def test_contact_and_relationship_are_critical_at_any_time_after_therapy(conduct: str) -> None:
    told = incident("sexual_conduct", conduct=conduct, occurred_on=ago(9000), initiator="client")
    assert flags(facts(told, status="ended")) == CRITICAL


@pytest.mark.parametrize("conduct", WORDS_ONLY)
@pytest.mark.parametrize("initiator", ["therapist", "mutual", "supervisor", "institution"])
def test_a_remark_or_proposal_from_the_clinical_side_is_critical(
    conduct: str, initiator: str
) -> None:
    case = facts(incident("sexual_conduct", conduct=conduct, initiator=initiator))
    assert flags(case) == CRITICAL
    assert prompts(case) == []


@pytest.mark.parametrize("conduct", WORDS_ONLY)
@pytest.mark.parametrize("impact", ClientImpact)
def test_a_disputed_remark_or_proposal_is_high_whatever_its_impact(
    conduct: str, impact: str
) -> None:
    case = facts(
        incident("sexual_conduct", conduct=conduct, initiator="disputed", client_impact=impact)
    )
    assert flags(case) == {"sexual_conduct": "high"}
    assert prompts(case) == []


@pytest.mark.parametrize("conduct", WORDS_ONLY)
def test_a_remark_or_proposal_of_unknown_origin_only_asks_for_the_record(conduct: str) -> None:
    case = facts(incident("sexual_conduct", conduct=conduct, initiator="unknown"))
    assert flags(case) == {}
    assert prompts(case) == ["complete_record"]


@pytest.mark.parametrize("conduct", WORDS_ONLY)
@pytest.mark.parametrize("initiator", ["client", "third_party"])
def test_a_clients_or_a_third_partys_words_are_never_a_flag(conduct: str, initiator: str) -> None:
    case = facts(
        *(
            incident("sexual_conduct", conduct=conduct, initiator=initiator, client_impact="crisis")
            for _ in range(5)
        )
    )
    assert flags(case) == {}
    assert prompts(case) == []


@pytest.mark.parametrize("conduct", SexualConduct)
def test_neither_a_consultation_nor_a_written_reason_clears_it(conduct: str) -> None:
    told = incident("sexual_conduct", conduct=conduct, documented=True)
    assert flags(facts(told, consultation(about=[told]))) == CRITICAL


def test_only_the_records_that_speak_are_evidence() -> None:
    theirs = incident("sexual_conduct", conduct="proposal", initiator="client")
    disputed = incident("sexual_conduct", conduct="remark", initiator="disputed")
    contact = incident("sexual_conduct", conduct="contact", initiator="client")
    case = facts(theirs, disputed, contact)
    assert flags(case) == CRITICAL
    assert evidence(case, "sexual_conduct") == ids(disputed, contact)
