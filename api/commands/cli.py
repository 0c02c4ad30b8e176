"""The command line: each command of `python -m api`, and how it says what went wrong."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
import uvicorn
from pydantic import SecretStr, TypeAdapter, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from api.commands import records
from api.commands.backups import BackupError, back_up, sqlite_file
from api.commands.backups import restore as put_back
from api.commands.founding import found_clinic
from api.commands.key_rotation import rotate
from api.commands.retention import DueCase, cases_due
from api.commands.retention import purge as purge_cases
from api.commands.rules_page import print_rules
from api.commands.runtime_role import grant_to_runtime_role, why_unsafe
from api.commands.terminal import read_settings, refuse_without_its_key, stop, stop_unanswered
from api.commands.verifying import (
    Difference,
    KeptHeads,
    Verified,
    clinics,
    count_sealed,
    heads_of,
    read_kept_heads,
    verify_clinic,
)
from api.commands.worker import work_until
from api.domain.values import Email, Line, Password, TimeZone
from api.journal.tree_heads import canonical
from api.runtime.logs import configure_logs
from api.runtime.metrics import FOLDER
from api.runtime.settings import Settings, random_secret
from api.runtime.settings import new_data_key as make_data_key
from api.runtime.shutdown import PATIENCE
from api.security.crypto import WrongKeyError
from api.security.outbound_addresses import Destinations
from api.security.tokens import Passwords
from api.storage import migrations
from api.storage.database import Database

app = typer.Typer(
    help="Boundary Notes: case notes for clinicians who keep the frame of psychotherapy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command("import")(records.import_records)
app.command("export")(records.export_records)
app.command("rules")(print_rules)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Serve the API on the configured database."""
    settings = read_settings()
    _refuse_unsafe(settings)
    refuse_without_its_key(settings, settings.database_url)
    _refuse_without_the_extra(settings)
    _say_if_not_migrated(settings)
    configure_logs(settings.log_format)
    with _numbers_kept_together(workers):
        uvicorn.run(
            "api.main:app_from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            # the server's own would show query strings: a client's reference may be there
            access_log=False,
            # what else it says goes the way of our own lines
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=PATIENCE,
        )


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date, and let the role that serves use them."""
    settings = read_settings()
    migrations.migrate(settings.owner_database_url)
    asyncio.run(grant_to_runtime_role(settings.owner_database_url, settings.database_url))
    typer.echo("The database is up to date.")


@app.command()
def bootstrap(
    clinic: Annotated[str, typer.Option(help="The clinic's name.")],
    admin: Annotated[str, typer.Option(help="The e-mail address of its first admin.")],
    time_zone: Annotated[str, typer.Option(help="The clinic's IANA time zone.")] = "UTC",
) -> None:
    """Found a clinic with its first admin; may run again for another clinic."""
    name = _taken_as(Line, clinic, "--clinic is a name of 1 to 200 characters.")
    address = _taken_as(Email, admin, "--admin is an e-mail address.")
    zone = _taken_as(
        TimeZone, time_zone, "--time-zone is one of the IANA database, such as Europe/Berlin."
    )
    settings = read_settings()
    refuse_without_its_key(settings, settings.owner_database_url)
    given = os.environ.get("BN_BOOTSTRAP_PASSWORD") or typer.prompt(
        "Password", hide_input=True, confirmation_prompt=True
    )
    password = _taken_as(Password, given, "A password has 15 to 128 characters.")
    made = _run_as_owner(
        settings, lambda database: _bootstrap(database, name, address, password, zone)
    )
    typer.echo(json.dumps(made))


@app.command()
def worker() -> None:
    """Keep flags up to date, seal the journal and deliver events, beside the server."""
    settings = read_settings()
    _refuse_unsafe(settings)
    refuse_without_its_key(settings, settings.database_url)
    configure_logs(settings.log_format)
    database = Database(settings.database_url, keys=settings.data_keys)
    asyncio.run(_work(database, Destinations(settings.test_addresses)))


_ONE_CLINIC = Annotated[UUID | None, typer.Option(help="Only this clinic, by its id.")]


@app.command()
def verify_journal(
    clinic: _ONE_CLINIC = None,
    heads: Annotated[
        Path | None,
        typer.Option(help="Heads kept elsewhere, as `journal-heads` printed them.", dir_okay=False),
    ] = None,
) -> None:
    """Compare every entry of the journal with its seal; 0: all is as sealed, 1: something is not.

    For each clinic it names the place of the first difference.
    """
    settings = read_settings()
    try:
        kept = read_kept_heads(_heads_of(heads)) if heads else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        stop(f"{heads} does not hold heads as journal-heads prints them ({type(error).__name__}).")
    found = _run_as_owner(settings, lambda database: _verify(database, clinic, kept))
    for each in found:
        if each.difference is not None:
            typer.echo(f"DIFFERENT {each.difference}")
        else:
            typer.echo(
                f"fine clinic {each.clinic_id}: {each.entries} entries under {each.heads} heads; "
                f"{each.not_yet_sealed} not yet sealed"
            )
    if any(each.difference for each in found):
        raise typer.Exit(1)


@app.command()
def journal_heads(clinic: _ONE_CLINIC = None) -> None:
    """Print the journal's signed heads, one JSON object a line, to be kept elsewhere."""
    _run_as_owner(read_settings(), lambda database: _print_heads(database, clinic))


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
    chosen = read_settings()
    refuse_without_its_key(chosen, chosen.owner_database_url)
    _run_as_owner(chosen, lambda database: _rotate(database, clinic_keys=clinic_keys))
    typer.echo("Every clinic's keys are wrapped by the first data key.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The copy to make.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an older copy.")] = False,  # noqa: FBT002 - an option, by name
) -> None:
    """Copy the SQLite database, also while it is served; no data key is in the copy."""
    with _said_in_a_sentence():
        back_up(sqlite_file(read_settings().database_url), file, force=force)
    typer.echo(f"{file.name} is a sound copy. The data keys are not in it: keep them elsewhere.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The copy to put back.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the database.")] = False,  # noqa: FBT002 - as above
) -> None:
    """Put a copy in the place of the SQLite database, while neither server nor worker runs."""
    settings = read_settings()
    names = frozenset() if settings.data_keys is None else settings.data_keys.names
    with _said_in_a_sentence():
        revision = put_back(
            file,
            sqlite_file(settings.database_url),
            revisions=migrations.revisions(),
            data_keys=names,
            force=force,
        )
    typer.echo(f"The database is as it was in {file.name}.")
    if revision != migrations.head():
        typer.echo("Its tables are older than this program: run python -m api migrate.")


@app.command()
def purge(
    clinic: Annotated[UUID | None, typer.Option(help="The id of one clinic.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Destroy, instead of listing only.")] = False,  # noqa: FBT002
) -> None:
    """List the cases past their clinic's retention; with --yes, destroy their texts for good."""
    settings = read_settings()
    refuse_without_its_key(settings, settings.owner_database_url)
    _run_as_owner(settings, lambda database: _purge(database, clinic, destroy=yes))


@app.command()
def openapi(
    against: Annotated[
        Path | None,
        typer.Option(help="Report what would break programs written to this document instead."),
    ] = None,
) -> None:
    """Print the OpenAPI document, or what in it breaks an earlier one."""
    # the whole API is loaded where it is asked for: no other command waits for it
    from api.main import create_app  # noqa: PLC0415
    from api.openapi.compatibility import breaking_changes  # noqa: PLC0415

    document = create_app(Settings(secret_key=random_secret())).openapi()
    if against is None:
        json.dump(document, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    try:
        before = json.loads(against.read_text())
    except (OSError, ValueError):
        stop(f"{against} cannot be read as an OpenAPI document.")
    if broken := breaking_changes(before, document):
        typer.echo("\n".join(broken))
        raise typer.Exit(1)
    typer.echo(f"Nothing breaks what was written to {against.name}.")


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Try the whole product on a throw-away database with fictional cases."""
    from api.commands.demo import run_demo  # noqa: PLC0415 - as above

    run_demo(port)


async def _work(database: Database, destinations: Destinations) -> None:
    """Work until SIGTERM or Ctrl-C; what is under way is finished first."""
    told_to_stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, told_to_stop.set)
    await work_until(told_to_stop, database, destinations)


async def _rotate(database: Database, *, clinic_keys: bool) -> None:
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("clinics")
        async for done, total in rotate(database, clinic_keys=clinic_keys):
            bar.update(task, completed=done, total=total)


Result = TypeVar("Result")


def _run_as_owner(settings: Settings, do: Callable[[Database], Awaitable[Result]]) -> Result:
    """Do something that is about all clinics. Stops where the database cannot be asked for it."""

    async def run() -> Result:
        database = Database(settings.owner_database_url, keys=settings.data_keys, pool_size=2)
        try:
            return await do(database)
        finally:
            await database.dispose()

    try:
        return asyncio.run(run())
    except (OSError, SQLAlchemyError, WrongKeyError) as error:
        stop_unanswered(error)


async def _verify(database: Database, clinic: UUID | None, kept: KeptHeads) -> list[Verified]:
    here = await _clinics(database, clinic)
    gone = sorted(kept.keys() - here) if clinic is None else []
    found = [
        Verified(each, 0, 0, 0, Difference(each, None, None, "its heads were kept, and it is gone"))
        for each in gone
    ]
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        for number, each in enumerate(here, 1):
            total = await count_sealed(database, each)
            task = progress.add_task(f"clinic {number} of {len(here)}", total=total)
            advance = partial(progress.advance, task)
            found.append(await verify_clinic(database, each, kept.get(each), advance))
            progress.update(task, visible=number == len(here))
    return found


async def _print_heads(database: Database, clinic: UUID | None) -> None:
    for each in await _clinics(database, clinic):
        async with aclosing(heads_of(database, each)) as heads:
            async for head in heads:
                typer.echo(canonical(head.as_json()))


async def _clinics(database: Database, clinic: UUID | None) -> list[UUID]:
    here = await clinics(database)
    if not here:
        stop("No clinic is seen. On PostgreSQL, BN_MIGRATE_DATABASE_URL must be the owner's.")
    if clinic is not None and clinic not in here:
        stop("There is no such clinic.")
    return here if clinic is None else [clinic]


def _heads_of(path: Path) -> Iterator[dict[str, Any]]:
    """Give the heads in a file: one a line, or pages of them as the API gives them."""
    with path.open() as lines:
        for line in filter(str.strip, lines):
            read = json.loads(line)
            yield from read.get("items", [read])


def _taken_as(kind: Any, given: str, wanted: str) -> Any:
    """Take what was given as the API would take it; where it would not, stop and say why."""
    try:
        return TypeAdapter(kind).validate_python(given)
    except ValidationError:
        stop(wanted)


async def _bootstrap(
    database: Database, clinic: str, admin: str, password: SecretStr, time_zone: str
) -> dict[str, str]:
    password_hash = await Passwords(1).hash(password.get_secret_value())
    async with database.transaction() as tx:
        clinic_id, user_id = await found_clinic(
            tx,
            database.keyring,
            name=clinic,
            admin_email=admin,
            password_hash=password_hash,
            time_zone=time_zone,
        )
    return {"clinic_id": str(clinic_id), "user_id": str(user_id)}


async def _purge(database: Database, clinic: UUID | None, *, destroy: bool) -> None:
    due = await cases_due(database, clinic)
    _show_due(due)
    if not destroy:
        typer.echo(f"Cases whose texts are due: {len(due)}. Nothing was destroyed: add --yes.")
        return
    done = await purge_cases(database, due)
    typer.echo(f"Cases whose texts were destroyed: {done}.")


def _show_due(due: list[DueCase]) -> None:
    table = Table("Clinic")
    for title in ("Case", "Ended on", "Voided on"):
        table.add_column(title, no_wrap=True)
    for each in due:
        days = (str(day) if day else "" for day in (each.ended_on, each.voided_on))
        table.add_row(escape(each.clinic), str(each.case_id), *days)
    Console().print(table)


def _refuse_unsafe(settings: Settings) -> None:
    """Stop where the database's role could read over the walls between clinics."""
    try:
        reason = asyncio.run(why_unsafe(settings.database_url))
    except (OSError, SQLAlchemyError) as error:
        # without its text: the address may hold a password
        stop(f"The database in BN_DATABASE_URL cannot be reached ({type(error).__name__}).")
    if reason is not None:
        stop(f"{reason} The roles to make are in docs/production.md.")


def _say_if_not_migrated(settings: Settings) -> None:
    """Say that it will not be ready before the tables are; while they are changed, it may serve."""
    database = Database(settings.database_url)

    async def revision() -> object:
        try:
            async with database.transaction() as tx:
                return (await tx.ask_everywhere(migrations.REVISION)).scalar()
        finally:
            await database.dispose()

    try:
        is_expected = asyncio.run(revision()) == migrations.head()
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


@contextlib.contextmanager
def _said_in_a_sentence() -> Iterator[None]:
    try:
        yield
    except BackupError as error:
        stop(str(error))
    except OSError as error:
        stop(f"That file cannot be read or written ({type(error).__name__}).")
