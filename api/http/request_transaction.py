"""`Tx`: the transaction that a request is given, committed before its answer is sent."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Annotated

from fastapi import Depends, Request

from api.storage.database import Database
from api.storage.transaction import Transaction


def transaction_of(request: Request) -> AbstractAsyncContextManager[Transaction]:
    """Open the transaction of a request; it commits at the end."""
    database: Database = request.app.state.database
    looks = request.method == "GET"
    return database.transaction(request.state.request_id, looks=looks)


async def begin_transaction(request: Request) -> AsyncIterator[Transaction]:
    """Give a request its transaction."""
    async with transaction_of(request) as tx:
        yield tx


# scope="function": the commit comes before the answer is sent, so a failed commit is never a 201
Tx = Annotated[Transaction, Depends(begin_transaction, scope="function")]
