"""No false alarm: of a therapy as it should be, what comes by its door raises nothing at all."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from api.domain.look_back import look_back
from api.domain.questionnaires import Item, wrong_answers
from api.domain.vocabulary import ItemType
from tests.domain.builders import NOW, findings, flags, restricted_flags
from tests.domain.healthy_therapies import (
    A_YEAR,
    CONCERNED,
    THERAPIES,
    LookBack,
    Therapy,
)

MANY = pytest.mark.parametrize("many", [200, pytest.param(2_000, marks=pytest.mark.long)])


def raises_nothing(therapy: Therapy) -> None:
    """See that no rule asks about it, and no prompt, on any day."""
    for each in therapy.look_backs:
        assert [*wrong_answers(look_back(), each.sent())] == []
    for now in therapy.moments():
        assert findings(therapy.as_told(now), now) == (), (therapy, now)


@MANY
def test_no_healthy_therapy_is_ever_a_flag(many: int, say: Callable[[str], None]) -> None:
    """Anger, love, longing and grief, in any words and on any scale; one answer of concern."""
    played = look_backs_played = 0

    @settings(max_examples=many)
    @given(THERAPIES)
    def play(therapy: Therapy) -> None:
        nonlocal played, look_backs_played
        raises_nothing(therapy)
        played, look_backs_played = played + 1, look_backs_played + len(therapy.look_backs)

    play()
    assert played >= many
    say(f"{played} healthy therapies, {look_backs_played} look-backs: 0 false alarms")


@MANY
def test_two_answers_of_concern_are_one_each_time(many: int) -> None:
    """And they alone: whatever else came by the door of the same therapy."""
    played = 0

    @settings(max_examples=many)
    @given(THERAPIES, CONCERNED)
    def play(therapy: Therapy, told: LookBack) -> None:
        nonlocal played
        asked = Therapy(
            therapy.felt,
            (*therapy.look_backs, LookBack("client", told.on, told.answers)),
            therapy.accounts,
            therapy.case,
        )
        case = asked.as_told()
        assert (flags(case), restricted_flags(case)) == ({}, {"look_back_concern": "moderate"})
        after = NOW + timedelta(days=A_YEAR + 1)
        assert findings(asked.as_told(after), after) == ()
        played += 1

    play()
    assert played >= many


# ------------------------------------------------------------------------------------------- twins


def _a_feeling_is_a_concern(item: Item, value: Any) -> bool:
    return value in item.concern or (item.type == ItemType.scale and value == item.lowest)


def _words_are_a_concern(item: Item, value: Any) -> bool:
    return value in item.concern or (item.type == ItemType.words and "love" in str(value))


@pytest.mark.parametrize("is_concern", [_a_feeling_is_a_concern, _words_are_a_concern])
def test_were_a_feeling_read_it_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch, is_concern: Callable[[Item, Any], bool]
) -> None:
    monkeypatch.setattr(Item, "is_concern", is_concern)

    @settings(max_examples=200, derandomize=True, phases=[Phase.generate])
    @given(THERAPIES)
    def play(therapy: Therapy) -> None:
        raises_nothing(therapy)

    with pytest.raises(AssertionError):
        play()
