"""The figures, and how they are shown."""

import os
import platform
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bench.load import Outcome


@dataclass(frozen=True, slots=True)
class Figures:
    """The medians over the rounds: requests a second; milliseconds.

    `processor` is the worker's processor time for one request, the figure that other work on the
    machine disturbs least.
    """

    per_second: float
    p50: float
    p99: float
    processor: float | None

    @classmethod
    def of(cls, outcomes: list[Outcome], processor: list[float]) -> "Figures":
        """Take the medians."""
        return cls(
            median(outcome["per_second"] for outcome in outcomes),
            median(outcome["p50"] for outcome in outcomes),
            median(outcome["p99"] for outcome in outcomes),
            median(processor) if processor else None,
        )


@dataclass
class Report:
    """All that was measured."""

    machine: str
    outcomes: dict[tuple[str, str], list[Outcome]] = field(default_factory=dict)
    processor: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    peak_memory: float | None = None

    def add(self, operation: str, app: str, outcome: Outcome, seconds: float | None) -> None:
        """Keep what came of one round, and the processor time it took the worker."""
        self.outcomes.setdefault((operation, app), []).append(outcome)
        if seconds is not None:
            spent = self.processor.setdefault((operation, app), [])
            spent.append(seconds / outcome["sent"] * 1000)

    def figures(self) -> dict[str, dict[str, Figures]]:
        """Give the medians by operation and app."""
        by_operation: dict[str, dict[str, Figures]] = {}
        for (operation, app), outcomes in self.outcomes.items():
            spent = self.processor.get((operation, app), [])
            by_operation.setdefault(operation, {})[app] = Figures.of(outcomes, spent)
        return by_operation

    def growth(self) -> float:
        """Give how many times longer the queue takes in the large clinic than in the small."""
        small, large = (
            apps["ours"].p50 for name, apps in self.figures().items() if name.startswith("queue")
        )
        return large / small

    def as_json(self) -> dict[str, Any]:
        """Give everything for a file."""
        return {
            "machine": self.machine,
            "operations": {
                operation: {app: asdict(figures) for app, figures in apps.items()}
                for operation, apps in self.figures().items()
            },
            "ratios": {
                operation: apps["ours"].per_second / apps["plain"].per_second
                for operation, apps in self.figures().items()
                if "plain" in apps
            },
            "queue_growth": self.growth(),
            "peak_memory_mb": self.peak_memory,
        }

    def show(self, console: Console) -> None:
        """Print a table."""
        heads = [f"{app}\n{unit}" for app in APPS for unit in UNITS]
        table = Table("operation", *heads, "ratio\nr/s", box=box.SIMPLE, pad_edge=False)
        table.columns[0].no_wrap = True
        for column in table.columns[1:]:
            column.justify = "right"
        for operation, apps in self.figures().items():
            cells = [_cells(apps.get(app)) for app in APPS]
            ratio = ""
            if "plain" in apps:
                ratio = f"{apps['ours'].per_second / apps['plain'].per_second:.2f}x"
            table.add_row(operation, *cells[0], *cells[1], ratio)
        console.print(table)
        console.print(f"queue, 100,000 cases to 1,000: {self.growth():.2f}x the median time")
        if self.peak_memory is not None:
            console.print(f"peak memory of a worker: {self.peak_memory:.0f} MB")
        console.print(self.machine, "p50, p99 and CPU (of the worker) in ms a request", sep="; ")


APPS = ("ours", "plain")
UNITS = ("r/s", "p50", "p99", "CPU")


def describe_machine(postgres: str) -> str:
    """Say on what this was measured, everything sharing the cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, Python {platform.python_version()}, PostgreSQL {postgres}"


def _cells(figures: Figures | None) -> list[str]:
    if figures is None:
        return [""] * len(UNITS)
    processor = "" if figures.processor is None else f"{figures.processor:.2f}"
    return [f"{figures.per_second:.0f}", f"{figures.p50:.1f}", f"{figures.p99:.1f}", processor]
