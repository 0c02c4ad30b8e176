"""The command `openapi`: builds the document of the API, and says what would break its readers."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.commands.terminal import stop
from api.main import create_app
from api.openapi.compatibility import breaking_changes
from api.openapi.documents import document_of
from api.runtime.settings import Settings, random_secret


def openapi(
    against: Annotated[
        Path | None,
        typer.Option(help="Report what would break programs written to this document instead."),
    ] = None,
) -> None:
    """Print the OpenAPI document, or what in it breaks an earlier one."""
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
