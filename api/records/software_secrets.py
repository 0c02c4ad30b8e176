"""The life of a secret of clinic software: made, shown once, replaced with an overlap, ended.

A service account shows its secret, which is kept as a hash and always ends; a webhook signs with
its own, which is kept sealed and ends once another one has taken its place.
"""

import base64
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col, select

from api.domain.errors import Conflict
from api.security.opaque_tokens import hash_of, new_secret
from api.storage.loading import load_or_404
from api.storage.models.integration import Webhook, WebhookSecret
from api.storage.models.people import ServiceAccount, ServiceSecret
from api.storage.transaction import Transaction

AT_ONCE = 2
"""Secrets of one owner that are live at the same time, while one replaces the other."""
_RANDOM = 32
"""Bytes of a secret that signs."""

Secret = TypeVar("Secret", ServiceSecret, WebhookSecret)

_OWNERS: dict[type[Any], str] = {ServiceSecret: "account_id", WebhookSecret: "webhook_id"}
"""The column that says whose a secret is."""


def make_service_secret(
    tx: Transaction, account: ServiceAccount, days: int, *, by: UUID
) -> tuple[ServiceSecret, str]:
    """Make a secret that its software shows; its text is given this once."""
    text = new_secret()
    secret = ServiceSecret(
        clinic_id=tx.clinic.id,
        account_id=account.id,
        secret_hash=hash_of(text),
        expires_at=tx.now + timedelta(days=days),
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=by,
    )
    tx.add(secret)
    return secret, text


def make_webhook_secret(
    tx: Transaction, webhook: Webhook, *, by: UUID
) -> tuple[WebhookSecret, str]:
    """Make a secret (`whsec_…`) that signs what a webhook is sent; its text is given this once."""
    text = f"whsec_{base64.b64encode(secrets.token_bytes(_RANDOM)).decode()}"
    secret = WebhookSecret(
        clinic_id=tx.clinic.id,
        webhook_id=webhook.id,
        secret=text,
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=by,
    )
    tx.add(secret)
    return secret, text


async def live_secrets(
    tx: Transaction, kind: type[Secret], owner_ids: Iterable[UUID]
) -> Mapping[UUID, list[Secret]]:
    """Give the secrets of some owners that are valid, or sign, at present: the oldest first."""
    owner, ends = col(getattr(kind, _OWNERS[kind])), col(kind.expires_at)
    statement = select(kind).where(owner.in_(owner_ids), or_(ends.is_(None), ends > tx.now))
    live: dict[UUID, list[Secret]] = defaultdict(list)
    for secret in await tx.exec(statement.order_by(col(kind.id))):
        live[getattr(secret, _OWNERS[kind])].append(secret)
    return live


async def load_secret(
    tx: Transaction, kind: type[Secret], owner_id: UUID, secret_id: UUID, *, lock: bool = False
) -> Secret:
    """Load a secret of one owner. Raises 404 where it is none of theirs."""
    owner = col(getattr(kind, _OWNERS[kind]))
    wanted = select(kind).where(owner == owner_id, col(kind.id) == secret_id)
    return await load_or_404(tx, wanted, lock=lock)


async def replace_service_secret(
    tx: Transaction, account: ServiceAccount, days: int, *, by: UUID
) -> tuple[ServiceSecret, str]:
    """Make a further secret, to change over to. Raises 409 where two are valid already."""
    live = (await live_secrets(tx, ServiceSecret, [account.id]))[account.id]
    if len(live) >= AT_ONCE:
        raise Conflict("Two secrets are valid already; end one of them first.")
    return make_service_secret(tx, account, days, by=by)


async def replace_webhook_secret(
    tx: Transaction, webhook: Webhook, overlap: timedelta, *, by: UUID
) -> tuple[WebhookSecret, str]:
    """Make a further secret; the older one signs for as long as they overlap. 409 for a third."""
    live = (await live_secrets(tx, WebhookSecret, [webhook.id]))[webhook.id]
    if len(live) >= AT_ONCE:
        raise Conflict("Two secrets sign already; end one of them first.")
    for older in live:
        older.change({"expires_at": tx.now + overlap}, tx.now)
    return make_webhook_secret(tx, webhook, by=by)


def expire_service_secret(tx: Transaction, secret: ServiceSecret) -> bool:
    """End a secret now; tell whether it was still valid."""
    if secret.expires_at <= tx.now:
        return False
    secret.change({"expires_at": tx.now}, tx.now)
    return True


async def expire_webhook_secret(tx: Transaction, secret: WebhookSecret) -> bool:
    """End a secret now; tell whether it still signed. Raises 409 for the only one that does."""
    live = (await live_secrets(tx, WebhookSecret, [secret.webhook_id]))[secret.webhook_id]
    if secret not in live:
        return False
    if len(live) == 1:
        raise Conflict("This is the only secret that signs; add another one first.")
    secret.change({"expires_at": tx.now}, tx.now)
    (other,) = (each for each in live if each is not secret)
    # it is the only one now, whatever was planned for it
    other.change({"expires_at": None}, tx.now)
    return True
