"""What a session keeps is written in one message, as a flush of its own would write it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.orm.exc import StaleDataError
from sqlmodel import col, select
from uuid_utils.compat import uuid7

import api.storage.tenancy
import api.storage.written_at_once
from api.domain.vocabulary import FlagStatus
from api.storage.adopted_rows import whole_row
from api.storage.models.clinical import Case, Incident, RecordVersion
from api.storage.models.flags import Flag
from api.storage.models.people import User
from api.storage.transaction import Transaction
from tests.support.imports import rows
from tests.support.new_rows import raised, told
from tests.support.world import NOON, Urls, World, incident, made, open_world

UTC = ZoneInfo("UTC")


@pytest.fixture
async def world(postgresql_urls: Urls) -> AsyncIterator[World]:
    """SQLite's sessions write as they always did."""
    async with open_world(postgresql_urls, NOON) as world:
        yield world


@asynccontextmanager
async def inside(world: World) -> AsyncIterator[Transaction]:
    async with world.database.transaction() as tx:
        await tx.enter(world.clinician.clinic_id, UTC)
        await tx.begin()
        yield tx


@contextmanager
def flushed(world: World) -> Iterator[list[str]]:
    """Keep what sessions write the usual way; what is written in one message goes by the driver."""
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE")):
            said.append(statement)

    engine = world.database.engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", note)
    yield said
    sa.event.remove(engine, "before_cursor_execute", note)


async def load(tx: Transaction, case: dict[str, Any]) -> Case:
    row: Case = (await tx.exec(select(Case).where(col(Case.id) == UUID(case["id"])))).one()
    return row


async def test_new_rows_and_changed_ones_are_written_together(world: World) -> None:
    case = await world.clinician.case()
    with flushed(world) as said:
        async with inside(world) as tx:
            row = await load(tx, case)
            for number in range(3):
                tx.add(told(tx, row.id, row.clinic_id, restricted=bool(number)))
            tx.add(raised(tx, case, world))
            row.change({"agreed_sessions": 7, "recheck_at": tx.now}, tx.now)
            kept = {each.id: each for each in tx._session.new}
            await tx.flush()
            assert not tx._is_pending
            written = {row_id: each.model_dump() for row_id, each in kept.items()}
            changed = row.model_dump()
    assert said == []
    for model, number in ((Incident, 3), (Flag, 1), (RecordVersion, 1)):
        found = await rows(world, model, world.clinician)
        assert len(found) == number
        assert all(each.model_dump() == written[each.id] for each in found if each.id in written)
    (row,) = await rows(world, Case, world.clinician)
    assert row.model_dump() == changed
    assert (row.agreed_sessions, row.version, row.recheck_at) == (7, 2, row.updated_at)


async def test_several_rows_change_in_the_same_columns_and_in_others(world: World) -> None:
    case = await world.clinician.case()
    async with inside(world) as tx:
        flags = [raised(tx, case, world, rule=f"rule {number}") for number in range(4)]
        for flag in flags:
            tx.add(flag)
        await tx.flush()
        with flushed(world) as said:
            for flag in flags[:3]:
                evidence = [{"type": "promise", "id": str(flag.id)}]
                flag.change({"because": flag.rule, "evidence": evidence}, tx.now)
            flags[3].change({"due_at": tx.now, "status": FlagStatus.acknowledged}, tx.now)
            await tx.flush()
        assert said == []
        wanted = {flag.id: flag.model_dump() for flag in flags}
    kept = await rows(world, Flag, world.clinician)
    assert {flag.id: flag.model_dump() for flag in kept} == wanted


async def test_what_was_set_back_is_written_no_more(world: World) -> None:
    case = await world.clinician.case()
    async with inside(world) as tx:
        row = await load(tx, case)
        row.recheck_at, before = tx.now, row.recheck_at
        row.recheck_at = before
        await tx.flush()
        assert not tx._is_pending
    (kept,) = await rows(world, Case, world.clinician)
    assert kept.version == 1


async def test_where_one_row_becomes_what_another_was_they_are_written_in_order(
    world: World,
) -> None:
    case = await world.clinician.case()
    async with inside(world) as tx:
        gone, waiting = (
            raised(tx, case, world, status=status)
            for status in (FlagStatus.open, FlagStatus.withdrawn)
        )
        for flag in (gone, waiting):
            tx.add(flag)
        await tx.flush()
        with flushed(world) as said:
            gone.status, waiting.status = FlagStatus.withdrawn, FlagStatus.open
            await tx.flush()
        assert any(each.startswith("UPDATE flags") for each in said)


async def test_a_row_that_is_not_there_cannot_change(world: World) -> None:
    case = await world.clinician.case()
    nowhere = raised(await _now(world), case, world)
    values = [getattr(nowhere, column.key) for column in whole_row(Flag)]

    async def change_it() -> None:
        async with inside(world) as tx:
            (flag,) = await tx.adopt(Flag, [values])
            tx.add(told(tx, UUID(case["id"]), world.clinician.clinic_id))
            flag.change({"because": "other"}, tx.now)

    with pytest.raises(StaleDataError):
        await change_it()
    assert await rows(world, Incident, world.clinician) == []


async def _now(world: World) -> Transaction:
    async with inside(world) as tx:
        return tx


async def test_a_row_of_another_clinic_is_refused_by_the_first_wall(world: World) -> None:
    case = await world.clinician.case()
    there = world.there["clinician"].clinic_id
    with pytest.raises(RuntimeError, match="a row of another clinic"):
        async with inside(world) as tx:
            tx.add(raised(tx, case, world, clinic_id=there))


async def test_a_row_of_another_clinic_is_refused_by_the_second_wall(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await world.clinician.case()
    there, here = world.there["clinician"], world.clinician.clinic_id
    await there.case()
    monkeypatch.setattr(api.storage.tenancy, "_clinic_of", lambda _row: here)
    with pytest.raises(sa.exc.DBAPIError, match="row-level security"):
        async with inside(world) as tx:
            tx.add(raised(tx, case, world, clinic_id=there.clinic_id))
    (row,) = await rows(world, Case, there)
    values = [row.model_dump()[column.key] for column in whole_row(Case)]

    async def change_theirs() -> None:
        async with inside(world) as tx:
            (row,) = await tx.adopt(Case, [values])
            row.recheck_at = tx.now

    with pytest.raises(StaleDataError):
        await change_theirs()


async def test_whoever_fails_hears_what_a_session_would_tell(world: World) -> None:
    case = await world.clinician.case()
    for name, value in (("rule", "x" * 41), ("case_id", uuid7())):
        with pytest.raises(sa.exc.DBAPIError) as failed:
            async with inside(world) as tx:
                tx.add(raised(tx, case, world, **{name: value}))
        assert "frame_drift" not in str(failed.value)
        assert isinstance(failed.value, sa.exc.IntegrityError) == (name == "case_id")
    assert await rows(world, Flag, world.clinician) == []


async def test_a_row_that_is_adopted_is_the_one_that_is_known(world: World) -> None:
    case = await world.clinician.case(client_ref="K-7")
    asked = sa.select(*whole_row(Case)).where(col(Case.id) == UUID(case["id"]))
    async with inside(world) as tx:
        found = (await tx.exec(asked)).all()
        (row,) = await tx.adopt(Case, found)
        assert row is await load(tx, case)
        # as it was loaded: opened, and not to be written
        assert row.client_ref == "K-7"
        assert not tx._is_pending
        with tx._session.no_autoflush:
            row.agreed_sessions = 7
            assert (await tx.adopt(Case, found))[0].agreed_sessions == 7
            assert (await tx.adopt(Case, found, anew=True))[0].agreed_sessions is None
        tx._session.expunge_all()
    async with inside(world) as tx:
        tx.withhold_sealed_text(unless=False)
        (row,) = await tx.adopt(Case, (await tx.exec(asked)).all())
        assert row.client_ref is None
        assert not tx._is_pending


def test_each_column_is_told_apart_by_on_which_it_rests_that_rows_are_unique() -> None:
    told_apart_by = api.storage.written_at_once._told_apart_by
    apart = {"clinic_id", "case_id", "account_id", "rule", "restricted", "status"}
    assert told_apart_by(Flag) == apart
    assert "voided_at" in told_apart_by(Case)
    assert "email" in told_apart_by(User)
    assert told_apart_by(Incident) == set()


async def test_a_database_that_does_not_take_it_is_written_to_table_by_table(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await world.clinician.case()
    at_once = api.storage.written_at_once
    written = at_once._statement

    def below_the_top(*asked: Any) -> str:
        # nor does PostgreSQL, there
        return f"SELECT * FROM ({written(*asked)}) AS asked"

    monkeypatch.setattr(at_once, "_statement", below_the_top)
    monkeypatch.setattr(at_once, "_refusing", set())
    path = f"/v1/cases/{case['id']}/incidents"
    said = incident("crossing", world, area="self_disclosure")
    assert (await world.clinician.post(path, said)).status_code == 503
    assert made(await world.clinician.post(path, said))["flags_raised"]
    assert len(await rows(world, Incident, world.clinician)) == 1
