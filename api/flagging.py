"""Keeps a case's flags true: gather its facts, ask the rules, move its flags."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, select, update
from uuid_utils.compat import uuid7

from api.case_files import CaseFile, begin_file, open_file, with_one_more
from api.db import Transaction
from api.domain.facts import FlagFact
from api.domain.findings import Finding
from api.domain.lifecycles import due_by, is_unresolved
from api.domain.rulebook import GRAVE, RULEBOOK_VERSION
from api.domain.rules import evaluate
from api.instants import never_back
from api.journal import Happening, record
from api.models import Case, Consultation, Flag, Incident, MonitoredFinding, Promise
from api.vocabulary import Audience, FlagStatus, Severity, severity_rank

MANUAL = "manual"
"""The `rule` of a flag that a person raised by hand; no rule ever touches it."""

BATCH = 100
"""Due cases that are locked and caught up at once."""
_MOST_ROUNDS = 5
"""Runs of the rules after which it is left at that, though a flag still moved another."""


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
    file = await open_file(tx, case)
    return _settle(tx, file, _Run(tx.now, actor_id))


class WritesInARow:
    """Several writes to one case in one transaction: the rules run after each, and read once.

    So the flags are those of the same writes in as many transactions. The caller holds the lock on
    the case, which was caught up before; the rows need not be written yet.
    """

    def __init__(self, file: CaseFile) -> None:
        self._file = file

    @classmethod
    async def on(cls, tx: Transaction, case: Case) -> "WritesInARow":
        """Read what is known of a case."""
        return cls(await open_file(tx, case))

    def on_new(self, case: Case) -> "WritesInARow":
        """Begin with a case that was opened just now, in the transaction that read this one."""
        return WritesInARow(begin_file(case, self._file))

    def add(
        self, tx: Transaction, row: Incident | Promise | Consultation, *, actor_id: UUID
    ) -> list[Flag]:
        """Run the rules with one record more; give the flags that this opened."""
        file = self._file
        if file.case.voided_at is not None or getattr(row, "voided_at", None) is not None:
            return []
        file.facts = with_one_more(file.facts, row)
        before = len(file.flags)
        _settle(tx, file, _Run(tx.now, actor_id))
        return file.flags[before:]


async def catch_up(tx: Transaction, case: Case) -> None:
    """Replay, one instant after the other, what time alone has changed on a locked case.

    Each step runs as of its own instant, so the flags are the same whoever looks, and whenever.
    """
    if not is_due(case, tx.now):
        return
    file = await open_file(tx, case)
    while (step := case.recheck_at) is not None and step <= tx.now:
        _settle(tx, file, _Run(step, None))
        if is_due(case, step):
            raise RuntimeError("time did not move on")
    # what is read next in this request must show it, the timeline too
    await tx.write_kept_back()


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


async def ask_every_rule_again(tx: Transaction) -> None:
    """Make every case due: whoever reads its flags next runs its rules first."""
    await tx.exec(
        update(Case)
        .where(
            col(Case.clinic_id) == tx.clinic.id,
            col(Case.voided_at).is_(None),
            col(Case.purged_at).is_(None),
        )
        .values(recheck_at=tx.now)
    )


async def count_no_longer(tx: Transaction, rules: Collection[str]) -> None:
    """End all that is counted for rules that raise flags again; every case was made due before.

    That waited for whoever was writing to a case, so nothing begins to count behind its back.
    """
    await tx.exec(
        update(MonitoredFinding)
        .where(
            col(MonitoredFinding.clinic_id) == tx.clinic.id,
            col(MonitoredFinding.rule).in_(rules),
            col(MonitoredFinding.ended_at).is_(None),
        )
        .values(
            ended_at=tx.now,
            updated_at=never_back(col(MonitoredFinding.updated_at), tx.instant),
        )
    )


def is_due(case: Case, now: datetime) -> bool:
    """Tell whether time alone may have moved a case's flags by now."""
    return case.recheck_at is not None and case.recheck_at <= now


def _settle(tx: Transaction, file: CaseFile, run: _Run) -> list[Flag]:
    """Move a case's flags, and write what was moved; give what was opened or got worse."""
    moves = _move(file, run)
    for row in (*moves.opened, *moves.counted):
        row.created_at = row.updated_at = tx.now
        tx.add(row)
    for flag, happening in moves.told:
        flag.change({}, tx.now)
        record_flag(tx, flag, happening, actor_id=run.actor_id)
    return moves.worse


@dataclass(slots=True)
class _Moves:
    """What a run of the rules has moved: new flags, what is only counted, and what to tell."""

    opened: list[Flag] = field(default_factory=list)
    counted: list[MonitoredFinding] = field(default_factory=list)
    told: list[tuple[Flag, Happening]] = field(default_factory=list)

    @property
    def worse(self) -> list[Flag]:
        """The flags that were opened or got worse."""
        graver = {Happening.flag_opened, Happening.flag_escalated}
        return list({flag.id: flag for flag, told in self.told if told in graver}.values())


def move_on_paper(file: CaseFile, at: datetime) -> None:
    """Move the flags of a copied file as time would at an instant; nothing is written."""
    _move(file, _Run(at, None))


def _move(file: CaseFile, run: _Run) -> _Moves:
    """Evaluate and move flags until nothing moves: a flag may itself be a fact for a rule."""
    moves = _Moves()
    grave = _grave_flags(file)
    for _ in range(_MOST_ROUNDS):
        evaluation = evaluate(replace(file.facts, flags=grave), run.at)
        _move_flags(file, evaluation.findings, run, moves)
        before, grave = grave, _grave_flags(file)
        if grave == before:
            break
    if file.monitored_rules or file.monitored:
        moves.counted = _count(file, evaluation.findings, run)
    file.case.recheck_at = None if file.case.voided_at else evaluation.next_change
    return moves


def _move_flags(file: CaseFile, findings: Sequence[Finding], run: _Run, moves: _Moves) -> None:
    """Let the flags follow the findings.

    A rule that is only monitored opens none; one that was open before goes on to follow, until a
    person resolves it.
    """
    unresolved, resolved = unresolved_by_rule(file), _last_resolved(file)
    for found in findings:
        key = _key(found)
        if key in unresolved:
            flag = unresolved.pop(key)
            happening = _follow(flag, found, run)
        elif _was_resolved(found, resolved.get(key)) or found.rule in file.monitored_rules:
            continue
        else:
            flag = _new_flag(file.case, found, run)
            file.flags.append(flag)
            moves.opened.append(flag)
            happening = Happening.flag_opened
        if happening is not None:
            moves.told.append((flag, happening))
    for flag in unresolved.values():
        if (happening := _let_go(flag)) is not None:
            moves.told.append((flag, happening))


def _count(file: CaseFile, findings: Sequence[Finding], run: _Run) -> list[MonitoredFinding]:
    """Let what is only counted follow the findings; give what began to count.

    A finding counts once while it stands, and again after its end where a flag would have come
    back: with evidence it did not have, or graver. It does not count where a flag speaks for it.
    """
    standing = {(row.rule, row.restricted): row for row in file.monitored if not row.ended_at}
    ended = {(row.rule, row.restricted): row for row in file.monitored if row.ended_at}
    flagged, resolved = unresolved_by_rule(file), _last_resolved(file)
    began = []
    for found in findings:
        key = _key(found)
        if (
            found.rule not in file.monitored_rules
            or key in flagged
            or _was_resolved(found, resolved.get(key))
        ):
            continue
        row = standing.pop(key, None)
        if row is None and _was_resolved(found, ended.get(key)):
            row = ended[key]
        if row is None:
            began.append(_new_count(file.case, found, run))
        else:
            row.severity = max(row.severity, found.severity, key=severity_rank)
            row.evidence, row.ended_at = _evidence(found), None
    for row in standing.values():
        row.ended_at = run.at
    file.monitored += began
    return began


def _key(found: Finding) -> tuple[str, bool]:
    return str(found.rule), found.restricted


def unresolved_by_rule(file: CaseFile) -> dict[tuple[str, bool], Flag]:
    """Give a case's flags of rules that wait for a person, by rule and by whether restricted."""
    return {
        (flag.rule, flag.restricted): flag
        for flag in file.flags
        if is_unresolved(flag.status) and flag.rule != MANUAL
    }


def _last_resolved(file: CaseFile) -> dict[tuple[str, bool], Flag]:
    last: dict[tuple[str, bool], Flag] = {}
    for flag in file.flags:
        if flag.status == FlagStatus.resolved:
            last[flag.rule, flag.restricted] = _later(last.get((flag.rule, flag.restricted)), flag)
    return last


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


def _was_resolved(found: Finding, last: Flag | MonitoredFinding | None) -> bool:
    """Tell whether this very finding was there before: a person settled it, or it was counted."""
    return (
        last is not None
        and severity_rank(found.severity) <= severity_rank(last.severity)
        and all(item in last.evidence for item in _evidence(found))
    )


def _new_flag(case: Case, found: Finding, run: _Run) -> Flag:
    return Flag(
        id=uuid7(),
        clinic_id=case.clinic_id,
        created_at=run.at,
        updated_at=run.at,
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


def _new_count(case: Case, found: Finding, run: _Run) -> MonitoredFinding:
    return MonitoredFinding(
        id=uuid7(),
        clinic_id=case.clinic_id,
        created_at=run.at,
        updated_at=run.at,
        case_id=case.id,
        rule=str(found.rule),
        severity=found.severity,
        restricted=found.restricted,
        evidence=_evidence(found),
        effective_at=run.at,
    )


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


def _grave_flags(file: CaseFile) -> tuple[FlagFact, ...]:
    """Give the unresolved flags that are themselves a fact for a rule: the grave ones."""
    return tuple(
        FlagFact(flag.id, flag.severity, flag.status, flag.effective_at, flag.restricted)
        for flag in file.flags
        if flag.severity in GRAVE and is_unresolved(flag.status)
    )
