"""Journals an import: the entries that each record would have left at its own door."""

from uuid import UUID

from api.domain.vocabulary import ConsultationStatus
from api.interop.bulk.take_line import Taken
from api.journal.entries import Happening, record, record_row
from api.storage.models.clinical import Consultation, Incident
from api.storage.transaction import Transaction

_OF_STATUS = {
    ConsultationStatus.requested: (Happening.consultation_requested,),
    ConsultationStatus.declined: (
        Happening.consultation_requested,
        Happening.consultation_declined,
    ),
    ConsultationStatus.accepted: (
        Happening.consultation_requested,
        Happening.consultation_accepted,
    ),
    ConsultationStatus.in_progress: (
        Happening.consultation_requested,
        Happening.consultation_accepted,
        Happening.consultation_started,
    ),
    ConsultationStatus.completed: (
        Happening.consultation_requested,
        Happening.consultation_accepted,
        Happening.consultation_started,
        Happening.consultation_completed,
    ),
    ConsultationStatus.cancelled: (Happening.consultation_cancelled,),
}
_FIRST = {
    "case": Happening.case_opened,
    "incident": Happening.incident_reported,
    "promise": Happening.promise_recorded,
    "consultation": Happening.consultation_drafted,
}
_VOIDED = {
    "case": Happening.case_voided,
    "incident": Happening.incident_voided,
    "promise": Happening.promise_voided,
}


def record_line(tx: Transaction, made: Taken, *, actor_id: UUID) -> None:
    """Write the entries of a line that became a row."""
    for happening in _happenings(made):
        record_row(tx, happening, made.row, actor_id=actor_id)


def record_import(
    tx: Transaction, happening: Happening, import_id: UUID, *, actor_id: UUID
) -> None:
    """Write that an import was begun, finished or broken off."""
    record(tx, happening, actor_id=actor_id, record_type="import", record_ids=[import_id])


def _happenings(made: Taken) -> list[Happening]:
    """Name what a line tells of, as the doors would have journalled it one by one."""
    row, kind = made.row, made.line.type
    told = [_FIRST[kind]]
    if isinstance(row, Consultation):
        told += _OF_STATUS.get(row.status, ())
        if row.response is not None:
            told.append(Happening.consultation_answered)
        return told
    if isinstance(row, Incident) and row.reviewed_at is not None:
        told.append(Happening.incident_reviewed)
    if row.voided_at is not None:
        told.append(_VOIDED[kind])
    return told
