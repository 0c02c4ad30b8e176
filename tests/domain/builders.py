"""Short ways to say what happened in a case, and what the rules answer at a fixed moment."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from uuid import UUID
from zoneinfo import ZoneInfo

from api.domain.details import DETAILS
from api.domain.rules.door_facts import AccountFact, OfferFact, ResponseFact
from api.domain.rules.evaluate import evaluate
from api.domain.rules.facts import (
    CaseFact,
    ConsultationFact,
    Facts,
    FlagFact,
    IncidentFact,
    PromiseFact,
)
from api.domain.rules.findings import Finding
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import (
    AccountStatus,
    AdviceResponse,
    CaseStatus,
    ClientImpact,
    ConsultationKind,
    ConsultationStatus,
    DatePrecision,
    Determination,
    FlagStatus,
    Initiator,
    PromiseKeepable,
    PromiseKind,
    PromiseScope,
    PromiseState,
    ReportedBy,
    ResponseBy,
    RuleName,
    SafeNow,
    Severity,
    Significance,
    severity_rank,
)

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
TODAY = NOW.date()
DEFAULTS = Thresholds.model_validate({})
LATELY = TODAY - timedelta(days=10)

CARE_SIDE = ("therapist", "institution", "supervisor", "third_party", "disputed")

ByDoor = AccountFact | ResponseFact | OfferFact
Record = IncidentFact | PromiseFact | ConsultationFact | FlagFact | ByDoor

_numbers = count(1)


def ago(days: int) -> date:
    """Give the day that many days before today."""
    return TODAY - timedelta(days=days)


def ahead(days: int) -> date:
    """Give the day that many days after today."""
    return TODAY + timedelta(days=days)


def noon(day: date) -> datetime:
    """Give noon of a day, in UTC."""
    return datetime.combine(day, time(12), UTC)


def incident(
    kind: str,
    *,
    number: int | None = None,
    occurred_on: date = LATELY,
    precision: str = "day",
    initiator: str = "therapist",
    reported_by: str = "client",
    client_impact: str = "unknown",
    documented: bool = False,
    discussed_with_client: bool | None = None,
    sealed: bool = False,
    determination: str | None = None,
    reviewed_at: datetime | None = None,
    restricted: bool = False,
    **details: object,
) -> IncidentFact:
    """Tell an incident; `sealed` says that its kind's own text (precautions, plan) was written."""
    return IncidentFact(
        id=_id(number),
        occurred_on=occurred_on,
        date_precision=DatePrecision[precision],
        initiator=Initiator[initiator],
        reported_by=ReportedBy[reported_by],
        client_impact=ClientImpact[client_impact],
        documented=documented,
        has_sealed_detail=sealed,
        discussed_with_client=discussed_with_client,
        determination=None if determination is None else Determination[determination],
        reviewed_at=reviewed_at,
        restricted=restricted,
        details=DETAILS.validate_python({"kind": kind, **details}),
    )


def promise(
    kind: str = "other",
    *,
    number: int | None = None,
    scope: str = "outside_frame",
    keepable: str = "unknown",
    significance: str = "major",
    state: str = "open",
    made_on: date = LATELY,
    due_on: date | None = None,
    open_ended: bool = False,
    discussed_with_client: bool | None = None,
    client_impact: str = "unknown",
    reported_by: str = "client",
) -> PromiseFact:
    """Tell a promise."""
    return PromiseFact(
        id=_id(number),
        kind=PromiseKind[kind],
        scope=PromiseScope[scope],
        keepable=PromiseKeepable[keepable],
        significance=Significance[significance],
        state=PromiseState[state],
        made_on=made_on,
        due_on=due_on,
        open_ended=open_ended,
        discussed_with_client=discussed_with_client,
        client_impact=ClientImpact[client_impact],
        reported_by=ReportedBy[reported_by],
    )


def consultation(
    kind: str = "peer_consultation",
    *,
    about: Iterable[IncidentFact] = (),
    status: str = "completed",
    requested_at: datetime | None = None,
    completed_at: datetime | None = None,
    response: str | None = None,
) -> ConsultationFact:
    """Tell a consultation: by default one asked and completed now, linked to `about`."""
    completed = (completed_at or NOW) if status == "completed" else None
    return ConsultationFact(
        kind=ConsultationKind[kind],
        status=ConsultationStatus[status],
        requested_at=None if status == "draft" else requested_at or completed or NOW,
        completed_at=completed,
        response=None if response is None else AdviceResponse[response],
        incident_ids=frozenset(record.id for record in about),
    )


def flag(
    severity: str = "high",
    *,
    number: int | None = None,
    status: str = "open",
    holds: bool = True,
    effective_at: datetime = NOW,
    restricted: bool = False,
    reviewed_at: datetime | None = None,
) -> FlagFact:
    """Tell of an unresolved flag."""
    return FlagFact(
        id=_id(number),
        severity=Severity[severity],
        status=FlagStatus[status],
        holds=holds,
        effective_at=effective_at,
        restricted=restricted,
        reviewed_at=reviewed_at,
    )


def account(
    *,
    number: int | None = None,
    by: str = "client",
    sent_at: datetime = NOW,
    words_at: datetime | None = None,
    safe_now: str = "not_said",
    wants: Iterable[str] = (),
    status: str = "received",
) -> AccountFact:
    """Tell of what somebody said at their door: by default just now, and asking for nothing."""
    return AccountFact(
        id=_id(number),
        by=ResponseBy[by],
        sent_at=sent_at,
        words_at=words_at or sent_at,
        safe_now=SafeNow[safe_now],
        wants=frozenset(wants),
        status=AccountStatus[status],
    )


def response(
    concerns: int = 2,
    *,
    number: int | None = None,
    by: str = "client",
    answered_on: date = LATELY,
) -> ResponseFact:
    """Tell of what somebody answered, looking back."""
    return ResponseFact(_id(number), ResponseBy[by], answered_on, concerns)


def offer(*, number: int | None = None, on: date = LATELY, at_ending: bool = False) -> OfferFact:
    """Tell that the clinic offers the door, and the clinician has invited nobody since."""
    return OfferFact(_id(number), on, at_ending)


def facts(
    *records: Record,
    status: str = "active",
    started_on: date | None = None,
    sessions_per_week: float | None = None,
    is_minor: bool | None = None,
    zone: str = "UTC",
    thresholds: Thresholds | None = None,
) -> Facts:
    """Gather the records of one case."""
    return Facts(
        case=CaseFact(CaseStatus[status], started_on, sessions_per_week, is_minor),
        zone=ZoneInfo(zone),
        thresholds=thresholds or DEFAULTS,
        incidents=tuple(r for r in records if isinstance(r, IncidentFact)),
        promises=tuple(r for r in records if isinstance(r, PromiseFact)),
        consultations=tuple(r for r in records if isinstance(r, ConsultationFact)),
        flags=tuple(r for r in records if isinstance(r, FlagFact)),
        accounts=tuple(r for r in records if isinstance(r, AccountFact)),
        responses=tuple(r for r in records if isinstance(r, ResponseFact)),
        offers=tuple(r for r in records if isinstance(r, OfferFact)),
    )


def findings(case: Facts, now: datetime = NOW) -> tuple[Finding, ...]:
    """Ask the rules."""
    return evaluate(case, now).findings


def flags(case: Facts, now: datetime = NOW) -> dict[str, str]:
    """Give the flags everyone on the case may see: rule and severity."""
    return _severities(found for found in findings(case, now) if not found.restricted)


def restricted_flags(case: Facts, now: datetime = NOW) -> dict[str, str]:
    """Give the flags that only restricted records raise or worsen: rule and severity."""
    return _severities(found for found in findings(case, now) if found.restricted)


def grades(case: Facts, *, restricted_too: bool = True) -> dict[str, int]:
    """Give every flag's weight, prompts apart: the graver of its two findings if there are two."""
    weights: dict[str, int] = {}
    for found in findings(case):
        if isinstance(found.rule, RuleName) and (restricted_too or not found.restricted):
            weight = severity_rank(found.severity)
            weights[str(found.rule)] = max(weight, weights.get(str(found.rule), 0))
    return weights


def prompts(case: Facts, now: datetime = NOW) -> list[str]:
    """Give the clinician's prompts, in alphabetical order."""
    return sorted(str(f.rule) for f in findings(case, now) if f.severity == Severity.info)


def evidence(case: Facts, rule: str, now: datetime = NOW) -> set[UUID]:
    """Give the records behind one unrestricted finding; none when it is not raised."""
    return {
        row_id
        for found in findings(case, now)
        if found.rule == rule and not found.restricted
        for _, row_id in found.evidence
    }


def next_change(case: Facts, now: datetime = NOW) -> datetime | None:
    """Give the next instant at which time alone may change an answer."""
    return evaluate(case, now).next_change


def ids(*records: IncidentFact | PromiseFact | FlagFact | AccountFact | ResponseFact) -> set[UUID]:
    """Give the ids of records."""
    return {record.id for record in records}


def _id(number: int | None) -> UUID:
    return UUID(int=next(_numbers) + 2**64 if number is None else number)


def _severities(found: Iterable[Finding]) -> dict[str, str]:
    return {str(f.rule): str(f.severity) for f in found if f.severity != Severity.info}
