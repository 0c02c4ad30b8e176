"""Responses: what clients, or guardians, answered to a questionnaire."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlmodel import col, func, select

from api.access.authentication import Me
from api.access.case_relationship import OpenCase
from api.access.guards import OpenRecord, case_for, record_opened, response_for
from api.access.visibility.cases import on_its_case
from api.access.visibility.listings import shown_page
from api.access.visibility.records import visible_responses
from api.domain.days import ResponseDays, days_of
from api.domain.errors import Conflict, Forbidden, Invalid
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import why_not_rewrite
from api.domain.questionnaires import (
    MOST_ITEMS,
    Answer,
    concerns,
    means,
    wrong_answers,
)
from api.domain.rules.moment import midnight
from api.domain.values import Day, Input, Output
from api.domain.vocabulary import CameBy, ResponseBy, Sharing, VoidReason
from api.flags.reconcile import reconcile_flags
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, finding
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row
from api.records.asked_versions import (
    answers_of,
    questionnaire_rows,
    version_among,
    version_answered,
)
from api.records.create import new_response, refuse_impossible_days
from api.records.read_models import RecordRead
from api.storage.models.clinical import Case
from api.storage.models.door import Questionnaire
from api.storage.models.door import Response as Answered
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["door"], route_class=StrictRoute)

MOST = 200
"""How many responses a case takes at most that stand."""
_NOT_ASKED = "This is no questionnaire of this clinic, or it has no such version."


class ResponseCreate(Input):
    """Answers given on paper, by default to the questionnaire's newest version."""

    questionnaire_id: UUID
    questionnaire_version: Annotated[int, Field(strict=True, ge=1, le=10_000)] | None = None
    by: ResponseBy = ResponseBy.client
    answered_on: Day
    answers: list[Answer] = Field(min_length=1, max_length=MOST_ITEMS)


class AnswerRead(Output):
    """The answer to one item; null: none was given, or it was destroyed or is withheld."""

    link_id: str
    value: bool | int | str | None


class PartRead(Output):
    """How the scales of a part were answered, from its lowest to its highest; no cut-off.

    `answered` of its `scales` were; `mean` is theirs, null where none was.
    """

    link_id: str
    mean: float | None
    answered: int
    scales: int


class ResponseRead(RecordRead):
    """What somebody answered, item by item in the order they were asked.

    `concerns` names the items about what somebody did whose answers ask for a look where there are
    two or more; it is no finding.
    """

    case_id: UUID
    questionnaire_id: UUID
    questionnaire_version: int
    by: ResponseBy
    came_by: CameBy
    shared: Sharing
    answered_on: date
    answers: list[AnswerRead]
    parts: list[PartRead]
    concerns: list[str]
    voided_at: datetime | None
    void_reason: VoidReason | None


@router.get("/cases/{case_id}/responses")
async def list_responses(
    query: Annotated[PageQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.response_list))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[ResponseRead]:
    """List what was answered on a case, newest first. For its clinician, and linked supervisors."""
    statement = (
        select(Answered)
        .join(Case, on_its_case(Answered))
        .where(
            col(Answered.clinic_id) == tx.clinic.id,
            col(Answered.case_id) == found.row.id,
            col(Answered.voided_at).is_(None),
            col(Case.voided_at).is_(None),
            visible_responses(tx, me),
        )
    )
    page = marks, f"responses/{found.row.id}", query
    find = finding(tx, statement, Answered)
    rows, following = await shown_page(tx, me, page, find, Happening.response_read)
    asked = await questionnaire_rows(tx, {row.questionnaire_id for row in rows})
    is_own = found.standing.own
    items = [_as_told(tx, _shown(row, asked), row, is_own=is_own) for row in rows]
    return Page(items=items, next=following)


@router.post("/cases/{case_id}/responses", status_code=201)
async def record_response(
    body: ResponseCreate,
    found: Annotated[OpenCase, Depends(case_for(Action.response_record))],
    me: Me,
    tx: Tx,
    response: Response,
) -> ResponseRead:
    """Record what was answered on paper, by the version that was asked; one retired since, too.

    A case takes 200 responses: 409 beyond.
    """
    rows = await questionnaire_rows(tx, [body.questionnaire_id])
    asked = version_among(rows, body.questionnaire_id, body.questionnaire_version)
    if asked is None:
        raise Invalid("/questionnaire_id", _NOT_ASKED)
    for place, why in wrong_answers(asked.body, body.answers):
        raise Invalid(f"/answers/{place}", why)
    refuse_impossible_days(tx, days_of(ResponseDays, body))
    await _refuse_more(tx, found.row)
    answers = {each.link_id: each.value for each in body.answers}
    how = {"came_by": CameBy.typed_in, "by_therapist": found.standing.own}
    how |= {"by": body.by, "answered_on": body.answered_on}
    row = new_response(tx, asked, answers, found.row.id, me.id, **how)
    # it is shown before it is written
    tx.date(row)
    tx.add(row)
    record_row(tx, Happening.response_recorded, row, actor_id=me.id)
    if not row.by_therapist:
        found.row.door_used = True
        await reconcile_flags(tx, found.row, actor_id=me.id)
    response.headers["Location"] = f"/v1/responses/{row.id}"
    response.headers["ETag"] = etag(row.version)
    return _shown(row, rows)


@router.get("/responses/{response_id}")
async def read_response(
    found: Annotated[OpenRecord[Answered], Depends(response_for(Action.response_read))],
    me: Me,
    tx: Tx,
    response: Response,
) -> ResponseRead:
    """Read one response, with the mean of each part."""
    response.headers["ETag"] = etag(found.row.version)
    record_opened(tx, Happening.response_read, found, actor_id=me.id)
    asked = await questionnaire_rows(tx, [found.row.questionnaire_id])
    return _as_told(tx, _shown(found.row, asked), found.row, is_own=found.standing.own)


@router.delete("/responses/{response_id}", status_code=204)
async def void_response(
    found: Annotated[OpenRecord[Answered], Depends(response_for(Action.response_void))],
    me: Me,
    tx: Tx,
    reason: VoidReason = VoidReason.entered_in_error,
    if_match: IfMatch = None,
) -> None:
    """Void a response: it leaves the list, and is kept for ever.

    For a supervisor of the case's clinician, and whoever recorded it. What came by the door a
    linked supervisor alone voids.
    """
    if refusal := why_not_rewrite(me, found.standing, found.row.recorded_by_id, reviewed=False):
        raise Forbidden(refusal)
    check_version(found.row.version, if_match)
    found.row.change({"voided_at": tx.now, "void_reason": reason}, tx.now)
    record_row(tx, Happening.response_voided, found.row, actor_id=me.id)
    if not found.row.by_therapist:
        await reconcile_flags(tx, found.case, actor_id=me.id)


def _as_told(tx: Transaction, shown: ResponseRead, row: Answered, *, is_own: bool) -> ResponseRead:
    """Tell the therapist of what is shared with them no earlier time than that it is."""
    if not is_own or row.shared_from is None:
        return shown
    since = midnight(row.shared_from, tx.clinic.zone)
    times = {"created_at": since, "updated_at": since, "answered_on": row.shared_from}
    return shown.model_copy(update=times)


async def _refuse_more(tx: Transaction, case: Case) -> None:
    standing = select(func.count()).where(
        Answered.case_id == case.id,
        col(Answered.voided_at).is_(None),
        # of what is hidden from whoever asks no refusal tells
        col(Answered.box_id).is_(None),
    )
    if (await tx.exec(standing.select_from(Answered))).one() >= MOST:
        raise Conflict(f"A case takes {MOST} responses: void what is not needed.")


def _shown(row: Answered, versions: Sequence[Questionnaire]) -> ResponseRead:
    asked, answers = version_answered(row, versions), answers_of(row)
    told = [
        {"link_id": item.link_id, "value": answers.get(item.link_id)} for item in asked.body.items()
    ]
    return ResponseRead.model_validate(
        {
            **row.__dict__,
            "questionnaire_version": row.number,
            "answers": told,
            "parts": [each._asdict() for each in means(asked.body, answers)],
            "concerns": concerns(asked.body, answers),
        }
    )
