"""Consultation requests: asking another clinician, and their whole life cycle."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select

from api.access import (
    IfMatch,
    OpenRecord,
    case_for,
    check_version,
    consultation_for,
    etag,
    may_on_cases,
)
from api.brief import ConsultationBrief, brief_of, briefs_of
from api.case_files import add_record
from api.db import Transaction, Tx
from api.domain.bodies import ConsultationCreate, LinkedIds
from api.domain.facts import midnight
from api.domain.lifecycles import (
    ANSWER_WITHIN,
    BRIEF_LASTS,
    EDITABLE_CONSULTATION,
    may_move,
)
from api.domain.permissions import Action, Actor, Standing, may_ever, purpose_of
from api.domain.values import Day, Input, Instant, Text, YesNo, absent
from api.errors import Conflict, Forbidden, Invalid, NotFound
from api.flagging import reconcile_flags
from api.identity import Me
from api.intake import StrictRoute
from api.journal import Happening, record, record_shown
from api.making import links_as_stored, new_consultation
from api.models import Case, Consultation, Decline, Incident, Promise, User
from api.pages import Marks, Page, PageQuery, newest_first
from api.sight import on_its_case, open_briefs, sees_case, visible_cases, visible_incidents
from api.standing import OpenCase
from api.views import FlagRead, RecordRead, flags_raised
from api.vocabulary import (
    AdviceResponse,
    ConsultationKind,
    ConsultationOutcome,
    ConsultationStatus,
    ConsultationUrgency,
    Role,
)

router = APIRouter(prefix="/v1", tags=["consultations"], route_class=StrictRoute)

Found = OpenRecord[Consultation]


class ConsultationPatch(Input):
    """A change to a request that nobody has accepted yet."""

    kind: ConsultationKind = absent()
    urgency: ConsultationUrgency = absent()
    question: Text = absent()
    summary: Text | None = None
    released: YesNo = absent()
    incident_ids: LinkedIds = absent()
    promise_ids: LinkedIds = absent()
    consultant_id: UUID | None = None


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


class ConsultationRead(RecordRead):
    """A request for another clinician's view.

    `question` is null for software without `narrative:read`.
    """

    case_id: UUID
    kind: ConsultationKind
    urgency: ConsultationUrgency
    question: str | None
    summary: str | None
    released: bool
    incident_ids: list[UUID]
    promise_ids: list[UUID]
    consultant_id: UUID | None
    status: ConsultationStatus
    requested_at: datetime | None
    due_at: datetime | None
    accepted_at: datetime | None
    completed_at: datetime | None
    reason: str | None
    outcome: ConsultationOutcome | None
    advice: str | None
    response: AdviceResponse | None
    response_reason: str | None


class ConsultationWritten(ConsultationRead):
    """A consultation after a write, with the flags the write opened or worsened."""

    flags_raised: list[FlagRead]


class ConsultationQuery(PageQuery):
    """Which consultations."""

    status: ConsultationStatus | None = None
    kind: ConsultationKind | None = None
    from_: Day | None = Field(default=None, alias="from", description="Requested on or after.")
    to: Day | None = Field(default=None, description="Requested on or before.")
    updated_since: Instant | None = None


class ConsultationAcrossQuery(ConsultationQuery):
    """Which consultations, across cases."""

    clinician_id: UUID | None = None
    consultant_id: UUID | None = None


@router.get("/cases/{case_id}/consultations")
async def list_consultations_of_case(
    query: Annotated[ConsultationQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.consultation_list))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[ConsultationRead]:
    """List the consultations of a case, newest first."""
    wanted = [col(Consultation.case_id) == found.row.id, *_filters(tx, query)]
    statement = _consultations(tx, wanted)
    listing = f"consultations/{found.row.id}"
    rows, following = await newest_first(tx, marks, listing, query, statement, Consultation)
    _record_shown(tx, me, rows, found.standing)
    return Page(items=[ConsultationRead.model_validate(row) for row in rows], next=following)


@router.get("/consultations")
async def list_consultations(
    query: Annotated[ConsultationAcrossQuery, Query()],
    me: Annotated[Actor, Depends(may_on_cases(Action.consultation_list))],
    marks: Marks,
    tx: Tx,
) -> Page[ConsultationRead | ConsultationBrief]:
    """List consultations across the cases you may see, newest first; briefs for consultants."""
    wanted = [_reaching(tx, me, query), *_filters(tx, query)]
    if query.clinician_id is not None:
        wanted.append(col(Case.clinician_id) == query.clinician_id)
    if query.consultant_id is not None:
        wanted.append(col(Consultation.consultant_id) == query.consultant_id)
    statement = _consultations(tx, wanted)
    rows, following = await newest_first(tx, marks, "consultations", query, statement, Consultation)
    _record_shown(tx, me, rows)
    return Page(items=await _items(tx, me, rows), next=following)


@router.post("/cases/{case_id}/consultations", status_code=201)
async def draft_consultation(
    body: ConsultationCreate,
    found: Annotated[OpenCase, Depends(case_for(Action.consultation_draft))],
    me: Me,
    tx: Tx,
    response: Response,
) -> ConsultationWritten:
    """Draft a consultation request on your case.

    A case takes 5,000 records, and 1,000 restricted incidents beside them: 409 beyond.
    """
    _refuse_release_by_software(me, body)
    await _refuse_unknown_links(tx, me, found.row, body.incident_ids, body.promise_ids)
    await _refuse_who_cannot_answer(tx, body.consultant_id, found.row)
    consultation = new_consultation(tx, body, found.row.id, me.id)
    await add_record(tx, found.row, consultation)
    response.headers["Location"] = f"/v1/consultations/{consultation.id}"
    opened = OpenRecord(consultation, found.row, found.standing)
    return await _written(tx, me, opened, response, Happening.consultation_drafted)


@router.get("/consultations/{consultation_id}")
async def read_consultation(
    found: Annotated[Found, Depends(consultation_for(Action.consultation_read))],
    me: Me,
    tx: Tx,
    response: Response,
) -> ConsultationRead | ConsultationBrief:
    """Read one consultation; a consultant reads its brief."""
    response.headers["ETag"] = etag(found.row.version)
    _record_shown(tx, me, [found.row], found.standing)
    if found.standing.consulting:
        return await brief_of(tx, found.row, found.case)
    return ConsultationRead.model_validate(found.row)


@router.patch("/consultations/{consultation_id}")
async def change_consultation(
    body: ConsultationPatch,
    found: Annotated[Found, Depends(consultation_for(Action.consultation_change))],
    me: Me,
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> ConsultationWritten:
    """Change a request that nobody has accepted yet."""
    consultation = found.row
    check_version(consultation.version, if_match)
    if consultation.status not in EDITABLE_CONSULTATION:
        raise Conflict("This request was accepted or ended; it is no longer changed.")
    changes = links_as_stored(body.model_dump(include=body.model_fields_set))
    _refuse_release_by_software(me, body)
    if me.is_software and not changes.keys().isdisjoint({"question", "summary"}):
        # what a person released were the words that stood there before
        changes["released"] = False
    await _refuse_unknown_links(
        tx,
        me,
        found.case,
        map(UUID, changes.get("incident_ids", ())),
        map(UUID, changes.get("promise_ids", ())),
    )
    await _refuse_who_cannot_answer(tx, changes.get("consultant_id"), found.case)
    if consultation.requested_at is not None and "urgency" in changes:
        changes["due_at"] = consultation.requested_at + ANSWER_WITHIN[changes["urgency"]]
    if changes:
        consultation.change(changes, tx.now)
    return await _written(
        tx, me, found, response, Happening.consultation_changed, body.model_fields_set
    )


@router.post("/consultations/{consultation_id}/request")
async def request_consultation(
    found: Annotated[Found, Depends(consultation_for(Action.consultation_request))],
    me: Me,
    tx: Tx,
    response: Response,
    body: Nothing | None = None,  # noqa: ARG001 - an empty object is welcome
) -> ConsultationWritten:
    """Send a draft, or send a declined request again."""
    changes = {"requested_at": tx.now, "due_at": tx.now + ANSWER_WITHIN[found.row.urgency]}
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
    if found.row.status != ConsultationStatus.completed:
        raise Conflict("There is no advice yet to respond to.")
    if body.response == AdviceResponse.not_followed and body.reason is None:
        raise Invalid("/reason", "Say why the advice is not followed.")
    found.row.change({"response": body.response, "response_reason": body.reason}, tx.now)
    return await _written(tx, me, found, response, Happening.consultation_answered)


def _filters(tx: Transaction, query: ConsultationQuery) -> Iterator[ColumnElement[bool]]:
    yield col(Case.voided_at).is_(None)
    if query.status is not None:
        yield col(Consultation.status) == query.status
    if query.kind is not None:
        yield col(Consultation.kind) == query.kind
    if query.from_ is not None:
        yield col(Consultation.requested_at) >= midnight(query.from_, tx.clinic.zone)
    if query.to is not None:
        end = midnight(query.to + timedelta(days=1), tx.clinic.zone)
        yield col(Consultation.requested_at) < end
    if query.updated_since is not None:
        yield col(Consultation.updated_at) >= query.updated_since


def _reaching(tx: Transaction, me: Actor, query: ConsultationAcrossQuery) -> ColumnElement[bool]:
    """Say in SQL which requests reach somebody: those on cases they see, and as a consultant."""
    seen = visible_cases(tx, me)
    # whose client it is would show by asking for one clinician after the other
    if may_ever(me, Action.consultation_draft) or query.clinician_id is not None:
        return seen
    if me.is_software:
        return seen
    return or_(seen, open_briefs(me.id, tx.now, tx.now - BRIEF_LASTS))


def _consultations(tx: Transaction, wanted: Iterable[ColumnElement[bool]]) -> Any:
    return (
        select(Consultation)
        .join(Case, on_its_case(Consultation))
        .where(col(Consultation.clinic_id) == tx.clinic.id, *wanted)
    )


async def _items(
    tx: Transaction, me: Actor, rows: Sequence[Consultation]
) -> list[ConsultationRead | ConsultationBrief]:
    """Show consultations in full, and as briefs where the reader is asked from outside."""
    if may_ever(me, Action.consultation_draft) or me.is_software:
        return [ConsultationRead.model_validate(row) for row in rows]
    ids = {row.case_id for row in rows}
    cases = {case.id: case for case in await tx.exec(select(Case).where(col(Case.id).in_(ids)))}
    outside = [
        (row, cases[row.case_id]) for row in rows if cases[row.case_id].clinician_id != me.id
    ]
    briefs = {brief.id: brief for brief in await briefs_of(tx, outside)}
    return [briefs.get(row.id) or ConsultationRead.model_validate(row) for row in rows]


def _record_shown(
    tx: Transaction, me: Actor, rows: Iterable[Consultation], standing: Standing | None = None
) -> None:
    record_shown(
        tx,
        Happening.consultation_read,
        rows,
        actor_id=me.id,
        record_type="consultation",
        purpose=None if standing is None else purpose_of(standing),
    )


async def _refuse_unknown_links(
    tx: Transaction,
    me: Actor,
    case: Case,
    incident_ids: Iterable[UUID],
    promise_ids: Iterable[UUID],
) -> None:
    """Raise 422 for a linked record that is not on this case, or that the caller cannot see."""
    for pointer, model, ids in (
        ("/incident_ids", Incident, set(incident_ids)),
        ("/promise_ids", Promise, set(promise_ids)),
    ):
        if not ids:
            continue
        statement = (
            select(col(model.id))
            .join(Case, on_its_case(model))
            .where(
                col(model.clinic_id) == tx.clinic.id,
                col(model.case_id) == case.id,
                col(model.id).in_(ids),
                col(model.voided_at).is_(None),
            )
        )
        if model is Incident:
            statement = statement.where(visible_incidents(tx, me))
        if set((await tx.exec(statement)).all()) != ids:
            raise Invalid(pointer, "These are not all records of this case.")


async def _refuse_who_cannot_answer(
    tx: Transaction, consultant_id: UUID | None, case: Case
) -> None:
    """Raise 422 unless this is a consultant, or a supervisor who sees the case."""
    if consultant_id is None:
        return
    known = await tx.exec(
        select(User).where(
            User.clinic_id == tx.clinic.id, User.id == consultant_id, col(User.is_active).is_(True)
        )
    )
    user = known.first()
    if user is None or not (user.role == Role.consultant or await sees_case(tx, user, case)):
        raise Invalid("/consultant_id", "This is not somebody who can be consulted here.")


def _refuse_release_by_software(me: Actor, body: ConsultationCreate | ConsultationPatch) -> None:
    """Raise 403 where software would say that a text names nobody."""
    if me.is_software and body.released:
        raise Forbidden("A person releases a request, after checking that it names nobody.")


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


async def _answered(
    tx: Transaction, me: Actor, found: Found, response: Response, happening: Happening
) -> ConsultationWritten | ConsultationBrief:
    """Journal what who was asked did, and show it to them as they may see it."""
    written = await _written(tx, me, found, response, happening)
    return await brief_of(tx, found.row, found.case) if found.standing.consulting else written


async def _written(
    tx: Transaction,
    me: Actor,
    found: Found,
    response: Response,
    happening: Happening,
    changed: Iterable[str] = (),
) -> ConsultationWritten:
    """Journal a write, run the rules, and show the consultation with what they raised."""
    consultation = found.row
    record(
        tx,
        happening,
        actor_id=me.id,
        record_type="consultation",
        record_ids=[consultation.id],
        case_id=consultation.case_id,
        changed=changed,
    )
    raised = await reconcile_flags(tx, found.case, actor_id=me.id)
    response.headers["ETag"] = etag(consultation.version)
    return ConsultationWritten.model_validate(
        {**consultation.__dict__, "flags_raised": flags_raised(raised, found.standing)}
    )
