"""Lists as CSV (RFC 4180): the same rows as in the JSON answer, for whoever asks for text/csv."""

import csv
import io
import json
from collections.abc import Iterable
from types import UnionType
from typing import Any, Union, get_args, get_origin
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel

from api.http.accept_headers import weighed

CSV = "text/csv"
MEDIA_TYPE = f"{CSV}; charset=utf-8; header=present"

JSON = "application/json"
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Columns = tuple[tuple[str, ...], ...]
"""The fields that an item of a list may have: one tuple for each of its schemas."""


def list_columns(answer: Any) -> Columns:
    """Give the fields of the items of a list's answer; nothing where it is no list."""
    return tuple(
        tuple(item.model_fields)
        for page in _alternatives(answer)
        if isinstance(page, type)
        and issubclass(page, BaseModel)
        and page.model_fields.keys() >= {"items", "next"}
        for item in _alternatives(get_args(page.model_fields["items"].annotation)[0])
    )


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    union = get_origin(annotation) in {Union, UnionType}
    return get_args(annotation) if union else (annotation,)


def prefers_csv(accept: str) -> bool:
    """Tell whether an `Accept` header wants CSV more than JSON (RFC 9110, section 12.5.1)."""
    return prefers(CSV, accept)


def prefers(media: str, accept: str, *, to: str = JSON) -> bool:
    """Tell whether an `Accept` header wants some media type more than another."""
    ranges = weighed(accept)
    return _wanted(media, ranges) > _wanted(to, ranges)


def _wanted(media: str, ranges: Iterable[tuple[str, float]]) -> float:
    """Give the weight of the narrowest range that a media type is in."""
    known = dict(ranges)
    for name in (media, f"{media.partition('/')[0]}/*", "*/*"):
        if name in known:
            return known[name]
    return 0.0


def write_csv(items: list[dict[str, Any]], columns: Columns) -> str:
    """Write the items of a page, under a row with the names of their fields."""
    shapes = [each for each in columns if any(item.keys() == set(each) for item in items)]
    # items of several schemas stand under the names of all of them; an empty list under the first
    names = list(dict.fromkeys(name for each in shapes or columns[:1] for name in each))
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(names)
    writer.writerows([_cell(item.get(name)) for name in names] for item in items)
    return written.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return defused(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def defused(text: str) -> str:
    """Keep a text from being run as a formula by the program that opens the list."""
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text


def link_to_next(path: str, query: str, cursor: str) -> str:
    """Write the `Link` header (RFC 8288) of the page that follows."""
    asked = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in asked if name != "cursor"]
    return f'<{path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'
