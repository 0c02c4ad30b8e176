"""What somebody answered, as whoever holds the receipt sees it: each answer with what was asked."""

from typing import Any, NamedTuple

from api.domain.asked_items import AskedItem, asked_parts
from api.door.at_pages import Door
from api.door.looking_back import page_of_answers
from api.door.schemas import ResponseMine
from api.http.pagination import PageQuery
from api.records.asked_versions import questionnaire_rows, version_among

_AT_ONCE = 10
"""How many a page shows: each may be long."""


class LookBack(NamedTuple):
    """A response, and in a language what was asked; of each item answered, the answer."""

    sent: ResponseMine
    spoken: str
    answers: list[tuple[AskedItem, Any]]


class LookBacks(NamedTuple):
    """A page of them, the newest first, and where the next begins."""

    items: list[LookBack]
    next: str | None


async def look_backs_of(door: Door, cursor: str | None) -> LookBacks:
    """Give what was answered by the receipt of a visit; by a code nothing is ever shown."""
    query = PageQuery(limit=_AT_ONCE, cursor=cursor)
    marks = door.request.app.state.bookmarks
    page = await page_of_answers(door.tx, door.inside, marks, query)
    rows = await questionnaire_rows(door.tx, {each.questionnaire_id for each in page.items})
    found = []
    for each in page.items:
        asked = version_among(rows, each.questionnaire_id, each.version)
        if asked is None:
            raise RuntimeError("a version of a questionnaire is gone")
        offered = asked.body.languages
        spoken = door.language if door.language in offered else offered[0]
        parts = asked_parts(asked.body.parts, asked.body.texts.said()[spoken])
        told = {answer.link_id: answer.value for answer in each.answers}
        answered = [
            (of, told[of.item.link_id])
            for part in parts
            for of in part.items
            if told.get(of.item.link_id) is not None
        ]
        found.append(LookBack(each, spoken, answered))
    return LookBacks(found, page.next)
