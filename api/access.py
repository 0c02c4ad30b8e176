"""Who is asking, which row, and may they: the guard that every operation passes."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Generic, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from fastapi import Depends, Header, Request
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy import and_, bindparam, exists, literal
from sqlmodel import SQLModel, col, select

from api.db import ClinicContext, Database, Transaction, Tx
from api.domain.permissions import (
    Action,
    Actor,
    Standing,
    may_see_case,
    may_see_flag,
    may_see_restricted,
    role_may_ever,
    why_not,
)
from api.errors import (
    Conflict,
    Forbidden,
    NotFound,
    PreconditionRequired,
    Refusal,
    Stale,
    Unauthorized,
)
from api.flagging import catch_up
from api.journal import Happening, record
from api.models import (
    IS_UNRESOLVED,
    Case,
    Consultation,
    Flag,
    Incident,
    Promise,
    Supervision,
)
from api.sight import conflicted, links
from api.tokens import InvalidToken
from api.vocabulary import Audience, Role, Severity

bearer = OAuth2PasswordBearer(
    tokenUrl="/v1/auth/token",
    auto_error=False,
    description="A token from `POST /v1/auth/token`, valid for at most ten minutes.",
)

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description='The ETag of the version you read, as in `"3"`.'),
]

Child = TypeVar("Child", Incident, Promise, Consultation, Flag)

# Statements that every request runs are built once: building one costs more than running it.
_session, _user, _clinic = (
    SQLModel.metadata.tables[name].c for name in ("sessions", "users", "clinics")
)
_WHO_IS_SIGNED_IN = (
    sa.select(_user.role, _clinic.time_zone)
    .select_from(
        SQLModel.metadata.tables["sessions"]
        .join(
            SQLModel.metadata.tables["users"],
            and_(_user.clinic_id == _session.clinic_id, _user.id == _session.user_id),
        )
        .join(SQLModel.metadata.tables["clinics"], _clinic.id == _user.clinic_id)
    )
    .where(
        _session.clinic_id == bindparam("clinic"),
        _session.id == bindparam("session"),
        _session.user_id == bindparam("user"),
        _session.revoked_at.is_(None),
        _session.expires_at > bindparam("now"),
        _user.is_active.is_(True),
    )
)


async def _signed_in(
    request: Request, tx: Tx, token: Annotated[str | None, Depends(bearer)]
) -> Actor:
    """Read session, user and clinic anew, so that any change to them acts at once."""
    if token is None:
        raise Unauthorized
    try:
        claims = request.app.state.tokens.read(token, tx.now)
    except InvalidToken as error:
        raise Unauthorized from error
    known = await tx.exec(
        _WHO_IS_SIGNED_IN,
        params={
            "clinic": claims.clinic_id,
            "session": claims.session_id,
            "user": claims.user_id,
            "now": tx.now,
        },
    )
    if (found := known.first()) is None:
        raise Unauthorized
    role, time_zone = found
    tx.enter(ClinicContext(claims.clinic_id, ZoneInfo(time_zone)))
    actor = Actor(claims.user_id, role, claims.session_id)
    request.state.signed_in = (tx.clinic, actor)
    return actor


Me = Annotated[Actor, Depends(_signed_in)]


class may:  # noqa: N801 - reads as a sentence: Depends(may(Action.case_open))
    """Guard an operation that is open or closed to a role as such."""

    def __init__(self, action: Action) -> None:
        self.action = action

    async def __call__(self, request: Request, me: Me) -> Actor:
        """Give the actor, or refuse with 403."""
        request.state.action = self.action
        refuse_role(me, self.action)
        return me


class may_on_cases(may):  # noqa: N801 - as above
    """Guard an operation across cases: a case's clinician may, whatever their role became."""

    async def __call__(self, request: Request, me: Me, tx: Tx) -> Actor:  # type: ignore[override]
        """Give the actor, or refuse with 403."""
        request.state.action = self.action
        if not role_may_ever(me.role, self.action):
            await _refuse_without_a_case(tx, me, self.action)
        return me


class WaitingFlag(NamedTuple):
    """The little that a case shows of an unresolved flag."""

    severity: Severity
    due_at: datetime | None
    audience: Audience
    restricted: bool


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A case that the actor sees, how they stand to it, and, where it is read, what waits on it."""

    row: Case
    standing: Standing
    waiting: tuple[WaitingFlag, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenRecord(Generic[Child]):
    """A record of a case that the actor sees."""

    row: Child
    case: Case
    standing: Standing


class case_for:  # noqa: N801 - reads as a sentence: Depends(case_for(Action.case_read))
    """Guard one case: load it, lock it for a write, bring it up to date, or refuse."""

    def __init__(self, action: Action) -> None:
        self.action = action

    async def __call__(self, request: Request, case_id: UUID, me: Me, tx: Tx) -> OpenCase:
        """Give the case. 404 when the actor may not know of it, 403 when they may not do this."""
        request.state.action = self.action
        found = await self._load(tx, me, case_id, lock=_writes(request))
        if found is None or not may_see_case(me, found.standing):
            raise _hidden(me, self.action)
        _allow(self.action, found.standing)
        if _writes(request):
            _refuse_voided(found.row)
            await catch_up(tx, found.row)
        elif _is_due(found.row, tx):
            await tx.begin_writing()
            due = await self._load(tx, me, case_id, lock=True) or found
            await catch_up(tx, due.row)
            found = await self._load(tx, me, case_id, lock=False) or found
        return found

    async def _load(
        self, tx: Transaction, me: Actor, case_id: UUID, *, lock: bool
    ) -> OpenCase | None:
        statement = _one_case(me.role == Role.supervisor, lock)
        rows = (await tx.exec(statement, params=_asking(tx, me, case_id))).all()
        if not rows:
            return None
        case, linked, conflicted, *_ = rows[0]
        waiting = tuple(WaitingFlag(*row[3:]) for row in rows if row[3:] and row[3])
        return OpenCase(case, _standing(me, case, linked, conflicted), waiting)


class record_for(Generic[Child]):  # noqa: N801 - as above
    """Guard one record of a case, with its case; subclasses name the record and its path."""

    model: type[Child]

    def __init__(self, action: Action) -> None:
        self.action = action

    async def open(
        self, request: Request, record_id: UUID, me: Actor, tx: Transaction
    ) -> OpenRecord[Child]:
        """Give the record. 404 when the actor may not know of it, 403 when they may not do this."""
        request.state.action = self.action
        lock = _writes(request)
        found = await self._load(tx, me, record_id, lock=lock)
        if found is None or not self._visible(me, found):
            raise _hidden(me, self.action)
        _allow(self.action, found.standing)
        if lock:
            _refuse_voided_record(found)
        elif _is_due(found.case, tx):
            await tx.begin_writing()
            found = await self._load(tx, me, record_id, lock=True) or found
        await catch_up(tx, found.case)
        return found

    async def _load(
        self, tx: Transaction, me: Actor, record_id: UUID, *, lock: bool
    ) -> OpenRecord[Child] | None:
        statement = _one_record(self.model, me.role == Role.supervisor, lock)
        found = (await tx.exec(statement, params=_asking(tx, me, record_id))).first()
        if found is None:
            return None
        row, case, linked, conflicted = found
        return OpenRecord(row, case, _standing(me, case, linked, conflicted))

    def _visible(self, me: Actor, found: OpenRecord[Child]) -> bool:
        return may_see_case(me, found.standing) and _may_see_record(me, found.row, found.standing)


class incident_for(record_for[Incident]):  # noqa: N801 - as above
    """Guard one incident."""

    model = Incident

    async def __call__(
        self, request: Request, incident_id: UUID, me: Me, tx: Tx
    ) -> OpenRecord[Incident]:
        """Give the incident, or refuse."""
        return await self.open(request, incident_id, me, tx)


class promise_for(record_for[Promise]):  # noqa: N801 - as above
    """Guard one promise."""

    model = Promise

    async def __call__(
        self, request: Request, promise_id: UUID, me: Me, tx: Tx
    ) -> OpenRecord[Promise]:
        """Give the promise, or refuse."""
        return await self.open(request, promise_id, me, tx)


class consultation_for(record_for[Consultation]):  # noqa: N801 - as above
    """Guard one consultation."""

    model = Consultation

    async def __call__(
        self, request: Request, consultation_id: UUID, me: Me, tx: Tx
    ) -> OpenRecord[Consultation]:
        """Give the consultation, or refuse."""
        return await self.open(request, consultation_id, me, tx)


class flag_for(record_for[Flag]):  # noqa: N801 - as above
    """Guard one flag."""

    model = Flag

    async def __call__(self, request: Request, flag_id: UUID, me: Me, tx: Tx) -> OpenRecord[Flag]:
        """Give the flag, or refuse."""
        return await self.open(request, flag_id, me, tx)


def check_version(version: int, if_match: str | None) -> None:
    """Compare `If-Match` with a locked row's version. Raises 428 without, 412 when stale."""
    if if_match is None:
        raise PreconditionRequired
    if if_match.strip() != etag(version):
        raise Stale


def etag(version: int) -> str:
    """Write a version as a strong entity tag."""
    return f'"{version}"'


def refuse_role(me: Actor, action: Action) -> None:
    """Raise 403 for a role that never may use an operation."""
    if not role_may_ever(me.role, action):
        raise Forbidden(f"The role {me.role.replace('_', ' ')} does not do this.")


async def journal_refusal(request: Request, refusal: Refusal) -> None:
    """Journal that somebody signed in was refused, in a transaction of its own."""
    if refusal.status not in {Forbidden.status, NotFound.status}:
        return
    signed_in = getattr(request.state, "signed_in", None)
    if signed_in is None:
        return
    clinic, actor = signed_in
    database: Database = request.app.state.database
    async with database.transaction(request.state.request_id) as tx:
        tx.enter(clinic)
        record(
            tx,
            Happening.refused,
            actor_id=actor.id,
            record_type=getattr(request.state, "action", None),
            record_ids=_asked_for(request),
        )


def _asked_for(request: Request) -> list[UUID]:
    try:
        return [UUID(value) for value in request.path_params.values()]
    except ValueError:
        return []


async def _refuse_without_a_case(tx: Transaction, me: Actor, action: Action) -> None:
    own = select(col(Case.id)).where(Case.clinic_id == tx.clinic.id, Case.clinician_id == me.id)
    if (await tx.exec(own.limit(1))).first() is None:
        refuse_role(me, action)


def _writes(request: Request) -> bool:
    return request.method not in {"GET", "HEAD"}


def _is_due(case: Case, tx: Transaction) -> bool:
    return case.recheck_at is not None and case.recheck_at <= tx.now


def _hidden(me: Actor, action: Action) -> Refusal:
    """Refuse without telling whether the record exists."""
    refuse_role(me, action)
    return NotFound()


def _allow(action: Action, standing: Standing) -> None:
    reason = why_not(action, standing)
    if reason is not None:
        raise Forbidden(reason)


def _refuse_voided(case: Case) -> None:
    if case.voided_at is not None:
        raise Conflict("This case was voided; nothing more is written to it.")


def _refuse_voided_record(found: OpenRecord[Any]) -> None:
    # the flags of a voided case still wait for a person, and may be settled
    if isinstance(found.row, Flag):
        return
    _refuse_voided(found.case)
    if getattr(found.row, "voided_at", None) is not None:
        raise Conflict("This record was voided; it does not change any more.")


def _may_see_record(me: Actor, row: Any, standing: Standing) -> bool:
    if isinstance(row, Incident) and row.restricted:
        return may_see_restricted(me, standing, row.recorded_by_id)
    if isinstance(row, Flag):
        return may_see_flag(standing, row.audience, restricted=row.restricted)
    return True


def _standing(me: Actor, case: Case, linked: bool, conflicted: bool) -> Standing:  # noqa: FBT001
    return Standing(
        own=case.clinician_id == me.id, linked=bool(linked), conflicted=bool(conflicted)
    )


def _asking(tx: Transaction, me: Actor, row_id: UUID) -> dict[str, Any]:
    """Fill the placeholders of `_one_case` and `_one_record`."""
    return {"clinic": tx.clinic.id, "row": row_id, "me": me.id, "today": tx.today}


@cache
def _one_case(supervises: bool, lock: bool) -> Any:  # noqa: FBT001 - they are the cache's key
    statement = select(Case, *_standing_columns(supervises)).where(
        col(Case.clinic_id) == bindparam("clinic"), col(Case.id) == bindparam("row")
    )
    if lock:
        return _locked(statement, Case)
    unresolved = and_(
        col(Flag.clinic_id) == Case.clinic_id,
        col(Flag.case_id) == Case.id,
        IS_UNRESOLVED,
    )
    shown = (col(Flag.severity), col(Flag.due_at), col(Flag.audience), col(Flag.restricted))
    return statement.outerjoin(Flag, unresolved).add_columns(*shown)


@cache
def _one_record(model: Any, supervises: bool, lock: bool) -> Any:  # noqa: FBT001 - as above
    statement = (
        select(model, Case, *_standing_columns(supervises))
        .join(Case, and_(col(Case.clinic_id) == model.clinic_id, col(Case.id) == model.case_id))
        .where(model.clinic_id == bindparam("clinic"), model.id == bindparam("row"))
    )
    # both rows: a waiting reader would otherwise go on with the record as it was before
    return _locked(statement, Case, model) if lock else statement


def _placeholder(name: str) -> Any:
    return bindparam(name)


def _locked(statement: Any, *models: Any) -> Any:
    return statement.with_for_update(of=models).execution_options(populate_existing=True)


def _standing_columns(supervises: bool) -> tuple[Any, Any]:  # noqa: FBT001 - as above
    """Ask in SQL how somebody stands to a case: linked to its clinician, and conflicted."""
    if not supervises:
        return literal(False), literal(False)  # noqa: FBT003
    clinic, me, today = map(_placeholder, ("clinic", "me", "today"))
    held = links(clinic, me, today, supervises=True)
    linked = exists().where(*held, col(Supervision.clinician_id) == Case.clinician_id)
    return linked, conflicted(clinic, me)
