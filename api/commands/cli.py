"""The command line: the commands of `python -m api`, in the order in which its help tells them."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.commands import import_export
from api.commands.install import bootstrap, migrate, new_data_key
from api.commands.journal_checks import journal_heads, verify_journal
from api.commands.maintenance import backup, purge, restore, rotate_keys
from api.commands.rules_page import print_rules
from api.commands.serve import serve, worker
from api.commands.terminal import stop
from api.runtime.settings import Settings, random_secret


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
    from api.openapi.documents import document_of  # noqa: PLC0415

    document = document_of(create_app(Settings(secret_key=random_secret())))
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


def demo(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Try the whole product on a throw-away database with fictional cases."""
    from api.commands.demo import run_demo  # noqa: PLC0415 - as above

    run_demo(port)


app = typer.Typer(
    help="Boundary Notes: case notes for clinicians who keep the frame of psychotherapy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("import")(import_export.import_records)
app.command("export")(import_export.export_records)
app.command("rules")(print_rules)
for command in (
    serve,
    migrate,
    bootstrap,
    worker,
    verify_journal,
    journal_heads,
    new_data_key,
    rotate_keys,
    backup,
    restore,
    purge,
    openapi,
    demo,
):
    app.command()(command)
