"""Base64url without padding (RFC 4648, RFC 7515), in its one canonical spelling."""

import base64
import binascii


def encode(data: bytes) -> str:
    """Write bytes as text."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Read text as bytes. Raises ValueError for any text that `encode` would not have written."""
    try:
        data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("not base64url") from error
    if encode(data) != text:
        raise ValueError("not canonical base64url")
    return data
