"""One flag: why it asks for a look, what it rests on, and what is done about it."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from api.desk.asking import Refused
from api.desk.desk import Desk, Doors, ids_of
from api.desk.forms import Form, add_forms, fields
from api.desk.showing import people_in, shown
from api.domain.permissions.actions import Action
from api.domain.vocabulary import FlagStatus, Severity
from api.routes.flags import FlagAcknowledgement, FlagCreate, FlagReopening, FlagResolution

doors = Doors()

_OPENED_BESIDE = 6
"""Records of the evidence that are shown with the flag; others are a link away."""
_A_LINK_AWAY = {"account", "response", "case"}
"""What is not opened beside: the case is named already, answers have a page of their own, and
clients learn who read what they said at their door, so that it is opened by whoever means to."""
_FLAG = "/v1/flags/{flag_id}"
_PAGE = "/desk/flags/{flag_id}"
_WAITING = {FlagStatus.open, FlagStatus.acknowledged}

ACKNOWLEDGE = Form(
    f"{_PAGE}/acknowledge",
    "Say who looks",
    Action.flag_acknowledge,
    f"{_FLAG}/acknowledge",
    _PAGE,
    body=FlagAcknowledgement,
    about=_FLAG,
    button="Somebody looks",
)
RESOLVE = Form(
    f"{_PAGE}/resolve",
    "Close this flag",
    Action.flag_resolve,
    f"{_FLAG}/resolve",
    _PAGE,
    body=FlagResolution,
    about=_FLAG,
    button="Close it",
)
REOPEN = Form(
    f"{_PAGE}/reopen",
    "Open this flag again",
    Action.flag_reopen,
    f"{_FLAG}/reopen",
    _PAGE,
    body=FlagReopening,
    about=_FLAG,
    button="Open it again",
)
RAISE = Form(
    "/desk/cases/{case_id}/flags/new",
    "Ask for a look yourself",
    Action.flag_raise,
    "/v1/cases/{case_id}/flags",
    "/desk/flags/{id}",
    body=FlagCreate,
    about="/v1/cases/{case_id}",
    button="Raise this flag",
)
add_forms(doors, ACKNOWLEDGE, RESOLVE, REOPEN, RAISE)


@doors.get(_PAGE)
async def show_flag(desk: Desk) -> Response:
    """Show a flag with its evidence, and the forms for what may be done with it."""
    flag = await desk.api.get(_FLAG.format_map(desk.request.path_params))
    case = await desk.api.get(f"/v1/cases/{flag['case_id']}")
    may_open = [each for each in flag["evidence"] if each["type"] not in _A_LINK_AWAY]
    beside = may_open[:_OPENED_BESIDE]
    evidence = [await _opened(desk, each) for each in beside]
    earlier = (await desk.api.get(f"/v1/flags/{flag['id']}/resolutions"))["items"]
    await desk.name(
        *people_in([flag, case, *(record for _, record in evidence if record)]),
        *ids_of(earlier, "resolved_by_id"),
    )
    is_mine = desk.is_me(case["clinician_id"])
    return desk.page(
        "flag.html",
        flag=flag,
        case=case,
        evidence=[(each, None if row is None else shown(row)) for each, row in evidence],
        more=[each for each in flag["evidence"] if each not in beside],
        earlier=earlier,
        waits=flag["status"] in _WAITING,
        may_look=desk.may(Action.flag_acknowledge) and not is_mine,
        may_resolve=desk.may(Action.flag_resolve)
        and (not is_mine or flag["severity"] == Severity.info),
        resolve=fields(RESOLVE),
        reopen=fields(REOPEN),
    )


async def _opened(
    desk: Desk, each: Mapping[str, str]
) -> tuple[Mapping[str, str], dict[str, Any] | None]:
    """Open a record that a flag rests on; nothing, where its reader may not see it (any more)."""
    try:
        record: dict[str, Any] = await desk.api.get(f"/v1/{each['type']}s/{each['id']}")
    except Refused as refused:
        if refused.status not in {403, 404}:
            raise
        return each, None
    return each, record
