"""What is recorded of an account, told of it, held of it and destroyed: as hidden as it is."""

from typing import Any

from api.commands.retention import cases_due, purge
from api.domain.vocabulary import Scope
from api.storage.database import Database
from tests.support.cases import link
from tests.support.door import at_the_door, enter, knock
from tests.support.door_scene import (
    account_id_of,
    by_receipt,
    closes,
    lines,
    opened,
    reads,
    said,
)
from tests.support.flags import resolve
from tests.support.matrix import ASKED
from tests.support.signing_in import same_body
from tests.support.world import SETTINGS, Person, World, made, ok, promise, software

HIDDEN = "zq-hidden"


def from_account(world: World, **fields: Any) -> dict[str, Any]:
    return {
        "occurred_on": world.day(-2),
        "initiator": "therapist",
        "reported_by": "therapist",
        "narrative": HIDDEN,
        "about_user_id": str(world.clinician.id),
        "details": {"kind": "sexual_conduct", "conduct": "contact"},
        **fields,
    }


async def recorded(world: World, by: Person, account_id: str, **fields: Any) -> dict[str, Any]:
    path = f"/v1/accounts/{account_id}/incidents"
    return made(await by.post(path, from_account(world, **fields)))


async def finds_promise(person: Person, case: dict[str, Any], promise_id: str) -> bool:
    """Tell whether somebody finds a promise: by its id, in lists, or where it happened."""
    here = f"/v1/cases/{case['id']}"
    answer = await person.get(f"/v1/promises/{promise_id}")
    paths = (f"{here}/promises", "/v1/promises", f"{here}/timeline", "/fhir/Task")
    texts = [(await person.get(path)).text for path in paths]
    found = [answer.status_code == 200, *(promise_id in text for text in texts)]
    assert len(set(found)) == 1, found
    return found[0]


async def finds(person: Person, case: dict[str, Any], incident_id: str) -> bool:
    """Tell whether somebody finds an incident: by its id, in lists, or where it happened."""
    here = f"/v1/cases/{case['id']}"
    answer = await person.get(f"/v1/incidents/{incident_id}")
    paths = (f"{here}/incidents", "/v1/incidents", f"{here}/timeline", "/fhir/Observation")
    texts = [(await person.get(path)).text for path in paths]
    found = [answer.status_code == 200, *(incident_id in text for text in texts)]
    # software reads no FHIR list of what it may not read, nor do others of less than all
    assert len(set(found)) == 1, found
    return found[0]


async def test_what_is_recorded_of_an_account_is_hidden_as_it_is_and_raises(world: World) -> None:
    case, _ = await said(world, topics=["sexual"])
    account_id = await account_id_of(world.supervisor, case)
    incident = await recorded(world, world.supervisor, account_id)
    assert (incident["account_id"], incident["restricted"]) == (account_id, True)
    shown = ok(await world.supervisor.get(f"/v1/incidents/{incident['id']}"))
    # the client's, whatever was said of it
    assert shown["reported_by"] == "client"
    assert shown["about_user_id"] == str(world.clinician.id)
    assert await finds(world.supervisor, case, incident["id"])
    assert incident["id"] not in (await world.clinician.get("/v1/journal", limit=100)).text
    reader = await software(world, Scope.cases_read, Scope.narrative_read, Scope.flags_read)
    for other in (world.clinician, reader):
        assert not await finds(other, case, incident["id"])
    raised = await world.supervisor.flags(case)
    assert raised
    assert await world.clinician.flags(case, live=False) == {}


async def test_whose_conduct_it_is_about_is_asked_for_and_not_assumed(world: World) -> None:
    case, _ = await said(world)
    account_id = await account_id_of(world.supervisor, case)
    body = from_account(world)
    del body["about_user_id"]
    refused = await world.supervisor.post(f"/v1/accounts/{account_id}/incidents", body)
    assert ok(refused, 422)["errors"][0]["pointer"] == "/about_user_id"
    incident = await recorded(world, world.supervisor, account_id, about_user_id=None)
    assert incident["account_id"] == account_id
    neighbour = str(world.there["clinician"].id)
    body = from_account(world, about_user_id=neighbour)
    refused = await world.supervisor.post(f"/v1/accounts/{account_id}/incidents", body)
    assert refused.status_code == 422


async def test_who_is_left_out_of_an_account_finds_nothing_recorded_of_it(world: World) -> None:
    await link(world, world.stranger, world.clinician)
    case, _ = await said(world, not_to=[str(world.supervisor.id)])
    incident = await recorded(world, world.stranger, await account_id_of(world.stranger, case))
    assert await finds(world.stranger, case, incident["id"])
    assert not await finds(world.supervisor, case, incident["id"])
    assert await world.supervisor.flags(case, live=False) == {}
    counted = ok(await world.supervisor.get(f"/v1/cases/{case['id']}"))["flags"]
    assert (counted["open"], counted["top_severity"]) == (0, None)


async def test_what_is_recorded_of_an_account_is_asked_of_its_readers_alone(world: World) -> None:
    await link(world, world.stranger, world.clinician)
    case, _ = await said(world, not_to=[str(world.supervisor.id)])
    account_id = await account_id_of(world.stranger, case)
    raised = await recorded(world, world.stranger, account_id, about_user_id=None)
    assert {flag["rule"] for flag in raised["flags_raised"]} >= {"sexual_conduct"}
    asked = await world.stranger.flags(case)
    assert asked["sexual_conduct"] == "critical"
    (first,) = await world.stranger.queue()
    assert (first["case"]["id"], first["top_severity"]) == (case["id"], "critical")
    flag = next(f for f in await world.stranger.flag_list(case) if f["rule"] == "sexual_conduct")
    for person in (world.supervisor, world.clinician):
        assert await person.flags(case, live=False) == {}
        assert (await person.get(f"/v1/flags/{flag['id']}")).status_code == 404
        assert flag["id"] not in (await person.get(f"/v1/cases/{case['id']}/timeline")).text
    assert await world.supervisor.queue() == []


async def test_whoever_steps_out_is_asked_nothing_of_it_any_more(world: World) -> None:
    await link(world, world.stranger, world.clinician)
    case, _ = await said(world)
    account_id = await account_id_of(world.stranger, case)
    await recorded(world, world.supervisor, account_id, about_user_id=None)
    asked = await world.stranger.flags(case)
    assert asked["sexual_conduct"] == "critical"
    stepping_out = f"/v1/accounts/{account_id}/step-out"
    ok(await world.stranger.post(stepping_out, {"reason": "We are related."}))
    assert await world.stranger.flags(case, live=False) == {}
    assert await world.stranger.queue() == []
    assert await world.supervisor.flags(case) == asked


async def test_a_former_therapist_is_told_by_no_flag_of_what_was_said_of_them(
    world: World,
) -> None:
    case, _ = await said(world, topics=["sexual"])
    account_id = await account_id_of(world.supervisor, case)
    await recorded(world, world.supervisor, account_id, about_user_id=None)
    path = f"/v1/accounts/{account_id}/promises"
    made(await world.supervisor.post(path, promise(world, keepable="no")))
    before = await world.supervisor.flags(case)
    assert before.keys() >= {"sexual_conduct", "promise_unkeepable"}
    body = {"supervisor_id": str(world.supervisor.id), "clinician_id": str(world.colleague.id)}
    made(await world.admin.post("/v1/supervisions", {**body, "starts_on": world.day()}))
    handed = {"clinician_id": str(world.colleague.id), "reason": "leave"}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", handed))
    # the question stands for whom it was asked of
    assert await world.supervisor.flags(case) == before
    assert await world.colleague.flags(case, live=False) == {}


async def test_what_was_shared_with_the_former_therapist_is_hidden_from_the_next(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    await client.says(shared="with_therapist")
    account_id = await account_id_of(world.supervisor, case)
    incident = await recorded(world, world.supervisor, account_id)
    world.clock.forward(days=1)
    body = {"supervisor_id": str(world.supervisor.id), "clinician_id": str(world.colleague.id)}
    made(await world.admin.post("/v1/supervisions", {**body, "starts_on": world.day()}))
    handed = {"clinician_id": str(world.colleague.id), "reason": "leave"}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", handed))
    later = await recorded(world, world.supervisor, account_id)
    assert later["restricted"] is True
    path = f"/v1/incidents/{incident['id']}"
    assert (await world.supervisor.patch(path, {"restricted": False})).status_code == 409
    for each in (incident, later):
        assert not await finds(world.colleague, case, each["id"])
    assert await world.colleague.flags(case, live=False) == {}


async def test_what_was_shown_with_an_account_is_hidden_no_more(world: World) -> None:
    case, client = await at_the_door(world)
    await client.says(shared="with_therapist")
    account_id = await account_id_of(world.supervisor, case)
    world.clock.forward(days=1)
    incident = await recorded(world, world.supervisor, account_id)
    path = f"/v1/incidents/{incident['id']}"
    assert (await world.supervisor.patch(path, {"restricted": True})).status_code == 409
    assert await finds(world.clinician, case, incident["id"])


async def test_that_an_officer_is_left_out_keeps_no_supervisor_from_being_asked(
    world: World,
) -> None:
    officer = world.here["privacy_officer"]
    case, _ = await said(world, not_to=[str(officer.id)])
    await recorded(world, world.supervisor, await account_id_of(world.supervisor, case))
    assert await world.supervisor.flags(case) != {}


async def test_what_is_shared_is_recorded_for_all_who_see_the_case(world: World) -> None:
    case, client = await at_the_door(world)
    await client.says(shared="with_therapist")
    account_id = await account_id_of(world.supervisor, case)
    before = await recorded(world, world.supervisor, account_id)
    world.clock.forward(days=1)
    after = await recorded(world, world.supervisor, account_id)
    assert (before["restricted"], after["restricted"]) == (True, False)
    assert not await finds(world.clinician, case, before["id"])
    assert await finds(world.clinician, case, after["id"])
    path = f"/v1/incidents/{after['id']}"
    told = await world.clinician.get(path)
    # of the account itself she knows another id
    assert account_id not in told.text
    (shared,) = ok(await world.clinician.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    assert told.json()["account_id"] == shared["id"]
    assert ok(await world.supervisor.get(path))["account_id"] == account_id
    (version,) = ok(await world.clinician.get(f"{path}/versions"))["items"]
    assert version["record"]["account_id"] == shared["id"]
    await link(world, world.stranger, world.clinician)
    stepping_out = f"/v1/accounts/{account_id}/step-out"
    ok(await world.stranger.post(stepping_out, {"reason": "We are related."}))
    (listed,) = ok(await world.stranger.get(f"/v1/cases/{case['id']}/incidents"))["items"]
    assert (listed["id"], listed["account_id"]) == (after["id"], None)


async def test_a_record_of_what_is_hidden_is_shown_to_nobody_before_that_is(world: World) -> None:
    case, client = await at_the_door(world)
    await client.says(shared="with_therapist")
    account_id = await account_id_of(world.supervisor, case)
    incident = await recorded(world, world.supervisor, account_id)
    path = f"/v1/incidents/{incident['id']}"
    refused = await world.supervisor.patch(path, {"restricted": False})
    assert refused.status_code == 409
    assert not await finds(world.clinician, case, incident["id"])
    world.clock.forward(days=1)
    shown = ok(await world.supervisor.patch(path, {"restricted": False}))
    assert shown["account_id"] == account_id
    assert await finds(world.clinician, case, incident["id"])


async def test_a_promise_that_was_told_of_is_hidden_as_the_account_is_and_raises(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    await client.says(shared="with_therapist", topics=["promise"])
    account_id = await account_id_of(world.supervisor, case)
    path = f"/v1/accounts/{account_id}/promises"
    told = promise(world, wording=HIDDEN, keepable="no", reported_by="therapist")
    written = made(await world.supervisor.post(path, told))
    assert (written["account_id"], written["restricted"]) == (account_id, True)
    # the client's, whatever was said of it
    assert written["reported_by"] == "client"
    assert written["flags_raised"]
    assert await finds_promise(world.supervisor, case, written["id"])
    assert written["id"] not in (await world.clinician.get("/v1/journal", limit=100)).text
    reader = await software(world, Scope.cases_read, Scope.narrative_read, Scope.flags_read)
    for other in (world.clinician, reader):
        assert not await finds_promise(other, case, written["id"])
    summary = ok(await world.clinician.get("/v1/summary"))
    assert summary["promises"]["open"] == 0
    assert await world.clinician.flags(case, live=False) == {}
    assert "promise_unkeepable" in await world.supervisor.flags(case)
    world.clock.forward(days=1)
    after = made(await world.supervisor.post(path, told))
    assert after["restricted"] is False
    assert await finds_promise(world.clinician, case, after["id"])
    (shared,) = ok(await world.clinician.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    seen = ok(await world.clinician.get(f"/v1/promises/{after['id']}"))
    assert seen["account_id"] == shared["id"]


async def test_who_is_left_out_of_an_account_finds_no_promise_of_it(world: World) -> None:
    await link(world, world.stranger, world.clinician)
    case, _ = await said(world, not_to=[str(world.supervisor.id)])
    path = f"/v1/accounts/{await account_id_of(world.stranger, case)}/promises"
    written = made(await world.stranger.post(path, promise(world, keepable="no")))
    assert await finds_promise(world.stranger, case, written["id"])
    assert not await finds_promise(world.supervisor, case, written["id"])
    assert await world.supervisor.flags(case, live=False) == {}


async def test_a_request_names_a_hidden_promise_to_whoever_may_know_of_it(world: World) -> None:
    case, _ = await said(world)
    path = f"/v1/accounts/{await account_id_of(world.supervisor, case)}/promises"
    hidden = made(await world.supervisor.post(path, promise(world)))["id"]
    asked = {**ASKED, "promise_ids": [hidden]}
    of_case = f"/v1/cases/{case['id']}/consultations"
    refused = await world.clinician.post(of_case, asked)
    assert ok(refused, 422)["errors"][0]["pointer"] == "/promise_ids"
    request = made(await world.clinician.post(of_case, {**ASKED, "promise_ids": []}))
    days = {"starts_on": world.day(), "ends_on": world.day(10)}
    body = {"case_id": case["id"], "user_id": str(world.supervisor.id), **days}
    made(await world.clinician.post("/v1/covers", body))
    its_page = f"/v1/consultations/{request['id']}"
    before = await world.clinician.get(its_page)
    linked = ok(await world.supervisor.patch(its_page, {"promise_ids": [hidden]}))
    assert linked["promise_ids"] == [hidden]
    after = await world.clinician.get(its_page)
    # neither the link, nor that anything was changed
    assert (after.content, after.headers["ETag"]) == (before.content, before.headers["ETag"])
    versions = ok(await world.clinician.get(f"{its_page}/versions"))["items"]
    assert [each["record"]["promise_ids"] for each in versions] == [[]]


async def test_a_copy_and_a_correction_are_asked_for_where_the_therapist_reads_nothing(
    world: World,
) -> None:
    case, _ = await said(world, wants=["a_copy", "a_correction"])
    path = f"/v1/cases/{case['id']}/incidents"
    asked = ok(await world.supervisor.get(path))["items"]
    told = {(each["details"]["request"], each["occurred_on"]) for each in asked}
    assert told == {("access", world.day()), ("amendment", world.day())}
    assert {each["restricted"] for each in asked} == {True}
    assert {each["recorded_by_id"] for each in asked} == {None}
    for each in asked:
        assert not await finds(world.clinician, case, each["id"])
    assert ok(await world.clinician.get(path))["items"] == []
    world.clock.forward(days=60)
    assert "record_request" in str(await world.supervisor.flags(case))
    assert await world.clinician.flags(case, live=False) == {}


async def test_that_it_had_to_be_told_is_read_at_the_door(world: World) -> None:
    case, client = await at_the_door(world)
    client, receipt = await by_receipt(client, safe_now="no")
    account_id = await account_id_of(world.supervisor, case)
    assert (await client.mine())[0]["told_on"] == []
    world.clock.forward(days=2)
    told = {"reason": "Somebody's life is in danger."}
    shown = made(await world.supervisor.post(f"/v1/accounts/{account_id}/told", told))
    assert [each["reason"] for each in shown["told"]] == [told["reason"]]
    (mine,) = await (await enter(world, receipt=receipt)).mine()
    assert mine["told_on"] == [world.day()]
    # that, and not why
    assert "in danger" not in str(mine)
    assert account_id not in (await world.clinician.get("/v1/journal", limit=100)).text


async def test_what_is_held_keeps_its_text_though_it_is_taken_back(world: World) -> None:
    case, client = await said(world, happened=HIDDEN, reach="By letter.")
    hold = {"case_id": case["id"], "reason": "a lawsuit of which the case is evidence"}
    made(await world.here["privacy_officer"].post("/v1/legal-holds", hold))
    back = ok(await client.send("POST", "/accounts/1/take-back"))
    assert back["status"] == "taken_back"
    shown = await reads(world.supervisor, case)
    assert (shown["happened"], shown["reach"]) == (HIDDEN, "By letter.")


async def test_what_nobody_has_read_is_destroyed_when_it_is_taken_back(world: World) -> None:
    case, client = await said(world, happened=HIDDEN, reach="By letter.")
    made(await client.send("POST", "/accounts/1/words", {"words": HIDDEN}))
    back = ok(await client.send("POST", "/accounts/1/take-back"))
    assert (back["happened"], back["reach"], back["further_words"][0]["words"]) == (None,) * 3
    shown = await reads(world.supervisor, case)
    assert (shown["status"], shown["happened"]) == ("taken_back", None)
    for path, body in (("words", {"words": "more"}), ("take-back", None)):
        answer = await client.send("POST", f"/accounts/1/{path}", body)
        assert answer.status_code == (409 if body else 200)


async def test_what_was_read_stays_read_though_it_is_taken_back(world: World) -> None:
    case, client = await said(world, happened=HIDDEN)
    await reads(world.supervisor, case)
    ok(await client.send("POST", "/accounts/1/take-back"))
    shown = await reads(world.supervisor, case)
    assert (shown["status"], shown["happened"]) == ("taken_back", HIDDEN)
    assert shown["taken_back_at"] is not None


async def test_once_its_text_is_destroyed_no_receipt_opens_anything(world: World) -> None:
    case, client = await at_the_door(world, status="ended", ended_on="2019-06-30")
    came, receipt = await by_receipt(client, happened=HIDDEN, wants=["somebody_looks"])
    account_id = await account_id_of(world.supervisor, case)
    ok(await world.admin.patch("/v1/clinic", {"retention_years": 1}))
    # what waits for a person keeps its text
    await _destroyed(world)
    assert (await came.mine())[0]["happened"] == HIDDEN
    ok(await closes(world.supervisor, account_id))
    await resolve(world, case, "client_asks_to_look")
    await _destroyed(world)
    gone, never = await knock(world, receipt=receipt), await knock(world, receipt="0" * 16)
    assert (gone.status_code, same_body(gone)) == (401, same_body(never))
    assert (await came.send("GET", "/mine")).status_code == 401
    for person in (world.supervisor, world.here["privacy_officer"]):
        assert HIDDEN not in (await person.get(f"/v1/accounts/{account_id}")).text


async def _destroyed(world: World) -> None:
    """Destroy what is due here, as the command line does."""
    url = world.owner.engine.url.render_as_string(hide_password=False)
    database = Database(url, keys=SETTINGS.data_keys, pool_size=1, clock=world.clock)
    try:
        await purge(database, await cases_due(database, world.admin.clinic_id))
    finally:
        await database.dispose()


async def test_the_copy_of_a_supervisor_holds_nothing_that_is_addressed_to_others(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    await client.says(happened=f"{HIDDEN} to officers", to="privacy_officers")
    await client.says(happened=f"{HIDDEN} without", not_to=[str(world.supervisor.id)])
    for person in (world.supervisor, world.clinician):
        copied = await person.get(f"/v1/cases/{case['id']}/export")
        assert (copied.status_code, HIDDEN in copied.text) == (200, False)
    assert await lines(world.supervisor, case) == []
    assert len(await lines(world.here["privacy_officer"], case)) == 2
    for line in await lines(world.here["privacy_officer"], case):
        shown = await opened(world.here["privacy_officer"], line["id"])
        assert shown["happened"].startswith(HIDDEN)
