"""The worlds that tests live in: both databases, and always two clinics."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command

from api.main import migrations
from tests.postgres import postgres
from tests.world import World, open_world

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""When tests begin: a Monday."""


def migrate(url: str) -> None:
    """Bring a database to the newest tables."""
    config = migrations()
    config.attributes["url"] = url
    command.upgrade(config, "head")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of our own, with the newest tables."""
    with postgres() as url:
        migrate(url)
        yield url


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An SQLite file with the newest tables."""
    path: Path = tmp_path_factory.mktemp("sqlite") / "notes.db"
    url = f"sqlite+aiosqlite:///{path}"
    migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each test that touches a database runs on both."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Two clinics with somebody in each role, and a clock that the test moves."""
    async with open_world(database_url, NOON) as opened:
        yield opened
