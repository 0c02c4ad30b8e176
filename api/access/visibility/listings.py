"""Lists of what somebody sees, newest first: their statements, those without filters made once."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, any_, func
from sqlmodel import col

from api.access.visibility.cases import on_its_case
from api.access.visibility.newest import Filter, Wanted, newest_ids
from api.access.visibility.reader import asked_by, asker, placeholder
from api.domain.permissions.table import Actor
from api.domain.vocabulary import Role
from api.http.pagination import Bookmarks, Find, PageQuery, page_of
from api.journal.entries import Happening, record_shown
from api.storage.compiled_queries import Prepared, plainly
from api.storage.models.clinical import Case
from api.storage.plain_rows import columns_of, plain_row
from api.storage.transaction import Transaction


class How(NamedTuple):
    """What a list's statement depends on, beside its filters."""

    role: Role
    withheld: bool
    laterally: bool
    goes_on: bool
    """It begins behind a page that was shown."""
    most: int


class Listing:
    """A list of a model's rows on cases that are listed for somebody.

    `always`: which rows stand in it, whatever is asked for; `selects`: what of them, where that is
    more than the rows.
    """

    def __init__(
        self, model: Any, *always: Filter, selects: Callable[[How], Any] | None = None
    ) -> None:
        self.model = model
        self.always = always
        self._selects = selects or self._rows
        self._of_all: dict[How, Prepared] = {}

    async def find(
        self, tx: Transaction, me: Actor, filters: Sequence[Filter], before: UUID | None, most: int
    ) -> list[Any]:
        """Find the newest, from before an id on, so many; each as it was selected."""
        goes_on = before is not None
        how = How(me.role, tx.withholds_sealed_text, tx.is_postgresql, goes_on, most)
        statement = self._statement(how, filters) if filters else self._made_once(how)
        asked = {**asked_by(tx, me), "before": before}
        found: list[Any] = (await tx.exec(statement, asked)).all()
        return found

    async def rows(
        self, tx: Transaction, me: Actor, filters: Sequence[Filter], before: UUID | None, most: int
    ) -> list[Any]:
        """Find the newest as plain rows, their texts opened."""
        found = await self.find(tx, me, filters, before, most)
        rows = [plain_row(self.model, each) for each in found]
        keys = {}
        if self.model is not Case:
            keys = {row.case_id: each[-1] for row, each in zip(rows, found, strict=True)}
        await tx.open_several(self.model, rows, keys)
        return rows

    def _rows(self, how: How) -> Any:
        """Select whole rows, and with each record the wrapped key of its case."""
        columns = columns_of(self.model, withheld=how.withheld)
        if self.model is Case:
            return sa.select(*columns)
        found = sa.select(*columns, col(Case.text_key)).select_from(self.model)
        return found.join(Case, on_its_case(self.model))

    def _made_once(self, how: How) -> Prepared:
        # making one costs more than running it
        if how not in self._of_all:
            self._of_all[how] = Prepared(self._statement(how, ()))
        return self._of_all[how]

    def _statement(self, how: How, filters: Sequence[Filter]) -> Any:
        before = placeholder("before") if how.goes_on else None
        wanted = Wanted((*self.always, *filters), plainly(how.most), before)
        ids = newest_ids(self.model, asker(how.role), wanted, laterally=how.laterally)
        here = self.model.clinic_id == placeholder("clinic")
        found = self._selects(how).where(here, _among(self.model.id, ids, laterally=how.laterally))
        return found.order_by(self.model.id.desc())


def _among(row_id: Any, ids: Any, *, laterally: bool) -> ColumnElement[bool]:
    """Say in SQL that a row is one of those; PostgreSQL then looks for just these by their ids.

    Told that it is in a query, it may go through the whole table beside it, as long as that is
    short.
    """
    among: ColumnElement[bool] = row_id.in_(ids)
    return row_id == any_(func.array(ids.scalar_subquery())) if laterally else among


async def shown_page(
    tx: Transaction,
    me: Actor,
    page: tuple[Bookmarks, str, PageQuery],
    find: Find,
    happening: Happening,
    purpose: str | None = None,
) -> tuple[list[Any], str | None]:
    """Give a page of a list and its cursor, journalled as shown; `page`: of which list, and how."""
    rows, following = await page_of(tx, *page, find)
    record_shown(tx, happening, rows, actor_id=me.id, purpose=purpose)
    return rows, following
