"""Verifies the journal against its seals, and prints the heads to be kept elsewhere."""

import json
import sys
from collections.abc import Iterator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import Progress

from api.commands.terminal import read_settings, run_as_owner, stop
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
from api.journal.tree_heads import canonical
from api.storage.database import Database

_ONE_CLINIC = Annotated[UUID | None, typer.Option(help="Only this clinic, by its id.")]


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
    found = run_as_owner(settings, lambda database: _verify(database, clinic, kept))
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


def journal_heads(clinic: _ONE_CLINIC = None) -> None:
    """Print the journal's signed heads, one JSON object a line, to be kept elsewhere."""
    run_as_owner(read_settings(), lambda database: _print_heads(database, clinic))


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
