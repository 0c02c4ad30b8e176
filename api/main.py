"""Builds the application; nothing imports this room."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import structlog
from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from api.access import journal_refusal
from api.db import Clock, Database, utc_now
from api.errors import Problem, add_error_handlers, failed, refuse_http
from api.logs import configure_logs
from api.pages import Bookmarks
from api.routes import (
    auth,
    cases,
    clinic,
    consultations,
    flagged_cases,
    flags,
    health,
    incidents,
    promises,
    supervisions,
    users,
)
from api.settings import Settings
from api.tokens import AccessTokens, Passwords

log = structlog.get_logger("access")

LARGEST_BODY = 256 * 1024
ROOT = Path(__file__).resolve().parent.parent

DESCRIPTION = """
Case notes for clinicians who keep the frame of psychotherapy.

Clinicians record cases, boundary incidents, promises and requests for consultation. Rules raise
flags that say "please look"; supervisors work through the queue of flagged cases. Feelings for a
therapist are how therapy works, and are never a flag.
"""


def create_app(settings: Settings, clock: Clock = utc_now) -> FastAPI:
    """Build the application on one database, with one clock."""
    secret = settings.secret_key.get_secret_value()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await app.state.database.dispose()

    app = FastAPIOffline(
        title="Boundary Notes",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        responses={"4XX": {"model": Problem, "description": "A problem document (RFC 9457)."}},
        # logs of the framework would carry the text of exceptions: clients' words
        telemetry={"logs": False, "tracing": False, "metrics": False},
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.database = Database(settings.database_url, pool_size=settings.pool_size, clock=clock)
    app.state.tokens = AccessTokens(secret, timedelta(minutes=settings.access_token_minutes))
    app.state.passwords = Passwords(settings.password_checks_at_once)
    app.state.bookmarks = Bookmarks(secret)
    app.state.migration_head = migration_head()
    add_error_handlers(app, journal_refusal)
    app.add_middleware(_Envelope)
    for door in (
        auth,
        users,
        supervisions,
        cases,
        incidents,
        promises,
        consultations,
        flags,
        flagged_cases,
        clinic,
        health,
    ):
        app.include_router(door.router)
    return app


def app_from_environment() -> FastAPI:
    """Build the application from the environment's settings, as each server process does."""
    configure_logs()
    return create_app(Settings())


def migrations() -> Config:
    """Give Alembic's configuration, wherever the process was started."""
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "alembic"))
    return config


def migration_head() -> str:
    """Give the revision this program expects the database to be at."""
    head = ScriptDirectory.from_config(migrations()).get_current_head()
    return head or ""


class _Envelope:
    """Gives each request an id, and each answer the headers that keep it private."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = str(uuid7())
        scope.setdefault("state", {})["request_id"] = request_id
        headers = [
            (b"x-request-id", request_id.encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]
        if not scope["path"].startswith(("/docs", "/redoc", "/static-offline-docs")):
            headers.append(
                (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
            )

        status = 500
        began = perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        received, started = 0, False

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise HTTPException(413)
            return message

        async def count_and_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send_with_headers(message)

        request = Request(scope)
        try:
            if int(request.headers.get("content-length", 0)) > LARGEST_BODY:
                answer = await refuse_http(request, HTTPException(413))
                await answer(scope, receive, count_and_send)
            else:
                await self.app(scope, receive_bounded, count_and_send)
        except Exception as error:  # let out, its text would be in the server's log
            if started:
                log.error("answer_cut_off", kind=type(error).__name__)
            else:
                await (await failed(request, error))(scope, receive, count_and_send)
        finally:
            log.info(
                "request",
                request_id=request_id,
                method=scope["method"],
                route=getattr(scope.get("route"), "path", None),
                status=status,
                milliseconds=round((perf_counter() - began) * 1000, 1),
            )
