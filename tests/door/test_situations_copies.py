"""What a copy holds of what was said at the door: as much as its giver reads, and as hidden."""

from typing import Any

from api.interop.bulk.export import records_of
from tests.support.cases import link
from tests.support.door import at_the_door
from tests.support.door_scene import account_id_of, answered, by_receipt, lines, replies, said
from tests.support.world import Person, World, made, ok, promise

HIDDEN = "zq-copied"


async def gives(person: Person, case: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Give a copy, and read how it was given."""
    given = made(await person.post(f"/v1/cases/{case['id']}/disclosures", fields))
    return {**given, "copy": ok(await person.get(document(case, given)))}


def document(case: dict[str, Any], given: dict[str, Any]) -> str:
    return f"/v1/cases/{case['id']}/disclosures/{given['id']}/document"


async def all_told(person: Person, case: dict[str, Any]) -> list[Any]:
    """Give what somebody is told of copies, wherever that is."""
    here = f"/v1/cases/{case['id']}"
    return [
        ok(await person.get(f"{here}/disclosures")),
        ok(await person.get(f"{here}/timeline")),
        [each for each in ok(await person.get("/v1/journal"))["items"] if not each["is_read"]],
        [each for each in ok(await person.get("/v1/journal"))["items"] if each["purpose"]],
    ]


async def test_a_supervisors_copy_holds_all_that_is_addressed_to_them(world: World) -> None:
    case, client = await at_the_door(world)
    again, _ = await by_receipt(client, happened=HIDDEN, wants=["a_copy"], reach="By post.")
    account_id = await account_id_of(world.supervisor, case)
    assert (await replies(world.supervisor, account_id, "Here it is.")).status_code == 201
    given = await gives(world.supervisor, case)
    assert given["restricted"] is True
    (one,) = given["copy"]["accounts"]
    assert (one["id"], one["happened"], one["reach"]) == (account_id, HIDDEN, "By post.")
    assert [each["reply"] for each in one["replies"]] == ["Here it is."]
    assert one["replies"][0]["by"]["id"] == str(world.supervisor.id)
    # who gives it has read it, and the client is told so
    (mine,) = await again.mine()
    assert [each["role"] for each in mine["read_by"]] == ["supervisor"]
    page = await world.supervisor.get(f"/v1/cases/{case['id']}/export?preview=true&format=html")
    assert HIDDEN in page.text


async def test_the_therapist_is_told_nothing_of_a_copy_with_what_is_hidden(world: World) -> None:
    case, _ = await said(world, happened=HIDDEN, wants=["a_copy"])
    before = await all_told(world.clinician, case)
    given = await gives(world.supervisor, case)
    assert await all_told(world.clinician, case) == before
    for path in (document(case, given), document(case, given).removesuffix("/document")):
        assert (await world.clinician.get(path)).status_code == 404
    hers = await gives(world.clinician, case)
    assert hers["restricted"] is False
    assert hers["copy"]["accounts"] == []
    assert [each["id"] for each in hers["copy"]["disclosures"]] == [hers["id"]]
    theirs = await gives(world.supervisor, case, recipient="representative")
    # it holds nothing of a client's door, and lists the copy that did
    assert theirs["copy"]["accounts"] == []
    assert {each["id"] for each in theirs["copy"]["disclosures"]} >= {given["id"], hers["id"]}
    assert (await world.clinician.get(document(case, theirs))).status_code == 404


async def test_a_therapists_copy_holds_what_is_shared_with_them_and_no_more(world: World) -> None:
    case, client = await at_the_door(world)
    await client.says(happened=HIDDEN, shared="with_therapist", reach="zq-reach")
    assert (await gives(world.clinician, case))["copy"]["accounts"] == []
    world.clock.forward(days=1)
    given = await gives(world.clinician, case)
    (one,) = given["copy"]["accounts"]
    assert (one["happened"], one["reach"], one["sent_at"]) == (HIDDEN, None, None)
    (shared,) = ok(await world.clinician.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    assert one["id"] == shared["id"]
    # a supervisor reads it in that copy, too
    read = ok(await world.supervisor.get(document(case, given)))
    assert [each["id"] for each in read["accounts"]] == [shared["id"]]


async def test_who_is_left_out_of_an_account_finds_no_copy_that_may_hold_it(world: World) -> None:
    await link(world, world.stranger, world.clinician)
    case, _ = await said(world, happened=HIDDEN, not_to=[str(world.supervisor.id)])
    before = await all_told(world.supervisor, case)
    given = await gives(world.stranger, case)
    assert [each["happened"] for each in given["copy"]["accounts"]] == [HIDDEN]
    assert await all_told(world.supervisor, case) == before
    assert (await world.supervisor.get(document(case, given))).status_code == 404
    assert (await gives(world.supervisor, case))["copy"]["accounts"] == []


async def test_what_was_shared_is_left_out_of_a_copy_for_whom_the_client_named(
    world: World,
) -> None:
    await link(world, world.stranger, world.clinician)
    case, client = await at_the_door(world)
    named = [str(world.stranger.id)]
    await client.says(happened=HIDDEN, shared="with_therapist", not_to=named)
    world.clock.forward(days=1)
    given = await gives(world.clinician, case)
    assert HIDDEN in str(given["copy"])
    read = ok(await world.stranger.get(document(case, given)))
    assert read["accounts"] == []


async def test_what_was_answered_at_the_door_is_copied_as_it_is_read(world: World) -> None:
    case, client = await at_the_door(world)
    await answered(client, {"listened_to": 4})
    assert (await gives(world.clinician, case))["copy"]["responses"] == []
    given = await gives(world.supervisor, case)
    assert len(given["copy"]["responses"]) == 1
    assert given["restricted"] is True


async def test_what_was_taken_back_is_given_to_nobody(world: World) -> None:
    case, client = await at_the_door(world)
    again, _ = await by_receipt(client, happened=HIDDEN)
    ok(await again.send("POST", "/accounts/1/take-back"))
    given = await gives(world.supervisor, case)
    assert given["copy"]["accounts"] == []
    assert len(await lines(world.supervisor, case)) == 1


async def test_reading_a_hidden_copy_again_tells_the_therapist_nothing(world: World) -> None:
    """Whatever it holds: one with a look-back alone is known by no account."""
    case, client = await at_the_door(world)
    await world.clinician.incident(case, "crossing", area="time")
    await answered(client, {"listened_to": 4})
    given = await gives(world.supervisor, case)
    assert given["restricted"] is True
    before = await all_told(world.clinician, case)
    world.clock.forward(hours=1)
    again = ok(await world.supervisor.get(document(case, given)))
    assert len(again["responses"]) == 1
    assert await all_told(world.clinician, case) == before
    journal = (await world.clinician.get("/v1/journal", limit=100)).text
    assert given["id"] not in journal


async def test_a_copy_asked_for_in_hiding_is_hidden_whatever_became_of_the_account(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    again, _ = await by_receipt(client, wants=["a_copy"])
    account_id = await account_id_of(world.supervisor, case)
    ok(await world.supervisor.get(f"/v1/accounts/{account_id}"))
    ok(await again.send("POST", "/accounts/1/take-back"))
    given = await gives(world.supervisor, case)
    assert (given["copy"]["accounts"], given["restricted"]) == ([], True)
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}/disclosures"))["items"] == []


async def test_given_in_the_old_way_it_is_kept_once_more_where_it_holds_more(world: World) -> None:
    case, client = await at_the_door(world)
    path = f"/v1/cases/{case['id']}"
    ok(await world.supervisor.get(f"{path}/export"))
    await client.says(happened=HIDDEN)
    copy = ok(await world.supervisor.get(f"{path}/export"))
    assert [each["happened"] for each in copy["accounts"]] == [HIDDEN]
    kept = ok(await world.supervisor.get(f"{path}/disclosures"))["items"]
    assert [each["restricted"] for each in kept] == [True, False]
    assert len(ok(await world.clinician.get(f"{path}/disclosures"))["items"]) == 1


async def test_what_is_as_hidden_as_an_account_is_not_written_out(world: World) -> None:
    case, _ = await said(world, happened=HIDDEN, wants=["a_copy"])
    path = f"/v1/accounts/{await account_id_of(world.supervisor, case)}/promises"
    told = promise(world, wording=HIDDEN)
    made(await world.supervisor.post(path, told))
    await world.clinician.promise(case, wording="zq-open")
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.clinician.clinic_id)
        clinic = tx.clinic
    parts = records_of(world.database, clinic, actor_id=None)
    lines = [line async for part in parts for line in part.lines]
    assert HIDDEN not in str(lines)
    assert "zq-open" in str(lines)
    assert sorted(line["type"] for line in lines) == ["case", "promise"]
