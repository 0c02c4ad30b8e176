"""Forms for whoever is not signed in: each is bound to a cookie that is set with it."""

from typing import Any

from fastapi import Request, Response

from api.desk.cookies import form_shown, hold_form
from api.desk.desk import html, new_token
from api.desk.rendering import render
from api.desk.same_origin import TOKEN
from api.http.accept_headers import language_for
from api.security.browser_tokens import new_form_cookie


def form_before(request: Request, template: str, status: int = 200, **shown: Any) -> Response:
    """Show such a form, in the language that the browser asks for."""
    held = held_form(request)
    token = new_token(request, held)
    text = render(template, language_for(request), form_token=token, token_field=TOKEN, **shown)
    answer = html(text, status)
    hold_form(request, answer, held)
    return answer


def held_form(request: Request) -> str:
    """Give what forms are bound to that are shown to somebody without a session."""
    return form_shown(request) or new_form_cookie()
