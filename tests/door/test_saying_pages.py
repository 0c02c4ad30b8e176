"""Saying what happened by the form: it is sent once, and what was typed is not lost."""

from urllib.parse import urlencode

import pytest
from sqlmodel import select

from api.desk.same_origin import TOKEN
from api.storage.models.accounts import Account, AccountWords
from api.storage.models.door import Box
from tests.support.desk import OURS, goes_to
from tests.support.door import invite, open_door
from tests.support.door_pages import (
    ENTRY,
    INSIDE,
    LEAVE,
    MINE,
    OF_NOBODY,
    SAY,
    TITLE,
    Caller,
    accounts_of,
    called,
    called_again,
    count,
    form_of,
    name_of,
    receipt_on,
    sent_and_read,
)
from tests.support.world import World, ok

Typed = dict[str, str | list[str]]
"""What is typed and chosen in a form."""
EMERGENCY = "Call the emergency number of where you are."


# ------------------------------------------------------------------------------ saying it


async def test_all_that_is_said_is_kept_as_it_was_said(world: World) -> None:
    case, _, client = await called(world)
    supervisor = world.supervisor
    sent = await client.say(
        {
            "happened": "Two lines\nof it.",
            "safe_now": ["yes"],
            "topics": ["promise", "words"],
            "year": "2025",
            "month": "3",
            "wants": ["somebody_looks"],
            "reach": "By letter.",
            "shared": ["not_with_therapist"],
        }
    )
    assert (sent.status, sent.heading) == (200, "It was sent")
    assert EMERGENCY not in sent.text
    (line,) = ok(await supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    read = ok(await supervisor.get(f"/v1/accounts/{line['id']}"))
    told = {name: read[name] for name in ("happened", "topics", "wants", "reach", "when")}
    assert told == {
        "happened": "Two lines\nof it.",
        "topics": ["promise", "words"],
        "wants": ["somebody_looks"],
        "reach": "By letter.",
        "when": "2025-03-01",
    }
    assert (read["date_precision"], read["shared"]) == ("month", "not_with_therapist")
    assert (read["safe_now"], read["language"], read["came_by"]) == ("yes", "en", "invitation")


async def test_who_is_named_does_not_read_it(world: World) -> None:
    case, _, client = await called(world)
    await client.say({"not_to": [str(world.supervisor.id)]})
    (line,) = await accounts_of(world)
    assert line.case_id is not None
    assert (await world.supervisor.get(f"/v1/accounts/{line.id}")).status_code == 404
    listed = await world.supervisor.get(f"/v1/cases/{case['id']}/accounts")
    assert ok(listed)["items"] == []


async def test_a_receipt_is_shown_once_and_opens_what_was_sent(world: World) -> None:
    _, _, client = await called(world)
    sent = await client.say()
    receipt = receipt_on(sent)
    assert sent.answer.headers["cache-control"] == "no-store"
    for path in (INSIDE, MINE, SAY):
        assert receipt not in (await client.open(path)).text
    assert (await client.open(f"{MINE}/1")).status == 404
    again = await client.say({"happened": "More."})
    assert "The receipt that you were shown before opens this, too." in again.text
    assert "I do not want one" not in (await client.open(SAY)).text
    other = await Caller(world).come_in(receipt.lower())
    assert f"{OURS}{MINE}" not in (await other.open(MINE)).text
    assert {f"{MINE}/1", f"{MINE}/2"} <= {*(await other.open(MINE)).links}
    assert "It was said." in (await other.open(f"{MINE}/1")).text
    third = await other.say({"happened": "By the receipt."})
    assert "The receipt that you came by opens this, too." in third.text
    assert f"{MINE}/3" in (await other.open(MINE)).links


async def test_who_wants_no_receipt_is_given_none(world: World) -> None:
    _, _, client = await called(world)
    assert "I do not want one" in (await client.open(SAY)).text
    sent = await client.say({"no_receipt": ["true"]})
    assert "You wanted no receipt." in sent.text
    assert 'class="receipt"' not in sent.text
    here = select(Box).where(Box.clinic_id == world.clinician.clinic_id)
    async with world.owner.transaction() as tx:
        (box,) = (await tx.exec(here)).all()
    assert box.receipt_hash is None


async def test_by_a_code_nothing_is_shown_that_was_sent(world: World) -> None:
    _, code, client = await called(world)
    empty = (await client.open(MINE)).text
    await client.say({"happened": "zq sent"})
    for caller in (client, await Caller(world).come_in(code)):
        page = await caller.open(MINE)
        assert "By a code nothing is shown here" in page.text
        assert _bare(page.text) == _bare(empty)


def _bare(text: str) -> str:
    """Give a page without the secrets of its forms."""
    first, *rest = text.split(f'name="{TOKEN}" value="')
    return first + "".join(each.partition('"')[2] for each in rest)


@pytest.mark.parametrize("safe", ["no", "unsure"])
async def test_who_is_not_safe_is_told_what_to_do_now(world: World, safe: str) -> None:
    _, _, client = await called(world)
    wrong = await client.say({"happened": "", "safe_now": [safe]})
    top, _, _ = wrong.text.partition("Before you write")
    assert EMERGENCY in top
    assert wrong.form_at(SAY)["safe_now"].values == [safe]
    sent = await client.say({"safe_now": [safe]})
    assert EMERGENCY in sent.text
    other = await Caller(world).come_in(receipt_on(sent))
    assert EMERGENCY in (await other.open(f"{MINE}/1")).text


async def test_past_ten_a_day_the_text_is_given_back_for_tomorrow(world: World) -> None:
    _, _, client = await called(world)
    for number in range(10):
        assert (await client.say({"happened": f"Number {number}."})).status == 200
    late = await client.say({"happened": "The eleventh."})
    assert late.status == 429
    assert "send it tomorrow" in late.text
    assert late.form_at(SAY)["happened"].values == ["The eleventh."]
    assert (await client.say({"happened": "Not safe.", "safe_now": ["no"]})).status == 200
    world.clock.forward(days=1)
    assert await count(world, Account) == 11


async def test_as_many_characters_as_may_be_are_taken_in_any_script(world: World) -> None:
    _, _, client = await called(world)
    text = "🙂\n" * 100 + "🙂" * 19_800
    assert len(text) == 20_000
    form = (await client.open(SAY)).form_at(SAY)
    assert len(urlencode({"happened": text})) > 230_000
    assert (await client.submit(form, {"happened": text, "reach": "🙂" * 1_000})).status == 200
    (account,) = await accounts_of(world)
    assert account.happened == text
    # what is more by far is given back, too
    for longer in (text + "x", text * 3):
        more = await client.say({"happened": longer})
        assert more.status == 422
        assert "longer than 20,000 characters" in more.text
        assert more.form_at(SAY)["happened"].values == [longer]
    huge = await client.send(SAY, [(TOKEN, more.form_at(SAY).token), ("happened", "x" * 2_000_000)])
    assert (huge.status, huge.title) == (413, TITLE)


WRONG: dict[str, tuple[Typed, str, str]] = {
    "nothing": ({"happened": " \n"}, "happened", "A few words are enough"),
    "a sign that cannot be kept": ({"happened": "a\x00b"}, "happened", "cannot be kept"),
    "too long a way": ({"reach": "x" * 1_001}, "reach", "longer than 1,000"),
    "no day": ({"year": "2026", "month": "2", "day": "30"}, "when", "no such day"),
    "a day without a month": ({"year": "2026", "day": "3"}, "when", "no such day"),
    "a month without a year": ({"month": "3"}, "when", "no such day"),
    "words for a year": ({"year": "last"}, "when", "no such day"),
    "a year of nobody": ({"year": "12"}, "when", "no such day"),
    "no known topic": ({"topics": ["nonsense"]}, "topics", "what is offered"),
    "no known wish": ({"wants": ["nonsense"]}, "wants", "what is offered"),
    "no known answer": ({"safe_now": ["nonsense"]}, "safe_now", "what is offered"),
    "nobody known": ({"not_to": ["nonsense"]}, "not_to", "what is offered"),
    "nobody shown": (
        {"not_to": ["01a22d70-0000-7000-8000-000000000000"]},
        "not_to",
        "nobody whose name was shown",
    ),
}


TYPED_AGAIN = {each for each, (told, field, _) in WRONG.items() if field in {"reach", "when"}}


async def test_all_that_is_wrong_is_said_at_once(world: World) -> None:
    _, _, client = await called(world)
    page = await client.say({"happened": "", "year": "never", "reach": "x" * 1_001})
    assert [each for each in page.links if "#" in each][1:] == [
        f"{SAY}#{field}" for field in ("happened", "when", "reach")
    ]


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_is_said_at_its_field_and_the_rest_is_still_there(
    world: World, what: str
) -> None:
    _, _, client = await called(world)
    values, field, said = WRONG[what]
    typed = {"happened": "Kept as typed.", "topics": ["touch"], "wants": ["a_copy"], **values}
    page = await client.say(typed)
    assert page.status == 422
    assert page.title == f"Error: {TITLE}"
    assert page.heading == "Say what happened"
    assert f'<a href="#{field}">' in page.text
    assert field in page.ids
    assert f'id="{field}-error"' in page.text
    assert page.text.count(said) == 2
    form = page.form_at(SAY)
    # what is not offered, and a sign that no page can show, are not there any more
    for name, value in typed.items():
        if name != field or what in TYPED_AGAIN:
            assert form[name].values == ([value] if isinstance(value, str) else value), name
    assert await count(world, Account) == 0
    # nothing is left of it: the same form, put right, is sent
    right: Typed = {name: [] for name in ("topics", "wants", "safe_now", "not_to")}
    more = dict.fromkeys(("year", "month", "day", "reach"), "")
    sent = await client.submit(form, {"happened": "Put right.", **right, **more})
    assert (sent.status, await count(world, Account)) == (200, 1)


async def test_a_guardian_asks_for_no_copy_here(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case(is_minor=True)
    invited = await invite(world.clinician, case, **{"for": "guardian"})
    guardian = await Caller(world).come_in(invited["code"])
    page = await guardian.open(SAY)
    assert "a_copy" not in page.form_at(SAY)["wants"].options
    assert "You are under age" not in page.text
    asked = await guardian.say({"wants": ["a_copy"]})
    assert asked.status == 422
    assert "and not at this door" in asked.text
    assert await count(world, Account) == 0


# ------------------------------------------------------------------------------ sent twice


async def test_a_form_that_is_sent_twice_is_one_account(world: World) -> None:
    _, _, client = await called(world)
    form = (await client.open(SAY)).form_at(SAY)
    first = await client.submit(form, {"happened": "Once.", "safe_now": ["no"]})
    second = await client.submit(form, {"happened": "Once.", "safe_now": ["no"]})
    assert (second.status, second.heading) == (200, "It was sent already")
    assert EMERGENCY in second.text
    assert await count(world, Account) == 1
    # of a double click a browser shows the second answer alone
    assert receipt_on(second) == receipt_on(first)
    assert (await Caller(world).knock(receipt_on(first))).status == 303


async def test_a_receipt_is_of_one_form_alone(world: World) -> None:
    _, code, client = await called(world)
    first = receipt_on(await client.say())
    other = await Caller(world).come_in(code)
    assert receipt_on(await other.say()) != first
    thrown = await Caller(world).come_in(first)
    form = (await thrown.open(MINE)).form_at(MINE)
    await thrown.submit(form, {"sure": ["true"]})
    assert (await Caller(world).knock(first)).status == 401


async def test_a_receipt_that_was_thrown_away_is_not_shown_again(world: World) -> None:
    _, _, client = await called(world)
    form = (await client.open(SAY)).form_at(SAY)
    holder = await Caller(world).come_in(receipt_on(await client.submit(form, {"happened": "a"})))
    await holder.submit((await holder.open(MINE)).form_at(MINE), {"sure": ["true"]})
    again = await client.submit(form, {"happened": "a"})
    assert again.heading == "It was sent already"
    assert 'class="receipt"' not in again.text


async def test_what_is_corrected_and_sent_once_more_is_not_lost(world: World) -> None:
    _, _, client = await called(world)
    form = (await client.open(SAY)).form_at(SAY)
    first = await client.submit(form, {"happened": "It was said."})
    more: Typed = {"happened": "It was said. I am afraid of him.", "safe_now": ["no"]}
    second = await client.submit(form, more)
    assert (first.heading, second.heading) == ("It was sent", "It was sent")
    again = await client.submit(form, more)
    assert again.heading == "It was sent already"
    kept = await accounts_of(world)
    assert [(each.happened, each.safe_now) for each in kept] == [
        ("It was said.", "not_said"),
        ("It was said. I am afraid of him.", "no"),
    ]
    # both are behind the one receipt
    assert {each.box_id for each in kept} == {kept[0].box_id}
    mine = await Caller(world).come_in(receipt_on(first))
    assert (await mine.open(f"{MINE}/2")).status == 200


async def test_words_that_are_sent_twice_are_added_once(world: World) -> None:
    _, _, client = await sent_and_read(world)
    form = form_of(await client.open(f"{MINE}/1"), "words")
    for _ in range(2):
        assert goes_to(await client.submit(form, {"words": "More of it."})) == f"{MINE}/1"
    assert await count(world, AccountWords) == 1
    page = await client.open(f"{MINE}/1")
    assert "That was taken." in page.text
    assert "That was taken." not in (await client.open(f"{MINE}/1")).text


# ------------------------------------------------------------------------------ a visit that ended


TYPED: Typed = {
    "happened": "Written for\na long time.",
    "safe_now": ["unsure"],
    "topics": ["ending"],
    "wants": ["an_answer"],
    "reach": "By letter.",
    "year": "2025",
    "shared": ["not_with_therapist"],
    "to": ["privacy_officers"],
}


@pytest.mark.parametrize("hours", [0.6, 13, 24 * 30])
async def test_what_was_typed_in_a_visit_that_ended_is_sent_with_the_code(
    world: World, hours: float
) -> None:
    _, code, client = await called(world)
    supervisor = str(world.supervisor.id)
    form = (await client.open(SAY)).form_at(SAY)
    world.clock.forward(hours=hours)
    page = await client.submit(form, {**TYPED, "not_to": [supervisor]})
    assert page.status == 401
    assert "What you wrote is still here." in page.text
    assert await name_of(world, world.supervisor) not in page.text
    again = page.form_at(SAY)
    for name, value in TYPED.items():
        assert again[name].values == ([value] if isinstance(value, str) else value), name
    wrong = await client.submit(again, {"code": OF_NOBODY})
    assert wrong.status == 401
    assert "does not open the door" in wrong.text
    assert wrong.form_at(SAY)["happened"].values == [TYPED["happened"]]
    assert await count(world, Account) == 0
    sent = await client.submit(wrong.form_at(SAY), {"code": code})
    assert (sent.status, sent.heading) == (200, "It was sent")
    (account,) = await accounts_of(world)
    assert (account.happened, account.reach) == (TYPED["happened"], "By letter.")
    assert (account.topics, account.addressed_to) == (["ending"], "privacy_officers")
    assert (await world.supervisor.get(f"/v1/accounts/{account.id}")).status_code == 404
    # and they are inside
    assert (await client.open(INSIDE)).status == 200
    double = await client.submit(wrong.form_at(SAY), {"code": code})
    assert double.heading == "It was sent already"
    assert await count(world, Account) == 1


async def test_what_was_typed_is_still_there_for_who_came_in_by_another_window(
    world: World,
) -> None:
    _, code, client = await called(world)
    form = (await client.open(SAY)).form_at(SAY)
    world.clock.forward(minutes=31)
    await client.come_in(code)
    page = await client.submit(form, TYPED)
    assert page.status == 403
    assert "Look at it once more, and send it." in page.text
    assert page.form_at(SAY)["happened"].values == [TYPED["happened"]]
    assert (await client.submit(page.form_at(SAY))).heading == "It was sent"


@pytest.mark.parametrize("comes_back", [False, True])
async def test_what_was_typed_is_not_shown_to_who_sends_it_again_after_leaving(
    world: World, comes_back: bool
) -> None:
    _, _, client = await called(world)
    form = (await client.open(SAY)).form_at(SAY)
    first = await client.submit(form, {"happened": TOLD, "reach": TOLD})
    holder = await Caller(world).come_in(receipt_on(first))
    words = form_of(await holder.open(f"{MINE}/1"), "words")
    wrong = (await Caller(world).open(ENTRY)).form
    for caller in (client, holder):
        await caller.submit((await caller.open(INSIDE)).form_at(LEAVE))
        if comes_back:
            assert (await caller.open(ENTRY)).status == 200
        for sheet, told in (
            (form, {"happened": TOLD, "reach": TOLD}),
            (words, {"words": TOLD}),
            (wrong, {"code": TOLD}),
        ):
            again = await caller.submit(sheet, told)
            assert again.status == 403
            assert TOLD not in again.text
            assert receipt_on(first) not in again.text


TOLD = "zq told here alone"
"""What no secret of a form has in it by chance: they have no blanks."""


async def test_who_came_back_by_the_form_and_typed_too_much_is_inside(world: World) -> None:
    _, code, client = await called(world)
    form = (await client.open(SAY)).form_at(SAY)
    world.clock.forward(minutes=31)
    page = await client.submit(form, {"happened": "x" * 20_001})
    again = await client.submit(page.form_at(SAY), {"code": code})
    assert again.status == 422
    assert code not in again.text
    assert "code" not in again.form_at(SAY).names
    sent = await client.submit(again.form_at(SAY), {"happened": "x"})
    assert sent.heading == "It was sent"


async def test_words_typed_in_a_visit_that_ended_go_to_what_they_were_written_to(
    world: World,
) -> None:
    _, receipt, client = await sent_and_read(world)
    other = receipt_on(await (await called_again(world)).say({"happened": "Another's."}))
    code = (await invite(world.clinician, await world.clinician.case()))["code"]
    form = form_of(await client.open(f"{MINE}/1"), "words")
    world.clock.forward(minutes=31)
    page = await client.submit(form, {"words": "zq typed"})
    assert page.status == 401
    for wrong in (OF_NOBODY, other, code):
        page = await client.submit(form_of(page, "words"), {"code": wrong})
        assert page.status in {401, 404}, wrong
        assert form_of(page, "words")["words"].values == ["zq typed"]
        assert "Another" not in page.text
    assert await count(world, AccountWords) == 0
    done = await client.submit(form_of(page, "words"), {"code": receipt})
    assert goes_to(done) == f"{MINE}/1"
    assert "zq typed" in (await client.open(f"{MINE}/1")).text
