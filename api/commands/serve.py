"""The command `serve`: what would make a server unsafe is refused first."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from api.commands.terminal import read_settings, refuse_unsafe, refuse_without_its_key, stop
from api.runtime.logs import configure_logs
from api.runtime.metrics import FOLDER
from api.runtime.settings import Settings
from api.runtime.shutdown import PATIENCE
from api.storage import revisions
from api.storage.database import Database


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Serve the API on the configured database."""
    settings = read_settings()
    refuse_unsafe(settings)
    refuse_without_its_key(settings, settings.database_url)
    _refuse_without_the_extra(settings)
    _say_if_not_migrated(settings)
    configure_logs(settings.log_format)
    with _numbers_kept_together(workers):
        uvicorn.run(
            "api.commands.server_process:app",
            factory=True,
            host=host,
            port=port,
            # the API has none of these, and what would speak them need not be loaded
            ws="none",
            workers=workers,
            # the server's own would show query strings: a client's reference may be there
            access_log=False,
            # what else it says goes the way of our own lines
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=PATIENCE,
        )


def _say_if_not_migrated(settings: Settings) -> None:
    """Say that it will not be ready before the tables are; while they are changed, it may serve."""
    database = Database(settings.database_url)

    async def revision() -> object:
        try:
            async with database.transaction() as tx:
                return (await tx.ask_everywhere(revisions.REVISION)).scalar()
        finally:
            await database.dispose()

    try:
        is_expected = asyncio.run(revision()) == revisions.head()
    except (OSError, SQLAlchemyError):
        is_expected = False
    if not is_expected:
        expected = "The tables are not those that this program expects"
        typer.echo(f"{expected}: not ready before python -m api migrate.", err=True)


def _refuse_without_the_extra(settings: Settings) -> None:
    """Stop where traces are asked for and what sends them is not installed."""
    if settings.telemetry_endpoint is None:
        return
    try:
        import_module("api.runtime.tracing")
    except ImportError:
        stop(
            "BN_TELEMETRY_ENDPOINT needs two more packages: "
            "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        )


@contextlib.contextmanager
def _numbers_kept_together(workers: int) -> Iterator[None]:
    """Let several processes write their numbers into one folder, which is gone afterwards."""
    if workers == 1:
        os.environ.pop(FOLDER, None)
        yield
        return
    with TemporaryDirectory(prefix="bn-metrics-") as folder:
        os.environ[FOLDER] = folder
        yield
