"""My account: who I am here, my language and password, my sessions, my second factor."""

from fastapi import Response

from api.desk.desk import SECOND_FACTOR, Desk, Doors
from api.desk.forms import Form, add_forms
from api.desk.showing import people_in
from api.desk.staff import sessions_of
from api.domain.permissions.actions import Action
from api.routes.totp import TotpConfirm
from api.routes.users import MePatch

doors = Doors()

_HERE = "/desk/me"
_ME, _TOTP, _SESSION = "/v1/me", "/v1/me/totp", "/v1/sessions/{session_id}"

add_forms(
    doors,
    Form(
        f"{_HERE}/change",
        "Change my account",
        Action.me_change,
        _ME,
        _HERE,
        body=MePatch,
        method="PATCH",
        about=_ME,
        changes=True,
        hint="For a new password, type the one you have as well; all your other sessions end then. "
        "What you leave empty stays as it is.",
    ),
    Form(
        f"{_HERE}/sessions/{{session_id}}/end",
        "End this session",
        Action.session_close,
        _SESSION,
        _HERE,
        method="DELETE",
        about=_SESSION,
        button="End it",
        hint="Whoever uses it is signed out at once.",
    ),
    Form(
        f"{SECOND_FACTOR}/begin",
        "Begin with a second factor",
        Action.totp_change,
        _TOTP,
        f"{SECOND_FACTOR}/confirm",
        about=_TOTP,
        once=False,
        recent=True,
        shows="second_factor_begun.html",
        button="Show me the secret",
        hint="You need an authenticator: a program on your phone or computer that shows a new code "
        "each half minute. You are shown a secret for it, this once.",
    ),
    Form(
        f"{SECOND_FACTOR}/confirm",
        "Confirm the second factor",
        Action.totp_change,
        f"{_TOTP}/confirm",
        SECOND_FACTOR,
        body=TotpConfirm,
        about=_TOTP,
        once=False,
        shows="told_once.html",
        button="Confirm it",
        hint="Type the code that your authenticator shows now. From then on you are asked for one "
        "whenever you sign in.",
    ),
    Form(
        f"{SECOND_FACTOR}/remove",
        "Remove the second factor",
        Action.totp_change,
        _TOTP,
        SECOND_FACTOR,
        method="DELETE",
        about=_TOTP,
        recent=True,
        button="Remove it",
        hint="A password alone signs you in then. Your recovery codes end. You and the privacy "
        "officers are told.",
    ),
)


@doors.get(_HERE)
async def show_me(desk: Desk) -> Response:
    """Show somebody who they are here, and where they are signed in."""
    me = await desk.know_me()
    factor = await desk.api.get(_TOTP)
    sessions = await sessions_of(desk, me["id"])
    await desk.name(*people_in(me["supervisions"]))
    return desk.page(
        "me.html",
        person=me,
        factor=factor,
        sessions=sessions,
        supervisions=me["supervisions"],
        must_enrol=me["clinic"]["requires_totp"] and not factor["enrolled"],
        at=_HERE,
    )


@doors.get(SECOND_FACTOR)
async def show_second_factor(desk: Desk) -> Response:
    """Show whether somebody has a second factor, and what they may do about it."""
    me = await desk.know_me()
    factor = await desk.api.get(_TOTP)
    return desk.page("second_factor.html", factor=factor, is_asked=me["clinic"]["requires_totp"])
