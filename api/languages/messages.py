"""Every text that is told in other languages, in English and by its id: what a catalogue holds.

English stands where it is used: the sentences of the rules, what they ask, the vocabulary. A floor
above that shows texts of its own puts them into a table of this package, and that table in here.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from api.domain.rules.english import SENTENCES
from api.domain.rules.in_words import in_words
from api.domain.rules.prompts import PROMPTS
from api.domain.rules.rulebook import RULES
from api.domain.vocabulary import VOCABULARY
from api.languages.mail import MAIL

Text = str | tuple[str, str]
"""A text; or two, for one and for several."""


def sentence_id(name: str) -> str:
    """Name a sentence of the rules."""
    return f"sentence:{name}"


def word_id(words: str, word: str) -> str:
    """Name what a word means; of a rule or prompt that is its title."""
    return f"word:{words}.{word}"


def asks_id(rule: str) -> str:
    """Name what a rule or prompt asks."""
    return f"asks:{rule}"


def mail_id(name: str) -> str:
    """Name a text of e-mails."""
    return f"mail:{name}"


def page_id(english: str) -> str:
    """Name a text of a page: by its English, which is written where it is shown."""
    return f"page:{english}"


@cache
def messages() -> dict[str, Text]:
    """Give every text by its id, in the order in which a translator best reads them."""
    return dict(_messages())


def _messages() -> Iterator[tuple[str, Text]]:
    for name, said in SENTENCES.items():
        yield sentence_id(name), said
    for name, rule in (*RULES.items(), *PROMPTS.items()):
        yield asks_id(name), in_words(rule).asks
    for words, members in VOCABULARY.items():
        for word in members:
            yield word_id(words, word), word.definition
    for name, text in MAIL.items():
        yield mail_id(name), text
    yield from ((page_id(text if isinstance(text, str) else text[0]), text) for text in _pages())


_PAGES = Path(__file__).with_name("pages.txt")
"""What pages say: gathered from them by `python -m api page-texts`, as they stand floors above."""


def _pages() -> Iterator[Text]:
    for line in _PAGES.read_text().splitlines():
        one, tab, several = line.partition("\t")
        yield (one, several) if tab else one
