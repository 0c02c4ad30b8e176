"""How many accounts wait for somebody, told beside the way to them; remembered for a moment."""

from collections import OrderedDict
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from api.access.waiting_accounts import count_unread
from api.domain.permissions.table import Actor
from api.domain.vocabulary import Role
from api.storage.database import Database

_A_MOMENT = timedelta(minutes=1)
"""How long a number may be told that has changed since."""


class Waiting:
    """The numbers that this process has counted, so that not every page counts anew."""

    def __init__(self, database: Database, most: int = 4_000) -> None:
        self._database = database
        self._known: OrderedDict[tuple[UUID, Role], tuple[int, datetime]] = OrderedDict()
        self._most = most

    async def of(self, clinic_id: UUID, zone: ZoneInfo, me: Actor) -> int:
        """Give how many accounts that are addressed to somebody nobody has read yet."""
        now = self._database.clock()
        number, until = self._known.get((me.id, me.role), (0, now))
        if now < until:
            return number
        async with self._database.transaction(looks=True) as tx:
            await tx.enter(clinic_id, zone)
            number = await count_unread(tx, me)
        self._known[me.id, me.role] = number, now + _A_MOMENT
        self._known.move_to_end((me.id, me.role))
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return number

    def forget(self, me: Actor) -> None:
        """Count anew next time: they are about to read, and to see that it is so."""
        self._known.pop((me.id, me.role), None)
