"""Who sees a case, and in which lists it stands."""

from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, true
from sqlmodel import col

from api.access.visibility.links_and_grants import answered_for, conflicted, granted
from api.access.visibility.reader import Reader, reader
from api.domain.permissions.case_rules import Standing
from api.domain.permissions.table import SUPERVISING, TREATING, Actor
from api.storage.models.access import GrantKind, Supervision
from api.storage.models.clinical import Case
from api.storage.transaction import Transaction


def on_its_case(model: Any) -> ColumnElement[bool]:
    """Say in SQL that a case is the one a record is on: how the two are joined."""
    return and_(col(Case.clinic_id) == model.clinic_id, col(Case.id) == model.case_id)


def may_see_case(standing: Standing) -> bool:
    """Tell whether a case exists for somebody.

    Conflict of interest beats every other standing, but never hides a case from its clinician.
    """
    if standing.own or standing.service:
        return True
    admitted = standing.linked or standing.covering or standing.opened
    return admitted and not standing.conflicted


def existing_case(who: Reader) -> ColumnElement[bool]:
    """Say in SQL that a case exists for whoever names it: what `may_see_case` says of one.

    What is hidden from somebody is not loaded for them either: it costs, locks and leaves behind
    as much as what is not there.
    """
    if who.is_software:
        return true()
    own: ColumnElement[bool] = col(Case.clinician_id) == who.id
    if who.role not in TREATING:
        return own
    admitted = [granted(GrantKind.cover, who.clinic, who.id, who.now)]
    if who.role in SUPERVISING:
        admitted.append(col(Case.clinician_id).in_(answered_for(who)))
        admitted.append(granted(GrantKind.break_glass, who.clinic, who.id, who.now))
    return or_(own, and_(or_(*admitted), ~conflicted(who.clinic, who.id, who.now)))


def visible_cases(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which cases are listed for somebody: what `may_see_case` says of one.

    A case opened in an emergency is read by its id, and stands in no list.
    """
    return seen_in_lists(reader(tx, me))


def seen_in_lists(who: Reader) -> ColumnElement[bool]:
    """Say in SQL what `visible_cases` does, of a reader."""
    here: ColumnElement[bool] = col(Case.clinic_id) == who.clinic
    if who.is_software:
        return here
    seen = [col(Case.clinician_id) == who.id]
    if who.role in TREATING:
        seen.append(_covered_by(who))
    if who.role in SUPERVISING:
        seen.append(supervised_by(who))
    return and_(here, or_(*seen))


def _covered_by(who: Reader) -> ColumnElement[bool]:
    """Say in SQL in which cases somebody stands in for the clinician."""
    covered: ColumnElement[bool] = granted(GrantKind.cover, who.clinic, who.id, who.now)
    not_about_them = ~conflicted(who.clinic, who.id, who.now)
    return and_(covered, not_about_them)


def supervised_cases(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which cases of others a supervisor sees, and all that is on them.

    Linked today, and not about them.
    """
    return supervised_by(reader(tx, me))


def supervised_by(who: Reader) -> ColumnElement[bool]:
    """Say in SQL what `supervised_cases` does, of a reader."""
    if who.role not in SUPERVISING:
        return false()
    return and_(
        col(Case.clinic_id) == who.clinic,
        col(Case.clinician_id) != who.id,
        col(Case.clinician_id).in_(answered_for(who)),
        ~conflicted(who.clinic, who.id, who.now),
    )


def on_link(who: Reader) -> ColumnElement[bool]:
    """Say in SQL which cases a link gives sight of, joined with it: what `supervised_by` says."""
    return and_(
        col(Case.clinician_id) == Supervision.clinician_id,
        col(Case.clinician_id) != who.id,
        ~conflicted(who.clinic, who.id, who.now),
    )


def queued_cases(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which cases stand in somebody's queue of flagged cases."""
    return seen_in_queue(reader(tx, me))


def seen_in_queue(who: Reader) -> ColumnElement[bool]:
    """Say in SQL what `queued_cases` does, of a reader."""
    here: ColumnElement[bool] = col(Case.clinic_id) == who.clinic
    return here if who.is_software else supervised_by(who)
