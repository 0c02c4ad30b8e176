"""Incidents: all twenty-four kinds, whose conduct they are about, reviews, changes, voids."""

from typing import Any

from api.domain.vocabulary import Determination, Initiator
from tests.support.incidents import COMMON, KINDS, NEEDED
from tests.support.world import World, incident, made, ok

DEFAULTS: dict[str, dict[str, Any]] = {
    "expression": {"feelings": []},
    "disclosure": {"responses": []},
    "second_role": {"timing": "unknown"},
    "ending": {"reason": "unknown", "applies_to": "therapy", "collateral_loss": []},
    "record_request": {"requested_on": "2026-03-01"},
    "hurtful_words": {"repeated": False},
    "outcome": {"trend": "unknown"},
    "sexual_conduct": {"with": "client"},
}
"""What the rest is then; everything else is not known."""

COMMON_DEFAULTS: dict[str, Any] = {
    "date_precision": "day",
    "classification": "unclassified",
    "client_impact": "unknown",
    "rationale": None,
    "narrative": None,
    "discussed_with_client": None,
    "repair": "unknown",
    "restricted": False,
    "status": "reported",
    "determination": None,
    "review_note": None,
    "reviewed_by_id": None,
    "reviewed_at": None,
    "voided_at": None,
    "void_reason": None,
}
REVIEW = {"determination": "real_danger", "review_note": "seen with both accounts"}
ABOUT_NOBODY = {"expression", "risk", "outcome", "record_request"}


def told(report: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a write says beside the incident itself."""
    return {name: value for name, value in report.items() if name != "flags_raised"}


async def test_every_kind_keeps_every_field(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/incidents"
    assert len(KINDS) == 27
    for kind, fields in KINDS.items():
        details = {"kind": kind, **fields}
        answer = await world.clinician.post(path, {**COMMON, "details": details})
        report = made(answer)
        assert {name: report[name] for name in COMMON} == COMMON
        assert report["details"] == details
        assert answer.headers["location"] == f"/v1/incidents/{report['id']}"
        assert (answer.headers["etag"], report["version"]) == ('"1"', 1)
        assert report["case_id"] == case["id"]
        assert report["recorded_by_id"] == str(world.clinician.id)
        for person in (world.clinician, world.supervisor):
            read = await person.get(f"/v1/incidents/{report['id']}")
            assert (ok(read), read.headers["etag"]) == (told(report), '"1"')
    listed = ok(await world.clinician.get(path))["items"]
    assert [each["details"]["kind"] for each in listed] == list(reversed(KINDS))


async def test_every_kind_has_a_default_for_what_it_can_do_without(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/incidents"
    assert NEEDED.keys() == KINDS.keys()
    common = {"occurred_on": "2026-03-01", "initiator": "client", "reported_by": "client"}
    for kind, fields in NEEDED.items():
        report = made(await world.clinician.post(path, incident(kind, world, **fields)))
        unknown = dict.fromkeys(KINDS[kind])
        expected = {"kind": kind, **unknown, **DEFAULTS.get(kind, {}), **fields}
        assert report["details"] == expected
        assert {name: report[name] for name in COMMON_DEFAULTS} == COMMON_DEFAULTS
        for missing in fields:
            body = {**common, "details": {"kind": kind, **fields}}
            del body["details"][missing]  # type: ignore[attr-defined]
            refused = ok(await world.clinician.post(path, body), 422)
            assert [each["pointer"] for each in refused["errors"]] == [f"/details/{missing}"]
    for missing in [*common, "details"]:
        body = {**common, "details": {"kind": "consent"}}
        del body[missing]
        refused = ok(await world.clinician.post(path, body), 422)
        assert [each["pointer"] for each in refused["errors"]] == [f"/{missing}"]


async def test_a_field_of_another_kind_or_an_unknown_word_is_refused(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/incidents"
    for kind, fields in NEEDED.items():
        for wrong in ({"surprise": 1}, {"kind": kind.upper()}, {"kind": None}):
            body = incident(kind, world)
            body["details"] = {"kind": kind, **fields, **wrong}
            ok(await world.clinician.post(path, body), 422)
        for name, value in KINDS[kind].items():
            wrong_value: Any = "neither" if not isinstance(value, str) else 7
            body["details"] = {"kind": kind, **KINDS[kind], name: wrong_value}
            refused = ok(await world.clinician.post(path, body), 422)
            assert refused["errors"][0]["pointer"].startswith(f"/details/{name}"), (kind, name)
    for wrong in (
        {"status": "reviewed"},
        {"determination": "duplicate"},
        {"kind": "consent"},
        {"initiator": "nobody"},
        {"restricted": "yes"},
        {"about_user_id": str(case["id"])},
        {"about_user_id": str(world.there["clinician"].id)},
        {"narrative": ""},
    ):
        ok(await world.clinician.post(path, {**incident("consent", world), **wrong}), 422)
    assert ok(await world.clinician.get(path))["items"] == []


async def test_what_happened_lies_not_ahead_and_in_order(world: World) -> None:
    case = await world.clinician.case(started_on="2026-01-01", ended_on="2026-02-01")
    path = f"/v1/cases/{case['id']}/incidents"
    today, tomorrow = world.day(), world.day(1)

    async def status(kind: str, occurred_on: str, **details: Any) -> int:
        body = incident(kind, world, **NEEDED[kind], **details)
        return (await world.clinician.post(path, {**body, "occurred_on": occurred_on})).status_code

    for kind in KINDS:
        assert await status(kind, tomorrow) == (201 if kind == "absence" else 422), kind
    # today; before the case began, and after it ended
    for day in (today, "2025-12-31", "2026-02-02"):
        assert await status("consent", day) == 201
    for kind, name in (
        ("disclosure", "responded_on"),
        ("risk", "responded_on"),
        ("record_request", "requested_on"),
        ("record_request", "answered_on"),
    ):
        assert await status(kind, today, **{name: tomorrow}) == 422
        assert await status(kind, today, **{name: today}) == 201
    for kind in ("disclosure", "risk"):
        assert await status(kind, today, responded_on=world.day(-1)) == 422
    assert await status("exception", today, ends_on=tomorrow) == 201
    assert await status("absence", today, return_due_on=tomorrow) == 201
    assert await status("absence", world.day(400), return_due_on=world.day(500)) == 201


async def test_an_ending_that_has_ended_says_how(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/incidents"
    refused = await world.clinician.post(path, incident("ending", world, stage="ended"))
    assert ok(refused, 422)["errors"][0]["pointer"].startswith("/details")
    report = await world.clinician.incident(case, "ending", stage="raised")
    ended = {"details": {"kind": "ending", "stage": "ended"}}
    ok(await world.clinician.patch(f"/v1/incidents/{report['id']}", ended), 422)


async def test_whose_conduct_it_is_about_by_default(world: World) -> None:
    hers = str(world.clinician.id)
    for initiator in Initiator:
        for number, (kind, fields) in enumerate(NEEDED.items()):
            if number % 8 == 0:  # the rules look at all of a case with each write
                case = await world.clinician.case()
            report = await world.clinician.incident(case, kind, initiator=initiator, **fields)
            speaks = initiator in {"therapist", "mutual", "disputed"} and kind not in ABOUT_NOBODY
            assert report["about_user_id"] == (hers if speaks else None), (initiator, kind)


async def test_whose_conduct_it_is_about_may_be_said_and_then_stays(world: World) -> None:
    case = await world.clinician.case()
    colleague = str(world.colleague.id)
    report = await world.clinician.incident(
        case, "expression", by="therapist", initiator="client", about_user_id=colleague
    )
    path = f"/v1/incidents/{report['id']}"
    assert report["about_user_id"] == colleague
    for other in (None, str(world.clinician.id)):
        # only a supervisor puts that right
        assert (await world.clinician.patch(path, {"about_user_id": other})).status_code == 403
    changed = ok(await world.clinician.patch(path, {"initiator": "therapist"}))
    assert changed["about_user_id"] == colleague
    # a colleague it is about, who is not the case's clinician, learns nothing by it
    assert (await world.colleague.get(path)).status_code == 404


async def test_restricted_is_the_default_where_another_reports_about_the_clinician(
    world: World,
) -> None:
    case = await world.clinician.case()
    hers, others = str(world.clinician.id), str(world.colleague.id)
    for about, asked, expected in (
        (None, None, True),  # therapist and hurtful words: about her
        (hers, None, True),
        (others, None, False),
        (None, False, False),
        (others, True, True),
    ):
        given = {"about_user_id": about, "restricted": asked}
        report = await world.supervisor.incident(case, "hurtful_words", **given)
        assert report["restricted"] is expected, given
    report = await world.supervisor.incident(case, "hurtful_words", initiator="institution")
    assert (report["about_user_id"], report["restricted"]) == (None, False)
    report = await world.clinician.incident(case, "hurtful_words", about_user_id=hers)
    assert report["restricted"] is False


async def test_the_clinician_does_not_set_what_is_restricted(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/incidents"
    asked = incident("hurtful_words", world, restricted=True)
    assert (await world.clinician.post(path, asked)).status_code == 403
    made(await world.clinician.post(path, {**asked, "restricted": False}))
    report = await world.clinician.incident(case, "consent")
    path = f"/v1/incidents/{report['id']}"
    assert (await world.clinician.patch(path, {"restricted": True})).status_code == 403
    ok(await world.supervisor.patch(path, {"restricted": True}))
    # she recorded it, so she still reads it, and cannot undo it
    assert ok(await world.clinician.get(path))["restricted"] is True
    assert (await world.clinician.patch(path, {"restricted": False})).status_code == 403
    ok(await world.supervisor.patch(path, {"restricted": False}))
    # a supervisor is no supervisor of her own case
    own = await world.supervisor.case()
    answer = await world.supervisor.post(f"/v1/cases/{own['id']}/incidents", asked)
    assert answer.status_code == 403


async def test_a_change_leaves_alone_what_it_does_not_name(world: World) -> None:
    case = await world.clinician.case()
    for kind in ("second_role", "ending", "coercive_measure", "record_request", "touch"):
        report = await world.clinician.incident(case, kind, **COMMON, **KINDS[kind])
        path = f"/v1/incidents/{report['id']}"
        world.clock.forward(minutes=1)
        changed = ok(await world.clinician.patch(path, {"repair": "repaired"}))
        assert {name: changed[name] for name in COMMON} == {**COMMON, "repair": "repaired"}
        assert changed["details"] == report["details"]
        assert changed["version"] == 2
        assert changed["updated_at"] > report["updated_at"]
        # null: not known; details are replaced as a whole
        optional = ("rationale", "narrative", "discussed_with_client")
        fewer = {**dict.fromkeys(optional), "details": {"kind": kind, **NEEDED[kind]}}
        emptied = ok(await world.clinician.patch(path, fewer))
        unknown = {**dict.fromkeys(KINDS[kind]), **DEFAULTS.get(kind, {})}
        assert emptied["details"] == {"kind": kind, **unknown, **NEEDED[kind]}
        assert {name: emptied[name] for name in optional} == dict.fromkeys(optional)
        assert emptied["client_impact"] == COMMON["client_impact"]
        assert ok(await world.clinician.get(path)) == told(emptied)


async def test_what_makes_no_sense_is_refused_in_a_change(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "disclosure", **KINDS["disclosure"])
    path = f"/v1/incidents/{report['id']}"
    for wrong in (
        {"occurred_on": None},
        {"occurred_on": world.day(1)},
        {"occurred_on": "2026-03-02"},  # after it was responded to
        {"initiator": None},
        {"reported_by": None},
        {"classification": None},
        {"client_impact": None},
        {"repair": None},
        {"date_precision": None},
        {"restricted": None},
        {"details": None},
        {"details": {"kind": "consent"}},
        {"details": {"kind": "disclosure"}},
        {"details": {"of": "love"}},
        {"status": "reviewed"},
        {"case_id": case["id"]},
        {"recorded_by_id": None},
        {"surprise": 1},
    ):
        assert ok(await world.clinician.patch(path, wrong, 1), 422)["errors"], wrong
    assert ok(await world.clinician.get(path)) == told(report)


async def test_a_change_names_the_version_it_changes(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "consent")
    path = f"/v1/incidents/{report['id']}"
    change = {"repair": "failed"}
    assert (await world.clinician.send("PATCH", path, json=change)).status_code == 428
    assert (await world.clinician.send("DELETE", path)).status_code == 428
    answer = await world.clinician.patch(path, change, 1)
    assert (ok(answer)["version"], answer.headers["etag"]) == (2, '"2"')
    assert (await world.clinician.patch(path, change, 1)).status_code == 412
    assert (await world.clinician.delete(path, 1)).status_code == 412
    answer = await world.supervisor.post(f"{path}/review", REVIEW)
    assert (ok(answer)["version"], answer.headers["etag"]) == (3, '"3"')
    assert (await world.supervisor.delete(path, 2)).status_code == 412
    assert (await world.supervisor.delete(path, 3)).status_code == 204
    assert ok(await world.supervisor.get(path))["version"] == 4


async def test_a_supervisor_reviews_and_the_latest_review_counts(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "consent")
    path = f"/v1/incidents/{report['id']}"
    for version, determination in enumerate(Determination, start=2):
        world.clock.forward(minutes=1)
        body = {"determination": determination, "review_note": f"look {version}"}
        reviewed = ok(await world.supervisor.post(f"{path}/review", body))
        assert {name: reviewed[name] for name in body} == body
        assert (reviewed["status"], reviewed["version"]) == ("reviewed", version)
        assert reviewed["reviewed_by_id"] == str(world.supervisor.id)
        assert reviewed["reviewed_at"] == f"2026-03-02T12:{version - 1:02}:00Z"
        assert ok(await world.clinician.get(path)) == told(reviewed)
    for wrong in (
        {"determination": "unknown", "review_note": "x"},
        {"determination": "duplicate"},
        {"review_note": "x"},
        {"determination": "duplicate", "review_note": " "},
        {**REVIEW, "status": "reviewed"},
    ):
        ok(await world.supervisor.post(f"{path}/review", wrong), 422)
    assert (await world.clinician.post(f"{path}/review", REVIEW)).status_code == 403


async def test_an_edit_asks_for_the_review_again(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(
        case, "coercive_measure", initiator="institution", measures=["police_called"]
    )
    path = f"/v1/incidents/{report['id']}"
    assert await world.supervisor.flags(case) == {"danger_review_required": "high"}
    insufficient = {**REVIEW, "determination": "insufficient_information"}
    ok(await world.supervisor.post(f"{path}/review", insufficient))
    assert await world.supervisor.flags(case) == {"danger_review_required": "high"}
    ok(await world.supervisor.post(f"{path}/review", REVIEW))
    assert await world.supervisor.flags(case) == {}
    edited = ok(await world.supervisor.patch(path, {"narrative": "told again"}))
    assert edited["status"] == "reported"
    assert await world.supervisor.flags(case) == {"danger_review_required": "high"}
    mistaken = {**REVIEW, "determination": "mistaken_for_danger"}
    reviewed = ok(await world.supervisor.post(f"{path}/review", mistaken))
    assert (reviewed["status"], reviewed["determination"]) == ("reviewed", "mistaken_for_danger")
    assert await world.supervisor.flags(case) == {}
    ok(await world.supervisor.post(f"{path}/review", insufficient))
    assert await world.supervisor.flags(case) == {"danger_review_required": "high"}


async def test_a_clinician_changes_only_what_she_recorded_and_nobody_reviewed(
    world: World,
) -> None:
    case = await world.clinician.case()
    own = await world.clinician.incident(case, "consent")
    others = await world.supervisor.incident(case, "consent", initiator="institution")
    change = {"narrative": "in other words"}
    path = f"/v1/incidents/{others['id']}"
    assert ok(await world.clinician.get(path))["restricted"] is False
    assert (await world.clinician.patch(path, change)).status_code == 403
    assert (await world.clinician.delete(path)).status_code == 403
    ok(await world.supervisor.patch(path, change))
    path = f"/v1/incidents/{own['id']}"
    ok(await world.clinician.patch(path, change))
    ok(await world.supervisor.post(f"{path}/review", REVIEW))
    assert (await world.clinician.patch(path, change)).status_code == 403
    assert (await world.clinician.delete(path)).status_code == 403
    ok(await world.supervisor.patch(path, change))
    assert (await world.supervisor.delete(path)).status_code == 204


async def test_a_voided_incident_leaves_lists_and_rules_and_is_kept(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words", rationale="kept")
    path = f"/v1/incidents/{report['id']}"
    assert await world.supervisor.flags(case) == {"hurtful_words": "moderate"}
    world.clock.forward(minutes=5)
    answer = await world.clinician.delete(path, reason="wrong_case")
    assert (answer.status_code, answer.content) == (204, b"")
    for person in (world.clinician, world.supervisor):
        kept = ok(await person.get(path))
        assert (kept["status"], kept["void_reason"]) == ("voided", "wrong_case")
        assert (kept["voided_at"], kept["version"]) == ("2026-03-02T12:05:00Z", 2)
        assert kept["rationale"] == "kept"
        for listing in ("/v1/incidents", f"/v1/cases/{case['id']}/incidents"):
            assert ok(await person.get(listing))["items"] == []
        assert await person.flags(case) == {}
    answers = [
        await world.clinician.patch(path, {"repair": "failed"}),
        await world.clinician.delete(path),
        await world.supervisor.post(f"{path}/review", REVIEW),
    ]
    assert [each.status_code for each in answers] == [409, 409, 409]
    other = await world.clinician.incident(case, "consent")
    wrong = await world.clinician.delete(f"/v1/incidents/{other['id']}", reason="because")
    assert wrong.status_code == 422
    assert (await world.clinician.delete(f"/v1/incidents/{other['id']}")).status_code == 204
    kept = ok(await world.clinician.get(f"/v1/incidents/{other['id']}"))
    assert kept["void_reason"] == "entered_in_error"


async def test_a_write_tells_which_flags_it_opened_or_worsened(world: World) -> None:
    case = await world.clinician.case()
    first = await world.clinician.incident(case, "hurtful_words")
    assert [(f["rule"], f["severity"]) for f in first["flags_raised"]] == [
        ("hurtful_words", "moderate")
    ]
    assert (await world.clinician.incident(case, "expression", by="client"))["flags_raised"] == []
    worse = await world.clinician.incident(
        case, "hurtful_words", repeated=True, client_impact="crisis"
    )
    assert [(f["rule"], f["severity"]) for f in worse["flags_raised"]] == [
        ("hurtful_words", "high")
    ]
    (flag,) = worse["flags_raised"]
    assert flag["id"] == first["flags_raised"][0]["id"]
    assert ok(await world.clinician.get(f"/v1/flags/{flag['id']}")) == flag
    assert {each["id"] for each in flag["evidence"]} == {first["id"], worse["id"]}
    change = {"details": {"kind": "hurtful_words", "repeated": False}}
    eased = ok(await world.clinician.patch(f"/v1/incidents/{worse['id']}", change))
    assert eased["flags_raised"] == []
