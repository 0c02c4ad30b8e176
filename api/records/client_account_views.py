"""What is around accounts: further words, answers, and what readers did; of several in one go."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlmodel import col, or_, select

from api.domain.vocabulary import FrameDirection
from api.journal.entries import Happening
from api.storage.models.accounts import (
    Account,
    AccountExclusion,
    AccountMove,
    AccountReply,
    AccountWords,
    MoveKind,
)
from api.storage.models.clinical import Incident
from api.storage.models.journal import WHAT_HAPPENED, JournalEntry
from api.storage.models.people import User
from api.storage.transaction import Transaction

MOST_CHANGES = 100
"""How much of what changed is listed of each sort."""


@dataclass(slots=True)
class Surroundings:
    """What belongs to one account, the oldest first."""

    words: list[AccountWords] = field(default_factory=list)
    replies: list[AccountReply] = field(default_factory=list)
    moves: list[AccountMove] = field(default_factory=list)
    left_out: list[AccountExclusion] = field(default_factory=list)

    def of(self, kind: MoveKind) -> list[AccountMove]:
        """Give what readers did of one kind."""
        return [move for move in self.moves if move.kind == kind]


async def surroundings_of(tx: Transaction, accounts: Sequence[Account]) -> dict[UUID, Surroundings]:
    """Give what belongs to each of some accounts, by their ids."""
    found: defaultdict[UUID, Surroundings] = defaultdict(Surroundings)
    ids = [each.id for each in accounts]
    tables: tuple[tuple[Any, str], ...] = (
        (AccountWords, "words"),
        (AccountReply, "replies"),
        (AccountMove, "moves"),
        (AccountExclusion, "left_out"),
    )
    for model, name in tables:
        rows = select(model).where(model.clinic_id == tx.clinic.id, model.account_id.in_(ids))
        for row in await tx.exec(rows.order_by(model.id)):
            getattr(found[row.account_id], name).append(row)
    return found


async def named(tx: Transaction, surroundings: Sequence[Surroundings]) -> dict[UUID, User]:
    """Give who answered accounts, or did anything with them."""
    ids = {
        row.recorded_by_id
        for each in surroundings
        for row in (*each.replies, *each.moves)
        if row.recorded_by_id is not None
    }
    if not ids:
        return {}
    people = select(User).where(User.clinic_id == tx.clinic.id, col(User.id).in_(ids))
    return {user.id: user for user in await tx.exec(people)}


_CHANGES = (
    Happening.case_transferred,
    Happening.case_voided,
    Happening.incident_voided,
    Happening.promise_voided,
    Happening.invitation_revoked,
)

_ENDING = "ending"
_OF_FRAME = (_ENDING, "frame_change")


async def changed_since(tx: Transaction, account: Account) -> list[dict[str, Any]]:
    """List what changed on the case since an account came: what might be an answer to it.

    What is hidden, and what was recorded of an account, is no answer of the therapist's.
    """
    entries = select(JournalEntry).where(
        JournalEntry.clinic_id == tx.clinic.id,
        JournalEntry.case_id == account.case_id,
        JournalEntry.at > account.created_at,
        WHAT_HAPPENED,
        col(JournalEntry.restricted).is_(False),
        or_(*(col(JournalEntry.happening) == str(each) for each in _CHANGES)),
    )
    changed = [
        {
            "at": entry.at,
            "happening": entry.happening,
            "record_type": entry.record_type,
            "record_id": UUID(entry.record_ids[0]) if entry.record_ids else None,
        }
        for entry in await tx.exec(entries.order_by(col(JournalEntry.id)).limit(MOST_CHANGES))
    ]
    changed += await _tightened_since(tx, account)
    return sorted(changed, key=lambda each: each["at"])


async def _tightened_since(tx: Transaction, account: Account) -> list[dict[str, Any]]:
    """List the endings and the limits drawn that were recorded since an account came."""
    frame = select(Incident).where(
        Incident.clinic_id == tx.clinic.id,
        Incident.case_id == account.case_id,
        Incident.created_at > account.created_at,
        col(Incident.voided_at).is_(None),
        col(Incident.restricted).is_(False),
        col(Incident.account_id).is_(None),
        col(Incident.kind).in_(_OF_FRAME),
    )
    return [
        {
            "at": row.created_at,
            "happening": str(Happening.incident_reported),
            "record_type": Incident.noun,
            "record_id": row.id,
        }
        for row in await tx.exec(frame.order_by(col(Incident.id)).limit(MOST_CHANGES))
        if row.kind == _ENDING or row.details.get("direction") == FrameDirection.tighten
    ]
