"""Ends what a clinic keeps: the texts of cases that ended longer ago than it wants to keep them.

What is destroyed is the key of a case, and with it every word that was sealed with it. Its
structure stays: dates, kinds, ids, signed rows and the journal, which goes on to verify. A backup
made before still holds the key, until it is itself destroyed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col, select

from api.domain.rules.moment import midnight
from api.domain.vocabulary import CaseStatus
from api.flags.catching_up import catch_up, catch_up_due
from api.flags.lifecycle import MANUAL
from api.journal.entries import Happening, record_row
from api.storage.database import Database
from api.storage.instants import never_back
from api.storage.models.clinical import Case, LegalHold
from api.storage.models.door import Box, DoorSession, Invitation
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.models.integration import ImportedRecord
from api.storage.models.people import Clinic
from api.storage.questions import AcrossClinics
from api.storage.transaction import Transaction

DESTROYED = "The text of this case was destroyed when its retention ended."
"""What stands in place of words that were not sealed."""

# only the owner of the tables may ask this: the role that serves sees no clinic before it enters
_CLINICS = AcrossClinics(
    plain=sa.select(col(Clinic.id)).where(col(Clinic.retention_years).is_not(None)),
    guarded=sa.text("SELECT id FROM clinics WHERE retention_years IS NOT NULL"),
)


@dataclass(frozen=True, slots=True)
class DueCase:
    """A case whose texts are kept no longer; nothing of it that is sealed."""

    clinic_id: UUID
    clinic: str
    case_id: UUID
    ended_on: date | None
    voided_on: date | None


async def cases_due(database: Database, clinic_id: UUID | None = None) -> list[DueCase]:
    """Give the cases whose texts are due to be destroyed, of one clinic or of all."""
    async with database.transaction() as tx:
        clinics = [row[0] for row in await tx.ask_everywhere(_CLINICS)]
    wanted = [each for each in clinics if clinic_id in {None, each}]
    return [due for each in wanted for due in await _due_in(database, each)]


async def purge(database: Database, due: Sequence[DueCase]) -> int:
    """Destroy the texts of these cases, one a transaction; count those that still were due."""
    done = sum([await _purge(database, each) for each in due])
    if done:
        await _sweep(database.engine.url)
    return done


def years_before(day: date, years: int) -> date:
    """Give the same day some years ago; where there was no 29 February, the day after."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return date(day.year - years, 3, 1)


async def _due_in(database: Database, clinic_id: UUID) -> list[DueCase]:
    async with database.transaction() as tx:
        clinic = await _enter(tx, clinic_id)
        past = _past_retention(tx, clinic)
        # what time alone has changed may be a flag, which waits for a person
        await catch_up_due(tx, past)
        fields = (col(Case.id), col(Case.ended_on), col(Case.voided_at))
        rows = await tx.exec(sa.select(*fields).where(past, *_may_go()).order_by(col(Case.id)))
        return [
            DueCase(
                clinic_id,
                clinic.name,
                case_id,
                ended_on,
                voided_at.astimezone(tx.clinic.zone).date() if voided_at else None,
            )
            for case_id, ended_on, voided_at in rows
        ]


async def _purge(database: Database, due: DueCase) -> bool:
    async with database.transaction() as tx:
        clinic = await _enter(tx, due.clinic_id)
        case = (await tx.exec(select(Case).where(Case.id == due.case_id).with_for_update())).one()
        await catch_up(tx, case)
        # asked again under the lock: a hold may have been placed since
        still = sa.select(col(Case.id)).where(
            col(Case.id) == case.id, _past_retention(tx, clinic), *_may_go()
        )
        if (await tx.exec(still)).first() is None:
            return False
        await _destroy(tx, case)
        return True


async def _enter(tx: Transaction, clinic_id: UUID) -> Clinic:
    await tx.enter(clinic_id)
    clinic: Clinic = (await tx.exec(select(Clinic).where(Clinic.id == clinic_id))).one()
    tx.know_zone(ZoneInfo(clinic.time_zone), clinic.watched_events)
    return clinic


async def _sweep(url: sa.URL) -> None:
    """Let the database drop former versions of rows, which still hold the keys."""
    engine = create_async_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    on_sqlite = url.get_backend_name() == "sqlite"
    # on SQLite the log of what was written is emptied, too
    swept = ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)") if on_sqlite else ("VACUUM cases, flags",)
    try:
        async with engine.connect() as connection:
            for statement in swept:
                await connection.exec_driver_sql(statement)
    finally:
        await engine.dispose()


def _past_retention(tx: Transaction, clinic: Clinic) -> ColumnElement[bool]:
    """Say in SQL which cases ended, or were voided, more years ago than the clinic keeps them."""
    if clinic.retention_years is None:
        return sa.false()
    since = years_before(tx.today, clinic.retention_years)
    ended = and_(col(Case.status) != CaseStatus.active, col(Case.ended_on) < since)
    voided = col(Case.voided_at) < midnight(since, tx.clinic.zone)
    here = col(Case.clinic_id) == tx.clinic.id
    return and_(here, col(Case.purged_at).is_(None), or_(ended, voided))


def _may_go() -> tuple[ColumnElement[bool], ...]:
    """Say in SQL that nothing speaks for keeping a case: no hold, and no flag that waits."""
    held = sa.exists().where(
        col(LegalHold.case_id) == Case.id, col(LegalHold.released_at).is_(None)
    )
    waits = sa.exists().where(col(Flag.case_id) == Case.id, IS_UNRESOLVED)
    return ~held, ~waits


async def _destroy(tx: Transaction, case: Case) -> None:
    case.change(
        {"text_key": None, "client_ref_hash": None, "recheck_at": None, "purged_at": tx.now},
        tx.now,
    )
    # what its records were called where they came from is not found again either
    await tx.exec(
        sa.update(ImportedRecord)
        .where(col(ImportedRecord.case_id) == case.id)
        .values(source_hash=sa.cast(ImportedRecord.id, sa.String), body_hash="")
    )
    await _close_door(tx, case)
    # flags by hand are in a person's words, which are not sealed
    await tx.exec(
        sa.update(Flag)
        .where(col(Flag.case_id) == case.id, col(Flag.rule) == MANUAL)
        .values(
            title=DESTROYED,
            because=DESTROYED,
            version=Flag.version + 1,
            updated_at=never_back(col(Flag.updated_at), tx.instant),
        )
    )
    record_row(tx, Happening.case_purged, case, actor_id=None)


async def _close_door(tx: Transaction, case: Case) -> None:
    """Let no code, no receipt and no visit open a case's door: each answers as never made."""
    now: dict[str, Any] = {"updated_at": tx.now}
    await tx.exec(sa.delete(DoorSession).where(col(DoorSession.case_id) == case.id))
    await tx.exec(
        sa.update(Invitation)
        .where(col(Invitation.case_id) == case.id)
        .values(
            code_hash=sa.cast(Invitation.id, sa.String),
            revoked_at=sa.func.coalesce(Invitation.revoked_at, tx.now),
            version=Invitation.version + 1,
            **now,
        )
    )
    boxes = sa.update(Box).where(col(Box.case_id) == case.id)
    await tx.exec(boxes.values(receipt_hash=None, version=Box.version + 1, **now))
