"""Makes what a clinic begins with: the tables, a data key, and its first admin."""

import asyncio
import json
import os
from typing import Annotated, Any

import typer
from pydantic import SecretStr, TypeAdapter, ValidationError

from api.commands.founding import found_clinic
from api.commands.runtime_role import grant_to_runtime_role
from api.commands.terminal import read_settings, refuse_without_its_key, run_as_owner, stop
from api.domain.values import Email, Line, Password, TimeZone
from api.runtime.settings import new_data_key as make_data_key
from api.security.tokens import Passwords
from api.storage import migrations
from api.storage.database import Database


def migrate() -> None:
    """Bring the database's tables up to date, and let the role that serves use them."""
    settings = read_settings()
    migrations.migrate(settings.owner_database_url)
    asyncio.run(grant_to_runtime_role(settings.owner_database_url, settings.database_url))
    typer.echo("The database is up to date.")


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
    made = run_as_owner(
        settings, lambda database: _bootstrap(database, name, address, password, zone)
    )
    typer.echo(json.dumps(made))


def new_data_key() -> None:
    """Print a new data key, for BN_DATA_KEY or a line of BN_DATA_KEY_FILE."""
    typer.echo(make_data_key())


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
