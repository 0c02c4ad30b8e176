"""Reads a language's catalogue, a .po file as GNU gettext has them, and tells what is in it."""

from datetime import date
from gettext import c2py
from io import BytesIO

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from api.domain.vocabulary import DatePrecision
from api.languages.messages import sentence_id, word_id

Forms = tuple[str, ...]


class Catalogue:
    """A language as its catalogue has it.

    What is not translated it has not, nor what is marked as fuzzy: a person has to look at that
    first. Each message is found by its context, which is its id; its English is for translators.
    """

    def __init__(self, code: str, po: bytes) -> None:
        self.code = code
        self._locale = Locale.parse(code, sep="-")
        read = read_po(BytesIO(po), self._locale, ignore_obsolete=True, abort_invalid=True)
        self._texts = {
            str(message.context): forms
            for message in read
            if message.context and not message.fuzzy and all(forms := forms_of(message))
        }
        self._form = c2py(read.plural_expr)

    def text(self, message: str, number: int | None = None) -> str:
        """Give a text by its id. Raises KeyError for one that is not there."""
        forms = self._texts[message]
        return forms[-1] if number is None else forms[min(self._form(number), len(forms) - 1)]

    def sentence(self, name: str, number: int | None) -> str:
        """Give a sentence of the rules, with its places in braces."""
        return self.text(sentence_id(name), number)

    def word(self, words: str, word: str) -> str:
        """Give what a word of the vocabulary means."""
        return self.text(word_id(words, word))

    def day(self, day: date, precision: DatePrecision) -> str:
        """Write a day, a month or a year."""
        match precision:
            case DatePrecision.year:
                return format_skeleton("y", day, locale=self._locale)
            case DatePrecision.month:
                return format_skeleton("yMMMM", day, locale=self._locale)
            case _:
                return format_date(day, "long", locale=self._locale)

    def short(self, day: date, precision: DatePrecision) -> str:
        """Write a day without its year, or a month with its own, where there is little room."""
        skeleton = "yMMM" if precision == DatePrecision.month else "MMMd"
        return format_skeleton(skeleton, day, locale=self._locale)


def forms_of(message: Message) -> Forms:
    """Give a translation as it is told of one, of several, and so on; or the only one."""
    string = message.string or ""
    return (string,) if isinstance(string, str) else tuple(string)
