"""Turns the lines of an import into rows, or says why not: what its record's door would say."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, bindparam, false
from sqlalchemy import select as sa_select
from sqlmodel import col, select

from api.access.case_relationship import locked
from api.access.conduct import former_clinicians
from api.access.visibility import sees_case
from api.domain.bodies import IncidentCreate
from api.domain.errors import CaseFull, Invalid
from api.domain.lifecycles import ANSWER_WITHIN
from api.domain.permissions.table import TREATING, Actor
from api.domain.rules.facts import midnight
from api.domain.sense import AFTER_TODAY, out_of_order
from api.domain.tenures import Tenure, whom_it_is_about, whom_it_may_be_about
from api.domain.vocabulary import AdviceResponse, ConsultationStatus, IncidentStatus, Role
from api.flags.case_facts import Room, rooms_of
from api.http.field_errors import NEEDED
from api.interop.bulk.lines import (
    AnyLine,
    CaseLine,
    ConsultationHistory,
    ConsultationLine,
    IncidentLine,
    PromiseLine,
    RecordLine,
    Voided,
)
from api.interop.bulk.parse import Refused
from api.records.create import (
    NOT_OF_THE_CASE,
    NOT_TO_BE_CONSULTED,
    NOT_TREATING,
    SAME_CASE,
    new_case,
    new_consultation,
    new_incident,
    new_promise,
)
from api.security.crypto import lookup_hash
from api.security.normalization import one_address, one_text, spellings
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.integration import ImportedRecord
from api.storage.models.people import User
from api.storage.transaction import Transaction

Row = Case | Incident | Promise | Consultation

_MODELS: dict[str, Any] = {
    "case": Case,
    "incident": Incident,
    "promise": Promise,
    "consultation": Consultation,
}
_OTHER_CONTENT = (
    "This key came before, with other content: an import changes no record; take another key."
)
_NO_PERSON = "This is not a person of this clinic; name one, or leave it out."
_MANY = 5_000
"""Values in one statement: fewer than any database takes."""


class Name(NamedTuple):
    """What a record was called, as it is found again: its type, and a keyed hash."""

    record_type: str
    source_hash: str


class Known(NamedTuple):
    """A record that was taken before, under some name."""

    record_id: UUID
    case_id: UUID
    body_hash: str


@dataclass(frozen=True, slots=True)
class Rights:
    """What an import may bring. `history`: what somebody else did, such as a review."""

    history: bool
    consultations: bool
    restricted: bool


EVERYTHING = Rights(history=True, consultations=True, restricted=True)
"""What the operator may bring."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A line that became a row.

    `is_here`: its row was here before, hidden from who sends the line. It is not made twice, and
    to them it is new: only what they call it is kept. `key` is what it is called in a file.
    """

    line: AnyLine
    name: Name
    key: str
    body_hash: str
    row: Row
    case: Case
    is_here: bool = False


@dataclass(slots=True)
class Memory:
    """What was taken before and is not, or not yet, in the database.

    `hidden`: the records among it of which only the operator's requests may speak.
    """

    known: dict[Name, Known] = field(default_factory=dict)
    cases: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    references: set[tuple[str, object]] = field(default_factory=set)
    hidden: set[UUID] = field(default_factory=set)
    rooms: dict[UUID, Room] = field(default_factory=dict)


class NotTaken(Exception):
    """A line is refused."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__()
        self.refused = Refused(pointer, message)


class Item(NamedTuple):
    """A line with its hashes."""

    line: AnyLine
    name: Name
    body_hash: str


class _Person(NamedTuple):
    id: UUID
    email: str
    role: Role
    is_active: bool


class _Linked(NamedTuple):
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
    col(Incident.restricted),
)
_KNOWN = _KNOWN.outerjoin(
    Incident,
    and_(
        col(ImportedRecord.record_type) == "incident",
        col(Incident.clinic_id) == ImportedRecord.clinic_id,
        col(Incident.id) == ImportedRecord.record_id,
    ),
).where(col(ImportedRecord.source_hash).in_(bindparam("some", expanding=True)))
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
        col(Incident.restricted) if model is Incident else false(),
    ).where(col(model.id).in_(bindparam("some", expanding=True)))
    for kind, model in _MODELS.items()
}
_LINKED = {
    kind: select(
        col(model.id), col(model.case_id), col(model.voided_at).is_not(None), restricted
    ).where(col(model.id).in_(bindparam("some", expanding=True)))
    for kind, model, restricted in (
        ("incident", Incident, col(Incident.restricted)),
        ("promise", Promise, false()),
    )
}


class Taking:
    """The lines of one batch, in one transaction."""

    def __init__(self, tx: Transaction, by: UUID, rights: Rights, memory: Memory) -> None:
        self._tx, self._by, self._rights, self._memory = tx, by, rights, memory
        self._known: dict[Name, Known] = {}
        self._once: dict[Name, Name] = {}
        """How names were hashed before one text was one: in other Unicode forms."""
        self._hidden: dict[Name, Known] = {}
        """What others brought in under these names, and is hidden from who sends the lines."""
        self._cases: dict[UUID, Case] = {}
        self._former: dict[UUID, list[Tenure]] = {}
        self._references: set[tuple[str, object]] = set()
        self._there: set[UUID] = set()
        self._hidden_there: set[UUID | None] = set()
        self._linked: dict[UUID, _Linked] = {}
        self._rooms: defaultdict[UUID, Room] = defaultdict(Room)
        self._people: dict[UUID | str, _Person] = {}
        self._hash: Callable[[str], str] = str

    async def prepare(self, lines: Sequence[AnyLine]) -> list[Item]:
        """Look up all that these lines name, and lock the cases that records come to, in order."""
        keys = await self._tx.clinic_keys()
        self._hash = partial(lookup_hash, keys.lookup)
        items = [self._item(line) for line in lines]
        names = {name for item in items for name in self._names_in(item)}
        await self._find_known(names)
        new = [item for item in items if item.name not in self._known]
        for person in await self._tx.exec(_PEOPLE):
            found = _Person(*person)
            self._people[found.id] = self._people[found.email] = found
        await self._find_cases(new)
        await self._find_there(new)
        await self._find_linked(new)
        return items

    @property
    def cases(self) -> Iterable[Case]:
        """The cases that were there before."""
        return self._cases.values()

    async def take(self, item: Item) -> Taken | None:
        """Make the row of a line; None: it was taken before. Raises NotTaken."""
        line = item.line
        if (known := self._known.get(item.name)) is not None:
            if not self._says_the_same(item, known):
                raise NotTaken("/key", _OTHER_CONTENT)
            return None
        if _as_id(line.key) in self._there:
            raise NotTaken("/key", "This is the id of a record that is here already.")
        try:
            case, row = await self._made(line)
        except Invalid as error:
            wrong = (error.errors or [])[0]
            raise NotTaken(f"/data{wrong.pointer}", wrong.message) from error
        here = self._hidden.get(item.name)
        is_here = here is not None and self._says_the_same(item, here)
        if here is not None and is_here:
            row.id = here.record_id
        self._known[item.name] = Known(row.id, case.id, item.body_hash)
        if isinstance(row, Incident | Promise):
            self._linked[row.id] = _Linked(case.id, is_hidden(row))
        name = item.name if here is None else self._by_sender(item.name)
        # two records never have one key in a file that the operator writes
        is_used = (here is not None and not is_here) or _as_id(line.key) in self._hidden_there
        key = str(row.id) if is_used else line.key
        return Taken(line, name, key, item.body_hash, row, case, is_here)

    async def _made(self, line: AnyLine) -> tuple[Case, Row]:
        if isinstance(line, CaseLine):
            opened = self._case(line)
            return opened, opened
        case = self._case_of(line)
        row: Incident | Promise | Consultation
        match line:
            case IncidentLine():
                row = self._incident(line, case)
            case PromiseLine():
                row = self._promise(line, case)
            case ConsultationLine():
                row = await self._consultation(line, case)
        try:
            self._rooms[case.id].take(row)
        except CaseFull as error:
            raise NotTaken("/case", error.detail) from error
        return case, row

    # ---------------------------------------------------------------------------- one of each

    def _case(self, line: CaseLine) -> Case:
        tx, data = self._tx, line.data
        if line.clinician is None and data.clinician_id is None:
            raise NotTaken("/clinician", NEEDED)
        clinician = self._person("clinician", line.clinician, data.clinician_id)
        if clinician is None or not (clinician.is_active and clinician.role in TREATING):
            raise NotTaken("/clinician", NOT_TREATING)
        case = new_case(tx, data, clinician.id, self._by)
        self._void(case, line.history.voided if line.history else None)
        if case.voided_at is None:
            called = [(self._hash(each), data.started_on) for each in spellings(data.client_ref)]
            if any(each in self._references or each in self._memory.references for each in called):
                raise NotTaken("/data", SAME_CASE)
            self._references.add(called[0])
        self._cases[case.id] = case
        tx.add(case)
        return case

    def _case_of(self, line: RecordLine) -> Case:
        known = self._known.get(self._name("case", line.case))
        case_id = known.record_id if known else _as_id(line.case)
        case = self._cases.get(case_id) if case_id else None
        if case is None:
            raise NotTaken(
                "/case",
                "No line of this case has come before; put it above those of its records.",
            )
        if case.purged_at is not None:
            raise NotTaken("/case", "The text of this case was destroyed.")
        if case.voided_at is not None and not self._rights.history:
            raise NotTaken("/case", "This case was voided; nothing more is written to it.")
        return case

    def _incident(self, line: IncidentLine, case: Case) -> Incident:
        data, history = line.data, line.history
        if data.restricted and not self._rights.restricted:
            raise NotTaken(
                "/data/restricted", "This software needs the scope restricted:write for it."
            )
        person = self._person("about", line.about, data.about_user_id)
        if person is None and (line.about or data.about_user_id):
            raise NotTaken("/about", _NO_PERSON)
        about = person.id if person else self._about_by_default(case, data)
        if history is not None and history.about_nobody:
            about = None
        incident = new_incident(
            self._tx, data, case.id, self._by, about=about, restricted=bool(data.restricted)
        )
        if history is not None:
            self._refuse_history()
            self._review(incident, line)
            self._void(incident, history.voided)
        return incident

    def _about_by_default(self, case: Case, body: IncidentCreate) -> UUID | None:
        former = self._former.get(case.id, ())
        return whom_it_is_about(whom_it_may_be_about(former, case.clinician_id, body))

    def _promise(self, line: PromiseLine, case: Case) -> Promise:
        promise = new_promise(self._tx, line.data, case.id, self._by)
        self._void(promise, line.history.voided if line.history else None)
        return promise

    async def _consultation(self, line: ConsultationLine, case: Case) -> Consultation:
        data, history = line.data, line.history or ConsultationHistory()
        if not self._rights.consultations:
            raise NotTaken("/type", "This software needs the scope consultations:create for it.")
        if data.released and not self._rights.history:
            raise NotTaken(
                "/data/released",
                "A person releases a request, after checking that it names nobody.",
            )
        links = {
            "incident_ids": self._links(case, "incident", line.incidents, data.incident_ids),
            "promise_ids": self._links(case, "promise", line.promises, data.promise_ids),
        }
        consultant = await self._consultant(line, case, history.status)
        given = data.model_copy(update={**links, "consultant_id": consultant})
        consultation = new_consultation(self._tx, given, case.id, self._by)
        self._move(consultation, history)
        return consultation

    async def _consultant(
        self, line: ConsultationLine, case: Case, status: ConsultationStatus
    ) -> UUID | None:
        named = line.consultant or line.data.consultant_id
        person = self._person("consultant", line.consultant, line.data.consultant_id)
        if named is None:
            return None
        if person is not None and status in _ANSWERED and person.id != case.clinician_id:
            return person.id
        # one who is still to answer must be able to
        if person is not None and person.is_active:
            user = (await self._tx.exec(select(User).where(User.id == person.id))).one()
            told = None if self._rights.history else Actor(self._by, Role.service, self._by)
            if person.role == Role.consultant or await sees_case(self._tx, user, case, told=told):
                return person.id
        raise NotTaken("/consultant", NOT_TO_BE_CONSULTED)

    def _links(self, case: Case, kind: str, keys: list[str], ids: list[UUID]) -> list[UUID]:
        """Give the ids of the records a request speaks of, each of them of this case."""
        pointer = f"/{kind}s" if keys else f"/data/{kind}_ids"
        found = list(ids)
        for key in keys:
            known = self._known.get(self._name(kind, key))
            if known is None or known.case_id != case.id:
                raise NotTaken(pointer, NOT_OF_THE_CASE)
            found.append(known.record_id)
        for row_id in found:
            linked = self._linked.get(row_id)
            hidden = row_id in self._memory.hidden
            # what a dry run made before is not in the database
            if linked is not None or row_id in ids:
                if linked is None or linked.case_id != case.id:
                    raise NotTaken(pointer, NOT_OF_THE_CASE)
                hidden = linked.is_hidden
            if hidden and not self._rights.history:
                raise NotTaken(pointer, NOT_OF_THE_CASE)
        return found

    # -------------------------------------------------------------------------------- history

    def _refuse_history(self) -> None:
        if not self._rights.history:
            raise NotTaken("/history", "What became of a record is brought in by the operator.")

    def _void(self, row: Case | Incident | Promise, voided: Voided | None) -> None:
        if voided is None:
            return
        self._refuse_history()
        row.voided_at = self._on("/history/voided/on", voided.on)
        row.void_reason = voided.reason
        if isinstance(row, Incident):
            row.status = IncidentStatus.voided

    def _review(self, incident: Incident, line: IncidentLine) -> None:
        review = line.history and line.history.review
        if not review:
            return
        by = self._person("history/review/reviewed_by", review.reviewed_by, None)
        if review.reviewed_by is not None and by is None:
            raise NotTaken("/history/review/reviewed_by", _NO_PERSON)
        incident.status = IncidentStatus.reviewed if review.stands else IncidentStatus.reported
        incident.determination = review.determination
        incident.review_note = review.review_note
        incident.reviewed_at = self._on("/history/review/reviewed_on", review.reviewed_on)
        incident.reviewed_by_id = by.id if by else None

    def _on(self, pointer: str, day: Any) -> datetime:
        if day is None:
            return self._tx.now
        if day > self._tx.today:
            raise NotTaken(pointer, AFTER_TODAY)
        return midnight(day, self._tx.clinic.zone)

    def _move(self, consultation: Consultation, history: ConsultationHistory) -> None:
        """Let a request stand where it stood."""
        status = history.status
        if status not in {_S.draft, _S.requested} or not history.model_fields_set <= {"status"}:
            self._refuse_history()
        told = history.model_fields_set - {"status"}
        told = {name for name in told if getattr(history, name) is not None}
        needed, possible = _TOLD_OF[status]
        for name in sorted(needed - told):
            raise NotTaken(f"/history/{name}", NEEDED)
        for name in sorted(told - needed - possible):
            raise NotTaken(
                f"/history/{name}",
                "This does not go with this status; leave it out, or say the status it goes with.",
            )
        if history.response == AdviceResponse.not_followed and history.response_reason is None:
            raise NotTaken("/history/response_reason", "Say why the advice is not followed.")
        self._refuse_times(history)
        consultation.status = status
        for name in told:
            setattr(consultation, name, getattr(history, name))
        if status == _S.requested and history.requested_at is None:
            consultation.requested_at = self._tx.now
        if consultation.requested_at is not None:
            within = ANSWER_WITHIN[consultation.urgency]
            consultation.due_at = consultation.requested_at + within

    def _refuse_times(self, history: ConsultationHistory) -> None:
        before = None
        for name in ("requested_at", "accepted_at", "completed_at"):
            at = getattr(history, name)
            if at is None:
                continue
            if at > self._tx.now:
                raise NotTaken(f"/history/{name}", "What has happened cannot be dated after now.")
            if before is not None and at < before[1]:
                raise NotTaken(f"/history/{name}", out_of_order(before[0]))
            before = name, at

    # ------------------------------------------------------------------------------- looking up

    def _item(self, line: AnyLine) -> Item:
        said = self._hash(f"said {_escaped(one_text(_written(line)))}")
        return Item(line, self._name(line.type, line.key), said)

    def _says_the_same(self, item: Item, known: Known) -> bool:
        """Tell whether a line says what was taken before, in this Unicode form or another."""
        if known.body_hash == item.body_hash:
            return True
        before = spellings(_written(item.line))[1:]
        return known.body_hash in {self._hash(f"said {_escaped(each)}") for each in before}

    def _name(self, kind: str, key: str) -> Name:
        now, *before = (Name(kind, self._hash(f"called {kind} {each}")) for each in spellings(key))
        self._once |= dict.fromkeys(before, now)
        return now

    def _names_in(self, item: Item) -> Iterator[Name]:
        yield item.name
        line = item.line
        if not isinstance(line, CaseLine):
            yield self._name("case", line.case)
        if isinstance(line, ConsultationLine):
            yield from (self._name("incident", key) for key in line.incidents)
            yield from (self._name("promise", key) for key in line.promises)

    async def _find_known(self, names: set[Name]) -> None:
        for kind, source_hash, *known, by, restricted in await self._ask(
            _KNOWN, {name.source_hash for name in (*names, *self._once)}
        ):
            hidden = self._is_hidden(kind, by, restricted=bool(restricted))
            found = Name(kind, source_hash)
            known_by = self._hidden if hidden else self._known
            if found in self._once:
                known_by.setdefault(self._once[found], Known(*known))
            else:
                known_by[found] = Known(*known)
        await self._find_known_by_sender()
        before = self._memory.known
        for name in names:
            as_kept = self._by_sender(name) if name in self._hidden else name
            if as_kept in before:
                self._known[name] = before[as_kept]

    async def _find_known_by_sender(self) -> None:
        """Look up what who sends the lines has brought in under names that others had taken."""
        own = {self._by_sender(name): name for name in self._hidden}
        for before, name in self._once.items():
            if name in self._hidden:
                own[self._by_sender(before)] = name
        for kind, source_hash, *known, _, _ in await self._ask(
            _KNOWN, {name.source_hash for name in own}
        ):
            self._known[own[Name(kind, source_hash)]] = Known(*known)

    def _by_sender(self, name: Name) -> Name:
        return Name(name.record_type, self._hash(f"{name.source_hash} by {self._by}"))

    def _is_hidden(self, kind: str, by: UUID | None, *, restricted: bool) -> bool:
        """Tell whether a record is hidden from who sends the lines: nothing is from the operator.

        That it is here must show in no answer; what they brought in themselves they know.
        """
        if self._rights.history or by == self._by:
            return False
        return restricted or (kind == "consultation" and not self._rights.consultations)

    async def _find_cases(self, new: Iterable[Item]) -> None:
        ids: set[UUID | None] = set()
        references: set[str] = set()
        for item in new:
            if isinstance(item.line, CaseLine):
                references.update(map(self._hash, spellings(item.line.data.client_ref)))
                continue
            known = self._known.get(self._name("case", item.line.case))
            ids.add(known.record_id if known else _as_id(item.line.case))
        there = {case_id for case_id in ids if case_id is not None}
        for case_id in sorted(there & self._memory.cases.keys()):
            self._tx.add(Case(**self._memory.cases[case_id]))
        for case in await self._ask(_CASES, there):
            self._cases[case.id] = case
        self._former = await former_clinicians(self._tx, list(self._cases))
        self._rooms |= await rooms_of(self._tx, list(self._cases))
        for case_id in there & self._memory.rooms.keys():
            self._rooms[case_id].add(self._memory.rooms[case_id])
        for found in await self._ask(_REFERENCES, references):
            self._references.add(tuple(found))

    async def _find_there(self, new: Iterable[Item]) -> None:
        """A key that is an id may be that of a record of this very clinic, written out."""
        for kind, statement in _THERE.items():
            ids = {_as_id(item.line.key) for item in new if item.line.type == kind}
            for row_id, by, restricted in await self._ask(statement, ids - {None}):
                hidden = self._is_hidden(kind, by, restricted=bool(restricted))
                (self._hidden_there if hidden else self._there).add(row_id)

    async def _find_linked(self, new: Iterable[Item]) -> None:
        lines = [item.line for item in new if isinstance(item.line, ConsultationLine)]
        for kind, statement in _LINKED.items():
            ids: set[UUID] = set()
            for line in lines:
                ids.update(getattr(line.data, f"{kind}_ids"))
                names = (self._name(kind, key) for key in getattr(line, f"{kind}s"))
                ids.update(self._known[name].record_id for name in names if name in self._known)
            for row in await self._ask(statement, ids):
                self._linked[row[0]] = _Linked(row[1], row[2] or row[3])

    async def _ask(self, statement: Any, values: Iterable[Any]) -> list[Any]:
        every, found = sorted(values, key=str), []
        for start in range(0, len(every), _MANY):
            some = {"some": every[start : start + _MANY]}
            found += (await self._tx.exec(statement, some)).all()
        return found

    def _person(self, named: str, email: str | None, person_id: UUID | None) -> _Person | None:
        if email is not None and person_id is not None:
            raise NotTaken(f"/{named}", "Say it once: by address, or by id.")
        return self._people.get(person_id or one_address(email or ""))


_S = ConsultationStatus
_ANSWERED = frozenset({_S.accepted, _S.in_progress, _S.completed})
_ASKED = frozenset({"requested_at"})
_BEGUN = _ASKED | {"accepted_at"}
_TOLD_OF: dict[ConsultationStatus, tuple[frozenset[str], frozenset[str]]] = {
    _S.draft: (frozenset(), frozenset()),
    # it may have been declined before, for a reason
    _S.requested: (frozenset(), _ASKED | {"reason"}),
    _S.declined: (_ASKED | {"reason"}, frozenset()),
    _S.accepted: (_BEGUN, frozenset({"reason"})),
    _S.in_progress: (_BEGUN, frozenset({"reason"})),
    _S.completed: (
        _BEGUN | {"completed_at", "outcome", "advice"},
        frozenset({"reason", "response", "response_reason"}),
    ),
    _S.cancelled: (frozenset({"reason"}), _BEGUN),
}
"""What is told of a request in each status: what must be, and what may be beside it."""


def is_hidden(row: Incident | Promise) -> bool:
    """Tell whether software's requests may not speak of a record."""
    return row.voided_at is not None or (isinstance(row, Incident) and row.restricted)


def _written(line: AnyLine) -> str:
    said = line.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(said, sort_keys=True, ensure_ascii=False)


def _escaped(written: str) -> str:
    """Write JSON in ASCII alone, as the hashes of lines have always had it."""
    return written if written.isascii() else json.dumps(json.loads(written), sort_keys=True)


def _as_id(key: str) -> UUID | None:
    try:
        return UUID(key) if len(key) == 36 else None
    except ValueError:
        return None
