"""What a client may want: nothing at all, a look, an answer, help now; and what comes of it."""

import pytest

from tests.support.door import at_the_door, enter
from tests.support.door_scene import (
    LATER_WORDS,
    account_id_of,
    by_receipt,
    closes,
    lines,
    opened,
    reads,
    replies,
    said,
)
from tests.support.flags import resolve, the_flag
from tests.support.world import World, made, ok

LOVE = "I love her, and I have told her so. I long for Tuesdays, and I am angry that they end."


async def test_a_client_who_writes_of_love_and_anger_has_raised_nothing(world: World) -> None:
    topics = ["feelings_met", "sexual", "danger"]
    case, client = await at_the_door(world)
    client, receipt = await by_receipt(client, happened=LOVE, topics=topics, wants=["nothing_more"])
    assert await world.supervisor.flags(case, live=False) == {}
    assert await world.supervisor.queue() == []
    assert (await reads(world.supervisor, case))["happened"] == LOVE
    world.clock.forward(days=40)
    assert await world.supervisor.flags(case, live=False) == {}
    (mine,) = await (await enter(world, receipt=receipt)).mine()
    assert (mine["status"], mine["topics"]) == ("read", topics)


async def test_what_is_asked_for_is_raised_and_not_what_is_told(world: World) -> None:
    case, _ = await said(world, happened=LOVE, topics=["sexual"], wants=["somebody_looks"])
    assert await world.supervisor.flags(case) == {"client_asks_to_look": "moderate"}
    flag = await the_flag(world.supervisor, case, "client_asks_to_look")
    told = str(flag).lower()
    assert not [each for each in ("love", "sexual", "tuesday", "angry") if each in told]


async def test_a_look_that_was_asked_for_is_over_once_the_account_is_closed(world: World) -> None:
    case, client = await said(world, wants=["somebody_looks"])
    assert set(await world.supervisor.flags(case)) == {"client_asks_to_look"}
    account_id = await account_id_of(world.supervisor, case)
    ok(await closes(world.supervisor, account_id))
    assert await world.supervisor.flags(case) == {}
    (mine,) = await client.mine()
    assert (mine["status"], mine["closed_on"]) == ("closed", world.day())
    # what came of it is for the readers
    assert not {"determination", "closing_note", "note"} & mine.keys()
    assert "benign_crossing" not in str(mine)


@pytest.mark.parametrize(("safe_now", "severity"), [("no", "critical"), ("unsure", "high")])
async def test_who_is_not_safe_is_heard_even_where_they_want_nothing_more(
    world: World, safe_now: str, severity: str
) -> None:
    case, client = await at_the_door(world)
    sent = await client.says(safe_now=safe_now, wants=["nothing_more"])
    assert sent["emergency"]["en"].startswith("Call the emergency number")
    assert await world.supervisor.flags(case) == {"client_not_safe": severity}
    assert await world.clinician.flags(case, live=False) == {}
    (line,) = await world.supervisor.queue()
    assert line["case"]["id"] == case["id"]


async def test_who_is_safe_or_does_not_say_is_told_of_no_emergency(world: World) -> None:
    case, client = await at_the_door(world)
    for safe_now in ("yes", "not_said"):
        assert (await client.says(happened=safe_now, safe_now=safe_now))["emergency"] is None
    assert await world.supervisor.flags(case, live=False) == {}


async def test_who_was_not_safe_and_takes_it_back_is_looked_for_all_the_same(world: World) -> None:
    case, client = await said(world, safe_now="no")
    ok(await client.send("POST", "/accounts/1/take-back"))
    (flag,) = await world.supervisor.flag_list(case, live=False)
    assert (flag["rule"], flag["status"]) == ("client_not_safe", "open")
    await resolve(world, case, "client_not_safe")


async def test_an_answer_that_is_wanted_comes_before_the_closing(world: World) -> None:
    case, client = await said(world, wants=["an_answer"])
    account_id = await account_id_of(world.supervisor, case)
    refused = await closes(world.supervisor, account_id)
    assert (refused.status_code, "reply first" in refused.json()["detail"]) == (409, True)
    made(await replies(world.supervisor, account_id))
    # further words want an answer of their own
    made(await client.send("POST", "/accounts/1/words", {"words": LATER_WORDS}))
    assert (await closes(world.supervisor, account_id)).status_code == 409
    made(await replies(world.supervisor, account_id, "This, too, is read."))
    ok(await closes(world.supervisor, account_id))
    (mine,) = await client.mine()
    assert [each["reply"] for each in mine["replies"]] == ["Thank you.", "This, too, is read."]
    assert (await replies(world.supervisor, account_id)).status_code == 409


async def test_an_account_that_nobody_answers_is_asked_about_after_two_weeks(world: World) -> None:
    case, _ = await said(world, wants=["an_answer"])
    world.clock.forward(days=13)
    assert await world.supervisor.flags(case) == {}
    world.clock.forward(days=1)
    assert await world.supervisor.flags(case) == {"account_unanswered": "moderate"}
    world.clock.forward(days=16)
    assert await world.supervisor.flags(case) == {"account_unanswered": "high"}
    made(await replies(world.supervisor, await account_id_of(world.supervisor, case)))
    assert await world.supervisor.flags(case) == {}


async def test_further_words_make_it_received_again_and_the_days_begin_anew(world: World) -> None:
    case, client = await at_the_door(world)
    client, receipt = await by_receipt(client, wants=["an_answer"])
    account_id = await account_id_of(world.supervisor, case)
    made(await replies(world.supervisor, account_id))
    world.clock.forward(days=20)
    assert await world.supervisor.flags(case) == {}
    client = await enter(world, receipt=receipt)
    made(await client.send("POST", "/accounts/1/words", {"words": LATER_WORDS}))
    (line,) = await lines(world.supervisor, case)
    assert line["status"] == "received"
    world.clock.forward(days=13)
    assert await world.supervisor.flags(case) == {}
    world.clock.forward(days=1)
    assert await world.supervisor.flags(case) == {"account_unanswered": "moderate"}


async def test_words_after_the_closing_open_it_again(world: World) -> None:
    case, client = await said(world, wants=["somebody_looks"])
    account_id = await account_id_of(world.supervisor, case)
    ok(await closes(world.supervisor, account_id))
    again = ok(await client.send("POST", "/accounts/1/words", {"words": LATER_WORDS}), 201)
    assert (again["status"], again["closed_on"]) == ("received", None)
    assert set(await world.supervisor.flags(case)) == {"client_asks_to_look"}
    shown = await opened(world.supervisor, account_id)
    assert [each["words"] for each in shown["further_words"]] == [LATER_WORDS]
    made(await replies(world.supervisor, account_id))
