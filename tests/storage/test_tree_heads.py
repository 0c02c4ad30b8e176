"""Seals of the journal: whatever is done to a sealed entry is found, with its place."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import rfc8785
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import SQLModel, col
from structlog.testing import capture_logs
from typer.testing import CliRunner

from api.commands import verifying, worker
from api.commands.cli import app as cli
from api.commands.verifying import Verified, verify_clinic
from api.interop.webhooks.deliveries import Deliveries
from api.journal import tree_heads
from api.journal.tree_heads import (
    ENTRY,
    ENTRY_COLUMNS,
    HEAD,
    Head,
    canonical,
    entry_bytes,
    lower_bound,
    public_key_of,
    seal_clinic,
    signer_of_clinic,
)
from api.runtime.settings import new_data_key
from api.security.merkle import leaf_hash, tree_root
from api.security.outbound_addresses import Destinations
from api.storage.database import Database
from api.storage.migrations import migrate
from api.storage.models.journal import JournalEntry, SealHead, SealLeaf
from api.storage.models.people import Clinic
from api.storage.transaction import Transaction
from tests.support.checkout import DOCS
from tests.support.postgres import create_database, runtime_url
from tests.support.world import DATA_KEY, NOON, SETTINGS, SETTINGS_SECRET, Clock, Urls, World, ok

pytestmark = pytest.mark.both_databases

ENTRIES, HEADS, LEAVES = (
    SQLModel.metadata.tables[str(model.__tablename__)]
    for model in (JournalEntry, SealHead, SealLeaf)
)
SCRIPT = DOCS / "check_inclusion.py"
TAMPERINGS = 500  # on each database
HONEST = 50
DAY_ONE = 1_780_000_000_000
MINUTE = 60_000
TREE = 9
"""So few entries are sealed under one head here that there are full trees too."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def both_urls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Urls:
    """Either database, for these tests alone: who seals every clinic finds few."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('seals') / 'notes.db'}"
        migrate(url)
        return Urls(url, url)
    url = asyncio.run(create_database(request.getfixturevalue("postgresql_urls").owner))
    migrate(url)
    return Urls(runtime_url(url), url)


@dataclass
class Present:
    """What the sealer takes for the time that ids are made at."""

    now: int = DAY_ONE

    def __call__(self) -> int:
        return self.now


@dataclass
class Desk:
    """Where journals are written by hand: both ways into the database, and the time."""

    serving: Database
    owner: Database
    present: Present
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    async def clinic(self) -> UUID:
        """Found a clinic with nobody in it."""
        async with self.owner.transaction() as tx:
            clinic = Clinic(name="Fictional Clinic", created_at=tx.now, updated_at=tx.now)
            await tx.enter(clinic.id)
            tx.add(clinic)
            await tx.flush()
            for key in self.owner.keyring.forge(clinic.id, tx.now):
                tx.add(key)
        return clinic.id

    async def write(self, clinic_id: UUID, ids: Sequence[UUID]) -> None:
        """Write entries with these ids."""
        async with self.serving.transaction() as tx:
            await tx.enter(clinic_id)
            if ids:
                await tx.insert(ENTRIES, [entry(self.chance, clinic_id, each) for each in ids])

    async def seal(self, clinic_id: UUID) -> int:
        """Seal all that can be sealed."""
        return await worker.seal(self.serving, clinic_id)

    def id_at(self, milliseconds: int) -> UUID:
        """Make an id as of an instant."""
        return UUID(int=(milliseconds << 80) | (7 << 76) | self.chance.getrandbits(76))


def entry(chance: random.Random, clinic_id: UUID, entry_id: UUID) -> dict[str, Any]:
    """Write an entry like no other."""
    some = [str(uuid4()) for _ in range(chance.randrange(4))]
    return {
        "clinic_id": clinic_id,
        "id": entry_id,
        "at": NOON + timedelta(microseconds=chance.randrange(10**12)),
        "actor_id": chance.choice([None, uuid4()]),
        "happening": chance.choice(["case.read", "flag.raised", "request.refused"]),
        "case_id": chance.choice([None, uuid4()]),
        "record_type": chance.choice([None, "case", "flag"]),
        "record_ids": some,
        "changed": chance.choice([[], ["phase"], ["phase", "setting"]]),
        "restricted": chance.random() < 0.2,
        "prompt": chance.random() < 0.2,
        "is_read": chance.random() < 0.5,
        "purpose": chance.choice([None, "legal"]),
        "request_id": uuid4().hex,
    }


@pytest.fixture(scope="module")
async def desk(both_urls: Urls) -> AsyncIterator[Desk]:
    """Reach a database, with the sealer's time and the size of its trees in our hands."""
    clock = Clock(NOON)
    serving, owner = (
        Database(url, keys=SETTINGS.data_keys, pool_size=4, clock=clock)
        for url in (both_urls.runtime, both_urls.owner)
    )
    for database in (serving, owner):
        if both_urls.owner.startswith("sqlite"):
            # nothing here is about power cuts
            sa.event.listen(database.engine.sync_engine, "connect", _do_not_wait)
    present = Present()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_heads, "_present", present)
        patch.setattr(tree_heads, "LARGEST", TREE)
        patch.setattr(worker, "LARGEST", TREE)
        patch.setattr(verifying, "PAGE", 40)
        patch.setattr(verifying, "WINDOW", 50)
        yield Desk(serving, owner, present)
    await serving.dispose()
    await owner.dispose()


def _do_not_wait(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


@asynccontextmanager
async def inside(desk: Desk, clinic_id: UUID) -> AsyncIterator[Transaction]:
    """Work in a clinic as the owner of the tables."""
    async with desk.owner.transaction() as tx:
        await tx.enter(clinic_id)
        yield tx


# ------------------------------------------------------------------------------- honest journals


async def live(desk: Desk) -> tuple[UUID, int, int]:
    """Let a clinic live for a while; give it, its entries, and those not sealed at the end.

    Entries are committed up to five minutes after their ids were made, the sealer comes now and
    then, sometimes two at once, and the last entries wait for it.
    """
    chance, clinic_id = desk.chance, await desk.clinic()
    start, lasts = desk.present.now, chance.choice([1, 30, 3000]) * MINUTE
    entries = [chance.randrange(lasts) for _ in range(chance.randrange(60))]
    events: list[tuple[int, UUID | None]] = [
        (made + chance.choice([0, 0, chance.randrange(5 * MINUTE)]), desk.id_at(start + made))
        for made in entries
    ]
    events += [(chance.randrange(lasts), None) for _ in range(chance.randrange(6))]
    waiting: list[UUID] = []
    for at, entry_id in sorted(events, key=lambda event: event[0]):
        if entry_id is not None:
            waiting.append(entry_id)
            continue
        desk.present.now = start + at
        await desk.write(clinic_id, waiting)
        waiting = []
        await asyncio.gather(*(desk.seal(clinic_id) for _ in range(chance.choice([1, 1, 2]))))
    await desk.write(clinic_id, waiting)
    desk.present.now = start + lasts + 5 * MINUTE
    return clinic_id, len(entries), len(waiting)


async def test_an_honest_journal_raises_no_alarm(desk: Desk, say: Callable[[str], None]) -> None:
    wrong = []
    for _ in range(HONEST):
        clinic_id, entries, unsealed = await live(desk)
        tail = await verify_clinic(desk.owner, clinic_id)
        # the wait is over: what came late is sealed too, and still nothing is wrong
        assert await desk.seal(clinic_id) == unsealed
        whole = await verify_clinic(desk.owner, clinic_id)
        if tail[2:] != (entries - unsealed, unsealed, None) or whole[2:] != (entries, 0, None):
            wrong.append((tail, whole))
    name = desk.owner.engine.dialect.name
    say(f"journal ({name}): {len(wrong)} of {HONEST} false alarms")
    assert wrong == []


async def test_without_the_five_minutes_a_late_entry_would_be_left_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late() -> Verified:
        clinic_id, now = await desk.clinic(), desk.present.now
        await desk.write(clinic_id, [desk.id_at(now)])
        await desk.seal(clinic_id)
        await desk.write(clinic_id, [desk.id_at(now - 2 * MINUTE)])
        await desk.seal(clinic_id)
        return await verify_clinic(desk.owner, clinic_id)

    assert (await late())[1:] == (2, 2, 0, None)
    monkeypatch.setattr(tree_heads, "LATEST", 0)
    difference = (await late()).difference
    assert difference is not None
    assert "too old for the next" in difference.what


async def test_two_sealers_at_once_seal_each_entry_once(desk: Desk) -> None:
    clinic_id = await desk.clinic()
    ids = [desk.id_at(desk.present.now) for _ in range(50)]
    await desk.write(clinic_id, ids)
    sealed = await asyncio.gather(*(desk.seal(clinic_id) for _ in range(4)))
    assert sum(sealed) == 50
    verified = await verify_clinic(desk.owner, clinic_id)
    assert verified[1:] == (6, 50, 0, None)


# ---------------------------------------------------------------------------------- tamperings


@dataclass
class Sealed:
    """A sealed journal, as it stands before anybody touches it."""

    desk: Desk
    clinic_id: UUID
    heads: list[Head]
    leaves: list[dict[str, Any]]
    """In order, each with its entry."""
    kept: dict[int, str]

    def of_head(self, number: int) -> list[dict[str, Any]]:
        """Give the leaves of a head."""
        return [leaf for leaf in self.leaves if leaf["head_number"] == number]


@pytest.fixture(scope="module")
async def sealed(desk: Desk) -> Sealed:
    """A journal of ten days, with late entries, full trees, and a few not sealed yet."""
    clinic_id = await desk.clinic()
    for size in (4, 1, 21, 2, 7, 9, 3, 1):
        desk.present.now += 24 * 60 * MINUTE
        made = [
            desk.id_at(desk.present.now - desk.chance.randrange(MINUTE)) for _ in range(size + 1)
        ]
        await desk.write(clinic_id, made[:-1])
        await desk.seal(clinic_id)
        desk.present.now += 2 * MINUTE
        await desk.write(clinic_id, made[-1:])
        await desk.seal(clinic_id)
    await desk.write(clinic_id, [desk.id_at(desk.present.now) for _ in range(3)])
    async with inside(desk, clinic_id) as tx:
        heads = [Head(*row) for row in await tx.exec(sa.select(*HEAD).order_by(HEAD[1]))]
        joined = sa.select(LEAVES, *ENTRY).join(JournalEntry, LEAVES.c.entry_id == JournalEntry.id)
        rows = await (await tx.connection()).execute(
            joined.where(LEAVES.c.clinic_id == clinic_id).order_by(
                LEAVES.c.head_number, LEAVES.c.position
            )
        )
        leaves = [dict(row._mapping) for row in rows]
    assert len(leaves) == 48 + 8
    kept = {head.number: head.hash() for head in heads}
    return Sealed(desk, clinic_id, heads, leaves, kept)


@dataclass
class Vandal:
    """Somebody with the owner's way into the database, and without the data key."""

    sealed: Sealed
    chance: random.Random
    connection: Any

    async def do(self, statement: Any) -> None:
        """Run a statement, which must touch something."""
        assert (await self.connection.execute(statement)).rowcount > 0

    async def edit(self, table: sa.Table, where: Any, **values: Any) -> None:
        """Change rows of the clinic."""
        mine = table.c.clinic_id == self.sealed.clinic_id
        await self.do(sa.update(table).where(mine, where).values(**values))

    async def remove(self, table: sa.Table, where: Any) -> None:
        """Remove rows of the clinic."""
        mine = table.c.clinic_id == self.sealed.clinic_id
        await self.do(sa.delete(table).where(mine, where))

    def leaf(self) -> dict[str, Any]:
        """Choose a leaf."""
        return self.chance.choice(self.sealed.leaves)

    def head(self) -> Head:
        """Choose a head."""
        return self.chance.choice(self.sealed.heads)

    def two_leaves(self) -> list[dict[str, Any]]:
        """Choose two leaves, in order."""
        both = self.chance.sample(range(len(self.sealed.leaves)), 2)
        return [self.sealed.leaves[each] for each in sorted(both)]

    def other(self, name: str, value: Any) -> Any:
        """Give another value for a column of an entry."""
        if isinstance(value, bool):
            return not value
        if name in {"id", "clinic_id", "actor_id", "case_id"}:
            return self.chance.choice([uuid4()] + [None] * (value is not None and "_" in name[5:]))
        if name == "at":
            return value + timedelta(microseconds=self.chance.choice([-1, 1, 10**9]))
        if isinstance(value, list):
            return self.chance.choice([[*value, "x"], value[:-1] if value else [""]])
        return self.chance.choice([f"{value}x", "" if value else " "])


Place = tuple[int | None, set[UUID] | UUID | None]
Tampering = Callable[[Vandal], Awaitable[Place]]


def _entry(leaf: dict[str, Any]) -> Any:
    return ENTRIES.c.id == leaf["entry_id"]


def _leaf(leaf: dict[str, Any]) -> Any:
    return LEAVES.c.entry_id == leaf["entry_id"]


async def edit_an_entry(by: Vandal) -> Place:
    leaf, name = by.leaf(), by.chance.choice(ENTRY_COLUMNS)
    await by.edit(ENTRIES, _entry(leaf), **{name: by.other(name, leaf[name])})
    return leaf["head_number"], leaf["entry_id"]


async def remove_an_entry(by: Vandal) -> Place:
    leaf = by.leaf()
    await by.remove(ENTRIES, _entry(leaf))
    return leaf["head_number"], leaf["entry_id"]


async def remove_a_leaf(by: Vandal) -> Place:
    leaf = by.leaf()
    await by.remove(LEAVES, _leaf(leaf))
    if by.chance.random() < 0.5:
        await by.remove(ENTRIES, _entry(leaf))
    return leaf["head_number"], None


async def insert_an_entry(by: Vandal) -> Place:
    first, last = by.sealed.leaves[0]["entry_id"], by.sealed.heads[-1].floor_id
    between = UUID(int=by.chance.choice([by.chance.randrange(first.int, last.int), 0]))
    made = entry(by.chance, by.sealed.clinic_id, between)
    await by.do(sa.insert(ENTRIES).values(**made))
    return None, between


async def insert_an_entry_with_a_leaf(by: Vandal) -> Place:
    head, entry_id = by.head(), by.sealed.desk.id_at(by.sealed.desk.present.now)
    made = entry(by.chance, by.sealed.clinic_id, entry_id)
    await by.do(sa.insert(ENTRIES).values(**made))
    hashed = leaf_hash(entry_bytes([made[name] for name in ENTRY_COLUMNS])).hex()
    place = {"head_number": head.number, "position": head.size, "leaf_hash": hashed}
    await by.do(sa.insert(LEAVES).values(clinic_id=by.sealed.clinic_id, entry_id=entry_id, **place))
    return head.number, entry_id


async def swap_two_entries(by: Vandal) -> Place:
    one, two = by.two_leaves()
    for leaf, like in ((one, two), (two, one)):
        values = {name: like[name] for name in ENTRY_COLUMNS if name not in {"clinic_id", "id"}}
        await by.edit(ENTRIES, _entry(leaf), **values)
    return one["head_number"], one["entry_id"]


async def swap_two_leaves(by: Vandal) -> Place:
    one, two = by.two_leaves()
    await by.edit(LEAVES, _leaf(one), position=-1)
    for leaf, like in ((two, one), (one, two)):
        place = {"head_number": like["head_number"], "position": like["position"]}
        await by.edit(LEAVES, _leaf(leaf), **place)
    among = {leaf["entry_id"] for leaf in by.sealed.of_head(one["head_number"])}
    return one["head_number"], among | {two["entry_id"]}


async def swap_what_two_leaves_stand_for(by: Vandal) -> Place:
    one, two = by.two_leaves()
    await by.edit(LEAVES, _leaf(one), entry_id=UUID(int=1))
    await by.edit(LEAVES, _leaf(two), entry_id=one["entry_id"])
    await by.edit(LEAVES, LEAVES.c.entry_id == UUID(int=1), entry_id=two["entry_id"])
    return one["head_number"], two["entry_id"]


async def edit_a_leaf(by: Vandal) -> Place:
    leaf = by.leaf()
    await by.edit(LEAVES, _leaf(leaf), leaf_hash=by.leaf()["leaf_hash"][::-1])
    return leaf["head_number"], leaf["entry_id"]


async def move_a_leaf(by: Vandal) -> Place:
    leaf = by.leaf()
    await by.edit(LEAVES, _leaf(leaf), position=leaf["position"] + 100)
    return leaf["head_number"], None


async def edit_an_entry_and_its_leaf(by: Vandal) -> Place:
    leaf = by.leaf()
    name = by.chance.choice([each for each in ENTRY_COLUMNS if each not in {"clinic_id", "id"}])
    changed = {**leaf, name: by.other(name, leaf[name])}
    await by.edit(ENTRIES, _entry(leaf), **{name: changed[name]})
    hashed = leaf_hash(entry_bytes([changed[name] for name in ENTRY_COLUMNS])).hex()
    await by.edit(LEAVES, _leaf(leaf), leaf_hash=hashed)
    return leaf["head_number"], None


async def edit_a_head(by: Vandal) -> Place:
    head = by.head()
    names = [name for name in Head._fields if name != "clinic_id"]
    name = by.chance.choice(names)
    value = getattr(head, name)
    if isinstance(value, str):
        value = value[::-1]
    elif isinstance(value, UUID):
        value = uuid4()
    else:
        value += 100 if isinstance(value, int) else timedelta(microseconds=1)
    await by.edit(HEADS, HEADS.c.number == head.number, **{name: value})
    return head.number, None


def forged(by: Vandal, head: Head) -> Head:
    """Sign a head with a key of one's own, and show that key or the clinic's."""
    signer = Ed25519PrivateKey.generate()
    shown = by.chance.choice([public_key_of(signer), head.public_key])
    return head._replace(signature=signer.sign(head.signed_bytes()).hex(), public_key=shown)


async def replace_a_head(by: Vandal) -> Place:
    head = by.head()
    leaves = by.sealed.of_head(head.number)[:-1]
    await by.remove(
        LEAVES, (LEAVES.c.head_number == head.number) & (LEAVES.c.position == len(leaves))
    )
    root = tree_root([bytes.fromhex(leaf["leaf_hash"]) for leaf in leaves]).hex()
    other = forged(by, head._replace(root=root, size=len(leaves)))
    await by.edit(HEADS, HEADS.c.number == head.number, **other._asdict())
    return head.number, None


async def add_a_head(by: Vandal) -> Place:
    last = by.sealed.heads[-1]
    number = last.number + 1
    added = forged(by, last._replace(number=number, previous=last.hash()))
    await by.do(sa.insert(HEADS).values(**added._asdict()))
    return number, None


async def remove_a_head(by: Vandal) -> Place:
    head = by.head()
    await by.remove(HEADS, HEADS.c.number == head.number)
    return head.number, None


async def cut_off_heads(by: Vandal) -> Place:
    head = by.head()
    await by.remove(HEADS, HEADS.c.number >= head.number)
    return head.number, None


async def cut_off_leaves(by: Vandal) -> Place:
    head = by.head()
    await by.remove(LEAVES, LEAVES.c.head_number >= head.number)
    return head.number, None


async def cut_off_the_tail(by: Vandal) -> Place:
    head = by.head()
    await by.remove(HEADS, HEADS.c.number >= head.number)
    await by.remove(LEAVES, LEAVES.c.head_number >= head.number)
    if by.chance.random() < 0.5:
        gone = [leaf["entry_id"] for leaf in by.sealed.leaves]
        gone = gone[
            -len([leaf for leaf in by.sealed.leaves if leaf["head_number"] >= head.number]) :
        ]
        await by.remove(ENTRIES, ENTRIES.c.id.in_(gone))
    return head.number, None


NEEDS_KEPT_HEADS = {cut_off_the_tail}
KINDS: tuple[Tampering, ...] = (
    edit_an_entry,
    remove_an_entry,
    remove_a_leaf,
    insert_an_entry,
    insert_an_entry_with_a_leaf,
    swap_two_entries,
    swap_two_leaves,
    swap_what_two_leaves_stand_for,
    edit_a_leaf,
    move_a_leaf,
    edit_an_entry_and_its_leaf,
    edit_a_head,
    replace_a_head,
    add_a_head,
    remove_a_head,
    cut_off_heads,
    cut_off_leaves,
    cut_off_the_tail,
)


class Within:
    """Lets the verifier look at what is not committed yet."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Give the open transaction."""
        yield self._tx


@asynccontextmanager
async def undone(desk: Desk, clinic_id: UUID) -> AsyncIterator[tuple[Transaction, Any]]:
    """Work in a clinic, and undo all of it at the end."""

    class _UndoError(Exception):
        pass

    try:
        async with inside(desk, clinic_id) as tx:
            yield tx, await tx.connection()
            raise _UndoError
    except _UndoError:
        pass


async def verified_after(
    sealed: Sealed, tampering: Tampering, chance: random.Random
) -> tuple[Verified, Place]:
    async with undone(sealed.desk, sealed.clinic_id) as (tx, connection):
        place = await tampering(Vandal(sealed, chance, connection))
        kept = sealed.kept if tampering in NEEDS_KEPT_HEADS else None
        return await verify_clinic(Within(tx), sealed.clinic_id, kept), place


def is_there(verified: Verified, place: Place) -> bool:
    """Tell whether the difference was found at its place."""
    found, (head, entries) = verified.difference, place
    if found is None or found.head != head:
        return False
    if isinstance(entries, set):
        return found.entry_id is None or found.entry_id in entries
    return found.entry_id == entries


async def test_every_tampering_is_found_with_its_place(
    sealed: Sealed, say: Callable[[str], None]
) -> None:
    before = await verify_clinic(sealed.desk.owner, sealed.clinic_id, sealed.kept)
    assert before[1:] == (len(sealed.heads), len(sealed.leaves), 3, None)
    chance, missed = random.Random(8), []
    for number in range(TAMPERINGS):
        tampering = KINDS[number % len(KINDS)]
        verified, place = await verified_after(sealed, tampering, chance)
        if not is_there(verified, place):
            missed.append((tampering.__name__, place, verified))
    found, name = TAMPERINGS - len(missed), sealed.desk.owner.engine.dialect.name
    say(f"journal ({name}): {found} of {TAMPERINGS} tamperings found with their place")
    assert missed == []
    # and all was undone
    assert await verify_clinic(sealed.desk.owner, sealed.clinic_id, sealed.kept) == before


# ------------------------------------------------------------------------- what finds all of it


async def _missed(sealed: Sealed, tampering: Tampering) -> bool:
    verified, _ = await verified_after(sealed, tampering, random.Random(9))
    return verified.difference is None


async def test_without_the_signature_a_replaced_head_would_pass(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def replace_the_last(by: Vandal) -> Place:
        last = by.sealed.heads[-1]
        (leaf,) = by.sealed.of_head(last.number)
        changed = {**leaf, "happening": "case.voided"}
        hashed = leaf_hash(entry_bytes([changed[name] for name in ENTRY_COLUMNS])).hex()
        await by.edit(ENTRIES, _entry(leaf), happening="case.voided")
        await by.edit(LEAVES, _leaf(leaf), leaf_hash=hashed)
        other = forged(by, last._replace(root=tree_root([bytes.fromhex(hashed)]).hex()))
        await by.edit(HEADS, HEADS.c.number == last.number, **other._asdict())
        return last.number, None

    assert not await _missed(sealed, replace_the_last)
    monkeypatch.setattr(verifying._Walk, "_check_signature", lambda *_: None)
    assert await _missed(sealed, replace_the_last)


@pytest.mark.parametrize(
    ("room", "name", "blind", "tampering"),
    [
        (verifying, "_checked", lambda leaf: bytes.fromhex(leaf.leaf_hash), edit_an_entry),
        (verifying, "unsealed", sa.false, insert_an_entry),
        (verifying._Walk, "_check_head", lambda *_: None, edit_a_head),
        (verifying, "read_kept_heads", lambda _: {}, cut_off_the_tail),
    ],
)
async def test_without_a_check_something_would_pass(
    sealed: Sealed,
    monkeypatch: pytest.MonkeyPatch,
    room: Any,
    name: str,
    blind: Any,
    tampering: Tampering,
) -> None:
    async def on_another_column(by: Vandal) -> Place:
        # one that no key and no other check depends on
        while True:
            by.chance.random()
            if tampering is edit_an_entry:
                leaf = by.leaf()
                await by.edit(ENTRIES, _entry(leaf), happening="case.voided")
                return leaf["head_number"], leaf["entry_id"]
            if tampering is edit_a_head:
                head = by.head()
                later = {"at": head.at + timedelta(days=1)}
                await by.edit(HEADS, HEADS.c.number == head.number, **later)
                return head.number, None
            return await tampering(by)

    if tampering is cut_off_the_tail:
        # who kept no heads finds nothing
        monkeypatch.setattr(sealed, "kept", {})
        assert await _missed(sealed, on_another_column)
        return
    assert not await _missed(sealed, on_another_column)
    monkeypatch.setattr(room, name, blind)
    assert await _missed(sealed, on_another_column)


async def test_a_head_that_is_not_the_one_kept_elsewhere_is_found(sealed: Sealed) -> None:
    kept = {**sealed.kept, 3: tree_heads.NO_HEAD}
    found = (await verify_clinic(sealed.desk.owner, sealed.clinic_id, kept)).difference
    assert found == (sealed.clinic_id, 3, None, "it is not the one that was kept elsewhere")


async def test_an_old_entry_that_was_sealed_late_is_found_though_all_is_signed(
    sealed: Sealed,
) -> None:
    async with undone(sealed.desk, sealed.clinic_id) as (tx, connection):
        last, signer = sealed.heads[-1], await signer_of_clinic(tx)
        made = entry(random.Random(10), sealed.clinic_id, lower_bound(DAY_ONE))
        hashed = leaf_hash(entry_bytes([made[name] for name in ENTRY_COLUMNS]))
        number = last.number + 1
        head = last._replace(
            number=number, previous=last.hash(), size=1, root=tree_root([hashed]).hex()
        )
        head = head._replace(signature=signer.sign(head.signed_bytes()).hex())
        leaf = {"entry_id": made["id"], "head_number": number, "leaf_hash": hashed.hex()}
        await connection.execute(sa.insert(ENTRIES).values(**made))
        await connection.execute(sa.insert(HEADS).values(**head._asdict()))
        await connection.execute(
            sa.insert(LEAVES).values(clinic_id=sealed.clinic_id, position=0, **leaf)
        )
        found = (await verify_clinic(Within(tx), sealed.clinic_id)).difference
    assert found == (sealed.clinic_id, number, made["id"], "it was inserted later")


async def test_what_cannot_be_read_is_a_difference_and_no_crash(sealed: Sealed) -> None:
    """SQLite keeps anything in any column."""
    leaf, later = sealed.leaves[3], sealed.leaves[5]
    if sealed.desk.owner.engine.dialect.name != "sqlite":
        return
    ids = {"entry": leaf["entry_id"].hex, "later": later["entry_id"].hex}
    for statement, place in (
        ("UPDATE journal_entries SET at = 'noon' WHERE id = :entry", (leaf["head_number"], True)),
        (
            "UPDATE journal_entries SET record_ids = '[' WHERE id = :entry",
            (leaf["head_number"], True),
        ),
        (
            "UPDATE journal_entries SET purpose = x'ff' WHERE id = :entry",
            (leaf["head_number"], True),
        ),
        ("UPDATE seal_leaves SET entry_id = 'x' WHERE entry_id = :entry", (1, False)),
        ("UPDATE seal_heads SET at = 'noon' WHERE number = 2 AND :entry <> :later", (1, False)),
    ):
        async with undone(sealed.desk, sealed.clinic_id) as (tx, connection):
            await connection.execute(
                sa.text(statement), ids if ":later" in statement else {"entry": ids["entry"]}
            )
            found = (await verify_clinic(Within(tx), sealed.clinic_id)).difference
        assert found is not None, statement
        head, named = place
        assert (found.head, found.entry_id) == (head, leaf["entry_id"] if named else None), found


# ------------------------------------------------------------------------------ canonical bytes


async def test_both_databases_and_the_library_write_an_entry_alike(sealed: Sealed) -> None:
    async with inside(sealed.desk, sealed.clinic_id) as tx:
        rows = list(await tx.exec(sa.select(*ENTRY)))
    assert len(rows) > 50
    for row in rows:
        assert entry_bytes(row) == rfc8785.dumps(json.loads(entry_bytes(row)))
    assert {str(column.key) for column in ENTRIES.columns} == set(ENTRY_COLUMNS), (
        "leave a new column out of entries that were sealed before it came, or they do not verify"
    )


def test_an_entry_is_written_the_same_for_ever() -> None:
    values = {
        "actor_id": UUID(int=1),
        "at": NOON,
        "case_id": None,
        "changed": ["a", "\u00e9"],
        "clinic_id": UUID(int=2),
        "happening": 'x"\\\n\x1f\x7f\u2028',
        "id": UUID(int=3),
        "is_read": True,
        "prompt": False,
        "purpose": "",
        "record_ids": [],
        "record_type": None,
        "request_id": "\U0001f600",
        "restricted": False,
    }
    written = entry_bytes([values[name] for name in ENTRY_COLUMNS])
    assert (
        written
        == (
            '{"actor_id":"00000000-0000-0000-0000-000000000001","at":"2026-03-02T12:00:00.000000Z",'
            '"case_id":null,"changed":["a","\u00e9"],'
            '"clinic_id":"00000000-0000-0000-0000-000000000002",'
            '"happening":"x\\"\\\\\\n\\u001f\x7f\u2028",'
            '"id":"00000000-0000-0000-0000-000000000003","is_read":true,"prompt":false,"purpose":"",'
            '"record_ids":[],"record_type":null,"request_id":"\U0001f600","restricted":false}'
        ).encode()
    )


_WORDS = st.dictionaries(
    st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53) + 1, 2**53 - 1),
        st.text(),
        st.lists(st.text()),
    ),
)


@given(_WORDS)
def test_what_is_written_is_what_the_library_writes(value: dict[str, Any]) -> None:
    assert canonical(value) == rfc8785.dumps(value)


# ------------------------------------------------------------------------------- the worker


async def test_the_worker_seals_every_clinic_and_one_failure_stops_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken, quiet = [await desk.clinic() for _ in range(3)]

    async def of_these(database: Database) -> list[UUID]:
        # others of this database are as their own tests left them
        found = await tree_heads.clinics_to_seal(database)
        return [each for each in found if each in {whole, broken, quiet}]

    monkeypatch.setattr(worker, "clinics_to_seal", of_these)
    for clinic_id in (whole, broken):
        await desk.write(clinic_id, [desk.id_at(desk.present.now) for _ in range(TREE + 1)])
    async with inside(desk, broken) as tx:
        connection = await tx.connection()
        keys = SQLModel.metadata.tables["clinic_keys"]
        spoil = sa.update(keys).where(keys.c.clinic_id == broken, keys.c.purpose == "seal")
        await connection.execute(spoil.values(wrapped="x" * 80))
    assert {whole, broken} <= set(await tree_heads.clinics_to_seal(desk.serving))
    assert quiet not in await tree_heads.clinics_to_seal(desk.serving)
    with capture_logs() as logs:
        assert await worker.seal_once(desk.serving) >= TREE + 1
    assert {"event": "work failed", "log_level": "error", "work": "seals"}.items() <= logs[
        0
    ].items()
    assert logs[0]["kind"] == "WrongKeyError"
    assert whole not in await tree_heads.clinics_to_seal(desk.serving)
    assert (await verify_clinic(desk.owner, whole))[1:] == (2, TREE + 1, 0, None)
    async with inside(desk, broken) as tx:
        await (await tx.connection()).execute(
            sa.delete(ENTRIES).where(ENTRIES.c.clinic_id == broken)
        )


async def test_the_worker_goes_on_after_a_failure_of_any_kind(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    often = asyncio.Event()

    def failing(work: str) -> Callable[[object], Awaitable[int]]:
        async def fail(_: object) -> int:
            done.append(work)
            if min(done.count(each) for each in ("flags", "seals", "deliveries")) > 1:
                often.set()
            raise OSError(work)

        return fail

    monkeypatch.setattr(worker, "catch_up_once", failing("flags"))
    monkeypatch.setattr(worker, "seal_once", failing("seals"))
    monkeypatch.setattr(Deliveries, "begin", failing("deliveries"))
    monkeypatch.setattr(worker, "CATCH_UP_EVERY_SECONDS", 0)
    monkeypatch.setattr(worker, "SEAL_EVERY_SECONDS", 0)
    monkeypatch.setattr(worker, "DELIVER_EVERY_SECONDS", 0)
    with capture_logs():
        told_to_stop = asyncio.Event()
        working = asyncio.create_task(worker.work_until(told_to_stop, desk.serving, Destinations()))
        await often.wait()
        told_to_stop.set()
        await working


# ----------------------------------------------------------------------------- over the API


async def test_a_proof_is_checked_years_later_with_a_head_that_was_kept(
    world: World, tmp_path: Path
) -> None:
    case, *_ = [await world.clinician.case() for _ in range(5)]
    officer = world.here["privacy_officer"]
    entry_id = await _entry_of(world, case["id"])
    assert (await officer.get(f"/v1/journal/{entry_id}/proof")).status_code == 409
    assert ok(await officer.get("/v1/journal/heads"))["items"] == []
    await worker.seal(world.database, world.clinician.clinic_id)
    proof = ok(await world.clinician.get(f"/v1/journal/{entry_id}/proof"))
    assert proof == ok(await officer.get(f"/v1/journal/{entry_id}/proof"))
    assert proof["entry"]["case_id"] == case["id"]
    (kept,) = ok(await officer.get("/v1/journal/heads"))["items"]
    assert kept == proof["head"]
    assert _script(tmp_path, proof, kept).returncode == 0
    for changed in (
        {**proof, "entry": {**proof["entry"], "happening": "case.voided"}},
        {**proof, "leaf_index": proof["leaf_index"] + 1},
        {**proof, "path": [*proof["path"], "00" * 32]},
        {**proof, "path": proof["path"][1:]},
    ):
        refused = _script(tmp_path, changed, kept)
        assert refused.returncode == 1
        assert "NOT sealed" in refused.stderr
    assert "InvalidSignature" in _script(tmp_path, proof, {**kept, "root": "00" * 32}).stderr
    await worker.seal(world.database, world.clinician.clinic_id)
    await _unseen_by_others(world, entry_id)


async def _unseen_by_others(world: World, entry_id: str) -> None:
    for who in (world.colleague, world.supervisor, world.there["privacy_officer"]):
        assert (await who.get(f"/v1/journal/{entry_id}/proof")).status_code == 404
    for who in (world.admin, world.here["consultant"]):
        assert (await who.get(f"/v1/journal/{entry_id}/proof")).status_code == 403


async def test_heads_are_listed_newest_first_page_by_page(world: World) -> None:
    officer = world.here["privacy_officer"]
    for _ in range(5):
        await world.clinician.case()
        await worker.seal(world.database, world.clinician.clinic_id)
    numbers: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = ok(await officer.get("/v1/journal/heads", limit=2, **cursor))
        numbers += [head["number"] for head in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert numbers == [5, 4, 3, 2, 1]


async def test_a_restricted_entry_on_ones_own_case_is_not_proved_to_its_clinician(
    world: World,
) -> None:
    case = await world.clinician.case()
    await world.supervisor.incident(case, "hurtful_words", restricted=True)
    await worker.seal(world.database, world.clinician.clinic_id)
    entry_id = await _entry_of(world, case["id"], "incident.reported")
    path = f"/v1/journal/{entry_id}/proof"
    assert (await world.clinician.get(path)).status_code == 404
    assert ok(await world.supervisor.get(path))["entry"]["restricted"] is True


async def _entry_of(world: World, case_id: str, happening: str = "case.opened") -> str:
    told = sa.select(col(JournalEntry.id)).where(
        col(JournalEntry.case_id) == UUID(case_id), col(JournalEntry.happening) == happening
    )
    async with world.owner.transaction() as tx:
        return str((await tx.exec(told)).one()[0])


def _script(folder: Path, proof: Any, head: Any) -> subprocess.CompletedProcess[str]:
    files = [folder / "proof.json", folder / "head.json"]
    for file, value in zip(files, (proof, head), strict=True):
        file.write_text(json.dumps(value, indent=2))
    command = [sys.executable, str(SCRIPT), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


# ------------------------------------------------------------------------- on the command line


@dataclass
class Shell:
    """`python -m api`, as the owner of the tables runs it on one clinic's journal."""

    urls: Urls

    def __call__(self, *arguments: str, **settings: str) -> tuple[int, str]:
        """Run a command; give its exit code and all it said."""
        env = {
            "BN_DATABASE_URL": self.urls.runtime,
            "BN_MIGRATE_DATABASE_URL": self.urls.owner,
            "BN_SECRET_KEY": SETTINGS_SECRET.get_secret_value(),
            "BN_DATA_KEY": DATA_KEY.get_secret_value(),
            **settings,
        }
        done = CliRunner().invoke(cli, list(arguments), env=env)
        return done.exit_code, done.output


async def _journal(urls: Urls) -> UUID:
    """Write and seal a journal of two heads, with one entry that is not sealed yet."""
    serving, owner = (Database(url, keys=SETTINGS.data_keys) for url in (urls.runtime, urls.owner))
    desk = Desk(serving, owner, Present())
    clinic_id = await desk.clinic()
    for _ in range(2):
        await desk.write(clinic_id, [desk.id_at(tree_heads._present()) for _ in range(3)])
        await seal_clinic(serving, clinic_id)
    await desk.write(clinic_id, [desk.id_at(tree_heads._present())])
    await serving.dispose()
    await owner.dispose()
    return clinic_id


async def _change(urls: Urls, *statements: Any) -> None:
    owner = Database(urls.owner, walled=False)
    async with owner.transaction() as tx:
        for statement in statements:
            await (await tx.connection()).execute(statement)
    await owner.dispose()


def test_the_command_verifies_and_tells_the_place(urls: Urls, tmp_path: Path) -> None:
    clinic_id = asyncio.run(_journal(urls))
    shell, only = Shell(urls), ("--clinic", str(clinic_id))
    code, said = shell("verify-journal", *only)
    assert (code, said) == (
        0,
        f"fine clinic {clinic_id}: 6 entries under 2 heads; 1 not yet sealed\n",
    )
    code, printed = shell("journal-heads", *only)
    assert [json.loads(line)["number"] for line in printed.splitlines()] == [1, 2]
    lines, page, bad = (tmp_path / name for name in ("heads.jsonl", "page.json", "bad"))
    lines.write_text(printed)
    page.write_text(
        json.dumps({"items": list(map(json.loads, printed.splitlines())), "next": None})
    )
    bad.write_text("[1]")
    for kept in (lines, page):
        assert shell("verify-journal", *only, "--heads", str(kept))[0] == 0
    assert shell("verify-journal", *only, "--heads", str(bad))[0] == 2
    mine = [table.c.clinic_id == clinic_id for table in (HEADS, LEAVES)]
    asyncio.run(
        _change(
            urls,
            sa.delete(HEADS).where(mine[0], HEADS.c.number == 2),
            sa.delete(LEAVES).where(mine[1], LEAVES.c.head_number == 2),
        )
    )
    assert shell("verify-journal", *only)[0] == 0
    code, said = shell("verify-journal", *only, "--heads", str(lines))
    assert code == 1
    assert f"DIFFERENT clinic {clinic_id}, head 2: it was kept elsewhere" in said
    asyncio.run(
        _change(
            urls, sa.update(ENTRIES).where(ENTRIES.c.clinic_id == clinic_id).values(purpose="x")
        )
    )
    code, said = shell("verify-journal", *only)
    assert code == 1
    assert f"DIFFERENT clinic {clinic_id}, head 1, entry " in said


def test_the_command_says_when_it_could_not_run(urls: Urls, tmp_path: Path) -> None:
    clinic_id = asyncio.run(_journal(urls))
    shell = Shell(urls)
    assert shell("verify-journal", "--clinic", str(uuid4()))[0] == 2
    assert shell("verify-journal", "--clinic", str(clinic_id), BN_DATA_KEY=new_data_key())[0] == 2
    nowhere = f"sqlite+aiosqlite:///{tmp_path / 'none.db'}"
    code, said = shell("verify-journal", BN_MIGRATE_DATABASE_URL=nowhere)
    assert code == 2
    assert "Traceback" not in said
    if urls.runtime != urls.owner:
        # the role that serves sees no clinic before it enters one
        code, said = shell("verify-journal", BN_MIGRATE_DATABASE_URL=urls.runtime)
        assert code == 2
        assert "No clinic is seen" in said


def test_the_command_looks_at_every_clinic_and_misses_one_that_is_gone(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'clinics.db'}"
    migrate(url)
    shell = Shell(Urls(url, url))
    assert shell("verify-journal")[0] == 2
    clinics = [asyncio.run(_journal(Urls(url, url))) for _ in range(2)]
    code, said = shell("verify-journal")
    assert (code, said.count("fine")) == (0, 2)
    kept = tmp_path / "heads.jsonl"
    gone = uuid4()
    kept.write_text(shell("journal-heads")[1].replace(str(clinics[1]), str(gone)))
    code, said = shell("verify-journal", "--heads", str(kept))
    assert (code, said.count("fine")) == (1, 2)
    assert f"DIFFERENT clinic {gone}, no head: its heads were kept, and it is gone" in said
    assert shell("verify-journal", "--clinic", str(clinics[0]), "--heads", str(kept))[0] == 0
