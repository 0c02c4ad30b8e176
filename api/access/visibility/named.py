"""Which of the records that a row refers to, as a flag does to its evidence, its reader sees."""

from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import literal, union_all
from sqlalchemy import select as sa_select
from sqlmodel import col

from api.access.visibility.cases import on_its_case
from api.access.visibility.reader import Reader, asked_by, asker
from api.access.visibility.records import SEEN
from api.domain.permissions.table import Actor
from api.domain.vocabulary import Role
from api.storage.compiled_queries import about_several, one_of
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case, Incident, Promise
from api.storage.models.columns import Named
from api.storage.models.door import Response
from api.storage.models.flags import Flag
from api.storage.transaction import Transaction

_NAMED: dict[str, Any] = {
    "incident": Incident,
    "promise": Promise,
    "flag": Flag,
    "account": Account,
    "response": Response,
    "case": Case,
}
"""What rows store the ids of."""


async def seen_of(tx: Transaction, me: Actor, named: Iterable[Named]) -> frozenset[Named]:
    """Give those of the records named by rows of visible cases that exist for somebody.

    A row keeps which others it is about, and goes on to name one that was hidden since. So whoever
    shows ids that a row stores asks here which of them its reader sees, once for a whole page.
    """
    ids: dict[str, set[UUID]] = {}
    for record_type, row_id in named:
        ids.setdefault(record_type, set()).add(row_id)
    if not ids:
        return frozenset()
    types = tuple(sorted(ids))
    asked = {record_type: list(ids[record_type]) for record_type in types}
    found = await tx.exec(_seen(me.role, types, tx.is_postgresql), {**asked_by(tx, me), **asked})
    return frozenset((record_type, row_id) for record_type, row_id in found)


@cache
def _seen(role: Role, types: tuple[str, ...], is_postgresql: bool) -> Any:  # noqa: FBT001 - the cache's key
    # made once: making one costs more than running it
    asked = [_seen_in(each, asker(role), is_postgresql=is_postgresql) for each in types]
    together: Any = union_all(*asked) if len(asked) > 1 else asked[0]
    return about_several(together, is_postgresql=is_postgresql)


def _seen_in(record_type: str, who: Reader, *, is_postgresql: bool) -> Any:
    model = _NAMED[record_type]
    if model is Case:
        # the row that names it is on this very case
        return sa_select(literal(record_type).label("type"), col(Case.id)).where(
            col(Case.clinic_id) == who.clinic,
            one_of(Case.id, record_type, is_postgresql=is_postgresql),
        )
    seen = SEEN.get(model)
    return (
        sa_select(literal(record_type).label("type"), model.id)
        .select_from(model)
        .join(Case, on_its_case(model))
        .where(
            model.clinic_id == who.clinic,
            one_of(model.id, record_type, is_postgresql=is_postgresql),
            *([] if seen is None else [seen(who)]),
        )
    )
