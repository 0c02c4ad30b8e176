"""The queue moves while somebody reads it page by page, and nobody misses a case for that."""

import csv
import io
import random
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from api.commands.worker import seal_once
from api.flags.triage import PLACES
from api.records.queue_readings import Reading
from api.storage.models.clinical import Case
from tests.support.flags import flagged
from tests.support.world import Person, World, incident, made, ok, software

pytestmark = pytest.mark.both_databases

PATH = "/v1/flagged-cases"
GRAVER: dict[str, Any] = {"conduct": "contact"}


class Reader:
    """Somebody who reads the queue, a page at a time, and keeps what they were shown."""

    def __init__(self, by: Person, limit: int, **filters: Any) -> None:
        self._by, self._asked = by, {"limit": limit, **filters}
        self.cursor: str | None = ""
        self.shown: list[tuple[str, str]] = []
        self.moved: list[str] = []

    async def read(self) -> list[str]:
        """Read one page further; give the cases on it."""
        asked = {**self._asked, **({"cursor": self.cursor} if self.cursor else {})}
        page = ok(await self._by.get(PATH, **asked))
        self.cursor = page["next"]
        self.moved += page["moved"]
        told = [_told(item) for item in page["items"]]
        self.shown += told
        assert set(page["moved"]) <= {case_id for case_id, _ in told}
        return [case_id for case_id, _ in told]

    async def read_on(self) -> None:
        """Read to the end."""
        while self.cursor is not None:
            await self.read()
            assert len(self.shown) < 500, "it never ends"

    @property
    def cases(self) -> list[str]:
        """The cases shown, in their order, each as often as it was shown."""
        return [case_id for case_id, _ in self.shown]


def _told(item: dict[str, Any]) -> tuple[str, str]:
    if "case" in item:
        return item["case"]["id"], item["top_severity"]
    return item["id"], item["severity"]


async def waiting(world: World, number: int) -> list[str]:
    """Let cases wait, an hour after each other; give them as the queue does."""
    cases = []
    for _ in range(number):
        case = await world.clinician.case()
        await world.clinician.incident(case, "hurtful_words")
        cases.append(case["id"])
        world.clock.forward(hours=1)
    return cases


async def worsen(world: World, case_id: str) -> None:
    world.clock.forward(seconds=1)
    made(
        await world.clinician.post(
            f"/v1/cases/{case_id}/incidents", incident("sexual_conduct", world, **GRAVER)
        )
    )
    world.clock.forward(seconds=1)


async def test_a_case_that_gets_worse_meanwhile_comes_first_on_the_next_page(world: World) -> None:
    first, second, third, fourth, fifth = await waiting(world, 5)
    reader = Reader(world.supervisor, 2)
    assert await reader.read() == [first, second]
    await worsen(world, fifth)
    assert await reader.read() == [fifth, third]
    assert reader.moved == [fifth]
    assert reader.shown[2] == (fifth, "critical")
    assert await reader.read() == [fourth]
    assert reader.cursor is None


async def test_one_that_was_read_comes_again_only_when_it_got_worse(world: World) -> None:
    _, second, third, fourth = await waiting(world, 4)
    reader = Reader(world.supervisor, 2)
    await reader.read()
    world.clock.forward(minutes=1)
    (item, *_) = await world.supervisor.queue()
    path = f"/v1/flags/{item['flags'][0]['id']}/acknowledge"
    ok(await world.supervisor.post(path))
    await worsen(world, second)
    assert await reader.read() == [second, third], "looked at is not worse"
    assert await reader.read() == [fourth]
    assert reader.moved == [second]
    assert reader.cursor is None


async def test_more_cases_that_moved_than_fit_on_a_page_all_come(world: World) -> None:
    cases = await waiting(world, 9)
    reader = Reader(world.supervisor, 2)
    assert await reader.read() == cases[:2]
    for case_id in cases[4:9]:
        await worsen(world, case_id)
    await reader.read()
    # one that has its page behind it, while those that moved are read
    await worsen(world, cases[0])
    await reader.read_on()
    assert set(reader.cases) == set(cases)
    assert (cases[0], "critical") in reader.shown
    assert all((case_id, "critical") in reader.shown for case_id in cases[4:])
    assert len(reader.cases) == len(cases) + 1, "cases[0] alone is shown twice"


async def test_a_case_that_comes_into_the_queue_meanwhile_is_shown(world: World) -> None:
    cases = await waiting(world, 3)
    reader = Reader(world.supervisor, 2)
    await reader.read()
    world.clock.forward(seconds=1)
    case = await world.clinician.case()
    await world.clinician.incident(case, "sexual_conduct", **GRAVER)
    world.clock.forward(seconds=1)
    assert await reader.read() == [case["id"], cases[2]]


async def test_one_that_falls_due_meanwhile_is_shown_to_who_asks_for_the_overdue(
    world: World,
) -> None:
    """Time alone moves it: the graver one has longer to go."""
    cases = await waiting(world, 3)
    world.clock.forward(days=13)
    late = await world.clinician.case()
    await world.clinician.incident(late, "hurtful_words", repeated=True)
    world.clock.forward(days=1, hours=3)
    reader = Reader(world.supervisor, 1, overdue="true")
    assert await reader.read() == [cases[0]]
    world.clock.forward(days=1)
    assert await reader.read() == [late["id"]]
    await reader.read_on()
    assert set(reader.cases) == {*cases, late["id"]}


async def test_the_unwatched_cases_are_read_whole_too(world: World) -> None:
    cases = []
    for _ in range(3):
        cases.append(await flagged(world.colleague))
        world.clock.forward(hours=1)
    officer = Reader(world.here["privacy_officer"], 1, unwatched="true")
    await officer.read()
    world.clock.forward(seconds=1)
    body = incident("sexual_conduct", world, **GRAVER)
    made(await world.colleague.post(f"/v1/cases/{cases[2]}/incidents", body))
    world.clock.forward(seconds=1)
    assert await officer.read() == [cases[2]]
    assert officer.moved == [cases[2]]
    await officer.read_on()
    assert officer.cases == [cases[0], cases[2], cases[1]]


async def test_software_learns_from_no_page_that_a_hidden_flag_got_worse(world: World) -> None:
    first, second, third = await waiting(world, 3)
    app = Reader(await software(world, "flags:read", "cases:read"), 2)
    assert await app.read() == [first, second]
    world.clock.forward(seconds=1)
    hidden = incident("sexual_conduct", world, restricted=True, **GRAVER)
    made(await world.supervisor.post(f"/v1/cases/{first}/incidents", hidden))
    world.clock.forward(seconds=1)
    assert await app.read() == [third]
    assert app.moved == []


async def test_as_csv_the_next_page_begins_with_what_moved(world: World) -> None:
    cases = await waiting(world, 3)
    headers = {"Accept": "text/csv"}
    answer = await world.supervisor.send("GET", PATH, params={"limit": 2}, headers=headers)
    following = answer.headers["link"].partition("<")[2].partition(">")[0]
    await worsen(world, cases[2])
    page = await world.supervisor.send("GET", following, headers=headers)
    (row,) = csv.DictReader(io.StringIO(page.text))
    assert cases[2] in row["case"]
    assert row["top_severity"] == "critical"


@pytest.mark.parametrize("seed", range(3))
async def test_whoever_reads_to_the_end_was_shown_all_that_waited_and_got_worse(
    world: World, seed: int
) -> None:
    """Random cases, random pages, and between them some get worse, are settled, or are new."""
    chance = random.Random(seed)
    cases = await waiting(world, 8)
    reader = Reader(world.supervisor, chance.choice((1, 2, 3)))
    settled, worse = set[str](), set[str]()
    while reader.cursor is not None:
        await reader.read()
        for case_id in cases:
            if chance.random() < 0.15 and case_id not in worse and reader.cursor is not None:
                await worsen(world, case_id)
                worse.add(case_id)
            elif chance.random() < 0.1 and case_id not in worse:
                await _settle(world, case_id)
                settled.add(case_id)
    assert set(cases) - settled <= set(reader.cases)
    assert {(case_id, "critical") for case_id in worse} <= set(reader.shown)
    assert len(reader.cases) <= len(cases) + len(worse), "nothing is shown twice without need"


async def _settle(world: World, case_id: str) -> None:
    world.clock.forward(seconds=1)
    said = {"determination": "normal_process", "resolution_note": "looked at"}
    for flag in await world.supervisor.flag_list({"id": case_id}):
        ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", said))


async def test_a_queue_that_forgets_its_reading_is_found_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reading, "unread", lambda reading, by, _: [reading.place.following(by)])
    *_, last = cases = await waiting(world, 5)
    reader = Reader(world.supervisor, 2)
    await reader.read()
    await worsen(world, last)
    await reader.read_on()
    assert set(reader.cases) != set(cases)


async def test_what_an_earlier_release_flagged_is_put_in_its_place(world: World) -> None:
    (waits,) = await waiting(world, 1)
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    async with world.owner.transaction() as tx:
        await tx.enter(world.supervisor.clinic_id)
        # a server that knows of no places has written none
        nowhere = sa.update(Case).where(col(Case.id) == UUID(case["id"]))
        await tx.exec(nowhere.values(**dict.fromkeys(PLACES)))
    assert await Reader(world.supervisor, 10).read() == [waits]
    # whoever seals the journal sees that something has happened
    await seal_once(world.database)
    assert await Reader(world.supervisor, 10).read() == [waits, case["id"]]
