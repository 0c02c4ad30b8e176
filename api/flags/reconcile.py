"""Keeps a case's flags true: gather its facts, ask the rules, move its flags."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import SimpleNamespace
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from api.domain.lifecycles import is_unresolved
from api.domain.rules.door import OF_THE_DOOR
from api.domain.rules.evaluate import Evaluation
from api.domain.rules.facts import FlagFact
from api.domain.rules.findings import GRAVE
from api.flags.case_facts import CaseFile, begin_file, comes_last, open_file, with_one_more
from api.flags.hidden_evidence import HiddenEvidence, is_out_of_line
from api.flags.hiding import Rearranged, Rearranging
from api.flags.lifecycle import Moves, move_flags
from api.flags.monitored import count
from api.flags.rule_runs import Run, ask_rules
from api.flags.several_files import open_files
from api.flags.triage import keep_triage
from api.journal.entries import Happening, record_row
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.flags import Flag, MonitoredFinding
from api.storage.transaction import Transaction

_MOST_ROUNDS = 5
"""Runs of the rules after which it is left at that, though a flag still moved another."""


async def reconcile_flags(
    tx: Transaction,
    case: Case,
    *,
    actor_id: UUID,
    wrote: UUID | None = None,
    turned: UUID | None = None,
) -> list[Flag]:
    """Run the rules after a write to a case, and give the flags it opened or worsened.

    The caller holds the lock on the case, and the case was caught up before the write. `wrote`: the
    record that was written, if it was one. `turned`: the incident that the write has hidden from
    the case's clinician, or shown again.
    """
    await tx.flush()
    file = await open_file(tx, case, whole=turned is not None)
    return await settle_in_order(tx, file, Run(tx.now, actor_id, wrote, turned))


async def reconcile_with(
    tx: Transaction, file: CaseFile, row: Incident | Promise, *, actor_id: UUID
) -> list[Flag]:
    """As `reconcile_flags`, where all that was written since a file was opened is one new record.

    The record need not be written yet.
    """
    if row.restricted or not comes_last(file.facts, row):
        # with what is hidden more is read of a case; and rules are told of records in their order
        return await reconcile_flags(tx, file.case, actor_id=actor_id, wrote=row.id)
    file.facts = with_one_more(file.facts, row)
    return await settle_in_order(tx, file, Run(tx.now, actor_id, row.id))


class WritesInARow:
    """Several writes to one case in one transaction: the rules run after each, and read once.

    So the flags are those of the same writes in as many transactions. The caller holds the lock on
    the case, which was caught up before; the rows need not be written yet.
    """

    def __init__(self, file: CaseFile) -> None:
        self._file = file

    @classmethod
    async def on_all(
        cls, tx: Transaction, cases: Sequence[Case], new: Collection[UUID]
    ) -> "dict[UUID, WritesInARow]":
        """Read what is known of cases; on those that are `new` nothing is recorded yet."""
        if not cases:
            return {}
        # one that is new is read where no other is, for what the clinic has set
        files = await open_files(tx, [case for case in cases if case.id not in new] or cases[:1])
        like = next(iter(files.values()))
        return {case.id: cls(files.get(case.id) or begin_file(case, like)) for case in cases}

    async def add(
        self, tx: Transaction, row: Incident | Promise | Consultation, *, actor_id: UUID
    ) -> list[Flag]:
        """Run the rules with one record more; give the flags that this opened."""
        file = self._file
        if file.case.voided_at is not None or getattr(row, "voided_at", None) is not None:
            return []
        file.facts = with_one_more(file.facts, row)
        before = len(file.flags)
        await settle(tx, file, Run(tx.now, actor_id, row.id), file.evaluation)
        return file.flags[before:]


async def settle(
    tx: Transaction, file: CaseFile, run: Run, last: Evaluation | None = None
) -> list[Flag]:
    """Move a case's flags, and write what was moved; give what was opened or got worse.

    `last`: what the rules said last, where nothing but facts was added since its flags were moved.
    """
    return _write(tx, await _move_all(file, run, last), run)


async def settle_in_order(tx: Transaction, file: CaseFile, run: Run) -> list[Flag]:
    """Settle, and where flags were hidden or told again, make room for new ones beside them."""
    moved = await _move_all(file, run)
    if moved.rearranged.is_any:
        # a session inserts before it updates, and of each rule one flag may wait in the open
        await tx.flush()
        for apart, flag in moved.rearranged.apart:
            await _give_sealed_texts(tx, apart, flag)
    return _write(tx, moved, run)


@dataclass(frozen=True, slots=True)
class _Moved:
    """All that one run has moved."""

    rearranged: Rearranged
    moves: Moves
    counted: list[MonitoredFinding] = field(default_factory=list)

    @property
    def worse(self) -> list[Flag]:
        """The flags that were opened or got worse."""
        graver = {Happening.flag_opened, Happening.flag_escalated}
        told = (*self.rearranged.told, *self.moves.told)
        return list({flag.id: flag for flag, what in told if what in graver}.values())


def _write(tx: Transaction, moved: _Moved, run: Run) -> list[Flag]:
    rearranged, moves = moved.rearranged, moved.moves
    for row in (*rearranged.flags, *rearranged.counted, *moves.opened, *moved.counted):
        row.created_at = row.updated_at = tx.now
        tx.add(row)
    for flag, happening in (*rearranged.told, *moves.told):
        flag.change({}, tx.now)
        record_row(tx, happening, flag, actor_id=run.actor_id)
    return moved.worse


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


async def move_on_paper(file: CaseFile, at: datetime) -> None:
    """Move the flags of a copied file as time would at an instant; nothing is written."""
    await _move(file, Run(at, None))


async def _move_all(file: CaseFile, run: Run, last: Evaluation | None = None) -> _Moved:
    rearranged = await _rearrange(file, run)
    moves, counted = await _move(file, run, None if rearranged.is_any else last)
    return _Moved(rearranged, moves, counted)


async def _rearrange(file: CaseFile, run: Run) -> Rearranged:
    """Hide what rests on what is hidden now, and tell what does no more; mostly there is neither.

    A flag that is hidden may itself be what another rests on, so it is looked again until none is.
    """
    done = Rearranged()
    turned = set() if run.turned is None else {run.turned}
    if not turned and not is_out_of_line(file):
        return done
    for _ in range(_MOST_ROUNDS):
        facts = replace(file.facts, flags=grave_flags(file))
        findings = (await ask_rules(facts, run.at)).findings
        look = HiddenEvidence(file, facts, findings, run.at, turned)
        if not Rearranging(look, done).look_over():
            break
    return done


async def _move(
    file: CaseFile, run: Run, last: Evaluation | None = None
) -> tuple[Moves, list[MonitoredFinding]]:
    """Evaluate and move flags until nothing moves: a flag may itself be a fact for a rule."""
    moves, counted = Moves(), list[MonitoredFinding]()
    grave = grave_flags(file)
    for _ in range(_MOST_ROUNDS):
        # so that what is found out of these is known when one record more has come
        file.facts = file.facts.with_flags(grave)
        file.evaluation = evaluation = await ask_rules(file.facts, run.at, last)
        if last is not None and evaluation.findings is last.findings:
            # the flags have followed these very findings already
            break
        last = evaluation
        move_flags(file, evaluation.findings, run, moves)
        before, grave = grave, grave_flags(file)
        if grave == before:
            break
    if file.monitored_rules or file.monitored:
        counted = count(file, evaluation.findings, run.at)
    # of a voided case nothing is told but what came by its door
    recheck_at = evaluation.next_change
    if file.case.recheck_at != recheck_at:
        file.case.recheck_at = recheck_at
    keep_triage(file.case, file.flags)
    return moves, counted


def grave_flags(file: CaseFile) -> tuple[FlagFact, ...]:
    """Give the unresolved flags that are themselves a fact for a rule: the grave ones."""
    # what a client said is read by the door's own rules, and by no other
    grave = [
        f
        for f in file.flags
        if f.severity in GRAVE
        and is_unresolved(f.status)
        # nor is what is recorded of it told by a rule to others than its readers
        and f.account_id is None
        and f.rule not in OF_THE_DOOR
    ]
    if not grave:
        return ()
    reviewed = {str(i.id): i.reviewed_at for i in file.facts.incidents if i.reviewed_at is not None}
    return tuple(
        FlagFact(
            flag.id,
            flag.severity,
            flag.status,
            flag.condition_holds,
            flag.effective_at,
            flag.restricted,
            _last_reviewed(flag, reviewed),
        )
        for flag in grave
    )


def _last_reviewed(flag: Flag, reviewed: Mapping[str, datetime]) -> datetime | None:
    return max(
        (reviewed[each["id"]] for each in flag.evidence if each["id"] in reviewed), default=None
    )
