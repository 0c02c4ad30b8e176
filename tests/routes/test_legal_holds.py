"""Legal holds: a privacy officer keeps a case from being destroyed, and lets go of it again."""

from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from api.storage.models.journal import JournalEntry
from tests.support.world import Person, World, made, ok

REASON = "a lawsuit of which the case is evidence"


@pytest.fixture
def officer(world: World) -> Person:
    """The privacy officer here."""
    return world.here["privacy_officer"]


async def held(officer: Person, case: dict[str, Any]) -> dict[str, Any]:
    """Place a hold on a case."""
    return made(await officer.post("/v1/legal-holds", {"case_id": case["id"], "reason": REASON}))


async def test_a_hold_is_placed_read_and_released_once(world: World, officer: Person) -> None:
    case = await world.clinician.case()
    hold = await held(officer, case)
    assert (hold["case_id"], hold["reason"], hold["released_at"]) == (case["id"], REASON, None)
    path = f"/v1/legal-holds/{hold['id']}"
    assert ok(await officer.get(path)) == hold
    world.clock.forward(days=1)
    released = ok(await officer.post(f"{path}/release"))
    assert released["released_at"] == "2026-03-03T12:00:00Z"
    assert released["released_by_id"] == str(officer.id)
    assert ok(await officer.get(path)) == released
    again = await officer.post(f"{path}/release")
    assert (again.status_code, "already" in again.json()["detail"]) == (409, True)


async def test_two_lawsuits_hold_one_case_each_by_itself(world: World, officer: Person) -> None:
    case, other = await world.clinician.case(), await world.colleague.case()
    one, two, third = [await held(officer, each) for each in (case, case, other)]
    ok(await officer.post(f"/v1/legal-holds/{one['id']}/release"))

    async def listed(**filters: Any) -> list[str]:
        page = ok(await officer.get("/v1/legal-holds", **filters))
        return [hold["id"] for hold in page["items"]]

    assert await listed() == [third["id"], two["id"], one["id"]]
    assert await listed(active=True) == [third["id"], two["id"]]
    assert await listed(active=False) == [one["id"]]
    assert await listed(case_id=case["id"]) == [two["id"], one["id"]]
    assert await listed(case_id=case["id"], active=True) == [two["id"]]


async def test_a_case_of_another_clinic_is_not_there(world: World, officer: Person) -> None:
    there = await world.there["clinician"].case()
    hold = await held(world.there["privacy_officer"], there)
    for case_id in (there["id"], str(uuid4())):
        body = {"case_id": case_id, "reason": REASON}
        assert (await officer.post("/v1/legal-holds", body)).status_code == 404
    path = f"/v1/legal-holds/{hold['id']}"
    assert (await officer.get(path)).status_code == 404
    assert (await officer.post(f"{path}/release")).status_code == 404
    assert ok(await officer.get("/v1/legal-holds"))["items"] == []


async def test_it_is_journalled_and_its_reason_is_sealed(world: World, officer: Person) -> None:
    hold = await held(officer, case := await world.clinician.case())
    ok(await officer.get(f"/v1/legal-holds/{hold['id']}"))
    ok(await officer.get("/v1/legal-holds"))
    ok(await officer.post(f"/v1/legal-holds/{hold['id']}/release"))
    async with world.owner.transaction() as tx:
        told = select(JournalEntry).where(
            JournalEntry.clinic_id == officer.clinic_id,
            JournalEntry.record_type == "legal_hold",
        )
        entries = (await tx.exec(told.order_by(col(JournalEntry.id)))).all()
        stored = await (await tx.connection()).execute(sa.text("SELECT reason FROM legal_holds"))
        assert not [reason for (reason,) in stored if "lawsuit" in reason]
    assert [entry.happening for entry in entries] == [
        "legal_hold.placed",
        "legal_hold.read",
        "legal_hold.read",
        "legal_hold.released",
    ]
    for entry in entries:
        assert (str(entry.case_id), entry.record_ids) == (case["id"], [hold["id"]])
        assert entry.actor_id == officer.id
