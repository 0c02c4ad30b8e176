"""Inserts many rows of a table in one statement: the driver is given columns, and not rows.

PostgreSQL's COPY refuses who is behind row-level security; `unnest` is nearly as fast.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from api.storage.tenancy import date_new

Convert = Callable[[Any], Any]

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
        names, values = table.columns.keys(), list[dict[str, Any]]()
        for place, row in enumerate(alike):
            if place % _AT_A_TIME == 0:
                await asyncio.sleep(0)
            date_new(row, instant)
            seal(row)
            told = row.__dict__
            values.append({name: told[name] for name in names})
        yield table, values


async def insert_many(
    connection: AsyncConnection, table: sa.Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert whole rows on PostgreSQL: each has a value for every column of the table."""
    columns = _by_column(table, connection.dialect, rows)
    given: list[Any] = []
    for column in columns:
        given.append(column.sent(await _converted(column)))
    await _plan_for_more(connection, len(rows))
    into, source = inserting(table, connection.dialect, tuple(each.differs for each in columns))
    await connection.exec_driver_sql(f"{into} FROM {source}", tuple(given))


def given_at_once(
    table: sa.Table, dialect: Dialect, rows: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, str], list[Any]]:
    """Give how a few whole rows are inserted, as `inserting` does, and what is sent for it."""
    columns = _by_column(table, dialect, rows)
    given = [column.sent(column.converted(column.values)) for column in columns]
    return inserting(table, dialect, tuple(each.differs for each in columns)), given


class _Column(NamedTuple):
    """The values of a column, and whether they differ by row; else there is one for all."""

    values: Sequence[Any]
    convert: Convert | None
    differs: bool

    def converted(self, values: Sequence[Any]) -> Sequence[Any]:
        """Make some of the values fit for the driver."""
        return values if self.convert is None else list(map(self.convert, values))

    def sent(self, values: Sequence[Any]) -> Any:
        """Give what the driver is sent."""
        return list(values) if self.differs else values[0]


def _by_column(
    table: sa.Table, dialect: Dialect, rows: Sequence[Mapping[str, Any]]
) -> list[_Column]:
    """Give the values of each column.

    What is the very same in each row is converted, and sent, once; of two equal texts each is
    sealed at its own place.
    """
    converters = _converters(table, dialect)
    by_column = zip(*map(itemgetter(*(name for name, _ in converters)), rows), strict=True)
    columns = []
    for (_, convert), values in zip(converters, by_column, strict=True):
        differs = len(set(map(id, values))) > 1
        columns.append(_Column(values if differs else values[:1], convert, differs))
    if not any(column.differs for column in columns):
        # one tells how many rows there are
        columns[0] = columns[0]._replace(values=[columns[0].values[0]] * len(rows), differs=True)
    return columns


_INSERTED = "rows inserted, and when plans were last made"
"""Where a connection's `info` holds how many it has inserted here, in all and by then."""


async def _plan_for_more(connection: AsyncConnection, number: int) -> None:
    """Have statistics renewed as often as twice as much was written.

    PostgreSQL checks for each row that its case is there. By statistics of a table that was short,
    or of none, it goes through all the clinic's cases for that, until a minute later or more it has
    looked by itself; and so it does with what lines were called before.
    """
    known = (await connection.get_raw_connection()).info
    in_all, planned = known.get(_INSERTED, (0, 0))
    if in_all >= 2 * planned:
        await connection.exec_driver_sql("SELECT renew_statistics()")
        planned = in_all + number
    known[_INSERTED] = in_all + number, planned


async def _converted(column: _Column) -> Sequence[Any]:
    if column.convert is None:
        return column.values
    converted: list[Any] = []
    for start in range(0, len(column.values), _AT_A_TIME):
        converted += column.converted(column.values[start : start + _AT_A_TIME])
        # texts are sealed as they are converted
        await asyncio.sleep(0)
    return converted


@cache
def _converters(table: sa.Table, dialect: Dialect) -> list[tuple[str, Convert | None]]:
    """Give what makes the values of each column fit for the driver."""
    return [(column.name, converter_of(column.type, dialect)) for column in table.columns]


def converter_of(kind: Any, dialect: Dialect) -> Convert | None:
    """Give what makes a value of a type fit for the driver; None where it is fit as it is."""
    convert: Convert | None = kind.dialect_impl(dialect).bind_processor(dialect)
    if convert is None or spelled(kind, dialect) != JSON_TYPE:
        return convert
    of_others = convert
    # lists are of ids or of words, and are written so in an eighth of the time
    return lambda value: to_json(value).decode() if type(value) is list else of_others(value)


JSON_TYPE = "JSONB"


@lru_cache(maxsize=256)
def inserting(table: sa.Table, dialect: Dialect, differs: tuple[bool, ...]) -> tuple[str, str]:
    """Write what inserts rows, up to FROM, and the source that follows it.

    Columns that do not differ have one value for all rows.
    """
    arrays, names, told = [], [], []
    for place, (column, many) in enumerate(zip(table.columns, differs, strict=True), 1):
        kind = spelled(column.type, dialect)
        # the driver takes JSON as text, and an array of it too
        sent = "TEXT" if kind == JSON_TYPE else kind
        if many:
            arrays.append(f"${place}::{sent}[]")
            names.append(column.name)
        value = f"t.{column.name}" if many else f"${place}::{sent}"
        told.append(f"{value}::{kind}" if kind == JSON_TYPE else value)
    columns = ", ".join(column.name for column in table.columns)
    # made of names of columns and of types
    into = f"INSERT INTO {table.name} ({columns}) SELECT {', '.join(told)}"
    return into, f"unnest({', '.join(arrays)}) AS t ({', '.join(names)})"


def spelled(kind: Any, dialect: Dialect) -> str:
    """Name a type without its length: a text that is too long is to be refused, and not cut."""
    named = dialect.type_compiler_instance.process(kind)
    return re.sub(r"\(\d+\)", "", named)
