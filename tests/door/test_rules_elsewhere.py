"""What the door's rules raise, as pages, other software and a preview tell it."""

from typing import Any

from tests.support.desk import seated
from tests.support.door import at_the_door, open_door
from tests.support.fhir import check, search
from tests.support.flags import the_flag
from tests.support.world import World, made, ok

DOORS = ("client_not_safe", "client_asks_to_look", "account_unanswered", "look_back_concern")
CONCERNS = [
    {"link_id": "touch", "value": "not_asked"},
    {"link_id": "outside", "value": "private_not_talked_over"},
]


async def all_four(world: World) -> dict[str, Any]:
    """Give a case on which each of the door's rules has raised a flag."""
    case, client = await at_the_door(world)
    await client.says(safe_now="no", wants=["somebody_looks"])
    made(await client.send("POST", "/responses", {"answers": CONCERNS}))
    world.clock.forward(days=14)
    assert set(await world.supervisor.flags(case)) == set(DOORS)
    return case


# ------------------------------------------------------------------------------------------ FHIR


async def test_an_ehr_reads_them_as_notices_and_none_is_on_the_clients_chart(world: World) -> None:
    case = await all_four(world)
    notices = await search(world.supervisor, "DetectedIssue")
    told = {each["code"]["coding"][0]["code"]: each for each in notices}
    assert set(told) == set(DOORS)
    assert await search(world.supervisor, "Flag") == []
    for rule, notice in told.items():
        check(notice)
        (evidence,) = [each["detail"] for each in notice["evidence"]]
        if rule != "look_back_concern":
            (account,) = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
            known = {"system": "urn:boundary-notes:account", "value": account["id"]}
            assert evidence == [{"identifier": known}]
    assert told["client_not_safe"]["severity"] == "high"
    assert [
        each["code"]["coding"][0]["code"]
        for each in await search(world.supervisor, "DetectedIssue", code="client_not_safe")
    ] == ["client_not_safe"]
    for person in (world.clinician, world.colleague, world.stranger):
        assert await search(person, "DetectedIssue") == []


async def test_an_ehr_reads_the_prompt_with_the_case_that_it_is_about(world: World) -> None:
    await open_door(world, door_offer=["at_opening"])
    case = await world.clinician.case()
    (notice,) = await search(world.clinician, "DetectedIssue")
    check(notice)
    assert notice["code"]["coding"][0]["code"] == "offer_door"
    (evidence,) = notice["evidence"]
    assert evidence["detail"] == [
        {"reference": f"EpisodeOfCare/{case['id']}", "type": "EpisodeOfCare"}
    ]
    assert (await world.clinician.get(f"/fhir/EpisodeOfCare/{case['id']}")).status_code == 200


# -------------------------------------------------------------------------------------- the desk


async def test_the_page_of_a_flag_leads_to_the_account_and_does_not_read_it(world: World) -> None:
    case = await all_four(world)
    path = f"/v1/cases/{case['id']}/accounts"
    (account,) = ok(await world.supervisor.get(path))["items"]
    assert account["status"] == "received"
    desk = await seated(world, world.supervisor)
    for rule in DOORS[:3]:
        flag = await the_flag(world.supervisor, case, rule)
        page = await desk.open(f"/desk/flags/{flag['id']}")
        assert page.status == 200
        assert f"/desk/accounts/{account['id']}" in page.links
        assert "the client is told that you have read it" in page.text
        assert "He said that he would always be there." not in page.text
        assert "No record of its own" not in page.text
    assert ok(await world.supervisor.get(path))["items"] == [account]


async def test_the_page_of_a_flag_leads_to_what_was_answered(world: World) -> None:
    case = await all_four(world)
    flag = await the_flag(world.supervisor, case, "look_back_concern")
    desk = await seated(world, world.supervisor)
    page = await desk.open(f"/desk/flags/{flag['id']}")
    assert page.status == 200
    assert f"/desk/responses/{flag['evidence'][0]['id']}" in page.links
    assert "the client is told" not in page.text
    assert "No record of its own" not in page.text


async def test_the_page_of_the_prompt_leads_to_the_case(world: World) -> None:
    await open_door(world, door_offer=["at_opening"])
    case = await world.clinician.case()
    (prompt,) = await world.clinician.flag_list(case)
    desk = await seated(world, world.clinician)
    page = await desk.open(f"/desk/flags/{prompt['id']}")
    assert page.status == 200
    assert f"/desk/cases/{case['id']}" in page.links
    assert "Offer the client their door" in page.text
    assert "No record of its own" not in page.text


async def test_the_queue_and_the_rules_call_them_by_their_titles(world: World) -> None:
    await all_four(world)
    desk = await seated(world, world.supervisor)
    queue = (await desk.open("/desk")).text
    assert "The client writes of not being safe" in queue
    admin = await seated(world, world.admin)
    rules = (await admin.open("/desk/rules")).text
    for title in (
        "The client writes of not being safe",
        "The client asks that somebody look",
        "An account waits for an answer",
        "What the client noted looking back",
    ):
        assert title in rules


# -------------------------------------------------------------------------- settings of the rules


async def test_a_preview_tells_what_a_shorter_time_would_raise(world: World) -> None:
    _, client = await at_the_door(world)
    await client.says(wants=["an_answer"])
    await client.says(wants=["an_answer"], happened="And another thing.")
    world.clock.forward(days=5)
    proposed = {"thresholds": {"door_unanswered_days": 5}}
    shown = ok(await world.admin.post("/v1/rules/preview", proposed))
    effects = {each["rule"]: each for each in shown["rules"]}
    assert [rule for rule, each in effects.items() if each["raised"]] == ["account_unanswered"]
    assert effects["account_unanswered"]["raised"] == 2
    refused = await world.admin.post(
        "/v1/rules/preview", {"thresholds": {"door_long_unanswered_days": 31}}
    )
    assert refused.status_code == 422
