"""Invitations to a client's door: their code is shown once, and opens an empty door."""

from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from sqlmodel import col, func, select

from api.access.authentication import Me
from api.access.case_relationship import OpenCase, load_clinic, locked
from api.access.door_guards import invitation_for
from api.access.guards import OpenRecord, case_for, may, record_opened
from api.access.visibility.accounts import not_concerned
from api.access.visibility.cases import on_its_case
from api.access.visibility.listings import shown_page
from api.access.visibility.reader import reader
from api.access.visibility.records import visible_invitations
from api.domain.door import still_missing
from api.domain.errors import Conflict, Forbidden, Invalid, NotFound
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import why_not_revoke
from api.domain.permissions.table import Actor
from api.domain.values import Day, Input, Reference
from api.domain.vocabulary import InvitationFor
from api.flags.catching_up import catch_up
from api.flags.reconcile import reconcile_flags
from api.http.entity_tags import etag
from api.http.pagination import Marks, Page, PageQuery, finding
from api.http.request_transaction import Tx
from api.http.strict_route import OneTimeRoute
from api.journal.entries import Happening, record_row
from api.records.asked_versions import find_version
from api.records.create import recorded
from api.records.read_models import RecordRead
from api.security.door_secrets import DoorSecrets, new_door_secret
from api.storage.models.clinical import Case
from api.storage.models.columns import new_row
from api.storage.models.door import Invitation
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["door"], route_class=OneTimeRoute)

MOST_LIVE = 5
"""How many invitations of one maker open the door of a case at a time."""
LASTS, LONGEST = timedelta(days=90), timedelta(days=366)
DOOR = "/door"

_SEVERAL = "Several cases have this reference; say when the therapy started, in `started_on`."
_NOT_A_MINOR = "A guardian is invited only where the client is known to be a minor (`is_minor`)."
_NOT_ASKED = "This is nothing that is asked here now of those who are invited."


class InvitationCreate(Input):
    """Who is invited, until when, and what they may look back with.

    By default what every clinic has is asked, and the invitation ends after 90 days; the longest
    ends after 366.
    """

    for_: InvitationFor = Field(default=InvitationFor.client, alias="for")
    questionnaire_id: UUID | None = None
    expires_on: Day | None = None


class InvitationByReference(InvitationCreate):
    """The same, for the case of a client whose reference is known."""

    client_ref: Reference
    started_on: Day | None = None


class InvitationRead(RecordRead):
    """An invitation: it never tells whether, when or how it was used."""

    case_id: UUID
    for_: InvitationFor = Field(alias="for", validation_alias="for_whom")
    questionnaire_id: UUID | None
    expires_on: date
    revoked_at: datetime | None


class InvitationMade(InvitationRead):
    """A new invitation, with its code, which is shown this once, and where the door is.

    The code stands in no address: it is read out, or handed over on paper beside the address.
    """

    code: str
    address: str


@router.get("/cases/{case_id}/invitations")
async def list_invitations(
    query: Annotated[PageQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.invitation_list))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[InvitationRead]:
    """List the invitations to a case's door, newest first: of others, for linked supervisors."""
    statement = (
        select(Invitation)
        .join(Case, on_its_case(Invitation))
        .where(
            col(Invitation.clinic_id) == tx.clinic.id,
            col(Invitation.case_id) == found.row.id,
            visible_invitations(tx, me),
        )
    )
    find = finding(tx, statement, Invitation)
    page = marks, f"invitations/{found.row.id}", query
    rows, following = await shown_page(tx, me, page, find, Happening.invitation_read)
    return Page(items=[InvitationRead.model_validate(row) for row in rows], next=following)


@router.post("/cases/{case_id}/invitations", status_code=201)
async def make_invitation(
    body: InvitationCreate,
    found: Annotated[OpenCase, Depends(case_for(Action.invitation_make))],
    me: Me,
    tx: Tx,
    request: Request,
    response: Response,
) -> InvitationMade:
    """Invite a client, or the guardian of a minor, to the door of their case.

    409 until the clinic has set what is told at its door in each language that it is offered in,
    and where five of yours are live on the case.
    """
    return await _made(tx, me, found.row, body, request, response)


@router.post("/invitations", status_code=201)
async def make_invitation_by_reference(
    body: InvitationByReference,
    me: Annotated[Actor, Depends(may(Action.invitation_make_by_reference))],
    tx: Tx,
    request: Request,
    response: Response,
) -> InvitationMade:
    """Invite by the clinic's exact reference for the client. For privacy officers, and software.

    Nothing else of the case is told. 404 where there is no such case; 409 where several fit.
    """
    case = await _case_of_reference(tx, me, body)
    await catch_up(tx, case)
    return await _made(tx, me, case, body, request, response)


@router.get("/invitations/{invitation_id}")
async def read_invitation(
    found: Annotated[OpenRecord[Invitation], Depends(invitation_for(Action.invitation_read))],
    me: Me,
    tx: Tx,
    response: Response,
) -> InvitationRead:
    """Read an invitation: who made it, when, and until when it opens the door."""
    response.headers["ETag"] = etag(found.row.version)
    record_opened(tx, Happening.invitation_read, found, actor_id=me.id)
    return InvitationRead.model_validate(found.row)


@router.post("/invitations/{invitation_id}/revoke")
async def revoke_invitation(
    found: Annotated[OpenRecord[Invitation], Depends(invitation_for(Action.invitation_revoke))],
    me: Me,
    tx: Tx,
    response: Response,
) -> InvitationRead:
    """Let an invitation open the door no more. For whoever made it.

    What was sent by it stays, and so do its answers, for whoever holds the receipt.
    """
    if refusal := why_not_revoke(me, found.row.recorded_by_id):
        raise Forbidden(refusal)
    if found.row.revoked_at is None:
        found.row.change({"revoked_at": tx.now}, tx.now)
        record_row(tx, Happening.invitation_revoked, found.row, actor_id=me.id)
    response.headers["ETag"] = etag(found.row.version)
    return InvitationRead.model_validate(found.row)


async def _made(
    tx: Transaction,
    me: Actor,
    case: Case,
    body: InvitationCreate,
    request: Request,
    response: Response,
) -> InvitationMade:
    await _refuse_unready(tx)
    if body.for_ == InvitationFor.guardian and case.is_minor is not True:
        raise Invalid("/for", _NOT_A_MINOR)
    await _refuse_what_is_not_asked(tx, body)
    await _refuse_more(tx, me, case)
    code = new_door_secret()
    secrets: DoorSecrets = request.app.state.door_secrets
    row = new_row(
        Invitation,
        **recorded(tx, me.id),
        case_id=case.id,
        for_whom=body.for_,
        questionnaire_id=body.questionnaire_id,
        expires_on=_ends(tx, body.expires_on),
        code_hash=secrets.hash_of(code),
        restricted=case.clinician_id != me.id,
    )
    # it is shown before it is written
    tx.date(row)
    tx.add(row)
    record_row(tx, Happening.invitation_made, row, actor_id=me.id)
    await reconcile_flags(tx, case, actor_id=me.id)
    response.headers["Location"] = f"/v1/invitations/{row.id}"
    response.headers["ETag"] = etag(row.version)
    told = InvitationRead.model_validate(row).model_dump(by_alias=True)
    address = f"{request.app.state.public_url or ''}{DOOR}"
    return InvitationMade.model_validate(
        {**told, "for_whom": row.for_whom, "code": code, "address": address}
    )


async def _refuse_unready(tx: Transaction) -> None:
    if missing := still_missing(await load_clinic(tx)):
        raise Conflict(
            "The door is not open yet. Before anybody is invited the clinic's admin sets what is "
            f"told there: {', '.join(missing)}."
        )


async def _refuse_what_is_not_asked(tx: Transaction, body: InvitationCreate) -> None:
    if body.questionnaire_id is None:
        return
    asked = await find_version(tx, body.questionnaire_id)
    if asked is None or asked.retired_at is not None or str(asked.body.for_) != str(body.for_):
        raise Invalid("/questionnaire_id", _NOT_ASKED)


async def _refuse_more(tx: Transaction, me: Actor, case: Case) -> None:
    live = select(func.count()).where(
        Invitation.clinic_id == tx.clinic.id,
        Invitation.case_id == case.id,
        Invitation.recorded_by_id == me.id,
        col(Invitation.revoked_at).is_(None),
        col(Invitation.expires_on) >= tx.today,
    )
    if (await tx.exec(live.select_from(Invitation))).one() >= MOST_LIVE:
        raise Conflict(f"You have {MOST_LIVE} live invitations on this case: revoke one first.")


def _ends(tx: Transaction, asked: date | None) -> date:
    if asked is None:
        return tx.today + LASTS
    if not tx.today <= asked <= tx.today + LONGEST:
        raise Invalid("/expires_on", "An invitation ends today at the earliest, or in 366 days.")
    return asked


async def _case_of_reference(tx: Transaction, me: Actor, body: InvitationByReference) -> Case:
    hashes = await tx.lookup_hashes(body.client_ref)
    statement = select(Case).where(
        Case.clinic_id == tx.clinic.id,
        col(Case.client_ref_hash).in_(hashes),
        col(Case.voided_at).is_(None),
        col(Case.purged_at).is_(None),
    )
    if not me.is_software:
        statement = statement.where(not_concerned(reader(tx, me), me.id))
    if body.started_on is not None:
        statement = statement.where(Case.started_on == body.started_on)
    cases = (await tx.exec(locked(statement.limit(2), Case))).all()
    if len(cases) > 1:
        raise Conflict(_SEVERAL)
    if not cases:
        raise NotFound
    case: Case = cases[0]
    return case
