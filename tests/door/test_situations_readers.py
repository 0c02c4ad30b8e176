"""To whom an account is addressed: whom the client names is nobody who reads it."""

from typing import Any
from uuid import uuid4

from tests.support.door import account, at_the_door, enter, invite, open_door
from tests.support.door_scene import (
    WHY,
    account_id_of,
    answered,
    by_receipt,
    closes,
    is_nothing_to,
    lines,
    opened,
    reads,
    recused,
    replies,
    said,
    who_reads,
)
from tests.support.world import Person, World, made, ok

NOT_SAFE = {"safe_now": "no", "wants": ["somebody_looks"]}


def names(shown: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in shown]


async def shut_out(world: World, person: Person) -> None:
    ok(await world.admin.patch(f"/v1/users/{person.id}", {"is_active": False}))


async def test_who_reads_is_told_by_name_and_who_does_not(world: World) -> None:
    _, client = await at_the_door(world)
    told = await who_reads(client)
    assert told["supervisors"] == [
        {"id": str(world.supervisor.id), "name": "Supervisor", "role": "supervisor"}
    ]
    assert names(told["privacy_officers"]) == [str(world.here["privacy_officer"].id)]
    assert names(told["not_among_them"]) == [str(world.clinician.id)]
    assert (told["nobody"], told["anonymous"], told["watched_now"]) == (False, False, False)
    assert told["read_within_days"] == 7
    assert told["duty"]["en"].startswith("A danger")
    assert told["elsewhere"]["en"].startswith("The patients' office")


async def test_what_is_about_the_only_supervisor_is_for_the_privacy_officers(world: World) -> None:
    officer = world.here["privacy_officer"]
    case, client = await said(world, not_to=[str(world.supervisor.id)], **NOT_SAFE)
    shown = await reads(officer, case)
    assert shown["not_to"] == [str(world.supervisor.id)]
    assert await lines(world.supervisor, case) == []
    assert await is_nothing_to(world.supervisor, shown["id"])
    assert await world.supervisor.flags(case, live=False) == {}
    assert await world.supervisor.queue() == []
    counted = ok(await world.supervisor.get(f"/v1/cases/{case['id']}"))["flags"]
    assert (counted["open"], counted["top_severity"]) == (0, None)
    # nothing else of the case is shown to whom it is addressed
    for path in ("", "/timeline", "/incidents", "/flags"):
        assert (await officer.get(f"/v1/cases/{case['id']}{path}")).status_code in (403, 404)
    made(await replies(officer, shown["id"]))
    ok(await closes(officer, shown["id"]))
    (mine,) = await client.mine()
    assert [each["role"] for each in mine["replies"]] == ["privacy_officer"]


async def test_what_is_about_a_privacy_officer_is_for_the_supervisors(world: World) -> None:
    officer = world.here["privacy_officer"]
    case, _ = await said(world, not_to=[str(officer.id)], **NOT_SAFE)
    shown = await reads(world.supervisor, case)
    assert await lines(officer, case) == []
    assert await is_nothing_to(officer, shown["id"])
    # they step in for no supervisor, either
    await shut_out(world, world.supervisor)
    assert await lines(officer, case) == []


async def test_what_is_for_the_privacy_officers_no_supervisor_reads(world: World) -> None:
    officer = world.here["privacy_officer"]
    case, _ = await said(world, to="privacy_officers", **NOT_SAFE)
    assert (await reads(officer, case))["to"] == "privacy_officers"
    assert await lines(world.supervisor, case) == []
    assert await world.supervisor.flags(case, live=False) == {}
    assert await world.supervisor.queue() == []


async def test_somebody_whose_name_was_not_shown_cannot_be_left_out(world: World) -> None:
    _, client = await at_the_door(world)
    for stranger in (world.colleague.id, world.there["supervisor"].id, uuid4()):
        refused = await client.send("POST", "/accounts", account(not_to=[str(stranger)]))
        assert ok(refused, 422)["errors"][0]["pointer"] == "/not_to/0"
    assert (await client.says(not_to=[str(world.clinician.id)]))["n"] == 1


async def test_a_supervisor_who_lives_with_the_therapist_is_no_reader(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    await recused(world, world.supervisor, case)
    client = await enter(world, code=(await invite(world.clinician, case))["code"])
    told = await who_reads(client)
    assert (told["supervisors"], told["nobody"]) == ([], False)
    await client.says(**NOT_SAFE)
    officer = world.here["privacy_officer"]
    shown = await reads(officer, case)
    assert await is_nothing_to(world.supervisor, shown["id"])


async def test_a_partner_nobody_knows_of_is_named_by_the_client(world: World) -> None:
    # the admin links a second one, so that it stays with supervisors
    link = {"supervisor_id": str(world.stranger.id), "clinician_id": str(world.clinician.id)}
    made(await world.admin.post("/v1/supervisions", {**link, "starts_on": world.day()}))
    case, _ = await said(world, not_to=[str(world.supervisor.id)], **NOT_SAFE)
    assert await lines(world.supervisor, case) == []
    assert await lines(world.here["privacy_officer"], case) == []
    assert (await reads(world.stranger, case))["status"] == "read"
    assert set(await world.stranger.flags(case)) == {"client_not_safe", "client_asks_to_look"}


async def test_a_therapist_who_is_admin_and_owns_the_clinic_reads_nothing(world: World) -> None:
    case, client = await at_the_door(world)
    her = world.clinician
    for role in ("admin", "privacy_officer"):
        ok(await world.admin.patch(f"/v1/users/{her.id}", {"role": role}))
        told = await who_reads(client)
        assert str(her.id) not in names(told["supervisors"] + told["privacy_officers"])
        sent = await client.says(happened=role, to="privacy_officers", **NOT_SAFE)
        officer = world.here["privacy_officer"]
        hidden = [each["id"] for each in await lines(officer, case)]
        assert len(hidden) == sent["n"]
        shown = await her.get(f"/v1/cases/{case['id']}/accounts")
        assert shown.status_code in (403, 404) or shown.json()["items"] == []
        journal = (await her.get("/v1/journal", limit=100)).text
        assert not [each for each in hidden if each in journal]
    for each in hidden:
        assert await is_nothing_to(her, each)


async def test_whose_case_it_was_never_reads_what_was_said_of_them(world: World) -> None:
    """A therapist who supervises gives the case to somebody they answer for."""
    await open_door(world)
    therapist, pupil, above = world.stranger, world.colleague, world.supervisor
    for supervisor, clinician in ((therapist, pupil), (above, therapist), (above, pupil)):
        link = {"supervisor_id": str(supervisor.id), "clinician_id": str(clinician.id)}
        made(await world.admin.post("/v1/supervisions", {**link, "starts_on": world.day()}))
    case = await therapist.case()
    client = await enter(world, code=(await invite(therapist, case))["code"])
    came, _ = await by_receipt(client, **NOT_SAFE)
    account_id = await account_id_of(above, case)
    handed = {"clinician_id": str(pupil.id), "reason": "leave"}
    ok(await above.post(f"/v1/cases/{case['id']}/transfer", handed))
    assert await account_id_of(above, case) == account_id
    assert await lines(therapist, case) == []
    assert await is_nothing_to(therapist, account_id)
    assert await therapist.flags(case, live=False) == {}
    assert await therapist.queue() == []
    # what is said from now on is of the therapy with somebody else, and theirs to read
    await came.says(happened="With the new one it is going well.")
    (line,) = await lines(therapist, case)
    assert line["id"] != account_id


async def test_what_is_not_addressed_to_an_officer_is_in_none_of_their_numbers(
    world: World,
) -> None:
    officer = world.here["privacy_officer"]
    none = ok(await officer.get("/v1/summary"))["flags"]
    case, client = await at_the_door(world)
    await client.says(**NOT_SAFE)
    assert await world.supervisor.flags(case) != {}
    assert ok(await officer.get("/v1/summary"))["flags"] == none
    await client.says(**NOT_SAFE, to="privacy_officers")
    assert ok(await officer.get("/v1/summary"))["flags"]["unresolved"] == 2


async def test_who_asks_only_what_an_answer_would_look_like_has_read_nothing(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    again, _ = await by_receipt(client)
    account_id = await account_id_of(world.supervisor, case)
    for path in (f"/v1/accounts/{account_id}", f"/v1/cases/{case['id']}/export?preview=true"):
        assert (await world.supervisor.send("HEAD", path)).status_code == 200
    (mine,) = await again.mine()
    assert (mine["read_by"], mine["status"]) == ([], "received")
    await opened(world.supervisor, account_id)
    (mine,) = await again.mine()
    assert [each["role"] for each in mine["read_by"]] == ["supervisor"]


async def test_whose_case_it_was_never_reads_how_the_client_looked_back(world: World) -> None:
    await open_door(world)
    therapist, pupil, above = world.stranger, world.colleague, world.supervisor
    for supervisor, clinician in ((therapist, pupil), (above, therapist), (above, pupil)):
        link = {"supervisor_id": str(supervisor.id), "clinician_id": str(clinician.id)}
        made(await world.admin.post("/v1/supervisions", {**link, "starts_on": world.day()}))
    case = await therapist.case()
    client = await enter(world, code=(await invite(therapist, case))["code"])
    await answered(client, {"touch": "not_asked", "outside": "private_not_talked_over"})
    (one,) = ok(await above.get(f"/v1/cases/{case['id']}/responses"))["items"]
    world.clock.forward(days=1)
    handed = {"clinician_id": str(pupil.id), "reason": "leave"}
    ok(await above.post(f"/v1/cases/{case['id']}/transfer", handed))
    assert await above.flags(case) == {"look_back_concern": "moderate"}
    assert ok(await therapist.get(f"/v1/cases/{case['id']}/responses"))["items"] == []
    for path in (f"/v1/cases/{case['id']}/timeline", "/v1/journal"):
        assert one["id"] not in (await therapist.get(path, limit=100)).text
    assert (await therapist.get(f"/v1/responses/{one['id']}")).status_code == 404
    copied = made(await above.post(f"/v1/cases/{case['id']}/disclosures", {}))
    given = ok(await therapist.get(f"/v1/cases/{case['id']}/disclosures"))["items"]
    assert copied["id"] not in str(given)
    ok(await world.admin.patch(f"/v1/users/{therapist.id}", {"role": "privacy_officer"}))
    whole = ok(await therapist.get("/v1/journal", limit=100, case_id=case["id"]))["items"]
    assert "response.received" not in {each["happening"] for each in whole}
    assert one["id"] not in str(whole)
    ok(await world.admin.patch(f"/v1/users/{therapist.id}", {"role": "supervisor"}))
    # how they look back on the therapy with somebody else is theirs to read
    again = await enter(world, code=(await invite(pupil, case))["code"])
    await answered(again, {"touch": "none"})
    (other,) = ok(await therapist.get(f"/v1/cases/{case['id']}/responses"))["items"]
    assert other["id"] != one["id"]


async def test_where_nobody_can_read_the_door_says_so_and_takes_it_all_the_same(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    for person in (world.supervisor, world.here["privacy_officer"]):
        await shut_out(world, person)
    told = await who_reads(client)
    assert (told["supervisors"], told["privacy_officers"], told["nobody"]) == ([], [], True)
    assert told["elsewhere"]["en"] == "The patients' office of the town."
    assert (await client.says(**NOT_SAFE))["n"] == 1
    assert await lines(world.stranger, case) == []


async def test_an_emergency_opens_only_what_is_not_safe_and_nobody_else_can_read(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    await client.says(happened="endangered", safe_now="no")
    await client.says(happened="not sure", safe_now="unsure")
    await client.says(happened="a look", safe_now="yes", wants=["somebody_looks"])
    opening = {"case_id": case["id"], "reason": "Somebody may be in danger."}
    made(await world.stranger.post("/v1/break-glass", opening))
    assert await lines_of_case(world.stranger, case) == []
    await shut_out(world, world.supervisor)
    # the privacy officers read it now
    assert await lines_of_case(world.stranger, case) == []
    assert len(await lines(world.here["privacy_officer"], case)) == 3
    await shut_out(world, world.here["privacy_officer"])
    found = await lines_of_case(world.stranger, case)
    assert {each["safe_now"] for each in found} == {"no", "unsure"}
    shown = await opened(world.stranger, found[0]["id"])
    assert shown["happened"] == "not sure"
    # it is open for reading
    assert (await replies(world.stranger, shown["id"])).status_code == 403
    world.clock.forward(minutes=31)
    assert (await world.stranger.get(f"/v1/accounts/{shown['id']}")).status_code == 404


async def lines_of_case(person: Person, case: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]]
    items = ok(await person.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    return items


async def test_who_knows_too_much_steps_out_and_it_exists_for_them_no_more(world: World) -> None:
    case, client = await said(world, **NOT_SAFE)
    account_id = await account_id_of(world.supervisor, case)
    shown = await opened(world.supervisor, account_id)
    incident = {
        "occurred_on": world.day(-1),
        "initiator": "therapist",
        "reported_by": "client",
        "about_user_id": None,
        "details": {"kind": "crossing", "area": "place_space"},
    }
    path = f"/v1/accounts/{account_id}"
    recorded = made(await world.supervisor.post(f"{path}/incidents", incident))
    flags = await world.supervisor.flag_list(case)
    assert {"client_not_safe", "client_asks_to_look"} <= {each["rule"] for each in flags}
    left = ok(await world.supervisor.post(f"{path}/step-out", WHY))
    assert left == {"id": account_id}
    assert await lines(world.supervisor, case) == []
    assert await is_nothing_to(world.supervisor, account_id)
    of_it = [each["id"] for each in flags if each["rule"] in ("client_not_safe",)]
    for each in (*of_it, recorded["id"]):
        for noun in ("flags", "incidents"):
            assert (await world.supervisor.get(f"/v1/{noun}/{each}")).status_code == 404
    everything = await world.supervisor.get(f"/v1/cases/{case['id']}/timeline", limit=100)
    assert recorded["id"] not in everything.text
    assert account_id not in everything.text
    # it is for the privacy officers now, the last of whom stays
    officer = world.here["privacy_officer"]
    now = await reads(officer, case)
    assert [each["by_id"] for each in now["stepped_out"]] == [str(world.supervisor.id)]
    assert now["happened"] == shown["happened"]
    last = await officer.post(f"{path}/step-out", WHY)
    assert (last.status_code, "the last who reads" in last.json()["detail"]) == (409, True)
    (mine,) = await client.mine()
    assert [each["role"] for each in mine["read_by"]] == ["supervisor", "privacy_officer"]
