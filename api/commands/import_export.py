"""`python -m api import` and `export`: a clinic's records in and out, as its operator does it."""

import asyncio
import csv
import gc
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select

from api.commands.terminal import read_settings, refuse_without_its_key, stop, stop_unanswered
from api.interop.bulk import charsets
from api.interop.bulk.charsets import UnreadableFileError
from api.interop.bulk.columns import all_columns, flatten, line_columns
from api.interop.bulk.export import records_of
from api.interop.bulk.parse import FileLine, read_csv, read_ndjson
from api.interop.bulk.run_import import Order, TooManyLinesError, take_in
from api.interop.bulk.take_batch import Done
from api.runtime.settings import Settings
from api.security.crypto import WrongKeyError
from api.security.normalization import one_address
from api.storage.database import Database
from api.storage.models.people import Clinic, ServiceAccount, User
from api.storage.questions import ClinicContext
from api.storage.transaction import Transaction

_CHUNK = 256 * 1024
_SHOWN = 20

Result = TypeVar("Result")
Item = TypeVar("Item")


class Form(StrEnum):
    """How records are written down."""

    ndjson = "ndjson"
    """A JSON object a line."""
    csv = "csv"
    """Rows under a header."""


class RecordType(StrEnum):
    """What a row is."""

    case = "case"
    incident = "incident"
    promise = "promise"
    consultation = "consultation"


_Clinic = Annotated[UUID, typer.Option(help="The clinic, by its id.")]
_Form = Annotated[
    Form | None, typer.Option("--format", help="Default: by the file's name, else ndjson.")
]


def import_records(
    file: Annotated[Path, typer.Argument(help="The file to read.", exists=True, dir_okay=False)],
    clinic: _Clinic,
    as_: Annotated[
        str,
        typer.Option("--as", help="Who records it: a user's e-mail, or a service account's id."),
    ],
    form: _Form = None,
    kind: Annotated[
        RecordType | None,
        typer.Option("--type", help="What every row is, where no column of a CSV file says it."),
    ] = None,
    charset: Annotated[
        str | None,
        typer.Option(help="How its text is written, such as windows-1252; default: UTF-8."),
    ] = None,
    refusals: Annotated[
        Path | None, typer.Option(help="Write every refusal there, as CSV.", dir_okay=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look only; keep no record.")] = False,  # noqa: FBT002 - an option, by name
) -> None:
    """Take a clinic's records in from a file; 0: every line is in, 1: some were refused.

    It may be broken off and run again: lines that are in stay in, and are known by their keys.
    """
    settings = _ready()
    chosen = form or (Form.csv if file.suffix.lower() == ".csv" else Form.ndjson)
    if charset is not None and not charsets.is_known(charset):
        stop(f"That charset is not read here. {charsets.HOW}")
    source = _Source(file, chosen, kind, charset)
    done = _take_in(settings, source, clinic, as_, refusals, dry_run=dry_run)
    _show(done, dry_run=dry_run)
    if done.refused:
        raise typer.Exit(1)


def export_records(
    clinic: _Clinic,
    file: Annotated[
        Path | None, typer.Argument(help="The file to make; default: standard output.")
    ] = None,
    form: _Form = None,
    kind: Annotated[
        RecordType | None, typer.Option("--type", help="Only records of this type.")
    ] = None,
    as_: Annotated[
        str | None,
        typer.Option("--as", help="Who has it written: a user's e-mail, or an account's id."),
    ] = None,
) -> None:
    """Write a clinic's cases, incidents, promises and consultations, as `import` reads them.

    Every word that is sealed in the database stands in that file: keep it as you would the records.
    """
    settings = _ready()
    is_csv = file is not None and file.suffix.lower() == ".csv"
    chosen = form or (Form.csv if is_csv else Form.ndjson)

    async def run(database: Database, told_to_stop: asyncio.Event) -> tuple[int, int]:
        context, actor_id = await _who(database, clinic, as_)
        with _opened(file) as out:
            write = _writer(out, chosen, kind)
            count = left_out = 0
            batches = records_of(database, context, actor_id=actor_id)
            async for written in _until(told_to_stop, batches):
                lines = [each for each in written.lines if kind in {None, each["type"]}]
                for each in lines:
                    write(each)
                count, left_out = count + len(lines), left_out + written.left_out
        return count, left_out

    count, left_out = _run(settings, run)
    typer.echo(f"Records written: {count}.", err=True)
    if left_out:
        typer.echo(f"Cases left out, because their texts were destroyed: {left_out}.", err=True)
    typer.echo("What is sealed in the database can be read in what was written.", err=True)


def _ready() -> Settings:
    settings = read_settings()
    refuse_without_its_key(settings, settings.database_url)
    return settings


class _BrokenOff(Exception):
    """Somebody told the command to stop."""


def _run(settings: Settings, do: Callable[[Database, asyncio.Event], Awaitable[Result]]) -> Result:
    """Do it until SIGTERM or Ctrl-C; the batch that is under way is finished first."""

    async def run() -> Result:
        told_to_stop = asyncio.Event()
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, told_to_stop.set)
        database = Database(settings.database_url, keys=settings.data_keys, pool_size=2)
        try:
            return await do(database, told_to_stop)
        finally:
            await database.dispose()

    try:
        return asyncio.run(run())
    except _BrokenOff:
        stop("Broken off. What is in stays in; run the same again to go on.")
    except (SQLAlchemyError, WrongKeyError) as error:
        stop_unanswered(error)
    except FileExistsError:
        stop("There is such a file already: nothing is written over.")
    except OSError as error:
        stop(f"The file or the database cannot be reached ({type(error).__name__}).")


async def _until(told_to_stop: asyncio.Event, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
    async for item in items:
        if told_to_stop.is_set():
            raise _BrokenOff
        yield item


async def _who(
    database: Database, clinic: UUID, account: str | None
) -> tuple[ClinicContext, UUID | None]:
    async with database.transaction() as tx:
        await tx.enter(clinic)
        if (await tx.exec(select(Clinic.id).where(Clinic.id == clinic))).first() is None:
            stop("There is no such clinic.")
        await tx.enter_for_work(clinic)
        actor_id = None if account is None else await _account(tx, account)
        return tx.clinic, actor_id


async def _account(tx: Transaction, account: str) -> UUID:
    by_email = select(User.id).where(User.email == one_address(account), User.is_active)
    found: UUID | None = (await tx.exec(by_email)).first()
    if found is None and (account_id := _as_id(account)) is not None:
        asked = select(ServiceAccount.id).where(
            ServiceAccount.id == account_id, ServiceAccount.is_active
        )
        found = (await tx.exec(asked)).first()
    if found is None:
        stop(
            "Nobody of this clinic is called that: give an active user's e-mail, or the id of a "
            "service account."
        )
    return found


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


# --------------------------------------------------------------------------------------- reading


class _Source(NamedTuple):
    """A file, and how it is read."""

    file: Path
    form: Form
    kind: RecordType | None
    charset: str | None

    def lines(self, moved: Callable[[int], None]) -> AsyncIterator[FileLine]:
        chunks = _chunks(self.file, moved)
        if self.form is Form.ndjson:
            return read_ndjson(chunks, self.charset)
        return read_csv(chunks, self.kind and self.kind.value, self.charset)


def _take_in(
    settings: Settings,
    source: _Source,
    clinic: UUID,
    account: str,
    refusals: Path | None,
    *,
    dry_run: bool,
) -> Done:
    async def run(database: Database, told_to_stop: asyncio.Event) -> Done:
        context, actor_id = await _who(database, clinic, account)
        assert actor_id is not None  # noqa: S101 - it was asked for
        order = Order(context, actor_id, source.form.value, dry_run=dry_run)
        # as a server does: the collector need not walk again and again all that was loaded
        gc.collect()
        gc.freeze()
        with _refusals(refusals) as note, _bar(source.file) as moved:

            def tell(done: Done, batch: Done) -> None:
                if note is not None:
                    note(done, batch)
                # lines that were read meanwhile are left for the next time
                if told_to_stop.is_set() and done.row and done.row.finished_at is None:
                    raise _BrokenOff

            lines = _until(told_to_stop, source.lines(moved))
            return await take_in(database, order, lines, tell)

    try:
        return _run(settings, run)
    except UnreadableFileError as error:
        stop(str(error))
    except TooManyLinesError:
        stop("The file has more lines than one import takes. Those before are in: split the rest.")


async def _chunks(file: Path, moved: Callable[[int], None]) -> AsyncIterator[bytes]:
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            moved(len(chunk))
            yield chunk


@contextmanager
def _bar(file: Path) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("reading", total=file.stat().st_size)
        yield lambda size: bar.advance(task, size)


@contextmanager
def _refusals(file: Path | None) -> Iterator[Callable[[Done, Done], None] | None]:
    if file is None:
        yield None
        return
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("line", "pointer", "message"))
        yield lambda _, batch: writer.writerows((number, *why) for number, why in batch.refusals)


def _show(done: Done, *, dry_run: bool) -> None:
    console = Console()
    if dry_run:
        console.print("Looked at only: no record was kept.")
    console.print(
        f"Lines: {done.lines}. Created: {done.created}. Unchanged: {done.unchanged}. "
        f"Refused: {done.refused}."
    )
    if done.flags:
        table = Table("Rule", "Flags opened")
        for rule, count in sorted(done.flags.items()):
            table.add_row(rule, str(count))
        console.print(table)
    if done.refusals:
        table = Table("Line", "Where", "Why")
        for number, refused in done.refusals[:_SHOWN]:
            table.add_row(str(number), refused.pointer, refused.message)
        console.print(table)
    if done.refused > _SHOWN:
        console.print(f"And {done.refused - _SHOWN} more: --refusals FILE writes them all.")


# --------------------------------------------------------------------------------------- writing


@contextmanager
def _opened(file: Path | None) -> Iterator[IO[str]]:
    if file is None:
        yield sys.stdout
        return
    # nobody else on this machine reads it, from its first byte on
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
        yield out


def _writer(out: IO[str], form: Form, kind: RecordType | None) -> Callable[[dict[str, Any]], None]:
    if form is Form.ndjson:

        def write(line: dict[str, Any]) -> None:
            json.dump(line, out, ensure_ascii=False, separators=(",", ":"))
            out.write("\n")

        return write
    names = tuple(line_columns(kind.value)) if kind else all_columns()
    rows = csv.writer(out)
    rows.writerow(names)

    def row(line: dict[str, Any]) -> None:
        cells = flatten(line)
        rows.writerow([cells.get(name, "") for name in names])

    return row
