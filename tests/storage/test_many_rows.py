"""Rows that are written at once: behind both walls, each sealed at its own place, and whole."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel, col
from uuid_utils.compat import uuid7

from api.storage.many_rows import given_at_once
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.columns import new_row
from api.storage.models.flags import Flag
from api.storage.models.integration import ImportedRecord, WebhookDelivery, WebhookEvent
from api.storage.transaction import Transaction
from tests.support.imports import rows
from tests.support.new_rows import WORDS, told
from tests.support.world import NOON, Urls, World, open_world

pytestmark = pytest.mark.both_databases


@pytest.fixture
async def on_postgresql(postgresql_urls: Urls) -> AsyncIterator[World]:
    """A world where there is a second wall, and texts have bounds."""
    async with open_world(postgresql_urls, NOON) as world:
        yield world


POSTGRESQL: Any = asyncpg.dialect()  # type: ignore[no-untyped-call]
ENTRIES = SQLModel.metadata.tables["journal_entries"]
UTC = ZoneInfo("UTC")


async def write(world: World, number: int = 5, **other: Any) -> list[Incident]:
    """Write some incidents of one case at once."""
    case = await world.clinician.case()
    async with world.database.transaction() as tx:
        await tx.enter(world.clinician.clinic_id, UTC)
        clinic_id = other.pop("clinic_id", world.clinician.clinic_id)
        made = [told(tx, UUID(case["id"]), clinic_id, **other) for _ in range(number)]
        await tx.write_rows(made)
    return made


async def test_equal_words_are_sealed_each_at_its_own_place(world: World) -> None:
    made = await write(world)
    kept = await rows(world, Incident, world.clinician)
    assert {row.id: row.narrative for row in kept} == {row.id: WORDS for row in made}
    asked = sa.select(sa.type_coerce(col(Incident.narrative), sa.Text)).where(
        col(Incident.clinic_id) == world.clinician.clinic_id
    )
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id, UTC)
        stored = set((await (await tx.connection()).execute(asked)).scalars())
    assert len(stored) == len(made)
    assert not any(WORDS in each for each in stored)


async def test_what_is_written_at_once_is_read_as_it_was(world: World) -> None:
    made = await write(world, details={"kind": "hurtful_words", "repeated": False}, restricted=True)
    kept = {row.id: row for row in await rows(world, Incident, world.clinician)}
    for row in made:
        assert kept[row.id].model_dump() == row.model_dump()


def entries_of(*record_ids: list[str]) -> list[dict[str, Any]]:
    """Make entries of one clinic that differ by what they tell of, and perhaps by nothing."""
    alike: dict[str, Any] = dict.fromkeys(ENTRIES.columns.keys())
    alike |= {"clinic_id": uuid4(), "id": uuid7(), "at": NOON, "changed": []}
    return [{**alike, "record_ids": ids} for ids in record_ids]


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]))), min_size=2))
def test_lists_are_sent_as_they_are_and_what_is_the_same_is_sent_once(
    record_ids: list[list[str]],
) -> None:
    _, sent = given_at_once(ENTRIES, POSTGRESQL, entries_of(*record_ids))
    by_name = dict(zip(ENTRIES.columns.keys(), sent, strict=True))
    assert [json.loads(each) for each in by_name.pop("record_ids")] == record_ids
    assert by_name.pop("changed") == "[]"
    assert not any(isinstance(each, list) for each in by_name.values())


@pytest.mark.parametrize("number", [1, 2])
def test_rows_that_differ_by_nothing_are_as_many_as_were_given(number: int) -> None:
    entries = entries_of([]) * number
    (_, source), sent = given_at_once(ENTRIES, POSTGRESQL, entries)
    assert source == "unnest($1::UUID[]) AS t (clinic_id)"
    assert sent[0] == [entry["clinic_id"] for entry in entries]


async def test_a_row_of_another_clinic_is_refused_by_the_first_wall(world: World) -> None:
    with pytest.raises(RuntimeError, match="a row of another clinic"):
        await write(world, clinic_id=world.there["clinician"].clinic_id, narrative=None)
    assert await rows(world, Incident, world.there["clinician"]) == []


async def test_a_row_of_another_clinic_is_refused_by_the_second_wall(
    on_postgresql: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = on_postgresql
    monkeypatch.setattr(Transaction, "_refuse_elsewhere", lambda *_: None)
    there = world.there["clinician"]
    with pytest.raises(DBAPIError, match="row-level security"):
        await write(world, clinic_id=there.clinic_id, narrative=None)
    assert await rows(world, Incident, there) == []


async def test_a_text_that_is_too_long_is_refused_and_never_cut(on_postgresql: World) -> None:
    world = on_postgresql
    for number in (2, 5):
        with pytest.raises(DBAPIError, match="too long"):
            await write(world, number, kind="x" * 41)


async def test_none_of_a_batch_is_kept_where_one_row_cannot_be(world: World) -> None:
    with pytest.raises(DBAPIError):
        await write(world, about_user_id=uuid4())
    assert await rows(world, Incident, world.clinician) == []


async def test_statistics_are_renewed_as_often_as_twice_as_much_was_written(
    on_postgresql: World,
) -> None:
    world = on_postgresql
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    engine = world.database.engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", note)
    for _ in range(16):
        await write(world, 4)
    sa.event.remove(engine, "before_cursor_execute", note)
    anew = said.count("SELECT renew_statistics()")
    # whichever of several connections it was
    assert 1 <= anew < 16
    assert len([each for each in said if "FROM unnest" in each]) == 16


@pytest.mark.parametrize(
    "model",
    [Case, Incident, Promise, Consultation, Flag, ImportedRecord, WebhookEvent, WebhookDelivery],
)
def test_a_row_made_quickly_is_the_one_that_its_constructor_makes(model: Any) -> None:
    values = {name: object() for name, field in model.model_fields.items() if field.is_required()}
    one, other = new_row(model, id=uuid4(), **values), model(id=uuid4(), **values)
    other.id = one.id
    filled = {name: getattr(one, name) for name in model.model_fields}
    assert filled == {name: getattr(other, name) for name in model.model_fields}
    # what is empty at first is each row's own
    assert not any(
        value is getattr(other, name) for name, value in filled.items() if value in ([], {})
    )
    with pytest.raises(AttributeError):
        _ = new_row(model).no_such_field


def test_what_no_column_is_for_is_left_out_as_a_constructor_does() -> None:
    row = new_row(Case, id=uuid4(), something_else=1)
    assert "something_else" not in row.__dict__
    row.void_reason = None
    assert row.void_reason is None
