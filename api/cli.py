"""The command line: serve, migrate, bootstrap, worker, backup, restore, openapi, demo."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import uvicorn
from alembic import command
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress
from sqlalchemy.exc import SQLAlchemyError

from api.backups import BackupError, back_up, sqlite_file
from api.backups import restore as put_back
from api.db import Database
from api.demo import run_demo
from api.founding import found_clinic
from api.gate import PATIENCE
from api.logs import configure_logs
from api.main import create_app, known_revisions, migration_head, migrations
from api.rotation import rotate, why_not_opened
from api.runtime_role import grant_to_runtime_role, why_unsafe
from api.settings import Settings, random_secret
from api.settings import new_data_key as make_data_key
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
    settings = _settings()
    _refuse_unsafe(settings)
    _refuse_without_its_key(settings, settings.database_url)
    uvicorn.run(
        "api.main:app_from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        # the server's own access log would show query strings: a client's reference may be there
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=PATIENCE,
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
    _refuse_without_its_key(settings, settings.owner_database_url)
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
    _refuse_without_its_key(settings, settings.database_url)
    configure_logs()
    asyncio.run(
        _until_stopped(work_for_ever(Database(settings.database_url, keys=settings.data_keys)))
    )


@app.command()
def new_data_key() -> None:
    """Print a new data key, for BN_DATA_KEY or a line of BN_DATA_KEY_FILE."""
    typer.echo(make_data_key())


@app.command()
def rotate_keys(
    *,
    clinic_keys: Annotated[
        bool, typer.Option("--clinic-keys", help="Also give each clinic a new text key.")
    ] = False,
) -> None:
    """Wrap every clinic's keys with the first of the data keys; the others may then go."""
    chosen = _settings()
    _refuse_without_its_key(chosen, chosen.owner_database_url)
    database = Database(chosen.owner_database_url, keys=chosen.data_keys)
    asyncio.run(_rotate(database, clinic_keys=clinic_keys))
    typer.echo("Every clinic's keys are wrapped by the first data key.")


def backup(
    file: Annotated[Path, typer.Argument(help="The copy to make.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an older copy.")] = False,  # noqa: FBT002 - an option, by name
) -> None:
    """Copy the SQLite database, also while it is served; no data key is in the copy."""
    with _said_in_a_sentence():
        back_up(sqlite_file(_settings().database_url), file, force=force)
    typer.echo(f"{file.name} is a sound copy. The data keys are not in it: keep them elsewhere.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The copy to put back.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the database.")] = False,  # noqa: FBT002 - as above
) -> None:
    """Put a copy in the place of the SQLite database, while neither server nor worker runs."""
    settings = _settings()
    names = frozenset() if settings.data_keys is None else settings.data_keys.names
    with _said_in_a_sentence():
        revision = put_back(
            file,
            sqlite_file(settings.database_url),
            revisions=known_revisions(),
            data_keys=names,
            force=force,
        )
    typer.echo(f"The database is as it was in {file.name}.")
    if revision != migration_head():
        typer.echo("Its tables are older than this program: run python -m api migrate.")


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


async def _rotate(database: Database, *, clinic_keys: bool) -> None:
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("clinics")
        async for done, total in rotate(database, clinic_keys=clinic_keys):
            bar.update(task, completed=done, total=total)
    await database.dispose()


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


def _refuse_without_its_key(settings: Settings, url: str) -> None:
    """Stop where the data key set would not open what stands in the database."""
    if (reason := asyncio.run(why_not_opened(settings, url))) is not None:
        _stop(reason)


@contextlib.contextmanager
def _said_in_a_sentence() -> Iterator[None]:
    try:
        yield
    except BackupError as error:
        _stop(str(error))
    except OSError as error:
        _stop(f"That file cannot be read or written ({type(error).__name__}).")


def _stop(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(2)
