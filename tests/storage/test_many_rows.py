"""Rows that are written at once: behind both walls, each sealed at its own place, and whole."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

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
