"""What readers do with an account: answer, close, record from it, step out, tell the therapist."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from sqlmodel import select

from api.access.authentication import Me
from api.access.door_guards import account_for
from api.access.guards import OpenRecord, refuse_closed
from api.access.visibility.accounts import others_read
from api.access.visibility.cases import on_its_case
from api.access.visibility.reader import reader
from api.domain.bodies import IncidentCreate, PromiseCreate
from api.domain.errors import Conflict
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.values import Input, Output, Text
from api.domain.vocabulary import (
    AccountStatus,
    Determination,
)
from api.flags.case_facts import add_record, open_file
from api.flags.reconcile import reconcile_flags, reconcile_with
from api.http.entity_tags import etag
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row
from api.records.account_readings import open_account
from api.records.client_accounts import new_move, refuse_unanswered, reply_to, step_out
from api.records.client_accounts_shown import AccountRead
from api.records.from_accounts import incident_from, promise_from
from api.records.incidents_shown import IncidentWritten, incident_written
from api.records.promises_shown import PromiseWritten, promise_written
from api.storage.models.accounts import Account, MoveKind
from api.storage.models.clinical import Case
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["door"], route_class=StrictRoute)

Found = OpenRecord[Account]

_WHERE = "/v1/accounts/{}"
_NO_ONE_ELSE = "You are the last who reads this; somebody else has to read it before you step out."


class SteppedOut(Output):
    """Which account exists for you no more."""

    id: UUID


class Reply(Input):
    """An answer, which the client reads at the door."""

    reply: Text


class Closing(Input):
    """What came of an account; neither is shown to the client."""

    determination: Determination
    note: Text


class AccountReason(Input):
    """Why somebody steps out, or tells the therapist; read by the account's readers alone."""

    reason: Text


@router.post("/accounts/{client_account_id}/reply", status_code=201)
async def reply_to_account(
    body: Reply,
    found: Annotated[Found, Depends(account_for(Action.account_reply))],
    me: Me,
    tx: Tx,
    response: Response,
) -> AccountRead:
    """Answer an account; the client reads it at the door. There may be several answers."""
    await reply_to(tx, found.row, body.reply, me.id)
    response.headers["Location"] = _WHERE.format(found.row.id)
    await reconcile_flags(tx, found.case, actor_id=me.id)
    return await _told(tx, me, found.row, response)


@router.post("/accounts/{client_account_id}/close")
async def close_account(
    body: Closing,
    found: Annotated[Found, Depends(account_for(Action.account_close))],
    me: Me,
    tx: Tx,
    response: Response,
) -> AccountRead:
    """Say what came of an account. 409 where an answer is wanted and none was given yet."""
    refuse_unanswered(found.row)
    closed = {"closed_at": tx.now, "closed_by_id": me.id, "closing_note": body.note}
    status = {"status": AccountStatus.closed, "determination": body.determination}
    found.row.change({**closed, **status}, tx.now)
    record_row(tx, Happening.account_closed, found.row, actor_id=me.id)
    await reconcile_flags(tx, found.case, actor_id=me.id)
    return await _told(tx, me, found.row, response)


@router.post("/accounts/{client_account_id}/step-out")
async def step_out_of_account(
    body: AccountReason,
    found: Annotated[Found, Depends(account_for(Action.account_step_out))],
    me: Me,
    tx: Tx,
) -> SteppedOut:
    """Read an account no more, because you know too much of it. 409 for its last reader."""
    if not await _has_other_readers(tx, me, found.row):
        raise Conflict(_NO_ONE_ELSE)
    await step_out(tx, found.row, me.id, body.reason)
    return SteppedOut(id=found.row.id)


@router.post("/accounts/{client_account_id}/told", status_code=201)
async def tell_therapist(
    body: AccountReason,
    found: Annotated[Found, Depends(account_for(Action.account_tell))],
    me: Me,
    tx: Tx,
    response: Response,
) -> AccountRead:
    """Record that you spoke of a hidden account with the therapist, and what compelled you.

    The client reads at the door that it was told, and on which day.
    """
    tx.add(new_move(tx, found.row, MoveKind.told, me.id, body.reason))
    response.headers["Location"] = _WHERE.format(found.row.id)
    record_row(tx, Happening.account_told, found.row, actor_id=me.id)
    return await _told(tx, me, found.row, response)


@router.post("/accounts/{client_account_id}/incidents", status_code=201)
async def record_incident_from_account(
    body: IncidentCreate,
    found: Annotated[Found, Depends(account_for(Action.account_record))],
    me: Me,
    tx: Tx,
    response: Response,
) -> IncidentWritten:
    """Record an incident of what a client said: what kind it is, a person says, and never a topic.

    It is the client's account, and hidden from the therapist unless that is shared. Whose conduct
    it is about is to be said, or null.
    """
    refuse_closed(found.case)
    row = await incident_from(tx, found, body, me.id)
    file = await open_file(tx, found.case)
    add_record(tx, file, row)
    record_row(tx, Happening.incident_reported, row, actor_id=me.id)
    opened = OpenRecord(row, found.case, found.standing)
    shown = await incident_written(tx, me, opened, file=file)
    response.headers["Location"] = f"/v1/incidents/{row.id}"
    response.headers["ETag"] = etag(row.version)
    return shown


@router.post("/accounts/{client_account_id}/promises", status_code=201)
async def record_promise_from_account(
    body: PromiseCreate,
    found: Annotated[Found, Depends(account_for(Action.account_record))],
    me: Me,
    tx: Tx,
    response: Response,
) -> PromiseWritten:
    """Record a promise of what a client said, hidden from the therapist unless that is shared."""
    refuse_closed(found.case)
    row = promise_from(tx, found, body, me.id)
    file = await open_file(tx, found.case)
    add_record(tx, file, row)
    record_row(tx, Happening.promise_recorded, row, actor_id=me.id)
    raised = await reconcile_with(tx, file, row, actor_id=me.id)
    response.headers["Location"] = f"/v1/promises/{row.id}"
    response.headers["ETag"] = etag(row.version)
    return await promise_written(tx, me, OpenRecord(row, found.case, found.standing), raised)


async def _has_other_readers(tx: Transaction, me: Actor, account: Account) -> bool:
    """Tell whether somebody else reads an account today, in the same way as whoever asks or not."""
    statement = (
        select(Account.id)
        .join(Case, on_its_case(Account))
        .where(
            Account.clinic_id == tx.clinic.id,
            Account.id == account.id,
            others_read(reader(tx, me)),
        )
    )
    return (await tx.exec(statement)).first() is not None


async def _told(tx: Transaction, me: Actor, account: Account, response: Response) -> AccountRead:
    shown = await open_account(tx, me, account)
    response.headers["ETag"] = etag(shown.version)
    return shown
