"""What the clinic's software is to be told of: owed in the same transaction as what happened."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlmodel import SQLModel, col, select
from uuid_utils.compat import uuid7

from api.domain.errors import Invalid
from api.domain.vocabulary import Event
from api.storage.hidden_entries import ABOUT_ROWS, tells_of_hidden
from api.storage.instants import never_back
from api.storage.loading import load_or_404
from api.storage.models.columns import new_row
from api.storage.models.flags import IS_RESTRICTED
from api.storage.models.integration import DeliveryStatus, Webhook, WebhookDelivery, WebhookEvent
from api.storage.models.journal import WHAT_HAPPENED, JournalEntry
from api.storage.models.people import Clinic
from api.storage.transaction import Transaction

TELLABLE = frozenset(map(str, Event)) - {Event.webhook_test}
"""What may be asked for; a test is sent to one webhook by hand."""

FAMILIES = tuple(dict.fromkeys(f"{event.partition('.')[0]}.*" for event in sorted(TELLABLE)))
"""All events of one noun, those that come later too: `flag.*`."""

MOST_AGAIN = 10_000
"""Events that are owed again at once."""
_TOGETHER = 250
"""Of these, how many are written before others have their turn."""

_EVENTS = SQLModel.metadata.tables[WebhookEvent.__tablename__]
_DELIVERIES = SQLModel.metadata.tables[WebhookDelivery.__tablename__]


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
        tx.write_before_commit(_write, {"event": event, **about})


async def load_webhook(tx: Transaction, webhook_id: UUID, *, lock: bool = False) -> Webhook:
    """Give a webhook that was not taken away. Raises 404."""
    statement = select(Webhook).where(Webhook.id == webhook_id, col(Webhook.deleted_at).is_(None))
    # whoever owes it an event meanwhile only needs the webhook to be there
    return await load_or_404(tx, statement, lock=lock, pointed_at=True)


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


async def hidden_since(tx: Transaction, events: Collection[WebhookEvent]) -> set[UUID]:
    """Give the ids of those events that tell of nothing but what somebody has hidden since.

    What they tell of is hidden, or it is a flag that was moved by what was written of something
    hidden.
    """
    cases = {event.case_id for event in events if event.record_type in ABOUT_ROWS}
    hidden: set[UUID] = set()
    for model in IS_RESTRICTED if cases else ():
        on_them = (model.clinic_id == tx.clinic.id, col(model.case_id).in_(cases))
        hidden |= set(await tx.exec(select(col(model.id)).where(*on_them, IS_RESTRICTED[model])))
    if not hidden:
        return hidden
    entry = JournalEntry
    asked = sa.select(*map(col, (entry.happening, entry.at, entry.record_ids))).where(
        col(entry.clinic_id) == tx.clinic.id,
        col(entry.case_id).in_(cases),
        col(entry.at).in_({event.at for event in events}),
        col(entry.record_type).in_(ABOUT_ROWS),
        tells_of_hidden(hidden),
    )
    told = {
        (happening, at, UUID(record_id))
        for happening, at, record_ids in await tx.exec(asked)
        for record_id in record_ids
    }
    return {
        event.id
        for event in events
        if event.record_id in hidden or (event.event, event.at, event.record_id) in told
    }


# ------------------------------------------------------------------------------------ owed again


class _Told(NamedTuple):
    """An event as the journal tells of it; `entry_id` is the entry that does."""

    entry_id: UUID
    at: datetime
    event: str
    record_type: str | None
    record_id: UUID
    case_id: UUID | None

    @property
    def name(self) -> tuple[str, UUID, datetime]:
        """What tells it from other events, whether it was owed to anybody or not."""
        return self.event, self.record_id, self.at

    @property
    def own_id(self) -> UUID:
        """The id it has where nobody was told of it: the same whenever it is asked for."""
        return uuid5(self.entry_id, str(self.record_id))


async def owe_again(tx: Transaction, webhook: Webhook, since: datetime) -> None:
    """Owe a webhook what happened since an instant, but for what it has or is still owed.

    The journal tells what happened, also while nobody asked; of what is hidden now nothing is sent.
    Raises 422 where that is more than is owed at once.
    """
    told = await _told_since(tx, webhook, since)
    known = await _ids_of(tx, webhook, since)
    for start in range(0, len(told), _TOGETHER):
        some = told[start : start + _TOGETHER]
        events = [(_id_of(each, known), each) for each in some]
        await _owe_some(tx, webhook, events, len(told) - start)


def _id_of(told: _Told, known: dict[tuple[str, UUID, datetime], list[UUID]]) -> UUID:
    """Take the id an event was owed by, if it was, and else its own."""
    ids = known.get(told.name)
    return ids.pop(0) if ids else told.own_id


async def _told_since(tx: Transaction, webhook: Webhook, since: datetime) -> list[_Told]:
    entry = JournalEntry
    columns = (entry.id, entry.at, entry.happening, entry.record_type)
    asked = (
        sa.select(*map(col, columns), col(entry.record_ids), col(entry.case_id))
        .where(
            col(entry.clinic_id) == tx.clinic.id,
            col(entry.at) >= since,
            col(entry.happening).in_(_wanted(webhook)),
            # what `record` owes nobody
            col(entry.restricted).is_(False),
            col(entry.prompt).is_(False),
            WHAT_HAPPENED,
        )
        .order_by(col(entry.at), col(entry.id))
        .limit(MOST_AGAIN + 1)
    )
    told = [
        _Told(entry_id, at, happening, record_type, UUID(record_id), case_id)
        for entry_id, at, happening, record_type, record_ids, case_id in await tx.exec(asked)
        for record_id in record_ids
    ]
    if len(told) > MOST_AGAIN:
        raise Invalid(
            "/since",
            f"More than {MOST_AGAIN:,} events happened since then. Ask from a later instant, and "
            "read what changed before it from the lists, with updated_since.",
        )
    return told


async def _ids_of(
    tx: Transaction, webhook: Webhook, since: datetime
) -> dict[tuple[str, UUID, datetime], list[UUID]]:
    """Give the ids of events that were owed to somebody, so that a receiver knows them again."""
    columns = (WebhookEvent.event, WebhookEvent.record_id, WebhookEvent.at, WebhookEvent.id)
    asked = sa.select(*map(col, columns)).where(
        col(WebhookEvent.clinic_id) == tx.clinic.id,
        col(WebhookEvent.at) >= since,
        col(WebhookEvent.event).in_(_wanted(webhook)),
    )
    known: dict[tuple[str, UUID, datetime], list[UUID]] = {}
    for event, record_id, at, event_id in await tx.exec(asked.order_by(col(WebhookEvent.id))):
        known.setdefault((event, record_id, at), []).append(event_id)
    return known


async def _owe_some(
    tx: Transaction, webhook: Webhook, told: Sequence[tuple[UUID, _Told]], left: int
) -> None:
    """Owe some events in their order; `left`: how many there are with those that follow."""
    ids = [event_id for event_id, _ in told]
    there = set(await tx.exec(select(col(WebhookEvent.id)).where(col(WebhookEvent.id).in_(ids))))
    before = select(WebhookDelivery).where(
        WebhookDelivery.webhook_id == webhook.id, col(WebhookDelivery.event_id).in_(ids)
    )
    owed = {each.event_id: each for each in await tx.exec(before.with_for_update())}
    events = [
        WebhookEvent(id=event_id, clinic_id=tx.clinic.id, **_about(each)) for event_id, each in told
    ]
    hidden = await hidden_since(tx, events)
    deliveries = []
    for place, event in enumerate(events):
        delivery = owed.get(event.id)
        if event.id in hidden or (
            delivery is not None and delivery.status != DeliveryStatus.failed
        ):
            continue
        # all are due now, and claimed in this order
        due = tx.now - timedelta(microseconds=left - place)
        if delivery is None:
            deliveries.append(
                _delivery(tx, webhook.id, event.id).model_dump() | {"next_attempt_at": due}
            )
        else:
            again = {"status": DeliveryStatus.pending, "attempts": 0, "next_attempt_at": due}
            delivery.change(again, tx.now)
    await tx.flush()
    due_ids = {each["event_id"] for each in deliveries} - there
    # the deliveries point at them
    new = [event.model_dump() for event in events if event.id in due_ids]
    for table, rows in ((_EVENTS, new), (_DELIVERIES, deliveries)):
        if rows:
            await tx.insert(table, rows)


def _about(told: _Told) -> dict[str, Any]:
    about = told._asdict()
    del about["entry_id"]
    return about


def _wanted(webhook: Webhook) -> list[str]:
    return sorted(event for event in TELLABLE if _asks(webhook.events, event))


async def _write(tx: Transaction, rows: list[dict[str, Any]]) -> None:
    listening = await _listening(tx)
    owed = [
        (event, hook)
        for event in (_event(tx, row) for row in rows)
        for hook in listening
        if _asks(hook.events, event.event)
    ]
    # the deliveries point at them
    events = {event.id: event for event, _ in owed}
    await tx.write_rows(
        [*events.values(), *(_delivery(tx, hook.id, event.id) for event, hook in owed)]
    )


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
    return new_row(WebhookEvent, clinic_id=tx.clinic.id, id=uuid7(), at=tx.instant, **row)


def _delivery(tx: Transaction, webhook_id: UUID, event_id: UUID) -> WebhookDelivery:
    return new_row(
        WebhookDelivery,
        clinic_id=tx.clinic.id,
        id=uuid7(),
        webhook_id=webhook_id,
        event_id=event_id,
        next_attempt_at=tx.now,
        created_at=tx.now,
        updated_at=tx.now,
    )
