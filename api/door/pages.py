"""The pages of the door: coming in by a code or a receipt, what is there, and leaving."""

from fastapi import Request, Response
from sqlmodel import select
from starlette.routing import Route

from api.access.at_door import end_visit
from api.desk.cookies import drop_form
from api.desk.desk import PageRoute, go, html
from api.desk.marked import N_
from api.desk.rendering import render
from api.domain.errors import Forbidden, Invalid, Refusal
from api.door import answering, mine, saying
from api.door.at_pages import (
    ONCE_MORE,
    OPEN_ANEW,
    SECRET,
    TEMPLATES,
    Door,
    Rooms,
    drop_visit,
    visit_shown,
)
from api.door.places import ENTRY, INSIDE, LEAVE, WHO_READS
from api.door.saying import told_first
from api.door.visits import who_reads
from api.http.problem_details import Dialect
from api.security.door_secrets import parse_door_token
from api.storage.models.people import Clinic

rooms = Rooms()

_TYPE_IT = N_("Type the code or the receipt that you were given.")
_ITS_JSON = f"{ENTRY}/v1"


async def show_entry(request: Request) -> Response:
    """Ask for the code or the receipt; whoever is inside is shown the way on."""
    door = Door(request, visit_shown(request))
    async with door.within(sends=False):
        return _entry(door)


async def come_in(request: Request) -> Response:
    """Begin a visit, and show what is there; or ask again."""
    door = await Door.sending(request)
    before = door.token
    refusal = await door.knock()
    if not door.is_ours:
        refusal = Forbidden(ONCE_MORE)
    elif refusal is None and not door.begun:
        refusal = Invalid(f"/{SECRET}", _TYPE_IT)
    if refusal is None:
        await _end(Door(request, before))
        return door.keep(go(INSIDE))
    async with door.within(sends=False):
        return _entry(door, refusal)


def _entry(door: Door, refusal: Refusal | None = None) -> Response:
    ended = door.visit is None and door.token is not None and refusal is None
    answer = door.page("entry.html", refusal=refusal, ended=ended)
    if ended:
        drop_visit(door.request, answer)
    return door.keep(answer)


async def _end(door: Door) -> Clinic | None:
    """End a visit, if it lasts; give the clinic that it was at."""
    if door.token is None:
        return None
    async with door.within(sends=True):
        if door.visit is not None:
            await end_visit(door.tx, door.visit)
            return door.clinic
        token = parse_door_token(door.token)
        if token is None:
            return None
        here = select(Clinic).where(Clinic.id == token.clinic_id)
        clinic: Clinic | None = (await door.tx.exec(here)).first()
        return clinic


@rooms.get(INSIDE)
async def show_inside(door: Door) -> Response:
    """Show what is there."""
    return door.page("inside.html", **told_first(door, await who_reads(door.tx, door.inside)))


@rooms.get(WHO_READS)
async def show_who_reads(door: Door) -> Response:
    """Show who reads what is sent, and who does not."""
    return door.page("who_reads.html", **told_first(door, await who_reads(door.tx, door.inside)))


@rooms.get(LEAVE)
async def show_leave(door: Door) -> Response:
    """Say what leaving does, and what it does not."""
    return door.page("leave.html")


async def leave(request: Request) -> Response:
    """End the visit, and go on to where nothing tells of it."""
    door = await Door.sending(request)
    if not door.is_ours:
        async with door.within(sends=False):
            if door.visit is not None:
                return door.page("leave.html", refusal=Forbidden(ONCE_MORE))
    clinic = await _end(door)
    door.visit = None
    answer = html(render("left.html", door.language, folder=TEMPLATES))
    if clinic is not None and clinic.door_leave_to:
        answer.headers["Refresh"] = f"0; url={clinic.door_leave_to}"
    # what the browser kept of pages is for nobody who comes after
    answer.headers["Clear-Site-Data"] = '"cache"'
    answer.headers["Referrer-Policy"] = "no-referrer"
    drop_visit(request, answer)
    drop_form(request, answer)
    return answer


def _speaks(path: str) -> bool:
    is_of_the_door = path == ENTRY or path.startswith(f"{ENTRY}/")
    return is_of_the_door and not (path == _ITS_JSON or path.startswith(f"{_ITS_JSON}/"))


def _refuse(request: Request, refusal: Refusal) -> Response:
    """Show a refusal as a page: of what no page is at, or of a form that is not ours."""
    said = OPEN_ANEW if isinstance(refusal, Forbidden) else refusal.detail
    answer = Door(request, None).page(
        "stopped.html", refusal.status, title=refusal.title, detail=said
    )
    answer.headers.update(refusal.headers)
    return answer


AS_DOOR = Dialect(
    _speaks,
    _refuse,
    {
        404: N_("There is no such page here."),
        405: N_("This page cannot be asked for in this way."),
        413: N_("This is more than can be taken at once. Send it in parts."),
    },
)
"""How refusals are told at the door."""

routes: list[Route] = [
    PageRoute(ENTRY, show_entry, "GET"),
    PageRoute(ENTRY, come_in, "POST"),
    *rooms.routes,
    PageRoute(LEAVE, leave, "POST"),
    *saying.rooms.routes,
    *answering.rooms.routes,
    *mine.rooms.routes,
]
