"""What became of a record before it came here: voided, reviewed, a request on its way."""

from datetime import date, datetime
from uuid import UUID

from api.domain.days import AFTER_NOW, AFTER_TODAY, out_of_order
from api.domain.lifecycles import ANSWER_WITHIN
from api.domain.rules.moment import midnight
from api.domain.vocabulary import AdviceResponse, ConsultationStatus, IncidentStatus
from api.http.field_errors import NEEDED
from api.interop.bulk.lines import ConsultationHistory, Review, Voided
from api.interop.bulk.refusals import NotTaken
from api.interop.bulk.sender import Sender
from api.records.create import WHY_NOT_FOLLOWED
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.transaction import Transaction

_S = ConsultationStatus
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


def void(
    tx: Transaction, sender: Sender, row: Case | Incident | Promise, voided: Voided | None
) -> None:
    """Void a record that no longer counts. Raises NotTaken."""
    if voided is None:
        return
    sender.refuse_history()
    row.voided_at = _at_day(tx, "/history/voided/on", voided.on)
    row.void_reason = voided.reason
    if isinstance(row, Incident):
        row.status = IncidentStatus.voided


def review(tx: Transaction, incident: Incident, told: Review, reviewer: UUID | None) -> None:
    """Let an incident be determined as a supervisor did. Raises NotTaken."""
    incident.status = IncidentStatus.reviewed if told.stands else IncidentStatus.reported
    incident.determination = told.determination
    incident.review_note = told.review_note
    incident.reviewed_at = _at_day(tx, "/history/review/reviewed_on", told.reviewed_on)
    incident.reviewed_by_id = reviewer


def _at_day(tx: Transaction, pointer: str, day: date | None) -> datetime:
    if day is None:
        return tx.now
    if day > tx.today:
        raise NotTaken(pointer, AFTER_TODAY)
    return midnight(day, tx.clinic.zone)


def bring_to_status(
    tx: Transaction, sender: Sender, consultation: Consultation, history: ConsultationHistory
) -> None:
    """Let a request stand where it stood. Raises NotTaken where that cannot have been."""
    status = history.status
    if status not in {_S.draft, _S.requested} or not history.model_fields_set <= {"status"}:
        sender.refuse_history()
    told = history.model_fields_set - {"status"}
    told = {name for name in told if getattr(history, name) is not None}
    _refuse_what_does_not_go_together(history, told)
    _refuse_times(tx, history)
    consultation.status = status
    for name in told:
        setattr(consultation, name, getattr(history, name))
    if status == _S.requested and history.requested_at is None:
        consultation.requested_at = tx.now
    if consultation.requested_at is not None:
        within = ANSWER_WITHIN[consultation.urgency]
        consultation.due_at = consultation.requested_at + within


def _refuse_what_does_not_go_together(history: ConsultationHistory, told: set[str]) -> None:
    needed, possible = _TOLD_OF[history.status]
    for name in sorted(needed - told):
        raise NotTaken(f"/history/{name}", NEEDED)
    for name in sorted(told - needed - possible):
        raise NotTaken(
            f"/history/{name}",
            "This does not go with this status; leave it out, or say the status it goes with.",
        )
    if history.response == AdviceResponse.not_followed and history.response_reason is None:
        raise NotTaken("/history/response_reason", WHY_NOT_FOLLOWED)


def _refuse_times(tx: Transaction, history: ConsultationHistory) -> None:
    before = None
    for name in ("requested_at", "accepted_at", "completed_at"):
        at = getattr(history, name)
        if at is None:
            continue
        if at > tx.now:
            raise NotTaken(f"/history/{name}", AFTER_NOW)
        if before is not None and at < before[1]:
            raise NotTaken(f"/history/{name}", out_of_order(before[0]))
        before = name, at
