"""What time alone changes, with no write and no worker in between."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.commands.worker import catch_up_clinic, catch_up_once
from tests.support.flags import acknowledge, resolve, the_flag
from tests.support.world import Person, World, incident, made, ok, promise


async def test_a_promise_due_in_three_days_is_flagged_eleven_days_later(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.promise(case, due_on=world.day(3))
    assert await world.supervisor.queue() == []
    world.clock.forward(days=10)
    assert await world.supervisor.queue() == []
    world.clock.forward(days=1)
    (item,) = await world.supervisor.queue()
    (flag,) = item["flags"]
    assert (flag["rule"], flag["severity"]) == ("promise_broken", "moderate")
    assert flag["effective_at"] == "2026-03-13T00:00:00Z", "the midnight at which it came true"
    assert flag["due_at"] == "2026-03-20T00:00:00Z"


async def test_a_kept_promise_is_never_flagged(world: World) -> None:
    case = await world.clinician.case()
    kept = await world.clinician.promise(case, due_on=world.day(3))
    ok(await world.clinician.patch(f"/v1/promises/{kept['id']}", {"state": "kept"}))
    for _ in range(12):
        world.clock.forward(days=10)
        assert await world.supervisor.queue() == []


@pytest.mark.parametrize(
    "path",
    ["/v1/flags", "/v1/flagged-cases", "/v1/cases", "/v1/cases/{id}", "/v1/cases/{id}/flags"],
)
async def test_whatever_shows_flags_first_catches_up(world: World, path: str) -> None:
    case = await world.clinician.case()
    await world.clinician.promise(case, due_on=world.day(3))
    world.clock.forward(days=11)
    shown = ok(await world.supervisor.get(path.format(id=case["id"])))
    assert "promise_broken" in str(shown) or "'open': 1" in str(shown)


async def test_an_uncovered_absence_becomes_critical_and_comes_back_if_it_was_resolved(
    world: World,
) -> None:
    case = await world.clinician.case()
    away = {"absence": "parental_leave", "days": 20, "coverage": False, "returned": False}
    await world.clinician.incident(case, "absence", on=-15, return_due_on=world.day(5), **away)
    assert await world.supervisor.flags(case) == {"absence_uncovered": "moderate"}
    old = await resolve(world, case, "absence_uncovered")
    world.clock.forward(days=12)
    assert await world.supervisor.flags(case) == {}
    world.clock.forward(days=1)
    assert await world.supervisor.flags(case) == {"absence_uncovered": "critical"}
    new = await the_flag(world.supervisor, case, "absence_uncovered")
    assert new["id"] != old["id"]
    assert new["effective_at"] == "2026-03-15T00:00:00Z"


async def test_an_open_absence_flag_grows_critical_in_place(world: World) -> None:
    case = await world.clinician.case()
    away = {"absence": "illness", "days": 20, "coverage": False, "returned": False}
    await world.clinician.incident(case, "absence", on=-15, return_due_on=world.day(5), **away)
    before = await acknowledge(world, case, "absence_uncovered")
    world.clock.forward(days=13)
    after = await the_flag(world.supervisor, case, "absence_uncovered")
    assert (after["id"], after["severity"], after["status"]) == (before["id"], "critical", "open")
    assert after["due_at"] == before["due_at"], "seven days from the start came sooner"


async def test_a_grave_flag_nobody_looks_at_asks_who_looks_on_day_fourteen(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words", repeated=True)
    world.clock.forward(days=13, hours=23, minutes=59)
    assert await world.supervisor.flags(case) == {"hurtful_words": "high"}
    world.clock.forward(minutes=1)
    flags = await world.supervisor.flags(case)
    assert flags == {"hurtful_words": "high", "no_oversight": "moderate"}
    waiting = await the_flag(world.supervisor, case, "hurtful_words")
    asking = await the_flag(world.supervisor, case, "no_oversight")
    assert asking["evidence"] == [{"type": "flag", "id": waiting["id"]}]


async def test_a_look_or_a_question_to_a_colleague_keeps_oversight_quiet(world: World) -> None:
    looked_at, asked_about = await world.clinician.case(), await world.clinician.case()
    for case in (looked_at, asked_about):
        await world.clinician.incident(case, "hurtful_words", repeated=True)
    await acknowledge(world, looked_at, "hurtful_words")
    question = {"kind": "legal_risk", "urgency": "routine", "question": "What do you see?"}
    draft = made(
        await world.clinician.post(f"/v1/cases/{asked_about['id']}/consultations", question)
    )
    ok(await world.clinician.post(f"/v1/consultations/{draft['id']}/request"))
    world.clock.forward(days=20)
    for case in (looked_at, asked_about):
        assert await world.supervisor.flags(case) == {"hurtful_words": "high"}


async def test_one_long_look_away_finds_what_many_looks_would_have_found(world: World) -> None:
    """A flag raised by time may itself, by time, raise another before anyone has looked."""
    case = await world.clinician.case()
    away = {"absence": "other", "days": 3, "coverage": True, "returned": False}
    await world.clinician.incident(case, "absence", on=-3, return_due_on=world.day(0), **away)
    world.clock.forward(days=60)
    flags = {flag["rule"]: flag for flag in await world.supervisor.flag_list(case)}
    assert flags["absence_uncovered"]["effective_at"] == "2026-03-10T00:00:00Z"
    assert flags["no_oversight"]["effective_at"] == "2026-03-24T00:00:00Z"


async def test_time_alone_never_makes_light_of_what_nobody_looked_at(world: World) -> None:
    unseen, seen = await world.clinician.case(), await world.clinician.case()
    for case in (seen, unseen):
        told = await world.clinician.incident(
            case, "risk", initiator="client", on=0, indicator="suicide_attempt"
        )
    await acknowledge(world, seen, "client_safety")
    world.clock.forward(days=31)
    assert (await world.supervisor.flags(unseen))["client_safety"] == "critical"
    assert (await world.supervisor.flags(seen))["client_safety"] == "high"
    world.clock.forward(days=60)
    assert (await world.supervisor.flags(seen))["client_safety"] == "moderate"
    await world.clinician.incident(unseen, "expression", by="client")
    assert (await world.supervisor.flags(unseen))["client_safety"] == "critical", "nor other writes"
    path = f"/v1/incidents/{told['id']}"
    ok(await world.clinician.patch(path, {"narrative": "He has told more of that night."}))
    assert (await world.supervisor.flags(unseen))["client_safety"] == "moderate", "its record may"
    world.clock.forward(days=300)
    assert "client_safety" not in await world.supervisor.flags(seen), "a year makes it history"
    assert (await the_flag(world.supervisor, seen, "client_safety"))["status"] == "acknowledged"


async def test_words_not_asked_about_turn_from_a_prompt_into_a_flag_on_day_seven(
    world: World,
) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "risk", on=0, indicator="ambiguous_statement")
    assert await world.clinician.flags(case) == {"screen_distress": "info"}
    world.clock.forward(days=6)
    assert await world.clinician.flags(case) == {"screen_distress": "info"}
    world.clock.forward(days=1)
    assert await world.clinician.flags(case) == {"risk_unscreened": "moderate"}


@pytest.mark.parametrize(
    ("time_zone", "midnight"),
    [
        ("Asia/Tokyo", datetime(2026, 3, 12, 15, tzinfo=UTC)),
        ("America/Los_Angeles", datetime(2026, 3, 13, 7, tzinfo=UTC)),
    ],
)
async def test_each_clinic_has_its_own_midnight(
    world: World, time_zone: str, midnight: datetime
) -> None:
    people = await world.clinic(time_zone)
    case = await people["clinician"].case()
    await people["clinician"].promise(case, due_on="2026-03-05")
    world.clock.now = midnight - timedelta(seconds=1)
    assert await people["supervisor"].queue() == []
    world.clock.now = midnight
    (item,) = await people["supervisor"].queue()
    assert item["flags"][0]["effective_at"] == midnight.isoformat().replace("+00:00", "Z")


async def test_today_is_a_day_of_the_clinic(world: World) -> None:
    people = await world.clinic("Asia/Tokyo")
    case = await people["clinician"].case()
    world.clock.now = datetime(2026, 3, 2, 16, tzinfo=UTC)
    in_tokyo = incident("crossing", world, area="time", occurred_on="2026-03-03")
    path = "/v1/cases/{}/incidents"
    made(await people["clinician"].post(path.format(case["id"]), in_tokyo))
    here = await world.clinician.case()
    refused = await world.clinician.post(path.format(here["id"]), in_tokyo)
    assert refused.status_code == 422


async def test_a_new_time_zone_moves_the_midnights_that_are_waited_for(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.promise(case, due_on="2026-03-05")
    ok(await world.admin.patch("/v1/clinic", {"time_zone": "Pacific/Auckland"}))
    world.clock.now = datetime(2026, 3, 12, 11, tzinfo=UTC)
    assert await world.supervisor.flags(case) == {"promise_broken": "moderate"}


async def test_the_worker_finds_the_same_as_the_reader(world: World) -> None:
    read_late = await _a_busy_case(world, world.clinician)
    there = world.there["clinician"]
    worked_daily = await _a_busy_case(world, there)
    for _ in range(70):
        world.clock.forward(days=1)
        await catch_up_clinic(world.database, there.clinic_id)
    late = await _story(world.supervisor, read_late)
    daily = await _story(world.there["supervisor"], worked_daily)
    assert late == daily
    assert {"promise_broken", "absence_uncovered", "client_safety", "no_oversight"} <= {
        flag[0] for flag in late
    }


async def test_the_worker_looks_after_every_clinic_once(world: World) -> None:
    for person in (world.clinician, world.there["clinician"]):
        case = await person.case()
        made(
            await person.post(
                f"/v1/cases/{case['id']}/promises", promise(world, due_on=world.day(3))
            )
        )
    world.clock.forward(days=11)
    assert await catch_up_once(world.database) >= 2
    assert await catch_up_once(world.database) == 0


async def _a_busy_case(world: World, person: Person) -> dict[str, Any]:
    case = await person.case()
    made(await person.post(f"/v1/cases/{case['id']}/promises", promise(world, due_on=world.day(3))))
    away = {"absence": "illness", "days": 20, "coverage": False, "returned": False}
    await person.incident(case, "absence", on=-15, return_due_on=world.day(5), **away)
    await person.incident(case, "risk", on=0, indicator="hospitalisation")
    await person.incident(case, "risk", on=0, indicator="ambiguous_statement")
    await person.incident(case, "record_request", on=-10, request="access")
    return case


async def _story(
    person: Person, case: dict[str, Any]
) -> set[tuple[str, str, str, str | None, str]]:
    return {
        (flag["rule"], flag["severity"], flag["effective_at"], flag["due_at"], flag["status"])
        for flag in await person.flag_list(case, live=False)
    }
