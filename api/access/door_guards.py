"""The guards of a client's door on the staff's side: invitations, and what was said there."""

from dataclasses import replace
from uuid import UUID

from fastapi import Request
from sqlmodel import select

from api.access.authentication import Me
from api.access.case_relationship import (
    OpenCase,
    asking,
    find_case,
    standing_columns,
    standing_of,
)
from api.access.guards import OpenRecord, case_for, hidden, record_for
from api.access.visibility.accounts import seen_accounts, shared_with
from api.access.visibility.cases import may_see_case, on_its_case
from api.access.visibility.reader import asker
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import Standing
from api.domain.permissions.table import OFFICERS, Actor
from api.http.request_transaction import Tx
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case
from api.storage.models.door import Invitation
from api.storage.transaction import Transaction


class accounts_on(case_for):  # noqa: N801 - as in guards
    """Guard what was said at the door of a case; whoever reads it need not see the case."""

    async def __call__(self, request: Request, case_id: UUID, me: Me, tx: Tx) -> OpenCase:
        """Give the case. 404 where nothing said at its door is addressed to who asks."""
        found = await find_case(tx, me, case_id)
        if me.role not in OFFICERS or (found is not None and may_see_case(found.standing)):
            return await super().__call__(request, case_id, me, tx)
        request.state.action = self.action
        statement = (
            select(Case)
            .join(Account, on_its_case(Account))
            .where(
                Case.clinic_id == tx.clinic.id, Case.id == case_id, seen_accounts(asker(me.role))
            )
        )
        asked = asking(tx, me, case_id)
        case = (await tx.exec(statement.limit(1), params=asked)).first()
        if case is None:
            raise hidden(me, self.action)
        return OpenCase(case, Standing(addressed=True))


class invitation_for(record_for[Invitation]):  # noqa: N801 - as in guards
    """Guard one invitation to a client's door."""

    model = Invitation

    async def __call__(
        self, request: Request, invitation_id: UUID, me: Me, tx: Tx
    ) -> OpenRecord[Invitation]:
        """Give the invitation, or refuse."""
        return await self.open(request, invitation_id, me, tx)

    async def _load(
        self, tx: Transaction, me: Actor, record_id: UUID, *, lock: bool
    ) -> OpenRecord[Invitation] | None:
        found = await super()._load(tx, me, record_id, lock=lock)
        if found is None or found.row.recorded_by_id != me.id:
            return found
        seen = found.standing if may_see_case(found.standing) else Standing()
        return OpenRecord(found.row, found.case, replace(seen, inviting=True))


class account_for(record_for[Account]):  # noqa: N801 - as in guards
    """Guard what a client said at their door; whoever reads it need not see the case.

    It is locked to be read, too: the client may be taking it back. `shared_too`: what was shared
    with the therapist is found by the id that it is shared under.
    """

    model = Account

    def __init__(self, action: Action, *, shared_too: bool = False) -> None:
        super().__init__(action)
        self.shared_too = shared_too

    async def __call__(
        self, request: Request, client_account_id: UUID, me: Me, tx: Tx
    ) -> OpenRecord[Account]:
        """Give the account, or refuse."""
        return await self.open(request, client_account_id, me, tx)

    async def _load(
        self,
        tx: Transaction,
        me: Actor,
        record_id: UUID,
        *,
        lock: bool,  # noqa: ARG002 - it is locked to be read, too
    ) -> OpenRecord[Account] | None:
        found = await super()._load(tx, me, record_id, lock=True)
        if found is None and self.shared_too:
            return await self._load_shared(tx, me, record_id)
        if found is None or found.standing.linked or found.standing.opened:
            return found
        return OpenRecord(found.row, found.case, Standing(addressed=True))

    async def _load_shared(
        self, tx: Transaction, me: Actor, record_id: UUID
    ) -> OpenRecord[Account] | None:
        statement = (
            select(Account, Case, *standing_columns(me.role))
            .join(Case, on_its_case(Account))
            .where(
                Account.clinic_id == tx.clinic.id,
                Account.shared_as == record_id,
                shared_with(asker(me.role)),
            )
        )
        found = (await tx.exec(statement, params=asking(tx, me, record_id))).first()
        if found is None:
            return None
        row, case, *held = found
        return OpenRecord(row, case, standing_of(me, case, *held))
