"""The clinic: its thresholds and time zone, its rules, and the words its records use."""

from typing import Any

from tests.support.rulebook import PROMPTS, RULES, THRESHOLDS
from tests.support.world import World, made, ok

PATH = "/v1/rules/thresholds"


async def set_to(world: World, **own: int) -> dict[str, Any]:
    """Set thresholds as the admin."""
    return ok(await world.admin.send("PUT", PATH, json=own))


async def flagged(world: World, path: str) -> set[str]:
    """Give the cases with flags that a list tells of."""
    items = ok(await world.supervisor.get(path))["items"]
    match path:
        case "/v1/flags":
            return {flag["case_id"] for flag in items}
        case "/v1/cases":
            return {each["id"] for each in items if each["flags"]["open"]}
        case _:
            return {item["case"]["id"] for item in items}


async def test_everyone_who_may_reads_the_thresholds_and_only_an_admin_sets_them(
    world: World,
) -> None:
    for part, person in world.here.items():
        answer = await person.get(PATH)
        assert answer.status_code == (403 if part == "consultant" else 200), part
        if part != "consultant":
            assert answer.json() == THRESHOLDS
        if part != "admin":
            refused = await person.send("PUT", PATH, json={"drift_days": 60})
            assert refused.status_code == 403, part
    assert await set_to(world, drift_days=60) == {**THRESHOLDS, "drift_days": 60}
    assert ok(await world.clinician.get(PATH))["drift_days"] == 60
    assert ok(await world.there["admin"].get(PATH)) == THRESHOLDS
    # what is left out goes back to its default
    assert await set_to(world, exceptions=3) == {**THRESHOLDS, "exceptions": 3}
    assert await set_to(world) == THRESHOLDS
    assert ok(await world.clinician.get(PATH)) == THRESHOLDS


async def test_a_threshold_has_bounds(world: World) -> None:
    for name in THRESHOLDS:
        for wrong in (0, -1, 1.5, "7", True, None, 100_000):
            answer = await world.admin.send("PUT", PATH, json={name: wrong})
            assert answer.status_code == 422, (name, wrong)
    bodies: list[Any] = [
        {"surprise": 1},
        {"contact_days_per_week": 8},
        {"risk_recent_days": 91},
        {"risk_past_days": 366},
        {"risk_past_days": 29},
        {"risk_distant_days": 89},
        {"risk_recent_days": 60, "risk_past_days": 50, "risk_distant_days": 365},
        [],
    ]
    for body in bodies:
        answer = await world.admin.send("PUT", PATH, json=body)
        assert answer.status_code == 422, body
    assert ok(await world.admin.get(PATH)) == THRESHOLDS
    ages = {"risk_recent_days": 10, "risk_past_days": 10, "risk_distant_days": 10}
    assert await set_to(world, **ages) == {**THRESHOLDS, **ages}


async def test_a_new_threshold_acts_on_old_cases_at_the_next_read(world: World) -> None:
    for path in ("/v1/flags", "/v1/cases", "/v1/flagged-cases"):
        await set_to(world, exceptions=2)
        case = await world.clinician.case()
        await world.clinician.incident(case, "exception", exception="home_visit")
        assert case["id"] not in await flagged(world, path)
        await set_to(world, exceptions=1)
        assert case["id"] in await flagged(world, path), path
        assert await world.clinician.flags(case) == {"special_exceptions": "moderate"}
    await set_to(world, exceptions=2)
    case = await world.clinician.case()
    await world.clinician.incident(case, "exception", exception="home_visit")
    path = f"/v1/cases/{case['id']}"
    assert ok(await world.clinician.get(path))["flags"]["open"] == 0
    await set_to(world, exceptions=1)
    assert ok(await world.clinician.get(path))["flags"]["open"] == 1
    await set_to(world)
    # what a person has not looked at stays, and says that it no longer holds
    (flag,) = await world.clinician.flag_list(case, live=False)
    assert (flag["status"], flag["condition_holds"]) == ("open", False)
    assert ok(await world.supervisor.get(f"/v1/flags/{flag['id']}"))["condition_holds"] is False
    await set_to(world, exceptions=1)
    shown = ok(await world.supervisor.get(f"/v1/flags/{flag['id']}"))
    assert shown["condition_holds"] is True
    # no write did this
    assert ok(await world.clinician.get(path))["version"] == 1


async def test_a_threshold_set_back_withdraws_a_prompt(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "contact", client_messages_30d=5)
    assert await world.clinician.flags(case) == {}
    await set_to(world, client_messages=5)
    assert await world.clinician.flags(case) == {"agree_contact_limits": "info"}
    await set_to(world)
    assert await world.clinician.flags(case) == {}
    (prompt,) = await world.clinician.flag_list(case, live=False)
    assert prompt["status"] == "withdrawn"


async def test_one_clinics_thresholds_are_not_anothers(world: World) -> None:
    cases = {}
    for people in (world.here, world.there):
        case = await people["clinician"].case()
        await people["clinician"].incident(case, "exception", exception="home_visit")
        cases[people["clinician"].id] = case
    await set_to(world, exceptions=1)
    for people, expected in ((world.here, {"special_exceptions": "moderate"}), (world.there, {})):
        person = people["clinician"]
        assert await person.flags(cases[person.id]) == expected


async def test_a_new_time_zone_moves_midnight_at_the_next_read(world: World) -> None:
    case = await world.clinician.case()
    # six days ago at noon UTC; a week ago where it is tomorrow already
    await world.clinician.incident(case, "risk", on=-6, indicator="ambiguous_statement")
    assert await world.clinician.flags(case) == {"screen_distress": "info"}
    tomorrow = {"client_ref": "tomorrow", "started_on": world.day(1)}
    assert (await world.clinician.post("/v1/cases", tomorrow)).status_code == 422
    changed = ok(await world.admin.patch("/v1/clinic", {"time_zone": "Pacific/Kiritimati"}))
    assert (changed["time_zone"], changed["version"]) == ("Pacific/Kiritimati", 2)
    made(await world.clinician.post("/v1/cases", tomorrow))
    assert await world.supervisor.flags(case) == {"risk_unscreened": "moderate"}
    assert await world.clinician.flags(case) == {"risk_unscreened": "moderate"}


async def test_the_clinic_is_read_and_an_admin_changes_it(world: World) -> None:
    for part, person in world.here.items():
        answer = await person.get("/v1/clinic")
        assert answer.status_code == (403 if part == "consultant" else 200), part
        if part != "admin":
            refused = await person.patch("/v1/clinic", {"name": "Mine"}, 1)
            assert refused.status_code == 403, part
    clinic = ok(await world.admin.get("/v1/clinic"))
    assert (clinic["id"], clinic["time_zone"]) == (str(world.admin.clinic_id), "UTC")
    change = {"name": "Another Name"}
    assert (await world.admin.send("PATCH", "/v1/clinic", json=change)).status_code == 428
    answer = await world.admin.patch("/v1/clinic", change, 1)
    assert (ok(answer)["version"], answer.headers["etag"]) == (2, '"2"')
    assert (await world.admin.patch("/v1/clinic", change, 1)).status_code == 412
    for wrong in (
        {"name": ""},
        {"name": None},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "utc+1"},
        {"time_zone": None},
        {"time_zone": "../UTC"},
        {"surprise": 1},
    ):
        assert (await world.admin.patch("/v1/clinic", wrong)).status_code == 422, wrong
    shown = ok(await world.clinician.get("/v1/clinic"))
    assert (shown["name"], shown["time_zone"]) == ("Another Name", "UTC")
    assert ok(await world.there["admin"].get("/v1/clinic"))["name"] == "Fictional Clinic"


async def test_everyone_reads_the_rules_in_the_rulebooks_order(world: World) -> None:
    assert (len(RULES), len(PROMPTS)) == (40, 8)
    for person in world.here.values():
        page = ok(await person.get("/v1/rules"))
        assert [rule["rule"] for rule in page["items"]] == RULES + PROMPTS
        assert page["next"] is None
    audiences = [rule["audience"] for rule in page["items"]]
    assert audiences == ["supervisor"] * 40 + ["clinician"] * 8
    titles = {rule["rule"]: rule["title"] for rule in page["items"]}
    assert titles["disclosure_response"] == "How a disclosure was met"
    assert len(set(titles.values())) == 48
    (drift,) = (rule for rule in page["items"] if rule["rule"] == "frame_drift")
    assert drift["severity"] == "moderate."
    assert {each["threshold"]: each["value"] for each in drift["thresholds"]} == {
        "drift_departures": 4,
        "drift_days": 90,
    }
    assert all(
        rule["condition"] and rule["asks_about"] and rule["leaves_alone"] for rule in page["items"]
    )
    assert (await world.http.get("/v1/rules")).status_code == 401


async def test_everyone_reads_the_words(world: World) -> None:
    for person in world.here.values():
        words = ok(await person.get("/v1/vocabulary"))
    assert list(words["severity"]) == ["info", "low", "moderate", "high", "critical"]
    assert list(words["case_status"]) == ["active", "paused", "ended"]
    assert list(words["void_reason"]) == ["entered_in_error", "duplicate", "wrong_case"]
    assert list(words["rule"]) == RULES
    assert list(words["prompt"]) == PROMPTS
    assert words["client_impact"]["severe"] == "daily life badly disrupted"
    assert len(words["ending_reason"]) == 18
    assert len(words["determination"]) == 11
    assert all(text for each in words.values() for text in each.values())
    titles = {rule["rule"]: rule["title"] for rule in ok(await person.get("/v1/rules"))["items"]}
    assert titles == {**words["rule"], **words["prompt"]}
    assert (await world.http.get("/v1/vocabulary")).status_code == 401
