"""Cases: open, read, change, hand over, void."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from api.access.authentication import Me
from api.access.case_relationship import OpenCase
from api.access.guards import case_for, may_on_cases, record_opened
from api.access.listed_cases import newest_cases
from api.access.visibility.cases import on_its_case
from api.access.visibility.colleagues import refuse_who_keeps_away
from api.access.visibility.links_and_grants import supervised_clinicians
from api.access.visibility.records import visible_incidents
from api.domain.bodies import AgreedSessions, AttachmentRoles, CaseCreate, SessionsPerWeek
from api.domain.days import CaseDays, days_of
from api.domain.errors import Conflict, Forbidden, Invalid
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import Standing, why_not_rewrite
from api.domain.permissions.table import TREATING, Actor
from api.domain.values import Day, Input, Instant, Reference, Text, YesNo, absent
from api.domain.vocabulary import CaseStatus, Phase, Setting, VoidReason
from api.flags.catching_up import catch_up_due, is_due
from api.flags.reconcile import reconcile_flags
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.field_errors import NEEDED
from api.http.pagination import Marks, Page, PageQuery, page_of
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row, record_shown
from api.records.create import NOT_TREATING, SAME_CASE, new_case, refuse_impossible_days
from api.records.handover import (
    DraftsWaiting,
    drafts_waiting,
    end_covers,
    let_go_of_flags,
    remember_tenure,
)
from api.records.oversight_notices import news_of, tell_of_transfer
from api.records.read_models import (
    CaseFields,
    CaseRead,
    FlagRead,
    flags_raised,
    show_case,
    waiting_on,
)
from api.records.versions import VersionRead, told, versions_of
from api.storage.models.clinical import Case, Incident
from api.storage.models.people import User
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/cases", tags=["cases"], route_class=StrictRoute)


class CasePatch(Input):
    """A change to a case. Its clinician changes by transfer only."""

    client_ref: Reference = absent()
    status: CaseStatus = absent()
    setting: Setting | None = None
    started_on: Day | None = None
    ended_on: Day | None = None
    phase: Phase = absent()
    attachment_roles: AttachmentRoles = absent()
    sessions_per_week: SessionsPerWeek | None = None
    agreed_sessions: AgreedSessions | None = None
    is_minor: YesNo | None = None


class CaseTransfer(Input):
    """To whom a case is handed over, and why."""

    clinician_id: UUID
    reason: Text
    keep_covers: YesNo = Field(
        default=False,
        description="True where the new clinician keeps the covers of the case; else they end.",
    )


class CaseVersionRead(VersionRead):
    """A case as it stood in one of its versions."""

    record: CaseFields | None


class CaseWritten(CaseRead):
    """A case after a write, with the flags the write opened or worsened."""

    flags_raised: list[FlagRead]


class CaseHandedOver(CaseWritten):
    """A case that was handed over, and whose drafts of notes still wait for their author.

    A draft stays its author's alone, who reads, changes and signs it as before; `GET /v1/notes`
    lists it for them.
    """

    drafts_waiting: list[DraftsWaiting]


class CaseQuery(PageQuery):
    """Which cases."""

    status: CaseStatus | None = None
    clinician_id: UUID | None = None
    client_ref: Annotated[str | None, Field(max_length=200)] = None
    from_: Day | None = Field(default=None, alias="from", description="Started on or after.")
    to: Day | None = Field(default=None, description="Started on or before.")
    updated_since: Instant | None = None


@router.get("")
async def list_cases(
    query: Annotated[CaseQuery, Query()],
    me: Annotated[Actor, Depends(may_on_cases(Action.case_list))],
    marks: Marks,
    tx: Tx,
) -> Page[CaseRead]:
    """List the cases you may see, newest first."""
    filters = await _filters(tx, query)
    opened: dict[UUID, OpenCase] = {}

    async def find(before: UUID | None, most: int) -> list[Case]:
        found = await newest_cases(tx, me, filters, before, most)
        if any(is_due(each.row, tx.now) for each in found):
            await catch_up_due(tx, col(Case.id).in_([each.row.id for each in found]))
            found = await newest_cases(tx, me, filters, before, most)
        opened.update((each.row.id, each) for each in found)
        return [each.row for each in found]

    cases, following = await page_of(tx, marks, "cases", query, find)
    record_shown(tx, Happening.case_read, cases, actor_id=me.id)
    shown = (opened[case.id] for case in cases)
    items = [show_case(each.row, each.standing, each.waiting) for each in shown]
    return Page(items=items, next=following)


@router.post("", status_code=201)
async def open_case(
    body: CaseCreate,
    me: Annotated[Actor, Depends(may_on_cases(Action.case_open))],
    tx: Tx,
    response: Response,
) -> CaseWritten:
    """Open a case: your own, or as a supervisor one for a clinician you answer for."""
    if me.is_software and body.clinician_id is None:
        raise Invalid("/clinician_id", NEEDED)
    clinician_id = body.clinician_id or me.id
    await _may_open_for(tx, me, clinician_id)
    case = new_case(tx, body, clinician_id, me.id)
    tx.add(case)
    await _flush_unique(tx)
    await _refuse_other_forms(tx, case)
    record_row(tx, Happening.case_opened, case, actor_id=me.id)
    response.headers["Location"] = f"/v1/cases/{case.id}"
    own, service = clinician_id == me.id, me.is_software
    standing = Standing(own=own, linked=not own and not service, service=service)
    found = OpenCase(case, standing)
    return await _written(tx, me, found, response)


@router.get("/{case_id}")
async def read_case(
    found: Annotated[OpenCase, Depends(case_for(Action.case_read))],
    me: Me,
    tx: Tx,
    response: Response,
) -> CaseRead:
    """Read one case."""
    record_opened(tx, Happening.case_read, found, actor_id=me.id)
    response.headers["ETag"] = etag(found.row.version)
    return show_case(found.row, found.standing, found.waiting)


@router.get("/{case_id}/versions")
async def list_case_versions(
    query: Annotated[PageQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.case_read))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[CaseVersionRead]:
    """List the versions of a case, the present one first.

    Who may read it as it is reads what stood there before.
    """
    versions = await versions_of(tx, me, marks, query, Case, found.row)
    record_opened(tx, Happening.versions_read, found, actor_id=me.id)
    items = [
        CaseVersionRead.model_validate(each) for each in told(versions, CaseFields.model_validate)
    ]
    return Page(items=items, next=versions.following)


@router.patch("/{case_id}")
async def change_case(
    body: CasePatch,
    found: Annotated[OpenCase, Depends(case_for(Action.case_change))],
    me: Me,
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> CaseWritten:
    """Change a case."""
    case = found.row
    check_version(case.version, if_match)
    changes = body.model_dump(include=body.model_fields_set)
    refuse_impossible_days(tx, days_of(CaseDays, case, changes), days_of(CaseDays, case))
    if changes:
        case.change(changes, tx.now)
        await _flush_unique(tx)
        if not changes.keys().isdisjoint({"client_ref", "started_on"}):
            await _refuse_other_forms(tx, case)
        record_row(tx, Happening.case_changed, case, actor_id=me.id, changed=changes)
    return await _written(tx, me, found, response)


@router.delete("/{case_id}", status_code=204)
async def void_case(
    found: Annotated[OpenCase, Depends(case_for(Action.case_void))],
    me: Me,
    tx: Tx,
    reason: VoidReason = VoidReason.entered_in_error,
    if_match: IfMatch = None,
) -> None:
    """Void a case: it leaves the lists and the rules, and is kept for ever.

    Flags that nobody has resolved stay in the queue until a person resolves them.
    """
    case = found.row
    reviewed = await _was_reviewed(tx, me, case)
    if refusal := why_not_rewrite(me, found.standing, case.recorded_by_id, reviewed=reviewed):
        raise Forbidden(refusal)
    check_version(case.version, if_match)
    case.change({"voided_at": tx.now, "void_reason": reason}, tx.now)
    record_row(tx, Happening.case_voided, case, actor_id=me.id)
    await reconcile_flags(tx, case, actor_id=me.id)


@router.post("/{case_id}/transfer")
async def transfer_case(
    body: CaseTransfer,
    found: Annotated[OpenCase, Depends(case_for(Action.case_transfer))],
    me: Me,
    tx: Tx,
    response: Response,
) -> CaseHandedOver:
    """Hand a case over to another clinician. For a linked supervisor.

    Covers end with it, unless the new clinician keeps them; flags that somebody had taken on who
    does not see the case any more are open again. Drafts of notes stay with their authors.
    """
    case = found.row
    if body.clinician_id == case.clinician_id:
        raise Conflict("This clinician already has the case.")
    await _refuse_who_cannot_treat(tx, body.clinician_id)
    await refuse_who_keeps_away(tx, me, case, body.clinician_id)
    await remember_tenure(tx, case, actor_id=me.id)
    before = case.clinician_id
    case.change({"clinician_id": body.clinician_id, "transfer_reason": body.reason}, tx.now)
    moved = Happening.case_transferred
    news = news_of(tx, moved, case, actor_id=me.id, changed=["clinician_id"])
    await tell_of_transfer(tx, news, case, before)
    await end_covers(tx, case, actor_id=me.id, keep=body.keep_covers)
    await let_go_of_flags(tx, case, actor_id=me.id)
    # the answer shows the case as the one who handed it over saw it a moment ago
    written = await _written(tx, me, found, response)
    waiting = await drafts_waiting(tx, case.id)
    return CaseHandedOver(**dict(written), drafts_waiting=waiting)


async def _filters(tx: Transaction, query: CaseQuery) -> list[ColumnElement[bool]]:
    wanted = []
    if query.status is not None:
        wanted.append(col(Case.status) == query.status)
    if query.clinician_id is not None:
        wanted.append(col(Case.clinician_id) == query.clinician_id)
    if query.client_ref is not None:
        wanted.append(col(Case.client_ref_hash).in_(await tx.lookup_hashes(query.client_ref)))
    if query.from_ is not None:
        wanted.append(col(Case.started_on) >= query.from_)
    if query.to is not None:
        wanted.append(col(Case.started_on) <= query.to)
    if query.updated_since is not None:
        wanted.append(col(Case.updated_at) >= query.updated_since)
    return wanted


async def _may_open_for(tx: Transaction, me: Actor, clinician_id: UUID) -> None:
    if me.is_software:
        await _refuse_who_cannot_treat(tx, clinician_id)
        return
    if clinician_id == me.id:
        if me.role not in TREATING:
            raise Forbidden("Your role does not treat clients.")
        return
    linked = await tx.exec(supervised_clinicians(tx, me))
    if clinician_id not in linked.all():
        raise Forbidden("You may open a case for yourself, or for a clinician you supervise.")
    await _refuse_who_cannot_treat(tx, clinician_id)


async def _refuse_who_cannot_treat(tx: Transaction, user_id: UUID) -> None:
    """Raise 422 unless the id is that of somebody of this clinic who treats clients."""
    found = await tx.exec(
        select(col(User.id)).where(
            User.clinic_id == tx.clinic.id,
            User.id == user_id,
            col(User.is_active).is_(True),
            col(User.role).in_(TREATING),
        )
    )
    if found.first() is None:
        raise Invalid("/clinician_id", NOT_TREATING)


async def _was_reviewed(tx: Transaction, me: Actor, case: Case) -> bool:
    """Tell whether an incident of a case was reviewed that somebody may know of."""
    reviewed = await tx.exec(
        select(col(Incident.id))
        .join(Case, on_its_case(Incident))
        .where(
            Incident.clinic_id == tx.clinic.id,
            Incident.case_id == case.id,
            visible_incidents(tx, me),
            col(Incident.reviewed_at).is_not(None),
        )
        .limit(1)
    )
    return reviewed.first() is not None


async def _flush_unique(tx: Transaction) -> None:
    try:
        await tx.flush()
    except IntegrityError as error:
        raise Conflict(SAME_CASE) from error


async def _refuse_other_forms(tx: Transaction, case: Case) -> None:
    """Raise 409 for a reference that an earlier release wrote in another Unicode form.

    It told the forms apart, and may do so beside this one while servers are replaced; no index
    compares them.
    """
    if case.client_ref is None or case.client_ref.isascii():
        return
    others = (await tx.lookup_hashes(case.client_ref))[1:]
    same = select(Case.id).where(
        col(Case.clinic_id) == tx.clinic.id,
        col(Case.client_ref_hash).in_(others),
        col(Case.started_on).is_not_distinct_from(case.started_on),
        col(Case.voided_at).is_(None),
        col(Case.id) != case.id,
    )
    if (await tx.exec(same)).first() is not None:
        raise Conflict(SAME_CASE)


async def _written(tx: Transaction, me: Actor, found: OpenCase, response: Response) -> CaseWritten:
    """Run the rules after a write, and show the case with what they raised."""
    raised = await reconcile_flags(tx, found.row, actor_id=me.id)
    await tx.flush()
    response.headers["ETag"] = etag(found.row.version)
    waiting = await waiting_on(tx, me, [found.row])
    shown = show_case(found.row, found.standing, waiting[found.row.id])
    return CaseWritten(**dict(shown), flags_raised=flags_raised(me, raised, found.standing))
