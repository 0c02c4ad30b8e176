"""What a clinic's door tells its clients: how that stands, what is missing, and what sets it."""

from fastapi import Response

from api.desk.desk import Desk, Doors
from api.desk.forms import Form, add_forms
from api.domain.door import TEXTS, unsaid
from api.domain.permissions.actions import Action
from api.languages.spoken import KNOWN
from api.routes.clinic import ClinicPatch

doors = Doors()

_CLINIC, _HERE = "/v1/clinic", "/desk/clinic/door"
OF_THE_DOOR = frozenset(name for name in ClinicPatch.model_fields if name.startswith("door_"))
"""What a clinic sets for its clients' door."""

add_forms(
    doors,
    Form(
        f"{_HERE}/change",
        "Change what the door tells",
        Action.clinic_change,
        _CLINIC,
        _HERE,
        body=ClinicPatch,
        method="PATCH",
        about=_CLINIC,
        changes=True,
        leaves_out=frozenset(ClinicPatch.model_fields) - OF_THE_DOOR,
        hint="Say each text in every language of the door. A text that you empty is taken away.",
    ),
)


@doors.get(_HERE)
async def show_door(desk: Desk) -> Response:
    """Show what the door tells, and what must be said before it can be opened."""
    clinic = await desk.api.get(_CLINIC)
    said = [code for code in KNOWN if any(clinic[text].get(code) for text in TEXTS)]
    offered = clinic["door_languages"]
    return desk.page(
        "clients_door.html",
        clinic=clinic,
        missing=list(unsaid(clinic)),
        texts=TEXTS,
        languages=[*offered, *(code for code in said if code not in offered)],
    )
