"""What is shown beside a password: a code of the authenticator, or one to recover with."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import col, select, update

from api.access.sessions import NOBODY, Account
from api.records.one_time_codes import unused_codes
from api.security.opaque_tokens import hash_of_code
from api.security.totp import is_digits, step_of
from api.storage.models.people import CodePurpose, OneTimeCode, User
from api.storage.transaction import Transaction


class Proof(NamedTuple):
    """What was shown beside the password; nothing, where nothing is asked for."""

    step: int | None = None
    recovery_id: UUID | None = None


def proof_of(user: User, otp: str, recovery_id: UUID | None, now: datetime) -> Proof | None:
    """Tell what was shown beside the password; None where that is not enough."""
    if user.totp_secret is None or user.totp_confirmed_at is None:
        return Proof()
    if recovery_id is not None:
        return Proof(recovery_id=recovery_id)
    step = step_of(user.totp_secret, otp, now)
    if step is None or step <= (user.totp_last_step or 0):
        return None
    return Proof(step=step)


async def recovery_code_of(tx: Transaction, account: Account | None, otp: str) -> UUID | None:
    """Find the unused recovery code that was typed, where it is theirs; nobody's takes as long."""
    if not otp or is_digits(otp):
        return None
    user_id = NOBODY if account is None else account.user.id
    typed = select(col(OneTimeCode.id)).where(
        *unused_codes(user_id, CodePurpose.recovery), OneTimeCode.code_hash == hash_of_code(otp)
    )
    found: UUID | None = (await tx.exec(typed)).first()
    return found


async def use_up(tx: Transaction, user: User, proof: Proof) -> bool:
    """Use up the second factor, where all is as it was when the password was checked."""
    as_it_was = (
        col(User.id) == user.id,
        col(User.password_hash) == user.password_hash,
        col(User.totp_confirmed_at).is_not_distinct_from(user.totp_confirmed_at),
        col(User.is_active).is_(True),
    )
    if proof.step is not None:
        newer = col(User.totp_last_step).is_(None) | (col(User.totp_last_step) < proof.step)
        return await _changed(
            tx, update(User).where(*as_it_was, newer).values(totp_last_step=proof.step)
        )
    same = await tx.exec(select(col(User.id)).where(*as_it_was).with_for_update(read=True))
    if same.first() is None:
        return False
    if proof.recovery_id is None:
        return True
    code = update(OneTimeCode).where(
        col(OneTimeCode.id) == proof.recovery_id, col(OneTimeCode.used_at).is_(None)
    )
    return await _changed(tx, code.values(used_at=tx.now))


async def _changed(tx: Transaction, statement: Any) -> bool:
    done = await tx.exec(statement.execution_options(synchronize_session=False))
    return bool(done.rowcount)
