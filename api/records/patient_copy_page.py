"""The copy of a case as one page to read and to print: no script, and nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from enum import Enum
from html import escape
from typing import Any

from pydantic import BaseModel

from api.domain.values import sent_as
from api.records.patient_copy_schemas import CaseCopy, NamedPerson

STYLE = """
body { font: 1rem/1.5 sans-serif; color: #111; background: #fff; max-width: 50rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 0 0 1.5rem; }
caption { text-align: left; font-weight: bold; padding: .5rem 0; }
th, td { border: 1px solid #767676; padding: .3rem .5rem; text-align: left; vertical-align: top; }
th { width: 14rem; font-weight: normal; background: #f2f2f2; }
td { white-space: pre-wrap; overflow-wrap: anywhere; }
@media print { body { max-width: none; margin: 0; } h2, caption { break-after: avoid; }
  tr { break-inside: avoid; } }
"""

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_OF_THE_FILE = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
)
POLICY = f"{_OF_THE_FILE}; frame-ancestors 'none'"
"""What the page may load: nothing, and no style but its own (Content Security Policy 3)."""

_TITLE = "Copy of a case record"
_PARTS = {
    "incidents": "Incidents",
    "promises": "Promises",
    "consultations": "Consultations",
    "notes": "Progress notes",
    "responses": "Looking back",
    "accounts": "Said at the clinic's door",
    "corrections": "Corrections",
    "disclosures": "Who received a copy",
}
_MAY_BE_ELSEWHERE = "accounts"
"""Of these nobody says that there are none: they may be hidden from whoever gives the copy."""


def page_of(copy: CaseCopy) -> str:
    """Write the page."""
    body = "\n".join(_body(copy))
    # the file is opened from a disk, too, where no header comes with it
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_OF_THE_FILE}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{_TITLE}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _body(copy: CaseCopy) -> Iterator[str]:
    yield f"<h1>{_TITLE}</h1>"
    yield f"<p>{_written(copy.clinic)}, {_written(copy.exported_at)}</p>"
    yield "<h2>The case</h2>"
    yield _table("Case", _rows(copy.case))
    for name, title in _PARTS.items():
        records: list[BaseModel] = getattr(copy, name)
        if not records and name == _MAY_BE_ELSEWHERE:
            continue
        yield f"<h2>{title}</h2>"
        for number, record in enumerate(records, 1):
            yield _table(f"{number} of {len(records)}", _rows(record))
        if not records:
            yield "<p>None.</p>"
    yield f"<p>{_written(copy.door)}</p>"


def _rows(record: BaseModel, before: str = "") -> Iterator[tuple[str, str]]:
    """Give label and value of each field; what is not known has no row."""
    for name in type(record).model_fields:
        value, called = getattr(record, name), sent_as(type(record), name)
        label = f"{before}{called.replace('_', ' ')}"
        if isinstance(value, BaseModel) and not isinstance(value, NamedPerson):
            yield from _rows(value, f"{label}: ")
        elif isinstance(value, list) and value and isinstance(value[0], BaseModel):
            for number, each in enumerate(value, 1):
                yield from _rows(each, f"{label} {number}: ")
        elif value not in (None, []):
            # of an incident's details it is no word of an enum
            spelled = value.replace("_", " ") if name == "kind" else value
            yield label, _written(spelled)


def _table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    written = "\n".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{value}</td></tr>' for label, value in rows
    )
    return f"<table>\n<caption>{escape(caption)}</caption>\n{written}\n</table>"


def _written(value: Any) -> str:
    """Write a value for a reader; it is escaped here, and nowhere else."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return escape(str(value.value).replace("_", " "))
    if isinstance(value, list):
        return ", ".join(map(_written, value))
    if isinstance(value, NamedPerson):
        return escape(value.name)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return value.isoformat() if isinstance(value, date) else escape(str(value))
