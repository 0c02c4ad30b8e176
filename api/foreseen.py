"""Reads in the program's own code what an operation may refuse, and which headers it sets.

What is written at a door once, `raise Conflict("This note is already signed.")`, is not written
down a second time for the document: it would soon say something else.
"""

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from api.errors import Refusal


class Refused(NamedTuple):
    """A refusal that stands in the code; `said` is with what, as far as it is written out."""

    kind: type[Refusal]
    said: tuple[str, ...]


class Foreseen(NamedTuple):
    """What was read: refusals in the order of the code, and every text that stands in it."""

    refusals: tuple[Refused, ...]
    texts: frozenset[str]
    names: frozenset[str]


@cache
def foresee(called: Callable[..., Any]) -> Foreseen:
    """Read a function, and every function of this program that it names."""
    read = _Reader()
    read.function(inspect.unwrap(called))
    return Foreseen(tuple(dict.fromkeys(read.refusals)), frozenset(read.texts), frozenset(read.all))


class _Reader:
    """Reads one function after the other, each once."""

    def __init__(self) -> None:
        self.refusals: list[Refused] = []
        self.texts: set[str] = set()
        self.all: set[str] = set()
        self._seen: set[str] = set()

    def function(self, function: Any, of: type | None = None) -> None:
        name = f"{function.__module__}.{function.__qualname__}"
        if name in self._seen or not function.__module__.startswith("api."):
            return
        self._seen.add(name)
        node = _nodes(function.__module__).get(function.__qualname__)
        if node is None:
            return
        names = inspect.getmodule(function).__dict__
        typed = _typed(node, names)
        for part in _inside(node):
            if isinstance(part, ast.Raise):
                self._raise(part, names)
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                self.texts.add(part.value)
            elif isinstance(part, ast.Name):
                self.all.add(part.id)
                self._named(names.get(part.id))
            elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
                owner = of if part.value.id == "self" else typed.get(part.value.id)
                self._method(owner, part.attr)

    def _raise(self, statement: ast.Raise, names: dict[str, Any]) -> None:
        raised = statement.exc
        given = raised.args if isinstance(raised, ast.Call) else []
        kind = raised.func if isinstance(raised, ast.Call) else raised
        found = names.get(kind.id) if isinstance(kind, ast.Name) else None
        if isinstance(found, type) and issubclass(found, Refusal):
            said = [_written_out(each, names) for each in given]
            whole = all(each is not None for each in said)
            self.refusals.append(Refused(found, tuple(filter(None, said)) if whole else ()))

    def _named(self, value: Any) -> None:
        for each in value.values() if isinstance(value, dict) else (value,):
            if inspect.isfunction(each):
                self.function(inspect.unwrap(each))

    def _method(self, owner: type | None, name: str) -> None:
        method = getattr(owner, name, None)
        if inspect.isfunction(method):
            self.function(inspect.unwrap(method), owner)


@cache
def _nodes(module: str) -> dict[str, ast.AST]:
    """Give every function of a module by its qualified name."""
    found: dict[str, ast.AST] = {}

    def walk(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found[prefix + child.name] = child
            elif isinstance(child, ast.ClassDef):
                walk(child, f"{prefix}{child.name}.")

    source = inspect.getsource(importlib.import_module(module))
    walk(ast.parse(source), "")
    return found


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """Give what a function does, without its docstring and the types of its parameters."""
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)  # noqa: S101 - as found
    for statement in node.body:
        is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not is_docstring:
            yield from ast.walk(statement)


def _typed(node: ast.AST, names: dict[str, Any]) -> dict[str, type]:
    """Give the classes of this program that local names are declared to be of."""
    declared = {
        part.target.id: part.annotation.id
        for part in ast.walk(node)
        if isinstance(part, ast.AnnAssign)
        and isinstance(part.target, ast.Name)
        and isinstance(part.annotation, ast.Name)
    }
    found = {name: names.get(of) for name, of in declared.items()}
    return {
        name: of
        for name, of in found.items()
        if isinstance(of, type) and of.__module__.startswith("api.")
    }


def _written_out(node: ast.expr, names: dict[str, Any]) -> str | None:
    """Give a text that stands in the code as it will be said; None where it depends."""
    value: Any = None
    if isinstance(node, ast.Constant):
        value = node.value
    elif isinstance(node, ast.Name):
        value = names.get(node.id)
    return value if isinstance(value, str) else None
