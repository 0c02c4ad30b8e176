"""What a questionnaire asks, as pages say it: parts and items in one of its languages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from api.desk.desk import Desk
from api.domain.permissions.actions import Action
from api.domain.questionnaires import Item, ItemText
from api.domain.vocabulary import ItemType
from api.routes.questionnaires import QuestionnaireRead

API = "/v1/questionnaires/{questionnaire_id}"

Titles = Mapping[tuple[str, int], str]
"""What staff call questionnaires, by their ids and versions."""


class AskedItem(NamedTuple):
    """An item, with what it says."""

    item: Item
    said: ItemText

    @property
    def choices(self) -> list[tuple[str, str]]:
        """What may be chosen, each with what it says: of a scale at its two ends."""
        if self.item.type == ItemType.scale:
            ends = {self.item.lowest: self.said.low or "", self.item.highest: self.said.high or ""}
            numbers = range(self.item.lowest, self.item.highest + 1)
            return [(str(number), ends.get(number, "")) for number in numbers]
        says = {each.choice: each.says for each in self.said.choices}
        return [(choice, says[choice]) for choice in self.item.choices]


class AskedPart(NamedTuple):
    """A part, with what stands above it."""

    link_id: str
    title: str
    items: Sequence[AskedItem]


@dataclass(frozen=True, slots=True)
class Asked:
    """One version of a questionnaire, in one language."""

    version: QuestionnaireRead
    language: str

    @property
    def parts(self) -> list[AskedPart]:
        """Give its parts, in their order."""
        texts = self.version.texts.said()[self.language]
        titles = {each.link_id: each.title for each in texts.parts}
        said = {each.link_id: each for each in texts.items}
        return [
            AskedPart(
                part.link_id,
                titles[part.link_id],
                [AskedItem(item, said[item.link_id]) for item in part.items],
            )
            for part in self.version.parts
        ]

    @property
    def items(self) -> list[AskedItem]:
        """Give all its items, in their order."""
        return [item for part in self.parts for item in part.items]


async def read_asked(desk: Desk, questionnaire_id: str, version: object, language: str) -> Asked:
    """Read a version, in a language if it is offered in that, else in the first. Raises Refused."""
    at = API.format(questionnaire_id=questionnaire_id)
    found = QuestionnaireRead.model_validate(await desk.api.get(at, version=version))
    offered = found.languages
    return Asked(found, language if language in offered else offered[0])


async def titles_of(desk: Desk, responses: Iterable[Mapping[str, Any]]) -> Titles:
    """Give what those questionnaires are called that were answered; none who may not read them."""
    if not desk.may(Action.questionnaire_read):
        return {}
    asked = {(each["questionnaire_id"], each["questionnaire_version"]) for each in responses}
    return {
        (of, version): (await desk.api.get(API.format(questionnaire_id=of), version=version))[
            "title"
        ]
        for of, version in sorted(asked)
    }
