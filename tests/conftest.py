"""The worlds that tests live in: both databases, and always two clinics."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command

from api.main import migrations
from tests.matrix import TABLE, count_cells
from tests.postgres import postgres, runtime_url
from tests.world import Urls, World, open_world

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""When tests begin: a Monday."""


UNMEASURED = {
    "test_bad_input",
    "test_laws",
    "test_matrix",
    "test_refresh",
    "test_schemathesis",
    "test_throttle",
    "test_tokens",
    "test_two_walls",
}
"""Rooms of tests that ask the same thousands of times: measuring what they reach doubles their
time, and tells nothing that the other tests do not."""


def migrate(url: str) -> None:
    """Bring a database to the newest tables."""
    config = migrations()
    config.attributes["url"] = url
    command.upgrade(config, "head")


@pytest.fixture(scope="session")
def postgresql_urls() -> Iterator[Urls]:
    """A PostgreSQL server of our own, with the newest tables."""
    with postgres() as url:
        migrate(url)
        yield Urls(runtime_url(url), url)


@pytest.fixture(scope="session")
def sqlite_urls(tmp_path_factory: pytest.TempPathFactory) -> Urls:
    """An SQLite file with the newest tables."""
    path: Path = tmp_path_factory.mktemp("sqlite") / "notes.db"
    url = f"sqlite+aiosqlite:///{path}"
    migrate(url)
    return Urls(url, url)


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest) -> Urls:
    """Each test that touches a database runs on both."""
    found: Urls = request.getfixturevalue(f"{request.param}_urls")
    return found


@pytest.fixture
async def world(urls: Urls) -> AsyncIterator[World]:
    """Two clinics with somebody in each role, and a clock that the test moves."""
    async with open_world(urls, NOON) as opened:
        yield opened


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the coverage of the longest rooms unmeasured."""
    for item in items:
        if item.path.stem in UNMEASURED:
            item.add_marker(pytest.mark.no_cover)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much the matrix asks."""
    played = len(TABLE), count_cells()
    terminalreporter.write_line(
        "the matrix of who may do what: {} operations, {} cells on each database, "
        "and as many mutants as operations".format(*played)
    )
    # properties travel with the reports, also from workers of xdist
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    told = [told for each in reports if each.when == "call" for told in each.user_properties]
    tried, found, honest, alarms = (
        sum(int(str(value)) for name, value in told if name == f"journal: {what}")
        for what in ("tried", "found", "honest", "alarms")
    )
    if tried or honest:
        terminalreporter.write_line(
            f"journal: {found:,} of {tried:,} tamperings found with their place, "
            f"{alarms} of {honest} false alarms"
        )
