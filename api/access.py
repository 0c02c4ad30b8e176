"""Who is asking, which row, and may they: the guard that every operation passes."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Header, Request
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy import and_, bindparam, exists, inspect, literal, null, or_
from sqlalchemy import select as sa_select
from sqlmodel import col, select

from api.db import Database, Transaction, Tx
from api.domain.lifecycles import BRIEF_LASTS
from api.domain.permissions import (
    TREATING,
    Action,
    Actor,
    Standing,
    may_ever,
    may_see_case,
    may_see_flag,
    may_see_restricted,
    why_not,
)
from api.errors import (
    Conflict,
    Forbidden,
    NotFound,
    PreconditionRequired,
    Refusal,
    SignInAgain,
    Stale,
    Unauthorized,
)
from api.flagging import catch_up
from api.journal import Happening, record
from api.models import (
    IS_UNRESOLVED,
    Case,
    Clinic,
    Consultation,
    Flag,
    GrantKind,
    Incident,
    Promise,
    ServiceAccount,
    SignIn,
    Supervision,
    User,
    sealed_columns,
)
from api.sight import conflicted, granted, links, open_briefs
from api.tokens import Claims, InvalidToken
from api.vocabulary import Audience, Role, Scope, Severity

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
_WHO_IS_SIGNED_IN = (
    select(
        col(User.role),
        col(Clinic.time_zone),
        col(SignIn.authenticated_at),
        and_(col(Clinic.requires_totp), col(User.totp_confirmed_at).is_(None)),
    )
    .select_from(SignIn)
    .join(User, col(User.id) == SignIn.user_id)
    .join(Clinic, col(Clinic.id) == User.clinic_id)
    .where(
        col(SignIn.id) == bindparam("session"),
        col(SignIn.user_id) == bindparam("user"),
        col(SignIn.revoked_at).is_(None),
        col(SignIn.expires_at) > bindparam("now"),
        col(SignIn.idle_at) > bindparam("now"),
        col(User.is_active).is_(True),
    )
)


_WHICH_SOFTWARE = (
    select(col(ServiceAccount.scopes), col(Clinic.time_zone))
    .select_from(SignIn)
    .join(ServiceAccount, col(ServiceAccount.id) == SignIn.account_id)
    .join(Clinic, col(Clinic.id) == ServiceAccount.clinic_id)
    .where(
        col(SignIn.id) == bindparam("session"),
        col(SignIn.account_id) == bindparam("user"),
        col(SignIn.revoked_at).is_(None),
        col(SignIn.expires_at) > bindparam("now"),
        col(ServiceAccount.is_active).is_(True),
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
    await tx.enter(claims.clinic_id)
    asked = {"session": claims.session_id, "user": claims.user_id, "now": tx.now}
    if (person := (await tx.exec(_WHO_IS_SIGNED_IN, asked)).first()) is not None:
        role, time_zone, authenticated_at, must_enrol = person
        actor = Actor(claims.user_id, role, claims.session_id, authenticated_at)
    elif (software := (await tx.exec(_WHICH_SOFTWARE, asked)).first()) is not None:
        scopes, time_zone = software
        must_enrol = False
        actor = _software(claims, scopes)
        await request.app.state.throttle.pace(str(actor.id))
        tx.withhold_sealed_text(unless=Scope.narrative_read in actor.scopes)
    else:
        raise Unauthorized
    tx.know_zone(ZoneInfo(time_zone))
    request.state.signed_in = (tx.clinic, actor)
    if must_enrol and request.scope["route"].path not in _OPEN_BEFORE_ENROLMENT:
        raise Forbidden("This clinic asks for a second factor: enrol at /v1/me/totp first.")
    return actor


def _software(claims: Claims, scopes: Collection[str]) -> Actor:
    known = frozenset(scope for scope in Scope if str(scope) in scopes)
    return Actor(claims.user_id, Role.service, claims.session_id, scopes=known)


Me = Annotated[Actor, Depends(_signed_in)]

_OPEN_BEFORE_ENROLMENT = {"/v1/me", "/v1/me/totp", "/v1/me/totp/confirm", "/v1/auth/revoke"}

RECENT = timedelta(minutes=15)
"""How long ago a sign-in may be for what needs a recent one."""


class may:  # noqa: N801 - reads as a sentence: Depends(may(Action.case_open))
    """Guard an operation that is open or closed to a role as such."""

    def __init__(self, action: Action) -> None:
        self.action = action

    async def __call__(self, request: Request, me: Me) -> Actor:
        """Give the actor, or refuse with 403."""
        request.state.action = self.action
        refuse_role(me, self.action)
        return me


class may_one_of(may):  # noqa: N801 - as above
    """Guard an operation with two sides, each for others; the operation asks which it is."""

    def __init__(self, action: Action, other: Action) -> None:
        super().__init__(action)
        self.other = other

    async def __call__(self, request: Request, me: Me) -> Actor:
        """Give the actor, or refuse with 403 who may do neither."""
        request.state.action = self.action
        if not may_ever(me, self.other):
            refuse_role(me, self.action)
        return me


class may_on_cases(may):  # noqa: N801 - as above
    """Guard an operation across cases: a case's clinician may, whatever their role became."""

    async def __call__(self, request: Request, me: Me, tx: Tx) -> Actor:  # type: ignore[override]
        """Give the actor, or refuse with 403."""
        request.state.action = self.action
        if not may_ever(me, self.action):
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
        found = await find_case(tx, me, case_id, lock=_writes(request))
        if found is None or not may_see_case(found.standing):
            raise _hidden(me, self.action)
        _allow(me, self.action, found.standing)
        if _writes(request):
            _refuse_voided(found.row)
            await catch_up(tx, found.row)
        elif _is_due(found.row, tx):
            due = await find_case(tx, me, case_id, lock=True) or found
            await catch_up(tx, due.row)
            found = await find_case(tx, me, case_id) or found
        return found


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
        _allow(me, self.action, found.standing)
        if lock:
            _refuse_voided_record(found)
        elif _is_due(found.case, tx):
            found = await self._load(tx, me, record_id, lock=True) or found
        await catch_up(tx, found.case)
        return found

    async def _load(
        self, tx: Transaction, me: Actor, record_id: UUID, *, lock: bool
    ) -> OpenRecord[Child] | None:
        statement = _one_record(self.model, me.role, lock)
        found = (await tx.exec(statement, params=_asking(tx, me, record_id))).first()
        if found is None:
            return None
        row, case, *held = found
        standing = _standing(me, case, *held)
        if self.model is Consultation and me.role == Role.consultant and not standing.own:
            # the statement finds only what they may read the brief of
            standing = Standing(consulting=True)
        return OpenRecord(row, case, standing)

    def _visible(self, me: Actor, found: OpenRecord[Child]) -> bool:
        if found.standing.consulting:
            return True
        return may_see_case(found.standing) and _may_see_record(me, found.row, found.standing)


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


async def find_case(
    tx: Transaction, me: Actor, case_id: UUID, *, lock: bool = False
) -> OpenCase | None:
    """Load a case and how somebody stands to it, whether or not they may see it."""
    asked = _asking(tx, me, case_id)
    if lock:
        found = (await tx.exec(_case_to_change(me.role), asked)).first()
        return OpenCase(found[0], _standing(me, *found)) if found else None
    rows = (await tx.exec(_case_to_read(me.role, tx.withholds_sealed_text), asked)).all()
    if not rows:
        return None
    # what is read is not changed: a plain row takes half the time of one that could be
    case = cast("Case", SimpleNamespace(**dict(zip(_CASE, rows[0], strict=False))))
    waiting = (row[_READ:] for row in rows)
    flags = tuple(WaitingFlag(*flag) for flag in waiting if flag[0])
    return OpenCase(case, _standing(me, case, *rows[0][len(_CASE) : _READ]), flags)


async def sees(tx: Transaction, me: Actor, case_id: UUID) -> OpenCase:
    """Load a case that somebody sees. Raises 404 where they may not know of it."""
    found = await find_case(tx, me, case_id)
    if found is None or not may_see_case(found.standing):
        raise NotFound
    return found


async def load_case(tx: Transaction, case_id: UUID) -> Case:
    """Load a case for somebody who knows no more of it than its id; 404 where there is none."""
    found: Case | None = (await tx.exec(select(Case).where(Case.id == case_id))).first()
    if found is None:
        raise NotFound
    return found


async def standings_on(tx: Transaction, me: Actor, cases: Iterable[Case]) -> dict[UUID, Standing]:
    """Say how somebody stands to each of several cases that a list shows them."""
    own = Standing(own=True)
    standings = {case.id: own for case in cases if case.clinician_id == me.id}
    others = [case.id for case in cases if case.id not in standings]
    if me.is_software:
        return dict.fromkeys(others, Standing(service=True))
    if others:
        asked = {**_asking(tx, me, me.id), "cases": others}
        for case_id, *held in await tx.exec(_several_cases(me.role), asked):
            standings[case_id] = _standing_of(*held)
    return standings


def check_version(version: int, if_match: str | None) -> None:
    """Compare `If-Match` with a locked row's version. Raises 428 without, 412 when stale."""
    if if_match is None:
        raise PreconditionRequired
    if if_match.strip() != etag(version):
        raise Stale


def etag(version: int) -> str:
    """Write a version as a strong entity tag."""
    return f'"{version}"'


def require_recent_sign_in(me: Actor, now: datetime) -> None:
    """Raise 403 where the last proof of who is asking is too long ago for what is asked."""
    if not me.signed_in_since(now - RECENT):
        raise SignInAgain


def refuse_role(me: Actor, action: Action) -> None:
    """Raise 403 for a role that never may use an operation."""
    if may_ever(me, action):
        return
    if me.is_software:
        raise Forbidden("This software was not given the scope for it.")
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
        await tx.enter(clinic.id, clinic.zone)
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


def _allow(me: Actor, action: Action, standing: Standing) -> None:
    if standing.service:
        # it sees every case, and does with it what its scopes say
        refuse_role(me, action)
        return
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


def _standing(me: Actor, case: Case, *held: object) -> Standing:
    if me.is_software:
        return Standing(service=True)
    if case.clinician_id == me.id:
        return Standing(own=True)
    return _standing_of(*held)


def _standing_of(*held: object) -> Standing:
    linked, covering, opened, conflict = map(bool, held)
    return Standing(linked=linked, covering=covering, opened=opened, conflicted=conflict)


def _asking(tx: Transaction, me: Actor, row_id: UUID) -> dict[str, Any]:
    """Fill the placeholders of `_one_case` and `_one_record`."""
    return {
        "clinic": tx.clinic.id,
        "row": row_id,
        "me": me.id,
        "now": tx.now,
        "since": tx.now - BRIEF_LASTS,
        "today": tx.today,
    }


_CASE = tuple(attribute.key for attribute in inspect(Case).column_attrs)
_READ = len(_CASE) + 4
"""The case's fields, and the four columns of how somebody stands to it."""


@cache
def _case_to_change(role: Role) -> Any:
    statement = select(Case, *_standing_columns(role)).where(col(Case.id) == bindparam("row"))
    return _locked(statement, Case)


@cache
def _case_to_read(role: Role, withheld: bool) -> Any:  # noqa: FBT001 - they are the cache's key
    hidden = sealed_columns(Case) if withheld else ()
    fields = [null() if name in hidden else getattr(Case, name) for name in _CASE]
    shown = (col(Flag.severity), col(Flag.due_at), col(Flag.audience), col(Flag.restricted))
    return (
        sa_select(*fields, *_standing_columns(role), *shown)
        .select_from(Case)
        .outerjoin(Flag, and_(col(Flag.case_id) == Case.id, IS_UNRESOLVED))
        .where(col(Case.id) == bindparam("row"))
    )


@cache
def _one_record(model: Any, role: Role, lock: bool) -> Any:  # noqa: FBT001 - as above
    statement = (
        select(model, Case, *_standing_columns(role))
        .join(Case, and_(col(Case.clinic_id) == model.clinic_id, col(Case.id) == model.case_id))
        .where(model.clinic_id == bindparam("clinic"), model.id == bindparam("row"))
    )
    if model is Consultation and role == Role.consultant:
        me, now, since = map(_placeholder, ("me", "now", "since"))
        brief = open_briefs(me, now, since)
        statement = statement.where(or_(col(Case.clinician_id) == me, brief))
    # both rows: a waiting reader would otherwise go on with the record as it was before
    return _locked(statement, Case, model) if lock else statement


@cache
def _several_cases(role: Role) -> Any:
    return select(col(Case.id), *_standing_columns(role)).where(
        col(Case.clinic_id) == bindparam("clinic"),
        col(Case.id).in_(bindparam("cases", expanding=True)),
    )


def _placeholder(name: str) -> Any:
    return bindparam(name)


def _locked(statement: Any, *models: Any) -> Any:
    return statement.with_for_update(of=models).execution_options(populate_existing=True)


def _standing_columns(role: Role) -> tuple[Any, ...]:
    """Ask in SQL how somebody who is not its clinician stands to a case, as `Standing` has it."""
    clinic, me, now, today = map(_placeholder, ("clinic", "me", "now", "today"))
    never: Any = literal(False)  # noqa: FBT003
    linked = covering = opened = conflict = never
    if role in TREATING:
        covering = granted(GrantKind.cover, clinic, me, now)
        conflict = conflicted(clinic, me, now)
    if role == Role.supervisor:
        held = links(clinic, me, today, supervises=True)
        linked = exists().where(*held, col(Supervision.clinician_id) == Case.clinician_id)
        opened = granted(GrantKind.break_glass, clinic, me, now)
    # whose case it is sees it whatever else holds, so nothing else is looked up
    not_own = col(Case.clinician_id) != me
    return tuple(and_(not_own, held) for held in (linked, covering, opened, conflict))
