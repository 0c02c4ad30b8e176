"""Connections that are lent bare: to one at a time, and never one that is gone."""

import asyncio
from collections.abc import AsyncIterator
from time import time
from typing import Any, cast

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.runtime import metrics
from api.storage.autocommit import Autocommit
from api.storage.database import Database
from api.storage.lending_pool import LendingPool
from tests.support.world import SETTINGS, Urls


@pytest.fixture
async def database(postgresql_urls: Urls) -> AsyncIterator[Database]:
    """A database of two connections."""
    opened = Database(postgresql_urls.runtime, keys=SETTINGS.data_keys, pool_size=2)
    yield opened
    await opened.dispose()


def pool_of(database: Database) -> LendingPool:
    return cast("LendingPool", database.engine.pool)


def in_use() -> float:
    (sample,) = next(iter(metrics.connections_in_use.collect())).samples
    return sample.value


async def process_of(by: Autocommit) -> int:
    """Ask which process of PostgreSQL answers."""
    return int((await by.fetch("SELECT pg_backend_pid()", []))[0][0])


async def test_each_is_lent_to_one_and_all_are_counted(database: Database) -> None:
    one, other, third = (Autocommit(database.engine) for _ in range(3))
    assert await process_of(one) != await process_of(other)
    assert (pool_of(database).checkedout(), in_use()) == (2, 2)
    waiting = asyncio.create_task(process_of(third))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    process = await process_of(one)
    one.give_back()
    assert await waiting == process
    for each in (other, third):
        each.give_back()
    assert (pool_of(database).checkedout(), in_use()) == (0, 0)


async def test_who_waits_too_long_is_told_so(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_of(database), "_timeout", 0.05)
    held = [Autocommit(database.engine) for _ in range(2)]
    for each in held:
        await process_of(each)
    with pytest.raises(PoolTimeout):
        await process_of(Autocommit(database.engine))
    monkeypatch.setattr(pool_of(database), "_timeout", 5)
    # whoever asks in the library's own way waits for the same two
    waiting = asyncio.create_task(_in_the_usual_way(database))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    for each in held:
        each.give_back()
    await waiting
    assert pool_of(database).checkedout() == 0


async def _in_the_usual_way(database: Database) -> None:
    async with database.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


async def test_one_that_was_discarded_or_has_gone_out_of_date_is_opened_anew(
    database: Database,
) -> None:
    asks = Autocommit(database.engine)
    first = await process_of(asks)
    asks._discard()
    assert pool_of(database).checkedout() == 0
    second = await process_of(asks)
    assert second != first
    asks.give_back()
    # as the library does with all that were opened before one was found lost
    pool: Any = pool_of(database)
    pool._invalidate_time = time()
    third = await process_of(asks)
    assert third not in {first, second}
    asks.give_back()


async def test_where_connecting_fails_its_place_is_free_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_record: object) -> None:
        raise ConnectionRefusedError

    both = [Autocommit(database.engine) for _ in range(2)]
    for each in both:
        await process_of(each)
    for each in both:
        # from here on their places hold none
        each._discard()
    with monkeypatch.context() as patch:
        patch.setattr(pool_of(database), "_invoke_creator", refused)
        for _ in range(3):
            asks = Autocommit(database.engine)
            with pytest.raises(DBAPIError):
                await process_of(asks)
    assert pool_of(database).checkedout() == 0
    asks = Autocommit(database.engine)
    assert await process_of(asks)
    asks.give_back()
