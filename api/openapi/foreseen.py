"""Reads off the source of an operation which refusals it may raise and headers it may set.

What is written at a door once, `raise Conflict("This note is already signed.")`, is not written
down a second time for the document: it would soon say something else.
"""

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from api.domain.errors import Refusal


class Refused(NamedTuple):
    """A refusal that stands in the code; `said` is with what, as far as it is written out."""

    kind: type[Refusal]
    said: tuple[str, ...]


class Foreseen(NamedTuple):
    """What was read: refusals in the order of the code, and every text that stands in it."""

    refusals: tuple[Refused, ...]
    texts: frozenset[str]
    names: frozenset[str]


class _Named(NamedTuple):
    """A function of this program that another names, and the class whose method it is."""

    function: Any
    of: type | None


class _Parsed(NamedTuple):
    """What stands in one function: refusals and further functions in order, texts and names."""

    steps: tuple[Refused | _Named, ...]
    texts: frozenset[str]
    names: frozenset[str]


@cache
def foresee(called: Callable[..., Any]) -> Foreseen:
    """Read a function, and every function of this program that it names."""
    refusals: list[Refused] = []
    texts: set[str] = set()
    names: set[str] = set()
    seen = set()
    ahead: list[Refused | _Named] = [_Named(inspect.unwrap(called), None)]
    while ahead:
        step = ahead.pop()
        if isinstance(step, Refused):
            refusals.append(step)
        elif step not in seen:
            seen.add(step)
            parsed = _parse(step)
            texts |= parsed.texts
            names |= parsed.names
            ahead += reversed(parsed.steps)
    return Foreseen(tuple(dict.fromkeys(refusals)), frozenset(texts), frozenset(names))


@cache
def _parse(named: _Named) -> _Parsed:
    """Parse one function; nothing stands in those of others."""
    function, of = named
    module: str = function.__module__
    node = _nodes(module).get(function.__qualname__) if module.startswith("api.") else None
    if node is None:
        return _Parsed((), frozenset(), frozenset())
    known = importlib.import_module(module).__dict__
    parts = list(_inside(node))
    own = _bound_in(node)
    typed = _typed(node, known)
    steps: list[Refused | _Named] = []
    for part in parts:
        if isinstance(part, ast.Raise):
            steps += _raised(part, known)
        elif isinstance(part, ast.Name) and part.id not in own:
            steps += _functions(known.get(part.id), None)
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            owner = of if part.value.id == "self" else typed.get(part.value.id)
            steps += _functions(getattr(owner, part.attr, None), owner)
    texts = (each.value for each in parts if isinstance(each, ast.Constant))
    return _Parsed(
        tuple(steps),
        frozenset(each for each in texts if isinstance(each, str)),
        frozenset(each.id for each in parts if isinstance(each, ast.Name)),
    )


def _raised(statement: ast.Raise, known: dict[str, Any]) -> Iterator[Refused]:
    raised = statement.exc
    given = raised.args if isinstance(raised, ast.Call) else []
    kind = raised.func if isinstance(raised, ast.Call) else raised
    found = known.get(kind.id) if isinstance(kind, ast.Name) else None
    if isinstance(found, type) and issubclass(found, Refusal):
        said = [_written_out(each, known) for each in given]
        whole = all(each is not None for each in said)
        yield Refused(found, tuple(filter(None, said)) if whole else ())


def _functions(value: Any, of: type | None) -> Iterator[_Named]:
    """Give the function that a name stands for, or the functions of a table."""
    for each in value.values() if isinstance(value, dict) else (value,):
        if inspect.isfunction(each):
            yield _Named(inspect.unwrap(each), of)


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


def _bound_in(node: ast.AST) -> set[str]:
    """Give the names that a function binds itself: they stand for nothing of its module."""
    arguments = {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}
    names = (part for part in ast.walk(node) if isinstance(part, ast.Name))
    return arguments | {part.id for part in names if isinstance(part.ctx, ast.Store)}


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
