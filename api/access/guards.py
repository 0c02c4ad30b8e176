"""May they: the guard that every operation passes."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import bindparam
from sqlmodel import col, select

from api.access.authentication import Me, bearer, signed_in
from api.access.case_relationship import (
    OpenCase,
    asked_of_case,
    asking,
    find_case,
    locked,
    refuse_purged,
    standing_columns,
    standing_of,
)
from api.access.visibility.cases import may_see_case, on_its_case
from api.access.visibility.reader import asker, placeholder
from api.access.visibility.records import existing_record, may_keep_note, may_see_record
from api.domain.errors import Conflict, Forbidden, NotFound, Refusal
from api.domain.lifecycles import CASE_VOIDED
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import Standing, purpose_of, why_not
from api.domain.permissions.table import CONSULTING, Actor, may_ever, why_no_scope
from api.domain.vocabulary import Role
from api.flags.catching_up import catch_up, is_due
from api.http.request_transaction import Tx
from api.journal.entries import Happening, record_shown
from api.storage.database import Database
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case, Consultation, Incident, Note, Promise
from api.storage.models.door import Invitation
from api.storage.models.door import Response as Answered
from api.storage.models.flags import Flag
from api.storage.questions import Asked
from api.storage.transaction import Transaction

Child = TypeVar("Child", Incident, Promise, Consultation, Flag, Note, Answered, Invitation, Account)


class may:  # noqa: N801 - reads as a sentence: Depends(may(Action.case_open))
    """Guard an operation that is open or closed to a role as such."""

    def __init__(self, action: Action) -> None:
        self.action = action

    async def __call__(self, request: Request, me: Me) -> Actor:
        """Give the actor, or refuse with 403."""
        request.state.action = self.action
        refuse_role(me, self.action)
        return me


class may_one_of(may):  # noqa: N801 - as above
    """Guard an operation with two sides, each for others; the operation asks which it is."""

    def __init__(self, action: Action, other: Action) -> None:
        super().__init__(action)
        self.other = other

    async def __call__(self, request: Request, me: Me) -> Actor:
        """Give the actor, or refuse with 403 who may do neither."""
        request.state.action = self.action
        if not may_ever(me, self.other):
            refuse_role(me, self.action)
        return me


class may_on_cases(may):  # noqa: N801 - as above
    """Guard an operation across cases: a case's clinician may, whatever their role became."""

    async def __call__(self, request: Request, me: Me, tx: Tx) -> Actor:  # type: ignore[override]
        """Give the actor, or refuse with 403."""
        request.state.action = self.action
        if not may_ever(me, self.action):
            await _refuse_without_a_case(tx, me, self.action)
        return me


class may_alone(may):  # noqa: N801 - as above
    """Guard an operation that works in transactions of its own: who asks is asked in one before.

    None stays open meanwhile, which on SQLite would keep out all others, and the operation too.
    """

    async def __call__(  # type: ignore[override]
        self, request: Request, token: Annotated[str | None, Depends(bearer)]
    ) -> Actor:
        """Give the actor, or refuse with 403."""
        request.state.action = self.action
        database: Database = request.app.state.database
        async with database.transaction(request.state.request_id) as tx:
            me = await signed_in(request, tx, token)
            refuse_role(me, self.action)
        return me


@dataclass(frozen=True, slots=True)
class OpenRecord(Generic[Child]):
    """A record of a case that the actor sees."""

    row: Child
    case: Case
    standing: Standing


def record_opened(
    tx: Transaction, happening: Happening, found: OpenCase | OpenRecord[Any], *, actor_id: UUID
) -> None:
    """Journal that somebody was shown what they opened, and what for, if out of the ordinary."""
    record_shown(tx, happening, [found.row], actor_id=actor_id, purpose=purpose_of(found.standing))


class case_for:  # noqa: N801 - reads as a sentence: Depends(case_for(Action.case_read))
    """Guard one case: load it, lock it for a write, bring it up to date, or refuse."""

    def __init__(self, action: Action) -> None:
        self.action = action

    def asks(self, tx: Transaction, me: Actor, *, case_id: UUID) -> Asked:
        """Say what it asks about a case that is read, which may be asked ahead."""
        return asked_of_case(tx, me, case_id)

    async def __call__(self, request: Request, case_id: UUID, me: Me, tx: Tx) -> OpenCase:
        """Give the case. 404 when the actor may not know of it, 403 when they may not do this."""
        request.state.action = self.action
        found = await find_case(tx, me, case_id, lock=_writes(request))
        if found is None or not may_see_case(found.standing):
            raise hidden(me, self.action)
        _allow(me, self.action, found.standing)
        if _writes(request):
            self.refuse_closed(found.row)
            await catch_up(tx, found.row)
        elif is_due(found.row, tx.now):
            due = await find_case(tx, me, case_id, lock=True) or found
            await catch_up(tx, due.row)
            found = await find_case(tx, me, case_id) or found
        return found

    def refuse_closed(self, case: Case) -> None:
        """Raise 409 for a case that takes no more of this."""
        refuse_closed(case)


class copy_for(case_for):  # noqa: N801 - as above
    """Guard the giving of a copy of one case: of a voided one, too, as long as it has its text."""

    def refuse_closed(self, case: Case) -> None:
        """Raise 409 for a case whose text was destroyed."""
        refuse_purged(case)


class record_for(Generic[Child]):  # noqa: N801 - as above
    """Guard one record of a case, with its case; subclasses name the record and its path."""

    model: type[Child]

    def __init__(self, action: Action) -> None:
        self.action = action

    async def open(
        self, request: Request, record_id: UUID, me: Actor, tx: Transaction
    ) -> OpenRecord[Child]:
        """Give the record. 404 when the actor may not know of it, 403 when they may not do this."""
        request.state.action = self.action
        lock = _writes(request)
        found = await self._load(tx, me, record_id, lock=lock)
        if found is None or not self._visible(me, found):
            raise hidden(me, self.action)
        if getattr(found.row, "restricted", False):
            request.state.hidden_on = found.case.id
        _allow(me, self.action, found.standing)
        if lock:
            _refuse_closed_record(found)
        elif is_due(found.case, tx.now):
            found = await self._load(tx, me, record_id, lock=True) or found
        await catch_up(tx, found.case)
        return found

    async def _load(
        self, tx: Transaction, me: Actor, record_id: UUID, *, lock: bool
    ) -> OpenRecord[Child] | None:
        statement = _one_record(self.model, me.role, lock)
        found = (await tx.exec(statement, params=asking(tx, me, record_id))).first()
        if found is None:
            return None
        row, case, *held = found
        standing = standing_of(me, case, *held)
        if self.model is Consultation and me.role in CONSULTING and not standing.own:
            # the statement finds only what they may read the brief of
            standing = Standing(consulting=True)
        return OpenRecord(row, case, standing)

    def _visible(self, me: Actor, found: OpenRecord[Child]) -> bool:
        standing = found.standing
        if standing.consulting or standing.keeping or standing.inviting or standing.addressed:
            return True
        return may_see_case(found.standing) and may_see_record(me, found.row, found.standing)


class incident_for(record_for[Incident]):  # noqa: N801 - as above
    """Guard one incident."""

    model = Incident

    async def __call__(
        self, request: Request, incident_id: UUID, me: Me, tx: Tx
    ) -> OpenRecord[Incident]:
        """Give the incident, or refuse."""
        return await self.open(request, incident_id, me, tx)


class promise_for(record_for[Promise]):  # noqa: N801 - as above
    """Guard one promise."""

    model = Promise

    async def __call__(
        self, request: Request, promise_id: UUID, me: Me, tx: Tx
    ) -> OpenRecord[Promise]:
        """Give the promise, or refuse."""
        return await self.open(request, promise_id, me, tx)


class consultation_for(record_for[Consultation]):  # noqa: N801 - as above
    """Guard one consultation."""

    model = Consultation

    async def __call__(
        self, request: Request, consultation_id: UUID, me: Me, tx: Tx
    ) -> OpenRecord[Consultation]:
        """Give the consultation, or refuse."""
        return await self.open(request, consultation_id, me, tx)


class flag_for(record_for[Flag]):  # noqa: N801 - as above
    """Guard one flag."""

    model = Flag

    async def __call__(self, request: Request, flag_id: UUID, me: Me, tx: Tx) -> OpenRecord[Flag]:
        """Give the flag, or refuse."""
        return await self.open(request, flag_id, me, tx)


class response_for(record_for[Answered]):  # noqa: N801 - as above
    """Guard what was answered to a questionnaire."""

    model = Answered

    async def __call__(
        self, request: Request, response_id: UUID, me: Me, tx: Tx
    ) -> OpenRecord[Answered]:
        """Give the response, or refuse."""
        return await self.open(request, response_id, me, tx)


class note_for(record_for[Note]):  # noqa: N801 - as above
    """Guard one note."""

    model = Note

    async def __call__(self, request: Request, note_id: UUID, me: Me, tx: Tx) -> OpenRecord[Note]:
        """Give the note, or refuse."""
        return await self.open(request, note_id, me, tx)

    async def _load(
        self, tx: Transaction, me: Actor, record_id: UUID, *, lock: bool
    ) -> OpenRecord[Note] | None:
        found = await super()._load(tx, me, record_id, lock=lock)
        if found is None or not may_keep_note(me, found.row.recorded_by_id):
            return found
        # of this note alone: whatever else asks how they stand to the case, they may not see it
        seen = found.standing if may_see_case(found.standing) else Standing()
        return OpenRecord(found.row, found.case, replace(seen, keeping=True))


def refuse_role(me: Actor, action: Action) -> None:
    """Raise 403 for a role that never may use an operation."""
    if may_ever(me, action):
        return
    if me.is_software:
        raise Forbidden(why_no_scope(action))
    raise Forbidden(f"The role {me.role.replace('_', ' ')} does not do this.")


async def _refuse_without_a_case(tx: Transaction, me: Actor, action: Action) -> None:
    own = select(col(Case.id)).where(Case.clinic_id == tx.clinic.id, Case.clinician_id == me.id)
    if (await tx.exec(own.limit(1))).first() is None:
        refuse_role(me, action)


def _writes(request: Request) -> bool:
    return request.method not in {"GET", "HEAD"}


def hidden(me: Actor, action: Action) -> Refusal:
    """Refuse without telling whether the record exists."""
    refuse_role(me, action)
    return NotFound()


def _allow(me: Actor, action: Action, standing: Standing) -> None:
    if standing.service:
        # it sees every case, and does with it what its scopes say
        refuse_role(me, action)
        return
    reason = why_not(action, standing)
    if reason is not None:
        raise Forbidden(reason)


def refuse_closed(case: Case) -> None:
    """Raise 409 for a case that was voided, or whose text was destroyed."""
    refuse_purged(case)
    if case.voided_at is not None:
        raise Conflict(CASE_VOIDED)


def _refuse_closed_record(found: OpenRecord[Any]) -> None:
    # the flags of a voided case still wait for a person, and may be settled
    # and so does what a client said, whatever became of the case; nor need its door stay open
    if isinstance(found.row, Flag | Account | Invitation):
        refuse_purged(found.case)
        return
    refuse_closed(found.case)
    if getattr(found.row, "voided_at", None) is not None:
        raise Conflict("This record was voided; it does not change any more.")


@cache
def _one_record(model: Any, role: Role, lock: bool) -> Any:  # noqa: FBT001 - the cache's key
    statement = (
        select(model, Case, *standing_columns(role))
        .join(Case, on_its_case(model))
        .where(
            model.clinic_id == bindparam("clinic"),
            model.id == bindparam("row"),
            existing_record(model, asker(role), placeholder("since")),
        )
    )
    # both rows: a waiting reader would otherwise go on with the record as it was before
    return locked(statement, Case, model) if lock else statement
