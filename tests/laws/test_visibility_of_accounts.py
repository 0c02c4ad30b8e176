"""Who reads what was said at a door is said in SQL alone: a reading in Python says the same."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from api.access import guards
from api.access.case_relationship import asking
from api.access.visibility import accounts
from api.access.visibility.cases import on_its_case
from api.access.visibility.reader import reader
from api.domain.vocabulary import (
    AccountStatus,
    AccountTo,
    CameBy,
    DatePrecision,
    ResponseBy,
    SafeNow,
    Sharing,
)
from api.storage.models.accounts import Account, AccountExclusion
from api.storage.models.clinical import Case
from api.storage.models.door import Box
from tests.support.chance import Chance
from tests.support.eyes import Eyes, Rows
from tests.support.eyes_at_door import ReadersAtDoor
from tests.support.guards import made_anew
from tests.support.world import World

ACCOUNTS, ROUNDS = 60, 3

Said = tuple[str, bool, bool]
"""What was asked, what Python says, and whether SQL found it."""


def made_up(world: World, luck: random.Random, chance: Chance) -> Iterator[Any]:
    """Make up what was said at the doors of some cases, and to whom it does not exist."""
    now = world.clock.now
    for number in range(ACCOUNTS):
        case = luck.choice(chance.cases)
        here: dict[str, Any] = {"clinic_id": case.clinic_id, "created_at": now, "updated_at": now}
        box = Box(**here, id=uuid7(), case_id=case.id, by=ResponseBy.client, last_sent_at=now)
        sharing = luck.random() < 0.5
        begins = now.date() + timedelta(luck.choice([-1, 0, 1]))
        holder = luck.choice([case.clinician_id, case.clinician_id, luck.choice(chance.people)])
        account = Account(
            **here,
            id=uuid7(),
            case_id=case.id,
            box_id=box.id,
            number=number + 1,
            by=ResponseBy.client,
            came_by=CameBy.invitation,
            language="en",
            happened="words",
            date_precision=DatePrecision.day,
            safe_now=luck.choice(list(SafeNow)),
            addressed_to=luck.choice(list(AccountTo)),
            status=luck.choice(list(AccountStatus)),
            words_at=now,
            shared=Sharing.with_therapist if sharing else Sharing.not_yet,
            shared_from=begins if sharing else None,
            shared_with_id=holder if sharing else None,
            shared_as=uuid7() if sharing else None,
        )
        yield [box]
        yield [account]
        left = luck.sample(chance.people, k=luck.choice([0, 0, 1, 3]))
        officer = world.here["privacy_officer"].id
        if luck.random() < 0.4 and officer not in left:
            left.append(officer)
        yield [
            AccountExclusion(**here, id=uuid7(), account_id=account.id, user_id=each)
            for each in left
        ]


async def play(world: World, seed: int) -> list[Said]:
    """Make up a clinic, and ask for everybody of each account, in lists and by its id."""
    luck, here = random.Random(seed), world.clinician.clinic_id
    people = [person.id for person in world.here.values()]
    chance = Chance(world, luck, people)
    await chance.put_up()
    async with world.owner.transaction() as tx:
        await tx.enter(here)
        for rows in made_up(world, luck, chance):
            for row in rows:
                tx.add(row)
            await tx.flush()
    rows = await Rows.read(world, here, {})
    everyone = [Eyes(person, frozenset(), rows) for person in world.here.values()]
    async with world.owner.transaction() as tx:
        await tx.enter(here)
        every = list(await tx.exec(select(Account).where(Account.clinic_id == here)))
        left = await tx.exec(
            sa.select(col(AccountExclusion.account_id), col(AccountExclusion.user_id))
        )
        readers = ReadersAtDoor(everyone, {(one, other) for one, other in left})
    return [each for eyes in everyone for each in await of_accounts(world, eyes, readers, every)]


async def of_accounts(
    world: World, eyes: Eyes, readers: ReadersAtDoor, every: list[Account]
) -> list[Said]:
    """Ask for one person of every account."""
    said, me = list[Said](), eyes.actor
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.clinician.clinic_id)
        who = reader(tx, me)
        listed, shared = [
            set[UUID](
                await tx.exec(select(Account.id).join(Case, on_its_case(Account)).where(wall))
            )
            for wall in (accounts.seen_accounts(who), accounts.shared_with(who))
        ]
        one = guards._one_record(Account, me.role, lock=False)
        for row in every:
            found = (await tx.exec(one, asking(tx, me, row.id))).first()
            reads = readers.reads(eyes, row)
            said += [
                ("account listed", reads, row.id in listed),
                ("account by its id", reads, found is not None),
                ("account shared", readers.is_shared_with(eyes, row), row.id in shared),
            ]
    return said


def told_apart(said: list[Said]) -> list[Said]:
    """Give where Python and SQL do not say the same."""
    return [each for each in said if each[1] != each[2]]


@pytest.mark.both_databases
async def test_python_and_sql_agree_on_who_reads_which_account(world: World) -> None:
    said = [each for seed in range(ROUNDS) for each in await play(world, seed)]
    assert Counter(told_apart(said)) == Counter()
    # and some are seen in each way
    seen = Counter(what for what, says, _ in said if says)
    assert min(seen[what] for what in ("account listed", "account by its id", "account shared")) > 9


@pytest.mark.parametrize(
    ("wall", "gone"),
    [
        ("is_left_out", sa.false()),
        ("supervised_by", sa.true()),
        ("supervisors_read", sa.false()),
        ("officers_read", sa.false()),
        ("conflicted", sa.false()),
        ("granted", sa.true()),
        ("not_concerned", sa.true()),
    ],
)
async def test_each_wall_around_accounts_is_missed_when_it_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch, wall: str, gone: Any
) -> None:
    with made_anew(), monkeypatch.context() as patch:
        patch.setattr(accounts, wall, lambda *_, **__: gone)
        for seed in range(100, 104):
            if told_apart(await play(world, seed)):
                return
    pytest.fail(f"nobody misses {wall}")
