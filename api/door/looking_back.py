"""Looking back at the door as JSON: what is asked, what is answered, and one's own answers."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlmodel import col, select

from api.access.at_door import AtDoor, Visit
from api.domain.errors import NotFound
from api.door.schemas import AnsweredRead, AnswerMine, AskedRead, ResponseMine
from api.door.visit_route import VisitRoute
from api.http.pagination import Bookmarks, Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.journal.entries import Happening, record_shown
from api.records.asked_versions import answers_of
from api.records.door_bodies import AnswersSent
from api.records.door_responses import asked_at, receive_answers
from api.security.door_secrets import DoorSecrets
from api.storage.models.door import Response
from api.storage.transaction import Transaction

router = APIRouter(prefix="/door/v1", tags=["the door itself"], route_class=VisitRoute)


@router.get("/questionnaire")
async def read_what_is_asked(visit: AtDoor, tx: Tx) -> AskedRead:
    """Read what is asked at this door. 404 where nothing is."""
    asked = await asked_at(tx, visit)
    if asked is None:
        raise NotFound
    return AskedRead(
        id=asked.questionnaire_id,
        version=asked.number,
        languages=asked.body.languages,
        parts=asked.body.parts,
        texts=asked.body.texts,
    )


@router.get("/responses")
async def list_my_responses(
    query: Annotated[PageQuery, Query()], visit: AtDoor, marks: Marks, tx: Tx
) -> Page[ResponseMine]:
    """List what was answered by this receipt, the newest first. By a code nothing is ever shown."""
    return await page_of_answers(tx, visit, marks, query)


async def page_of_answers(
    tx: Transaction, visit: Visit, marks: Bookmarks, query: PageQuery
) -> Page[ResponseMine]:
    """Give a page of what was answered by this receipt, and write down that it was shown."""
    box = visit.own_box
    if box is None:
        return Page(items=[], next=None)
    statement = select(Response).where(
        col(Response.clinic_id) == tx.clinic.id, col(Response.box_id) == box.id
    )
    listing = f"looked-back/{box.id}"
    rows, following = await newest_first(tx, marks, listing, query, statement, Response)
    record_shown(tx, Happening.response_read, rows, actor_id=box.id)
    zone = tx.clinic.zone
    items = [
        ResponseMine(
            questionnaire_id=row.questionnaire_id,
            version=row.number,
            sent_on=row.created_at.astimezone(zone).date(),
            shared=row.shared,
            shared_from=row.shared_from,
            answers=[
                AnswerMine(link_id=name, value=value) for name, value in answers_of(row).items()
            ],
        )
        for row in rows
    ]
    return Page(items=items, next=following)


@router.post("/responses", status_code=201)
async def send_answers(body: AnswersSent, visit: AtDoor, tx: Tx, request: Request) -> AnsweredRead:
    """Send what was answered; nobody reads it by a set day. 429 past twenty a day."""
    secrets: DoorSecrets = request.app.state.door_secrets
    return AnsweredRead(receipt=(await receive_answers(tx, visit, body, secrets)).receipt)
