"""Sessions: seen and ended by whose they are, and what ends refuses every later request."""

from collections import Counter
from collections.abc import Awaitable, Callable

import anyio
import pytest

from tests.support.requests import refused, tolerant
from tests.support.signing_in import begin, entries_of, me_with, refresh
from tests.support.world import Person, World, ok

LATER = 250
"""Requests made after each kind of end: a thousand in all."""


async def ids_of(person: Person, **params: str) -> list[str]:
    items = ok(await person.get("/v1/sessions", **params))["items"]
    return [item["id"] for item in items]


async def test_somebody_sees_their_own_sessions_newest_first(world: World) -> None:
    me = world.clinician
    older, newer = await begin(world), await begin(world)
    headers = {"Authorization": f"Bearer {newer['access_token']}"}
    items = ok(await world.http.get("/v1/sessions", headers=headers))["items"]
    assert [item["is_current"] for item in items] == [True, False]
    assert {item["user_id"] for item in items} == {str(me.id)}
    assert items[0]["id"] > items[1]["id"]
    assert not {"refresh_hash", "former_refresh_hash", "network"} & items[0].keys()
    ok(await refresh(world, older["refresh_token"]))
    shown = await me.get(f"/v1/sessions/{items[1]['id']}")
    assert ok(shown)["refreshed_at"] is not None
    assert shown.headers["etag"] == '"2"'


async def test_what_has_ended_is_not_listed(world: World) -> None:
    me = world.clinician
    await begin(world)
    assert len(await ids_of(me)) == 2
    world.clock.forward(minutes=30)
    assert await ids_of(me) == [str(me.session_id)]


async def test_the_list_has_pages(world: World) -> None:
    for _ in range(3):
        await begin(world)
    first = ok(await world.clinician.get("/v1/sessions", limit=2))
    rest = ok(await world.clinician.get("/v1/sessions", limit=2, cursor=first["next"]))
    shown = [item["id"] for item in (*first["items"], *rest["items"])]
    assert shown == await ids_of(world.clinician)
    assert len(shown) == 4


async def test_an_admin_sees_and_ends_anybodys_here_and_nobody_else_does(world: World) -> None:
    me = tolerant(world).clinician
    pair = await begin(world)
    [session] = await ids_of(world.admin, user_id=str(me.id))
    path = f"/v1/sessions/{session}"
    for part, person in world.here.items():
        if part not in {"clinician", "admin"}:
            refused(await person.get("/v1/sessions", user_id=me.id), 403, why=part)
            refused(await person.get(path), 404, why=part)
            refused(await person.delete(path, version=1), 404, why=part)
    stranger = world.there["admin"]
    assert await ids_of(stranger, user_id=str(me.id)) == []
    refused(await stranger.get(path), 404)
    refused(await stranger.delete(path, version=1), 404)
    ok(await me_with(world, pair["access_token"]))
    assert (await world.admin.delete(path)).status_code == 204
    refused(await me_with(world, pair["access_token"]), 401)
    assert "session.ended" in await entries_of(world, world.admin)


async def test_ending_a_session_ends_it_and_no_other(world: World) -> None:
    me = tolerant(world).clinician
    lost, kept = await begin(world), await begin(world)
    _, _, session = await ids_of(me)
    path = f"/v1/sessions/{session}"
    refused(await me.send("DELETE", path), 428)
    refused(await me.delete(path, version=7), 412)
    assert (await me.delete(path)).status_code == 204
    refused(await me_with(world, lost["access_token"]), 401)
    refused(await refresh(world, lost["refresh_token"]), 400)
    ok(await me_with(world, kept["access_token"]))
    refused(await me.delete(path), 409)
    refused(await me.delete(path, version=1), 412)
    assert ok(await me.get(path))["revoked_at"] is not None


async def _sign_out(world: World, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    await world.http.post("/v1/auth/revoke", headers=headers)


async def _shut_out(world: World, token: str) -> None:
    ok(await world.admin.patch(f"/v1/users/{world.supervisor.id}", {"is_active": False}))


async def _change_role(world: World, token: str) -> None:
    ok(await world.admin.patch(f"/v1/users/{world.supervisor.id}", {"role": "consultant"}))


async def _end_link(world: World, token: str) -> None:
    [link] = ok(await world.supervisor.get("/v1/supervisions"))["items"]
    ends = {"ends_on": world.day()}
    ok(await world.admin.patch(f"/v1/supervisions/{link['id']}", ends))


@pytest.mark.parametrize(
    ("end", "status"),
    [(_sign_out, 401), (_shut_out, 401), (_change_role, 403), (_end_link, 404)],
)
async def test_what_ends_access_refuses_every_later_request(
    world: World, end: Callable[[World, str], Awaitable[None]], status: int
) -> None:
    case = await tolerant(world).clinician.case()
    token = (await begin(world, world.supervisor))["access_token"]
    sent = {"Authorization": f"Bearer {token}"}
    path = f"/v1/cases/{case['id']}"
    ok(await world.http.get(path, headers=sent))
    await end(world, token)
    answers: Counter[int] = Counter()

    async def ask() -> None:
        answers[(await world.http.get(path, headers=sent)).status_code] += 1

    for _ in range(LATER // 25):
        async with anyio.create_task_group() as tasks:
            for _ in range(25):
                tasks.start_soon(ask)
    assert answers == {status: LATER}


async def test_only_a_recent_sign_in_changes_who_may_what(world: World) -> None:
    tolerant(world)
    token = (await begin(world, world.admin))["access_token"]
    world.clock.forward(minutes=9)
    sent = {"Authorization": f"Bearer {token}"}
    path = f"/v1/users/{world.colleague.id}"
    body = {
        "name": "New",
        "email": f"new-{world.colleague.id.hex}@clinic.example",
        "role": "clinician",
        "password": "a long and fictional password",
    }
    made = await world.http.post("/v1/users", json=body, headers=sent)
    assert made.status_code == 201
    pair = await begin(world, world.admin)
    for _ in range(2):
        world.clock.forward(minutes=8)
        pair = ok(await refresh(world, pair["refresh_token"]))
    sent = {"Authorization": f"Bearer {pair['access_token']}"}
    version = (await world.http.get(path, headers=sent)).headers["etag"]
    sent["If-Match"] = version
    for method, where, content in (
        ("POST", "/v1/users", {**body, "email": f"x{body['email']}"}),
        ("PATCH", path, {"role": "supervisor"}),
        ("POST", f"{path}/password-reset", None),
        ("POST", "/v1/me/totp", None),
        ("DELETE", "/v1/me/totp", None),
    ):
        answer = await world.http.request(method, where, json=content, headers=sent)
        assert refused(answer, 403, why=where)["type"].endswith("sign-in-again")
    clinic = (await world.http.get("/v1/clinic", headers=sent)).headers["etag"]
    answer = await world.http.patch(
        "/v1/clinic", json={"requires_totp": True}, headers={**sent, "If-Match": clinic}
    )
    assert refused(answer, 403)["type"].endswith("sign-in-again")
    ok(await world.http.patch(path, json={"name": "Renamed"}, headers=sent))
