"""Short fictional situations with everything the rules should say about them, and nothing more."""

import pytest

from tests.domain.builders import flags, prompts, restricted_flags
from tests.domain.situations import a_remark_told_by_a_colleague
from tests.support.stories import STORIES


@pytest.mark.parametrize("name", STORIES)
def test_the_rules_say_all_of_this_and_nothing_more(name: str) -> None:
    story = STORIES[name]
    case = story.told()
    assert flags(case) == story.flags
    assert prompts(case) == story.prompts


def test_what_the_colleague_told_is_seen_only_by_those_who_may() -> None:
    assert restricted_flags(a_remark_told_by_a_colleague()) == {"sexual_conduct": "critical"}
