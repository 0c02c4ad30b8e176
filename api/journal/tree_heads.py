"""Seals the journal: heads of Merkle trees (RFC 6962) over its entries, signed and chained.

A leaf is an entry in its canonical form (RFC 8785), so that a change of any of its columns shows.
Each head signs its tree's root and the hash of the head before it.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import SQLModel, col
from uuid_utils.compat import uuid7

from api.security.merkle import inclusion_path, leaf_hash, tree_root
from api.storage.database import Database
from api.storage.engine import LOCK_NOT_AVAILABLE
from api.storage.models.journal import JournalEntry, SealHead, SealLeaf
from api.storage.models.people import Clinic
from api.storage.questions import AcrossClinics
from api.storage.transaction import Transaction

LARGEST = 10_000
"""Entries under one head."""
LATEST = 5 * 60 * 1000
"""Milliseconds that an entry's commit may come after its id was made; clocks differ as well."""
NO_HEAD = "0" * 64
"""What the first head of a clinic has for the hash of the one before."""
_LOWEST = UUID(int=0)

ENTRY_COLUMNS = (
    "actor_id",
    "at",
    "case_id",
    "changed",
    "clinic_id",
    "happening",
    "id",
    "is_read",
    "prompt",
    "purpose",
    "record_ids",
    "record_type",
    "request_id",
    "restricted",
)
"""Every column of an entry. Leaves were hashed with these: whoever adds a column to the table must
leave it out of the entries that were sealed before, or none of those would verify any more."""

ENTRY = tuple(col(getattr(JournalEntry, name)) for name in ENTRY_COLUMNS)


class Head(NamedTuple):
    """A head, as the database keeps it."""

    clinic_id: UUID
    number: int
    at: datetime
    size: int
    root: str
    previous: str
    floor_id: UUID
    public_key: str
    signature: str

    def as_json(self) -> dict[str, Any]:
        """Write it in the plain words of JSON."""
        return plain(self._fields, self)

    def signed_bytes(self) -> bytes:
        """Give what its signature is of: all but the key and the signature."""
        return canonical(plain(_SIGNED, self))

    def hash(self) -> str:
        """Hash it with its signature, as the next head names it."""
        return sha256(self.signed_bytes() + bytes.fromhex(self.signature)).hexdigest()


HEAD = tuple(col(getattr(SealHead, name)) for name in Head._fields)
_SIGNED = Head._fields[:-2]


class Inclusion(NamedTuple):
    """How an entry is found under a head: the neighbours on its way up to the root."""

    leaf_index: int
    path: list[str]
    head: Head


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def canonical(value: dict[str, Any]) -> bytes:
    """Write JSON as RFC 8785 wants it, for what has ASCII names and no fractions.

    Several times as fast as a library for every kind of value. Raises ValueError for a text that
    has no UTF-8.
    """
    return _encode(value).encode()


def plain(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Write columns in the plain words of JSON, the same from each database."""
    return {
        name: value if type(value) in _PLAIN else _plain(value)
        for name, value in zip(names, values, strict=False)
    }


def entry_bytes(values: Sequence[Any]) -> bytes:
    """Give the canonical bytes of an entry, from its `ENTRY` columns."""
    return canonical(plain(ENTRY_COLUMNS, values))


_PLAIN = {type(None), str, bool, int, list}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC).isoformat(timespec='microseconds')[:-6]}Z"
    # whatever else somebody wrote into a column
    return value


def public_key_of(signer: Ed25519PrivateKey) -> str:
    """Give the public half of a key, as heads show it."""
    return signer.public_key().public_bytes_raw().hex()


async def signer_of_clinic(tx: Transaction) -> Ed25519PrivateKey:
    """Give the key that signs the heads of the clinic entered."""
    return Ed25519PrivateKey.from_private_bytes((await tx.clinic_keys()).seal)


async def last_head(tx: Transaction) -> Head | None:
    """Give the last head of the clinic entered."""
    row = (await tx.exec(sa.select(*HEAD).order_by(HEAD[1].desc()).limit(1))).first()
    return None if row is None else Head(*row)


async def inclusion_of(tx: Transaction, entry_id: UUID) -> Inclusion | None:
    """Find how an entry is sealed; None: not yet."""
    wanted = sa.select(col(SealLeaf.head_number), col(SealLeaf.position))
    found = (await tx.exec(wanted.where(col(SealLeaf.entry_id) == entry_id))).first()
    if found is None:
        return None
    number, index = found
    head = Head(*(await tx.exec(sa.select(*HEAD).where(HEAD[1] == number))).one())
    hashes = sa.select(col(SealLeaf.leaf_hash)).where(col(SealLeaf.head_number) == number)
    rows = (await tx.exec(hashes.order_by(col(SealLeaf.position)))).all()
    path = inclusion_path([bytes.fromhex(each) for (each,) in rows], index)
    return Inclusion(index, [each.hex() for each in path], head)


# ---------------------------------------------------------------------------------- the sealer


def _lowest_floor(clinic: Any) -> Any:
    last = sa.select(col(SealHead.floor_id)).where(col(SealHead.clinic_id) == clinic)
    last = last.order_by(col(SealHead.number).desc()).limit(1)
    return sa.func.coalesce(last.scalar_subquery(), sa.literal(_LOWEST, sa.Uuid()))


def unsealed() -> sa.ColumnElement[bool]:
    """Say in SQL that an entry has no leaf."""
    return ~sa.exists().where(
        col(SealLeaf.clinic_id) == JournalEntry.clinic_id, col(SealLeaf.entry_id) == JournalEntry.id
    )


_CLINICS_WITH_UNSEALED_ENTRIES = AcrossClinics(
    plain=sa.select(col(Clinic.id)).where(
        sa.exists().where(
            col(JournalEntry.clinic_id) == Clinic.id,
            col(JournalEntry.id) >= _lowest_floor(Clinic.id),
            unsealed(),
        )
    ),
    guarded=sa.text("SELECT id FROM clinics_with_unsealed_entries()"),
)
UNSEALED_EVERYWHERE = (
    sa.select(col(JournalEntry.at))
    .join(Clinic, col(Clinic.id) == JournalEntry.clinic_id)
    .where(col(JournalEntry.id) >= _lowest_floor(Clinic.id), unsealed())
)
"""When each entry was made that is not sealed yet; of all clinics."""
_HEADS, _LEAVES = (
    SQLModel.metadata.tables[str(model.__tablename__)] for model in (SealHead, SealLeaf)
)


async def clinics_to_seal(database: Database) -> list[UUID]:
    """Name the clinics whose journal has entries that are not sealed yet."""
    async with database.transaction() as tx:
        found = await tx.ask_everywhere(_CLINICS_WITH_UNSEALED_ENTRIES)
        return [clinic_id for (clinic_id,) in found]


async def seal_clinic(database: Database, clinic_id: UUID) -> int:
    """Seal entries of a clinic that are not sealed yet, `LARGEST` at most; count them.

    Where two do so at once, one of them seals; the other gives 0.
    """
    try:
        async with database.transaction() as tx:
            await tx.enter(clinic_id)
            return await _seal(tx, clinic_id)
    except DBAPIError as error:
        if (
            isinstance(error, IntegrityError)
            or getattr(error.orig, "sqlstate", "") == LOCK_NOT_AVAILABLE
        ):
            return 0
        raise


async def _seal(tx: Transaction, clinic_id: UUID) -> int:
    before = await last_head(tx)
    floor = _LOWEST if before is None else before.floor_id
    waiting = sa.select(*ENTRY).where(col(JournalEntry.id) >= floor, unsealed())
    rows = (await tx.exec(waiting.order_by(col(JournalEntry.id)).limit(LARGEST))).all()
    if not rows:
        return 0
    ids = [row.id for row in rows]
    hashes = [leaf_hash(entry_bytes(row)) for row in rows]
    head = Head(
        clinic_id=clinic_id,
        number=1 if before is None else before.number + 1,
        at=tx.now,
        size=len(rows),
        root=tree_root(hashes).hex(),
        previous=NO_HEAD if before is None else before.hash(),
        floor_id=max(floor, _next_floor(ids)),
        public_key="",
        signature="",
    )
    signer = await signer_of_clinic(tx)
    signature = signer.sign(head.signed_bytes()).hex()
    signed = head._replace(public_key=public_key_of(signer), signature=signature)
    # first of all the head: whoever else is at it waits here, and finds the number taken
    await tx.insert(_HEADS, [signed._asdict()])
    leaves = [
        {
            "clinic_id": clinic_id,
            "entry_id": entry_id,
            "head_number": head.number,
            "position": position,
            "leaf_hash": hashed.hex(),
        }
        for position, (entry_id, hashed) in enumerate(zip(ids, hashes, strict=True))
    ]
    await tx.insert(_LEAVES, leaves)
    return len(leaves)


def _next_floor(ids: Sequence[UUID]) -> UUID:
    """Give the id from which on entries may still come: too late for any below it."""
    floor = lower_bound(_present() - LATEST)
    # more may be waiting behind a full tree
    return min(floor, ids[-1]) if len(ids) == LARGEST else floor


def lower_bound(milliseconds: int) -> UUID:
    """Give the lowest id of an instant, counted since 1970."""
    return UUID(int=milliseconds << 80)


def _present() -> int:
    """Tell the time by what makes the ids of entries: no other clock is compared with them."""
    return uuid7().int >> 80
