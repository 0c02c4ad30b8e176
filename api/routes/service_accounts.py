"""Service accounts: clinic software that signs in by itself, with scopes and secrets of its own."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlmodel import select

from api.access.authentication import require_recent_sign_in
from api.access.guards import may
from api.access.sessions import end_software_sessions
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor, reads_every_word
from api.domain.values import Input, Line, YesNo, absent, whole
from api.domain.vocabulary import Scope
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import OneTimeRoute
from api.journal.entries import Happening, record_row
from api.records.oversight_notices import news_of, tell_of_software
from api.records.read_models import RecordRead
from api.records.software_secrets import (
    expire_service_secret,
    live_secrets,
    load_secret,
    make_service_secret,
    replace_service_secret,
)
from api.security.opaque_tokens import client_id_of
from api.storage.loading import load_or_404
from api.storage.models.people import ServiceAccount, ServiceSecret
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/service-accounts", tags=["people"], route_class=OneTimeRoute)

LONGEST_DAYS = 90

Scopes = Annotated[list[Scope], Field(min_length=1, max_length=20)]
Days = Annotated[int, whole(1, LONGEST_DAYS)]


class ServiceAccountCreate(Input):
    """Software that may sign in, and what for."""

    name: Line
    scopes: Scopes
    secret_days: Days = Field(default=LONGEST_DAYS, description="Days the first secret is valid.")


class ServiceAccountPatch(Input):
    """A change to a service account; it acts on the software's next request."""

    name: Line = absent()
    scopes: Scopes = absent()
    is_active: YesNo = absent()


class SecretCreate(Input):
    """A further secret, so that the software can change over to it."""

    days: Days = Field(default=LONGEST_DAYS, description="Days it is valid.")


class SecretRead(RecordRead):
    """A secret, without the secret: when it ends, and when it last opened a session."""

    expires_at: datetime
    last_used_at: datetime | None


class ServiceAccountRead(RecordRead):
    """Clinic software. `secrets` are those that are valid."""

    name: str
    client_id: str
    scopes: list[Scope]
    is_active: bool
    last_used_at: datetime | None
    secrets: list[SecretRead]


class ServiceAccountMade(ServiceAccountRead):
    """A new service account; its secret is shown this once."""

    client_secret: str


class SecretMade(SecretRead):
    """A new secret, shown this once."""

    client_secret: str


@router.get("")
async def list_service_accounts(
    query: Annotated[PageQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.service_list))],  # noqa: ARG001 - the guard
    marks: Marks,
    tx: Tx,
) -> Page[ServiceAccountRead]:
    """List the clinic's software, newest first. For admins and privacy officers."""
    rows, following = await newest_first(
        tx, marks, "service-accounts", query, select(ServiceAccount), ServiceAccount
    )
    valid = await live_secrets(tx, ServiceSecret, [row.id for row in rows])
    return Page(items=[_shown(row, valid[row.id]) for row in rows], next=following)


@router.post("", status_code=201)
async def create_service_account(
    body: ServiceAccountCreate,
    me: Annotated[Actor, Depends(may(Action.service_create))],
    tx: Tx,
    response: Response,
) -> ServiceAccountMade:
    """Let software sign in. For admins, soon after signing in."""
    require_recent_sign_in(me, tx.now)
    account = ServiceAccount(
        clinic_id=tx.clinic.id,
        name=body.name,
        scopes=_spelled(body.scopes),
        created_at=tx.now,
        updated_at=tx.now,
        recorded_by_id=me.id,
    )
    tx.add(account)
    # its secret's row points at it
    await tx.flush()
    secret, text = make_service_secret(tx, account, body.secret_days, by=me.id)
    news = news_of(tx, Happening.service_created, account, actor_id=me.id)
    if reads_every_word(account.scopes):
        await tell_of_software(tx, news, account)
    response.headers["Location"] = f"/v1/service-accounts/{account.id}"
    response.headers["ETag"] = etag(account.version)
    shown = _shown(account, [secret])
    return ServiceAccountMade(**dict(shown), client_secret=text)


@router.get("/{account_id}")
async def read_service_account(
    account_id: UUID,
    me: Annotated[Actor, Depends(may(Action.service_read))],  # noqa: ARG001 - the guard
    tx: Tx,
    response: Response,
) -> ServiceAccountRead:
    """Read one service account. For admins and privacy officers."""
    account = await _load(tx, account_id)
    response.headers["ETag"] = etag(account.version)
    return _shown(account, (await live_secrets(tx, ServiceSecret, [account.id]))[account.id])


@router.patch("/{account_id}")
async def change_service_account(
    account_id: UUID,
    body: ServiceAccountPatch,
    me: Annotated[Actor, Depends(may(Action.service_change))],
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> ServiceAccountRead:
    """Rename software, change what it may do, or shut it out. For admins."""
    require_recent_sign_in(me, tx.now)
    account = await _load(tx, account_id, lock=True)
    check_version(account.version, if_match)
    changes = body.model_dump(include=body.model_fields_set)
    if "scopes" in changes:
        changes["scopes"] = _spelled(changes["scopes"])
    if changes:
        had = set(account.scopes) if account.is_active else set[str]()
        account.change(changes, tx.now)
        news = news_of(tx, Happening.service_changed, account, actor_id=me.id, changed=changes)
        # whatever is added to the one scope may be another place to read at
        if account.is_active and reads_every_word(account.scopes) and set(account.scopes) - had:
            await tell_of_software(tx, news, account)
    if not account.is_active:
        await end_software_sessions(tx, account.id)
    response.headers["ETag"] = etag(account.version)
    return _shown(account, (await live_secrets(tx, ServiceSecret, [account.id]))[account.id])


@router.post("/{account_id}/secrets", status_code=201)
async def add_secret(
    account_id: UUID,
    body: SecretCreate,
    me: Annotated[Actor, Depends(may(Action.service_change))],
    tx: Tx,
    response: Response,
) -> SecretMade:
    """Add a second secret, to change over to it before the first one ends. For admins."""
    require_recent_sign_in(me, tx.now)
    account = await _load(tx, account_id, lock=True)
    secret, text = await replace_service_secret(tx, account, body.days, by=me.id)
    news = news_of(tx, Happening.service_secret_added, account, actor_id=me.id)
    if account.is_active and reads_every_word(account.scopes):
        await tell_of_software(tx, news, account)
    response.headers["Location"] = f"/v1/service-accounts/{account.id}"
    response.headers["ETag"] = etag(secret.version)
    shown = SecretRead.model_validate(secret)
    return SecretMade(**dict(shown), client_secret=text)


@router.delete("/{account_id}/secrets/{secret_id}", status_code=204)
async def end_secret(
    account_id: UUID,
    secret_id: UUID,
    me: Annotated[Actor, Depends(may(Action.service_change))],
    tx: Tx,
    if_match: IfMatch = None,
) -> None:
    """End a secret and every session of the software at once. For admins.

    `If-Match` takes the version of the secret, as the account shows it.
    """
    require_recent_sign_in(me, tx.now)
    account = await _load(tx, account_id, lock=True)
    secret = await load_secret(tx, ServiceSecret, account.id, secret_id, lock=True)
    check_version(secret.version, if_match)
    if expire_service_secret(tx, secret):
        record_row(tx, Happening.service_secret_ended, account, actor_id=me.id)
    await end_software_sessions(tx, account.id)


async def _load(tx: Transaction, account_id: UUID, *, lock: bool = False) -> ServiceAccount:
    statement = select(ServiceAccount).where(ServiceAccount.id == account_id)
    return await load_or_404(tx, statement, lock=lock)


def _spelled(scopes: Iterable[Scope]) -> list[str]:
    return sorted({str(scope) for scope in scopes})


def _shown(account: ServiceAccount, secrets: list[ServiceSecret]) -> ServiceAccountRead:
    return ServiceAccountRead.model_validate(
        {
            **account.__dict__,
            "client_id": client_id_of(account.clinic_id, account.id),
            "secrets": [SecretRead.model_validate(secret) for secret in secrets],
        }
    )
