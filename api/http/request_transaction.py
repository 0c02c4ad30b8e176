"""`Tx`: the transaction that a request is given, committed before its answer is sent."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from api.storage.database import Database
from api.storage.transaction import Transaction


async def _transaction(request: Request) -> AsyncIterator[Transaction]:
    database: Database = request.app.state.database
    async with database.transaction(request.state.request_id) as tx:
        yield tx


# scope="function": the commit comes before the answer is sent, so a failed commit is never a 201
Tx = Annotated[Transaction, Depends(_transaction, scope="function")]
