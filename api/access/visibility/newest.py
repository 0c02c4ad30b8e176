"""The newest rows that somebody sees: what a list shows, found by index however much is stored.

`visible_cases` says of any case whether it is listed for somebody; asked of all of them, it looks
at every newer case of the clinic on the way to theirs. So a list asks the other way round: in which
ways cases come to be seen, and of each way its newest. The property tests hold both together.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlmodel
from sqlalchemy import ColumnElement, and_, func, join, select, true, union
from sqlalchemy.orm import aliased
from sqlmodel import col

from api.access.visibility.cases import on_its_case, on_link, seen_in_lists
from api.access.visibility.links_and_grants import conflicted, in_force, links
from api.access.visibility.reader import Reader, reader
from api.access.visibility.records import SEEN
from api.domain.permissions.table import SUPERVISING, TREATING, Actor
from api.storage.compiled_queries import plainly
from api.storage.models.access import AccessGrant, GrantKind, Supervision
from api.storage.models.clinical import Case
from api.storage.transaction import Transaction

NEAR = 500
"""How many of a clinic's newest rows are looked at first, for somebody who may see most of them."""

_Cover = aliased(AccessGrant)


Filter = ColumnElement[bool]


class Wanted(NamedTuple):
    """Which rows of a list: its filters, how many, and before which id; values or placeholders."""

    filters: Sequence[Filter]
    most: Any
    before: Any = None


def newest_ids(model: Any, who: Reader, wanted: Wanted, *, laterally: bool) -> Any:
    """Select the ids of the newest rows on cases that are listed for somebody.

    `laterally`: way by way. SQLite cannot, and who sees every case needs no ways.
    """
    if not laterally or who.is_software:
        rows = _rows(model, who, wanted).where(seen_in_lists(who))
        if model is not Case:
            rows = rows.join(Case, on_its_case(model))
        return _newest(rows, model, wanted).correlate(None)
    found = [_by(way, model, who, wanted) for way in _ways(who)]
    if who.role in SUPERVISING:
        near = _near(model, who, wanted)
        far = union(*found).subquery()
        is_short = select(func.count()).select_from(near).scalar_subquery() < wanted.most
        found = [select(near.c.id), select(far.c.id).where(is_short)]
    if len(found) == 1:
        # it may stand in a statement about the same tables
        return found[0].correlate(None)
    together = union(*found).subquery()
    return select(together.c.id).order_by(together.c.id.desc()).limit(wanted.most)


Newest = Callable[[UUID | None, int], Any]
"""Says how to select the newest rows from before an id on, so many."""


def newest_seen(tx: Transaction, me: Actor, model: Any, *filters: Filter) -> Newest:
    """Say how to select the newest rows that somebody sees."""
    newest = newest_ids_seen(tx, me, model, *filters)
    here = model.clinic_id == tx.clinic.id

    def select_rows(before: UUID | None, most: int) -> Any:
        statement = sqlmodel.select(model).where(here, model.id.in_(newest(before, most)))
        return statement.order_by(model.id.desc())

    return select_rows


def newest_ids_seen(tx: Transaction, me: Actor, model: Any, *filters: Filter) -> Newest:
    """Say how to select the ids of the newest rows that somebody sees."""
    who = reader(tx, me)

    def select_ids(before: UUID | None, most: int) -> Any:
        return newest_ids(model, who, Wanted(filters, most, before), laterally=tx.is_postgresql)

    return select_ids


class _Way(NamedTuple):
    """A way in which cases come to be listed: of whom (a link, a cover), and which then are."""

    through: Any
    holds: Sequence[ColumnElement[bool]]
    cases: ColumnElement[bool]


def _ways(who: Reader) -> Iterator[_Way]:
    """Give the ways that `seen_in_lists` puts together."""
    yield _Way(None, (), col(Case.clinician_id) == who.id)
    if who.role in TREATING:
        not_about_them = ~conflicted(who.clinic, who.id, who.now)
        held = (
            col(_Cover.clinic_id) == who.clinic,
            col(_Cover.user_id) == who.id,
            col(_Cover.kind) == GrantKind.cover,
            *in_force(_Cover, who.now),
        )
        yield _Way(_Cover, held, and_(col(Case.id) == _Cover.case_id, not_about_them))
    if who.role in SUPERVISING:
        yield _Way(Supervision, links(who.clinic, who.id, who.today), on_link(who))


def _by(way: _Way, model: Any, who: Reader, wanted: Wanted) -> Any:
    """Select the newest rows that are seen in one way: of each case, or of each link, so many."""
    if model is Case:
        rows = _rows(Case, who, wanted).where(way.cases)
        if way.through is None:
            return _newest(rows, Case, wanted)
        each = _newest(rows, Case, wanted).correlate(way.through).lateral()
        found = select(each.c.id).select_from(way.through).join(each, true())
    else:
        rows = _rows(model, who, wanted).where(on_its_case(model))
        each = _newest(rows, model, wanted).correlate(Case).lateral()
        cases = Case if way.through is None else join(way.through, Case, way.cases)
        found = select(each.c.id).select_from(cases).join(each, true())
        found = found.where(col(Case.clinic_id) == who.clinic)
        if way.through is None:
            found = found.where(way.cases)
    return found.where(*way.holds).order_by(each.c.id.desc()).limit(wanted.most)


def _near(model: Any, who: Reader, wanted: Wanted) -> Any:
    """Select what is seen of the clinic's newest rows: most of it, for who answers for many.

    Of each is asked whether it is, in the order of the index: a condition would let whoever plans
    this begin with all that somebody sees.
    """
    seen = SEEN.get(model)
    shown = and_(seen_in_lists(who), *wanted.filters, *([] if seen is None else [seen(who)]))
    rows = select(model.id, shown.label("shown")).where(model.clinic_id == who.clinic)
    if model is not Case:
        rows = rows.join(Case, on_its_case(model))
    if wanted.before is not None:
        rows = rows.where(model.id < wanted.before)
    near = rows.order_by(model.id.desc()).limit(plainly(NEAR)).subquery()
    found = select(near.c.id).where(near.c.shown).order_by(near.c.id.desc())
    return found.limit(wanted.most).cte()


def _rows(model: Any, who: Reader, wanted: Wanted) -> Any:
    """Select rows of a clinic by the filters of a list, as far as they exist for whoever asks."""
    seen = SEEN.get(model)
    rows = select(model.id).where(model.clinic_id == who.clinic, *wanted.filters)
    rows = rows if seen is None else rows.where(seen(who))
    return rows if wanted.before is None else rows.where(model.id < wanted.before)


def _newest(rows: Any, model: Any, wanted: Wanted) -> Any:
    return rows.order_by(model.id.desc()).limit(wanted.most)
