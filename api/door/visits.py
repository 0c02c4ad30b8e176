"""The door as JSON: a visit by a code or a receipt, what is sent in it, and what is read again."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from sqlmodel import col, select

from api.access.at_door import WHOLE, AtDoor, Visit, begin_visit, end_visit
from api.access.case_relationship import load_clinic
from api.domain.door import ENDANGERED, ToldAtDoor
from api.domain.vocabulary import AccountStatus, ResponseBy
from api.door.schemas import (
    AccountMine,
    Knock,
    NamedReader,
    SentRead,
    VisitRead,
    WhoReads,
)
from api.door.visit_route import VisitRoute
from api.http.pagination import Bookmarks, Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.journal.entries import Happening, record_row, record_shown
from api.records.client_account_views import Surroundings, named, surroundings_of
from api.records.client_accounts import add_words, own_account, send_account, share, take_back
from api.records.door_bodies import AccountCreate, FurtherWords, SharingPatch
from api.records.door_readers import readers_of
from api.security.door_secrets import DoorSecrets
from api.storage.models.accounts import Account, MoveKind
from api.storage.models.people import User
from api.storage.transaction import Transaction

router = APIRouter(prefix="/door/v1", tags=["the door itself"], route_class=VisitRoute)

Number = Annotated[int, Path(ge=1, le=100_000, description="Which account of the box.")]


@router.post("/session", status_code=201)
async def open_door(body: Knock, request: Request, tx: Tx) -> VisitRead:
    """Open the door by an invitation's code or a receipt.

    A code opens an empty door, whether or not it was used; a receipt shows what was sent by it. A
    wrong one, and one that ended or was thrown away, is answered alike.
    """
    visit, token = await begin_visit(request, tx, body.typed)
    clinic = await load_clinic(tx)
    return VisitRead(
        token=token.text,
        came_by=visit.came_by,
        by=visit.by,
        languages=clinic.door_languages,
        ends_at=tx.now + WHOLE,
    )


@router.delete("/session", status_code=204)
async def leave_door(visit: AtDoor, tx: Tx) -> None:
    """End the visit: nothing of it is kept."""
    await end_visit(tx, visit)


@router.get("/who-reads")
async def read_who_reads(visit: AtDoor, tx: Tx) -> WhoReads:
    """Tell who reads what is sent, by name and role, by when, and who does not."""
    return await who_reads(tx, visit)


@router.get("/mine")
async def list_mine(
    query: Annotated[PageQuery, Query()], visit: AtDoor, marks: Marks, tx: Tx
) -> Page[AccountMine]:
    """List what was sent by this receipt, the newest first, and what became of it.

    By a code nothing is ever shown.
    """
    return await page_of_mine(tx, visit, marks, query)


async def page_of_mine(
    tx: Transaction, visit: Visit, marks: Bookmarks, query: PageQuery
) -> Page[AccountMine]:
    """Give a page of what was sent by this receipt, and write down that it was shown."""
    box = visit.own_box
    if box is None:
        return Page(items=[], next=None)
    statement = select(Account).where(
        col(Account.clinic_id) == tx.clinic.id, col(Account.box_id) == box.id
    )
    listing = f"mine/{box.id}"
    rows, following = await newest_first(tx, marks, listing, query, statement, Account)
    return Page(items=await shown_to_its_writer(tx, rows), next=following)


@router.post("/accounts", status_code=201)
async def send_an_account(body: AccountCreate, visit: AtDoor, tx: Tx, request: Request) -> SentRead:
    """Say what happened; the first time with a receipt, unless none is wanted.

    429 past ten a day, but for whoever is not safe.
    """
    clinic = await load_clinic(tx)
    secrets: DoorSecrets = request.app.state.door_secrets
    language = body.language or clinic.door_languages[0]
    sent = await send_account(tx, visit, body, language, secrets)
    emergency = told(clinic.door_emergency_text) if body.safe_now in ENDANGERED else None
    return SentRead(n=sent.account.number, receipt=sent.receipt, emergency=emergency)


@router.post("/accounts/{n}/words", status_code=201)
async def send_words(body: FurtherWords, n: Number, visit: AtDoor, tx: Tx) -> AccountMine:
    """Add further words to an account: it is received anew, and waits for an answer anew."""
    account = await own_account(tx, visit, n)
    await add_words(tx, visit, account, body.words)
    return await _one_of_mine(tx, account)


@router.patch("/accounts/{n}")
async def change_sharing(body: SharingPatch, n: Number, visit: AtDoor, tx: Tx) -> AccountMine:
    """Say whether the therapist may read it: from the next midnight on, and not before."""
    account = await own_account(tx, visit, n)
    await share(tx, visit, account, body.shared)
    return await _one_of_mine(tx, account)


@router.post("/accounts/{n}/take-back")
async def take_account_back(n: Number, visit: AtDoor, tx: Tx) -> AccountMine:
    """Take an account back: what nobody has read is destroyed, what was read stays read."""
    account = await own_account(tx, visit, n)
    await take_back(tx, visit, account)
    return await _one_of_mine(tx, account)


@router.post("/throw-away", status_code=204)
async def throw_receipt_away(visit: AtDoor, tx: Tx) -> None:
    """Throw the receipt away: nobody opens what was sent by it any more. Its readers go on."""
    await throw_away(tx, visit)


async def throw_away(tx: Transaction, visit: Visit) -> None:
    """Throw the receipt of a visit away, and end the visit."""
    box = visit.own_box
    if box is not None:
        box.receipt_hash = None
        record_row(tx, Happening.box_thrown_away, box, actor_id=box.id)
    await end_visit(tx, visit)


async def who_reads(tx: Transaction, visit: Visit) -> WhoReads:
    """Tell what is told before the first field."""
    readers, clinic = await readers_of(tx, visit.case), await load_clinic(tx)
    therapist = [] if readers.therapist is None else [readers.therapist]
    return WhoReads(
        supervisors=[_named(each) for each in readers.supervisors],
        privacy_officers=[_named(each) for each in readers.privacy_officers],
        not_among_them=[_named(each) for each in therapist],
        nobody=not readers.ids,
        read_within_days=clinic.door_read_within_days,
        anonymous=False,
        watched_now=False,
        guardian_may_ask=visit.case.is_minor is True and visit.by == ResponseBy.client,
        emergency=told(clinic.door_emergency_text),
        duty=told(clinic.door_duty_text),
        elsewhere=told(clinic.door_elsewhere_text),
        leave_to=clinic.door_leave_to,
    )


def told(texts: Mapping[str, str | None]) -> ToldAtDoor:
    """Show what a clinic says at its door."""
    return ToldAtDoor.model_validate(texts)


def _named(user: User) -> NamedReader:
    return NamedReader(id=user.id, name=user.name, role=user.role)


async def _one_of_mine(tx: Transaction, account: Account) -> AccountMine:
    await tx.flush()
    (shown,) = await _mine(tx, [account])
    return shown


async def shown_to_its_writer(tx: Transaction, accounts: list[Account]) -> list[AccountMine]:
    """Show accounts to whoever holds their receipt, and write down that they were."""
    for account in accounts[:1]:
        record_shown(tx, Happening.account_read, accounts, actor_id=account.box_id)
    return await _mine(tx, accounts)


async def _mine(tx: Transaction, accounts: list[Account]) -> list[AccountMine]:
    around = await surroundings_of(tx, accounts)
    people = await named(tx, list(around.values()))
    return [_shown(tx, each, around[each.id], people) for each in accounts]


def _shown(
    tx: Transaction, account: Account, around: Surroundings, people: Mapping[UUID, User]
) -> AccountMine:
    def day(instant: datetime) -> date:
        return instant.astimezone(tx.clinic.zone).date()

    def by(row: Any) -> dict[str, Any]:
        user = people[row.recorded_by_id]
        return {"name": user.name, "role": user.role, "on": day(row.created_at)}

    # further words may have opened it again
    closed_at = account.closed_at if account.status == AccountStatus.closed else None
    return AccountMine.model_validate(
        {
            **account.__dict__,
            "n": account.number,
            "sent_on": day(account.created_at),
            "when": account.happened_on,
            "to": account.addressed_to,
            "further_words": [
                {"on": day(row.created_at), "words": row.words} for row in around.words
            ],
            "read_by": [by(row) for row in around.of(MoveKind.read)],
            "replies": [{**by(row), "reply": row.reply} for row in around.replies],
            "told_on": [day(row.created_at) for row in around.of(MoveKind.told)],
            "closed_on": None if closed_at is None else day(closed_at),
        }
    )
