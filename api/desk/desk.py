"""`Desk`: one request of somebody at the desk; how its pages are asked for, shown and refused."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.routing import Match, Route
from starlette.types import Scope

from api.access.authentication import LastSeen
from api.desk.asking import Api, Refused, is_id
from api.desk.cookies import done_shown, drop_done, drop_session, hold_done, session_shown
from api.desk.navigation import FROM_THE_DOOR, LOOKED_AT_TOGETHER, places_of
from api.desk.people import Names
from api.desk.rendering import POLICY, render
from api.desk.same_origin import TOKEN, Pairs, comes_from_elsewhere, read_form
from api.desk.visits import Visits
from api.desk.waiting import Waiting
from api.desk.words import Words
from api.domain.permissions.actions import Action
from api.domain.permissions.on_a_case import OWN_CASE
from api.domain.permissions.table import Actor, may_ever
from api.http.accept_headers import language_for
from api.security.browser_tokens import BrowserTokens, FormTokens

_UTC = ZoneInfo("UTC")
SIGN_IN = "/desk/sign-in"
SIGN_OUT = "/desk/sign-out"
HOME = "/desk"
SECOND_FACTOR = "/desk/me/second-factor"


@dataclass
class Desk:
    """A request of somebody who is, or says they are, signed in at the desk."""

    request: Request
    api: Api
    cookie: str
    sent: Pairs = field(default_factory=list)
    """What a form of ours sent; none where a page is only looked at."""
    done: bool = False
    """The page before was a form, which was taken."""
    names: dict[str, str] = field(default_factory=dict)
    """The names of people that are named on the page, by their ids."""
    waiting: int = 0
    """How much waits from the door until somebody reads it, where that is theirs to read."""

    @property
    def words(self) -> Words:
        """The language that is read, and the clinic's days."""
        me, zone = self.api.me, self.api.zone
        code = language_for(self.request) if me is None else me.reads_in()
        return Words.of(code, zone or _UTC, self.request.app.state.database.clock())

    def may(self, action: str) -> bool:
        """Tell whether somebody of this role ever does this; the API decides about each case."""
        return self.api.me is not None and may_ever(self.api.me, Action(action))

    def may_on(self, action: str, clinician_id: str) -> bool:
        """Tell whether somebody may ever do this, or as that case's own clinician, as `may`."""
        own = self.is_me(clinician_id) and Action(action) in OWN_CASE
        return own or self.may(action)

    def is_me(self, user_id: str | None) -> bool:
        """Tell whether an id is that of whoever is here."""
        return self.api.me is not None and str(self.api.me.id) == user_id

    async def know_me(self) -> dict[str, Any]:
        """Read who is here, as every page needs to know. Raises Refused where nobody is."""
        me: dict[str, Any] = await self.api.get("/v1/me")
        return me

    async def name(self, *ids: str | None) -> None:
        """Look up what people are called whose ids the API has shown."""
        asked = {each for each in ids if each is not None and each not in self.names}
        if asked and self.api.shown is not None:
            known: Names = self.request.app.state.names
            self.names |= await known.of(self.api.shown.clinic_id, asked)

    async def count_waiting(self) -> None:
        """Count what waits from the door, for the page that they are about to be shown.

        Who is here is known by their role as it was last seen; if it never was, that is asked.
        """
        shown, path = self.api.shown, self.request.scope["path"]
        if shown is None or path in LOOKED_AT_TOGETHER:
            return
        seen: LastSeen = self.request.app.state.last_seen
        if seen.of(shown.session_id) is None and self.request.method == "GET":
            await self.know_me()
        if (stood := seen.of(shown.session_id)) is None:
            return
        role, time_zone = stood
        me = Actor(shown.user_id, role, shown.session_id)
        if may_ever(me, Action.account_reply):
            waiting: Waiting = self.request.app.state.waiting
            self.waiting = await waiting.of(shown.clinic_id, ZoneInfo(time_zone), me)
            if path.startswith(FROM_THE_DOOR):
                waiting.forget(me)

    def value(self, name: str) -> str:
        """Give what a form sent under a name; nothing where it did not."""
        return next((value for each, value in self.sent if each == name), "")

    def values(self, name: str) -> list[str]:
        """Give all that a form sent under a name."""
        return [value for each, value in self.sent if each == name]

    def new_token(self) -> str:
        """Make the secret of a form that is shown now."""
        return new_token(self.request, self.cookie)

    def page(self, template: str, code: int = 200, **shown: Any) -> Response:
        """Show a page to whoever is here."""
        words = self.words
        me = self.api.me
        text = render(
            template,
            words.language.code,
            w=words,
            me=me,
            places=() if me is None else places_of(me),
            here=self.request.scope["path"],
            done=self.done,
            names=self.names,
            waiting=(FROM_THE_DOOR, self.waiting),
            may=self.may,
            form_token=self.new_token,
            token_field=TOKEN,
            **shown,
        )
        return html(text, code)

    async def must_enrol(self, refused: Refused) -> bool:
        """Tell whether this was refused because their clinic asks for a second factor first."""
        if refused.status != 403:
            return False
        try:
            asks = (await self.know_me())["clinic"]["requires_totp"]
            return asks and not (await self.api.get("/v1/me/totp"))["enrolled"]
        except Refused:
            # they are signed out by now
            return False

    def refused(self, refused: Refused) -> Response:
        """Show why something is not shown or done."""
        if refused.status == 401:
            return self._signed_out()
        # what is no id of anything is not there either
        status = 404 if refused.status == 422 and self.request.method == "GET" else refused.status
        return self.page("refused.html", status, status=status, detail=refused.detail)

    def _signed_out(self) -> Response:
        if self.request.method == "POST":
            carried = [each for each in self.sent if not each[0].endswith(_NOT_CARRIED)]
            shown = {"carried": carried, "to": self.request.scope["path"], "error": None}
            return self.page("signed_out.html", 401, **shown)
        answer = go(sign_in_for(self.request))
        drop_session(self.request, answer)
        return answer


_NOT_CARRIED = (TOKEN, "password", "code")
"""How fields end that are not shown again: the form's own secret, and those of people."""

Page = Callable[[Desk], Awaitable[Response]]


class PageRoute(Route):
    """An address of the desk; what answers there may be called straight away."""

    def __init__(
        self, path: str, answer: Callable[[Request], Awaitable[Response]], method: str
    ) -> None:
        super().__init__(path, answer, methods=[method])
        self.directly = answer

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say whether it is asked for, and which it is: the log tells pages apart by that."""
        match, named = super().matches(scope)
        return match, {**named, "route": self}


class Doors:
    """The addresses of a room of the desk, each with the function that answers there."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def get(self, path: str) -> Callable[[Page], Page]:
        """Say which page is shown at an address."""
        return self._add(path, "GET")

    def post(self, path: str) -> Callable[[Page], Page]:
        """Say what is done with a form that is sent to an address."""
        return self._add(path, "POST")

    def _add(self, path: str, method: str) -> Callable[[Page], Page]:
        def add(page: Page) -> Page:
            self.routes.append(PageRoute(path, _answering(page), method))
            return page

        return add


def _answering(page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        text = session_shown(request)
        tokens: BrowserTokens = request.app.state.browser_tokens
        shown = None if text is None else tokens.parse(text)
        if request.method == "POST":
            sent = await read_form(request, text if shown else None)
        elif shown is None:
            return _before_sign_in(request)
        else:
            sent = []
        desk = Desk(request, Api(request, shown), text or "", sent)
        desk.done = request.method == "GET" and done_shown(request)
        visits: Visits = request.app.state.visits
        if shown is not None:
            await visits.note(shown, request.state.request_id)
        try:
            if not all(map(is_id, _ids(request))):
                raise Refused(404, "not-found", "")
            await desk.count_waiting()
            return _told_once(desk, await page(desk))
        except Refused as refused:
            if await desk.must_enrol(refused):
                return go(SECOND_FACTOR)
            return desk.refused(refused)

    return answer


def _told_once(desk: Desk, answer: Response) -> Response:
    """Let the page that follows a form say once that it was taken."""
    if desk.done:
        drop_done(desk.request, answer)
    elif desk.sent and answer.status_code == 303 and desk.request.scope["path"] != SIGN_OUT:
        hold_done(desk.request, answer)
    return answer


def _ids(request: Request) -> Iterable[str]:
    """Give what stands in an address for the ids of records."""
    return (value for name, value in request.path_params.items() if name.endswith("_id"))


def _before_sign_in(request: Request) -> Response:
    if comes_from_elsewhere(request):
        # the browser shows cookies to a page of ours only: that one asks once more
        return html(render("go_on.html", language_for(request), to=_address_of(request)))
    return go(sign_in_for(request))


def sign_in_for(request: Request) -> str:
    """Give the address at which to sign in, and come back from."""
    asked = _address_of(request)
    return SIGN_IN if asked == HOME else f"{SIGN_IN}?{urlencode({'next': asked})}"


def _address_of(request: Request) -> str:
    query = request.scope["query_string"].decode("latin-1")
    path = quote(request.scope["path"])
    return f"{path}?{query}" if query else path


def new_token(request: Request, cookie: str) -> str:
    """Make the secret of a form that is shown now to whoever holds a cookie."""
    tokens: FormTokens = request.app.state.form_tokens
    return tokens.new(cookie, request.app.state.database.clock())


def html(text: str, status: int = 200) -> Response:
    """Answer with a page."""
    return HTMLResponse(text, status, headers=PAGE_HEADERS)


PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    # with none at all, browsers would send our own forms as if they came from nowhere
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def go(path: str) -> Response:
    """Answer a form that was taken: the browser looks at another page."""
    return RedirectResponse(path, 303, headers=PAGE_HEADERS)


def ids_of(rows: Iterable[Mapping[str, Any]], *fields: str) -> list[str | None]:
    """Give the ids that rows name people by."""
    return [row[each] for row in rows for each in fields if row.get(each)]
