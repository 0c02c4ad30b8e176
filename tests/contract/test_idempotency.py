"""Requests that are sent again: carried out once, and shown as they may be seen now."""

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from httpx import Response
from sqlmodel import SQLModel, col, select

from api.access import authentication
from api.domain.vocabulary import Role, Scope
from api.flags import reconcile
from api.http.oauth_refusals import TOKEN_PATH
from api.http.strict_route import KEY
from api.storage.models.access import Supervision
from api.storage.models.clinical import Case, Incident
from api.storage.models.integration import RepeatableRequest
from api.storage.models.journal import JournalEntry
from api.storage.models.people import User
from tests.support.matrix import DOOR_TABLE, TABLE, Row
from tests.support.processes import serving
from tests.support.requests import document
from tests.support.scene import Scene, set_scene
from tests.support.world import (
    DATA_KEY,
    NOON,
    SETTINGS_SECRET,
    Person,
    Urls,
    World,
    incident,
    made,
    ok,
    open_world,
    promise,
    software,
)

pytestmark = pytest.mark.both_databases

CANARY = "a heron stood in the reeds"

GONE = {"/v1/cases/{case_id}/transfer", "/v1/accounts/{client_account_id}/step-out"}
"""Moves after which the record is out of sight of who made them."""

SPOILS = (*sorted(GONE), "/v1/cases/{case_id}/recusals")
"""What other operations on the same records could not follow: played last."""

FIRST = ("/v1/consultations/{consultation_id}/decline",)
"""What could not follow others: played first."""


SHOWN_ONCE = "What this answers is shown once; it takes no such key."
AT_DOOR = "A key is kept with who sent it, and at a door nobody is known; it takes none."
WHY_NONE = {
    "/v1/imports": "Each line has a key of its own; the file as a whole takes none.",
    "/v1/rules/preview": "This changes nothing, however often it is sent; it takes no such key.",
}
"""Why an operation takes no key, where it is not that its answer is shown once."""


def keyed(key: str) -> dict[str, Any]:
    """Send this idempotency key."""
    return {"headers": {KEY: key}}


def alike(one: Response, other: Response) -> bool:
    """Tell whether two answers say the same of the same record."""
    # where nothing is said, it is of no type
    named = ("location", "etag", *(["content-type"] if one.content else []))
    return (one.status_code, one.content, [one.headers.get(name) for name in named]) == (
        other.status_code,
        other.content,
        [other.headers.get(name) for name in named],
    )


async def not_at_all(*_: object) -> None:
    """Stand in for the guard, and guard nothing."""


async def report(
    person: Person, case: dict[str, Any], key: str, kind: str = "hurtful_words", **fields: Any
) -> Response:
    """Report an incident under a key."""
    body = incident(kind, person.world, **fields)
    return await person.post(f"/v1/cases/{case['id']}/incidents", body, **keyed(key))


async def kept(world: World) -> list[tuple[Any, ...]]:
    """Sum up all that is kept, but the journal."""
    sums = []
    async with world.owner.transaction() as tx:
        connection = await tx.connection()
        for table in SQLModel.metadata.sorted_tables:
            if table.name != "journal_entries":
                steps = sa.func.sum(table.c.version) if "version" in table.c else sa.null()
                found = await connection.execute(
                    sa.select(sa.func.count(), steps).select_from(table)
                )
                sums.append((table.name, *found.one()))
    return sums


async def count(world: World, case: dict[str, Any]) -> int:
    """Count the incidents of a case, whoever may see them."""
    async with world.owner.transaction() as tx:
        found = await tx.exec(select(col(Incident.id)).where(Incident.case_id == UUID(case["id"])))
        return len(found.all())


# ------------------------------------------------------------------------------- one and the same


async def test_what_is_sent_again_is_done_once_and_shown_again(world: World) -> None:
    case = await world.clinician.case()
    first = await report(world.clinician, case, "once", narrative=CANARY)
    assert made(first)["flags_raised"]
    before = await kept(world)
    for _ in range(3):
        assert alike(await report(world.clinician, case, "once", narrative=CANARY), first)
    assert await kept(world) == before
    assert await count(world, case) == 1


async def test_without_the_guard_each_would_be_carried_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "only_once", not_at_all)
    case = await world.clinician.case()
    for _ in range(2):
        made(await report(world.clinician, case, "once"))
    assert await count(world, case) == 2


async def test_many_at_once_leave_one_row_and_one_answer(world: World) -> None:
    case = await world.clinician.case()
    answers = await asyncio.gather(*(report(world.clinician, case, "all") for _ in range(20)))
    assert all(alike(answer, answers[0]) for answer in answers)
    assert made(answers[0])["flags_raised"]
    assert await count(world, case) == 1


async def test_another_body_is_refused_and_another_spelling_of_the_same_is_not(
    world: World,
) -> None:
    path, key = "/v1/cases", keyed("body")
    first = await world.clinician.post(path, {"client_ref": "r", "phase": "acceptance"}, **key)
    spelled = {"content": '{ "phase":"acceptance",\n"client_ref": "\\u0072" }'}
    headers = {KEY: "body", "Content-Type": "application/json"}
    assert alike(await world.clinician.send("POST", path, headers=headers, **spelled), first)
    other = await world.clinician.post(path, {"client_ref": CANARY}, **key)
    assert ok(other, 422)["errors"] == [
        {
            "pointer": f"/header/{KEY}",
            "message": "This key came before with another body: take a new key.",
        }
    ]


async def test_somebody_elses_key_and_another_routes_are_other_keys(world: World) -> None:
    own, other = await world.clinician.case(), await world.clinician.case()
    answers = [
        await report(world.clinician, own, "mine"),
        await report(world.clinician, other, "mine"),
        await report(world.supervisor, own, "mine"),
        await world.clinician.post(
            f"/v1/cases/{own['id']}/promises", promise(world), **keyed("mine")
        ),
    ]
    assert len({made(answer)["id"] for answer in answers}) == 4
    there = world.there["clinician"]
    assert made(await there.post("/v1/cases", {"client_ref": "x"}, **keyed("mine")))


async def test_software_may_send_again_too(world: World) -> None:
    case = await world.clinician.case()
    diary = await software(world, Scope.cases_write, Scope.cases_read, Scope.flags_read)
    first = await report(diary, case, "diary")
    assert alike(await report(diary, case, "diary"), first)
    assert made(first)["flags_raised"]
    assert await count(world, case) == 1


async def test_a_day_later_a_key_is_new(world: World) -> None:
    case = await world.clinician.case()
    body = incident("hurtful_words", world)
    path = f"/v1/cases/{case['id']}/incidents"
    ids = []
    for hours in (0, 23.9, 0.2, 23.9):
        world.clock.forward(hours=hours)
        ids.append(made(await world.clinician.post(path, body, **keyed("daily")))["id"])
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert await count(world, case) == 2


# ------------------------------------------------------------------------------- as it may be seen


async def test_the_record_and_its_flags_are_shown_as_they_are_now(world: World) -> None:
    case = await world.clinician.case()
    first = made(await report(world.supervisor, case, "now"))
    path = f"/v1/incidents/{first['id']}"
    ok(await world.supervisor.patch(path, {"narrative": "told later"}))
    (flag,) = first["flags_raised"]
    ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/acknowledge"))
    again = await report(world.supervisor, case, "now")
    shown = made(again)
    assert (shown["version"], again.headers["etag"]) == (2, '"2"')
    assert shown["narrative"] == "told later"
    assert [(each["id"], each["status"]) for each in shown["flags_raised"]] == [
        (flag["id"], "acknowledged")
    ]


async def test_a_flag_that_may_not_be_seen_any_more_is_left_out(world: World) -> None:
    case = await world.clinician.case()
    first = made(await report(world.supervisor, case, "hidden"))
    assert first["restricted"]
    assert [flag["restricted"] for flag in first["flags_raised"]] == [True]
    stand_in = {"case_id": case["id"], "user_id": str(world.supervisor.id)}
    days = {"starts_on": world.day(), "ends_on": world.day(9)}
    made(await world.clinician.post("/v1/covers", {**stand_in, **days}))
    await end_links(world)
    shown = made(await report(world.supervisor, case, "hidden"))
    assert shown == {**first, "flags_raised": []}


async def test_who_may_not_see_it_any_more_is_refused_as_its_get_refuses(world: World) -> None:
    case = await world.clinician.case()
    made(await report(world.supervisor, case, "rights"))
    found = await world.supervisor.get(f"/v1/cases/{case['id']}")
    assert found.is_success
    await end_links(world)
    again = await report(world.supervisor, case, "rights")
    assert ok(again, 404)["detail"] == "There is no such record here."
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id)
        person = (await tx.exec(select(User).where(User.id == world.supervisor.id))).one()
        person.role = Role.admin
    again = await report(world.supervisor, case, "rights")
    assert ok(again, 403)["detail"] == "The role admin does not do this."
    assert await count(world, case) == 1


async def end_links(world: World) -> None:
    """End the supervision of the clinician here."""
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id, ZoneInfo("UTC"))
        links = await tx.exec(
            select(Supervision).where(Supervision.clinician_id == world.clinician.id)
        )
        for link in links:
            link.ends_on = tx.today


# ---------------------------------------------------------------------------------- what is kept


async def test_a_refused_first_try_is_not_remembered(world: World) -> None:
    case = await world.clinician.case()
    path, key = f"/v1/cases/{case['id']}/recusals", keyed("refused")
    body = {"user_id": str(world.stranger.id)}
    # by the guard, for its shape, for its sense, and for the state of things
    ok(await world.here["consultant"].post(path, body, **key), 403)
    ok(await world.admin.post(path, {"user_id": 1}, **key), 422)
    ok(await world.admin.post(path, {"user_id": str(uuid4())}, **key), 422)
    ok(await world.admin.post(path, {"user_id": str(world.clinician.id)}, **key), 409)
    assert made(await world.admin.post(path, body, **key)) == made(
        await world.admin.post(path, body, **key)
    )


async def test_a_try_that_failed_is_not_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object, **__: object) -> None:
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr("api.routes.cases.reconcile_flags", failing)
        ok(await world.clinician.post("/v1/cases", {"client_ref": "x"}, **keyed("failed")), 503)
    first = await world.clinician.post("/v1/cases", {"client_ref": "x"}, **keyed("failed"))
    assert alike(
        await world.clinician.post("/v1/cases", {"client_ref": "x"}, **keyed("failed")), first
    )
    assert made(first)


async def test_what_is_kept_holds_no_text_and_nothing_to_guess_it_by(world: World) -> None:
    case = await world.clinician.case()
    key = f"key-{uuid4().hex}"
    body = incident("hurtful_words", world, narrative=CANARY)
    sent = await world.clinician.post(f"/v1/cases/{case['id']}/incidents", body, **keyed(key))
    async with world.owner.transaction() as tx:
        found = await tx.exec(
            select(RepeatableRequest).where(RepeatableRequest.recorded_by_id == world.clinician.id)
        )
        row = found.one()
    written = repr(row.model_dump())
    assert (str(row.record_id), row.record_type) == (made(sent)["id"], "incident")
    assert row.flag_ids == [flag["id"] for flag in made(sent)["flags_raised"]]
    for told in (CANARY, key, "hurtful_words"):
        assert told not in written
    for guess in (sent.request.content, key.encode(), CANARY.encode()):
        assert hashlib.sha256(guess).hexdigest() not in written


@pytest.mark.parametrize("key", ["", "two words", "x" * 201, "h\xe9ron", "tab\t", "a\x7f"])
async def test_what_is_no_key_is_refused(world: World, key: str) -> None:
    answer = await world.clinician.post(
        "/v1/cases", {"client_ref": "x"}, headers={KEY: key.encode("latin-1")}
    )
    (error,) = ok(answer, 422)["errors"]
    assert error["pointer"] == f"/header/{KEY}"


async def test_two_keys_are_none_and_a_long_one_is_one(world: World) -> None:
    token = await world.token_of(world.clinician)
    headers = [("Authorization", f"Bearer {token}"), (KEY, "one"), (KEY, "two")]
    body = {"client_ref": "x"}
    ok(await world.http.post("/v1/cases", json=body, headers=headers), 422)
    made(await world.clinician.post("/v1/cases", body, **keyed("~" * 200)))


async def test_who_asks_while_it_is_being_done_is_asked_to_wait(
    postgresql_urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_go_on = asyncio.Event(), asyncio.Event()
    really = reconcile.reconcile_flags

    async def slowly(*args: Any, **options: Any) -> Any:
        begun.set()
        await may_go_on.wait()
        return await really(*args, **options)

    monkeypatch.setattr("api.routes.cases.reconcile_flags", slowly)
    async with open_world(postgresql_urls, NOON) as world:
        body, key = {"client_ref": "x"}, keyed("slow")
        first = asyncio.create_task(world.clinician.post("/v1/cases", body, **key))
        await begun.wait()
        waiting = await world.clinician.post("/v1/cases", body, **key)
        may_go_on.set()
        assert "being carried out just now" in ok(waiting, 409)["detail"]
        assert waiting.headers["retry-after"] == "2"
        assert alike(await world.clinician.post("/v1/cases", body, **key), await first)


async def test_a_replay_is_journalled_as_a_read_is(world: World) -> None:
    case = await world.clinician.case()
    await report(world.clinician, case, "told")
    await report(world.clinician, case, "told")
    async with world.owner.transaction() as tx:
        found = await tx.exec(
            select(col(JournalEntry.happening)).where(
                JournalEntry.case_id == UUID(case["id"]), col(JournalEntry.is_read).is_(False)
            )
        )
        told = sorted(found.all())
    assert told == ["case.opened", "flag.opened", "incident.reported"]


# ------------------------------------------------------------------------- every POST there is


@pytest.fixture
async def scene(world: World) -> Scene:
    """Records of every sort."""
    return await set_scene(world)


async def test_every_post_is_carried_out_once_or_takes_no_key(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts = {path: on["post"] for path, on in document()["paths"].items() if "post" in on}
    takes_key = {path for path, post in posts.items() if _documents_a_key(post)}
    # a search only looks
    searches = {path for path in posts if path.startswith("/fhir/")}
    assert takes_key.isdisjoint(searches)
    told_once = posts.keys() - takes_key - searches
    of = {"auth", "me", "users", "service-accounts", "rules", "webhooks", "imports"}
    at_door = {path for path in told_once if path.startswith("/door/")}
    invites = {path for path in told_once if "/invitations" in path}
    assert {path.split("/")[2] for path in told_once - at_door - invites} == of
    assert len(at_door) == sum(row.method == "POST" for row in DOOR_TABLE) + 1
    assert len(invites) == 3
    for path in told_once - at_door:
        answer = await scene.here["admin"].post(path, **keyed("swept"))
        (error,) = ok(answer, 400 if path == TOKEN_PATH else 422)["errors"]
        assert error["message"] == WHY_NONE.get(path, SHOWN_ONCE), path
    for path in at_door:
        answer = await scene.world.http.post(path, **keyed("swept"))
        assert ok(answer, 422)["errors"][0]["message"] == AT_DOOR, path
    rows = [
        row for row in TABLE if row.method == "POST" and row.path in takes_key and "y" in row.cells
    ]
    assert {row.path for row in rows} == takes_key
    wrong = [(row.path, why) for row in _in_order(rows) if (why := await _sent_twice(scene, row))]
    assert wrong == []
    # and one that forgot would be found
    monkeypatch.setattr(authentication, "only_once", not_at_all)
    for path in (
        "/v1/cases",
        "/v1/covers",
        "/v1/consultations/{consultation_id}/request",
        "/v1/webhooks/{webhook_id}/test",
    ):
        (row,) = (row for row in rows if row.path == path)
        assert await _sent_twice(scene, row)


def _documents_a_key(post: dict[str, Any]) -> bool:
    return any(each["name"] == KEY and each["description"] for each in post.get("parameters", ()))


def _in_order(rows: list[Row]) -> list[Row]:
    last = {path: place for place, path in enumerate(SPOILS, 1)}
    return sorted(rows, key=lambda row: (last.get(row.path, 0), row.path not in FIRST))


async def _sent_twice(scene: Scene, row: Row) -> str | None:
    """Send the same twice, as somebody who may; say what is wrong with it, if anything."""
    for role, relation, letter in row.expected():
        if letter != "y":
            continue
        person = scene.person(row, role, relation)
        path, options = scene._request(row, role, relation, person, unknown=False)
        options.setdefault("headers", {})[KEY] = "swept"
        first = await person.send("POST", path, **options)
        if first.is_success:
            before = await kept(scene.world)
            again = await person.send("POST", path, **options)
            if await kept(scene.world) != before:
                return "it was carried out again"
            if row.path in GONE:
                return None if again.status_code == 404 else f"shown again: {again.status_code}"
            return None if alike(first, again) else f"not alike: {again.text[:300]}"
    return f"nobody could: {first.text}"


# -------------------------------------------------------------------- connections that are cut

KEYS, CLIENTS = 100, 16
CUT = 0.3
"""The share of requests whose sender hangs up instead of reading the answer."""


@dataclass
class Storm:
    """The same requests, sent again and again to a real server by clients that may hang up."""

    url: str
    token: str
    chance: random.Random = field(default_factory=lambda: random.Random(20260302))
    answers: dict[int, set[bytes]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    cut: int = 0

    async def rage(self, times: int) -> None:
        """Send each key so many times, in any order, and at last once more to read it."""
        waiting = [number for number in range(KEYS) for _ in range(times - 1)]
        self.chance.shuffle(waiting)
        await asyncio.gather(*(self._client(waiting, CUT) for _ in range(CLIENTS)))
        await self._client(list(range(KEYS)), 0)

    async def _client(self, waiting: list[int], cut: float) -> None:
        reader, writer = await self._connect()
        while waiting:
            number = waiting.pop()
            if self.chance.random() >= cut:
                writer.write(self._request(number))
                await self._read(reader, number)
                continue
            await self._hang_up(writer, number)
            reader, writer = await self._connect()
        writer.close()

    async def _hang_up(self, writer: asyncio.StreamWriter, number: int) -> None:
        request = self._request(number)
        # some do not even get to the end of what they say
        upto = len(request) if self.chance.random() < 0.7 else self.chance.randrange(len(request))
        writer.write(request[:upto])
        await asyncio.sleep(self.chance.choice((0, 0.002, 0.01)))
        writer.transport.abort()
        self.cut += 1

    async def _read(self, reader: asyncio.StreamReader, number: int) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.statuses[int(head.split()[1])] += 1
        self.answers.setdefault(number, set()).add(await reader.readexactly(length))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return await asyncio.open_connection(host, int(port))

    def _request(self, number: int) -> bytes:
        body = json.dumps({"client_ref": f"ref-{number}"})
        lines = (
            "POST /v1/cases HTTP/1.1",
            "Host: notes.test",
            f"Authorization: Bearer {self.token}",
            f"{KEY}: key-{number}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        return "\r\n".join((*lines, "", body)).encode()


@pytest.mark.parametrize(
    "times",
    [20, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(900)])],
)
async def test_a_hundred_keys_sent_again_and_again_make_a_hundred_rows(
    postgresql_urls: Urls, times: int, say: Callable[[str], None]
) -> None:
    settings = {
        "database_url": postgresql_urls.runtime,
        "secret_key": SETTINGS_SECRET.get_secret_value(),
        "data_key": DATA_KEY.get_secret_value(),
    }
    async with open_world(postgresql_urls, datetime.now(UTC)) as world:
        token = await world.token_of(world.clinician)
        with serving(settings) as url:
            storm = Storm(url, token)
            await storm.rage(times)
        rows = await _count_all(world, Case), await _count_all(world, RepeatableRequest)
    say(
        f"idempotency keys: {KEYS} keys sent {times} times each, {storm.cut} connections cut: "
        f"{rows[0]} rows; {storm.statuses.total()} answers read, "
        f"{sum(map(len, storm.answers.values()))} different ones"
    )
    assert storm.statuses.keys() == {201}
    assert storm.statuses.total() + storm.cut == KEYS * times
    assert storm.cut >= KEYS * times * CUT / 2
    assert rows == (KEYS, KEYS)
    assert [len(answers) for answers in storm.answers.values()] == [1] * KEYS


async def _count_all(world: World, model: Any) -> int:
    async with world.owner.transaction() as tx:
        of_clinic = sa.select(sa.func.count()).where(model.clinic_id == world.clinician.clinic_id)
        found: int = (await (await tx.connection()).execute(of_clinic)).scalar_one()
        return found
