"""Signing in and out at the desk, and showing once more who is there."""

from urllib.parse import urlsplit

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.routing import Route

from api.access.sessions import Account, begin_browser_session
from api.desk.asking import Api
from api.desk.before_sign_in import form_before
from api.desk.cookies import (
    device_shown,
    drop_session,
    form_shown,
    hold_device,
    hold_session,
    session_shown,
)
from api.desk.desk import HOME, SIGN_IN, SIGN_OUT, Desk, Doors, go, html, new_token
from api.desk.rendering import render
from api.desk.same_origin import TOKEN, Pairs, read_form
from api.domain.errors import InvalidGrant
from api.http.accept_headers import language_for
from api.routes.auth import TokenForm, let_in_by_password
from api.security.browser_tokens import BrowserToken, BrowserTokens
from api.security.opaque_tokens import hash_of
from api.storage.transaction import Transaction

doors = Doors()

_REVOKE = "/v1/auth/revoke"
CARRIED = "carried:"
"""What stands before the names of fields that are sent on once somebody is signed in again."""
PASSWORD, CODE = "proof_password", "proof_code"
"""The fields in which somebody shows once more who they are, in whatever form asks for it."""


async def show_sign_in(request: Request) -> Response:
    """Show the form; whoever is signed in is at their desk already."""
    return _form(request, to=_way_back(request.query_params.get("next", "")))


async def sign_in(request: Request) -> Response:
    """Begin a session at the desk, or show the form again."""
    # where a session has ended, what was written meanwhile is bound to that one still
    sent = await read_form(request, form_shown(request), session_shown(request))
    to, carried = _way_back(_value(sent, "next")), _carried(sent)
    try:
        shown, device = await _prove(
            request,
            username=_value(sent, "address"),
            password=_value(sent, "password"),
            otp=_value(sent, "code"),
            clinic=_value(sent, "clinic"),
        )
    except (InvalidGrant, ValidationError):
        return _form(request, to=to, carried=carried, error=True, address=_value(sent, "address"))
    answer = go(to) if not carried else _send_on(request, shown, to, carried)
    hold_session(request, answer, shown.text)
    hold_device(request, answer, device)
    return answer


@doors.post(SIGN_OUT)
async def sign_out(desk: Desk) -> Response:
    """End the session at once, on every page that is open."""
    await desk.api.send("POST", _REVOKE)
    answer = go(SIGN_IN)
    drop_session(desk.request, answer)
    # what the browser kept of pages is for nobody who comes after
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


async def step_up(desk: Desk) -> str | None:
    """Let somebody show once more who they are; None where they did not.

    The session they came with ends, and they go on in a new one: what held its secret before opens
    nothing that a recent sign-in opens. Gives the device's secret.
    """
    shown = desk.api.shown
    password = desk.value(PASSWORD)
    if shown is None or not password:
        return None
    try:
        fresh, device = await _prove(
            desk.request,
            username=(await desk.know_me())["email"],
            password=password,
            otp=desk.value(CODE),
            clinic=str(shown.clinic_id),
        )
    except (InvalidGrant, ValidationError):
        return None
    await desk.api.send("POST", _REVOKE)
    desk.api = Api(desk.request, fresh)
    desk.cookie = fresh.text
    return device


def keep_signed_in(desk: Desk, answer: Response, device: str) -> Response:
    """Let the browser hold the session that a step up began."""
    hold_session(desk.request, answer, desk.cookie)
    hold_device(desk.request, answer, device)
    return answer


async def _prove(
    request: Request, *, username: str, password: str, otp: str, clinic: str
) -> tuple[BrowserToken, str]:
    """Begin a session of whoever shows who they are; raises InvalidGrant, or ValidationError."""
    device = device_shown(request)
    form = TokenForm.model_validate(
        {
            "grant_type": "password",
            "username": username,
            "password": password,
            "otp": otp.replace(" ", "") or None,
            "clinic": clinic.strip() or None,
            "device_token": device,
        }
    )
    tokens: BrowserTokens = request.app.state.browser_tokens

    async def begin(
        tx: Transaction, account: Account, network: str, device: str
    ) -> tuple[BrowserToken, str]:
        times = request.app.state.session_times
        shown = await begin_browser_session(
            tx, account.user, network, hash_of(device), times=times, tokens=tokens
        )
        return shown, device

    return await let_in_by_password(form, request, begin)


def _form(
    request: Request,
    *,
    to: str,
    carried: Pairs | None = None,
    error: bool = False,
    address: str = "",
) -> Response:
    kept = {"to": to, "carried": carried or [], "error": error, "address": address}
    return form_before(request, "sign_in.html", 422 if error else 200, **kept)


def _send_on(request: Request, shown: BrowserToken, to: str, carried: Pairs) -> Response:
    """Show what was written before somebody was signed out: it is theirs to send now."""
    return html(
        render(
            "send_on.html",
            language_for(request),
            to=to,
            carried=carried,
            form_token=new_token(request, shown.text),
            token_field=TOKEN,
        )
    )


def _carried(sent: Pairs) -> Pairs:
    return [(name.removeprefix(CARRIED), value) for name, value in sent if name.startswith(CARRIED)]


def _way_back(asked: str) -> str:
    """Give where to go once signed in: to a page of the desk, whatever a link says."""
    try:
        parts = urlsplit(asked)
    except ValueError:
        return HOME
    ours = not (parts.scheme or parts.netloc) and "\\" not in asked and asked.isprintable()
    is_a_page = parts.path == HOME or parts.path.startswith(f"{HOME}/")
    return asked if ours and is_a_page and parts.path != SIGN_IN else HOME


def _value(sent: Pairs, name: str) -> str:
    return next((value for each, value in sent if each == name), "")


routes = [
    Route(SIGN_IN, show_sign_in, methods=["GET"]),
    Route(SIGN_IN, sign_in, methods=["POST"]),
    *doors.routes,
]
