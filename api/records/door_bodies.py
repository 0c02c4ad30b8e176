"""What is sent at the door: an account in the client's own words, and what may come after it."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from api.domain.questionnaires import MOST_ITEMS, Answer
from api.domain.values import Day, Input, Text, YesNo, without_nul
from api.domain.vocabulary import (
    AccountTo,
    AccountTopic,
    AccountWant,
    DatePrecision,
    SafeNow,
    Sharing,
)
from api.languages.spoken import LanguageCode

MOST_TOPICS, MOST_LEFT_OUT = len(AccountTopic), 20
MOST_ACCOUNTS_A_DAY, MOST_RESPONSES_A_DAY = 10, 20
"""What a box takes in a day; who is not safe is always heard."""

_further = StringConstraints(strip_whitespace=True, min_length=1, max_length=5_000)
FurtherText = Annotated[str, _further, AfterValidator(without_nul)]
"""Further words: not blank, at most 5,000 characters."""

_reach = StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)
ReachText = Annotated[str, _reach, AfterValidator(without_nul)]
"""How somebody may be reached: at most 1,000 characters."""


class AccountCreate(Input):
    """What happened, in the client's own words, and what they want to come of it.

    `reach`: how somebody other than the therapist may reach them, and what not to do; it is for a
    person, and no program uses it. `not_to`: who is not to read it, of those whose names are shown.
    With `no_receipt` it can never be opened again, nor an answer be read.
    """

    happened: Text
    topics: list[AccountTopic] = Field(default_factory=list, max_length=MOST_TOPICS)
    when: Day | None = None
    date_precision: DatePrecision = DatePrecision.day
    wants: list[AccountWant] = Field(default_factory=list, max_length=len(AccountWant))
    safe_now: SafeNow = SafeNow.not_said
    reach: ReachText | None = None
    to: AccountTo = AccountTo.supervisors
    not_to: list[UUID] = Field(default_factory=list, max_length=MOST_LEFT_OUT)
    shared: Sharing = Sharing.not_yet
    language: LanguageCode | None = Field(default=None, description="Default: the clinic's first.")
    no_receipt: YesNo = False


class AnswersSent(Input):
    """What somebody answers, looking back; by default to what they were invited to look back with.

    `questionnaire_version`: which version they were shown, by default the newest.
    """

    questionnaire_id: UUID | None = None
    questionnaire_version: Annotated[int, Field(strict=True, ge=1, le=10_000)] | None = None
    answers: list[Answer] = Field(min_length=1, max_length=MOST_ITEMS)
    shared: Sharing = Sharing.not_yet
    no_receipt: YesNo = False


class FurtherWords(Input):
    """Further words on an account that was sent."""

    words: FurtherText


class SharingPatch(Input):
    """Whether the therapist may read it."""

    shared: Sharing
