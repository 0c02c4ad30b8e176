"""Keeps a case's flags true: gather its facts, ask the rules, move its flags."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from api.db import Transaction
from api.domain.details import DETAILS
from api.domain.facts import ConsultationFact, Facts, FlagFact, IncidentFact, PromiseFact
from api.domain.findings import Finding
from api.domain.lifecycles import due_by, is_unresolved
from api.domain.rulebook import GRAVE, RULEBOOK_VERSION
from api.domain.rules import evaluate
from api.domain.thresholds import Thresholds
from api.journal import Happening, record
from api.models import Case, Clinic, Consultation, Flag, Incident, Promise
from api.prepared import Prepared
from api.vocabulary import (
    Audience,
    FlagStatus,
    IncidentStatus,
    Severity,
    severity_rank,
)

MANUAL = "manual"
"""The `rule` of a flag that a person raised by hand; no rule ever touches it."""

BATCH = 100
_MOST_ROUNDS = 5


@dataclass(slots=True)
class _CaseFile:
    """A case with its facts and its flags, all that a run of the rules needs."""

    case: Case
    facts: Facts
    flags: list[Flag]


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the rules: as of when, and by whose write (None: time alone)."""

    at: datetime
    actor_id: UUID | None

    @property
    def by_write(self) -> bool:
        return self.actor_id is not None


async def reconcile_flags(tx: Transaction, case: Case, *, actor_id: UUID) -> list[Flag]:
    """Run the rules after a write to a case, and give the flags it opened or worsened.

    The caller holds the lock on the case, and the case was caught up before the write.
    """
    await tx.flush()
    file = await _open_file(tx, case)
    return _settle(tx, file, _Run(tx.now, actor_id))


class WritesInARow:
    """Several writes to one case in one transaction: the rules run after each, and read once.

    So the flags are those of the same writes in as many transactions. The caller holds the lock on
    the case, which was caught up before; the rows need not be written yet.
    """

    def __init__(self, file: "_CaseFile") -> None:
        self._file = file

    @classmethod
    async def on(cls, tx: Transaction, case: Case) -> "WritesInARow":
        """Read what is known of a case."""
        return cls(await _open_file(tx, case))

    def add(
        self, tx: Transaction, row: Incident | Promise | Consultation, *, actor_id: UUID
    ) -> list[Flag]:
        """Run the rules with one record more; give the flags that this opened."""
        file = self._file
        if file.case.voided_at is not None or getattr(row, "voided_at", None) is not None:
            return []
        file.facts = _with_one_more(file.facts, row)
        before = len(file.flags)
        _settle(tx, file, _Run(tx.now, actor_id))
        return file.flags[before:]


async def catch_up(tx: Transaction, case: Case) -> None:
    """Replay, one instant after the other, what time alone has changed on a locked case.

    Each step runs as of its own instant, so the flags are the same whoever looks, and whenever.
    """
    if not _is_due(case, tx.now):
        return
    file = await _open_file(tx, case)
    while case.recheck_at is not None and case.recheck_at <= tx.now:
        step = case.recheck_at
        _settle(tx, file, _Run(step, None))
        if case.recheck_at is not None and case.recheck_at <= step:
            raise RuntimeError("time did not move on")
    # what is read next in this request must show it, the timeline too
    await tx.finish()


async def catch_up_due(tx: Transaction, scope: ColumnElement[bool]) -> None:
    """Catch up every case in `scope` that is due, in batches, until none is."""
    due = select(col(Case.id)).where(
        col(Case.clinic_id) == tx.clinic.id, col(Case.recheck_at) <= tx.now, scope
    )
    if (await tx.exec(due.limit(1))).first() is None:
        return
    while await catch_up_batch(tx, scope):
        pass


async def catch_up_batch(
    tx: Transaction, scope: ColumnElement[bool], *, skip_locked: bool = False
) -> int:
    """Catch up some of the cases in `scope` that are due; count them."""
    due = (
        select(Case)
        .where(col(Case.clinic_id) == tx.clinic.id, col(Case.recheck_at) <= tx.now, scope)
        .order_by(col(Case.recheck_at), col(Case.id))
        .limit(BATCH)
        .with_for_update(of=Case, skip_locked=skip_locked)
        .execution_options(populate_existing=True)
    )
    cases = (await tx.exec(due)).all()
    for case in cases:
        await catch_up(tx, case)
    return len(cases)


def _is_due(case: Case, now: datetime) -> bool:
    return case.recheck_at is not None and case.recheck_at <= now


def _settle(tx: Transaction, file: _CaseFile, run: _Run) -> list[Flag]:
    """Evaluate and move flags until nothing moves: a flag may itself be a fact for a rule."""
    raised: dict[UUID, Flag] = {}
    grave = _grave_flags(file)
    for _ in range(_MOST_ROUNDS):
        evaluation = evaluate(replace(file.facts, flags=grave), run.at)
        raised |= {flag.id: flag for flag in _move_flags(tx, file, evaluation.findings, run)}
        before, grave = grave, _grave_flags(file)
        if grave == before:
            break
    file.case.recheck_at = None if file.case.voided_at else evaluation.next_change
    return list(raised.values())


def _move_flags(
    tx: Transaction, file: _CaseFile, findings: Sequence[Finding], run: _Run
) -> list[Flag]:
    """Let the flags follow the findings; give those that were opened or got worse."""
    unresolved = {
        (flag.rule, flag.restricted): flag
        for flag in file.flags
        if is_unresolved(flag.status) and flag.rule != MANUAL
    }
    resolved: dict[tuple[str, bool], Flag] = {}
    for flag in file.flags:
        if flag.status == FlagStatus.resolved:
            resolved[flag.rule, flag.restricted] = _later(
                resolved.get((flag.rule, flag.restricted)), flag
            )
    worse = []
    for found in findings:
        key = (str(found.rule), found.restricted)
        if key in unresolved:
            flag = unresolved.pop(key)
            happening = _follow(flag, found, run)
        elif _was_resolved(found, resolved.get(key)):
            continue
        else:
            flag = _new_flag(tx, file.case, found, run)
            file.flags.append(flag)
            happening = Happening.flag_opened
        if happening is not None:
            _tell(tx, flag, happening, run)
            if happening in {Happening.flag_opened, Happening.flag_escalated}:
                worse.append(flag)
    for flag in unresolved.values():
        if (happening := _let_go(flag)) is not None:
            _tell(tx, flag, happening, run)
    return worse


def _follow(flag: Flag, found: Finding, run: _Run) -> Happening | None:
    """Bring an unresolved flag in line with its finding; say what happened, if anything."""
    change = severity_rank(found.severity) - severity_rank(flag.severity)
    evidence = _evidence(found)
    happening = None
    if (flag.because, flag.evidence) != (found.because, evidence):
        flag.because, flag.evidence = found.because, evidence
        happening = Happening.flag_updated
    if not flag.condition_holds:
        flag.condition_holds = True
        happening = Happening.flag_revived
    if change > 0:
        flag.severity = found.severity
        flag.due_at = _sooner(flag.due_at, due_by(found.severity, run.at))
        flag.status, flag.acknowledged_at = FlagStatus.open, None
        happening = Happening.flag_escalated
    # time alone never makes light of what nobody has looked at
    elif change < 0 and (run.by_write or flag.status == FlagStatus.acknowledged):
        flag.severity = found.severity
        happening = Happening.flag_eased
    return happening


def _let_go(flag: Flag) -> Happening | None:
    """A finding is gone: a prompt withdraws itself, a flag waits for a person."""
    if flag.audience == Audience.clinician:
        flag.status, flag.condition_holds = FlagStatus.withdrawn, False
        return Happening.flag_withdrawn
    if flag.condition_holds:
        flag.condition_holds = False
        return Happening.flag_lapsed
    return None


def _was_resolved(found: Finding, last: Flag | None) -> bool:
    """Tell whether a person has already settled this very finding."""
    return (
        last is not None
        and severity_rank(found.severity) <= severity_rank(last.severity)
        and all(item in last.evidence for item in _evidence(found))
    )


def _new_flag(tx: Transaction, case: Case, found: Finding, run: _Run) -> Flag:
    flag = Flag(
        id=uuid7(),
        clinic_id=tx.clinic.id,
        created_at=tx.now,
        updated_at=tx.now,
        version=0,
        case_id=case.id,
        rule=str(found.rule),
        title=found.rule.definition,
        severity=found.severity,
        audience=Audience.clinician if found.severity == Severity.info else Audience.supervisor,
        because=found.because,
        evidence=_evidence(found),
        restricted=found.restricted,
        effective_at=run.at,
        due_at=due_by(found.severity, run.at),
        rule_version=RULEBOOK_VERSION,
    )
    tx.add(flag)
    return flag


def _tell(tx: Transaction, flag: Flag, happening: Happening, run: _Run) -> None:
    flag.version += 1
    flag.updated_at = tx.now
    record_flag(tx, flag, happening, actor_id=run.actor_id)


def record_flag(
    tx: Transaction, flag: Flag, happening: Happening, *, actor_id: UUID | None
) -> None:
    """Journal what happened to a flag, hidden from whom the flag is hidden."""
    record(
        tx,
        happening,
        actor_id=actor_id,
        record_type="flag",
        record_ids=[flag.id],
        case_id=flag.case_id,
        restricted=flag.restricted,
        prompt=flag.audience == Audience.clinician,
    )


def _evidence(found: Finding) -> list[dict[str, str]]:
    return [{"type": kind, "id": str(row_id)} for kind, row_id in sorted(found.evidence)]


def _sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    known = [instant for instant in (one, other) if instant is not None]
    return min(known, default=None)


def _later(one: Flag | None, other: Flag) -> Flag:
    if one is None or one.resolved_at is None or other.resolved_at is None:
        return other
    return max(one, other, key=lambda flag: (flag.resolved_at, flag.id))


def _grave_flags(file: _CaseFile) -> tuple[FlagFact, ...]:
    """Give the unresolved flags that are themselves a fact for a rule: the grave ones."""
    return tuple(
        FlagFact(flag.id, flag.severity, flag.status, flag.effective_at, flag.restricted)
        for flag in file.flags
        if flag.severity in GRAVE and is_unresolved(flag.status)
    )


_CASE: Any = sa.bindparam("case")

# Built once: every write runs them, and building a statement costs more than running it. Like
# every statement they are confined to the clinic by the transaction.
_CLINIC_AND_CONSULTATIONS = Prepared(
    sa.select(
        col(Clinic.time_zone),
        col(Clinic.thresholds),
        col(Consultation.kind),
        col(Consultation.status),
        col(Consultation.requested_at),
        col(Consultation.completed_at),
        col(Consultation.response),
        col(Consultation.incident_ids),
    )
    .select_from(Clinic)
    .outerjoin(
        Consultation,
        col(Consultation.case_id) == _CASE,
    )
)
_INCIDENTS = Prepared(
    sa.select(
        col(Incident.id),
        col(Incident.occurred_on),
        col(Incident.date_precision),
        col(Incident.initiator),
        col(Incident.reported_by),
        col(Incident.client_impact),
        col(Incident.rationale).is_not(None),
        col(Incident.sealed_detail).is_not(None),
        col(Incident.status),
        col(Incident.determination),
        col(Incident.restricted),
        col(Incident.details),
    )
    .where(
        col(Incident.case_id) == _CASE,
        col(Incident.voided_at).is_(None),
    )
    .order_by(col(Incident.id))
)
_PROMISES = Prepared(
    sa.select(
        col(Promise.id),
        col(Promise.kind),
        col(Promise.scope),
        col(Promise.keepable),
        col(Promise.significance),
        col(Promise.state),
        col(Promise.made_on),
        col(Promise.due_on),
        col(Promise.open_ended),
        col(Promise.discussed_with_client),
        col(Promise.client_impact),
        col(Promise.reported_by),
    )
    .where(
        col(Promise.case_id) == _CASE,
        col(Promise.voided_at).is_(None),
    )
    .order_by(col(Promise.id))
)
_FLAGS = (
    select(Flag)
    .where(col(Flag.case_id) == _CASE, col(Flag.status) != FlagStatus.withdrawn)
    .order_by(col(Flag.id))
)


async def _open_file(tx: Transaction, case: Case) -> _CaseFile:
    here = {"case": case.id}
    # the thresholds anew, under the case's lock: they may have changed since the request began
    rows = (await tx.exec(_CLINIC_AND_CONSULTATIONS, params=here)).all()
    time_zone, thresholds = rows[0][:2]
    facts = Facts(case.status, ZoneInfo(time_zone), Thresholds(**thresholds))
    if case.voided_at is None:
        incidents = await tx.exec(_INCIDENTS, params=here)
        promises = await tx.exec(_PROMISES, params=here)
        facts = replace(
            facts,
            incidents=tuple(_incident_fact(*row) for row in incidents),
            promises=tuple(PromiseFact(*row) for row in promises),
            consultations=tuple(
                _consultation_fact(*consulted) for _, _, *consulted in rows if consulted[0]
            ),
        )
    return _CaseFile(case, facts, list(await tx.exec(_FLAGS, params=here)))


def _with_one_more(facts: Facts, row: Incident | Promise | Consultation) -> Facts:
    """Add a record that is not voided, as reading it would."""
    match row:
        case Incident():
            named = [getattr(row, name) for name in _OF_INCIDENT]
            texts = (row.rationale is not None, row.sealed_detail is not None)
            rest = (row.status, row.determination, row.restricted, row.details)
            incident = _incident_fact(*named, *texts, *rest)
            return replace(facts, incidents=(*facts.incidents, incident))
        case Promise():
            promise = PromiseFact(*(getattr(row, name) for name in _OF_PROMISE))
            return replace(facts, promises=(*facts.promises, promise))
    consultation = _consultation_fact(*(getattr(row, name) for name in _OF_CONSULTATION))
    return replace(facts, consultations=(*facts.consultations, consultation))


_OF_INCIDENT = tuple(field.name for field in fields(IncidentFact))[:6]
_OF_PROMISE = tuple(field.name for field in fields(PromiseFact))
_OF_CONSULTATION = tuple(field.name for field in fields(ConsultationFact))


def _incident_fact(*row: Any) -> IncidentFact:
    known, (status, determination, restricted, details) = row[:8], row[8:]
    standing_review = determination if status == IncidentStatus.reviewed else None
    rest = (standing_review, restricted, DETAILS.validate_python(details))
    return IncidentFact(*(known + rest))


def _consultation_fact(*row: Any) -> ConsultationFact:
    fields = (*row[:-1], frozenset(map(UUID, row[-1])))
    return ConsultationFact(*fields)
