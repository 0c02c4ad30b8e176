"""docs/rules.md: what the rules ask, made from the code."""

import re

import pytest

from api.commands.rules_page import RENEW, rules_page
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import PromptName, RuleName
from tests.support.checkout import DOCS

PAGE = (DOCS / "rules.md").read_text()


def test_the_page_is_current() -> None:
    assert rules_page() == PAGE, f"renew it: {RENEW}"


@pytest.mark.parametrize("name", [*RuleName, *PromptName])
def test_every_rule_and_prompt_is_told_with_its_title(name: RuleName | PromptName) -> None:
    _, found, told = PAGE.partition(f"### {name}\n")
    entry = told.partition("\n#")[0]
    assert found
    assert f"**{name.definition}.**" in entry
    assert ("\n- Severity: " in entry) == isinstance(name, RuleName)
    assert ("\n- Source: " in entry) == isinstance(name, RuleName)
    assert entry.count(f"- Code: [`{name}`](") == 1


def test_every_threshold_is_told_with_its_default_and_some_rule_that_reads_it() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
    assert list(rows) == list(Thresholds.model_fields)
    for name, default in Thresholds().model_dump().items():
        told, bounds, _, readers = rows[name].split(" | ")
        assert re.fullmatch(rf"{default} (days|[a-z ]+)", told)
        assert re.fullmatch(r"1 to (7|14|30|1,000|3,650)", bounds)
        assert readers
