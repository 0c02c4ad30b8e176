"""Builds the application of all its parts; no part imports this room."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline

from api.access.authentication import LastSeen
from api.access.door_guesses import GuessesAtDoor
from api.access.journalled_refusals import journal_refusal
from api.access.rate_limits import Throttle
from api.access.sessions import SessionTimes
from api.desk import pages
from api.desk.front import AS_PAGE
from api.desk.people import Names
from api.desk.visits import Visits
from api.desk.waiting import Waiting
from api.door import looking_back, visits
from api.door import pages as pages_of_door
from api.door.pages import AS_DOOR
from api.http.direct_routes import DirectRoutes
from api.http.idempotency import DoneBefore, Fingerprints
from api.http.middleware import Envelope
from api.http.oauth_refusals import AS_OAUTH
from api.http.pagination import Bookmarks
from api.http.problem_details import add_error_handlers
from api.http.strict_route import by_its_name
from api.interop.fhir.outcome import AS_FHIR
from api.openapi.description import DESCRIPTION
from api.openapi.served_document import kept, serve_document
from api.routes import (
    auth,
    break_glass,
    cases,
    client_account_moves,
    client_accounts,
    clinic,
    consultation_moves,
    consultations,
    covers,
    exports,
    fhir,
    fhir_questionnaires,
    flagged_cases,
    flags,
    health,
    imports,
    incidents,
    invitations,
    journal,
    keys,
    legal_holds,
    metrics,
    notes,
    notices,
    password_reset,
    patterns,
    problems,
    promises,
    questionnaires,
    recusals,
    redoc,
    responses,
    rule_modes,
    seals,
    service_accounts,
    sessions,
    summary,
    supervisions,
    timeline,
    totp,
    users,
    webhook_deliveries,
    webhooks,
)
from api.routes.health import Readiness
from api.routes.idempotent_replay import show_again
from api.runtime.logs import configure_logs, say_started
from api.runtime.settings import Settings
from api.runtime.shutdown import Gate
from api.security.browser_tokens import BrowserTokens, FormTokens
from api.security.door_secrets import DoorSecrets
from api.security.opaque_tokens import RefreshTokens
from api.security.outbound_addresses import Destinations
from api.security.tokens import AccessTokens, Passwords
from api.storage import revisions
from api.storage.database import Clock, Database, utc_now

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

VERSION = "0.2.0"

# a request knocks at one door after the other: the busiest come first
DOORS = (
    cases,
    timeline,
    incidents,
    promises,
    flags,
    flagged_cases,
    summary,
    consultations,
    consultation_moves,
    notes,
    notices,
    auth,
    users,
    clinic,
    rule_modes,
    supervisions,
    recusals,
    covers,
    break_glass,
    patterns,
    journal,
    exports,
    legal_holds,
    sessions,
    totp,
    password_reset,
    service_accounts,
    webhooks,
    webhook_deliveries,
    seals,
    imports,
    questionnaires,
    responses,
    invitations,
    client_accounts,
    client_account_moves,
    visits,
    looking_back,
    fhir_questionnaires,
    fhir,
    keys,
    problems,
    health,
    metrics,
    redoc,
)


def create_app(settings: Settings, clock: Clock = utc_now) -> FastAPI:
    """Build the application on one database, with one clock."""
    gate = Gate(settings.drain_seconds)
    traces = _traces(settings)
    app = FastAPIOffline(
        title="Boundary Notes",
        version=VERSION,
        redoc_url=None,  # ours below; its own asks for a picture from elsewhere
        swagger_ui_parameters={"defaultModelsExpandDepth": 0},
        description=DESCRIPTION,
        lifespan=_from_start_to_end(gate, traces),
        redirect_slashes=False,
        telemetry=_telemetry(traces),
        generate_unique_id_function=by_its_name,
    )
    furnish(app, settings, clock)
    app.state.gate = gate
    if traces is not None:
        _trace_transactions(app.state.database, traces)
    add_error_handlers(app, journal_refusal, AS_FHIR, AS_OAUTH, AS_PAGE, AS_DOOR)
    app.add_exception_handler(DoneBefore, show_again)
    app.add_middleware(Envelope, gate=gate)
    for door in DOORS:
        # as they stand there: a router that is included has each of its routes built once more
        app.router.routes.extend(door.router.routes)
    app.router.routes.extend([*pages.routes, *pages_of_door.routes])
    serve_document(app)
    app.router.middleware_stack = DirectRoutes(app.router.middleware_stack, app.router.routes)
    return app


def _from_start_to_end(
    gate: Gate, traces: "TracerProvider | None"
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Give what is done before the first request, and after the last."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # what was loaded so far stays for ever: the collector need not walk it again and again
        gc.collect()
        gc.freeze()
        gate.close_at_sigterm()
        # read before anybody asks for it
        kept()
        say_started()
        yield
        await app.state.database.dispose()
        if traces is not None:
            await asyncio.to_thread(traces.shutdown)

    return lifespan


def furnish(app: FastAPI, settings: Settings, clock: Clock) -> None:
    """Give the application what its rooms share: database, keys, and what counts attempts."""
    secret = settings.secret_key.get_secret_value()
    app.state.database = Database(
        settings.database_url, keys=settings.data_keys, pool_size=settings.pool_size, clock=clock
    )
    app.state.tokens = AccessTokens(
        secret, timedelta(minutes=settings.access_token_minutes), settings.signing_keys
    )
    app.state.last_seen = LastSeen()
    app.state.door_secrets = DoorSecrets(
        (settings.door_key or settings.secret_key).get_secret_value()
    )
    app.state.guesses_at_door = GuessesAtDoor()
    app.state.refresh_tokens = RefreshTokens(secret)
    app.state.browser_tokens = BrowserTokens(secret)
    app.state.form_tokens = FormTokens(secret)
    app.state.session_times = SessionTimes(
        timedelta(hours=settings.session_hours), timedelta(minutes=settings.idle_minutes)
    )
    app.state.names = Names(app.state.database)
    app.state.waiting = Waiting(app.state.database)
    app.state.visits = Visits(app.state.database, app.state.session_times)
    app.state.throttle = Throttle(
        settings.throttle_storage_url,
        secret,
        settings.password_checks_at_once,
        settings.software_requests_a_minute,
    )
    app.state.passwords = Passwords(settings.password_checks_at_once)
    app.state.bookmarks = Bookmarks(secret)
    app.state.readiness = Readiness(settings.data_keys, revisions.head())
    app.state.fingerprints = Fingerprints(secret)
    app.state.destinations = Destinations(settings.test_addresses)
    url = settings.public_url
    app.state.public_url = None if url is None else url.rstrip("/")
    token = settings.metrics_token
    app.state.metrics_token = None if token is None else token.get_secret_value().encode()


def _telemetry(traces: "TracerProvider | None") -> TelemetryConfig:
    # logs of the framework would carry the text of exceptions: clients' words
    return {
        "logs": False,
        "metrics": False,
        "auto_configure": False,
        "operation_spans": False,
        "tracing": traces is not None,
        "tracer_provider": traces,
    }


def _traces(settings: Settings) -> "TracerProvider | None":
    """Give where spans are sent from; None: nowhere. Raises ImportError without the extra."""
    if settings.telemetry_endpoint is None:
        return None
    from api.runtime.tracing import to_collector  # noqa: PLC0415 - needs an extra, which few install

    return to_collector(settings.telemetry_endpoint, VERSION)


def _trace_transactions(database: Database, traces: "TracerProvider") -> None:
    from api.runtime.tracing import TransactionSpans  # noqa: PLC0415 - as above

    database.traced = TransactionSpans(traces)


def app_from_environment() -> FastAPI:
    """Build the application from the environment's settings, as each server process does."""
    settings = Settings()
    configure_logs(settings.log_format)
    return create_app(settings)
