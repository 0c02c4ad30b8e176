"""Cases as they stand in the queue, the gravest and soonest due first: found by index."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union,
)
from sqlmodel import col
from sqlmodel.sql.sqltypes import UTCDateTime

from api.access.visibility.accounts import from_kept_account, reads_its_account
from api.access.visibility.cases import on_link, seen_in_queue
from api.access.visibility.links_and_grants import links
from api.access.visibility.newest import NEAR, Filter
from api.access.visibility.oversight import unwatched_by_anyone
from api.access.visibility.reader import Reader
from api.domain.permissions.table import SUPERVISING
from api.domain.vocabulary import SEVERITY_ORDER
from api.flags.triage import NOTHING_WAITS, level_of
from api.storage.compiled_queries import plainly
from api.storage.models.access import Supervision
from api.storage.models.clinical import Case
from api.storage.models.door import Invitation
from api.storage.models.flags import IS_UNRESOLVED, Flag


class Triaged(NamedTuple):
    """By which columns a queue is in order; `hidden`: all that waits is kept from its clinician."""

    level: Any
    due_at: Any
    hidden: ColumnElement[bool]

    @property
    def columns(self) -> tuple[Any, ...]:
        """What is told of a case's place."""
        hidden = self.hidden.label("hidden")
        return col(Case.id), self.level.label("level"), self.due_at.label("due_at"), hidden

    @property
    def order(self) -> tuple[Any, ...]:
        """What comes first has the least."""
        return self.level, self.due_at, col(Case.id)


BY_ALL = Triaged(
    col(Case.triage_level),
    col(Case.triage_due_at),
    col(Case.unrestricted_triage_level).is_(None),
)
UNRESTRICTED = Triaged(
    col(Case.unrestricted_triage_level), col(Case.unrestricted_triage_due_at), false()
)

_LEVEL_OF_FLAG = case(
    *((col(Flag.severity) == each, level_of(each)) for each in SEVERITY_ORDER[1:]),
    else_=level_of(SEVERITY_ORDER[0]),
)

_INVITED = Triaged(
    literal(NOTHING_WAITS), literal(datetime(9999, 1, 1, tzinfo=UTC), UTCDateTime), true()
)

Conditions = Callable[[Triaged], Sequence[Filter]]
"""Says in SQL what is asked of a case, by the order of the queue that it stands in."""


class Wanted(NamedTuple):
    """Which cases of a queue: by what filters, in which ways (one must hold), and how many.

    Each way is looked up by itself.
    """

    filters: Conditions
    ways: Conditions
    most: Any


def first_in_queue(who: Reader, wanted: Wanted, *, laterally: bool) -> Any:
    """Select the first in somebody's queue: for software by what is not restricted.

    `laterally`: of each clinician that a supervisor answers for, which SQLite cannot.
    """
    if who.is_software:
        return _in_order([_first(UNRESTRICTED, seen_in_queue(who), who, wanted)], wanted)
    waits = _waiting_at_doors(who, reads_its_account(who))
    told = _told_at_doors(waits, seen_in_queue(who), who, wanted)
    if not laterally or who.role not in SUPERVISING:
        among = and_(seen_in_queue(who), ~_is_told(waits))
        return _in_order([_subselect(_first(BY_ALL, among, who, wanted)), told], wanted)
    near = _near(waits, who, wanted)
    found = [select(*near.c), told]
    is_short = select(func.count()).select_from(near).scalar_subquery() < wanted.most
    every = wanted._replace(ways=lambda _: ())
    for way in wanted.ways(BY_ALL) or (true(),):
        among = and_(on_link(who), way, ~_is_told(waits))
        each = _first(BY_ALL, among, who, every).correlate(Supervision).lateral()
        linked = (*links(who.clinic, who.id, who.today), is_short)
        found.append(select(*each.c).select_from(Supervision).join(each, true()).where(*linked))
    return _in_order(found, wanted)


def _near(waits: Filter, who: Reader, wanted: Wanted) -> Any:
    """Select what is theirs of the first of the whole clinic: most, for who answers for many."""
    everyone = wanted._replace(most=plainly(NEAR))
    # of each is asked whether it is: a condition would let whoever plans this begin with all theirs
    theirs = and_(seen_in_queue(who), ~_is_told(waits)).label("theirs")
    near = _first(BY_ALL, true(), who, everyone).add_columns(theirs).subquery()
    columns = [each for each in near.c if each.key != "theirs"]
    found = select(*columns).where(near.c.theirs)
    return found.order_by(near.c.level, near.c.due_at, near.c.id).limit(wanted.most).cte()


def _told_at_doors(waiting: Filter, seen: Filter, who: Reader, wanted: Wanted) -> Any:
    """Select the first of the cases on which something waits that a client said.

    Not everybody who sees a case reads that, so no place is kept by it: such a case stands where
    its gravest flag puts it of all that this reader sees. There are few.
    """
    waits = (
        select(
            col(Flag.case_id),
            func.min(_LEVEL_OF_FLAG).label("level"),
            func.min(col(Flag.due_at)).label("due_at"),
        )
        .where(waiting)
        .group_by(col(Flag.case_id))
        .subquery()
    )
    kept = BY_ALL
    order = Triaged(
        case((kept.level < waits.c.level, kept.level), else_=waits.c.level),
        case((kept.due_at < waits.c.due_at, kept.due_at), else_=waits.c.due_at),
        kept.hidden,
    )
    among = and_(seen, col(Case.id) == waits.c.case_id)
    return _subselect(_first(order, among, who, wanted))


def _is_told(waiting: Filter) -> ColumnElement[bool]:
    """Say in SQL that something waits on a case that a client said and this reader reads."""
    waits = exists().where(waiting, col(Flag.case_id) == Case.id)
    # most cases were never written to by their door, and are not looked at further
    return and_(col(Case.door_used), waits.correlate_except(Flag))


def _waiting_at_doors(who: Reader, read: Filter) -> ColumnElement[bool]:
    """Say in SQL that a flag is about what a client said, and waits; `read`: this reader does."""
    of_account = col(Flag.account_id).is_not(None)
    return and_(col(Flag.clinic_id) == who.clinic, of_account, IS_UNRESOLVED, read)


def _subselect(found: Any) -> Any:
    # each with an order and a limit of its own
    return select(*found.subquery().c)


def first_unwatched(who: Reader, wanted: Wanted) -> Any:
    """Select the first of the cases that no supervisor sees, by what this reader may know of.

    Of cases that somebody has themselves, nothing is told that is restricted. Last come those to
    whose door somebody is invited, and on which nothing waits: nobody would read what is sent.
    """
    others = and_(unwatched_by_anyone(who), col(Case.clinician_id) != who.id)
    own = and_(unwatched_by_anyone(who), col(Case.clinician_id) == who.id)
    waits = _waiting_at_doors(who, ~from_kept_account(who, Flag))
    parts = (
        _first(BY_ALL, and_(others, ~_is_told(waits)), who, wanted),
        _first(UNRESTRICTED, own, who, wanted),
        _first(_INVITED, and_(others, _is_invited(who), ~_is_told(waits)), who, wanted),
    )
    told = _told_at_doors(waits, others, who, wanted)
    return _in_order([*(_subselect(part) for part in parts), told], wanted)


def _is_invited(who: Reader) -> ColumnElement[bool]:
    """Say in SQL that the door of a case stands open, and nothing waits on the case."""
    live = exists().where(
        col(Invitation.clinic_id) == who.clinic,
        col(Invitation.case_id) == Case.id,
        col(Invitation.revoked_at).is_(None),
        col(Invitation.expires_on) >= who.today,
    )
    stands = and_(col(Case.voided_at).is_(None), col(Case.triage_level).is_(None))
    return and_(stands, live.correlate_except(Invitation))


def _first(order: Triaged, among: Filter, who: Reader, wanted: Wanted) -> Any:
    """Select the first of some cases, by an order of theirs."""
    ways = wanted.ways(order)
    rows = select(*order.columns).where(
        col(Case.clinic_id) == who.clinic,
        order.level.is_not(None),
        among,
        *wanted.filters(order),
        *([or_(*ways)] if ways else []),
    )
    return rows.order_by(*order.order).limit(wanted.most)


def _in_order(found: Sequence[Any], wanted: Wanted) -> Any:
    """Put together what was found in several ways."""
    one = found[0].subquery() if len(found) == 1 else union(*found).subquery()
    return select(*one.c).order_by(one.c.level, one.c.due_at, one.c.id).limit(wanted.most)
