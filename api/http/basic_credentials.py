"""An id and a secret in the header `Authorization: Basic` (RFC 6749, 2.3.1)."""

import base64
from urllib.parse import unquote_plus

from fastapi import Request

CHALLENGE = 'Basic realm="Boundary Notes", charset="UTF-8"'


def speaks_basic(request: Request) -> bool:
    """Tell whether a request has such a header."""
    return request.headers.get("authorization", "").partition(" ")[0].lower() == "basic"


def read_basic(request: Request) -> tuple[str, str]:
    """Read id and secret; what cannot be read is nobody's, and fails as a wrong secret does."""
    _, _, sent = request.headers["authorization"].partition(" ")
    try:
        said = base64.b64decode(sent.strip(), validate=True).decode()
    except ValueError:
        return "", ""
    client_id, _, secret = said.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
