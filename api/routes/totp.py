"""The second factor of the person who asks: enrolled, confirmed, and removed again."""

from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field, SecretStr
from sqlmodel import col, select

from api.access.authentication import require_recent_sign_in
from api.access.guards import may
from api.access.rate_limits import Throttle
from api.domain.errors import Conflict, Forbidden, Invalid
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.values import Input, Output
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.request_transaction import Tx
from api.http.strict_route import OneTimeRoute
from api.journal.entries import Happening, record_row
from api.records.one_time_codes import end_codes, make_code, unused_codes
from api.records.oversight_notices import news_of, tell
from api.security.totp import new_secret, step_of, uri_of
from api.storage.models.access import NoticeKind
from api.storage.models.people import Clinic, CodePurpose, OneTimeCode, User
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/me/totp", tags=["sign-in"], route_class=OneTimeRoute)

RECOVERY_CODES = 10


class TotpRead(Output):
    """Whether a second factor is asked of you, and how many recovery codes are left."""

    enrolled: bool
    confirmed_at: datetime | None
    recovery_codes_left: int


class TotpBegun(Output):
    """What an authenticator needs: shown this once. `uri` is for a picture it can read."""

    secret: str
    uri: str


class TotpConfirm(Input):
    """A code the authenticator shows now."""

    code: Annotated[SecretStr, Field(max_length=64)]


class RecoveryCodesMade(Output):
    """Codes to sign in with, once each, when the device is lost. They are shown this once."""

    recovery_codes: list[str]


@router.get("")
async def read_totp(
    me: Annotated[Actor, Depends(may(Action.totp_read))], tx: Tx, response: Response
) -> TotpRead:
    """Read whether you have a second factor. The ETag is your user's."""
    user = await _load(tx, me)
    response.headers["ETag"] = etag(user.version)
    unused = unused_codes(me.id, CodePurpose.recovery)
    left = select(sa.func.count(col(OneTimeCode.id))).where(*unused)
    return TotpRead(
        enrolled=user.totp_confirmed_at is not None,
        confirmed_at=user.totp_confirmed_at,
        recovery_codes_left=(await tx.exec(left)).one(),
    )


@router.post("")
async def begin_totp(me: Annotated[Actor, Depends(may(Action.totp_change))], tx: Tx) -> TotpBegun:
    """Begin to enrol a second factor; it counts once it is confirmed. Needs a recent sign-in."""
    require_recent_sign_in(me, tx.now)
    user = await _load(tx, me, lock=True)
    if user.totp_confirmed_at is not None:
        raise Conflict("You have a second factor already. Remove it first.")
    secret = new_secret()
    user.change({"totp_secret": secret, "totp_last_step": None}, tx.now)
    record_row(tx, Happening.totp_begun, user, actor_id=me.id)
    return TotpBegun(secret=secret, uri=uri_of(secret, user.email))


@router.post("/confirm")
async def confirm_totp(
    body: TotpConfirm,
    me: Annotated[Actor, Depends(may(Action.totp_change))],
    tx: Tx,
    request: Request,
) -> RecoveryCodesMade:
    """Confirm the second factor with a code it shows. From now on it is asked for.

    429 after ten wrong codes in an hour.
    """
    throttle: Throttle = request.app.state.throttle
    user = await _load(tx, me, lock=True)
    if user.totp_secret is None or user.totp_confirmed_at is not None:
        raise Conflict("There is no second factor to confirm.")
    async with throttle.guess_beside(str(me.session_id), str(me.id)):
        step = step_of(user.totp_secret, body.code.get_secret_value(), tx.now)
        if step is None:
            raise Invalid(
                "/code", "This is not the code that the authenticator shows now; send the next one."
            )
    # the code just shown is used up: it signs nobody in
    user.change({"totp_confirmed_at": tx.now, "totp_last_step": step}, tx.now)
    recovery = CodePurpose.recovery
    codes = [make_code(tx, me.id, recovery, by=me.id) for _ in range(RECOVERY_CODES)]
    record_row(tx, Happening.totp_confirmed, user, actor_id=me.id)
    return RecoveryCodesMade(recovery_codes=codes)


@router.delete("", status_code=204)
async def remove_totp(
    me: Annotated[Actor, Depends(may(Action.totp_change))], tx: Tx, if_match: IfMatch = None
) -> None:
    """Remove your second factor, where your clinic does not ask for one. Needs a recent sign-in."""
    require_recent_sign_in(me, tx.now)
    user = await _load(tx, me, lock=True)
    check_version(user.version, if_match)
    if (await tx.exec(select(col(Clinic.requires_totp)))).one():
        raise Forbidden("This clinic asks everybody for a second factor.")
    if user.totp_secret is None:
        raise Conflict("You have no second factor.")
    user.change(dict.fromkeys(("totp_secret", "totp_confirmed_at", "totp_last_step")), tx.now)
    await end_codes(tx, me.id, CodePurpose.recovery)
    news = news_of(tx, Happening.totp_removed, user, actor_id=me.id)
    # they too: whoever sits at their desk may have done it
    removed = NoticeKind.second_factor_removed
    await tell(tx, news, removed, of=me.id, record_id=me.id, concerned={me.id})


async def _load(tx: Transaction, me: Actor, *, lock: bool = False) -> User:
    statement = select(User).where(User.id == me.id)
    if lock:
        statement = statement.with_for_update()
    user: User = (await tx.exec(statement)).one()
    return user
