"""What a rule may know of a case: no free text, no session, no clock."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from api.domain.details import Details, EndingDetails
from api.domain.rules.door_facts import AccountFact, OfferFact, ResponseFact
from api.domain.rules.moment import first_day
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import (
    AdviceResponse,
    CaseStatus,
    ClientImpact,
    ConsultationKind,
    ConsultationStatus,
    DatePrecision,
    Determination,
    EndingWay,
    FlagStatus,
    Initiator,
    PromiseKeepable,
    PromiseKind,
    PromiseScope,
    PromiseState,
    ReportedBy,
    Severity,
    Significance,
)

D = TypeVar("D", bound=Details)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CaseFact:
    """What rules know of the therapy itself."""

    status: CaseStatus
    started_on: date | None = None
    sessions_per_week: float | None = None
    is_minor: bool | None = None


class _Hideable:
    __slots__ = ()
    restricted: bool
    account_id: UUID | None

    @property
    def kept_with(self) -> UUID | None:
        """The account that it is as hidden as, whose readers alone are told of it."""
        return self.account_id if self.restricted else None


@dataclass(frozen=True, slots=True)
class IncidentFact(_Hideable):
    """An incident as rules see it.

    `documented` tells whether there is a `rationale`, and `has_sealed_detail` whether there is a
    text of its kind's own (the `precautions` of a second role, the `plan` of an ending): rules read
    no words. `determination` is that of a review that still stands, made at `reviewed_at`.
    """

    id: UUID
    occurred_on: date
    date_precision: DatePrecision
    initiator: Initiator
    reported_by: ReportedBy
    client_impact: ClientImpact
    documented: bool
    has_sealed_detail: bool
    discussed_with_client: bool | None
    determination: Determination | None
    reviewed_at: datetime | None
    restricted: bool
    details: Details
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class PromiseFact(_Hideable):
    """A promise as rules see it."""

    id: UUID
    kind: PromiseKind
    scope: PromiseScope
    keepable: PromiseKeepable
    significance: Significance
    state: PromiseState
    made_on: date
    due_on: date | None
    open_ended: bool
    discussed_with_client: bool | None
    client_impact: ClientImpact
    reported_by: ReportedBy
    restricted: bool = False
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ConsultationFact:
    """A consultation as rules see it; `incident_ids` are the incidents it was linked to."""

    kind: ConsultationKind
    status: ConsultationStatus
    requested_at: datetime | None
    completed_at: datetime | None
    response: AdviceResponse | None
    incident_ids: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class FlagFact:
    """An unresolved flag as rules see it: `holds`, while its rule still asks.

    `reviewed_at`: when an incident that it rests on was last reviewed, where that still stands.
    """

    id: UUID
    severity: Severity
    status: FlagStatus
    holds: bool
    effective_at: datetime
    restricted: bool
    reviewed_at: datetime | None


Source = type[Any]
"""What a rule may read: incidents of one kind, by the class of its details; or `PromiseFact`,
`ConsultationFact`, `FlagFact`, `AccountFact`, `ResponseFact`, `OfferFact`."""


@dataclass(frozen=True, slots=True)
class Consulting:
    """About which incidents another clinician was asked, and the last day on which one answered."""

    about: frozenset[UUID]
    last_day: date | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the rules are told of one case. Voided records are not facts."""

    case: CaseFact
    zone: ZoneInfo
    thresholds: Thresholds = field(default_factory=Thresholds)
    incidents: tuple[IncidentFact, ...] = ()
    promises: tuple[PromiseFact, ...] = ()
    consultations: tuple[ConsultationFact, ...] = ()
    flags: tuple[FlagFact, ...] = ()
    accounts: tuple[AccountFact, ...] = ()
    responses: tuple[ResponseFact, ...] = ()
    offers: tuple[OfferFact, ...] = ()
    _known: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    @property
    def size(self) -> int:
        """How many records these are."""
        return len(self.incidents) + len(self.promises) + len(self.consultations)

    def of(self, kind: type[D]) -> Iterator[tuple[IncidentFact, D]]:
        """Give the incidents of one kind, each with its details."""
        return iter(self.by_source.get(kind, ()))

    @property
    def by_source(self) -> Mapping[Source, tuple[Any, ...]]:
        """All that is told, by what it is told of: what there is none of is left out.

        Incidents stand under their kind, each with its details; all else under its own type.
        """
        return self._once("by_source", self._sorted)

    @property
    def consulting(self) -> "Consulting":
        """What was asked of other clinicians, and answered."""
        return self._once("consulting", self._what_was_asked)

    @property
    def last_requested_at(self) -> datetime | None:
        """When a consultation was last asked for that was neither cancelled nor declined."""
        asked = (each.requested_at for each in self.consultations if each.status not in _CALLED_OFF)
        return self._once("last_asked", lambda: max(filter(None, asked), default=None))

    def _once(self, name: str, find: Callable[[], T]) -> T:
        """Find out at most once: every rule asks, and for each record anew it would cost most."""
        if name not in self._known:
            self._known[name] = find()
        found: T = self._known[name]
        return found

    def _sorted(self) -> dict[Source, tuple[Any, ...]]:
        by_source: dict[Source, list[Any]] = {}
        for incident in self.incidents:
            by_source.setdefault(type(incident.details), []).append((incident, incident.details))
        sorted_out = {source: tuple(told) for source, told in by_source.items()}
        others = (
            (PromiseFact, self.promises),
            (ConsultationFact, self.consultations),
            (FlagFact, self.flags),
            (AccountFact, self.accounts),
            (ResponseFact, self.responses),
            (OfferFact, self.offers),
        )
        return sorted_out | {source: told for source, told in others if told}

    def _what_was_asked(self) -> "Consulting":
        counting = [
            (each.completed_at.astimezone(self.zone).date(), each.incident_ids)
            for each in self.consultations
            if each.status == ConsultationStatus.completed
            and each.completed_at is not None
            and each.kind in CONSULTING
            and each.response != AdviceResponse.not_followed
        ]
        return Consulting(
            frozenset().union(*(linked for _, linked in counting)),
            max((day for day, _ in counting), default=None),
        )

    def of_accounts(self) -> "dict[UUID, Facts]":
        """Give by account what is recorded for its readers; of what came by the door, nothing."""
        here = replace(self, accounts=(), responses=(), offers=())
        return {account: here._kept_with(account) for account in sorted(self._kept_accounts())}

    def of_no_account(self) -> "Facts":
        """Leave out the hidden records of accounts; these very facts, if there are none."""
        if self.unrestricted() is self or not self._kept_accounts():
            return self
        return self._kept_with(None)

    def _kept_accounts(self) -> set[UUID]:
        incidents = {each.kept_with for each in self.incidents}
        return {each for each in incidents | {each.kept_with for each in self.promises} if each}

    def _kept_with(self, account: UUID | None) -> "Facts":
        of_these = (None, account)
        return replace(
            self,
            incidents=tuple(each for each in self.incidents if each.kept_with in of_these),
            promises=tuple(each for each in self.promises if each.kept_with in of_these),
        )

    def unrestricted(self) -> "Facts":
        """Leave out whatever the case's clinician may not see; these very facts, if that is all."""
        # not kept where it is these: who knows itself is never forgotten by counting references
        return self._once("unrestricted", self._without_what_is_restricted) or self

    def _without_what_is_restricted(self) -> "Facts | None":
        of_each = (self.incidents, self.promises, self.flags)
        is_any = any(each.restricted for told in of_each for each in told)
        if not is_any and not self.accounts and not self.responses:
            return None
        return replace(
            self,
            incidents=tuple(i for i in self.incidents if not i.restricted),
            promises=tuple(p for p in self.promises if not p.restricted),
            flags=tuple(f for f in self.flags if not f.restricted),
            accounts=(),
            responses=(),
        )

    def with_one_more(self, more: IncidentFact | PromiseFact | ConsultationFact) -> "Facts":
        """Add a record after all others; what was found out of these is not found out again."""
        source: Source = type(more)
        told: Any = more
        match more:
            case IncidentFact():
                grown = self._but(incidents=(*self.incidents, more))
                source, told = type(more.details), (more, more.details)
            case PromiseFact():
                grown = self._but(promises=(*self.promises, more))
            case ConsultationFact():
                grown = self._but(consultations=(*self.consultations, more))
        before = self.unrestricted()
        if not isinstance(more, ConsultationFact) and more.restricted:
            shown: Facts | None = before
        else:
            shown = None if before is self else before.with_one_more(more)
        return grown._knowing(self, source, (*self.by_source.get(source, ()), told), shown)

    def with_flags(self, flags: tuple[FlagFact, ...]) -> "Facts":
        """Tell of these flags in place of those before."""
        if flags == self.flags:
            return self
        open_flags = tuple(flag for flag in flags if not flag.restricted)
        before = self.unrestricted()
        shown = None if before is self and open_flags == flags else before.with_flags(open_flags)
        return self._but(flags=flags)._knowing(self, FlagFact, flags, shown)

    def _but(self, **others: Any) -> "Facts":
        # a third of the time that replace() takes, and there is one for each record
        return Facts(
            self.case,
            self.zone,
            self.thresholds,
            others.get("incidents", self.incidents),
            others.get("promises", self.promises),
            others.get("consultations", self.consultations),
            others.get("flags", self.flags),
            self.accounts,
            self.responses,
            self.offers,
        )

    def _knowing(
        self, before: "Facts", source: Source, told: tuple[Any, ...], shown: "Facts | None"
    ) -> "Facts":
        """Know what was known before, of all but one source; `shown`: None, if all of these are."""
        known = dict(before._known) if source is not ConsultationFact else {}
        by_source = dict(before.by_source)
        if told:
            by_source[source] = told
        else:
            by_source.pop(source, None)
        self._known.update(known, by_source=by_source, unrestricted=shown)
        return self

    def told_otherwise(self, before: "Facts") -> set[Source]:
        """Name what there is more of, less, or anything else than before."""
        now, then = self.by_source, before.by_source
        sources = now.keys() | then.keys()
        return {each for each in sources if not _is_same(now.get(each), then.get(each))}

    def frames_as(self, before: "Facts") -> bool:
        """Tell whether the case and its clinic are the same, whatever is recorded."""
        framed = before.case, before.zone, before.thresholds
        return (self.case, self.zone, self.thresholds) == framed


def _is_same(one: tuple[Any, ...] | None, other: tuple[Any, ...] | None) -> bool:
    # mostly it is the very same, and then nothing in it needs to be looked at
    return one is other or one == other


CONSULTING = frozenset(
    {
        ConsultationKind.peer_consultation,
        ConsultationKind.supervision,
        ConsultationKind.second_opinion_for_client,
        ConsultationKind.ethics,
        ConsultationKind.specialist,
    }
)
"""The kinds of consultation that count as having asked another clinician about the work."""

_CALLED_OFF = frozenset({ConsultationStatus.cancelled, ConsultationStatus.declined})

CARE_SIDE = frozenset(
    {
        Initiator.therapist,
        Initiator.institution,
        Initiator.supervisor,
        Initiator.third_party,
        Initiator.disputed,
    }
)


def on_the_care_side(incident: IncidentFact) -> bool:
    """Tell whether the incident was begun by the side that gives care, or accounts differ.

    Its `initiator` is `therapist`, `institution`, `supervisor`, `third_party` or `disputed`; or it
    is an ending whose `ending` is `therapist_unavailable`, whoever began it.
    """
    match incident.details:
        case EndingDetails(ending=EndingWay.therapist_unavailable):
            return True
    return incident.initiator in CARE_SIDE


def consulted(facts: Facts, incident: IncidentFact) -> bool:
    """Tell whether another clinician was asked about this, and the advice not put aside.

    A consultation of the kind `peer_consultation`, `supervision`, `second_opinion_for_client`,
    `ethics` or `specialist` is `completed`, its advice was not answered with `not_followed`, and it
    is linked to the incident or was completed on the incident's day or later; where that is known
    to the month or year, on the first day of the period or later.
    """
    consulting = facts.consulting
    return consulting.last_day is not None and (
        incident.id in consulting.about
        or consulting.last_day >= first_day(incident.occurred_on, incident.date_precision)
    )


def within_the_frame(promise: PromiseFact) -> bool:
    """Tell whether this is a therapist's promise to stay available as a therapist.

    Its `kind` is `professional_availability` and its `scope` is `within_frame`.
    """
    return (
        promise.kind == PromiseKind.professional_availability
        and promise.scope == PromiseScope.within_frame
    )
