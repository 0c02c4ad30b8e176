"""Calls what only looks straight away: its parameters are found once, not anew for each request.

The framework walks the tree of an operation's dependencies at every request, for whatever may stand
in it. Ours are few and of few kinds. What is sent is still read by the framework's own fields, and
where it is not as it must be, or an operation needs more, the framework calls it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.routing import APIRoute, serialize_response

from api.http.request_transaction import begin_transaction, transaction_of

Call = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _Node:
    """Something to call, and where each of its parameters comes from."""

    call: Call
    inner: tuple[tuple[str | None, "_Node"], ...]
    path: list[Any]
    query: list[Any]
    headers: list[Any]
    request_as: str | None
    response_as: str | None


class DirectCall:
    """How one operation is called."""

    def __init__(self, route: APIRoute, root: _Node) -> None:
        self._field = route.response_field
        self._status = route.status_code or 200
        self._how: dict[str, Any] = {
            "include": route.response_model_include,
            "exclude": route.response_model_exclude,
            "by_alias": route.response_model_by_alias,
            "exclude_unset": route.response_model_exclude_unset,
            "exclude_defaults": route.response_model_exclude_defaults,
            "exclude_none": route.response_model_exclude_none,
        }
        self._root = root
        self._asking = [each.call for _, each in root.inner if hasattr(each.call, "asks")]
        self._reading = list(_reading(root))

    @classmethod
    def of(cls, route: APIRoute) -> "DirectCall | None":
        """Find out how an operation is called; None where the framework has to."""
        is_written = _gives_an_answer(route.endpoint)
        is_shown = isinstance(route.response_class, DefaultPlaceholder) and route.response_field
        if route.methods != {"GET"} or route.body_field or not (is_written or is_shown):
            return None
        root = _node(route.dependant)
        return None if root is None else cls(route, root)

    async def answer(self, request: Request) -> Response | None:
        """Carry it out; None, and nothing done, where what is sent is not as it must be."""
        read = self._read(request)
        if read is None:
            return None
        for guard in self._asking:
            # so that it is asked in one message with who is signed in
            request.state.asks_next = partial(guard.asks, **read.get(guard, {}))
        extra = Response()
        del extra.headers["content-length"]
        extra.status_code = 0
        async with transaction_of(request) as tx:
            given = await _arguments(self._root, request, extra, read, {begin_transaction: tx})
            found = await self._root.call(**given)
            if isinstance(found, Response):
                return found
            content = await serialize_response(
                field=self._field, response_content=found, dump_json=True, **self._how
            )
        status = extra.status_code or self._status
        answer = Response(content, status, media_type="application/json")
        answer.raw_headers.extend(extra.raw_headers)
        return answer

    def _read(self, request: Request) -> dict[Call, dict[str, Any]] | None:
        """Read what is sent, for each that takes something; None where it is not as it must be."""
        read = {}
        for node in self._reading:
            values: dict[str, Any] = {}
            for fields, sent in (
                (node.path, request.path_params),
                (node.query, request.query_params),
                (node.headers, request.headers),
            ):
                if fields:
                    found, wrong = request_params_to_args(fields, sent)
                    if wrong:
                        return None
                    values |= found
            read[node.call] = values
        return read


def _reading(node: _Node) -> Iterator[_Node]:
    """Give all that take something which is sent, each once."""
    known = set()
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if each.call not in known and (each.path or each.query or each.headers):
            yield each
        known.add(each.call)
        waiting.extend(inner for _, inner in each.inner)


def _gives_an_answer(endpoint: Call) -> bool:
    """Tell whether an operation writes its answer itself."""
    given = get_type_hints(endpoint).get("return")
    return isinstance(given, type) and issubclass(given, Response)


def _node(dependant: Dependant) -> _Node | None:
    """Give how something is called; None where that is out of the ordinary."""
    needs_more = (
        dependant.cookie_params
        or dependant.body_params
        or dependant.websocket_param_name
        or dependant.background_tasks_param_name
        or dependant.security_scopes_param_name
        or dependant.concurrency is not None
    )
    if needs_more or dependant.call is None:
        return None
    inner = []
    for each in dependant.dependencies if dependant.call is not begin_transaction else ():
        node = _node(each)
        if node is None:
            return None
        inner.append((each.name, node))
    return _Node(
        dependant.call,
        tuple(inner),
        dependant.path_params,
        dependant.query_params,
        dependant.header_params,
        dependant.request_param_name or dependant.http_connection_param_name,
        dependant.response_param_name,
    )


async def _arguments(
    node: _Node,
    request: Request,
    extra: Response,
    read: dict[Call, dict[str, Any]],
    known: dict[Call, Any],
) -> dict[str, Any]:
    """Give what something is called with; `known`: what was called already for this request."""
    given = dict(read.get(node.call, ()))
    for name, each in node.inner:
        if each.call not in known:
            known[each.call] = await each.call(
                **await _arguments(each, request, extra, read, known)
            )
        if name is not None:
            given[name] = known[each.call]
    if node.request_as is not None:
        given[node.request_as] = request
    if node.response_as is not None:
        given[node.response_as] = extra
    return given
