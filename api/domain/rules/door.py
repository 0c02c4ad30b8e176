"""Rules about the client's door: what waits there, and for whom. They read no words and no topics.

Always active and always restricted, whether or not anything was shared with the therapist.
"""

from collections.abc import Iterator
from datetime import timedelta

from api.domain.rules.door_facts import AccountFact
from api.domain.rules.facts import Facts
from api.domain.rules.findings import (
    CRITICAL,
    HIGH,
    INFO,
    MODERATE,
    Hit,
    account_hit,
    offer_hit,
    response_hit,
)
from api.domain.rules.moment import Moment
from api.domain.rules.said import Said
from api.domain.vocabulary import AccountStatus, AccountWant, ResponseBy, RuleName, SafeNow

OF_ACCOUNTS = frozenset(
    {RuleName.client_not_safe, RuleName.client_asks_to_look, RuleName.account_unanswered}
)
"""The rules that ask about each account by itself: not all have the same readers."""

OF_THE_DOOR = OF_ACCOUNTS | {RuleName.look_back_concern}
"""The rules that ask about what came by a client's door, and read nothing else."""

LOOK_BACK_DAYS = 365
"""Days in which what a client noted looking back asks for a look."""
CONCERNS = 2
"""How many answers to what somebody did ask for a look together; one alone does not."""

_SETTLED = frozenset({AccountStatus.closed, AccountStatus.taken_back})


def client_not_safe(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask at once about a client who says that they are not safe.

    An account whose `status` is not `closed`, and whose `safe_now` is `no` or `unsure`, whatever
    else it asks for. That it was taken back does not say that they are safe.

    Severity: critical where they are not safe; high where they are not sure.
    """
    for account in facts.accounts:
        if account.status == AccountStatus.closed:
            continue
        if account.safe_now == SafeNow.no:
            yield account_hit(account, at, CRITICAL, Said("told_not_safe"))
        elif account.safe_now == SafeNow.unsure:
            yield account_hit(account, at, HIGH, Said("told_unsure_of_safety"))


def client_asks_to_look(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask somebody other than the therapist to look, because the client does.

    An account whose `status` is neither `closed` nor `taken_back`, and whose `wants` name
    `somebody_looks`.

    Severity: moderate.
    """
    for account in _standing(facts):
        if AccountWant.somebody_looks in account.wants:
            yield account_hit(account, at, MODERATE, Said("asked_to_look"))


def account_unanswered(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about an account that waits for an answer.

    An account whose `status` is neither `answered`, `closed` nor `taken_back`, whose `wants` name
    more than `nothing_more`, and on whose latest words `door_unanswered_days` or more have passed.
    With further words it waits anew, whatever was settled before.

    Severity: high from `door_long_unanswered_days` on; else moderate.
    """
    days = facts.thresholds.door_unanswered_days
    long = facts.thresholds.door_long_unanswered_days
    for account in _standing(facts):
        wants_more = account.wants - {str(AccountWant.nothing_more)}
        if account.status == AccountStatus.answered or not wants_more:
            continue
        since = at.date_of(account.words_at)
        if at.reached(since + timedelta(days=long)):
            yield account_hit(account, at, HIGH, Said("not_answered", n=long), in_the_record=True)
        elif at.reached(since + timedelta(days=days)):
            said = Said("not_answered", n=days)
            yield account_hit(account, at, MODERATE, said, in_the_record=True)


def look_back_concern(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a therapy that a client, looking back, noted concerns about.

    A response `by` the `client`, of the last 365 days, that came by the door or was typed in by
    somebody other than the case's clinician, and in which two or more `frame` items were answered
    with a concern. No later response takes it away.

    Severity: moderate.
    """
    for response in facts.responses:
        if response.by != ResponseBy.client or response.concerns < CONCERNS:
            continue
        if at.passed(LOOK_BACK_DAYS, response.answered_on):
            continue
        yield response_hit(response, MODERATE, Said("looked_back", n=response.concerns))


def offer_door(facts: Facts, _at: Moment) -> Iterator[Hit]:
    """Suggest offering the client their door, where the clinic offers it.

    The clinic's `door_offer` names `at_opening` and the case has not ended, or it names `at_ending`
    and the case has; and the case's clinician has made no invitation since.
    """
    for offer in facts.offers:
        said = Said("door_at_ending" if offer.at_ending else "door_at_opening")
        yield offer_hit(offer, INFO, said)


def _standing(facts: Facts) -> Iterator[AccountFact]:
    return (each for each in facts.accounts if each.status not in _SETTLED)
