"""Runs beside the server: each minute it brings the flags of due cases up to date.

No answer waits for it: whoever reads flags first does the same.
"""

import asyncio
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy import true
from sqlmodel import col

from api.db import AcrossClinics, Database
from api.flagging import catch_up_batch
from api.models import Case

EVERY_SECONDS = 60

_CLINICS_WITH_DUE_CASES = AcrossClinics(
    plain=sa.select(col(Case.clinic_id))
    .where(col(Case.recheck_at) <= sa.bindparam("present"))
    .distinct(),
    guarded=sa.text("SELECT id FROM clinics_with_due_cases(:present)"),
)

log = structlog.get_logger("worker")


async def work_for_ever(database: Database) -> None:
    """Work, wait a minute, and work again, until cancelled."""
    while True:
        caught_up = await work_once(database)
        log.info("worked", cases=caught_up)
        await asyncio.sleep(EVERY_SECONDS)


async def work_once(database: Database) -> int:
    """Catch up every due case of every clinic; count the cases."""
    async with database.transaction() as tx:
        due = (await tx.ask_everywhere(_CLINICS_WITH_DUE_CASES, present=tx.now)).all()
    return sum([await work_for(database, clinic_id) for (clinic_id,) in due])


async def work_for(database: Database, clinic_id: UUID) -> int:
    """Catch up every due case of one clinic, a batch a transaction; count the cases."""
    total = 0
    while caught_up := await _work_on_a_batch(database, clinic_id):
        total += caught_up
    return total


async def _work_on_a_batch(database: Database, clinic_id: UUID) -> int:
    async with database.transaction() as tx:
        await tx.enter_for_work(clinic_id)
        return await catch_up_batch(tx, true(), skip_locked=True)
