"""The refusals, and the one place where they become problem documents (RFC 9457)."""

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

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

from api.domain.rules import MOST_RECORDS, MOST_RESTRICTED
from api.domain.values import Output
from api.fhir.elements import FHIR_JSON
from api.fhir.outcome import is_asked_as_fhir, outcome_of, status_as_fhir
from api.logs import where
from api.reasons import SENTENCES, FieldError, field_errors

PROBLEM = "application/problem+json"
TYPE = "urn:boundary-notes:"

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


class Refusal(Exception):
    """A request that is not carried out; `detail` says why, in a sentence a clinician can read."""

    # each code has a page, made of the docstring, of what to do, and of an example
    status = 400
    code = "refused"
    title = "Refused"
    remedy = "The status says of which kind it is; ask whoever runs this server, by `request_id`."
    example: ClassVar[tuple[Any, ...]] = ("This request was refused.",)
    """What an example is made with."""

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
        detail: str = "This token is not known or no longer valid.",
        *,
        challenge: str = "Bearer",
    ) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


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


class PreconditionRequired(Refusal):
    """A change without saying which version is changed."""

    status, code, title = 428, "precondition-required", "Precondition required"
    remedy = "Read the record, and send its `ETag` as `If-Match` with the change."
    example = ()

    def __init__(self) -> None:
        super().__init__("Send If-Match with the ETag of the version you read.")


class TooMany(Refusal):
    """Too many attempts to sign in failed, or software asked too much in a minute."""

    status, code, title = 429, "too-many-requests", "Too many requests"
    remedy = "Wait as many seconds as `Retry-After` says. Software paces itself below the limit."
    example = (42,)

    def __init__(self, seconds: int, detail: str | None = None) -> None:
        super().__init__(
            detail or "Too many attempts came from here. Wait a while, and try again.",
            headers={"Retry-After": str(max(1, seconds))},
        )


class Unavailable(Refusal):
    """The database cannot answer just now.

    Nothing was kept, unless it was lost in the very moment of the commit: whether that came
    through, nobody can say then. An idempotency key makes it safe to send a change again.
    """

    status, code, title = 503, "unavailable", "Unavailable"
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
        super().__init__("This path does not answer that method; `Allow` lists those that it does.")


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
    body = body_of(refusal, _request_id(request))
    return JSONResponse(body, refusal.status, refusal.headers, media_type=PROBLEM)


def as_outcome(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    """Give a refusal as FHIR tells it: the status, and an OperationOutcome."""
    errors = refusal.errors or []
    detail, fields = refusal.detail, [(error.pointer, error.message) for error in errors]
    status = status_as_fhir(refusal.status, [error.pointer for error in errors])
    if status == NotFound.status:
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
    if error.status_code == 405:
        refusal.headers["Allow"] = ", ".join(_methods(request))
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
        # answered wherever a GET is, see `api.envelope`
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
