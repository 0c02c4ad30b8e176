"""What clients are asked, as Questionnaire: each version in one language, by the same words.

Which answers ask for a look is left out: that is ours to say to whoever answers for a case, and on
a form it would tell the client what is hoped for.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple
from uuid import UUID

from api.domain.look_back import LOOK_BACK_ID, NEWEST
from api.domain.questionnaires import Item, ItemText, QuestionnaireBody
from api.domain.vocabulary import ItemType
from api.interop.fhir.codes import QUESTIONNAIRE
from api.interop.fhir.elements import (
    CodeableConcept,
    Coding,
    Element,
    Extension,
    Identified,
    Instant,
)
from api.interop.fhir.extensions import HIGHEST, ITEM_CONTROL, LOWEST, QUESTIONNAIRE_FOR
from api.interop.fhir.searching import SearchQuestionnaires, ids_in, is_among, values_in
from api.records.asked_versions import AskedVersion, version_among
from api.storage.models import door

QuestionnaireStatus = Literal["active", "retired"]
QuestionType = Literal["boolean", "choice", "integer", "text"]
End = Literal["lower", "upper"]

QUESTION_TYPE: dict[ItemType, QuestionType] = {
    ItemType.scale: "integer",
    ItemType.yes_no: "boolean",
    ItemType.choice: "choice",
    ItemType.words: "text",
}
STATUS = "http://hl7.org/fhir/publication-status"
_CONTROL = "http://hl7.org/fhir/questionnaire-item-control"


class QuestionnaireMeta(Element):
    """Which version this is, and since when it is so; of what every clinic has, nobody says."""

    version_id: str
    last_updated: Instant | None = None


class QuestionnaireAnswerOption(Element):
    """One choice."""

    value_coding: Coding


class QuestionnaireScaleEnd(Element):
    """What stands at one end of a scale, as its extension says: nobody answers this."""

    extension: list[Extension]
    link_id: str
    text: str
    type: Literal["display"] = "display"


class QuestionnaireItem(Element):
    """One question; of a scale its extensions say from where to where it goes."""

    extension: list[Extension] | None = None
    link_id: str
    text: str
    type: QuestionType
    answer_option: list[QuestionnaireAnswerOption] | None = None
    item: list[QuestionnaireScaleEnd] | None = None


class QuestionnairePart(Element):
    """Some questions under one heading."""

    link_id: str
    text: str
    type: Literal["group"] = "group"
    item: list[QuestionnaireItem]


class Questionnaire(Identified):
    """One version of what clients, or guardians, are asked; it never changes but to be retired."""

    resource_type: Literal["Questionnaire"] = "Questionnaire"
    meta: QuestionnaireMeta
    language: str
    extension: list[Extension]
    url: str
    version: str
    title: str
    status: QuestionnaireStatus
    subject_type: list[Literal["Patient"]] = ["Patient"]
    item: list[QuestionnairePart]


class Said(NamedTuple):
    """What a questionnaire says in one language: its title, those of its parts, and its items."""

    language: str
    title: str
    parts: dict[str, str]
    items: dict[str, ItemText]


def said_in(asked: QuestionnaireBody, language: str) -> Said:
    """Give what is said in a language, or in the first in which nothing is missing."""
    known = asked.languages
    language = language if language in known else known[0]
    texts = asked.texts.said()[language]
    return Said(
        language,
        texts.title,
        {part.link_id: part.title for part in texts.parts},
        {item.link_id: item for item in texts.items},
    )


def url_of(questionnaire_id: UUID) -> str:
    """Give what a questionnaire is called by, here and in what was answered to it."""
    return f"{QUESTIONNAIRE}:{questionnaire_id}"


def choice_of(questionnaire_id: UUID, said: ItemText, choice: str) -> Coding:
    """Give a choice as a code; each item has a list of its own, which its questionnaire shows."""
    meant = {each.choice: each.says for each in said.choices}
    system = f"{url_of(questionnaire_id)}:{said.link_id}"
    return Coding(system=system, code=choice, display=meant[choice])


def show_questionnaire(asked: AskedVersion, language: str) -> Questionnaire:
    """Show one version in a language, or in another where it does not speak that."""
    said, number = said_in(asked.body, language), str(asked.number)
    since = asked.retired_at or asked.created_at
    return Questionnaire(
        id=str(asked.questionnaire_id),
        meta=QuestionnaireMeta(version_id=number, last_updated=since),
        language=said.language,
        extension=[QUESTIONNAIRE_FOR.saying(asked.body.for_)],
        url=url_of(asked.questionnaire_id),
        version=number,
        title=said.title,
        status=_status(asked),
        item=[
            QuestionnairePart(
                link_id=part.link_id,
                text=said.parts[part.link_id],
                item=[_question(asked, item, said.items[item.link_id]) for item in part.items],
            )
            for part in asked.body.parts
        ],
    )


def asked_for(
    rows: Iterable[door.Questionnaire], query: SearchQuestionnaires
) -> list[AskedVersion]:
    """Give the versions that are searched for, at most one of each questionnaire, by their ids.

    `rows`: all that the clinic has. Raises 400 for what cannot be an id.
    """
    rows = list(rows)
    ids = None if query.ids is None else ids_in(query.ids, "/query/_id")
    urls = None if query.url is None else values_in(query.url)
    known = {
        row_id: numbers
        for row_id, numbers in sorted(_numbers(rows).items(), key=lambda each: str(each[0]))
        if (ids is None or row_id in ids) and (urls is None or url_of(row_id) in urls)
    }
    found = (_newest(rows, row_id, numbers, query) for row_id, numbers in known.items())
    return [each for each in found if each is not None and _has_status(each, query)]


def _numbers(rows: Iterable[door.Questionnaire]) -> dict[UUID, list[int]]:
    """Give the numbers of the versions of each questionnaire, the newest last."""
    numbers: dict[UUID, list[int]] = {}
    for row in rows:
        numbers.setdefault(row.questionnaire_id, []).append(row.number)
    return {**numbers, LOOK_BACK_ID: [*range(1, NEWEST + 1)]}


def _newest(
    rows: Iterable[door.Questionnaire],
    questionnaire_id: UUID,
    numbers: Iterable[int],
    query: SearchQuestionnaires,
) -> AskedVersion | None:
    asked = query.version
    found = [each for each in numbers if asked is None or is_among(str(each), asked)]
    return version_among(rows, questionnaire_id, found[-1]) if found else None


def _has_status(found: AskedVersion, query: SearchQuestionnaires) -> bool:
    """Tell whether a version is of the status asked for, or, where none is, still asked."""
    if query.status is None:
        return query.version is not None or found.retired_at is None
    return is_among(_status(found), query.status, STATUS)


def _status(asked: AskedVersion) -> QuestionnaireStatus:
    return "active" if asked.retired_at is None else "retired"


def _question(asked: AskedVersion, item: Item, said: ItemText) -> QuestionnaireItem:
    is_scale = item.type == ItemType.scale
    options = [
        QuestionnaireAnswerOption(value_coding=choice_of(asked.questionnaire_id, said, choice))
        for choice in item.choices
    ]
    span = [LOWEST.saying(item.lowest), HIGHEST.saying(item.highest)]
    return QuestionnaireItem(
        extension=span if is_scale else None,
        link_id=item.link_id,
        text=said.asks,
        type=QUESTION_TYPE[item.type],
        answer_option=options or None,
        item=list(_ends(said)) if is_scale else None,
    )


def _ends(said: ItemText) -> Iterator[QuestionnaireScaleEnd]:
    ends: tuple[tuple[End, str | None], ...] = (("lower", said.low), ("upper", said.high))
    for end, text in ends:
        if text is not None:
            control = CodeableConcept(coding=[Coding(system=_CONTROL, code=end)])
            # no item of ours has a hyphen in its name
            yield QuestionnaireScaleEnd(
                extension=[ITEM_CONTROL.saying(control)],
                link_id=f"{said.link_id}-{end}",
                text=text,
            )
