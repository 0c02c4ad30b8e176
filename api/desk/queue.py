"""The first page: a supervisor's queue, what nobody watches, or a clinician's own cases."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fastapi import Response

from api.access.authentication import LastSeen
from api.desk.asking import Refused
from api.desk.cases import show_cases
from api.desk.desk import HOME, Desk, Doors, Page, go, ids_of
from api.desk.lists import Choice, read_list
from api.desk.marked import N_
from api.desk.visits import Visits
from api.desk.words import Words
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor, may_ever
from api.domain.vocabulary import FlagStatus, Severity
from api.languages.spoken import IN_ENGLISH

doors = Doors()

A_PAGE = 25
"""Cases on a page, which is read on a phone, too."""


@doors.get(HOME)
async def home(desk: Desk) -> Response:
    """Show somebody what waits for them first."""
    try:
        return await (await _stands_first(desk))(desk)
    except Refused as refused:
        # their role is another than it was a moment ago
        if refused.status != 403:
            raise
        await desk.know_me()
        return await _first_of(desk.api.me)(desk)


async def _stands_first(desk: Desk) -> Page:
    """Give what somebody sees first, by their role as it was last seen; else it is asked."""
    shown = desk.api.shown
    seen: LastSeen = desk.request.app.state.last_seen
    stood = None if shown is None else seen.of(shown.session_id)
    if shown is not None and stood is not None:
        return _first_of(Actor(shown.user_id, stood[0], shown.session_id))
    await desk.know_me()
    return _first_of(desk.api.me)


def _first_of(me: Actor | None) -> Page:
    pages = (page for action, page in _PAGES if me is not None and may_ever(me, action))
    return next(pages, _elsewhere)


async def _queue(desk: Desk) -> Response:
    query = {
        name: value
        for name, value in desk.request.query_params.items()
        if name in {"min_severity", "overdue", "acknowledged", "assigned_to_id", "cursor", "rule"}
    }
    me = "" if desk.api.shown is None else str(desk.api.shown.user_id)
    if query.get("assigned_to_id") == "me":
        query["assigned_to_id"] = me
    page = await desk.api.get("/v1/flagged-cases", limit=A_PAGE, **query)
    items = page["items"]
    flags = [flag for item in items for flag in item["flags"]]
    await desk.name(
        *ids_of([item["case"] for item in items], "clinician_id"),
        *ids_of(flags, "assigned_to_id"),
    )
    visits: Visits = desk.request.app.state.visits
    last = None if desk.api.shown is None else await visits.before(desk.api.shown)
    moved, words = set(page["moved"]), desk.words
    return desk.page(
        "queue.html",
        cases=[_told(words, item, desk.names, moved, last) for item in items],
        following=page["next"],
        filters=_filters(words, query, flags, me, is_whole=page["next"] is None),
        path=_path(query),
        query=query,
    )


class FlagTold(NamedTuple):
    """A flag as a line of the queue: each text as it stands there."""

    path: str
    title: str
    because: str
    language: str
    severity: str
    word: str
    since: str
    due: str
    is_late: bool
    looks: str | None
    is_restricted: bool
    mark: str | None
    """What is to be said of it since its reader was last here; None: nothing."""


class CaseTold(NamedTuple):
    """A case of the queue, with its flags."""

    path: str
    ref: str | None
    severity: str
    word: str
    clinician: str
    due: str
    is_late: bool
    has_moved: bool
    flags: list[FlagTold]


def _told(
    words: Words,
    item: Mapping[str, Any],
    names: Mapping[str, str],
    moved: set[str],
    last: datetime | None,
) -> CaseTold:
    case, severity, due = item["case"], item["top_severity"], item["next_due_at"]
    return CaseTold(
        f"/desk/cases/{case['id']}",
        case["client_ref"],
        severity,
        words.word(severity),
        names.get(case["clinician_id"], case["clinician_id"]),
        words.due(due),
        words.is_past(due),
        case["id"] in moved,
        [_flag_told(words, flag, names, last) for flag in item["flags"]],
    )


def _flag_told(
    words: Words, flag: Mapping[str, Any], names: Mapping[str, str], last: datetime | None
) -> FlagTold:
    says = flag["says"] or {**flag, "language": IN_ENGLISH}
    # one that was opened again waits for somebody to take it anew
    looks = None if flag["status"] == FlagStatus.open else flag["assigned_to_id"]
    return FlagTold(
        f"/desk/flags/{flag['id']}",
        says["title"],
        says["because"],
        says["language"],
        flag["severity"],
        words.word(flag["severity"]),
        words.day(flag["effective_at"]),
        words.due(flag["due_at"]),
        words.is_past(flag["due_at"]),
        None if looks is None else names.get(looks, looks),
        flag["restricted"],
        _mark(words, flag, last),
    )


def _mark(words: Words, flag: Mapping[str, Any], last: datetime | None) -> str | None:
    """Say whether a flag is new, or says something else, since its reader was last here."""
    if last is None or datetime.fromisoformat(flag["updated_at"]) <= last:
        return None
    if datetime.fromisoformat(flag["created_at"]) > last:
        return words.text("new since your last visit")
    waits = flag["status"] == FlagStatus.open
    return words.text("changed since your last visit") if waits else None


def _path(query: Mapping[str, str]) -> str:
    kept = {name: value for name, value in query.items() if name != "cursor"}
    return f"{HOME}?{urlencode(kept)}" if kept else HOME


def _filters(
    words: Words,
    query: Mapping[str, str],
    flags: list[Mapping[str, Any]],
    me: str,
    *,
    is_whole: bool,
) -> list[Choice]:
    """Give the choices there are, with how many flags each shows where all are on the page.

    To count what is on no page would take several times as long as to read one; the summary does.
    """
    chosen = {name: value for name, value in query.items() if name != "cursor"}
    counts = _counted(words, flags, me) if is_whole and not query else {}
    return [
        Choice(
            name,
            _path(choice),
            chosen == ({"assigned_to_id": me} if "assigned_to_id" in choice else choice),
            counts.get(name),
        )
        for name, choice in CHOICES.items()
    ]


def _counted(words: Words, flags: list[Mapping[str, Any]], me: str) -> dict[str, int]:
    by = Counter(flag["severity"] for flag in flags)
    return {
        "all": len(flags),
        "critical": by[Severity.critical],
        "high and graver": by[Severity.critical] + by[Severity.high],
        "overdue": sum(words.is_past(flag["due_at"]) for flag in flags),
        "nobody looks yet": sum(flag["status"] == FlagStatus.open for flag in flags),
        "mine": sum(flag["assigned_to_id"] == me for flag in flags),
    }


CHOICES: dict[str, dict[str, str]] = {
    N_("all"): {},
    N_("critical"): {"min_severity": "critical"},
    N_("high and graver"): {"min_severity": "high"},
    N_("overdue"): {"overdue": "true"},
    N_("nobody looks yet"): {"acknowledged": "false"},
    N_("mine"): {"assigned_to_id": "me"},
}
"""What may be chosen of the queue, each as it is asked of the API; `me` is who reads it."""


async def _unwatched(desk: Desk) -> Response:
    """Show privacy officers which cases nobody sees: no more than that they wait."""
    listed = await read_list(desk, "/v1/flagged-cases", unwatched="true")
    return desk.page("unwatched.html", listed=listed)


async def _elsewhere(desk: Desk) -> Response:
    """Go to the first page that somebody has who has neither queue nor cases."""
    if desk.api.me is None:
        await desk.know_me()
    return go("/desk/consultations" if desk.may(Action.consultation_list) else "/desk/people")


_PAGES: tuple[tuple[Action, Page], ...] = (
    (Action.queue_read, _queue),
    (Action.queue_unwatched, _unwatched),
    (Action.case_list, show_cases),
)
"""What somebody sees first: the first of these that they may."""
