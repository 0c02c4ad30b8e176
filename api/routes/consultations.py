"""Consultation requests: asking another clinician, and their whole life cycle."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import col, select, update

from api.access.authentication import Me
from api.access.case_relationship import OpenCase
from api.access.guards import OpenRecord, case_for, consultation_for, may_on_cases, record_opened
from api.access.visibility.briefs import open_briefs
from api.access.visibility.cases import on_its_case, visible_cases
from api.access.visibility.colleagues import sees_case
from api.access.visibility.named import seen_of
from api.access.visibility.records import visible_incidents
from api.domain.bodies import ConsultationCreate, LinkedIds
from api.domain.errors import Conflict, Forbidden, Invalid, NotFound
from api.domain.lifecycles import ANSWER_WITHIN, BRIEF_LASTS, EDITABLE_CONSULTATION, may_move
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import A_PERSON_RELEASES, purpose_of, why_not_respond
from api.domain.permissions.table import CONSULTING, Actor, may_ever
from api.domain.rules.facts import midnight
from api.domain.values import Day, Input, Instant, Text, YesNo, absent
from api.domain.vocabulary import (
    AdviceResponse,
    ConsultationKind,
    ConsultationOutcome,
    ConsultationStatus,
    ConsultationUrgency,
)
from api.flags.case_facts import add_record
from api.flags.reconcile import reconcile_flags
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record, record_row, record_shown
from api.records.create import (
    NOT_OF_THE_CASE,
    NOT_TO_BE_CONSULTED,
    WHY_NOT_FOLLOWED,
    links_as_stored,
    new_consultation,
)
from api.records.deidentified_brief import ConsultationBrief, brief_of, briefs_of
from api.records.read_models import FlagRead, RecordRead, flags_raised
from api.records.versions import VersionRead, told, versions_of
from api.storage.models.clinical import Case, Consultation, Decline, Incident, Promise
from api.storage.models.columns import Named
from api.storage.models.people import User
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["consultations"], route_class=StrictRoute)

Found = OpenRecord[Consultation]

_LINKS = ("incident_ids", "promise_ids")
"""The fields that name other records."""


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

    `question` is null for software without `narrative:read`. `incident_ids` and `promise_ids` are
    those of the linked records that the reader may see; a change keeps the others.
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


class ConsultationVersionRead(VersionRead):
    """A consultation as it stood in one of its versions."""

    record: ConsultationRead | None


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
    record_shown(
        tx, Happening.consultation_read, rows, actor_id=me.id, purpose=purpose_of(found.standing)
    )
    return Page(items=await _show(tx, me, rows), next=following)


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
    record_shown(tx, Happening.consultation_read, rows, actor_id=me.id)
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
    await _refuse_who_cannot_answer(tx, me, body.consultant_id, found.row)
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
    record_opened(tx, Happening.consultation_read, found, actor_id=me.id)
    if found.standing.consulting:
        return await brief_of(tx, found.row, found.case)
    (shown,) = await _show(tx, me, [found.row])
    return shown


@router.get("/consultations/{consultation_id}/versions")
async def list_consultation_versions(
    query: Annotated[PageQuery, Query()],
    found: Annotated[
        OpenRecord[Consultation], Depends(consultation_for(Action.consultation_read_in_full))
    ],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[ConsultationVersionRead]:
    """List the versions of a consultation, the present one first.

    Who may read it as it is reads what stood there before. Not for consultants:
    they read its brief, as it is.
    """
    versions = await versions_of(tx, me, marks, query, Consultation, found.row)
    record_opened(tx, Happening.versions_read, found, actor_id=me.id)
    items = [
        ConsultationVersionRead.model_validate(each)
        for each in told(versions, ConsultationRead.model_validate)
    ]
    return Page(items=items, next=versions.following)


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
    changes = body.model_dump(include=body.model_fields_set)
    _refuse_release_by_software(me, body)
    if me.is_software and not changes.keys().isdisjoint({"question", "summary"}):
        # what a person released were the words that stood there before
        changes["released"] = False
    changes |= await _links_after(tx, me, found, changes)
    await _refuse_who_cannot_answer(tx, me, changes.get("consultant_id"), found.case)
    if consultation.requested_at is not None and "urgency" in changes:
        changes["due_at"] = consultation.requested_at + ANSWER_WITHIN[changes["urgency"]]
    told = body.model_fields_set - await _link_in_silence(tx, me, consultation, changes)
    if changes:
        consultation.change(changes, tx.now)
    happening = Happening.consultation_changed if told or not body.model_fields_set else None
    return await _written(tx, me, found, response, happening, told)


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
        return [*await _show(tx, me, rows)]
    ids = {row.case_id for row in rows}
    cases = {case.id: case for case in await tx.exec(select(Case).where(col(Case.id).in_(ids)))}
    outside = [
        (row, cases[row.case_id]) for row in rows if cases[row.case_id].clinician_id != me.id
    ]
    briefs = {brief.id: brief for brief in await briefs_of(tx, outside)}
    own = [row for row in rows if row.id not in briefs]
    in_full = {shown.id: shown for shown in await _show(tx, me, own)}
    return [briefs.get(row.id) or in_full[row.id] for row in rows]


async def _show(tx: Transaction, me: Actor, rows: Sequence[Consultation]) -> list[ConsultationRead]:
    """Show consultations, each with its linked records as far as the reader sees them."""
    seen = await seen_of(tx, me, (named for row in rows for named in row.named_records()))
    return [ConsultationRead.model_validate(_fields(row, seen)) for row in rows]


def _fields(row: Consultation, seen: Collection[Named]) -> dict[str, Any]:
    told = [named for named in row.named_records() if named in seen]
    incidents, promises = (
        [row_id for record_type, row_id in told if record_type == sort]
        for sort in ("incident", "promise")
    )
    return {**row.__dict__, "incident_ids": incidents, "promise_ids": promises}


async def _links_after(
    tx: Transaction, me: Actor, found: Found, changes: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Give the links that a change leaves: those it names, and those its caller cannot see.

    What is linked already may be named again, whatever became of the record since: only what is
    new must be a record that stands. Raises 422 for another.
    """
    named = {name: set(map(str, changes[name])) for name in _LINKS if name in changes}
    if not named:
        return {}
    before: dict[str, set[str]] = {name: set(getattr(found.row, name)) for name in _LINKS}
    new = ({UUID(each) for each in named.get(name, set()) - before[name]} for name in _LINKS)
    await _refuse_unknown_links(tx, me, found.case, *new)
    seen = {str(row_id) for _, row_id in await seen_of(tx, me, found.row.named_records())}
    return links_as_stored({name: each | (before[name] - seen) for name, each in named.items()})


async def _link_in_silence(
    tx: Transaction, me: Actor, consultation: Consultation, changes: dict[str, Any]
) -> set[str]:
    """Carry out by itself what changes only links to restricted incidents; name the field.

    It is no new version of what others see: neither that, nor a time, an event or an open entry
    of the journal tells them of it.
    """
    after = set(changes.get("incident_ids", consultation.incident_ids))
    moved = [UUID(each) for each in after ^ set(consultation.incident_ids)]
    if not moved:
        return set()
    is_open = col(Incident.restricted).is_(False)
    open_ones = select(col(Incident.id)).where(col(Incident.id).in_(moved), is_open)
    if (await tx.exec(open_ones.limit(1))).first() is not None:
        return set()
    links = changes.pop("incident_ids")
    # by itself, as a change of the row would be a version of it
    here = col(Consultation.clinic_id) == tx.clinic.id, col(Consultation.id) == consultation.id
    silently = update(Consultation).where(*here).values(incident_ids=links)
    await tx.exec(silently.execution_options(synchronize_session=False))
    set_committed_value(consultation, "incident_ids", links)
    record(
        tx,
        Happening.consultation_changed,
        actor_id=me.id,
        record_type=consultation.noun,
        record_ids=[consultation.id],
        case_id=consultation.case_id,
        changed=["incident_ids"],
        restricted=True,
    )
    return {"incident_ids"}


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
            raise Invalid(pointer, NOT_OF_THE_CASE)


async def _refuse_who_cannot_answer(
    tx: Transaction, me: Actor, consultant_id: UUID | None, case: Case
) -> None:
    """Raise 422 unless this is a consultant, or a supervisor who sees the case.

    One whom an incident concerns that the caller does not see is taken for any other, or the
    refusal would tell of it. The request just does not reach them.
    """
    if consultant_id is None:
        return
    known = await tx.exec(
        select(User).where(
            User.clinic_id == tx.clinic.id, User.id == consultant_id, col(User.is_active).is_(True)
        )
    )
    user = known.first()
    if user is None or not (user.role in CONSULTING or await sees_case(tx, user, case, told=me)):
        raise Invalid("/consultant_id", NOT_TO_BE_CONSULTED)


def _refuse_release_by_software(me: Actor, body: ConsultationCreate | ConsultationPatch) -> None:
    """Raise 403 where software would say that a text names nobody."""
    if me.is_software and body.released:
        raise Forbidden(A_PERSON_RELEASES)


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
    happening: Happening | None,
    changed: Iterable[str] = (),
) -> ConsultationWritten:
    """Journal a write, run the rules, and show the consultation with what they raised."""
    consultation = found.row
    if happening is not None:
        record_row(tx, happening, consultation, actor_id=me.id, changed=changed)
    raised = await reconcile_flags(tx, found.case, actor_id=me.id)
    response.headers["ETag"] = etag(consultation.version)
    seen = await seen_of(tx, me, consultation.named_records())
    return ConsultationWritten.model_validate(
        {**_fields(consultation, seen), "flags_raised": flags_raised(me, raised, found.standing)}
    )
