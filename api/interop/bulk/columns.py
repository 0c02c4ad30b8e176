"""The flat form of an import's lines: columns read off the schemas, none listed by hand."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from api.interop.bulk.lines import LINE_OF

_INTEGER = re.compile(r"-?\d{1,12}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,12})?", re.ASCII)
_YES_OR_NO = {"true": True, "false": False}
_ITEM = re.compile(r"(?:[^;\\]|\\.)+", re.DOTALL)
_GUARDED = ("=", "+", "-", "@", "\t", "\r", "'")
"""What a spreadsheet would run as a formula; and the apostrophe that keeps it from that."""

Path = tuple[str, ...]


class Column(NamedTuple):
    """Where a cell belongs in a line, and how it is parsed."""

    path: Path
    parse: Callable[[str], Any]


@cache
def line_columns(kind: str) -> Mapping[str, Column]:
    """Give the columns of a type of line, by their names.

    What stands in `data` is named as it is there, and whatever is deeper with a point between:
    `details.kind`, `history.voided.reason`.
    """
    found: dict[str, Column] = {}
    for path, parse in _leaves(LINE_OF[kind]):
        name = ".".join(path[1:] if path[0] == "data" else path)
        column = found.setdefault(name, Column(path, parse))
        if column != Column(path, parse):
            raise TypeError(f"two columns of {kind} lines are called {name}")
    return found


@cache
def needed_columns(kind: str) -> tuple[str, ...]:
    """Name the columns without which no row can be a record, where all rows are of one type."""
    line = LINE_OF[kind]
    data: Any = line.model_fields["data"].annotation
    needed = {
        name
        for model in (line, data)
        for name, field in model.model_fields.items()
        if field.is_required()
    }
    # of what is deeper each kind needs something else, but its kind
    return tuple(
        name
        for name in line_columns(kind)
        if name != "type" and name.removesuffix(".kind") in needed
    )


def all_columns() -> tuple[str, ...]:
    """Name the columns of lines of every type, `type` first."""
    return tuple(dict.fromkeys(name for kind in LINE_OF for name in line_columns(kind)))


def nest(kind: str, cells: Mapping[str, str]) -> dict[str, Any]:
    """Make a line's object of its cells; an empty one says nothing. KeyError: no such column."""
    line: dict[str, Any] = {"type": kind, "data": {}}
    columns = line_columns(kind)
    for name, cell in cells.items():
        if cell == "":
            continue
        column = columns[name]
        inner = line
        for step in column.path[:-1]:
            inner = inner.setdefault(step, {})
        inner[column.path[-1]] = column.parse(_unguarded(cell))
    return line


def flatten(line: Mapping[str, Any]) -> dict[str, str]:
    """Write a line's object as cells, so that `nest` gives it back."""
    return {
        name: _guarded(_written(value))
        for name, column in line_columns(str(line["type"])).items()
        if (value := _at(line, column.path)) is not None
    }


def _at(line: Any, path: Path) -> Any:
    for step in path:
        line = line.get(step) if line is not None else None
    return line


def _leaves(model: type[BaseModel], above: Path = ()) -> Iterator[tuple[Path, Callable[..., Any]]]:
    for name, field in model.model_fields.items():
        path = (*above, field.alias or name)
        alternatives = list(_alternatives(field.annotation))
        schemas = [each for each in alternatives if _is_schema(each)]
        for schema in schemas:
            yield from _leaves(schema, path)
        if not schemas:
            yield path, _parser_for(alternatives[0])


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in {Union, UnionType}:
        for each in get_args(annotation):
            yield from _alternatives(each)
    elif annotation is not type(None):
        yield annotation


def _is_schema(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _parser_for(annotation: Any) -> Callable[[str], Any]:
    if get_origin(annotation) is list:
        return _items
    plain = {bool: _yes_or_no, int: _integer, float: _number}
    return plain.get(annotation, _text)


# what does not look right is left as it stands: the schema refuses it


def _text(cell: str) -> str:
    return cell


def _yes_or_no(cell: str) -> bool | str:
    return _YES_OR_NO.get(cell.lower(), cell)


def _integer(cell: str) -> int | str:
    return int(cell) if _INTEGER.fullmatch(cell) else cell


def _number(cell: str) -> float | str:
    return float(cell) if _NUMBER.fullmatch(cell) else cell


def _items(cell: str) -> list[str]:
    return [re.sub(r"\\(.)", r"\1", item, flags=re.DOTALL) for item in _ITEM.findall(cell)]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ";".join(re.sub(r"([;\\])", r"\\\1", str(item)) for item in value)
    return str(value)


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_GUARDED) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_GUARDED) else cell
