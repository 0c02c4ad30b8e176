"""What clients answered: a case's responses, one of them, and those that were given on paper."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from api.desk.asked import Asked, read_asked, titles_of
from api.desk.asking import Refused
from api.desk.desk import Desk, Doors, go
from api.desk.fields import Field, value_of
from api.desk.forms import Beside, Form, add_forms
from api.desk.lists import read_list
from api.desk.marked import N_
from api.desk.showing import people_in
from api.domain.asked_items import AskedItem
from api.domain.permissions.actions import Action
from api.domain.vocabulary import ItemType
from api.routes.responses import ResponseCreate

doors = Doors()

_CASE, _ITS_PAGE = "/v1/cases/{case_id}", "/desk/cases/{case_id}"
_RESPONSE, _PAGE = "/v1/responses/{response_id}", "/desk/responses/{response_id}"
_NEW = f"{_ITS_PAGE}/responses/new"
_VERSION = "questionnaire_version"
"""The field that tells which version was answered."""
_KINDS = {
    ItemType.yes_no: "yes_no",
    ItemType.choice: "words",
    ItemType.scale: "number",
    ItemType.words: "text",
}


async def _asked_on_paper(desk: Desk) -> Beside:
    """Give what is asked by the version that a form, or a link to it, names."""
    chosen = desk.value(_VERSION) or desk.request.query_params.get("version")
    of = desk.request.path_params["questionnaire_id"]
    asked = await read_asked(desk, of, chosen or None, desk.words.language.code)
    by_item = [(each, _field_of(each)) for each in asked.items]
    told = [
        (field, {"link_id": each.item.link_id, "value": value})
        for each, field in by_item
        if (value := value_of(field, desk.values(field.name))) is not None
    ]
    fields = [field for _, field in by_item]
    places = {f"answers.{place}": field.name for place, (field, _) in enumerate(told)}
    return Beside(
        fields=fields,
        body={_VERSION: asked.version.version, "answers": [answer for _, answer in told]},
        names={**places, "answers": fields[0].name},
        told={"answers": N_("Nothing is answered yet: give one answer at least.")},
        shown={"asked": asked, "field_of": _field_of, "version_name": _VERSION},
    )


def _field_of(asked: AskedItem) -> Field:
    """Give the field in which an item is answered; no item can be called as another field is."""
    return Field(
        f"{asked.item.link_id}.value",
        _KINDS[asked.item.type],
        required=False,
        nullable=True,
        says=asked.said.asks,
    )


add_forms(
    doors,
    Form(
        f"{_NEW}/{{questionnaire_id}}",
        "Record what was answered on paper",
        Action.response_record,
        f"{_CASE}/responses",
        "/desk/responses/{id}",
        body=ResponseCreate,
        about=_CASE,
        fixed={"questionnaire_id": "questionnaire_id"},
        leaves_out=frozenset({_VERSION, "answers"}),
        button="Record it",
        hint="As it stands on the paper. Whatever was left out there is left out here.",
        beside=_asked_on_paper,
        template="response_form.html",
        variant="response",
    ),
    Form(
        f"{_PAGE}/void",
        "Void the response",
        Action.response_void,
        _RESPONSE,
        _PAGE,
        method="DELETE",
        about=_RESPONSE,
        button="Void it",
        hint="What was entered in error is kept and counts no more. It cannot be taken back.",
        reason=True,
    ),
)


@doors.get(_NEW)
async def choose_questionnaire(desk: Desk) -> Response:
    """Ask first what was answered, where there is more than one questionnaire."""
    case = await desk.api.get(_CASE.format_map(desk.request.path_params))
    items = (await desk.api.get("/v1/questionnaires"))["items"]
    if len(items) == 1:
        return go(f"/desk/cases/{case['id']}/responses/new/{items[0]['id']}")
    return desk.page("asked_on_paper.html", case=case, items=items)


@doors.get(f"{_ITS_PAGE}/responses")
async def show_responses(desk: Desk) -> Response:
    """List what was answered on a case, newest first."""
    case_id = desk.request.path_params["case_id"]
    listed = await read_list(desk, f"/v1/cases/{case_id}/responses")
    titles = await titles_of(desk, listed.items)
    return desk.page("responses.html", listed=listed, titles=titles, case_id=case_id)


@doors.get(_PAGE)
async def show_response(desk: Desk) -> Response:
    """Show what somebody answered: item by item, and the mean of each part."""
    response = await desk.api.get(_RESPONSE.format_map(desk.request.path_params))
    await desk.name(*people_in([response]))
    return desk.page(
        "response.html",
        response=response,
        asked=await _answered(desk, response),
        answers={each["link_id"]: each["value"] for each in response["answers"]},
        means={each["link_id"]: each for each in response["parts"]},
        may_void=desk.may(Action.response_void) or desk.is_me(response["recorded_by_id"]),
    )


async def _answered(desk: Desk, response: Mapping[str, Any]) -> Asked | None:
    """Read the version that was answered; None where that is not for whoever reads the answers."""
    of, version = response["questionnaire_id"], response[_VERSION]
    try:
        return await read_asked(desk, of, version, desk.words.language.code)
    except Refused as refused:
        if refused.status != 403:
            raise
        return None
