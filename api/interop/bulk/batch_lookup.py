"""What the lines of a batch name, looked up at once; the cases that records come to are locked."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, bindparam, false, func, or_
from sqlalchemy import select as sa_select
from sqlmodel import col, select

from api.access.case_relationship import locked
from api.access.case_tenures import former_clinicians
from api.domain.tenures import Tenure
from api.domain.vocabulary import Role
from api.flags.case_facts import Room, rooms_of
from api.interop.bulk.dry_run import Known, Memory, Row
from api.interop.bulk.lines import AnyLine, CaseLine, ConsultationLine
from api.interop.bulk.refusals import NotTaken
from api.interop.bulk.sender import Sender, is_hidden_from_software
from api.interop.bulk.source_keys import HashedLine, Name, SourceKeys
from api.security.normalization import one_address
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.integration import ImportedRecord
from api.storage.models.people import User
from api.storage.transaction import Transaction

_MODELS: dict[str, Any] = {
    "case": Case,
    "incident": Incident,
    "promise": Promise,
    "consultation": Consultation,
}
_MANY = 5_000
"""Values in one statement: fewer than any database takes."""


class Colleague(NamedTuple):
    """Somebody of the clinic."""

    id: UUID
    email: str
    role: Role
    is_active: bool


class Linked(NamedTuple):
    """What is to be known of a record that a consultation speaks of."""

    case_id: UUID
    is_hidden: bool


_PEOPLE: Any = select(col(User.id), col(User.email), col(User.role), col(User.is_active))
_KNOWN: Any = sa_select(
    col(ImportedRecord.record_type),
    col(ImportedRecord.source_hash),
    col(ImportedRecord.record_id),
    col(ImportedRecord.case_id),
    col(ImportedRecord.body_hash),
    col(ImportedRecord.recorded_by_id),
    func.coalesce(col(Incident.restricted), col(Promise.restricted), false()),
)
for _model in (Incident, Promise):
    _KNOWN = _KNOWN.outerjoin(
        _model,
        and_(
            col(ImportedRecord.record_type) == _model.noun,
            col(_model.clinic_id) == ImportedRecord.clinic_id,
            col(_model.id) == ImportedRecord.record_id,
        ),
    )
_KNOWN = _KNOWN.where(col(ImportedRecord.source_hash).in_(bindparam("some", expanding=True)))
_REFERENCES = select(col(Case.client_ref_hash), col(Case.started_on)).where(
    col(Case.client_ref_hash).in_(bindparam("some", expanding=True)), col(Case.voided_at).is_(None)
)
_CASES = locked(
    select(Case).where(col(Case.id).in_(bindparam("some", expanding=True))).order_by(col(Case.id)),
    Case,
)
_THERE = {
    kind: sa_select(
        col(model.id),
        col(model.recorded_by_id),
        getattr(model, "restricted", false()),
    ).where(col(model.id).in_(bindparam("some", expanding=True)))
    for kind, model in _MODELS.items()
}
_LINKED = {
    model.noun: select(
        col(model.id),
        col(model.case_id),
        or_(col(model.voided_at).is_not(None), col(model.restricted)),
    ).where(col(model.id).in_(bindparam("some", expanding=True)))
    for model in (Incident, Promise)
}


async def look_up(
    tx: Transaction, sender: Sender, memory: Memory, lines: Sequence[AnyLine]
) -> "BatchLookup":
    """Look up all that these lines name, and lock the cases that records come to, in order."""
    found = BatchLookup(tx, sender, memory, (await tx.clinic_keys()).lookup)
    await found.find_all(lines)
    return found


class BatchLookup:
    """What is known of all that the lines of one batch name; each line that is taken adds to it."""

    def __init__(self, tx: Transaction, sender: Sender, memory: Memory, lookup_key: bytes) -> None:
        self._tx, self._sender, self._memory = tx, sender, memory
        self.keys = SourceKeys(lookup_key, sender.id)
        self.lines: list[HashedLine] = []
        self.known: dict[Name, Known] = {}
        self.hidden: dict[Name, Known] = {}
        """What others brought in under these names, and is hidden from who sends the lines."""
        self.cases: dict[UUID, Case] = {}
        self.unwritten: dict[UUID, Case] = {}
        """Cases that lines of this batch have opened, and that are to be written with it."""
        self.former: dict[UUID, list[Tenure]] = {}
        self.rooms: defaultdict[UUID, Room] = defaultdict(Room)
        self.linked: dict[UUID, Linked] = {}
        self._references: set[tuple[str, object]] = set()
        self._there: set[UUID | None] = set()
        self._hidden_there: set[UUID | None] = set()
        self._people: dict[UUID | str, Colleague] = {}

    async def find_all(self, lines: Sequence[AnyLine]) -> None:
        """Look up all that these lines name."""
        self.lines = [self.keys.hash_line(line) for line in lines]
        names = {name for hashed in self.lines for name in self.keys.names_in(hashed)}
        await self._find_known(names)
        new = [hashed.line for hashed in self.lines if hashed.name not in self.known]
        for person in await self._tx.exec(_PEOPLE):
            found = Colleague(*person)
            self._people[found.id] = self._people[found.email] = found
        await self._find_cases(new)
        await self._find_there(new)
        await self._find_linked(new)

    def person(self, named: str, email: str | None, person_id: UUID | None) -> Colleague | None:
        """Give who is named in a field, by address or by id. Raises NotTaken where by both."""
        if email is not None and person_id is not None:
            raise NotTaken(f"/{named}", "Say it once: by address, or by id.")
        return self._people.get(person_id or one_address(email or ""))

    def record_known_as(self, kind: str, key: str) -> Known | None:
        """Give the record that is called so."""
        return self.known.get(self.keys.name_of(kind, key))

    def case_of(self, key: str) -> Case | None:
        """Give the case that a record's line names, by key or by id."""
        case_id = self._case_id(key)
        return self.cases.get(case_id) if case_id else None

    def is_here(self, key: str) -> bool:
        """Tell whether a key is the id of a record that is here, and not hidden."""
        return _as_id(key) in self._there

    def is_here_and_hidden(self, key: str) -> bool:
        """Tell whether a key is the id of a record that is here, and hidden from the sender."""
        return _as_id(key) in self._hidden_there

    def has_reference(self, client_ref: str, started_on: date | None) -> bool:
        """Tell whether another case has this client's reference and this start."""
        called = [(each, started_on) for each in self.keys.hash_reference(client_ref)]
        return any(each in self._references or each in self._memory.references for each in called)

    def add_reference(self, client_ref: str, started_on: date | None) -> None:
        """Know a case's reference and start, for the cases after it."""
        self._references.add((self.keys.hash_reference(client_ref)[0], started_on))

    def add(self, hashed: HashedLine, case: Case, row: Row) -> None:
        """Know what was made of a line, for the lines after it."""
        self.known[hashed.name] = Known(row.id, case.id, hashed.body_hash)
        if isinstance(row, Incident | Promise):
            self.linked[row.id] = Linked(case.id, is_hidden_from_software(row))

    def was_undone_and_hidden(self, row_id: UUID) -> bool:
        """Tell whether a dry run made a record of which only the operator's requests may speak."""
        return row_id in self._memory.hidden

    async def _find_known(self, names: set[Name]) -> None:
        now_called = self.keys.now_called
        for kind, source_hash, *known, by, restricted in await self._ask(
            _KNOWN, {name.source_hash for name in (*names, *now_called)}
        ):
            hidden = self._sender.is_hidden(kind, by, restricted=bool(restricted))
            found = Name(kind, source_hash)
            known_by = self.hidden if hidden else self.known
            if found in now_called:
                known_by.setdefault(now_called[found], Known(*known))
            else:
                known_by[found] = Known(*known)
        await self._find_known_by_sender()
        before = self._memory.known
        for name in names:
            as_kept = self.keys.by_sender(name) if name in self.hidden else name
            if as_kept in before:
                self.known[name] = before[as_kept]

    async def _find_known_by_sender(self) -> None:
        """Look up what who sends the lines has brought in under names that others had taken."""
        own = {self.keys.by_sender(name): name for name in self.hidden}
        for before, name in self.keys.now_called.items():
            if name in self.hidden:
                own[self.keys.by_sender(before)] = name
        for kind, source_hash, *known, _, _ in await self._ask(
            _KNOWN, {name.source_hash for name in own}
        ):
            self.known[own[Name(kind, source_hash)]] = Known(*known)

    async def _find_cases(self, new: Iterable[AnyLine]) -> None:
        ids: set[UUID | None] = set()
        references: set[str] = set()
        for line in new:
            if isinstance(line, CaseLine):
                references.update(self.keys.hash_reference(line.data.client_ref))
            else:
                ids.add(self._case_id(line.case))
        there = {case_id for case_id in ids if case_id is not None}
        for case_id in sorted(there & self._memory.cases.keys()):
            self._tx.add(Case(**self._memory.cases[case_id]))
        for case in await self._ask(_CASES, there):
            self.cases[case.id] = case
        if self.cases:
            self.former = await former_clinicians(self._tx, list(self.cases))
            self.rooms |= await rooms_of(self._tx, list(self.cases))
        for case_id in there & self._memory.rooms.keys():
            self.rooms[case_id].add(self._memory.rooms[case_id])
        for found in await self._ask(_REFERENCES, references):
            self._references.add(tuple(found))

    def _case_id(self, key: str) -> UUID | None:
        known = self.record_known_as("case", key)
        return known.record_id if known else _as_id(key)

    async def _find_there(self, new: Sequence[AnyLine]) -> None:
        """A key that is an id may be that of a record of this very clinic, written out."""
        for kind, statement in _THERE.items():
            ids = {_as_id(line.key) for line in new if line.type == kind}
            for row_id, by, restricted in await self._ask(statement, ids - {None}):
                hidden = self._sender.is_hidden(kind, by, restricted=bool(restricted))
                (self._hidden_there if hidden else self._there).add(row_id)

    async def _find_linked(self, new: Iterable[AnyLine]) -> None:
        lines = [line for line in new if isinstance(line, ConsultationLine)]
        for kind, statement in _LINKED.items():
            ids: set[UUID] = set()
            for line in lines:
                ids.update(getattr(line.data, f"{kind}_ids"))
                named = (self.record_known_as(kind, key) for key in getattr(line, f"{kind}s"))
                ids.update(known.record_id for known in named if known is not None)
            for row_id, case_id, is_hidden in await self._ask(statement, ids):
                self.linked[row_id] = Linked(case_id, is_hidden)

    async def _ask(self, statement: Any, values: Iterable[Any]) -> list[Any]:
        every, found = sorted(values, key=str), []
        for start in range(0, len(every), _MANY):
            some = {"some": every[start : start + _MANY]}
            found += (await self._tx.exec(statement, some)).all()
        return found


def _as_id(key: str) -> UUID | None:
    try:
        return UUID(key) if len(key) == 36 else None
    except ValueError:
        return None
