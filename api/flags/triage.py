"""Where a case stands in the queue of flagged cases: kept on the case, whose lock is held."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from api.domain.lifecycles import is_unresolved
from api.domain.vocabulary import SEVERITY_ORDER, Audience, Severity, severity_rank
from api.storage.models.clinical import Case
from api.storage.models.flags import Flag


class Triage(NamedTuple):
    """How grave the gravest is that waits for supervisors, and by when a look is wanted first."""

    level: int | None
    due_at: datetime | None


def level_of(severity: Severity) -> int:
    """Give the level of a severity: 1 for critical, and more for what is less grave."""
    return len(SEVERITY_ORDER) - severity_rank(severity)


def severity_of(level: int) -> Severity:
    """Give the severity of a level."""
    return SEVERITY_ORDER[len(SEVERITY_ORDER) - level]


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


def keep_triage(case: Case, flags: Sequence[Flag]) -> None:
    """Let a case keep its place by all of its flags, and the one without what is restricted."""
    level, due_at = triage(flags)
    open_level, open_due_at = triage(flag for flag in flags if not flag.restricted)
    for name, kept in (
        ("triage_level", level),
        ("triage_due_at", due_at),
        ("unrestricted_triage_level", open_level),
        ("unrestricted_triage_due_at", open_due_at),
    ):
        # mostly it stays where it is, and is not written
        if getattr(case, name, None) != kept:
            setattr(case, name, kept)
