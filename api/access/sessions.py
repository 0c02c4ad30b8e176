"""A session's life: whose it may be, how it begins, is carried on, and ends."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, bindparam, exists, func, text
from sqlmodel import col, select, update

from api.access.rate_limits import Known
from api.domain.vocabulary import Scope
from api.journal.entries import Happening, record_row
from api.security.browser_tokens import BrowserToken, BrowserTokens
from api.security.opaque_tokens import RefreshToken, RefreshTokens, hash_of
from api.storage.instants import never_back
from api.storage.models.people import Clinic, ServiceAccount, ServiceSecret, SignIn, User
from api.storage.questions import AcrossClinics
from api.storage.transaction import Transaction

FAMILIAR = timedelta(days=90)
"""How long a network or a device stays familiar after its user began a session there."""

REPEATED = timedelta(seconds=10)
"""How late a second request of the same client may come with the token the first one replaced."""

_ACCOUNTS_AT = AcrossClinics(
    plain=select(col(User.clinic_id), col(User.id)).where(
        col(User.email) == bindparam("address"), col(User.is_active).is_(True)
    ),
    guarded=text("SELECT clinic_id, id FROM accounts_at(:address)"),
)


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """How long sessions last: in all, and unless they are refreshed."""

    whole: timedelta
    idle: timedelta


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may be signing in, and how they are known where they do."""

    user: User
    zone: ZoneInfo
    known: Known


class Refused(Enum):
    """Why a session is not begun, or not carried on."""

    repeated = "a client asked twice at once: it has the next token already"
    unknown = "the session has ended, or what is shown is not, or no longer, its own"
    scope = "it asks for a scope that it was not given"


NOBODY = UUID(int=0)
"""In whose name it is asked where an address is nobody's: an answer that came sooner would tell."""


async def account_at(
    tx: Transaction, address: str, clinic: UUID | None, network: str, device: str | None = None
) -> Account | None:
    """Find the one active user of an address, and enter their clinic; `device`: a hash.

    None where the address is nobody's, or is known in several clinics and none was named: that
    takes the same statements.
    """
    rows = await tx.ask_everywhere(_ACCOUNTS_AT, address=address)
    found = [row for row in rows if clinic is None or row[0] == clinic]
    clinic_id, user_id = found[0] if len(found) == 1 else (NOBODY, NOBODY)
    await tx.enter(clinic_id)
    joined = select(
        User,
        Clinic.time_zone,
        _began_a_session(tx, col(SignIn.network) == network),
        _began_a_session(tx, col(SignIn.device_hash) == device),
    ).join(Clinic, col(Clinic.id) == User.clinic_id)
    person = (await tx.exec(joined.where(User.id == user_id))).first()
    if person is None:
        return None
    user, zone, was_here, has_proved = person
    tx.know_zone(ZoneInfo(zone))
    known = Known(was_here, device if has_proved else None)
    return Account(user, ZoneInfo(zone), known)


def _began_a_session(tx: Transaction, where: Any) -> ColumnElement[bool]:
    """Say in SQL whether a user has begun a session lately where this holds."""
    return exists().where(
        col(SignIn.clinic_id) == col(User.clinic_id),
        col(SignIn.user_id) == col(User.id),
        col(SignIn.created_at) > tx.now - FAMILIAR,
        where,
    )


async def begin_session(
    tx: Transaction,
    user: User,
    network: str,
    device: str,
    *,
    times: SessionTimes,
    tokens: RefreshTokens,
) -> tuple[SignIn, RefreshToken]:
    """Begin a session of a user who has just proved who they are; `device`: a hash."""
    session = _new_session(tx, user, network, device, times)
    token = tokens.new(user.clinic_id, session.id)
    session.refresh_hash = hash_of(token.text)
    record_row(tx, Happening.signed_in, session, actor_id=user.id)
    return session, token


async def begin_browser_session(
    tx: Transaction,
    user: User,
    network: str,
    device: str,
    *,
    times: SessionTimes,
    tokens: BrowserTokens,
) -> BrowserToken:
    """Begin a session at the desk, which has no tokens: what the browser holds is its secret."""
    session = _new_session(tx, user, network, device, times)
    token = tokens.new(user.clinic_id, user.id, session.id)
    session.cookie_hash = hash_of(token.text)
    record_row(tx, Happening.signed_in, session, actor_id=user.id)
    return token


def _new_session(
    tx: Transaction, user: User, network: str, device: str, times: SessionTimes
) -> SignIn:
    session = SignIn(
        clinic_id=user.clinic_id,
        user_id=user.id,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=user.id,
        authenticated_at=tx.now,
        expires_at=tx.now + times.whole,
        idle_at=tx.now + times.idle,
        network=network,
        device_hash=device,
    )
    tx.add(session)
    return session


async def keep_browser_session(tx: Transaction, token: BrowserToken, times: SessionTimes) -> bool:
    """Put off the end of a session that is used; tell whether it still holds.

    Asked at each page, and written no more often than a client of the API refreshes its own.
    """
    kept = await tx.exec(
        update(SignIn)
        .where(
            col(SignIn.id) == token.session_id,
            col(SignIn.cookie_hash) == hash_of(token.text),
            *live(tx.now),
        )
        .values(
            refreshed_at=tx.now,
            idle_at=never_back(col(SignIn.idle_at), tx.now + times.idle),
            updated_at=never_back(col(SignIn.updated_at), tx.instant),
            version=col(SignIn.version) + 1,
        )
        .execution_options(synchronize_session=False)
    )
    if not kept.rowcount:
        return False
    session = await _load(tx, token.session_id)
    record_row(tx, Happening.session_refreshed, session, actor_id=token.user_id)
    return True


async def last_visit(tx: Transaction, token: BrowserToken) -> datetime | None:
    """Give when somebody was last here before this session; None where they never were."""
    seen = func.coalesce(col(SignIn.refreshed_at), col(SignIn.created_at))
    began = select(col(SignIn.created_at)).where(SignIn.id == token.session_id).scalar_subquery()
    found = await tx.exec(
        select(func.max(seen)).where(
            SignIn.user_id == token.user_id,
            SignIn.id != token.session_id,
            col(SignIn.created_at) < began,
        )
    )
    last: datetime | None = found.one()
    return last


async def begin_software_session(
    tx: Transaction,
    clinic_id: UUID,
    account_id: UUID,
    *,
    secret: str,
    lasts: timedelta,
    asked: Set[str],
) -> tuple[SignIn, list[str]] | Refused:
    """Begin a session of clinic software that shows a valid secret; give what it is for, too.

    `asked`: the scopes it asks for, which must be among those of its account; all, if there are
    none.
    """
    await tx.enter(clinic_id)
    found = (await tx.exec(_software_with(tx, account_id, secret))).first()
    if found is None:
        return Refused.unknown
    account, used, zone = found
    given = [str(scope) for scope in Scope if scope in account.scopes]
    if not asked <= set(given):
        return Refused.scope
    granted = [scope for scope in given if not asked or scope in asked]
    tx.know_zone(ZoneInfo(zone))
    account.last_used_at = used.last_used_at = tx.now
    session = _software_session(tx, account, lasts)
    session.scopes = granted if asked else None
    tx.add(session)
    record_row(tx, Happening.signed_in, session, actor_id=account.id)
    return session, granted


def _software_with(tx: Transaction, account_id: UUID, secret: str) -> Any:
    """Select an account that is let in, with the secret that it shows, and its clinic's zone."""
    return (
        select(ServiceAccount, ServiceSecret, Clinic.time_zone)
        .join(ServiceSecret, col(ServiceSecret.account_id) == ServiceAccount.id)
        .join(Clinic, col(Clinic.id) == ServiceAccount.clinic_id)
        .where(
            ServiceAccount.id == account_id,
            col(ServiceAccount.is_active).is_(True),
            ServiceSecret.secret_hash == hash_of(secret),
            ServiceSecret.expires_at > tx.now,
        )
        # it may be shut out, or its secret ended, at this very moment
        .with_for_update(of=ServiceAccount)
    )


def _software_session(tx: Transaction, account: ServiceAccount, lasts: timedelta) -> SignIn:
    return SignIn(
        clinic_id=account.clinic_id,
        account_id=account.id,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=account.id,
        authenticated_at=tx.now,
        expires_at=tx.now + lasts,
        idle_at=tx.now + lasts,
    )


async def refresh_session(
    tx: Transaction, token: RefreshToken, *, times: SessionTimes, tokens: RefreshTokens
) -> tuple[SignIn, RefreshToken] | Refused:
    """Exchange a refresh token for the next one.

    Of many requests with one token, one wins. Whoever comes with a token that was replaced a while
    ago holds a stolen one, or the thief does: then the session ends for both. One that was never
    given to anybody ends nothing.
    """
    await tx.enter(token.clinic_id)
    # one look-up, and no more work for a token that names nothing
    named = select(Clinic.time_zone).join(SignIn, col(SignIn.clinic_id) == Clinic.id)
    zone = (await tx.exec(named.where(SignIn.id == token.session_id, *live(tx.now)))).first()
    if zone is None:
        return Refused.unknown
    tx.know_zone(ZoneInfo(zone))
    successor = tokens.new(token.clinic_id, token.session_id)
    if await _replace(tx, token, successor, times):
        session = await _load(tx, token.session_id)
        record_row(tx, Happening.session_refreshed, session, actor_id=session.user_id)
        return session, successor
    return await _end_if_reused(tx, token)


async def end_sessions(tx: Transaction, user_id: UUID, *, but: UUID | None = None) -> None:
    """End all sessions of a user at once, or all but one."""
    await _end(tx, col(SignIn.user_id) == user_id, col(SignIn.id).is_distinct_from(but))


async def end_session(tx: Transaction, session_id: UUID) -> None:
    """End one session at once, whosever it is."""
    await _end(tx, col(SignIn.id) == session_id)


async def end_software_sessions(tx: Transaction, account_id: UUID) -> None:
    """End all sessions of clinic software at once."""
    await _end(tx, col(SignIn.account_id) == account_id)


async def _end(tx: Transaction, *which: Any) -> None:
    ended = {
        "revoked_at": tx.now,
        "updated_at": never_back(col(SignIn.updated_at), tx.instant),
        "version": col(SignIn.version) + 1,
    }
    await tx.exec(update(SignIn).where(*which, col(SignIn.revoked_at).is_(None)).values(**ended))


def live(now: Any) -> tuple[ColumnElement[bool], ...]:
    """Say in SQL which sessions still hold; `now` is an instant or a placeholder."""
    return (
        col(SignIn.revoked_at).is_(None),
        col(SignIn.expires_at) > now,
        col(SignIn.idle_at) > now,
    )


async def _replace(
    tx: Transaction, token: RefreshToken, successor: RefreshToken, times: SessionTimes
) -> bool:
    """Compare and set in one statement, so that a token has one successor."""
    active = select(col(User.id)).where(col(User.is_active).is_(True))
    replaced = await tx.exec(
        update(SignIn)
        .where(
            col(SignIn.id) == token.session_id,
            col(SignIn.refresh_hash) == hash_of(token.text),
            col(SignIn.user_id).in_(active),
            *live(tx.now),
        )
        .values(
            refresh_hash=hash_of(successor.text),
            former_refresh_hash=hash_of(token.text),
            refreshed_at=tx.now,
            # a clock that went back takes nothing of what was given, nor of what witnesses it
            idle_at=never_back(col(SignIn.idle_at), tx.now + times.idle),
            updated_at=never_back(col(SignIn.updated_at), tx.instant),
            version=col(SignIn.version) + 1,
        )
        .execution_options(synchronize_session=False)
    )
    return bool(replaced.rowcount)


async def _load(tx: Transaction, session_id: UUID) -> SignIn:
    found: SignIn = (await tx.exec(select(SignIn).where(SignIn.id == session_id))).one()
    return found


async def _end_if_reused(tx: Transaction, token: RefreshToken) -> Refused:
    statement = select(SignIn).where(SignIn.id == token.session_id, *live(tx.now)).with_for_update()
    session: SignIn | None = (await tx.exec(statement)).first()
    if session is None or session.user_id is None:
        return Refused.unknown
    if _is_repeated(tx, session, token):
        return Refused.repeated
    if not token.ours:
        return Refused.unknown
    session.change({"revoked_at": tx.now}, tx.now)
    record_row(tx, Happening.session_token_reused, session, actor_id=session.user_id)
    return Refused.unknown


def _is_repeated(tx: Transaction, session: SignIn, token: RefreshToken) -> bool:
    """Tell whether a token was its session's own until a moment ago."""
    presented = hash_of(token.text)
    if presented == session.refresh_hash:
        # nothing is wrong with the token: its user was shut out
        return True
    return (
        presented == session.former_refresh_hash
        and session.refreshed_at is not None
        and tx.now - session.refreshed_at <= REPEATED
    )
