"""Made-up cases of every shape, for what must hold of any case at all."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from api.domain.rules.door_facts import AccountFact, OfferFact, ResponseFact
from api.domain.rules.facts import ConsultationFact, Facts, FlagFact, IncidentFact, PromiseFact
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import (
    AbsenceReason,
    AccountStatus,
    AccountWant,
    AdviceResponse,
    BoundaryArea,
    CaseStatus,
    ClientImpact,
    CoerciveMeasure,
    CollateralLoss,
    ConductWith,
    ConsultationKind,
    ConsultationStatus,
    ContactBasis,
    DatePrecision,
    DisclosureOf,
    DisclosureResponse,
    EndingAppliesTo,
    EndingReason,
    EndingStage,
    EndingWay,
    ExceptionTerm,
    ExpressedBy,
    Feeling,
    FitnessSign,
    FrameDirection,
    FrameElement,
    GiftDirection,
    GiftItem,
    Initiator,
    Interaction,
    OutcomeTrend,
    PromiseKeepable,
    PromiseKind,
    PromiseScope,
    PromiseState,
    RecordingMeans,
    RecordIssue,
    RecordRequest,
    ReportedBy,
    ResponseBy,
    ReturnCondition,
    RiskIndicator,
    RiskResponse,
    RoleReversalForm,
    RoleTiming,
    SafeguardingConcern,
    SafeNow,
    SecondRole,
    Severity,
    SexualConduct,
    Significance,
    ThirdParty,
    TouchKind,
    Word,
)
from tests.domain.builders import (
    DEFAULTS,
    NOW,
    TODAY,
    account,
    consultation,
    facts,
    flag,
    incident,
    offer,
    promise,
    response,
)

ZONES = ("UTC", "Asia/Tokyo", "America/Los_Angeles", "Africa/Cairo")
FARTHEST = 400


def _word(words: type[Word]) -> st.SearchStrategy[str]:
    return st.sampled_from([str(word) for word in words])


def _words(words: type[Word], least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(_word(words), min_size=least, max_size=3)


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def _number(*values: int) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


YES_NO: st.SearchStrategy[Any] = st.sampled_from([True, False, None])
PAST = st.integers(0, FARTHEST).map(lambda days: TODAY - timedelta(days=days))
RECENT = st.integers(0, 100).map(lambda days: TODAY - timedelta(days=days))
LONG_AGO = st.integers(0, 1_600).map(lambda days: TODAY - timedelta(days=days))
ANY_DAY = st.integers(-FARTHEST, FARTHEST).map(lambda days: TODAY + timedelta(days=days))

DETAILS_BY_KIND: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "expression": {"by": _word(ExpressedBy), "feelings": _words(Feeling)},
    "disclosure": {
        "of": _word(DisclosureOf),
        "responses": _words(DisclosureResponse),
        "taken_up": YES_NO,
        "responded_on": _maybe(PAST),
    },
    "crossing": {"area": _word(BoundaryArea)},
    "second_role": {
        "role": _word(SecondRole),
        "timing": _word(RoleTiming),
        "interaction": _word(Interaction),
    },
    "contact": {
        "therapist_participates": YES_NO,
        "social_meetings": YES_NO,
        "days_per_week": _number(2, 3, 7),
        "weeks": _number(3, 4, 60),
        "client_messages_30d": _number(9, 10, 300),
        "limits_agreed": YES_NO,
    },
    "exception": {"exception": _word(ExceptionTerm), "ends_on": _maybe(ANY_DAY)},
    "gift": {"direction": _word(GiftDirection), "item": _word(GiftItem)},
    "touch": {
        "touch": _word(TouchKind),
        "consent": YES_NO,
        "planned_method": YES_NO,
        "times": _number(1, 2, 3, 40),
    },
    "sexual_conduct": {
        "conduct": _word(SexualConduct),
        "with": _word(ConductWith),
        "declined": YES_NO,
    },
    "role_reversal": {"form": _word(RoleReversalForm)},
    "frame_change": {
        "direction": _word(FrameDirection),
        "elements": _words(FrameElement, least=1),
        "discussed": YES_NO,
        "notice_days": _number(0, 13, 14, 60),
    },
    "ending": {
        "stage": _word(EndingStage),
        "ending": _word(EndingWay),
        "reason": _word(EndingReason),
        "applies_to": _word(EndingAppliesTo),
        "planned_at_outset": YES_NO,
        "abrupt": YES_NO,
        "notice_days": _number(0, 29, 30, 59, 60, 89, 90),
        "closing_sessions": _number(0, 2, 3, 5, 6, 7, 8),
        "needs_ongoing_care": YES_NO,
        "referral_offered": YES_NO,
        "collateral_loss": _words(CollateralLoss),
        "return_condition": _maybe(_word(ReturnCondition)),
    },
    "absence": {
        "absence": _word(AbsenceReason),
        "days": st.sampled_from([1, 6, 7, 13, 14, 90]),
        "planned": YES_NO,
        "return_due_on": _maybe(ANY_DAY),
        "returned": YES_NO,
        "coverage": YES_NO,
    },
    "risk": {
        "indicator": _word(RiskIndicator),
        "count": _number(0, 1, 20),
        "screened": YES_NO,
        "response": _maybe(_word(RiskResponse)),
        "responded_on": _maybe(PAST),
    },
    "coercive_measure": {"measures": _words(CoerciveMeasure, least=1)},
    "record_conflict": {"issue": _word(RecordIssue)},
    "record_request": {
        "request": _word(RecordRequest),
        "requested_on": _maybe(PAST),
        "answered_on": _maybe(PAST),
    },
    "third_party_contact": {
        "party": _word(ThirdParty),
        "basis": _maybe(_word(ContactBasis)),
        "content_shared": YES_NO,
        "client_informed": YES_NO,
    },
    "hurtful_words": {"repeated": st.booleans(), "about_trait": YES_NO},
    "competence_gap": {},
    "consent": {
        "process_explained": YES_NO,
        "goals_known": YES_NO,
        "questions_refused": YES_NO,
        "harm_reported": YES_NO,
    },
    "outcome": {
        "trend": _word(OutcomeTrend),
        "months": _number(0, 2, 3, 30),
        "times_wished_to_stop": _number(0, 1, 2, 9),
        "doubt": YES_NO,
    },
    "oversight": {"available": YES_NO},
    "cotreatment": {"coordinated": YES_NO},
    "safeguarding": {
        "concern": _word(SafeguardingConcern),
        "present": YES_NO,
        "duty": YES_NO,
        "reported_on": _maybe(PAST),
        "client_told": YES_NO,
    },
    "fitness": {"sign": _word(FitnessSign), "in_session": YES_NO},
    "recording": {"means": _word(RecordingMeans), "consent": YES_NO, "may_refuse": YES_NO},
}

TIGHT = Thresholds.model_validate(
    {
        "exceptions": 1,
        "drift_departures": 2,
        "touch_times": 2,
        "tightening_elements": 1,
        "absence_days": 5,
    }
)
"""A clinic that wants to look sooner."""

MEETING_KINDS = [
    ["absence", "risk"],
    ["risk", "ending"],
    ["crossing", "exception", "frame_change"],
    ["disclosure", "frame_change", "ending"],
    ["hurtful_words", "role_reversal", "ending"],
    ["ending"],
    ["gift"],
    ["hurtful_words", "role_reversal"],
    ["outcome", "competence_gap"],
    ["touch"],
]
"""Kinds that one rule reads together, or of which several records count."""

REVIEWS = [None, None, None, "real_danger", "mistaken_for_danger", "insufficient_information"]


@st.composite
def incidents(
    draw: st.DrawFn, kinds: st.SearchStrategy[str], number: int, restricted: bool = True
) -> IncidentFact:
    """Make one incident of one of these kinds; only an absence may lie ahead."""
    kind = draw(kinds)
    return incident(
        kind,
        number=number,
        occurred_on=draw(ANY_DAY if kind == "absence" else PAST | RECENT),
        precision=draw(st.sampled_from(["day", "day", *DatePrecision])),
        initiator=draw(_word(Initiator)),
        reported_by=draw(_word(ReportedBy)),
        client_impact=draw(_word(ClientImpact)),
        documented=draw(st.booleans()),
        discussed_with_client=draw(YES_NO),
        sealed=draw(st.booleans()),
        determination=draw(st.sampled_from(REVIEWS)),
        restricted=restricted and draw(st.sampled_from([False, False, True])),
        **draw(st.fixed_dictionaries(DETAILS_BY_KIND[kind])),
    )


@st.composite
def promises(draw: st.DrawFn, number: int) -> PromiseFact:
    """Make one promise."""
    return promise(
        draw(_word(PromiseKind)),
        number=number,
        scope=draw(_word(PromiseScope)),
        keepable=draw(_word(PromiseKeepable)),
        significance=draw(_word(Significance)),
        state=draw(_word(PromiseState)),
        made_on=draw(PAST),
        due_on=draw(st.none() | ANY_DAY),
        open_ended=draw(st.booleans()),
        discussed_with_client=draw(st.sampled_from([True, False, None])),
        client_impact=draw(_word(ClientImpact)),
        reported_by=draw(_word(ReportedBy)),
    )


def _instants() -> st.SearchStrategy[datetime]:
    return st.integers(0, FARTHEST * 24 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes))


@st.composite
def consultations(
    draw: st.DrawFn, about: Iterable[IncidentFact], responses: Iterable[str | None] = (None,)
) -> ConsultationFact:
    """Make one consultation, linked to some of these incidents."""
    told = list(about)
    linked = [record for record in told if draw(st.booleans())]
    asked, answered = sorted((draw(_instants()), draw(_instants())))
    return consultation(
        draw(_word(ConsultationKind)),
        about=linked,
        status=draw(st.sampled_from(["completed", *ConsultationStatus])),
        requested_at=asked,
        completed_at=answered,
        response=draw(st.sampled_from(list(responses))),
    )


@st.composite
def waiting_flags(draw: st.DrawFn, number: int, restricted: bool = True) -> FlagFact:
    """Make one unresolved flag."""
    return flag(
        draw(_word(Severity)),
        number=number,
        status=draw(st.sampled_from(["open", "acknowledged"])),
        effective_at=NOW - timedelta(seconds=draw(st.integers(0, 30 * 24 * 3600))),
        holds=draw(st.sampled_from([True, True, False])),
        reviewed_at=draw(st.none() | _instants()),
        restricted=restricted and draw(st.booleans()),
    )


@st.composite
def accounts(draw: st.DrawFn, number: int) -> AccountFact:
    """Make one account, of which its writer wrote once or later again."""
    sent_at, words_at = sorted((draw(_lately()), draw(_lately())))
    return account(
        number=number,
        by=draw(_word(ResponseBy)),
        sent_at=sent_at,
        words_at=words_at,
        safe_now=draw(_word(SafeNow)),
        wants=draw(_words(AccountWant)),
        status=draw(_word(AccountStatus)),
    )


def _lately() -> st.SearchStrategy[datetime]:
    return st.integers(0, 40 * 24).map(lambda hours: NOW - timedelta(hours=hours))


@st.composite
def responses(draw: st.DrawFn, number: int) -> ResponseFact:
    """Make one response."""
    return response(
        draw(st.integers(0, 3)),
        number=number,
        by=draw(_word(ResponseBy)),
        answered_on=draw(PAST),
    )


@st.composite
def by_door(draw: st.DrawFn) -> list[AccountFact | ResponseFact]:
    """Make what came by the door of a case: of most cases nothing."""
    return [
        *(draw(accounts(300 + n)) for n in range(draw(FEW))),
        *(draw(responses(400 + n)) for n in range(draw(FEW))),
    ]


FEW = st.sampled_from([0, 0, 0, 1, 2])


@st.composite
def offers(draw: st.DrawFn) -> list[OfferFact]:
    """Say whether the door of a case is to be offered."""
    if not draw(st.sampled_from([False, False, True])):
        return []
    return [offer(number=500, on=draw(PAST), at_ending=draw(st.booleans()))]


@st.composite
def cases(draw: st.DrawFn, *, restricted: bool = True) -> Facts:
    """Make a case whose incidents are of a few kinds, so that rules over several records meet."""
    kinds = draw(
        st.sampled_from(MEETING_KINDS)
        | st.lists(st.sampled_from(list(DETAILS_BY_KIND)), min_size=1, max_size=4)
    )
    told = [
        draw(incidents(st.sampled_from(kinds), number, restricted))
        for number in range(draw(st.integers(0, 7)))
    ]
    return facts(
        *told,
        *(draw(promises(100 + n)) for n in range(draw(st.integers(0, 2)))),
        *(
            draw(consultations(told, [None, *AdviceResponse]))
            for _ in range(draw(st.integers(0, 2)))
        ),
        *(draw(waiting_flags(200 + n, restricted)) for n in range(draw(st.integers(0, 2)))),
        *(draw(by_door()) if restricted else ()),
        *draw(offers()),
        status=draw(_word(CaseStatus)),
        started_on=draw(_maybe(LONG_AGO)),
        sessions_per_week=draw(st.sampled_from([None, 0.25, 0.5, 1, 2])),
        is_minor=draw(st.sampled_from([None, False, True, True])),
        zone=draw(st.sampled_from(ZONES)),
        thresholds=draw(st.sampled_from([DEFAULTS, DEFAULTS, TIGHT])),
    )
