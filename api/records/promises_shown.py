"""Promises as they are shown, and after a write with the flags that it raised."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from api.access.guards import OpenRecord
from api.domain.permissions.table import Actor
from api.domain.vocabulary import (
    ClientImpact,
    PromiseKeepable,
    PromiseKind,
    PromiseMadeBy,
    PromiseScope,
    PromiseSource,
    PromiseState,
    ReportedBy,
    Significance,
    VoidReason,
)
from api.records.accounts_named import accounts_named
from api.records.read_models import FlagRead, RecordRead, flags_raised
from api.storage.models.clinical import Promise
from api.storage.models.flags import Flag
from api.storage.transaction import Transaction


class PromiseRead(RecordRead):
    """A promise in the ledger. `wording` is null for software without `narrative:read`.

    `restricted`: it is hidden from the case's clinician, as what the client said is that it was
    recorded of. `account_id`: what that was, for whoever reads it; else null.
    """

    case_id: UUID
    wording: str | None
    made_by: PromiseMadeBy
    source: PromiseSource
    kind: PromiseKind
    scope: PromiseScope
    keepable: PromiseKeepable
    significance: Significance
    made_on: date
    due_on: date | None
    open_ended: bool
    discussed_with_client: bool | None
    discussed_on: date | None
    state: PromiseState
    client_impact: ClientImpact
    reported_by: ReportedBy
    voided_at: datetime | None
    void_reason: VoidReason | None
    restricted: bool
    account_id: UUID | None


class PromiseWritten(PromiseRead):
    """A promise after a write, with the flags the write opened or worsened."""

    flags_raised: list[FlagRead]


async def promises_told(
    tx: Transaction, me: Actor, promises: Sequence[Promise]
) -> Callable[[Promise], PromiseRead]:
    """Say how promises, in each of their versions, are shown to somebody who may see them."""
    accounts = await accounts_named(tx, me, promises)
    return lambda promise: PromiseRead.model_validate(_fields(promise, accounts))


async def promise_written(
    tx: Transaction, me: Actor, found: OpenRecord[Promise], raised: Iterable[Flag]
) -> PromiseWritten:
    """Show a promise after a write, with the flags that the rules raised."""
    shown = _fields(found.row, await accounts_named(tx, me, [found.row]))
    return PromiseWritten.model_validate(
        {**shown, "flags_raised": flags_raised(me, raised, found.standing, found.row.account_id)}
    )


def _fields(promise: Promise, accounts: Mapping[UUID, UUID]) -> Mapping[str, Any]:
    return {**promise.__dict__, "account_id": accounts.get(promise.id)}
