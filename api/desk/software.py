"""Software: the clinic's programs that sign in by themselves, with scopes and secrets."""

from fastapi import Response

from api.desk.desk import Desk, Doors
from api.desk.forms import Form, add_forms
from api.desk.lists import read_list
from api.domain.permissions.actions import Action
from api.routes.service_accounts import SecretCreate, ServiceAccountCreate, ServiceAccountPatch

doors = Doors()

_HERE = "/desk/software"
_ACCOUNT, _ITS_PAGE = "/v1/service-accounts/{account_id}", f"{_HERE}/{{account_id}}"

add_forms(
    doors,
    Form(
        f"{_HERE}/new",
        "Let software in",
        Action.service_create,
        "/v1/service-accounts",
        f"{_HERE}/{{id}}",
        body=ServiceAccountCreate,
        once=False,
        recent=True,
        shows="told_once.html",
        button="Let it in",
        hint="Give it no more than it needs. Its secret is shown this once.",
    ),
    Form(
        f"{_ITS_PAGE}/change",
        "Change this software",
        Action.service_change,
        _ACCOUNT,
        _ITS_PAGE,
        body=ServiceAccountPatch,
        method="PATCH",
        about=_ACCOUNT,
        changes=True,
        recent=True,
        hint="A change acts at once. Software that may not sign in is signed out.",
    ),
    Form(
        f"{_ITS_PAGE}/secrets/new",
        "Make a new secret",
        Action.service_change,
        f"{_ACCOUNT}/secrets",
        _ITS_PAGE,
        body=SecretCreate,
        about=_ACCOUNT,
        once=False,
        recent=True,
        shows="told_once.html",
        button="Make it",
        hint="The older secret goes on being valid, so that the software can change over. The new "
        "one is shown this once.",
    ),
    Form(
        f"{_ITS_PAGE}/secrets/{{secret_id}}/end",
        "End this secret",
        Action.service_change,
        f"{_ACCOUNT}/secrets/{{secret_id}}",
        _ITS_PAGE,
        method="DELETE",
        about=_ACCOUNT,
        part=("secrets", "secret_id"),
        recent=True,
        button="End it",
        hint="Nobody signs in with it any more, and the software is signed out.",
    ),
)


@doors.get(_HERE)
async def show_software(desk: Desk) -> Response:
    """List the clinic's software, and the addresses that are told of events."""
    listed = await read_list(desk, "/v1/service-accounts")
    webhooks = await desk.api.get("/v1/webhooks", limit=50)
    return desk.page("software.html", listed=listed, webhooks=webhooks["items"])


@doors.get(_ITS_PAGE)
async def show_account(desk: Desk) -> Response:
    """Show one program: what it may do, and the secrets that are valid."""
    account = await desk.api.get(_ACCOUNT.format_map(desk.request.path_params))
    at = _ITS_PAGE.format_map(desk.request.path_params)
    return desk.page("service_account.html", account=account, at=at)
