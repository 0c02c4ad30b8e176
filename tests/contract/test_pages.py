"""The pages: what they point at is there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.domain.rules.rulebook import RULES
from tests.support.checkout import DOCS, ROOT
from tests.support.matrix import count_cells, count_rows

PAGES = {
    str(path.relative_to(ROOT)): path
    for path in (
        *sorted(DOCS.rglob("*.md")),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    )
    if path.exists()
}
DECISIONS = {path.name[:4] for path in (DOCS / "decisions").glob("[0-9]*.md")}

LINK = re.compile(r"\[((?:`[^`]*`|[^\]])*)\]\(([^)\s]+)\)")
FILE = re.compile(
    r"`((?:[\w.-]+/)*[\w-]+\.py|(?:[\w.-]+/)+[\w.-]+\.(?:conf|ini|json|md|sh|toml|yml))`"
)
SYMBOL = re.compile(r"`(\w+(?:\.\w+)?)`")
DECISION = re.compile(r"(?:decisions? |decisions/|[([]|and `)(0\d{3})\b(?=[-\]),: ]|$)")


def links_of(page: Path) -> Iterator[tuple[str, str]]:
    """Give the text and target of each link to something of the checkout."""
    for text, target in LINK.findall(without_samples(page)):
        if "://" not in target:
            yield text, target


def without_samples(page: Path) -> str:
    """Give a page's text without what is printed or typed there."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """Give what the headings of a page are linked by."""
    titles = re.findall(r"^#+ (.*)$", without_samples(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def leads_nowhere(page: Path, target: str) -> bool:
    """Tell whether a link has no file, or no heading, at its end."""
    name, _, anchor = target.partition("#")
    there = page.parent / name if name else page
    return not there.exists() or (anchor != "" and anchor not in anchors_of(there))


def defined_in(program: Path) -> set[str]:
    """Give the names that a program defines, those within its classes too: `Class.name`."""
    found = set[str]()
    for node in ast.parse(program.read_text()).body:
        found |= set(names_of(node))
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for each in node.body for name in names_of(each)}
    return found


def names_of(node: ast.stmt) -> Iterator[str]:
    """Give the names that one statement defines."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (each.id for each in targets if isinstance(each, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name


@pytest.mark.parametrize("name", list(PAGES))
def test_every_link_leads_somewhere(name: str) -> None:
    page = PAGES[name]
    assert [target for _, target in links_of(page) if leads_nowhere(page, target)] == []


@pytest.mark.parametrize("name", list(PAGES))
def test_what_a_link_names_is_defined_where_it_leads(name: str) -> None:
    page, missing = PAGES[name], []
    for text, target in links_of(page):
        program = page.parent / target
        named = SYMBOL.fullmatch(text)
        if named is not None and program.suffix == ".py" and named[1] not in defined_in(program):
            missing.append((named[1], target))
    assert missing == []


@pytest.mark.parametrize("name", list(PAGES))
def test_every_file_that_is_named_is_there(name: str) -> None:
    named = FILE.findall(PAGES[name].read_text())
    assert [each for each in named if not (ROOT / each).is_file()] == []


@pytest.mark.parametrize("name", list(PAGES))
def test_every_decision_that_is_named_was_taken(name: str) -> None:
    assert set(DECISION.findall(without_samples(PAGES[name]))) - DECISIONS == set()


def test_what_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n[a](page.md#a-page) [b](gone.md) [c](#gone) [`d.e`](page.py) [`f`](page.py)\n"
        "(9999) (0999) [0998](page.md), decision 0997, `docs/decisions/0996-…` and `0995-…`\n"
        "```\n[g](gone.md)\n```\n"
    )
    (tmp_path / "page.py").write_text("class d:\n    e: int\n")
    found = list(links_of(page))
    assert [target for _, target in found if leads_nowhere(page, target)] == ["gone.md", "#gone"]
    assert defined_in(tmp_path / "page.py") == {"d", "d.e"}
    assert [text for text, _ in found if SYMBOL.fullmatch(text)] == ["`d.e`", "`f`"]
    assert DECISION.findall(page.read_text()) == ["0999", "0998", "0997", "0996", "0995"]


def test_every_decision_is_in_the_index_once_and_their_numbers_have_no_gap() -> None:
    index = (DOCS / "decisions" / "README.md").read_text()
    listed = re.findall(r"^- \[(\d{4})\]\((\S+)\) \S.*\.$", index, re.MULTILINE)
    kept = sorted(path.name for path in (DOCS / "decisions").glob("[0-9]*.md"))
    assert sorted(name for _, name in listed) == kept, "name it in docs/decisions/README.md"
    assert all(name.startswith(f"{number}-") for number, name in listed)
    assert [name[:4] for name in kept] == [f"{number:04}" for number in range(1, len(kept) + 1)]


def test_there_are_as_many_rules_as_the_readme_says() -> None:
    assert f"{len(RULES)} rules raise flags" in PAGES["README.md"].read_text()


def test_the_matrix_is_as_large_as_the_page_says() -> None:
    told = f"{count_rows()} operations, {count_cells()} cells"
    assert told in PAGES["SECURITY.md"].read_text()
