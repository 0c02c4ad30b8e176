"""Every operation of the document as a request, and what each refusal must look like."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from httpx import ASGITransport, Response

from api.domain.errors import OAuthError
from api.http.field_errors import UNFORESEEN
from api.http.oauth_refusals import TOKEN_PATH
from tests.support.canary import CANARY
from tests.support.checkout import DOCS
from tests.support.matrix import TABLE
from tests.support.world import World

JSON = {"Content-Type": "application/json"}


def tolerant(world: World) -> World:
    """Give a failure of the application as the 500 that a caller would see."""
    transport = world.http._transport
    assert isinstance(transport, ASGITransport)
    transport.raise_app_exceptions = False
    return world


def refused(response: Response, *statuses: int, why: object = "") -> dict[str, Any]:
    """Give the problem document of a refusal: well formed, and silent about what was sent."""
    said = (why, response.status_code, response.text[:400])
    assert 400 <= response.status_code < 500, said
    if response.request.url.path.startswith("/fhir"):
        return refused_as_fhir(response, statuses, said)
    if statuses:
        assert response.status_code in statuses, said
    assert response.headers["content-type"] == "application/problem+json", said
    document: dict[str, Any] = response.json()
    assert document["type"].startswith("urn:boundary-notes:"), said
    assert document["status"] == response.status_code, said
    assert document["title"], said
    assert document["detail"].endswith("."), said
    assert document["request_id"] == response.headers["x-request-id"], said
    known = {"type", "title", "status", "detail", "request_id", "errors"}
    if response.request.url.path == TOKEN_PATH:
        known |= {"error", "error_description"}
        assert document["error"] in get_args(OAuthError), said
        # what may stand in it, by RFC 6749, 5.2
        assert re.fullmatch(r"[ !#-\[\]-~]+", document["error_description"]), said
        assert response.status_code != 422, said
    assert document.keys() <= known, said
    assert CANARY not in (response.text + str(response.headers.raw)).lower(), said
    for error in document.get("errors", ()):
        assert error["message"].endswith((".", "?")), said
        assert error["message"] != UNFORESEEN, said
    return document


def refused_as_fhir(response: Response, statuses: tuple[int, ...], said: Any) -> dict[str, Any]:
    """Give the outcome of a refusal in FHIR, where 422 is said as 400 or, of an id, as 404."""
    expected = {*statuses, *((400, 404) if 422 in statuses else ())}
    assert response.status_code in expected or not statuses, said
    assert response.headers["content-type"] == "application/fhir+json", said
    document: dict[str, Any] = response.json()
    assert document.keys() == {"resourceType", "issue"}, said
    assert all(issue["details"]["text"].endswith(".") for issue in document["issue"]), said
    assert CANARY not in (response.text + str(response.headers.raw)).lower(), said
    return document


FORMS = {
    ("POST", "/v1/auth/token"),
    *((row.method, row.path) for row in TABLE if row.form is not None),
}


@cache
def document() -> dict[str, Any]:
    """Give the OpenAPI document as it is kept; one test builds it, and compares both."""
    kept: dict[str, Any] = json.loads((DOCS / "openapi.json").read_text())
    return kept


def described() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give every operation of the OpenAPI document."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation
