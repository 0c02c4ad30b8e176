"""Who sees which row is said twice, in Python of one row and in SQL of many: both say the same."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

import pytest
import sqlalchemy as sa
import sqlmodel
from sqlmodel import col, select

from api.access import case_relationship, guards, journal_reading
from api.access.case_relationship import asking, find_case
from api.access.visibility import (
    briefs,
    cases,
    links_and_grants,
    named,
    newest,
    oversight,
    records,
    triaged,
)
from api.access.visibility.cases import may_see_case, on_its_case
from api.access.visibility.reader import reader
from api.domain.lifecycles import BRIEF_LASTS, is_unresolved
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import Standing, why_not
from api.domain.permissions.table import CONSULTING, TREATING
from api.domain.vocabulary import Audience, Event, Role, Scope
from api.flags.triage import triage
from api.records import oversight_notices
from api.storage.hidden_entries import ABOUT_ROWS
from api.storage.models.access import AccessNotice, AccessNoticeReader
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case, Consultation, Incident, Note, Promise
from api.storage.models.disclosures import Disclosure
from api.storage.models.door import Invitation
from api.storage.models.door import Response as Answered
from api.storage.models.flags import Flag
from api.storage.models.journal import JournalEntry
from api.storage.models.people import User
from api.storage.transaction import Transaction
from tests.support.chance import Chance
from tests.support.eyes import Eyes, Rows
from tests.support.guards import made_anew
from tests.support.world import World, software

A_PAGE = 3
ROUNDS = 2
"""Clinics that are played."""

SCOPES = frozenset({Scope.cases_read, Scope.flags_read})

KINDS: tuple[Any, ...] = (Incident, Promise, Consultation, Flag, Note, Answered, Invitation)
"""The records of a case that are read by their id."""


ALWAYS = {"standing", "ids of an entry"}
"""What is asked of rows that are seen alone."""


class Said(NamedTuple):
    """What was asked, what Python says of the row, and whether SQL found it."""

    what: str
    says: bool
    found: bool


async def ids(tx: Transaction, statement: Any) -> set[UUID]:
    """Give the ids that a statement finds."""
    return set(await tx.exec(statement))


def in_lists(standing: Standing) -> bool:
    """Tell whether a case is listed: one opened in an emergency is read by its id."""
    return may_see_case(replace(standing, opened=False))


# ----------------------------------------------------------------------------------- cases


async def of_cases(tx: Transaction, eyes: Eyes, everyone: list[Eyes]) -> list[Said]:
    """Ask of each case by its id, for a read and for a write, and in each list of cases."""
    me = eyes.actor
    listed = await ids(tx, select(Case.id).where(cases.visible_cases(tx, me)))
    queued = await ids(tx, select(Case.id).where(cases.queued_cases(tx, me)))
    unwatched = await ids(tx, select(Case.id).where(oversight.unwatched_cases(tx, me)))
    among, first = await _newest(tx, eyes, Case), await _first_in_queue(tx, eyes)
    to_change = case_relationship._case_to_change(me.role)
    given = await ids(tx, _on_cases(Disclosure).where(records.visible_disclosures(tx, me)))
    said = []
    for case in eyes.rows[Case]:
        stands, says = eyes.standings[case.id], case.id in eyes.seen[Case]
        found = await find_case(tx, me, case.id)
        locked = (await tx.exec(to_change, asking(tx, me, case.id))).first()
        said += [
            Said("case by its id", says, found is not None),
            Said("case to change", says, locked is not None),
            Said("standing", True, found is None or found.standing == stands),
            Said("case listed", says and in_lists(stands), case.id in listed),
            Said("case among the newest", says and in_lists(stands), case.id in among),
            Said("case queued", _in_queue(stands), case.id in queued),
            Said("case in its place", _in_queue(stands) and _waits(eyes, case), case.id in first),
            Said("case unwatched", not _is_watched(case, everyone), case.id in unwatched),
            *_of_disclosures(eyes, case, None if found is None else found.standing, given),
        ]
    return said


async def _newest(tx: Transaction, eyes: Eyes, model: Any) -> set[UUID]:
    """Find all that a list finds, page after page of a few rows, as many as there are."""
    who, found, before = reader(tx, eyes.actor), list[UUID](), None
    while len(found) % A_PAGE == 0:
        wanted = newest.Wanted((), A_PAGE, before)
        page = newest.newest_ids(model, who, wanted, laterally=tx.is_postgresql)
        more = list(await tx.exec(sqlmodel.select(model.id).where(model.id.in_(page))))
        if not more:
            break
        found += sorted(more, reverse=True)
        before = found[-1]
    assert found == sorted(set(found), reverse=True)
    return set(found)


async def _first_in_queue(tx: Transaction, eyes: Eyes) -> set[UUID]:
    """Find the cases of a queue, each in the place that its flags give it."""
    every = triaged.Wanted(lambda _: (), lambda _: (), 1_000)
    chosen = triaged.first_in_queue(
        reader(tx, eyes.actor), every, laterally=tx.is_postgresql
    ).subquery()
    statement = sa.select(*chosen.c).select_from(Case).join(chosen, col(Case.id) == chosen.c.id)
    found = (await tx.exec(statement.order_by(chosen.c.level, chosen.c.due_at, chosen.c.id))).all()
    places = [(level, due_at, row_id) for row_id, level, due_at, _ in found]
    assert places == sorted(places)
    for case in eyes.rows[Case]:
        waiting = [flag for flag in eyes.rows[Flag] if flag.case_id == case.id]
        place = triage(flag for flag in waiting if not (eyes.actor.is_software and flag.restricted))
        assert all((level, due) == place for level, due, row_id in places if row_id == case.id)
    return {row_id for _, _, row_id in places}


def _waits(eyes: Eyes, case: Case) -> bool:
    """Tell whether something waits for supervisors on a case; for software, that is not hidden."""
    return any(
        is_unresolved(flag.status)
        and flag.audience == Audience.supervisor
        and not (flag.restricted and eyes.actor.is_software)
        for flag in eyes.rows[Flag]
        if flag.case_id == case.id
    )


def _in_queue(stands: Standing) -> bool:
    return stands.service or (stands.linked and not stands.conflicted)


def _is_watched(case: Case, everyone: list[Eyes]) -> bool:
    """Tell whether a supervisor who is let in sees a case, as one who is linked."""
    active = {user.id for eyes in everyone for user in eyes.rows[User] if user.is_active}
    return any(
        eyes.actor.id in active and not stands.service and _in_queue(stands)
        for eyes in everyone
        for stands in [eyes.standings[case.id]]
    )


def _of_disclosures(eyes: Eyes, case: Case, found: Standing | None, given: set[UUID]) -> list[Said]:
    asked = found is not None and not found.service
    shown = asked and why_not(Action.disclosure_list, found or Standing()) is None
    rows = [row for row in eyes.rows[Disclosure] if row.case_id == case.id]
    return [
        Said("disclosure", row.id in eyes.seen[Disclosure], shown and row.id in given)
        for row in rows
    ]


# ------------------------------------------------------------------------ records of a case


async def of_records(tx: Transaction, eyes: Eyes, _: list[Eyes]) -> list[Said]:
    """Ask of each record by its id, in its list, and where another row names it."""
    me = eyes.actor
    listed = await _listed(tx, eyes)
    own = await ids(tx, _on_cases(Note).where(records.own_notes(tx, me)))
    # of accounts, which have readers of their own, a law of its own asks
    written = [
        (kind, row.id)
        for kind, model in named._NAMED.items()
        if model is not Account
        for row in eyes.rows[model]
    ]
    shown = {row_id for _, row_id in await named.seen_of(tx, me, written)}
    said = []
    for model in KINDS:
        among = set() if model is Note else await _newest(tx, eyes, model)
        one, name = guards._one_record(model, me.role, lock=False), model.__name__
        for row in eyes.rows[model]:
            stands, says = eyes.standings[row.case_id], row.id in eyes.seen[model]
            found = (await tx.exec(one, asking(tx, me, row.id))).first()
            said.append(Said(f"{name} by its id", says, found is not None))
            # a brief is listed to who sees no case
            on_list = in_lists(stands) or (model is Consultation and not may_see_case(stands))
            said.append(Said(f"{name} listed", says and on_list, row.id in listed))
            if model is not Note:
                is_newest = says and in_lists(stands) and not stands.consulting
                said.append(Said(f"{name} among the newest", is_newest, row.id in among))
            if may_see_case(stands) and model in named._NAMED.values():
                said.append(Said(f"{name} named", says, row.id in shown))
            if model is Note:
                said.append(Said("own note", _is_own(eyes, row), row.id in own))
    return said


def _is_own(eyes: Eyes, note: Note) -> bool:
    kept = eyes.actor.role in TREATING or in_lists(eyes.standings[note.case_id])
    return kept and not eyes.actor.is_software and note.recorded_by_id == eyes.actor.id


async def _listed(tx: Transaction, eyes: Eyes) -> set[UUID]:
    """Give all that the lists find: what `visible_cases` and the like let through."""
    me = eyes.actor
    on_cases = cases.visible_cases(tx, me)
    reaching = on_cases
    if me.role in CONSULTING:
        since = tx.now - BRIEF_LASTS
        reaching = sa.or_(on_cases, briefs.open_briefs(me.id, tx.now, since))
    lists: tuple[tuple[Any, tuple[Any, ...]], ...] = (
        (Incident, (on_cases, records.visible_incidents(tx, me))),
        (Flag, (on_cases, records.visible_flags(tx, me))),
        (Note, (on_cases, records.visible_notes(tx, me))),
        (Answered, (on_cases, records.visible_responses(tx, me))),
        (Invitation, (on_cases, records.visible_invitations(tx, me))),
        (Promise, (on_cases, records.visible_promises(tx, me))),
        (Consultation, (reaching,)),
    )
    found = [await ids(tx, _on_cases(model).where(*wanted)) for model, wanted in lists]
    return set[UUID]().union(*found)


def _on_cases(model: Any) -> Any:
    return select(model.id).join(Case, on_its_case(model))


# ------------------------------------------------------------------- the journal and notices


async def of_entries(tx: Transaction, eyes: Eyes, _: list[Eyes]) -> list[Said]:
    """Ask of each entry of the journal whether it is told, and with which ids."""
    if eyes.actor.is_software:
        return []
    every = list(await tx.exec(select(JournalEntry)))
    told = select(JournalEntry.id).where(await journal_reading.entries_for(tx, eyes.actor))
    listed = await ids(tx, told)
    restricted = {
        row.id for model in (Incident, Promise, Flag) for row in eyes.rows[model] if row.restricted
    }
    hidden = {str(row_id) for row_id in restricted if not _may_know(eyes, row_id)}
    said = [Said("entry", _is_told(eyes, each, every, hidden), each.id in listed) for each in every]
    found = [each for each in every if each.id in listed]
    for entry, shown in zip(
        found, await journal_reading.as_told(tx, eyes.actor, found), strict=True
    ):
        here = [row_id for row_id in entry.record_ids if row_id not in hidden]
        said.append(Said("ids of an entry", True, shown.record_ids == here))
        if entry.record_type in ABOUT_ROWS and here:
            is_hidden_now = {UUID(row_id) for row_id in here} <= restricted
            said.append(Said("entry restricted", is_hidden_now, shown.restricted))
    return said


def _may_know(eyes: Eyes, row_id: UUID) -> bool:
    """Tell whether somebody may know of a restricted record or flag, wherever it is named."""
    rows = [*eyes.rows[Incident], *eyes.rows[Promise], *eyes.rows[Flag]]
    row = next(each for each in rows if each.id == row_id)
    stands = eyes.standings[row.case_id]
    if not isinstance(row, Flag) and row.recorded_by_id == eyes.actor.id:
        return True
    # the whole journal is theirs to watch, but for cases of their own
    is_officer = eyes.actor.role == Role.privacy_officer
    return not stands.own if is_officer else _in_queue(stands)


def _is_told(eyes: Eyes, entry: JournalEntry, every: list[JournalEntry], hidden: set[str]) -> bool:
    """Say in plain words whether an entry exists for somebody."""
    if entry.actor_id == eyes.actor.id:
        return True
    if entry.case_id is None or not eyes.standings[entry.case_id].own:
        return eyes.actor.role == Role.privacy_officer
    if entry.record_type not in ABOUT_ROWS:
        return not entry.restricted
    if entry.record_type == "flag" and entry.happening != Event.flag_opened:
        # what moved a flag shows in that it moved
        beside = [each for each in every if _is_written_with(entry, each)]
        if any(hidden.issuperset(each.record_ids) for each in beside):
            return False
    return not hidden.issuperset(entry.record_ids)


def _is_written_with(entry: JournalEntry, other: JournalEntry) -> bool:
    """Tell whether one request wrote of a record what moved a flag of the same case."""
    written = other.record_type in ("incident", "promise") and not other.is_read
    together = entry.request_id is not None and entry.request_id == other.request_id
    return written and together and entry.case_id == other.case_id


async def of_notices(tx: Transaction, eyes: Eyes, _: list[Eyes]) -> list[Said]:
    """Ask of each notice whether it is told."""
    told = await tx.exec(oversight_notices.notices_told(tx, eyes.actor))
    shown = {row.id for row in told}
    readers = await tx.exec(
        select(AccessNoticeReader).where(col(AccessNoticeReader.user_id) == eyes.actor.id)
    )
    read_at = {reader.notice_id: reader.read_at for reader in readers}
    since = eyes.rows.now - oversight_notices.KEPT_FOR
    said = []
    for notice in await tx.exec(select(AccessNotice)):
        concerns = notice.id in read_at or eyes.actor.role == Role.privacy_officer
        is_kept = read_at.get(notice.id) is None or notice.at > since
        has_come = notice.at <= eyes.rows.now and notice.withdrawn_at is None
        said.append(Said("notice", concerns and is_kept and has_come, notice.id in shown))
    return said


# ---------------------------------------------------------------------------------- played


Ask = Callable[[Transaction, Eyes, list[Eyes]], Awaitable[list[Said]]]
EVERYTHING: tuple[Ask, ...] = (of_cases, of_records, of_entries, of_notices)


async def play(world: World, seed: int, asked: tuple[Ask, ...] = EVERYTHING) -> list[Said]:
    """Make up the rows of a clinic, and ask of each of them, for everybody there."""
    here = world.clinician.clinic_id
    program = await software(world, *SCOPES)
    people = [person.id for person in world.here.values()]
    await Chance(world, random.Random(seed), people).put_up()
    rows = await Rows.read(world, here, {})
    everyone = [Eyes(person, frozenset(), rows) for person in world.here.values()]
    said = []
    for eyes in [*everyone, Eyes(program, SCOPES, rows)]:
        async with world.database.transaction() as tx:
            await tx.enter_for_work(here)
            for ask in asked:
                said += await ask(tx, eyes, everyone)
    return said


def told_apart(said: list[Said]) -> Counter[str]:
    """Count what Python and SQL do not agree on."""
    return Counter(each.what for each in said if each.says != each.found)


@pytest.mark.both_databases
async def test_python_says_visible_just_where_sql_finds_it(
    world: World, say: Callable[[str], None]
) -> None:
    said = [each for seed in range(ROUNDS) for each in await play(world, seed)]
    assert told_apart(said) == {}
    seen = Counter(each.what for each in said if each.says)
    asked = Counter(each.what for each in said)
    for what in asked:
        # neither nothing nor everything: else there was nothing to agree on
        assert 0 < seen[what] < asked[what] or what in ALWAYS, what
    say(
        f"python and SQL agree on who sees which row: {asked.total()} asked of {len(asked)} kinds, "
        f"{seen.total()} seen"
    )


@pytest.fixture(autouse=True)
def some_are_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a supervisor's lists look at a few rows first: the rest is then found case by case."""
    monkeypatch.setattr(newest, "NEAR", 2 * A_PAGE)


async def is_missed(world: World, asked: Ask) -> bool:
    """Play until Python and SQL do not agree, a few times at most."""
    for seed in range(100, 105):
        if told_apart(await play(world, seed, (asked,))):
            return True
    return False


MUTANTS: tuple[tuple[Any, str, Any, Ask], ...] = (
    (cases, "conflicted", sa.false(), of_cases),
    (cases, "granted", sa.false(), of_cases),
    (cases, "supervised_by", sa.true(), of_cases),
    (newest, "conflicted", sa.false(), of_cases),
    (newest, "links", (sa.true(),), of_cases),
    (newest, "in_force", (sa.true(),), of_records),
    (newest, "seen_in_lists", sa.true(), of_records),
    (triaged, "on_link", sa.true(), of_cases),
    (triaged, "links", (sa.true(),), of_cases),
    (links_and_grants, "links_in_force", (sa.true(),), of_cases),
    (oversight, "conflicted", sa.false(), of_cases),
    (records, "visible_disclosures", sa.true(), of_cases),
    (records, "visible_promises", sa.true(), of_records),
    (records, "kept_notes", sa.false(), of_records),
    (records, "open_briefs", sa.false(), of_records),
    (briefs, "conflicted", sa.false(), of_records),
    (journal_reading, "of_own_case", sa.false(), of_entries),
    (journal_reading, "tells_of_hidden", sa.false(), of_entries),
    (journal_reading, "supervised_cases", sa.true(), of_entries),
    (oversight_notices, "may_ever", False, of_notices),
)
"""Walls, what is said in their place, and what it shows in."""


@pytest.mark.parametrize(("room", "wall", "gone", "asked"), MUTANTS)
async def test_each_of_them_is_missed_when_it_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch, room: Any, wall: str, gone: Any, asked: Ask
) -> None:
    with made_anew(), monkeypatch.context() as patch:
        patch.setattr(room, wall, lambda *_: gone)
        assert await is_missed(world, asked)


@pytest.mark.parametrize("model", [each for each in records.SEEN if each is not Account])
async def test_each_rule_about_a_record_is_missed_when_it_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch, model: Any
) -> None:
    with made_anew(), monkeypatch.context() as patch:
        patch.setitem(records.SEEN, model, lambda *_: sa.true())
        assert await is_missed(world, of_records)
