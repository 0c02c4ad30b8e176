"""What is recorded from an account: by a reader who says what it was, or as the client asks."""

from datetime import date
from uuid import UUID

from sqlmodel import select

from api.access.guards import OpenRecord
from api.domain.bodies import IncidentCreate, PromiseCreate
from api.domain.details import RecordRequestDetails
from api.domain.errors import Conflict, Invalid
from api.domain.vocabulary import (
    AccountWant,
    Initiator,
    RecordRequest,
    ReportedBy,
    ResponseBy,
)
from api.records.create import new_incident, new_promise
from api.records.whose_conduct import refuse_unknown_person
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case, Incident, Promise
from api.storage.transaction import Transaction

SAY_WHOSE = "Say whose conduct it is about, or null for nobody's: an account does not tell that."
AS_OPEN = "It was shown with what the client shared; void it, and record it anew, to hide it."
AS_HIDDEN = "It is as hidden as what the client said, which is not shared with the therapist."

_REPORTED_BY = {
    ResponseBy.client: ReportedBy.client,
    ResponseBy.guardian: ReportedBy.third_party,
}
_ASKED_FOR = {
    AccountWant.a_copy: RecordRequest.access,
    AccountWant.a_correction: RecordRequest.amendment,
}


async def incident_from(
    tx: Transaction, found: OpenRecord[Account], body: IncidentCreate, by: UUID
) -> Incident:
    """Make an incident of what a client said, as hidden as that is.

    It is the client's account, or the guardian's as a third party's. Raises 422 where nothing is
    said of whose conduct it is about.
    """
    account = found.row
    if "about_user_id" not in body.model_fields_set:
        raise Invalid("/about_user_id", SAY_WHOSE)
    if body.about_user_id is not None:
        await refuse_unknown_person(tx, body.about_user_id)
    told = body.model_copy(update={"reported_by": _REPORTED_BY[account.by]})
    return new_incident(
        tx,
        told,
        account.case_id,
        by,
        about=body.about_user_id,
        restricted=not is_shared(tx, account, found.case),
        account_id=account.id,
    )


def promise_from(
    tx: Transaction, found: OpenRecord[Account], body: PromiseCreate, by: UUID
) -> Promise:
    """Make a promise of what a client said, as hidden as that is."""
    account = found.row
    told = body.model_copy(update={"reported_by": _REPORTED_BY[account.by]})
    return new_promise(
        tx,
        told,
        account.case_id,
        by,
        restricted=not is_shared(tx, account, found.case),
        account_id=account.id,
    )


def requests_in(tx: Transaction, account: Account) -> list[Incident]:
    """Make the record requests that an account asks for, of today, and as hidden as it is."""
    return [
        new_incident(
            tx,
            IncidentCreate(
                occurred_on=tx.today,
                initiator=Initiator.client,
                reported_by=_REPORTED_BY[account.by],
                details=RecordRequestDetails(kind="record_request", request=request),
            ),
            account.case_id,
            None,
            about=None,
            restricted=True,
            account_id=account.id,
        )
        for want, request in _ASKED_FOR.items()
        if want in account.wants
    ]


async def refuse_to_turn(tx: Transaction, account_id: UUID, case: Case, *, hides: bool) -> None:
    """Raise 409 where a record of an account would be shown and that is not, or hidden again."""
    if hides:
        raise Conflict(AS_OPEN)
    found = await tx.exec(
        select(Account).where(Account.clinic_id == tx.clinic.id, Account.id == account_id)
    )
    if not is_shared(tx, found.one(), case):
        raise Conflict(AS_HIDDEN)


def is_shared(tx: Transaction, account: Account, case: Case) -> bool:
    """Tell whether an account is shared by now with who has the case: a transfer shares nothing."""
    begins = read_from(account, case)
    return begins is not None and begins <= tx.today


def read_from(account: Account, case: Case) -> date | None:
    """Give the day from which who has the case reads what is shared of an account; None: never."""
    return account.shared_from if account.shared_with_id == case.clinician_id else None
