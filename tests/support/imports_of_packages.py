"""The floors of the house, read off the imports; run as a module, it prints who imports whom.

`python -m tests.support.imports_of_packages` prints a row for each package, the top one first: how
many rooms of each package its own rooms import. Within a package that is the diagonal; what stands
to the left of it would be an arrow up.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.checkout import ROOT

API = ROOT / "api"

PACKAGES = (
    "security",  # what guards, without a database or a network
    "domain",  # words, rules and rights
    "languages",  # what is told in others than English
    "runtime",  # the process: settings, logs, how it ends
    "storage",  # tables, transactions, walls, encryption
    "journal",  # the audit log
    "http",  # requests and answers
    "flags",  # the rules at work on a case
    "access",  # who asks, and what they see
    "records",  # rows, made and shown
    "interop",  # other software
    "openapi",  # the document
    "routes",  # a door for each noun
    "door",  # what clients send, and read again
    "desk",  # pages for people
    "door",  # the clients' own
    "main",
    "commands",  # what an operator runs
    "__main__",
)
"""From the ground up: a package imports packages below it only, and within it are no circles."""


def rooms() -> Iterator[tuple[str, Path]]:
    """Give every room, as a name below `api`, with its file."""
    for path in sorted(API.rglob("*.py")):
        parts = path.relative_to(API).with_suffix("").parts
        if parts[-1] != "__init__":
            yield ".".join(parts), path


def package_of(room: str) -> str:
    """Give the package that a room is of."""
    return room.partition(".")[0]


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Give the rooms a file imports, wherever in the file."""
    return frozenset(_imports_of(path))


def _imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            if (API.parent / node.module.replace(".", "/")).is_dir():
                below = node.module.removeprefix("api").lstrip(".")
                yield from (f"{below}.{name.name}".lstrip(".") for name in node.names)
            elif node.module.startswith("api."):
                yield node.module.removeprefix("api.")
        elif isinstance(node, ast.Import):
            names = (name.name for name in node.names)
            yield from (name.removeprefix("api.") for name in names if name.startswith("api."))


def graph() -> dict[str, set[str]]:
    """Give each room with the rooms that it imports."""
    known = dict(rooms())
    return {room: known.keys() & imports_of(path) for room, path in known.items()}


def against_the_law(imported: dict[str, set[str]]) -> list[str]:
    """Name what imports from a package above its own."""
    height = {package: place for place, package in enumerate(PACKAGES)}
    return [
        f"{room} imports {other}"
        for room, others in imported.items()
        for other in sorted(others)
        if height[package_of(other)] > height[package_of(room)]
    ]


def in_circles(imported: dict[str, set[str]]) -> set[str]:
    """Name the rooms that import each other in a circle, or stand on one that does."""
    left = {room: set(others) for room, others in imported.items()}
    while free := {room for room, others in left.items() if not others & left.keys()}:
        left = {room: others for room, others in left.items() if room not in free}
    return set(left)


def between_packages(imported: dict[str, set[str]]) -> Counter[tuple[str, str]]:
    """Count the imports of each package's rooms, by the package they are of."""
    return Counter(
        (package_of(room), package_of(other))
        for room, others in imported.items()
        for other in others
    )


def table(imported: dict[str, set[str]]) -> Iterator[str]:
    """Write who imports how many rooms of whom, a line at a time, the top floor first."""
    floors = PACKAGES[::-1]
    counted = between_packages(imported)
    width = max(map(len, PACKAGES))
    yield " ".join([" " * width, *floors])
    for package in floors:
        cells = (f"{counted[package, each] or '.':>{len(each)}}" for each in floors)
        yield " ".join([f"{package:<{width}}", *cells])
    yield ""
    yield f"up: {len(against_the_law(imported))}; circles: {len(in_circles(imported))}"


if __name__ == "__main__":
    print("\n".join(table(graph())))
