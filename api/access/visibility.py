"""What exists for whom, said in SQL: the walls that every list and every guard is built on."""

from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    or_,
    true,
    union_all,
)
from sqlalchemy import select as sa_select
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from api.domain.permissions.actions import Action
from api.domain.permissions.table import (
    CONSULTING,
    SUPERVISING,
    TREATING,
    Actor,
    is_software,
    may_ever,
)
from api.domain.vocabulary import Audience, ConsultationStatus, NoteClass, NoteStatus, Role
from api.storage.hidden_entries import ABOUT_ROWS, tells_of_hidden
from api.storage.models.clinical import Case, Consultation, Decline, Incident, Note, Promise
from api.storage.models.columns import Named
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.models.journal import JournalEntry
from api.storage.models.people import AccessGrant, GrantKind, Supervision, User
from api.storage.transaction import Transaction

# Aliases of their own: the statement around them may be about the same tables. Made once, because
# making one costs more than running a statement.
_About = aliased(Incident)
_Own = aliased(Case)
_Watcher = aliased(User)
_GRANTS = {kind: aliased(AccessGrant) for kind in GrantKind}


def on_its_case(model: Any) -> ColumnElement[bool]:
    """Say in SQL that a case is the one a record is on: how the two are joined."""
    return and_(col(Case.clinic_id) == model.clinic_id, col(Case.id) == model.case_id)


class Reader(NamedTuple):
    """Who looks at rows, where and when: values, or placeholders for all but the role."""

    clinic: Any
    id: Any
    role: Role
    now: Any
    today: Any

    @property
    def is_software(self) -> bool:
        """Tell whether this is no person."""
        return is_software(self.role)


def reader(tx: Transaction, me: Actor) -> Reader:
    """Give who looks, as values of this transaction."""
    return Reader(tx.clinic.id, me.id, me.role, tx.now, tx.today)


def asker(role: Role) -> Reader:
    """Leave places in a statement for who asks; `asked_by` fills them."""
    clinic, me, now, today = map(placeholder, ("clinic", "me", "now", "today"))
    return Reader(clinic, me, role, now, today)


def asked_by(tx: Transaction, me: Actor) -> dict[str, Any]:
    """Fill the places of `asker`."""
    return {"clinic": tx.clinic.id, "me": me.id, "now": tx.now, "today": tx.today}


def placeholder(name: str) -> Any:
    """Leave a place in a statement for a value."""
    return bindparam(name)


def supervised_clinicians(tx: Transaction, me: Actor) -> Any:
    """Select the ids of the clinicians the actor answers for today."""
    return _answered_for(reader(tx, me))


def _answered_for(who: Reader) -> Any:
    supervises = who.role in SUPERVISING
    return select(col(Supervision.clinician_id)).where(
        *links(who.clinic, who.id, who.today, supervises=supervises)
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
    if me.role in SUPERVISING:
        seen.append(supervised_cases(tx, me))
    return and_(here, or_(*seen))


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
        admitted.append(col(Case.clinician_id).in_(_answered_for(who)))
        admitted.append(granted(GrantKind.break_glass, who.clinic, who.id, who.now))
    return or_(own, and_(or_(*admitted), ~conflicted(who.clinic, who.id, who.now)))


def existing_record(model: Any, who: Reader, since: Any) -> ColumnElement[bool]:
    """Say in SQL that a record, joined with its case, exists for whoever names it.

    `since`: when a brief expires that was not answered.
    """
    on_seen_case = existing_case(who)
    if model is Consultation and who.role in CONSULTING:
        return or_(on_seen_case, open_briefs(who.id, who.now, since))
    if (seen := _SEEN.get(model)) is not None:
        on_seen_case = and_(on_seen_case, seen(who))
    return or_(on_seen_case, kept_notes(who)) if model is Note else on_seen_case


def supervised_cases(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which cases of others a supervisor sees: linked today, and not about them."""
    return _supervised_by(reader(tx, me))


def _supervised_by(who: Reader) -> ColumnElement[bool]:
    return and_(
        col(Case.clinic_id) == who.clinic,
        col(Case.clinician_id) != who.id,
        col(Case.clinician_id).in_(_answered_for(who)),
        ~conflicted(who.clinic, who.id, who.now),
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
        col(watcher.role).in_(SUPERVISING),
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
    return _seen_incidents(reader(tx, me))


def _seen_incidents(who: Reader) -> ColumnElement[bool]:
    if who.is_software:
        return col(Incident.restricted).is_(False)
    return or_(
        col(Incident.restricted).is_(False),
        col(Incident.recorded_by_id) == who.id,
        _supervised(who),
    )


def visible_flags(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which flags of visible cases exist for somebody: `may_see_flag` of each."""
    return _seen_flags(reader(tx, me))


def _seen_flags(who: Reader) -> ColumnElement[bool]:
    treats = or_(
        col(Case.clinician_id) == who.id,
        granted(GrantKind.cover, who.clinic, who.id, who.now),
    )
    return and_(
        or_(col(Flag.restricted).is_(False), _supervised(who)),
        or_(col(Flag.audience) == Audience.supervisor, treats),
    )


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
        and_(about_rows, ~tells_of_hidden(hidden)),
        and_(~about_rows, col(JournalEntry.restricted).is_(False)),
    )
    if may_ever(me, Action.journal_heads):
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
    return _seen_notes(reader(tx, me))


def _seen_notes(who: Reader) -> ColumnElement[bool]:
    if who.is_software:
        return false()
    shared = or_(
        col(Note.note_class) == NoteClass.progress,
        and_(
            col(Note.note_class) == NoteClass.supervision,
            or_(
                col(Case.clinician_id) == who.id,
                granted(GrantKind.cover, who.clinic, who.id, who.now),
                _supervised(who),
            ),
        ),
    )
    return or_(
        col(Note.recorded_by_id) == who.id, and_(col(Note.status) == NoteStatus.signed, shared)
    )


def own_notes(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which notes are somebody's own: `may_keep_note`, or on a case that they see."""
    if me.is_software:
        return false()
    wrote = col(Note.recorded_by_id) == me.id
    return wrote if me.role in TREATING else and_(wrote, visible_cases(tx, me))


def kept_notes(who: Reader) -> ColumnElement[bool]:
    """Say in SQL which notes their author keeps, whatever became of the case: `may_keep_note`."""
    wrote: ColumnElement[bool] = col(Note.recorded_by_id) == who.id
    return wrote if who.role in TREATING else false()


_SEEN: dict[Any, Callable[[Reader], ColumnElement[bool]]] = {
    Incident: _seen_incidents,
    Flag: _seen_flags,
    Note: _seen_notes,
}
"""The records that may be hidden from somebody who sees their case; all others are not."""

_NAMED: dict[str, Any] = {"incident": Incident, "promise": Promise, "flag": Flag}
"""What rows store the ids of."""


async def seen_of(tx: Transaction, me: Actor, named: Iterable[Named]) -> frozenset[Named]:
    """Give those of the records named by rows of visible cases that exist for somebody.

    A row keeps which others it is about, and goes on to name one that was hidden since. So whoever
    shows ids that a row stores asks here which of them its reader sees, once for a whole page.
    """
    ids: dict[str, set[UUID]] = {}
    for record_type, row_id in named:
        ids.setdefault(record_type, set()).add(row_id)
    if not ids:
        return frozenset()
    found = await tx.exec(_seen(me.role, tuple(sorted(ids))), {**asked_by(tx, me), **ids})
    return frozenset((record_type, row_id) for record_type, row_id in found)


@cache
def _seen(role: Role, types: tuple[str, ...]) -> Any:
    # made once: making one costs more than running it
    asked = [_seen_in(record_type, asker(role)) for record_type in types]
    return union_all(*asked) if len(asked) > 1 else asked[0]


def _seen_in(record_type: str, who: Reader) -> Any:
    model = _NAMED[record_type]
    seen = _SEEN.get(model)
    return (
        sa_select(literal(record_type).label("type"), model.id)
        .select_from(model)
        .join(Case, on_its_case(model))
        .where(
            model.clinic_id == who.clinic,
            model.id.in_(bindparam(record_type, expanding=True)),
            *([] if seen is None else [seen(who)]),
        )
    )


def supervised(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL on which cases somebody sees, as a supervisor, what is restricted too."""
    return _supervised(reader(tx, me))


def _supervised(who: Reader) -> ColumnElement[bool]:
    return _supervised_by(who) if who.role in SUPERVISING else false()


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
            col(Case.clinician_id).in_(_answered_for(other)),
            ~_conflict_known_to(tx, told, user.id),
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
