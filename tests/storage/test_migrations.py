"""Migrations: forward, back and forward again with data, on both databases, with no drift."""

from datetime import UTC, datetime
from typing import Any
from unicodedata import normalize
from unittest.mock import AsyncMock

import pytest
from sqlalchemy import select as sa_select
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel, select

from api.commands.worker import seal_once
from api.storage.database import Database
from api.storage.models.flags import EarlierResolution, Flag
from tests.support.cases import link
from tests.support.checkout import ROOT
from tests.support.door import enter, invite, open_door
from tests.support.imports import case_line, read_in
from tests.support.mail import owe_in_vain
from tests.support.matrix import ANSWERED, QUESTIONNAIRE
from tests.support.migrated import Migrated, both_urls
from tests.support.receivers import try_in_vain
from tests.support.world import (
    NOON,
    PASSWORD,
    SETTINGS,
    Person,
    World,
    made,
    ok,
    open_world,
    promise,
)

pytestmark = pytest.mark.both_databases

VERSIONS = ROOT / "alembic" / "versions"


async def test_the_tables_come_and_go_and_come_again_with_data(empty_url: str) -> None:
    database = Migrated(empty_url)
    await database.to("head")
    assert await database.tables() == set(SQLModel.metadata.tables)
    async with open_world(await both_urls(empty_url), NOON) as world:
        case = await world.clinician.case()
        await world.clinician.incident(case, "hurtful_words")
        made(await world.clinician.post(f"/v1/cases/{case['id']}/promises", promise(world)))
        question = {"kind": "ethics", "urgency": "urgent", "question": "What do you see?"}
        path = f"/v1/cases/{case['id']}/consultations"
        asked = made(await world.clinician.post(path, {**question, "released": True}))
        path = f"/v1/consultations/{asked['id']}"
        ok(await world.clinician.post(f"{path}/request", headers={"Idempotency-Key": "once"}))
        ok(await world.here["consultant"].post(f"{path}/decline", {"reason": "no time"}))
        words = {"note_class": "progress", "body": "as it was"}
        note = made(await world.clinician.post(f"/v1/cases/{case['id']}/notes", words))
        ok(await world.clinician.post(f"/v1/notes/{note['id']}/sign"))
        ok(await world.supervisor.post(f"/v1/notes/{note['id']}/cosign"))
        away = {"user_id": str(world.stranger.id)}
        made(await world.admin.post(f"/v1/cases/{case['id']}/recusals", away))
        diary = {"name": "Diary", "scopes": ["cases:read"]}
        made(await world.admin.post("/v1/service-accounts", diary))
        made(await world.admin.post(f"/v1/users/{world.clinician.id}/password-reset"))
        await try_in_vain(world, world.admin)
        await owe_in_vain(world, world.clinician)
        await seal_once(world.database)
        made(await world.clinician.post(f"/v1/cases/{case['id']}/disclosures"))
        by_hand = {"severity": "low", "title": "Look", "because": "It was told."}
        flag = made(await world.supervisor.post(f"/v1/cases/{case['id']}/flags", by_hand))
        seen = {"determination": "normal_process", "resolution_note": "talked over"}
        ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", seen))
        ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/reopen", {"reason": "again"}))
        silent = {"hurtful_words": "monitor"}
        ok(await world.admin.send("PUT", "/v1/rules/modes", json=silent))
        await world.clinician.incident(await world.clinician.case(), "hurtful_words")
        hold = {"case_id": case["id"], "reason": "A court asked for the record."}
        made(await world.here["privacy_officer"].post("/v1/legal-holds", hold))
        made(await world.admin.post("/v1/questionnaires", QUESTIONNAIRE))
        answers = {**ANSWERED, "answered_on": world.day(-1)}
        made(await world.clinician.post(f"/v1/cases/{case['id']}/responses", answers))
        await _say_at_door(world, case)
        made(await read_in(world, [case_line("one", world.clinician), {"type": "none"}]))
        handed = {"clinician_id": str(world.colleague.id), "reason": "leave"}
        ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", handed))
    held = await database.rows()
    assert all(held.values()), held
    await database.to("base")
    assert await database.tables() == set()
    await database.to("head")
    async with open_world(await both_urls(empty_url), NOON) as world:
        await world.clinician.case()


async def _say_at_door(world: World, case: dict[str, Any]) -> None:
    """Leave a row in each table of the clients' door."""
    await open_door(world)
    code = (await invite(world.clinician, case))["code"]
    client = await enter(world, code=code)
    sent = await client.says(not_to=[str(world.supervisor.id)], to="privacy_officers")
    by_receipt = await enter(world, receipt=sent["receipt"])
    made(await by_receipt.send("POST", "/accounts/1/words", {"words": "And this."}))
    officer = world.here["privacy_officer"]
    (line,) = ok(await officer.get("/v1/accounts"))["items"]
    ok(await officer.get(f"/v1/accounts/{line['id']}"))
    made(await officer.post(f"/v1/accounts/{line['id']}/reply", {"reply": "Thank you."}))


async def test_of_transfers_before_it_is_kept_what_the_journal_tells(empty_url: str) -> None:
    database = Migrated(empty_url)
    await database.to("head")
    async with open_world(await both_urls(empty_url), NOON) as world:
        world.here = await world.clinic("America/New_York")
        hers = await world.clinician.case()
        theirs = made(
            await world.supervisor.post(
                "/v1/cases", {"client_ref": "B-2", "clinician_id": str(world.clinician.id)}
            )
        )
        await world.clinician.case()
        # midnight has come in London, and not where the clinic is
        world.clock.now = datetime(2026, 3, 11, 3, tzinfo=UTC)
        await link(world, world.stranger, world.colleague)
        for case in (hers, theirs):
            for by, to in ((world.supervisor, world.colleague), (world.stranger, world.stranger)):
                handed = {"clinician_id": str(to.id), "reason": "leave"}
                ok(await by.post(f"/v1/cases/{case['id']}/transfer", handed))
                world.clock.forward(days=30)
    kept = await tenures(empty_url)
    await database.to("0004")
    await database.to("head")
    found = await tenures(empty_url)
    assert found == [
        # who opened it as a clinician had it; of the others it is known when, and not who
        (hers["id"], str(world.clinician.id), None, "2026-03-10"),
        (hers["id"], None, "2026-03-10", "2026-04-09"),
        (theirs["id"], None, None, "2026-05-09"),
        (theirs["id"], None, "2026-05-09", "2026-06-08"),
    ]
    assert [row[2:] for row in kept] == [row[2:] for row in found]
    assert None not in [row[1] for row in kept]


async def tenures(url: str) -> list[tuple[str | None, ...]]:
    """Give case, clinician, first day and end of each tenure, in the order of their ends."""
    engine = create_async_engine(url)
    columns = ("case_id", "clinician_id", "since_on", "until_on")
    table = SQLModel.metadata.tables["case_tenures"]
    statement = sa_select(*(table.c[name] for name in columns)).order_by(table.c.until_on)
    async with engine.connect() as connection:
        rows = (await connection.execute(statement)).all()
    await engine.dispose()
    return [tuple(None if value is None else str(value) for value in row) for row in rows]


# SQLite cannot reflect an index on an expression; on PostgreSQL the same test compares it
_unreflected = pytest.mark.filterwarnings(
    "ignore:Skipped unsupported reflection", "ignore:autogenerate skipping"
)


async def test_what_came_before_there_were_notices_is_told_as_far_as_it_can_be(
    empty_url: str,
) -> None:
    """A clinic that comes from 0004 is told of the last 90 days, from its entries and rows."""
    database = Migrated(empty_url)
    await database.to("head")
    async with open_world(await both_urls(empty_url), datetime.now(UTC)) as world:
        me, officer = world.clinician, world.here["privacy_officer"]
        case = await me.case()
        link = {"supervisor_id": str(world.stranger.id), "clinician_id": str(me.id)}
        made(await world.admin.post("/v1/supervisions", {**link, "starts_on": world.day()}))
        ahead = {**link, "clinician_id": str(world.colleague.id), "starts_on": world.day(3)}
        made(await world.admin.post("/v1/supervisions", ahead))
        emergency = {"case_id": case["id"], "reason": "Nobody could be reached."}
        elsewhere = await world.colleague.case()
        made(
            await world.stranger.post("/v1/break-glass", {**emergency, "case_id": elsewhere["id"]})
        )
        new = {"name": "New", "email": "n@x.example", "role": "supervisor", "password": PASSWORD}
        made(await world.admin.post("/v1/users", new))
        ok(await world.admin.patch(f"/v1/users/{world.colleague.id}", {"role": "supervisor"}))
        made(await world.admin.post(f"/v1/users/{me.id}/password-reset"))
        diary = {"name": "Diary", "scopes": ["narrative:read"]}
        made(await world.admin.post("/v1/service-accounts", diary))
        onward = {"clinician_id": str(world.colleague.id), "reason": "Leaves."}
        ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", onward))
        before = {each.id: await told_to(each) for each in (me, world.colleague, officer)}
    assert len(before[officer.id]) == 9
    # only the new clinician of a case is known afterwards
    before[me.id].remove(("transfer", str(world.colleague.id), case["id"]))
    before[world.colleague.id].append(next(t for t in before[me.id] if t[0] == "software"))
    before[me.id].remove(before[world.colleague.id][-1])
    await database.to("0004")
    await database.to("head")
    async with open_world(await both_urls(empty_url), datetime.now(UTC)) as world:
        for each in (me, officer):
            again = Person(world, each.clinic_id, each.id, each.role, each.email)
            assert await told_to(again) == before[each.id]
            shown = ok(await again.get("/v1/me"))["notices"]
            ids = [notice["id"] for notice in shown]
            read = await again.post("/v1/me/notices/read", {"ids": ids})
            assert read.status_code == 204
        world.clock.forward(days=3)
        # a link for a later day is told on that day all the same
        begun = set(await told_to(again)) - set(before[officer.id])
        assert {kind for kind, _, _ in begun} == {"supervision_begins"}
    await database.to("base")


async def told_to(person: Person) -> list[tuple[str, str, str]]:
    """Give what somebody is told of, in an order of its own."""
    told = ok(await person.get("/v1/me"))["notices"]
    return sorted((each["kind"], each["user_id"], each["record_id"]) for each in told)


WORDS = (
    ("promises", "wording"),
    ("incidents", "narrative"),
    ("incidents", "sealed_detail"),
    ("cases", "client_ref"),
    ("users", "totp_secret"),
)


@_unreflected
async def test_what_stands_is_sealed_and_on_the_way_back_opened(empty_url: str) -> None:
    """Each release to the next with data: the same words, first in the open, then sealed."""
    database = Migrated(empty_url)
    await database.to("head")
    async with open_world(await both_urls(empty_url), NOON) as world:
        me = world.clinician
        case = await me.case(client_ref="B-17")
        told = await me.incident(case, "ending", stage="raised", plan="a plan", narrative="told")
        pledge = await me.promise(case, wording="as it was told")
        ok(await me.post("/v1/me/totp"))
        paths = [f"/v1/cases/{case['id']}", f"/v1/incidents/{told['id']}"]
        paths.append(f"/v1/promises/{pledge['id']}")
        before = [ok(await me.get(path)) for path in paths]
    assert all(text.startswith("1.") for text in await words(empty_url))
    await database.to("0002")
    opened = await words(empty_url)
    assert {"as it was told", "told", "a plan", "B-17"} <= opened
    assert not [text for text in opened if text.startswith("1.")]
    await database.to("head")
    assert all(text.startswith("1.") for text in await words(empty_url))
    async with open_world(await both_urls(empty_url), NOON) as world:
        again = Person(world, me.clinic_id, me.id, me.role, me.email)
        assert [ok(await again.get(path)) for path in paths] == before
        assert len(ok(await again.get("/v1/cases", client_ref="B-17"))["items"]) == 1
        assert (await again.post("/v1/cases", {"client_ref": "B-17"})).status_code == 409
    await database.check()


@_unreflected
async def test_of_versions_before_they_were_kept_the_journal_tells(empty_url: str) -> None:
    """Who wrote each, when, and which fields it changed; of what stood there, nothing."""
    database = Migrated(empty_url)
    await database.to("head")
    async with open_world(await both_urls(empty_url), NOON) as world:
        me, supervisor = world.clinician, world.supervisor
        case = await me.case()
        told = await me.incident(case, "hurtful_words", narrative="first words", repeated=True)
        path = f"/v1/incidents/{told['id']}"
        world.clock.forward(hours=1)
        ok(await supervisor.patch(path, {"narrative": "other words"}))
        world.clock.forward(hours=1)
        ok(await me.patch(f"/v1/cases/{case['id']}", {"agreed_sessions": 3}))
        ok(await supervisor.patch(path, {"repair": "attempted"}))
        (flag,) = await supervisor.flag_list(case)
        seen = {"determination": "normal_process", "resolution_note": "talked over"}
        ok(await supervisor.post(f"/v1/flags/{flag['id']}/resolve", seen))
        ok(await supervisor.post(f"/v1/flags/{flag['id']}/reopen", {"reason": "again"}))
        history = ok(await me.get(f"/v1/flags/{flag['id']}/resolutions"))["items"]
    await _undo_reopening(empty_url)
    await database.to("0004")
    await database.to("head")
    async with open_world(await both_urls(empty_url), NOON) as world:
        again = Person(world, me.clinic_id, me.id, me.role, me.email)
        shown = ok(await again.get(f"{path}/versions"))["items"]
        (kept,) = ok(await again.get(f"/v1/flags/{flag['id']}/resolutions"))["items"]
        now = ok(await again.get(f"/v1/flags/{flag['id']}"))
        ok(await again.get(f"/fhir/Observation/{told['id']}/_history"))
        refused = await again.get(f"/fhir/Observation/{told['id']}/_history/1")
    assert [each["version"] for each in shown] == [3, 2, 1]
    assert [each["written_at"][11:16] for each in shown] == ["14:00", "13:00", "12:00"]
    by = [str(supervisor.id), str(supervisor.id), str(me.id)]
    assert [each["written_by_id"] for each in shown] == by
    assert [each["record"] is None for each in shown] == [False, True, True]
    assert [each["changed"] for each in shown] == [None, ["narrative"], []]
    same = ("determination", "resolution_note", "resolved_by_id", "resolved_at", "reopen_reason")
    assert [kept[name] for name in same] == [history[0][name] for name in same]
    assert (now["determination"], now["resolution_note"]) == (None, None)
    assert refused.status_code == 404


async def _undo_reopening(url: str) -> None:
    """Let a reopened flag be as the last release left it: it still says how it was resolved."""
    database = Database(url, keys=SETTINGS.data_keys, pool_size=1, walled=False)
    async with database.transaction() as tx:
        (row,) = (await tx.exec(select(EarlierResolution))).all()
        flag = (await tx.exec(select(Flag).where(Flag.id == row.flag_id))).one()
        for name in ("determination", "resolution_note", "resolved_by_id", "resolved_at"):
            setattr(flag, name, getattr(row, name))
    await database.dispose()


async def words(url: str) -> set[str]:
    """Give what the sealed columns hold."""
    engine = create_async_engine(url)
    found: set[str] = set()
    async with engine.connect() as connection:
        for table, column in WORDS:
            rows = await connection.execute(
                text(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
            )
            found |= set(rows.scalars())
    await engine.dispose()
    return found


async def test_flags_of_before_follow_what_is_hidden_now(empty_url: str) -> None:
    """What an earlier release told of a restricted incident is hidden at the next look."""
    database = Migrated(empty_url)
    await database.to("head")
    async with open_world(await both_urls(empty_url), NOON) as world:
        me = world.clinician
        case, purged = await me.case(), await me.case()
        for each in (case, purged):
            await me.incident(each, "hurtful_words")
    await database.to("0004")
    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE incidents SET restricted = true"))
        late = "UPDATE cases SET recheck_at = NULL, purged_at = updated_at WHERE id = :id"
        spelled = (
            purged["id"] if engine.dialect.name == "postgresql" else purged["id"].replace("-", "")
        )
        await connection.execute(text(late), {"id": spelled})
    await engine.dispose()
    await database.to("head")
    async with open_world(await both_urls(empty_url), datetime.now(UTC)) as world:
        again = Person(world, me.clinic_id, me.id, me.role, me.email)
        world.clock.forward(minutes=1)
        for each in (case, purged):
            assert await again.flag_list(each, live=False) == []


async def test_a_narrowed_session_ends_on_the_way_back_and_no_other(empty_url: str) -> None:
    """The program of before reads the account's scopes only: the session would be wider."""
    database = Migrated(empty_url)
    await database.to("head")
    headers = []
    async with open_world(await both_urls(empty_url), NOON) as world:
        scopes = ["cases:read", "flags:read"]
        body = {"name": "Diary", "scopes": scopes}
        account = made(await world.admin.post("/v1/service-accounts", body))
        named = {name: account[name] for name in ("client_id", "client_secret")}
        form = {"grant_type": "client_credentials", **named}
        for asked in ("", "cases:read"):
            answer = await world.http.post("/v1/auth/token", data={**form, "scope": asked})
            headers.append({"Authorization": f"Bearer {ok(answer)['access_token']}"})
    await database.to("0010")
    await database.to("head")
    async with open_world(await both_urls(empty_url), NOON) as world:
        statuses = [
            (await world.http.get("/v1/flags", headers=each)).status_code for each in headers
        ]
    assert statuses == [200, 401]


@_unreflected
async def test_texts_that_stand_in_another_form_are_found_in_either(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """References and addresses of before one text was one; of two that clash the first is kept."""
    database = Migrated(empty_url)
    await database.to("head")
    word = "Gr\u00fc\u00dfe 7"
    apart = normalize("NFD", word)
    async with open_world(await both_urls(empty_url), NOON) as world:
        me = world.clinician
        plain = await me.case(client_ref="plain")
        with monkeypatch.context() as then:
            then.setattr("api.storage.encryption.one_text", str)
            then.setattr("api.routes.cases._refuse_other_forms", AsyncMock())
            case = await me.case(client_ref=apart, started_on="2025-01-01")
            here, there = await me.case(client_ref=word), await me.case(client_ref=apart)
            elsewhere = world.there["clinician"]
            far = await elsewhere.case(client_ref=apart)
    await database.to("0009")
    engine = create_async_engine(empty_url)
    address = normalize("NFD", f"\u00e9ve-{me.id.hex}@reports.example")
    async with engine.begin() as connection:
        spelled = str(me.id) if engine.dialect.name == "postgresql" else me.id.hex
        await connection.execute(
            text("UPDATE users SET email = :email WHERE id = :id"),
            {"email": address, "id": spelled},
        )
        await connection.execute(text("UPDATE clinics SET time_zone = 'localtime'"))
    await engine.dispose()
    await database.to("head")
    async with open_world(await both_urls(empty_url), NOON) as world:
        again = Person(world, me.clinic_id, me.id, me.role, me.email)
        for asked in (word, apart):
            found = ok(await again.get("/v1/cases", client_ref=asked))["items"]
            assert {each["id"] for each in found} == {case["id"], here["id"], there["id"]}
        assert ok(await again.get(f"/v1/cases/{case['id']}"))["client_ref"] == word
        assert ok(await again.get(f"/v1/cases/{there['id']}"))["client_ref"] == apart
        shown = ok(await again.get(f"/v1/cases/{plain['id']}"))
        assert shown == {name: plain[name] for name in shown}
        shown = ok(await again.get("/v1/me"))
        assert shown["email"] == normalize("NFC", address)
        assert ok(await again.get("/v1/clinic"))["time_zone"] == "UTC"
        yonder = Person(world, elsewhere.clinic_id, elsewhere.id, elsewhere.role, elsewhere.email)
        (found,) = ok(await yonder.get("/v1/cases", client_ref=word))["items"]
        assert (found["id"], found["client_ref"]) == (far["id"], word)
    await database.check()


async def test_two_who_would_have_one_address_stop_the_migration(empty_url: str) -> None:
    """Which of them it is, nobody but the clinic can say."""
    database = Migrated(empty_url)
    await database.to("head")
    async with open_world(await both_urls(empty_url), NOON) as world:
        two = world.clinician.id, world.colleague.id
    await database.to("0009")
    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        one = "\u00e9ve@reports.example"
        for person, email in zip(two, (one, normalize("NFD", one)), strict=True):
            spelled = str(person) if engine.dialect.name == "postgresql" else person.hex
            changed = text("UPDATE users SET email = :email WHERE id = :id")
            await connection.execute(changed, {"email": email, "id": spelled})
    await engine.dispose()
    with pytest.raises(SystemExit, match="another Unicode form") as stopped:
        await database.to("head")
    assert str(two[1]) in str(stopped.value)
    assert "reports.example" not in str(stopped.value)


@_unreflected
async def test_models_and_migrations_do_not_drift(empty_url: str) -> None:
    database = Migrated(empty_url)
    await database.to("head")
    await database.check()


@_unreflected
async def test_a_drift_would_be_found(empty_url: str) -> None:
    database = Migrated(empty_url)
    await database.to("head")
    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE promises ADD COLUMN forgotten INTEGER"))
    await engine.dispose()
    with pytest.raises(Exception, match="New upgrade operations detected"):
        await database.check()


def test_migrations_import_nothing_of_ours() -> None:
    for path in VERSIONS.glob("*.py"):
        assert "import api" not in path.read_text()
        assert "from api" not in path.read_text()
