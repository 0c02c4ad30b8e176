"""Whatever is asked of a page in its address, it is a page that answers."""

from collections import defaultdict
from collections.abc import AsyncIterator
from urllib.parse import quote, urlencode
from zlib import crc32

import pytest

from tests.support.cases import full_case
from tests.support.desk import Seat, placed, routes_of, seated
from tests.support.matrix import ANSWERED
from tests.support.notes import signed
from tests.support.world import NOON, Urls, World, made, open_world

VALUES = (
    "",
    " ",
    "0",
    "-1",
    "9" * 800,
    "nan",
    "true",
    "null",
    "me",
    "all",
    "year",
    "0001-01-01",
    "0001-01",
    "9999-12-31",
    "9999-12",
    "2026-13",
    "2026-02-30",
    "20260302",
    "2026-W10-1",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "{{7*7}}",
    "%s%n",
    "\x00",
    "\u202e\u200b",
    "\ud7ff\U0001f600",
    "[]",
    "//[",
    "../../v1/me",
)
READ = {
    "/desk/sign-in": ("next",),
    "/desk/cases/{case_id}": ("until",),
    "/desk/report": ("month",),
    "/desk/questionnaires/{questionnaire_id}": ("version", "language"),
    "/desk/cases/{case_id}/responses/new/{questionnaire_id}": ("version",),
    "/desk/agenda": ("clinician_id", "sheet"),
    "/desk/patterns": ("clinician_id", "from", "to"),
    "/desk/cases": ("status", "client_ref"),
    "/desk": ("min_severity", "overdue", "acknowledged", "assigned_to_id", "rule"),
}
"""What pages read in their addresses."""


def asked_of(path: str) -> tuple[str, ...]:
    """Give what a page reads; how far a list was read, where it is one."""
    if path in READ:
        return READ[path]
    is_a_list = path.count("/") == 2 or path.endswith(
        ("timeline", "readers", "versions", "responses")
    )
    return ("cursor", "status", "state") if is_a_list else ()


def _some_of(at: str) -> tuple[str, ...]:
    """Give every third value, others for each page: so every value is asked of many pages."""
    return VALUES[crc32(at.encode()) % 3 :: 3]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def shown(module_urls: Urls) -> AsyncIterator[tuple[World, dict[str, str]]]:
    async with open_world(module_urls, NOON) as world:
        at = {noun: path.rpartition("/")[2] for noun, path in (await full_case(world)).items()}
        note = await signed(world.clinician, {"id": at["case"]})
        answered = made(await world.clinician.post(f"/v1/cases/{at['case']}/responses", ANSWERED))
        at |= {"note": note["id"], "response": answered["id"]}
        at |= {"questionnaire": answered["questionnaire_id"]}
        yield world, {f"{noun}_id": value for noun, value in at.items()}


@pytest.mark.parametrize("part", ["supervisor", "privacy_officer", "nobody"])
async def test_no_page_fails_whatever_is_asked(
    shown: tuple[World, dict[str, str]], part: str
) -> None:
    world, records = shown
    seat = Seat(world) if part == "nobody" else await seated(world, world.here[part])
    places = defaultdict(lambda: "x", records, kind="crossing")
    failed = []
    for path in routes_of(world.app, "GET"):
        at = placed(path, places)
        if path == "/desk/cases/{case_id}":
            at += "?span=year"
        if (plain := await seat.open(at)).status >= 500:
            failed.append((at, "", plain.status))
        if plain.status not in {200, 303}:
            continue
        for value in _some_of(at) if asked_of(path) else ():
            page = await seat.open(
                f"{at}{'&' if '?' in at else '?'}{urlencode(dict.fromkeys(asked_of(path), value))}"
            )
            # the journal says at its filters what is wrong with them
            if page.status not in {200, 303, 404, 422 if at == "/desk/journal" else 200}:
                failed.append((at, value[:20], page.status))
            assert "<script" not in page.text
    assert failed == []


@pytest.mark.parametrize("value", [v for v in VALUES if v.strip() and "/" not in v])
async def test_what_is_no_record_is_not_found(
    shown: tuple[World, dict[str, str]], value: str
) -> None:
    world, _ = shown
    seat = await seated(world, world.supervisor)
    places: dict[str, str] = defaultdict(lambda: quote(value[:500]))
    for path in routes_of(world.app, "GET"):
        if "{" in path:
            page = await seat.open(placed(path, places))
            assert page.status == 404, path
            assert value not in page.text or len(value) < 5
