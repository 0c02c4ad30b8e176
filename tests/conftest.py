"""The worlds that tests live in: both databases, and always two clinics."""

import gc
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import WorkStealingScheduling

import tests.support.measuring  # noqa: F401 - before what it measures  # isort: skip
from api.storage.migrations import migrate
from tests.support.matrix import count_cells, count_rows
from tests.support.postgres import Server, postgres, runtime_url, server_of_our_own
from tests.support.world import NOON, Urls, World, open_world

pytest_plugins = [
    f"tests.support.{room}"
    for room in (
        "demo",
        "desks",
        "fhir",
        "measuring",
        "migrated",
        "processes",
        "signing_in",
        "stage",
    )
]
"""Rooms of fixtures that several tests share."""

DATABASES = ("sqlite", "postgresql")

# a busy machine is no failure, and what is drawn may be whole cases
settings.register_profile(
    "push",
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("long", settings.get_profile("push"), max_examples=2_000)
settings.load_profile("push")

FIGURE = "figure"
"""Under this name a report carries what its test has measured."""


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


@pytest.fixture(scope="session")
def own_server() -> Iterator[Server]:
    """A durable PostgreSQL that a test may restart, with the newest tables; few tests share it."""
    with server_of_our_own(durable=True) as server:
        migrate(server.url)
        yield server


@pytest.fixture
def own_urls(own_server: Server) -> Urls:
    """The addresses of that server's first database."""
    return Urls(runtime_url(own_server.url), own_server.url)


@pytest.fixture
def new_urls(tmp_path: Path) -> Urls:
    """The address of a new SQLite file with the newest tables."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'clinic.db'}"
    migrate(url)
    return Urls(url, url)


@pytest.fixture
def urls(request: pytest.FixtureRequest) -> Urls:
    """The database of one test."""
    found: Urls = request.getfixturevalue(f"{request.param}_urls")
    return found


@pytest.fixture(scope="module")
def module_urls(request: pytest.FixtureRequest) -> Urls:
    """The database of a world that several tests of a module share."""
    found: Urls = request.getfixturevalue(f"{request.param}_urls")
    return found


@pytest.fixture
async def world(urls: Urls) -> AsyncIterator[World]:
    """Two clinics with somebody in each role, and a clock that the test moves."""
    async with open_world(urls, NOON) as opened:
        yield opened


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keep a sentence with a figure, which is printed at the end of the run."""

    def keep(sentence: str) -> None:
        # properties travel with the report, from the workers of xdist too
        request.node.user_properties.append((FIGURE, sentence))

    return keep


def pytest_configure(config: pytest.Config) -> None:
    """Let whoever runs tests lose no time with what tells nothing.

    On one processor: a test and the thread or server it asks take turns, and each turn takes half
    as long again when it is woken on another. With workers, the one who hands out the work runs
    none. And what is imported stays, and need not be looked through for what can go.
    """
    gc.set_threshold(10_000, 10, 10)
    hands_out = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if hasattr(os, "sched_setaffinity") and not hands_out:
        free = sorted(os.sched_getaffinity(0))
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
        os.sched_setaffinity(0, {free[int(worker) % len(free)]})


def pytest_collection_finish() -> None:
    """Look through nothing again of what all tests are made of."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let somebody ask for all of it."""
    parser.addoption("--both", action="store_true", help="run every test on both databases")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> WorkStealingScheduling:
    """Give each worker whole modules, whose worlds it need not share, until one has none left."""
    return WorkStealingScheduling(config, log)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test its database, or both."""
    for name in ("urls", "module_urls"):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, databases_of(metafunc), indirect=True)


def databases_of(metafunc: pytest.Metafunc) -> Sequence[str]:
    """Tell on which databases a test runs.

    On both where SQL, locks or limits of the database are the point: there it is marked. Any other
    runs on one, which hangs on its name alone, so that half of them are on each.
    """
    test = metafunc.definition
    if metafunc.config.getoption("both") or test.get_closest_marker("both_databases"):
        return DATABASES
    return [DATABASES[crc32(test.originalname.encode()) % len(DATABASES)]]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much the matrix asks, and what the tests measured."""
    terminalreporter.write_line(
        f"the matrix of who may do what: {count_rows()} operations, {count_cells()} cells, "
        "and as many mutants as operations"
    )
    # properties travel with the reports, also from workers of xdist
    for report in (each for of in terminalreporter.stats.values() for each in of):
        if getattr(report, "when", None) == "call":
            for name, sentence in report.user_properties:
                if name == FIGURE:
                    terminalreporter.write_line(str(sentence))
