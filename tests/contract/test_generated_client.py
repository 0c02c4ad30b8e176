"""A client that a generator makes of the OpenAPI document, at work against a real server.

The generator lives in an environment of its own (`generated_client/requirements.txt`), which is
made once: so most of this is one test, which workers of xdist cannot share out.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.openapi.plain_schemas import write_plainly
from api.runtime.settings import new_data_key
from tests.support.processes import run, serving
from tests.support.requests import described, document

HERE = Path(__file__).parent.parent / "generated_client"
DAY = HERE / "clinic_day.py"
PACKAGE = "boundary_notes_client"
FIRST_ADMIN = {"email": "admin@day.example", "password": "a password only for this test"}

Done = subprocess.CompletedProcess[str]


@dataclass
class Workshop:
    """An environment with the generator, and the folder in which it works."""

    folder: Path

    @property
    def tools(self) -> Path:
        return self.folder / "venv" / "bin"

    def run(self, *command: str | Path, told: str | None = None) -> Done:
        path = os.pathsep.join((str(self.tools), os.environ["PATH"]))
        return subprocess.run(
            list(map(str, command)),
            cwd=self.folder,
            env=os.environ | {"PATH": path, "PYTHONPATH": str(self.folder), "NO_COLOR": "1"},
            input=told,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def install(self) -> None:
        """Install what the requirements say, and nothing else."""
        pip = ("-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "--no-compile")
        for command in (
            (sys.executable, "-m", "venv", self.folder / "venv"),
            (self.tools / "python", *pip, "-r", HERE / "requirements.txt"),
        ):
            done = self.run(*command)
            assert done.returncode == 0, done.stderr

    def generate(self, described: dict[str, Any], package: str) -> list[str]:
        """Make a package of a document; give what the generator complained of."""
        source = self.folder / f"{package}.json"
        source.write_text(json.dumps(described))
        target = self.folder / package
        done = self.run(
            *(self.tools / "openapi-python-client", "generate", "--fail-on-warning"),
            *("--config", HERE / "config.yaml"),
            *("--path", source, "--meta", "none", "--output-path", target),
        )
        said = [line for line in (done.stdout + done.stderr).splitlines() if line]
        assert said.pop(0) == f"Generating {target}"
        assert (done.returncode == 0) == (said == [])
        return said


@pytest.mark.timeout(400)
def test_a_clinic_gets_through_its_day_with_a_generated_client(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    workshop.install()
    assert workshop.generate(document(), PACKAGE) == []
    modules = {path.stem for path in (tmp_path / PACKAGE / "api").glob("*/*.py")}
    operations = {operation["operationId"] for _, _, operation in described()}
    assert operations <= modules
    assert len(operations) > 100
    # the same check, of a document with two schemas of one title
    assert any("duplicate models" in line for line in workshop.generate(_spoilt(), "spoilt"))
    _check_types(workshop)
    told = _live_through_a_day(workshop)
    assert told["incidents"] == ["expression", "frame_change", "second_role", "gift", "contact"]
    assert (told["promise"], told["consultation"]) == ("broken", "completed")
    assert set(told["resolved"]) == {"frame_tightened_unprepared", "promise_broken"}
    # clinicians' words are not for software that was not given the right to them
    assert told["software_sees"] == [[case_id, None] for case_id in told["cases"]]


def _spoilt() -> dict[str, Any]:
    schemas = document()["components"]["schemas"]
    twice = {"Health": schemas["Health"], "Problem": {**schemas["Health"], "title": "Health"}}
    return {**document(), "paths": {}, "components": {"schemas": twice}}


def _check_types(workshop: Workshop) -> None:
    """Check all of the package, too: names that get in each other's way make wrong code."""
    types = (sys.executable, "-m", "mypy", "--python-executable", workshop.tools / "python")
    settings = ("--config-file", HERE / "mypy.ini", "--cache-dir", workshop.folder / "types")
    # where it stands it would be a module of the tests, with all that these need
    day = shutil.copy(DAY, workshop.folder)
    checked = workshop.run(*types, *settings, day, PACKAGE)
    assert checked.returncode == 0, checked.stdout


def _live_through_a_day(workshop: Workshop) -> dict[str, Any]:
    settings = {
        "database_url": f"sqlite+aiosqlite:///{workshop.folder / 'clinic.db'}",
        "secret_key": secrets.token_urlsafe(48),
        "data_key": new_data_key(),
        "bootstrap_password": FIRST_ADMIN["password"],
    }
    founding = ("bootstrap", "--clinic", "Day", "--admin", FIRST_ADMIN["email"])
    for command in (("migrate",), founding):
        assert run(*command, **settings).returncode == 0
    with serving(settings) as url:
        day = workshop.run(workshop.tools / "python", DAY, url, told=json.dumps(FIRST_ADMIN))
    assert day.returncode == 0, day.stderr
    told: dict[str, Any] = json.loads(day.stdout)
    return told


def test_every_schema_has_one_plain_name() -> None:
    schemas = document()["components"]["schemas"]
    assert all(name.isalnum() and schema["title"] == name for name, schema in schemas.items())
    kinds = schemas["IncidentRead"]["properties"]["details"]["discriminator"]["mapping"]
    assert kinds["gift"] == "#/components/schemas/GiftDetails"
    assert kinds["touch"] == "#/components/schemas/TouchDetailsRead"
    assert f'"{kinds["touch"]}"' in json.dumps(schemas["IncidentWritten"])


def test_nobody_is_told_to_send_null_where_nothing_is_sent() -> None:
    parameters = [each for _, _, told in described() for each in told.get("parameters", ())]
    bodies = [told["requestBody"] for _, _, told in described() if "requestBody" in told]
    assert len(parameters) > len(bodies) > 40
    assert '"null"' not in json.dumps([parameters, bodies])


def test_a_generic_schema_gets_a_plain_name_too() -> None:
    listed = {"title": "Shelf[Book]", "properties": {"top": {"$ref": "#/components/schemas/Book"}}}
    whole = {"paths": {}, "components": {"schemas": {"Shelf_Book_": listed, "Book": {}}}}
    write_plainly(whole)
    assert whole["components"] == {
        "schemas": {"Book": {"title": "Book"}, "ShelfBook": {**listed, "title": "ShelfBook"}}
    }


def test_two_schemas_that_would_get_one_name_are_noticed() -> None:
    thing = {"title": "Thing"}
    with pytest.raises(AssertionError, match="ThingRead"):
        write_plainly(
            {"paths": {}, "components": {"schemas": {"Thing-Output": thing, "ThingRead": thing}}}
        )
