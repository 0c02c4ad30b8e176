"""Carries what is owed to webhooks over the network: claimed, sent, and written down.

No transaction is open while anything is sent. A delivery is claimed by moving its next try ahead;
who dies before the answer is written down leaves it to be sent again, so a receiver may be told
twice, and knows it by the id.
"""

import asyncio
import random
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlmodel import col, select

from api.interop.webhooks.signed_request import Answer, Letter, body_of, send
from api.journal.entries import Happening, record_row
from api.journal.outbox import hidden_since, stop_deliveries, watch_anew
from api.records.software_secrets import live_secrets
from api.security.outbound_addresses import Destinations
from api.storage.database import Database
from api.storage.models.integration import (
    DeliveryStatus,
    Outcome,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEvent,
    WebhookSecret,
)
from api.storage.models.people import Clinic
from api.storage.questions import AcrossClinics
from api.storage.transaction import Transaction

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

_CLINICS_WITH_DELIVERIES_DUE = AcrossClinics(
    plain=sa.select(col(Clinic.id)).where(
        sa.exists().where(
            col(WebhookDelivery.clinic_id) == Clinic.id,
            col(WebhookDelivery.next_attempt_at) <= sa.bindparam("present"),
        )
    ),
    guarded=sa.text("SELECT id FROM clinics_with_deliveries_due(:present)"),
)

log = structlog.get_logger("worker")


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
        # no clinic, and no webhook, is always the last one
        for (clinic_id,) in random.sample(due, len(due)):
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
    # one look into the index for each webhook, however much it is owed
    due = sa.exists().where(
        col(WebhookDelivery.clinic_id) == tx.clinic.id,
        col(WebhookDelivery.webhook_id) == Webhook.id,
        col(WebhookDelivery.next_attempt_at) <= tx.now,
    )
    found = (await tx.exec(select(col(Webhook.id)).where(due))).all()
    return random.sample(found, len(found))


async def _claim_for(tx: Transaction, webhook_id: UUID, room: int) -> list[Letter]:
    webhook = (await tx.exec(select(Webhook).where(Webhook.id == webhook_id))).one()
    signing = await live_secrets(tx, WebhookSecret, [webhook_id])
    secrets = tuple(str(each.secret) for each in signing[webhook_id])
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
    owed = due.all()
    hidden = await hidden_since(tx, [event for _, event in owed])
    letters = []
    for delivery, event in owed:
        if event.id in hidden:
            delivery.change({"status": DeliveryStatus.failed, "next_attempt_at": None}, tx.now)
            continue
        delivery.change({"next_attempt_at": tx.now + CLAIMED_FOR}, tx.now)
        ids = (tx.clinic.id, webhook_id, delivery.id, event.id)
        letters.append(Letter(*ids, webhook.url, body_of(event), secrets))
    return letters


# ------------------------------------------------------------------------------------ writing down


async def write_down(database: Database, letter: Letter, answer: Answer, seconds: float) -> None:
    """Keep what came of a try, and say when it is tried again, if it is."""
    async with database.transaction() as tx:
        await tx.enter_for_work(letter.clinic_id)
        if answer.outcome == Outcome.gone:
            # the webhook before its deliveries, as whoever changes one locks them
            await _lock(tx, letter.webhook_id)
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
    webhook = await _lock(tx, webhook_id)
    if not webhook.is_active or webhook.deleted_at is not None:
        return
    webhook.change({"is_active": False}, tx.now)
    record_row(tx, Happening.webhook_changed, webhook, actor_id=None, changed=["is_active"])
    await stop_deliveries(tx, webhook.id)
    await watch_anew(tx)


async def _lock(tx: Transaction, webhook_id: UUID) -> Webhook:
    wanted = select(Webhook).where(Webhook.id == webhook_id)
    # not FOR UPDATE: whoever owes it an event meanwhile only needs the webhook to be there
    webhook: Webhook = (await tx.exec(wanted.with_for_update(key_share=True))).one()
    return webhook
