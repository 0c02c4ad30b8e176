"""Sends one event to one webhook: signed, to the address that was looked up, and nowhere else."""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import httpcore
import httpx
from standardwebhooks import Webhook as Signer

from api.domain.values import Output
from api.domain.vocabulary import Event
from api.interop.webhooks.host_lookup import NotResolvedError, look_up
from api.security.outbound_addresses import Address, Destinations, NotPublicError
from api.storage.models.integration import Outcome, WebhookEvent

TIME_LIMIT = 10.0
"""Seconds that one try may take in all."""
_MOST_ADDRESSES = 3
_MOST_READ = 256 * 1024
"""Bytes of an answer: a head is much shorter, but interim ones (RFC 9110, 1xx) might never end."""


class EventIds(Output):
    """Which event it is, of which clinic, and which record it tells of. Nothing else is told."""

    event_id: UUID
    clinic_id: UUID
    record_type: str | None
    record_id: UUID | None
    case_id: UUID | None


class EventNotice(Output):
    """What a webhook is sent. `timestamp` is when it happened."""

    type: Event
    timestamp: datetime
    data: EventIds


@dataclass(frozen=True, slots=True)
class Letter:
    """An event on its way to one webhook, with all that is needed to send it."""

    clinic_id: UUID
    webhook_id: UUID
    delivery_id: UUID
    event_id: UUID
    url: str
    body: str
    secrets: tuple[str, ...]


class Answer(NamedTuple):
    """What came of a try; `http_status` where there was an answer of HTTP."""

    outcome: Outcome
    http_status: int | None = None


def body_of(event: WebhookEvent) -> str:
    """Write what a webhook is sent: the same for each try, ids only."""
    about = {**event.__dict__, "event_id": event.id}
    notice = {"type": event.event, "timestamp": event.at, "data": about}
    return EventNotice.model_validate(notice).model_dump_json()


async def send(letter: Letter, destinations: Destinations, now: datetime) -> Answer:
    """Try once to deliver a letter, within the time limit; nothing of the answer is kept."""
    try:
        async with asyncio.timeout(TIME_LIMIT):
            return await _post(letter, destinations, now)
    except (TimeoutError, httpcore.TimeoutException):
        return Answer(Outcome.timed_out)
    except NotPublicError:
        return Answer(Outcome.not_public)
    except NotResolvedError:
        return Answer(Outcome.not_resolved)
    except (httpcore.NetworkError, OSError) as error:
        return Answer(Outcome.not_trusted if _is_about_trust(error) else Outcome.not_connected)
    except httpcore.ProtocolError:
        return Answer(Outcome.not_http)


async def _post(letter: Letter, destinations: Destinations, now: datetime) -> Answer:
    # looked at anew each time: what a name stands for may have changed since it was subscribed
    to = destinations.parse_url(letter.url)
    addresses = await look_up(to)
    body = letter.body.encode()
    headers = {**headers_of(letter, now), "Host": _host_header(to.scheme, to.host, to.port)}
    url = httpcore.URL(scheme=to.scheme, host=to.host, port=to.port, target=to.target)
    # a connection of its own, to these addresses; no proxy, no redirect, no cookie
    async with (
        httpcore.AsyncConnectionPool(
            ssl_context=_trust(), max_connections=1, network_backend=_Only(addresses)
        ) as connection,
        connection.stream("POST", url, headers=list(headers.items()), content=body) as answer,
    ):
        # leaving closes the connection: the answer's body is not read
        return Answer(_outcome_of(answer.status), answer.status)


def headers_of(letter: Letter, now: datetime) -> dict[str, str]:
    """Sign a letter as Standard Webhooks has it, once with each secret."""
    message_id = str(letter.event_id)
    signed = (Signer(each).sign(message_id, now, letter.body) for each in letter.secrets)
    return {
        "Content-Type": "application/json",
        "Content-Length": str(len(letter.body.encode())),
        "User-Agent": "Boundary-Notes",
        "Connection": "close",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signed),
    }


def _host_header(scheme: str, host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == (443 if scheme == "https" else 80) else f"{name}:{port}"


def _outcome_of(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome.delivered
    if 300 <= status < 400:
        return Outcome.redirected
    return Outcome.gone if status == 410 else Outcome.not_accepted


def _is_about_trust(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


@cache
def _trust() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class _Only(httpcore.AsyncNetworkBackend):
    """Connects to the addresses it was given, whatever name it is asked for, and reads little.

    The name stays what the certificate is checked against, and what the request names.
    """

    def __init__(self, addresses: list[Address]) -> None:
        self._addresses = addresses[:_MOST_ADDRESSES]
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - it was looked up, and is not looked up again
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address where somebody answers."""
        *others, last = self._addresses
        for address in others:
            try:
                return await self._connect(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                continue
        return await self._connect(last, port, timeout, local_address, socket_options)

    async def _connect(self, address: Address, *how: Any) -> httpcore.AsyncNetworkStream:
        return _Brief(await self._network.connect_tcp(str(address), *how))


class _Brief(httpcore.AsyncNetworkStream):
    """A connection that is read so far and no further."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = _MOST_READ

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Read some bytes; an error of the protocol where they are too many."""
        read = await self._stream.read(max_bytes, timeout)
        self._left -= len(read)
        if self._left < 0:
            raise httpcore.RemoteProtocolError("The answer is too long.")
        return read

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Write, as much as it may be."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        """Give what is known of the connection."""
        return self._stream.get_extra_info(info)

    async def start_tls(self, *how: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        """Go on encrypted."""
        return _Brief(await self._stream.start_tls(*how, **more))
