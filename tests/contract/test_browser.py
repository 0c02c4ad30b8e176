"""The two pages that describe the API, as a browser shows them: whole, and from here alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Request,
    expect,
)

from api.commands.demo import PASSWORD
from api.commands.demo_cases import ADMIN, BRUNO, CASES
from tests.support.browsing import MILLISECONDS, every_processor, launched
from tests.support.demo import Demo, running
from tests.support.patience import PATIENCE, get

PAGES = {
    "/docs": ".opblock-{method} .opblock-summary-path[data-path='{path}']",
    "/redoc": "[data-section-id='operation/{operation}']",
}
"""Each page, and how it marks each operation."""

FIRST_SIGHT = 120_000
"""Milliseconds for a page of two hundred operations to be drawn, on a machine that just woke up."""

ELSEWHERE = "https://elsewhere.example/lib.js"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module", autouse=True)
def processors() -> Iterator[None]:
    """Every processor: Chromium draws while the server answers it."""
    with every_processor():
        yield


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A server with people who can sign in, and cases."""
    with running(tmp_path_factory.mktemp("demo")) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    expect.set_options(timeout=MILLISECONDS)
    with launched() as started:
        yield started


@dataclass
class Visit:
    """A page, and all that it asked for and said while it was looked at."""

    page: Page
    url: str
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def listen(self, context: BrowserContext) -> None:
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("requestfailed", self._note_failure)
        context.on("response", lambda answer: self._note_status(answer.url, answer.status))
        context.on("console", lambda said: self._note_words(said.type, said.text))
        context.on("weberror", lambda error: self.wrong.append(f"error: {error.error}"))

    def complaints(self) -> list[str]:
        """Give whatever was asked for elsewhere, failed, or was complained of on the console."""
        here = (f"{self.url}/", f"blob:{self.url}/", "data:")
        return [f"elsewhere: {url}" for url in self.asked if not url.startswith(here)] + self.wrong

    def _note_failure(self, request: Request) -> None:
        self.wrong.append(f"failed: {request.url} {request.failure}")

    def _note_status(self, url: str, status: int) -> None:
        if status >= 400:
            self.wrong.append(f"{status}: {url}")

    def _note_words(self, kind: str, words: str) -> None:
        if kind in {"error", "warning"}:
            self.wrong.append(f"{kind}: {words}")


@contextmanager
def visiting(browser: Browser, demo: Demo) -> Iterator[Visit]:
    """Open an empty page, with a memory of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    context.set_default_timeout(MILLISECONDS)
    visit = Visit(context.new_page(), demo.url)
    visit.listen(context)
    yield visit
    context.close()


def look(visit: Visit, path: str) -> None:
    """Read a page to its end: every operation is there, and nothing is still loading."""
    visit.page.goto(f"{visit.url}{path}")
    described: dict[str, Any] = get(f"{visit.url}/openapi.json").json()
    marks = [
        PAGES[path].format(method=method, path=named, operation=operation["operationId"])
        for named, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(marks) > 100
    all_are_shown = "marks => marks.every(mark => document.querySelector(mark))"
    visit.page.wait_for_function(all_are_shown, arg=marks, timeout=FIRST_SIGHT)
    visit.page.mouse.wheel(0, 100_000)
    visit.page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_every_operation_and_asks_for_nothing_from_elsewhere(
    browser: Browser, demo: Demo, path: str
) -> None:
    with visiting(browser, demo) as visit:
        look(visit, path)
        assert visit.page.get_by_role("heading", name="Boundary Notes").first.is_visible()
        assert f"{demo.url}/openapi.json" in visit.asked
        assert any(url.endswith("/favicon.png") for url in visit.asked)
        assert visit.complaints() == []


def test_somebody_signs_in_and_tries_a_request_in_the_page(browser: Browser, demo: Demo) -> None:
    with visiting(browser, demo) as visit:
        look(visit, "/docs")
        _sign_in(visit.page)
        shown = _try_out(visit.page, "get", "/v1/cases")
        assert all(f'"client_ref": "{case.client_ref}"' in shown for case in CASES[BRUNO])
        asked = [url.removeprefix(demo.url) for url in visit.asked]
        assert "/v1/auth/token" in asked
        assert any(path.startswith("/v1/cases") for path in asked)
        assert visit.complaints() == []


def test_software_signs_in_and_tries_a_request_in_the_page(browser: Browser, demo: Demo) -> None:
    software = _an_account(demo)
    with visiting(browser, demo) as visit:
        look(visit, "/docs")
        with _authorizing(visit.page, "clientCredentials") as form:
            form.locator("[data-name='clientId']").fill(software["client_id"])
            form.locator("[data-name='clientSecret']").fill(software["client_secret"])
            form.get_by_text("cases:read", exact=True).click()
        shown = _try_out(visit.page, "get", "/v1/cases")
        assert '"items": [' in shown
        assert "/v1/auth/token" in [url.removeprefix(demo.url) for url in visit.asked]
        assert visit.complaints() == []


def _an_account(demo: Demo) -> dict[str, Any]:
    """Let the demo's admin make an account for software that reads cases."""
    with httpx.Client(base_url=demo.url, timeout=PATIENCE) as http:
        form = {"grant_type": "password", "username": ADMIN.email, "password": PASSWORD}
        token = http.post("/v1/auth/token", data=form).json()["access_token"]
        body = {"name": "Diary", "scopes": ["cases:read"]}
        headers = {"Authorization": f"Bearer {token}"}
        made = http.post("/v1/service-accounts", json=body, headers=headers)
        assert made.status_code == 201, made.text
        account: dict[str, Any] = made.json()
        return account


def _sign_in(page: Page) -> None:
    with _authorizing(page, "password") as form:
        form.locator("#oauth_username").fill(BRUNO.email)
        form.locator("#oauth_password").fill(PASSWORD)


@contextmanager
def _authorizing(page: Page, flow: str) -> Iterator[Locator]:
    """Give the form of a way to sign in, to be filled in; it is sent at the end."""
    page.locator(".auth-wrapper .authorize").click()
    named = page.locator(".flow", has_text=flow)
    form = page.locator(".modal-ux .auth-container").filter(has=named)
    yield form
    form.locator(".auth-btn-wrapper .authorize").click()
    expect(form.get_by_text("Logout")).to_be_visible()
    form.locator(".btn-done").click()


def _try_out(page: Page, method: str, path: str) -> str:
    """Send a request from the page; give the body it shows under a status of 200."""
    named = page.locator(f".opblock-summary-path[data-path='{path}']")
    operation = page.locator(f".opblock-{method}").filter(has=named)
    operation.locator(".opblock-summary-path").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_have_text(re.compile(r"^200\b"))
    return answer.locator(".response-col_description").inner_text()


@pytest.mark.parametrize("walled", [True, False], ids=["kept_in", "let_out"])
def test_a_page_that_asks_for_a_script_from_elsewhere_is_noticed(
    browser: Browser, demo: Demo, walled: bool
) -> None:
    page = get(f"{demo.url}/docs")
    spoilt = page.text.replace("</head>", f'<script src="{ELSEWHERE}"></script></head>')
    policy = page.headers["content-security-policy"] if walled else "img-src *"
    headers = {"content-type": "text/html", "content-security-policy": policy}
    with visiting(browser, demo) as visit:
        visit.page.route("**/docs", lambda route: route.fulfill(body=spoilt, headers=headers))
        # as if somebody answered there: what is asked for is noticed, not only what fails
        visit.page.route(ELSEWHERE, lambda route: route.fulfill(body="", content_type="text/js"))
        look(visit, "/docs")
        assert f"elsewhere: {ELSEWHERE}" in visit.complaints()
        assert any("Content Security Policy" in each for each in visit.complaints()) == walled


def test_a_page_that_complains_is_noticed(browser: Browser, demo: Demo) -> None:
    with visiting(browser, demo) as visit:
        visit.page.goto(f"{demo.url}/healthz")
        with visit.page.expect_event("pageerror"):
            visit.page.evaluate("() => { console.error('aloud'); setTimeout(() => undefined.x) }")
        visit.page.goto(f"{demo.url}/v1/me")
        told = " ".join(visit.complaints())
        for noticed in ("error: aloud", "error: Cannot read", f"401: {demo.url}/v1/me"):
            assert noticed in told
