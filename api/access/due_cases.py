"""Catching up, before flags are shown, the due ones of the cases that somebody is shown."""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import col, select

from api.access.visibility.reader import Reader, asked_by, asker, reader
from api.domain.permissions.table import Actor
from api.domain.vocabulary import Role
from api.flags.catching_up import catch_up_due
from api.storage.compiled_queries import Prepared
from api.storage.models.clinical import Case
from api.storage.transaction import Transaction

Scope = Callable[[Reader], ColumnElement[bool]]
"""Says in SQL of which cases somebody is shown something."""


async def catch_up_what_is_shown(tx: Transaction, me: Actor, scope: Scope) -> None:
    """Catch up every case in a scope that is due; mostly none is."""
    is_any = _is_any_due(scope, me.role), asked_by(tx, me)
    await catch_up_due(tx, scope(reader(tx, me)), is_any)


@cache
def _is_any_due(scope: Scope, role: Role) -> Any:
    who = asker(role)
    here = (col(Case.clinic_id) == who.clinic, col(Case.recheck_at) <= who.now)
    # in the order of the index of those that will be due: planned without knowing when it is asked,
    # it would else look at every case that somebody is shown
    first = select(col(Case.id)).where(*here, scope(who)).order_by(col(Case.recheck_at)).limit(1)
    return Prepared(first)
