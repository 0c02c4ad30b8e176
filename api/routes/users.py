"""The users of a clinic, and what each may know and change of themselves."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field, SecretStr
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from api.access.authentication import require_recent_sign_in
from api.access.guards import may
from api.access.rate_limits import Throttle
from api.access.sessions import end_sessions, live
from api.domain.errors import Conflict, Forbidden, Invalid, NotFound, Stale, Unauthorized
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor, PersonRole, may_ever
from api.domain.values import Email, Input, Instant, Line, Output, Password, YesNo, absent
from api.domain.vocabulary import EmailNotices, Role
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row
from api.languages.spoken import LanguageCode
from api.records.handover import let_go_of_work
from api.records.oversight_notices import (
    Admitted,
    Notice,
    news_of,
    notices_for,
    tell_of_changed_user,
    tell_of_new_user,
)
from api.records.read_models import ClinicRead, RecordRead, SupervisionRead, supervisions_of
from api.security.tokens import Passwords
from api.storage.loading import load_or_404
from api.storage.models.people import Clinic, SignIn, User
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["people"], route_class=StrictRoute)


class UserCreate(Input):
    """A new user, who can sign in at once with the password given here."""

    name: Line
    email: Email
    role: PersonRole
    password: Password


class UserPatch(Input):
    """A change to a user. Nobody changes their own role."""

    name: Line = absent()
    email: Email = absent()
    role: PersonRole = absent()
    is_active: YesNo = absent()


class UserRead(RecordRead):
    """A person of the clinic."""

    name: str
    email: str
    role: Role
    is_active: bool


class ColleagueRead(Output):
    """Somebody who works at the clinic, by what they are called there: no address."""

    id: UUID
    name: str
    role: Role


class UserQuery(PageQuery):
    """Which users."""

    role: Role | None = None
    is_active: bool | None = None
    updated_since: Instant | None = None


class OwnUserRead(UserRead):
    """Your own user. `language` is what you are told things in; null: what your clinic is.

    `email_notices` is when you are written to, where this server sends e-mail.
    """

    language: str | None
    email_notices: EmailNotices


class MeRead(OwnUserRead):
    """Yourself: your clinic, your supervision links, and who has newly come to see your work."""

    clinic: ClinicRead
    supervisions: list[SupervisionRead]
    notices: list[Notice]


class MePatch(Input):
    """A new password, for which the one you have is asked; or what you choose, or both.

    `language` is what you are told things in where a request does not ask for another; null: what
    your clinic is told in. `email_notices` is when you are written to, where this server sends
    e-mail: no mail names anybody, or says a word of a record.
    """

    current_password: Annotated[SecretStr, Field(max_length=1024)] = absent()
    password: Password = absent()
    language: LanguageCode | None = None
    email_notices: EmailNotices = absent()


@router.get("/me")
async def read_me(
    me: Annotated[Actor, Depends(may(Action.me_read))], tx: Tx, response: Response
) -> MeRead:
    """Read your own user, clinic and links."""
    user = await _load(tx, me.id)
    response.headers["ETag"] = etag(user.version)
    clinic = (await tx.exec(select(Clinic).where(Clinic.id == tx.clinic.id))).one()
    return MeRead.model_validate(
        {
            **user.model_dump(),
            "clinic": ClinicRead.model_validate(clinic),
            "supervisions": await supervisions_of(tx, me.id),
            "notices": await notices_for(tx, me),
        }
    )


@router.patch("/me")
async def change_my_password(
    body: MePatch,
    me: Annotated[Actor, Depends(may(Action.me_change))],
    tx: Tx,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> OwnUserRead:
    """Change your password, the language you are told things in, or when you are written to.

    With a new password your other sessions end. 429 after ten wrong guesses in an hour.
    """
    changes = body.model_dump(include=_CHOSEN & body.model_fields_set)
    checked = None
    if not _PASSWORDS.isdisjoint(body.model_fields_set):
        checked, changes["password_hash"] = await _hashed(body, me, tx, request, if_match)
    user = await _lock_if_still_here(tx, me)
    check_version(user.version, if_match)
    if checked is not None:
        if user.password_hash != checked:
            raise Stale
        await end_sessions(tx, me.id, but=me.session_id)
        record_row(tx, Happening.password_changed, user, actor_id=me.id)
    if chosen := _CHOSEN & changes.keys():
        record_row(tx, Happening.user_changed, user, actor_id=me.id, changed=chosen)
    if changes:
        user.change(changes, tx.now)
    response.headers["ETag"] = etag(user.version)
    return OwnUserRead.model_validate(user)


_PASSWORDS = {"current_password", "password"}
_CHOSEN = {"language", "email_notices"}
"""What somebody may choose for themself, and needs no password for."""


async def _hashed(
    body: MePatch, me: Actor, tx: Transaction, request: Request, if_match: str | None
) -> tuple[str, str]:
    """Check the password somebody has; give its hash, and that of the one they want."""
    for missing in sorted(_PASSWORDS - body.model_fields_set):
        raise Invalid(f"/{missing}", "A new password is sent with the one you have.")
    passwords: Passwords = request.app.state.passwords
    throttle: Throttle = request.app.state.throttle
    found = select(User.version, User.password_hash).where(User.id == me.id)
    version, checked = (await tx.exec(found)).one()
    check_version(version, if_match)
    # hashing takes a while: no row is locked meanwhile, and no connection waits for it
    await tx.pause()
    async with throttle.guess_beside(str(me.session_id), str(me.id)):
        if not await passwords.check(body.current_password.get_secret_value(), checked):
            raise Forbidden("The current password does not match.")
    return checked, await passwords.hash(body.password.get_secret_value())


@router.get("/users")
async def list_users(
    query: Annotated[UserQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.user_list))],  # noqa: ARG001 - the guard
    marks: Marks,
    tx: Tx,
) -> Page[UserRead]:
    """List the users of the clinic, newest first. For admins and privacy officers."""
    statement = select(User).where(User.clinic_id == tx.clinic.id)
    if query.role is not None:
        statement = statement.where(User.role == query.role)
    if query.is_active is not None:
        statement = statement.where(col(User.is_active).is_(query.is_active))
    if query.updated_since is not None:
        statement = statement.where(User.updated_at >= query.updated_since)
    users, following = await newest_first(tx, marks, "users", query, statement, User)
    return Page(items=[UserRead.model_validate(user) for user in users], next=following)


@router.post("/users", status_code=201)
async def create_user(
    body: UserCreate,
    me: Annotated[Actor, Depends(may(Action.user_create))],
    tx: Tx,
    request: Request,
    response: Response,
) -> UserRead:
    """Create a user, usable at once. For admins, with a recent sign-in."""
    require_recent_sign_in(me, tx.now)
    passwords: Passwords = request.app.state.passwords
    user = User(
        clinic_id=tx.clinic.id,
        name=body.name,
        email=body.email,
        role=Role[body.role],
        password_hash=await passwords.hash(body.password.get_secret_value()),
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )
    tx.add(user)
    await _flush_unique(tx)
    news = news_of(tx, Happening.user_created, user, actor_id=me.id)
    await tell_of_new_user(tx, news, user)
    response.headers["Location"] = f"/v1/users/{user.id}"
    response.headers["ETag"] = etag(user.version)
    return UserRead.model_validate(user)


@router.get("/colleagues")
async def list_colleagues(
    query: Annotated[PageQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.colleague_list))],  # noqa: ARG001 - the guard
    marks: Marks,
    tx: Tx,
) -> Page[ColleagueRead]:
    """List who works at the clinic now, so that one can be named: who looks, stands in, is asked.

    Newest first. For everybody who is signed in as a person.
    """
    statement = select(User).where(User.clinic_id == tx.clinic.id, col(User.is_active).is_(True))
    users, following = await newest_first(tx, marks, "colleagues", query, statement, User)
    return Page(items=[ColleagueRead.model_validate(user) for user in users], next=following)


@router.get("/users/{user_id}")
async def read_user(
    user_id: UUID,
    me: Annotated[Actor, Depends(may(Action.user_read))],
    tx: Tx,
    response: Response,
) -> UserRead:
    """Read a user: yourself, or anyone for admins and privacy officers."""
    if user_id != me.id and not may_ever(me, Action.user_list):
        raise NotFound
    user = await _load(tx, user_id)
    response.headers["ETag"] = etag(user.version)
    return UserRead.model_validate(user)


@router.patch("/users/{user_id}")
async def change_user(
    user_id: UUID,
    body: UserPatch,
    me: Annotated[Actor, Depends(may(Action.user_change))],
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> UserRead:
    """Change a user's name, address or role, or let them in no more. For admins.

    Another role or address, or to let somebody in again, needs a recent sign-in. Flags that they
    had taken on, and do not see as a supervisor any more, are open again.
    """
    user = await _load(tx, user_id, lock=True)
    check_version(user.version, if_match)
    changes = body.model_dump(include=body.model_fields_set)
    if user.id == me.id and not changes.keys().isdisjoint({"role", "is_active"}):
        raise Forbidden("Nobody changes their own role, or shuts themselves out.")
    if _opens_a_door(changes):
        require_recent_sign_in(me, tx.now)
    if "role" in changes:
        changes["role"] = Role[changes["role"]]
    if changes:
        before = Admitted.as_is(user)
        user.change(changes, tx.now)
        await _flush_unique(tx)
        news = news_of(tx, Happening.user_changed, user, actor_id=me.id, changed=changes)
        await tell_of_changed_user(tx, news, user, before)
    if not user.is_active:
        await end_sessions(tx, user.id)
    if not changes.keys().isdisjoint({"role", "is_active"}):
        await let_go_of_work(tx, user.id, actor_id=me.id)
    response.headers["ETag"] = etag(user.version)
    return UserRead.model_validate(user)


def _opens_a_door(changes: Mapping[str, Any]) -> bool:
    """Tell whether a change lets somebody do, or be, what a new user would be let."""
    return "role" in changes or "email" in changes or changes.get("is_active") is True


async def _load(tx: Transaction, user_id: UUID, *, lock: bool = False) -> User:
    statement = select(User).where(User.clinic_id == tx.clinic.id, User.id == user_id)
    return await load_or_404(tx, statement, lock=lock, pointed_at=True)


async def _lock_if_still_here(tx: Transaction, me: Actor) -> User:
    """Load and lock whoever asks, after a pause in which they may have been signed out."""
    statement = (
        select(User)
        .join(SignIn, col(SignIn.user_id) == User.id)
        .where(
            User.id == me.id,
            col(User.is_active).is_(True),
            SignIn.id == me.session_id,
            *live(tx.now),
        )
        .with_for_update(of=User)
    )
    user: User | None = (await tx.exec(statement)).first()
    if user is None:
        raise Unauthorized
    return user


async def _flush_unique(tx: Transaction) -> None:
    try:
        await tx.flush()
    except IntegrityError as error:
        raise Conflict("This address is already known in the clinic.") from error
