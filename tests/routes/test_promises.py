"""The promise ledger: every field, who may settle a promise, who may rewrite it, voids."""

from typing import Any

from api.domain.vocabulary import (
    PromiseKeepable,
    PromiseKind,
    PromiseMadeBy,
    PromiseScope,
    PromiseSource,
    PromiseState,
    Significance,
)
from tests.support.world import World, made, ok, promise

NEEDED: dict[str, Any] = {
    "wording": "I will always be there",
    "made_by": "therapist",
    "source": "explicit",
    "kind": "personal_relationship",
    "scope": "outside_frame",
    "significance": "major",
    "made_on": "2026-02-20",
    "reported_by": "client",
}
EVERYTHING: dict[str, Any] = {
    **NEEDED,
    "keepable": "no",
    "due_on": "2027-01-01",
    "open_ended": True,
    "discussed_with_client": True,
    "discussed_on": "2026-02-25",
    "state": "renegotiated",
    "client_impact": "severe",
}
DEFAULTS: dict[str, Any] = {
    "keepable": "unknown",
    "due_on": None,
    "open_ended": False,
    "discussed_with_client": None,
    "discussed_on": None,
    "state": "open",
    "client_impact": "unknown",
    "voided_at": None,
    "void_reason": None,
}


def told(pledge: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a write says beside the promise itself."""
    return {name: value for name, value in pledge.items() if name != "flags_raised"}


async def test_a_promise_keeps_every_field(world: World) -> None:
    case = await world.clinician.case()
    answer = await world.clinician.post(f"/v1/cases/{case['id']}/promises", EVERYTHING)
    pledge = made(answer)
    assert {name: pledge[name] for name in EVERYTHING} == EVERYTHING
    assert answer.headers["location"] == f"/v1/promises/{pledge['id']}"
    assert (answer.headers["etag"], pledge["version"]) == ('"1"', 1)
    assert pledge["case_id"] == case["id"]
    assert pledge["recorded_by_id"] == str(world.clinician.id)
    for person in (world.clinician, world.supervisor):
        read = await person.get(f"/v1/promises/{pledge['id']}")
        assert (ok(read), read.headers["etag"]) == (told(pledge), '"1"')


async def test_a_promise_has_a_default_for_what_it_can_do_without(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/promises"
    pledge = made(await world.clinician.post(path, NEEDED))
    assert {name: pledge[name] for name in DEFAULTS} == DEFAULTS
    for missing in NEEDED:
        body = {name: value for name, value in NEEDED.items() if name != missing}
        refused = ok(await world.clinician.post(path, body), 422)
        assert [each["pointer"] for each in refused["errors"]] == [f"/{missing}"]


async def test_every_word_of_the_ledger_is_kept(world: World) -> None:
    for name, words in {
        "made_by": PromiseMadeBy,
        "source": PromiseSource,
        "kind": PromiseKind,
        "scope": PromiseScope,
        "keepable": PromiseKeepable,
        "significance": Significance,
        "state": PromiseState,
    }.items():
        case = await world.clinician.case()
        for word in words:
            pledge = await world.clinician.promise(case, **{name: word})
            assert pledge[name] == word


async def test_what_makes_no_sense_is_refused_at_once_and_in_a_change(world: World) -> None:
    case = await world.clinician.case()
    pledge = await world.clinician.promise(case)
    for wrong in (
        {"wording": " "},
        {"wording": None},
        {"made_by": "client"},
        {"made_by": None},
        {"source": None},
        {"kind": None},
        {"scope": "unknown"},
        {"keepable": None},
        {"significance": None},
        {"made_on": world.day(1)},
        {"made_on": None},
        {"discussed_on": world.day(1)},
        {"open_ended": None},
        {"open_ended": "yes"},
        {"discussed_with_client": 1},
        {"state": "voided"},
        {"state": None},
        {"client_impact": None},
        {"reported_by": None},
        {"due_on": "soon"},
        {"restricted": True},
        {"voided_at": None},
    ):
        body = {**promise(world), **wrong}
        posted = await world.clinician.post(f"/v1/cases/{case['id']}/promises", body)
        assert ok(posted, 422)["errors"], wrong
        patched = await world.clinician.patch(f"/v1/promises/{pledge['id']}", wrong, 1)
        assert ok(patched, 422)["errors"], wrong
    assert ok(await world.clinician.get(f"/v1/promises/{pledge['id']}")) == told(pledge)
    ahead = {"due_on": world.day(1000)}
    assert (await world.clinician.promise(case, **ahead))["due_on"] == ahead["due_on"]


async def test_a_change_leaves_alone_what_it_does_not_name(world: World) -> None:
    case = await world.clinician.case()
    pledge = await world.clinician.promise(case, **EVERYTHING)
    path = f"/v1/promises/{pledge['id']}"
    answer = await world.clinician.patch(path, {"wording": "I will be there for now"})
    changed = ok(answer)
    assert (changed["version"], answer.headers["etag"]) == (2, '"2"')
    expected = {**EVERYTHING, "wording": "I will be there for now"}
    assert {name: changed[name] for name in EVERYTHING} == expected
    optional = ("due_on", "discussed_with_client", "discussed_on")
    emptied = ok(await world.clinician.patch(path, dict.fromkeys(optional)))
    assert {name: emptied[name] for name in optional} == dict.fromkeys(optional)
    assert emptied["state"] == EVERYTHING["state"]
    assert ok(await world.clinician.get(path)) == told(emptied)
    other = await world.clinician.promise(case)
    changed = ok(await world.clinician.patch(f"/v1/promises/{other['id']}", EVERYTHING))
    assert {name: changed[name] for name in EVERYTHING} == EVERYTHING


async def test_a_change_names_the_version_it_changes(world: World) -> None:
    case = await world.clinician.case()
    pledge = await world.clinician.promise(case)
    path = f"/v1/promises/{pledge['id']}"
    change = {"state": "kept"}
    assert (await world.clinician.send("PATCH", path, json=change)).status_code == 428
    assert (await world.clinician.send("DELETE", path)).status_code == 428
    ok(await world.clinician.patch(path, change, 1))
    assert (await world.clinician.patch(path, change, 1)).status_code == 412
    assert (await world.clinician.delete(path, 1)).status_code == 412
    assert (await world.clinician.delete(path, 2)).status_code == 204


async def test_the_clinician_always_settles_a_promise_and_rewrites_only_her_own(
    world: World,
) -> None:
    case = await world.clinician.case()
    others = await world.supervisor.promise(case, keepable="doubtful")
    path = f"/v1/promises/{others['id']}"
    for settled in (
        {"state": "broken"},
        {"discussed_with_client": True},
        {"discussed_on": world.day()},
        {"state": "kept", "discussed_with_client": None, "discussed_on": None},
    ):
        changed = ok(await world.clinician.patch(path, settled))
        assert {name: changed[name] for name in settled} == settled
    kept = ok(await world.clinician.get(path))
    for name, value in EVERYTHING.items():
        if name in {"state", "discussed_with_client", "discussed_on"}:
            continue
        for body in ({name: value}, {name: value, "state": "open"}):
            assert (await world.clinician.patch(path, body)).status_code == 403, name
    assert (await world.clinician.delete(path)).status_code == 403
    assert ok(await world.clinician.get(path)) == kept
    own = await world.clinician.promise(case)
    for each in (others, own):
        path = f"/v1/promises/{each['id']}"
        ok(await world.supervisor.patch(path, {"keepable": "yes", "wording": "in short"}))
        assert (await world.supervisor.delete(path)).status_code == 204
    own = await world.clinician.promise(case)
    path = f"/v1/promises/{own['id']}"
    ok(await world.clinician.patch(path, {"keepable": "yes", "wording": "in short"}))
    assert (await world.clinician.delete(path)).status_code == 204


async def test_a_voided_promise_leaves_lists_and_rules_and_is_kept(world: World) -> None:
    case = await world.clinician.case()
    pledge = await world.clinician.promise(case, keepable="no")
    path = f"/v1/promises/{pledge['id']}"
    assert await world.supervisor.flags(case) == {"promise_unkeepable": "high"}
    world.clock.forward(minutes=5)
    assert (await world.clinician.delete(path, reason="because")).status_code == 422
    answer = await world.clinician.delete(path, reason="duplicate")
    assert (answer.status_code, answer.content) == (204, b"")
    for person in (world.clinician, world.supervisor):
        kept = ok(await person.get(path))
        assert (kept["voided_at"], kept["void_reason"]) == ("2026-03-02T12:05:00Z", "duplicate")
        assert (kept["state"], kept["version"]) == ("open", 2)
        for listing in ("/v1/promises", f"/v1/cases/{case['id']}/promises"):
            assert ok(await person.get(listing))["items"] == []
        assert await person.flags(case) == {}
    assert (await world.clinician.patch(path, {"state": "kept"})).status_code == 409
    assert (await world.supervisor.delete(path)).status_code == 409
    other = await world.clinician.promise(case)
    assert (await world.clinician.delete(f"/v1/promises/{other['id']}")).status_code == 204
    kept = ok(await world.clinician.get(f"/v1/promises/{other['id']}"))
    assert kept["void_reason"] == "entered_in_error"


async def test_a_promises_state_changes_its_flags_at_once(world: World) -> None:
    case = await world.clinician.case()
    pledge = await world.clinician.promise(case, keepable="no")
    assert [flag["rule"] for flag in pledge["flags_raised"]] == ["promise_unkeepable"]
    path = f"/v1/promises/{pledge['id']}"
    broken = ok(await world.clinician.patch(path, {"state": "broken"}))
    assert [flag["rule"] for flag in broken["flags_raised"]] == ["promise_broken"]
    assert await world.supervisor.flags(case) == {"promise_broken": "high"}
    ok(await world.clinician.patch(path, {"state": "withdrawn_with_repair"}))
    assert await world.supervisor.flags(case) == {}
    reopened = ok(await world.clinician.patch(path, {"state": "disputed"}))
    # the flag that lapsed holds again; it neither opened nor worsened
    assert reopened["flags_raised"] == []
    assert await world.supervisor.flags(case) == {"promise_unkeepable": "high"}
    assert len(await world.supervisor.flag_list(case, live=False)) == 2
