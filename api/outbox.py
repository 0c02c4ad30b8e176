"""What the clinic's software is to be told of: owed in the same transaction as what happened."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from api.db import Transaction
from api.errors import NotFound
from api.instants import never_back
from api.models import (
    Clinic,
    DeliveryStatus,
    Flag,
    Incident,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
)
from api.vocabulary import Event

TELLABLE = frozenset(map(str, Event)) - {Event.webhook_test}
"""What may be asked for; a test is sent to one webhook by hand."""

FAMILIES = tuple(dict.fromkeys(f"{event.partition('.')[0]}.*" for event in sorted(TELLABLE)))
"""All events of one noun, those that come later too: `flag.*`."""

_MAY_BE_HIDDEN: dict[str, type[Incident] | type[Flag]] = {"incident": Incident, "flag": Flag}


def owe(
    tx: Transaction,
    event: str,
    *,
    record_type: str | None,
    record_ids: Sequence[UUID],
    case_id: UUID | None,
) -> None:
    """Owe an event to the webhooks that ask for it, and nothing where none does."""
    if not tx.clinic.watched or event not in TELLABLE or not _asks(tx.clinic.watched, event):
        return
    for record_id in record_ids:
        about = {"record_type": record_type, "record_id": record_id, "case_id": case_id}
        tx.write_before_last(_write, {"event": event, **about})


async def load_webhook(tx: Transaction, webhook_id: UUID, *, lock: bool = False) -> Webhook:
    """Give a webhook that was not taken away. Raises 404."""
    statement = select(Webhook).where(Webhook.id == webhook_id, col(Webhook.deleted_at).is_(None))
    # not FOR UPDATE: whoever owes it an event meanwhile only needs the webhook to be there
    found = await tx.exec(statement.with_for_update(key_share=True) if lock else statement)
    webhook: Webhook | None = found.first()
    if webhook is None:
        raise NotFound
    return webhook


async def owe_a_test(tx: Transaction, webhook: Webhook) -> WebhookDelivery:
    """Owe one webhook an event that tells of nothing."""
    about = {"record_type": "webhook", "record_id": webhook.id, "case_id": None}
    event = _event(tx, {"event": str(Event.webhook_test), **about})
    tx.add(event)
    # the delivery points at it
    await tx.flush()
    delivery = _delivery(tx, webhook.id, event.id)
    tx.add(delivery)
    return delivery


async def watch_anew(tx: Transaction) -> None:
    """Let the clinic's row say what its webhooks ask for, now that one has changed.

    The clinic's row is locked first: who changes another webhook at the same time waits, and then
    sees this change.
    """
    await tx.flush()
    here = col(Clinic.id) == tx.clinic.id
    # not FOR UPDATE: whoever writes a record meanwhile only needs the clinic to be there
    await tx.exec(select(col(Clinic.id)).where(here).with_for_update(key_share=True))
    asked = (event for each in await _listening(tx) for event in each.events)
    await tx.exec(sa.update(Clinic).where(here).values(watched_events=sorted(set(asked))))


async def stop_deliveries(tx: Transaction, webhook_id: UUID) -> None:
    """Give up what a webhook is still owed: it was taken away, or switched off."""
    await tx.flush()
    await tx.exec(
        sa.update(WebhookDelivery)
        .where(
            col(WebhookDelivery.webhook_id) == webhook_id,
            col(WebhookDelivery.next_attempt_at).is_not(None),
        )
        .values(
            status=DeliveryStatus.failed,
            next_attempt_at=None,
            updated_at=never_back(col(WebhookDelivery.updated_at), tx.instant),
        )
    )


async def hidden_since(tx: Transaction, events: Iterable[WebhookEvent]) -> set[UUID]:
    """Give those of the records told of that somebody has hidden since the event was owed."""
    told: dict[str | None, list[UUID | None]] = {}
    for event in events:
        told.setdefault(event.record_type, []).append(event.record_id)
    hidden: set[UUID] = set()
    for record_type, model in _MAY_BE_HIDDEN.items():
        if ids := told.get(record_type):
            asked = select(col(model.id)).where(
                model.clinic_id == tx.clinic.id,
                col(model.id).in_(ids),
                col(model.restricted).is_(True),
            )
            hidden |= set(await tx.exec(asked))
    return hidden


async def _write(tx: Transaction, rows: list[dict[str, Any]]) -> None:
    listening = await _listening(tx)
    owed = [
        (event, hook)
        for event in (_event(tx, row) for row in rows)
        for hook in listening
        if _asks(hook.events, event.event)
    ]
    for event, _ in owed:
        tx.add(event)
    # the deliveries point at them
    await tx.flush()
    for event, hook in owed:
        tx.add(_delivery(tx, hook.id, event.id))


async def _listening(tx: Transaction) -> list[Webhook]:
    return list(
        await tx.exec(
            select(Webhook)
            .where(col(Webhook.is_active).is_(True), col(Webhook.deleted_at).is_(None))
            .order_by(col(Webhook.id))
        )
    )


def _asks(wanted: Iterable[str], event: str) -> bool:
    return event in wanted or f"{event.partition('.')[0]}.*" in wanted


def _event(tx: Transaction, row: dict[str, Any]) -> WebhookEvent:
    return WebhookEvent(clinic_id=tx.clinic.id, id=uuid7(), at=tx.now, **row)


def _delivery(tx: Transaction, webhook_id: UUID, event_id: UUID) -> WebhookDelivery:
    return WebhookDelivery(
        clinic_id=tx.clinic.id,
        id=uuid7(),
        webhook_id=webhook_id,
        event_id=event_id,
        next_attempt_at=tx.now,
        created_at=tx.now,
        updated_at=tx.now,
    )
