"""Access tokens, written by hand."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import serialization

from api.security.tokens import Claims
from tests.support.world import SETTINGS_SECRET

NOW = datetime(2026, 3, 2, 12, 0, 0, 500_000, tzinfo=UTC)
SECRET = SETTINGS_SECRET.get_secret_value()
LIFETIME = timedelta(minutes=10)
CLAIMS, OTHERS = Claims(uuid4(), uuid4(), uuid4()), Claims(uuid4(), uuid4(), uuid4())


def written(value: Any) -> str:
    """Write a part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def opened(part: str) -> dict[str, Any]:
    """Read a part of a token."""
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return content


def pem_of(private: Any) -> str:
    pem: bytes = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode()


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, payload, signature = token.split(".")
    return opened(header), opened(payload), signature
