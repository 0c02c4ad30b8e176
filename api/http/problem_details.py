"""The refusals, and the one place where they become problem documents (RFC 9457)."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Literal

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from limits.errors import StorageError
from pydantic import ConfigDict, Field
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from api.domain.rules.evaluate import MOST_RECORDS, MOST_RESTRICTED
from api.domain.values import Output
from api.http.csv_lists import JSON, prefers
from api.http.field_errors import SENTENCES, FieldError, field_errors
from api.interop.fhir.elements import FHIR_JSON
from api.interop.fhir.outcome import (
    NOT_ANSWERED,
    NOT_SERVED,
    is_asked_as_fhir,
    outcome_of,
    status_as_fhir,
)
from api.runtime.logs import where

PROBLEM = "application/problem+json"
TYPE = "urn:boundary-notes:"
TOKEN_PATH = "/v1/auth/token"  # noqa: S105 - a path
"""Where tokens are asked for: what is refused there is also told as OAuth does."""

OAuthError = Literal[
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "unsupported_grant_type",
]
"""OAuth's words for a refusal: those of RFC 6749, 5.2, and of 4.1.2.1 for what is the server's."""

log = structlog.get_logger("api")


class Problem(Output):
    """A refusal, in words a clinician can read. `errors` is there where fields were refused."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: str = Field(
        description="`urn:boundary-notes:` and a code; `GET /problems/{code}` says what it means "
        "and what to do."
    )
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldError] | None = None


class TokenProblem(Problem):
    """A refusal of a token: a problem that says in OAuth's words too what it is (RFC 6749, 5.2)."""

    error: OAuthError
    error_description: str


class Refusal(Exception):
    """A request that is not carried out; `detail` says why, in a sentence a clinician can read."""

    # each code has a page, made of the docstring, of what to do, and of an example
    status = 400
    code = "refused"
    title = "Refused"
    remedy = "The status says of which kind it is; ask whoever runs this server, by `request_id`."
    example: ClassVar[tuple[Any, ...]] = ("This request was refused.",)
    """What an example is made with."""
    error: OAuthError = "invalid_request"
    """What OAuth calls it where a token was asked for."""
    is_of_tokens = False
    """Whether it is said only where a token was asked for."""

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.errors: list[FieldError] | None = None


class Unauthorized(Refusal):
    """Nobody is signed in with this token, whatever the reason: one body for all."""

    status, code, title = 401, "unauthorized", "Not signed in"
    remedy = (
        "Sign in again at `POST /v1/auth/token`; software does so with its client id and secret. "
        "A token is valid for at most ten minutes."
    )
    example = ()

    def __init__(
        self,
        detail: str = "Send `Authorization: Bearer` with a valid token, from POST /v1/auth/token.",
        *,
        challenge: str | None = "Bearer",
    ) -> None:
        headers = None if challenge is None else {"WWW-Authenticate": challenge}
        super().__init__(detail, headers=headers)


class InvalidGrant(Unauthorized):
    """What was shown for a token lets nobody in, whatever the reason: one body for all.

    An address with a password and a second factor, or a refresh token. OAuth has 400 for it, and
    401 only for software that does not show who it is.
    """

    status, code, title = 400, "invalid-grant", "Not signed in"
    error, is_of_tokens = "invalid_grant", True
    remedy = (
        "Let the person sign in anew with address, password and second factor. `clinic` is needed "
        "where the address is known in several. A refresh token is used once: keep the last one."
    )
    example: ClassVar[tuple[Any, ...]] = (
        "This refresh token is not known or no longer valid. Sign in again.",
    )

    def __init__(self, detail: str) -> None:
        super().__init__(detail, challenge=None)


class InvalidClient(Unauthorized):
    """Software did not show who it is, whatever the reason: one body for all."""

    code, title = "invalid-client", "Software not signed in"
    error, is_of_tokens = "invalid_client", True
    remedy = (
        "Send `client_id` and `client_secret` of a service account, in the form or by HTTP Basic. "
        "A secret ends after 90 days at the latest: the clinic's admin makes another."
    )
    example: ClassVar[tuple[Any, ...]] = (
        "This client id and secret do not match, or are no longer valid.",
    )


class Forbidden(Refusal):
    """The caller may know of this, but may not do it."""

    status, code, title = 403, "forbidden", "Not allowed"
    remedy = (
        "`detail` says why. Sending it again changes nothing: ask somebody who may, or for "
        "software the clinic's admin for the scope."
    )
    example: ClassVar[tuple[Any, ...]] = ("The role admin does not do this.",)


class SignInAgain(Forbidden):
    """What is asked for needs a recent sign-in (step-up, RFC 9470)."""

    code, title = "sign-in-again", "Recent sign-in needed"
    remedy = (
        "Let the person sign in anew with password and second factor at `POST /v1/auth/token`, "
        "and send the request again with the new token. A refreshed token is not enough."
    )
    example = ()

    def __init__(self) -> None:
        super().__init__("Sign in again first: this needs a sign-in of the last 15 minutes.")


class NotFound(Refusal):
    """There is no such record, or none that the caller may know of: the same body."""

    status, code, title = 404, "not-found", "Not found"
    remedy = (
        "Check the id and the path. Both answers are the same on purpose: whether a record exists "
        "is known only to those who may read it."
    )
    example = ()

    def __init__(self, detail: str = "There is no such record here.") -> None:
        super().__init__(detail)


class NotAcceptable(Refusal):
    """The answer is wanted in a form that is not served."""

    status, code, title = 406, "not-acceptable", "Not acceptable"
    remedy = "Ask for a form that the operation answers in; `detail` names it."
    example = ("This is served as application/fhir+json only; ask for that in Accept.",)


class Conflict(Refusal):
    """The record's present state does not allow it."""

    status, code, title = 409, "conflict", "Conflict"
    remedy = (
        "`detail` says what stands in the way. Read the record again, and decide anew. Where the "
        "same request is being carried out just now, wait as `Retry-After` says."
    )
    example: ClassVar[tuple[Any, ...]] = ("This case was voided; nothing more is written to it.",)


class CaseFull(Conflict):
    """The case has as many records as a case takes."""

    code, title = "case-full", "Case is full"
    remedy = (
        f"A case takes {MOST_RECORDS:,} incidents, promises and consultations, and "
        f"{MOST_RESTRICTED:,} restricted incidents beside them; what was voided does not count. "
        "Void what was entered in error, or open a further case for the client and go on there. "
        "What is recorded can be read, reviewed and changed as before."
    )
    example = ()

    def __init__(self) -> None:
        super().__init__(
            "This case is full. Void what was entered in error, or go on in a further case."
        )


class Stale(Refusal):
    """Somebody changed the record since the caller read it."""

    status, code, title = 412, "stale", "Changed meanwhile"
    remedy = (
        "Read the record again, look at what changed, and send the change with the new ETag in "
        "`If-Match`. Never send it blindly: somebody's words would be lost."
    )
    example = ()

    def __init__(self) -> None:
        super().__init__("This record was changed since you read it. Read it again first.")


class NoSuchVersion(Refusal):
    """`If-Match` names a version that the record never had: nobody can have read it here."""

    status, code, title = 412, "no-such-version", "No such version"
    remedy = (
        "Read the record, and send its `ETag` in `If-Match` as it came. A tag of another record, "
        "or of another server, is none of this one."
    )
    example = ()

    def __init__(self) -> None:
        super().__init__(
            "If-Match names a version that this record never had. Read it, and send its own ETag."
        )


class UnsupportedMediaType(Refusal):
    """The body is not of a kind this operation reads."""

    status, code, title = 415, "unsupported-media-type", "Unsupported media type"
    remedy = (
        "Send JSON with `Content-Type: application/json`; to `POST /v1/auth/token` a form with "
        "`Content-Type: application/x-www-form-urlencoded`; to `POST /v1/imports` a record a line, "
        "with `Content-Type: application/x-ndjson` or `text/csv`."
    )
    example: ClassVar[tuple[Any, ...]] = ("Send JSON, with Content-Type: application/json.",)


class UnsupportedEncoding(UnsupportedMediaType):
    """The body is compressed or encoded otherwise; what is sent here is read as it stands."""

    code, title = "unsupported-encoding", "Unsupported encoding"
    remedy = "Send the body as it is, without a `Content-Encoding`."
    example = ()

    def __init__(self) -> None:
        super().__init__(
            "Send the body as it is, without Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )


class Invalid(Refusal):
    """A field, a parameter or the whole body does not make sense, or is not known here.

    `pointer` names the place, as in `/details/kind`.
    """

    status, code, title = 422, "invalid", "Invalid request"
    remedy = (
        "`errors` names each field and says what is wrong with it; what was sent is never "
        "repeated. A field that is not known points at its parent; the known "
        "one it is like is named, or all. Put it right, and send it again."
    )
    example = ("/details/discussed", SENTENCES["bool_type"])

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__("Some of what was sent cannot be accepted; `errors` says what, and why.")
        self.errors = [FieldError(pointer=pointer, message=message)]


class InvalidTokenRequest(Invalid):
    """The form that asks for a token lacks a field, or has one that makes no sense or stands twice.

    Fields that are not known are left alone, and one without a value counts as left out.
    """

    status, code, title = 400, "invalid-request", "Invalid request"
    is_of_tokens = True
    remedy = (
        "`errors` names each field and says what is wrong with it; what was sent is never "
        "repeated. Put it right, and send it again."
    )
    example = ("/username", "This is needed to sign in this way.")


class UnsupportedGrantType(Refusal):
    """A token is asked for in a way that is not known here."""

    code, title = "unsupported-grant-type", "Unsupported grant type"
    error, is_of_tokens = "unsupported_grant_type", True
    remedy = "Send `password`, `refresh_token` or `client_credentials` as `grant_type`."
    example = ()

    def __init__(self) -> None:
        super().__init__(
            "This grant_type is not known. Send password, refresh_token or client_credentials."
        )


class InvalidScope(Refusal):
    """A token is asked for with a scope that it cannot have."""

    code, title = "invalid-scope", "Invalid scope"
    error, is_of_tokens = "invalid_scope", True
    remedy = (
        "Software asks for scopes that its service account has, or sends no `scope`, which asks "
        "for all of them. A person's token has no scopes: send none."
    )
    example: ClassVar[tuple[Any, ...]] = (
        "This software was not given every scope it asks for. Ask for fewer, or send no scope.",
    )


class PreconditionRequired(Refusal):
    """A change without saying which version is changed: one, exactly, in `If-Match`."""

    status, code, title = 428, "precondition-required", "Precondition required"
    remedy = (
        "Read the record, and send its `ETag` as `If-Match` with the change: one strong tag, in "
        "its quotes. `*` and lists (RFC 9110, 13.1.1) are not taken: they would change a version "
        "that nobody read. A weak tag never matches in `If-Match`; a proxy that compresses answers "
        "makes one of ours by writing W/ before it."
    )
    example: ClassVar[tuple[Any, ...]] = ("Send If-Match with the ETag of the version you read.",)


class TooMany(Refusal):
    """Too many attempts to sign in failed, or software asked too much in a minute."""

    status, code, title = 429, "too-many-requests", "Too many requests"
    error = "temporarily_unavailable"
    remedy = "Wait as many seconds as `Retry-After` says. Software paces itself below the limit."
    example = (42,)

    def __init__(self, seconds: int, detail: str | None = None) -> None:
        super().__init__(
            detail or "Too much was asked or tried in a while. Wait as long as Retry-After says.",
            headers={"Retry-After": str(max(1, seconds))},
        )


class Unavailable(Refusal):
    """The database cannot answer just now.

    Nothing was kept, unless it was lost in the very moment of the commit: whether that came
    through, nobody can say then. An idempotency key makes it safe to send a change again.
    """

    status, code, title = 503, "unavailable", "Unavailable"
    error = "temporarily_unavailable"
    remedy = (
        "Send it again after the seconds in `Retry-After`. A POST with an `Idempotency-Key` is "
        "carried out once, however often it is sent."
    )
    example = ()

    def __init__(self) -> None:
        super().__init__("The records cannot be reached just now. Try again in a moment.")
        self.headers = {"Retry-After": "2"}


class BadRequest(Refusal):
    """The request cannot be read at all."""

    status, code, title = 400, "bad-request", "Bad request"
    remedy = "Check how the program writes its requests: the body is cut off, or not what it says."
    example = ()

    def __init__(self) -> None:
        super().__init__("This request cannot be read; check how it is written, and send it again.")


class MethodNotAllowed(Refusal):
    """The path is known, but not with this method."""

    status, code, title = 405, "method-not-allowed", "Method not allowed"
    remedy = "`Allow` lists the methods that the path answers."
    example = ()

    def __init__(self) -> None:
        super().__init__("This path answers GET, HEAD only.")


class TooLarge(Refusal):
    """The body is larger than any body may be."""

    status, code, title = 413, "too-large", "Too large"
    remedy = "Send less at once: fewer or shorter texts, or a file of records in parts."
    example = ()

    def __init__(self) -> None:
        super().__init__(
            "A body is at most 256 KiB; an import 256 MiB and 500,000 lines, its dry run 50,000."
        )


class Failed(Refusal):
    """A mistake of this program. Its log tells which, under the `request_id`."""

    status, code, title = 500, "internal", "Something went wrong"
    error = "server_error"
    remedy = "Report the `request_id` to whoever runs this server."
    example = ()

    def __init__(self) -> None:
        super().__init__("This was our mistake. Nothing was kept.")


_BY_STATUS: dict[int, Callable[[], Refusal]] = {
    400: BadRequest,
    404: lambda: NotFound("There is no such path here; /docs lists those there are."),
    405: MethodNotAllowed,
    413: TooLarge,
}
"""What is said where the framework refuses."""
_AS_FHIR = {404: NOT_SERVED, 405: NOT_ANSWERED}
"""What is said instead to an EHR, which may ask for all that FHIR knows."""


def every_refusal() -> dict[str, type[Refusal]]:
    """Give each kind of refusal by its code."""
    kinds = [Refusal]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return {kind.code: kind for kind in kinds}


Witness = Callable[[Request, "Refusal"], Awaitable[None]]
"""Somebody who writes a refusal down."""


def add_error_handlers(app: FastAPI, witness: Witness) -> None:
    """Answer every failure with a problem document that repeats nothing of the request."""
    app.state.witness = witness
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, refuse_http)
    app.add_exception_handler(SQLAlchemyError, database_failed)
    app.add_exception_handler(OSError, database_failed)
    app.add_exception_handler(StorageError, database_failed)
    app.add_exception_handler(ResponseValidationError, failed)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101 - the handler is registered for this class
    return await _before_witness(request, error)


async def _before_witness(request: Request, refusal: Refusal) -> Response:
    """Answer a refusal once it is written down, if somebody signed in is refused."""
    witness: Witness = request.app.state.witness
    try:
        await witness(request, refusal)
    except (SQLAlchemyError, OSError):
        # what cannot be written down is not answered either
        return _refuse(request, Unavailable())
    return _refuse(request, refusal)


def body_of(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """Write a refusal as a problem document."""
    body: dict[str, Any] = {
        "type": TYPE + refusal.code,
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "request_id": request_id,
    }
    if refusal.errors is not None:
        body["errors"] = [error.model_dump() for error in refusal.errors]
    return body


def _refuse(request: Request, refusal: Refusal) -> Response:
    """Answer a refusal: a problem document, or an OperationOutcome where FHIR was spoken."""
    if is_asked_as_fhir(request.scope["path"]):
        status, said = as_outcome(refusal)
        return JSONResponse(said, status, refusal.headers, media_type=FHIR_JSON)
    if is_asked_as_oauth(request.scope["path"]):
        return _refuse_token(request, as_token_refusal(refusal))
    body = body_of(refusal, _request_id(request))
    return JSONResponse(body, refusal.status, refusal.headers, media_type=PROBLEM)


def _refuse_token(request: Request, refusal: Refusal) -> Response:
    """Answer a refusal of a token: as plain JSON to who asks for nothing else.

    OAuth knows `application/json` only (RFC 6749, 5.2), and some of its libraries read no other.
    """
    accept = ",".join(request.headers.getlist("accept"))
    media = JSON if prefers(JSON, accept, to=PROBLEM) else PROBLEM
    headers = {**refusal.headers, "Vary": "Accept"}
    body = token_body_of(refusal, _request_id(request))
    return JSONResponse(body, refusal.status, headers, media_type=media)


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


def as_outcome(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    """Give a refusal as FHIR tells it: the status, and an OperationOutcome."""
    errors = refusal.errors or []
    detail, fields = refusal.detail, [(error.pointer, error.message) for error in errors]
    status = status_as_fhir(refusal.status, [error.pointer for error in errors])
    if status == NotFound.status != refusal.status:
        # an id that cannot be one is answered as one that is of nothing
        detail, fields = NotFound().detail, []
    outcome = outcome_of(status, detail, fields)
    return status, outcome.model_dump(by_alias=True, exclude_none=True)


def _request_id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))


async def refuse_http(request: Request, error: Exception) -> Response:
    """Answer a refusal of the framework's own: an unknown path, too large a body."""
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    known = _BY_STATUS.get(error.status_code)
    refusal = Refusal("This request was refused.") if known is None else known()
    refusal.status = error.status_code
    refusal.headers = dict(error.headers or {})
    if is_asked_as_fhir(request.scope["path"]):
        refusal.detail = _AS_FHIR.get(error.status_code, refusal.detail)
    if error.status_code == 405:
        refusal.headers["Allow"] = ", ".join(_methods(request))
        if not is_asked_as_fhir(request.scope["path"]):
            refusal.detail = f"This path answers {refusal.headers['Allow']} only."
    return await _before_witness(request, refusal)


def _methods(request: Request) -> list[str]:
    """Give the methods a path answers: each route of the framework's knows its own only."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    fitting = [
        route
        for route in iter_route_contexts(request.app.router.routes)
        if route.methods and route.path_regex.match(path)
    ]
    # a word that is a path of its own is nobody's id
    fewest = min((len(route.param_convertors) for route in fitting), default=0)
    answered: set[str] = set()
    for route in fitting:
        if len(route.param_convertors) == fewest:
            answered |= route.methods or set()
    if "GET" in answered:
        # answered wherever a GET is, see `api.http.middleware`
        answered.add("HEAD")
    return [each for each in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") if each in answered]


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    refusal = Invalid("", "")
    body = getattr(request.scope.get("route"), "body_field", None)
    asked = None if body is None else body.field_info.annotation
    refusal.errors = field_errors(error.errors(), asked)
    return await _before_witness(request, refusal)


async def database_failed(request: Request, error: Exception) -> Response:
    """Answer a failure of the database: 503 where it may pass, else a mistake of ours."""
    # a timeout or a lost connection may pass; anything else is ours to mend
    if isinstance(error, PoolTimeout | OSError | StorageError) or (
        isinstance(error, DBAPIError) and not isinstance(error, IntegrityError | DataError)
    ):
        log.warning(
            "database_unavailable", request_id=_request_id(request), kind=type(error).__name__
        )
        return _refuse(request, Unavailable())
    return await failed(request, error)


async def failed(request: Request, error: Exception) -> Response:
    """Answer a mistake of ours, and log no more of it than its type."""
    # the type and the place only: a message may carry a client's words
    log.error(
        "request_failed",
        request_id=_request_id(request),
        kind=type(error).__name__,
        where=where(error),
    )
    return _refuse(request, Failed())
