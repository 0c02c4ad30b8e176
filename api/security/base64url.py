"""Base64url without padding (RFC 4648, RFC 7515), in its one canonical spelling."""

import base64
import binascii

_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
"""Spells the standard alphabet; what stands only in that one becomes what stands in neither."""
_LAST = (None, b"", b"AQgw", b"AEIMQUYcgkosw048")
"""By how many characters stand behind the last four: the last one, whose spare bits are none."""
_PADDING = (b"", b"", b"==", b"=")


def encode(data: bytes) -> str:
    """Write bytes as text."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Read text as bytes. Raises ValueError for any text that `encode` would not have written."""
    try:
        spelled = text.encode("ascii").translate(_STANDARD)
        over = len(spelled) % 4
        data = binascii.a2b_base64(spelled + _PADDING[over], strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("not base64url") from error
    last = _LAST[over]
    if last is not None and spelled[-1] not in last:
        raise ValueError("not canonical base64url")
    return data
