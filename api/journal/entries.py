"""The only writer of journal entries; a `Happening` is what elsewhere is an audit event type."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import uuid_utils
from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

from api.journal.outbox import owe
from api.runtime import metrics
from api.storage.models.clinical import Case
from api.storage.models.journal import JournalEntry
from api.storage.transaction import Transaction


class Happening(StrEnum):
    """What an entry says happened."""

    signed_in = "session.signed_in"
    signed_out = "session.signed_out"
    session_refreshed = "session.refreshed"
    session_ended = "session.ended"
    session_token_reused = "session.token_reused"  # noqa: S105 - the name of a happening
    refused = "request.refused"
    clinic_founded = "clinic.founded"
    clinic_changed = "clinic.changed"
    thresholds_changed = "thresholds.changed"
    modes_changed = "modes.changed"
    notices_shown = "notice.shown"
    notices_read = "notice.read"
    user_created = "user.created"
    user_changed = "user.changed"
    password_changed = "user.password_changed"  # noqa: S105 - the name of a happening
    password_reset_offered = "user.password_reset_offered"  # noqa: S105 - as above
    password_reset = "user.password_reset"  # noqa: S105 - as above
    totp_begun = "totp.begun"
    totp_confirmed = "totp.confirmed"
    totp_removed = "totp.removed"
    recovery_code_used = "totp.recovery_code_used"
    supervision_began = "supervision.created"
    supervision_changed = "supervision.changed"
    supervision_ended = "supervision.ended"
    service_created = "service_account.created"
    service_changed = "service_account.changed"
    service_secret_added = "service_account.secret_added"  # noqa: S105 - the name of a happening
    service_secret_ended = "service_account.secret_ended"  # noqa: S105 - as above
    recused = "recusal.created"
    recusal_ended = "recusal.ended"
    cover_arranged = "cover.arranged"
    cover_ended = "cover.ended"
    glass_broken = "break_glass.opened"
    glass_reviewed = "break_glass.reviewed"
    case_opened = "case.opened"
    case_changed = "case.changed"
    case_transferred = "case.transferred"
    case_voided = "case.voided"
    case_exported = "case.exported"
    case_purged = "case.purged"
    incident_reported = "incident.reported"
    incident_changed = "incident.changed"
    incident_reviewed = "incident.reviewed"
    incident_voided = "incident.voided"
    promise_recorded = "promise.recorded"
    promise_changed = "promise.changed"
    promise_voided = "promise.voided"
    consultation_drafted = "consultation.drafted"
    consultation_changed = "consultation.changed"
    consultation_requested = "consultation.requested"
    consultation_accepted = "consultation.accepted"
    consultation_declined = "consultation.declined"
    consultation_started = "consultation.started"
    consultation_completed = "consultation.completed"
    consultation_cancelled = "consultation.cancelled"
    consultation_answered = "consultation.answered"
    note_drafted = "note.drafted"
    note_changed = "note.changed"
    note_voided = "note.voided"
    note_signed = "note.signed"
    note_amended = "note.amended"
    note_cosigned = "note.cosigned"
    hold_placed = "legal_hold.placed"
    hold_released = "legal_hold.released"
    webhook_created = "webhook.created"
    webhook_changed = "webhook.changed"
    webhook_deleted = "webhook.deleted"
    webhook_secret_added = "webhook.secret_added"  # noqa: S105 - the name of a happening
    webhook_secret_ended = "webhook.secret_ended"  # noqa: S105 - as above
    webhook_tested = "webhook.tested"
    webhook_resent = "webhook.resent"
    webhook_replayed = "webhook.replayed"
    questionnaire_created = "questionnaire.created"
    questionnaire_retired = "questionnaire.retired"
    response_recorded = "response.recorded"
    response_received = "response.received"
    response_voided = "response.voided"
    invitation_made = "invitation.made"
    invitation_revoked = "invitation.revoked"
    account_received = "account.received"
    account_worded = "account.worded"
    account_taken_back = "account.taken_back"
    account_shared = "account.shared"
    account_answered = "account.answered"
    account_closed = "account.closed"
    account_stepped_out = "account.stepped_out"
    account_told = "account.told"
    box_thrown_away = "box.thrown_away"
    import_begun = "import.begun"
    import_broken_off = "import.broken_off"
    import_finished = "import.finished"
    records_exported = "records.exported"
    keys_rotated = "clinic.keys_rotated"
    flag_opened = "flag.opened"
    flag_raised = "flag.raised"
    flag_escalated = "flag.escalated"
    flag_eased = "flag.eased"
    flag_lapsed = "flag.lapsed"
    flag_revived = "flag.revived"
    flag_updated = "flag.updated"
    flag_withdrawn = "flag.withdrawn"
    flag_acknowledged = "flag.acknowledged"
    flag_unassigned = "flag.unassigned"
    flag_resolved = "flag.resolved"
    flag_reopened = "flag.reopened"
    case_read = "case.read"
    versions_read = "version.read"
    incident_read = "incident.read"
    promise_read = "promise.read"
    consultation_read = "consultation.read"
    flag_read = "flag.read"
    note_read = "note.read"
    timeline_read = "timeline.read"
    recusal_read = "recusal.read"
    cover_read = "cover.read"
    glass_read = "break_glass.read"
    disclosure_read = "disclosure.read"
    hold_read = "legal_hold.read"
    journal_read = "journal.read"
    patterns_read = "patterns.read"
    response_read = "response.read"
    invitation_read = "invitation.read"
    account_listed = "account.listed"
    account_read = "account.read"


class Row(Protocol):
    """A row that the journal tells of; `noun` is what it calls such rows.

    It may have a `case_id`, and be `restricted` or a `prompt`.
    """

    @property
    def noun(self) -> str:
        """Say what it is."""

    @property
    def id(self) -> UUID:
        """Say which."""


def record(
    tx: Transaction,
    happening: Happening,
    *,
    actor_id: UUID | None,
    record_type: str | None = None,
    record_ids: Iterable[UUID] = (),
    case_id: UUID | None = None,
    changed: Iterable[str] = (),
    restricted: bool = False,
    prompt: bool = False,
    is_read: bool = False,
    purpose: str | None = None,
) -> UUID:
    """Append one entry to the journal, in the transaction of what it tells of; give its id.

    `actor_id` is None for what time brought about. `changed` names fields, never their values.
    `restricted` and `prompt` say of whom the entry is hidden, as its record is. `is_read`: rows
    were shown and nothing changed; `purpose` is what for, where it is out of the ordinary.

    Where the clinic's software asked to be told of it, that is owed from here on too; never of what
    is hidden from somebody, because who reads that software's screens is not known.
    """
    ids = list(record_ids)
    about: dict[str, Any] = {"record_type": record_type, "case_id": case_id}
    if not (restricted or prompt or is_read):
        owe(tx, str(happening), record_ids=ids, **about)
    return _keep(
        tx,
        **about,
        happening=str(happening),
        actor_id=actor_id,
        record_ids=[str(record_id) for record_id in ids],
        changed=sorted(changed),
        restricted=restricted,
        prompt=prompt,
        is_read=is_read,
        purpose=purpose,
    )


def record_row(
    tx: Transaction,
    happening: Happening,
    row: Row,
    *,
    actor_id: UUID | None,
    changed: Iterable[str] = (),
    purpose: str | None = None,
) -> UUID:
    """Append an entry about one row that was written, hidden from whom the row is; give its id."""
    return record(
        tx,
        happening,
        actor_id=actor_id,
        record_type=row.noun,
        record_ids=[row.id],
        case_id=_case_of(row),
        changed=changed,
        restricted=_is_restricted(row),
        prompt=getattr(row, "prompt", False),
        purpose=purpose,
    )


def record_shown(
    tx: Transaction,
    happening: Happening,
    rows: Iterable[Row],
    *,
    actor_id: UUID | None,
    purpose: str | None = None,
) -> None:
    """Journal that rows were shown: an entry for each case, so that it is found by its case.

    Rows that are hidden from some who may read the journal have entries of their own. Raises
    nothing itself; where an entry cannot be written, the commit fails and nothing is shown.
    """
    together: dict[tuple[str, UUID | None, bool], list[str]] = {}
    for row in rows:
        alike = row.noun, _case_of(row), _is_restricted(row)
        together.setdefault(alike, []).append(str(row.id))
    # what is the same in each entry is the very same, and so is sent once
    alike_in_all = {
        **_kept_by(tx),
        "happening": str(happening),
        "actor_id": actor_id,
        "changed": [],
        "prompt": False,
        "is_read": True,
        "purpose": purpose,
    }
    entries = [
        {
            **alike_in_all,
            # nobody is given it here, and so it need not be of the standard library's type
            "id": uuid_utils.uuid7(),
            "record_type": noun,
            "record_ids": ids,
            "case_id": case_id,
            "restricted": restricted,
        }
        for (noun, case_id, restricted), ids in together.items()
    ]
    tx.write_at_commit(_append, *entries)


def _case_of(row: Row) -> UUID | None:
    return row.id if row.noun == Case.noun else getattr(row, "case_id", None)


def _is_restricted(row: Row) -> bool:
    return getattr(row, "restricted", False)


def told(tx: Transaction) -> Sequence[dict[str, Any]]:
    """Give the entries of this transaction, in their order."""
    return tx.rows_at_commit(_append)


def _keep(tx: Transaction, **told: Any) -> UUID:
    entry_id = uuid7()
    tx.write_at_commit(_append, {**_kept_by(tx), "id": entry_id, **told})
    return entry_id


def _kept_by(tx: Transaction) -> dict[str, Any]:
    """Say of an entry where it is kept, since when, and for which request."""
    return {"clinic_id": tx.clinic.id, "at": tx.now, "request_id": tx.request_id}


_TABLE = SQLModel.metadata.tables[JournalEntry.__tablename__]


async def _append(tx: Transaction, entries: list[dict[str, Any]]) -> None:
    await tx.begin()
    for entry in entries:
        # some are made before anything was asked, and so before anybody knew of this transaction
        entry["at"] = max(entry["at"], tx.instant)
    await tx.insert(_TABLE, entries)
    metrics.entries.inc(len(entries))
