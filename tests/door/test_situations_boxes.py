"""Visits and receipts: who sees what they sent, how long, how much in a day; and what is lost."""

from typing import Any

import pytest

from tests.support.door import AtDoor, account, at_the_door, enter, knock, open_door
from tests.support.door_scene import (
    LATER_WORDS,
    account_id_of,
    answered,
    by_receipt,
    lines,
    opened,
    reads,
)
from tests.support.signing_in import same_body
from tests.support.world import World, made, ok


async def lasts(client: AtDoor) -> bool:
    answer = await client.send("GET", "/mine")
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


async def test_two_who_came_by_one_code_never_see_each_other(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/invitations"
    code = made(await world.clinician.post(path))["code"]
    one, other = await enter(world, code=code), await enter(world, code=code)
    first = await one.says(happened="one")
    second = await other.says(happened="other")
    assert first["n"] == second["n"] == 1
    for client in (one, other):
        assert await client.mine() == []
        words = await client.send("POST", "/accounts/1/words", {"words": LATER_WORDS})
        assert words.status_code == 404
    for sent, told in ((first, "one"), (second, "other")):
        (mine,) = await (await enter(world, receipt=sent["receipt"])).mine()
        assert mine["happened"] == told
    assert len(await lines(world.supervisor, case)) == 2


async def test_two_who_came_by_one_receipt_both_see_what_is_there(world: World) -> None:
    _, client = await at_the_door(world)
    one, receipt = await by_receipt(client)
    other = await enter(world, receipt=receipt.lower().replace("-", " "))
    sent = await one.says(happened="by the first phone")
    assert (sent["n"], sent["receipt"]) == (2, None)
    assert [each["n"] for each in await other.mine()] == [2, 1]
    made(await other.send("POST", "/accounts/2/words", {"words": LATER_WORDS}))
    assert [each["words"] for each in (await one.mine())[0]["further_words"]] == [LATER_WORDS]


async def test_a_receipt_is_shown_once_and_one_that_is_not_wanted_is_none(world: World) -> None:
    case, client = await at_the_door(world)
    sent = await client.says(no_receipt=True)
    assert sent["receipt"] is None
    assert (await reads(world.supervisor, case))["happened"] is not None
    assert await client.mine() == []
    # who changes their mind has one with what they send next
    later = await client.says(happened="something else")
    assert (later["n"], later["receipt"] is None) == (2, False)
    assert len(await (await enter(world, receipt=later["receipt"])).mine()) == 2
    assert (await client.says(happened="a third thing"))["receipt"] is None


async def test_a_receipt_that_is_thrown_away_is_as_one_never_made(world: World) -> None:
    case, client = await at_the_door(world)
    client, receipt = await by_receipt(client, wants=["an_answer"])
    other = await enter(world, receipt=receipt)
    account_id = await account_id_of(world.supervisor, case)
    before = await opened(world.supervisor, account_id)
    happened = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/timeline"))["items"]
    assert (await client.send("POST", "/throw-away")).status_code == 204
    assert not await lasts(client)
    assert not await lasts(other)
    gone, never = await knock(world, receipt=receipt), await knock(world, receipt="0" * 16)
    assert (gone.status_code, same_body(gone)) == (401, same_body(never))
    assert await opened(world.supervisor, account_id) == before
    after = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/timeline"))["items"]
    assert after == happened
    for person in (world.supervisor, world.here["privacy_officer"], world.admin):
        assert "thrown" not in (await person.get("/v1/journal", limit=100)).text
    body = {"reply": "It is read, whether or not you read this."}
    made(await world.supervisor.post(f"/v1/accounts/{account_id}/reply", body))


async def test_who_lost_a_receipt_writes_anew(world: World) -> None:
    case, client = await at_the_door(world)
    lost = await client.says()
    await client.send("DELETE", "/session")
    assert not await lasts(client)
    assert lost["receipt"]
    assert len(await lines(world.supervisor, case)) == 1


async def test_a_visit_ends_thirty_minutes_after_its_last_request(world: World) -> None:
    _, client = await at_the_door(world)
    for _ in range(3):
        world.clock.forward(minutes=29)
        assert await lasts(client)
    world.clock.forward(minutes=30)
    assert not await lasts(client)
    assert (await client.send("POST", "/accounts", account())).status_code == 401


async def test_a_visit_ends_after_four_hours_however_it_is_used(world: World) -> None:
    _, client = await at_the_door(world)
    for _ in range(11):
        world.clock.forward(minutes=20)
        assert await lasts(client)
    world.clock.forward(minutes=19)
    assert await lasts(client)
    world.clock.forward(minutes=1)
    assert not await lasts(client)


async def test_who_leaves_has_left(world: World) -> None:
    _, client = await at_the_door(world)
    assert (await client.send("DELETE", "/session")).status_code == 204
    assert not await lasts(client)
    assert (await client.send("DELETE", "/session")).status_code == 401


async def test_what_is_sent_twice_is_one_account(world: World) -> None:
    case, client = await at_the_door(world)
    body: dict[str, Any] = {"wants": ["somebody_looks"], "topics": ["touch"], "reach": "By letter."}
    first, again = await client.says(**body), await client.says(**body)
    assert (first["n"], again["n"], again["receipt"]) == (1, 1, None)
    assert len(await lines(world.supervisor, case)) == 1
    changed = await client.says(**{**body, "when": "2026-03-01"})
    assert changed["n"] == 2
    named = await client.says(**body, not_to=[str(world.supervisor.id)])
    assert named["n"] == 3
    assert len(await lines(world.supervisor, case)) == 2


async def test_a_box_takes_ten_accounts_a_day_and_who_is_not_safe_is_heard(world: World) -> None:
    case, client = await at_the_door(world)
    sent = [await client.says(happened=f"the {number}th") for number in range(10)]
    assert [each["n"] for each in sent] == [*range(1, 11)]
    refused = await client.send("POST", "/accounts", account(happened="one more"))
    assert (refused.status_code, "tomorrow" in refused.json()["detail"]) == (429, True)
    assert refused.headers["retry-after"] == str(12 * 3600 + 1)
    unsure = await client.send("POST", "/accounts", account(happened="o", safe_now="unsure"))
    assert unsure.status_code == 429
    assert (await client.says(happened="I am not safe.", safe_now="no"))["n"] == 11
    assert set(await world.supervisor.flags(case)) == {"client_not_safe"}
    world.clock.forward(hours=12)
    came = await enter(world, receipt=sent[0]["receipt"])
    assert (await came.says(happened="the next day"))["n"] == 12


async def test_a_box_takes_twenty_responses_a_day(world: World) -> None:
    _, client = await at_the_door(world)
    for _ in range(20):
        await answered(client, {"listened_to": 3})
    refused = await answered(client, {"listened_to": 3}, 429)
    assert "tomorrow" in refused["detail"]
    assert (await client.says())["n"] == 1


@pytest.mark.parametrize(("field", "most"), [("happened", 20_000), ("reach", 1_000)])
async def test_words_are_taken_up_to_their_bounds(world: World, field: str, most: int) -> None:
    _, client = await at_the_door(world)
    too_long = await client.send("POST", "/accounts", account(**{field: "x" * (most + 1)}))
    assert too_long.status_code == 422
    assert (await client.says(**{field: "x" * most}))["n"] == 1


async def test_further_words_are_bounded_and_are_never_for_another_box(world: World) -> None:
    _, client = await at_the_door(world)
    client, _ = await by_receipt(client)
    for words, status in (("x" * 5_000, 201), ("x" * 5_001, 422), (" ", 422)):
        answer = await client.send("POST", "/accounts/1/words", {"words": words})
        assert answer.status_code == status
    assert (await client.send("POST", "/accounts/2/words", {"words": "x"})).status_code == 404


async def test_nothing_of_another_clinic_is_reached_from_a_door(world: World) -> None:
    case, client = await at_the_door(world)
    await open_door(world, world.there["admin"])
    there = await world.there["clinician"].case(client_ref=case["client_ref"])
    path = f"/v1/cases/{there['id']}/invitations"
    code = made(await world.there["clinician"].post(path))["code"]
    neighbour = await enter(world, code=code)
    await neighbour.says(happened="there")
    await client.says(happened="here")
    (line,) = await lines(world.there["supervisor"], there)
    assert (await world.supervisor.get(f"/v1/accounts/{line['id']}")).status_code == 404
    (ours,) = await lines(world.supervisor, case)
    assert ours["id"] != line["id"]


async def test_a_receipt_lasts_a_year_beyond_the_last_word_once_all_is_closed(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    receipt = (await client.says(wants=["nothing_more"]))["receipt"]
    world.clock.forward(days=400)
    # it is not closed: it lasts
    await enter(world, receipt=receipt)
    (line,) = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    closing = {"determination": "normal_process", "note": "Looked at."}
    ok(await world.supervisor.post(f"/v1/accounts/{line['id']}/close", closing))
    world.clock.forward(days=364)
    await enter(world, receipt=receipt)
    world.clock.forward(days=2)
    ended = await knock(world, receipt=receipt)
    never = await knock(world, receipt="0000-0000-0000-0000")
    assert (ended.status_code, ended.json()["detail"]) == (401, never.json()["detail"])
