"""Access tokens and passwords: the only room that knows python-jose and Argon2."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from secrets import token_bytes
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from anyio import CapacityLimiter, to_thread
from jose import jwk, jwt
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from api.security.base64url import decode, encode
from api.security.normalization import one_password, password_spellings
from api.security.opaque_tokens import client_id_of
from api.security.token_keys import SigningKeys

ISSUER = "boundary-notes"
AUDIENCE = "boundary-notes-api"
PEOPLE = "boundary-notes"
"""The client that people sign in by, whatever program they use: none of these is registered."""
TYPE = "at+jwt"
LONGEST = 4096
_ES256_SIGNATURE = 64
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""How many points the curve P-256 has: with s, also this less s would sign the same."""

_CLAIMS = {"iss", "aud", "sub", "sid", "cid", "client_id", "jti", "iat", "nbf", "exp"}
# what was issued before tokens named their client holds for its ten minutes all the same
_EARLIER_CLAIMS = _CLAIMS - {"client_id"}
# Times are checked below, against the clock the request was given: to require one here would have
# python-jose check it against its own. That exactly our claims are there is checked below as well.
_OPTIONS = {
    **{f"require_{claim}": True for claim in ("iss", "aud", "iat", "sub", "jti")},
    "verify_exp": False,
    "verify_nbf": False,
}


class InvalidToken(Exception):
    """Not a token of ours, or no longer one. It never says why."""


class AheadOfTheClock(InvalidToken):
    """A token of ours, but of an instant that this server's clock has yet to reach.

    It holds where the session it names shows that the clock has been there before.
    """

    def __init__(self, claims: "Claims", issued_at: datetime) -> None:
        super().__init__()
        self.claims = claims
        self.issued_at = issued_at


@dataclass(frozen=True, slots=True)
class Claims:
    """Whose session an access token stands for: ids only, no role and nothing clinical."""

    clinic_id: UUID
    user_id: UUID
    session_id: UUID
    is_software: bool = field(default=False, kw_only=True)

    @property
    def client_id(self) -> str:
        """Name the client that was signed in by (RFC 9068, 2.2)."""
        return client_id_of(self.clinic_id, self.user_id) if self.is_software else PEOPLE


class AccessTokens:
    """Signs and reads access tokens by one algorithm: HS256 from a secret, or ES256 from keys."""

    def __init__(
        self, secret: str, lifetime: timedelta, signing: SigningKeys | None = None
    ) -> None:
        self.lifetime = lifetime
        self.algorithm = "HS256" if signing is None else "ES256"
        self.published = () if signing is None else signing.published
        if signing is None:
            self._kid = hmac.new(secret.encode(), b"key id", hashlib.sha256).hexdigest()[:16]
            self._signs = jwk.construct(secret, self.algorithm)
            self._accepted = {self._kid: self._signs}
        else:
            self._kid = signing.published[0].kid
            self._signs = jwk.construct(signing.private, self.algorithm)
            # verifying needs no private key, so none is kept for it
            self._accepted = {
                each.kid: jwk.construct(each.key, self.algorithm) for each in signing.published
            }
        # a client sends one token many times: its signature is checked once, its times each time
        self._verified = lru_cache(maxsize=1_024)(self._verify_signature)

    def issue(self, claims: Claims, now: datetime, until: datetime | None = None) -> str:
        """Sign an access token that holds from `now` for the lifetime, and not beyond `until`."""
        issued = int(now.timestamp())
        ends = issued + int(self.lifetime.total_seconds())
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(claims.user_id),
            "sid": str(claims.session_id),
            "cid": str(claims.clinic_id),
            "client_id": claims.client_id,
            "jti": uuid4().hex,
            "iat": issued,
            "nbf": issued,
            "exp": ends if until is None else min(ends, int(until.timestamp())),
        }
        headers = {"kid": self._kid, "typ": TYPE}
        signed: str = jwt.encode(payload, self._signs, self.algorithm, headers=headers)
        return signed if self.algorithm == "HS256" else _with_the_smaller_s(signed)

    def verify(self, token: str, now: datetime) -> Claims:
        """Check a token in full. Raises InvalidToken, whatever is wrong with it.

        AheadOfTheClock where it is only that the token was issued later than `now`.
        """
        try:
            return self._check_times(self._verified(token), now)
        except AheadOfTheClock:
            raise
        except Exception as error:
            # python-jose lets RecursionError, AttributeError and others out: one refusal for all
            raise InvalidToken from error

    def _verify_signature(self, token: str) -> "_Verified":
        """Check everything about a token that time does not change."""
        payload: dict[str, Any] = jwt.decode(
            token,
            self._key_of(token),
            algorithms=[self.algorithm],
            audience=AUDIENCE,
            issuer=ISSUER,
            options=_OPTIONS,
        )
        # one spelling only: no claim twice, no list of audiences
        spelled = json.dumps(payload, separators=(",", ":")).encode()
        if _canonical(token.split(".")[1]) != spelled:
            raise InvalidToken
        return _checked(payload)

    def _key_of(self, token: str) -> Any:
        """Check how a token is spelled; give the one key that its header names."""
        if not token.isascii() or len(token) > LONGEST:
            raise InvalidToken
        header, _, signature = [_canonical(part) for part in _three_parts(token)]
        named = json.loads(header)
        if named != {"alg": self.algorithm, "kid": named["kid"], "typ": TYPE}:
            raise InvalidToken
        if self.algorithm == "ES256" and not _is_plain(signature):
            raise InvalidToken
        return self._accepted[named["kid"]]

    def _check_times(self, token: "_Verified", now: datetime) -> Claims:
        present = now.timestamp()
        longest = self.lifetime.total_seconds()
        if not (token.not_before <= max(token.issued, present) and present < token.expires):
            raise InvalidToken
        if token.expires - token.issued > longest:
            raise InvalidToken
        if monotonic() - token.first_seen >= token.expires - token.issued:
            # it lives no longer because the clock was set back meanwhile
            raise InvalidToken
        if token.issued > present:
            raise AheadOfTheClock(token.claims, datetime.fromtimestamp(token.issued, UTC))
        return token.claims


class _Verified(NamedTuple):
    """What a token says whose signature holds; times in seconds since 1970.

    `first_seen` is when that was checked, by a clock that nobody sets.
    """

    claims: Claims
    issued: int
    not_before: int
    expires: int
    first_seen: float


def _checked(payload: dict[str, Any]) -> _Verified:
    """Check what claims there are, and how they are spelled. Raises InvalidToken."""
    times = [payload[name] for name in ("iat", "nbf", "exp")]
    if set(payload) not in (_CLAIMS, _EARLIER_CLAIMS) or any(
        type(value) is not int for value in times
    ):
        raise InvalidToken
    if payload["aud"] != AUDIENCE or not payload["jti"]:
        raise InvalidToken
    ids = [UUID(payload[name]) for name in ("cid", "sub", "sid")]
    if [str(each) for each in ids] != [payload[name] for name in ("cid", "sub", "sid")]:
        raise InvalidToken
    issued, not_before, expires = times
    claims = _with_its_client(Claims(*ids), payload)
    return _Verified(claims, issued, not_before, expires, monotonic())


def _with_its_client(claims: Claims, payload: dict[str, Any]) -> Claims:
    """Tell by a token's client whether it is software's; an earlier one does not say."""
    software = replace(claims, is_software=True)
    named = payload.get("client_id", claims.client_id)
    if named not in (claims.client_id, software.client_id):
        raise InvalidToken
    return claims if named == claims.client_id else software


def _three_parts(token: str) -> list[str]:
    parts = token.split(".")
    if len(parts) != 3:
        raise InvalidToken
    return parts


def _canonical(part: str) -> bytes:
    """Decode base64url that has exactly one spelling; python-jose would take several."""
    try:
        return decode(part)
    except ValueError as error:
        raise InvalidToken from error


def _is_plain(signature: bytes) -> bool:
    """Tell whether an ES256 signature is in its raw form, and the one of two that we sign."""
    return len(signature) == _ES256_SIGNATURE and int.from_bytes(signature[32:]) <= _ORDER // 2


def _with_the_smaller_s(token: str) -> str:
    """Choose one of the two signatures that hold: a token then has exactly one spelling."""
    content, _, part = token.rpartition(".")
    raw = _canonical(part)
    if _is_plain(raw):
        return token
    other = raw[:32] + (_ORDER - int.from_bytes(raw[32:])).to_bytes(32)
    return f"{content}.{encode(other)}"


_KIBIBYTES, _SALT, _DIGEST = 47_104, 16, 32
_HASHER = PasswordHash(
    (
        Argon2Hasher(
            memory_cost=_KIBIBYTES, time_cost=1, parallelism=1, salt_len=_SALT, hash_len=_DIGEST
        ),
    )
)


def _hash_of_nobody() -> str:
    """Write a hash that no password is known to have, and that takes as long to compare with.

    It is drawn, not computed: that would take the memory of one more password at each start.
    """
    salt, digest = (
        base64.b64encode(token_bytes(length)).rstrip(b"=").decode() for length in (_SALT, _DIGEST)
    )
    return f"$argon2id$v=19$m={_KIBIBYTES},t=1,p=1${salt}${digest}"


def _fits(forms: Iterable[str], password_hash: str) -> bool:
    """Compare a password; what was hashed before may be in another form than it is now."""
    return any(_HASHER.verify(each, password_hash) for each in forms)


class Passwords:
    """Hashes and checks passwords off the event loop, a few at a time."""

    def __init__(self, at_once: int) -> None:
        self._limit = CapacityLimiter(at_once)
        # made now: the first unknown name must not take longer than others
        self._nobody = _hash_of_nobody()

    async def hash(self, password: str) -> str:
        """Give the Argon2id hash to store, the same in whichever Unicode form it was typed."""
        spelled = one_password(password)
        return await to_thread.run_sync(_HASHER.hash, spelled, limiter=self._limit)

    async def check(
        self, password: str, password_hash: str | None, *, in_one_form: bool = False
    ) -> bool:
        """Compare a password; without a hash, do the same work and say no.

        `in_one_form`: only as it is hashed today, where an answer must not take longer.
        """
        forms = (one_password(password),) if in_one_form else password_spellings(password)
        known = await to_thread.run_sync(
            _fits, forms, password_hash or self._nobody, limiter=self._limit
        )
        return known and password_hash is not None
