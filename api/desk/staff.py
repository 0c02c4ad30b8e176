"""People and links: who may sign in, as what, with which sessions; who answers for whose work."""

from typing import Any

from fastapi import Response

from api.desk.asking import Refused
from api.desk.desk import Desk, Doors
from api.desk.forms import Form, add_forms
from api.desk.lists import Choices, read_list
from api.desk.marked import N_
from api.desk.showing import people_in
from api.domain.permissions.actions import Action
from api.routes.supervisions import SupervisionCreate, SupervisionPatch
from api.routes.users import UserCreate, UserPatch

doors = Doors()

_PERSON, _THEIR_PAGE = "/v1/users/{user_id}", "/desk/people/{user_id}"
_LINK, _LINKS = "/v1/supervisions/{supervision_id}", "/desk/links"
WHO: Choices = (
    (N_("may sign in"), {"is_active": "true"}),
    (N_("let in no more"), {"is_active": "false"}),
    (N_("all"), {}),
)

add_forms(
    doors,
    Form(
        "/desk/people/new",
        "Let somebody in",
        Action.user_create,
        "/v1/users",
        _THEIR_PAGE.replace("user_id", "id"),
        body=UserCreate,
        recent=True,
        button="Let them in",
        hint="They may sign in at once, with the password that you choose here. Ask them to "
        "change it: until then you know it, and they are told so.",
    ),
    Form(
        f"{_THEIR_PAGE}/change",
        "Change a person",
        Action.user_change,
        _PERSON,
        _THEIR_PAGE,
        body=UserPatch,
        method="PATCH",
        about=_PERSON,
        changes=True,
        hint="Whoever may not sign in any more is signed out at once. What they wrote stays.",
    ),
    Form(
        f"{_THEIR_PAGE}/password-reset",
        "Offer a new password",
        Action.user_reset,
        f"{_PERSON}/password-reset",
        _THEIR_PAGE,
        about=_PERSON,
        once=False,
        recent=True,
        shows="told_once.html",
        button="Make a code",
        hint="You are shown a code, this once. Hand it over to them yourself: with it they choose "
        "a new password within the hour. They and the privacy officers are told.",
    ),
    Form(
        f"{_THEIR_PAGE}/sessions/{{session_id}}/end",
        "End this session",
        Action.user_change,
        "/v1/sessions/{session_id}",
        _THEIR_PAGE,
        method="DELETE",
        about="/v1/sessions/{session_id}",
        button="End it",
        hint="Whoever uses it is signed out at once, and may sign in again.",
    ),
    Form(
        f"{_LINKS}/new",
        "Link a supervisor",
        Action.supervision_create,
        "/v1/supervisions",
        _LINKS,
        body=SupervisionCreate,
        button="Link them",
        hint="While a link holds, the supervisor sees the clinician's cases and answers for their "
        "work.",
    ),
    Form(
        f"{_LINKS}/{{supervision_id}}/change",
        "Change the end of a link",
        Action.supervision_change,
        _LINK,
        _LINKS,
        body=SupervisionPatch,
        method="PATCH",
        about=_LINK,
        changes=True,
        hint="Empty: it holds until somebody ends it.",
    ),
    Form(
        f"{_LINKS}/{{supervision_id}}/end",
        "End this link today",
        Action.supervision_change,
        _LINK,
        _LINKS,
        method="DELETE",
        about=_LINK,
        button="End it today",
        hint="That it held is kept. What the supervisor had taken on waits for somebody again.",
    ),
)


@doors.get("/desk/people")
async def show_people(desk: Desk) -> Response:
    """List who may sign in at the clinic."""
    return desk.page("people.html", listed=await read_list(desk, "/v1/users", WHO))


@doors.get(_THEIR_PAGE)
async def show_person(desk: Desk) -> Response:
    """Show somebody with their links, and to admins with their sessions."""
    user_id = desk.request.path_params["user_id"]
    person = await desk.api.get(f"/v1/users/{user_id}")
    links = [
        link
        for name in ("supervisor_id", "clinician_id")
        for link in (await desk.api.get("/v1/supervisions", limit=50, **{name: user_id}))["items"]
    ]
    sessions = await sessions_of(desk, user_id)
    await desk.name(*people_in(links))
    return desk.page(
        "person.html",
        person=person,
        supervisions=links,
        sessions=sessions,
        is_me=desk.is_me(user_id),
        at=_THEIR_PAGE.format(user_id=user_id),
    )


async def sessions_of(desk: Desk, user_id: str) -> list[dict[str, Any]]:
    """Read the sessions of somebody; none, where they are not for their reader to see."""
    try:
        listed = await desk.api.get("/v1/sessions", limit=100, user_id=user_id)
    except Refused as refused:
        if refused.status != 403:
            raise
        return []
    items: list[dict[str, Any]] = listed["items"]
    return items


@doors.get(_LINKS)
async def show_links(desk: Desk) -> Response:
    """List who answers for whose work."""
    listed = await read_list(desk, "/v1/supervisions")
    await desk.name(*people_in(listed.items))
    return desk.page("links.html", listed=listed, today=desk.words.today.isoformat())
