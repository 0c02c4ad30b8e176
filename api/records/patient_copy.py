"""The copy of a case that is given to a client, for their right of access (45 CFR 164.524).

It is gathered by an allowed list of fields, `patient_copy_schemas`: nothing is taken away from a
fuller view. Restricted incidents, drafts and notes of other classes are not even read.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from api.access.visibility.cases import on_its_case
from api.access.visibility.records import visible_disclosures
from api.domain.permissions.table import Actor
from api.domain.questionnaires import in_words
from api.domain.vocabulary import ConsultationStatus, NoteClass, NoteStatus
from api.records.asked_versions import answers_of, questionnaire_rows, version_answered
from api.records.copied_from_the_door import SaidAtDoor
from api.records.corrections import History, amended_or_voided, changed, earlier_versions
from api.records.patient_copy_schemas import (
    AmendmentCopied,
    AnswerCopied,
    CaseCopy,
    DisclosureCopied,
    NamedPerson,
    NoteCopied,
    People,
    ResponseCopied,
)
from api.storage.models.clinical import Case, Consultation, Incident, Note, Promise
from api.storage.models.disclosures import Disclosure
from api.storage.models.door import Questionnaire, Response
from api.storage.models.people import Clinic, ServiceAccount, User
from api.storage.transaction import Transaction

OF_THE_DOOR = (
    "More may have been sent to the clinic at its clients' door than is in this copy: it may be "
    "asked for from the clinic's privacy officer."
)
"""Every copy says so, whether or not anything was sent."""


async def copy_of(tx: Transaction, me: Actor, case: Case, said: SaidAtDoor) -> CaseCopy:
    """Gather what a client is given of a case, as it is at this moment.

    `said`: what somebody who gives it gives of what came by the door.
    """
    incidents = await _of_case(tx, Incident, case.id, col(Incident.restricted).is_(False))
    promises = await _of_case(tx, Promise, case.id, col(Promise.restricted).is_(False))
    # what was never asked of anybody is a draft
    asked = col(Consultation.status) != ConsultationStatus.draft
    consultations = await _of_case(tx, Consultation, case.id, asked)
    progress = (
        col(Note.note_class) == NoteClass.progress,
        col(Note.status) == NoteStatus.signed,
    )
    notes = await _of_case(tx, Note, case.id, *progress)
    given = await _of_case(tx, Disclosure, case.id, visible_disclosures(tx, me))
    before = await earlier_versions(tx, case)
    replies = said.replies()
    records = (incidents, promises, consultations, notes, given, replies)
    people = await _people(tx, case, *records, *before)
    clinic = (await tx.exec(select(col(Clinic.name)).where(Clinic.id == tx.clinic.id))).one()
    history = History(before, people)
    copy = CaseCopy(
        clinic=clinic,
        exported_at=tx.now,
        case=history.case(case),
        incidents=[history.incident(row) for row in _standing(incidents, "occurred_on")],
        promises=[history.promise(row) for row in _standing(promises, "made_on")],
        consultations=[history.consultation(row) for row in consultations],
        notes=_notes(notes, people),
        responses=await _responses(tx, said.responses),
        accounts=said.accounts_copied(people),
        corrections=[],
        disclosures=[_disclosure(row, people) for row in given],
        door=OF_THE_DOOR,
    )
    corrections = [*changed(copy), *amended_or_voided(incidents, promises, notes)]
    corrections.sort(key=lambda each: (each.at, each.id))
    return copy.model_copy(update={"corrections": corrections})


async def _of_case(tx: Transaction, model: Any, case_id: UUID, *wanted: Any) -> list[Any]:
    """Give the records of a case, the oldest first."""
    statement = select(model).join(Case, on_its_case(model))
    found = statement.where(model.case_id == case_id, *wanted).order_by(model.id)
    return list(await tx.exec(found))


async def _people(tx: Transaction, case: Case, *records: list[Any]) -> People:
    """Give everybody who is named in these records, by id."""
    rows = [case, *(row for several in records for row in several)]
    names = ("recorded_by_id", "about_user_id", "consultant_id", "clinician_id")
    ids = {getattr(row, name, None) for row in rows for name in names}
    people: People = {}
    for model in (User, ServiceAccount):
        statement = select(col(model.id), col(model.name)).where(col(model.id).in_(ids - {None}))
        for row_id, name in await tx.exec(statement):
            people[row_id] = NamedPerson(id=row_id, name=name)
    return people


def _standing(rows: Iterable[Any], day: str) -> list[Any]:
    """Leave out what was voided; the rest in the order in which it happened."""
    stand = [row for row in rows if row.voided_at is None]
    return sorted(stand, key=lambda row: (getattr(row, day), row.id))


def _notes(rows: list[Note], people: People) -> list[NoteCopied]:
    """Show signed notes, each with what was added to it later."""
    shown: dict[UUID, NoteCopied] = {}
    for row in _standing(rows, "signed_at"):
        author = people.get(row.recorded_by_id)
        fields = {"id": row.id, "signed_at": row.signed_at, "author": author, "body": row.body}
        if row.amends_id is None:
            shown[row.id] = NoteCopied(**fields, amendments=[])
        elif row.amends_id in shown:
            shown[row.amends_id].amendments.append(AmendmentCopied(**fields))
    return list(shown.values())


async def _responses(tx: Transaction, rows: Sequence[Response]) -> list[ResponseCopied]:
    """Show what was answered, in the first language that it was asked in."""
    versions = await questionnaire_rows(tx, {row.questionnaire_id for row in rows})
    return [_response(row, versions) for row in _standing(rows, "answered_on")]


def _response(row: Response, versions: Sequence[Questionnaire]) -> ResponseCopied:
    asked = version_answered(row, versions)
    texts = asked.body.texts.said()[asked.body.languages[0]]
    answers = answers_of(row)
    told = [(item, answers.get(item.link_id)) for item in asked.body.items()]
    said = {each.link_id: each for each in texts.items}
    return ResponseCopied(
        id=row.id,
        answered_on=row.answered_on,
        by=row.by,
        title=texts.title,
        answers=[
            AnswerCopied(asked=said[item.link_id].asks, answer=in_words(value, said[item.link_id]))
            for item, value in told
            if value is not None
        ],
    )


def _disclosure(row: Disclosure, people: People) -> DisclosureCopied:
    return DisclosureCopied.model_validate(
        {**row.__dict__, "at": row.created_at, "given_by": people.get(row.recorded_by_id)}
    )
