"""Somebody at a clinic's door in Chromium, on the demo's data."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from api.commands.demo import PASSWORD
from api.commands.demo_cases import ADMIN, BRUNO, Person
from tests.support.browsing import Visit
from tests.support.door import TEXTS
from tests.support.door_pages import ENTRY, INSIDE, SAY
from tests.support.patience import PATIENCE

WORDS = "zq what happened,\nin two lines."


@contextmanager
def speaking(url: str, who: Person) -> Iterator[httpx.Client]:
    """Let somebody of the clinic ask the API."""
    with httpx.Client(base_url=url, timeout=PATIENCE) as http:
        form = {"grant_type": "password", "username": who.email, "password": PASSWORD}
        token = http.post("/v1/auth/token", data=form).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield http


def open_door_at(url: str) -> None:
    """Let the clinic set all that is told at its door."""
    with speaking(url, ADMIN) as admin:
        tag = admin.get("/v1/clinic").headers["etag"]
        answer = admin.patch("/v1/clinic", json=TEXTS, headers={"If-Match": tag})
        assert answer.is_success, answer.text


def invited_to(url: str, **case: Any) -> tuple[str, str]:
    """Open a case; give its id, and a code to its door."""
    with speaking(url, BRUNO) as hers:
        count = len(hers.get("/v1/cases", params={"limit": 100}).json()["items"])
        made = hers.post("/v1/cases", json={"client_ref": f"zq-door-{count}", **case}).json()
        answer = hers.post(f"/v1/cases/{made['id']}/invitations", json={})
        assert answer.is_success, answer.text
        return made["id"], answer.json()["code"]


def come_in(visit: Visit, typed: str) -> None:
    """Enter a code or a receipt."""
    visit.open(ENTRY)
    visit.page.fill("#code", typed)
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url(f"**{INSIDE}")


def press(visit: Visit, text: str) -> None:
    """Press a button."""
    visit.page.get_by_role("button", name=text, exact=True).first.click()
    visit.page.wait_for_load_state()


def say(visit: Visit, words: str = WORDS) -> str:
    """Say what happened; give the receipt."""
    visit.open(SAY)
    visit.page.fill("#happened", words)
    press(visit, "Send it")
    return visit.page.locator(".receipt").inner_text()
