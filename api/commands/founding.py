"""Founds a clinic with its first admin."""

from uuid import UUID
from zoneinfo import ZoneInfo

from api.domain.permissions.table import FOUNDER
from api.journal.entries import Happening, record
from api.storage.keyring import Keyring
from api.storage.models.people import Clinic, User
from api.storage.transaction import Transaction


async def found_clinic(
    tx: Transaction,
    keyring: Keyring,
    *,
    name: str,
    admin_email: str,
    password_hash: str,
    time_zone: str = "UTC",
) -> tuple[UUID, UUID]:
    """Make a clinic, its keys and its admin; give the ids of the first and the last."""
    clinic = Clinic(name=name, time_zone=time_zone, created_at=tx.now, updated_at=tx.now)
    await tx.enter(clinic.id, ZoneInfo(time_zone))
    tx.add(clinic)
    # the rows of its keys and of the admin point at the clinic's
    await tx.flush()
    for key in keyring.forge(clinic.id, tx.now):
        tx.add(key)
    admin = User(
        clinic_id=clinic.id,
        name="Admin",
        email=admin_email,
        role=FOUNDER,
        password_hash=password_hash,
        created_at=tx.now,
        updated_at=tx.now,
    )
    tx.add(admin)
    record(
        tx,
        Happening.clinic_founded,
        actor_id=None,
        record_type="clinic",
        record_ids=[clinic.id, admin.id],
    )
    return clinic.id, admin.id
