"""The promise ledger: what was promised to a client, and what became of it."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement
from sqlmodel import col, select

from api.access.authentication import Me
from api.access.case_relationship import OpenCase
from api.access.guards import OpenRecord, case_for, may_on_cases, promise_for, record_opened
from api.access.visibility.cases import on_its_case
from api.access.visibility.listings import Listing, shown_page
from api.access.visibility.records import visible_promises
from api.domain.bodies import PromiseCreate
from api.domain.days import PromiseDays, days_of
from api.domain.errors import Forbidden
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import purpose_of, why_not_rewrite
from api.domain.permissions.table import Actor
from api.domain.values import Day, Input, Instant, Text, YesNo, absent
from api.domain.vocabulary import (
    ClientImpact,
    PromiseKeepable,
    PromiseKind,
    PromiseMadeBy,
    PromiseScope,
    PromiseSource,
    PromiseState,
    ReportedBy,
    Significance,
    VoidReason,
)
from api.flags.case_facts import add_record, open_file
from api.flags.reconcile import reconcile_flags, reconcile_with
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, finding
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row
from api.records.create import new_promise, refuse_impossible_days
from api.records.promises_shown import (
    PromiseRead,
    PromiseWritten,
    promise_written,
    promises_told,
)
from api.records.versions import VersionRead, told, versions_of
from api.storage.models.clinical import Case, Promise
from api.storage.models.flags import Flag
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["promises"], route_class=StrictRoute)

ALWAYS_THE_CLINICIANS = frozenset({"state", "discussed_with_client", "discussed_on"})
"""What a case's clinician may change on any promise, whoever recorded it."""


class PromisePatch(Input):
    """A change to a promise. Its state changes here, too."""

    wording: Text = absent()
    made_by: PromiseMadeBy = absent()
    source: PromiseSource = absent()
    kind: PromiseKind = absent()
    scope: PromiseScope = absent()
    keepable: PromiseKeepable = absent()
    significance: Significance = absent()
    made_on: Day = absent()
    due_on: Day | None = None
    open_ended: YesNo = absent()
    discussed_with_client: YesNo | None = None
    discussed_on: Day | None = None
    state: PromiseState = absent()
    client_impact: ClientImpact = absent()
    reported_by: ReportedBy = absent()


class PromiseVersionRead(VersionRead):
    """A promise as it stood in one of its versions."""

    record: PromiseRead | None


class PromiseQuery(PageQuery):
    """Which promises."""

    state: PromiseState | None = None
    kind: PromiseKind | None = None
    from_: Day | None = Field(default=None, alias="from", description="Made on or after.")
    to: Day | None = Field(default=None, description="Made on or before.")
    updated_since: Instant | None = None


class PromiseAcrossQuery(PromiseQuery):
    """Which promises, across cases."""

    clinician_id: UUID | None = None


@router.get("/cases/{case_id}/promises")
async def list_promises_of_case(
    query: Annotated[PromiseQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.promise_list))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[PromiseRead]:
    """List the promises of a case, newest first."""
    statement = (
        select(Promise)
        .join(Case, on_its_case(Promise))
        .where(
            col(Promise.clinic_id) == tx.clinic.id,
            visible_promises(tx, me),
            col(Promise.case_id) == found.row.id,
            *_LISTED.always,
            *_filters(query),
        )
    )
    find = finding(tx, statement, Promise)
    purpose = purpose_of(found.standing)
    page = marks, f"promises/{found.row.id}", query
    rows, following = await shown_page(tx, me, page, find, Happening.promise_read, purpose)
    show = await promises_told(tx, me, rows)
    return Page(items=[show(each) for each in rows], next=following)


@router.get("/promises")
async def list_promises(
    query: Annotated[PromiseAcrossQuery, Query()],
    me: Annotated[Actor, Depends(may_on_cases(Action.promise_list))],
    marks: Marks,
    tx: Tx,
) -> Page[PromiseRead]:
    """List promises across the cases you may see, newest first."""
    wanted = list(_filters(query))
    if query.clinician_id is not None:
        wanted.append(col(Case.clinician_id) == query.clinician_id)
    find = partial(_LISTED.rows, tx, me, wanted)
    page = marks, "promises", query
    rows, following = await shown_page(tx, me, page, find, Happening.promise_read)
    show = await promises_told(tx, me, rows)
    return Page(items=[show(each) for each in rows], next=following)


@router.post("/cases/{case_id}/promises", status_code=201)
async def record_promise(
    body: PromiseCreate,
    found: Annotated[OpenCase, Depends(case_for(Action.promise_record))],
    me: Me,
    tx: Tx,
    response: Response,
) -> PromiseWritten:
    """Record a promise on a case; the rules look at it at once.

    A case takes 5,000 records, and 1,000 restricted ones beside them: 409 beyond.
    """
    promise = new_promise(tx, body, found.row.id, me.id)
    file = await open_file(tx, found.row)
    add_record(tx, file, promise)
    record_row(tx, Happening.promise_recorded, promise, actor_id=me.id)
    response.headers["Location"] = f"/v1/promises/{promise.id}"
    raised = await reconcile_with(tx, file, promise, actor_id=me.id)
    opened = OpenRecord(promise, found.row, found.standing)
    return await _written(tx, me, opened, raised, response)


@router.get("/promises/{promise_id}")
async def read_promise(
    found: Annotated[OpenRecord[Promise], Depends(promise_for(Action.promise_read))],
    me: Me,
    tx: Tx,
    response: Response,
) -> PromiseRead:
    """Read one promise."""
    response.headers["ETag"] = etag(found.row.version)
    record_opened(tx, Happening.promise_read, found, actor_id=me.id)
    return (await promises_told(tx, me, [found.row]))(found.row)


@router.get("/promises/{promise_id}/versions")
async def list_promise_versions(
    query: Annotated[PageQuery, Query()],
    found: Annotated[OpenRecord[Promise], Depends(promise_for(Action.promise_read))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[PromiseVersionRead]:
    """List the versions of a promise, the present one first.

    Who may read it as it is reads what stood there before.
    """
    versions = await versions_of(tx, me, marks, query, Promise, found.row)
    record_opened(tx, Happening.versions_read, found, actor_id=me.id)
    show = await promises_told(tx, me, [found.row])
    items = [PromiseVersionRead.model_validate(each) for each in told(versions, show)]
    return Page(items=items, next=versions.following)


@router.patch("/promises/{promise_id}")
async def change_promise(
    body: PromisePatch,
    found: Annotated[OpenRecord[Promise], Depends(promise_for(Action.promise_change))],
    me: Me,
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> PromiseWritten:
    """Change a promise, or settle its state."""
    promise = found.row
    if not body.model_fields_set <= ALWAYS_THE_CLINICIANS:
        _may_rewrite(me, found)
    check_version(promise.version, if_match)
    changes = body.model_dump(include=body.model_fields_set)
    refuse_impossible_days(
        tx, days_of(PromiseDays, promise, changes), days_of(PromiseDays, promise)
    )
    if changes:
        promise.change(changes, tx.now)
        record_row(tx, Happening.promise_changed, promise, actor_id=me.id, changed=changes)
    raised = await reconcile_flags(tx, found.case, actor_id=me.id, wrote=found.row.id)
    return await _written(tx, me, found, raised, response)


@router.delete("/promises/{promise_id}", status_code=204)
async def void_promise(
    found: Annotated[OpenRecord[Promise], Depends(promise_for(Action.promise_void))],
    me: Me,
    tx: Tx,
    reason: VoidReason = VoidReason.entered_in_error,
    if_match: IfMatch = None,
) -> None:
    """Void a promise: it leaves the lists and the rules, and is kept for ever."""
    _may_rewrite(me, found)
    check_version(found.row.version, if_match)
    found.row.change({"voided_at": tx.now, "void_reason": reason}, tx.now)
    record_row(tx, Happening.promise_voided, found.row, actor_id=me.id)
    await reconcile_flags(tx, found.case, actor_id=me.id, wrote=found.row.id)


_LISTED = Listing(Promise, col(Promise.voided_at).is_(None), col(Case.voided_at).is_(None))


def _filters(query: PromiseQuery) -> Iterator[ColumnElement[bool]]:
    if query.state is not None:
        yield col(Promise.state) == query.state
    if query.kind is not None:
        yield col(Promise.kind) == query.kind
    if query.from_ is not None:
        yield col(Promise.made_on) >= query.from_
    if query.to is not None:
        yield col(Promise.made_on) <= query.to
    if query.updated_since is not None:
        yield col(Promise.updated_at) >= query.updated_since


def _may_rewrite(me: Actor, found: OpenRecord[Promise]) -> None:
    if refusal := why_not_rewrite(me, found.standing, found.row.recorded_by_id, reviewed=False):
        raise Forbidden(refusal)


async def _written(
    tx: Transaction,
    me: Actor,
    found: OpenRecord[Promise],
    raised: Iterable[Flag],
    response: Response,
) -> PromiseWritten:
    """Show a promise after a write, with the flags that the rules raised."""
    response.headers["ETag"] = etag(found.row.version)
    return await promise_written(tx, me, found, raised)
