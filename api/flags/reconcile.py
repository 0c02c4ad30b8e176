"""Keeps a case's flags true: gather its facts, ask the rules, move its flags."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import SimpleNamespace
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlmodel import col, select, update
from uuid_utils.compat import uuid7

from api.domain.lifecycles import due_by, is_unresolved
from api.domain.rules.facts import FlagFact
from api.domain.rules.findings import GRAVE, Finding
from api.domain.rules.rulebook import RULEBOOK_VERSION
from api.domain.vocabulary import Audience, FlagStatus, Severity, severity_rank
from api.flags.case_facts import CaseFile, begin_file, open_file, with_one_more
from api.flags.hiding import (
    Rearranged,
    Rearranging,
    evidence_of,
    is_out_of_line,
    last_resolved,
    sooner,
    was_settled,
)
from api.flags.rule_runs import ask_rules
from api.journal.entries import Happening, record_row
from api.storage.instants import never_back
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.flags import Flag, MonitoredFinding
from api.storage.transaction import Transaction

MANUAL = "manual"
"""The `rule` of a flag that a person raised by hand; no rule ever touches it."""

BATCH = 100
"""Due cases that are locked and caught up at once."""
_MOST_ROUNDS = 5
"""Runs of the rules after which it is left at that, though a flag still moved another."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the rules: as of when, and by whose write (None: time alone).

    `turned`: the incident that this write has hidden from the case's clinician, or shown again.
    """

    at: datetime
    actor_id: UUID | None
    turned: UUID | None = None

    @property
    def by_write(self) -> bool:
        return self.actor_id is not None


async def reconcile_flags(
    tx: Transaction, case: Case, *, actor_id: UUID, turned: UUID | None = None
) -> list[Flag]:
    """Run the rules after a write to a case, and give the flags it opened or worsened.

    The caller holds the lock on the case, and the case was caught up before the write. `turned`:
    the incident that the write has hidden from the case's clinician, or shown again.
    """
    await tx.flush()
    file = await open_file(tx, case, whole=turned is not None)
    return await _settle_in_order(tx, file, _Run(tx.now, actor_id, turned))


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

    async def add(
        self, tx: Transaction, row: Incident | Promise | Consultation, *, actor_id: UUID
    ) -> list[Flag]:
        """Run the rules with one record more; give the flags that this opened."""
        file = self._file
        if file.case.voided_at is not None or getattr(row, "voided_at", None) is not None:
            return []
        file.facts = with_one_more(file.facts, row)
        before = len(file.flags)
        await _settle(tx, file, _Run(tx.now, actor_id))
        return file.flags[before:]


async def catch_up(tx: Transaction, case: Case) -> None:
    """Replay, one instant after the other, what time alone has changed on a locked case.

    Each step runs as of its own instant, so the flags are the same whoever looks, and whenever.
    """
    if not is_due(case, tx.now):
        return
    file = await open_file(tx, case)
    while (step := case.recheck_at) is not None and step <= tx.now:
        await _settle_in_order(tx, file, _Run(step, None))
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


async def _settle(tx: Transaction, file: CaseFile, run: _Run) -> list[Flag]:
    """Move a case's flags, and write what was moved; give what was opened or got worse."""
    return _write(tx, await _rearrange_and_move(file, run), run)


async def _settle_in_order(tx: Transaction, file: CaseFile, run: _Run) -> list[Flag]:
    """Settle, and where flags were hidden or told again, make room for new ones beside them."""
    moves = await _rearrange_and_move(file, run)
    if moves.rearranged.is_any:
        # a session inserts before it updates, and of each rule one flag may wait in the open
        await tx.flush()
        for apart, flag in moves.rearranged.apart:
            await _give_sealed_texts(tx, apart, flag)
    return _write(tx, moves, run)


def _write(tx: Transaction, moves: "_Moves", run: _Run) -> list[Flag]:
    rearranged = moves.rearranged
    for row in (*rearranged.flags, *rearranged.counted, *moves.opened, *moves.counted):
        row.created_at = row.updated_at = tx.now
        tx.add(row)
    for flag, happening in (*rearranged.told, *moves.told):
        flag.change({}, tx.now)
        record_row(tx, happening, flag, actor_id=run.actor_id)
    return moves.worse


async def _give_sealed_texts(tx: Transaction, apart: Flag, flag: Flag) -> None:
    """Give a flag the sealed texts of the one beside which it was set, whoever is asking."""
    asked = sa.select(col(Flag.resolution_note), col(Flag.reopen_reason))
    (note, reason) = (await tx.exec(asked.where(col(Flag.id) == flag.id))).one()
    texts = SimpleNamespace(
        clinic_id=flag.clinic_id,
        id=flag.id,
        case_id=flag.case_id,
        resolution_note=note,
        reopen_reason=reason,
    )
    await tx.open(Flag, texts)
    apart.resolution_note, apart.reopen_reason = texts.resolution_note, texts.reopen_reason


@dataclass(slots=True)
class _Moves:
    """What a run of the rules has moved: new flags, what is only counted, and what to tell."""

    opened: list[Flag] = field(default_factory=list)
    counted: list[MonitoredFinding] = field(default_factory=list)
    told: list[tuple[Flag, Happening]] = field(default_factory=list)
    rearranged: Rearranged = field(default_factory=Rearranged)

    @property
    def worse(self) -> list[Flag]:
        """The flags that were opened or got worse."""
        graver = {Happening.flag_opened, Happening.flag_escalated}
        told = (*self.rearranged.told, *self.told)
        return list({flag.id: flag for flag, what in told if what in graver}.values())


async def move_on_paper(file: CaseFile, at: datetime) -> None:
    """Move the flags of a copied file as time would at an instant; nothing is written."""
    await _move(file, _Run(at, None))


async def _rearrange_and_move(file: CaseFile, run: _Run) -> _Moves:
    rearranged = await _rearrange(file, run)
    moves = await _move(file, run)
    moves.rearranged = rearranged
    return moves


async def _rearrange(file: CaseFile, run: _Run) -> Rearranged:
    """Hide what rests on what is hidden now, and tell what does no more; mostly there is neither.

    A flag that is hidden may itself be what another rests on, so it is looked again until none is.
    """
    done = Rearranged()
    turned = set() if run.turned is None else {run.turned}
    if not turned and not is_out_of_line(file):
        return done
    for _ in range(_MOST_ROUNDS):
        facts = replace(file.facts, flags=_grave_flags(file))
        findings = (await ask_rules(facts, run.at)).findings
        if not Rearranging(file, facts, findings, run.at, turned, done).look_over():
            break
    return done


async def _move(file: CaseFile, run: _Run) -> _Moves:
    """Evaluate and move flags until nothing moves: a flag may itself be a fact for a rule."""
    moves = _Moves()
    grave = _grave_flags(file)
    for _ in range(_MOST_ROUNDS):
        evaluation = await ask_rules(replace(file.facts, flags=grave), run.at)
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
    unresolved, resolved = unresolved_by_rule(file), last_resolved(file.flags)
    for found in findings:
        key = _key(found)
        if key in unresolved:
            flag = unresolved.pop(key)
            happening = _follow(flag, found, run)
        elif was_settled(found, resolved.get(key)) or found.rule in file.monitored_rules:
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
    flagged, resolved = unresolved_by_rule(file), last_resolved(file.flags)
    began = []
    for found in findings:
        key = _key(found)
        if (
            found.rule not in file.monitored_rules
            or key in flagged
            or was_settled(found, resolved.get(key))
        ):
            continue
        row = standing.pop(key, None)
        if row is None and was_settled(found, ended.get(key)):
            row = ended[key]
        if row is None:
            began.append(_new_count(file.case, found, run))
        else:
            row.severity = max(row.severity, found.severity, key=severity_rank)
            row.evidence, row.ended_at = evidence_of(found), None
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


def _follow(flag: Flag, found: Finding, run: _Run) -> Happening | None:
    """Bring an unresolved flag in line with its finding; say what happened, if anything."""
    change = severity_rank(found.severity) - severity_rank(flag.severity)
    evidence = evidence_of(found)
    happening = None
    if (flag.because, flag.evidence) != (found.because, evidence):
        flag.because, flag.evidence = found.because, evidence
        happening = Happening.flag_updated
    if not flag.condition_holds:
        flag.condition_holds = True
        happening = Happening.flag_revived
    if change > 0:
        flag.severity = found.severity
        flag.due_at = sooner(flag.due_at, due_by(found.severity, run.at))
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
        evidence=evidence_of(found),
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
        evidence=evidence_of(found),
        effective_at=run.at,
    )


def _grave_flags(file: CaseFile) -> tuple[FlagFact, ...]:
    """Give the unresolved flags that are themselves a fact for a rule: the grave ones."""
    return tuple(
        FlagFact(flag.id, flag.severity, flag.status, flag.effective_at, flag.restricted)
        for flag in file.flags
        if flag.severity in GRAVE and is_unresolved(flag.status)
    )
