"""Which records of a case exist for somebody: its own, flags, notes, what came by its door."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, or_
from sqlmodel import col

from api.access.visibility.accounts import (
    left_out_before,
    reads_its_account,
    seen_accounts,
)
from api.access.visibility.briefs import open_briefs
from api.access.visibility.cases import existing_case, supervised_by, visible_cases
from api.access.visibility.links_and_grants import granted
from api.access.visibility.reader import Reader, reader
from api.access.visibility.tenures import had_it_before
from api.domain.permissions.case_rules import Standing
from api.domain.permissions.table import CONSULTING, TREATING, Actor
from api.domain.vocabulary import Audience, NoteClass, NoteStatus
from api.storage.models.access import GrantKind
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case, Consultation, Incident, Note, Promise
from api.storage.models.disclosures import Disclosure
from api.storage.models.door import Invitation, Response
from api.storage.models.flags import Flag
from api.storage.transaction import Transaction


def may_see_restricted(actor: Actor, standing: Standing, recorded_by_id: UUID | None) -> bool:
    """Tell whether a restricted incident or promise exists for somebody who sees its case.

    Software records such a one and never reads it.
    """
    if standing.service:
        return False
    return (standing.linked and not standing.own) or recorded_by_id == actor.id


def visible_incidents(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which incidents of visible cases exist for somebody: `may_see_restricted`."""
    return _seen(Incident, reader(tx, me))


def visible_promises(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which promises of visible cases exist for somebody: `may_see_restricted`."""
    return _seen(Promise, reader(tx, me))


def _seen(model: Any, who: Reader) -> ColumnElement[bool]:
    is_open: ColumnElement[bool] = model.restricted.is_(False)
    if who.is_software:
        return is_open
    return or_(
        is_open,
        # what they recorded of an account is theirs as long as they read that
        and_(
            or_(model.recorded_by_id == who.id, supervised_by(who)), reads_its_account(who, model)
        ),
    )


def may_see_flag(standing: Standing, audience: Audience, *, restricted: bool) -> bool:
    """Tell whether a flag exists for somebody who sees its case.

    Restricted flags are for the linked supervisor alone, and prompts for the case's clinician
    and whoever stands in. Of one about what a client said, its readers are asked in SQL, whichever
    way it is found.
    """
    if restricted and (standing.own or not standing.linked):
        return False
    return audience == Audience.supervisor or standing.own or standing.covering


def visible_flags(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which flags of visible cases exist for somebody: `may_see_flag` of each."""
    return _seen_flags(reader(tx, me))


def _seen_flags(who: Reader) -> ColumnElement[bool]:
    treats = or_(
        col(Case.clinician_id) == who.id,
        granted(GrantKind.cover, who.clinic, who.id, who.now),
    )
    return and_(
        or_(col(Flag.restricted).is_(False), supervised_by(who)),
        reads_its_account(who),
        or_(col(Flag.audience) == Audience.supervisor, treats),
    )


def may_read_note(
    actor: Actor,
    standing: Standing,
    note_class: NoteClass,
    status: NoteStatus,
    author_id: UUID | None,
) -> bool:
    """Tell whether a note exists for somebody who sees its case.

    A draft is its author's alone, and so is a psychotherapy note for ever (45 CFR 164.501).
    """
    if standing.service:
        return False
    if author_id == actor.id:
        return True
    if status == NoteStatus.draft or note_class == NoteClass.psychotherapy:
        return False
    shared = standing.own or standing.linked or standing.covering
    return shared or (standing.opened and note_class == NoteClass.progress)


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
                supervised_by(who),
            ),
        ),
    )
    return or_(
        col(Note.recorded_by_id) == who.id, and_(col(Note.status) == NoteStatus.signed, shared)
    )


def may_keep_note(actor: Actor, author_id: UUID | None) -> bool:
    """Tell whether a note stays somebody's own, also where they do not see its case any more.

    Nobody else ever reads a draft, or signs, changes or amends a note: without its author nobody
    could. A conflict of interest does not end this, as it would then be told by the note's absence.
    """
    return author_id == actor.id and actor.role in TREATING


def kept_notes(who: Reader) -> ColumnElement[bool]:
    """Say in SQL which notes their author keeps, whatever became of the case: `may_keep_note`."""
    wrote: ColumnElement[bool] = col(Note.recorded_by_id) == who.id
    return wrote if who.role in TREATING else false()


def own_notes(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which notes are somebody's own: `may_keep_note`, or on a case that they see."""
    if me.is_software:
        return false()
    wrote = col(Note.recorded_by_id) == me.id
    return wrote if me.role in TREATING else and_(wrote, visible_cases(tx, me))


def visible_responses(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which responses on visible cases exist for somebody.

    For a linked supervisor, and the case's clinician: of what came by the door, what is shared with
    them. Nobody who stands in, or opened the case, reads any; nor does whoever had the case when it
    came by the door, whatever they come to be to it later.
    """
    return _seen_responses(reader(tx, me))


def _seen_responses(who: Reader) -> ColumnElement[bool]:
    if who.is_software:
        return false()
    told = or_(
        col(Response.box_id).is_(None),
        and_(col(Response.shared_from) <= who.today, col(Response.shared_with_id) == who.id),
    )
    by_door = col(Response.box_id).is_not(None)
    had_it = and_(by_door, had_it_before(who.id, Response, col(Response.created_at)))
    return or_(and_(col(Case.clinician_id) == who.id, told), and_(supervised_by(who), ~had_it))


def visible_disclosures(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which copies that were given exist for somebody who sees the case's.

    One with what was said at the door, for whoever gave it and supervisors who read all that was.
    """
    who = reader(tx, me)
    return or_(
        col(Disclosure.restricted).is_(False),
        and_(
            supervised_by(who),
            or_(col(Disclosure.recorded_by_id) == who.id, ~left_out_before(who, Disclosure)),
        ),
    )


def may_see_invitation(actor: Actor, standing: Standing, recorded_by_id: UUID | None) -> bool:
    """Tell whether an invitation exists for somebody: who made it, and a linked supervisor.

    The case's clinician does not learn who else invited the client.
    """
    return recorded_by_id == actor.id or (standing.linked and not standing.own)


def visible_invitations(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which invitations to the doors of visible cases exist: `may_see_invitation`."""
    return _seen_invitations(reader(tx, me))


def _seen_invitations(who: Reader) -> ColumnElement[bool]:
    return or_(col(Invitation.recorded_by_id) == who.id, supervised_by(who))


def may_see_record(me: Actor, row: Any, standing: Standing) -> bool:
    """Tell whether a record exists for somebody who sees its case.

    Of what came by the door SQL has told already, in finding it.
    """
    if isinstance(row, Incident | Promise) and row.restricted:
        return may_see_restricted(me, standing, row.recorded_by_id)
    if isinstance(row, Flag):
        return may_see_flag(standing, row.audience, restricted=row.restricted)
    if isinstance(row, Note):
        return may_read_note(me, standing, row.note_class, row.status, row.recorded_by_id)
    if isinstance(row, Invitation):
        return may_see_invitation(me, standing, row.recorded_by_id)
    return True


SEEN: dict[Any, Callable[[Reader], ColumnElement[bool]]] = {
    Incident: partial(_seen, Incident),
    Promise: partial(_seen, Promise),
    Flag: _seen_flags,
    Note: _seen_notes,
    Response: _seen_responses,
    Account: seen_accounts,
    Invitation: _seen_invitations,
}
"""The records that may be hidden from somebody who sees their case; all others are not."""


def existing_record(model: Any, who: Reader, since: Any) -> ColumnElement[bool]:
    """Say in SQL that a record, joined with its case, exists for whoever names it.

    `since`: when a brief expires that was not answered.
    """
    if model is Account:
        # whoever reads one need not see its case
        return seen_accounts(who)
    on_seen_case = existing_case(who)
    if model is Consultation and who.role in CONSULTING:
        return or_(on_seen_case, open_briefs(who.id, who.now, since))
    if (seen := SEEN.get(model)) is not None:
        on_seen_case = and_(on_seen_case, seen(who))
    if model is Invitation:
        return or_(on_seen_case, col(Invitation.recorded_by_id) == who.id)
    return or_(on_seen_case, kept_notes(who)) if model is Note else on_seen_case
