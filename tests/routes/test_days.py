"""Days that precede what they follow are refused, whichever door they come through."""

import json
from typing import Any, NamedTuple, get_args
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlmodel import col

from api.domain.bodies import CaseCreate, IncidentCreate, PromiseCreate
from api.domain.days import (
    CaseDays,
    IncidentDays,
    PromiseDays,
    days_of,
    impossible_days,
    out_of_order,
)
from api.domain.details import DETAILS, Details
from api.domain.vocabulary import Scope
from api.storage.models.clinical import Case, Incident, Promise
from tests.support.world import Person, World, incident, ok, promise, software

Record = dict[str, Any]


class Pair(NamedTuple):
    """Two fields of one record, of which the second follows from the first."""

    earlier: str
    later: str
    kind: str | None = None
    """Of an incident: its kind, where the later field stands in `details`."""
    needs: Record | None = None

    def __str__(self) -> str:
        return f"{self.kind or ''} {self.earlier} {self.later}".strip()

    @property
    def pointer(self) -> str:
        return f"/details/{self.later}" if self.kind else f"/{self.later}"


PAIRS = (
    Pair("started_on", "ended_on"),
    Pair("made_on", "due_on"),
    Pair("made_on", "discussed_on"),
    Pair("occurred_on", "responded_on", "disclosure", {"of": "love"}),
    Pair("occurred_on", "responded_on", "risk", {"indicator": "self_harm"}),
    Pair("occurred_on", "ends_on", "exception", {"exception": "reduced_fee"}),
    Pair("occurred_on", "return_due_on", "absence", {"absence": "vacation", "days": 3}),
    Pair("occurred_on", "answered_on", "record_request", {"request": "access"}),
    Pair("requested_on", "answered_on", "record_request", {"request": "access"}),
    Pair("occurred_on", "reported_on", "safeguarding", {"concern": "child"}),
)
"""Every pair of fields that a person or software writes, of which one follows from the other."""

NOT_A_PAIR = {
    # since when they are so is what other days follow
    "started_on",
    "made_on",
    "occurred_on",
    # the request may have come before what is told here, and is what its answer follows
    "requested_on",
}


def test_every_day_of_a_record_is_in_the_table_of_pairs() -> None:
    kinds = [each for union in get_args(Details) for each in get_args(union)]
    schemas = (CaseCreate, IncidentCreate, PromiseCreate, *kinds)
    days = {name for each in schemas for name in each.model_fields if name.endswith("_on")}
    assert len(kinds) > 20
    assert days - NOT_A_PAIR == {pair.later for pair in PAIRS}


def days_for(world: World, pair: Pair, *, right: bool) -> Record:
    """Give both days, in this order or in the other."""
    first, second = world.day(-20), world.day(-10)
    return (
        {pair.earlier: first, pair.later: second}
        if right
        else {
            pair.earlier: second,
            pair.later: first,
        }
    )


def body_of(world: World, pair: Pair, days: Record) -> Record:
    if pair.kind is None:
        if pair.earlier == "started_on":
            return {"client_ref": f"ref {days}", **days}
        return promise(world, **days)
    common = {"occurred_on": days["occurred_on"]} if "occurred_on" in days else {}
    inner = {name: day for name, day in days.items() if name != "occurred_on"}
    return {**incident(pair.kind, world, **(pair.needs or {}), **inner), **common}


async def write(by: Person, case: Record, pair: Pair, body: Record) -> Any:
    if pair.earlier == "started_on":
        return await by.post("/v1/cases", body)
    where = "incidents" if pair.kind else "promises"
    return await by.post(f"/v1/cases/{case['id']}/{where}", body)


def at(pair: Pair, record: Record) -> str:
    if pair.earlier == "started_on":
        return f"/v1/cases/{record['id']}"
    return f"/v1/{'incidents' if pair.kind else 'promises'}/{record['id']}"


def refused_at(answer: Any) -> list[tuple[str, str]]:
    return [(each["pointer"], each["message"]) for each in ok(answer, 422)["errors"]]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_what_follows_is_not_before_and_may_be_on_the_same_day(
    world: World, pair: Pair
) -> None:
    by = world.clinician
    case = await by.case()
    wrong = [(pair.pointer, out_of_order(pair.earlier))]
    upside_down = body_of(world, pair, days_for(world, pair, right=False))
    assert refused_at(await write(by, case, pair, upside_down)) == wrong
    same = dict.fromkeys((pair.earlier, pair.later), world.day(-20))
    ok(await write(by, case, pair, body_of(world, pair, same)), 201)
    right = ok(
        await write(by, case, pair, body_of(world, pair, days_for(world, pair, right=True))), 201
    )
    # and by a change of either
    path = at(pair, right)
    if pair.kind:
        details = {**right["details"], pair.later: world.day(-30)}
        assert refused_at(await by.patch(path, {"details": details})) == wrong
    else:
        assert refused_at(await by.patch(path, {pair.later: world.day(-30)})) == wrong
    if pair.earlier != "requested_on" and pair.kind != "record_request":
        assert refused_at(await by.patch(path, {pair.earlier: world.day(-1)})) == wrong


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_an_import_is_held_to_the_same(world: World, pair: Pair) -> None:
    by = await software(world, *(set(Scope) - {Scope.narrative_read}))
    person = {"type": "case", "key": "c", "clinician": world.clinician.email}
    lines: list[Record] = [{**person, "data": {"client_ref": "of all"}}]
    for right in (False, True):
        data = body_of(world, pair, days_for(world, pair, right=right))
        if pair.earlier == "started_on":
            lines.append({**person, "key": f"{right}", "data": data})
        else:
            kind = "incident" if pair.kind else "promise"
            lines.append({"type": kind, "key": f"{right}", "case": "c", "data": data})
    body = "\n".join(map(json.dumps, lines)).encode()
    headers = {"Content-Type": "application/x-ndjson"}
    done = ok(await by.send("POST", "/v1/imports", content=body, headers=headers), 201)
    assert (done["created"], done["refused"]) == (2, 1)
    (wrong,) = done["refusals"]
    assert wrong["line"] == 2
    assert wrong["pointer"] == f"/data{pair.pointer}"


async def test_a_day_does_not_stand_beside_a_no(world: World) -> None:
    by = world.clinician
    case = await by.case()
    wrong = [
        (
            "/discussed_on",
            "A day is given here, while `discussed_with_client` says no. Put one of them right.",
        )
    ]
    path = f"/v1/cases/{case['id']}/promises"
    told = promise(world, discussed_with_client=False, discussed_on=world.day(-2))
    assert refused_at(await by.post(path, told)) == wrong
    for said in (True, None):
        spoken = promise(world, discussed_with_client=said, discussed_on=world.day(-2))
        kept = ok(await by.post(path, spoken), 201)
        no = {"discussed_with_client": False}
        assert refused_at(await by.patch(f"/v1/promises/{kept['id']}", no)) == wrong
        ok(await by.patch(f"/v1/promises/{kept['id']}", {**no, "discussed_on": None}))


async def test_where_only_the_month_is_known_the_answer_may_have_come_within_it(
    world: World,
) -> None:
    by = world.clinician
    case = await by.case()
    path = f"/v1/cases/{case['id']}/incidents"
    for kind, later, needs in (
        ("disclosure", "responded_on", {"of": "love"}),
        ("record_request", "answered_on", {"request": "access"}),
    ):
        told = incident(kind, world, date_precision="month", **needs, **{later: "2026-01-09"})
        told["occurred_on"] = "2026-01-31"
        shown = ok(await by.post(path, told), 201)
        # sent back as it was read, it is taken again
        ok(await by.patch(f"/v1/incidents/{shown['id']}", {"details": shown["details"]}))
        told["details"][later] = "2025-12-31"
        assert refused_at(await by.post(path, told))[0][0] == f"/details/{later}"


async def test_what_stands_already_is_shown_and_may_be_changed_elsewhere(world: World) -> None:
    by = world.clinician
    case = await by.case(started_on=world.day(-30))
    given = await by.promise(case, due_on=world.day(3))
    seen = await by.incident(case, "risk", indicator="self_harm", responded_on=world.day(-1))
    async with world.owner.transaction() as tx:
        await tx.enter(by.clinic_id)
        day = tx.now.date()
        for statement in (
            update(Case).where(col(Case.id) == UUID(case["id"])).values(ended_on=day.replace(2020)),
            update(Promise)
            .where(col(Promise.id) == UUID(given["id"]))
            .values(due_on=day.replace(2020)),
            update(Incident)
            .where(col(Incident.id) == UUID(seen["id"]))
            .values(details={**seen["details"], "responded_on": "2020-01-01"}),
        ):
            await tx.exec(statement)
    assert ok(await by.get(f"/v1/promises/{given['id']}"))["due_on"].startswith("2020")
    ok(await by.patch(f"/v1/cases/{case['id']}", {"phase": "unknown"}))
    ok(await by.patch(f"/v1/promises/{given['id']}", {"state": "kept"}))
    shown = ok(await by.patch(f"/v1/incidents/{seen['id']}", {"narrative": "as it was"}))
    assert shown["details"]["responded_on"] == "2020-01-01"
    ok(await by.patch(f"/v1/incidents/{seen['id']}", {"details": shown["details"]}))
    # but no other day that cannot be is written
    assert refused_at(await by.patch(f"/v1/promises/{given['id']}", {"due_on": "2021-01-01"}))


def test_each_claim_is_held_to_today_and_to_the_other_day() -> None:
    body = PromiseCreate.model_validate(
        {
            "wording": "x",
            "made_by": "therapist",
            "source": "explicit",
            "kind": "other",
            "scope": "within_frame",
            "significance": "minor",
            "made_on": "2026-03-10",
            "due_on": "2026-03-09",
            "discussed_on": "2026-03-12",
            "reported_by": "client",
        }
    )
    days = days_of(PromiseDays, body)
    wrong = {where for where, _ in impossible_days(days, None, body.made_on)}
    assert wrong == {"/due_on", "/discussed_on"}
    assert not list(impossible_days(days, days, body.made_on))
    assert not list(impossible_days(CaseDays(None, None), None, body.made_on))
    details = DETAILS.validate_python({"kind": "absence", "absence": "illness", "days": 2})
    absence = IncidentDays(body.made_on.replace(2030), "day", details)  # type: ignore[arg-type]
    assert not list(impossible_days(absence, None, body.made_on))


async def test_a_month_that_has_begun_is_not_after_today(world: World) -> None:
    by = world.clinician
    path = f"/v1/cases/{(await by.case())['id']}/incidents"
    told = incident("crossing", world, area="role")
    for precision, day, status in (
        ("month", "2026-03-31", 201),
        ("year", "2026-12-31", 201),
        ("day", "2026-03-31", 422),
        ("month", "2026-04-01", 422),
        ("year", "2027-01-01", 422),
    ):
        body = {**told, "occurred_on": day, "date_precision": precision}
        answer = await by.post(path, body)
        assert answer.status_code == status, (precision, day)


async def test_a_day_that_nobody_said_goes_with_the_incidents(world: World) -> None:
    """When a client asked is the incident's day by default: put right there, it is so here too."""
    by = world.clinician
    case = await by.case()
    asked = await by.incident(case, "record_request", on=-40, request="access")
    assert asked["details"]["requested_on"] == world.day(-40)
    assert "record_request_overdue" in await by.flags(case)
    path = f"/v1/incidents/{asked['id']}"
    shown = ok(await by.patch(path, {"occurred_on": world.day(-4)}))
    assert shown["details"]["requested_on"] == world.day(-4)
    assert "record_request_overdue" not in await by.flags(case)
    # another day that somebody said stays
    said = {**shown["details"], "requested_on": world.day(-9)}
    ok(await by.patch(path, {"details": said}))
    shown = ok(await by.patch(path, {"occurred_on": world.day(-2)}))
    assert shown["details"]["requested_on"] == world.day(-9)


async def test_a_flag_names_no_day_that_nobody_gave(world: World) -> None:
    by = world.clinician
    case = await by.case()
    told = incident("record_request", world, date_precision="month", request="access")
    made_ = ok(
        await by.post(f"/v1/cases/{case['id']}/incidents", {**told, "occurred_on": "2025-11-17"}),
        201,
    )
    (flag,) = [each for each in await by.flag_list(case) if "request" in each["rule"]]
    assert "was made in November 2025. No answer is recorded." in flag["because"]
    observed = ok(await by.get(f"/fhir/Observation/{made_['id']}"))
    days = [each["valueDateTime"] for each in observed["component"] if "valueDateTime" in each]
    assert days == ["2025-11"] == [observed["effectiveDateTime"]]


async def test_lists_take_what_is_known_to_the_month_for_some_day_of_it(world: World) -> None:
    by = world.clinician
    case = await by.case()
    path = f"/v1/cases/{case['id']}/incidents"
    ids = {}
    for precision in ("day", "month", "year"):
        told = incident("crossing", world, area="role", date_precision=precision)
        ids[precision] = ok(await by.post(path, {**told, "occurred_on": "2025-05-17"}), 201)["id"]
    for span, found in (
        ({"from": "2025-05-17", "to": "2025-05-17"}, {"day", "month", "year"}),
        ({"from": "2025-05-20", "to": "2025-05-31"}, {"month", "year"}),
        ({"from": "2025-05-01", "to": "2025-05-10"}, {"month", "year"}),
        ({"from": "2025-06-01", "to": "2025-06-30"}, {"year"}),
        ({"to": "2024-12-31"}, set()),
        ({"from": "2026-01-01"}, set()),
    ):
        listed = {each["id"] for each in ok(await by.get(path, **span))["items"]}
        assert listed == {ids[each] for each in found}, span


async def test_a_day_put_right_by_who_may_not_read_words_loses_none(world: World) -> None:
    """Software without `narrative:read` is shown no text, and writes none over it."""
    diary = await software(world, "cases:read", "cases:write")
    case = await world.clinician.case()
    told = incident("ending", world, stage="raised", plan="as it was agreed", narrative="told")
    seen = ok(await diary.post(f"/v1/cases/{case['id']}/incidents", told), 201)
    path = f"/v1/incidents/{seen['id']}"
    ok(await diary.patch(path, {"occurred_on": world.day(-3)}))
    shown = ok(await world.clinician.get(path))
    assert (shown["occurred_on"], shown["narrative"]) == (world.day(-3), "told")
    assert shown["details"]["plan"] == "as it was agreed"
