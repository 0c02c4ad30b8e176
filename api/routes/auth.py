"""Signing in and out."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from api.access.guards import may
from api.access.rate_limits import STRANGER, Known, Throttle
from api.access.sessions import (
    Account,
    Refused,
    account_at,
    begin_session,
    begin_software_session,
    end_session,
    refresh_session,
)
from api.domain.errors import (
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    InvalidTokenRequest,
    UnsupportedGrantType,
)
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.values import Output
from api.http.basic_credentials import CHALLENGE, read_basic, speaks_basic
from api.http.oauth_refusals import TokenProblem
from api.http.request_transaction import Tx
from api.http.strict_route import OneTimeRoute
from api.journal.entries import Happening, record, record_row
from api.openapi.plain_schemas import without_null
from api.records.second_factor import Proof, proof_of, recovery_code_of, use_up
from api.security.normalization import one_address
from api.security.opaque_tokens import (
    RefreshToken,
    RefreshTokens,
    hash_of,
    new_secret,
    parse_client_id,
)
from api.security.tokens import AccessTokens, Claims, Passwords
from api.storage.database import Database
from api.storage.models.people import SignIn
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/auth", tags=["sign-in"], route_class=OneTimeRoute)

_NO_MATCH = (
    "Address and password do not match, the second factor (otp) is missing or wrong, or too much "
    "was tried for this address within an hour. Where one address is known in several clinics, "
    "send the clinic's id, too, as clinic."
)
_NOT_REFRESHED = "This refresh token is not known or no longer valid. Sign in again."

_NOT_SOFTWARE = "This client id and secret do not match, or are no longer valid."
_NOT_SHOWN = (
    "Software shows who it is: send client_id and client_secret, in the form or by HTTP Basic."
)

_NOT_GIVEN = (
    "This software was not given every scope it asks for. Ask for fewer, with blanks between them, "
    "or send no scope."
)
_NO_SCOPES = "A person's token has no scopes, and is not narrowed by any. Send no scope."

Begun = TypeVar("Begun")

_NEEDED = {
    "password": ("username", "password"),
    "refresh_token": ("refresh_token",),
    "client_credentials": ("client_id", "client_secret"),
}
"""The fields that each grant needs."""


def _describe_each_grant(schema: dict[str, Any]) -> None:
    """Describe the form of each grant in full: generators of clients make a class of each."""
    # no form can say null
    fields = {name: without_null(field) for name, field in schema["properties"].items()}
    fields["grant_type"] = {**fields["grant_type"], "enum": list(_NEEDED)}
    schema["properties"] = fields
    schema["oneOf"] = [
        {
            "title": f"{grant.title().replace('_', '')}Grant",
            "type": "object",
            "properties": {**fields, "grant_type": {"const": grant, "type": "string"}},
            "required": ["grant_type", *needed],
        }
        for grant, needed in _NEEDED.items()
    ]


def _without_null(schema: dict[str, Any]) -> None:
    """Describe an answer whose members are left out where they are not: none is ever null."""
    fields = schema["properties"].items()
    schema["properties"] = {name: without_null(field) for name, field in fields}


class TokenForm(BaseModel):
    """How to sign in, or to stay signed in; each grant needs fields of its own.

    A field without a value counts as left out, and one that is not known here is left alone
    (RFC 6749, 3.2).

    `password`: `username` and `password`; `clinic`, where one address is known in several clinics;
    `otp`, a code of the authenticator or a recovery code, once a second factor is enrolled;
    `device_token` of an earlier answer, so that guesses of others do not keep this device out.
    `refresh_token`: the `refresh_token` of the last answer, which can be used once.
    `client_credentials`: `client_id` and `client_secret` of a service account, here or in a header;
    `scope`, those of its scopes that it asks for, with blanks between: all, where it is left out.
    """

    # programs of many makers ask for tokens, and send what others may want to know
    model_config = ConfigDict(extra="ignore", json_schema_extra=_describe_each_grant)

    grant_type: str
    username: Annotated[str | None, Field(max_length=254)] = None
    password: Annotated[SecretStr | None, Field(max_length=1024)] = None
    clinic: UUID | None = None
    otp: Annotated[SecretStr | None, Field(max_length=64)] = None
    device_token: Annotated[SecretStr | None, Field(max_length=254)] = None
    refresh_token: Annotated[SecretStr | None, Field(max_length=254)] = None
    client_id: Annotated[str | None, Field(max_length=254)] = None
    client_secret: Annotated[SecretStr | None, Field(max_length=254)] = None
    scope: Annotated[str, Field(max_length=1024)] = ""


class AccessToken(Output):
    """A bearer token; `expires_in` is in seconds. `refresh_token` gets the next one, once.

    Software gets no refresh token: its secret gets the next one. `device_token` comes where
    somebody signs in with a password: kept for 90 days and sent with the next password, it tells
    that this device is theirs. It opens nothing. `scope` comes for software: what this token is
    for, with blanks between.
    """

    model_config = ConfigDict(
        json_schema_serialization_defaults_required=False, json_schema_extra=_without_null
    )

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    # left out where there is none: libraries refuse a null (RFC 6749, 5.1, knows texts only)
    refresh_token: str | None = None
    device_token: str | None = None
    scope: str | None = None


@router.post("/token", response_model_exclude_none=True, responses={"4XX": {"model": TokenProblem}})
async def sign_in(form: Annotated[TokenForm, Form()], request: Request) -> AccessToken:
    """Sign in, or stay signed in. Every failure of a grant gives the same answer.

    Software may send its id and secret as `Authorization: Basic …` instead of `client_id` and
    `client_secret` in the form: each form-urlencoded, then both in base64 (RFC 6749, 2.3.1). 400
    where the secret is sent in both ways, or the two ids differ.

    A refusal has `error` and `error_description` (RFC 6749, 5.2) beside what every problem has; to
    whoever accepts `application/json` alone it is sent as that.
    """
    if form.grant_type not in _GRANTS:
        raise UnsupportedGrantType
    if form.grant_type == "client_credentials":
        form = _with_what_the_header_says(form, request)
    else:
        _refuse_scopes(form)
    _refuse_without(_NEEDED[form.grant_type], form)
    return await _GRANTS[form.grant_type](form, request)


def _refuse_scopes(form: TokenForm) -> None:
    """Refuse a person's token that is asked for with a scope: it may do whatever they may.

    Left alone, it would let somebody believe that their token may do less.
    """
    if form.scope.split():
        raise InvalidScope(_NO_SCOPES)


def _refuse_without(needed: tuple[str, ...], form: TokenForm) -> None:
    missing = [name for name in needed if getattr(form, name) is None]
    if missing and form.grant_type == "client_credentials":
        # software that shows nothing, or not all, is not known (RFC 6749, 5.2)
        raise InvalidClient(_NOT_SHOWN)
    for name in missing:
        raise InvalidTokenRequest(f"/{name}", "This is needed to sign in this way.")


@router.post("/revoke", status_code=204)
async def sign_out(me: Annotated[Actor, Depends(may(Action.sign_out))], tx: Tx) -> None:
    """End the session of the token this request carries, at once."""
    await end_session(tx, me.session_id)
    record(
        tx,
        Happening.signed_out,
        actor_id=me.id,
        record_type="session",
        record_ids=[me.session_id],
    )


# ---------------------------------------------------------------------- by address and password


async def _by_password(form: TokenForm, request: Request) -> AccessToken:
    async def begin(tx: Transaction, account: Account, network: str, device: str) -> AccessToken:
        session, token = await begin_session(
            tx,
            account.user,
            network,
            hash_of(device),
            times=request.app.state.session_times,
            tokens=request.app.state.refresh_tokens,
        )
        return _answer(request, session, token, tx.now, device)

    return await let_in_by_password(form, request, begin)


Begin = Callable[[Transaction, Account, str, str], Awaitable[Begun]]
"""Begins a session of somebody who has proved who they are; takes their network and device."""


async def let_in_by_password(form: TokenForm, request: Request, begin: Begin[Begun]) -> Begun:
    """Begin a session of whoever proves who they are. Every failure is one and the same refusal."""
    database: Database = request.app.state.database
    passwords: Passwords = request.app.state.passwords
    throttle: Throttle = request.app.state.throttle
    address, network = one_address(form.username or ""), throttle.network_of(request)
    otp, device = _secret(form.otp), _secret(form.device_token) or new_secret()
    async with throttle.look_up(network), database.transaction() as tx:
        account = await account_at(tx, address, form.clinic, network, hash_of(device))
        recovery = await recovery_code_of(tx, account, otp)
    known = STRANGER if account is None else _known(account, recovery)
    async with throttle.guess(network, address, known) as guess:
        weighed = account if guess.is_weighed else None
        # checking takes a while: no connection waits for it
        matches = await passwords.check(
            _secret(form.password),
            None if weighed is None else weighed.user.password_hash,
            in_one_form=guess.is_hurried,
        )
        # looked at in any case: a right password alone takes no longer than a wrong one
        proof = None if weighed is None else proof_of(weighed.user, otp, recovery, tx.now)
        if weighed is None or proof is None or not matches:
            raise InvalidGrant(_NO_MATCH)
        device = device if weighed.known.proof is not None else new_secret()
        async with database.transaction(request.state.request_id) as tx:
            await _admit(tx, weighed, proof)
            return await begin(tx, weighed, network, device)


def _known(account: Account, recovery_id: UUID | None) -> Known:
    """Tell how somebody is known who shows a device's token, or a recovery code that is theirs."""
    if account.known.proof is not None or recovery_id is None:
        return account.known
    return account.known._replace(proof=str(recovery_id))


async def _admit(tx: Transaction, account: Account, proof: Proof) -> None:
    user = account.user
    await tx.enter(user.clinic_id, account.zone)
    if not await use_up(tx, user, proof):
        raise InvalidGrant(_NO_MATCH)
    if proof.recovery_id is not None:
        record_row(tx, Happening.recovery_code_used, user, actor_id=user.id)


# -------------------------------------------------------------------------- by a refresh token


async def _by_refresh_token(form: TokenForm, request: Request) -> AccessToken:
    database: Database = request.app.state.database
    throttle: Throttle = request.app.state.throttle
    network = throttle.network_of(request)
    tokens: RefreshTokens = request.app.state.refresh_tokens
    token = tokens.parse(_secret(form.refresh_token))
    if token is not None:
        async with (
            throttle.look_up(network),
            database.transaction(request.state.request_id) as tx,
        ):
            times = request.app.state.session_times
            outcome = await refresh_session(tx, token, times=times, tokens=tokens)
        # refused after the commit: a token that was used twice has ended its session
        if not isinstance(outcome, Refused):
            return _answer(request, *outcome, tx.now)
        if outcome is Refused.repeated:
            raise InvalidGrant(_NOT_REFRESHED)
    await throttle.count_senseless(network)
    raise InvalidGrant(_NOT_REFRESHED)


# --------------------------------------------------------------------- by a software's secret


def _with_what_the_header_says(form: TokenForm, request: Request) -> TokenForm:
    """Take id and secret from the header, where they are there; the form may repeat the id."""
    if not speaks_basic(request):
        return form
    client_id, secret = read_basic(request)
    if form.client_secret is not None:
        raise InvalidTokenRequest(
            "/client_secret", "Send the secret in the header or in the form, once."
        )
    if form.client_id not in {None, client_id}:
        raise InvalidTokenRequest("/client_id", "The header names another, or none. Send one.")
    return form.model_copy(update={"client_id": client_id, "client_secret": SecretStr(secret)})


async def _by_client_credentials(form: TokenForm, request: Request) -> AccessToken:
    database: Database = request.app.state.database
    throttle: Throttle = request.app.state.throttle
    tokens: AccessTokens = request.app.state.tokens
    network = throttle.network_of(request)
    named = parse_client_id(form.client_id or "")
    if named is not None:
        async with (
            throttle.look_up(network),
            database.transaction(request.state.request_id) as tx,
        ):
            outcome = await begin_software_session(
                tx,
                *named,
                secret=_secret(form.client_secret),
                lasts=tokens.lifetime,
                asked=frozenset(form.scope.split()),
            )
        if not isinstance(outcome, Refused):
            session, scopes = outcome
            return _answer(request, session, None, tx.now, scope=" ".join(scopes))
        if outcome is Refused.scope:
            # its secret was right: nothing is counted
            raise InvalidScope(_NOT_GIVEN)
    await throttle.count_senseless(network)
    # who tried it with a header is told so in one (RFC 6749, 5.2)
    challenge = CHALLENGE if speaks_basic(request) else "Bearer"
    raise InvalidClient(_NOT_SOFTWARE, challenge=challenge)


# --------------------------------------------------------------------------------- all


def _answer(
    request: Request,
    session: SignIn,
    token: RefreshToken | None,
    now: datetime,
    device: str | None = None,
    scope: str | None = None,
) -> AccessToken:
    tokens: AccessTokens = request.app.state.tokens
    whose = session.user_id or session.account_id
    assert whose is not None  # noqa: S101 - a session is somebody's
    is_software = session.user_id is None
    claims = Claims(session.clinic_id, whose, session.id, is_software=is_software)
    lasts = min(tokens.lifetime, session.expires_at - now)
    return AccessToken(
        access_token=tokens.issue(claims, now, session.expires_at),
        token_type="bearer",  # noqa: S106 - the name of a scheme
        expires_in=int(lasts.total_seconds()),
        refresh_token=None if token is None else token.text,
        device_token=device,
        scope=scope,
    )


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()


_GRANTS: dict[str, Callable[[TokenForm, Request], Awaitable[AccessToken]]] = {
    "password": _by_password,
    "refresh_token": _by_refresh_token,
    "client_credentials": _by_client_credentials,
}
"""How each grant is answered."""
