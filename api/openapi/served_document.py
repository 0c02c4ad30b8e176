"""The document as it is served: a file that is kept beside the program."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fastapi import FastAPI, Request, Response

_KEPT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def serve_document(app: FastAPI) -> None:
    """Let an application answer with the document that is kept, and build none.

    To build it takes seconds, for which a process would answer nobody else, and what it is built
    of takes memory; so it is built where the program is changed, and what is served is a file.
    """
    for route in list(app.router.routes):
        if getattr(route, "path", None) == app.openapi_url:
            app.router.routes.remove(route)
    app.add_route(str(app.openapi_url), _answer, ["GET"], include_in_schema=False)


@cache
def kept() -> bytes:
    """Read the document that is kept, without its line breaks. Raises OSError where it is not."""
    with _KEPT.open("rb") as lines:
        return on_one_line(lines)


def on_one_line(lines: Iterable[bytes]) -> bytes:
    """Write the lines of a document of JSON as one that says the same.

    Line by line, and not read into objects, which would take many times its length of memory. No
    text in it holds a line break as such, so that what stands around one is nobody's word.
    """
    written = bytearray()
    for line in lines:
        written += line.strip(b" \n")
    return bytes(written)


async def _answer(_request: Request) -> Response:
    return Response(kept(), media_type="application/json")
