"""What was sent, as whoever holds the receipt sees it, and what they may still do with it."""

from datetime import timedelta

import pytest

from api.desk.same_origin import TOKEN
from api.storage.models.accounts import AccountWords
from tests.support.desk import goes_to
from tests.support.door import enter
from tests.support.door_pages import (
    INSIDE,
    LEAVE,
    MINE,
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
from tests.support.world import World, made, ok


async def test_what_became_of_it_is_told(world: World) -> None:
    case, _, client = await sent_and_read(world)
    supervisor = world.supervisor
    assert "Nobody has read it yet." in (await client.open(MINE)).text
    (line,) = ok(await supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    at = f"/v1/accounts/{line['id']}"
    ok(await supervisor.get(at))
    page = await client.open(f"{MINE}/1")
    assert "Somebody has read it." in page.text
    assert await name_of(world, supervisor) in page.text
    made(await supervisor.post(f"{at}/reply", {"reply": "Thank you <b>for</b> this."}))
    page = await client.open(f"{MINE}/1")
    assert "Thank you &lt;b&gt;for&lt;/b&gt; this." in page.text
    assert "There is an answer." in (await client.open(MINE)).text
    note = {"determination": "normal_process", "note": "zq for staff alone"}
    assert (await supervisor.post(f"{at}/close", note)).is_success
    page = await client.open(f"{MINE}/1")
    assert "Its readers have closed it." in page.text
    assert "zq for staff" not in page.text
    assert "normal" not in page.text
    assert goes_to(await client.do("words", {"words": "Not yet."})) == f"{MINE}/1"
    assert "Nobody has read your latest words yet." in (await client.open(MINE)).text


async def test_who_may_read_it_is_chosen_until_midnight(world: World) -> None:
    _, _, client = await sent_and_read(world)
    assert goes_to(await client.do("share", {"shared": ["with_therapist"]})) == f"{MINE}/1"
    page = await client.open(f"{MINE}/1")
    assert '<time datetime="2026-03-03">' in page.text
    assert form_of(page, "share")["shared"].values == ["with_therapist"]
    await client.do("share", {"shared": ["not_yet"]})
    (account,) = await accounts_of(world)
    assert (account.shared, account.shared_from) == ("not_yet", None)
    await client.do("share", {"shared": ["with_therapist"]})
    late = form_of(await client.open(f"{MINE}/1"), "share")
    receipt = receipt_on(await (await called_again(world)).say())
    assert receipt
    world.clock.forward(minutes=20)
    await client.open(INSIDE)
    world.clock.now += timedelta(days=1)
    again = await client.submit(late, {"shared": ["not_yet"]})
    assert again.status == 401


async def test_what_the_therapist_reads_by_now_stays_shared(world: World) -> None:
    _, _, client = await called(world)
    receipt = receipt_on(await client.say({"shared": ["with_therapist"]}))
    holder = await Caller(world).come_in(receipt)
    late = form_of(await holder.open(f"{MINE}/1"), "share")
    world.clock.forward(days=1)
    holder = await Caller(world).come_in(receipt)
    page = await holder.open(f"{MINE}/1")
    assert "The therapist may read it by now." in page.text
    told = [(name, value) for name, value in late.filled({"shared": ["not_yet"]}) if name != TOKEN]
    token = form_of(page, "words").token
    refused = await holder.send(f"{MINE}/1", [(TOKEN, token), *told])
    assert refused.status == 409
    assert "cannot be taken back any more" in refused.text


async def test_it_is_taken_back_by_who_says_that_they_are_sure(world: World) -> None:
    _, _, client = await sent_and_read(world)
    page = await client.do("take_back")
    assert page.status == 422
    assert '<a href="#sure">' in page.text
    assert goes_to(await client.do("take_back", {"sure": ["true"]})) == f"{MINE}/1"
    page = await client.open(f"{MINE}/1")
    assert "You took it back." in page.text
    assert "This text was destroyed." in page.text
    assert [each.action for each in page.forms] == [LEAVE]
    (account,) = await accounts_of(world)
    assert account.happened is None


@pytest.mark.parametrize(
    ("words", "said"), [(" ", "Write something first."), ("x" * 5_001, "longer than 5,000")]
)
async def test_words_that_cannot_be_added_are_still_there(
    world: World, words: str, said: str
) -> None:
    _, _, client = await sent_and_read(world)
    page = await client.do("words", {"words": words})
    assert page.status == 422
    assert page.text.count(said) == 2
    assert form_of(page, "words")["words"].values == [words]
    assert await count(world, AccountWords) == 0


async def test_a_form_for_nothing_known_changes_nothing(world: World) -> None:
    _, _, client = await sent_and_read(world)
    for what, told in (("share", {"shared": "nonsense"}), ("nonsense", {}), ("", {})):
        form = form_of(await client.open(f"{MINE}/1"), "share")
        hidden = [(TOKEN, form.token), ("which", form["which"].values[0]), ("do", what)]
        page = await client.send(f"{MINE}/1", [*hidden, *told.items()])
        assert page.status == 422, what
    (account,) = await accounts_of(world)
    assert account.version == 1


async def test_lists_go_on_page_by_page(world: World) -> None:
    _, receipt, client = await sent_and_read(world)
    for day in range(6):
        world.clock.forward(days=1)
        client = await Caller(world).come_in(receipt)
        for number in range(10):
            assert (await client.say({"happened": f"{day} {number}"})).status == 200
    first = await client.open(MINE)
    numbers = [each for each in first.links if each.startswith(f"{MINE}/")]
    assert len(numbers) == 50
    (following,) = [each for each in first.links if "cursor=" in each]
    rest = await client.open(following)
    numbers += [each for each in rest.links if each.startswith(f"{MINE}/")]
    assert len(set(numbers)) == 61
    for cursor in ("nonsense", "x" * 3_000):
        assert goes_to(await client.open(f"{MINE}?cursor={cursor}")) == MINE


async def test_the_receipt_is_thrown_away_by_who_is_sure(world: World) -> None:
    _, receipt, client = await sent_and_read(world)
    form = (await client.open(MINE)).form_at(MINE)
    page = await client.submit(form)
    assert page.status == 422
    assert "Say that you are sure" in page.text
    gone = await client.submit(page.form_at(MINE), {"sure": ["true"]})
    assert gone.heading == "The receipt is thrown away"
    assert client.visit is None
    assert (await client.knock(receipt)).status == 401
    (account,) = await accounts_of(world)
    assert account.happened == "It was said."


async def test_what_is_shown_to_its_writer_is_written_down(world: World) -> None:
    case, receipt, client = await sent_and_read(world)
    supervisor = world.here["privacy_officer"]

    async def reads() -> int:
        entries = ok(await supervisor.get("/v1/journal", case_id=case["id"], limit="100"))["items"]
        return sum(each["happening"] == "account.read" for each in entries)

    before = await reads()
    await client.open(f"{MINE}/1")
    shown = await reads()
    by_json = await enter(world, receipt=receipt)
    await by_json.mine()
    assert await reads() - shown == shown - before
