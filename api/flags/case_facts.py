"""Opens a case's file: the facts that the rules are told, its flags, and what is only counted."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import ColumnElement, or_, true
from sqlmodel import col

from api.domain.details import DETAILS, Details
from api.domain.errors import CaseFull
from api.domain.rules.evaluate import MOST_RECORDS, MOST_RESTRICTED, Evaluation
from api.domain.rules.facts import CaseFact, ConsultationFact, Facts, IncidentFact, PromiseFact
from api.domain.rules.modes import monitored_rules
from api.domain.rules.thresholds import Thresholds
from api.domain.tenures import Tenure
from api.domain.vocabulary import FlagStatus, IncidentStatus
from api.flags.door_facts import with_door_facts
from api.storage.adopted_rows import whole_row
from api.storage.compiled_queries import Prepared, about_several, one_of, plainly
from api.storage.models.clinical import Case, CaseTenure, Consultation, Incident, Promise
from api.storage.models.flags import IS_RESTRICTED, Flag, MonitoredFinding
from api.storage.models.people import Clinic
from api.storage.rows_together import Together
from api.storage.transaction import Transaction


@dataclass(slots=True)
class CaseFile:
    """A case with its facts and its flags, all that a run of the rules needs.

    `monitored_rules` raise no flag; what they would have raised is counted in `monitored`, which
    holds what stands and what has ended. `hidden`: the records that are restricted, the voided
    ones too; where there are any, `flags` and `monitored` hold all there is. `tenures`: who had the
    case before its present clinician. `evaluation`: what the rules said last.
    """

    case: Case
    facts: Facts
    flags: list[Flag]
    monitored_rules: frozenset[str] = frozenset()
    monitored: list[MonitoredFinding] = field(default_factory=list)
    hidden: frozenset[UUID] = frozenset()
    tenures: tuple[Tenure, ...] = ()
    evaluation: Evaluation | None = None


_CASE: Any = sa.bindparam("case")
_AFTER: Any = sa.bindparam("after")
_WHOLE: Any = sa.bindparam("whole", type_=sa.Boolean)
CASES: Any = sa.bindparam("cases", expanding=True)

_OF_INCIDENT = tuple(each.name for each in fields(IncidentFact) if each.name != "details")
_OF_PROMISE = tuple(each.name for each in fields(PromiseFact))
_OF_CONSULTATION = ("id", *(each.name for each in fields(ConsultationFact)))
_WORDS = {"documented": "rationale", "has_sealed_detail": "sealed_detail"}
"""Of these texts of an incident a rule knows only whether there is one."""

INCIDENT = (
    *(
        getattr(Incident, _WORDS[name]).is_not(None) if name in _WORDS else getattr(Incident, name)
        for name in _OF_INCIDENT
    ),
    # as they are spelled, by which they are known again
    sa.cast(Incident.details, sa.Text),
    col(Incident.status),
)
PROMISE = tuple(getattr(Promise, name) for name in _OF_PROMISE)
HIDEABLE: dict[Any, tuple[Sequence[Any], int]] = {
    Incident: (INCIDENT, _OF_INCIDENT.index("restricted")),
    Promise: (PROMISE, _OF_PROMISE.index("restricted")),
}
"""What may be hidden from a case's clinician: the columns of each, and which says so."""
CONSULTATION = tuple(getattr(Consultation, name) for name in _OF_CONSULTATION)

PAGE = 250
"""Records that are read at once: who else is served has their turn in between."""
_BEFORE_ALL = UUID(int=0)

# Built once: every write runs them, and building a statement costs more than running it. Like
# every statement they are confined to the clinic by the transaction.


def _page_of(model: Any, columns: Sequence[Any], *standing: ColumnElement[bool]) -> Prepared:
    """Prepare to read some records of a case that come after one; their ids stand in front."""
    return Prepared(
        sa.select(*columns)
        .where(model.case_id == _CASE, model.id > _AFTER, *standing)
        .order_by(model.id)
        .limit(plainly(PAGE))
    )


def standing_or_hidden(model: Any) -> ColumnElement[bool]:
    """Say in SQL what is read of records that may be hidden; whether they stand comes last.

    Of what is hidden a flag may speak that outlived it.
    """
    standing: ColumnElement[bool] = or_(model.voided_at.is_(None), model.restricted)
    return standing


_INCIDENTS, _PROMISES = (
    _page_of(model, (*columns, model.voided_at.is_(None)), standing_or_hidden(model))
    for model, (columns, _) in HIDEABLE.items()
)
_CONSULTATIONS = _page_of(Consultation, CONSULTATION)
_HIDES = or_(
    *(sa.exists().where(model.case_id == _CASE, IS_RESTRICTED[model]) for model in HIDEABLE)
)
_FLAGS = (
    sa.select(*whole_row(Flag))
    .where(
        col(Flag.case_id) == _CASE,
        # all there is, where anything is hidden
        or_(col(Flag.status) != FlagStatus.withdrawn, _WHOLE, _HIDES),
    )
    .order_by(col(Flag.id))
)
_MONITORED = (
    sa.select(*whole_row(MonitoredFinding))
    .where(col(MonitoredFinding.case_id) == _CASE)
    .order_by(col(MonitoredFinding.id))
)
_TENURES = (
    sa.select(col(CaseTenure.clinician_id), col(CaseTenure.since_on), col(CaseTenure.until_on))
    .where(col(CaseTenure.case_id) == _CASE)
    .order_by(col(CaseTenure.until_on), col(CaseTenure.id))
)
_FILE = Together(
    sa.select(
        col(Clinic.time_zone),
        col(Clinic.thresholds),
        col(Clinic.rule_modes),
        col(Clinic.door_offer),
    ),
    *(each.statement for each in (_INCIDENTS, _PROMISES, _CONSULTATIONS)),
    *(_FLAGS, _MONITORED, _TENURES),
)


@dataclass(slots=True)
class Sorted:
    """The records of a case that may be hidden, read in their order: what stands, what is hidden.

    What is hidden and was voided is no fact any more.
    """

    incidents: list[IncidentFact] = field(default_factory=list)
    promises: list[PromiseFact] = field(default_factory=list)
    hidden: set[UUID] = field(default_factory=set)

    def add(self, model: Any, row: Sequence[Any]) -> None:
        """Sort in one row of `HIDEABLE`'s columns, whether it stands behind them."""
        *known, stands = row
        _, says_hidden = HIDEABLE[model]
        if known[says_hidden]:
            self.hidden.add(known[0])
        if stands and model is Incident:
            self.incidents.append(incident_fact(*known))
        elif stands:
            self.promises.append(PromiseFact(*known))


async def open_file(tx: Transaction, case: Case, *, whole: bool = False) -> CaseFile:
    """Open the file of one case, whose lock the caller holds.

    `whole`: with all its flags and all that was ever counted, whether or not anything is hidden.
    """
    asked = {"case": case.id, "after": _BEFORE_ALL, "whole": whole}
    # the settings anew, under the case's lock: they may have changed since the request began
    (time_zone, thresholds, modes, offers), found = await _FILE.ask(tx, asked)
    incidents, promises, consultations, flags, monitored, tenures = found
    file = CaseFile(
        case,
        Facts(case_fact(case), ZoneInfo(time_zone), Thresholds(**thresholds)),
        await tx.adopt(Flag, flags),
        monitored_rules(modes),
        tenures=tuple(Tenure(*each) for each in tenures),
    )
    await _fill(tx, file, incidents, promises, consultations)
    if case.door_used or offers:
        told = {case.id: file.facts}
        await with_door_facts(tx, [case], told, offers)
        file.facts = told[case.id]
    # most clinics count nothing, and then nothing stands: setting a rule active ends what did
    if whole or file.hidden or file.monitored_rules:
        file.monitored = await tx.adopt(MonitoredFinding, monitored)
    return file


async def _fill(
    tx: Transaction,
    file: CaseFile,
    incidents: Sequence[Any],
    promises: Sequence[Any],
    consultations: Sequence[Any],
) -> None:
    """Put the records into a file, page by page; the first pages were read already."""
    told = Sorted()
    async for known in _records(tx, file.case, _INCIDENTS, incidents):
        told.add(Incident, known)
    async for known in _records(tx, file.case, _PROMISES, promises):
        told.add(Promise, known)
    file.hidden = frozenset(told.hidden)
    if file.case.voided_at is not None:
        return
    consulted = _records(tx, file.case, _CONSULTATIONS, consultations)
    file.facts = replace(
        file.facts,
        incidents=tuple(told.incidents),
        promises=tuple(told.promises),
        consultations=tuple([consultation_fact(*known) async for known in consulted]),
    )


async def _records(
    tx: Transaction, case: Case, following: Prepared, page: Sequence[Any]
) -> AsyncIterator[Sequence[Any]]:
    """Read all records of one kind, page by page; `page` is the first."""
    while True:
        for known in page:
            yield known
        if len(page) < PAGE:
            return
        page = await tx.exec(following, params={"case": case.id, "after": page[-1][0]})


_COUNTED = (
    *(
        (model, sa.case((model.restricted, 1), else_=0), model.voided_at.is_(None))
        for model in HIDEABLE
    ),
    (Consultation, sa.literal(0), true()),
)


@cache
def _numbers(is_postgresql: bool) -> Any:  # noqa: FBT001 - the cache's key
    parts = sa.union_all(
        *(
            sa.select(
                col(model.case_id).label("case_id"),
                sa.func.count().label("number"),
                sa.func.coalesce(sa.func.sum(hidden), 0).label("hidden"),
            )
            .where(one_of(model.case_id, "cases", is_postgresql=is_postgresql), standing)
            .group_by(col(model.case_id))
            for model, hidden, standing in _COUNTED
        )
    ).subquery()
    number, hidden = sa.func.sum(parts.c.number), sa.func.sum(parts.c.hidden)
    counted = sa.select(parts.c.case_id, sa.cast(number, sa.Integer), sa.cast(hidden, sa.Integer))
    return about_several(counted.group_by(parts.c.case_id), is_postgresql=is_postgresql)


@dataclass(slots=True)
class Room:
    """How many records a case has; restricted ones apart."""

    open: int = 0
    restricted: int = 0

    def take(self, row: Incident | Promise | Consultation) -> None:
        """Count one record more. Raises 409 where the case takes no more of them."""
        if getattr(row, "voided_at", None) is not None:
            return
        if isinstance(row, Incident | Promise) and row.restricted:
            if self.restricted >= MOST_RESTRICTED:
                raise CaseFull
            self.restricted += 1
        else:
            if self.open >= MOST_RECORDS:
                raise CaseFull
            self.open += 1

    def add(self, more: "Room") -> None:
        """Count what is not written yet."""
        self.open += more.open
        self.restricted += more.restricted


async def rooms_of(tx: Transaction, case_ids: Sequence[UUID]) -> defaultdict[UUID, Room]:
    """Count what several cases have."""
    counted = (await tx.exec(_numbers(tx.is_postgresql), {"cases": list(case_ids)})).all()
    rooms = ((case_id, Room(number - hidden, hidden)) for case_id, number, hidden in counted)
    return defaultdict(Room, rooms)


def add_record(tx: Transaction, file: CaseFile, row: Incident | Promise | Consultation) -> None:
    """Add a new record to a case that is not voided. Raises 409 where it is full."""
    room: Room = _room_in(file.facts)
    room.take(row)
    # it is shown before it is written
    tx.date(row)
    tx.add(row)


def _room_in(facts: Facts) -> Room:
    restricted = sum(each.restricted for each in facts.incidents)
    restricted += sum(each.restricted for each in facts.promises)
    return Room(facts.size - restricted, restricted)


def begin_file(case: Case, like: CaseFile) -> CaseFile:
    """Begin the file of a case on which nothing is recorded yet.

    `like` is a file that was opened in the same transaction: what the clinic has set is taken over.
    """
    facts = Facts(case_fact(case), like.facts.zone, like.facts.thresholds)
    return CaseFile(case, facts, [], like.monitored_rules)


def with_one_more(facts: Facts, row: Incident | Promise | Consultation) -> Facts:
    """Add a record that is not voided, as reading it would."""
    told = row.__dict__
    match row:
        case Incident():
            known = (
                told[_WORDS[name]] is not None if name in _WORDS else told[name]
                for name in _OF_INCIDENT
            )
            return facts.with_one_more(incident_fact(*known, told["details"], row.status))
        case Promise():
            return facts.with_one_more(PromiseFact(*(told[name] for name in _OF_PROMISE)))
    return facts.with_one_more(consultation_fact(*(told[name] for name in _OF_CONSULTATION)))


def case_fact(case: Case) -> CaseFact:
    """Tell what rules know of the therapy itself."""
    return CaseFact(case.status, case.started_on, case.sessions_per_week, case.is_minor)


def comes_last(facts: Facts, row: Incident | Promise) -> bool:
    """Tell whether reading a new record would put it after all others of its kind."""
    others = facts.incidents if isinstance(row, Incident) else facts.promises
    return not others or others[-1].id < row.id


def incident_fact(*row: Any) -> IncidentFact:
    """Tell an incident as rules see it, of the columns of `INCIDENT`."""
    *known, details, status = row
    fact = dict(zip(_OF_INCIDENT, known, strict=True))
    if status != IncidentStatus.reviewed:
        fact["determination"] = fact["reviewed_at"] = None
    told = _details(details) if isinstance(details, str) else DETAILS.validate_python(details)
    return IncidentFact(**fact, details=told)


@lru_cache(maxsize=1024)
def _details(spelled: str) -> Details:
    """Read details as they are kept; a case is full of the same, and every write reads them all."""
    return DETAILS.validate_python(json.loads(spelled))


def consultation_fact(*row: Any) -> ConsultationFact:
    """Tell a consultation as rules see it, of the columns of `CONSULTATION`."""
    _, *known = zip(_OF_CONSULTATION, row, strict=True)
    fact = dict(known)
    return ConsultationFact(**fact | {"incident_ids": frozenset(map(UUID, fact["incident_ids"]))})
