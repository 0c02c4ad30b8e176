"""What privacy officers look after: cases opened in an emergency, and what must be kept."""

from fastapi import Response

from api.desk.desk import Desk, Doors
from api.desk.forms import Form, add_forms, fields
from api.desk.lists import Choices, read_list
from api.desk.marked import N_
from api.desk.showing import people_in
from api.domain.permissions.actions import Action
from api.routes.break_glass import GlassBreak, GlassReview
from api.routes.legal_holds import HoldCreate

doors = Doors()

_OPENING, _ITS_PAGE = "/v1/break-glass/{opening_id}", "/desk/openings/{opening_id}"
_HOLD = "/v1/legal-holds/{hold_id}"
OPENINGS: Choices = (
    (N_("to review"), {"reviewed": "false"}),
    (N_("reviewed"), {"reviewed": "true"}),
    (N_("all"), {}),
)
HOLDS: Choices = (
    (N_("in force"), {"active": "true"}),
    (N_("released"), {"active": "false"}),
    (N_("all"), {}),
)

REVIEW = Form(
    f"{_ITS_PAGE}/review",
    "Review this opening",
    Action.glass_review,
    f"{_OPENING}/review",
    _ITS_PAGE,
    body=GlassReview,
    about=_OPENING,
    button="It is reviewed",
)
add_forms(
    doors,
    Form(
        "/desk/openings/new",
        "Open a case in an emergency",
        Action.glass_break,
        "/v1/break-glass",
        "/desk/cases/{case_id}",
        body=GlassBreak,
        recent=True,
        button="Open it now",
        hint="You may read the case for half an hour. Its clinician and the privacy officers see "
        "at once that you did, and why; a privacy officer looks at it within three days.",
    ),
    REVIEW,
    Form(
        "/desk/holds/new",
        "Keep a case from being destroyed",
        Action.hold_place,
        "/v1/legal-holds",
        "/desk/holds",
        body=HoldCreate,
        button="Place the hold",
        hint="While a hold lasts, nothing of the case is destroyed, however old it is. There may "
        "be several: each is released by itself.",
    ),
    Form(
        "/desk/holds/{hold_id}/release",
        "Release this hold",
        Action.hold_release,
        f"{_HOLD}/release",
        "/desk/holds",
        about=_HOLD,
        button="Release it",
        hint="That it held is kept. If no other hold keeps the case, its texts may be destroyed "
        "once their time has come.",
    ),
)


@doors.get("/desk/openings")
async def show_openings(desk: Desk) -> Response:
    """List emergency openings: those that wait for a review first."""
    listed = await read_list(desk, "/v1/break-glass", OPENINGS)
    await desk.name(*people_in(listed.items))
    return desk.page("openings.html", listed=listed)


@doors.get(_ITS_PAGE)
async def show_opening(desk: Desk) -> Response:
    """Show one opening, and to whom it falls the form for its review."""
    opening = await desk.api.get(_OPENING.format_map(desk.request.path_params))
    await desk.name(*people_in([opening]))
    return desk.page("opening.html", opening=opening, review=fields(REVIEW))


@doors.get("/desk/holds")
async def show_holds(desk: Desk) -> Response:
    """List legal holds: those in force first."""
    listed = await read_list(desk, "/v1/legal-holds", HOLDS)
    await desk.name(*people_in(listed.items))
    return desk.page("holds.html", listed=listed)
