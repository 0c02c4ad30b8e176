"""Databases at any revision of the tables."""

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlmodel import SQLModel

from api.storage import migrations
from tests.support.postgres import create_database, make_runtime_role
from tests.support.world import DATA_KEY, Urls


@pytest.fixture
async def empty_url(urls: Urls, tmp_path: Path) -> str:
    """An empty database of its own."""
    if urls.owner.startswith("sqlite"):
        return f"sqlite+aiosqlite:///{tmp_path / 'migrated.db'}"
    return await create_database(urls.owner)


async def both_urls(url: str) -> Urls:
    """Give how the role that serves reaches a database, and how its owner does."""
    return Urls(url if url.startswith("sqlite") else await make_runtime_role(url), url)


class Migrated:
    """A database that migrations are run on, one way and the other."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def to(self, revision: str) -> None:
        """Go to a revision, forward or back."""
        go = command.upgrade if revision == "head" else command.downgrade
        await self._run(lambda config: go(config, revision))

    async def check(self) -> None:
        """Compare the tables with the models; raises when they differ."""
        await self._run(command.check)

    async def tables(self) -> set[str]:
        """Name the tables that are there."""
        engine = create_async_engine(self.url)
        async with engine.connect() as connection:
            names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        await engine.dispose()
        return set(names) - {"alembic_version"}

    async def rows(self) -> dict[str, int]:
        """Count the rows of each table."""
        engine = create_async_engine(self.url)
        async with engine.connect() as connection:
            counts = {table: await _count(connection, table) for table in SQLModel.metadata.tables}
        await engine.dispose()
        return counts

    async def _run(self, do: Any) -> None:
        engine = create_async_engine(self.url)
        try:
            async with engine.connect() as connection:
                await connection.run_sync(_with_connection, do)
                await connection.commit()
        finally:
            await engine.dispose()


def _with_connection(connection: Connection, do: Any) -> None:
    config = migrations.config()
    config.attributes["connection"] = connection
    config.attributes["data_keys"] = DATA_KEY.get_secret_value()
    do(config)


async def _count(connection: AsyncConnection, table: str) -> int:
    found = await connection.execute(text(f"SELECT count(*) FROM {table}"))
    return int(found.scalar_one())
