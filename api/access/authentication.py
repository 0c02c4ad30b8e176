"""Who is asking: the session of a token, read anew on each request."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, NamedTuple, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy import and_, bindparam
from sqlmodel import col

from api.access.sessions import live
from api.domain.errors import Forbidden, SignInAgain, Unauthorized
from api.domain.permissions.table import Actor
from api.domain.vocabulary import Role, Scope
from api.http.accept_headers import language_for
from api.http.idempotency import only_once
from api.http.request_transaction import Tx
from api.security.browser_tokens import BrowserToken
from api.security.opaque_tokens import hash_of
from api.security.tokens import AccessTokens, AheadOfTheClock, Claims, InvalidToken
from api.storage.compiled_queries import Prepared
from api.storage.models.people import Clinic, ServiceAccount, SignIn, User
from api.storage.questions import Asked
from api.storage.transaction import Transaction

Following = Callable[[Transaction, Actor], Asked]
"""Says what a guard will ask of the database about what a request names."""

bearer = OAuth2PasswordBearer(
    tokenUrl="/v1/auth/token",
    auto_error=False,
    description="A token from `POST /v1/auth/token`, valid for at most ten minutes.",
)

# Statements that every request runs are built once: building one costs more than running it.
_WHO_IS_SIGNED_IN = Prepared(
    sa.select(
        col(User.role),
        col(Clinic.time_zone),
        col(Clinic.watched_events),
        col(SignIn.authenticated_at),
        and_(col(Clinic.requires_totp), col(User.totp_confirmed_at).is_(None)),
        col(User.language),
        col(Clinic.language),
    )
    .select_from(SignIn)
    .join(User, col(User.id) == SignIn.user_id)
    .join(Clinic, col(Clinic.id) == User.clinic_id)
    .where(
        col(SignIn.id) == bindparam("session"),
        col(SignIn.user_id) == bindparam("user"),
        # what a browser shows is its session's own, and a session with tokens has none
        col(SignIn.cookie_hash).is_not_distinct_from(bindparam("cookie")),
        *live(bindparam("now")),
        col(SignIn.updated_at) >= bindparam("witnessed"),
        col(User.is_active).is_(True),
    )
)


_WHICH_SOFTWARE = Prepared(
    sa.select(
        col(ServiceAccount.scopes),
        col(SignIn.scopes),
        col(Clinic.time_zone),
        col(Clinic.watched_events),
        col(Clinic.language),
    )
    .select_from(SignIn)
    .join(ServiceAccount, col(ServiceAccount.id) == SignIn.account_id)
    .join(Clinic, col(Clinic.id) == ServiceAccount.clinic_id)
    .where(
        col(SignIn.id) == bindparam("session"),
        col(SignIn.account_id) == bindparam("user"),
        *live(bindparam("now")),
        col(SignIn.updated_at) >= bindparam("witnessed"),
        col(ServiceAccount.is_active).is_(True),
    )
)


async def signed_in(
    request: Request, tx: Tx, token: Annotated[str | None, Depends(bearer)]
) -> Actor:
    """Read session, user and clinic anew, so that any change to them acts at once."""
    found = await _whose(request, tx, token)
    if found is None:
        raise Unauthorized
    actor, must_enrol = found
    if actor.is_software:
        await request.app.state.throttle.pace(str(actor.id))
        tx.withhold_sealed_text(unless=Scope.narrative_read in actor.scopes)
    tx.know_actor(actor.id)
    request.state.signed_in = (tx.clinic, actor)
    if must_enrol and request.scope["route"].path not in OPEN_BEFORE_ENROLMENT:
        raise Forbidden("This clinic asks for a second factor: enrol at /v1/me/totp first.")
    # every operation passes here, so none can forget it
    await only_once(request, tx, actor.id)
    return actor


async def who_is_refused(request: Request, tx: Tx) -> Actor | None:
    """Enter the clinic of whoever is refused; None where nobody is signed in.

    Some requests are refused before anybody looked at their token.
    """
    if (known := getattr(request.state, "signed_in", None)) is not None:
        clinic, actor = known
        await tx.enter_again(clinic)
        return cast("Actor", actor)
    found = await _whose(request, tx, await bearer(request))
    return None if found is None else found.actor


class _Known(NamedTuple):
    actor: Actor
    must_enrol: bool = False
    """They have no second factor yet, and their clinic asks for one."""


async def _whose(request: Request, tx: Transaction, token: str | None) -> _Known | None:
    """Enter the clinic of whoever a token is of; None where it is nobody's, or no longer."""
    shown: BrowserToken | None = getattr(request.state, "shown_by_browser", None)
    if shown is not None:
        claims, witnessed = Claims(shown.clinic_id, shown.user_id, shown.session_id), _LONG_AGO
    elif token is not None and (read := _read(request.app.state.tokens, token, tx.now)) is not None:
        claims, witnessed = read
    else:
        return None
    await tx.enter(claims.clinic_id)
    asked = {
        "session": claims.session_id,
        "user": claims.user_id,
        "cookie": None if shown is None else hash_of(shown.text),
        "now": tx.now,
        "witnessed": witnessed,
    }
    known = await _stands(request, tx, claims, asked)
    if known is None and tx.asks_alone:
        # a database that spans machines may not pass on what a statement enters by itself
        await tx.begin()
        known = await _stands(request, tx, claims, asked)
    return known


async def _stands(
    request: Request, tx: Transaction, claims: Claims, asked: dict[str, Any]
) -> _Known | None:
    """Ask how a session stands, of a person and of software; None where it stands no longer."""
    await _ask_ahead(request, tx, claims, asked)
    if (person := (await tx.exec(_WHO_IS_SIGNED_IN, asked)).first()) is not None:
        role, time_zone, watched, authenticated_at, must_enrol, *wishes = person
        request.app.state.last_seen.note(claims.session_id, role, time_zone)
        reads_in = partial(language_for, request, *wishes)
        actor = Actor(claims.user_id, role, claims.session_id, authenticated_at, reads_in=reads_in)
        known = _Known(actor, must_enrol)
    elif (software := (await tx.exec(_WHICH_SOFTWARE, _of_software(asked))).first()) is not None:
        given, wanted, time_zone, watched, *wishes = software
        reads_in = partial(language_for, request, *wishes)
        known = _Known(_software(claims, _scopes_of(given, wanted), reads_in))
    else:
        return None
    tx.know_zone(ZoneInfo(time_zone), watched)
    return known


def _of_software(asked: dict[str, Any]) -> dict[str, Any]:
    """Give what is asked of software, which shows no cookie."""
    return {name: value for name, value in asked.items() if name != "cookie"}


class LastSeen:
    """How sessions stood when they were last asked about: what is asked next is guessed from it.

    Nothing rests on it. Each request asks anew how its session stands, and in the same message what
    it is about, as for somebody of this role; where the guess was wrong, that is asked once more.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._stood: OrderedDict[UUID, tuple[Role, str]] = OrderedDict()
        self._most = most

    def note(self, session_id: UUID, role: Role, time_zone: str) -> None:
        """Remember a session; the one that was not seen for longest is forgotten."""
        self._stood[session_id] = role, time_zone
        self._stood.move_to_end(session_id)
        if len(self._stood) > self._most:
            self._stood.popitem(last=False)

    def of(self, session_id: UUID) -> tuple[Role, str] | None:
        """Give the role and the time zone of a session, as far as it is remembered."""
        return self._stood.get(session_id)


async def _ask_ahead(
    request: Request, tx: Transaction, claims: Claims, who: Mapping[str, Any]
) -> None:
    """Ask in one message who is signed in, and what a guard will ask of a person like them."""
    following: Following | None = getattr(request.state, "asks_next", None)
    stood = request.app.state.last_seen.of(claims.session_id)
    if following is None or stood is None:
        return
    role, time_zone = stood
    tx.know_zone(ZoneInfo(time_zone))
    me = Actor(claims.user_id, role, claims.session_id)
    await tx.ask_ahead((_WHO_IS_SIGNED_IN, who), following(tx, me))


def _read(tokens: AccessTokens, token: str, now: datetime) -> tuple[Claims, datetime] | None:
    """Read a token, and which instant its session must have seen; None where it is no token.

    Each token is issued in the instant that its session was begun or refreshed in. Where the clock
    was set back since, or another server's is ahead, the session is the witness that it was so: no
    instant is believed because a token says it.
    """
    try:
        return tokens.verify(token, now), _LONG_AGO
    except AheadOfTheClock as ahead:
        return ahead.claims, ahead.issued_at
    except InvalidToken:
        return None


_LONG_AGO = datetime.fromtimestamp(0, UTC)

_WHAT_IT_MAY_NOW = (
    sa.select(col(ServiceAccount.scopes), col(SignIn.scopes))
    .join(SignIn, col(SignIn.account_id) == ServiceAccount.id)
    .where(
        col(SignIn.id) == bindparam("session"),
        col(ServiceAccount.id) == bindparam("account"),
        col(SignIn.revoked_at).is_(None),
        col(ServiceAccount.is_active).is_(True),
    )
)


async def software_now(tx: Transaction, me: Actor) -> Actor:
    """Read anew what software may, in the midst of a long request that began with a good token.

    Raises 401 where it was signed out or switched off since.
    """
    asked = {"session": me.session_id, "account": me.id}
    found = (await tx.exec(_WHAT_IT_MAY_NOW, asked)).first()
    if found is None:
        raise Unauthorized
    return replace(me, scopes=_scopes_of(*found))


def _software(claims: Claims, scopes: frozenset[Scope], reads_in: Callable[[], str]) -> Actor:
    known = Actor.of_software(claims.user_id, claims.session_id, scopes)
    return replace(known, reads_in=reads_in)


def _scopes_of(given: Collection[str], asked: Collection[str] | None) -> frozenset[Scope]:
    """Give what software may: what its account has by now, as far as its token was asked for."""
    return frozenset(
        scope for scope in Scope if scope in given and (asked is None or scope in asked)
    )


Me = Annotated[Actor, Depends(signed_in)]

OPEN_BEFORE_ENROLMENT = {"/v1/me", "/v1/me/totp", "/v1/me/totp/confirm", "/v1/auth/revoke"}
"""What somebody may do before they have enrolled the second factor that their clinic asks for."""

RECENT = timedelta(minutes=15)
"""How long ago a sign-in may be for what needs a recent one."""


def require_recent_sign_in(me: Actor, now: datetime) -> None:
    """Raise 403 where the last proof of who is asking is too long ago for what is asked."""
    if not me.signed_in_since(now - RECENT):
        raise SignInAgain
