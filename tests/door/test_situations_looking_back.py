"""Looking back: one concern is shown, two ask for a look, and none later takes that away."""

from typing import Any

from api.domain.look_back import LOOK_BACK_ID
from tests.support.door import AtDoor, at_the_door, enter, invite, open_door
from tests.support.door_scene import answered, lines
from tests.support.flags import resolve
from tests.support.matrix import QUESTIONNAIRE
from tests.support.world import Person, World, made, ok

RULE = "look_back_concern"
ONE = {"touch": "not_asked", "outside": "none"}
TWO = {"touch": "not_asked", "outside": "private_not_talked_over"}
NONE = {"touch": "none", "outside": "as_agreed", "listened_to": 4}
FELT = {"listened_to": 1, "at_ease": 1, "may_say_no": 1, "anything_else": "I am angry."}


async def typed(by: Person, case: dict[str, Any], **answers: Any) -> dict[str, Any]:
    told = [{"link_id": name, "value": value} for name, value in answers.items()]
    body = {"questionnaire_id": str(LOOK_BACK_ID), "answered_on": by.world.day(-1)}
    return made(await by.post(f"/v1/cases/{case['id']}/responses", {**body, "answers": told}))


async def test_one_concern_is_shown_to_its_readers_and_raises_nothing(world: World) -> None:
    case, client = await at_the_door(world)
    await answered(client, {**ONE, **FELT})
    assert await world.supervisor.flags(case, live=False) == {}
    (shown,) = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/responses"))["items"]
    assert (shown["concerns"], shown["came_by"]) == (["touch"], "invitation")
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}/responses"))["items"] == []
    assert (await world.clinician.get(f"/v1/responses/{shown['id']}")).status_code == 404


async def test_two_concerns_ask_for_a_look_and_none_later_takes_it_away(world: World) -> None:
    case, client = await at_the_door(world)
    await answered(client, TWO)
    assert await world.supervisor.flags(case) == {RULE: "moderate"}
    assert await world.clinician.flags(case, live=False) == {}
    await answered(client, NONE)
    assert await world.supervisor.flags(case) == {RULE: "moderate"}
    await resolve(world, case, RULE)
    assert await world.supervisor.flags(case) == {}
    await answered(client, NONE)
    assert await world.supervisor.flags(case) == {}


async def test_concerns_of_two_responses_are_not_added_up(world: World) -> None:
    case, client = await at_the_door(world)
    await answered(client, {"touch": "not_asked"})
    await answered(client, {"outside": "private_not_talked_over"})
    assert await world.supervisor.flags(case, live=False) == {}


async def test_what_the_supervisor_typed_in_counts_and_what_the_therapist_did_not(
    world: World,
) -> None:
    case = await world.clinician.case()
    await typed(world.clinician, case, **TWO)
    assert await world.supervisor.flags(case, live=False) == {}
    await typed(world.supervisor, case, **TWO)
    assert await world.supervisor.flags(case) == {RULE: "moderate"}


async def test_after_a_year_it_asks_no_more(world: World) -> None:
    case, client = await at_the_door(world)
    await answered(client, TWO)
    world.clock.forward(days=365)
    assert await world.supervisor.flags(case) == {RULE: "moderate"}
    world.clock.forward(days=1)
    assert await world.supervisor.flags(case) == {}


async def test_what_came_by_the_door_only_a_supervisor_voids(world: World) -> None:
    case, client = await at_the_door(world)
    shared = [{"link_id": name, "value": value} for name, value in TWO.items()]
    body = {"answers": shared, "shared": "with_therapist"}
    made(await client.send("POST", "/responses", body))
    path = f"/v1/cases/{case['id']}/responses"
    assert ok(await world.clinician.get(path))["items"] == []
    world.clock.forward(days=1)
    (shown,) = ok(await world.clinician.get(path))["items"]
    midnight = f"{world.day()}T00:00:00Z"
    assert (shown["created_at"], shown["updated_at"]) == (midnight, midnight)
    assert shown["answered_on"] == world.day()
    at = f"/v1/responses/{shown['id']}"
    assert (await world.clinician.delete(at)).status_code == 403
    assert (await world.supervisor.delete(at)).status_code == 204
    assert await world.supervisor.flags(case) == {}


async def asked_of(world: World) -> tuple[dict[str, Any], str, AtDoor]:
    """Give a case, a questionnaire of the clinic's own, and its client, invited to answer it."""
    await open_door(world)
    asked = made(await world.admin.post("/v1/questionnaires", QUESTIONNAIRE))["id"]
    case = await world.clinician.case()
    invited = await invite(world.clinician, case, questionnaire_id=asked)
    return case, asked, await enter(world, code=invited["code"])


async def test_a_questionnaire_replaced_meanwhile_is_answered_by_what_was_shown(
    world: World,
) -> None:
    case, asked, client = await asked_of(world)
    shown = ok(await client.send("GET", "/questionnaire"))
    assert (shown["id"], shown["version"]) == (asked, 1)
    anew = {**QUESTIONNAIRE, "questionnaire_id": asked, "title": "How it goes now"}
    assert made(await world.admin.post("/v1/questionnaires", anew))["version"] == 2
    told = [{"link_id": "how", "value": 3}]
    body = {"questionnaire_id": asked, "questionnaire_version": 1, "answers": told}
    made(await client.send("POST", "/responses", body))
    (kept,) = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/responses"))["items"]
    assert (kept["questionnaire_id"], kept["questionnaire_version"]) == (asked, 1)
    assert ok(await client.send("GET", "/questionnaire"))["version"] == 2


async def test_a_questionnaire_retired_meanwhile_is_answered_and_asked_no_more(
    world: World,
) -> None:
    case, asked, client = await asked_of(world)
    assert (await world.admin.delete(f"/v1/questionnaires/{asked}")).status_code == 204
    assert (await client.send("GET", "/questionnaire")).status_code == 404
    body: dict[str, Any] = {"questionnaire_id": asked, "answers": [{"link_id": "how", "value": 3}]}
    assert (await client.send("POST", "/responses", body)).status_code == 422
    made(await client.send("POST", "/responses", {**body, "questionnaire_version": 1}))
    assert len(ok(await world.supervisor.get(f"/v1/cases/{case['id']}/responses"))["items"]) == 1
    assert await lines(world.supervisor, case) == []


async def test_own_answers_are_read_by_the_receipt_and_by_no_code(world: World) -> None:
    _, client = await at_the_door(world)
    sent = await answered(client, {**ONE, **FELT})
    assert ok(await client.send("GET", "/responses"))["items"] == []
    came = await enter(world, receipt=sent["receipt"])
    (mine,) = ok(await came.send("GET", "/responses"))["items"]
    told = {each["link_id"]: each["value"] for each in mine["answers"]}
    assert told == {**ONE, **FELT}
