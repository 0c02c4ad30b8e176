"""Cases as lists show them: each with how somebody stands to it, and what waits on it."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from sqlmodel import col

from api.access.case_relationship import OpenCase, open_case, with_what_waits
from api.access.visibility.listings import Listing
from api.access.visibility.newest import Filter
from api.domain.permissions.table import Actor
from api.storage.models.clinical import Case
from api.storage.plain_rows import names_of
from api.storage.transaction import Transaction

_LISTED = Listing(
    Case,
    col(Case.voided_at).is_(None),
    selects=lambda how: with_what_waits(how.role, withheld=how.withheld),
)
_ID = names_of(Case).index("id")


async def newest_cases(
    tx: Transaction, me: Actor, filters: Sequence[Filter], before: UUID | None, most: int
) -> list[OpenCase]:
    """Find the newest cases that somebody sees, from before an id on, so many."""
    found = await _LISTED.find(tx, me, filters, before, most)
    cases = [open_case(me, list(rows)) for _, rows in groupby(found, itemgetter(_ID))]
    await tx.open_several(Case, [each.row for each in cases])
    return cases
