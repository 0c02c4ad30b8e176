"""The command `page-texts`: gathers every text of the pages, for catalogues of other languages.

What stands in templates and in the program is read off them; what forms ask for and records tell,
off what the API takes and gives.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import typer
from jinja2 import Environment, nodes
from pydantic import BaseModel

import api.desk
import api.door
from api import main
from api.access.at_door import WRONG
from api.access.door_guesses import MOST_IN_ALL
from api.desk.fields import RULE, Field, fields_of, kinds_of
from api.desk.forms import FORMS, fields
from api.desk.labels import LABELS, help_of, label_of
from api.desk.showing import OF_THE_ROW
from api.desk.words import first_sentence, plain
from api.domain.bodies import IncidentCreate
from api.domain.errors import every_refusal
from api.domain.vocabulary import VOCABULARY
from api.journal.entries import Happening
from api.languages.messages import Text
from api.records.client_accounts import (
    NO_COPY,
    NOT_SHOWN,
    SHARED_BY_NOW,
    TAKEN_BACK,
    TOMORROW,
)
from api.records.consultations_shown import ConsultationRead
from api.records.deidentified_brief import ConsultationBrief
from api.records.incidents_shown import IncidentRead
from api.records.patient_copy_schemas import Purpose
from api.records.promises_shown import PromiseRead
from api.records.read_models import CaseRead, ClinicRead, FlagRead
from api.routes.incidents import IncidentPatch
from api.routes.notes import NoteRead
from api.storage.models.access import GrantKind
from api.storage.models.columns import Record
from api.storage.models.integration import DeliveryStatus, Outcome

_ROOMS = tuple(Path(each.__path__[0]) for each in (api.desk, api.door))
_ONE = frozenset({"_", "gettext", "text", "N_"})
_TWO = frozenset({"ngettext", "several"})
_SHOWN: tuple[type[BaseModel], ...] = (
    CaseRead,
    IncidentRead,
    PromiseRead,
    ConsultationRead,
    ConsultationBrief,
    NoteRead,
    FlagRead,
    ClinicRead,
)
"""What is shown field by field."""
_AT_DOOR = (WRONG, MOST_IN_ALL, TOMORROW, NOT_SHOWN, NO_COPY, TAKEN_BACK, SHARED_BY_NOW)
"""Why something is not done at the door, which its pages tell."""
_TITLED = frozenset({"rule", "prompt"})
"""The lists of what has a title, and is called by that."""
_PURPOSES = ("emergency", "cover", "consultation")
"""What the journal says somebody saw a case for."""


T = TypeVar("T")


def page_texts() -> None:
    """Write every text of the pages, a line each; two with a tab between, of one and of several."""
    for text in gathered():
        typer.echo(text if isinstance(text, str) else "\t".join(text))


def gathered() -> list[Text]:
    """Give every text once, in the order in which they are found."""
    found = (
        *_in_templates(),
        *_in_code(),
        *_AT_DOOR,
        *_of_forms(),
        *_of_incidents(),
        *LABELS.values(),
        *(
            label_of(name)
            for body in _SHOWN
            for name in body.model_fields
            if name not in OF_THE_ROW
        ),
        *map(plain, _words()),
        *sorted(each.title for each in every_refusal().values()),
    )
    return [*dict.fromkeys(text for text in found if text)]


def _in_templates() -> Iterator[Text]:
    reader = Environment(extensions=["jinja2.ext.i18n"])  # noqa: S701 - nothing is rendered
    for path in _files("templates/*.html"):
        for call in reader.parse(path.read_text()).find_all(nodes.Call):
            name = getattr(call.node, "attr", getattr(call.node, "name", ""))
            yield from _of_call(name, [each for arg in call.args for each in _said(arg)])


def _said(arg: nodes.Expr) -> Iterator[str]:
    match arg:
        case nodes.Const(value=str(text)):
            yield text
        case nodes.CondExpr(expr1=one, expr2=other):
            yield from _said(one)
            yield from () if other is None else _said(other)


def _in_code() -> Iterator[Text]:
    for path in _files("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                said = [each.value for each in node.args if isinstance(each, ast.Constant)]
                yield from _of_call(name, [each for each in said if isinstance(each, str)])


def _files(pattern: str) -> Iterator[Path]:
    for room in _ROOMS:
        yield from sorted(room.glob(pattern))


def _of_call(name: str, said: list[str]) -> Iterator[Text]:
    if name in _ONE:
        yield from said
    elif name in _TWO and len(said) > 1:
        yield said[0], said[1]


def _of_forms() -> Iterator[str]:
    for form in sorted(FORMS, key=lambda form: form.path):
        yield from (form.title, form.button, form.hint)
        yield from _of_fields(fields(form))


def _of_incidents() -> Iterator[str]:
    """Give what is asked and told of each kind of incident."""
    for kind, described in kinds_of(IncidentCreate).items():
        yield from (plain(kind), first_sentence(described))
        for body in (IncidentCreate, IncidentPatch):
            yield from _of_fields(fields_of(body, kind))


def _of_fields(asked: Iterable[Field]) -> Iterator[str]:
    for each in asked:
        label, told = label_of(each.key), help_of(each.key, each.help)
        # rules are called by their titles
        yield label if each.variant != RULE else ""
        yield told if told.rstrip(".") != label else ""
        # words of a list are gathered with it
        yield from () if each.list else map(plain, map(str, each.options))


def _words() -> Iterator[str]:
    """Give the words that stand in records, and what happens to those."""
    for name, words in VOCABULARY.items():
        if name not in _TITLED:
            # what is written with a colon is a name that programs compare, and stays
            yield from (str(word) for word in words if ":" not in word)
    yield from (
        *DeliveryStatus,
        *Outcome,
        *GrantKind,
        *Purpose,
        *_PURPOSES,
        *sorted({*_nouns(Record)}),
        "record",
    )
    yield from map(str, Happening)


def _nouns(table: type[Any]) -> Iterator[str]:
    for each in _below(table):
        noun = getattr(each, "noun", None)
        yield from (noun,) if isinstance(noun, str) else ()


def _below(ours: type[T]) -> Iterator[type[T]]:
    # with `api.main` every one is known, as every form is
    for each in ours.__subclasses__():
        if each.__module__.startswith(f"{main.__package__}."):
            yield each
            yield from _below(each)
