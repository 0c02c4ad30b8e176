"""Signing in and out."""

from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request
from pydantic import Field, SecretStr
from sqlmodel import col, select, update

from api.access import may
from api.db import ClinicContext, Database, Transaction, Tx
from api.domain.permissions import Action, Actor
from api.domain.values import Input, Output
from api.errors import Unauthorized
from api.intake import StrictRoute
from api.journal import Happening, record
from api.models import Clinic, SignIn, User
from api.tokens import AccessTokens, Claims, Passwords

router = APIRouter(prefix="/v1/auth", tags=["sign-in"], route_class=StrictRoute)

_NO_MATCH = (
    "Address and password do not match. Where one address is known in several clinics, "
    "send the clinic's id as well."
)


class TokenForm(Input):
    """How to sign in. `clinic` is needed where one address is known in several clinics."""

    grant_type: Literal["password"]
    username: Annotated[str, Field(max_length=254)]
    password: Annotated[SecretStr, Field(max_length=1024)]
    clinic: UUID | None = None
    # sent by OAuth 2 clients out of habit; nothing here depends on them
    scope: Annotated[str, Field(max_length=1024)] = ""
    client_id: Annotated[str, Field(max_length=254)] = ""
    client_secret: Annotated[SecretStr | None, Field(max_length=254)] = None


class AccessToken(Output):
    """A bearer token. `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int


@router.post("/token")
async def sign_in(form: Annotated[TokenForm, Form()], request: Request) -> AccessToken:
    """Sign in with address and password. Every failure gives the same answer."""
    database: Database = request.app.state.database
    passwords: Passwords = request.app.state.passwords
    async with database.transaction() as tx:
        user = await _find(tx, form)
    # checking takes a while: no connection waits for it
    matches = await passwords.check(
        form.password.get_secret_value(), None if user is None else user.password_hash
    )
    if user is None or not matches:
        raise Unauthorized(_NO_MATCH)
    async with database.transaction(request.state.request_id) as tx:
        # while it was checked, the password may have changed, or the user been shut out
        known = await tx.exec(
            select(col(User.id))
            .where(
                User.clinic_id == user.clinic_id,
                User.id == user.id,
                User.password_hash == user.password_hash,
                col(User.is_active).is_(True),
            )
            .with_for_update(read=True)
        )
        if known.first() is None:
            raise Unauthorized(_NO_MATCH)
        return await _open_session(tx, request.app.state.tokens, user)


@router.post("/revoke", status_code=204)
async def sign_out(me: Annotated[Actor, Depends(may(Action.sign_out))], tx: Tx) -> None:
    """End the session of the token this request carries, at once."""
    await tx.exec(
        update(SignIn)
        .where(col(SignIn.clinic_id) == tx.clinic.id, col(SignIn.id) == me.session_id)
        .values(revoked_at=tx.now)
    )
    record(
        tx,
        Happening.signed_out,
        actor_id=me.id,
        record_type="session",
        record_ids=[me.session_id],
    )


async def _find(tx: Transaction, form: TokenForm) -> User | None:
    """Find the one active user of an address; None where it is nobody's, or several people's."""
    statement = select(User).where(
        User.email == form.username.strip().lower(), col(User.is_active).is_(True)
    )
    if form.clinic is not None:
        statement = statement.where(User.clinic_id == form.clinic)
    users = (await tx.exec(statement.limit(2))).all()
    return users[0] if len(users) == 1 else None


async def _open_session(tx: Transaction, tokens: AccessTokens, user: User) -> AccessToken:
    zone = (await tx.exec(select(col(Clinic.time_zone)).where(Clinic.id == user.clinic_id))).one()
    tx.enter(ClinicContext(user.clinic_id, ZoneInfo(zone)))
    session = SignIn(
        clinic_id=user.clinic_id,
        user_id=user.id,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=user.id,
        expires_at=tx.now + tokens.lifetime,
    )
    tx.add(session)
    record(
        tx,
        Happening.signed_in,
        actor_id=user.id,
        record_type="session",
        record_ids=[session.id],
    )
    return AccessToken(
        access_token=tokens.issue(Claims(user.clinic_id, user.id, session.id), tx.now),
        token_type="bearer",  # noqa: S106 - the name of a scheme
        expires_in=int(tokens.lifetime.total_seconds()),
    )
