"""What grows by a word has a row for it in each table, and a test that says which it lacks."""

from collections.abc import Collection
from typing import get_args

import pytest

from api.domain.details import Details, IncidentKind
from api.domain.permissions import table
from api.domain.rules.modes import RuleModes
from api.domain.rules.prompts import PROMPTS
from api.domain.rules.rulebook import RULES
from api.domain.vocabulary import VOCABULARY, Event, PromptName, Role, RuleName, Word
from api.journal.entries import Happening
from tests.domain.strategies import DETAILS_BY_KIND
from tests.support.matrix import ROLES

KINDS = {
    str(*get_args(each.model_fields["kind"].annotation)) for each in get_args(get_args(Details)[0])
}
RULE_NAMES = {str(name) for name in RuleName}
PEOPLE = {role for role in Role if not table.is_software(role)}

TABLES: dict[str, tuple[Collection[object], Collection[object]]] = {
    "IncidentKind in api/domain/details.py": (KINDS, get_args(IncidentKind)),
    "DETAILS_BY_KIND in tests/domain/strategies.py": (KINDS, DETAILS_BY_KIND),
    "RULES in api/domain/rules/rulebook.py": (RULE_NAMES, RULES),
    "RuleModes in api/domain/rules/modes.py": (RULE_NAMES, RuleModes.model_fields),
    "PROMPTS in api/domain/rules/prompts.py": (set(PromptName), PROMPTS),
    "_ALLOWED_BY_ROLE in api/domain/permissions/table.py": (set(Role), table._ALLOWED_BY_ROLE),
    "PEOPLE in api/domain/permissions/table.py": (PEOPLE, table.PEOPLE),
    "PersonRole in api/domain/permissions/table.py": (PEOPLE, get_args(table.PersonRole)),
    "ROLES in tests/support/matrix.py": (set(Role), ROLES),
    "Happening in api/journal/entries.py": (
        set(map(str, Event)) - {str(Event.webhook_test)},
        {str(each) for each in Happening} & set(map(str, Event)),
    ),
    "VOCABULARY in api/domain/vocabulary.py": (
        set(Word.__subclasses__()) - {Event},
        set(VOCABULARY.values()),
    ),
}
"""Where a word needs a row → the words there are, and the rows."""


def differing(words: Collection[object], rows: Collection[object]) -> set[object]:
    """Name the words without a row, and the rows without a word."""
    return set(words) ^ set(rows)


@pytest.mark.parametrize("where", list(TABLES))
def test_every_word_has_its_row(where: str) -> None:
    assert differing(*TABLES[where]) == set(), f"put right {where}"


def test_a_word_without_a_row_is_named() -> None:
    assert differing({"a", "b"}, ["a"]) == {"b"}
    assert differing({"a"}, {"a": 1, "c": 2}) == {"c"}
    assert all(len(words) > 4 for words, _ in TABLES.values())
