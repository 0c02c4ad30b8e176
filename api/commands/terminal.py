"""How a command learns its settings, and says in a sentence why it does not go on."""

import asyncio
from typing import NoReturn

import typer
from pydantic import ValidationError

from api.runtime.settings import Settings
from api.storage.key_check import why_not_opened


def read_settings() -> Settings:
    """Read the environment's settings. Stops where they do not hold."""
    try:
        return Settings()
    except ValidationError as error:
        # never the values: one of them may be a secret
        said = (problem["msg"] for problem in error.errors(include_input=False))
        stop("; ".join(each.removeprefix("Value error, ") for each in said))


def refuse_without_its_key(settings: Settings, url: str) -> None:
    """Stop where the data key set would not open what stands in the database."""
    try:
        reason = asyncio.run(why_not_opened(settings, url))
    except OSError as error:
        stop(f"The database cannot be reached ({type(error).__name__}).")
    if reason is not None:
        stop(reason)


def stop_unanswered(error: Exception) -> NoReturn:
    """Say that the database refused what was asked, without its text: the address may be in it."""
    stop(
        f"The database does not answer what is asked ({type(error).__name__}). Where its tables "
        "are not there yet, make them with: python -m api migrate"
    )


def stop(reason: str) -> NoReturn:
    """Say why not, and leave with 2."""
    typer.echo(reason, err=True)
    raise typer.Exit(2)
