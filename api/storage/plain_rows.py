"""Rows that are only shown, as plain objects: loaded so, they take a fraction of the time."""

from collections.abc import Iterable
from functools import cache
from types import FunctionType, SimpleNamespace
from typing import Any

from sqlalchemy import inspect, null

from api.storage.models.clinical import Case
from api.storage.models.columns import sealed_columns


class PlainRow(SimpleNamespace):
    """A row as it was when it was read; whatever is set on it is written nowhere.

    It has what `names_of` names: asked for more, it raises AttributeError.
    """


@cache
def names_of(model: Any) -> tuple[str, ...]:
    """Name the columns of a model that answers are made of, and are opened with."""
    unseen = _UNSEEN.get(model, ())
    return tuple(name for name in all_names_of(model) if name not in unseen)


@cache
def all_names_of(model: Any) -> tuple[str, ...]:
    """Name all columns of a model: what may be written needs each."""
    return tuple(attribute.key for attribute in inspect(model).column_attrs)


_UNSEEN = {
    Case: {
        "client_ref_hash",
        "transfer_reason",
        "triage_level",
        "triage_due_at",
        "unrestricted_triage_level",
        "unrestricted_triage_due_at",
        "door_used",
    }
}
"""What no answer is made of, and so is not read for one."""


def columns_of(model: Any, *, withheld: bool) -> list[Any]:
    """Select what `names_of` names; `withheld`: without the texts that are sealed."""
    hidden = sealed_columns(model) if withheld else ()
    return [null() if name in hidden else getattr(model, name) for name in names_of(model)]


def plain_row(model: Any, values: Iterable[Any]) -> Any:
    """Make a row of what `columns_of` selected; it can what a row of the model can."""
    row = _class_of(model)()
    # what else was selected comes after the columns
    row.__dict__.update(zip(names_of(model), values, strict=False))
    return row


@cache
def _class_of(model: Any) -> type[PlainRow]:
    able = {
        name: each
        for name, each in vars(model).items()
        if name == "noun"
        or (isinstance(each, FunctionType | property) and not name.startswith("_"))
    }
    return type(model.__name__, (PlainRow,), able)
