"""Lists: which rows of one are asked for, and how far it was read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from api.desk.desk import Desk

_A_PAGE = 50
_WHOLE = "all"
"""What an address says that chooses nothing, where a list would choose something by itself."""

Choices = Sequence[tuple[str, Mapping[str, str]]]
"""What may be chosen of a list, each by its name; the first as long as nobody chose."""


class Choice(NamedTuple):
    """A choice, as a link."""

    name: str
    path: str
    is_chosen: bool
    number: int | None = None
    """How many there are; None where that is not counted."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a list."""

    items: list[dict[str, Any]]
    following: str | None
    cursor: str | None
    path: str
    """Where it is read from the beginning."""
    choices: list[Choice]


async def read_list(
    desk: Desk, api: str, choices: Choices = (), *, limit: int = _A_PAGE, **fixed: str
) -> Listed:
    """Read a page of a list of the API, as far as its reader chose. Raises Refused."""
    asked, here = desk.request.query_params, desk.request.scope["path"]
    names = {name for _, choice in choices for name in choice}
    chosen = {name: asked[name] for name in sorted(names) if asked.get(name)}
    if choices and not chosen and _WHOLE not in asked:
        chosen = dict(choices[0][1])
    cursor = asked.get("cursor")
    page = await desk.api.get(api, limit=limit, cursor=cursor, **chosen, **fixed)
    return Listed(
        page["items"],
        page["next"],
        cursor,
        _at(here, chosen) if choices else here,
        [Choice(name, _at(here, choice), choice == chosen) for name, choice in choices],
    )


def _at(here: str, chosen: Mapping[str, str]) -> str:
    return f"{here}?{urlencode(chosen) or f'{_WHOLE}='}"
