"""What surrounds every request: an id, a bound on its body, private headers, a line in the log."""

from time import perf_counter

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from api.http.problem_details import failed, refuse_http
from api.runtime import metrics
from api.runtime.logs import where
from api.runtime.shutdown import Gate

LARGEST_BODY = 256 * 1024
LARGEST_FORM = 1024 * 1024
"""Three times what the same texts are as JSON: a form writes one letter as up to twelve."""
LARGEST_IMPORT = 256 * 1024 * 1024
_FORMS = ("/desk/", "/door/say", "/door/look-back", "/door/mine")
_IMPORTS = "/v1/imports"
"""Where a body is read as it comes, line by line, and never held as a whole."""

_POLICY_NAME = b"content-security-policy"
_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# the documentation pages run their own scripts, and load nothing from elsewhere
_POLICY_OF_PAGES = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'"
)
_PAGES = ("/docs", "/redoc", "/static-offline-docs")

# nobody keeps an answer, or guesses what it is
_PRIVATE = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)

log = structlog.get_logger("access")


class Envelope:
    """The outermost room: nothing gets in too large, and nothing gets out but an answer."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app = app
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through."""
        # what a page asks for its reader is part of one request, which is in here already
        if scope["type"] != "http" or "within" in scope:
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self.gate)
        with self.gate.answering(), metrics.in_progress.track_inprogress():
            try:
                if exchange.announces_too_much():
                    await exchange.refuse_as_too_large()
                else:
                    await self.app(exchange.scope, exchange.receive, exchange.send)
            except Exception as error:  # let out, its text would be in the server's log
                await exchange.fail(error)
            finally:
                exchange.write_down()


class _Exchange:
    """One request and its answer.

    Whoever asks with HEAD is answered as to a GET, by the same guards and with the same entries,
    and is sent no more than its headers. `scope` is what the rooms inside are shown.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, gate: Gate) -> None:
        self.request_id = str(uuid7())
        state = scope.setdefault("state", {})
        state["request_id"] = self.request_id
        self._method: str = scope["method"]
        self._is_head = self._method == "HEAD"
        state["wants_headers_only"] = self._is_head
        # the server's own scope stays as it is: it frames the answer to a HEAD by it
        self.scope = {**scope, "method": "GET"} if self._is_head else scope
        self._receive, self._send, self._gate = receive, send, gate
        self._began = perf_counter()
        self._received = 0
        self._largest = _largest_at(scope["path"])
        self._status: int | None = None

    def announces_too_much(self) -> bool:
        sent = (value for name, value in self.scope["headers"] if name == b"content-length")
        length: bytes = next(sent, b"0")
        return length.isdigit() and int(length) > self._largest

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._largest:
            raise HTTPException(413)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = list(message.get("headers", ()))
            said = {name for name, _ in headers}
            # a page says for itself what it loads, and whom a browser tells of it
            added = [*self._headers(), (_POLICY_NAME, self._policy())]
            message["headers"] = [*headers, *(each for each in added if each[0] not in said)]
        elif self._is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    async def refuse_as_too_large(self) -> None:
        answer = await refuse_http(Request(self.scope), HTTPException(413))
        await answer(self.scope, self._receive, self.send)

    async def fail(self, error: Exception) -> None:
        if self._status is not None:
            log.error(
                "answer_cut_off",
                request_id=self.request_id,
                kind=type(error).__name__,
                where=where(error),
            )
            return
        answer = await failed(Request(self.scope), error)
        await answer(self.scope, self._receive, self.send)

    def write_down(self) -> None:
        method = metrics.word_for(self._method)
        # the template, never the path: a path may hold an id, or anything
        route = getattr(self.scope.get("route"), "path", None)
        status = self._status or 500
        signed_in = "signed_in" in self.scope["state"]
        seconds = perf_counter() - self._began
        metrics.count_request(method, route, status, seconds, signed_in=signed_in)
        log.info(
            "request",
            request_id=self.request_id,
            method=method,
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            signed_in=signed_in,
        )

    def _headers(self) -> list[tuple[bytes, bytes]]:
        # the next request goes to a process that stays
        leaving = [(b"connection", b"close")] if self._gate.closing else []
        return [*leaving, (b"x-request-id", self.request_id.encode()), *_PRIVATE]

    def _policy(self) -> bytes:
        return _POLICY_OF_PAGES if self.scope["path"].startswith(_PAGES) else _POLICY


def _largest_at(path: str) -> int:
    """Give how many bytes may be sent to an address."""
    if path == _IMPORTS:
        return LARGEST_IMPORT
    return LARGEST_FORM if path.startswith(_FORMS) else LARGEST_BODY
