"""What a request would rather be answered with: names with their weights (RFC 9110, 12.4.2)."""

import re
from collections.abc import Iterable, Iterator

from fastapi import Request

from api.languages.choosing import choose

LONGEST = 4_096
"""Characters of a header that are looked at: no reader has so many wishes."""
_WEIGHT = re.compile(r"(0(\.\d{0,3})?|1(\.0{0,3})?)", re.ASCII)


def weighed(header: str) -> list[tuple[str, float]]:
    """Read such a header, in small letters; a part whose weight is none says nothing."""
    return [*_weighed(header[:LONGEST].lower().split(","))]


def _weighed(parts: Iterable[str]) -> Iterator[tuple[str, float]]:
    for part in parts:
        name, *parameters = (each.strip() for each in part.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        if name and _WEIGHT.fullmatch(weight):
            yield name, float(weight)


def language_for(request: Request, *wishes: str | None) -> str:
    """Give the code of the language to answer in; `wishes`, where the request asks for none."""
    asked = ",".join(request.headers.getlist("accept-language"))
    return choose(weighed(asked), *wishes)
