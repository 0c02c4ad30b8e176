"""Finds the operation that a GET asks for by one look, and calls it where it is called directly.

The framework tries one route after the other, and wraps each call in what closes dependencies of
other kinds. One expression of all addresses finds the same route, as alternatives are tried in
their order too. The route itself then says whether it matches, and all that is out of the ordinary
goes on to the framework's router, inside which nothing is otherwise.
"""

import re
from collections.abc import Sequence
from typing import Any

from fastapi import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send


class DirectRoutes:
    """The room before the router: the same answers, for less."""

    def __init__(self, router: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._router = router
        self._routes = _Addresses(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the router answer it."""
        # who traces is told by the framework what was called
        if scope["type"] == "http" and scope["method"] == "GET" and not _is_traced(scope):
            route = self._routes.find(scope)
            directly = getattr(route, "directly", None)
            if directly is not None:
                answer = await directly(Request(scope, receive, send))
                if answer is not None:
                    await answer(scope, receive, send)
                    return
        await self._router(scope, receive, send)


def _is_traced(scope: Scope) -> bool:
    return "fastapi.telemetry" in scope


class _Addresses:
    """The addresses of all that answers a GET, as one expression."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes: dict[int, Any] = {}
        alternatives = []
        groups = 0
        for route in routes:
            methods = getattr(route, "methods", None)
            if methods is not None and "GET" not in methods:
                continue
            alone: re.Pattern[str] = route.path_regex  # type: ignore[attr-defined]
            # the whole of it is a group of its own, and the last one to close
            self._routes[groups + 1] = route
            groups += 1 + alone.groups
            alternatives.append(f"({_NAME.sub('', alone.pattern)})")
        self._match = re.compile("|".join(alternatives)).match

    def find(self, scope: Scope) -> BaseRoute | None:
        """Give the route of ours that a request is for, and note in its scope what it names."""
        found = self._match(scope["path"].removeprefix(scope.get("root_path", "")))
        route: BaseRoute | None = None if found is None else self._routes[found.lastindex or 0]
        if route is None or not hasattr(route, "directly"):
            return None
        match, named = route.matches(scope)
        if match != Match.FULL:
            return None
        scope.update(named)
        return route


_NAME = re.compile(r"\?P<\w+>")
"""What gives a group its name, which could stand in one expression once only."""
