"""The floors of the house, and a guard at every door."""

import ast
from collections.abc import Iterator
from pathlib import Path

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from api.domain.permissions import Action
from api.main import create_app
from api.runtime.settings import Settings, random_secret

API = Path(__file__).parent.parent / "api"

FLOORS = (
    {
        "domain.vocabulary",
        "security.base64url",
        "http.csv_lists",
        "openapi.compatibility",
        "openapi.plain_schemas",
        "domain.time_zones",
        "security.normalization",
        "interop.bulk.charsets",
    },
    {
        "security.crypto",
        "security.token_keys",
        "security.outbound_addresses",
        "storage.instants",
        "security.opaque_tokens",
    },
    {"runtime.settings", "runtime.logs", "runtime.shutdown", "runtime.metrics", "runtime.tracing"},
    {"domain.values", "interop.fhir.elements"},
    {"interop.fhir.outcome", "interop.fhir.codes", "http.field_errors"},
    {
        "interop.fhir.extensions",
        "domain.details",
        "domain.rules.thresholds",
        "domain.rules.modes",
        "domain.permissions",
        "domain.lifecycles",
        "security.merkle",
    },
    {"domain.bodies"},
    {"interop.bulk.lines"},
    {"interop.bulk.columns"},
    {"domain.rules.facts"},
    {"domain.tenures", "domain.sense"},
    {"domain.rules.findings"},
    {"domain.rules.rulebook"},
    {"domain.rules.prompts"},
    {"domain.rules.evaluate"},
    {"flags.rule_runs"},
    {"storage.models", "http.problem_details", "security.tokens", "security.totp"},
    {
        "interop.fhir.care",
        "interop.fhir.requests",
        "interop.fhir.notices",
        "interop.fhir.accounts",
        "interop.fhir.dates",
    },
    {
        "storage.tenancy",
        "access.rate_limits",
        "storage.keyring",
        "storage.compiled_queries",
        "storage.hidden_entries",
        "http.entity_tags",
    },
    {"storage.encryption"},
    {"storage.record_versions"},
    {"storage.transaction"},
    {"journal.outbox", "storage.migrations"},
    {
        "journal.entries",
        "records.sense",
        "http.pagination",
        "http.strict_route",
        "http.middleware",
        "flags.case_facts",
        "records.monthly_counts",
    },
    {"flags.hiding"},
    {
        "flags.reconcile",
        "access.sessions",
        "http.idempotency",
        "journal.tree_heads",
        "records.create",
        "interop.bulk.parse",
        "interop.webhooks.signed_request",
    },
    {"access.visibility", "access.actor_names", "flags.preview", "interop.webhooks.deliveries"},
    {
        "access.case_relationship",
        "access.authentication",
        "access.conduct",
        "access.handover",
        "access.journal_reading",
    },
    {"access.guards", "commands.worker", "commands.key_rotation", "interop.bulk.take_line"},
    {"interop.bulk.run_import", "interop.bulk.export"},
    {"openapi.foreseen", "openapi.examples"},
    {
        "records.read_models",
        "records.deidentified_brief",
        "records.oversight_notices",
        "records.patient_copy",
        "records.versions",
        "interop.fhir.searching",
    },
    {
        "interop.fhir.patients",
        "interop.fhir.bundle",
        "interop.fhir.guards",
        "interop.fhir.definitions",
    },
    {"interop.fhir.finding"},
    {"interop.fhir.kinds"},
    {"interop.fhir.capability"},
    {"interop.fhir.shown"},
    {"records.patient_copy_page", "openapi.events_told"},
    {"routes.idempotent_replay", "openapi.operations"},
    {"openapi.promised"},
    {"openapi.documents"},
    {"routes"},
    {"main"},
    {
        "commands.backups",
        "commands.demo_cases",
        "commands.founding",
        "commands.retention",
        "commands.runtime_role",
        "commands.terminal",
        "commands.verifying",
    },
    {"commands.demo", "commands.records"},
    {"commands.cli"},
    {"__main__"},
)
"""From the ground up; a room imports from lower floors only."""

FOLDERS = {
    "api",
    "api.access",
    "api.commands",
    "api.domain",
    "api.domain.rules",
    "api.flags",
    "api.http",
    "api.interop",
    "api.interop.bulk",
    "api.interop.fhir",
    "api.interop.webhooks",
    "api.journal",
    "api.openapi",
    "api.records",
    "api.routes",
    "api.runtime",
    "api.security",
    "api.storage",
}

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


def floor_of(room: str) -> int:
    """Give a room's floor; every room must have one."""
    for height, floor in enumerate(FLOORS):
        if room in floor or room.partition(".")[0] in floor:
            return height
    raise AssertionError(f"{room} stands on no floor")


def imports_of(path: Path) -> Iterator[str]:
    """Give the rooms a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module in FOLDERS:
                below = node.module.removeprefix("api").lstrip(".")
                yield from (f"{below}.{name.name}".lstrip(".") for name in node.names)
            elif node.module.startswith("api."):
                yield node.module.removeprefix("api.")


def test_every_room_imports_from_lower_floors_only() -> None:
    for room, path in rooms():
        for imported in imports_of(path):
            assert floor_of(imported) < floor_of(room), f"{room} imports {imported}"


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
            "storage.models",
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
