"""The load: a process of its own that reads a plan from its input and sends it for some seconds.

HTTP/1.1 over kept connections, with just as much of the protocol as the two servers speak: a
client library would need more of the machine than the servers measured.
"""

import asyncio
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterator
from time import perf_counter
from typing import Any, TypedDict

import uvloop


class Plan(TypedDict):
    """Which requests, already written out; sent in order and over again."""

    port: int
    clients: int
    seconds: float
    requests: list[str]


class Outcome(TypedDict):
    """What came of it. Times in milliseconds.

    `failed` counts the answers that were not 2xx, by their status; `error` is the first of them.
    """

    sent: int
    per_second: float
    p50: float
    p99: float
    failed: dict[str, int]
    error: str | None


def unanswered(seconds: float) -> Outcome:
    """Tell of a load that was given up: some request had no answer for so long."""
    wait = seconds * 1000
    said = f"no answer for {seconds:.0f} seconds"
    return Outcome(sent=1, per_second=0, p50=wait, p99=wait, failed={"none": 1}, error=said)


class _Connection(asyncio.Protocol):
    """One kept connection with one request under way at a time."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._buffer = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    async def send(self, request: bytes) -> bytes:
        """Send a request; give the whole answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        length = _length(self._buffer)
        if length is None or len(self._buffer) < length or self._answer is None:
            return
        answer, self._buffer = self._buffer[:length], self._buffer[length:]
        self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server hung up"))


def _length(buffer: bytes) -> int | None:
    """Give how long the answer is that begins here, once that is known."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = buffer[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise ValueError("an answer without a length")
    return end + 4 + int(head[at + 17 :].partition(b"\r\n")[0])


async def send_plan(plan: Plan) -> Outcome:
    """Send requests from all clients at once until the time is over."""
    loop = asyncio.get_running_loop()
    requests = itertools.cycle([request.encode() for request in plan["requests"]])
    connections = [
        (await loop.create_connection(_Connection, "127.0.0.1", plan["port"]))[1]
        for _ in range(plan["clients"])
    ]
    times: list[float] = []
    bad: list[tuple[str, str]] = []
    began = perf_counter()
    until = began + plan["seconds"]
    await asyncio.gather(
        *(_client(connection, requests, until, times, bad) for connection in connections)
    )
    took = perf_counter() - began
    for connection in connections:
        connection.close()
    times.sort()
    return {
        "sent": len(times),
        "per_second": len(times) / took,
        "p50": times[len(times) // 2] * 1000,
        "p99": times[len(times) * 99 // 100] * 1000,
        "failed": dict(Counter(status for status, _ in bad)),
        "error": bad[0][1] if bad else None,
    }


async def _client(
    connection: _Connection,
    requests: Iterator[bytes],
    until: float,
    times: list[float],
    bad: list[tuple[str, str]],
) -> None:
    while (began := perf_counter()) < until:
        request = next(requests)
        answer = await connection.send(request)
        times.append(perf_counter() - began)
        if answer[9:10] != b"2":
            asked = request.partition(b"\r\n")[0].decode()
            head, _, body = answer.partition(b"\r\n\r\n")
            status = head.partition(b"\r\n")[0].decode(errors="replace")
            said = f"{asked} was answered {status} {body[:500].decode(errors='replace')}"
            bad.append((status[9:12], said))


if __name__ == "__main__":
    json.dump(uvloop.run(send_plan(json.load(sys.stdin))), sys.stdout)
