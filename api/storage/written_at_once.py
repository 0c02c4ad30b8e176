"""What a session keeps is written in one statement: all that is new, and all that has changed.

A session would send a message for each table, and takes longer to find out which than PostgreSQL
takes to write. All that its flush is asked about beforehand is asked here, too.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import groupby
from typing import Any, NamedTuple
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy import Dialect, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError

from api.storage.compiled_queries import is_not_supported, run_as_written
from api.storage.many_rows import JSON_TYPE, Convert, converter_of, spelled
from api.storage.models.columns import changes_of
from api.storage.tenancy import DRIVER, WalledSession

_MOST = 100
"""Rows up to which one statement is made of all."""
_refusing: WeakSet[Dialect] = WeakSet()
"""Of databases that do not take one statement for several tables, such as span machines."""


class SessionAtOnce(WalledSession):
    """A walled session that writes in one message where that comes to the same."""

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write what is new and what has changed.

        On SQLite, and where the order matters in which rows are written, as any session does.
        """
        at_once = objects is None and DRIVER in self.info and _in_any_order(self)
        if not at_once or self.connection().dialect in _refusing:
            super().flush(objects)
            return
        self.dispatch.before_flush(self, None, None)
        new, changed = list(self.new), [row for row in self.dirty if changes_of(row)]
        if new or changed:
            try:
                _write(self.connection(), new, changed)
            except DBAPIError as error:
                if is_not_supported(error):
                    # this transaction is lost; the next one writes table by table
                    _refusing.add(self.connection().dialect)
                raise
        # what a flush of its own does at its end
        self._register_persistent({inspect(row) for row in (*self.new, *self.dirty)})


def _in_any_order(session: WalledSession) -> bool:
    """Tell whether something is to be written, and it is all the same in which order.

    Rows that are new are not like any that are there, or they could not be written first. Of
    several that change, one may become what another was.
    """
    if session.deleted or not 0 < len(session.new) + len(session.dirty) <= _MOST:
        return False
    if any(not _columns(row.__class__) <= row.__dict__.keys() for row in session.new):
        # the database is to fill in what is left out
        return False
    told_apart = [row.__class__ for row in session.dirty if _may_collide(row)]
    return len(set(told_apart)) == len(told_apart)


def _may_collide(row: Any) -> bool:
    return not _told_apart_by(row.__class__).isdisjoint(changes_of(row))


@cache
def _columns(model: Any) -> frozenset[str]:
    return frozenset(inspect(model).local_table.columns.keys())


@cache
def _told_apart_by(model: Any) -> frozenset[str]:
    """Name the columns on which it rests that rows of a model are unique."""
    table: sa.Table = inspect(model).local_table
    unique: list[Any] = [each for each in table.indexes if each.unique]
    unique += [each for each in table.constraints if isinstance(each, sa.UniqueConstraint)]
    words = {name for each in unique for name in re.findall(r"\w+", _spelled_out(each))}
    return frozenset(words & set(table.columns.keys()))


def _spelled_out(unique: Any) -> str:
    where = unique.dialect_options["postgresql"].get("where") if unique.dialect_kwargs else ""
    named = getattr(unique, "expressions", None) or unique.columns
    return " ".join(map(str, (*named, where)))


class _Part(NamedTuple):
    """Which rows are written by one part of a statement: as new, or those columns of them."""

    table: sa.Table
    names: tuple[str, ...]
    is_new: bool
    are_many: bool


def _write(connection: sa.Connection, new: Sequence[Any], changed: Sequence[Any]) -> None:
    dialect, parts, values = connection.dialect, list[_Part](), list[Any]()
    for part, rows in _parts(new, changed):
        parts.append(part)
        values += _values(part, rows, dialect)
    ((written,),), _ = run_as_written(connection, _statement(tuple(parts), dialect), values)
    if written != len(changed):
        raise StaleDataError("a row that was to be changed is not there")


def _parts(new: Sequence[Any], changed: Sequence[Any]) -> Iterator[tuple[_Part, list[Any]]]:
    for model, of_one in groupby(sorted(new, key=_name_of_table), type):
        table: sa.Table = inspect(model).local_table
        rows = list(of_one)
        yield _Part(table, tuple(table.columns.keys()), True, len(rows) > 1), rows  # noqa: FBT003
    for (_, names), alike in groupby(sorted(changed, key=_what_changes), _what_changes):
        rows = list(alike)
        table = inspect(type(rows[0])).local_table
        yield _Part(table, names, False, len(rows) > 1), rows  # noqa: FBT003


def _name_of_table(row: Any) -> str:
    name: str = row.__tablename__
    return name


def _what_changes(row: Any) -> tuple[str, tuple[str, ...]]:
    return _name_of_table(row), changes_of(row)


def _values(part: _Part, rows: Sequence[Any], dialect: Dialect) -> Iterator[Any]:
    convert = _converters(part.table, dialect)
    for name in _sent(part):
        column = _converted((row.__dict__[name] for row in rows), convert[name])
        yield column if part.are_many else column[0]


def _converted(values: Iterator[Any], convert: Callable[[Any], Any] | None) -> list[Any]:
    return list(values) if convert is None else [convert(value) for value in values]


@cache
def _converters(table: sa.Table, dialect: Dialect) -> dict[str, Convert | None]:
    """Give what makes the values of each column fit for the driver."""
    return {column.name: converter_of(column.type, dialect) for column in table.columns}


def _sent(part: _Part) -> tuple[str, ...]:
    return part.names if part.is_new else (*part.names, *_key(part.table))


def _key(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.primary_key)


@lru_cache(maxsize=512)
def _statement(parts: tuple[_Part, ...], dialect: Dialect) -> str:
    """Write all parts as one statement, which counts the rows that it changes."""
    written, place = [], 1
    for number, part in enumerate(parts):
        write = _of_new if part.is_new else _of_changed
        written.append(f"w{number} AS ({write(part, place, dialect)})")
        place += len(_sent(part))
    numbers = [number for number, part in enumerate(parts) if not part.is_new]
    counted = (f"(SELECT count(*) FROM w{number})" for number in numbers)  # noqa: S608 - see below
    return f"WITH {', '.join(written)} SELECT {' + '.join(('0', *counted))}"


# each is made of names of tables, of columns and of types; every value is a placeholder


def _of_new(part: _Part, place: int, dialect: Dialect) -> str:
    given, source = _given(part, place, dialect)
    columns = ", ".join(part.names)
    return f"INSERT INTO {part.table.name} ({columns}) SELECT {', '.join(given.values())}{source}"


def _of_changed(part: _Part, place: int, dialect: Dialect) -> str:
    given, source = _given(part, place, dialect)
    told = ", ".join(f"{name} = {given[name]}" for name in part.names)
    at = " AND ".join(f"{part.table.name}.{name} = {given[name]}" for name in _key(part.table))
    return f"UPDATE {part.table.name} SET {told}{source} WHERE {at} RETURNING 1"  # noqa: S608


def _given(part: _Part, place: int, dialect: Dialect) -> tuple[dict[str, str], str]:
    """Write the value of each column, and the source of several rows."""
    kinds = {name: spelled(part.table.c[name].type, dialect) for name in _sent(part)}
    # the driver takes JSON as text, and an array of it too
    sent = {name: "TEXT" if kind == JSON_TYPE else kind for name, kind in kinds.items()}
    many = "[]" if part.are_many else ""
    places = [f"${at}::{kind}{many}" for at, kind in enumerate(sent.values(), place)]
    source = f" FROM unnest({', '.join(places)}) AS t ({', '.join(kinds)})"
    told = [f"t.{name}" for name in kinds] if part.are_many else places
    given = zip(kinds.items(), told, strict=True)
    values = {
        name: f"{each}::{kind}" if kind == JSON_TYPE else each for (name, kind), each in given
    }
    return values, source if part.are_many else ""
