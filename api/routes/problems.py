"""What each kind of refusal means, and what to do about it: a page for each code of a problem."""

import re
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from api.domain.errors import NotFound, Refusal, every_refusal
from api.domain.values import Output
from api.http.csv_lists import prefers
from api.http.oauth_refusals import TokenProblem, token_body_of
from api.http.problem_details import TYPE, Problem, body_of
from api.http.strict_route import StrictRoute
from api.openapi.description import REFUSALS
from api.records.patient_copy_page import POLICY, STYLE

router = APIRouter(
    prefix="/problems", tags=["problems"], route_class=StrictRoute, responses=REFUSALS
)

_HTML = "text/html"
_AS_A_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {_HTML: {"schema": {"type": "string"}}}},
}
_NO_ID = "00000000-0000-7000-8000-000000000000"


class ProblemType(Output):
    """One kind of refusal. `type` is what a problem document carries; `status` goes with it."""

    code: str
    type: str
    title: str
    status: int
    meaning: str
    remedy: str
    example: Problem | TokenProblem


class ProblemTypes(Output):
    """Every kind of refusal there is."""

    items: list[ProblemType]


# The return type cannot be the schema here: the same is also answered as a page. An example has the
# members that the refusal itself has, and no other.
@router.get("", response_model=ProblemTypes, response_model_exclude_none=True, responses=_AS_A_PAGE)
async def list_problems(request: Request, response: Response) -> ProblemTypes | HTMLResponse:
    """List every kind of refusal, as JSON or as a page for whoever asks for `text/html`."""
    known = [_shown(kind) for _, kind in sorted(every_refusal().items())]
    response.headers["Vary"] = "Accept"
    if not _wants_a_page(request):
        return ProblemTypes(items=known)
    items = (
        f'<tr><td><a href="/problems/{each.code}">{each.code}</a></td>'
        f"<td>{each.status}</td><td>{escape(each.title)}</td></tr>"
        for each in known
    )
    return _page("Problems", f"<table>{''.join(items)}</table>")


@router.get(
    "/{code}",
    response_model=ProblemType,
    response_model_exclude_none=True,
    responses=_AS_A_PAGE,
)
async def read_problem(
    code: str, request: Request, response: Response
) -> ProblemType | HTMLResponse:
    """Say what a code means and what to do, as JSON or as a page for who asks for `text/html`.

    The code is what follows `urn:boundary-notes:` in the `type` of a problem document.
    """
    kind = every_refusal().get(code)
    if kind is None:
        raise NotFound("There is no such problem here.")
    shown = _shown(kind)
    response.headers["Vary"] = "Accept"
    return _page(shown.title, _told(shown)) if _wants_a_page(request) else shown


def _shown(kind: type[Refusal]) -> ProblemType:
    return ProblemType(
        code=kind.code,
        type=TYPE + kind.code,
        title=kind.title,
        status=kind.status,
        meaning=" ".join((kind.__doc__ or "").split()),
        remedy=kind.remedy,
        example=_example_of(kind),
    )


def _example_of(kind: type[Refusal]) -> Problem:
    refusal = kind(*kind.example)
    if kind.is_of_tokens:
        return TokenProblem.model_validate(token_body_of(refusal, _NO_ID))
    return Problem.model_validate(body_of(refusal, _NO_ID))


def _wants_a_page(request: Request) -> bool:
    return prefers(_HTML, ",".join(request.headers.getlist("accept")))


def _told(shown: ProblemType) -> str:
    example = shown.example.model_dump_json(indent=2, exclude_none=True)
    return (
        f"<p>Status {shown.status}, type <code>{shown.type}</code></p>"
        f"<h2>What it means</h2><p>{_marked(shown.meaning)}</p>"
        f"<h2>What to do</h2><p>{_marked(shown.remedy)}</p>"
        f"<h2>An example</h2><pre>{escape(example)}</pre>"
        '<p><a href="/problems">All problems</a></p>'
    )


def _marked(text: str) -> str:
    """Write a sentence as HTML, with what stands between backticks as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _page(title: str, body: str) -> HTMLResponse:
    written = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
    return HTMLResponse(written, headers={"Content-Security-Policy": POLICY, "Vary": "Accept"})
