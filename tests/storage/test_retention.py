"""The end of retention: what is due, what keeps it, and that nothing of it is read again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlmodel import SQLModel, col, select
from typer.testing import CliRunner

from api.commands import retention
from api.commands.cli import app
from api.commands.retention import DESTROYED, DueCase, cases_due, purge, years_before
from api.domain.vocabulary import Scope
from api.security.crypto import Place, Sealed, WrongKeyError
from api.storage.database import Database
from api.storage.models.clinical import Case
from api.storage.models.columns import SealedText, sealed_columns
from api.storage.models.door import Box, DoorSession, Invitation
from api.storage.models.integration import ImportedRecord
from api.storage.models.journal import JournalEntry
from api.storage.models.people import ClinicKey
from tests.support.door import enter, invite, knock, open_door
from tests.support.imports import line, read_in
from tests.support.matrix import ANSWERED, NOTE
from tests.support.notes import note
from tests.support.requests import described
from tests.support.world import (
    DATA_KEY,
    NOON,
    SETTINGS,
    SETTINGS_SECRET,
    Urls,
    World,
    made,
    ok,
    open_world,
    promise,
    software,
)

pytestmark = pytest.mark.both_databases

CANARY = "zq7canary4xk"
LONG_AGO = "2019-06-30"
WITH_TEXTS = [
    mapper.class_
    for mapper in SQLModel._sa_registry.mappers
    if sealed_columns(mapper.class_) and (mapper.class_ is Case or "case_id" in mapper.columns)
]
"""The tables that hold clinicians' words about a case."""


async def keeps(world: World, years: int | None) -> None:
    """Let the clinic here keep texts for so long."""
    ok(await world.admin.patch("/v1/clinic", {"retention_years": years}))


async def ended(world: World, on: str = LONG_AGO, **fields: Any) -> dict[str, Any]:
    """Open a case that ended."""
    return await world.clinician.case(**{"status": "ended", "ended_on": on, **fields})


@asynccontextmanager
async def owning(world: World) -> AsyncIterator[Database]:
    """Reach the database as the command line does: as its owner, clinic by clinic."""
    url = world.owner.engine.url.render_as_string(hide_password=False)
    database = Database(url, keys=SETTINGS.data_keys, pool_size=1, clock=world.clock)
    try:
        yield database
    finally:
        await database.dispose()


async def listed(world: World) -> list[DueCase]:
    """List the cases here whose texts are due to be destroyed."""
    async with owning(world) as database:
        return await cases_due(database, world.admin.clinic_id)


async def due(world: World) -> set[str]:
    """Give the ids of the cases here whose texts are due to be destroyed."""
    return {str(each.case_id) for each in await listed(world)}


async def purged(world: World, of: list[DueCase] | None = None) -> int:
    """Destroy what is due here."""
    async with owning(world) as database:
        return await purge(database, await listed(world) if of is None else of)


# --------------------------------------------------------------------------------- what is due


@pytest.mark.parametrize(
    ("day", "years", "before"),
    [
        ("2026-03-02", 7, "2019-03-02"),
        ("2024-02-29", 4, "2020-02-29"),
        ("2024-02-29", 1, "2023-03-01"),
        ("2025-02-28", 1, "2024-02-28"),
        ("2025-03-01", 1, "2024-03-01"),
        ("2100-03-01", 100, "2000-03-01"),
    ],
)
def test_years_are_counted_by_the_calendar(day: str, years: int, before: str) -> None:
    assert years_before(date.fromisoformat(day), years) == date.fromisoformat(before)


def test_every_day_is_kept_for_its_years_and_not_a_day_more() -> None:
    day, last = date(2019, 1, 1), date(2025, 12, 31)
    while day <= last:
        # the first day on which it is due is the one after its anniversary
        first = next(
            late
            for late in (day + timedelta(days=days) for days in range(364, 369))
            if day < years_before(late, 1)
        )
        anniversary = date(day.year + 1, day.month, min(day.day, 28) if day.month == 2 else day.day)
        assert first == anniversary + timedelta(days=1), day
        day += timedelta(days=1)


async def test_a_case_is_due_the_day_after_its_years_are_over(world: World) -> None:
    case = await ended(world, on="2019-03-02")
    assert await due(world) == set()
    await keeps(world, 7)
    assert await due(world) == set()
    world.clock.forward(hours=11, minutes=59)
    assert await due(world) == set()
    world.clock.forward(minutes=1)
    assert await due(world) == {case["id"]}
    # the day is the clinic's: it comes sooner in Kiritimati, later in Pago Pago
    ok(await world.admin.patch("/v1/clinic", {"time_zone": "Pacific/Pago_Pago"}))
    assert await due(world) == set()
    world.clock.forward(hours=-13)
    ok(await world.admin.patch("/v1/clinic", {"time_zone": "Pacific/Kiritimati"}))
    assert await due(world) == {case["id"]}


async def test_what_is_not_over_is_kept(world: World) -> None:
    await keeps(world, 1)
    await ended(world, status="active")
    await ended(world, on=world.day(-300))
    await world.clinician.case(started_on=LONG_AGO)
    assert await due(world) == set()
    # one that was paused, and then never went on
    paused = await ended(world, status="paused")
    assert await due(world) == {paused["id"]}
    # another clinic keeps its texts for ever, or for a time of its own
    there = await world.there["clinician"].case(status="ended", ended_on=LONG_AGO)
    async with owning(world) as database:
        everywhere = {str(each.case_id) for each in await cases_due(database)}
    assert paused["id"] in everywhere
    assert there["id"] not in everywhere


async def test_a_voided_case_is_due_that_long_after_it_was_voided(world: World) -> None:
    await keeps(world, 1)
    case = await world.clinician.case()
    await world.clinician.delete(f"/v1/cases/{case['id']}")
    world.clock.forward(days=365)
    assert await due(world) == set()
    world.clock.forward(days=1)
    assert await due(world) == {case["id"]}
    assert await purged(world) == 1


async def held(world: World, case: dict[str, Any]) -> str:
    """Place a hold on a case."""
    body = {"case_id": case["id"], "reason": f"{CANARY} a lawsuit"}
    hold = made(await world.here["privacy_officer"].post("/v1/legal-holds", body))
    return f"/v1/legal-holds/{hold['id']}"


async def test_a_hold_keeps_a_case_until_the_last_is_released(world: World) -> None:
    await keeps(world, 1)
    case = await ended(world)
    holds = [await held(world, case) for _ in range(2)]
    for hold in holds:
        assert await due(world) == set()
        ok(await world.here["privacy_officer"].post(f"{hold}/release"))
    assert await due(world) == {case["id"]}


async def test_a_flag_that_waits_keeps_a_case(world: World) -> None:
    await keeps(world, 1)
    case = await ended(world)
    by_hand = {"severity": "low", "title": "look", "because": "of this"}
    flag = made(await world.supervisor.post(f"/v1/cases/{case['id']}/flags", by_hand))
    assert await due(world) == set()
    ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/acknowledge"))
    assert await due(world) == set()
    ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", NOTE))
    assert await due(world) == {case["id"]}


async def test_a_hold_that_was_placed_meanwhile_counts(world: World) -> None:
    await keeps(world, 1)
    case, other = await ended(world), await ended(world)
    found = await listed(world)
    assert len(found) == 2
    await held(world, case)
    assert await purged(world, found) == 1
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}"))["purged_at"] is None
    assert ok(await world.clinician.get(f"/v1/cases/{other['id']}"))["purged_at"] is not None


async def test_without_a_look_at_holds_and_flags_it_would_be_destroyed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keeps(world, 1)
    await held(world, await ended(world))
    monkeypatch.setattr(retention, "_may_go", lambda: ())
    assert await purged(world) == 1


async def test_retention_is_whole_years_or_for_ever(world: World) -> None:
    for wrong in (0, 101, -1, 1.5, "7", True):
        body = {"retention_years": wrong}
        assert (await world.admin.patch("/v1/clinic", body)).status_code == 422, wrong
    for right in (1, 100, None):
        await keeps(world, right)
        assert ok(await world.clinician.get("/v1/clinic"))["retention_years"] == right


# ---------------------------------------------------------------------- what is left afterwards


async def filled(world: World) -> tuple[dict[str, Any], dict[str, str]]:
    """Write a case that ended, with a canary in every text there can be; give its records' ids."""
    clinician, supervisor = world.clinician, world.supervisor
    case = await ended(world, client_ref=CANARY)
    path = f"/v1/cases/{case['id']}"
    role = {"role": "friend", "interaction": "incidental", "precautions": CANARY}
    incident = await clinician.incident(case, "second_role", initiator="client", **role)
    pledge = await clinician.promise(case)
    asked = {"kind": "ethics", "urgency": "routine", "question": CANARY, "released": True}
    consultation = made(await clinician.post(f"{path}/consultations", asked))
    ok(await clinician.post(f"/v1/consultations/{consultation['id']}/request"))
    declining = world.here["consultant"]
    other = made(await clinician.post(f"{path}/consultations", asked))
    ok(await clinician.post(f"/v1/consultations/{other['id']}/request"))
    ok(await declining.post(f"/v1/consultations/{other['id']}/decline", {"reason": CANARY}))
    by_hand = {"severity": "low", "title": CANARY, "because": CANARY}
    flag = made(await supervisor.post(f"{path}/flags", by_hand))
    seen = {"determination": "normal_process", "resolution_note": CANARY}
    ok(await supervisor.post(f"/v1/flags/{flag['id']}/resolve", seen))
    ok(await supervisor.post(f"/v1/flags/{flag['id']}/reopen", {"reason": CANARY}))
    span = {"starts_on": world.day(), "ends_on": world.day(3)}
    cover = {"case_id": case["id"], "user_id": str(world.colleague.id), **span}
    cover_id = made(await clinician.post("/v1/covers", cover))["id"]
    emergency = {"case_id": case["id"], "reason": CANARY}
    opening = made(await world.stranger.post("/v1/break-glass", emergency))["id"]
    recusal = made(await world.admin.post(f"{path}/recusals", {"user_id": str(world.admin.id)}))
    hold = await held(world, case)
    ok(await world.here["privacy_officer"].post(f"{hold}/release"))
    await _settle(world, path)
    await note(world, case, CANARY)
    answers = [{"link_id": "anything_else", "value": CANARY}]
    answered = {**ANSWERED, "answered_on": world.day(-1), "answers": answers}
    made(await clinician.post(f"{path}/responses", answered))
    said = await _say_at_door(world, case)
    # what came in from a file for a case that is here already
    pledged = line("promise", CANARY, case["id"], promise(world, state="kept"))
    assert made(await read_in(world, [pledged]))["created"] == 1
    ok(await clinician.patch(f"/v1/incidents/{incident['id']}", {"narrative": CANARY}))
    ok(await clinician.patch(f"/v1/incidents/{incident['id']}", {"narrative": None}))
    await _settle(world, path)
    given = made(await clinician.post(f"{path}/disclosures"))
    await _fill(world, UUID(case["id"]))
    return case, {
        "case_id": case["id"],
        "incident_id": incident["id"],
        "promise_id": pledge["id"],
        "consultation_id": consultation["id"],
        "flag_id": flag["id"],
        "cover_id": cover_id,
        "opening_id": opening,
        "recusal_id": recusal["id"],
        "hold_id": hold.rpartition("/")[2],
        "disclosure_id": given["id"],
        **said,
        "version_id": "1",
    }


async def _say_at_door(world: World, case: dict[str, Any]) -> dict[str, str]:
    """Say something at the door of a case, have it answered and closed; give the ids."""
    await open_door(world)
    invited = await invite(world.clinician, case)
    sent = await (await enter(world, code=invited["code"])).says(happened=CANARY, reach=CANARY)
    client = await enter(world, receipt=sent["receipt"])
    made(await client.send("POST", "/accounts/1/words", {"words": CANARY}))
    (line,) = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    for move, body in (
        ("told", {"reason": CANARY}),
        ("reply", {"reply": CANARY}),
        ("close", {"determination": "normal_process", "note": CANARY}),
    ):
        answer = await world.supervisor.post(f"/v1/accounts/{line['id']}/{move}", body)
        assert answer.is_success, answer.text
    return {"client_account_id": line["id"], "invitation_id": invited["id"]}


async def _settle(world: World, path: str) -> None:
    """Resolve every flag of a case, prompts too."""
    for person in (world.supervisor, world.clinician):
        for flag in ok(await person.get(f"{path}/flags", limit=100))["items"]:
            if flag["status"] == "open":
                body = {"determination": "normal_process", "resolution_note": CANARY}
                ok(await person.post(f"/v1/flags/{flag['id']}/resolve", body))


UNCHANGING = {"notes", "record_versions", "disclosed_documents", "responses"}
"""Where a row stays as it was written: a signed note, what stood in a record, a copy as given,
what was answered."""


async def _fill(world: World, case_id: UUID) -> None:
    """Put the canary into every sealed column of a case's rows."""
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id)
        for model in WITH_TEXTS:
            of_case = col(Case.id) if model is Case else model.case_id
            rows = list(await tx.exec(select(model).where(of_case == case_id)))
            assert rows, f"no row of {model.__tablename__}"
            for row in rows:
                if model.__tablename__ not in UNCHANGING:
                    texts = {name: f"{CANARY} {name}" for name in sealed_columns(model)}
                    row.change(texts, tx.now)


TELL_NOTHING = {
    "/v1/vocabulary",
    "/v1/rules",
    "/v1/rules/thresholds",
    "/v1/rules/modes",
    "/v1/rules/monitored",
    "/v1/summary",
    "/healthz",
    "/readyz",
}


async def showing(world: World, ids: dict[str, str], *, at_once: bool = False) -> set[str]:
    """Read everything as everybody; give the paths whose answer shows the canary.

    `at_once`: as soon as one person is shown it, the others are not asked.
    """
    people = [world.clinician, *world.here.values(), await software(world, *Scope)]
    found = set()
    for method, template, _ in described():
        names = {part[1:-1] for part in template.split("/") if part.startswith("{")}
        if method != "GET" or not names <= ids.keys() or template in TELL_NOTHING:
            continue
        for person in people:
            answer = await person.get(template.format(**ids))
            assert answer.status_code < 500, (template, person.role)
            if CANARY in answer.text:
                found.add(template)
                if at_once:
                    break
    return found


Raw = tuple[Place, str]


async def stored(world: World, case_id: UUID) -> list[Raw]:
    """Give every sealed text of a case as the database keeps it, with its place."""
    kept = []
    async with world.owner.transaction() as tx:
        connection = await tx.connection()
        for model in WITH_TEXTS:
            table = SQLModel.metadata.tables[model.__tablename__]
            of_case = table.c.id if model is Case else table.c.case_id
            for column in table.c:
                if isinstance(column.type, SealedText):
                    text = sa.type_coerce(column, sa.Text)
                    asked = sa.select(table.c.clinic_id, table.c.id, text).where(of_case == case_id)
                    for clinic_id, row_id, value in await connection.execute(asked):
                        if value is not None:
                            kept.append((Place(clinic_id, table.name, column.name, row_id), value))
    return kept


async def keys_here(world: World) -> list[AESGCM]:
    """Give every key of the clinic here."""
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id)
        keys = await tx.clinic_keys()
        rows = await tx.exec(select(ClinicKey).where(ClinicKey.clinic_id == keys.clinic_id))
        assert len(rows.all()) == 3
    return [*keys.texts.values(), AESGCM(keys.lookup), AESGCM(keys.seal)]


def opened(texts: list[Raw], keys: list[AESGCM]) -> list[str]:
    """Open what opens."""
    found = []
    for place, value in texts:
        for key in keys:
            try:
                found.append(str(Sealed(value).open(place, key)))
            except WrongKeyError:
                continue
    return found


async def hashes_of(world: World, case_id: UUID) -> set[tuple[str | None, str]]:
    """Give the hashes by which a case or what was imported for it could be recognised."""
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id)
        asked = sa.select(col(Case.client_ref_hash), col(ImportedRecord.body_hash)).where(
            col(ImportedRecord.case_id) == Case.id, col(Case.id) == case_id
        )
        return {tuple(row) for row in await tx.exec(asked)}


async def key_of(world: World, case_id: UUID) -> AESGCM | None:
    """Give the key of a case, where it still has one."""
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id)
        keys = await tx.clinic_keys()
        wrapped = (await tx.exec(select(col(Case.text_key)).where(Case.id == case_id))).one()
    return AESGCM(keys.unwrap_case_key(case_id, wrapped)) if wrapped else None


async def test_a_purge_closes_the_door_of_its_case_and_no_other(world: World) -> None:
    await open_door(world)
    cases = [await ended(world), await world.clinician.case()]
    secrets = []
    for case in cases:
        code = (await invite(world.clinician, case))["code"]
        visit = await enter(world, code=code)
        receipt = (await visit.says())["receipt"]
        secrets.append((visit, {"code": code}, {"receipt": receipt}))
    await keeps(world, 1)
    assert await purged(world) == 1
    (visit, *theirs), (other, *others) = secrets
    assert (await visit.send("GET", "/who-reads")).status_code == 401
    ok(await other.send("GET", "/who-reads"))
    never = await knock(world, code="0000-0000-0000-0000")
    for secret in theirs:
        refused = await knock(world, **secret)
        assert refused.status_code == 401
        assert {**refused.json(), "request_id": 0} == {**never.json(), "request_id": 0}
    for secret in others:
        made(await knock(world, **secret))
    case_id = UUID(cases[0]["id"])
    async with world.owner.transaction() as tx:
        for model, left in ((DoorSession, 0), (Invitation, 1), (Box, 1)):
            here = sa.select(sa.func.count()).select_from(model)
            rows = await tx.exec(here.where(col(model.case_id) == case_id))
            assert rows.one()[0] == left, model
        hashes = sa.select(col(Box.receipt_hash)).where(col(Box.case_id) == case_id)
        assert [row[0] for row in await tx.exec(hashes)] == [None]


async def test_no_word_of_a_purged_case_is_read_again_by_anybody(world: World) -> None:
    case, ids = await filled(world)
    case_id = UUID(case["id"])
    before = await showing(world, ids, at_once=True)
    assert {
        "/v1/cases",
        "/v1/cases/{case_id}/export",
        "/v1/incidents/{incident_id}",
        "/v1/promises/{promise_id}",
        "/v1/consultations",
        "/v1/incidents/{incident_id}/versions",
        "/fhir/Observation/{incident_id}/_history",
        "/v1/cases/{case_id}/disclosures/{disclosure_id}/document",
        "/v1/flags/{flag_id}",
        "/v1/flags/{flag_id}/resolutions",
        "/v1/covers/{cover_id}",
        "/v1/break-glass/{opening_id}",
        "/v1/legal-holds/{hold_id}",
    } <= before
    former = await key_of(world, case_id)
    assert former is not None
    await keeps(world, 1)
    assert await purged(world) == 1
    assert await showing(world, ids) == set()
    texts = await stored(world, case_id)
    places = {(place.table, place.column) for place, _ in texts}
    every = {(model.__tablename__, name) for model in WITH_TEXTS for name in sealed_columns(model)}
    assert places == every - {("notes", "content_salt")}
    assert opened(texts, await keys_here(world)) == []
    assert await key_of(world, case_id) is None
    assert await hashes_of(world, case_id) == {(None, "")}
    # it was the key that kept them: with it, all would open
    assert len(opened(texts, [former])) == len(texts)


async def test_what_is_left_says_that_it_is_gone(world: World) -> None:
    case, ids = await filled(world)
    await keeps(world, 1)
    assert await purged(world) == 1
    path = f"/v1/cases/{case['id']}"
    shown = ok(await world.clinician.get(path))
    assert shown["client_ref"] is None
    assert shown["purged_at"] == "2026-03-02T12:00:00Z"
    assert (shown["ended_on"], shown["version"]) == (LONG_AGO, case["version"] + 2)
    incident = ok(await world.clinician.get(f"/v1/incidents/{ids['incident_id']}"))
    assert (incident["narrative"], incident["details"]["precautions"]) == (None, None)
    assert incident["details"]["role"] == "friend"
    flag = ok(await world.supervisor.get(f"/v1/flags/{ids['flag_id']}"))
    assert flag["title"] == flag["because"] == DESTROYED
    brief = ok(await world.here["consultant"].get(f"/v1/consultations/{ids['consultation_id']}"))
    assert (brief["question"], brief["summary"], brief["kind"]) == (None, None, "ethics")
    copy = ok(await world.clinician.get(f"{path}/export"))
    assert copy["case"]["purged_at"] == shown["purged_at"]
    assert [each["body"] for each in copy["notes"]] == [None]
    page = await world.clinician.get(f"{path}/export", format="html")
    assert page.status_code == 200
    assert ok(await world.clinician.get("/v1/cases", client_ref=CANARY))["items"] == []
    assert ok(await world.supervisor.get("/v1/flagged-cases"))["items"] == []
    assert await due(world) == set()
    # its reference is free again
    made(await world.clinician.post("/v1/cases", {"client_ref": CANARY}))


async def test_it_is_journalled_as_what_time_brought_about(world: World) -> None:
    case = await ended(world)
    await keeps(world, 1)
    assert await purged(world) == 1
    async with world.owner.transaction() as tx:
        told = select(JournalEntry).where(
            JournalEntry.clinic_id == world.admin.clinic_id,
            JournalEntry.happening == "case.purged",
        )
        (entry,) = (await tx.exec(told)).all()
    assert (entry.actor_id, str(entry.case_id), entry.record_ids) == (
        None,
        case["id"],
        [case["id"]],
    )
    timeline = ok(await world.clinician.get(f"/v1/cases/{case['id']}/timeline"))["items"]
    assert timeline[0]["happening"] == "case.purged"


async def test_nothing_more_is_written_to_it(world: World) -> None:
    case, ids = await filled(world)
    await keeps(world, 1)
    assert await purged(world) == 1
    clinician, supervisor = world.clinician, world.supervisor
    path = f"/v1/cases/{case['id']}"
    who = {"case_id": case["id"], "user_id": str(world.colleague.id)}
    span = {"starts_on": world.day(), "ends_on": world.day(3)}
    pledge = await clinician.promise(await clinician.case())
    question = {"kind": "ethics", "urgency": "routine", "question": "what now?"}
    fields = ("wording", "made_by", "source", "kind", "scope", "significance", "made_on")
    words = {name: pledge[name] for name in (*fields, "reported_by")}
    officer = world.here["privacy_officer"]
    world.clock.forward(hours=1)
    attempts = [
        await clinician.patch(path, {"phase": "ending"}),
        await clinician.delete(path),
        await clinician.post(f"{path}/promises", words),
        await clinician.patch(f"/v1/promises/{ids['promise_id']}", {"state": "kept"}),
        await clinician.post(f"{path}/consultations", question),
        await supervisor.post(f"/v1/consultations/{ids['consultation_id']}/accept"),
        await supervisor.post(
            f"/v1/incidents/{ids['incident_id']}/review",
            {
                "determination": "normal_process",
                "review_note": "seen",
            },
        ),
        await supervisor.post(f"/v1/flags/{ids['flag_id']}/reopen", {"reason": "look again"}),
        await supervisor.post(
            f"{path}/flags",
            {
                "severity": "low",
                "title": "look",
                "because": "of this",
            },
        ),
        await clinician.post("/v1/covers", {**who, **span}),
        await world.stranger.post("/v1/break-glass", {"case_id": case["id"], "reason": "now"}),
        await world.admin.post(f"{path}/recusals", {"user_id": str(world.colleague.id)}),
        await officer.post("/v1/legal-holds", {"case_id": case["id"], "reason": "a lawsuit"}),
        await officer.post(f"/v1/break-glass/{ids['opening_id']}/review", {"review_note": "seen"}),
    ]
    assert [answer.status_code for answer in attempts] == [409] * len(attempts)
    told = [answer.json()["detail"] for answer in attempts]
    assert all("was destroyed" in detail for detail in told), told


async def test_no_rule_wakes_it_up_again(world: World) -> None:
    case, _ = await filled(world)
    await keeps(world, 1)
    assert await purged(world) == 1
    ok(await world.admin.send("PUT", "/v1/rules/thresholds", json={"touch_times": 4}))
    ok(await world.admin.patch("/v1/clinic", {"time_zone": "Pacific/Kiritimati"}))
    async with world.owner.transaction() as tx:
        asked = select(col(Case.recheck_at)).where(Case.id == UUID(case["id"]))
        assert (await tx.exec(asked)).all() == [None]
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}"))["flags"]["open"] == 0


async def test_no_former_version_of_its_rows_is_left_in_the_file(sqlite_urls: Urls) -> None:
    async with open_world(sqlite_urls, NOON) as world:
        case, _ = await filled(world)
        async with world.owner.transaction() as tx:
            asked = select(col(Case.text_key)).where(Case.id == UUID(case["id"]))
            wrapped = (await tx.exec(asked)).one()
        await keeps(world, 1)
        marks = (wrapped.encode(), CANARY.encode())
        assert _on_disk(sqlite_urls, marks) == [True, True]
        assert await purged(world) == 1
        assert _on_disk(sqlite_urls, marks) == [False, False]


def _on_disk(urls: Urls, marks: tuple[bytes, ...]) -> list[bool]:
    """Tell which marks are found in the files of a database."""
    path = Path(urls.owner.partition("///")[2])
    held = b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
    return [mark in held for mark in marks]


# ------------------------------------------------------------------------------ the command line


async def test_the_command_lists_and_destroys_only_when_told(world: World, urls: Urls) -> None:
    case = await ended(world, client_ref=CANARY)
    await keeps(world, 1)
    settings = {
        "BN_DATABASE_URL": urls.runtime,
        "BN_MIGRATE_DATABASE_URL": urls.owner,
        "BN_SECRET_KEY": SETTINGS_SECRET.get_secret_value(),
        "BN_DATA_KEY": DATA_KEY.get_secret_value(),
    }
    command = ["purge", "--clinic", str(world.admin.clinic_id)]

    async def told(*more: str) -> tuple[str, Any]:
        done = await asyncio.to_thread(CliRunner().invoke, app, [*command, *more], env=settings)
        assert (done.exit_code, done.stderr) == (0, "")
        assert CANARY not in done.output
        shown = ok(await world.clinician.get(f"/v1/cases/{case['id']}"))
        return done.output, shown["purged_at"]

    written, at = await told()
    assert at is None
    for words in (case["id"], LONG_AGO, "Fictional", "Nothing was destroyed"):
        assert words in written
    written, at = await told("--yes")
    assert at is not None
    assert "texts were destroyed: 1." in written
    written, _ = await told("--yes")
    assert "texts were destroyed: 0." in written


def test_without_a_data_key_it_says_so() -> None:
    settings = {"BN_SECRET_KEY": SETTINGS_SECRET.get_secret_value(), "BN_DATA_KEY": None}
    refused = CliRunner().invoke(app, ["purge"], env=settings)
    assert refused.exit_code == 2
    assert "BN_DATA_KEY" in refused.stderr
