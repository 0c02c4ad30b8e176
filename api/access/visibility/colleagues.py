"""Whether a colleague sees a case, told no further than whoever asks may know."""

from uuid import UUID

from sqlalchemy import ColumnElement, exists, false, or_
from sqlmodel import col, select

from api.access.visibility.accounts import reads_its_account
from api.access.visibility.cases import on_its_case
from api.access.visibility.links_and_grants import answered_for, conflicted, granted, in_force
from api.access.visibility.reader import Reader
from api.access.visibility.records import visible_incidents
from api.domain.errors import Conflict
from api.domain.permissions.table import SUPERVISING, Actor
from api.storage.models.access import AccessGrant, GrantKind
from api.storage.models.clinical import Case, Incident
from api.storage.models.flags import Flag
from api.storage.models.people import User
from api.storage.transaction import Transaction


async def sees_case(tx: Transaction, user: User, case: Case, *, told: Actor | None) -> bool:
    """Tell whether another user, as a supervisor, sees this case today, as far as `told` may know.

    An answer that depended on an incident hidden from whoever asks would tell of it. So one who is
    in conflict by such an incident counts as anybody linked, and still does not see the case. From
    the operator (None) nothing is hidden.
    """
    if not user.is_active or user.role not in SUPERVISING or user.id == case.clinician_id:
        return False
    other = Reader(tx.clinic.id, user.id, user.role, tx.now, tx.today)
    found = await tx.exec(
        select(col(Case.id)).where(
            Case.id == case.id,
            col(Case.clinician_id).in_(answered_for(other)),
            ~_conflict_known_to(tx, told, user.id),
        )
    )
    return found.first() is not None


async def reads_flag(tx: Transaction, user: User, flag: Flag) -> bool:
    """Tell whether a flag exists for another supervisor who sees its case.

    One about what a client said at their door does for those alone who read that.
    """
    other = Reader(tx.clinic.id, user.id, user.role, tx.now, tx.today)
    found = await tx.exec(
        select(col(Flag.id)).where(
            Flag.clinic_id == tx.clinic.id, Flag.id == flag.id, reads_its_account(other)
        )
    )
    return found.first() is not None


def _conflict_known_to(tx: Transaction, told: Actor | None, user_id: UUID) -> ColumnElement[bool]:
    if told is None:
        return conflicted(tx.clinic.id, user_id, tx.now)
    concerned = exists().where(
        col(Incident.clinic_id) == tx.clinic.id,
        col(Incident.case_id) == Case.id,
        col(Incident.about_user_id) == user_id,
        col(Incident.voided_at).is_(None),
        visible_incidents(tx, told),
    )
    # who keeps away is told to those who treat or supervise, and not to software
    kept_away = granted(GrantKind.recusal, tx.clinic.id, user_id, tx.now)
    return or_(concerned.correlate_except(Incident), false() if told.is_software else kept_away)


async def refuse_who_keeps_away(tx: Transaction, me: Actor, case: Case, user_id: UUID) -> None:
    """Raise 409 for a colleague who must not see a case, as far as the asker may know of it.

    A conflict by an incident that is hidden from the asker is not told: they will not see the case.
    """
    recused = await tx.exec(
        select(col(AccessGrant.id)).where(
            AccessGrant.clinic_id == tx.clinic.id,
            AccessGrant.case_id == case.id,
            AccessGrant.user_id == user_id,
            AccessGrant.kind == GrantKind.recusal,
            *in_force(AccessGrant, tx.now),
        )
    )
    if recused.first() is not None:
        raise Conflict("This colleague keeps away from the case. Name somebody else.")
    concerned = await tx.exec(
        select(col(Incident.id))
        .join(Case, on_its_case(Incident))
        .where(
            col(Incident.clinic_id) == tx.clinic.id,
            col(Incident.case_id) == case.id,
            col(Incident.about_user_id) == user_id,
            col(Incident.voided_at).is_(None),
            visible_incidents(tx, me),
        )
    )
    if concerned.first() is not None:
        raise Conflict("An incident on this case is about this colleague. Name somebody else.")
