"""Who is behind an id: the name of a person or of software, never an address."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, TypedDict
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from api.domain.vocabulary import Role
from api.storage.models.people import ServiceAccount, User
from api.storage.transaction import Transaction


class ActorKind(StrEnum):
    """What somebody who did something is."""

    person = "person"
    software = "software"


class Known(NamedTuple):
    """Somebody of the clinic, as they are called now. `role` is that of a person."""

    name: str
    kind: ActorKind
    role: Role | None


class ActorNamed(TypedDict):
    """Who did something, beside the id; all null for what nobody did who signed in."""

    actor_name: str | None
    actor_kind: ActorKind | None
    actor_role: Role | None


async def known_by(tx: Transaction, ids: Iterable[UUID | None]) -> dict[UUID, Known]:
    """Give the people and the software of the clinic that have these ids, in one question."""
    asked = {each for each in ids if each is not None}
    if not asked:
        return {}
    of_software = sa.literal(None, User.__table__.c.role.type)  # type: ignore[attr-defined]
    people = select(col(User.id), col(User.name), col(User.role)).where(col(User.id).in_(asked))
    software = select(col(ServiceAccount.id), col(ServiceAccount.name), of_software).where(
        col(ServiceAccount.id).in_(asked)
    )
    found = await tx.exec(sa.union_all(people, software))
    return {row_id: _known(name, role) for row_id, name, role in found}


def _known(name: str, role: Role | None) -> Known:
    return Known(name, ActorKind.software if role is None else ActorKind.person, role)


def actor_named(known: dict[UUID, Known], actor_id: UUID | None) -> ActorNamed:
    """Say who did something, as the journal and the timeline show it."""
    actor = known.get(actor_id) if actor_id else None
    if actor is None:
        return {"actor_name": None, "actor_kind": None, "actor_role": None}
    return {"actor_name": actor.name, "actor_kind": actor.kind, "actor_role": actor.role}
