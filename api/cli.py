"""The command line: serve, migrate, bootstrap, worker, purge, openapi, demo."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, NoReturn
from uuid import UUID

import typer
import uvicorn
from alembic import command
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from api.db import Database
from api.demo import run_demo
from api.founding import found_clinic
from api.logs import configure_logs
from api.main import create_app, migrations
from api.retention import DueCase, cases_due
from api.retention import purge as purge_cases
from api.runtime_role import grant_to_runtime_role, why_unsafe
from api.settings import Settings, random_secret
from api.tokens import Passwords
from api.worker import work_for_ever

SHORTEST_PASSWORD = 15
LONGEST_PASSWORD = 128

app = typer.Typer(
    help="Boundary Notes: case notes for clinicians who keep the frame of psychotherapy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Serve the API on the configured database."""
    _refuse_unsafe(_settings())
    uvicorn.run(
        "api.main:app_from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        # the server's own access log would show query strings: a client's reference may be there
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date, and let the role that serves use them."""
    settings = _settings()
    config = migrations()
    config.attributes["url"] = settings.owner_database_url
    command.upgrade(config, "head")
    asyncio.run(grant_to_runtime_role(settings.owner_database_url, settings.database_url))
    typer.echo("The database is up to date.")


@app.command()
def bootstrap(
    clinic: Annotated[str, typer.Option(help="The clinic's name.")],
    admin: Annotated[str, typer.Option(help="The e-mail address of its first admin.")],
    time_zone: Annotated[str, typer.Option(help="The clinic's IANA time zone.")] = "UTC",
) -> None:
    """Found a clinic with its first admin; may run again for another clinic."""
    settings = _settings()
    password = os.environ.get("BN_BOOTSTRAP_PASSWORD") or typer.prompt(
        "Password", hide_input=True, confirmation_prompt=True
    )
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        _stop(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    made = asyncio.run(_bootstrap(settings, clinic, admin.strip().lower(), password, time_zone))
    typer.echo(json.dumps(made))


@app.command()
def worker() -> None:
    """Keep flags up to date each minute, beside the server."""
    settings = _settings()
    _refuse_unsafe(settings)
    configure_logs()
    asyncio.run(
        _until_stopped(work_for_ever(Database(settings.database_url, keys=settings.data_keys)))
    )


@app.command()
def purge(
    clinic: Annotated[UUID | None, typer.Option(help="The id of one clinic.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Destroy, instead of listing only.")] = False,  # noqa: FBT002
) -> None:
    """List the cases past their clinic's retention; with --yes, destroy their texts for good."""
    settings = _settings()
    if settings.data_keys is None:
        _stop("Set BN_DATA_KEY or BN_DATA_KEY_FILE: what is due is asked of the records.")
    asyncio.run(_purge(settings, clinic, destroy=yes))


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    document = create_app(Settings(secret_key=random_secret())).openapi()
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Try the whole product on a throw-away database with fictional cases."""
    run_demo(port)


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Work until SIGTERM or Ctrl-C; what is under way is rolled back, and done by the next one."""
    task = asyncio.ensure_future(work)
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _bootstrap(
    settings: Settings, clinic: str, admin: str, password: str, time_zone: str
) -> dict[str, str]:
    password_hash = await Passwords(1).hash(password)
    database = Database(settings.owner_database_url, keys=settings.data_keys)
    async with database.transaction() as tx:
        clinic_id, user_id = await found_clinic(
            tx,
            database.keyring,
            name=clinic,
            admin_email=admin,
            password_hash=password_hash,
            time_zone=time_zone,
        )
    await database.dispose()
    return {"clinic_id": str(clinic_id), "user_id": str(user_id)}


async def _purge(settings: Settings, clinic: UUID | None, *, destroy: bool) -> None:
    database = Database(settings.owner_database_url, keys=settings.data_keys)
    try:
        due = await cases_due(database, clinic)
        _show_due(due)
        if not destroy:
            typer.echo(f"Cases whose texts are due: {len(due)}. Nothing was destroyed: add --yes.")
            return
        done = await purge_cases(database, due)
        typer.echo(f"Cases whose texts were destroyed: {done}.")
    finally:
        await database.dispose()


def _show_due(due: list[DueCase]) -> None:
    table = Table("Clinic")
    for title in ("Case", "Ended on", "Voided on"):
        table.add_column(title, no_wrap=True)
    for each in due:
        days = (str(day) if day else "" for day in (each.ended_on, each.voided_on))
        table.add_row(escape(each.clinic), str(each.case_id), *days)
    Console().print(table)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        # never the values: one of them may be a secret
        _stop("; ".join(problem["msg"] for problem in error.errors(include_input=False)))


def _refuse_unsafe(settings: Settings) -> None:
    """Stop where the database's role could read over the walls between clinics."""
    try:
        reason = asyncio.run(why_unsafe(settings.database_url))
    except (OSError, SQLAlchemyError) as error:
        # without its text: the address may hold a password
        _stop(f"The database in BN_DATABASE_URL cannot be reached ({type(error).__name__}).")
    if reason is not None:
        _stop(f"{reason} The README's production part has the roles to make.")


def _stop(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(2)
