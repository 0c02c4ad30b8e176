"""Which records the rules are not told of: not all who see the case's flags may know of them."""

from typing import Any

from sqlalchemy import ColumnElement, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import col

from api.domain.vocabulary import AccountTo
from api.storage.models.access import Supervision
from api.storage.models.accounts import Account, AccountExclusion
from api.storage.models.clinical import Case

_Account = aliased(Account)
_Left = aliased(AccountExclusion)
_Link = aliased(Supervision)
_Case = aliased(Case)


def told_to_rules(model: Any) -> ColumnElement[bool]:
    """Say in SQL that every supervisor of a case may know of a record that is restricted.

    One that was recorded from an account which some of them do not read would be told to these by
    the flag that it raises. It raises none: whoever reads the account asks for a look themselves.
    """
    left_out = exists().where(
        col(_Left.clinic_id) == model.clinic_id,
        col(_Left.account_id) == model.account_id,
        # others who were left out see none of the case's flags
        col(_Link.clinic_id) == model.clinic_id,
        col(_Link.supervisor_id) == _Left.user_id,
        col(_Case.clinic_id) == model.clinic_id,
        col(_Case.id) == model.case_id,
        col(_Case.clinician_id) == _Link.clinician_id,
    )
    elsewhere = exists().where(
        col(_Account.clinic_id) == model.clinic_id,
        col(_Account.id) == model.account_id,
        col(_Account.addressed_to) != AccountTo.supervisors,
    )
    of_a_supervisor = left_out.correlate_except(_Left, _Link, _Case)
    narrow: Any = or_(of_a_supervisor, elsewhere.correlate_except(_Account))
    return or_(model.account_id.is_(None), model.restricted.is_(False), ~narrow)
