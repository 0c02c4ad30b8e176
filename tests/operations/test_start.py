"""What a server process is made of: it holds what it serves with, and loads it only once."""

import json
import subprocess
import sys
from typing import Any

from api.commands.cli import COMMANDS
from api.main import DOORS, create_app
from api.runtime.settings import Settings, random_secret
from tests.support.checkout import ROOT
from tests.support.processes import environment, run

NEEDED_BY_OTHERS = {
    "aiosmtplib",
    "alembic",
    # of a language other than English, once somebody reads it
    "api.languages.catalogue",
    "babel",
    "api.commands.backups",
    "api.commands.demo",
    "api.commands.document",
    "api.commands.import_export",
    "api.commands.install",
    "api.commands.translating",
    "api.commands.worker",
    "api.interop.email.post",
    "api.interop.fhir.examples",
    "api.interop.webhooks.deliveries",
    "api.openapi.documents",
    "api.openapi.example_values",
    "api.storage.migrations",
    "httpcore",
    "httpx",
    "mako",
    "standardwebhooks",
    "websockets",
}
"""What other commands are made of, and few readers need; most of it is large."""

STARTED = """
import gc, json, runpy, sys
import uvicorn

def load(where, *, factory, ws, **how):
    uvicorn.Config(where, factory=factory, ws=ws).load()
    collector = {"collects": gc.isenabled(), "walks": gc.get_stats()[2]["collections"]}
    held = {"modules": [*sys.modules], "for_ever": gc.get_freeze_count()}
    print(json.dumps(held | collector))

uvicorn.run = load
sys.argv = ["api", "serve"]
runpy.run_module("api", run_name="__main__")
"""


def started(settings: dict[str, str], program: str = STARTED) -> dict[str, Any]:
    """Start a server up to where it would take connections; tell what it holds."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_a_server_holds_nothing_that_only_other_commands_need(settings: dict[str, str]) -> None:
    held = started(settings)["modules"]
    assert "api.routes.cases" in held
    assert NEEDED_BY_OTHERS & {*held} == set()


def test_what_only_others_need_would_be_found(settings: dict[str, str]) -> None:
    more = STARTED.replace("import uvicorn\n", "import uvicorn, api.commands.worker, alembic\n", 1)
    found = NEEDED_BY_OTHERS & {*started(settings, more)["modules"]}
    assert found >= {"api.commands.worker", "httpx", "alembic", "mako"}


def test_everything_that_others_need_is_there_to_be_found() -> None:
    for name in NEEDED_BY_OTHERS:
        room = ROOT / f"{name.replace('.', '/')}.py"
        assert room.is_file() or not name.startswith("api."), name


def test_nobody_looks_for_garbage_in_what_is_loaded_for_ever(settings: dict[str, str]) -> None:
    told = started(settings)
    assert told["walks"] <= 1
    assert told["for_ever"] > 100_000
    assert told["collects"]


def test_looking_for_garbage_meanwhile_would_be_noticed(settings: dict[str, str]) -> None:
    looking = STARTED.replace("import uvicorn\n", "import uvicorn\ngc.disable = int\n", 1)
    assert started(settings, looking)["walks"] > 1


def test_each_doors_routes_are_the_applications_as_they_stand() -> None:
    routes = {id(route) for route in create_app(Settings(secret_key=random_secret())).routes}
    for door in DOORS:
        assert {id(route) for route in door.router.routes} <= routes, door.__name__


def test_every_command_is_told_of_in_its_order_and_a_slip_is_understood() -> None:
    told = run("--help").stdout
    places = [told.index(f" {name} ") for name in COMMANDS]
    assert places == sorted(places)
    assert "Did you mean 'serve'?" in run("serv").stderr


def test_a_commands_room_is_loaded_when_it_is_asked_for() -> None:
    asked = "import sys; from api.commands.cli import load; load(sys.argv[1:]); print(*sys.modules)"
    for name, held in (("no-such", set()), ("migrate", {"api.commands.install"})):
        done = subprocess.run(
            [sys.executable, "-c", asked, name],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        rooms = {room for room in done.stdout.split() if room.startswith("api.commands.")}
        assert rooms - {"api.commands.cli"} >= held
        assert bool(rooms - {"api.commands.cli"}) == bool(held)
