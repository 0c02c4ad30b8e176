"""From which status a record may move to which, and by when somebody should move it on."""

from datetime import datetime, timedelta

from api.domain.vocabulary import (
    UNRESOLVED,
    ConsultationStatus,
    ConsultationUrgency,
    FlagStatus,
    Severity,
)

CASE_VOIDED = "This case was voided; nothing more is written to it."
CASE_PURGED = "The text of this case was destroyed; nothing more is written to it."

S = ConsultationStatus

UNFINISHED = frozenset({S.draft, S.requested, S.accepted, S.declined, S.in_progress})

_CONSULTATION_MOVES: dict[ConsultationStatus, frozenset[ConsultationStatus]] = {
    S.requested: frozenset({S.draft, S.declined}),
    S.accepted: frozenset({S.requested}),
    S.declined: frozenset({S.requested}),
    S.in_progress: frozenset({S.accepted}),
    S.completed: frozenset({S.in_progress}),
    S.cancelled: UNFINISHED,
}

EDITABLE_CONSULTATION = frozenset({S.draft, S.requested, S.declined})
"""While nobody has accepted it, a request may still be reworded."""

ANSWER_WITHIN = {
    ConsultationUrgency.routine: timedelta(days=30),
    ConsultationUrgency.priority: timedelta(days=7),
    ConsultationUrgency.urgent: timedelta(hours=48),
    ConsultationUrgency.emergency: timedelta(hours=24),
}

BRIEF_LASTS = timedelta(days=30)
"""How long a consultant may read a brief, from being asked or, once accepted, from then on."""

LOOK_WITHIN = {
    Severity.critical: timedelta(hours=24),
    Severity.high: timedelta(hours=48),
    Severity.moderate: timedelta(days=7),
    Severity.low: timedelta(days=30),
    Severity.info: None,
}


def due_by(severity: Severity, since: datetime) -> datetime | None:
    """Say by when a flag of this severity wants a look; a prompt never does."""
    within = LOOK_WITHIN[severity]
    return None if within is None else since + within


def may_move(now: ConsultationStatus, to: ConsultationStatus) -> bool:
    """Tell whether a consultation may go from one status to another."""
    return now in _CONSULTATION_MOVES[to]


def is_unresolved(status: FlagStatus) -> bool:
    """Tell whether a flag still waits for a person."""
    return status in UNRESOLVED
