"""What somebody is told of: who has newly come to see their work, or anyone's in the clinic.

An admin appoints supervisors and links them; nobody gains sight of a client's records by it unseen.
"""

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlmodel import col, select

from api.db import Transaction
from api.domain.permissions import Action, Actor, may_ever
from api.domain.values import Output
from api.journal import Happening
from api.models import AccessGrant, Case, GrantKind, JournalEntry, Supervision, User
from api.sight import on_its_case
from api.vocabulary import Role

TOLD_FOR = timedelta(days=30)
"""How long something counts as new."""
MOST = 100
"""Notices that somebody is told at once, the newest."""


class Notice(Output):
    """Somebody (`user_id`) has come to see a clinician's work; `record_id` is by what."""

    kind: Literal["supervisor", "supervision", "cover", "break_glass"]
    at: datetime
    user_id: UUID
    record_id: UUID


async def notices_for(tx: Transaction, me: Actor) -> list[Notice]:
    """Tell what came in the last 30 days, newest first; privacy officers hear of everybody's."""
    told = [*await _links(tx, me), *await _exceptions(tx, me), *await _supervisors(tx, me)]
    return sorted(told, key=lambda notice: (notice.at, notice.record_id), reverse=True)[:MOST]


def _watches(me: Actor) -> bool:
    return may_ever(me, Action.glass_review)


async def _links(tx: Transaction, me: Actor) -> list[Notice]:
    statement = select(Supervision).where(Supervision.created_at > tx.now - TOLD_FOR)
    if not _watches(me):
        statement = statement.where(Supervision.clinician_id == me.id)
    rows = await tx.exec(_newest(statement, Supervision))
    return [
        Notice(kind="supervision", at=row.created_at, user_id=row.supervisor_id, record_id=row.id)
        for row in rows
    ]


async def _exceptions(tx: Transaction, me: Actor) -> list[Notice]:
    statement = (
        select(AccessGrant)
        .join(Case, on_its_case(AccessGrant))
        .where(
            AccessGrant.created_at > tx.now - TOLD_FOR,
            AccessGrant.kind != GrantKind.recusal,
            # who arranged it knows
            col(AccessGrant.recorded_by_id).is_distinct_from(me.id),
        )
    )
    if not _watches(me):
        statement = statement.where(Case.clinician_id == me.id)
    rows = await tx.exec(_newest(statement, AccessGrant))
    return [
        Notice(
            kind="cover" if row.kind == GrantKind.cover else "break_glass",
            at=row.created_at,
            user_id=row.user_id,
            record_id=row.id,
        )
        for row in rows
    ]


async def _supervisors(tx: Transaction, me: Actor) -> list[Notice]:
    """Tell privacy officers who became a supervisor; a clinician hears of it with the link."""
    if not _watches(me):
        return []
    appointed = (Happening.user_created, Happening.user_changed)
    statement = select(JournalEntry).where(
        JournalEntry.at > tx.now - TOLD_FOR,
        # the journal is long; ids grow with time, so older pages need not be turned
        JournalEntry.id > _first_id_at(tx.now - TOLD_FOR),
        col(JournalEntry.happening).in_(appointed),
    )
    entries = [
        entry
        for entry in await tx.exec(_newest(statement, JournalEntry))
        if entry.happening == Happening.user_created or "role" in entry.changed
    ]
    supervisors = set(await tx.exec(select(col(User.id)).where(col(User.role) == Role.supervisor)))
    return [
        Notice(kind="supervisor", at=entry.at, user_id=UUID(row_id), record_id=UUID(row_id))
        for entry in entries
        for row_id in entry.record_ids
        if UUID(row_id) in supervisors
    ]


def _first_id_at(instant: datetime) -> UUID:
    """Give the smallest UUIDv7 of an instant (RFC 9562)."""
    return UUID(int=int(instant.timestamp() * 1000) << 80)


def _newest(statement: Any, model: Any) -> Any:
    return statement.order_by(col(model.id).desc()).limit(MOST)
