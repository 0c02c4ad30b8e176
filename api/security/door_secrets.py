"""What opens a client's door: codes and receipts to be copied by hand, and a visit's token."""

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from api.security.base64url import decode, encode

_BYTES = 10
"""Bytes of a code or a receipt: 80 bits, sixteen letters and digits."""
_SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no letter looks like a digit, and no U makes words."""
_MISREAD = str.maketrans("OIL", "011")
_GROUP = 4
_LENGTH = 16
_ID = 16
_RANDOM = 32
_NUMBER, _MARK = 4, 16


def new_door_secret() -> str:
    """Make a code or a receipt, in groups of four that can be read aloud."""
    return _written(secrets.token_bytes(_BYTES))


def _written(raw: bytes) -> str:
    number = int.from_bytes(raw, "big")
    letters = ""
    for _ in range(_LENGTH):
        number, place = divmod(number, len(_SYMBOLS))
        letters += _SYMBOLS[place]
    return "-".join(letters[place : place + _GROUP] for place in range(0, _LENGTH, _GROUP))


class ShownQuestions(NamedTuple):
    """Which version of a questionnaire a form was shown with, and of which clinic."""

    clinic_id: UUID
    questionnaire_id: UUID
    number: int


class DoorSecrets:
    """Hashes codes and receipts with a key of the door's own, which outlives the server's secret.

    Where the key is lost every code and every receipt is: nobody can open what they sent.
    """

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(b"door:" + key.encode()).digest()

    def receipt_for(self, form: str) -> str:
        """Make the receipt for what a form sends first, of the form's own random secret.

        Whoever sends the form twice, by a double click, is shown the second answer alone: it must
        have the same receipt.
        """
        raw = hmac.new(self._key, b"receipt:" + form.encode(), hashlib.sha256).digest()
        return _written(raw[:_BYTES])

    def hash_of(self, typed: str) -> str:
        """Give what is kept of a code or a receipt as somebody typed it.

        Case, blanks and hyphens do not matter; O is read as 0, and I and L as 1.
        """
        plain = re.sub(r"[\s-]", "", typed).upper().translate(_MISREAD)
        return hmac.new(self._key, plain.encode(), hashlib.sha256).hexdigest()

    def marked(self, shown: ShownQuestions) -> str:
        """Write what a form was shown with, so that nobody else can write the like."""
        number = shown.number.to_bytes(_NUMBER, "big")
        raw = shown.clinic_id.bytes + shown.questionnaire_id.bytes + number
        return encode(raw + self._mark(raw))

    def read_marked(self, text: str) -> ShownQuestions | None:
        """Read what a form was shown with; None for what was never written here."""
        try:
            raw = decode(text)
        except ValueError:
            return None
        raw, mark = raw[:-_MARK], raw[-_MARK:]
        if len(raw) != 2 * _ID + _NUMBER or not hmac.compare_digest(mark, self._mark(raw)):
            return None
        clinic_id, questionnaire_id = UUID(bytes=raw[:_ID]), UUID(bytes=raw[_ID : 2 * _ID])
        return ShownQuestions(clinic_id, questionnaire_id, int.from_bytes(raw[2 * _ID :], "big"))

    def _mark(self, raw: bytes) -> bytes:
        return hmac.new(self._key, b"shown:" + raw, hashlib.sha256).digest()[:_MARK]


class DoorToken(NamedTuple):
    """The token of a visit: of which clinic it is, and how it is written."""

    clinic_id: UUID
    visit_id: UUID
    text: str


def new_door_token(clinic_id: UUID, visit_id: UUID) -> DoorToken:
    """Make the token of a visit, with 256 random bits."""
    raw = clinic_id.bytes + visit_id.bytes + secrets.token_bytes(_RANDOM)
    return DoorToken(clinic_id, visit_id, encode(raw))


def parse_door_token(text: str) -> DoorToken | None:
    """Tell whose visit a token names; None for anything that is none."""
    try:
        raw = decode(text)
    except ValueError:
        return None
    if len(raw) != 2 * _ID + _RANDOM:
        return None
    return DoorToken(UUID(bytes=raw[:_ID]), UUID(bytes=raw[_ID : 2 * _ID]), text)


def id_made_at(instant: datetime) -> UUID:
    """Make an id that tells of another instant than the one it is made in (UUIDv7, RFC 9562)."""
    milliseconds = int(instant.timestamp() * 1_000)
    chance = secrets.token_bytes(_BYTES)
    raw = bytearray(milliseconds.to_bytes(_ID - _BYTES, "big") + chance)
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))


def instant_of(made: UUID) -> datetime:
    """Give the instant that an id tells of."""
    return datetime.fromtimestamp((made.int >> 80) / 1_000, UTC)
