"""Turns the lines of an import into rows, or says why not: what its record's door would say."""

from dataclasses import dataclass
from uuid import UUID

from sqlmodel import select

from api.access.visibility.colleagues import sees_case
from api.domain.bodies import IncidentCreate
from api.domain.errors import CaseFull, Invalid
from api.domain.lifecycles import CASE_PURGED, CASE_VOIDED
from api.domain.permissions.case_rules import A_PERSON_RELEASES
from api.domain.permissions.table import CONSULTING, TREATING, Actor
from api.domain.tenures import whom_it_is_about, whom_it_may_be_about
from api.domain.vocabulary import ConsultationStatus
from api.http.field_errors import NEEDED
from api.interop.bulk.batch_lookup import BatchLookup
from api.interop.bulk.dry_run import Row
from api.interop.bulk.history import bring_to_status, review, void
from api.interop.bulk.lines import (
    AnyLine,
    CaseLine,
    ConsultationHistory,
    ConsultationLine,
    IncidentLine,
    PromiseLine,
    RecordLine,
    Review,
)
from api.interop.bulk.refusals import NotTaken
from api.interop.bulk.sender import Sender
from api.interop.bulk.source_keys import HashedLine, Name
from api.records.create import (
    NOT_A_PERSON,
    NOT_OF_THE_CASE,
    NOT_TO_BE_CONSULTED,
    NOT_TREATING,
    SAME_CASE,
    new_case,
    new_consultation,
    new_incident,
    new_promise,
)
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.people import User
from api.storage.transaction import Transaction

_OTHER_CONTENT = (
    "This key came before, with other content: an import changes no record; take another key."
)
_ANSWERED = frozenset(
    {ConsultationStatus.accepted, ConsultationStatus.in_progress, ConsultationStatus.completed}
)


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


class Taking:
    """Takes the lines of one batch, in one transaction, by what was looked up for them."""

    def __init__(self, tx: Transaction, sender: Sender, found: BatchLookup) -> None:
        self._tx, self._sender, self._found = tx, sender, found

    async def take(self, hashed: HashedLine) -> Taken | None:
        """Make the row of a line; None: it was taken before. Raises NotTaken."""
        line, found = hashed.line, self._found
        if (known := found.known.get(hashed.name)) is not None:
            if not found.keys.says_the_same(hashed, known.body_hash):
                raise NotTaken("/key", _OTHER_CONTENT)
            return None
        if found.is_here(line.key):
            raise NotTaken("/key", "This is the id of a record that is here already.")
        try:
            case, row = await self._made(line)
        except Invalid as error:
            wrong = (error.errors or [])[0]
            raise NotTaken(f"/data{wrong.pointer}", wrong.message) from error
        return self._named(hashed, case, row)

    def _named(self, hashed: HashedLine, case: Case, row: Row) -> Taken:
        """Call a row what its line says, or as its sender's own where another has that name."""
        found, line = self._found, hashed.line
        here = found.hidden.get(hashed.name)
        is_here = here is not None and found.keys.says_the_same(hashed, here.body_hash)
        if here is not None and is_here:
            row.id = here.record_id
        found.add(hashed, case, row)
        name = hashed.name if here is None else found.keys.by_sender(hashed.name)
        # two records never have one key in a file that the operator writes
        is_used = (here is not None and not is_here) or found.is_here_and_hidden(line.key)
        key = str(row.id) if is_used else line.key
        return Taken(line, name, key, hashed.body_hash, row, case, is_here)

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
            self._found.rooms[case.id].take(row)
        except CaseFull as error:
            raise NotTaken("/case", error.detail) from error
        return case, row

    def _case(self, line: CaseLine) -> Case:
        tx, data = self._tx, line.data
        if line.clinician is None and data.clinician_id is None:
            raise NotTaken("/clinician", NEEDED)
        clinician = self._found.person("clinician", line.clinician, data.clinician_id)
        if clinician is None or not (clinician.is_active and clinician.role in TREATING):
            raise NotTaken("/clinician", NOT_TREATING)
        case = new_case(tx, data, clinician.id, self._sender.id)
        void(tx, self._sender, case, line.history.voided if line.history else None)
        if case.voided_at is None:
            if self._found.has_reference(data.client_ref, data.started_on):
                raise NotTaken("/data", SAME_CASE)
            self._found.add_reference(data.client_ref, data.started_on)
        self._found.cases[case.id] = self._found.unwritten[case.id] = case
        return case

    def _case_of(self, line: RecordLine) -> Case:
        case = self._found.case_of(line.case)
        if case is None:
            raise NotTaken(
                "/case",
                "No line of this case has come before; put it above those of its records.",
            )
        if case.purged_at is not None:
            raise NotTaken("/case", CASE_PURGED)
        if case.voided_at is not None and not self._sender.rights.history:
            raise NotTaken("/case", CASE_VOIDED)
        return case

    def _incident(self, line: IncidentLine, case: Case) -> Incident:
        data, history = line.data, line.history
        self._refuse_to_hide("/data/restricted", data.restricted)
        person = self._found.person("about", line.about, data.about_user_id)
        if person is None and (line.about or data.about_user_id):
            raise NotTaken("/about", NOT_A_PERSON)
        about = person.id if person else self._about_by_default(case, data)
        if history is not None and history.about_nobody:
            about = None
        incident = new_incident(
            self._tx, data, case.id, self._sender.id, about=about, restricted=bool(data.restricted)
        )
        if history is not None:
            self._sender.refuse_history()
            if history.review is not None:
                review(self._tx, incident, history.review, self._reviewer(history.review))
            void(self._tx, self._sender, incident, history.voided)
        return incident

    def _refuse_to_hide(self, pointer: str, restricted: bool | None) -> None:  # noqa: FBT001
        if restricted and not self._sender.rights.restricted:
            raise NotTaken(pointer, "This software needs the scope restricted:write for it.")

    def _about_by_default(self, case: Case, body: IncidentCreate) -> UUID | None:
        former = self._found.former.get(case.id, ())
        return whom_it_is_about(whom_it_may_be_about(former, case.clinician_id, body))

    def _reviewer(self, told: Review) -> UUID | None:
        by = self._found.person("history/review/reviewed_by", told.reviewed_by, None)
        if told.reviewed_by is not None and by is None:
            raise NotTaken("/history/review/reviewed_by", NOT_A_PERSON)
        return by.id if by else None

    def _promise(self, line: PromiseLine, case: Case) -> Promise:
        self._refuse_to_hide("/restricted", line.restricted)
        promise = new_promise(
            self._tx, line.data, case.id, self._sender.id, restricted=line.restricted
        )
        void(self._tx, self._sender, promise, line.history.voided if line.history else None)
        return promise

    async def _consultation(self, line: ConsultationLine, case: Case) -> Consultation:
        data, history = line.data, line.history or ConsultationHistory()
        if not self._sender.rights.consultations:
            raise NotTaken("/type", "This software needs the scope consultations:create for it.")
        if data.released and not self._sender.rights.history:
            raise NotTaken(
                "/data/released",
                A_PERSON_RELEASES,
            )
        links = {
            "incident_ids": self._links(case, "incident", line.incidents, data.incident_ids),
            "promise_ids": self._links(case, "promise", line.promises, data.promise_ids),
        }
        consultant = await self._consultant(line, case, history.status)
        given = data.model_copy(update={**links, "consultant_id": consultant})
        consultation = new_consultation(self._tx, given, case.id, self._sender.id)
        bring_to_status(self._tx, self._sender, consultation, history)
        return consultation

    async def _consultant(
        self, line: ConsultationLine, case: Case, status: ConsultationStatus
    ) -> UUID | None:
        named = line.consultant or line.data.consultant_id
        person = self._found.person("consultant", line.consultant, line.data.consultant_id)
        if named is None:
            return None
        if person is not None and status in _ANSWERED and person.id != case.clinician_id:
            return person.id
        # one who is still to answer must be able to
        if person is not None and person.is_active:
            can = person.role in CONSULTING or await self._sees(person.id, case)
            if can:
                return person.id
        raise NotTaken("/consultant", NOT_TO_BE_CONSULTED)

    async def _sees(self, person_id: UUID, case: Case) -> bool:
        tx, sender = self._tx, self._sender
        if (unwritten := self._found.unwritten.pop(case.id, None)) is not None:
            # the database is asked about it
            tx.add(unwritten)
        user = (await tx.exec(select(User).where(User.id == person_id))).one()
        told = None if sender.rights.history else Actor.of_software(sender.id, sender.id)
        return await sees_case(tx, user, case, told=told)

    def _links(self, case: Case, kind: str, keys: list[str], ids: list[UUID]) -> list[UUID]:
        """Give the ids of the records a request speaks of, each of them of this case."""
        pointer = f"/{kind}s" if keys else f"/data/{kind}_ids"
        found = list(ids)
        for key in keys:
            known = self._found.record_known_as(kind, key)
            if known is None or known.case_id != case.id:
                raise NotTaken(pointer, NOT_OF_THE_CASE)
            found.append(known.record_id)
        for row_id in found:
            linked = self._found.linked.get(row_id)
            # what a dry run made before is not in the database
            hidden = self._found.was_undone_and_hidden(row_id)
            if linked is not None or row_id in ids:
                if linked is None or linked.case_id != case.id:
                    raise NotTaken(pointer, NOT_OF_THE_CASE)
                hidden = linked.is_hidden
            if hidden and not self._sender.rights.history:
                raise NotTaken(pointer, NOT_OF_THE_CASE)
        return found
