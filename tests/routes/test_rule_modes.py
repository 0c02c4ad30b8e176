"""Rules that only count: what opens no flag, what goes on, what is counted, and who reads it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from api.domain.rules import modes
from api.domain.rules.modes import ALWAYS_ACTIVE, RuleModes
from api.domain.vocabulary import RuleName
from api.routes import rule_modes
from api.storage.models.flags import MonitoredFinding
from api.storage.models.people import Clinic, SignIn
from tests.support.world import Person, World, ok, software

PATH = "/v1/rules/modes"
NOTE = {"determination": "normal_process", "resolution_note": "looked at together"}


async def only_count(world: World, *rules: str) -> None:
    """Let just these rules count."""
    body = dict.fromkeys(rules, "monitor")
    assert ok(await world.admin.send("PUT", PATH, json=body)) == {
        rule: body.get(rule, "active") for rule in RuleName
    }


async def counts(person: Person, **span: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Read what was counted: month and rule → findings and cases."""
    items = ok(await person.get("/v1/rules/monitored", **span))["items"]
    return {(i["month"], i["rule"]): (i["findings"], i["cases"]) for i in items}


async def standing(world: World) -> set[str]:
    """Give the rules of which something is counted that still stands."""
    async with world.owner.transaction() as tx:
        rows = await tx.exec(
            select(MonitoredFinding).where(
                MonitoredFinding.clinic_id == world.admin.clinic_id,
                col(MonitoredFinding.ended_at).is_(None),
            )
        )
        return {row.rule for row in rows}


def test_every_rule_has_a_mode_and_those_of_safety_and_of_the_door_just_one() -> None:
    fields = RuleModes.model_json_schema()["properties"]
    assert list(fields) == list(RuleName)
    fixed = {name for name, spec in fields.items() if spec.get("const") == "active"}
    of_the_door = {
        *("client_not_safe", "client_asks_to_look", "account_unanswered", "look_back_concern")
    }
    assert fixed == {"client_safety", "sexual_conduct"} | of_the_door == set(ALWAYS_ACTIVE)


async def test_an_admin_sets_modes_and_who_reads_thresholds_reads_them(world: World) -> None:
    await only_count(world, "gifts_or_money", "frame_drift")
    for part, person in world.here.items():
        answer = await person.get(PATH)
        assert answer.status_code == (403 if part == "consultant" else 200), part
        if part != "consultant":
            assert answer.json()["frame_drift"] == "monitor"
        if part != "admin":
            assert (await person.send("PUT", PATH, json={})).status_code == 403, part
        listed = ok(await person.get("/v1/rules"))["items"]
        monitored = {each["rule"] for each in listed if each["mode"] == "monitor"}
        assert monitored == {"gifts_or_money", "frame_drift"}
    assert set(ok(await world.there["admin"].get(PATH)).values()) == {"active"}
    told = ok(await world.here["privacy_officer"].get("/v1/journal", happening="modes.changed"))
    assert told["items"][0]["changed"] == ["frame_drift", "gifts_or_money"]
    # the same again changes nothing, and what is left out is active again
    version = ok(await world.admin.get("/v1/clinic"))["version"]
    await only_count(world, "gifts_or_money", "frame_drift")
    assert ok(await world.admin.get("/v1/clinic"))["version"] == version
    await only_count(world)


@pytest.mark.parametrize("rule", sorted(ALWAYS_ACTIVE))
async def test_a_rule_of_safety_or_of_the_door_is_never_only_counted(
    world: World, rule: str
) -> None:
    for method, path, body in (
        ("PUT", PATH, {rule: "monitor"}),
        ("POST", "/v1/rules/preview", {"modes": {rule: "monitor"}}),
    ):
        refused = await world.admin.send(method, path, json=body)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"].endswith(f"/{rule}")
        assert "leave it active" in refused.json()["errors"][0]["message"]
    # not even where it stands so in the database
    assert modes.monitored_rules({rule: "monitor", "frame_drift": "monitor"}) == {"frame_drift"}


async def test_without_that_refusal_an_alarm_would_be_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id)
        clinic = sa.update(Clinic).where(col(Clinic.id) == world.admin.clinic_id)
        await tx.exec(clinic.values(rule_modes={"client_safety": "monitor"}))
    case = await world.clinician.case()
    risk = {"initiator": "client", "indicator": "suicide_attempt"}
    assert (await world.clinician.incident(case, "risk", **risk))["flags_raised"]
    monkeypatch.setattr(modes, "ALWAYS_ACTIVE", frozenset())
    other = await world.clinician.case()
    assert (await world.clinician.incident(other, "risk", **risk))["flags_raised"] == []


async def test_a_rule_that_counts_opens_no_flag_and_counts_each_finding_once(world: World) -> None:
    await only_count(world, "hurtful_words")
    case, other = await world.clinician.case(), await world.clinician.case()
    for each in (case, other):
        report = await world.clinician.incident(each, "hurtful_words")
        assert report["flags_raised"] == []
    assert await world.supervisor.queue() == []
    assert await counts(world.admin) == {("2026-03", "hurtful_words"): (2, 2)}
    # more evidence while it stands is the same one, as a flag would be; it is graver now
    await world.clinician.incident(case, "hurtful_words")
    (item,) = ok(await world.admin.get("/v1/rules/monitored"))["items"]
    assert (item["findings"], item["moderate"], item["high"]) == (2, 1, 1)
    # its end, and the same evidence again: the flag would have been the same
    world.clock.forward(days=31)
    first, second = ok(await world.clinician.get(f"/v1/cases/{case['id']}/incidents"))["items"]
    for incident, initiator in ((first, "client"), (second, "client"), (second, "therapist")):
        ok(await world.clinician.patch(f"/v1/incidents/{incident['id']}", {"initiator": initiator}))
    assert await counts(world.admin) == {("2026-03", "hurtful_words"): (2, 2)}
    # an end, and new evidence: it would have come back
    ok(await world.clinician.patch(f"/v1/incidents/{second['id']}", {"initiator": "client"}))
    await world.clinician.incident(case, "hurtful_words")
    assert await counts(world.admin) == {
        ("2026-03", "hurtful_words"): (2, 2),
        ("2026-04", "hurtful_words"): (1, 1),
    }
    assert await counts(world.admin, **{"from": world.day(), "to": world.day()}) == {
        ("2026-04", "hurtful_words"): (1, 1)
    }
    assert await counts(world.there["admin"]) == {}
    # active again: what holds now is raised
    await only_count(world)
    assert await world.supervisor.flags(case) == {"hurtful_words": "moderate"}
    assert {item["case"]["id"] for item in await world.supervisor.queue()} == {
        case["id"],
        other["id"],
    }
    assert await standing(world) == set()


async def test_a_flag_that_waits_goes_on_until_a_person_resolves_it(world: World) -> None:
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words")
    (flag,) = report["flags_raised"]
    await only_count(world, "hurtful_words")
    assert await world.supervisor.flags(case) == {"hurtful_words": "moderate"}
    # it follows its records: graver, gone, and there again
    more = await world.clinician.incident(case, "hurtful_words")
    assert [each["id"] for each in more["flags_raised"]] == [flag["id"]]
    assert await world.supervisor.flags(case) == {"hurtful_words": "high"}
    for initiator, holds in (("client", False), ("therapist", True)):
        for each in (report, more):
            path = f"/v1/incidents/{each['id']}"
            ok(await world.clinician.patch(path, {"initiator": initiator}))
        (shown,) = await world.supervisor.flag_list(case, live=False)
        assert (shown["status"], shown["condition_holds"]) == ("open", holds)
    assert await standing(world) == set()
    # what a person has settled is not counted either; new evidence is
    ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", NOTE))
    assert await standing(world) == set()
    await world.clinician.incident(case, "hurtful_words")
    assert await standing(world) == {"hurtful_words"}
    assert await world.supervisor.flags(case) == {}
    # opened again by hand it speaks for itself
    ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/reopen", {"reason": "look again"}))
    assert await standing(world) == set()


async def test_what_is_restricted_is_in_the_numbers_of_few(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await only_count(world, "hurtful_words")
    case = await world.clinician.case()
    await world.supervisor.incident(case, "hurtful_words")
    few = (world.admin, world.here["privacy_officer"])
    for person in few:
        assert await counts(person) == {("2026-03", "hurtful_words"): (1, 1)}
    for person in (world.clinician, world.supervisor, world.colleague):
        assert await counts(person) == {}
    monkeypatch.setattr(rule_modes, "may_count_restricted", lambda _: True)
    assert await counts(world.colleague) != {}


async def test_what_is_hidden_on_ones_own_case_is_not_counted(world: World) -> None:
    await only_count(world, "hurtful_words")
    for keeper in (world.clinician, world.colleague):
        case = await keeper.case()
        recorder = await software(world, "cases:write", "restricted:write")
        body = {"initiator": "institution", "restricted": True}
        await recorder.incident(case, "hurtful_words", **body)
    for role in ("admin", "privacy_officer"):
        ok(await world.admin.patch(f"/v1/users/{world.clinician.id}", {"role": role}))
        assert await counts(world.clinician) == {("2026-03", "hurtful_words"): (1, 1)}
    assert await counts(world.admin) == {("2026-03", "hurtful_words"): (2, 2)}


async def test_a_case_that_concerns_somebody_is_not_in_their_numbers(world: World) -> None:
    await only_count(world, "hurtful_words")
    case = await world.clinician.case()
    about = {"initiator": "supervisor", "about_user_id": str(world.supervisor.id)}
    await world.clinician.incident(case, "hurtful_words", **about)
    assert (await world.supervisor.get(f"/v1/cases/{case['id']}")).status_code == 404
    assert await counts(world.supervisor) == {}
    assert await counts(world.stranger) == {("2026-03", "hurtful_words"): (1, 1)}


async def test_a_voided_case_counts_no_more(world: World) -> None:
    await only_count(world, "hurtful_words")
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    assert await standing(world) == {"hurtful_words"}
    assert (await world.clinician.delete(f"/v1/cases/{case['id']}")).status_code == 204
    assert await standing(world) == set()


async def test_to_set_modes_needs_a_recent_sign_in(world: World) -> None:
    await world.token_of(world.admin)
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id)
        session = sa.update(SignIn).where(col(SignIn.id) == world.admin.session_id)
        await tx.exec(session.values(authenticated_at=tx.now - timedelta(minutes=16)))
    refused = await world.admin.send("PUT", PATH, json={"frame_drift": "monitor"})
    assert refused.status_code == 403
    assert set(ok(await world.admin.get(PATH)).values()) == {"active"}
