"""Copies of a case for the client it is about, and the account of who was given one."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import Field
from sqlmodel import select

from api.access import case_for
from api.copies import CaseCopy, Form, Purpose, Recipient, copy_of
from api.db import Tx
from api.domain.permissions import Action
from api.domain.values import Input
from api.export_page import POLICY, page_of
from api.identity import Me, require_recent_sign_in
from api.intake import StrictRoute
from api.journal import Happening, record, record_shown
from api.models import Disclosure
from api.pages import Marks, Page, PageQuery, newest_first
from api.standing import OpenCase
from api.views import RecordRead

router = APIRouter(prefix="/v1/cases/{case_id}", tags=["copies"], route_class=StrictRoute)


class ExportQuery(Input):
    """How the copy is written, for whom, and what for."""

    form: Form = Field(default=Form.json, alias="format")
    recipient: Recipient = Recipient.client
    purpose: Purpose = Purpose.access_request


class DisclosureRead(RecordRead):
    """A copy of the case was given to somebody, by `recorded_by_id` at `created_at`."""

    case_id: UUID
    recipient: Recipient
    purpose: Purpose
    form: Form


# the return type cannot be the schema here: the same document is also answered as a page
@router.get(
    "/export",
    response_model=CaseCopy,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
async def export_case(
    query: Annotated[ExportQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.case_export))],
    me: Me,
    tx: Tx,
    response: Response,
) -> CaseCopy | HTMLResponse:
    """Write a copy of a case for its client; that it was given is kept for ever.

    For the case's clinician and a linked supervisor; it needs a recent sign-in. Nothing that is
    restricted is in it, nor flags, reviews, psychotherapy notes or drafts.
    """
    require_recent_sign_in(me, tx.now)
    tx.add(
        Disclosure(
            clinic_id=tx.clinic.id,
            case_id=found.row.id,
            recipient=query.recipient,
            purpose=query.purpose,
            form=query.form,
            created_at=tx.now,
            updated_at=tx.now,
            recorded_by_id=me.id,
        )
    )
    await tx.flush()
    copy = await copy_of(tx, found.row)
    about: dict[str, Any] = {"actor_id": me.id, "case_id": found.row.id, "purpose": query.purpose}
    record(tx, Happening.case_exported, record_type="case", record_ids=[found.row.id], **about)
    for record_type, ids in copy.record_ids().items():
        if ids:
            read = Happening(f"{record_type}.read")
            record(tx, read, record_type=record_type, record_ids=ids, is_read=True, **about)
    saved_as = {"Content-Disposition": f'attachment; filename="case-{found.row.id}.{query.form}"'}
    if query.form == Form.html:
        return HTMLResponse(page_of(copy), headers={**saved_as, "Content-Security-Policy": POLICY})
    response.headers.update(saved_as)
    return copy


@router.get("/disclosures")
async def list_disclosures(
    query: Annotated[PageQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.disclosure_list))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[DisclosureRead]:
    """List to whom copies of a case were given, newest first (45 CFR 164.528)."""
    statement = select(Disclosure).where(Disclosure.case_id == found.row.id)
    listing = f"disclosures/{found.row.id}"
    rows, following = await newest_first(tx, marks, listing, query, statement, Disclosure)
    record_shown(tx, Happening.disclosure_read, rows, actor_id=me.id, record_type="disclosure")
    return Page(items=[DisclosureRead.model_validate(row) for row in rows], next=following)
