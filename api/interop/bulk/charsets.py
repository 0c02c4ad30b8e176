"""How the text of a file is written: as its beginning or who sends it says, and never guessed.

Where it is no text as it was said to be, what comes out is no UTF-8 there: so the line it stands in
is refused, and no other.
"""

import codecs
from collections.abc import AsyncIterator

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LONGEST_MARK = 3
_UTF_8 = {"utf-8", "utf-8-sig", "ascii"}
_UTF_16 = {"utf-16-le", "utf-16-be"}
_OF_UNSAID_ORDER = "utf-16"
_LATIN = {f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)}
_WINDOWS = {f"cp125{page}" for page in range(9)}
_CONTROLS = {code: 0xDC00 + code for code in range(0x80, 0xA0)}
"""What no text has, and Windows' own charsets have letters for: one of those was meant."""
_NO_UTF_8 = b"\xff"

HOW = "Save the file as UTF-8 (spreadsheets call it CSV UTF-8), and declare charset=utf-8 or none."


class UnreadableFileError(Exception):
    """The file as a whole cannot be read; the message is a sentence for who sent it."""


def is_known(charset: str) -> bool:
    """Tell whether a charset that is declared is read here."""
    return _plain(charset) in _UTF_8 | _UTF_16 | _LATIN | _WINDOWS | {_OF_UNSAID_ORDER}


async def in_utf_8(chunks: AsyncIterator[bytes], charset: str | None) -> AsyncIterator[bytes]:
    """Give a file as UTF-8, without a byte order mark; that goes before what is declared.

    Raises UnreadableFileError where neither says how it is written.
    """
    begun = b""
    async for chunk in chunks:
        begun += chunk
        if len(begun) >= _LONGEST_MARK:
            break
    mark, name = next((each for each in _MARKS if begun.startswith(each[0])), (b"", ""))
    name = name or _plain(charset or "utf-8")
    if name == _OF_UNSAID_ORDER:
        raise UnreadableFileError(
            f"UTF-16 was declared, and no byte order mark says in which order. {HOW}"
        )
    reading = None if name in _UTF_8 else _Reading(name)
    begun = begun[len(mark) :]
    yield reading.more(begun) if reading else begun
    async for chunk in chunks:
        yield reading.more(chunk) if reading else chunk
    if reading:
        yield reading.more(b"", is_last=True)


class _Reading:
    """Turns a file of another charset into UTF-8, piece by piece."""

    def __init__(self, name: str) -> None:
        self._errors = "surrogatepass" if name in _UTF_16 else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(name)(self._errors)
        self._is_latin = name in _LATIN

    def more(self, chunk: bytes, *, is_last: bool = False) -> bytes:
        """Give what can be read by now; half a character waits for its other half."""
        try:
            text = self._decoder.decode(chunk, is_last)
        except UnicodeDecodeError:
            # the file ends in the midst of a character
            return _NO_UTF_8
        if self._is_latin:
            text = text.translate(_CONTROLS)
        # what is no character stays none: as bytes, two of them might be one in UTF-8
        return text.encode("utf-8", "surrogatepass")


def _plain(charset: str) -> str:
    """Give Python's name of a charset; nothing where it knows none."""
    try:
        return codecs.lookup(charset).name
    except (LookupError, ValueError):
        return ""
