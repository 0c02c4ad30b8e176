"""Service accounts: clinic software, its secrets, and what each scope opens."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import col, select

from api.domain.vocabulary import Scope
from api.storage.models.journal import JournalEntry
from api.storage.models.people import ServiceSecret, SignIn
from tests.support.cases import full_case
from tests.support.scopes import OPENS
from tests.support.world import PASSWORD, Person, World, incident, made, ok, promise, software

ACCOUNTS = "/v1/service-accounts"
BODY = {"name": "Booking", "scopes": ["cases:read"]}
ASKED = {"kind": "ethics", "urgency": "routine", "question": "what do you see"}


async def created(world: World, **fields: Any) -> dict[str, Any]:
    """Create a service account as the admin."""
    return made(await world.admin.post(ACCOUNTS, {**BODY, **fields}))


def path_of(account: dict[str, Any]) -> str:
    """Give the path of an account."""
    return f"{ACCOUNTS}/{account['id']}"


async def test_an_admin_creates_software(world: World) -> None:
    answer = await world.admin.post(ACCOUNTS, {**BODY, "scopes": ["flags:read", "cases:read"]})
    account = made(answer)
    assert (answer.headers["location"], answer.headers["etag"]) == (path_of(account), '"1"')
    (secret,) = account["secrets"]
    assert len(account["client_secret"]) >= 43
    assert len(account["client_id"]) == 43
    assert secret["expires_at"] == "2026-05-31T12:00:00Z"
    kept = {name: value for name, value in account.items() if name != "client_secret"}
    assert kept["scopes"] == ["cases:read", "flags:read"]
    assert (kept["is_active"], kept["last_used_at"], secret["last_used_at"]) == (True, None, None)
    assert kept["recorded_by_id"] == str(world.admin.id)
    for person in (world.admin, world.here["privacy_officer"]):
        assert ok(await person.get(path_of(account))) == kept
        assert ok(await person.get(ACCOUNTS))["items"] == [kept]


async def test_no_two_are_alike_and_one_name_may_serve_twice(world: World) -> None:
    one, other = await created(world), await created(world)
    for name in ("id", "client_id", "client_secret"):
        assert one[name] != other[name]
    listed = ok(await world.admin.get(ACCOUNTS, limit=1))
    rest = ok(await world.admin.get(ACCOUNTS, limit=1, cursor=listed["next"]))
    ids = [item["id"] for item in (*listed["items"], *rest["items"])]
    assert ids == [other["id"], one["id"]]


async def test_it_is_for_admins(world: World) -> None:
    account = await created(world)
    path = path_of(account)
    secret = f"{path}/secrets/{account['secrets'][0]['id']}"
    parts = ("clinician", "colleague", "supervisor", "stranger", "consultant", "privacy_officer")
    app = await software(world, *Scope)
    for person in (*(world.here[part] for part in parts), app):
        reads = 200 if person.role == "privacy_officer" else 403
        assert (await person.get(ACCOUNTS)).status_code == reads
        assert (await person.get(path)).status_code == reads
        assert (await person.post(ACCOUNTS, BODY)).status_code == 403
        assert (await person.patch(path, {"name": "Mine"}, 1)).status_code == 403
        assert (await person.post(f"{path}/secrets", {})).status_code == 403
        assert (await person.delete(secret, 1)).status_code == 403
    there = world.there["admin"]
    assert ok(await there.get(ACCOUNTS))["items"] == []
    assert (await there.get(path)).status_code == 404
    assert (await there.patch(path, {"name": "Mine"}, 1)).status_code == 404
    assert (await there.post(f"{path}/secrets", {})).status_code == 404
    assert (await there.delete(secret, 1)).status_code == 404
    assert ok(await world.admin.get(path))["version"] == 1


async def test_what_does_not_make_sense_is_refused(world: World) -> None:
    account = await created(world)
    mistakes: list[dict[str, Any]] = [
        {"name": " "},
        {"name": "x" * 201},
        {"scopes": []},
        {"scopes": ["cases:read"] * 21},
        {"scopes": ["everything"]},
        {"scopes": None},
        {"client_secret": "mine"},
    ]
    for wrong in mistakes:
        assert ok(await world.admin.post(ACCOUNTS, {**BODY, **wrong}), 422)["errors"], wrong
        assert ok(await world.admin.patch(path_of(account), wrong, 1), 422)["errors"], wrong
    for days in (0, 91, 1.5, "30", True):
        assert (await world.admin.post(ACCOUNTS, {**BODY, "secret_days": days})).is_error
        answer = await world.admin.post(f"{path_of(account)}/secrets", {"days": days})
        assert answer.status_code == 422, days
    assert (await world.admin.patch(path_of(account), {"is_active": "no"}, 1)).status_code == 422
    assert len(ok(await world.admin.get(ACCOUNTS))["items"]) == 1


async def test_it_is_renamed_and_its_scopes_change(world: World) -> None:
    account = await created(world)
    path = path_of(account)
    assert (await world.admin.send("PATCH", path, json={"name": "New"})).status_code == 428
    assert (await world.admin.patch(path, {"name": "New"}, 3)).status_code == 412
    answer = await world.admin.patch(path, {"name": "New"})
    assert (ok(answer)["name"], answer.headers["etag"]) == ("New", '"2"')
    assert ok(answer)["scopes"] == ["cases:read"]
    twice = {"scopes": ["flags:read", "cases:write", "flags:read"]}
    changed = ok(await world.admin.patch(path, twice))
    assert (changed["scopes"], changed["name"]) == (["cases:write", "flags:read"], "New")
    assert ok(await world.admin.patch(path, {}))["version"] == 3


async def test_it_needs_a_recent_sign_in(world: World) -> None:
    account = await created(world)
    path, secret = path_of(account), account["secrets"][0]
    async with world.owner.transaction() as tx:
        found = await tx.exec(select(SignIn).where(col(SignIn.id) == world.admin.session_id))
        found.one().authenticated_at = tx.now - timedelta(minutes=15, seconds=1)
    for answer in (
        await world.admin.post(ACCOUNTS, BODY),
        await world.admin.patch(path, {"scopes": ["cases:write"]}),
        await world.admin.post(f"{path}/secrets", {}),
        await world.admin.delete(f"{path}/secrets/{secret['id']}", 1),
    ):
        assert ok(answer, 403)["type"] == "urn:boundary-notes:sign-in-again"
    ok(await world.admin.get(path))


async def test_a_secret_is_shown_once(world: World) -> None:
    account = await created(world, secret_days=1)
    path = path_of(account)
    further = made(await world.admin.post(f"{path}/secrets", {"days": 7}))
    assert further["expires_at"] == "2026-03-09T12:00:00Z"
    texts = [account["client_secret"], further["client_secret"]]
    assert len(set(texts)) == 2
    told = [await world.admin.get(path), await world.admin.get(ACCOUNTS)]
    told += [await world.admin.patch(path, {"name": "New"})]
    ended = await world.admin.delete(f"{path}/secrets/{account['secrets'][0]['id']}", 1)
    for answer in (*told, ended):
        assert answer.is_success
        assert "client_secret" not in answer.text
        assert not any(text in answer.text + str(answer.headers) for text in texts)
    # kept as a hash, and nowhere in the journal
    async with world.owner.transaction() as tx:
        secrets = (await tx.exec(select(ServiceSecret))).all()
        entries = (await tx.exec(select(JournalEntry))).all()
    rows = str([row.model_dump() for row in (*secrets, *entries)])
    assert not any(text in rows for text in texts)


async def test_two_secrets_overlap_and_never_three(world: World) -> None:
    account = await created(world, secret_days=10)
    path = path_of(account)
    first = account["secrets"][0]
    second = made(await world.admin.post(f"{path}/secrets", {}))
    shown = ok(await world.admin.get(path))["secrets"]
    assert [each["id"] for each in shown] == [first["id"], second["id"]]
    assert (await world.admin.post(f"{path}/secrets", {})).status_code == 409
    # one that has run out makes room
    world.clock.forward(days=10)
    assert [each["id"] for each in ok(await world.admin.get(path))["secrets"]] == [second["id"]]
    third = made(await world.admin.post(f"{path}/secrets", {}))
    assert (await world.admin.post(f"{path}/secrets", {})).status_code == 409
    # and so does one that is ended
    at = f"{path}/secrets/{second['id']}"
    assert (await world.admin.send("DELETE", at)).status_code == 428
    assert (await world.admin.delete(at, 2)).status_code == 412
    assert (await world.admin.delete(at, 1)).status_code == 204
    assert [each["id"] for each in ok(await world.admin.get(path))["secrets"]] == [third["id"]]
    # ended once more, it stays as it was
    assert (await world.admin.delete(at, 2)).status_code == 204
    made(await world.admin.post(f"{path}/secrets", {}))


async def test_a_secret_is_ended_where_it_belongs(world: World) -> None:
    one, other = await created(world), await created(world)
    at = one["secrets"][0]["id"]
    assert (await world.admin.delete(f"{path_of(other)}/secrets/{at}", 1)).status_code == 404
    assert (await world.admin.delete(f"{path_of(one)}/secrets/{uuid4()}", 1)).status_code == 404
    assert (await world.admin.delete(f"{ACCOUNTS}/{uuid4()}/secrets/{at}", 1)).status_code == 404
    assert len(ok(await world.admin.get(path_of(one)))["secrets"]) == 1


async def test_ending_a_secret_ends_the_sessions(world: World) -> None:
    account = await created(world)
    app = await software(world, "cases:read")
    mine = f"{ACCOUNTS}/{app.id}"
    ok(await app.get("/v1/cases"))
    # another's secret is another's
    other = f"{path_of(account)}/secrets/{account['secrets'][0]['id']}"
    assert (await world.admin.delete(other, 1)).status_code == 204
    ok(await app.get("/v1/cases"))
    own = made(await world.admin.post(f"{mine}/secrets", {}))
    assert (await world.admin.delete(f"{mine}/secrets/{own['id']}", 1)).status_code == 204
    assert (await app.get("/v1/cases")).status_code == 401


async def test_the_journal_tells_each_step(world: World) -> None:
    account = await created(world)
    path = path_of(account)
    further = made(await world.admin.post(f"{path}/secrets", {}))
    assert (
        await world.admin.delete(f"{path}/secrets/{further['id']}", further["version"])
    ).status_code == 204
    ok(await world.admin.patch(path, {"name": "A new name", "is_active": False}))
    async with world.owner.transaction() as tx:
        kept = select(JournalEntry).where(col(JournalEntry.record_type) == "service_account")
        entries = [e for e in await tx.exec(kept) if e.record_ids == [account["id"]]]
    entries.sort(key=lambda entry: entry.id)
    assert [(entry.happening, entry.changed) for entry in entries] == [
        ("service_account.created", []),
        ("service_account.secret_added", []),
        ("service_account.secret_ended", []),
        ("service_account.changed", ["is_active", "name"]),
    ]
    assert {entry.actor_id for entry in entries} == {world.admin.id}


async def test_a_change_acts_on_the_next_request(world: World) -> None:
    app = await software(world, "cases:read")
    path = f"{ACCOUNTS}/{app.id}"
    ok(await app.get("/v1/cases"))
    ok(await world.admin.patch(path, {"scopes": ["flags:read"]}))
    assert (await app.get("/v1/cases")).status_code == 403
    ok(await app.get("/v1/flags"))
    ok(await world.admin.patch(path, {"is_active": False}))
    assert (await app.get("/v1/flags")).status_code == 401
    # let in again, it signs in again
    ok(await world.admin.patch(path, {"is_active": True}))
    assert (await app.get("/v1/flags")).status_code == 401


async def test_a_scope_that_is_no_more_opens_nothing(world: World) -> None:
    app = await software(world, "cases:read:all", "admin", "*")
    for listing in ("cases", "incidents", "promises", "consultations", "flags", "flagged-cases"):
        assert (await app.get(f"/v1/{listing}")).status_code == 403, listing


async def test_a_persons_password_opens_no_session_of_software(world: World) -> None:
    account = await created(world)
    form = {"grant_type": "password", "username": account["client_id"], "password": PASSWORD}
    assert (await world.http.post("/v1/auth/token", data=form)).status_code == 400
    form["password"] = account["client_secret"]
    assert (await world.http.post("/v1/auth/token", data=form)).status_code == 400


NEVER = {
    "GET /v1/me",
    "PATCH /v1/me",
    "GET /v1/users",
    "POST /v1/users",
    "GET /v1/supervisions",
    "POST /v1/supervisions",
    "GET /v1/clinic",
    "PATCH /v1/clinic",
    "GET /v1/rules/thresholds",
    "PUT /v1/rules/thresholds",
    "GET /v1/rules/modes",
    "PUT /v1/rules/modes",
    "GET /v1/rules/monitored",
    "POST /v1/rules/preview",
    "GET /v1/patterns",
    "GET /v1/service-accounts",
    "POST /v1/service-accounts",
    "GET /v1/covers",
    "POST /v1/covers",
    "GET /v1/break-glass",
    "POST /v1/break-glass",
    "GET {case}/recusals",
    "POST {case}/recusals",
    "POST {case}/transfer",
    "POST {case}/flags",
    "POST {incident}/review",
    "POST {consultation}/accept",
    "POST {consultation}/decline",
    "POST {consultation}/start",
    "POST {consultation}/complete",
    "POST {consultation}/respond",
    "POST {flag}/acknowledge",
    "POST {flag}/resolve",
    "POST {flag}/reopen",
    "GET /v1/sessions",
    "GET /v1/me/totp",
}
OPERATIONS = set().union(*OPENS.values())


def body_of(world: World, operation: str) -> Any:
    """Write a body that an operation accepts."""
    bodies = {
        "POST /v1/cases": {"client_ref": uuid4().hex, "clinician_id": str(world.clinician.id)},
        "PATCH {case}": {"phase": "acceptance"},
        "POST {case}/incidents": incident("consent", world),
        "PATCH {incident}": {"repair": "failed"},
        "POST {case}/promises": promise(world),
        "PATCH {promise}": {"state": "kept"},
        "POST {case}/consultations": ASKED,
        "PATCH {consultation}": {"urgency": "priority"},
        "POST {consultation}/cancel": {"reason": "no"},
        "POST {consultation}/decline": {"reason": "no"},
        "POST {consultation}/complete": {"outcome": "frame_plan_agreed", "advice": "rest"},
        "POST {consultation}/respond": {"response": "accepted"},
        "PATCH /v1/me": {"current_password": PASSWORD, "password": PASSWORD},
        "POST /v1/users": {
            "name": "New",
            "email": f"{uuid4().hex}@clinic.example",
            "role": "admin",
            "password": PASSWORD,
        },
        "POST /v1/supervisions": {
            "supervisor_id": str(world.stranger.id),
            "clinician_id": str(world.colleague.id),
            "starts_on": world.day(),
        },
        "PATCH /v1/clinic": {"name": "Ours"},
        "POST /v1/service-accounts": BODY,
        "POST {case}/transfer": {"clinician_id": str(world.colleague.id), "reason": "leave"},
        "POST {case}/flags": {"severity": "low", "title": "look", "because": "of this"},
        "POST {incident}/review": {"determination": "normal_process", "review_note": "seen"},
        "POST {flag}/resolve": {"determination": "normal_process", "resolution_note": "seen"},
        "POST {flag}/reopen": {"reason": "again"},
    }
    return bodies.get(operation, {})


async def tried(world: World, app: Person, operation: str, at: dict[str, str]) -> int:
    """Try one operation on a full case; the status."""
    method, _, path = operation.partition(" ")
    body = body_of(world, operation)
    if operation in {"POST /v1/covers", "POST /v1/break-glass"}:
        body = {"case_id": at["case"].rpartition("/")[2], "reason": "now"}
        if operation == "POST /v1/covers":
            days = {"starts_on": world.day(), "ends_on": world.day(1)}
            body |= {"user_id": str(world.colleague.id), **days}
    options: dict[str, Any] = {}
    if method in {"PATCH", "DELETE"}:
        # the version is looked at last: what may not be done is refused before
        options["headers"] = {"If-Match": '"99"'}
    if method in {"POST", "PATCH", "PUT"}:
        options["json"] = body
    answer = await app.send(method, path.format_map(at), **options)
    return answer.status_code


async def scene(world: World, app: Person) -> dict[str, str]:
    """Make a full case whose records software wrote, as its own to change and void."""
    at = await full_case(world)
    her = {"client_ref": uuid4().hex, "clinician_id": str(world.clinician.id)}
    at["case"] = f"/v1/cases/{made(await app.post('/v1/cases', her))['id']}"
    report = made(await app.post(f"{at['case']}/incidents", incident("hurtful_words", world)))
    pledge = made(await app.post(f"{at['case']}/promises", promise(world)))
    asked = made(await app.post(f"{at['case']}/consultations", ASKED))
    (flag,) = report["flags_raised"]
    return {
        "case": at["case"],
        "incident": f"/v1/incidents/{report['id']}",
        "promise": f"/v1/promises/{pledge['id']}",
        "consultation": f"/v1/consultations/{asked['id']}",
        "flag": f"/v1/flags/{flag['id']}",
    }


@pytest.mark.parametrize("scope", OPENS)
async def test_a_scope_opens_what_it_names_and_nothing_else(world: World, scope: str) -> None:
    app = await software(world, *Scope)
    at = await scene(world, app)
    ok(await world.admin.patch(f"{ACCOUNTS}/{app.id}", {"scopes": [scope]}))
    opened = {
        operation
        for operation in OPERATIONS
        if await tried(world, app, operation, at) not in {403, 404}
    }
    assert opened == OPENS[scope]


async def test_what_is_named_here_is_there(world: World) -> None:
    paths = ok(await world.http.get("/openapi.json"))["paths"]
    for operation in sorted(OPERATIONS | NEVER):
        method, _, path = operation.partition(" ")
        for name in ("case", "incident", "promise", "consultation", "flag"):
            path = path.replace(f"{{{name}}}", f"/v1/{name}s/{{{name}_id}}")
        assert method.lower() in paths[path], operation


async def test_all_scopes_together_open_no_more_than_each(world: World) -> None:
    app = await software(world, *Scope)
    at = await scene(world, app)
    for operation in sorted(NEVER):
        assert await tried(world, app, operation, at) == 403, operation
    for path in ("/v1/rules", "/v1/vocabulary"):
        ok(await app.get(path))


async def test_software_of_one_clinic_sees_nothing_of_another(world: World) -> None:
    at = await full_case(world)
    app = await software(world, *Scope, of=world.there["admin"])
    for operation in sorted(OPERATIONS):
        if "{" in operation:
            assert await tried(world, app, operation, at) == 404, operation
    for listing in ("cases", "incidents", "promises", "consultations", "flags", "flagged-cases"):
        assert ok(await app.get(f"/v1/{listing}"))["items"] == [], listing
    her = {"client_ref": "new", "clinician_id": str(world.clinician.id)}
    assert (await app.post("/v1/cases", her)).status_code == 422


SEALED: dict[str, dict[str, Any]] = {
    "coercive_measure": {"measures": ["police_called"], "stated_reason": "canary reason"},
    "second_role": {"role": "friend", "interaction": "close", "precautions": "canary precautions"},
    "ending": {"stage": "raised", "plan": "canary plan"},
}


async def sealed_case(world: World) -> dict[str, Any]:
    """Open a case with a canary in every sealed text there is; give its id and its records."""
    case = await world.clinician.case(client_ref=f"canary {uuid4()}")
    path = f"/v1/cases/{case['id']}"
    words = {"rationale": "canary rationale", "narrative": "canary narrative"}
    reports = [
        await world.clinician.incident(case, kind, **words, **details)
        for kind, details in SEALED.items()
    ]
    pledge = await world.clinician.promise(case, wording="canary wording")
    asked = made(
        await world.clinician.post(
            f"{path}/consultations",
            {**ASKED, "question": "canary question", "summary": "canary summary"},
        )
    )
    at = f"/v1/consultations/{asked['id']}"
    ok(await world.clinician.post(f"{at}/request"))
    for move, body in (
        ("decline", {"reason": "canary decline"}),
        ("accept", {}),
        ("start", {}),
        ("complete", {"outcome": "frame_plan_agreed", "advice": "canary advice"}),
    ):
        ok(await world.supervisor.post(f"{at}/{move}", body))
        if move == "decline":
            ok(await world.clinician.post(f"{at}/request"))
    answer = {"response": "not_followed", "reason": "canary response"}
    ok(await world.clinician.post(f"{at}/respond", answer))
    for report in reports:
        review = {"determination": "real_danger", "review_note": "canary review"}
        ok(await world.supervisor.post(f"/v1/incidents/{report['id']}/review", review))
    await world.clinician.incident(case, "hurtful_words", initiator="institution", **words)
    flags = await world.supervisor.flag_list(case)
    for flag in flags:
        note = {"determination": "normal_process", "resolution_note": "canary note"}
        ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", note))
        reopened = {"reason": "canary reopened"}
        ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/reopen", reopened))
    assert flags
    records = [f"/v1/incidents/{report['id']}" for report in reports]
    records += [f"/v1/promises/{pledge['id']}", at, path]
    of_flags = [f"/v1/flags/{flag['id']}" for flag in flags]
    # what was resolved and declined before is history
    records += [*of_flags, *(f"{each}/resolutions" for each in of_flags), f"{at}/versions"]
    return {"case": case, "path": path, "records": records, "incidents": reports, "asked": asked}


def readings(at: dict[str, Any]) -> list[str]:
    """Give every path that software reads of a case."""
    below = ("incidents", "promises", "consultations", "flags", "timeline")
    across = ("cases", "incidents", "promises", "consultations", "flags", "flagged-cases")
    paths = [*at["records"], *(f"{at['path']}/{each}" for each in below)]
    return [*paths, *(f"/v1/{each}" for each in across)]


CANARIES = (
    "canary rationale",
    "canary narrative",
    "canary reason",
    "canary precautions",
    "canary plan",
    "canary wording",
    "canary question",
    "canary summary",
    "canary advice",
    "canary response",
    "canary review",
    "canary note",
    "canary reopened",
    "canary decline",
)


async def test_no_sealed_text_is_read_without_the_scope(world: World) -> None:
    at = await sealed_case(world)
    reading = [Scope.cases_read, Scope.consultations_read, Scope.flags_read]
    app = await software(world, *reading, Scope.cases_write, Scope.consultations_create)
    trusted = await software(world, *reading, Scope.narrative_read)
    told = ""
    for path in readings(at):
        blind, whole = await app.get(path), await trusted.get(path)
        assert (ok(blind) is None, "canary" in blind.text) == (False, False), path
        told += whole.text
        assert ok(whole) is not None
    assert [canary for canary in CANARIES if canary not in told] == []
    assert at["case"]["client_ref"] in told
    # what is not sealed is there
    shown = ok(await app.get(at["records"][0]))
    assert (shown["narrative"], shown["details"]["stated_reason"]) == (None, None)
    assert shown["details"]["measures"] == ["police_called"]
    # a case is found by the reference that software itself knows, and still not shown it
    (found,) = ok(await app.get("/v1/cases", client_ref=at["case"]["client_ref"]))["items"]
    assert (found["id"], found["client_ref"]) == (at["case"]["id"], None)


async def test_what_software_cannot_read_it_does_not_wipe(world: World) -> None:
    app = await software(world, "cases:read", "cases:write")
    body = {"client_ref": "canary ref", "clinician_id": str(world.clinician.id)}
    case = made(await app.post("/v1/cases", body))
    path = f"/v1/cases/{case['id']}"
    words = {"rationale": "canary rationale", "narrative": "canary narrative"}
    ending = incident("ending", world, stage="raised", plan="canary plan", **words)
    report = made(await app.post(f"{path}/incidents", ending))
    pledge = made(await app.post(f"{path}/promises", promise(world, wording="canary wording")))
    changes: tuple[tuple[str, dict[str, Any]], ...] = (
        (path, {"phase": "acceptance"}),
        (f"/v1/incidents/{report['id']}", {"repair": "failed"}),
        (f"/v1/incidents/{report['id']}", {"rationale": None, "narrative": None}),
        (f"/v1/incidents/{report['id']}", {"details": {"kind": "ending", "stage": "raised"}}),
        (f"/v1/promises/{pledge['id']}", {"state": "kept"}),
    )
    for at, change in changes:
        answer = await app.patch(at, change)
        assert "canary" not in answer.text, at
        assert ok(answer)["version"] > 1
    assert ok(await world.clinician.get(path))["client_ref"] == "canary ref"
    shown = ok(await world.clinician.get(f"/v1/incidents/{report['id']}"))
    assert {name: shown[name] for name in words} == words
    assert shown["details"]["plan"] == "canary plan"
    assert shown["repair"] == "failed"
    assert ok(await world.clinician.get(f"/v1/promises/{pledge['id']}"))["wording"] == (
        "canary wording"
    )
    # new words are kept in place of the old ones
    at = f"/v1/promises/{pledge['id']}"
    ok(await app.patch(at, {"wording": "other words"}))
    assert ok(await app.get(at))["wording"] is None
    assert ok(await world.clinician.get(at))["wording"] == "other words"


async def test_a_rule_counts_what_software_cannot_read(world: World) -> None:
    """Whether a reason was written counts, whoever's write runs the rules."""
    app = await software(world, "cases:read", "cases:write")
    case = await world.clinician.case()
    written = {"rationale": "canary rationale"}
    await world.clinician.incident(case, "crossing", area="time", **written)
    await world.clinician.incident(case, "ending", initiator="client", stage="raised", plan="x")
    before = await world.clinician.flags(case)
    ok(await app.patch(f"/v1/cases/{case['id']}", {"phase": "acceptance"}))
    assert await world.clinician.flags(case) == before


async def test_a_restricted_incident_is_not_for_software(world: World) -> None:
    app = await software(world, *(set(Scope) - {Scope.restricted_write}))
    case = await world.clinician.case()
    hidden = await world.supervisor.incident(case, "sexual_conduct", conduct="contact")
    flags = [flag for flag in await world.supervisor.flag_list(case) if flag["restricted"]]
    assert flags
    ids = [hidden["id"], *(flag["id"] for flag in flags)]
    path = f"/v1/cases/{case['id']}"
    for each in (f"/v1/incidents/{hidden['id']}", *(f"/v1/flags/{flag['id']}" for flag in flags)):
        assert (await app.get(each)).status_code == 404
    at = {"records": [path], "path": path}
    for each in readings(at):
        answer = await app.get(each)
        assert ok(answer) is not None
        assert not [row_id for row_id in ids if row_id in answer.text], each
    assert ok(await app.get(path))["flags"]["open"] == 0
    assert ok(await app.get("/v1/flagged-cases"))["items"] == []
    # nor may it link one
    body = {**ASKED, "incident_ids": [hidden["id"]]}
    assert (await app.post(f"{path}/consultations", body)).status_code == 422


async def test_to_record_one_needs_a_scope_of_its_own(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/incidents"
    plain = await software(world, "cases:read", "cases:write")
    secret = incident("hurtful_words", world, restricted=True)
    assert (await plain.post(path, secret)).status_code == 403
    shown = made(await plain.post(path, incident("hurtful_words", world)))
    assert shown["restricted"] is False
    at = f"/v1/incidents/{shown['id']}"
    assert (await plain.patch(at, {"restricted": True})).status_code == 403
    ok(await world.clinician.get(at))
    app = await software(world, "cases:write", "restricted:write")
    made_one = made(await app.post(path, secret))
    assert made_one["restricted"] is True
    assert made_one["flags_raised"] == []
    assert (await world.clinician.get(f"/v1/incidents/{made_one['id']}")).status_code == 404
    assert (await plain.get(f"/v1/incidents/{made_one['id']}")).status_code == 404
    ok(await world.supervisor.get(f"/v1/incidents/{made_one['id']}"))


async def test_software_says_whose_case_it_is(world: World) -> None:
    app = await software(world, "cases:read", "cases:write")
    answer = ok(await app.post("/v1/cases", {"client_ref": "a"}), 422)
    assert answer["errors"][0]["pointer"] == "/clinician_id"
    for wrong in (
        str(app.id),
        str(uuid4()),
        str(world.admin.id),
        str(world.here["consultant"].id),
        str(world.there["clinician"].id),
    ):
        body = {"client_ref": "a", "clinician_id": wrong}
        refused = ok(await app.post("/v1/cases", body), 422)
        assert refused["errors"][0]["pointer"] == "/clinician_id", wrong
    body = {"client_ref": "a", "clinician_id": str(world.colleague.id)}
    case = made(await app.post("/v1/cases", body))
    assert case["clinician_id"] == str(world.colleague.id)
    assert case["recorded_by_id"] == str(app.id)
    ok(await world.colleague.get(f"/v1/cases/{case['id']}"))
    timeline = ok(await world.colleague.get(f"/v1/cases/{case['id']}/timeline"))["items"]
    assert {item["actor_id"] for item in timeline} == {str(app.id)}


async def test_an_incident_it_records_is_about_the_cases_clinician(world: World) -> None:
    app = await software(world, "cases:write")
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/incidents"
    report = made(await app.post(path, incident("hurtful_words", world)))
    assert report["about_user_id"] == str(world.clinician.id)
    assert report["recorded_by_id"] == str(app.id)
    assert report["restricted"] is False


async def test_what_people_recorded_is_changed_by_people(world: World) -> None:
    app = await software(world, *Scope)
    at = await full_case(world)
    assert (await app.patch(at["incident"], {"repair": "failed"})).status_code == 403
    for path in (at["case"], at["incident"], at["promise"]):
        assert (await app.delete(path)).status_code == 403
    # its own, until somebody reviewed it
    mine = made(await app.post(f"{at['case']}/incidents", incident("consent", world)))
    own = f"/v1/incidents/{mine['id']}"
    ok(await app.patch(own, {"repair": "failed"}))
    review = {"determination": "normal_process", "review_note": "seen"}
    ok(await world.supervisor.post(f"{own}/review", review))
    assert (await app.patch(own, {"repair": "attempted"})).status_code == 403
    assert (await app.delete(own)).status_code == 403


async def test_it_asks_for_a_consultation_and_reads_how_it_stands(world: World) -> None:
    app = await software(world, "consultations:create", "consultations:read")
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/consultations"
    asked = made(await app.post(path, ASKED))
    at = f"/v1/consultations/{asked['id']}"
    ok(await app.post(f"{at}/request"))
    ok(await world.supervisor.post(f"{at}/accept"))
    shown = ok(await app.get(at))
    assert (shown["status"], shown["question"]) == ("accepted", None)
    assert [item["id"] for item in ok(await app.get("/v1/consultations"))["items"]] == [shown["id"]]
    ok(await app.post(f"{at}/cancel", {"reason": "no"}))


async def test_it_reads_the_queue_of_the_whole_clinic(world: World) -> None:
    app = await software(world, "flags:read")
    ids = set()
    for person in (world.clinician, world.colleague):
        case = await person.case(client_ref=f"canary {uuid4()}")
        await person.incident(case, "hurtful_words", initiator="institution")
        ids.add(case["id"])
    await world.there["clinician"].case()
    answer = await app.get("/v1/flagged-cases")
    items = ok(answer)["items"]
    assert {item["case"]["id"] for item in items} == ids
    assert all(item["flags"] for item in items)
    assert "canary" not in answer.text
    # words alone do not say whose case it is: that stands in cases
    for more, reads in (((), False), (("cases:read",), True)):
        reader = await software(world, "flags:read", "narrative:read", *more)
        shown = ok(await reader.get("/v1/flagged-cases"))["items"]
        assert all((item["case"]["client_ref"] is not None) is reads for item in shown)
    (one,) = ok(await app.get("/v1/flagged-cases", clinician_id=str(world.colleague.id)))["items"]
    assert one["case"]["clinician_id"] == str(world.colleague.id)


async def test_prompts_are_not_for_software(world: World) -> None:
    app = await software(world, *Scope)
    case = await world.clinician.case()
    await world.clinician.incident(case, "ending", stage="raised", initiator="client")
    (prompt,) = await world.clinician.flag_list(case)
    assert (await app.get(f"/v1/flags/{prompt['id']}")).status_code == 404
    for path in ("/v1/flags", f"/v1/cases/{case['id']}/flags", "/v1/flagged-cases"):
        assert prompt["id"] not in (await app.get(path)).text
    assert prompt["id"] not in (await app.get(f"/v1/cases/{case['id']}/timeline")).text


async def test_an_id_of_software_is_no_person(world: World) -> None:
    """Nobody hands it a case, names it in an incident, or asks it for advice."""
    app = await software(world, *Scope)
    at = await full_case(world)
    hand_over = {"clinician_id": str(app.id), "reason": "leave"}
    assert (await world.supervisor.post(f"{at['case']}/transfer", hand_over)).status_code == 422
    asking = {**ASKED, "consultant_id": str(app.id)}
    assert (await world.clinician.post(f"{at['case']}/consultations", asking)).status_code == 422
    about = incident("consent", world, about_user_id=str(app.id))
    assert (await world.clinician.post(f"{at['case']}/incidents", about)).status_code == 422
    away = {"user_id": str(app.id)}
    assert (await world.admin.post(f"{at['case']}/recusals", away)).status_code == 422
    assert (await world.admin.get(f"/v1/users/{app.id}")).status_code == 404


async def test_the_journal_names_the_software(world: World) -> None:
    app = await software(world, "cases:write")
    body = {"client_ref": "a", "clinician_id": str(world.clinician.id)}
    case = made(await app.post("/v1/cases", body))
    assert (await app.get("/v1/cases")).status_code == 403
    async with world.owner.transaction() as tx:
        kept = select(JournalEntry).where(col(JournalEntry.actor_id) == app.id)
        entries = sorted(await tx.exec(kept), key=lambda entry: entry.id)
    assert [entry.happening for entry in entries] == ["case.opened", "request.refused"]
    assert str(entries[0].case_id) == case["id"]


async def test_software_does_not_read_the_restricted_incident_it_recorded(world: World) -> None:
    case = await world.clinician.case()
    app = await software(world, *Scope)
    path = f"/v1/cases/{case['id']}"
    body = incident("hurtful_words", world, restricted=True)
    one = made(await app.post(f"{path}/incidents", body))
    at = f"/v1/incidents/{one['id']}"
    got = [
        (await app.get(at)).status_code,
        one["id"] in (await app.get("/v1/incidents")).text,
        one["id"] in (await app.get(f"{path}/timeline")).text,
        (await app.patch(at, {"repair": "failed"}, 1)).status_code,
    ]
    assert got == [404, False, False, 404]


async def test_software_is_shown_raised_flags_where_it_may_read_flags(world: World) -> None:
    """Also where the same is sent again with a token that may do less."""
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/incidents"
    told = incident("hurtful_words", world, repeated=True)
    write = ("cases:read", "cases:write")
    recorder = await software(world, *write)
    assert made(await recorder.post(path, told))["flags_raised"] == []
    assert "hurtful_words" in await world.supervisor.flags(case)
    account = made(
        await world.admin.post(
            "/v1/service-accounts", {"name": "Diary", "scopes": [*write, "flags:read"]}
        )
    )
    form = {name: account[name] for name in ("client_id", "client_secret")}
    other = f"/v1/cases/{(await world.clinician.case())['id']}/incidents"
    raised = {}
    for asked in ("", "cases:read"):
        grant = {"grant_type": "client_credentials", "scope": asked, **form}
        token = ok(await world.http.post("/v1/auth/token", data=grant))["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "the-same"}
        answer = await world.http.post(other, json=told, headers=headers)
        raised[asked] = made(answer)["flags_raised"]
    assert raised[""]
    assert raised["cases:read"] == []
