"""Builds the application; nothing imports this room."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from api.access import journal_refusal
from api.db import Clock, Database, utc_now
from api.envelope import Envelope
from api.errors import Problem, add_error_handlers
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
        # what was loaded so far stays for ever: the collector need not walk it again and again
        gc.collect()
        gc.freeze()
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
    app.add_middleware(Envelope)
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
