"""What the therapist tries: the code, a forgery, an ending, a void, a revoking, a transfer."""

from typing import Any

from tests.support.cases import link
from tests.support.door import at_the_door, enter, invite, knock, open_door
from tests.support.door_scene import (
    LATER_WORDS,
    account_id_of,
    by_receipt,
    closes,
    lines,
    opened,
    reads,
    replies,
)
from tests.support.signing_in import same_body
from tests.support.two_doors import Clinic
from tests.support.world import World, made, ok

ASKS = {"wants": ["somebody_looks", "an_answer"]}


async def test_the_code_answers_the_same_before_while_and_after_it_is_used(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    code = (await invite(world.clinician, case))["code"]
    hers = Clinic(world, world.here, case, code)
    invitation = ok(await world.clinician.get(f"/v1/cases/{case['id']}/invitations"))
    before = await hers.at_the_door()
    client = await enter(world, code=code)
    sent = await client.says(safe_now="no", **ASKS)
    assert await hers.at_the_door() == before
    came = await enter(world, receipt=sent["receipt"])
    made(await replies(world.supervisor, await account_id_of(world.supervisor, case)))
    ok(await came.send("PATCH", "/accounts/1", {"shared": "not_with_therapist"}))
    # what it is in between tells nothing either: the visit of whoever wrote, and one beside it
    assert await hers.at_the_door() == before
    assert (await came.send("POST", "/throw-away")).status_code == 204
    assert await hers.at_the_door() == before
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}/invitations")) == invitation
    assert len(before) == 6


async def test_an_account_the_therapist_forges_says_by_what_it_came_and_no_more(
    world: World,
) -> None:
    await open_door(world)
    case = await world.clinician.case()
    code = (await invite(world.clinician, case))["code"]
    client, forger = await enter(world, code=code), await enter(world, code=code)
    came, receipt = await by_receipt(client)
    await forger.says(happened="She is the best therapist there is.")
    made(await came.send("POST", "/accounts/1/words", {"words": LATER_WORDS}))
    written = await enter(world, receipt=receipt)
    await written.says(happened="by the receipt")
    found = await lines(world.supervisor, case)
    assert [each["came_by"] for each in found] == ["receipt", "invitation", "invitation"]
    forged = await opened(world.supervisor, found[1]["id"])
    assert (forged["recorded_by_id"], forged["by"]) == (None, "client")
    assert "box_id" not in forged


async def test_a_case_that_is_voided_keeps_its_door(world: World) -> None:
    case, client = await at_the_door(world)
    came, receipt = await by_receipt(client, **ASKS)
    account_id = await account_id_of(world.supervisor, case)
    world.clock.forward(minutes=1)
    assert (await world.clinician.delete(f"/v1/cases/{case['id']}")).status_code == 204
    assert (await came.mine())[0]["status"] == "received"
    made(await came.send("POST", "/accounts/1/words", {"words": LATER_WORDS}))
    later = await enter(world, receipt=receipt)
    await later.says(happened="I am not safe.", safe_now="no")
    assert len(await lines(world.supervisor, case)) == 2
    assert set(await world.supervisor.flags(case)) == {"client_not_safe", "client_asks_to_look"}
    shown = await opened(world.supervisor, account_id)
    assert [each["happening"] for each in shown["since"]] == ["case.voided"]
    made(await replies(world.supervisor, account_id))
    ok(await closes(world.supervisor, account_id))
    assert set(await world.supervisor.flags(case)) == {"client_not_safe"}


async def test_a_case_that_ended_keeps_its_door(world: World) -> None:
    case, client = await at_the_door(world)
    came, _ = await by_receipt(client, **ASKS)
    account_id = await account_id_of(world.supervisor, case)
    world.clock.forward(minutes=1)
    ended = {"status": "ended", "ended_on": world.day()}
    ok(await world.clinician.patch(f"/v1/cases/{case['id']}", ended))
    how = {"stage": "ended", "ending": "therapist_initiated", "abrupt": True}
    ending = await world.clinician.incident(case, "ending", on=0, **how)
    made(await came.send("POST", "/accounts/1/words", {"words": LATER_WORDS}))
    await came.says(happened="It ended the day after.")
    shown = await opened(world.supervisor, account_id)
    assert ending["id"] in [each["record_id"] for each in shown["since"]]
    assert "client_asks_to_look" in await world.supervisor.flags(case)


async def test_an_invitation_that_is_revoked_takes_no_receipt_with_it(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    invited = await invite(world.clinician, case)
    client = await enter(world, code=invited["code"])
    _, receipt = await by_receipt(client, **ASKS)
    account_id = await account_id_of(world.supervisor, case)
    world.clock.forward(minutes=1)
    ok(await world.clinician.post(f"/v1/invitations/{invited['id']}/revoke"))
    gone, never = await knock(world, code=invited["code"]), await knock(world, code="0" * 16)
    assert (gone.status_code, same_body(gone)) == (401, same_body(never))
    came = await enter(world, receipt=receipt)
    made(await came.send("POST", "/accounts/1/words", {"words": LATER_WORDS}))
    shown = await opened(world.supervisor, account_id)
    assert [each["happening"] for each in shown["since"]] == ["invitation.revoked"]


async def test_a_transfer_takes_nothing_from_the_client(world: World) -> None:
    await link(world, world.supervisor, world.colleague)
    case, client = await at_the_door(world)
    came, _ = await by_receipt(client, **ASKS)
    account_id = await account_id_of(world.supervisor, case)
    world.clock.forward(minutes=1)
    handed = {"clinician_id": str(world.colleague.id), "reason": "leave"}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", handed))
    assert (await came.mine())[0]["status"] == "received"
    shown = await opened(world.supervisor, account_id)
    assert [each["happening"] for each in shown["since"]] == ["case.transferred"]
    assert "client_asks_to_look" in await world.supervisor.flags(case)
    for person in (world.clinician, world.colleague):
        assert (await person.get(f"/v1/accounts/{account_id}")).status_code == 404


async def test_what_the_therapist_tightened_since_is_listed_and_is_no_rule(world: World) -> None:
    case, client = await at_the_door(world)
    await client.says()
    flags = await world.supervisor.flags(case, live=False)
    world.clock.forward(minutes=1)
    changed: dict[str, Any] = {"elements": ["touch"], "on": 0}
    tight = await world.clinician.incident(case, "frame_change", direction="tighten", **changed)
    loose = await world.clinician.incident(case, "frame_change", direction="loosen", **changed)
    shown = await reads(world.supervisor, case)
    listed = [each["record_id"] for each in shown["since"]]
    assert (tight["id"] in listed, loose["id"] in listed) == (True, False)
    raised = await world.supervisor.flags(case, live=False)
    assert not {each for each in raised if each.startswith(("client_", "account_"))} - flags.keys()


async def test_an_invitation_of_somebody_else_is_not_there_for_the_therapist(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    by_supervisor = await invite(world.supervisor, case)
    asked = {"client_ref": case["client_ref"]}
    officer = world.here["privacy_officer"]
    by_officer = made(await officer.post("/v1/invitations", asked))
    own = await invite(world.clinician, case)
    found = ok(await world.clinician.get(f"/v1/cases/{case['id']}/invitations"))["items"]
    assert [each["id"] for each in found] == [own["id"]]
    for other in (by_supervisor, by_officer):
        path = f"/v1/invitations/{other['id']}"
        assert (await world.clinician.get(path)).status_code == 404
        assert (await world.clinician.post(f"{path}/revoke")).status_code == 404
    seen = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/invitations"))["items"]
    assert {each["id"] for each in seen} == {
        each["id"] for each in (by_supervisor, by_officer, own)
    }
    refused = await world.supervisor.post(f"/v1/invitations/{own['id']}/revoke")
    assert refused.status_code == 403
