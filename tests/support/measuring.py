"""Which lines and branches of `api/` the tests reach, asked for with `--cov`.

SlipCover marks the bytecode of what is imported, and takes a mark away where it was met. That costs
a twentieth of the time, where tracing each line doubles it: so every test is measured. Programs
that a test starts are not: what only these reach counts as not reached.
"""

import json
import os
import sys
from typing import Any

import pytest
import slipcover

from tests.support.checkout import ROOT

LEAST = 95
"""Of a hundred lines and branches, how many the tests must reach."""
MEASURED = "MEASURED_TESTS"
"""Tells the workers of pytest-xdist, which are not given the command line."""
REACHED = "reached"
"""Under this name a worker tells what it reached."""
FOUND = pytest.StashKey[dict[str, Any]]()

if "--cov" in sys.argv:
    os.environ[MEASURED] = "1"


class Measure:
    """What is reached in this process, and was in its workers."""

    def __init__(self) -> None:
        source = [str(ROOT / "api")]
        self.of_workers: list[dict[str, Any]] = []
        self._marked = slipcover.Slipcover(source=source, branch=True)
        among = slipcover.FileMatcher(sources=source)
        slipcover.ImportManager(self._marked, among).__enter__()

    def here(self) -> dict[str, Any]:
        """Give what was reached here."""
        found: dict[str, Any] = self._marked.get_coverage()
        return found

    def anywhere(self) -> dict[str, Any]:
        """Give what was reached here and in the workers."""
        reached = self.here()
        for each in self.of_workers:
            slipcover.merge_coverage(reached, each)
        return reached


# begun before anything of `api` is imported
MEASURE = Measure() if MEASURED in os.environ else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let somebody ask for it."""
    parser.addoption(
        "--cov", action="store_true", help=f"fail where less than {LEAST} % of api/ is reached"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what a worker reached; one that crashed tells nothing."""
    if MEASURE is not None and hasattr(node, "workeroutput"):
        MEASURE.of_workers.append(json.loads(node.workeroutput[REACHED]))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell what was reached, and fail where it is not enough."""
    if MEASURE is None:
        return
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[REACHED] = json.dumps(MEASURE.here())
        return
    found = session.config.stash[FOUND] = MEASURE.anywhere()
    if session.exitstatus == pytest.ExitCode.OK and not enough(found):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def enough(found: dict[str, Any]) -> bool:
    """Say whether as much was reached as must be."""
    share: float = found["summary"]["percent_covered"]
    return share >= LEAST


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was not reached, file by file, and the share that was."""
    found = terminalreporter.config.stash.get(FOUND, None)
    if found is None:
        return
    for name, file in sorted(found["files"].items()):
        if file["summary"]["missing_lines"] or file["summary"]["missing_branches"]:
            lines = slipcover.slipcover.format_missing(
                file["missing_lines"], file["executed_lines"], file["missing_branches"]
            )
            terminalreporter.write_line(f"{name}: not reached {lines}")
    verdict = "enough" if enough(found) else f"FEWER THAN {LEAST} %"
    share = found["summary"]["percent_covered"]
    terminalreporter.write_line(f"of all lines and branches {share:.2f} % were reached: {verdict}")
