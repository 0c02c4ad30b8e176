"""What was answered to a questionnaire, as QuestionnaireResponse. No score, and no finding."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal
from uuid import UUID

from api.domain.questionnaires import ItemText, Part
from api.domain.vocabulary import ResponseBy
from api.interop.fhir.codes import VOIDED, Client, patient, recorder
from api.interop.fhir.elements import Coding, Element, Meta, PartialDate, Reference, Resource
from api.interop.fhir.extensions import of_episode
from api.interop.fhir.questionnaires import Said, choice_of, said_in, url_of
from api.records.asked_versions import AskedVersion, answers_of
from api.security.door_secrets import instant_of
from api.storage.models import door

COMPLETED: Literal["completed"] = "completed"
ResponseStatus = Literal["completed", "entered-in-error"]


class QuestionnaireResponseAnswer(Element):
    """An answer: yes or no, the number of a scale, a choice, or words."""

    value_boolean: bool | None = None
    value_integer: int | None = None
    value_string: str | None = None
    value_coding: Coding | None = None


class QuestionnaireResponseItem(Element):
    """One question that was answered."""

    link_id: str
    text: str
    answer: list[QuestionnaireResponseAnswer]


class QuestionnaireResponsePart(Element):
    """The questions under one heading that were answered."""

    link_id: str
    text: str
    item: list[QuestionnaireResponseItem]


class QuestionnaireResponse(Resource):
    """What a client, or a guardian, answered to one version of a questionnaire.

    `source` is who answered, `author` who typed it in. What was not answered is left out, and so
    is what was destroyed since. `language` is that of the questions, not of an answer in words.
    """

    resource_type: Literal["QuestionnaireResponse"] = "QuestionnaireResponse"
    language: str
    questionnaire: str
    status: ResponseStatus
    subject: Reference
    authored: PartialDate
    author: Reference | None = None
    source: Reference
    item: list[QuestionnaireResponsePart] | None = None


def show_response(
    row: door.Response, client: Client, asked: AskedVersion, language: str
) -> QuestionnaireResponse:
    """Show what was answered to a version, whose texts are told in a language if they can be."""
    said, answers = said_in(asked.body, language), answers_of(row)
    told = (_part(asked.questionnaire_id, part, said, answers) for part in asked.body.parts)
    is_voided = client.entered_in_error or row.voided_at is not None
    # of what is shared no earlier time is told than that it is, which its id was made for
    is_shared = row.shared_from is not None
    last_updated = instant_of(row.id) if is_shared else row.updated_at
    return QuestionnaireResponse(
        id=str(row.id),
        meta=Meta(version_id=str(row.version), last_updated=last_updated),
        language=said.language,
        extension=[of_episode(row.case_id, "QuestionnaireResponse")],
        questionnaire=f"{url_of(row.questionnaire_id)}|{row.number}",
        status=VOIDED if is_voided else COMPLETED,
        subject=patient(client),
        authored=(row.shared_from or row.answered_on).isoformat(),
        author=recorder(row.recorded_by_id),
        source=_source(row.by, client),
        item=[part for part in told if part.item] or None,
    )


def _source(by: ResponseBy, client: Client) -> Reference:
    """Refer to who answered: a guardian has no identifier here."""
    if by == ResponseBy.client:
        return patient(client)
    return Reference(type="RelatedPerson", display=by.definition)


def _part(
    questionnaire_id: UUID, part: Part, said: Said, answers: Mapping[str, Any]
) -> QuestionnaireResponsePart:
    texts = [said.items[item.link_id] for item in part.items]
    return QuestionnaireResponsePart(
        link_id=part.link_id,
        text=said.parts[part.link_id],
        item=[each for text in texts for each in _item(questionnaire_id, text, answers)],
    )


def _item(
    questionnaire_id: UUID, said: ItemText, answers: Mapping[str, Any]
) -> Iterator[QuestionnaireResponseItem]:
    value = answers.get(said.link_id)
    if value is not None:
        answer = _answer(questionnaire_id, said, value)
        yield QuestionnaireResponseItem(link_id=said.link_id, text=said.asks, answer=[answer])


def _answer(questionnaire_id: UUID, said: ItemText, value: Any) -> QuestionnaireResponseAnswer:
    match value:
        case bool():
            return QuestionnaireResponseAnswer(value_boolean=value)
        case int():
            return QuestionnaireResponseAnswer(value_integer=value)
    if any(each.choice == value for each in said.choices):
        return QuestionnaireResponseAnswer(value_coding=choice_of(questionnaire_id, said, value))
    return QuestionnaireResponseAnswer(value_string=value)
