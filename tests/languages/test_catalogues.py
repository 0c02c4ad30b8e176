"""Catalogues: each has every text, with its places, and says what rules found in any case."""

import re
import string
from collections.abc import Iterator
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from hypothesis import given

from api.domain.in_each_language import InEach, ToldInEach
from api.domain.rules.english import SENTENCES
from api.domain.rules.evaluate import evaluate
from api.domain.rules.facts import Facts
from api.domain.rules.findings import because_of
from api.domain.vocabulary import DatePrecision, PromptName, RuleName, served_vocabulary
from api.languages.catalogue import Catalogue, forms_of
from api.languages.messages import Text, messages
from api.languages.spoken import (
    CATALOGUES,
    IN_ENGLISH,
    KNOWN,
    language_of,
    title_of,
    vocabulary_in,
)
from tests.domain.builders import NOW
from tests.domain.strategies import cases
from tests.support.processes import run

TRANSLATED = KNOWN[1:]

VERDICTS = {
    "es": re.compile(
        r"\b(ruptur\w*|violaci\w*|viol[aóe]\w*|abus\w*|fracas\w*|inapropiad\w*|culpa\w*|negligen\w*"
        r"|infracci\w*|infring\w*|incumpl\w*|mala praxis|impropi\w*|agres\w*|víctima\w*|maltrat\w*"
        r"|castig\w*|inmoral\w*|vulner[aóe]\w*|antiétic\w*)\b",
        re.IGNORECASE,
    ),
}
"""What no text of a language says of anybody. A new language names its own."""


def test_a_clinic_writes_in_every_language() -> None:
    assert tuple(InEach.model_fields) == KNOWN
    assert tuple(ToldInEach.model_fields) == KNOWN


def po_of(code: str) -> str:
    """Give a catalogue as it is kept."""
    return (CATALOGUES / f"{code}.po").read_text()


def entries(po: str, code: str) -> list[Message]:
    """Give all that a catalogue holds."""
    read = read_po(BytesIO(po.encode()), Locale.parse(code, sep="-"), abort_invalid=True)
    return [message for message in read if message.id]


def places_of(text: str) -> set[str]:
    """Name the places of a text, but for the number: of one it need not be said."""
    braced = {name for _, name, _, _ in string.Formatter().parse(text) if name}
    return (braced | {*OF_PAGES.findall(text)}) - {"n"}


OF_PAGES = re.compile(r"%\((\w+)\)s")
"""A place in a text of a page."""


def has_number(text: str) -> bool:
    """Tell whether a text says how many."""
    return "{n}" in text or "%(n)s" in text


def amiss(message: Message, english: Text) -> Iterator[str]:
    """Say what is not in order with one text."""
    several = english if isinstance(english, tuple) else (english,)
    forms = forms_of(message)
    if message.fuzzy:
        yield "fuzzy"
    if message.id != english:
        yield "of another English"
    elif not all(forms):
        yield "not translated"
    elif any(places_of(form) != places_of(several[-1]) for form in forms):
        yield "other places"
    elif any(map(has_number, forms[1:] or forms)) != has_number(several[-1]):
        yield "no number"
    elif any("%" in OF_PAGES.sub("", form) for form in forms) and message.context in PAGES:
        yield "a sign that pages take for a place"


PAGES = {name for name in messages() if name.startswith("page:")}
"""What is told on pages."""


def wrong_in(po: str, code: str) -> list[str]:
    """Say what is not in order with a catalogue."""
    expected, found = messages(), {str(each.context): each for each in entries(po, code)}
    return [
        *(f"{name} is missing" for name in expected.keys() - found.keys()),
        *(f"{name} is too many" for name in found.keys() - expected.keys()),
        *(
            f"{name} is {what}"
            for name in expected.keys() & found.keys()
            for what in amiss(found[name], expected[name])
        ),
    ]


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_catalogue_has_every_text_with_its_places_and_no_other(code: str) -> None:
    assert wrong_in(po_of(code), code) == []


@pytest.mark.parametrize(
    ("stands", "instead", "wrong"),
    [
        (
            'msgctxt "sentence:no_plan"',
            'msgctxt "sentence:no_plans"',
            ["sentence:no_plan is missing", "sentence:no_plans is too many"],
        ),
        ('msgstr "con qué base hubo contacto"', 'msgstr ""', ["missing_basis is not translated"]),
        ("{n} meses", "", ["sentence:months is not translated"]),
        ("{n} meses", "varios meses", ["sentence:months is no number"]),
        ("consta un límite puesto {when}", "consta un límite", ["limit_drawn is other places"]),
        ("consta un límite puesto {when}", "consta {wen}", ["limit_drawn is other places"]),
        ("%(n)s registros", "registros", ["page:%(n)s record is no number"]),
        ("Versión %(n)s", "Versión", ["page:Version %(n)s is no number"]),
        (
            "Versión %(n)s",
            "Versión %(n)s: 100 %",
            ["page:Version %(n)s is a sign that pages take for a place"],
        ),
        (
            "mencione esto: %(id)s",
            "mencione esto",
            ["page:If you ask for help, name this: %(id)s is other places"],
        ),
        (
            "mencione esto: %(id)s",
            "mencione %(ide)s",
            ["page:If you ask for help, name this: %(id)s is other places"],
        ),
        ('msgid "abrupt"', 'msgid "sudden"', ["sentence:abrupt is of another English"]),
        ('msgctxt "sentence:abrupt"', '#, fuzzy\nmsgctxt "sentence:abrupt"', ["abrupt is fuzzy"]),
    ],
)
def test_what_is_wrong_in_a_catalogue_would_be_found(
    stands: str, instead: str, wrong: list[str]
) -> None:
    po = po_of("es")
    assert po.count(stands) == 1
    found = sorted(wrong_in(po.replace(stands, instead), "es"))
    assert [each for each in found if any(each.endswith(end) for end in wrong)] == found
    assert len(found) == len(wrong)


@pytest.mark.parametrize("code", TRANSLATED)
def test_no_text_is_a_verdict_or_a_word_of_the_program(code: str) -> None:
    for message in entries(po_of(code), code):
        for form in forms_of(message):
            assert not VERDICTS[code].search(form), message.context
            assert "_" not in re.sub(r"\{\w+\}|%\(\w+\)s", "", form), message.context


def test_a_verdict_would_be_found() -> None:
    for said in ("una ruptura", "violación de límites", "Abusó de", "fracasó", "fue inapropiado"):
        assert VERDICTS["es"].search(said), said
    assert not VERDICTS["es"].search("una tensión en la alianza")


@given(facts=cases())
def test_whatever_rules_find_is_told_in_every_language(facts: Facts) -> None:
    for found in evaluate(facts, NOW).findings:
        for code in KNOWN:
            language = language_of(code)
            said = f"{title_of(found.rule, language)}: {because_of(found.says, language)}"
            assert not re.search(r"[{}_]", said), said
            if code in VERDICTS:
                assert not VERDICTS[code].search(said), said
        assert because_of(found.says, language_of(IN_ENGLISH)) == found.because


def test_english_is_the_code() -> None:
    english = language_of(IN_ENGLISH)
    assert vocabulary_in(english) == served_vocabulary()
    assert {title_of(name, english) for name in (*RuleName, *PromptName)} == {
        name.definition for name in (*RuleName, *PromptName)
    }
    for name, said in SENTENCES.items():
        one, several = said if isinstance(said, tuple) else (said, said)
        assert (english.sentence(name, 1), english.sentence(name, 2)) == (one, several)
        told = [english.text(f"sentence:{name}", number) for number in (1, 2, None)]
        assert told == [one, several, several]


@pytest.mark.parametrize(
    ("precision", "said"),
    [("day", "2 de marzo de 2026"), ("month", "marzo de 2026"), ("year", "2026")],
)
def test_a_day_is_written_as_closely_as_it_is_known(precision: str, said: str) -> None:
    assert language_of("es").day(date(2026, 3, 2), DatePrecision[precision]) == said


@pytest.mark.parametrize(
    ("code", "precision", "said"),
    [
        ("en", "day", "2 Sep"),
        ("en", "month", "Sep 2026"),
        ("es", "day", "2 sept"),
        ("es", "month", "sept 2026"),
    ],
)
def test_a_day_is_written_shortly_where_there_is_little_room(
    code: str, precision: str, said: str
) -> None:
    assert language_of(code).short(date(2026, 9, 2), DatePrecision[precision]) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 meses"), (1, "1 mes"), (2, "2 meses"), (None, "0 meses")],
)
def test_a_number_decides_between_one_and_several(number: int | None, said: str) -> None:
    assert language_of("es").sentence("months", number).format(n=number or 0) == said


def test_a_language_has_no_text_that_it_was_not_given() -> None:
    for code in KNOWN:
        for unknown in ("sentence:gone", "word:severity.gone", "gone", ""):
            with pytest.raises(KeyError):
                language_of(code).text(unknown)
    for code in ("fr", "es-MX", "ES", "", "../es"):
        with pytest.raises(KeyError):
            language_of(code)


@pytest.mark.parametrize(
    ("stands", "instead"),
    [
        ('msgctxt "sentence:months"', '#, fuzzy\nmsgctxt "sentence:months"'),
        ('msgstr[0] "{n} mes"', 'msgstr[0] ""'),
        ('msgctxt "sentence:months"', 'msgctxt "sentence:moons"'),
    ],
)
def test_what_is_not_surely_translated_is_not_told(stands: str, instead: str) -> None:
    po = po_of("es")
    assert Catalogue("es", po.encode()).text("sentence:months", 2) == "{n} meses"
    assert po.count(stands) == 1
    doubtful = Catalogue("es", po.replace(stands, instead).encode())
    assert doubtful.text("sentence:weeks", 2) == "{n} semanas"
    with pytest.raises(KeyError):
        doubtful.text("sentence:months", 2)


def test_the_command_leaves_a_whole_catalogue_as_it_is(tmp_path: Path) -> None:
    for code in TRANSLATED:
        (tmp_path / f"{code}.po").write_text(po_of(code))
        told = run("language", code, "--folder", str(tmp_path)).stdout
        assert told == f"{code}.po: {len(messages())} texts, of which 0 are to be translated.\n"
        assert (tmp_path / f"{code}.po").read_text() == po_of(code)


@pytest.mark.parametrize(("code", "forms"), [("ja", 1), ("de", 2), ("ar", 6), ("pt-BR", 3)])
def test_a_new_language_begins_with_everything_to_be_translated(
    tmp_path: Path, code: str, forms: int
) -> None:
    every = len(messages())
    for _ in range(2):
        told = run("language", code, "--folder", str(tmp_path)).stdout
        assert told == f"{code}.po: {every} texts, of which {every} are to be translated.\n"
    po = (tmp_path / f"{code}.po").read_text()
    assert {each.removesuffix("translated") for each in wrong_in(po, code)} == {
        f"{name} is not " for name in messages()
    }
    (months,) = (each for each in entries(po, code) if each.context == "sentence:months")
    assert len(forms_of(months)) == forms


def test_the_command_keeps_a_translation_and_doubts_it_where_the_english_changed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "es.po"
    before = po_of("es").replace('msgid "abrupt"', 'msgid "sudden"')
    before = before.replace('msgid "{n} months"', 'msgid "{n} moons"')
    path.write_text(before + '\nmsgctxt "sentence:gone"\nmsgid "gone"\nmsgstr "ido"\n')
    told = run("language", "es", "--folder", str(tmp_path)).stdout
    assert told.endswith("of which 1 are to be translated.\n")
    assert wrong_in(path.read_text(), "es") == ["sentence:abrupt is fuzzy"]
    assert 'msgstr "repentino"' in path.read_text()


@pytest.mark.parametrize("code", ["en", "xx", "", "../es", "español"])
def test_the_command_refuses_what_is_no_language_to_translate_into(
    tmp_path: Path, code: str
) -> None:
    refused = run("language", code, "--folder", str(tmp_path))
    assert refused.returncode != 0
    assert refused.stderr
    assert list(tmp_path.iterdir()) == []
