"""Therapies as they should be, whatever was felt in them, and what came of them by their doors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from api.domain.look_back import look_back
from api.domain.questionnaires import Answer, Item, concerns
from api.domain.rules.door_facts import AccountFact, ResponseFact
from api.domain.rules.facts import Facts, IncidentFact
from api.domain.vocabulary import (
    AccountTopic,
    AccountWant,
    CaseStatus,
    ClientImpact,
    ExpressedBy,
    Feeling,
    ItemType,
    ReadsAs,
    ResponseBy,
    SafeNow,
)
from api.records.door_bodies import AccountCreate
from tests.domain.builders import NOW, TODAY, account, facts, incident, response
from tests.domain.strategies import ZONES

FELT = (
    "I love him, I dream of him each night, and I cannot tell him.",
    "I am so angry at her that I could scream.",
    "All week I long for the hour, and then I say nothing.",
    "I grieve for what I never had, and I cry when the session ends.",
    "I hate it here, I am jealous of whoever comes after me, and I feel nothing for days.",
    "It is of no use. Nobody ever understood me so well. I wish she were my mother.",
    "Le odio y le quiero, y le echo de menos cuando no está.",
)
"""What somebody may feel in a therapy as it should be, and say."""

WORDS = st.sampled_from(FELT) | st.text(
    st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=60
)
ITEMS = tuple(look_back().items())
OF_FRAME = {item.link_id: item for item in ITEMS if item.reads_as == ReadsAs.frame}
REQUESTS = {"a_copy": "access", "a_correction": "amendment"}
"""What is recorded of a client who asks for it at the door."""
A_YEAR, IN_TIME = 365, 310
"""Days that are looked back on, and hours in which whoever waits is answered: thirteen days, less
what a night may lack in which clocks are changed."""

Answers = dict[str, Any]


@dataclass(frozen=True)
class LookBack:
    """What was answered on a day, by the client or a guardian."""

    by: str
    on: date
    answers: Answers

    def sent(self) -> list[Answer]:
        """Give the answers as they are sent."""
        return [Answer(link_id=name, value=value) for name, value in self.answers.items()]

    def as_told(self) -> ResponseFact:
        """Give what the rules are told of it."""
        count = len(concerns(look_back(), self.answers))
        return response(count, by=self.by, answered_on=self.on)


@dataclass(frozen=True)
class Heard:
    """An account, when each of its words came, and when they were answered; None: no answer."""

    by: str
    body: AccountCreate
    written: tuple[tuple[datetime, datetime | None], ...]
    settled: str

    def as_told(self, now: datetime) -> Iterator[AccountFact | IncidentFact]:
        """Give what the rules are told of it at an instant."""
        come = [each for each in self.written if each[0] <= now]
        if not come:
            return
        words_at, answered_at = come[-1]
        is_answered = answered_at is not None and answered_at <= now
        yield account(
            by=self.by,
            sent_at=come[0][0],
            words_at=words_at,
            safe_now=self.body.safe_now,
            wants=self.body.wants,
            status=self.settled if is_answered else "received",
        )
        yield from self._requests(come[0], now)

    def _requests(
        self, sent: tuple[datetime, datetime | None], now: datetime
    ) -> Iterator[IncidentFact]:
        asked_at, answered_at = sent
        known = answered_at is not None and answered_at <= now
        for want in {*REQUESTS} & {*self.body.wants}:
            yield incident(
                "record_request",
                request=REQUESTS[want],
                initiator="client",
                occurred_on=asked_at.date(),
                answered_on=answered_at.date() if answered_at and known else None,
                restricted=True,
            )


@dataclass(frozen=True)
class Therapy:
    """A therapy: what was felt in it, and what came by its door."""

    felt: tuple[IncidentFact, ...]
    look_backs: tuple[LookBack, ...]
    accounts: tuple[Heard, ...]
    case: Mapping[str, Any]

    def as_told(self, now: datetime = NOW) -> Facts:
        """Give all that the rules are told of it at an instant."""
        today = now.astimezone(ZoneInfo(self.case["zone"])).date()
        return facts(
            *self.felt,
            *(each.as_told() for each in self.look_backs if each.on <= today),
            *(told for each in self.accounts for told in each.as_told(now)),
            **self.case,
        )

    def moments(self) -> set[datetime]:
        """Give when something came, the last instant before it was answered, and now."""
        written = [each for heard in self.accounts for each in heard.written]
        waited = {answered - timedelta(seconds=1) for _, answered in written if answered}
        return {NOW, NOW + timedelta(days=A_YEAR), *(at for at, _ in written), *waited}


# ----------------------------------------------------------------------------------- looking back


def _answers(item: Item) -> st.SearchStrategy[Any]:
    """Give whatever may be answered of a healthy therapy: anything at all of what was felt."""
    match item.type:
        case ItemType.scale:
            return st.sampled_from([None, *range(item.lowest, item.highest + 1)])
        case ItemType.words:
            return WORDS
    return st.sampled_from([each for each in item.answers if each not in item.concern])


# strategies are made once: to make them takes longer than to draw from them
_BY = st.sampled_from([str(each) for each in (ResponseBy.client, *ResponseBy)])
_ANSWERS = st.fixed_dictionaries({item.link_id: _answers(item) for item in ITEMS})
_LEFT_OUT = st.lists(st.sampled_from([item.link_id for item in ITEMS]), max_size=4)
_CONCERNS = {name: st.sampled_from(item.concern) for name, item in OF_FRAME.items()}
_DAYS = st.integers(0, A_YEAR)


def _looked_back(least: int, most: int) -> st.SearchStrategy[LookBack]:
    """Make one, with at least and at most so many answers that are a concern."""
    which = st.lists(st.sampled_from([*OF_FRAME]), min_size=least, max_size=most, unique=True)

    @st.composite
    def made(draw: st.DrawFn) -> LookBack:
        answers, left_out = draw(_ANSWERS), draw(_LEFT_OUT)
        told = {name: value for name, value in answers.items() if name not in left_out}
        told |= {name: draw(_CONCERNS[name]) for name in draw(which)}
        return LookBack(draw(_BY), TODAY - timedelta(days=draw(_DAYS)), told)

    return made()


HEALTHY, CONCERNED = _looked_back(0, 1), _looked_back(2, len(OF_FRAME))


# ---------------------------------------------------------------------------------- what was said

_ANSWERED = [AccountWant.an_answer, AccountWant.a_copy, AccountWant.a_correction]
_WANTS = st.lists(st.sampled_from(_ANSWERED), unique=True)
_NO_MORE = st.sampled_from([[], [AccountWant.nothing_more]])
_TOPICS = st.lists(st.sampled_from(AccountTopic), max_size=5, unique=True)
_SAFE = st.sampled_from([SafeNow.yes, SafeNow.yes, SafeNow.not_said])
_LONG_AGO = st.integers(60, A_YEAR)
_MINUTES, _HOURS = st.integers(1, 10 * 24 * 60), st.integers(0, IN_TIME)
_TIMES = st.integers(1, 3)
_SETTLED = st.sampled_from(["answered", "closed"])


@st.composite
def _accounts(draw: st.DrawFn) -> Heard:
    """Make one of somebody safe, who asks for no look: any words and topics, answered in time."""
    wants = draw(_WANTS)
    body = AccountCreate(
        happened=draw(WORDS),
        topics=draw(_TOPICS),
        wants=[*wants, *draw(_NO_MORE)],
        safe_now=draw(_SAFE),
    )
    at, written = NOW - timedelta(days=draw(_LONG_AGO)), []
    for _ in range(draw(_TIMES)):
        at += timedelta(minutes=draw(_MINUTES))
        answered = at + timedelta(hours=draw(_HOURS)) if wants else None
        written.append((at, answered))
        at = answered or at
    return Heard(draw(_BY), body, tuple(written), draw(_SETTLED))


# --------------------------------------------------------------------------------------- the whole

_FEELINGS = st.builds(
    partial(incident, "expression"),
    by=st.sampled_from([str(each) for each in ExpressedBy]),
    feelings=st.lists(st.sampled_from([str(each) for each in Feeling]), max_size=3),
    client_impact=st.sampled_from([str(each) for each in ClientImpact]),
)
_CASES = st.fixed_dictionaries(
    {
        "status": st.sampled_from([str(each) for each in CaseStatus]),
        "is_minor": st.sampled_from([None, False, True]),
        "zone": st.sampled_from(ZONES),
    }
)
THERAPIES = st.builds(
    Therapy,
    felt=st.lists(_FEELINGS, max_size=2).map(tuple),
    look_backs=st.lists(HEALTHY, min_size=1, max_size=3).map(tuple),
    accounts=st.lists(_accounts(), max_size=2).map(tuple),
    case=_CASES,
)
"""Therapies as they should be, with anything at all that somebody felt."""
