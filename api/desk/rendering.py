"""How pages are made: templates without logic of their own, one style sheet, no script."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.desk.words import said, said_of
from api.languages.spoken import language_of

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing is loaded from elsewhere, nothing runs, no form goes elsewhere, nobody frames a page."""


@cache
def _templates(code: str, folder: Path) -> Environment:
    """Give the templates of a language: each has its own, so that none shows another's texts."""
    language = language_of(code)
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FileSystemLoader(folder),
        extensions=["jinja2.ext.i18n"],
        # as they were when this process began to show them, whatever is unpacked beside it since
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_callables(  # type: ignore[attr-defined]
        lambda english: said(language, english),
        lambda one, several, number: said_of(language, one, several, number),
        newstyle=True,
    )
    return made


def render(template: str, code: str, *, folder: Path = TEMPLATES, **context: Any) -> str:
    """Write a page in a language. Raises UndefinedError for what a template names in vain."""
    return _templates(code, folder).get_template(template).render(lang=code, **context)


@cache
def static_file(name: str) -> tuple[bytes, str]:
    """Read a file that pages load, and what it is known by: a change is another."""
    body = (HERE / "static" / name).read_bytes()
    return body, f'"{sha256(body).hexdigest()[:16]}"'
