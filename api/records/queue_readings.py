"""How far somebody has read the queue of flagged cases, which moves while they read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col

from api.access.visibility.triaged import Triaged
from api.domain.vocabulary import SEVERITY_ORDER, severity_rank
from api.flags.triage import NOTHING_WAITS, level_of, severity_of
from api.storage.models.clinical import Case

_NO_RANK = -1
"""How a cursor writes that nothing waits on a case."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the queue, as its order has it."""

    level: int
    due_at: datetime
    case_id: UUID

    @property
    def order(self) -> tuple[int, datetime, str]:
        """What comes first has the least."""
        return self.level, self.due_at, self.case_id.hex

    def following(self, by: Triaged) -> ColumnElement[bool]:
        """Say in SQL what comes after this place."""
        return and_(
            # what an index can begin with
            by.level >= self.level,
            or_(
                by.level > self.level,
                by.due_at > self.due_at,
                and_(by.due_at == self.due_at, col(Case.id) > self.case_id),
            ),
        )

    def as_key(self, at: datetime) -> list[Any]:
        """Write it into a cursor, with an instant."""
        severity = severity_of(self.level)
        rank = _NO_RANK if severity is None else severity_rank(severity)
        return [rank, self.due_at, self.case_id, at]


def _read_key(rank: int, due: str, case_id: str, at: str) -> tuple[Place, datetime]:
    """Read what `as_key` wrote."""
    level = NOTHING_WAITS if rank == _NO_RANK else level_of(SEVERITY_ORDER[rank])
    place = Place(level, datetime.fromisoformat(due), UUID(case_id))
    return place, datetime.fromisoformat(at)


WorseSince = Callable[[Triaged, datetime], ColumnElement[bool]]
"""Says in SQL which cases may have moved up since an instant."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far somebody has read the queue.

    Up to `place` they were shown all there was at `at`. A case that has got worse since may stand
    before it now, so it comes first on the next page. Where a page has no room for all of these,
    they were shown up to `again` only, as they stood at `again_at`.
    """

    place: Place
    at: datetime
    again: Place | None = None
    again_at: datetime | None = None

    @classmethod
    def opened(cls, key: Sequence[Any]) -> "Reading":
        """Open a cursor."""
        return cls(*_read_key(*key[:4]), *(_read_key(*key[4:]) if key[4:] else ()))

    @property
    def key(self) -> list[Any]:
        """What a cursor keeps of it."""
        key = self.place.as_key(self.at)
        if self.again is not None and self.again_at is not None:
            key += self.again.as_key(self.again_at)
        return key

    def unread(self, by: Triaged, worse_since: WorseSince) -> list[ColumnElement[bool]]:
        """Say in SQL which cases are still to be shown, for any of these reasons."""
        following = self.place.following(by)
        if self.again is None or self.again_at is None:
            return [following, worse_since(by, self.at)]
        late = and_(self.again.following(by), worse_since(by, self.at))
        return [following, late, worse_since(by, self.again_at)]

    def read_on(self, last: Place, at: datetime) -> "Reading":
        """Give how far they have read after a page that was read at an instant."""
        if last.order > self.place.order:
            return Reading(last, at)
        return Reading(self.place, self.at, last, at)
