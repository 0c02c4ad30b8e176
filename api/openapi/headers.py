"""The headers that an answer may carry and a program may need."""

from collections.abc import Iterable
from typing import Any

from api.domain.errors import Refusal

NO_ID = "019cadf1-0000-7000-8000-000000000000"

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The id of this answer, in the journal and in the server's log.",
        "schema": {"type": "string", "format": "uuid"},
        "example": NO_ID,
    },
    "ETag": {
        "description": "The version of the record, for `If-Match`.",
        "schema": {"type": "string"},
        "example": '"3"',
    },
    "Location": {
        "description": "Where the record is read.",
        "schema": {"type": "string"},
        "example": "/v1/cases/019cadf1-0000-7000-8000-000000000000",
    },
    "Link": {
        "description": 'Of a list as CSV: the page that follows, with `rel="next"`.',
        "schema": {"type": "string"},
        "example": '</v1/cases?cursor=bmV4dA>; rel="next"',
    },
    "Vary": {
        "description": "The headers of the request for which the answer may be another.",
        "schema": {"type": "string"},
        "example": "Accept",
    },
    "Content-Language": {
        "description": "The language that is answered in.",
        "schema": {"type": "string"},
        "example": "es",
    },
    "Content-Disposition": {
        "description": "The name to save the copy under.",
        "schema": {"type": "string"},
        "example": 'attachment; filename="case.json"',
    },
    "Deprecation": {
        "description": "Since when what was asked for is deprecated (RFC 9745); where it is.",
        "schema": {"type": "string"},
        "example": "@1795824000",
    },
    "Accept-Encoding": {
        "description": "How a body may be encoded: not at all.",
        "schema": {"type": "string"},
        "example": "identity",
    },
    "Retry-After": {
        "description": "Seconds to wait before it is sent again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "42",
    },
    "WWW-Authenticate": {
        "description": "How to sign in: with a bearer token; `Basic` to software that sent its id "
        "and secret in such a header.",
        "schema": {"type": "string"},
        "example": "Bearer",
    },
}
"""The headers that an answer may carry and a program may need."""

SET_BY_DOORS = (
    "ETag",
    "Location",
    "Content-Disposition",
    "Vary",
    "Content-Language",
    "Deprecation",
)
SOMETIMES = frozenset({"Deprecation"})
"""What a door sets on some of its answers only."""


def headers(names: Iterable[str]) -> dict[str, Any]:
    """Name the headers of an answer, all of them always there; each answer has an id."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


def headers_of(refusals: list[Refusal]) -> dict[str, Any]:
    """Name the headers of refusals of one status; what only some of them carry may be absent."""
    names = list(dict.fromkeys(name for refusal in refusals for name in refusal.headers))
    everywhere = [name for name in names if all(name in each.headers for each in refusals)]
    absent = {name: {**HEADERS[name], "required": False} for name in names}
    return {**absent, **headers(everywhere)}
