"""Accounts: what clients said at their door, for those to whom it is addressed."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlmodel import col, select

from api.access.authentication import Me
from api.access.case_relationship import OpenCase
from api.access.door_guards import account_for, accounts_on
from api.access.guards import OpenRecord, may
from api.access.visibility.accounts import seen_accounts, shared_with
from api.access.visibility.cases import on_its_case
from api.access.visibility.listings import shown_page
from api.access.visibility.reader import reader
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import OVERSIGHT
from api.domain.permissions.table import Actor
from api.http.entity_tags import etag
from api.http.pagination import Bookmarks, Marks, Page, PageQuery, finding, page_of
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening
from api.records.account_readings import Shared, note_shared_opened, open_account
from api.records.client_accounts_shown import (
    AccountLine,
    AccountRead,
    SharedAccount,
    show_shared,
)
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["door"], route_class=StrictRoute)

Found = OpenRecord[Account]


@router.get("/accounts")
async def list_accounts(
    query: Annotated[PageQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.account_list))],
    marks: Marks,
    tx: Tx,
) -> Page[AccountLine]:
    """List what clients said that is addressed to you, across cases, newest first."""
    return await _lines(tx, me, marks, "accounts", query)


@router.get("/cases/{case_id}/accounts")
async def list_accounts_of_case(
    query: Annotated[PageQuery, Query()],
    found: Annotated[OpenCase, Depends(accounts_on(Action.account_list))],
    me: Me,
    marks: Marks,
    tx: Tx,
    request: Request,
) -> Page[AccountLine] | Page[SharedAccount]:
    """List what was said at the door of a case, newest first, as far as it is addressed to you.

    The case's clinician, and whoever stands in, read what the client has shared with them.
    """
    standing = found.standing
    if not (standing.own or (standing.covering and not standing.linked)):
        return await _lines(tx, me, marks, f"accounts/{found.row.id}", query, found.row.id)
    page = marks, f"shared/{found.row.id}", query
    rows, following = await page_of(tx, *page, partial(_find_shared, tx, me, found.row.id))
    reads = not request.state.wants_headers_only
    await note_shared_opened(tx, me, *(row.account for row in rows), reads=reads)
    return Page(items=[show_shared(row.account) for row in rows], next=following)


@router.get("/accounts/{client_account_id}")
async def read_account(
    found: Annotated[Found, Depends(account_for(Action.account_read, shared_too=True))],
    client_account_id: UUID,
    me: Me,
    tx: Tx,
    request: Request,
    response: Response,
) -> AccountRead | SharedAccount:
    """Read one account; the client is told who has read it, and on which day.

    By the id under which it was shared the therapist reads what is theirs to read, and no more.
    """
    reads = not request.state.wants_headers_only
    if client_account_id == found.row.shared_as:
        await note_shared_opened(tx, me, found.row, reads=reads)
        # what is shared is one and the same, whatever becomes of the account
        response.headers["ETag"] = etag(1)
        return show_shared(found.row)
    shown = await open_account(tx, me, found.row, reads=reads)
    response.headers["ETag"] = etag(shown.version)
    return shown


async def _find_shared(
    tx: Transaction, me: Actor, case_id: UUID, before: UUID | None, most: int
) -> list[Shared]:
    statement = _on_cases(tx, case_id).where(shared_with(reader(tx, me)))
    if before is not None:
        statement = statement.where(col(Account.shared_as) < before)
    found = await tx.exec(statement.order_by(col(Account.shared_as).desc()).limit(most))
    return [Shared(row.shared_as, row) for row in found]


async def _lines(
    tx: Transaction,
    me: Actor,
    marks: Bookmarks,
    listing: str,
    query: PageQuery,
    case_id: UUID | None = None,
) -> Page[AccountLine]:
    statement = _on_cases(tx, case_id).where(seen_accounts(reader(tx, me)))
    page = marks, listing, query
    find = finding(tx, statement, Account)
    rows, following = await shown_page(tx, me, page, find, Happening.account_listed, OVERSIGHT)
    return Page(items=[AccountLine.model_validate(row) for row in rows], next=following)


def _on_cases(tx: Transaction, case_id: UUID | None) -> Any:
    statement = select(Account).join(Case, on_its_case(Account))
    statement = statement.where(col(Account.clinic_id) == tx.clinic.id)
    return statement if case_id is None else statement.where(Account.case_id == case_id)
