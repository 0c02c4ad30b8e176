"""Rows that were read as plain columns, and are the session's own: what is set on them is written.

A session takes several times as long to load them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import inspect, orm
from sqlalchemy.orm.attributes import set_committed_value

from api.storage.plain_rows import all_names_of


def whole_row(model: Any) -> list[Any]:
    """Select all that a row holds which may be changed."""
    return [getattr(model, name) for name in all_names_of(model)]


def adopt(
    session: orm.Session, model: Any, found: Iterable[Sequence[Any]], *, anew: bool = False
) -> tuple[list[Any], list[Any]]:
    """Give rows of what `whole_row` selected, and those of them that were read just now.

    As with any statement of a session, a row that it has stays as it is; `anew`: as it was read.
    """
    names, mapper = all_names_of(model), inspect(model)
    of_key = [names.index(column.key) for column in mapper.primary_key]
    rows, read = [], []
    for values in found:
        key = mapper.identity_key_from_primary_key([values[place] for place in of_key])
        row = session.identity_map.get(key)
        if row is None:
            row = mapper.class_manager.new_instance()
            row.__dict__.update(zip(names, values, strict=False))
            orm.make_transient_to_detached(row)
            session.add(row)
            read.append(row)
        elif anew:
            for name, value in zip(names, values, strict=False):
                set_committed_value(row, name, value)
            read.append(row)
        rows.append(row)
    return rows, read
