"""Which day it is somewhere: told by the pinned data alone, whatever the system's files say."""

import json
import os
import shutil
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import pytest
import tzdata
from pydantic import TypeAdapter, ValidationError

from api.domain.time_zones import NAMES, RELEASE
from api.domain.values import TimeZone
from tests.support.checkout import ROOT
from tests.support.world import World, ok

AS_THEY_WERE = {
    "America/Vancouver": "America/Los_Angeles",
    "America/Edmonton": "America/Denver",
    "America/Winnipeg": "America/Chicago",
    "America/Havana": "America/New_York",
    "Africa/Casablanca": "Europe/Lisbon",
}
"""Zones that changed their rules of late, and one that has the rules which they had before."""

ASKED = """
import json, sys
from datetime import UTC, datetime, timedelta
if sys.argv[1] == "ours":
    import api
from zoneinfo import ZoneInfo
noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
told = {
    name: [
        str((noon + timedelta(hours=ahead)).astimezone(ZoneInfo(name)).utcoffset())
        for ahead in range(0, 24 * 200, 24 * 10)
    ]
    for name in json.loads(sys.argv[2])
}
print(json.dumps(told))
"""


def told(folder: Path, *, whose: str = "ours") -> dict[str, list[str]]:
    """Ask a process of its own, whose system keeps its zones in a folder, for hours of the days."""
    names = json.dumps(sorted({*AS_THEY_WERE, "Europe/Berlin", "Asia/Kolkata"}))
    done = subprocess.run(
        [sys.executable, "-c", ASKED, whose, names],
        cwd=ROOT,
        env={**os.environ, "PYTHONTZPATH": str(folder)},
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.fixture
def two_years_old(tmp_path: Path) -> Path:
    """Make a system's folder of zones from before the rules changed."""
    folder = tmp_path / "zoneinfo"
    with as_file(files(tzdata) / "zoneinfo") as pinned:
        shutil.copytree(pinned, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        for name, before in AS_THEY_WERE.items():
            shutil.copy(pinned / before, folder / name)
    return folder


def test_old_system_files_and_none_at_all_tell_the_same_days(
    two_years_old: Path, tmp_path: Path
) -> None:
    here = told(tmp_path / "nowhere")
    assert here["America/Vancouver"] == ["-1 day, 17:00:00"] * 20
    assert told(two_years_old) == here
    # the folder is one that a process would believe that is not told otherwise
    believed = told(two_years_old, whose="the system's")
    assert all(believed[name] != here[name] for name in AS_THEY_WERE)
    assert believed["Europe/Berlin"] == here["Europe/Berlin"]


def test_names_are_those_of_the_pinned_list() -> None:
    assert TZPATH == ()
    assert tzdata.IANA_VERSION == RELEASE
    listed = set((files(tzdata) / "zones").read_text().split())
    assert listed - NAMES == {"Factory"}
    for name in ("Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires"):
        assert TypeAdapter(TimeZone).validate_python(name) == name
        ZoneInfo(name)
    for name in ("localtime", "Factory", "posixrules", "posix/UTC", "europe/berlin", "", "CET-1"):
        with pytest.raises(ValidationError):
            TypeAdapter(TimeZone).validate_python(name)


async def test_a_server_says_by_which_release_it_tells_days(world: World) -> None:
    said = ok(await world.http.get("/readyz"))
    assert said == {"status": "ok", "detail": {"time_zones": RELEASE}}
