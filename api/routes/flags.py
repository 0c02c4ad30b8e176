"""Flags: read them, raise one by hand, and look at them: acknowledge, resolve, reopen."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement, and_
from sqlmodel import col, select

from api.access.authentication import Me
from api.access.case_relationship import OpenCase
from api.access.due_cases import catch_up_what_is_shown
from api.access.guards import OpenRecord, case_for, flag_for, may_on_cases, record_opened
from api.access.visibility.cases import on_its_case, seen_in_lists
from api.access.visibility.colleagues import reads_flag, sees_case
from api.access.visibility.listings import Listing, shown_page
from api.access.visibility.records import visible_flags
from api.domain.errors import Conflict, Forbidden, Invalid
from api.domain.lifecycles import due_by, is_unresolved
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import purpose_of, why_not_resolve
from api.domain.permissions.table import Actor
from api.domain.rules.moment import midnight
from api.domain.rules.rulebook import RULEBOOK_VERSION
from api.domain.values import Day, Input, Instant, Line, Text, YesNo
from api.domain.vocabulary import (
    SEVERITY_ORDER,
    Audience,
    Determination,
    FlagStatus,
    Severity,
    severity_rank,
)
from api.flags.lifecycle import MANUAL
from api.flags.reconcile import reconcile_flags
from api.http.entity_tags import etag
from api.http.pagination import Marks, Page, PageQuery, finding, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row
from api.records.read_models import FlagRead, FlagRule, RecordRead, show_flag, show_flags
from api.storage.models.clinical import Case
from api.storage.models.flags import IS_UNRESOLVED, EarlierResolution, Flag
from api.storage.models.people import User
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["flags"], route_class=StrictRoute)

Found = OpenRecord[Flag]

RESOLUTION = ("determination", "resolution_note", "resolved_by_id", "resolved_at")
"""What a flag says of its resolution, while it stands."""


class FlagCreate(Input):
    """A flag raised by hand. Rules never touch it."""

    severity: Literal["low", "moderate", "high", "critical"]
    title: Line
    because: Text
    restricted: YesNo = Field(default=False, description="True hides it from the case's clinician.")


class FlagAcknowledgement(Input):
    """Who looks at the flag."""

    assigned_to_id: UUID | None = Field(default=None, description="Default: yourself.")


class FlagResolution(Input):
    """What a look at the flag has shown."""

    determination: Determination
    resolution_note: Text


class FlagReopening(Input):
    """Why a resolved flag asks for a look again."""

    reason: Text


class FlagResolutionRead(RecordRead):
    """A resolution that stands no more: `recorded_by_id` opened the flag again at `created_at`.

    `reopen_reason` says why. Texts are null for software without `narrative:read`.
    """

    flag_id: UUID
    determination: Determination
    resolution_note: str | None
    resolved_by_id: UUID | None
    resolved_at: datetime
    reopen_reason: str | None


class FlagQuery(PageQuery):
    """Which flags."""

    status: FlagStatus | None = None
    rule: FlagRule | None = None
    min_severity: Severity | None = None
    audience: Audience | None = None
    overdue: bool | None = None
    condition_holds: bool | None = None
    assigned_to_id: UUID | None = None
    from_: Day | None = Field(default=None, alias="from", description="In effect on or after.")
    to: Day | None = Field(default=None, description="In effect on or before.")
    updated_since: Instant | None = None


class FlagAcrossQuery(FlagQuery):
    """Which flags, across cases."""

    clinician_id: UUID | None = None


@router.get("/cases/{case_id}/flags")
async def list_flags_of_case(
    query: Annotated[FlagQuery, Query()],
    found: Annotated[OpenCase, Depends(case_for(Action.flag_list))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[FlagRead]:
    """List the flags of a case that you may see, newest first."""
    statement = (
        select(Flag)
        .join(Case, on_its_case(Flag))
        .where(
            col(Flag.clinic_id) == tx.clinic.id,
            col(Flag.case_id) == found.row.id,
            visible_flags(tx, me),
            *_filters(tx, query),
        )
    )
    find = finding(tx, statement, Flag)
    purpose = purpose_of(found.standing)
    page = marks, f"flags/{found.row.id}", query
    rows, following = await shown_page(tx, me, page, find, Happening.flag_read, purpose)
    return Page(items=await show_flags(tx, me, rows), next=following)


@router.get("/flags")
async def list_flags(
    query: Annotated[FlagAcrossQuery, Query()],
    me: Annotated[Actor, Depends(may_on_cases(Action.flag_list))],
    marks: Marks,
    tx: Tx,
) -> Page[FlagRead]:
    """List the flags that you may see across cases, newest first."""
    await catch_up_what_is_shown(tx, me, seen_in_lists)
    wanted = list(_filters(tx, query))
    if query.clinician_id is not None:
        wanted.append(col(Case.clinician_id) == query.clinician_id)
    find = partial(_LISTED.rows, tx, me, wanted)
    page = marks, "flags", query
    rows, following = await shown_page(tx, me, page, find, Happening.flag_read)
    return Page(items=await show_flags(tx, me, rows), next=following)


@router.post("/cases/{case_id}/flags", status_code=201)
async def raise_flag(
    body: FlagCreate,
    found: Annotated[OpenCase, Depends(case_for(Action.flag_raise))],
    me: Me,
    tx: Tx,
    response: Response,
) -> FlagRead:
    """Raise a flag by hand. For a linked supervisor."""
    severity = Severity[body.severity]
    flag = Flag(
        clinic_id=tx.clinic.id,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
        case_id=found.row.id,
        rule=MANUAL,
        title=body.title,
        severity=severity,
        audience=Audience.supervisor,
        because=body.because,
        restricted=body.restricted,
        effective_at=tx.now,
        due_at=due_by(severity, tx.now),
        rule_version=RULEBOOK_VERSION,
    )
    tx.add(flag)
    response.headers["Location"] = f"/v1/flags/{flag.id}"
    opened = OpenRecord(flag, found.row, found.standing)
    return await _written(tx, me, opened, response, Happening.flag_raised)


@router.get("/flags/{flag_id}")
async def read_flag(
    found: Annotated[Found, Depends(flag_for(Action.flag_read))],
    me: Me,
    tx: Tx,
    response: Response,
) -> FlagRead:
    """Read one flag."""
    response.headers["ETag"] = etag(found.row.version)
    record_opened(tx, Happening.flag_read, found, actor_id=me.id)
    return await show_flag(tx, me, found.row)


@router.get("/flags/{flag_id}/resolutions")
async def list_flag_resolutions(
    query: Annotated[PageQuery, Query()],
    found: Annotated[Found, Depends(flag_for(Action.flag_read))],
    me: Me,
    marks: Marks,
    tx: Tx,
) -> Page[FlagResolutionRead]:
    """List how a flag was resolved before it was opened again, newest first.

    The resolution that stands, where one does, is in the flag itself.
    """
    statement = select(EarlierResolution).where(
        EarlierResolution.clinic_id == tx.clinic.id, EarlierResolution.flag_id == found.row.id
    )
    listing = f"resolutions/{found.row.id}"
    rows, following = await newest_first(tx, marks, listing, query, statement, EarlierResolution)
    record_opened(tx, Happening.flag_read, found, actor_id=me.id)
    return Page(items=[FlagResolutionRead.model_validate(row) for row in rows], next=following)


@router.post("/flags/{flag_id}/acknowledge")
async def acknowledge_flag(
    found: Annotated[Found, Depends(flag_for(Action.flag_acknowledge))],
    me: Me,
    tx: Tx,
    response: Response,
    body: FlagAcknowledgement | None = None,
) -> FlagRead:
    """Say who is looking: yourself, or another supervisor who sees the case."""
    _unresolved(found.row)
    assigned_to_id = (body and body.assigned_to_id) or me.id
    if assigned_to_id != me.id:
        await _refuse_who_cannot_look(tx, me, assigned_to_id, found)
    found.row.change(
        {
            "status": FlagStatus.acknowledged,
            "assigned_to_id": assigned_to_id,
            "acknowledged_at": tx.now,
        },
        tx.now,
    )
    return await _written(tx, me, found, response, Happening.flag_acknowledged)


@router.post("/flags/{flag_id}/resolve")
async def resolve_flag(
    body: FlagResolution,
    found: Annotated[Found, Depends(flag_for(Action.flag_resolve))],
    me: Me,
    tx: Tx,
    response: Response,
) -> FlagRead:
    """Close a flag with a determination and a reason. Supervisors; clinicians their prompts."""
    if refusal := why_not_resolve(found.standing, found.row.severity):
        raise Forbidden(refusal)
    _unresolved(found.row)
    found.row.change(
        {
            "status": FlagStatus.resolved,
            "determination": body.determination,
            "resolution_note": body.resolution_note,
            "resolved_by_id": me.id,
            "resolved_at": tx.now,
        },
        tx.now,
    )
    return await _written(tx, me, found, response, Happening.flag_resolved)


@router.post("/flags/{flag_id}/reopen")
async def reopen_flag(
    body: FlagReopening,
    found: Annotated[Found, Depends(flag_for(Action.flag_reopen))],
    me: Me,
    tx: Tx,
    response: Response,
) -> FlagRead:
    """Ask for a look at a resolved flag again; its time to be looked at begins anew.

    Its resolution stands no more, and is read among the earlier ones.
    """
    flag = found.row
    if flag.status != FlagStatus.resolved:
        raise Conflict("Only a resolved flag can be reopened.")
    if await _has_newer(tx, flag):
        raise Conflict("A newer flag of this rule is unresolved on the case; look at that one.")
    tx.add(_set_aside(tx, me, flag, body.reason))
    flag.change(
        {
            **dict.fromkeys(RESOLUTION),
            "status": FlagStatus.open,
            "reopen_reason": body.reason,
            "due_at": due_by(flag.severity, tx.now),
            "acknowledged_at": None,
        },
        tx.now,
    )
    return await _written(tx, me, found, response, Happening.flag_reopened)


_LISTED = Listing(Flag)


def _filters(tx: Transaction, query: FlagQuery) -> Iterator[ColumnElement[bool]]:
    if query.status is not None:
        yield col(Flag.status) == query.status
    if query.rule is not None:
        yield col(Flag.rule) == query.rule
    if query.min_severity is not None:
        yield col(Flag.severity).in_(SEVERITY_ORDER[severity_rank(query.min_severity) :])
    if query.audience is not None:
        yield col(Flag.audience) == query.audience
    if query.overdue is not None:
        # a prompt is due at no time, so it is never overdue
        due = col(Flag.due_at)
        overdue = and_(IS_UNRESOLVED, due.is_not(None), due < tx.now)
        yield overdue if query.overdue else ~overdue
    if query.condition_holds is not None:
        yield col(Flag.condition_holds).is_(query.condition_holds)
    if query.assigned_to_id is not None:
        yield col(Flag.assigned_to_id) == query.assigned_to_id
    if query.from_ is not None:
        yield col(Flag.effective_at) >= midnight(query.from_, tx.clinic.zone)
    if query.to is not None:
        yield col(Flag.effective_at) < midnight(query.to + timedelta(days=1), tx.clinic.zone)
    if query.updated_since is not None:
        yield col(Flag.updated_at) >= query.updated_since


async def _refuse_who_cannot_look(tx: Transaction, me: Actor, user_id: UUID, found: Found) -> None:
    named = await tx.exec(select(User).where(User.clinic_id == tx.clinic.id, User.id == user_id))
    user = named.first()
    if (
        user is None
        or not await sees_case(tx, user, found.case, told=me)
        or not await reads_flag(tx, user, found.row)
    ):
        raise Invalid(
            "/assigned_to_id", "This is not a supervisor who sees the flag; name one who does."
        )


async def _has_newer(tx: Transaction, flag: Flag) -> bool:
    if flag.rule == MANUAL:
        return False
    newer = await tx.exec(
        select(col(Flag.id)).where(
            Flag.clinic_id == flag.clinic_id,
            Flag.case_id == flag.case_id,
            Flag.rule == flag.rule,
            Flag.restricted == flag.restricted,
            Flag.account_id == flag.account_id,
            IS_UNRESOLVED,
        )
    )
    return newer.first() is not None


def _set_aside(tx: Transaction, me: Actor, flag: Flag, reason: str) -> EarlierResolution:
    """Keep how a flag was resolved that is opened again."""
    return EarlierResolution(
        **{name: getattr(flag, name) for name in RESOLUTION},
        clinic_id=tx.clinic.id,
        case_id=flag.case_id,
        flag_id=flag.id,
        reopen_reason=reason,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )


def _unresolved(flag: Flag) -> None:
    if not is_unresolved(flag.status):
        raise Conflict("This flag is already closed.")


async def _written(
    tx: Transaction, me: Actor, found: Found, response: Response, happening: Happening
) -> FlagRead:
    """Journal a move, run the rules, and show the flag."""
    record_row(tx, happening, found.row, actor_id=me.id)
    await reconcile_flags(tx, found.case, actor_id=me.id)
    response.headers["ETag"] = etag(found.row.version)
    return await show_flag(tx, me, found.row)
