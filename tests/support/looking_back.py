"""Somebody who looks back at the door's pages: what they typed, and what came of it."""

from typing import Any

from sqlmodel import select

from api.storage.models.door import Response
from tests.support.desk import Shown
from tests.support.door import invite, open_door
from tests.support.door_pages import LOOK_BACK, Caller, answering
from tests.support.world import World, made, ok

NO_DAY = "Nobody reads these answers by a set day."
Typed = dict[str, str | list[str]]
"""What is typed and chosen in a form."""
ALL: Typed = {
    "listened_to": ["2"],
    "touch": ["not_asked"],
    "outside": ["none"],
    "anything_else": "Two lines\nof it.",
}


async def answers_on(world: World, case: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the responses on a case as its supervisor reads them."""
    path = f"/v1/cases/{case['id']}/responses"
    items: list[dict[str, Any]] = ok(await world.supervisor.get(path))["items"]
    return items


def told_in(response: dict[str, Any]) -> dict[str, Any]:
    """Give what was answered, by item."""
    told = {each["link_id"]: each["value"] for each in response["answers"]}
    return {name: value for name, value in told.items() if value is not None}


async def own_of(world: World, asked: dict[str, Any], **whom: Any) -> tuple[str, str, Caller]:
    """Give a questionnaire of the clinic's own, a code to answer it by, and who did come in."""
    await open_door(world)
    questionnaire = made(await world.admin.post("/v1/questionnaires", asked))["id"]
    case = await world.clinician.case(is_minor=True)
    invited = await invite(world.clinician, case, questionnaire_id=questionnaire, **whom)
    return questionnaire, invited["code"], await Caller(world).come_in(invited["code"])


async def retire(world: World, questionnaire_id: object) -> None:
    """Let a clinic ask something no more."""
    assert (await world.admin.delete(f"/v1/questionnaires/{questionnaire_id}")).is_success


async def responses_of(world: World) -> list[Response]:
    """Give all responses of a clinic."""
    here = select(Response).where(Response.clinic_id == world.clinician.clinic_id)
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.clinician.clinic_id)
        return list((await tx.exec(here)).all())


def still_there(page: Shown, typed: Typed) -> bool:
    """Tell whether a form shows all that was typed and chosen in it."""
    form = page.form_at(LOOK_BACK)
    for name, value in answering(typed).items():
        assert form[name].values == ([value] if isinstance(value, str) else value), name
    return True
