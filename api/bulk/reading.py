"""Reads a file of records line by line, however long it is; a bad line is told by its number."""

import csv
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from api.domain.columns import all_columns, columns_of, nest
from api.domain.lines import LINE, LINE_OF, AnyLine
from api.intake import strict_json
from api.reasons import NOT_UTF8, field_error, message_of

LONGEST_LINE = 512 * 1024
"""Bytes: more than any record needs that this program can write."""

_TAGS = {"union_tag_invalid", "union_tag_not_found"}
_BOM = b"\xef\xbb\xbf"


class Refused(NamedTuple):
    """Why a line is not taken; it repeats nothing of the line."""

    pointer: str
    message: str


class Read(NamedTuple):
    """A line of the file: where it began, how many bytes it has, and what it says."""

    number: int
    size: int
    line: AnyLine | Refused


class UnreadableFileError(Exception):
    """The file as a whole cannot be read; the message is a sentence for who sent it."""


Raw = tuple[int, bytes | None]
"""A line's number and its bytes; None where it is too long."""

_NOT_CSV = Refused("", "This is not a row of CSV (RFC 4180).")
_NOT_TEXT = Refused("", NOT_UTF8)
_UNKNOWN = Refused("", "A field here is not known.")
_TOO_LONG = Refused("", f"A line has at most {LONGEST_LINE // 1024} KiB.")


async def read_ndjson(chunks: AsyncIterator[bytes]) -> AsyncIterator[Read]:
    """Read a JSON object a line; blank lines say nothing."""
    async for number, raw in _lines(chunks):
        if raw is None or raw.strip():
            yield Read(number, len(raw or b""), _TOO_LONG if raw is None else _of_json(raw))


async def read_csv(chunks: AsyncIterator[bytes], kind: str | None) -> AsyncIterator[Read]:
    """Read rows under a header; `kind` is the type of all of them, where no column says it.

    Raises UnreadableFileError where the header names no columns of such rows.
    """
    row: Callable[[bytes], AnyLine | Refused] | None = None
    async for number, raw in _rows(_lines(chunks)):
        if row is None:
            row = _under(raw, kind)
        elif raw is None or raw.strip():
            yield Read(number, len(raw or b""), _TOO_LONG if raw is None else row(raw))


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[Raw]:
    number, begun, is_too_long = 1, bytearray(), False
    async for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            begun += part
            yield number, _whole(number, begun, is_too_long=is_too_long)
            number, begun, is_too_long = number + 1, bytearray(), False
        begun += rest
        if len(begun) > LONGEST_LINE:
            # nothing of it is kept
            begun, is_too_long = bytearray(), True
    if begun or is_too_long:
        yield number, _whole(number, begun, is_too_long=is_too_long)


def _whole(number: int, line: bytearray, *, is_too_long: bool) -> bytes | None:
    if is_too_long or len(line) > LONGEST_LINE:
        return None
    return bytes(line).removeprefix(_BOM if number == 1 else b"")


def _of_json(raw: bytes) -> AnyLine | Refused:
    try:
        value = strict_json(raw)
    except json.JSONDecodeError as error:
        return Refused("", error.msg)
    return _understood(value)


def _understood(value: Any) -> AnyLine | Refused:
    try:
        return LINE.validate_python(value)
    except ValidationError as error:
        return _first(error)


def _first(error: ValidationError) -> Refused:
    """Say what is wrong first, by the name of a field of the schema and no other."""
    first: Any = error.errors(include_url=False, include_input=False)[0]
    kind, *path = first["loc"] or ("",)
    asked: Any = LINE_OF.get(str(kind))
    if asked is None:
        # it says of no type what it is
        return Refused("/type" if first["type"] in _TAGS else "", message_of(first))
    above = "/data" if path[:1] == ["data"] else ""
    if above:
        path, asked = path[1:], asked.model_fields["data"].annotation
    told = field_error({**first, "loc": ("body", *path)}, asked)
    return Refused(f"{above}{told.pointer}", told.message)


# ----------------------------------------------------------------------------------------- rows


async def _rows(lines: AsyncIterator[Raw]) -> AsyncIterator[Raw]:
    """Put lines together that a quoted text runs over."""
    held: list[bytes] = []
    begun_at, size, quotes = 0, 0, 0
    async for number, raw in lines:
        if raw is None:
            yield begun_at or number, None
            held, begun_at, size, quotes = [], 0, 0, 0
            continue
        held.append(raw)
        # an empty line of a quoted text has its end, too
        begun_at, size = begun_at or number, size + len(raw) + 1
        quotes += raw.count(b'"')
        if size > LONGEST_LINE or quotes % 2 == 0:
            yield begun_at, None if size > LONGEST_LINE else b"\n".join(held)
            held, begun_at, size, quotes = [], 0, 0, 0
    if held:
        yield begun_at, b"\n".join(held)


def _under(header: bytes | None, kind: str | None) -> Callable[[bytes], AnyLine | Refused]:
    """Read the header; give what reads the rows under it."""
    names = _cells(header) if header is not None else _NOT_CSV
    if isinstance(names, Refused):
        raise UnreadableFileError("The first row does not name columns.")
    if kind is None and "type" not in names:
        raise UnreadableFileError(
            "No column is called type, and nothing else says it; columns are parted by commas."
        )
    known = set(all_columns() if kind is None else columns_of(kind))
    if len(set(names)) != len(names) or not known.issuperset(names):
        raise UnreadableFileError("The first row names a column twice, or one that is not known.")
    return lambda raw: _row(raw, names, kind)


def _row(raw: bytes, names: list[str], kind: str | None) -> AnyLine | Refused:
    cells = _cells(raw)
    if isinstance(cells, Refused):
        return cells
    if len(cells) != len(names):
        return Refused("", "This row has not as many cells as the first.")
    named = dict(zip(names, cells, strict=True))
    said = named.get("type") or kind
    if said not in LINE_OF or kind not in {None, said}:
        return Refused("/type", "This is not one of the known words.")
    try:
        return _understood(nest(said, named))
    except KeyError:
        return _UNKNOWN


def _cells(raw: bytes) -> list[str] | Refused:
    try:
        text = raw.decode()
        rows = list(csv.reader(_once(text), strict=True))
    except UnicodeDecodeError:
        return _NOT_TEXT
    except csv.Error:
        return _NOT_CSV
    return rows[0] if len(rows) == 1 and "\x00" not in text else _NOT_CSV


def _once(text: str) -> Iterator[str]:
    yield text
