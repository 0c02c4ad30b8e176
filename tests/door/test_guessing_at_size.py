"""Guessing by the thousand: whoever has a right secret comes in at once, and no guess opens."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import anyio
import anyio.lowlevel
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncBaseTransport, AsyncClient, Request, Response

from api.access.door_guesses import WRONG
from api.security.door_secrets import new_door_secret
from tests.support.door import AtDoor, enter, invite, open_door
from tests.support.patience import Stopwatch
from tests.support.signing_in import plainly, same_body
from tests.support.world import World

pytestmark = [pytest.mark.both_databases, pytest.mark.timeout(900)]

SHARED = "192.0.2.10"
"""The one network of a house: some guess there, and others have a right code or receipt."""
INVITED = 5
"""How many codes there are, and as many receipts: each is shown twice, from two networks."""
AT_ONCE = 5
"""How many show something at the same time, whether or not they guess."""
TIMES_AS_LONG, SECONDS = 5, 5
"""How long it may take to come in beside guesses: by what it takes where nobody guesses, and each
time. It takes about as long; the rest is for what else the machine does."""
AS_FROM_ELSEWHERE = 3
"""Times as long that it may take from the network from which others guess as from any other."""


class Try(NamedTuple):
    """A code or a receipt as somebody shows it, and from where."""

    secret: dict[str, str]
    network: str
    is_right: bool = False


class FromAnywhere(AsyncBaseTransport):
    """Brings each request from the network that it names."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    async def handle_async_request(self, request: Request) -> Response:
        network = request.extensions["network"]
        return await ASGITransport(self.app, client=(network, 4711)).handle_async_request(request)


class Answered(NamedTuple):
    """What was answered to a try, and after how many seconds of this process."""

    shown: Try
    answer: Response
    seconds: float


async def holders(world: World) -> list[Try]:
    """Give twenty right ones: codes and receipts, from the shared network and from others."""
    await open_door(world)
    case, secrets = await world.clinician.case(), list[dict[str, str]]()
    for _ in range(INVITED):
        code = (await invite(world.clinician, case))["code"]
        receipt = (await (await enter(world, code=code)).says())["receipt"]
        secrets += [{"code": code}, {"receipt": receipt}]
    return [
        Try(secret, network, is_right=True)
        for number, secret in enumerate(secrets)
        for network in (SHARED, f"198.51.100.{number}")
    ]


def guesses(many: int, right: Sequence[Try]) -> list[Try]:
    """Give wrong ones: by turns of the shared network, and each of a network of its own.

    A third are but one sign away from a right one; in each, codes and receipts take turns.
    """
    return [
        Try(
            {("code", "receipt")[number // 2 % 2]: _guess(number, right)},
            SHARED if number % 2 else f"2001:db8:{number // 2:x}::1",
        )
        for number in range(many)
    ]


def _guess(number: int, right: Sequence[Try]) -> str:
    if number % 3:
        return new_door_secret()
    (near,) = right[number % len(right)].secret.values()
    return near[:-1] + ("0" if near[-1] != "0" else "1")


def among(right: Sequence[Try], wrong: Sequence[Try]) -> list[Try]:
    """Put right ones evenly between wrong ones."""
    share = len(wrong) // len(right)
    between = [wrong[number * share :][:share] for number in range(len(right))]
    return [each for one, some in zip(right, between, strict=True) for each in (*some, one)]


async def show_all(world: World, tries: Sequence[Try]) -> list[Answered]:
    """Show all of them, some at once; give what was answered, in the order in which it came."""
    answered, left = list[Answered](), iter(tries)
    transport = FromAnywhere(world.app)

    async def go_on(http: AsyncClient) -> None:
        for each in left:
            # as requests of a network do, let those go first who wait already
            await anyio.lowlevel.checkpoint()
            watch, at = Stopwatch(), {"network": each.network}
            answer = await http.post("/door/v1/session", json=each.secret, extensions=at)
            answered.append(Answered(each, answer, watch.took))

    async with (
        AsyncClient(transport=transport, base_url="http://notes.test") as http,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(AT_ONCE):
            tasks.start_soon(go_on, http)
    return answered


async def opens(world: World, answer: Response) -> int:
    """Give how much somebody sees who has come in."""
    return len(await AtDoor(world, answer.json()["token"]).mine())


@pytest.mark.parametrize("many", [240, pytest.param(10_000, marks=pytest.mark.long)])
async def test_beside_thousands_of_guesses_every_right_one_comes_in_at_once(
    world: World, many: int, say: Callable[[str], None]
) -> None:
    right = await holders(world)
    alone = await show_all(world, right)
    everybody = await show_all(world, among(right, guesses(many, right)))
    beside = [each for each in everybody if each.shown.is_right]
    wrong = [each for each in everybody if not each.shown.is_right]
    assert (len(beside), len(wrong)) == (len(right), many)
    assert {each.answer.status_code for each in (*alone, *beside)} == {201}
    seen = [await opens(world, each.answer) for each in beside]
    # by a code nothing is shown, and by a receipt what was sent
    assert Counter(seen) == {0: len(right) // 2, 1: len(right) // 2}
    say(f"beside {many} guesses, {_how_long(alone, beside)}")
    _are_all_told_the_same(wrong)


def _how_long(alone: Sequence[Answered], beside: Sequence[Answered]) -> str:
    """See that none waited because others guess, not even in their network; say how long."""
    before = statistics.mean(each.seconds for each in alone)
    here, elsewhere = (
        statistics.median(each.seconds for each in beside if (each.shown.network == SHARED) is ours)
        for ours in (True, False)
    )
    slowest = max(each.seconds for each in beside)
    said = (
        f"a right code or receipt opens in {here * 1000:.0f} ms from their network and in "
        f"{elsewhere * 1000:.0f} from others, the slowest of {len(beside)} in "
        f"{slowest * 1000:.0f}; where nobody guesses, in {before * 1000:.0f}"
    )
    assert here < elsewhere * AS_FROM_ELSEWHERE, said
    assert elsewhere < before * TIMES_AS_LONG, said
    assert slowest < SECONDS, said
    return said


def _are_all_told_the_same(wrong: Sequence[Answered]) -> None:
    """See that so many of each network are looked at, and all past them are refused."""
    statuses: defaultdict[str, list[int]] = defaultdict(list)
    for each in wrong:
        statuses[each.shown.network].append(each.answer.status_code)
    looked_at, refused = [401] * WRONG.amount, [429] * (len(wrong) // 2 - WRONG.amount)
    assert sorted(statuses.pop(SHARED)) == looked_at + refused
    assert Counter(map(tuple, statuses.values())) == {(401,): len(wrong) // 2}
    answers = [each.answer for each in wrong]
    assert len({plainly(each) for each in answers if each.status_code == 401}) == 1
    assert len({same_body(each) for each in answers if each.status_code == 429}) == 1
