"""What comes by a door raises flags for those who read it, and for nobody else."""

from typing import Any

import pytest

from api.commands.worker import catch_up_once
from api.domain.look_back import LOOK_BACK_ID
from tests.support.door import AtDoor, at_the_door, enter, invite, open_door
from tests.support.flags import RESOLUTION, acknowledge, resolve, the_flag
from tests.support.world import World, made, ok

CLOSING = {"determination": "benign_crossing", "note": "Talked over with the client."}
CONCERNS = {"touch": "not_asked", "outside": "private_not_talked_over"}


async def the_account(world: World, case: dict[str, Any]) -> str:
    """Give the id of the newest account of a case."""
    lines = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    account_id: str = lines[0]["id"]
    return account_id


async def answer(world: World, account_id: str) -> None:
    made(await world.supervisor.post(f"/v1/accounts/{account_id}/reply", {"reply": "Thank you."}))


async def looked_back(world: World, person: Any, case: dict[str, Any], **said: Any) -> None:
    answers = said.pop("answers", CONCERNS)
    body = {
        "questionnaire_id": str(LOOK_BACK_ID),
        "answered_on": world.day(),
        "answers": [{"link_id": name, "value": value} for name, value in answers.items()],
        **said,
    }
    made(await person.post(f"/v1/cases/{case['id']}/responses", body))


async def all_flags(world: World, case: dict[str, Any]) -> list[tuple[str, str]]:
    found = await world.supervisor.flag_list(case)
    return sorted((flag["rule"], flag["severity"]) for flag in found)


async def prompts(world: World, case: dict[str, Any]) -> set[str]:
    return set(await world.clinician.flags(case))


# ------------------------------------------------------------------------------------ what is said


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        ({"safe_now": "no"}, {"client_not_safe": "critical"}),
        ({"safe_now": "unsure", "wants": ["nothing_more"]}, {"client_not_safe": "high"}),
        ({"wants": ["somebody_looks", "an_answer"]}, {"client_asks_to_look": "moderate"}),
        ({"safe_now": "yes", "wants": ["an_answer", "a_copy"]}, {}),
        ({}, {}),
    ],
)
async def test_what_asks_for_a_look_is_flagged_at_once(
    world: World, said: dict[str, Any], raised: dict[str, str]
) -> None:
    case, client = await at_the_door(world)
    await client.says(**said)
    assert await world.supervisor.flags(case) == raised
    queue = [each["case"]["id"] for each in await world.supervisor.queue()]
    assert queue == ([case["id"]] if raised else [])


@pytest.mark.parametrize(
    "happened",
    [
        "I love him, I dream of him each night, and I cannot tell him.",
        "I hate her. I am so angry that I could scream, and I long for her all week.",
        "He promised never to leave, he touched me, and I wish to die of shame.",
    ],
)
async def test_no_words_and_no_topic_are_a_flag(world: World, happened: str) -> None:
    """Love, anger and longing are nobody's flag; whatever is in the words, a person reads them."""
    case, client = await at_the_door(world)
    topics = ["feelings_met", "sexual", "danger", "promise", "touch"]
    sent = await client.says(happened=happened, topics=topics, wants=["nothing_more"])
    again = await enter(world, receipt=sent["receipt"])
    ok(await again.send("POST", f"/accounts/{sent['n']}/words", {"words": happened}), 201)
    world.clock.forward(days=400)
    assert await world.supervisor.flag_list(case, live=False) == []
    assert await world.clinician.flag_list(case, live=False) == []


# ------------------------------------------------------------------------------------- waiting


async def test_an_account_waits_two_weeks_and_a_month_and_an_answer_ends_it(world: World) -> None:
    case, client = await at_the_door(world)
    sent = await client.says(wants=["an_answer"])
    world.clock.forward(days=13)
    assert await world.supervisor.flags(case) == {}
    world.clock.forward(days=1)
    assert await world.supervisor.flags(case) == {"account_unanswered": "moderate"}
    world.clock.forward(days=15)
    assert await world.supervisor.flags(case) == {"account_unanswered": "moderate"}
    world.clock.forward(days=1)
    assert await world.supervisor.flags(case) == {"account_unanswered": "high"}
    flag = await the_flag(world.supervisor, case, "account_unanswered")
    assert flag["because"] == (
        "No answer is recorded to what was last written at the door on 2 March 2026, 30 days ago "
        "or more."
    )
    account_id = await the_account(world, case)
    assert flag["evidence"] == [{"type": "account", "id": account_id}]
    await answer(world, account_id)
    assert await world.supervisor.flags(case) == {}
    # a person closes it, and further words begin anew
    await resolve(world, case, "account_unanswered")
    again = await enter(world, receipt=sent["receipt"])
    made(await again.send("POST", "/accounts/1/words", {"words": "I have thought of it again."}))
    world.clock.forward(days=13)
    assert await world.supervisor.flags(case) == {}
    world.clock.forward(days=1)
    assert await world.supervisor.flags(case) == {"account_unanswered": "moderate"}
    # what is settled now stays so: nothing new was written
    await resolve(world, case, "account_unanswered")
    world.clock.forward(days=15)
    assert await world.supervisor.flags(case) == {}
    world.clock.forward(days=1)
    assert await world.supervisor.flags(case) == {"account_unanswered": "high"}


async def test_further_words_begin_the_days_anew(world: World) -> None:
    case, client = await at_the_door(world)
    sent = await client.says(wants=["an_answer"])
    await answer(world, await the_account(world, case))
    world.clock.forward(days=60)
    assert await world.supervisor.flags(case) == {}
    again = await enter(world, receipt=sent["receipt"])
    made(await again.send("POST", "/accounts/1/words", {"words": "I have thought of it again."}))
    world.clock.forward(days=13)
    assert await world.supervisor.flags(case) == {}
    world.clock.forward(days=1)
    assert await world.supervisor.flags(case) == {"account_unanswered": "moderate"}


async def test_the_worker_raises_it_though_nobody_looks(world: World) -> None:
    case, client = await at_the_door(world)
    await client.says(wants=["an_answer"])
    world.clock.forward(days=14)
    assert await catch_up_once(world.database) > 0
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        assert await catch_up_once(world.database) == 0
    flag = await the_flag(world.supervisor, case, "account_unanswered")
    assert flag["effective_at"] == "2026-03-16T00:00:00Z"


# -------------------------------------------------------------------------------------- the ends


async def test_closing_an_account_ends_all_that_it_raised_and_a_person_closes_the_flags(
    world: World,
) -> None:
    case, client = await at_the_door(world)
    await client.says(safe_now="no", wants=["somebody_looks"])
    world.clock.forward(days=14)
    raised = [
        ("account_unanswered", "moderate"),
        ("client_asks_to_look", "moderate"),
        ("client_not_safe", "critical"),
    ]
    assert await all_flags(world, case) == raised
    await answer(world, await the_account(world, case))
    assert await all_flags(world, case) == raised[1:]
    ok(await world.supervisor.post(f"/v1/accounts/{await the_account(world, case)}/close", CLOSING))
    assert await all_flags(world, case) == []
    kept = await world.supervisor.flag_list(case, live=False)
    assert {(flag["status"], flag["condition_holds"]) for flag in kept} == {("open", False)}
    assert len(kept) == len(raised)


async def test_taking_back_leaves_the_question_whether_somebody_is_safe(world: World) -> None:
    case, client = await at_the_door(world)
    sent = await client.says(safe_now="no", wants=["somebody_looks"])
    again = await enter(world, receipt=sent["receipt"])
    await again.send("POST", "/accounts/1/take-back")
    assert [each["status"] for each in await again.mine()] == ["taken_back"]
    assert await world.supervisor.flags(case) == {"client_not_safe": "critical"}
    world.clock.forward(days=40)
    assert await world.supervisor.flags(case) == {"client_not_safe": "critical"}
    await resolve(world, case, "client_not_safe")
    assert await world.supervisor.flags(case) == {}


async def test_two_accounts_are_two_flags_of_one_rule(world: World) -> None:
    case, client = await at_the_door(world)
    first = await client.says(safe_now="unsure")
    again = await enter(world, receipt=first["receipt"])
    await again.says(safe_now="no")
    raised = [("client_not_safe", "critical"), ("client_not_safe", "high")]
    assert await all_flags(world, case) == raised
    first_flag, second_flag = await world.supervisor.flag_list(case)
    assert first_flag["evidence"] != second_flag["evidence"]
    # each is closed by itself
    ok(await world.supervisor.post(f"/v1/flags/{first_flag['id']}/resolve", RESOLUTION))
    (left,) = await world.supervisor.flag_list(case)
    assert left["id"] == second_flag["id"]


async def test_what_somebody_is_not_to_read_is_no_flag_of_theirs(world: World) -> None:
    case, client = await at_the_door(world)
    await client.says(safe_now="no", to="privacy_officers")
    assert await world.supervisor.flag_list(case, live=False) == []
    assert await world.supervisor.queue() == []
    path = f"/v1/cases/{case['id']}"
    assert ok(await world.supervisor.get(path))["flags"]["open"] == 0
    told = ok(await world.supervisor.get(f"{path}/timeline", limit=100))["items"]
    assert not [each for each in told if "flag" in each["happening"]]
    assert ok(await world.supervisor.get("/v1/summary"))["flags"]["unresolved"] == 0


async def test_only_who_reads_the_account_takes_its_flag_on(world: World) -> None:
    case, client = await at_the_door(world)
    link = {"supervisor_id": str(world.stranger.id), "clinician_id": str(world.clinician.id)}
    made(await world.admin.post("/v1/supervisions", {**link, "starts_on": world.day()}))
    await client.says(safe_now="no", not_to=[str(world.stranger.id)])
    flag = await the_flag(world.supervisor, case, "client_not_safe")
    assert await world.stranger.flag_list(case, live=False) == []
    path = f"/v1/flags/{flag['id']}/acknowledge"
    named = {"assigned_to_id": str(world.stranger.id)}
    assert (await world.supervisor.post(path, named)).status_code == 422
    sent = await client.says(safe_now="no", happened="This they may both read.")
    assert sent["n"] == 2
    (other,) = await world.stranger.flag_list(case)
    ok(await world.supervisor.post(f"/v1/flags/{other['id']}/acknowledge", named))


async def test_a_flag_is_opened_again_though_one_of_another_account_waits(world: World) -> None:
    case, client = await at_the_door(world)
    sent = await client.says(safe_now="no")
    await resolve(world, case, "client_not_safe")
    flag = await the_flag(world.supervisor, case, "client_not_safe")
    again = await enter(world, receipt=sent["receipt"])
    await again.says(safe_now="no", happened="It has happened again.")
    path = f"/v1/flags/{flag['id']}/reopen"
    ok(await world.supervisor.post(path, {"reason": "She wrote again."}))
    assert await all_flags(world, case) == [("client_not_safe", "critical")] * 2
    refused = await world.supervisor.post(path, {"reason": "Once more."})
    assert refused.status_code == 409


# --------------------------------------------------------------------- what the clinician sees


async def said_all(world: World) -> tuple[dict[str, Any], AtDoor]:
    """Let a client say all that asks for a look, share it, and wait for an answer."""
    case, client = await at_the_door(world)
    said = {"safe_now": "no", "wants": ["somebody_looks"], "shared": "with_therapist"}
    await client.says(**said)
    await looked_back(world, world.supervisor, case)
    world.clock.forward(days=14)
    assert len(await all_flags(world, case)) == 4
    return case, client


async def test_no_flag_of_the_door_is_the_clinicians_though_the_account_is_shared(
    world: World,
) -> None:
    case, _ = await said_all(world)
    path = f"/v1/cases/{case['id']}"
    for flag in await world.supervisor.flag_list(case):
        assert (await world.clinician.get(f"/v1/flags/{flag['id']}")).status_code == 404
        assert flag["restricted"] is True
        assert ok(await world.supervisor.get(f"/v1/flags/{flag['id']}")) == flag
    assert await world.clinician.flag_list(case, live=False) == []
    assert ok(await world.clinician.get("/v1/flags"))["items"] == []
    assert ok(await world.clinician.get(path))["flags"] == {
        "open": 0,
        "top_severity": None,
        "next_due_at": None,
    }
    assert ok(await world.supervisor.get(path))["flags"]["open"] == 4
    told = ok(await world.clinician.get(f"{path}/timeline", limit=100))["items"]
    assert not [each for each in told if "flag" in each["happening"]]
    assert "flag.opened" in str(ok(await world.supervisor.get(f"{path}/timeline", limit=100)))


async def test_no_flag_of_the_door_is_anybody_elses(world: World) -> None:
    case, _ = await said_all(world)
    flag = await the_flag(world.supervisor, case, "client_not_safe")
    for person in (world.colleague, world.stranger, world.there["supervisor"], world.admin):
        assert (await person.get(f"/v1/flags/{flag['id']}")).status_code in {403, 404}
    for person in (world.stranger, world.there["supervisor"]):
        assert await person.queue() == []


# ------------------------------------------------------------------------------------- voiding


async def test_a_voided_case_is_asked_about_by_the_rules_of_the_door_alone(world: World) -> None:
    case, client = await at_the_door(world)
    await world.clinician.incident(case, "hurtful_words", initiator="institution", repeated=True)
    await client.says(safe_now="unsure", wants=["an_answer"])
    assert await all_flags(world, case) == [("client_not_safe", "high"), ("hurtful_words", "high")]
    assert (await world.clinician.delete(f"/v1/cases/{case['id']}")).status_code == 204
    assert await all_flags(world, case) == [("client_not_safe", "high")]
    world.clock.forward(days=14)
    assert await all_flags(world, case) == [
        ("account_unanswered", "moderate"),
        ("client_not_safe", "high"),
    ]
    assert case["id"] in [each["case"]["id"] for each in await world.supervisor.queue()]
    world.clock.forward(days=16)
    assert await catch_up_once(world.database) > 0
    assert ("account_unanswered", "high") in await all_flags(world, case)
    await acknowledge(world, case, "account_unanswered")
    await resolve(world, case, "client_not_safe")
    await answer(world, await the_account(world, case))
    assert await all_flags(world, case) == []


async def test_a_shorter_time_is_kept_on_a_voided_case_too(world: World) -> None:
    case, client = await at_the_door(world)
    await client.says(wants=["an_answer"])
    assert (await world.clinician.delete(f"/v1/cases/{case['id']}")).status_code == 204
    world.clock.forward(days=3)
    assert await all_flags(world, case) == []
    shorter = {"door_unanswered_days": 3}
    ok(await world.admin.send("PUT", "/v1/rules/thresholds", json=shorter))
    assert await all_flags(world, case) == [("account_unanswered", "moderate")]
    longer = {"door_unanswered_days": 15}
    refused = await world.admin.send("PUT", "/v1/rules/thresholds", json=longer)
    assert refused.status_code == 422


# -------------------------------------------------------------------------------- looking back


async def test_two_concerns_that_did_not_pass_by_the_therapist_ask_for_a_look(
    world: World,
) -> None:
    case = await world.clinician.case()
    await looked_back(world, world.clinician, case)
    assert await world.supervisor.flags(case) == {}
    await looked_back(world, world.supervisor, case, answers={"touch": "not_asked"})
    assert await world.supervisor.flags(case) == {}
    await looked_back(world, world.supervisor, case)
    assert await world.supervisor.flags(case) == {"look_back_concern": "moderate"}
    # no later one takes it away
    await looked_back(world, world.supervisor, case, answers={"touch": "none", "outside": "none"})
    assert await world.supervisor.flags(case) == {"look_back_concern": "moderate"}
    flag = await the_flag(world.supervisor, case, "look_back_concern")
    assert [each["type"] for each in flag["evidence"]] == ["response"]
    # nor does answering so once more leave what was settled as it was
    await resolve(world, case, "look_back_concern")
    assert await world.supervisor.flags(case) == {}
    await looked_back(world, world.supervisor, case)
    assert await world.supervisor.flags(case) == {"look_back_concern": "moderate"}
    assert await world.clinician.flag_list(case, live=False) == []


@pytest.mark.parametrize(
    ("answers", "raised"),
    [
        (CONCERNS, {"look_back_concern": "moderate"}),
        ({"touch": "not_asked"}, {}),
        ({"listened_to": 1, "hard_things": 1, "anything_else": "I love her."}, {}),
    ],
)
async def test_what_is_answered_at_the_door_asks_for_a_look_where_two_answers_do(
    world: World, answers: dict[str, Any], raised: dict[str, str]
) -> None:
    case, client = await at_the_door(world)
    given = [{"link_id": name, "value": value} for name, value in answers.items()]
    sent = {"answers": given, "shared": "with_therapist"}
    made(await client.send("POST", "/responses", sent))
    assert await world.supervisor.flags(case) == raised
    assert await world.clinician.flag_list(case, live=False) == []


async def test_what_was_felt_is_no_concern_however_bad(world: World) -> None:
    case = await world.clinician.case()
    felt = {"listened_to": 1, "hard_things": 1, "put_right": 1, "anything_else": "I hate it."}
    await looked_back(world, world.supervisor, case, answers=felt)
    assert await world.supervisor.flag_list(case, live=False) == []


async def test_a_look_back_that_is_voided_or_a_year_old_is_asked_about_no_more(
    world: World,
) -> None:
    case = await world.clinician.case()
    await looked_back(world, world.supervisor, case)
    world.clock.forward(days=365)
    assert await world.supervisor.flags(case) == {"look_back_concern": "moderate"}
    world.clock.forward(days=1)
    assert await world.supervisor.flags(case) == {}
    await looked_back(world, world.supervisor, case)
    assert await world.supervisor.flags(case) == {"look_back_concern": "moderate"}
    newest = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/responses"))["items"][0]
    assert (await world.supervisor.delete(f"/v1/responses/{newest['id']}")).status_code == 204
    assert await world.supervisor.flags(case) == {}


# ----------------------------------------------------------------------------- offering the door


async def test_the_door_is_offered_at_opening_until_the_clinician_has_invited(
    world: World,
) -> None:
    await open_door(world)
    case = await world.clinician.case()
    assert await prompts(world, case) == set()
    ok(await world.admin.patch("/v1/clinic", {"door_offer": ["at_opening"]}))
    assert await prompts(world, case) == {"offer_door"}
    assert await world.supervisor.flags(case) == {}
    (flag,) = await world.clinician.flag_list(case)
    assert (flag["severity"], flag["evidence"]) == ("info", [{"type": "case", "id": case["id"]}])
    # the clinician does not learn that somebody else has invited
    await invite(world.supervisor, case)
    assert await prompts(world, case) == {"offer_door"}
    await invite(world.clinician, case)
    assert await prompts(world, case) == set()
    assert await prompts(world, await world.clinician.case()) == {"offer_door"}


async def test_the_door_is_offered_at_the_ending_until_the_clinician_has_invited_since(
    world: World,
) -> None:
    await open_door(world, door_offer=["at_ending"])
    case = await world.clinician.case()
    await invite(world.clinician, case)
    world.clock.forward(days=10)
    assert await prompts(world, case) == set()
    ended = {"status": "ended", "ended_on": world.day()}
    ok(await world.clinician.patch(f"/v1/cases/{case['id']}", ended))
    assert await prompts(world, case) == {"offer_door"}
    await invite(world.supervisor, case)
    assert await prompts(world, case) == {"offer_door"}
    await invite(world.clinician, case)
    assert await prompts(world, case) == set()


async def test_the_door_is_offered_by_whoever_has_the_case_and_of_no_voided_one(
    world: World,
) -> None:
    await open_door(world, door_offer=["at_opening", "at_ending"])
    case = await world.clinician.case()
    await invite(world.clinician, case)
    hand_over = {"clinician_id": str(world.colleague.id), "reason": "A move to another town."}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", hand_over))
    assert set(await world.colleague.flags(case)) == {"offer_door"}
    other = await world.clinician.case()
    assert await prompts(world, other) == {"offer_door"}
    assert (await world.clinician.delete(f"/v1/cases/{other['id']}")).status_code == 204
    assert await prompts(world, other) == set()
