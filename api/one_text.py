"""One text in two Unicode forms is one text: how it is spelled where it must be found again.

What looks alike may come as one character or as a letter and a mark after it, as the keyboard, the
system or the file has it (Unicode Standard Annex 15). Whoever typed it knows nothing of that.
"""

from unicodedata import normalize


def one_text(text: str) -> str:
    """Spell a name by which something is found: a reference, a key (form NFC)."""
    return text if text.isascii() else normalize("NFC", text)


def one_address(text: str) -> str:
    """Spell an e-mail address: no blanks around it, in small letters (form NFC)."""
    # some small letters are two characters, which then have a form of their own
    return one_text(one_text(text.strip()).lower())


def one_password(text: str) -> str:
    """Spell a password as it is hashed (form NFKC, as NIST SP 800-63B-4 has it)."""
    return text if text.isascii() else normalize("NFKC", text)


def spellings(text: str) -> tuple[str, ...]:
    """Give a text as it is spelled here, and as it may have been kept before that was so."""
    if text.isascii():
        return (text,)
    return tuple(dict.fromkeys((one_text(text), text, normalize("NFD", text))))


def password_spellings(text: str) -> tuple[str, ...]:
    """Give a password as it is hashed, and as it may have been hashed before that was so."""
    return tuple(dict.fromkeys((one_password(text), *spellings(text))))
