"""The pages about the clients' door, in Chromium: for everybody, in both schemes, and on paper."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from anyio import to_thread
from playwright.sync_api import Page, Route

from api.desk.rendering import static_file
from tests.support.axe import fetch_axe, violations
from tests.support.browsing import launched
from tests.support.desk import OURS, seated
from tests.support.door import at_the_door
from tests.support.world import World, ok

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PAPER = ("A4", "Letter")
SHEET = "invitation_made"


async def shown(world: World) -> dict[str, str]:
    """Give the pages: of an account that says much, of invitations, and what is printed."""
    case, client = await at_the_door(world)
    long = "He said that he would always be there.\n" * 40
    await client.says(
        happened=long,
        topics=["touch", "promise"],
        wants=["somebody_looks", "an_answer"],
        safe_now="no",
        reach="Never ring. " * 20,
    )
    (line,) = ok(await world.supervisor.get("/v1/accounts"))["items"]
    account = f"/desk/accounts/{line['id']}"
    supervisor, hers = await seated(world, world.supervisor), await seated(world, world.clinician)
    officer = await seated(world, world.here["privacy_officer"])
    (invited,) = ok(await world.clinician.get(f"/v1/cases/{case['id']}/invitations"))["items"]
    at = f"/desk/cases/{case['id']}/invitations"
    pages = {
        "accounts": await supervisor.open("/desk/accounts"),
        "account": await supervisor.open(account),
        "kinds": await supervisor.open(f"{account}/incidents/new"),
        "incident": await supervisor.fill(f"{account}/incidents/new/touch"),
        "reply": await supervisor.fill(f"{account}/reply"),
        "case": await supervisor.open(f"/desk/cases/{case['id']}"),
        "invitations": await hers.open(at),
        "invitation": await hers.open(f"/desk/invitations/{invited['id']}"),
        "invite": await hers.fill(f"{at}/new", {"expires_on": "soon"}),
        "by a reference": await officer.fill("/desk/invitations/new"),
        SHEET: await hers.fill(f"{at}/new"),
    }
    return {name: each.text for name, each in pages.items()}


def _serve(route: Route) -> None:
    body, _ = static_file("style.css" if route.request.url.endswith(".css") else "icon.svg")
    kind = "text/css" if route.request.url.endswith(".css") else "image/svg+xml"
    route.fulfill(body=body, content_type=kind)


def _look(pages: Mapping[str, str], source: str) -> tuple[list[str], dict[str, int]]:
    """Give what is wrong with pages for somebody, and how many sheets are printed of one."""
    wrong, sheets = [], {}
    with launched() as browser:
        for scheme, width in (("light", 1280), ("dark", 320)):
            page = browser.new_page(
                color_scheme="dark" if scheme == "dark" else "light",
                viewport={"width": width, "height": 900},
            )
            page.route(f"{OURS}/desk/*", _serve)
            for name, text in pages.items():
                _show(page, text)
                wrong += [f"{name}, {scheme}: {each}" for each in violations(page, source)]
                if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                    wrong.append(f"{name} is wider than {width}")
        for paper in PAPER:
            _show(page, pages[SHEET])
            printed = page.pdf(format=paper, prefer_css_page_size=True)
            sheets[paper] = len(re.findall(rb"/Type\s*/Page\b", printed))
    return wrong, sheets


def _show(page: Page, text: str) -> None:
    # at its own address, from which it loads what it needs
    page.route(f"{OURS}/", lambda route: route.fulfill(body=text, content_type="text/html"))
    page.goto(f"{OURS}/")
    page.unroute(f"{OURS}/")


async def test_pages_of_the_door_are_for_everybody(world: World, tmp_path: Path) -> None:
    pages = await shown(world)
    source = await to_thread.run_sync(fetch_axe, tmp_path)
    wrong, sheets = await to_thread.run_sync(_look, pages, source)
    assert wrong == []
    assert sheets == dict.fromkeys(PAPER, 1)
