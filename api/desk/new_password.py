"""A new password for somebody who forgot theirs, with the code that an admin handed over."""

from functools import partial

from fastapi import Request, Response
from starlette.routing import Route

from api.desk.asking import Api, Refused
from api.desk.before_sign_in import form_before
from api.desk.cookies import form_shown
from api.desk.desk import go, html
from api.desk.fields import name_of
from api.desk.rendering import render
from api.desk.same_origin import read_form
from api.desk.words import told
from api.http.accept_headers import language_for
from api.languages.spoken import language_of

PATH = "/desk/new-password"
_FIELDS = {"username": "address", "clinic": "clinic", "code": "code", "password": "password"}
"""What the API calls each field of the form."""


async def show_new_password(request: Request) -> Response:
    """Show the form; it is there for whoever is not signed in."""
    return _form(request)


async def set_new_password(request: Request) -> Response:
    """Set the password, or show the form again, without what is secret."""
    sent = dict(await read_form(request, form_shown(request)))
    typed = {api: sent.get(name, "").strip() for api, name in _FIELDS.items()}
    # blanks are part of a password
    typed["password"] = sent.get("password", "")
    body = {name: value for name, value in typed.items() if value or name != "clinic"}
    try:
        await Api(request, None).send("POST", "/v1/auth/password", body)
    except Refused as refused:
        if refused.status not in {401, 422, 429}:
            raise
        return _form(request, refused, typed)
    return go(f"{PATH}/done")


async def show_done(request: Request) -> Response:
    """Say that the password is set."""
    return html(render("new_password_done.html", language_for(request)))


def _form(
    request: Request, refused: Refused | None = None, typed: dict[str, str] | None = None
) -> Response:
    errors = {} if refused is None else {name_of(e.pointer): e.message for e in refused.errors}
    kept = typed or {}
    # nobody is signed out by this page: a wrong code is a field that is wrong
    return form_before(
        request,
        "new_password.html",
        200 if refused is None else 422,
        told=partial(told, language_of(language_for(request))),
        refused=refused,
        errors={_FIELDS[name]: said for name, said in errors.items() if name in _FIELDS},
        address=kept.get("username", ""),
        clinic=kept.get("clinic", ""),
    )


routes = [
    Route(PATH, show_new_password, methods=["GET"]),
    Route(PATH, set_new_password, methods=["POST"]),
    Route(f"{PATH}/done", show_done, methods=["GET"]),
]
