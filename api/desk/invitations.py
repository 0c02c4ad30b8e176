"""Invitations to a client's door: made for a case or by a reference, printed once, revoked."""

from collections.abc import Mapping
from typing import Any

import segno
from fastapi import Request, Response
from markupsafe import Markup

from api.desk.desk import Desk, Doors
from api.desk.fields import Field
from api.desk.forms import Beside, Form, add_forms
from api.desk.lists import read_list
from api.desk.showing import people_in
from api.desk.words import Words
from api.domain.permissions.actions import Action
from api.languages.spoken import IN_ENGLISH, KNOWN
from api.routes.invitations import InvitationByReference, InvitationCreate

doors = Doors()

_CASE, _ITS_PAGE = "/v1/cases/{case_id}", "/desk/cases/{case_id}"
_INVITATION, _PAGE = "/v1/invitations/{invitation_id}", "/desk/invitations/{invitation_id}"
_ASKED = Field("questionnaire_id", "words", required=False, nullable=True)


async def _which_questionnaire(desk: Desk) -> Beside:
    """Give what those who are invited may be asked."""
    chosen = desk.value(_ASKED.name)
    return Beside(
        fields=[_ASKED],
        body={_ASKED.name: chosen} if chosen else {},
        names={},
        shown={
            "asked": _ASKED,
            "questionnaires": (await desk.api.get("/v1/questionnaires"))["items"],
        },
    )


async def _sheets(desk: Desk, made: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is printed: where the door is, and a sheet in each language that it is told in.

    The picture holds the address alone: with the code in it, whoever has the picture were inside.
    """
    clinic = await desk.api.get("/v1/clinic")
    address = whole_address(desk.request, made["address"])
    return {
        "address": address,
        "picture": picture_of(address),
        "clinic": clinic,
        "sheets": [
            Words.of(code if code in KNOWN else IN_ENGLISH, desk.words.zone, desk.words.now)
            for code in clinic["door_languages"]
        ],
    }


def whole_address(request: Request, address: str) -> str:
    """Give an address with the server's name: the public one, or that by which it was reached."""
    if not address.startswith("/"):
        return address
    return f"{request.url.scheme}://{request.headers.get('host', '')}{address}"


def picture_of(address: str) -> Markup:
    """Draw an address as a QR code: black on a ground of its own, so that it is read on dark."""
    drawn = segno.make_qr(address).svg_inline(light="#fff", omitsize=True)
    return Markup(drawn)  # noqa: S704 - nothing of the address is written in it


_HINT = (
    "You are shown a code, this once, on a sheet to print and to hand over. It opens an empty "
    "door: by it you see no more of what is sent than before. Whether it was used, nobody is told."
)
add_forms(
    doors,
    Form(
        f"{_ITS_PAGE}/invitations/new",
        "Invite to the door",
        Action.invitation_make,
        f"{_CASE}/invitations",
        f"{_ITS_PAGE}/invitations",
        body=InvitationCreate,
        about=_CASE,
        leaves_out=frozenset({_ASKED.name}),
        once=False,
        shows="invitation_made.html",
        tells=_sheets,
        button="Make the invitation",
        hint=_HINT,
        beside=_which_questionnaire,
        template="invitation_form.html",
        variant="invitation",
    ),
    Form(
        "/desk/invitations/new",
        "Invite by a reference",
        Action.invitation_make_by_reference,
        "/v1/invitations",
        "/desk/invitations/{id}",
        body=InvitationByReference,
        leaves_out=frozenset({_ASKED.name}),
        once=False,
        shows="invitation_made.html",
        tells=_sheets,
        button="Make the invitation",
        hint=_HINT,
        beside=_which_questionnaire,
        template="invitation_form.html",
        variant="invitation",
    ),
    Form(
        f"{_PAGE}/revoke",
        "Revoke this invitation",
        Action.invitation_revoke,
        f"{_INVITATION}/revoke",
        _PAGE,
        about=_INVITATION,
        once=False,
        button="Revoke it",
        hint="Its code opens the door no more. What was sent by it stays, and whoever holds a "
        "receipt goes on reading there.",
    ),
)


@doors.get(f"{_ITS_PAGE}/invitations")
async def show_invitations(desk: Desk) -> Response:
    """List the invitations to a case's door, newest first, as far as they are for somebody."""
    case = await desk.api.get(_CASE.format_map(desk.request.path_params))
    listed = await read_list(desk, f"/v1/cases/{case['id']}/invitations")
    await desk.name(*people_in(listed.items))
    return desk.page(
        "invitations.html",
        case=case,
        listed=listed,
        today=desk.words.today.isoformat(),
        may_here=desk.may_on(Action.invitation_make, case["clinician_id"]),
        is_mine=desk.is_me,
    )


@doors.get(_PAGE)
async def show_invitation(desk: Desk) -> Response:
    """Show one invitation: for whom it is, who made it, and until when it opens the door."""
    invitation = await desk.api.get(_INVITATION.format_map(desk.request.path_params))
    await desk.name(*people_in([invitation]))
    return desk.page(
        "invitation.html",
        invitation=invitation,
        today=desk.words.today.isoformat(),
        is_mine=desk.is_me(invitation["recorded_by_id"]),
    )
