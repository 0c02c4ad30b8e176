"""To whom what a client said at their door exists: its readers, and the therapist once shared."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import col

from api.access.visibility.cases import on_its_case, supervised_by
from api.access.visibility.links_and_grants import conflicted, granted
from api.access.visibility.oversight import watching
from api.access.visibility.reader import Reader
from api.access.visibility.tenures import had_it_before
from api.domain.door import ENDANGERED
from api.domain.permissions.table import OFFICERS, SUPERVISING, TREATING
from api.domain.vocabulary import AccountStatus, AccountTo
from api.storage.models.access import GrantKind, Supervision
from api.storage.models.accounts import Account, AccountExclusion
from api.storage.models.clinical import Case
from api.storage.models.door import Response
from api.storage.models.flags import Flag
from api.storage.models.people import User

_Supervisor = aliased(User)
_Link = aliased(Supervision)
_Officer = aliased(User)
_Left = aliased(AccountExclusion)
_Named = aliased(Account)
_Answers = aliased(Response)


def seen_accounts(who: Reader) -> ColumnElement[bool]:
    """Say in SQL which accounts, joined with their cases, exist for somebody.

    An account is for the linked supervisors, or for the privacy officers where the client says so
    or no supervisor can read it; never for whom the client named, or who stepped out. Where nobody
    at all can read it and somebody is not safe, whoever opened the case in an emergency does.
    """
    left_out = is_left_out(who.clinic, who.id, Account)
    to_supervisors = col(Account.addressed_to) == AccountTo.supervisors
    watched = supervisors_read(who)
    ways: list[ColumnElement[bool]] = []
    if who.role in SUPERVISING:
        ways.append(and_(to_supervisors, supervised_by(who)))
        endangered = or_(*(col(Account.safe_now) == each for each in ENDANGERED))
        ways.append(
            and_(
                granted(GrantKind.break_glass, who.clinic, who.id, who.now),
                not_concerned(who, who.id),
                ~watched,
                ~officers_read(who),
                endangered,
                col(Account.status) != AccountStatus.closed,
            )
        )
    if who.role in OFFICERS:
        ways.append(and_(not_concerned(who, who.id), ~watched))
    # said of a column: a bare "false" would leave a statement without its tables
    return and_(~left_out, or_(*ways)) if ways else col(Account.id).is_(None)


def not_concerned(who: Reader, person: Any) -> ColumnElement[bool]:
    """Say in SQL that a case, which is not their own, keeps somebody from nothing at its door."""
    return and_(col(Case.clinician_id) != person, ~conflicted(who.clinic, person, who.now))


def shared_with(who: Reader) -> ColumnElement[bool]:
    """Say in SQL which accounts are shared with somebody: as the therapist of that day, or cover.

    A transfer shares nothing, and takes nothing from whoever had the case.
    """
    theirs = [col(Case.clinician_id) == who.id]
    if who.role in TREATING:
        stands_in = granted(GrantKind.cover, who.clinic, who.id, who.now)
        theirs.append(and_(stands_in, ~conflicted(who.clinic, who.id, who.now)))
    return and_(
        col(Account.shared_from) <= who.today,
        col(Account.shared_with_id) == Case.clinician_id,
        or_(*theirs),
    )


def is_left_out(clinic: Any, me: Any, account: Any) -> ColumnElement[bool]:
    """Say in SQL that an account does not exist for somebody.

    They were named, or stepped out, or had the case when it came.
    """
    left = exists().where(
        col(_Left.clinic_id) == clinic, col(_Left.account_id) == account.id, _Left.user_id == me
    )
    return left.correlate_except(_Left)


def supervisors_read(who: Reader, *others: ColumnElement[bool]) -> ColumnElement[bool]:
    """Say in SQL that some supervisor reads an account today, joined with its case."""
    reads = exists().where(
        *watching(who, _Link, _Supervisor),
        ~is_left_out(who.clinic, col(_Supervisor.id), Account),
        *others,
    )
    to_them = col(Account.addressed_to) == AccountTo.supervisors
    return and_(to_them, reads.correlate_except(_Link, _Supervisor))


def officers_read(who: Reader, *others: ColumnElement[bool]) -> ColumnElement[bool]:
    """Say in SQL that some privacy officer may read an account, joined with its case."""
    reads = exists().where(
        col(_Officer.clinic_id) == who.clinic,
        or_(*(col(_Officer.role) == role for role in sorted(OFFICERS))),
        col(_Officer.is_active),
        not_concerned(who, col(_Officer.id)),
        ~is_left_out(who.clinic, col(_Officer.id), Account),
        *others,
    )
    return reads.correlate_except(_Officer)


def others_read(who: Reader) -> ColumnElement[bool]:
    """Say in SQL that somebody else than whoever asks reads an account, joined with its case."""
    return or_(
        supervisors_read(who, col(_Supervisor.id) != who.id),
        officers_read(who, col(_Officer.id) != who.id),
    )


def left_out_before(who: Reader, row: Any) -> ColumnElement[bool]:
    """Say in SQL that something had come by the door of a row's case that somebody never reads.

    An account that does not exist for them, or how a client looked back on their therapy with them:
    it may be in a copy that somebody else gave.
    """
    came = exists().where(
        col(_Named.clinic_id) == who.clinic,
        col(_Named.case_id) == row.case_id,
        col(_Named.created_at) <= row.created_at,
        is_left_out(who.clinic, who.id, _Named),
    )
    looked_back = exists().where(
        col(_Answers.clinic_id) == who.clinic,
        col(_Answers.case_id) == row.case_id,
        col(_Answers.box_id).is_not(None),
        col(_Answers.created_at) <= row.created_at,
        had_it_before(who.id, _Answers, col(_Answers.created_at)),
    )
    return or_(came.correlate_except(_Named), looked_back.correlate_except(_Answers))


def from_kept_account(who: Reader, model: Any) -> ColumnElement[bool]:
    """Say in SQL that a row is from an account that does not exist for somebody, on any case."""
    read = exists().where(
        col(Account.clinic_id) == who.clinic,
        col(Account.id) == model.account_id,
        on_its_case(Account),
        seen_accounts(who),
    )
    return and_(model.account_id.is_not(None), ~read.correlate(model))


def reads_its_account(who: Reader, model: Any = Flag) -> ColumnElement[bool]:
    """Say in SQL that a record, or a flag, is from no account that somebody does not read.

    For linked supervisors, who see its case, and whoever recorded it.
    """
    read = exists().where(
        col(_Named.clinic_id) == who.clinic,
        col(_Named.id) == model.account_id,
        col(_Named.addressed_to) == AccountTo.supervisors,
        ~is_left_out(who.clinic, who.id, _Named),
    )
    return or_(model.account_id.is_(None), read.correlate_except(_Named))
