"""Where refusals become problem documents (RFC 9457), or what another way of speaking has."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

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

from api.domain.errors import (
    BadRequest,
    Failed,
    FieldError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Refusal,
    TooLarge,
    Unavailable,
)
from api.domain.values import Output
from api.http.field_errors import field_errors
from api.runtime.logs import where

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


_BY_STATUS: dict[int, Callable[[], Refusal]] = {
    400: BadRequest,
    404: lambda: NotFound("There is no such path here; /docs lists those there are."),
    405: MethodNotAllowed,
    413: TooLarge,
}
"""What is said where the framework refuses."""


class Dialect(NamedTuple):
    """How refusals are told under some of the paths, where another standard says how."""

    speaks: Callable[[str], bool]
    answer: Callable[[Request, Refusal], Response]
    details: Mapping[int, str] = MappingProxyType({})
    """What is said where the framework refuses, by its status; the others as elsewhere."""


Witness = Callable[[Request, Refusal], Awaitable[None]]
"""Somebody who writes a refusal down."""


def add_error_handlers(app: FastAPI, witness: Witness, *dialects: Dialect) -> None:
    """Answer every failure with a problem document that repeats nothing of the request."""
    app.state.witness, app.state.dialects = witness, dialects
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
    """Answer a refusal: a problem document, or as the path's own dialect has it."""
    dialect = _dialect_of(request)
    if dialect is not None:
        return dialect.answer(request, refusal)
    body = body_of(refusal, request_id_of(request))
    return JSONResponse(body, refusal.status, refusal.headers, media_type=PROBLEM)


def _dialect_of(request: Request) -> Dialect | None:
    dialects: tuple[Dialect, ...] = request.app.state.dialects
    return next((each for each in dialects if each.speaks(request.scope["path"])), None)


def request_id_of(request: Request) -> str:
    """Give the id by which a request is told of in the log and in refusals."""
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
        refusal.detail = f"This path answers {refusal.headers['Allow']} only."
    dialect = _dialect_of(request)
    if dialect is not None:
        refusal.detail = dialect.details.get(error.status_code, refusal.detail)
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
            "database_unavailable", request_id=request_id_of(request), kind=type(error).__name__
        )
        return _refuse(request, Unavailable())
    return await failed(request, error)


async def failed(request: Request, error: Exception) -> Response:
    """Answer a mistake of ours, and log no more of it than its type."""
    # the type and the place only: a message may carry a client's words
    log.error(
        "request_failed",
        request_id=request_id_of(request),
        kind=type(error).__name__,
        where=where(error),
    )
    return _refuse(request, Failed())
