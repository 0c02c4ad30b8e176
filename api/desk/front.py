"""The front of the house: what this is, what pages load, and how refusals look as pages."""

from functools import partial

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.routing import Route

from api.desk.desk import SIGN_IN, html
from api.desk.marked import N_
from api.desk.rendering import render, static_file
from api.desk.words import told
from api.domain.errors import Refusal
from api.http.accept_headers import language_for, weighed
from api.http.problem_details import Dialect
from api.languages.spoken import language_of

_STATIC = {
    "/desk/style.css": ("style.css", "text/css; charset=utf-8"),
    "/desk/icon.svg": ("icon.svg", "image/svg+xml"),
    "/favicon.ico": ("icon.svg", "image/svg+xml"),
}
_HTML = "text/html"
_LINKS = {
    "desk": "/desk",
    "openapi": "/openapi.json",
    "docs": "/docs",
    "redoc": "/redoc",
    "fhir": "/fhir/metadata",
    "problems": "/problems",
    "health": "/healthz",
    "ready": "/readyz",
}


async def front(request: Request) -> Response:
    """Say what this is: as a page to browsers, as JSON to programs."""
    if _reads_pages(request):
        return html(render("front.html", language_for(request)))
    app = request.app
    return JSONResponse({"name": app.title, "version": app.version, "links": _LINKS})


async def loaded(request: Request) -> Response:
    """Give what pages load: the style sheet and the icon."""
    name, media = _STATIC[request.scope["path"]]
    body, tag = static_file(name)
    headers = {"ETag": tag, "Cache-Control": "public, max-age=300"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media, headers=headers)


def _reads_pages(request: Request) -> bool:
    """Tell whether a browser asks: it names pages, and a program does not."""
    accepted = dict(weighed(",".join(request.headers.getlist("accept"))))
    return accepted.get(_HTML, 0) > 0


def _speaks(path: str) -> bool:
    return path == "/desk" or path.startswith("/desk/")


def _refuse(request: Request, refusal: Refusal) -> Response:
    """Show a refusal as a page: of what no page is at, or of a form that is not ours."""
    code = language_for(request)
    text = render(
        "stopped.html",
        code,
        told=partial(told, language_of(code)),
        title=refusal.title,
        detail=refusal.detail,
        request_id=request.state.request_id,
        to=SIGN_IN,
    )
    answer = html(text, refusal.status)
    answer.headers.update(refusal.headers)
    return answer


AS_PAGE = Dialect(
    _speaks,
    _refuse,
    {
        404: N_("There is no such page here."),
        405: N_("This page cannot be asked for in this way."),
        413: N_("This is more than can be taken at once. Send it in parts."),
    },
)
"""How refusals are told at the desk."""

routes = [
    Route("/", front, methods=["GET"]),
    *(Route(path, loaded, methods=["GET"]) for path in _STATIC),
]
