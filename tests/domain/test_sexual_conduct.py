"""Sexual or romantic conduct: abstaining is the clinician's duty, feeling is nobody's fault."""

from typing import Any

import pytest

from api.domain.vocabulary import ClientImpact, Initiator, SexualConduct
from tests.domain.builders import ago, consultation, evidence, facts, flags, ids, incident, prompts

WORDS_ONLY = ("remark", "proposal")
CRITICAL = {"sexual_conduct": "critical"}


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


FROM_OUTSIDE = ("client", "client_side", "third_party")
OFFER, RECORD = ["offer_consultation"], ["complete_record"]


@pytest.mark.parametrize("declined", [True, False, None])
@pytest.mark.parametrize("initiator", Initiator)
def test_contact_is_critical_whoever_began_unless_it_is_known_to_have_been_declined(
    initiator: str, declined: bool | None
) -> None:
    case = facts(
        incident("sexual_conduct", conduct="contact", initiator=initiator, declined=declined)
    )
    outside = initiator in FROM_OUTSIDE
    assert flags(case) == ({} if outside and declined is True else CRITICAL)
    asked = {True: OFFER, None: RECORD, False: []} if outside else {}
    assert prompts(case) == asked.get(declined, [])


@pytest.mark.parametrize("declined", [True, False, None])
@pytest.mark.parametrize("initiator", Initiator)
def test_a_relationship_cannot_have_been_declined(initiator: str, declined: bool | None) -> None:
    told = incident(
        "sexual_conduct", conduct="relationship", initiator=initiator, declined=declined
    )
    assert flags(facts(told)) == CRITICAL
    assert prompts(facts(told)) == []


@pytest.mark.parametrize("conduct", WORDS_ONLY)
@pytest.mark.parametrize("initiator", FROM_OUTSIDE)
@pytest.mark.parametrize(("declined", "asked"), [(True, OFFER), (False, []), (None, [])])
def test_words_of_the_client_and_of_those_around_are_never_a_flag(
    declined: bool | None, asked: list[str], initiator: str, conduct: str
) -> None:
    for is_minor in (True, False, None):
        case = facts(
            *(
                incident(
                    "sexual_conduct",
                    conduct=conduct,
                    initiator=initiator,
                    declined=declined,
                    client_impact="crisis",
                )
                for _ in range(5)
            ),
            is_minor=is_minor,
        )
        assert flags(case) == {}
        assert prompts(case) == asked


@pytest.mark.parametrize("conduct", WORDS_ONLY)
@pytest.mark.parametrize("declined", [True, False, None])
@pytest.mark.parametrize("is_minor", [True, False, None])
def test_words_of_unknown_origin_ask_for_the_record_and_of_a_minor_are_high(
    is_minor: bool | None, declined: bool | None, conduct: str
) -> None:
    told = incident("sexual_conduct", conduct=conduct, initiator="unknown", declined=declined)
    case = facts(told, is_minor=is_minor)
    assert flags(case) == ({"sexual_conduct": "high"} if is_minor is True else {})
    assert prompts(case) == RECORD


@pytest.mark.parametrize("conduct", SexualConduct)
@pytest.mark.parametrize("initiator", Initiator)
@pytest.mark.parametrize("is_minor", [True, False])
def test_with_a_relative_of_the_client_it_is_high_at_most(
    is_minor: bool, initiator: str, conduct: str
) -> None:
    def raised(towards: str) -> dict[str, str]:
        whom: dict[str, Any] = {"with": towards}
        told = incident("sexual_conduct", conduct=conduct, initiator=initiator, **whom)
        return flags(facts(told, is_minor=is_minor))

    with_client = raised("client")
    assert raised("clients_relative") == dict.fromkeys(with_client, "high")


@pytest.mark.parametrize("initiator", ["therapist", "supervisor", "mutual"])
def test_what_the_care_side_began_is_critical_though_it_was_declined(initiator: str) -> None:
    told = incident("sexual_conduct", conduct="proposal", initiator=initiator, declined=True)
    assert flags(facts(told)) == CRITICAL


def test_a_kiss_that_was_declined_and_talked_over_with_a_colleague_asks_nothing() -> None:
    told = incident("sexual_conduct", conduct="contact", initiator="client", declined=True)
    case = facts(told, consultation(about=[told]))
    assert flags(case) == {}
    assert prompts(case) == []
