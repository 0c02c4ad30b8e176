"""Where a case stands in the queue of flagged cases: kept on the case, whose lock is held."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import NamedTuple, cast
from uuid import UUID

from sqlmodel import col, select

from api.domain.lifecycles import is_unresolved
from api.domain.vocabulary import SEVERITY_ORDER, Audience, Severity, severity_rank
from api.storage.models.clinical import Case
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.transaction import Transaction

PLACES = (
    "triage_level",
    "triage_due_at",
    "unrestricted_triage_level",
    "unrestricted_triage_due_at",
)
"""What a case keeps of where it stands."""
MENDED_AT_ONCE = 100
"""Cases that are put in their places in one transaction."""


class Triage(NamedTuple):
    """How grave the gravest is that waits for supervisors, and by when a look is wanted first."""

    level: int | None
    due_at: datetime | None


def level_of(severity: Severity) -> int:
    """Give the level of a severity: 1 for critical, and more for what is less grave."""
    return len(SEVERITY_ORDER) - severity_rank(severity)


NOTHING_WAITS = len(SEVERITY_ORDER) + 1
"""The level of a case on which nothing waits, and which stands in a queue all the same: last."""


def severity_of(level: int) -> Severity | None:
    """Give the severity of a level; None where nothing waits."""
    return None if level == NOTHING_WAITS else SEVERITY_ORDER[len(SEVERITY_ORDER) - level]


def triage(flags: Iterable[Flag]) -> Triage:
    """Sum up the flags that wait for supervisors; the others do not count."""
    waiting = [
        flag
        for flag in flags
        if flag.audience == Audience.supervisor and is_unresolved(flag.status)
    ]
    return Triage(
        min((level_of(flag.severity) for flag in waiting), default=None),
        min((flag.due_at for flag in waiting if flag.due_at is not None), default=None),
    )


def keep_triage(case: Case, flags: Iterable[Flag]) -> bool:
    """Let a case keep its place by its flags, and the one without what is restricted.

    What is about an account is left out: not all who see the case read that, so the queue looks
    for it by itself. Tell whether it stood elsewhere.
    """
    waiting = [flag for flag in flags if flag.account_id is None]
    level, due_at = triage(waiting)
    open_level, open_due_at = triage(flag for flag in waiting if not flag.restricted)
    moved = False
    for name, kept in zip(PLACES, (level, due_at, open_level, open_due_at), strict=True):
        # mostly it stays where it is, and is not written
        if getattr(case, name, None) != kept:
            setattr(case, name, kept)
            moved = True
    return moved


async def mend_triage(tx: Transaction, since: datetime) -> int:
    """Put cases in their places whose flags somebody moved since then who keeps no places.

    That is a server of an earlier release, while servers are replaced one after the other. Give how
    many stood elsewhere.
    """
    moved = (
        select(col(Flag.case_id))
        .where(col(Flag.clinic_id) == tx.clinic.id, col(Flag.updated_at) >= since)
        .distinct()
    )
    recent = (await tx.exec(moved)).all()
    mended = 0
    for start in range(0, len(recent), MENDED_AT_ONCE):
        some = recent[start : start + MENDED_AT_ONCE]
        if elsewhere := await _not_in_place(tx, some, lock=False):
            # once more, now that nobody else writes of them
            await _not_in_place(tx, elsewhere, lock=True)
            mended += len(elsewhere)
    return mended


async def _not_in_place(tx: Transaction, case_ids: Sequence[UUID], *, lock: bool) -> list[UUID]:
    """Find those of some cases that stand elsewhere; where they are locked, put them in place."""
    chosen = select(Case).where(col(Case.clinic_id) == tx.clinic.id, col(Case.id).in_(case_ids))
    chosen = chosen.order_by(col(Case.id)).execution_options(populate_existing=True)
    cases = (await tx.exec(chosen.with_for_update(of=Case) if lock else chosen)).all()
    waiting = defaultdict[UUID, list[Flag]](list)
    on_them = (col(Flag.clinic_id) == tx.clinic.id, col(Flag.case_id).in_(case_ids))
    for flag in await tx.exec(select(Flag).where(*on_them, IS_UNRESOLVED)):
        waiting[flag.case_id].append(flag)
    return [
        case.id for case in cases if keep_triage(case if lock else _copy(case), waiting[case.id])
    ]


def _copy(case: Case) -> Case:
    """Give a case that nothing is written of."""
    return cast("Case", SimpleNamespace(**{name: getattr(case, name) for name in PLACES}))
