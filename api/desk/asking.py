"""Asks the API in the name of whoever reads a page: the same doors, guards, entries and refusals.

So a page shows nothing that `/v1` would not show the same person, and does nothing that it would
not let them do. What is asked stays within the process, and is part of the page's own request.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Request
from starlette.types import Message

from api.domain.permissions.table import Actor
from api.http.problem_details import TYPE
from api.security.browser_tokens import BrowserToken

_A_PAGE = 100
_MOST = 1_000
"""Items of a list that are read in one go."""
_PASSED_ON = (b"accept-language",)
"""What a browser sends that the API is told, too."""


class Told(NamedTuple):
    """What a field's refusal says; `pointer` names the field, as the API does."""

    pointer: str
    message: str


@dataclass
class Refused(Exception):
    """What the API did not do, in its words."""

    status: int
    code: str
    detail: str
    errors: list[Told] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes

    @property
    def content(self) -> Any:
        """Its JSON; None where there is none."""
        return json.loads(self.body) if self.body else None

    @property
    def version(self) -> str | None:
        """Its tag, which a change of what was read is sent with."""
        tag = self.headers.get(b"etag")
        return None if tag is None else tag.decode()


class Api:
    """The API, as somebody who is signed in at the desk asks it."""

    def __init__(self, request: Request, shown: BrowserToken | None) -> None:
        self._request = request
        self.shown = shown
        self.me: Actor | None = None
        """Whoever asks, as the API knows them; None before it was asked anything."""
        self.zone: ZoneInfo | None = None
        """Their clinic's time zone, as above."""

    async def get(self, path: str, **query: object) -> Any:
        """Read something. Raises Refused where the API refuses."""
        return (await self.read(path, **query)).content

    async def whole(self, path: str, **query: object) -> tuple[list[dict[str, Any]], bool]:
        """Read a list to its end, or very far; tell whether that was its end. Raises as above."""
        found: list[dict[str, Any]] = []
        cursor = None
        while len(found) < _MOST:
            page = await self.get(path, limit=_A_PAGE, cursor=cursor, **query)
            found += page["items"]
            if (cursor := page["next"]) is None:
                return found, True
        return found, False

    async def read(self, path: str, **query: object) -> Answer:
        """Read something together with its version. Raises Refused, as above."""
        sent = urlencode([(name, value) for name, value in query.items() if value is not None])
        return await self._ask("GET", path, query=sent)

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        version: str | None = None,
        key: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Write something; `key` tells what is sent twice. Raises Refused, as above."""
        headers = []
        if body is not None:
            headers.append((b"content-type", b"application/json"))
        if version is not None:
            headers.append((b"if-match", version.encode()))
        if key is not None:
            headers.append((b"idempotency-key", key.encode()))
        sent = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        return await self._ask(method, path, sent, headers, urlencode(query or {}))

    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: list[tuple[bytes, bytes]] | None = None,
        query: str = "",
    ) -> Answer:
        outer = self._request.scope
        passed = [each for each in outer["headers"] if each[0] in _PASSED_ON]
        state = {
            "request_id": outer["state"]["request_id"],
            "wants_headers_only": outer["state"]["wants_headers_only"],
            "shown_by_browser": self.shown,
        }
        scope = {
            "type": "http",
            "asgi": outer["asgi"],
            "http_version": "1.1",
            "method": method,
            "scheme": outer["scheme"],
            "server": outer.get("server"),
            "client": outer.get("client"),
            "root_path": outer.get("root_path", ""),
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"host", b"desk"), *passed, *(headers or [])],
            "state": state,
            "within": True,
        }
        answer = await _answer(self._request.app, scope, body)
        if (known := state.get("signed_in")) is not None:
            clinic, self.me = known
            self.zone = clinic.zone
            # the page's own line in the log says so, too
            outer["state"]["signed_in"] = known
        if answer.status >= 400:
            raise _refused(answer)
        return answer


async def _answer(app: Any, scope: dict[str, Any], body: bytes) -> Answer:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *rest = sent
    told = b"".join(message.get("body", b"") for message in rest)
    return Answer(start["status"], dict(start["headers"]), told)


def _refused(answer: Answer) -> Refused:
    problem = answer.content
    return Refused(
        answer.status,
        problem["type"].removeprefix(TYPE),
        problem["detail"],
        [Told(each["pointer"], each["message"]) for each in problem.get("errors", ())],
    )


def is_id(text: str) -> bool:
    """Tell whether a text may be the id of a record: what is none is asked of nobody."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
