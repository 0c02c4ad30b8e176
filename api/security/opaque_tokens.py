"""Secrets random enough to be kept as a plain hash: refresh tokens, one-time codes, software's."""

import base64
import hashlib
import hmac
import re
import secrets
from typing import NamedTuple
from uuid import UUID

from api.security.base64url import decode, encode

_ID = 16
_RANDOM = 32
_MARK = 16
"""Bytes of a refresh token, the last ones, by which we know that we made it."""
_CODE = 10
"""Bytes of a one-time code: 80 bits, 16 letters and digits."""


class RefreshToken(NamedTuple):
    """A refresh token: which session it carries on, how it is written, and whether it is ours.

    Both ids stand in every access token, so that anybody who saw one could make something that
    looks like a refresh token. One that is not `ours` was never given to anybody.
    """

    clinic_id: UUID
    session_id: UUID
    text: str
    ours: bool


class RefreshTokens:
    """Makes refresh tokens, and knows them again: each bears a mark that needs our secret."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"refresh:" + secret.encode()).digest()

    def new(self, clinic_id: UUID, session_id: UUID) -> RefreshToken:
        """Make the next refresh token of a session: 128 random bits, and as many of the mark."""
        raw = clinic_id.bytes + session_id.bytes + secrets.token_bytes(_RANDOM - _MARK)
        return RefreshToken(clinic_id, session_id, encode(raw + self._mark(raw)), ours=True)

    def parse(self, text: str) -> RefreshToken | None:
        """Tell whose session a refresh token names; None for anything that is none."""
        try:
            raw = decode(text)
        except ValueError:
            return None
        if len(raw) != 2 * _ID + _RANDOM:
            return None
        ids = UUID(bytes=raw[:_ID]), UUID(bytes=raw[_ID : 2 * _ID])
        ours = hmac.compare_digest(raw[-_MARK:], self._mark(raw[:-_MARK]))
        return RefreshToken(*ids, text, ours=ours)

    def _mark(self, raw: bytes) -> bytes:
        return hmac.new(self._key, raw, hashlib.sha256).digest()[:_MARK]


def new_code() -> str:
    """Make a one-time code with 80 random bits, in groups of four that can be read aloud."""
    letters = base64.b32encode(secrets.token_bytes(_CODE)).decode()
    return "-".join(letters[place : place + 4] for place in range(0, len(letters), 4))


def hash_of(secret: str) -> str:
    """Give what is stored of a token or a secret: nobody can go back from it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hash_of_code(code: str) -> str:
    """Give what is stored of a one-time code; case, spaces and hyphens do not matter."""
    return hash_of(re.sub(r"[\s-]", "", code).upper())


def new_secret() -> str:
    """Make a secret with 256 random bits, for software."""
    return secrets.token_urlsafe(_RANDOM)


def client_id_of(clinic_id: UUID, account_id: UUID) -> str:
    """Write by which name software signs in: its clinic and its account in one word."""
    return encode(clinic_id.bytes + account_id.bytes)


def parse_client_id(text: str) -> tuple[UUID, UUID] | None:
    """Give clinic and account; None for anything that names none."""
    try:
        raw = decode(text)
    except ValueError:
        return None
    if len(raw) != 2 * _ID:
        return None
    return UUID(bytes=raw[:_ID]), UUID(bytes=raw[_ID:])
