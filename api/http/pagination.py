"""Cursor lists: a page, and a sealed bookmark for the next one."""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from pydantic import Field
from sqlalchemy import select, union_all
from sqlalchemy.orm.attributes import set_committed_value

from api.domain.errors import Invalid
from api.domain.values import Input, Output
from api.security.base64url import decode, encode
from api.storage.plain_rows import PlainRow
from api.storage.transaction import Transaction

Item = TypeVar("Item")
_SEAL = 16


class Page(Output, Generic[Item]):
    """One page of a list; `next` is the cursor of the following page, null at the end."""

    items: list[Item]
    next: str | None

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name the schema for what is listed: `CasePage`, for clients' classes too."""
        (listed,) = params
        names = [each.__name__.removesuffix("Read") for each in get_args(listed) or (listed,)]
        return f"{'Or'.join(names)}Page"


class PageQuery(Input):
    """How much of a list, and from where."""

    limit: Annotated[int, Field(ge=1, le=100, description="Items on a page.")] = 50
    cursor: Annotated[
        str | None, Field(max_length=1024, description="`next` of the page before.")
    ] = None

    def asks_for_changes(self) -> bool:
        """Tell whether what changed since an instant can be asked for."""
        return "updated_since" in type(self).model_fields

    def begins_after(self, until: datetime, zone: ZoneInfo) -> bool:  # noqa: ARG002 - see FHIR
        """Tell whether only what changed after an instant is asked for."""
        since: datetime | None = getattr(self, "updated_since", None)
        return since is not None and since > until


class Bookmarks:
    """Encodes and decodes cursors: the sort key of a page's last row, bound to list and filters."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"cursor:" + secret.encode()).digest()

    def encode_cursor(self, listing: str, query: PageQuery, key: Sequence[Any]) -> str:
        """Seal a sort key."""
        payload = json.dumps([_plain(part) for part in key]).encode()
        seal = self._seal(listing, query, payload)
        return encode(seal + payload)

    def decode_cursor(self, listing: str, query: PageQuery) -> list[Any] | None:
        """Open the query's cursor; None at the beginning. Raises 422 for any other cursor."""
        if query.cursor is None:
            return None
        try:
            opened = decode(query.cursor)
        except ValueError as error:
            raise _not_a_cursor() from error
        seal, payload = opened[:_SEAL], opened[_SEAL:]
        if not hmac.compare_digest(seal, self._seal(listing, query, payload)):
            raise _not_a_cursor()
        key: list[Any] = json.loads(payload)
        return key

    def cut(
        self,
        listing: str,
        query: PageQuery,
        rows: Sequence[Item],
        key: Callable[[Any], Sequence[Any]] = lambda row: [row.id],
    ) -> tuple[list[Item], str | None]:
        """Keep a page of rows; where one more was found, give the cursor of the next, too."""
        page = list(rows[: query.limit])
        if len(rows) <= query.limit:
            return page, None
        return page, self.encode_cursor(listing, query, key(page[-1]))

    def _seal(self, listing: str, query: PageQuery, payload: bytes) -> bytes:
        filters = query.model_dump_json(exclude={"cursor", "limit"}, exclude_none=True)
        bound = b"\0".join((listing.encode(), filters.encode(), payload))
        return hmac.new(self._key, bound, hashlib.sha256).digest()[:_SEAL]


Find = Callable[[UUID | None, int], Awaitable[Sequence[Any]]]
"""Finds the newest rows from before an id on, so many."""


async def newest_first(
    tx: Transaction, marks: "Bookmarks", listing: str, query: PageQuery, statement: Any, model: Any
) -> tuple[list[Any], str | None]:
    """Run a list statement that selects `model`, newest first; give a page and its cursor."""
    return await page_of(tx, marks, listing, query, finding(tx, statement, model))


def finding(tx: Transaction, statement: Any, model: Any) -> Find:
    """Say how to find the newest rows of a list statement that selects `model`.

    Or of what gives one for an id to begin before, and for a number of rows.
    """

    async def find(before: UUID | None, most: int) -> Sequence[Any]:
        found: Sequence[Any] = (await tx.exec(_newest(statement, model, before, most))).all()
        return found

    return find


async def page_of(
    tx: Transaction, marks: "Bookmarks", listing: str, query: PageQuery, find: Find
) -> tuple[list[Any], str | None]:
    """Give a page of rows, newest first, and its cursor.

    All pages of one reading tell of changes up to one instant, see `_asks_too_early`.
    """
    listing = f"{tx.clinic.id}/{listing}"
    last = marks.decode_cursor(listing, query)
    if await _asks_too_early(tx, query, last):
        return [], None
    # one row more than a page tells of another
    rows = await find(_before(last), query.limit + 1)
    page, following = marks.cut(listing, query, rows, _key(tx))
    for row in page:
        _date(row, tx.listed_until)
    return page, following


async def newest_of_several(
    tx: Transaction,
    marks: "Bookmarks",
    listing: str,
    query: PageQuery,
    statements: Sequence[tuple[Any, Any]],
) -> tuple[list[Any], str | None]:
    """List what several statements select, each with its model, as if it were one.

    They select the same columns, `id` among them. None is read further than one page goes.
    """
    listing = f"{tx.clinic.id}/{listing}"
    last = marks.decode_cursor(listing, query)
    if await _asks_too_early(tx, query, last):
        return [], None
    before, most = _before(last), query.limit + 1
    parts = (_newest(statement, model, before, most).subquery() for statement, model in statements)
    together = union_all(*(select(part) for part in parts)).subquery()
    newest = select(together).order_by(together.c.id.desc()).limit(most)
    return marks.cut(listing, query, (await tx.exec(newest)).all(), _key(tx))


async def _asks_too_early(tx: Transaction, query: PageQuery, last: Sequence[Any] | None) -> bool:
    """Find out up to when a list is whole; tell whether only what comes after is asked for.

    Whoever asks for changes goes on from the latest `updated_at` they saw, on whichever page. So
    none is shown that is later than what may still be committed: such a row is shown as if it had
    changed just before, and comes again with its own instant. The instant goes on in the cursor,
    since what changes while pages are read may stand on one that was read.
    """
    if not query.asks_for_changes():
        return False
    known = last[1:] if last else ()
    until = datetime.fromisoformat(known[0]) if known else await tx.listing_until()
    tx.listed_until = until
    return query.begins_after(until, tx.clinic.zone)


def _date(row: Any, until: datetime | None) -> None:
    """Show a row as if it had changed no later than the list is whole; nothing is written."""
    if until is None or getattr(row, "updated_at", until) <= until:
        return
    if isinstance(row, PlainRow):
        row.updated_at = until
    else:
        set_committed_value(row, "updated_at", until)


def _key(tx: Transaction) -> Callable[[Any], Sequence[Any]]:
    return lambda row: [row.id] if tx.listed_until is None else [row.id, tx.listed_until]


def _before(last: Sequence[Any] | None) -> UUID | None:
    """Give the id of the last row of the page before."""
    return None if last is None else UUID(last[0])


def _newest(statement: Any, model: Any, before: UUID | None, most: int) -> Any:
    if callable(statement):
        return statement(before, most)
    statement = statement.order_by(model.id.desc()).limit(most)
    return statement if before is None else statement.where(model.id < before)


async def _bookmarks(request: Request) -> Bookmarks:
    marks: Bookmarks = request.app.state.bookmarks
    return marks


Marks = Annotated[Bookmarks, Depends(_bookmarks)]


def _plain(part: Any) -> Any:
    if isinstance(part, UUID):
        return str(part)
    return part.isoformat() if isinstance(part, datetime) else part


def _not_a_cursor() -> Invalid:
    return Invalid(
        "/query/cursor",
        "This is not a cursor of this list: send `next` of the page before, with the same filters.",
    )
