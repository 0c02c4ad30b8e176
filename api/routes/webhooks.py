"""Webhooks: addresses of the clinic's own software, which are told what happened."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema
from sqlmodel import col, select

from api.access.authentication import require_recent_sign_in
from api.access.guards import may
from api.domain.errors import Conflict, Invalid
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.values import Input, Line, YesNo, absent, whole
from api.domain.vocabulary import Event
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import OneTimeRoute
from api.journal.entries import Happening, record_row
from api.journal.outbox import FAMILIES, TELLABLE, load_webhook, stop_deliveries, watch_anew
from api.records.read_models import RecordRead
from api.records.software_secrets import (
    expire_webhook_secret,
    live_secrets,
    load_secret,
    make_webhook_secret,
    replace_webhook_secret,
)
from api.security.outbound_addresses import LONGEST_URL, Destinations, NotPublicError
from api.storage.models.integration import Webhook, WebhookSecret

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=OneTimeRoute)

AT_MOST = 50
"""Webhooks of a clinic."""
OVERLAP_HOURS = 24
LONGEST_OVERLAP_HOURS = 7 * 24

_WORDS = [*(str(event) for event in Event if event in TELLABLE), *FAMILIES]


def _known(word: str) -> str:
    if word not in _WORDS:
        raise ValueError("This is no event; /docs lists them, and `flag.*` is all about flags.")
    return word


Wanted = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": _WORDS})]
"""An event, or all of one noun: `flag.*`."""

Wishes = Annotated[
    list[Wanted],
    Field(
        min_length=1,
        max_length=len(_WORDS),
        description="What it is told of: events, or all of one noun (`flag.*`), later ones too.",
        examples=[["flag.*", "case.transferred"]],
    ),
]
Url = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_URL),
    Field(
        description="Where events are sent: https, a public host, port 443 or one from 1024 on; "
        "no user name, no fragment, in ASCII.",
        examples=["https://diary.example/events"],
    ),
]


class WebhookCreate(Input):
    """An address to tell, and of what."""

    name: Line
    url: Url
    events: Wishes


class WebhookPatch(Input):
    """A change to a webhook. One that is switched off is told nothing until it is on again."""

    name: Line = absent()
    url: Url = absent()
    events: Wishes = absent()
    is_active: YesNo = absent()


class WebhookSecretCreate(Input):
    """A further secret, so that the receiver can change over to it."""

    overlap_hours: Annotated[int, whole(0, LONGEST_OVERLAP_HOURS)] = Field(
        default=OVERLAP_HOURS, description="Hours the older secret still signs, beside the new one."
    )


class WebhookSecretRead(RecordRead):
    """A secret, without the secret. `expires_at`: when it ends, where that is known."""

    expires_at: datetime | None


class WebhookRead(RecordRead):
    """An address that is told of events. `secrets` are those that sign at present."""

    name: str
    url: str
    events: list[str]
    is_active: bool
    secrets: list[WebhookSecretRead]


class WebhookMade(WebhookRead):
    """A new webhook; its secret (`whsec_…`) is shown this once."""

    secret: str


class WebhookSecretMade(WebhookSecretRead):
    """A new secret (`whsec_…`), shown this once."""

    secret: str


@router.get("")
async def list_webhooks(
    query: Annotated[PageQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.webhook_list))],  # noqa: ARG001 - the guard
    marks: Marks,
    tx: Tx,
) -> Page[WebhookRead]:
    """List the clinic's webhooks, newest first. For admins and privacy officers."""
    kept = select(Webhook).where(col(Webhook.deleted_at).is_(None))
    rows, following = await newest_first(tx, marks, "webhooks", query, kept, Webhook)
    live = await live_secrets(tx, WebhookSecret, [row.id for row in rows])
    return Page(items=[_shown(row, live[row.id]) for row in rows], next=following)


@router.post("", status_code=201)
async def create_webhook(
    body: WebhookCreate,
    me: Annotated[Actor, Depends(may(Action.webhook_create))],
    tx: Tx,
    request: Request,
    response: Response,
) -> WebhookMade:
    """Tell an address of events from now on. For admins, soon after signing in.

    422 where the address can never be a public one; 409 where there are fifty webhooks already.
    """
    require_recent_sign_in(me, tx.now)
    _refuse_unless_public(request, body.url)
    number = sa.select(sa.func.count()).select_from(Webhook)
    if (await tx.exec(number.where(col(Webhook.deleted_at).is_(None)))).one()[0] >= AT_MOST:
        raise Conflict(f"A clinic has {AT_MOST} webhooks at most; delete one first.")
    webhook = Webhook(
        clinic_id=tx.clinic.id,
        name=body.name,
        url=body.url,
        events=sorted(set(body.events)),
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )
    tx.add(webhook)
    # its secret's row points at it
    await tx.flush()
    secret, text = make_webhook_secret(tx, webhook, by=me.id)
    record_row(tx, Happening.webhook_created, webhook, actor_id=me.id)
    await watch_anew(tx)
    _say_where(response, webhook)
    return WebhookMade(**dict(_shown(webhook, [secret])), secret=text)


@router.get("/{webhook_id}")
async def read_webhook(
    webhook_id: UUID,
    me: Annotated[Actor, Depends(may(Action.webhook_read))],  # noqa: ARG001 - the guard
    tx: Tx,
    response: Response,
) -> WebhookRead:
    """Read one webhook. For admins and privacy officers."""
    webhook = await load_webhook(tx, webhook_id)
    response.headers["ETag"] = etag(webhook.version)
    return _shown(webhook, (await live_secrets(tx, WebhookSecret, [webhook.id]))[webhook.id])


@router.patch("/{webhook_id}")
async def change_webhook(
    webhook_id: UUID,
    body: WebhookPatch,
    me: Annotated[Actor, Depends(may(Action.webhook_change))],
    tx: Tx,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> WebhookRead:
    """Rename a webhook, or change where it points, what it is told of, or whether. For admins.

    Another address, other events, or to switch it on takes a recent sign-in, as a new one does; an
    address must be one that can be public (422). Switched off, it gives up what it is still owed,
    and is not told by itself of what happens meanwhile: switch it on again, and ask for that with
    `POST /v1/webhooks/{webhook_id}/deliveries/replay`.
    """
    changes = body.model_dump(include=body.model_fields_set)
    if {"url", "events"} & changes.keys() or changes.get("is_active") is True:
        require_recent_sign_in(me, tx.now)
    if "url" in changes:
        _refuse_unless_public(request, changes["url"])
    webhook = await load_webhook(tx, webhook_id, lock=True)
    check_version(webhook.version, if_match)
    if "events" in changes:
        changes["events"] = sorted(set(changes["events"]))
    if changes:
        webhook.change(changes, tx.now)
        record_row(tx, Happening.webhook_changed, webhook, actor_id=me.id, changed=changes)
        await watch_anew(tx)
    if not webhook.is_active:
        await stop_deliveries(tx, webhook.id)
    response.headers["ETag"] = etag(webhook.version)
    return _shown(webhook, (await live_secrets(tx, WebhookSecret, [webhook.id]))[webhook.id])


@router.delete("/{webhook_id}", status_code=204)
async def delete_webhook(
    webhook_id: UUID,
    me: Annotated[Actor, Depends(may(Action.webhook_change))],
    tx: Tx,
    if_match: IfMatch = None,
) -> None:
    """Tell an address nothing more, what it is still owed included. For admins.

    What happens later it is never told. A new webhook may ask for it, from any instant on, with
    `POST /v1/webhooks/{webhook_id}/deliveries/replay`.
    """
    webhook = await load_webhook(tx, webhook_id, lock=True)
    check_version(webhook.version, if_match)
    webhook.change({"deleted_at": tx.now, "is_active": False}, tx.now)
    record_row(tx, Happening.webhook_deleted, webhook, actor_id=me.id)
    await stop_deliveries(tx, webhook.id)
    await watch_anew(tx)


@router.post("/{webhook_id}/secrets", status_code=201)
async def add_webhook_secret(
    webhook_id: UUID,
    body: WebhookSecretCreate,
    me: Annotated[Actor, Depends(may(Action.webhook_change))],
    tx: Tx,
    response: Response,
) -> WebhookSecretMade:
    """Add a second secret; both sign until the older one ends. For admins, soon after signing in.

    409 where two sign already.
    """
    require_recent_sign_in(me, tx.now)
    webhook = await load_webhook(tx, webhook_id, lock=True)
    overlap = timedelta(hours=body.overlap_hours)
    secret, text = await replace_webhook_secret(tx, webhook, overlap, by=me.id)
    record_row(tx, Happening.webhook_secret_added, webhook, actor_id=me.id)
    response.headers["Location"] = f"/v1/webhooks/{webhook.id}"
    response.headers["ETag"] = etag(secret.version)
    return WebhookSecretMade(**dict(WebhookSecretRead.model_validate(secret)), secret=text)


@router.delete("/{webhook_id}/secrets/{secret_id}", status_code=204)
async def end_webhook_secret(
    webhook_id: UUID,
    secret_id: UUID,
    me: Annotated[Actor, Depends(may(Action.webhook_change))],
    tx: Tx,
    if_match: IfMatch = None,
) -> None:
    """End a secret at once. For admins, soon after signing in; 409 for the only one that signs.

    `If-Match` takes the version of the secret, as the webhook shows it.
    """
    require_recent_sign_in(me, tx.now)
    webhook = await load_webhook(tx, webhook_id, lock=True)
    secret = await load_secret(tx, WebhookSecret, webhook.id, secret_id)
    check_version(secret.version, if_match)
    if await expire_webhook_secret(tx, secret):
        record_row(tx, Happening.webhook_secret_ended, webhook, actor_id=me.id)


def _refuse_unless_public(request: Request, url: str) -> None:
    destinations: Destinations = request.app.state.destinations
    try:
        destinations.parse_url(url)
    except NotPublicError as error:
        raise Invalid("/url", str(error)) from error


def _shown(webhook: Webhook, secrets: list[WebhookSecret]) -> WebhookRead:
    return WebhookRead.model_validate(
        {
            **webhook.__dict__,
            "secrets": [WebhookSecretRead.model_validate(secret) for secret in secrets],
        }
    )


def _say_where(response: Response, webhook: Webhook) -> None:
    response.headers["Location"] = f"/v1/webhooks/{webhook.id}"
    response.headers["ETag"] = etag(webhook.version)
