"""What a questionnaire asks as it is read: its parts and items, each with what it says."""

from collections.abc import Sequence
from typing import NamedTuple

from api.domain.questionnaires import Item, ItemText, Part, Texts
from api.domain.vocabulary import ItemType


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


def asked_parts(parts: Sequence[Part], texts: Texts) -> list[AskedPart]:
    """Give parts in their order, as they are said in a language that has all of them."""
    titles = {each.link_id: each.title for each in texts.parts}
    said = {each.link_id: each for each in texts.items}
    return [
        AskedPart(
            part.link_id,
            titles[part.link_id],
            [AskedItem(item, said[item.link_id]) for item in part.items],
        )
        for part in parts
    ]
