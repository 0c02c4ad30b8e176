"""Which entries of the journal tell of hidden records and flags alone, said in SQL."""

import json
from collections.abc import Collection
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, and_, exists, false, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import col

from api.domain.vocabulary import Event
from api.storage.models.journal import JournalEntry

# made once, because making one costs more than running a statement
_Beside = aliased(JournalEntry)

ABOUT_ROWS = ("incident", "promise", "flag")
"""The types of record that may be restricted, and of which entries of the journal tell."""
_WRITTEN = ("incident", "promise")
"""Those of them that people write, and flags follow."""


class _NamesOnly(FunctionElement[bool]):
    """Whether all ids in a JSON list are among those of another."""

    name = "names_only"
    inherit_cache = True
    type = sa.Boolean()


@compiles(_NamesOnly, "postgresql")
def _on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    listed, among = (compiler.process(each, **options) for each in element.clauses)
    return f"({listed} <@ CAST({among} AS JSONB))"


@compiles(_NamesOnly, "sqlite")
def _on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    listed, among = (compiler.process(each, **options) for each in element.clauses)
    # a column's name and a placeholder: no value stands in it
    others = f"SELECT value FROM json_each({listed}) EXCEPT SELECT value FROM json_each({among})"  # noqa: S608
    return f"(NOT EXISTS ({others}))"


def tells_of_hidden(hidden: Collection[UUID]) -> ColumnElement[bool]:
    """Say in SQL that an entry of the journal about such rows tells of hidden ones alone.

    It names nothing else, or it tells that a flag was moved by what was written of one of them.
    """
    if not hidden:
        return false()
    moved = and_(
        col(JournalEntry.record_type) == "flag",
        col(JournalEntry.happening) != Event.flag_opened,
    )
    written = exists().where(
        col(_Beside.clinic_id) == JournalEntry.clinic_id,
        col(_Beside.case_id) == JournalEntry.case_id,
        col(_Beside.request_id) == JournalEntry.request_id,
        col(_Beside.record_type).in_(_WRITTEN),
        col(_Beside.is_read).is_(False),
        _names_only(_Beside, hidden),
    )
    return or_(_names_only(JournalEntry, hidden), and_(moved, written.correlate(JournalEntry)))


def _names_only(entry: Any, among: Collection[UUID]) -> ColumnElement[bool]:
    return _NamesOnly(col(entry.record_ids), sa.literal(json.dumps(sorted(map(str, among)))))
