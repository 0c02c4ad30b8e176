"""Is the right data key set? Asked of all clinics at once."""

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from api.runtime.settings import NO_DATA_KEY, Settings
from api.storage.database import Database
from api.storage.models.people import ClinicKey
from api.storage.questions import AcrossClinics
from api.storage.transaction import Transaction

_NAMES_IN_USE = AcrossClinics(
    plain=sa.select(col(ClinicKey.wrapped_by)).distinct(),
    guarded=sa.text("SELECT name FROM data_key_names()"),
)


async def names_in_use(tx: Transaction) -> set[str]:
    """Name the data keys that the clinics' keys are wrapped by."""
    return {name for (name,) in await tx.ask_everywhere(_NAMES_IN_USE)}


async def why_not_opened(settings: Settings, url: str) -> str | None:
    """Say why this database's texts could not be read with the data key set. None: they can be."""
    if settings.data_keys is None:
        return NO_DATA_KEY
    database = Database(url, keys=settings.data_keys)
    try:
        async with database.transaction() as tx:
            missing = await names_in_use(tx) - settings.data_keys.names
    except DBAPIError:
        # not migrated yet: the server starts, and says that it is not ready
        return None
    finally:
        await database.dispose()
    if missing:
        return (
            "BN_DATA_KEY is not the key that this database was sealed with: "
            f"it needs {', '.join(sorted(missing))}, and nothing of it can be read without."
        )
    return None
