"""The floors of the house, and a guard at every door."""

import ast
from collections.abc import Iterator
from pathlib import Path

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from api.domain.permissions.actions import Action
from api.main import create_app
from api.runtime.settings import Settings, random_secret
from tests.support.checkout import ROOT

API = ROOT / "api"

PACKAGES = (
    "security",  # what guards, without a database or a network
    "domain",  # words, rules and rights
    "runtime",  # the process: settings, logs, how it ends
    "storage",  # tables, transactions, walls, encryption
    "journal",  # the audit log
    "http",  # requests and answers
    "flags",  # the rules at work on a case
    "access",  # who asks, and what they see
    "records",  # clinical rows, made and shown
    "interop",  # other software
    "openapi",  # the document
    "routes",  # a door for each noun
    "main",
    "commands",  # what an operator runs
    "__main__",
)
"""From the ground up: a package imports packages below it only, and within it are no circles."""

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


def rooms() -> Iterator[tuple[str, Path]]:
    """Give every room, as a name below `api`, with its file."""
    for path in sorted(API.rglob("*.py")):
        parts = path.relative_to(API).with_suffix("").parts
        if parts[-1] != "__init__":
            yield ".".join(parts), path


def package_of(room: str) -> str:
    """Give the package that a room is of."""
    return room.partition(".")[0]


def imports_of(path: Path) -> Iterator[str]:
    """Give the rooms a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            if (API.parent / node.module.replace(".", "/")).is_dir():
                below = node.module.removeprefix("api").lstrip(".")
                yield from (f"{below}.{name.name}".lstrip(".") for name in node.names)
            elif node.module.startswith("api."):
                yield node.module.removeprefix("api.")


def graph() -> dict[str, set[str]]:
    """Give each room with the rooms that it imports."""
    known = dict(rooms())
    return {room: known.keys() & set(imports_of(path)) for room, path in known.items()}


def against_the_law(imported: dict[str, set[str]]) -> list[str]:
    """Name what imports from a package above its own."""
    height = {package: place for place, package in enumerate(PACKAGES)}
    return [
        f"{room} imports {other}"
        for room, others in imported.items()
        for other in sorted(others)
        if height[package_of(other)] > height[package_of(room)]
    ]


def in_circles(imported: dict[str, set[str]]) -> set[str]:
    """Name the rooms that import each other in a circle, or stand on one that does."""
    left = {room: set(others) for room, others in imported.items()}
    while free := {room for room, others in left.items() if not others & left.keys()}:
        left = {room: others for room, others in left.items() if room not in free}
    return set(left)


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


def test_no_door_opens_onto_another_and_none_commits_or_asks_for_a_role() -> None:
    for room, path in rooms():
        if room.startswith("routes."):
            text = path.read_text()
            assert not any(name.startswith("routes") for name in imports_of(path)), room
            assert ".commit(" not in text, room
            assert "if me.role ==" not in text, room


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
