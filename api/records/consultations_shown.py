"""Shows consultation requests in full, each with what its reader may see of what it points at."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from api.access.guards import OpenRecord
from api.access.visibility.named import seen_of
from api.domain.permissions.table import Actor
from api.domain.vocabulary import (
    AdviceResponse,
    ConsultationKind,
    ConsultationOutcome,
    ConsultationStatus,
    ConsultationUrgency,
)
from api.flags.reconcile import reconcile_flags
from api.journal.entries import Happening, record_row
from api.records.read_models import FlagRead, RecordRead, flags_raised
from api.storage.models.clinical import Consultation
from api.storage.models.columns import Named
from api.storage.transaction import Transaction


class ConsultationRead(RecordRead):
    """A request for another clinician's view.

    `question` is null for software without `narrative:read`. `incident_ids` and `promise_ids` are
    those of the linked records that the reader may see; a change keeps the others.
    """

    case_id: UUID
    kind: ConsultationKind
    urgency: ConsultationUrgency
    question: str | None
    summary: str | None
    released: bool
    incident_ids: list[UUID]
    promise_ids: list[UUID]
    consultant_id: UUID | None
    status: ConsultationStatus
    requested_at: datetime | None
    due_at: datetime | None
    accepted_at: datetime | None
    completed_at: datetime | None
    reason: str | None
    outcome: ConsultationOutcome | None
    advice: str | None
    response: AdviceResponse | None
    response_reason: str | None


class ConsultationWritten(ConsultationRead):
    """A consultation after a write, with the flags the write opened or worsened."""

    flags_raised: list[FlagRead]


async def show_consultations(
    tx: Transaction, me: Actor, rows: Sequence[Consultation]
) -> list[ConsultationRead]:
    """Show consultations, each with its linked records as far as the reader sees them."""
    seen = await seen_of(tx, me, (named for row in rows for named in row.named_records()))
    return [ConsultationRead.model_validate(_fields(row, seen)) for row in rows]


async def write_down(
    tx: Transaction,
    me: Actor,
    found: OpenRecord[Consultation],
    happening: Happening | None,
    changed: Iterable[str] = (),
) -> ConsultationWritten:
    """Journal a write, run the rules, and show the consultation with what they raised."""
    consultation = found.row
    if happening is not None:
        record_row(tx, happening, consultation, actor_id=me.id, changed=changed)
    raised = await reconcile_flags(tx, found.case, actor_id=me.id)
    seen = await seen_of(tx, me, consultation.named_records())
    return ConsultationWritten.model_validate(
        {**_fields(consultation, seen), "flags_raised": flags_raised(me, raised, found.standing)}
    )


def _fields(row: Consultation, seen: Collection[Named]) -> dict[str, Any]:
    told = [named for named in row.named_records() if named in seen]
    incidents, promises = (
        [row_id for record_type, row_id in told if record_type == sort]
        for sort in ("incident", "promise")
    )
    return {**row.__dict__, "incident_ids": incidents, "promise_ids": promises}
