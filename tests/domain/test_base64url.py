"""What is read as base64url is what would be written so, and nothing else."""

import base64
import binascii
import string
from itertools import product

from hypothesis import example, given
from hypothesis import strategies as st

from api.security.base64url import decode, encode

ALPHABET = string.ascii_letters + string.digits + "-_"
ASTRAY = "+/= \n\t!é\x00\ud800"
"""What stands in other spellings of the same bytes, or in none."""


def read_by_writing_again(text: str) -> bytes | None:
    """Read a text as generously as it can be, and see whether writing gives the same one."""
    try:
        data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, binascii.Error):
        return None
    return data if encode(data) == text else None


def read(text: str) -> bytes | None:
    """Read a text; None where it is refused."""
    try:
        return decode(text)
    except ValueError:
        return None


@given(st.binary(max_size=200))
def test_what_is_written_is_read(data: bytes) -> None:
    assert decode(encode(data)) == data


@given(st.text(ALPHABET) | st.text(ALPHABET + ASTRAY) | st.text())
@example("")
@example("AAAA=")
@example("AA==")
@example("AA\n")
@example("A\n\n\nAA")
@example("A+/=AA")
def test_what_would_not_be_written_so_is_refused(text: str) -> None:
    assert read(text) == read_by_writing_again(text)


def test_every_last_character_is_read_or_refused_as_writing_again_tells() -> None:
    ends = (
        "".join(each) for length in (1, 2) for each in product(ALPHABET + ASTRAY, repeat=length)
    )
    for end in ends:
        for text in (end, f"A{end}", f"AAAA{end}", f"AAAAA{end}"):
            assert read(text) == read_by_writing_again(text), text
