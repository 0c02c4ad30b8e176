"""Questionnaires: what may be asked, what may be answered, and what every clinic asks."""

import re
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.domain.look_back import look_back
from api.domain.questionnaires import Item, QuestionnaireBody
from api.domain.vocabulary import AccountTopic, ItemType, ReadsAs
from tests.support.matrix import QUESTIONNAIRE

CHOICE = {
    "link_id": "touch",
    "type": "choice",
    "reads_as": "frame",
    "topic": "touch",
    "choices": ["none", "greeting", "not_asked"],
    "concern": ["not_asked"],
}
YES_NO = {
    "link_id": "late",
    "type": "yes_no",
    "reads_as": "frame",
    "topic": "change",
    "concern": ["yes"],
}
SCALE = {"link_id": "how", "type": "scale", "reads_as": "experience"}
WORDS = {"link_id": "else", "type": "words", "reads_as": "experience"}


@pytest.mark.parametrize("item", [CHOICE, YES_NO, SCALE, WORDS], ids=lambda item: item["type"])
def test_an_item_of_each_type_may_be_asked(item: dict[str, Any]) -> None:
    assert Item.model_validate(item).may_be(None)


@pytest.mark.parametrize(
    ("item", "change"),
    [
        # an answer that an ethical therapy can give
        (CHOICE, {"concern": ["none", "greeting", "not_asked"]}),
        (YES_NO, {"concern": ["yes", "no"]}),
        # and one that is a concern
        (CHOICE, {"concern": []}),
        (CHOICE, {"concern": ["elsewhere"]}),
        (CHOICE, {"topic": None}),
        (CHOICE, {"choices": ["not_asked"]}),
        (CHOICE, {"choices": ["none", "none", "not_asked"]}),
        (SCALE, {"reads_as": "frame", "topic": "touch"}),
        (SCALE, {"concern": ["yes"]}),
        (SCALE, {"topic": "touch"}),
        (SCALE, {"choices": ["a", "b"]}),
        (SCALE, {"lowest": 2}),
        (SCALE, {"highest": 11}),
        (WORDS, {"reads_as": "frame", "topic": "touch"}),
        (WORDS, {"link_id": "With blanks"}),
        (WORDS, {"unknown": 1}),
    ],
)
def test_what_makes_no_sense_is_not_asked(item: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Item.model_validate({**item, **change})


@pytest.mark.parametrize(
    ("item", "may", "may_not"),
    [
        (CHOICE, ["none", "not_asked"], ["elsewhere", True, 1, ""]),
        (YES_NO, [True, False], ["yes", 1, 0]),
        (SCALE, [1, 5], [0, 6, True, "3", 2.5]),
        (WORDS, ["", "anything"], [1, True, ["a"]]),
    ],
    ids=lambda each: each["type"] if isinstance(each, dict) else "",
)
def test_what_may_be_answered(item: dict[str, Any], may: list[Any], may_not: list[Any]) -> None:
    asked = Item.model_validate(item)
    assert [asked.may_be(each) for each in may] == [True] * len(may)
    assert [asked.may_be(each) for each in may_not] == [False] * len(may_not)


def test_which_answers_are_a_concern() -> None:
    touch, late, how = map(Item.model_validate, (CHOICE, YES_NO, SCALE))
    assert [touch.is_concern(each) for each in ("none", "not_asked", None)] == [False, True, False]
    assert [late.is_concern(each) for each in (True, False, None)] == [True, False, False]
    assert not any(how.is_concern(each) for each in (1, 5, None, True))


# ------------------------------------------------------------------------------ a whole one


def test_a_whole_one_is_offered_where_nothing_is_missing() -> None:
    body = deepcopy(QUESTIONNAIRE)
    body["texts"]["es"] = deepcopy(body["texts"]["en"])
    assert QuestionnaireBody.model_validate(body).languages == ["en", "es"]
    del body["texts"]["es"]["items"][0]["low"]
    body["texts"]["es"]["parts"] = []
    whole = QuestionnaireBody.model_validate(body)
    assert whole.languages == ["en"]
    assert whole.texts.es is not None
    assert whole.lacking(whole.texts.es) == ["now", "how"]


def _without_a_word(body: dict[str, Any]) -> None:
    del body["texts"]["en"]["items"][0]


def _named_twice(body: dict[str, Any]) -> None:
    body["parts"].append(body["parts"][0])


def _too_long(body: dict[str, Any]) -> None:
    body["parts"][0]["items"] = [{**SCALE, "link_id": f"item_{number}"} for number in range(60)]


@pytest.mark.parametrize("spoil", [_without_a_word, _named_twice, _too_long])
def test_one_that_is_not_whole_is_refused(spoil: Any) -> None:
    body = deepcopy(QUESTIONNAIRE)
    spoil(body)
    with pytest.raises(ValidationError):
        QuestionnaireBody.model_validate(body)


# --------------------------------------------------------------------------- what every clinic has


def test_it_has_eighteen_items_in_three_parts_of_which_seven_ask_what_was_done() -> None:
    ours = look_back()
    assert len(ours.parts) == 3
    items = list(ours.items())
    assert len(items) == 18
    asked = [item for item in items if item.reads_as == ReadsAs.frame]
    assert len(asked) == 7
    assert len({item.topic for item in asked}) == 7
    assert AccountTopic.sexual not in {item.topic for item in asked}


def test_it_is_whole_in_english_and_spanish() -> None:
    assert look_back().languages == ["en", "es"]


def test_a_version_that_there_never_was_is_not_found() -> None:
    with pytest.raises(KeyError):
        look_back(99)


@given(st.data())
def test_a_healthy_therapy_has_an_answer_to_each_that_is_no_concern(data: st.DataObject) -> None:
    """A chance meeting, an agreed change of fee, a handshake, an agreed recording."""
    for item in look_back().items():
        if item.reads_as == ReadsAs.frame:
            fine = [each for each in item.answers if each not in item.concern]
            # nobody is pressed to say what does not fit
            assert "something_else" in fine
            assert len(fine) >= 3
            assert not item.is_concern(data.draw(st.sampled_from(fine)))


def test_what_a_healthy_therapy_does_is_among_the_answers() -> None:
    fine = {
        "outside": "by_chance",
        "other_ways": "by_chance",
        "what_was_agreed": "talked_over_before",
        "money_and_gifts": "small_things",
        "touch": "greeting",
        "recording": "asked_and_yes",
        "feelings": "hard_but_all_right",
    }
    items = {item.link_id: item for item in look_back().items()}
    assert all(items[name].may_be(value) for name, value in fine.items())
    assert not any(items[name].is_concern(value) for name, value in fine.items())


NAMES_A_GUILT = re.compile(
    r"\b(abus\w*|harm\w*|violat\w*|wrong(ed|ly)|inappropriate|unethical|victim|guilt\w*|exploit\w*"
    r"|abuso\w*|culpa\w*|víctima|daño|inapropiad\w*)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("language", ["en", "es"])
def test_it_names_no_guilt_and_is_short(language: str) -> None:
    texts = look_back().texts.said()[language]
    said = [
        each
        for item in texts.items
        for each in (item.asks, *(choice.says for choice in item.choices))
    ]
    for each in (*said, texts.title, *(part.title for part in texts.parts)):
        assert NAMES_A_GUILT.search(each) is None, each
        # words that somebody of twelve reads, in a breath
        assert len(each.split()) <= 22, each
    words = re.findall(r"\w+", " ".join(said))
    assert sum(map(len, words)) / len(words) < 4.8
    assert max(map(len, words)) <= 12


def test_words_are_asked_for_and_read_by_no_rule() -> None:
    words = [item for item in look_back().items() if item.type == ItemType.words]
    assert len(words) == 2
    assert all(item.reads_as == ReadsAs.experience for item in words)
