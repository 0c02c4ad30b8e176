"""Whether a form is one of ours, sent by a page of ours: no other site writes in anybody's name."""

from urllib.parse import parse_qsl, urlsplit

from fastapi import Request

from api.desk.marked import N_
from api.domain.errors import BadRequest, Forbidden, UnsupportedMediaType
from api.http.strict_route import media_of
from api.security.browser_tokens import FormTokens

TOKEN = "form_token"  # noqa: S105 - the name of a field
"""The field in which each form shows its own secret."""

_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 1_000
_NOT_OURS = N_("This form did not come from a page of this desk. Open the page again, and send it.")

Pairs = list[tuple[str, str]]


async def read_form(request: Request, *cookies: str | None) -> Pairs:
    """Read a form of ours, bound to one of these cookies.

    Raises 403 for any other, 415 or 400 for what is no form.
    """
    pairs = await read_pairs(request)
    if not is_bound(request, pairs, *cookies):
        raise Forbidden(_NOT_OURS)
    return pairs


async def read_pairs(request: Request) -> Pairs:
    """Read what a page of ours sends, bound to whatever. Raises as above."""
    _refuse_other_pages(request)
    if media_of(request) != _FORM:
        raise UnsupportedMediaType(f"Send a form: {_FORM}.")
    try:
        pairs = parse_qsl(
            (await request.body()).decode("ascii"),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError as error:
        raise BadRequest from error
    # a browser counts a line break as one character, and sends two
    return [(name, value.replace("\r\n", "\n")) for name, value in pairs]


def is_bound(request: Request, pairs: Pairs, *cookies: str | None) -> bool:
    """Tell whether a form shows a secret that was made for one of these cookies, not long ago."""
    now = request.app.state.database.clock()
    tokens: FormTokens = request.app.state.form_tokens
    secret = _secret_of(pairs)
    return any(tokens.fits(secret, cookie, now) for cookie in cookies if cookie)


def was_bound(request: Request, pairs: Pairs, *cookies: str | None) -> bool:
    """Tell whether a form shows a secret that was ever made for one of these cookies."""
    tokens: FormTokens = request.app.state.form_tokens
    secret = _secret_of(pairs)
    return any(tokens.was_shown(secret, cookie) for cookie in cookies if cookie)


def _secret_of(pairs: Pairs) -> str:
    """Give the secret that a form shows; nothing, which fits nobody, where it shows several."""
    shown = [value for name, value in pairs if name == TOKEN]
    return shown[0] if len(shown) == 1 else ""


def _refuse_other_pages(request: Request) -> None:
    """Refuse what another site, or nobody says which, lets a browser send."""
    site = request.headers.getlist("sec-fetch-site")
    origin = request.headers.getlist("origin")
    if not (site or origin):
        raise Forbidden(_NOT_OURS)
    if any(each != "same-origin" for each in site):
        raise Forbidden(_NOT_OURS)
    if any(not _is_ours(request, each) for each in origin):
        raise Forbidden(_NOT_OURS)


def _is_ours(request: Request, origin: str) -> bool:
    public = request.app.state.public_url
    ours = {f"{request.url.scheme}://{request.headers.get('host', '')}"}
    if public is not None:
        parts = urlsplit(public)
        ours.add(f"{parts.scheme}://{parts.netloc}")
    return origin in ours


def comes_from_elsewhere(request: Request) -> bool:
    """Tell whether a link on another site was followed: the browser shows no cookie then."""
    return request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}
