"""What only looks is called straight away: the framework would find and answer the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from httpx import Response
from starlette.routing import Match

from api.http.direct_calls import DirectCall
from api.http.direct_routes import DirectRoutes, _Addresses
from api.http.strict_route import StrictRoute
from tests.support.readers import MOVING, headers_of, ids_of, reader, told_of
from tests.support.requests import described, tolerant
from tests.support.stage import staged
from tests.support.world import Person, World, ok

STRANGE = ("", "/", "//", "/v1", "/v1/", "/v1/cases/", "/v1/cases//timeline", "/v1/cases/a/b", "/x")
"""Paths of nobody."""


@contextmanager
def by_the_framework(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the framework find and call everything."""
    with monkeypatch.context() as patch:
        patch.setattr(_Addresses, "find", lambda *_: None)
        yield


async def shown(world: World, answer: Response, why: str) -> Any:
    """Give all that an answer says, and what the journal says of it."""
    body = answer.text.replace(answer.headers["x-request-id"], "")
    headers, told = headers_of(answer), await told_of(world, answer)
    if why in MOVING:
        # the first look is told of in the second
        for name in ("content-length", "link"):
            headers.pop(name, None)
        return answer.status_code, headers, [each[:2] for each in told]
    return answer.status_code, headers, body, told


async def answered_alike(
    world: World, monkeypatch: pytest.MonkeyPatch, by: Person, path: str, why: str, **sent: Any
) -> int:
    """Check that both ways say the same; give the status."""
    directly = await by.send("GET", path, **sent)
    with by_the_framework(monkeypatch):
        usually = await by.send("GET", path, **sent)
    assert await shown(world, directly, why) == await shown(world, usually, why), (why, sent)
    return directly.status_code


async def test_every_get_is_answered_as_by_the_framework(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = await staged(tolerant(world), world.here)
    ids, seen = ids_of(calls), set()
    wrong = dict.fromkeys(ids, "no-id")
    unknown = {name: str(uuid4()) for name in ids}
    for method, template, _ in described():
        if method != "GET":
            continue
        by = reader(world.here, template)
        query = {"preview": "true"} if template.endswith("/export") else {}
        for named, options in (
            (ids, {"params": query}),
            (ids, {"params": query, "headers": {"Accept": "text/csv"}}),
            (ids, {"params": {"nobody_knows": 1}}),
            (ids, {"params": {"limit": "many", **query}}),
            (ids, {"headers": {"Authorization": "Bearer"}}),
            (wrong, {}),
            (unknown, {}),
        ):
            path = template.format(**named)
            seen.add(await answered_alike(world, monkeypatch, by, path, template, **options))
    assert {200, 401, 404, 422} <= seen


async def test_a_refusal_and_a_failure_are_told_as_by_the_framework(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await tolerant(world).clinician.case()
    for by, path in (
        (world.admin, "/v1/flagged-cases"),
        (world.stranger, f"/v1/cases/{case['id']}"),
    ):
        assert await answered_alike(world, monkeypatch, by, path, path) in {403, 404}
    for error, status in ((OSError(), 503), (ValueError("a client's words"), 500)):
        with monkeypatch.context() as patch:
            patch.setattr("api.access.authentication._read", _raising(error))
            path = f"/v1/cases/{case['id']}"
            assert await answered_alike(world, monkeypatch, world.clinician, path, path) == status


def _raising(error: Exception) -> Any:
    def raises(*_: object) -> None:
        raise error

    return raises


async def test_the_framework_finds_what_is_found_here_and_nothing_before_it(world: World) -> None:
    room = world.app.router.middleware_stack
    assert isinstance(room, DirectRoutes)
    routes, ids = world.app.router.routes, {"{": str(uuid4()), "-": "no-id"}
    templates = [route.path for route in routes if isinstance(route, APIRoute)]
    paths = {*STRANGE, *templates, *("/".join(_filled(each, ids)) for each in templates)}
    found = 0
    for path in paths:
        for root in ("", "/notes"):
            scope = {"type": "http", "method": "GET", "path": root + path, "root_path": root}
            by_us = room._routes.find({**scope})
            matching = (route for route in routes if route.matches(scope)[0] == Match.FULL)
            by_them = next(matching, None)
            assert by_us is None or by_us is by_them, path
            assert by_us is not None or not isinstance(by_them, StrictRoute), path
            found += by_us is not None
    assert found > 100


def _filled(template: str, ids: dict[str, str]) -> Iterator[str]:
    """Give the parts of a path, ids for what stands in braces."""
    for part in template.split("/"):
        yield ids["{"] if part.startswith("{") else part


async def test_what_is_found_is_called_by_no_router_but_where_requests_are_traced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await world.clinician.case()
    called: list[str] = []
    answer = DirectCall.answer

    async def noted(self: DirectCall, request: Any) -> Any:
        called.append(request.url.path)
        return await answer(self, request)

    monkeypatch.setattr(DirectCall, "answer", noted)
    path = f"/v1/cases/{case['id']}"
    ok(await world.clinician.send("GET", path))
    assert called == [path]
    await world.clinician.send("HEAD", path)
    assert called == [path, path]
    monkeypatch.setattr("api.http.direct_routes._is_traced", lambda _: True)
    ok(await world.clinician.send("GET", path))
    assert called == [path, path]
