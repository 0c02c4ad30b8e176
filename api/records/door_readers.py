"""Who reads what is sent by the door of a case, as far as the door may tell."""

from typing import NamedTuple
from uuid import UUID

from sqlmodel import col, or_, select

from api.access.visibility.colleagues import sees_case
from api.access.visibility.links_and_grants import links_in_force
from api.domain.permissions.table import OFFICERS, SUPERVISING, Actor
from api.storage.models.access import Supervision
from api.storage.models.clinical import Case
from api.storage.models.people import User
from api.storage.transaction import Transaction


class Readers(NamedTuple):
    """Who reads, by whom it is sent to; and the therapist, who does not."""

    supervisors: list[User]
    privacy_officers: list[User]
    therapist: User | None

    @property
    def ids(self) -> frozenset[UUID]:
        """Everybody whose name is shown as a reader's."""
        return frozenset(each.id for each in (*self.supervisors, *self.privacy_officers))

    @property
    def shown(self) -> frozenset[UUID]:
        """Everybody whose name is shown, the therapist's too."""
        return self.ids if self.therapist is None else self.ids | {self.therapist.id}


async def readers_of(tx: Transaction, case: Case) -> Readers:
    """Give who reads what is sent by the door of a case today.

    Whoever made the invitation may look here with its code. So nobody is left out because of what
    is hidden from the case's clinician: of such a conflict the clinician would learn.
    """
    told = Actor.of_a_clinician(case.clinician_id)
    linked = select(User).where(
        User.clinic_id == tx.clinic.id,
        col(User.id).in_(
            select(col(Supervision.supervisor_id)).where(
                Supervision.clinic_id == tx.clinic.id,
                Supervision.clinician_id == case.clinician_id,
                *links_in_force(tx.today),
            )
        ),
        or_(*(col(User.role) == role for role in sorted(SUPERVISING))),
        col(User.is_active),
    )
    candidates = (await tx.exec(linked.order_by(User.name, col(User.id)))).all()
    supervisors = [each for each in candidates if await sees_case(tx, each, case, told=told)]
    officer = select(User).where(
        User.clinic_id == tx.clinic.id,
        or_(*(col(User.role) == role for role in sorted(OFFICERS))),
        col(User.is_active),
        User.id != case.clinician_id,
    )
    officers_here = (await tx.exec(officer.order_by(User.name, col(User.id)))).all()
    therapist = await tx.exec(
        select(User).where(User.clinic_id == tx.clinic.id, User.id == case.clinician_id)
    )
    return Readers(supervisors, list(officers_here), therapist.first())
