"""What the tables are made of: kinds of columns, keys, and what every row of a clinic has."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Dialect, ForeignKeyConstraint, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from api.domain.vocabulary import VoidReason
from api.security.crypto import SealableText, Sealed
from api.storage.instants import TICK

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

E = TypeVar("E", bound=Enum)


class Spelled(TypeDecorator[E]):
    """A word of the vocabulary, stored as it is spelled (never as a native enum type)."""

    impl = sa.String(40)
    cache_ok = True

    def __init__(self, words: type[E]) -> None:
        super().__init__()
        self.words = words
        self.by_spelling: dict[str | None, E | None] = {str(word): word for word in words}
        self.by_spelling[None] = None

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Give the spelling."""
        return None if value is None else str(self.words(value))

    def process_result_value(self, value: Any | None, dialect: Dialect) -> E | None:  # noqa: ARG002
        """Give the word."""
        return self.by_spelling[value]


class SealedText(TypeDecorator[Any]):
    """The one column type that every clinician's words go through.

    It writes no text that was not bound to its place, and gives none back that was not opened: who
    goes around the session that does both gets an error, or something that cannot be shown.
    `found_by` names the column that finds a row by the exact text.
    """

    impl = Text
    cache_ok = True

    def __init__(self, found_by: str | None = None) -> None:
        super().__init__()
        self.found_by = found_by

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Seal. Raises TypeError for a text without a place."""
        if value is None:
            return None
        if not isinstance(value, SealableText):
            raise TypeError("only a text bound to its place is written, and none is searched for")
        return value.sealed()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Sealed | None:  # noqa: ARG002
        """Give it as it is kept."""
        return None if value is None else Sealed(value)


JSON = sa.JSON().with_variant(JSONB(), "postgresql")
JSON_OR_NULL = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def word(words: type[Enum], **options: Any) -> Any:
    """Declare a column that holds a word of the vocabulary."""
    return Field(sa_type=Spelled(words), **options)


def sealed_text() -> Any:
    """Declare a column that may hold somebody's words."""
    return Field(default=None, sa_type=SealedText)


def json_column(factory: type[list[Any]] | type[dict[str, Any]]) -> Any:
    """Declare a column that holds a list or an object, empty at first."""
    return Field(default_factory=factory, sa_type=JSON)


def short_text(length: int) -> Any:
    """Declare a column that holds at most so many characters, never words of a client."""
    return Field(sa_type=sa.String(length))


class Versioned(SQLModel):
    """A row that counts its changes."""

    created_at: datetime
    updated_at: datetime
    version: int = 1

    def change(self, changes: Mapping[str, Any], now: datetime) -> None:
        """Change fields, and count one version up; a later version is never the older one."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.updated_at = now if now >= self.updated_at else self.updated_at + TICK
        self.version += 1


class Record(Versioned):
    """What every row of a clinic has."""

    clinic_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    recorded_by_id: UUID | None = None


class Voidable(Record):
    """A record that is voided, never deleted."""

    voided_at: datetime | None = None
    void_reason: VoidReason | None = word(VoidReason, default=None)


class KeepsVersions(SQLModel):
    """A record of which every version is kept: `RecordVersion` has the earlier ones.

    `written_by_id` is who wrote the present version; None for the first, which who recorded it
    wrote, for what was brought about by nobody, and where it is not known any more.
    """

    written_by_id: UUID | None = None


def in_clinic() -> ForeignKeyConstraint:
    """Tie a row to its clinic."""
    return ForeignKeyConstraint(["clinic_id"], ["clinics.id"])


def points_at(column: str, table: str) -> ForeignKeyConstraint:
    """Tie a column to a row of the same clinic."""
    return ForeignKeyConstraint(["clinic_id", column], [f"{table}.clinic_id", f"{table}.id"])


def what_is_restricted(table: str) -> Index:
    """Find the restricted rows of a case, which are few."""
    restricted = sa.text("restricted")
    return Index(
        f"ix_{table}_restricted",
        "clinic_id",
        "case_id",
        postgresql_where=restricted,
        sqlite_where=restricted,
    )


def by_triage(table: str, triage: str, *of: str) -> Index:
    """Find what waits to be looked at, the gravest first and then what is due first."""
    waits = sa.text(f"{triage}_level IS NOT NULL")
    places = ("clinic_id", *of, f"{triage}_level", f"{triage}_due_at", "id")
    name = "_by_".join((f"ix_{table}_{triage}", *of))
    return Index(name, *places, postgresql_where=waits, sqlite_where=waits)


R = TypeVar("R", bound=SQLModel)


def new_row(model: type[R], **values: Any) -> R:
    """Make a row as its constructor would, in a fraction of the time.

    The constructor tells the session's bookkeeping of each field, though of a new row all are new.
    """
    fields = _fields_of.get(model)
    if fields is None:
        fields = _fields_of[model] = [*_defaults_of(model)]
    row: R = sa.inspect(model).class_manager.new_instance()
    filled = row.__dict__
    for name, make, default in fields:
        if name in values:
            filled[name] = values[name]
        elif default is not _REQUIRED:
            filled[name] = default if make is None else make()
    object.__setattr__(row, "__pydantic_fields_set__", values.keys() & filled.keys())
    return row


_REQUIRED = object()
_Default = tuple[str, Callable[[], Any] | None, Any]
_fields_of: dict[Any, list[_Default]] = {}


def _defaults_of(model: type[SQLModel]) -> Iterator[_Default]:
    """Give the fields of a model, each with what makes its default, or the default itself."""
    for name, field in model.model_fields.items():
        make: Any = field.default_factory
        yield name, make, _REQUIRED if field.is_required() else field.default


def changes_of(row: Any) -> tuple[str, ...]:
    """Name the columns of a row of a session that say something else than when it was read."""
    before, now = sa.inspect(row).committed_state, row.__dict__
    return tuple(sorted(name for name, value in before.items() if now[name] != value))


Named = tuple[str, UUID]
"""A record that a row of another names: its type and its id."""


def sealed_columns(model: Any) -> tuple[str, ...]:
    """Name the columns that hold clinicians' words."""
    known = _sealed_columns.get(model)
    if known is None:
        columns = sa.inspect(model).column_attrs
        sealed = (each.key for each in columns if isinstance(each.columns[0].type, SealedText))
        known = _sealed_columns[model] = tuple(sealed)
    return known


_sealed_columns: dict[Any, tuple[str, ...]] = {}
