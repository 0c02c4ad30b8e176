"""A clinic's day in one test."""

from tests.support.world import World, ok


async def test_a_report_reaches_the_supervisors_queue(world: World) -> None:
    case = await world.clinician.case(started_on=world.day(-100))
    report = await world.clinician.incident(
        case, "hurtful_words", narrative="what was said", repeated=True
    )
    assert [flag["rule"] for flag in report["flags_raised"]] == ["hurtful_words"]
    (item,) = await world.supervisor.queue()
    assert (item["case"]["id"], item["top_severity"]) == (case["id"], "high")
    (flag,) = item["flags"]
    resolved = await world.supervisor.post(
        f"/v1/flags/{flag['id']}/resolve",
        {"determination": "crossing_needs_repair", "resolution_note": "talked over"},
    )
    assert ok(resolved)["status"] == "resolved"
    assert await world.supervisor.queue() == []
    assert await world.there["supervisor"].queue() == []
