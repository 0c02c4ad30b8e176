"""Incidents as they are shown, and after a write with the flags that it raised."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from api.access.guards import OpenRecord
from api.domain.details import Details
from api.domain.permissions.table import Actor
from api.domain.vocabulary import (
    Classification,
    ClientImpact,
    DatePrecision,
    Determination,
    IncidentStatus,
    Initiator,
    Repair,
    ReportedBy,
    VoidReason,
)
from api.flags.case_facts import CaseFile
from api.flags.reconcile import reconcile_flags, reconcile_with
from api.records.accounts_named import accounts_named
from api.records.handover import let_go_of_flags
from api.records.incident_changes import details_of
from api.records.read_models import FlagRead, RecordRead, flags_raised
from api.storage.models.clinical import Incident
from api.storage.transaction import Transaction


class IncidentRead(RecordRead):
    """An incident. Its determination counts for rules while its status is reviewed.

    `account_id`: what the client said that it was recorded of, for whoever reads that; else null.
    """

    case_id: UUID
    occurred_on: date
    date_precision: DatePrecision
    initiator: Initiator
    reported_by: ReportedBy
    classification: Classification
    client_impact: ClientImpact
    rationale: str | None
    narrative: str | None
    discussed_with_client: bool | None
    repair: Repair
    about_user_id: UUID | None
    restricted: bool
    details: Details
    status: IncidentStatus
    determination: Determination | None
    review_note: str | None
    reviewed_by_id: UUID | None
    reviewed_at: datetime | None
    voided_at: datetime | None
    void_reason: VoidReason | None
    account_id: UUID | None


class IncidentWritten(IncidentRead):
    """An incident after a write, with the flags the write opened or worsened."""

    flags_raised: list[FlagRead]


async def incidents_told(
    tx: Transaction, me: Actor, incidents: Sequence[Incident]
) -> Callable[[Incident], IncidentRead]:
    """Say how incidents, in each of their versions, are shown to somebody who may see them."""
    accounts = await accounts_named(tx, me, incidents)
    return lambda incident: IncidentRead.model_validate(_fields(incident, accounts))


def _fields(incident: Incident, accounts: Mapping[UUID, UUID]) -> Mapping[str, Any]:
    return {
        **incident.__dict__,
        "account_id": accounts.get(incident.id),
        "details": details_of(incident),
    }


async def incident_written(
    tx: Transaction,
    me: Actor,
    found: OpenRecord[Incident],
    *,
    turned: UUID | None = None,
    file: CaseFile | None = None,
) -> IncidentWritten:
    """Run the rules after a write, and show the incident with what they raised.

    `file`: the case's, from before a new incident was added to it.
    """
    about = found.row.about_user_id
    if about is not None and about != found.case.clinician_id:
        # whom it is about does not look at the case's flags any more
        await let_go_of_flags(tx, found.case, actor_id=me.id)
        file = None
    if file is None:
        raised = await reconcile_flags(
            tx, found.case, actor_id=me.id, wrote=found.row.id, turned=turned
        )
    else:
        raised = await reconcile_with(tx, file, found.row, actor_id=me.id)
    shown = _fields(found.row, await accounts_named(tx, me, [found.row]))
    return IncidentWritten.model_validate(
        {**shown, "flags_raised": flags_raised(me, raised, found.standing, found.row.account_id)}
    )
