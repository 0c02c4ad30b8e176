"""What a browser shows at the desk, and what each of its forms shows beside it."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from api.security.base64url import decode, encode

_ID = 16
_RANDOM = 16
_MARK = 16
_CLOCK = 8
_IDS = 3 * _ID


class BrowserToken(NamedTuple):
    """The secret of a browser's session: whose it is, and how it is written in the cookie."""

    clinic_id: UUID
    user_id: UUID
    session_id: UUID
    text: str


class BrowserTokens:
    """Makes the secrets of browsers' sessions, and knows them again by a mark that needs ours.

    The mark only keeps senseless ones from the database: what counts is the hash that is kept.
    """

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"browser:" + secret.encode()).digest()

    def new(self, clinic_id: UUID, user_id: UUID, session_id: UUID) -> BrowserToken:
        """Make the secret of a session, with 128 random bits."""
        raw = clinic_id.bytes + user_id.bytes + session_id.bytes + secrets.token_bytes(_RANDOM)
        return BrowserToken(clinic_id, user_id, session_id, encode(raw + _mark(self._key, raw)))

    def parse(self, text: str) -> BrowserToken | None:
        """Tell whose session is shown; None for what was never given to anybody."""
        raw = _marked(self._key, text)
        if raw is None or len(raw) != _IDS + _RANDOM:
            return None
        clinic, user, session = (UUID(bytes=raw[at : at + _ID]) for at in range(0, _IDS, _ID))
        return BrowserToken(clinic, user, session, text)


class FormTokens:
    """Makes the secrets of forms: each is of one cookie, and of one form that was shown.

    So no other site can make a form of ours, which shows a cookie it cannot read. And since each
    form shown has one of its own, what is sent twice is known to be the same.
    """

    lasts = timedelta(hours=12)
    """How long a form may be filled in; no session lasts longer."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"form:" + secret.encode()).digest()

    def new(self, cookie: str, now: datetime) -> str:
        """Make the secret of a form that is shown now to whoever holds a cookie."""
        raw = int(now.timestamp()).to_bytes(_CLOCK, "big") + secrets.token_bytes(_RANDOM)
        return encode(raw + _mark(self._of(cookie), raw))

    def fits(self, text: str, cookie: str, now: datetime) -> bool:
        """Tell whether a form was shown to whoever holds this cookie, and not too long ago."""
        shown_at = self._shown_at(text, cookie)
        return shown_at is not None and now.timestamp() - shown_at < self.lasts.total_seconds()

    def was_shown(self, text: str, cookie: str) -> bool:
        """Tell whether a form was ever shown to whoever holds this cookie, however long ago."""
        return self._shown_at(text, cookie) is not None

    def _shown_at(self, text: str, cookie: str) -> int | None:
        raw = _marked(self._of(cookie), text)
        if raw is None or len(raw) != _CLOCK + _RANDOM:
            return None
        return int.from_bytes(raw[:_CLOCK], "big")

    def _of(self, cookie: str) -> bytes:
        return hmac.new(self._key, cookie.encode(), hashlib.sha256).digest()


def new_form_cookie() -> str:
    """Make what a browser holds before anybody is signed in, so that the form is bound to it."""
    return secrets.token_urlsafe(_RANDOM)


def _mark(key: bytes, raw: bytes) -> bytes:
    return hmac.new(key, raw, hashlib.sha256).digest()[:_MARK]


def _marked(key: bytes, text: str) -> bytes | None:
    """Give what is marked as ours; None for anything else."""
    try:
        raw = decode(text)
    except ValueError:
        return None
    body, mark = raw[:-_MARK], raw[-_MARK:]
    return body if hmac.compare_digest(mark, _mark(key, body)) else None
