"""Cases as they stand in the queue, the gravest and soonest due first: found by index."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true, union
from sqlmodel import col

from api.access.visibility.cases import on_link, seen_in_queue
from api.access.visibility.links_and_grants import links
from api.access.visibility.newest import NEAR, Filter
from api.access.visibility.oversight import unwatched_by_anyone
from api.access.visibility.reader import Reader
from api.domain.permissions.table import SUPERVISING
from api.storage.compiled_queries import plainly
from api.storage.models.access import Supervision
from api.storage.models.clinical import Case


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
    if not laterally or who.role not in SUPERVISING:
        return _in_order([_first(BY_ALL, seen_in_queue(who), who, wanted)], wanted)
    near = _near(who, wanted)
    found = [select(*near.c)]
    is_short = select(func.count()).select_from(near).scalar_subquery() < wanted.most
    every = wanted._replace(ways=lambda _: ())
    for way in wanted.ways(BY_ALL) or (true(),):
        each = _first(BY_ALL, and_(on_link(who), way), who, every).correlate(Supervision).lateral()
        linked = (*links(who.clinic, who.id, who.today), is_short)
        found.append(select(*each.c).select_from(Supervision).join(each, true()).where(*linked))
    return _in_order(found, wanted)


def _near(who: Reader, wanted: Wanted) -> Any:
    """Select what is theirs of the first of the whole clinic: most, for who answers for many."""
    everyone = wanted._replace(most=plainly(NEAR))
    # of each is asked whether it is: a condition would let whoever plans this begin with all theirs
    theirs = seen_in_queue(who).label("theirs")
    near = _first(BY_ALL, true(), who, everyone).add_columns(theirs).subquery()
    columns = [each for each in near.c if each.key != "theirs"]
    found = select(*columns).where(near.c.theirs)
    return found.order_by(near.c.level, near.c.due_at, near.c.id).limit(wanted.most).cte()


def first_unwatched(who: Reader, wanted: Wanted) -> Any:
    """Select the first of the cases that no supervisor sees.

    Of cases that somebody has themselves, nothing is told that is restricted.
    """
    others = and_(unwatched_by_anyone(who), col(Case.clinician_id) != who.id)
    own = and_(unwatched_by_anyone(who), col(Case.clinician_id) == who.id)
    parts = (_first(BY_ALL, others, who, wanted), _first(UNRESTRICTED, own, who, wanted))
    return _in_order([select(*part.subquery().c) for part in parts], wanted)


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
