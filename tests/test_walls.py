"""The permission table, cell by cell: every operation, for everyone, on a full case."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from httpx import Response
from sqlmodel import SQLModel, col, select

from api.models import JournalEntry
from tests.conftest import NOON
from tests.world import PASSWORD, Person, World, incident, made, ok, open_world, promise

PEOPLE = (
    "owner",
    "colleague",
    "supervisor",
    "stranger",
    "consultant",
    "privacy_officer",
    "admin",
    "clinician there",
    "supervisor there",
    "admin there",
    "nobody",
)
"""In the order of the table's columns. `supervisor` is linked to the owner, `stranger` is not."""

PUBLIC = {("POST", "/v1/auth/token"), ("GET", "/healthz"), ("GET", "/readyz")}

NOTE = {"determination": "normal_process", "resolution_note": "looked at together"}
ASKED = {"kind": "ethics", "urgency": "routine", "question": "what do you see"}


@dataclass(frozen=True)
class Row:
    """One operation, what is sent, and the status for each of PEOPLE."""

    method: str
    path: str
    cells: str
    body: Any = None
    on: dict[str, str] = field(default_factory=dict)
    """Which record of the scene stands for a name in the path, where it is not its namesake."""

    @property
    def expected(self) -> dict[str, int]:
        """Give each person's status."""
        return dict(zip(PEOPLE, map(int, self.cells.split()), strict=True))


#                        own col sup str con pri adm  tc  ts  ta nobody
EVERYONE = "             200 200 200 200 200 200 200 200 200 200 401"
GONE = "                 204 204 204 204 204 204 204 204 204 204 401"
STAFF = "                200 200 200 200 403 200 200 200 200 200 401"
ADMINS = "               403 403 403 403 403 403 200 403 403 200 401"
ADMINS_MAKE = "          403 403 403 403 403 403 201 403 403 201 401"
ADMINS_HERE = "          403 403 403 403 403 403 200 403 403 404 401"
ADMINS_HERE_END = "      403 403 403 403 403 403 204 403 403 404 401"
AUDITORS = "             403 403 403 403 403 200 200 403 403 200 401"
TREATING = "             200 200 200 200 403 403 403 200 200 403 401"
TREATING_MAKE = "        201 201 201 201 403 403 403 201 201 403 401"
CASE = "                 200 404 200 404 403 403 403 404 404 403 401"
CASE_MAKE = "            201 404 201 404 403 403 403 404 404 403 401"
CASE_VOID = "            204 404 204 404 403 403 403 404 404 403 401"
SUPERVISORS = "          403 403 200 404 403 403 403 403 404 403 401"
SUPERVISORS_MAKE = "     403 403 201 404 403 403 403 403 404 403 401"
REQUESTERS = "           200 404 403 404 403 403 403 404 404 403 401"
REQUESTERS_MAKE = "      201 404 403 404 403 403 403 404 404 403 401"

TABLE = [
    Row("POST", "/v1/auth/revoke", GONE),
    Row("GET", "/v1/me", EVERYONE),
    Row("PATCH", "/v1/me", EVERYONE, {"current_password": PASSWORD, "password": PASSWORD}),
    Row("GET", "/v1/users", AUDITORS),
    Row(
        "POST",
        "/v1/users",
        ADMINS_MAKE,
        {"name": "New", "email": "new@x.example", "role": "clinician", "password": PASSWORD},
    ),
    Row(
        "GET",
        "/v1/users/{user_id}",
        "200 404 404 404 404 200 200 404 404 404 401",
    ),
    Row("PATCH", "/v1/users/{user_id}", ADMINS_HERE, {"name": "Other"}),
    Row("GET", "/v1/supervisions", EVERYONE),
    # the people named are not of the other clinic
    Row(
        "POST",
        "/v1/supervisions",
        "403 403 403 403 403 403 201 403 403 422 401",
        "a new link",
    ),
    Row(
        "GET",
        "/v1/supervisions/{supervision_id}",
        "200 404 200 404 404 200 200 404 404 404 401",
    ),
    Row("PATCH", "/v1/supervisions/{supervision_id}", ADMINS_HERE, {"ends_on": "2026-12-31"}),
    Row("DELETE", "/v1/supervisions/{supervision_id}", ADMINS_HERE_END),
    Row("GET", "/v1/cases", TREATING),
    Row("POST", "/v1/cases", TREATING_MAKE, "a case"),
    Row("GET", "/v1/cases/{case_id}", CASE),
    Row("PATCH", "/v1/cases/{case_id}", CASE, {"phase": "acceptance"}),
    Row("DELETE", "/v1/cases/{case_id}", CASE_VOID),
    Row("POST", "/v1/cases/{case_id}/transfer", SUPERVISORS, "a transfer"),
    Row("GET", "/v1/cases/{case_id}/timeline", CASE),
    Row("GET", "/v1/cases/{case_id}/incidents", CASE),
    Row("POST", "/v1/cases/{case_id}/incidents", CASE_MAKE, "an incident"),
    Row("GET", "/v1/incidents", TREATING),
    Row("GET", "/v1/incidents/{incident_id}", CASE),
    Row("PATCH", "/v1/incidents/{incident_id}", CASE, {"repair": "attempted"}),
    Row("DELETE", "/v1/incidents/{incident_id}", CASE_VOID),
    Row(
        "POST",
        "/v1/incidents/{incident_id}/review",
        SUPERVISORS,
        {"determination": "normal_process", "review_note": "seen"},
    ),
    Row("GET", "/v1/cases/{case_id}/promises", CASE),
    Row("POST", "/v1/cases/{case_id}/promises", CASE_MAKE, "a promise"),
    Row("GET", "/v1/promises", TREATING),
    Row("GET", "/v1/promises/{promise_id}", CASE),
    Row("PATCH", "/v1/promises/{promise_id}", CASE, {"wording": "in short"}),
    Row("DELETE", "/v1/promises/{promise_id}", CASE_VOID),
    Row("GET", "/v1/cases/{case_id}/consultations", CASE),
    Row("POST", "/v1/cases/{case_id}/consultations", REQUESTERS_MAKE, ASKED),
    Row("GET", "/v1/consultations", TREATING),
    Row(
        "GET",
        "/v1/consultations/{consultation_id}",
        CASE,
        on={"consultation_id": "requested"},
    ),
    Row(
        "PATCH",
        "/v1/consultations/{consultation_id}",
        REQUESTERS,
        {"summary": "shorter"},
        on={"consultation_id": "requested"},
    ),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/request",
        REQUESTERS,
        {},
        on={"consultation_id": "draft"},
    ),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/accept",
        SUPERVISORS,
        {},
        on={"consultation_id": "requested"},
    ),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/decline",
        SUPERVISORS,
        {"reason": "no time"},
        on={"consultation_id": "requested"},
    ),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/start",
        SUPERVISORS,
        {},
        on={"consultation_id": "accepted"},
    ),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/complete",
        SUPERVISORS,
        {"outcome": "mixed", "advice": "talk it over"},
        on={"consultation_id": "in_progress"},
    ),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/cancel",
        REQUESTERS,
        {"reason": "settled"},
        on={"consultation_id": "requested"},
    ),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/respond",
        REQUESTERS,
        {"response": "accepted"},
        on={"consultation_id": "completed"},
    ),
    Row("GET", "/v1/cases/{case_id}/flags", CASE),
    Row(
        "POST",
        "/v1/cases/{case_id}/flags",
        SUPERVISORS_MAKE,
        {"severity": "low", "title": "Please look", "because": "It was told twice."},
    ),
    Row("GET", "/v1/flags", TREATING),
    Row("GET", "/v1/flags/{flag_id}", CASE),
    Row(
        "GET", "/v1/flags/{flag_id}", REQUESTERS.replace("403", "404", 1), on={"flag_id": "prompt"}
    ),
    Row("POST", "/v1/flags/{flag_id}/acknowledge", SUPERVISORS, {}),
    Row(
        "POST",
        "/v1/flags/{flag_id}/resolve",
        "403 404 200 404 403 403 403 404 404 403 401",
        NOTE,
    ),
    Row(
        "POST",
        "/v1/flags/{flag_id}/resolve",
        "200 404 404 404 403 403 403 404 404 403 401",
        NOTE,
        on={"flag_id": "prompt"},
    ),
    Row(
        "POST",
        "/v1/flags/{flag_id}/reopen",
        SUPERVISORS,
        {"reason": "look again"},
        on={"flag_id": "resolved"},
    ),
    Row("GET", "/v1/flagged-cases", "403 403 200 200 403 403 403 403 200 403 401"),
    Row("GET", "/v1/rules", EVERYONE),
    Row("GET", "/v1/rules/thresholds", STAFF),
    Row("PUT", "/v1/rules/thresholds", ADMINS, {"drift_days": 60}),
    Row("GET", "/v1/vocabulary", EVERYONE),
    Row("GET", "/v1/clinic", STAFF),
    Row("PATCH", "/v1/clinic", ADMINS, {"name": "Other"}),
]


@dataclass
class Scene:
    """Two clinics of their own on a shared server, and in one of them a case with everything."""

    world: World
    people: dict[str, Person]
    records: dict[str, str] = field(default_factory=dict)

    async def send(self, row: Row, who: str, *, unknown: bool = False) -> Response:
        """Send a row's request; `unknown`: to ids that do not exist."""
        path = row.path
        for name in (part[1:-1] for part in row.path.split("/") if part.startswith("{")):
            value = str(uuid4()) if unknown else self.records[row.on.get(name, name)]
            path = path.replace(f"{{{name}}}", value)
        options: dict[str, Any] = {}
        if row.body is not None:
            options["json"] = self._body(row.body)
        if row.method in {"PATCH", "DELETE"}:
            # a request that was sent has been through one change
            version = 2 if "requested" in row.on.values() else 1
            options["headers"] = {"If-Match": f'"{version}"'}
        if who == "nobody":
            return await self.world.http.request(row.method, path, **options)
        return await self.people[who].send(row.method, path, **options)

    def _body(self, body: Any) -> Any:
        match body:
            case "a case":
                return {"client_ref": uuid4().hex}
            case "an incident":
                return incident("consent", self.world)
            case "a promise":
                return promise(self.world)
            case "a transfer":
                return {"clinician_id": str(self.people["colleague"].id), "reason": "leave"}
            case "a new link":
                return {
                    "supervisor_id": str(self.people["stranger"].id),
                    "clinician_id": str(self.people["colleague"].id),
                    "starts_on": self.world.day(),
                }
        return body

    @property
    def clinics(self) -> list[Any]:
        """The ids of both clinics."""
        return [self.people[who].clinic_id for who in ("owner", "admin there")]

    async def kept(self) -> dict[str, list[Any]]:
        """Everything both clinics hold but the journal."""
        rows: dict[str, list[Any]] = {}
        async with self.world.database.transaction() as tx:
            for table in SQLModel.metadata.sorted_tables:
                if table.name == "journal_entries":
                    continue
                key = table.c.id if table.name == "clinics" else table.c.clinic_id
                found = await tx.exec(sa.select(table).where(key.in_(self.clinics)))
                rows[table.name] = sorted(map(str, found.all()))
        return rows

    async def refusals(self) -> list[str]:
        """Who was refused something in these clinics, by the journal."""
        async with self.world.database.transaction() as tx:
            found = await tx.exec(
                select(JournalEntry)
                .where(
                    col(JournalEntry.clinic_id).in_(self.clinics),
                    JournalEntry.happening == "request.refused",
                )
                .order_by(col(JournalEntry.id))
            )
            return [str(entry.actor_id) for entry in found.all()]


CONSULTED = ("draft", "requested", "accepted", "in_progress", "completed")


async def empty_scene(opened: World) -> Scene:
    """Found two clinics of their own, with everyone signed in and no case yet."""
    here, there = await opened.clinic(), await opened.clinic()
    people = {who: here["clinician" if who == "owner" else who] for who in PEOPLE[:7]}
    people |= {f"{part} there": there[part] for part in ("clinician", "supervisor", "admin")}
    world = World(opened.app, opened.http, opened.clock, here, there)
    for person in people.values():
        await world.token_of(person)
    (link,) = ok(await people["admin"].get("/v1/supervisions"))["items"]
    return Scene(world, people, {"user_id": str(people["owner"].id), "supervision_id": link["id"]})


async def full_scene(opened: World, statuses: tuple[str, ...] = CONSULTED) -> Scene:
    """Play a case with a record of every sort, and a consultation in each of these statuses."""
    scene = await empty_scene(opened)
    owner, supervisor = scene.people["owner"], scene.people["supervisor"]
    case = await owner.case()
    words = await owner.incident(case, "hurtful_words")
    await owner.incident(case, "cotreatment", coordinated=False)
    await owner.incident(case, "oversight", available=False)
    pledge = await owner.promise(case)
    flags = {flag["rule"]: flag["id"] for flag in await owner.flag_list(case)}
    ok(await supervisor.post(f"/v1/flags/{flags['no_oversight']}/resolve", NOTE))
    scene.records |= {
        "case_id": case["id"],
        "incident_id": words["id"],
        "promise_id": pledge["id"],
        "flag_id": flags["hurtful_words"],
        "prompt": flags["clarify_roles"],
        "resolved": flags["no_oversight"],
    }
    for status in statuses:
        scene.records[status] = await _consultation(owner, supervisor, case, status)
    return scene


async def _consultation(
    owner: Person, supervisor: Person, case: dict[str, Any], status: str
) -> str:
    body = {**ASKED, "kind": "legal_risk", "summary": "in short", "released": True}
    draft = made(await owner.post(f"/v1/cases/{case['id']}/consultations", body))
    bodies = {"complete": {"outcome": "mixed", "advice": "talk it over"}}
    moves = ("request", "accept", "start", "complete")
    for move in moves[: CONSULTED.index(status)]:
        by = owner if move == "request" else supervisor
        ok(await by.post(f"/v1/consultations/{draft['id']}/{move}", bodies.get(move, {})))
    drafted: str = draft["id"]
    return drafted


async def fresh_scene(opened: World, row: Row) -> Scene:
    """Play no more than what a row speaks of."""
    if "{" not in row.path or "user_id" in row.path or "supervision_id" in row.path:
        return await empty_scene(opened)
    asked = row.on.get("consultation_id")
    return await full_scene(opened, (asked,) if asked else ())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage_url(request: pytest.FixtureRequest) -> str:
    """The database of a stage."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture(scope="module")
async def stage(stage_url: str) -> AsyncIterator[World]:
    """One server for the whole table: a world for each of its cells would take minutes."""
    async with open_world(stage_url, NOON) as opened:
        yield opened


@pytest.fixture(scope="module")
async def still(stage: World) -> Scene:
    """A scene in which nothing is ever written: for reads and refusals."""
    return await full_scene(stage)


def named(row: Row) -> str:
    """Name a row for the test report."""
    return " ".join([row.method, row.path, *row.on.values()])


async def test_no_operation_is_missing_from_the_table(stage: World) -> None:
    served = {
        (method.upper(), path)
        for path, operations in stage.app.openapi()["paths"].items()
        for method in operations
    }
    assert {(row.method, row.path) for row in TABLE} == served - PUBLIC


@pytest.mark.parametrize("row", TABLE, ids=named)
async def test_the_permission_table(stage: World, still: Scene, row: Row) -> None:
    """Whatever is refused changes nothing, tells nothing, and leaves one entry in the journal."""
    before, told = await still.kept(), await still.refusals()
    got: dict[str, int] = {}
    refused: list[str] = []
    for who, expected in row.expected.items():
        if row.method != "GET" and expected < 400:
            continue
        answer = await still.send(row, who)
        got[who] = answer.status_code
        if answer.is_success:
            continue
        assert answer.headers["content-type"] == "application/problem+json"
        shown = [name for name, value in still.records.items() if value in answer.text]
        assert shown == [], f"{who} was told of {shown}"
        if answer.status_code in {403, 404}:
            refused.append(str(still.people[who].id))
        if answer.status_code == 404:
            refused.append(refused[-1])
            unknown = await still.send(row, who, unknown=True)
            assert {**unknown.json(), "request_id": 0} == {**answer.json(), "request_id": 0}
    assert await still.kept() == before
    assert (await still.refusals())[len(told) :] == refused
    scene: Scene | None = None
    for who in row.expected.keys() - got.keys():
        if scene is None or "case_id" in scene.records:
            scene = await fresh_scene(stage, row)
        got[who] = (await scene.send(row, who)).status_code
    assert got == row.expected


async def test_lists_show_nothing_of_a_case_to_whom_it_is_hidden(still: Scene) -> None:
    for row in TABLE:
        if row.method != "GET" or "{" in row.path:
            continue
        for who in ("colleague", "stranger", "clinician there", "supervisor there", "admin there"):
            answer = await still.send(row, who)
            clinical = still.records.keys() - {"user_id", "supervision_id"}
            shown = [name for name in clinical if still.records[name] in answer.text]
            assert shown == [], (who, row.path)


async def test_what_is_open_to_the_world_is_open_to_nobody_in_particular(still: Scene) -> None:
    http = still.world.http
    assert (await http.get("/healthz")).status_code == 200
    assert (await http.get("/readyz")).status_code == 200
    form = {"grant_type": "password", "username": still.people["owner"].email}
    for password, status in ((PASSWORD, 200), ("not the password at all", 401)):
        answer = await http.post("/v1/auth/token", data={**form, "password": password})
        assert answer.status_code == status
