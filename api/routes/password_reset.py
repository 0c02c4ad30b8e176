"""A new password for somebody who lost theirs: an admin hands over a code that works once."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field, SecretStr
from sqlalchemy import ColumnElement
from sqlmodel import col, select, update

from api.access.authentication import require_recent_sign_in
from api.access.guards import may
from api.access.rate_limits import Throttle
from api.access.sessions import NOBODY, account_at, end_sessions
from api.domain.errors import Forbidden, Unauthorized
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.values import Input, Output, Password
from api.http.request_transaction import Tx
from api.http.strict_route import OneTimeRoute
from api.journal.entries import Happening, record_row
from api.records.one_time_codes import end_codes, make_code, unused_codes
from api.records.oversight_notices import News, tell
from api.security.normalization import one_address
from api.security.opaque_tokens import hash_of_code
from api.security.tokens import Passwords
from api.storage.database import Database
from api.storage.loading import load_or_404
from api.storage.models.access import NoticeKind
from api.storage.models.people import CodePurpose, OneTimeCode, User
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["sign-in"], route_class=OneTimeRoute)

LASTS = timedelta(hours=1)

_NO_MATCH = "Address and code do not match, or the code was used or is too old."


class ResetOffered(Output):
    """A code for a new password: shown this once, and used once, until `expires_at`."""

    code: str
    expires_at: datetime


class PasswordReset(Input):
    """A new password, with the code an admin handed over.

    `clinic` is needed where one address is known in several clinics.
    """

    username: Annotated[str, Field(max_length=254)]
    clinic: UUID | None = None
    code: Annotated[SecretStr, Field(max_length=64)]
    password: Password


@router.post("/users/{user_id}/password-reset", status_code=201)
async def offer_password_reset(
    user_id: UUID,
    me: Annotated[Actor, Depends(may(Action.user_reset))],
    tx: Tx,
    response: Response,
) -> ResetOffered:
    """Make a code for another user's new password; earlier ones end. Needs a recent sign-in."""
    require_recent_sign_in(me, tx.now)
    if user_id == me.id:
        raise Forbidden("Change your own password at /v1/me.")
    user = await load_or_404(tx, select(User).where(User.id == user_id), lock=True)
    await end_codes(tx, user_id, CodePurpose.reset)
    expires_at = tx.now + LASTS
    code = make_code(tx, user_id, CodePurpose.reset, by=me.id, expires_at=expires_at)
    offered = (Happening.password_reset_offered, NoticeKind.password_reset_offered)
    await _tell(tx, *offered, user, actor=me.id, by=me.id)
    response.headers["Location"] = f"/v1/users/{user_id}"
    return ResetOffered(code=code, expires_at=expires_at)


@router.post("/auth/password", status_code=204)
async def reset_password(body: PasswordReset, request: Request) -> None:
    """Set a new password with a one-time code. All sessions end. Every failure is alike."""
    database: Database = request.app.state.database
    passwords: Passwords = request.app.state.passwords
    throttle: Throttle = request.app.state.throttle
    address, network = one_address(body.username), throttle.network_of(request)
    code = hash_of_code(body.code.get_secret_value())
    # a code is random enough to prove itself: nobody guesses one, and no count stands before it
    async with throttle.look_up(network), database.transaction() as tx:
        account = await account_at(tx, address, body.clinic, network)
        matches = await _matches(tx, NOBODY if account is None else account.user.id, code)
    if account is None or not matches:
        await throttle.count_senseless(network)
        raise Unauthorized(_NO_MATCH)
    password_hash = await passwords.hash(body.password.get_secret_value())
    async with database.transaction(request.state.request_id) as tx:
        await tx.enter(account.user.clinic_id, account.zone)
        await _use(tx, account.user.id, code, password_hash)


async def _matches(tx: Transaction, user_id: UUID, code: str) -> bool:
    statement = select(col(OneTimeCode.id)).where(*_valid(tx, user_id, code))
    return (await tx.exec(statement)).first() is not None


async def _use(tx: Transaction, user_id: UUID, code: str, password_hash: str) -> None:
    """Use a code up, set the password and end the sessions. Raises Unauthorized for any other."""
    offered = select(col(OneTimeCode.recorded_by_id)).where(*_valid(tx, user_id, code))
    offered_by: UUID | None = (await tx.exec(offered)).first()
    used = await tx.exec(
        update(OneTimeCode)
        .where(*_valid(tx, user_id, code))
        .values(used_at=tx.now)
        .execution_options(synchronize_session=False)
    )
    user = (await tx.exec(select(User).where(User.id == user_id).with_for_update())).first()
    if not used.rowcount or user is None or not user.is_active:
        raise Unauthorized(_NO_MATCH)
    user.change({"password_hash": password_hash}, tx.now)
    await end_sessions(tx, user_id)
    done = (Happening.password_reset, NoticeKind.password_reset)
    await _tell(tx, *done, user, actor=user_id, by=offered_by or user_id)


def _valid(tx: Transaction, user_id: UUID, code: str) -> tuple[ColumnElement[bool], ...]:
    return (
        *unused_codes(user_id, CodePurpose.reset),
        col(OneTimeCode.code_hash) == code,
        col(OneTimeCode.expires_at) > tx.now,
    )


async def _tell(
    tx: Transaction, happening: Happening, kind: NoticeKind, user: User, *, actor: UUID, by: UUID
) -> None:
    """Journal it, and tell the user and the privacy officers by whose doing it came about."""
    entry_id = record_row(tx, happening, user, actor_id=actor)
    concerned = {user.id}
    await tell(tx, News(entry_id, by), kind, of=user.id, record_id=user.id, concerned=concerned)
