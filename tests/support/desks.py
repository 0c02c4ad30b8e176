"""A desk on either database, and Chromium to look at it: made anew for each module that asks."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.axe import fetch_axe
from tests.support.browsing import desk_on, every_processor, launched
from tests.support.world import Urls


@pytest.fixture(scope="module")
def processors() -> Iterator[None]:
    """Every processor, for the browser and for the servers that it looks at."""
    with every_processor():
        yield


@pytest.fixture(scope="module")
def sqlite_desk(processors: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the demo's clinic on SQLite."""
    with desk_on(tmp_path_factory.mktemp("sqlite-desk")) as url:
        yield url


@pytest.fixture(scope="module")
def postgresql_desk(
    processors: None, tmp_path_factory: pytest.TempPathFactory, postgresql_urls: Urls
) -> Iterator[str]:
    """The address of the demo's clinic on PostgreSQL."""
    with desk_on(tmp_path_factory.mktemp("postgresql-desk"), postgresql_urls.owner) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest) -> str:
    """The desk on one of the databases."""
    url: str = request.getfixturevalue(f"{request.param}_desk")
    return url


@pytest.fixture(scope="module")
def chromium(sqlite_desk: str, postgresql_desk: str) -> Iterator[Browser]:
    """Chromium, after both desks: Playwright keeps a loop of its own, and they need one."""
    with launched() as started:
        yield started


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What looks whether a page keeps anybody out."""
    return fetch_axe(tmp_path_factory.mktemp("axe"))
