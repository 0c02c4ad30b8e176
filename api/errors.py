"""The refusals, and the one place where they become problem documents (RFC 9457)."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse
from limits.errors import StorageError
from pydantic import ConfigDict
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.domain.values import Output
from api.fhir.elements import FHIR_JSON
from api.fhir.outcome import is_asked_as_fhir, outcome_of, status_as_fhir

PROBLEM = "application/problem+json"
TYPE = "urn:boundary-notes:"

log = structlog.get_logger("api")


class FieldError(Output):
    """One field that could not be accepted; it never repeats what was sent."""

    pointer: str
    message: str


class Problem(Output):
    """A refusal, in words a clinician can read. `errors` is there where fields were refused."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldError] | None = None


class Refusal(Exception):
    """A request that is not carried out. `detail` is a sentence a clinician can read."""

    status = 400
    code = "bad-request"
    title = "Bad request"

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.errors: list[FieldError] | None = None


class Unauthorized(Refusal):
    """Nobody is signed in with this token, whatever the reason: one body for all."""

    status, code, title = 401, "unauthorized", "Not signed in"

    def __init__(self, detail: str = "This token is not known or no longer valid.") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Refusal):
    """The caller may know of this, but may not do it."""

    status, code, title = 403, "forbidden", "Not allowed"


class SignInAgain(Forbidden):
    """What is asked for needs a recent sign-in (step-up, RFC 9470)."""

    code, title = "sign-in-again", "Recent sign-in needed"

    def __init__(self) -> None:
        super().__init__("Sign in again first: this needs a sign-in of the last 15 minutes.")


class NotFound(Refusal):
    """There is no such record, or none that the caller may know of: the same body."""

    status, code, title = 404, "not-found", "Not found"

    def __init__(self, detail: str = "There is no such record here.") -> None:
        super().__init__(detail)


class NotAcceptable(Refusal):
    """The answer is wanted in a form that is not served."""

    status, code, title = 406, "not-acceptable", "Not acceptable"


class Conflict(Refusal):
    """The record's present state does not allow it."""

    status, code, title = 409, "conflict", "Conflict"


class Stale(Refusal):
    """Somebody changed the record since the caller read it."""

    status, code, title = 412, "stale", "Changed meanwhile"

    def __init__(self) -> None:
        super().__init__("This record was changed since you read it. Read it again first.")


class UnsupportedMediaType(Refusal):
    """The body is not of a kind this operation reads."""

    status, code, title = 415, "unsupported-media-type", "Unsupported media type"


class Invalid(Refusal):
    """A field does not make sense. `pointer` names it, as in `/details/kind`."""

    status, code, title = 422, "invalid", "Invalid request"

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__("Some of what was sent cannot be accepted.")
        self.errors = [FieldError(pointer=pointer, message=message)]


class PreconditionRequired(Refusal):
    """A change without saying which version is changed."""

    status, code, title = 428, "precondition-required", "Precondition required"

    def __init__(self) -> None:
        super().__init__("Send If-Match with the ETag of the version you read.")


class TooMany(Refusal):
    """Too much was tried from here. `seconds`: when to try again."""

    status, code, title = 429, "too-many-requests", "Too many requests"

    def __init__(self, seconds: int) -> None:
        super().__init__(
            "Too many attempts came from here. Wait a while, and try again.",
            headers={"Retry-After": str(max(1, seconds))},
        )


class Unavailable(Refusal):
    """The database cannot answer just now.

    Nothing was kept, unless it was lost in the very moment of the commit: whether that came
    through, nobody can say then. An idempotency key makes it safe to send a change again.
    """

    status, code, title = 503, "unavailable", "Unavailable"

    def __init__(self) -> None:
        super().__init__("The records cannot be reached just now. Try again in a moment.")
        self.headers = {"Retry-After": "2"}


_BY_STATUS = {
    400: ("bad-request", "Bad request", "This request cannot be read."),
    404: ("not-found", "Not found", "There is no such path here."),
    405: ("method-not-allowed", "Method not allowed", "This path does not answer that method."),
    413: ("too-large", "Too large", "A request body is at most 256 KiB."),
}


Witness = Callable[[Request, "Refusal"], Awaitable[None]]
"""Somebody who writes a refusal down."""


def add_error_handlers(app: FastAPI, witness: Witness) -> None:
    """Answer every failure with a problem document that repeats nothing of the request."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)  # noqa: S101 - the handler is registered for this class
        try:
            await witness(request, error)
        except (SQLAlchemyError, OSError):
            # what cannot be written down is not answered either
            return _refuse(request, Unavailable())
        return _refuse(request, error)

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, refuse_http)
    app.add_exception_handler(SQLAlchemyError, database_failed)
    app.add_exception_handler(OSError, database_failed)
    app.add_exception_handler(StorageError, database_failed)
    app.add_exception_handler(ResponseValidationError, failed)


def problem(
    request: Request,
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    errors: list[FieldError] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Build a problem document; an OperationOutcome where FHIR was spoken."""
    if is_asked_as_fhir(request.scope["path"]):
        return _as_fhir(status, detail, errors or [], headers)
    body: dict[str, Any] = {
        "type": TYPE + code,
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": getattr(request.state, "request_id", ""),
    }
    if errors is not None:
        body["errors"] = [error.model_dump() for error in errors]
    return JSONResponse(body, status, headers, media_type=PROBLEM)


def _as_fhir(
    status: int, detail: str, errors: list[FieldError], headers: dict[str, str] | None
) -> Response:
    fields = [(error.pointer, error.message) for error in errors]
    status = status_as_fhir(status, [error.pointer for error in errors])
    if status == NotFound.status:
        # an id that cannot be one is answered as one that is of nothing
        detail, fields = NotFound().detail, []
    said = outcome_of(status, detail, fields).model_dump(by_alias=True, exclude_none=True)
    return JSONResponse(said, status, headers, media_type=FHIR_JSON)


def _refuse(request: Request, error: Refusal) -> Response:
    return problem(
        request,
        error.status,
        error.code,
        error.title,
        error.detail,
        errors=error.errors,
        headers=error.headers,
    )


async def refuse_http(request: Request, error: Exception) -> Response:
    """Answer a refusal of the framework's own: an unknown path, too large a body."""
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    code, title, detail = _BY_STATUS.get(
        error.status_code, ("refused", "Refused", "This request was refused.")
    )
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request))
    return problem(request, error.status_code, code, title, detail, headers=headers)


def _methods(request: Request) -> list[str]:
    """Give the methods a path answers: each route of the framework's knows its own only."""
    return [
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return problem(
        request,
        Invalid.status,
        Invalid.code,
        Invalid.title,
        "Some of what was sent cannot be accepted.",
        errors=[_field_error(each) for each in error.errors()],
    )


async def database_failed(request: Request, error: Exception) -> Response:
    """Answer a failure of the database: 503 where it may pass, else a mistake of ours."""
    # a timeout or a lost connection may pass; anything else is ours to mend
    if isinstance(error, PoolTimeout | OSError | StorageError) or (
        isinstance(error, DBAPIError) and not isinstance(error, IntegrityError | DataError)
    ):
        log.warning("database_unavailable", kind=type(error).__name__)
        return _refuse(request, Unavailable())
    return await failed(request, error)


async def failed(request: Request, error: Exception) -> Response:
    """Answer a mistake of ours, and log no more of it than its type."""
    # the type only: a message may carry a client's words
    log.error("request_failed", kind=type(error).__name__)
    return problem(
        request, 500, "internal", "Something went wrong", "This was our mistake. Nothing was kept."
    )


_MESSAGES = {
    "missing": "This field is needed.",
    "extra_forbidden": "A field here is not known.",
    "json_invalid": "This is not JSON.",
    "enum": "This is not one of the known words.",
    "literal_error": "This is not one of the known words.",
    "union_tag_invalid": "This is not one of the known words.",
    "union_tag_not_found": "This field is needed.",
    "bool_type": "This must be true or false.",
    "bool_parsing": "This must be true or false.",
    "int_type": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "int_from_float": "This must be a whole number.",
    "float_type": "This must be a number.",
    "finite_number": "This must be a finite number.",
    "string_type": "This must be a text.",
    "string_too_short": "This must not be blank.",
    "string_too_long": "This text is too long.",
    "list_type": "This must be a list.",
    "too_short": "This list needs at least one item.",
    "too_long": "This list has too many items.",
    "uuid_parsing": "This must be an id.",
    "uuid_type": "This must be an id.",
    "date_from_datetime_parsing": "This must be a date, YYYY-MM-DD.",
    "date_parsing": "This must be a date, YYYY-MM-DD.",
    "date_type": "This must be a date, YYYY-MM-DD.",
    "greater_than_equal": "This number is too small.",
    "less_than_equal": "This number is too large.",
    "model_attributes_type": "This must be an object.",
    "dict_type": "This must be an object.",
}


_TAGS = {"union_tag_not_found", "union_tag_invalid"}


def _field_error(error: dict[str, Any]) -> FieldError:
    kind = error["type"]
    if kind == "value_error":
        # our own validators' sentences, which never quote the value
        message = str(error["ctx"]["error"])
    else:
        message = _MESSAGES.get(kind, "This cannot be accepted.")
    where, *path = error["loc"]
    if kind == "json_invalid":
        return FieldError(pointer="", message=message)
    if kind == "extra_forbidden":
        path = path[:-1]
    if kind in _TAGS:
        path.append("kind")
    if where == "body":
        return FieldError(
            pointer="".join(f"/{step}" for step in _without_tag(path)), message=message
        )
    # what follows a parameter's name are names of the program's own types
    return FieldError(pointer="/".join(("", str(where), *map(str, path[:1]))), message=message)


def _without_tag(path: list[Any]) -> list[Any]:
    """Leave out the union's tag, which is a step of the schema only: `/details/gift/item`."""
    if len(path) > 1 and path[0] == "details" and path[1:] != ["kind"]:
        return [path[0], *path[2:]]
    return path
