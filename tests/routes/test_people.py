"""People: users, roles, links that begin and end, and what each may know of themselves."""

from typing import Any
from uuid import UUID, uuid4

from tests.support.world import PASSWORD, Person, World, made, ok

NEW_PASSWORD = "another long and fictional password"


def somebody(**fields: Any) -> dict[str, Any]:
    """Write the body of a new user."""
    return {
        "name": "Fictional Person",
        "email": f"{uuid4().hex}@clinic.example",
        "role": "clinician",
        "password": PASSWORD,
        **fields,
    }


def link(world: World, supervisor: Person, clinician: Person, **dates: str) -> dict[str, Any]:
    """Write the body of a new supervision link."""
    return {
        "supervisor_id": str(supervisor.id),
        "clinician_id": str(clinician.id),
        "starts_on": world.day(),
        **dates,
    }


async def sign_in(world: World, **form: Any) -> int:
    """Try to sign in with a password."""
    body = {"grant_type": "password", "password": PASSWORD, **form}
    return (await world.http.post("/v1/auth/token", data=body)).status_code


async def the_link(world: World) -> str:
    """Give the path of the link between the clinician and her supervisor."""
    (only,) = ok(await world.admin.get("/v1/supervisions"))["items"]
    return f"/v1/supervisions/{only['id']}"


async def test_an_admin_makes_a_user_who_can_sign_in_at_once(world: World) -> None:
    for role in ("clinician", "supervisor", "consultant", "privacy_officer", "admin"):
        body = somebody(role=role)
        answer = await world.admin.post("/v1/users", body)
        user = made(answer)
        shown = {name: body[name] for name in ("name", "email", "role")}
        assert {name: user[name] for name in shown} == shown
        assert user["is_active"] is True
        assert user["recorded_by_id"] == str(world.admin.id)
        assert UUID(user["id"]).version == 7
        assert (user["version"], answer.headers["etag"]) == (1, '"1"')
        assert answer.headers["location"] == f"/v1/users/{user['id']}"
        assert "password" not in answer.text
        read = await world.admin.get(f"/v1/users/{user['id']}")
        assert (ok(read), read.headers["etag"]) == (user, '"1"')
    assert await sign_in(world, username=body["email"]) == 200
    assert await sign_in(world, username=body["email"].upper()) == 200
    assert await sign_in(world, username=body["email"], password=NEW_PASSWORD) == 400


async def test_a_user_that_makes_no_sense_is_refused(world: World) -> None:
    for wrong in (
        {"name": ""},
        {"name": None},
        {"email": "nobody"},
        {"email": None},
        {"role": "service"},
        {"role": "owner"},
        {"password": "fourteen chars"},
        {"password": "x" * 129},
        {"password": None},
        {"is_active": True},
        {"clinic_id": str(world.there["admin"].clinic_id)},
        {"surprise": 1},
    ):
        assert ok(await world.admin.post("/v1/users", somebody(**wrong)), 422)["errors"], wrong
    for missing in somebody():
        body = somebody()
        del body[missing]
        refused = ok(await world.admin.post("/v1/users", body), 422)
        assert [each["pointer"] for each in refused["errors"]] == [f"/{missing}"]
    assert len(ok(await world.admin.get("/v1/users"))["items"]) == 7


async def test_an_address_is_unique_in_a_clinic_alone(world: World) -> None:
    body = somebody()
    made(await world.admin.post("/v1/users", body))
    for same in (body["email"], body["email"].upper(), f" {body['email']} "):
        answer = await world.admin.post("/v1/users", somebody(email=same))
        assert answer.status_code == 409
        path = f"/v1/users/{world.colleague.id}"
        assert (await world.admin.patch(path, {"email": same})).status_code == 409
    made(await world.there["admin"].post("/v1/users", body))
    # known in two clinics: which one is meant must be said
    assert await sign_in(world, username=body["email"]) == 400
    clinic = str(world.admin.clinic_id)
    assert await sign_in(world, username=body["email"], clinic=clinic) == 200


async def test_an_admin_changes_name_address_and_role(world: World) -> None:
    path = f"/v1/users/{world.colleague.id}"
    body = {"name": "Another Name", "email": f"{uuid4().hex}@clinic.example"}
    answer = await world.admin.patch(path, body)
    changed = ok(answer)
    assert {name: changed[name] for name in body} == body
    assert (changed["version"], answer.headers["etag"]) == (2, '"2"')
    assert changed["role"] == "clinician"
    assert (await world.admin.send("PATCH", path, json={"name": "X"})).status_code == 428
    assert (await world.admin.patch(path, {"name": "X"}, 1)).status_code == 412
    for wrong in (
        {"name": None},
        {"role": None},
        {"role": "service"},
        {"is_active": None},
        {"password": NEW_PASSWORD},
        {"surprise": 1},
    ):
        assert (await world.admin.patch(path, wrong)).status_code == 422, wrong
    assert ok(await world.admin.get(path)) == changed
    assert (await world.admin.patch(f"/v1/users/{uuid4()}", body, 1)).status_code == 404
    there = world.there["clinician"].id
    assert (await world.admin.patch(f"/v1/users/{there}", body, 1)).status_code == 404


async def test_nobody_changes_their_own_role(world: World) -> None:
    path = f"/v1/users/{world.admin.id}"
    for role in ("clinician", "supervisor", "privacy_officer", "admin"):
        body = {"role": role}
        assert (await world.admin.patch(path, body)).status_code == 403
        assert (await world.admin.patch(path, {**body, "name": "X"})).status_code == 403
    assert (await world.admin.patch(path, {"is_active": False})).status_code == 403
    assert ok(await world.admin.patch(path, {"name": "X"}))["name"] == "X"
    for part in ("clinician", "supervisor", "consultant", "privacy_officer"):
        person = world.here[part]
        own = f"/v1/users/{person.id}"
        assert (await person.patch(own, {"role": "admin"})).status_code == 403
        assert ok(await person.get(own))["role"] == part


async def test_a_changed_role_acts_on_the_next_request(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}"
    user = f"/v1/users/{world.supervisor.id}"
    ok(await world.supervisor.get(path))
    for role, status in (
        ("clinician", 404),
        ("consultant", 403),
        ("privacy_officer", 403),
        ("admin", 403),
        ("supervisor", 200),
    ):
        ok(await world.admin.patch(user, {"role": role}))
        assert (await world.supervisor.get(path)).status_code == status, role
        queue = await world.supervisor.get("/v1/flagged-cases")
        assert queue.status_code == (200 if role == "supervisor" else 403)
        users = await world.supervisor.get("/v1/users")
        assert users.status_code == (200 if role in {"privacy_officer", "admin"} else 403)
        assert ok(await world.supervisor.get("/v1/me"))["role"] == role
        assert ok(await world.supervisor.get(user))["role"] == role


async def test_who_is_let_in_no_more_is_out_at_once(world: World) -> None:
    user = f"/v1/users/{world.supervisor.id}"
    email = world.supervisor.email
    ok(await world.supervisor.get("/v1/cases"))
    ok(await world.admin.patch(user, {"is_active": False}))
    assert (await world.supervisor.get("/v1/cases")).status_code == 401
    assert (await world.supervisor.get("/v1/me")).status_code == 401
    assert await sign_in(world, username=email) == 400
    assert ok(await world.admin.get(user))["is_active"] is False
    ok(await world.admin.patch(user, {"is_active": True}))
    # the old session has ended; a new one begins
    assert (await world.supervisor.get("/v1/me")).status_code == 401
    assert await sign_in(world, username=email) == 200


async def test_admins_and_the_privacy_officer_read_the_users_of_their_clinic(world: World) -> None:
    officer = world.here["privacy_officer"]
    for person in (world.admin, officer):
        shown = ok(await person.get("/v1/users"))["items"]
        assert {user["id"] for user in shown} == {str(p.id) for p in world.here.values()}
        for user in shown:
            assert ok(await person.get(f"/v1/users/{user['id']}")) == user
        for foreign in (world.there["clinician"].id, uuid4()):
            assert (await person.get(f"/v1/users/{foreign}")).status_code == 404
    path = f"/v1/users/{world.clinician.id}"
    assert (await officer.post("/v1/users", somebody())).status_code == 403
    assert (await officer.patch(path, {"name": "X"})).status_code == 403


async def test_everyone_else_reads_only_themselves(world: World) -> None:
    for part in ("clinician", "colleague", "supervisor", "stranger", "consultant"):
        person = world.here[part]
        own = ok(await person.get(f"/v1/users/{person.id}"))
        assert (own["id"], own["email"]) == (str(person.id), person.email)
        assert (await person.get("/v1/users")).status_code == 403
        assert (await person.post("/v1/users", somebody())).status_code == 403
        unknown = (await person.get(f"/v1/users/{uuid4()}")).status_code
        for other in (world.admin.id, world.there[part].id):
            assert (await person.get(f"/v1/users/{other}")).status_code == unknown


async def test_a_user_one_may_not_read_is_as_one_that_does_not_exist(world: World) -> None:
    """`GET /users/{id}` is open to every role for the own user: another's is a 404."""
    for part in ("clinician", "supervisor", "consultant"):
        answer = await world.here[part].get(f"/v1/users/{world.admin.id}")
        assert answer.status_code == 404, part


async def test_me_is_yourself_your_clinic_and_your_links(world: World) -> None:
    for part, person in world.here.items():
        answer = await person.get("/v1/me")
        me = ok(answer)
        assert (me["id"], me["email"], me["role"]) == (str(person.id), person.email, person.role)
        assert me["clinic"]["id"] == str(person.clinic_id)
        linked = part in {"clinician", "supervisor"}
        assert len(me["supervisions"]) == linked
        if linked:
            (shown,) = me["supervisions"]
            assert shown["supervisor_id"] == str(world.supervisor.id)
            assert shown["clinician_id"] == str(world.clinician.id)
        assert answer.headers["etag"] == f'"{me["version"]}"'


async def test_a_password_is_changed_with_the_one_you_have(world: World) -> None:
    me = world.clinician
    body = {"current_password": PASSWORD, "password": NEW_PASSWORD}
    assert (await me.send("PATCH", "/v1/me", json=body)).status_code == 428
    for wrong in (
        {"password": NEW_PASSWORD},
        {"current_password": PASSWORD},
        {**body, "password": "short"},
        {**body, "role": "admin"},
        {**body, "name": "X"},
    ):
        assert (await me.patch("/v1/me", wrong)).status_code == 422, wrong
    not_mine = {**body, "current_password": NEW_PASSWORD}
    assert (await me.patch("/v1/me", not_mine)).status_code == 403
    assert await sign_in(world, username=me.email) == 200
    assert ok(await me.patch("/v1/me", body))["version"] == 2
    assert await sign_in(world, username=me.email) == 400
    assert await sign_in(world, username=me.email, password=NEW_PASSWORD) == 200
    ok(await me.get("/v1/me"))


async def test_an_admin_links_a_supervisor_to_a_clinician(world: World) -> None:
    body = link(world, world.stranger, world.colleague, ends_on=world.day(30))
    answer = await world.admin.post("/v1/supervisions", body)
    row = made(answer)
    assert {name: row[name] for name in body} == body
    path = answer.headers["location"]
    assert path == f"/v1/supervisions/{row['id']}"
    assert (row["version"], answer.headers["etag"]) == (1, '"1"')
    assert row["recorded_by_id"] == str(world.admin.id)
    for person in (world.admin, world.here["privacy_officer"], world.stranger, world.colleague):
        assert ok(await person.get(path)) == row
        assert row in ok(await person.get("/v1/supervisions"))["items"]
    for person in (world.clinician, world.supervisor, world.here["consultant"]):
        assert (await person.get(path)).status_code == 404
        assert row not in ok(await person.get("/v1/supervisions"))["items"]
    assert (await world.there["admin"].get(path)).status_code == 404
    assert (await world.admin.post("/v1/supervisions", body)).status_code == 409


async def test_a_link_that_makes_no_sense_is_refused(world: World) -> None:
    for body in (
        link(world, world.stranger, world.stranger),
        link(world, world.colleague, world.clinician),
        link(world, world.stranger, world.here["consultant"]),
        link(world, world.stranger, world.here["admin"]),
        link(world, world.stranger, world.there["clinician"]),
        link(world, world.there["supervisor"], world.colleague),
        link(world, world.stranger, world.colleague, ends_on=world.day(-1)),
        link(world, world.stranger, world.colleague, starts_on="soon"),
        {"supervisor_id": str(world.stranger.id), "clinician_id": str(world.colleague.id)},
        {**link(world, world.stranger, world.colleague), "surprise": 1},
    ):
        assert ok(await world.admin.post("/v1/supervisions", body), 422)["errors"], body
    body = link(world, world.stranger, world.colleague)
    for part in ("clinician", "supervisor", "stranger", "consultant", "privacy_officer"):
        assert (await world.here[part].post("/v1/supervisions", body)).status_code == 403


async def test_a_link_counts_from_its_first_day(world: World) -> None:
    case = await world.colleague.case()
    path = f"/v1/cases/{case['id']}"
    made(
        await world.admin.post(
            "/v1/supervisions",
            link(world, world.stranger, world.colleague, starts_on=world.day(1)),
        )
    )
    assert (await world.stranger.get(path)).status_code == 404
    assert await world.stranger.queue() == []
    world.clock.forward(hours=11, minutes=59)
    assert (await world.stranger.get(path)).status_code == 404
    world.clock.forward(minutes=1)  # midnight
    ok(await world.stranger.get(path))


async def test_a_link_that_begins_today_reads_today(world: World) -> None:
    case = await world.colleague.case()
    await world.colleague.incident(case, "hurtful_words")
    path = f"/v1/cases/{case['id']}"
    assert (await world.stranger.get(path)).status_code == 404
    made(await world.admin.post("/v1/supervisions", link(world, world.stranger, world.colleague)))
    ok(await world.stranger.get(path))
    (item,) = await world.stranger.queue()
    assert item["case"]["id"] == case["id"]


async def test_an_ended_link_stops_reading_at_once(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words")
    (flag,) = report["flags_raised"]
    row = await the_link(world)
    paths = [f"/v1/cases/{case['id']}", f"/v1/incidents/{report['id']}", f"/v1/flags/{flag['id']}"]

    async def reads() -> bool:
        statuses = {(await world.supervisor.get(path)).status_code for path in paths}
        lists = ("cases", "incidents", "flags", "flagged-cases")
        shown = [ok(await world.supervisor.get(f"/v1/{each}"))["items"] for each in lists]
        assert len({bool(items) for items in shown} | {statuses == {200}}) == 1
        return statuses == {200}

    assert await reads()
    for ends_on, still in ((world.day(1), True), (world.day(), False), (None, True)):
        changed = ok(await world.admin.patch(row, {"ends_on": ends_on}))
        assert changed["ends_on"] == ends_on
        assert await reads() is still, ends_on
    assert (await world.admin.send("DELETE", row)).status_code == 428
    assert (await world.admin.delete(row, 1)).status_code == 412
    assert (await world.admin.delete(row)).status_code == 204
    assert not await reads()
    kept = ok(await world.admin.get(row))
    assert (kept["ends_on"], kept["version"]) == (world.day(), 5)
    # its end tomorrow is the last day it does not hold
    ok(await world.admin.patch(row, {"ends_on": world.day(1)}))
    assert await reads()
    world.clock.forward(hours=12)
    assert not await reads()


async def test_a_link_is_changed_by_an_admin_alone(world: World) -> None:
    row = await the_link(world)
    for part in ("clinician", "supervisor", "stranger", "consultant", "privacy_officer"):
        person = world.here[part]
        assert (await person.patch(row, {"ends_on": world.day()}, 1)).status_code == 403
        assert (await person.delete(row, 1)).status_code == 403
    assert (await world.there["admin"].patch(row, {"ends_on": None}, 1)).status_code == 404
    assert (await world.there["admin"].delete(row, 1)).status_code == 404
    long_before = world.day(-366)
    for wrong in ({}, {"ends_on": long_before}, {"starts_on": world.day()}, {"ends_on": 1}):
        assert (await world.admin.patch(row, wrong)).status_code == 422, wrong
    assert ok(await world.admin.get(row))["version"] == 1


async def test_a_link_may_begin_again_after_it_ended(world: World) -> None:
    row = await the_link(world)
    body = link(world, world.supervisor, world.clinician)
    assert (await world.admin.post("/v1/supervisions", body)).status_code == 409
    assert (await world.admin.delete(row)).status_code == 204
    made(await world.admin.post("/v1/supervisions", body))
    case = await world.clinician.case()
    ok(await world.supervisor.get(f"/v1/cases/{case['id']}"))
