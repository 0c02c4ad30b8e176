"""Wraps the keys of all clinics anew: with another data key, or by new keys of their own."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import col, select

from api.journal.entries import Happening, record
from api.storage.database import Database
from api.storage.models.clinical import Case
from api.storage.models.integration import WebhookSecret
from api.storage.models.people import Clinic, ClinicKey, KeyPurpose, User

BATCH = 500
"""Cases whose keys are wrapped anew in one transaction."""


async def rotate(database: Database, *, clinic_keys: bool) -> AsyncIterator[tuple[int, int]]:
    """Wrap every clinic's keys with the data key in use; give how many clinics are done, of all.

    With `clinic_keys` each clinic also gets a new text key, and its cases' keys are wrapped by it.
    The texts themselves stay as they are, and their keys too: only what those are wrapped by
    changes. The database is reached as its owner. May run again.
    """
    clinics = await _clinics(database)
    for done, clinic_id in enumerate(clinics):
        yield done, len(clinics)
        await _rewrap_clinic_keys(database, clinic_id, add_one=clinic_keys)
        if clinic_keys:
            while await _rewrap_case_keys(database, clinic_id):
                pass
    yield len(clinics), len(clinics)


async def _clinics(database: Database) -> list[UUID]:
    async with database.transaction() as tx:
        connection = await tx.connection()
        return list(await connection.scalars(sa.select(col(Clinic.id)).order_by(col(Clinic.id))))


async def _rewrap_clinic_keys(database: Database, clinic_id: UUID, *, add_one: bool) -> None:
    async with database.transaction() as tx:
        await tx.enter_for_work(clinic_id)
        rows = list(await tx.exec(select(ClinicKey)))
        changed = [row for row in rows if database.keyring.rewrap(row, tx.now)]
        if add_one:
            newest = max(row.number for row in rows if row.purpose == KeyPurpose.text)
            added = database.keyring.forge_one(clinic_id, KeyPurpose.text, newest + 1, tx.now)
            tx.add(added)
            changed.append(added)
            await tx.flush()
            await tx.clinic_keys(anew=True)
            # what belongs to no case is sealed by the clinic's key itself
            for user in await tx.exec(select(User).where(col(User.totp_secret).is_not(None))):
                _seal_anew(user, "totp_secret")
            for secret in await tx.exec(select(WebhookSecret)):
                _seal_anew(secret, "secret")
        if changed:
            record(
                tx,
                Happening.keys_rotated,
                actor_id=None,
                record_type="clinic",
                record_ids=[clinic_id],
            )


def _seal_anew(row: Any, name: str) -> None:
    setattr(row, name, str(getattr(row, name)))
    # the text is the same, so it would be left as it is stored
    flag_modified(row, name)


async def _rewrap_case_keys(database: Database, clinic_id: UUID) -> int:
    """Wrap a batch of cases' keys with the clinic's newest key; count them."""
    async with database.transaction() as tx:
        await tx.enter_for_work(clinic_id)
        keys = await tx.clinic_keys(anew=True)
        newest = f"{keys.newest}."
        statement = (
            select(Case.id, Case.text_key)
            .where(col(Case.text_key).is_not(None), ~col(Case.text_key).startswith(newest))
            .order_by(col(Case.id))
            .limit(BATCH)
            .with_for_update()
        )
        found = (await tx.exec(statement)).all()
        for case_id, wrapped in found:
            anew = keys.wrap_case_key(case_id, keys.unwrap_case_key(case_id, wrapped))
            await tx.exec(sa.update(Case).where(col(Case.id) == case_id).values(text_key=anew))
        return len(found)
