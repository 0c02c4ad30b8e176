"""Contact between sessions, special terms, gifts and money."""

from datetime import date
from typing import Any

import pytest

from api.domain.vocabulary import ExceptionTerm, GiftDirection, Initiator
from tests.domain.builders import (
    ago,
    ahead,
    consultation,
    evidence,
    facts,
    flags,
    ids,
    incident,
    prompts,
)

OUT_OF_FRAME = {"contact_out_of_frame": "moderate"}
LIMITS = ["agree_contact_limits"]
EXCEPTIONS = {"special_exceptions": "moderate"}
GIFTS = {"gifts_or_money": "moderate"}


@pytest.mark.parametrize("initiator", Initiator)
def test_social_meetings_with_the_therapist_are_out_of_frame(initiator: str) -> None:
    told = incident(
        "contact", therapist_participates=True, social_meetings=True, initiator=initiator
    )
    assert flags(facts(told)) == OUT_OF_FRAME
    assert prompts(facts(told)) == []


@pytest.mark.parametrize("limits", [True, None])
def test_agreed_limits_do_not_make_social_meetings_part_of_the_frame(limits: bool | None) -> None:
    told = incident(
        "contact",
        therapist_participates=True,
        social_meetings=True,
        days_per_week=6,
        weeks=52,
        limits_agreed=limits,
    )
    assert flags(facts(told)) == OUT_OF_FRAME
    assert prompts(facts(told)) == []


@pytest.mark.parametrize("participates", [False, None])
def test_contact_the_therapist_is_not_known_to_take_part_in_is_never_a_flag(
    participates: bool | None,
) -> None:
    told = incident(
        "contact",
        therapist_participates=participates,
        social_meetings=True,
        days_per_week=7,
        weeks=100,
        limits_agreed=False,
    )
    assert flags(facts(told)) == {}
    assert prompts(facts(told)) == []


@pytest.mark.parametrize("participates", [False, None])
@pytest.mark.parametrize("limits", [True, False, None])
def test_frequent_contact_asks_for_limits_only_when_the_therapist_takes_part(
    limits: bool | None, participates: bool | None
) -> None:
    told = incident(
        "contact",
        therapist_participates=participates,
        days_per_week=7,
        weeks=100,
        limits_agreed=limits,
    )
    assert prompts(facts(told)) == []


@pytest.mark.parametrize("social", [False, None])
@pytest.mark.parametrize(
    ("days", "weeks", "limits", "flagged", "prompted"),
    [
        (3, 4, False, True, False),
        (7, 400, False, True, False),
        (2, 4, False, False, False),
        (3, 3, False, False, False),
        (None, 4, False, False, False),
        (3, None, False, False, False),
        (3, 4, True, False, False),
        (3, 4, None, False, True),
        (2, 4, None, False, False),
        (3, 3, None, False, False),
        (None, 4, None, False, False),
        (3, None, None, False, False),
    ],
)
def test_frequent_lasting_contact_counts_when_limits_were_not_agreed(
    days: int | None,
    weeks: int | None,
    limits: bool | None,
    flagged: bool,
    prompted: bool,
    social: bool | None,
) -> None:
    told = incident(
        "contact",
        therapist_participates=True,
        social_meetings=social,
        days_per_week=days,
        weeks=weeks,
        limits_agreed=limits,
    )
    assert flags(facts(told)) == (OUT_OF_FRAME if flagged else {})
    assert prompts(facts(told)) == (LIMITS if prompted else [])


@pytest.mark.parametrize("participates", [False, None])
@pytest.mark.parametrize("limits", [False, None])
@pytest.mark.parametrize(("messages", "expected"), [(9, []), (10, LIMITS), (900, LIMITS)])
def test_many_client_messages_only_suggest_to_agree_limits(
    participates: bool | None, limits: bool | None, messages: int, expected: list[str]
) -> None:
    told = incident(
        "contact",
        initiator="client",
        therapist_participates=participates,
        client_messages_30d=messages,
        limits_agreed=limits,
    )
    assert flags(facts(told)) == {}
    assert prompts(facts(told)) == expected


def test_many_messages_within_agreed_limits_ask_nothing() -> None:
    told = incident("contact", client_messages_30d=300, limits_agreed=True)
    assert prompts(facts(told)) == []


def test_many_messages_in_contact_the_therapist_takes_part_in_ask_nothing_by_themselves() -> None:
    told = incident("contact", client_messages_30d=300, therapist_participates=True)
    assert flags(facts(told)) == {}
    assert prompts(facts(told)) == []


def test_the_flag_and_the_prompt_are_kept_apart_record_by_record() -> None:
    both: dict[str, Any] = {"therapist_participates": True, "days_per_week": 4, "weeks": 10}
    flagged = incident("contact", **both, limits_agreed=False)
    asked = incident("contact", **both)
    case = facts(flagged, asked)
    assert evidence(case, "contact_out_of_frame") == ids(flagged)
    assert evidence(case, "agree_contact_limits") == ids(asked)


@pytest.mark.parametrize("term", ExceptionTerm)
def test_one_special_term_alone_is_never_a_flag(term: str) -> None:
    assert flags(facts(incident("exception", exception=term))) == {}


@pytest.mark.parametrize("initiator", Initiator)
def test_two_special_terms_without_a_written_reason_count(initiator: str) -> None:
    first, second = (
        incident("exception", exception=term, initiator=initiator, occurred_on=ago(3000))
        for term in ("reduced_fee", "extra_sessions")
    )
    case = facts(first, second)
    assert flags(case) == EXCEPTIONS
    assert evidence(case, "special_exceptions") == ids(first, second)


def test_a_special_term_with_a_written_reason_does_not_count() -> None:
    written = incident("exception", exception="home_visit", documented=True)
    plain = incident("exception", exception="reduced_fee")
    assert flags(facts(written, plain)) == {}


@pytest.mark.parametrize(
    ("ends_on", "counts"),
    [
        (None, True),
        (ahead(400), True),
        (ahead(1), True),
        (ago(0), True),
        (ago(1), False),
        (ago(400), False),
    ],
)
def test_a_special_term_counts_until_it_has_ended(ends_on: date | None, counts: bool) -> None:
    running = incident("exception", exception="reduced_fee", occurred_on=ago(500))
    other = incident("exception", exception="special_status", ends_on=ends_on)
    assert flags(facts(running, other)) == (EXCEPTIONS if counts else {})


def test_a_consultation_is_not_a_written_reason_for_special_terms() -> None:
    two = [incident("exception", exception="reduced_fee") for _ in range(2)]
    assert flags(facts(*two, consultation(about=two))) == EXCEPTIONS


@pytest.mark.parametrize("documented", [True, False])
@pytest.mark.parametrize("direction", GiftDirection)
@pytest.mark.parametrize(
    ("item", "severity"), [("loan", "high"), ("money", "moderate"), ("barter", "moderate")]
)
def test_a_loan_is_high_and_money_or_barter_moderate_written_down_or_not(
    item: str, severity: str, direction: str, documented: bool
) -> None:
    told = incident(
        "gift", item=item, direction=direction, documented=documented, client_impact="crisis"
    )
    assert flags(facts(told)) == {"gifts_or_money": severity}


@pytest.mark.parametrize("item", ["gift", "favour"])
def test_one_exchange_both_ways_counts_unless_written_down(item: str) -> None:
    assert flags(facts(incident("gift", item=item, direction="both"))) == GIFTS
    assert flags(facts(incident("gift", item=item, direction="both", documented=True))) == {}


@pytest.mark.parametrize(
    ("given", "received"),
    [("gift", "gift"), ("favour", "gift"), ("gift", "favour"), ("favour", "favour")],
)
def test_one_gift_or_favour_each_way_counts(given: str, received: str) -> None:
    first = incident("gift", item=given, direction="to_client", occurred_on=ago(365))
    second = incident("gift", item=received, direction="from_client", initiator="client")
    case = facts(first, second)
    assert flags(case) == GIFTS
    assert evidence(case, "gifts_or_money") == ids(first, second)


@pytest.mark.parametrize("written", ["to_client", "from_client"])
def test_one_gift_each_way_does_not_count_when_either_is_written_down(written: str) -> None:
    case = facts(
        *(
            incident("gift", item="gift", direction=way, documented=way == written)
            for way in ("to_client", "from_client")
        )
    )
    assert flags(case) == {}


def test_a_gift_written_down_is_no_evidence_of_an_exchange_that_was_not() -> None:
    written = incident("gift", item="gift", direction="to_client", documented=True)
    exchanged = incident("gift", item="favour", direction="both")
    case = facts(written, exchanged)
    assert flags(case) == GIFTS
    assert evidence(case, "gifts_or_money") == ids(exchanged)


def test_money_one_way_and_a_gift_the_other_are_no_exchange_of_gifts() -> None:
    money = incident("gift", item="money", direction="to_client")
    gift = incident("gift", item="gift", direction="from_client")
    case = facts(money, gift)
    assert flags(case) == GIFTS
    assert evidence(case, "gifts_or_money") == ids(money)


def test_a_loan_outweighs_gifts_and_a_consultation_clears_nothing() -> None:
    loan = incident("gift", item="loan", direction="from_client")
    gift = incident("gift", item="gift", direction="both")
    case = facts(loan, gift, consultation(about=[loan, gift]))
    assert flags(case) == {"gifts_or_money": "high"}
    assert evidence(case, "gifts_or_money") == ids(loan, gift)


@pytest.mark.parametrize("limits", [True, False, None])
@pytest.mark.parametrize("is_minor", [True, False, None])
@pytest.mark.parametrize("asked", [True, False])
def test_frequent_contact_with_a_minor_counts_though_limits_were_agreed_unless_consulted(
    asked: bool, is_minor: bool | None, limits: bool | None
) -> None:
    told = incident(
        "contact", therapist_participates=True, days_per_week=3, weeks=4, limits_agreed=limits
    )
    case = facts(told, *([consultation(about=[told])] if asked else []), is_minor=is_minor)
    counts = limits is False or (is_minor is True and not asked)
    assert flags(case) == (OUT_OF_FRAME if counts else {})
    assert prompts(case) == (LIMITS if limits is None and not counts else [])


@pytest.mark.parametrize(("days", "weeks"), [(2, 4), (3, 3), (None, 4), (3, None)])
def test_seldom_or_short_contact_with_a_minor_is_never_a_flag(
    days: int | None, weeks: int | None
) -> None:
    told = incident(
        "contact", therapist_participates=True, days_per_week=days, weeks=weeks, limits_agreed=False
    )
    assert flags(facts(told, is_minor=True)) == {}


@pytest.mark.parametrize("asked", [True, False])
def test_meetings_with_a_minor_count_consulted_or_not(asked: bool) -> None:
    told = incident("contact", therapist_participates=True, social_meetings=True)
    case = facts(told, *([consultation(about=[told])] if asked else []), is_minor=True)
    assert flags(case) == OUT_OF_FRAME


LOW = {"gifts_or_money": "low"}


@pytest.mark.parametrize("item", ["gift", "favour"])
@pytest.mark.parametrize("direction", ["to_client", "from_client"])
def test_five_gifts_one_way_are_low_and_four_are_never_a_flag(item: str, direction: str) -> None:
    given = [incident("gift", item=item, direction=direction) for _ in range(5)]
    assert flags(facts(*given[:4])) == {}
    assert flags(facts(*given)) == LOW
    assert evidence(facts(*given), "gifts_or_money") == ids(*given)


@pytest.mark.parametrize(("oldest", "expected"), [(365, LOW), (366, {})])
def test_gifts_one_way_are_counted_for_a_year(oldest: int, expected: dict[str, str]) -> None:
    given = [
        incident("gift", item="gift", direction="from_client", occurred_on=ago(days))
        for days in (1, 2, 3, 4, oldest)
    ]
    assert flags(facts(*given)) == expected


@pytest.mark.parametrize(("oldest", "expected"), [(365, GIFTS), (366, {})])
def test_gifts_both_ways_are_counted_for_a_year(oldest: int, expected: dict[str, str]) -> None:
    first = incident("gift", item="gift", direction="to_client", occurred_on=ago(oldest))
    second = incident("gift", item="favour", direction="from_client")
    assert flags(facts(first, second)) == expected
    both = incident("gift", item="gift", direction="both", occurred_on=ago(oldest))
    assert flags(facts(both)) == expected


def test_five_gifts_one_way_of_which_one_is_written_down_are_four() -> None:
    given = [
        incident("gift", item="gift", direction="from_client", documented=number == 0)
        for number in range(5)
    ]
    assert flags(facts(*given)) == {}


def test_one_gift_back_makes_five_one_way_an_exchange() -> None:
    given = [incident("gift", item="gift", direction="from_client") for _ in range(5)]
    back = incident("gift", item="gift", direction="to_client")
    case = facts(*given, back)
    assert flags(case) == GIFTS
    assert evidence(case, "gifts_or_money") == ids(*given, back)


def test_a_loan_of_long_ago_is_still_a_loan() -> None:
    loan = incident("gift", item="loan", direction="from_client", occurred_on=ago(4000))
    assert flags(facts(loan)) == {"gifts_or_money": "high"}
