"""Takes a batch of lines in: their rows, each with its entries and the flags that it raises."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from api.access.visibility.records import may_see_flag
from api.domain.permissions.case_rules import Standing
from api.flags.catching_up import catch_up
from api.flags.reconcile import WritesInARow
from api.interop.bulk.batch_lookup import BatchLookup, look_up
from api.interop.bulk.dry_run import Memory
from api.interop.bulk.journalled import record_line
from api.interop.bulk.parse import FileLine
from api.interop.bulk.refusals import NotTaken, Refused
from api.interop.bulk.sender import Sender
from api.interop.bulk.take_line import Taken, Taking
from api.interop.bulk.turns import Turns
from api.storage.models.clinical import Case
from api.storage.models.columns import new_row
from api.storage.models.flags import Flag
from api.storage.models.integration import Import, ImportedRecord
from api.storage.transaction import Transaction

SHOWN_REFUSALS = 100
_FILES_KEPT = 2_000
"""Cases whose facts a dry run remembers."""

# clinic software sees no restricted flags, and no prompts: a number is not for it either
_TOLD_TO = Standing(service=True)


@dataclass(slots=True)
class Done:
    """What came of a batch, or of all so far. `flags`: how many were opened, by rule."""

    row: Import | None = None
    lines: int = 0
    created: int = 0
    unchanged: int = 0
    refused: int = 0
    refusals: list[tuple[int, Refused]] = field(default_factory=list)
    flags: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Done") -> None:
        """Count a batch."""
        self.row = other.row
        self.lines += other.lines
        self.created += other.created
        self.unchanged += other.unchanged
        self.refused += other.refused
        self.refusals += other.refusals[: max(0, SHOWN_REFUSALS - len(self.refusals))]
        self.flags += other.flags


class Intake:
    """Takes the batches of one import, one after the other."""

    def __init__(self, import_id: UUID, *, dry_run: bool) -> None:
        self._import_id, self._dry_run = import_id, dry_run
        self._memory = Memory()
        self._case_files: OrderedDict[UUID, WritesInARow] = OrderedDict()

    async def take(
        self, tx: Transaction, sender: Sender, lines: Sequence[FileLine]
    ) -> tuple[Done, list[Taken]]:
        """Take some lines in; give what came of them, and those that became rows."""
        good = [line.line for line in lines if not isinstance(line.line, Refused)]
        found = await look_up(tx, sender, self._memory, good)
        for case in list(found.cases.values()):
            await catch_up(tx, case)
        taking, hashed = Taking(tx, sender, found), iter(found.lines)
        done, taken, turns = Done(lines=len(lines)), list[Taken](), Turns()
        for number, _, line in lines:
            if isinstance(line, Refused):
                done.refusals.append((number, line))
                continue
            await turns.give()
            try:
                made = await taking.take(next(hashed))
            except NotTaken as error:
                done.refusals.append((number, error.refused))
                continue
            if made is None:
                done.unchanged += 1
            else:
                taken.append(made)
        done.created, done.refused = len(taken), len(done.refusals)
        await self._write(tx, sender, found, taken, done)
        return done, taken

    def remember(self, taken: Iterable[Taken]) -> None:
        """Keep of a dry run's batch, which is undone, what later lines may name."""
        for made in taken:
            self._memory.keep(made.name, made.body_hash, made.case, made.row)

    def forget_case_files(self) -> None:
        """Read cases anew: what a dry run remembers of them may be half a batch ahead."""
        self._case_files.clear()

    async def _write(
        self,
        tx: Transaction,
        sender: Sender,
        found: BatchLookup,
        taken: Sequence[Taken],
        done: Done,
    ) -> None:
        """Ask the rules after each row, and write all of them, each with its entries."""
        # what was to be written before these
        await tx.flush()
        new = [made for made in taken if not made.is_here]
        files, turns = await self._open_files(tx, new), Turns()
        for made in new:
            record_line(tx, made, actor_id=sender.id)
            if not isinstance(made.row, Case):
                opened = await files[made.case.id].add(tx, made.row, actor_id=sender.id)
                done.flags.update(_told_to_software(opened))
            await turns.give()
        records = [made.row for made in new if not isinstance(made.row, Case)]
        # as tables point at one another; a flag points at its case, and comes with the flush
        await tx.write_rows(
            [
                *found.unwritten.values(),
                *sorted(records, key=lambda row: row.noun),
                *(self._name_of(tx, sender, made) for made in taken),
            ]
        )
        await tx.flush()

    async def _open_files(
        self, tx: Transaction, taken: Sequence[Taken]
    ) -> dict[UUID, WritesInARow]:
        cases = {made.case.id: made.case for made in taken}
        files = {each: self._case_files[each] for each in cases if each in self._case_files}
        unknown = [case for case_id, case in cases.items() if case_id not in files]
        files |= await WritesInARow.on_all(tx, unknown, {made.row.id for made in taken})
        if self._dry_run:
            self._case_files |= files
            while len(self._case_files) > _FILES_KEPT:
                self._case_files.popitem(last=False)
        return files

    def _name_of(self, tx: Transaction, sender: Sender, made: Taken) -> ImportedRecord:
        return new_row(
            ImportedRecord,
            clinic_id=tx.clinic.id,
            import_id=self._import_id,
            case_id=made.case.id,
            record_type=made.name.record_type,
            record_id=made.row.id,
            source_key=made.key,
            source_hash=made.name.source_hash,
            body_hash=made.body_hash,
            created_at=tx.now,
            updated_at=tx.now,
            recorded_by_id=sender.id,
        )


def _told_to_software(opened: Iterable[Flag]) -> list[str]:
    """Name the rules of the flags that clinic software may hear of."""
    return [
        flag.rule
        for flag in opened
        if may_see_flag(_TOLD_TO, flag.audience, restricted=flag.restricted)
    ]
