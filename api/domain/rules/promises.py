"""Rules about promises: kept, broken, or never possible to keep."""

from collections.abc import Iterator

from api.domain.rules.facts import Facts, PromiseFact, within_the_frame
from api.domain.rules.findings import HIGH, MODERATE, Hit, graver_in_crisis, promise_hit
from api.domain.rules.moment import Moment
from api.domain.rules.said import Said
from api.domain.vocabulary import PromiseKeepable, PromiseState, Significance


def hard_to_keep(promise: PromiseFact) -> bool:
    """Tell whether a promise may not be kept; a therapist's door kept open is none such."""
    return promise.keepable in {PromiseKeepable.no, PromiseKeepable.doubtful} and (
        not within_the_frame(promise)
    )


def promise_unkeepable(facts: Facts, _at: Moment) -> Iterator[Hit]:
    """Ask about a promise outside the therapist's role or power. APA 3.05; NASW 1.16.

    A promise whose `state` is `open` or `disputed` and whose `keepable` is `no` or `doubtful`,
    unless it is within the frame.

    Severity: high where `keepable` is `no`, moderate where it is `doubtful`.
    """
    for promise in facts.promises:
        if promise.state in {PromiseState.open, PromiseState.disputed} and hard_to_keep(promise):
            never = promise.keepable == PromiseKeepable.no
            said = Said("promise_not_keepable" if never else "promise_hard_to_keep")
            yield promise_hit(promise, HIGH if never else MODERATE, said)


def promise_broken(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a promise not kept, or long overdue. APA 10.09; NASW 1.16.

    A promise whose `state` is `broken`; or whose `state` is `open` and whose `due_on` is more than
    `overdue_grace_days` ago.

    Severity: broken: high where its `significance` is `major`, and then critical in a crisis;
    moderate where it is not. Overdue: moderate.
    """
    for promise in facts.promises:
        if promise.state == PromiseState.broken:
            severity = HIGH if promise.significance == Significance.major else MODERATE
            severity = graver_in_crisis(severity, promise.client_impact)
            yield promise_hit(promise, severity, Said("promise_not_kept"))
        elif (
            promise.state == PromiseState.open
            and promise.due_on is not None
            and at.passed(facts.thresholds.overdue_grace_days, promise.due_on)
        ):
            yield promise_hit(promise, MODERATE, Said("promise_overdue", due=promise.due_on))


def promise_unexamined(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a promise that may not be kept and was not talked over with the client.

    A promise whose `keepable` is `no` or `doubtful`, unless it is within the frame; whose `state`
    is `open`, `disputed`, `renegotiated` or `withdrawn_with_repair`; whose `discussed_with_client`
    is false; and which was made more than `unexamined_days` ago.

    Severity: moderate.
    """
    still_felt = {
        PromiseState.open,
        PromiseState.disputed,
        PromiseState.renegotiated,
        PromiseState.withdrawn_with_repair,
    }
    for promise in facts.promises:
        if (
            hard_to_keep(promise)
            and promise.state in still_felt
            and promise.discussed_with_client is False
            and at.passed(facts.thresholds.unexamined_days, promise.made_on)
        ):
            yield promise_hit(promise, MODERATE, Said("promise_not_talked_over"))
