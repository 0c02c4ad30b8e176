"""When somebody was here: a session that is used stays, and what is new since then is marked."""

from collections import OrderedDict
from datetime import datetime, timedelta
from uuid import UUID

from api.access.sessions import SessionTimes, keep_browser_session, last_visit
from api.security.browser_tokens import BrowserToken
from api.storage.database import Database

_OFTEN = timedelta(minutes=5)
"""How often the end of a session that is used is put off: as a client refreshes its token."""


class Visits:
    """What this process remembers of sessions, so that not every page writes or asks anew.

    Nothing rests on it: how a session stands is read at each request.
    """

    def __init__(self, database: Database, times: SessionTimes, most: int = 4_000) -> None:
        self._database = database
        self._times = times
        # a session that may rest for less than that is not to end while it is used
        self._often = min(_OFTEN, times.idle / 2)
        self._kept: OrderedDict[UUID, datetime] = OrderedDict()
        self._last: OrderedDict[UUID, datetime | None] = OrderedDict()
        self._most = most

    async def note(self, token: BrowserToken, request_id: str) -> None:
        """Put off the end of a session that is used, if that was not done a moment ago."""
        now = self._database.clock()
        if token.session_id in self._kept and now - self._kept[token.session_id] < self._often:
            return
        async with self._database.transaction(request_id) as tx:
            await tx.enter_for_work(token.clinic_id)
            if await keep_browser_session(tx, token, self._times):
                _remember(self._kept, token.session_id, now, self._most)

    async def before(self, token: BrowserToken) -> datetime | None:
        """Give when somebody was last here before this session; None: never."""
        if token.session_id not in self._last:
            async with self._database.transaction(looks=True) as tx:
                await tx.enter_for_work(token.clinic_id)
                _remember(self._last, token.session_id, await last_visit(tx, token), self._most)
        return self._last[token.session_id]


def _remember(
    known: "OrderedDict[UUID, datetime | None] | OrderedDict[UUID, datetime]",
    session: UUID,
    at: datetime | None,
    most: int,
) -> None:
    known[session] = at  # type: ignore[assignment]
    known.move_to_end(session)
    if len(known) > most:
        known.popitem(last=False)
