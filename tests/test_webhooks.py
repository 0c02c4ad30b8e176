"""Webhooks."""

from api.public_addresses import Destinations
from api.worker import deliver_once
from tests.world import World, made, ok


async def test_smoke(world: World) -> None:
    world.app.state.destinations = Destinations(["127.0.0.1:9"])
    body = {"name": "Diary", "url": "http://127.0.0.1:9/x", "events": ["case.*", "flag.opened"]}
    hook = made(await world.admin.post("/v1/webhooks", body))
    print(hook)
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    shown = ok(await world.admin.get(f"/v1/webhooks/{hook['id']}/deliveries"))
    print(shown)
    assert len(shown["items"]) == 2
    print(await deliver_once(world.database, world.app.state.destinations))
    print(ok(await world.admin.get(f"/v1/webhooks/{hook['id']}/deliveries")))
