"""The journal: who did and who read what; its sealed heads, and the proof of one entry."""

from typing import Any

from fastapi import Response

from api.desk.asking import Refused, Told
from api.desk.desk import Desk, Doors, ids_of
from api.desk.fields import name_of
from api.desk.lists import read_list
from api.journal.entries import Happening

doors = Doors()

_HERE = "/desk/journal"
_FILTERS = ("actor_id", "case_id", "happening", "is_read", "from", "to")
_A_PAGE = 50


@doors.get(_HERE)
async def show_journal(desk: Desk) -> Response:
    """Show the entries that somebody may see, as they chose them."""
    asked = desk.request.query_params
    chosen = {name: asked[name].strip() for name in _FILTERS if asked.get(name, "").strip()}
    people, _ = await desk.api.whole("/v1/colleagues")
    page, wrong = await _read(desk, chosen)
    return desk.page(
        "journal.html",
        200 if wrong is None else wrong.status,
        items=page["items"],
        following=page["next"],
        cursor=asked.get("cursor"),
        chosen=chosen,
        people=people,
        happenings=sorted(map(str, Happening)),
        path=f"{_HERE}{desk.words.query(chosen)}",
        wrong=wrong,
        errors={} if wrong is None else _by_name(wrong.errors),
    )


async def _read(desk: Desk, chosen: dict[str, str]) -> tuple[dict[str, Any], Refused | None]:
    """Read a page of the journal; nothing of it, and why, where what was chosen makes no sense."""
    cursor = desk.request.query_params.get("cursor")
    try:
        page = await desk.api.get("/v1/journal", limit=_A_PAGE, cursor=cursor, **chosen)
    except Refused as refused:
        if refused.status != 422:
            raise
        return {"items": [], "next": None}, refused
    return page, None


def _by_name(errors: list[Told]) -> dict[str, Told]:
    return {name_of(each.pointer).rpartition(".")[2]: each for each in errors}


@doors.get(f"{_HERE}/heads")
async def show_heads(desk: Desk) -> Response:
    """Show the signed heads of the journal, to keep elsewhere."""
    listed = await read_list(desk, "/v1/journal/heads", limit=20)
    return desk.page("journal_heads.html", listed=listed)


@doors.get(f"{_HERE}/{{entry_id}}/proof")
async def show_proof(desk: Desk) -> Response:
    """Show that an entry was sealed as it stands."""
    proof = await desk.api.get("/v1/journal/{entry_id}/proof".format_map(desk.request.path_params))
    await desk.name(*ids_of([proof["entry"]], "actor_id"))
    return desk.page("journal_proof.html", proof=proof, entry=proof["entry"], head=proof["head"])
