"""Cases as lists show them: each with how somebody stands to it and what waits on it, or alone."""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from api.access.case_relationship import OpenCase, open_case, with_what_waits
from api.access.visibility.listings import Listing
from api.access.visibility.newest import Filter
from api.access.visibility.reader import placeholder
from api.domain.permissions.table import Actor
from api.storage.compiled_queries import about_several, one_of
from api.storage.models.clinical import Case
from api.storage.plain_rows import columns_of, names_of, plain_row
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


async def cases_named(tx: Transaction, case_ids: Iterable[UUID]) -> dict[UUID, Case]:
    """Give some cases as plain rows, whoever sees them: they were found for somebody before."""
    statement = _named(tx.withholds_sealed_text, tx.is_postgresql)
    found = (await tx.exec(statement, {"clinic": tx.clinic.id, "ids": list(case_ids)})).all()
    rows: list[Case] = [plain_row(Case, each) for each in found]
    await tx.open_several(Case, rows)
    return {row.id: row for row in rows}


@cache
def _named(withheld: bool, is_postgresql: bool) -> Any:  # noqa: FBT001 - they are the cache's key
    statement = sa.select(*columns_of(Case, withheld=withheld)).where(
        col(Case.clinic_id) == placeholder("clinic"),
        one_of(Case.id, "ids", is_postgresql=is_postgresql),
    )
    return about_several(statement, is_postgresql=is_postgresql)
