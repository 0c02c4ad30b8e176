"""Copies of a case for the client it is about, and the account of who was given one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import Field
from sqlmodel import col, select

from api.access.authentication import Me, require_recent_sign_in
from api.access.case_relationship import OpenCase, load_case
from api.access.guards import case_for, copy_for
from api.access.visibility.cases import on_its_case
from api.access.visibility.records import visible_disclosures, visible_incidents
from api.domain.errors import Conflict
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import OVERSIGHT
from api.domain.permissions.table import Actor
from api.domain.values import Input
from api.http.idempotency import remember
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record, record_shown
from api.records.account_readings import note_opened, note_shared_opened
from api.records.copied_from_the_door import SaidAtDoor, said_at_door, still_seen
from api.records.patient_copy import OF_THE_DOOR, copy_of
from api.records.patient_copy_page import POLICY, page_of
from api.records.patient_copy_schemas import CaseCopy, Form, Purpose, Recipient
from api.records.read_models import RecordRead
from api.storage.loading import load_or_404
from api.storage.models.clinical import Case, Incident
from api.storage.models.disclosures import DisclosedDocument, Disclosure
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/cases/{case_id}", tags=["copies"], route_class=StrictRoute)

ONE_GIVING = timedelta(minutes=15)
"""How long the same person may ask for the same copy in the old way, and give it only once."""
DEPRECATED_SINCE = datetime(2026, 11, 28, tzinfo=UTC)
"""Since when a copy should be given by POST (RFC 9745)."""
PREVIEW = "preview"
"""What a copy is read for that is looked at and not given."""


# not `deprecated`: that warns whoever reads the field, which is this very room
_DEPRECATED: dict[str, Any] = {"deprecated": True}
_OLD_WAY = "Where it is given in the old way; send it to POST /disclosures instead."


class ExportQuery(Input):
    """How the copy is written; and, where it is given in the old way, for whom and what for."""

    form: Form = Field(default=Form.json, alias="format")
    preview: bool = Field(
        default=False, description="Look at the copy; it is not given to anybody."
    )
    recipient: Recipient = Field(
        default=Recipient.client, description=_OLD_WAY, json_schema_extra=_DEPRECATED
    )
    purpose: Purpose = Field(
        default=Purpose.access_request, description=_OLD_WAY, json_schema_extra=_DEPRECATED
    )


class DisclosureCreate(Input):
    """To whom a copy is given, what for, and how it is written."""

    recipient: Recipient = Recipient.client
    purpose: Purpose = Purpose.access_request
    form: Form = Field(default=Form.json, alias="format")


class DisclosureRead(RecordRead):
    """A copy of the case was given to somebody, by `recorded_by_id` at `created_at`.

    `is_kept`: it is read as it was given at `/v1/cases/{case_id}/disclosures/{id}/document`.
    `restricted`: it holds what was said at the client's door, and is hidden from the clinician.
    """

    case_id: UUID
    recipient: Recipient
    purpose: Purpose
    form: Form
    is_kept: bool
    restricted: bool


_TWO_FORMS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}}
}


# the return type cannot be the schema here: the same document is also answered as a page
@router.get("/export", response_model=CaseCopy, responses=_TWO_FORMS)
async def export_case(
    query: Annotated[ExportQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.case_export))],
    me: Me,
    tx: Tx,
    request: Request,
    response: Response,
) -> CaseCopy | HTMLResponse:
    """Look at the copy of a case that its client would be given, with `preview=true`.

    Without it the copy is given, and that is kept for ever: the old way, deprecated, for which
    `POST /v1/cases/{case_id}/disclosures` is the new one. Asked for the same again this way
    within fifteen minutes, it is given once. For the case's clinician and a linked supervisor; it
    needs a recent sign-in. Nothing that is restricted is in it, but for what came by the client's
    door in a supervisor's copy; nor flags, reviews, psychotherapy notes or drafts.
    """
    require_recent_sign_in(me, tx.now)
    # who asks only what an answer would look like (HEAD) is given none
    said = await said_at_door(tx, me, found.row, found.standing, query.recipient)
    if query.preview or request.state.wants_headers_only:
        copy = await copy_of(tx, me, found.row, said)
        reads = not request.state.wants_headers_only
        await _record_read(tx, me, copy, said, PREVIEW, reads=reads)
        return _written(copy, query.form, found.row.id, response)
    await load_case(tx, found.row.id, lock=True)
    if not await _given_just_now(tx, me, found.row.id, query, said):
        await _give(tx, me, found.row, _disclosure(tx, me, found.row.id, query, said))
    copy = await copy_of(tx, me, found.row, said)
    await _record_read(tx, me, copy, said, query.purpose)
    answer = _written(copy, query.form, found.row.id, response)
    told = response if isinstance(answer, CaseCopy) else answer
    told.headers["Deprecation"] = f"@{DEPRECATED_SINCE.timestamp():.0f}"
    return answer


@router.get("/disclosures")
async def list_disclosures(
    query: Annotated[PageQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.disclosure_list))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[DisclosureRead]:
    """List to whom copies of a case were given, newest first (45 CFR 164.528)."""
    statement = _disclosures(tx, me, found.row.id)
    listing = f"disclosures/{found.row.id}"
    rows, following = await newest_first(tx, marks, listing, query, statement, Disclosure)
    record_shown(tx, Happening.disclosure_read, rows, actor_id=me.id)
    return Page(items=[DisclosureRead.model_validate(row) for row in rows], next=following)


@router.post("/disclosures", status_code=201)
async def give_copy(
    body: DisclosureCreate,
    found: Annotated[OpenCase, Depends(copy_for(Action.case_export))],
    me: Me,
    tx: Tx,
    request: Request,
    response: Response,
) -> DisclosureRead:
    """Give a copy of a case to its client, or whoever stands for them; it is kept for ever.

    The document is kept as it is given, and read at `/document` below the disclosure. It needs a
    recent sign-in. Sent again with its idempotency key, the same copy is given once.
    """
    require_recent_sign_in(me, tx.now)
    said = await said_at_door(tx, me, found.row, found.standing, body.recipient)
    disclosure = _disclosure(tx, me, found.row.id, body, said, is_kept=True)
    await _give(tx, me, found.row, disclosure)
    copy = await copy_of(tx, me, found.row, said)
    tx.add(_document(tx, me, disclosure, copy))
    await _record_read(tx, me, copy, said, body.purpose)
    remember(request, "disclosure", disclosure.id)
    response.headers["Location"] = f"/v1/cases/{found.row.id}/disclosures/{disclosure.id}"
    return DisclosureRead.model_validate(disclosure)


@router.get("/disclosures/{disclosure_id}")
async def read_disclosure(
    disclosure_id: UUID,
    found: Annotated[OpenCase, Depends(case_for(Action.disclosure_list))],
    me: Me,
    tx: Tx,
) -> DisclosureRead:
    """Read to whom one copy of a case was given, and what for."""
    disclosure = await _load(tx, me, found.row.id, disclosure_id)
    record_shown(tx, Happening.disclosure_read, [disclosure], actor_id=me.id)
    return DisclosureRead.model_validate(disclosure)


@router.get("/disclosures/{disclosure_id}/document", response_model=CaseCopy, responses=_TWO_FORMS)
async def read_disclosed_copy(
    disclosure_id: UUID,
    found: Annotated[OpenCase, Depends(case_for(Action.case_export))],
    me: Me,
    tx: Tx,
    request: Request,
    response: Response,
) -> CaseCopy | HTMLResponse:
    """Read a copy of a case as it was given, in the form in which it was given.

    It needs a recent sign-in. What is hidden from you by now is left out.
    """
    require_recent_sign_in(me, tx.now)
    disclosure = await _load(tx, me, found.row.id, disclosure_id)
    given = await _as_given(tx, disclosure)
    said = await still_seen(tx, me, given, is_hidden=disclosure.restricted)
    copy = await _as_seen(tx, me, given, said)
    reads = not request.state.wants_headers_only
    await _record_read(tx, me, copy, said, disclosure.purpose, reads=reads)
    return _written(copy, Form(disclosure.form), found.row.id, response)


def _disclosures(tx: Transaction, me: Actor, case_id: UUID) -> Any:
    """Find the copies of a case that is seen which somebody may know of."""
    return (
        select(Disclosure)
        .join(Case, on_its_case(Disclosure))
        .where(
            Disclosure.clinic_id == tx.clinic.id,
            Disclosure.case_id == case_id,
            visible_disclosures(tx, me),
        )
    )


async def _load(tx: Transaction, me: Actor, case_id: UUID, disclosure_id: UUID) -> Disclosure:
    """Load a disclosure of a case that is seen. Raises 404 where there is none."""
    found = _disclosures(tx, me, case_id).where(Disclosure.id == disclosure_id)
    disclosure: Disclosure = await load_or_404(tx, found)
    return disclosure


async def _as_given(tx: Transaction, disclosure: Disclosure) -> CaseCopy:
    """Give the document of a disclosure. Raises 409 where none is kept, or not any more."""
    if not disclosure.is_kept:
        raise Conflict("This copy was given in a way that kept none; look at the case instead.")
    statement = select(DisclosedDocument).where(DisclosedDocument.disclosure_id == disclosure.id)
    kept = (await tx.exec(statement)).one()
    if kept.document is None:
        raise Conflict("The text of this case was destroyed, and what was given with it.")
    # one that was given before there were responses has none, nor a word of the door
    before: dict[str, Any] = {"responses": [], "accounts": [], "door": OF_THE_DOOR}
    return CaseCopy.model_validate(before | json.loads(kept.document))


async def _as_seen(tx: Transaction, me: Actor, copy: CaseCopy, said: SaidAtDoor) -> CaseCopy:
    """Leave out of a copy what is hidden from its reader by now; `said` is not, of the door."""
    incidents = {each.id for each in copy.incidents}
    incidents |= {each.id for each in copy.corrections if each.record == "incident"}
    given: tuple[tuple[Any, set[UUID], Any], ...] = (
        (Incident, incidents, visible_incidents),
        (Disclosure, {each.id for each in copy.disclosures}, visible_disclosures),
    )
    from_door = {each.id for each in copy.accounts} | {each.id for each in copy.responses}
    hidden = from_door - said.ids()
    for model, ids, seen in given:
        statement = (
            select(col(model.id))
            .join(Case, on_its_case(model))
            .where(col(model.clinic_id) == tx.clinic.id, col(model.id).in_(ids), seen(tx, me))
        )
        hidden |= ids - set((await tx.exec(statement)).all()) if ids else set()
    return copy.without(hidden)


async def _give(tx: Transaction, me: Actor, case: Case, disclosure: Disclosure) -> None:
    """Keep that a copy of a case is given."""
    tx.add(disclosure)
    await tx.flush()
    record(
        tx,
        Happening.case_exported,
        actor_id=me.id,
        record_type=case.noun,
        record_ids=[case.id],
        case_id=case.id,
        restricted=disclosure.restricted,
        purpose=disclosure.purpose,
    )


async def _given_just_now(
    tx: Transaction, me: Actor, case_id: UUID, asked: ExportQuery, said: SaidAtDoor
) -> bool:
    """Tell whether somebody gave the very same in the old way a moment ago.

    One that was given with its document tells of that document only. What was written since is not
    asked: it may be hidden from who reads how often a copy was given. The case is locked meanwhile.
    """
    statement = select(col(Disclosure.id)).where(
        Disclosure.clinic_id == tx.clinic.id,
        Disclosure.case_id == case_id,
        Disclosure.recorded_by_id == me.id,
        Disclosure.recipient == asked.recipient,
        Disclosure.purpose == asked.purpose,
        Disclosure.form == asked.form,
        col(Disclosure.created_at) > tx.now - ONE_GIVING,
        col(Disclosure.is_kept).is_(False),
        col(Disclosure.restricted).is_(said.is_hidden),
    )
    return (await tx.exec(statement.limit(1))).first() is not None


def _disclosure(
    tx: Transaction,
    me: Actor,
    case_id: UUID,
    asked: ExportQuery | DisclosureCreate,
    said: SaidAtDoor,
    *,
    is_kept: bool = False,
) -> Disclosure:
    return Disclosure(
        clinic_id=tx.clinic.id,
        case_id=case_id,
        recipient=asked.recipient,
        purpose=asked.purpose,
        form=asked.form,
        is_kept=is_kept,
        restricted=said.is_hidden,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )


def _document(
    tx: Transaction, me: Actor, disclosure: Disclosure, copy: CaseCopy
) -> DisclosedDocument:
    return DisclosedDocument(
        clinic_id=tx.clinic.id,
        case_id=disclosure.case_id,
        disclosure_id=disclosure.id,
        document=copy.model_dump_json(),
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )


async def _record_read(
    tx: Transaction,
    me: Actor,
    copy: CaseCopy,
    said: SaidAtDoor,
    purpose: str,
    *,
    reads: bool = True,
) -> None:
    """Journal that a copy showed records: an entry for each type.

    Where it holds what the therapist may not know of, nor may they know that it was read.
    """
    purpose = OVERSIGHT if said.is_hidden else purpose
    if said.whole:
        await note_opened(tx, me, *said.accounts, reads=reads)
    else:
        await note_shared_opened(tx, me, *said.accounts, purpose=purpose, reads=reads)
    record_shown(tx, Happening.response_read, said.responses, actor_id=me.id, purpose=purpose)
    for record_type, ids in copy.record_ids().items():
        if ids:
            record(
                tx,
                Happening(f"{record_type}.read"),
                actor_id=me.id,
                record_type=record_type,
                record_ids=ids,
                case_id=copy.case.id,
                is_read=True,
                purpose=purpose,
            )


def _written(
    copy: CaseCopy, form: Form, case_id: UUID, response: Response
) -> CaseCopy | HTMLResponse:
    """Write a copy in the form asked for, to be saved as a file."""
    saved_as = {"Content-Disposition": f'attachment; filename="case-{case_id}.{form}"'}
    if form == Form.html:
        return HTMLResponse(page_of(copy), headers={**saved_as, "Content-Security-Policy": POLICY})
    response.headers.update(saved_as)
    return copy
