"""Looking back by the form once the visit ended, or elsewhere: nothing typed is lost, or shown."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from api.desk.same_origin import TOKEN
from api.domain.look_back import LOOK_BACK_ID
from api.security.door_secrets import DoorSecrets, ShownQuestions
from api.storage.models.door import Response
from tests.support.door import invite, open_door
from tests.support.door_pages import (
    ENTRY,
    INSIDE,
    LEAVE,
    LOOK_BACK,
    OF_NOBODY,
    TITLE,
    answering,
    called,
    count,
    name_of,
    receipt_on,
)
from tests.support.looking_back import (
    ALL,
    NO_DAY,
    answers_on,
    own_of,
    responses_of,
    retire,
    still_there,
    told_in,
)
from tests.support.matrix import QUESTIONNAIRE
from tests.support.world import Person, World, made

pytestmark = pytest.mark.both_databases


# ------------------------------------------------------------------------------ a visit that ended


@pytest.mark.parametrize("hours", [0.6, 13, 24 * 30])
async def test_what_was_typed_in_a_visit_that_ended_is_sent_with_the_code(
    world: World, hours: float
) -> None:
    case, code, client = await called(world)
    form = (await client.open(LOOK_BACK)).form_at(LOOK_BACK)
    world.clock.forward(hours=hours)
    page = await client.submit(form, answering({**ALL, "shared": ["with_therapist"]}))
    assert page.status == 401
    assert "What you wrote is still here." in page.text
    assert NO_DAY in page.text
    assert await name_of(world, world.supervisor) not in page.text
    assert still_there(page, {**ALL, "shared": ["with_therapist"]})
    wrong = await client.submit(page.form_at(LOOK_BACK), {"code": OF_NOBODY})
    assert wrong.status == 401
    assert "does not open the door" in wrong.text
    assert still_there(wrong, ALL)
    assert await count(world, Response) == 0
    sent = await client.submit(wrong.form_at(LOOK_BACK), {"code": code})
    assert (sent.status, sent.heading) == (200, "It was sent")
    (read,) = await answers_on(world, case)
    assert told_in(read)["anything_else"] == ALL["anything_else"]
    assert (await client.open(INSIDE)).status == 200
    double = await client.submit(wrong.form_at(LOOK_BACK), {"code": code})
    assert double.heading == "It was sent already"
    assert await count(world, Response) == 1


async def test_a_clinics_own_questions_come_back_once_the_visit_ended_though_retired(
    world: World,
) -> None:
    asked, code, client = await own_of(world, QUESTIONNAIRE)
    form = (await client.open(LOOK_BACK)).form_at(LOOK_BACK)
    made(await world.admin.post("/v1/questionnaires", {**QUESTIONNAIRE, "questionnaire_id": asked}))
    await retire(world, asked)
    world.clock.forward(minutes=31)
    page = await client.submit(form, answering({"how": ["3"], "changed": ["true"]}))
    assert page.status == 401
    assert "Was something changed without a word?" in page.text
    assert still_there(page, {"how": ["3"], "changed": ["true"]})
    sent = await client.submit(page.form_at(LOOK_BACK), {"code": code})
    assert sent.heading == "It was sent"
    (row,) = await responses_of(world)
    assert (row.questionnaire_id, row.number) == (UUID(asked), 1)


async def test_what_was_typed_is_still_there_for_who_came_in_by_another_window(
    world: World,
) -> None:
    _, code, client = await called(world)
    form = (await client.open(LOOK_BACK)).form_at(LOOK_BACK)
    world.clock.forward(minutes=31)
    await client.come_in(code)
    page = await client.submit(form, answering(ALL))
    assert page.status == 403
    assert "Look at it once more, and send it." in page.text
    assert still_there(page, ALL)
    assert (await client.submit(page.form_at(LOOK_BACK))).heading == "It was sent"


async def elsewhere(world: World) -> Person:
    """Give the clinician of another clinic, whose door is open."""
    await open_door(world, world.there["admin"])
    return world.there["clinician"]


async def test_what_every_clinic_asks_is_not_sent_to_another_clinic_by_mistake(
    world: World,
) -> None:
    _, code, client = await called(world)
    form = (await client.open(LOOK_BACK)).form_at(LOOK_BACK)
    maker = await elsewhere(world)
    other = (await invite(maker, await maker.case()))["code"]
    world.clock.forward(minutes=31)
    page = await client.submit(form, answering(ALL))
    page = await client.submit(page.form_at(LOOK_BACK), {"code": other})
    assert "These questions are not asked there." in page.text
    assert still_there(page, ALL)
    assert (await client.submit(page.form_at(LOOK_BACK), {"code": code})).heading == "It was sent"
    assert await count(world, Response) == 1


@pytest.mark.parametrize("where", ["a guardian's", "another clinic's"])
async def test_what_was_typed_is_not_lost_by_a_code_where_it_is_not_asked(
    world: World, where: str
) -> None:
    _, code, client = await own_of(world, QUESTIONNAIRE)
    form = (await client.open(LOOK_BACK)).form_at(LOOK_BACK)
    maker = await elsewhere(world) if where == "another clinic's" else world.clinician
    of: dict[str, Any] = {} if where == "another clinic's" else {"for": "guardian"}
    other = (await invite(maker, await maker.case(is_minor=True), **of))["code"]
    world.clock.forward(minutes=31)
    page = await client.submit(form, answering({"how": ["3"]}))
    page = await client.submit(page.form_at(LOOK_BACK), {"code": other})
    assert page.status == 422
    assert page.text.count("These questions are not asked there.") == 2
    assert still_there(page, {"how": ["3"]})
    # who reads at the other door is nothing to these questions
    assert "Who reads what you send" not in page.text
    assert await count(world, Response) == 0
    sent = await client.submit(page.form_at(LOOK_BACK), {"code": code})
    assert sent.heading == "It was sent"
    (row,) = await responses_of(world)
    assert row.sealed_answers == '{"how": 3}'


async def test_what_was_typed_is_not_shown_to_who_sends_it_again_after_leaving(
    world: World,
) -> None:
    told = "zq told here alone"
    _, _, client = await called(world)
    form = (await client.open(LOOK_BACK)).form_at(LOOK_BACK)
    first = await client.submit(form, answering({"anything_else": told}))
    await client.submit((await client.open(INSIDE)).form_at(LEAVE))
    for _ in range(2):
        again = await client.submit(form, answering({"anything_else": told}))
        assert (again.status, again.title) == (403, TITLE)
        assert told not in again.text
        assert receipt_on(first) not in again.text
        assert (await client.open(ENTRY)).status == 200


# ------------------------------------------------------------------------------ its mark


async def test_a_mark_that_was_made_elsewhere_names_nothing(world: World) -> None:
    asked, _, _ = await own_of(world, QUESTIONNAIRE)
    _, _, client = await called(world)
    form = (await client.open(LOOK_BACK)).form_at(LOOK_BACK)
    ours = ShownQuestions(world.clinician.clinic_id, UUID(asked), 1)
    forged = DoorSecrets("another key").marked(ours)
    told = [(TOKEN, form.token), ("asked", forged), ("answer-how", "3")]
    # it is answered as if it named nothing: by what is asked here
    page = await client.send(LOOK_BACK, told)
    assert page.status == 422
    assert "Was something changed without a word?" not in page.text
    world.clock.forward(minutes=31)
    gone = await client.send(LOOK_BACK, told)
    assert (gone.status, gone.title) == (404, TITLE)
    assert "Was something changed without a word?" not in gone.text


def test_a_mark_tells_what_it_was_made_of_and_no_other_is_read() -> None:
    secrets, shown = DoorSecrets("a key"), ShownQuestions(uuid4(), LOOK_BACK_ID, 3)
    text = secrets.marked(shown)
    assert secrets.read_marked(text) == shown
    another = DoorSecrets("another key").marked(shown)
    longer = f"{text}AAAA"
    for other in (another, text[:-4], longer, "", "ñ", text.swapcase()):
        assert secrets.read_marked(other) is None, other
