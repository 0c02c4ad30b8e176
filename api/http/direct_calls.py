"""Calls what only looks straight away: its parameters are found once, not anew for each request.

The framework walks the tree of an operation's dependencies at every request, for whatever may stand
in it. Ours are few and of few kinds: what is called stands in one row, in the framework's order,
and each value has its place. What is sent is still read by the framework's own fields; where it is
not as it must be, or an operation needs more, the framework calls it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple, get_type_hints

from fastapi import Request, Response
from fastapi._compat import ModelField
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.routing import APIRoute, serialize_response

from api.http.request_transaction import begin_transaction, transaction_of

Call = Callable[..., Any]
Takes = Mapping[str, int]
"""By which name something is given which value: its place."""

_REQUEST, _EXTRA, _TRANSACTION = range(3)
"""Where what stands that every operation may ask for."""


class _Step(NamedTuple):
    """Something to call, and where its own value goes."""

    call: Call
    takes: Takes
    place: int


class _Named(NamedTuple):
    """What stands in the address of a request, and where it goes: one text each."""

    name: str
    field: ModelField
    place: int


class _Sent(NamedTuple):
    """What is read of a request besides, and where it goes."""

    fields: list[ModelField]
    of: Callable[[Request], Any]
    places: Takes


class _Plan:
    """All that is read and called for an operation, one after the other."""

    def __init__(self, dependant: Dependant) -> None:
        self.named: list[_Named] = []
        self.sent: list[_Sent] = []
        self.steps: list[_Step] = []
        self.asking: list[tuple[Call, Takes]] = []
        self.width = _TRANSACTION + 1
        self._known: dict[Call | None, int] = {begin_transaction: _TRANSACTION}
        self._add(dependant)

    def _add(self, dependant: Dependant) -> int:
        """Put something in behind all that it needs; give where its value will be."""
        call = dependant.call
        if call is None or call in self._known:
            return self._known[call]
        takes = self._read(dependant)
        if hasattr(call, "asks"):
            self.asking.append((call.asks, dict(takes)))
        for each in dependant.dependencies:
            place = self._add(each)
            if each.name is not None:
                takes[each.name] = place
        for name, place in (
            (dependant.request_param_name or dependant.http_connection_param_name, _REQUEST),
            (dependant.response_param_name, _EXTRA),
        ):
            if name is not None:
                takes[name] = place
        self._known[call] = self._next()
        self.steps.append(_Step(call, takes, self._known[call]))
        return self._known[call]

    def _read(self, dependant: Dependant) -> dict[str, int]:
        """Note what is to be read for something; give where it will be."""
        places = {field.name: self._next() for field in dependant.path_params}
        for field in dependant.path_params:
            self.named.append(_Named(field.alias, field, places[field.name]))
        for fields, of in (
            (dependant.query_params, attrgetter("query_params")),
            (dependant.header_params, attrgetter("headers")),
        ):
            if fields:
                read = {field.name: self._next() for field in fields}
                self.sent.append(_Sent(fields, of, read))
                places |= read
        return places

    def _next(self) -> int:
        self.width += 1
        return self.width - 1


class DirectCall:
    """How one operation is called."""

    def __init__(self, route: APIRoute) -> None:
        self._plan = _Plan(route.dependant)
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

    @classmethod
    def of(cls, route: APIRoute) -> "DirectCall | None":
        """Find out how an operation is called; None where the framework has to."""
        is_written = _gives_an_answer(route.endpoint)
        is_shown = isinstance(route.response_class, DefaultPlaceholder) and route.response_field
        if route.methods != {"GET"} or route.body_field or not (is_written or is_shown):
            return None
        return cls(route) if _is_ordinary(route.dependant) else None

    async def answer(self, request: Request) -> Response | None:
        """Carry it out; None, and nothing done, where what is sent is not as it must be."""
        values: list[Any] = [None] * self._plan.width
        values[_REQUEST] = request
        if not self._read(request, values):
            return None
        for asks, takes in self._plan.asking:
            # so that it is asked in one message with who is signed in
            request.state.asks_next = partial(asks, **_given(takes, values))
        # of no status yet: so it has no length either
        values[_EXTRA] = extra = Response(status_code=0)
        async with transaction_of(request) as values[_TRANSACTION]:
            for call, takes, place in self._plan.steps:
                values[place] = await call(**_given(takes, values))
            # what is called last is the operation
            found = values[-1]
            if isinstance(found, Response):
                return found
            content = await serialize_response(
                field=self._field, response_content=found, dump_json=True, **self._how
            )
        status = extra.status_code or self._status
        answer = Response(content, status, media_type="application/json")
        answer.raw_headers.extend(extra.raw_headers)
        return answer

    def _read(self, request: Request, values: list[Any]) -> bool:
        """Read what is sent; tell whether it is as it must be."""
        for name, field, place in self._plan.named:
            values[place], wrong = field.validate(request.path_params[name])
            if wrong:
                return False
        for fields, of, places in self._plan.sent:
            found, wrong = request_params_to_args(fields, of(request))
            if wrong:
                return False
            for name, place in places.items():
                values[place] = found[name]
        return True


def _given(takes: Takes, values: list[Any]) -> dict[str, Any]:
    return {name: values[place] for name, place in takes.items()}


def _gives_an_answer(endpoint: Call) -> bool:
    """Tell whether an operation writes its answer itself."""
    given = get_type_hints(endpoint).get("return")
    return isinstance(given, type) and issubclass(given, Response)


def _is_ordinary(dependant: Dependant) -> bool:
    """Tell whether nothing is needed for something but what a plan knows of."""
    if dependant.call is begin_transaction:
        return True
    needs_more = (
        dependant.call is None
        or dependant.cookie_params
        or dependant.body_params
        or dependant.websocket_param_name
        or dependant.background_tasks_param_name
        or dependant.security_scopes_param_name
        or dependant.concurrency is not None
    )
    return not needs_more and all(map(_is_ordinary, dependant.dependencies))
