"""What a consultation request points at: records of its case, and whom it asks."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import col, select, update

from api.access.visibility.cases import on_its_case
from api.access.visibility.colleagues import sees_case
from api.access.visibility.named import seen_of
from api.access.visibility.records import visible_incidents
from api.domain.errors import Invalid
from api.domain.permissions.table import CONSULTING, Actor
from api.journal.entries import Happening, record
from api.records.create import NOT_OF_THE_CASE, NOT_TO_BE_CONSULTED, links_as_stored
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.people import User
from api.storage.transaction import Transaction

_LINKS = ("incident_ids", "promise_ids")
"""The fields that name other records."""


async def links_after(
    tx: Transaction, me: Actor, row: Consultation, case: Case, changes: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Give the links that a change leaves: those it names, and those its caller cannot see.

    What is linked already may be named again, whatever became of the record since: only what is
    new must be a record that stands. Raises 422 for another.
    """
    named = {name: set(map(str, changes[name])) for name in _LINKS if name in changes}
    if not named:
        return {}
    before: dict[str, set[str]] = {name: set(getattr(row, name)) for name in _LINKS}
    new = ({UUID(each) for each in named.get(name, set()) - before[name]} for name in _LINKS)
    await refuse_unknown_links(tx, me, case, *new)
    seen = {str(row_id) for _, row_id in await seen_of(tx, me, row.named_records())}
    return links_as_stored({name: each | (before[name] - seen) for name, each in named.items()})


async def link_in_silence(
    tx: Transaction, me: Actor, consultation: Consultation, changes: dict[str, Any]
) -> set[str]:
    """Carry out by itself what changes only links to restricted incidents; name the field.

    It is no new version of what others see: neither that, nor a time, an event or an open entry
    of the journal tells them of it.
    """
    after = set(changes.get("incident_ids", consultation.incident_ids))
    moved = [UUID(each) for each in after ^ set(consultation.incident_ids)]
    if not moved:
        return set()
    is_open = col(Incident.restricted).is_(False)
    open_ones = select(col(Incident.id)).where(col(Incident.id).in_(moved), is_open)
    if (await tx.exec(open_ones.limit(1))).first() is not None:
        return set()
    links = changes.pop("incident_ids")
    # by itself, as a change of the row would be a version of it
    here = col(Consultation.clinic_id) == tx.clinic.id, col(Consultation.id) == consultation.id
    silently = update(Consultation).where(*here).values(incident_ids=links)
    await tx.exec(silently.execution_options(synchronize_session=False))
    set_committed_value(consultation, "incident_ids", links)
    record(
        tx,
        Happening.consultation_changed,
        actor_id=me.id,
        record_type=consultation.noun,
        record_ids=[consultation.id],
        case_id=consultation.case_id,
        changed=["incident_ids"],
        restricted=True,
    )
    return {"incident_ids"}


async def refuse_unknown_links(
    tx: Transaction,
    me: Actor,
    case: Case,
    incident_ids: Iterable[UUID],
    promise_ids: Iterable[UUID],
) -> None:
    """Raise 422 for a linked record that is not on this case, or that the caller cannot see."""
    for pointer, model, ids in (
        ("/incident_ids", Incident, set(incident_ids)),
        ("/promise_ids", Promise, set(promise_ids)),
    ):
        if not ids:
            continue
        statement = (
            select(col(model.id))
            .join(Case, on_its_case(model))
            .where(
                col(model.clinic_id) == tx.clinic.id,
                col(model.case_id) == case.id,
                col(model.id).in_(ids),
                col(model.voided_at).is_(None),
            )
        )
        if model is Incident:
            statement = statement.where(visible_incidents(tx, me))
        if set((await tx.exec(statement)).all()) != ids:
            raise Invalid(pointer, NOT_OF_THE_CASE)


async def refuse_who_cannot_answer(
    tx: Transaction, me: Actor, consultant_id: UUID | None, case: Case
) -> None:
    """Raise 422 unless this is a consultant, or a supervisor who sees the case.

    One whom an incident concerns that the caller does not see is taken for any other, or the
    refusal would tell of it. The request just does not reach them.
    """
    if consultant_id is None:
        return
    known = await tx.exec(
        select(User).where(
            User.clinic_id == tx.clinic.id, User.id == consultant_id, col(User.is_active).is_(True)
        )
    )
    user = known.first()
    if user is None or not (user.role in CONSULTING or await sees_case(tx, user, case, told=me)):
        raise Invalid("/consultant_id", NOT_TO_BE_CONSULTED)
