"""Asks the rules: at once for most cases, in a thread for one with many records."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from api.domain.rules.evaluate import Evaluation, evaluate
from api.domain.rules.facts import Facts

ASKED_AT_ONCE = 200
"""Records up to which a thread would cost more than it spares those who wait."""
THREADS = 2
"""Cases that are looked at beside the event loop; more would only take its turns."""

_turns: RunVar[anyio.CapacityLimiter] = RunVar("rule_runs.turns")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the rules: as of when, and by whose write (None: time alone).

    `wrote`: the record that was written. `turned`: the incident that this write has hidden from the
    case's clinician, or shown again.
    """

    at: datetime
    actor_id: UUID | None
    wrote: UUID | None = None
    turned: UUID | None = None


async def ask_rules(facts: Facts, now: datetime, before: Evaluation | None = None) -> Evaluation:
    """Run every rule over a case as of `now`, and let others be served meanwhile.

    `before`: what they said of the same case, where only what is told otherwise is to be asked.
    The thread is given facts alone: no row, and nothing that belongs to a transaction.
    """
    if facts.size <= ASKED_AT_ONCE:
        return evaluate(facts, now, before)
    turns = _turns_of_this_loop()
    return await anyio.to_thread.run_sync(evaluate, facts, now, before, limiter=turns)


def _turns_of_this_loop() -> anyio.CapacityLimiter:
    turns = _turns.get(None)
    if turns is None:
        turns = anyio.CapacityLimiter(THREADS)
        _turns.set(turns)
    return turns
