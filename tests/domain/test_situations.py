"""For each rule a situation that it asks about, and one much like it that it leaves alone."""

import pytest

from api.domain.rules.prompts import PROMPTS
from api.domain.rules.rulebook import RULES
from api.domain.rules.situations import SITUATIONS
from api.domain.vocabulary import PromptName, RuleName
from tests.domain.builders import findings, flags
from tests.domain.two_situations import PLAYED


def test_every_rule_and_prompt_has_two_situations_and_both_are_played() -> None:
    assert list(SITUATIONS) == [*RULES, *PROMPTS]
    assert SITUATIONS.keys() == PLAYED.keys()


@pytest.mark.parametrize("name", list(PLAYED))
def test_a_rule_asks_about_its_situation_and_leaves_the_one_much_like_it_alone(
    name: RuleName | PromptName,
) -> None:
    assert name in {found.rule for found in findings(PLAYED[name].asks)}
    assert name not in {found.rule for found in findings(PLAYED[name].leaves_alone)}
    assert flags(PLAYED[name].leaves_alone) == {}


@pytest.mark.parametrize("name", list(SITUATIONS))
def test_a_situation_is_told_in_a_sentence_without_a_verdict(name: RuleName | PromptName) -> None:
    for told in SITUATIONS[name]:
        assert told[0].isupper()
        assert told.endswith(".")
        assert "_" not in told
