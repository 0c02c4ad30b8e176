"""Carries what is owed to webhooks over the network: claimed, sent, and written down.

No transaction is open while anything is sent. A delivery is claimed by moving its next try ahead;
who dies before the answer is written down leaves it to be sent again, so a receiver may be told
twice, and knows it by the id.
"""

import asyncio
import random
import ssl
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import httpcore
import httpx
import sqlalchemy as sa
import structlog
from sqlalchemy import or_
from sqlmodel import col, select
from standardwebhooks import Webhook as Signer

from api.db import AcrossClinics, Database, Transaction
from api.domain.values import Output
from api.journal import Happening, record
from api.models import (
    DeliveryStatus,
    Outcome,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEvent,
    WebhookSecret,
)
from api.outbox import stop_deliveries, watch_anew
from api.public_addresses import Address, Destinations, NotPublicError, NotResolvedError
from api.vocabulary import Event

TIME_LIMIT = 10.0
"""Seconds that one try may take in all."""
CLAIMED_FOR = timedelta(seconds=60)
"""How long nobody else tries what was claimed: longer than a try with its writing down."""
AT_ONCE = 32
AT_ONCE_TO_ONE = 4
"""Deliveries under way to one webhook: a slow one leaves room for the others."""

WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 4 * 3600, 6 * 3600, 11 * 3600)
)
"""After each try that failed, how long until the next; after the last there is none."""
TRIES = len(WAITS) + 1
JITTER = 0.2
"""By how much a wait may be longer, so that what failed together does not come back together."""

_MOST_ADDRESSES = 3

_CLINICS_WITH_DELIVERIES_DUE = AcrossClinics(
    plain=sa.select(col(WebhookDelivery.clinic_id))
    .where(col(WebhookDelivery.next_attempt_at) <= sa.bindparam("present"))
    .distinct(),
    guarded=sa.text("SELECT id FROM clinics_with_deliveries_due(:present)"),
)

log = structlog.get_logger("worker")


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


class Deliveries:
    """Carries many letters at a time, and few to each webhook."""

    def __init__(self, database: Database, destinations: Destinations) -> None:
        self._database = database
        self._destinations = destinations
        self._under_way: dict[asyncio.Task[None], UUID] = {}

    async def begin(self) -> int:
        """Claim what is due, as far as there is room, and begin to send it; count the letters."""
        begun = 0
        async with self._database.transaction() as tx:
            due = (await tx.ask_everywhere(_CLINICS_WITH_DELIVERIES_DUE, present=tx.now)).all()
        for (clinic_id,) in due:
            try:
                letters = await self._claim(clinic_id)
            except Exception as error:
                # never its text, and the other clinics' turn all the same
                log.error("work failed", work="deliveries", kind=type(error).__name__)
                continue
            begun += len(letters)
            for letter in letters:
                task = asyncio.create_task(self._carry(letter))
                self._under_way[task] = letter.webhook_id
                task.add_done_callback(self._under_way.pop)
        return begun

    async def finish(self) -> None:
        """Wait for all that is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _claim(self, clinic_id: UUID) -> list[Letter]:
        letters: list[Letter] = []
        busy = Counter(self._under_way.values())
        async with self._database.transaction() as tx:
            await tx.enter_for_work(clinic_id)
            for webhook_id in await _webhooks_with_deliveries_due(tx):
                room = min(
                    AT_ONCE - len(self._under_way) - len(letters),
                    AT_ONCE_TO_ONE - busy[webhook_id],
                )
                if room > 0:
                    letters += await _claim_for(tx, webhook_id, room)
        return letters

    async def _carry(self, letter: Letter) -> None:
        try:
            began = time.monotonic()
            answer = await send(letter, self._destinations, self._database.clock())
            await write_down(self._database, letter, answer, time.monotonic() - began)
        except Exception as error:
            # it stays claimed, and is tried again after that
            log.error("work failed", work="delivery", kind=type(error).__name__)


# ---------------------------------------------------------------------------------------- claiming


async def _webhooks_with_deliveries_due(tx: Transaction) -> list[UUID]:
    due = select(col(WebhookDelivery.webhook_id)).where(
        col(WebhookDelivery.next_attempt_at) <= tx.now
    )
    return list((await tx.exec(due.distinct())).all())


async def _claim_for(tx: Transaction, webhook_id: UUID, room: int) -> list[Letter]:
    webhook = (await tx.exec(select(Webhook).where(Webhook.id == webhook_id))).one()
    secrets = tuple(str(each.secret) for each in await live_secrets(tx, [webhook_id]))
    if webhook.deleted_at is not None or not webhook.is_active or not secrets:
        # it was owed by a write that did not yet know
        await stop_deliveries(tx, webhook_id)
        return []
    due = await tx.exec(
        select(WebhookDelivery, WebhookEvent)
        .join(WebhookEvent, col(WebhookEvent.id) == WebhookDelivery.event_id)
        .where(
            WebhookDelivery.webhook_id == webhook_id,
            col(WebhookDelivery.next_attempt_at) <= tx.now,
        )
        .order_by(col(WebhookDelivery.next_attempt_at), col(WebhookDelivery.id))
        .limit(room)
        .with_for_update(of=WebhookDelivery, skip_locked=True)
    )
    letters = []
    for delivery, event in due.all():
        delivery.change({"next_attempt_at": tx.now + CLAIMED_FOR}, tx.now)
        ids = (tx.clinic.id, webhook_id, delivery.id, event.id)
        letters.append(Letter(*ids, webhook.url, body_of(event), secrets))
    return letters


async def live_secrets(tx: Transaction, webhook_ids: Iterable[UUID]) -> list[WebhookSecret]:
    """Give the secrets that sign for some webhooks at present, the oldest first."""
    secrets = await tx.exec(
        select(WebhookSecret)
        .where(
            col(WebhookSecret.webhook_id).in_(webhook_ids),
            or_(col(WebhookSecret.expires_at).is_(None), col(WebhookSecret.expires_at) > tx.now),
        )
        .order_by(col(WebhookSecret.id))
    )
    return list(secrets)


def body_of(event: WebhookEvent) -> str:
    """Write what a webhook is sent: the same for each try, ids only."""
    about = {**event.__dict__, "event_id": event.id}
    notice = {"type": event.event, "timestamp": event.at, "data": about}
    return EventNotice.model_validate(notice).model_dump_json()


# ----------------------------------------------------------------------------------------- sending


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
    to = destinations.read(letter.url)
    addresses = await destinations.addresses(to)
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
    """Connects to the addresses it was given, whatever name it is asked for.

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
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except httpcore.ConnectError:
                continue
        return await self._network.connect_tcp(
            str(last), port, timeout, local_address, socket_options
        )


# ------------------------------------------------------------------------------------ writing down


async def write_down(database: Database, letter: Letter, answer: Answer, seconds: float) -> None:
    """Keep what came of a try, and say when it is tried again, if it is."""
    async with database.transaction() as tx:
        await tx.enter_for_work(letter.clinic_id)
        found = await tx.exec(
            select(WebhookDelivery)
            .where(WebhookDelivery.id == letter.delivery_id)
            .with_for_update()
        )
        delivery: WebhookDelivery = found.one()
        tx.add(
            WebhookAttempt(
                clinic_id=letter.clinic_id,
                delivery_id=delivery.id,
                at=tx.now,
                outcome=answer.outcome,
                http_status=answer.http_status,
                milliseconds=round(seconds * 1000),
            )
        )
        delivery.change(_after(delivery, answer.outcome, tx.now), tx.now)
        if answer.outcome == Outcome.gone:
            await _switch_off(tx, letter.webhook_id)


def _after(delivery: WebhookDelivery, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """Say what a try changes on its delivery."""
    tried = delivery.attempts + 1
    if outcome == Outcome.delivered:
        return {
            "attempts": tried,
            "status": DeliveryStatus.delivered,
            "next_attempt_at": None,
        }
    if delivery.status != DeliveryStatus.pending:
        # meanwhile it was given up, or another try arrived
        return {"attempts": tried}
    if tried >= TRIES or outcome == Outcome.gone:
        return {"attempts": tried, "status": DeliveryStatus.failed, "next_attempt_at": None}
    wait = WAITS[tried - 1] * (1 + JITTER * random.random())  # noqa: S311 - no secret
    return {"attempts": tried, "next_attempt_at": now + wait}


async def _switch_off(tx: Transaction, webhook_id: UUID) -> None:
    """Send a webhook nothing more whose receiver said that it wants nothing more."""
    found = await tx.exec(select(Webhook).where(Webhook.id == webhook_id).with_for_update())
    webhook: Webhook = found.one()
    if not webhook.is_active or webhook.deleted_at is not None:
        return
    webhook.change({"is_active": False}, tx.now)
    record(
        tx,
        Happening.webhook_changed,
        actor_id=None,
        record_type="webhook",
        record_ids=[webhook.id],
        changed=["is_active"],
    )
    await stop_deliveries(tx, webhook.id)
    await watch_anew(tx)
