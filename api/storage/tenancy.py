"""The two walls between clinics. Each holds when the other is taken away.

The first is ours: every statement is confined to the clinic that its transaction has entered, and
every new row must be of that clinic. The second is PostgreSQL's row-level security, for a role that
owns nothing and bypasses nothing.
"""

import json
from datetime import datetime
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import asyncpg
import sqlalchemy as sa
from sqlalchemy import event, orm
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import with_loader_criteria
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import Session, SQLModel

from api.storage.instants import Instants, told
from api.storage.models.columns import changes_of

# ------------------------------------------------------------------------------ the first wall

ENTERED = "clinic entered"
"""Where a session's `info` holds the id of that clinic."""
HERE = "clinic_entered"
"""The placeholder for that id in each statement that is confined to it."""
INSTANTS = "instants"
"""Where a session's `info` holds what its transaction reads its instant from."""
INSTANT = "instant"
"""Where it holds that instant, once the transaction has told that it is open in a clinic."""


class WalledSession(Session):
    """A session that writes rows of the entered clinic only."""


@event.listens_for(WalledSession, "before_flush")
def _refuse_rows_of_others(session: Session, _context: object, _instances: object) -> None:
    here = session.info.get(ENTERED)
    for row in (*session.new, *session.dirty):
        if here is None or _clinic_of(row) != here:
            raise RuntimeError("a row of another clinic")
    _date(session)


def _date(session: Session) -> None:
    """Let no row carry an instant from before its transaction told that it is open."""
    instant = session.info.get(INSTANT)
    if instant is None:
        raise RuntimeError("a row of a transaction that nobody was told of")
    for row in session.new:
        date_new(row, instant)
    for row in session.dirty:
        if "version" in changes_of(row):
            row.updated_at = max(row.updated_at, instant)


def date_new(row: Any, instant: datetime) -> None:
    """Let a new row carry no instant from before this one."""
    for name in ("created_at", "updated_at"):
        told = row.__dict__.get(name)
        if told is not None and told < instant:
            setattr(row, name, instant)


class _Here(FunctionElement[UUID]):
    """The clinic entered, filled in as each statement runs.

    It is not a plain bindparam(): each of its copies would be compared with each other at every
    execution, which costs more than the statement.
    """

    name = "clinic_entered"
    inherit_cache = True
    type = sa.Uuid()


@compiles(_Here)
def _fill_in(_element: object, compiler: Any, **options: Any) -> str:
    placeholder: str = compiler.process(sa.bindparam(HERE, type_=sa.Uuid()), **options)
    return placeholder


_criteria: list[Any] = []
_walled_statements: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def confined(statement: Any) -> Any:
    """Confine every table that a statement names, wherever in it, to the clinic entered."""
    known = _walled_statements.get(statement)
    if known is None:
        if not statement._propagate_attrs:
            raise RuntimeError("only statements about mapped classes can be confined to a clinic")
        if not _criteria:
            _criteria.extend(_of_clinic(mapper.class_) for mapper in _mappers())
        known = _walled_statements[statement] = statement.options(*_criteria)
    return known


def _mappers() -> Any:
    return SQLModel._sa_registry.mappers


def _of_clinic(model: Any) -> Any:
    column = model.clinic_id if hasattr(model, "clinic_id") else model.id
    return with_loader_criteria(
        model, column == _Here(), include_aliases=True, propagate_to_loaders=False
    )


def _clinic_of(row: Any) -> UUID:
    """Give whose a row is; a clinic itself is its own."""
    clinic_id: UUID = row.clinic_id if hasattr(row, "clinic_id") else row.id
    return clinic_id


# ----------------------------------------------------------------------------- the second wall

DRIVER = "driver's connection"
"""Where a session's `info` holds the connection of its transaction."""

ENTER = "app.clinic_id"
"""The setting that PostgreSQL's policies compare each row with, for one transaction."""


class LostBeforeBeginning(asyncpg.InterfaceError):  # type: ignore[misc]
    """The connection was gone when a transaction was to begin on it: nothing was sent."""


class WalledConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that says two things in one message, which saves a round trip each time.

    The message that begins a transaction enters the clinic; the one that commits it takes along
    what is written last. Where that fails nothing is committed.
    """

    entering: tuple[UUID, Instants] | None = None
    parting: str | None = None

    def transaction(self, **options: Any) -> Any:
        """Prepare a transaction. Raises LostBeforeBeginning where the driver knows it already."""
        if self.is_closed():
            raise LostBeforeBeginning("closed")
        return super().transaction(**options)

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109 - the driver's own
        """Run a command of the driver's own; BEGIN takes the clinic along.

        Raises LostBeforeBeginning where BEGIN was not carried out.
        """
        entering, self.entering = self.entering, None
        parting, self.parting = self.parting, None
        begins = query == "BEGIN;"
        if entering is not None and begins:
            query += "".join(f" {each};" for each in _entry(*entering))
        elif parting is not None and query == "COMMIT;":
            query = f"{parting}; COMMIT;"
        try:
            status: str = await super().execute(query, *args, timeout=timeout)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if begins:
                # the driver may not have noticed yet that nobody is there
                self.terminate()
                raise LostBeforeBeginning(type(error).__name__) from error
            if parting is not None:
                # the driver takes a failed COMMIT for the end: a later one must not find it open
                self.terminate()
            raise
        return status


@event.listens_for(orm.Session, "after_begin")
def _enter_as_it_begins(
    session: orm.Session, _transaction: object, connection: sa.Connection
) -> None:
    """Let the connection begin in the clinic that was entered before anything was asked."""
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        session.info[DRIVER] = driver
        if ENTERED in session.info:
            driver.entering = session.info[ENTERED], session.info[INSTANTS]


def _entry(clinic_id: UUID, instants: Instants) -> tuple[str, ...]:
    """Write what enters a clinic, and tells whoever lists its rows that a transaction is open."""
    clinic, since = told(clinic_id, instants.read_clock().instant)
    return (
        # the command, not set_config(): databases that span machines pass on commands only
        f"SET LOCAL {ENTER} = '{UUID(str(clinic_id))}'",
        f"SELECT pg_advisory_xact_lock_shared({clinic}, {since})",
        "SET LOCAL plan_cache_mode = auto",
    )


def enter_on_postgresql(session: orm.Session, clinic_id: UUID) -> None:
    """Tell PostgreSQL's policies which clinic a transaction is in that has begun already."""
    for command in _entry(clinic_id, session.info[INSTANTS]):
        session.connection().exec_driver_sql(command)


OPEN_IN_CLINIC = sa.text(
    "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2"
    " AND classid::bigint = :clinic AND pid <> pg_backend_pid()"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Since when others are open in a clinic: second halves of their keys."""


def leave(connection: Any, _record: object) -> None:
    """Forget, as a connection goes back to the pool, what was to be said and was not."""
    # else the next transaction on it would begin there
    if connection is not None:
        connection.driver_connection.entering = None
        connection.driver_connection.parting = None


def insert_with_commit(
    driver: WalledConnection, table: sa.Table, rows: list[dict[str, Any]]
) -> None:
    """Let the message that commits insert rows too."""
    names = ", ".join(rows[0])
    # each in the order of the first, in whichever it was made
    told = ([row[name] for name in rows[0]] for row in rows)
    values = ", ".join(f"({', '.join(map(_literal, each))})" for each in told)
    # each value is a literal that `_literal` has checked
    driver.parting = f"INSERT INTO {table.name} ({names}) VALUES {values}"  # noqa: S608


def _literal(value: Any) -> str:
    """Write a value as SQL. Raises ValueError for a text that cannot be written plainly."""
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(value).lower()
    text = json.dumps(value) if isinstance(value, list) else str(value)
    if not text.isprintable() or "\\" in text:
        raise ValueError("not a text to write plainly")
    return "'" + text.replace("'", "''") + "'"
