"""The journal of reads: whoever was shown a record is written down before it is shown."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from api.access import guards
from api.storage.models.journal import JournalEntry
from tests.support.matrix import TABLE, Row
from tests.support.patience import Stopwatch, slowness
from tests.support.requests import tolerant
from tests.support.scene import Scene, set_scene
from tests.support.world import NOON, Person, Urls, World, made, ok, open_world, software

pytestmark = pytest.mark.both_databases

NOT_CLINICAL = (
    "/v1/me",
    "/v1/sessions",
    "/v1/users",
    "/v1/colleagues",
    "/v1/supervisions",
    "/v1/service-accounts",
    "/v1/webhooks",
    "/v1/clinic",
    "/v1/rules",
    "/v1/vocabulary",
    "/v1/questionnaires",
    "/v1/journal",
    "/v1/summary",
    "/v1/imports",
    "/fhir/AuditEvent",
    "/fhir/Questionnaire/",
    "/fhir/StructureDefinition",
    "/fhir/CodeSystem",
)
READS = [
    row
    for row in TABLE
    if (row.method == "GET" or row.form is not None)
    # the types of FHIR begin with one another
    and not f"{row.path}/".startswith(NOT_CLINICAL)
    and "y" in row.cells
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def scene(module_urls: Urls) -> AsyncIterator[Scene]:
    """Every sort of record, for those who may read it."""
    async with open_world(module_urls, NOON) as world:
        tolerant(world)
        yield await set_scene(world)


def named(row: Row) -> str:
    return " ".join([row.path, *row.on.values()])


def reader_of(row: Row) -> tuple[str, str]:
    """Give a role and a relation that may read."""
    cells = [(role, relation) for role, relation, letter in row.expected() if letter == "y"]
    treating = [cell for cell in cells if cell[0] in {"clinician", "supervisor"}]
    return (treating or cells)[0]


async def entries_of(world: World, request_id: str) -> list[JournalEntry]:
    """Give what the journal tells of one request."""
    async with world.owner.transaction() as tx:
        told = select(JournalEntry).where(JournalEntry.request_id == request_id)
        return list(await tx.exec(told))


def shown_ids(body: Any) -> set[str]:
    """Give the id of every record that an answer shows."""
    if isinstance(body, dict) and body.get("resourceType") == "Bundle":
        return {entry["resource"]["id"] for entry in body.get("entry", ())}
    if isinstance(body, dict) and "items" in body:
        return set().union(*map(shown_ids, body["items"]))
    if isinstance(body, dict) and "case" in body:
        return {body["case"]["id"], *(flag["id"] for flag in body["flags"])}
    if "record" in body:
        # a version, of the record that it names
        return {body["record"]["id"]}
    if "months" in body:
        # counts, of somebody's cases
        return {body["clinician_id"]}
    return {body["id"]}


@pytest.mark.parametrize("row", READS, ids=named)
async def test_each_row_that_is_shown_is_named_in_the_journal(scene: Scene, row: Row) -> None:
    role, relation = reader_of(row)
    answer = await scene.send(row, role, relation)
    assert answer.status_code == 200
    entries = await entries_of(scene.world, answer.headers["x-request-id"])
    named_ids = {row_id for entry in entries for row_id in entry.record_ids}
    assert {entry.actor_id for entry in entries} <= {scene.person(row, role, relation).id}
    # giving a copy is more than a read: it is entered in the account of disclosures
    assert all(entry.is_read for entry in entries) or row.path.endswith("export")
    if any(part in row.path for part in ("timeline", "export", "document")):
        assert scene.records[role, relation]["case_id"] in named_ids
    else:
        assert shown_ids(answer.json()) <= named_ids
    if "{" in row.path:
        assert named_ids


async def test_a_read_that_is_not_written_down_is_noticed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the test above."""
    row = next(row for row in READS if row.path == "/v1/cases/{case_id}")
    monkeypatch.setattr(guards, "record_shown", lambda *_, **__: None)
    with pytest.raises(AssertionError):
        await test_each_row_that_is_shown_is_named_in_the_journal(scene, row)


async def test_while_the_journal_cannot_be_written_nobody_is_shown_anything(scene: Scene) -> None:
    world = scene.world
    await _run(world, "ALTER TABLE journal_entries RENAME TO journal_elsewhere")
    slowest = 0.0
    try:
        for row in READS:
            watch = Stopwatch()
            answer = await scene.send(row, *reader_of(row))
            slowest = max(slowest, watch.took)
            if "{" in row.path or answer.status_code != 200:
                assert answer.status_code == 503, row
                problem = {"type", "title", "status", "detail", "request_id"}
                outcome = {"resourceType", "issue"}
                as_fhir = row.path.startswith("/fhir/")
                assert set(answer.json()) == (outcome if as_fhir else problem)
            else:
                # a list that shows nothing needs no entry
                assert shown_ids(answer.json()) == set(), row
        assert (await world.http.get("/healthz")).status_code == 200
    finally:
        await _run(world, "ALTER TABLE journal_elsewhere RENAME TO journal_entries")
    assert slowest < 2 * slowness()
    assert (await scene.send(READS[0], *reader_of(READS[0]))).status_code == 200


async def _run(world: World, statement: str) -> None:
    async with world.owner.transaction() as tx:
        await (await tx.connection()).exec_driver_sql(statement)


# -------------------------------------------------------------------------------- who reads it


async def told(person: Person, **filters: Any) -> list[dict[str, Any]]:
    """Give what the journal tells somebody."""
    items: list[dict[str, Any]] = ok(await person.get("/v1/journal", limit=100, **filters))["items"]
    return items


async def test_a_clinician_reads_who_read_their_case(world: World) -> None:
    me, supervisor = world.clinician, world.supervisor
    case, other = await me.case(), await world.colleague.case()
    ok(await supervisor.get(f"/v1/cases/{case['id']}"))
    ok(await world.colleague.get(f"/v1/cases/{other['id']}"))
    reads = await told(me, happening="case.read")
    assert [(each["actor_id"], each["case_id"]) for each in reads] == [
        (str(supervisor.id), case["id"])
    ]
    assert await told(me, case_id=other["id"]) == []
    assert await told(world.colleague, case_id=case["id"]) == []


async def test_of_restricted_records_a_clinician_learns_nothing(world: World) -> None:
    me, supervisor = world.clinician, world.supervisor
    case = await me.case()
    hidden = await supervisor.incident(case, "hurtful_words")
    seen = await me.incident(case, "hurtful_words")
    assert hidden["restricted"]
    ok(await supervisor.get(f"/v1/incidents/{hidden['id']}"))
    ok(await supervisor.get(f"/v1/cases/{case['id']}/incidents"))
    entries = await told(me)
    assert not [each for each in entries if hidden["id"] in each["record_ids"]]
    (read,) = [each for each in entries if each["happening"] == "incident.read"]
    assert read["record_ids"] == [seen["id"]]
    officer = world.here["privacy_officer"]
    assert [each for each in await told(officer) if hidden["id"] in each["record_ids"]]


async def test_privacy_officers_read_all_of_their_clinic_and_nothing_of_another(
    world: World,
) -> None:
    case = await world.clinician.case()
    theirs = await world.there["clinician"].case()
    officer = world.here["privacy_officer"]
    assert {each["case_id"] for each in await told(officer, happening="case.opened")} == {
        case["id"]
    }
    assert await told(officer, case_id=theirs["id"]) == []
    for nobody in (world.admin, world.here["consultant"]):
        assert (await nobody.get("/v1/journal")).status_code == 403


async def test_entries_are_found_by_person_case_action_and_time(world: World) -> None:
    me, officer = world.clinician, world.here["privacy_officer"]
    first = await me.case()
    world.clock.forward(days=1)
    second = await me.case()
    ok(await world.supervisor.get(f"/v1/cases/{second['id']}"))

    async def cases(**filters: Any) -> set[str]:
        return {each["case_id"] for each in await told(officer, **filters) if each["case_id"]}

    assert await cases(actor_id=str(world.supervisor.id)) == {second["id"]}
    assert await cases(case_id=first["id"]) == {first["id"]}
    assert await cases(happening="case.opened") == {first["id"], second["id"]}
    assert await cases(happening="case.opened", to=world.day(-1)) == {first["id"]}
    assert await cases(**{"from": world.day()}) == {second["id"]}
    assert await cases(is_read=True) == {second["id"]}
    assert (await officer.get("/v1/journal", happening="case.eaten")).status_code == 422


async def test_what_a_case_is_read_for_is_told_where_it_is_out_of_the_ordinary(
    world: World,
) -> None:
    me, opener = world.clinician, world.stranger
    case = await me.case()
    made(await opener.post("/v1/break-glass", {"case_id": case["id"], "reason": "She is away."}))
    for reader in (opener, world.supervisor):
        ok(await reader.get(f"/v1/cases/{case['id']}"))
    reads = await told(me, happening="case.read")
    purposes = {UUID(each["actor_id"]): each["purpose"] for each in reads}
    assert purposes == {opener.id: "emergency", world.supervisor.id: None}


async def test_a_list_has_an_entry_for_each_case_it_shows(world: World) -> None:
    me, supervisor = world.clinician, world.supervisor
    cases = [await me.case() for _ in range(3)]
    for case in cases:
        await me.incident(case, "hurtful_words")
    ok(await supervisor.get("/v1/incidents"))
    reads = await told(me, happening="incident.read")
    assert sorted(each["case_id"] for each in reads) == sorted(case["id"] for case in cases)
    assert len({each["request_id"] for each in reads}) == 1


async def test_reads_are_no_part_of_the_timeline(world: World) -> None:
    case = await world.clinician.case()
    for _ in range(3):
        ok(await world.supervisor.get(f"/v1/cases/{case['id']}"))
    items = ok(await world.clinician.get(f"/v1/cases/{case['id']}/timeline"))["items"]
    assert [each["happening"] for each in items] == ["case.opened"]


async def test_a_refusal_of_what_is_no_id_names_no_record(world: World) -> None:
    consultant, officer = world.here["consultant"], world.here["privacy_officer"]
    assert (await consultant.get("/v1/break-glass/not-an-id")).status_code == 403
    (refused, *_) = await told(officer, happening="request.refused")
    assert (refused["actor_id"], refused["record_ids"]) == (str(consultant.id), [])


async def test_the_journal_names_who_is_behind_each_id_and_gives_no_address(world: World) -> None:
    case = await world.clinician.case()
    app = await software(world, "cases:read")
    officer = world.here["privacy_officer"]
    path = f"/v1/cases/{case['id']}"
    for person in (app, world.supervisor):
        ok(await person.get(path))
    ok(await world.supervisor.patch(path, {"phase": "beginning"}))
    await world.clinician.promise(case, due_on=world.day(1))
    world.clock.forward(days=60)
    ok(await world.clinician.get(path))
    expected = {
        str(app.id): ("Fictional Software", "software", None),
        str(world.supervisor.id): ("Supervisor", "person", "supervisor"),
        str(world.clinician.id): ("Clinician", "person", "clinician"),
        # what time brought about
        None: (None, None, None),
    }
    for reader, where in (
        (world.clinician, "/v1/journal"),
        (officer, "/v1/journal"),
        (world.clinician, f"{path}/timeline"),
        (world.supervisor, f"{path}/timeline"),
    ):
        asked = {} if where.endswith("timeline") else {"case_id": case["id"]}
        answer = await reader.get(where, limit=100, **asked)
        named = {
            each["actor_id"]: (each["actor_name"], each["actor_kind"], each["actor_role"])
            for each in ok(answer)["items"]
        }
        assert named.items() <= expected.items(), where
        assert len(named) >= (3 if where.endswith("timeline") else 4), where
        assert "@" not in answer.text
        wanted = {"Accept": "text/csv"}
        written = await reader.send("GET", where, params={"limit": 100, **asked}, headers=wanted)
        rows = list(csv.DictReader(io.StringIO(written.text)))
        assert {(row["actor_id"] or None, row["actor_name"] or None) for row in rows} == {
            (actor_id, name) for actor_id, (name, _, _) in named.items()
        }


async def test_an_audit_event_names_who_is_behind_it(world: World) -> None:
    case = await world.clinician.case()
    ok(await world.supervisor.get(f"/v1/cases/{case['id']}"))
    found = ok(await world.clinician.get("/fhir/AuditEvent", patient=case["id"]))["entry"]
    agents = {each["resource"]["agent"][0]["name"]: each["resource"]["agent"][0] for each in found}
    assert agents.keys() == {"Clinician", "Supervisor"}
    assert agents["Supervisor"]["role"][0]["coding"][0]["code"] == "supervisor"
    one = found[0]["resource"]
    assert ok(await world.clinician.get(f"/fhir/AuditEvent/{one['id']}"))["agent"] == one["agent"]


async def test_a_name_is_that_of_the_readers_clinic_and_of_today(world: World) -> None:
    case = await world.clinician.case()
    ok(await world.supervisor.get(f"/v1/cases/{case['id']}"))
    changed = {"name": "Somebody Renamed", "role": "clinician"}
    ok(await world.admin.patch(f"/v1/users/{world.supervisor.id}", changed))
    entries = ok(await world.clinician.get("/v1/journal", case_id=case["id"]))["items"]
    (read,) = [each for each in entries if each["actor_id"] == str(world.supervisor.id)]
    assert (read["actor_name"], read["actor_role"]) == ("Somebody Renamed", "clinician")
    assert ok(await world.there["privacy_officer"].get("/v1/journal"))["items"] == []
