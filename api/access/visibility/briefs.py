"""Which requests for consultation reach a consultant, who sees no case."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlmodel import col

from api.access.visibility.links_and_grants import conflicted
from api.domain.vocabulary import ConsultationStatus
from api.storage.models.clinical import Case, Consultation, Decline


def open_briefs(me: Any, now: Any, since: Any) -> ColumnElement[bool]:
    """Say in SQL which requests a consultant may read the brief of; values or placeholders.

    Only what a person released: while it is asked of them, or of any, and they have not declined;
    then while they are its consultant. Both expire, `since` is when.
    """
    asked, clinic = col(Consultation.consultant_id), col(Consultation.clinic_id)
    declined = exists().where(
        col(Decline.clinic_id) == clinic,
        col(Decline.consultation_id) == Consultation.id,
        col(Decline.user_id) == me,
    )
    offered = and_(
        col(Consultation.status) == ConsultationStatus.requested,
        or_(asked.is_(None), asked == me),
        col(Consultation.requested_at) > since,
        ~declined,
    )
    held = and_(
        col(Consultation.status).in_((ConsultationStatus.accepted, ConsultationStatus.in_progress)),
        asked == me,
        col(Consultation.accepted_at) > since,
    )
    return and_(
        col(Consultation.released),
        or_(col(Consultation.recorded_by_id).is_(None), col(Consultation.recorded_by_id) != me),
        or_(offered, held),
        col(Case.voided_at).is_(None),
        ~conflicted(clinic, me, now),
    )
