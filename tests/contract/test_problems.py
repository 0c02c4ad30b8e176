"""Refusals: one form for all, the same for what is not there and what may not be known."""

import re
import socket
import threading
from asyncio import StreamReader, StreamWriter, gather, start_server
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio.to_thread
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from sqlmodel import select

from api.domain.vocabulary import Scope
from api.main import create_app
from api.runtime.settings import Settings
from api.security.tokens import AccessTokens, Claims
from api.storage.models.journal import JournalEntry
from tests.support.canary import CANARY
from tests.support.door import Visitor, invite, open_door, visitor
from tests.support.matrix import PUBLIC
from tests.support.patience import Stopwatch, slowness
from tests.support.requests import JSON, described, refused, tolerant
from tests.support.stage import staged
from tests.support.world import SETTINGS_SECRET, Person, World, ok, software

TOO_MUCH = b'"' + b"x" * 300_000 + b'"'


def assert_kept_private(response: Response, why: object = "") -> None:
    """Check the headers that every answer has, once each."""
    for name, value in (
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ):
        assert response.headers.get_list(name) == [value], (why, name, response.headers.raw)
    assert len(response.headers.get_list("x-request-id")) == 1, why
    assert "server" not in response.headers, why
    assert "x-powered-by" not in response.headers, why


def without_id(response: Response) -> tuple[int, str, list[tuple[str, str]]]:
    """Give all of an answer that must not differ from request to request."""
    request_id = response.headers["x-request-id"]
    headers = [(k, v.replace(request_id, "")) for k, v in response.headers.multi_items()]
    return response.status_code, response.text.replace(request_id, ""), sorted(headers)


async def one_of_each(world: World) -> AsyncIterator[tuple[int, Response]]:
    """Provoke every kind of refusal; give what it should be."""
    me, anyone = world.clinician, world.http
    case = await me.case(client_ref=f"{CANARY}-1")
    path = f"/v1/cases/{case['id']}"
    again = {"client_ref": f"{CANARY}-1"}
    yield 401, await anyone.get("/v1/cases")
    yield 401, await anyone.get("/v1/me", headers={"Authorization": f"Bearer {CANARY}"})
    yield 401, await anyone.post("/v1/auth/revoke")
    form = {"grant_type": "password", "username": CANARY, "password": CANARY}
    yield 400, await anyone.post("/v1/auth/token", data=form)
    yield 403, await me.get("/v1/users")
    yield 403, await world.admin.get("/v1/cases")
    yield 403, await me.post(f"{path}/transfer", {"clinician_id": str(me.id), "reason": CANARY})
    yield 404, await world.colleague.get(path)
    yield 404, await me.get(f"/v1/cases/{uuid4()}")
    for unknown in (
        "/v1",
        f"/v1/{CANARY}",
        f"/{CANARY}",
        "/v2/cases",
        "/v1/cases//",
        "/.env",
    ):
        yield 404, await anyone.get(unknown)
        yield 404, await me.post(unknown, {CANARY: CANARY})
    yield 404, await anyone.get("/v1/../../etc/passwd")
    for method in ("DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", CANARY):
        answer = await anyone.request(method, "/v1/cases")
        assert answer.headers["allow"], method
        yield 405, answer
    yield 405, await me.send("GET", "/v1/auth/token")
    yield 405, await me.send("POST", "/v1/vocabulary")
    yield 405, await me.send("POST", "/healthz")
    yield 409, await me.post("/v1/cases", again)
    yield 412, await me.patch(path, {"phase": "unknown"}, version=99)
    yield 412, await me.delete(path, version=99)
    yield 413, await me.send("POST", "/v1/cases", content=TOO_MUCH, headers=JSON)
    yield 413, await anyone.post("/v1/auth/token", content=TOO_MUCH)
    yield 413, await anyone.post(f"/v1/{CANARY}", content=TOO_MUCH)
    yield 415, await me.send("POST", "/v1/cases", content=CANARY)
    yield 422, await me.post("/v1/cases", {CANARY: CANARY})
    yield 422, await me.get("/v1/cases", limit=0)
    yield 422, await me.get(f"/v1/cases/{CANARY}")
    yield 428, await me.send("PATCH", path, json={})
    yield 428, await me.send("DELETE", path)
    ok(await me.patch(path, {"phase": "unknown"}))
    assert (await me.delete(path)).status_code == 204
    yield 409, await me.patch(path, {"phase": "unknown"})


async def test_every_refusal_is_a_problem_document_and_kept_private(world: World) -> None:
    wrong, seen = [], set()
    async for status, answer in one_of_each(tolerant(world)):
        request = (answer.request.method, answer.request.url.path)
        seen.add(answer.status_code)
        try:
            refused(answer, status, why=request)
            assert_kept_private(answer, request)
        except AssertionError as failure:
            wrong.append((request, status, answer.status_code, str(failure)[:200]))
    assert wrong == []
    assert seen == {400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428}


async def test_the_code_of_a_problem_goes_with_its_status(world: World) -> None:
    codes: dict[int, set[tuple[str, str]]] = {}
    async for status, answer in one_of_each(tolerant(world)):
        if answer.headers.get("content-type") == "application/problem+json":
            document = answer.json()
            codes.setdefault(status, set()).add((document["type"], document["title"]))
    assert {status: len(found) for status, found in codes.items()} == dict.fromkeys(codes, 1)


async def test_a_method_that_is_not_answered_is_told_those_that_are(world: World) -> None:
    for path, answered in (
        ("/v1/cases", "GET, HEAD, POST"),
        ("/v1/auth/token", "POST"),
        (f"/v1/users/{uuid4()}", "GET, HEAD, PATCH"),
        (f"/v1/webhooks/{uuid4()}/deliveries/{uuid4()}", "GET, HEAD"),
        # a path of its own, though it reads like the one of a delivery
        (f"/v1/webhooks/{uuid4()}/deliveries/replay", "POST"),
    ):
        refusal = await world.http.request("OPTIONS", path)
        assert (refusal.status_code, refusal.headers["allow"]) == (405, answered)


async def test_every_answer_is_kept_private(world: World) -> None:
    me = tolerant(world).clinician
    case = await me.case()
    for path in ("/healthz", "/readyz", "/openapi.json", "/v1/me", "/v1/vocabulary", "/v1/rules"):
        answer = await me.get(path)
        assert answer.status_code == 200, path
        assert_kept_private(answer, path)
    assert_kept_private(await me.delete(f"/v1/cases/{case['id']}"))
    assert_kept_private(await me.post("/v1/cases", {"client_ref": uuid4().hex}))
    assert_kept_private(await me.send("HEAD", "/v1/cases"))
    for path in ("/docs", "/redoc"):
        page = await world.http.get(path)
        assert page.status_code == 200, path
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-store"
        assert "https://" not in page.text.replace("https://fastapi.tiangolo.com", ""), path


async def test_a_request_id_is_ours_and_never_twice_the_same(world: World) -> None:
    sent = {"X-Request-ID": CANARY}
    answers = [await world.http.get(f"/v1/{uuid4()}", headers=sent) for _ in range(5)]
    assert len({answer.json()["request_id"] for answer in answers}) == 5
    for answer in answers:
        refused(answer, 404)


# ------------------------------------------------- what is not there, and what may not be known


async def test_a_record_of_another_clinic_is_answered_as_one_that_does_not_exist(
    world: World,
) -> None:
    theirs = await staged(tolerant(world), world.there)
    ids = {name: value for call in theirs.values() for name, value in call.ids.items()}
    ids["user_id"] = str(world.there["clinician"].id)
    ids["record_id"] = ids["promise_id"]
    ids["entry_id"] = await _some_entry_of(world, world.there["clinician"])
    ids["version_id"] = "1"
    world.here["software"] = await software(world, Scope.cases_write)
    world.here["client"] = await _somebody_at_door(world)
    tried = set()
    for method, template, _ in described():
        if "{" not in template or (method, template) in PUBLIC:
            continue
        if "{definition_id}" in template:
            # the same words are defined for every clinic
            continue
        call = theirs.get((method, template))
        part = _part(world.there, call.by) if call else _reader_of(template)
        by = world.here[part]
        names = re.findall(r"{(\w+)}", template)
        answers = []
        numbers = {"version_id": "1", "n": "99"}
        unknown = {name: numbers.get(name, str(uuid4())) for name in names}
        for known in (ids, unknown):
            options: dict[str, Any] = {"headers": {"If-Match": '"1"'}}
            if call and call.body is not None:
                options["json"] = call.body
            path = template.format(**{name: known[name] for name in names})
            answers.append(await by.send(method, path, **options))
        for answer in answers:
            refused(answer, 404, why=(method, template))
        assert len({repr(without_id(answer)) for answer in answers}) == 1, (method, template)
        tried.update(names)
    nouns = {"case_id", "incident_id", "promise_id", "consultation_id", "flag_id", "note_id"}
    people = {"user_id", "supervision_id", "session_id", "account_id", "secret_id"}
    people |= {"webhook_id", "delivery_id"}
    others = {"recusal_id", "cover_id", "opening_id", "entry_id", "hold_id", "import_id"}
    others |= {"record_id", "disclosure_id", "version_id", "questionnaire_id", "response_id"}
    of_the_door = {"invitation_id", "client_account_id", "n"}
    assert tried == nouns | people | others | of_the_door


async def _somebody_at_door(world: World) -> Visitor:
    """Let somebody be at a door here by the receipt of one account, their first."""
    await open_door(world)
    code = (await invite(world.clinician, await world.clinician.case()))["code"]
    sent = await (await visitor(world, world.admin.clinic_id, code=code)).says()
    return await visitor(world, world.admin.clinic_id, receipt=sent["receipt"])


async def _some_entry_of(world: World, person: Person) -> str:
    """Give an entry of the journal that tells of what somebody did."""
    told = select(JournalEntry.id).where(JournalEntry.actor_id == person.id)
    async with world.owner.transaction() as tx:
        return str((await tx.exec(told)).first())


async def test_a_record_one_may_not_know_of_is_answered_as_one_that_does_not_exist(
    world: World,
) -> None:
    calls = await staged(tolerant(world), world.here)
    for (method, template), call in calls.items():
        if (
            not {"case_id", "incident_id", "promise_id", "consultation_id", "flag_id", "note_id"}
            & call.ids.keys()
        ) or call.by is world.admin:
            continue
        # of the same role, but neither the case's clinician nor linked to them
        outsider = world.colleague if call.by is world.clinician else world.stranger
        answers = []
        for ids in (call.ids, {name: str(uuid4()) for name in call.ids}):
            options: dict[str, Any] = {"headers": call.headers}
            if call.body is not None:
                options["json"] = call.body
            path = template.format(**ids)
            answers.append(await outsider.send(method, path, **options))
        for answer in answers:
            refused(answer, 404, why=(method, template))
        assert len({repr(without_id(answer)) for answer in answers}) == 1, (method, template)


def _part(people: dict[str, Person], person: Person) -> str:
    (part,) = [part for part, each in people.items() if each is person]
    return part


ADMINISTERED = ("/v1/users", "/v1/supervisions", "/v1/service-accounts", "/v1/webhooks")


def _reader_of(template: str) -> str:
    if template.startswith("/v1/legal-holds"):
        return "privacy_officer"
    if template.startswith("/v1/imports"):
        return "software"
    if template.startswith(("/v1/accounts", "/v1/cases/{case_id}/accounts")):
        return "supervisor"
    return "admin" if template.startswith(ADMINISTERED) else "clinician"


async def test_a_refusal_to_somebody_signed_in_is_journalled_with_what_was_asked_for(
    world: World,
) -> None:
    me, case_id = tolerant(world).clinician, uuid4()
    unseen = await me.get(f"/v1/cases/{case_id}")
    forbidden = await me.get("/v1/users", updated_since="2020-01-01T00:00:00Z")
    refused(unseen, 404)
    refused(forbidden, 403)
    for answer, record_type, record_ids in (
        (unseen, "case:read", [str(case_id)]),
        (forbidden, "user:list", []),
    ):
        async with world.owner.transaction() as tx:
            entries = await tx.exec(
                select(JournalEntry).where(
                    JournalEntry.request_id == answer.headers["x-request-id"]
                )
            )
            entry = entries.one()
        assert (entry.happening, entry.actor_id) == ("request.refused", me.id)
        assert (entry.record_type, entry.record_ids) == (record_type, record_ids)


# --------------------------------------------------------------------- when something breaks


async def test_a_mistake_of_ours_says_nothing_of_it_and_is_kept_private(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"a client's words: {CANARY}")

    monkeypatch.setattr(AccessTokens, "verify", broken)
    # the exception must not leave the application: the server would log its text with a stack
    transport = ASGITransport(app=world.app, raise_app_exceptions=True)
    async with AsyncClient(transport=transport, base_url="http://notes.test") as http:
        answer = await http.get("/v1/me", headers={"Authorization": "Bearer x"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:boundary-notes:internal"
    spoken = capfd.readouterr()
    for said in (answer.text, spoken.out, spoken.err):
        assert CANARY not in said
        assert "Traceback" not in said
    assert_kept_private(answer)


async def test_a_mistake_of_ours_is_answered_with_the_same_headers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(AccessTokens, "verify", broken)
    answer = await tolerant(world).http.get("/v1/me", headers={"Authorization": "Bearer x"})
    assert answer.status_code == 500
    assert CANARY not in answer.text
    assert_kept_private(answer)


@asynccontextmanager
async def no_database(kind: str, folder: Path) -> AsyncIterator[str]:
    """Give the address of a database that cannot answer."""
    if kind == "sqlite":
        yield f"sqlite+aiosqlite:///{folder}/{CANARY}/notes.db"
    elif kind == "postgresql, closed":
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
            yield f"postgresql+asyncpg://{CANARY}:{CANARY}@127.0.0.1:{taken.getsockname()[1]}/notes"
    else:

        async def silent(reader: StreamReader, writer: StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"postgresql+asyncpg://{CANARY}:{CANARY}@127.0.0.1:{port}/notes"
        finally:
            server.close()


@asynccontextmanager
async def served(url: str) -> AsyncIterator[tuple[FastAPI, AsyncClient]]:
    """Serve the application on some database, as a caller would see it."""
    app = create_app(Settings(database_url=url, secret_key=SETTINGS_SECRET))
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://notes.test") as http:
        try:
            yield app, http
        finally:
            await app.state.database.dispose()
            await _drivers_ended()


async def _drivers_ended() -> None:
    """Wait for the driver's threads: where connecting fails, it ends its thread unwaited for."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await anyio.to_thread.run_sync(thread.join, 5)


def assert_unavailable(answer: Response, why: str) -> None:
    assert answer.status_code == 503, (why, answer.text)
    assert answer.headers["content-type"] == "application/problem+json", why
    document = answer.json()
    assert (document["type"], document["status"]) == ("urn:boundary-notes:unavailable", 503), why
    assert int(answer.headers["retry-after"]) > 0, why
    assert CANARY not in answer.text + str(answer.headers.raw), why
    assert "Traceback" not in answer.text, why
    assert_kept_private(answer, why)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql, closed", "postgresql, silent"])
async def test_an_unreachable_database_is_503_within_six_seconds(kind: str, tmp_path: Path) -> None:
    form = {"grant_type": "password", "username": "a@b", "password": "x" * 15}
    async with no_database(kind, tmp_path) as url, served(url) as (app, http):
        assert (await http.get("/healthz")).status_code == 200
        tokens: AccessTokens = app.state.tokens
        token = tokens.issue(Claims(uuid4(), uuid4(), uuid4()), app.state.database.clock())
        requests: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", "/v1/cases", {"headers": {"Authorization": f"Bearer {token}"}}),
            ("POST", "/v1/auth/token", {"data": form}),
            ("GET", "/readyz", {}),
        ]
        watch = Stopwatch()
        answers = await gather(
            *(http.request(method, path, **options) for method, path, options in requests),
            return_exceptions=True,
        )
        assert watch.took < 6 * slowness()
        for answer, (_, path, _) in zip(answers, requests, strict=True):
            assert isinstance(answer, Response), (path, repr(answer))
            assert_unavailable(answer, path)


async def test_a_database_without_its_tables_is_not_ready(tmp_path: Path) -> None:
    async with served(f"sqlite+aiosqlite:///{tmp_path}/empty.db") as (_, http):
        assert_unavailable(await http.get("/readyz"), "no tables")


async def test_without_its_journal_entry_nothing_is_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal that cannot be journalled is 503, not the refusal; no byte of the record leaves."""
    me = tolerant(world).clinician
    await world.token_of(me)
    async with world.owner.transaction() as tx:
        run = (await tx.connection()).exec_driver_sql
        await run("ALTER TABLE journal_entries RENAME TO journal_elsewhere")
    try:
        watch = Stopwatch()
        refusal = await me.get(f"/v1/cases/{uuid4()}")
        written = await me.post("/v1/cases", {"client_ref": CANARY})
        assert watch.took < 4 * slowness()
    finally:
        async with world.owner.transaction() as tx:
            run = (await tx.connection()).exec_driver_sql
            await run("ALTER TABLE journal_elsewhere RENAME TO journal_entries")
    for answer in (refusal, written):
        assert_unavailable(answer, answer.request.method)
    assert ok(await me.get("/v1/cases", client_ref=CANARY))["items"] == []
