"""Counts what the processes of this server do: numbers under words of our own, about nobody."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own variable: where several processes of one server keep their numbers."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""A method that is none of HTTP's, and every path that is none of ours."""

ANONYMOUSLY_REFUSED = frozenset({400, 401, 403, 429})
"""A password or a refresh token that lets nobody in is a 400, as OAuth has it."""

# when a series began is one more series each, and asked for by nobody
disable_created_metrics()  # type: ignore[no-untyped-call]
_OURS = CollectorRegistry()

_requests = Counter(
    "bn_requests",
    "Requests answered.",
    ("method", "route", "status"),
    registry=_OURS,
)
_seconds = Histogram(
    "bn_request_seconds",
    "Seconds from a request's arrival to the end of its answer.",
    ("route",),
    registry=_OURS,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_refusals = Counter(
    "bn_anonymous_refusals",
    "Requests refused to somebody who was not signed in; the journal has all other refusals.",
    ("status",),
    registry=_OURS,
)
in_progress = Gauge(
    "bn_requests_in_progress",
    "Requests that are being answered.",
    registry=_OURS,
    multiprocess_mode="livesum",
)
connections = Gauge(
    "bn_database_connections",
    "Connections to the database that the server may hold.",
    registry=_OURS,
    multiprocess_mode="livesum",
)
connections_in_use = Gauge(
    "bn_database_connections_in_use",
    "Connections to the database that a transaction holds.",
    registry=_OURS,
    multiprocess_mode="livesum",
)
entries = Counter(
    "bn_journal_entries",
    "Entries written to the journal.",
    registry=_OURS,
)


class _Counted(NamedTuple):
    requests: Counter
    seconds: Histogram


_counted: dict[tuple[str, str, int], _Counted] = {}


def count_request(
    method: str, route: str | None, status: int, seconds: float, *, signed_in: bool
) -> None:
    """Count one answer. `route` is a template of ours; None: no path of ours was asked for."""
    asked = (method, route or OTHER, status)
    # found again by what it is about: the library's own way takes three times as long
    counted = _counted.get(asked) or _first(*asked)
    counted.requests.inc()
    counted.seconds.observe(seconds)
    if not signed_in and status in ANONYMOUSLY_REFUSED:
        _refusals.labels(str(status)).inc()


def word_for(method: str) -> str:
    """Give a method as it may be written down: a client may send any word for one."""
    return method if method in METHODS else OTHER


def _first(method: str, route: str, status: int) -> _Counted:
    counted = _Counted(_requests.labels(method, route, str(status)), _seconds.labels(route))
    _counted[method, route, status] = counted
    return counted


def write_all(*more: Collector) -> bytes:
    """Write the numbers of every process of this server, and more, as Prometheus reads them."""
    return b"".join(generate_latest(each) for each in (_of_all_processes(), *more))


def _of_all_processes() -> Collector:
    folder = os.environ.get(FOLDER)
    return _OURS if folder is None else _AllProcesses(Path(folder))


class _AllProcesses(Collector):
    """The numbers in a folder, where each process of a server keeps its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Add them up; what a process held that is gone is left out."""
        for process in running_in(self._folder):
            if not _is_running(process):
                # another one may be doing the same
                with suppress(FileNotFoundError):
                    mark_process_dead(process, str(self._folder))  # type: ignore[no-untyped-call]
        files = list(self._filled())
        together: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return together

    def _filled(self) -> Iterator[str]:
        for path in self._folder.glob("*.db"):
            # it may be gone by now, or only just have been made
            with suppress(FileNotFoundError):
                if path.stat().st_size:
                    yield str(path)


def running_in(folder: Path) -> set[int]:
    """Name the processes whose numbers in a folder are of things that are under way."""
    return {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*_*.db")}


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
