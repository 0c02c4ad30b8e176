"""What came by the doors of cases, as far as the door's own rules read it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy import select as sa_select
from sqlmodel import col

from api.domain.rules.door_facts import AccountFact, OfferFact, ResponseFact
from api.domain.rules.facts import Facts
from api.domain.vocabulary import CaseStatus
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case
from api.storage.models.door import Invitation, Response
from api.storage.transaction import Transaction

AT_OPENING, AT_ENDING = "at_opening", "at_ending"

_ACCOUNT = (
    col(Account.id),
    col(Account.by),
    col(Account.created_at),
    col(Account.words_at),
    col(Account.safe_now),
    col(Account.wants),
    col(Account.status),
)
_RESPONSE = (
    col(Response.id),
    col(Response.by),
    col(Response.answered_on),
    col(Response.concerns),
)


async def with_door_facts(
    tx: Transaction, cases: Iterable[Case], facts: dict[UUID, Facts], offers: Collection[str]
) -> None:
    """Tell of some cases, too, what came by their doors, and where theirs is to be offered.

    `offers`: when the clinic offers its door. Most cases were never written to by their door, and
    most clinics offer it at no set time: nothing is asked of those.
    """
    standing = list(cases)
    used = [case.id for case in standing if case.door_used]
    if used:
        accounts = await _by_case(tx, Account, _ACCOUNT, used)
        responses = await _by_case(tx, Response, _RESPONSE, used)
        for case_id in used:
            facts[case_id] = replace(
                facts[case_id],
                accounts=tuple(_account(*row) for row in accounts[case_id]),
                responses=tuple(ResponseFact(*row) for row in responses[case_id]),
            )
    if offers:
        await _tell_of_offers(tx, standing, facts, offers)


async def _by_case(
    tx: Transaction, model: Any, columns: Sequence[Any], case_ids: Sequence[UUID]
) -> defaultdict[UUID, list[Any]]:
    statement = sa_select(model.case_id, *columns).where(
        model.clinic_id == tx.clinic.id, model.case_id.in_(case_ids)
    )
    if model is Response:
        # what the therapist typed in is read by no rule
        told = (col(Response.voided_at).is_(None), col(Response.by_therapist).is_(False))
        statement = statement.where(*told)
    found: defaultdict[UUID, list[Any]] = defaultdict(list)
    for case_id, *row in await tx.exec(statement.order_by(model.id)):
        found[case_id].append(row)
    return found


def _account(*row: Any) -> AccountFact:
    row_id, by, sent_at, words_at, safe_now, wants, status = row
    return AccountFact(row_id, by, sent_at, words_at, safe_now, frozenset(wants), status)


async def _tell_of_offers(
    tx: Transaction, cases: Sequence[Case], facts: dict[UUID, Facts], offers: Collection[str]
) -> None:
    """Tell where the clinic offers the door, and the clinician has made no invitation since."""
    standing = {case.id: case for case in cases if case.voided_at is None}
    if not standing:
        return
    made = (
        sa_select(col(Invitation.case_id), func.max(col(Invitation.created_at)))
        .join(Case, (col(Case.clinic_id) == Invitation.clinic_id) & (Case.id == Invitation.case_id))
        .where(
            col(Invitation.clinic_id) == tx.clinic.id,
            col(Invitation.case_id).in_(list(standing)),
            # what others made is hidden from the clinician, and so is what it would change
            col(Invitation.recorded_by_id) == Case.clinician_id,
        )
        .group_by(col(Invitation.case_id))
    )
    last = dict((await tx.exec(made)).all())
    for case_id, case in standing.items():
        invited = last.get(case_id)
        invited_on = None if invited is None else invited.astimezone(tx.clinic.zone).date()
        if (offer := _offer(case, invited_on, offers)) is not None:
            facts[case_id] = replace(facts[case_id], offers=(offer,))


def _offer(case: Case, invited_on: date | None, offers: Collection[str]) -> OfferFact | None:
    if case.status == CaseStatus.ended:
        ended_on = case.ended_on or date.min
        is_since = invited_on is not None and invited_on >= ended_on
        wanted = AT_ENDING in offers and not is_since
        return OfferFact(case.id, ended_on, at_ending=True) if wanted else None
    wanted = AT_OPENING in offers and invited_on is None
    return OfferFact(case.id, case.started_on or date.min, at_ending=False) if wanted else None
