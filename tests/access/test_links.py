"""What a row stores about other rows is shown as far as its reader sees those."""

from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from api.access.visibility import named
from api.records import deidentified_brief
from api.storage.models.clinical import Consultation
from api.storage.models.flags import Flag
from api.storage.models.journal import JournalEntry
from tests.support.guards import made_anew
from tests.support.world import Person, World, made, ok, software

ASKED = {
    "kind": "ethics",
    "urgency": "routine",
    "question": "what do you see",
    "summary": "in short",
    "released": True,
}


class Linked:
    """A request on a clinician's case, about a record she sees and one that is hidden from her."""

    def __init__(self, world: World, case: dict[str, Any]) -> None:
        self.world, self.case = world, case
        self.seen, self.hidden, self.promise, self.path = "", "", "", ""

    async def told(self, person: Person) -> list[dict[str, Any]]:
        """Give what every door that shows the request shows of it to somebody."""
        (of_case,) = ok(await person.get(f"/v1/cases/{self.case['id']}/consultations"))["items"]
        across = ok(await person.get("/v1/consultations"))["items"]
        return [ok(await person.get(self.path)), of_case, *across]

    async def fhir(self, person: Person) -> str:
        """Give both readings of the request in FHIR."""
        row_id = self.path.rpartition("/")[2]
        read = await person.get(f"/fhir/ServiceRequest/{row_id}")
        found = await person.get("/fhir/ServiceRequest")
        assert read.status_code == found.status_code == 200
        return f"{read.text}{found.text}"


@pytest.fixture
async def linked(world: World) -> Linked:
    """Somebody who stands in links what they recorded themselves, hidden from the clinician."""
    on = Linked(world, await world.clinician.case())
    on.seen = (await world.clinician.incident(on.case, "oversight"))["id"]
    on.promise = (await world.clinician.promise(on.case))["id"]
    asked = {**ASKED, "incident_ids": [on.seen], "promise_ids": [on.promise]}
    path = f"/v1/cases/{on.case['id']}/consultations"
    on.path = f"/v1/consultations/{made(await world.clinician.post(path, asked))['id']}"
    days = {"starts_on": world.day(), "ends_on": world.day(10)}
    body = {"case_id": on.case["id"], "user_id": str(world.colleague.id), **days}
    made(await world.clinician.post("/v1/covers", body))
    reported = await world.colleague.incident(
        on.case, "hurtful_words", repeated=True, restricted=True
    )
    on.hidden = reported["id"]
    return on


async def link_it(on: Linked) -> None:
    """Link the hidden incident, as the colleague who stands in."""
    shown = await on.world.colleague.patch(on.path, {"incident_ids": [on.seen, on.hidden]})
    assert ok(shown)["incident_ids"] == sorted([on.seen, on.hidden])


async def stored(on: Linked) -> list[str]:
    """Give the links that are kept, whoever sees them."""
    async with on.world.owner.transaction() as tx:
        asked = select(Consultation).where(col(Consultation.id) == UUID(on.path.rpartition("/")[2]))
        row: Consultation = (await tx.exec(asked)).one()
        return row.incident_ids


async def test_a_linked_supervisor_and_who_recorded_it_see_a_hidden_link_and_nobody_else(
    linked: Linked,
) -> None:
    world = linked.world
    await link_it(linked)
    for person in (world.supervisor, world.colleague):
        for shown in await linked.told(person):
            assert shown["incident_ids"] == sorted([linked.seen, linked.hidden])
        assert linked.hidden in await linked.fhir(person)
    program = await software(world, "cases:read", "consultations:read")
    for person in (world.clinician, program):
        for shown in await linked.told(person):
            assert (shown["incident_ids"], shown["promise_ids"]) == (
                [linked.seen],
                [linked.promise],
            )
        assert linked.hidden not in await linked.fhir(person)
        assert linked.seen in await linked.fhir(person)


async def test_not_a_byte_tells_the_clinician_that_something_hidden_was_linked(
    linked: Linked,
) -> None:
    clinician = linked.world.clinician
    program = await software(linked.world, "cases:read", "consultations:read")

    async def all_told() -> list[Any]:
        timeline = await clinician.get(f"/v1/cases/{linked.case['id']}/timeline")
        journal = await clinician.get("/v1/journal", is_read="false")
        read = await clinician.get(linked.path)
        return [
            await linked.told(clinician),
            await linked.told(program),
            await linked.fhir(clinician),
            read.headers["etag"],
            ok(timeline),
            ok(journal),
        ]

    before = await all_told()
    await link_it(linked)
    assert await all_told() == before
    # and taken out again
    ok(await linked.world.colleague.patch(linked.path, {"incident_ids": [linked.seen]}))
    assert await all_told() == before
    assert await stored(linked) == [linked.seen]


async def test_what_is_linked_in_silence_is_an_entry_for_those_who_may_know(
    linked: Linked,
) -> None:
    await link_it(linked)
    async with linked.world.owner.transaction() as tx:
        changed = select(JournalEntry).where(
            JournalEntry.happening == "consultation.changed",
            JournalEntry.case_id == UUID(linked.case["id"]),
        )
        (entry,) = (await tx.exec(changed)).all()
    assert entry.restricted
    assert entry.changed == ["incident_ids"]
    assert str(entry.case_id) == linked.case["id"]
    timeline = ok(await linked.world.supervisor.get(f"/v1/cases/{linked.case['id']}/timeline"))
    assert str(entry.id) in {item["id"] for item in timeline["items"]}


async def test_what_is_changed_besides_is_told_without_the_hidden_link(linked: Linked) -> None:
    body = {"incident_ids": [linked.seen, linked.hidden], "urgency": "priority"}
    assert ok(await linked.world.colleague.patch(linked.path, body))["version"] == 2
    timeline = ok(await linked.world.clinician.get(f"/v1/cases/{linked.case['id']}/timeline"))
    told = [each for each in timeline["items"] if each["happening"] == "consultation.changed"]
    assert [each["changed"] for each in told] == [["urgency"]]
    # an open link beside a hidden one is told as any
    more = (await linked.world.clinician.incident(linked.case, "oversight"))["id"]
    ok(await linked.world.colleague.patch(linked.path, {"incident_ids": [linked.seen, more]}))
    assert ok(await linked.world.clinician.get(linked.path))["version"] == 3


async def test_a_change_keeps_the_links_that_its_caller_cannot_see(linked: Linked) -> None:
    clinician = linked.world.clinician
    await link_it(linked)
    other = (await clinician.incident(linked.case, "oversight"))["id"]
    shown = ok(await clinician.patch(linked.path, {"incident_ids": [other]}))
    assert shown["incident_ids"] == [other]
    assert await stored(linked) == sorted([other, linked.hidden])
    assert ok(await clinician.patch(linked.path, {"incident_ids": []}))["incident_ids"] == []
    assert await stored(linked) == [linked.hidden]
    # whoever sees it may take it out
    ok(await linked.world.colleague.patch(linked.path, {"incident_ids": []}))
    assert await stored(linked) == []


async def test_an_incident_restricted_after_it_was_linked_refuses_no_change(
    linked: Linked,
) -> None:
    world = linked.world
    ok(await world.supervisor.patch(f"/v1/incidents/{linked.seen}", {"restricted": True}))
    # she recorded it herself, and sees it; who came to the case later does not
    later = {"clinician_id": str(world.colleague.id), "reason": "handed over"}
    ok(await world.supervisor.post(f"/v1/cases/{linked.case['id']}/transfer", later))
    named = await world.colleague.patch(linked.path, {"incident_ids": [linked.seen]})
    assert ok(named)["incident_ids"] == []
    assert await stored(linked) == [linked.seen]
    unknown = await world.colleague.patch(
        linked.path, {"incident_ids": [linked.seen, linked.promise]}
    )
    assert unknown.status_code == 422


async def test_a_hidden_record_is_linked_by_nobody_who_cannot_see_it(linked: Linked) -> None:
    answer = await linked.world.clinician.patch(linked.path, {"incident_ids": [linked.hidden]})
    assert answer.status_code == 422
    assert await stored(linked) == [linked.seen]


async def test_a_linked_record_that_was_voided_stays_linked_and_no_new_one_comes(
    linked: Linked,
) -> None:
    clinician = linked.world.clinician
    assert (await clinician.delete(f"/v1/incidents/{linked.seen}")).status_code == 204
    shown = ok(await clinician.patch(linked.path, {"incident_ids": [linked.seen]}))
    assert shown["incident_ids"] == [linked.seen]
    ok(await clinician.patch(linked.path, {"incident_ids": []}))
    again = await clinician.patch(linked.path, {"incident_ids": [linked.seen]})
    assert again.status_code == 422


async def test_a_consultant_is_told_of_no_restricted_record(linked: Linked) -> None:
    await link_it(linked)
    ok(await linked.world.clinician.post(f"{linked.path}/request"))
    consultant = linked.world.here["consultant"]
    read = ok(await consultant.get(linked.path))
    assert {each["kind"] for each in read["records"]} == {"oversight", "other"}
    (listed,) = ok(await consultant.get("/v1/consultations"))["items"]
    assert listed == read
    accepted = ok(await consultant.post(f"{linked.path}/accept"))
    assert accepted["records"] == read["records"]


async def test_what_is_sent_again_with_its_key_shows_the_links_of_today(world: World) -> None:
    case = await world.clinician.case()
    found = (await world.supervisor.incident(case, "oversight", restricted=False))["id"]
    path, key = f"/v1/cases/{case['id']}/consultations", {"Idempotency-Key": "once"}
    body = {**ASKED, "incident_ids": [found]}
    first = made(await world.clinician.post(path, body, headers=key))
    assert first["incident_ids"] == [found]
    ok(await world.supervisor.patch(f"/v1/incidents/{found}", {"restricted": True}))
    again = made(await world.clinician.post(path, body, headers=key))
    assert (again["id"], again["incident_ids"]) == (first["id"], [])


# ------------------------------------------------------------------------------ what flags point at


async def pointing(world: World, evidence: list[dict[str, str]], case: dict[str, Any]) -> str:
    """Let an open flag of a case point at these records, as it may since before one was hidden."""
    raised = made(
        await world.supervisor.post(
            f"/v1/cases/{case['id']}/flags",
            {"severity": "low", "title": "look", "because": "of this"},
        )
    )
    async with world.owner.transaction() as tx:
        await tx.enter(world.supervisor.clinic_id)
        flag: Flag = (await tx.exec(select(Flag).where(col(Flag.id) == UUID(raised["id"])))).one()
        flag.evidence = evidence
    return str(raised["id"])


async def test_a_flag_points_at_what_its_reader_sees(world: World) -> None:
    case = await world.clinician.case()
    seen = await world.clinician.incident(case, "oversight")
    hidden = await world.supervisor.incident(case, "hurtful_words", repeated=True, restricted=True)
    kept = await world.clinician.promise(case)
    hidden_flag = hidden["flags_raised"][0]
    assert hidden_flag["restricted"]
    evidence = [
        {"type": "flag", "id": hidden_flag["id"]},
        {"type": "incident", "id": seen["id"]},
        {"type": "incident", "id": hidden["id"]},
        {"type": "promise", "id": kept["id"]},
    ]
    flag_id = await pointing(world, evidence, case)
    open_ones = [evidence[1], evidence[3]]
    program = await software(world, "cases:read", "flags:read")
    for person, told in (
        (world.supervisor, evidence),
        (world.clinician, open_ones),
        (program, open_ones),
    ):
        assert ok(await person.get(f"/v1/flags/{flag_id}"))["evidence"] == told
        for listing in (f"/v1/cases/{case['id']}/flags", "/v1/flags"):
            items = ok(await person.get(listing))["items"]
            assert [each["evidence"] for each in items if each["id"] == flag_id] == [told]
        read = (await person.get(f"/fhir/DetectedIssue/{flag_id}")).json()
        found = (await person.get("/fhir/DetectedIssue")).json()["entry"]
        (listed,) = [each["resource"] for each in found if each["resource"]["id"] == flag_id]
        assert len(read["evidence"][0]["detail"]) == len(told)
        assert listed["evidence"] == read["evidence"]
    for person, told in ((world.supervisor, evidence), (program, open_ones)):
        (queued,) = ok(await person.get("/v1/flagged-cases"))["items"]
        assert [each["evidence"] for each in queued["flags"] if each["id"] == flag_id] == [told]


@pytest.mark.parametrize("mutant", ["links", "briefs"])
async def test_each_of_these_guards_is_missed_when_it_is_gone(
    linked: Linked, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    if mutant == "links":
        monkeypatch.setattr(named, "SEEN", {})
        with made_anew(), pytest.raises(AssertionError):
            await test_a_linked_supervisor_and_who_recorded_it_see_a_hidden_link_and_nobody_else(
                linked
            )
        return
    everything = deidentified_brief._INCIDENTS._generate()
    everything._where_criteria = deidentified_brief._INCIDENTS._where_criteria[:-1]
    monkeypatch.setattr(deidentified_brief, "_INCIDENTS", everything)
    with pytest.raises(AssertionError):
        await test_a_consultant_is_told_of_no_restricted_record(linked)
