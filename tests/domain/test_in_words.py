"""What a rule says of itself is what its code does: each word, number and severity it reads."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.domain.rules import findings, rulebook
from api.domain.rules.facts import Facts
from api.domain.rules.findings import Hit
from api.domain.rules.in_words import in_words
from api.domain.rules.moment import Moment
from api.domain.rules.prompts import PROMPTS
from api.domain.rules.rulebook import RULES
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import VOCABULARY, Severity

BOOK = {str(name): rule for name, rule in (*RULES.items(), *PROMPTS.items())}
WORDS = {words.__name__: words for words in VOCABULARY.values() if words is not Severity}
SHARED = {
    *("facts", "findings", "in_words", "thresholds", "modes", "evaluate", "rulebook", "reads"),
    *("moment", "said", "english", "situations", "door_facts"),
}
"""What every rule stands on, and which docs/rules.md explains once."""


def parts() -> dict[str, ast.AST]:
    """Give what the rules' modules define, by name."""
    found: dict[str, ast.AST] = {}
    for path in Path(rulebook.__file__).parent.glob("*.py"):
        if path.stem in SHARED:
            continue
        for node in ast.parse(path.read_text()).body:
            match node:
                case ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                    assert name not in found, name
                    found[name] = node
    return found


PARTS = parts()


def code_of(rule: str) -> Iterator[ast.AST]:
    """Give the code of a rule and of what it calls, but not of another rule."""
    waiting, seen = [rule], {rule}
    while waiting:
        for node in ast.walk(PARTS[waiting.pop()]):
            yield node
            if isinstance(node, ast.Name) and node.id in PARTS.keys() - BOOK.keys() - seen:
                seen.add(node.id)
                waiting.append(node.id)


def words_read(rule: str) -> set[str]:
    """Name the words of the vocabulary that a rule asks for."""
    return {
        str(WORDS[node.value.id][node.attr])
        for node in code_of(rule)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in WORDS
    }


def thresholds_read(rule: str) -> set[str]:
    """Name the numbers that a rule compares with."""
    return {
        node.attr
        for node in code_of(rule)
        if isinstance(node, ast.Attribute)
        and node.attr in Thresholds.model_fields
        and "thresholds" in ast.unparse(node.value)
    }


def names_in(rule: str) -> set[str]:
    """Give the names that a rule's code uses."""
    return {node.id for node in code_of(rule) if isinstance(node, ast.Name)}


def severities_given(rule: str) -> set[str]:
    """Name the severities that a rule gives where there is no crisis."""
    shades = names_in(rule) & {"LOW", "MODERATE", "HIGH", "CRITICAL"}
    return {str(getattr(findings, shade)) for shade in shades}


def is_graver_in_a_crisis(rule: str) -> bool:
    """Tell whether a rule makes more of a record of a crisis."""
    return "graver_in_crisis" in names_in(rule)


def named_by(rule: str) -> set[str]:
    """Give all that a rule's docstring names."""
    said = in_words(BOOK[rule])
    return set(re.findall(r"`(\w+)`", f"{said.condition} {said.graded}"))


def said_by(rule: str) -> set[str]:
    """Give all that a rule's docstring names, and what the rules say to which it refers."""
    waiting, said = [rule], {rule}
    while waiting:
        named = named_by(waiting.pop()) - said
        waiting += named & BOOK.keys()
        said |= named
    return said


@pytest.mark.parametrize("rule", list(BOOK))
def test_every_word_and_number_that_a_rule_reads_is_said(rule: str) -> None:
    assert (words_read(rule) | thresholds_read(rule)) - said_by(rule) == set()


@pytest.mark.parametrize("rule", list(BOOK))
def test_no_number_is_said_that_the_rule_does_not_read(rule: str) -> None:
    assert (named_by(rule) & set(Thresholds.model_fields)) - thresholds_read(rule) == set()


@pytest.mark.parametrize("rule", [str(name) for name in RULES])
def test_the_severities_are_those_that_it_gives(rule: str) -> None:
    graded = (in_words(BOOK[rule]).graded or "").lower()
    said = {str(each) for each in Severity if re.search(rf"\b{each}\b", graded)}
    assert ("crisis" in graded) == is_graver_in_a_crisis(rule)
    given = severities_given(rule) | ({"critical"} if is_graver_in_a_crisis(rule) else set())
    assert said == given


def test_what_the_code_reads_is_found() -> None:
    assert {"shaming", "access_withdrawn", "raised"} - words_read("disclosure_response") == {
        "raised"
    }
    assert "tighten" in words_read("left_after_rupture") - named_by("left_after_rupture")
    assert thresholds_read("absence_uncovered") == {
        "absence_days",
        "absence_with_safety_days",
        "absence_grace_days",
        "return_unknown_days",
    }
    assert severities_given("client_safety") == {"low", "moderate", "high", "critical"}
    assert is_graver_in_a_crisis("no_referral")
    assert not is_graver_in_a_crisis("way_back_closed")


def test_a_rule_that_does_not_say_what_it_asks_is_found() -> None:
    def silent(facts: Facts, at: Moment) -> tuple[Hit, ...]:
        """Ask nothing. APA 1.01."""
        return ()

    with pytest.raises(ValueError, match="does not say"):
        in_words(silent)
