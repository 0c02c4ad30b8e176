"""What exists for whom, said in SQL: the walls that every list and every guard is built on."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from api.db import Transaction
from api.domain.permissions import Actor
from api.models import Case, Flag, Incident, Supervision, User
from api.vocabulary import Audience, Role


def supervised_clinicians(tx: Transaction, me: Actor) -> Any:
    """Select the ids of the clinicians the actor answers for today."""
    return select(col(Supervision.clinician_id)).where(
        *links(tx.clinic.id, me.id, tx.today, supervises=me.role == Role.supervisor)
    )


def visible_cases(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which cases exist for somebody: what `may_see_case` says of one."""
    own = and_(col(Case.clinic_id) == tx.clinic.id, col(Case.clinician_id) == me.id)
    return or_(own, supervised_cases(tx, me)) if me.role == Role.supervisor else own


def supervised_cases(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which cases of others a supervisor sees: linked today, and not about them."""
    return and_(
        col(Case.clinic_id) == tx.clinic.id,
        col(Case.clinician_id) != me.id,
        col(Case.clinician_id).in_(supervised_clinicians(tx, me)),
        ~conflicted(tx.clinic.id, me.id),
    )


def visible_incidents(me: Actor) -> ColumnElement[bool]:
    """Say in SQL which incidents of visible cases exist for somebody."""
    return or_(
        col(Incident.restricted).is_(False),
        col(Incident.recorded_by_id) == me.id,
        col(Case.clinician_id) != me.id,
    )


def visible_flags(me: Actor) -> ColumnElement[bool]:
    """Say in SQL which flags of visible cases exist for somebody: `may_see_flag` of each."""
    return or_(
        and_(col(Case.clinician_id) == me.id, col(Flag.restricted).is_(False)),
        and_(col(Case.clinician_id) != me.id, col(Flag.audience) == Audience.supervisor),
    )


async def sees_case(tx: Transaction, user: User, case: Case) -> bool:
    """Tell whether another user, as a supervisor, sees this case today."""
    if not user.is_active or user.role != Role.supervisor or user.id == case.clinician_id:
        return False
    other = Actor(user.id, user.role, user.id)
    found = await tx.exec(
        select(col(Case.id)).where(Case.id == case.id, supervised_cases(tx, other))
    )
    return found.first() is not None


def links(clinic: Any, me: Any, today: Any, *, supervises: bool) -> tuple[ColumnElement[bool], ...]:
    """Say in SQL which supervision links give somebody sight today; values or placeholders."""
    if not supervises:
        return (false(),)
    return (
        col(Supervision.clinic_id) == clinic,
        col(Supervision.supervisor_id) == me,
        col(Supervision.starts_on) <= today,
        or_(col(Supervision.ends_on).is_(None), col(Supervision.ends_on) > today),
    )


# an alias of its own: the statement around it may be about incidents, too
_About = aliased(Incident)


def conflicted(clinic: Any, me: Any) -> ColumnElement[bool]:
    """Say in SQL whether an incident that stands on a case is about this person's conduct."""
    return exists().where(
        col(_About.clinic_id) == clinic,
        col(_About.case_id) == Case.id,
        col(_About.about_user_id) == me,
        col(_About.voided_at).is_(None),
    )
