"""Deliveries of webhooks: what was sent to them, with each try, and what is sent again by hand."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from sqlmodel import col, select

from api.access.guards import may
from api.domain.days import AFTER_NOW
from api.domain.errors import Conflict, Invalid
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.values import Input, Instant, Output
from api.domain.vocabulary import Event
from api.http.idempotency import remember
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row
from api.journal.outbox import hidden_since, load_webhook, owe_a_test, owe_again
from api.storage.loading import load_or_404
from api.storage.models.integration import (
    DeliveryStatus,
    Outcome,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEvent,
)
from api.storage.transaction import Transaction

# no secret is shown here: what is sent again is answered with the delivery
router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=StrictRoute)

_TYPE = "webhook_delivery"


class AttemptRead(Output):
    """One try. `http_status` is there where an answer came, of which nothing else is kept."""

    at: datetime
    outcome: Outcome
    http_status: int | None
    milliseconds: int


class DeliveryRead(Output):
    """An event that a webhook is told of. `next_attempt_at`: when it is tried again, if it is.

    `event_id` is also the `webhook-id` of what is sent.
    """

    id: UUID
    created_at: datetime
    updated_at: datetime
    event: Event
    event_id: UUID
    record_type: str | None
    record_id: UUID | None
    case_id: UUID | None
    status: DeliveryStatus
    next_attempt_at: datetime | None
    attempts: list[AttemptRead]


class WebhookReplay(Input):
    """From when on a webhook is told what it missed."""

    since: Instant = Field(description="What happened at this instant or later is sent.")


class DeliveryQuery(PageQuery):
    """Which deliveries, and how many."""

    status: DeliveryStatus | None = Field(default=None, description="How far they have come.")
    event: Event | None = Field(default=None, description="What they tell of.")
    updated_since: Instant | None = Field(
        default=None, description="Owed, tried or sent again since then."
    )


@router.post("/{webhook_id}/test")
async def try_webhook(
    webhook_id: UUID,
    me: Annotated[Actor, Depends(may(Action.webhook_change))],
    tx: Tx,
    request: Request,
) -> DeliveryRead:
    """Send a `webhook.test` event, as any other is sent. For admins; 409 where it is switched off.

    What comes of it is in the list of its deliveries, a moment later.
    """
    webhook = await load_webhook(tx, webhook_id, lock=True)
    _refuse_switched_off(webhook)
    delivery = await owe_a_test(tx, webhook)
    record_row(tx, Happening.webhook_tested, webhook, actor_id=me.id)
    remember(request, _TYPE, delivery.id)
    await tx.flush()
    (shown,) = await _shown_deliveries(tx, [delivery])
    return shown


@router.get("/{webhook_id}/deliveries")
async def list_webhook_deliveries(
    webhook_id: UUID,
    query: Annotated[DeliveryQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.webhook_read))],  # noqa: ARG001 - the guard
    marks: Marks,
    tx: Tx,
) -> Page[DeliveryRead]:
    """List what a webhook was told, or is to be, with each try. For admins and privacy officers.

    Newest first. There are ids only, and of the receivers' answers their status only.
    """
    webhook = await load_webhook(tx, webhook_id)
    owed = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook.id)
    if query.status is not None:
        owed = owed.where(WebhookDelivery.status == query.status)
    if query.updated_since is not None:
        owed = owed.where(col(WebhookDelivery.updated_at) >= query.updated_since)
    if query.event is not None:
        event = col(WebhookEvent.id) == WebhookDelivery.event_id
        owed = owed.join(WebhookEvent, event).where(WebhookEvent.event == str(query.event))
    listing = f"webhooks/{webhook.id}/deliveries"
    rows, following = await newest_first(tx, marks, listing, query, owed, WebhookDelivery)
    return Page(items=await _shown_deliveries(tx, rows), next=following)


@router.post("/{webhook_id}/deliveries/replay", status_code=204)
async def replay_webhook_events(
    webhook_id: UUID,
    body: WebhookReplay,
    me: Annotated[Actor, Depends(may(Action.webhook_change))],
    tx: Tx,
) -> None:
    """Send a webhook what happened since an instant and it was not told of. For admins.

    Also what happened while it was switched off, or not there yet: the journal tells it. What was
    given up is tried again; what arrived, or is on its way, is not sent a second time. Events are
    owed in their order, each with the `webhook-id` it had. Of records that are restricted now, and
    of prompts, nothing is sent. The list of deliveries shows what is owed.

    409 where the webhook is switched off; 422 where more than 10,000 events happened since then.
    """
    webhook = await load_webhook(tx, webhook_id, lock=True)
    _refuse_switched_off(webhook)
    if body.since > tx.now:
        raise Invalid("/since", AFTER_NOW)
    await owe_again(tx, webhook, body.since)
    record_row(tx, Happening.webhook_replayed, webhook, actor_id=me.id)


@router.get("/{webhook_id}/deliveries/{delivery_id}")
async def read_delivery(
    webhook_id: UUID,
    delivery_id: UUID,
    me: Annotated[Actor, Depends(may(Action.webhook_read))],  # noqa: ARG001 - the guard
    tx: Tx,
) -> DeliveryRead:
    """Read what became of one event that a webhook is told of. For admins and privacy officers."""
    delivery, _ = await _load(tx, await load_webhook(tx, webhook_id), delivery_id)
    (shown,) = await _shown_deliveries(tx, [delivery])
    return shown


@router.post("/{webhook_id}/deliveries/{delivery_id}/resend")
async def resend_delivery(
    webhook_id: UUID,
    delivery_id: UUID,
    me: Annotated[Actor, Depends(may(Action.webhook_change))],
    tx: Tx,
    request: Request,
) -> DeliveryRead:
    """Send an event again, delivered or not, as if for the first time. For admins.

    It has the same `webhook-id`, so that a receiver knows it. 409 where the webhook is switched
    off, and where what it tells of was restricted since.
    """
    webhook = await load_webhook(tx, webhook_id, lock=True)
    delivery, event = await _load(tx, webhook, delivery_id, lock=True)
    _refuse_switched_off(webhook)
    if await hidden_since(tx, [event]):
        raise Conflict("What it tells of is restricted now; of such no event is sent.")
    again = {"status": DeliveryStatus.pending, "attempts": 0, "next_attempt_at": tx.now}
    delivery.change(again, tx.now)
    record_row(tx, Happening.webhook_resent, webhook, actor_id=me.id)
    remember(request, _TYPE, delivery.id)
    (shown,) = await _shown_deliveries(tx, [delivery])
    return shown


async def _load(
    tx: Transaction, webhook: Webhook, delivery_id: UUID, *, lock: bool = False
) -> tuple[WebhookDelivery, WebhookEvent]:
    statement = (
        select(WebhookDelivery, WebhookEvent)
        .join(WebhookEvent, col(WebhookEvent.id) == WebhookDelivery.event_id)
        .where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.id == delivery_id)
    )
    return await load_or_404(tx, statement, lock=lock)


def _refuse_switched_off(webhook: Webhook) -> None:
    if not webhook.is_active:
        raise Conflict("This webhook is switched off.")


async def _shown_deliveries(
    tx: Transaction, deliveries: Iterable[WebhookDelivery]
) -> list[DeliveryRead]:
    rows = list(deliveries)
    told = select(WebhookEvent).where(col(WebhookEvent.id).in_([row.event_id for row in rows]))
    events = {event.id: event for event in await tx.exec(told)}
    tried: dict[UUID, list[WebhookAttempt]] = defaultdict(list)
    for attempt in await tx.exec(
        select(WebhookAttempt)
        .where(col(WebhookAttempt.delivery_id).in_([row.id for row in rows]))
        .order_by(col(WebhookAttempt.id))
    ):
        tried[attempt.delivery_id].append(attempt)
    return [_shown_delivery(row, events[row.event_id], tried[row.id]) for row in rows]


def _shown_delivery(
    row: WebhookDelivery, event: WebhookEvent, tried: list[WebhookAttempt]
) -> DeliveryRead:
    of_event: dict[str, Any] = event.model_dump(include={"event", "record_type", "record_id"})
    of_row = row.model_dump(
        include={"id", "created_at", "updated_at", "event_id", "status", "next_attempt_at"}
    )
    attempts = [AttemptRead.model_validate(attempt) for attempt in tried]
    return DeliveryRead(**of_event, **of_row, case_id=event.case_id, attempts=attempts)
