"""Cases: which there are, one as a picture with its tables, and what is changed of it."""

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

from fastapi import Response

from api.desk.asked import titles_of
from api.desk.asking import Refused
from api.desk.case_picture import SPANS, Records, draw
from api.desk.desk import Desk, Doors, ids_of
from api.desk.forms import Form, add_forms
from api.desk.lists import Listed, read_list
from api.desk.marked import N_
from api.desk.showing import people_in, shown
from api.domain.bodies import CaseCreate
from api.domain.permissions.actions import Action
from api.domain.vocabulary import SEVERITY_ORDER, Audience, FlagStatus
from api.routes.cases import CasePatch, CaseTransfer

doors = Doors()

_CASE = "/v1/cases/{case_id}"
_PAGE = "/desk/cases/{case_id}"
_MOST = 100
"""Records of a kind on a case's page; older ones are in the lists."""

OPEN = Form(
    "/desk/cases/new",
    "Open a case",
    Action.case_open,
    "/v1/cases",
    "/desk/cases/{id}",
    body=CaseCreate,
    leaves_out=frozenset({"clinician_id"}),
    button="Open the case",
)
CHANGE = Form(
    f"{_PAGE}/change",
    "Change the case",
    Action.case_change,
    _CASE,
    _PAGE,
    body=CasePatch,
    method="PATCH",
    about=_CASE,
    changes=True,
)
TRANSFER = Form(
    f"{_PAGE}/transfer",
    "Hand the case over",
    Action.case_transfer,
    f"{_CASE}/transfer",
    "/desk",
    body=CaseTransfer,
    about=_CASE,
    button="Hand it over",
)
VOID = Form(
    f"{_PAGE}/void",
    "Void the case",
    Action.case_void,
    _CASE,
    "/desk",
    method="DELETE",
    about=_CASE,
    button="Void it",
    hint="What was entered in error is kept and counts no more. It cannot be taken back.",
    reason=True,
)
add_forms(doors, OPEN, CHANGE, TRANSFER, VOID)


@doors.get("/desk/cases")
async def show_cases(desk: Desk) -> Response:
    """List the cases that somebody sees, newest first."""
    asked = desk.request.query_params
    query = {name: asked[name] for name in ("cursor", "status", "client_ref") if asked.get(name)}
    page = await desk.api.get("/v1/cases", limit=50, **query)
    await desk.name(*ids_of(page["items"], "clinician_id"))
    # whoever has a queue finds there what waits
    waits = [] if query or desk.may(Action.queue_read) else await _waiting(desk)
    return desk.page(
        "cases.html", items=page["items"], following=page["next"], query=query, waits=waits
    )


async def _waiting(desk: Desk) -> list[dict[str, Any]]:
    """Give what asks for a look, or is worth thinking of, on somebody's own cases."""
    flags: list[dict[str, Any]] = []
    for status in sorted(_WAITING):
        flags += (await desk.api.get("/v1/flags", status=status, limit=_FIRST))["items"]
    return sorted(flags, key=_gravest)[:_FIRST]


_FIRST = 20
"""Flags that a clinician is shown before their cases."""


def _gravest(flag: Mapping[str, Any]) -> int:
    return -SEVERITY_ORDER.index(flag["severity"])


@doors.get(_PAGE)
async def show_case(desk: Desk) -> Response:
    """Show a case: what asks for a look, the picture of it, and the records it is made of."""
    case = await desk.api.get(_CASE.format_map(desk.request.path_params))
    records = Records(
        *[
            await _listed(desk, f"/v1/cases/{case['id']}/{noun}") or []
            for noun in ("incidents", "promises", "consultations", "notes", "flags")
        ]
    )
    responses = await _listed(desk, f"/v1/cases/{case['id']}/responses")
    accounts = await _listed(desk, f"/v1/cases/{case['id']}/accounts") or []
    await desk.name(*people_in([case]), *ids_of(records.flags, "assigned_to_id"))
    words, asked = desk.words, desk.request.query_params
    span = asked.get("span", "all") if asked.get("span") in SPANS else "all"
    waiting = sorted((each for each in records.flags if each["status"] in _WAITING), key=_gravest)
    return desk.page(
        "case.html",
        case=case,
        rows=shown(case, "flags", "client_ref"),
        records=records,
        responses=responses,
        accounts=accounts,
        titles=await titles_of(desk, responses or []),
        flags=[each for each in waiting if each["audience"] == Audience.supervisor],
        prompts=[each for each in waiting if each["audience"] == Audience.clinician],
        drawn=draw(records, words.zone, words.today, span, _day(asked.get("until"))),
        span=span,
        spans=list(SPANS),
        is_mine=desk.is_me(case["clinician_id"]),
        may_here=partial(desk.may_on, clinician_id=case["clinician_id"]),
        most=_MOST,
    )


_WAITING = {FlagStatus.open, FlagStatus.acknowledged}


async def _listed(desk: Desk, path: str) -> list[dict[str, Any]] | None:
    """Read the newest of a kind; None where this kind is not for its reader."""
    try:
        items: list[dict[str, Any]] = (await desk.api.get(path, limit=_MOST))["items"]
    except Refused as refused:
        if refused.status != 403:
            raise
        return None
    return items


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    # a span before the first of all days has no beginning
    return day if 1900 <= day.year < 3000 else None


@doors.get(f"{_PAGE}/timeline")
async def show_timeline(desk: Desk) -> Response:
    """Tell what happened on a case, newest first."""
    listed = await read_list(desk, f"{_CASE}/timeline".format_map(desk.request.path_params))
    return _told(desk, listed, N_("What happened"))


@doors.get(f"{_PAGE}/readers")
async def show_readers(desk: Desk) -> Response:
    """Tell who read a case: to its clinician, and to privacy officers."""
    case_id = desk.request.path_params["case_id"]
    await desk.api.get(f"/v1/cases/{case_id}")
    listed = await read_list(desk, "/v1/journal", case_id=case_id, is_read="true")
    return _told(desk, listed, N_("Who read this case"))


def _told(desk: Desk, listed: Listed, title: str) -> Response:
    case_id = desk.request.path_params["case_id"]
    return desk.page("timeline.html", listed=listed, title=title, case_id=case_id)
