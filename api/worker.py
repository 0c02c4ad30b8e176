"""Runs beside the server: each minute it brings the flags of due cases up to date.

No answer waits for it: whoever reads flags first does the same.
"""

import asyncio
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import true
from sqlmodel import col, select

from api.db import ClinicContext, Database
from api.flagging import catch_up_batch
from api.models import Clinic

EVERY_SECONDS = 60

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
        clinics = (await tx.exec(select(col(Clinic.id), col(Clinic.time_zone)))).all()
    return sum([await work_for(database, ClinicContext(i, ZoneInfo(zone))) for i, zone in clinics])


async def work_for(database: Database, clinic: ClinicContext) -> int:
    """Catch up every due case of one clinic, a batch a transaction; count the cases."""
    total = 0
    while caught_up := await _work_on_a_batch(database, clinic):
        total += caught_up
    return total


async def _work_on_a_batch(database: Database, clinic: ClinicContext) -> int:
    async with database.transaction() as tx:
        tx.enter(clinic)
        return await catch_up_batch(tx, true(), skip_locked=True)
