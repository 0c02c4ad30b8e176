"""Who does what with what a client said at their door: readers, guardians, the therapist."""

from collections.abc import Mapping
from typing import Any

from httpx import Response

from tests.support.door import AtDoor, at_the_door, enter
from tests.support.world import Person, World, made, ok

LATER_WORDS = "And it has happened again since."
CLOSING = {"determination": "benign_crossing", "note": "It was looked at."}
WHY = {"reason": "There is a danger to somebody's life."}


async def lines(person: Person, case: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what somebody is listed of what was said at the door of a case."""
    answer = await person.get(f"/v1/cases/{case['id']}/accounts", limit=100)
    items: list[dict[str, Any]] = [] if answer.status_code == 404 else ok(answer)["items"]
    across = ok(await person.get("/v1/accounts", limit=100))["items"]
    ours = [each for each in across if each["case_id"] == case["id"]]
    is_own = any("shared_on" in each for each in items)
    assert is_own or ours == items
    return items


async def account_id_of(person: Person, case: dict[str, Any]) -> str:
    """Give the id of the one account that somebody is listed on a case."""
    (line,) = await lines(person, case)
    found: str = line["id"]
    return found


async def opened(person: Person, account_id: str) -> dict[str, Any]:
    """Read one account."""
    return ok(await person.get(f"/v1/accounts/{account_id}"))


async def reads(person: Person, case: dict[str, Any]) -> dict[str, Any]:
    """Read the one account that somebody is listed on a case."""
    return await opened(person, await account_id_of(person, case))


async def replies(person: Person, account_id: str, words: str = "Thank you.") -> Response:
    """Answer an account."""
    return await person.post(f"/v1/accounts/{account_id}/reply", {"reply": words})


async def closes(person: Person, account_id: str) -> Response:
    """Say what came of an account."""
    return await person.post(f"/v1/accounts/{account_id}/close", CLOSING)


async def is_nothing_to(person: Person, account_id: str) -> bool:
    """Tell whether an account does not exist for somebody, whatever they try."""
    path = f"/v1/accounts/{account_id}"
    tries = [
        await person.get(path),
        await replies(person, account_id),
        await closes(person, account_id),
        await person.post(f"{path}/told", WHY),
        await person.post(f"{path}/step-out", WHY),
    ]
    statuses = {each.status_code for each in tries}
    # whose role never reads one is told so of every id
    return statuses in ({404}, {403}, {403, 404})


async def by_receipt(client: AtDoor, **fields: Any) -> tuple[AtDoor, str]:
    """Say something by a code, and come again by the receipt of it."""
    sent = await client.says(**fields)
    return await enter(client.world, receipt=sent["receipt"]), sent["receipt"]


async def said(world: World, **fields: Any) -> tuple[dict[str, Any], AtDoor]:
    """Give a case of the clinician's, and its client, who said something, by their receipt."""
    case, client = await at_the_door(world)
    came, _ = await by_receipt(client, **fields)
    return case, came


async def who_reads(client: AtDoor) -> dict[str, Any]:
    """Ask at the door who reads what is sent."""
    return ok(await client.send("GET", "/who-reads"))


async def recused(world: World, person: Person, case: dict[str, Any]) -> None:
    """Keep somebody away from a case."""
    made(await world.admin.post(f"/v1/cases/{case['id']}/recusals", {"user_id": str(person.id)}))


async def answered(client: AtDoor, answers: Mapping[str, Any], status: int = 201) -> dict[str, Any]:
    """Look back: answer some items of what every clinic has."""
    told = [{"link_id": name, "value": value} for name, value in answers.items()]
    return ok(await client.send("POST", "/responses", {"answers": told}), status)
