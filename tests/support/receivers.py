"""Receivers of events: small servers on this machine, well-behaved or not."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import time_machine
from standardwebhooks import Webhook as Verifier

from api.interop.webhooks.deliveries import Deliveries, write_down
from api.interop.webhooks.signed_request import Answer, Letter
from api.security.outbound_addresses import Destinations
from api.storage.models.integration import Outcome, WebhookDelivery
from tests.support.world import Person, World, made, ok

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Received:
    """A request as it came: its target, its headers in lower case, and its body."""

    target: str
    headers: dict[str, str]
    body: str

    def verify(self, secret: str, world: World) -> Any:
        """Verify it as a receiver does, at the world's time; raises where it is not genuine."""
        with time_machine.travel(world.clock.now, tick=False):
            return Verifier(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """A server on this machine that keeps what it is sent, and answers as it is told to."""

    behave: Behaviour
    port: int = 0
    connections: int = 0
    received: list[Received] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def address(self) -> str:
        """Where it listens, as the setting has it."""
        return f"127.0.0.1:{self.port}"

    @property
    def events(self) -> list[str]:
        """Name what it was told of, in the order it came."""
        return [each.body.partition('"type":"')[2].partition('"')[0] for each in self.received]

    async def has_received(self, number: int) -> None:
        """Wait until it was told this often."""
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(lambda: len(self.received) >= number)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        self.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError), closing(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.partition(": ") for line in head[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.received.append(Received(head[0].split()[1], headers, body.decode()))
            async with self._news:
                self._news.notify_all()
            await self.behave(writer)


def status(code: int, *lines: str, body: str = "") -> Behaviour:
    """Answer with a status."""
    head = "\r\n".join((f"HTTP/1.1 {code} Whatever", f"Content-Length: {len(body)}", *lines))

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"{head}\r\n\r\n{body}".encode())
        await writer.drain()

    return answer


def raw(text: bytes) -> Behaviour:
    """Answer with some bytes."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()

    return answer


async def never(writer: asyncio.StreamWriter) -> None:
    """Answer nothing."""
    await asyncio.sleep(60)


def waiting() -> tuple[Behaviour, asyncio.Event]:
    """Answer 204 once something has happened."""
    may_answer = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        await may_answer.wait()
        await status(204)(writer)

    return answer, may_answer


async def in_drops(writer: asyncio.StreamWriter) -> None:
    """Answer one byte at a time, each just in time for whoever only waits for the next."""
    for each in b"HTTP/1.1 200 OK\r\n" + b"X-Drop: 1\r\n" * 600:
        writer.write(bytes([each]))
        await writer.drain()
        await asyncio.sleep(0.01)


async def promising_without_end(writer: asyncio.StreamWriter) -> None:
    """Say that an answer is coming, for ever."""
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2_000)
        await writer.drain()


async def without_end(writer: asyncio.StreamWriter) -> None:
    """Say yes, and then send a body that never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


@asynccontextmanager
async def receiver(
    behave: Behaviour | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Open a receiver; without more it answers 204."""
    opened = Receiver(behave or status(204))
    meetings: set[asyncio.Task[None]] = set()

    def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        meeting = asyncio.ensure_future(opened.meet(reader, writer))
        meetings.add(meeting)
        meeting.add_done_callback(meetings.discard)

    server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=tls)
    opened.port = server.sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        server.close()
        for each in list(meetings):
            each.cancel()
        await asyncio.gather(*meetings, return_exceptions=True)
        # what was closed is let go in the loop's next round
        await asyncio.sleep(0)


def allow(world: World, *receivers: Receiver) -> Destinations:
    """Let events be sent to these, although they are not public."""
    destinations = Destinations(each.address for each in receivers)
    world.app.state.destinations = destinations
    return destinations


async def subscribe(admin: Person, to: Receiver, *events: str) -> dict[str, Any]:
    """Subscribe a receiver to some events."""
    body = {"name": "Diary", "url": f"http://{to.address}/events", "events": list(events)}
    return made(await admin.post("/v1/webhooks", body))


async def log_of(admin: Person, hook: dict[str, Any], **filters: str) -> list[dict[str, Any]]:
    """Read the deliveries of a webhook, newest first."""
    path = f"/v1/webhooks/{hook['id']}/deliveries"
    items: list[dict[str, Any]] = ok(await admin.get(path, limit=100, **filters))["items"]
    return items


async def forget_what_is_owed(world: World) -> None:
    """Give up what other tests have left to be delivered: a worker works for every clinic."""
    async with world.owner.transaction() as tx:
        await tx.exec(sa.update(WebhookDelivery).values(next_attempt_at=None))


async def deliver(world: World) -> int:
    """Try once whatever is due, as far as there is room; count the tries."""
    deliveries = Deliveries(world.database, world.app.state.destinations)
    begun = await deliveries.begin()
    await deliveries.finish()
    return begun


async def try_in_vain(world: World, admin: Person) -> None:
    """Leave a webhook with a delivery that was tried once; nothing is sent."""
    body = {"name": "Diary", "url": "https://diary.example/events", "events": ["flag.*"]}
    hook = made(await admin.post("/v1/webhooks", body))
    sent = ok(await admin.post(f"/v1/webhooks/{hook['id']}/test"))
    hook_id, delivery_id, event_id = (UUID(of["id"]) for of in (hook, sent, sent))
    letter = Letter(admin.clinic_id, hook_id, delivery_id, event_id, hook["url"], "", ())
    await write_down(world.database, letter, Answer(Outcome.timed_out), 10)
