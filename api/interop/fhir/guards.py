"""Who may read one resource: the guards of our own API, asked under the names of FHIR's types."""

from typing import Any, NamedTuple
from uuid import UUID

from fastapi import Request
from sqlmodel import col, select

from api.access.authentication import Me
from api.access.case_relationship import OpenCase
from api.access.guards import (
    OpenRecord,
    case_for,
    flag_for,
    incident_for,
    may_on_cases,
    promise_for,
)
from api.access.journal_reading import as_told, entries_for
from api.domain.errors import Forbidden, NotFound, Refusal
from api.domain.permissions.case_rules import purpose_of
from api.domain.permissions.table import Actor
from api.http.request_transaction import Tx
from api.interop.fhir.flags import type_of
from api.storage.models.clinical import Case
from api.storage.models.flags import Flag
from api.storage.models.journal import JournalEntry


class Opened(NamedTuple):
    """A row that somebody may read, the case it is on, and what for, if out of the ordinary."""

    row: Any
    case: Case | None = None
    purpose: str | None = None


class opened_issue(flag_for):  # noqa: N801 - reads as a sentence, like the guards of access
    """Guard one flag about conduct; of any other sort there is none under this type."""

    served_as = "DetectedIssue"

    def _visible(self, me: Actor, found: OpenRecord[Flag]) -> bool:
        # whoever may not see a flag is not told under which type to look for it either
        return type_of(found.row.rule) == self.served_as and super()._visible(me, found)


class opened_flag(opened_issue):  # noqa: N801 - as above
    """Guard one flag about the client's safety."""

    served_as = "Flag"


class recorded_on(may_on_cases):  # noqa: N801 - as above
    """Guard what is told of a case, an incident or a promise, whichever has this id."""

    async def __call__(  # type: ignore[override]
        self, request: Request, record_id: UUID, me: Me, tx: Tx
    ) -> OpenCase | OpenRecord[Any]:
        """Give the record, or refuse as each of the three refuses."""
        refusal: Refusal = NotFound()
        for guard in (case_for, incident_for, promise_for):
            try:
                found: OpenCase | OpenRecord[Any] = await guard(self.action)(
                    request, record_id, me, tx
                )
            except (NotFound, Forbidden) as error:
                refusal = error
            else:
                return found
        raise refusal


class entry_for(may_on_cases):  # noqa: N801 - as above
    """Guard one entry of the journal."""

    async def __call__(  # type: ignore[override]
        self, request: Request, entry_id: UUID, me: Me, tx: Tx
    ) -> JournalEntry:
        """Give the entry. 404 when the actor may not read it."""
        await super().__call__(request, me, tx)
        wanted = select(JournalEntry).where(
            col(JournalEntry.id) == entry_id, await entries_for(tx, me)
        )
        told = await as_told(tx, me, (await tx.exec(wanted)).all())
        if not told:
            raise NotFound
        return told[0]


def opened(found: Any) -> Opened:
    """Say what a guard let through."""
    if isinstance(found, OpenCase):
        return Opened(found.row, found.row, purpose_of(found.standing))
    if isinstance(found, OpenRecord):
        return Opened(found.row, found.case, purpose_of(found.standing))
    return Opened(found)
