"""Questionnaires: what clients are asked at their door. Made anew or retired, never changed."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from uuid_utils.compat import uuid7

from api.access.case_relationship import load_clinic
from api.access.guards import may
from api.domain.errors import Conflict, Invalid, NotFound
from api.domain.look_back import LOOK_BACK_ID, NEWEST
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.questionnaires import (
    Part,
    QuestionnaireCreate,
    QuestionnaireTexts,
)
from api.domain.values import Input, Output
from api.domain.vocabulary import QuestionnaireFor
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Page
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record
from api.records.asked_versions import (
    AskedVersion,
    find_version,
    ours,
    questionnaire_rows,
    version_of,
)
from api.storage.models.door import Questionnaire
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/questionnaires", tags=["door"], route_class=StrictRoute)

MOST = 50
"""How many questionnaires a clinic has at most that are not retired."""


class QuestionnaireRead(Output):
    """One version of a questionnaire. It is offered in `languages`, in which nothing is missing.

    `created_at` and `recorded_by_id` are null of what every clinic has. `retired_at`: since when
    it is asked no more, in any version; who answered it before is read by the version of then.
    """

    id: UUID
    version: int
    title: str
    for_: QuestionnaireFor = Field(alias="for")
    languages: list[str]
    parts: list[Part]
    texts: QuestionnaireTexts
    created_at: datetime | None
    recorded_by_id: UUID | None
    retired_at: datetime | None


class WhichVersion(Input):
    """Which version; by default the newest."""

    version: Annotated[int, Field(ge=1, le=10_000)] | None = None


@router.get("")
async def list_questionnaires(
    me: Annotated[Actor, Depends(may(Action.questionnaire_list))],  # noqa: ARG001 - the guard
    tx: Tx,
) -> Page[QuestionnaireRead]:
    """List what clients may be asked, each in its newest version; what is retired is left out.

    `look_back`, which every clinic has, comes first.
    """
    newest = {row.questionnaire_id: row for row in await questionnaire_rows(tx)}
    retired = newest.pop(LOOK_BACK_ID, None)
    shown = [] if retired is not None else [_show(ours())]
    shown += [_show(version_of(row)) for row in newest.values() if row.retired_at is None]
    return Page(items=shown, next=None)


@router.post("", status_code=201)
async def make_questionnaire(
    body: QuestionnaireCreate,
    me: Annotated[Actor, Depends(may(Action.questionnaire_create))],
    tx: Tx,
    response: Response,
) -> QuestionnaireRead:
    """Make a questionnaire, or the next version of one of the clinic's own. For admins.

    No version is ever changed: what was answered stays readable. 409 beyond fifty questionnaires.
    """
    await load_clinic(tx, lock=True)
    rows = await questionnaire_rows(tx)
    newest = {row.questionnaire_id: row for row in rows if row.retired_at is None}
    former = newest.get(body.questionnaire_id) if body.questionnaire_id is not None else None
    if body.questionnaire_id is not None and former is None:
        raise Invalid(
            "/questionnaire_id",
            "This is no questionnaire of the clinic's own that is still asked; leave it out to "
            "make a new one.",
        )
    if former is None and len(newest) >= MOST:
        raise Conflict(f"A clinic has at most {MOST} questionnaires: retire one first.")
    row = Questionnaire(
        clinic_id=tx.clinic.id,
        questionnaire_id=uuid7() if former is None else former.questionnaire_id,
        number=1 if former is None else former.number + 1,
        content=body.model_dump(mode="json", by_alias=True, exclude={"questionnaire_id"}),
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )
    tx.add(row)
    _enter(tx, Happening.questionnaire_created, row.questionnaire_id, me)
    response.headers["Location"] = f"/v1/questionnaires/{row.questionnaire_id}"
    response.headers["ETag"] = etag(row.number)
    return _show(version_of(row))


@router.get("/{questionnaire_id}")
async def read_questionnaire(
    questionnaire_id: UUID,
    query: Annotated[WhichVersion, Query()],
    me: Annotated[Actor, Depends(may(Action.questionnaire_read))],  # noqa: ARG001 - the guard
    tx: Tx,
    response: Response,
) -> QuestionnaireRead:
    """Read a questionnaire, by default its newest version; one that was retired, too."""
    shown = await _find(tx, questionnaire_id, query.version)
    response.headers["ETag"] = etag(shown.version)
    return shown


@router.delete("/{questionnaire_id}", status_code=204)
async def retire_questionnaire(
    questionnaire_id: UUID,
    me: Annotated[Actor, Depends(may(Action.questionnaire_retire))],
    tx: Tx,
    if_match: IfMatch = None,
) -> None:
    """Ask a questionnaire no more; what was answered stays. For admins."""
    await load_clinic(tx, lock=True)
    shown = await _find(tx, questionnaire_id)
    check_version(shown.version, if_match)
    if shown.retired_at is not None:
        return
    rows = await questionnaire_rows(tx, [questionnaire_id])
    if not rows:
        rows = [_row_of_ours(tx, me)]
        tx.add(rows[0])
    for row in rows:
        row.change({"retired_at": tx.now}, tx.now)
    _enter(tx, Happening.questionnaire_retired, questionnaire_id, me)


async def _find(
    tx: Transaction, questionnaire_id: UUID, number: int | None = None
) -> QuestionnaireRead:
    """Find a version, by default the newest. Raises 404 where there is none."""
    found = await find_version(tx, questionnaire_id, number)
    if found is None:
        raise NotFound
    return _show(found)


def _enter(tx: Transaction, happening: Happening, questionnaire_id: UUID, me: Actor) -> None:
    noun = Questionnaire.noun
    record(tx, happening, actor_id=me.id, record_type=noun, record_ids=[questionnaire_id])


def _row_of_ours(tx: Transaction, me: Actor) -> Questionnaire:
    """Make the row that says of what every clinic has that this one asks it no more."""
    return Questionnaire(
        clinic_id=tx.clinic.id,
        questionnaire_id=LOOK_BACK_ID,
        number=NEWEST,
        content={},
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )


def _show(asked: AskedVersion) -> QuestionnaireRead:
    body = asked.body
    said = {name: getattr(body, name) for name in ("title", "languages", "parts", "texts")}
    about = {"id": asked.questionnaire_id, "version": asked.number, "for": body.for_}
    made = {name: getattr(asked, name) for name in ("created_at", "recorded_by_id", "retired_at")}
    return QuestionnaireRead.model_validate({**about, **said, **made})
