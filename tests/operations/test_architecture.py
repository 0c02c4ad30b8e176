"""The floors of the house, and a guard at every door."""

import ast
import re
from collections.abc import Iterable, Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from api.access.at_door import at_door
from api.access.guards import may
from api.domain.permissions.actions import Action
from api.domain.vocabulary import Role
from api.main import create_app
from api.runtime.settings import Settings, random_secret
from tests.support.checkout import ROOT
from tests.support.imports_of_packages import (
    PACKAGES,
    against_the_law,
    between_packages,
    graph,
    imports_of,
    in_circles,
    package_of,
    rooms,
    table,
)

OPEN_DOORS = {
    "/v1/auth/token",
    "/v1/auth/password",
    "/.well-known/jwks.json",
    "/problems",
    "/problems/{code}",
    "/healthz",
    "/readyz",
    "/fhir/metadata",
    "POST /door/v1/session",
}
"""What is answered to somebody who is not signed in; where a path has another, with its method."""


def test_a_package_imports_packages_below_it_only() -> None:
    assert {package_of(room) for room, _ in rooms()} == set(PACKAGES)
    assert against_the_law(graph()) == []


def test_no_rooms_import_each_other_in_a_circle() -> None:
    assert in_circles(graph()) == set()


def test_an_arrow_up_and_a_circle_would_be_found() -> None:
    imported = graph()
    imported["domain.values"] = {*imported["domain.values"], "storage.models.columns"}
    imported["storage.models.people"] = {*imported["storage.models.people"], "storage.transaction"}
    assert against_the_law(imported) == ["domain.values imports storage.models.columns"]
    assert {"storage.models.people", "storage.transaction"} <= in_circles(imported)


def test_the_table_of_imports_ends_with_what_is_against_the_law() -> None:
    imported = graph()
    assert list(table(imported))[-1] == "up: 0; circles: 0"
    imported["domain.values"] = {*imported["domain.values"], "storage.models.columns"}
    *rows, last = table(imported)
    assert last.startswith("up: 1;")
    assert len(rows) == len(PACKAGES) + 2
    assert between_packages(imported)["domain", "storage"] == 1


def test_the_clients_door_and_the_staffs_know_nothing_of_each_other() -> None:
    """What is said at a door is never made of what staff are answered, nor the other way round."""
    for room, others in graph().items():
        for one, other in (("door", "routes"), ("routes", "door")):
            assert package_of(room) != one or other not in map(package_of, others), room


def test_no_door_opens_onto_another() -> None:
    for room, path in rooms():
        if room.startswith("routes."):
            assert not any(name.startswith("routes") for name in imports_of(path)), room


LONGEST_ROOM, LONGEST_FUNCTION = 400, 40
"""Lines, past which two nouns share a room, and a function does two things."""
ALL_WORDS = "domain.vocabulary"
"""A room that is long because the words stand in one place."""


def too_long(room: str, text: str) -> Iterator[str]:
    """Give what is longer than it should be: the room, and functions in it."""
    if room != ALL_WORDS and text.count("\n") > LONGEST_ROOM:
        yield room
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno >= LONGEST_FUNCTION:
                yield f"{room}.{node.name}"


def test_no_room_and_no_function_is_too_long_to_be_read_at_once() -> None:
    assert [each for room, path in rooms() for each in too_long(room, path.read_text())] == []


def test_what_is_too_long_would_be_found() -> None:
    longest = "def one():\n" + "    pass\n" * (LONGEST_FUNCTION - 1)
    assert [*too_long("room", longest)] == []
    longer = longest.replace("def", "async def") + "    pass\n"
    assert [*too_long("room", longer)] == ["room.one"]
    assert [*too_long("room", "\n" * (LONGEST_ROOM + 1))] == ["room"]


KNOWS_ROLES = "domain.permissions.table"


def roles_named(text: str) -> Iterator[str]:
    """Give what names a role: `Role.admin`, `Role("admin")`, or `role == "admin"`."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Attribute(value=ast.Name("Role"), attr=name) if name in Role.__members__:
                yield f"Role.{name}"
            case (
                ast.Subscript(value=ast.Name("Role"), slice=ast.Constant(name))
                | ast.Call(func=ast.Name("Role"), args=[ast.Constant(name)])
            ):
                yield str(name)
            case ast.Compare() if re.search(r"\brole\b", ast.unparse(node)):
                words = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
                yield from sorted(str(word) for word in words if word in Role.__members__)


def test_only_the_table_of_permissions_names_a_role() -> None:
    named = {room: [*roles_named(path.read_text())] for room, path in rooms()}
    assert named.pop(KNOWS_ROLES)
    assert {room: roles for room, roles in named.items() if roles} == {}


def test_a_role_named_elsewhere_would_be_found() -> None:
    for text in (
        "seen = me.role == Role.admin",
        "seen = me.role != 'admin'",
        "seen = col(User.role) in ('admin', 'nobody')",
        "me = Actor(user_id, Role['admin'], user_id)",
        "role = Role('admin')",
    ):
        assert [role.removeprefix("Role.") for role in roles_named(text)] == ["admin"], text
    assert [*roles_named("role = Role[body.role]; seen = role in TREATING; kind = 'admin'")] == []


PURE = {
    "security": {
        "anyio.CapacityLimiter",
        "anyio.to_thread",
        "base64",
        "binascii",
        "collections",
        "cryptography",
        "dataclasses",
        "datetime",
        "functools",
        "hashlib",
        "hmac",
        "ipaddress",
        "jose",
        "json",
        "os.urandom",
        "pwdlib",
        "pyotp",
        "re",
        "secrets",
        "time.monotonic",
        "typing",
        "unicodedata",
        "uuid",
    },
    "domain": {
        "bisect",
        "calendar",
        "collections",
        "dataclasses",
        "datetime",
        "enum",
        "functools.cache",
        "inspect.getdoc",
        "itertools",
        "operator.attrgetter",
        "pydantic",
        "pydantic_core",
        "re",
        "typing",
        "tzdata.IANA_VERSION",
        "uuid",
        "zoneinfo",
    },
}
"""All that the floors of values import: no database, no network, no file, no process, no web.

Threads are for passwords, which take long to hash; how long ago a token was first seen, a clock
that somebody sets back does not tell.
"""
WEB = ("fastapi", "starlette", "uvicorn", "httpx")
NO_WEB = ("runtime", "storage", "journal", "flags", "records")
CLOCKS = re.compile(r"\b(datetime\.(now|utcnow|today)|date\.today|time\.time|time_ns)\(")


def outside_of(text: str) -> Iterator[str]:
    """Give what a file imports that is not ours, wherever in the file: `os.urandom`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{each.name}" for each in node.names)


def beyond(allowed: Iterable[str], text: str) -> list[str]:
    """Name what a file imports that is neither ours nor allowed."""
    return [
        name
        for name in outside_of(text)
        if not any(f"{name}.".startswith(f"{each}.") for each in ("api", *allowed))
    ]


def below(room: str, imported: dict[str, set[str]]) -> set[str]:
    """Give a room with all that it stands on."""
    found, waiting = set(), {room}
    while waiting:
        found |= waiting
        waiting = {other for each in waiting for other in imported[each]} - found
    return found


def test_security_and_the_domain_import_nothing_that_reaches_out_of_values() -> None:
    imported, files = graph(), dict(rooms())
    for room in (each for each in files if package_of(each) in PURE):
        assert {package_of(each) for each in below(room, imported)} <= PURE.keys(), room
        assert beyond(PURE[package_of(room)], files[room].read_text()) == [], room
        assert not CLOCKS.search(files[room].read_text()), room


def test_nothing_is_allowed_that_no_room_needs() -> None:
    for package, allowed in PURE.items():
        texts = [path.read_text() for room, path in rooms() if package_of(room) == package]
        for each in allowed:
            assert any(beyond(allowed - {each}, text) for text in texts), (package, each)


def test_the_floors_of_rows_and_rules_know_no_web_framework() -> None:
    for room, path in rooms():
        if package_of(room) in NO_WEB:
            named = [name for name in outside_of(path.read_text()) if name.startswith(WEB)]
            assert named == [], room


def test_what_reaches_out_would_be_found() -> None:
    assert beyond(PURE["domain"], "import socket, re\nfrom os import path, urandom") == [
        "socket",
        "os.path",
        "os.urandom",
    ]
    assert beyond(PURE["security"], "def f():\n    from os import urandom, remove") == ["os.remove"]
    assert beyond(PURE["domain"], "from api.domain import values\nimport api") == []
    for read in ("datetime.now(UTC)", "date.today()", "time.time()"):
        assert CLOCKS.search(f"now = {read}"), read
    assert below("domain.values", {"domain.values": {"a"}, "a": {"b"}, "b": set()}) >= {"a", "b"}


def calls(text: str) -> Iterator[str]:
    """Give every call as it is written: `tx.add`, `update`, `row.change`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def writes(text: str) -> set[str]:
    """Give the calls by which rows are made, changed or taken away."""
    return {
        call
        for call in calls(text)
        if call in {"insert", "update", "delete", "tx.add", "tx.add_all", "tx.delete"}
        or call.endswith((".change", ".insert", ".delete"))
    }


def test_transactions_are_committed_by_who_began_them() -> None:
    committing = {
        room
        for room, path in rooms()
        if any(call.endswith(".commit") for call in calls(path.read_text()))
    }
    assert committing == {"storage.database", "storage.transaction"}


def test_who_asks_and_what_they_see_writes_no_row_but_of_sign_ins_and_visits() -> None:
    writing = {room for room, path in rooms() if writes(path.read_text())}
    assert {room for room in writing if package_of(room) == "access"} == {
        "access.sessions",
        "access.at_door",
    }
    assert writes("tx.add(row); row.change({}, now); sql = update(User); found.add(1)") == {
        "tx.add",
        "row.change",
        "update",
    }


def test_tables_know_no_rule_and_no_right() -> None:
    for room, others in graph().items():
        if package_of(room) in {"storage", "journal"}:
            assert not [each for each in others if each.startswith(RULES_AND_RIGHTS)], room


RULES_AND_RIGHTS = ("domain.rules", "domain.permissions")


def test_no_test_is_imported() -> None:
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
    assert len(files) > 100
    for path in files:
        assert not [each for each in outside_of(path.read_text()) if ".test_" in f".{each}"], path


def test_only_the_journal_writes_entries_and_only_tokens_knows_jose() -> None:
    for room, path in rooms():
        text = path.read_text()
        # seals and the outbox write rows too, of their own tables; what is read of the journal is
        # copied as it is told, and no session hears of the copy
        writes = "JournalEntry(" in text or "insert(" in text
        makes = {
            "journal.entries",
            "journal.outbox",
            "journal.tree_heads",
            "storage.models.journal",
            "storage.autocommit",
            "storage.transaction",
            "access.journal_reading",
        }
        assert writes == (room in makes), room
        assert "journal_entries" not in text or room not in {"journal.tree_heads", "journal.outbox"}
        assert "tx.add(" not in text or room != "access.journal_reading"
        assert ("from jose" in text) == (room == "security.tokens"), room


def guards_of(dependant: Dependant) -> Iterator[Action]:
    """Give the actions that the guards of an operation ask for."""
    action = getattr(dependant.call, "action", None)
    if isinstance(action, Action):
        yield action
    for inner in dependant.dependencies:
        yield from guards_of(inner)


def visits_of(dependant: Dependant) -> int:
    """Count how often an operation asks for a visit at a client's door."""
    here = dependant.call is at_door
    return here + sum(map(visits_of, dependant.dependencies))


def is_guarded(path: str, dependant: Dependant) -> bool:
    """Tell whether it is asked once who may: of staff by an action, at the door by a visit."""
    actions, visits = len(set(guards_of(dependant))), visits_of(dependant)
    return (actions, visits) == ((0, 1) if path.startswith("/door/") else (1, 0))


def unguarded(routes: list[tuple[str, str, Dependant]]) -> list[str]:
    """Name the operations that let somebody in without asking what they want to do."""
    return [
        f"{method} {path}"
        for method, path, dependant in routes
        if not {path, f"{method} {path}"} & OPEN_DOORS and not is_guarded(path, dependant)
    ]


def operations() -> list[tuple[str, str, Dependant]]:
    """Give every operation of the API with what it depends on."""
    app = create_app(Settings(secret_key=random_secret()))
    found = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                found.append(
                    (method, context.path or route.path, context.dependant or route.dependant)
                )
    return found


def test_every_operation_has_exactly_one_guard() -> None:
    found = operations()
    assert len(found) > 50
    assert unguarded(found) == []


def test_an_operation_without_a_guard_is_found() -> None:
    bare = Dependant(call=lambda: None, path="/v1/open-to-all")
    assert unguarded([("GET", "/v1/open-to-all", bare)]) == ["GET /v1/open-to-all"]
    assert unguarded([("GET", "/door/v1/mine", bare)]) == ["GET /door/v1/mine"]
    # what is asked by a visit is no guard for staff, nor theirs one for a client's door
    visit = Dependant(call=at_door)
    assert unguarded([("GET", "/door/v1/mine", visit)]) == []
    assert unguarded([("GET", "/v1/cases", visit)]) == ["GET /v1/cases"]
    action = Dependant(call=may(Action.case_list))
    assert unguarded([("GET", "/door/v1/mine", action)]) == ["GET /door/v1/mine"]
