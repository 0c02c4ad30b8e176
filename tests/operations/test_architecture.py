"""The floors of the house, and a guard at every door."""

import ast
import re
from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from api.domain.permissions.actions import Action
from api.domain.vocabulary import Role
from api.main import create_app
from api.runtime.settings import Settings, random_secret
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
}
"""What is answered to somebody who is not signed in."""


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


def test_no_door_opens_onto_another_and_none_commits() -> None:
    for room, path in rooms():
        if room.startswith("routes."):
            text = path.read_text()
            assert not any(name.startswith("routes") for name in imports_of(path)), room
            assert ".commit(" not in text, room


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


def test_the_domain_knows_no_session_no_web_and_no_clock() -> None:
    forbidden = (
        "sqlalchemy",
        "sqlmodel",
        "fastapi",
        "api.storage.transaction",
        "datetime.now",
        "random",
    )
    for room, path in rooms():
        if room.startswith("domain."):
            assert not [word for word in forbidden if word in path.read_text()], room


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


def unguarded(routes: list[tuple[str, str, Dependant]]) -> list[str]:
    """Name the operations that let somebody in without asking what they want to do."""
    return [
        f"{method} {path}"
        for method, path, dependant in routes
        if path not in OPEN_DOORS and len(set(guards_of(dependant))) != 1
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
