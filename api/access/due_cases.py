"""Catching up, before flags are shown, the due ones of the cases that somebody is shown."""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from api.access.visibility.reader import Reader, asked_by, asker, reader
from api.domain.permissions.table import Actor
from api.domain.vocabulary import Role
from api.flags.catching_up import catch_up_due
from api.storage.compiled_queries import Prepared, plainly
from api.storage.models.clinical import Case
from api.storage.transaction import Transaction

_Any = aliased(Case)

Scope = Callable[[Reader], ColumnElement[bool]]
"""Says in SQL of which cases somebody is shown something."""


async def catch_up_what_is_shown(tx: Transaction, me: Actor, scope: Scope) -> None:
    """Catch up every case in a scope that is due; mostly none is."""
    if (await tx.exec(_is_any_due(scope, me.role), asked_by(tx, me))).first() is not None:
        await catch_up_due(tx, scope(reader(tx, me)))


@cache
def _is_any_due(scope: Scope, role: Role) -> Any:
    who = asker(role)
    here = (col(Case.clinic_id) == who.clinic, col(Case.recheck_at) <= who.now)
    # by the first entry of an index: mostly nothing is due in the whole clinic, and then nobody's
    # cases are looked at
    earliest = select(func.min(_Any.recheck_at)).where(col(_Any.clinic_id) == who.clinic)
    is_any = earliest.scalar_subquery() <= who.now
    return Prepared(select(col(Case.id)).where(*here, is_any, scope(who)).limit(plainly(1)))
