"""Who is asking, which row, and may they: the guard that every operation passes."""

from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Header, Request
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy import ColumnElement, and_, exists, false, literal, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select

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
    Case,
    Clinic,
    Consultation,
    Flag,
    Incident,
    Promise,
    SignIn,
    Supervision,
    User,
)
from api.tokens import InvalidToken
from api.vocabulary import Audience, Role

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
    known = (
        await tx.exec(
            select(col(User.role), col(Clinic.time_zone))
            .join(
                SignIn,
                and_(col(SignIn.clinic_id) == User.clinic_id, col(SignIn.user_id) == User.id),
            )
            .join(Clinic, col(Clinic.id) == User.clinic_id)
            .where(
                SignIn.clinic_id == claims.clinic_id,
                SignIn.id == claims.session_id,
                SignIn.user_id == claims.user_id,
                col(SignIn.revoked_at).is_(None),
                SignIn.expires_at > tx.now,
                col(User.is_active).is_(True),
            )
        )
    ).first()
    if known is None:
        raise Unauthorized
    role, time_zone = known
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


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A case that the actor sees, and how they stand to it."""

    row: Case
    standing: Standing


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
        elif _is_due(found.row, tx):
            found = await self._load(tx, me, case_id, lock=True) or found
        await catch_up(tx, found.row)
        return found

    async def _load(
        self, tx: Transaction, me: Actor, case_id: UUID, *, lock: bool
    ) -> OpenCase | None:
        statement = select(Case, *_standing_columns(tx, me)).where(
            Case.clinic_id == tx.clinic.id, Case.id == case_id
        )
        if lock:
            statement = statement.with_for_update(of=Case).execution_options(populate_existing=True)
        found = (await tx.exec(statement)).first()
        if found is None:
            return None
        case, linked, conflicted = found
        return OpenCase(case, _standing(me, case, linked, conflicted))


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
            found = await self._load(tx, me, record_id, lock=True) or found
        await catch_up(tx, found.case)
        return found

    async def _load(
        self, tx: Transaction, me: Actor, record_id: UUID, *, lock: bool
    ) -> OpenRecord[Child] | None:
        model = self.model
        statement = (
            select(model, Case, *_standing_columns(tx, me))
            .join(Case, and_(col(Case.clinic_id) == model.clinic_id, col(Case.id) == model.case_id))
            .where(model.clinic_id == tx.clinic.id, model.id == record_id)
        )
        if lock:
            # both rows: a waiting reader would otherwise go on with the record as it was before
            statement = statement.with_for_update(of=[Case, model]).execution_options(
                populate_existing=True
            )
        found = (await tx.exec(statement)).first()
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


def supervised_clinicians(tx: Transaction, me: Actor) -> Any:
    """Select the ids of the clinicians the actor answers for today."""
    return select(col(Supervision.clinician_id)).where(*_link_of(tx, me))


def visible_cases(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which cases exist for somebody: what `may_see_case` says of one."""
    own = and_(col(Case.clinic_id) == tx.clinic.id, col(Case.clinician_id) == me.id)
    return or_(own, supervised_cases(tx, me)) if me.role == Role.supervisor else own


def supervised_cases(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which cases of others a supervisor sees: linked today, and not about them."""
    return and_(
        col(Case.clinic_id) == tx.clinic.id,
        col(Case.clinician_id) != me.id,
        col(Case.clinician_id).in_(supervised_clinicians(tx, me)),
        ~_conflicted(tx, me),
    )


def visible_incidents(me: Actor) -> ColumnElement[bool]:
    """Say in SQL which incidents of visible cases exist for somebody."""
    return or_(
        col(Incident.restricted).is_(False),
        col(Incident.recorded_by_id) == me.id,
        col(Case.clinician_id) != me.id,
    )


def visible_flags(me: Actor) -> ColumnElement[bool]:
    """Say in SQL which flags of visible cases exist for somebody: `may_see_flag` of each."""
    return or_(
        and_(col(Case.clinician_id) == me.id, col(Flag.restricted).is_(False)),
        and_(col(Case.clinician_id) != me.id, col(Flag.audience) == Audience.supervisor),
    )


def may_supervise(user: User) -> bool:
    """Tell whether a user's role lets them answer for somebody's work."""
    return user.is_active and user.role == Role.supervisor


async def sees_case(tx: Transaction, user: User, case: Case) -> bool:
    """Tell whether another user, as a supervisor, sees this case today."""
    if not may_supervise(user) or user.id == case.clinician_id:
        return False
    other = Actor(user.id, user.role, user.id)
    found = await tx.exec(
        select(col(Case.id)).where(Case.id == case.id, supervised_cases(tx, other))
    )
    return found.first() is not None


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


def _standing_columns(tx: Transaction, me: Actor) -> tuple[Any, Any]:
    if me.role != Role.supervisor:
        return literal(False), literal(False)  # noqa: FBT003
    linked = exists().where(*_link_of(tx, me), col(Supervision.clinician_id) == Case.clinician_id)
    return linked, _conflicted(tx, me)


def _link_of(tx: Transaction, me: Actor) -> tuple[ColumnElement[bool], ...]:
    if me.role != Role.supervisor:
        return (false(),)
    return (
        col(Supervision.clinic_id) == tx.clinic.id,
        col(Supervision.supervisor_id) == me.id,
        col(Supervision.starts_on) <= tx.today,
        or_(col(Supervision.ends_on).is_(None), col(Supervision.ends_on) > tx.today),
    )


def _conflicted(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL whether an incident that stands on a case is about this person's conduct."""
    # an alias of its own: the statement around it may be about incidents, too
    about = aliased(Incident)
    return exists().where(
        col(about.clinic_id) == tx.clinic.id,
        col(about.case_id) == Case.id,
        col(about.about_user_id) == me.id,
        col(about.voided_at).is_(None),
    )
