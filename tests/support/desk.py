"""Somebody at the desk: a browser without a window, which keeps cookies and sends forms."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit
from uuid import UUID

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from starlette.routing import Route

from api.desk.same_origin import TOKEN
from api.security.browser_tokens import BrowserToken, BrowserTokens
from tests.support.world import PASSWORD, Person, World

OURS = "https://testserver"
SESSION, FORM, DEVICE = "__Host-bn-session", "__Host-bn-form", "__Host-bn-device"
NOT_OURS = "This form did not come from a page of this desk."
SIGN_IN, SIGN_OUT = "/desk/sign-in", "/desk/sign-out"
FORM_TYPE = "application/x-www-form-urlencoded"

Pairs = list[tuple[str, str]]

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""What every page says, whatever it shows."""


@dataclass
class Control:
    """A field of a form as a browser holds it."""

    name: str
    kind: str
    values: list[str] = field(default_factory=list)
    """What it would send if the form was sent as it stands."""
    options: list[str] = field(default_factory=list)
    """What may be chosen."""
    required: bool = False


@dataclass
class Sheet:
    """A form as it is shown."""

    action: str
    method: str
    controls: list[Control] = field(default_factory=list)

    def __getitem__(self, name: str) -> Control:
        """Give a field by its name; of several check boxes all in one."""
        return next(each for each in self.controls if each.name == name)

    @property
    def names(self) -> list[str]:
        """The names of its fields, but those that are not seen."""
        return [each.name for each in self.controls if each.kind != "hidden"]

    @property
    def token(self) -> str:
        """Its secret."""
        return self[TOKEN].values[0]

    def filled(self, values: Mapping[str, str | list[str]] | None = None) -> Pairs:
        """Give what a browser sends once these fields are filled in."""
        told = dict(values or {})
        pairs = []
        for each in self.controls:
            value = told.pop(each.name, each.values)
            several = [value] if isinstance(value, str) else value
            pairs += [(each.name, one) for one in several]
        assert not told, f"there are no such fields: {sorted(told)}"
        return pairs


class Shown:
    """What was answered; it is read as a page once a test asks what stands there."""

    def __init__(self, answer: Response) -> None:
        self.answer, self.status, self.text = answer, answer.status_code, answer.text
        self.path = answer.request.url.raw_path.decode()

    @property
    def is_page(self) -> bool:
        """Whether a page was answered."""
        content_type: str = self.answer.headers.get("content-type", "")
        return content_type.startswith("text/html")

    @cached_property
    def _page(self) -> "_Page":
        return _Page(self.path, self.text if self.is_page else "")

    @property
    def title(self) -> str:
        """What its window is called."""
        return self._page.title

    @property
    def heading(self) -> str:
        """What stands above it."""
        return self._page.heading

    @property
    def links(self) -> list[str]:
        """Where its links lead."""
        return self._page.links

    @property
    def ids(self) -> list[str]:
        """What a link may lead to within it."""
        return self._page.ids

    @property
    def forms(self) -> list[Sheet]:
        """All its forms."""
        return self._page.forms

    @property
    def form(self) -> Sheet:
        """The one form that is not there on every page."""
        (form,) = [each for each in self.forms if each.action != SIGN_OUT]
        return form

    def form_at(self, action: str) -> Sheet:
        """Give the form that is sent to an address."""
        return next(each for each in self.forms if each.action == action)


class _Page(HTMLParser):
    """The title, the links and the forms of a page."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.path = path
        self.title, self.heading = "", ""
        self.links: list[str] = []
        self.ids: list[str] = []
        self.forms: list[Sheet] = []
        self._within: list[str] = []
        self._told = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what a browser would."""
        told = {name: value or "" for name, value in attrs}
        if "id" in told:
            self.ids.append(told["id"])
        match tag:
            case "a":
                self.links.append(urljoin(self.path, told["href"]))
            case "form":
                action = urljoin(self.path, told.get("action", "")) or self.path
                self.forms.append(Sheet(action, told.get("method", "get")))
            # what has no name is not sent
            case "input" | "select" | "textarea" if self.forms and "name" in told:
                self._add(tag, told)
            case "option":
                self._choose(told)
        if tag in {"title", "h1", "textarea"}:
            self._within.append(tag)
            self._told = ""

    def handle_data(self, data: str) -> None:
        """Keep what stands within what is kept."""
        if self._within:
            self._told += data

    def handle_endtag(self, tag: str) -> None:
        """Keep what was said within."""
        if not self._within or self._within[-1] != tag:
            return
        self._within.pop()
        match tag:
            case "title":
                self.title = self._told
            case "h1":
                self.heading = self._told
            case "textarea":
                # the line break after the tag is nobody's
                self.forms[-1].controls[-1].values = [self._told.removeprefix("\n")]

    def _add(self, tag: str, told: Mapping[str, str]) -> None:
        controls, kind = self.forms[-1].controls, told.get("type", tag)
        if kind in {"checkbox", "radio"}:
            same = [each for each in controls if each.name == told["name"]]
            one = same[0] if same else Control(told["name"], kind)
            if not same:
                controls.append(one)
            one.options.append(told["value"])
            one.values += [told["value"]] if "checked" in told else []
        else:
            values = [told.get("value", "")] if tag == "input" else []
            controls.append(Control(told["name"], kind, values, required="required" in told))

    def _choose(self, told: Mapping[str, str]) -> None:
        select = self.forms[-1].controls[-1]
        select.options.append(told["value"])
        if "selected" in told or len(select.options) == 1:
            select.values = [told["value"]]


class Seat:
    """Somebody at the desk, with a browser of their own."""

    def __init__(self, world: World, base_url: str = OURS) -> None:
        self.world = world
        self.http = AsyncClient(transport=ASGITransport(app=world.app), base_url=base_url)
        self.ours = base_url

    @property
    def session(self) -> str | None:
        """The session's cookie."""
        return self.http.cookies.get(SESSION)

    def hold(self, session: str) -> None:
        """Let the browser hold this as its session."""
        # a host without a dot is kept so
        self.http.cookies.set(SESSION, session, domain="testserver.local", path="/")

    @property
    def token(self) -> BrowserToken:
        """Whose session the cookie is."""
        tokens: BrowserTokens = self.world.app.state.browser_tokens
        read = tokens.parse(self.session or "")
        assert read is not None
        return read

    @property
    def session_id(self) -> UUID:
        """The id of the session."""
        return self.token.session_id

    async def open(self, path: str, **headers: str) -> Shown:
        """Follow a link of ours, and no redirect; a name's `_` stands for `-`."""
        sent = {"sec-fetch-site": "same-origin", "accept": "text/html"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return Shown(await self.http.get(path, headers=sent))

    async def send(
        self, path: str, pairs: Iterable[tuple[str, str]], headers: Mapping[str, str] | None = None
    ) -> Shown:
        """Send a form as a browser does."""
        sent = {"origin": self.ours, "sec-fetch-site": "same-origin", "content-type": FORM_TYPE}
        # a line break is sent as two characters
        told = [(name, value.replace("\n", "\r\n")) for name, value in pairs]
        return Shown(
            await self.http.post(path, content=urlencode(told), headers={**sent, **(headers or {})})
        )

    async def fill(self, path: str, values: Mapping[str, str | list[str]] | None = None) -> Shown:
        """Open the page of a form, fill it in and send it."""
        page = await self.open(path)
        assert page.status == 200, (page.status, page.text)
        return await self.submit(page.form, values)

    async def submit(
        self, form: Sheet, values: Mapping[str, str | list[str]] | None = None
    ) -> Shown:
        """Send a form that is shown."""
        return await self.send(form.action, form.filled(values))

    async def sign_in(self, email: str, password: str = PASSWORD, to: str = "") -> Shown:
        """Sign in by the form."""
        asked = f"{SIGN_IN}?{urlencode({'next': to})}" if to else SIGN_IN
        page = await self.open(asked)
        return await self.submit(page.form, {"address": email, "password": password})

    async def sign_out(self) -> Shown:
        """Sign out by the button on each page."""
        page = await self.open("/desk/cases")
        return await self.submit(page.form_at(SIGN_OUT))


async def seated(world: World, person: Person) -> Seat:
    """Let somebody sign in at the desk."""
    seat = Seat(world)
    answer = await seat.sign_in(person.email)
    assert answer.status == 303, answer.text
    assert seat.session is not None
    return seat


def routes_of(app: FastAPI, method: str) -> list[str]:
    """Give the addresses of the desk that answer a method, as they are written in the program."""
    return [*_routes(app, method)]


def _routes(app: FastAPI, method: str) -> Iterator[str]:
    for route in app.routes:
        if isinstance(route, Route) and method in (route.methods or ()):
            path = route.path
            if path == "/desk" or path.startswith("/desk/"):
                yield path


def goes_to(shown: Shown) -> str:
    """Give where an answered form sends its browser to."""
    assert shown.status == 303, (shown.status, shown.text[:2000])
    to: str = shown.answer.headers["location"]
    assert not urlsplit(to).netloc
    return to


def placed(path: str, records: Mapping[str, Any]) -> str:
    """Fill in the places of an address."""
    return path.format_map(records)


def cookies_set(answer: Response) -> dict[str, set[str]]:
    """Give the attributes of each cookie that is set, without its value."""
    told = {}
    for line in answer.headers.get_list("set-cookie"):
        name, _, rest = line.partition("=")
        told[name] = {each.strip().lower() for each in rest.split(";")[1:]}
    return told
