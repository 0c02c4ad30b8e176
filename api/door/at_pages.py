"""`Door`: one request of somebody at the door; how its pages are asked for, shown, refused."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from starlette.routing import Route

from api.access.at_door import Visit, begin_visit, find_visit
from api.access.case_relationship import load_clinic
from api.desk.before_sign_in import held_form
from api.desk.cookies import done_shown, drop, drop_done, form_shown, hold, hold_form, shown
from api.desk.desk import PageRoute, go, html, new_token
from api.desk.marked import N_
from api.desk.rendering import render
from api.desk.same_origin import (
    TOKEN,
    Pairs,
    comes_from_elsewhere,
    is_bound,
    read_pairs,
    was_bound,
)
from api.desk.words import Words
from api.domain.door import ToldAtDoor
from api.domain.errors import FieldError, Forbidden, Invalid, Refusal, TooMany, Unauthorized
from api.door.places import ENTRY, places_where
from api.http.accept_headers import language_for
from api.records.asked_versions import AskedVersion
from api.records.door_responses import asked_at
from api.storage.database import Database
from api.storage.models.people import Clinic
from api.storage.transaction import Transaction

TEMPLATES = Path(__file__).parent / "templates"
_UTC = ZoneInfo("UTC")
_VISIT = "door"
"""What the cookie of a visit is called, after what keeps it to this host."""
SECRET = "code"  # noqa: S105 - the name of a field
"""The field for a code or a receipt, on each form that opens the door."""
_LONGEST_SECRET = 64
_WAIT = "Retry-After"

OPEN_ANEW = N_("This did not come from this page. Open the page again, and send it.")
ONCE_MORE = N_("Nothing was sent yet. Look at it once more, and send it.")
_ENDED = N_("Your visit has ended, and nothing was sent. What you wrote is still here.")
_ENTER_IT = N_("Enter the code or the receipt once more, and send it.")


class Wrong(NamedTuple):
    """What is told above a form that was not taken, and at its fields."""

    detail: str | None
    fields: Mapping[str, str]

    @classmethod
    def of(cls, refusal: Refusal | None) -> "Wrong | None":
        """Give what a refusal says of a form; each field is told of once."""
        if refusal is None:
            return None
        fields: dict[str, str] = {}
        for error in refusal.errors or ():
            fields.setdefault(error.pointer.split("/")[1], error.message)
        told_there = isinstance(refusal, Invalid) or refusal.detail in fields.values()
        return cls(None if told_there else refusal.detail, fields)


@dataclass
class Door:
    """A request of somebody who is at the door, or says they are."""

    request: Request
    token: str | None
    """The token of the visit that is shown."""
    sent: Pairs = field(default_factory=list)
    """What a form of ours sent; none where a page is only looked at."""
    is_ours: bool = True
    """Whether the form shows a secret that was made for this browser."""
    is_known: bool = True
    """Whether the browser still holds what the form was once shown to."""
    begun: bool = False
    """The visit began with this very form."""
    visit: Visit | None = None
    """Whose visit it is, while it lasts."""
    clinic: Clinic | None = None
    asked: AskedVersion | None = None
    """What one may look back with at this door; None where nothing is asked."""
    _tx: Transaction | None = None
    _held: str | None = None

    @classmethod
    async def sending(cls, request: Request) -> "Door":
        """Read a form. Raises 403 for what another site sends."""
        sent, token = await read_pairs(request), visit_shown(request)
        held = (token, form_shown(request))
        return cls(
            request,
            token,
            sent,
            is_ours=is_bound(request, sent, *held),
            is_known=was_bound(request, sent, *held),
        )

    @property
    def tx(self) -> Transaction:
        """The transaction in which the request is answered."""
        assert self._tx is not None  # noqa: S101 - pages are asked within one
        return self._tx

    @property
    def inside(self) -> Visit:
        """The visit, in what is asked of nobody without one."""
        assert self.visit is not None  # noqa: S101 - as above
        return self.visit

    @property
    def language(self) -> str:
        """The code of the language: of those of the clinic's door the one that is asked for."""
        if self.clinic is None:
            return language_for(self.request)
        offered = self.clinic.door_languages
        asked = language_for(self.request, *offered)
        return asked if asked in offered else offered[0]

    @property
    def words(self) -> Words:
        """The language that is read, and the clinic's days."""
        zone = _UTC if self.visit is None else self.tx.clinic.zone
        return Words.of(self.language, zone, self.request.app.state.database.clock())

    def said(self, texts: ToldAtDoor) -> tuple[str, str] | None:
        """Give what the clinic says, and in which language; None where it says nothing."""
        known = {code: text for code, text in texts.model_dump().items() if text}
        code = self.language if self.language in known else next(iter(known), None)
        return None if code is None else (code, known[code])

    def value(self, name: str) -> str:
        """Give what a form sent under a name; nothing where it did not."""
        return next((value for each, value in self.sent if each == name), "")

    def values(self, name: str) -> list[str]:
        """Give all that a form sent under a name."""
        return [value for each, value in self.sent if each == name]

    async def knock(self) -> Refusal | None:
        """Begin a visit by what the form says, if anything; give why that was not possible."""
        typed = self.value(SECRET).strip()
        if not (typed and self.is_ours):
            return None
        database: Database = self.request.app.state.database
        try:
            async with database.transaction(self.request.state.request_id) as tx:
                _, token = await begin_visit(self.request, tx, typed[:_LONGEST_SECRET])
        except (Unauthorized, TooMany) as refusal:
            refusal.errors = [FieldError(pointer=f"/{SECRET}", message=refusal.detail)]
            return refusal
        self.token, self.begun = token.text, True
        return None

    @asynccontextmanager
    async def within(self, *, sends: bool) -> AsyncIterator["Door"]:
        """Look, in a transaction, whether the visit still lasts; `sends`: something is written."""
        database: Database = self.request.app.state.database
        async with database.transaction(self.request.state.request_id, looks=not sends) as tx:
            self._tx, self.visit, self.clinic, self.asked = tx, None, None, None
            if self.token is not None:
                self.visit = await find_visit(tx, self.token, sends=sends)
            if self.visit is not None:
                self.clinic = await load_clinic(tx)
                self.asked = await asked_at(tx, self.visit)
            elif not self.is_known:
                # a browser that goes back after leaving may send once more what it sent before:
                # whoever sits there now is not shown it
                self.sent = []
            yield self

    def refuse_unless_inside(self) -> None:
        """Raise 401 where the visit has ended, and 403 for a form that was made for another."""
        if self.visit is None:
            ended = Unauthorized(_ENDED)
            ended.errors = [FieldError(pointer=f"/{SECRET}", message=_ENTER_IT)]
            raise ended
        if not self.is_ours:
            raise Forbidden(ONCE_MORE)

    def page(
        self, template: str, status: int = 200, refusal: Refusal | None = None, **more: Any
    ) -> Response:
        """Show a page; whoever has no visit gets something that its forms are bound to."""
        done = self.request.method == "GET" and done_shown(self.request)
        text = render(
            template,
            self.language,
            folder=TEMPLATES,
            w=self.words,
            inside=self.visit is not None,
            places=places_where(is_asked=self.asked is not None),
            is_asked=self.asked is not None,
            here=self.request.scope["path"],
            wrong=Wrong.of(refusal),
            value=self.value,
            values=self.values,
            done=done,
            form_token=lambda: new_token(self.request, self._bound_to()),
            token_field=TOKEN,
            secret_field=SECRET,
            **more,
        )
        answer = html(text, status if refusal is None else refusal.status)
        if refusal is not None and _WAIT in refusal.headers:
            answer.headers[_WAIT] = refusal.headers[_WAIT]
        if done:
            drop_done(self.request, answer)
        return answer

    def keep(self, answer: Response) -> Response:
        """Let the browser hold what its forms are bound to, and a visit that just began."""
        if self._held is not None:
            hold_form(self.request, answer, self._held)
        if self.begun and self.token is not None:
            hold(self.request, answer, _VISIT, self.token)
        return answer

    def _bound_to(self) -> str:
        if self.visit is not None and self.token is not None:
            return self.token
        self._held = self._held or held_form(self.request)
        return self._held


def visit_shown(request: Request) -> str | None:
    """Give the token that a browser shows as its visit's."""
    return shown(request, _VISIT)


def drop_visit(request: Request, answer: Response) -> None:
    """Let the browser forget its visit."""
    drop(request, answer, _VISIT)


Page = Callable[[Door], Awaitable[Response]]
Again = Callable[[Door, Refusal | None], Awaitable[Response]]
"""Shows a page, or shows it again with why its form was not taken."""


class Rooms:
    """The addresses of a room behind the door, each with the function that answers there."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def get(self, path: str) -> Callable[[Page], Page]:
        """Say which page is shown to somebody inside."""

        def add(page: Page) -> Page:
            self.routes.append(PageRoute(path, _looking(page), "GET"))
            return page

        return add

    def form(self, path: str, show: Again) -> Callable[[Page], Page]:
        """Say which page with a form is shown at an address, and what is done with the form."""

        async def look(door: Door) -> Response:
            return await show(door, None)

        def add(send: Page) -> Page:
            self.routes.append(PageRoute(path, _looking(look), "GET"))
            self.routes.append(PageRoute(path, _sending(send, show), "POST"))
            return send

        return add


def _looking(page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        door = Door(request, visit_shown(request))
        if door.token is None and comes_from_elsewhere(request):
            # the browser shows cookies to a page of ours only: that one asks once more
            return door.page("go_on.html", to=request.scope["path"])
        async with door.within(sends=False):
            return go(ENTRY) if door.visit is None else door.keep(await page(door))

    return answer


def _sending(send: Page, show: Again) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        door = await Door.sending(request)
        refusal = await door.knock()
        if refusal is None:
            try:
                async with door.within(sends=True):
                    door.refuse_unless_inside()
                    return door.keep(await send(door))
            except Refusal as refused:
                if refused.status >= 500:
                    raise
                refusal = refused
        # nothing is left of what was begun before it was refused
        async with door.within(sends=False):
            if not door.sent:
                raise Forbidden(OPEN_ANEW)
            return door.keep(await show(door, refusal))

    return answer
