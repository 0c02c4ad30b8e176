"""Waiting beside a busy machine: what is timed is a process's own, not its neighbours'."""

import os
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

PATIENCE = 60
"""Seconds that an answer of another process may take. Most come in milliseconds; how long they
take beside other work is nothing that a test tells."""

get = partial(httpx.get, timeout=PATIENCE)
post = partial(httpx.post, timeout=PATIENCE)


QUIET = 0.03
"""Seconds of processor that a fixed piece of work takes on a quiet machine."""


def slowness() -> float:
    """Say how many times as long the same work takes just now; 1 on a quiet machine.

    Neighbours share a processor's threads and caches, so that its own seconds grow with them too.
    """
    begun, number = time.process_time(), 0
    for step in range(300_000):
        number = (number * 31 + step) % 1_000_003
    return max(1, (time.process_time() - begun) / QUIET)


def kept_waiting(process: int | str = "self") -> float:
    """Give the seconds for which a process's first thread could have run, but others did."""
    told = Path(f"/proc/{process}/schedstat")
    return int(told.read_text().split()[1]) / 1e9 if told.exists() else 0


def worked(process: int) -> float:
    """Give the seconds of processor that a process has used so far, with all its threads."""
    # the name in parentheses may hold blanks; utime and stime are fields 14 and 15
    told = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Stopwatch:
    """How long something takes a process, without the time for which it was kept waiting."""

    process: int | str = "self"
    _began: float = field(default_factory=time.monotonic, init=False)
    _kept_waiting: float = field(init=False)

    def __post_init__(self) -> None:
        self._kept_waiting = kept_waiting(self.process)

    @property
    def waited(self) -> float:
        """The seconds that have passed on the wall."""
        return time.monotonic() - self._began

    @property
    def took(self) -> float:
        """The seconds that have passed, but for those when others ran."""
        return self.waited - (kept_waiting(self.process) - self._kept_waiting)
