"""Notices: who has come to see somebody's work, or could sign in as them, and that it was read."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from api.desk.desk import Desk, Doors, go
from api.desk.lists import read_list
from api.desk.marked import N_
from api.storage.models.access import NoticeKind

doors = Doors()
_HERE = "/desk/notices"
_AT_ONCE = 50

K = NoticeKind
SAID: Mapping[str, str] = {
    K.clinician: N_("%(who)s is a clinician now."),
    K.supervisor: N_(
        "%(who)s is a supervisor now, and may answer for the work of clinicians they are linked to."
    ),
    K.consultant: N_("%(who)s is a consultant now, and may read requests that are open to any."),
    K.privacy_officer: N_("%(who)s is a privacy officer now, and reads the whole journal."),
    K.admin: N_("%(who)s is an admin now, and may let others in."),
    K.supervision: N_(
        "%(who)s was linked as a supervisor to a clinician, and sees the clinician's "
        "cases while the link holds."
    ),
    K.supervision_begins: N_(
        "The link of %(who)s as a supervisor has begun: from now on they see the clinician's cases."
    ),
    K.cover: N_("%(who)s stands in on a case, and works on it as its clinician does."),
    K.break_glass: N_("%(who)s opened a case in an emergency, and could read it for half an hour."),
    K.recusal_ended: N_("%(who)s had to keep away from a case, and need not any more."),
    K.transfer: N_("A case was handed over: %(who)s is its clinician now."),
    K.software: N_("The software “%(who)s” may read what was said on every case."),
    K.let_in_again: N_("%(who)s was shut out, and may sign in again."),
    K.first_password: N_(
        "An account was made for %(who)s. Whoever made it chose the first password, "
        "and knows it until it is changed."
    ),
    K.password_reset_offered: N_("A code was made by which a new password can be set for %(who)s."),
    K.password_reset: N_(
        "A new password was set for %(who)s, with a code that an admin was shown."
    ),
    K.second_factor_removed: N_(
        "%(who)s has no second factor any more: a password alone signs them in."
    ),
    K.email_changed: N_("The address by which %(who)s signs in was changed."),
}
"""What each kind of notice means, in a sentence."""

_LEADS_TO: tuple[tuple[str, str, str], ...] = (
    (K.supervision, "supervision:list", "/desk/links"),
    (K.supervision_begins, "supervision:list", "/desk/links"),
    (K.cover, "cover:list", "/desk/covers"),
    (K.break_glass, "glass:list", "/desk/openings/{record_id}"),
    (K.transfer, "case:read", "/desk/cases/{record_id}"),
    (K.software, "service:read", "/desk/software/{record_id}"),
)
"""Where more of it is told, and what somebody must be allowed to do to look there."""


@doors.get(_HERE)
async def show_notices(desk: Desk) -> Response:
    """Show what somebody has not read yet, and then what they have."""
    unread = await desk.api.get("/v1/me/notices", limit=_AT_ONCE, read="false")
    listed = await read_list(desk, "/v1/me/notices", read="true")
    return desk.page(
        "notices.html",
        unread=unread["items"],
        has_more=unread["next"] is not None,
        listed=listed,
        says=lambda notice: _say(desk, notice),
        leads_to=lambda notice: _lead(desk, notice),
    )


def _say(desk: Desk, notice: Mapping[str, Any]) -> str:
    words = desk.words
    who = notice["user_name"] or words.text("Somebody who is here no more")
    return words.text(SAID[notice["kind"]], who=who)


def _lead(desk: Desk, notice: Mapping[str, Any]) -> str | None:
    for kind, action, path in _LEADS_TO:
        if kind == notice["kind"] and desk.may(action):
            return path.format_map(notice)
    return None


@doors.post(f"{_HERE}/read")
async def mark_as_read(desk: Desk) -> Response:
    """Keep that somebody has read what stood on the page."""
    ids = desk.values("ids")
    if ids:
        await desk.api.send("POST", "/v1/me/notices/read", {"ids": ids})
    return go(_HERE)
