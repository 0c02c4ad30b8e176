"""What is measured where: the clinics that are filled, and each operation on each server."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from api.security.browser_tokens import BrowserTokens
from api.storage.keyring import Keyring
from bench.operations import (
    DESK,
    LISTS,
    QUEUE,
    READ,
    REPORT,
    App,
    Reports,
    Signer,
    Write,
    lists,
    page_of_queue,
    part_of_queue,
    queue,
    reads,
    supervised,
)
from bench.report import Key
from bench.seed import Seeded, open_connection, seed_clinic
from bench.servers import Server, settle

# so many that a run brings each case hardly more than one new incident
FOR_REPORTS = 10_000
PEERS: tuple[tuple[App, frozenset[str]], ...] = (
    ("plain", frozenset({READ, "cases", REPORT})),
    ("template", frozenset({READ, "cases"})),
    ("raw", frozenset({READ, "cases"})),
)
"""The apps to compare with, and what each of them can be asked."""


A_PART_OF_IT, A_PAGE_OF_IT = "queue, 25 shown", "the same as a page"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be measured: `sizes` begin with the smallest.

    `flagged`: how many cases are in each clinic, then in clinics of their own.
    """

    sizes: tuple[int, ...]
    flagged: tuple[int, ...]
    names: frozenset[str]
    peers: bool

    @property
    def apps(self) -> tuple[App, ...]:
        """Name the apps that can be asked any of it, beside ours."""
        return tuple(app for app, can in PEERS if self.peers and self.names & can)

    @property
    def compared_to(self) -> dict[str, str]:
        """Say with what a queue of its own is compared: the same with fewer in it."""
        fewest, *more = map(_queue, self.flagged)
        return dict.fromkeys(more, fewest) | {A_PAGE_OF_IT: A_PART_OF_IT}


@dataclass(frozen=True, slots=True)
class Clinics:
    """What one database was filled with; `queues` by how much of them is flagged."""

    whole: Seeded
    for_reports: Seeded | None
    queues: dict[int, Seeded]


@dataclass(frozen=True, slots=True)
class Task:
    """One operation on one server; `requests` writes them with fresh tokens."""

    key: Key
    server: Server
    requests: Callable[[], list[str]]


def fill(url: str, keyring: Keyring, wanted: Wanted, size: int, secret: str) -> Clinics:
    """Write the clinic of one size; beside the smallest those that other questions need."""
    return asyncio.run(_fill(url, keyring, wanted, size, BrowserTokens(secret)))


async def _fill(
    url: str, keyring: Keyring, wanted: Wanted, size: int, browsers: BrowserTokens
) -> Clinics:
    connection = await open_connection(url)
    whole = await seed_clinic(
        connection, keyring, cases=size, flagged=wanted.flagged[0], browsers=browsers
    )
    for_reports, queues = None, dict[int, Seeded]()
    if size == wanted.sizes[0]:
        if REPORT in wanted.names:
            # what is written is written elsewhere: the flags that follow must not fill the queue
            for_reports = await seed_clinic(
                connection, keyring, cases=FOR_REPORTS, flagged=0, own=FOR_REPORTS
            )
        for flagged in wanted.flagged[1:] if QUEUE in wanted.names else ():
            cases = _cases_for(flagged)
            queues[flagged] = await seed_clinic(connection, keyring, cases=cases, flagged=flagged)
    await settle(connection)
    await connection.close()
    return Clinics(whole, for_reports, queues)


def tasks_of(
    wanted: Wanted,
    clinics: Mapping[int, Clinics],
    ours: Mapping[int, Server],
    peers: Mapping[App, Server],
    signer: Signer,
) -> Iterator[Task]:
    """Give what is measured in one round: apps and clinics take turns operation by operation."""
    small = wanted.sizes[0]
    beside: dict[App, Server] = {"ours": ours[small], **peers}

    def on_each_app(name: str, title: str, write: Write) -> Iterator[Task]:
        for app, server in beside.items():
            if app == "ours" or name in dict(PEERS)[app]:
                requests = partial(write, app, signer, clinics[small].whole)
                yield Task(Key(title, small, app), server, requests)

    def in_each_clinic(title: str, write: Write, sizes: Sequence[int]) -> Iterator[Task]:
        for size in sizes:
            requests = partial(write, "ours", signer, clinics[size].whole)
            yield Task(Key(title, size, "ours"), ours[size], requests)

    if READ in wanted.names:
        yield from on_each_app(READ, "read one case", reads)
    for name, (what, path) in LISTS.items():
        if name in wanted.names:
            yield from on_each_app(name, f"list {what}", lists(path))
            yield from in_each_clinic(f"list {what}", lists(path), wanted.sizes[1:])
            yield from in_each_clinic(f"supervisor: {what}", supervised(path), wanted.sizes)
    if (more := clinics[small].for_reports) is not None:
        for app, server in beside.items():
            if app == "ours" or REPORT in dict(PEERS)[app]:
                key = Key("report an incident", FOR_REPORTS, app)
                yield Task(key, server, partial(Reports(app, more), signer))
    if QUEUE in wanted.names:
        yield from in_each_clinic(_queue(wanted.flagged[0]), queue, wanted.sizes)
    if DESK in wanted.names:
        yield from in_each_clinic(A_PART_OF_IT, part_of_queue, wanted.sizes)
        yield from in_each_clinic(A_PAGE_OF_IT, page_of_queue, wanted.sizes)
    for flagged, seeded in clinics[small].queues.items():
        key = Key(_queue(flagged), _cases_for(flagged), "ours")
        yield Task(key, ours[small], partial(queue, "ours", signer, seeded))


def _queue(flagged: int) -> str:
    return f"queue, {flagged:,} flagged"


def _cases_for(flagged: int) -> int:
    """Give how many cases a clinic has of which so many are flagged."""
    return 2 * flagged
