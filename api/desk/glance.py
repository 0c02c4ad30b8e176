"""At a glance: what waits in numbers, patterns over months, an agenda, a monthly report.

These are printed, and read by others than who asked for them: nothing that is kept from a case's
clinician is in them. A second sheet of an agenda, for the supervisor alone, is asked for apart.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from fastapi import Response

from api.desk.desk import Desk, Doors
from api.desk.marked import N_
from api.desk.words import Words
from api.domain.permissions.actions import Action
from api.domain.vocabulary import FlagStatus

doors = Doors()


@doors.get("/desk/summary")
async def show_summary(desk: Desk) -> Response:
    """Show how much waits, how grave it is and how old."""
    told = await desk.api.get("/v1/summary", restricted="false")
    ages = [(AGES[name], told["flags"]["by_age"][name]) for name in AGES]
    return desk.page("summary.html", told=told, ages=ages, most=max(1, *(n for _, n in ages)))


AGES = {
    "under_1_day": N_("under a day"),
    "from_1_to_7_days": N_("1 to 7 days"),
    "from_8_to_30_days": N_("8 to 30 days"),
    "over_30_days": N_("over 30 days"),
}


@doors.get("/desk/patterns")
async def show_patterns(desk: Desk) -> Response:
    """Show what was flagged about one clinician's conduct, by month and rule."""
    asked = desk.request.query_params
    people = await _linked(desk)
    whose = asked.get("clinician_id") or (people[0] if people else None)
    told = await desk.api.get(
        "/v1/patterns",
        clinician_id=whose,
        restricted="false",
        **{name: asked[name] for name in ("from", "to") if asked.get(name)},
    )
    await desk.name(told["clinician_id"])
    months = _months(date.fromisoformat(told["from"]), date.fromisoformat(told["to"]))
    return desk.page(
        "patterns.html", told=told, people=people, months=months, rows=_by_rule(told, months)
    )


def _months(first: date, last: date) -> list[str]:
    every = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [f"{month // 12:04}-{month % 12 + 1:02}" for month in every]


def _by_rule(told: Mapping[str, Any], months: list[str]) -> dict[str, list[int]]:
    """Give for each rule how many flags it raised in each month."""
    rows: dict[str, list[int]] = {}
    for month in told["months"]:
        for each in month["rules"]:
            row = rows.setdefault(each["rule"], [0] * len(months))
            row[months.index(month["month"])] = each["flags"]
    return rows


@doors.get("/desk/agenda")
async def show_agenda(desk: Desk) -> Response:
    """Show what to talk about with one clinician, made from the queue, to print."""
    people = await _linked(desk)
    whose = desk.request.query_params.get("clinician_id")
    alone = desk.request.query_params.get("sheet") == "alone"
    if whose is None:
        first = (await desk.api.get("/v1/flagged-cases", limit=1))["items"]
        whose = first[0]["case"]["clinician_id"] if first else next(iter(people), None)
    items, is_whole = await desk.api.whole("/v1/flagged-cases", clinician_id=whose)
    await desk.name(whose)
    points = [(item["case"], _told(item["flags"], restricted=alone)) for item in items]
    return desk.page(
        "agenda.html",
        people=people,
        whose=whose,
        alone=alone,
        points=[(case, flags) for case, flags in points if flags],
        is_whole=is_whole,
    )


def _told(flags: Iterable[dict[str, Any]], *, restricted: bool) -> list[dict[str, Any]]:
    return [flag for flag in flags if flag["restricted"] is restricted]


@doors.get("/desk/report")
async def show_report(desk: Desk) -> Response:
    """Show a month in numbers, as a clinic prints and keeps it: nobody is named."""
    me = await desk.know_me()
    words = desk.words
    first = _month(desk.request.query_params.get("month"), words)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    told = await desk.api.get("/v1/summary", restricted="false")
    raised: list[dict[str, Any]] = []
    is_whole = True
    if desk.may(Action.flag_list):
        raised, is_whole = await desk.api.whole(
            "/v1/flags", audience="supervisor", **{"from": str(first), "to": str(last)}
        )
    return desk.page(
        "report.html",
        clinic=me["clinic"]["name"],
        first=first,
        earlier=f"{first - timedelta(days=1):%Y-%m}",
        told=told,
        rules=_counted(_told(raised, restricted=False)),
        counts_rules=desk.may(Action.flag_list),
        is_whole=is_whole,
        ages=[(AGES[name], told["flags"]["by_age"][name]) for name in AGES],
    )


def _counted(flags: list[dict[str, Any]]) -> list[tuple[dict[str, Any], int, int]]:
    """Count flags by rule: how many were raised, and how many of them a person has closed."""
    raised = Counter(flag["rule"] for flag in flags)
    closed = Counter(flag["rule"] for flag in flags if flag["status"] == FlagStatus.resolved)
    first = {flag["rule"]: flag for flag in reversed(flags)}
    return [(first[rule], number, closed[rule]) for rule, number in raised.most_common()]


def _month(asked: str | None, words: Words) -> date:
    try:
        month = date.fromisoformat(f"{asked}-01")
    except ValueError:
        return words.today.replace(day=1)
    # the first and last of all months have none beside them
    return month if 1900 <= month.year < 3000 else words.today.replace(day=1)


async def _linked(desk: Desk) -> list[str]:
    """Give the clinicians that somebody answers for today."""
    me = await desk.know_me()
    today = desk.words.today.isoformat()
    found = [
        link["clinician_id"]
        for link in me["supervisions"]
        if link["supervisor_id"] == me["id"]
        and link["starts_on"] <= today
        and (link["ends_on"] is None or today < link["ends_on"])
    ]
    await desk.name(*found)
    return list(dict.fromkeys(found))
