"""Whether the process lives, and whether it is ready to answer."""

from time import monotonic
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from api.domain.errors import Unavailable
from api.domain.time_zones import RELEASE
from api.domain.values import Output
from api.http.strict_route import StrictRoute
from api.runtime.shutdown import Gate
from api.security.crypto import KeyEncryptionKeys
from api.storage.database import Database
from api.storage.key_check import names_in_use
from api.storage.revisions import REVISION
from api.storage.transaction import Transaction

KEYS_LOOKED_AT_EVERY = 10
"""Seconds for which the data keys that were in use are taken to be those that are."""

router = APIRouter(tags=["health"], route_class=StrictRoute)


class Health(Output):
    """All is well."""

    status: Literal["ok"]


class Detail(Output):
    """What may differ between servers, and should not."""

    time_zones: str = Field(
        description="The release of the IANA time zone database that days are told by."
    )


class Ready(Health):
    """All is well, and so is the database."""

    detail: Detail


class Readiness:
    """What this process expects of the database: its tables' revision, and keys that unwrap."""

    def __init__(self, keys: KeyEncryptionKeys | None, revision: str) -> None:
        self._names = frozenset() if keys is None else keys.names
        self.revision = revision
        self._unlocked_until = 0.0

    async def is_met(self, tx: Transaction) -> bool:
        """Tell whether it is as expected. Raises SQLAlchemyError, OSError: it does not answer."""
        (revision,) = (await tx.ask_everywhere(REVISION)).one()
        return revision == self.revision and await self._unlocks(tx)

    async def _unlocks(self, tx: Transaction) -> bool:
        if monotonic() < self._unlocked_until:
            return True
        in_use = await names_in_use(tx)
        if in_use <= self._names:
            self._unlocked_until = monotonic() + KEYS_LOOKED_AT_EVERY
        return in_use <= self._names


@router.get("/healthz")
async def is_alive() -> Health:
    """Tell that the process answers."""
    return Health(status="ok")


@router.get("/readyz")
async def is_ready(request: Request) -> Ready:
    """Tell that the database answers with the tables and keys that are expected; else 503.

    A process that was told to leave is not ready either.
    """
    gate: Gate = request.app.state.gate
    database: Database = request.app.state.database
    readiness: Readiness = request.app.state.readiness
    if gate.closing:
        raise Unavailable
    try:
        async with database.transaction() as tx:
            is_met = await readiness.is_met(tx)
    except (SQLAlchemyError, OSError) as error:
        raise Unavailable from error
    if not is_met:
        raise Unavailable
    return Ready(status="ok", detail=Detail(time_zones=RELEASE))
