"""The keys that sign access tokens, as a PEM file holds them: elliptic-curve keys, P-256."""

import hashlib
import json
import re
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from api.security.base64url import encode

_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)
_PRIVATE = {"PRIVATE KEY", "EC PRIVATE KEY"}
_CURVE = "EC PARAMETERS"
"""What OpenSSL writes before a key: the name of its curve, which the key repeats."""

_HOW = "make one with: openssl ecparam -name prime256v1 -genkey -noout"


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """The public half of a key: its id (RFC 7638) and its point."""

    kid: str
    x: str
    y: str
    key: EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key that signs, and all that are published and accepted, its own public half first."""

    private: EllipticCurvePrivateKey
    published: tuple[PublishedKey, ...]


def parse_signing_keys(pem: str) -> SigningKeys:
    """Take a PEM file apart: its first private key signs, and every key in it is published.

    So a key is rotated without a gap: publish its public half, let it sign, publish it a while
    longer. Raises ValueError, in a sentence without anything of the file, for any other file.
    """
    pairs = [_opened(*block) for block in _blocks(pem)]
    private = next((private for private, _ in pairs if private is not None), None)
    if private is None:
        raise ValueError(f"BN_SIGNING_KEY_FILE holds no private key; {_HOW}")
    ours = published(private.public_key())
    # the same key may be there twice, as a pair and by its public half
    every = {key.kid: key for key in (ours, *(key for _, key in pairs))}
    return SigningKeys(private, tuple(every.values()))


def _blocks(text: str) -> list[tuple[str, bytes]]:
    found = [(block[1], block[0].encode()) for block in _BLOCK.finditer(text)]
    return [(label, pem) for label, pem in found if label != _CURVE]


def _opened(label: str, pem: bytes) -> tuple[EllipticCurvePrivateKey | None, PublishedKey]:
    try:
        if label in _PRIVATE:
            private = load_pem_private_key(pem, password=None)
            if isinstance(private, EllipticCurvePrivateKey):
                return private, published(private.public_key())
        elif label == "PUBLIC KEY":
            public = load_pem_public_key(pem)
            if isinstance(public, EllipticCurvePublicKey):
                return None, published(public)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # what went wrong inside a key is said to nobody
        raise _wrong_key() from None
    raise _wrong_key()


def published(key: EllipticCurvePublicKey) -> PublishedKey:
    """Describe a public key. Raises ValueError for another curve than P-256."""
    if not isinstance(key.curve, SECP256R1):
        raise _wrong_key()
    point = key.public_numbers()
    x, y = (encode(number.to_bytes(32, "big")) for number in (point.x, point.y))
    members = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    spelled = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return PublishedKey(encode(hashlib.sha256(spelled.encode()).digest()), x, y, key)


def _wrong_key() -> ValueError:
    return ValueError(
        f"BN_SIGNING_KEY_FILE holds something else than plain keys of the curve P-256; {_HOW}"
    )
