"""The cookies of the desk: a session's, one that forms before it are bound to, and a device's."""

from ipaddress import ip_address

from fastapi import Request, Response

_SESSION, _FORM, _DEVICE, _DONE = "bn-session", "bn-form", "bn-device", "bn-done"
_A_DAY, _A_MOMENT = 86_400, 60
DEVICE_DAYS = 90
"""How long a device is known again, as where the API is signed in to."""


def session_shown(request: Request) -> str | None:
    """Give what a browser shows as its session."""
    return shown(request, _SESSION)


def form_shown(request: Request) -> str | None:
    """Give what a browser holds that has no session yet."""
    return shown(request, _FORM)


def device_shown(request: Request) -> str | None:
    """Give what a browser shows that was used here before."""
    return shown(request, _DEVICE)


def hold_session(request: Request, response: Response, text: str) -> None:
    """Let the browser hold a session, until it is closed or the session ends."""
    hold(request, response, _SESSION, text)


def hold_form(request: Request, response: Response, text: str) -> None:
    """Let the browser hold what a form before sign-in is bound to."""
    hold(request, response, _FORM, text)


def hold_device(request: Request, response: Response, text: str) -> None:
    """Let the browser be known again."""
    hold(request, response, _DEVICE, text, max_age=DEVICE_DAYS * _A_DAY)


def done_shown(request: Request) -> bool:
    """Tell whether the page before was a form that was taken."""
    return shown(request, _DONE) is not None


def hold_done(request: Request, response: Response) -> None:
    """Let the next page say that a form was taken."""
    hold(request, response, _DONE, "1", max_age=_A_MOMENT)


def drop_done(request: Request, response: Response) -> None:
    """Let it be said once."""
    drop(request, response, _DONE)


def drop_form(request: Request, response: Response) -> None:
    """Let the browser forget what forms before sign-in are bound to."""
    drop(request, response, _FORM)


def drop_session(request: Request, response: Response) -> None:
    """Let the browser forget its session."""
    drop(request, response, _SESSION)


def shown(request: Request, name: str) -> str | None:
    """Give what a browser shows under a name; None where it shows nothing."""
    return request.cookies.get(_named(request, name))


def drop(request: Request, response: Response, name: str) -> None:
    """Let the browser forget what it holds under a name."""
    # without the attributes it was set with, the browser would keep it
    response.delete_cookie(
        _named(request, name), secure=_is_secure(request), httponly=True, samesite="strict"
    )


def hold(
    request: Request, response: Response, name: str, text: str, max_age: int | None = None
) -> None:
    """Let the browser hold something for pages of ours alone, as long as it is open or so long."""
    response.set_cookie(
        _named(request, name),
        text,
        max_age=max_age,
        secure=_is_secure(request),
        httponly=True,
        samesite="strict",
    )


def _named(request: Request, name: str) -> str:
    return f"__Host-{name}" if _is_secure(request) else name


def _is_secure(request: Request) -> bool:
    """Tell whether cookies go over TLS alone: always, but on this very machine without it."""
    return request.url.scheme == "https" or not _is_loopback(request.url.hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
