"""How somebody stands to a case: asked in SQL together with the case itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, bindparam, exists, literal, or_
from sqlalchemy import select as sa_select
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from api.access.visibility.accounts import reads_its_account
from api.access.visibility.cases import existing_case, may_see_case
from api.access.visibility.links_and_grants import conflicted, granted, links
from api.access.visibility.reader import asked_by, asker
from api.domain.errors import Conflict, NotFound
from api.domain.lifecycles import BRIEF_LASTS, CASE_PURGED
from api.domain.permissions.case_rules import Standing
from api.domain.permissions.table import SUPERVISING, TREATING, Actor
from api.domain.vocabulary import Audience, Role, Severity
from api.storage.adopted_rows import whole_row
from api.storage.compiled_queries import Prepared
from api.storage.loading import load_or_404
from api.storage.models.access import GrantKind, Supervision
from api.storage.models.clinical import Case
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.models.journal import JournalEntry
from api.storage.models.people import Clinic
from api.storage.plain_rows import all_names_of, columns_of, names_of, plain_row
from api.storage.questions import Asked
from api.storage.transaction import Transaction

_Entry = aliased(JournalEntry)


class WaitingFlag(NamedTuple):
    """The little that a case shows of an unresolved flag."""

    severity: Severity
    due_at: datetime | None
    audience: Audience
    restricted: bool


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A case that the actor sees, how they stand to it, and, where it is read, what waits on it."""

    row: Case
    standing: Standing
    waiting: tuple[WaitingFlag, ...] = ()


async def find_case(
    tx: Transaction, me: Actor, case_id: UUID, *, lock: bool = False
) -> OpenCase | None:
    """Load a case that exists for somebody, and how they stand to it."""
    asked = asking(tx, me, case_id)
    if lock:
        return await _to_change(tx, me, _case_to_change(me.role), asked)
    rows = (await tx.exec(*_to_read(tx, me, asked))).all()
    if not rows:
        return None
    found = open_case(me, rows)
    await tx.open(Case, found.row)
    return found


def open_case(me: Actor, rows: Sequence[Any]) -> OpenCase:
    """Read what `with_what_waits` found of one case: a row for each flag, or one without any."""
    case: Case = plain_row(Case, rows[0])
    flags = tuple([WaitingFlag(*row[_WAITING:]) for row in rows if row[_WAITING]])
    return OpenCase(case, standing_of(me, case, *rows[0][_STANDING:_WAITING]), flags)


def asked_of_case(tx: Transaction, me: Actor, case_id: UUID) -> Asked:
    """Give what `find_case` asks of a case that is read."""
    return _to_read(tx, me, asking(tx, me, case_id))


def _to_read(tx: Transaction, me: Actor, asked: dict[str, Any]) -> Asked:
    return _case_to_read(me.role, tx.withholds_sealed_text), asked


async def find_case_to_open(tx: Transaction, me: Actor, case_id: UUID) -> OpenCase | None:
    """Load and lock a case for an emergency, seen or not; none that concerns who asks."""
    return await _to_change(tx, me, _case_to_open(me.role), asking(tx, me, case_id))


async def _to_change(
    tx: Transaction, me: Actor, statement: Prepared, asked: dict[str, Any]
) -> OpenCase | None:
    found = (await tx.exec(statement, asked)).first()
    if found is None:
        return None
    # as it is now that the lock is held, whatever was known of it before
    (case,) = await tx.adopt(Case, [found], anew=True)
    return OpenCase(case, standing_of(me, case, *found[len(all_names_of(Case)) :]))


async def load_seen_case(
    tx: Transaction, me: Actor, case_id: UUID, *, lock: bool = False
) -> OpenCase:
    """Load a case that somebody sees. Raises 404 where they may not know of it."""
    found = await find_case(tx, me, case_id, lock=lock)
    if found is None or not may_see_case(found.standing):
        raise NotFound
    return found


async def load_case(tx: Transaction, case_id: UUID, *, lock: bool = False) -> Case:
    """Load a case for somebody who knows no more of it than its id; 404 where there is none."""
    statement = select(Case).where(Case.id == case_id)
    return await load_or_404(tx, locked(statement, Case) if lock else statement)


async def load_clinic(tx: Transaction, *, lock: bool = False) -> Clinic:
    """Load the clinic entered, with all that it has set for itself."""
    statement = select(Clinic).where(Clinic.id == tx.clinic.id)
    # not FOR UPDATE: whoever holds a case only needs the clinic to be there, and is waited for
    statement = statement.with_for_update(key_share=True) if lock else statement
    clinic: Clinic = (await tx.exec(statement)).one()
    return clinic


def refuse_purged(case: Case) -> None:
    """Raise 409 for a case whose text was destroyed: nothing could be sealed on it any more."""
    if case.purged_at is not None:
        raise Conflict(CASE_PURGED)


_OWN, _SERVICE = Standing(own=True), Standing(service=True)


def standing_of(me: Actor, case: Case, *held: object) -> Standing:
    """Say how somebody stands to a case; `held` is what `standing_columns` asked."""
    if me.is_software:
        return _SERVICE
    if case.clinician_id == me.id:
        return _OWN
    linked, covering, opened, conflict, overseeing = map(bool, held)
    return Standing(
        linked=linked,
        covering=covering,
        opened=opened,
        conflicted=conflict,
        overseeing=overseeing,
    )


def asking(tx: Transaction, me: Actor, row_id: UUID) -> dict[str, Any]:
    """Fill the placeholders of a statement that asks, with `standing_columns`, about one row."""
    return {**asked_by(tx, me), "row": row_id, "since": tx.now - BRIEF_LASTS}


_STANDING = len(names_of(Case))
_WAITING = _STANDING + 5
"""Where, behind a case's own columns, is how somebody stands to it, and then what waits on it."""


@cache
def _case_to_change(role: Role) -> Prepared:
    return Prepared(_case_locked(role).where(existing_case(asker(role))))


@cache
def _case_to_open(role: Role) -> Prepared:
    who = asker(role)
    concerns_others = ~conflicted(who.clinic, who.id, who.now)
    theirs = or_(col(Case.clinician_id) == who.id, concerns_others)
    return Prepared(_case_locked(role).where(theirs))


def _case_locked(role: Role) -> Any:
    shown = (*whole_row(Case), *standing_columns(role))
    return sa_select(*shown).where(col(Case.id) == bindparam("row")).with_for_update(of=Case)


@cache
def _case_to_read(role: Role, withheld: bool) -> Any:  # noqa: FBT001 - they are the cache's key
    named = (col(Case.id) == bindparam("row"), existing_case(asker(role)))
    return Prepared(with_what_waits(role, withheld=withheld).where(*named))


def with_what_waits(role: Role, *, withheld: bool) -> Any:
    """Select cases, how somebody stands to each, and its unresolved flags; see `open_case`."""
    shown = (col(Flag.severity), col(Flag.due_at), col(Flag.audience), col(Flag.restricted))
    return (
        sa_select(*columns_of(Case, withheld=withheld), *standing_columns(role), *shown)
        .select_from(Case)
        .outerjoin(
            Flag, and_(col(Flag.case_id) == Case.id, IS_UNRESOLVED, reads_its_account(asker(role)))
        )
    )


def locked(statement: Any, *models: Any) -> Any:
    """Lock rows for a write, and read them as they are once the lock is held."""
    return statement.with_for_update(of=models).execution_options(populate_existing=True)


def standing_columns(role: Role) -> tuple[Any, ...]:
    """Ask in SQL how somebody who is not its clinician stands to a case, as `Standing` has it."""
    clinic, me, _, now, today = asker(role)
    never: Any = literal(False)  # noqa: FBT003
    linked = covering = opened = conflict = overseeing = never
    if role in TREATING:
        covering = granted(GrantKind.cover, clinic, me, now)
        conflict = conflicted(clinic, me, now)
    if role in SUPERVISING:
        held = links(clinic, me, today)
        linked = exists().where(*held, col(Supervision.clinician_id) == Case.clinician_id)
        opened = granted(GrantKind.break_glass, clinic, me, now)
        overseeing = and_(col(Case.door_used), _has_just_read_what_is_hidden(clinic, me))
    # whose case it is sees it whatever else holds, so nothing else is looked up
    not_own = col(Case.clinician_id) != me
    held = (linked, covering, opened, conflict, overseeing)
    return tuple(and_(not_own, each) for each in held)


def _has_just_read_what_is_hidden(clinic: Any, me: Any) -> Any:
    """Say in SQL that somebody was shown something of a case that its clinician is not shown."""
    entry = _Entry
    return (
        exists()
        .where(
            col(entry.clinic_id) == clinic,
            col(entry.actor_id) == me,
            col(entry.case_id) == Case.id,
            col(entry.is_read),
            col(entry.restricted),
            col(entry.at) > bindparam("lately"),
        )
        .correlate_except(entry)
    )
