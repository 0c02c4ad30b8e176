"""What a questionnaire asks, as pages say it: parts and items in one of its languages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from api.desk.desk import Desk
from api.domain.asked_items import AskedItem, AskedPart, asked_parts
from api.domain.permissions.actions import Action
from api.routes.questionnaires import QuestionnaireRead

API = "/v1/questionnaires/{questionnaire_id}"

Titles = Mapping[tuple[str, int], str]
"""What staff call questionnaires, by their ids and versions."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One version of a questionnaire, in one language."""

    version: QuestionnaireRead
    language: str

    @property
    def parts(self) -> list[AskedPart]:
        """Give its parts, in their order."""
        return asked_parts(self.version.parts, self.version.texts.said()[self.language])

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
