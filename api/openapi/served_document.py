"""The document as it is served: a file that is kept beside the program."""

import json
from functools import cache, partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response

from api.openapi.documents import Finishing
from api.openapi.plain_schemas import write_plainly

_KEPT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def document(app: FastAPI) -> None:
    """Let an application build the finished document, and answer with the one that is kept.

    To build it takes seconds, for which a process would answer nobody else; so it is built where
    the program is changed, and what is served is a file.
    """
    app.openapi = partial(_openapi, app, app.openapi)  # type: ignore[method-assign]
    for route in list(app.router.routes):
        if getattr(route, "path", None) == app.openapi_url:
            app.router.routes.remove(route)
    app.add_route(str(app.openapi_url), _answer, ["GET"], include_in_schema=False)


@cache
def kept() -> bytes:
    """Read the document that is kept, without its line breaks. Raises OSError where it is not."""
    written = json.loads(_KEPT.read_text())
    return json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()


async def _answer(_request: Request) -> Response:
    return Response(kept(), media_type="application/json")


def _openapi(app: FastAPI, framework: Any) -> dict[str, Any]:
    if app.openapi_schema is None:
        written: dict[str, Any] = framework()
        write_plainly(written)
        Finishing(app, written).finish()
        app.openapi_schema = written
    return app.openapi_schema
