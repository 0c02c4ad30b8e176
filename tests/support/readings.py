"""What a test reads back, in one line."""

from typing import Any

from tests.support.world import Person, ok


async def months(person: Person, **asked: Any) -> dict[str, dict[str, tuple[int, int]]]:
    """Read month → rule → flags and cases."""
    shown = ok(await person.get("/v1/patterns", **asked))
    return {
        month["month"]: {each["rule"]: (each["flags"], each["cases"]) for each in month["rules"]}
        for month in shown["months"]
    }


async def timeline(person: Person, case: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the timeline, the oldest first."""
    page = ok(await person.get(f"/v1/cases/{case['id']}/timeline", limit=100))
    assert page["next"] is None
    return list(reversed(page["items"]))


async def happenings(person: Person, case: dict[str, Any]) -> list[str]:
    """Give what happened, the oldest first."""
    return [item["happening"] for item in await timeline(person, case)]
