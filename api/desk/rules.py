"""The rules as people read them, the effect of other thresholds and modes; the clinic."""

from datetime import date

from fastapi import Response

from api.desk.clients_door import OF_THE_DOOR
from api.desk.desk import Desk, Doors
from api.desk.forms import Form, add_forms
from api.desk.showing import shown
from api.domain.permissions.actions import Action
from api.domain.rules.modes import RuleModes
from api.domain.rules.thresholds import Thresholds
from api.routes.clinic import ClinicPatch

doors = Doors()

_HERE = "/desk/rules"
_PREVIEW, _CLINIC = "/v1/rules/preview", "/v1/clinic"

add_forms(
    doors,
    Form(
        f"{_HERE}/thresholds",
        "Thresholds",
        Action.thresholds_change,
        "/v1/rules/thresholds",
        _HERE,
        body=Thresholds,
        method="PUT",
        about="/v1/rules/thresholds",
        changes=True,
        tries=(_PREVIEW, "thresholds"),
        hint="The numbers that the rules compare with. What is left empty goes back to what the "
        "rulebook has. Look at the effect before you save: nothing is kept by looking.",
    ),
    Form(
        f"{_HERE}/modes",
        "Which rules raise flags",
        Action.thresholds_change,
        "/v1/rules/modes",
        _HERE,
        body=RuleModes,
        method="PUT",
        about="/v1/rules/modes",
        changes=True,
        recent=True,
        rules=True,
        tries=(_PREVIEW, "modes"),
        hint="A rule that only counts raises no flag; how often it would have is counted by month. "
        "The two rules about safety always raise flags, and are not listed here.",
    ),
    Form(
        "/desk/clinic/change",
        "Change the clinic",
        Action.clinic_change,
        _CLINIC,
        "/desk/clinic",
        body=ClinicPatch,
        method="PATCH",
        about=_CLINIC,
        changes=True,
        leaves_out=OF_THE_DOOR,
        hint="Another time zone moves every midnight. Where everybody needs a second factor, "
        "nobody does anything before they have one.",
    ),
)


@doors.get(_HERE)
async def show_rules(desk: Desk) -> Response:
    """Show every rule and prompt: what it asks, how gravely, and when."""
    rules = (await desk.api.get("/v1/rules"))["items"]
    return desk.page("rules.html", rules=rules)


@doors.get(f"{_HERE}/monitored")
async def show_monitored(desk: Desk) -> Response:
    """Show what rules that only count would have raised, by month."""
    counted = (await desk.api.get("/v1/rules/monitored"))["items"]
    items = [
        each | {"month": date.fromisoformat(f"{each['month']}-01")} for each in reversed(counted)
    ]
    return desk.page("monitored.html", items=items)


@doors.get("/desk/clinic")
async def show_clinic(desk: Desk) -> Response:
    """Show the clinic's settings."""
    clinic = await desk.api.get(_CLINIC)
    return desk.page("clinic.html", clinic=clinic, rows=shown(clinic, "name", *OF_THE_DOOR))
