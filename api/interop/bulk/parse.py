"""Reads a file of records line by line, however long it is; a bad line is told by its number."""

import asyncio
import csv
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from api.http.field_errors import LIKE, field_error, message_of, nearest, not_a_word
from api.http.strict_route import strict_json
from api.interop.bulk.charsets import UnreadableFileError, in_utf_8
from api.interop.bulk.columns import all_columns, line_columns, needed_columns, nest
from api.interop.bulk.lines import LINE, LINE_OF, AnyLine
from api.interop.bulk.refusals import Refused

LONGEST_LINE = 512 * 1024
"""Bytes: more than any record needs that this program can write."""

_TAGS = {"union_tag_invalid", "union_tag_not_found"}
_MARKS = (",", ";", "\t")
"""What stands between the cells of a row: what RFC 4180 says, and what spreadsheets write."""
_SAYS_ITS_MARK = re.compile(rb'\s*"?sep=([,;\t|])"?\s*')
"""A first line by which a spreadsheet is told the mark."""
_BLANKS = " \t\r\n\xa0"
"""What means nothing around a cell or a name; no field of the schema keeps it there either."""
_SUCH_AS = 8
# a cell may be as long as a line
csv.field_size_limit(LONGEST_LINE)
_LOOKED_AT = 20
"""Mistakes of one line among which a misspelt name is looked for."""
_LINES_AT_A_TIME = 500
"""Lines after which others who are served by this process have their turn."""


class FileLine(NamedTuple):
    """A line of the file: where it began, how many bytes it has, and what it says."""

    number: int
    size: int
    line: AnyLine | Refused


Raw = tuple[int, bytes | None]
"""A line's number and its bytes; None where it is too long."""

_NOT_CSV = Refused(
    "", "This is not a row of CSV (RFC 4180): what has a quote in it is quoted, each quote twice."
)
_NOT_TEXT = Refused(
    "", "This is not text in UTF-8, nor in a charset that was declared; save the file as UTF-8."
)
_TOO_LONG = Refused("", f"A line has at most {LONGEST_LINE // 1024} KiB.")


async def read_ndjson(
    chunks: AsyncIterator[bytes], charset: str | None = None
) -> AsyncIterator[FileLine]:
    """Read a JSON object a line; blank lines say nothing. `charset` is what was declared."""
    async for number, raw in _lines(in_utf_8(chunks, charset)):
        if raw is None or raw.strip():
            yield FileLine(number, len(raw or b""), _TOO_LONG if raw is None else _of_json(raw))


async def read_csv(
    chunks: AsyncIterator[bytes], kind: str | None, charset: str | None = None
) -> AsyncIterator[FileLine]:
    """Read rows under a header; `kind` is the type of all of them, where no column says it.

    Rows without a word in them are none: a spreadsheet writes them where some were emptied. Raises
    UnreadableFileError where the header names no columns of such rows.
    """
    mark: str | None = None
    under: _Header | None = None
    async for number, raw in _rows(_lines(in_utf_8(chunks, charset))):
        if raw is not None and not raw.strip():
            continue
        if under is None:
            said = _SAYS_ITS_MARK.fullmatch(raw or b"") if mark is None else None
            if said is None:
                under = _header(number, raw, kind, mark)
            else:
                mark = said[1].decode()
            continue
        line = _TOO_LONG if raw is None else under.parse_row(raw, number)
        if line is not None:
            yield FileLine(number, len(raw or b""), line)
    if under is None:
        raise UnreadableFileError("The file is empty: its first line names the columns.")


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[Raw]:
    """Part a file into lines, by the end that its first line has: LF, CRLF, or CR alone."""
    end, number, begun, is_too_long = b"", 1, bytearray(), False
    async for chunk in chunks:
        if not end:
            end = _end_in(chunk, is_after_cr=begun.endswith(b"\r"))
            if end == b"\r":
                chunk, begun = bytes(begun) + chunk, bytearray()  # noqa: PLW2901 - parted anew
        *ended, rest = chunk.split(end) if end else (chunk,)
        for part in ended:
            begun += part
            yield number, _whole(begun, is_too_long=is_too_long)
            number, begun, is_too_long = number + 1, bytearray(), False
            if number % _LINES_AT_A_TIME == 0:
                # lines without a word make no batch, and so no pause
                await asyncio.sleep(0)
        begun += rest
        if len(begun) > LONGEST_LINE:
            # nothing of it is kept
            begun, is_too_long = bytearray(), True
    if begun or is_too_long:
        yield number, _whole(begun, is_too_long=is_too_long)


def _end_in(chunk: bytes, *, is_after_cr: bool) -> bytes:
    """Tell how the first line ends, once that is clear; a CR at the very end is not."""
    found = re.search(rb"\r?\n|\r(?!\Z)", chunk)
    if is_after_cr and chunk and not chunk.startswith(b"\n"):
        return b"\r"
    if found is None:
        return b""
    return b"\r" if found[0] == b"\r" else b"\n"


def _whole(line: bytearray, *, is_too_long: bool) -> bytes | None:
    return None if is_too_long or len(line) > LONGEST_LINE else bytes(line)


def _of_json(raw: bytes) -> AnyLine | Refused:
    if b"\x00" in raw:
        # as of UTF-16 without its mark: what it is, is not guessed
        return _NOT_TEXT
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
    """Say what is wrong first; a field that is missing is most often one that is misspelt."""
    errors: list[Any] = error.errors(include_url=False, include_input=False)
    unknown = (_told(each) for each in errors[:_LOOKED_AT] if each["type"] == "extra_forbidden")
    return next((each for each in unknown if LIKE in each.message), None) or _told(errors[0])


def _told(wrong: Any) -> Refused:
    """Say what is wrong, by the name of a field of the schema and no other."""
    kind, *path = wrong["loc"] or ("",)
    asked: Any = LINE_OF.get(str(kind))
    if asked is None:
        # it says of no type what it is
        return Refused("/type" if wrong["type"] in _TAGS else "", message_of(wrong))
    above = "/data" if path[:1] == ["data"] else ""
    if above:
        path, asked = path[1:], asked.model_fields["data"].annotation
    told = field_error({**wrong, "loc": ("body", *path)}, asked)
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


class _Header(NamedTuple):
    """The names of the columns, and how the rows under them are read; a blank name is of none."""

    names: list[str]
    mark: str
    kind: str | None

    def parse_row(self, raw: bytes, number: int) -> AnyLine | Refused | None:
        """Read a row that begins on a line; None where nothing stands in it."""
        cells = _cells(raw, self.mark)
        if isinstance(cells, Refused):
            last = number + raw.count(b"\n")
            return cells if cells != _NOT_CSV or last == number else _swallowed(number, last)
        if not any(cells):
            return None
        width = len(self.names)
        if len(cells) < width or any(cells[width:]):
            return Refused(
                "",
                f"This row has not as many cells as the first, which has {width}; quote those that "
                "have the mark between cells in them.",
            )
        nameless = (cell for name, cell in zip(self.names, cells, strict=False) if not name)
        if "" in self.names and any(nameless):
            return Refused("", "A cell stands under no name; name its column, or empty it.")
        return self._understood(dict(zip(self.names, cells, strict=False)))

    def _understood(self, named: dict[str, str]) -> AnyLine | Refused:
        said = named.get("type") or self.kind
        if said not in LINE_OF:
            return Refused("/type", not_a_word(list(LINE_OF)))
        if self.kind not in {None, said}:
            return Refused("/type", f"Each row is to be a {self.kind}, as was asked for.")
        try:
            return _understood(nest(said, named))
        except KeyError:
            known = line_columns(said)
            other = next(name for name, cell in named.items() if cell and name not in known)
            return Refused("", f"A {said} has no column `{other}`; leave this cell empty.")


def _swallowed(first: int, last: int) -> Refused:
    """Refuse a row of several lines: most often, a quote was opened and never closed."""
    return Refused(
        "",
        f"A quote that is opened on line {first} is not closed as it should be: lines {first} to "
        f"{last} were read as one row, and none of them was taken. Close it, and send them again.",
    )


def _header(number: int, raw: bytes | None, kind: str | None, mark: str | None) -> _Header:
    """Read the header. Raises UnreadableFileError, which says what is wrong with it."""
    where = f"Line {number}, which names the columns,"
    if raw is None:
        raise UnreadableFileError(f"{where} is too long. {_TOO_LONG.message}")
    known = list(all_columns() if kind is None else line_columns(kind))
    said, mark = _parted(raw, known, [mark] if mark else _MARKS)
    if isinstance(said, Refused):
        raise UnreadableFileError(f"{where} cannot be read. {said.message}")
    # a spreadsheet writes Key for key
    names = [name if name in known else name.casefold() for name in said]
    if kind is None and "type" not in names:
        raise UnreadableFileError(
            f"{where} has no column `type`: add one, or say what all rows are, as in `?type=case` "
            "of a request, `--type case` on the command line."
        )
    _refuse_names(where, names, known)
    for needed in ("key",) if kind is None else needed_columns(kind):
        if needed not in names:
            raise UnreadableFileError(f"{where} has no column `{needed}`, which every row needs.")
    return _Header(names, mark, kind)


def _parted(
    raw: bytes, known: Sequence[str], marks: Sequence[str]
) -> tuple[list[str] | Refused, str]:
    """Part a header by the mark that gives the most names which are known."""

    def fits(mark: str) -> int:
        names = _cells(raw, mark)
        if isinstance(names, Refused):
            return 0
        return len({*known}.intersection(name.casefold() for name in names))

    mark = max(marks, key=fits)
    return _cells(raw, mark), mark


def _refuse_names(where: str, names: Sequence[str], known: Sequence[str]) -> None:
    for place, name in enumerate(names, 1):
        if name and name not in known:
            near = nearest(name, known)
            such = f"Columns are called as fields are: {', '.join(known[:_SUCH_AS])}, and so on."
            why = such if near is None else f"{LIKE} `{near}`?"
            raise UnreadableFileError(f"{where} has one that is not known, at place {place}. {why}")
        if name and name in names[: place - 1]:
            raise UnreadableFileError(f"{where} has `{name}` twice; name each column once.")


def _cells(raw: bytes, mark: str) -> list[str] | Refused:
    try:
        text = raw.decode()
        rows = list(csv.reader(_once(text), delimiter=mark, strict=True))
    except UnicodeDecodeError:
        return _NOT_TEXT
    except csv.Error:
        return _NOT_TEXT if "\x00" in text else _NOT_CSV
    if "\x00" in text:
        return _NOT_TEXT
    return [cell.strip(_BLANKS) for cell in rows[0]] if len(rows) == 1 else _NOT_CSV


def _once(text: str) -> Iterator[str]:
    yield text
