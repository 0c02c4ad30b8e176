"""The page that lets people read the API's description; it asks for nothing from elsewhere."""

from functools import cache
from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_redoc_html
from fastapi.responses import HTMLResponse, Response

router = APIRouter(prefix="/redoc", include_in_schema=False)

_SCRIPT = Path(fastapi_offline.__file__).parent / "static" / "redoc.standalone.js"
_LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"
_NO_LOGO = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/%3E"
"""A picture of nothing."""


@router.get("")
def read_redoc(request: Request) -> HTMLResponse:
    """Show what the OpenAPI document says."""
    root = request.scope.get("root_path", "")
    return get_redoc_html(
        openapi_url=f"{root}{request.app.openapi_url}",
        title=f"{request.app.title} - ReDoc",
        redoc_js_url=f"{root}/redoc/redoc.standalone.js",
        redoc_favicon_url=f"{root}/static-offline-docs/favicon.png",
        with_google_fonts=False,
    )


@router.get("/redoc.standalone.js")
def read_script() -> Response:
    """Give the script of the page."""
    return Response(_script(), media_type="text/javascript")


@cache
def _script() -> bytes:
    """Read the script, without the picture that it would fetch from its makers."""
    return _SCRIPT.read_bytes().replace(_LOGO.encode(), _NO_LOGO.encode())
