"""What processes have used, where the system tells: of one, and of all that it started."""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Used:
    """Ticks of processor time of a process, and of those that it started and saw end."""

    parent: int
    own: int
    of_ended: int

    @classmethod
    def read(cls, line: str) -> "Used":
        """Read what stands in `/proc/PID/stat`."""
        # the name of the program stands in brackets and may hold anything
        fields = line.rpartition(")")[2].split()
        user, system, ended_user, ended_system = map(int, fields[11:15])
        return cls(int(fields[1]), user + system, ended_user + ended_system)


def processor_time(pid: int) -> float | None:
    """Give the seconds of processor time of a process and of all below it, ended ones too."""
    if not (PROC / str(pid) / "stat").exists():
        return None
    found = dict(_all())
    below = _below(pid, found)
    return sum(_own(each, found[each].own) + _seconds(found[each].of_ended) for each in below)


def peak_memory(pid: int) -> float | None:
    """Give the most memory that a process, or one below it, ever held, in MB."""
    if not (PROC / str(pid) / "stat").exists():
        return None
    peaks = [_peak(each) for each in _below(pid, dict(_all()))]
    return max((peak for peak in peaks if peak is not None), default=None)


def _own(pid: int, ticks: int) -> float:
    """Give the seconds of one process; finer than ticks, which are many requests long."""
    try:
        # the clock of a process, as clock_getcpuclockid(3) numbers it
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return _seconds(ticks)


def _seconds(ticks: int) -> float:
    return ticks / os.sysconf("SC_CLK_TCK")


def _all() -> Iterator[tuple[int, Used]]:
    for folder in PROC.glob("[0-9]*"):
        try:
            yield int(folder.name), Used.read((folder / "stat").read_text())
        except (FileNotFoundError, ProcessLookupError):
            # ended meanwhile
            continue


def _below(pid: int, found: dict[int, Used]) -> set[int]:
    below, more = set[int](), {pid} & found.keys()
    while more:
        below |= more
        more = {each for each, used in found.items() if used.parent in more} - below
    return below


def _peak(pid: int) -> float | None:
    try:
        said = (PROC / str(pid) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    kilobytes = re.search(r"^VmHWM:\s+(\d+) kB", said, re.MULTILINE)
    return int(kilobytes[1]) / 1024 if kilobytes else None
