"""Consultation requests: asking another clinician, until one has agreed to answer."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement, union
from sqlalchemy import select as sa_select
from sqlmodel import col, select

from api.access.authentication import Me
from api.access.case_relationship import OpenCase
from api.access.guards import OpenRecord, case_for, consultation_for, may_on_cases, record_opened
from api.access.visibility.briefs import open_briefs
from api.access.visibility.cases import on_its_case
from api.access.visibility.newest import Newest, newest_seen
from api.domain.bodies import ConsultationCreate, LinkedIds
from api.domain.errors import Conflict, Forbidden
from api.domain.lifecycles import ANSWER_WITHIN, BRIEF_LASTS, EDITABLE_CONSULTATION
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import A_PERSON_RELEASES, purpose_of
from api.domain.permissions.table import Actor, may_ever
from api.domain.rules.moment import midnight
from api.domain.values import Day, Input, Instant, Text, YesNo, absent
from api.domain.vocabulary import ConsultationKind, ConsultationStatus, ConsultationUrgency
from api.flags.case_facts import add_record, open_file
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_shown
from api.records.consultation_links import (
    link_in_silence,
    links_after,
    refuse_unknown_links,
    refuse_who_cannot_answer,
)
from api.records.consultations_shown import (
    ConsultationRead,
    ConsultationWritten,
    show_consultations,
    write_down,
)
from api.records.create import new_consultation
from api.records.deidentified_brief import ConsultationBrief, brief_of, briefs_of
from api.records.versions import VersionRead, told, versions_of
from api.storage.models.clinical import IS_WAITING, Case, Consultation
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["consultations"], route_class=StrictRoute)

Found = OpenRecord[Consultation]


class ConsultationPatch(Input):
    """A change to a request that nobody has accepted yet."""

    kind: ConsultationKind = absent()
    urgency: ConsultationUrgency = absent()
    question: Text = absent()
    summary: Text | None = None
    released: YesNo = absent()
    incident_ids: LinkedIds = absent()
    promise_ids: LinkedIds = absent()
    consultant_id: UUID | None = None


class ConsultationVersionRead(VersionRead):
    """A consultation as it stood in one of its versions."""

    record: ConsultationRead | None


class ConsultationQuery(PageQuery):
    """Which consultations."""

    status: ConsultationStatus | None = None
    kind: ConsultationKind | None = None
    from_: Day | None = Field(default=None, alias="from", description="Requested on or after.")
    to: Day | None = Field(default=None, description="Requested on or before.")
    updated_since: Instant | None = None


class ConsultationAcrossQuery(ConsultationQuery):
    """Which consultations, across cases."""

    clinician_id: UUID | None = None
    consultant_id: UUID | None = None


@router.get("/cases/{case_id}/consultations")
async def list_consultations_of_case(
    query: Annotated[ConsultationQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.consultation_list))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[ConsultationRead]:
    """List the consultations of a case, newest first."""
    wanted = [col(Consultation.case_id) == found.row.id, *_filters(tx, query)]
    statement = _consultations(tx, wanted)
    listing = f"consultations/{found.row.id}"
    rows, following = await newest_first(tx, marks, listing, query, statement, Consultation)
    record_shown(
        tx, Happening.consultation_read, rows, actor_id=me.id, purpose=purpose_of(found.standing)
    )
    return Page(items=await show_consultations(tx, me, rows), next=following)


@router.get("/consultations")
async def list_consultations(
    query: Annotated[ConsultationAcrossQuery, Query()],
    me: Annotated[Actor, Depends(may_on_cases(Action.consultation_list))],
    marks: Marks,
    tx: Tx,
) -> Page[ConsultationRead | ConsultationBrief]:
    """List consultations across the cases you may see, newest first; briefs for consultants."""
    wanted = list(_filters(tx, query))
    if query.clinician_id is not None:
        wanted.append(col(Case.clinician_id) == query.clinician_id)
    if query.consultant_id is not None:
        wanted.append(col(Consultation.consultant_id) == query.consultant_id)
    newest = _newest_reaching(tx, me, query, wanted)
    rows, following = await newest_first(tx, marks, "consultations", query, newest, Consultation)
    record_shown(tx, Happening.consultation_read, rows, actor_id=me.id)
    return Page(items=await _items(tx, me, rows), next=following)


@router.post("/cases/{case_id}/consultations", status_code=201)
async def draft_consultation(
    body: ConsultationCreate,
    found: Annotated[OpenCase, Depends(case_for(Action.consultation_draft))],
    me: Me,
    tx: Tx,
    response: Response,
) -> ConsultationWritten:
    """Draft a consultation request on your case.

    A case takes 5,000 records, and 1,000 restricted ones beside them: 409 beyond.
    """
    _refuse_release_by_software(me, body)
    await refuse_unknown_links(tx, me, found.row, body.incident_ids, body.promise_ids)
    await refuse_who_cannot_answer(tx, me, body.consultant_id, found.row)
    consultation = new_consultation(tx, body, found.row.id, me.id)
    add_record(tx, await open_file(tx, found.row), consultation)
    response.headers["Location"] = f"/v1/consultations/{consultation.id}"
    response.headers["ETag"] = etag(consultation.version)
    opened = OpenRecord(consultation, found.row, found.standing)
    return await write_down(tx, me, opened, Happening.consultation_drafted)


@router.get("/consultations/{consultation_id}")
async def read_consultation(
    found: Annotated[Found, Depends(consultation_for(Action.consultation_read))],
    me: Me,
    tx: Tx,
    response: Response,
) -> ConsultationRead | ConsultationBrief:
    """Read one consultation; a consultant reads its brief."""
    response.headers["ETag"] = etag(found.row.version)
    record_opened(tx, Happening.consultation_read, found, actor_id=me.id)
    if found.standing.consulting:
        return await brief_of(tx, found.row, found.case)
    (shown,) = await show_consultations(tx, me, [found.row])
    return shown


@router.get("/consultations/{consultation_id}/versions")
async def list_consultation_versions(
    query: Annotated[PageQuery, Query()],
    found: Annotated[
        OpenRecord[Consultation], Depends(consultation_for(Action.consultation_read_in_full))
    ],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[ConsultationVersionRead]:
    """List the versions of a consultation, the present one first.

    Who may read it as it is reads what stood there before. Not for consultants:
    they read its brief, as it is.
    """
    versions = await versions_of(tx, me, marks, query, Consultation, found.row)
    record_opened(tx, Happening.versions_read, found, actor_id=me.id)
    items = [
        ConsultationVersionRead.model_validate(each)
        for each in told(versions, ConsultationRead.model_validate)
    ]
    return Page(items=items, next=versions.following)


@router.patch("/consultations/{consultation_id}")
async def change_consultation(
    body: ConsultationPatch,
    found: Annotated[Found, Depends(consultation_for(Action.consultation_change))],
    me: Me,
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> ConsultationWritten:
    """Change a request that nobody has accepted yet."""
    consultation = found.row
    check_version(consultation.version, if_match)
    if consultation.status not in EDITABLE_CONSULTATION:
        raise Conflict("This request was accepted or ended; it is no longer changed.")
    changes = body.model_dump(include=body.model_fields_set)
    _refuse_release_by_software(me, body)
    if me.is_software and not changes.keys().isdisjoint({"question", "summary"}):
        # what a person released were the words that stood there before
        changes["released"] = False
    changes |= await links_after(tx, me, consultation, found.case, changes)
    await refuse_who_cannot_answer(tx, me, changes.get("consultant_id"), found.case)
    if consultation.requested_at is not None and "urgency" in changes:
        changes["due_at"] = consultation.requested_at + ANSWER_WITHIN[changes["urgency"]]
    told = body.model_fields_set - await link_in_silence(tx, me, consultation, changes)
    if changes:
        consultation.change(changes, tx.now)
    happening = Happening.consultation_changed if told or not body.model_fields_set else None
    response.headers["ETag"] = etag(consultation.version)
    return await write_down(tx, me, found, happening, told)


def _filters(tx: Transaction, query: ConsultationQuery) -> Iterator[ColumnElement[bool]]:
    yield col(Case.voided_at).is_(None)
    if query.status is not None:
        yield col(Consultation.status) == query.status
    if query.kind is not None:
        yield col(Consultation.kind) == query.kind
    if query.from_ is not None:
        yield col(Consultation.requested_at) >= midnight(query.from_, tx.clinic.zone)
    if query.to is not None:
        end = midnight(query.to + timedelta(days=1), tx.clinic.zone)
        yield col(Consultation.requested_at) < end
    if query.updated_since is not None:
        yield col(Consultation.updated_at) >= query.updated_since


def _newest_reaching(
    tx: Transaction,
    me: Actor,
    query: ConsultationAcrossQuery,
    wanted: Sequence[ColumnElement[bool]],
) -> Newest:
    """Select the newest that reach somebody: those on cases they see, and as a consultant."""
    seen = newest_seen(tx, me, Consultation, *wanted)
    # whose client it is would show by asking for one clinician after the other
    if may_ever(me, Action.consultation_draft) or query.clinician_id is not None or me.is_software:
        return seen
    briefs = _consultations(tx, [open_briefs(me.id, tx.now, tx.now - BRIEF_LASTS), *wanted])

    def newest(before: UUID | None, most: int) -> Any:
        # whoever asks for a brief waits for an answer, as few do
        asked = briefs.where(IS_WAITING, *([] if before is None else [Consultation.id < before]))
        asked = asked.order_by(col(Consultation.id).desc()).limit(most)
        each = (part.subquery() for part in (seen(before, most), asked))
        either = union(*(sa_select(part.c.id) for part in each)).subquery()
        found = select(Consultation).where(
            Consultation.clinic_id == tx.clinic.id,
            col(Consultation.id).in_(sa_select(either.c.id)),
        )
        return found.order_by(col(Consultation.id).desc()).limit(most)

    return newest


def _consultations(tx: Transaction, wanted: Iterable[ColumnElement[bool]]) -> Any:
    return (
        select(Consultation)
        .join(Case, on_its_case(Consultation))
        .where(col(Consultation.clinic_id) == tx.clinic.id, *wanted)
    )


async def _items(
    tx: Transaction, me: Actor, rows: Sequence[Consultation]
) -> list[ConsultationRead | ConsultationBrief]:
    """Show consultations in full, and as briefs where the reader is asked from outside."""
    if may_ever(me, Action.consultation_draft) or me.is_software:
        return [*await show_consultations(tx, me, rows)]
    ids = {row.case_id for row in rows}
    cases = {case.id: case for case in await tx.exec(select(Case).where(col(Case.id).in_(ids)))}
    outside = [
        (row, cases[row.case_id]) for row in rows if cases[row.case_id].clinician_id != me.id
    ]
    briefs = {brief.id: brief for brief in await briefs_of(tx, outside)}
    own = [row for row in rows if row.id not in briefs]
    in_full = {shown.id: shown for shown in await show_consultations(tx, me, own)}
    return [briefs.get(row.id) or in_full[row.id] for row in rows]


def _refuse_release_by_software(me: Actor, body: ConsultationCreate | ConsultationPatch) -> None:
    """Raise 403 where software would say that a text names nobody."""
    if me.is_software and body.released:
        raise Forbidden(A_PERSON_RELEASES)
