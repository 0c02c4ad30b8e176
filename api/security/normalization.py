"""One text in two Unicode forms is one text: how it is spelled where it must be found again.

What looks alike may come as one character or as a letter and a mark after it, as the keyboard, the
system or the file has it (Unicode Standard Annex 15). Whoever typed it knows nothing of that.
"""

from typing import Literal
from unicodedata import combining, normalize

_MOST_MARKS = 30
"""Marks on one letter: more are in no language (UAX 15, Stream-Safe Text Format), and to order
thousands of them takes time that grows with the square."""


def one_text(text: str) -> str:
    """Spell a name by which something is found: a reference, a key (form NFC)."""
    return _in_form("NFC", text)


def one_address(text: str) -> str:
    """Spell an e-mail address: no blanks around it, in small letters (form NFC)."""
    # some small letters are two characters, which then have a form of their own
    return one_text(one_text(text.strip()).lower())


def one_password(text: str) -> str:
    """Spell a password as it is hashed (form NFKC, as NIST SP 800-63B-4 has it)."""
    return _in_form("NFKC", text)


def spellings(text: str) -> tuple[str, ...]:
    """Give a text as it is spelled here, and as it may have been kept before that was so."""
    if text.isascii():
        return (text,)
    return tuple(dict.fromkeys((one_text(text), text, _in_form("NFD", text))))


def password_spellings(text: str) -> tuple[str, ...]:
    """Give a password as it is hashed, and as it may have been hashed before that was so."""
    return tuple(dict.fromkeys((one_password(text), *spellings(text))))


def _in_form(form: Literal["NFC", "NFD", "NFKC"], text: str) -> str:
    """Bring a text into a form; one that nobody can have typed stays as it is."""
    return text if text.isascii() or not _can_be_typed(text) else normalize(form, text)


def _can_be_typed(text: str) -> bool:
    marks = 0
    for mark in map(combining, text):
        marks = marks + 1 if mark else 0
        if marks > _MOST_MARKS:
            return False
    return True
