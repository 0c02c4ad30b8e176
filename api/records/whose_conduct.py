"""Whose conduct an incident is about, and whether it is hidden from the case's clinician for it."""

from typing import Any
from uuid import UUID

from sqlmodel import col, select

from api.access.case_relationship import OpenCase
from api.domain.bodies import IncidentCreate
from api.domain.errors import Forbidden, Invalid
from api.domain.permissions.case_rules import Standing, why_not_restrict, why_not_say_whose
from api.domain.permissions.table import Actor
from api.domain.tenures import whom_it_may_be_about
from api.flags.case_facts import CaseFile
from api.records.create import NOT_A_PERSON
from api.storage.models.clinical import Case, Incident
from api.storage.models.people import User
from api.storage.transaction import Transaction


async def maybe_about(
    tx: Transaction, file: CaseFile, body: IncidentCreate
) -> frozenset[UUID | None]:
    """Say whose conduct a new incident is about: one, or several of whom it may be."""
    if body.about_user_id is not None:
        await refuse_unknown_person(tx, body.about_user_id)
        return frozenset({body.about_user_id})
    return whom_it_may_be_about(file.tenures, file.case.clinician_id, body)


async def say_whose(
    tx: Transaction, incident: Incident, case: Case, standing: Standing, changes: dict[str, Any]
) -> dict[str, Any]:
    """Let a supervisor put right whose conduct it is about, and hide it where it becomes hers."""
    if refusal := why_not_say_whose(standing):
        raise Forbidden(refusal)
    about = changes["about_user_id"]
    if about is not None:
        await refuse_unknown_person(tx, about)
    hers = case.clinician_id
    # what is recorded of an account stays as hidden, or as open, as that
    if about == hers and incident.recorded_by_id != hers and incident.account_id is None:
        return {"restricted": True, **changes}
    return changes


def is_restricted(
    me: Actor,
    found: OpenCase,
    asked: bool | None,  # noqa: FBT001
    maybe: frozenset[UUID | None],
) -> bool:
    """Say whether a new incident is hidden from the case's clinician."""
    if asked:
        may_restrict(me, found.standing)
    if found.standing.own or found.standing.service:
        return bool(asked)
    return found.row.clinician_id in maybe if asked is None else asked


def may_restrict(me: Actor, standing: Standing) -> None:
    """Raise 403 where somebody may not hide an incident, or show it."""
    if refusal := why_not_restrict(me, standing):
        raise Forbidden(refusal)


async def refuse_unknown_person(tx: Transaction, user_id: UUID) -> None:
    """Raise 422 where an incident would be about nobody of this clinic."""
    known = await tx.exec(
        select(col(User.id)).where(User.clinic_id == tx.clinic.id, User.id == user_id)
    )
    if known.first() is None:
        raise Invalid("/about_user_id", NOT_A_PERSON)
