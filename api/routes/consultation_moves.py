"""What becomes of a consultation request: asked, accepted or declined, answered, responded to."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from sqlmodel import col, select

from api.access.authentication import Me
from api.access.guards import OpenRecord, consultation_for
from api.domain.errors import Conflict, Forbidden, Invalid, NotFound
from api.domain.lifecycles import ANSWER_WITHIN, may_move
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import why_not_respond
from api.domain.permissions.table import Actor
from api.domain.values import Input, Text
from api.domain.vocabulary import AdviceResponse, ConsultationOutcome, ConsultationStatus
from api.http.entity_tags import etag
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening
from api.records.consultations_shown import ConsultationWritten, write_down
from api.records.create import WHY_NOT_FOLLOWED
from api.records.deidentified_brief import ConsultationBrief, brief_of
from api.storage.models.clinical import Consultation, Decline
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["consultations"], route_class=StrictRoute)

Found = OpenRecord[Consultation]


class Nothing(Input):
    """An empty object: the move needs nothing more."""


class Reason(Input):
    """Why."""

    reason: Text


class Advice(Input):
    """What the consultant advises."""

    outcome: ConsultationOutcome
    advice: Text


class AdviceAnswer(Input):
    """What the requester makes of the advice. Not following it needs a reason."""

    response: AdviceResponse
    reason: Text | None = None


@router.post("/consultations/{consultation_id}/request")
async def request_consultation(
    found: Annotated[Found, Depends(consultation_for(Action.consultation_request))],
    me: Me,
    tx: Tx,
    response: Response,
    body: Nothing | None = None,  # noqa: ARG001 - an empty object is welcome
) -> ConsultationWritten:
    """Send a draft, or send a declined request again."""
    changes = {
        "requested_at": tx.now,
        "due_at": tx.now + ANSWER_WITHIN[found.row.urgency],
        # why it was declined before is in the version of then
        "reason": None,
    }
    _move(tx, found.row, ConsultationStatus.requested, changes)
    return await _written(tx, me, found, response, Happening.consultation_requested)


@router.post("/consultations/{consultation_id}/accept")
async def accept_consultation(
    found: Annotated[Found, Depends(consultation_for(Action.consultation_accept))],
    me: Me,
    tx: Tx,
    response: Response,
    body: Nothing | None = None,  # noqa: ARG001 - as above
) -> ConsultationWritten | ConsultationBrief:
    """Agree to answer a request."""
    _for_another_clinician(me, found.row)
    changes = {"consultant_id": me.id, "accepted_at": tx.now}
    _move(tx, found.row, ConsultationStatus.accepted, changes)
    return await _answered(tx, me, found, response, Happening.consultation_accepted)


@router.post("/consultations/{consultation_id}/decline")
async def decline_consultation(
    body: Reason,
    found: Annotated[Found, Depends(consultation_for(Action.consultation_decline))],
    me: Me,
    tx: Tx,
    response: Response,
) -> ConsultationWritten | ConsultationBrief:
    """Say no to a request, with a reason. It may be requested again.

    Where any consultant was asked, it is gone for the one who declines, and stays for the others.
    """
    _for_another_clinician(me, found.row)
    if found.standing.consulting and found.row.consultant_id is None:
        await _refuse_who_declined(tx, me, found.row)
        # the others who were asked still may answer
        tx.add(_decline(tx, me, found.row, body.reason))
    else:
        _move(tx, found.row, ConsultationStatus.declined, {"reason": body.reason})
    return await _answered(tx, me, found, response, Happening.consultation_declined)


@router.post("/consultations/{consultation_id}/start")
async def start_consultation(
    found: Annotated[Found, Depends(consultation_for(Action.consultation_start))],
    me: Me,
    tx: Tx,
    response: Response,
    body: Nothing | None = None,  # noqa: ARG001 - as above
) -> ConsultationWritten | ConsultationBrief:
    """Say that the first contact was made."""
    _for_its_consultant(me, found.row)
    _move(tx, found.row, ConsultationStatus.in_progress, {})
    return await _answered(tx, me, found, response, Happening.consultation_started)


@router.post("/consultations/{consultation_id}/complete")
async def complete_consultation(
    body: Advice,
    found: Annotated[Found, Depends(consultation_for(Action.consultation_complete))],
    me: Me,
    tx: Tx,
    response: Response,
) -> ConsultationWritten | ConsultationBrief:
    """Give the advice, and end the consultation."""
    _for_its_consultant(me, found.row)
    changes = {"outcome": body.outcome, "advice": body.advice, "completed_at": tx.now}
    _move(tx, found.row, ConsultationStatus.completed, changes)
    return await _answered(tx, me, found, response, Happening.consultation_completed)


@router.post("/consultations/{consultation_id}/cancel")
async def cancel_consultation(
    body: Reason,
    found: Annotated[Found, Depends(consultation_for(Action.consultation_cancel))],
    me: Me,
    tx: Tx,
    response: Response,
) -> ConsultationWritten:
    """Withdraw an unfinished request, with a reason."""
    _move(tx, found.row, ConsultationStatus.cancelled, {"reason": body.reason})
    return await _written(tx, me, found, response, Happening.consultation_cancelled)


@router.post("/consultations/{consultation_id}/respond")
async def respond_to_advice(
    body: AdviceAnswer,
    found: Annotated[Found, Depends(consultation_for(Action.consultation_respond))],
    me: Me,
    tx: Tx,
    response: Response,
) -> ConsultationWritten:
    """Say whether the advice was followed. Not following it needs a reason."""
    if refusal := why_not_respond(me, found.row.consultant_id):
        raise Forbidden(refusal)
    if found.row.status != ConsultationStatus.completed:
        raise Conflict("There is no advice yet to respond to.")
    if body.response == AdviceResponse.not_followed and body.reason is None:
        raise Invalid("/reason", WHY_NOT_FOLLOWED)
    found.row.change({"response": body.response, "response_reason": body.reason}, tx.now)
    return await _written(tx, me, found, response, Happening.consultation_answered)


async def _refuse_who_declined(tx: Transaction, me: Actor, asked: Consultation) -> None:
    """Raise 404 for who declined while this request waited for the lock on the row."""
    declined = await tx.exec(
        select(col(Decline.id)).where(Decline.consultation_id == asked.id, Decline.user_id == me.id)
    )
    if declined.first() is not None:
        raise NotFound


def _decline(tx: Transaction, me: Actor, asked: Consultation, reason: str) -> Decline:
    return Decline(
        clinic_id=tx.clinic.id,
        case_id=asked.case_id,
        consultation_id=asked.id,
        user_id=me.id,
        reason=reason,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )


def _for_another_clinician(me: Actor, consultation: Consultation) -> None:
    if consultation.recorded_by_id == me.id:
        raise Forbidden("Nobody answers what they asked themselves.")
    if consultation.consultant_id not in {None, me.id}:
        raise Forbidden("Somebody else was asked.")


def _for_its_consultant(me: Actor, consultation: Consultation) -> None:
    _for_another_clinician(me, consultation)
    if consultation.consultant_id is None:
        raise Conflict("Accept the request first.")


def _move(
    tx: Transaction,
    consultation: Consultation,
    to: ConsultationStatus,
    changes: dict[str, Any],
) -> None:
    if not may_move(consultation.status, to):
        raise Conflict(
            f"A consultation that is {consultation.status.replace('_', ' ')} "
            f"cannot become {to.replace('_', ' ')}."
        )
    consultation.change({**changes, "status": to}, tx.now)


async def _written(
    tx: Transaction, me: Actor, found: Found, response: Response, happening: Happening
) -> ConsultationWritten:
    """Journal a move, and show the request after it."""
    response.headers["ETag"] = etag(found.row.version)
    return await write_down(tx, me, found, happening)


async def _answered(
    tx: Transaction, me: Actor, found: Found, response: Response, happening: Happening
) -> ConsultationWritten | ConsultationBrief:
    """Journal what who was asked did, and show it to them as they may see it."""
    written = await _written(tx, me, found, response, happening)
    return await brief_of(tx, found.row, found.case) if found.standing.consulting else written
