"""What privacy officers see of the whole clinic: flags that nobody watches, and numbers."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import col

from api.access.visibility.links_and_grants import conflicted, links_in_force
from api.access.visibility.reader import Reader, reader
from api.domain.permissions.table import SUPERVISING, Actor
from api.domain.vocabulary import Audience
from api.storage.models.access import Supervision
from api.storage.models.clinical import Case
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.models.people import User
from api.storage.transaction import Transaction

_Own = aliased(Case)
_Watcher = aliased(User)


def unwatched_cases(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which cases no supervisor sees today: not linked, or in conflict."""
    return unwatched_by_anyone(reader(tx, me))


def unwatched_by_anyone(who: Reader) -> ColumnElement[bool]:
    """Say in SQL what `unwatched_cases` does, where and when somebody looks."""
    return ~exists().where(*watching(who, Supervision, _Watcher))


def watching(who: Reader, link: Any, watcher: Any) -> tuple[ColumnElement[bool], ...]:
    """Say in SQL by which link a supervisor, who is a user here, sees a case today."""
    return (
        col(link.clinic_id) == who.clinic,
        col(link.clinician_id) == Case.clinician_id,
        col(link.supervisor_id) != Case.clinician_id,
        *links_in_force(who.today, link),
        col(watcher.clinic_id) == who.clinic,
        col(watcher.id) == link.supervisor_id,
        # not IN: a statement that is prepared has a placeholder for each value
        or_(*(col(watcher.role) == role for role in sorted(SUPERVISING))),
        col(watcher.is_active),
        ~conflicted(who.clinic, link.supervisor_id, who.now),
    )


def unwatched_flags(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which flags wait for a supervisor where there is none; joined with their cases."""
    return and_(
        IS_UNRESOLVED,
        col(Flag.audience) == Audience.supervisor,
        unwatched_cases(tx, me),
        open_to_its_clinician(tx, me, Flag),
    )


def open_to_its_clinician(tx: Transaction, me: Actor, model: Any) -> ColumnElement[bool]:
    """Say in SQL what is not kept from somebody on a case of their own, whatever their role.

    Who reads or counts for the whole clinic may keep cases of an earlier role.
    """
    return or_(model.restricted.is_(False), ~of_own_case(tx, me, model))


def of_own_case(tx: Transaction, me: Actor, model: Any) -> ColumnElement[bool]:
    """Say in SQL that a row is on a case of somebody's own."""
    own = exists().where(
        col(_Own.clinic_id) == tx.clinic.id,
        col(_Own.id) == model.case_id,
        col(_Own.clinician_id) == me.id,
    )
    return own.correlate_except(_Own)
