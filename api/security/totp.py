"""Second factors: six digits that change every half minute (RFC 6238)."""

import hmac
import re
from datetime import datetime

import pyotp

ISSUER = "Boundary Notes"
STEP = 30
"""Seconds that one code is shown for."""

_EITHER_SIDE = (0, -1, 1)
"""The steps tried: clocks differ, and typing takes a while (RFC 6238, 5.2)."""

_DIGITS = re.compile(r"[0-9]{6}")


def new_secret() -> str:
    """Make a secret of 160 bits, in base32."""
    return pyotp.random_base32()


def uri_of(secret: str, address: str) -> str:
    """Write the `otpauth://` address that an authenticator reads from a picture."""
    return pyotp.TOTP(secret, interval=STEP).provisioning_uri(name=address, issuer_name=ISSUER)


def is_digits(code: str) -> bool:
    """Tell whether something looks like one of these codes, and not like a recovery code."""
    return _DIGITS.fullmatch(code) is not None


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Give the step that a code belongs to; None where it is not of this time."""
    if not is_digits(code):
        return None
    present = int(now.timestamp()) // STEP
    totp = pyotp.TOTP(secret, interval=STEP)
    matching = [
        present + away
        for away in _EITHER_SIDE
        if hmac.compare_digest(totp.generate_otp(present + away), code)
    ]
    return matching[0] if matching else None
