"""What exists for whom, said in SQL: the walls that every list and every guard is built on."""

import json
from collections.abc import Collection
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, and_, exists, false, func, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import col, select

from api.db import Transaction
from api.domain.permissions import TREATING, Actor
from api.models import (
    IS_UNRESOLVED,
    AccessGrant,
    Case,
    Consultation,
    Decline,
    Flag,
    GrantKind,
    Incident,
    JournalEntry,
    Note,
    Supervision,
    User,
)
from api.vocabulary import Audience, ConsultationStatus, NoteClass, NoteStatus, Role

# Aliases of their own: the statement around them may be about the same tables. Made once, because
# making one costs more than running a statement.
_About = aliased(Incident)
_Own = aliased(Case)
_Watcher = aliased(User)
_GRANTS = {kind: aliased(AccessGrant) for kind in GrantKind}


def on_its_case(model: Any) -> ColumnElement[bool]:
    """Say in SQL that a case is the one a record is on: how the two are joined."""
    return and_(col(Case.clinic_id) == model.clinic_id, col(Case.id) == model.case_id)


def supervised_clinicians(tx: Transaction, me: Actor) -> Any:
    """Select the ids of the clinicians the actor answers for today."""
    return select(col(Supervision.clinician_id)).where(
        *links(tx.clinic.id, me.id, tx.today, supervises=me.role == Role.supervisor)
    )


def visible_cases(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which cases are listed for somebody: what `may_see_case` says of one.

    A case opened in an emergency is read by its id, and stands in no list.
    """
    here = col(Case.clinic_id) == tx.clinic.id
    if me.is_software:
        return here
    seen = [col(Case.clinician_id) == me.id]
    if me.role in TREATING:
        seen.append(covered_cases(tx, me))
    if me.role == Role.supervisor:
        seen.append(supervised_cases(tx, me))
    return and_(here, or_(*seen))


def supervised_cases(tx: Transaction, me: Actor, *, openly: bool = False) -> ColumnElement[bool]:
    """Say in SQL which cases of others a supervisor sees: linked today, and not about them.

    `openly`: as the case's clinician may know of it, whom no hidden incident tells of a conflict.
    """
    return and_(
        col(Case.clinic_id) == tx.clinic.id,
        col(Case.clinician_id) != me.id,
        col(Case.clinician_id).in_(supervised_clinicians(tx, me)),
        ~conflicted(tx.clinic.id, me.id, tx.now, openly=openly),
    )


def covered_cases(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL in which cases somebody stands in for the clinician."""
    return and_(
        granted(GrantKind.cover, tx.clinic.id, me.id, tx.now),
        ~conflicted(tx.clinic.id, me.id, tx.now),
    )


def queued_cases(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which cases stand in somebody's queue of flagged cases."""
    if me.is_software:
        return col(Case.clinic_id) == tx.clinic.id
    return supervised_cases(tx, me)


def unwatched_cases(tx: Transaction) -> ColumnElement[bool]:
    """Say in SQL which cases no supervisor sees today: not linked, or in conflict."""
    watcher = _Watcher
    return ~exists().where(
        col(Supervision.clinic_id) == tx.clinic.id,
        col(Supervision.clinician_id) == Case.clinician_id,
        col(Supervision.supervisor_id) != Case.clinician_id,
        *_in_force(tx.today),
        col(watcher.clinic_id) == tx.clinic.id,
        col(watcher.id) == Supervision.supervisor_id,
        col(watcher.role) == Role.supervisor,
        col(watcher.is_active),
        ~conflicted(tx.clinic.id, Supervision.supervisor_id, tx.now),
    )


def unwatched_flags(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which flags wait for a supervisor where there is none; joined with their cases."""
    return and_(
        IS_UNRESOLVED,
        col(Flag.audience) == Audience.supervisor,
        unwatched_cases(tx),
        open_to_its_clinician(tx, me, Flag),
    )


def visible_incidents(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which incidents of visible cases exist for somebody."""
    if me.is_software:
        return col(Incident.restricted).is_(False)
    return or_(
        col(Incident.restricted).is_(False),
        col(Incident.recorded_by_id) == me.id,
        supervised(tx, me),
    )


def visible_flags(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which flags of visible cases exist for somebody: `may_see_flag` of each."""
    treats = or_(
        col(Case.clinician_id) == me.id, granted(GrantKind.cover, tx.clinic.id, me.id, tx.now)
    )
    return and_(
        or_(col(Flag.restricted).is_(False), supervised(tx, me)),
        or_(col(Flag.audience) == Audience.supervisor, treats),
    )


ABOUT_ROWS = ("incident", "flag")
"""The types of record that may be restricted, and of which entries of the journal tell."""


class _NamesOnly(FunctionElement[bool]):
    """Whether all ids in a JSON list are among those of another."""

    name = "names_only"
    inherit_cache = True
    type = sa.Boolean()


@compiles(_NamesOnly, "postgresql")
def _on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    listed, among = (compiler.process(each, **options) for each in element.clauses)
    return f"({listed} <@ CAST({among} AS JSONB))"


@compiles(_NamesOnly, "sqlite")
def _on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    listed, among = (compiler.process(each, **options) for each in element.clauses)
    # a column's name and a placeholder: no value stands in it
    others = f"SELECT value FROM json_each({listed}) EXCEPT SELECT value FROM json_each({among})"  # noqa: S608
    return f"(NOT EXISTS ({others}))"


def names_only(hidden: Collection[UUID]) -> ColumnElement[bool]:
    """Say in SQL that an entry of the journal names nothing but these records."""
    if not hidden:
        return false()
    among = json.dumps(sorted(map(str, hidden)))
    return _NamesOnly(col(JournalEntry.record_ids), sa.literal(among))


def visible_entries(tx: Transaction, me: Actor, hidden: Collection[UUID]) -> ColumnElement[bool]:
    """Say in SQL which entries of the journal exist for somebody.

    All of the clinic's for privacy officers; for others what they did themselves, and what is told
    of their own cases. There an entry that names nothing but what is `hidden` from them now is not
    told, and of other things than incidents and flags none that was restricted when it was written.
    """
    here = col(JournalEntry.clinic_id) == tx.clinic.id
    by_themselves = col(JournalEntry.actor_id) == me.id
    about_rows = func.coalesce(JournalEntry.record_type, "").in_(ABOUT_ROWS)
    told = or_(
        and_(about_rows, ~names_only(hidden)),
        and_(~about_rows, col(JournalEntry.restricted).is_(False)),
    )
    if me.role == Role.privacy_officer:
        return and_(here, or_(by_themselves, told, ~_of_own_case(tx, me, JournalEntry)))
    own = select(col(Case.id)).where(Case.clinic_id == tx.clinic.id, Case.clinician_id == me.id)
    return and_(here, or_(by_themselves, and_(col(JournalEntry.case_id).in_(own), told)))


def open_to_its_clinician(tx: Transaction, me: Actor, model: Any) -> ColumnElement[bool]:
    """Say in SQL what is not kept from somebody on a case of their own, whatever their role.

    Who reads or counts for the whole clinic may keep cases of an earlier role.
    """
    return or_(model.restricted.is_(False), ~_of_own_case(tx, me, model))


def _of_own_case(tx: Transaction, me: Actor, model: Any) -> ColumnElement[bool]:
    own = exists().where(
        col(_Own.clinic_id) == tx.clinic.id,
        col(_Own.id) == model.case_id,
        col(_Own.clinician_id) == me.id,
    )
    return own.correlate_except(_Own)


def visible_notes(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which notes of a case that is seen exist for somebody: `may_read_note` of each."""
    if me.is_software:
        return false()
    shared = or_(
        col(Note.note_class) == NoteClass.progress,
        and_(
            col(Note.note_class) == NoteClass.supervision,
            or_(
                col(Case.clinician_id) == me.id,
                granted(GrantKind.cover, tx.clinic.id, me.id, tx.now),
                supervised(tx, me),
            ),
        ),
    )
    return or_(
        col(Note.recorded_by_id) == me.id, and_(col(Note.status) == NoteStatus.signed, shared)
    )


def own_notes(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which notes are somebody's own: `may_keep_note`, or on a case that they see."""
    if me.is_software:
        return false()
    wrote = col(Note.recorded_by_id) == me.id
    return wrote if me.role in TREATING else and_(wrote, visible_cases(tx, me))


def supervised(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL on which cases somebody sees, as a supervisor, what is restricted too."""
    return supervised_cases(tx, me) if me.role == Role.supervisor else false()


def open_briefs(me: Any, now: Any, since: Any) -> ColumnElement[bool]:
    """Say in SQL which requests a consultant may read the brief of; values or placeholders.

    Only what a person released: while it is asked of them, or of any, and they have not declined;
    then while they are its consultant. Both expire, `since` is when.
    """
    asked, clinic = col(Consultation.consultant_id), col(Consultation.clinic_id)
    declined = exists().where(
        col(Decline.clinic_id) == clinic,
        col(Decline.consultation_id) == Consultation.id,
        col(Decline.user_id) == me,
    )
    offered = and_(
        col(Consultation.status) == ConsultationStatus.requested,
        or_(asked.is_(None), asked == me),
        col(Consultation.requested_at) > since,
        ~declined,
    )
    held = and_(
        col(Consultation.status).in_((ConsultationStatus.accepted, ConsultationStatus.in_progress)),
        asked == me,
        col(Consultation.accepted_at) > since,
    )
    return and_(
        col(Consultation.released),
        or_(col(Consultation.recorded_by_id).is_(None), col(Consultation.recorded_by_id) != me),
        or_(offered, held),
        col(Case.voided_at).is_(None),
        ~conflicted(clinic, me, now),
    )


async def sees_case(tx: Transaction, user: User, case: Case, *, openly: bool = False) -> bool:
    """Tell whether another user, as a supervisor, sees this case today; `openly`: as above."""
    if not user.is_active or user.role != Role.supervisor or user.id == case.clinician_id:
        return False
    other = Actor(user.id, user.role, user.id)
    found = await tx.exec(
        select(col(Case.id)).where(Case.id == case.id, supervised_cases(tx, other, openly=openly))
    )
    return found.first() is not None


def links(clinic: Any, me: Any, today: Any, *, supervises: bool) -> tuple[ColumnElement[bool], ...]:
    """Say in SQL which supervision links give somebody sight today; values or placeholders."""
    if not supervises:
        return (false(),)
    return (
        col(Supervision.clinic_id) == clinic,
        col(Supervision.supervisor_id) == me,
        *_in_force(today),
    )


def _in_force(today: Any) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Supervision.starts_on) <= today,
        or_(col(Supervision.ends_on).is_(None), col(Supervision.ends_on) > today),
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


def conflicted(clinic: Any, me: Any, now: Any, *, openly: bool = False) -> ColumnElement[bool]:
    """Say in SQL whether somebody must not see a case: it concerns them, or they keep away.

    It concerns them where an incident that stands on it is about their conduct; `openly`: one that
    is not hidden from the case's clinician.
    """
    concerned = exists().where(
        col(_About.clinic_id) == clinic,
        col(_About.case_id) == Case.id,
        col(_About.about_user_id) == me,
        col(_About.voided_at).is_(None),
        *([col(_About.restricted).is_(False)] if openly else []),
    )
    return or_(concerned.correlate_except(_About), granted(GrantKind.recusal, clinic, me, now))
