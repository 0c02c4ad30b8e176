"""The ciphers of sealed text: what was said is encrypted before it reaches the database.

A key-encryption key, from a file or the environment, wraps the keys of each clinic; the clinic's
text key wraps one key for each case; that one seals the case's texts, each bound to its place: the
clinic, table, column and row. A text that was moved elsewhere does not open, and a case whose key
was destroyed cannot be read again. AES-256-GCM throughout, with random nonces of 96 bits.
"""

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from os import urandom
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api.security.base64url import decode, encode

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = "1."


class WrongKeyError(Exception):
    """What was sealed does not open with this key, at this place, or was changed."""


class Place(NamedTuple):
    """Where a sealed text stands."""

    clinic_id: UUID
    table: str
    column: str
    row_id: UUID


def new_key() -> bytes:
    """Make a key of 256 random bits."""
    return urandom(KEY_BYTES)


def wrap(key: AESGCM, secret: bytes, place: Place) -> str:
    """Encrypt bytes for one place."""
    nonce = urandom(_NONCE_BYTES)
    return encode(nonce + key.encrypt(nonce, secret, _bound_to(place)))


def unwrap(key: AESGCM, wrapped: str, place: Place) -> bytes:
    """Decrypt what `wrap` gave. Raises WrongKeyError for another key or place, or if changed."""
    try:
        sealed = decode(wrapped)
        return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(place))
    except (InvalidTag, ValueError) as error:
        raise WrongKeyError(f"{place.table}.{place.column} of row {place.row_id}") from error


def _bound_to(place: Place) -> bytes:
    clinic, row = _spelled(place.clinic_id), _spelled(place.row_id)
    return f"{clinic}/{place.table}/{place.column}/{row}".encode()


# a row has several texts, and a clinic many rows
@lru_cache(maxsize=1024)
def _spelled(name: UUID) -> str:
    return str(name)


class KeyEncryptionKeys:
    """The keys that wrap clinics' keys: the first is in use, the others still unwrap."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a key-encryption key has {KEY_BYTES} bytes")
        self._keys = {_name_of(key): AESGCM(key) for key in keys}
        self.current = _name_of(keys[0])

    @property
    def names(self) -> frozenset[str]:
        """Name the keys, as `wrapped_by` does; a name tells nothing of its key."""
        return frozenset(self._keys)

    def wrap(self, secret: bytes, place: Place) -> str:
        """Wrap a clinic's key with the key in use."""
        return wrap(self._keys[self.current], secret, place)

    def unwrap(self, wrapped: str, wrapped_by: str, place: Place) -> bytes:
        """Unwrap a clinic's key. Raises WrongKeyError where its key is not here."""
        if wrapped_by not in self._keys:
            raise WrongKeyError(f"wrapped by {wrapped_by}, which is not among the data keys")
        return unwrap(self._keys[wrapped_by], wrapped, place)


def _name_of(key: bytes) -> str:
    return hashlib.sha256(b"boundary-notes key-encryption key\0" + key).hexdigest()[:16]


def lookup_hash(key: bytes, text: str) -> str:
    """Hash a text so that the same one is found again, by whoever has the key only."""
    return hmac.digest(key, text.encode(), "sha256").hex()


class SealableText(str):
    """A text that knows its place and the key that seals it."""

    __slots__ = ("key", "place")
    place: Place
    key: AESGCM

    @classmethod
    def at(cls, place: Place, key: AESGCM, text: str) -> "SealableText":
        """Bind a text to its place."""
        bound = cls(text)
        bound.place, bound.key = place, key
        return bound

    def sealed(self) -> str:
        """Give what the database keeps."""
        return _FORMAT + wrap(self.key, self.encode(), self.place)


class Sealed:
    """A text as the database keeps it: nobody can read it, or show it by mistake."""

    __slots__ = ("_stored",)

    def __init__(self, stored: str) -> None:
        self._stored = stored

    def open(self, place: Place, key: AESGCM) -> SealableText:
        """Read it, to be written back as it is. Raises WrongKeyError as `read` does."""
        return SealableText.at(place, key, self.read(place, key))

    def read(self, place: Place, key: AESGCM) -> str:
        """Read it. Raises WrongKeyError for another key or place, or if it was changed."""
        if not self._stored.startswith(_FORMAT):
            raise WrongKeyError(f"{place.table}.{place.column} is not sealed")
        return unwrap(key, self._stored.removeprefix(_FORMAT), place).decode()
