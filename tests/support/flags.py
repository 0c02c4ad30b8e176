"""What supervisors do with a flag."""

from typing import Any
from uuid import uuid4

from tests.support.world import Person, World, ok

RESOLUTION = {"determination": "benign_crossing", "resolution_note": "looked at together"}


async def the_flag(person: Person, case: dict[str, Any], rule: str) -> dict[str, Any]:
    """Give the newest flag of a rule on a case."""
    found = [flag for flag in await person.flag_list(case, live=False) if flag["rule"] == rule]
    assert found, f"no flag of {rule}"
    return found[0]


async def resolve(world: World, case: dict[str, Any], rule: str) -> dict[str, Any]:
    """Let the supervisor resolve the newest flag of a rule."""
    flag = await the_flag(world.supervisor, case, rule)
    return ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", RESOLUTION))


async def acknowledge(world: World, case: dict[str, Any], rule: str) -> dict[str, Any]:
    """Let the supervisor acknowledge the newest flag of a rule."""
    flag = await the_flag(world.supervisor, case, rule)
    return ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/acknowledge"))


CANARY = "canary"


async def flagged(by: Person, **fields: Any) -> str:
    """Open a case of somebody's with one flag for supervisors; give its id."""
    case = await by.case(client_ref=f"{CANARY} {uuid4()}")
    body = {"initiator": "institution", "narrative": CANARY, **fields}
    report = await by.incident(case, "hurtful_words", **body)
    assert report["flags_raised"]
    case_id: str = case["id"]
    return case_id
