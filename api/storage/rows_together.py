"""Lists of rows that are asked together with one row: in one message, where a database can."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Dialect, orm
from sqlalchemy.exc import DBAPIError

from api.storage.autocommit import Autocommit
from api.storage.compiled_queries import Prepared, Question, is_not_supported
from api.storage.questions import Questions


class Together:
    """A statement that finds one row, and others about the same, with a list of rows each.

    On PostgreSQL all see the same instant, in one message; each list comes as an array of rows,
    whose values are converted as if it had been asked by itself. Elsewhere they are asked in turn.
    """

    def __init__(self, one: Any, *lists: Any) -> None:
        self._one, self._lists = Prepared(one), [Prepared(each) for each in lists]
        self._at_once = _AtOnce(one, self._lists)
        self._is_refused = False

    async def ask(
        self, tx: Questions, params: Mapping[str, Any]
    ) -> tuple[Sequence[Any], list[list[Any]]]:
        """Give the row and the lists. Raises ValueError where there is not exactly one row."""
        if tx.asks_at_once and not self._is_refused:
            try:
                row = (await tx.exec(self._at_once, params)).one()
            except DBAPIError as error:
                # this transaction is lost; the next one asks in turn
                self._is_refused = is_not_supported(error)
                raise
            number = len(self._lists)
            return row[:-number], list(row[-number:])
        row = (await tx.exec(self._one, params)).one()
        return row, [list(await tx.exec(each, params)) for each in self._lists]


class _AtOnce(Prepared):
    def __init__(self, one: Any, lists: Sequence[Prepared]) -> None:
        super().__init__(one.add_columns(*(_as_array(each.statement) for each in lists)))
        self._lists = lists

    def run(self, session: orm.Session, asked: Question) -> list[Any]:
        """Run on a session's connection."""
        return self._with_lists(super().run(session, asked), session.connection().dialect)

    async def run_alone(self, alone: Autocommit, clinic_id: UUID, asked: Question) -> list[Any]:
        """Run as a transaction of its own, which enters the clinic itself."""
        return self._with_lists(await super().run_alone(alone, clinic_id, asked), alone.dialect)

    def _with_lists(self, rows: list[Any], dialect: Dialect) -> list[Any]:
        number = len(self._lists)
        return [
            (
                *row[:-number],
                *(
                    of.converted(each, dialect)
                    for of, each in zip(self._lists, row[-number:], strict=True)
                ),
            )
            for row in rows
        ]


def _as_array(rows: Any) -> Any:
    one_each = sa.func.row(*rows.selected_columns)
    return sa.func.array(rows.with_only_columns(one_each).scalar_subquery())
