"""What somebody is told of the journal: its entries, as far as they see the records named in them.

An entry keeps the records it is about and how they stood on the day it was written. Of whom it is
hidden is asked anew each time, of incidents, promises and flags as they are now.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, and_, func, or_, true
from sqlmodel import col, select

from api.access.visibility.accounts import from_kept_account, seen_accounts
from api.access.visibility.cases import on_its_case, supervised_cases
from api.access.visibility.oversight import of_own_case
from api.access.visibility.reader import reader
from api.access.visibility.tenures import had_it_before
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import OVERSIGHT, Standing
from api.domain.permissions.table import Actor, may_ever
from api.storage.hidden_entries import ABOUT_ROWS, tells_of_hidden
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case
from api.storage.models.door import Box, Response
from api.storage.models.flags import IS_RESTRICTED, Flag
from api.storage.models.journal import JournalEntry
from api.storage.transaction import Transaction

Ids = frozenset[UUID]


class Hidden(NamedTuple):
    """Records and flags that are restricted now, and which of them somebody may not see."""

    restricted: Ids
    from_them: Ids


async def entries_for(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL which entries of the journal exist for somebody, as records stand now."""
    own = col(Case.clinician_id) == me.id
    hidden = await _hidden(tx, me, lambda model: or_(own, model.account_id.is_not(None)))
    kept = hidden.from_them | await _accounts_kept(tx, me) | await _responses_kept(tx, me)
    return _visible_entries(tx, me, kept)


def _visible_entries(tx: Transaction, me: Actor, hidden: Collection[UUID]) -> ColumnElement[bool]:
    """Say in SQL which entries of the journal exist for somebody.

    All of the clinic's for privacy officers; for others what they did themselves, and what is told
    of their own cases. There an entry that names nothing but what is `hidden` from them now is not
    told, and of what is not among `ABOUT_ROWS` none that was restricted when it was written.
    """
    here = col(JournalEntry.clinic_id) == tx.clinic.id
    by_themselves = col(JournalEntry.actor_id) == me.id
    about_rows = func.coalesce(JournalEntry.record_type, "").in_(ABOUT_ROWS)
    told = or_(
        and_(about_rows, ~tells_of_hidden(hidden)),
        and_(~about_rows, col(JournalEntry.restricted).is_(False)),
    )
    # what was read on the way from what is hidden would tell of it
    told = and_(told, col(JournalEntry.purpose).is_distinct_from(OVERSIGHT))
    if may_ever(me, Action.journal_read_all):
        others = and_(~of_own_case(tx, me, JournalEntry), told_of_the_door(hidden))
        return and_(here, or_(by_themselves, told, others))
    own = select(col(Case.id)).where(Case.clinic_id == tx.clinic.id, Case.clinician_id == me.id)
    return and_(here, or_(by_themselves, and_(col(JournalEntry.case_id).in_(own), told)))


def told_of_the_door(kept: Collection[UUID]) -> ColumnElement[bool]:
    """Say in SQL that an entry is about nothing that came by the door and is `kept` from somebody.

    Of boxes nobody is told: whoever throws a receipt away changes nothing that staff see.
    """
    of = func.coalesce(JournalEntry.record_type, "")
    by_door = of.in_((Account.noun, Response.noun, *ABOUT_ROWS))
    return and_(of != Box.noun, or_(~by_door, ~tells_of_hidden(kept)))


async def _accounts_kept(
    tx: Transaction, me: Actor, case_id: UUID | None = None
) -> frozenset[UUID]:
    """Find the accounts, of one case or of the clinic, that do not exist for somebody."""
    statement = (
        sa.select(col(Account.id))
        .join(Case, on_its_case(Account))
        .where(col(Account.clinic_id) == tx.clinic.id, ~seen_accounts(reader(tx, me)))
    )
    if case_id is not None:
        statement = statement.where(col(Account.case_id) == case_id)
    return frozenset((await tx.exec(statement)).scalars())


async def _responses_kept(
    tx: Transaction, me: Actor, case_id: UUID | None = None
) -> frozenset[UUID]:
    """Find what clients answered at the doors of cases that somebody had then, and has no more."""
    statement = sa.select(col(Response.id)).where(
        col(Response.clinic_id) == tx.clinic.id,
        col(Response.box_id).is_not(None),
        had_it_before(me.id, Response, col(Response.created_at)),
    )
    if case_id is not None:
        statement = statement.where(col(Response.case_id) == case_id)
    return frozenset((await tx.exec(statement)).scalars())


async def as_told(tx: Transaction, me: Actor, entries: Sequence[Any]) -> list[JournalEntry]:
    """Give entries without the ids of what is hidden from somebody, what they did themselves too.

    `restricted` is as the records are now.
    """
    cases = {entry.case_id for entry in entries if entry.case_id and _may_name_rows(entry)}
    if not cases:
        return list(entries)
    hidden = await _hidden(tx, me, lambda model: model.case_id.in_(cases))
    return [_as_now(entry, hidden) for entry in entries]


async def hidden_on(tx: Transaction, me: Actor, case_id: UUID, standing: Standing) -> Ids:
    """Give the records and flags of one case that somebody who sees it may not see."""
    if standing.linked and not standing.own:
        return await _not_addressed(tx, me, case_id)
    hidden = await _hidden(tx, me, lambda model: model.case_id == case_id)
    return hidden.restricted if standing.service else hidden.from_them


def told_of_records(hidden: Ids) -> ColumnElement[bool]:
    """Say in SQL which entries about records and flags tell of more than what is hidden."""
    return and_(col(JournalEntry.record_type).in_(ABOUT_ROWS), ~tells_of_hidden(hidden))


def without(record_ids: Iterable[str], hidden: Ids) -> list[str]:
    """Leave hidden records out of the ids that an entry names."""
    return [record_id for record_id in record_ids if UUID(record_id) not in hidden]


async def _not_addressed(tx: Transaction, me: Actor, case_id: UUID) -> Ids:
    """Find what is about accounts that a supervisor of the case does not read."""
    found = {*await _accounts_kept(tx, me, case_id), *await _responses_kept(tx, me, case_id)}
    for model in IS_RESTRICTED:
        kept = sa.select(col(model.id)).where(
            col(model.clinic_id) == tx.clinic.id,
            col(model.case_id) == case_id,
            IS_RESTRICTED[model],
            from_kept_account(reader(tx, me), model),
        )
        found.update((await tx.exec(kept)).scalars())
    return frozenset(found)


async def _hidden(tx: Transaction, me: Actor, on: Any) -> Hidden:
    """Find what is restricted; `on` says in SQL on which cases, of the model it is given."""
    of_whom = _kept_from(tx, me)
    restricted, from_them = set(), set()
    for model in IS_RESTRICTED:
        wrote = col(model.recorded_by_id)
        others = true() if model is Flag else wrote.is_distinct_from(me.id)
        kept = or_(and_(of_whom, others), from_kept_account(reader(tx, me), model))
        asked = sa.select(col(model.id), kept).join(Case, on_its_case(model))
        here = (col(model.clinic_id) == tx.clinic.id, IS_RESTRICTED[model])
        for row_id, is_kept in await tx.exec(asked.where(*here, on(model))):
            restricted.add(row_id)
            if is_kept:
                from_them.add(row_id)
    return Hidden(frozenset(restricted), frozenset(from_them))


def _kept_from(tx: Transaction, me: Actor) -> ColumnElement[bool]:
    """Say in SQL on which cases what is restricted is kept from somebody."""
    if may_ever(me, Action.journal_read_all):
        # the whole journal is theirs to watch, but for cases that they keep of an earlier role
        return col(Case.clinician_id) == me.id
    return ~supervised_cases(tx, me)


def _as_now(entry: Any, hidden: Hidden) -> JournalEntry:
    if not _may_name_rows(entry):
        told: JournalEntry = entry
        return told
    columns = {name: getattr(entry, name) for name in JournalEntry.model_fields}
    columns["record_ids"] = told_ids = without(entry.record_ids, hidden.from_them)
    # that what they are not told of is hidden now would tell of it
    if entry.record_type in ABOUT_ROWS and told_ids:
        columns["restricted"] = not without(told_ids, hidden.restricted)
    # a row of its own: the entry itself never changes
    return JournalEntry(**columns)


def _may_name_rows(entry: Any) -> bool:
    """Tell an entry that may name incidents or flags; a refusal names what somebody asked for."""
    return bool(entry.record_ids) and ":" not in (entry.record_type or "")
