"""The pages of the door where the network is slow, on a phone far out, come within seconds."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from api.door.pages import routes
from tests.support.browsing import Visit, visiting
from tests.support.door_browsing import come_in, invited_to, open_door_at, press, say
from tests.support.door_pages import ENTRY, SAY

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LATENCY, BYTES = 0.2, 50 * 1024
"""Seconds from asking to the first byte, and how many come in a second."""
WITHIN = 3
TO_CONNECT = 3 * LATENCY
"""What Chromium slows no connection by, and a network does: its name, TCP and TLS."""
LONGEST = "It was said, and then it was not. " * 588
"""About as much as an account holds."""
_SINCE_ASKED = "performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"


def far_out(visit: Visit) -> None:
    """Let nothing come fast from now on, and nothing be there already."""
    network = visit.page.context.new_cdp_session(visit.page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    slow = {"latency": LATENCY * 1000, "downloadThroughput": BYTES, "uploadThroughput": BYTES}
    network.send("Network.emulateNetworkConditions", {"offline": False, **slow})


def took(visit: Visit) -> float:
    """Give the seconds until all of a page was there, for somebody who was never at the door."""
    seconds: float = visit.page.evaluate(_SINCE_ASKED)
    return round(seconds + TO_CONNECT, 2)


def each_page(visit: Visit, paths: list[str]) -> Iterator[tuple[str, float]]:
    """Open pages, and give how long each took."""
    for path in paths:
        assert visit.open(path) == 200, path
        yield path, took(visit)


def pages() -> list[str]:
    """Give the addresses of all pages, as they are when one account was sent."""
    shown = [each.path for each in routes if "GET" in (each.methods or ())]
    return [path.replace("{n:int}", "1") for path in shown]


def test_every_page_is_there_within_three_seconds(chromium: Browser, sqlite_desk: str) -> None:
    open_door_at(sqlite_desk)
    seconds: dict[str, float] = {}
    with visiting(chromium, sqlite_desk, width=320) as visit:
        far_out(visit)
        seconds |= {f"{path}, first": each for path, each in each_page(visit, [ENTRY])}
        come_in(visit, invited_to(sqlite_desk)[1])
        seconds |= {"coming in": took(visit)}
        receipt = say(visit, LONGEST)
        seconds |= {"sent": took(visit)}
        come_in(visit, receipt)
        seconds |= each_page(visit, pages())
        visit.open(SAY)
        visit.page.fill("#year", "never")
        press(visit, "Send it")
        seconds |= {"not taken": took(visit)}
    assert max(seconds.values()) < WITHIN, str(seconds)
    # each took the way to the page and to what it looks like: nothing came faster than it can
    assert min(seconds.values()) > TO_CONNECT + 2 * LATENCY, str(seconds)
