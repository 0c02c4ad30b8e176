"""Questionnaires: what clients may be asked, and one version of it; retired by an admin."""

from fastapi import Response

from api.desk.asked import API, read_asked
from api.desk.desk import Desk, Doors
from api.desk.forms import Form, add_forms
from api.domain.permissions.actions import Action

doors = Doors()

_ALL = "/desk/questionnaires"
_PAGE = f"{_ALL}/{{questionnaire_id}}"

add_forms(
    doors,
    Form(
        f"{_PAGE}/retire",
        "Ask this questionnaire no more",
        Action.questionnaire_retire,
        API,
        _ALL,
        method="DELETE",
        about=API,
        button="Retire it",
        hint="It leaves the list, in every version. What was answered stays, and stays readable. "
        "It cannot be taken back.",
    ),
)


@doors.get(_ALL)
async def show_questionnaires(desk: Desk) -> Response:
    """List what clients may be asked."""
    items = (await desk.api.get("/v1/questionnaires"))["items"]
    return desk.page("questionnaires.html", items=items)


@doors.get(_PAGE)
async def show_questionnaire(desk: Desk) -> Response:
    """Show one version: every part and item, and which answers are a concern."""
    of, query = desk.request.path_params["questionnaire_id"], desk.request.query_params
    newest = await desk.api.get(API.format(questionnaire_id=of))
    version = query.get("version") or newest["version"]
    asked = await read_asked(desk, of, version, query.get("language") or desk.words.language.code)
    by = asked.version.recorded_by_id
    made_by = None if by is None else str(by)
    await desk.name(made_by)
    return desk.page("questionnaire.html", asked=asked, newest=newest["version"], made_by=made_by)
