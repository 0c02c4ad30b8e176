"""The figures, and how they are shown."""

import os
import platform
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from bench.load import Outcome

OURS = "ours"
MISSING = "-"


class Key(NamedTuple):
    """What was measured: an operation, in a clinic of so many cases, on one of the apps."""

    operation: str
    cases: int
    app: str


class Spent(NamedTuple):
    """Seconds of processor time that a round took; None where the system does not tell."""

    app: float | None
    database: float | None

    def each(self, requests: int) -> "Spent":
        """Give the milliseconds for one request."""
        return Spent(*(None if seconds is None else seconds / requests * 1000 for seconds in self))

    def since(self, before: "Spent") -> "Spent":
        """Give what was spent since then."""
        return Spent(
            *(
                None if now is None or then is None else now - then
                for now, then in zip(self, before, strict=True)
            )
        )

    @property
    def both(self) -> float | None:
        """Give what app and database took together."""
        if self.app is None or self.database is None:
            return None
        return self.app + self.database


@dataclass(frozen=True, slots=True)
class Figures:
    """The medians over the rounds: requests a second; milliseconds.

    `app`, `database` and `both` are processor time for one request, the figures that other work on
    the machine disturbs least: of all workers, and of all processes of the database. `failed`
    counts the answers that were not 2xx; where there are any, the other figures say little.
    """

    per_second: float
    p50: float
    p99: float
    app: float | None
    database: float | None
    both: float | None
    failed: dict[str, int]

    @classmethod
    def of(cls, rounds: list[tuple[Outcome, Spent]]) -> "Figures":
        """Take the medians."""
        spent = [seconds.each(outcome["sent"]) for outcome, seconds in rounds]
        failed = Counter[str]()
        for outcome, _ in rounds:
            failed.update(outcome["failed"])
        return cls(
            median(outcome["per_second"] for outcome, _ in rounds),
            median(outcome["p50"] for outcome, _ in rounds),
            median(outcome["p99"] for outcome, _ in rounds),
            _median([each.app for each in spent]),
            _median([each.database for each in spent]),
            _median([each.both for each in spent]),
            dict(failed),
        )


@dataclass
class Report:
    """All that was measured; `conditions` are those it was measured under."""

    machine: str
    conditions: dict[str, Any] = field(default_factory=dict)
    rounds: dict[Key, list[tuple[Outcome, Spent]]] = field(default_factory=dict)
    compared_to: dict[str, str] = field(default_factory=dict)
    """Operations whose growth is told from the smallest clinic of another."""
    peak_memory: dict[str, float] = field(default_factory=dict)

    def add(self, key: Key, outcome: Outcome, spent: Spent) -> None:
        """Keep what came of one round, and the processor time it took."""
        self.rounds.setdefault(key, []).append((outcome, spent))

    def figures(self) -> dict[Key, Figures]:
        """Give the medians."""
        return {key: Figures.of(rounds) for key, rounds in self.rounds.items()}

    def ratios(self) -> dict[Key, dict[str, float | None]]:
        """Give of each peer how many times our speed ours is, and how many times our work its is.

        Above 1 ours is the better one, in both.
        """
        figures = self.figures()
        return {
            key: {
                "per_second": _times(ours, theirs, lambda each: each.per_second),
                "cpu": _times(theirs, ours, lambda each: each.both),
            }
            for key, theirs in figures.items()
            if key.app != OURS and (ours := figures.get(key._replace(app=OURS)))
        }

    def growth(self) -> dict[Key, dict[str, float | None]]:
        """Give how many times as much each takes of us as in the smallest clinic."""
        figures = {key: each for key, each in self.figures().items() if key.app == OURS}
        grown = {}
        for key, each in figures.items():
            base = self._base(key, figures)
            if base is not None and base != key:
                grown[key] = {
                    "p50": _times(each, figures[base], lambda figures: figures.p50),
                    "cpu": _times(each, figures[base], lambda figures: figures.both),
                }
        return grown

    def _base(self, key: Key, figures: dict[Key, Figures]) -> Key | None:
        operation = self.compared_to.get(key.operation, key.operation)
        same = (each for each in figures if each.operation == operation)
        return min(same, key=lambda each: each.cases, default=None)

    def failures(self) -> Iterator[tuple[Key, str]]:
        """Say what was not answered as it should: of each key the count, and the first answer."""
        for key, figures in self.figures().items():
            if figures.failed:
                sent = sum(outcome["sent"] for outcome, _ in self.rounds[key])
                first = next(each["error"] for each, _ in self.rounds[key] if each["error"])
                yield key, f"{sum(figures.failed.values()):,} of {sent:,}. {first}"

    def as_json(self) -> dict[str, Any]:
        """Give everything for a file: by operation, cases and app."""
        return {
            "machine": self.machine,
            **self.conditions,
            "operations": _nested({key: asdict(each) for key, each in self.figures().items()}),
            "ratios": _nested(self.ratios()),
            "growth": _nested(self.growth()),
            "failures": [f"{_named(key)}: {said}" for key, said in self.failures()],
            "peak_memory_mb": self.peak_memory,
        }

    def show(self, console: Console) -> None:
        """Print the tables, and what is to be known beside them."""
        figures = self.figures()
        if any(key.app != OURS for key in figures):
            console.print(self._beside_peers(figures))
        if growing := self._growing(figures):
            console.print(self._as_it_grows(figures, growing))
        for key, said in self.failures():
            text = f"{_named(key)}: not answered with 2xx: {said[:400]}"
            console.print(text, markup=False, highlight=False)
        for app, peak in self.peak_memory.items():
            console.print(f"peak memory of a worker ({app}): {peak:.0f} MB")
        console.print(self.machine, *(f"{key}: {each}" for key, each in self.conditions.items()))
        console.print(
            "p50, p99 and processor time (CPU; of the app, of the database, both) in ms a request; "
            "ratios are above 1 where ours is better"
        )

    def _beside_peers(self, figures: dict[Key, Figures]) -> Table:
        table = _table("operation", "app", *UNITS, "ratio\nr/s", "ratio\nCPU", left=2)
        ratios, last = self.ratios(), None
        compared = {key._replace(app="") for key in figures if key.app != OURS}
        for key in (key for key in figures if key._replace(app="") in compared):
            ratio = ratios.get(key, {})
            table.add_row(
                key.operation if key.operation != last else "",
                key.app,
                *_cells(figures[key]),
                _ratio(ratio.get("per_second")),
                _ratio(ratio.get("cpu")),
            )
            last = key.operation
        return table

    def _growing(self, figures: dict[Key, Figures]) -> list[Key]:
        """Give our operations that no peer has, and those measured in several clinics."""
        sizes = Counter(key.operation for key in figures if key.app == OURS)
        compared = {key.operation for key in figures if key.app != OURS}
        return sorted(
            (
                key
                for key in figures
                if key.app == OURS and (sizes[key.operation] > 1 or key.operation not in compared)
            ),
            key=lambda key: (list(sizes).index(key.operation), key.cases),
        )

    def _as_it_grows(self, figures: dict[Key, Figures], keys: list[Key]) -> Table:
        table = _table("ours, in a clinic of", "cases", *UNITS, "times\np50", "times\nCPU", left=1)
        growth, last = self.growth(), None
        for key in keys:
            grown = growth.get(key, {})
            table.add_row(
                key.operation if key.operation != last else "",
                f"{key.cases:,}",
                *_cells(figures[key]),
                _ratio(grown.get("p50")),
                _ratio(grown.get("cpu")),
            )
            last = key.operation
        return table


UNITS = ("r/s", "p50", "p99", "CPU\napp", "CPU\ndb", "CPU\nboth")


def describe_machine(postgres: str) -> str:
    """Say on what this was measured, everything sharing the cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, Python {platform.python_version()}, PostgreSQL {postgres}"


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if len(known) == len(values) else None


def _times(more: Figures, than: Figures, figure: Callable[[Figures], float | None]) -> float | None:
    """Divide one by the other; None where either failed, or nothing is known."""
    over, under = figure(more), figure(than)
    if more.failed or than.failed or over is None or not under:
        return None
    return over / under


def _nested(by_key: dict[Key, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    nested: dict[str, dict[str, dict[str, Any]]] = {}
    for (operation, cases, app), value in by_key.items():
        nested.setdefault(operation, {}).setdefault(str(cases), {})[app] = value
    return nested


def _named(key: Key) -> str:
    return f"{key.operation}, {key.cases:,} cases ({key.app})"


def _table(*heads: str, left: int) -> Table:
    table = Table(*heads, box=box.SIMPLE, pad_edge=False)
    for number, column in enumerate(table.columns):
        column.no_wrap = True
        column.justify = "left" if number < left else "right"
    return table


def _cells(figures: Figures) -> list[str]:
    if figures.failed:
        return ["/".join(sorted(figures.failed)), *[MISSING] * (len(UNITS) - 1)]
    spent = (figures.app, figures.database, figures.both)
    return [
        _short(figures.per_second),
        _short(figures.p50),
        _short(figures.p99),
        *(MISSING if each is None else _short(each) for each in spent),
    ]


def _short(figure: float) -> str:
    """Write no more than three digits, but those before the point."""
    return f"{figure:.{2 if figure < 10 else 1 if figure < 100 else 0}f}"


def _ratio(times: float | None) -> str:
    return "" if times is None else f"{_short(times)}x"
