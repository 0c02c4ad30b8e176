"""The command `language`: writes a catalogue anew, keeping what is translated already."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer
from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from api.commands.terminal import stop
from api.languages.catalogue import forms_of
from api.languages.messages import Text, messages
from api.languages.spoken import CATALOGUES, IN_ENGLISH


def language(
    code: Annotated[str, typer.Argument(help="The language, as in `es` or `pt-BR`.")],
    folder: Annotated[Path, typer.Option(help="Where the catalogue is, or is to be.")] = CATALOGUES,
) -> None:
    """Write what the catalogue of a language has to hold, for a translator.

    What is translated stays; where the English is another by now, it is marked as fuzzy, and is not
    used until a person has looked at it.
    """
    if code == IN_ENGLISH:
        stop("English is the code, and has no catalogue.")
    try:
        locale = Locale.parse(code, sep="-")
    except (ValueError, UnknownLocaleError):
        stop(f"{code} is no language that dates can be written in.")
    path = folder / f"{code}.po"
    written = renewed(path.read_bytes() if path.exists() else b"", locale, messages())
    path.write_bytes(written)
    left = [each for each in _entries(written, locale) if not is_translated(each)]
    typer.echo(f"{path.name}: {len(messages())} texts, of which {len(left)} are to be translated.")


def renewed(po: bytes, locale: Locale, texts: Mapping[str, Text]) -> bytes:
    """Write a catalogue with just these texts, in their order."""
    before = read_po(BytesIO(po), locale, ignore_obsolete=True)
    known = {str(each.context): each for each in before if each.context}
    catalog = Catalog(locale, fuzzy=False)
    catalog.mime_headers = [("Plural-Forms", before.plural_forms)]
    for message, english in texts.items():
        old = known.get(message)
        if old is None or old.pluralizable == isinstance(english, str):
            catalog.add(english, context=message)
        else:
            changed = old.fuzzy or (old.id != english and any(forms_of(old)))
            flags = ["fuzzy"] if changed else []
            catalog.add(english, old.string, context=message, flags=flags)
    out = BytesIO()
    write_po(out, catalog, width=100, omit_header=True)
    return _header(before, locale).encode() + out.getvalue().rstrip(b"\n") + b"\n"


def is_translated(message: Message) -> bool:
    """Tell whether a message may be used."""
    return not message.fuzzy and all(forms_of(message))


def _entries(po: bytes, locale: Locale) -> list[Message]:
    return [each for each in read_po(BytesIO(po), locale, ignore_obsolete=True) if each.context]


def _header(before: Catalog, locale: Locale) -> str:
    """Write the header: nothing in it changes by itself."""
    lines = (
        "Project-Id-Version: Boundary Notes",
        f"Language: {str(locale).replace('_', '-')}",
        f"Plural-Forms: {before.plural_forms}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    )
    written = "\n".join(f'"{line}\\n"' for line in lines)
    return f'msgid ""\nmsgstr ""\n{written}\n\n'
