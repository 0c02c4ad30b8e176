"""Lists as CSV: the same rows, safe to open in a spreadsheet, for whoever asks for them."""

import csv
import io
import json
from typing import Any

import pytest
from httpx import Response
from sqlmodel import col, select

from api.http import csv_lists
from api.http.csv_lists import list_columns, prefers_csv, write_csv
from api.storage.models.journal import JournalEntry
from tests.support.requests import described
from tests.support.world import Person, World, made, ok

FORMULAS = ("=1+1", "+41", "-2", "@SUM(A1)", "\tx", "\rx")
HARMLESS = ("'=1", " =1", "1=1", "", "a\r\nb", 'say "so", then')


async def as_csv(person: Person, path: str, **params: Any) -> Response:
    """Ask for a list as CSV."""
    answer = await person.send("GET", path, params=params or None, headers={"Accept": "text/csv"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    return answer


def rows_of(answer: Response) -> list[dict[str, str]]:
    """Read a CSV list as a program does."""
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline=""), strict=True))


def cells_of(item: dict[str, Any]) -> dict[str, str]:
    """Write an item of a JSON list as its row should be."""
    plain = {name: "" if value is None else value for name, value in item.items()}
    return {
        name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for name, value in plain.items()
    }


async def furnished(world: World) -> dict[str, Person]:
    """Make something of all that is listed; give path → who reads it."""
    clinician, officer = world.clinician, world.here["privacy_officer"]
    case = await clinician.case(sessions_per_week=1.5, attachment_roles=["parent"])
    path = f"/v1/cases/{case['id']}"
    await clinician.incident(case, "gift", direction="both", item="gift", narrative="é,\n“so”")
    await clinician.incident(case, "hurtful_words")
    await clinician.promise(case, wording='a "word", and more\nof it')
    asked = {"kind": "ethics", "urgency": "routine", "question": "what now?", "released": True}
    consultation = made(await clinician.post(f"{path}/consultations", asked))
    ok(await clinician.post(f"/v1/consultations/{consultation['id']}/request"))
    ok(await clinician.get(f"{path}/export"))
    made(await officer.post("/v1/legal-holds", {"case_id": case["id"], "reason": "a lawsuit"}))
    below = ("incidents", "promises", "consultations", "flags", "timeline", "disclosures")
    return {
        "/v1/cases": clinician,
        **{f"{path}/{each}": clinician for each in below},
        "/v1/consultations": world.here["consultant"],
        "/v1/flagged-cases": world.supervisor,
        "/v1/legal-holds": officer,
        "/v1/users": world.admin,
        "/v1/rules": world.here["consultant"],
    }


async def test_a_list_is_the_same_as_csv_and_as_json(world: World) -> None:
    for path, person in (await furnished(world)).items():
        before = await person.get(path, **({} if path.endswith("rules") else {"limit": 100}))
        items = ok(before)["items"]
        assert items, path
        answer = await as_csv(person, path, **({} if path.endswith("rules") else {"limit": 100}))
        assert rows_of(answer) == [cells_of(item) for item in items], path
        varies = "Accept, Accept-Language" if path == "/v1/rules" else "Accept"
        assert answer.headers["vary"] == before.headers["vary"] == varies
        assert answer.headers["cache-control"] == "no-store"


async def test_pages_follow_one_another_by_their_links(world: World) -> None:
    refs = ["first & last", "é=1?", "third"]
    for ref in refs:
        world.clock.forward(minutes=1)
        await world.clinician.case(client_ref=ref)
    url: str | None = f"/v1/cases?limit=1&status=active&clinician_id={world.clinician.id}"
    seen, requests = [], 0
    while url is not None:
        answer = await as_csv(world.clinician, url)
        seen += [row["client_ref"] for row in rows_of(answer)]
        link = answer.headers.get("link", "")
        assert not link or (link.startswith("</v1/cases?") and link.endswith('>; rel="next"'))
        url = link[1:].partition(">")[0] or None
        requests += 1
    assert seen == refs[::-1]
    assert requests == 3


def test_every_list_and_nothing_else_is_documented_as_csv() -> None:
    lists, written = set(), set()
    for method, path, operation in described():
        content = operation["responses"].get("200", {}).get("content", {})
        if 'Page"' in json.dumps(content.get("application/json", {})):
            lists.add((method, path))
        if "text/csv" in content:
            written.add((method, path))
    assert written == lists
    assert len(lists) > 20


async def test_an_empty_list_still_has_its_header(world: World) -> None:
    answer = await as_csv(world.clinician, "/v1/promises")
    assert answer.text.startswith("id,created_at,updated_at,recorded_by_id,version,case_id,wording")
    assert answer.text.endswith("\r\n")
    assert rows_of(answer) == []
    unwatched = await as_csv(world.here["privacy_officer"], "/v1/flagged-cases?unwatched=true")
    assert rows_of(unwatched) == []


async def test_refusals_stay_problem_documents(world: World) -> None:
    wanted = {"Accept": "text/csv"}
    for person, path, status in (
        (world.clinician, "/v1/cases?limit=0", 422),
        (world.clinician, f"/v1/cases/{world.admin.id}/promises", 404),
        (world.clinician, "/v1/legal-holds", 403),
    ):
        answer = await person.send("GET", path, headers=wanted)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
    # what is no list is JSON all the same
    assert ok(await world.clinician.send("GET", "/v1/me", headers=wanted))["role"] == "clinician"


async def test_a_list_as_csv_is_journalled_as_the_other(world: World) -> None:
    case = await world.clinician.case()
    ok(await world.clinician.get(f"/v1/cases/{case['id']}/export"))
    path = f"/v1/cases/{case['id']}/disclosures"
    ok(await world.clinician.get(path))
    await as_csv(world.clinician, path)
    async with world.owner.transaction() as tx:
        told = select(JournalEntry).where(
            JournalEntry.clinic_id == world.clinician.clinic_id,
            JournalEntry.happening == "disclosure.read",
        )
        # the copy shows to whom it was given, too
        _of_the_copy, *entries = (await tx.exec(told.order_by(col(JournalEntry.id)))).all()
    assert len(entries) == 2
    assert entries[0].record_ids == entries[1].record_ids != []


@pytest.mark.parametrize(
    ("accept", "wants"),
    [
        ("text/csv", True),
        ("TEXT/CSV; charset=utf-8; header=present", True),
        ("text/csv, */*;q=0.1", True),
        ("application/json;q=0.5, text/csv", True),
        ("text/*", True),
        ("text/csv, application/json", False),
        ("text/csv;q=0", False),
        ("text/csv;q=0.2, */*;q=0.3", False),
        ("text/csv;q=nan", False),
        ("text/csvx", False),
        ("text/html, */*", False),
        ("*/*", False),
        ("", False),
        (",;q=1,", False),
    ],
)
def test_csv_is_sent_to_whom_it_is_dearer(accept: str, wants: bool) -> None:
    assert prefers_csv(accept) is wants


def active_cells(written: str) -> list[str]:
    """Give the texts that a spreadsheet would run."""
    rows = csv.DictReader(io.StringIO(written, newline=""))
    return [row["text"] for row in rows if row["text"][:1] in {"=", "+", "-", "@", "\t", "\r"}]


ITEMS = [{"text": text, "number": -3.5, "more": [text]} for text in (*FORMULAS, *HARMLESS)]
COLUMNS = (("text", "number", "more"),)


def test_a_cell_that_would_be_a_formula_is_defused() -> None:
    written = write_csv(ITEMS, COLUMNS)
    assert active_cells(written) == []
    rows = list(csv.DictReader(io.StringIO(written, newline="")))
    assert [row["text"] for row in rows] == [*(f"'{text}" for text in FORMULAS), *HARMLESS]
    assert {row["number"] for row in rows} == {"-3.5"}


def test_a_cell_that_is_not_defused_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_lists, "defused", lambda text: text)
    assert sorted(active_cells(write_csv(ITEMS, COLUMNS))) == sorted(FORMULAS)


async def test_what_a_client_said_is_no_formula_in_a_list(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.promise(case, wording="=HYPERLINK(A1)")
    (row,) = rows_of(await as_csv(world.clinician, "/v1/promises"))
    assert row["wording"] == "'=HYPERLINK(A1)"


def test_only_lists_have_columns() -> None:
    assert list_columns(None) == list_columns(dict[str, str]) == list_columns(JournalEntry) == ()
