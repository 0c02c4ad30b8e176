"""Every refusal that the OpenAPI document promises can be had, and no other is ever given."""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from httpx import Response
from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from sqlalchemy.exc import OperationalError
from sqlmodel import SQLModel
from structlog.testing import capture_logs

from api.access.authentication import OPEN_BEFORE_ENROLMENT
from api.domain.vocabulary import Scope
from api.http.strict_route import KEY
from api.storage.database import Database
from api.storage.transaction import Transaction
from tests.support.door import TEXTS, invite, visitor
from tests.support.matrix import PUBLIC
from tests.support.readers import READERS, ids_of
from tests.support.requests import FORMS, JSON, described, tolerant
from tests.support.stage import Call, Key, staged
from tests.support.world import NOON, SETTINGS, Person, Urls, World, made, ok, open_world, software

Promise = tuple[str, str, int]
"""A method, a path, and a status that it may answer with."""

NEVER_LISTED = {405, 500}
"""What is told once for all operations, at the head of the document."""

SIGN_IN, RESET = ("POST", "/v1/auth/token"), ("POST", "/v1/auth/password")
KNOCK = ("POST", "/door/v1/session")
WRONG = {"username": "nobody@clinic.example", "password": "not the right password"}


def promises(operations: Iterable[tuple[str, str, dict[str, Any]]]) -> set[Promise]:
    """Give every status that the document promises."""
    return {
        (method, path, int(status))
        for method, path, operation in operations
        for status in operation["responses"]
    }


def not_had(promised: set[Promise], had: set[Promise]) -> set[Promise]:
    """Give the refusals that are promised and that nobody was given."""
    return {promise for promise in promised - had if promise[2] >= 400}


def not_promised(promised: set[Promise], had: set[Promise]) -> set[Promise]:
    """Give what was answered though the document does not say so."""
    return {each for each in had - promised if each[2] not in NEVER_LISTED}


@dataclass
class Stage:
    """A world in which every operation can be used rightly, and in every way wrongly."""

    world: World
    calls: dict[Key, Call]
    operations: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def guarded(self) -> list[Key]:
        """Give the operations that need a token."""
        return [
            (method, path) for method, path, _ in self.operations if (method, path) not in PUBLIC
        ]

    def with_a_body(self) -> list[Key]:
        return [(m, p) for m, p, operation in self.operations if "requestBody" in operation]

    def that_answer(self, status: int) -> list[Key]:
        return [
            (m, p) for m, p, operation in self.operations if str(status) in operation["responses"]
        ]

    def that_take(self, header: str) -> list[Key]:
        return [
            (method, path)
            for method, path, operation in self.operations
            if any(each["name"] == header for each in operation.get("parameters", ()))
        ]

    async def send(
        self,
        key: Key,
        by: Person | None = None,
        *,
        strange: bool = False,
        anonymous: bool = False,
        **options: Any,
    ) -> Response:
        """Use an operation rightly, but for what is said; `strange`: on records nobody knows."""
        method, template = key
        call = self.calls.get(key) or Call(self._reader(template), method, template)
        ids = {**ids_of(self.calls), **call.ids}
        if strange:
            ids = {name: "99" if name == "n" else str(uuid4()) for name in ids}
        headers = {**call.headers, **options.pop("headers", {})}
        if call.body is not None and not {"content", "json", "data"} & options.keys():
            options["json"] = _with_strange_ids(call.body) if strange else call.body
        elif key in FORMS and not {"content", "data"} & options.keys():
            options["data"] = {"grant_type": "password", **WRONG}
        headers = {name: value for name, value in headers.items() if value}
        path = template.format(**ids)
        if anonymous or key in PUBLIC:
            return await self.world.http.request(method, path, headers=headers, **options)
        return await (by or call.by).send(method, path, headers=headers, **options)

    def _reader(self, template: str) -> Person:
        return self.world.here[READERS.get(template, "clinician")]


def _with_strange_ids(body: dict[str, Any]) -> dict[str, Any]:
    strange = {"case_id": str(uuid4()), "ids": [str(uuid4())]}
    return {name: strange.get(name, value) for name, value in body.items()}


# ------------------------------------------------------------------------------ the provokers


async def without_a_token(stage: Stage, _: pytest.MonkeyPatch) -> None:
    for key in stage.that_answer(401):
        if key != RESET:
            await stage.send(key, anonymous=True)
    unknown = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "x"}
    await stage.send(SIGN_IN, data=unknown)
    await stage.send(RESET, json={**WRONG, "code": "not a code at all"})
    await stage.send(KNOCK, json={"code": "not a code at all"})


async def without_the_right(stage: Stage, _: pytest.MonkeyPatch) -> None:
    bare = await software(stage.world)
    for key in stage.guarded():
        if key != ("POST", "/v1/auth/revoke"):
            await stage.send(key, bare)
    await _set(stage.world, "clinics", requires_totp=True)
    for key in stage.guarded():
        if key[1] not in OPEN_BEFORE_ENROLMENT:
            await stage.send(key)
    await _set(stage.world, "clinics", requires_totp=False)


async def on_strange_records(stage: Stage, _: pytest.MonkeyPatch) -> None:
    for key in stage.guarded():
        sent = stage.calls[key].body if key in stage.calls else None
        if "{" in key[1] or {"case_id", "ids"} & (sent or {}).keys():
            await stage.send(key, strange=True)
    await stage.send(("POST", "/v1/invitations"), json={"client_ref": "of nobody"})
    await stage.send(("GET", "/problems/{code}"), strange=True)
    await stage.send(("GET", "/v1/patterns"), params={"clinician_id": str(uuid4())})
    # made by somebody who sees it no more when they send it again
    world, keyed = stage.world, {"headers": {KEY: "opened"}}
    by = world.here["stranger"]
    case = made(await by.post("/v1/cases", {"client_ref": "handed over"}, **keyed))
    elsewhere = {"clinician_id": world.here["clinician"].id}
    await _set(world, "cases", {"id": UUID(case["id"])}, **elsewhere)
    await by.post("/v1/cases", {"client_ref": "handed over"}, **keyed)


async def with_another_version_or_none(stage: Stage, _: pytest.MonkeyPatch) -> None:
    for key in stage.that_take("If-Match"):
        await stage.send(key, headers={"If-Match": '"999"'})
        await stage.send(key, headers={"If-Match": ""})


async def with_another_body(stage: Stage, _: pytest.MonkeyPatch) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b" " * 50_000

    for key in stage.with_a_body():
        media = {"Content-Type": "application/x-www-form-urlencoded"} if key in FORMS else JSON
        await stage.send(key, content=in_pieces(), headers=media)
        await stage.send(key, content=b"{}", headers={"Content-Type": "text/plain"})


async def with_too_large_a_file(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        yield b"{}\n" * 500

    lines = {"Content-Type": "application/x-ndjson"}
    with monkeypatch.context() as patch:
        patch.setattr("api.http.middleware.LARGEST_IMPORT", 1_000)
        await stage.send(("POST", "/v1/imports"), content=unannounced(), headers=lines)


async def in_another_form(stage: Stage, _: pytest.MonkeyPatch) -> None:
    for key in stage.that_answer(406):
        await stage.send(key, headers={"Accept": "application/xml"})


async def with_an_unknown_parameter(stage: Stage, _: pytest.MonkeyPatch) -> None:
    for method, path, _operation in stage.operations:
        await stage.send((method, path), params={"nobody_knows": "1"})


async def too_often(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = await software(stage.world, *Scope)
    with monkeypatch.context() as patch:
        once = RateLimitItemPerMinute(1, namespace="once")
        patch.setattr(stage.world.app.state.throttle, "of_software", once)
        for name in ("OF_A_NETWORK", "SENSELESS"):
            patch.setattr(f"api.access.rate_limits.{name}", RateLimitItemPerHour(1, namespace=name))
        ok(await hasty.get("/v1/rules"))
        for key in stage.guarded():
            await stage.send(key, hasty)
        patch.setattr("api.access.door_guesses.WRONG", RateLimitItemPerHour(1, namespace="door"))
        for _ in range(2):
            await stage.send(KNOCK, json={"code": "not a code at all"})
            await stage.send(SIGN_IN)
            await stage.send(RESET, json={**WRONG, "code": "not a code at all"})


async def without_a_database(stage: Stage, _: pytest.MonkeyPatch) -> None:
    world = stage.world
    there = world.app.state.database
    nowhere = "sqlite+aiosqlite:////nowhere/notes.db"
    away = Database(nowhere, keys=SETTINGS.data_keys, clock=world.clock)
    for person in world.here.values():
        await world.token_of(person)
    world.app.state.database = away
    for key in stage.that_answer(503):
        await stage.send(key)
    await away.dispose()
    world.app.state.database = there


async def at_the_same_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    class Locked(Exception):
        sqlstate = "55P03"

    async def locked(*_: object) -> None:
        raise OperationalError("", {}, Locked())

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "insert_unless_there", locked)
        for key in stage.that_take(KEY):
            await stage.send(key, headers={KEY: "at-once"})


async def in_another_state(stage: Stage, _: pytest.MonkeyPatch) -> None:
    """Do everything once, and once more; then on cases that were voided."""
    world, admin = stage.world, stage.world.admin
    account = stage.calls["POST", "/v1/service-accounts/{account_id}/secrets"].ids["account_id"]
    # an entry that the worker has not sealed yet
    entries = ok(await world.clinician.get("/v1/journal", limit=1))["items"]
    await world.clinician.get(f"/v1/journal/{entries[0]['id']}/proof")
    taken = {"email": world.here["consultant"].email}
    await admin.patch(f"/v1/users/{world.here['colleague'].id}", taken)
    await admin.delete("/v1/me/totp")
    for key in stage.calls:
        if "/auth/" not in key[1] and key != ("PATCH", "/v1/me"):
            await stage.send(key)
            await stage.send(key, headers=await _as_it_is_now(stage, key))
    await admin.post(f"/v1/service-accounts/{account}/secrets", {})
    await _lengthen_a_link_of_whom_left(stage)
    enrolled = world.here["stranger"]
    await enrolled.post("/v1/me/totp")
    await _set(world, "cases", voided_at=world.clock.now)
    for key in stage.calls:
        if "{" in key[1]:
            await stage.send(key, headers=await _as_it_is_now(stage, key))


async def _lengthen_a_link_of_whom_left(stage: Stage) -> None:
    key = ("PATCH", "/v1/supervisions/{supervision_id}")
    supervisor = stage.world.here["stranger"].id
    await _set(stage.world, "users", {"id": supervisor}, is_active=False)
    await stage.world.admin.patch(stage.calls[key].path, {"ends_on": None})
    await _set(stage.world, "users", {"id": supervisor}, is_active=True)


async def of_webhooks_in_another_state(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    admin, path = stage.world.admin, "/v1/webhooks"
    body = {"name": "Diary", "url": "https://diary.example/x", "events": ["flag.*"]}
    hook = made(await admin.post(path, body))
    of_hook = f"{path}/{hook['id']}"
    await admin.delete(f"{of_hook}/secrets/{hook['secrets'][0]['id']}", 1)
    sent = ok(await admin.post(f"{of_hook}/test"))
    await admin.patch(of_hook, {"is_active": False}, 1)
    await admin.post(f"{of_hook}/test")
    await admin.post(f"{of_hook}/deliveries/{sent['id']}/resend")
    now, replay = stage.world.clock.now, f"{of_hook}/deliveries/replay"
    await admin.post(replay, {"since": now.isoformat()})
    await admin.patch(of_hook, {"is_active": True})
    await admin.post(replay, {"since": (now + timedelta(days=1)).isoformat()})
    with monkeypatch.context() as patch:
        patch.setattr("api.journal.outbox.MOST_AGAIN", 0)
        await admin.post(replay, {"since": (now - timedelta(days=1)).isoformat()})
    with monkeypatch.context() as patch:
        patch.setattr("api.routes.webhooks.AT_MOST", 1)
        await admin.post(path, body)


async def of_a_copy_that_was_not_kept(stage: Stage, _: pytest.MonkeyPatch) -> None:
    me = stage.world.clinician
    case = await me.case()
    ok(await me.get(f"/v1/cases/{case['id']}/export"))
    given = f"/v1/cases/{case['id']}/disclosures"
    (disclosure,) = ok(await me.get(given))["items"]
    await me.get(f"{given}/{disclosure['id']}/document")


async def at_a_door(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    world = stage.world
    minor = await world.clinician.case(is_minor=True)
    code = (await invite(world.clinician, minor, **{"for": "guardian"}))["code"]
    guardian = await visitor(world, world.admin.clinic_id, code=code)
    await stage.send(("GET", "/door/v1/questionnaire"), guardian)
    answers, accounts = (("POST", f"/door/v1/{what}") for what in ("responses", "accounts"))
    await stage.send(answers, guardian)
    with monkeypatch.context() as patch:
        patch.setattr("api.records.client_accounts.MOST_ACCOUNTS_A_DAY", 0)
        patch.setattr("api.records.door_responses.MOST_RESPONSES_A_DAY", 0)
        await stage.send(answers)
        await stage.send(accounts, json={"happened": "And one more."})
    await _set(world, "clinics", door_leave_to=None)
    await stage.send(("POST", "/v1/invitations"))
    await _set(world, "clinics", door_leave_to=TEXTS["door_leave_to"])
    client, mine = stage.calls[accounts].by, "/door/v1/accounts"
    sent = made(await client.post(mine, {"happened": "Not this."}))["n"]
    ok(await client.post(f"{mine}/{sent}/take-back"))
    await client.post(f"{mine}/{sent}/words", {"words": "But this."})
    await client.send("PATCH", f"{mine}/{sent}", json={"shared": "with_therapist"})


async def on_purged_cases(stage: Stage, _: pytest.MonkeyPatch) -> None:
    """What outlives the voiding of its case does not outlive that its texts are destroyed."""
    await _set(stage.world, "cases", purged_at=stage.world.clock.now)
    for key in stage.calls:
        if key[1].startswith(("/v1/accounts/", "/v1/invitations/")):
            await stage.send(key)


async def _as_it_is_now(stage: Stage, key: Key) -> dict[str, str]:
    call = stage.calls[key]
    shown = await call.by.get(call.path) if "If-Match" in call.headers else None
    return {} if shown is None else {"If-Match": shown.headers.get("etag", '"2"')}


async def _set(
    world: World, table: str, where: dict[str, Any] | None = None, **values: Any
) -> None:
    columns = SQLModel.metadata.tables[table].c
    of_here = columns.get("clinic_id", columns.id) == world.clinician.clinic_id
    wanted = [columns[name] == value for name, value in (where or {}).items()]
    async with world.owner.transaction() as tx:
        statement = sa.update(SQLModel.metadata.tables[table]).where(of_here, *wanted)
        await (await tx.connection()).execute(statement.values(**values))


PROVOKERS: tuple[Callable[..., Any], ...] = (
    without_a_token,
    without_the_right,
    on_strange_records,
    with_another_version_or_none,
    with_another_body,
    with_too_large_a_file,
    in_another_form,
    with_an_unknown_parameter,
    without_a_database,
    at_the_same_time,
    of_webhooks_in_another_state,
    of_a_copy_that_was_not_kept,
    at_a_door,
    in_another_state,
    on_purged_cases,
    # what is counted stays counted
    too_often,
)


async def test_every_refusal_that_is_promised_can_be_had_and_no_other(
    sqlite_urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    promised = promises(described())
    async with open_world(sqlite_urls, NOON) as world:
        calls = await staged(tolerant(world), world.here)
        stage = Stage(tolerant(world), calls, list(described()))
        with capture_logs() as logged:
            for provoke in PROVOKERS:
                await provoke(stage, monkeypatch)
    had = {
        (line["method"], line["route"], line["status"])
        for line in logged
        if line["event"] == "request" and line["route"] is not None
    }
    assert sorted(not_had(promised, had)) == []
    assert sorted(not_promised(promised, had)) == []
    assert len({promise for promise in promised if promise[2] >= 400}) > 700
    # and a promise too many is found, as is one too few
    path = ("GET", "/v1/cases")
    assert not_had({*promised, (*path, 418)}, had) == {(*path, 418)}
    assert not_promised(promised - {(*path, 401)}, had) == {(*path, 401)}
