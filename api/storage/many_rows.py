"""Inserts many rows of a table in one statement: the driver is given columns, and not rows.

PostgreSQL's COPY refuses who is behind row-level security; `unnest` is nearly as fast.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from api.storage.tenancy import date_new

MOST_WITH_COMMIT = 100
"""Rows up to which writing them out in the message that commits costs less than a statement."""
_AT_A_TIME = 25
"""Rows that are sealed and converted before others have their turn."""


async def by_table(
    rows: Sequence[Any], seal: Callable[[Any], None], instant: datetime
) -> AsyncIterator[tuple[sa.Table, list[dict[str, Any]]]]:
    """Part new rows by their tables, in their order, each sealed and dated as it is written."""
    for model, alike in groupby(rows, type):
        table: sa.Table = sa.inspect(model).local_table
        values: list[dict[str, Any]] = []
        for place, row in enumerate(alike):
            if place % _AT_A_TIME == 0:
                await asyncio.sleep(0)
            date_new(row, instant)
            seal(row)
            values.append({name: getattr(row, name) for name in table.columns.keys()})  # noqa: SIM118 - of columns, not of a dict
        yield table, values


async def insert_many(
    connection: AsyncConnection, table: sa.Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert whole rows on PostgreSQL: each has a value for every column of the table."""
    how = _known.get(table)
    if how is None:
        how = _known[table] = _ManyRows(table, connection.dialect)
    columns: list[list[Any]] = [[] for _ in how.converters]
    for start in range(0, len(rows), _AT_A_TIME):
        how.convert(rows[start : start + _AT_A_TIME], columns)
        await asyncio.sleep(0)
    await connection.exec_driver_sql(how.sql, tuple(columns))


class _ManyRows:
    """How the rows of one table are inserted: the statement, and what makes values fit for it."""

    def __init__(self, table: sa.Table, dialect: Dialect) -> None:
        names = [column.name for column in table.columns]
        self.converters: dict[str, Callable[[Any], Any] | None] = {
            column.name: column.type.dialect_impl(dialect).bind_processor(dialect)
            for column in table.columns
        }
        kinds = [_spelled(column.type, dialect) for column in table.columns]
        given = ", ".join(
            # the driver takes JSON as text, and an array of it too
            f"${place}::{'TEXT' if kind == _JSON else kind}[]"
            for place, kind in enumerate(kinds, 1)
        )
        told = ", ".join(
            f"{name}::{kind}" if kind == _JSON else name
            for name, kind in zip(names, kinds, strict=True)
        )
        into = ", ".join(names)
        # made of names of columns and of types
        self.sql = (
            f"INSERT INTO {table.name} ({into}) SELECT {told} FROM unnest({given}) AS t ({into})"  # noqa: S608
        )

    def convert(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[list[Any]]) -> None:
        """Add what stands in some rows to the columns."""
        for (name, converter), column in zip(self.converters.items(), columns, strict=True):
            if converter is None:
                column += [row[name] for row in rows]
            else:
                column += [converter(row[name]) for row in rows]


_JSON = "JSONB"
_known: WeakKeyDictionary[sa.Table, _ManyRows] = WeakKeyDictionary()


def _spelled(kind: Any, dialect: Dialect) -> str:
    """Name a type without its length: a text that is too long is to be refused, and not cut."""
    named = dialect.type_compiler_instance.process(kind)
    return re.sub(r"\(\d+\)", "", named)
