"""What lets somebody near a case of another's, and what keeps them away, said in SQL."""

from typing import Any

from sqlalchemy import ColumnElement, exists, false, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from api.access.visibility.reader import Reader, reader
from api.domain.permissions.table import SUPERVISING, Actor
from api.storage.models.access import AccessGrant, GrantKind, Supervision
from api.storage.models.clinical import Case, Incident
from api.storage.transaction import Transaction

# Aliases of their own: the statement around them may be about the same tables. Made once, because
# making one costs more than running a statement.
_About = aliased(Incident)
_GRANTS = {kind: aliased(AccessGrant) for kind in GrantKind}


def supervised_clinicians(tx: Transaction, me: Actor) -> Any:
    """Select the ids of the clinicians the actor answers for today."""
    return answered_for(reader(tx, me))


def answered_for(who: Reader) -> Any:
    """Select the ids of the clinicians a reader answers for today."""
    held = links(who.clinic, who.id, who.today) if who.role in SUPERVISING else (false(),)
    return select(col(Supervision.clinician_id)).where(*held)


def links(clinic: Any, me: Any, today: Any) -> tuple[ColumnElement[bool], ...]:
    """Say in SQL which links give a supervisor sight today; values or placeholders."""
    return (
        col(Supervision.clinic_id) == clinic,
        col(Supervision.supervisor_id) == me,
        *links_in_force(today),
    )


def links_in_force(today: Any, link: Any = Supervision) -> tuple[ColumnElement[bool], ...]:
    """Say in SQL that a supervision link holds today."""
    return (
        col(link.starts_on) <= today,
        or_(col(link.ends_on).is_(None), col(link.ends_on) > today),
    )


def granted(kind: GrantKind, clinic: Any, me: Any, now: Any) -> ColumnElement[bool]:
    """Say in SQL whether an exception of this kind holds now for somebody on a case."""
    grant = _GRANTS[kind]
    held = exists().where(
        col(grant.clinic_id) == clinic,
        col(grant.case_id) == Case.id,
        col(grant.user_id) == me,
        col(grant.kind) == kind,
        *in_force(grant, now),
    )
    # of the case that is asked about, however deep inside the question: else of any case
    return held.correlate_except(grant)


def in_force(grant: Any, now: Any) -> tuple[ColumnElement[bool], ...]:
    """Say in SQL that an exception holds now."""
    return (
        col(grant.starts_at) <= now,
        or_(col(grant.ends_at).is_(None), col(grant.ends_at) > now),
    )


def conflicted(clinic: Any, me: Any, now: Any) -> ColumnElement[bool]:
    """Say in SQL whether somebody must not see a case: it concerns them, or they keep away.

    It concerns them where an incident that stands on it is about their conduct.
    """
    concerned = exists().where(
        col(_About.clinic_id) == clinic,
        col(_About.case_id) == Case.id,
        col(_About.about_user_id) == me,
        col(_About.voided_at).is_(None),
    )
    return or_(concerned.correlate_except(_About), granted(GrantKind.recusal, clinic, me, now))
