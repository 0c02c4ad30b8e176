"""Loads the one row that a request names."""

from typing import Any, TypeVar, TypeVarTuple, overload

from sqlmodel.sql.expression import Select, SelectOfScalar

from api.domain.errors import NotFound
from api.storage.transaction import Transaction

Row = TypeVar("Row")
Several = TypeVarTuple("Several")


@overload
async def load_or_404(
    tx: Transaction, statement: SelectOfScalar[Row], *, lock: bool = ..., pointed_at: bool = ...
) -> Row: ...


@overload
async def load_or_404(
    tx: Transaction, statement: Select[*Several], *, lock: bool = ..., pointed_at: bool = ...
) -> tuple[*Several]: ...


async def load_or_404(
    tx: Transaction, statement: Any, *, lock: bool = False, pointed_at: bool = False
) -> Any:
    """Load the first row that a statement finds. Raises 404 where it finds none.

    `lock`: nobody else changes it until this transaction ends; of several entities the first is
    locked. `pointed_at`: whoever writes a row that points at it need not wait.
    """
    if lock:
        first = statement.column_descriptions[0]["entity"]
        statement = statement.with_for_update(of=first, key_share=pointed_at)
    found = (await tx.exec(statement)).first()
    if found is None:
        raise NotFound
    return found
