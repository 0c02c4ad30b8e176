"""What people are called who are named on pages, remembered for a moment."""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from api.access.actor_names import known_by
from api.storage.database import Database

_A_MOMENT = timedelta(minutes=1)
"""How long a name may be told that has changed since."""


class Names:
    """The names of people of each clinic, by their ids; never an address.

    Only asked for ids that the API has shown to whoever reads the page.
    """

    def __init__(self, database: Database, most: int = 4_000) -> None:
        self._database = database
        self._known: OrderedDict[tuple[UUID, str], tuple[str, datetime]] = OrderedDict()
        self._most = most

    async def of(self, clinic_id: UUID, ids: Iterable[str]) -> dict[str, str]:
        """Give the names of those who are known at a clinic."""
        now = self._database.clock()
        told: dict[str, str] = {}
        unknown = set()
        for each in ids:
            name, until = self._known.get((clinic_id, each), ("", now))
            if now < until:
                told[each] = name
            else:
                unknown.add(UUID(each))
        if unknown:
            async with self._database.transaction(looks=True) as tx:
                await tx.enter(clinic_id)
                found = await known_by(tx, unknown)
            for person_id, person in found.items():
                told[str(person_id)] = person.name
                self._remember(clinic_id, str(person_id), person.name, now + _A_MOMENT)
        return told

    def _remember(self, clinic_id: UUID, person_id: str, name: str, until: datetime) -> None:
        self._known[clinic_id, person_id] = name, until
        self._known.move_to_end((clinic_id, person_id))
        if len(self._known) > self._most:
            self._known.popitem(last=False)
