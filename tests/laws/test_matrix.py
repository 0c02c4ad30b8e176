"""The matrix of who may do what, played: no cell wrong, none missing, and no guard idle."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from httpx import Response
from sqlmodel import select

from api.access import at_door, authentication, case_relationship, door_guards, guards
from api.routes import (
    break_glass,
    cases,
    consultations,
    covers,
    flagged_cases,
    recusals,
    sessions,
    supervisions,
    totp,
    users,
)
from api.storage.compiled_queries import Prepared
from api.storage.models.journal import JournalEntry
from api.storage.transaction import Transaction
from tests.support.desk import Shown, goes_to
from tests.support.door_pages import Caller, pages_of_door
from tests.support.guards import unwalled
from tests.support.matrix import (
    CLIENTS,
    DOOR_TABLE,
    NO_CLIENTS,
    PAGES_AT_DOOR,
    PAGES_FOR_ANYBODY,
    PUBLIC,
    ROLES,
    STRANGERS,
    TABLE,
    DoorRow,
    Row,
    kept,
    letter_of,
)
from tests.support.requests import document
from tests.support.scene import Scene, set_scene
from tests.support.world import NOON, Urls, World, open_world


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def scene(module_urls: Urls) -> AsyncIterator[Scene]:
    """One scene for the whole table: what is done on it is undone."""
    async with open_world(module_urls, NOON) as world:
        yield await set_scene(world)


def named(row: Row) -> str:
    """Name a row for the report."""
    return " ".join([row.method, row.path, *row.on.values()])


async def refusals(world: World) -> int:
    """Count the refusals in the journal."""
    async with world.owner.transaction() as tx:
        told = select(sa.func.count()).where(JournalEntry.happening == "request.refused")
        count: int = (await tx.exec(told)).one()
        return count


def test_no_operation_is_missing_from_the_table() -> None:
    served = {
        (method.upper(), path)
        for path, operations in document()["paths"].items()
        for method in operations
    }
    at_door = {(row.method, row.path) for row in DOOR_TABLE}
    assert {each for each in served - PUBLIC if each[1].startswith("/door/")} == at_door
    in_table = {(row.method, row.path.partition("?")[0]) for row in TABLE}
    assert in_table == served - PUBLIC - at_door


@pytest.mark.parametrize("row", TABLE, ids=named)
async def test_the_matrix(scene: Scene, row: Row) -> None:
    """Whatever is refused changes nothing, tells nothing, and leaves an entry in the journal."""
    before, told = await kept(scene.world), await refusals(scene.world)
    wrong, refused = [], 0
    for role, relation, letter in row.expected():
        scene.rehearsing = letter == "y"
        answer = await scene.send(row, role, relation)
        if letter_of(answer) != letter:
            wrong.append((role, relation, letter, letter_of(answer), answer.text[:200]))
        scene.rehearsing = False
        if answer.is_error:
            refused += 1
            await _tells_nothing(scene, row, role, relation, answer)
            refused += answer.status_code == 404 and row.names_a_record
    # who is nobody here stands to no record in any way
    for who in STRANGERS:
        answer = await scene.send_as_stranger(row, who, "own")
        if answer.status_code != 401:
            wrong.append((who, "own", "401", letter_of(answer), answer.text[:200]))
    assert wrong == []
    assert await kept(scene.world) == before
    assert await refusals(scene.world) - told == refused


@pytest.mark.parametrize("row", DOOR_TABLE, ids=lambda row: f"{row.method} {row.path}")
async def test_the_matrix_of_the_door(scene: Scene, row: DoorRow) -> None:
    """Nobody but a client in a visit that lasts is let in, and what is refused changes nothing."""
    before, wrong = await kept(scene.world), []
    for who, letter in row.expected():
        scene.rehearsing = letter == "y"
        answer = await scene.send_at_door(row, who)
        scene.rehearsing = False
        if letter_of(answer) != letter:
            wrong.append((who, letter, letter_of(answer), answer.text[:200]))
        if answer.is_error:
            # one that another has is answered as one that nobody has
            unknown = await scene.send_at_door(row, who, "99")
            assert {**unknown.json(), "request_id": 0} == {**answer.json(), "request_id": 0}
    for who in NO_CLIENTS:
        answer = await scene.send_at_door(row, who)
        if answer.status_code != 401:
            wrong.append((who, "401", letter_of(answer), answer.text[:200]))
    assert wrong == []
    assert await kept(scene.world) == before


async def _tells_nothing(
    scene: Scene, row: Row, role: str, relation: str, answer: Response
) -> None:
    problem = "fhir+json" if row.path.startswith("/fhir") else "problem+json"
    assert answer.headers["content-type"] == f"application/{problem}"
    # the number of a version is no record's alone
    records = {k: v for k, v in scene.records[role, relation].items() if not v.isdecimal()}
    shown = [name for name, value in records.items() if value in answer.text]
    assert shown == [], (role, relation)
    if answer.status_code == 404 and row.names_a_record:
        unknown = await scene.send(row, role, relation, unknown=True)
        assert {**unknown.json(), "request_id": 0} == {**answer.json(), "request_id": 0}


@pytest.mark.parametrize("path", PAGES_AT_DOOR)
async def test_the_matrix_of_the_doors_pages(scene: Scene, path: str) -> None:
    """A page is shown to whom the operation behind it answers, and to nobody else."""
    before, wrong = await kept(scene.world), []
    (row,) = (each for each in DOOR_TABLE if (each.method, each.path) == PAGES_AT_DOOR[path])
    status = {"y": 200, "N": 404}
    for who, letter in row.expected():
        scene.rehearsing = letter == "y"
        page = await _page_for(scene, who, path)
        scene.rehearsing = False
        if page.status != status[letter]:
            wrong.append((who, letter, page.status))
        if letter != "y":
            # one that another has is answered as one that nobody has
            assert page.text == (await _page_for(scene, who, path, n="99")).text
    for who in NO_CLIENTS:
        page = await _page_for(scene, who, path)
        if page.status != 303 or goes_to(page) != "/door":
            wrong.append((who, "nothing", page.status))
    assert wrong == []
    assert await kept(scene.world) == before


def test_no_page_of_the_door_is_missing_from_the_table(scene: Scene) -> None:
    assert {*PAGES_AT_DOOR} | PAGES_FOR_ANYBODY == {*pages_of_door(scene.world.app, "GET")}


async def _page_for(scene: Scene, who: str, path: str, n: str = "2") -> Shown:
    """Open a page as a client of the door, as staff with the token they have, or as nobody."""
    caller = Caller(scene.world)
    if who in ROLES:
        caller.carry(await scene.world.token_of(scene.here[who]))
    elif who != "anonymous":
        caller.carry(scene.clients[who].token)
    return await caller.open(path.replace("{n:int}", n))


@contextmanager
def without_guards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let everybody through wherever an operation asks who may."""
    with unwalled(monkeypatch), monkeypatch.context() as patch:
        for room in (
            guards,
            users,
            supervisions,
            sessions,
            recusals,
            covers,
            consultations,
            break_glass,
        ):
            if hasattr(room, "may_ever"):
                patch.setattr(room, "may_ever", lambda *_: True)
        for room in (guards, flagged_cases):
            patch.setattr(room, "refuse_role", lambda *_: None)
        for room in (guards, case_relationship, door_guards):
            patch.setattr(room, "may_see_case", lambda *_: True)
        patch.setattr(guards, "may_see_record", lambda *_: True)
        patch.setattr(supervisions, "_own", lambda *_: sa.true())
        patch.setattr(guards, "_allow", lambda *_: None)
        # what these two ask a second time
        patch.setattr(totp, "require_recent_sign_in", lambda *_: None)
        patch.setattr(cases, "_may_open_for", _whoever)
        yield


async def _whoever(*_: object) -> None:
    """Let everybody."""


@contextmanager
def without_sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a session count that was ended."""
    asked = authentication._WHO_IS_SIGNED_IN.statement
    kept_conditions = [each for each in asked._where_criteria if "revoked_at" not in str(each)]
    careless = asked._generate()
    careless._where_criteria = tuple(kept_conditions)
    with monkeypatch.context() as patch:
        patch.setattr(authentication, "_WHO_IS_SIGNED_IN", Prepared(careless))
        yield


@pytest.mark.parametrize("row", TABLE, ids=named)
async def test_without_its_guard_an_operation_lets_somebody_in(
    scene: Scene, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [cell for cell in row.expected() if cell[2] in "FN"]
    caught = await _caught(scene, row, cells, monkeypatch)
    if not cells:
        # open to everybody who is signed in: then that is its guard
        with without_sessions(monkeypatch):
            scene.rehearsing = True
            caught = (await scene.send_as_stranger(row, "revoked", "own")).status_code != 401
            scene.rehearsing = False
    assert caught


async def _caught(
    scene: Scene, row: Row, cells: list[Any], monkeypatch: pytest.MonkeyPatch
) -> bool:
    """Try an operation without its guard until one cell of the table is found wrong."""
    with without_guards(monkeypatch):
        scene.rehearsing = True
        try:
            for role, relation, letter in cells:
                if letter_of(await scene.send(row, role, relation)) != letter:
                    return True
        finally:
            scene.rehearsing = False
    return False


@contextmanager
def with_any_visit(monkeypatch: pytest.MonkeyPatch, scene: Scene, who: str) -> Iterator[None]:
    """Let everybody have the visit of one client, whatever token they show."""
    really, token = at_door.find_visit, scene.clients[who].token

    async def found(tx: Transaction, _shown: str, *, sends: bool) -> at_door.Visit | None:
        return await really(tx, token, sends=sends)

    with monkeypatch.context() as patch:
        patch.setattr(at_door, "find_visit", found)
        yield


@pytest.mark.parametrize("row", DOOR_TABLE, ids=lambda row: f"{row.method} {row.path}")
async def test_without_its_guard_the_door_lets_somebody_in(
    scene: Scene, row: DoorRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.rehearsing = True
    try:
        with with_any_visit(monkeypatch, scene, "client with receipt"):
            for who in (*CLIENTS, "left", "idle", "clinician"):
                assert (await scene.send_at_door(row, who)).is_success, who
        if "{n}" in row.path:
            # and a code would show what was sent by it
            with monkeypatch.context() as patch:
                patch.setattr(at_door.Visit, "own_box", property(lambda visit: visit.box))
                answer = await scene.send_at_door(row, "client with code")
                assert answer.is_success
    finally:
        scene.rehearsing = False


@pytest.mark.parametrize(
    ("limit", "who"), [("IDLE", "idle"), ("WHOLE", "too long")], ids=["idle", "too long"]
)
async def test_without_its_limits_a_visit_would_go_on(
    scene: Scene, limit: str, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = [row for row in DOOR_TABLE if row.path.endswith("/mine")]
    assert (await scene.send_at_door(row, who)).status_code == 401
    monkeypatch.setattr(at_door, limit, timedelta(days=1))
    scene.rehearsing = True
    assert (await scene.send_at_door(row, who)).is_success
    scene.rehearsing = False
