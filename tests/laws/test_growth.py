"""A word that is added has its row in each table; else the tables are named that lack it.

Whoever adds a kind of incident, a rule, a prompt, a role, a scope, an action, a happening or a
notice plays this file: it says where else the word belongs.
"""

import ast
import importlib
import inspect
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_args

import pytest

from api.domain.details import Details
from api.domain.incident_kinds import IncidentKind
from api.domain.permissions.actions import Action
from api.domain.permissions.table import PersonRole, may_anybody, roles_that_may, scopes_that_let
from api.domain.rules.modes import RuleModes
from api.domain.rules.thresholds import Thresholds
from api.domain.values import sent_as
from api.domain.vocabulary import (
    VOCABULARY,
    AccountWant,
    ConsultationStatus,
    Event,
    PromptName,
    Role,
    RuleName,
    Scope,
    Severity,
    Word,
)
from api.interop.bulk.columns import line_columns
from api.journal.entries import Happening
from api.storage.models.access import NoticeKind
from tests.domain import strategies
from tests.support import fhir, incidents, matrix, rulebook, scopes, world
from tests.support.checkout import DOCS, ROOT


class Table(NamedTuple):
    """Where words have rows, which have one, and which should."""

    where: str
    has: Iterable[str]
    of: Iterable[str]


PARTIAL: dict[str, set[Enum]] = {
    # nothing moves to a draft, and none was told of
    "api.domain.lifecycles._CONSULTATION_MOVES": {ConsultationStatus.draft},
    "api.interop.bulk.journalled._OF_STATUS": {ConsultationStatus.draft},
    # software is nobody who is called anything
    "api.domain.permissions.table.PEOPLE": {Role.service},
    # of a prompt nothing is milder, and none is told as an issue
    "api.domain.rules.safety._ONE_STEP_DOWN": {Severity.info},
    "api.interop.fhir.flags.ISSUE_SEVERITY": {Severity.info},
    # what else is wanted is no request about the record
    "api.records.from_accounts._ASKED_FOR": {
        AccountWant.an_answer,
        AccountWant.nothing_more,
        AccountWant.somebody_looks,
    },
}
"""What has no row in a table, and needs none."""


def lacking(table: Table) -> Iterator[str]:
    """Name each word that has no row in a table, and each row that is of no word."""
    has, of = set(map(str, table.has)), set(map(str, table.of))
    yield from (f"{table.where} lacks {word}" for word in sorted(of - has))
    yield from (f"{table.where} names {word}, which there is not" for word in sorted(has - of))


# ------------------------------------------------------------ tables whose keys are an enum


def modules(folder: str) -> Iterator[ModuleType]:
    """Import every module of a folder, but what runs when it is imported."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if path.stem != "__main__" and not path.stem.startswith("test_"):
            yield importlib.import_module(name)


def assigned(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Give what a module makes itself, and does not import."""
    for node in ast.parse(inspect.getsource(module)).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name):
                yield target.id, vars(module).get(target.id)


def keyed_by_enums() -> Iterator[Table]:
    """Give every dictionary at the top of a module whose keys are the words of one enum."""
    for module in (each for folder in FOLDERS for each in modules(folder)):
        for name, value in assigned(module):
            kinds = {type(key) for key in value} if isinstance(value, dict) else set()
            if len(kinds) == 1 and issubclass(enum := kinds.pop(), Enum):
                where = f"{module.__name__}.{name}"
                missing = {each.value for each in PARTIAL.get(where, ())}
                of = {each.value for each in enum} - missing
                yield Table(where, {key.value for key in value}, of)


FOLDERS = ("api", "tests/support", "tests/domain")


@cache
def document() -> dict[str, Any]:
    """Read the document as it is kept."""
    found: dict[str, Any] = json.loads((DOCS / "openapi.json").read_text())["components"]["schemas"]
    return found


def told_in_the_document() -> Iterator[Table]:
    """Give the lists of words of the document that stand for an enum of the program."""
    enums = {
        value.__name__: value
        for module in modules("api")
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Enum)
    }
    for name, schema in document().items():
        if "enum" in schema and name in enums:
            words = [each.value for each in enums[name]]
            yield Table(f"docs/openapi.json: {name}", schema["enum"], words)


# ---------------------------------------------------------------------------- other tables


def kinds_of_incident() -> Iterator[Table]:
    """Give the tables of kinds; what kinds there are, the union of their details says."""
    (union, *_) = get_args(Details)
    details = {_only(each.model_fields["kind"].annotation): each for each in get_args(union)}
    told = document()["IncidentCreate"]["properties"]["details"]["discriminator"]["mapping"]
    fields = {
        f"details.{sent_as(each, name)}" for each in details.values() for name in each.model_fields
    }
    columns = {name for name in line_columns("incident") if name.startswith("details.")}
    yield Table("api.domain.incident_kinds.IncidentKind", get_args(IncidentKind), details)
    yield Table("docs/openapi.json: details of an incident", told, details)
    yield Table("api.interop.bulk.columns.line_columns", columns, fields)
    yield Table("tests.support.incidents.KINDS", incidents.KINDS, details)
    yield Table("tests.support.incidents.NEEDED", incidents.NEEDED, details)
    yield Table("tests.support.incidents.PRESUMED", incidents.PRESUMED, details)
    yield Table("tests.support.fhir.KINDS", fhir.KINDS, details)
    yield Table("tests.domain.strategies.DETAILS_BY_KIND", strategies.DETAILS_BY_KIND, details)


def _only(annotation: Any) -> str:
    (word,) = get_args(annotation)
    return str(word)


def rules_and_prompts() -> Iterator[Table]:
    """Give the tables of rules, of prompts and of the numbers they compare with."""
    page = re.findall(r"^### (\w+)$", (DOCS / "rules.md").read_text(), re.MULTILINE)
    yield Table("api.domain.rules.modes.RuleModes", RuleModes.model_fields, RuleName)
    yield Table("docs/rules.md", page, [*RuleName, *PromptName])
    yield Table("tests.support.rulebook.RULES", rulebook.RULES, RuleName)
    yield Table("tests.support.rulebook.PROMPTS", rulebook.PROMPTS, PromptName)
    yield Table("tests.support.rulebook.THRESHOLDS", rulebook.THRESHOLDS, Thresholds.model_fields)


def roles_and_scopes() -> Iterator[Table]:
    """Give the tables of who may do what."""
    people = set(Role) - {Role.service}
    notices = set(NoticeKind.__members__) & set(Role)
    yield Table("api.domain.permissions.table.PersonRole", get_args(PersonRole), people)
    yield Table("api.storage.models.access.NoticeKind", notices, people)
    yield Table("tests.support.matrix.ROLES", matrix.ROLES, Role)
    yield Table("tests.support.world.PEOPLE", world.PEOPLE.values(), people)
    yield Table("tests.support.scopes.OPENS", scopes.OPENS, Scope)


def actions() -> Iterator[Table]:
    """Give where actions are given to somebody, and where they are asked for."""
    given = [
        each
        for each in Action
        if roles_that_may(each) or scopes_that_let(each) or may_anybody(each)
    ]
    asked = _named("Action", besides="api/domain/permissions/")
    yield Table("api.domain.permissions.table: what somebody is given", given, Action)
    yield Table("api: what a guard asks for", asked, Action.__members__)


def happenings_and_notices() -> Iterator[Table]:
    """Give where it is said that something happened, and who is told."""
    events = set(Happening) & set(Event)
    # nothing happened: somebody tries whether deliveries arrive
    yield Table("api.journal.entries.Happening", events, set(Event) - {Event.webhook_test})
    entries = _named("Happening", besides="api/journal/entries.py")
    yield Table("api: what is journalled", entries, Happening.__members__)
    notices = _named("NoticeKind", besides="api/storage/models/") | set(get_args(PersonRole))
    yield Table("api: what notices are made of", notices, NoticeKind.__members__)


def _named(enum: str, *, besides: str) -> set[str]:
    """Give the words of an enum that the program names, but where they are defined."""
    texts = (
        path.read_text()
        for path in (ROOT / "api").rglob("*.py")
        if not path.relative_to(ROOT).as_posix().startswith(besides)
    )
    return {name for text in texts for name in re.findall(rf"\b{enum}\.([a-z]\w*)", text)}


def lists_of_words() -> Iterator[Table]:
    """Give the vocabulary itself: what software may be told of is told with its events."""
    served = {words.__name__ for words in VOCABULARY.values()}
    lists = {words.__name__ for words in Word.__subclasses__()} - {Event.__name__}
    yield Table("api.domain.vocabulary.VOCABULARY", served, lists)


TABLES = (
    keyed_by_enums,
    told_in_the_document,
    kinds_of_incident,
    rules_and_prompts,
    roles_and_scopes,
    actions,
    happenings_and_notices,
    lists_of_words,
)


def test_every_word_has_its_row() -> None:
    tables = [table for several in TABLES for table in several()]
    found = [sentence for table in tables for sentence in lacking(table)]
    assert not found, "\n".join(["", *found])
    assert {table.where for table in tables} >= PARTIAL.keys()


def test_a_row_that_is_missing_and_one_of_no_word_would_be_named() -> None:
    table = Table("a table", {Severity.low, "grim"}, {Severity.low, Severity.high})
    assert [*lacking(table)] == ["a table lacks high", "a table names grim, which there is not"]


# ------------------------------------------------------------------- words that nobody wrote

GROWN: dict[str, tuple[str, str]] = {
    "RuleName": ("api/domain/vocabulary.py", 'new_rule = "new_rule", "Something new"'),
    "PromptName": ("api/domain/vocabulary.py", 'new_prompt = "new_prompt", "Something new"'),
    "Role": ("api/domain/vocabulary.py", 'new_role = "new_role", "somebody new"'),
    "Scope": ("api/domain/vocabulary.py", 'new_scope = "new:scope", "something new"'),
    "Event": ("api/domain/vocabulary.py", 'new_event = "new.event", "something new"'),
    "Action": ("api/domain/permissions/actions.py", 'new_action = "new:action"'),
    "Happening": ("api/journal/entries.py", 'new_happening = "new.happening"'),
    "NoticeKind": ("api/storage/models/access.py", 'new_notice = "new_notice"'),
    "FlagStatus": ("api/domain/vocabulary.py", 'new_status = "new_status", "something new"'),
}
"""A word more for each enum that grows, and where it is written."""
NEW_LIST = '''

class NewWords(Word):
    """Words that are served nowhere."""

    new_word = "new_word", "something new"
'''
NEW_KIND = '''

class NewDetails(_Details):
    """Something new."""

    kind: Literal["new_kind"]
    new_field: YesNo | None = None
'''
MISSED = """
api.desk.notices.SAID lacks new_notice
api.domain.incident_kinds.IncidentKind lacks new_kind
api.domain.permissions.table._ALLOWED_BY_ROLE lacks new_role
api.domain.permissions.table._SCOPES lacks new:scope
api.domain.permissions.table.PEOPLE lacks new_role
api.domain.permissions.table.PersonRole lacks new_role
api.domain.permissions.table: what somebody is given lacks new:action
api.domain.rules.modes.RuleModes lacks new_rule
api.domain.rules.prompts.PROMPTS lacks new_prompt
api.domain.rules.rulebook.RULES lacks new_rule
api.domain.vocabulary.VOCABULARY lacks NewWords
api.interop.fhir.flags.ACTIVITY lacks new_status
api.interop.fhir.flags.ISSUE_STATUS lacks new_status
api.journal.entries.Happening lacks new.event
api.storage.models.access.NoticeKind lacks new_role
api: what a guard asks for lacks new_action
api: what is journalled lacks new_happening
api: what notices are made of lacks new_notice
docs/openapi.json: Event lacks new.event
docs/openapi.json: FlagStatus lacks new_status
docs/openapi.json: Happening lacks new.happening
docs/openapi.json: NoticeKind lacks new_notice
docs/openapi.json: PromptName lacks new_prompt
docs/openapi.json: Role lacks new_role
docs/openapi.json: RuleName lacks new_rule
docs/openapi.json: Scope lacks new:scope
docs/openapi.json: details of an incident lacks new_kind
docs/rules.md lacks new_prompt
docs/rules.md lacks new_rule
tests.domain.strategies.DETAILS_BY_KIND lacks new_kind
tests.support.fhir.KINDS lacks new_kind
tests.support.incidents.KINDS lacks new_kind
tests.support.incidents.NEEDED lacks new_kind
tests.support.incidents.PRESUMED lacks new_kind
tests.support.matrix.ROLES lacks new_role
tests.support.rulebook.PROMPTS lacks new_prompt
tests.support.rulebook.RULES lacks new_rule
tests.support.scopes.OPENS lacks new:scope
tests.support.world.PEOPLE lacks new_role
"""
"""What is then said, in whatever order."""


def write_more(checkout: Path) -> None:
    """Add a word to every list that grows, and nothing else."""
    for enum, (file, word) in GROWN.items():
        path = checkout / file
        text = path.read_text()
        begun = re.compile(rf'(class {enum}\(\w+\):\n    """.*?"""\n)', re.DOTALL)
        assert begun.search(text), enum
        path.write_text(begun.sub(rf"\1\n    {word}", text, count=1))
    vocabulary, details = (checkout / f"api/domain/{name}.py" for name in ("vocabulary", "details"))
    vocabulary.write_text(vocabulary.read_text() + NEW_LIST)
    union = "Details = Annotated[\n    "
    text = details.read_text()
    assert union in text
    details.write_text(text.replace(union, f"{NEW_KIND.lstrip()}\n\n{union}NewDetails\n    | "))


@pytest.mark.long
def test_what_lacks_a_row_of_a_new_word_is_named(tmp_path: Path) -> None:
    for name in ("api", "tests", "docs", "pyproject.toml"):
        there = ROOT / name
        copy = shutil.copytree if there.is_dir() else shutil.copy
        copy(there, tmp_path / name)
    write_more(tmp_path)
    played = [sys.executable, "-m", "pytest", "-k", "its_row", "tests/laws/test_growth.py"]
    done = subprocess.run(
        played, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    told = re.findall(r"^E +((?:api|docs|tests)\b.* lacks \w.*)$", done.stdout, re.MULTILINE)
    assert sorted(told) == sorted(MISSED.split("\n")[1:-1]), done.stdout
