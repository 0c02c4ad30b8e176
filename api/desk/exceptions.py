"""Exceptions to who sees a case: who stands in on it, and who keeps away from it."""

from dataclasses import replace

from fastapi import Response

from api.desk.asking import is_id
from api.desk.desk import Desk, Doors, go
from api.desk.forms import Form, add_forms, send_form, show_form
from api.desk.lists import read_list
from api.desk.showing import people_in
from api.domain.permissions.actions import Action
from api.routes.recusals import RecusalCreate

doors = Doors()

_OF_CASE, _ITS_PAGE = "/v1/cases/{case_id}/recusals", "/desk/cases/{case_id}/recusals"
_RECUSAL, _COVER = f"{_OF_CASE}/{{recusal_id}}", "/v1/covers/{cover_id}"

KEEP_AWAY = Form(
    f"{_ITS_PAGE}/new",
    "Keep away from this case",
    Action.recusal_create,
    _OF_CASE,
    "/desk",
    body=RecusalCreate,
    about=_OF_CASE,
    hint="Whoever keeps away from a case does not see it any more. An admin ends it.",
    button="Keep away",
)
KEEP_SOMEBODY_AWAY = replace(
    KEEP_AWAY, title="Keep somebody away from this case", then=_ITS_PAGE, button="Keep them away"
)
add_forms(
    doors,
    Form(
        f"{_ITS_PAGE}/{{recusal_id}}/end",
        "Let them see the case again",
        Action.recusal_end,
        _RECUSAL,
        _ITS_PAGE,
        method="DELETE",
        about=_RECUSAL,
        button="End it",
        hint="That they kept away is kept. The case's clinician is told.",
    ),
    Form(
        "/desk/covers/{cover_id}/end",
        "End this cover now",
        Action.cover_end,
        _COVER,
        "/desk/covers",
        method="DELETE",
        about=_COVER,
        button="End it now",
        hint="From now on whoever stood in does not see the case any more. That they did is kept.",
    ),
)


@doors.get(KEEP_AWAY.path)
async def show_keep_away(desk: Desk) -> Response:
    """Show the form by which somebody keeps away, or an admin keeps somebody else away."""
    return await show_form(desk, await _own_or_of_others(desk))


@doors.post(KEEP_AWAY.path)
async def send_keep_away(desk: Desk) -> Response:
    """Keep somebody away from a case."""
    return await send_form(desk, await _own_or_of_others(desk))


async def _own_or_of_others(desk: Desk) -> Form:
    """Give the form for somebody's role: who keeps away themselves sees nothing of it after."""
    await desk.know_me()
    return KEEP_SOMEBODY_AWAY if desk.may(Action.recusal_end) else KEEP_AWAY


@doors.get("/desk/recusals")
async def find_recusals(desk: Desk) -> Response:
    """Go to who keeps away from a case that is named by its id; ask for that where it is none."""
    case_id = desk.request.query_params.get("case_id", "").strip().lower()
    if is_id(case_id):
        return go(_ITS_PAGE.format(case_id=case_id))
    return go("/desk/links#away")


@doors.get(_ITS_PAGE)
async def show_recusals(desk: Desk) -> Response:
    """List who keeps, or kept, away from a case."""
    listed = await read_list(desk, _OF_CASE.format_map(desk.request.path_params))
    await desk.name(*people_in(listed.items))
    return desk.page("recusals.html", listed=listed, case_id=desk.request.path_params["case_id"])


@doors.get("/desk/covers")
async def show_covers(desk: Desk) -> Response:
    """List who stands in on which case."""
    listed = await read_list(desk, "/v1/covers")
    await desk.name(*people_in(listed.items))
    return desk.page("covers.html", listed=listed)
