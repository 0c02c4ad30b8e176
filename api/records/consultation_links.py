"""What a consultation request points at: records of its case, and whom it asks."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import col, select, update

from api.access.visibility.cases import on_its_case
from api.access.visibility.colleagues import sees_case
from api.access.visibility.named import seen_of
from api.access.visibility.records import visible_incidents, visible_promises
from api.domain.errors import Invalid
from api.domain.permissions.table import CONSULTING, Actor
from api.journal.entries import Happening, record
from api.records.create import NOT_OF_THE_CASE, NOT_TO_BE_CONSULTED, links_as_stored
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.people import User
from api.storage.transaction import Transaction

_LINKED: dict[str, type[Incident | Promise]] = {"incident_ids": Incident, "promise_ids": Promise}
_LINKS = tuple(_LINKED)
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
    """Carry out by itself what changes only links to restricted records; name the fields.

    It is no new version of what others see: neither that, nor a time, an event or an open entry
    of the journal tells them of it.
    """
    silent = [
        name
        for name, model in _LINKED.items()
        if name in changes and await _moves_hidden_alone(tx, consultation, name, model, changes)
    ]
    if not silent:
        return set()
    links = {name: changes.pop(name) for name in silent}
    # by itself, as a change of the row would be a version of it
    here = col(Consultation.clinic_id) == tx.clinic.id, col(Consultation.id) == consultation.id
    silently = update(Consultation).where(*here).values(links)
    await tx.exec(silently.execution_options(synchronize_session=False))
    for name, value in links.items():
        set_committed_value(consultation, name, value)
    record(
        tx,
        Happening.consultation_changed,
        actor_id=me.id,
        record_type=consultation.noun,
        record_ids=[consultation.id],
        case_id=consultation.case_id,
        changed=silent,
        restricted=True,
    )
    return set(silent)


async def _moves_hidden_alone(
    tx: Transaction,
    consultation: Consultation,
    name: str,
    model: type[Incident | Promise],
    changes: Mapping[str, Any],
) -> bool:
    """Tell whether a change adds or removes links of one sort, all of them to what is hidden."""
    moved = [UUID(each) for each in {*changes[name]} ^ {*getattr(consultation, name)}]
    if not moved:
        return False
    open_ones = select(col(model.id)).where(
        col(model.id).in_(moved), col(model.restricted).is_(False)
    )
    return (await tx.exec(open_ones.limit(1))).first() is None


async def refuse_unknown_links(
    tx: Transaction,
    me: Actor,
    case: Case,
    incident_ids: Iterable[UUID],
    promise_ids: Iterable[UUID],
) -> None:
    """Raise 422 for a linked record that is not on this case, or that the caller cannot see."""
    for pointer, model, ids, seen in (
        ("/incident_ids", Incident, set(incident_ids), visible_incidents),
        ("/promise_ids", Promise, set(promise_ids), visible_promises),
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
                seen(tx, me),
            )
        )
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
