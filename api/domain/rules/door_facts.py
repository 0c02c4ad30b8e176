"""What rules may know of what came by a client's door: never its words, topics or feelings."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from api.domain.vocabulary import AccountStatus, ResponseBy, SafeNow


@dataclass(frozen=True, slots=True)
class AccountFact:
    """What a client said at their door, as the door's rules see it: none of its words or topics.

    `sent_at`: when it came; `words_at`: when they last wrote of it.
    """

    id: UUID
    by: ResponseBy
    sent_at: datetime
    words_at: datetime
    safe_now: SafeNow
    wants: frozenset[str]
    status: AccountStatus


@dataclass(frozen=True, slots=True)
class ResponseFact:
    """Answers that did not pass through the therapist's hands: how many to `frame` items concern.

    Rules read nothing else of it, and of no other answers anything.
    """

    id: UUID
    by: ResponseBy
    answered_on: date
    concerns: int


@dataclass(frozen=True, slots=True)
class OfferFact:
    """The clinic offers its clients' door now, and the case's clinician made no invitation since.

    `on`: the day on which there was reason to; `at_ending`: the therapy has ended.
    """

    case_id: UUID
    on: date
    at_ending: bool
