"""How a command learns its settings, works on all clinics, and says why it does not go on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import typer
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from api.commands.runtime_role import why_unsafe
from api.runtime.settings import Settings
from api.security.crypto import WrongKeyError
from api.storage.database import Database
from api.storage.key_check import why_not_opened

Result = TypeVar("Result")


def read_settings() -> Settings:
    """Read the environment's settings. Stops where they do not hold."""
    try:
        return Settings()
    except ValidationError as error:
        # never the values: one of them may be a secret
        said = (problem["msg"] for problem in error.errors(include_input=False))
        stop("; ".join(each.removeprefix("Value error, ") for each in said))


def refuse_unsafe(settings: Settings) -> None:
    """Stop where the database's role could read over the walls between clinics."""
    try:
        reason = asyncio.run(why_unsafe(settings.database_url))
    except (OSError, SQLAlchemyError) as error:
        # without its text: the address may hold a password
        stop(f"The database in BN_DATABASE_URL cannot be reached ({type(error).__name__}).")
    if reason is not None:
        stop(f"{reason} The roles to make are in docs/production.md.")


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


def run_as_owner(settings: Settings, do: Callable[[Database], Awaitable[Result]]) -> Result:
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
