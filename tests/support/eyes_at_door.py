"""Who reads what was said at a door, in Python: the same sentence that the program says in SQL."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.domain.vocabulary import AccountStatus, AccountTo, Role, SafeNow
from api.storage.models.accounts import Account
from api.storage.models.people import User
from tests.support.eyes import Eyes

NOT_SAFE = (SafeNow.no, SafeNow.unsure)


@dataclass
class ReadersAtDoor:
    """What everybody of a clinic reads of accounts; `left_out` holds account and person."""

    everyone: list[Eyes]
    left_out: set[tuple[UUID, UUID]]

    def reads(self, eyes: Eyes, account: Account) -> bool:
        """Tell whether a hidden account exists for somebody.

        For the linked supervisors, or for the privacy officers where the client says so or no
        supervisor can read it; in an emergency for whoever opened the case, where nobody else can.
        """
        if self._is_left_out(eyes, account):
            return False
        stands, role = eyes.standings[account.case_id], eyes.actor.role
        if stands.own or stands.conflicted:
            return False
        if role == Role.privacy_officer:
            return not self._is_watched(account)
        if role != Role.supervisor:
            return False
        if stands.linked and account.addressed_to == AccountTo.supervisors:
            return True
        urgent = account.safe_now in NOT_SAFE and account.status != AccountStatus.closed
        somebody = self._is_watched(account) or any(
            self._may_as(Role.privacy_officer, each, account) for each in self.everyone
        )
        return stands.opened and urgent and not somebody

    def is_shared_with(self, eyes: Eyes, account: Account) -> bool:
        """Tell whether an account is shared with somebody: with the clinician of then, or cover."""
        case = eyes.rows.case(account.case_id)
        stands = eyes.standings[case.id]
        stands_in = stands.covering and not stands.conflicted
        has_begun = account.shared_from is not None and account.shared_from <= _today(eyes)
        with_them = has_begun and account.shared_with_id == case.clinician_id
        return with_them and (stands.own or stands_in)

    def _is_watched(self, account: Account) -> bool:
        """Tell whether it is for the supervisors, and one of them reads it."""
        return account.addressed_to == AccountTo.supervisors and any(
            eyes.standings[account.case_id].linked and self._may_as(Role.supervisor, eyes, account)
            for eyes in self.everyone
        )

    def _may_as(self, role: Role, eyes: Eyes, account: Account) -> bool:
        stands = eyes.standings[account.case_id]
        kept_away = stands.own or stands.conflicted or self._is_left_out(eyes, account)
        return eyes.actor.role == role and _is_active(eyes) and not kept_away

    def _is_left_out(self, eyes: Eyes, account: Account) -> bool:
        return (account.id, eyes.actor.id) in self.left_out


def _is_active(eyes: Eyes) -> bool:
    return any(row.is_active for row in eyes.rows[User] if row.id == eyes.actor.id)


def _today(eyes: Eyes) -> Any:
    return eyes.rows.now.date()
