"""Which of the records that a row refers to, as a flag does to its evidence, its reader sees."""

from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, literal, union_all
from sqlalchemy import select as sa_select

from api.access.visibility.cases import on_its_case
from api.access.visibility.reader import Reader, asked_by, asker
from api.access.visibility.records import SEEN
from api.domain.permissions.table import Actor
from api.domain.vocabulary import Role
from api.storage.models.clinical import Case, Incident, Promise
from api.storage.models.columns import Named
from api.storage.models.flags import Flag
from api.storage.transaction import Transaction

_NAMED: dict[str, Any] = {"incident": Incident, "promise": Promise, "flag": Flag}
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
    found = await tx.exec(_seen(me.role, tuple(sorted(ids))), {**asked_by(tx, me), **ids})
    return frozenset((record_type, row_id) for record_type, row_id in found)


@cache
def _seen(role: Role, types: tuple[str, ...]) -> Any:
    # made once: making one costs more than running it
    asked = [_seen_in(record_type, asker(role)) for record_type in types]
    return union_all(*asked) if len(asked) > 1 else asked[0]


def _seen_in(record_type: str, who: Reader) -> Any:
    model = _NAMED[record_type]
    seen = SEEN.get(model)
    return (
        sa_select(literal(record_type).label("type"), model.id)
        .select_from(model)
        .join(Case, on_its_case(model))
        .where(
            model.clinic_id == who.clinic,
            model.id.in_(bindparam(record_type, expanding=True)),
            *([] if seen is None else [seen(who)]),
        )
    )
