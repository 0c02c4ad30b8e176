"""How a refusal is told to who asked for a token: a problem document in OAuth's words, too."""

import re
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from api.domain.errors import Invalid, InvalidTokenRequest, OAuthError, Refusal
from api.http.csv_lists import JSON, prefers
from api.http.problem_details import PROBLEM, Dialect, Problem, body_of, request_id_of

TOKEN_PATH = "/v1/auth/token"  # noqa: S105 - a path
"""Where tokens are asked for."""


class TokenProblem(Problem):
    """A refusal of a token: a problem that says in OAuth's words too what it is (RFC 6749, 5.2)."""

    error: OAuthError
    error_description: str


def _answer(request: Request, refusal: Refusal) -> Response:
    """Answer a refusal of a token: as plain JSON to who asks for nothing else.

    OAuth knows `application/json` only (RFC 6749, 5.2), and some of its libraries read no other.
    """
    accept = ",".join(request.headers.getlist("accept"))
    media = JSON if prefers(JSON, accept, to=PROBLEM) else PROBLEM
    told = as_token_refusal(refusal)
    headers = {**told.headers, "Vary": "Accept"}
    body = token_body_of(told, request_id_of(request))
    return JSONResponse(body, told.status, headers, media_type=media)


def is_asked_as_oauth(path: str) -> bool:
    """Tell whether a request expects a refusal in OAuth's words."""
    return path == TOKEN_PATH


def as_token_refusal(refusal: Refusal) -> Refusal:
    """Give a refusal as it is told to whoever asked for a token: a form that is wrong is a 400."""
    if refusal.status != Invalid.status:
        return refusal
    of_form = InvalidTokenRequest("", "")
    of_form.errors = refusal.errors
    return of_form


_NOT_OAUTHS = re.compile(r"[^ !#-\[\]-~]")
"""What may not stand in a description of an error (RFC 6749, 5.2)."""


def token_body_of(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """Write a refusal of a token: the problem document, and beside it what OAuth calls it.

    OAuth's libraries show nothing but the description, so it names the fields that are wrong.
    """
    fields = (f"{error.pointer}: {error.message}" for error in refusal.errors or ())
    told = _NOT_OAUTHS.sub("'", " ".join((refusal.detail, *fields)))
    return {
        **body_of(refusal, request_id),
        "error": refusal.error,
        "error_description": told,
    }


AS_OAUTH = Dialect(is_asked_as_oauth, _answer)
"""How refusals are told to a library for OAuth (RFC 6749, 5.2)."""
