"""Incidents: report, read, change, review, void."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col, select

from api.access.authentication import Me
from api.access.case_relationship import OpenCase
from api.access.guards import OpenRecord, case_for, incident_for, may_on_cases, record_opened
from api.access.visibility.cases import on_its_case
from api.access.visibility.listings import Listing, shown_page
from api.access.visibility.records import visible_incidents
from api.domain.bodies import IncidentCreate
from api.domain.details import Details
from api.domain.errors import Forbidden
from api.domain.incident_kinds import IncidentKind
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import purpose_of, why_not_rewrite
from api.domain.permissions.table import Actor
from api.domain.rules.moment import first_day, last_day
from api.domain.tenures import whom_it_is_about
from api.domain.values import Day, Input, Instant, Text, YesNo, absent
from api.domain.vocabulary import (
    Classification,
    ClientImpact,
    DatePrecision,
    Determination,
    IncidentStatus,
    Initiator,
    Repair,
    ReportedBy,
    VoidReason,
)
from api.flags.case_facts import add_record, open_file
from api.flags.reconcile import reconcile_flags
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, finding
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row
from api.records.create import new_incident
from api.records.from_accounts import refuse_to_turn
from api.records.incident_changes import changed_details
from api.records.incidents_shown import (
    IncidentRead,
    IncidentWritten,
    incident_written,
    incidents_told,
)
from api.records.versions import VersionRead, told, versions_of
from api.records.whose_conduct import is_restricted, may_restrict, maybe_about, say_whose
from api.storage.models.clinical import Case, Incident
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["incidents"], route_class=StrictRoute)


class IncidentPatch(Input):
    """A change to an incident. `details` is replaced as a whole and keeps its kind."""

    occurred_on: Day = absent()
    date_precision: DatePrecision = absent()
    initiator: Initiator = absent()
    reported_by: ReportedBy = absent()
    classification: Classification = absent()
    client_impact: ClientImpact = absent()
    rationale: Text | None = None
    narrative: Text | None = None
    discussed_with_client: YesNo | None = None
    repair: Repair = absent()
    about_user_id: UUID | None = Field(
        default=None,
        description="Whose conduct it is about, null for nobody's; put right by a supervisor who "
        "answers for the case's clinician. Where it becomes that clinician's, and somebody else "
        "recorded it, it is `restricted` from then on, unless this request says otherwise.",
    )
    restricted: YesNo = absent()
    details: Details = absent()


class IncidentReview(Input):
    """A supervisor's determination of an incident."""

    determination: Determination
    review_note: Text


class IncidentVersionRead(VersionRead):
    """An incident as it stood in one of its versions."""

    record: IncidentRead | None


class IncidentQuery(PageQuery):
    """Which incidents."""

    status: IncidentStatus | None = None
    kind: IncidentKind | None = None
    from_: Day | None = Field(
        default=None,
        alias="from",
        description="Occurred on or after; of what is known to the month or year, some day of it.",
    )
    to: Day | None = Field(default=None, description="Occurred on or before; otherwise as `from`.")
    updated_since: Instant | None = None


class IncidentAcrossQuery(IncidentQuery):
    """Which incidents, across cases."""

    clinician_id: UUID | None = None


@router.get("/cases/{case_id}/incidents")
async def list_incidents_of_case(
    query: Annotated[IncidentQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.incident_list))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[IncidentRead]:
    """List the incidents of a case, newest first."""
    statement = (
        select(Incident)
        .join(Case, on_its_case(Incident))
        .where(
            col(Incident.clinic_id) == tx.clinic.id,
            visible_incidents(tx, me),
            col(Incident.case_id) == found.row.id,
            *_listing(query).always,
            *_filters(query),
        )
    )
    find = finding(tx, statement, Incident)
    purpose = purpose_of(found.standing)
    page = marks, f"incidents/{found.row.id}", query
    rows, following = await shown_page(tx, me, page, find, Happening.incident_read, purpose)
    show = await incidents_told(tx, me, rows)
    return Page(items=[show(each) for each in rows], next=following)


@router.get("/incidents")
async def list_incidents(
    query: Annotated[IncidentAcrossQuery, Query()],
    me: Annotated[Actor, Depends(may_on_cases(Action.incident_list))],
    marks: Marks,
    tx: Tx,
) -> Page[IncidentRead]:
    """List incidents across the cases you may see, newest first."""
    wanted = list(_filters(query))
    if query.clinician_id is not None:
        wanted.append(col(Case.clinician_id) == query.clinician_id)
    find = partial(_listing(query).rows, tx, me, wanted)
    page = marks, "incidents", query
    rows, following = await shown_page(tx, me, page, find, Happening.incident_read)
    show = await incidents_told(tx, me, rows)
    return Page(items=[show(each) for each in rows], next=following)


@router.post("/cases/{case_id}/incidents", status_code=201)
async def report_incident(
    body: IncidentCreate,
    found: Annotated[OpenCase, Depends(case_for(Action.incident_report))],
    me: Me,
    tx: Tx,
    response: Response,
) -> IncidentWritten:
    """Report an incident on a case; the rules look at it at once.

    A case takes 5,000 records, and 1,000 restricted ones beside them: 409 beyond.
    """
    file = await open_file(tx, found.row)
    maybe = await maybe_about(tx, file, body)
    about = whom_it_is_about(maybe)
    restricted = is_restricted(me, found, body.restricted, maybe)
    incident = new_incident(tx, body, found.row.id, me.id, about=about, restricted=restricted)
    add_record(tx, file, incident)
    record_row(tx, Happening.incident_reported, incident, actor_id=me.id)
    response.headers["Location"] = f"/v1/incidents/{incident.id}"
    opened = OpenRecord(incident, found.row, found.standing)
    return await _written(tx, me, opened, response, file=file)


@router.get("/incidents/{incident_id}")
async def read_incident(
    found: Annotated[OpenRecord[Incident], Depends(incident_for(Action.incident_read))],
    me: Me,
    tx: Tx,
    response: Response,
) -> IncidentRead:
    """Read one incident."""
    response.headers["ETag"] = etag(found.row.version)
    record_opened(tx, Happening.incident_read, found, actor_id=me.id)
    return (await incidents_told(tx, me, [found.row]))(found.row)


@router.get("/incidents/{incident_id}/versions")
async def list_incident_versions(
    query: Annotated[PageQuery, Query()],
    found: Annotated[OpenRecord[Incident], Depends(incident_for(Action.incident_read))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[IncidentVersionRead]:
    """List the versions of an incident, the present one first.

    Who may read it as it is reads what stood there before.
    """
    versions = await versions_of(tx, me, marks, query, Incident, found.row)
    record_opened(tx, Happening.versions_read, found, actor_id=me.id)
    show = await incidents_told(tx, me, [found.row])
    items = [IncidentVersionRead.model_validate(each) for each in told(versions, show)]
    return Page(items=items, next=versions.following)


@router.patch("/incidents/{incident_id}")
async def change_incident(
    body: IncidentPatch,
    found: Annotated[OpenRecord[Incident], Depends(incident_for(Action.incident_change))],
    me: Me,
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> IncidentWritten:
    """Change an incident. A changed incident waits for a review again."""
    incident = found.row
    _may_rewrite(me, found)
    check_version(incident.version, if_match)
    changes = body.model_dump(include=body.model_fields_set - {"details"})
    if changes.get("restricted", incident.restricted) != incident.restricted:
        may_restrict(me, found.standing)
        if incident.account_id is not None:
            hides = bool(changes["restricted"])
            await refuse_to_turn(tx, incident.account_id, found.case, hides=hides)
    if changes.get("about_user_id", incident.about_user_id) != incident.about_user_id:
        changes = await say_whose(tx, incident, found.case, found.standing, changes)
    turns = changes.get("restricted", incident.restricted) != incident.restricted
    replaced = body.details if "details" in body.model_fields_set else None
    changes |= changed_details(tx, incident, changes, replaced)
    if changes:
        incident.change({**changes, "status": IncidentStatus.reported}, tx.now)
        changed = body.model_fields_set | (changes.keys() & {"restricted"})
        record_row(tx, Happening.incident_changed, incident, actor_id=me.id, changed=changed)
    return await _written(tx, me, found, response, turned=incident.id if turns else None)


@router.delete("/incidents/{incident_id}", status_code=204)
async def void_incident(
    found: Annotated[OpenRecord[Incident], Depends(incident_for(Action.incident_void))],
    me: Me,
    tx: Tx,
    reason: VoidReason = VoidReason.entered_in_error,
    if_match: IfMatch = None,
) -> None:
    """Void an incident: it leaves the lists and the rules, and is kept for ever."""
    incident = found.row
    _may_rewrite(me, found)
    check_version(incident.version, if_match)
    incident.change(
        {"voided_at": tx.now, "void_reason": reason, "status": IncidentStatus.voided}, tx.now
    )
    record_row(tx, Happening.incident_voided, incident, actor_id=me.id)
    await reconcile_flags(tx, found.case, actor_id=me.id, wrote=found.row.id)


@router.post("/incidents/{incident_id}/review")
async def review_incident(
    body: IncidentReview,
    found: Annotated[OpenRecord[Incident], Depends(incident_for(Action.incident_review))],
    me: Me,
    tx: Tx,
    response: Response,
) -> IncidentWritten:
    """Give a determination. It may be given again; the latest counts."""
    incident = found.row
    incident.change(
        {
            "status": IncidentStatus.reviewed,
            "determination": body.determination,
            "review_note": body.review_note,
            "reviewed_by_id": me.id,
            "reviewed_at": tx.now,
        },
        tx.now,
    )
    record_row(tx, Happening.incident_reviewed, incident, actor_id=me.id)
    return await _written(tx, me, found, response)


# a voided incident shows only to those who ask for the voided ones
_VOIDED = Listing(Incident, col(Incident.voided_at).is_not(None))
_STANDING = Listing(Incident, col(Incident.voided_at).is_(None), col(Case.voided_at).is_(None))


def _listing(query: IncidentQuery) -> Listing:
    return _VOIDED if query.status == IncidentStatus.voided else _STANDING


def _filters(query: IncidentQuery) -> Iterator[ColumnElement[bool]]:
    if query.status is not None:
        yield col(Incident.status) == query.status
    if query.kind is not None:
        yield col(Incident.kind) == query.kind
    if query.from_ is not None:
        yield _from(query.from_)
    if query.to is not None:
        yield _to(query.to)
    if query.updated_since is not None:
        yield col(Incident.updated_at) >= query.updated_since


def _from(day: date) -> ColumnElement[bool]:
    return _as_known(lambda precision: col(Incident.occurred_on) >= first_day(day, precision))


def _to(day: date) -> ColumnElement[bool]:
    return _as_known(lambda precision: col(Incident.occurred_on) <= last_day(day, precision))


def _as_known(
    lies: Callable[[DatePrecision], ColumnElement[bool]],
) -> ColumnElement[bool]:
    """Say in SQL where a day lies of which perhaps only the month or year is known."""
    known = col(Incident.date_precision)
    return or_(*(and_(known == each, lies(each)) for each in DatePrecision))


def _may_rewrite(me: Actor, found: OpenRecord[Incident]) -> None:
    reviewed = found.row.reviewed_at is not None
    if refusal := why_not_rewrite(me, found.standing, found.row.recorded_by_id, reviewed=reviewed):
        raise Forbidden(refusal)


async def _written(
    tx: Transaction, me: Actor, found: OpenRecord[Incident], response: Response, **how: Any
) -> IncidentWritten:
    """Run the rules after a write, and show the incident with what they raised."""
    shown = await incident_written(tx, me, found, **how)
    response.headers["ETag"] = etag(found.row.version)
    return shown
