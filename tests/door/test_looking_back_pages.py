"""Looking back by the form: what is told with it; it is sent once, and nothing typed is lost."""

from urllib.parse import urlencode

import pytest
from sqlmodel import select

from api.desk.same_origin import TOKEN
from api.domain.look_back import LOOK_BACK_ID, look_back
from api.domain.vocabulary import ItemType
from api.storage.models.accounts import Account
from api.storage.models.door import Box, Response
from tests.support.desk import goes_to
from tests.support.door import invite, open_door
from tests.support.door_pages import (
    IN_SPANISH_TOO,
    INSIDE,
    LOOK_BACK,
    MINE,
    SAY,
    TITLE,
    Caller,
    answering,
    called,
    count,
    name_of,
    receipt_on,
)
from tests.support.looking_back import (
    ALL,
    NO_DAY,
    Typed,
    answers_on,
    own_of,
    responses_of,
    retire,
    still_there,
    told_in,
)
from tests.support.matrix import QUESTIONNAIRE
from tests.support.world import World, ok

FOR_GUARDIANS = {**QUESTIONNAIRE, "for": "guardian", "title": "For parents"}


# ------------------------------------------------------------------------------ what is told


async def test_it_says_first_by_each_item_of_words_and_at_the_end_that_no_day_is_set(
    world: World,
) -> None:
    _, _, client = await called(world)
    page = await client.open(LOOK_BACK)
    words = [each for each in look_back().items() if each.type == ItemType.words]
    assert page.text.count(NO_DAY) == 1 + len(words)
    first, _, fields = page.text.partition('<form method="post" action="/door/look-back"')
    assert NO_DAY in first.partition("Before you write")[0]
    for item in words:
        name = f"answer-{item.link_id}"
        hint = fields.partition(f'id="{name}-hint">')[2].partition("</span>")[0]
        assert NO_DAY in hint
        assert f'href="{SAY}"' in hint
        assert f'<textarea id="{name}"' in fields
        assert f'aria-describedby="{name}-hint"' in fields
    sent = await client.look_back()
    assert NO_DAY in sent.text
    assert f'If somebody should look, or you are not safe: <a href="{SAY}">' in sent.text


async def test_what_is_good_to_know_stands_before_the_first_field(world: World) -> None:
    _, _, client = await called(world, is_minor=True)
    page = await client.open(LOOK_BACK)
    first, _, fields = page.text.partition('name="answer-')
    for said in (
        "This is not anonymous",
        "a parent or guardian may have a right to ask",
        "Nobody watches this page now",
        "cannot be unsent",
        "keeps the address of this page",
        "A danger to somebody",
        "The patients&#39; office of the town.",
        "Call the emergency number of where you are.",
    ):
        assert said in first
        assert said not in fields
    # supervisors read answers, and nobody else; by no day
    reads, _, does_not = first.partition("Who does not read it")
    assert await name_of(world, world.supervisor) in reads
    assert await name_of(world, world.here["privacy_officer"]) not in first
    assert await name_of(world, world.clinician) in does_not
    assert "at the latest" not in page.text


async def test_where_no_supervisor_is_left_it_says_that_nobody_reads(world: World) -> None:
    await open_door(world)
    invited = await invite(world.colleague, await world.colleague.case())
    client = await Caller(world).come_in(invited["code"])
    page = await client.open(LOOK_BACK)
    assert "there is nobody here who could read it" in page.text
    assert "there is nobody here" not in (await client.open(SAY)).text


async def test_each_item_is_asked_in_its_part_and_none_need_be_answered(world: World) -> None:
    _, _, client = await called(world)
    page = await client.open(LOOK_BACK)
    assert (page.heading, page.title) == ("Looking back", TITLE)
    form = page.form_at(LOOK_BACK)
    texts = look_back().texts.said()["en"]
    for said in (*(each.title for each in texts.parts), *(each.asks for each in texts.items)):
        assert said in page.text.replace("&#39;", "'")
    for item in look_back().items():
        field = form[f"answer-{item.link_id}"]
        assert not field.required
        if item.type == ItemType.words:
            assert (field.kind, field.values) == ("textarea", [""])
            continue
        given = item.choices or [str(each) for each in range(item.lowest, item.highest + 1)]
        assert (field.kind, field.options) == ("radio", [*given, ""])
        assert field.values == [""]
    fields = page.text.count("<fieldset")
    assert page.text.count("<legend") == fields
    assert len(page.answer.content) < 60 * 1024


async def test_it_is_in_the_language_of_the_reader_or_one_that_it_is_offered_in(
    world: World,
) -> None:
    _, code, _ = await own_of(world, QUESTIONNAIRE)
    ok(await world.admin.patch("/v1/clinic", IN_SPANISH_TOO))
    caller = await Caller(world).come_in(code)
    page = await caller.open(LOOK_BACK, accept_language="es")
    assert '<html lang="es">' in page.text
    assert '<bdi lang="en">Was something changed without a word?</bdi>' in page.text
    ours = (await invite(world.clinician, await world.clinician.case()))["code"]
    caller = await Caller(world).come_in(ours)
    for asked, said in (("es-MX", "Mi terapeuta me escucha."), ("de", "My therapist listens to")):
        assert said in (await caller.open(LOOK_BACK, accept_language=asked)).text


# ------------------------------------------------------------------------------ where it is


@pytest.mark.parametrize("by", ["code", "receipt"])
async def test_it_is_led_to_where_something_is_asked_and_is_nowhere_else(
    world: World, by: str
) -> None:
    _, _, client = await called(world)
    if by == "receipt":
        client = await Caller(world).come_in(receipt_on(await client.say()))
    for path in (INSIDE, SAY, MINE):
        assert LOOK_BACK in (await client.open(path)).links, path
    assert (await client.open(LOOK_BACK)).status == 200
    form = (await client.open(LOOK_BACK)).form_at(LOOK_BACK)
    await retire(world, LOOK_BACK_ID)
    for path in (INSIDE, SAY, MINE):
        page = await client.open(path)
        assert page.status == 200
        assert LOOK_BACK not in page.links, path
    gone = await client.open(LOOK_BACK)
    assert (gone.status, gone.title) == (404, TITLE)
    bare = [(TOKEN, form.token), ("answer-listened_to", "4")]
    assert (await client.send(LOOK_BACK, bare)).status == 404
    # who was shown it still answers it
    assert (await client.submit(form, answering(ALL))).heading == "It was sent"


async def test_a_guardian_is_asked_what_they_were_invited_to_answer(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case(is_minor=True)
    plain = await invite(world.clinician, case, **{"for": "guardian"})
    guardian = await Caller(world).come_in(plain["code"])
    assert LOOK_BACK not in (await guardian.open(INSIDE)).links
    assert (await guardian.open(LOOK_BACK)).status == 404
    _, _, guardian = await own_of(world, FOR_GUARDIANS, **{"for": "guardian"})
    page = await guardian.open(LOOK_BACK)
    assert "You are under age" not in page.text
    sent = await guardian.submit(page.form_at(LOOK_BACK), answering({"how": ["3"]}))
    assert sent.heading == "It was sent"
    (row,) = await responses_of(world)
    assert (row.by, row.number) == ("guardian", 1)


# ------------------------------------------------------------------------------ sending it


async def test_all_that_is_answered_is_kept_as_it_was_answered(world: World) -> None:
    case, _, client = await called(world)
    sent = await client.look_back({**ALL, "shared": ["not_with_therapist"]})
    assert (sent.status, sent.heading) == (200, "It was sent")
    (read,) = await answers_on(world, case)
    assert told_in(read) == {
        "listened_to": 2,
        "touch": "not_asked",
        "outside": "none",
        "anything_else": "Two lines\nof it.",
    }
    assert (read["by"], read["came_by"]) == ("client", "invitation")
    (row,) = await responses_of(world)
    assert (row.questionnaire_id, row.number) == (LOOK_BACK_ID, 1)
    assert (row.shared, row.shared_from) == ("not_with_therapist", None)


async def test_yes_and_no_are_kept_as_such(world: World) -> None:
    _, _, client = await own_of(world, QUESTIONNAIRE)
    form = (await client.open(LOOK_BACK)).form_at(LOOK_BACK)
    assert form["answer-changed"].options == ["true", "false", ""]
    sent = await client.submit(form, answering({"how": ["5"], "changed": ["false"]}))
    assert sent.heading == "It was sent"
    (row,) = await responses_of(world)
    assert (row.frame_answers, row.sealed_answers) == ({"changed": False}, '{"how": 5}')


async def test_the_therapist_reads_it_from_midnight_on_if_at_all(world: World) -> None:
    for shared, count_then in (("not_yet", 0), ("with_therapist", 1)):
        case, _, client = await called(world)
        await client.look_back({"shared": [shared]})
        path = f"/v1/cases/{case['id']}/responses"
        assert ok(await world.clinician.get(path))["items"] == []
        world.clock.forward(days=1)
        assert len(ok(await world.clinician.get(path))["items"]) == count_then, shared


async def test_a_receipt_is_shown_once_and_opens_what_was_answered(world: World) -> None:
    _, code, client = await called(world)
    sent = await client.look_back({**ALL, "anything_else": "zq sent"})
    receipt = receipt_on(sent)
    assert sent.answer.headers["cache-control"] == "no-store"
    for path in (INSIDE, MINE, LOOK_BACK):
        page = await client.open(path)
        assert receipt not in page.text
        assert "zq sent" not in page.text
    again = await client.look_back()
    assert "The receipt that you were shown before opens this, too." in again.text
    assert "I do not want one" not in (await client.open(LOOK_BACK)).text
    assert "zq sent" not in (await (await Caller(world).come_in(code)).open(MINE)).text
    holder = await Caller(world).come_in(receipt)
    mine = await holder.open(MINE)
    assert mine.text.count("<details><summary>Sent on") == 2
    for said in (
        "zq sent",
        "My therapist listens to me.",
        "1: <bdi",
        "It happens, and I was not asked.",
    ):
        assert said in mine.text, said
    by_receipt = await holder.look_back()
    assert "The receipt that you came by opens this, too." in by_receipt.text
    assert await count(world, Box) == 1


async def test_ones_own_answers_go_on_page_by_page(world: World) -> None:
    _, _, client = await called(world)
    receipt = receipt_on(await client.look_back({"anything_else": "zq 0"}))
    for number in range(1, 12):
        await client.look_back({"anything_else": f"zq {number}."})
    holder = await Caller(world).come_in(receipt)
    first = await holder.open(MINE)
    (following,) = [each for each in first.links if "answered=" in each]
    rest = await holder.open(following)
    assert (first.text.count("zq "), rest.text.count("zq ")) == (10, 2)
    assert goes_to(await holder.open(f"{MINE}?answered=nonsense")) == MINE


async def test_who_wants_no_receipt_is_given_none(world: World) -> None:
    _, _, client = await called(world)
    sent = await client.look_back({"no_receipt": ["true"]})
    assert "You wanted no receipt." in sent.text
    assert 'class="receipt"' not in sent.text
    here = select(Box).where(Box.clinic_id == world.clinician.clinic_id)
    async with world.owner.transaction() as tx:
        (box,) = (await tx.exec(here)).all()
    assert box.receipt_hash is None


async def test_a_form_that_is_sent_twice_is_one_response(world: World) -> None:
    _, _, client = await called(world)
    form = (await client.open(LOOK_BACK)).form_at(LOOK_BACK)
    first, second = [await client.submit(form, answering(ALL)) for _ in range(2)]
    assert (second.status, second.heading) == (200, "It was sent already")
    assert NO_DAY in second.text
    # of a double click a browser shows the second answer alone
    assert receipt_on(second) == receipt_on(first)
    assert await count(world, Response) == 1
    holder = await Caller(world).come_in(receipt_on(first))
    await holder.submit((await holder.open(MINE)).form_at(MINE), {"sure": ["true"]})
    assert 'class="receipt"' not in (await client.submit(form, answering(ALL))).text


async def test_the_secret_of_a_form_is_for_one_thing_alone(world: World) -> None:
    _, _, client = await called(world)
    asked = (await client.open(LOOK_BACK)).form_at(LOOK_BACK)
    said = (await client.open(SAY)).form_at(SAY)
    assert (await client.submit(asked, answering(ALL))).heading == "It was sent"
    other = [(TOKEN, asked.token), ("happened", "zq typed")]
    page = await client.send(SAY, other)
    assert page.status == 403
    assert page.form_at(SAY)["happened"].values == ["zq typed"]
    assert (await client.submit(page.form_at(SAY))).heading == "It was sent"
    assert (await client.submit(said, {"happened": "More."})).heading == "It was sent"
    pairs = asked.filled(answering(ALL))
    again = await client.send(LOOK_BACK, [(TOKEN, said.token), *pairs[1:]])
    assert again.status == 403
    assert again.form_at(LOOK_BACK)["answer-touch"].values == ["not_asked"]
    assert (await count(world, Response), await count(world, Account)) == (1, 2)


async def test_past_twenty_a_day_it_is_given_back_for_tomorrow(world: World) -> None:
    _, _, client = await called(world)
    for _ in range(20):
        assert (await client.look_back()).status == 200
    late = await client.look_back(ALL)
    assert late.status == 429
    assert int(late.answer.headers["retry-after"]) > 0
    assert "send it tomorrow" in late.text
    assert still_there(late, ALL)
    assert await count(world, Response) == 20
    # saying what happened is another matter
    assert (await client.say()).heading == "It was sent"


# ------------------------------------------------------------------------------ what is wrong


WRONG: dict[str, tuple[Typed, str, str]] = {
    "too long": ({"anything_else": "x" * 5_001}, "anything_else", "longer than 5,000"),
    "a sign that cannot be kept": ({"anything_else": "a\x00b"}, "anything_else", "cannot be kept"),
    "past the scale": ({"listened_to": ["6"]}, "listened_to", "what is offered"),
    "no number": ({"listened_to": ["٣"]}, "listened_to", "what is offered"),
    "a long number": ({"listened_to": ["9" * 5_000]}, "listened_to", "what is offered"),
    "no choice": ({"touch": ["nonsense"]}, "touch", "what is offered"),
    "another's choice": ({"touch": ["talked_over"]}, "touch", "what is offered"),
    "no such sharing": ({"shared": ["nonsense"]}, "shared", "what is offered"),
    "nothing": (
        dict.fromkeys(("listened_to", "touch", "outside", "anything_else"), ""),
        "listened_to",
        "give one answer at least",
    ),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_is_said_at_its_field_and_the_rest_is_still_there(
    world: World, what: str
) -> None:
    _, _, client = await called(world)
    values, name, said = WRONG[what]
    page = await client.look_back({**ALL, **values})
    assert (page.status, page.title) == (422, f"Error: {TITLE}")
    (field,) = answering({name: ""})
    assert f'<a href="#{field}">' in page.text
    assert field in page.ids
    assert f'id="{field}-error"' in page.text
    assert page.text.count(said) == 2
    assert still_there(page, {each: told for each, told in ALL.items() if each not in values})
    if what == "too long":
        assert still_there(page, values)
    assert await count(world, Response) == 0
    # nothing is left of it: the same form, put right, is sent
    right: Typed = {"listened_to": ["1"], "touch": [], "anything_else": "x", "shared": ["not_yet"]}
    sent = await client.submit(page.form_at(LOOK_BACK), answering(right))
    assert (sent.status, await count(world, Response)) == (200, 1)


async def test_as_many_characters_as_may_be_are_taken_in_any_script(world: World) -> None:
    case, _, client = await called(world)
    text = "🙂\n" * 100 + "🙂" * 4_800
    told: Typed = {"anything_else": text, "what_helps_or_is_missing": text}
    assert len(text) == 5_000
    assert len(urlencode(told)) > 115_000
    assert (await client.look_back(told)).heading == "It was sent"
    (read,) = await answers_on(world, case)
    assert told_in(read)["anything_else"] == text
    longer: Typed = {"anything_else": text * 5, "what_helps_or_is_missing": text * 5}
    more = await client.look_back(longer)
    assert more.status == 422
    assert still_there(more, longer)
