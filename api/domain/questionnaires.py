"""Questionnaires: what a client is asked, as data, and what an answer to each item may be."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from api.domain.in_each_language import InEach
from api.domain.values import Input, Line, YesNo, whole, without_nul
from api.domain.vocabulary import AccountTopic, ItemType, QuestionnaireFor, ReadsAs

LinkId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""What an item, a part or a choice is called by software, in small letters."""
_asked = StringConstraints(strip_whitespace=True, min_length=1, max_length=500)
Asked = Annotated[str, _asked, AfterValidator(without_nul)]
"""What somebody reads who answers."""

_answered = StringConstraints(strip_whitespace=True, min_length=1, max_length=5_000)
AnswerText = Annotated[str, _answered, AfterValidator(without_nul)]
"""An answer in words, at most 5,000 characters; or the choice that was taken."""

MOST_ITEMS, MOST_PARTS, MOST_CHOICES = 60, 12, 12
YES, NO = "yes", "no"
"""How the answers to a question of yes or no are named among those that are a concern."""


class Item(Input):
    """One question.

    `reads_as`: an `experience` is what somebody felt, wished or thought, and no rule reads the
    answer; `frame` is what somebody did. Of such an item `concern` names the answers (a choice,
    or `yes` and `no`) that ask for a look where there are several, and `topic` what it is about.
    A scale goes from `lowest` to `highest`.
    """

    link_id: LinkId
    type: ItemType
    reads_as: ReadsAs
    choices: list[LinkId] = Field(default_factory=list, max_length=MOST_CHOICES)
    lowest: Annotated[int, whole(0, 1)] = 1
    highest: Annotated[int, whole(2, 10)] = 5
    concern: list[LinkId] = Field(default_factory=list, max_length=MOST_CHOICES)
    topic: AccountTopic | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.type == ItemType.choice) != (len(self.choices) > 1):
            raise ValueError(
                "An item of the type choice has two choices or more, and no other has."
            )
        if len({*self.choices}) < len(self.choices):
            raise ValueError("Each choice of an item is named once.")
        if self.reads_as == ReadsAs.experience:
            if self.concern or self.topic is not None:
                raise ValueError("No answer to what somebody felt is a concern.")
        elif self.topic is None or not self._asks_what_was_done():
            raise ValueError(
                "An item about the frame has a topic, is a choice or a question of yes or no, and "
                "has answers that are a concern, and one that is none."
            )
        return self

    def _asks_what_was_done(self) -> bool:
        """Tell whether some answers are a concern, and an ethical therapy has one to give."""
        return set[str]() < {*self.concern} < {*self.answers}

    @property
    def answers(self) -> Sequence[str]:
        """What may be answered, of a choice or a question of yes or no."""
        return (YES, NO) if self.type == ItemType.yes_no else self.choices

    def is_concern(self, value: Any) -> bool:
        """Tell whether an answer is one of those that are a concern."""
        named = (YES if value else NO) if isinstance(value, bool) else value
        return named in self.concern

    def may_be(self, value: Any) -> bool:
        """Tell whether this is an answer to it. No answer, null, always is."""
        match self.type:
            case _ if value is None:
                return True
            case ItemType.yes_no:
                return isinstance(value, bool)
            case ItemType.choice:
                return value in self.choices
            case ItemType.scale:
                is_number = isinstance(value, int) and not isinstance(value, bool)
                return is_number and self.lowest <= value <= self.highest
        return isinstance(value, str)


class Part(Input):
    """Some items under one heading."""

    link_id: LinkId
    items: list[Item] = Field(min_length=1, max_length=MOST_ITEMS)


class ChoiceText(Input):
    """What one choice says."""

    choice: LinkId
    says: Asked


class ItemText(Input):
    """What an item says in one language: of a scale its two ends, too, of a choice each."""

    link_id: LinkId
    asks: Asked
    low: Line | None = None
    high: Line | None = None
    choices: list[ChoiceText] = Field(default_factory=list, max_length=MOST_CHOICES)


class PartText(Input):
    """The heading of a part."""

    link_id: LinkId
    title: Line


class Texts(Input):
    """All that a questionnaire says in one language."""

    title: Line
    parts: list[PartText] = Field(max_length=MOST_PARTS)
    items: list[ItemText] = Field(max_length=MOST_ITEMS)


class QuestionnaireTexts(InEach[Texts]):
    """What a questionnaire says, by the code of the language."""


class QuestionnaireBody(Input):
    """What a questionnaire asks, and what it says in each language.

    It is offered in those languages in which nothing is missing, of which there must be one.
    """

    title: Line = Field(description="What staff call it.")
    for_: QuestionnaireFor = Field(alias="for")
    parts: list[Part] = Field(min_length=1, max_length=MOST_PARTS)
    texts: QuestionnaireTexts

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        named = [part.link_id for part in self.parts] + [item.link_id for item in self.items()]
        if len({*named}) < len(named):
            raise ValueError("Each part and each item has a `link_id` of its own.")
        if len(named) > MOST_ITEMS:
            raise ValueError(f"A questionnaire has at most {MOST_ITEMS} parts and items.")
        if not self.languages:
            raise ValueError("In no language is every text there; complete one.")
        return self

    def items(self) -> Iterator[Item]:
        """Give all items, in their order."""
        return (item for part in self.parts for item in part.items)

    @property
    def languages(self) -> list[str]:
        """In which languages nothing is missing."""
        said = self.texts.said().items()
        return [language for language, texts in said if not self.lacking(texts)]

    def lacking(self, texts: Texts) -> list[str]:
        """Name the parts and items that say nothing, or not all, in a language."""
        titled = {each.link_id for each in texts.parts}
        said = {each.link_id: each for each in texts.items}
        silent = [part.link_id for part in self.parts if part.link_id not in titled]
        return silent + [each.link_id for each in self.items() if not _says_all(each, said)]


def _says_all(item: Item, texts: Mapping[str, ItemText]) -> bool:
    said = texts.get(item.link_id)
    if said is None or not {*item.choices} <= {each.choice for each in said.choices}:
        return False
    return item.type != ItemType.scale or None not in (said.low, said.high)


class QuestionnaireCreate(QuestionnaireBody):
    """A new questionnaire; with `questionnaire_id`, the next version of that one."""

    questionnaire_id: UUID | None = None


class Answer(Input):
    """The answer to one item; null: none was given."""

    link_id: LinkId
    value: YesNo | Annotated[int, whole(0, 10)] | AnswerText | None


class PartMean(NamedTuple):
    """How the scales of one part were answered: their mean, and how many were; no cut-off."""

    link_id: str
    mean: float | None
    answered: int
    scales: int


def wrong_answers(asked: QuestionnaireBody, answers: Sequence[Answer]) -> Iterator[tuple[int, str]]:
    """Say of each answer that cannot be one why, with its place."""
    items = {item.link_id: item for item in asked.items()}
    seen = set[str]()
    for place, answer in enumerate(answers):
        item = items.get(answer.link_id)
        if item is None:
            yield place, "This questionnaire has no such item in this version."
        elif answer.link_id in seen:
            yield place, "This item is answered twice."
        elif not item.may_be(answer.value):
            yield place, "This is no answer to this item."
        seen.add(answer.link_id)


def means(asked: QuestionnaireBody, answers: Mapping[str, Any]) -> Iterator[PartMean]:
    """Give the mean of the scales of each part that has any."""
    for part in asked.parts:
        scales = [item.link_id for item in part.items if item.type == ItemType.scale]
        told = [answers[each] for each in scales if answers.get(each) is not None]
        if scales:
            mean = round(sum(told) / len(told), 2) if told else None
            yield PartMean(part.link_id, mean, len(told), len(scales))


def concerns(asked: QuestionnaireBody, answers: Mapping[str, Any]) -> list[str]:
    """Name the items about what somebody did that were answered with a concern."""
    return [each.link_id for each in asked.items() if each.is_concern(answers.get(each.link_id))]


def in_words(value: Any, said: ItemText) -> str:
    """Say an answer as somebody reads it: a choice in its words, a number with its two ends."""
    choices = {each.choice: each.says for each in said.choices}
    match value:
        case bool():
            return YES if value else NO
        case int() if said.low is not None:
            return f"{value} (from {said.low} to {said.high})"
        case str() if value in choices:
            return choices[value]
    return str(value)
