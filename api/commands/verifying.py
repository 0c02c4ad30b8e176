"""Verifies a sealed journal: reads all of it, in pages, and says where it first differs."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlmodel import col

from api.journal.tree_heads import (
    ENTRY,
    ENTRY_COLUMNS,
    HEAD,
    NO_HEAD,
    Head,
    entry_bytes,
    lower_bound,
    public_key_of,
    signer_of_clinic,
    unsealed,
)
from api.security.merkle import leaf_hash, tree_root
from api.storage.models.journal import JournalEntry, SealHead, SealLeaf
from api.storage.models.people import Clinic
from api.storage.transaction import Transaction

PAGE = 2_000
"""Rows that are read at a time: on SQLite, others write only between two pages."""
WINDOW = 20_000
"""Entries that are asked at a time whether any has no leaf."""


class Transactions(Protocol):
    """Where transactions come from."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction."""


class Difference(NamedTuple):
    """What is not as it was sealed, and where; `entry_id` where one entry can be named."""

    clinic_id: UUID
    head: int | None
    entry_id: UUID | None
    what: str

    def __str__(self) -> str:
        head = "no head" if self.head is None else f"head {self.head}"
        entry = "" if self.entry_id is None else f", entry {self.entry_id}"
        return f"clinic {self.clinic_id}, {head}{entry}: {self.what}"


class Verified(NamedTuple):
    """What came of verifying one clinic's journal."""

    clinic_id: UUID
    heads: int
    entries: int
    not_yet_sealed: int
    difference: Difference | None


class _Leaf(NamedTuple):
    """A leaf beside the entry it was made of; `values` None: it is gone, or cannot be read."""

    head_number: int
    position: int
    entry_id: UUID
    leaf_hash: str
    values: Any = None
    is_unreadable: bool = False


class _Differs(Exception):
    def __init__(self, what: str, head: int | None = None, entry_id: UUID | None = None) -> None:
        super().__init__(what)
        self.what, self.head, self.entry_id = what, head, entry_id


KeptHeads = dict[UUID, dict[int, str]]
"""By clinic and number, the hashes of heads that were kept elsewhere."""


def read_kept_heads(heads: Iterable[dict[str, Any]]) -> KeptHeads:
    """Read heads as they were printed. Raises ValueError, KeyError or TypeError for others."""
    kept: KeptHeads = {}
    for each in heads:
        head = Head(**{name: each[name] for name in Head._fields})
        kept.setdefault(UUID(head.clinic_id), {})[int(head.number)] = head.hash()  # type: ignore[arg-type]
    return kept


async def clinics(database: Transactions) -> list[UUID]:
    """Name every clinic, as the owner of the tables sees them."""
    async with database.transaction() as tx:
        connection = await tx.connection()
        found = await connection.execute(sa.select(col(Clinic.id)).order_by(col(Clinic.id)))
        return [clinic_id for (clinic_id,) in found]


async def count_sealed(database: Transactions, clinic_id: UUID) -> int:
    """Tell how many entries the heads of a clinic speak of."""
    async with database.transaction() as tx:
        await tx.enter(clinic_id)
        total = (await tx.exec(sa.select(sa.func.sum(SealHead.size)))).one()[0]
        return int(total or 0)


async def heads_of(
    database: Transactions, clinic_id: UUID, last: int | None = None
) -> AsyncGenerator[Head, None]:
    """Give the heads of a clinic in order, up to the last or to a number."""
    number = HEAD[1]
    page = sa.select(*HEAD).order_by(number).limit(PAGE)
    more = page if last is None else (page := page.where(number <= last))
    while True:
        async with database.transaction() as tx:
            await tx.enter(clinic_id)
            rows = (await tx.exec(more)).all()
        for row in rows:
            yield Head(*row)
        if len(rows) < PAGE:
            return
        more = page.where(number > rows[-1].number)


async def verify_clinic(
    database: Transactions,
    clinic_id: UUID,
    kept: dict[int, str] | None = None,
    advance: Callable[[int], object] = lambda _: None,
) -> Verified:
    """Compare every entry of a clinic with its seal, until the first that differs.

    `kept`: hashes of heads that were kept elsewhere, by number. `advance` is told of each page how
    many leaves were read. Entries and heads that come meanwhile are left for the next time. Raises
    WrongKeyError where the clinic's own key does not open.
    """
    walk = _Walk(database, clinic_id, kept or {}, advance)
    try:
        await walk.through()
    except _Differs as found:
        difference = Difference(clinic_id, found.head, found.entry_id, found.what)
        return walk.verified(difference)
    return walk.verified(None)


class _Walk:
    """Once through the journal of a clinic, head by head."""

    def __init__(
        self,
        database: Transactions,
        clinic_id: UUID,
        kept: dict[int, str],
        advance: Callable[[int], object],
    ) -> None:
        self._database = database
        self._clinic_id = clinic_id
        self._kept = kept
        self._advance = advance
        self._heads = self._entries = self._not_yet_sealed = 0

    def verified(self, difference: Difference | None) -> Verified:
        """Sum up."""
        return Verified(
            self._clinic_id, self._heads, self._entries, self._not_yet_sealed, difference
        )

    async def through(self) -> None:
        """Walk, and raise _Differs at the first difference."""
        async with self._database.transaction() as tx:
            await tx.enter(self._clinic_id)
            self._public_key = public_key_of(await signer_of_clinic(tx))
            number, beyond = await self._last(tx)
        async with aclosing(self._leaves(number)) as leaves:
            before = await self._heads_with(leaves, number)
        if beyond is not None:
            raise _Differs("it is missing, and leaves of it remain", beyond)
        for missing in sorted(self._kept):
            if missing > number:
                raise _Differs("it was kept elsewhere, and is missing here", missing)
        await self._find_unsealed(before)

    async def _last(self, tx: Transaction) -> tuple[int, int | None]:
        """Give the last head's number, and the first beyond it that leaves still speak of.

        The leaves are asked first: each head that they know of was written before them.
        """
        leaves = await self._rows(tx, sa.select(sa.func.max(_LEAF[0])))
        heads = await self._rows(tx, sa.select(sa.func.max(HEAD[1])))
        number = heads[0][0] or 0
        return number, number + 1 if (leaves[0][0] or 0) > number else None

    async def _rows(self, tx: Transaction, statement: Any) -> Any:
        try:
            return (await tx.exec(statement)).all()
        except (ValueError, TypeError) as error:
            # SQLite keeps whatever is written
            raise _Differs("something from here on cannot be read", self._heads + 1) from error

    async def _heads_with(self, leaves: AsyncGenerator[_Leaf, None], last: int) -> Head | None:
        before: Head | None = None
        leaf = await anext(leaves, None)
        async with aclosing(self._read_heads(last)) as heads:
            async for head in heads:
                self._check_head(head, before)
                leaf = await self._check_leaves(head, before, leaves, leaf)
                before = head
                self._heads += 1
        if leaf is not None:
            raise _Differs("it is sealed by no head", leaf.head_number, leaf.entry_id)
        return before

    def _check_head(self, head: Head, before: Head | None) -> None:
        expected = 1 if before is None else before.number + 1
        if head.number != expected:
            raise _Differs("it is missing", expected)
        self._check_signature(head)
        if head.previous != (NO_HEAD if before is None else before.hash()):
            raise _Differs("it does not follow the head before it", head.number)
        if self._kept.get(head.number, head.hash()) != head.hash():
            raise _Differs("it is not the one that was kept elsewhere", head.number)

    def _check_signature(self, head: Head) -> None:
        if head.public_key != self._public_key:
            raise _Differs("it shows another key than the clinic's", head.number)
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self._public_key))
            key.verify(bytes.fromhex(head.signature), head.signed_bytes())
        except (InvalidSignature, ValueError) as error:
            raise _Differs("it is not what the clinic's key signed", head.number) from error

    async def _check_leaves(
        self,
        head: Head,
        before: Head | None,
        leaves: AsyncGenerator[_Leaf, None],
        leaf: _Leaf | None,
    ) -> _Leaf | None:
        """Check the leaves of a head, from the one that was read already; give the next one."""
        hashes: list[bytes] = []
        floor = lower_bound(0) if before is None else before.floor_id
        above: UUID | None = None
        while leaf is not None and leaf.head_number <= head.number:
            if leaf.head_number < head.number:
                raise _Differs("it is sealed by no head", leaf.head_number, leaf.entry_id)
            if leaf.position != len(hashes) or len(hashes) == head.size:
                raise _misplaced(leaf, len(hashes), head)
            hashes.append(_checked(leaf))
            if leaf.entry_id < floor:
                raise _Differs("it was inserted later", head.number, leaf.entry_id)
            if above is not None and leaf.entry_id < above:
                raise _Differs("it is not in its place", head.number, leaf.entry_id)
            above, leaf = leaf.entry_id, await anext(leaves, None)
        self._entries += len(hashes)
        if len(hashes) != head.size:
            raise _Differs(f"its leaf {len(hashes)} is missing", head.number)
        if tree_root(hashes).hex() != head.root:
            raise _Differs("its leaves do not give the root that was signed", head.number)
        return leaf

    async def _find_unsealed(self, last: Head | None) -> None:
        """Find entries that no head seals, and none will; count those that still may be."""
        everything, more = sa.select(_ID).order_by(_ID), True
        while more:
            async with self._database.transaction() as tx:
                await tx.enter(self._clinic_id)
                end = await self._rows(tx, everything.offset(WINDOW - 1).limit(1))
                window = everything.where(unsealed())
                more = bool(end)
                if end:
                    window = window.where(end[0].id >= _ID)
                    everything = sa.select(_ID).order_by(_ID).where(end[0].id < _ID)
                found = await self._rows(tx, window)
            self._not_yet_sealed += len(found)
            if last is not None and found and found[0][0] < last.floor_id:
                raise _Differs(
                    "it is sealed by no head, and too old for the next", None, found[0][0]
                )

    async def _read_heads(self, last: int) -> AsyncGenerator[Head, None]:
        heads = heads_of(self._database, self._clinic_id, last)
        try:
            async with aclosing(heads):
                async for head in heads:
                    yield head
        except (ValueError, TypeError) as error:
            raise _Differs("it, or one after it, cannot be read", self._heads + 1) from error

    async def _leaves(self, last: int) -> AsyncGenerator[_Leaf, None]:
        """Give the leaves up to a head, in order, each with its entry."""
        place: tuple[int, int] | None = None
        while True:
            page = await self._page(place, last, PAGE)
            for leaf in page:
                yield leaf
            self._advance(len(page))
            if len(page) < PAGE:
                return
            place = page[-1].head_number, page[-1].position

    async def _page(self, place: tuple[int, int] | None, last: int, limit: int) -> list[_Leaf]:
        async with self._database.transaction() as tx:
            await tx.enter(self._clinic_id)
            try:
                rows = (await tx.exec(_leaves_after(place, last, limit, _WITH_ENTRIES))).all()
                return list(map(_beside_entry, rows))
            except (ValueError, TypeError):
                rows = await self._rows(tx, _leaves_after(place, last, limit, _ALONE))
                return [await _with_entry(tx, _Leaf(*row)) for row in rows]


_ID = col(JournalEntry.id)
_ID_AT = ENTRY_COLUMNS.index("id")
_LEAF = tuple(col(getattr(SealLeaf, name)) for name in _Leaf._fields[:4])
_ALONE = sa.select(*_LEAF)
_WITH_ENTRIES = sa.select(*_LEAF, *ENTRY).outerjoin_from(
    SealLeaf,
    JournalEntry,
    sa.and_(
        col(JournalEntry.clinic_id) == SealLeaf.clinic_id, col(SealLeaf.entry_id) == JournalEntry.id
    ),
)


def _leaves_after(
    place: tuple[int, int] | None, last: int, limit: int, statement: sa.Select[Any]
) -> sa.Select[Any]:
    order = col(SealLeaf.head_number), col(SealLeaf.position)
    statement = statement.where(order[0] <= last).order_by(*order).limit(limit)
    if place is None:
        return statement
    return statement.where(sa.tuple_(*order) > sa.tuple_(*map(sa.literal, place)))


def _beside_entry(row: Any) -> _Leaf:
    values = row[4:]
    return _Leaf(row[0], row[1], row[2], row[3], values if values[_ID_AT] else None)


async def _with_entry(tx: Transaction, leaf: _Leaf) -> _Leaf:
    try:
        values = (
            await tx.exec(sa.select(*ENTRY).where(col(JournalEntry.id) == leaf.entry_id))
        ).first()
    except (ValueError, TypeError):
        return leaf._replace(is_unreadable=True)
    return leaf._replace(values=values)


def _checked(leaf: _Leaf) -> bytes:
    """Give the hash of a leaf that fits its entry, or raise _Differs."""
    if leaf.is_unreadable:
        raise _Differs("it was changed, and cannot be read", leaf.head_number, leaf.entry_id)
    if leaf.values is None:
        raise _Differs("it was removed", leaf.head_number, leaf.entry_id)
    try:
        hashed = leaf_hash(entry_bytes(leaf.values))
    except (ValueError, TypeError):
        hashed = b""
    if hashed.hex() != leaf.leaf_hash:
        raise _Differs("it is not what was sealed", leaf.head_number, leaf.entry_id)
    return hashed


def _misplaced(leaf: _Leaf, expected: int, head: Head) -> _Differs:
    if leaf.position > expected and expected < head.size:
        return _Differs(f"its leaf {expected} is missing", head.number)
    return _Differs("it is one leaf too many", head.number, leaf.entry_id)
