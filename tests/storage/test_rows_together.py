"""The file of a case, asked in one message: the same as asked in turn, behind the same walls."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel, col, select

from api.domain.vocabulary import FlagStatus
from api.flags import case_facts, reconcile
from api.flags.case_facts import CaseFile, open_file
from api.storage.models.clinical import Case
from api.storage.models.people import Clinic
from api.storage.transaction import Transaction
from tests.support.cases import QUESTION
from tests.support.new_rows import raised
from tests.support.world import NOON, Urls, World, made, ok, open_world

UTC = ZoneInfo("UTC")


@pytest.fixture
async def world(postgresql_urls: Urls) -> AsyncIterator[World]:
    """Elsewhere they are asked in turn anyway."""
    async with open_world(postgresql_urls, NOON) as world:
        yield world


async def full_case(world: World, *, hidden: bool) -> dict[str, Any]:
    """Give a case with a row in each table of its file."""
    clinician, supervisor = world.clinician, world.supervisor
    case = await clinician.case()
    await clinician.incident(case, "hurtful_words")
    await clinician.incident(case, "crossing", area="time", rationale="Said why.")
    await clinician.promise(case, wording="I call you back.")
    made(await clinician.post(f"/v1/cases/{case['id']}/consultations", QUESTION))
    if hidden:
        await supervisor.incident(case, "touch", touch="holding", restricted=True)
    ok(await world.admin.send("PUT", "/v1/rules/modes", json={"frame_drift": "monitor"}))
    to = {"clinician_id": str(world.colleague.id), "reason": "on leave"}
    ok(await supervisor.post(f"/v1/cases/{case['id']}/transfer", to))
    return case


async def opened(world: World, case: dict[str, Any], **how: bool) -> CaseFile:
    async with world.database.transaction() as tx:
        await tx.enter(world.clinician.clinic_id, UTC)
        row = (await tx.exec(select(Case).where(col(Case.id) == UUID(case["id"])))).one()
        return await open_file(tx, row, **how)


def in_words(file: CaseFile) -> dict[str, Any]:
    def plain(each: Any) -> Any:
        if isinstance(each, SQLModel):
            return each.model_dump()
        return [plain(one) for one in each] if isinstance(each, list) else each

    names = ("facts", "flags", "monitored_rules", "monitored", "hidden", "tenures")
    return {name: plain(getattr(file, name)) for name in names}


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("whole", [False, True])
async def test_what_is_asked_at_once_is_what_is_asked_in_turn(
    world: World, monkeypatch: pytest.MonkeyPatch, hidden: bool, whole: bool
) -> None:
    case = await full_case(world, hidden=hidden)
    at_once = in_words(await opened(world, case, whole=whole))
    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "asks_at_once", property(lambda _: False))
        assert in_words(await opened(world, case, whole=whole)) == at_once
    facts = at_once["facts"]
    assert all((facts.incidents, facts.promises, facts.consultations, at_once["tenures"]))
    assert bool(at_once["hidden"]) == hidden
    # one at a time, whatever was read in the first message
    with monkeypatch.context() as patch:
        patch.setattr(case_facts, "PAGE", len(facts.incidents))
        assert in_words(await opened(world, case, whole=whole)) == at_once


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("whole", [False, True])
async def test_what_was_withdrawn_is_read_where_something_is_hidden(
    world: World, hidden: bool, whole: bool
) -> None:
    case = await full_case(world, hidden=hidden)
    async with world.database.transaction() as tx:
        await tx.enter(world.clinician.clinic_id, UTC)
        await tx.begin()
        tx.add(gone := raised(tx, case, world, status=FlagStatus.withdrawn))
    file = await opened(world, case, whole=whole)
    assert (gone.id in {flag.id for flag in file.flags}) == (hidden or whole)


async def test_what_is_shown_as_written_is_what_is_kept(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}"
    # rows carry later instants than those before them, whatever the clock says
    world.clock.now -= timedelta(seconds=30)
    incident = await world.clinician.incident(case, "hurtful_words")
    promise = await world.clinician.promise(case)
    for noun, shown in (("incidents", incident), ("promises", promise)):
        assert shown["updated_at"] > world.clock.now.isoformat()
        (kept,) = ok(await world.clinician.get(f"{path}/{noun}"))["items"]
        assert {name: shown[name] for name in kept} == kept


async def test_a_file_holds_no_row_of_another_clinic(world: World) -> None:
    case = await full_case(world, hidden=True)
    async with world.database.transaction() as tx:
        await tx.enter(world.there["clinician"].clinic_id, UTC)
        asked = {"case": UUID(case["id"]), "after": UUID(int=0), "whole": True}
        _, lists = await case_facts._FILE.ask(tx, asked)
    assert lists == [[]] * 6


async def test_a_database_that_does_not_take_it_is_asked_in_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await full_case(world, hidden=False)
    whole = in_words(await opened(world, case))
    file, at_once = case_facts._FILE, case_facts._FILE._at_once
    # nor does PostgreSQL, so
    refused = at_once.statement.distinct().with_for_update(of=Clinic)
    monkeypatch.setattr(at_once, "statement", refused)
    monkeypatch.setattr(at_once, "_of", {})
    monkeypatch.setattr(file, "_is_refused", False)
    with pytest.raises(DBAPIError):
        await opened(world, case)
    assert in_words(await opened(world, case)) == whole


@pytest.mark.parametrize("how", ["hidden", "before others", "plain"])
async def test_a_new_record_is_told_where_reading_it_would_tell_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words")
    read: list[CaseFile] = []

    async def open_again(*args: Any, **options: Any) -> CaseFile:
        read.append(await open_file(*args, **options))
        return read[-1]

    monkeypatch.setattr(reconcile, "open_file", open_again)
    if how == "before others":
        monkeypatch.setattr("api.records.create.uuid7", lambda: UUID(int=7))
    restricted = {"restricted": True} if how == "hidden" else {}
    reporter = world.supervisor if restricted else world.clinician
    told = await reporter.incident(case, "touch", touch="holding", **restricted)
    assert len(read) == (0 if how == "plain" else 1)
    if read:
        assert UUID(told["id"]) in {each.id for each in read[0].facts.incidents}
