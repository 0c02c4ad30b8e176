"""`Reader`: somebody who looks at rows, as the SQL of this package knows them."""

from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam

from api.domain.permissions.table import Actor, is_software
from api.domain.vocabulary import Role
from api.storage.tenancy import HERE
from api.storage.transaction import Transaction

ON_THE_WAY = timedelta(minutes=30)
"""How long after somebody read what is hidden they still read the case because of that."""


class Reader(NamedTuple):
    """Who looks at rows, where and when: values, or placeholders for all but the role."""

    clinic: Any
    id: Any
    role: Role
    now: Any
    today: Any

    @property
    def is_software(self) -> bool:
        """Tell whether this is no person."""
        return is_software(self.role)


def reader(tx: Transaction, me: Actor) -> Reader:
    """Give who looks, as values of this transaction."""
    return Reader(tx.clinic.id, me.id, me.role, tx.now, tx.today)


def asker(role: Role) -> Reader:
    """Leave places in a statement for who asks; `asked_by` fills them."""
    # of the clinic the very place that each table is confined by: what is said twice in one way is
    # asked, and reckoned with, once
    clinic, me, now, today = map(placeholder, (HERE, "me", "now", "today"))
    return Reader(clinic, me, role, now, today)


def asked_by(tx: Transaction, me: Actor) -> dict[str, Any]:
    """Fill the places of `asker`."""
    here = tx.clinic.id
    lately = tx.now - ON_THE_WAY
    asked = {"clinic": here, HERE: here, "me": me.id, "now": tx.now, "today": tx.today}
    return {**asked, "lately": lately}


def placeholder(name: str) -> Any:
    """Leave a place in a statement for a value."""
    return bindparam(name)
