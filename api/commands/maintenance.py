"""The commands `backup`, `restore`, `rotate-keys` and `purge`, as their operator meets them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from api.commands.backups import BackupError, back_up, sqlite_file
from api.commands.backups import restore as put_back
from api.commands.key_rotation import rotate
from api.commands.retention import DueCase, cases_due
from api.commands.retention import purge as purge_cases
from api.commands.terminal import read_settings, refuse_without_its_key, run_as_owner, stop
from api.storage import migrations, revisions
from api.storage.database import Database


def rotate_keys(
    *,
    clinic_keys: Annotated[
        bool, typer.Option("--clinic-keys", help="Also give each clinic a new text key.")
    ] = False,
) -> None:
    """Wrap every clinic's keys with the first of the data keys; the others may then go."""
    chosen = read_settings()
    refuse_without_its_key(chosen, chosen.owner_database_url)
    run_as_owner(chosen, lambda database: _rotate(database, clinic_keys=clinic_keys))
    typer.echo("Every clinic's keys are wrapped by the first data key.")


def backup(
    file: Annotated[Path, typer.Argument(help="The copy to make.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an older copy.")] = False,  # noqa: FBT002 - an option, by name
) -> None:
    """Copy the SQLite database, also while it is served; no data key is in the copy."""
    with _said_in_a_sentence():
        back_up(sqlite_file(read_settings().database_url), file, force=force)
    typer.echo(f"{file.name} is a sound copy. The data keys are not in it: keep them elsewhere.")


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
    typer.echo(
        "Every invitation to a client's door has ended; a receipt that was thrown away since lives "
        "again."
    )
    if revision != revisions.head():
        typer.echo("Its tables are older than this program: run python -m api migrate.")


def purge(
    clinic: Annotated[UUID | None, typer.Option(help="The id of one clinic.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Destroy, instead of listing only.")] = False,  # noqa: FBT002
) -> None:
    """List the cases past their clinic's retention; with --yes, destroy their texts for good."""
    settings = read_settings()
    refuse_without_its_key(settings, settings.owner_database_url)
    run_as_owner(settings, lambda database: _purge(database, clinic, destroy=yes))


async def _rotate(database: Database, *, clinic_keys: bool) -> None:
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("clinics")
        async for done, total in rotate(database, clinic_keys=clinic_keys):
            bar.update(task, completed=done, total=total)


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


@contextlib.contextmanager
def _said_in_a_sentence() -> Iterator[None]:
    try:
        yield
    except BackupError as error:
        stop(str(error))
    except OSError as error:
        stop(f"That file cannot be read or written ({type(error).__name__}).")
