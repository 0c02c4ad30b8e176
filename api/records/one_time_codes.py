"""Codes that open something once: to recover from a lost device, or to set a new password."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, update

from api.security.opaque_tokens import hash_of_code, new_code
from api.storage.models.people import CodePurpose, OneTimeCode
from api.storage.transaction import Transaction


def make_code(
    tx: Transaction,
    user_id: UUID,
    purpose: CodePurpose,
    *,
    by: UUID,
    expires_at: datetime | None = None,
) -> str:
    """Make a code for somebody; its text is given this once, and kept as a hash."""
    code = new_code()
    tx.add(
        OneTimeCode(
            clinic_id=tx.clinic.id,
            user_id=user_id,
            purpose=purpose,
            code_hash=hash_of_code(code),
            expires_at=expires_at,
            created_at=tx.now,
            updated_at=tx.now,
            recorded_by_id=by,
        )
    )
    return code


async def end_codes(tx: Transaction, user_id: UUID, purpose: CodePurpose) -> None:
    """Let no code that somebody was given open anything any more."""
    unused = update(OneTimeCode).where(*unused_codes(user_id, purpose))
    await tx.exec(unused.values(used_at=tx.now))


def unused_codes(user_id: UUID, purpose: CodePurpose) -> tuple[ColumnElement[bool], ...]:
    """Say in SQL which codes somebody has not used yet."""
    return (
        col(OneTimeCode.user_id) == user_id,
        col(OneTimeCode.purpose) == purpose,
        col(OneTimeCode.used_at).is_(None),
    )
