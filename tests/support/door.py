"""A clinic with an open door, and somebody at it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from httpx import Response

from api.domain.vocabulary import Role
from tests.support.world import Person, World, made, ok

TEXTS = {
    "door_emergency_text": {"en": "Call the emergency number of where you are."},
    "door_duty_text": {"en": "A danger to somebody's life may have to be passed on."},
    "door_elsewhere_text": {"en": "The patients' office of the town."},
    "door_leave_to": "https://weather.example/",
}
"""All that a clinic has to say before anybody is invited."""


@dataclass
class AtDoor:
    """Somebody at the door, with the token of their visit."""

    world: World
    token: str

    async def send(self, method: str, path: str, body: Any = None) -> Response:
        """Send one request in the visit."""
        headers = {"Authorization": f"Bearer {self.token}"}
        sent: dict[str, Any] = {} if body is None else {"json": body}
        return await self.world.http.request(method, f"/door/v1{path}", headers=headers, **sent)

    async def says(self, **fields: Any) -> dict[str, Any]:
        """Say what happened."""
        return made(await self.send("POST", "/accounts", account(**fields)))

    async def mine(self) -> list[dict[str, Any]]:
        """Read what was sent by this receipt."""
        items: list[dict[str, Any]] = ok(await self.send("GET", "/mine"))["items"]
        return items


@dataclass
class Visitor(Person):
    """Somebody at a door who asks by whole paths, as staff do: with the token of their visit."""

    token: str = ""

    async def send(self, method: str, path: str, **options: Any) -> Response:
        """Send one request in the visit."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return await self.world.http.request(method, path, headers=headers, **options)

    async def says(self, **fields: Any) -> dict[str, Any]:
        """Say what happened."""
        return made(await self.post("/door/v1/accounts", account(**fields)))


async def visitor(world: World, clinic_id: UUID, **secret: str) -> Visitor:
    """Open the door of a clinic by a code or a receipt; nobody here has a role, or an address."""
    token = made(await knock(world, **secret))["token"]
    return Visitor(world, clinic_id, uuid4(), Role.service, "", uuid4(), token)


def account(**fields: Any) -> dict[str, Any]:
    """Give an account, plain but for some fields."""
    return {"happened": "He said that he would always be there.", **fields}


async def open_door(world: World, admin: Person | None = None, **settings: Any) -> None:
    """Let a clinic set all that is told at its door."""
    ok(await (admin or world.admin).patch("/v1/clinic", {**TEXTS, **settings}))


async def invite(maker: Person, case: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Invite to the door of a case."""
    return made(await maker.post(f"/v1/cases/{case['id']}/invitations", fields))


async def knock(world: World, **secret: str) -> Response:
    """Show a code or a receipt at the door."""
    return await world.http.post("/door/v1/session", json=secret)


async def enter(world: World, **secret: str) -> AtDoor:
    """Open the door by a code or a receipt."""
    return AtDoor(world, made(await knock(world, **secret))["token"])


async def at_the_door(world: World, **case: Any) -> tuple[dict[str, Any], AtDoor]:
    """Give a case of the clinician's, and its client at the door by a code."""
    await open_door(world)
    opened = await world.clinician.case(**case)
    invited = await invite(world.clinician, opened)
    return opened, await enter(world, code=invited["code"])
