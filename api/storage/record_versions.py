"""Keeps what stood in a record before each change, so that no door can forget to.

A case, an incident, a promise and a consultation count their versions up as they change. Before a
session writes that, what the database still holds is copied into a row of its own. Who changes such
a record without counting, or in a way that cannot be copied before, gets an error.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import bindparam, event, inspect, orm
from sqlmodel import col, select

from api.storage.encryption import Ask, Safe
from api.storage.models.clinical import Case, Consultation, Incident, Promise, RecordVersion
from api.storage.models.columns import changes_of, sealed_columns

ACTOR = "who writes"
"""Where a session's `info` holds the id of who is signed in."""
_KEPT = "versions kept"
"""Where it holds which versions were kept, so that each is kept once."""

TYPES: dict[type[Any], str] = {
    Case: "case",
    Incident: "incident",
    Promise: "promise",
    Consultation: "consultation",
}
"""The records of which every version is kept, by what the journal calls them."""

OF_THE_ROW = frozenset(
    {"clinic_id", "id", "case_id", "version", "created_at", "updated_at", "written_by_id"}
)
"""What a kept version has columns of its own for, or what never changes."""
MACHINERY = frozenset(
    {"text_key", "client_ref_hash", "recheck_at", "triage_level", "triage_due_at"}
    | {"unrestricted_triage_level", "unrestricted_triage_due_at", "door_used"}
)
"""What no version keeps: with a case's key its destroyed words could be read again."""


def fields_of(model: type[Any]) -> tuple[str, ...]:
    """Name the plain columns of a record that its versions keep."""
    names = (attribute.key for attribute in inspect(model).column_attrs)
    left_out = OF_THE_ROW | MACHINERY | set(sealed_columns(model))
    return tuple(name for name in names if name not in left_out)


_FIELDS = {model: fields_of(model) for model in TYPES}
_COLUMNS = {model: tuple(each.key for each in inspect(model).column_attrs) for model in TYPES}
_STANDING = {
    model: select(*(getattr(model, name) for name in names)).where(
        col(model.clinic_id) == bindparam("clinic"), col(model.id) == bindparam("row")
    )
    for model, names in _COLUMNS.items()
}


class _Change(NamedTuple):
    """A version of a record that is about to be written."""

    model: type[Any]
    record_id: UUID
    version: int


async def keep_versions(ask: Ask, safe: Safe, session: orm.Session) -> None:
    """Copy what stands in the records that are about to be written, and say who writes them."""
    kept: set[_Change] = session.info.setdefault(_KEPT, set())
    for row in _about_to_change(session.dirty):
        change = _Change(type(row), row.id, row.version)
        if change not in kept:
            row.written_by_id = session.info.get(ACTOR)
            session.add(await _as_it_stands(ask, safe, row))
            kept.add(change)


async def _as_it_stands(ask: Ask, safe: Safe, row: Any) -> RecordVersion:
    model = type(row)
    # from the database: the row here may have been loaded without its texts
    (values,) = await ask(_STANDING[model], {"clinic": row.clinic_id, "row": row.id})
    standing = SimpleNamespace(**dict(zip(_COLUMNS[model], values, strict=True)))
    await safe.open(ask, [standing], model)
    texts = {name: getattr(standing, name) for name in sealed_columns(model)}
    return RecordVersion(
        clinic_id=row.clinic_id,
        case_id=row.id if model is Case else row.case_id,
        record_type=TYPES[model],
        record_id=row.id,
        version=standing.version,
        written_at=standing.updated_at,
        written_by_id=writer_of(standing),
        fields={name: to_jsonable_python(getattr(standing, name)) for name in _FIELDS[model]},
        # of a case whose key is being destroyed no word is written once more
        texts=None if getattr(row, "purged_at", None) else json.dumps(texts),
    )


def writer_of(row: Any) -> UUID | None:
    """Give who wrote the present version of a record, as far as it is known."""
    writer: UUID | None = row.recorded_by_id if row.version == 1 else row.written_by_id
    return writer


def as_it_stood(model: type[Any], kept: RecordVersion, created_at: datetime) -> Any:
    """Give a record as one of its earlier versions had it; None where only the journal knows.

    It is a row that no session knows of. Texts are None for who may not read them, and once the
    key of the case was destroyed.
    """
    if kept.fields is None:
        return None
    texts = json.loads(kept.texts) if kept.texts else {}
    own = {"clinic_id": kept.clinic_id, "id": kept.record_id, "created_at": created_at}
    own |= {"version": kept.version, "updated_at": kept.written_at}
    if model is not Case:
        own["case_id"] = kept.case_id
    # a text that must stand may be withheld: it is taken away once the rest was read
    row = model.model_validate({**kept.fields, **own, **dict.fromkeys(sealed_columns(model), "")})
    for name in sealed_columns(model):
        setattr(row, name, texts.get(name))
    return row


def _about_to_change(rows: Iterable[Any]) -> list[Any]:
    return [row for row in rows if type(row) in TYPES and _changes(row, ("version",))]


def _changes(row: Any, names: Iterable[str]) -> bool:
    changed = changes_of(row)
    return any(name in changed for name in names)


@event.listens_for(orm.Session, "before_flush")
def _refuse_what_was_not_kept(session: orm.Session, _context: object, _instances: object) -> None:
    kept = session.info.get(_KEPT, ())
    for row in session.dirty:
        model = type(row)
        if model not in TYPES:
            continue
        counted = _changes(row, ("version",))
        if counted and _Change(model, row.id, row.version) not in kept:
            raise RuntimeError("what stood in this record was not kept")
        if not counted and _changes(row, (*_FIELDS[model], *sealed_columns(model))):
            raise RuntimeError("a record that changes counts its version up")
