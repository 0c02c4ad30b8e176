"""Chromium at the desk, on the demo's data in either database."""

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    sync_playwright,
)

from api.commands.demo import PASSWORD, WRITTEN_AGO, fill
from api.commands.demo_cases import Person
from api.main import create_app
from api.runtime.settings import Settings, new_data_key, random_secret
from api.storage.database import utc_now
from api.storage.migrations import migrate
from tests.support.postgres import create_database, make_runtime_role
from tests.support.processes import serving

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",  # it refuses root otherwise, and opens nothing but our own pages
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # whatever a page asks for, nothing leaves this machine
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
LARGEST = 60 * 1024
MILLISECONDS = 30_000

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_OPEN = 'a[href^="/desk"]'


@contextmanager
def every_processor() -> Iterator[None]:
    """Let Chromium draw while the server answers it."""
    one = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    yield
    os.sched_setaffinity(0, one)


@contextmanager
def launched() -> Iterator[Browser]:
    """Start Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@contextmanager
def desk_on(folder: Path, owner: str | None = None) -> Iterator[str]:
    """Serve the demo's clinic, on SQLite or on a database of its own at a PostgreSQL of `owner`."""
    secrets = {"secret_key": random_secret().get_secret_value(), "data_key": new_data_key()}
    url = _prepared(folder, owner, secrets)
    with serving({"database_url": url, **secrets}) as served:
        yield served


def _prepared(folder: Path, owner: str | None, secrets: dict[str, str]) -> str:
    """Make the demo's clinic; give the address of its database as the role that serves has it."""
    url = f"sqlite+aiosqlite:///{folder / 'clinic.db'}"
    if owner is not None:
        url = asyncio.run(create_database(owner))
    migrate(url)
    asyncio.run(_filled(url, secrets))
    return url if owner is None else asyncio.run(make_runtime_role(url))


async def _filled(url: str, secrets: dict[str, str]) -> None:
    given = {"database_url": url, **secrets}
    app = create_app(Settings.model_validate(given), lambda: utc_now() - WRITTEN_AGO)
    try:
        await fill(app, (utc_now() - WRITTEN_AGO).date())
    finally:
        await app.state.database.dispose()


@dataclass
class Visit:
    """A browser of somebody's, and all that it asked for and said while it was looked at."""

    page: Page
    url: str
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def listen(self, context: BrowserContext) -> None:
        """Hear everything."""
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("requestfailed", self._note_failure)
        context.on("response", self._weigh)
        context.on("console", self._note)
        context.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))
        context.on("weberror", lambda error: self.wrong.append(f"error: {error.error}"))

    def complaints(self) -> list[str]:
        """Give whatever was asked for elsewhere, failed, or was complained of."""
        return [
            *(f"elsewhere: {url}" for url in self.asked if not url.startswith(f"{self.url}/")),
            *self.wrong,
        ]

    def open(self, path: str) -> int:
        """Open a page; give its status."""
        answer = self.page.goto(f"{self.url}{path}")
        assert answer is not None
        return answer.status

    def sign_in(self, person: Person, password: str = PASSWORD) -> None:
        """Sign in by the form."""
        self.open("/desk/sign-in")
        self.page.fill("#address", person.email)
        self.page.fill("#password", password)
        self.page.click("main button")
        self.page.wait_for_load_state()
        assert self.at.startswith("/desk"), self.page.content()
        assert "sign-in" not in self.at, self.page.content()

    @property
    def at(self) -> str:
        """Where it is."""
        return self.page.url.removeprefix(self.url)

    def links(self) -> list[str]:
        """Give the pages that are linked to."""
        found = [each.get_attribute("href") or "" for each in self.page.locator(_OPEN).all()]
        return [each.partition("#")[0] for each in found]

    def is_within_its_width(self) -> bool:
        """Tell whether nobody has to scroll sideways."""
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return not self.page.evaluate(wide)

    def _weigh(self, answer: Response) -> None:
        told = answer.headers.get("content-length", "0")
        if answer.request.is_navigation_request() and int(told) > LARGEST:
            self.wrong.append(f"{told} bytes: {answer.url}")
        if answer.status >= 500:
            self.wrong.append(f"{answer.status}: {answer.url}")

    def _note_failure(self, request: Request) -> None:
        # whoever goes on to the next page waits for nothing of this one
        if request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"failed: {request.url} {request.failure}")

    def _note(self, said: ConsoleMessage) -> None:
        # a page that says that something is not possible is an error of its own to the browser
        is_a_page = "the server responded with a status of 4" in said.text
        # nor does a browser keep to itself that it forgets what it was asked to
        if not (is_a_page or said.text.startswith("Clear-Site-Data header")):
            self.wrong.append(f"{said.type}: {said.text}")


@contextmanager
def visiting(
    browser: Browser, url: str, *, script: bool = False, width: int = 1280
) -> Iterator[Visit]:
    """Open an empty page, with a memory of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        java_script_enabled=script,
        # colours are looked at once they are what they are
        reduced_motion="reduce",
    )
    context.set_default_timeout(MILLISECONDS)
    visit = Visit(context.new_page(), url)
    visit.listen(context)
    yield visit
    context.close()


def kind_of(path: str) -> str:
    """Name what pages of one template share: an address without ids, and what is asked in it."""
    parts = urlsplit(path)
    names = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)})
    at = re.sub(r"(incidents/new/)\w+$", r"\1KIND", _ID.sub("ID", parts.path))
    return f"{at}?{'&'.join(names)}" if names else at


def walk(visit: Visit) -> Iterator[str]:
    """Open one page of each kind that somebody finds by links, from the first one on."""
    seen, to_see = set[str](), ["/desk"]
    while to_see:
        path = to_see.pop(0)
        if (kind := kind_of(path)) in seen:
            continue
        seen.add(kind)
        status = visit.open(path)
        # what is not sealed yet has no proof
        assert status == 200 or (status == 409 and kind.endswith("/proof")), (path, status)
        yield kind
        to_see += visit.links()
