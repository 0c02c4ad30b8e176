"""Clinical notes: drafts that are their author's alone, and signed notes that never change."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import rfc8785
from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from pydantic_core import to_jsonable_python
from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select

from api.access.authentication import Me
from api.access.case_relationship import OpenCase
from api.access.guards import OpenRecord, case_for, may_on_cases, note_for
from api.access.visibility.cases import on_its_case, visible_cases
from api.access.visibility.records import own_notes, visible_notes
from api.domain.errors import Conflict, Forbidden
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import why_not_cosign, why_not_rewrite_note
from api.domain.permissions.table import Actor
from api.domain.rules.moment import midnight
from api.domain.values import Day, Input, Instant, LongText, Output, absent
from api.domain.vocabulary import NoteClass, NoteStatus, VoidReason
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row, record_shown
from api.records.read_models import RecordRead
from api.security import base64url
from api.storage.models.clinical import Case, Cosignature, Note
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["notes"], route_class=StrictRoute)

Found = OpenRecord[Note]

SALT_BYTES = 16


class NoteCreate(Input):
    """A new note, as a draft."""

    note_class: NoteClass
    body: LongText


class NotePatch(Input):
    """A change to a draft."""

    note_class: NoteClass = absent()
    body: LongText = absent()


class NoteAmendment(Input):
    """What is added to a signed note, or put right in it."""

    body: LongText


class CosignatureRead(Output):
    """A supervisor who has read a signed note and stands by it, and since when."""

    user_id: UUID
    at: datetime


class NoteRead(RecordRead):
    """A note; `recorded_by_id` is its author. An amendment names in `amends_id` the note it amends.

    `content_hash` can be computed again by a reader: it is the SHA-256, in hexadecimal, of the
    canonical JSON (RFC 8785) of an object with `amends_id`, `author_id`, `body`, `case_id`, `id`,
    `note_class`, `salt` and `signed_at`, each spelled as it is here; `author_id` is
    `recorded_by_id`, and `salt` is `content_salt`. `body` and `content_salt` are null once the text
    of the case was destroyed.
    """

    case_id: UUID
    note_class: NoteClass
    body: str | None
    status: NoteStatus
    signed_at: datetime | None
    amends_id: UUID | None
    content_hash: str | None
    content_salt: str | None
    cosignatures: list[CosignatureRead]
    voided_at: datetime | None
    void_reason: VoidReason | None


class NoteQuery(PageQuery):
    """Which notes."""

    note_class: NoteClass | None = None
    status: NoteStatus | None = None
    from_: Day | None = Field(default=None, alias="from", description="Begun on or after.")
    to: Day | None = Field(default=None, description="Begun on or before.")
    updated_since: Instant | None = None


class OwnNoteQuery(NoteQuery):
    """Which notes of your own."""

    kept: bool | None = Field(
        default=None,
        description="True: those on cases that you no longer see; false: on cases that you do.",
    )


@router.get("/notes")
async def list_notes(
    query: Annotated[OwnNoteQuery, Query()],
    me: Annotated[Actor, Depends(may_on_cases(Action.note_list))],
    marks: Marks,
    tx: Tx,
) -> Page[NoteRead]:
    """List the notes that you wrote, newest first, those on cases that you no longer see too."""
    statement = (
        select(Note)
        .join(Case, on_its_case(Note))
        .where(col(Note.clinic_id) == tx.clinic.id, own_notes(tx, me), *_filters(tx, query))
    )
    if query.kept is not None:
        seen = visible_cases(tx, me)
        statement = statement.where(~seen if query.kept else seen)
    notes, following = await newest_first(tx, marks, "notes", query, statement, Note)
    record_shown(tx, Happening.note_read, notes, actor_id=me.id)
    return Page(items=await _show(tx, notes), next=following)


@router.get("/cases/{case_id}/notes")
async def list_notes_of_case(
    query: Annotated[NoteQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.note_list))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[NoteRead]:
    """List the notes of a case that you may read, newest first."""
    statement = (
        select(Note)
        .join(Case, on_its_case(Note))
        .where(
            col(Note.clinic_id) == tx.clinic.id,
            col(Note.case_id) == found.row.id,
            visible_notes(tx, me),
            *_filters(tx, query),
        )
    )
    listing = f"notes/{found.row.id}"
    notes, following = await newest_first(tx, marks, listing, query, statement, Note)
    record_shown(tx, Happening.note_read, notes, actor_id=me.id)
    return Page(items=await _show(tx, notes), next=following)


@router.post("/cases/{case_id}/notes", status_code=201)
async def draft_note(
    body: NoteCreate,
    found: Annotated[OpenCase, Depends(case_for(Action.note_draft))],
    me: Me,
    tx: Tx,
    response: Response,
) -> NoteRead:
    """Draft a note. Nobody else knows of it until you sign it."""
    note = _new_note(tx, me, found.row.id, body.note_class, body.body)
    tx.add(note)
    response.headers["Location"] = f"/v1/notes/{note.id}"
    return await _written(tx, me, note, response, Happening.note_drafted)


@router.get("/notes/{note_id}")
async def read_note(
    found: Annotated[Found, Depends(note_for(Action.note_read))],
    me: Me,
    tx: Tx,
    response: Response,
) -> NoteRead:
    """Read one note. A psychotherapy note is read by its author only (45 CFR 164.501)."""
    record_shown(tx, Happening.note_read, [found.row], actor_id=me.id)
    response.headers["ETag"] = etag(found.row.version)
    (shown,) = await _show(tx, [found.row])
    return shown


@router.patch("/notes/{note_id}")
async def change_note(
    body: NotePatch,
    found: Annotated[Found, Depends(note_for(Action.note_change))],
    me: Me,
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> NoteRead:
    """Change a draft of your own."""
    note = _own_draft(me, found)
    check_version(note.version, if_match)
    changes = body.model_dump(include=body.model_fields_set)
    if changes:
        note.change(changes, tx.now)
    happening = Happening.note_changed if changes else None
    return await _written(tx, me, note, response, happening, changes)


@router.delete("/notes/{note_id}", status_code=204)
async def void_note(
    found: Annotated[Found, Depends(note_for(Action.note_void))],
    me: Me,
    tx: Tx,
    reason: VoidReason = VoidReason.entered_in_error,
    if_match: IfMatch = None,
) -> None:
    """Void a draft of your own: it leaves the lists, and is kept for ever."""
    note = _own_draft(me, found)
    check_version(note.version, if_match)
    note.change({"voided_at": tx.now, "void_reason": reason}, tx.now)
    record_row(tx, Happening.note_voided, note, actor_id=me.id)


@router.post("/notes/{note_id}/sign")
async def sign_note(
    found: Annotated[Found, Depends(note_for(Action.note_sign))],
    me: Me,
    tx: Tx,
    response: Response,
) -> NoteRead:
    """Sign a draft of your own. From here on it never changes; amend it instead."""
    note = _own_draft(me, found)
    # all at once: the row refuses whatever would come after
    note.change(_signature(tx, note), tx.now)
    return await _written(tx, me, note, response, Happening.note_signed)


@router.post("/notes/{note_id}/amendments", status_code=201)
async def amend_note(
    body: NoteAmendment,
    found: Annotated[Found, Depends(note_for(Action.note_amend))],
    me: Me,
    tx: Tx,
    response: Response,
) -> NoteRead:
    """Amend a signed note of your own by a new note, which is signed at once."""
    first = found.row
    _refuse_unless_author(me, first)
    if first.status != NoteStatus.signed:
        raise Conflict("This note is a draft; it is changed, and not amended.")
    note = _new_note(tx, me, first.case_id, first.note_class, body.body)
    # an amendment of an amendment belongs to the note that came first
    note.amends_id = first.amends_id or first.id
    for name, value in _signature(tx, note).items():
        setattr(note, name, value)
    tx.add(note)
    response.headers["Location"] = f"/v1/notes/{note.id}"
    return await _written(tx, me, note, response, Happening.note_amended)


@router.post("/notes/{note_id}/cosign")
async def cosign_note(
    found: Annotated[Found, Depends(note_for(Action.note_cosign))],
    me: Me,
    tx: Tx,
    response: Response,
) -> NoteRead:
    """Co-sign a signed note. For a linked supervisor."""
    note = found.row
    if refusal := why_not_cosign(me, note.recorded_by_id):
        raise Forbidden(refusal)
    if me.id in {each.recorded_by_id for each in await _cosignatures(tx, [note])}:
        raise Conflict("You have already co-signed this note.")
    tx.add(
        Cosignature(
            clinic_id=tx.clinic.id,
            note_id=note.id,
            recorded_by_id=me.id,
            created_at=tx.now,
            updated_at=tx.now,
        )
    )
    return await _written(tx, me, note, response, Happening.note_cosigned)


def _filters(tx: Transaction, query: NoteQuery) -> Iterator[ColumnElement[bool]]:
    yield col(Note.voided_at).is_(None)
    yield col(Case.voided_at).is_(None)
    if query.note_class is not None:
        yield col(Note.note_class) == query.note_class
    if query.status is not None:
        yield col(Note.status) == query.status
    if query.from_ is not None:
        yield col(Note.created_at) >= midnight(query.from_, tx.clinic.zone)
    if query.to is not None:
        yield col(Note.created_at) < midnight(query.to + timedelta(days=1), tx.clinic.zone)
    if query.updated_since is not None:
        # to co-sign is no change of the note, and still of what is shown with it
        cosigned = select(col(Cosignature.note_id)).where(
            Cosignature.created_at >= query.updated_since
        )
        yield or_(col(Note.updated_at) >= query.updated_since, col(Note.id).in_(cosigned))


def _new_note(tx: Transaction, me: Actor, case_id: UUID, note_class: NoteClass, body: str) -> Note:
    return Note(
        clinic_id=tx.clinic.id,
        case_id=case_id,
        note_class=note_class,
        body=body,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )


def _refuse_unless_author(me: Actor, note: Note) -> None:
    if refusal := why_not_rewrite_note(me, note.recorded_by_id):
        raise Forbidden(refusal)


def _own_draft(me: Actor, found: Found) -> Note:
    _refuse_unless_author(me, found.row)
    if found.row.status == NoteStatus.signed:
        raise Conflict("This note is already signed; it is amended, and never changed.")
    return found.row


def _signature(tx: Transaction, note: Note) -> dict[str, object]:
    salt = base64url.encode(os.urandom(SALT_BYTES))
    return {
        "status": NoteStatus.signed,
        "signed_at": tx.now,
        "content_salt": salt,
        "content_hash": _content_hash(note, tx.now, salt),
    }


def _content_hash(note: Note, signed_at: datetime, salt: str) -> str:
    """Hash what is signed, as `NoteRead` says."""
    signed = {
        "amends_id": note.amends_id,
        "author_id": note.recorded_by_id,
        "body": note.body,
        "case_id": note.case_id,
        "id": note.id,
        "note_class": note.note_class,
        "salt": salt,
        "signed_at": signed_at,
    }
    # ids and times are spelled as the answer spells them
    return hashlib.sha256(rfc8785.dumps(to_jsonable_python(signed))).hexdigest()


async def _cosignatures(tx: Transaction, notes: Iterable[Note]) -> list[Cosignature]:
    on_these = col(Cosignature.note_id).in_([note.id for note in notes])
    found = await tx.exec(
        select(Cosignature)
        .where(col(Cosignature.clinic_id) == tx.clinic.id, on_these)
        .order_by(col(Cosignature.id))
    )
    return list(found)


async def _show(tx: Transaction, notes: Sequence[Note]) -> list[NoteRead]:
    """Show notes, each with those who have co-signed it."""
    signed = [note for note in notes if note.status == NoteStatus.signed]
    cosigned: dict[UUID, list[CosignatureRead]] = {note.id: [] for note in notes}
    for each in await _cosignatures(tx, signed) if signed else ():
        cosigned[each.note_id].append(
            CosignatureRead.model_validate({"user_id": each.recorded_by_id, "at": each.created_at})
        )
    return [
        NoteRead.model_validate({**note.__dict__, "cosignatures": cosigned[note.id]})
        for note in notes
    ]


async def _written(
    tx: Transaction,
    me: Actor,
    note: Note,
    response: Response,
    happening: Happening | None,
    changed: Iterable[str] = (),
) -> NoteRead:
    """Journal a write, and show the note. No rule looks at it."""
    if happening is not None:
        record_row(tx, happening, note, actor_id=me.id, changed=changed)
    await tx.flush()
    response.headers["ETag"] = etag(note.version)
    (shown,) = await _show(tx, [note])
    return shown
