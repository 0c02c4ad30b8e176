"""Builds the application; nothing imports this room."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from api.access import journal_refusal
from api.db import Clock, Database, utc_now
from api.envelope import Envelope
from api.errors import PROBLEM, Problem, add_error_handlers
from api.gate import Gate
from api.logs import configure_logs
from api.pages import Bookmarks
from api.repeats import DoneBefore, Fingerprints
from api.replays import show_again
from api.routes import (
    auth,
    break_glass,
    cases,
    clinic,
    consultations,
    covers,
    exports,
    fhir,
    flagged_cases,
    flags,
    health,
    incidents,
    journal,
    keys,
    legal_holds,
    notes,
    promises,
    recusals,
    reset,
    seals,
    service_accounts,
    sessions,
    supervisions,
    totp,
    users,
)
from api.routes.health import Readiness
from api.sessions import SessionTimes
from api.settings import Settings
from api.throttle import Throttle
from api.tokens import AccessTokens, Passwords

ROOT = Path(__file__).resolve().parent.parent

DESCRIPTION = """
Case notes for clinicians who keep the frame of psychotherapy.

Clinicians record cases, boundary incidents, promises and requests for consultation. Rules raise
flags that say "please look"; supervisors work through the queue of flagged cases. Feelings for a
therapist are how therapy works, and are never a flag.
"""

REFUSALS: dict[int | str, dict[str, Any]] = {
    statuses: {"model": Problem, "description": "A problem document (RFC 9457)."}
    for statuses in ("4XX", "5XX")
}


def create_app(settings: Settings, clock: Clock = utc_now) -> FastAPI:
    """Build the application on one database, with one clock."""
    gate = Gate(settings.drain_seconds)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # what was loaded so far stays for ever: the collector need not walk it again and again
        gc.collect()
        gc.freeze()
        gate.close_at_sigterm()
        yield
        await app.state.database.dispose()

    app = FastAPIOffline(
        title="Boundary Notes",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        responses=REFUSALS,
        # logs of the framework would carry the text of exceptions: clients' words
        telemetry={"logs": False, "tracing": False, "metrics": False},
        generate_unique_id_function=lambda route: route.name,
    )
    furnish(app, settings, clock)
    app.state.gate = gate
    add_error_handlers(app, journal_refusal)
    app.add_exception_handler(DoneBefore, show_again)
    app.add_middleware(Envelope, gate=gate)
    # a request knocks at one door after the other: the busiest come first
    for door in (
        cases,
        incidents,
        promises,
        flags,
        flagged_cases,
        consultations,
        notes,
        auth,
        users,
        clinic,
        supervisions,
        recusals,
        covers,
        break_glass,
        journal,
        exports,
        legal_holds,
        sessions,
        totp,
        reset,
        service_accounts,
        seals,
        fhir,
        keys,
        health,
    ):
        app.include_router(door.router)
    document_refusals(app)
    return app


def document_refusals(app: FastAPI) -> None:
    """Let the OpenAPI document say what the framework does not know of refusals."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        is_known = app.openapi_schema is not None
        document = described()
        if not is_known:
            for operations in document["paths"].values():
                for operation in operations.values():
                    for status in REFUSALS:
                        content = operation["responses"][status]["content"]
                        # what FHIR is asked for is refused in FHIR
                        if "application/json" in content:
                            content[PROBLEM] = content.pop("application/json")
                    for parameter in operation.get("parameters", ()):
                        if parameter["name"] == "If-Match":
                            # without it the answer is 428, which is not the framework's way
                            parameter |= {"required": True, "schema": {"type": "string"}}
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def furnish(app: FastAPI, settings: Settings, clock: Clock) -> None:
    """Give the application what its rooms share: database, keys, and what counts attempts."""
    secret = settings.secret_key.get_secret_value()
    app.state.database = Database(
        settings.database_url, keys=settings.data_keys, pool_size=settings.pool_size, clock=clock
    )
    app.state.tokens = AccessTokens(
        secret, timedelta(minutes=settings.access_token_minutes), settings.signing_keys
    )
    app.state.session_times = SessionTimes(
        timedelta(hours=settings.session_hours), timedelta(minutes=settings.idle_minutes)
    )
    app.state.throttle = Throttle(
        settings.throttle_storage_url, secret, settings.password_checks_at_once
    )
    app.state.passwords = Passwords(settings.password_checks_at_once)
    app.state.bookmarks = Bookmarks(secret)
    app.state.readiness = Readiness(settings.data_keys, migration_head())
    app.state.fingerprints = Fingerprints(secret)


def app_from_environment() -> FastAPI:
    """Build the application from the environment's settings, as each server process does."""
    configure_logs()
    return create_app(Settings())


def migrations() -> Config:
    """Give Alembic's configuration, wherever the process was started."""
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "alembic"))
    return config


def known_revisions() -> frozenset[str]:
    """Give every revision of the tables that this program can bring up to date."""
    scripts = ScriptDirectory.from_config(migrations())
    return frozenset(script.revision for script in scripts.walk_revisions())


@cache
def migration_head() -> str:
    """Give the revision this program expects the database to be at."""
    head = ScriptDirectory.from_config(migrations()).get_current_head()
    return head or ""
