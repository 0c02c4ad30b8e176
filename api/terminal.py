"""How a command learns its settings, and says in a sentence why it does not go on."""

import asyncio
from typing import NoReturn

import typer
from pydantic import ValidationError

from api.rotation import why_not_opened
from api.settings import Settings


def read_settings() -> Settings:
    """Read the environment's settings. Stops where they do not hold."""
    try:
        return Settings()
    except ValidationError as error:
        # never the values: one of them may be a secret
        stop("; ".join(problem["msg"] for problem in error.errors(include_input=False)))


def refuse_without_its_key(settings: Settings, url: str) -> None:
    """Stop where the data key set would not open what stands in the database."""
    try:
        reason = asyncio.run(why_not_opened(settings, url))
    except OSError as error:
        stop(f"The database cannot be reached ({type(error).__name__}).")
    if reason is not None:
        stop(reason)


def stop(reason: str) -> NoReturn:
    """Say why not, and leave with 2."""
    typer.echo(reason, err=True)
    raise typer.Exit(2)
